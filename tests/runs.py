"""Small runs that several tests share, and what the processes do that are killed or that train together."""

import os
import sys
from pathlib import Path

import numpy as np
import torch
import torch._dynamo  # noqa: F401, every optimizer imports it at first: here, once, before processes are forked

from lmcourse.data_loading import BatchSampler
from lmcourse.model import ModelConfig, TransformerLM
from lmcourse.optimizers import AdamW, Muon
from lmcourse.training import Batches, Control, train

TOKENS = np.random.default_rng(0).integers(0, 20, 3000).astype(np.uint16)
CONFIG = ModelConfig(20, context_length=8, d_model=16, num_layers=2, num_heads=2, d_ff=32)


def small_model(seed=0):
    torch.manual_seed(seed)
    return TransformerLM(CONFIG)


def adamw(model):
    return AdamW(model.parameters(), lr=0.01)


def muon(model):
    hidden = [p for name, p in model.named_parameters() if p.dim() == 2 and name.startswith("layers")]
    rest = [p for name, p in model.named_parameters() if p.dim() != 2 or not name.startswith("layers")]
    return [Muon(hidden, lr=0.02), AdamW(rest, lr=0.01)]


def batches(batch_size=2, rank=0, world_size=1, prefetch=0):
    sampler = BatchSampler(len(TOKENS), batch_size, 8, seed=1, rank=rank, world_size=world_size)
    return Batches(TOKENS, sampler, prefetch=prefetch)


def schedule(step):
    return 0.01 / step


def same(model, other):
    return all(map(torch.equal, model.parameters(), other.parameters()))


def stop_after(count, control):
    """A loss that turns the switch off when `count` micro-batches have been computed."""
    from lmcourse.model import cross_entropy

    left = [count]

    def loss(logits, targets):
        left[0] -= 1
        if left[0] == 0:
            control.stop()
        return cross_entropy(logits, targets)

    return loss


def train_until_killed(path, announced):
    """Train with a checkpoint after every step, and write down each step whose checkpoint is complete."""
    torch.set_num_threads(1)
    model = small_model(seed=3)
    resume_from = path if path.exists() else None
    file = os.open(announced, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    records = train(
        model, adamw(model), batches(), steps=10**9, checkpoint=path, checkpoint_every=1, resume_from=resume_from
    )
    for record in records:
        os.write(file, f"{record.step}\n".encode())


def train_together(folder):
    """What each of two processes does under torchrun; test_distributed.py compares it with one process."""
    from torch.nn.parallel import DistributedDataParallel

    torch.distributed.init_process_group("gloo")
    rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()

    def run(optimizer, name, **options):
        model = small_model(seed=5)
        data = batches(batch_size=4 // world, rank=rank, world_size=world)
        wrapped = DistributedDataParallel(model)
        return list(train(wrapped, optimizer(model), data, accumulate=3, checkpoint=folder / f"{name}.pt", **options))

    def sgd(model):
        return torch.optim.SGD(model.parameters(), lr=1.0)

    run(sgd, "gradient", steps=1, max_norm=None)
    records = run(muon, "whole", steps=6, schedule=schedule)
    if rank == 0:
        lines = [f"{record.loss} {record.grad_norm} {record.tokens}" for record in records]
        (folder / "records.txt").write_text("\n".join(lines), encoding="utf-8")
    control = Control()
    options = {"steps": 6, "schedule": schedule, "control": control}
    if rank == 1:  # only one of them is told to stop, in the middle of the third step
        options["loss_fn"] = stop_after(8, control)
    run(muon, "stopped", **options)
    run(muon, "resumed", steps=6, schedule=schedule, resume_from=folder / "alone.pt")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    train_together(Path(sys.argv[1]))
