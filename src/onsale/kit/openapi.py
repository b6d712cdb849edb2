"""The OpenAPI document: what the framework cannot see by itself, and one shape of error for all operations.

The framework describes what it encodes. Endpoints that answer through msgspec, with bytes, or before the framework is
asked, say so with these; `describe` puts it all into one document.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI

from onsale.kit.problems import CONTENT_TYPE, Problem

Responses = dict[int | str, dict[str, Any]]
"""Answers by status, as the framework's `responses=` takes them."""

# For `openapi_extra`: a session is needed, or it is looked at when it comes.
_SESSION: list[dict[str, list[str]]] = [{"bearer": []}, {"cookie": []}]
WITH_SESSION: dict[str, Any] = {"security": _SESSION}
WITH_OR_WITHOUT: dict[str, Any] = {"security": [*_SESSION, {}]}
NOT_MODIFIED: Responses = {304: {"description": "What you have is what there is"}}

_SCHEMAS = "#/components/schemas/"
_METHODS = ("get", "post", "patch", "put", "delete", "head", "options")
# Of the framework: the shape of its own error, which nobody is ever sent.
_NEVER_SENT = ("HTTPValidationError", "ValidationError")

_shapes: dict[str, type] = {}
"""The msgspec types that endpoints have declared, by name."""


class ProblemBody(msgspec.Struct):
    """RFC 9457. A program decides by `code`, which never changes its meaning; some codes have further members."""

    type: str
    title: str
    status: int
    detail: str
    code: str


def shape(kind: type) -> dict[str, str]:
    """A reference to a msgspec type's schema, which from now on stands in the document."""
    assert _shapes.setdefault(kind.__name__, kind) is kind, f"two shapes are called {kind.__name__}"
    return {"$ref": _SCHEMAS + kind.__name__}


def json(kind: type, status: int = 200, **more: Mapping[str, Any]) -> Responses:
    """An answer in JSON, encoded by msgspec; `more` are other media types of the same status."""
    return {status: {"description": _phrase(status), "content": {"application/json": {"schema": shape(kind)}, **more}}}


def media(*types: str, status: int = 200) -> Responses:
    """An answer in bytes of one of these types."""
    content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in types}
    return {status: {"description": _phrase(status), "content": content}}


def refusals(*kinds: type[Problem]) -> Responses:
    """Refusals worth naming at an endpoint; every operation has the others as its default answer."""
    found: Responses = {}
    for kind in kinds:
        title = f"{found[kind.status]['description']}; {kind.title}" if kind.status in found else kind.title
        found[kind.status] = {"description": title, "content": {CONTENT_TYPE: {"schema": shape(ProblemBody)}}}
    return found


def header(name: str, what: str = "") -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": what, "schema": {"type": "string"}}


def query(name: str, *values: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": {"type": "string", "enum": list(values)}}


def operation(
    tag: str,
    what: str,
    answers: Responses,
    *,
    path: Sequence[str] = (),
    parameters: Sequence[dict[str, Any]] = (),
    body: type | None = None,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """An operation that the framework does not serve. `path` are the names in its path."""
    in_path = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in path]
    made: dict[str, Any] = {
        "tags": [tag],
        "summary": what.partition(":")[0].partition(".")[0],
        "description": what,
        "parameters": [*in_path, *parameters],
        "responses": {str(status): answer for status, answer in answers.items()},
        **(extra or {}),
    }
    if body is not None:
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": shape(body)}}}
    return made


Operations = Sequence[tuple[str, str, dict[str, Any]]]
"""Path, method in lower case, operation."""


def describe(app: FastAPI, operations: Operations, cookie: str) -> None:
    """Complete the application's document. `cookie` is the name of the one that carries a session."""
    made = app.openapi

    def complete() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = made()
            for path, method, added in operations:
                document["paths"].setdefault(path, {})[method] = added
            for methods in document["paths"].values():
                for method in methods.keys() & set(_METHODS):
                    _with_refusals(methods[method])
            _complete(document.setdefault("components", {}), cookie)
        return app.openapi_schema or {}

    app.openapi = complete  # type: ignore[method-assign]


def _with_refusals(described: dict[str, Any]) -> None:
    """Any operation may be refused in one form; the framework's own form is never sent."""
    answers = described["responses"]
    if _NEVER_SENT[0] in str(answers.get("422")):
        del answers["422"]
    answers["default"] = {"$ref": "#/components/responses/Problem"}


def _complete(components: dict[str, Any], cookie: str) -> None:
    schemas = components.setdefault("schemas", {})
    for name in _NEVER_SENT:
        schemas.pop(name, None)
    problem = {"schema": shape(ProblemBody)}
    _, described = msgspec.json.schema_components(_shapes.values(), ref_template=_SCHEMAS + "{name}")
    schemas.update(described)
    components["responses"] = {"Problem": {"description": "A refusal or a fault", "content": {CONTENT_TYPE: problem}}}
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "The `token` of POST /api/v1/session."},
        "cookie": {"type": "apiKey", "in": "cookie", "name": cookie, "description": "The same, for browsers."},
    }


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase
