"""Judge what a reader wrote: run it beside the reference, case by case, and find the first one where they part.

Nothing is shown here (cards.py) and nothing is remembered (progress.py). The limits are limits.py's, the comparison
comparing.py's; cases.py has generators of cases.
"""

import contextlib
import copy
import functools
import inspect
import io
import itertools
import linecache
import re
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from lmcourse.exercises.comparing import Note, Within, difference, exactly, is_array, shorten, size_of
from lmcourse.exercises.limits import Limits, Stopped, same_dice, undisturbed

__all__ = [
    "Case", "Exercise", "Outcome", "Raised", "Within", "YourTurn", "call", "difference", "exactly", "judge", "probe",
    "shorten",
]  # fmt: skip

# Past so many seconds of work the cases that are left are not looked at: a slow answer is not a wrong one.
ENOUGH = 10.0
# So many cases, the smallest, are looked at to tell which known mistake an answer makes.
_ALIKE = 60


class YourTurn(Exception):
    """Raised by the body of an exercise that nobody has attempted yet.

    Not a NotImplementedError: PyTorch raises that one itself, and then the attempt is wrong, not absent.
    """


_THE_REFERENCE = object()
_IT_RAISED = "your code raised this"
_LOOKING_RAISED = "your code returned, and then this came up when its result was looked at"
_ARGUMENTS = "the result is right, but the call leaves its arguments changed otherwise than it should"


@dataclass(frozen=True)
class Case:
    """One thing to try: `run(function)` gives a value to compare, `label` says to the reader what was tried.

    It is compared with what the reference gives, or with `want` where that is given, as the exercise's `same` does it
    or as the case's own. `scale` is the size of the numbers that take part, which rounding depends on.
    """

    label: str
    run: Callable[[Callable], Any]
    want: Any = _THE_REFERENCE
    same: Callable[[Any, Any], str | None] | None = None
    scale: float = 0.0


@dataclass(frozen=True)
class Call:
    """The case `function(*args, **kwargs)`; made by `call`."""

    args: tuple
    kwargs: dict[str, Any]
    want: Any = _THE_REFERENCE
    same: Callable[[Any, Any], str | None] | None = None
    shown: str = ""

    def said(self, shown: str) -> "Call":
        """The same case, whose arguments are shown like this: where their repr is long.

        >>> call(list(range(1000))).said("(list(range(1000)))").label
        '(list(range(1000)))'
        """
        return replace(self, shown=shown)

    @property
    def label(self) -> str:
        """`([1, 2], n=3)`, made only where it is shown: there may be thousands of cases."""
        if self.shown:
            return self.shown
        shown = [_argument(a) for a in self.args] + [f"{k}={_argument(v)}" for k, v in self.kwargs.items()]
        return f"({', '.join(shown)})"

    def run(self, function: Callable) -> "Called":
        """Call it with copies of the arguments, and keep these as the call left them."""
        args, kwargs = copy.deepcopy((self.args, self.kwargs))
        return Called(function(*args, **kwargs), (*args, *kwargs.values()))


def _argument(value: Any) -> str:
    """An argument as a card shows it: of a tensor that is too large to be written out, its kind."""
    text = shorten(value)
    if is_array(value) and "..." in text:
        return f"a {type(value).__name__} of {str(value.dtype).removeprefix('torch.')}, shape {tuple(value.shape)}"
    return text


def call(*args, **kwargs) -> Call:
    """The case `function(*args, **kwargs)`. Arguments are copied before each run and compared after it, so a reader
    who changes an argument that the reference leaves alone is told so.

    >>> call([1, 2], n=3).label
    '([1, 2], n=3)'
    """
    return Call(args, kwargs)


def probe(
    label: str, run: Callable[[Callable], Any], want: Any = _THE_REFERENCE, same=None, scale: float = 0.0
) -> Case:
    """Any other case: `run` uses the function (or class) and returns what is to be compared.

    With `want=Within(0.025, 0.0012, "std")` it returns a number that is measured, and the card shows both.
    """
    return Case(label, run, want, same, scale)


@dataclass(frozen=True)
class Called:
    """What a call returned, and its arguments as the call left them."""

    value: Any
    arguments: tuple


@dataclass(frozen=True)
class Raised:
    """The exception that a case ended in, and where in the reader's own code; `inside` says whether it was there."""

    error: BaseException
    line: str = ""
    inside: bool = True

    def __repr__(self) -> str:
        lines = str(self.error).strip().split("\n")
        text = lines[-1 if type(self.error).__name__ == "EinopsError" else 0].strip()  # einops ends with the reason
        return type(self.error).__name__ + (f": {text}" if text else "")


@dataclass(frozen=True)
class Outcome:
    """state is "todo", "wrong" or "correct"; a wrong one carries its counterexample as text.

    `line` is the reader's own line that raised, `printed` what the call printed, `known` the names of known mistakes
    that give the same.
    """

    state: str
    call: str = ""
    expected: str = ""
    got: str = ""
    note: str = ""
    line: str = ""
    printed: str = ""
    known: str = ""

    def is_in_sight(self) -> bool:
        """Whether `note` says no more than `expected` and `got` do."""
        note = self.note
        if not isinstance(note, Note):
            return note == _IT_RAISED
        if note.endswith(f"{note.got}, wanted {note.want}") or note == f"{note.got}, where {note.want} is wanted":
            return True  # in the words of the note, or as the exercise shows the two
        where = f"{note.where}: " if note.where else ""
        same = (self.expected, self.got) == (where + note.want, where + note.got)
        return same and note.endswith(f"{note.got}, where {note.want} is wanted")


@dataclass
class Exercise:
    """What check needs to know of one exercise; made by `Topic.exercise`, which describes each."""

    name: str
    number: str
    reference: Callable
    cases: Iterable[Case | Call] | Callable[[], Iterable[Case | Call]]
    hints: tuple[str, ...]
    wrong: dict[str, Callable]
    minutes: int
    level: int
    same: Callable[[Any, Any], str | None] | None = None
    show: Callable[..., str] | None = None
    of: str | None = None
    steps: list[str] = field(default_factory=list)

    def all_cases(self) -> Iterator[Case | Call]:
        """The cases in their order, each made when its turn comes."""
        return iter(self.cases() if callable(self.cases) else self.cases)

    def said(self, case: Case | Call) -> str:
        """What a case tries, for the reader: the call, or in words what is done."""
        return self.name + case.label if isinstance(case, Call) else case.label


class Interrupted(KeyboardInterrupt):
    """The reader stopped a check; its text says at which input."""


def judge(exercise: Exercise, attempt: Callable) -> Outcome:
    """Run the cases, smallest first; the first that fails is the counterexample. Never raises but on Ctrl-C."""
    begun = time.process_time()
    with undisturbed(), Limits() as limits:
        for case in exercise.all_cases():
            outcome = _judge_case(exercise, attempt, case, limits)
            if outcome is not None:
                return outcome
            if time.process_time() - begun > ENOUGH:
                break
    return Outcome("correct")


def _judge_case(exercise, attempt, case, limits: Limits) -> Outcome | None:
    """None where the attempt passes this case."""
    same_dice()
    want = limits.measure(lambda: _wanted(case, exercise.reference))
    printed = _Printed()
    try:
        same_dice()
        with contextlib.redirect_stdout(printed):
            got = limits.run(lambda: _run(case, attempt))
        if isinstance(got, Raised) and isinstance(got.error, YourTurn):
            return Outcome("todo")
        note = limits.run(lambda: _compare(got, want, _same(exercise, case)))
    except Stopped as stopped:
        shown = functools.partial(Outcome, "wrong", exercise.said(case), _show_wanted(want, case, exercise))
        return shown("no result", f"stopped: {stopped}", printed=printed.text())
    except KeyboardInterrupt:
        raise Interrupted(f"stopped at {exercise.said(case)}") from None
    if note is None:
        return None
    if isinstance(note, Note) and "None" in _returned(exercise.reference):
        note = note.where_none_is_legal()
    known = _known_mistake(exercise, attempt, case, got, limits)
    line = got.line if isinstance(got, Raised) else ""
    expected, found = _what_differs(want, got, note, case, exercise)
    return Outcome("wrong", exercise.said(case), expected, found, note, line, printed.text(), known)


def _wanted(case, reference):
    return _run(case, reference) if case.want is _THE_REFERENCE else case.want


def _run(case, function):
    """What a case gives, an exception as a value. Stopped and Ctrl-C go through."""
    try:
        return case.run(function)
    except (KeyboardInterrupt, Stopped, MemoryError):
        raise
    except BaseException as error:
        raised = Raised(error, *_place_of(error, function))
        error.__traceback__ = error.__context__ = None  # they would keep everything alive that was on the way
        return raised


def _place_of(error: BaseException, function: Callable) -> tuple[str, bool]:
    """The last line of the reader's own code that an error went through, '3: return ids[5]', and whether it did."""
    file = _file_of(function)
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    source = linecache.getline(file, lines[-1].lineno).strip() if lines else ""
    return f"{lines[-1].lineno}: {source}" if source else "", bool(lines) or not file


def _file_of(function: Callable) -> str:
    parts = vars(function).values() if isinstance(function, type) else [inspect.unwrap(function)]
    return next((part.__code__.co_filename for part in parts if hasattr(part, "__code__")), "")


def _compare(got, want, same) -> str | None:
    if isinstance(want, Raised):
        kind = type(want.error).__name__
        if not isinstance(got, Raised):
            return f"it returns, where {_article(kind)} is wanted"
        return None if isinstance(got.error, type(want.error)) else f"{_article(kind)} is wanted"
    if isinstance(got, Raised):
        if isinstance(got.error, UnboundLocalError):
            return f"{_local_name(got.error)} is used before it has a value"
        if isinstance(got.error, NameError):
            return (
                f"Python knows no `{got.error.name}` here. If the kernel was restarted: "
                "run the notebook's first cell, then the cells of this section from its heading"
            )
        return _IT_RAISED if got.inside else _LOOKING_RAISED
    try:
        note = same(_value(got), _value(want))
        if note is None and isinstance(want, Called) and difference(got.arguments, want.arguments) is not None:
            note = _ARGUMENTS
    except (Stopped, KeyboardInterrupt):
        raise
    except Exception as error:  # an object of the reader's that cannot even be compared
        note = f"comparing it raised {Raised(error)}"
    return note


def _local_name(error: UnboundLocalError) -> str:
    """The variable that an UnboundLocalError is about: Python says it in the message alone."""
    name = re.search(r"'(\w+)'", str(error))
    return f"`{name[1]}`" if name else "a variable"


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind}"


def _returned(reference: Callable) -> str:
    """What the reference is declared to return, as it is written."""
    return str(getattr(reference, "__annotations__", {}).get("return", ""))


def _same(exercise, case):
    """How a case is compared: its own way, the exercise's, or by meaning, as exact as arguments of this size allow."""
    scale = size_of(case.args) if isinstance(case, Call) else case.scale
    return case.same or exercise.same or functools.partial(difference, scale=scale)


def _known_mistake(exercise, attempt, case, got, limits) -> str:
    """The name of the declared wrong answer that gives what this attempt gives, here and wherever else one looks."""
    alike = {name: w for name, w in exercise.wrong.items() if _agrees(exercise, case, w, got, limits)}
    if not alike:
        return ""
    begun = time.process_time()
    for other in itertools.islice(exercise.all_cases(), _ALIKE):
        if not alike or time.process_time() - begun > 1.0:
            break
        try:
            same_dice()
            with contextlib.redirect_stdout(_Printed()):
                result = limits.run(functools.partial(_run, other, attempt))
        except Stopped:
            break
        alike = {name: w for name, w in alike.items() if _agrees(exercise, other, w, result, limits)}
    return " or: ".join(list(alike)[:2])


def _agrees(exercise, case, wrong, got, limits) -> bool:
    try:
        same_dice()
        with contextlib.redirect_stdout(_Printed()):
            return limits.run(lambda: _alike(got, _run(case, wrong), _same(exercise, case)))
    except Stopped:
        return False


def _alike(got, result, same) -> bool:
    if isinstance(got, Raised) or isinstance(result, Raised):
        return isinstance(got, Raised) and isinstance(result, Raised) and type(got.error) is type(result.error)
    if isinstance(got, Called) and difference(got.arguments, result.arguments) is not None:
        return False
    pair = _value(got), _value(result)
    if same(*pair) is None:
        return True
    # An own `same` may look at `got` alone; or at the order of a dict, which its text has too.
    return exactly(*pair) is None and repr(pair[0]) == repr(pair[1])


def _what_differs(want, got, note, case, exercise) -> tuple[str, str]:
    """The two texts for the card: the whole results where they are short, else the two parts that differ."""
    expected, found = _show_wanted(want, case, exercise), _show(got, case, exercise)
    if note == _ARGUMENTS:
        return _changed_argument(want, got, exercise)
    if isinstance(note, Note) and note.got != note.want:
        if isinstance(want, Within):
            return note.want, note.got
        a_part = note.where or note.want != shorten(_value(want))
        if a_part and (len(expected) > 60 or len(found) > 60 or "..." in expected + found):
            where = f"{note.where}: " if note.where else ""
            return where + note.want, where + note.got
    return expected, found


def _changed_argument(want: Called, got: Called, exercise: Exercise) -> tuple[str, str]:
    """The first argument that is otherwise than it should be, by its name."""
    pairs = enumerate(zip(want.arguments, got.arguments))
    at = next(i for i, (wanted, found) in pairs if difference(found, wanted) is not None)
    name = list(inspect.signature(exercise.reference).parameters)[at]
    return tuple(f"{name} is then {shorten(result.arguments[at])}" for result in (want, got))


def _value(result):
    return result.value if isinstance(result, Called) else result


def _show_wanted(want, case, exercise) -> str:
    """The text of what is wanted: of an exception its class alone, since its message is never compared."""
    return _article(type(want.error).__name__) if isinstance(want, Raised) else _show(want, case, exercise)


def _show(result, case, exercise) -> str:
    """The text of a result, as the exercise's `show` makes it where it has one."""
    value = _value(result)
    if exercise.show is not None and isinstance(case, Call) and not isinstance(result, Raised):
        with contextlib.suppress(Exception):  # what a reader's function returned may be anything
            return exercise.show(value, *case.args, **case.kwargs)
    return shorten(value)


class _Printed(io.StringIO):
    """What the reader's code prints while it is judged: the first 2,000 characters of it, in 12 lines at most."""

    def write(self, text: str) -> int:
        if self.tell() < 2000:
            super().write(text)
        return len(text)

    def text(self) -> str:
        lines = self.getvalue()[:2000].rstrip().split("\n")
        return "\n".join([*lines[:12], *(["…"] if len(lines) > 12 else [])])
