"""Settings: read from the environment once, frozen, handed out by the composition root. docs/settings.md lists them."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# A wildcard is where we listen and no place to go to; people on this machine reach it here.
_REACHED_AT = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
_HOST = re.compile(r"[0-9A-Za-z._-]+|[0-9A-Fa-f:.]+(%[0-9A-Za-z._-]+)?")


class BadSetting(ValueError):
    """A variable that cannot be understood; the text says which, and what would do."""


def _setting(env: str, help_text: str, default: Any, *, secret: bool = False) -> Any:
    return field(default=default, metadata={"env": env, "help": help_text, "secret": secret})


@dataclass(frozen=True, slots=True)
class Settings:
    """One installation's settings. Types are those of the fields; durations and sizes carry their unit last."""

    host: str = _setting("ONSALE_HOST", "Address to listen on.", "127.0.0.1")
    port: int = _setting("ONSALE_PORT", "Port to listen on; 0 takes any free one.", 8000)
    public_url: str = _setting(
        "ONSALE_PUBLIC_URL", "Address people reach us at, for links in mails. Empty: made from host and port.", ""
    )
    data_dir: Path = _setting(
        "ONSALE_DATA_DIR", "Folder of the embedded servers, keys and the sandbox's book.", Path("var")
    )
    database_url: str = _setting("ONSALE_DATABASE_URL", "PostgreSQL 15 to 18. Empty: an embedded one.", "", secret=True)
    database_read_url: str = _setting(
        "ONSALE_DATABASE_READ_URL", "A replica for what may be stale. Empty: the same as the database.", "", secret=True
    )
    redis_url: str = _setting("ONSALE_REDIS_URL", "Redis or Valkey. Empty: an embedded one.", "", secret=True)
    secret_key: str = _setting(
        "ONSALE_SECRET_KEY",
        "Signs sessions, tokens and tickets; at least 32 characters. Empty: made once and kept in the data folder.",
        "",
        secret=True,
    )
    gateway: str = _setting("ONSALE_GATEWAY", "Payment gateway: sandbox.", "sandbox")
    gateway_url: str = _setting(
        "ONSALE_GATEWAY_URL", "Address of the sandbox gateway. Empty: `onsale up` starts one.", ""
    )
    gateway_key: str = _setting("ONSALE_GATEWAY_KEY", "Secret key for the gateway.", "sk_sandbox_onsale", secret=True)
    smtp_url: str = _setting(
        "ONSALE_SMTP_URL",
        "smtp://user:password@host:port, or smtps://. Empty: mails go to the development mailbox.",
        "",
        secret=True,
    )
    mail_from: str = _setting("ONSALE_MAIL_FROM", "Sender of mails.", "onsale <tickets@localhost>")
    web_processes: int = _setting("ONSALE_WEB_PROCESSES", "Web processes that `onsale up` starts.", 1)
    trusted_proxies: str = _setting(
        "ONSALE_TRUSTED_PROXIES",
        "Comma-separated addresses or networks whose X-Forwarded-For is believed. Empty: nobody's.",
        "",
    )
    rate_per_address_per_min: int = _setting(
        "ONSALE_RATE_PER_ADDRESS",
        "Requests a minute from one address; static files and the board do not count. 0: as many as they like.",
        100,
    )
    rate_holds_per_person_per_min: int = _setting(
        "ONSALE_RATE_HOLDS_PER_PERSON", "Attempts a minute of one person to take seats. 0: as many as they like.", 10
    )
    rate_holds_in_all_per_s: int = _setting(
        "ONSALE_RATE_HOLDS_IN_ALL", "Attempts a second of all together to take seats. 0: as many as come.", 50_000
    )
    secure_cookies: bool = _setting("ONSALE_SECURE_COOKIES", "Mark cookies Secure; set it when served by HTTPS.", False)
    log_level: str = _setting("ONSALE_LOG_LEVEL", "debug, info, warning or error.", "info")
    log_format: str = _setting("ONSALE_LOG_FORMAT", "text for people, json for machines.", "text")

    @property
    def embedded_database(self) -> bool:
        return not self.database_url

    @property
    def embedded_redis(self) -> bool:
        return not self.redis_url

    @property
    def development_mailbox(self) -> bool:
        """Whether mails are kept here instead of sent."""
        return not self.smtp_url

    @property
    def mailbox_page(self) -> bool:
        """Whether anybody may read them: only on a machine that serves nobody but itself, since tickets lie in them.

        Whether a request comes from this machine is asked again at each: a proxy on it may let in the world.
        """
        here = is_loopback(self.host) and is_loopback(urlsplit(self.base_url).hostname or "")
        return self.development_mailbox and here and not self.trusted_proxies and not self.secure_cookies

    @property
    def base_url(self) -> str:
        host = _REACHED_AT.get(self.host, self.host)
        return self.public_url.rstrip("/") or f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Whether a name or an address means this machine and can be reached from no other."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def read(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process. Raises BadSetting for a value, or an ONSALE_* name, that means nothing."""
    environ = os.environ if environ is None else environ
    known = {f.metadata["env"]: f for f in fields(Settings)}
    unknown = sorted(name for name in environ if name.startswith("ONSALE_") and name not in known)
    if unknown:
        raise BadSetting(f"{unknown[0]} is not a setting of onsale; `onsale doctor` lists them all")
    # An empty folder would mean the one we happen to stand in: it is not set.
    given = [name for name in known if name in environ and (known[name].type is not Path or environ[name].strip())]
    values = {known[name].name: _parse(name, known[name].type, environ[name]) for name in given}
    return _checked(Settings(**values))


def _parse(name: str, kind: Any, text: str) -> Any:
    if kind is int:
        if not text.isdecimal():
            raise BadSetting(f"{name} must be a whole number, not {text!r}")
        return int(text)
    if kind is bool:
        if text.lower() not in ("0", "1", "true", "false", "yes", "no", ""):
            raise BadSetting(f"{name} must be 1 or 0, not {text!r}")
        return text.lower() in ("1", "true", "yes")
    return Path(text.strip()) if kind is Path else text.strip()


def _checked(settings: Settings) -> Settings:
    if not _HOST.fullmatch(settings.host):
        raise BadSetting(f"ONSALE_HOST must be an address or a name, not {settings.host!r}")
    if settings.public_url and not _is_site(settings.public_url, whole=True):
        raise BadSetting(f"ONSALE_PUBLIC_URL must look like https://host, without a path, not {settings.public_url!r}")
    if settings.gateway_url and not _is_site(settings.gateway_url, whole=False):
        raise BadSetting(f"ONSALE_GATEWAY_URL must look like http://host:port, not {settings.gateway_url!r}")
    if settings.port > 65535:
        raise BadSetting(f"ONSALE_PORT must be at most 65535, not {settings.port}")
    if not 1 <= settings.web_processes <= 64:
        raise BadSetting(f"ONSALE_WEB_PROCESSES must be 1 to 64, not {settings.web_processes}")
    if settings.gateway != "sandbox":
        raise BadSetting(f"ONSALE_GATEWAY must be sandbox, not {settings.gateway!r}")
    if settings.secret_key and len(settings.secret_key) < 32:
        raise BadSetting("ONSALE_SECRET_KEY must have at least 32 characters")
    if settings.log_level not in ("debug", "info", "warning", "error"):
        raise BadSetting(f"ONSALE_LOG_LEVEL must be debug, info, warning or error, not {settings.log_level!r}")
    if settings.log_format not in ("text", "json"):
        raise BadSetting(f"ONSALE_LOG_FORMAT must be text or json, not {settings.log_format!r}")
    return settings


def _is_site(url: str, *, whole: bool) -> bool:
    """A scheme, a host, perhaps a port; for a `whole` site no path behind them."""
    try:
        parts = urlsplit(url)
        well = parts.port != 0 and parts.username is None
    except ValueError:
        return False
    bare = not parts.query and not parts.fragment and (parts.path in ("", "/") or not whole)
    return well and bare and parts.scheme in ("http", "https") and bool(parts.hostname)
