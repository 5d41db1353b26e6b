"""Answers that people give to the exercises of 02."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import torch

from lmcourse.float_formats import decode_bits, diagnose, encode_nearest_even, format_limits


def bytes_by_parts(tensor):
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(type(tensor))
    if tensor.is_sparse:
        raise ValueError("sparse")
    storage = tensor.untyped_storage()
    return np.int64(storage.size())


def decode_by_text(bits, exponent_bits, mantissa_bits):
    text = f"{bits:0{1 + exponent_bits + mantissa_bits}b}"
    sign, exponent, mantissa = text[0], int(text[1 : 1 + exponent_bits], 2), int(text[1 + exponent_bits :], 2)
    bias = 2 ** (exponent_bits - 1) - 1
    if exponent == 2**exponent_bits - 1:
        return float(("-" if sign == "1" else "") + ("nan" if mantissa else "inf"))
    size = Decimal(mantissa + (exponent > 0) * 2**mantissa_bits)
    power = max(exponent, 1) - bias - mantissa_bits
    return math.copysign(math.ldexp(int(size), power), -1 if sign == "1" else 1)


def decode_numpy_float(bits, exponent_bits, mantissa_bits):
    return np.float64(decode_bits(bits, exponent_bits, mantissa_bits))


def encode_by_neighbours(x, exponent_bits, mantissa_bits):
    """Walks by bisection on the codes, and compares distances exactly; a NaN with the sign bit."""
    if math.isnan(x):
        return 2 ** (1 + exponent_bits + mantissa_bits) - 1
    infinity = (2**exponent_bits - 1) << mantissa_bits
    sign = (math.copysign(1, x) < 0) << (exponent_bits + mantissa_bits)
    if math.isinf(x):
        return sign | infinity
    size, low, high = abs(Fraction(x)), 0, infinity

    def number(code):
        if code == infinity:
            return Fraction(2) ** (2 ** (exponent_bits - 1))
        return Fraction(decode_bits(code, exponent_bits, mantissa_bits))

    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if number(middle) <= size else (low, middle)
    down, up = size - number(low), number(high) - size
    return sign | (low if down < up or (down == up and low % 2 == 0) else high)


def limits_in_another_order(exponent_bits, mantissa_bits):
    return dict(reversed(list(format_limits(exponent_bits, mantissa_bits).items())))


def diagnose_by_codes(weight, update, fmt):
    step = fmt.decode(fmt.encode(update))
    total = Fraction(fmt.decode(fmt.encode(weight))) + Fraction(step) if math.isfinite(step) else math.inf
    if step == 0:
        return "underflow"
    if not math.isfinite(fmt.decode(fmt.encode(total))):
        return "overflow"
    return "stalled" if fmt.encode(total) == fmt.encode(weight) else "moves"


def exponent_by_counting(x, exponent_bits):
    exponent, size = 2 - 2 ** (exponent_bits - 1), Fraction(abs(x))
    while size >= Fraction(2) ** (exponent + 1):
        exponent += 1
    return np.int64(exponent)


def spacing_by_neighbours(x, exponent_bits, mantissa_bits):
    lowest = 2 - 2 ** (exponent_bits - 1)
    exponent = math.frexp(abs(x))[1] - 1
    return math.ldexp(1, (exponent if exponent > lowest else lowest) - mantissa_bits)


def round_by_python(steps):
    return round(steps)


def round_by_numpy(steps):
    return np.int64(np.rint(steps))


RIGHT = {
    "exponent_of": [exponent_by_counting],
    "spacing_at": [spacing_by_neighbours],
    "round_to_even": [round_by_python, round_by_numpy],
    "memory_bytes": [bytes_by_parts],
    "decode_bits": [decode_by_text, decode_numpy_float],
    "format_limits": [limits_in_another_order],
    "encode_nearest_even": [encode_by_neighbours],
    "diagnose": [diagnose_by_codes],
}


def bytes_of_numel(tensor):
    if not torch.is_tensor(tensor):
        raise TypeError
    return tensor.nbytes  # NotImplementedError never comes: a sparse tensor has a number too


def bytes_of_the_typed_storage(tensor):
    if not torch.is_tensor(tensor):
        raise TypeError
    if tensor.is_sparse:
        raise ValueError
    return tensor.untyped_storage().nbytes() // tensor.element_size()


def bytes_of_what_was_indexed(tensor):
    if not torch.is_tensor(tensor):
        raise TypeError
    if tensor.is_sparse:
        raise ValueError
    return tensor.untyped_storage().nbytes() - tensor.storage_offset() * tensor.element_size()


def decode_small_widths_only(bits, exponent_bits, mantissa_bits):
    return float(np.float32(decode_bits(bits, exponent_bits, mantissa_bits)))


def decode_nan_for_the_top_exponent(bits, exponent_bits, mantissa_bits):
    top = (bits >> mantissa_bits) & (2**exponent_bits - 1) == 2**exponent_bits - 1
    return math.nan if top else decode_bits(bits, exponent_bits, mantissa_bits)


def decode_unsigned_infinity(bits, exponent_bits, mantissa_bits):
    x = decode_bits(bits, exponent_bits, mantissa_bits)
    return math.inf if math.isinf(x) else x


def limits_of_float16(exponent_bits, mantissa_bits):
    return format_limits(5, 10)


def limits_without_lowest(exponent_bits, mantissa_bits):
    found = format_limits(exponent_bits, mantissa_bits)
    del found["lowest"]
    return found


def limits_rounded(exponent_bits, mantissa_bits):
    return {key: float(f"{x:.6g}") for key, x in format_limits(exponent_bits, mantissa_bits).items()}


def encode_floor(x, exponent_bits, mantissa_bits):
    code = encode_nearest_even(x, exponent_bits, mantissa_bits)
    size = code & (2 ** (exponent_bits + mantissa_bits) - 1)
    if math.isfinite(x) and size and abs(decode_bits(size, exponent_bits, mantissa_bits)) > abs(x):
        return code - 1
    return code


def encode_loses_zeros_sign(x, exponent_bits, mantissa_bits):
    return 0 if x == 0 else encode_nearest_even(x, exponent_bits, mantissa_bits)


def encode_nan_as_zero(x, exponent_bits, mantissa_bits):
    return 0 if math.isnan(x) else encode_nearest_even(x, exponent_bits, mantissa_bits)


def encode_through_half(x, exponent_bits, mantissa_bits):
    with np.errstate(over="ignore"):
        return encode_nearest_even(float(np.float16(x)), exponent_bits, mantissa_bits)


def diagnose_without_overflow(weight, update, fmt):
    found = diagnose(weight, update, fmt)
    return "moves" if found == "overflow" else found


def diagnose_bfloat16(weight, update, fmt):
    from lmcourse.float_formats import FORMATS

    return diagnose(weight, update, FORMATS["bfloat16"])


def diagnose_positive_updates(weight, update, fmt):
    return diagnose(weight, abs(update), fmt)


def exponent_of_the_log(x, exponent_bits):
    return max(math.ceil(math.log2(abs(x))), 2 - 2 ** (exponent_bits - 1))


def exponent_stored(x, exponent_bits):
    return max(math.frexp(x)[1] - 1, 2 - 2 ** (exponent_bits - 1)) + 2 ** (exponent_bits - 1) - 1


def spacing_with_a_sign(x, exponent_bits, mantissa_bits):
    return math.copysign(spacing_by_neighbours(x, exponent_bits, mantissa_bits), x)


def spacing_of_float16(x, exponent_bits, mantissa_bits):
    return spacing_by_neighbours(x, 5, 10)


def round_by_adding_a_half(steps):
    return int(steps + 0.5)


WRONG = {
    "exponent_of": [exponent_of_the_log, exponent_stored],
    "spacing_at": [spacing_with_a_sign, spacing_of_float16],
    "round_to_even": [round_by_adding_a_half],
    "memory_bytes": [bytes_of_numel, bytes_of_the_typed_storage, bytes_of_what_was_indexed],
    "decode_bits": [decode_small_widths_only, decode_nan_for_the_top_exponent, decode_unsigned_infinity],
    "format_limits": [limits_of_float16, limits_without_lowest, limits_rounded],
    "encode_nearest_even": [encode_floor, encode_loses_zeros_sign, encode_nan_as_zero, encode_through_half],
    "diagnose": [diagnose_without_overflow, diagnose_bfloat16, diagnose_positive_updates],
}
