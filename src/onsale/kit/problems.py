"""Errors as answers: RFC 9457 problem details with a stable `code`.

A room declares its errors as subclasses in its `errors.py` and raises them at its edge; `headers` and `encode` turn any
of them into an answer. The codes are documented in docs/errors.md, and a test holds the two together.
"""

import math
from typing import Any, ClassVar

import msgspec

CONTENT_TYPE = "application/problem+json"
TYPE_BASE = "/docs/errors#"


class Problem(Exception):
    """An answer that says no. `detail` is one plain sentence for the person; `extra` are members a program may read.

    `headers` go with the answer beside those of every problem.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong on our side"

    def __init__(
        self, detail: str = "", *, retry_after_s: float | None = None, headers: "Headers" = (), **extra: Any
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.retry_after_s = retry_after_s
        self.headers = headers
        self.extra = extra

    def body(self) -> dict[str, Any]:
        return {
            "type": TYPE_BASE + self.code,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **self.extra,
        }


class InternalError(Problem):
    """A bug of ours: the request was understood and an assertion or the code under it failed."""


class Malformed(Problem):
    code = "malformed_request"
    status = 400
    title = "The request could not be read"


class Invalid(Problem):
    code = "invalid_request"
    status = 422
    title = "The request is not valid"


class TooLarge(Problem):
    code = "body_too_large"
    status = 413
    title = "The request is too large"


class WrongType(Problem):
    code = "unsupported_media_type"
    status = 415
    title = "Send JSON"


class NotFound(Problem):
    code = "not_found"
    status = 404
    title = "There is nothing here"


class MethodNotAllowed(Problem):
    code = "method_not_allowed"
    status = 405
    title = "This address does not do that"


class Unavailable(Problem):
    code = "unavailable"
    status = 503
    title = "We cannot answer just now; nothing was lost"

    def __init__(self, detail: str = "", *, retry_after_s: float = 1.0, **extra: Any) -> None:
        super().__init__(detail, retry_after_s=retry_after_s, **extra)


class Overloaded(Unavailable):
    code = "overloaded"
    title = "Too many people at this moment; try again in a few seconds"


class CrossSite(Problem):
    code = "cross_site_request"
    status = 403
    title = "This request came from another site"


class KeyReused(Problem):
    code = "idempotency_key_reused"
    status = 409
    title = "This Idempotency-Key was used for another request"


Headers = tuple[tuple[str, str], ...]

_ALWAYS: Headers = (("content-type", CONTENT_TYPE), ("cache-control", "no-store"))
_WHO: Headers = (("www-authenticate", 'Bearer realm="onsale"'),)


def headers(problem: Problem) -> Headers:
    """Headers of the answer: type, no caching, and when to try again (whole seconds, at least 1, never too early)."""
    made = _ALWAYS if problem.status != 401 else _ALWAYS + _WHO
    if problem.retry_after_s is None:
        return made + problem.headers
    return (*made, *problem.headers, ("retry-after", str(max(1, math.ceil(problem.retry_after_s)))))


def encode(problem: Problem) -> bytes:
    return _encode(problem.body())


_encode = msgspec.json.Encoder().encode
