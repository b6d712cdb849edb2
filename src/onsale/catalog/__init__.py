"""The catalogue: organisers, venues and their seating charts, events with their price classes, and finding them.

Invariants
    A chart never changes; its address is the hash of its bytes.   (schema: chart; service: add_chart)
    Every zone of an event's chart has exactly one price.          (draft: check_event)
    Nobody types in what an event is: its status follows from the organiser's word, the times and the
    seats left, and says the same in Python and in SQL.            (model: status_of; query: list_events)
    What is read from memory is at most a second old; what is sold is read fresh, locked. (service: event_for_sale)
Owns tables organiser, organiser_member, venue, chart, genre, event and tier. Other rooms import this package only,
never its files.
"""

from onsale.catalog.chart import Chart, Layout
from onsale.catalog.chart import encode as encode_chart
from onsale.catalog.control import RequireRole, controlled_event
from onsale.catalog.demo import season as demo_season
from onsale.catalog.draft import NewEvent, NewTier, NewVenue
from onsale.catalog.generate import generate as generate_chart
from onsale.catalog.model import Event, EventStatus, Listing, Tier, parse_cursor, parse_event_id, status_of
from onsale.catalog.schemas import EventQuery
from onsale.catalog.schemas import full as event_full
from onsale.catalog.schemas import summary as event_summary
from onsale.catalog.season import Season
from onsale.catalog.service import Catalog
from onsale.catalog.tickit import FILES as TICKIT_FILES
from onsale.catalog.tickit import BadTickit
from onsale.catalog.tickit import read as read_tickit

__all__ = [
    "TICKIT_FILES",
    "BadTickit",
    "Catalog",
    "Chart",
    "Event",
    "EventQuery",
    "EventStatus",
    "Layout",
    "Listing",
    "NewEvent",
    "NewTier",
    "NewVenue",
    "RequireRole",
    "Season",
    "Tier",
    "controlled_event",
    "demo_season",
    "encode_chart",
    "event_full",
    "event_summary",
    "generate_chart",
    "parse_cursor",
    "parse_event_id",
    "read_tickit",
    "status_of",
]
