"""The letter: every fact in both forms, nothing of it markup, and the codes in it readable."""

from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO

import pytest
import zxingcpp
from PIL import Image
from tests.unit.tickets.views import CODE, TICKET

from onsale.kit.mail import SUBJECT_MAX_LENGTH
from onsale.tickets.letters import Charge, OrderLetter, order_message, subject, text

LETTER = OrderLetter(
    to="fan@example.org",
    order_id=TICKET.order_id,
    tickets=(TICKET, replace(TICKET, seat="15", ticket_id="tkt_00000000000h80002jy1f9q0mt")),
    charges=(Charge("Tickets", 360_000), Charge("Fees", 18_000)),
    total_minor=378_000,
    currency="CZK",
    url="https://tickets.example/orders/ord_1?secret=a&b=c",
    support="help@example.org",
)


class Page(HTMLParser):
    """What a reader sees and what it links to; fails on a tag left open or closed twice."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.pictures: list[str] = []
        self.tags: set[str] = set()
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag not in ("meta", "img", "br"):
            self._open.append(tag)
        found = dict(attrs)
        if tag == "a":
            self.links.append(found["href"])
        if tag == "img":
            assert found["alt"]
            self.pictures.append(found["src"])

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words).replace("\N{NO-BREAK SPACE}", " ")


FACTS = [
    "Dvořák: Rusalka – Опера",
    "Saturday 12 June 2027, 19:30 CEST, doors 18:30",
    "Národní divadlo",
    "Národní 2, 110 00 Praha 1, Czechia",
    "Section Balcony 1 · Row C · Seat 14",
    "Section Balcony 1 · Row C · Seat 15",
    "First balcony",
    "CZK 3,780.00",
    TICKET.order_id,
    "help@example.org",
]


@pytest.mark.parametrize("fact", FACTS)
def test_both_forms_of_the_letter_say_it(fact):
    message = order_message(LETTER)
    assert fact in message.text.replace("\N{NO-BREAK SPACE}", " ")
    assert fact in Page(message.html).text


def test_the_letter_links_to_the_order_and_to_nothing_else():
    assert Page(order_message(LETTER).html).links == [LETTER.url]
    assert LETTER.url in text(LETTER)


def test_each_code_in_the_letter_can_be_scanned_and_is_shown_by_the_html():
    message = order_message(LETTER)
    pictures = [attachment for attachment in message.attachments if attachment.content_id]
    assert [f"cid:{picture.content_id}" for picture in pictures] == Page(message.html).pictures
    assert len({picture.content_id for picture in pictures}) == 2
    for picture in pictures:
        with Image.open(BytesIO(picture.content)) as image:
            (found,) = zxingcpp.read_barcodes(image.convert("L"))
        assert found.text == CODE


def test_the_pdf_is_attached_last_with_a_page_for_each_ticket():
    pdf = order_message(LETTER).attachments[-1]
    assert (pdf.name, pdf.media_type, pdf.content_id) == ("tickets.pdf", "application/pdf", "")
    assert pdf.content.count(b"/Type /Page\n") == 2


def test_what_people_typed_never_becomes_markup():
    bad = '<script>alert("x")</script><img src=x>'
    ticket = replace(TICKET, title=bad, venue=bad, address=bad, section=bad, row=bad, seat=bad, tier=bad, organiser=bad)
    ticket = replace(ticket, colour='red"><b>')
    hostile = replace(LETTER, tickets=(ticket,), charges=(Charge(bad, 1),), support=bad, url=f"https://x/?{bad}")
    page = Page(order_message(hostile).html)
    assert "script" not in page.tags
    assert len(page.pictures) == 1
    assert "b" not in page.tags
    assert page.links == [f"https://x/?{bad}"]


def test_the_html_needs_no_style_sheet_no_script_and_no_network():
    html = order_message(LETTER).html
    assert not {"style", "script", "link"} & Page(html).tags
    assert html.count("http") == 1


def test_the_subject_names_the_event_and_the_day():
    assert subject(LETTER) == "Your 2 tickets: Dvořák: Rusalka – Опера, Saturday 12 June 2027"
    assert subject(replace(LETTER, tickets=(TICKET,))).startswith("Your ticket: ")


def test_a_title_of_many_lines_makes_a_subject_of_one():
    ticket = replace(TICKET, title="Rusalka\r\nBcc: everybody@example.org\n" + "x" * 500)
    made = subject(replace(LETTER, tickets=(ticket,)))
    assert "\n" not in made
    assert "\r" not in made
    assert len(made) == SUBJECT_MAX_LENGTH
    assert made.endswith("…, Saturday 12 June 2027")
    order_message(replace(LETTER, tickets=(ticket,)))


def test_sending_the_letter_again_is_the_same_letter():
    assert order_message(LETTER) == order_message(LETTER)
    assert order_message(LETTER).reference == LETTER.order_id
