"""The API's reference, rendered from its own description, and the table of error codes."""

from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response

from onsale.kit.problems import Problem
from onsale.web.rendering import Pages
from onsale.web.statics import READ


def router(pages: Pages, app: FastAPI) -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.api_route("/docs", methods=READ)
    async def reference(request: Request) -> Response:
        """Every endpoint, from /openapi.json."""
        return pages.render(request, "reference.html", groups=_grouped(app.openapi()))

    @routes.api_route("/docs/errors", methods=READ)
    async def errors(request: Request) -> Response:
        """Every error code; the `type` of a problem points here."""
        return pages.render(request, "errors.html", problems=all_problems())

    return routes


def all_problems() -> list[type[Problem]]:
    """Every kind of problem the imported rooms have, by code."""
    found: dict[str, type[Problem]] = {}
    waiting: list[type[Problem]] = [Problem]
    while waiting:
        kind = waiting.pop()
        waiting.extend(kind.__subclasses__())
        if kind is not Problem:
            found.setdefault(kind.code, kind)
    return [found[code] for code in sorted(found)]


def _grouped(openapi: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Tag -> its operations, each with method, path and what it says of itself."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            entry = {
                "method": method.upper(),
                "path": path,
                "summary": operation.get("summary", ""),
                "description": operation.get("description", ""),
                "parameters": operation.get("parameters", []),
            }
            groups.setdefault((operation.get("tags") or ["other"])[0], []).append(entry)
    return dict(sorted(groups.items()))
