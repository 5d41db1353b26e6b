"""Judge what a learner wrote: run it beside the reference, and find the first case where they part.

Nothing is shown here (cards.py) and nothing is remembered (progress.py). An endless loop is not caught: the learner
interrupts the kernel.
"""

import copy
import math
import reprlib
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


class YourTurn(Exception):
    """Raised by the body of an exercise that nobody has attempted yet.

    Not a NotImplementedError: PyTorch raises that one itself, and then the attempt is wrong, not absent.
    """


@dataclass(frozen=True)
class Case:
    """One thing to try: `run(function)` gives a value to compare, `label` says to the reader what was tried."""

    label: str
    run: Callable[[Callable], Any]


def call(*args, **kwargs) -> Case:
    """The case `function(*args, **kwargs)`. Arguments are copied before each run and compared after it, so a learner
    who changes an argument that the reference leaves alone is told so.

    >>> call([1, 2], n=3).label
    '([1, 2], n=3)'
    """
    shown = [shorten(a) for a in args] + [f"{k}={shorten(v)}" for k, v in kwargs.items()]

    def run(function):
        own_args, own_kwargs = copy.deepcopy((args, kwargs))
        return Called(function(*own_args, **own_kwargs), (own_args, own_kwargs))

    return Case(f"({', '.join(shown)})", run)


def probe(label: str, run: Callable[[Callable], Any]) -> Case:
    """Any other case: `run` uses the function (or class) and returns what is to be compared."""
    return Case(f" in {label}", run)


@dataclass(frozen=True)
class Called:
    """What a call returned, and its arguments as the call left them."""

    value: Any
    arguments: tuple


@dataclass(frozen=True)
class Raised:
    """The exception that a case ended in."""

    error: BaseException

    def __repr__(self) -> str:
        return f"{type(self.error).__name__}: {self.error}"


@dataclass(frozen=True)
class Outcome:
    """state is "todo", "wrong" or "correct"; a wrong one carries its counterexample as text."""

    state: str
    call: str = ""
    expected: str = ""
    got: str = ""
    note: str = ""


@dataclass
class Exercise:
    """What check needs to know of one exercise; made by `Topic.exercise`."""

    name: str
    number: str
    reference: Callable
    cases: list[Case] | Callable[[], list[Case]]
    hints: tuple[str, ...]
    wrong: dict[str, Callable]
    minutes: int
    level: int
    same: Callable[[Any, Any], str | None] = field(default=None)


def judge(exercise: Exercise, attempt: Callable) -> Outcome:
    """Run all cases, smallest first; the first that fails is the counterexample. Never raises but on Ctrl-C."""
    cases = exercise.cases() if callable(exercise.cases) else exercise.cases
    for case in cases:
        want, got = _run(case, exercise.reference), _run(case, attempt)
        if isinstance(got, Raised) and isinstance(got.error, YourTurn):
            return Outcome("todo")
        try:
            note = _compare(got, want, exercise.same or difference)
        except Exception as error:  # an object of the learner's that cannot even be compared
            note = f"comparing it raised {Raised(error)}"
        if note is not None:
            return Outcome("wrong", exercise.name + case.label, _show(want), _show(got), note)
    return Outcome("correct")


def _run(case: Case, function: Callable):
    try:
        return case.run(function)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return Raised(error)


def _compare(got, want, same) -> str | None:
    if isinstance(want, Raised):
        if isinstance(got, Raised):
            return None if isinstance(got.error, type(want.error)) else f"a {type(want.error).__name__} is wanted"
        return f"it returns, where a {type(want.error).__name__} is wanted"
    if isinstance(got, Raised):
        return "your code raised this"
    if isinstance(want, Called):
        note = same(got.value, want.value)
        if note is None and difference(got.arguments, want.arguments) is not None:
            note = "the result is right, but the call leaves its arguments changed otherwise than it should"
        return note
    return same(got, want)


def _show(value) -> str:
    return shorten(value.value) if isinstance(value, Called) else shorten(value)


_repr = reprlib.Repr()
_repr.maxlist = _repr.maxtuple = _repr.maxset = 12
_repr.maxdict, _repr.maxstring, _repr.maxlong, _repr.maxother = 8, 120, 60, 240


def shorten(value) -> str:
    """A repr that fits a card, of anything at all."""
    try:
        return repr(value) if isinstance(value, Raised) else _repr.repr(value)
    except Exception as error:
        return f"<a {type(value).__name__} whose repr raises {type(error).__name__}>"


def difference(got, want, rel: float = 1e-6, abs: float = 1e-12) -> str | None:
    """What keeps `got` from being `want`, in words; None where nothing does.

    Floats, arrays and tensors are compared within `rel` and `abs`; shapes, dtypes and container types exactly.

    >>> difference([1, 2], [1, 2]) is None
    True
    >>> difference((1, 2), [1, 2])
    'a tuple, where a list is wanted'
    >>> difference([1.0, float("nan")], [1.0 + 1e-9, float("nan")]) is None
    True
    >>> difference([1, 2.5], [1, 2.25])
    'at [1]: 2.5 is not 2.25'
    """
    if isinstance(got, types.GeneratorType):
        return f"a generator, where {_a(want)} is wanted (return the whole, do not yield)"
    if got is None and want is not None:
        return "None: is there a return missing?"
    if hasattr(want, "shape") and hasattr(want, "dtype"):
        return _array_difference(got, want, rel, abs)
    if hasattr(got, "item") and getattr(got, "shape", None) == ():
        got = got.item()  # a 0-d array or tensor where a number is wanted
    if isinstance(want, bool) or isinstance(got, bool):
        return None if got is want else f"{shorten(got)} is not {shorten(want)}"
    if isinstance(want, int):
        if not isinstance(got, int):
            return f"{_a(got)}, where an int is wanted"
        return None if got == want else f"{got} is not {want}"
    if isinstance(want, float):
        if not isinstance(got, int | float):
            return f"{_a(got)}, where a number is wanted"
        close = math.isclose(got, want, rel_tol=rel, abs_tol=abs) or (math.isnan(got) and math.isnan(want))
        return None if close else f"{got} is not {want}"
    if isinstance(want, Mapping):
        return _mapping_difference(got, want, rel, abs)
    if isinstance(want, list | tuple):
        kind = list if isinstance(want, list) else tuple
        if not isinstance(got, kind):
            return f"{_a(got)}, where {_a(want)} is wanted"
        if len(got) != len(want):
            return f"{len(got)} items, where {len(want)} are wanted"
        pairs = enumerate(zip(got, want))
        return next((_at(i, note) for i, (g, w) in pairs if (note := difference(g, w, rel, abs))), None)
    if type(got) is not type(want) and not isinstance(got, type(want)):
        return f"{_a(got)}, where {_a(want)} is wanted"
    return None if got == want else f"{shorten(got)} is not {shorten(want)}"


def _array_difference(got, want, rel, abs) -> str | None:
    if not (hasattr(got, "shape") and hasattr(got, "dtype")):
        return f"{_a(got)}, where {_a(want)} is wanted"
    if tuple(got.shape) != tuple(want.shape):
        return f"shape {tuple(got.shape)}, where {tuple(want.shape)} is wanted"
    if str(got.dtype) != str(want.dtype):
        return f"dtype {got.dtype}, where {want.dtype} is wanted"
    if hasattr(want, "detach"):
        import torch

        rel = max(rel, 1e-5) if want.dtype == torch.float32 else rel
        pair = (got.detach().double(), want.detach().double())
        equal = torch.allclose(*pair, rtol=rel, atol=max(abs, 1e-7), equal_nan=True)
    else:
        import numpy

        equal = numpy.allclose(got, want, rtol=rel, atol=abs, equal_nan=True)
    return None if equal else "the values differ"


def _mapping_difference(got, want, rel, abs) -> str | None:
    if not isinstance(got, Mapping):
        return f"{_a(got)}, where {_a(want)} is wanted"
    for key in want:
        if key not in got:
            return f"the key {shorten(key)} is missing"
    for key in got:
        if key not in want:
            return f"the key {shorten(key)} is one too many"
    return next((_at(key, note) for key in want if (note := difference(got[key], want[key], rel, abs))), None)


def _at(where, note: str) -> str:
    inner = note.removeprefix("at ")
    return f"at [{shorten(where)}]{inner if inner.startswith('[') else ': ' + note}"


def _a(value) -> str:
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
