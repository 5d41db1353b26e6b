"""Exercise 9.3, train_step: cases, hints, typical wrong answers."""

import math

import torch

from lmcourse import training
from lmcourse.exercises.cases import probe
from lmcourse.exercises.comparing import difference
from lmcourse.exercises.topic import Topic
from lmcourse.model import cross_entropy
from lmcourse.optimizers import clip_grad_norm_


def _small_model(scale: float = 1.0):
    """The smallest language model: for each token a row of logits, all zero at first, and one more for all of them."""

    class Bigram(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.rows = torch.nn.Parameter(torch.zeros(3, 3, dtype=torch.float64))
            self.bias = torch.nn.Parameter(torch.zeros(3, dtype=torch.float64))

        def forward(self, ids):
            return scale * (self.rows[ids] + self.bias)

    model = Bigram()
    return model, torch.optim.SGD(model.parameters(), lr=1.0)


def _stepping(label: str, *, steps: int = 1, scale: float = 1.0, stale: bool = False, **max_norm: float):
    """The case of some steps with SGD of rate 1; `stale` leaves another batch's gradient in the model before."""

    def run(function):
        model, optimizer = _small_model(scale)
        if stale:
            cross_entropy(model(torch.tensor([[2]])), torch.tensor([[2]])).backward()
        x, y = torch.tensor([[0, 1]]), torch.tensor([[1, 2]])
        losses = [function(model, optimizer, x, y, **max_norm) for _ in range(steps)]
        return {"losses": losses, "rows": model.rows.tolist(), "bias": model.bias.tolist()}

    said = "".join(f", {name}={value}" for name, value in max_norm.items())
    return probe(f"{label}: train_step(model, SGD of rate 1, [[0, 1]], [[1, 2]]{said})", run)


def _kind_of_loss(function) -> str:
    loss = function(*_small_model(), torch.tensor([[0]]), torch.tensor([[1]]))
    return "a tensor with its graph" if getattr(loss, "requires_grad", False) else "a number"


def _never_zeroes(model, optimizer, x, y, max_norm=1.0):
    loss = cross_entropy(model(x), y)
    loss.backward()
    clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    return loss.item()


def _zeroes_before_the_step(model, optimizer, x, y, max_norm=1.0):
    loss = cross_entropy(model(x), y)
    loss.backward()
    clip_grad_norm_(model.parameters(), max_norm)
    optimizer.zero_grad()
    optimizer.step()
    return loss.item()


def _zeroes_after_the_step(model, optimizer, x, y, max_norm=1.0):
    """Right from the second call on: what another loss left behind goes into the first."""
    loss = _never_zeroes(model, optimizer, x, y, max_norm)
    optimizer.zero_grad()
    return loss


def _not_clipped_at_the_step(model, optimizer, x, y, max_norm=1.0):
    """Clips before backward, after the step, or not at all: the weights become the same."""
    return training.train_step(model, optimizer, x, y, math.inf)


def _clips_one_by_one(model, optimizer, x, y, max_norm=1.0):
    """Each weight to that length, so that the direction of the whole gradient changes."""
    optimizer.zero_grad()
    loss = cross_entropy(model(x), y)
    loss.backward()
    for parameter in model.parameters():
        clip_grad_norm_(parameter, max_norm)
    optimizer.step()
    return loss.item()


def _steps_first(model, optimizer, x, y, max_norm=1.0):
    """Uses the gradient of the batch before."""
    optimizer.step()
    optimizer.zero_grad()
    loss = cross_entropy(model(x), y)
    loss.backward()
    clip_grad_norm_(model.parameters(), max_norm)
    return loss.item()


def _loss_after(model, optimizer, x, y, max_norm=1.0):
    training.train_step(model, optimizer, x, y, max_norm)
    return cross_entropy(model(x), y).item()


def _keeps_the_graph(model, optimizer, x, y, max_norm=1.0):
    """Returns the tensor: a list of losses then keeps every activation of the run alive."""
    optimizer.zero_grad()
    loss = cross_entropy(model(x), y)
    loss.backward()
    clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    return loss


def declare(topic: Topic) -> None:
    """Declare the exercise train_step."""
    topic.exercise(
        training.train_step,
        cases=lambda: [
            _stepping("one step", max_norm=100.0),
            _stepping("two steps on one batch", steps=2, max_norm=100.0),
            _stepping("one step whose gradient is longer than max_norm", scale=10.0, max_norm=0.1),
            _stepping("one step whose gradient is longer than 1, max_norm not said", scale=10.0),
            _stepping("one step after another loss left its gradient in the model", stale=True, max_norm=100.0),
            probe("what train_step returns", _kind_of_loss),
            _stepping("ten steps", steps=10, scale=3.0, max_norm=0.5),
        ],
        same=lambda got, want: difference(got, want, rel=1e-4, abs=1e-6),
        hints=(
            "Five lines: forget old gradients, compute the loss, backward, clip, step. Which of them must come before "
            "which?",
            "`optimizer.zero_grad()`, `loss = cross_entropy(model(x), y)`, `loss.backward()`, "
            "`clip_grad_norm_(model.parameters(), max_norm)`, `optimizer.step()`. Return `loss.item()`: a number, not "
            "a tensor that keeps the whole graph alive.",
        ),
        wrong={
            "gradients pile up": _never_zeroes,
            "zeroes before the step": _zeroes_before_the_step,
            "zeroes only after the step": _zeroes_after_the_step,
            "the gradient is not clipped: clip after backward, and before the step": _not_clipped_at_the_step,
            "clips each weight by itself": _clips_one_by_one,
            "steps before backward": _steps_first,
            "the loss after the update": _loss_after,
            "returns the graph": _keeps_the_graph,
        },
        minutes=7,
        level=1,
    )
