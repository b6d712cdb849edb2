"""Signing in and out against a real database: codes, persons, ended sessions and roles, also all at once."""

import asyncio
import re
import sys
from datetime import UTC, datetime, timedelta

import pytest

from onsale import limits
from onsale.accounts import (
    Account,
    Accounts,
    BadSession,
    Forbidden,
    InvalidEmail,
    Role,
    SessionRequired,
    Shopper,
    normal_email,
)
from onsale.accounts.errors import MailAway, TooManyCodes, WrongCode
from onsale.accounts.service import revocations_unheard
from onsale.kit import asgi, clock, db, ids, tasks, tokens
from onsale.kit.mail import MailRefused, MailUnavailable, MemoryMailer
from onsale.kit.quota import Quota

pytestmark = pytest.mark.anyio

KEY = b"k" * 32
HOME = "203.0.113.9"


class FlakyMailer(MemoryMailer):
    """A real mailbox that can be told to fail."""

    def __init__(self):
        super().__init__()
        self.fault = None

    async def send(self, message):
        if self.fault:
            raise self.fault
        await super().send(message)

    def code(self):
        return self.messages[-1].subject.split()[0]


@pytest.fixture
def mailer():
    return FlakyMailer()


@pytest.fixture
def accounts(database, redis_client, mailer):
    return process(database, redis_client, mailer)


def process(database, redis_client, mailer=None):
    """Accounts as one process has them."""
    quota = Quota(redis_client)
    return Accounts(database, tokens.Signer({"a": KEY}, "a"), quota, mailer or FlakyMailer(), b"c" * 32)


def bearer(token):
    return {"type": "http", "headers": [(b"authorization", f"Bearer {token}".encode())]}


async def signed_in(accounts, mailer, email="ann@example.org", guest=None):
    await accounts.send_code(email, HOME)
    return await accounts.sign_in(email, mailer.code(), guest)


def member_session(accounts):
    """A session of an account, without the mail: only such a one is kept when it ends."""
    return accounts._sessions.start(ids.new_person(), "ann@example.org")


async def execute(database, statement):
    async with database.transaction() as tx:
        await tx.execute(statement)


async def rows(database, query):
    async with database.transaction() as tx:
        return await (await tx.execute(query)).fetchall()


# --- codes


async def test_a_code_from_the_mail_signs_in(accounts, mailer):
    token, shopper = await signed_in(accounts, mailer, " Ann@Example.org ")
    assert not shopper.guest
    assert shopper.email == mailer.messages[0].to == "ann@example.org"
    assert shopper.roles == {Role.FAN}
    assert accounts.shopper_of(bearer(token)) == shopper
    account = await accounts.account_of(shopper.person)
    assert account == Account(shopper.person, "ann@example.org", "", frozenset({Role.FAN}), account.created_at)


async def test_a_code_stands_in_no_table(accounts, mailer, database):
    await accounts.send_code("ann@example.org", HOME)
    [(stored,)] = await rows(database, "SELECT code_hash FROM sign_in_code")
    assert mailer.code().encode() not in bytes(stored)
    assert len(stored) == 32


async def test_a_code_lets_in_once(accounts, mailer):
    await accounts.send_code("ann@example.org", HOME)
    await accounts.sign_in("ann@example.org", mailer.code(), None)
    with pytest.raises(WrongCode):
        await accounts.sign_in("ann@example.org", mailer.code(), None)


async def test_a_code_typed_twenty_times_at_once_lets_in_once(accounts, mailer):
    await accounts.send_code("ann@example.org", HOME)
    answers = await asyncio.gather(
        *(accounts.sign_in("ann@example.org", mailer.code(), None) for _ in range(20)), return_exceptions=True
    )
    assert sum(isinstance(answer, tuple) for answer in answers) == 1
    assert sum(isinstance(answer, WrongCode) for answer in answers) == 19


async def test_a_new_code_ends_the_one_before(accounts, mailer):
    await accounts.send_code("ann@example.org", HOME)
    old = mailer.code()
    while mailer.code() == old:
        await accounts.send_code("ann@example.org", HOME)
    with pytest.raises(WrongCode):
        await accounts.sign_in("ann@example.org", old, None)
    await accounts.sign_in("ann@example.org", mailer.code(), None)


async def test_a_code_of_one_address_is_no_good_for_another(accounts, mailer):
    await accounts.send_code("ann@example.org", HOME)
    code = mailer.code()
    for email in ("bob@example.org", "nobody@example.org"):
        with pytest.raises(WrongCode):
            await accounts.sign_in(email, code, None)


async def test_a_code_past_its_time_is_dead(accounts, mailer):
    late = datetime.now(UTC) + timedelta(seconds=limits.SIGN_IN_CODE_TTL_S + 1)
    await accounts.send_code("ann@example.org", HOME)
    with pytest.raises(WrongCode):
        await accounts._sign_in.sign_in("ann@example.org", mailer.code(), None, late)
    early = late - timedelta(seconds=10)
    assert (await accounts._sign_in.sign_in("ann@example.org", mailer.code(), None, early)).email == "ann@example.org"


def wrong(code):
    return str((int(code) + 1) % 10**6).zfill(6)


async def test_after_the_last_wrong_guess_the_right_code_is_dead_too(accounts, mailer):
    await accounts.send_code("ann@example.org", HOME)
    for _ in range(limits.SIGN_IN_CODE_TRIES_MAX):
        with pytest.raises(WrongCode):
            await accounts.sign_in("ann@example.org", wrong(mailer.code()), None)
    with pytest.raises(WrongCode):
        await accounts.sign_in("ann@example.org", mailer.code(), None)
    await signed_in(accounts, mailer)


async def test_before_the_last_wrong_guess_the_right_code_is_good(accounts, mailer):
    await accounts.send_code("ann@example.org", HOME)
    for _ in range(limits.SIGN_IN_CODE_TRIES_MAX - 1):
        with pytest.raises(WrongCode):
            await accounts.sign_in("ann@example.org", wrong(mailer.code()), None)
    await accounts.sign_in("ann@example.org", mailer.code(), None)


async def test_guessing_all_at_once_gives_no_more_tries(accounts, mailer, database):
    await accounts.send_code("ann@example.org", HOME)
    guesses = [accounts.sign_in("ann@example.org", wrong(mailer.code()), None) for _ in range(40)]
    answers = await asyncio.gather(*guesses, return_exceptions=True)
    assert all(isinstance(answer, WrongCode) for answer in answers)
    assert await rows(database, "SELECT tries FROM sign_in_code") == [(limits.SIGN_IN_CODE_TRIES_MAX,)]


async def test_counting_tries_without_the_lock_lets_more_guesses_through(accounts, mailer, database):
    """Negative control: read, judge, write without FOR UPDATE, as the code would be without its protection."""
    await accounts.send_code("ann@example.org", HOME)
    everybody_has_read = asyncio.Barrier(8)
    judged = []

    async def guess():
        async with database.transaction() as tx:
            [(tries,)] = await (await tx.execute("SELECT tries FROM sign_in_code")).fetchall()
            await everybody_has_read.wait()
            if tries < limits.SIGN_IN_CODE_TRIES_MAX:
                judged.append(tries)
                await tx.execute("UPDATE sign_in_code SET tries = %s", [tries + 1])

    await asyncio.gather(*(guess() for _ in range(8)))
    assert len(judged) == 8 > limits.SIGN_IN_CODE_TRIES_MAX


async def test_what_is_said_is_the_same_whether_the_address_has_an_account_or_not(accounts, mailer):
    await signed_in(accounts, mailer)
    said = []
    for email in ("ann@example.org", "new@example.org"):
        assert await accounts.send_code(email, HOME) is None
        sent = mailer.messages[-1]
        letter = [re.sub(r"\d{6}", "#", text) for text in (sent.subject, sent.text, sent.html)]
        with pytest.raises(WrongCode) as caught:
            await accounts.sign_in(email, wrong(mailer.code()), None)
        said.append((letter, caught.value.body()))
    assert said[0] == said[1]


async def test_one_address_gets_a_bounded_number_of_codes(accounts, mailer):
    for _ in range(limits.SIGN_IN_CODES_PER_EMAIL):
        await accounts.send_code("ann@example.org", HOME)
    with pytest.raises(TooManyCodes) as caught:
        await accounts.send_code("Ann@Example.org", "198.51.100.1")
    assert 0 < (caught.value.retry_after_s or 0) <= limits.SIGN_IN_CODES_WINDOW_S
    assert len(mailer.messages) == limits.SIGN_IN_CODES_PER_EMAIL
    await accounts.send_code("bob@example.org", HOME)


async def test_one_network_asks_for_a_bounded_number_of_codes_and_uses_up_nobody_elses(accounts, mailer):
    for number in range(limits.SIGN_IN_CODES_PER_ADDRESS):
        await accounts.send_code(f"fan{number}@example.org", f"2001:db8::{number:x}")
    for _ in range(limits.SIGN_IN_CODES_PER_EMAIL):
        with pytest.raises(TooManyCodes):
            await accounts.send_code("ann@example.org", "2001:db8::ffff")
    await accounts.send_code("ann@example.org", HOME)


async def test_asking_with_the_same_key_again_sends_one_mail_and_leaves_its_code_good(accounts, mailer):
    await asyncio.gather(*(accounts.send_code("ann@example.org", HOME, "key-1") for _ in range(3)))
    assert len(mailer.messages) == 1
    await accounts.sign_in("ann@example.org", mailer.code(), None)
    await accounts.send_code("bob@example.org", HOME, "key-1")
    await accounts.send_code("ann@example.org", HOME, "key-2")
    assert len(mailer.messages) == 3


async def test_a_mail_that_could_not_go_out_is_said_and_the_same_request_tries_again(accounts, mailer):
    mailer.fault = MailUnavailable("busy")
    with pytest.raises(MailAway):
        await accounts.send_code("ann@example.org", HOME, "key-1")
    mailer.fault = None
    await accounts.send_code("ann@example.org", HOME, "key-1")
    await accounts.sign_in("ann@example.org", mailer.code(), None)


async def test_an_address_that_the_mail_server_refuses_is_said_to_be_one(accounts, mailer):
    mailer.fault = MailRefused("no such user")
    with pytest.raises(InvalidEmail):
        await accounts.send_code("ann@example.org", HOME)


async def test_no_row_is_locked_while_the_mail_is_under_way(accounts, mailer, database):
    seen = []

    class Looking(FlakyMailer):
        async def send(self, message):
            async with database.transaction() as tx:
                seen.append(await (await tx.execute("SELECT 1 FROM sign_in_code FOR UPDATE NOWAIT")).fetchall())

    accounts._sign_in._mailer = Looking()
    await accounts.send_code("ann@example.org", HOME, "key-1")
    assert seen == [[(1,)]]


# --- guests and accounts


async def test_a_guest_who_signs_in_anew_stays_the_same_person(accounts, mailer):
    _, guest = accounts.guest_session()
    _, shopper = await signed_in(accounts, mailer, guest=guest)
    assert shopper.person == guest.person
    assert shopper.session_id != guest.session_id


async def test_a_guest_who_signs_in_to_an_account_becomes_its_person(accounts, mailer):
    _, first = await signed_in(accounts, mailer)
    token, guest = accounts.guest_session()
    _, again = await signed_in(accounts, mailer, guest=guest)
    assert again.person == first.person != guest.person
    assert accounts.shopper_of(bearer(token)) == guest


async def test_who_slipped_a_guest_session_to_somebody_is_out_when_that_one_signs_in(accounts, mailer):
    """Session fixation: every token of the guest ends, those prolonged in another process included."""
    token, guest = accounts.guest_session()
    prolonged, same = accounts.prolong(guest)
    assert same.person == guest.person
    mine, _ = await signed_in(accounts, mailer, guest=guest)
    for known in (token, prolonged):
        with pytest.raises(BadSession):
            accounts.shopper_of(bearer(known))
    assert accounts.shopper_of(bearer(mine)).person == guest.person


async def test_one_guest_becomes_one_account_only(accounts, mailer):
    _, guest = accounts.guest_session()
    _, ann = await signed_in(accounts, mailer, "ann@example.org", guest)
    _, bob = await signed_in(accounts, mailer, "bob@example.org", guest)
    assert ann.person == guest.person != bob.person
    _, again = await signed_in(accounts, mailer, "ann@example.org", guest)
    assert again.person == guest.person


async def test_one_guest_who_becomes_ten_accounts_at_once_becomes_one_and_nine_others(accounts, mailer):
    _, guest = accounts.guest_session()
    codes = {}
    for number in range(10):
        await accounts.send_code(f"fan{number}@example.org", HOME)
        codes[mailer.messages[-1].to] = mailer.code()
    answers = await asyncio.gather(*(accounts.sign_in(email, code, guest) for email, code in codes.items()))
    persons = [shopper.person for _, shopper in answers]
    assert persons.count(guest.person) == 1
    assert len(set(persons)) == 10


async def test_an_account_that_signs_in_as_another_keeps_its_person_to_itself(accounts, mailer):
    _, ann = await signed_in(accounts, mailer, "ann@example.org")
    _, bob = await signed_in(accounts, mailer, "bob@example.org", ann)
    assert bob.person != ann.person


# --- ended sessions


async def test_a_session_signed_out_is_refused_here_at_once_and_elsewhere_when_heard(
    accounts, mailer, database, redis_client
):
    other = process(database, redis_client)
    await other.hear_revocations()
    token, shopper = await signed_in(accounts, mailer)
    await accounts.sign_out(shopper)
    await accounts.sign_out(shopper)
    with pytest.raises(BadSession):
        accounts.shopper_of(bearer(token))
    assert accounts.optional_shopper(bearer(token)) is None
    assert other.shopper_of(bearer(token)) == shopper
    await other.hear_revocations()
    with pytest.raises(BadSession):
        other.shopper_of(bearer(token))


async def test_every_process_hears_of_an_ended_session_in_time(accounts, database, redis_client):
    other = process(database, redis_client)
    watching = tasks.spawn(other.watch_revocations(), name="watch")
    token, member = member_session(accounts)
    await accounts.sign_out(member)
    try:
        async with asyncio.timeout(limits.REVOCATION_LAG_S):
            while other.optional_shopper(bearer(token)):
                await clock.sleep(0.05)
    finally:
        await tasks.cancel(watching)


async def test_a_process_that_starts_hears_of_all_ended_sessions_page_by_page(
    accounts, database, redis_client, monkeypatch
):
    monkeypatch.setattr("onsale.accounts.service.REVOCATIONS_PAGE_ROWS", 3)
    begun = [member_session(accounts) for _ in range(10)]
    for _, member in begun:
        await accounts.sign_out(member)
    for count in (10, 9):  # Pages that come out even, and one that does not.
        fresh = process(database, redis_client)
        await fresh.hear_revocations()
        assert [fresh.optional_shopper(bearer(token)) for token, _ in begun[:count]] == [None] * count


async def test_a_row_that_shows_after_younger_ones_is_heard(accounts, database, redis_client):
    """Its time is that of its statement, but it shows at its commit. Reading on from the newest would lose it."""
    other = process(database, redis_client)
    (slow, one), (_, two) = member_session(accounts), member_session(accounts)
    async with database.transaction() as tx:
        await tx.execute("INSERT INTO revoked_session (session_id) VALUES (%s)", [one.session_id])
        await accounts.sign_out(two)
        await other.hear_revocations()
        assert other.optional_shopper(bearer(slow)) == one
    await other.hear_revocations()
    assert other.optional_shopper(bearer(slow)) is None


async def test_reading_on_without_an_overlap_loses_that_row(accounts, database, redis_client, monkeypatch):
    """Negative control of the test above."""
    monkeypatch.setattr("onsale.accounts.service.REVOCATIONS_OVERLAP_S", 0.0)
    other = process(database, redis_client)
    (slow, one), (_, two) = member_session(accounts), member_session(accounts)
    async with database.transaction() as tx:
        await tx.execute("INSERT INTO revoked_session (session_id) VALUES (%s)", [one.session_id])
        await accounts.sign_out(two)
        await other.hear_revocations()
    await other.hear_revocations()
    assert other.optional_shopper(bearer(slow)) == one


async def test_while_postgresql_is_away_sessions_stay_good_and_watching_goes_on(redis_client, monkeypatch):
    monkeypatch.setattr("onsale.accounts.service.REVOCATIONS_EVERY_S", 0.01)
    monkeypatch.setattr(limits, "CONNECTION_WAIT_S", 0.05)
    nowhere = db.Database("postgresql://127.0.0.1:9/nothing")
    await nowhere.open()
    lonely = process(nowhere, redis_client)
    watching = tasks.spawn(lonely.watch_revocations(), name="watch")
    token, member = member_session(lonely)
    await asyncio.sleep(0.2)
    assert not watching.done()
    assert lonely.shopper_of(bearer(token)) == member
    with pytest.raises(db.DatabaseAway):
        await lonely.sign_out(member)
    assert lonely.shopper_of(bearer(token)) == member, "what was not kept was not promised"
    await tasks.cancel(watching)
    await nowhere.close()


async def test_a_fault_that_is_no_outage_does_not_end_the_listening(database, redis_client, monkeypatch):
    """A web process that starts before `onsale migrate` meets a database without tables."""
    monkeypatch.setattr("onsale.accounts.service.REVOCATIONS_EVERY_S", 0.01)
    here, there = process(database, redis_client), process(database, redis_client)
    failed_before = revocations_unheard._value.get()
    await execute(database, "ALTER TABLE revoked_session RENAME TO not_yet_there")
    watching = tasks.spawn(here.watch_revocations(), name="watch")
    await asyncio.sleep(0.2)
    await execute(database, "ALTER TABLE not_yet_there RENAME TO revoked_session")
    token, member = member_session(there)
    await there.sign_out(member)
    try:
        async with asyncio.timeout(limits.REVOCATION_LAG_S):
            while here.optional_shopper(bearer(token)):
                await clock.sleep(0.02)
    finally:
        await tasks.cancel(watching)
    assert revocations_unheard._value.get() > failed_before


async def test_guests_who_sign_out_leave_no_row_and_no_memory(accounts, database):
    """Guest sessions are free, so whatever each of them leaves behind has no bound."""
    for _ in range(20):
        await accounts.sign_out(accounts.guest_session()[1])
    assert await rows(database, "SELECT 1 FROM revoked_session") == []
    assert not accounts._sessions._ended


async def test_the_worker_forgets_what_ran_out_and_nothing_sooner(accounts, mailer, database):
    _, member = member_session(accounts)
    await accounts.sign_out(member)
    await accounts.send_code("ann@example.org", HOME)
    now = datetime.now(UTC)
    assert await accounts.forget_revocations() == 0
    assert await accounts.forget_revocations(now + timedelta(seconds=limits.SIGN_IN_CODE_TTL_S + 60)) == 1
    assert await accounts.forget_revocations(now + timedelta(seconds=limits.REVOCATION_KEPT_S - 60)) == 0
    assert await accounts.forget_revocations(now + timedelta(seconds=limits.REVOCATION_KEPT_S + 60)) == 1
    assert await rows(database, "SELECT 1 FROM revoked_session") == []


async def test_a_revocation_outlives_every_session_it_concerns():
    assert max(limits.SESSION_TTL_S, limits.GUEST_SESSION_TTL_S) <= limits.REVOCATION_KEPT_S


# --- roles


async def test_a_role_counts_from_the_moment_it_is_given_until_it_is_taken_away(accounts, mailer):
    _, shopper = await signed_in(accounts, mailer)
    with pytest.raises(Forbidden) as caught:
        await accounts.require(shopper, Role.OPERATOR)
    assert caught.value.status == 403
    assert caught.value.extra == {"role": "operator"}
    granted = await accounts.grant("Ann@Example.org", "operator")
    assert granted == await accounts.grant("ann@example.org", "operator")
    assert granted.roles == {Role.FAN, Role.OPERATOR}
    assert await accounts.require(shopper, "operator") == shopper.person
    await accounts.withdraw("ann@example.org", "operator")
    with pytest.raises(Forbidden):
        await accounts.require(shopper, "operator")


async def test_a_role_can_be_given_before_the_first_sign_in(accounts, mailer):
    account = await accounts.grant("boss@example.org", "organiser")
    _, shopper = await signed_in(accounts, mailer, "boss@example.org", accounts.guest_session()[1])
    assert shopper.person == account.person
    assert shopper.roles == {Role.FAN, Role.ORGANISER}


async def test_a_guest_has_no_role_and_an_unknown_role_is_a_bug(accounts):
    _, guest = accounts.guest_session()
    with pytest.raises(Forbidden):
        await accounts.require(guest, "fan")
    assert await accounts.account_of(guest.person) is None
    with pytest.raises(ValueError, match="emperor"):
        await accounts.grant("ann@example.org", "emperor")
    assert await accounts.withdraw("nobody@example.org", "operator") is None


async def test_a_session_that_claims_a_role_proves_nothing(accounts):
    """The token's roles are a copy for pages; what may be done is asked of the account."""
    _, liar = accounts.guest_session()
    claims = Shopper(ids.new_person(), liar.session_id, liar.expires_at, "ann@example.org", frozenset(Role))
    with pytest.raises(Forbidden):
        await accounts.require(claims, "operator")


async def test_both_kinds_of_request_can_be_asked_about(accounts):
    token, guest = accounts.guest_session()
    request = hot_request(bearer(token))
    assert await accounts.shopper(request) == guest
    with pytest.raises(Forbidden):
        await accounts.require_role(request, "operator")
    with pytest.raises(SessionRequired):
        await accounts.require_role(hot_request({"headers": []}), "operator")


def hot_request(scope):
    async def receive():
        raise AssertionError("who asks stands in the headers")

    return asgi.Request(scope, receive, {})


# --- the schema


async def test_every_address_that_passes_is_lower_case_to_the_database_too(database):
    """The two have their own tables of letters; an address they differ on would be a fault and no refusal."""
    passing = {spelled for letter in range(sys.maxunicode + 1) if (spelled := passed(f"{chr(letter)}@example.org"))}
    assert len(passing) > 100_000
    async with database.transaction() as tx:
        cursor = await tx.execute(
            "SELECT email FROM unnest(%s::text[]) AS email WHERE email <> lower(email)", [list(passing)]
        )
        assert await cursor.fetchall() == []


def passed(typed):
    try:
        return normal_email(typed)
    except InvalidEmail:
        return None
