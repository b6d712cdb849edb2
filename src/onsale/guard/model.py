"""Which rates there are, and how they are told. Pure."""

import math
from dataclasses import dataclass

from onsale.kit.problems import Headers
from onsale.kit.quota import Rule, Verdict

MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Rates:
    """Requests a minute of an address, attempts to take seats a minute of a person, and a second of all together.

    0: there is no such rate.
    """

    per_address: int
    holds_per_person: int
    holds_in_all_per_s: int

    @property
    def address(self) -> Rule | None:
        return Rule("address", self.per_address, MINUTE_S) if self.per_address else None

    @property
    def person(self) -> Rule | None:
        return Rule("person", self.holds_per_person, MINUTE_S) if self.holds_per_person else None

    @property
    def holds(self) -> Rule | None:
        return Rule("holds", self.holds_in_all_per_s, 1.0) if self.holds_in_all_per_s else None


def rate_headers(verdict: Verdict) -> Headers:
    """The rate and what is left of it, as draft-ietf-httpapi-ratelimit-headers-10 writes them; seconds rounded up."""
    rule = verdict.rule
    return (
        ("ratelimit-policy", f'"{rule.name}";q={rule.count};w={math.ceil(rule.per_s)}'),
        ("ratelimit", f'"{rule.name}";r={verdict.remaining};t={math.ceil(verdict.reset_s)}'),
    )
