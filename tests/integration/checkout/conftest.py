"""One world for each test of checkout."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integration.world import Fan, World, world


@pytest.fixture
async def shop(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """A house with sixty seats on sale."""
    async with world(database_url, redis_url, tmp_path) as made:
        yield made


@pytest.fixture
async def ann(shop: World) -> Fan:
    return await shop.fan()


@pytest.fixture
async def bob(shop: World) -> Fan:
    return await shop.fan()
