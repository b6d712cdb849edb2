"""Is it alive, can it work, what does it count."""

from collections.abc import Awaitable, Callable

import msgspec
from fastapi import APIRouter, Response

from onsale.kit import openapi, telemetry
from onsale.kit.db import Database
from onsale.kit.http import answer
from onsale.kit.migrate import is_migrated
from onsale.kit.problems import Unavailable

OK = "ok"
Check = Callable[[], Awaitable[str]]
"""Gives OK, or in a word or two what is wrong."""


class DatabaseCheck:
    """PostgreSQL answers and has every migration. Migrations only go forward, so that is asked until it was once true.

    Without it a process that came before `onsale migrate` would take traffic, and answer all of it with bugs.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._migrated = False

    async def __call__(self) -> str:
        if not await self._database.ready():
            return "away"
        try:
            self._migrated = self._migrated or await is_migrated(self._database)
        except Unavailable:
            return "away"
        return OK if self._migrated else "not migrated"


class AliveBody(msgspec.Struct, frozen=True):
    status: str


class ReadyBody(msgspec.Struct, frozen=True):
    """`status` is `ready` or `not ready`; `parts` says of each thing we stand on whether it is there."""

    status: str
    parts: dict[str, str]


def router(needed: dict[str, Check], helpful: dict[str, Check]) -> APIRouter:
    """`needed`: without it the process is not ready. `helpful`: without it the process is slower, and still ready."""
    routes = APIRouter(tags=["operations"], default_response_class=Response)

    @routes.get("/healthz", responses=openapi.json(AliveBody))
    async def alive() -> Response:
        """The process runs. Restart it when this does not answer."""
        return answer(200, AliveBody("alive"))

    @routes.get("/readyz", responses=openapi.json(ReadyBody) | openapi.json(ReadyBody, 503))
    async def ready() -> Response:
        """The process can do its work. Send it no traffic while this says 503."""
        states = {name: await check() for name, check in {**needed, **helpful}.items()}
        good = all(states[name] == OK for name in needed)
        return answer(200 if good else 503, {"status": "ready" if good else "not ready", "parts": states})

    @routes.get("/metrics", responses=openapi.media("text/plain"))
    async def metrics() -> Response:
        """All processes' metrics, for Prometheus."""
        body, content_type = telemetry.exposition()
        return Response(body, 200, media_type=content_type)

    return routes
