"""Typical wrong answers of notebook 02; lmcourse.exercises.float_formats says which mistake each is."""

import math
import struct
from fractions import Fraction

from lmcourse import float_formats
from lmcourse.float_formats import FloatFormat


def _checked(tensor) -> None:
    if not hasattr(tensor, "numel"):
        raise TypeError("tensor")


def packed(tensor):
    _checked(tensor)
    return tensor.numel() * tensor.element_size()


def four_bytes(tensor):
    _checked(tensor)
    return tensor.numel() * 4


def span(tensor):
    _checked(tensor)
    reach = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride())) + 1
    return reach * tensor.element_size()


def no_hidden_one(bits, exponent_bits, mantissa_bits):
    if (bits >> mantissa_bits) & (2**exponent_bits - 1) in (0, 2**exponent_bits - 1):
        return float_formats.decode_bits(bits, exponent_bits, mantissa_bits)
    bias = 2 ** (exponent_bits - 1) - 1
    sign = -1.0 if bits >> (exponent_bits + mantissa_bits) else 1.0
    exponent = (bits >> mantissa_bits) & (2**exponent_bits - 1)
    return sign * math.ldexp(bits & (2**mantissa_bits - 1), exponent - bias - mantissa_bits)


def bias_off_by_one(bits, exponent_bits, mantissa_bits):
    return float_formats.decode_bits(bits, exponent_bits, mantissa_bits) / 2


def no_subnormals(bits, exponent_bits, mantissa_bits):
    if (bits >> mantissa_bits) & (2**exponent_bits - 1) or not bits & (2**mantissa_bits - 1):
        return float_formats.decode_bits(bits, exponent_bits, mantissa_bits)
    bias = 2 ** (exponent_bits - 1) - 1
    sign = -1.0 if bits >> (exponent_bits + mantissa_bits) else 1.0
    return sign * math.ldexp(2**mantissa_bits + (bits & (2**mantissa_bits - 1)), -bias - mantissa_bits)


def no_specials(bits, exponent_bits, mantissa_bits):
    if (bits >> mantissa_bits) & (2**exponent_bits - 1) != 2**exponent_bits - 1:
        return float_formats.decode_bits(bits, exponent_bits, mantissa_bits)
    bias = 2 ** (exponent_bits - 1) - 1
    sign = -1.0 if bits >> (exponent_bits + mantissa_bits) else 1.0
    return sign * math.ldexp(2**mantissa_bits + (bits & (2**mantissa_bits - 1)), bias + 1 - mantissa_bits)


def sign_of_zero_lost(bits, exponent_bits, mantissa_bits):
    return float_formats.decode_bits(bits, exponent_bits, mantissa_bits) + 0.0


def wrong_limits(**changes):
    def limits(exponent_bits, mantissa_bits):
        right = float_formats.format_limits(exponent_bits, mantissa_bits)
        return right | {key: change(right) for key, change in changes.items()}

    return limits


def by(rounding, overflow="inf"):
    def encode(x, exponent_bits, mantissa_bits):
        bias = 2 ** (exponent_bits - 1) - 1
        fmt = FloatFormat("ieee", exponent_bits, mantissa_bits, bias=bias)
        return fmt.encode(x, rounding=rounding, overflow=overflow)

    return encode


def flushes_subnormals(x, exponent_bits, mantissa_bits):
    code = float_formats.encode_nearest_even(x, exponent_bits, mantissa_bits)
    sign = code >> (exponent_bits + mantissa_bits) << (exponent_bits + mantissa_bits)
    return code if (code >> mantissa_bits) & (2**exponent_bits - 1) else sign


def through_float32(x, exponent_bits, mantissa_bits):
    try:
        x = struct.unpack("<f", struct.pack("<f", x))[0]
    except OverflowError:
        x = math.copysign(math.inf, x)
    return float_formats.encode_nearest_even(x, exponent_bits, mantissa_bits)


def nan_is_inf(x, exponent_bits, mantissa_bits):
    return float_formats.encode_nearest_even(math.inf if math.isnan(x) else x, exponent_bits, mantissa_bits)


def unbounded_exponent(x, exponent_bits):
    return math.frexp(x)[1] - 1


def rounded_logarithm(x, exponent_bits):
    return max(math.floor(math.log2(abs(x))), 2 - 2 ** (exponent_bits - 1))


def eps_everywhere(x, exponent_bits, mantissa_bits):
    return 2.0**-mantissa_bits


def relative_spacing(x, exponent_bits, mantissa_bits):
    return abs(x) * 2.0**-mantissa_bits


def no_subnormal_spacing(x, exponent_bits, mantissa_bits):
    return math.ldexp(1.0, math.frexp(x)[1] - 1 - mantissa_bits)


def absolute_eps(weight, update, fmt):
    """Compares the update with eps, wherever the weight is."""
    right = float_formats.diagnose(weight, update, fmt)
    return right if right in ("underflow", "overflow") else "stalled" if abs(update) < fmt.eps / 2 else "moves"


def no_underflow(weight, update, fmt):
    right = float_formats.diagnose(weight, update, fmt)
    return "stalled" if right == "underflow" else right


def in_float64(weight, update, fmt):
    """Forgets that the sum too is kept in the format."""
    right = float_formats.diagnose(weight, update, fmt)
    return "moves" if right == "stalled" else right


def relative_eps(weight, update, fmt):
    """Forgets ties, and that the spacing below a power of two is half of that above it."""
    right = float_formats.diagnose(weight, update, fmt)
    if right in ("underflow", "overflow"):
        return right
    return "stalled" if abs(update) < abs(weight) * fmt.eps / 2 else "moves"


def sum_of_the_unrounded(weight, update, fmt):
    right = float_formats.diagnose(weight, update, fmt)
    if right in ("underflow", "overflow"):
        return right
    step, before = fmt.decode(fmt.encode(update)), fmt.decode(fmt.encode(weight))
    return "stalled" if fmt.decode(fmt.encode(weight + step)) == before else "moves"


def adds_the_unrounded_update(weight, update, fmt):
    """Rounds the weight, and looks at the rounded update; and then adds the update as it was given."""
    right = float_formats.diagnose(weight, update, fmt)
    if right in ("underflow", "overflow"):
        return right
    before = fmt.decode(fmt.encode(weight))
    after = fmt.decode(fmt.encode(Fraction(before) + Fraction(update)))
    return "overflow" if not math.isfinite(after) else "stalled" if after == before else "moves"


def too_large_before_rounding(weight, update, fmt):
    right = float_formats.diagnose(weight, update, fmt)
    return right if right == "underflow" or abs(weight + update) <= fmt.max else "overflow"


def only_infinity(weight, update, fmt):
    right = float_formats.diagnose(weight, update, fmt)
    return "moves" if right == "overflow" and not fmt.has_inf else right
