"""Faults for a soak: what is done to a running house, when, all from one seed."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

import msgspec
import psutil

from onsale.bench.stage import Stage
from onsale.kit import chance, clock
from onsale.kit.supervise import Supervisor

STOPPED_S = 3.0
# Before the first fault, and after the last: the house is seen well.
QUIET_S = 3.0


class Fault(StrEnum):
    KILL_WEB = "a web process killed"
    KILL_WORKER = "the worker killed"
    STOP_WEB = "a web process stopped for 3 s"
    FLUSH_REDIS = "Redis flushed"
    KILL_REDIS = "Redis killed"
    CRASH_POSTGRES = "PostgreSQL crashed"


class Struck(msgspec.Struct, frozen=True):
    """A fault and when it struck, in seconds since 1970."""

    fault: Fault
    at_s: float


@dataclass(slots=True)
class Faults:
    """Strikes about every `every_s` until it is told to end; each kind in turn, in an order drawn anew each round."""

    stage: Stage
    supervisor: Supervisor
    seed: int
    every_s: float
    struck: list[Struck]

    async def run(self, still: Callable[[], bool]) -> None:
        """Run as a task beside the load."""
        order = self._order()
        await clock.sleep(QUIET_S)
        while still():
            fault = next(order)
            self.struck.append(Struck(fault, clock.utcnow().timestamp()))
            self.stage.say(f"Fault: {fault}")
            await self._strike(fault)
            await clock.sleep(chance.jitter(self.every_s))

    def _order(self) -> Iterator[Fault]:
        draw = chance.seeded(self.seed)
        while True:
            kinds = list(Fault)
            draw.shuffle(kinds)
            yield from kinds

    async def _strike(self, fault: Fault) -> None:
        match fault:
            case Fault.KILL_WEB:
                _signal(self._web(), signal.SIGKILL)
            case Fault.KILL_WORKER:
                _signal(self.supervisor.pids.get("worker"), signal.SIGKILL)
            case Fault.STOP_WEB:
                pid = self._web()
                _signal(pid, signal.SIGSTOP)
                await clock.sleep(STOPPED_S)
                _signal(pid, signal.SIGCONT)
            case Fault.FLUSH_REDIS:
                async with self.stage.house() as house:
                    await house.redis.flushall()
            case Fault.KILL_REDIS:
                _signal(self._server("valkey"), signal.SIGKILL)
            case Fault.CRASH_POSTGRES:
                # SIGQUIT is PostgreSQL's immediate shutdown: it recovers from its log, as after a power cut.
                _signal(self._server("postgres"), signal.SIGQUIT)

    def _web(self) -> int | None:
        names = sorted(name for name in self.supervisor.pids if name.startswith("web"))
        return self.supervisor.pids[names[len(self.struck) % len(names)]] if names else None

    def _server(self, name: str) -> int | None:
        servers = self.stage.machine.servers
        return servers.pids.get(name) if servers else None


def _signal(pid: int | None, number: signal.Signals) -> None:
    """To a process of ours alone; one that is just being started again is left in peace."""
    if pid is None or psutil.Process().pid == pid:
        return
    with suppress(ProcessLookupError):
        os.kill(pid, number)
