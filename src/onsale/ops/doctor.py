"""What is set, what answers, and in words what is wrong and what to do about it."""

import os
import socket
from dataclasses import dataclass, fields
from pathlib import Path

from onsale.config import Settings
from onsale.kit import db
from onsale.kit.embedded import running
from onsale.kit.migrate import pending
from onsale.ops import cache
from onsale.ops.machine import with_addresses


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `advice` is empty when it is well."""

    what: str
    words: str
    advice: str = ""

    @property
    def well(self) -> bool:
        return not self.advice


def settings_table(settings: Settings) -> list[tuple[str, str, str]]:
    """Variable, value (secrets hidden) and meaning of every setting."""
    rows = []
    for field in fields(Settings):
        value = getattr(settings, field.name)
        shown = "(set)" if field.metadata["secret"] and value else str(value)
        rows.append((field.metadata["env"], shown or "(empty)", field.metadata["help"]))
    return rows


async def examine(settings: Settings) -> list[Finding]:
    """Look at everything onsale needs here. Changes nothing and starts nothing."""
    embedded_up = running(settings.data_dir) if settings.embedded_database or settings.embedded_redis else False
    found = with_addresses(settings)
    return [
        _folder(settings.data_dir),
        _port(settings, embedded_up),
        await _database(found, waits=settings.embedded_database and not embedded_up),
        await _redis(found, waits=settings.embedded_redis and not embedded_up),
        await _processes(found),
    ]


def _folder(folder: Path) -> Finding:
    nearest = next(path for path in (folder.resolve(), *folder.resolve().parents) if path.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return Finding("data folder", f"{folder} can be written")
    return Finding(
        "data folder", f"{folder} cannot be written", "Set ONSALE_DATA_DIR to a folder that this user may write."
    )


def _port(settings: Settings, embedded_up: bool) -> Finding:
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.settimeout(1)
        taken = probe.connect_ex((settings.host, settings.port)) == 0
    where = f"{settings.host} port {settings.port}"
    if not taken:
        return Finding("address", f"{where} is free")
    if embedded_up:
        return Finding("address", f"onsale seems to be running: {where} answers")
    return Finding("address", f"{where} is used by another program", "Set ONSALE_PORT to another port, or stop it.")


async def _database(settings: Settings, *, waits: bool) -> Finding:
    if waits:
        return Finding("database", "embedded; `onsale up` starts it")
    database = db.Database(settings.database_url)
    await database.open()
    try:
        if not await database.ready():
            return Finding("database", "does not answer", "Start it, or correct ONSALE_DATABASE_URL.")
    finally:
        await database.close()
    waiting = pending(settings.database_url)
    if waiting:
        return Finding("database", f"lacks {len(waiting)} migrations", "Run `onsale migrate`.")
    return Finding("database", "answers, all migrations applied")


async def _redis(settings: Settings, *, waits: bool) -> Finding:
    if await cache.answers(settings.redis_url):
        return Finding("redis", "answers")
    if waits:
        return Finding("redis", "embedded; `onsale up` starts it")
    return Finding(
        "redis", "does not answer; onsale goes on without it, slower", "Start it, or correct ONSALE_REDIS_URL."
    )


async def _processes(settings: Settings) -> Finding:
    alive = await cache.processes(settings.redis_url)
    if alive is None:
        return Finding("processes", "not known while redis is away")
    return Finding("processes", f"{len(alive)} alive: {', '.join(alive) or 'none'}")
