"""A ticket as something to show: its QR code as SVG or PNG, and the page to print as PDF. Pure; nothing is fetched.

Made on view or in jobs, never in the sale. fpdf2 writes the PDF: it is Python alone and needs no library of the system
(what it asks for comes as wheels), and embeds only the letters used. Its built-in fonts know Latin-1 only, so Fira
Sans comes from a wheel of its own.

Limit: letters that Fira Sans lacks (Chinese, Japanese, Arabic, Hebrew, Thai, ...) are transliterated in the
PDF, for example `東京` to `DongJing`. Pages and letters are Unicode and show every script as it is.
"""

from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import Final
from unicodedata import normalize

import segno
from anyascii import anyascii
from fpdf import FPDF
from fpdf.fonts import TTFFont
from PIL import Image

from onsale import limits
from onsale.tickets import wording

# ISO/IEC 18004 asks for four light modules around the symbol; without them scanners fail on dark screens.
QUIET_ZONE_MODULES: Final = 4
# Pixels per module: 40 makes 1,960 pixels a side, enough for a poster and a bound on memory.
QR_SCALE_MAX: Final = 40
# On the page a module is 1.4 mm; ten pixels keep its edges sharper than a printer's dots.
_QR_PDF_SCALE = 10
# Nothing longer can be read on the page, and cutting it early bounds the work of fitting it.
TEXT_LENGTH_MAX: Final = 300

_FONTS = Path(str(resources.files("fontpkg_fira_sans"))) / "files"
_FAMILY = "Fira Sans"

# Millimetres on A5 upright: whole on a phone, and two of them side by side on a home printer's A4.
_WIDTH, _HEIGHT, _MARGIN = 148.0, 210.0, 12.0
_INNER = _WIDTH - 2 * _MARGIN
_BAND_HEIGHT, _TEAR_Y, _QR_Y, _QR_SIZE = 56.0, 90.0, 124.0, 67.0
_DETAILS_X = _MARGIN + 64.0
_DETAILS_WIDTH = _WIDTH - _MARGIN - _DETAILS_X

_MM_PER_POINT = 25.4 / 72

_Colour = tuple[int, int, int]
_INK: _Colour = (22, 26, 46)
_MUTED: _Colour = (96, 103, 125)
_LINE: _Colour = (196, 201, 214)
_HAZE: _Colour = (196, 202, 226)
_WHITE: _Colour = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class TicketView:
    """All that a printed ticket says. Times are aware; `timezone` is the venue's IANA name; the price is all-in.

    `row` is empty in standing areas. `colour` is the tier's, as `#rrggbb`. `made_at` dates the document, so that the
    same ticket always gives the same bytes.
    """

    title: str
    starts_at: datetime
    timezone: str
    venue: str
    section: str
    row: str
    seat: str
    tier: str
    price_minor: int
    currency: str
    order_id: str
    ticket_id: str
    code: str
    made_at: datetime
    doors_at: datetime | None = None
    address: str = ""
    organiser: str = ""
    holder: str = ""
    colour: str = "#5b5bd6"


def qr_svg(code: str) -> bytes:
    """The code as SVG without a fixed size: the page decides. Dark on white also where the page is dark."""
    out = BytesIO()
    _symbol(code).save(out, kind="svg", border=QUIET_ZONE_MODULES, omitsize=True, xmldecl=False, light="#fff")
    return out.getvalue()


def qr_png(code: str, scale: int = 8) -> bytes:
    """The code as a black and white PNG with `scale` pixels per module, 1 to QR_SCALE_MAX; ValueError outside that."""
    if not 1 <= scale <= QR_SCALE_MAX:
        raise ValueError(f"a QR scale is 1 to {QR_SCALE_MAX}, not {scale}")
    out = BytesIO()
    _symbol(code).save(out, kind="png", scale=scale, border=QUIET_ZONE_MODULES)
    return out.getvalue()


def ticket_pdf(*tickets: TicketView) -> bytes:
    """One A5 page per ticket, in the order given; at least one, at most an order's worth."""
    assert 0 < len(tickets) <= limits.HOLDS_PER_ORDER_MAX * limits.SEATS_PER_HOLD_MAX
    pdf = _document(tickets[0])
    for number, ticket in enumerate(tickets, start=1):
        pdf.add_page()
        _band(pdf, ticket, f"{number} of {len(tickets)}" if len(tickets) > 1 else "")
        _when_and_where(pdf, ticket)
        _tear_line(pdf)
        _seat(pdf, ticket)
        _code(pdf, ticket)
        _details(pdf, ticket)
        _small_print(pdf)
    return bytes(pdf.output())


def rgb(colour: str) -> _Colour:
    """Three bytes of `#rrggbb`; the default colour for anything else, since a ticket must print."""
    try:
        red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    except ValueError:
        return (91, 91, 214)
    return (red, green, blue)


def _symbol(code: str) -> segno.QRCode:
    # Level M mends 15 % of the symbol: a fold or a scratch on paper. A higher level would make the modules smaller.
    return segno.make_qr(code, error="m", boost_error=False)


def _document(first: TicketView) -> FPDF:
    pdf = FPDF(unit="mm", format=(_WIDTH, _HEIGHT))
    pdf.set_auto_page_break(False)
    pdf.set_margins(0, 0, 0)
    pdf.c_margin = 0
    pdf.add_font(_FAMILY, "", _FONTS / "FiraSans-Regular.ttf")
    pdf.add_font(_FAMILY, "B", _FONTS / "FiraSans-Bold.ttf")
    pdf.set_image_filter("FlateDecode")
    pdf.set_creation_date(first.made_at)
    pdf.set_title(_printable(pdf, first.title))
    pdf.set_author(_printable(pdf, first.organiser or "onsale"))
    pdf.set_producer("onsale")
    pdf.set_lang("en")
    return pdf


def _band(pdf: FPDF, ticket: TicketView, count: str) -> None:
    """The dark head with the title, and a stripe in the tier's colour, by which stewards tell tiers from afar."""
    pdf.set_fill_color(*_INK)
    pdf.rect(0, 0, _WIDTH, _BAND_HEIGHT, style="F")
    pdf.set_fill_color(*rgb(ticket.colour))
    pdf.rect(0, _BAND_HEIGHT, _WIDTH, 2.2, style="F")
    _line(pdf, ticket.organiser, _Box(_MARGIN, 10, _INNER - 24), size=9, colour=_HAZE)
    _line(pdf, count, _Box(_WIDTH - _MARGIN - 22, 10, 22), size=9, colour=_HAZE, align="R")
    title = _Box(_MARGIN, 17, _INNER, _BAND_HEIGHT - 22)
    _block(pdf, ticket.title, title, sizes=(32, 27, 23, 19, 16), colour=_WHITE, low=True)


def _when_and_where(pdf: FPDF, ticket: TicketView) -> None:
    starts, zone = ticket.starts_at, ticket.timezone
    hours = f"Starts {wording.clock(starts, zone)} {wording.zone(starts, zone)}"
    if ticket.doors_at:
        hours = f"Doors {wording.clock(ticket.doors_at, zone)} · {hours}"
    half = _INNER / 2 - 4
    right = _MARGIN + half + 8
    _label(pdf, "DATE", _Box(_MARGIN, 64, half))
    _block(pdf, wording.day(starts, zone), _Box(_MARGIN, 68.5, half, 7), sizes=(12.5, 11, 10))
    _line(pdf, hours, _Box(_MARGIN, 75.5, half), size=10)
    _label(pdf, "VENUE", _Box(right, 64, half))
    _block(pdf, ticket.venue, _Box(right, 68.5, half, 7), sizes=(12.5, 11, 10))
    _block(pdf, ticket.address, _Box(right, 75.7, half, 9), sizes=(9, 8), colour=_MUTED, style="")


def _tear_line(pdf: FPDF) -> None:
    pdf.set_draw_color(*_LINE)
    pdf.set_line_width(0.35)
    pdf.set_dash_pattern(dash=1.6, gap=1.6)
    pdf.line(_MARGIN - 4, _TEAR_Y, _WIDTH - _MARGIN + 4, _TEAR_Y)
    pdf.set_dash_pattern()
    pdf.circle(0, _TEAR_Y, 3.6, style="D")
    pdf.circle(_WIDTH, _TEAR_Y, 3.6, style="D")


def _seat(pdf: FPDF, ticket: TicketView) -> None:
    """Where to go, readable at arm's length in a dark aisle."""
    columns = [("SECTION", ticket.section), ("ROW", ticket.row), ("SEAT", ticket.seat)]
    if not ticket.row:
        columns = [("STANDING AREA", ticket.section), ("NO.", ticket.seat)]
    width = _INNER / len(columns)
    for index, (label, value) in enumerate(columns):
        x = _MARGIN + index * width
        _label(pdf, label, _Box(x, 97, width - 4))
        _block(pdf, value, _Box(x, 100.5, width - 4, 20), sizes=(44, 34, 26, 19, 15, 12), low=True)


def _code(pdf: FPDF, ticket: TicketView) -> None:
    alt = f"Entry code of ticket {ticket.ticket_id}"
    # Eight bits deep, because fpdf2 2.8.9 writes one-bit pictures as fax (CCITT G4), one more thing for a reader to get
    # wrong, and when told to deflate them instead, writes pictures that no scanner reads (the tests scan the page).
    with Image.open(BytesIO(qr_png(ticket.code, _QR_PDF_SCALE))) as png:
        picture = png.convert("L")
    # The quiet zone reaches into the margin, so that what is black stands in line with the text.
    x = _MARGIN - _QR_SIZE * QUIET_ZONE_MODULES * _QR_PDF_SCALE / picture.width
    pdf.image(picture, x, _QR_Y, _QR_SIZE, _QR_SIZE, alt_text=alt)


def _details(pdf: FPDF, ticket: TicketView) -> None:
    price = wording.money(ticket.price_minor, ticket.currency)
    y = _QR_Y + 5
    for label, value in (("TICKET", ticket.tier), ("PRICE, FEES INCLUDED", price), ("NAME", ticket.holder)):
        if value:
            _label(pdf, label, _Box(_DETAILS_X, y, _DETAILS_WIDTH))
            _block(pdf, value, _Box(_DETAILS_X, y + 4, _DETAILS_WIDTH, 8.4), sizes=(12.5, 11, 9.5))
            y += 13.5
    for label, value in (("ORDER", ticket.order_id), ("TICKET NUMBER", ticket.ticket_id)):
        _label(pdf, label, _Box(_DETAILS_X, y, _DETAILS_WIDTH))
        _line(pdf, value, _Box(_DETAILS_X, y + 4, _DETAILS_WIDTH), size=8.5)
        y += 10


def _small_print(pdf: FPDF) -> None:
    text = (
        "Show this code on your phone or on paper. It lets one person in, once: do not post a picture of it. "
        "When the ticket is transferred or resold, this code stops working and the new owner gets another."
    )
    _block(pdf, text, _Box(_MARGIN, 196, _INNER, 8), sizes=(7.5,), colour=_MUTED, style="")


@dataclass(frozen=True, slots=True)
class _Box:
    """Where text goes, in millimetres from the page's upper left corner."""

    x: float
    y: float
    width: float
    height: float = 0.0


def _label(pdf: FPDF, text: str, box: _Box) -> None:
    _line(pdf, text, box, size=7.5, colour=_MUTED)


def _line(pdf: FPDF, text: str, box: _Box, *, size: float, colour: _Colour = _INK, align: str = "L") -> None:
    """One line from the top of the box, set smaller until it fits, and cut where smaller would be unreadable."""
    text = _printable(pdf, text)
    pdf.set_font(_FAMILY, "", size)
    natural = pdf.get_string_width(text)
    if natural > box.width:
        pdf.set_font(_FAMILY, "", max(5.0, size * box.width / natural * 0.99))
        text = _cut(pdf, text, box.width)
    pdf.set_text_color(*colour)
    pdf.set_xy(box.x, box.y)
    pdf.cell(box.width, _line_height(size), text, align=align)


def _block(
    pdf: FPDF,
    text: str,
    box: _Box,
    *,
    sizes: tuple[float, ...],
    colour: _Colour = _INK,
    style: str = "B",
    low: bool = False,
) -> None:
    """Lines in the largest of `sizes` (points) that fits the box, from its top, or down to its bottom when `low`."""
    size, lines = _fitted(pdf, _printable(pdf, text), box, sizes, style)
    height = _line_height(size)
    top = box.y
    if low:
        # fpdf2 sets the baseline 0.32 of the size above the line's end. Smaller letters are raised by the difference,
        # so that neighbours of different sizes stand on one line.
        top += box.height - height * len(lines) - 0.32 * _MM_PER_POINT * (sizes[0] - size)
    pdf.set_text_color(*colour)
    for number, line in enumerate(lines):
        pdf.set_xy(box.x, top + number * height)
        pdf.cell(box.width, height, line)


def _fitted(pdf: FPDF, text: str, box: _Box, sizes: tuple[float, ...], style: str) -> tuple[float, list[str]]:
    """The size and the lines; what does not fit in the smallest size ends in dots."""
    size, room, lines = sizes[0], 1, [""]
    for size in sizes:
        pdf.set_font(_FAMILY, style, size)
        room = max(1, int(box.height / _line_height(size)))
        lines = _wrapped(pdf, text, box.width)
        if len(lines) <= room and _words_whole(text, lines):
            return size, lines
    if len(lines) > room:
        lines = [*lines[: room - 1], _cut(pdf, " ".join(lines[room - 1 :]), box.width)]
    return size, lines


def _wrapped(pdf: FPDF, text: str, width: float) -> list[str]:
    lines = pdf.multi_cell(width, None, text, align="L", dry_run=True, output="LINES")
    assert isinstance(lines, list)
    return [str(line).strip() for line in lines]


def _words_whole(text: str, lines: list[str]) -> bool:
    """Whether no word was broken to make it fit: a seat called 10432 must not read as 104 and 32."""
    return " ".join(lines).split() == text.split()


def _cut(pdf: FPDF, text: str, width: float) -> str:
    """The text, or as much of it as fits with dots after it, in the font that is set."""
    if pdf.get_string_width(text) <= width:
        return text
    while text and pdf.get_string_width(f"{text}…") > width:
        text = text[:-1].rstrip()
    return f"{text}…"


def _line_height(size: float) -> float:
    """Millimetres from one line to the next; Fira Sans wants about a quarter more than its size."""
    return size * _MM_PER_POINT * 1.24


def _printable(pdf: FPDF, text: str) -> str:
    """The text in letters that the font has; runs of others are transliterated, or left out when they have no sound."""
    font = pdf.fonts[_FAMILY.lower()]
    assert isinstance(font, TTFFont)
    text = normalize("NFC", wording.one_line(text[:TEXT_LENGTH_MAX]))
    runs = groupby(text, key=lambda letter: ord(letter) in font.cmap)
    return "".join("".join(run) if known else anyascii("".join(run)) for known, run in runs)
