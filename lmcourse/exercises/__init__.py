"""Exercises that never block: `check`, `predict`, `quiz`, `review`, `placement`, `reset`, `YourTurn`.

A notebook takes them from its own topic, `from lmcourse.exercises.strides import check, predict, quiz, ready`; the
functions here do the same for a topic given by name. One file a topic holds cases and hints, `mistakes/` its typical
wrong answers, neither of them an algorithm: the reference lives in `lmcourse.<topic>`.
"""

import importlib
import pkgutil

from lmcourse.exercises.judging import YourTurn
from lmcourse.exercises.placing import placement
from lmcourse.exercises.reviewing import review
from lmcourse.exercises.topic import Topic

__all__ = ["YourTurn", "check", "placement", "predict", "quiz", "reset", "review", "topic", "topic_names"]


def topic_names() -> list[str]:
    """The topics that have exercises, in the order of their notebooks.

    >>> topic_names()[:3]
    ['start', 'tokenization', 'float_formats']
    """
    modules = (importlib.import_module(f"{__name__}.{file.name}") for file in pkgutil.iter_modules(__path__))
    topics = [each.topic for each in modules if isinstance(getattr(each, "topic", None), Topic)]
    return [each.name for each in sorted(topics, key=lambda each: each.number)]


def topic(name: str) -> Topic:
    """The exercises of one topic, by its word. Raises ValueError for a word that is none.

    >>> list(topic("start").exercises)
    ['shift_by_one']
    >>> topic("stride")
    Traceback (most recent call last):
    ValueError: topic: one of start, tokenization, ..., got 'stride'
    """
    try:
        found = getattr(importlib.import_module(f"{__name__}.{name}"), "topic", None)
    except ModuleNotFoundError as missing:
        if missing.name != f"{__name__}.{name}":
            raise
        found = None
    if not isinstance(found, Topic):
        raise ValueError(f"topic: one of {', '.join(topic_names())}, got {name!r}")
    return found


def check(function, topic_name: str):
    """`topic(topic_name).check(function)`."""
    return topic(topic_name).check(function)


def predict(key: str, guess, topic_name: str) -> None:
    """`topic(topic_name).predict(key, guess)`."""
    topic(topic_name).predict(key, guess)


def quiz(topic_name: str) -> None:
    """`topic(topic_name).quiz()`."""
    topic(topic_name).quiz()


def reset(exercise: str, topic_name: str | None = None) -> None:
    """Do an exercise again: its stub stands in a new cell below. Raises ValueError for a name that is no exercise.

    >>> reset("merge_pairs")
    Traceback (most recent call last):
    ValueError: exercise: the name of one, such as merge_pair, got 'merge_pairs'
    """
    for name in topic_names() if topic_name is None else [topic_name]:
        if exercise in topic(name).exercises:
            topic(name).reset(exercise)
            return
    raise ValueError(f"exercise: the name of one, such as merge_pair, got {exercise!r}")
