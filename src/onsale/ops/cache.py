"""What operators ask of Redis: whether it answers, and which processes live."""

from onsale.kit import redis
from onsale.kit.pulse import Pulse
from onsale.kit.redis import RedisAway


async def answers(url: str) -> bool:
    client = redis.connect(url)
    try:
        return await redis.ready(client)
    finally:
        await client.aclose()


async def processes(url: str) -> list[str] | None:
    """Names of the processes that live; None when Redis is away and nobody can know."""
    client = redis.connect(url)
    try:
        return sorted(await Pulse(client, "doctor").read("process"))
    except RedisAway:
        return None
    finally:
        await client.aclose()
