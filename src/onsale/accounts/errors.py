"""What accounts says no with."""

from onsale.kit.problems import Invalid, Problem, Unavailable


class SessionRequired(Problem):
    code = "session_required"
    status = 401
    title = "Start a session first"


class BadSession(Problem):
    code = "invalid_session"
    status = 401
    title = "This session has ended; start another"


class Forbidden(Problem):
    code = "role_required"
    status = 403
    title = "This is for people with another role"


class InvalidEmail(Invalid):
    code = "invalid_email"
    title = "This is not an e-mail address we can write to"


class WrongCode(Problem):
    """One answer for a wrong, used, expired or never sent code, so that it tells nothing about anybody."""

    code = "wrong_code"
    status = 422
    title = "This code is wrong, used or too old; ask for a new one if in doubt"


class TooManyCodes(Problem):
    code = "too_many_codes"
    status = 429
    title = "Too many codes were asked for; wait a little and look into your mailbox"


class MailAway(Unavailable):
    code = "mail_unavailable"
    title = "We cannot send mail just now; try again in a minute"
