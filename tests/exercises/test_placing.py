"""Where to begin: the ten questions, and the sections that they let a reader leave out.

Run: pytest tests/exercises/test_placing.py
"""

import importlib

import pytest
import torch

from lmcourse.exercises import topic_names
from lmcourse.exercises.placing import QUESTIONS, placement
from lmcourse.tokenization import BPETokenizer

teaching = importlib.import_module("teaching")
RIGHT = {
    "python": [1, 9], "tokenization": "a, bc", "float_formats": 256.0, "strides": 9, "axes": (2, 4, 5, 6),
    "flops": "1.2e20", "initialization": 10, "data_loading": 92, "optimizers": 2.4, "training": "C D B A",
}  # fmt: skip


@pytest.fixture
def cards(monkeypatch):
    shown = []
    monkeypatch.setattr("lmcourse.exercises.cards.Card.show", lambda card: shown.append(card))
    return shown


def test_there_is_a_question_for_python_and_for_each_notebook_after_the_first():
    assert len(QUESTIONS) == 10 and list(QUESTIONS) == ["python", *topic_names()[1:]]
    assert [question.number for question in QUESTIONS.values()] == [None, *range(1, 10)]


def test_every_section_that_can_be_left_out_is_a_core_section_of_that_notebook():
    for question in list(QUESTIONS.values())[1:]:
        sections = teaching.sections(teaching.read(teaching.NOTEBOOKS[question.number]))
        core = [section.title.removeprefix("## ") for section in sections if not section.more]
        assert question.skip and set(question.skip) <= set(core), question.place


def test_nothing_asks_before_it_is_answered(cards):
    placement(**dict.fromkeys(QUESTIONS))
    placement()
    assert cards[0].rows == cards[1].rows == tuple((name, each.text) for name, each in QUESTIONS.items())


def test_right_answers_name_sections_and_wrong_ones_do_not(cards):
    placement(**RIGHT)
    assert cards[0].headline == "10 of 10 are right" and cards[0].plain().count("leave out: ") == 15
    placement(**dict.fromkeys(RIGHT, 12.75) | {"python": None, "training": object()})
    assert cards[1].headline == "0 of 10 are right" and "leave out" not in cards[1].plain()
    placement(strides=9, axes="<b>(2, 4, 6, 5)</b>")
    assert cards[2].headline == "1 of 10 are right" and "<b>(2" not in cards[2].html()


def test_another_name_is_refused():
    with pytest.raises(TypeError, match=r"got stride$"):
        placement(stride=9)


def test_the_answers_are_what_the_real_things_give():
    right = {name: question.answer.is_right for name, question in QUESTIONS.items()}
    assert right["python"]([n * n for n in range(5) if n % 2])
    vocab = dict(enumerate([*(bytes([k]) for k in range(256)), b"bc", b"ab"]))
    bpe = BPETokenizer(vocab, [(b"b", b"c"), (b"a", b"b")])
    assert right["tokenization"]([bpe.decode([each]) for each in bpe.encode("abc")])
    assert right["float_formats"](torch.tensor(256.0).bfloat16() + 1)
    assert right["strides"](torch.arange(12).view(3, 4).T[1, 2])
    assert right["axes"](tuple(torch.einsum("bhqd,bhkd->bhqk", torch.ones(2, 4, 5, 8), torch.ones(2, 4, 6, 8)).shape))
    assert right["data_loading"](len(torch.arange(100).unfold(0, 9, 1)))
    w = torch.tensor(3.0, requires_grad=True)
    (w**2).backward()
    assert right["optimizers"]((w - 0.1 * w.grad).item())
