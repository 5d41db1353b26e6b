"""Exercise 9.6, rotate: cases, hints, typical wrong answers."""

import itertools
from collections.abc import Iterator

import torch

from lmcourse.exercises.cases import call, noise
from lmcourse.exercises.topic import Topic
from lmcourse.model import rotate, rotation_table


def _turns() -> Iterator:
    quarter, none = torch.tensor([[[0.0, 0.0]], [[1.0, 1.0]]]), torch.tensor([[[1.0, 1.0]], [[0.0, 0.0]]])
    for pair, table in itertools.product(([1.0, 2.0], [1.0, 0.0], [0.0, 1.0], [-3.0, 0.5]), (quarter, none)):
        yield call(torch.tensor([pair]), table)
    yield call(torch.tensor([[1.0, 0.0]] * 3), rotation_table(torch.arange(3), 2))
    yield call(torch.tensor([[1.0, 2.0, 3.0, 4.0]]), torch.tensor([[[0.0, 0.0, 1.0, 1.0]], [[1.0, 1.0, 0.0, 0.0]]]))
    for shape in ((3, 4), (2, 5, 6), (2, 2, 3, 8)):
        yield call(noise(*shape, seed=1), rotation_table(torch.arange(3, 3 + shape[-2]), shape[-1]))


def _other_way(x, table):
    """Clockwise."""
    return rotate(x, torch.stack([table[0], -table[1]]))


def _halves(x, table):
    """Pairs number i with number i + d/2, as some libraries do."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([-b, a], dim=-1) * table[1] + x * table[0]


def _swapped(x, table):
    return rotate(x, table.flip(0))


def _no_minus(x, table):
    even, odd = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack([odd, even], dim=-1).flatten(-2) * table[1] + x * table[0]


def _not_exchanged(x, table):
    """Scales each number by cos + sin: the two of a pair never meet."""
    return x * table[0] + x * table[1]


def _apart(x, table):
    """All first numbers, then all second ones."""
    even, odd = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.cat([-odd, even], dim=-1) * table[1] + x * table[0]


def declare(topic: Topic) -> None:
    """Declare the exercise rotate."""
    topic.exercise(
        rotate,
        cases=_turns,
        hints=(
            "Make the vector that is turned by a right angle: from each pair (a, b) the pair (−b, a). The result is "
            "cos times x, plus sin times that vector.",
            "`even, odd = x.unflatten(-1, (-1, 2)).unbind(-1)` gives all a and all b. "
            "`torch.stack([-odd, even], dim=-1).flatten(-2)` puts −b and a side by side again.",
        ),
        wrong={
            "turns the other way": _other_way,
            "pairs the first half with the second": _halves,
            "cos and sin exchanged": _swapped,
            "no minus": _no_minus,
            "the two numbers of a pair never meet": _not_exchanged,
            "the pairs come apart": _apart,
        },
        minutes=12,
        level=2,
    )
