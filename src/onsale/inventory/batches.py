"""How requests for holds travel in batches, whatever they ask: the same bounds and the same second tries for all."""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import TypeVar

from onsale import limits
from onsale.kit import db
from onsale.kit.coalesce import Coalescer

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")


def collector(
    run: Callable[[Sequence[Ask]], Awaitable[Sequence[Answer | Exception]]],
    *,
    name: str,
    person_of: Callable[[Ask], Hashable] | None = None,
    refuse: Callable[[Ask], Exception | None] | None = None,
) -> Coalescer[Ask, Answer]:
    """A collector whose `run` may be repeated. `person_of`: a person's asks travel one at a time; without, together."""
    return Coalescer(
        run,
        name=name,
        batch_max=limits.HOLD_BATCH_MAX,
        queue_max=limits.HOLD_QUEUE_MAX,
        wait_max_s=limits.HOLD_WAIT_MAX_S,
        lane_of=person_of,
        lane_max=limits.HOLD_ASKS_PER_PERSON_MAX,
        refuse=refuse,
        # Also where the commit may have passed before the connection was lost.
        again=(db.Contended, db.DatabaseAway),
        tries_max=limits.HOLD_TRIES_MAX,
        again_within_s=limits.HOLD_AGAIN_WITHIN_S,
        hopeless=(db.DatabaseAway,),
        pace_s=limits.HOLD_PACE_S,
        busy_from=limits.HOLD_BUSY_ASKS_MIN,
    )
