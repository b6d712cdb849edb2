"""Is it alive, can it work, what does it count."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Response

from onsale.kit import telemetry
from onsale.kit.http import answer

Check = Callable[[], Awaitable[bool]]


def router(needed: dict[str, Check], helpful: dict[str, Check]) -> APIRouter:
    """`needed`: without it the process is not ready. `helpful`: without it the process is slower, and still ready."""
    routes = APIRouter(tags=["operations"])

    @routes.get("/healthz")
    async def alive() -> Response:
        """The process runs. Restart it when this does not answer."""
        return answer(200, {"status": "alive"})

    @routes.get("/readyz")
    async def ready() -> Response:
        """The process can do its work. Send it no traffic while this says 503."""
        states = {name: await check() for name, check in {**needed, **helpful}.items()}
        good = all(states[name] for name in needed)
        words = {name: "ok" if state else "away" for name, state in states.items()}
        return answer(200 if good else 503, {"status": "ready" if good else "not ready", "parts": words})

    @routes.get("/metrics")
    async def metrics() -> Response:
        """All processes' metrics, for Prometheus."""
        body, content_type = telemetry.exposition()
        return Response(body, 200, media_type=content_type)

    return routes
