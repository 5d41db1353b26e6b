"""ParsonsRung: the lines of a solution, shuffled, with wrong ones among them; an order is judged by running it."""

import html

import traitlets

from lmcourse.exercises import topic, topic_names
from lmcourse.exercises.parsons import DEEPEST, WITHOUT, Rung, header
from lmcourse.widgets.base import CourseWidget


class ParsonsRung(CourseWidget):
    """Put the lines of an exercise in order: a rung between its last hint and its solution.

    Args:
        exercise: its name, "merge_pair", or with its notebook's word where two have one name, "training.resume".

    Raises ValueError for a name that is no exercise, and for an exercise without such lines.

    >>> ParsonsRung("merge_pair")
    ParsonsRung: merge_pair: 8 lines to put in order, and 3 that are wrong; 0 lines are in the function.
    """

    exercise = traitlets.Unicode("").tag(sync=True)
    header = traitlets.List(traitlets.Unicode()).tag(sync=True)
    blocks = traitlets.List(traitlets.Unicode()).tag(sync=True)
    lines = traitlets.List(traitlets.List(traitlets.Int(), minlen=2, maxlen=2)).tag(sync=True)
    picked = traitlets.Int(0, min=0).tag(sync=True)

    def __init__(self, exercise: str):
        self.rung = _rung_of(exercise)
        count, wrong = len(self.rung.order), len(self.rung.mistakes)
        super().__init__(
            title=f"Put the lines of {self.rung.exercise.name} in order",
            source=f"{count} of these lines are the solution's, {wrong} are wrong and stay out · an order is judged by "
            "running the function on the cases of its check · keys: Enter uses a line, ← → change its depth, "
            "Shift and ↑ ↓ its place, Delete puts it aside",
            exercise=self.rung.key,
            header=header(self.rung.stub),
            blocks=[block.shown for block in self.rung.blocks],
        )

    def summary(self) -> str:
        """What is to be done, and how far it is."""
        right, wrong, done = len(self.rung.order), len(self.rung.mistakes), len(self.lines)
        return (
            f"{self.rung.exercise.name}: {right} lines to put in order, and {wrong} that are wrong; {done} "
            f"{'line is' if done == 1 else 'lines are'} in the function."
        )

    def snapshot(self) -> str:
        """The function so far, and below it the lines that are not used."""
        fits = lambda block, steps: 0 <= block < len(self.blocks) and 0 <= steps <= DEEPEST  # noqa: E731
        lines = [(block, steps) for block, steps in self.lines if fits(block, steps)]
        margin = "    " * len(self.header)
        body = [margin + "    " * steps + self.blocks[block].replace("\n", f"\n{margin}") for block, steps in lines]
        rest = [text for k, text in enumerate(self.blocks) if k not in {block for block, _ in lines}]
        items = "".join(f"<li><pre>{html.escape(text)}</pre></li>" for text in rest)
        code = html.escape("\n".join([*self.header, *body]))
        return f"<p>{html.escape(self.summary())}</p>\n<pre>{code}</pre>\n<p>Not used yet:</p>\n<ul>{items}</ul>"

    @classmethod
    def example(cls) -> "ParsonsRung":
        """merge_pair, of which the first lines stand."""
        widget = cls("tokenization.merge_pair")
        widget.lines = [list(line) for line in widget.rung.order[:3]]
        return widget

    def answer(self, question: dict) -> dict:
        """Judge an order: {"lines": [[block, steps], ...], "misses": how often it was wrong before}."""
        misses = question["misses"]
        return self.rung.answer(question["lines"], misses if type(misses) is int else 0)


def _rung_of(exercise: str) -> Rung:
    for name in topic_names():
        short = exercise.removeprefix(f"{name}.") if isinstance(exercise, str) else ""
        if short in topic(name).slips:
            return topic(name).rung(short)
    for reason, names in WITHOUT.items():
        if exercise in {*names, *(each.partition(".")[2] for each in names)}:
            raise ValueError(f"exercise: one with lines to put in order, got {exercise!r}, which has none: {reason}")
    raise ValueError(f"exercise: the name of one, such as merge_pair, got {exercise!r}")
