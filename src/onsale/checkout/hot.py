"""Hot endpoints of checkout: order and payment."""

import msgspec

from onsale.accounts import Shopper, normal_email
from onsale.checkout.errors import HoldLost, MoneyNotReceived, PaymentDeclined
from onsale.checkout.orders import Contact, OrderView
from onsale.checkout.schemas import OrderRequest, PaymentRequest
from onsale.checkout.service import Checkout, parse_hold
from onsale.kit import asgi, idempotency, tokens

SECRET_HEADER = b"onsale-order-secret"


class CheckoutEndpoints:
    def __init__(self, checkout: Checkout) -> None:
        self._checkout = checkout

    async def order(self, shopper: Shopper, request: asgi.Request) -> asgi.Answer:
        """Make the order for held seats; for the same holds again, the same order."""
        wish = await request.json(OrderRequest)
        holds = [parse_hold(hold) for hold in wish.holds]
        contact = Contact(normal_email(wish.email), wish.phone)
        view = await self._checkout.orders.place(shopper.person, holds, contact, _key_hash(request, wish))
        return asgi.json(201, await self._checkout.body(view, with_secret=True))

    async def payment(self, shopper: Shopper | None, request: asgi.Request) -> asgi.Answer:
        """Pay: 200 once the money is captured, 202 while we are still asking the gateway, 402 when it said no."""
        wish = await request.json(PaymentRequest)
        idempotency.checked(request.header(b"idempotency-key"))  # The order itself makes a repeated payment harmless.
        person = shopper.person if shopper else None
        secret = request.header(SECRET_HEADER)
        view = await self._checkout.pay(request.path["order"], wish.method, person=person, secret=secret)
        if view.status == "lost":
            raise HoldLost
        if view.status == "capture_failed":
            raise MoneyNotReceived
        if view.status in ("pending", "expired") and view.last_decline is not None:
            raise declined(view)
        return asgi.json(200 if view.status == "confirmed" else 202, await self._checkout.body(view))


def declined(view: OrderView) -> PaymentDeclined:
    """The bank's no, with until when the seats are kept."""
    last = view.last_decline
    words = "" if view.expires_at else "Your bank said no, and the time for these seats is over"
    code = last.decline_code if last else None
    return PaymentDeclined(words, decline_code=code, expires_at=view.expires_at, now=view.now)


def _key_hash(request: asgi.Request, wish: OrderRequest) -> bytes | None:
    key = idempotency.checked(request.header(b"idempotency-key"))
    if key is None:
        return None
    return tokens.digest(key)[:16] + tokens.digest(msgspec.json.encode(wish).decode())[:16]
