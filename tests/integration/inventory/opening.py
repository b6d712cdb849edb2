"""Opening a shop: an event laid down for sale through the catalogue's own door, as an operator does it."""

from datetime import datetime, timedelta
from typing import Any

from tests.integration.inventory.shop import Shop, in_one_process
from tests.unit.inventory.hall import HALL

from onsale.catalog import Chart, NewEvent, NewVenue
from onsale.catalog.season import priced
from onsale.kit import clock, db
from onsale.ops import SaleControl

DAY = timedelta(days=1)


def sales_of(shop: Shop) -> SaleControl:
    return SaleControl(shop.database, shop.catalog, shop.inventory)


async def open_shop(database: db.Database, database_url: str, chart: Chart = HALL, **changes: Any) -> Shop:
    """An organiser, a venue, its chart, an event, and the event on sale, opened a day ago."""
    shop = in_one_process(database, database_url)
    organiser_id = await shop.catalog.create_organiser("Alder Trust")
    venue = NewVenue(name=chart.name, city="Lyon", country="FR", timezone="Europe/Paris")
    venue_id = await shop.catalog.create_venue(venue)
    chart_hash = await shop.catalog.add_chart(venue_id, chart)
    now: datetime = clock.utcnow()
    draft: dict[str, Any] = {
        "genre": "Jazz",
        "title": "Trio",
        "starts_at": now + 7 * DAY,
        "ends_at": now + 7 * DAY + DAY / 12,
        "opens_at": now - DAY,
        "closes_at": now + 7 * DAY,
        "currency": "EUR",
        "tiers": priced(chart.zones, 6000, 2000),
    } | changes
    event = NewEvent(organiser_id=organiser_id, venue_id=venue_id, chart_hash=chart_hash, **draft)
    opened = in_one_process(database, database_url, await shop.catalog.create_event(event))
    assert await sales_of(opened).put_on_sale(opened.event_id) == chart.seats
    return opened
