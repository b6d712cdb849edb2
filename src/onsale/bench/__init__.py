"""Benchmarks, as commands of the product: a house set up to be measured, loaded over HTTP, told in figures and plots.

Owns nothing.
"""

from onsale.bench.commands import app
from onsale.bench.stage import StageError

__all__ = ["StageError", "app"]
