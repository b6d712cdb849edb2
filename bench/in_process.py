"""Holds by many clients in one process, without HTTP: `python -m bench.in_process KIND EVENT`; one line of JSON."""

import asyncio
import json
import resource
import sys
import time

import uvloop

from bench.baselines import KINDS
from onsale import app as composition
from onsale import config, ops
from onsale.kit import ids

CLIENTS = 256
HOLDS = 8_000
SEATS_EACH = 2


async def main(kind: str, event: int) -> None:
    with ops.servers_for(config.read()) as settings:
        house = composition.build(settings)
        async with house.open():
            inventory = KINDS[kind](house) if kind in KINDS else house.inventory
            room = asyncio.Semaphore(CLIENTS)

            async def one(number: int) -> None:
                seats = range(number * SEATS_EACH, (number + 1) * SEATS_EACH)
                async with room:
                    await inventory.hold(event, ids.new_person(), seats)

            before_s, begun_s = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
            await asyncio.gather(*map(one, range(HOLDS)))
            took_s, after_s = time.monotonic() - begun_s, resource.getrusage(resource.RUSAGE_SELF)
            cpu_s = after_s.ru_utime + after_s.ru_stime - before_s.ru_utime - before_s.ru_stime
            print(json.dumps({"holds": HOLDS, "took_s": took_s, "cpu_s": cpu_s}))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
