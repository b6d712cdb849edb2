"""Who is asking, and what proves it: pure."""

import hmac
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final
from unicodedata import normalize

import msgspec

from onsale import limits
from onsale.accounts.errors import InvalidEmail
from onsale.kit.ids import PersonKey


class Role(StrEnum):
    FAN = "fan"
    ORGANISER = "organiser"
    OPERATOR = "operator"


class Shopper(msgspec.Struct, frozen=True):
    """The person a request comes from: an account, or a guest known only by a signed session.

    One is made for every request, so it is what is made fastest.
    """

    person: PersonKey
    session_id: uuid.UUID
    expires_at: datetime
    email: str | None = None
    roles: frozenset[Role] = frozenset()

    @property
    def guest(self) -> bool:
        return self.email is None


@dataclass(frozen=True, slots=True)
class Account:
    """A person who has shown that an e-mail address is theirs. `roles` here are the truth; a session's are a copy."""

    person: PersonKey
    email: str
    name: str
    roles: frozenset[Role]
    created_at: datetime


class SessionClaims(msgspec.Struct, frozen=True, array_like=True):
    """What a session token carries, signed. Times in whole seconds since 1970."""

    session_id: uuid.UUID
    person: uuid.UUID
    expires_at_s: int
    email: str | None
    roles: list[Role]


def claims_of(shopper: Shopper) -> SessionClaims:
    return SessionClaims(
        shopper.session_id,
        shopper.person,
        int(shopper.expires_at.timestamp()),
        shopper.email,
        sorted(shopper.roles),
    )


def shopper_of(claims: SessionClaims) -> Shopper:
    return Shopper(
        PersonKey(claims.person),
        claims.session_id,
        datetime.fromtimestamp(claims.expires_at_s, UTC),
        claims.email,
        frozenset(claims.roles),
    )


# --- e-mail addresses -----------------------------------------------------------------------------------------------

# RFC 5321, 4.5.3.1.1: longer ones are refused on the way.
LOCAL_PART_MAX_BYTES: Final = 64
# RFC 5322's atoms: what is excluded is what could begin a second address or a comment.
_ATOMS: Final = re.compile(r"""[^\s"(),.:;<>@\[\\\]]+(\.[^\s"(),.:;<>@\[\\\]]+)*""")
# At least two labels: `fan@gmail` is a slip of the finger far more often than a host of one's own.
_DOMAIN: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?!\d+$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")


def normal_email(text: str) -> str:
    """The one spelling of an address that we store and compare. Raises InvalidEmail.

    Lower case throughout, also left of the @: no provider of any size tells `Ann@` from `ann@`, nor do people. The
    domain is spelled as DNS has it (`xn--...`). What passes has no space, control or invisible character in it.
    """
    if len(text) > 2 * limits.EMAIL_MAX_LENGTH:  # Before any work is done on it; letters may still become fewer.
        raise InvalidEmail
    local, _, domain = normalize("NFC", text.strip()).lower().rpartition("@")
    # The second test: of a letter without a settled lower case, the database and we could think differently.
    if not (local.isprintable() and _ATOMS.fullmatch(local) and local == normalize("NFC", local.lower())):
        raise InvalidEmail
    address = f"{local}@{_ascii_domain(domain)}"
    if len(local.encode()) > LOCAL_PART_MAX_BYTES or len(address.encode()) > limits.EMAIL_MAX_LENGTH:
        raise InvalidEmail
    return address


def _ascii_domain(domain: str) -> str:
    try:
        ascii_domain = domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise InvalidEmail from None
    if not _DOMAIN.fullmatch(ascii_domain):
        raise InvalidEmail
    return ascii_domain


# --- one-time codes -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SentCode:
    """The live code of an address. `tries`: how many wrong ones were typed so far."""

    code_hash: bytes
    expires_at: datetime
    tries: int


class CodeVerdict(StrEnum):
    RIGHT = "right"
    WRONG = "wrong"
    DEAD = "dead"


def hash_code(secret: bytes, email: str, code: str) -> bytes:
    """What is stored of a code: keyed, since a million codes are hashed in a second, and bound to its address."""
    return hmac.digest(secret, f"{email}\0{''.join(code.split())}".encode(), "sha256")


def judge_code(sent: SentCode | None, given_hash: bytes, now: datetime) -> CodeVerdict:
    """Refusals first: none sent or already used, too old, tried too often, wrong."""
    if sent is None or sent.expires_at <= now or sent.tries >= limits.SIGN_IN_CODE_TRIES_MAX:
        return CodeVerdict.DEAD
    if not hmac.compare_digest(sent.code_hash, given_hash):
        return CodeVerdict.WRONG
    return CodeVerdict.RIGHT
