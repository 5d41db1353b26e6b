"""IEEE 754's rules, one idea a function: fields of a pattern, the number it stands for, and the one rounding back.

These are the functions that notebook 02 has you write, for formats with any number of exponent and mantissa bits; every
other format is in `lmcourse.float_formats`. Numbers are Python floats. A division by a power of two is exact, so
nothing is rounded before `round_to_even`.
"""

import math


def bit_fields(bits: int, exponent_bits: int, mantissa_bits: int, *, signed: bool = True) -> str:
    """A pattern as text, with a space between its fields: sign, exponent, mantissa. A field of no bits is left out.

    Raises: ValueError for a pattern that has more bits than that.

    >>> bit_fields(0b1_10000_1000000000, exponent_bits=5, mantissa_bits=10)
    '1 10000 1000000000'
    """
    widths = (int(signed), exponent_bits, mantissa_bits)
    if not 0 <= bits < 2 ** sum(widths):
        raise ValueError(f"bits: a pattern of {sum(widths)} bits, got {bits}")
    digits, fields = f"{bits:0{sum(widths)}b}", []
    for width in widths:
        fields.append(digits[:width])
        digits = digits[width:]
    return " ".join(field for field in fields if field)


def decode_bits(bits: int, exponent_bits: int, mantissa_bits: int) -> float:
    """The number that a pattern stands for: zero, subnormal, normal, infinity or NaN.

    The pattern is sign, exponent, mantissa from the top bit down, as IEEE 754 has it.
    The exponent's bias is `2**(exponent_bits - 1) - 1`. A zero keeps its sign.

    >>> decode_bits(0b0_10000_1000000000, exponent_bits=5, mantissa_bits=10)
    3.0
    >>> decode_bits(0b0_00000_0000000001, exponent_bits=5, mantissa_bits=10) == 2**-24
    True
    >>> decode_bits(0b1_11111_0000000000, exponent_bits=5, mantissa_bits=10)
    -inf
    """
    bits = int(bits)  # a NumPy integer would wrap in the shifts below
    bias = 2 ** (exponent_bits - 1) - 1
    sign = -1.0 if bits >> (exponent_bits + mantissa_bits) else 1.0
    exponent = (bits >> mantissa_bits) & (2**exponent_bits - 1)
    mantissa = bits & (2**mantissa_bits - 1)
    if exponent == 2**exponent_bits - 1:  # all ones: not a number, or an infinite one
        return math.nan if mantissa else sign * math.inf
    if exponent == 0:  # all zeros: no hidden one, and the exponent of the smallest normal number
        return sign * math.ldexp(mantissa, 1 - bias - mantissa_bits)
    return sign * math.ldexp(2**mantissa_bits + mantissa, exponent - bias - mantissa_bits)


def format_limits(exponent_bits: int, mantissa_bits: int) -> dict[str, float]:
    """The five numbers that describe an IEEE format, each from its own pattern.

    The keys: `max`, `lowest` (the most negative: what `torch.finfo` calls `min`),
    `smallest_normal`, `smallest_subnormal`, and `eps`, the distance from 1 to the next.

    >>> format_limits(exponent_bits=5, mantissa_bits=10)["max"]
    65504.0
    """
    largest = 2.0 ** (2 ** (exponent_bits - 1) - 1) * (2 - 2.0**-mantissa_bits)
    smallest_normal = 2.0 ** (2 - 2 ** (exponent_bits - 1))
    return {
        "max": largest,
        "lowest": -largest,
        "smallest_normal": smallest_normal,
        "smallest_subnormal": smallest_normal * 2.0**-mantissa_bits,
        "eps": 2.0**-mantissa_bits,
    }


def exponent_of(x: float, exponent_bits: int) -> int:
    """The power of two that `x` is counted from: the largest k with `2**k <= abs(x)`.

    It is never less than `1 - bias`, that of the smallest normal number: below it,
    numbers are subnormal. The bias is `2**(exponent_bits - 1) - 1`.
    `x` is finite and not zero.

    >>> exponent_of(13.0, exponent_bits=5), exponent_of(1e-9, exponent_bits=5)
    (3, -14)
    """
    bias = 2 ** (exponent_bits - 1) - 1
    return max(math.frexp(x)[1] - 1, 1 - bias)


def spacing_at(x: float, exponent_bits: int, mantissa_bits: int) -> float:
    """The distance between neighbouring numbers of a format around `x`.

    It is two to the power `exponent - mantissa_bits`; the exponent is `exponent_of`'s.
    `x` is finite and not zero; the spacing is positive.

    >>> spacing_at(13.0, exponent_bits=5, mantissa_bits=10)
    0.0078125
    """
    return 2.0 ** (exponent_of(x, exponent_bits) - mantissa_bits)


def round_to_even(steps: float) -> int:
    """The whole number nearest to `steps`; exactly halfway between two, the even one.

    `steps` is finite and not negative.

    >>> round_to_even(2.25), round_to_even(2.5), round_to_even(3.5)
    (2, 2, 4)
    """
    below = math.floor(steps)
    rest = steps - below
    if rest > 0.5 or (rest == 0.5 and below % 2 == 1):
        return below + 1
    return below


def encode_nearest_even(x: float, exponent_bits: int, mantissa_bits: int) -> int:
    """The pattern of the number nearest to `x`; of two, the one whose last bit is 0.

    Numbers that round past the largest become infinity (IEEE 754-2019, section 4.3.1).
    Infinities and the sign of a zero are kept. A NaN becomes any pattern of a NaN.

    >>> encode_nearest_even(3.0, 5, 10) == 0b0_10000_1000000000
    True
    >>> encode_nearest_even(1 + 2**-11, 5, 10) == encode_nearest_even(1.0, 5, 10)
    True
    """
    bias = 2 ** (exponent_bits - 1) - 1
    sign = (math.copysign(1, x) < 0) << (exponent_bits + mantissa_bits)
    infinity = (2**exponent_bits - 1) << mantissa_bits
    if math.isnan(x):
        return infinity | 2 ** (mantissa_bits - 1)
    if math.isinf(x):
        return sign | infinity
    if x == 0:
        return sign
    steps = round_to_even(abs(x) / spacing_at(x, exponent_bits, mantissa_bits))
    # The hidden one carries into the exponent field; so does a mantissa past all ones.
    code = ((exponent_of(x, exponent_bits) - 1 + bias) << mantissa_bits) + steps
    return sign | min(code, infinity)
