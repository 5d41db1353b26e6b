"""Whatever a trait is set to, by a reader's line or by a page, is refused or explained in words. Never a traceback.

Run: pytest tests/widgets/test_hostile_traits.py. Hostile states in a browser: tests/browser/test_hostile_state.py.
"""

import copy
import json
import math
import random

import pytest
import traitlets
from ipywidgets import Widget

import lmcourse.widgets

_deep: list = []
for _ in range(150):
    _deep = [_deep]

HOSTILE = [  # what a link or a page may put in place of any value
    None, True, 0, -1, 10**6, 10**30, -(10**30), 1.5, -0.0, math.nan, math.inf, -math.inf, 5e-324, 1e308, "",
    "a\ud800b", '<img src=x onerror="alert(1)">', "\0", "(" * 3000, "a b -> (a", "x" * 20_000, [], (), {}, [None],
    [math.nan], [10**30], [-1], (10**9, 10**9), ["a"], {1: 2}, _deep, object(), b"\xff\x00",
]  # fmt: skip

every_widget = pytest.mark.parametrize("name", lmcourse.widgets.widget_names())
some_values = pytest.mark.parametrize("tried", [6, pytest.param(1000, marks=pytest.mark.thorough)])  # of each trait
JSON = [
    None, True, -1, 10**30, 0.5, 1e308, "", "x" * 300, "a\ud800", "<b>", [], {}, [[]], [None], {"a": None}, {"0": []},
]  # fmt: skip
PLACES = 8  # leaves of one trait that are replaced


def example(name):
    return getattr(lmcourse.widgets, name).example()


def places(value, path=()) -> list[tuple]:
    """Every way into a JSON value: () is the value itself."""
    found = [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, item in items:
        found += places(item, (*path, key))
    return found


def replaced(value, path: tuple, by):
    """A copy of a JSON value with what lies at `path` replaced, or left out where `by` is `...`."""
    if not path:
        return by
    value = list(value) if isinstance(value, tuple) else copy.copy(value)
    if len(path) == 1 and by is ...:
        del value[path[0]]
    else:
        value[path[0]] = replaced(value[path[0]], path[1:], by)
    return value


def broken(value, seed: str, instead: list, tried: int) -> list:
    """What to set a trait to: values of `instead`, and copies of its own value with one place each broken."""
    chance = random.Random(seed)
    paths = places(value)
    deeper = chance.sample(paths[1:], min(PLACES, len(paths) - 1))
    states = [*instead]
    for path in deeper:
        states += [replaced(value, path, by) for by in (..., *chance.sample(JSON, 2))]
    return chance.sample(states, min(len(states), tried))


def shows(widget) -> None:
    """Everything that JupyterLab asks of a widget that is displayed."""
    bundle, _ = widget._repr_mimebundle_()
    assert bundle["text/plain"].startswith(type(widget).__name__) and bundle["text/html"].strip()
    json.dumps(bundle, allow_nan=False).encode()
    bundle["text/html"].encode()


@some_values
@every_widget
def test_every_trait_from_python(name, tried):
    """`widget.trait = value` takes the value or says in a TraitError why not; the widget can be shown all the same."""
    widget = example(name)
    for trait, good in widget.state().items():
        for value in broken(good, f"{name}.{trait}", HOSTILE, tried):
            try:
                setattr(widget, trait, value)
            except traitlets.TraitError as refused:
                assert trait in str(refused)
            else:
                shows(widget)
        setattr(widget, trait, good)
    shows(widget)
    assert "makes no sense" not in repr(widget), "the good state is shown again"


@pytest.fixture
def tracebacks(monkeypatch):
    """What ipywidgets would show as a traceback."""
    shown = []
    monkeypatch.setattr(
        Widget,
        "log",
        type("Log", (), {"warning": lambda self, *words, exc_info=False: shown.append(words) if exc_info else None})(),
    )
    return shown


def from_the_page(widget, data) -> None:
    widget._handle_msg({"content": {"data": data}, "buffers": []})


@some_values
@every_widget
def test_every_trait_from_the_page(name, tried, tracebacks):
    """A page may send anything: no traceback in the kernel, and the widget can be shown after it."""
    widget = example(name)
    for trait, good in widget.state().items():
        for value in broken(good, f"page {name}.{trait}", JSON, tried):
            from_the_page(widget, {"method": "update", "state": {trait: value}})
            if getattr(widget, trait) is not good:
                shows(widget)
        from_the_page(widget, {"method": "update", "state": {trait: good}})
    for state in ({}, {"no_such_trait": 1}, {"title": 3}):
        from_the_page(widget, {"method": "update", "state": state})
    assert tracebacks == []
    assert "makes no sense" not in repr(widget)


QUESTIONS = [
    None, True, 0, -1, 1e308, "", "x" * 10_000, "a\ud800", [], [None], {}, {"question": {}}, {"text": None},
    {"text": "{"}, {"text": "[]"},
    {"text": "{}"}, {"text": "a\ud800"}, {"text": "x" * 200_000}, {"pattern": None}, {"step": -1}, {"step": 10**30},
    {"step": None}, {"format": "no"}, {"format": "float16", "scale": None}, {"format": "float16", "scale": 10**9},
    {"value": "9**9**9**9"}, {"value": "(" * 5000}, {"kind": "no"}, {"a": {"a": {"a": {}}}},
]  # fmt: skip
INSIDE = (
    "KeyError", "AttributeError", "IndexError", "AssertionError", "RecursionError", "UnboundLocalError", "NameError",
)  # fmt: skip


@every_widget
def test_every_question_is_answered_in_words(name, tracebacks):
    """What the JS would never ask too; the answer is one JSON message, and no error of the insides."""
    widget, sent = example(name), []
    widget.send = sent.append
    for number, question in enumerate(QUESTIONS):
        from_the_page(widget, {"method": "custom", "content": {"id": str(number), "question": question}})
        assert len(sent) == number + 1, question
        json.dumps(sent[-1], allow_nan=False)
        assert not sent[-1].get("error", "").startswith(INSIDE), f"{question!r:.80}: {sent[-1]}"
    for content in (None, [], "text", 3, {"id": "1"}, {"question": 1}):
        from_the_page(widget, {"method": "custom", "content": content})
    assert tracebacks == []
