"""The processes of a simulation from outside: asks go in, answers come out, and who dies is replaced."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from onsale.kit import clock

ROOT = Path(__file__).resolve().parents[2]
# An answer that takes longer than every bound of the product together is a process that hangs, which is a bug.
ANSWER_MAX_S = 60.0
READY_MAX_S = 60.0


class Member:
    """One process, replaced by another under the same number when it dies."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.ready = asyncio.Event()
        self.deaths = 0
        self.doomed = False
        self._ids = count()
        self._waiting: dict[int, asyncio.Future[dict[str, Any] | None]] = {}
        self._line: asyncio.StreamWriter | None = None
        self._pid = 0

    async def await_ready(self) -> None:
        await asyncio.wait_for(self.ready.wait(), READY_MAX_S)

    async def ask(self, **what: object) -> dict[str, Any] | None:
        """The answer, or None when the process dies before it has given one. Only while it is ready."""
        number = next(self._ids)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        self.say(id=number, **what)
        return await asyncio.wait_for(self._waiting[number], ANSWER_MAX_S)

    def say(self, **what: object) -> None:
        assert self._line and self.ready.is_set()
        self._line.write(json.dumps(what).encode() + b"\n")

    def signal(self, number: signal.Signals) -> None:
        assert self.ready.is_set(), "its number may be another's by now"
        with suppress(ProcessLookupError):
            os.kill(self._pid, number)

    def doom(self, fate: str) -> None:
        """The end of its next writing transaction will be its own."""
        self.doomed = True
        self.say(fate=fate)

    async def die(self) -> None:
        """Killed, and replaced by another that is ready when this returns."""
        deaths, self.doomed = self.deaths, True
        self.signal(signal.SIGKILL)
        while self.deaths == deaths:
            await clock.sleep(0.01)
        await self.await_ready()

    def hang_up(self) -> None:
        assert self._line
        self.doomed = True
        self._line.close()

    async def live(self, pid: int, answers: asyncio.StreamReader, line: asyncio.StreamWriter) -> None:
        """From the moment it says that it is there to its end."""
        self._pid, self._line, self.doomed = pid, line, False
        self.ready.set()
        with suppress(ConnectionError):
            while text := await answers.readline():
                answer = json.loads(text)
                self._waiting.pop(answer["id"]).set_result(answer)
        self.ready.clear()
        self.deaths += 1
        for future in self._waiting.values():
            future.set_result(None)
        self._waiting.clear()
        line.close()


class Crew:
    """All of them, and the nursery they come from. Use as `async with`."""

    def __init__(self, processes: int, folder: Path, **orders: object) -> None:
        self.members = [Member(number) for number in range(processes)]
        self.bugs: list[str] = []
        self._orders = orders | {"socket": str(folder / f"crew-{os.urandom(4).hex()}")}
        self._leaving = False

    async def __aenter__(self) -> "Crew":
        self._server = await asyncio.start_unix_server(self._welcome, str(self._orders["socket"]))
        paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
        self._nursery = subprocess.Popen(  # noqa: ASYNC220 - it takes a moment, and nothing runs yet
            (sys.executable, "-m", "tests.simulation.process"),
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": paths, "PYTHONWARNINGS": "error"},
            stdin=subprocess.PIPE,
            text=True,
        )
        for member in self.members:
            self._call_for(member)
        for member in self.members:
            await member.await_ready()
        return self

    async def __aexit__(self, *raised: object) -> None:
        self._leaving = True
        for member in self.members:
            if member.ready.is_set():
                member.signal(signal.SIGCONT)
                member.hang_up()
        assert self._nursery.stdin
        self._nursery.stdin.close()
        await asyncio.to_thread(self._nursery.wait)
        self._server.close()

    def _call_for(self, member: Member) -> None:
        assert self._nursery.stdin
        self._nursery.stdin.write(json.dumps(self._orders | {"number": member.number}) + "\n")
        self._nursery.stdin.flush()

    async def _welcome(self, answers: asyncio.StreamReader, line: asyncio.StreamWriter) -> None:
        hello = json.loads(await answers.readline())
        member = self.members[hello["number"]]
        await member.live(hello["pid"], answers, line)
        if not member.doomed:
            self.bugs.append(f"process {member.number} ended by itself")
        if not self._leaving:
            self._call_for(member)
