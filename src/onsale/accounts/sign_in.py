"""Sign-in by a one-time code: sent to an address, typed in once.

What is answered, and how long it takes, is the same whether the address has an account or not.
"""

from datetime import datetime

from onsale import limits
from onsale.accounts import store
from onsale.accounts.errors import InvalidEmail, MailAway, TooManyCodes, WrongCode
from onsale.accounts.model import Account, CodeVerdict, Shopper, hash_code, judge_code, normal_email
from onsale.accounts.wording import code_mail
from onsale.kit import chance, db, idempotency, ids
from onsale.kit.mail import BadMessage, Mailer, MailRefused, MailUnavailable
from onsale.kit.proxies import network_of
from onsale.kit.quota import Charge, Quota, Rule

# Counted first, so that one network that asks for everybody's codes does not use up the quotas of the addresses.
PER_NETWORK = Rule("sign_in_network", limits.SIGN_IN_CODES_PER_ADDRESS, limits.SIGN_IN_CODES_WINDOW_S)
PER_EMAIL = Rule("sign_in_email", limits.SIGN_IN_CODES_PER_EMAIL, limits.SIGN_IN_CODES_WINDOW_S)


class SignIn:
    """`now` is the database's own clock unless a test gives it."""

    def __init__(self, database: db.Database, quota: Quota, mailer: Mailer, code_secret: bytes) -> None:
        self._database = database
        self._quota = quota
        self._mailer = mailer
        self._code_secret = code_secret

    async def send_code(self, email: str, address: str, key: str | None, now: datetime | None = None) -> None:
        """Send a new code, which ends the one before. With an idempotency `key` that was used: nothing, again.

        Raises InvalidEmail, TooManyCodes, MailAway.
        """
        email = normal_email(email)
        if key is not None and await self._sent_before(email, key):
            return  # A repeated request uses up nobody's quota: it is the same request.
        await self._allow(PER_NETWORK, network_of(address))
        await self._allow(PER_EMAIL, email)
        code = chance.digits(limits.SIGN_IN_CODE_DIGITS)
        if await self._keep(email, code, key, now):
            await self._send(email, code, key)

    async def _sent_before(self, email: str, key: str) -> bool:
        async with self._database.transaction() as tx:
            return await idempotency.known(tx, _scope(email), key, email.encode()) is not None

    async def _allow(self, rule: Rule, key: str) -> None:
        [verdict] = await self._quota.take(Charge(rule, key))
        if not verdict.allowed:
            raise TooManyCodes(retry_after_s=verdict.retry_after_s)

    async def _keep(self, email: str, code: str, key: str | None, now: datetime | None) -> bool:
        """Write the code's hash. False: a request with the same key did all this already."""
        fresh = False

        async def write() -> idempotency.Answer:
            nonlocal fresh
            fresh = True
            code_hash = hash_code(self._code_secret, email, code)
            await store.write_code(tx, email, code_hash, limits.SIGN_IN_CODE_TTL_S, now)
            return 202, b""

        async with self._database.transaction() as tx:
            await idempotency.once(tx, _scope(email), key, email.encode(), write)
        return fresh

    async def _send(self, email: str, code: str, key: str | None) -> None:
        """After the commit: no mail server is waited for while rows are locked."""
        try:
            await self._mailer.send(code_mail(email, code))
        except (MailRefused, MailUnavailable, BadMessage) as error:
            async with self._database.transaction() as tx:
                await idempotency.take_back(tx, _scope(email), key)
            if isinstance(error, MailUnavailable):
                raise MailAway(retry_after_s=limits.SMTP_TIMEOUT_S) from error
            raise InvalidEmail("Mail to this address was refused; is it spelled right?") from error

    async def sign_in(self, email: str, code: str, guest: Shopper | None, now: datetime | None = None) -> Account:
        """The account of the address, made when it is new. Raises InvalidEmail, WrongCode.

        A guest who becomes a new account stays the same person, so that holds and places stay theirs. The guest session
        ends then: whoever else knows it (it came from a shared machine, or was slipped in) must not stay in.
        """
        email = normal_email(email)
        async with self._database.transaction() as tx:
            account = await self._enter(tx, email, hash_code(self._code_secret, email, code), guest, now)
            if account and guest and account.person == guest.person:
                await store.revoke_session(tx, guest.session_id)
        if account is None:  # Raised after the commit, or the try would not count.
            raise WrongCode
        return account

    async def _enter(
        self, tx: db.Tx, email: str, given_hash: bytes, guest: Shopper | None, now: datetime | None
    ) -> Account | None:
        """Lock the code, judge, and write what follows from it."""
        found = await store.lock_code(tx, email, now)
        if found is None:
            return None
        verdict = judge_code(found[0], given_hash, found[1])
        if verdict is CodeVerdict.WRONG:
            await store.count_try(tx, email)
        if verdict is not CodeVerdict.RIGHT:
            return None
        await store.drop_code(tx, email)
        return await account_for(tx, email, guest)


async def account_for(tx: db.Tx, email: str, guest: Shopper | None = None) -> Account:
    """The account of a normal address, made when it is new: from the guest's person, unless that has an account."""
    if guest and (account := await store.add_account(tx, guest.person, email)):
        return account
    account = await store.add_account(tx, ids.new_person(), email)
    assert account is not None, "a new person belongs to nobody"
    return account


def _scope(email: str) -> str:
    """Who asks for a code is whoever is written to: a telephone's network may change between two tries."""
    return f"{email} POST /api/v1/session/code"
