"""Run: pytest tests/test_float_drawings.py"""

from fractions import Fraction

import pytest
import torch
from matplotlib import pyplot as plt

from lmcourse.float_formats import FORMATS
from lmcourse.support.drawings import _plain_binary, named_axes, worked_example


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
    with pytest.raises(ValueError, match="bits: expected a normal number"):
        worked_example(FORMATS["float16"], bits)


def test_every_axis_and_every_value_of_a_named_tensor_is_written():
    x = torch.arange(12).view(1, 3, 4)
    drawn = named_axes({"b seq (h d)": x, "b h seq d": x.view(1, 3, 2, 2).transpose(1, 2)}, run=2)
    said = texts(drawn).split("\n")
    assert {"b seq (h d)", "(1, 3, 4)", "(h d) →", "← seq", "b = 0", "b = 0, h = 1", "→"} <= set(said)
    assert [text for text in said if text.isdigit()] == [*map(str, range(12)), *"014589", *"2367", "10", "11"]
    plt.close(drawn)


def test_names_must_be_as_many_as_axes():
    with pytest.raises(ValueError, match=r"names: one for each of at most 4 axes, got 'a b c' for a shape of \(2, 3\)"):
        named_axes({"a b c": torch.zeros(2, 3)})
