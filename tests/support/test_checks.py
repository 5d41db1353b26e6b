"""One wording for what is wrong with an argument. Run: pytest tests/support/test_checks.py"""

import numpy as np
import pytest

from lmcourse.support.checks import got, integers, number, one_of, whole


@pytest.mark.parametrize("value", [3, np.uint8(3), np.int64(3)])
def test_every_kind_of_integer_is_taken_as_a_python_int(value):
    found = whole("n", value, least=0, most=9)
    assert found == 3 and type(found) is int


@pytest.mark.parametrize("value", [True, 3.0, "3", None])
def test_what_is_no_integer_is_refused_by_name(value):
    with pytest.raises(TypeError, match="n: a whole number from 0 to 9, got"):
        whole("n", value, least=0, most=9)


def test_out_of_range_says_the_range():
    with pytest.raises(ValueError, match="n: a whole number of 9 or less, got 10"):
        whole("n", 10, most=9)
    with pytest.raises(ValueError, match=r"strides\[1\]: a whole number of 0 or more, got -1"):
        integers("strides", np.array([1, -1]), least=0)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, -0.5])
def test_a_number_is_finite_and_in_range(value):
    with pytest.raises(ValueError, match="lr: a finite number of 0 or more, got"):
        number("lr", value, least=0)


def test_numpys_numbers_are_numbers_and_words_are_not():
    assert number("lr", np.float32(0.5)) == 0.5
    for value in ("0.5", None, True):
        with pytest.raises(TypeError, match="lr: a finite number, got"):
            number("lr", value)


def test_a_choice_lists_what_there_is():
    with pytest.raises(ValueError, match="order: a, b or c, got 7"):
        one_of("order", 7, ("a", "b", "c"))


def test_what_came_fits_a_line_whatever_it_is():
    class Silent:
        def __repr__(self):
            raise RuntimeError

    assert got(Silent()) == "a Silent" and len(got("x" * 1000)) == 60 and got(10**5000) == "a int"
