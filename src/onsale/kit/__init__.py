"""The kit: what every room stands on, with no ticketing word in it.

Each module does one thing and is imported by its name (`from onsale.kit import db`).
Owns tables fact, mailbox, idempotency, schema_migration and procrastinate's, and Redis keys `pulse:*`, `{quota}:*`.
"""
