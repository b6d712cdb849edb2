"""The letter that brings the tickets: subject, plain text, HTML and the PDF, made from plain values. Pure.

The HTML is one column of tables with inline styles, because mail programs drop style sheets and know no grid; it says
everything without pictures too. QR codes travel with the letter (`cid:`), so that they show at the entrance without a
network, and are dark on white also where the mail program is dark. The PDF has a page for each ticket.
"""

from dataclasses import dataclass
from html import escape
from typing import Final

from onsale.kit.mail import SUBJECT_MAX_LENGTH, Attachment, Message
from onsale.tickets import wording
from onsale.tickets.render import TicketView, qr_png, rgb, ticket_pdf

# Pixels per module: 49 modules make 294 pixels, sharp on a phone at half that width in points.
_QR_SCALE: Final = 6
_QR_SHOWN_PX: Final = 196

_INK, _MUTED, _LINE, _PAPER = "#161a2e", "#60677d", "#e3e6ee", "#f4f5f9"
_FONT = "font-family:-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"
_ADVICE = "Show the code on your phone or on paper. Each lets one person in, once: please do not post a picture of it."


@dataclass(frozen=True, slots=True)
class Charge:
    """One line of the bill, for example `Fees` and its amount in minor units of the order's currency."""

    label: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class OrderLetter:
    """What the letter says. All tickets are of one event. `url` is where the order can be seen again, absolute."""

    to: str
    order_id: str
    tickets: tuple[TicketView, ...]
    charges: tuple[Charge, ...]
    total_minor: int
    currency: str
    url: str
    support: str = ""


def order_message(letter: OrderLetter) -> Message:
    """The whole message. The order's id is its reference, so that sending it twice shows it once."""
    assert letter.tickets, "a letter without tickets has nothing to bring"
    pictures = tuple(
        Attachment(f"ticket-{number}.png", "image/png", qr_png(ticket.code, _QR_SCALE), _content_id(ticket))
        for number, ticket in enumerate(letter.tickets, start=1)
    )
    pdf = Attachment("tickets.pdf", "application/pdf", ticket_pdf(*letter.tickets))
    return Message(
        to=letter.to,
        subject=subject(letter),
        text=text(letter),
        html=html(letter),
        attachments=(*pictures, pdf),
        reference=letter.order_id,
    )


def subject(letter: OrderLetter) -> str:
    """For example `Your 2 tickets: Rusalka, Saturday 12 June 2027`; a long title is cut, the day never."""
    first = letter.tickets[0]
    head, day = f"Your {_tickets(letter)}: ", wording.day(first.starts_at, first.timezone)
    title = wording.one_line(first.title)
    room = SUBJECT_MAX_LENGTH - len(head) - len(day) - 2
    if len(title) > room:
        title = title[: room - 1].rstrip() + "…"
    return f"{head}{title}, {day}"


def text(letter: OrderLetter) -> str:
    """The letter for those who read without HTML: the same facts in the same order."""
    first = letter.tickets[0]
    seats = [f"  {_seat(ticket)} ({wording.one_line(ticket.tier)})" for ticket in letter.tickets]
    bill = [f"  {wording.one_line(charge.label)}: {_money(letter, charge.amount_minor)}" for charge in letter.charges]
    parts = [
        f"You are going to {wording.one_line(first.title)}.",
        "\n".join([_when(first), *_where(first)]),
        "\n".join([f"Your {_tickets(letter)}:", *seats]),
        "\n".join([*bill, f"  Total paid: {_money(letter, letter.total_minor)}"]),
        f"The attached PDF has a page with a code for each ticket. You can also see them here:\n{letter.url}",
        _ADVICE,
        "\n".join([f"Order {letter.order_id}", *_help(letter)]),
    ]
    return "\n\n".join(parts) + "\n"


def html(letter: OrderLetter) -> str:
    """The letter as most people see it: one column that fits a phone, every value escaped."""
    first = letter.tickets[0]
    title = _safe(first.title)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta name="color-scheme" content="light"><title>{title}</title></head>'
        f'<body style="margin:0;padding:0;background:{_PAPER};{_FONT};color:{_INK}">'
        f"{_preview(f'{_when(first)} · {first.venue}')}"
        f'<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="background:{_PAPER}">'
        '<tr><td align="center" style="padding:16px 8px">'
        '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" '
        'style="max-width:560px;background:#ffffff;border-radius:14px;overflow:hidden">'
        f"{_head(letter)}{_facts(first)}{''.join(_ticket(ticket) for ticket in letter.tickets)}"
        f"{_button(letter)}{_bill(letter)}{_foot(letter)}"
        "</table></td></tr></table></body></html>"
    )


def _head(letter: OrderLetter) -> str:
    first = letter.tickets[0]
    return _row(
        f'<div style="font-size:14px;color:#c4cae2">You are going to</div>'
        f'<h1 style="margin:6px 0 0;font-size:26px;line-height:1.25;color:#ffffff">{_safe(first.title)}</h1>'
        f'<div style="margin-top:10px;font-size:14px;color:#c4cae2">Your {_tickets(letter)}, paid and ready.</div>',
        f"padding:28px 24px;background:{_INK}",
    )


def _facts(ticket: TicketView) -> str:
    where = "<br>".join(_safe(line) for line in _where(ticket))
    return _row(
        f'<div style="font-size:16px;line-height:1.5"><strong>{_safe(_when(ticket))}</strong><br>{where}</div>',
        f"padding:20px 24px;border-bottom:1px solid {_LINE}",
    )


def _ticket(ticket: TicketView) -> str:
    places = _safe(_seat(ticket))
    price = wording.money(ticket.price_minor, ticket.currency)
    return _row(
        f'<div style="font-size:20px;font-weight:700;line-height:1.35">{places}</div>'
        f'<div style="margin-top:4px;font-size:14px;color:{_MUTED}">{_safe(ticket.tier)} · {_safe(price)}</div>'
        f'<img src="cid:{_content_id(ticket)}" width="{_QR_SHOWN_PX}" height="{_QR_SHOWN_PX}" '
        f'alt="Entry code for {places}; it is in the attached PDF too" '
        'style="display:block;margin:14px auto 6px;border:0;background:#ffffff">'
        f'<div style="text-align:center;font-size:12px;color:{_MUTED}">{_safe(ticket.ticket_id)}</div>',
        f"padding:20px 24px;border-bottom:1px dashed #c4c9d6;border-left:6px solid {_colour(ticket)}",
    )


def _button(letter: OrderLetter) -> str:
    return _row(
        f'<a href="{escape(letter.url)}" style="display:inline-block;padding:14px 28px;border-radius:10px;'
        f'background:{_INK};color:#ffffff;font-size:16px;font-weight:600;text-decoration:none">Open my tickets</a>'
        f'<p style="margin:16px 0 0;font-size:14px;line-height:1.5;color:{_MUTED}">{_ADVICE}</p>',
        "padding:24px;text-align:center",
    )


def _bill(letter: OrderLetter) -> str:
    lines = [_bill_line(charge.label, _money(letter, charge.amount_minor)) for charge in letter.charges]
    total = _bill_line("Total paid", _money(letter, letter.total_minor), style=f"font-weight:700;color:{_INK}")
    return _row(
        '<table role="presentation" width="100%" cellpadding="0" cellspacing="0">'
        + "".join([*lines, total])
        + "</table>",
        f"padding:16px 24px;border-top:1px solid {_LINE}",
    )


def _bill_line(label: str, amount: str, style: str = f"color:{_MUTED}") -> str:
    cell = f"padding:4px 0;font-size:14px;{style}"
    return f'<tr><td style="{cell}">{_safe(label)}</td><td align="right" style="{cell}">{_safe(amount)}</td></tr>'


def _foot(letter: OrderLetter) -> str:
    lines = "<br>".join(_safe(line) for line in [f"Order {letter.order_id}", *_help(letter)])
    return _row(
        f'<div style="font-size:12px;line-height:1.6;color:{_MUTED}">{lines}</div>',
        f"padding:16px 24px 24px;background:{_PAPER}",
    )


def _row(inner: str, style: str) -> str:
    return f'<tr><td style="{style}">{inner}</td></tr>'


def _preview(line: str) -> str:
    """The grey line that a list of mails shows beside the subject; hidden in the letter itself."""
    return f'<div style="display:none;max-height:0;overflow:hidden">{_safe(line)}</div>'


def _when(ticket: TicketView) -> str:
    starts, timezone = ticket.starts_at, ticket.timezone
    day, hour = wording.day(starts, timezone), wording.clock(starts, timezone)
    doors = f", doors {wording.clock(ticket.doors_at, timezone)}" if ticket.doors_at else ""
    return f"{day}, {hour} {wording.zone(starts, timezone)}{doors}"


def _where(ticket: TicketView) -> list[str]:
    return [wording.one_line(line) for line in (ticket.venue, ticket.address) if line]


def _help(letter: OrderLetter) -> list[str]:
    organiser = wording.one_line(letter.tickets[0].organiser)
    lines = [f"Sold on behalf of {organiser}."] if organiser else []
    if letter.support:
        lines.append(f"Something not right? Write to {wording.one_line(letter.support)}, we are glad to help.")
    return lines


def _tickets(letter: OrderLetter) -> str:
    return "ticket" if len(letter.tickets) == 1 else f"{len(letter.tickets)} tickets"


def _seat(ticket: TicketView) -> str:
    return wording.one_line(wording.seat(ticket.section, ticket.row, ticket.seat))


def _money(letter: OrderLetter, amount_minor: int) -> str:
    return wording.money(amount_minor, letter.currency)


def _content_id(ticket: TicketView) -> str:
    return f"{ticket.ticket_id}@onsale.invalid"


def _colour(ticket: TicketView) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb(ticket.colour))


def _safe(value: str) -> str:
    """One line, and nothing of it is markup."""
    return escape(wording.one_line(value))
