"""A real `onsale` in a process of its own: what it says, how it ends. For tests of roles, commands and browsers."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx

# A machine under load starts PostgreSQL, migrates and seeds within half of this.
START_WITHIN_S = 90.0
STOP_WITHIN_S = 40.0
LOOK_EVERY_S = 0.05


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """Ours, with these ONSALE_* settings and no others; a wide terminal, so that no line is broken."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ONSALE_")}
    # Dozens of processes start here; compiling all modules anew in each would take most of the tests' time.
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return (
        kept | {"COLUMNS": "200", "NO_COLOR": "1"} | {f"ONSALE_{name}": str(value) for name, value in settings.items()}
    )


@dataclass
class Running:
    """A command that goes on until it is told to stop. `lines` is all it has said so far."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    reader: threading.Thread | None = None

    @classmethod
    def start(cls, *words: str, **settings: object) -> Self:
        process = subprocess.Popen(
            [sys.executable, "-m", "onsale", *words],
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        made = cls(process)
        made.reader = threading.Thread(target=made._read, daemon=True)
        made.reader.start()
        return made

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)

    @property
    def said(self) -> str:
        return "".join(self.lines)

    def wait_for(self, pattern: str, within_s: float = START_WITHIN_S) -> re.Match[str]:
        """The first match in what it says; fails when it ends, or stays silent, before."""
        deadline = time.monotonic() + within_s
        while True:
            ended = self.process.poll() is not None
            if found := re.search(pattern, self.said):
                return found
            assert not ended, f"it ended with {self.process.returncode}:\n{self.said}"
            assert time.monotonic() < deadline, f"it never said {pattern!r}:\n{self.said}"
            time.sleep(LOOK_EVERY_S)

    def stop(self, number: signal.Signals = signal.SIGTERM, within_s: float = STOP_WITHIN_S) -> int:
        """Tell it to end, and its exit code (negative: the signal that ended it)."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait(within_s)

    def wait(self, within_s: float = STOP_WITHIN_S) -> int:
        try:
            code = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            # In order, so that the servers it brought end with it.
            self.process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_WITHIN_S)
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"it did not end within {within_s} s:\n{self.said}") from None
        assert self.reader is not None and self.process.stdout is not None
        self.reader.join()
        self.process.stdout.close()
        return code


@dataclass(frozen=True)
class Ended:
    """How a command ended, and all it said, on both of its streams."""

    code: int
    said: str


def run(*words: str, timeout_s: float = START_WITHIN_S, **settings: object) -> Ended:
    """A command from beginning to end."""
    running = Running.start(*words, **settings)
    code = running.wait(timeout_s)
    return Ended(code, running.said)


def await_answer(url: str, status: int = 200, within_s: float = START_WITHIN_S) -> httpx.Response:
    """Ask until the address answers with that status."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            answer = httpx.get(url, timeout=5)
            if answer.status_code == status:
                return answer
            seen = f"{answer.status_code} {answer.text[:200]}"
        except httpx.HTTPError as error:
            seen = repr(error)
        assert time.monotonic() < deadline, f"{url}: {seen}"
        time.sleep(LOOK_EVERY_S)


def up(data_dir: Path, **settings: object) -> tuple[Running, str]:
    """`onsale up` on any free port, ready to serve, and its address."""
    running = Running.start("up", **{"DATA_DIR": data_dir, "PORT": 0, **settings})
    try:
        address = running.wait_for(r"serves on (http://\S+)").group(1)
        await_answer(f"{address}/readyz")
    except BaseException:
        running.stop(signal.SIGINT)
        raise
    return running, address
