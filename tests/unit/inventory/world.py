"""A small world in memory for the pure decisions, and a language of one line a step to tell stories in it.

The world stands in for the store: it hands out what the SQL would lock, writes what was decided, and after every step
checks what the schema and the invariants promise. A story reads `t+301 bob holds A1 -> held`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from onsale.inventory.model import (
    Ask,
    Buyer,
    Hold,
    HoldState,
    Locked,
    Refused,
    Sale,
    Seat,
    SeatState,
    Writes,
    decide_blocks,
    decide_confirmations,
    decide_expiries,
    decide_extensions,
    decide_holds,
    decide_releases,
    decide_returns,
    decide_unblocks,
)
from onsale.kit.ids import PersonKey

START = datetime(2027, 5, 1, 20, tzinfo=UTC)
SALE = Sale(
    seats=40,
    opens_at=START,
    closes_at=START + timedelta(hours=10),
    hold_s=300,
    seats_per_hold=4,
    seats_per_person=6,
    several_holds=False,
    called_off=False,
    stopped=False,
)
ROW_SEATS = 10


def person(name: str) -> PersonKey:
    return PersonKey(UUID(bytes=name.encode().ljust(16, b"\0")))


def seat_no(name: str) -> int:
    """A1 is seat 0, A10 seat 9, B1 seat 10."""
    return (ord(name[0]) - ord("A")) * ROW_SEATS + int(name[1:]) - 1


def seat_name(number: int) -> str:
    return f"{chr(ord('A') + number // ROW_SEATS)}{number % ROW_SEATS + 1}"


class World:
    """Rows as the tables have them. `now` is the shard's clock."""

    def __init__(self, sale: Sale = SALE) -> None:
        self.sale = sale
        self.now = START
        self.seats = {n: Seat(n, 0, n // ROW_SEATS + 1, SeatState.FREE, None, None) for n in range(sale.seats)}
        self.orders: dict[int, int] = {}
        self.buyers: dict[PersonKey, Buyer] = {}
        self.holds: dict[int, Hold] = {}
        self._last_id = 0

    def new_id(self) -> int:
        self._last_id += 1
        return self._last_id

    # -- the verbs, each lock, decide, write ---------------------------------------------------------------------------

    def hold(self, *asks: Ask) -> list[Hold | Refused]:
        known = [ask.person for ask in asks if ask.person in self.buyers]
        own = {hold_id for person in known for hold_id in self.buyers[person].holds}
        wanted = {n for ask in asks for n in ask.seats} | {n for hold_id in own for n in self.holds[hold_id].seats}
        seats = [
            seat
            for seat in self._known(wanted)
            if seat.free_to_take(self.now) or (seat.state is SeatState.HELD and seat.hold_id in own)
        ]
        answers, writes = decide_holds(asks, self.sale, self._locked(known, seats, own))
        self._write(writes)
        return answers

    def extend(self, hold_ids: Sequence[int], at_least_s: float = 60) -> list[Hold | None]:
        answers, writes = decide_extensions(hold_ids, at_least_s, self._locked_holds(hold_ids))
        self._write(writes)
        return answers

    def pay(self, hold_id: int, order_id: int) -> Hold | None:
        answers, writes = decide_confirmations({hold_id: order_id}, self._locked_holds([hold_id]))
        self._write(writes)
        return answers[hold_id]

    def release(self, hold_id: int) -> Hold | None:
        answers, writes = decide_releases([hold_id], self._locked_holds([hold_id]))
        self._write(writes)
        return answers[0]

    def take_back(self, who: PersonKey, order_id: int) -> int:
        seats = [self.seats[n] for n, order in sorted(self.orders.items()) if order == order_id]
        count, writes = decide_returns(self._locked([who], seats, ()))
        self._write(writes)
        return count

    def block(self, numbers: Sequence[int], blocked: bool) -> dict[int, SeatState] | Refused:
        decide = decide_blocks if blocked else decide_unblocks
        answers, writes = decide(numbers, self._locked((), self._known(set(numbers)), ()))
        self._write(writes)
        return answers

    def sweep(self) -> int:
        due = [h.hold_id for h in self.holds.values() if h.state is HoldState.ACTIVE and h.expires_at <= self.now]
        count, writes = decide_expiries(due, self._locked_holds(due))
        self._write(writes)
        return count

    # -- what the store does -------------------------------------------------------------------------------------------

    def _known(self, numbers: Iterable[int]) -> list[Seat]:
        return [self.seats[n] for n in sorted(numbers) if n in self.seats]

    def _locked(self, persons: Iterable[PersonKey], seats: Iterable[Seat], hold_ids: Iterable[int]) -> Locked:
        return Locked(
            self.now,
            {who: self.buyers[who] for who in persons},
            {seat.seat_no: seat for seat in seats},
            {hold_id: self.holds[hold_id] for hold_id in hold_ids if hold_id in self.holds},
        )

    def _locked_holds(self, hold_ids: Iterable[int]) -> Locked:
        holds = {hold_id: self.holds[hold_id] for hold_id in hold_ids if hold_id in self.holds}
        carried = [s for h in holds.values() for s in self._known(h.seats) if s.hold_id in holds]
        return self._locked({hold.person for hold in holds.values()}, carried, holds)

    def _write(self, writes: Writes) -> None:
        assert set(writes.change_nos) == set(writes.seats)
        for number, (state, hold_id, until, order_id) in writes.seats.items():
            before = self.seats[number]
            assert writes.change_nos[number] == before.change_no + 1, "once per changed seat and write"
            self.seats[number] = Seat(number, before.change_no + 1, before.tier, state, hold_id, until)
            self.orders.pop(number, None)
            if order_id is not None:
                self.orders[number] = order_id
        for hold in writes.new_holds:
            assert hold.hold_id not in self.holds
            self.holds[hold.hold_id] = hold
        assert set(writes.holds) <= set(self.holds) and set(writes.buyers) <= set(self.buyers)
        assert not set(writes.new_buyers) & set(self.buyers)
        self.holds.update(writes.holds)
        self.buyers.update(writes.buyers | writes.new_buyers)
        self.check()

    def check(self) -> None:
        """What the schema's constraints say, and that whoever has seats in hand really has every one of them."""
        for seat in self.seats.values():
            held, sold = seat.state is SeatState.HELD, seat.state is SeatState.SOLD
            assert held <= (seat.hold_id is not None) and held == (seat.held_until is not None)
            assert sold == (seat.seat_no in self.orders) and not (sold and seat.hold_id)
            assert seat.state is not SeatState.NOT_FOR_SALE or seat.hold_id is None
        for hold in self.holds.values():
            assert hold.expires_at <= hold.max_until
            if hold.state is HoldState.ACTIVE and hold.expires_at > self.now:
                seats = [self.seats[n] for n in hold.seats]
                assert all(s.hold_id == hold.hold_id and s.held_until == hold.expires_at for s in seats), (
                    "all or nothing"
                )
                assert hold.hold_id in self.buyers[hold.person].holds
        for buyer in self.buyers.values():
            assert 0 <= buyer.bought <= self.sale.seats_per_person and len(set(buyer.holds)) == len(buyer.holds)
        assert sum(buyer.bought for buyer in self.buyers.values()) == len(self.orders)


class Story:
    """Plays lines of `t+<seconds> <who> <does what> -> <answer>`; `&` joins what travels in one batch.

    `holds A1 B2 [key K [body B]]` · `extends|pays|releases [#n]`, the person's n-th hold, else the latest · `returns`,
    the seats of the latest order · `sweep` · `look A1 B2`, what others see · `changes A1`, the seat's change number ·
    `stop`, `go on`, the operator's word · `block A1 B2`, `unblock A1 B2`, the organiser's: how each seat stands then.
    """

    def __init__(self, sale: Sale = SALE) -> None:
        self.world = World(sale)
        self.made: dict[str, list[int]] = {}
        self.paid: dict[str, int] = {}

    def play(self, text: str) -> None:
        for line in filter(None, (line.strip() for line in text.splitlines())):
            said, _, expected = line.partition(" -> ")
            at, _, what = said.strip().partition(" ")
            self.world.now = START + timedelta(seconds=float(at.removeprefix("t+")))
            answer = " & ".join(self._step(what.strip()))
            assert answer == expected.strip(), f"{line}\n    but the answer was: {answer}"

    def _step(self, what: str) -> list[str]:
        words = what.split()
        if words[0] == "sweep":
            return [f"swept {self.world.sweep()}"]
        if words[0] in ("look", "changes"):
            seats = [self.world.seats[seat_no(name)] for name in words[1:]]
            return [" ".join(s.state.name.lower() if words[0] == "look" else str(s.change_no) for s in seats)]
        if words[0] in ("block", "unblock"):
            return [self._block(words[1:], words[0] == "block")]
        if words[0] in ("stop", "go"):
            self.world.sale = replace(self.world.sale, stopped=words[0] == "stop")
            return ["done"]
        if words[1] == "holds":
            return self._hold([part.split() for part in what.split(" & ")])
        return [self._settle(words[0], words[1], words[2:])]

    def _hold(self, parts: list[list[str]]) -> list[str]:
        asks = [self._ask(words) for words in parts]
        answers = self.world.hold(*asks)
        said = []
        for words, ask, answer in zip(parts, asks, answers, strict=True):
            if isinstance(answer, Refused):
                said.append(" ".join([answer.why, *map(seat_name, answer.seats)]))
            elif answer.hold_id == ask.hold_id:
                self.made.setdefault(words[0], []).append(ask.hold_id)
                said.append("held")
            else:
                said.append(f"has #{self.made[words[0]].index(answer.hold_id) + 1}")
        return said

    def _block(self, names: list[str], blocked: bool) -> str:
        answers = self.world.block([seat_no(name) for name in names], blocked)
        if isinstance(answers, Refused):
            return " ".join([answers.why, *map(seat_name, answers.seats)])
        words = {state: state.name.lower() for state in SeatState} | {SeatState.NOT_FOR_SALE: "blocked"}
        return " ".join(words[answers[seat_no(name)]] for name in names)

    def _ask(self, words: list[str]) -> Ask:
        names, _, rest = " ".join(words[2:]).partition(" key ")
        key, _, body = rest.partition(" body ")
        key_hash = (key.encode().ljust(16) + (body or names).encode().ljust(16)) if key else None
        return Ask(person(words[0]), tuple(map(seat_no, names.split())), self.world.new_id(), key_hash)

    def _settle(self, name: str, verb: str, which: list[str]) -> str:
        hold_id = self.made[name][int(which[0][1:]) - 1 if which else -1]
        if verb == "pays":
            order_id = self.world.new_id()
            if self.world.pay(hold_id, order_id) is None:
                return "hold_lost"
            self.paid[name] = order_id
            return "sold"
        if verb == "releases":
            return "had ended" if self.world.release(hold_id) is None else "released"
        if verb == "returns":
            return f"returned {self.world.take_back(person(name), self.paid[name])}"
        assert verb == "extends"
        [hold] = self.world.extend([hold_id])
        return "refused" if hold is None else f"until {(hold.expires_at - START).total_seconds():g}"
