"""Exercises of notebook 02: cases and hints. References: lmcourse.ieee, float_formats; wrong answers: mistakes."""

import functools
import itertools
import math
from collections.abc import Iterator

from lmcourse import float_formats, ieee
from lmcourse.exercises.cases import (
    Bits,
    call,
    fields,
    floats_near,
    patterns,
    random_floats,
    random_patterns,
)  # fmt: skip
from lmcourse.exercises.comparing import difference, exactly
from lmcourse.exercises.judging import Call
from lmcourse.exercises.mistakes import float_formats as mistakes
from lmcourse.exercises.practice import float_formats as practice
from lmcourse.exercises.probes import float_formats as probes
from lmcourse.exercises.topic import Topic

topic = Topic("float_formats", 2, practice)
check, predict, quiz, ready = topic.check, topic.predict, topic.quiz, topic.ready


# -- 2.1 memory_bytes


topic.exercise(
    float_formats.memory_bytes,
    cases=probes.memory_cases,
    hints=(
        "A slice and a transpose own no memory: they look into somebody's storage. Ask the storage, not the shape.",
        "tensor.untyped_storage() has .nbytes(). Refuse first what is no tensor, and what has another layout than "
        "torch.strided.",
    ),
    wrong={
        "numel times element size": mistakes.packed,
        "four bytes each": mistakes.four_bytes,
        "from the first to the last": mistakes.span,
    },
    minutes=6,
    level=1,
)


# -- 2.2 decode_bits


def _decode_cases() -> Iterator[Call]:
    yield from (call(0b0_01_0, 2, 1), call(0b1_01_0, 2, 1))  # 1 and -1: the sign, before that of a zero
    for code in patterns(2, 1):
        yield call(code, 2, 1)
    named = (0x3C00, 0x4200, 0xC200, 0x2E66, 0, 0x8000, 0x0400, 1, 0x83FF, 0x7BFF, 0x7C00, 0xFC00, 0x7C01, 0x7E00)
    for code in named:
        yield call(Bits(code, 5, 10), 5, 10)
    for widths in ((4, 3), (5, 2)):
        yield from (call(code, *widths) for code in patterns(*widths))
    wide = {
        (8, 7): (0x3F80, 1, 0x7F80),
        (8, 23): (0x3DCCCCCD, 1, 0x7F7FFFFF),
        (11, 52): (0x7FEFFFFFFFFFFFFF, 1 << 52, 1),
    }
    for widths, codes in wide.items():
        yield from (call(Bits(code, *widths), *widths) for code in codes)
    for widths in ((5, 10), (8, 7), (8, 23), (11, 52)):
        yield from (call(code, *widths) for code in random_patterns(100, *widths))


topic.exercise(
    ieee.decode_bits,
    cases=_decode_cases,
    hints=(
        "Three masks first: sign, exponent, mantissa. Then three cases of the exponent: all ones, all zeros, the rest.",
        "A normal number is (2**m + mantissa) * 2**(exponent - bias - m); a subnormal one has no 2**m, and exponent 1. "
        "math.ldexp(x, k) is x * 2**k.",
    ),
    wrong={
        "forgets the hidden one": mistakes.no_hidden_one,
        "bias one too large": mistakes.bias_off_by_one,
        "subnormals as normals": mistakes.no_subnormals,
        "no Inf and NaN": mistakes.no_specials,
        "loses the sign of zero": mistakes.sign_of_zero_lost,
    },
    minutes=12,
    level=2,
    same=exactly,
)


# -- 2.3 format_limits


topic.exercise(
    ieee.format_limits,
    cases=[call(e, m) for e, m in itertools.product(range(2, 9), range(1, 11))] + [call(8, 23), call(11, 52)],
    hints=(
        "Write down five patterns and decode them: which is the largest whose exponent is not all ones?",
        "largest = 2**bias * (2 - 2**-m), smallest normal 2**(1 - bias), smallest subnormal 2**-m of that, eps 2**-m.",
    ),
    wrong={
        "spends the reserved exponent": mistakes.wrong_limits(
            max=lambda r: 2 * r["max"], lowest=lambda r: -2 * r["max"]
        ),
        "lowest is the smallest": mistakes.wrong_limits(lowest=lambda r: r["smallest_normal"]),
        "no subnormals": mistakes.wrong_limits(smallest_subnormal=lambda r: r["smallest_normal"]),
        "eps is half a spacing": mistakes.wrong_limits(eps=lambda r: r["eps"] / 2),
        "the parenthesis of the notes": mistakes.wrong_limits(max=lambda r: r["max"] / 2),
    },
    minutes=8,
    level=1,
    same=exactly,
)


# -- 2.4 encode_nearest_even


def _encode_cases() -> Iterator[Call]:
    for widths in ((2, 1), (3, 2)):
        infinity = (2 ** widths[0] - 1) << widths[1]
        grid = [float_formats.decode_bits(code, *widths) for code in range(infinity)]
        grid.append(2 * grid[-1] - grid[-2])  # the number that would come next
        yield from (call(sign * x, *widths) for x in grid for sign in (1.0, -1.0))
        yield from (call(x, *widths) for x in floats_near(*((a + b) / 2 for a, b in itertools.pairwise(grid))))
    for x in (math.inf, -math.inf, 1e300, 5e-324):
        yield call(x, 5, 10)
    for widths in ((5, 10), (2, 1), (8, 23), (11, 52)):
        yield Call((math.nan, *widths), {}, same=functools.partial(_any_nan, *widths))
    edges = (1 + 2**-11, 1 + 3 * 2**-11, 2 - 2**-12, 2**-24, 2**-25, 3 * 2**-26, 2**-14, 65504.0, 65519.0, 65520.0)
    yield from (call(x, 5, 10) for x in floats_near(*edges))
    for x in (0.1, 1 + 2**-8 + 2**-40, 3.4028234663852886e38, 2.0**-134 * 3):
        yield call(x, 8, 7)
    for widths in ((5, 10), (4, 3), (8, 7), (8, 23)):
        yield from (call(x, *widths) for x in random_floats(60, 1e-9, 1e6))
    yield from (call(x, 11, 52) for x in (0.1, -1e300, 5e-324))


def _any_nan(exponent_bits, mantissa_bits, got, want):
    """Which pattern of a NaN is nobody's promise."""
    if difference(got, want) is None:
        return None
    fits = isinstance(got, int) and 0 <= got < 2 ** (1 + exponent_bits + mantissa_bits)
    if fits and math.isnan(float_formats.decode_bits(got, exponent_bits, mantissa_bits)):
        return None
    return "the pattern of a NaN is wanted: the exponent all ones, the mantissa not 0"


topic.exercise(
    ieee.encode_nearest_even,
    cases=_encode_cases,
    show=lambda code, x, *widths: fields(code, *widths),
    hints=(
        "NaN, infinity and zero first: each has a pattern of its own. Then count abs(x) in spacings, round the count.",
        "The pattern is ((exponent - 1 + bias) << mantissa_bits) + steps: the hidden one in steps carries into the "
        "exponent field by itself. What is larger than infinity's pattern becomes infinity's. Set the sign bit last.",
    ),
    wrong={
        "cuts off": mistakes.by("toward_zero"),
        "ties away from zero": mistakes.by("ties_away"),
        "saturates": mistakes.by("nearest_even", "saturate"),
        "flushes subnormals": mistakes.flushes_subnormals,
        "rounds twice, through float32": mistakes.through_float32,
        "NaN becomes Inf": mistakes.nan_is_inf,
    },
    minutes=12,
    level=2,
)


# -- 2.4a to 2.4c, its steps


_WIDTHS = ((2, 1), (5, 10), (8, 7), (8, 23), (11, 52))


def _sizes_cases(*, mantissa: bool) -> Iterator[Call]:
    """Numbers of every size, small ones first: (x, exponent_bits), and the mantissa's bits where they are asked for."""
    for exponent_bits, mantissa_bits in _WIDTHS:
        widths = (exponent_bits, mantissa_bits) if mantissa else (exponent_bits,)
        for x in (1.0, 13.0, -13.0, 2.0, 0.75, 1e-9, -1e-9, 0.1, 1e6, 5e-324, 1.7e308):
            yield call(x, *widths)
        edges = [2.0**k for k in (-1022, -126, -24, -15, -14, -13, -1, 0, 1, 2, 15, 16, 127)]
        yield from (call(x, *widths) for x in floats_near(*edges))
        yield from (call(x, *widths) for x in random_floats(30, 1e-12, 1e12))


topic.exercise(
    ieee.exponent_of,
    of="encode_nearest_even",
    cases=functools.partial(_sizes_cases, mantissa=False),
    hints=(
        "Two numbers compete: the exponent of x itself, and the smallest normal number's. Which one is taken?",
        "math.frexp(x)[1] - 1 is the exponent of x. The bias comes from exponent_bits; take the larger of the two.",
    ),
    wrong={
        "frexp's exponent, one too large": lambda x, e: max(math.frexp(x)[1], 2 - 2 ** (e - 1)),
        "no smallest exponent": mistakes.unbounded_exponent,
        "the smallest exponent one too low": lambda x, e: max(math.frexp(x)[1] - 1, 1 - 2 ** (e - 1)),
        "a logarithm, which is rounded": mistakes.rounded_logarithm,
    },
    minutes=6,
    level=1,
)


topic.exercise(
    ieee.spacing_at,
    of="encode_nearest_even",
    cases=functools.partial(_sizes_cases, mantissa=True),
    hints=(
        "From one power of two to the next there are 2**mantissa_bits numbers. How far apart are they?",
        "2.0 ** (exponent_of(x, exponent_bits) - mantissa_bits). A negative x has a positive spacing.",
    ),
    wrong={
        "eps, wherever the number is": mistakes.eps_everywhere,
        "x times eps": mistakes.relative_spacing,
        "half a spacing": lambda x, e, m: ieee.spacing_at(x, e, m) / 2,
        "subnormals without a smallest exponent": mistakes.no_subnormal_spacing,
    },
    minutes=6,
    level=1,
    same=exactly,
)


def _round_cases() -> Iterator[Call]:
    yield from (call(k / 4) for k in range(41))
    yield from (call(x) for edge in (0.5, 1.5, 2.5, 7.5, 1024.5) for x in floats_near(edge) if x > 0)
    yield from (call(abs(x)) for x in random_floats(50, 1e-3, 1e6))
    yield from (call(x) for x in (5e-324, 2.0**52 - 0.5, 2.0**52 + 1, 2.0**53))


topic.exercise(
    ieee.round_to_even,
    of="encode_nearest_even",
    cases=_round_cases,
    hints=(
        "Take the whole part and the rest. What is done with a rest under a half, over a half, and of a half exactly?",
        "below = math.floor(steps), rest = steps - below. Go up if rest > 0.5, or if it is 0.5 and below is odd.",
    ),
    wrong={
        "cuts off": lambda steps: math.floor(steps),
        "a half always goes up": lambda steps: math.floor(steps) + (steps - math.floor(steps) >= 0.5),
        "a half always goes down": lambda steps: math.floor(steps) + (steps - math.floor(steps) > 0.5),
        "a half goes to the odd number": lambda steps: (
            math.floor(steps) + (steps % 1 > 0.5 or (steps % 1 == 0.5 and math.floor(steps) % 2 == 0))
        ),
    },
    minutes=6,
    level=1,
)


# -- 2.5 diagnose


topic.exercise(
    float_formats.diagnose,
    cases=probes.diagnose_cases,
    hints=(
        "Three roundings happen: of the weight, of the update, of their sum. Look at what each one leaves.",
        "fmt.decode(fmt.encode(x)) is x kept in the format. Add exactly, as Fractions, and round the sum once.",
    ),
    wrong={
        "eps wherever the weight is": mistakes.absolute_eps,
        "underflow called a stall": mistakes.no_underflow,
        "the sum in float64": mistakes.in_float64,
        "relative eps, no ties": mistakes.relative_eps,
        "adds to the weight before it is rounded": mistakes.sum_of_the_unrounded,
        "adds the update before it is rounded": mistakes.adds_the_unrounded_update,
        "looks for overflow before the sum is rounded": mistakes.too_large_before_rounding,
        "takes only Inf for too large": mistakes.only_infinity,
    },
    minutes=10,
    level=2,
)


# -- Predictions


topic.prediction(
    "counting",
    answer=256,
    why="Eight binary digits count to 255, and 256 is a power of two. Beyond it the numbers lie 2 apart, and 257, "
    "a tie, goes to the even neighbour: 256.",
    remarks={
        255: "Its eight digits are all ones. And one more is a power of two.",
        128: "From 128 to the next power of two the numbers still lie 1 apart.",
    },
)
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
        "Which of float16 and bfloat16 reaches further, and which is finer?",
        "bfloat16 reaches further: it has three exponent bits more. float16 is finer: it has three mantissa bits more.",
    ),
    (
        "A gradient of 1e-8: what becomes of it in float16, and in bfloat16?",
        "In float16 it becomes 0: underflow. bfloat16 keeps two or three of its digits.",
    ),
    (
        "A weight of 1.0 in bfloat16 gets a thousand updates of -0.001. Where is it?",
        "At 1.0: each update is less than half the distance to the next number, and is rounded away. A float32 copy of "
        "the weight, or stochastic rounding, moves it.",
    ),
    (
        "More: what does torch.finfo(dtype).min mean?",
        "The lowest number, minus the largest. The smallest positive normal number is finfo.tiny; finfo has no name "
        "for the smallest subnormal one.",
    ),
    (
        "More: why does loss scaling help float16, and is not needed for bfloat16?",
        "Multiplying the loss by 2**16 shifts the gradients up, out of the range that becomes zero. bfloat16 has that "
        "range.",
    ),
    (
        "More: how much memory do 12,288 by 49,152 numbers need in bfloat16, in bytes, in GB and in GiB?",
        "Numbers times 2 bytes: 1,207,959,552 bytes, which is 1.208 GB and 1.125 GiB.",
    ),
    (
        "More: why does hardware keep the accumulator of a sum in float32, where the numbers are bfloat16?",
        "The sum grows, and the distance between its neighbours with it. In bfloat16 what is less than half of that is "
        "rounded away.",
    ),
):
    topic.question(_text, _answer)
