"""The gateway of orders that cost nothing: nobody is asked, and every verb succeeds at once."""

from collections.abc import Mapping

from onsale.checkout.gateways.gateway import GatewayState, Intent, Outcome


class NothingToPay:
    """A free ticket takes the same steps as any other; no bank would take a payment of 0."""

    methods: Mapping[str, str] = {}

    async def authorise(self, intent: Intent) -> Outcome:
        return Outcome(GatewayState.AUTHORISED)

    async def capture(self, ref: str, key: str) -> Outcome:
        return Outcome(GatewayState.CAPTURED)

    async def void(self, ref: str, key: str) -> Outcome:
        return Outcome(GatewayState.VOIDED)

    async def refund(self, ref: str, amount_minor: int, key: str) -> Outcome:
        return Outcome(GatewayState.REFUNDED)

    async def status(self, order: str) -> list[Outcome]:
        return []

    async def close(self) -> None:
        """There is no connection to let go of."""
