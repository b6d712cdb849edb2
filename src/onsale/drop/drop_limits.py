"""Bounds of the simulator: a program of its own beside onsale, so its bounds stand apart from those of limits.py."""

# --- client ---------------------------------------------------------------------------------------------------------
# One process drives this many sockets well; more only queue inside the server that is measured.
CONNECTIONS_MAX = 512
# design.md section 8: overload is answered, never a timeout; so whoever waits this long met a fault worth counting.
REQUEST_TIMEOUT_S = 15.0
# On one machine a connection is made in microseconds; a listen queue that is full for this long is an outage.
CONNECT_TIMEOUT_S = 5.0
# The largest honest answer is a chart of 400,000 seats or a page of the gateway's book: a few MB.
ANSWER_MAX_BYTES = 64 * 1024 * 1024
# A server may close a kept connection just as we write to it. Once is that race; twice is something else.
STALE_RETRIES_MAX = 1

# --- volley ----------------------------------------------------------------------------------------------------------
# Connections that are being opened at a time: below any listen queue.
CONNECTIONS_AT_ONCE_MAX = 200
# A server that is being started again takes a second or two; whoever lost a connection knocks this often.
RECONNECT_AFTER_S = 0.1

# --- load -----------------------------------------------------------------------------------------------------------
# A day. Nothing that a load run waits for lasts longer, and with it no histogram has more than 7,400 buckets.
LATENCY_MAX_S = 86_400
# What a late generator launches before it lets answers in: else catching up would itself delay what it measures.
BURST_MAX = 64
# After the last arrival, work under way may take this long; what has not ended then is counted as unfinished.
DRAIN_S = 30.0
# Event loops wake to the millisecond, and two cores shared with the system make a process wait for some more. This is
# a tenth of the tightest p99 of design.md section 9 (50 ms), so below it the generator decides nothing.
LATENESS_TRUSTED_S = 0.005
# The generator is the limit once more than this share of the p99 is its own lateness...
LATENESS_OF_P99_MAX_SHARE = 0.2
# ...or it used more than this share of a core: one asyncio process then queues inside itself.
CPU_MAX_SHARE = 0.9

# --- fans -----------------------------------------------------------------------------------------------------------
# One process behaves like this many people at a time; more only wait for each other's requests.
FANS_AT_ONCE_MAX = 400
# 429, 503 and broken connections: a person tries again this often, then gives up.
RETRIES_MAX = 6
# A server may ask for a minute (10 hold attempts a minute); nobody who behaves in a test waits longer.
RETRY_AFTER_MAX_S = 65.0
# After a connection that broke there is no advice: about as long as a person takes to press "reload".
BROKEN_WAIT_S = 0.5
# While others hold the last seats, a fan looks again this often.
LOOK_AGAIN_S = 0.5
# "We are asking the bank" (202) is followed for about a minute: longer than the gateway's time limit and the
# reconciler's turn together. The first waits are short, so that they do not become the latency that is measured.
ORDER_READS_MAX = 120
ORDER_READ_FIRST_S = 0.02
ORDER_READ_EVERY_S = 0.5
# Broken promises are all counted, and this many told in full.
CONTRADICTIONS_MAX = 50
# The last fan may have been asked to wait, and then has an order to finish.
FANS_DRAIN_S = 120.0

# --- referee --------------------------------------------------------------------------------------------------------
# Rows told of each broken check: enough to start looking, few enough to read.
EXAMPLES_MAX = 20
# After this long without a change a payment has been forgotten: the gateway's time limit is 20 s, the reconciler comes
# every 2 s and takes up what is older than 10 s.
STUCK_AFTER_S = 60.0
# A check reads whole tables; on a sold-out stadium each takes well under a second.
STATEMENT_TIMEOUT_S = 300.0
# Between the two looks at the gateway's book a payment under way has gone on.
SECOND_LOOK_S = 2.0
# Rows fetched at a time: a check that everything breaks must not need memory for everything.
FETCH_MAX_ROWS = 10_000
# 1,000 charges a page (the sandbox's own bound): a book of ten million charges is not one run's.
BOOK_PAGES_MAX = 10_000

# --- witness --------------------------------------------------------------------------------------------------------
# What is known of a seat beside PostgreSQL follows its facts, which are looked for several times in this time.
LAG_S = 0.1
# After a fault (a process killed, a server restarted, Redis emptied) that knowledge is made anew.
LAG_AFTER_FAULT_S = 2.0

assert LAG_S < LAG_AFTER_FAULT_S, "nobody is faster after a fault than before it"
assert CONNECT_TIMEOUT_S < REQUEST_TIMEOUT_S, "an outage is told from a slow answer"
assert FANS_AT_ONCE_MAX <= CONNECTIONS_MAX, "no fan of one process waits for another's connection"
assert FANS_DRAIN_S > RETRY_AFTER_MAX_S + REQUEST_TIMEOUT_S, "who was asked to wait may still be served"
assert ORDER_READ_FIRST_S <= ORDER_READ_EVERY_S
