"""What accounts decides without asking anybody: addresses, codes, and what a session token is good for."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from onsale import limits
from onsale.accounts.errors import BadSession, InvalidEmail, SessionRequired
from onsale.accounts.model import (
    CodeVerdict,
    Role,
    SentCode,
    claims_of,
    hash_code,
    judge_code,
    normal_email,
    shopper_of,
)
from onsale.accounts.sessions import COOKIE, Sessions
from onsale.accounts.wording import code_mail
from onsale.kit import ids, tokens

NOW = datetime(2027, 6, 12, 20, 0, tzinfo=UTC)
SECRET = b"s" * 32


# --- addresses


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("ann@example.org", "ann@example.org"),
        ("  Ann.Lee+tickets@Example.ORG\n", "ann.lee+tickets@example.org"),
        ("o'neil!#$%&*/=?^_`{|}~-@a.b", "o'neil!#$%&*/=?^_`{|}~-@a.b"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("ann@XN--BCHER-KVA.example", "ann@xn--bcher-kva.example"),
        ("ann@example。org", "ann@example.org"),
        ("JOSE\u0301@example.org", "jos\u00e9@example.org"),
        ("jos\u00e9@example.org", "jos\u00e9@example.org"),
        ("a" * 64 + "@example.org", "a" * 64 + "@example.org"),
    ],
)
def test_an_address_has_one_spelling(typed, stored):
    assert normal_email(typed) == stored
    assert normal_email(stored) == stored


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "@",
        "ann",
        "ann@",
        "@example.org",
        "ann@example",
        "ann@example.org.",
        "ann@.example.org",
        "ann@exam..ple.org",
        "ann@-example.org",
        "ann@example-.org",
        "ann@exa_mple.org",
        "ann@192.0.2.7",
        "ann@[192.0.2.7]",
        ".ann@example.org",
        "ann.@example.org",
        "an..n@example.org",
        "ann@bob@example.org",
        "ann lee@example.org",
        '"ann lee"@example.org',
        "ann(comment)@example.org",
        "Ann <ann@example.org>",
        "ann@example.org,bob@example.org",
        "ann@example.org;bob@example.org",
        "ann@example.org\r\nBcc: bob@example.org",
        "ann\r\nBcc:bob@example.org",
        "ann\0@example.org",
        "ann\u200b@example.org",
        "ann\u202e@example.org",
        "ann\u2028@example.org",
        "ann\ud800@example.org",
        "ann@exam\u200bple\ud800.org",
        "a" * 65 + "@example.org",
        "é" * 33 + "@example.org",
        "ann@" + "a" * 64 + ".org",
        "ann@" + "a." * 130 + "org",
        "ann@example.org" + " " * 600,
    ],
)
def test_what_is_no_address_is_refused(typed):
    with pytest.raises(InvalidEmail):
        normal_email(typed)


@given(st.text(max_size=300) | st.from_regex(r"\w{1,70}@\w{1,40}\.\w{1,10}", fullmatch=True))
@example("İ@example.org")
@example("\u1e9e@straße.example")
@example("\N{KELVIN SIGN}@example.org")
def test_whatever_passes_is_bounded_clean_and_a_mail_can_go_there(typed):
    try:
        email = normal_email(typed)
    except InvalidEmail:
        return
    assert normal_email(email) == email
    assert email.isprintable()
    assert " " not in email
    assert email == email.lower()
    assert len(email.encode()) <= limits.EMAIL_MAX_LENGTH
    assert code_mail(email, "123456").to == email


# --- codes


def sent(code="123456", *, email="ann@example.org", tries=0, expires_in_s=1.0):
    return SentCode(hash_code(SECRET, email, code), NOW + timedelta(seconds=expires_in_s), tries)


def judged(code, live):
    return judge_code(live, hash_code(SECRET, "ann@example.org", code), NOW)


def test_a_code_is_judged_by_the_first_refusal_that_holds():
    assert judged("123456", sent()) is CodeVerdict.RIGHT
    assert judged("123 456", sent()) is CodeVerdict.RIGHT
    assert judged("123457", sent()) is CodeVerdict.WRONG
    assert judged("123456", None) is CodeVerdict.DEAD
    assert judged("123456", sent(expires_in_s=0)) is CodeVerdict.DEAD
    assert judged("123456", sent(tries=limits.SIGN_IN_CODE_TRIES_MAX)) is CodeVerdict.DEAD
    assert judged("123456", sent(tries=limits.SIGN_IN_CODE_TRIES_MAX - 1)) is CodeVerdict.RIGHT


def test_a_wrong_guess_at_a_dead_code_is_not_counted():
    assert judged("000000", sent(tries=limits.SIGN_IN_CODE_TRIES_MAX)) is CodeVerdict.DEAD
    assert judged("000000", sent(expires_in_s=-1)) is CodeVerdict.DEAD


def test_a_code_is_good_for_its_address_and_its_key_only():
    assert judged("123456", sent(email="bob@example.org")) is CodeVerdict.WRONG
    assert hash_code(b"other" * 8, "ann@example.org", "123456") != hash_code(SECRET, "ann@example.org", "123456")


# --- sessions


def sessions(key=b"k" * 32):
    return Sessions(tokens.Signer({"a": key}, "a"))


def scope(*headers):
    return {"type": "http", "headers": list(headers)}


def bearer(token):
    return scope((b"authorization", b"Bearer " + token.encode()))


def cookie(token):
    return scope((b"cookie", f"theme=dark; {COOKIE}={token}; lang=en".encode()))


def test_a_session_is_the_same_shopper_by_header_and_by_cookie():
    known = sessions()
    for shopper_kind in ((), ("ann@example.org", [Role.OPERATOR, Role.FAN])):
        token, shopper = known.start(ids.new_person(), *shopper_kind)
        assert known.check(bearer(token)) == shopper
        assert known.check(cookie(token)) == shopper
        assert shopper.guest is not shopper_kind


def test_a_bearer_token_goes_before_the_cookie():
    known = sessions()
    (ours, shopper), (other, _) = known.start(ids.new_person()), known.start(ids.new_person())
    both = scope((b"cookie", f"{COOKIE}={other}".encode()), (b"authorization", f"bearer {ours}".encode()))
    assert known.check(both) == shopper


def test_the_password_of_a_proxy_is_not_taken_for_a_token():
    known = sessions()
    token, shopper = known.start(ids.new_person())
    headers = [*cookie(token)["headers"], (b"authorization", b"Basic YW5uOmFubg==")]
    assert known.check(scope(*headers)) == shopper


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"cookie", b"theme=dark")],
        [(b"cookie", f"{COOKIE}=".encode())],
        [(b"cookie", f"x{COOKIE}=abc; {COOKIE}y=abc".encode())],
        [(b"authorization", b"Bearer ")],
        [(b"authorization", b"Bearer")],
    ],
)
def test_without_a_token_a_session_is_required(headers):
    with pytest.raises(SessionRequired):
        sessions().check(scope(*headers))


def test_a_forged_foreign_or_cut_token_is_refused():
    known = sessions()
    token, _ = known.start(ids.new_person())
    stranger, _ = sessions(b"x" * 32).start(ids.new_person())
    signer = tokens.Signer({"a": b"k" * 32}, "a")
    ticket = signer.sign("place", b"x")
    unreadable = signer.sign("session", b"\x93abc")
    for bad in (stranger, token[:-1], token + "A", "a.b", "\xff.\xff.\xff", ticket, unreadable, "a" * 5000):
        with pytest.raises(BadSession):
            known.check(scope((b"authorization", b"Bearer " + bad.encode("latin-1"))))


def test_a_role_that_this_version_does_not_know_ends_the_session_and_is_no_fault():
    signer = tokens.Signer({"a": b"k" * 32}, "a")
    body = msgspec.msgpack.encode([uuid4(), uuid4(), 2_000_000_000, "a@b.c", ["emperor"]])
    with pytest.raises(BadSession):
        sessions().check(bearer(signer.sign("session", body)))


def test_a_session_ends_at_its_time_to_the_second():
    known = sessions()
    token, shopper = known.start(ids.new_person())
    assert known.check(bearer(token), shopper.expires_at - timedelta(microseconds=1)) == shopper
    with pytest.raises(BadSession):
        known.check(bearer(token), shopper.expires_at)


def test_ending_a_session_ends_every_token_made_for_it():
    known = sessions()
    token, shopper = known.start(ids.new_person())
    later, same = known.prolong(shopper)
    assert (same.person, same.session_id) == (shopper.person, shopper.session_id)
    other, _ = known.start(shopper.person)
    known.end(shopper.session_id, NOW)
    for ended in (token, later):
        with pytest.raises(BadSession):
            known.check(bearer(ended))
    assert known.check(bearer(other)).person == shopper.person


def test_what_ended_before_a_time_is_forgotten_and_the_rest_is_kept():
    known = sessions()
    begun = [known.start(ids.new_person()) for _ in range(3)]
    for days, (_, shopper) in enumerate(begun):
        known.end(shopper.session_id, NOW + timedelta(days=days))
    known.forget(NOW + timedelta(days=1))
    assert known.check(bearer(begun[0][0])) == begun[0][1]
    for token, _ in begun[1:]:
        with pytest.raises(BadSession):
            known.check(bearer(token))


def test_the_longest_address_still_fits_into_a_token():
    email = normal_email("é" * 32 + "@" + "a" * 60 + "." + "b" * 60 + "." + "c" * 58 + ".example")
    known = sessions()
    token, shopper = known.start(ids.new_person(), email, list(Role))
    assert len(token) < tokens.TOKEN_LENGTH_MAX
    assert known.check(cookie(token)) == shopper


def test_claims_carry_a_shopper_there_and_back():
    _, shopper = sessions().start(ids.new_person(), "ann@example.org", [Role.ORGANISER])
    assert shopper_of(claims_of(shopper)) == shopper
