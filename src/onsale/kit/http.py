"""Between the web framework and the kit: answers encoded by msgspec, and who asked."""

from typing import Any

import msgspec
from fastapi import Response


def answer(status: int, value: Any, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer that is nobody else's: never cached unless the headers say so."""
    return Response(
        msgspec.json.encode(value),
        status,
        {"cache-control": "no-store", **(headers or {})},
        media_type="application/json",
    )
