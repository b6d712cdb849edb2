"""Making and reading orders. An order stands before any money moves; it takes one or more holds of one person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from onsale import limits
from onsale.catalog import Catalog, Event
from onsale.checkout import store
from onsale.checkout.errors import HoldInOrder, HoldLost, HoldsOfSeveralEvents, OrderNotFound, TooManyHolds
from onsale.checkout.facts import OrderPlaced
from onsale.checkout.model import UNDER_WAY, Item, Order, OrderState, Payment, PaymentState
from onsale.inventory import HoldNotFound, HoldView, Inventory
from onsale.kit import clock, db, ids, tokens
from onsale.kit.facts import Facts
from onsale.kit.ids import PersonKey, ShardId
from onsale.kit.problems import Invalid, KeyReused
from onsale.tickets import Ticket, Tickets


@dataclass(frozen=True, slots=True)
class Contact:
    """Where the tickets go. The e-mail address is in normal form."""

    email: str
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order as its owner sees it. `expires_at` None: its holds are gone; `now`: the shard's time."""

    order: Order
    items: list[Item]
    payments: list[Payment]
    tickets: list[Ticket]
    expires_at: datetime | None
    max_until: datetime | None
    now: datetime

    @property
    def status(self) -> str:
        """pending · processing · confirmed · expired · lost · capture_failed."""
        if self.order.state is OrderState.PAID:
            return "processing"
        if self.order.state is not OrderState.PENDING:
            return self.order.state.name.lower()
        if any(payment.state in UNDER_WAY for payment in self.payments):
            return "processing"
        return "pending" if self.expires_at is not None else "expired"

    @property
    def last_decline(self) -> Payment | None:
        """The last attempt, if the gateway refused it."""
        last = self.payments[-1] if self.payments else None
        return last if last and last.state is PaymentState.DECLINED else None


class Orders:
    def __init__(
        self,
        database: db.Database,
        catalog: Catalog,
        inventory: Inventory,
        tickets: Tickets,
        facts: Facts,
        secret: bytes,
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._inventory = inventory
        self._tickets = tickets
        self._facts = facts
        self._secret = secret

    async def place(
        self,
        person: PersonKey,
        holds: Sequence[tuple[ShardId, int]],
        contact: Contact,
        key_hash: bytes | None = None,
    ) -> OrderView:
        """The order for these holds: a new one, or the one they already have (then only its contact changes)."""
        wanted = sorted(set(holds))
        _check(wanted)
        shard_id = wanted[0][0]
        async with self._database.pipelined(shard_id) as tx:
            order_id = await self._repeated(tx, shard_id, person, key_hash)
            if order_id is None:
                views = [await self._inventory.look(tx, shard, hold_id, person) for shard, hold_id in wanted]
                if all(view.whole for view in views):
                    order_id = await self._write(tx, person, wanted, views, contact, key_hash)
                else:
                    order_id = await self._bought(tx, shard_id, wanted)
        return await self.read(shard_id, order_id, person=person)

    async def _repeated(self, tx: db.Tx, shard_id: ShardId, person: PersonKey, key_hash: bytes | None) -> int | None:
        """The order an earlier request with this key made. Raises KeyReused for another body."""
        if key_hash is None:
            return None
        await store.lock_key(tx, shard_id, person, key_hash[:16])
        found = await store.order_of_key(tx, shard_id, person, key_hash[:16])
        if found is None:
            return None
        if not tokens.same(found[1], key_hash):
            raise KeyReused
        return found[0]

    async def _bought(self, tx: db.Tx, shard_id: ShardId, holds: list[tuple[ShardId, int]]) -> int:
        """The order that bought these seats: a second tab must not hear that they are lost. Raises HoldLost."""
        order = await self._order_of(tx, shard_id, holds)
        if order is None or order.state not in (OrderState.PAID, OrderState.CONFIRMED):
            raise HoldLost
        return order.order_id

    async def _order_of(self, tx: db.Tx, shard_id: ShardId, holds: list[tuple[ShardId, int]]) -> Order | None:
        """The active order that has exactly these holds."""
        order_id = await store.order_of_hold(tx, shard_id, holds[0])
        order = await store.read_order(tx, shard_id, order_id) if order_id is not None else None
        return order if order is not None and list(order.holds) == holds else None

    async def _write(
        self,
        tx: db.Tx,
        person: PersonKey,
        holds: list[tuple[ShardId, int]],
        views: list[HoldView],
        contact: Contact,
        key_hash: bytes | None,
    ) -> int:
        shard_id, order_id = holds[0][0], ids.new_id()
        event = await self._catalog.event(ids.event_of(shard_id))
        items = _items(event, views)
        claimed = await store.claim_holds(tx, shard_id, order_id, holds)
        if claimed != len(holds):
            return await self._existing(tx, shard_id, holds, claimed, contact)
        face, fee = sum(item.face_minor for item in items), sum(item.fee_minor for item in items)
        order = Order(
            shard_id,
            order_id,
            person,
            OrderState.PENDING,
            contact.email,
            contact.phone,
            event.currency,
            face,
            fee,
            face + fee,
            clock.utcnow(),
            tuple(holds),
        )
        await store.write_order(tx, order, items, key_hash)
        await self._facts.record(tx, OrderPlaced(shard_id=shard_id, order_id=order_id))
        return order_id

    async def _existing(
        self, tx: db.Tx, shard_id: ShardId, holds: list[tuple[ShardId, int]], claimed: int, contact: Contact
    ) -> int:
        """The order that has exactly these holds; a refresh or a second tab ends here."""
        order = await self._order_of(tx, shard_id, holds) if claimed == 0 else None
        if order is None:
            raise HoldInOrder
        await store.write_contact(tx, shard_id, order.order_id, contact.email, contact.phone)
        return order.order_id

    async def read(
        self, shard_id: ShardId, order_id: int, *, person: PersonKey | None = None, secret: str | None = None
    ) -> OrderView:
        """An order for its owner, or for who has its secret. Raises OrderNotFound for everybody else."""
        async with self._database.pipelined(shard_id) as tx:
            await store.see_one_moment(tx)
            order = await store.read_order(tx, shard_id, order_id)
            view = await self.view(tx, order) if order and self._may_see(order, person, secret) else None
        if view is None:
            raise OrderNotFound
        return view

    async def check_owner(
        self, shard_id: ShardId, order_id: int, *, person: PersonKey | None, secret: str | None
    ) -> None:
        """Raises OrderNotFound for everybody but the order's owner and who has its secret."""
        async with self._database.pipelined(shard_id) as tx:
            order = await store.read_order(tx, shard_id, order_id)
        if order is None or not self._may_see(order, person, secret):
            raise OrderNotFound

    def _may_see(self, order: Order, person: PersonKey | None, secret: str | None) -> bool:
        if secret is not None and tokens.same(secret.encode(), self.secret(order.shard_id, order.order_id).encode()):
            return True
        return person == order.person

    def secret(self, shard_id: ShardId, order_id: int) -> str:
        """What lets a guest see the order from another device: it is in the link of the e-mail."""
        return tokens.keyed(self._secret, f"{shard_id}/{order_id}")

    async def view(self, tx: db.Tx, order: Order) -> OrderView:
        """Everything its owner sees of an order, in one transaction."""
        items = await store.read_items(tx, order.shard_id, order.order_id)
        payments = await store.read_payments(tx, order.shard_id, order.order_id)
        tickets = []
        if order.state is OrderState.CONFIRMED:
            tickets = await self._tickets.of_order(tx, order.shards, order.order_id)
        holds = await self._live_holds(tx, order) if order.state is OrderState.PENDING else []
        return OrderView(
            order,
            items,
            payments,
            tickets,
            min(_pay_by(view) for view in holds) if holds else None,
            min(view.hold.max_until for view in holds) if holds else None,
            holds[0].now if holds else clock.utcnow(),
        )

    async def _live_holds(self, tx: db.Tx, order: Order) -> list[HoldView]:
        """The order's holds while all of them can still be completed; none otherwise."""
        try:
            views = [await self._inventory.look(tx, shard, hold_id, order.person) for shard, hold_id in order.holds]
        except HoldNotFound:
            return []
        last_s = limits.PAYMENT_EXTENSION_S
        alive = all(view.whole and view.hold.max_until >= view.now + timedelta(seconds=last_s) for view in views)
        return views if alive else []


def _pay_by(view: HoldView) -> datetime:
    """Until when a payment can begin. It needs its minute before the hold's bound, which is not shown as time left."""
    return min(view.hold.expires_at, view.hold.max_until - timedelta(seconds=limits.PAYMENT_EXTENSION_S))


def _check(holds: list[tuple[ShardId, int]]) -> None:
    if not holds:
        raise Invalid("An order needs at least one hold")
    if len(holds) > limits.HOLDS_PER_ORDER_MAX:
        raise TooManyHolds(f"One order takes at most {limits.HOLDS_PER_ORDER_MAX} holds")
    if len({ids.event_of(shard_id) for shard_id, _ in holds}) > 1:
        raise HoldsOfSeveralEvents


def _items(event: Event, views: Sequence[HoldView]) -> list[Item]:
    """What each held seat costs today; fixed in the order from now on."""
    tiers = {tier.tier: tier for tier in event.tiers}
    return [
        Item(view.shard_id, seat_no, tier, tiers[tier].face_minor, tiers[tier].fee_minor)
        for view in views
        for seat_no, tier in zip(view.hold.seats, view.hold.tiers, strict=True)
    ]
