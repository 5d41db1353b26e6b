"""Run: pytest tests/widgets/test_float_bits.py

FloatBits in Python: what it makes of values, tensors and the reader's encoder, and the golden answers that
float_bits.test.mjs holds the JS against.
"""

import math
import random
from dataclasses import asdict
from fractions import Fraction

import numpy as np
import pytest
import torch

from lmcourse.float_formats import FORMATS, OVERFLOWS, ROUNDINGS, FloatFormat, encode_nearest_even, exact_decimal
from lmcourse.widgets import FloatBits
from lmcourse.widgets.float_bits import as_text, exact_value

TEXTS = [
    *("0", "-0", "1", "-1", "0.1", "1/3", "-1e-8", "1e400", "-1e400", "1e-400", "inf", "-inf", "nan", "-nan"),
    *("65519.99", "65520", "1 + 2**-8 + 2**-40", "1+2^-11+2^-40", "2**-25", "-(2**-25)", "0.1 + 0.2", "464", "465"),
    *("61439", "61440", "248", "247", "7", "-7", "1.5", "3", "2**-127 * 1.5", "2**-133", "max", "max*1.0625", "tiny/2"),
    *("1 + eps/2", "1 + 3*eps/2", "float64(0.1)", "float32(1+2**-8+2**-40)", "0x1F", "007.5", "3 − 2.5", "2 × 2"),
]


class Draw:
    """A generator that gives one number: stochastic rounding as a function of its draw."""

    def __init__(self, u: float):
        self.u = u

    def random(self) -> float:
        return self.u


def number(value: Fraction | float) -> list:
    """As the JS has it: kind, sign, numerator, denominator."""
    if isinstance(value, Fraction):
        return ["finite", value < 0, str(abs(value.numerator)), str(value.denominator)]
    kind = "finite" if value == 0 else "inf" if math.isinf(value) else "nan"
    return [kind, math.copysign(1, value) < 0, "0", "1"]


def golden_codec(fmt: FloatFormat) -> dict:
    """Patterns with what they stand for, and numbers with what they become in every mode and policy."""
    chance = random.Random(fmt.name)
    codes = list(range(2**fmt.bits)) if fmt.bits <= 6 else [chance.getrandbits(fmt.bits) for _ in range(60)]
    top, sign = fmt.max_code, 1 << (fmt.bits - 1)
    edges = {
        0,
        1,
        2,
        top - 1,
        top,
        min(top + 1, 2**fmt.bits - 1),
        sign,
        sign - 1,
        2**fmt.bits - 1,
        2**fmt.mantissa_bits,
    }
    decoded = []
    for code in sorted({*codes, *edges}):
        exact = fmt.decode_exact(code)
        decoded.append([hex(code), fmt.kind(code), exact_decimal(abs(exact)) if exact is not None else None])
    encoded = []
    halfway = [(fmt.decode_exact(c) + fmt.decode_exact(c + 1)) / 2 for c in (1, 3, top // 2, top // 2 + 1, top - 1)]
    tiny = Fraction(1, 2**60)
    texts = TEXTS + [str(s * x * t) for x in halfway for s in (1, -1) for t in (1, 1 - tiny, 1 + tiny)]
    for text in texts:
        value = exact_value(text, fmt)
        if isinstance(value, float) and math.isnan(value) and not fmt.has_nan:
            encoded.append([text, number(value), None])
            continue
        draws = {mode: [0.0] for mode in ROUNDINGS} | {"stochastic": [0.0, 0.25, 0.499999, 0.75]}
        results = [
            hex(fmt.encode(value, rounding=mode, overflow=policy, generator=Draw(u)))
            for mode in ROUNDINGS
            for policy in OVERFLOWS
            for u in draws[mode]
        ]
        # Most results are alike: each is given once, with how often it comes in a row.
        runs = []
        for result in results:
            if runs and runs[-1][0] == result:
                runs[-1][1] += 1
            else:
                runs.append([result, 1])
        encoded.append([text, number(value), runs])
    return {"format": asdict(fmt), "decoded": decoded, "encoded": encoded}


def test_golden_answers(golden):
    golden("float_bits", [golden_codec(fmt) for fmt in FORMATS.values()])


@pytest.mark.parametrize(
    "text, value",
    [
        ("0.1 + 0.2", Fraction(3, 10)),
        ("2^-24", Fraction(1, 2**24)),
        ("-2**2", -4),
        ("2**-2**2", Fraction(1, 16)),
        ("(1 + 2) * 3 / 4", Fraction(9, 4)),
        ("0 * -1", 0),
        ("-0 + 0.1", Fraction(1, 10)),
        ("1 / inf", 0),
        ("inf - 10**400", math.inf),
        ("float32(0.1)", Fraction(13421773, 2**27)),
        ("bfloat16(float32(1 + 2**-8 + 2**-40))", 1),
    ],
)
def test_expressions_are_read_exactly(text, value):
    assert exact_value(text) == value


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "expected a number"),
        ("one", "expected numbers"),
        ("__import__('os').getcwd()", "expected numbers"),
        ("1/0", "division by zero"),
        ("0**-1", "division by zero"),
        ("2**0.5", "whole exponent"),
        ("2**99999999", "larger than any format reaches"),
        ("1e99999", "10\\*\\*5000"),
        ("1" * 3000, "2000 characters"),
        ("(" * 500 + "1" + ")" * 500, "value: "),
        ("1\x00", "expected a number"),
        ("True", "expected numbers"),
    ],
)
def test_what_is_no_number_is_refused_in_words(text, words):
    with pytest.raises(ValueError, match=words):
        exact_value(text)
    with pytest.raises(ValueError):
        FloatBits(text)


def test_a_tensor_brings_its_own_format_and_bits():
    signalling = torch.tensor(0x7F800001, dtype=torch.int32).view(torch.float32)
    assert FloatBits(signalling)._read() == (FORMATS["float32"], 0x7F800001)  # the payload survives
    x = torch.linspace(0, 1, 7, dtype=torch.bfloat16)
    assert FloatBits(x[3])._read() == (FORMATS["bfloat16"], 0x3F00)
    assert FloatBits(x[3:4], format="float16")._read() == (FORMATS["float16"], 0x3800)
    assert FloatBits(torch.tensor(3))._read() == (FORMATS["float32"], 0x40400000)
    with pytest.raises(ValueError, match="a tensor of one element, got shape"):
        FloatBits(x)


def test_values_keep_what_they_are():
    assert FloatBits(0.1).entered == "float64(0.1)" and FloatBits("0.1").entered == "0.1"
    assert exact_value(as_text(0.1)) == Fraction(0.1) != exact_value("0.1")
    assert FloatBits(Fraction(1, 3)).entered == "1/3" and FloatBits(-0.0).entered == "-0"
    assert FloatBits(math.nan, format="float32")._read()[1] == 0x7FC00000
    for x in (1e300, 5e-324, -1.5, 2.0**60, math.inf, 123456.789):
        assert exact_value(as_text(x)) == x


@pytest.mark.parametrize("number", [10**400, -(10**400), 2**60 + 1, np.int64(2**60 + 1), Fraction(1, 10**400)])
def test_whole_numbers_are_kept_however_large(number):
    for overflow in OVERFLOWS:
        widget = FloatBits(number, format="float16", overflow=overflow)
        assert Fraction(widget.entered) == Fraction(int(number.numerator), int(number.denominator))
        assert widget._read()[1] == FORMATS["float16"].encode(Fraction(widget.entered), overflow=overflow)
        assert "stands for" in widget.summary() and widget.static_html()
    with pytest.raises(ValueError, match="digits"):
        FloatBits(10**5000)


def test_an_encoder_is_asked_about_what_no_float_holds():
    question = {"format": "float16", "n": str(10**400), "d": "1", "negative": False}
    assert FloatBits(encode=encode_nearest_even).answer(question)["text"].startswith("✓")


def test_a_format_of_your_own_joins_the_table():
    mine = FloatFormat("float8_e3m4", 3, 4, bias=3)
    widget = FloatBits(1.1, format=mine)
    assert widget.formats[-1]["name"] == "float8_e3m4" and len(widget.formats) == len(FORMATS) + 1
    assert "float8_e3m4" in repr(widget) and len(FloatBits(1.1).formats) == len(FORMATS)


def test_your_encoder_is_held_against_the_reference():
    def answer(encode, x, name="float16"):
        exact = Fraction(x)
        question = {"format": name, "n": str(exact.numerator), "d": str(exact.denominator), "negative": x < 0}
        return FloatBits(encode=encode).answer(question)["text"]

    assert answer(encode_nearest_even, 0.1).startswith("✓")
    assert answer(lambda x, e, m: encode_nearest_even(x, e, m) ^ 2, 0.1).endswith("bit 1 is the first to differ")
    assert answer(lambda x, e, m: None, 0.1).startswith("✗ your encoder returned None")
    assert "for IEEE formats" in answer(encode_nearest_even, 0.1, "float8_e4m3fn")
    with pytest.raises(ZeroDivisionError):
        answer(lambda x, e, m: 1 // 0, 0.1)
    with pytest.raises(ValueError, match="no encoder of yours"):
        FloatBits().answer({"format": "float16", "n": "1", "d": "1"})


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        ({"format": "float7"}, ValueError, "format: expected a FloatFormat or one of float64"),
        ({"rounding": "nearest"}, ValueError, "rounding: expected one of"),
        ({"overflow": "wrap"}, ValueError, "overflow: expected one of"),
        ({"picture": "movie"}, ValueError, "picture: expected one of"),
        ({"encode": 3}, TypeError, "encode: expected a function"),
        ({"bits": 1 << 16}, ValueError, "bits: bfloat16 has 16 bits"),
        ({"value": None}, TypeError, "value: expected a number"),
        ({"value": math.nan, "format": "float4_e2m1fn"}, ValueError, "has no NaN"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments, error, words):
    with pytest.raises(error, match=words):
        FloatBits(**arguments)


def test_a_state_that_shows_nothing_still_has_a_snapshot():
    widget = FloatBits("1")
    widget.entered = "<b>nonsense"
    assert "shows no bits" in widget.summary() and "<b>nonsense" not in widget.static_html()
