"""Mail, against a small real SMTP server on the loopback: what arrives, what is refused, and by whose fault."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from ipaddress import IPv4Address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from onsale import limits
from onsale.config import is_loopback
from onsale.kit import mail
from onsale.kit.mail import (
    Attachment,
    BadMessage,
    MailboxMailer,
    MailRefused,
    MailUnavailable,
    MemoryMailer,
    Message,
    SmtpMailer,
    standalone_html,
)

pytestmark = pytest.mark.anyio

SENDER = "Žluťoučký kůň <tickets@example.org>"
PIXEL = Attachment("code.png", "image/png", b"\x89PNG\x00\xff", "code-1@example.org")
PAPER = Attachment("dvořák.pdf", "application/pdf", b"%PDF-1.7\r\n\x00\xff\n.\r\n")
MESSAGE = Message(
    to="fan@example.org",
    subject="Опера: Dvořák – Rusalka 🎫",
    text="Dobrý den\n.a line that begins with a dot\n" + "long " * 400 + "\n",
    html='<p>Dobrý den 🎫</p><img src="cid:code-1@example.org" alt="">',
    attachments=(PIXEL, PAPER),
)


@dataclass
class Server:
    """A server of a few verbs. `answers` replaces the answer to a verb; `accepts_login` is the password it knows."""

    answers: dict[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    accepts_login: str = ""
    utf8: bool = False
    port: int = 0
    received: list[bytes] = field(default_factory=list)
    verbs: list[str] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    encrypted: bool = False

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def mail(self) -> EmailMessage:
        (data,) = self.received
        parsed = message_from_bytes(data, policy=default_policy)
        assert isinstance(parsed, EmailMessage)
        return parsed

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._say(writer, "220 test")
            while line := (await reader.readline()).decode().strip():
                verb = line.split(" ", 1)[0].split(":", 1)[0].upper()
                self.verbs.append(verb)
                if answer := self.answers.get(verb):
                    await self._say(writer, answer)
                elif not await self._obey(verb, line, reader, writer):
                    return
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    async def _obey(self, verb, line, reader, writer) -> bool:
        if verb == "EHLO":
            await self._say(writer, *self._greeting())
        elif verb == "STARTTLS":
            await self._say(writer, "220 go")
            await writer.start_tls(self.tls)
            self.encrypted = True
        elif verb == "AUTH":
            right = base64.b64encode(f"\0{self.accepts_login}".encode()).decode()
            await self._say(writer, "235 ok" if line == f"AUTH PLAIN {right}" else "535 no")
        elif verb == "DATA":
            await self._say(writer, "354 go")
            await self._take(reader)
            await self._say(writer, self.answers.get("BODY", "250 taken"))
        elif verb == "QUIT":
            await self._say(writer, "221 bye")
            return False
        else:
            if verb == "RCPT":
                self.recipients.append(line)
            await self._say(writer, "250 ok")
        return True

    def _greeting(self) -> list[str]:
        offers = ["STARTTLS"] if self.tls and not self.encrypted else []
        offers += ["AUTH PLAIN"] if self.accepts_login else []
        offers += ["SMTPUTF8", "8BITMIME"] if self.utf8 else []
        names = ["test", *offers]
        return [f"250{'-' if name is not names[-1] else ' '}{name}" for name in names]

    async def _take(self, reader: asyncio.StreamReader) -> None:
        lines = []
        while (line := await reader.readline()) != b".\r\n":
            lines.append(line.removeprefix(b"."))
        self.received.append(b"".join(lines))

    async def _say(self, writer: asyncio.StreamWriter, *lines: str) -> None:
        writer.write("".join(f"{line}\r\n" for line in lines).encode())
        await writer.drain()


@asynccontextmanager
async def serving(server: Server, *, tls_at_once: bool = False) -> AsyncIterator[Server]:
    listener = await asyncio.start_server(
        server.converse, "127.0.0.1", 0, ssl=server.tls if tls_at_once else None, limit=2**20
    )
    server.port = listener.sockets[0].getsockname()[1]
    async with listener:
        yield server


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A certificate that signed itself, for 127.0.0.1, and its key, in one file."""
    key = Ed25519PrivateKey.from_private_bytes(b"\x05" * 32)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, None)
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


@pytest.fixture
def server_tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def test_what_is_sent_is_what_arrives():
    async with serving(Server()) as server:
        await SmtpMailer(server.url, SENDER).send(MESSAGE)
    got = server.mail
    assert got["To"] == "fan@example.org"
    assert got["Subject"] == MESSAGE.subject
    assert got["From"].addresses[0].display_name == "Žluťoučký kůň"
    assert got["From"].addresses[0].addr_spec == "tickets@example.org"
    assert got["Auto-Submitted"] == "auto-generated"
    assert got["Date"].datetime.tzinfo is not None
    assert got["Message-ID"].endswith("@example.org>")
    plain, page = got.get_body(("plain",)), got.get_body(("html",))
    assert plain is not None
    assert page is not None
    assert plain.get_content().replace("\r\n", "\n") == MESSAGE.text
    assert page.get_content().strip() == MESSAGE.html
    assert server.recipients == ["rcpt TO:<fan@example.org>"]


async def test_attachments_arrive_whole_and_pictures_stand_beside_the_html():
    async with serving(Server()) as server:
        await SmtpMailer(server.url, SENDER).send(MESSAGE)
    got = server.mail
    assert got.get_content_type() == "multipart/mixed"
    (paper,) = got.iter_attachments()
    assert (paper.get_filename(), paper.get_content_type(), paper.get_content()) == (
        PAPER.name,
        PAPER.media_type,
        PAPER.content,
    )
    (pixel,) = [part for part in got.walk() if part["Content-ID"]]
    assert pixel["Content-ID"] == "<code-1@example.org>"
    assert pixel.get_content_disposition() == "inline"
    assert pixel.get_content() == PIXEL.content


async def test_what_goes_over_the_wire_is_seven_bit_in_lines_that_every_server_takes():
    async with serving(Server()) as server:
        await SmtpMailer(server.url, SENDER).send(MESSAGE)
    (data,) = server.received
    assert data.isascii()
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert b"\n" not in data.replace(b"\r\n", b"")


async def test_a_message_of_text_alone_is_one_part_with_its_attachments_beside_it():
    async with serving(Server()) as server:
        await SmtpMailer(server.url, SENDER).send(Message("a@b.example", "Code", "123456\n"))
    assert server.mail.get_content_type() == "text/plain"
    assert server.mail.get_content() == "123456\r\n"
    made = mail.compose(replace(MESSAGE, html=""), mail._sender(SENDER))
    assert [part.get_filename() for part in made.iter_attachments()] == ["code.png", PAPER.name]


async def test_a_domain_in_any_script_is_sent_as_dns_knows_it():
    async with serving(Server()) as server:
        await SmtpMailer(server.url, SENDER).send(replace(MESSAGE, to="fan@bücher.example"))
    assert server.recipients == ["rcpt TO:<fan@xn--bcher-kva.example>"]


async def test_an_address_in_any_script_goes_to_servers_that_can_and_is_refused_by_others():
    hello = replace(MESSAGE, to="žofie@example.org")
    async with serving(Server(utf8=True)) as server:
        await SmtpMailer(server.url, SENDER).send(hello)
    assert server.mail["To"] == "žofie@example.org"
    async with serving(Server()) as server:
        with pytest.raises(MailRefused):
            await SmtpMailer(server.url, SENDER).send(hello)


async def test_the_same_reference_makes_the_same_message_id_and_none_makes_another_each_time():
    sender = mail._sender(SENDER)

    def message_id(message: Message) -> str:
        return str(mail.compose(message, sender)["Message-ID"])

    about = replace(MESSAGE, reference="ord_1")
    assert message_id(about) == message_id(about)
    assert message_id(about) != message_id(replace(about, reference="ord_2"))
    assert message_id(about) != message_id(replace(about, to="other@example.org"))
    assert message_id(MESSAGE) != message_id(MESSAGE)
    assert "ord_1" not in message_id(about)


@pytest.mark.parametrize(
    ("verb", "answer", "error"),
    [
        ("RCPT", "550 no such person", MailRefused),
        ("RCPT", "450 mailbox is busy", MailUnavailable),
        ("RCPT", "421 closing", MailUnavailable),
        ("BODY", "554 we do not like it", MailRefused),
        ("BODY", "451 try later", MailUnavailable),
        ("DATA", "451 try later", MailUnavailable),
        ("MAIL", "550 we do not know you", MailUnavailable),
        ("MAIL", "552 too large", MailRefused),
    ],
)
async def test_a_refusal_for_good_and_one_for_now_have_two_names(verb, answer, error):
    async with serving(Server({verb: answer})) as server:
        with pytest.raises(error):
            await SmtpMailer(server.url, SENDER).send(MESSAGE)


async def test_a_server_that_is_away_is_unavailable():
    async with serving(Server()) as server:
        url = server.url
    with pytest.raises(MailUnavailable):
        await SmtpMailer(url, SENDER).send(MESSAGE)


async def test_a_server_that_says_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(limits, "SMTP_TIMEOUT_S", 0.1)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    listener = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        with pytest.raises(MailUnavailable):
            await SmtpMailer(f"smtp://127.0.0.1:{port}", SENDER).send(MESSAGE)


async def test_a_server_that_drips_its_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(mail, "SEND_MAX_S", 0.2)
    hung_up = asyncio.Event()

    async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(100):
            writer.write(b"220-wait\r\n")
            await asyncio.sleep(0.01)
        writer.close()
        hung_up.set()

    listener = await asyncio.start_server(dripping, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        with pytest.raises(MailUnavailable, match="too long"):
            await SmtpMailer(f"smtp://127.0.0.1:{port}", SENDER).send(MESSAGE)
        await hung_up.wait()


async def test_rudeness_after_the_message_was_taken_does_not_send_it_twice():
    async with serving(Server({"QUIT": "500 what"})) as server:
        await SmtpMailer(server.url, SENDER).send(MESSAGE)
    assert len(server.received) == 1


async def test_starttls_is_used_when_it_is_offered(server_tls):
    async with serving(Server(tls=server_tls, accepts_login="us er\0p@ss:w/rd")) as server:
        url = f"smtp://us%20er:p%40ss%3Aw%2Frd@127.0.0.1:{server.port}"
        await SmtpMailer(url, SENDER).send(MESSAGE)
    assert server.encrypted
    assert server.verbs[:4] == ["EHLO", "STARTTLS", "EHLO", "AUTH"]
    assert server.mail["Subject"] == MESSAGE.subject


async def test_smtps_is_encrypted_from_the_first_byte(server_tls, certificate):
    tls = ssl.create_default_context(cafile=certificate)
    async with serving(Server(tls=server_tls, encrypted=True), tls_at_once=True) as server:
        await SmtpMailer(f"smtps://127.0.0.1:{server.port}", SENDER, tls=tls).send(MESSAGE)
    assert server.mail["Subject"] == MESSAGE.subject
    assert "STARTTLS" not in server.verbs


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_certificate_that_nobody_vouches_for_stops_the_mail(server_tls):
    async with serving(Server(tls=server_tls)) as server:
        with pytest.raises(MailUnavailable):
            await SmtpMailer(server.url, SENDER, tls=ssl.create_default_context()).send(MESSAGE)
    assert not server.received


async def test_a_wrong_password_is_our_fault_and_no_reason_to_give_the_message_up():
    async with serving(Server(accepts_login="user\0right")) as server:
        with pytest.raises(MailUnavailable) as caught:
            await SmtpMailer(f"smtp://user:wrong-one@127.0.0.1:{server.port}", SENDER).send(MESSAGE)
    assert "wrong-one" not in repr(caught.value)
    assert not server.received


async def test_a_password_never_crosses_a_network_in_the_clear(monkeypatch):
    monkeypatch.setattr(mail, "is_loopback", lambda host: False)
    async with serving(Server(accepts_login="user\0right")) as server:
        with pytest.raises(MailUnavailable):
            await SmtpMailer(f"smtp://user:right@127.0.0.1:{server.port}", SENDER).send(MESSAGE)
    assert "AUTH" not in server.verbs


@pytest.mark.parametrize(
    ("host", "here"),
    [("localhost", True), ("127.0.0.1", True), ("::1", True), ("10.0.0.1", False), ("mail.example", False)],
)
def test_only_the_loopback_is_this_machine(host, here):
    assert is_loopback(host) is here


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.example",
        "http://u:topsecret@mail.example",
        "smtp://",
        "smtp://u:topsecret@mail.example:port",
        "smtp://h/path",
    ],
)
def test_a_url_that_is_none_is_refused_without_repeating_its_password(url):
    with pytest.raises(ValueError, match="url looks like") as caught:
        SmtpMailer(url, SENDER)
    assert "topsecret" not in str(caught.value)


def test_ports_are_the_usual_ones_unless_said_and_passwords_are_not_shown():
    assert mail._server("smtp://u:topsecret@mail.example", None).port == 25
    assert mail._server("smtps://mail.example", None).port == 465
    assert mail._server("smtp://mail.example:2525", None).port == 2525
    assert "topsecret" not in repr(mail._server("smtp://u:topsecret@mail.example", None))


@pytest.mark.parametrize("sender", ["", "onsale", "a@b.example\r\nBcc: c@d.example", "Name <a@b.example\nBcc: x>"])
def test_a_sender_that_is_none_is_refused(sender):
    with pytest.raises(ValueError, match="sender looks like"):
        SmtpMailer("smtp://mail.example", sender)


@pytest.mark.parametrize(
    "to",
    [
        "",
        "nobody",
        "a@b@c",
        "a@b.example, c@d.example",
        "a@b.example\r\nBcc: c@d.example",
        "a@b.example\n",
        "A <a@b.example>",
        "a b@c.example",
        "a\ud800@b.example",
        "a" * 250 + "@b.example",
    ],
)
def test_what_is_not_one_plain_address_gets_no_mail(to):
    with pytest.raises(BadMessage):
        replace(MESSAGE, to=to)


@given(st.sampled_from("\r\n\0\v\f\x1c\x85\u2028\u2029\ud800"), st.text(max_size=20), st.text(max_size=20))
def test_a_subject_with_a_line_end_in_it_is_refused(control, before, after):
    with pytest.raises(BadMessage):
        replace(MESSAGE, subject=before + control + after)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "a\r\nX: y.png"},
        {"name": ""},
        {"name": "../../etc/passwd"},
        {"media_type": "image/png\r\nX: y"},
        {"media_type": "png"},
        {"content_id": "a@b>\r\nX: <y"},
        {"content_id": "a"},
    ],
)
def test_an_attachment_cannot_bring_headers(fields):
    with pytest.raises(BadMessage):
        replace(PIXEL, **fields)


def test_too_much_is_refused():
    half = Attachment("half.bin", "application/octet-stream", bytes(mail.ATTACHMENTS_MAX_BYTES // 2 + 1))
    with pytest.raises(BadMessage, match="too much"):
        replace(MESSAGE, attachments=(half, half))
    with pytest.raises(BadMessage, match="too much"):
        replace(MESSAGE, attachments=(PIXEL,) * (mail.ATTACHMENTS_MAX + 1))


@given(st.text(min_size=1, max_size=200), st.text(), st.text())
def test_whatever_becomes_a_message_becomes_mail_with_the_same_words(subject, text, html):
    try:
        message = Message("fan@example.org", subject, text, html)
    except BadMessage:
        return
    made = mail.compose(message, mail._sender(SENDER)).as_bytes()
    again = message_from_bytes(made, policy=default_policy)
    assert made.isascii()
    assert set(again.keys()) <= {
        *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version"),
        *("Content-Type", "Content-Transfer-Encoding"),
    }


@settings(max_examples=50, deadline=None)
@given(st.from_regex(mail._ADDRESS, fullmatch=True))
def test_every_address_that_a_message_takes_can_be_written_into_a_header(to):
    try:
        made = mail.compose(Message(to, "Hello", "Hello"), mail._sender(SENDER))
    except BadMessage:
        return
    assert made.as_bytes().count(b"\nTo:") == 1
    assert len(made["To"].addresses) == 1


async def test_memory_keeps_the_newest_messages():
    mailer = MemoryMailer()
    for number in range(mail.MEMORY_MESSAGES_MAX + 1):
        await mailer.send(replace(MESSAGE, subject=str(number)))
    assert len(mailer.messages) == mail.MEMORY_MESSAGES_MAX
    assert mailer.messages[-1].subject == str(mail.MEMORY_MESSAGES_MAX)


async def test_the_development_mailbox_gets_the_message_as_it_is():
    stored: list[Message] = []

    async def store(message: Message) -> None:
        stored.append(message)

    await MailboxMailer(store).send(MESSAGE)
    assert stored == [MESSAGE]


def test_html_for_a_browser_carries_its_pictures():
    html = standalone_html(MESSAGE)
    assert "cid:" not in html
    assert f"data:image/png;base64,{base64.b64encode(PIXEL.content).decode()}" in html
