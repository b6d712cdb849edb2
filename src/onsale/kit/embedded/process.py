"""One server process: started by us, or left behind by a process that was killed and taken over."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from onsale.kit.embedded.layout import EmbeddedError

# A log is put aside beyond this, at a start; one older log is kept.
LOG_MAX_BYTES = 10 * 1024 * 1024
LOG_LINES_SHOWN = 12
# How often a starting server is asked; an asking costs well under a millisecond.
POLL_EVERY_S = 0.02
# After the last polite signal was ignored.
KILL_GRACE_S = 5.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. psutil remembers when it began: a process that got its number later is never signalled."""

    name: str
    process: psutil.Process
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def alive(self) -> bool:
        if isinstance(self.process, psutil.Popen):
            return self.process.poll() is None
        # The death of one that was taken over is for process 1 to note, and in a container it may never do so.
        try:
            return self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def send(self, number: signal.Signals) -> None:
        with suppress(psutil.NoSuchProcess):
            self.process.send_signal(number)

    def wait(self, timeout_s: float) -> bool:
        """Whether it has ended within that time."""
        deadline = time.monotonic() + timeout_s
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_EVERY_S)
        return True

    def stop(self, *steps: tuple[signal.Signals, float]) -> None:
        """Send each signal and give it that many seconds, then kill. The first one may have been sent already."""
        for number, grace_s in (*steps, (signal.SIGKILL, KILL_GRACE_S)):
            self.send(number)
            if self.wait(grace_s):
                return

    def await_ready(self, answers: Callable[[], bool], timeout_s: float) -> None:
        """Wait until it answers. EmbeddedError with the end of its log when it ends first, or takes too long."""
        deadline = time.monotonic() + timeout_s
        while not answers():
            if not self.alive():
                raise failure(f"{self.name} ended while starting", self.log)
            if time.monotonic() > deadline:
                raise failure(f"{self.name} did not answer within {timeout_s:.0f} s", self.log)
            time.sleep(POLL_EVERY_S)


def spawn(name: str, command: Sequence[str], log: Path, *, env: Mapping[str, str]) -> Server:
    """Start a server in a session of its own, so that Ctrl-C in our terminal is ours to answer, in our order.

    It is not tied to our death (PR_SET_PDEATHSIG): that signal follows the thread that started it, not the process, and
    a change of user clears it. A server that outlives us is taken over at the next start instead.
    """
    rotate(log)
    with log.open("ab") as sink:
        try:
            started = psutil.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env=dict(env),
                cwd="/",
                start_new_session=True,
                umask=0o077,
            )
        except OSError as refused:
            raise EmbeddedError("server_failed", f"{name} cannot be started: {refused}") from refused
    return Server(name, started, log)


def environment() -> dict[str, str]:
    """Ours, without what would steer a PostgreSQL from outside, without a locale that may not exist, without secrets.

    Whoever may run SQL as a superuser can read what the server was started with.
    """
    dropped = ("PG", "LC_", "LANG", "ONSALE_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def failure(what: str, log: Path) -> EmbeddedError:
    """An error that shows the end of that log."""
    return EmbeddedError("server_failed", f"{what}. The end of {log}:\n{tail(log)}")


def tail(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError as unreadable:
        return f"    ({unreadable})"
    return "\n".join(f"    {line}" for line in lines[-LOG_LINES_SHOWN:])


def rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_MAX_BYTES:
        log.replace(log.with_suffix(".log.1"))
