"""What every exercise of the course must do. Run: pytest tests/exercises/test_every_exercise.py

The reference passes its own check, every declared wrong answer is rejected, hints and a solution are there, and the
cases go from small to large within a second.
"""

import pytest

from lmcourse.exercises import judging, topic, topic_names

EXERCISES = [(name, exercise) for name in topic_names() for exercise in topic(name).exercises]
WRONG = [(name, exercise, wrong) for name, exercise in EXERCISES for wrong in topic(name).exercises[exercise].wrong]


@pytest.mark.parametrize(("name", "exercise"), EXERCISES)
def test_the_reference_passes(name, exercise):
    declared = topic(name).exercises[exercise]
    assert judging.judge(declared, declared.reference) == judging.Outcome("correct")


@pytest.mark.parametrize(("name", "exercise", "wrong"), WRONG)
def test_a_wrong_answer_is_rejected_with_a_counterexample(name, exercise, wrong):
    declared = topic(name).exercises[exercise]
    outcome = judging.judge(declared, declared.wrong[wrong])
    assert outcome.state == "wrong" and outcome.call and outcome.note


@pytest.mark.parametrize(("name", "exercise"), EXERCISES)
def test_it_is_declared_in_full(name, exercise):
    declared = topic(name).exercises[exercise]
    assert len(declared.wrong) >= 2 and len(declared.hints) >= 2
    assert declared.level in (1, 2, 3) and 1 <= declared.minutes <= 45
    assert f"def {exercise}(" in topic(name).solution(exercise) or f"class {exercise}" in topic(name).solution(exercise)


@pytest.mark.parametrize("name", topic_names())
def test_a_topic_asks_enough(name):
    asked = topic(name)
    if asked.number == 0:  # 00 shows how exercises and predictions work: one of each, tried once
        assert len(asked.exercises) == len(asked.predictions) == 1 and len(asked.questions) == 5
        return
    assert 3 <= len(asked.exercises) <= 7 and 2 <= len(asked.predictions) <= 4 and 5 <= len(asked.questions) <= 10


@pytest.mark.parametrize(("name", "key"), [(name, key) for name in topic_names() for key in topic(name).predictions])
def test_a_prediction_accepts_its_own_answer(name, key, monkeypatch):
    cards = []
    monkeypatch.setattr("lmcourse.exercises.cards.Card.show", lambda card: cards.append(card))
    prediction = topic(name).predictions[key]
    answer = prediction.answer() if callable(prediction.answer) else prediction.answer
    topic(name).predict(key, answer)
    topic(name).predict(key, None)
    assert [card.state for card in cards] == ["correct", "todo"]
    assert judging.shorten(answer) not in cards[1].plain()
    for remark in prediction.remarks:
        topic(name).predict(key, remark)
        assert cards[-1].state == "wrong"


def test_an_unknown_topic_is_named():
    with pytest.raises(ValueError, match="nonsense"):
        topic("nonsense")
