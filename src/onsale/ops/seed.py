"""Fill an installation with a season: organisers, venues, drawn charts, events, and their seats on sale."""

from collections.abc import Callable
from dataclasses import dataclass

from onsale.catalog import Catalog, Season, generate_chart
from onsale.ops.sale import SaleControl

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class SeedReport:
    venues: int
    events: int
    seats: int


async def seed(
    catalog: Catalog, sales: SaleControl, season: Season, progress: Progress, on_sale_max: int | None = None
) -> SeedReport:
    """Create the season and put its events on sale: all of them, or as many as `on_sale_max` says, in their order."""
    organisers = {name: await organiser_named(catalog, name) for name in season.organisers}
    charts: list[tuple[int, str, tuple[str, ...]]] = []
    for done, planned in enumerate(season.venues):
        progress("venues", done, len(season.venues))
        venue_id = await catalog.create_venue(planned.venue)
        chart = generate_chart(planned.kind, planned.seats, planned.venue.name, seed=planned.seed)
        charts.append((venue_id, await catalog.add_chart(venue_id, chart), chart.zones))
    drafts = [event.draft(organisers[event.organiser], *charts[event.venue]) for event in season.events]
    event_ids = await catalog.create_events(drafts)
    seats = 0
    for done, (event_id, planned_event) in enumerate(zip(event_ids, season.events, strict=True)):
        progress("events", done, len(event_ids))
        if on_sale_max is None or done < on_sale_max:
            seats += await sales.put_on_sale(event_id)
        if planned_event.said is not None:
            await sales.say(event_id, planned_event.said)
    progress("events", len(event_ids), len(event_ids))
    return SeedReport(len(charts), len(event_ids), seats)


async def organiser_named(catalog: Catalog, name: str) -> int:
    """The organiser of that name, created if there is none."""
    known = await catalog.organiser_named(name)
    return known if known is not None else await catalog.create_organiser(name)
