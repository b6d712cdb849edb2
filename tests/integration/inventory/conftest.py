"""A shop whose event of 60 places is on sale."""

import pytest

from onsale.kit import db
from tests.integration.inventory.shop import Shop, open_shop


@pytest.fixture
async def shop(database: db.Database, database_url: str) -> Shop:
    return await open_shop(database, database_url)
