"""Percentiles: the histogram against the sorted truth."""

import math

from hypothesis import given
from hypothesis import strategies as st

from onsale.drop.histogram import Histogram, together

DURATIONS = st.lists(st.integers(0, 86_400_000_000), min_size=1, max_size=300)


def counted(values_us: list[int]) -> Histogram:
    histogram = Histogram()
    for value_us in values_us:
        histogram.record(value_us / 1_000_000)
    return histogram


@given(DURATIONS, st.floats(0, 100))
def test_a_percentile_is_never_below_the_truth_and_hardly_above_it(values_us, percent):
    rank = max(1, math.ceil(len(values_us) * percent / 100))
    truth_us = sorted(values_us)[rank - 1]
    told_us = round(counted(values_us).percentile(percent) * 1_000_000)
    assert truth_us <= told_us <= truth_us + truth_us / 256


@given(DURATIONS)
def test_count_minimum_maximum_and_mean_are_exact(values_us):
    summary = counted(values_us).summary()
    assert summary.count == len(values_us)
    assert round(summary.min_s * 1_000_000) == min(values_us)
    assert round(summary.max_s * 1_000_000) == max(values_us)
    assert math.isclose(summary.mean_s * 1_000_000, sum(values_us) / len(values_us), rel_tol=1e-9)


@given(DURATIONS, DURATIONS)
def test_histograms_added_up_are_the_histogram_of_everything(first, second):
    assert together([counted(first), counted(second)]).summary() == counted(first + second).summary()


@given(DURATIONS)
def test_a_summary_gives_its_histogram_back(values_us):
    histogram = counted(values_us)
    assert Histogram.of(histogram.summary()).summary() == histogram.summary()


def test_an_empty_histogram_says_zero():
    summary = Histogram().summary()
    assert (summary.count, summary.p99_s, summary.min_s, summary.max_s) == (0, 0.0, 0.0, 0.0)
    assert together([Histogram.of(summary), counted([5])]).summary() == counted([5]).summary()


def test_a_clock_read_out_of_order_counts_as_nothing_and_a_week_as_a_day():
    histogram = Histogram()
    histogram.record(-1.0)
    histogram.record(7 * 86_400.0)
    assert (histogram.summary().min_s, histogram.summary().max_s) == (0.0, 86_400.0)
