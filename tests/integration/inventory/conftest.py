"""A shop whose event of 60 places is on sale."""

import pytest
from tests.integration.inventory.opening import open_shop
from tests.integration.inventory.shop import Shop

from onsale.kit import db


@pytest.fixture
async def shop(database: db.Database, database_url: str) -> Shop:
    return await open_shop(database, database_url)
