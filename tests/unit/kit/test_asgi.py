"""The small ASGI layer of the hot endpoints, against what the network can bring."""

from contextlib import suppress
from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale import limits
from onsale.kit import asgi
from onsale.kit.problems import Invalid, Malformed, Problem, TooLarge, WrongType

pytestmark = pytest.mark.anyio


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    seats: Annotated[list[int], msgspec.Meta(max_length=3)]
    name: str = ""


def request(*, headers=(), query=b"", messages=(), method="POST"):
    waiting = iter(messages)
    read = []

    async def receive():
        read.append(message := next(waiting))
        return message

    scope = {"type": "http", "method": method, "headers": list(headers), "query_string": query}
    made = asgi.Request(scope, receive, {})
    return made, read


def chunk(body, more=False):
    return {"type": "http.request", "body": body, "more_body": more}


async def wish(*messages, content_type=b"application/json"):
    made, _ = request(headers=[(b"content-type", content_type)], messages=messages)
    return await made.json(Wish)


async def test_a_body_in_pieces_is_one_body():
    assert await wish(chunk(b'{"sea', True), chunk(b"", True), chunk(b'ts":[1]}')) == Wish([1])


async def test_a_charset_is_no_reason_to_refuse():
    assert await wish(chunk(b'{"seats":[]}'), content_type=b"Application/JSON; charset=utf-8") == Wish([])


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", Malformed),
        (b"{", Malformed),
        (b"\xff\xfe", Malformed),
        (b'{"seats":[1]} {}', Malformed),
        (b'{"seats":[],"name":"\xff"}', Malformed),
        (b'{"seats":[],"name":"\\ud800"}', Malformed),
        (b"[" * 10_000, Problem),
        (b'{"seats":' + b"[" * 5_000 + b"]" * 5_000 + b"}", Problem),
        (b"null", Invalid),
        (b"[]", Invalid),
        (b"{}", Invalid),
        (b'{"seats":[1.5]}', Invalid),
        (b'{"seats":[true]}', Invalid),
        (b'{"seats":[1,2,3,4]}', Invalid),
        (b'{"seats":[1],"more":1}', Invalid),
        (b'{"seats":[1e400]}', Problem),
        (b'{"seats":[' + b"9" * 5_000 + b"]}", Problem),
    ],
)
async def test_a_body_that_is_none_of_ours_is_a_refusal_and_no_fault(body, problem):
    with pytest.raises(problem) as caught:
        await wish(chunk(body))
    assert caught.value.status in (400, 422)


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(body):
    with suppress(Malformed, Invalid):
        asgi.decode(body, Wish)


@pytest.mark.parametrize(
    "content_type", [b"", b"text/plain", b"application/x-www-form-urlencoded", b"application/jsonp"]
)
async def test_a_form_of_another_site_is_refused_by_its_type(content_type):
    """Browsers send these across sites without asking; JSON they do not."""
    with pytest.raises(WrongType):
        await wish(chunk(b'{"seats":[]}'), content_type=content_type)
    made, read = request(messages=[chunk(b"{}")])
    with pytest.raises(WrongType):
        await made.json(Wish)
    assert not read


async def test_no_more_is_read_of_a_body_that_is_too_large():
    half = b" " * (limits.HOT_BODY_MAX_BYTES // 2)
    made, read = request(messages=[chunk(half, True), chunk(half, True), chunk(b" ", True), chunk(b" ")])
    with pytest.raises(TooLarge):
        await made.body()
    assert len(read) == 3
    made, _ = request(messages=[chunk(half, True), chunk(half)])
    assert len(await made.body()) == limits.HOT_BODY_MAX_BYTES


async def test_a_client_that_leaves_in_the_middle_is_not_waited_for():
    made, _ = request(messages=[chunk(b"{", True), {"type": "http.disconnect"}])
    with pytest.raises(Malformed):
        await made.body()


async def test_headers_and_cookies_are_found_by_their_whole_name():
    made, _ = request(
        headers=[
            (b"x-cookie", b"session=no"),
            (b"cookie", b"xsession=1; sessions=2; session ; a=session=3"),
            (b"cookie", b" other=4;session=a=b\xff ;session=5"),
            (b"etag", b"first"),
            (b"etag", b"second"),
        ]
    )
    assert made.header(b"etag") == "first"
    assert made.header(b"none") is None
    assert made.cookie(b"session") == ""
    assert made.cookie(b"a") == "session=3"
    assert made.cookie(b"other") == "4"
    assert made.cookie(b"none") is None


async def test_a_query_with_too_many_fields_is_refused():
    assert request(query=b"q=a+b&city=&q=%C3%A9")[0].query == {"q": "é"}
    with pytest.raises(Malformed):
        _ = request(query=b"&".join(b"a=1" for _ in range(asgi.QUERY_FIELDS_MAX + 1)))[0].query


async def sent(answer, method="GET"):
    messages = []

    async def send(message):
        messages.append(message)

    await asgi.send(answer, {"method": method}, send)
    start, body = messages
    return dict(start["headers"]), body["body"]


async def test_a_head_has_the_length_of_the_get_and_no_body():
    answer = asgi.json(200, {"a": 1})
    got, head = await sent(answer), await sent(answer, "HEAD")
    assert got == (head[0], b'{"a":1}')
    assert head[1] == b""
    assert got[0][b"content-length"] == b"7"


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_without_a_body_claims_no_length(status):
    """RFC 9110, 8.6: a 304 that says 0 would say that the cached body is empty."""
    headers, body = await sent(asgi.Answer(status, b"", (("etag", '"7"'),)))
    assert headers == {b"etag": b'"7"'}
    assert body == b""


async def one(_request):
    return asgi.Answer(200)


async def two(_request):
    return asgi.Answer(200)


ROUTER = asgi.Router(
    [
        ("GET", "/api/v1/events/{event}/availability", one),
        ("POST", "/api/v1/events/{event}/holds", two),
        ("GET", "/api/v1/events/{event}/{what}", two),
    ]
)


def test_a_route_is_found_by_method_and_path_and_the_first_one_wins():
    assert ROUTER.find("GET", "/api/v1/events/17/availability") == (one, {"event": "17"})
    assert ROUTER.find("GET", "/api/v1/events/17/board") == (two, {"event": "17", "what": "board"})
    assert ROUTER.find("POST", "/api/v1/events/17/holds") == (two, {"event": "17"})


@pytest.mark.parametrize(
    "path",
    ["", "/", "/api/v1/events/17", "/api/v1/events/17/holds/", "//api/v1/events/17/holds", "/API/v1/events/17/holds"],
)
def test_a_path_that_is_nearly_one_is_none(path):
    assert ROUTER.find("POST", path) is None
    assert ROUTER.find("post", "/api/v1/events/17/holds") is None


@given(st.text(max_size=60))
def test_any_path_is_looked_up_without_a_fault(path):
    ROUTER.find("GET", path)
    ROUTER.find("GET", "/" + path)


async def answer(request):
    return asgi.Answer(200)


def test_a_path_is_taken_apart_once_and_what_it_means_stays_the_same():
    router = asgi.Router([("GET", "/events/{event}", answer), ("POST", "/events/{event}", answer)])
    for _ in range(2):
        assert router.find("GET", "/events/15") == (answer, {"event": "15"})
        assert router.find("GET", "/events/16") == (answer, {"event": "16"})
        assert router.find("PUT", "/events/15") is None


def test_paths_kept_in_mind_are_bounded_in_number_and_length(monkeypatch):
    monkeypatch.setattr(limits, "PATHS_IN_MIND_MAX", 10)
    router = asgi.Router([("GET", "/events/{event}", answer)])
    for number in range(100):
        assert router.find("GET", f"/events/{number}") == (answer, {"event": str(number)})
        assert len(router._known) <= 10
    kept = dict(router._known)
    long = "a" * limits.PATH_IN_MIND_LENGTH_MAX
    assert router.find("GET", f"/events/{long}") == (answer, {"event": long})
    assert router.find("GET", "/nothing") is None
    assert router._known == kept
