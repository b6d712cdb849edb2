"""Redis (or Valkey): one bounded pool per process, short timeouts, and errors that are ours.

Redis makes onsale fast and never decides what is true: every caller says what it does while `RedisAway`.
"""

from typing import Any

import redis.asyncio
import redis.exceptions
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from onsale import limits
from onsale.kit.problems import Unavailable

Client = redis.asyncio.Redis
Script = Any

FAULTS = (redis.exceptions.RedisError, OSError, TimeoutError)
"""What a call raises while Redis is away; caught in `cache.py` files and in the kit, nowhere else."""


class RedisAway(Unavailable):
    code = "redis_unavailable"
    title = "A helper service does not answer just now; nothing was lost"


def connect(url: str) -> Client:
    """A client that connects when first used, and again after every fault.

    Whoever finds all connections in use waits for one: a crowd must not look like a Redis that is away.
    """
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        url,
        max_connections=limits.REDIS_CONNECTIONS_MAX,
        timeout=limits.REDIS_TIMEOUT_S,
        socket_timeout=limits.REDIS_TIMEOUT_S,
        socket_connect_timeout=limits.REDIS_TIMEOUT_S,
        retry=Retry(NoBackoff(), 1),
    )
    return redis.asyncio.Redis.from_pool(pool)


async def ready(client: Client) -> bool:
    try:
        await client.ping()
    except FAULTS:
        return False
    return True
