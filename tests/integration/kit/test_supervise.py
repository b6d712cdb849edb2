"""The supervisor, with small real processes: they die, they come back, they end in order."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from onsale.kit import supervise
from onsale.kit.supervise import Command, Supervisor, backoff_s

PATIENCE_S = 15.0
# A child that says when it starts and when it is told to end: `argv[1]` is its name, `argv[2]` the file it writes to.
CHILD = """
import signal, sys, time
def say(word):
    with open(sys.argv[2], "a") as book:
        book.write(f"{sys.argv[1]} {word}\\n")
def end(*_):
    say("ended")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
say("began")
time.sleep(600)
"""
DEAF = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(sys.argv[1], "a").write("deaf\\n")
time.sleep(600)
"""
PARENT = """
import sys
from onsale.kit.supervise import Command, Supervisor
supervisor = Supervisor([Command("child", [sys.executable, "-c", sys.argv[1], "child", sys.argv[2]])], print)
supervisor.run()
"""


@dataclass
class Watch:
    """Drives a supervisor from inside its own loop: each step is tried at every look until it is done."""

    steps: list[Callable[[], bool]]
    said: list[str] = field(default_factory=list)
    supervisor: Supervisor | None = None

    def run(self, commands: Sequence[Command], *, stop_order: Sequence[str] = ()) -> list[str]:
        deadline = time.monotonic() + PATIENCE_S

        def tend() -> None:
            assert time.monotonic() < deadline, f"still waiting; said so far: {self.said}"
            if self.steps[0]():
                self.steps.pop(0)
            if not self.steps:
                self.steps.append(lambda: False)
                os.kill(os.getpid(), signal.SIGTERM)

        self.supervisor = Supervisor(commands, self.said.append, stop_order=stop_order, tend=tend)
        self.supervisor.run()
        return self.said

    def pid(self, name: str) -> int:
        assert self.supervisor
        return self.supervisor.pids[name]


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book"
    path.touch()
    return path


def child(name: str, book: Path) -> Command:
    return Command(name, [sys.executable, "-c", CHILD, name, str(book)])


def begun(book: Path, times: int) -> Callable[[], bool]:
    return lambda: book.read_text().count("began") == times


def test_children_run_until_a_signal_and_end_in_reverse_order(book: Path) -> None:
    said = Watch([begun(book, 3)]).run([child(name, book) for name in ("first", "second", "third")])
    assert book.read_text().splitlines()[3:] == ["third ended", "second ended", "first ended"]
    assert said == []


def test_children_end_in_the_order_asked_for(book: Path) -> None:
    commands = [child(name, book) for name in ("first", "second", "third")]
    Watch([begun(book, 3)]).run(commands, stop_order=("second", "third", "first"))
    assert book.read_text().splitlines()[3:] == ["second ended", "third ended", "first ended"]


def test_a_child_that_dies_is_said_and_started_again(book: Path) -> None:
    def kill() -> bool:
        os.kill(watch.pid("web"), signal.SIGKILL)
        return True

    watch = Watch([begun(book, 1), kill, begun(book, 2)])
    said = watch.run([child("web", book)])
    assert said[0] == "web was killed by SIGKILL; starting it again in 0.2 s"
    assert said[1].startswith("web is running again (process ")


def test_a_dead_child_is_buried_by_its_process_id() -> None:
    buried: list[int] = []
    said: list[str] = []

    def tend() -> None:
        if buried:
            supervisor.stop()

    command = Command("web", [sys.executable, "-c", "import os; print(os.getpid(), flush=True)"])
    supervisor = Supervisor([command], said.append, tend=tend, bury=buried.append)
    supervisor.run()
    assert len(buried) == 1
    assert not psutil.pid_exists(buried[0])


def test_a_child_that_keeps_dying_is_started_ever_more_slowly() -> None:
    watch = Watch([lambda: len(watch.said) >= 5])
    said = watch.run([Command("web", [sys.executable, "-c", "raise SystemExit(3)"])])
    deaths = [line for line in said if "ended with code 3" in line]
    assert [line.rsplit(" ", 2)[1] for line in deaths[:3]] == ["0.2", "0.4", "0.8"]


def test_the_pause_grows_to_a_bound_and_stays_there() -> None:
    assert [backoff_s(deaths) for deaths in (1, 2, 3)] == [0.2, 0.4, 0.8]
    assert backoff_s(50) == backoff_s(5_000) == supervise.BACKOFF_MAX_S


def test_a_program_that_is_not_there_does_not_stop_the_others(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "_tied_to_us", tuple)
    watch = Watch([begun(book, 1), lambda: bool(watch.said)])
    said = watch.run([Command("typo", ["/no/such/program"]), child("web", book)])
    assert said[0].startswith("typo cannot be started: ")
    assert book.read_text() == "web began\nweb ended\n"


def test_a_child_that_does_not_listen_is_killed_after_its_grace(book: Path) -> None:
    deaf = Command("deaf", [sys.executable, "-c", DEAF, str(book)], grace_s=0.3)
    watch = Watch([lambda: book.read_text() == "deaf\n"])
    assert watch.run([deaf]) == ["deaf did not end by itself and is killed"]
    assert watch.supervisor
    assert watch.supervisor.pids == {}


def test_a_second_signal_ends_the_grace(book: Path) -> None:
    def twice() -> bool:
        if book.read_text() != "deaf\n":
            return False
        os.kill(os.getpid(), signal.SIGINT)
        return True

    deaf = Command("deaf", [sys.executable, "-c", DEAF, str(book)], grace_s=600)
    assert Watch([twice]).run([deaf]) == ["deaf did not end by itself and is killed"]


def test_what_a_child_started_ends_with_it(book: Path) -> None:
    script = "import subprocess, sys; print(subprocess.Popen(['sleep', '600']).pid, file=open(sys.argv[1], 'w'))"
    watch = Watch([lambda: book.read_text() != "" and bool(watch.said)])
    watch.run([Command("web", [sys.executable, "-c", script, str(book)])])
    grandchild = int(book.read_text())
    assert not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == psutil.STATUS_ZOMBIE


def test_the_signal_handlers_of_before_are_put_back(book: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    Watch([begun(book, 1)]).run([child("web", book)])
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_an_error_of_the_caller_ends_the_children_too(book: Path) -> None:
    def tend() -> None:
        if begun(book, 1)():
            raise RuntimeError("the database is gone for good")

    with pytest.raises(RuntimeError, match="gone for good"):
        Supervisor([child("web", book)], print, tend=tend).run()
    assert book.read_text() == "web began\nweb ended\n"


def test_children_of_a_killed_supervisor_end_too(book: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, CHILD, str(book)])
    wait_until(begun(book, 1))
    parent.kill()
    parent.wait()
    wait_until(lambda: book.read_text() == "child began\nchild ended\n")


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
