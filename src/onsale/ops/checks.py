"""What `config` cannot judge by itself: settings whose form only a driver, or the mail, knows."""

from collections.abc import Callable

from onsale.config import BadSetting, Settings
from onsale.kit import urls
from onsale.kit.proxies import BadNetworks, parse_trusted


def check(settings: Settings) -> None:
    """Raise BadSetting for the first that cannot be understood. Connects to nothing."""
    told: list[tuple[str, str, Callable[[str], str]]] = [
        ("ONSALE_DATABASE_URL", settings.database_url, urls.database_fault),
        ("ONSALE_DATABASE_READ_URL", settings.database_read_url, urls.database_fault),
        ("ONSALE_REDIS_URL", settings.redis_url, urls.redis_fault),
        ("ONSALE_SMTP_URL", settings.smtp_url, urls.smtp_fault),
    ]
    for name, url, fault_of in told:
        if url and (fault := fault_of(url)):
            raise BadSetting(f"{name} {fault}")
    if fault := urls.sender_fault(settings.mail_from):
        raise BadSetting(f"ONSALE_MAIL_FROM {fault}")
    try:
        parse_trusted(settings.trusted_proxies)
    except BadNetworks as error:
        raise BadSetting(f"ONSALE_TRUSTED_PROXIES: {error}") from error
