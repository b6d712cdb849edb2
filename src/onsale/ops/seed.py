"""Fill an installation with a season: organisers, venues, drawn charts, events, and their seats on sale.

Every step looks first whether it was done before. A seed that was interrupted, wherever, is finished by another.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from onsale.catalog import Catalog, EventStatus, NewVenue, Season, generate_chart
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
    """Create the season and put its events on sale: all of them, or as many as `on_sale_max` says, in their order.

    What is there already is left as it is. The report counts seats that were put on sale now.
    """
    organisers = {name: await organiser_named(catalog, name) for name in season.organisers}
    charts: list[tuple[int, str, tuple[str, ...]]] = []
    for done, planned in enumerate(season.venues):
        progress("venues", done, len(season.venues))
        venue_id = await _venue(catalog, planned.venue)
        chart = generate_chart(planned.kind, planned.seats, planned.venue.name, seed=planned.seed)
        charts.append((venue_id, await catalog.add_chart(venue_id, chart), chart.zones))
    drafts = [event.draft(organisers[event.organiser], *charts[event.venue]) for event in season.events]
    event_ids = await catalog.add_events(drafts)
    seats = 0
    for done, (event_id, planned_event) in enumerate(zip(event_ids, season.events, strict=True)):
        progress("events", done, len(event_ids))
        sold = on_sale_max is None or done < on_sale_max
        seats += await _open(catalog, sales, event_id, planned_event.said, sold=sold)
    progress("events", len(event_ids), len(event_ids))
    return SeedReport(len(charts), len(event_ids), seats)


async def _venue(catalog: Catalog, venue: NewVenue) -> int:
    known = await catalog.venue_named(venue)
    return known if known is not None else await catalog.create_venue(venue)


async def _open(catalog: Catalog, sales: SaleControl, event_id: int, said: EventStatus | None, *, sold: bool) -> int:
    """How many seats were laid down. An event on sale is finished: by now its organiser may have said something else.

    So the organiser's word comes first. The other way round, an interruption between the two would lose it.
    """
    event = await catalog.event(event_id)
    if event.on_sale:
        return 0
    if said is not None:
        await sales.say(event_id, said)
    return await sales.put_on_sale(event_id) if sold else 0


class SeedMark:
    """A file in the data folder that says: a seed has begun here and is not finished.

    The events are there before the last of them is on sale, so the tables alone cannot tell.
    """

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "seed.unfinished"

    def __bool__(self) -> bool:
        return self._path.exists()

    def begin(self) -> None:
        self._path.touch(mode=0o600)

    def end(self) -> None:
        self._path.unlink(missing_ok=True)


async def organiser_named(catalog: Catalog, name: str) -> int:
    """The organiser of that name, created if there is none."""
    known = await catalog.organiser_named(name)
    return known if known is not None else await catalog.create_organiser(name)
