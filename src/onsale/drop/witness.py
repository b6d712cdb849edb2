"""The witness: holds what clients were answered against the tables. Three faults that no single look at a table shows:

    double         two holds that clients were told of had one seat at the same time
    lost           a hold, sale or release that a client was told of is not in the table, or ended though nobody asked
    false taken    "seats taken" of seats that were certainly free all the while between question and answer

Only what is certain counts. An answer's true moment lies between `sent_us` and `answered_us`; a change's lies between
the writing of its fact and its commit; and what a client could not know may or may not have been done. PostgreSQL's
clock must not have been set back meanwhile. That a live hold carries all its seats is the referee's to say (audit.sql:
hold_not_whole).

Memory for ten million answers is about 1 GB: rows are packed, and changes are read one seat at a time.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from uuid import UUID

from msgspec import Struct, field

from onsale import limits
from onsale.drop import store
from onsale.drop.answers import Answer, AnswerLog, Heard, Verb, person_word
from onsale.drop.drop_limits import EXAMPLES_MAX, LAG_AFTER_FAULT_S, LAG_S

ACTIVE, RUN_OUT, RELEASED, REPLACED, SOLD = range(1, 6)
"""States of a hold, as in the migrations."""

Window = tuple[int, int]
"""From and until, in microseconds since 1970: a fault, or a time in which answers that change seats were slow."""

_NEVER = (1 << 63) - 1
_LAG_US = int(LAG_S * 1e6)
_LAG_AFTER_FAULT_US = int(LAG_AFTER_FAULT_S * 1e6)


class HoldRow(Struct, frozen=True):
    """A row of the table hold. `made_us` is the time it was decided at."""

    hold_id: int
    person: UUID
    state: int
    seats: Sequence[int]
    made_us: int
    expires_us: int


class Change(Struct, frozen=True):
    """What a fact says of a seat. `at_us` lies before the commit; `committed_us` is the same where nobody noted it."""

    seat_no: int
    change_no: int
    kind: str
    at_us: int
    committed_us: int


class Judgement(Struct):
    """How many faults of each kind, how much was looked at, and the first examples of each kind."""

    double: int = 0
    lost: int = 0
    false_taken: int = 0
    answers: int = 0
    held: int = 0
    """Holds that clients were told of."""
    taken: int = 0
    """Refusals that named seats as taken."""
    examples: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not (self.double or self.lost or self.false_taken)

    def found(self, kind: str, what: str) -> None:
        count = getattr(self, kind)
        setattr(self, kind, count + 1)
        if count < EXAMPLES_MAX:
            self.examples.append(f"{kind}: {what}")


class Holds:
    """The table hold of one shard, packed; rows come in the order of their ids. `until` is when a hold certainly ended
    for others: at the earliest moment at which anything that may have ended it was asked for."""

    def __init__(self) -> None:
        self.ids, self.persons, self.made, self.expires = (array("q") for _ in range(4))
        self.states, self.asked = array("B"), array("B")
        self.answered, self.until = array("q"), array("q")
        self._seats, self._firsts = array("i"), array("q", [0])
        self.of_seat: dict[int, array[int]] = {}

    def add(self, row: HoldRow) -> None:
        assert not self.ids or row.hold_id > self.ids[-1], "rows come in the order of their ids"
        for seat_no in row.seats:
            self.of_seat.setdefault(seat_no, array("q")).append(len(self.ids))
        self.ids.append(row.hold_id)
        self.persons.append(person_word(row.person))
        self.made.append(row.made_us)
        self.expires.append(row.expires_us)
        self.states.append(row.state)
        self.asked.append(0)
        self.answered.append(_NEVER)
        self.until.append(_NEVER if row.state == SOLD else row.expires_us)
        self._seats.extend(row.seats)
        self._firsts.append(len(self._seats))

    def find(self, hold_id: int) -> int:
        """Its place, -1 when there is no such hold."""
        at = bisect_left(self.ids, hold_id)
        return at if at < len(self.ids) and self.ids[at] == hold_id else -1

    def seats(self, at: int) -> tuple[int, ...]:
        return tuple(self._seats[self._firsts[at] : self._firsts[at + 1]])

    def end_by(self, at: int, moment_us: int) -> None:
        self.until[at] = min(self.until[at], moment_us)


class FreeTimes:
    """When each seat was certainly free, from its changes in the order of seat and change number.

    A seat is free from the commit that released it, or from the deadline of the hold that had it, swept or not, until
    the fact of its next taking was written, which is before that is true.
    """

    def __init__(self, holds: Holds) -> None:
        self._holds = holds
        self._times: dict[int, tuple[array[int], array[int]]] = {}
        self._seat_no, self._change_no = -1, 0
        self._since: int | None = None
        self._deadlines: tuple[list[int], list[int]] = ([], [])

    def add(self, change: Change) -> None:
        if change.seat_no != self._seat_no:
            self.close()
            self._begin(change.seat_no)
        if change.change_no != self._change_no + 1:
            self._since = None  # A change is missing: nothing is certain before this one.
        self._change_no = change.change_no
        if change.kind == "SeatsReleased":
            self._since = min(change.committed_us, _NEVER if self._since is None else self._since)
            return
        self._store(change.at_us)
        self._since = self._deadline(change.at_us) if change.kind == "SeatsHeld" else None

    def close(self) -> None:
        """After the last change of a seat: free ever after, if it is."""
        self._store(_NEVER)
        self._since = None

    def whole_time(self, seat_no: int, since_us: int, until_us: int) -> bool:
        """Whether the seat was certainly free all that time. One that never changed always was."""
        if seat_no not in self._times:
            return True
        begins, ends = self._times[seat_no]
        at = bisect_right(begins, since_us) - 1
        return at >= 0 and ends[at] >= until_us

    def _begin(self, seat_no: int) -> None:
        self._seat_no, self._change_no, self._since = seat_no, 0, 0
        self._times[seat_no] = (array("q"), array("q"))
        holds = self._holds
        of_seat = sorted(holds.of_seat.get(seat_no, ()), key=holds.made.__getitem__)
        self._deadlines = ([holds.made[at] for at in of_seat], [holds.expires[at] for at in of_seat])

    def _store(self, until_us: int) -> None:
        if self._since is not None and self._since < until_us:
            begins, ends = self._times[self._seat_no]
            begins.append(self._since)
            ends.append(until_us)

    def _deadline(self, at_us: int) -> int | None:
        """Of the hold that took the seat then: the latest one made before. Where several are near, the longest."""
        made, expires = self._deadlines
        end = bisect_right(made, at_us)
        if not end:
            return None
        return max(expires[bisect_left(made, made[end - 1] - _LAG_US) : end])


class _Lags:
    """How long what is told about a seat may lag behind the truth: longer near a fault, and as long as one lasts."""

    def __init__(self, windows: Iterable[Window]) -> None:
        self._begins, self._ends = array("q"), array("q")
        for begin, end in sorted(windows):
            if self._ends and begin <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], end)
            else:
                self._begins.append(begin)
                self._ends.append(end)

    def at(self, sent_us: int, answered_us: int) -> int:
        first = bisect_left(self._ends, sent_us - _LAG_AFTER_FAULT_US)
        last = bisect_right(self._begins, answered_us)
        if first >= last:
            return _LAG_US
        return _LAG_AFTER_FAULT_US + self._ends[last - 1] - self._begins[first]


async def witness(database_url: str, shard_id: int, log: AnswerLog, windows: Iterable[Window] = ()) -> Judgement:
    """Judge what one sale's clients were answered, all of them having ended.

    Holds and facts must all be kept (no cleaning up since the log began). A commit's own time is known where PostgreSQL
    runs with `track_commit_timestamp`. Raises kit.db.DatabaseAway.
    """
    holds = Holds()
    free = FreeTimes(holds)
    async with store.eyes(database_url) as eyes, eyes.moment():
        named = {"shard_id": shard_id, "extension_s": limits.HOLD_EXTENSION_MAX_S}
        async for rows in eyes.rows("holds_of_sale", **named):
            for row in rows:
                holds.add(HoldRow(**row))
        async for rows in eyes.rows("changes_of_sale", shard_id=shard_id):
            for row in rows:
                free.add(Change(**row))
    return _judge(log, holds, free, windows)


def judge(
    log: AnswerLog, holds: Iterable[HoldRow], changes: Iterable[Change], windows: Iterable[Window] = ()
) -> Judgement:
    """The same over rows at hand: holds in the order of their ids, changes in that of seat and change number."""
    packed = Holds()
    for row in holds:
        packed.add(row)
    free = FreeTimes(packed)
    for change in changes:
        free.add(change)
    return _judge(log, packed, free, windows)


def _judge(log: AnswerLog, holds: Holds, free: FreeTimes, windows: Iterable[Window]) -> Judgement:
    free.close()
    found = Judgement(answers=len(log))
    lags = _Lags(windows)
    for answer in log:
        if answer.heard is Heard.TAKEN:
            _judge_taken(answer, free, lags, found)
        elif answer.hold_id:
            _compare(answer, holds, found)
    _end_replaced(holds, found)
    _judge_ends(holds, found)
    _judge_doubles(holds, found)
    return found


def slow_changes(log: AnswerLog, longer_than_us: int = _LAG_US) -> list[Window]:
    """When something that may have changed seats was under way for so long: a commit then may have been as late."""
    return [
        (answer.sent_us, answer.answered_us)
        for answer in log
        if answer.heard in (Heard.DONE, Heard.UNKNOWN) and answer.answered_us - answer.sent_us > longer_than_us
    ]


def _judge_taken(answer: Answer, free: FreeTimes, lags: _Lags, found: Judgement) -> None:
    found.taken += 1
    if not answer.seats:
        return
    since_us = answer.sent_us - lags.at(answer.sent_us, answer.answered_us)
    if all(free.whole_time(seat_no, since_us, answer.answered_us) for seat_no in answer.seats):
        found.found("false_taken", f"{answer.seats} asked at {answer.sent_us}, refused at {answer.answered_us}")


def _compare(answer: Answer, holds: Holds, found: Judgement) -> None:
    """What an answer about a hold promised, against the row; and what it may have ended, noted."""
    at = holds.find(answer.hold_id)
    done = answer.heard is Heard.DONE
    if at < 0:
        if done:
            found.found("lost", f"hold {answer.hold_id} was answered ({answer.verb.name}) and is not there")
        return
    if done and (why := _broken(answer, at, holds)):
        found.found("lost", f"hold {answer.hold_id}, answered at {answer.answered_us}: {why}")
    if done or answer.heard is Heard.UNKNOWN:
        holds.asked[at] |= 1 << answer.verb
        ended_state = {Verb.RELEASE: RELEASED, Verb.RETURN: SOLD}.get(answer.verb)
        if holds.states[at] == ended_state:
            holds.end_by(at, answer.sent_us)
    if done and answer.verb is Verb.HOLD:
        holds.answered[at] = min(holds.answered[at], answer.answered_us)


def _broken(answer: Answer, at: int, holds: Holds) -> str | None:
    state = holds.states[at]
    if answer.verb is Verb.HOLD and holds.persons[at] != answer.person:
        return "it is somebody else's"
    if answer.verb is Verb.HOLD and sorted(holds.seats(at)) != sorted(answer.seats):
        return f"it was for {answer.seats} and has {holds.seats(at)}"
    if answer.verb in (Verb.HOLD, Verb.EXTEND) and holds.expires[at] < answer.until_us:
        return f"it was promised until {answer.until_us} and ends at {holds.expires[at]}"
    if answer.verb is Verb.CONFIRM and state != SOLD:
        return f"its sale was answered and its state is {state}"
    if answer.verb is Verb.RELEASE and state in (ACTIVE, RUN_OUT):
        return f"its release was answered and its state is {state}"
    return None


def _end_replaced(holds: Holds, found: Judgement) -> None:
    """A replaced hold ended when the person's next one was made; without a next one, somebody has lost it."""
    replaced = [at for at, state in enumerate(holds.states) if state == REPLACED]
    persons: dict[int, list[int]] = {holds.persons[at]: [] for at in replaced}
    for at, person in enumerate(holds.persons):
        if person in persons:
            persons[person].append(at)
    for at in replaced:
        later = [made for other in persons[holds.persons[at]] if (made := holds.made[other]) > holds.made[at]]
        holds.end_by(at, min(later, default=holds.made[at]))
        if not later:
            found.found("lost", f"hold {holds.ids[at]} was replaced by none")


def _judge_ends(holds: Holds, found: Judgement) -> None:
    """Nobody's hold ends but by its deadline, by its owner's word, or by being sold on a payment."""
    for at, answered_us in enumerate(holds.answered):
        if answered_us == _NEVER:
            continue
        found.held += 1
        needed = {RELEASED: Verb.RELEASE, SOLD: Verb.CONFIRM}.get(holds.states[at])
        if needed is not None and not holds.asked[at] & 1 << needed:
            found.found("lost", f"hold {holds.ids[at]} ended in state {holds.states[at]}, which nobody asked for")


def _judge_doubles(holds: Holds, found: Judgement) -> None:
    """One seat at a time: of the holds that clients were told of, none may begin while an earlier one certainly is."""
    for seat_no, of_seat in holds.of_seat.items():
        told = [at for at in of_seat if holds.answered[at] < holds.until[at]]
        told.sort(key=holds.answered.__getitem__)
        longest = told[0] if told else 0
        for _, at in pairwise(told):
            if holds.answered[at] < holds.until[longest]:
                found.found("double", f"seat {seat_no} was in holds {holds.ids[longest]} and {holds.ids[at]} at once")
            longest = max(longest, at, key=holds.until.__getitem__)
