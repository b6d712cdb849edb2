"""How many people stand ahead, against counting them one by one."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from onsale.limits import POLL_MAX_S, POLL_MIN_S
from onsale.waitingroom.model import LEFT_BLOCK, Board, Gap, merged, poll_after_s

spans = st.tuples(st.integers(0, 300), st.integers(0, 60)).map(lambda span: Gap(span[0], span[0] + span[1]))


@given(st.lists(spans, max_size=6), st.integers(0, 200), st.integers(1, 300))
def test_people_ahead_are_those_between_who_is_served_and_oneself_that_stand_in_no_gap(gaps, serving, number):
    nobody = {n for gap in gaps for n in range(gap.after + 1, gap.until + 1)}
    board = Board(1, serving, 400, merged(gap for gap in gaps if gap.after < gap.until))
    assert board.ahead_of(number) == sum(n not in nobody for n in range(serving + 1, number))


@given(st.lists(spans, max_size=8))
def test_merged_gaps_hold_the_same_numbers_and_do_not_touch(gaps):
    gaps = [gap for gap in gaps if gap.after < gap.until]
    found = merged(gaps)
    assert {n for gap in found for n in range(gap.after, gap.until)} == {
        n for gap in gaps for n in range(gap.after, gap.until)
    }
    assert all(one.until < two.after for one, two in pairwise(found))


def test_who_left_a_block_that_lies_wholly_between_is_not_ahead():
    board = Board(1, serving=10, given=5 * LEFT_BLOCK, left=((0, 3), (1, 100), (2, 7), (4, 50)))
    assert board.ahead_of(3 * LEFT_BLOCK) == 3 * LEFT_BLOCK - 11 - 107
    assert board.ahead_of(11) == 0
    assert board.ahead_of(3) == 0


def test_who_is_far_back_asks_seldom_and_who_is_near_often():
    assert poll_after_s(0) == POLL_MIN_S
    assert poll_after_s(5_000_000) == POLL_MAX_S
    assert poll_after_s(1_000) < poll_after_s(10_000)
