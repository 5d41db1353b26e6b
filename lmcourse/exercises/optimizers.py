"""Exercises of notebook 08: cases, hints, typical wrong answers. The references are in lmcourse.optimizers."""

import math

import torch

from lmcourse import optimizers
from lmcourse.exercises.judging import call, probe
from lmcourse.exercises.topic import Topic
from lmcourse.optimizers import SGD, AdaGrad, Momentum, PlainAdamW, RMSProp

topic = Topic("optimizers", 8)
check, predict, quiz, ready = topic.check, topic.predict, topic.quiz, topic.ready


def weight(*values: float) -> torch.nn.Parameter:
    """A float64 parameter that holds `values`."""
    return torch.nn.Parameter(torch.tensor(values, dtype=torch.float64))


def walk(kind, grads, *, start=(1.0,), rates=None, **options) -> dict:
    """Step one weight vector through `grads`; where it is then, and what the optimizer remembers of it."""
    w = weight(*start)
    optimizer = kind([w], **options)
    for k, grad in enumerate(grads):
        if rates:
            optimizer.param_groups[0]["lr"] = rates[k]
        w.grad = torch.full_like(w, grad) if isinstance(grad, int | float) else torch.tensor(grad, dtype=w.dtype)
        optimizer.step()
    return {"w": w.detach().tolist(), **tidy(optimizer.state[w])}


def tidy(state) -> dict:
    """An optimizer's state with its tensors as lists, to be compared and shown."""
    return {name: value.tolist() if torch.is_tensor(value) else value for name, value in state.items()}


def walked(label: str, grads, **options):
    """The case of `walk` with these arguments."""
    return probe(label, lambda kind: walk(kind, grads, **options))


# 8.1


def _two_groups(kind) -> list[float]:
    a, b = weight(1.0), weight(1.0)
    a.grad, b.grad = torch.ones_like(a), torch.ones_like(b)
    kind([{"params": [a]}, {"params": [b], "lr": 0.5}], lr=0.1).step()
    return [a.item(), b.item()]


def _one_without_gradient(kind) -> list[float]:
    a, b = weight(1.0), weight(1.0)
    b.grad = torch.ones_like(b)
    kind([a, b], lr=0.1).step()
    return [a.item(), b.item()]


def _closure(kind) -> float | None:
    w = weight(3.0)
    optimizer = kind([w], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (w**2).sum()
        loss.backward()
        return loss

    loss = optimizer.step(closure)
    return loss if loss is None else float(loss.detach())


class _Rebinds(SGD):
    def update(self, param, grad, state, group):
        param = param - group["lr"] * grad


class _OneRateForAll(SGD):
    def update(self, param, grad, state, group):
        super().update(param, grad, state, self.defaults)


class _ForgetsTheLoss(SGD):
    def step(self, closure=None):
        super().step(closure)


class _TripsOverNone(SGD):
    @torch.no_grad()
    def step(self, closure=None):
        loss = closure and torch.enable_grad()(closure)()
        for group in self.param_groups:
            for param in group["params"]:
                self.update(param, param.grad, self.state[param], group)
        return loss


class _Uphill(SGD):
    def update(self, param, grad, state, group):
        param.add_(group["lr"] * grad)


topic.exercise(
    SGD,
    cases=[
        walked("one step of lr 0.1 from w = 1 with gradient 2", [2.0], lr=0.1),
        walked("three steps of lr 0.5", [1.0, -2.0, 4.0], lr=0.5),
        probe("two parameters, of which the first has no gradient (None)", _one_without_gradient),
        probe("two groups with lr 0.1 and 0.5, gradients 1", _two_groups),
        probe("step(closure), which returns the closure's loss, from w = 3", _closure),
    ],
    hints=(
        "Two loops: over `self.param_groups`, and in each over `group['params']`. A parameter whose `.grad` is None is "
        "passed over; for the others call `self.update(param, param.grad, self.state[param], group)`.",
        "`update` must change the tensor itself: `param.sub_(group['lr'] * grad)`. A closure is called first, under "
        "`torch.enable_grad()`, since `step` as a whole runs under `no_grad`; its loss is what `step` returns.",
    ),
    wrong={
        "makes a new tensor and changes nothing": _Rebinds,
        "one rate for all groups": _OneRateForAll,
        "forgets the closure's loss": _ForgetsTheLoss,
        "trips over a missing gradient": _TripsOverNone,
        "walks uphill": _Uphill,
    },
    minutes=10,
    level=1,
)


# 8.2


class _Average(Momentum):
    """The study notes' slip: an average of gradients."""

    def update(self, param, grad, state, group):
        super().update(param, (1 - group["momentum"]) * grad, state, group)


class _RateInside(Momentum):
    """buffer ← momentum · buffer + lr · grad: the same while lr stays, another path when a schedule changes it."""

    def update(self, param, grad, state, group):
        if not state:
            state["momentum_buffer"] = torch.zeros_like(param)
        buffer = state["momentum_buffer"].mul_(group["momentum"]).add_(group["lr"] * grad)
        param.sub_(buffer if not group["nesterov"] else group["lr"] * grad + group["momentum"] * buffer)


class _NeverNesterov(Momentum):
    def update(self, param, grad, state, group):
        super().update(param, grad, state, {**group, "nesterov": False})


class _KeepsNoBuffer(Momentum):
    def update(self, param, grad, state, group):
        super().update(param, grad, {}, group)


topic.exercise(
    Momentum,
    cases=[
        walked("one step of lr 0.1, momentum 0.9, gradient 1", [1.0], lr=0.1, momentum=0.9),
        walked("two steps with gradients 1, 1", [1.0, 1.0], lr=0.1, momentum=0.9),
        walked("three steps with gradients 1, 0, 0", [1.0, 0.0, 0.0], lr=0.1, momentum=0.5),
        walked("lr going from 0.1 to 0.01 between two steps", [1.0, 1.0], lr=0.1, momentum=0.9, rates=[0.1, 0.01]),
        walked("three steps with nesterov=True", [1.0, 2.0, -1.0], lr=0.1, momentum=0.9, nesterov=True),
        walked("a hundred steps of gradient 1", [1.0] * 100, lr=0.01, momentum=0.9),
    ],
    hints=(
        "`state` is an empty dict at a parameter's first step: put `torch.zeros_like(param)` there under the name "
        "`momentum_buffer`. Later steps find it again.",
        "`buffer.mul_(group['momentum']).add_(grad)` changes the stored tensor. The rate multiplies what is subtracted "
        "from the parameter, not what goes into the buffer. With `nesterov` the direction is grad + momentum · buffer.",
    ),
    wrong={
        "an average of gradients": _Average,
        "the rate inside the buffer": _RateInside,
        "nesterov ignored": _NeverNesterov,
        "keeps no buffer": _KeepsNoBuffer,
    },
    minutes=10,
    level=1,
)


# 8.3 and 8.4


class _AveragesSquares(AdaGrad):
    """The study notes' slip: the average of the squares, so that the steps never shrink."""

    def update(self, param, grad, state, group):
        count = state.pop("count", 0) + 1
        super().update(param, grad, state, {**group, "lr": 0.0})
        param.sub_(group["lr"] * grad / ((state["sum"] / count).sqrt() + group["eps"]))
        state["count"] = count


class _NoRoot(AdaGrad):
    def update(self, param, grad, state, group):
        super().update(param, grad, state, {**group, "lr": 0.0})
        param.sub_(group["lr"] * grad / (state["sum"] + group["eps"]))


class _EpsInsideSum(AdaGrad):
    def update(self, param, grad, state, group):
        super().update(param, grad, state, {**group, "lr": 0.0})
        param.sub_(group["lr"] * grad / (state["sum"] + group["eps"]).sqrt())


topic.exercise(
    AdaGrad,
    cases=[
        walked("one step of lr 0.1 with gradient 8", [8.0], lr=0.1),
        walked("four steps of lr 1 with gradient 2", [2.0] * 4, lr=1.0),
        walked("gradients 3, 4", [3.0, 4.0], lr=0.1),
        walked("two weights with gradients 1 and 1000", [[1.0, 1000.0]] * 3, start=(0.0, 0.0), lr=0.1),
        walked("a gradient of 1e-4 with eps 1e-4", [1e-4], lr=0.1, eps=1e-4),
    ],
    hints=(
        "The state is one tensor, `sum`. It grows by the square of each gradient and is never made smaller.",
        "`state['sum'].add_(grad.square())`, then subtract lr · grad / (√sum + eps): the root first, then eps.",
    ),
    wrong={
        "averages the squares": _AveragesSquares,
        "forgets the root": _NoRoot,
        "eps inside the root": _EpsInsideSum,
    },
    minutes=5,
    level=1,
)


class _StillSums(RMSProp):
    def update(self, param, grad, state, group):
        super().update(param, grad, state, {**group, "lr": 0.0})
        state["square_avg"].add_(group["alpha"] * grad.square())
        param.sub_(group["lr"] * grad / (state["square_avg"].sqrt() + group["eps"]))


class _WeightsSwapped(RMSProp):
    """alpha on the new square, 1 − alpha on the old average."""

    def update(self, param, grad, state, group):
        super().update(param, grad, state, {**group, "alpha": 1 - group["alpha"]})


class _EpsInsideAverage(RMSProp):
    def update(self, param, grad, state, group):
        super().update(param, grad, state, {**group, "lr": 0.0})
        param.sub_(group["lr"] * grad / (state["square_avg"] + group["eps"]).sqrt())


topic.exercise(
    RMSProp,
    cases=[
        walked("one step of lr 0.1 with gradient 1", [1.0], lr=0.1, alpha=0.99),
        walked("two steps with gradients 1, 3", [1.0, 3.0], lr=0.1, alpha=0.9),
        walked("a gradient of 100, then nine of 1", [100.0] + [1.0] * 9, lr=0.1, alpha=0.5),
        walked("a gradient of 1e-4 with eps 1e-4", [1e-4], lr=0.1, eps=1e-4),
    ],
    hints=(
        "Your AdaGrad with one line changed: the sum is replaced by an average that forgets.",
        "`state['square_avg'].mul_(group['alpha']).add_((1 - group['alpha']) * grad.square())`.",
    ),
    wrong={
        "a sum that decays": _StillSums,
        "alpha on the new square": _WeightsSwapped,
        "eps inside the root": _EpsInsideAverage,
    },
    minutes=5,
    level=1,
)


# 8.5


class _NoCorrection(PlainAdamW):
    def update(self, param, grad, state, group):
        super().update(param, grad, state, {**group, "lr": 0.0})
        param.mul_(1 - group["lr"] * group["weight_decay"])
        param.sub_(group["lr"] * state["exp_avg"] / (state["exp_avg_sq"].sqrt() + group["eps"]))


class _L2(PlainAdamW):
    """Adam with the decay in the gradient."""

    def update(self, param, grad, state, group):
        super().update(param, grad + group["weight_decay"] * param, state, {**group, "weight_decay": 0.0})


class _EpsInside(PlainAdamW):
    def update(self, param, grad, state, group):
        super().update(param, grad, state, {**group, "lr": 0.0})
        beta1, beta2 = group["betas"]
        m_hat = state["exp_avg"] / (1 - beta1 ** state["step"])
        v_hat = state["exp_avg_sq"] / (1 - beta2 ** state["step"])
        param.mul_(1 - group["lr"] * group["weight_decay"])
        param.sub_(group["lr"] * m_hat / (v_hat + group["eps"]).sqrt())


class _EpsBeforeCorrection(PlainAdamW):
    """The form of CS336's handout: eps is added to √v, before the correction."""

    def update(self, param, grad, state, group):
        super().update(param, grad, state, {**group, "lr": 0.0})
        beta1, beta2 = group["betas"]
        rate = group["lr"] * math.sqrt(1 - beta2 ** state["step"]) / (1 - beta1 ** state["step"])
        param.mul_(1 - group["lr"] * group["weight_decay"])
        param.sub_(rate * state["exp_avg"] / (state["exp_avg_sq"].sqrt() + group["eps"]))


class _SharedClock(PlainAdamW):
    """One step count for all parameters, which runs once for each."""

    count = 0

    def update(self, param, grad, state, group):
        if state:
            state["step"] = self.count
        else:
            zeros = {"exp_avg": torch.zeros_like(param), "exp_avg_sq": torch.zeros_like(param)}
            state.update(step=self.count, **zeros)
        super().update(param, grad, state, group)
        self.count += 1


def _moments(kind) -> dict:
    found = walk(kind, [2.0], lr=0.1, betas=(0.9, 0.99), weight_decay=0.0)
    return {name: found.get(name) for name in ("exp_avg", "exp_avg_sq")}


def _two_parameters(kind) -> list[float]:
    a, b = weight(0.0), weight(0.0)
    optimizer = kind([a, b], lr=0.1, weight_decay=0.0)
    for grad in (1.0, 2.0, 3.0):
        a.grad, b.grad = torch.full_like(a, grad), torch.full_like(b, grad)
        optimizer.step()
    return [a.item(), b.item()]


topic.exercise(
    PlainAdamW,
    name="AdamW",
    cases=[
        probe("state after one step with gradient 2, betas (0.9, 0.99): the two averages", _moments),
        walked("one step of lr 0.1 with gradient 2, no decay", [2.0], lr=0.1, weight_decay=0.0),
        walked("three steps with gradients 1, −2, 3, no decay", [1.0, -2.0, 3.0], lr=0.1, weight_decay=0.0),
        walked("a gradient of 1e-8, no decay", [1e-8], lr=0.1, weight_decay=0.0),
        probe("two parameters with the same gradients, three steps", _two_parameters),
        walked("weights 1 and 100, gradient 0, weight_decay 0.5", [0.0], start=(1.0, 100.0), lr=0.1, weight_decay=0.5),
        walked("three steps with decay", [1.0, -2.0, 3.0], start=(1.0, -5.0), lr=0.1, weight_decay=0.1),
    ],
    hints=(
        "Grow it: first the two averages `exp_avg` and `exp_avg_sq` (RMSProp has the second), then `step`, which "
        "counts this parameter's updates from 1, and the division by 1 − βᵗ, then the decay.",
        "The averages in `state` stay uncorrected; m̂ and v̂ are made from them for this step only. eps is added to √v̂. "
        "The decay shrinks the parameter, `param.mul_(1 - lr * weight_decay)`, before the step and never enters grad.",
    ),
    wrong={
        "no bias correction": _NoCorrection,
        "decay in the gradient": _L2,
        "eps inside the root": _EpsInside,
        "eps before the correction": _EpsBeforeCorrection,
        "one step count for all parameters": _SharedClock,
    },
    minutes=15,
    level=3,
)


# 8.6


def _progress_from_zero(step, *, max_lr, min_lr, warmup_steps, total_steps):
    if step < warmup_steps:
        return max_lr * step / warmup_steps
    progress = min(1.0, step / total_steps)
    return min_lr + 0.5 * (1 + math.cos(math.pi * progress)) * (max_lr - min_lr)


def _rises_again(step, *, max_lr, min_lr, warmup_steps, total_steps):
    if step < warmup_steps:
        return max_lr * step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return min_lr + 0.5 * (1 + math.cos(math.pi * progress)) * (max_lr - min_lr)


def _down_to_zero(step, *, max_lr, min_lr, warmup_steps, total_steps):
    return optimizers.cosine_lr(step, max_lr=max_lr, min_lr=0.0, warmup_steps=warmup_steps, total_steps=total_steps)


_COSINE = {"max_lr": 1.0, "min_lr": 0.1, "warmup_steps": 4, "total_steps": 12}

topic.exercise(
    optimizers.cosine_lr,
    cases=[
        call(4, **_COSINE),
        call(2, **_COSINE),
        call(0, **_COSINE),
        call(8, **_COSINE),
        call(5, **_COSINE),
        call(12, **_COSINE),
        call(20, **_COSINE),
        call(0, max_lr=3e-4, min_lr=0.0, warmup_steps=0, total_steps=10),
        call(999, max_lr=3e-4, min_lr=3e-5, warmup_steps=100, total_steps=1000),
    ],
    hints=(
        "Three stretches: before `warmup_steps`, up to `total_steps`, after. In the middle one a progress runs from 0 "
        "to 1.",
        "progress = (step − warmup_steps) / (total_steps − warmup_steps); (1 + cos(π · progress)) / 2 falls from 1 to "
        "0, and the rate is min_lr plus that share of (max_lr − min_lr).",
    ),
    wrong={
        "progress counted from step 0": _progress_from_zero,
        "rises again after the end": _rises_again,
        "falls to zero instead of min_lr": _down_to_zero,
    },
    minutes=5,
    level=2,
)


# 8.7


def _clipped(grads, max_norm):
    """The case of clipping gradients, each given as a list of numbers or None."""

    def clip(function):
        params = [weight(*(0.0 for _ in grad or [0.0])) for grad in grads]
        for param, grad in zip(params, grads):
            param.grad = None if grad is None else torch.tensor(grad, dtype=torch.float64)
        norm = function(params, max_norm)
        return {"norm": norm, "grads": [None if p.grad is None else p.grad.tolist() for p in params]}

    return probe(f"gradients {grads}, max_norm {max_norm}", clip)


def _each_by_itself(parameters, max_norm):
    norm = optimizers.clip_grad_norm_(list(parameters), math.inf)
    for param in parameters:
        optimizers.clip_grad_norm_([param], max_norm)
    return norm


def _each_element(parameters, max_norm):
    norm = optimizers.clip_grad_norm_(parameters, math.inf)
    torch.nn.utils.clip_grad_value_(parameters, max_norm)
    return norm


def _scales_up(parameters, max_norm):
    norm = optimizers.clip_grad_norm_(parameters, math.inf)
    for param in parameters:
        if param.grad is not None:
            param.grad.mul_(max_norm / (norm + 1e-6))
    return norm


def _norm_after(parameters, max_norm):
    return min(max_norm, optimizers.clip_grad_norm_(parameters, max_norm))


topic.exercise(
    optimizers.clip_grad_norm_,
    cases=[
        _clipped([[3.0]], 1.0),
        _clipped([[3.0], [4.0]], 1.0),
        _clipped([[0.3, 0.4]], 1.0),
        _clipped([[3.0, 0.0], None, [0.0, 4.0]], 2.5),
        _clipped([[0.0]], 1.0),
        _clipped([None], 1.0),
        _clipped([[1e-3] * 3, [2e3]], 10.0),
    ],
    hints=(
        "One norm for all gradients together: the root of the sum of all squares. Then one factor for all.",
        "factor = min(1, max_norm / (norm + 1e-6)); multiply each gradient in place, `grad.mul_(factor)`. Return the "
        "norm from before, as a float.",
    ),
    wrong={
        "clips each parameter by itself": _each_by_itself,
        "clips each element": _each_element,
        "scales small gradients up": _scales_up,
        "returns the norm after clipping": _norm_after,
    },
    minutes=10,
    level=2,
)


# Predictions


topic.prediction(
    "momentum_length",
    answer=10.0,
    tolerance=0.01,
    why="1 + 0.9 + 0.81 + … = 1 / (1 − 0.9). PyTorch's momentum is a decaying sum, ten times an average.",
    remarks={1.0: "That would be an average of gradients, which is what the study notes say."},
)
topic.prediction(
    "adagrad_step",
    answer=0.1,
    tolerance=0.01,
    why="The sum of a hundred equal squares is 100 g², its root 10 g: the step is lr · g / 10 g, whatever g is.",
    remarks={1.0: "That would be an average of the squares: its root stays at g.", 0.01: "The root is missing."},
)
topic.prediction(
    "adam_first_step",
    answer=1e-3,
    tolerance=0.02,
    why="At the first step m̂ = g and v̂ = g², so m̂/√v̂ is ±1: the step is lr long, whether g is 1e-6 or 1e6.",
    remarks={1e-9: "That is lr · g, the step of SGD.", 1e-4: "That is (1 − β₁) · lr: the averages without correction."},
)
topic.prediction(
    "adamw_state",
    answer=8,
    unit="bytes",
    why="Two float32 numbers a parameter, exp_avg and exp_avg_sq: the state is twice as large as the model.",
    remarks={4: "That is one number; Adam keeps two.", 2: "Two numbers, of four bytes each."},
)


# Quiz


topic.question(
    "What does step() do with a parameter whose .grad is None, and why is that not the same as a gradient of zero?",
    "It passes over it. With a gradient of zero, momentum and Adam would still move it by what they remember, and "
    "weight decay would shrink it. That is why zero_grad sets gradients to None.",
)
topic.question(
    "A quadratic has curvatures 1 and 50. What is the largest stable rate of gradient descent? And with momentum 0.9?",
    "2/50 = 0.04, and (2 + 2 · 0.9)/50 = 0.076. The most curved direction alone decides.",
)
topic.question(
    "You change momentum from 0 to 0.9 and keep lr. What happens to the length of the steps along a steady slope?",
    "They become ten times as long: PyTorch's buffer is a sum, and it settles at g / (1 − 0.9).",
)
topic.question(
    "AdaGrad and RMSProp differ in one line. Which one, and what follows from it?",
    "AdaGrad adds squares up, RMSProp averages them with a decay. AdaGrad's steps die as 1/√t, RMSProp's recover once "
    "large gradients are forgotten.",
)
topic.question(
    "Why is Adam not RMSProp with momentum?",
    "It corrects both averages for their zero start, and it averages the gradient before dividing; "
    "RMSprop(momentum=0.9) sums gradients that were already divided.",
)
topic.question(
    "What is the difference between weight decay in Adam and in AdamW?",
    "Adam adds weight_decay · w to the gradient, which the division by √v̂ then evens out. AdamW shrinks the weight by "
    "lr · weight_decay of itself, untouched by √v̂.",
)
topic.question(
    "You rotate a loss by 30°. Whose path turns with it, and whose does not?",
    "Gradient descent's, momentum's and Muon's turn with it. AdaGrad, RMSProp and Adam divide axis by axis, and the "
    "axes stay where they are.",
)
topic.question(
    "Why does an exp_avg_sq that is stored in bfloat16 stop falling?",
    "0.999 · v is nearer to v than to the next bfloat16 below, which is at least 0.2 % away: it is rounded back to v.",
)
