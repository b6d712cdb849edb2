"""Seeds of the simulation, and its negative control: processes that are careless are found out."""

from collections.abc import Iterator

import pytest
from tests.simulation.plan import Kind
from tests.simulation.simulation import Servers, simulate

from onsale.kit import chance

pytestmark = pytest.mark.anyio

# Long enough for a fault of every kind, short enough to be run at every change. More: `python -m tests.simulation`.
SECONDS = 8.0


@pytest.fixture(scope="module")
def own_servers() -> Iterator[Servers]:
    with Servers.started() as servers:
        yield servers


@pytest.mark.parametrize("run", [1, 2])
async def test_whatever_fails_no_seat_is_given_twice_no_hold_is_lost_and_nobody_is_refused_falsely(own_servers, run):
    ended = await simulate(own_servers, chance.fresh_seed(), SECONDS)
    print(ended.counted, ended.judgement)
    assert not ended.bugs, ended.bugs[0]
    assert ended.judgement.good, ended.judgement.examples
    assert not ended.broken
    assert ended.judgement.held > 20 and ended.judgement.taken > 20, "too little was played to say anything"
    assert sum(ended.counted[f"fault {kind}"] for kind in Kind) > 3


async def test_careless_processes_are_found_out(own_servers):
    """Negative control: one hold in eight is stolen, one is never written, and one in eight is refused unseen."""
    for _ in range(6):  # In about one run in four a free seat happens never to be refused.
        ended = await simulate(own_servers, chance.fresh_seed(), 4.0, careless=True)
        print(ended.counted, ended.judgement)
        found = ended.judgement
        told = any("change_not_told" in broken for broken in ended.broken)
        if found.double and found.lost and found.false_taken and told:
            return
    raise AssertionError("no run showed all that careless processes do")
