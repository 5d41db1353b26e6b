"""One notebook's exercises, predictions and quiz; what `check`, `predict`, `quiz` and `ready` of a notebook are."""

import ast
import inspect
import math
import os
import platform
import re
import sys
import textwrap
import types
import zlib
from collections.abc import Callable, Iterable
from typing import Any

from lmcourse import __version__
from lmcourse.exercises import explaining, progress, restart
from lmcourse.exercises.cards import Card
from lmcourse.exercises.comparing import scalar, shorten
from lmcourse.exercises.judging import Call, Case, Exercise, Interrupted, Outcome, judge
from lmcourse.exercises.parsons import Rung
from lmcourse.exercises.predictions import Prediction

RUNG = "Put the lines in order"  # what the fold is called; the book finds it by that


class NotSolved(AssertionError):
    """Raised by `check` under LMCOURSE_STRICT=1 where an exercise is not solved."""


class Topic:
    """All that a notebook asks of its reader. `number` is the notebook's, `name` its word, `practice` the module of
    lmcourse.exercises.practice that goes with it."""

    def __init__(self, name: str, number: int, practice: types.ModuleType | None = None):
        self.name, self.number = name, number
        self.slips, self.why = (practice.SLIPS, practice.WHY) if practice else ({}, {})
        self.exercises: dict[str, Exercise] = {}
        self.predictions: dict[str, Prediction] = {}
        self.questions: list[tuple[str, str]] = []
        self.checked: set[str] = set()  # in this kernel
        self.misses: dict[str, int] = {}

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

    def prediction(
        self,
        key: str,
        *,
        answer,
        why: str,
        tolerance: float = 0.0,
        remarks: dict | None = None,
        unit: str = "",
        also: tuple = (),
    ) -> None:
        """Declare a prediction. A number counts as right within the relative `tolerance`; `remarks` maps likely wrong
        guesses to a sentence about each, which does not tell the answer; for `unit` and `also` see `Prediction`."""
        self.predictions[key] = Prediction(answer, why, tolerance, remarks or {}, unit, also)

    def question(self, text: str, answer: str) -> None:
        """Declare a question of the closing quiz."""
        self.questions.append((text, answer))

    # What a notebook calls

    def ready(self) -> None:
        """Print the versions and the device: the sign that the setup cell has run."""
        if shell := _shell():
            restart.load_ipython_extension(shell)
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
        self.checked.add(exercise.name)
        try:
            outcome = judge(exercise, attempt)
        except Interrupted as stop:
            Card("wrong", f"Exercise {exercise.number} {exercise.name}: {stop}").show()
            raise
        card = self._exercise_card(exercise, outcome)
        if outcome.state != "correct" and _strict():
            raise NotSolved(card.plain())
        if outcome.state != "todo":
            progress.record(f"{self.name}.{exercise.name}", outcome.state)
        card.show()
        if outcome.state == "correct" and not self._is_explained(exercise.name) and _shell_of_a_page():
            explaining.ask(f"{self.name}.explained.{exercise.name}", *self.why[exercise.name])
        return attempt if outcome.state == "correct" else exercise.reference

    def predict(self, key: str, guess) -> None:
        """Say how near a guess is: a nudge after the first miss, the answer after the second. `None` is no guess, and
        is told nothing."""
        if key not in self.predictions:
            Card("wrong", f"There is no prediction {key!r}", (f"There are: {', '.join(self.predictions)}.",)).show()
            return
        if guess is None:
            Card("todo", "Your prediction first", ("Put your guess in place of None and run this cell again.",)).show()
            return
        try:
            card = self._prediction_card(key, guess)
        except Exception as error:  # a guess may be anything at all
            card = Card("wrong", f"You said {shorten(guess)}", (f"It cannot be compared: {type(error).__name__}.",))
        progress.record(f"{self.name}.predict.{key}", card.state)
        card.show()

    def quiz(self) -> None:
        """Show the closing questions, each with its answer folded.

        Under LMCOURSE_STRICT=1 raise NotSolved where an exercise of this notebook was never checked.
        """
        missing = [name for name in self.exercises if name not in self.checked]
        if missing and _strict():
            raise NotSolved(f"never checked in this notebook: {', '.join(missing)}")
        known = progress.load()
        if any(known.get(f"{self.name}.{name}") == "correct" for name in self.exercises):  # else it was only run
            progress.met(*(self.question_key(text) for text, _ in self.questions))
        folds = tuple((f"{k}. {text}", answer, False) for k, (text, answer) in enumerate(self.questions, 1))
        card = Card("quiz", "Answer each aloud, then unfold it", folds=folds)
        tail = "\n".join(f"{k}. {text}" for k, (text, _) in enumerate(self.questions, 1))
        Card(card.state, card.headline, folds=folds, plain_tail=tail).show()

    # For whoever wants more

    def question_key(self, text: str) -> str:
        """The name of a question in progress: of its words, so that another order keeps it and other words do not."""
        return f"{self.name}.quiz.{zlib.crc32(text.encode()):08x}"

    def reset(self, name: str) -> None:
        """Do an exercise again: forget that it was solved, and put its stub into a new cell below this one.

        Outside of Jupyter the card shows the stub, to be copied.
        """
        stub = self.stub(name)
        progress.forget(f"{self.name}.{name}")
        lines = ("Its stub stands in a new cell below. Where your editor shows none, copy it from here.",)
        Card(
            "todo", f"Exercise {self.exercises[name].number} {name} once more", lines, (), (("Stub", stub, True),)
        ).show()
        if shell := _shell():
            shell.set_next_input(stub)

    def hint(self, name: str, number: int = 1) -> str:
        """The text of one hint."""
        return self.exercises[name].hints[number - 1]

    def solution(self, name: str) -> str:
        """The reference's own source, under the learner's name."""
        exercise = self.exercises[name]
        source = textwrap.dedent(inspect.getsource(exercise.reference))
        return re.sub(rf"\b{exercise.reference.__name__}\b", name, source)

    def stub(self, name: str) -> str:
        """The cell that a reader begins with: signature and docstring of the solution, and no body."""
        return stub_of(self.solution(name), name)

    def rung(self, name: str) -> Rung:
        """The lines of an exercise, to be put in order. Raises KeyError for one that has no such rung."""
        return Rung(self.exercises[name], f"{self.name}.{name}", self.stub(name), self.solution(name), self.slips[name])

    def _is_explained(self, name: str) -> bool:
        return name not in self.why or explaining.is_done(f"{self.name}.explained.{name}")

    def _prediction_card(self, key: str, guess: Any) -> Card:
        prediction, said = self.predictions[key], shorten(guess)
        answer = _in_full(prediction.the_answer())
        if prediction.is_right(guess):
            return Card("correct", f"Right: {answer}", (prediction.why,))
        if not prediction.is_readable(guess):
            return Card("wrong", f"You said {said}", (f"{prediction.kind()}.",))
        nudge = prediction.nudge(guess)
        self.misses[key] = self.misses.get(key, 0) + 1
        if self.misses[key] == 1:
            lines = (nudge, "Change your guess and run this cell again. After that you are told the answer.")
            return Card("wrong", f"You said {said}: not yet", lines)
        return Card("wrong", f"You said {said}; it is {answer}", (nudge, prediction.why))

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
            rows = (
                ("call" if outcome.call.startswith(f"{name}(") else "tried", outcome.call),
                ("expected", outcome.expected),
                ("got", outcome.got),
            )
            rows += (("your line", outcome.line),) if outcome.line else ()
            rows += (("printed", outcome.printed),) if outcome.printed else ()
            lines = (_sentence(outcome.note),) if outcome.note and not outcome.is_in_sight() else ()
            lines += (f"A known mistake gives the same: {outcome.known}.",) if outcome.known else ()
        hints = tuple((f"Hint {k}", text, False) for k, text in enumerate(exercise.hints, 1))
        folds = () if outcome.state == "correct" else hints
        if outcome.state != "correct" and name in self.slips:
            line = f'ParsonsRung("{self.name}.{name}")  # run this in a cell of its own'
            folds += ((RUNG, f"from lmcourse.widgets import ParsonsRung\n\n{line}", True),)
        title = "The reference, to compare with yours" if outcome.state == "correct" else "Solution"
        folds += ((title, without_docstrings(self.solution(name)), True),)
        if outcome.state == "correct":
            if name in self.why and self._is_explained(name):
                folds += ((*self.why[name], False),)
            folds += (("Once more", f'from lmcourse.exercises import reset\n\nreset("{name}")', True),)
        tell = f'from lmcourse.exercises import topic; topic("{self.name}").hint("{name}")'
        tail = "" if outcome.state == "correct" else f"Hints: {tell}"
        return Card(outcome.state, headline, lines, rows, folds, tail)


def without_docstrings(solution: str) -> str:
    """A solution as it unfolds: its docstrings stand in the stub above.

    >>> print(without_docstrings('def half(x):\\n    \"\"\"Half of x.\"\"\"\\n    return x / 2'))
    def half(x):
        return x / 2
    """
    lines = solution.split("\n")
    kinds = ast.FunctionDef | ast.ClassDef
    nodes = [node for node in ast.walk(ast.parse(solution)) if isinstance(node, kinds) and ast.get_docstring(node)]
    for node in sorted(nodes, key=lambda node: -node.lineno):
        start, end = node.body[0].lineno - 1, node.body[0].end_lineno
        del lines[start : end + (lines[end] == "")]
    return "\n".join(lines)


def stub_of(solution: str, name: str) -> str:
    """A solution without its bodies: what raises YourTurn, and is checked in the last line.

    >>> print(stub_of("def half(x):\\n    return x / 2", "half"))
    def half(x):
        raise YourTurn
    <BLANKLINE>
    <BLANKLINE>
    half = check(half)
    """
    lines, kept, at = solution.rstrip().split("\n"), [], 0
    (whole,) = ast.parse(solution).body
    for function in [whole] if isinstance(whole, ast.FunctionDef) else whole.body:
        if not isinstance(function, ast.FunctionDef) or function.name == "__init__":
            continue
        first, documented = function.body[0], ast.get_docstring(function) is not None
        end = first.end_lineno if documented else first.lineno - 1
        kept += [*lines[at:end], " " * first.col_offset + "raise YourTurn"]
        at = function.end_lineno
    return "\n".join([*kept, *lines[at:], "", "", f"{name} = check({name})"])


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + ("" if words[-1] in ".?" else ".")


def _in_full(answer: Any) -> str:
    """An answer as one says it: 40,000,000,000 and not 40000000000.0."""
    answer = scalar(answer)
    if isinstance(answer, bool) or not isinstance(answer, int | float):
        return shorten(answer)
    return f"{answer:,.0f}" if math.isfinite(answer) and answer == round(answer) else f"{answer:.6g}"


def _strict() -> bool:
    return os.environ.get("LMCOURSE_STRICT") == "1"


def _shell():
    """IPython's shell, where the code runs in one."""
    ipython = sys.modules.get("IPython")
    return ipython and ipython.get_ipython()


def _shell_of_a_page():
    """The shell, where what is shown comes into a page: a kernel's, and not a terminal's."""
    shell = _shell()
    return shell if hasattr(shell, "kernel") else None
