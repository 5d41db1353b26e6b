"""Other ways to write the optimizers of 08, and slips that nobody declared."""

import itertools
import math

import torch

from lmcourse import optimizers


class OneLoop(optimizers.Optimizer):
    def __init__(self, params, lr=1e-3, others=None):
        super().__init__(params, {"lr": lr, **(others or {})})

    @torch.no_grad()
    def step(self, closure=None):
        loss = torch.enable_grad()(closure)() if closure else None
        with_gradient = [(p, g) for g in self.param_groups for p in g["params"] if p.grad is not None]
        for param, group in with_gradient:
            self.update(param, param.grad, self.state[param], group)
        return loss

    def update(self, param, grad, state, group):
        param.add_(grad, alpha=-group["lr"])


def sgd(**methods):
    """A right SGD with some methods replaced."""
    return type("SGD", (OneLoop,), methods)


def momentum(update):
    return type("Momentum", (optimizers.Momentum,), {"update": update})


def averaged(param, grad, state, group):
    buffer = state["momentum_buffer"] = state.get("momentum_buffer", 0) * group["momentum"] + grad
    param.copy_(param - group["lr"] * (grad + group["momentum"] * buffer if group["nesterov"] else buffer))


class Formula(optimizers.PlainAdamW):
    def update(self, param, grad, state, group):
        beta1, beta2 = group["betas"]
        t = state["step"] = state.get("step", 0) + 1
        for name, beta, new in (("exp_avg", beta1, grad), ("exp_avg_sq", beta2, grad * grad)):
            state[name] = torch.lerp(new, state.get(name, torch.zeros_like(param)), beta)
        m, v = state["exp_avg"] / (1 - beta1**t), state["exp_avg_sq"] / (1 - beta2**t)
        param.sub_(group["lr"] * group["weight_decay"] * param).sub_(group["lr"] * m / (v.sqrt() + group["eps"]))


def stretches(step, *, max_lr, min_lr, warmup_steps, total_steps):
    if step < 0 or min_lr < 0 or min_lr > max_lr or warmup_steps < 0 or warmup_steps > total_steps:
        raise ValueError("plan")
    if step < warmup_steps:
        return step * (max_lr / warmup_steps)
    share = 1.0 if step >= total_steps else (step - warmup_steps) / (total_steps - warmup_steps)
    return (max_lr + min_lr) / 2 + math.cos(math.pi * share) * (max_lr - min_lr) / 2


def by_hypot(parameters, max_norm):
    if not max_norm > 0:
        raise ValueError("max_norm")
    params = [p for p in ([parameters] if torch.is_tensor(parameters) else parameters) if p.grad is not None]
    norm = math.hypot(*(value for p in params for value in p.grad.flatten().tolist()))
    if math.isfinite(norm) and norm > max_norm - 1e-6:
        for p in params:
            p.grad *= min(1.0, max_norm / (norm + 1e-6))
    return torch.tensor(norm, dtype=torch.float64)


RIGHT = [
    ("SGD", sgd()),
    ("Momentum", momentum(lambda self, *args: averaged(*args))),
    ("AdamW", Formula),
    ("AdamW", optimizers.AdamW),
    ("AdaGrad", type("AdaGrad", (optimizers.AdaGrad,), {})),
    ("cosine_lr", stretches),
    ("clip_grad_norm_", by_hypot),
    ("clip_grad_norm_", optimizers.clip_grad_norm_),
]


def every_other(self, closure=None):
    for group in itertools.islice(self.param_groups, 1):
        for param in group["params"]:
            if param.grad is not None:
                with torch.no_grad():
                    self.update(param, param.grad, self.state[param], group)


def without_gradients(self, closure=None):
    loss = closure() if closure else None
    OneLoop.step(self)
    return loss


def closure_last(self, closure=None):
    OneLoop.step(self)
    return closure and torch.enable_grad()(closure)()


def kept_in_self(self, param, grad, state, group):
    self.buffer = group["momentum"] * getattr(self, "buffer", 0) + grad
    state["momentum_buffer"] = self.buffer
    param.sub_(group["lr"] * (grad + group["momentum"] * self.buffer if group["nesterov"] else self.buffer))


WRONG = [
    ("SGD", sgd(step=every_other), "the first group alone"),
    ("SGD", sgd(step=torch.no_grad()(without_gradients)), "the closure has no gradients"),
    ("SGD", sgd(step=closure_last), "the closure after the step"),
    ("SGD", sgd(update=lambda self, p, g, s, group: g.zero_() and None), "empties the gradient"),
    ("SGD", sgd(update=lambda self, p, g, s, group: p.sub_(0.1 * g)), "a rate of its own"),
    ("Momentum", momentum(kept_in_self), "one buffer for all parameters"),
    ("Momentum", momentum(lambda self, p, g, s, group: averaged(p, g, s, group | {"nesterov": True})), "looks ahead"),
    ("RMSProp", optimizers.AdaGrad, "another optimizer"),
    ("AdaGrad", optimizers.RMSProp, "another optimizer"),
    ("AdamW", optimizers.Adam, "Adam"),
    ("AdamW", torch.optim.NAdam, "NAdam"),
    ("cosine_lr", lambda step, **plan: stretches(max(step, 0), **plan), "a negative step"),
    ("cosine_lr", lambda step, **plan: stretches(step, **plan | {"min_lr": plan["min_lr"] % 2}), "mends a bad plan"),
    ("cosine_lr", lambda step, **plan: round(stretches(step, **plan), 3), "rounded"),
    ("clip_grad_norm_", lambda params, m: torch.nn.utils.clip_grad_norm_(params, m).item(), "of inf it makes 0"),
    ("clip_grad_norm_", lambda params, m: by_hypot(list(params), m), "a tensor taken for a list"),
    ("clip_grad_norm_", lambda params, m: by_hypot(params, m) and None, "returns nothing"),
]  # fmt: skip
