"""Mail: a message, and three ways to send it (SMTP, a development mailbox, memory).

`Message` refuses whatever could smuggle a second header or recipient, so no sender needs to look again. What goes wrong
has two names, by what the caller should do: `MailRefused` (this message will never arrive; do not send it again) and
`MailUnavailable` (try again later). A message may arrive twice when the answer of a server is lost; one with a
`reference` then carries the same Message-ID both times, by which mail programs show it once.
"""

import asyncio
import smtplib
import ssl
from base64 import b64encode
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, make_msgid, parseaddr
from hashlib import sha256
from re import Pattern
from re import compile as pattern
from typing import Final, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

from onsale import limits
from onsale.config import is_loopback
from onsale.kit import clock
from onsale.kit.crunch import Threads
from onsale.kit.problems import Overloaded

# RFC 5322, 2.1.1: a header line ends at 998 characters; a subject this long is already unreadable.
SUBJECT_MAX_LENGTH: Final = 200
# Common servers refuse more than 10 to 25 MB; base 64 adds a third.
ATTACHMENTS_MAX_BYTES: Final = 7 * 1024 * 1024
# One inline picture for each of 160 things, and a document.
ATTACHMENTS_MAX: Final = 200
# A conversation has about a dozen answers, each within SMTP_TIMEOUT_S; a server that drips them is given up here.
SEND_MAX_S: Final = 3 * limits.SMTP_TIMEOUT_S
# Messages that MemoryMailer keeps; the oldest go first.
MEMORY_MESSAGES_MAX: Final = 1_000

# Whole header values are matched: a value with a line end in it could begin a header of its own (CWE-93).
_ATOM = r"[^\s\x00-\x20\x7f-\x9f\ud800-\udfff<>()\[\]\\,;:\"@]+"
_ADDRESS: Final[Pattern[str]] = pattern(f"{_ATOM}@{_ATOM}")
_CONTROL: Final[Pattern[str]] = pattern(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_HALF_LETTER: Final[Pattern[str]] = pattern(r"[\ud800-\udfff]")
_MEDIA_TYPE: Final[Pattern[str]] = pattern(r"[a-z0-9.+-]+/[a-z0-9.+-]+")
_CONTENT_ID: Final[Pattern[str]] = pattern(r"[A-Za-z0-9._-]+@[A-Za-z0-9.-]+")
_PORTS: Final = {"smtp": 25, "smtps": 465}


class BadMessage(ValueError):
    """The message cannot be one: an address that is none, a line end in a header, too much attached."""


class MailRefused(Exception):
    """The server will never take this message, or not for this recipient. Sending it again is of no use."""


class MailUnavailable(Exception):
    """The server is away, busy, or will not talk to us as we are set up. The message can be sent later."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file. With a `content_id` (`name@host`, no angle brackets) it is a picture that the HTML shows as `cid:...`."""

    name: str
    media_type: str
    content: bytes
    content_id: str = ""

    def __post_init__(self) -> None:
        if not self.name or "/" in self.name or _CONTROL.search(self.name):
            raise BadMessage("an attachment needs a plain file name")
        if not _MEDIA_TYPE.fullmatch(self.media_type):
            raise BadMessage("an attachment's type looks like image/png")
        if self.content_id and not _CONTENT_ID.fullmatch(self.content_id):
            raise BadMessage("a content id looks like name@host")


@dataclass(frozen=True, slots=True)
class Message:
    """One mail to one address. `html` may be empty. Raises BadMessage for what must not become a header.

    `reference` names what the mail is about (an order's id, say): the same reference makes the same Message-ID.
    """

    to: str
    subject: str
    text: str
    html: str = ""
    attachments: tuple[Attachment, ...] = ()
    reference: str = ""

    def __post_init__(self) -> None:
        if len(self.to) > limits.EMAIL_MAX_LENGTH or not _ADDRESS.fullmatch(self.to):
            raise BadMessage("the recipient is not one plain address")
        if not 0 < len(self.subject) <= SUBJECT_MAX_LENGTH or _CONTROL.search(self.subject):
            raise BadMessage(f"a subject is one line of 1 to {SUBJECT_MAX_LENGTH} characters")
        if _HALF_LETTER.search(self.text) or _HALF_LETTER.search(self.html):
            raise BadMessage("half of a surrogate pair is no text")
        size = sum(len(attachment.content) for attachment in self.attachments)
        if len(self.attachments) > ATTACHMENTS_MAX or size > ATTACHMENTS_MAX_BYTES:
            raise BadMessage("too much is attached")


class Mailer(Protocol):
    """Sends a message, or raises MailRefused or MailUnavailable. When it returns, somebody else answers for it."""

    async def send(self, message: Message) -> None: ...


class MemoryMailer:
    """Keeps what was sent, newest last; for tests."""

    def __init__(self) -> None:
        self.messages: deque[Message] = deque(maxlen=MEMORY_MESSAGES_MAX)

    async def send(self, message: Message) -> None:
        self.messages.append(message)


class MailboxMailer:
    """Hands every message to `store` in place of the world; for development, where a page shows them."""

    def __init__(self, store: Callable[[Message], Awaitable[None]]) -> None:
        self._store = store

    async def send(self, message: Message) -> None:
        await self._store(message)


class SmtpMailer:
    """Sends through `smtp://[user:password@]host[:port]` or `smtps://...`; ports 25 and 465 when none is said.

    Over smtp, STARTTLS is used whenever the server offers it, and a password never leaves the machine without TLS. The
    certificate is checked unless the server is this machine itself, where there is no wire to listen on. `tls` replaces
    these rules, for a private authority. `sender` is an address, or `Name <address>`. ValueError for a bad one or a bad
    url; the text names neither user nor password.
    """

    def __init__(self, url: str, sender: str, *, tls: ssl.SSLContext | None = None) -> None:
        self._server = _server(url, tls)
        self._sender = _sender(sender)
        self._talks = Threads("mail", limits.MAIL_THREADS_MAX, limits.MAIL_WORK_MAX)

    async def send(self, message: Message) -> None:
        """Deliver to the server. The conversation runs in a thread, since smtplib waits."""
        mail = compose(message, self._sender)
        try:
            async with asyncio.timeout(SEND_MAX_S):
                await self._talks.run(_deliver, self._server, self._sender.addr_spec, _ascii_domain(message.to), mail)
        except TimeoutError:
            raise MailUnavailable("the mail server took too long") from None
        except Overloaded:
            raise MailUnavailable("too many letters wait for the mail server already") from None


def compose(message: Message, sender: Address) -> EmailMessage:
    """The message as mail: text, HTML with its pictures beside it, then the attachments; 7-bit clean, dated now."""
    mail = EmailMessage(policy=SMTP_POLICY.clone(cte_type="7bit"))
    mail["From"] = sender
    mail["To"] = _address("", message.to)
    mail["Subject"] = message.subject
    mail["Date"] = format_datetime(clock.utcnow())
    mail["Message-ID"] = _message_id(message, sender.domain)
    # RFC 3834: holiday notices do not answer machines.
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text)
    inline = [attachment for attachment in message.attachments if attachment.content_id]
    if message.html:
        mail.add_alternative(message.html, subtype="html")
        page = mail.get_body(("html",))
        assert page is not None
        for attachment in inline:
            _attach(page.add_related, attachment, disposition="inline", cid=f"<{attachment.content_id}>")
    for attachment in message.attachments:
        if not (message.html and attachment.content_id):
            _attach(mail.add_attachment, attachment)
    return mail


def standalone_html(message: Message) -> str:
    """The HTML with its inline pictures written into it as data, for showing in a browser, which knows no `cid:`."""
    html = message.html
    for attachment in message.attachments:
        if attachment.content_id:
            data = b64encode(attachment.content).decode("ascii")
            html = html.replace(f"cid:{attachment.content_id}", f"data:{attachment.media_type};base64,{data}")
    return html


def _attach(add: Callable[..., None], attachment: Attachment, **how: str) -> None:
    kind, _, detail = attachment.media_type.partition("/")
    add(attachment.content, maintype=kind, subtype=detail, filename=attachment.name, **how)


def _message_id(message: Message, domain: str) -> str:
    if not message.reference:
        return make_msgid(domain=domain)
    about = f"{message.reference}\0{message.to}\0{message.subject}"
    return f"<{sha256(about.encode()).hexdigest()[:40]}@{domain}>"


@dataclass(frozen=True, slots=True)
class _Server:
    """Where mail goes in. Its fields are not shown when it is printed, because of the password."""

    host: str
    port: int
    tls: ssl.SSLContext
    tls_at_once: bool
    user: str
    password: str

    def __repr__(self) -> str:
        return f"_Server({self.host}:{self.port})"


def _server(url: str, tls: ssl.SSLContext | None) -> _Server:
    parts = urlsplit(url)
    port = _port(parts)
    if parts.scheme not in _PORTS or not parts.hostname or port is None or parts.path not in ("", "/"):
        raise ValueError("a mail server's url looks like smtp://user:password@host:port or smtps://...")
    return _Server(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        tls=tls or _context(parts.hostname),
        tls_at_once=parts.scheme == "smtps",
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def _port(parts: SplitResult) -> int | None:
    """The port that is said, 0 when none is, None when it is none."""
    try:
        return parts.port or 0
    except ValueError:
        return None


def _context(host: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if is_loopback(host):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _sender(text: str) -> Address:
    name, address = parseaddr(text)
    if _CONTROL.search(text) or not _ADDRESS.fullmatch(address):
        raise ValueError("a sender looks like tickets@example.org or Name <tickets@example.org>")
    return _address(name, address)


def _address(name: str, address: str) -> Address:
    # Given in parts, an address may have any letters; given whole, the standard library insists on ASCII.
    username, _, domain = _ascii_domain(address).rpartition("@")
    return Address(display_name=name, username=username, domain=domain)


def _ascii_domain(address: str) -> str:
    """The address with its domain as DNS knows it (`xn--...`), which servers without SMTPUTF8 take too."""
    local, _, domain = address.rpartition("@")
    try:
        return f"{local}@{domain.encode('idna').decode('ascii')}"
    except UnicodeError:
        raise BadMessage("the domain of an address cannot exist") from None


def _deliver(server: _Server, sender: str, recipient: str, mail: EmailMessage) -> None:
    """The whole conversation. Only recipient and message can be refused for good; the rest is set-up or weather."""
    try:
        session = _connect(server)
        try:
            session.send_message(mail, sender, [recipient])
        finally:
            _part(session)
    except smtplib.SMTPRecipientsRefused as refused:
        raise _verdict(refused.recipients[recipient][0], "recipient") from None
    except smtplib.SMTPDataError as refused:
        raise _verdict(refused.smtp_code, "message") from None
    except smtplib.SMTPSenderRefused as refused:
        # 552 is about the size of this message. Any other refusal of the sender is about us, and can be mended.
        if refused.smtp_code == 552:
            raise MailRefused("the mail server finds the message too large") from None
        raise MailUnavailable(f"the mail server refuses our sender: {refused.smtp_code}") from None
    except smtplib.SMTPNotSupportedError:
        raise MailRefused("the mail server cannot take an address with such letters") from None
    except (smtplib.SMTPException, OSError) as error:
        raise MailUnavailable(f"the mail server cannot be used: {type(error).__name__}") from error


def _verdict(code: int, what: str) -> MailRefused | MailUnavailable:
    """RFC 5321, 4.2.1: an answer in the 500s is final, one in the 400s asks for another try."""
    if code >= 500:
        return MailRefused(f"the mail server refuses the {what}: {code}")
    return MailUnavailable(f"the mail server does not take the {what} now: {code}")


def _connect(server: _Server) -> smtplib.SMTP:
    if server.tls_at_once:
        session: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, timeout=limits.SMTP_TIMEOUT_S, context=server.tls
        )
    else:
        session = smtplib.SMTP(server.host, server.port, timeout=limits.SMTP_TIMEOUT_S)
    try:
        _prepare(session, server)
    except BaseException:
        session.close()
        raise
    return session


def _part(session: smtplib.SMTP) -> None:
    """Say goodbye. By now the message is taken or refused; a server that is rude about QUIT changes nothing in that."""
    with suppress(smtplib.SMTPException, OSError):
        session.quit()
    session.close()


def _prepare(session: smtplib.SMTP, server: _Server) -> None:
    session.ehlo()
    encrypted = server.tls_at_once
    if not encrypted and session.has_extn("starttls"):
        session.starttls(context=server.tls)
        session.ehlo()
        encrypted = True
    if server.user:
        # Somebody on the wire can take STARTTLS out of the server's answer; the password must not follow.
        if not encrypted and not is_loopback(server.host):
            raise smtplib.SMTPException("no encryption is offered, so the password stays here")
        session.login(server.user, server.password)
