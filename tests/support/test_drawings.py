"""Run: pytest tests/support/test_drawings.py"""

import math
from fractions import Fraction

import pytest
from matplotlib import pyplot as plt

from lmcourse.float_formats import FORMATS
from lmcourse.support.drawings import number_line, ranges, staircase, worked_example
from lmcourse.support.drawings.floats import _plain_binary


def texts(figure) -> str:
    return "\n".join(text.get_text() for text in figure.axes[0].texts)


def test_the_worked_example_says_both_directions():
    drawn = worked_example(FORMATS["float16"], 0b1_10010_1011010000)
    said = texts(drawn)
    assert "−1.703125 × 2³ = −13.625" in said and "18 − 15 = 3" in said
    assert "13.625 = 1101.101₂ = 1.101101₂ × 2³" in said and "3 + 15 = 18 = 10010₂" in said
    plt.close(drawn)


@pytest.mark.parametrize("name", ["float8_e4m3fn", "bfloat16", "float8_e5m2fnuz"])
def test_other_formats_are_drawn_by_the_same_rule(name):
    drawn = worked_example(FORMATS[name], FORMATS[name].encode(0.15625))
    assert "= 0.15625" in texts(drawn)
    plt.close(drawn)


def test_binary_as_one_writes_it():
    assert _plain_binary(Fraction("13.625")) == "1101.101"
    assert _plain_binary(Fraction("0.375")) == "0.011" and _plain_binary(Fraction(8)) == "1000"


@pytest.mark.parametrize("bits", [0, 1, 0x7C00, 0x7E00])
def test_what_is_no_normal_number_is_refused(bits):
    with pytest.raises(ValueError, match="bits: a normal number"):
        worked_example(FORMATS["float16"], bits)


def test_every_number_of_a_small_format_is_on_its_line():
    fmt = FORMATS["float4_e2m1fn"]
    drawn = number_line(fmt)
    marks = [x for line in drawn.axes[0].lines for x in line.get_xdata()]
    assert marks == [x for x in fmt.finite_values() if x >= 0]
    plt.close(drawn)
    with pytest.raises(ValueError, match="fmt: a format of at most 8 bits"):
        number_line(FORMATS["float16"])


def test_a_range_ends_where_its_format_ends():
    drawn = ranges([FORMATS["float16"], FORMATS["bfloat16"]])
    ends = {round(bar.get_x() + bar.get_width(), 3) for bar in drawn.axes[0].patches}
    assert {round(math.log10(FORMATS[name].max), 3) for name in ("float16", "bfloat16")} <= ends
    plt.close(drawn)


def test_each_tie_stands_on_the_number_that_the_codec_takes():
    drawn = staircase(FORMATS["bfloat16"], 1.0, 1.03125)
    dots = drawn.axes[0].lines[-1]
    assert list(dots.get_xdata()) == [1.00390625, 1.01171875, 1.01953125, 1.02734375]
    assert list(dots.get_ydata()) == [1.0, 1.015625, 1.015625, 1.03125]
    plt.close(drawn)
