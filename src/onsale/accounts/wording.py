"""The mail that carries a one-time code."""

from onsale import limits
from onsale.kit.mail import Message

_MINUTES = limits.SIGN_IN_CODE_TTL_S // 60

_TEXT = f"""Hello,

your sign-in code is

    {{code}}

Type it on the page where you asked for it. It works once, for {_MINUTES} minutes. Please give it to nobody: we never
ask for it by phone or mail.

If you did not ask for it, you can ignore this mail; nobody gets in without the code.
"""

_HTML = f"""<!doctype html>
<html lang="en"><body style="font-family:system-ui,sans-serif;font-size:16px;line-height:1.5;color:#1a1a1a">
<p>Hello,</p>
<p>your sign-in code is</p>
<p style="font-size:32px;font-weight:700;letter-spacing:6px;font-family:ui-monospace,monospace">{{code}}</p>
<p>Type it on the page where you asked for it. It works once, for {_MINUTES} minutes. Please give it to nobody: we
never ask for it by phone or mail.</p>
<p style="color:#5a5a5a">If you did not ask for it, you can ignore this mail; nobody gets in without the code.</p>
</body></html>
"""


def code_mail(email: str, code: str) -> Message:
    """The code stands in the subject too, where a telephone shows it without opening the mail."""
    return Message(email, f"{code} is your sign-in code", _TEXT.format(code=code), _HTML.format(code=code))
