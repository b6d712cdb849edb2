"""The evidence of a soak: each kind of wrong is planted and must be found; what is right must not be called wrong."""

from onsale.bench.evidence import Answers, HoldRow, judge

EVENT = 7


def row(hold_id, begins_s, *seats, lasts_s=10.0):
    return HoldRow(hold_id, EVENT, seats, begins_s, begins_s + lasts_s)


def test_a_course_without_fault_is_good():
    answers = Answers()
    answers.held(1, range(4, 6))
    answers.held(2, range(5, 6))
    answers.refused(EVENT, 5, 104.0, 104.1)
    found = judge(answers, [row(1, 100.0, 4, 5), row(2, 110.0, 5)], [])
    assert found.good and (found.holds, found.answered_holds, found.refusals) == (2, 2, 1)


def test_a_seat_held_twice_at_a_time_is_found():
    """By a hair: the second hold began a millisecond before the first had run out."""
    found = judge(Answers(), [row(1, 100.0, 4, 5), row(2, 109.999, 5)], [])
    assert found.double == 1 and "seat 5" in found.examples[0] and not found.good


def test_the_same_seat_of_another_event_is_another_seat():
    other = HoldRow(2, EVENT + 1, (5,), 101.0, 111.0)
    assert judge(Answers(), [row(1, 100.0, 5), other], []).good


def test_an_answered_hold_that_is_not_there_is_found():
    answers = Answers()
    answers.held(3, range(4, 6))
    assert judge(answers, [row(1, 100.0, 4, 5)], []).lost == 1


def test_an_answered_hold_that_has_other_seats_is_lost_too():
    answers = Answers()
    answers.held(1, range(4, 7))
    assert judge(answers, [row(1, 100.0, 4, 5)], []).lost == 1


def test_a_refusal_of_a_seat_that_nobody_had_is_found():
    answers = Answers()
    answers.refused(EVENT, 5, 111.0, 111.1)
    answers.refused(EVENT, 6, 101.0, 101.1)
    answers.refused(EVENT, 5, 99.0, 99.5)
    found = judge(answers, [row(1, 100.0, 5)], [])
    assert found.falsely_refused == 3


def test_a_refusal_may_be_a_moment_late_and_later_after_a_fault():
    """A tenth of a second while all live; two seconds once something has just died."""
    for sent_s, faults_s, false in ((110.05, [], 0), (110.2, [], 1), (111.5, [105.0], 0), (112.5, [105.0], 1)):
        answers = Answers()
        answers.refused(EVENT, 5, sent_s, sent_s + 0.01)
        assert judge(answers, [row(1, 100.0, 5)], faults_s).falsely_refused == false, (sent_s, faults_s)


def test_a_fault_long_ago_excuses_nothing():
    answers = Answers()
    answers.refused(EVENT, 5, 111.5, 111.6)
    assert judge(answers, [row(1, 100.0, 5)], [50.0]).falsely_refused == 1


def test_a_seat_that_was_kept_while_the_request_was_under_way_was_rightly_refused():
    answers = Answers()
    answers.refused(EVENT, 5, 99.0, 100.2)
    assert judge(answers, [row(1, 100.0, 5)], []).good
