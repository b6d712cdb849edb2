"""A seed that is interrupted, wherever, is finished by the next one, and nothing is there twice."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.integration.inventory.opening import DAY, sales_of
from tests.integration.inventory.shop import Shop, in_one_process

from onsale import cli
from onsale.catalog import Season, demo_season
from onsale.config import Settings
from onsale.kit import clock, db
from onsale.ops import SaleControl, SeedMark, seed

pytestmark = pytest.mark.anyio

SMALL_SEATS_MAX = 1_000


class CutShort(Exception):
    """Ctrl-C, as it shows in the middle of a seed."""


def small(days: int = 0) -> Season:
    """Some small venues of the demo season with their events, one of them cancelled or postponed, as laid that day."""
    whole = demo_season(clock.utcnow() + timedelta(days=days))
    places = [number for number, venue in enumerate(whole.venues) if venue.seats <= SMALL_SEATS_MAX][:3]
    events = [replace(event, venue=places.index(event.venue)) for event in whole.events if event.venue in places]
    doubled = replace(events[0], starts_at=events[0].starts_at + DAY, ends_at=events[0].ends_at + DAY)
    return Season(tuple(whole.venues[number] for number in places), (*events, doubled))


async def plant(shop: Shop, season: Season, steps_max: int | None = None) -> int:
    """Seats put on sale by a seed, or by one that ends in the middle of its nth step."""
    steps = 0

    def step(what: str, done: int, of: int) -> None:
        nonlocal steps
        steps += 1
        if steps_max is not None and steps > steps_max:
            raise CutShort(f"{what} {done} of {of}")

    return (await seed(shop.catalog, sales_of(shop), season, step)).seats


async def test_a_seed_interrupted_at_any_step_is_finished_by_the_next(database: db.Database, database_url: str):
    season, shop = small(), in_one_process(database, database_url)
    steps = len(season.venues) + len(season.events)
    for steps_max in range(steps):
        with pytest.raises(CutShort):
            await plant(shop, small(days=steps_max % 2), steps_max)
    await plant(shop, season)
    rows = await shop.rows("SELECT slug, on_sale, said FROM event ORDER BY event_id")
    drafts = Counter(event.title for event in season.events)
    assert len(rows) == len(season.events), "each event once"
    assert sorted(Counter(row[0] for row in rows).values()) == sorted(drafts.values())
    assert all(row[1] for row in rows), "every event is on sale"
    assert [row[2] for row in rows] == [event.said for event in season.events], "the organisers' words were kept"
    [[venues, charts]] = await shop.rows("SELECT (SELECT count(*) FROM venue), (SELECT count(*) FROM chart)")
    assert venues == charts == len(season.venues)
    assert (
        await shop.rows("SELECT 1 FROM sale JOIN event ON shard_id = 64 * event_id WHERE called_off = (said IS NULL)")
        == []
    )


async def test_a_seed_that_is_finished_changes_nothing_when_it_is_repeated(database: db.Database, database_url: str):
    season, shop = small(), in_one_process(database, database_url)
    said = next(number for number, event in enumerate(season.events) if event.said)
    assert await plant(shop, season) > 0
    event_ids = [row[0] for row in await shop.rows("SELECT event_id FROM event ORDER BY event_id")]
    await sales_of(shop).say(event_ids[said], None)
    assert await plant(shop, small(days=1)) == 0
    assert await shop.rows("SELECT 1 FROM event WHERE event_id = %(said)s AND said IS NULL", said=event_ids[said])
    assert len(await shop.rows("SELECT 1 FROM event")) == len(event_ids)


async def test_a_start_goes_on_with_a_seed_that_an_earlier_one_left(
    database_url: str, redis_url: str, database: db.Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """What `onsale up` does after it was ended among the events: they are all there, and not all on sale."""
    shop, season = in_one_process(database, database_url), small()
    settings = Settings(database_url=database_url, redis_url=redis_url, secret_key="s" * 32, data_dir=tmp_path)
    monkeypatch.setattr(cli, "demo_season", lambda now: season)
    whole, left = SaleControl.put_on_sale, 2

    async def cut_short(sales: SaleControl, event_id: int) -> int:
        nonlocal left
        left -= 1
        if left < 0:
            raise CutShort
        return await whole(sales, event_id)

    with monkeypatch.context() as patched:
        patched.setattr(SaleControl, "put_on_sale", cut_short)
        with pytest.raises(CutShort):
            await cli._seed_if_empty(settings)
    assert not await shop.catalog.is_empty()
    await cli._seed_if_empty(settings)
    assert await shop.rows("SELECT 1 FROM event WHERE NOT on_sale") == []
    assert len(await shop.rows("SELECT 1 FROM sale")) == len(season.events)
    assert not SeedMark(tmp_path)


def test_the_mark_of_a_seed_outlives_the_process(tmp_path: Path):
    assert not SeedMark(tmp_path)
    SeedMark(tmp_path).begin()
    assert SeedMark(tmp_path)
    SeedMark(tmp_path).end()
    SeedMark(tmp_path).end()
    assert not SeedMark(tmp_path)
