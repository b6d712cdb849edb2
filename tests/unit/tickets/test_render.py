"""Pictures and pages: what is drawn can be read back, by a scanner and by a person."""

import re
import zlib
from dataclasses import replace
from io import BytesIO
from xml.etree import ElementTree

import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.unit.tickets.views import CODE, KEY, TICKET

from onsale import limits
from onsale.tickets import render, wording
from onsale.tickets.code import Claims
from onsale.tickets.render import qr_png, qr_svg, rgb, ticket_pdf

FONTS = render._FONTS
STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
PICTURE = re.compile(rb"<<([^<>]*(?:<<[^<>]*>>[^<>]*)*/Subtype /Image[^>]*)>>\nstream\n(.*?)\nendstream", re.DOTALL)
UNICODE_MAP = re.compile(rb"<([0-9A-F]{4})> <([0-9A-F]+)>")


def scanned(png: bytes) -> str:
    with Image.open(BytesIO(png)) as image:
        (found,) = zxingcpp.read_barcodes(image.convert("L"))
    return found.text


def letters_of(pdf: bytes) -> str:
    """Every letter that the document's fonts were asked for: the union of their maps back to Unicode."""
    letters = set()
    for stream in STREAM.findall(pdf):
        try:
            text = zlib.decompress(stream)
        except zlib.error:
            text = stream
        if b"beginbfchar" in text:
            letters |= {bytes.fromhex(code.decode()).decode("utf-16-be") for _, code in UNICODE_MAP.findall(text)}
    return "".join(sorted(letters))


def pictures_of(pdf: bytes) -> list[str]:
    """What a scanner reads in the document's pictures, in order; black and white as a PDF reader shows them."""
    found = []
    for head, data in PICTURE.findall(pdf):
        assert b"/ColorSpace /DeviceGray" in head
        assert b"/BitsPerComponent 8" in head
        assert b"/Decode " not in head
        (width,) = re.findall(rb"/Width (\d+)", head)
        (code,) = zxingcpp.read_barcodes(grey(zlib.decompress(data), int(width)), try_invert=False)
        found.append(code.text)
    return found


def grey(data: bytes, width: int) -> Image.Image:
    """A picture from its rows, each led by a byte that says how it is filtered; fpdf2 filters none."""
    rows = [data[at : at + width + 1] for at in range(0, len(data), width + 1)]
    assert len(rows) == width
    assert {row[0] for row in rows} == {0}
    return Image.frombytes("L", (width, width), b"".join(row[1:] for row in rows))


@pytest.mark.parametrize("scale", [2, 8])
def test_a_scanner_reads_the_code_from_the_png(scale):
    assert scanned(qr_png(CODE, scale)) == CODE


def test_the_png_has_a_light_quiet_zone_of_four_modules():
    with Image.open(BytesIO(qr_png(CODE, 5))) as image:
        whole = image.convert("L")
    assert whole.size == ((41 + 8) * 5, (41 + 8) * 5)
    frame = whole.copy()
    frame.paste(255, (20, 20, whole.width - 20, whole.height - 20))
    assert frame.getextrema() == (255, 255)
    assert whole.getpixel((20, 20)) == 0


@pytest.mark.parametrize("scale", [0, -1, render.QR_SCALE_MAX + 1])
def test_a_scale_outside_its_bounds_is_refused(scale):
    with pytest.raises(ValueError, match="scale"):
        qr_png(CODE, scale)


def test_a_code_survives_a_fold_over_a_tenth_of_it():
    with Image.open(BytesIO(qr_png(CODE, 8))) as image:
        folded = image.convert("L")
    folded.paste(255, (150, 190, 250, 240))
    (found,) = zxingcpp.read_barcodes(folded)
    assert found.text == CODE


def test_the_svg_is_dark_on_white_and_takes_the_size_it_is_given():
    root = ElementTree.fromstring(qr_svg(CODE))
    assert root.get("viewBox") == "0 0 49 49"
    assert root.get("width") is None
    assert b"#fff" in qr_svg(CODE)


def test_a_document_has_a_page_for_each_ticket_and_a_scanner_reads_its_code_there():
    codes = [KEY.sign(Claims(17 * 64, number, 1)) for number in (1, 2, 3)]
    pdf = ticket_pdf(*[replace(TICKET, code=code) for code in codes])
    assert pdf.count(b"/Type /Page\n") == 3
    assert pictures_of(pdf) == codes


def test_the_same_ticket_always_gives_the_same_bytes():
    assert ticket_pdf(TICKET) == ticket_pdf(TICKET)


def test_the_document_asks_for_every_letter_of_the_ticket():
    asked = set(letters_of(ticket_pdf(TICKET)))
    price = wording.money(TICKET.price_minor, TICKET.currency)
    day = wording.day(TICKET.starts_at, TICKET.timezone)
    for text in (
        TICKET.title,
        TICKET.venue,
        TICKET.holder,
        TICKET.order_id,
        TICKET.ticket_id,
        price,
        day,
        "19:30",
    ):
        assert set(text.replace("\N{NO-BREAK SPACE}", " ")) - {" "} <= asked, text


def test_letters_that_the_font_lacks_are_transliterated():
    asked = letters_of(ticket_pdf(replace(TICKET, title="東京 X")))
    assert "東" not in asked
    assert set("DongJing") <= set(asked)


def test_a_letter_written_in_two_parts_is_drawn_in_one():
    assert "ř" in letters_of(ticket_pdf(replace(TICKET, title="Dvor\N{COMBINING CARON}ák")))


@settings(max_examples=20, deadline=None)
@given(st.text(max_size=400), st.text(max_size=40), st.text(max_size=20))
def test_any_text_can_be_printed(title, section, colour):
    ticket = replace(TICKET, title=title, venue=title, section=section, row="", seat=section, colour=colour)
    assert ticket_pdf(ticket).startswith(b"%PDF-")


def test_a_whole_order_can_be_printed_and_no_more():
    most = limits.HOLDS_PER_ORDER_MAX * limits.SEATS_PER_HOLD_MAX
    with pytest.raises(AssertionError):
        ticket_pdf(*[TICKET] * (most + 1))
    with pytest.raises(AssertionError):
        ticket_pdf()


def test_the_fonts_come_with_their_licence():
    assert "SIL OPEN FONT LICENSE" in (FONTS.parent / "LICENSE").read_text().upper()
    assert {"FiraSans-Bold.ttf", "FiraSans-Regular.ttf"} <= {path.name for path in FONTS.glob("*.ttf")}


@pytest.mark.parametrize(("text", "colour"), [("#e5484d", (229, 72, 77)), ("", (91, 91, 214)), ("red", (91, 91, 214))])
def test_a_colour_that_is_none_becomes_the_default(text, colour):
    assert rgb(text) == colour


@pytest.mark.parametrize(
    ("amount_minor", "currency", "said"),
    [
        (123_450, "EUR", "€1,234.50"),
        (1_200, "JPY", "¥1,200"),
        (8_500, "CHF", "CHF\N{NO-BREAK SPACE}85.00"),
        (1_234, "KWD", "KWD\N{NO-BREAK SPACE}1.234"),
        (-5, "USD", "−$0.05"),
        (0, "GBP", "£0.00"),
    ],
)
def test_money_is_said_in_its_own_decimals(amount_minor, currency, said):
    assert wording.money(amount_minor, currency) == said


def test_an_event_begins_when_the_clocks_of_its_venue_say_so():
    assert wording.day(TICKET.starts_at.replace(hour=23), "Asia/Tokyo") == "Sunday 13 June 2027"
    assert wording.clock(TICKET.starts_at, "Europe/Prague") == "19:30"
    assert wording.zone(TICKET.starts_at, "Europe/Prague") == "CEST"
    assert wording.zone(TICKET.starts_at, "America/Sao_Paulo") == "UTC-03"
    assert wording.clock(TICKET.starts_at, "Nowhere/Land") == "17:30"


@given(st.text())
def test_a_line_is_one_line(text):
    line = wording.one_line(text)
    assert line.splitlines() in ([], [line])
    line.encode()
