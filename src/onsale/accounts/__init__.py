"""Persons: guests and accounts, how they show who they are, and what they may do.

Invariants
    An address has one account, and a person at most one.                     (schema: account_one_per_email, its key)
    A one-time code lets in once, and dies after SIGN_IN_CODE_TRIES_MAX wrong guesses, however many come at once.
                                                                              (queries: lock_code; model: judge_code)
    All tokens of one guest carry one session, and a guest who becomes a new account keeps the person but not the
    session: whoever else knew the guest's token is out.                      (sign_in)
    A session is checked without asking anybody; one that was ended is refused everywhere within REVOCATION_LAG_S.

Owns tables account, sign_in_code, revoked_session.
"""

from onsale.accounts.cookies import drop_session, keep_session
from onsale.accounts.errors import BadSession, Forbidden, InvalidEmail, SessionRequired
from onsale.accounts.model import Account, Role, Shopper, normal_email
from onsale.accounts.routes import router
from onsale.accounts.service import Accounts
from onsale.accounts.sessions import COOKIE

__all__ = [
    "COOKIE",
    "Account",
    "Accounts",
    "BadSession",
    "Forbidden",
    "InvalidEmail",
    "Role",
    "SessionRequired",
    "Shopper",
    "drop_session",
    "keep_session",
    "normal_email",
    "router",
]
