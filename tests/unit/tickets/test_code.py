"""The entry code: what is signed comes back, and nothing else does."""

from base64 import b32decode
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import example, given
from hypothesis import strategies as st

from onsale.tickets.code import CODE_LENGTH, PREFIX, BadCode, Claims, Reason, TicketKey, key_id_of, verify

KEY = TicketKey.from_seed(bytes(range(32)))
OTHER = TicketKey.from_seed(b"\x07" * 32)
KEYS = {KEY.key_id: KEY.public_key}
CLAIMS = Claims(shard_id=17 * 64, ticket_id=2**62 + 5, code_version=1)
CODE = KEY.sign(CLAIMS)

ids = st.integers(1, 2**63 - 1)
claims = st.builds(Claims, ids, ids, st.integers(1, 2**32 - 1))


def refusal(text: str, keys: dict[str, bytes] = KEYS) -> Reason:
    with pytest.raises(BadCode) as caught:
        verify(text, keys)
    return caught.value.reason


@given(claims)
def test_what_was_signed_is_what_is_read(claim):
    assert verify(KEY.sign(claim), KEYS) == claim


def test_a_code_fits_the_alphanumeric_mode_of_a_qr_code_and_has_one_length():
    assert len(CODE) == CODE_LENGTH
    assert set(CODE) <= set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")


def test_the_format_is_the_one_that_scanners_were_built_to():
    body = b32decode(CODE.removeprefix("ON1:") + "===")
    assert body[:4] == sha256(KEY.public_key).digest()[:4] == bytes.fromhex(KEY.key_id)
    assert body[4:12] == CLAIMS.shard_id.to_bytes(8, "big")
    assert body[12:20] == CLAIMS.ticket_id.to_bytes(8, "big")
    assert body[20:24] == CLAIMS.code_version.to_bytes(4, "big")
    Ed25519PublicKey.from_public_bytes(KEY.public_key).verify(body[24:], b"onsale entry code 1\0" + body[:24])


def test_the_text_never_changes_because_printed_tickets_cannot():
    assert KEY.sign(CLAIMS) == CODE
    assert KEY.key_id == "56475aa7"
    assert CODE.startswith("ON1:KZDVVJYAAAAAAAAAARAEAAAAAAAAAAAFAAAAAA")


def test_the_same_seed_is_the_same_key_and_its_name_comes_from_its_public_half():
    again = TicketKey.from_seed(bytes(range(32)))
    assert (again.key_id, again.public_key) == (KEY.key_id, KEY.public_key)
    assert key_id_of(KEY.public_key) == KEY.key_id != OTHER.key_id


@pytest.mark.parametrize("seed", [b"", b"short", b"\0" * 33])
def test_a_seed_of_another_length_is_no_seed(seed):
    with pytest.raises(ValueError, match="32 bytes"):
        TicketKey.from_seed(seed)


def test_transfer_gives_another_code_and_both_say_which_they_are():
    newer = KEY.sign(Claims(CLAIMS.shard_id, CLAIMS.ticket_id, 2))
    assert newer != CODE
    assert verify(newer, KEYS).code_version == 2
    assert verify(CODE, KEYS).code_version == 1


def test_a_key_the_scanner_was_not_given_is_unknown():
    assert refusal(OTHER.sign(CLAIMS)) is Reason.UNKNOWN_KEY
    assert refusal(CODE, {}) is Reason.UNKNOWN_KEY


def test_a_scanner_with_several_keys_reads_the_codes_of_all():
    keys = {**KEYS, OTHER.key_id: OTHER.public_key}
    assert verify(OTHER.sign(CLAIMS), keys) == verify(CODE, keys) == CLAIMS


def test_another_key_under_the_right_name_does_not_verify():
    assert refusal(CODE, {KEY.key_id: OTHER.public_key}) is Reason.BAD_SIGNATURE


@given(st.integers(len(PREFIX), CODE_LENGTH - 1), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_no_letter_can_be_changed(position, letter):
    text = CODE[:position] + letter + CODE[position + 1 :]
    if text != CODE:
        assert refusal(text) in Reason


def test_the_spare_bit_of_the_last_letter_gives_no_second_text():
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    twin = CODE[:-1] + alphabet[alphabet.index(CODE[-1]) ^ 1]
    assert refusal(twin) is Reason.MALFORMED


def test_what_scanners_append_is_ignored():
    assert verify(f" {CODE}\r\n", KEYS) == CLAIMS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ON1:",
        CODE[4:],
        CODE[:-1],
        CODE + "A",
        CODE.lower(),
        "ON2:" + CODE[4:],
        "ON1:" + "0" * 141,
        "ON1:" + "É" * 141,
    ],
)
def test_another_form_is_malformed(text):
    assert refusal(text) is Reason.MALFORMED


@given(st.text())
@example("ON1:" + "=" * 141)
def test_any_text_is_answered_with_a_reason(text):
    assert refusal(text) in Reason


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", min_size=141, max_size=141))
def test_any_letters_in_the_right_number_are_answered_with_a_reason(letters):
    assert refusal(PREFIX + letters) in Reason


@pytest.mark.parametrize(("shard_id", "ticket_id", "code_version"), [(0, 1, 1), (1, 0, 1), (1, 1, 0), (2**63, 1, 1)])
def test_ids_outside_their_range_are_no_claims(shard_id, ticket_id, code_version):
    with pytest.raises(ValueError, match="1 to 2"):
        Claims(shard_id, ticket_id, code_version)
