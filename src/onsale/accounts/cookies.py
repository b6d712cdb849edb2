"""The cookie that carries a browser's session: scripts cannot read it, other sites' pages cannot send it."""

from fastapi import Response

from onsale.accounts.model import Shopper
from onsale.accounts.sessions import COOKIE
from onsale.kit import clock


def keep_session(response: Response, token: str, shopper: Shopper, *, secure: bool) -> None:
    """`secure` when we are reached by HTTPS: then the browser sends the cookie over nothing else."""
    age_s = int((shopper.expires_at - clock.utcnow()).total_seconds())
    response.set_cookie(COOKIE, token, max_age=age_s, path="/", secure=secure, httponly=True, samesite="lax")


def drop_session(response: Response, *, secure: bool) -> None:
    response.delete_cookie(COOKIE, path="/", secure=secure, httponly=True, samesite="lax")
