"""Optimizers, from stochastic gradient descent to AdamW and Muon, as `torch.optim.Optimizer` subclasses.

`SGD.step` is the loop that every optimizer shares: over the groups, over the parameters that have a gradient. All the
others inherit it and say in `update` what happens to one parameter; `AdamW`, which the course trains with, does all
parameters at once. The names of options and of state are PyTorch's,
so a `state_dict` of `torch.optim` loads here; the learning-rate schedulers and the hooks of PyTorch work too. Below
them: schedules as plain functions of the step, and clipping by global norm.

Not here: `maximize`, `amsgrad`, `dampening`, `centered` and the other rare options; sparse and complex gradients;
fused CUDA kernels (`torch.optim.AdamW(fused=True)`, whose arithmetic is that of `AdamW` below).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from numbers import Real
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

# (least, most, whether the most itself is allowed) of every option that has a range
RANGES = {
    "lr": (0, math.inf, False),
    "weight_decay": (0, math.inf, False),
    "eps": (0, math.inf, False),
    "momentum": (0, math.inf, False),
    "alpha": (0, 1, False),
    "ns_steps": (1, 99, True),
}


class Optimizer(torch.optim.Optimizer):
    """`torch.optim.Optimizer`, which holds the groups, the state and the options; this one refuses bad options by name.

    Raises `ValueError` for an option out of range or a parameter without a fraction, `TypeError` for an option that
    is no number.

    >>> SGD([torch.zeros(2, requires_grad=True)], lr=-1.0)
    Traceback (most recent call last):
    ValueError: lr: at least 0 and less than inf, got -1.0
    """

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group and check its options; `__init__` comes through here too."""
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        for name in RANGES.keys() & group.keys():
            _check_range(name, group[name], *RANGES[name])
        if "betas" in group:
            if not isinstance(group["betas"], tuple | list) or len(group["betas"]) != 2:
                raise TypeError(f"betas: two numbers, got {group['betas']!r}")
            for index, beta in enumerate(group["betas"]):
                _check_range(f"betas[{index}]", beta, 0, 1, False)
        for param in group["params"]:
            if not param.is_floating_point():
                raise ValueError(f"params: floating-point tensors, got one of {param.dtype}")

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore state and options, also those that an optimizer of `torch.optim` saved (its counters are tensors).

        Raises `TypeError` or `ValueError` for what is no state dict, or one of other parameters.

        >>> w = torch.ones(2, requires_grad=True)
        >>> w.grad = torch.ones(2)
        >>> theirs, ours = torch.optim.AdamW([w], lr=0.5), AdamW([w])
        >>> theirs.step()
        >>> ours.load_state_dict(theirs.state_dict())
        >>> ours.param_groups[0]["lr"], ours.state[w]["step"], ours.state[w]["exp_avg"]
        (0.5, 1, tensor([0.1000, 0.1000]))
        """
        if not isinstance(state_dict, dict):
            raise TypeError(f"state_dict: a dict as state_dict() makes it, got {type(state_dict).__name__}")
        try:
            super().load_state_dict(state_dict)
        except KeyError as missing:
            raise ValueError(f"state_dict: a dict as state_dict() makes it, this one lacks {missing}") from None
        for state in self.state.values():
            if "step" in state:
                state["step"] = int(state["step"])


def _check_range(name: str, value: Any, least: float, most: float, inclusive: bool) -> None:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name}: a number, got {value!r}")
    if not (least <= value < most or (inclusive and value == most)):
        raise ValueError(
            f"{name}: at least {least} and {'at most' if inclusive else 'less than'} {most}, got {value!r}"
        )


# --- the optimizers ------------------------------------------------------------------------------------------------


class SGD(Optimizer):
    """Stochastic gradient descent: param ← param − lr · grad.

    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.1)
    >>> (w**2).sum().backward()  # the gradient at 1 is 2
    >>> optimizer.step()
    >>> w
    tensor([0.8000], requires_grad=True)
    """

    def __init__(self, params: Iterable, lr: float = 1e-3):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """Update every parameter that has a gradient; return the closure's loss where there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    self.update(param, param.grad, self.state[param], group)
        return loss

    def update(self, param: Tensor, grad: Tensor, state: dict, group: dict) -> None:
        """Change one parameter in place."""
        param.sub_(group["lr"] * grad)


class Momentum(SGD):
    """SGD along a decaying sum of gradients: buffer ← momentum · buffer + grad; param ← param − lr · buffer.

    A sum, not an average: under a constant gradient it grows to grad / (1 − momentum). With `nesterov` the step looks
    one gradient ahead: grad + momentum · buffer (Sutskever et al. 2013). Equals `torch.optim.SGD(momentum=...)`.

    >>> w = torch.zeros(1, requires_grad=True)
    >>> optimizer = Momentum([w], lr=1.0, momentum=0.9)
    >>> for _ in range(200):
    ...     w.grad = torch.ones(1)
    ...     optimizer.step()
    >>> optimizer.state[w]["momentum_buffer"]
    tensor([10.0000])
    """

    def __init__(self, params: Iterable, lr: float = 1e-3, momentum: float = 0.9, nesterov: bool = False):
        Optimizer.__init__(self, params, {"lr": lr, "momentum": momentum, "nesterov": nesterov})

    def update(self, param: Tensor, grad: Tensor, state: dict, group: dict) -> None:
        if not state:
            state["momentum_buffer"] = torch.zeros_like(param)
        buffer = state["momentum_buffer"].mul_(group["momentum"]).add_(grad)
        direction = grad + group["momentum"] * buffer if group["nesterov"] else buffer
        param.sub_(group["lr"] * direction)


class AdaGrad(SGD):
    """Steps divided by the root of the *sum* of squared gradients (Duchi et al. 2011): they only ever get smaller.

    sum ← sum + grad²; param ← param − lr · grad / (√sum + eps). The first step is ±lr whatever the gradient.
    Equals `torch.optim.Adagrad`.

    >>> w = torch.zeros(1, requires_grad=True)
    >>> optimizer = AdaGrad([w], lr=1.0)
    >>> for _ in range(4):
    ...     w.grad = torch.full((1,), 8.0)
    ...     optimizer.step()
    >>> w  # 1 + 1/√2 + 1/√3 + 1/√4, downhill
    tensor([-2.7845], requires_grad=True)
    """

    def __init__(self, params: Iterable, lr: float = 1e-2, eps: float = 1e-10):
        Optimizer.__init__(self, params, {"lr": lr, "eps": eps})

    def update(self, param: Tensor, grad: Tensor, state: dict, group: dict) -> None:
        if not state:
            state["sum"] = torch.zeros_like(param)
        state["sum"].add_(grad.square())
        param.sub_(group["lr"] * grad / (state["sum"].sqrt() + group["eps"]))


class RMSProp(SGD):
    """AdaGrad with the sum *replaced* by a decaying average, so that old gradients are forgotten (Hinton 2012).

    square_avg ← alpha · square_avg + (1 − alpha) · grad²; param ← param − lr · grad / (√square_avg + eps).
    Equals `torch.optim.RMSprop`.

    >>> w = torch.zeros(1, requires_grad=True)
    >>> optimizer = RMSProp([w], lr=1.0, alpha=0.99)
    >>> w.grad = torch.ones(1)
    >>> optimizer.step()
    >>> w  # the average starts at zero, so the first step is 1/√(1 − alpha) = 10 times lr
    tensor([-10.0000], requires_grad=True)
    """

    def __init__(self, params: Iterable, lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8):
        Optimizer.__init__(self, params, {"lr": lr, "alpha": alpha, "eps": eps})

    def update(self, param: Tensor, grad: Tensor, state: dict, group: dict) -> None:
        if not state:
            state["square_avg"] = torch.zeros_like(param)
        state["square_avg"].mul_(group["alpha"]).add_((1 - group["alpha"]) * grad.square())
        param.sub_(group["lr"] * grad / (state["square_avg"].sqrt() + group["eps"]))


class PlainAdamW(SGD):
    """Adam (Kingma and Ba 2015) with decoupled weight decay (Loshchilov and Hutter 2019).

    m ← β₁ m + (1 − β₁) grad; v ← β₂ v + (1 − β₂) grad²; m̂ = m / (1 − β₁ᵗ); v̂ = v / (1 − β₂ᵗ);
    param ← (1 − lr · weight_decay) · param − lr · m̂ / (√v̂ + eps). Equals `torch.optim.AdamW`.

    >>> w = torch.ones(1, requires_grad=True)
    >>> w.grad = torch.tensor([1e-3])
    >>> AdamW([w], lr=0.1, weight_decay=0.0).step()
    >>> w  # the first step is lr long, whatever the gradient
    tensor([0.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ):
        Optimizer.__init__(self, params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def update(self, param: Tensor, grad: Tensor, state: dict, group: dict) -> None:
        if not state:
            state.update(step=0, exp_avg=torch.zeros_like(param), exp_avg_sq=torch.zeros_like(param))
        state["step"] += 1
        beta1, beta2 = group["betas"]
        param.mul_(1 - group["lr"] * group["weight_decay"])
        m = state["exp_avg"].mul_(beta1).add_((1 - beta1) * grad)
        v = state["exp_avg_sq"].mul_(beta2).add_((1 - beta2) * grad.square())
        m_hat = m / (1 - beta1 ** state["step"])
        v_hat = v / (1 - beta2 ** state["step"])
        param.sub_(group["lr"] * m_hat / (v_hat.sqrt() + group["eps"]))


class AdamW(PlainAdamW):
    """`PlainAdamW`, with one call for all tensors where that one loops over them: the same arithmetic, in less time.

    >>> w = torch.ones(1, requires_grad=True)
    >>> optimizer = AdamW([w], lr=0.1, weight_decay=0.5)
    >>> w.grad = torch.tensor([4.0])
    >>> optimizer.step()
    >>> w  # shrunk by lr · weight_decay, then moved by lr
    tensor([0.8500], requires_grad=True)
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """Update every parameter that has a gradient; return the closure's loss where there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = [param for param in group["params"] if param.grad is not None]
            if not params:
                continue
            for param in params:
                if not self.state[param]:
                    zeros = {"exp_avg": torch.zeros_like(param), "exp_avg_sq": torch.zeros_like(param)}
                    self.state[param].update(step=0, **zeros)
                self.state[param]["step"] += 1
            beta1, beta2 = group["betas"]
            steps = [self.state[param]["step"] for param in params]
            m = [self.state[param]["exp_avg"] for param in params]
            v = [self.state[param]["exp_avg_sq"] for param in params]
            grads = [param.grad for param in params]
            torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_lerp_(m, grads, 1 - beta1)
            torch._foreach_mul_(v, beta2)
            torch._foreach_addcmul_(v, grads, grads, 1 - beta2)
            denominators = torch._foreach_sqrt(v)
            torch._foreach_div_(denominators, [math.sqrt(1 - beta2**t) for t in steps])
            torch._foreach_add_(denominators, group["eps"])
            torch._foreach_addcdiv_(params, m, denominators, [-group["lr"] / (1 - beta1**t) for t in steps])
        return loss


class Adam(PlainAdamW):
    """AdamW's ancestor: weight decay is an L2 term in the gradient, which the division by √v̂ then evens out again.

    Equals `torch.optim.Adam`.

    >>> w = torch.tensor([1.0, 100.0], requires_grad=True)
    >>> optimizer = Adam([w], lr=0.1, weight_decay=0.1)
    >>> w.grad = torch.zeros(2)
    >>> optimizer.step()
    >>> w  # a small and a large weight shrink by the same amount: no decay proportional to the weight
    tensor([ 0.9000, 99.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        super().__init__(params, lr, betas, eps, weight_decay)

    def update(self, param: Tensor, grad: Tensor, state: dict, group: dict) -> None:
        if group["weight_decay"]:
            grad = grad.add(param, alpha=group["weight_decay"])
        super().update(param, grad, state, {**group, "weight_decay": 0.0})


def orthogonalize(
    matrix: Float[Tensor, "rows columns"], steps: int = 5, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "rows columns"]:
    """Bring all singular values of a matrix near 1 (0.7 to 1.2) and keep its singular vectors.

    `steps` rounds of the quintic Newton–Schulz iteration, whose coefficients lift small singular values fast rather
    than settle at 1 (Jordan 2024, kellerjordan.github.io/posts/muon). Raises `ValueError` unless `matrix` is 2-D.

    >>> stretched = torch.diag(torch.tensor([100.0, 30.0, 10.0]))
    >>> bool((orthogonalize(stretched).diag() - 1).abs().max() < 0.35)
    True
    """
    if matrix.dim() != 2:
        raise ValueError(f"matrix: two dimensions, got shape {tuple(matrix.shape)}")
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix.to(dtype)
    if matrix.shape[0] > matrix.shape[1]:
        x = x.T
    x = x / x.norm().clamp(min=1e-7)  # singular values of at most 1
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)  # a x + (b gram + c gram²) x
    return (x.T if matrix.shape[0] > matrix.shape[1] else x).to(matrix.dtype)


class Muon(SGD):
    """Momentum whose update of each weight matrix is orthogonalized, so that it moves all directions alike.

    For the hidden matrices of a model; give embeddings, head, norms and biases to `AdamW`. `adjust_lr_fn` scales the
    step by √max(1, rows / columns) ("original", Jordan 2024) or by 0.2 √max(rows, columns) ("match_rms_adamw", so that
    AdamW's rates can be kept; Liu et al. 2025, arXiv 2502.16982). Equals `torch.optim.Muon` (2.9 and later), which
    orthogonalizes in bfloat16: fast on a GPU, slow on most CPUs, hence `ns_dtype`.

    Raises `ValueError` for a parameter that is no matrix.

    >>> w = torch.nn.Parameter(torch.zeros(2, 2))
    >>> optimizer = Muon([w], lr=1.0, weight_decay=0.0)
    >>> w.grad = torch.tensor([[100.0, 0.0], [0.0, 1.0]])
    >>> optimizer.step()
    >>> -w.detach().diag()  # the gradients differ by a factor of 100, the steps do not
    tensor([0.69..., 0.69...])
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
        ns_dtype: torch.dtype = torch.float32,
    ):
        options = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov}
        options |= {"ns_steps": ns_steps, "adjust_lr_fn": adjust_lr_fn, "ns_dtype": ns_dtype}
        Optimizer.__init__(self, params, options)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        if group["adjust_lr_fn"] not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"adjust_lr_fn: None, 'original' or 'match_rms_adamw', got {group['adjust_lr_fn']!r}")
        for param in group["params"]:
            if param.dim() != 2:
                raise ValueError(f"params: matrices (two dimensions), got a tensor of shape {tuple(param.shape)}")

    def update(self, param: Tensor, grad: Tensor, state: dict, group: dict) -> None:
        if not state:
            state["momentum_buffer"] = torch.zeros_like(param)
        buffer = state["momentum_buffer"].lerp_(grad, 1 - group["momentum"])  # an average here, not a sum
        direction = grad.lerp(buffer, group["momentum"]) if group["nesterov"] else buffer
        rows, columns = param.shape
        scale = math.sqrt(max(1, rows / columns))
        if group["adjust_lr_fn"] == "match_rms_adamw":
            scale = 0.2 * math.sqrt(max(rows, columns))
        param.mul_(1 - group["lr"] * group["weight_decay"])
        param.sub_(group["lr"] * scale * orthogonalize(direction, group["ns_steps"], group["ns_dtype"]))


def state_bytes(optimizer: torch.optim.Optimizer) -> int:
    """Bytes of the tensors that an optimizer remembers between steps, step counters left out.

    >>> w = torch.zeros(1000, requires_grad=True)
    >>> optimizer = AdamW([w])
    >>> w.grad = torch.ones(1000)
    >>> optimizer.step()
    >>> state_bytes(optimizer)  # two float32 a parameter
    8000
    """
    values = (value for state in optimizer.state.values() for name, value in state.items() if name != "step")
    return sum(value.numel() * value.element_size() for value in values if isinstance(value, Tensor))


# --- tools to compare optimizers with, on one weight ----------------------------------------------------------------


def steps_under(kind: Callable[..., torch.optim.Optimizer], grads: list[float], **options) -> list[float]:
    """The changes of one weight under the given gradients, with any optimizer class.

    >>> steps_under(SGD, [1.0, -2.0], lr=0.5)
    [-0.5, 1.0]
    """
    w = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer, changes = kind([w], **options), []
    for grad in grads:
        before = w.item()
        w.grad = torch.full_like(w, grad)
        optimizer.step()
        changes.append(w.item() - before)
    return changes


def distance_after(kind: Callable[..., torch.optim.Optimizer], steps: int, curvature: float, **options) -> float:
    """How far from the minimum a weight is that started at 1.

    >>> distance_after(SGD, 2, curvature=1, lr=0.5)
    0.25
    """
    w = torch.ones(1, dtype=torch.float64, requires_grad=True)
    optimizer = kind([w], **options)
    for _ in range(steps):
        w.grad = curvature * w.detach()
        optimizer.step()
    return abs(w.item())


# --- what surrounds the step ---------------------------------------------------------------------------------------


def cosine_lr(step: int, *, max_lr: float, min_lr: float, warmup_steps: int, total_steps: int) -> float:
    """Learning rate at `step`: linear warm-up from 0, then half a cosine from `max_lr` down to `min_lr`.

    It is `max_lr` at `warmup_steps`, `min_lr` at `total_steps` and after. At step 0 of a warm-up the rate is 0: count
    the first update as step 1 where that matters. Raises `ValueError` when the arguments do not fit together.

    >>> [round(cosine_lr(t, max_lr=1.0, min_lr=0.1, warmup_steps=2, total_steps=6), 3) for t in range(8)]
    [0.0, 0.5, 1.0, 0.868, 0.55, 0.232, 0.1, 0.1]
    """
    if step < 0:
        raise ValueError(f"step: 0 or more, got {step}")
    if not 0 <= min_lr <= max_lr < math.inf:
        raise ValueError(f"min_lr and max_lr: 0 <= min_lr <= max_lr, got {min_lr} and {max_lr}")
    if not 0 <= warmup_steps <= total_steps:
        raise ValueError(f"warmup_steps: from 0 to total_steps = {total_steps}, got {warmup_steps}")
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
    if step < 0:
        raise ValueError(f"step: 0 or more, got {step}")
    if not 0 <= min_lr <= max_lr < math.inf:
        raise ValueError(f"min_lr and max_lr: 0 <= min_lr <= max_lr, got {min_lr} and {max_lr}")
    if warmup_steps < 0 or decay_steps < 0 or warmup_steps + decay_steps > total_steps:
        raise ValueError(
            f"warmup_steps and decay_steps: 0 or more, together at most total_steps = {total_steps}, "
            f"got {warmup_steps} and {decay_steps}"
        )
    if step < warmup_steps:
        return max_lr * step / warmup_steps
    if step >= total_steps:
        return min_lr
    remaining = min(1.0, (total_steps - step) / decay_steps) if decay_steps else 1.0
    return min_lr + remaining * (max_lr - min_lr)


def clip_grad_norm_(parameters: Iterable[Tensor] | Tensor, max_norm: float) -> float:
    """Scale all gradients together, in place, so that their global norm is at most `max_norm`; return the norm before.

    One factor for all, so the direction stays. Gradients whose norm is infinite or NaN are left as they are: look at
    the returned value. Raises `ValueError` when `max_norm` is not above 0.

    >>> a, b = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    >>> a.grad, b.grad = torch.tensor([3.0]), torch.tensor([4.0])
    >>> clip_grad_norm_([a, b], max_norm=1.0)
    5.0
    >>> a.grad, b.grad
    (tensor([0.6000]), tensor([0.8000]))
    """
    if not max_norm > 0:
        raise ValueError(f"max_norm: more than 0, got {max_norm}")
    parameters = [parameters] if isinstance(parameters, Tensor) else parameters
    grads = [param.grad for param in parameters if param.grad is not None]
    if not grads:
        return 0.0
    # 16-bit gradients are squared and summed in 32 bits: 300² is infinite in float16.
    norms = [torch.linalg.vector_norm(g, dtype=torch.promote_types(g.dtype, torch.float32)) for g in grads]
    norm = torch.linalg.vector_norm(torch.stack([each.to(norms[0].device) for each in norms])).item()
    if math.isfinite(norm):
        torch._foreach_mul_(grads, min(1.0, max_norm / (norm + 1e-6)))  # 1e-6 as in torch.nn.utils
    return norm
