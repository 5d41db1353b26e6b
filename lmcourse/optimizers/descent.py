"""From stochastic gradient descent to AdamW: two loops, and in each class another rule for one parameter.

`step_downhill` is the idea on one number; `average_in_place` and `corrected` are the two parts of AdamW.
`SGD.step` is what all of them share, the closure and the loop over the groups; `update_group` goes over the parameters
that have a gradient, and `update` says what happens to one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from lmcourse.optimizers.base import Optimizer
from lmcourse.support.optional import Tensor, torch


def step_downhill(weight: float, slope: float, lr: float) -> float:
    """The weight after one step against the slope, lr times as long as the slope.

    >>> step_downhill(5.0, slope=8.0, lr=0.25)
    3.0
    """
    return weight - lr * slope


class SGD(Optimizer):
    """Stochastic gradient descent: param ← param − lr · grad.

    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.1)
    >>> (w**2).sum().backward()  # the gradient at 1 is 2
    >>> optimizer.step()
    >>> w
    tensor([0.8000], requires_grad=True)
    """

    def __init__(self, params: Iterable, lr: float = 1e-3, others: dict | None = None):
        super().__init__(params, {"lr": lr} | (others or {}))  # `others` are the options of a subclass

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """Call the closure, if there is one; update every group; return its loss."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self.update_group(group)
        return loss

    def update_group(self, group: dict) -> None:
        """Call `update` for every parameter of a group that has a gradient."""
        for param in group["params"]:
            if param.grad is not None:
                self.update(param, param.grad, self.state[param], group)

    def update(self, param: Tensor, grad: Tensor, state: dict, group: dict) -> None:
        """Change one parameter in place."""
        param.sub_(group["lr"] * grad)


class Momentum(SGD):
    """SGD along a decaying sum of gradients, kept as `momentum_buffer`.

    buffer ← momentum · buffer + grad; then param ← param − lr · buffer.
    With `nesterov`, param ← param − lr · (grad + momentum · buffer) instead.
    Equals `torch.optim.SGD(momentum=...)`.

    >>> w = torch.zeros(1, requires_grad=True)
    >>> optimizer = Momentum([w], lr=1.0, momentum=0.5)
    >>> for _ in range(2):
    ...     w.grad = torch.ones(1)
    ...     optimizer.step()
    >>> w  # the steps were 1 and 1.5 long
    tensor([-2.5000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        momentum: float = 0.9,
        nesterov: bool = False,
    ):
        super().__init__(params, lr, {"momentum": momentum, "nesterov": nesterov})

    def update(self, param: Tensor, grad: Tensor, state: dict, group: dict) -> None:
        if not state:
            state["momentum_buffer"] = torch.zeros_like(param)
        buffer = state["momentum_buffer"].mul_(group["momentum"]).add_(grad)
        direction = grad + group["momentum"] * buffer if group["nesterov"] else buffer
        param.sub_(group["lr"] * direction)


class AdaGrad(SGD):
    """Each gradient divided by the root of the sum of its squares so far.

    The sum is kept in the state, as `sum`:
    sum ← sum + grad²; then param ← param − lr · grad / (√sum + eps).
    Equals `torch.optim.Adagrad` (Duchi et al. 2011).

    >>> w = torch.zeros(1, requires_grad=True)
    >>> optimizer = AdaGrad([w], lr=1.0)
    >>> for grad in (3.0, 4.0):
    ...     w.grad = torch.full((1,), grad)
    ...     optimizer.step()
    >>> w  # the steps were 3/√9 and 4/√(9 + 16) long
    tensor([-1.8000], requires_grad=True)
    """

    def __init__(self, params: Iterable, lr: float = 1e-2, eps: float = 1e-10):
        super().__init__(params, lr, {"eps": eps})

    def update(self, param: Tensor, grad: Tensor, state: dict, group: dict) -> None:
        if not state:
            state["sum"] = torch.zeros_like(param)
        state["sum"].add_(grad.square())
        param.sub_(group["lr"] * grad / (state["sum"].sqrt() + group["eps"]))


class RMSProp(SGD):
    """Each gradient divided by the root of an average of its squares.

    The average is kept in the state, as `square_avg`:
    square_avg ← alpha · square_avg + (1 − alpha) · grad²;
    then param ← param − lr · grad / (√square_avg + eps).
    Equals `torch.optim.RMSprop` (Hinton 2012).

    >>> w = torch.zeros(1, requires_grad=True)
    >>> optimizer = RMSProp([w], lr=1.0, alpha=0.75)
    >>> w.grad = torch.full((1,), 4.0)
    >>> optimizer.step()
    >>> w  # the average is 0.25 · 16 = 4, its root 2, and the step 4/2 long
    tensor([-2.], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
    ):
        super().__init__(params, lr, {"alpha": alpha, "eps": eps})

    def update(self, param: Tensor, grad: Tensor, state: dict, group: dict) -> None:
        if not state:
            state["square_avg"] = torch.zeros_like(param)
        state["square_avg"].mul_(group["alpha"]).add_((1 - group["alpha"]) * grad.square())
        param.sub_(group["lr"] * grad / (state["square_avg"].sqrt() + group["eps"]))


def average_in_place(average: Tensor, new: Tensor, beta: float) -> Tensor:
    """Move an average toward `new`, in place, and return it.

    average ← beta · average + (1 − beta) · new.

    >>> kept = torch.tensor([2.0])
    >>> average_in_place(kept, torch.tensor([4.0]), beta=0.75)
    tensor([2.5000])
    >>> kept
    tensor([2.5000])
    """
    return average.mul_(beta).add_((1 - beta) * new)


def corrected(average: Tensor, beta: float, step: int) -> Tensor:
    """A new tensor: the average divided by 1 − beta**step.

    That is the share of the way which an average from 0 has come after `step` steps.

    >>> corrected(torch.tensor([0.5]), beta=0.9, step=1)
    tensor([5.])
    """
    return average / (1 - beta**step)


class PlainAdamW(SGD):
    """Adam with decoupled weight decay. Equals `torch.optim.AdamW`.

    State: `step`, which counts updates from 1; `exp_avg`, the average of grad;
    `exp_avg_sq`, the average of grad². m̂ and v̂ are the two, corrected. In this order:
    param ← (1 − lr · weight_decay) · param; then param ← param − lr · m̂ / (√v̂ + eps).

    >>> w = torch.ones(1, requires_grad=True)
    >>> w.grad = torch.tensor([4.0])
    >>> PlainAdamW([w], lr=0.1, weight_decay=0.5).step()
    >>> w  # 1 shrinks to 0.95; m̂ is 4 and √v̂ is 4, so the step is 0.1 long
    tensor([0.8500], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ):
        options = {"betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, lr, options)

    def update(self, param: Tensor, grad: Tensor, state: dict, group: dict) -> None:
        if not state:
            state["step"] = 0
            state["exp_avg"] = torch.zeros_like(param)
            state["exp_avg_sq"] = torch.zeros_like(param)
        state["step"] += 1
        beta1, beta2 = group["betas"]
        param.mul_(1 - group["lr"] * group["weight_decay"])
        m = average_in_place(state["exp_avg"], grad, beta1)
        v = average_in_place(state["exp_avg_sq"], grad.square(), beta2)
        m_hat = corrected(m, beta1, state["step"])
        v_hat = corrected(v, beta2, state["step"])
        param.sub_(group["lr"] * m_hat / (v_hat.sqrt() + group["eps"]))


class AdamW(PlainAdamW):
    """`PlainAdamW` by PyTorch's kernel, which goes once through memory where that one goes a dozen times.

    >>> w = torch.ones(1, requires_grad=True)
    >>> optimizer = AdamW([w], lr=0.1, weight_decay=0.5)
    >>> w.grad = torch.tensor([4.0])
    >>> optimizer.step()
    >>> w  # shrunk by lr · weight_decay, then moved by lr
    tensor([0.8500], requires_grad=True)
    """

    def update_group(self, group: dict) -> None:
        """Update every parameter of a group that has a gradient: those of one kind and step in one call."""
        alike: dict[tuple, list[Tensor]] = {}
        for param in group["params"]:
            if param.grad is None:
                continue
            state = self.state[param]
            if not state:
                state.update(step=0, exp_avg=torch.zeros_like(param), exp_avg_sq=torch.zeros_like(param))
            state["step"] += 1
            alike.setdefault((param.device, param.dtype, state["step"]), []).append(param)
        for (device, _, step), params in alike.items():
            grads, states = [param.grad for param in params], [self.state[param] for param in params]
            m, v = ([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq"))
            steps = [torch.tensor(float(step), device=device)] * len(params)
            beta1, beta2 = group["betas"]
            options = {"beta1": beta1, "beta2": beta2, **{name: group[name] for name in ("lr", "weight_decay", "eps")}}
            torch._fused_adamw_(params, grads, m, v, [], steps, amsgrad=False, maximize=False, **options)


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


# --- what they remember, and how they move one weight -----------------------------------------------------------------


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
    return sum(value.nbytes for value in values if isinstance(value, Tensor))


def steps_under(kind: Callable[..., torch.optim.Optimizer], grads: list[float], **options: Any) -> list[float]:
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


def distance_after(kind: Callable[..., torch.optim.Optimizer], steps: int, curvature: float, **options: Any) -> float:
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
