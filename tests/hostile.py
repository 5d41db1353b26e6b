"""Values that nobody means to pass, and calls that somebody did: what test_fuzz.py makes its calls from.

Nothing is registered. A function is found by its module; how it is meant to be called is learned from its own doctest,
which is watched while it runs.
"""

import copy
import dataclasses
import doctest
import importlib
import inspect
import math
import pkgutil
import sys
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import torch

import lmcourse

deep: list = []
for _ in range(150):
    deep = [deep]

HOSTILE = {
    "None": None,
    "True": True,
    "0": 0,
    "-1": -1,
    "10**6": 10**6,
    "10**30": 10**30,
    "-10**30": -(10**30),
    "1.5": 1.5,
    "-0.0": -0.0,
    "nan": math.nan,
    "inf": math.inf,
    "-inf": -math.inf,
    "5e-324": 5e-324,
    "1e308": 1e308,
    "1j": 1j,
    "1/3": Fraction(1, 3),
    "empty str": "",
    "lone surrogate": "a\ud800b",
    "markup": '<img src=x onerror="alert(1)">',
    "nul": "\0",
    "brackets": "(" * 3000,
    "arrow": "a b -> (a",
    "long str": "x" * 20_000,
    "bytes": b"\xff\x00",
    "[]": [],
    "()": (),
    "{}": {},
    "[None]": [None],
    "[nan]": [math.nan],
    "[10**30]": [10**30],
    "[-1]": [-1],
    "(10**9, 10**9)": (10**9, 10**9),
    "['a']": ["a"],
    "{1: 2}": {1: 2},
    "deep": deep,
    "object": object(),
    "class": int,
    "function": lambda *_, **__: None,
    "raises": lambda *_, **__: 1 / 0,
    "generator": (k for k in range(0)),
    "0-d": torch.tensor(1.0),
    "no elements": torch.zeros(0),
    "(0, 3)": torch.zeros(0, 3),
    "nan tensor": torch.full((2, 3), math.nan),
    "int tensor": torch.arange(6).reshape(2, 3),
    "bool tensor": torch.ones(2, 2, dtype=torch.bool),
    "complex tensor": torch.zeros(2, dtype=torch.complex64),
    "sparse tensor": torch.zeros(2, 2).to_sparse(),
    "array": np.zeros((2, 3)),
    "no array": np.zeros(0, np.int64),
    "object array": np.array([None, "a"], dtype=object),
    "text array": np.array(["a"]),
}


def modules() -> list[str]:
    """Every module of the package."""
    return sorted(found.name for found in pkgutil.walk_packages(lmcourse.__path__, "lmcourse."))


def public(module) -> dict[str, Callable]:
    """The functions and classes that a module defines and does not hide; methods as `Class.method`."""
    found = {}
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__ or not callable(value):
            continue
        found[name] = value
        for method in vars(value) if inspect.isclass(value) else ():
            if not method.startswith("_") and inspect.isroutine(getattr(value, method)):
                found[f"{name}.{method}"] = getattr(value, method)
    return found


def code_of(function: Callable):
    """The code that runs when it is called: what a profiler sees."""
    function = function.__init__ if inspect.isclass(function) else inspect.unwrap(function)
    return getattr(getattr(function, "__func__", function), "__code__", None)


@dataclasses.dataclass
class Call:
    """A call that was made once: the arguments by parameter, `self` of a method included."""

    function: Callable
    values: dict

    def __call__(self, **changed):
        """Make it again, on copies, with some arguments changed."""
        values = {name: _copied(value) for name, value in self.values.items()} | changed
        args, kwargs, by_position = [], {}, True
        for name, parameter in _parameters(self.function).items():
            if name not in values:
                by_position = False
            elif parameter.kind is parameter.VAR_POSITIONAL:
                args += values[name] if isinstance(values[name], tuple) else [values[name]]
            elif parameter.kind is parameter.VAR_KEYWORD:
                kwargs |= values[name] if isinstance(values[name], dict) else {}
            elif parameter.kind is parameter.KEYWORD_ONLY or not by_position:
                kwargs[name] = values[name]
            else:
                args.append(values[name])
        return self.function(*args, **kwargs)

    def places(self) -> list[str]:
        """The parameters whose values may be changed."""
        return [name for name in _parameters(self.function) if name in self.values and name != "self"]


def _parameters(function: Callable) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(function).parameters)


def _copied(value):
    try:
        return copy.deepcopy(value)
    except Exception:  # a generator, a module, a tensor with a graph
        return value


def calls(name: str, most: int = 2) -> dict[str, list[Call]]:
    """What the doctests of a module (of a widget, its example) call, at most `most` calls of each public function."""
    module = importlib.import_module(name)
    labels = public(module)
    by_code = {code: label for label, function in labels.items() if (code := code_of(function))}
    found: dict[str, list[Call]] = {label: [] for label in labels}
    frames = set()

    def watch(frame, event, _argument):
        label = by_code.get(frame.f_code) if event == "call" else None
        if label is None or len(found[label]) >= most or frame in frames:
            return
        frames.add(frame)  # a generator's frame is called again and again
        function = labels[label]
        given = dict(frame.f_locals)
        if inspect.isclass(function) or inspect.ismethod(function):
            given.pop("self", None), given.pop("cls", None)
        known = _parameters(function)
        found[label].append(Call(function, {key: _copied(value) for key, value in given.items() if key in known}))

    tests = [test for test in doctest.DocTestFinder().find(module, name) if test.examples]
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        for test in tests:
            runner.run(test, out=lambda _text: None, clear_globs=False)
        for label, function in labels.items():
            if label.endswith(".example"):
                function()
    finally:
        sys.setprofile(before)
    frames.clear()
    return found
