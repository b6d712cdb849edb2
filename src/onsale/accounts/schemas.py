"""Wire format of sessions."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from onsale import limits
from onsale.accounts.model import Shopper

# Digits as people type them: with a space in the middle, perhaps.
CODE_TYPED_MAX_LENGTH = 2 * limits.SIGN_IN_CODE_DIGITS

Email = Annotated[str, Field(min_length=3, max_length=limits.EMAIL_MAX_LENGTH)]
TypedCode = Annotated[str, Field(min_length=1, max_length=CODE_TYPED_MAX_LENGTH)]


class SessionRequest(BaseModel):
    """Nothing for a guest; address and code to sign in."""

    model_config = ConfigDict(extra="forbid")

    email: Email | None = None
    code: TypedCode | None = None


class CodeRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: Email


class SessionBody(BaseModel):
    """Whose session it is and until when. `roles` are those at sign-in."""

    person: Literal["guest", "account"]
    email: str | None
    roles: list[str]
    expires_at: datetime


class NewSessionBody(SessionBody):
    """`token` is for `Authorization: Bearer`; browsers have the cookie."""

    token: str


class SentBody(BaseModel):
    """Nothing: it must not tell whether the address is known."""


def session_body(shopper: Shopper) -> SessionBody:
    return SessionBody(
        person="guest" if shopper.guest else "account",
        email=shopper.email,
        roles=sorted(shopper.roles),
        expires_at=shopper.expires_at,
    )


def new_session_body(token: str, shopper: Shopper) -> NewSessionBody:
    return NewSessionBody(**session_body(shopper).model_dump(), token=token)
