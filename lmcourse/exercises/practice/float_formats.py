"""Practice beside notebook 02: see the package."""

SLIPS = {
    "decode_bits": {
        "forgets the hidden one": ("math.ldexp(2**mantissa_bits + mantissa, ", "math.ldexp(mantissa, "),
        "bias one too large": ("bias = 2 ** (exponent_bits - 1) - 1", "bias = 2 ** (exponent_bits - 1)"),
        "loses the sign of zero": (
            "return sign * math.ldexp(mantissa, 1 - bias - mantissa_bits)",
            "return sign * math.ldexp(mantissa, 1 - bias - mantissa_bits) or 0.0",
        ),
    },
    "encode_nearest_even": {
        "cuts off": ("round_to_even(abs(x) / ", "math.floor(abs(x) / "),
        "saturates": ("min(code, infinity)", "min(code, infinity - 1)"),
    },
    "round_to_even": {
        "a half always goes up": ("rest > 0.5 or (rest == 0.5 and below % 2 == 1)", "rest >= 0.5"),
        "a half goes to the odd number": ("below % 2 == 1", "below % 2 == 0"),
    },
    "diagnose": {
        "the sum in float64": (
            "fmt.decode(fmt.encode(Fraction(weight) + Fraction(update)))",
            "float(Fraction(weight) + Fraction(update))",
        ),
        "underflow called a stall": ('return "underflow"', 'return "stalled"'),
        "takes only Inf for too large": ("if not math.isfinite(update)", "if math.isinf(update)"),
    },
}

WHY = {
    "memory_bytes": (
        "Why is `untyped_storage().nbytes()` asked, and not numel() times element_size()?",
        "A view may show a few elements of a large storage, and keeps all of it alive. The memory is the storage's.",
    ),
    "decode_bits": (
        "Why does the last line add `2**mantissa_bits`, and the line for an exponent of all zeros does not?",
        "A normal number has a hidden one before its stored bits. Subnormal numbers have none, and so they reach down "
        "to zero.",
    ),
    "format_limits": (
        'Why is `"smallest_subnormal"` the smallest normal number times `2.0**-mantissa_bits`?',
        "Below the smallest normal number the spacing no longer shrinks. It stays one step of the last mantissa bit, "
        "and one step above zero is the smallest number.",
    ),
    "encode_nearest_even": (
        "A mantissa of all ones is rounded up. Why does `+ steps` give the right bits without a special case?",
        "The carry runs into the exponent field and makes it one larger, with a mantissa of zeros. That is the next "
        "power of two, the number that is meant.",
    ),
    "exponent_of": (
        "What does the `- 1` in `math.frexp(x)[1] - 1` take away?",
        "frexp writes x as a fraction from 0.5 up to 1, times a power of two. A format writes it as 1.something, so "
        "its exponent is one smaller.",
    ),
    "spacing_at": (
        "Why does the spacing depend on `exponent_of(x, exponent_bits)`, and not on x itself?",
        "Between two powers of two all numbers have the same exponent, and the last mantissa bit the same worth. So "
        "the spacing doubles at each power of two, and nowhere else.",
    ),
    "round_to_even": (
        "What does `below % 2 == 1` ask, and when does the answer matter?",
        "Whether the number below is odd. It matters for an exact half alone: 2.5 stays at 2 and 3.5 goes to 4, so "
        "that halves do not all drift upward.",
    ),
    "diagnose": (
        "Why is the sum encoded again in `fmt.decode(fmt.encode(Fraction(weight) + Fraction(update)))`?",
        "The weight must be kept in the format too. If the nearest number of the format is the old weight, the step is "
        "lost.",
    ),
}
