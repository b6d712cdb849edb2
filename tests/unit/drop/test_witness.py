"""The witness over fabricated logs: a clean course gives nothing, and each planted fault is found by its name.

Times are in milliseconds; a hold lasts a second unless said otherwise.
"""

import uuid

import pytest

from onsale.drop.answers import Answer, AnswerLog, Heard, Verb, person_word
from onsale.drop.witness import Change, HoldRow, judge, slow_changes
from onsale.kit import chance

ANN, BOB = uuid.UUID(int=1), uuid.UUID(int=2)
ACTIVE, RUN_OUT, RELEASED, REPLACED, SOLD = range(1, 6)


class Course:
    """A log and the rows that belong to it, told step by step."""

    def __init__(self):
        self.log = AnswerLog()
        self.holds: list[HoldRow] = []
        self.changes: list[Change] = []

    def heard(self, sent, answered, person, verb, heard, until=0, **what):
        self.log.add(sent * 1000, answered * 1000, person, verb, heard, until_us=until * 1000, **what)

    def row(self, hold_id, person, seats, made, state=ACTIVE, expires=None):
        expires = made + 1000 if expires is None else expires
        self.holds.append(HoldRow(hold_id, person, state, seats, made * 1000, expires * 1000))

    def held(self, hold_id, person, seats, sent, state=ACTIVE, expires=None):
        """An answered hold: decided 2 ms after it was sent, answered after 10."""
        self.row(hold_id, person, seats, sent + 2, state, expires)
        self.heard(sent, sent + 10, person, Verb.HOLD, Heard.DONE, seats=seats, hold_id=hold_id, until=sent + 1002)
        self.change("SeatsHeld", seats, sent + 3)

    def change(self, kind, seats, at):
        for seat in seats:
            number = 1 + sum(change.seat_no == seat for change in self.changes)
            self.changes.append(Change(seat, number, kind, at * 1000, at * 1000 + 1000))

    def taken(self, sent, *seats, person=BOB):
        self.heard(sent, sent + 10, person, Verb.HOLD, Heard.TAKEN, seats=seats)

    def judged(self, windows=()):
        changes = sorted(self.changes, key=lambda change: (change.seat_no, change.change_no))
        holds = sorted(self.holds, key=lambda row: row.hold_id)
        return judge(self.log, holds, changes, [(begin * 1000, end * 1000) for begin, end in windows])

    def counts(self, windows=()):
        found = self.judged(windows)
        print(*found.examples, sep="\n")
        return found.double, found.lost, found.false_taken


@pytest.fixture
def course():
    return Course()


CLEAN = (0, 0, 0)


def test_a_clean_course_has_no_fault(course):
    """Held, refused meanwhile, released, taken by another, extended, sold, returned, taken again."""
    course.held(1, ANN, (4, 5), sent=0, state=RELEASED)
    course.taken(100, 5, 6)
    course.heard(200, 210, ANN, Verb.RELEASE, Heard.DONE, hold_id=1)
    course.change("SeatsReleased", (4, 5), 203)
    course.held(2, BOB, (5,), sent=220, state=SOLD, expires=60_000)
    course.heard(300, 310, BOB, Verb.EXTEND, Heard.DONE, hold_id=2, until=60_000)
    course.change("SeatsHeld", (5,), 303)
    course.heard(400, 410, BOB, Verb.CONFIRM, Heard.DONE, hold_id=2)
    course.change("SeatsSold", (5,), 403)
    course.taken(5000, 5, person=ANN)
    course.heard(6000, 6010, BOB, Verb.RETURN, Heard.DONE, hold_id=2)
    course.change("SeatsReleased", (5,), 6003)
    course.held(3, ANN, (5,), sent=6020)
    found = course.judged()
    assert found.good and not found.examples
    assert (found.answers, found.held, found.taken) == (9, 3, 2)


def test_a_seat_in_two_answered_holds_is_a_double(course):
    course.held(1, ANN, (4, 5), sent=0)
    course.held(2, BOB, (5, 6), sent=100)
    assert course.counts() == (1, 0, 0)


def test_a_short_hold_does_not_hide_a_long_one_before_it(course):
    course.held(1, ANN, (5,), sent=0, expires=9000)
    course.held(2, BOB, (5,), sent=100, expires=200)
    course.log = AnswerLog()
    for sent, person, hold_id in ((0, ANN, 1), (100, BOB, 2), (400, BOB, 3)):
        course.heard(sent, sent + 10, person, Verb.HOLD, Heard.DONE, seats=(5,), hold_id=hold_id)
    course.row(3, BOB, (5,), 402)
    assert course.counts() == (2, 0, 0)


def test_a_sold_seat_that_is_held_again_is_a_double(course):
    course.held(1, ANN, (5,), sent=0, state=SOLD)
    course.heard(100, 110, ANN, Verb.CONFIRM, Heard.DONE, hold_id=1)
    course.held(2, BOB, (5,), sent=90_000)
    assert course.counts() == (1, 0, 0)


def test_a_hold_taken_at_the_deadline_of_another_is_no_double(course):
    course.held(1, ANN, (5,), sent=0, expires=1002)
    course.held(2, BOB, (5,), sent=1000)
    assert course.counts() == CLEAN


@pytest.mark.parametrize("heard", [Heard.DONE, Heard.UNKNOWN])
def test_a_release_ends_a_hold_from_the_moment_it_was_asked_for(course, heard):
    """The other may have got the seat before the releaser heard anything, if they ever did."""
    course.held(1, ANN, (5,), sent=0, state=RELEASED)
    course.heard(50, 900, ANN, Verb.RELEASE, heard, hold_id=1)
    course.change("SeatsReleased", (5,), 60)
    course.held(2, BOB, (5,), sent=70)
    assert course.counts() == CLEAN


def test_a_hold_that_was_replaced_ends_when_the_next_one_was_made(course):
    course.held(1, ANN, (5,), sent=0, state=REPLACED)
    course.held(2, ANN, (6,), sent=50)
    course.change("SeatsReleased", (5,), 53)
    course.held(3, BOB, (5,), sent=51)
    assert course.counts() == CLEAN


def test_a_hold_replaced_by_none_is_lost(course):
    course.held(1, ANN, (5,), sent=0, state=REPLACED)
    course.held(2, BOB, (6,), sent=50)
    assert course.counts() == (0, 1, 0)


def test_a_hold_made_before_it_did_not_replace_it(course):
    course.held(1, ANN, (6,), sent=0, state=RELEASED)
    course.heard(20, 30, ANN, Verb.RELEASE, Heard.DONE, hold_id=1)
    course.change("SeatsReleased", (6,), 25)
    course.held(2, ANN, (5,), sent=50, state=REPLACED)
    assert course.counts() == (0, 1, 0)


def test_an_answered_hold_that_is_not_in_the_table_is_lost(course):
    course.held(1, ANN, (5,), sent=0)
    course.holds.clear()
    assert course.counts() == (0, 1, 0)


def test_a_hold_with_other_seats_or_of_another_person_is_lost(course):
    course.held(1, ANN, (5, 6), sent=0)
    course.held(2, BOB, (7,), sent=0)
    course.holds[0] = HoldRow(1, ANN, ACTIVE, (5,), 2000, 1_002_000)
    course.holds[1] = HoldRow(2, ANN, ACTIVE, (7,), 2000, 1_002_000)
    assert course.counts() == (0, 2, 0)


def test_a_deadline_that_was_promised_and_not_kept_is_lost(course):
    course.held(1, ANN, (5,), sent=0, expires=1001)
    course.held(2, BOB, (6,), sent=0)
    course.heard(10, 20, BOB, Verb.EXTEND, Heard.DONE, hold_id=2, until=60_000)
    assert course.counts() == (0, 2, 0)


def test_an_answered_sale_or_release_that_is_not_in_the_table_is_lost(course):
    course.held(1, ANN, (5,), sent=0)
    course.heard(50, 60, ANN, Verb.CONFIRM, Heard.DONE, hold_id=1)
    course.held(2, BOB, (6,), sent=0, state=RUN_OUT)
    course.heard(50, 60, BOB, Verb.RELEASE, Heard.DONE, hold_id=2)
    assert course.counts() == (0, 2, 0)


def test_a_hold_that_ended_though_nobody_asked_is_lost(course):
    course.held(1, ANN, (5,), sent=0, state=RELEASED)
    course.held(2, BOB, (6,), sent=0, state=SOLD)
    course.heard(50, 60, BOB, Verb.CONFIRM, Heard.REFUSED, hold_id=2)
    assert course.counts() == (0, 2, 0)


def test_what_a_client_cannot_know_may_have_been_done_or_not(course):
    for number, state in enumerate((ACTIVE, SOLD, RELEASED)):
        course.held(2 * number + 1, ANN, (number,), sent=0, state=state)
        for verb in (Verb.CONFIRM, Verb.RELEASE):
            course.heard(50, 60, ANN, verb, Heard.UNKNOWN, hold_id=2 * number + 1)
    course.heard(50, 60, BOB, Verb.HOLD, Heard.UNKNOWN, seats=(40,), hold_id=0)
    course.heard(50, 60, BOB, Verb.RELEASE, Heard.UNKNOWN, hold_id=999)
    assert course.counts() == CLEAN


def test_a_seat_refused_that_never_changed_is_a_false_taken(course):
    course.taken(0, 5)
    assert course.counts() == (0, 0, 1)


def test_one_seat_that_was_not_free_makes_the_refusal_right(course):
    course.held(1, ANN, (5,), sent=0)
    course.taken(500, 4, 5, 6)
    course.taken(500, 4, 6)
    assert course.counts() == (0, 0, 1)


def test_a_refusal_soon_after_a_release_is_forgiven_and_a_later_one_is_not(course):
    course.held(1, ANN, (5,), sent=0, state=RELEASED)
    course.heard(50, 60, ANN, Verb.RELEASE, Heard.DONE, hold_id=1)
    course.change("SeatsReleased", (5,), 54)  # True at 55.
    course.taken(154, 5)
    assert course.counts() == CLEAN
    course.taken(155, 5)
    assert course.counts() == (0, 0, 1)


def test_a_refusal_while_the_seat_may_have_been_taken_is_forgiven(course):
    course.held(1, ANN, (5,), sent=1000)  # Its fact was written at 1003.
    course.taken(993, 5)
    course.taken(994, 5)
    assert course.counts() == (0, 0, 1)


def test_a_hold_past_its_deadline_is_free_swept_or_not(course):
    course.held(1, ANN, (5,), sent=0, state=RUN_OUT)  # Until 1002.
    course.taken(1101, 5)
    assert course.counts() == CLEAN
    course.taken(1102, 5)
    assert course.counts() == (0, 0, 1)
    course.change("SeatsReleased", (5,), 1500)
    course.taken(1510, 5)
    assert course.counts() == (0, 0, 2)


def test_the_deadline_of_an_earlier_hold_frees_nothing(course):
    """Its seat was released and taken again before: the later hold counts."""
    course.held(1, ANN, (5,), sent=0, state=RELEASED)  # Until 1002, had it not been released.
    course.heard(50, 60, ANN, Verb.RELEASE, Heard.DONE, hold_id=1)
    course.change("SeatsReleased", (5,), 54)
    course.held(2, ANN, (5,), sent=800, state=RELEASED)
    course.taken(1200, 5)
    course.heard(1300, 1310, ANN, Verb.RELEASE, Heard.DONE, hold_id=2)
    course.change("SeatsReleased", (5,), 1303)
    assert course.counts() == CLEAN


def test_blocked_and_sold_seats_are_not_free_until_they_come_back(course):
    course.change("SeatsBlocked", (5,), 0)
    course.taken(5000, 5)
    assert course.counts() == CLEAN
    course.change("SeatsReleased", (5,), 5100)
    course.taken(5300, 5)
    assert course.counts() == (0, 0, 1)


def test_nothing_is_certain_across_a_change_that_is_missing(course):
    course.changes.append(Change(5, 3, "SeatsReleased", 0, 0))
    course.changes.append(Change(5, 5, "SeatsReleased", 900_000, 900_000))
    course.taken(500, 5)
    assert course.counts() == CLEAN
    course.taken(1100, 5)
    assert course.counts() == (0, 0, 1)


def test_near_a_fault_a_seat_must_have_been_free_for_longer(course):
    """While a process stands still for a second, and two seconds after, a release may be news for three seconds."""
    course.change("SeatsBlocked", (5,), 0)
    course.change("SeatsReleased", (5,), 10_000)
    fault = (10_500, 11_500)
    course.taken(11_000, 5)
    course.taken(13_000, 5)
    assert course.counts([fault]) == CLEAN
    course.taken(13_400, 5)
    course.taken(13_501, 5)
    assert course.counts([fault]) == (0, 0, 2)
    assert course.counts() == (0, 0, 4)


def test_faults_that_overlap_count_as_one(course):
    course.change("SeatsBlocked", (5,), 0)
    course.change("SeatsReleased", (5,), 10_000)
    course.taken(14_000, 5)
    assert course.counts([(12_000, 13_500), (11_000, 12_500), (11_500, 11_600)]) == CLEAN
    assert course.counts([(12_000, 13_500)]) == (0, 0, 1)


def test_slow_changes_are_times_of_doubt_and_slow_refusals_are_not(course):
    course.heard(0, 200, ANN, Verb.RELEASE, Heard.DONE, hold_id=1)
    course.heard(1000, 1100, ANN, Verb.TEND, Heard.DONE)
    course.heard(2000, 2200, ANN, Verb.HOLD, Heard.TAKEN, seats=(1,))
    course.heard(3000, 3500, ANN, Verb.HOLD, Heard.UNKNOWN, seats=(1,))
    assert slow_changes(course.log) == [(0, 200_000), (3_000_000, 3_500_000)]


def test_a_log_gives_back_what_was_added_in_a_file_and_joined_to_another(tmp_path):
    seed = chance.fresh_seed()
    print("seed", seed)
    dice = chance.seeded(seed)
    rows, logs = [], (AnswerLog(), AnswerLog())
    for number in range(200):
        verb, heard = dice.choice(list(Verb)), dice.choice(list(Heard))
        seats = tuple(dice.sample(range(100_000), dice.randint(0, 8)))
        hold_id = dice.choice((0, dice.randrange(1, 2**63)))
        person, sent = uuid.UUID(int=dice.randrange(2**128)), 1_800_000_000_000_000 + number
        until = sent + 300_000_000 if hold_id else 0
        took = dice.randrange(100_000_000)
        logs[number // 100].add(sent, sent + took, person, verb, heard, seats=seats, hold_id=hold_id, until_us=until)
        rows.append(Answer(sent, sent + took, person_word(person), verb, heard, seats, hold_id, until))
    logs[1].save(tmp_path / "log")
    logs[0].extend(AnswerLog.load(tmp_path / "log"))
    assert list(logs[0]) == rows and len(logs[0]) == 200


def test_examples_are_some_and_counts_are_all(course):
    for sent in range(0, 5000, 10):
        course.taken(sent, 5)
    found = course.judged()
    assert found.false_taken == 500 and len(found.examples) == 20
