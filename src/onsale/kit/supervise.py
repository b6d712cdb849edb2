"""Keeps the processes of one machine running: starts them, starts again what died, and ends all of them in order.

Blocking and small on purpose: the process that watches has nothing else to do, so nothing in it can hang.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType

# A child that dies at once would otherwise keep a core busy with starting; one that ran well is started again at once.
BACKOFF_FIRST_S = 0.2
BACKOFF_MAX_S = 15.0
# Having run this long, a child counts as well and its next death as its first.
WELL_AFTER_S = 30.0
# How late a death, a signal or the end of a pause may be noticed.
LOOK_EVERY_S = 0.05
GRACE_S = 20.0


@dataclass(frozen=True, slots=True)
class Command:
    """What to run. `env` is added to ours; `fds` are open files it inherits, such as a listening socket that outlives
    each process that serves it; `grace_s` is what the child gets between SIGTERM and SIGKILL.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    fds: tuple[int, ...] = ()
    grace_s: float = GRACE_S


@dataclass(slots=True)
class _Child:
    command: Command
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restart_at: float = 0.0
    deaths: int = 0


class Supervisor:
    """Runs commands until SIGINT or SIGTERM; a second signal ends them without grace.

    Children are started in the order of `commands`, and stopped one after the other in the order of the names in
    `stop_order`, or else in the reverse. Each has a process group of its own, so that Ctrl-C in the terminal reaches us
    alone. `say` gets a line for each death, restart and end. `tend` is called at every look, for what is kept by other
    means; what it raises ends everything. `bury` is given the process id of each child that died.
    """

    def __init__(
        self,
        commands: Sequence[Command],
        say: Callable[[str], None],
        *,
        stop_order: Sequence[str] = (),
        tend: Callable[[], None] = lambda: None,
        bury: Callable[[int], None] = lambda pid: None,
    ) -> None:
        self._children = {command.name: _Child(command) for command in commands}
        self._stop_order = tuple(stop_order) or tuple(reversed(self._children))
        assert sorted(self._stop_order) == sorted(self._children), "every command is stopped, and once"
        self._say = say
        self._tend = tend
        self._bury = bury
        self._signals = 0

    @property
    def pids(self) -> dict[str, int]:
        """Process by name, of those that run."""
        return {name: one.process.pid for name, one in self._children.items() if one.process}

    def run(self, *, hear_signals: bool = True) -> None:
        """Start all, keep them running, and return when a signal or `stop` has come and all have ended.

        Signals can be heard in the main thread only; elsewhere it is `stop` that ends it.
        """
        before = {number: signal.signal(number, self._on_signal) for number in _heard()} if hear_signals else {}
        try:
            while not self._signals:
                for child in self._children.values():
                    self._look_after(child)
                self._tend()
                time.sleep(LOOK_EVERY_S)
        finally:
            self._stop_all()
            for number, handler in before.items():
                signal.signal(number, handler)

    def stop(self) -> None:
        """What a signal does, for a caller that has another reason to end."""
        self._signals += 1

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stop()

    def _look_after(self, child: _Child) -> None:
        now = time.monotonic()
        if child.process is None:
            if now >= child.restart_at and not self._signals:
                self._start(child, now)
            return
        code = child.process.poll()
        if code is None:
            return
        # Its own children must not outlive it, or they would still hold its port when it is started again.
        _signal_group(child.process, signal.SIGKILL)
        self._bury(child.process.pid)
        child.process = None
        self._plan_restart(child, now, f"{child.command.name} {_ended(code)}")

    def _start(self, child: _Child, now: float) -> None:
        child.started_at = now
        try:
            child.process = subprocess.Popen(
                [*_tied_to_us(), *child.command.argv],
                env=environment(child.command.env),
                start_new_session=True,
                pass_fds=child.command.fds,
            )
        except OSError as refused:
            self._plan_restart(child, now, f"{child.command.name} cannot be started: {refused}")
            return
        if child.deaths:
            self._say(f"{child.command.name} is running again (process {child.process.pid})")

    def _plan_restart(self, child: _Child, now: float, what: str) -> None:
        child.deaths = 1 if now - child.started_at > WELL_AFTER_S else child.deaths + 1
        pause_s = backoff_s(child.deaths)
        child.restart_at = now + pause_s
        self._say(f"{what}; starting it again in {pause_s:g} s")

    def _stop_all(self) -> None:
        for child in map(self._children.__getitem__, self._stop_order):
            if child.process:
                self._stop(child, child.process)

    def _stop(self, child: _Child, process: subprocess.Popen[bytes]) -> None:
        """Only the child hears SIGTERM, and ends its own; the SIGKILL at the end is for the whole group."""
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + child.command.grace_s
        while process.poll() is None and time.monotonic() < deadline and self._signals < 2:
            time.sleep(LOOK_EVERY_S)
        if process.poll() is None:
            self._say(f"{child.command.name} did not end by itself and is killed")
        _signal_group(process, signal.SIGKILL)
        process.wait()
        child.process = None


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """What a process of ours is given: what we were given, and more."""
    return {**os.environ, **more}


def backoff_s(deaths: int) -> float:
    """Seconds before the next start, after so many deaths in a row: doubling, from BACKOFF_FIRST_S to BACKOFF_MAX_S."""
    return min(BACKOFF_FIRST_S * 2.0 ** min(deaths - 1, 16), BACKOFF_MAX_S)


def _heard() -> list[signal.Signals]:
    """The signals that end us. A closed terminal is one, unless nohup(1) asked for it to be ignored."""
    closed = [] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [signal.SIGHUP]
    return [signal.SIGINT, signal.SIGTERM, *closed]


def _tied_to_us() -> tuple[str, ...]:
    """Words before a command so that our own death by `kill -9` ends it too; else it would keep our port for ever.

    The kernel ties it to the thread that starts it, which is the one that runs us. Where there is no setpriv(1), as on
    macOS, such a child stays until it is ended by hand.
    """
    return ("setpriv", "--pdeathsig", "TERM") if shutil.which("setpriv") else ()


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """The group bears the child's number, and lives while any member does, so it is nobody else's."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _ended(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
