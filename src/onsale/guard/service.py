"""Lets requests pass at their rates."""

from onsale import limits
from onsale.accounts import Shopper
from onsale.guard.errors import RateLimited
from onsale.guard.model import Rates, rate_headers
from onsale.kit import telemetry
from onsale.kit.asgi import Scope
from onsale.kit.problems import Headers
from onsale.kit.proxies import TrustedProxies, client_address, is_this_machine, network_of
from onsale.kit.quota import Charge, Lease, Quota, Verdict

refused = telemetry.counter("onsale_rate_limited_total", "Requests refused because a rate was used up.", ["rate"])


class Guard:
    """`trusted` proxies say which address a request comes from; those of this machine itself have no address's rate."""

    def __init__(self, quota: Quota, rates: Rates, trusted: TrustedProxies) -> None:
        self._quota = quota
        self._trusted = trusted
        self._address = rates.address
        self._person = rates.person
        self._holds: Lease | None = None
        if holds := rates.holds:
            block = max(1, holds.count // limits.RATE_BLOCKS_PER_S)
            self._holds = Lease(quota, holds, block)

    async def visit(self, scope: Scope) -> None:
        """Any request that counts. Raises RateLimited, and Overloaded in a crowd."""
        await self._take(self._of_address(scope))

    async def take_seats(self, scope: Scope, shopper: Shopper) -> Headers:
        """An attempt to take seats; headers that tell the person what is left. Raises the same."""
        charges = self._of_address(scope)
        if self._person is not None:
            charges.append(Charge(self._person, shopper.person.hex))
        verdicts = await self._take(charges)
        if self._holds is not None and (verdict := await self._holds.take()):
            _refuse(verdict)
        return rate_headers(verdicts[-1]) if self._person is not None else ()

    def _of_address(self, scope: Scope) -> list[Charge]:
        if self._address is None:
            return []
        address = client_address(scope, self._trusted)
        if is_this_machine(address):
            return []
        return [Charge(self._address, network_of(address))]

    async def _take(self, charges: list[Charge]) -> list[Verdict]:
        if not charges:
            return []
        verdicts = await self._quota.take(*charges)
        for verdict in verdicts:
            if not verdict.allowed:
                _refuse(verdict)
        return list(verdicts)


def _refuse(verdict: Verdict) -> None:
    """Raises RateLimited."""
    refused.labels(verdict.rule.name).inc()
    raise RateLimited(retry_after_s=verdict.retry_after_s, headers=rate_headers(verdict), limit=verdict.rule.name)
