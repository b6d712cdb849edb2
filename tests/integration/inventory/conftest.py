"""A shop whose event of 60 places is on sale, and two processes that sell it."""

from collections.abc import AsyncIterator

import pytest
from tests.integration.inventory.maps import healing, process, trusts, until
from tests.integration.inventory.opening import open_shop
from tests.integration.inventory.shop import Shop

from onsale.kit import db


@pytest.fixture
async def shop(database: db.Database, database_url: str) -> Shop:
    return await open_shop(database, database_url)


@pytest.fixture
async def pair(shop: Shop, database_url: str, redis_url: str) -> AsyncIterator[tuple[Shop, Shop]]:
    """Two processes in touch with Redis, and a healer beside the second."""
    async with (
        process(shop, database_url, redis_url) as one,
        process(shop, database_url, redis_url) as two,
        healing(two),
    ):
        await until(lambda: trusts(one) and trusts(two))
        yield one, two
