"""Chance, passed in everywhere else: seeded for what must be repeatable, the system's for what must not be guessed."""

import random
import secrets
from collections.abc import Sequence


def seeded(seed: int) -> random.Random:
    """A generator that gives the same series for the same seed."""
    return random.Random(seed)  # noqa: S311 - simulations and charts, never secrets


def fresh_seed() -> int:
    """A seed nobody has used; print it, so that the run can be repeated."""
    return secrets.randbits(32)


def secret_text(size_bytes: int = 32) -> str:
    """A secret as URL-safe text."""
    return secrets.token_urlsafe(size_bytes)


def secret_bytes(size_bytes: int = 32) -> bytes:
    return secrets.token_bytes(size_bytes)


def digits(count: int) -> str:
    """A one-time code of that many decimal digits."""
    return "".join(secrets.choice("0123456789") for _ in range(count))


def choose(options: Sequence[str]) -> str:
    return secrets.choice(options)


def jitter(seconds: float, share: float = 0.2) -> float:
    """The same duration give or take `share`, so that many waiters do not wake in step."""
    return seconds * (1 + share * (2 * random.random() - 1))  # noqa: S311 - spreads load, hides nothing
