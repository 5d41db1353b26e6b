"""The map of the course: what you decide when you train a language model, in five columns, and which notebook shows it.

`MAP` is the content and `course_map` its drawing, an SVG that takes its colours from the page around it.
"""

import html
from typing import NamedTuple


class Item(NamedTuple):
    """One decision: its name, and the numbers of the notebooks that teach it; none means after this course."""

    name: str
    notebooks: tuple[str, ...] = ()


MAP: dict[str, tuple[str, tuple[Item, ...]]] = {
    "Basics": (
        "What is the model?",
        (
            Item("Tokenizer", ("01",)),
            Item("Architecture", ("04", "09")),
            Item("Initialization", ("06",)),
            Item("Optimizer", ("08",)),
            Item("Training loop", ("09",)),
            Item("Mixture of experts"),
        ),
    ),
    "Systems": (
        "How does it run?",
        (
            Item("Number formats", ("02",)),
            Item("Memory, strides", ("03",)),
            Item("FLOPs, MFU", ("05",)),
            Item("Feeding it", ("07",)),
            Item("Kernels, parallelism"),
            Item("Inference"),
        ),
    ),
    "Scaling": (
        "How large, how long?",
        (
            Item("Days and bytes", ("05",)),
            Item("Width and rate", ("06",)),
            Item("Scaling laws"),
            Item("IsoFLOP fits"),
        ),
    ),
    "Data": (
        "What does it read?",
        (
            Item("Text to a file", ("07",)),
            Item("Losses to beat", ("09",)),
            Item("Filtering"),
            Item("Deduplication"),
            Item("Evaluation"),
        ),
    ),
    "Alignment": (
        "What should it say?",
        (
            Item("Sampling", ("09",)),
            Item("Instructions"),
            Item("Preferences"),
            Item("Verified rewards"),
        ),
    ),
}

# In the units of the drawing, of which about one is a pixel in JupyterLab.
WIDTH, COLUMN, BOX, STEP, TOP = 1000, 200, 190, 58, 74
# Edges of at least 3:1 on white and on JupyterLab's dark ground; a tint that lets the page's own ground through.
HERE = 'fill="#0072B2" fill-opacity="0.14" stroke="#0072B2" stroke-width="2"'
AFTER = 'fill="none" stroke="#7a828e" stroke-dasharray="5 4"'


def describe() -> str:
    """The map in words, a sentence a column: what a screen reader says of the drawing, and a terminal shows.

    >>> describe().splitlines()[2]
    'Scaling (How large, how long?): Days and bytes (05) · Width and rate (06); after it: Scaling laws · IsoFLOP fits.'
    """
    lines = []
    for column, (question, items) in MAP.items():
        here = " · ".join(f"{item.name} ({' and '.join(item.notebooks)})" for item in items if item.notebooks)
        after = " · ".join(item.name for item in items if not item.notebooks)
        lines.append(f"{column} ({question}): {here}; after it: {after}.")
    return "\n".join(lines)


def course_map() -> str:
    """The drawing as SVG, with a title and a description, in the text colour of whatever page it stands on.

    Line ends stand between its texts, so that a page that drops the drawing and keeps the texts can still be read.

    >>> course_map().startswith("<svg")
    True
    """
    height = TOP + STEP * max(len(items) for _, items in MAP.values()) + 40
    columns = "\n".join(_column(k, *entry) for k, entry in enumerate(MAP.items()))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-labelledby="lmc-map-title lmc-map-text" fill="currentColor" font-family="inherit" '
        f'style="display:block;width:100%;min-width:760px;max-width:1200px">'
        f'<title id="lmc-map-title">What you decide when you train a language model</title>'
        f'<desc id="lmc-map-text">{html.escape(describe())}</desc>\n{columns}\n{_legend(height - 20)}</svg>'
    )


def show_course_map() -> None:
    """Show the drawing in a notebook; where there is only text, the description."""
    from IPython.display import display

    # On a narrow page the drawing is scrolled and not shrunk, so its frame can take the keyboard's focus.
    frame = (
        f'<div style="overflow-x:auto" tabindex="0" role="group" aria-label="Map of the course">{course_map()}</div>'
    )
    display({"text/plain": describe(), "text/html": frame}, raw=True)


def _column(k: int, column: str, content: tuple[str, tuple[Item, ...]]) -> str:
    question, items = content
    x = k * COLUMN + 5
    boxes = "\n".join(_box(x, TOP + STEP * row, item) for row, item in enumerate(items))
    return (
        f'<text x="{x}" y="24" font-size="20" font-weight="bold">{column}</text>\n'
        f'{_text(x, 48, question)}<path d="M{x} 60h{BOX}" stroke="currentColor"/>\n{boxes}'
    )


def _box(x: float, y: float, item: Item) -> str:
    """Solid and numbered: in this course. Dashed: what comes after."""
    if not item.notebooks:
        return f'<rect x="{x}" y="{y}" width="{BOX}" height="46" rx="4" {AFTER}/>{_text(x + 12, y + 29, item.name)}'
    numbers = _text(x + BOX - 10, y + 29, " ".join(item.notebooks), 'font-weight="bold" text-anchor="end"')
    frame = f'<rect x="{x}" y="{y}" width="{BOX}" height="46" rx="4" {HERE}/>'
    return f"{frame}{_text(x + 12, y + 29, item.name)}\n{numbers}"


def _legend(y: float) -> str:
    return (
        f'<rect x="5" y="{y - 13}" width="34" height="18" rx="4" {HERE}/>'
        f"{_text(48, y + 2, 'in this course: the number of the notebook')}"
        f'<rect x="405" y="{y - 13}" width="34" height="18" rx="4" {AFTER}/>{_text(448, y + 2, "after it")}'
    )


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x}" y="{y}" font-size="16" {more}>{text}</text>'
