"""Money: an order is charged once or not at all, and brings its tickets or nothing.

Invariants
    No money without tickets, no tickets without money: every payment ends captured with tickets, or voided or refunded
    without. (model: after_*; pay: _sell, _undo_sale)
    An order is captured at most once.                      (schema: payment_one_capture)
    At most one attempt of an order is under way.           (schema: payment_one_under_way)
    At most one active order per hold.                      (schema: order_hold_one_active)
    Order and payment are rows before the gateway is called; no transaction is open while it is asked.

Owns tables orders, order_hold, order_item, payment.
"""

from onsale.checkout.facts import (
    CaptureFailed,
    OrderPaid,
    OrderPlaced,
    PaymentCaptured,
    PaymentFailed,
    PaymentStarted,
)
from onsale.checkout.gateways import Gateway, SandboxGateway
from onsale.checkout.gateways.sandbox_server import run as run_sandbox
from onsale.checkout.gateways.sandbox_server import sandbox_app
from onsale.checkout.orders import Orders, OrderView
from onsale.checkout.pay import Payments
from onsale.checkout.schemas import OrderBody, OrderRequest, PaymentRequest
from onsale.checkout.service import Checkout

__all__ = [
    "CaptureFailed",
    "Checkout",
    "Gateway",
    "OrderBody",
    "OrderPaid",
    "OrderPlaced",
    "OrderRequest",
    "OrderView",
    "Orders",
    "PaymentCaptured",
    "PaymentFailed",
    "PaymentRequest",
    "PaymentStarted",
    "Payments",
    "SandboxGateway",
    "run_sandbox",
    "sandbox_app",
]
