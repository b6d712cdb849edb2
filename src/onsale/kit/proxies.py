"""Which address a request comes from when proxies we run stand in front of us.

`X-Forwarded-For` is believed only from a peer that the operator named, and only back to the first hop that nobody
named. What stands left of it was written by the client and may say anything.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from onsale import limits
from onsale.kit.asgi import Scope

Address = IPv4Address | IPv6Address

UNIX = "unix"
"""How a peer on a unix socket is named, in the setting and as an address: it has no number."""

# A request passes a handful of our own proxies; a longer chain of trusted hops is a loop or a joke.
HOPS_MAX = 16
# What one household or one server gets of IPv6 (RFC 6177): counting single addresses of it would count nothing.
IPV6_PREFIX_BITS = 64


class BadNetworks(ValueError):
    """The list of trusted proxies has an entry that is no address and no network; the text names it."""


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """Peers whose `X-Forwarded-For` is believed."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    unix: bool = False

    def __bool__(self) -> bool:
        return self.unix or bool(self.networks)

    def trusts(self, peer: str) -> bool:
        if peer == UNIX:
            return self.unix
        address = _address(peer)
        return address is not None and any(address in network for network in self.networks)


NOBODY = TrustedProxies()


def parse_trusted(text: str) -> TrustedProxies:
    """From `10.0.0.0/8, 192.0.2.7, unix`; empty trusts nobody. Raises BadNetworks, also for bits right of the mask."""
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    try:
        networks = tuple(ip_network(entry) for entry in entries if entry != UNIX)
    except ValueError as error:
        raise BadNetworks(f"trusted proxies: {error}") from None
    return TrustedProxies(networks, UNIX in entries)


def client_address(scope: Scope, trusted: TrustedProxies) -> str:
    """Who asks: the peer, or behind trusted proxies the rightmost hop that is not one of them, in canonical form.

    A hop that cannot be read ends the walk at the proxy that reported it; `unix` is a peer on a unix socket.
    """
    client = scope.get("client")
    known = _canonical(client[0]) if client and client[0] else UNIX
    if not trusted or not trusted.trusts(known):
        return known
    for hop, _ in zip(_hops_from_right(scope), range(HOPS_MAX), strict=False):
        address = _address(hop)
        if address is None:
            break
        known = str(address)
        if not trusted.trusts(known):
            break
    return known


def is_this_machine(address: str) -> bool:
    """Whether nobody but this machine itself can have that address."""
    parsed = _address(address)
    return parsed is not None and parsed.is_loopback


def network_of(address: str) -> str:
    """What to count by: an IPv4 address itself, the /64 of an IPv6 address, anything else as it is."""
    parsed = _address(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, IPV6_PREFIX_BITS), strict=False))
    return address


def _hops_from_right(scope: Scope) -> Iterator[str]:
    """Every entry of every X-Forwarded-For, the last one first. Several headers are one list (RFC 9110, 5.3)."""
    values = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    for value in reversed(values):
        rest: str = value.decode("latin-1")
        while rest:
            rest, _, hop = rest.rpartition(",")
            yield hop.strip()


def _canonical(text: str) -> str:
    """One spelling of each address; a name that is no address (a test client's) stays as it is."""
    address = _address(text)
    return text if address is None else str(address)


@lru_cache(maxsize=limits.ADDRESSES_IN_MIND_MAX)
def _address(text: str) -> Address | None:
    """An address as proxies write it: bare, with a port, or in brackets. IPv4 in IPv6 is the same peer as bare IPv4."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address
