"""One machine that runs all of onsale: its embedded servers, its secret, its sockets and the processes on them."""

import errno
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path

from onsale import limits
from onsale.config import Settings
from onsale.kit import chance, telemetry
from onsale.kit.embedded import Embedded, addresses, running
from onsale.kit.supervise import Command

# What `with_secret` makes has 43; the setting asks for as many.
SECRET_LENGTH_MIN = 32
PORT_MAX = 65_535
# Connections that wait to be accepted. A sale opens with a burst; the kernel's own bound cuts this where it is lower.
BACKLOG_MAX = 4096


class MachineError(Exception):
    """Why this machine cannot run onsale, in a sentence for the terminal; `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Machine:
    """Everything is there: servers run, the secret is known, the address is ours. `settings` names all of it."""

    settings: Settings
    servers: Embedded | None
    web: socket.socket
    gateway: socket.socket | None

    def commands(self) -> list[Command]:
        """The processes of this machine, in the order in which they start."""
        env = environment(self.settings)
        web, found = self.web.fileno(), [self._command("worker", ["work"], env)]
        found += [
            self._command(f"web {number + 1}", ["serve", "--fd", str(web)], env, web)
            for number in range(self.settings.web_processes)
        ]
        if self.gateway is not None:
            fd = self.gateway.fileno()
            found.insert(0, self._command("gateway", ["gateway", "--fd", str(fd)], env, fd))
        return found

    def _command(self, name: str, words: list[str], env: dict[str, str], *fds: int) -> Command:
        argv = [sys.executable, "-m", "onsale", *words]
        return Command(name, argv, env, fds, grace_s=limits.SHUTDOWN_GRACE_S + 1)

    def tend(self) -> None:
        """Bring back an embedded server that has died."""
        if self.servers is not None and not self.servers.alive():
            self.servers.revive()

    def bury(self, pid: int) -> None:
        """Take what a dead process counted as there and now out of the metrics."""
        telemetry.forget_process(pid, metrics_dir(self.settings))


@contextmanager
def machine(settings: Settings) -> Iterator[Machine]:
    """Claim the address and the data folder, start what is embedded. Raises MachineError, EmbeddedError."""
    with ExitStack() as stack:
        web = stack.enter_context(listening(settings.host, settings.port))
        settings = replace(settings, port=web.getsockname()[1])
        gateway = None
        if not settings.gateway_url:
            gateway = stack.enter_context(listening("127.0.0.1", 0))
            settings = replace(settings, gateway_url=f"http://127.0.0.1:{gateway.getsockname()[1]}")
        servers = None
        if settings.embedded_database or settings.embedded_redis:
            servers = stack.enter_context(
                Embedded.start(
                    settings.data_dir,
                    postgres=settings.embedded_database,
                    valkey=settings.embedded_redis,
                    settings=_postgres_settings(settings),
                )
            )
        settings = with_secret(with_addresses(settings))
        data_folder(settings)
        metrics = metrics_dir(settings)
        shutil.rmtree(metrics, ignore_errors=True)
        metrics.mkdir(mode=0o700, parents=True)
        yield Machine(settings, servers, web, gateway)


@contextmanager
def servers_for(settings: Settings) -> Iterator[Settings]:
    """Settings whose servers run, for a command that needs them: those of a running `onsale up`, or started for it."""
    wanted = settings.embedded_database or settings.embedded_redis
    if not wanted or running(settings.data_dir):
        yield with_secret(with_addresses(settings))
        return
    with Embedded.start(
        settings.data_dir,
        postgres=settings.embedded_database,
        valkey=settings.embedded_redis,
        settings=_postgres_settings(settings),
    ):
        yield with_secret(with_addresses(settings))


def connections_wanted(settings: Settings) -> int:
    """What the processes of this machine may open together in the database: the web processes and one worker."""
    return (settings.web_processes + 1) * limits.PROCESS_CONNECTIONS_MAX


def _postgres_settings(settings: Settings) -> dict[str, str]:
    return {"max_connections": str(connections_wanted(settings) + limits.SPARE_CONNECTIONS_MAX)}


def with_addresses(settings: Settings) -> Settings:
    """The same with the embedded servers' addresses where none are set. Starts nothing."""
    embedded = addresses(settings.data_dir)
    return replace(
        settings,
        database_url=settings.database_url or embedded.database_url,
        redis_url=settings.redis_url or embedded.redis_url,
    )


def with_secret(settings: Settings) -> Settings:
    """The same with the installation's secret: the one set, or the one in the data folder, made at first use."""
    if settings.secret_key:
        return settings
    path = settings.data_dir / "secret.key"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _write_secret(path)
        secret = path.read_text(errors="replace").strip()
    except OSError as error:
        raise MachineError("data_dir_not_writable", f"The secret cannot be kept in {path}: {error.strerror}") from error
    if len(secret) < SECRET_LENGTH_MIN or not secret.isascii():
        raise MachineError(
            "bad_secret",
            f"{path} was cut short or overwritten, and what it signs could be forged. Bring it back from a backup; "
            "without one, delete it: a new one is made, and sessions, links and tickets of the old one end.",
        )
    return replace(settings, secret_key=secret)


def _write_secret(path: Path) -> None:
    """Readable by us alone, and never half written: a second process that comes at the same time keeps the first's.

    It is on the disk before it has its name, and the name before anything is signed: a power cut leaves no empty one.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(chance.secret_text(32))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def data_folder(settings: Settings) -> Path:
    """The data folder, made if it is not there. Raises MachineError when it cannot be written."""
    folder = settings.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise MachineError(
            "data_dir_not_writable",
            f"The data folder {folder} cannot be used: {error.strerror}. "
            "Make it writable for this user, or name another with ONSALE_DATA_DIR.",
        ) from error


def metrics_dir(settings: Settings) -> Path:
    """Where the processes of this machine leave their metrics for each other."""
    return (settings.data_dir / "metrics").resolve()


def environment(settings: Settings) -> dict[str, str]:
    """The settings as the environment of a child process."""
    env = {}
    for field in fields(Settings):
        value = getattr(settings, field.name)
        text = (
            str(value.resolve()) if isinstance(value, Path) else str(int(value) if isinstance(value, bool) else value)
        )
        env[field.metadata["env"]] = text
    return env | {"PROMETHEUS_MULTIPROC_DIR": str(metrics_dir(settings))}


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket that outlives the processes which serve it: a restart refuses nobody."""
    if not 0 <= port <= PORT_MAX:
        raise MachineError("bad_port", f"{port} is not a port")
    try:
        # Asked first: `create_server` says of a name that nobody knows only that there was an error.
        socket.getaddrinfo(host, port, family=_family(host))
        made = socket.create_server((host, port), family=_family(host), backlog=BACKLOG_MAX, reuse_port=False)
    except OSError as error:
        known = errno.EADDRNOTAVAIL if isinstance(error, socket.gaierror) else error.errno or 0
        code, advice = _LISTEN_FAULTS.get(known, ("cannot_listen", "Look at ONSALE_HOST and ONSALE_PORT."))
        said = f"Cannot listen on {host} port {port}: {error.strerror}. {advice}"
        raise MachineError(code, said) from error
    with made:
        yield made


_LISTEN_FAULTS = {
    errno.EADDRINUSE: (
        "port_in_use",
        "Is onsale running already? Choose another with ONSALE_PORT=8001, or any free one with ONSALE_PORT=0.",
    ),
    errno.EACCES: (
        "port_not_allowed",
        "Low ports are for root on most systems. Choose another with ONSALE_PORT=8001, and let a proxy stand in front.",
    ),
    errno.EADDRNOTAVAIL: (
        "bad_host",
        "Name an address of this machine with ONSALE_HOST, or 0.0.0.0 for all of them.",
    ),
}


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
