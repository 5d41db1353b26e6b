"""The question after a solved exercise. Run: pytest tests/exercises/test_explaining.py"""

import re
import sys
from pathlib import Path

import nbformat
import pytest

from lmcourse.exercises import cards, explaining, progress, topic, topic_names
from lmcourse.exercises.topic import Topic

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
EXERCISES = [(name, exercise) for name in topic_names() for exercise in topic(name).exercises]
every_exercise = pytest.mark.parametrize(("name", "exercise"), EXERCISES)


def plain(text: str) -> str:
    return " ".join(text.replace("`", "").split()).lower()


def test_each_exercise_has_one():
    for name in topic_names():
        assert set(topic(name).why) == set(topic(name).exercises)
        questions = [question for question, _ in topic(name).why.values()]
        assert len(set(questions)) == len(questions)


@every_exercise
def test_it_asks_about_a_line_of_the_solution_in_short_sentences(name, exercise):
    question, answer = topic(name).why[exercise]
    assert question.endswith("?") and answer.endswith(".") and "!" not in answer
    for sentence in re.split(r"(?<=[.?])\s+(?=[A-Z0-9(])", f"{question} {answer}"):
        assert len(sentence.split()) <= 30, sentence
    solution = plain(topic(name).solution(exercise))
    quoted = re.findall(r"`([^`]+)`", question + answer)
    assert any(all(plain(piece) in solution for piece in part.split("...")) for part in quoted), quoted
    assert not re.search(r"(?i)\b(simply|just|obviously)\b", question + answer)


def test_no_notebook_has_the_question():
    for path in NOTEBOOKS:
        text = plain("\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells))
        for name, exercise in EXERCISES:
            assert plain(topic(name).why[exercise][0]) not in text, f"{exercise} in {path.name}"


@pytest.fixture
def learner(monkeypatch, tmp_path):
    """Progress of its own, and the cards and the questions that are shown."""
    shown = []
    monkeypatch.setenv("LMCOURSE_DATA", str(tmp_path))
    monkeypatch.setattr(cards.Card, "show", lambda card: shown.append(card))
    monkeypatch.setattr(explaining, "ask", lambda *asked: shown.append(asked))
    return shown


def test_it_comes_after_a_right_answer_in_a_page_and_once_it_was_answered_stands_in_the_card(learner, monkeypatch):
    asked = topic("strides")
    offset = asked.exercises["offset"]
    asked.check(offset.reference)
    assert len(learner) == 1, "no page, no question: in a terminal"
    monkeypatch.setattr(sys.modules[Topic.__module__], "_shell_of_a_page", lambda: True)
    asked.check(next(iter(offset.wrong.values())))
    asked.check(offset.reference)
    assert learner[2:] == [learner[2], ("strides.explained.offset", *asked.why["offset"])]
    progress.record("strides.explained.offset", "correct")
    asked.check(offset.reference)
    assert len(learner) == 5 and (*asked.why["offset"], False) in learner[-1].folds
    assert not any(asked.why["offset"][0] in fold for fold in learner[2].folds)


def test_the_answer_opens_when_something_was_written_and_that_is_all_that_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("LMCOURSE_DATA", str(tmp_path))
    box = explaining.form("strides.explained.offset", "Why `a < b`?", "Because of <b>.")
    asked, field, button, below = box.children
    assert "<code>a &lt; b</code>" in asked.value and below.value == "" and button.disabled
    field.value = "  "
    assert button.disabled and progress.load() == {}
    field.value = "<img src=x onerror=alert(1)> a secret"
    button.click()
    assert below.value == "<p>Because of &lt;b&gt;.</p>"
    assert progress.load() == {"strides.explained.offset": "correct"}
    assert "secret" not in progress.path().read_text(encoding="utf-8")


def test_progress_counts_exercises_and_no_questions(learner):
    progress.record("strides.explained.offset", "correct")
    progress.show()
    assert learner[-1].headline.startswith("0 of ")
    assert "strides.explained.offset" in progress.export()
