-- What is deleted when it is old enough, and nothing else: a hold comes in when it ends, never while seats are taken.
CREATE INDEX hold_ended ON hold (max_until) WHERE state <> 1;
