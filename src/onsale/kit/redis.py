"""Redis (or Valkey): one bounded pool per process, short timeouts, and errors that are ours.

Redis makes onsale fast and never decides what is true: every caller says what it does while `RedisAway`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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


class Wire:
    """One connection that hears what is published. It never connects again by itself: who hears must know of a gap.

    One task reads; any may send. Every call raises RedisAway when the connection is lost or silent for REDIS_TIMEOUT_S.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def send(self, *command: str | bytes) -> None:
        try:
            # Sending on a lost connection would make a new one, on which nothing was subscribed to.
            if not self._connection.is_connected:
                raise RedisAway
            await self._connection.send_command(*command, check_health=False)
        except (*FAULTS, AttributeError) as error:  # Let go between the look and the write, it has no writer any more.
            raise RedisAway from error

    async def read(self) -> list[Any]:
        """The next answer: [kind, ...] as Redis sends it, kinds being subscribe, message, pong and their like."""
        try:
            answer: list[Any] = await self._connection.read_response(disable_decoding=True)
        except FAULTS as error:
            raise RedisAway from error
        return answer


@asynccontextmanager
async def wire(client: Client) -> AsyncIterator[Wire]:
    """A connection of its own beside the client's pool. Raises RedisAway."""
    pool = client.connection_pool
    # In the older protocol a subscribed connection says everything as a list, in the order it happened. The pool's
    # notifications of maintenance belong to the newer one.
    settings = {name: value for name, value in pool.connection_kwargs.items() if not name.startswith("maint_")}
    connection: Any = pool.connection_class(**{**settings, "protocol": 2})
    try:
        try:
            await connection.connect()
        except FAULTS as error:
            raise RedisAway from error
        yield Wire(connection)
    finally:
        await connection.disconnect(nowait=True)


async def ready(client: Client) -> bool:
    try:
        await client.ping()
    except FAULTS:
        return False
    return True
