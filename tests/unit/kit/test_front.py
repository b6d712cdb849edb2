"""Whose page makes a browser write: with a cookie, only our own may. And what all requests have in common."""

import json

import pytest
from fastapi import FastAPI

from onsale import limits
from onsale.kit import asgi, clock
from onsale.kit.front import Front, http_requests, is_cross_site

OURS = (b"host", b"shop.test:8000")
JSON = (b"content-type", b"application/json")
SAME = (b"sec-fetch-site", b"same-origin")


def write(*headers, method="POST"):
    return {"type": "http", "method": method, "headers": list(headers)}


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"origin", b"http://shop.test:8000")],
        [(b"origin", b"https://shop.test:8000")],
        [SAME],
        [(b"sec-fetch-site", b"none")],
        [(b"origin", b"https://other.test"), (b"authorization", b"Bearer a.b.c")],
    ],
)
def test_our_own_pages_and_programs_may_write(headers):
    assert not is_cross_site(write(OURS, *headers))


@pytest.mark.parametrize(
    "headers",
    [
        [(b"sec-fetch-site", b"cross-site")],
        [(b"sec-fetch-site", b"same-site")],
        [(b"sec-fetch-site", b"cross-site"), (b"origin", b"http://shop.test:8000")],
        [(b"origin", b"https://other.test")],
        [(b"origin", b"https://shop.test")],
        [(b"origin", b"https://shop.test:8000.other.test")],
        [(b"origin", b"https://shop.test:8000@other.test")],
        [(b"origin", b"null")],
        [(b"origin", b"")],
        [(b"origin", b"http://[")],
        [(b"origin", b"http://\xff\xfe")],
        [(b"origin", b"https://other.test"), (b"authorization", b"Basic YTpi")],
    ],
)
def test_another_site_may_not_whatever_it_writes_into_its_origin(headers):
    assert is_cross_site(write(OURS, *headers))
    assert is_cross_site(write(*headers)), "without a host, nothing is our own"


def test_looking_is_free_for_all():
    for method in ("GET", "HEAD", "OPTIONS"):
        assert not is_cross_site(write(OURS, (b"sec-fetch-site", b"cross-site"), method=method))
    for method in ("PUT", "PATCH", "DELETE"):
        assert is_cross_site(write(OURS, (b"sec-fetch-site", b"cross-site"), method=method))


# --- what is passed on to the framework


class Network:
    """One request as a server brings it, and what is sent back."""

    def __init__(self, *pieces, method="POST", path="/"):
        self.scope = {"type": "http", "method": method, "path": path, "headers": [OURS, JSON], "query_string": b""}
        self.pieces = list(pieces) or [b""]
        self.sent = []

    async def receive(self):
        body = self.pieces.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(self.pieces)}

    async def send(self, message):
        self.sent.append(message)

    async def through(self, app):
        await Front(asgi.Router([]), app)(self.scope, self.receive, self.send)
        return self.sent[0]["status"], b"".join(message.get("body", b"") for message in self.sent[1:])


def framework():
    app = FastAPI()

    @app.post("/")
    async def post(body: dict[str, str]) -> dict[str, str]:
        return body

    @app.get("/")
    async def get() -> dict[str, int]:
        return {"a": 1}

    @app.get("/fault")
    async def fault() -> None:
        raise RuntimeError("a bug")

    return app


@pytest.mark.anyio
async def test_a_body_that_is_too_large_is_told_so_also_when_it_did_not_say_how_long_it_is(monkeypatch):
    monkeypatch.setattr(limits, "BODY_MAX_BYTES", 100)
    network = Network(b'{"a":"', b"b" * 60, b"b" * 60, b'"}')
    status, body = await network.through(framework())
    assert status == 413
    assert json.loads(body)["code"] == "body_too_large"
    assert len(network.pieces) == 1, "no more of it is read"
    assert (await Network(b'{"a":"', b"b" * 60, b'"}').through(framework()))[0] == 200


@pytest.mark.anyio
async def test_what_can_be_read_can_be_asked_about_with_head():
    got, head = Network(method="GET"), Network(method="HEAD")
    assert await got.through(framework()) == (200, b'{"a":1}')
    assert await head.through(framework()) == (200, b"")
    assert head.sent[0]["headers"] == got.sent[0]["headers"]
    assert (await Network(method="HEAD", path="/nothing").through(framework()))[0] == 404


@pytest.mark.anyio
async def test_every_answer_is_counted_a_bug_outside_the_hot_endpoints_too(monkeypatch):
    monkeypatch.setattr(limits, "TALLY_EVERY_S", 0.0)

    def counted(status):
        return http_requests.labels("other", status)._value.get()

    before = counted(200), counted(500)
    await Network(method="GET").through(framework())
    await Network(method="GET", path="/fault").through(framework())
    await clock.sleep(0.01)
    assert (counted(200), counted(500)) == (before[0] + 1, before[1] + 1)
