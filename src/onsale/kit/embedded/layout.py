"""Where the embedded servers keep what they have, and at which addresses they answer.

DATA_DIR/postgres, DATA_DIR/valkey   what the servers own
DATA_DIR/run                         their sockets; or a short folder in /tmp where that name would be too long
DATA_DIR/log                         what they say
DATA_DIR/lock                        held by the process that runs them
"""

import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal
from urllib.parse import quote

from psycopg.conninfo import make_conninfo

DATABASE = "onsale"
# The port is only the end of the socket's name here; said aloud because PGPORT in the environment would change it.
POSTGRES_PORT = 5432
POSTGRES_SOCKET = f".s.PGSQL.{POSTGRES_PORT}"
VALKEY_SOCKET = "valkey.sock"
# sun_path holds 108 bytes on Linux and 104 on macOS (unix(7), unix(4)), a closing zero included.
SOCKET_PATH_MAX_BYTES = 103

Code = Literal[
    "data_dir_in_use",
    "data_dir_not_writable",
    "data_dir_of_another_version",
    "no_user_to_run_as",
    "server_failed",
    "server_missing",
]


class EmbeddedError(Exception):
    """The embedded servers cannot run. `str()` says in plain words why and what to do; `code` is for programs."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Addresses:
    """What psycopg and redis-py connect to, quoted for each."""

    database_url: str
    redis_url: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders of one data folder. Making one touches nothing; `prepare` makes the folders."""

    data_dir: Path
    run_dir: Path

    @property
    def postgres(self) -> Path:
        return self.data_dir / "postgres"

    @property
    def valkey(self) -> Path:
        return self.data_dir / "valkey"

    @property
    def valkey_socket(self) -> Path:
        return self.run_dir / VALKEY_SOCKET

    def log(self, name: str) -> Path:
        return self.data_dir / "log" / f"{name}.log"

    def addresses(self) -> Addresses:
        return Addresses(database_url=self.database(DATABASE), redis_url=f"unix://{quote(str(self.valkey_socket))}")

    def database(self, name: str) -> str:
        return make_conninfo(host=str(self.run_dir), port=POSTGRES_PORT, user=DATABASE, dbname=name)

    def prepare(self) -> None:
        """Make the folders, readable by nobody else. EmbeddedError when that is refused."""
        try:
            self.data_dir.mkdir(mode=_way_in(), parents=True, exist_ok=True)  # Somebody else's folder keeps its mode.
            (self.data_dir / "log").mkdir(mode=0o700, exist_ok=True)
            if self.run_dir.parent != self.data_dir:
                _make_private(self.run_dir.parent)
            self.run_dir.mkdir(mode=0o700, exist_ok=True)
        except OSError as refused:
            raise not_writable(self.data_dir, refused) from refused

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the data folder against a second process. The kernel lets go of it however this process ends."""
        try:
            lock = os.fdopen(os.open(self.data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "a+")
        except OSError as refused:
            raise not_writable(self.data_dir, refused) from refused
        with lock:
            _lock(lock, self.data_dir)
            yield


def layout(data_dir: Path) -> Layout:
    """The layout of that folder. It depends on nothing but the resolved name, so that any process finds the sockets."""
    resolved = data_dir.resolve()
    run_dir = resolved / "run"
    longest = len(os.fsencode(run_dir / POSTGRES_SOCKET))
    # libpq reads a comma in `host` as the end of one host and the start of the next, and knows no way to quote it.
    if longest > SOCKET_PATH_MAX_BYTES or "," in str(run_dir):
        name = hashlib.sha256(os.fsencode(resolved)).hexdigest()[:16]
        # Not tempfile's answer: TMPDIR may differ between the processes that have to meet here, and may be long itself.
        run_dir = Path("/tmp") / f"onsale-{name}" / "run"  # noqa: S108 (private: see _make_private)
    return Layout(data_dir=resolved, run_dir=run_dir)


def addresses(data_dir: Path) -> Addresses:
    """Where the servers of that folder answer when they run."""
    return layout(data_dir).addresses()


def _way_in() -> int:
    """The mode of a folder in which others find nothing they may open.

    Root's servers run as another user and have to pass through it. They may enter then, and still not look around;
    else they would need the right to read every file of the machine, and keep it for as long as they run.
    """
    return 0o711 if os.geteuid() == 0 else 0o700


def _make_private(folder: Path) -> None:
    """Make a folder in a place where anyone may write, and make sure that it is ours and nobody's trap."""
    folder.mkdir(mode=_way_in(), exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o777 & ~_way_in():
        raise PermissionError(f"{folder} is not a private folder of this user")


def _lock(lock: IO[str], data_dir: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        owner = lock.read().strip() or "unknown"
        raise EmbeddedError(
            "data_dir_in_use",
            f"Another onsale (process {owner}) already runs on the data folder {data_dir}. "
            "Stop it, or give this one a folder of its own with ONSALE_DATA_DIR.",
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()


def not_writable(data_dir: Path, refused: OSError) -> EmbeddedError:
    """The error for a folder that the system does not let us use."""
    return EmbeddedError(
        "data_dir_not_writable",
        f"The data folder {data_dir} cannot be used: {refused.strerror or refused}. "
        "Make it writable for this user, or name another with ONSALE_DATA_DIR.",
    )
