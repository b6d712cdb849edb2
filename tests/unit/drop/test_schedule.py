"""Arrivals: when each piece of work is due."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.drop import Schedule


def test_evenly_spaced_arrivals_come_at_the_rate():
    arrivals = list(Schedule.at_rate(10, 1.0, seed=1, poisson=False).arrivals())
    assert arrivals == pytest.approx([n / 10 for n in range(1, 11)])


def test_the_same_seed_makes_the_same_arrivals_and_another_makes_others():
    first, again, other = (list(Schedule.at_rate(50, 2.0, seed=seed).arrivals()) for seed in (7, 7, 8))
    assert first == again != other


def test_independent_people_come_unevenly_but_as_many_as_expected():
    arrivals = list(Schedule.at_rate(1_000, 20.0, seed=3).arrivals())
    gaps = [after - before for before, after in itertools.pairwise(arrivals)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    # 20,000 arrivals, give or take 141; the gaps of a Poisson process vary as much as they last.
    assert len(arrivals) == pytest.approx(20_000, abs=700)
    assert variance**0.5 == pytest.approx(mean, rel=0.05)


def test_a_curve_is_followed():
    schedule = Schedule(((0.0, 0.0), (10.0, 2_000.0), (20.0, 0.0)), seed=4)
    arrivals = list(schedule.arrivals())
    assert schedule.expected == 20_000
    # Under the first quarter of the time lies an eighth of the area.
    assert sum(due < 5 for due in arrivals) / len(arrivals) == pytest.approx(1 / 8, abs=0.01)
    assert sum(due < 10 for due in arrivals) / len(arrivals) == pytest.approx(1 / 2, abs=0.02)


@given(st.integers(0, 500), st.integers(0, 2**32), st.booleans())
def test_a_crowd_is_exactly_as_large_as_asked(count, seed, poisson):
    schedule = Schedule(((0.0, 0.0), (1.0, 5.0), (1.0, 50.0), (3.0, 0.1)), seed, poisson, count)
    arrivals = list(schedule.arrivals())
    assert len(arrivals) == count
    assert arrivals == sorted(arrivals)
    assert all(0 <= due <= 3.0 for due in arrivals)


@pytest.mark.parametrize("points", [(), ((0.0, 1.0),), ((1.0, 1.0), (2.0, 1.0)), ((0.0, -1.0), (1.0, 1.0))])
def test_a_schedule_without_time_or_with_a_negative_rate_is_refused(points):
    with pytest.raises(ValueError, match=r"schedule|rate"):
        Schedule(points, seed=1)
