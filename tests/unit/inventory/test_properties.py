"""The decisions against a reference of plain dictionaries, over any course of asks, payments, blocks, sweeps and time.

No seat has two owners, a hold is all or nothing, and nobody is told "taken" of a seat that is free.
"""

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from tests.unit.inventory.world import SALE, START, World, person

from onsale.inventory.model import Ask, Refused, SeatState

NAMES = ("ann", "bob", "cat")
SMALL = replace(SALE, seats=6, hold_s=100, seats_per_hold=3, seats_per_person=4)
BOUND_S = 300
# Explaining a failure takes longer than finding it, and the shortest course of it says enough.
PHASES = (Phase.reuse, Phase.generate, Phase.shrink)


@dataclass
class Reference:
    """Who has what, in seconds: no batches, sweep, change numbers or rows. `owner` is whoever took a seat last."""

    several: bool
    now: int = 0
    owner: dict[int, int] = field(default_factory=dict)
    sold: dict[int, str] = field(default_factory=dict)
    blocked: set[int] = field(default_factory=set)
    until: dict[int, int] = field(default_factory=dict)
    bound: dict[int, int] = field(default_factory=dict)
    seats: dict[int, frozenset[int]] = field(default_factory=dict)
    mine: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in NAMES})

    def lives(self, hold):
        return self.until[hold] > self.now

    def whole(self, name, hold):
        return hold in self.mine[name] and all(self.owner.get(seat) == hold for seat in self.seats[hold])

    def ask(self, name, wanted, new):
        for hold in self.mine[name]:
            if self.lives(hold) and self.seats[hold] == set(wanted):
                return hold
        kept = [hold for hold in self.mine[name] if self.several and self.lives(hold)]
        bought = sum(buyer == name for buyer in self.sold.values())
        if bought + sum(len(self.seats[hold]) for hold in kept) + len(wanted) > SMALL.seats_per_person:
            return "person_limit"
        given_up = set(self.mine[name]) - set(kept)
        gone = self.blocked | set(self.sold)
        taken = [s for s in wanted if s in gone or (self.busy(s) and self.owner[s] not in given_up)]
        if taken:
            return taken
        self.forget(name, given_up)
        self.mine[name].append(new)
        self.seats[new], self.until[new] = frozenset(wanted), self.now + SMALL.hold_s
        self.bound[new] = self.until[new] + BOUND_S
        self.owner.update(dict.fromkeys(wanted, new))
        return new

    def busy(self, seat):
        return seat in self.owner and self.lives(self.owner[seat])

    def forget(self, name, holds):
        self.mine[name] = [hold for hold in self.mine[name] if hold not in holds]
        self.owner = {seat: hold for seat, hold in self.owner.items() if hold not in holds}

    def stands(self, seat):
        gone = {SeatState.SOLD: seat in self.sold, SeatState.NOT_FOR_SALE: seat in self.blocked}
        gone[SeatState.HELD] = self.busy(seat)
        return next((state for state, so in gone.items() if so), SeatState.FREE)

    def block(self, seat):
        if self.stands(seat) is SeatState.FREE:
            self.blocked.add(seat)
            self.owner.pop(seat, None)

    def extend(self, name, hold):
        if not self.whole(name, hold) or self.now + 60 > self.bound[hold]:
            return None
        self.until[hold] = max(self.until[hold], self.now + 60)
        return self.until[hold]

    def pay(self, name, hold):
        if not self.whole(name, hold):
            return False
        self.sold.update(dict.fromkeys(self.seats[hold], name))
        self.forget(name, {hold})
        return True


SEATS = st.lists(st.integers(0, SMALL.seats - 1), min_size=1, max_size=3, unique=True).map(tuple)


class Sales(RuleBasedStateMachine):
    """The world of rows on one side, the reference on the other; every answer and every picture must agree."""

    several = False

    def __init__(self):
        super().__init__()
        self.world = World(replace(SMALL, several_holds=self.several))
        self.reference = Reference(self.several)
        self.holds: list[tuple[str, int]] = []
        self.orders: list[tuple[str, int]] = []

    @initialize()
    def opens(self):
        self.world.now = START

    @rule(seconds=st.sampled_from([1, 39, 40, 60, 99, 100, 101, 250]))
    def time_passes(self, seconds):
        self.reference.now += seconds
        self.world.now += timedelta(seconds=seconds)

    @rule(wishes=st.lists(st.tuples(st.sampled_from(NAMES), SEATS), min_size=1, max_size=4))
    def they_ask(self, wishes):
        """A batch is as good as its asks one after the other, in the order they came."""
        asks = [Ask(person(name), seats, self.world.new_id()) for name, seats in dict(wishes).items()]
        names = list(dict(wishes))
        for name, ask, answer in zip(names, asks, self.world.hold(*asks), strict=True):
            expected = self.reference.ask(name, ask.seats, ask.hold_id)
            if isinstance(answer, Refused):
                assert expected == (list(answer.seats) or answer.why)
            else:
                assert expected == answer.hold_id
                self.holds += [(name, answer.hold_id)] if answer.hold_id == ask.hold_id else []

    @rule(data=st.data())
    def one_extends(self, data):
        name, hold = self._one_of(data)
        expected = self.reference.extend(name, hold) if hold else None
        [extended] = self.world.extend([hold])
        assert expected == (extended and (extended.expires_at - START).total_seconds())

    @rule(data=st.data())
    def one_pays(self, data):
        name, hold = self._one_of(data)
        order = self.world.new_id()
        expected = self.reference.pay(name, hold) if hold else False
        assert expected == (self.world.pay(hold, order) is not None)
        self.orders += [(name, order)] if expected else []

    @rule(data=st.data())
    def one_lets_go(self, data):
        name, hold = self._one_of(data)
        expected = hold in self.reference.mine.get(name, ())
        assert expected == (self.world.release(hold) is not None)
        if expected:
            self.reference.forget(name, {hold})

    @rule(data=st.data())
    def an_order_comes_back(self, data):
        if self.orders:
            name, order = self.orders.pop(data.draw(st.integers(0, len(self.orders) - 1)))
            seats = [seat for seat, sold_to in self.world.orders.items() if sold_to == order]
            assert self.world.take_back(person(name), order) == len(seats)
            for seat in seats:
                del self.reference.sold[seat]

    @rule(seats=SEATS, blocked=st.booleans())
    def the_organiser_blocks(self, seats, blocked):
        for seat in seats:
            self.reference.block(seat) if blocked else self.reference.blocked.discard(seat)
        assert self.world.block(seats, blocked) == {seat: self.reference.stands(seat) for seat in seats}

    @rule()
    def the_sweeper_comes(self):
        """Nobody's answer may depend on it: the reference has no sweep at all."""
        self.world.sweep()

    def _one_of(self, data):
        return data.draw(st.sampled_from(self.holds)) if self.holds else ("ann", 0)

    @invariant()
    def both_see_the_same(self):
        self.world.check()
        for seat in self.world.seats.values():
            number = seat.seat_no
            free = seat.free_to_take(self.world.now)
            assert self.reference.stands(number) is (SeatState.FREE if free else seat.state), f"seat {number}"
            if seat.state is SeatState.HELD and not free:
                assert seat.hold_id == self.reference.owner[number]
        for name in NAMES:
            buyer = self.world.buyers.get(person(name))
            assert (buyer.bought if buyer else 0) == sum(who == name for who in self.reference.sold.values())


class SeveralHolds(Sales):
    several = True


@pytest.mark.parametrize("kind", [Sales, SeveralHolds], ids=["one hold", "several holds"])
def test_any_course_of_a_sale_goes_as_in_the_reference(kind):
    run_state_machine_as_test(
        kind, settings=settings(max_examples=120, stateful_step_count=40, deadline=None, print_blob=True, phases=PHASES)
    )
