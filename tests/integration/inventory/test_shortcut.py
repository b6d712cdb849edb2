"""The shortcut over Redis: who wants taken seats hears no without PostgreSQL, and nobody hears a wrong no."""

import pytest
from tests.integration.inventory.maps import healing, process, refused, trusts, until

from onsale.inventory.errors import SeatsTaken
from onsale.kit.ids import new_person

pytestmark = pytest.mark.anyio

ANN, BOB = new_person(), new_person()


@pytest.fixture
async def pair(shop, database_url, redis_url):
    """Two processes in touch with Redis, and a healer beside the second."""
    async with (
        process(shop, database_url, redis_url) as one,
        process(shop, database_url, redis_url) as two,
        healing(two),
    ):
        await until(lambda: trusts(one) and trusts(two))
        yield one, two


async def test_taken_seats_are_refused_without_postgresql(pair):
    one, two = pair
    await one.hold(ANN, 1, 2)
    await until(lambda: refused(two, BOB, 2, 3) == [2])
    await two.database.close()
    with pytest.raises(SeatsTaken) as answer:
        await two.hold(BOB, 1, 2, 3)
    assert answer.value.extra == {"taken": [1, 2]}
