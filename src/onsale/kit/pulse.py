"""What each process says of itself several times a second, for whoever steers by the figures of all.

Each process has one Redis key per topic that expires when it stops publishing: the dead drop out by themselves.
Publishing fails open (nobody waits for it); reading while Redis is away raises RedisAway, since steering blind is the
reader's decision.
"""

from collections.abc import Callable, Mapping

import msgspec

from onsale import limits
from onsale.kit import clock
from onsale.kit.redis import FAULTS, Client, RedisAway

Figures = dict[str, float]


class Pulse:
    """The figures of one process, under its own name."""

    def __init__(self, client: Client, process: str) -> None:
        self._client = client
        self._process = process

    async def publish(self, topic: str, figures: Mapping[str, float]) -> bool:
        """Say it once. False when Redis is away."""
        try:
            await self._client.set(
                f"pulse:{topic}:{self._process}",
                msgspec.msgpack.encode(dict(figures)),
                px=round(limits.PULSE_EXPIRY_S * 1000),
            )
        except FAULTS:
            return False
        return True

    async def read(self, topic: str) -> dict[str, Figures]:
        """Process name -> its latest figures, of every process that lives. Raises RedisAway."""
        prefix = f"pulse:{topic}:"
        try:
            keys = [key async for key in self._client.scan_iter(match=f"{prefix}*", count=1000)]
            values = await self._client.mget(keys) if keys else []
        except FAULTS as error:
            raise RedisAway from error
        return {
            _text(key).removeprefix(prefix): msgspec.msgpack.decode(_raw(value), type=Figures)
            for key, value in zip(keys, values, strict=True)
            if value is not None
        }

    async def beat(self, topic: str, figures: Callable[[], Mapping[str, float]]) -> None:
        """Publish for ever, every `PULSE_EVERY_S`; run it as a task."""
        while True:
            await self.publish(topic, figures())
            await clock.sleep(limits.PULSE_EVERY_S)


def _text(key: bytes | str) -> str:
    return key if isinstance(key, str) else key.decode()


def _raw(value: bytes | str) -> bytes:
    return value if isinstance(value, bytes) else value.encode()
