"""Drawings of notebook 02: one bit pattern read as a number, and the number written back as the pattern.

Only drawing: every value comes from `lmcourse.float_formats`.
"""

from fractions import Fraction

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lmcourse.float_formats import FloatFormat, exact_decimal
from lmcourse.support.plotting import BLUE, GREY, INK, ORANGE, PAPER

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def worked_example(fmt: FloatFormat, bits: int) -> Figure:
    """A normal number, bit by bit, in both directions: the pattern decoded above, the number encoded below.

    Raises: ValueError for a pattern that is no normal number of an unspecial kind (zero, subnormal, Inf, NaN).

    >>> from lmcourse.float_formats import FORMATS
    >>> type(worked_example(FORMATS["float16"], 0b1_10010_1011010000)).__name__
    'Figure'
    """
    if fmt.kind(bits) != "normal" or not fmt.signed or not fmt.mantissa_bits:
        raise ValueError(f"bits: expected a normal number of a signed format, got a {fmt.kind(bits)} of {fmt.name}")
    sign, exponent, mantissa = fmt.split(bits)
    power = exponent - fmt.bias
    minus = "−" if sign else ""
    significand = exact_decimal(1 + Fraction(mantissa, 2**fmt.mantissa_bits))
    number = exact_decimal(abs(fmt.decode_exact(bits)))
    digits = f"{mantissa:0{fmt.mantissa_bits}b}"
    plain = _plain_binary(abs(fmt.decode_exact(bits)))

    fig, ax = plt.subplots(figsize=(8.4, 4.4))
    ax.set(xlim=(-0.4, fmt.bits + 0.4), ylim=(-4.4, 3.6))
    ax.axis("off")
    _boxes(ax, fmt, bits)
    groups = {
        "S": (0, 1, GREY, f"{sign}: {'minus' if sign else 'plus'}"),
        "E": (1, fmt.exponent_bits, BLUE, f"{exponent} − {fmt.bias} = {power}"),
        "M": (1 + fmt.exponent_bits, fmt.mantissa_bits, ORANGE, f"1.{digits}₂ = {significand}"),
    }
    for letter, (start, width, colour, text) in groups.items():
        middle = start + width / 2
        ax.plot([start + 0.1, start + width - 0.1], [1.25, 1.25], color=colour, lw=2)
        ax.text(middle, 1.4, letter, ha="center", color=colour, weight="bold")
        ax.text(middle, 2.05, text, ha="center", color=colour)
    ax.text(
        0,
        3.05,
        f"decode  {minus}{significand} × 2{_raised(power)} = {minus}{number}",
        size=12,
        weight="bold",
        color=INK,
    )

    steps = [
        f"{number} = {plain}₂ = 1.{digits.rstrip('0') or '0'}₂ × 2{_raised(power)}",
        f"exponent field {power} + {fmt.bias} = {exponent} = {exponent:0{fmt.exponent_bits}b}₂",
        f"mantissa field: what follows the 1, filled up to {fmt.mantissa_bits} bits; the 1 itself is hidden",
    ]
    ax.text(0, -1.45, f"encode  {minus}{number}", size=12, weight="bold", color=INK)
    for k, (step, colour) in enumerate(zip(steps, (INK, BLUE, ORANGE), strict=True)):
        ax.text(0.4, -2.25 - 0.75 * k, f"{k + 1}. {step}", color=colour)
    return fig


def _boxes(ax: Axes, fmt: FloatFormat, bits: int) -> None:
    """One box a bit, its weight below: sign, exponent weights of the field, mantissa weights after the hidden one."""
    for i in range(fmt.bits):
        place = fmt.bits - 1 - i
        colour = GREY if i == 0 else BLUE if place >= fmt.mantissa_bits else ORANGE
        on = bits >> place & 1
        ax.add_patch(plt.Rectangle((i + 0.05, 0), 0.9, 1, fc=colour if on else PAPER, ec=colour, lw=1.5))
        ax.text(
            i + 0.5, 0.5, str(on), ha="center", va="center", color=PAPER if on else INK, family="monospace", size=13
        )
        weight = (
            "±"
            if i == 0
            else 2 ** (place - fmt.mantissa_bits)
            if colour == BLUE
            else f"2{_raised(place - fmt.mantissa_bits)}"
        )
        ax.text(i + 0.5, -0.5, str(weight), ha="center", color=colour, size=9)


def _raised(k: int) -> str:
    return str(k).translate(_SUPERSCRIPT)


def _plain_binary(x: Fraction) -> str:
    """A dyadic fraction in positional binary: 13.625 is 1101.101."""
    whole, part = divmod(x, 1)
    digits = ""
    while part:
        bit, part = divmod(2 * part, 1)
        digits += str(bit)
    return f"{whole:b}" + (f".{digits}" if digits else "")
