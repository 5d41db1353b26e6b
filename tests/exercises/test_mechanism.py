"""check, predict, quiz and progress on exercises made here. Run: pytest tests/exercises/test_mechanism.py"""

import json
import math

import numpy as np
import pytest
import torch

from lmcourse.exercises import YourTurn, judging, progress
from lmcourse.exercises.judging import call, difference, probe
from lmcourse.exercises.topic import NotSolved, Topic


def double(values: list[int]) -> list[int]:
    """Every value twice as large.

    >>> double([1, 2])
    [2, 4]
    """
    return [2 * value for value in values]


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LMCOURSE_DATA", str(tmp_path))
    monkeypatch.delenv("LMCOURSE_STRICT", raising=False)


@pytest.fixture
def topic():
    made = Topic("demo", 7)
    made.exercise(
        double,
        cases=[call([]), call([3]), call([1, 2, 3])],
        hints=("Multiply.", "By 2."),
        wrong={"adds two": lambda values: [v + 2 for v in values], "drops the last": lambda v: double(v[:-1])},
        minutes=5,
        level=1,
    )
    made.prediction("six", answer=lambda: 6, why="Three twos.", remarks={3: "That counts the twos."})
    made.question("Why <b>two</b>?", "Because.")
    return made


@pytest.fixture
def cards(monkeypatch):
    """The cards that would be displayed."""
    shown = []
    monkeypatch.setattr("lmcourse.exercises.cards.Card.show", lambda card: shown.append(card))
    return shown


def named(function):
    function.__name__ = "double"
    return function


def test_correct_returns_the_learners_own(topic, cards):
    mine = named(lambda values: [v + v for v in values])
    assert topic.check(mine) is mine
    assert cards[0].state == "correct" and "the cells below use yours" in cards[0].plain()
    assert progress.load() == {"demo.double": "correct"}


def test_not_attempted_returns_the_reference(topic, cards):
    def stub(values):
        raise YourTurn

    assert topic.check(named(stub)) is double
    assert cards[0].state == "todo" and progress.load() == {}
    assert [summary for summary, _, _ in cards[0].folds] == ["Hint 1", "Hint 2", "Solution"]
    assert cards[0].folds[-1][1].startswith("def double(values: list[int])")


def test_wrong_shows_the_smallest_counterexample(topic, cards):
    assert topic.check(named(lambda values: [v + 2 for v in values])) is double
    assert cards[0].rows == (("call", "double([3])"), ("expected", "[6]"), ("got", "[5]"))
    assert "the cells below use the reference" in cards[0].headline


def test_pytorchs_not_implemented_is_wrong_and_not_absent(topic, cards):
    def tries_fp8(values):
        raise NotImplementedError('"mul_cpu" not implemented for Float8_e4m3fn')

    topic.check(named(tries_fp8))
    assert cards[0].state == "wrong" and "NotImplementedError" in cards[0].plain()


class Spiteful:
    """Raises on everything that a comparison could ask of it."""

    def __eq__(self, other):
        raise RuntimeError("no")

    def __repr__(self):
        raise RuntimeError("no")

    __hash__ = None


def mutates(values):
    values.append(0)
    values.pop()
    values.insert(0, 9)
    return [2 * v for v in values[1:]]


@pytest.mark.parametrize(
    "attempt",
    [
        lambda values: None,
        lambda values: math.nan,
        lambda values: (2 * v for v in values),
        lambda values: "<img src=x onerror=alert(1)>",
        lambda values: Spiteful(),
        lambda values: [Spiteful()] * len(values),
        lambda values: torch.tensor(values) * 2.0,
        lambda values: np.array(values) * 3,
        lambda values: {1: 2},
        lambda: [],
        lambda values: 1 / 0,
        lambda values: exit(3),
        lambda values: [float(2 * v) for v in values],
        mutates,
    ],
)
def test_whatever_the_learner_returns_check_never_raises(topic, cards, attempt):
    assert topic.check(named(attempt)) is double
    assert cards[0].state == "wrong"
    assert "<img" not in cards[0].html()


@pytest.mark.parametrize("attempt", [None, 42, "double", [], lambda values: values])
def test_what_is_no_exercise_is_named(topic, cards, attempt):
    assert topic.check(attempt) is attempt
    assert cards[0].state == "wrong" and "double" in cards[0].plain()


def test_a_changed_argument_is_told(topic, cards):
    topic.check(named(mutates))
    assert "arguments changed" in cards[0].plain()


def test_interrupting_an_endless_loop_is_not_swallowed(topic):
    def interrupted(values):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        topic.check(named(interrupted))


def test_strict_mode_raises_on_todo_and_wrong(topic, cards, monkeypatch):
    monkeypatch.setenv("LMCOURSE_STRICT", "1")

    def stub(values):
        raise YourTurn

    for attempt in (stub, lambda values: values):
        with pytest.raises(NotSolved, match="double"):
            topic.check(named(attempt))
    assert topic.check(named(lambda values: [2 * v for v in values]))


def test_an_error_that_the_reference_raises_must_be_raised(cards):
    def root(x: float) -> float:
        if x < 0:
            raise ValueError("x is negative")
        return math.sqrt(x)

    topic = Topic("demo", 7)
    topic.exercise(root, cases=[call(4.0), call(-1.0)], hints=(), wrong={}, minutes=1, level=1)
    outcome = judging.judge(topic.exercises["root"], lambda x: abs(x) ** 0.5)
    assert (outcome.state, outcome.got) == ("wrong", "1.0") and "ValueError is wanted" in outcome.note


def test_a_probe_uses_the_attempt_as_it_likes():
    topic = Topic("demo", 7)
    topic.exercise(double, cases=[probe("twice in a row", lambda f: f(f([1])))], hints=(), wrong={}, minutes=1, level=1)
    assert judging.judge(topic.exercises["double"], double).state == "correct"
    outcome = judging.judge(topic.exercises["double"], lambda values: values)
    assert outcome.call == "twice in a row" and outcome.got == "[1]"


def test_predict_asks_before_it_tells(topic, cards):
    topic.predict("six", None)
    assert cards[0].state == "todo" and "6" not in cards[0].plain()
    topic.predict("six", 3)
    assert cards[1].state == "wrong" and "6" not in cards[1].plain() and "counts the twos" in cards[1].plain()
    topic.predict("six", 5)
    assert cards[2].state == "wrong" and "it is 6" in cards[2].plain() and "Too low." in cards[2].plain()
    topic.predict("six", 6)
    assert cards[3].state == "correct"
    topic.predict("seven", 1)
    assert cards[4].state == "wrong" and "six" in cards[4].plain()
    assert progress.load() == {"demo.predict.six": "correct"}
    for odd in (Spiteful(), math.nan, object(), [], "6", 6.0, torch.tensor(6)):
        topic.predict("six", odd)


def test_quiz_folds_its_answers_and_escapes_them(topic, cards):
    topic.quiz()
    assert "<details><summary>1. Why &lt;b&gt;two&lt;/b&gt;?</summary><p>Because.</p></details>" in cards[0].html()
    assert "Because" not in cards[0].plain()


def test_progress_survives_a_broken_file_and_a_folder_that_is_none(tmp_path, monkeypatch):
    progress.path().write_text("{half a fi", encoding="utf-8")
    assert progress.load() == {}
    progress.record("a.b", "wrong")
    progress.record("a.b", "correct")
    progress.record("a.b", "wrong")
    assert json.loads(progress.path().read_text(encoding="utf-8")) == {"a.b": "correct"}
    progress.reset()
    assert progress.load() == {}
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("LMCOURSE_DATA", str(tmp_path / "file"))
    progress.record("a.b", "correct")
    assert progress.load() == {}


@pytest.mark.parametrize(
    ("got", "want", "note"),
    [
        (True, True, None),
        (1, True, "1, where True is wanted"),
        (True, 1, "True, where 1 is wanted"),
        (np.int64(3), 3, None),
        (3.0, 3, "a float, where an int is wanted"),
        (0.1 + 0.2, 0.3, None),
        (math.inf, math.inf, None),
        (-0.0, 0.0, None),
        ([1], (1,), None),
        ({"a": [1, 2]}, {"a": [1, 3]}, "at ['a'][1]: 2, where 3 is wanted"),
        ({}, {"a": 1}, "the key 'a' is missing"),
        (b"a", "a", "b'a', where 'a' is wanted"),
        (torch.zeros(2, 3), torch.zeros(3, 2), "shape (2, 3), where (3, 2) is wanted"),
        (torch.zeros(2), torch.zeros(2).double(), "dtype float32, where float64 is wanted"),
        (torch.zeros(2, requires_grad=True), torch.zeros(2), None),
        ([0.0, 0.0], torch.zeros(2), "a list, where a Tensor is wanted"),
        (np.array([1.0, math.nan]), np.array([1.0, math.nan]), None),
        (None, 3, "None: is there a return missing?"),
    ],
)
def test_difference_says_what_differs(got, want, note):
    assert difference(got, want) == note
