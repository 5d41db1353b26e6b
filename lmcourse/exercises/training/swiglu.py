"""Exercise 9.5, swiglu: cases, hints, typical wrong answers."""

from collections.abc import Iterator

import torch

from lmcourse.exercises.cases import call, noise
from lmcourse.exercises.topic import Topic
from lmcourse.exercises.training.block import double, halve, plus_one, tenfold
from lmcourse.model import silu, swiglu


def _product(rows: int, columns: int, seed: int):
    """A product with a matrix, as a function."""
    matrix = noise(rows, columns, seed=seed)
    return lambda x: x @ matrix.T


def same(x):
    """As it is."""
    return x


def threefold(x):
    """Three times as much."""
    return 3 * x


def _gate_cases() -> Iterator:
    for numbers in ([1.0], [0.0], [-1.0], [1.0, 0.0, -2.0]):
        for parts in ((tenfold, same, threefold), (same, double, halve), (plus_one, tenfold, same)):
            names = ", ".join(part.__name__ for part in parts)
            yield call(torch.tensor(numbers), *parts).said(f"(torch.tensor({numbers}), {names})")
    for shape, wide in (((3,), 4), ((2, 3), 5), ((2, 2, 4), 8)):
        narrow = shape[-1]
        parts = _product(wide, narrow, 1), _product(narrow, wide, 2), _product(wide, narrow, 3)
        yield call(noise(*shape, seed=4), *parts).said(f"(a tensor of shape {shape}, three products with matrices)")


def _gates_swapped(x, w1, w2, w3):
    """silu on the other product."""
    return w2(w1(x) * silu(w3(x)))


def _sigmoid(x, w1, w2, w3):
    """Sigmoid alone, as in the first GLU."""
    return w2(torch.sigmoid(w1(x)) * w3(x))


def _relu(x, w1, w2, w3):
    return w2(torch.relu(w1(x)) * w3(x))


def _no_gate(x, w1, w2, w3):
    return w2(silu(w1(x)))


def _adds(x, w1, w2, w3):
    return w2(silu(w1(x)) + w3(x))


def _silu_of_the_product(x, w1, w2, w3):
    return w2(silu(w1(x) * w3(x)))


def _not_back(x, w1, w2, w3):
    """Forgets w2."""
    return silu(w1(x)) * w3(x)


def declare(topic: Topic) -> None:
    """Declare the exercise swiglu."""
    topic.exercise(
        swiglu,
        cases=_gate_cases,
        hints=(
            "Two products of the same x: w1(x) and w3(x). silu goes over the first alone. Multiply the two, number by "
            "number, and send the result through w2.",
            "`silu(w1(x)) * w3(x)` is the inside of w2.",
        ),
        wrong={
            "silu on the other product": _gates_swapped,
            "sigmoid in place of silu": _sigmoid,
            "ReLU in place of silu": _relu,
            "w3 is not used": _no_gate,
            "adds the two products": _adds,
            "silu after the two are multiplied": _silu_of_the_product,
            "w2 is not used": _not_back,
        },
        minutes=6,
        level=1,
    )
