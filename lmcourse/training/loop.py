"""Train a language model: the step on one screen, and the loop that makes it last.

`train` is a generator that yields one `Metrics` a step, so that a `for` loop, a dashboard and a test all watch the same
run. It accumulates gradients over micro-batches, clips, follows a schedule, evaluates, obeys a `Control` while it runs,
and writes checkpoints from which it goes on bit for bit, the middle of an accumulation included. `train_step` is the
same on one screen, without any of that.

Not here: sharded models (PyTorch's `fully_shard`), pipelines, learning-rate schedulers as objects.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from lmcourse.model import cross_entropy
from lmcourse.optimizers import clip_grad_norm_
from lmcourse.training.checkpoints import bare
from lmcourse.training.control import Metrics
from lmcourse.training.trainer import Settings, Trainer


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    x: Int[Tensor, "batch context"],
    y: Int[Tensor, "batch context"],
    max_norm: float = 1.0,
) -> float:
    """One update of the model from one batch; returns the loss before it, in nats per
    token, as a plain number.

    >>> model = nn.Embedding(9, 9)  # the smallest model: a row of logits per token
    >>> optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    >>> x = torch.tensor([[1, 2, 3, 4]])
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


def train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer],
    batches: Iterable[tuple[Int[Tensor, "batch context"], Int[Tensor, "batch context"]]],
    **settings: Any,
) -> Iterator[Metrics]:
    """Train `model` in place and yield a `Metrics` after every optimizer step, up to step number `steps`.

    Args:
        model: ids in, logits out; on the device where it is to be trained. Parts in eval mode stay so; a model that is
            in eval mode as a whole is put in training mode. Wrapped in PyTorch's `DistributedDataParallel` it is
            trained by all processes together.
        optimizer: one, or a list of them that share the parameters (Muon for the matrices, AdamW for the rest).
        batches: any iterable of pairs (x, y): `Batches`, a DataLoader, a list. It begins again at its end. What has
            `state_dict` and `load_state_dict` is resumed at its place; anything else is replayed up to there.
        settings: `steps`, and what else `Settings` lists: schedule, accumulate, max_norm, precision, compile, loss_fn,
            step_fn, evaluation, evaluate_every, checkpoint, checkpoint_every, resume_from, extra, control,
            peak_flop_per_s.

    An interrupt (KeyboardInterrupt) comes through between micro-batches and updates, never inside one; before it is
    passed on, the checkpoint is written. A loop that leaves by `break` has the last checkpoint that was due.

    Raises ValueError or TypeError for an argument that does not fit, at once; ValueError for a schedule's rate that is
    negative or not finite, and `LossDiverged` for such a loss or gradient, before the step is taken.

    >>> import numpy as np
    >>> from lmcourse.data_loading import BatchSampler
    >>> from lmcourse.model import ModelConfig, TransformerLM
    >>> from lmcourse.training import Batches
    >>> model = TransformerLM(ModelConfig(10, context_length=4, d_model=16, num_layers=1, num_heads=2, d_ff=32))
    >>> tokens = np.arange(1000) % 10
    >>> batches = Batches(tokens, BatchSampler(len(tokens), 4, context_length=4))
    >>> records = list(train(model, torch.optim.AdamW(model.parameters(), lr=0.01), batches, steps=40))
    >>> records[-1].step, records[-1].tokens, records[-1].loss < records[0].loss
    (40, 640, True)
    """
    optimizers = list(optimizer) if isinstance(optimizer, list | tuple) else [optimizer]
    trainer = Trainer(model, optimizers, batches, Settings(**settings))
    if trainer.settings.resume_from is not None:
        trainer.load(trainer.settings.resume_from)
    return _loop(trainer, trainer.settings)


def _loop(trainer: Trainer, settings: Settings) -> Iterator[Metrics]:
    if not any(part.training for part in trainer.model.modules()):
        trainer.model.train()
    while trainer.step < settings.steps:
        try:
            trainer.control.wait()
            record = trainer.one_step()
            if record is None or settings.due(settings.checkpoint_every, record.step):
                trainer.save()
            if record is None:
                return
            if settings.evaluation is not None and settings.due(settings.evaluate_every, record.step):
                record = replace(record, val_loss=float(settings.evaluation(bare(trainer.model))))
        except KeyboardInterrupt:
            trainer.save()
            raise
        yield record
