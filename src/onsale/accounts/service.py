"""Who is asking, and what they may do: the verbs of accounts."""

from datetime import UTC, datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from onsale import limits
from onsale.accounts import store
from onsale.accounts.errors import BadSession, Forbidden, SessionRequired
from onsale.accounts.model import Account, Role, Shopper, normal_email
from onsale.accounts.sessions import Sessions
from onsale.accounts.sign_in import SignIn, account_for
from onsale.kit import asgi, clock, db, ids, telemetry
from onsale.kit.ids import PersonKey
from onsale.kit.mail import Mailer
from onsale.kit.problems import Unavailable
from onsale.kit.quota import Quota
from onsale.kit.tokens import Signer

# Half of the lag that is promised; the other half is for reading them.
REVOCATIONS_EVERY_S: Final = limits.REVOCATION_LAG_S / 2
# A page is read and put away in a few milliseconds, so that requests are answered between two.
REVOCATIONS_PAGE_ROWS: Final = 2_000
# A row shows at its commit, but carries the time of its statement; a transaction cannot lag longer than these bounds.
REVOCATIONS_OVERLAP_S: Final = 2 * limits.STATEMENT_TIMEOUT_S + limits.IDLE_IN_TRANSACTION_TIMEOUT_S

_BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)

revocations_unheard = telemetry.counter(
    "onsale_revocations_unheard_total", "Failed looks for sessions that other processes ended; the next tries again."
)


class HasScope(Protocol):
    """A request of the web framework, or of the kit's own."""

    @property
    def scope(self) -> asgi.Scope: ...


class Accounts:
    """Sessions, sign-in and roles. `code_secret` keys the stored hashes of one-time codes."""

    def __init__(self, database: db.Database, signer: Signer, quota: Quota, mailer: Mailer, code_secret: bytes) -> None:
        self._database = database
        self._sessions = Sessions(signer)
        self._sign_in = SignIn(database, quota, mailer, code_secret)
        self._heard_until = _BEGINNING

    # --- who is asking

    def shopper_of(self, scope: asgi.Scope) -> Shopper:
        """The shopper of a request, checked without asking anybody. Raises SessionRequired, BadSession."""
        return self._sessions.check(scope)

    def optional_shopper(self, scope: asgi.Scope) -> Shopper | None:
        """The same for pages, which anybody may look at."""
        try:
            return self._sessions.check(scope)
        except (SessionRequired, BadSession):
            return None

    async def shopper(self, request: HasScope) -> Shopper:
        """`shopper_of` in the form that routers take. Raises SessionRequired, BadSession."""
        return self._sessions.check(request.scope)

    async def require_role(self, request: HasScope, role: str) -> PersonKey:
        """The person of the request, who has this role. Raises SessionRequired, BadSession, Forbidden."""
        return await self.require(self._sessions.check(request.scope), role)

    async def require(self, shopper: Shopper, role: str) -> PersonKey:
        """The shopper's person, if it has this role now: a role taken away is gone at once. Raises Forbidden."""
        account = None if shopper.guest else await self.account_of(shopper.person)
        if account is None or Role(role) not in account.roles:
            raise Forbidden(f"This is for people with the role {role!r}", role=role)
        return account.person

    async def account_of(self, person: PersonKey) -> Account | None:
        """The account of a person; a guest has none."""
        async with self._database.transaction() as tx:
            return await store.account_of_person(tx, person)

    # --- sessions

    def guest_session(self) -> tuple[str, Shopper]:
        """A token for somebody we do not know, and who that is from now on."""
        return self._sessions.start(ids.new_person())

    def prolong(self, shopper: Shopper) -> tuple[str, Shopper]:
        """The same session, good for its whole length again."""
        return self._sessions.prolong(shopper)

    async def send_code(self, email: str, address: str, key: str | None = None) -> None:
        """Mail a one-time code; `address` is where the request came from. Raises InvalidEmail, TooManyCodes, MailAway.

        The same request again, by its idempotency `key`, sends no second mail.
        """
        await self._sign_in.send_code(email, address, key)

    async def sign_in(self, email: str, code: str, guest: Shopper | None) -> tuple[str, Shopper]:
        """A session of the address' account. Raises InvalidEmail, WrongCode.

        A `guest` who gets a new account keeps their person, so that holds and places stay theirs; their guest session
        ends. With an account that was there, they become its person.
        """
        guest = guest if guest and guest.guest else None
        account = await self._sign_in.sign_in(email, code, guest)
        if guest and account.person == guest.person:
            self._sessions.end(guest.session_id, clock.utcnow())
        return self._sessions.start(account.person, account.email, account.roles)

    async def sign_out(self, shopper: Shopper) -> None:
        """End the session, here at once and everywhere within REVOCATION_LAG_S. Twice changes nothing.

        A guest's is not kept: anybody gets guest sessions without end, and each kept one costs a row and memory in
        every process for a month. Whoever answers drops the cookie; no one else can know the token.
        """
        if shopper.guest:
            return
        async with self._database.transaction() as tx:
            await store.revoke_session(tx, shopper.session_id)
        self._sessions.end(shopper.session_id, clock.utcnow())

    # --- sessions ended by other processes

    async def watch_revocations(self) -> None:
        """Hear for ever which sessions other processes have ended; run it as a task in every web process.

        While PostgreSQL is away nothing is heard and sessions stay good: shopping goes on, which is worth the risk.
        """
        while True:
            try:
                await self.hear_revocations()
            except Unavailable as error:
                revocations_unheard.inc()
                telemetry.log.warning("revocations_not_heard", error=error.code)
            except Exception:  # noqa: BLE001 - a process that stops listening honours ended sessions for ever
                revocations_unheard.inc()
                telemetry.log.exception("revocations_not_heard")
            await clock.sleep(REVOCATIONS_EVERY_S)

    async def hear_revocations(self) -> None:
        """Read on from what was heard, some of it again: a row may show after younger ones. The first time, all."""
        at, session_id = self._heard_until - timedelta(seconds=REVOCATIONS_OVERLAP_S), UUID(int=0)
        while True:
            async with self._database.transaction() as tx:
                page = await store.revoked_after(tx, at, session_id, REVOCATIONS_PAGE_ROWS)
            for session_id, at in page:
                self._sessions.end(session_id, at)
            if len(page) < REVOCATIONS_PAGE_ROWS:
                break
        self._heard_until = max(self._heard_until, at)
        self._sessions.forget(clock.utcnow() - timedelta(seconds=limits.REVOCATION_KEPT_S))

    async def forget_revocations(self, now: datetime | None = None) -> int:
        """Delete what has become pointless, also codes nobody used; for the worker, once in a while. Gives the rows."""
        async with self._database.transaction() as tx:
            codes = await store.forget_codes(tx, now)
            return codes + await store.forget_revocations(tx, limits.REVOCATION_KEPT_S, now)

    # --- roles

    async def grant(self, email: str, role: str) -> Account:
        """Give a role to the account of an address, made if need be; for operators. Raises InvalidEmail, ValueError."""
        email, wanted = normal_email(email), Role(role)
        async with self._database.transaction() as tx:
            await account_for(tx, email)
            account = await store.add_role(tx, email, wanted)
        assert account is not None
        return account

    async def withdraw(self, email: str, role: str) -> Account | None:
        """Take a role away. None: the address has no account. Raises InvalidEmail, ValueError."""
        async with self._database.transaction() as tx:
            return await store.remove_role(tx, normal_email(email), Role(role))
