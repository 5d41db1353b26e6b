"""Exercise 9.2, transformer: cases, hints, typical wrong answers."""

import itertools
from collections.abc import Iterator

import torch

from lmcourse.exercises.cases import call
from lmcourse.exercises.topic import Topic
from lmcourse.exercises.training.block import double, halve, mixed, plus_one, square, tenfold
from lmcourse.model import transformer

TABLE = torch.tensor([[1.0, 2.0], [5.0, 6.0], [-3.0, 0.5]])


def look_up(ids):
    """The rows of the table."""
    return TABLE[ids]


def _whole_cases() -> Iterator:
    for ids in ([1], [0, 2], [[0, 1], [2, 2]]):
        for blocks in ([], [double], [double, plus_one], [plus_one, double], [mixed, square, double]):
            if mixed in blocks and ids == [1]:
                continue
            for norm, head in itertools.permutations((halve, plus_one, tenfold), 2):
                names = ", ".join(each.__name__ for each in blocks)
                shown = f"(torch.tensor({ids}), look_up, [{names}], {norm.__name__}, {head.__name__})"
                yield call(torch.tensor(ids), look_up, blocks, norm, head).said(shown)


def _no_norm(ids, embedding, blocks, norm, head):
    return transformer(ids, embedding, blocks, lambda x: x, head)


def _head_first(ids, embedding, blocks, norm, head):
    return transformer(ids, embedding, blocks, head, norm)


def _last_block(ids, embedding, blocks, norm, head):
    """Every block sees the embedding, and the last one wins."""
    x = embedding(ids)
    out = x
    for layer in blocks:
        out = layer(x)
    return head(norm(out))


def _norm_in_the_loop(ids, embedding, blocks, norm, head):
    x = embedding(ids)
    for layer in blocks:
        x = norm(layer(x))
    return head(x)


def _one_block(ids, embedding, blocks, norm, head):
    return transformer(ids, embedding, blocks[:1], norm, head)


def _backwards(ids, embedding, blocks, norm, head):
    return transformer(ids, embedding, list(blocks)[::-1], norm, head)


def _adds_blocks(ids, embedding, blocks, norm, head):
    """Adds x once more; a block does that inside."""
    x = embedding(ids)
    for layer in blocks:
        x = x + layer(x)
    return head(norm(x))


def _returns_vectors(ids, embedding, blocks, norm, head):
    return transformer(ids, embedding, blocks, norm, lambda x: x)


def declare(topic: Topic) -> None:
    """Declare the exercise transformer."""
    topic.exercise(
        transformer,
        cases=_whole_cases,
        hints=(
            "Ids become vectors. Then a loop over the blocks, each of which makes a new x from x. After the loop the "
            "norm, and then the head.",
            "`x = embedding(ids)`, then `for layer in blocks: x = layer(x)`. Return `head(norm(x))`.",
        ),
        wrong={
            "no norm at the end": _no_norm,
            "the head before the norm": _head_first,
            "every block begins with the embedding": _last_block,
            "the norm after every block": _norm_in_the_loop,
            "only the first block": _one_block,
            "the blocks in reverse": _backwards,
            "adds x again to what a block gives": _adds_blocks,
            "vectors, and no logits": _returns_vectors,
        },
        minutes=6,
        level=1,
    )
