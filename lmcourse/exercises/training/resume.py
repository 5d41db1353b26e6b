"""Exercise 9.10, resume: cases, hints, typical wrong answers."""

import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from lmcourse import training
from lmcourse.data_loading import BatchSampler
from lmcourse.exercises.cases import probe
from lmcourse.exercises.topic import Topic


@contextmanager
def own_dice():
    """What is drawn inside leaves PyTorch's, NumPy's and Python's generators as they were."""
    before = training.rng_state()
    try:
        yield
    finally:
        training.set_rng_state(before)


class _Process:
    """A process that trains: every step draws a batch, and chance for dropout; Adam, so that there is a memory."""

    def __init__(self, seed: int):
        torch.manual_seed(seed)
        self.model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Dropout(0.5), torch.nn.Linear(4, 1)).double()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.1)
        self.sampler = BatchSampler(1001, batch_size=4, context_length=10, seed=5)

    def go(self, steps: int) -> list[float]:
        losses = []
        for _ in range(steps):
            x = torch.tensor(next(self.sampler), dtype=torch.float64) / 1000
            loss = (self.model(x) - 1).square().mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(round(loss.item(), 9))
        return losses


class _Place:
    """Another kind of sampler: all that it has is load_state_dict."""

    found = None

    def load_state_dict(self, state):
        self.found = state


def _resuming(label: str, look, *, keep=("data", "rng"), sampler=None):
    """The case of three steps, a checkpoint, and a new process that goes on; `look(process, returned)` is compared."""

    def run(function):
        with own_dice(), tempfile.TemporaryDirectory() as folder:
            path, first = Path(folder, "run.pt"), _Process(seed=0)
            first.go(3)
            state = {"data": first.sampler.state_dict(), "rng": training.rng_state()}
            kept = {name: state[name] for name in keep}
            training.save_checkpoint(path, first.model, first.optimizer, 3, **kept)
            second = _Process(seed=1)
            second.sampler = sampler() if sampler else second.sampler
            random.seed(8)
            return look(second, function(path, second.model, second.optimizer, second.sampler))

    return probe(f"resume in a new process, after 3 steps in another: {label}", run)


def _load_model_only(path, model, optimizer, sampler):
    step = training.load_checkpoint(path, model)
    state = training.checkpoint_state(path)
    sampler.load_state_dict(state["data"])
    training.set_rng_state(state["rng"])
    return step


def _no_place(path, model, optimizer, sampler):
    """Begins the data again."""
    step = training.load_checkpoint(path, model, optimizer)
    training.set_rng_state(training.checkpoint_state(path)["rng"])
    return step


def _no_dice(path, model, optimizer, sampler):
    step = training.load_checkpoint(path, model, optimizer)
    sampler.load_state_dict(training.checkpoint_state(path)["data"])
    return step


def _torch_dice_only(path, model, optimizer, sampler):
    """Forgets that NumPy and Python have generators, too."""
    step = _no_dice(path, model, optimizer, sampler)
    torch.set_rng_state(training.checkpoint_state(path)["rng"]["torch"])
    return step


def _nothing_but_the_step(path, model, optimizer, sampler):
    return training.checkpoint_state(path)["step"]


def _takes_what_there_is(path, model, optimizer, sampler):
    """Restores what is in the file, and keeps silent about the rest."""
    state = training.checkpoint_state(path)
    step = training.load_checkpoint(path, model, optimizer)
    if "data" in state:
        sampler.load_state_dict(state["data"])
    if "rng" in state:
        training.set_rng_state(state["rng"])
    return step


def _sets_the_position(path, model, optimizer, sampler):
    """Knows what a BatchSampler is inside; another kind of sampler begins again."""
    state = training.checkpoint_state(path)
    if not {"data", "rng"} <= state.keys():
        raise ValueError("data or rng is missing")
    step = training.load_checkpoint(path, model, optimizer)
    sampler.position = state["data"]["position"]
    training.set_rng_state(state["rng"])
    return step


def _dice_too_early(path, model, optimizer, sampler):
    """Draws once more after the generators were put back."""
    step = training.resume(path, model, optimizer, sampler)
    torch.rand(1)
    return step


def _resume_cases() -> Iterator:
    yield _resuming("what is returned", lambda process, returned: returned)
    yield _resuming("the model's first bias", lambda process, _: process.model[0].bias.tolist())
    yield _resuming("the next batch", lambda process, _: next(process.sampler).tolist())
    yield _resuming("what a sampler of another kind was given", lambda p, _: p.sampler.found, sampler=_Place)
    yield _resuming("torch.rand(2)", lambda process, _: torch.rand(2).tolist())
    yield _resuming("random.random()", lambda process, _: random.random())
    yield _resuming("the losses of four more steps", lambda process, _: process.go(4))
    yield _resuming("from a file that keeps no data", lambda process, returned: returned, keep=("rng",))
    yield _resuming("from a file that keeps no rng", lambda process, returned: returned, keep=("data",))
    yield _resuming("from a file that keeps neither data nor rng", lambda process, returned: returned, keep=())


def declare(topic: Topic) -> None:
    """Declare the exercise resume."""
    topic.exercise(
        training.resume,
        cases=_resume_cases,
        hints=(
            "`checkpoint_state(path)` gives everything beside model and optimizer as a dict; `load_checkpoint` puts "
            "the two back and returns the step. If `data` or `rng` is missing, raise a ValueError that says so.",
            "`step = load_checkpoint(path, model, optimizer)`, `sampler.load_state_dict(state['data'])`, "
            "`set_rng_state(state['rng'])`. The generators come last, so that nothing draws from them afterwards.",
        ),
        wrong={
            "a cold optimizer": _load_model_only,
            "the data from the beginning": _no_place,
            "sets the position of a BatchSampler": _sets_the_position,
            "other dice": _no_dice,
            "PyTorch's dice alone": _torch_dice_only,
            "one draw too many": _dice_too_early,
            "the step and nothing else": _nothing_but_the_step,
            "silent about what is missing": _takes_what_there_is,
        },
        minutes=12,
        level=2,
    )
