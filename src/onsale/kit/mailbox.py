"""The development mailbox: where mails land until a mail server is set. Its page is `/dev/mailbox`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.types.json import Jsonb

from onsale import limits
from onsale.kit import db

SQL = db.load(__package__)


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as the mailbox lists it; the bodies are empty there."""

    id: int
    to: str
    subject: str
    at: datetime
    text: str = ""
    html: str = ""
    attachments: Sequence[str] = ()


class Mailbox:
    def __init__(self, database: db.Database) -> None:
        self._database = database

    async def put(self, to: str, subject: str, text: str, html: str, attachments: list[str]) -> None:
        """Keep a mail; of its attachments only the names."""
        async with self._database.transaction() as tx:
            row = {
                "recipient": to,
                "subject": subject,
                "body_text": text,
                "body_html": html,
                "attachments": Jsonb(attachments),
            }
            await tx.execute(SQL.put_mail, row)
            await tx.execute(SQL.trim_mailbox, {"rows_max": limits.MAILBOX_ROWS_MAX})

    async def list(self) -> list[Mail]:
        """The newest mails, newest first."""
        async with self._database.reading() as tx:
            cursor = await tx.execute(SQL.list_mails, {"rows_max": limits.MAILBOX_ROWS_MAX})
            return [Mail(*row) for row in await cursor.fetchall()]

    async def read(self, mail_id: int) -> Mail | None:
        async with self._database.reading() as tx:
            row = await (await tx.execute(SQL.read_mail, {"mail_id": mail_id})).fetchone()
        return Mail(*row) if row else None
