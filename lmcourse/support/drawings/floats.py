"""Drawings of number formats: a pattern read as a number, a format's numbers on a line, its ranges, its rounding."""

import itertools
import math
from fractions import Fraction

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lmcourse.float_formats import FloatFormat, exact_decimal
from lmcourse.support.plotting import BLUE, GREY, INK, ORANGE, PAPER, box, canvas

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def worked_example(fmt: FloatFormat, bits: int) -> Figure:
    """A normal number, bit by bit, in both directions: the pattern decoded above, the number encoded below.

    Raises: ValueError for a pattern that is no normal number of an unspecial kind (zero, subnormal, Inf, NaN).

    >>> from lmcourse.float_formats import FORMATS
    >>> type(worked_example(FORMATS["float16"], 0b1_10010_1011010000)).__name__
    'Figure'
    """
    if fmt.kind(bits) != "normal" or not fmt.signed or not fmt.mantissa_bits:
        raise ValueError(f"bits: a normal number of a signed format, got a {fmt.kind(bits)} of {fmt.name}")
    sign, exponent, mantissa = fmt.split(bits)
    power = exponent - fmt.bias
    minus = "−" if sign else ""
    significand = exact_decimal(1 + Fraction(mantissa, 2**fmt.mantissa_bits))
    number = exact_decimal(abs(fmt.decode_exact(bits)))
    digits = f"{mantissa:0{fmt.mantissa_bits}b}"
    plain = _plain_binary(abs(fmt.decode_exact(bits)))

    fig, ax = canvas(8.4, 4.4, xlim=(-0.4, fmt.bits + 0.4), ylim=(-4.4, 3.6))
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
    heading = {"size": 12, "weight": "bold", "color": INK}
    ax.text(0, 3.05, f"decode  {minus}{significand} × 2{_raised(power)} = {minus}{number}", **heading)
    steps = [
        f"{number} = {plain}₂ = 1.{digits.rstrip('0') or '0'}₂ × 2{_raised(power)}",
        f"exponent field {power} + {fmt.bias} = {exponent} = {exponent:0{fmt.exponent_bits}b}₂",
        f"mantissa field: what follows the 1, filled up to {fmt.mantissa_bits} bits; the 1 itself is hidden",
    ]
    ax.text(0, -1.45, f"encode  {minus}{number}", **heading)
    for k, (step, colour) in enumerate(zip(steps, (INK, BLUE, ORANGE), strict=True)):
        ax.text(0.4, -2.25 - 0.75 * k, f"{k + 1}. {step}", color=colour)
    return fig


def number_line(fmt: FloatFormat) -> Figure:
    """Every number of a small format from 0 on: a mark each, a row for each stored exponent, its bits beside it.

    Raises: ValueError for a format of more than 8 bits.

    >>> type(number_line(FloatFormat("six bits", 3, 2, bias=3))).__name__
    'Figure'
    """
    if fmt.bits > 8:
        raise ValueError(f"fmt: a format of at most 8 bits, got {fmt.name} of {fmt.bits}")
    fig, ax = plt.subplots(figsize=(7.4, 3.2))
    rows: dict[int, list[float]] = {}
    for code in range(fmt.max_code + 1):
        rows.setdefault(fmt.split(code)[1], []).append(fmt.decode(code))
    for exponent, values in rows.items():
        colour = BLUE if exponent else ORANGE
        ax.plot(values, [exponent] * len(values), "|", ms=14, mew=2, color=colour)
    ax.set(yticks=list(rows), yticklabels=[f"{exponent:0{fmt.exponent_bits}b}" for exponent in rows])
    ax.set(xlabel="number", ylabel="exponent field")
    ax.text(rows[0][-1] + fmt.max / 40, 0, "zero and subnormals", va="center", color=ORANGE)
    return fig


def ranges(formats: list[FloatFormat]) -> Figure:
    """How far each format reaches: a bar from its smallest positive number to its largest, subnormals lighter.

    >>> from lmcourse.float_formats import FORMATS
    >>> type(ranges([FORMATS["float16"], FORMATS["bfloat16"]])).__name__
    'Figure'
    """
    fig, ax = plt.subplots(figsize=(7.4, 0.9 + 0.5 * len(formats)))
    for row, fmt in enumerate(reversed(formats)):
        largest, smallest = math.log10(fmt.max), math.log10(fmt.smallest_normal)
        if fmt.smallest_subnormal:
            tiny = math.log10(fmt.smallest_subnormal)
            ax.barh(row, smallest - tiny, left=tiny, color=PAPER, edgecolor=ORANGE, hatch="////", height=0.5)
        ax.barh(row, largest - smallest, left=smallest, color=BLUE, height=0.5)
        ax.text(largest + 1, row, f"{fmt.mantissa_bits} bits of mantissa", va="center", color=GREY, size=9)
    ax.set(yticks=range(len(formats)), yticklabels=[fmt.name for fmt in reversed(formats)], xlim=(-47, 62))
    ax.set(xlabel="size of the number, as a power of ten (striped: subnormal)")
    ax.grid(axis="x")
    return fig


def staircase(fmt: FloatFormat, low: float, high: float) -> Figure:
    """What each number from `low` to `high` is stored as: flat between ties; dots mark the ties and where they go.

    Both ends are numbers of the format, close together.

    >>> from lmcourse.float_formats import FORMATS
    >>> type(staircase(FORMATS["bfloat16"], 1.0, 1.0625)).__name__
    'Figure'
    """
    stored = [fmt.decode(code) for code in range(fmt.encode(low), fmt.encode(high) + 1)]
    fig, ax = plt.subplots(figsize=(6.4, 3.4))
    ax.plot([low, high], [low, high], color=GREY, lw=1, ls="--")
    ties = [(a + b) / 2 for a, b in itertools.pairwise(stored)]
    edges = [low, *ties, high]
    for value, (start, end) in zip(stored, itertools.pairwise(edges), strict=True):
        ax.plot([start, end], [value, value], color=BLUE)
    ax.plot(ties, [fmt.decode(fmt.encode(tie)) for tie in ties], "o", color=ORANGE)
    ax.set(xlabel="number that comes in", ylabel=f"number kept in {fmt.name}")
    ax.set(yticks=stored, yticklabels=[f"{value:g}  …{fmt.encode(value) & 7:03b}" for value in stored])
    return fig


def _boxes(ax: Axes, fmt: FloatFormat, bits: int) -> None:
    """One box a bit, its weight below: sign, exponent weights of the field, mantissa weights after the hidden one."""
    for i in range(fmt.bits):
        place = fmt.bits - 1 - i
        colour = GREY if i == 0 else BLUE if place >= fmt.mantissa_bits else ORANGE
        on = bits >> place & 1
        face, ink = (colour, PAPER) if on else (PAPER, INK)
        box(ax, i + 0.05, 0, 0.9, 1, str(on), face=face, edge=colour, color=ink, family="monospace", size=13)
        power = place - fmt.mantissa_bits
        weight = {GREY: "±", BLUE: f"{2**power}", ORANGE: f"2{_raised(power)}"}[colour]
        ax.text(i + 0.5, -0.5, weight, ha="center", color=colour, size=9)


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
