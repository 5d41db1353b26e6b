"""Figures of notebook 07: a token file, the windows of a strided view, inputs and targets. Only drawing."""

from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lmcourse.support.plotting import BLUE, GREY, INK, ORANGE, PAPER


def _box(ax: Axes, x: float, y: float, text: object, colour: str, width: float = 1.0, *, full: bool = False) -> None:
    """One cell with a text in it; a full one is filled with its colour."""
    ax.add_patch(plt.Rectangle((x + 0.04, y + 0.08), width - 0.08, 0.84, fc=colour if full else PAPER, ec=colour))
    ink = PAPER if full else INK
    ax.text(x + width / 2, y + 0.5, str(text), ha="center", va="center", color=ink, family="monospace", size=9)


def _canvas(columns: float, rows: float) -> tuple[Figure, Axes]:
    fig, ax = plt.subplots(figsize=(7.4, 0.42 * rows + 0.5))
    ax.set(xlim=(0, columns), ylim=(-rows, 0.1))
    ax.axis("off")
    return fig, ax


def draw_windows(tokens: Shaped[np.ndarray, "length"], size: int, rows: int = 3) -> Figure:
    """The first windows of `tokens` below the tokens themselves, each under the tokens that it shows.

    >>> type(draw_windows(np.arange(8), 5)).__name__
    'Figure'
    """
    fig, ax = _canvas(len(tokens) + 2.4, rows + 2.0)
    for i, token in enumerate(tokens):
        ax.text(i + 2.9, -0.3, str(i), ha="center", color=GREY, size=8)
        _box(ax, i + 2.4, -1.5, token, BLUE, full=True)
    ax.text(2.2, -1.0, "memory", ha="right", va="center", color=BLUE, weight="bold")
    for row in range(rows):
        for i in range(row, row + size):
            _box(ax, i + 2.4, -2.9 - row, tokens[i], ORANGE)
        ax.text(2.2, -2.4 - row, f"row {row}", ha="right", va="center", color=ORANGE)
    ax.set_title("Each row starts one token later, and no token is copied")
    return fig


def draw_shift(tokens: Shaped[np.ndarray, "length"], start: int, context_length: int) -> Figure:
    """Where inputs and targets of the window at `start` lie in `tokens`.

    >>> type(draw_shift(np.arange(10), 5, 4)).__name__
    'Figure'
    """
    fig, ax = _canvas(len(tokens) + 2.4, 4.0)
    for i, token in enumerate(tokens):
        ax.text(i + 2.9, -0.3, str(i), ha="center", color=GREY, size=8)
        _box(ax, i + 2.4, -1.5, token, GREY)
    for name, first, y, colour in (("x", start, -2.9, BLUE), ("y", start + 1, -3.9, ORANGE)):
        for i in range(first, first + context_length):
            _box(ax, i + 2.4, y, tokens[i], colour, full=True)
        ax.text(2.2, y + 0.5, name, ha="right", va="center", color=colour, weight="bold")
    ax.text(2.2, -1.0, "tokens", ha="right", va="center", color=GREY)
    ax.set_title(f"The window at {start}: y is x, one place later")
    return fig


def draw_file(path: Path, shown: int = 6) -> Figure:
    """The bytes of a `.npy` file, header first: what `np.load` needs to know stands before the ids.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/a.npy", np.arange(3, dtype=np.uint16))
    ...     type(draw_file(Path(folder, "a.npy"))).__name__
    'Figure'
    """
    tokens = np.load(path, mmap_mode="r")
    width = 2.0 * shown + 14
    fig, ax = _canvas(width, 2.3)
    words = f"'{tokens.dtype.str}', {tokens.shape}"
    _box(ax, 0, -1.6, f"NUMPY … {words} …", BLUE, 14, full=True)
    ax.text(7, -0.3, f"header: {tokens.offset} bytes", ha="center", color=BLUE, weight="bold")
    for i, token in enumerate(tokens[:shown]):
        _box(ax, 14 + 2.0 * i, -1.6, token, ORANGE, 2.0)
    ax.text(14 + shown, -0.3, f"ids: {tokens.itemsize} bytes each", ha="center", color=ORANGE, weight="bold")
    ax.text(0, -2.1, "dtype and length are in the header, so nobody has to remember them", color=GREY)
    ax.set_title("A .npy file says what it holds")
    return fig
