"""Gateways: where the money really moves. Checkout speaks to every one of them through the same few verbs.

Invariants
    Nothing is raised for what the network or the gateway did: an answer we did not get is `GatewayState.UNKNOWN`.
    The same key moves money once, however often it is sent.
    Money is integer minor units; a payment is found by our order's id, which travels in its metadata.
Owns no table. `SandboxGateway` talks to a small server of ours in Stripe's shape (sandbox_server.py), which keeps its
own book in a file of its own.
"""

from onsale.checkout.gateways.gateway import Gateway, GatewayState, Intent, Outcome, idempotency_key
from onsale.checkout.gateways.nothing import NothingToPay
from onsale.checkout.gateways.sandbox import SandboxGateway

__all__ = ["Gateway", "GatewayState", "Intent", "NothingToPay", "Outcome", "SandboxGateway", "idempotency_key"]
