"""One look for all figures: `style()` once in a setup cell, then `fig, ax = plt.subplots()` and `show(fig, alt=...)`.

Not here: what is plotted. LOOK in one line: the title is the finding, the axes carry units, two to four lines are
labelled directly, colour never carries meaning alone.
"""

import base64
import html
import io

BLUE, ORANGE, GREY = "#0072B2", "#B45F06", "#6b7280"
GREEN, PURPLE, SKY = "#007A5A", "#8E4585", "#3A9BDC"
INK, PAPER = "#1b1f24", "#ffffff"


def style() -> None:
    """Set the course's look for every figure that follows: palette, size, spines, grid.

    >>> style()
    >>> import matplotlib
    >>> matplotlib.rcParams["axes.spines.top"]
    False
    """
    import matplotlib
    from cycler import cycler

    matplotlib.rcParams.update(
        {
            "figure.figsize": (6.4, 3.6),
            "figure.dpi": 120,
            "figure.facecolor": PAPER,
            "figure.constrained_layout.use": True,
            "savefig.facecolor": PAPER,
            "axes.prop_cycle": cycler(color=[BLUE, ORANGE, GREY, GREEN, PURPLE, SKY]),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.grid.axis": "y",
            "axes.axisbelow": True,
            "axes.titlelocation": "left",
            "axes.titlesize": 12,
            "axes.titleweight": "bold",
            "axes.labelsize": 10,
            "axes.edgecolor": GREY,
            "axes.labelcolor": INK,
            "text.color": INK,
            "grid.color": "#d9dce1",
            "grid.linewidth": 0.8,
            "legend.frameon": False,
            "lines.linewidth": 2,
            "font.size": 10,
        }
    )


def label_lines(ax: "matplotlib.axes.Axes") -> None:
    """Write each line's label at its last point, in its colour: for two to four lines, instead of a legend.

    Lines whose label starts with an underscore are left out, as in a legend.

    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> for label, values in {"SGD": [3, 2], "AdamW": [3, 1], "_ghost": [3, 0]}.items():
    ...     line = ax.plot([0, 10], values, label=label)
    >>> label_lines(ax)
    >>> [(text.get_text(), *map(int, text.xy)) for text in ax.texts]
    [('SGD', 10, 2), ('AdamW', 10, 1)]
    """
    for line in ax.get_lines():
        label = str(line.get_label())
        if not label.startswith("_") and len(line.get_xdata()):
            end = (line.get_xdata()[-1], line.get_ydata()[-1])
            ax.annotate(label, end, (4, 0), textcoords="offset points", va="center", color=line.get_color())


def headline(fig: "matplotlib.figure.Figure", title: str) -> None:
    """Write the title of a figure that has several axes, or none, at its left.

    >>> from matplotlib.figure import Figure
    >>> fig = Figure()
    >>> headline(fig, "Ours is faster")
    >>> fig.get_suptitle()
    'Ours is faster'
    """
    fig.suptitle(title, x=0.01, ha="left", weight="bold", size=12)


def canvas(
    width: float, height: float, *, xlim: tuple[float, float] = (0, 1), ylim: tuple[float, float] = (0, 1)
) -> "tuple[matplotlib.figure.Figure, matplotlib.axes.Axes]":
    """A figure of so many inches with nothing in it, to draw boxes and words on.

    >>> fig, ax = canvas(4, 3, xlim=(0, 10))
    >>> ax.axison, [int(end) for end in ax.get_xlim()]
    (False, [0, 10])
    """
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(width, height))
    ax.set(xlim=xlim, ylim=ylim)
    ax.axis("off")
    return fig, ax


def box(
    ax: "matplotlib.axes.Axes", x: float, y: float, width: float, height: float, text: str = "", *,
    face: object = PAPER, edge: object = GREY, line: float = 1.5, zorder: float = 2, **words: object,
) -> None:  # fmt: skip
    """A rectangle whose lower left corner is at (x, y), with a text in its middle; `words` say how that is written.

    >>> fig, ax = canvas(4, 3)
    >>> box(ax, 0.2, 0.2, 0.6, 0.4, "attention", edge=BLUE, color=BLUE)
    >>> ax.texts[0].get_position()
    (0.5, 0.4)
    """
    from matplotlib.patches import Rectangle

    ax.add_patch(Rectangle((x, y), width, height, facecolor=face, edgecolor=edge, linewidth=line, zorder=zorder))
    words = {"size": 9, "color": INK, "ha": "center", "va": "center", "zorder": 4} | words
    ax.text(x + width / 2, y + height / 2, text, **words)


def show(fig: "matplotlib.figure.Figure", *, alt: str) -> None:
    """Display a figure, and close it. `alt` says in a sentence what a reader who cannot see it needs: the finding.

    Raises ValueError for an empty `alt`.

    >>> from matplotlib.figure import Figure
    >>> show(Figure(), alt=" ")
    Traceback (most recent call last):
    ValueError: alt: a sentence that says what the figure shows, got ' '
    """
    if not alt.strip():
        raise ValueError(f"alt: a sentence that says what the figure shows, got {alt!r}")
    import matplotlib.pyplot as plt
    from IPython.display import display

    png = io.BytesIO()
    fig.savefig(png, format="png")
    plt.close(fig)
    data = base64.b64encode(png.getvalue()).decode("ascii")
    # image/png has no place for alternative text in JupyterLab; an <img> has.
    image = f'<img style="max-width:100%" alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'
    display({"text/plain": f"[figure: {alt}]", "text/html": image}, raw=True)
