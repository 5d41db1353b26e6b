"""Exercise 9.4, rms_norm: cases, hints, typical wrong answers."""

from collections.abc import Iterator

import torch

from lmcourse.exercises.cases import call, noise, probe
from lmcourse.exercises.topic import Topic
from lmcourse.model import rms_norm


def _norm_cases() -> Iterator:
    yield call(torch.tensor([[1.0, 7.0]]), torch.tensor([1.0, 1.0]))
    yield call(torch.tensor([[3.0, 4.0], [300.0, 400.0]]), torch.tensor([1.0, 1.0]))
    yield call(torch.tensor([[3.0, 4.0]]), torch.tensor([1.0, 10.0]))
    yield call(torch.tensor([[-2.0]]), torch.tensor([3.0]))
    yield call(torch.tensor([[0.0, 0.0]]), torch.tensor([1.0, 1.0]))
    yield call(torch.tensor([[0.001, 0.002]]), torch.tensor([1.0, 1.0]))
    yield call(torch.tensor([1.0, 2.0, 3.0]), torch.ones(3))
    for shape in ((2, 3), (3, 3), (2, 3, 4), (2, 2, 3, 8)):
        yield call(noise(*shape, seed=len(shape)), noise(shape[-1], seed=9))
        yield call(0.003 * noise(*shape, seed=len(shape)) + 0.001, noise(shape[-1], seed=8))
    yield probe("the gradients of x = [[1, 7]] and gain = [1, 10]", _gradients)


def _gradients(function) -> dict:
    rows = [[1.0, 7.0]], [1.0, 10.0]
    x, gain = (torch.tensor(row, dtype=torch.float64, requires_grad=True) for row in rows)
    function(x, gain).sum().backward()
    gradients = {"x": x.grad, "gain": gain.grad}
    return {name: "no gradient" if grad is None else grad for name, grad in gradients.items()}


def _of_all(x, gain):
    """One mean for the whole tensor."""
    return x / (x.square().mean() + 1e-5).sqrt() * gain


def _of_columns(x, gain):
    return x / (x.square().mean(dim=0, keepdim=True) + 1e-5).sqrt() * gain


def _length(x, gain):
    """Divides by the length, the root of the sum."""
    return x / (x.square().sum(dim=-1, keepdim=True) + 1e-5).sqrt() * gain


def _layer_norm(x, gain):
    """Takes the mean away first."""
    return rms_norm(x - x.mean(dim=-1, keepdim=True), gain)


def _no_root(x, gain):
    return x / (x.square().mean(dim=-1, keepdim=True) + 1e-5) * gain


def _no_gain(x, gain):
    return rms_norm(x, torch.ones_like(gain))


def _no_small_number(x, gain):
    return x / x.square().mean(dim=-1, keepdim=True).sqrt() * gain


def _outside_the_root(x, gain):
    return x / (x.square().mean(dim=-1, keepdim=True).sqrt() + 1e-5) * gain


def _gain_without_gradient(x, gain):
    """Cut off from the loss, so the gain is never learned."""
    return rms_norm(x, gain.detach())


def declare(topic: Topic) -> None:
    """Declare the exercise rms_norm."""
    topic.exercise(
        rms_norm,
        cases=_norm_cases,
        hints=(
            "Three steps, from the inside out: the squares, their mean along the last axis, the root of that mean "
            "(with 0.00001 added before the root). Then divide x by it, and multiply by the gain.",
            "`mean_square = x.square().mean(dim=-1, keepdim=True)`; divide by `(mean_square + 1e-5).sqrt()`.",
        ),
        wrong={
            "one mean for all vectors": _of_all,
            "the mean of each column": _of_columns,
            "divides by the length: a sum, where a mean is asked": _length,
            "takes the mean of the numbers away first": _layer_norm,
            "divides by the mean square, without the root": _no_root,
            "no gain": _no_gain,
            "nothing added: 0 / 0 for a vector of zeros": _no_small_number,
            "adds 0.00001 after the root": _outside_the_root,
            "the gain gets no gradient, so it is never learned": _gain_without_gradient,
        },
        minutes=6,
        level=1,
    )
