"""A training under way: where it is, and the two things that move it, a micro-batch and an update.

`lmcourse.training.train` makes a `Trainer` and asks it for step after step. Everything that a checkpoint keeps beside
model and optimizers is an attribute here, so that `save` and `load` can be read side by side.
"""

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from lmcourse import hardware
from lmcourse.flops import flops_per_token, mfu
from lmcourse.model import ModelConfig, cross_entropy
from lmcourse.optimizers import clip_grad_norm_
from lmcourse.support import checks
from lmcourse.training.checkpoints import (
    bare,
    checkpoint_state,
    load_checkpoint,
    plain_parameters,
    rng_state,
    save_checkpoint,
    set_rng_state,
)
from lmcourse.training.control import Control, Metrics, uninterrupted
from lmcourse.training.divergence import HISTORY, LossDiverged, likely_cause
from lmcourse.training.evaluation import autocast, wide


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What `train` can be told besides model, optimizer and batches. Raises `ValueError` for what does not fit.

    >>> Settings(steps=10, max_norm=None).accumulate
    1
    >>> Settings(steps=10, checkpoint_every=5)
    Traceback (most recent call last):
    ValueError: checkpoint_every: needs a checkpoint, got 5 without one
    """

    steps: int  # number of the last step
    # The learning rate of update number 1, 2, ... It is that of the first parameter group; the others keep their ratio
    # to it. None leaves the rates alone.
    schedule: Callable[[int], float] | None = None
    accumulate: int = 1  # micro-batches whose mean gradient makes one update
    max_norm: float | None = 1.0  # gradients are scaled down to this global norm; None does not
    # What autocast computes the forward pass in: "float32", "bfloat16", or "float16" (then with loss scaling; an update
    # whose scaled gradient overflows is skipped). Parameters stay as they are, in 32 bits.
    precision: str = "float32"
    compile: bool = False  # forward pass and loss as one, by torch.compile, which needs a C++ compiler on the CPU
    loss_fn: Callable[[Tensor, Tensor], Tensor] = cross_entropy  # mean loss of logits and targets
    # Called for every update as `train_step` is, in place of loss, backward pass, clipping and optimizers; it is given
    # all optimizers as one. A loss that is no number is found after its step.
    step_fn: Callable[..., float] | None = None
    evaluation: Callable[[nn.Module], float] | None = None  # takes the model, returns its validation loss
    evaluate_every: int | None = None  # steps; and at the end
    checkpoint: str | os.PathLike | None = None  # a file, written at the end, when stopped and when interrupted
    checkpoint_every: int | None = None  # steps
    # A checkpoint of the same model, optimizer and data: go on from it. In 32 bits on one kind of CPU the run is then,
    # bit for bit, what it would have been without a stop.
    resume_from: str | os.PathLike | None = None
    extra: dict[str, Any] | None = None  # more to keep in the checkpoint, under "extra"; a tokenizer's vocabulary, say
    control: Control | None = None  # pauses, steps, stops the run and changes its learning rate while it runs
    peak_flop_per_s: float | None = None  # of this device in this precision, for the MFU; None: as lmcourse.hardware

    def __post_init__(self) -> None:
        checks.whole("steps", self.steps, 1)
        checks.whole("accumulate", self.accumulate, 1)
        for name, needs in {"evaluate_every": "evaluation", "checkpoint_every": "checkpoint"}.items():
            every = getattr(self, name)
            if every is not None and getattr(self, needs) is None:
                raise ValueError(f"{name}: needs {'an' if needs[0] == 'e' else 'a'} {needs}, got {every} without one")
            if every is not None:
                checks.whole(name, every, 1)
        if self.step_fn is not None and (self.accumulate > 1 or self.precision == "float16"):
            raise ValueError("step_fn: needs accumulate=1 and no float16; it does a whole update by itself")
        if self.max_norm is not None and not self.max_norm > 0:
            raise ValueError(f"max_norm: more than 0, or None, got {self.max_norm!r}")
        if self.checkpoint is not None and not Path(self.checkpoint).absolute().parent.is_dir():
            raise ValueError(f"checkpoint: there is no folder {Path(self.checkpoint).absolute().parent}")

    def due(self, every: int | None, step: int) -> bool:
        """Whether something that is done every so many steps, and at the last one, is done after this step.

        >>> [step for step in range(1, 11) if Settings(steps=10).due(4, step)]
        [4, 8, 10]
        """
        return step == self.steps or (every is not None and step % every == 0)


@dataclass(frozen=True)
class Together:
    """Several optimizers as one, for a `step_fn` that knows of one.

    >>> w = nn.Parameter(torch.ones(1))
    >>> w.grad = torch.ones(1)
    >>> Together([torch.optim.SGD([w], lr=0.25)]).step()
    >>> w.item()
    0.75
    """

    optimizers: list[torch.optim.Optimizer]

    def zero_grad(self) -> None:
        """Forget the gradients of all of them."""
        for each in self.optimizers:
            each.zero_grad()

    def step(self) -> None:
        """Let each move its parameters."""
        for each in self.optimizers:
            each.step()


class Trainer:
    """A training under way; `one_step` moves it, `save` and `load` keep it and bring it back.

    model, optimizers, batches, settings: see `lmcourse.training.train`.

    >>> model = nn.Sequential(nn.Embedding(3, 3))
    >>> ids = torch.tensor([[0, 1]])
    >>> trainer = Trainer(model, [torch.optim.SGD(model.parameters(), lr=0.1)], [(ids, ids + 1)], Settings(steps=5))
    >>> trainer.one_step().step, trainer.step
    (1, 1)
    """

    def __init__(
        self, model: nn.Module, optimizers: list[torch.optim.Optimizer], batches: Iterable, settings: Settings
    ):
        self.model, self.optimizers, self.batches, self.settings = model, optimizers, batches, settings
        self.control = settings.control or Control()
        self.parameters = list(model.parameters())
        self.device = self.parameters[0].device
        autocast(self.device, settings.precision)  # refuses a wrong one
        if not {parameter for group in self.groups for parameter in group["params"]} <= set(self.parameters):
            raise ValueError("optimizer: holds a parameter that is not the model's; make it from this model")
        for group in self.groups:
            group.setdefault("initial_lr", group["lr"])
        # Compiled as one, so that logits in 32 bits, the largest tensor of a step, are never written to memory.
        self.loss_of = torch.compile(self._loss) if settings.compile else self._loss
        self.parallel = isinstance(model, DistributedDataParallel)
        self.world = torch.distributed.get_world_size() if self.parallel else 1
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=settings.precision == "float16")
        self.peak = settings.peak_flop_per_s or self._known_peak()
        self.stream = self._endless()
        self.last: Tensor | None = None  # the last x
        self.rates: list[float] | None = None  # of the groups, before one was set by hand

        # What a checkpoint holds, beside model and optimizers.
        self.step = 0
        self.micro_step = 0  # micro-batches of the next update that are done: their gradients are in the parameters
        self.losses: list[Tensor] = []  # of these micro-batches
        self.starts: list[int] = []
        self.batches_seen = self.tokens = 0
        self.grad_norms: list[float] = []  # the last few, to tell a cause
        self.rng = self.first_rng = rng_state(self.device)  # before the next batch, and before the first
        self._zero_grad()

    @property
    def groups(self) -> list[dict[str, Any]]:
        """The parameter groups of all optimizers."""
        return [group for each in self.optimizers for group in each.param_groups]

    def _zero_grad(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None

    def _endless(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            count = 0
            for batch in self.batches:
                if not isinstance(batch, tuple | list) or len(batch) != 2:
                    raise ValueError(f"batches: pairs (x, y) of ids and targets, got a {type(batch).__name__}")
                count += 1
                yield batch
            if not count:
                raise ValueError("batches: has no (more) batches; an iterator cannot begin again, an iterable can")

    # --- a step --------------------------------------------------------------------------------------------------

    def one_step(self) -> Metrics | None:
        """All micro-batches of an update that are still to do, and the update; None when stopped before."""
        began, tokens_before = time.perf_counter(), self.tokens
        self._set_lr()
        while self.micro_step < self.settings.accumulate:
            self.rng = rng_state(self.device)
            if self._any(self.control.stopped):
                return None
            x, y = next(self.stream)
            with uninterrupted():
                self._micro_batch(x.to(self.device, non_blocking=True), y.to(self.device, non_blocking=True))
        lr = self.groups[0]["lr"]
        with uninterrupted():
            loss, grad_norm, starts = self._update()
        seconds = time.perf_counter() - began
        rate = (self.tokens - tokens_before) / seconds
        return Metrics(self.step, loss, lr, grad_norm, self.tokens, seconds, rate, self._mfu(rate), None, starts)

    def _set_lr(self) -> None:
        """Give all groups their rate for the next update: by hand, by the schedule, or the one that they have."""
        if self.control.lr is not None:
            lr = checks.number("control.lr", self.control.lr, least=0)
            self.rates = self.rates or [group["lr"] for group in self.groups]
        elif self.settings.schedule is not None:
            lr = checks.number(f"schedule({self.step + 1})", self.settings.schedule(self.step + 1), least=0)
        else:
            for group, rate in zip(self.groups, self.rates or ()):  # as before it was set by hand
                group["lr"] = rate
            self.rates = None
            return
        first = self.groups[0]["initial_lr"]
        for group in self.groups:
            group["lr"] = lr * (group["initial_lr"] / first if first else 1.0)

    def _loss(self, x: Tensor, y: Tensor) -> Tensor:
        with autocast(self.device, self.settings.precision):
            logits = self.model(x)
        return self.settings.loss_fn(wide(logits), y)

    def _micro_batch(self, x: Tensor, y: Tensor) -> None:
        """Add the gradient of one micro-batch."""
        if self.micro_step and self.last is not None and self.last.shape != x.shape:
            raise ValueError(
                "batches: the micro-batches of an update have one shape, else the mean of their means is not the mean; "
                f"got {tuple(self.last.shape)} and {tuple(x.shape)}"
            )
        last = self.micro_step == self.settings.accumulate - 1  # then data parallelism averages the gradients
        with contextlib.nullcontext() if last or not self.parallel else self.model.no_sync():
            loss = self._own_step(x, y) if self.settings.step_fn else self.loss_of(x, y)
            if self.settings.step_fn is None:
                self.scaler.scale(loss / self.settings.accumulate).backward()
        self.losses.append(loss.detach())
        self.starts += getattr(self.batches, "starts", ())
        self.last = x
        self.batches_seen += 1
        self.tokens += y.numel() * self.world
        self.micro_step += 1
        self.rng = rng_state(self.device)

    def _own_step(self, x: Tensor, y: Tensor) -> Tensor:
        """What `step_fn` does is a whole update; `_update` then only looks at it and begins anew."""
        norms, max_norm = [], self.settings.max_norm or math.inf  # of each gradient, before it is clipped
        hooks = [p.register_post_accumulate_grad_hook(lambda p: norms.append(p.grad.norm())) for p in self.parameters]
        hooks.append(self.model.register_forward_hook(lambda model, args, logits: wide(logits)))
        try:
            with autocast(self.device, self.settings.precision):
                loss = self.settings.step_fn(self.model, Together(self.optimizers), x, y, max_norm)
        finally:
            for hook in hooks:
                hook.remove()
        self.own_norm = math.hypot(*map(float, norms))
        return torch.tensor(loss)

    def _update(self) -> tuple[float, float, tuple[int, ...]]:
        """Clip the gradient, let the optimizers use it, and begin anew; return loss, gradient norm and starts."""
        mean = torch.stack(self.losses).mean()
        if self.parallel:
            torch.distributed.all_reduce(mean)
        loss = mean.item() / self.world
        for each in self.optimizers:
            self.scaler.unscale_(each)
        if self.settings.step_fn:
            grad_norm = self.own_norm
        else:
            grad_norm = clip_grad_norm_(self.parameters, self.settings.max_norm or math.inf)
        overflowed = self.scaler.is_enabled() and math.isfinite(loss) and not math.isfinite(grad_norm)
        if not math.isfinite(loss + grad_norm) and not overflowed:
            self._zero_grad()
            cause = likely_cause(bare(self.model), self.last, self.grad_norms, self.groups[0]["lr"])
            raise LossDiverged(self.step + 1, loss, grad_norm, tuple(self.starts), cause)
        for each in self.optimizers:
            if not overflowed and self.settings.step_fn is None:
                self.scaler.step(each)
        self.scaler.update()
        self._zero_grad()
        starts = tuple(self.starts)
        self.grad_norms.append(grad_norm)
        self.step, self.micro_step, self.losses, self.starts = self.step + 1, 0, [], []
        self.rng = rng_state(self.device)
        return loss, grad_norm, starts

    def _mfu(self, tokens_per_s: float) -> float | None:
        config = getattr(bare(self.model), "config", None)
        if self.peak is None or not isinstance(config, ModelConfig) or not tokens_per_s:
            return None
        return mfu(flops_per_token(config, self.last.shape[1])["matmuls"], tokens_per_s, self.peak, devices=self.world)

    def _known_peak(self) -> float | None:
        precision = self.settings.precision
        tensor_cores = precision == "float32" and torch.get_float32_matmul_precision() != "highest"
        return hardware.peak_flop_per_s(self.device, "tf32" if tensor_cores else precision)

    def _any(self, flag: bool) -> bool:
        """Whether any process says so: they must stop before the same micro-batch, or one waits for the others."""
        if not self.parallel:
            return flag
        flags = torch.tensor(float(flag), device=self.device)
        torch.distributed.all_reduce(flags, torch.distributed.ReduceOp.MAX)
        return bool(flags.item())

    # --- the checkpoint ------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write the checkpoint, if there is to be one: by the first process, for any number of processes."""
        if self.settings.checkpoint is None:
            return
        gradients, losses = self._gradients(), self.losses
        if self.parallel:
            losses = [self._mean(loss) for loss in losses]
            if self.micro_step < self.settings.accumulate:  # after the last one they are averaged already
                gradients = {name: self._mean(gradient) for name, gradient in gradients.items()}
            if torch.distributed.get_rank() != 0:
                return
        state = {
            "micro_step": self.micro_step,
            "accumulate": self.settings.accumulate,
            "gradients": gradients,
            "losses": losses,
            "starts": self.starts,
            "batches_seen": self.batches_seen,
            "tokens": self.tokens,
            "grad_norms": self.grad_norms[-HISTORY:],
            "scaler": self.scaler.state_dict(),
            "data": self.batches.state_dict() if _has_place(self.batches) else None,
            "rng": self.rng,
            "first_rng": self.first_rng,
            "extra": self.settings.extra or {},
        }
        with uninterrupted():
            save_checkpoint(self.settings.checkpoint, self.model, self.optimizers, self.step, **state)

    def _gradients(self) -> dict[str, Tensor]:
        """What the micro-batches of an update have summed up so far; nothing between two updates."""
        named = plain_parameters(self.model).items() if self.micro_step else ()
        return {name: parameter.grad for name, parameter in named if parameter.grad is not None}

    def _mean(self, tensor: Tensor) -> Tensor:
        tensor = tensor.clone()
        torch.distributed.all_reduce(tensor)
        return tensor / self.world

    def load(self, path: str | os.PathLike) -> None:
        """Become the training that `path` was saved from."""
        state = checkpoint_state(path)
        if "micro_step" not in state:
            raise ValueError(f"resume_from: {path} was not written by train; load_checkpoint reads model and optimizer")
        if state["micro_step"] and state["accumulate"] != self.settings.accumulate:
            raise ValueError(
                f"accumulate: {path} was saved after {state['micro_step']} of {state['accumulate']} micro-batches, "
                f"so it must be {state['accumulate']} here too, got {self.settings.accumulate}"
            )
        if _has_place(self.batches):
            self.batches.load_state_dict(state["data"])
        self.step = load_checkpoint(path, self.model, self.optimizers)
        self.micro_step, self.starts, self.grad_norms = state["micro_step"], state["starts"], state["grad_norms"]
        self.batches_seen, self.tokens = state["batches_seen"], state["tokens"]
        self.losses = [loss.to(self.device) for loss in state["losses"]]
        for name, parameter in plain_parameters(self.model).items():
            gradient = state["gradients"].get(name)
            parameter.grad = None if gradient is None else gradient.to(parameter.device)
        self.scaler.load_state_dict(state["scaler"])
        self.first_rng = state["first_rng"]
        if not _has_place(self.batches):  # replay, from the same random numbers
            set_rng_state(self.first_rng, self.device)
            for _ in range(self.batches_seen):
                next(self.stream)
        set_rng_state(state["rng"], self.device)


def _has_place(batches: Any) -> bool:
    return hasattr(batches, "state_dict") and hasattr(batches, "load_state_dict")
