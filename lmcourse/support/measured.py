"""Numbers of a real model, small enough to be trained while you wait: what notebooks show instead of made-up ones."""

import functools

import torch
from jaxtyping import Float
from torch import Tensor

from lmcourse.model import ModelConfig, TransformerLM, cross_entropy
from lmcourse.optimizers import AdamW
from lmcourse.support import corpus


@functools.cache
def gradients(steps: int = 20) -> Float[Tensor, "parameters"]:
    """All gradients of a small Transformer after some training steps, in one row: one number for each parameter.

    The model has two layers of width 64 and reads the bytes of English prose (`corpus.load`); 133,440 parameters.
    The same on every run of one machine; on another the last digits may differ.
    """
    dice = torch.Generator().manual_seed(0)
    text = torch.tensor(list(corpus.load().encode("utf-8")[:100_000]))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = TransformerLM(ModelConfig(256, context_length=64, d_model=64, num_layers=2, num_heads=4, d_ff=176))
    optimizer = AdamW(model.parameters(), lr=3e-3)
    for step in range(steps + 1):
        starts = torch.randint(len(text) - 65, (8,), generator=dice)
        windows = torch.stack([text[start : start + 65] for start in starts])
        optimizer.zero_grad()
        with torch.enable_grad():
            cross_entropy(model(windows[:, :-1]), windows[:, 1:]).backward()
        if step < steps:
            optimizer.step()
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
