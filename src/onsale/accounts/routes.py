"""Endpoints of sessions: begin as a guest, sign in by a code, look, sign out."""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from onsale.accounts.cookies import drop_session, keep_session
from onsale.accounts.model import Shopper
from onsale.accounts.schemas import (
    CodeRequest,
    NewSessionBody,
    SentBody,
    SessionBody,
    SessionRequest,
    new_session_body,
    session_body,
)
from onsale.accounts.service import Accounts
from onsale.kit import idempotency, openapi
from onsale.kit.http import answer
from onsale.kit.problems import Invalid
from onsale.kit.proxies import NOBODY, TrustedProxies, client_address

Key = Annotated[str | None, Header(alias="Idempotency-Key")]


def router(accounts: Accounts, secure_cookies: bool, trusted: TrustedProxies = NOBODY) -> APIRouter:
    """`secure_cookies` when we are reached by HTTPS; `trusted` are the proxies believed about who asks."""
    routes = APIRouter(prefix="/api/v1", tags=["session"])

    @routes.post("/session", status_code=201, response_model=NewSessionBody, openapi_extra=openapi.WITH_OR_WITHOUT)
    async def start_session(body: SessionRequest, request: Request) -> Response:
        """With `{}` a guest session, or a good one prolonged. With `email` and `code`: signed in."""
        known = accounts.optional_shopper(request.scope)
        if body.email is not None and body.code is not None:
            return _begun(*await accounts.sign_in(body.email, body.code, known), secure=secure_cookies)
        if body.email is not None or body.code is not None:
            raise Invalid("Send `email` and `code` together, or neither")
        begun = accounts.prolong(known) if known else accounts.guest_session()
        return _begun(*begun, secure=secure_cookies)

    @routes.get("/session", response_model=SessionBody, openapi_extra=openapi.WITH_SESSION)
    async def read_session(request: Request) -> Response:
        """Who you are to us."""
        return answer(200, session_body(accounts.shopper_of(request.scope)).model_dump())

    @routes.delete("/session", status_code=204, openapi_extra=openapi.WITH_OR_WITHOUT)
    async def end_session(request: Request) -> Response:
        """Sign out. Doing it again, or without a session, changes nothing. A guest only loses the cookie."""
        shopper = accounts.optional_shopper(request.scope)
        if shopper is not None:
            await accounts.sign_out(shopper)
        response = Response(status_code=204, headers={"cache-control": "no-store"})
        drop_session(response, secure=secure_cookies)
        return response

    @routes.post("/session/code", status_code=202, response_model=SentBody)
    async def send_code(body: CodeRequest, request: Request, idempotency_key: Key = None) -> Response:
        """Mail a one-time code to an address. The answer is the same for every address."""
        key = idempotency.checked(idempotency_key)
        await accounts.send_code(body.email, client_address(request.scope, trusted), key)
        return answer(202, {})

    return routes


def _begun(token: str, shopper: Shopper, *, secure: bool) -> Response:
    """The session in the body for programs, and in a cookie that scripts of a page cannot read."""
    response = answer(201, new_session_body(token, shopper).model_dump())
    keep_session(response, token, shopper, secure=secure)
    return response
