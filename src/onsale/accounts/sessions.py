"""Sessions: signed tokens that any process checks by itself, and the few that were ended before their time.

Nothing is stored for a session that lives, so that a million browsers arriving at once cost signatures and no rows.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import takewhile
from uuid import UUID

import msgspec

from onsale import limits
from onsale.accounts.errors import BadSession, SessionRequired
from onsale.accounts.model import Role, SessionClaims, Shopper, claims_of, shopper_of
from onsale.kit import asgi, clock, ids
from onsale.kit.ids import PersonKey
from onsale.kit.tokens import BadToken, Signer

COOKIE = "onsale_session"

_KIND = "session"
_COOKIE_NAME = COOKIE.encode()
_SCHEME = "bearer "


class Sessions:
    """Makes and checks session tokens. Knows the ended sessions that this process has heard of."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self._encode = msgspec.msgpack.Encoder(uuid_format="bytes").encode
        self._decode = msgspec.msgpack.Decoder(SessionClaims).decode
        # The number of a session, which hashes fast, and when it was ended: about 150 bytes each, of one month.
        self._ended: dict[int, datetime] = {}

    def start(self, person: PersonKey, email: str | None = None, roles: Iterable[Role] = ()) -> tuple[str, Shopper]:
        """A new session of a guest, or of an account when there is an `email`: its token and its shopper."""
        return self._sign(Shopper(person, ids.new_uuid(), clock.utcnow(), email, frozenset(roles)))

    def prolong(self, shopper: Shopper) -> tuple[str, Shopper]:
        """The same session from now on for its whole length: ending it ends every token ever made for it."""
        return self._sign(shopper)

    def _sign(self, shopper: Shopper) -> tuple[str, Shopper]:
        ttl_s = limits.GUEST_SESSION_TTL_S if shopper.guest else limits.SESSION_TTL_S
        expires_at = (clock.utcnow() + timedelta(seconds=ttl_s)).replace(microsecond=0)
        signed = Shopper(shopper.person, shopper.session_id, expires_at, shopper.email, shopper.roles)
        return self._signer.sign(_KIND, self._encode(claims_of(signed))), signed

    def check(self, scope: asgi.Scope, now: datetime | None = None) -> Shopper:
        """Whose request it is. Raises SessionRequired, or BadSession for one forged, run out or ended."""
        token = _token(scope)
        if not token:
            raise SessionRequired
        try:
            claims = self._decode(self._signer.verify(_KIND, token))
        except (BadToken, msgspec.DecodeError) as error:
            raise BadSession from error
        shopper = shopper_of(claims)
        if shopper.expires_at <= (now or clock.utcnow()) or claims.session_id.int in self._ended:
            raise BadSession
        return shopper

    def end(self, session_id: UUID, at: datetime) -> None:
        """From now on this process refuses the session."""
        self._ended[session_id.int] = at

    def forget(self, before: datetime) -> None:
        """Let go of what ended before: the tokens have run out. What is heard of late may be kept a little longer."""
        for number in [*takewhile(lambda number: self._ended[number] < before, self._ended)]:
            del self._ended[number]


def _token(scope: asgi.Scope) -> str | None:
    """A bearer token goes before the cookie. Another scheme is not for us: a proxy's own password, say."""
    authorization = asgi.header(scope, b"authorization")
    if authorization is not None and authorization[: len(_SCHEME)].lower() == _SCHEME:
        return authorization[len(_SCHEME) :].strip()
    return asgi.cookie(scope, _COOKIE_NAME)
