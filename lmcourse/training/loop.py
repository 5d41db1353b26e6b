"""Train a language model: the loop, and all that makes it trustworthy.

`train` is a generator that yields one `Metrics` a step, so that a `for` loop, a dashboard and a test all watch the same
run. It accumulates gradients over micro-batches, clips, follows a schedule, evaluates, obeys a `Control` while it runs,
and writes checkpoints from which it goes on bit for bit, the middle of an accumulation included. `train_step` is the
same on one screen, without any of that. `evaluate` and `bits_per_byte` say how good the model is.

Not here: sharded models (PyTorch's `fully_shard`), pipelines, learning-rate schedulers as objects.
"""

import contextlib
import math
import os
import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from lmcourse import data_loading, hardware
from lmcourse.data_loading import BatchSampler, batch_at, read_windows, to_device
from lmcourse.flops import flops_per_token, mfu
from lmcourse.model import ModelConfig, cross_entropy
from lmcourse.optimizers import clip_grad_norm_
from lmcourse.training.checkpoints import (
    bare,
    checkpoint_state,
    load_checkpoint,
    rng_state,
    save_checkpoint,
    set_rng_state,
)

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Metrics:
    """What one optimizer step did."""

    step: int  # optimizer steps done, this one included
    loss: float  # mean over the step's tokens, in nats, before the update
    lr: float  # of the first parameter group
    grad_norm: float  # over all parameters, before clipping
    tokens: int  # targets seen so far
    seconds: float  # that this step took; waiting, evaluation and checkpoints are not in it
    tokens_per_s: float
    mfu: float | None  # model FLOPs utilisation, by the "matmuls" convention of lmcourse.flops; None: peak unknown
    val_loss: float | None = None  # after the update, where it was evaluated
    starts: tuple[int, ...] = ()  # where in the corpus the step's windows begin; empty when the loader does not say


class LossDiverged(ArithmeticError):
    """The loss or its gradient is no longer a finite number. The step was not taken: the model is as before.

    `step` is the one that failed, `starts` says where its batch lies in the corpus, `cause` what probably happened.

    >>> print(LossDiverged(7, math.nan, 2.5, (0, 64), "the learning rate is too high"))
    step 7: the loss is nan and the gradient norm 2.5, on the windows that begin at [0, 64]. Likely cause: the learning
    rate is too high. The model is as it was before this step
    """

    def __init__(self, step: int, loss: float, grad_norm: float, starts: tuple[int, ...], cause: str):
        self.step, self.loss, self.grad_norm, self.starts, self.cause = step, loss, grad_norm, starts, cause
        where = f", on the windows that begin at {list(starts[:8])}{' ...' * (len(starts) > 8)}" if starts else ""
        super().__init__(
            f"step {step}: the loss is {loss} and the gradient norm {grad_norm}{where}. Likely cause: {cause}. "
            "The model is as it was before this step"
        )


class Control:
    """A switch that a loop obeys between its steps: pause, go on, take single steps, change the learning rate, stop.

    Any thread may turn it: a widget's, a test's, a signal handler's.

    >>> control = Control()
    >>> control.pause()
    >>> control.step()
    >>> control.wait()  # returns: one step was granted
    >>> control.resume()
    >>> control.wait(), control.paused
    (None, False)
    """

    def __init__(self) -> None:
        self.paused = False
        self.stopped = False
        self.lr: float | None = None  # instead of the schedule's
        self._granted = threading.Semaphore(0)

    def pause(self) -> None:
        """Wait before the next step."""
        self._granted = threading.Semaphore(0)
        self.paused = True

    def resume(self) -> None:
        """Go on."""
        self.paused = False

    def step(self) -> None:
        """Take one step, then pause (again)."""
        self._granted.release()
        self.paused = True

    def stop(self) -> None:
        """End the run; it writes its checkpoint and can be resumed.

        >>> control = Control()
        >>> control.pause()
        >>> control.stop()
        >>> control.wait()  # returns: what is paused can be stopped
        """
        self.stopped = True

    def set_lr(self, lr: float | None) -> None:
        """Use this learning rate instead of the schedule's; None goes back to the schedule.

        Raises ValueError for a rate below 0 or not finite.

        >>> control = Control()
        >>> control.set_lr(3e-4)
        >>> control.set_lr(math.nan)
        Traceback (most recent call last):
        ValueError: lr: a finite number, 0 or more, or None for the schedule; got nan
        >>> control.lr
        0.0003
        """
        if lr is not None and (isinstance(lr, bool) or not (isinstance(lr, int | float) and 0 <= lr < math.inf)):
            raise ValueError(f"lr: a finite number, 0 or more, or None for the schedule; got {lr!r}")
        self.lr = lr

    def wait(self) -> None:
        """Return when the next step may begin. Sleeps in short naps, so that an interrupt comes through."""
        while self.paused and not self.stopped:
            if self._granted.acquire(blocking=False):
                return
            self.nap()

    def nap(self) -> None:
        """A twentieth of a second; a subclass may do something useful instead.

        >>> class Impatient(Control):
        ...     def nap(self):
        ...         self.resume()
        >>> control = Impatient()
        >>> control.pause()
        >>> control.wait()  # returns after one nap
        """
        time.sleep(0.05)


class Batches:
    """Pairs (x, y) from tokens, without end, in the order of a sampler; remembers its place, ahead of time too.

    Args:
        tokens: the ids, from `open_tokens` or in memory.
        sampler: says which windows come next, and of which length.
        device: where x and y are put.
        prefetch: batches that one thread makes ahead; 0 makes each when it is asked for.

    >>> batches = Batches(np.arange(101), BatchSampler(101, 2, context_length=10, order="sequential"))
    >>> x, y = next(batches)
    >>> x[:, 0], batches.starts
    (tensor([ 0, 10]), (0, 10))
    >>> place = batches.state_dict()
    >>> following = next(batches)[0]
    >>> batches.load_state_dict(place)
    >>> bool((next(batches)[0] == following).all())
    True
    """

    def __init__(
        self,
        tokens: Shaped[np.ndarray, "length"],
        sampler: BatchSampler,
        *,
        device: str | torch.device = "cpu",
        prefetch: int = 0,
    ):
        if sampler.num_tokens != len(tokens):
            raise ValueError(f"sampler: made for {sampler.num_tokens} tokens, got {len(tokens)} tokens")
        if not isinstance(prefetch, int) or prefetch < 0:
            raise ValueError(f"prefetch: a whole number of 0 or more, got {prefetch!r}")
        self.tokens, self.sampler, self.device, self.prefetch = tokens, sampler, device, prefetch
        self.starts: tuple[int, ...] = ()  # of the last batch
        self._state, self._made = sampler.state_dict(), None

    def __iter__(self) -> "Batches":
        return self

    def __next__(self) -> tuple[Int[Tensor, "batch context"], Int[Tensor, "batch context"]]:
        if self._made is None:
            made = self._make()
            self._made = data_loading.prefetch(made, self.prefetch) if self.prefetch else made
        batch, self.starts, self._state = next(self._made)
        return batch

    def _make(self) -> Iterator[tuple]:
        for starts in self.sampler:
            batch = batch_at(self.tokens, starts, self.sampler.context_length, self.device)
            yield batch, tuple(starts.tolist()), self.sampler.state_dict()  # the place travels with the batch

    def state_dict(self) -> dict[str, Any]:
        """The place after the last batch that was handed out, whatever was made ahead."""
        return self._state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a place; ValueError when it is one of other tokens."""
        if self._made is not None:
            self._made.close()  # waits for the thread, which uses the sampler
        self._made = None
        self.sampler.load_state_dict(state)
        self._state = self.sampler.state_dict()


# --- one step, and how good the model is ---------------------------------------------------------------------------


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    x: Int[Tensor, "batch context"],
    y: Int[Tensor, "batch context"],
    max_norm: float = 1.0,
) -> float:
    """One update of the model from one batch; returns the loss before it, in nats a token.

    >>> from lmcourse.model import TransformerLM
    >>> model = TransformerLM(ModelConfig(10, context_length=4, d_model=16, num_layers=1, num_heads=2, d_ff=32))
    >>> optimizer, x = torch.optim.AdamW(model.parameters(), lr=0.01), torch.tensor([[1, 2, 3, 4]])
    >>> losses = [train_step(model, optimizer, x, x + 1) for _ in range(20)]
    >>> losses[-1] < losses[0]
    True
    """
    optimizer.zero_grad()
    loss = cross_entropy(model(x), y)
    loss.backward()
    clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    return loss.item()


@torch.no_grad()
def evaluate(
    model: nn.Module,
    tokens: Shaped[np.ndarray, "length"],
    *,
    context_length: int | None = None,
    batch_size: int = 32,
    max_tokens: int | None = None,
    precision: str = "float32",
) -> float:
    """Mean loss in nats a token, each token but the first predicted once, from what precedes it in its window.

    The windows lie side by side, from the beginning, so the number is the same every time. The model is in eval mode
    meanwhile, and as it was afterwards.

    Args:
        context_length: of the windows; None is the model's own.
        max_tokens: stop after about as many, a whole number of windows; None takes all.
        precision: see `train`.

    Raises ValueError for less than two tokens and for arguments out of range.

    >>> from lmcourse.model import TransformerLM
    >>> model = TransformerLM(ModelConfig(10, context_length=4, d_model=16, num_layers=1, num_heads=2, d_ff=32))
    >>> round(evaluate(model, np.arange(1000) % 10), 1), round(math.log(10), 1)  # it has learnt nothing yet
    (2.3, 2.3)
    """
    context = _whole("context_length", model.config.context_length if context_length is None else context_length)
    _whole("batch_size", batch_size)
    if len(tokens) < 2:
        raise ValueError(f"tokens: at least 2, a token and the next one, got {len(tokens)}")
    whole, rest = divmod(len(tokens) - 1, context)
    if max_tokens is not None and whole:
        whole, rest = min(whole, max(1, _whole("max_tokens", max_tokens) // context)), 0
    groups = [(np.arange(i, min(i + batch_size, whole)) * context, context) for i in range(0, whole, batch_size)]
    if rest:
        groups.append((np.array([whole * context]), rest))
    device, was_training = next(model.parameters()).device, model.training
    model.eval()
    try:
        total = torch.zeros((), dtype=torch.float64 if device.type != "mps" else torch.float32, device=device)
        for starts, size in groups:
            windows = read_windows(tokens, starts, size + 1)
            with _autocast(device, precision):
                logits = model(to_device(windows[:, :-1], device))
            loss = cross_entropy(_wide(logits), to_device(windows[:, 1:], device))
            total += loss.to(total.dtype) * len(starts) * size
    finally:
        model.train(was_training)
    return total.item() / (whole * context + rest)


def bits_per_byte(nats_per_token: float, num_tokens: int, num_bytes: int) -> float:
    """A loss that can be compared between tokenizers: bits that the model needs for a byte of the text.

    Args:
        nats_per_token: the mean loss on the text.
        num_tokens, num_bytes: how many tokens, and how many UTF-8 bytes, the text has.

    Raises ValueError for counts that are not above 0.

    >>> round(bits_per_byte(math.log(256), 100, 100), 6)  # every byte a token, all equally likely
    8.0
    """
    if not (num_tokens > 0 and num_bytes > 0):
        raise ValueError(f"num_tokens and num_bytes: above 0, got {num_tokens} and {num_bytes}")
    return nats_per_token * num_tokens / num_bytes / math.log(2)


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name}: a whole number of 1 or more, got {value!r}")
    return value


def _autocast(device: torch.device, precision: str) -> torch.autocast:
    if precision not in PRECISIONS:
        raise ValueError(f"precision: {', '.join(PRECISIONS)}, got {precision!r}")
    # cache_enabled: the low-precision copy of a weight is made once a forward pass, not once a use.
    return torch.autocast(device.type, PRECISIONS[precision], enabled=precision != "float32")


def _wide(logits: Tensor) -> Tensor:
    """In 32 bits where they were 16: a loss is a sum over the vocabulary. Float64 stays float64."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


# --- the loop ------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold an interrupt (Ctrl-C, the stop button of a notebook) back until the block is done.

    So an optimizer step happens whole or not at all. Threads other than the main one are never interrupted.

    >>> try:
    ...     with uninterrupted():
    ...         signal.raise_signal(signal.SIGINT)
    ...         print("this still happens")
    ... except KeyboardInterrupt:
    ...     print("interrupted")
    this still happens
    interrupted
    """
    in_main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    if not in_main or handler is None:  # None: not set by Python, so Python cannot put it back
        yield
        return
    held: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if held:
        signal.raise_signal(signal.SIGINT)


def train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer],
    batches: Iterable[tuple[Int[Tensor, "batch context"], Int[Tensor, "batch context"]]],
    *,
    steps: int,
    schedule: Callable[[int], float] | None = None,
    accumulate: int = 1,
    max_norm: float | None = 1.0,
    precision: str = "float32",
    compile: bool = False,
    loss_fn: Callable[[Float[Tensor, "batch context vocab"], Int[Tensor, "batch context"]], Tensor] = cross_entropy,
    evaluation: Callable[[nn.Module], float] | None = None,
    evaluate_every: int | None = None,
    checkpoint: str | os.PathLike | None = None,
    checkpoint_every: int | None = None,
    resume_from: str | os.PathLike | None = None,
    extra: dict[str, Any] | None = None,
    control: Control | None = None,
    peak_flop_per_s: float | None = None,
) -> Iterator[Metrics]:
    """Train `model` in place and yield a `Metrics` after every optimizer step, up to step number `steps`.

    Args:
        model: ids in, logits out; on the device where it is to be trained. Wrapped in PyTorch's
            `DistributedDataParallel` it is trained by all processes together.
        optimizer: one, or a list of them that share the parameters (Muon for the matrices, AdamW for the rest).
        batches: any iterable of pairs (x, y): `Batches`, a DataLoader, a list. It begins again at its end. What has
            `state_dict` and `load_state_dict` is resumed at its place; anything else is replayed up to there.
        schedule: the learning rate of update number 1, 2, ... `steps`. It is that of the first parameter group; the
            others keep their ratio to it. None leaves the rates as they are.
        accumulate: micro-batches whose mean gradient makes one update.
        max_norm: gradients are scaled down to this global norm; None does not.
        precision: "float32", or what autocast computes the forward pass in, "bfloat16" or "float16" (then with loss
            scaling; an update whose scaled gradient overflows is skipped). Parameters stay as they are, in 32 bits.
        compile: forward pass and loss as one, through `torch.compile`, which needs a C++ compiler on the CPU.
        loss_fn: mean loss of logits and targets.
        evaluation: takes the model, returns its validation loss; called every `evaluate_every` steps and at the end.
        checkpoint: file to write every `checkpoint_every` steps, at the end, when stopped and when interrupted.
        resume_from: a checkpoint of the same model, optimizer and data: go on from it. In 32 bits on one kind of CPU
            the run is then, bit for bit, what it would have been without a stop.
        extra: more to keep in the checkpoint, under "extra"; a tokenizer's vocabulary, say.
        control: pauses, steps, stops the run and changes its learning rate while it runs.
        peak_flop_per_s: of this device in this precision, for `Metrics.mfu`; None looks in `lmcourse.hardware`.

    An interrupt (KeyboardInterrupt) comes through between micro-batches and updates, never inside one; before it is
    passed on, the checkpoint is written. A loop that leaves by `break` has the last checkpoint that was due.

    Raises ValueError for an argument that does not fit, at once; `LossDiverged` when loss or gradient is not finite.

    >>> from lmcourse.model import TransformerLM
    >>> model = TransformerLM(ModelConfig(10, context_length=4, d_model=16, num_layers=1, num_heads=2, d_ff=32))
    >>> tokens = np.arange(1000) % 10
    >>> batches = Batches(tokens, BatchSampler(len(tokens), 4, context_length=4))
    >>> records = list(train(model, torch.optim.AdamW(model.parameters(), lr=0.01), batches, steps=40))
    >>> records[-1].step, records[-1].tokens, records[-1].loss < records[0].loss
    (40, 640, True)
    """
    _whole("steps", steps)
    _whole("accumulate", accumulate)
    if evaluate_every is not None and evaluation is None:
        raise ValueError(f"evaluate_every: {evaluate_every!r} needs an evaluation, which is None")
    if checkpoint_every is not None and checkpoint is None:
        raise ValueError(f"checkpoint_every: {checkpoint_every!r} needs a checkpoint, which is None")
    evaluate_every = _whole("evaluate_every", steps if evaluate_every is None else evaluate_every)
    checkpoint_every = _whole("checkpoint_every", steps if checkpoint_every is None else checkpoint_every)
    if max_norm is not None and not max_norm > 0:
        raise ValueError(f"max_norm: more than 0, or None, got {max_norm!r}")
    if checkpoint is not None and not Path(checkpoint).absolute().parent.is_dir():
        raise ValueError(f"checkpoint: there is no folder {Path(checkpoint).absolute().parent}")
    run = _Run(
        model=model,
        optimizers=list(optimizer) if isinstance(optimizer, list | tuple) else [optimizer],
        batches=batches,
        schedule=schedule,
        accumulate=accumulate,
        max_norm=max_norm or math.inf,
        precision=precision,
        compile=compile,
        loss_fn=loss_fn,
        checkpoint=checkpoint,
        extra=extra or {},
        control=control or Control(),
        peak=peak_flop_per_s,
    )
    if resume_from is not None:
        run.load(resume_from)
    return _loop(run, steps, evaluation, evaluate_every, checkpoint_every)


def _loop(run: "_Run", steps: int, evaluation: Any, evaluate_every: int, checkpoint_every: int) -> Iterator[Metrics]:
    run.model.train()
    while run.step < steps:
        try:
            run.control.wait()
            record = run.one_step()
            if record is None or record.step == steps or record.step % checkpoint_every == 0:
                run.save()
            if record is None:
                return
            if evaluation is not None and (record.step == steps or record.step % evaluate_every == 0):
                record = replace(record, val_loss=float(evaluation(bare(run.model))))
        except KeyboardInterrupt:
            run.save()
            raise
        yield record


@dataclass
class _Run:
    """A run under way: how it is done, where it is, and the two things that move it, a micro-batch and an update."""

    model: nn.Module
    optimizers: list[torch.optim.Optimizer]
    batches: Iterable
    schedule: Callable[[int], float] | None
    accumulate: int
    max_norm: float
    precision: str
    compile: bool
    loss_fn: Callable
    checkpoint: str | os.PathLike | None
    extra: dict[str, Any]
    control: Control
    peak: float | None

    # What a checkpoint holds, beside model and optimizers.
    step: int = 0
    micro_step: int = 0  # micro-batches of the next update that are done: their gradients are in the parameters
    losses: list[Tensor] = field(default_factory=list)  # of these micro-batches
    starts: list[int] = field(default_factory=list)
    batches_seen: int = 0
    tokens: int = 0
    grad_norms: list[float] = field(default_factory=list)  # the last few, to tell a cause

    def __post_init__(self) -> None:
        self.parameters = list(bare(self.model).parameters())
        self.device = self.parameters[0].device
        if not {parameter for group in self.groups for parameter in group["params"]} <= set(self.parameters):
            raise ValueError("optimizer: holds a parameter that is not the model's; make it from this model")
        for group in self.groups:
            group.setdefault("initial_lr", group["lr"])
        _autocast(self.device, self.precision)  # refuses a wrong one
        # Compiled as one, so that logits in 32 bits, the largest tensor of a step, are never written to memory.
        self.loss_of = torch.compile(self._loss) if self.compile else self._loss
        if self.peak is None:
            tensor_cores = self.precision == "float32" and torch.get_float32_matmul_precision() != "highest"
            self.peak = hardware.peak_flop_per_s(self.device, "tf32" if tensor_cores else self.precision)
        self.parallel = isinstance(self.model, DistributedDataParallel)
        self.world = torch.distributed.get_world_size() if self.parallel else 1
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "float16")
        self.rates = [group["lr"] for group in self.groups]
        self.stream = self._endless()
        self.last: Tensor | None = None  # the last x
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

    def one_step(self) -> Metrics | None:
        """All micro-batches of an update that are still to do, and the update; None when stopped before."""
        began = time.perf_counter()
        tokens_before = self.tokens
        lr = self.set_lr()
        while self.micro_step < self.accumulate:
            self.rng = rng_state(self.device)
            if self._any(self.control.stopped):
                return None
            x, y = next(self.stream)
            with uninterrupted():
                self.micro_batch(x.to(self.device, non_blocking=True), y.to(self.device, non_blocking=True))
        with uninterrupted():
            loss, grad_norm, starts = self.update()
        seconds = time.perf_counter() - began
        rate = (self.tokens - tokens_before) / seconds
        return Metrics(self.step, loss, lr, grad_norm, self.tokens, seconds, rate, self._mfu(rate), None, starts)

    def set_lr(self) -> float:
        """Give all groups their rate for the next update; return the first one's."""
        lr = self.control.lr
        if lr is None and self.schedule is not None:
            lr = float(self.schedule(self.step + 1))
        first = self.groups[0]["initial_lr"]
        for group, rate in zip(self.groups, self.rates):
            ratio = group["initial_lr"] / first if first else 1.0
            group["lr"] = rate if lr is None else lr * ratio
        return self.groups[0]["lr"]

    def _loss(self, x: Tensor, y: Tensor) -> Tensor:
        with _autocast(self.device, self.precision):
            logits = self.model(x)
        return self.loss_fn(_wide(logits), y)

    def micro_batch(self, x: Tensor, y: Tensor) -> None:
        """Add the gradient of one micro-batch."""
        if self.micro_step and self.last is not None and self.last.shape != x.shape:
            raise ValueError(
                "batches: the micro-batches of an update have one shape, else the mean of their means is not the mean; "
                f"got {tuple(self.last.shape)} and {tuple(x.shape)}"
            )
        last = self.micro_step == self.accumulate - 1  # then data parallelism averages the gradients
        with contextlib.nullcontext() if last or not self.parallel else self.model.no_sync():
            loss = self.loss_of(x, y)
            self.scaler.scale(loss / self.accumulate).backward()
        self.losses.append(loss.detach())
        self.starts += getattr(self.batches, "starts", ())
        self.last = x
        self.batches_seen += 1
        self.tokens += y.numel() * self.world
        self.micro_step += 1
        self.rng = rng_state(self.device)

    def update(self) -> tuple[float, float, tuple[int, ...]]:
        """Clip the gradient, let the optimizers use it, and begin anew; return loss, gradient norm and starts."""
        mean = torch.stack(self.losses).mean()
        if self.parallel:
            torch.distributed.all_reduce(mean)
        loss = mean.item() / self.world
        for each in self.optimizers:
            self.scaler.unscale_(each)
        grad_norm = clip_grad_norm_(self.parameters, self.max_norm)
        overflowed = self.scaler.is_enabled() and math.isfinite(loss) and not math.isfinite(grad_norm)
        if not math.isfinite(loss + grad_norm) and not overflowed:
            self._zero_grad()
            cause = likely_cause(bare(self.model), self.last, self.grad_norms, self.groups[0]["lr"])
            raise LossDiverged(self.step + 1, loss, grad_norm, tuple(self.starts), cause)
        for each in self.optimizers:
            if not overflowed:
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

    def _any(self, flag: bool) -> bool:
        """Whether any process says so: they must stop before the same micro-batch, or one waits for the others."""
        if not self.parallel:
            return flag
        flags = torch.tensor(float(flag), device=self.device)
        torch.distributed.all_reduce(flags, torch.distributed.ReduceOp.MAX)
        return bool(flags.item())

    def save(self) -> None:
        """Write the checkpoint, if there is to be one: by the first process, for any number of processes."""
        if self.checkpoint is None:
            return
        gradients = {
            name: parameter.grad
            for name, parameter in bare(self.model).named_parameters()
            if self.micro_step and parameter.grad is not None
        }
        losses = list(self.losses)
        if self.parallel and self.micro_step < self.accumulate:  # after the last one they are averaged already
            gradients = {name: self._mean(gradient) for name, gradient in gradients.items()}
        if self.parallel:
            losses = [self._mean(loss) for loss in losses]
            if torch.distributed.get_rank() != 0:
                return
        with uninterrupted():
            save_checkpoint(
                self.checkpoint,
                self.model,
                self.optimizers,
                self.step,
                micro_step=self.micro_step,
                accumulate=self.accumulate,
                gradients=gradients,
                losses=losses,
                starts=self.starts,
                batches_seen=self.batches_seen,
                tokens=self.tokens,
                grad_norms=self.grad_norms[-HISTORY:],
                scaler=self.scaler.state_dict(),
                data=self.batches.state_dict() if _has_place(self.batches) else None,
                rng=self.rng,
                first_rng=self.first_rng,
                extra=self.extra,
            )

    def _mean(self, tensor: Tensor) -> Tensor:
        tensor = tensor.clone()
        torch.distributed.all_reduce(tensor)
        return tensor / self.world

    def load(self, path: str | os.PathLike) -> None:
        """Become the run that `path` was saved from."""
        state = checkpoint_state(path)
        if "micro_step" not in state:
            raise ValueError(f"resume_from: {path} was not written by train; load_checkpoint reads model and optimizer")
        if state["micro_step"] and state["accumulate"] != self.accumulate:
            raise ValueError(
                f"accumulate: {path} was saved after {state['micro_step']} of {state['accumulate']} micro-batches, "
                f"so it must be {state['accumulate']} here too, got {self.accumulate}"
            )
        if _has_place(self.batches):
            self.batches.load_state_dict(state["data"])
        self.step = load_checkpoint(path, self.model, self.optimizers)
        self.micro_step, self.starts, self.grad_norms = state["micro_step"], state["starts"], state["grad_norms"]
        self.batches_seen, self.tokens = state["batches_seen"], state["tokens"]
        self.losses = [loss.to(self.device) for loss in state["losses"]]
        self.rates = [group["lr"] for group in self.groups]
        for name, parameter in bare(self.model).named_parameters():
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


HISTORY = 20  # gradient norms that are kept to tell a cause


def likely_cause(model: nn.Module, x: Int[Tensor, "batch context"], grad_norms: list[float], lr: float) -> str:
    """Why a loss is not finite, as far as the model itself can tell: it runs the batch again and looks inside.

    >>> layer = nn.Linear(1, 1)
    >>> with torch.no_grad():
    ...     _ = layer.weight.fill_(math.inf)
    >>> likely_cause(layer, torch.ones(1, 1), [], 0.1)
    'weight holds inf or NaN already: an earlier step, or a file that was loaded, broke it'
    """
    for name, parameter in model.named_parameters():
        if not parameter.isfinite().all():
            return f"{name} holds inf or NaN already: an earlier step, or a file that was loaded, broke it"
    recent = [norm for norm in grad_norms[-HISTORY:] if math.isfinite(norm)]
    if len(recent) >= 4 and recent[-1] > 10 * statistics.median(recent):
        return (
            f"the learning rate {lr:.3g} is too high: the gradient norm rose from {statistics.median(recent):.3g} to "
            f"{recent[-1]:.3g} before it broke"
        )
    found: list[str] = []

    def look(name: str) -> Callable:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and not output.isfinite().all() and not found:
                found.append(name)

        return hook

    handles = [module.register_forward_hook(look(name)) for name, module in model.named_modules() if name]
    try:
        with torch.no_grad():
            logits = model(x)
    finally:
        for handle in handles:
            handle.remove()
    if found:
        return f"the weights have grown until {found[0]} overflows: a lower learning rate, a warm-up, or clipping helps"
    if not logits.isfinite().all():
        return "the model computes a logit that is not finite, outside its layers"
    largest = max(parameter.abs().max().item() for parameter in model.parameters())
    if largest > 1e3:
        return f"the learning rate {lr:.3g} is too high: a weight has grown to {largest:.3g}"
    return "weights and logits are finite in 32 bits: look at the loss function, the precision, the backward pass"
