"""Bounds of the sandbox: a program of its own beside onsale, so its bounds stand apart from those of limits.py."""

from onsale import limits

# A payment is some 300 bytes of form; Stripe's longest fields (1,000 characters of description) fit many times.
BODY_MAX_BYTES = 16 * 1024
# Fields in one form or query: we send nine.
FIELDS_MAX = 64
# Stripe takes keys of up to 255 characters.
IDEMPOTENCY_KEY_MAX_LENGTH = 255
# Stripe takes at most eight digits of minor units.
AMOUNT_MAX_MINOR = 99_999_999
# Requests that share one commit: at 1,000 bookings/s (2,000 requests) and 10 ms of disk, 20 arrive during a commit.
BATCH_MAX = 256
# Requests waiting for the book; beyond it the answer is 503 at once, never a timeout.
QUEUE_MAX = 4_096
# Every web process of ours may fill its pool; eight of them fit.
CONNECTIONS_MAX = 1_024
# Rows in one page of the book: about 200 KB, which costs other requests a few milliseconds.
BOOK_ROWS_MAX = 1_000
# Payments of one order in one answer, as many as Stripe's search gives.
SEARCH_ROWS_MAX = 100
# A client closes an idle connection after the first of these, the server only after the second: so no request meets a
# connection that is just being closed, which would make its outcome unknown.
CLIENT_IDLE_S = 30.0
SERVER_IDLE_S = 60

assert CONNECTIONS_MAX >= 8 * limits.GATEWAY_CONNECTIONS_MAX, "eight processes of ours fit"
assert SEARCH_ROWS_MAX > limits.PAYMENT_ATTEMPTS_MAX, "one page shows every attempt at an order"
assert BODY_MAX_BYTES >= 9 * 1_000, "a full description fits, percent-encoded"
assert SERVER_IDLE_S > CLIENT_IDLE_S, "the client lets go first"
