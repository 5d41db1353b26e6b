"""Drawings of what a model costs: a block counted, a roofline, bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lmcourse.flops import Cost, TransformerShape, matmul_flops, ridge_point, shape_of
from lmcourse.support.plotting import BLUE, GREEN, GREY, INK, ORANGE, PAPER, PURPLE, box, canvas

if TYPE_CHECKING:
    from lmcourse.model import ModelConfig


class Product(NamedTuple):
    """`times` times an m × k by a k × n matrix; `weights` says whether the second one is parameters."""

    name: str
    times: int
    m: int
    k: int
    n: int
    weights: bool

    @property
    def parameters(self) -> int:
        return self.k * self.n if self.weights else 0

    @property
    def flops(self) -> int:
        return self.times * matmul_flops(self.m, self.k, self.n)


def block_products(config: ModelConfig | TransformerShape, seq: int) -> list[Product]:
    """The products of one block on one sequence, in order.

    >>> [row.name for row in block_products(TransformerShape(7, 8, 4, 1, 2, 8, gated=False), seq=3)]
    ['Q', 'K', 'V', 'scores', 'mix', 'output', 'up', 'down']
    """
    s = shape_of(config)
    query, key_value = s.num_heads * s.d_head, s.num_kv_heads * s.d_head
    names = ("gate", "up") if s.gated else ("up",)
    return [
        Product("Q", 1, seq, s.d_model, query, True),
        Product("K", 1, seq, s.d_model, key_value, True),
        Product("V", 1, seq, s.d_model, key_value, True),
        Product("scores", s.num_heads, seq, s.d_head, seq, False),
        Product("mix", s.num_heads, seq, seq, s.d_head, False),
        Product("output", 1, seq, query, s.d_model, True),
        *(Product(name, 1, seq, s.d_model, s.d_ff, True) for name in names),
        Product("down", 1, seq, s.d_ff, s.d_model, True),
    ]


def transformer_block(config: ModelConfig | TransformerShape, seq: int, title: str = "") -> Figure:
    """One block on one sequence of `seq` tokens: each product drawn to scale, its parameters and FLOPs beside it.

    What goes in is outlined, weights are filled.

    >>> type(transformer_block(TransformerShape(7, 8, 4, 1, 2, 8), seq=3)).__name__
    'Figure'
    """
    rows = block_products(config, seq)
    unit = 1.5 / max(max(row.m, row.k, row.n) for row in rows)  # the largest size is 1.5 long, a row 1 high
    height = 0.62 / max(max(row.m, row.k) for row in rows)
    fig, ax = canvas(8.6, 0.42 * (len(rows) + 3), xlim=(-1.5, 12.6), ylim=(-len(rows) - 0.6, 1.1))
    ax.set_title(title)
    for x, text in ((2.1, "numbers that come in"), (5.0, "matrix"), (10.2, "parameters"), (12.5, "FLOPs")):
        ax.text(x, 0.65, text, ha="right" if x > 8 else "center", color=GREY)
    for y, row in enumerate(rows):
        _product(ax, -y, row, unit, height)
        words, colour = (f"{row.parameters:,}", BLUE) if row.weights else ("none", GREY)
        ax.text(10.2, -y, words, ha="right", va="center", color=colour)
        ax.text(12.5, -y, f"{row.flops:,}", ha="right", va="center", color=INK)
    parameters, flops = sum(row.parameters for row in rows), sum(row.flops for row in rows)
    ax.plot([6.5, 12.5], [0.45 - len(rows)] * 2, color=GREY, lw=1)
    for x, text in ((7.6, "one block"), (10.2, f"{parameters:,}"), (12.5, f"{flops:,}")):
        ax.text(x, -len(rows), text, ha="right", va="center", weight="bold", color=INK)
    for name, first, last in (("attention", 0, 5), ("feed-forward", 6, len(rows) - 1)):
        ax.plot([-0.95, -0.95], [0.4 - first, -0.4 - last], color=GREY, lw=2)
        ax.text(-1.2, -(first + last) / 2, name, rotation=90, ha="center", va="center", color=GREY)
    return fig


def _product(ax: Axes, y: float, row: Product, unit: float, height: float) -> None:
    """A row: the name, an outlined m × k, a k × n (filled where it is weights), and both shapes in words."""
    _, times, m, k, n, weights = row
    ax.text(-0.7, y, row.name, va="center", weight="bold", color=INK)
    second = BLUE if weights else ORANGE
    for x, rows, columns, colour, filled in ((1.0, m, k, ORANGE, False), (4.0, k, n, second, weights)):
        wide, high = max(0.08, unit * columns), max(0.08, height * rows)
        box(ax, x, y - high / 2, wide, high, face=colour if filled else PAPER, edge=colour)
    ax.text(3.25, y, "×", ha="center", va="center", color=GREY)
    words = f"({m} × {k}) ({k} × {n})"
    ax.text(5.6, y, f"{times} × {words}" if times > 1 else words, va="center", color=INK, size=9)


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


SHORT = {"parameters": "weights", "master_copy": "master\ncopy", "optimizer_state": "two\nmoments"}


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
                text = f"{SHORT.get(name, name)}\n{size}"
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
