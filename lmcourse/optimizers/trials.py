"""The same walk with two optimizers: over a valley of two weights, and on a small Transformer.

For comparing only; notebook 08 hands in the reader's classes and PyTorch's.
"""

import math
from collections.abc import Callable
from typing import Any

from lmcourse.optimizers.schedules import clip_grad_norm_, cosine_lr
from lmcourse.support.optional import Tensor, torch

START = (-2.0, 0.8)  # of a path; the minimum is at (0, 0)


def valley_loss(x: float, y: float, condition: float) -> float:
    """The height at (x, y) of a valley that is `condition` times as steep across (y) as along (x).

    >>> valley_loss(2.0, 1.0, condition=20)
    12.0
    """
    return 0.5 * (x * x + condition * y * y)


def valley_path(
    kind: Callable[..., torch.optim.Optimizer], steps: int, *, condition: float, degrees: float = 0.0, **options: Any
) -> list[tuple[float, float]]:
    """The places of a walk from (−2, 0.8) through a valley, the start among them; without noise.

    With `degrees` the valley is turned, and the start with it; the places are turned back.

    >>> from lmcourse.optimizers import SGD
    >>> valley_path(SGD, 1, condition=2, lr=0.5)
    [(-2.0, 0.8), (-1.0, 0.0)]
    """
    angle = torch.tensor(math.radians(degrees), dtype=torch.float64)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()]).view(2, 2)
    curvatures = turn @ torch.diag(torch.tensor([1.0, condition], dtype=torch.float64)) @ turn.T
    w = (turn @ torch.tensor(START, dtype=torch.float64)).requires_grad_()
    optimizer, path = kind([w], **options), [START]
    for _ in range(steps):
        w.grad = curvatures @ w.detach()
        optimizer.step()
        path.append(tuple((turn.T @ w.detach()).tolist()))
    return path


def trained_weights(
    kind: Callable[..., torch.optim.Optimizer],
    *,
    steps: int = 100,
    rate: Callable[..., float] = cosine_lr,
    clip: Callable = clip_grad_norm_,
    reload: bool = False,
    **options: Any,
) -> Tensor:
    """All weights of a one-layer Transformer after so many steps on the same batches, in one float64 vector.

    Before each step gradients are clipped by `clip` and lr is multiplied by `rate`. With `reload` the optimizer is
    saved half way and loaded into a new one.

    >>> from lmcourse.optimizers import SGD
    >>> trained_weights(SGD, steps=2, lr=0.1).shape
    torch.Size([3632])
    """
    from lmcourse.model import ModelConfig, TransformerLM, cross_entropy

    torch.manual_seed(0)
    model = TransformerLM(ModelConfig(32, context_length=8, d_model=16, num_layers=1, num_heads=2, d_ff=32)).double()
    optimizer = kind(model.parameters(), **options)
    for step in range(1, steps + 1):
        if reload and step == steps // 2:
            saved, optimizer = optimizer.state_dict(), kind(model.parameters(), **options)
            optimizer.load_state_dict(saved)
        ids = torch.randint(32, (2, 9), generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        cross_entropy(model(ids[:, :-1]), ids[:, 1:]).backward()
        clip(model.parameters(), 1.0)
        share = rate(step, max_lr=1.0, min_lr=0.1, warmup_steps=10, total_steps=100)
        for group in optimizer.param_groups:
            group["lr"] = options["lr"] * share
        optimizer.step()
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def far_apart(ours: Callable, theirs: Callable, **options: Any) -> float:
    """The largest difference of two trained models, as a share of how far training moved the weights.

    `ours` also gets the reader's `rate` and `clip`, and is saved and loaded half way; `theirs` gets PyTorch's clipping.

    >>> from lmcourse.optimizers import SGD
    >>> far_apart(SGD, torch.optim.SGD, lr=0.03) < 1e-8
    True
    """
    plain = {name: value for name, value in options.items() if name not in ("rate", "clip")}
    a = trained_weights(ours, reload=True, **options)
    b = trained_weights(theirs, clip=torch.nn.utils.clip_grad_norm_, **plain)
    moved = b - trained_weights(theirs, **plain | {"steps": 0})
    return ((a - b).abs().max() / moved.norm()).item()
