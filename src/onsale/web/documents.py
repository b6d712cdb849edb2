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
        openapi = app.openapi()
        return pages.render(request, "reference.html", groups=_grouped(openapi), schemas=_shapes(openapi))

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
    """Tag -> its operations, as the reference shows them."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            entry = _entry(openapi, operation) | {"method": method.upper(), "path": path}
            groups.setdefault((operation.get("tags") or ["other"])[0], []).append(entry)
    return dict(sorted(groups.items()))


def _entry(openapi: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    """What an operation says of itself: what it takes, and each of its answers."""
    security = operation.get("security")
    return {
        "summary": operation.get("summary", ""),
        "description": operation.get("description", ""),
        "parameters": operation.get("parameters", []),
        "session": ("may be sent" if {} in security else "required") if security else "",
        "body": _content(operation.get("requestBody", {})),
        "answers": [
            {"status": status, "description": answer["description"], "content": _content(answer)}
            for status, told in operation["responses"].items()
            for answer in [_found(openapi, told)]
        ],
    }


def _found(openapi: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """What a reference names; anything else as it is."""
    if "$ref" not in told:
        return told
    found = openapi
    for name in told["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found


def _content(told: dict[str, Any]) -> list[tuple[str, str]]:
    """Media types, each with the name of its shape, where it has one."""
    content = told.get("content", {})
    return [(media, _last(what.get("schema", {}).get("$ref", ""))) for media, what in content.items()]


def _shapes(openapi: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Name -> description and fields of each shape."""
    return {
        name: {
            "description": shape.get("description", ""),
            "fields": [(field, _kind(is_)) for field, is_ in shape.get("properties", {}).items()],
        }
        for name, shape in sorted(openapi["components"]["schemas"].items())
    }


def _kind(schema: dict[str, Any]) -> str:
    """A field's type in words: `list of SeatBody`, `string or null`."""
    if "$ref" in schema:
        return _last(schema["$ref"])
    if choices := schema.get("anyOf") or schema.get("allOf"):
        return " or ".join(_kind(choice) for choice in choices)
    if "enum" in schema:
        return " or ".join(str(value) for value in schema["enum"])
    if parts := schema.get("prefixItems"):
        return f"[{', '.join(map(_kind, parts))}]"
    kind = schema.get("format") or schema.get("type") or "any"
    return f"list of {_kind(schema.get('items', {}))}" if kind == "array" else str(kind)


def _last(reference: str) -> str:
    return reference.rpartition("/")[2]
