"""The processes of a simulation from outside: asks go in, answers come out, and who dies is replaced."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from onsale.kit import clock, tasks

ROOT = Path(__file__).resolve().parents[2]
# An answer that takes longer than every bound of the product together is a process that hangs, which is a bug.
ANSWER_MAX_S = 60.0
# Python starts in about a second; a machine that is busy with other tests takes many times that.
READY_MAX_S = 60.0


class Member:
    """One process, replaced by another under the same number when it dies."""

    def __init__(self, number: int, arguments: Sequence[str]) -> None:
        self.number = number
        self._arguments = arguments
        self._ids = count()
        self._waiting: dict[int, asyncio.Future[dict[str, Any] | None]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self.ready = asyncio.Event()
        self.deaths = 0
        self.leaving = False

    async def start(self) -> None:
        paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
        environment = os.environ | {"PYTHONPATH": paths, "PYTHONWARNINGS": "error"}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.simulation.process", *self._arguments),
            cwd=ROOT,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._reader = tasks.spawn(self._watch(self._process), name=f"process {self.number}")
        await self.await_ready()

    async def await_ready(self) -> None:
        await asyncio.wait_for(self.ready.wait(), READY_MAX_S)

    async def die(self) -> None:
        """Killed, and replaced by another that is ready when this returns."""
        deaths = self.deaths
        self.signal(signal.SIGKILL)
        while self.deaths == deaths:
            await clock.sleep(0.01)
        await self.await_ready()

    async def ask(self, **what: object) -> dict[str, Any] | None:
        """The answer, or None when the process dies before it has given one."""
        number = next(self._ids)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        self.say(id=number, **what)
        return await asyncio.wait_for(self._waiting[number], ANSWER_MAX_S)

    def say(self, **what: object) -> None:
        assert self._process and self._process.stdin
        if self.ready.is_set():
            self._process.stdin.write(json.dumps(what).encode() + b"\n")

    def signal(self, number: signal.Signals) -> None:
        assert self._process
        if self._process.returncode is None:
            self._process.send_signal(number)

    async def stop(self) -> None:
        self.leaving = True
        assert self._process and self._process.stdin and self._reader
        self.signal(signal.SIGCONT)
        self._process.stdin.close()
        await self._reader
        await self._process.wait()

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """Nobody may wait for a process of which nobody hears any more."""
        try:
            await self._read(process)
        except Exception as error:
            for future in self._waiting.values():
                future.set_exception(error)
            self.signal(signal.SIGKILL)
            raise

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout and process.stdin
        assert await process.stdout.readline() == b"ready\n", "it died while starting"
        self.ready.set()
        while line := await process.stdout.readline():
            answer = json.loads(line)
            self._waiting.pop(answer["id"]).set_result(answer)
        self.ready.clear()
        code = await process.wait()
        process.stdin.close()
        for future in self._waiting.values():
            future.set_result(None)
        self._waiting.clear()
        self.deaths += 1
        if not self.leaving:
            assert code == -signal.SIGKILL, f"process {self.number} ended by itself with {code}"
            await self.start()


class Crew:
    """All of them."""

    def __init__(self, processes: int, database_url: str, redis_url: str, event_id: int, *, careless: bool) -> None:
        arguments = (database_url, redis_url, str(event_id), "careless" if careless else "careful")
        self.members = [Member(number, arguments) for number in range(processes)]

    async def start(self) -> None:
        await asyncio.gather(*(member.start() for member in self.members))

    async def stop(self) -> None:
        """When each is there again that was on its way."""
        for member in self.members:
            await member.await_ready()
        await asyncio.gather(*(member.stop() for member in self.members))
