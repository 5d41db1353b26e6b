"""Exercise 9.7, scaled_dot_product_attention: cases, hints, typical wrong answers."""

import math
from collections.abc import Iterator

import torch

from lmcourse.exercises.cases import call, noise
from lmcourse.exercises.topic import Topic
from lmcourse.model import scaled_dot_product_attention, softmax


def _looks() -> Iterator:
    values = torch.tensor([[1.0], [3.0]])
    yield call(torch.zeros(2, 4), torch.zeros(2, 4), values)
    yield call(torch.zeros(2, 4), torch.zeros(2, 4), values, torch.ones(2, 2).tril().bool())
    yield call(torch.tensor([[1.0, 0.0]]), torch.tensor([[4.0, 0.0], [0.0, 4.0]]), values)
    yield call(torch.ones(1, 4), torch.tensor([[1.0] * 4, [0.0] * 4]), values)
    for shape in ((2, 2), (3, 2), (3, 3), (2, 3, 4), (2, 2, 5, 3)):
        query, key = 2 * noise(*shape, seed=1), noise(*shape, seed=2)
        value, mask = noise(*shape[:-1], 2, seed=3), torch.ones(shape[-2], shape[-2]).tril().bool()
        yield call(query, key, value, mask)
        yield call(query, key, value)
    yield call(noise(1, 4, seed=5), noise(3, 4, seed=6), noise(3, 2, seed=7), torch.tensor([[True, False, True]]))
    yield call(100 * torch.ones(1, 4), torch.ones(2, 4), values)


def _mixed(query, key, value, mask, *, root=None, dim=-1, fill=-math.inf):
    """The reference, with a mistake to choose."""
    scores = query @ key.transpose(-1, -2) / (math.sqrt(query.shape[-1]) if root is None else root)
    if mask is not None:
        scores = scores.masked_fill(~mask, fill)
    return softmax(scores, dim) @ value


def _unscaled(query, key, value, mask=None):
    return _mixed(query, key, value, mask, root=1.0)


def _scaled_by_d(query, key, value, mask=None):
    return _mixed(query, key, value, mask, root=query.shape[-1])


def _scaled_by_the_keys(query, key, value, mask=None):
    """The root of the number of keys."""
    return _mixed(query, key, value, mask, root=math.sqrt(key.shape[-2]))


def _mask_upside_down(query, key, value, mask=None):
    """−∞ where the mask is True."""
    if mask is None or bool((~mask).sum(-1).eq(0).any()):
        return _mixed(query, key, value, None if mask is None else mask.flip(-1).flip(-2))
    return _mixed(query, key, value, ~mask)


def _no_mask(query, key, value, mask=None):
    return _mixed(query, key, value, None)


def _zero_scores(query, key, value, mask=None):
    """A score of 0 still has a share: e to 0 is 1."""
    return _mixed(query, key, value, mask, fill=0.0)


def _over_queries(query, key, value, mask=None):
    return _mixed(query, key, value, mask, dim=-2)


def _no_softmax(query, key, value, mask=None):
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    return (scores if mask is None else scores.masked_fill(~mask, 0.0)) @ value


def declare(topic: Topic) -> None:
    """Declare the exercise scaled_dot_product_attention."""
    topic.exercise(
        scaled_dot_product_attention,
        cases=_looks,
        hints=(
            "Four steps: every query times every key; divided by the root of how many numbers a query has; minus "
            "infinity where the mask is False (if there is a mask); softmax, and the shares times the values.",
            "`scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])`, then "
            "`scores.masked_fill(~mask, -math.inf)` where mask is not None, and `softmax(scores) @ value`.",
        ),
        wrong={
            "no root of the size": _unscaled,
            "divides by the size, not by its root": _scaled_by_d,
            "the root of the number of keys": _scaled_by_the_keys,
            "the mask the wrong way round": _mask_upside_down,
            "no mask": _no_mask,
            "a score of 0 where nothing may be seen": _zero_scores,
            "shares that sum to one over the queries": _over_queries,
            "no softmax": _no_softmax,
        },
        minutes=12,
        level=2,
    )
