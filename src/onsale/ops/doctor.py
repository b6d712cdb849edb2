"""What is set, what answers, and in words what is wrong and what to do about it."""

import os
import socket
from dataclasses import dataclass, fields
from pathlib import Path

from onsale.config import Settings
from onsale.kit import db, redis
from onsale.kit.embedded import running
from onsale.kit.migrate import pending
from onsale.kit.pulse import Pulse
from onsale.kit.redis import RedisAway
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
    settings = with_addresses(settings)
    return [
        _folder(settings.data_dir),
        _port(settings, embedded_up),
        await _database(settings, embedded_up),
        await _redis(settings, embedded_up),
        await _processes(settings),
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


async def _database(settings: Settings, embedded_up: bool) -> Finding:
    if not embedded_up and not os.environ.get("ONSALE_DATABASE_URL"):
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


async def _redis(settings: Settings, embedded_up: bool) -> Finding:
    client = redis.connect(settings.redis_url)
    try:
        if await redis.ready(client):
            return Finding("redis", "answers")
    finally:
        await client.aclose()
    if not embedded_up and not os.environ.get("ONSALE_REDIS_URL"):
        return Finding("redis", "embedded; `onsale up` starts it")
    return Finding(
        "redis", "does not answer; onsale goes on without it, slower", "Start it, or correct ONSALE_REDIS_URL."
    )


async def _processes(settings: Settings) -> Finding:
    client = redis.connect(settings.redis_url)
    try:
        alive = await Pulse(client, "doctor").read("process")
    except RedisAway:
        return Finding("processes", "not known while redis is away")
    finally:
        await client.aclose()
    return Finding("processes", f"{len(alive)} alive: {', '.join(sorted(alive)) or 'none'}")
