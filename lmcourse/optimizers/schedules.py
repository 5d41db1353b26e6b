"""What surrounds the step: the rate as a function of time, and a limit on the gradient."""

from __future__ import annotations

import math
from collections.abc import Iterable

from lmcourse.support.optional import Tensor, torch


def cosine_lr(step: int, *, max_lr: float, min_lr: float, warmup_steps: int, total_steps: int) -> float:
    """The learning rate at `step`: a straight line up, then half a cosine down.

    0 at step 0 of a warm-up, `max_lr` at `warmup_steps`, `min_lr` at `total_steps`
    and after. Raises `ValueError` for a step below 0, and unless
    0 ≤ min_lr ≤ max_lr and 0 ≤ warmup_steps ≤ total_steps.

    >>> plan = {"max_lr": 1.0, "min_lr": 0.1, "warmup_steps": 2, "total_steps": 6}
    >>> [round(cosine_lr(step, **plan), 3) for step in range(8)]
    [0.0, 0.5, 1.0, 0.868, 0.55, 0.232, 0.1, 0.1]
    """
    if not (step >= 0 and 0 <= min_lr <= max_lr and 0 <= warmup_steps <= total_steps):
        raise ValueError(
            f"step, min_lr <= max_lr, warmup_steps <= total_steps: 0 or more and in this order, got step {step}, "
            f"min_lr {min_lr}, max_lr {max_lr}, warmup_steps {warmup_steps}, total_steps {total_steps}"
        )
    if step < warmup_steps:
        return max_lr * step / warmup_steps
    if step >= total_steps:
        return min_lr
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return min_lr + 0.5 * (1 + math.cos(math.pi * progress)) * (max_lr - min_lr)


def wsd_lr(step: int, *, max_lr: float, min_lr: float, warmup_steps: int, decay_steps: int, total_steps: int) -> float:
    """Learning rate at `step`: linear warm-up, a stable stretch at `max_lr`, linear decay over the last `decay_steps`.

    The stable stretch need not know when training ends (Hu et al. 2024, arXiv 2404.06395). Raises `ValueError` when
    the arguments do not fit together.

    >>> options = dict(max_lr=1.0, min_lr=0.0, warmup_steps=2, decay_steps=4, total_steps=10)
    >>> [wsd_lr(t, **options) for t in range(0, 12)]
    [0.0, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """
    around = {"max_lr": max_lr, "min_lr": min_lr, "warmup_steps": warmup_steps, "total_steps": total_steps}
    cosine = cosine_lr(step, **around)  # which warms up alike, ends alike, and refuses what does not fit together
    if not 0 <= decay_steps <= total_steps - warmup_steps:
        raise ValueError(f"decay_steps: from 0 to {total_steps - warmup_steps}, what warm-up leaves, got {decay_steps}")
    if step <= warmup_steps or step >= total_steps:
        return cosine
    remaining = min(1.0, (total_steps - step) / decay_steps) if decay_steps else 1.0
    return min_lr + remaining * (max_lr - min_lr)


def plain_clip_grad_norm_(parameters: Iterable[Tensor] | Tensor, max_norm: float) -> float:
    """Scale all gradients in place by one factor, to a norm of at most `max_norm`.

    Returns the norm before, a float. `parameters` is one tensor, or any iterable of
    tensors, which may be a generator. Those without a gradient are passed over; without
    any gradient the norm is 0. Where the norm is infinite or NaN, all gradients stay as
    they are. Raises `ValueError` when `max_norm` is not above 0.

    >>> a = torch.zeros(1, requires_grad=True)
    >>> b = torch.zeros(1, requires_grad=True)
    >>> a.grad, b.grad = torch.tensor([3.0]), torch.tensor([4.0])
    >>> plain_clip_grad_norm_([a, b], max_norm=1.0)
    5.0
    >>> a.grad, b.grad
    (tensor([0.6000]), tensor([0.8000]))
    """
    if not max_norm > 0:
        raise ValueError(f"max_norm: more than 0, got {max_norm}")
    parameters = [parameters] if isinstance(parameters, Tensor) else parameters
    grads = [param.grad for param in parameters if param.grad is not None]
    norm = math.sqrt(sum(grad.double().square().sum().item() for grad in grads))
    if math.isfinite(norm):
        for grad in grads:
            grad.mul_(min(1.0, max_norm / (norm + 1e-6)))  # 1e-6 as in torch.nn.utils
    return norm


def clip_grad_norm_(parameters: Iterable[Tensor] | Tensor, max_norm: float) -> float:
    """`plain_clip_grad_norm_` in few calls, also where the squares of finite gradients are too large for 32 bits.

    >>> w = torch.zeros(2, requires_grad=True)
    >>> w.grad = torch.tensor([6e23, 8e23])
    >>> f"{clip_grad_norm_(w, max_norm=1.0):.1e}", w.grad
    ('1.0e+24', tensor([0.6000, 0.8000]))
    """
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    norm = _clip_in_32_bits(parameters, max_norm)
    grads = [param.grad for param in parameters if param.grad is not None]
    if norm == math.inf and all(grad.isfinite().all() for grad in grads):
        torch._foreach_mul_(grads, 2.0**-100)
        norm = 2.0**100 * _clip_in_32_bits(parameters, math.inf)
        torch._foreach_mul_(grads, 2.0**100 * min(1.0, max_norm / norm))
    return norm


def _clip_in_32_bits(parameters: list[Tensor], max_norm: float) -> float:
    if not max_norm > 0:
        raise ValueError(f"max_norm: more than 0, got {max_norm}")
    grads = [param.grad for param in parameters if param.grad is not None]
    if not grads:
        return 0.0
    # 16-bit gradients are squared and summed in 32 bits: 300² is infinite in float16.
    norms = [torch.linalg.vector_norm(g, dtype=torch.promote_types(g.dtype, torch.float32)) for g in grads]
    norm = torch.linalg.vector_norm(torch.stack(norms)).item()
    scale = max_norm / (norm + 1e-6)  # 1e-6 as in torch.nn.utils
    if math.isfinite(norm) and scale < 1:
        torch._foreach_mul_(grads, scale)
    return norm
