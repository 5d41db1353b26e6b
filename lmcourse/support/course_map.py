"""The map of the course: what you decide when you train a language model, in five columns, and which notebook shows it.

`MAP` is the content and `course_map` its drawing, an SVG that takes its colours from the page around it.
"""

import html
from typing import NamedTuple


class Column(NamedTuple):
    """A question, the decisions that the course teaches with the numbers of their notebooks, and those after it."""

    question: str
    here: dict[str, str]
    after: list[str]


MAP = {
    "Basics": Column(
        "What is the model?",
        {"Tokenizer": "01", "Architecture": "04 09", "Initialization": "06", "Optimizer": "08", "Training loop": "09"},
        ["Mixture of experts"],
    ),
    "Systems": Column(
        "How does it run?",
        {"Number formats": "02", "Memory, strides": "03", "FLOPs, MFU": "05", "Feeding it": "07"},
        ["Kernels, parallelism", "Inference"],
    ),
    "Scaling": Column(
        "How large, how long?",
        {"Days and bytes": "05", "Width and rate": "06"},
        ["Scaling laws", "IsoFLOP fits"],
    ),
    "Data": Column(
        "What does it read?",
        {"Text to a file": "07", "Losses to beat": "09"},
        ["Filtering", "Deduplication", "Evaluation"],
    ),
    "Alignment": Column(
        "What should it say?",
        {"Sampling": "09"},
        ["Instructions", "Preferences", "Verified rewards"],
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
    for name, column in MAP.items():
        here = " · ".join(f"{item} ({numbers.replace(' ', ' and ')})" for item, numbers in column.here.items())
        lines.append(f"{name} ({column.question}): {here}; after it: {' · '.join(column.after)}.")
    return "\n".join(lines)


def course_map() -> str:
    """The drawing as SVG, with a title and a description, in the text colour of whatever page it stands on.

    Line ends stand between its texts, so that a page that drops the drawing and keeps the texts can still be read.

    >>> course_map().startswith("<svg")
    True
    """
    height = TOP + STEP * max(len(column.here) + len(column.after) for column in MAP.values()) + 40
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


def _column(k: int, name: str, column: Column) -> str:
    x, items = k * COLUMN + 5, column.here | dict.fromkeys(column.after, "")
    boxes = "\n".join(_box(x, TOP + STEP * row, *item) for row, item in enumerate(items.items()))
    return (
        f'<text x="{x}" y="24" font-size="20" font-weight="bold">{name}</text>\n'
        f'{_text(x, 48, column.question)}<path d="M{x} 60h{BOX}" stroke="currentColor"/>\n{boxes}'
    )


def _box(x: float, y: float, item: str, notebooks: str) -> str:
    """Solid and numbered: in this course. Dashed: what comes after."""
    frame = f'<rect x="{x}" y="{y}" width="{BOX}" height="46" rx="4" {HERE if notebooks else AFTER}/>'
    numbers = "\n" + _text(x + BOX - 10, y + 29, notebooks, 'font-weight="bold" text-anchor="end"')
    return f"{frame}{_text(x + 12, y + 29, item)}" + (numbers if notebooks else "")


def _legend(y: float) -> str:
    return (
        f'<rect x="5" y="{y - 13}" width="34" height="18" rx="4" {HERE}/>'
        f"{_text(48, y + 2, 'in this course: the number of the notebook')}"
        f'<rect x="405" y="{y - 13}" width="34" height="18" rx="4" {AFTER}/>{_text(448, y + 2, "after it")}'
    )


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x}" y="{y}" font-size="16" {more}>{text}</text>'
