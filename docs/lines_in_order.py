"""Write docs/lines_in_order.md: which exercise has which lines to put in order. Run: python docs/lines_in_order.py"""

from pathlib import Path

from lmcourse.exercises import topic, topic_names
from lmcourse.exercises.parsons import WITHOUT, blocks_of, slip

PATH = Path(__file__).parent / "lines_in_order.md"
BEGINNING = """# Lines to put in order

Between the last hint and the solution of an exercise stands *Put the lines in order*. The solution's statements are its
blocks, with lines of known mistakes among them that stay out. An order is judged by running it on the exercise's cases.
`ParsonsRung("merge_pair")` shows one. `python docs/lines_in_order.py` writes this page.

## Which lines

| exercise | blocks | lines that stay out, and the mistake that each is |
|---|---|---|
"""


def page() -> str:
    """The whole page."""
    rows = []
    for name in topic_names():
        for exercise in topic(name).slips:
            rung = topic(name).rung(exercise)
            right = blocks_of(topic(name).solution(exercise))
            slips = [(slip(right, old, new).text, says) for says, (old, new) in topic(name).slips[exercise].items()]
            wrong = "; ".join(f"{_code(text)}: {says}" for text, says in slips)
            rows.append(f"| {rung.exercise.number} `{exercise}` | {len(rung.order)} | {wrong} |")
    reasons = [f"- {why}: {', '.join(f'`{name}`' for name in names)}." for why, names in _sentences()]
    lines = "\n".join(rows)
    return f"{BEGINNING}{lines}\n\n## Which exercises have none, and why\n\n{chr(10).join(reasons)}\n"


def _sentences() -> list[tuple[str, tuple[str, ...]]]:
    return [(why[0].upper() + why[1:], names) for why, names in WITHOUT.items()]


def _code(text: str) -> str:
    text = " ".join(text.split()).replace("|", "\\|")
    return f"`{text}`"


if __name__ == "__main__":
    PATH.write_text(page(), encoding="utf-8")
