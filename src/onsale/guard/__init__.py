"""Rates: how often a person may try for seats, an address may ask for anything, and everybody together may try.

Invariants
    A rate is exact over all processes, however many ask at once; per process while Redis is away. (kit/quota)
    Only a proxy the operator named says who asks; what a client writes of itself changes nothing. (kit/proxies)
    A refusal says when to come again; one by a person's or an address's rate uses nothing up.

Owns no tables; its keys in Redis are the kit's.
"""

from onsale.guard.errors import RateLimited
from onsale.guard.model import Rates
from onsale.guard.service import Guard

__all__ = ["Guard", "RateLimited", "Rates"]
