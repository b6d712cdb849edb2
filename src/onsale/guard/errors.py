"""Refusals of the guard."""

from onsale.kit.problems import Problem


class RateLimited(Problem):
    """`limit` names the rate that was used up."""

    code = "rate_limited"
    status = 429
    title = "Too many requests; wait a moment and try again"
