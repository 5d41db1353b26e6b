"""Exercises of notebook 02: cases, hints, typical wrong answers. The references are in lmcourse.float_formats."""

import math
import struct
from fractions import Fraction

from lmcourse import float_formats
from lmcourse.exercises.judging import Case, call, difference, probe
from lmcourse.exercises.topic import Topic
from lmcourse.float_formats import FORMATS, FloatFormat

topic = Topic("float_formats", 2)
check, predict, quiz, ready = topic.check, topic.predict, topic.quiz, topic.ready


def exactly(got, want) -> str | None:
    """Floats must be equal to the last bit, the sign of a zero too: 2**-149 is not nearly zero here."""
    if isinstance(want, dict) and isinstance(got, dict) and got.keys() == want.keys():
        return next((f"at [{key!r}]: {note}" for key in want if (note := exactly(got[key], want[key]))), None)
    if not isinstance(want, float) or isinstance(got, bool) or not isinstance(got, int | float | Fraction):
        return difference(got, want)
    got = float(got)
    if math.isnan(want):
        return None if math.isnan(got) else f"{got!r}, where NaN is wanted"
    if got != want:
        return f"{got!r} is not {want!r}"
    return (
        None
        if math.copysign(1, got) == math.copysign(1, want)
        else f"{got!r}, where {want!r} is wanted: zero has a sign"
    )


# -- 2.1 memory_bytes


def _memory_cases() -> list[Case]:
    import torch

    return [
        probe("torch.zeros(3)", lambda fn: fn(torch.zeros(3))),
        probe("torch.zeros(3, dtype=torch.bfloat16)", lambda fn: fn(torch.zeros(3, dtype=torch.bfloat16))),
        probe("torch.zeros(4, 4).T", lambda fn: fn(torch.zeros(4, 4).T)),
        probe("torch.zeros(1000)[:10], which keeps all 1000 alive", lambda fn: fn(torch.zeros(1000)[:10])),
        probe(
            "torch.zeros(1, 10).expand(1000, 10), one row 1000 times",
            lambda fn: fn(torch.zeros(1, 10).expand(1000, 10)),
        ),
        probe("torch.zeros(100, 100)[::2, ::2]", lambda fn: fn(torch.zeros(100, 100)[::2, ::2])),
        probe("a list, which is no tensor", lambda fn: fn([1.0, 2.0])),
    ]


def _checked(tensor) -> None:
    if not hasattr(tensor, "numel"):
        raise TypeError("tensor")


def _packed(tensor):
    _checked(tensor)
    return tensor.numel() * tensor.element_size()


def _four_bytes(tensor):
    _checked(tensor)
    return tensor.numel() * 4


def _span(tensor):
    _checked(tensor)
    reach = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride())) + 1
    return reach * tensor.element_size()


topic.exercise(
    float_formats.memory_bytes,
    cases=_memory_cases,
    hints=(
        "A slice and a transpose own no memory: they look into somebody's storage. Ask the storage, not the shape.",
        "tensor.untyped_storage() has .nbytes(). Refuse first what is no tensor, and what has another layout than "
        "torch.strided.",
    ),
    wrong={"numel times element size": _packed, "four bytes each": _four_bytes, "from the first to the last": _span},
    minutes=5,
    level=1,
)


# -- 2.2 decode_bits


def _no_hidden_one(bits, exponent_bits, mantissa_bits):
    if (bits >> mantissa_bits) & (2**exponent_bits - 1) in (0, 2**exponent_bits - 1):
        return float_formats.decode_bits(bits, exponent_bits, mantissa_bits)
    bias = 2 ** (exponent_bits - 1) - 1
    sign = -1.0 if bits >> (exponent_bits + mantissa_bits) else 1.0
    exponent = (bits >> mantissa_bits) & (2**exponent_bits - 1)
    return sign * math.ldexp(bits & (2**mantissa_bits - 1), exponent - bias - mantissa_bits)


def _bias_off_by_one(bits, exponent_bits, mantissa_bits):
    return float_formats.decode_bits(bits, exponent_bits, mantissa_bits) / 2


def _no_subnormals(bits, exponent_bits, mantissa_bits):
    if (bits >> mantissa_bits) & (2**exponent_bits - 1) or not bits & (2**mantissa_bits - 1):
        return float_formats.decode_bits(bits, exponent_bits, mantissa_bits)
    bias = 2 ** (exponent_bits - 1) - 1
    sign = -1.0 if bits >> (exponent_bits + mantissa_bits) else 1.0
    return sign * math.ldexp(2**mantissa_bits + (bits & (2**mantissa_bits - 1)), -bias - mantissa_bits)


def _no_specials(bits, exponent_bits, mantissa_bits):
    if (bits >> mantissa_bits) & (2**exponent_bits - 1) != 2**exponent_bits - 1:
        return float_formats.decode_bits(bits, exponent_bits, mantissa_bits)
    bias = 2 ** (exponent_bits - 1) - 1
    sign = -1.0 if bits >> (exponent_bits + mantissa_bits) else 1.0
    return sign * math.ldexp(2**mantissa_bits + (bits & (2**mantissa_bits - 1)), bias + 1 - mantissa_bits)


def _sign_of_zero_lost(bits, exponent_bits, mantissa_bits):
    return float_formats.decode_bits(bits, exponent_bits, mantissa_bits) + 0.0


topic.exercise(
    float_formats.decode_bits,
    cases=[
        call(0b0_01111_0000000000, 5, 10),
        call(0b0_10000_1000000000, 5, 10),
        call(0b1_10000_1000000000, 5, 10),
        call(0b0_01011_1001100110, 5, 10),
        call(0, 5, 10),
        call(0b1_00000_0000000000, 5, 10),
        call(0b0_00001_0000000000, 5, 10),
        call(0b0_00000_0000000001, 5, 10),
        call(0b1_00000_1111111111, 5, 10),
        call(0b0_11110_1111111111, 5, 10),
        call(0b0_11111_0000000000, 5, 10),
        call(0b1_11111_0000000000, 5, 10),
        call(0b0_11111_0000000001, 5, 10),
        call(0x3F80, 8, 7),
        call(0x0001, 8, 7),
        call(0x3DCCCCCD, 8, 23),
        call(0x3FB999999999999A, 11, 52),
        call(0x7B, 5, 2),
    ],
    hints=(
        "Three masks first: sign, exponent, mantissa. Then three cases of the exponent: all ones, all zeros, the rest.",
        "A normal number is (2**m + mantissa) * 2**(exponent - bias - m); a subnormal one has no 2**m, and exponent 1. "
        "math.ldexp(x, k) is x * 2**k.",
    ),
    wrong={
        "forgets the hidden one": _no_hidden_one,
        "bias one too large": _bias_off_by_one,
        "subnormals as normals": _no_subnormals,
        "no Inf and NaN": _no_specials,
        "loses the sign of zero": _sign_of_zero_lost,
    },
    minutes=15,
    level=2,
    same=exactly,
)


# -- 2.3 format_limits


def _wrong_limits(**changes):
    def limits(exponent_bits, mantissa_bits):
        right = float_formats.format_limits(exponent_bits, mantissa_bits)
        return right | {key: change(right) for key, change in changes.items()}

    return limits


topic.exercise(
    float_formats.format_limits,
    cases=[call(5, 10), call(8, 7), call(5, 2), call(4, 3), call(8, 23), call(11, 52)],
    hints=(
        "Write down five patterns and decode them: which is the largest whose exponent is not all ones?",
        "largest = 2**bias * (2 - 2**-m), smallest normal 2**(1 - bias), smallest subnormal 2**-m of that, eps 2**-m.",
    ),
    wrong={
        "spends the reserved exponent": _wrong_limits(max=lambda r: 2 * r["max"], lowest=lambda r: -2 * r["max"]),
        "lowest is the smallest": _wrong_limits(lowest=lambda r: r["smallest_normal"]),
        "no subnormals": _wrong_limits(smallest_subnormal=lambda r: r["smallest_normal"]),
        "eps is half a spacing": _wrong_limits(eps=lambda r: r["eps"] / 2),
        "the parenthesis of the notes": _wrong_limits(max=lambda r: r["max"] / 2),
    },
    minutes=10,
    level=1,
    same=exactly,
)


# -- 2.4 encode_nearest_even


def _by(rounding, overflow="inf"):
    def encode(x, exponent_bits, mantissa_bits):
        bias = 2 ** (exponent_bits - 1) - 1
        fmt = FloatFormat("ieee", exponent_bits, mantissa_bits, bias=bias)
        return fmt.encode(x, rounding=rounding, overflow=overflow)

    return encode


def _flushes_subnormals(x, exponent_bits, mantissa_bits):
    code = float_formats.encode_nearest_even(x, exponent_bits, mantissa_bits)
    sign = code >> (exponent_bits + mantissa_bits) << (exponent_bits + mantissa_bits)
    return code if (code >> mantissa_bits) & (2**exponent_bits - 1) else sign


def _through_float32(x, exponent_bits, mantissa_bits):
    try:
        x = struct.unpack("<f", struct.pack("<f", x))[0]
    except OverflowError:
        x = math.copysign(math.inf, x)
    return float_formats.encode_nearest_even(x, exponent_bits, mantissa_bits)


def _nan_is_inf(x, exponent_bits, mantissa_bits):
    return float_formats.encode_nearest_even(math.inf if math.isnan(x) else x, exponent_bits, mantissa_bits)


topic.exercise(
    float_formats.encode_nearest_even,
    cases=[
        call(1.0, 5, 10),
        call(3.0, 5, 10),
        call(-0.5, 5, 10),
        call(0.1, 5, 10),
        call(0.0, 5, 10),
        call(-0.0, 5, 10),
        call(1 + 2**-11, 5, 10),
        call(1 + 3 * 2**-11, 5, 10),
        call(2 - 2**-12, 5, 10),
        call(2**-24, 5, 10),
        call(2**-25, 5, 10),
        call(3 * 2**-26, 5, 10),
        call(1e-5, 5, 10),
        call(65519.99, 5, 10),
        call(65520.0, 5, 10),
        call(-1e9, 5, 10),
        call(math.inf, 5, 10),
        call(math.nan, 5, 10),
        call(0.1, 8, 7),
        call(1 + 2**-8 + 2**-40, 8, 7),
        call(3.4028234663852886e38, 8, 7),
        call(2.0**-134 * 3, 8, 7),
        call(0.1, 8, 23),
    ],
    hints=(
        "Find the spacing around x first: 2**(exponent - m), where the exponent is that of the leading bit "
        "(math.frexp(x)[1] - 1), but never below 1 - bias. How many spacings is x?",
        "round(Fraction) rounds ties to even. Add the number of spacings to (exponent - 1 + bias) << m: the hidden one "
        "carries into the exponent field by itself.",
    ),
    wrong={
        "cuts off": _by("toward_zero"),
        "ties away from zero": _by("ties_away"),
        "saturates": _by("nearest_even", "saturate"),
        "flushes subnormals": _flushes_subnormals,
        "rounds twice, through float32": _through_float32,
        "NaN becomes Inf": _nan_is_inf,
    },
    minutes=20,
    level=3,
)


# -- 2.5 diagnose


def _absolute_eps(weight, update, fmt):
    """Compares the update with eps, wherever the weight is."""
    right = float_formats.diagnose(weight, update, fmt)
    return right if right in ("underflow", "overflow") else "stalled" if abs(update) < fmt.eps / 2 else "moves"


def _no_underflow(weight, update, fmt):
    right = float_formats.diagnose(weight, update, fmt)
    return "stalled" if right == "underflow" else right


def _in_float64(weight, update, fmt):
    """Forgets that the sum too is kept in the format."""
    right = float_formats.diagnose(weight, update, fmt)
    return "moves" if right == "stalled" else right


def _relative_eps(weight, update, fmt):
    """Forgets ties, and that the spacing below a power of two is half of that above it."""
    right = float_formats.diagnose(weight, update, fmt)
    if right in ("underflow", "overflow"):
        return right
    return "stalled" if abs(update) < abs(weight) * fmt.eps / 2 else "moves"


_FP16, _BF16, _FP32 = FORMATS["float16"], FORMATS["bfloat16"], FORMATS["float32"]

topic.exercise(
    float_formats.diagnose,
    cases=[
        call(1.0, 0.5, _BF16),
        call(1.0, -1e-3, _BF16),
        call(1.0, -1e-3, _FP16),
        call(1.0, 1e-8, _FP16),
        call(1.0, 1e-8, _BF16),
        call(1e-3, 1e-5, _BF16),
        call(256.0, 1.0, _BF16),
        call(258.0, 1.0, _BF16),
        call(1.0, -(2.0**-8), _BF16),
        call(1.0, 2.0**-8, _BF16),
        call(1e-6, 1e-9, _FP16),
        call(65504.0, 64.0, _FP16),
        call(1.0, 1e5, _FP16),
        call(1.0, 1e-8, _FP32),
    ],
    hints=(
        "Three roundings happen: of the weight, of the update, of their sum. Look at what each one leaves.",
        "fmt.decode(fmt.encode(x)) is x kept in the format. Add exactly, as Fractions, and round the sum once.",
    ),
    wrong={
        "eps wherever the weight is": _absolute_eps,
        "underflow called a stall": _no_underflow,
        "the sum in float64": _in_float64,
        "relative eps, no ties": _relative_eps,
    },
    minutes=15,
    level=2,
)


# -- Predictions


topic.prediction(
    "finfo_min",
    answer=-65504.0,
    why="finfo calls the lowest number min. The smallest positive one is 2**-24, the smallest normal 2**-14 (tiny).",
    remarks={
        2**-14: "That is the smallest normal number, which finfo calls tiny.",
        2**-24: "That is the smallest subnormal number, for which finfo has no name.",
    },
)
topic.prediction(
    "past_the_largest",
    answer=65504.0,
    why="The next number would be 65536, and 65519 is nearer to 65504. Halfway, at 65520, the tie goes to even: Inf.",
    remarks={math.inf: "Rounding comes first: only what rounds past the largest number overflows, from 65520 on."},
)
topic.prediction(
    "a_thousand_cents",
    answer=4.0,
    why="From 4 on the spacing is 1/32, and 0.01 is less than half of it: each addition is rounded away.",
    tolerance=0.03,
    remarks={10.0: "That is the sum of the numbers; the running sum in bfloat16 gets stuck before."},
)

# -- The quiz

for _text, _answer in (
    (
        "Why is the exponent of all ones not used for numbers?",
        "It is reserved: with mantissa 0 it is infinity, with any other NaN. So float16 ends at 65504, not at 131008.",
    ),
    (
        "What does torch.finfo(dtype).min mean?",
        "The lowest number, minus the largest. The smallest positive normal number is finfo.tiny; finfo has no name "
        "for the smallest subnormal one.",
    ),
    (
        "bfloat16 has float32's exponent. Does it hold float32's largest number?",
        "No: with 7 mantissa bits it rounds up, past the largest, to Inf. Same exponent width is not the same range.",
    ),
    (
        "A gradient of 1e-8: what becomes of it in float16, and in bfloat16?",
        "In float16 0, as everything up to 2**-25. In bfloat16 it survives with 8 significant bits.",
    ),
    (
        "A weight of 1.0 in bfloat16 gets a thousand updates of -0.001. Where is it?",
        "At 1.0: each update is less than half the spacing. A float32 master copy, or stochastic rounding, moves it.",
    ),
    (
        "Why does loss scaling help float16 and is not needed for bfloat16?",
        "Multiplying the loss by 2**16 shifts the gradients up, out of the range that becomes zero. bfloat16 has that "
        "range.",
    ),
    (
        "What does e4m3fn make of 1000?",
        "That is a policy: 448 where the cast saturates (PyTorch from 2.12 on), NaN where it does not (ml_dtypes).",
    ),
    (
        "How many bytes does x.expand(1000, 10) keep alive, and how many does a ten-element slice of a gigabyte?",
        "Its one storage: one row of x; and the whole gigabyte.",
    ),
    (
        "In attention, what wants float32?",
        "The accumulators of the matmuls and the softmax (its sum). The matmuls' inputs do not.",
    ),
):
    topic.question(_text, _answer)
