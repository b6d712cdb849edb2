"""Every bound and rate in the system, each with its why. Relations between them are asserted at the end.

A bound without a name here is a bug: whatever is unbounded is where an on-sale breaks.
"""

# --- requests -------------------------------------------------------------------------------------------------------
# The largest honest body is a hold of a few seats or an order: below 4 KB.
HOT_BODY_MAX_BYTES = 16 * 1024
# The largest honest body is a chart: 100,000 seats take about 150 KB of compact JSON.
BODY_MAX_BYTES = 4_000_000
# Address, headers and trailers of one request. Browsers send 2 KB and keep a cookie under 4 KB; proxies add a little.
HEAD_MAX_BYTES = 32 * 1024
# From the first to the last byte of them. An honest client sends them in one piece; who drips keeps connections busy.
HEAD_WAIT_S = 10.0
# A random key is 36 characters; beyond this it is no key.
IDEMPOTENCY_KEY_MAX_LENGTH = 128
# Open connections of one web process: the last bound, where nothing but a bare 503 is said any more.
HTTP_CONNECTIONS_MAX = 20_000
# Files a process wants to open: a socket for each of those connections, and its own to other servers.
OPEN_FILES_MAX = HTTP_CONNECTIONS_MAX + 1_000
# Hot requests under way in one process: a burst of 10,000 fits, and beyond it the answer is 503 with Retry-After.
HOT_REQUESTS_UNDER_WAY_MAX = 12_000
# New objects between two looks for garbage in cycles: a burst of 10,000 requests under way, some 20 MB.
GARBAGE_OBJECTS_MAX = 200_000
# E-mail addresses end at 254 characters (RFC 5321, 4.5.3.1.3).
EMAIL_MAX_LENGTH = 254
# A search longer than this finds nothing anyway.
SEARCH_MAX_LENGTH = 200
# One page of events: what a phone can show and one query can bear.
PAGE_ROWS_MAX = 100
PAGE_ROWS_DEFAULT = 24

# --- charts ---------------------------------------------------------------------------------------------------------
# The largest stadium concert so far sold about 200,000 tickets; twice that is out of reach of a walk to the seat.
CHART_SEATS_MAX = 400_000
# A chart is uploaded by an organiser and decoded by every browser, so each of its sizes has an end.
# A festival with every box its own section needs some hundreds.
CHART_SECTIONS_MAX = 2_000
# Ten seats a row at the largest chart.
CHART_ROWS_MAX = 40_000
# A zone must fit a byte of `Layout`, and nobody can read more prices than this.
CHART_ZONES_MAX = 64
CHART_SHAPES_MAX = 200
CHART_OUTLINE_POINTS_MAX = 400
# Printed on a ticket, in one line.
CHART_NAME_CHARS_MAX = 80
# Two kilometres; larger figures are a mistaken unit.
CHART_EXTENT_CM_MAX = 200_000
# Nobody sits closer; nearer figures are a mistaken unit or seats in one place.
CHART_SPACING_CM_MIN = 20
# A chart comes in one request.
CHART_BYTES_MAX = BODY_MAX_BYTES
# A title is a line on a phone and on a ticket; a summary is what a list shows under it; a description is a long page.
NAME_MAX_LENGTH = 120
TITLE_MAX_LENGTH = 160
SUMMARY_MAX_LENGTH = 300
# Ten pages: more is a web site of its own.
DESCRIPTION_MAX_LENGTH = 20_000
# What still fits a line when an address is printed.
SLUG_MAX_LENGTH = 80
# As many as a chart may have zones; past that nobody can tell their colours apart anyway.
TIERS_MAX = 64
# A million euros a seat is a slipped comma.
PRICE_MINOR_MAX = 100_000_000
# The longest festivals last a month. The table has the same bound: it keeps history out of the scan for what is coming.
EVENT_LENGTH_MAX_DAYS = 31
# A company outing buys a few hundred seats; more than this in one account is a reseller.
SEATS_PER_PERSON_MAX = 1_000
# Readers who wait for one round trip. Beyond it the answer is 503 at once, never a timeout.
READ_QUEUE_MAX = 10_000
READ_BATCH_MAX = 512
# Nobody types more words to find a concert, and each of them is one more pattern for every row looked at.
SEARCH_WORDS_MAX = 8
# Seats left and the organiser's word are shown at most this late (design.md section 9 allows metadata an hour).
EVENT_AGE_MAX_S = 1.0
# While the database is away, a page is still served from what was known within that hour.
EVENT_STALE_MAX_S = 3_600.0
# A few kilobytes each: a busy day's events, and a crawler through all 50,000 pushes out only what it asked for.
EVENTS_IN_MIND_MAX = 5_000
# A page of a list is about 100 KB, so this is a dozen megabytes; the home page and its filters are a few dozen.
LISTS_IN_MIND_MAX = 128
# Different searches read one after the other on one connection: so many of them take some tenths of a second.
LISTS_BATCH_MAX = 32
# A body and its gzip: about 200 KB for a stadium.
CHART_BODIES_IN_MIND_MAX = 128
# New cities and genres show in the search form this late.
FACETS_AGE_MAX_S = 30.0
# Past some hundreds of cities a form needs a search box of its own.
FACET_ROWS_MAX = 500

# --- holds ----------------------------------------------------------------------------------------------------------
# design.md section 9: 5 to 10 minutes, per event; a shorter one is used in tests and for last-minute sales.
HOLD_TTL_MIN_S = 10
HOLD_TTL_DEFAULT_S = 300
HOLD_TTL_MAX_S = 600
# Paying and asking for more time add at most this to a hold, so that nobody can sit on a seat.
HOLD_EXTENSION_MAX_S = 300
# Starting a payment gives at least this much time (design.md section 7).
PAYMENT_EXTENSION_S = 60
# More seats than this in one hold is a group booking, which organisers handle by hand.
SEATS_PER_HOLD_MAX = 20
SEATS_PER_HOLD_DEFAULT = 8
# A batch is one transaction: long enough to share the commit, short enough that the slowest waits under 50 ms.
HOLD_BATCH_MAX = 256
# Where so many ask at a time, the next batch leaves this long after the one before at the earliest: each costs a web
# process and PostgreSQL more than a millisecond, and nobody notices a fiftieth of a second. A quiet shop never waits.
HOLD_PACE_S = 0.02
HOLD_BUSY_ASKS_MIN = 4
# Batches of several shards that are ready together share a transaction. After so many shards the next leaves
# HOLD_PACE_S later, too; one shard's batches are paced already.
CONVOY_BUSY_SHARDS_MIN = 4
# Nobody waits longer than this for a transaction that other shards' batches are in...
CONVOY_LATE_S = 0.1
# ...and it gives up a lock after this long: all of its shards then run alone...
CONVOY_LOCK_TIMEOUT_S = 0.3
# ...and the one that fails even so does not share for a while: longer than whoever has its locks can keep them, mostly.
CONVOY_APART_S = 10.0
# Requests waiting for a batch, per shard and process: a whole burst may. What turns people away is time...
HOLD_QUEUE_MAX = HOT_REQUESTS_UNDER_WAY_MAX
# ...for a fan who clicked has looked at a spinner long enough: who would wait, or has waited, longer is told 503.
HOLD_WAIT_MAX_S = 1.0
# A batch that met a deadlock or lost its connection runs again: the second try mostly passes, the third is for luck.
HOLD_TRIES_MAX = 3
# No try begins later than this after the first. PostgreSQL finds a deadlock after 1 s, so two of them fit; who waited
# in vain for a lock, a statement or a connection does not do it twice while hundreds wait behind.
HOLD_AGAIN_WITHIN_S = 2.5
# Asks of one person that wait at once; they travel one at a time. A browser has one, two tabs have two.
HOLD_ASKS_PER_PERSON_MAX = 4
# "Best available" picks from a picture of the seats and may lose the race for them; it looks again this often.
BEST_ATTEMPTS_MAX = 6
# How old that picture may be. Under it one query serves everybody who asks.
AVAILABILITY_AGE_MAX_S = 0.5
# Events whose seats a process keeps in mind at once; the least recently used is dropped.
SHARDS_IN_MIND_MAX = 1_000
# Look-ups over charts kept in mind: 10 bytes a seat, so at most about 40 MB of the largest.
LAYOUTS_IN_MIND_MAX = 64
# Holds that have run out are swept by the worker this often, so that maps show the seats; taking them needs no sweep.
EXPIRY_EVERY_S = 1.0
EXPIRY_BATCH_MAX = 500
# Seats an organiser takes off sale or puts back in one transaction: a whole stand, or the floor of a stadium. Asks for
# these seats wait meanwhile, some tenths of a second.
BLOCK_SEATS_MAX = 20_000
# Seats left are told to the catalogue this often while they change (at most once a second, as design.md asks).
COUNT_SEATS_EVERY_S = 1.0
# A worker that starts counts again what changed in the time it may have been away.
COUNT_SEATS_AGAIN_S = 3_600.0
# What has outlived its use is deleted this often; nothing waits for it.
FORGET_EVERY_S = 300.0
# ...so many rows at a time: a long delete holds locks and may never end under the statement timeout.
FORGET_BATCH_MAX = 5_000
# Ended holds are kept this long for a client that asks what became of them, then deleted.
ENDED_HOLD_KEPT_S = 3_600

# --- the line ---------------------------------------------------------------------------------------------------------
# Who joins travels together: Redis gives so many places in a few milliseconds, and nobody notices the wait for them.
JOIN_BATCH_MAX = 512
JOIN_PACE_S = 0.01
JOIN_BUSY_ASKS_MIN = 4
# A batch that finds the line lost, or its numbers used up, mends that and asks again. More often is a fault to tell.
JOIN_TRIES_MAX = 4
# Numbers that PostgreSQL commits to ahead: raised at half, so a commit may take as long as it takes to give the other
# half, 50 ms at 83,000 joins a second. As many at most are nobody's when Redis is lost.
NUMBERS_AHEAD_MAX = 8_192
# The same for one process that cannot reach Redis.
NUMBERS_RESERVED_MAX = 1_000
# Whom a process remembers having given a place without Redis, for those who ask twice.
PROVISIONAL_PLACES_MAX = 100_000
# A place is shown for as long as any wait, and ten minutes more.
PLACE_TOKEN_TTL_S = 24 * 3_600 + 600
# The board is looked up this often by each process; caches on the way keep it for as long again at the most.
BOARD_AGE_MAX_S = 0.5
BOARD_CACHED_S = 1
# When the next look at one's own place makes sense: a shop that serves a thousand a second calls nobody from far back.
POLL_MIN_S = 3.0
POLL_MAX_S = 60.0
POLL_S_PER_PERSON = 0.001

# --- the map of seats (decision 0011) ---------------------------------------------------------------------------------
# A map nobody changes for an hour is made anew by who looks next; 12 bytes a seat.
MAP_KEPT_S = 3_600
# While a map is made, the changes it misses are kept: for longer than a snapshot may take to read...
MAP_MISSED_KEPT_S = 90
# ...and so many of them: half a million changed seats. Beyond it the map is begun again.
MAP_MISSED_MAX_BYTES = 8_000_000
# Changes are told to the map together, this long after the first of them: who asked for the seats is answered before,
# and a rush tells less often. A tenth of what a released seat may take to be takeable everywhere.
MAP_TELL_AFTER_S = 0.01
# Commits waiting to be told, in seats: some seconds of the busiest on-sale. Beyond it they are dropped, and healed.
MAP_OUTBOX_SEATS_MAX = 100_000
# What waits for a shard travels in one script call, while which Redis does nothing else: a few milliseconds.
MAP_TELL_SEATS_MAX = 4_000
# Messages heard while a map is being loaded; more than these mean that loading takes too long, and it begins again.
MAP_HELD_BACK_MAX = 4_096
# Whole maps on their way to one process at a time: a few megabytes.
MAP_LOADS_MAX = 4
# Seats of all mirrors of a process, 9 bytes each: 180 MB. Beyond it the mirrors least recently used are dropped.
MIRROR_SEATS_MAX = 20_000_000
# A map that could not be loaded is tried again after this, while somebody is interested.
MAP_LOAD_AGAIN_S = 1.0
# A load that loses against changes tries again so often before it waits.
MAP_LOAD_ATTEMPTS_MAX = 3
# A lost connection is made again after this.
MAP_RECONNECT_AFTER_S = 0.25
# Redis is asked this often on the listening connection whether all that was said has been heard...
MAP_PING_EVERY_S = 0.25
# ...and a mirror refuses nobody when the last question that was answered is older than this.
MAP_PIPE_AGE_MAX_S = 1.0
# The healer looks for what Redis missed this often, and then beats.
HEAL_EVERY_S = 0.25
# It beats only when it knows everything that committed before this long ago (a long transaction hides what is newer)...
HEAL_LAG_MAX_S = 0.8
# ...and a mirror refuses nobody when the last beat is older than this.
MAP_BEAT_AGE_MAX_S = 1.2
# After a crash between commit and Redis, a released seat is takeable within this.
HEAL_WITHIN_S = 2.0
# A round reads so many full batches of facts: after a pause of the worker it catches up within a few rounds.
HEAL_BATCHES_MAX = 20
# A round heals until nothing is behind; more tries than this mean that somebody works against it.
HEAL_ATTEMPTS_MAX = 5
# Rounds remembered until their transactions have ended; the longest transaction is some dozen seconds.
HEAL_MARKS_MAX = 256
# For looking, a map the healer has not vouched for in this long is still good; after it, PostgreSQL is looked at.
MAP_SHOWN_BEAT_AGE_MAX_S = 10.0
# Viewers wait this long for a map to come back into step before they are shown PostgreSQL's pictures.
MAP_SHOWN_AGAIN_S = 1.0
# A hold with less time left than this is in doubt: clocks differ.
SHORTCUT_MARGIN_S = 2.0
# A picture of a map is a copy of all its seats; requests within this time share one.
AVAILABILITY_FROM_MAP_EVERY_S = 0.05
# Steps kept for viewers who come back: about ten seconds of a rush, minutes of a quiet sale.
MAP_STEPS_MAX = 1_024
# Past this many changed seats a fresh picture (two bits a seat) is the shorter message.
MAP_STEPS_SEATS_MAX = 20_000

# --- live map -------------------------------------------------------------------------------------------------------
# Ten times a second is live to the eye; in between, changes are gathered and each seat is told once.
LIVE_TICK_S = 0.1
# Proxies cut a connection on which nothing was said for 30 to 60 s.
LIVE_HEARTBEAT_S = 15.0
# Viewers of one process; half of its connections are left for people who buy. Who comes behind them asks now and then.
LIVE_VIEWERS_MAX = 10_000
# ...and of one event, so that the most popular one leaves others a place.
LIVE_VIEWERS_PER_EVENT_MAX = 8_000
# Seats in one message, about 100 KB. A sale at its fastest changes 5,000 in a tick; for more, a new picture is smaller.
LIVE_SEATS_MAX = 10_000
# Steps heard while a picture is taken, in some tens of milliseconds; with more, another picture is taken.
LIVE_EARLY_DELTAS_MAX = 1_000
# Different versions from which the way to now is kept in mind until the next message.
LIVE_CATCH_UPS_MAX = 64
# A picture that could not be taken is tried again after this.
LIVE_RETRY_S = 1.0
# Written to a viewer and not taken, in our memory and as much in the kernel's. Past it, no more is written.
LIVE_BACKLOG_MAX_BYTES = 64 * 1024
# ...and who took too little of it for this long is hung up on. A phone in a tunnel comes back and goes on from there.
LIVE_STALL_MAX_S = 20.0
# Viewers say nothing. What they might send is read up to the length of a control frame (RFC 6455, 5.5) and ends it.
LIVE_FRAME_MAX_BYTES = 125
# A viewer that vanished without a word is noticed after both of these.
LIVE_PING_EVERY_S = 20.0
LIVE_PONG_WAIT_S = 20.0

# --- orders and payments --------------------------------------------------------------------------------------------
# One order may take the holds of several section groups of one event.
HOLDS_PER_ORDER_MAX = 8
# The gateway's answer is awaited this long; then the fan is told that we are asking (202).
GATEWAY_TIMEOUT_S = 20.0
# Connections to the gateway per process: 1,000 payments/s of 100 ms each need 100; more would only queue there.
GATEWAY_CONNECTIONS_MAX = 128
# A payment without an end is looked at by the reconciler after this long...
RECONCILE_AFTER_S = 10
# ...this often, this many at a time, so that a backlog cannot starve the sale.
RECONCILE_EVERY_S = 2.0
RECONCILE_BATCH_MAX = 50
# A person who mistypes a card number tries a few times; a card tester tries hundreds.
PAYMENT_ATTEMPTS_MAX = 10

# --- accounts -------------------------------------------------------------------------------------------------------
# A session lasts a month of visits; a guest's ends sooner, since nothing but the browser holds it.
SESSION_TTL_S = 30 * 86_400
GUEST_SESSION_TTL_S = 7 * 86_400
# A one-time code: 6 digits, 10 minutes, 5 tries: one chance in 200,000 to guess it.
SIGN_IN_CODE_DIGITS = 6
SIGN_IN_CODE_TTL_S = 600
SIGN_IN_CODE_TRIES_MAX = 5
# Codes sent to one address and asked for from one network, so that nobody's mailbox is flooded through us.
SIGN_IN_CODES_PER_EMAIL = 5
SIGN_IN_CODES_PER_ADDRESS = 30
SIGN_IN_CODES_WINDOW_S = 3_600
# Revoked sessions are known to every process after at most this long.
REVOCATION_LAG_S = 5.0
# A revocation outlives every session it could concern.
REVOCATION_KEPT_S = SESSION_TTL_S

# --- kit ------------------------------------------------------------------------------------------------------------
# PostgreSQL connections per process: holds need few (they travel together); pages and payments share the rest.
WRITE_CONNECTIONS_MAX = 12
READ_CONNECTIONS_MAX = 6
# Batches of holds have connections of their own: they never queue behind pages and payments. One is under way at a time
# (`kit/convoy`); the others are for those that are stuck, and for releases and extensions.
BATCH_CONNECTIONS_MAX = 4
# Jobs run a few at a time (JOBS_RUNNING_MAX below) and share these, one of which listens for new ones.
JOB_CONNECTIONS_MAX = 4
# What one process may hold open at once; as many processes as there are must fit into PostgreSQL's max_connections.
PROCESS_CONNECTIONS_MAX = WRITE_CONNECTIONS_MAX + READ_CONNECTIONS_MAX + BATCH_CONNECTIONS_MAX + JOB_CONNECTIONS_MAX
# Beside web processes and worker: two commands at a time, like `onsale audit`, and what is kept for superusers.
SPARE_CONNECTIONS_MAX = 2 * PROCESS_CONNECTIONS_MAX + 8
# Waiting longer than this for a connection means the database is away or drowned: say so.
CONNECTION_WAIT_S = 3.0
# Requests that wait for a connection of one pool. A dozen connections serve about so many within CONNECTION_WAIT_S; who
# comes behind them would wait for nothing, and is told at once.
CONNECTION_QUEUE_MAX = 4_096
# Making a connection takes milliseconds, seconds only where nobody is; psycopg allows no less than 2.
CONNECT_TIMEOUT_S = 2
# A host that fell silent is noticed by TCP after 5 + 3 * 2 s of quiet, or 10 s after what it did not acknowledge.
TCP_IDLE_S = 5
TCP_PROBE_EVERY_S = 2
TCP_PROBES_MAX = 3
# libpq takes milliseconds here.
TCP_UNACKNOWLEDGED_MAX_MS = 10_000
# No answer for this long, by TCP or through a Unix socket: hang up. PostgreSQL itself ends every statement before.
DATABASE_ANSWER_WAIT_S = 12.0
# A load balancer waits a few seconds for `/readyz`; a database that needs longer than this is not ready.
READY_WAIT_S = 4.0
# A statement of a hot path takes milliseconds. One that takes this long is holding locks others need.
STATEMENT_TIMEOUT_S = 10.0
LOCK_TIMEOUT_S = 5.0
# A transaction in which nothing happens for this long belongs to a process that hangs.
IDLE_IN_TRANSACTION_TIMEOUT_S = 15.0
# Before a batch runs again, at random from nothing to twice this: what was in the way has mostly gone by then.
BATCH_PAUSE_S = 0.05
# Asks found out, one by one, to make their batch fail. More at once are no bad asks but a bug met by all; looking for
# each of them would cost two transactions an ask.
BATCH_POISONED_MAX = 8
# Statements that one connection prepares for packets: about 60 in the code, some of them in a few forms, since psycopg
# chooses the type of a number by its size. What comes after them travels unprepared.
PREPARED_STATEMENTS_MAX = 500
# A Redis that does not answer in this time is treated as away; everything goes on without it.
REDIS_TIMEOUT_S = 0.5
REDIS_CONNECTIONS_MAX = 32
# A process is busy from this rate of hot requests on (no single client reaches it), measured over so many of them.
MODERATION_FROM_PER_S = 1_000
MODERATION_SAMPLE_MAX = 64
# A busy process stands still for so long where it found no more than so many requests since it last did: nobody notices
# a millisecond, and on 2 cores an attempt at 7,000/s costs a tenth less. Who finds more has more to do than to wait.
MODERATION_PAUSE_S = 0.001
MODERATION_FOUND_MAX = 3
# Paths of hot endpoints whose meaning is kept: some thousand events at most are on sale in earnest; orders come and go.
PATHS_IN_MIND_MAX = 4_096
# Whoever asks chooses the path; the longest honest one of a hot endpoint has an order's id.
PATH_IN_MIND_LENGTH_MAX = 80
# What each answer is counted by is written into the metrics this often.
TALLY_EVERY_S = 0.25
# Processes publish their figures this often, and figures older than the second bound are of a dead process.
PULSE_EVERY_S = 0.25
PULSE_EXPIRY_S = 2.0
# Answers kept for repeated requests: a day, as the big gateways do.
IDEMPOTENCY_KEPT_S = 86_400
# Hearing a fact is tried again this often, with growing pauses, before a person has to look.
JOB_ATTEMPTS_MAX = 12
JOB_WAIT_S = 2
# Jobs mostly wait, for PostgreSQL or a mail server, so a few run at once...
JOBS_RUNNING_MAX = 4
# ...and share these threads for their pictures and PDFs. One interpreter does one such thing at a time anyway.
CRUNCH_THREADS_MAX = 1
# A job asks for one thing at a time; the rest is for commands that write letters, too.
CRUNCH_WORK_MAX = 16
# Tickets that somebody looks at are drawn in a thread of their own, in 5 to 100 ms each: the last of these waits a few
# seconds, and who comes behind is told 503 at once.
DRAW_THREADS_MAX = 1
DRAW_WORK_MAX = 64
# Conversations with the mail server at a time; they mostly wait. Beyond those that wait too, mail is unavailable.
MAIL_THREADS_MAX = 8
MAIL_WORK_MAX = 64
# A worker that ends finishes the jobs it is at, within this; the rest of the grace is for closing.
JOBS_GRACE_S = 20.0
# A worker says every 10 s that it lives; one that has not for this long is dead, and its jobs are taken over...
JOBS_RESCUE_AFTER_S = 30.0
# ...by those that look for them this often.
JOBS_RESCUE_EVERY_S = 10.0
# Facts are kept for followers that were away, and for looking back, this long.
FACTS_KEPT_S = 7 * 86_400
FACTS_BATCH_MAX = 500
FOLLOW_EVERY_S = 0.1
# Mails kept by the development mailbox.
MAILBOX_ROWS_MAX = 500
SMTP_TIMEOUT_S = 20.0
# Keys a process counts by itself while Redis is away; the oldest half is dropped when it is full.
LOCAL_QUOTA_KEYS_MAX = 100_000
# Rates are asked for together: one step of Redis looks at so many requests in about a millisecond. In a rush they wait
# some milliseconds for each other; a call of Redis costs a web process as much as thirty of them.
QUOTA_BATCH_MAX = 256
QUOTA_PACE_S = 0.005
QUOTA_BUSY_ASKS_MIN = 4
# After Redis has failed to answer, a process counts by itself for this long before it asks again: nobody waits twice.
QUOTA_AWAY_S = 1.0
# A block of the rate of all together lapses after this; so many blocks make a second's.
QUOTA_LEASE_S = 1.0
RATE_BLOCKS_PER_S = 100
# Addresses whose parsed form is kept: proxies, and whoever asks again soon.
ADDRESSES_IN_MIND_MAX = 4_096
# The doctor waits this long for another server to take a connection.
PROBE_TIMEOUT_S = 3.0
# How long a process may take to finish what it has begun after SIGTERM. Payments are the longest.
SHUTDOWN_GRACE_S = 25.0

assert HOLD_TTL_MIN_S <= HOLD_TTL_DEFAULT_S <= HOLD_TTL_MAX_S, "the default is one of those allowed"
assert PAYMENT_EXTENSION_S > GATEWAY_TIMEOUT_S, "seats must stay the payer's while we wait for the gateway"
assert PAYMENT_EXTENSION_S <= HOLD_EXTENSION_MAX_S, "a hold that is running out still has room for paying"
assert SHUTDOWN_GRACE_S > GATEWAY_TIMEOUT_S, "a payment under way may end before its process does"
assert JOBS_GRACE_S < SHUTDOWN_GRACE_S, "a worker has time to close after its last job"
assert LOCK_TIMEOUT_S < STATEMENT_TIMEOUT_S < IDLE_IN_TRANSACTION_TIMEOUT_S, "the innermost wait gives up first"
assert STATEMENT_TIMEOUT_S < DATABASE_ANSWER_WAIT_S, "a slow statement is PostgreSQL's to end; only silence is ours"
assert CONNECT_TIMEOUT_S < CONNECTION_WAIT_S, "who waits for a connection learns whether anybody is there"
assert CONNECTION_WAIT_S < READY_WAIT_S, "a crowded pool says so itself, before the question is given up"
assert CONNECTION_QUEUE_MAX < HOT_REQUESTS_UNDER_WAY_MAX, "the queue behind has an end before the one in front"
assert JOBS_RUNNING_MAX <= CRUNCH_WORK_MAX, "a job never finds the queue for its letter full"
assert HOLD_AGAIN_WITHIN_S < CONNECTION_WAIT_S < LOCK_TIMEOUT_S, "nobody waits in vain for the same thing twice"
assert 10 * HOLD_PACE_S < HOLD_WAIT_MAX_S, "pacing is no waiting"
assert CONVOY_LATE_S < CONVOY_LOCK_TIMEOUT_S < HOLD_WAIT_MAX_S, "one shard's trouble is not heard by the others"
assert LOCK_TIMEOUT_S < CONVOY_APART_S
assert JOIN_BATCH_MAX <= NUMBERS_AHEAD_MAX // 2, "a batch is never larger than what is kept ahead"
assert HOLD_WAIT_MAX_S + HOLD_AGAIN_WITHIN_S + CONNECTION_WAIT_S + DATABASE_ANSWER_WAIT_S < SHUTDOWN_GRACE_S, (
    "a hold is answered before its process goes, also when its last try meets silence"
)
assert RECONCILE_AFTER_S < GATEWAY_TIMEOUT_S, "asking twice is harmless; waiting twice as long is not"
assert OPEN_FILES_MAX > HTTP_CONNECTIONS_MAX + GATEWAY_CONNECTIONS_MAX + REDIS_CONNECTIONS_MAX, "sockets fit"
assert LIVE_VIEWERS_PER_EVENT_MAX <= LIVE_VIEWERS_MAX < HTTP_CONNECTIONS_MAX, "watching leaves room for buying"
assert LIVE_TICK_S < LIVE_RETRY_S < LIVE_HEARTBEAT_S, "a failed picture is tried again before viewers miss a word"
assert SEATS_PER_HOLD_DEFAULT <= SEATS_PER_HOLD_MAX
assert MAP_MISSED_KEPT_S > 4 * (CONNECTION_WAIT_S + DATABASE_ANSWER_WAIT_S), "a snapshot cannot outlive what it missed"
assert HEAL_LAG_MAX_S + MAP_BEAT_AGE_MAX_S <= HEAL_WITHIN_S, "trust ends before a lost change is old"
assert MAP_PING_EVERY_S < MAP_PIPE_AGE_MAX_S and HEAL_EVERY_S < HEAL_LAG_MAX_S, "one missed round is no silence"
assert MIRROR_SEATS_MAX > 10 * CHART_SEATS_MAX, "the largest events fit, side by side"
assert MAP_PING_EVERY_S < REDIS_TIMEOUT_S, "a connection in order is never silent for so long"
