"""What is set, what answers, and in words what is wrong and what to do about it."""

import os
import socket
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import urlsplit

from onsale import limits
from onsale.config import Settings, is_loopback
from onsale.kit import capacity, db, urls
from onsale.kit.embedded import running
from onsale.kit.migrate import pending
from onsale.ops import cache
from onsale.ops.machine import connections_wanted, with_addresses


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
        _gateway(settings),
        _mail(settings),
        _mail_server(settings),
        _proxy(settings),
        _files(),
    ]


def warnings(settings: Settings) -> list[Finding]:
    """What is wrong with the settings together, seen without asking anybody: `onsale up` says it at its start."""
    return [finding for finding in (_mail(settings), _proxy(settings)) if not finding.well]


def _folder(folder: Path) -> Finding:
    nearest = next(path for path in (folder.resolve(), *folder.resolve().parents) if path.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return Finding("data folder", f"{folder} can be written")
    return Finding(
        "data folder", f"{folder} cannot be written", "Set ONSALE_DATA_DIR to a folder that this user may write."
    )


def _port(settings: Settings, embedded_up: bool) -> Finding:
    where = f"{settings.host} port {settings.port}"
    try:
        socket.getaddrinfo(settings.host, settings.port)
    except OSError as error:
        return Finding("address", f"{settings.host}: {error.strerror}", "Set ONSALE_HOST to one of this machine.")
    taken = _answers(settings.host, settings.port)
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
        allowed, wanted = await capacity.connections_max(database), connections_wanted(settings)
    finally:
        await database.close()
    waiting = pending(settings.database_url)
    if waiting:
        return Finding("database", f"lacks {len(waiting)} migrations", "Run `onsale migrate`.")
    if allowed < wanted:
        words = f"allows {allowed} connections, and onsale on this machine may open {wanted}"
        advised = wanted + limits.SPARE_CONNECTIONS_MAX
        return Finding("database", words, f"Set its max_connections to {advised}, or run fewer processes.")
    return Finding("database", f"answers, all migrations applied, {wanted} of its {allowed} connections may be ours")


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


def _gateway(settings: Settings) -> Finding:
    if not settings.gateway_url:
        return Finding("gateway", "the sandbox that `onsale up` starts")
    if _answers(*urls.place_of(settings.gateway_url)):
        return Finding("gateway", "answers")
    return Finding("gateway", "does not answer; nobody can pay", "Start it, or correct ONSALE_GATEWAY_URL.")


def _mail(settings: Settings) -> Finding:
    if not settings.development_mailbox:
        return Finding("mail", f"goes out through {urls.place_of(settings.smtp_url)[0]}")
    if settings.mailbox_page:
        return Finding("mail", "is kept here; /dev/mailbox shows it to this machine alone")
    return Finding(
        "mail",
        "is kept here, and nobody can read it: every sign-in waits for a code that never comes",
        "Set ONSALE_SMTP_URL to your mail server.",
    )


def _mail_server(settings: Settings) -> Finding:
    if settings.development_mailbox:
        return Finding("mail server", "none is set")
    if _answers(*urls.place_of(settings.smtp_url)):
        return Finding("mail server", "answers")
    return Finding(
        "mail server", "does not answer; no codes and no tickets go out", "Start it, or correct ONSALE_SMTP_URL."
    )


def _proxy(settings: Settings) -> Finding:
    """We speak no HTTPS and listen where we are told: another name outside means that something stands in front."""
    outside = urlsplit(settings.base_url)
    fronted = outside.scheme == "https" or (is_loopback(settings.host) and not is_loopback(outside.hostname or ""))
    if not fronted:
        return Finding("proxy", "none is in front of us, as far as the settings tell")
    if settings.trusted_proxies:
        return Finding("proxy", f"{settings.trusted_proxies} is believed")
    return Finding(
        "proxy",
        "stands in front of us and is not believed: everybody seems to come from it, and shares one quota",
        "Set ONSALE_TRUSTED_PROXIES to its address, 127.0.0.1 when it runs here.",
    )


def _files() -> Finding:
    _, most = capacity.open_files()
    room = min(most, limits.OPEN_FILES_MAX)
    return Finding("open files", f"{room} a process, of {limits.OPEN_FILES_MAX} that it takes at most")


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=limits.PROBE_TIMEOUT_S):
            return True
    except OSError:
        return False
