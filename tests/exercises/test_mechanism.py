"""check, predict, quiz and progress on exercises made here. Run: pytest tests/exercises/test_mechanism.py"""

import json
import math
import re
from collections import deque
from fractions import Fraction

import numpy as np
import pytest
import torch

from lmcourse.exercises import YourTurn, judging, progress
from lmcourse.exercises.cases import Bits, Within, fields
from lmcourse.exercises.judging import Exercise, call, difference, exactly, probe
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
    kept = json.loads(progress.path().read_text(encoding="utf-8"))
    assert kept == {"a.b": "correct", "dates": {"a.b": {str(progress.today()): "wrong"}}}
    progress.reset()
    assert progress.load() == {}
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("LMCOURSE_DATA", str(tmp_path / "file"))
    progress.record("a.b", "correct")
    assert progress.load() == {}


def made(reference, *cases, wrong=None, **settings):
    """An exercise of its own."""
    topic = Topic("demo", 7)
    topic.exercise(reference, cases=list(cases), hints=(), wrong=wrong or {}, minutes=1, level=1, **settings)
    return topic.exercises[settings.get("name", reference.__name__)]


def test_a_card_shows_the_readers_own_line():
    def double(values):
        total = []
        for i in range(len(values) + 1):
            total.append(2 * values[i])
        return total

    outcome = judging.judge(made(double_reference(), call([1])), double)
    assert outcome.got == "IndexError: list index out of range"
    assert outcome.line.endswith(": total.append(2 * values[i])")


def double_reference():
    return double


def test_the_line_is_the_readers_where_the_error_comes_from_deeper_down():
    def double(values):
        return torch.ones(2) @ torch.ones(3)

    assert judging.judge(made(double_reference(), call([1])), double).line.endswith("torch.ones(2) @ torch.ones(3)")


def test_a_name_that_is_not_there_points_to_the_first_cell():
    def double(values):
        return doubled(values)

    assert "run the notebook's first cell" in judging.judge(made(double_reference(), call([1])), double).note


def test_a_known_mistake_is_called_by_its_name_where_it_is_the_only_one():
    wrong = {"two more, not twice": lambda v: [x + 2 for x in v], "squares": lambda v: [x * x for x in v]}
    exercise = made(double, call([2]), call([3]), call([4]), wrong=wrong)
    assert judging.judge(exercise, lambda v: [x**2 for x in v]).known == "squares"
    assert judging.judge(exercise, lambda v: [2 + x for x in v]).known == "two more, not twice"
    assert judging.judge(exercise, lambda v: [6 for x in v]).known == ""


def test_what_the_failing_call_printed_is_shown_and_nothing_else(capsys):
    def talks(values):
        print("I see", values)
        return double(values) if len(values) < 2 else []

    outcome = judging.judge(made(double, call([]), call([1]), call([1, 2])), talks)
    assert outcome.printed == "I see [1, 2]" and capsys.readouterr().out == ""


def test_of_much_that_is_printed_the_beginning_is_shown():
    def talks(values):
        print(*range(1000), sep="\n")
        return []

    printed = judging.judge(made(double, call([1])), talks).printed
    assert printed == "\n".join([*map(str, range(12)), "…"])


def test_a_large_argument_a_changed_one_and_a_late_error_are_told_in_short():
    def halved(x):
        return x / 2

    def in_place(x):
        return x.div_(2)

    cell = {}
    exec(compile("def lazily(x): pass", "a reader's cell", "exec"), cell)  # in another file than the judge's looking
    large = made(halved, call(torch.ones(9, 9)))
    assert judging.judge(large, lambda x: x).call == "halved(a Tensor of float32, shape (9, 9))"
    outcome = judging.judge(made(halved, call(torch.tensor([4.0]))), in_place)
    assert (outcome.expected, outcome.got) == ("x is then tensor([4.])", "x is then tensor([2.])")
    looked_at = judging.judge(made(halved, judging.probe("x[0]", lambda f: f(torch.ones(2))[0].item())), cell["lazily"])
    assert "looked at" in looked_at.note and looked_at.got.startswith("TypeError") and looked_at.line == ""


def test_a_long_result_is_shown_where_it_differs():
    def wrong(values):
        return [*double(values)[:-1], 0]

    outcome = judging.judge(made(double, call(list(range(100)))), wrong)
    assert (outcome.expected, outcome.got) == ("[99]: 198", "[99]: 0")


def test_a_measured_property_shows_its_numbers():
    case = probe("10,000 draws", lambda f: 0.0354, want=Within(0.025, 0.0012, "std"))
    outcome = judging.judge(made(double, case), double)
    assert (outcome.call, outcome.expected, outcome.got) == ("10,000 draws", "0.0250 ± 0.0012", "0.0354")
    assert outcome.note == "std 0.0354, wanted 0.0250 ± 0.0012"


def test_bits_are_shown_as_fields():
    def encode(x: float, exponent_bits: int, mantissa_bits: int) -> int:
        return 0b1_10000_1000000000

    exercise = made(encode, call(-3.0, 5, 10), show=lambda code, x, *widths: fields(code, *widths))
    outcome = judging.judge(exercise, lambda *args: 0b0_10000_1000000000)
    assert (outcome.expected, outcome.got) == ("1 10000 1000000000", "0 10000 1000000000")
    assert judging.judge(exercise, lambda *args: "no bits").got == "'no bits'"
    assert call(Bits(49664, 5, 10), 5, 10).label == "(0b1_10000_1000000000, 5, 10)"


def test_cases_are_made_one_by_one():
    asked = []

    def cases():
        for i in range(10**9):
            asked.append(i)
            yield call([i])

    exercise = Exercise("double", "1.1", double, cases, (), {}, 1, 1)
    assert judging.judge(exercise, lambda values: [v + 3 for v in values]).call == "double([0])"
    assert asked == [0]


def test_a_slow_answer_is_not_a_wrong_one(monkeypatch):
    monkeypatch.setattr(judging, "ENOUGH", 0.05)
    exercise = Exercise("double", "1.1", double, lambda: (call([i]) for i in range(10**9)), (), {}, 1, 1)
    assert judging.judge(exercise, double).state == "correct"


def test_an_endless_loop_is_stopped_with_its_input(topic, cards):
    def endless(values):
        while True:
            values = values[:1]

    assert topic.check(named(endless)) is double
    assert "Stopped: this call had not returned after 2 s" in cards[0].plain() and "double([])" in cards[0].plain()


def test_steps_share_the_number_of_the_whole_and_the_next_exercise_has_its_own():
    topic = Topic("demo", 7)
    for function, of in ((double, None), (named_as("first"), "double"), (named_as("second"), "double")):
        topic.exercise(function, cases=[], hints=(), wrong={}, minutes=1, level=1, of=of)
    topic.exercise(named_as("other"), cases=[], hints=(), wrong={}, minutes=1, level=1)
    assert [each.number for each in topic.exercises.values()] == ["7.1", "7.1a", "7.1b", "7.2"]
    assert topic.exercises["double"].steps == ["first", "second"]


def named_as(name):
    def function(x):
        return x

    function.__name__ = name
    return function


def test_an_exercise_can_be_done_again(topic, cards):
    topic.check(double)
    topic.reset("double")
    assert progress.load() == {} and cards[-1].state == "todo"
    stub = topic.stub("double")
    assert stub.endswith("    raise YourTurn\n\n\ndouble = check(double)") and '"""Every value' in stub
    namespace = {"YourTurn": YourTurn, "check": topic.check}
    exec(stub, namespace)
    assert namespace["double"] is double and cards[-1].state == "todo"


def test_a_strict_run_wants_every_exercise_checked(topic, cards, monkeypatch):
    monkeypatch.setenv("LMCOURSE_STRICT", "1")
    with pytest.raises(NotSolved, match="never checked in this notebook: double"):
        topic.quiz()
    topic.check(named(lambda values: [2 * v for v in values]))
    topic.quiz()
    assert cards[-1].state == "quiz"


def test_the_second_miss_is_told_and_a_guess_that_nobody_can_read_is_no_miss(topic, cards):
    for guess in ("", object(), 5, 4):
        topic.predict("six", guess)
    told = ["it is 6" in card.plain() for card in cards]
    assert told == [False, False, False, True] and {card.state for card in cards} == {"wrong"}


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
        (range(3), [0, 1, 2], None),
        (np.array([1, 2]), [1, 2], None),
        (torch.tensor([1, 2]), [1, 2], None),
        (deque([1, 2]), [1, 2], None),
        ([[1], [2]], ([1], [2]), None),
        ([[b"a", b"b"]], [(b"a", b"b")], "at [0]: a list, where a tuple is wanted"),
        ("ab", ["a", "b"], "a str, where a list is wanted"),
        ((x for x in [1]), [1], "a generator, where a list is wanted: return the whole, do not yield"),
        ([1, 2, 3], [1, 2], "3 items, where 2 are wanted"),
        ([1, 9, 3], [1, 2], "at [1]: 9, where 2 is wanted"),
        (Fraction(1, 4), 0.25, "a Fraction, where a float is wanted"),
        (np.float32(0.1), 0.1, None),
        (torch.tensor(2.5), 2.5, None),
        (np.True_, True, None),
        (-math.nan, math.nan, None),
        (frozenset("a"), {"a"}, None),
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.5]), "at [1]: 2.0, where 2.5 is wanted"),
        (torch.tensor([1e-9]), torch.tensor([0.0]), "at [0]: 1e-09, where 0.0 is wanted"),
        (torch.tensor([1e-9, 1.0]), torch.tensor([0.0, 1.0]), None),
        (torch.tensor([math.nan]), torch.tensor([math.nan]), None),
        (torch.tensor([3]), torch.tensor([4]), "at [0]: 3, where 4 is wanted"),
        (torch.tensor([0.1]).bfloat16(), torch.tensor([0.1002]).bfloat16(), None),
    ],
    ids=lambda value: re.sub(r" at 0x\w+", "", repr(value)),
)
def test_difference_says_what_differs(got, want, note):
    assert difference(got, want) == note


@pytest.mark.parametrize(
    ("got", "want", "note"),
    [
        (1 + 2**-52, 1.0, "1.0000000000000002, where 1.0 is wanted"),
        (0.0, -0.0, "0.0, where -0.0 is wanted: zero has a sign"),
        (math.nan, math.nan, None),
        ({"max": 1.0}, {"max": 2.0}, "at ['max']: 1.0, where 2.0 is wanted"),
        (np.float64(0.5), 0.5, None),
    ],
)
def test_exactly_means_to_the_last_bit(got, want, note):
    assert exactly(got, want) == note


def test_rounding_depends_on_the_size_of_the_arguments():
    assert difference(torch.tensor(0.69317), torch.tensor(0.69315), scale=1000.0) is None
    assert difference(torch.tensor(0.69317), torch.tensor(0.69315)) is not None
