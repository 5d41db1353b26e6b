"""Exercise 9.8, cross_entropy: cases, hints, typical wrong answers."""

import itertools
from collections.abc import Iterator

import torch

from lmcourse.exercises.cases import call, noise, probe
from lmcourse.exercises.topic import Topic
from lmcourse.model import cross_entropy


def _entropy_cases() -> Iterator:
    for size in (1, 2, 3):  # every logit out of three, every target
        for row, target in itertools.product(itertools.product((0.0, 2.0, -1.0), repeat=size), range(size)):
            yield call(torch.tensor([row]), torch.tensor([target]))
    far = [[0.0, 0.0], [200.0, 200.0]], [[1000.0, 1000.0], [0.0, 0.0]], [[-1000.0, -1001.0], [90.0, 0.0]]
    for logits, targets in itertools.product(far, itertools.product((0, 1), repeat=2)):
        yield call(torch.tensor(logits), torch.tensor(targets))
    yield call(torch.tensor([[0.0, 200.0]]), torch.tensor([0]))
    for batch, seq, vocab in ((1, 2, 3), (2, 3, 4), (3, 1, 2), (4, 16, 50)):
        targets = torch.randint(vocab, (batch, seq), generator=torch.Generator().manual_seed(vocab))
        yield call(5 * noise(batch, seq, vocab, seed=vocab), targets)
    yield probe("the gradient of logits [[1000, 999, 0]] with target 1", _gradient, scale=1000.0)


def _gradient(function) -> list:
    logits = torch.tensor([[1000.0, 999.0, 0.0]], requires_grad=True)
    function(logits, torch.tensor([1])).backward()
    return logits.grad


def _no_maximum(logits, targets):
    """exp of the logits as they are."""
    at_target = logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    return (logits.exp().sum(dim=-1).log() - at_target).mean()


def _one_maximum(logits, targets):
    """Takes the largest logit of all positions away, so that exp is 0 wherever the others are far below."""
    return _no_maximum(logits - logits.max(), targets)


def _wrong_axis(logits, targets):
    """Shares that sum to one over axis 1, which is the vocabulary only where there is no batch."""
    return -logits.log_softmax(dim=1).gather(-1, targets.unsqueeze(-1)).mean()


def _log_of_softmax(logits, targets):
    """A probability first, which underflows to 0, and then its log."""
    return -torch.softmax(logits, dim=-1).gather(-1, targets.unsqueeze(-1)).log().mean()


def _sums(logits, targets):
    return cross_entropy(logits, targets) * targets.numel()


def _all_of_the_vocabulary(logits, targets):
    """Divides by every logit, not by every position."""
    return cross_entropy(logits, targets) / logits.shape[-1]


def declare(topic: Topic) -> None:
    """Declare the exercise cross_entropy."""
    topic.exercise(
        cross_entropy,
        cases=_entropy_cases,
        hints=(
            "−log softmax(z)[target] = log Σ exp(z) − z[target]: no division is left, and no probability that could "
            "underflow. Subtract the largest logit of a position from all of its logits first; both terms change by "
            "the same.",
            "`logits.amax(dim=-1, keepdim=True)` is that maximum. The logit of each target is "
            "`shifted.gather(-1, targets.unsqueeze(-1)).squeeze(-1)`. The mean comes last, over all positions.",
        ),
        wrong={
            "exp overflows": _no_maximum,
            "one maximum for all positions": _one_maximum,
            "the log of a probability": _log_of_softmax,
            "softmax over the wrong axis": _wrong_axis,
            "a sum": _sums,
            "a mean over the vocabulary too": _all_of_the_vocabulary,
        },
        minutes=12,
        level=2,
    )
