"""Round trips by hand: what the tests of the coalescer drive it with."""

import asyncio

from onsale.kit.coalesce import Coalescer


def tenfold(asks):
    return [ask * 10 for ask in asks]


class Trips:
    """A round trip that a test opens and closes by hand; `batches` are those that have started."""

    def __init__(self, answer=tenfold):
        self.batches = []
        self.answer = answer
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self, asks):
        self.batches.append(list(asks))
        await self.open.wait()
        return self.answer(asks)

    async def started(self, count):
        for _ in range(1_000):
            if len(self.batches) >= count:
                return
            await asyncio.sleep(0)
        raise AssertionError(f"only {self.batches} have started")


class Clock:
    """A clock that moves when a test moves it, or when somebody sleeps by it."""

    def __init__(self, monkeypatch):
        self.now_s = 1_000.0
        self.pauses = []
        monkeypatch.setattr("onsale.kit.clock.monotonic", lambda: self.now_s)
        monkeypatch.setattr("onsale.kit.clock.sleep", self.sleep)

    async def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now_s += seconds
        await asyncio.sleep(0)


def coalescer(trips, *, batch_max=100, queue_max=100, **more):
    return Coalescer(trips, name="test", batch_max=batch_max, queue_max=queue_max, **more)


async def asking(batch, *asks):
    tasks = [asyncio.create_task(batch.ask(ask)) for ask in asks]
    await asyncio.sleep(0)
    return tasks


async def settled(tasks):
    return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)


async def blocked(**how):
    """A coalescer whose first trip (ask 0) is under way and will not end before `trips.open`."""
    trips = Trips(how.pop("answer", tenfold))
    trips.open.clear()
    batch = coalescer(trips, **how)
    first = await asking(batch, 0)
    await trips.started(1)
    return trips, batch, first
