"""Drawings of notebook 02 (a pattern, a format, its rounding) and of 05 (a block counted, bytes, a roofline).

Only drawing: every value comes from `lmcourse.float_formats` and `lmcourse.flops`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lmcourse.float_formats import FloatFormat, exact_decimal
from lmcourse.flops import Cost, TransformerShape, matmul_flops, ridge_point, shape_of
from lmcourse.support.plotting import BLUE, GREEN, GREY, INK, ORANGE, PAPER, PURPLE

if TYPE_CHECKING:
    from lmcourse.model import ModelConfig

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


# Notebook 05


def block_products(config: ModelConfig | TransformerShape, seq: int) -> list[tuple[str, str, int, int, int, bool]]:
    """The products of one block on one sequence, in order: (name, times, m, k, n, whether k × n are weights).

    >>> [name for name, *_ in block_products(TransformerShape(7, 8, 4, 1, 2, 8, gated=False), seq=3)]
    ['Q', 'K', 'V', 'scores', 'mix', 'output', 'up', 'down']
    """
    s = shape_of(config)
    query, key_value = s.num_heads * s.d_head, s.num_kv_heads * s.d_head
    names = ("gate", "up") if s.gated else ("up",)
    return [
        ("Q", 1, seq, s.d_model, query, True),
        ("K", 1, seq, s.d_model, key_value, True),
        ("V", 1, seq, s.d_model, key_value, True),
        ("scores", s.num_heads, seq, s.d_head, seq, False),
        ("mix", s.num_heads, seq, seq, s.d_head, False),
        ("output", 1, seq, query, s.d_model, True),
        *((name, 1, seq, s.d_model, s.d_ff, True) for name in names),
        ("down", 1, seq, s.d_ff, s.d_model, True),
    ]


def transformer_block(config: ModelConfig | TransformerShape, seq: int, title: str = "") -> Figure:
    """One block on one sequence of `seq` tokens: each product drawn to scale, its parameters and FLOPs beside it.

    What goes in is outlined, weights are filled.

    >>> type(transformer_block(TransformerShape(7, 8, 4, 1, 2, 8), seq=3)).__name__
    'Figure'
    """
    rows = block_products(config, seq)
    unit = 1.5 / max(max(m, k, n) for _, _, m, k, n, _ in rows)  # the largest size is 1.5 long, a row 1 high
    height = 0.62 / max(max(m, k) for _, _, m, k, _, _ in rows)
    fig, ax = plt.subplots(figsize=(8.6, 0.42 * (len(rows) + 3)))
    ax.set(xlim=(-1.5, 12.6), ylim=(-len(rows) - 0.6, 1.1), title=title)
    ax.axis("off")
    for x, text in ((2.1, "numbers that come in"), (5.0, "matrix"), (10.2, "parameters"), (12.5, "FLOPs")):
        ax.text(x, 0.65, text, ha="right" if x > 8 else "center", color=GREY)
    for y, (name, times, m, k, n, weights) in enumerate(rows):
        _product(ax, -y, name, times, (m, k, n), weights, (unit, height))
        ax.text(10.2, -y, f"{k * n:,}" if weights else "none", ha="right", va="center", color=BLUE if weights else GREY)
        ax.text(12.5, -y, f"{times * matmul_flops(m, k, n):,}", ha="right", va="center", color=INK)
    parameters = sum(k * n for _, _, _, k, n, weights in rows if weights)
    flops = sum(times * matmul_flops(m, k, n) for _, times, m, k, n, _ in rows)
    ax.plot([6.5, 12.5], [0.45 - len(rows)] * 2, color=GREY, lw=1)
    for x, text in ((7.6, "one block"), (10.2, f"{parameters:,}"), (12.5, f"{flops:,}")):
        ax.text(x, -len(rows), text, ha="right", va="center", weight="bold", color=INK)
    for name, first, last in (("attention", 0, 5), ("feed-forward", 6, len(rows) - 1)):
        ax.plot([-0.95, -0.95], [0.4 - first, -0.4 - last], color=GREY, lw=2)
        ax.text(-1.2, -(first + last) / 2, name, rotation=90, ha="center", va="center", color=GREY)
    return fig


def _product(ax: Axes, y: float, name: str, times: int, sizes: tuple, weights: bool, scale: tuple) -> None:
    """A row: the name, an outlined m × k, a k × n (filled where it is weights), and both shapes in words."""
    (m, k, n), (unit, height) = sizes, scale
    ax.text(-0.7, y, name, va="center", weight="bold", color=INK)
    for x, rows, columns, colour, filled in ((1.0, m, k, ORANGE, False), (4.0, k, n, BLUE, weights)):
        size = (max(0.08, unit * columns), max(0.08, height * rows))
        face, edge = (colour, colour) if filled else (PAPER, colour if weights or x < 2 else ORANGE)
        ax.add_patch(plt.Rectangle((x, y - size[1] / 2), *size, fc=face, ec=edge, lw=1.5))
    ax.text(3.25, y, "×", ha="center", va="center", color=GREY)
    ax.text(5.6, y, f"{f'{times} × ' if times > 1 else ''}({m} × {k}) (k × {n})".replace("k ×", f"{k} ×"),
            va="center", color=INK, size=9)  # fmt: skip


def roofline(costs: Mapping[str, Cost], peak_flop_per_s: float, bytes_per_s: float, title: str) -> Figure:
    """Operations as dots on the roof of a chip: as fast as each could be at best, against its intensity.

    >>> type(roofline({"ReLU": Cost(1, 4)}, 989e12, 3.35e12, "Memory decides")).__name__
    'Figure'
    """
    ridge = ridge_point(peak_flop_per_s, bytes_per_s)
    fig, ax = plt.subplots()
    roof = [0.1, ridge, max(20 * ridge, *(cost.intensity for cost in costs.values()))]
    ax.plot(roof, [min(x / ridge, 1) * 100 for x in roof], color=INK)
    ax.axvline(ridge, color=GREY, linestyle=":", lw=1)
    ax.text(ridge * 1.15, 0.04, f"ridge {ridge:.0f}", color=GREY)
    for name, cost in costs.items():
        share = min(cost.intensity / ridge, 1) * 100
        ax.plot(cost.intensity, share, "o", color=BLUE if share < 100 else ORANGE)
        right = share < 100
        ax.annotate(name, (cost.intensity, share), (7, -3) if right else (0, -14), textcoords="offset points",
                    ha="left" if right else "center", color=INK)  # fmt: skip
    ax.set(xscale="log", yscale="log", ylim=(0.02, 250), title=title)
    ax.set(xlabel="FLOPs per byte (log)", ylabel="of the peak at best, % (log)")
    return fig


def bytes_per_parameter(recipes: Mapping[str, Mapping[str, int]], title: str = "") -> Figure:
    """What each parameter costs in bytes, part by part, one bar for each recipe.

    >>> type(bytes_per_parameter({"fp32": {"parameters": 4, "gradients": 4}})).__name__
    'Figure'
    """
    fig, ax = plt.subplots(figsize=(6.4, 0.8 + 0.7 * len(recipes)))
    colours = dict(zip(next(iter(recipes.values())), (BLUE, ORANGE, GREY, GREEN, PURPLE)))
    for y, parts in enumerate(recipes.values()):
        left = 0
        for name, size in parts.items():
            if size:
                ax.barh(y, size, left=left, height=0.6, color=colours[name], edgecolor=PAPER)
                words = name.replace("_", "\n").replace("parameters", "weights").replace("optimizer", "two\nmoments")
                text = f"{words.removesuffix('state').strip()}\n{size}"
                ax.text(left + size / 2, y, text, ha="center", va="center", color=PAPER, size=8)
            left += size
    ax.set_yticks(range(len(recipes)), recipes)
    ax.invert_yaxis()
    ax.set(xlabel="bytes per parameter", title=title)
    ax.grid(False)
    return fig


def peak_by_segments(peaks: Mapping[int, float], layers: int, title: str = "") -> Figure:
    """Measured peaks against the number of segments of a checkpointed model, and what k − 1 + layers / k says.

    `peaks` is in activations of one layer.

    >>> type(peak_by_segments({1: 68, 8: 19, 64: 68}, layers=64)).__name__
    'Figure'
    """
    fig, ax = plt.subplots()
    ax.plot(list(peaks), list(peaks.values()), marker="o", label="measured")
    ax.plot(list(peaks), [k - 1 + layers / k for k in peaks], linestyle=":", label="k − 1 + L / k")
    ax.set(xscale="log", xlabel="segments k (log)", ylabel="peak, in activations", title=title)
    ax.set_ylim(bottom=0)
    ax.set_xticks(list(peaks), list(peaks))
    ax.minorticks_off()
    ax.legend()
    return fig


def shares(values: Mapping[str, float], label: str, title: str = "") -> Figure:
    """Shares of 1 as bars, each with its per cent.

    >>> type(shares({"H100": 0.3, "H200": 0.4}, "MFU")).__name__
    'Figure'
    """
    fig, ax = plt.subplots()
    bars = ax.barh(list(values), [100 * value for value in values.values()])
    ax.bar_label(bars, fmt="%.0f %%", padding=3)
    ax.invert_yaxis()
    ax.set(xlim=(0, 100), xlabel=f"{label}, %", title=title)
    return fig


def memory_of_step(ax: Axes, trace: Sequence[int], predicted: float, name: str) -> None:
    """Add one step to axes: the bytes alive during it, and a dotted line at the peak that was predicted.

    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> memory_of_step(ax, [0, 2_000_000, 1_000_000], 2e6, "plain")
    >>> len(ax.get_lines())
    2
    """
    progress = [100 * k / (len(trace) - 1) for k in range(len(trace))]
    (line,) = ax.plot(progress, [size / 1e6 for size in trace], label=name)
    ax.axhline(predicted / 1e6, color=line.get_color(), linestyle=":", label=f"_{name}")
    ax.set(xlabel="progress through one step, %", ylabel="bytes alive, MB")
    ax.set_ylim(0, max(ax.get_ylim()[1], 1.3 * predicted / 1e6))  # room for the legend
    ax.legend(loc="upper right", ncols=3)
