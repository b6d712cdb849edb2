"""Place tokens: a signed place that its holder can show to a line that has forgotten it.

A token is good only together with a session of the same person: who finds one in an address or a log has nothing.
"""

import msgspec

from onsale import limits
from onsale.accounts import Shopper
from onsale.kit import clock, tokens
from onsale.kit.ids import ShardId
from onsale.kit.tokens import BadToken, Signer
from onsale.waitingroom.errors import InvalidPlace
from onsale.waitingroom.model import Place

_KIND = "place"
# Enough of the person's key to tell persons apart, and nothing by which to know one.
_PERSON_BYTES = 8


class _Claims(msgspec.Struct, frozen=True, array_like=True):
    """What a token says. `expires_s` is in whole seconds since 1970."""

    shard_id: int
    epoch: int
    number: int
    person: bytes
    expires_s: int


class PlaceTokens:
    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(_Claims).decode

    def sign(self, place: Place) -> str:
        expires_s = int(clock.unix_s()) + limits.PLACE_TOKEN_TTL_S
        claims = _Claims(place.shard_id, place.epoch, place.number, _mark(place.person.bytes), expires_s)
        return self._signer.sign(_KIND, self._encode(claims))

    def check(self, token: str, shard_id: ShardId, shopper: Shopper) -> Place:
        """The place that the token says, of this line and this person. Raises InvalidPlace."""
        try:
            claims = self._decode(self._signer.verify(_KIND, token))
        except (BadToken, msgspec.DecodeError, ValueError) as error:
            raise InvalidPlace from error
        mine = tokens.same(claims.person, _mark(shopper.person.bytes))
        if not mine or claims.shard_id != shard_id or claims.expires_s <= clock.unix_s():
            raise InvalidPlace
        return Place(shard_id, shopper.person, claims.number, claims.epoch)


def _mark(person: bytes) -> bytes:
    return tokens.digest(person)[:_PERSON_BYTES]
