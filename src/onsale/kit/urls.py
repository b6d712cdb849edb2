"""Addresses of other servers as a person sets them: whether they can be understood, asked before anything begins.

Nothing is connected here. What comes back is the fault in words, which name no password, or nothing.
"""

from urllib.parse import SplitResult, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from onsale.kit import mail, redis


def database_fault(url: str) -> str:
    try:
        conninfo_to_dict(url)
    except psycopg.Error:
        return "is no PostgreSQL address: write postgresql://user:password@host:port/name, or libpq's words"
    return ""


def redis_fault(url: str) -> str:
    try:
        redis.connect(url)
    except ValueError:
        return "is no Redis address: write redis://host:port/0, rediss:// or unix:///path"
    return ""


def smtp_fault(url: str) -> str:
    try:
        mail.SmtpMailer(url, "onsale <tickets@localhost>")
    except ValueError as error:
        return f"cannot be used: {error}"
    return ""


def sender_fault(sender: str) -> str:
    try:
        mail.SmtpMailer("smtp://localhost", sender)
    except ValueError as error:
        return f"cannot be used: {error}"
    return ""


def place_of(url: str) -> tuple[str, int]:
    """Host and port to connect to; the port is the scheme's own when none is said. ValueError for no address."""
    parts: SplitResult = urlsplit(url)
    ports = {"http": 80, "https": 443, "smtp": 25, "smtps": 465}
    if not parts.hostname or parts.scheme not in ports:
        raise ValueError("no address of a server")
    return parts.hostname, parts.port or ports[parts.scheme]
