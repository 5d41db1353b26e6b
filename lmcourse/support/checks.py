"""Say what is wrong with an argument in one wording: `name: what is allowed, got what came`.

For plausible mistakes and for what comes from outside (files, links, pages, the command line). Lesson code asks little:
where it would only convert, `operator.index` does. No library is needed here, so that it runs in a page too.
"""

import math
from collections.abc import Collection, Iterable
from operator import index
from typing import Any


def whole(name: str, value: Any, least: int | None = None, most: int | None = None) -> int:
    """`value` as a Python int, NumPy's integers included; TypeError for another kind, ValueError out of range.

    >>> whole("steps", 3, least=1)
    3
    >>> whole("steps", 0, least=1)
    Traceback (most recent call last):
    ValueError: steps: a whole number of 1 or more, got 0
    """
    allowed = "a whole number" + _range(least, most)
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name}: {allowed}, got {got(value)}")
    if not _inside(found := index(value), least, most):
        raise ValueError(f"{name}: {allowed}, got {got(found)}")
    return found


def number(name: str, value: Any, least: float | None = None, most: float | None = None) -> float:
    """`value` as a finite float; TypeError for another kind, ValueError out of range or not finite.

    >>> number("lr", 1e-3, least=0)
    0.001
    >>> number("lr", float("nan"), least=0)
    Traceback (most recent call last):
    ValueError: lr: a finite number of 0 or more, got nan
    """
    allowed = "a finite number" + _range(least, most)
    if isinstance(value, bool | str) or not (hasattr(value, "__float__") or hasattr(value, "__index__")):
        raise TypeError(f"{name}: {allowed}, got {got(value)}")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found) or not _inside(found, least, most):
        raise ValueError(f"{name}: {allowed}, got {got(value)}")
    return found


def one_of(name: str, value: Any, allowed: Collection[str]) -> str:
    """`value`, where it is one of the words; ValueError otherwise.

    >>> one_of("order", "random", ("shuffled", "random"))
    'random'
    >>> one_of("order", "sorted", ("shuffled", "random"))
    Traceback (most recent call last):
    ValueError: order: shuffled or random, got 'sorted'
    """
    if not isinstance(value, str) or value not in allowed:
        *most, last = allowed
        words = f"{', '.join(most)} or {last}" if most else last
        raise ValueError(f"{name}: {words}, got {got(value)}")
    return value


def integers(name: str, values: Iterable[Any], least: int | None = None) -> tuple[int, ...]:
    """`values` as a tuple of Python ints; TypeError for what is none, ValueError for one that is too small.

    >>> integers("shape", [2, 3])
    (2, 3)
    >>> integers("shape", [2, -3], least=0)
    Traceback (most recent call last):
    ValueError: shape[1]: a whole number of 0 or more, got -3
    """
    if isinstance(values, str | bytes) or not hasattr(values, "__iter__"):
        raise TypeError(f"{name}: a sequence of whole numbers, got {got(values)}")
    return tuple(whole(f"{name}[{i}]", value, least) for i, value in enumerate(values))


def got(value: Any) -> str:
    """What came, in at most 60 characters.

    >>> got("x" * 100)
    "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…"
    """
    try:
        text = repr(value)
    except Exception:  # an int of ten thousand digits, an object whose repr fails
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else text[:59] + "…"


def _range(least: float | None, most: float | None) -> str:
    if least is None and most is None:
        return ""
    if most is None:
        return f" of {least} or more"
    return f" of {most} or less" if least is None else f" from {least} to {most}"


def _inside(value: float, least: float | None, most: float | None) -> bool:
    return (least is None or value >= least) and (most is None or value <= most)
