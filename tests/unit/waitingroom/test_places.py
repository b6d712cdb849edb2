"""Place tokens: good for their holder at their line until they run out, and for nobody else anywhere."""

import pytest

from onsale import limits
from onsale.accounts import Shopper
from onsale.kit import clock, ids, tokens
from onsale.waitingroom import InvalidPlace, Place, PlaceTokens

SIGNER = tokens.Signer({"1": b"k" * 32}, current="1")
LINE, OTHER = ids.shard_of(7), ids.shard_of(8)


def shopper(person):
    return Shopper(person, ids.new_uuid(), clock.utcnow(), None, frozenset())


@pytest.fixture
def place():
    return Place(LINE, ids.new_person(), 4_711, 3)


def test_a_token_says_the_place_it_was_made_for(place):
    held = PlaceTokens(SIGNER)
    assert held.check(held.sign(place), LINE, shopper(place.person)) == place


def test_it_is_good_for_nobody_else_and_nowhere_else(place):
    held = PlaceTokens(SIGNER)
    token = held.sign(place)
    stolen = (LINE, shopper(ids.new_person())), (OTHER, shopper(place.person))
    for line, person in stolen:
        with pytest.raises(InvalidPlace):
            held.check(token, line, person)


def test_forged_truncated_and_foreign_ones_are_refused(place):
    held, me = PlaceTokens(SIGNER), shopper(place.person)
    token = held.sign(place)
    other_kind = SIGNER.sign("session", b"\x95\x01\x02\x03\xc4\x00\x05")
    nonsense = SIGNER.sign("place", b"\xff\xff")
    other_key = PlaceTokens(tokens.Signer({"1": b"x" * 32}, current="1")).sign(place)
    for bad in (token[:-1], token[1:], token.replace(".", ":"), "", "é", other_kind, nonsense, other_key, "a" * 2_000):
        with pytest.raises(InvalidPlace):
            held.check(bad, LINE, me)


def test_it_runs_out(place, monkeypatch):
    held, me = PlaceTokens(SIGNER), shopper(place.person)
    token, now_s = held.sign(place), clock.unix_s()
    monkeypatch.setattr(clock, "unix_s", lambda: now_s + limits.PLACE_TOKEN_TTL_S - 2)
    assert held.check(token, LINE, me) == place
    monkeypatch.setattr(clock, "unix_s", lambda: now_s + limits.PLACE_TOKEN_TTL_S + 1)
    with pytest.raises(InvalidPlace):
        held.check(token, LINE, me)


def test_keys_rotate_without_a_cut(place):
    old = PlaceTokens(SIGNER).sign(place)
    rotated = PlaceTokens(tokens.Signer({"1": b"k" * 32, "2": b"n" * 32}, current="2"))
    assert rotated.check(old, LINE, shopper(place.person)) == place
    assert rotated.sign(place).startswith("2.")
