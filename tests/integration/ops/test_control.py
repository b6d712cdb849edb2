"""Who may control a sale, and how its event is named."""

import httpx
import pytest
from tests.integration.world import World, refused, world

pytestmark = pytest.mark.anyio


@pytest.fixture
async def shop(database_url, redis_url, tmp_path):
    async with world(database_url, redis_url, tmp_path) as made:
        yield made


async def somebody(shop: World, role: str) -> dict[str, str]:
    account = await shop.house.accounts.grant(f"{role}@example.org", role)
    token, _ = shop.house.accounts._sessions.start(account.person, account.email, account.roles)
    return {"Authorization": f"Bearer {token}"}


async def test_a_sale_and_its_event_are_controlled_by_the_same_people(shop: World):
    event = f"/api/v1/events/{shop.event}"

    async def both(headers: dict[str, str]) -> list[httpx.Response]:
        sale = await shop.client.post(f"{event}/sale", json={"action": "stop"}, headers=headers)
        return [sale, await shop.client.patch(event, json={"said": "POSTPONED"}, headers=headers)]

    for answer in await both({}):
        refused(answer, 401, "session_required")
    for answer in await both(await somebody(shop, "fan")):
        refused(answer, 403, "role_required")
    for answer in await both(await somebody(shop, "organiser")):
        refused(answer, 403, "not_your_event")
    for answer in await both(await somebody(shop, "operator")):
        assert answer.status_code == 200, answer.text


async def test_the_api_names_an_event_by_its_digits_and_pages_by_its_slug_too(shop: World):
    ann, operator = await shop.fan(), await somebody(shop, "operator")
    for event in (f"{shop.event}-rusalka", f"0{shop.event}"):
        path = f"/api/v1/events/{event}"
        refused(await ann.get(path), 404, "event_not_found")
        refused(await ann.get(f"{path}/availability"), 404, "event_not_found")
        refused(await ann.get(f"{path}/holds/mine"), 404, "event_not_found")
        refused(await ann.post(f"{path}/holds", {"seats": [1]}), 404, "event_not_found")
        sale = await shop.client.post(f"{path}/sale", json={"action": "stop"}, headers=operator)
        refused(sale, 404, "event_not_found")
    assert (await ann.get(f"/events/{shop.event}-rusalka")).status_code == 200
    assert (await ann.get(f"/events/{shop.event}-another")).status_code == 308
