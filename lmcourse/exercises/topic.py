"""One notebook's exercises, predictions and quiz; what `check`, `predict`, `quiz` and `ready` of a notebook are."""

import inspect
import os
import platform
import re
import sys
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from lmcourse import __version__
from lmcourse.exercises import progress
from lmcourse.exercises.cards import Card
from lmcourse.exercises.judging import Call, Case, Exercise, Outcome, difference, judge, shorten


class NotSolved(AssertionError):
    """Raised by `check` under LMCOURSE_STRICT=1 where an exercise is not solved."""


@dataclass(frozen=True)
class Prediction:
    """A question asked before a cell is run; the answer may be a function, computed when it is needed."""

    answer: Any
    why: str
    tolerance: float = 0.0
    remarks: dict[Any, str] = field(default_factory=dict)


class Topic:
    """All that a notebook asks of its reader. `number` is the notebook's, `name` its word."""

    def __init__(self, name: str, number: int):
        self.name, self.number = name, number
        self.exercises: dict[str, Exercise] = {}
        self.predictions: dict[str, Prediction] = {}
        self.questions: list[tuple[str, str]] = []

    # What an author declares

    def exercise(
        self,
        reference: Callable,
        *,
        cases: Iterable[Case | Call] | Callable[[], Iterable[Case | Call]],
        hints: tuple[str, ...],
        wrong: dict[str, Callable],
        minutes: int,
        level: int,
        name: str | None = None,
        same: Callable[[Any, Any], str | None] | None = None,
        show: Callable[..., str] | None = None,
        of: str | None = None,
    ) -> None:
        """Declare an exercise.

        `cases` go from the smallest to the largest: a list, or a function that makes or yields them, one by one as they
        are needed. `wrong` gives realistic wrong answers by their names, in words for the reader; the cases reject each
        of them. `level` is 1 to 3. `name` is the learner's name for it where it differs from the reference's.
        `same(got, want)` replaces `difference` and returns None or what differs, in words. `show(result, *args)` is the
        text of a result on the card, where its repr says little. `of` makes it a step (1.4a, 1.4b) on the way to an
        exercise that is declared before it and keeps its name.
        """
        name = name or reference.__name__
        if of is None:
            number = f"{self.number}.{1 + sum(each.of is None for each in self.exercises.values())}"
        else:
            whole = self.exercises[of]
            number = whole.number + "abcdefgh"[len(whole.steps)]
            whole.steps.append(name)
        self.exercises[name] = Exercise(
            name, number, reference, cases, tuple(hints), wrong, minutes, level, same, show, of
        )

    def prediction(self, key: str, *, answer, why: str, tolerance: float = 0.0, remarks: dict | None = None) -> None:
        """Declare a prediction. A number counts as right within the relative `tolerance`; `remarks` maps likely wrong
        guesses to a sentence about each."""
        self.predictions[key] = Prediction(answer, why, tolerance, remarks or {})

    def question(self, text: str, answer: str) -> None:
        """Declare a question of the closing quiz."""
        self.questions.append((text, answer))

    # What a notebook calls

    def ready(self) -> None:
        """Print the versions and the device: the sign that the setup cell has run."""
        words = [f"python {platform.python_version()}", f"lmcourse {__version__}"]
        if "torch" in sys.modules:
            from lmcourse.support import device

            words += [f"torch {sys.modules['torch'].__version__}", device.describe(device.pick())]
        print("Ready:", ", ".join(words))

    def check(self, attempt):
        """Return `attempt` where it passes, else the reference, and say which. Raises only in strict mode."""
        exercise = self.exercises.get(getattr(attempt, "__name__", None))
        if exercise is None:
            line = f"Give it one of the functions of this notebook: {', '.join(self.exercises)}."
            Card("wrong", f"check got {shorten(attempt)}", (line,)).show()
            return attempt
        outcome = judge(exercise, attempt)
        card = self._exercise_card(exercise, outcome)
        if outcome.state != "correct" and os.environ.get("LMCOURSE_STRICT") == "1":
            raise NotSolved(card.plain())
        if outcome.state != "todo":
            progress.record(f"{self.name}.{exercise.name}", outcome.state)
        card.show()
        return attempt if outcome.state == "correct" else exercise.reference

    def predict(self, key: str, guess) -> None:
        """Say how near a guess is. `None` is no guess, and is told nothing."""
        if key not in self.predictions:
            Card("wrong", f"There is no prediction {key!r}", (f"There are: {', '.join(self.predictions)}.",)).show()
            return
        if guess is None:
            Card("todo", "Your prediction first", ("Put your guess in place of None and run this cell again.",)).show()
            return
        prediction = self.predictions[key]
        answer = prediction.answer() if callable(prediction.answer) else prediction.answer
        try:
            note = difference(guess, answer, rel=max(prediction.tolerance, 1e-9))
            if note is not None and isinstance(guess, int | float) and isinstance(answer, int | float):
                note = difference(float(guess), float(answer), rel=max(prediction.tolerance, 1e-9))
            remark = next((text for wrong, text in prediction.remarks.items() if difference(guess, wrong) is None), "")
        except Exception:
            note, remark = "it cannot be compared", ""
        state = "correct" if note is None else "wrong"
        progress.record(f"{self.name}.predict.{key}", state)
        said, is_ = shorten(guess), shorten(answer)
        headline = f"Right: {is_}" if state == "correct" else f"You said {said}; it is {is_}"
        Card(state, headline, tuple(line for line in (remark, prediction.why) if line)).show()

    def quiz(self) -> None:
        """Show the closing questions, each with its answer folded."""
        folds = tuple((f"{k}. {text}", answer, False) for k, (text, answer) in enumerate(self.questions, 1))
        card = Card("quiz", "Answer each aloud, then unfold it", folds=folds)
        tail = "\n".join(f"{k}. {text}" for k, (text, _) in enumerate(self.questions, 1))
        Card(card.state, card.headline, folds=folds, plain_tail=tail).show()

    # For a terminal, where nothing folds

    def hint(self, name: str, number: int = 1) -> str:
        """The text of one hint."""
        return self.exercises[name].hints[number - 1]

    def solution(self, name: str) -> str:
        """The reference's own source, under the learner's name."""
        exercise = self.exercises[name]
        source = textwrap.dedent(inspect.getsource(exercise.reference))
        return re.sub(rf"\b{exercise.reference.__name__}\b", name, source)

    def _exercise_card(self, exercise: Exercise, outcome: Outcome) -> Card:
        name = exercise.name
        headline = (
            f"Exercise {exercise.number} {name}: "
            + {
                "todo": "not attempted yet; the cells below use the reference",
                "wrong": "not yet; the cells below use the reference",
                "correct": "correct; the cells below use yours",
            }[outcome.state]
        )
        rows, lines = (), ()
        if outcome.state == "wrong":
            rows = (("call", outcome.call), ("expected", outcome.expected), ("got", outcome.got))
            rows += (("your line", outcome.line),) if outcome.line else ()
            rows += (("printed", outcome.printed),) if outcome.printed else ()
            lines = (f"{outcome.note[:1].upper()}{outcome.note[1:]}.",) if outcome.note else ()
            lines += (f"A known mistake gives the same: {outcome.known}.",) if outcome.known else ()
        hints = tuple((f"Hint {k}", text, False) for k, text in enumerate(exercise.hints, 1))
        folds = () if outcome.state == "correct" else hints
        title = "The reference, to compare with yours" if outcome.state == "correct" else "Solution"
        folds += ((title, self.solution(name), True),)
        tail = "" if outcome.state == "correct" else f'Hints: topic("{self.name}").hint("{name}")'
        return Card(outcome.state, headline, lines, rows, folds, tail)
