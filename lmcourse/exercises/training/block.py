"""Exercise 9.1, block: cases, hints, typical wrong answers."""

from collections.abc import Iterator

import torch

from lmcourse.exercises.cases import call, noise
from lmcourse.exercises.topic import Topic
from lmcourse.model import block


def halve(x):
    """Half of it."""
    return x / 2


def tenfold(x):
    """Ten times as much."""
    return 10 * x


def plus_one(x):
    """One more."""
    return x + 1


def double(x):
    """Twice as much."""
    return 2 * x


def square(x):
    """Each number times itself."""
    return x * x


def mixed(x):
    """Mixes neighbouring vectors, as attention does."""
    return x.cumsum(dim=-2)


def _block_cases() -> Iterator:
    orders = (
        (halve, tenfold, halve, plus_one),
        (plus_one, double, halve, square),
        (square, plus_one, double, halve),
        (double, square, plus_one, tenfold),
    )
    for numbers in ([2.0], [0.0], [1.0, -3.0]):
        for parts in orders:
            names = ", ".join(part.__name__ for part in parts)
            yield call(torch.tensor(numbers), *parts).said(f"(torch.tensor({numbers}), {names})")
    for shape in ((2, 3), (2, 4, 3)):
        for parts in ((halve, mixed, double, square), (square, mixed, plus_one, tenfold)):
            names = ", ".join(part.__name__ for part in parts)
            yield call(noise(*shape, seed=1), *parts).said(f"(a tensor of shape {shape}, {names})")


def _not_added(x, norm_1, attention, norm_2, feed_forward):
    """A chain: nothing of x itself stays."""
    return feed_forward(norm_2(attention(norm_1(x))))


def _added_once(x, norm_1, attention, norm_2, feed_forward):
    return x + feed_forward(norm_2(attention(norm_1(x))))


def _side_by_side(x, norm_1, attention, norm_2, feed_forward):
    """Both parts see the x that came in."""
    return x + attention(norm_1(x)) + feed_forward(norm_2(x))


def _norm_after(x, norm_1, attention, norm_2, feed_forward):
    """The order of 2017: add first, then the norm."""
    x = norm_1(x + attention(x))
    return norm_2(x + feed_forward(x))


def _first_norm_twice(x, norm_1, attention, norm_2, feed_forward):
    return block(x, norm_1, attention, norm_1, feed_forward)


def _adds_the_norm(x, norm_1, attention, norm_2, feed_forward):
    """Adds the parts to the norm, not to x."""
    x = norm_1(x) + attention(norm_1(x))
    return norm_2(x) + feed_forward(norm_2(x))


def _old_x(x, norm_1, attention, norm_2, feed_forward):
    """Adds the second part to the x that came in, and drops what attention gave."""
    y = x + attention(norm_1(x))
    return x + feed_forward(norm_2(y))


def _in_place(x, norm_1, attention, norm_2, feed_forward):
    x += attention(norm_1(x))
    return x + feed_forward(norm_2(x))


def declare(topic: Topic) -> None:
    """Declare the exercise block."""
    topic.exercise(
        block,
        cases=_block_cases,
        hints=(
            "Two lines. The first makes a new x: the old one, plus attention of its norm. The second does the same "
            "with the other norm and the feed-forward part, from the new x.",
            "`x = x + attention(norm_1(x))`. The second line has the same form.",
        ),
        wrong={
            "nothing is added to x": _not_added,
            "x is added once, at the end": _added_once,
            "the feed-forward part gets the old x": _side_by_side,
            "the norm after the sum": _norm_after,
            "the first norm twice": _first_norm_twice,
            "adds to the norm of x": _adds_the_norm,
            "drops what attention gave": _old_x,
            "changes the x that it was given": _in_place,
        },
        minutes=6,
        level=1,
    )
