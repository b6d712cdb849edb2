"""The verbs of checkout, as endpoints, pages and jobs use them."""

from dataclasses import dataclass

from onsale.catalog import Catalog
from onsale.checkout.errors import OrderNotFound
from onsale.checkout.gateways import Gateway
from onsale.checkout.model import PREFIX
from onsale.checkout.orders import Orders, OrderView
from onsale.checkout.pay import Payments
from onsale.checkout.schemas import OrderBody, order_body
from onsale.inventory import HOLD_PREFIX, HoldNotFound
from onsale.kit import ids
from onsale.kit.ids import PersonKey, ShardId
from onsale.tickets import Tickets


@dataclass(frozen=True, slots=True)
class Checkout:
    """Orders and their payments, and what they look like from outside."""

    orders: Orders
    payments: Payments
    catalog: Catalog
    tickets: Tickets
    gateway: Gateway

    async def body(self, view: OrderView, *, with_secret: bool = False) -> OrderBody:
        """The order on the wire. The secret is told once, when the order is made."""
        order = view.order
        event = await self.catalog.event(ids.event_of(order.shard_id))
        layout = await self.catalog.layout(event)
        secret = self.orders.secret(order.shard_id, order.order_id) if with_secret else None
        return order_body(view, event, layout, self.tickets, self.gateway.methods, secret)

    async def pay(
        self, public_id: str, method: str, *, person: PersonKey | None, secret: str | None = None
    ) -> OrderView:
        """Pay an order of yours. Raises OrderNotFound, HoldLost, UnknownMethod, TooManyAttempts."""
        shard_id, order_id = parse_order(public_id)
        await self.orders.check_owner(shard_id, order_id, person=person, secret=secret)
        await self.payments.pay(shard_id, order_id, method)
        return await self.orders.read(shard_id, order_id, person=person, secret=secret)

    async def read(self, public_id: str, *, person: PersonKey | None, secret: str | None = None) -> OrderView:
        """An order of yours, or the one whose secret you have."""
        return await self.orders.read(*parse_order(public_id), person=person, secret=secret)


def parse_order(public_id: str) -> tuple[ShardId, int]:
    try:
        return ids.parse(PREFIX, public_id)
    except ids.UnknownId:
        raise OrderNotFound from None


def parse_hold(public_id: str) -> tuple[ShardId, int]:
    try:
        return ids.parse(HOLD_PREFIX, public_id)
    except ids.UnknownId:
        raise HoldNotFound from None
