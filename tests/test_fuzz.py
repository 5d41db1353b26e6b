"""Every public function of the package, called as nobody means to call it. Run: pytest tests/test_fuzz.py

Each function is called as its own doctest calls it, with one argument (by hypothesis, two) replaced by a hostile value:
NaN, a huge integer, a list without an end to its depth, a half of a surrogate pair … The call returns, or raises an
error in words. Where the value is of the kind that is asked for and only its content is odd, that is a ValueError, a
TypeError or an IndexError, or what einops says of a pattern.
"""

import contextlib
import dataclasses
import importlib
import inspect
import io
import os
import signal
import socket
import traceback
import types
import warnings
from fractions import Fraction
from pathlib import Path

import einops
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lmcourse.training import LossDiverged

hostile = importlib.import_module("hostile")

ENDLESS = float(os.environ.get("LMCOURSE_ENDLESS", "30"))  # seconds: no call of a hostile value may take as long
# Widgets are in tests/widgets/test_hostile_traits.py, what learners hand in in tests/exercises/test_mechanism.py.
MODULES = [name for name in hostile.modules() if not name.startswith(("lmcourse.widgets", "lmcourse.exercises"))]
EXEMPT = {  # name: why it is not called here
    "lmcourse.tokenization.trainer.Trainer": "the inside of train_bpe, which checks what it is given",
    "lmcourse.support.corpus.load": "asks the network for a name that it knows",
    "lmcourse.support.timing.main": "a command line",
    "lmcourse.training.main": "a command line",
    "lmcourse.training.recipe.main": "the same",
    "lmcourse.support.timing.record": "measures for a minute",
    "lmcourse.start.environment": "measures for seconds",
    "lmcourse.start.show_environment": "the same",
    "lmcourse.hardware.measure_peak": "measures for seconds",
    "lmcourse.support.timing.time": "calls what it is given for as long as it is told",
}
# Wrapped by torch, and cached: whether a doctest's call of them can be watched depends on what ran before it.
SEEN_AT_TIMES = {"lmcourse.optimizers.Optimizer.step", "lmcourse.tokenization.pretokens.splitter"}
# Of work, or of bits: whoever asks for a million gets a million.
AMOUNTS = {"batch", "count", "depth", "exponent_bits", "mantissa_bits", "max_new_tokens", "steps", "vocab_size"}
SLOW = {("train", "compile")}  # compiles for a minute
NEVER = (RecursionError, MemoryError, SystemError, AssertionError, NameError, EOFError, SystemExit)
IN_WORDS = (ValueError, TypeError, IndexError, OSError, OverflowError, einops.EinopsError, LossDiverged)
REFUSED_BY_TORCH = RuntimeError  # shapes that do not fit, dtypes that an operation does not have


class Endless(BaseException):
    """Raised where a call does not come back."""


@contextlib.contextmanager
def bounded():
    """Stop what does not stop by itself, where the system has an alarm."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def ring(*_):
        raise Endless

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, ENDLESS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def nothing_outside(tmp_path, monkeypatch):
    """A folder of its own, no network, no progress of a learner's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LMCOURSE_DATA", str(tmp_path))

    def refuse(*_):
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    torch.manual_seed(0)


def same_kind(value, meant) -> bool:
    """Whether a hostile value is of the kind that an argument asks for, as far as what was given there tells."""
    if isinstance(meant, bool) or isinstance(value, bool):
        return isinstance(meant, bool) and isinstance(value, bool)
    if isinstance(meant, float | Fraction):
        return isinstance(value, int | float | Fraction)
    if isinstance(meant, torch.Tensor):
        dense = isinstance(value, torch.Tensor) and value.layout == torch.strided
        return dense and value.is_floating_point() == meant.is_floating_point() and not value.is_complex()
    if isinstance(meant, np.ndarray):
        return isinstance(value, np.ndarray) and value.dtype.kind == meant.dtype.kind
    if isinstance(meant, list | tuple):
        plain = isinstance(value, list | tuple)
        return plain and bool(meant) and all(same_kind(item, meant[0]) for item in value)
    return type(value) is type(meant) and not isinstance(value, dict | types.FunctionType | types.GeneratorType)


def trouble(call, changed: dict) -> str:
    """What is wrong with how a call ends; empty where nothing is."""
    said = io.StringIO()
    try:
        with bounded(), warnings.catch_warnings(), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            warnings.simplefilter("ignore")
            result = call(**changed)
            if isinstance(result, types.GeneratorType):
                for _ in zip(range(50), result):
                    pass
        return ""
    except Endless:
        return "does not end"
    except NEVER as error:
        return _where(error)
    except (*IN_WORDS, REFUSED_BY_TORCH) as error:
        return "" if str(error).strip() else f"{type(error).__name__} without a word"
    except Exception as error:
        meant = all(same_kind(value, call.values[name]) for name, value in changed.items())
        return _where(error) if meant or not str(error).strip() else ""


def _where(error: BaseException) -> str:
    own = [f for f in traceback.extract_tb(error.__traceback__) if f"{os.sep}lmcourse{os.sep}" in f.filename]
    place = f" in {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""
    return f"{type(error).__name__}{place}: {str(error)[:120]}"


def offered(label: str, place: str) -> dict:
    """The hostile values that a parameter is given, by name."""
    if (label, place) in SLOW:
        return {}
    large = {"10**6", "10**30", "1e308", "inf"} if place in AMOUNTS else set()
    return {what: value for what, value in hostile.HOSTILE.items() if what not in large}


def exempt(name: str) -> bool:
    """Whether a function, or the class that a method is of, is in EXEMPT."""
    return name in EXEMPT or name.rpartition(".")[0] in EXEMPT


def public_calls(module: str) -> list[tuple[str, "hostile.Call"]]:
    found = hostile.calls(module)
    return [(label, call) for label, calls in found.items() for call in calls if not exempt(f"{module}.{label}")]


@pytest.mark.parametrize("module", MODULES)
def test_one_hostile_argument(module):
    """Each argument of each public function in turn, with every hostile value."""
    wrong = [
        f"{label}({place}={what}): {said}"
        for label, call in public_calls(module)
        for place in call.places()
        for what, value in offered(label, place).items()
        if (said := trouble(call, {place: value}))
    ]
    assert wrong == [], f"{len(wrong)} calls end badly:\n" + "\n".join(wrong[:60])


@pytest.mark.parametrize("module", MODULES)
def test_two_hostile_arguments(module):
    """Pairs, by chance but always the same."""
    calls = [(label, call) for label, call in public_calls(module) if len(call.places()) > 1]
    if not calls:
        return  # nothing in this module takes two arguments

    @settings(max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def check(data):
        label, call = data.draw(st.sampled_from(calls))
        places = data.draw(st.lists(st.sampled_from(call.places()), min_size=2, max_size=2, unique=True))
        names = {place: data.draw(st.sampled_from(sorted(offered(label, place)) or ["None"])) for place in places}
        assert trouble(call, {place: hostile.HOSTILE[what] for place, what in names.items()}) == "", (label, names)

    check()


def test_every_public_function_is_called():
    """A function or a method that no doctest calls is not tested here. Records have nothing that could refuse."""
    uncalled = []
    for module in MODULES:
        labels, found = hostile.public(importlib.import_module(module)), hostile.calls(module)
        called = {hostile.code_of(labels[label]) for label, calls in found.items() if calls}  # under another name too
        for label, function in labels.items():
            record = inspect.isclass(function) and (issubclass(function, tuple) or dataclasses.is_dataclass(function))
            takes = callable(function) and [name for name in inspect.signature(function).parameters if name != "self"]
            if takes and not record and hostile.code_of(function) not in called and not exempt(f"{module}.{label}"):
                uncalled.append(f"{module}.{label}")
    assert set(uncalled) <= SEEN_AT_TIMES
