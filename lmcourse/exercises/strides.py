"""Exercises of notebook 03: cases and hints. References: lmcourse.strides; wrong answers: mistakes."""

import itertools
import random
from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING

from lmcourse import strides
from lmcourse.exercises.cases import Case, call, calls, pick, probe, shapes
from lmcourse.exercises.judging import Call
from lmcourse.exercises.mistakes import strides as mistakes
from lmcourse.exercises.practice import strides as practice
from lmcourse.exercises.topic import Topic

if TYPE_CHECKING:
    import torch

topic = Topic("strides", 3, practice)
check, predict, quiz, ready = topic.check, topic.predict, topic.quiz, topic.ready


# 3.1


def _offset_cases() -> Iterator[Call]:
    dice = random.Random(0)
    yield from (call((0,), (1,)), call((2,), (3,)), call((2, 3), (4, 1)), call((), ()), call((), (), 5))
    yield from (
        call((1, 1), (4, 2), 4),
        call((1, 2), (-16, 4), 32),
        call((50_000, 2), (50_000, 1)),  # past what 32 bits hold
        call((1,), (4, 1)),
        call((1, 2), (4,)),
        call((), (1,)),
    )
    yield from (call((-1,), (1,)), call((0, -2), (4, 1), 9))
    for length in (1, 2, 3):
        for index in itertools.product(range(4), repeat=length):
            yield call(index, tuple(dice.randint(-9, 30) for _ in index), dice.choice((0, 0, 7, 100)))
    for _ in range(50):
        index = tuple(dice.randint(0, 500) for _ in range(dice.randint(3, 6)))
        yield call(index, tuple(dice.randint(0, 10**6) for _ in index), dice.randint(0, 10**9))


topic.exercise(
    strides.offset,
    cases=_offset_cases,
    hints=(
        "Each index skips so many elements: as many as its stride, times the index.",
        "Add them up over all dimensions (`zip` pairs an index with its stride), and start from `storage_offset`.",
    ),
    wrong={
        "the roles swapped": mistakes.roles_swapped,
        "forgets the storage offset": mistakes.forgets_the_offset,
        "counts from 1": mistakes.counts_from_one,
    },
    minutes=7,
    level=1,
)


# 3.2


def _zeros_last(dimensions: int, largest: int) -> list[tuple[int, ...]]:
    """Every shape, those with a size of 0 after all others: nothing is ever stepped over in those."""
    return sorted(shapes(dimensions, largest), key=lambda shape: 0 in shape)


topic.exercise(
    strides.contiguous_strides,
    cases=[
        call((2, 3)),
        *calls(_zeros_last(2, 3)),
        call((-1,)),
        call((2, -3)),
        call((-1, 0, 2)),
        *calls(_zeros_last(4, 3)),
        call((5, 2, 7, 4, 3)),
        call((2, 50_000, 50_000)),  # past what 32 bits hold
    ],
    hints=(
        "The last dimension steps by 1. A step along the one before it skips a whole row.",
        "Walk from the right with a running product; let a size of 0 count as 1, `max(size, 1)`.",
    ),
    wrong={
        "column-major": mistakes.column_major,
        "only the neighbour's size": mistakes.only_the_neighbour,
        "multiplies its own size in": mistakes.includes_itself,
    },
    minutes=8,
    level=1,
)


# 3.3


def _layouts(count: int) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Shapes and strides of fresh tensors that were transposed, sliced or expanded, or whose sizes of 1 were moved."""
    dice = random.Random(0)
    for _ in range(count):
        shape = [dice.choice((1, 1, 2, 3, 4)) for _ in range(dice.randint(2, 4))]
        steps = list(strides.contiguous_strides(shape))
        d = dice.randrange(len(shape))
        change = dice.choice(("none", "transpose", "step", "expand", "narrow", "one"))
        if change == "transpose":
            shape[0], shape[d], steps[0], steps[d] = shape[d], shape[0], steps[d], steps[0]
        elif change == "step":
            steps[d] *= 2
        elif change == "expand":
            steps[d] = 0
        elif change == "narrow":
            shape[d] = max(shape[d] - 1, 1)
        elif change == "one":
            shape[d], steps[d] = 1, dice.randint(0, 99)
        yield tuple(shape), tuple(steps)


def _factorizations(elements: int, most: int) -> list[tuple[int, ...]]:
    """Every shape of up to `most` dimensions that holds so many elements."""
    if most == 0:
        return [()] if elements == 1 else []
    parts = [size for size in range(1, elements + 1) if elements % size == 0]
    longer = [(size, *rest) for size in parts for rest in _factorizations(elements // size, most - 1)]
    return [()] * (elements == 1) + longer


def _view_cases() -> Iterator[Call]:
    yield from (call((6,), (1,), (6,)), call((6,), (1,), (2, 3)), call((6,), (1,), (4,)), call((2, 3), (3, 1), (6,)))
    yield from (call((6,), (2,), (2, 3)), call((3, 2), (1, 3), (6,)), call((4, 6), (1, 4), (2, 2, 6)))
    yield from (
        call((0, 3), (3, 1), (3, 0)),
        call((0, 3), (7, 2), (0, 3)),
        call((2, 0), (1, 1), (0,)),
        call((0,), (1,), (2,)),
    )
    yield from (call((), (), (1, 1)), call((1,), (5,), ()), call((2, 3), (3, 1), (-1,)), call((2, -3), (3, 1), (-6,)))
    yield from (call((-2, 3), (3, 1), (6,)), call((-2, -3), (3, 1), (6,)))
    for elements in (1, 2, 4, 6):
        for shape, new_shape in itertools.product(_factorizations(elements, 2), _factorizations(elements, 3)):
            fresh = strides.contiguous_strides(shape)
            yield call(shape, fresh, new_shape)
            yield call(shape[::-1], fresh[::-1], new_shape)
    for shape, new_shape in itertools.product(shapes(2, 3, smallest=1), shapes(2, 6)):
        if prod(shape) != prod(new_shape):
            yield call(shape, strides.contiguous_strides(shape), new_shape)
    yield call((2, 3), (3, 1), (4, 2, 3))
    yield from (call((2, 8, 64), (512, 64, 1), (2, 8, 4, 16)), call((2, 4, 8, 16), (512, 16, 128, 1), (2, 8, 64)))
    yield from (call((2, 3, 4), (24, 8, 2), (6, 4)), call((3, 1, 4), (4, 99, 1), (12,)), call((4, 6), (1, 4), (3, 8)))
    dice = random.Random(1)
    for shape, steps in _layouts(250):
        if prod(shape) <= 24:
            for new_shape in pick(_factorizations(prod(shape), 4), 3, seed=dice.random()):
                yield call(shape, steps, new_shape)


topic.exercise(
    strides.can_view,
    cases=_view_cases,
    hints=(
        "Keep two things: the sizes that are left, at first all of new_shape, and the strides found so far, at first "
        "none. For each block of `blocks(shape, strides)` call `fill_block(size, stride, left)`.",
        "If it gives None, so do you. Else it took as many sizes from the right as it has strides: drop them from the "
        "sizes that are left, and put the new strides in front of those found so far.",
    ),
    wrong={
        "contiguous tensors only": mistakes.contiguous_only,
        "the number of elements is enough": mistakes.count_is_enough,
        "the number of elements is not compared": mistakes.never_counts,
        "the strides in the wrong order": mistakes.strides_from_the_right,
        "forgets the stride of a block": mistakes.forgets_the_stride_of_a_block,
    },
    minutes=16,
    level=2,
)


# 3.3a: one block


def _block_cases() -> Iterator[Call]:
    yield from (call(4, 1, (4,)), call(4, 1, (2, 2)), call(4, 1, (3, 2, 2)), call(6, 4, (2, 2, 6)))
    yield from (call(6, 4, (6, 2, 2)), call(4, 2, (3,)), call(4, 1, (2, 1, 4)), call(4, 1, (2, 1, 1, 2, 1)))
    yield from (call(1, 7, ()), call(1, 7, (2, 1, 1)), call(4, 1, ()), call(3, 0, (2, 3)))
    for size, stride in itertools.product((1, 2, 3, 4, 6), (0, 1, 5)):
        yield from (call(size, stride, new_shape) for new_shape in pick(shapes(3, 4, smallest=1), 30, seed=size))
    yield from (call(24, 3, (5, 2, 3, 1, 4)), call(64, 16, (2, 8, 4, 16)), call(128, 1, (2, 8, 4, 16)))


topic.exercise(
    strides.fill_block,
    cases=_block_cases,
    hints=(
        "Keep a number `filled`, at first 1: the elements that the sizes taken so far hold. The next size that you "
        "take gets the stride `filled * stride`.",
        "Take `left.pop()` from a list of the sizes while there is one, and `filled < size` or the last one is 1. "
        "At the end `filled` must be `size`.",
    ),
    wrong={
        "takes all sizes": mistakes.fresh_in_the_block,
        "ignores the stride of the block": mistakes.ignores_the_stride,
        "takes too much": mistakes.takes_too_much,
        "leaves sizes of 1": mistakes.leaves_sizes_of_one,
    },
    minutes=14,
    level=2,
    of="can_view",
)


# 3.4


def _contiguous_cases() -> Iterator[Call]:
    yield from (call((2, 3), (3, 1)), call((2, 3), (1, 2)))
    for shape in _zeros_last(2, 3):
        for steps in itertools.product((0, 1, 2, 3), repeat=len(shape)):
            yield call(shape, steps)
    yield from (call((1, 4), (999, 1)), call((3, 1, 4), (4, 7, 1)), call((3, 4, 1), (4, 1, 9)), call((0, 3), (5, 5)))
    yield from (call((3, 4), (4,)), call((3,), (4, 1)), call((), (1,)), call((-1,), (1,)), call((0, -3), (1, 1)))
    for shape, steps in _layouts(200):
        yield call(shape, steps)


topic.exercise(
    strides.is_contiguous,
    cases=_contiguous_cases,
    hints=(
        "Compare each stride with the one that a fresh tensor of this shape would have: `contiguous_strides(shape)`.",
        "Skip the dimensions of size 1, and say True at once when a size is 0: nothing is ever stepped over there.",
    ),
    wrong={
        "compares strides only": mistakes.compares_strides_only,
        "sorted strides are enough": mistakes.sorted_is_enough,
        "looks at the last stride only": mistakes.last_stride_is_one,
    },
    minutes=8,
    level=1,
)


# 3.5


def _windows(label: str, x: "torch.Tensor", *args: int) -> Case:
    """The windows, and whether they lie in the memory of `x`."""

    def run(function):
        got = function(x, *args)
        return {"windows": got, "share memory with x": strides.shares_storage(got, x)}

    return probe(f"sliding_windows({', '.join([label, *map(str, args)])})", run)


def _windows_cases() -> Iterator[Case]:
    import torch

    for length in (1, 2, 3, 5, 7):
        for size, step in itertools.product(range(1, length + 1), (1, 2, 3)):
            yield _windows(f"torch.arange({length})", torch.arange(length), size, step)
    yield _windows("torch.arange(6)", torch.arange(6), 4)
    yield _windows("torch.arange(8)[::2]", torch.arange(8)[::2], 2)
    yield _windows("torch.arange(10)[3:]", torch.arange(10)[3:], 5)
    yield _windows("torch.arange(20)[3::3]", torch.arange(20)[3::3], 3, 2)
    yield _windows("torch.zeros(5, 4)[:, 1]", torch.zeros(5, 4)[:, 1], 2)
    yield _windows("torch.tensor([True, False, True])", torch.tensor([True, False, True]), 2)
    for args in ((4,), (0,), (-1,), (2, 0), (2, -1)):
        yield call(torch.arange(3), *args)
    yield from (call(torch.zeros(2, 2), 1), call(torch.tensor(1.0), 1), call(torch.zeros(0), 1))


topic.exercise(
    strides.sliding_windows,
    cases=_windows_cases,
    hints=(
        "One step to the right in a window is one step in x. One window further is `step` steps in x.",
        "x.as_strided((windows, size), (step * x.stride(0), x.stride(0))), with (len(x) - size) // step + 1 windows; "
        "refuse a size or a step that makes no window.",
    ),
    wrong={
        "one window short": mistakes.one_window_short,
        "assumes that x has stride 1": mistakes.assumes_stride_one,
        "copies": mistakes.copies,
    },
    minutes=12,
    level=2,
)


# Predictions

topic.prediction(
    "double_add",
    answer=[1.0, 2.0, 2.0, 1.0],
    why="The two elements in the middle are each reached by two indices, so each is added to twice.",
)
topic.prediction(
    "copies",
    answer="BC",
    also=("CB",),
    why="B picks with a list, and C computes new numbers. A and D are slices of a transpose and of a view.",
    remarks={
        "B": "That one copies, and there is another: look for arithmetic.",
        "C": "That one copies, and there is another: look for a list.",
        "AD": "Those share the storage of m. Which ones copy?",
    },
)
topic.prediction(
    "kept_alive",
    answer=4_000_000,
    unit="bytes",
    why="The slice is a view: it keeps the whole storage of 1000 × 1000 float32 values alive.",
    remarks={
        40: "That is what its ten elements need, not what they keep alive.",
        4000: "That is one row. The storage is that of the whole table.",
        1_000_000: "So many numbers stay. How many bytes does each take?",
    },
)


# Quiz

topic.question(
    "What makes a tensor, besides its storage?",
    "A record: shape, strides and storage offset, and its dtype and device. A view changes offset, shape and strides "
    "only, and keeps the storage.",
)
topic.question(
    "Where is x[i, j]?",
    "At storage_offset + i · stride(0) + j · stride(1), counted from 0 and in elements.",
)
topic.question(
    "Why does .T cost nothing?",
    "It exchanges the two sizes and the two strides. No element moves.",
)
topic.question(
    "More: x has a million rows and you keep x[:10]. How much memory do you keep?",
    "All of it: the slice keeps the storage alive. x[:10].clone() keeps ten rows.",
)
topic.question(
    "When can .view() merge two neighbouring dimensions?",
    "When stride[i] = size[i+1] · stride[i+1]: one step along the left one skips the whole right one. To split is "
    "always possible.",
)
topic.question(
    "What goes wrong when you write into an expanded tensor?",
    "Its rows are one row (stride 0): a write to one element changes all rows.",
)
topic.question(
    "More: does .contiguous() copy?",
    "Only when it must: a contiguous tensor is returned itself. Likewise .reshape copies only where no view exists.",
)
topic.question(
    "More: why does merging attention heads copy, when splitting them does not?",
    "The result of attention lies head by head: a step along the heads skips a whole sequence, and to merge it would "
    "have to skip one head's width. Splitting takes one dimension apart, and that is always a view.",
)
topic.question(
    "More: after y = x.to(device), where is x?",
    "Where it was. A tensor's .to returns a new tensor (or x itself when nothing changes); a module's .to changes "
    "the module.",
)
