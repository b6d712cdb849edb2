"""Who may sit where: the one place where the truth about seats is decided. Pure: no I/O, no clock, no chance.

Every verb is lock, decide, write. The store locks rows (buyers, then seats in key order, then holds) and hands them to
a `decide_*` function here, which says who wins and collects what to write; the store writes exactly that.

What is made by the thousand a second is a msgspec.Struct: a frozen dataclass takes eight times as long to make.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from msgspec import Struct
from msgspec.structs import replace

from onsale.kit.ids import PersonKey, ShardId
from onsale.limits import HOLD_EXTENSION_MAX_S


class SeatState(IntEnum):
    FREE = 0
    HELD = 1
    SOLD = 2
    NOT_FOR_SALE = 3


class HoldState(IntEnum):
    ACTIVE = 1
    RUN_OUT = 2
    RELEASED = 3
    REPLACED = 4
    SOLD = 5


OPEN_HOLDS = (HoldState.ACTIVE, HoldState.RUN_OUT)
"""States in which the owner may still complete, as long as every seat still carries the hold."""


class Refusal(StrEnum):
    """Why seats were not held, in the order in which reasons are looked for."""

    KEY_REUSED = "idempotency_key_reused"
    STOPPED = "sale_stopped"
    NOT_OPEN = "sale_not_open"
    ENDED = "sale_ended"
    TOO_MANY = "too_many_seats"
    UNKNOWN_SEAT = "unknown_seat"
    PERSON_LIMIT = "person_limit"
    TAKEN = "seats_taken"


@dataclass(frozen=True, slots=True)
class Sale:
    """What a shard's sale allows. `hold_s` in seconds."""

    seats: int
    opens_at: datetime
    closes_at: datetime
    hold_s: int
    seats_per_hold: int
    seats_per_person: int
    several_holds: bool
    called_off: bool
    stopped: bool


class Seat(Struct, frozen=True):
    seat_no: int
    change_no: int
    tier: int
    state: SeatState
    hold_id: int | None
    held_until: datetime | None

    def free_to_take(self, now: datetime) -> bool:
        """Free, or held by a hold past its deadline, swept or not."""
        return self.state is SeatState.FREE or (
            self.state is SeatState.HELD and self.held_until is not None and self.held_until <= now
        )


class Buyer(Struct, frozen=True):
    person: PersonKey
    bought: int = 0
    holds: tuple[int, ...] = ()


class Hold(Struct, frozen=True):
    hold_id: int
    person: PersonKey
    state: HoldState
    seats: tuple[int, ...]
    tiers: tuple[int, ...]
    expires_at: datetime
    max_until: datetime
    key_hash: bytes | None = None


class HoldView(Struct, frozen=True):
    """A hold as its owner sees it. `whole`: no seat of it is lost; `now`: the shard's time."""

    shard_id: ShardId
    hold: Hold
    whole: bool
    now: datetime


class Ask(Struct, frozen=True):
    """One request for seats. `hold_id` is the id the hold will have; `key_hash` 16 bytes of key, 16 of body."""

    person: PersonKey
    seats: tuple[int, ...]
    hold_id: int
    key_hash: bytes | None = None


class Own(Struct, frozen=True):
    """What a person says of a hold: that it is theirs, and so theirs to settle."""

    hold_id: int
    person: PersonKey


class Refused(Struct, frozen=True):
    why: Refusal
    seats: tuple[int, ...] = ()


@dataclass(slots=True)
class Locked:
    """The rows a decision may depend on, locked, as of the shard's `now`. Seats stay up to date within a batch.

    A person who is no buyer yet has no row to lock: two batches that both add it meet at its key, and one begins anew.
    """

    now: datetime
    buyers: dict[PersonKey, Buyer]
    seats: dict[int, Seat]
    holds: dict[int, Hold]


NewSeat = tuple[SeatState, int | None, datetime | None, int | None]
"""The new form of a seat: state, hold_id, held_until, order_id."""


@dataclass(slots=True)
class Writes:
    """What a decision changes: the new form of each row, and which seats changed hands how."""

    seats: dict[int, NewSeat] = field(default_factory=dict)
    buyers: dict[PersonKey, Buyer] = field(default_factory=dict)
    new_buyers: dict[PersonKey, Buyer] = field(default_factory=dict)
    new_holds: list[Hold] = field(default_factory=list)
    holds: dict[int, Hold] = field(default_factory=dict)
    change_nos: dict[int, int] = field(default_factory=dict)

    def seat(
        self, seat: Seat, state: SeatState, hold_id: int | None, until: datetime | None, order_id: int | None
    ) -> None:
        """Give a seat its new form. The last word on a seat counts, and its change number rises once."""
        self.seats[seat.seat_no] = (state, hold_id, until, order_id)
        self.change_nos[seat.seat_no] = seat.change_no + 1

    def by_state(self) -> dict[SeatState, list[tuple[int, int]]]:
        """[seat_no, change_no] of the changed seats, in seat order, by the state they came into."""
        found: dict[SeatState, list[tuple[int, int]]] = {}
        for seat_no in sorted(self.seats):
            found.setdefault(self.seats[seat_no][0], []).append((seat_no, self.change_nos[seat_no]))
        return found


def decide_holds(asks: Sequence[Ask], sale: Sale, locked: Locked) -> tuple[list[Hold | Refused], Writes]:
    """Answer a batch, ask by ask in the order they came: the hold each has now, or why not.

    Each decision sees what the ones before it in the batch have changed, as if it had come in a transaction of its own;
    so who wants a seat that was just won is refused at once. A person has one ask in a batch at most.
    """
    writes = Writes()
    until = locked.now + timedelta(seconds=sale.hold_s)
    return [_decide_hold(ask, sale, until, locked, writes) for ask in asks], writes


def _decide_hold(ask: Ask, sale: Sale, until: datetime, locked: Locked, writes: Writes) -> Hold | Refused:
    buyer = locked.buyers.get(ask.person) or Buyer(ask.person)
    own = [locked.holds[hold_id] for hold_id in buyer.holds if hold_id in locked.holds]
    repeated = _repeated(ask, own, locked)
    if repeated is not None:
        return repeated
    if refusal := _sale_refuses(ask, sale, locked.now):
        return refusal
    kept = [hold for hold in own if sale.several_holds and in_hand(hold, locked.now)]
    if buyer.bought + sum(len(hold.seats) for hold in kept) + len(ask.seats) > sale.seats_per_person:
        return Refused(Refusal.PERSON_LIMIT)
    given_up = {hold.hold_id for hold in own} - {hold.hold_id for hold in kept}
    if taken := _taken(ask, locked, given_up):
        return Refused(Refusal.TAKEN, taken)
    # After this point it must succeed.
    for hold in own:
        if hold.hold_id in given_up:
            _give_back(hold, HoldState.REPLACED, locked, writes)
    return _take(ask, until, buyer, kept, locked, writes)


def _repeated(ask: Ask, own: Iterable[Hold], locked: Locked) -> Hold | Refused | None:
    """The answer to a request that was already answered: by its key, or because it asks for what is already held."""
    for hold in own:
        if ask.key_hash and hold.key_hash and hold.key_hash[:16] == ask.key_hash[:16]:
            return hold if hold.key_hash == ask.key_hash else Refused(Refusal.KEY_REUSED)
    for hold in own:
        if set(hold.seats) == set(ask.seats) and in_hand(hold, locked.now):
            return hold
    return None


def in_hand(hold: Hold, now: datetime) -> bool:
    """Whether its time is not over. The clock says so, never the sweep: the answer is the same, swept or not."""
    return hold.state is HoldState.ACTIVE and hold.expires_at > now


def _sale_refuses(ask: Ask, sale: Sale, now: datetime) -> Refused | None:
    if sale.called_off or sale.stopped:
        return Refused(Refusal.STOPPED)
    if now < sale.opens_at:
        return Refused(Refusal.NOT_OPEN)
    if now >= sale.closes_at:
        return Refused(Refusal.ENDED)
    if len(ask.seats) > sale.seats_per_hold:
        return Refused(Refusal.TOO_MANY)
    unknown = tuple(seat_no for seat_no in ask.seats if not 0 <= seat_no < sale.seats)
    return Refused(Refusal.UNKNOWN_SEAT, unknown) if unknown else None


def _taken(ask: Ask, locked: Locked, given_up: set[int]) -> tuple[int, ...]:
    """Which of the seats somebody else has. What the person gives up in the same step counts as free."""
    taken = []
    for seat_no in ask.seats:
        seat = locked.seats.get(seat_no)
        mine = seat is not None and seat.state is SeatState.HELD and seat.hold_id in given_up
        if seat is None or not (mine or seat.free_to_take(locked.now)):
            taken.append(seat_no)
    return tuple(taken)


def _take(ask: Ask, until: datetime, buyer: Buyer, kept: list[Hold], locked: Locked, writes: Writes) -> Hold:
    hold = Hold(
        ask.hold_id,
        ask.person,
        HoldState.ACTIVE,
        ask.seats,
        tuple(locked.seats[seat_no].tier for seat_no in ask.seats),
        expires_at=until,
        max_until=until + timedelta(seconds=HOLD_EXTENSION_MAX_S),
        key_hash=ask.key_hash,
    )
    for seat_no in ask.seats:
        _change(locked.seats[seat_no], SeatState.HELD, hold.hold_id, until, locked, writes)
    writes.new_holds.append(hold)
    known = writes.buyers if buyer.person in locked.buyers else writes.new_buyers
    known[buyer.person] = Buyer(buyer.person, buyer.bought, (*(other.hold_id for other in kept), hold.hold_id))
    return hold


def _change(
    seat: Seat, state: SeatState, hold_id: int | None, until: datetime | None, locked: Locked, writes: Writes
) -> None:
    """Write a seat's new form, and show it to the decisions that follow. It is written once, so it counts once."""
    writes.seat(seat, state, hold_id, until, None)
    locked.seats[seat.seat_no] = Seat(seat.seat_no, seat.change_no, seat.tier, state, hold_id, until)


def _carried(hold: Hold, locked: Locked) -> list[Seat]:
    """The hold's seats that still carry it: nobody else has taken them, whatever the clock says."""
    seats = (locked.seats.get(seat_no) for seat_no in hold.seats)
    return [seat for seat in seats if seat is not None and seat.hold_id == hold.hold_id]


def whole(hold: Hold | None, locked: Locked) -> bool:
    """Whether the owner may still complete: an open hold that every one of its seats still carries."""
    return hold is not None and hold.state in OPEN_HOLDS and len(_carried(hold, locked)) == len(hold.seats)


def _give_back(hold: Hold, state: HoldState, locked: Locked, writes: Writes) -> None:
    """End a hold and free what still carries it; what somebody in the same batch has just taken does not."""
    for seat in _carried(hold, locked):
        _change(seat, SeatState.FREE, None, None, locked, writes)
    writes.holds[hold.hold_id] = with_state(hold, state)


def with_state(hold: Hold, state: HoldState, expires_at: datetime | None = None) -> Hold:
    """The same hold in another state, and with another deadline where one is given."""
    return replace(hold, state=state, expires_at=expires_at or hold.expires_at)


def is_owner(ask: Own, locked: Locked) -> bool:
    """Whether there is such a hold, and of that person."""
    hold = locked.holds.get(ask.hold_id)
    return hold is not None and hold.person == ask.person


def owned(asks: Iterable[Own], locked: Locked) -> list[int]:
    """The holds whose owners ask, each once: a double click asks twice. What others have locked by asking stays."""
    return list(dict.fromkeys(ask.hold_id for ask in asks if is_owner(ask, locked)))


def decide_extensions(hold_ids: Sequence[int], at_least_s: float, locked: Locked) -> tuple[list[Hold | None], Writes]:
    """Give each whole hold at least that long from now; None for one that is lost or has no time left to give.

    A hold that had run out comes back to life: the seats were free to take, and nobody took them.
    """
    writes = Writes()
    wanted = locked.now + timedelta(seconds=at_least_s)
    answers: list[Hold | None] = []
    for hold_id in hold_ids:
        hold = locked.holds.get(hold_id)
        if hold is None or not whole(hold, locked) or hold.max_until < wanted:
            answers.append(None)
            continue
        extended = with_state(hold, HoldState.ACTIVE, max(hold.expires_at, wanted))
        for seat in _carried(hold, locked):
            writes.seat(seat, SeatState.HELD, hold_id, extended.expires_at, None)
        writes.holds[hold_id] = extended
        answers.append(extended)
    return answers, writes


def decide_confirmations(orders: Mapping[int, int], locked: Locked) -> tuple[dict[int, Hold | None], Writes]:
    """Sell the seats of each hold (hold -> order), by ownership; None for a hold that lost a seat meanwhile."""
    writes = Writes()
    answers: dict[int, Hold | None] = {}
    for hold_id, order_id in orders.items():
        hold = locked.holds.get(hold_id)
        if hold is None or not whole(hold, locked):
            answers[hold_id] = None
            continue
        for seat in _carried(hold, locked):
            writes.seat(seat, SeatState.SOLD, None, None, order_id)
        answers[hold_id] = writes.holds[hold_id] = with_state(hold, HoldState.SOLD)
        _off_the_buyer(hold, len(hold.seats), locked, writes)
    return answers, writes


def decide_releases(hold_ids: Sequence[int], locked: Locked) -> tuple[list[Hold | None], Writes]:
    """Let go of each open hold; None for one that had ended already."""
    writes = Writes()
    answers: list[Hold | None] = []
    for hold_id in hold_ids:
        hold = locked.holds.get(hold_id)
        if hold is None or hold.state not in OPEN_HOLDS:
            answers.append(None)
            continue
        _give_back(hold, HoldState.RELEASED, locked, writes)
        _off_the_buyer(hold, 0, locked, writes)
        answers.append(writes.holds[hold_id])
    return answers, writes


def decide_returns(locked: Locked) -> tuple[int, Writes]:
    """Put sold seats back on sale: their order was never paid in the end. How many seats that were."""
    writes = Writes()
    for seat in locked.seats.values():
        writes.seat(seat, SeatState.FREE, None, None, None)
    for buyer in locked.buyers.values():
        writes.buyers[buyer.person] = Buyer(buyer.person, buyer.bought - len(locked.seats), buyer.holds)
    return len(locked.seats), writes


def decide_blocks(seat_nos: Sequence[int], locked: Locked) -> tuple[dict[int, SeatState] | Refused, Writes]:
    """Take seats off sale: as many as possible, for a stand that is closed in mid-sale keeps what is already given.

    Answers how each seat stands then; only an unknown seat refuses the whole. A seat that is held or sold is not
    touched. One whose hold has run out is taken like by anybody else: its owner can no longer complete.
    """
    writes = Writes()
    if refused := _unknown(seat_nos, locked):
        return refused, writes
    for seat in (locked.seats[seat_no] for seat_no in seat_nos):
        if seat.free_to_take(locked.now):
            _change(seat, SeatState.NOT_FOR_SALE, None, None, locked, writes)
    return _as_seen(seat_nos, locked), writes


def decide_unblocks(seat_nos: Sequence[int], locked: Locked) -> tuple[dict[int, SeatState] | Refused, Writes]:
    """Put blocked seats back on sale; all others are left as they are. Answers like `decide_blocks`."""
    writes = Writes()
    if refused := _unknown(seat_nos, locked):
        return refused, writes
    for seat in (locked.seats[seat_no] for seat_no in seat_nos):
        if seat.state is SeatState.NOT_FOR_SALE:
            _change(seat, SeatState.FREE, None, None, locked, writes)
    return _as_seen(seat_nos, locked), writes


def _unknown(seat_nos: Iterable[int], locked: Locked) -> Refused | None:
    unknown = tuple(seat_no for seat_no in seat_nos if seat_no not in locked.seats)
    return Refused(Refusal.UNKNOWN_SEAT, unknown) if unknown else None


def _as_seen(seat_nos: Iterable[int], locked: Locked) -> dict[int, SeatState]:
    """How seats stand for whoever asks now: one whose hold has run out is free."""
    seats = (locked.seats[seat_no] for seat_no in seat_nos)
    return {seat.seat_no: SeatState.FREE if seat.free_to_take(locked.now) else seat.state for seat in seats}


def decide_expiries(hold_ids: Sequence[int], locked: Locked) -> tuple[int, Writes]:
    """Show the seats of holds past their deadline as free; how many holds that were.

    The seats keep naming the hold, and the buyer keeps the hold: until somebody takes one of the seats, or the person
    asks for others, its owner may still complete.
    """
    writes = Writes()
    for hold_id in hold_ids:
        hold = locked.holds.get(hold_id)
        if hold is None or hold.state is not HoldState.ACTIVE or hold.expires_at > locked.now:
            continue
        for seat in _carried(hold, locked):
            writes.seat(seat, SeatState.FREE, hold_id, None, None)
        writes.holds[hold_id] = with_state(hold, HoldState.RUN_OUT)
    return len(writes.holds), writes


def _off_the_buyer(hold: Hold, bought: int, locked: Locked, writes: Writes) -> None:
    """The hold is no longer the buyer's; `bought` seats are."""
    before = writes.buyers.get(hold.person) or locked.buyers[hold.person]
    holds = tuple(hold_id for hold_id in before.holds if hold_id != hold.hold_id)
    writes.buyers[hold.person] = Buyer(hold.person, before.bought + bought, holds)
