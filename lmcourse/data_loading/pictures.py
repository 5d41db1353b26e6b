"""Figures of notebook 07: a token file, the windows of a strided view, inputs and targets. Only drawing."""

from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lmcourse.support.plotting import BLUE, GREY, INK, ORANGE, PAPER, box, canvas


def _cell(ax: Axes, x: float, y: float, text: object, colour: str, width: float = 1.0, *, full: bool = False) -> None:
    """One cell with a text in it; a full one is filled with its colour."""
    face, ink = (colour, PAPER) if full else (PAPER, INK)
    look = {"face": face, "edge": colour, "line": 1, "color": ink, "family": "monospace"}
    box(ax, x + 0.04, y + 0.08, width - 0.08, 0.84, str(text), **look)


def _canvas(columns: float, rows: float) -> tuple[Figure, Axes]:
    return canvas(7.4, 0.42 * rows + 0.5, xlim=(0, columns), ylim=(-rows, 0.1))


def _numbered(ax: Axes, tokens: Shaped[np.ndarray, "length"], colour: str, *, full: bool = False) -> None:
    """A row of tokens, the place of each above it."""
    for i, token in enumerate(tokens):
        ax.text(i + 2.9, -0.3, str(i), ha="center", color=GREY, size=8)
        _cell(ax, i + 2.4, -1.5, token, colour, full=full)


def draw_windows(tokens: Shaped[np.ndarray, "length"], size: int, rows: int = 3) -> Figure:
    """The first windows of `tokens` below the tokens themselves, each under the tokens that it shows.

    >>> type(draw_windows(np.arange(8), 5)).__name__
    'Figure'
    """
    fig, ax = _canvas(len(tokens) + 2.4, rows + 2.0)
    _numbered(ax, tokens, BLUE, full=True)
    ax.text(2.2, -1.0, "memory", ha="right", va="center", color=BLUE, weight="bold")
    for row in range(rows):
        for i in range(row, row + size):
            _cell(ax, i + 2.4, -2.9 - row, tokens[i], ORANGE)
        ax.text(2.2, -2.4 - row, f"row {row}", ha="right", va="center", color=ORANGE)
    ax.set_title("Each row starts one token later, and no token is copied")
    return fig


def draw_shift(tokens: Shaped[np.ndarray, "length"], start: int, context_length: int) -> Figure:
    """Where inputs and targets of the window at `start` lie in `tokens`.

    >>> type(draw_shift(np.arange(10), 5, 4)).__name__
    'Figure'
    """
    fig, ax = _canvas(len(tokens) + 2.4, 4.0)
    _numbered(ax, tokens, GREY)
    for name, first, y, colour in (("x", start, -2.9, BLUE), ("y", start + 1, -3.9, ORANGE)):
        for i in range(first, first + context_length):
            _cell(ax, i + 2.4, y, tokens[i], colour, full=True)
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
    _cell(ax, 0, -1.6, f"NUMPY … {words} …", BLUE, 14, full=True)
    ax.text(7, -0.3, f"header: {tokens.offset} bytes", ha="center", color=BLUE, weight="bold")
    for i, token in enumerate(tokens[:shown]):
        _cell(ax, 14 + 2.0 * i, -1.6, token, ORANGE, 2.0)
    ax.text(14 + shown, -0.3, f"ids: {tokens.itemsize} bytes each", ha="center", color=ORANGE, weight="bold")
    ax.text(0, -2.1, "dtype and length are in the header, so nobody has to remember them", color=GREY)
    ax.set_title("A .npy file says what it holds")
    return fig
