"""Drawings of tensors: over their storage, cut into blocks, with named axes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import log2, prod
from operator import mul
from typing import TYPE_CHECKING

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from lmcourse.strides import addresses, blocks
from lmcourse.support import plotting
from lmcourse.support.plotting import BLUE, GREEN, GREY, INK, ORANGE, PAPER, PURPLE, box

if TYPE_CHECKING:
    import torch


# Tensors over their storage

_TINTS = (("#e3eff9", "#62a9d8"), ("#fdebd7", "#e79b52"), ("#e6e8eb", "#a9b0ba"))  # one pair for each storage
_GAP = 1.6  # cells between two tensors


def show_tensors(
    tensors: Mapping[str, torch.Tensor], title: str, *, arcs: str | None = None, mark: Sequence[int] = ()
) -> None:
    """Show tensors above the storages that they read: a cell's tint says where in its storage it lies.

    `arcs` names a tensor whose strides are drawn as arcs from its first element; `mark` gives positions of the first
    storage that get a frame, in the storage and in every tensor over it. The title is the finding.

    Raises ValueError for more than three dimensions or a storage of more than 48 elements.

    >>> import torch
    >>> m = torch.arange(6).view(2, 3)
    >>> show_tensors({"m": m, "m.T": m.T}, "A transpose moves nothing")  # doctest: +SKIP
    """
    fig = _over_storage(tensors, arcs, mark)
    fig.suptitle(title, x=0.01, y=1 - 0.12 / fig.get_figheight(), ha="left", va="top", size=12, weight="bold")
    parts = [f"{name} {_layout(t)}" for name, t in tensors.items()]
    sizes = [_elements(t) for t in _storages(tensors).values()]
    over = f"one storage of {sizes[0]}" if len(sizes) == 1 else f"storages of {' and '.join(map(str, sizes))}"
    plotting.show(fig, alt=f"{title}. {' and '.join(parts)}, over {over}.")


def _over_storage(tensors: Mapping[str, torch.Tensor], arcs: str | None, mark: Sequence[int]) -> Figure:
    """Each tensor as a table, and below all of them each storage as one strip."""
    storages = _storages(tensors)
    if any(t.ndim > 3 for t in tensors.values()) or max(map(_elements, storages.values())) > 48:
        raise ValueError("tensors: at most three dimensions and a storage of 48 elements, got more")
    fig, ax = plt.subplots()
    x, height = 0.0, max(_table_size(t)[1] for t in tensors.values())
    for name, t in tensors.items():
        which = list(storages).index(_key(t))
        width, _ = _table_size(t)
        _table(ax, t, x, which, mark if which == 0 else ())
        ax.text(x, 1.15, name, size=10, weight="bold", family="monospace")
        ax.text(x, 0.35, _layout(t), size=8, color=GREY)
        x += max(width, 0.24 * len(_layout(t)), 0.3 * len(name)) + _GAP
    x -= _GAP
    y = -height - 1.3
    for which, (key, t) in enumerate(storages.items()):
        drawn = tensors[arcs] if arcs and _key(tensors[arcs]) == key else None
        y -= 0.5 + 0.65 * drawn.ndim if drawn is not None else 0
        label = "storage" if len(storages) == 1 else f"storage {'ABC'[which]}"
        _strip(ax, t, y, which, label, mark if which == 0 else ())
        if drawn is not None:
            _arcs(ax, drawn, y)
        x, y = max(x, _elements(t)), y - 2.6
    ax.set(xlim=(-0.2, x + 0.2), ylim=(y + 1.1, 2.0), aspect="equal", anchor="W")
    ax.axis("off")
    inch = min(0.4, 8.8 / x)
    fig.set_size_inches(max(inch * (x + 0.4), 5.2), inch * (0.9 - y) + 0.5)
    return fig


def _layout(t: torch.Tensor) -> str:
    return f"{tuple(t.shape)} strides {t.stride()}"


def _key(t: torch.Tensor) -> int:
    return t.untyped_storage().data_ptr()


def _elements(t: torch.Tensor) -> int:
    """How many elements the storage under `t` holds."""
    return t.untyped_storage().nbytes() // t.element_size()


def _storages(tensors: Mapping[str, torch.Tensor]) -> dict[int, torch.Tensor]:
    """One tensor for each storage, in the order in which they are given."""
    found: dict[int, torch.Tensor] = {}
    for t in tensors.values():
        found.setdefault(_key(t), t)
    return found


def _table_size(t: torch.Tensor) -> tuple[float, int]:
    """Width and height of a table, in cells; three dimensions are tables side by side."""
    *pages, rows, columns = (1,) * (2 - min(t.ndim, 2)) + tuple(t.shape)
    return prod(pages) * (columns + 0.5) - 0.5, rows


def _table(ax: Axes, t: torch.Tensor, left: float, which: int, mark: Sequence[int]) -> None:
    rows, columns = ((1, 1) + tuple(t.shape))[-2:]
    positions = addresses(t.shape, t.stride(), t.storage_offset())
    for k, (position, value) in enumerate(zip(positions, t.reshape(-1).tolist(), strict=True)):
        page, row, column = k // (rows * columns), k // columns % rows, k % columns
        x = left + page * (columns + 0.5) + column
        _cell(ax, x, -1 - row, value, _tint(which, position, _elements(t)), position in mark)


def _strip(ax: Axes, t: torch.Tensor, y: float, which: int, label: str, mark: Sequence[int]) -> None:
    count = _elements(t)
    ax.text(0, y - 1.05, f"{label}: positions 0 to {count - 1}", size=8, color=GREY)
    for position, value in enumerate(t.as_strided((count,), (1,), 0).tolist()):
        _cell(ax, position, y, value, _tint(which, position, count), position in mark)
        ax.text(position + 0.5, y - 0.4, str(position), ha="center", size=7, color=GREY)


def _arcs(ax: Axes, t: torch.Tensor, y: float) -> None:
    """From the first element one step along each dimension: how far it goes in the storage."""
    start, words = t.storage_offset(), []
    for dim, (step, colour) in enumerate(zip(t.stride(), (PURPLE, ORANGE, GREEN))):
        words.append((f"one step along dimension {dim}: {step}", colour))
        if step and t.shape[dim] > 1:
            style = {"arrowstyle": "->", "color": colour, "lw": 1.8, "connectionstyle": f"arc3,rad={-0.9 / step**0.5}"}
            ax.annotate("", (start + step + 0.5, y + 1), (start + 0.5, y + 1), arrowprops=style)
    for k, (text, colour) in enumerate(words):
        ax.text(start + max(t.stride()) + 1.6, y + 0.75 + 0.7 * (t.ndim - k), text, size=8, color=colour, va="center")


def _cell(ax: Axes, x: float, y: float, value: float, tint: str, marked: bool) -> None:
    edge, line = (INK, 2.2) if marked else (PAPER, 1)
    box(ax, x + 0.04, y + 0.04, 0.92, 0.92, _written(value), face=tint, edge=edge, line=line, zorder=2 + marked)


def _written(value: float) -> str:
    """A value in four characters or so: 7, 0.5, 0.05."""
    return f"{value:g}" if len(f"{value:g}") <= 4 else f"{value:.2f}"


def _tint(which: int, position: int, count: int) -> tuple[float, ...]:
    """From light at the start of a storage to strong at its end; each storage has its own colour."""
    light, strong = map(to_rgb, _TINTS[min(which, 2)])
    share = position / max(count - 1, 1)
    return tuple(a + (b - a) * share for a, b in zip(light, strong, strict=True))


def show_blocks(t: torch.Tensor, new_shapes: Sequence[Sequence[int]], title: str, *, name: str = "t") -> None:
    """Show the blocks of a tensor as bars, and each new shape below: a size that crosses a block's end is marked.

    A bar's length is the logarithm of its size, so that sizes that multiply lie side by side, and all rows are equally
    long. The title is the finding.

    >>> import torch
    >>> show_blocks(torch.zeros(6, 4).T, [(2, 2, 6), (3, 8)], "One of two fits")  # doctest: +SKIP
    """
    old = blocks(t.shape, t.stride())[::-1]
    ends = set(accumulate((block.size for block in old[::-1]), mul))
    fits = [ends <= set(accumulate(reversed(shape), mul)) for shape in new_shapes]
    total = log2(t.numel())
    fig, ax = plt.subplots(figsize=(6.4, 0.75 + 0.62 * (1 + len(new_shapes))))
    _bars(ax, 0, total, [(block.size, f"{block.size}, {block.stride} apart", BLUE) for block in old])
    ax.text(-0.04 * total, 0, f"blocks of {name}", ha="right", va="center", family="monospace", size=9)
    for row, (shape, fit) in enumerate(zip(new_shapes, fits, strict=True), 1):
        starts = list(accumulate(reversed(shape), mul, initial=1))[-2::-1]
        crosses = [any(start < end < start * size for end in ends) for start, size in zip(starts, shape, strict=True)]
        bars = [(size, f"{size} ✗" if bad else str(size), ORANGE if bad else GREY) for size, bad in zip(shape, crosses)]
        _bars(ax, -row, total, bars)
        ax.text(-0.04 * total, -row, str(tuple(shape)), ha="right", va="center", family="monospace", size=9)
        ax.text(1.03 * total, -row, "a view" if fit else "no view", va="center", color=GREEN if fit else ORANGE)
    inside = list(accumulate((log2(block.size) for block in old), initial=0.0))[1:-1]
    ax.vlines(inside, -len(new_shapes) - 0.45, 0.45, color=INK, linestyle="--", linewidth=1)
    ax.set(xlim=(-0.45 * total, 1.22 * total), ylim=(-len(new_shapes) - 0.5, 0.5), title=title)
    ax.axis("off")
    held = " and ".join(str(block.size) for block in old)
    told = ", ".join(f"{tuple(shape)} {'fits' if fit else 'does not'}" for shape, fit in zip(new_shapes, fits))
    plotting.show(fig, alt=f"{title}. The blocks of {name} hold {held} elements; {told}.")


def _bars(ax: Axes, y: float, total: float, bars: Sequence[tuple[int, str, str]]) -> None:
    """Bars side by side from the left, each as long as the logarithm of its size; a size of 1 has no length."""
    x = 0.0
    for size, text, colour in bars:
        box(ax, x, y - 0.36, log2(size), 0.72, text, edge=colour, color=colour, line=2)
        x += log2(size)


def show_shares(counts: Mapping[str, int], title: str) -> None:
    """Show how a whole divides: one bar for each part, with its number and its share. The title is the finding.

    >>> show_shares({"heads": 3, "tails": 5}, "Tails came more often")  # doctest: +SKIP
    """
    whole = sum(counts.values())
    fig, ax = plt.subplots(figsize=(6.4, 1.0 + 0.4 * len(counts)))
    bars = ax.barh(list(counts), list(counts.values()), color=(BLUE, ORANGE, GREY)[: len(counts)], height=0.6)
    ax.bar_label(bars, [f"{count:,}  ({count / whole:.0%})" for count in counts.values()], padding=4, color=INK)
    plotting.headline(fig, title)
    ax.set(xlim=(0, 1.25 * max(counts.values())))
    ax.invert_yaxis()
    ax.xaxis.set_visible(False)
    ax.spines["bottom"].set_visible(False)
    ax.grid(False)
    parts = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    plotting.show(fig, alt=f"{title}. Of {whole:,}: {parts}.")


# Tensors whose axes have names

_RUNS = ("#cfe4f5", "#fbdcbd", "#d9ecd9", "#ead9ef", "#e6e8eb", "#f6efb8")  # light, so that the values stay readable


def show_axes(tensors: Mapping[str, torch.Tensor], title: str, *, run: int = 0, arrows: bool = True) -> None:
    """Show tensors side by side as tables of their values, every axis with its name.

    The keys name the axes, as one side of a pattern does: `{"seq (h d)": x, "h seq d": y}`. The last two axes are the
    rows and columns of a table; the axis before them goes to the right, and one before that down. Values that are
    counted from 0 share a colour in runs of `run`; with 0 the colour goes from light to strong with the value.
    `arrows` says that each tensor is made from the one before it. The title is the finding.

    Raises ValueError where the names are not as many as the tensor's axes, or more than four.
    """
    fig = named_axes(tensors, run=run, arrows=arrows)
    plotting.headline(fig, title)
    parts = [f"{names} {tuple(t.shape)}: {_in_words(t)}" for names, t in tensors.items()]
    plotting.show(fig, alt=f"{title}. {'; '.join(parts)}.")


def named_axes(tensors: Mapping[str, torch.Tensor], *, run: int = 0, arrows: bool = True) -> Figure:
    """The figure of `show_axes`.

    >>> import torch
    >>> drawn = named_axes({"h w": torch.arange(6).view(2, 3)})
    >>> [text.get_text() for text in drawn.axes[0].texts][:4]
    ['h w', '(2, 3)', 'w →', '← h']
    """
    largest = max(float(t.max()) for t in tensors.values())
    fig, ax = plt.subplots()
    x, lowest, height = 0.0, 0.0, 0.0
    for k, (names, t) in enumerate(tensors.items()):
        words = re.findall(r"\([^)]*\)|\S+", names)
        if len(words) != t.ndim or t.ndim > 4:
            raise ValueError(f"names: one for each of at most 4 axes, got {names!r} for a shape of {tuple(t.shape)}")
        if k and arrows:
            ax.text(x - 0.85, -height / 2, "→", size=16, color=GREY, ha="center", va="center")
        ax.text(x, 1.55, names, size=10, weight="bold", family="monospace")
        ax.text(x, 0.95, str(tuple(t.shape)), size=8, color=GREY)
        width, height = _pages(ax, t, words, x, run, largest)
        x += max(width, 0.27 * len(names)) + 1.9
        lowest = min(lowest, -height)
    x -= 1.6
    ax.set(xlim=(-0.9, x), ylim=(lowest - 0.1, 2.2), aspect="equal", anchor="W")
    ax.axis("off")
    inch = min(0.4, 9.0 / (x + 0.9))
    fig.set_size_inches(max(inch * (x + 0.9), 5.2), inch * (2.3 - lowest) + 0.5)
    return fig


def _pages(
    ax: Axes, t: torch.Tensor, words: Sequence[str], left: float, run: int, largest: float
) -> tuple[float, float]:
    """Draw the tables of one tensor; give the width and the height of them all, in cells."""
    down, across, rows, columns = (1,) * (4 - t.ndim) + tuple(t.shape)
    names = [""] * (4 - len(words)) + list(words)
    label = len(f"{names[0]} = 0, {names[1]} = 0" if names[0] else f"{names[1]} = 0")
    gap = max(0.9, 0.26 * label + 0.3 - columns) if names[1] else 0.0
    top = 0.6 if names[1] else 0.0
    ax.text(left + columns / 2, 0.3, f"{names[3]} →" if names[3] else "", size=8, color=GREY, ha="center")
    rows_name = f"← {names[2]}" if names[2] else ""  # turned, so that the arrow points down
    ax.text(left - 0.15, -top - rows / 2, rows_name, size=8, color=GREY, ha="right", va="center", rotation=90)
    for k, value in enumerate(t.reshape(-1).tolist()):
        column, row = k % columns, k // columns % rows
        page, floor = k // (rows * columns) % across, k // (rows * columns * across)
        x, y = left + page * (columns + gap), -top - floor * (rows + top + 0.5)
        if not (row or column) and names[1]:
            told = f"{names[1]} = {page}" if not names[0] else f"{names[0]} = {floor}, {names[1]} = {page}"
            ax.text(x, y + 0.12, told, size=7.5, color=INK)
        _cell(ax, x + column, y - 1 - row, value, _colour(value, run, largest), False)
    return across * (columns + gap) - gap, down * (rows + top + 0.5) - 0.5


def _colour(value: float, run: int, largest: float) -> str | tuple[float, ...]:
    if run:
        return _RUNS[int(value) // run % len(_RUNS)]
    return _tint(0, max(float(value), 0.0), max(largest + 1, 2))


def _in_words(t: torch.Tensor) -> str:
    """The values, or the first of many."""
    values = [_written(value) for value in t.reshape(-1).tolist()]
    return " ".join(values[:16]) + (" …" if len(values) > 16 else "")
