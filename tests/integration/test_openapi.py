"""The OpenAPI document is complete and true: walked by hand, and held against what the application really answers."""

import asyncio
import re
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import schemathesis
import schemathesis.specs.openapi.schemas  # Loaded later, deep in a test, it breaks pytest.
import uvicorn
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import content_type_conformance, status_code_conformance
from tests.integration.world import EMAIL, put_on_sale

from onsale import app as composition
from onsale.config import Settings
from onsale.kit.embedded import Addresses
from onsale.mount import Role

PROBLEM = "application/problem+json"
SEARCHED_FOR_S = 15.0
SEARCHES_PER_OPERATION = 12
# What a session is asked of; everything else may be seen by anybody.
OPEN = {
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("get", "/metrics"),
    ("get", "/api/v1/events"),
    ("get", "/api/v1/events/{event}"),
    ("get", "/api/v1/events/{event}/availability"),
    ("get", "/api/v1/events/{event}/board"),
    ("get", "/api/v1/charts/{chart}"),
    ("get", "/api/v1/tickets/keys"),
    ("post", "/api/v1/session/code"),
}
BYTES = {
    "/metrics": {"text/plain"},
    "/api/v1/orders/{order}/tickets.pdf": {"application/pdf"},
    "/api/v1/tickets/{ticket}.{form}": {"application/json", "image/png", "image/svg+xml", "application/pdf"},
    "/api/v1/events/{event}/availability": {"application/json", "application/octet-stream"},
}
BODILESS = {"/api/v1/holds/{hold}/extension", "/api/v1/events/{event}/places"}


def house(database_url: str, redis_url: str, folder: Path) -> composition.House:
    return composition.build(
        Settings(
            database_url=database_url,
            redis_url=redis_url,
            data_dir=folder,
            secret_key="a secret of thirty-two letters..",
            gateway_url="http://127.0.0.1:9",
        )
    )


@contextmanager
def serving(shop: composition.House) -> Iterator[str]:
    """The application behind a real server on a thread of its own; gives its address."""
    app = composition.web(shop, Role.ALL)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(app, log_level="error", lifespan="on", loop="asyncio")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: server.run(sockets=[listening]), daemon=True)
        thread.start()
        deadline = time.monotonic() + 30
        while not server.started:
            assert time.monotonic() < deadline and thread.is_alive()
            time.sleep(0.02)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)


@pytest.fixture
def address(database_url: str, servers: Addresses, tmp_path: Path) -> Iterator[str]:
    async def open_a_sale() -> None:
        shop = house(database_url, servers.redis_url, tmp_path)
        async with shop.open():
            await put_on_sale(shop)
            for role in ("organiser", "operator"):
                await shop.accounts.grant(EMAIL, role)

    asyncio.run(open_a_sale())
    with serving(house(database_url, servers.redis_url, tmp_path)) as url:
        yield url


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def resolved(document: dict[str, Any], reference: str) -> Any:
    for name in reference.removeprefix("#/").split("/"):
        document = document[name]
    return document


def test_every_operation_is_described_completely(address: str) -> None:
    document = httpx.get(f"{address}/openapi.json").json()
    assert document["components"]["securitySchemes"].keys() == {"bearer", "cookie"}
    problem = resolved(document, "#/components/responses/Problem")
    assert problem["content"].keys() == {PROBLEM}
    assert resolved(document, problem["content"][PROBLEM]["schema"]["$ref"])["required"] == [
        *("type", "title", "status", "detail", "code")
    ]
    assert "HTTPValidationError" not in str(document), "this shape is never sent"
    for reference in references(document):
        assert resolved(document, reference), reference
    for method, path, operation in operations(document):
        lacking = list(lacks(document, method, path, operation))
        assert not lacking, (method, path, lacking)


def lacks(document: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    answers = operation["responses"]
    if answers.get("default") != {"$ref": "#/components/responses/Problem"}:
        yield "a default answer"
    for status, answer in answers.items():
        told = resolved(document, answer["$ref"]) if "$ref" in answer else answer
        content = told.get("content", {})
        if status in ("204", "304"):
            if content:
                yield f"an empty {status}"
        elif status.startswith("2") and content.keys() != BYTES.get(path, {"application/json"}):
            yield f"the media types of {status}: {sorted(content)}"
        elif status.startswith("2") and not all(one.get("schema") for one in content.values()):
            yield f"the shape of {status}"
        elif status.startswith("4") and content.keys() != {PROBLEM}:
            yield f"a problem as {status}"
    if ((method, path) in OPEN) != ("security" not in operation):
        yield "security"
    if method in ("post", "patch") and path not in BODILESS:
        if "application/json" not in operation.get("requestBody", {}).get("content", {}):
            yield "a body"
        elif operation["requestBody"].get("required") is not True:
            yield "a required body"
    if not operation.get("summary"):
        yield "a summary"


def test_headers_that_count_are_declared(address: str) -> None:
    document = httpx.get(f"{address}/openapi.json").json()
    named = {
        (method, path): {parameter["name"].lower() for parameter in operation.get("parameters", ())}
        for method, path, operation in operations(document)
    }
    with_key = {path for (method, path), names in named.items() if "idempotency-key" in names and method == "post"}
    assert with_key == {
        *("/api/v1/organisers", "/api/v1/venues", "/api/v1/venues/{venue}/charts", "/api/v1/events"),
        *("/api/v1/session/code", "/api/v1/events/{event}/holds", "/api/v1/orders", "/api/v1/orders/{order}/payment"),
    }
    with_secret = {path for (_, path), names in named.items() if "onsale-order-secret" in names}
    assert with_secret == {f"/api/v1/orders/{{order}}{end}" for end in ("", "/payment", "/tickets.pdf")}
    seats = named["get", "/api/v1/events/{event}/availability"]
    assert seats == {"event", "format", "if-none-match"}


def test_the_reference_shows_bodies_and_answers(address: str) -> None:
    page = httpx.get(f"{address}/docs").text
    for shown in ("HoldRequest", "OrderBody", "ProblemBody", "application/octet-stream", PROBLEM):
        assert shown in page


def signed_in(address: str) -> str:
    """The token of somebody who may do everything."""
    httpx.post(f"{address}/api/v1/session/code", json={"email": EMAIL})
    subjects = re.findall(r"(\d{6}) is your sign-in code", httpx.get(f"{address}/dev/mailbox").text)
    session = httpx.post(f"{address}/api/v1/session", json={"email": EMAIL, "code": subjects[0]}).json()
    assert session["roles"] == ["fan", "operator", "organiser"]
    return str(session["token"])


def names_of_what_is_there(address: str, headers: dict[str, str]) -> dict[str, str]:
    """An event, its chart and venue, a hold and an order: values for paths, by the name of their parameter."""
    with httpx.Client(base_url=f"{address}/api/v1", headers=headers) as fan:
        event = fan.get(f"/events/{fan.get('/events').json()['items'][0]['id']}").json()
        holds = [fan.post(f"/events/{event['id']}/holds", json={"seats": [seat]}).json()["id"] for seat in (3, 7)]
        order = fan.post("/orders", json={"holds": holds[1:], "email": "ann@example.org"}).json()["id"]
        return {
            "event": str(event["id"]),
            "chart": event["chart"]["hash"],
            "venue": str(event["venue"]["id"]),
            "hold": holds[1],
            "order": order,
        }


def test_no_request_gets_an_answer_that_is_not_described(address: str) -> None:
    """Requests made from the document, good and odd ones, for things that are there and things that are not."""
    chance = secrets.randbits(32)
    print(f"seed {chance}")
    headers = {"Authorization": f"Bearer {signed_in(address)}"}
    there = names_of_what_is_there(address, headers)
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    results = list(schema.get_all_operations())
    found = [result.ok() for result in results if isinstance(result, Ok)]
    assert len(found) == len(results), "an operation that cannot be read"
    assert len(found) > 20
    share_s = SEARCHED_FOR_S / len(found)
    tried = 0
    for operation in found:
        tried += ask_about(operation, address, headers, there, chance, time.monotonic() + share_s)
    assert tried >= len(found), "each was asked at least once"


def ask_about(
    operation: Any, address: str, headers: dict[str, str], there: dict[str, str], chance: int, deadline: float
) -> int:
    """Requests of one operation until they or the time run out; how many."""
    checks, tried = [not_a_server_error, status_code_conformance, content_type_conformance], 0

    @seed(chance)
    @settings(
        max_examples=SEARCHES_PER_OPERATION,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        nonlocal tried
        if tried and time.monotonic() > deadline:
            return
        tried += 1
        if tried % 2:
            case.path_parameters.update({name: there[name] for name in there.keys() & case.path_parameters.keys()})
        case.call_and_validate(base_url=address, headers=headers, checks=checks)

    ask()
    return tried


def test_the_answers_of_a_purchase_have_the_shapes_described(address: str) -> None:
    document = httpx.get(f"{address}/openapi.json").json()
    with httpx.Client(base_url=address) as fan:
        event = fan.get("/api/v1/events").json()["items"][0]["id"]
        fan.post("/api/v1/session", json={})
        hold = fan.post(f"/api/v1/events/{event}/holds", json={"seats": [1]})
        counts = fan.get(f"/api/v1/events/{event}/availability?format=json")
        mine = fan.get(f"/api/v1/events/{event}/holds/mine")
        for answer, name in ((hold, "HoldBody"), (counts, "SeatCounts"), (mine, "HoldsBody")):
            assert answer.json().keys() == document["components"]["schemas"][name]["properties"].keys()
        shown = fan.get(f"/api/v1/events/{event}/availability")
        assert shown.headers["content-type"] == "application/octet-stream"
        assert msgspec.json.decode(fan.get("/api/v1/tickets/keys").content).keys() == {"keys"}
