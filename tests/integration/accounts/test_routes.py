"""Sessions over HTTP, in process: the contract's shapes, the cookie's attributes, and refusals instead of faults."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http.cookies import SimpleCookie

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from onsale import limits
from onsale.accounts import Accounts, router
from onsale.kit import db, problems, tokens
from onsale.kit.mail import MemoryMailer
from onsale.kit.proxies import parse_trusted
from onsale.kit.quota import Quota
from onsale.kit.redis import Client

pytestmark = pytest.mark.anyio

SESSION = "/api/v1/session"
CODE = "/api/v1/session/code"


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, problems.Problem)
    return Response(problems.encode(error), error.status, dict(problems.headers(error)))


@dataclass
class Shop:
    client: httpx.AsyncClient
    mailer: MemoryMailer
    accounts: Accounts

    def code(self):
        return self.mailer.messages[-1].subject.split()[0]

    async def sign_in(self, email="ann@example.org"):
        assert (await self.client.post(CODE, json={"email": email})).status_code == 202
        return await self.client.post(SESSION, json={"email": email, "code": self.code()})

    def stranger(self, **how):
        """Another browser."""
        return httpx.AsyncClient(transport=self.client._transport, base_url="http://shop.test", **how)


def shop(database: db.Database, redis_client: Client, *, secure: bool = False, peer: str = "203.0.113.9") -> Shop:
    mailer = MemoryMailer()
    signer = tokens.Signer({"a": b"k" * 32}, "a")
    accounts = Accounts(database, signer, Quota(redis_client), mailer, b"c" * 32)
    app = FastAPI()
    app.include_router(router(accounts, secure, parse_trusted("10.0.0.0/8")))
    app.add_exception_handler(problems.Problem, _refused)
    transport = httpx.ASGITransport(app, client=(peer, 50000))
    return Shop(httpx.AsyncClient(transport=transport, base_url="http://shop.test"), mailer, accounts)


@pytest.fixture
async def ours(database: db.Database, redis_client: Client) -> AsyncIterator[Shop]:
    made = shop(database, redis_client)
    async with made.client:
        yield made


def cookie_of(response):
    return SimpleCookie(response.headers["set-cookie"])["onsale_session"]


async def test_a_guest_begins_with_an_empty_object(ours):
    response = await ours.client.post(SESSION, json={})
    assert response.status_code == 201
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert body.keys() == {"person", "token", "expires_at", "email", "roles"}
    assert (body["person"], body["email"], body["roles"]) == ("guest", None, [])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", body["expires_at"])
    assert cookie_of(response).value == body["token"]


async def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(ours, database, redis_client):
    cookie = cookie_of(await ours.client.post(SESSION, json={}))
    assert cookie["httponly"] is True
    assert cookie["samesite"] == "lax"
    assert cookie["path"] == "/"
    assert cookie["secure"] == ""
    assert limits.GUEST_SESSION_TTL_S - 5 < int(cookie["max-age"]) <= limits.GUEST_SESSION_TTL_S
    behind_https = shop(database, redis_client, secure=True)
    async with behind_https.client:
        begun = await behind_https.client.post(SESSION, json={})
        assert cookie_of(begun)["secure"] is True
        ended = await behind_https.client.delete(SESSION)
        assert cookie_of(ended)["secure"] is True


async def test_a_browser_that_has_a_session_keeps_its_person(ours):
    first = (await ours.client.post(SESSION, json={})).json()["token"]
    again = (await ours.client.post(SESSION, json={})).json()["token"]
    before, after = (ours.accounts.shopper_of(bearing(token)) for token in (first, again))
    assert (before.person, before.session_id) == (after.person, after.session_id)


def bearing(token):
    return {"headers": [(b"authorization", f"Bearer {token}".encode())]}


async def test_a_program_uses_the_token_instead_of_the_cookie(ours):
    token = (await ours.client.post(SESSION, json={})).json()["token"]
    async with ours.stranger(headers={"authorization": f"Bearer {token}"}) as program:
        assert (await program.get(SESSION)).json()["person"] == "guest"
        again = await program.post(SESSION, json={})
    same, shopper = (ours.accounts.shopper_of(bearing(made)) for made in (again.json()["token"], token))
    assert same.person == shopper.person


async def test_a_browser_with_a_bad_cookie_gets_a_new_guest(ours):
    async with ours.stranger(cookies={"onsale_session": "a.b.c"}) as browser:
        assert (await browser.get(SESSION)).json()["code"] == "invalid_session"
        assert (await browser.post(SESSION, json={})).status_code == 201


async def test_signing_in_by_code_changes_the_cookie_to_the_account(ours):
    await ours.client.post(SESSION, json={})
    guest = ours.client.cookies["onsale_session"]
    response = await ours.sign_in(" Ann@Example.org")
    assert response.status_code == 201
    assert (response.json()["person"], response.json()["email"]) == ("account", "ann@example.org")
    assert response.json()["roles"] == ["fan"]
    assert int(cookie_of(response)["max-age"]) > limits.GUEST_SESSION_TTL_S
    who = (await ours.client.get(SESSION)).json()
    assert who == {key: value for key, value in response.json().items() if key != "token"}
    async with ours.stranger(cookies={"onsale_session": guest}) as thief:
        assert (await thief.get(SESSION)).status_code == 401


async def test_without_a_session_one_is_required(ours):
    response = await ours.client.get(SESSION)
    assert response.status_code == 401
    assert response.json()["code"] == "session_required"
    assert response.headers["www-authenticate"].startswith("Bearer")


async def test_signing_out_ends_the_session_and_the_cookie_and_can_be_repeated(ours):
    token = (await ours.sign_in()).json()["token"]
    ended = await ours.client.delete(SESSION)
    assert (ended.status_code, ended.content) == (204, b"")
    assert cookie_of(ended)["max-age"] == "0"
    assert "onsale_session" not in ours.client.cookies
    async with ours.stranger(headers={"authorization": f"Bearer {token}"}) as thief:
        assert (await thief.get(SESSION)).json()["code"] == "invalid_session"
        assert (await thief.delete(SESSION)).status_code == 204
    assert (await ours.client.delete(SESSION)).status_code == 204


@pytest.mark.parametrize(
    "body",
    [
        {"email": "ann@example.org"},
        {"code": "123456"},
        {"email": "ann@example.org", "code": "123456"},
        {"email": "ann@example.org", "code": ""},
        {"email": "ann@example.org", "code": "1" * 13},
        {"email": "ann@example.org", "code": "\N{FULLWIDTH DIGIT ONE}" * 6},
        {"email": "ann", "code": "123456"},
        {"email": "a" * 300 + "@example.org", "code": "123456"},
        {"email": 5, "code": "123456"},
        {"email": "ann@example.org", "code": 123456},
        {"person": "5b2e0a2e-1c1c-4c1c-8c1c-1c1c1c1c1c1c"},
        [],
        None,
        "guest",
    ],
)
async def test_a_request_that_is_not_one_signs_nobody_in(ours, body):
    response = await ours.client.post(SESSION, json=body)
    assert response.status_code == 422
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize(
    "email",
    ["ann", "ann@example", "ann@example.org\r\nBcc: bob@example.org", "a@b.c, d@e.f", "", "x" * 255, None, "\0@b.c"],
)
async def test_a_code_is_sent_to_addresses_only(ours, email):
    response = await ours.client.post(CODE, json={"email": email})
    assert response.status_code == 422
    assert not ours.mailer.messages


async def test_one_code_a_key_and_one_a_request_without(ours):
    for _ in range(2):
        response = await ours.client.post(CODE, json={"email": "a@b.c"}, headers={"idempotency-key": "k1"})
        assert (response.status_code, response.json()) == (202, {})
    assert len(ours.mailer.messages) == 1
    for _ in range(2):
        await ours.client.post(CODE, json={"email": "a@b.c"})
    assert len(ours.mailer.messages) == 3
    bad = await ours.client.post(CODE, json={"email": "a@b.c"}, headers={"idempotency-key": "k" * 129})
    assert (bad.status_code, bad.json()["code"]) == (422, "invalid_request")


async def test_too_many_codes_say_when_to_come_back(ours):
    for _ in range(limits.SIGN_IN_CODES_PER_EMAIL):
        assert (await ours.client.post(CODE, json={"email": "a@b.c"})).status_code == 202
    response = await ours.client.post(CODE, json={"email": "a@b.c"})
    assert (response.status_code, response.json()["code"]) == (429, "too_many_codes")
    assert 1 <= int(response.headers["retry-after"]) <= limits.SIGN_IN_CODES_WINDOW_S


async def test_a_repeated_request_for_a_code_uses_up_no_quota(ours):
    headers = {"idempotency-key": "k1"}
    for _ in range(limits.SIGN_IN_CODES_PER_EMAIL + 1):
        assert (await ours.client.post(CODE, json={"email": "a@b.c"}, headers=headers)).status_code == 202
    assert len(ours.mailer.messages) == 1
    assert (await ours.client.post(CODE, json={"email": "a@b.c"})).status_code == 202


async def test_a_forged_forwarded_header_gives_no_further_codes(ours):
    async def ask(number):
        forged = {"x-forwarded-for": f"198.51.100.{number}"}
        return (await ours.client.post(CODE, json={"email": f"f{number}@b.c"}, headers=forged)).status_code

    allowed = limits.SIGN_IN_CODES_PER_ADDRESS
    assert [await ask(number) for number in range(allowed + 1)] == [202] * allowed + [429]


async def test_behind_our_proxy_each_client_has_its_own_quota(database, redis_client):
    proxied = shop(database, redis_client, peer="10.0.0.1")
    async with proxied.client as client:
        for number in range(limits.SIGN_IN_CODES_PER_ADDRESS + 1):
            from_there = {"x-forwarded-for": f"198.51.100.{number}"}
            sent = await client.post(CODE, json={"email": f"f{number}@b.c"}, headers=from_there)
            assert sent.status_code == 202


async def test_the_openapi_document_tells_the_shapes(ours):
    paths = (await ours.client.get("/openapi.json")).json()["paths"]
    assert paths.keys() == {SESSION, CODE}
    created = paths[SESSION]["post"]["responses"]["201"]["content"]["application/json"]["schema"]
    assert created["$ref"].endswith("NewSessionBody")
