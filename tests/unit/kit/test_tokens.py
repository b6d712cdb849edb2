"""Signed tokens: nothing passes but what a key of ours signed for this very purpose, in the one spelling it has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.kit import tokens
from onsale.kit.tokens import BadToken, Signer

OLD, NEW = b"o" * 32, b"n" * 32
SIGNER = Signer({"a": OLD}, "a")


@given(st.binary(max_size=300), st.text(max_size=20))
def test_what_was_signed_comes_back(payload, kind):
    assert SIGNER.verify(kind, SIGNER.sign(kind, payload)) == payload


@given(st.binary(max_size=40), st.data())
def test_one_changed_letter_is_refused_wherever_it_stands(payload, data):
    token = SIGNER.sign("session", payload)
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.characters(codec="utf-8").filter(lambda letter: letter != token[place]))
    for forged in (token[:place] + letter + token[place + 1 :], token[:place], token[:place] + letter + token[place:]):
        with pytest.raises(BadToken):
            SIGNER.verify("session", forged)


@given(st.text(max_size=100))
def test_any_text_is_refused_and_is_no_fault(text):
    for token in (text, f"a.{text}.{text}", f"a.{text}."):
        with pytest.raises(BadToken):
            SIGNER.verify("session", token)


def test_the_spare_bits_of_base64_give_no_second_spelling():
    token = SIGNER.sign("session", b"1")  # One byte takes two letters, of which the last has four spare bits.
    head, payload, signature = token.split(".")
    assert payload == "MQ"
    for spelling in ("MR", "MQ=", "MQ==", "M Q", "MQ\n", "M\u0051 "):
        with pytest.raises(BadToken):
            SIGNER.verify("session", f"{head}.{spelling}.{signature}")


def test_a_token_of_one_kind_is_not_good_as_another():
    with pytest.raises(BadToken):
        SIGNER.verify("pass", SIGNER.sign("place", b"17"))


def test_kind_and_payload_cannot_flow_into_each_other():
    """Without a separator, kind `ab` with payload `c` and kind `a` with payload `bc` would have one signature."""
    signature = SIGNER.sign("ab", b"c").rpartition(".")[2]
    assert not SIGNER.sign("a", b"bc").endswith(signature)


def test_keys_rotate_without_a_cut_and_a_dropped_key_ends_its_tokens():
    old = SIGNER.sign("session", b"x")
    both = Signer({"a": OLD, "b": NEW}, "b")
    assert both.verify("session", old) == b"x"
    new = both.sign("session", b"x")
    assert new.startswith("b.")
    only_new = Signer({"b": NEW}, "b")
    assert only_new.verify("session", new) == b"x"
    with pytest.raises(BadToken):
        only_new.verify("session", old)
    with pytest.raises(BadToken):
        SIGNER.verify("session", new)


def test_a_signature_is_not_good_under_another_key_id():
    """Two ids with one key (a slip in the settings) must not make two spellings of one token."""
    twin = Signer({"a": OLD, "b": OLD}, "a")
    token = twin.sign("session", b"x")
    with pytest.raises(BadToken):
        twin.verify("session", "b" + token[1:])


def test_a_long_text_is_refused_before_any_work():
    payload = b"x" * tokens.TOKEN_LENGTH_MAX
    with pytest.raises(BadToken, match="form"):
        SIGNER.verify("session", SIGNER.sign("session", payload))


def test_an_unknown_current_key_or_a_dot_in_its_id_is_a_bug():
    for keys, current in (({"a": OLD}, "b"), ({"a.b": OLD}, "a.b")):
        with pytest.raises(AssertionError):
            Signer(keys, current)


def test_each_purpose_has_a_key_of_its_own():
    secret = b"s" * 32
    derived = {tokens.derive(secret, purpose) for purpose in ("session", "ticket", "code")}
    assert len(derived) == 3
    assert all(len(key) == 32 for key in derived)
    assert tokens.derive(b"t" * 32, "session") not in derived


def test_a_digest_is_of_the_bytes_themselves():
    """Two bodies that are no UTF-8 are two bodies."""
    assert tokens.digest("é") == tokens.digest("é".encode())
    assert tokens.digest(b"\xff") != tokens.digest(b"\xfe")
    assert tokens.same(tokens.digest("a"), tokens.digest("a"))
    assert not tokens.same(b"", b"a")
