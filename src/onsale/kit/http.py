"""Between the web framework and the kit: answers encoded by msgspec."""

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


def takes_gzip(accepted: str) -> bool:
    """Whether Accept-Encoding allows gzip: by its name, else by `*`; a quality of 0 is a refusal."""
    allowed = {}
    for part in accepted.lower().split(","):
        coding, _, quality = part.partition(";")
        allowed[coding.strip()] = quality.strip().rstrip("0.") != "q="
    return allowed.get("gzip", allowed.get("*", False))
