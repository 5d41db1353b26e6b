"""python -m pytest tests/training/test_history.py

The average of the loss, and which rows of a long run are drawn. What a run keeps, and forks of real trainings, are in
tests/widgets/test_training_dashboard.py.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmcourse.training.history import COLUMNS, MAX_POINTS, Smoothed, worth_drawing


def test_the_average_is_the_debiased_one():
    """Against its definition: weights that fall by β for each step back, divided by their sum."""
    values = np.random.default_rng(0).normal(3, 1, 50)
    average = Smoothed(0.9)
    for count, value in enumerate(values, 1):
        got = average.add(value)
        assert got == pytest.approx(np.average(values[:count], weights=0.9 ** np.arange(count)[::-1]))
    assert average.add(math.nan) == got and average.add(math.inf) == got


table_values = st.one_of(st.floats(-10, 10, width=32), st.sampled_from([math.nan, math.inf]))


@given(st.lists(st.tuples(table_values, table_values), min_size=1, max_size=400), st.integers(12, 120))
def test_the_rows_worth_drawing_hold_every_extreme(pairs, most):
    table = np.full((len(pairs), len(COLUMNS)), np.nan, np.float32)
    table[:, 0] = np.arange(1, len(pairs) + 1)
    table[:, 1], table[:, 4] = zip(*pairs)
    rows = worth_drawing(table, most)
    assert len(rows) <= most and rows[0] == 0 and rows[-1] == len(pairs) - 1
    assert (np.diff(rows) > 0).all()
    for column, best in ((1, np.nanmin), (1, np.nanmax), (4, np.nanmax)):
        if not np.isnan(table[:, column]).all():
            assert best(table[rows, column]) == best(table[:, column])


def test_a_log_axis_has_its_early_steps():
    table = np.zeros((100_000, len(COLUMNS)), np.float32)
    table[:, 1] = np.random.default_rng(0).normal(size=100_000)
    rows = worth_drawing(table, MAX_POINTS)
    assert len(rows) <= MAX_POINTS
    for decade in (1, 10, 100, 1000, 10_000):
        assert ((rows >= decade) & (rows < 10 * decade)).sum() >= 9, f"{decade} has too few"
