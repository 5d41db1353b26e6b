"""The exercise, the prediction and the quiz of notebook 00, to be tried once. The reference is in lmcourse.start."""

import math

from lmcourse import start
from lmcourse.exercises.cases import call, calls, random_lists, small_lists
from lmcourse.exercises.practice import start as practice
from lmcourse.exercises.topic import Topic

topic = Topic("start", 0, practice)
check, predict, quiz, ready = topic.check, topic.predict, topic.quiz, topic.ready


def _cases():
    yield call([1, 2])
    yield from calls(small_lists(3))
    yield from calls(random_lists(30))


def _not_shifted(ids):
    """A model that is asked for what it is shown learns to copy."""
    start.shift_by_one(ids)
    return list(ids[:-1]), list(ids[:-1])


def _backwards(ids):
    inputs, targets = start.shift_by_one(ids)
    return targets, inputs


def _wraps_around(ids):
    """The last id has no next one, and the first is not it."""
    start.shift_by_one(ids)
    return list(ids), [*ids[1:], ids[0]]


def _never_refuses(ids):
    return list(ids[:-1]), list(ids[1:])


topic.exercise(
    start.shift_by_one,
    cases=_cases,
    hints=(
        "How many ids have an id after them? All but the last; so both lists are one shorter than ids.",
        "ids[:-1] and ids[1:], after a ValueError for fewer than two ids.",
    ),
    wrong={
        "the targets are the inputs": _not_shifted,
        "inputs and targets are swapped": _backwards,
        "the last id is to predict the first": _wraps_around,
        "too few ids are not refused": _never_refuses,
    },
    minutes=6,
    level=1,
)

topic.prediction(
    "first_loss",
    answer=math.log(280),
    tolerance=0.03,
    why="It gives each of the 280 tokens about 1/280, and −ln(1/280) = ln 280.",
    remarks={
        280: "That many tokens there are; the loss is a logarithm.",
        math.log2(280): "That is the logarithm of base 2. The loss takes the natural one, `math.log`.",
        0: "Zero would be a model that is certain, and right.",
    },
)

topic.question(
    "What does a language model see of your sentence?",
    "Integers: one id for each token. The text is gone, and comes back when ids are decoded.",
)
topic.question(
    "What is a model asked to predict, and who wrote down the right answers?",
    "The next token, at every position. The text itself holds the answers, shifted by one.",
)
topic.question(
    "Why is it useful to know the logarithm of the vocabulary's size before training?",
    "It is the loss of a model that knows nothing. A first loss far above it means that something is wrong.",
)
topic.question(
    "What does check do with a wrong answer?",
    "It shows the smallest input on which yours differs, and goes on with the reference, so that the cells below run.",
)
topic.question(
    "The model can now write your sentence. What has it not learned?",
    "Anything that would help with another sentence. It has one text by heart; so models are trained on very many.",
)
