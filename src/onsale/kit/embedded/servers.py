"""Both embedded servers as one thing that is started, used and stopped."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from onsale.kit.embedded import postgres as pg
from onsale.kit.embedded import runas
from onsale.kit.embedded import valkey as vk
from onsale.kit.embedded.layout import Addresses, EmbeddedError, Layout, layout, not_writable
from onsale.kit.embedded.process import Server, failure

NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


# PostgreSQL refuses to start while a session of the killed one is still ending; such a session ends within a statement.
REVIVE_ATTEMPTS = 5
REVIVE_PAUSE_S = 1.0
# Having run this long, a server has been revived, and its next death counts as its first.
REVIVED_AFTER_S = 30.0


@dataclass(frozen=True, slots=True)
class _Wanted:
    postgres: bool
    valkey: bool
    settings: Mapping[str, str]


class Embedded:
    """The servers of one data folder, which is locked from `start` to `stop`."""

    def __init__(self, home: Layout, wanted: _Wanted, servers: dict[str, Server], held: ExitStack) -> None:
        self._home = home
        self._wanted = wanted
        self._servers = servers
        self._held = held
        self._revivals = 0
        self._revived_at = 0.0

    @classmethod
    def start(
        cls,
        data_dir: Path,
        *,
        postgres: bool = True,
        valkey: bool = True,
        settings: Mapping[str, str] = NO_SETTINGS,
    ) -> Self:
        """Start what is asked for, or take over what a killed process left running; ready when this returns.

        `settings` are added to PostgreSQL's own (`postgres.SETTINGS`); a server that is taken over keeps those it has.
        Raises EmbeddedError, having stopped what it started.
        """
        home = layout(data_dir)
        home.prepare()
        wanted = _Wanted(postgres, valkey, settings)
        with ExitStack() as undo:
            undo.enter_context(home.locked())
            servers: dict[str, Server] = {}
            undo.callback(_stop, servers)
            _start(home, wanted, servers)
            return cls(home, wanted, servers, undo.pop_all())

    @property
    def addresses(self) -> Addresses:
        return self._home.addresses()

    @property
    def pids(self) -> dict[str, int]:
        """Process by name: `postgres`, `valkey`."""
        return {name: server.pid for name, server in self._servers.items()}

    def alive(self) -> bool:
        """Whether every server still runs. Cheap enough to be asked many times a second."""
        return all(server.alive() for server in self._servers.values())

    def revive(self) -> None:
        """Start again what has died, with the data it had, and do not wait until it answers.

        A step, to be taken at every look for as long as one of them is not alive: who looks must stay able to hear a
        signal. Does nothing in the pause between two attempts. EmbeddedError when the last of them has failed.
        """
        now = time.monotonic()
        if now - self._revived_at < REVIVE_PAUSE_S:
            return
        self._revivals = 1 if now - self._revived_at > REVIVED_AFTER_S else self._revivals + 1
        self._revived_at = now
        if self._revivals > REVIVE_ATTEMPTS:
            dead = next(server for server in self._servers.values() if not server.alive())
            raise failure(f"{dead.name} died {REVIVE_ATTEMPTS} times in a row", dead.log)
        try:
            _begin(self._home, self._wanted, self._servers)
        except EmbeddedError:
            if self._revivals == REVIVE_ATTEMPTS:
                raise

    def stop(self) -> None:
        """Stop them, PostgreSQL having written everything, and let go of the folder. A second time does nothing."""
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def running(data_dir: Path) -> bool:
    """Whether a server of that folder runs, whoever started it."""
    home = layout(data_dir)
    return pg.left_behind(home) is not None or vk.left_behind(home) is not None


def _start(home: Layout, wanted: _Wanted, servers: dict[str, Server]) -> None:
    """Bring up what is wanted and does not run. Both begin before either is waited for: the slower one decides."""
    programs = _begin(home, wanted, servers)
    if programs:
        pg.await_ready(servers[pg.NAME], home, programs)
    if wanted.valkey:
        vk.await_ready(servers[vk.NAME], home)


def _begin(home: Layout, wanted: _Wanted, servers: dict[str, Server]) -> pg.Programs | None:
    """Start what is wanted and does not run; gives PostgreSQL's programs if that is among what is wanted."""
    programs = pg.find() if wanted.postgres else None
    cache = vk.find() if wanted.valkey else None
    tried = [program for program in (programs and programs.postgres, cache) if program]
    try:
        run_as = runas.choose(home.run_dir, home.postgres, tried)
        if cache and not _alive(servers, vk.NAME):
            servers[vk.NAME] = vk.start(home, cache, run_as)
        if programs and not _alive(servers, pg.NAME):
            servers[pg.NAME] = pg.start(home, programs, run_as, wanted.settings)
    except OSError as refused:
        raise not_writable(home.data_dir, refused) from refused
    return programs


def _alive(servers: Mapping[str, Server], name: str) -> bool:
    return name in servers and servers[name].alive()


def _stop(servers: dict[str, Server]) -> None:
    if server := servers.get(vk.NAME):
        vk.stop(server)
    if server := servers.get(pg.NAME):
        pg.stop(server)
