"""What follows a sale, in the worker: the letter with the tickets."""

from onsale.checkout.facts import PaymentCaptured
from onsale.checkout.model import PREFIX
from onsale.checkout.orders import Orders
from onsale.kit import ids, telemetry
from onsale.kit.crunch import crunch
from onsale.kit.ids import ShardId
from onsale.kit.mail import Mailer, MailRefused
from onsale.tickets import Charge, OrderLetter, Tickets, order_message

letters_refused = telemetry.counter("onsale_letters_refused_total", "Letters with tickets refused for good.")


class Delivery:
    """Hears of captured payments and sends the tickets."""

    def __init__(self, orders: Orders, tickets: Tickets, mailer: Mailer, base_url: str) -> None:
        self._orders = orders
        self._tickets = tickets
        self._mailer = mailer
        self._base_url = base_url

    async def send_tickets(self, fact: PaymentCaptured) -> None:
        """Send the letter of a confirmed order. Sent twice, mail programs show it once: its reference is the order."""
        shard_id = ShardId(fact.shard_id)
        secret = self._orders.secret(shard_id, fact.order_id)
        view = await self._orders.read(shard_id, fact.order_id, secret=secret)
        tickets = [ticket for ticket in view.tickets if ticket.alive]
        if not tickets:
            return  # Given back meanwhile: there is nothing to deliver.
        order = view.order
        public_id = ids.public(PREFIX, shard_id, fact.order_id)
        charges = [Charge("Tickets", order.face_minor)]
        if order.fee_minor:
            charges.append(Charge("Fees", order.fee_minor))
        letter = OrderLetter(
            to=order.email,
            order_id=public_id,
            tickets=await self._tickets.views(tickets),
            charges=tuple(charges),
            total_minor=order.total_minor,
            currency=order.currency,
            url=f"{self._base_url}/orders/{public_id}?secret={secret}",
        )
        try:
            await self._mailer.send(await crunch(order_message, letter))
        except MailRefused as error:
            # No try will help: the address does not exist. The tickets wait on the order's page.
            letters_refused.inc()
            telemetry.log.warning("letter_refused", order=public_id, error=str(error))
