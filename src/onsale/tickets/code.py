"""The entry code of a ticket: signed text that a scanner can check at the entrance with a public key and no network.

Text form, 145 characters of QR alphanumeric mode:

    ON1:<base 32>       RFC 4648 alphabet A-Z2-7, without padding, of these 88 bytes:

    bytes   what
    0-3     key id: the first 4 bytes of SHA-256 of the raw public key
    4-11    shard, unsigned big-endian
    12-19   local id of the ticket in its shard, unsigned big-endian
    20-23   code version, unsigned big-endian: 1 when the ticket is issued, one more at each transfer or resale
    24-87   Ed25519 signature (RFC 8032) over "onsale entry code 1" and a zero byte, then bytes 0-23

`ON1` is the version of the form: another form gets another prefix. Base 32 is chosen over base 45 (RFC 9285), which
would save 9 characters but needs the same QR symbol (version 6-M holds 154) and contains blanks, which do not survive
mail and copying. One ticket at one code version has exactly one text.

A code that verifies was issued by us; whether it is still the newest of its ticket, and not yet used, is what the list
of tickets at the entrance says: transfer and resale raise the code version, so the older code is refused there.
Signing takes about 32 us and verifying 103 us (design.md section 5).
"""

from __future__ import annotations

from base64 import b32decode, b32encode
from binascii import Error as Base32Error
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from struct import Struct
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PREFIX: Final = "ON1:"
CODE_LENGTH: Final = len(PREFIX) + 141
SEED_BYTES: Final = 32
PUBLIC_KEY_BYTES: Final = 32

_DOMAIN = b"onsale entry code 1\0"
_CLAIMS = Struct(">4sQQI")
_SIGNATURE_BYTES = 64
_BODY_BYTES = _CLAIMS.size + _SIGNATURE_BYTES
_ID_MAX = 2**63 - 1
_CODE_VERSION_MAX = 2**32 - 1


class Reason(StrEnum):
    """Why a code is refused, in the order in which the checks are made."""

    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"


class BadCode(ValueError):
    """The text is not an entry code of ours; `reason` says at which check it failed."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Claims:
    """What a code says: which ticket, and which of its codes. Ids are 1 to 2^63 - 1, the code version 1 to 2^32 - 1."""

    shard_id: int
    ticket_id: int
    code_version: int

    def __post_init__(self) -> None:
        if not (0 < self.shard_id <= _ID_MAX and 0 < self.ticket_id <= _ID_MAX):
            raise ValueError("shard and ticket ids are 1 to 2^63 - 1")
        if not 0 < self.code_version <= _CODE_VERSION_MAX:
            raise ValueError("a code version is 1 to 2^32 - 1")


class TicketKey:
    """A signing key. `key_id` (8 hex digits) and `public_key` (32 raw bytes) are what scanners are given."""

    __slots__ = ("_id", "_private", "key_id", "public_key")

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public_key: Final = private.public_key().public_bytes_raw()
        self.key_id: Final = key_id_of(self.public_key)
        self._id = bytes.fromhex(self.key_id)

    @classmethod
    def from_seed(cls, seed: bytes) -> TicketKey:
        """The key that 32 secret bytes stand for, the same on every machine. ValueError for another length."""
        if len(seed) != SEED_BYTES:
            raise ValueError(f"a seed has {SEED_BYTES} bytes, not {len(seed)}")
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    def sign(self, claims: Claims) -> str:
        """The text of the code. Ed25519 is deterministic: the same claims always give the same text."""
        head = _CLAIMS.pack(self._id, claims.shard_id, claims.ticket_id, claims.code_version)
        return _to_text(head + self._private.sign(_DOMAIN + head))


def key_id_of(public_key: bytes) -> str:
    """The name of a public key: 8 hex digits. It only picks the key; that the code is ours is the signature's word."""
    return sha256(public_key).digest()[:4].hex()


def verify(text: str, public_keys: Mapping[str, bytes]) -> Claims:
    """The claims of a code signed by one of `public_keys` (key id to 32 raw bytes). Raises BadCode for any other text.

    Blanks and line ends around the text are ignored, because scanners append them.
    """
    body = _to_bytes(text.strip())
    head, signature = body[: _CLAIMS.size], body[_CLAIMS.size :]
    key_id, shard_id, ticket_id, code_version = _CLAIMS.unpack(head)
    public_key = public_keys.get(key_id.hex())
    if public_key is None:
        raise BadCode(Reason.UNKNOWN_KEY)
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, _DOMAIN + head)
    except InvalidSignature:
        raise BadCode(Reason.BAD_SIGNATURE) from None
    try:
        return Claims(shard_id, ticket_id, code_version)
    except ValueError:
        raise BadCode(Reason.MALFORMED) from None


def _to_text(body: bytes) -> str:
    return PREFIX + b32encode(body).rstrip(b"=").decode("ascii")


def _to_bytes(text: str) -> bytes:
    # The length is compared first, so that no work is done on a long text.
    if len(text) != CODE_LENGTH or not text.startswith(PREFIX):
        raise BadCode(Reason.MALFORMED)
    letters = text[len(PREFIX) :]
    try:
        body = b32decode(letters + "=" * (-len(letters) % 8))
    except (Base32Error, ValueError):
        raise BadCode(Reason.MALFORMED) from None
    # The last letter carries one spare bit; were it ignored, one code would have two texts.
    if len(body) != _BODY_BYTES or _to_text(body) != text:
        raise BadCode(Reason.MALFORMED)
    return body
