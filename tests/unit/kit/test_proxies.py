"""Whose address a request is counted under: what a client writes must change nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.kit.proxies import NOBODY, BadNetworks, client_address, network_of, parse_trusted

OURS = parse_trusted("10.0.0.0/8, 2001:db8::/32 ,192.0.2.1")


def scope(peer, *forwarded):
    headers = [(b"host", b"example.org"), *((b"x-forwarded-for", value.encode("latin-1")) for value in forwarded)]
    return {"type": "http", "client": (peer, 50000) if peer else None, "headers": headers}


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9", "10.0.0.2,10.0.0.3"], "203.0.113.9"),
        ("192.0.2.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("192.0.2.1", ["2001:0DB9::1"], "2001:db9::1"),
        ("192.0.2.1", ["[2001:db9::1]:443"], "2001:db9::1"),
        ("192.0.2.1", ["[2001:db9::1]"], "2001:db9::1"),
        ("192.0.2.1", ["::ffff:203.0.113.9"], "203.0.113.9"),
        ("::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("2001:db8::5", ["203.0.113.9"], "203.0.113.9"),
        ("fe80::1%eth0", ["203.0.113.9"], "fe80::1"),
        ("10.0.0.1", ["10.0.0.9, 10.0.0.8"], "10.0.0.9"),
    ],
)
def test_behind_proxies_of_ours_the_rightmost_hop_that_is_not_ours_asks(peer, forwarded, client):
    assert client_address(scope(peer, *forwarded), OURS) == client


@pytest.mark.parametrize("forged", ["1.1.1.1", "10.0.0.9", "unknown", "", ",,,", "1.1.1.1, 10.0.0.2", "\xff\xfe"])
def test_a_forged_header_changes_nothing(forged):
    assert client_address(scope("203.0.113.9", forged), OURS) == "203.0.113.9"
    assert client_address(scope("203.0.113.9", forged), NOBODY) == "203.0.113.9"
    assert client_address(scope("10.0.0.1", forged, "203.0.113.9"), OURS) == "203.0.113.9"
    assert client_address(scope("10.0.0.1", f"{forged},203.0.113.9"), OURS) == "203.0.113.9"


@pytest.mark.parametrize("unreadable", ["unknown", "_hidden", "1.2.3", "999.1.1.1", "[", "[]:80", "203.0.113.9 evil"])
def test_a_hop_that_cannot_be_read_ends_the_walk_at_who_reported_it(unreadable):
    assert client_address(scope("10.0.0.1", f"1.1.1.1, {unreadable}"), OURS) == "10.0.0.1"
    assert client_address(scope("10.0.0.1", f"1.1.1.1, {unreadable}, 10.0.0.2"), OURS) == "10.0.0.2"


def test_a_peer_on_a_unix_socket_is_trusted_only_where_it_is_named():
    named = parse_trusted("unix")
    for peer in (None, ""):
        assert client_address(scope(peer, "203.0.113.9"), named) == "203.0.113.9"
        assert client_address(scope(peer, "203.0.113.9"), OURS) == "unix"
        assert client_address(scope(peer), named) == "unix"
    assert client_address(scope("10.0.0.1", "203.0.113.9"), named) == "10.0.0.1"
    assert client_address(scope("10.0.0.1", "unix"), parse_trusted("unix,10.0.0.1")) == "10.0.0.1"


def test_a_chain_of_trusted_hops_without_end_is_walked_a_bounded_way():
    chain = ",".join(f"10.1.{n // 256}.{n % 256}" for n in range(10_000))
    assert client_address(scope("10.0.0.1", chain), OURS).startswith("10.1.39.")


def test_a_peer_with_a_name_is_itself_and_trusted_by_nobody():
    assert client_address(scope("testclient", "1.1.1.1"), OURS) == "testclient"


@pytest.mark.parametrize("text", ["10.0.0.1/8", "localhost", "10.0.0.0/33", "unix:", "10.0.0.1 10.0.0.2", "*"])
def test_a_list_with_something_else_in_it_is_refused(text):
    with pytest.raises(BadNetworks, match="trusted proxies"):
        parse_trusted(f"192.0.2.1,{text}")


def test_an_empty_list_trusts_nobody():
    for text in ("", " ", ",", " , "):
        assert parse_trusted(text) == NOBODY
        assert not parse_trusted(text)


def test_a_household_with_ipv6_counts_once():
    assert network_of("2001:db8:1:2:3:4:5:6") == network_of("2001:db8:1:2::1") == "2001:db8:1:2::/64"
    assert network_of("2001:db8:1:3::1") != network_of("2001:db8:1:2::1")
    assert network_of("203.0.113.9") == "203.0.113.9"
    assert network_of("unix") == "unix"


@given(st.text(max_size=100), st.text(max_size=60))
def test_no_header_and_no_peer_is_a_fault(peer, forwarded):
    made = scope(peer)
    made["headers"].append((b"x-forwarded-for", forwarded.encode("utf-8", "replace")))
    for trusted in (OURS, NOBODY, parse_trusted("unix, 0.0.0.0/0, ::/0")):
        assert isinstance(client_address(made, trusted), str)


@given(st.ip_addresses(), st.lists(st.ip_addresses().map(str) | st.text(alphabet="1.:,[] x", max_size=8), max_size=5))
def test_what_a_client_prepends_is_never_believed(client, forged):
    if OURS.trusts(str(client)):
        return
    honest = client_address(scope("10.0.0.1", str(client)), OURS)
    assert client_address(scope("10.0.0.1", ",".join([*forged, str(client)])), OURS) == honest
    assert client_address(scope("10.0.0.1", ",".join(forged), str(client)), OURS) == honest
