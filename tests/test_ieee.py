"""Run: pytest tests/test_ieee.py (the decoder and the encoder are tested in test_float_formats.py)"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmcourse.exercises.cases import fields as on_a_card
from lmcourse.float_formats import FORMATS
from lmcourse.ieee import bit_fields, exponent_of, round_to_even, spacing_at
from lmcourse.widgets.float_bits import fields as in_the_widget

FINITE = st.floats(allow_nan=False, allow_infinity=False).filter(bool)


@pytest.mark.parametrize("name", FORMATS)
def test_fields_are_the_bits_cut_where_the_format_says(name):
    fmt = FORMATS[name]
    bits = fmt.max_code
    text = fmt.fields(bits)
    assert int(text.replace(" ", ""), 2) == bits and len(text.replace(" ", "")) == fmt.bits
    widths = [width for width in (int(fmt.signed), fmt.exponent_bits, fmt.mantissa_bits) if width]
    assert [len(field) for field in text.split()] == widths
    assert in_the_widget(fmt, bits) == text
    if fmt.signed:
        assert on_a_card(bits, fmt.exponent_bits, fmt.mantissa_bits) == text


@pytest.mark.parametrize("bits", [-1, 2**16])
def test_what_has_more_bits_is_refused(bits):
    with pytest.raises(ValueError, match="bits: a pattern of 16 bits"):
        bit_fields(bits, 5, 10)


@pytest.mark.parametrize(("name", "dtype"), [("float16", np.float16), ("float32", np.float32), ("float64", np.float64)])
@given(x=FINITE)
def test_the_spacing_is_numpys(name, dtype, x):
    fmt = FORMATS[name]
    with np.errstate(over="ignore"):
        near = dtype(x)
    if near == 0 or not np.isfinite(near) or abs(near) == np.finfo(dtype).max:
        return
    assert spacing_at(float(near), fmt.exponent_bits, fmt.mantissa_bits) == float(np.spacing(abs(near)))


@given(x=FINITE)
def test_the_exponent_brackets_the_number(x):
    exponent = exponent_of(x, 11)
    assert exponent == -1022 or math.ldexp(1.0, exponent) <= abs(x)
    assert math.ldexp(abs(x), -exponent) < 2


@given(steps=st.floats(min_value=0, max_value=2.0**60))
def test_ties_go_where_python_sends_them(steps):
    assert round_to_even(steps) == round(steps)
