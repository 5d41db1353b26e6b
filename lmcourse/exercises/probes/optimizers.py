"""What the exercises of notebook 08 try: walks of one weight or two, and what else an optimizer must keep to."""

import dataclasses
import itertools
import math
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from lmcourse.exercises.cases import Case, call, probe
from lmcourse.exercises.judging import Call
from lmcourse.support.optional import torch


def weight(*values: float) -> "torch.nn.Parameter":
    """A float64 parameter that holds `values`."""
    return torch.nn.Parameter(torch.tensor(values, dtype=torch.float64))


def walk(kind: type, grads: Iterable, *, start: tuple = (1.0,), rates: list[float] | None = None, **options: Any):
    """Step one weight vector through `grads`, which one tensor holds after the other, as zero_grad(False) leaves it.

    Returns where the weight is after each step, and what the gradient has become.
    """
    w = weight(*start)
    optimizer, path = kind([w], **options), []
    w.grad, changed = torch.zeros_like(w), False
    for k, grad in enumerate(grads):
        if rates:
            optimizer.param_groups[0]["lr"] = rates[k]
        wanted = torch.as_tensor(grad, dtype=w.dtype).expand_as(w)
        w.grad.copy_(wanted)
        optimizer.step()
        if w.grad is None:
            return {"the gradient is taken away": True}
        changed = changed or not torch.equal(w.grad, wanted)
        path.append(w.tolist() if len(start) > 1 else w.item())
    return {"weight after each step": path} | ({"the gradient is changed": True} if changed else {})


def walked(grads: Iterable, **options: Any) -> Case:
    """The case of `walk` with these arguments, told in words."""
    start = options.get("start", (1.0,))
    shown = [f"{name}={value}" for name, value in options.items() if name not in ("start", "rates")]
    rates = [f"then lr={options['rates']}"] if "rates" in options else []
    at = start[0] if len(start) == 1 else list(start)
    label = f"w = {at}, gradients {list(grads)[:6]}{' …' if len(grads) > 6 else ''}; {', '.join([*shown, *rates])}"
    return probe(label, lambda kind: walk(kind, grads, **options))


def random_walks(count: int, **choices: list) -> Iterator[Case]:
    """Walks of one to five steps of two weights, with options chosen by dice."""
    dice = random.Random(0)
    for _ in range(count):
        grads = [[round(dice.gauss(0, 3), 2) for _ in range(2)] for _ in range(dice.randint(1, 5))]
        start = (round(dice.gauss(0, 2), 2), round(dice.gauss(0, 2), 2))
        yield walked(grads, start=start, **{name: dice.choice(values) for name, values in choices.items()})


def in_place(kind: type) -> bool:
    w = weight(1.0)
    seen_elsewhere, w.grad = w.detach(), torch.full_like(w, 2.0)
    kind([w], lr=0.1).step()
    return torch.equal(seen_elsewhere, w)


IN_PLACE = probe("whether another view of the weight's memory sees the step", in_place)


def two_weights_alike(kind: type) -> list[float]:
    """Two parameters of one optimizer, of which each has a state of its own."""
    a, b = weight(0.0), weight(0.0)
    optimizer = kind([a, b], lr=0.1)
    for grad in (1.0, 2.0, 3.0):
        a.grad, b.grad = torch.full_like(a, grad), torch.full_like(b, grad)
        optimizer.step()
    return [a.item(), b.item()]


TWO_ALIKE = probe("two parameters at 0 that get the same gradients 1, 2, 3", two_weights_alike)


def state(name: str, grads: list[float], **options: Any) -> Case:
    """What stands in the state under this name after these steps."""

    def run(kind):
        w = weight(1.0)
        optimizer = kind([w], **options)
        for grad in grads:
            w.grad = torch.full_like(w, grad)
            optimizer.step()
        value = optimizer.state[w][name]
        return float(value)

    shown = ", ".join(f"{key}={value}" for key, value in options.items())
    return probe(f"state[{name!r}] after gradients {grads}; {shown}", run)


def two_groups(kind: type) -> list[float]:
    a, b = weight(1.0), weight(1.0)
    a.grad, b.grad = torch.ones_like(a), torch.ones_like(b)
    kind([{"params": [a]}, {"params": [b], "lr": 0.5}], lr=0.1).step()
    return [a.item(), b.item()]


def only_the_loops(grads: tuple[float | None, ...]) -> Case:
    """Parameters some of which have no gradient, under a subclass that adds 1: so that only the loops are looked at."""

    def run(kind):
        class Adds(kind):
            def update(self, param, grad, state, group):
                param.add_(1)

        params = [weight(0.0) for _ in grads]
        for param, grad in zip(params, grads):
            param.grad = None if grad is None else torch.full_like(param, grad)
        Adds(params, lr=0.1).step()
        return [param.item() for param in params]

    return probe(f"gradients {list(grads)}, under a subclass whose update adds 1", run)


def what_update_gets(kind: type) -> list:
    seen = []

    class Looks(kind):
        def update(self, param, grad, state, group):
            seen.append((param.item(), grad.item(), group["lr"], state.get("calls", 0), torch.is_grad_enabled()))
            state["calls"] = state.get("calls", 0) + 1

    a, b, c = weight(1.0), weight(2.0), weight(3.0)
    a.grad, b.grad, c.grad = torch.full_like(a, 3.0), torch.full_like(b, 4.0), torch.full_like(c, 5.0)
    optimizer = Looks([{"params": [a]}, {"params": [b, c], "lr": 0.5}], lr=0.1)
    optimizer.step()
    optimizer.step()
    return seen


def closure(kind: type) -> dict:
    w, looks = weight(3.0), []
    optimizer = kind([w], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (w**2).sum()
        looks.append(torch.is_grad_enabled())
        loss.backward()
        return loss

    loss = optimizer.step(closure)
    return {"returned": loss if loss is None else float(loss.detach()), "gradients enabled": looks, "weight": w.item()}


def without_closure(kind: type) -> str:
    w = weight(3.0)
    w.grad = torch.ones_like(w)
    return str(kind([w], lr=0.1).step())


def late_gradient(kind: type) -> list[float]:
    """Two parameters, of which the second gets its first gradient at the third step."""
    a, b = weight(0.0), weight(0.0)
    optimizer = kind([a, b], lr=0.1, weight_decay=0.0)
    for step in range(4):
        a.grad, b.grad = torch.ones_like(a), None if step < 2 else torch.ones_like(b)
        optimizer.step()
    return [a.item(), b.item()]


def clipped(grads: list, max_norm: float, given: Callable = list) -> Case:
    """The case of clipping gradients, each given as a list of numbers or None."""

    def clip(function):
        params = [weight(*(0.0 for _ in grad or [0.0])) for grad in grads]
        for param, grad in zip(params, grads):
            param.grad = None if grad is None else torch.tensor(grad, dtype=torch.float64)
        same_memory = [param.grad for param in params]
        norm = function(given(params), max_norm)
        return {
            "norm": norm,
            "gradients": [None if each is None else each.tolist() for each in same_memory],
        }

    how = "" if given is list else ", from an iterator" if given is iter else ", one tensor by itself"
    return probe(f"gradients {grads}, max_norm={max_norm}{how}", clip)


def alone(params: list) -> Any:
    return params[0]


# The cases of each exercise


def downhill_cases() -> Iterator[Call]:
    yield call(5.0, slope=8.0, lr=0.25)
    yield call(1.0, slope=0.0, lr=0.25)
    yield call(1.0, slope=1.0, lr=1.0)
    yield call(-3.0, slope=-8.0, lr=0.5)
    yield call(2.0, slope=4.0, lr=0.0)
    dice = random.Random(0)
    for _ in range(30):
        yield call(dice.uniform(-9, 9), slope=dice.uniform(-9, 9), lr=dice.uniform(0, 1))


def sgd_cases() -> Iterator[Case]:
    yield walked([2.0], lr=0.1)
    yield IN_PLACE
    yield walked([1.0, -2.0, 4.0], lr=0.5)
    yield walked([2.0])
    yield from map(only_the_loops, itertools.product((1.0, None), repeat=3))
    yield only_the_loops((0.0, 1.0))  # a gradient of zeros is one
    yield probe("two groups with lr 0.1 and 0.5, weights 1 and gradients 1", two_groups)
    yield probe("what update is given in two steps: weight, gradient, lr, its calls so far, gradients enabled",
                what_update_gets)  # fmt: skip
    yield probe("w = 3, step(closure) where the closure computes w² and its gradient", closure)
    yield probe("what step() returns without a closure, as text", without_closure)
    yield from random_walks(20, lr=[0.0, 0.1, 1.0])


def momentum_cases() -> Iterator[Case]:
    yield walked([1.0], lr=0.1, momentum=0.9)
    yield walked([1.0, 1.0], lr=0.1, momentum=0.9)
    yield IN_PLACE
    yield state("momentum_buffer", [1.0, 2.0], lr=0.1, momentum=0.5)
    yield walked([1.0, 0.0, 0.0], lr=0.1, momentum=0.5)
    yield walked([1.0, 1.0], lr=0.1, momentum=0.9, rates=[0.1, 0.01])
    yield walked([1.0, 2.0, -1.0], lr=0.1, momentum=0.9, nesterov=True)
    yield walked([1.0, 2.0], lr=0.5)
    yield walked([1.0, 2.0])
    yield TWO_ALIKE
    yield from random_walks(20, lr=[0.1, 1.0], momentum=[0.0, 0.5, 0.9], nesterov=[False, True])
    yield walked([1.0] * 100, lr=0.01, momentum=0.9)


def _reached(stage: str, cases: Iterable[Case]) -> Iterator[Case]:
    """The same cases, whose labels say which stage of the exercise an answer has reached."""
    return (dataclasses.replace(case, label=f"{stage}: {case.label}") for case in cases)


def adamw_cases() -> Iterator[Case]:
    plain = {"lr": 0.1, "weight_decay": 0.0}
    yield from _reached("1 of 3, the averages", (
        state("exp_avg", [2.0], betas=(0.9, 0.99), **plain),
        state("exp_avg_sq", [2.0], betas=(0.9, 0.99), **plain),
        state("exp_avg", [2.0, 3.0], betas=(0.5, 0.99), **plain),
        state("exp_avg_sq", [2.0, 3.0], betas=(0.9, 0.75), **plain),
        state("step", [2.0], **plain),
        state("step", [2.0, 2.0, 2.0], **plain),
    ))  # fmt: skip
    yield from _reached("2 of 3, the corrected step", (
        walked([2.0], **plain),
        IN_PLACE,
        walked([1.0, -2.0, 3.0], **plain),
        walked([1e-8], **plain),
        walked([1e-3], eps=1e-3, **plain),
        TWO_ALIKE,
        probe("two parameters at 0, of which the second gets its first gradient at step 3", late_gradient),
    ))  # fmt: skip
    yield from _reached("3 of 3, the decay", (
        walked([0.0], start=(1.0, 100.0), lr=0.1, weight_decay=0.5),
        walked([1.0], lr=0.1, weight_decay=0.5),
        walked([1.0, -2.0, 3.0], start=(1.0, -5.0), lr=0.1, weight_decay=0.1),
        walked([1.0, 1.0], weight_decay=0.1, lr=0.1, rates=[0.1, 0.01]),
        walked([1.0, -2.0, 3.0], start=(1000.0, 5.0)),
    ))  # fmt: skip
    betas = [(0.9, 0.999), (0.9, 0.95), (0.5, 0.5), (0.0, 0.9)]
    options = {"lr": [0.1, 1.0], "betas": betas, "eps": [1e-8, 1e-2], "weight_decay": [0.0, 0.1, 0.5]}
    yield from _reached("all three", random_walks(20, **options))


def _returns_it(function) -> bool:
    average = torch.tensor([2.0])
    return function(average, torch.tensor([4.0]), 0.75) is average


def _average_in_place(function) -> bool:
    average = torch.tensor([2.0])
    seen_elsewhere = average.detach()
    function(average, torch.tensor([4.0]), 0.75)
    return seen_elsewhere.item() == 2.5


def average_cases() -> Iterator[Case | Call]:
    yield call(torch.tensor([2.0]), torch.tensor([4.0]), 0.75)
    yield probe("whether what is returned is `average` itself, and no copy of it", _returns_it)
    yield call(torch.tensor([2.0]), torch.tensor([4.0]), 0.0)
    yield probe("whether another view of the memory of `average` sees the change", _average_in_place)
    yield call(torch.zeros(2), torch.tensor([10.0, -10.0]), 0.9)
    yield call(torch.tensor([0.0, 1.0]), torch.tensor([10.0, -10.0]), 0.9)
    yield call(torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0], [8.0]]), 0.5)
    yield call(torch.tensor(1.0), torch.tensor(1.0), 0.999)
    dice = torch.Generator().manual_seed(0)
    for beta in (0.1, 0.5, 0.9, 0.95, 0.99, 0.999):
        yield call(*(torch.randn(3, generator=dice, dtype=torch.float64) for _ in range(2)), beta)


def corrected_cases() -> Iterator[Call]:
    yield call(torch.tensor([0.5]), 0.9, 1)
    yield call(torch.tensor([0.5]), 0.5, 2)
    yield call(torch.tensor([0.5, -3.0]), 0.0, 1)
    yield call(torch.tensor([[1.0]]), 0.999, 10)
    yield call(torch.tensor(2.0), 0.95, 1000)
    yield call(torch.tensor(2.0), 0.999, 1000)
    dice = torch.Generator().manual_seed(0)
    for step in (1, 2, 3, 7, 50):
        for beta in (0.5, 0.9, 0.999):
            yield call(torch.randn(3, generator=dice, dtype=torch.float64), beta, step)


def cosine_cases() -> Iterator[Call]:
    plan = {"max_lr": 1.0, "min_lr": 0.1, "warmup_steps": 2, "total_steps": 6}
    for step in (2, 1, 0, 4, 3, 5, 6, 7, 20):
        yield call(step, **plan)
    for changed in ({"warmup_steps": 0}, {"warmup_steps": 6}, {"min_lr": 0.0}, {"min_lr": 1.0},
                    {"warmup_steps": 0, "total_steps": 0}, {"max_lr": 0.0, "min_lr": 0.0}):  # fmt: skip
        yield from (call(step, **plan | changed) for step in (0, 1, 5, 6, 7))
    for changed in ({"min_lr": 2.0}, {"min_lr": -0.1}, {"warmup_steps": 9}, {"warmup_steps": -1},
                    {"max_lr": -1.0, "min_lr": -2.0}, {"warmup_steps": 0, "total_steps": -1}):  # fmt: skip
        yield from (call(step, **plan | changed) for step in (0, 3, 10))  # refused
    yield call(-1, **plan)
    yield call(-1, **plan | {"warmup_steps": 0})
    dice = random.Random(0)
    for _ in range(60):
        total = dice.randint(1, 1000)
        warmup, top = dice.randint(0, total), dice.uniform(1e-4, 1)
        around = {"min_lr": dice.uniform(0, top), "warmup_steps": warmup, "total_steps": total}
        yield call(dice.randint(0, total + 10), max_lr=top, **around)


def adagrad_cases() -> Iterator[Case]:
    yield walked([8.0], lr=0.1)
    yield walked([2.0, 2.0], lr=1.0)
    yield IN_PLACE
    yield state("sum", [1.0, 3.0], lr=0.1)
    yield walked([3.0, 4.0], lr=0.1)
    yield walked([[1.0, 1000.0]] * 3, start=(0.0, 0.0), lr=0.1)
    yield walked([1e-4], lr=0.1, eps=1e-4)
    yield walked([1e-10, 1.0])
    yield walked([1.0, 1.0], lr=0.1, rates=[0.1, 0.01])
    yield TWO_ALIKE
    yield from random_walks(20, lr=[0.1, 1.0], eps=[1e-10, 1e-2])
    yield walked([2.0] * 100, lr=1.0)


def rmsprop_cases() -> Iterator[Case]:
    yield walked([1.0], lr=0.1, alpha=0.99)
    yield walked([1.0, 3.0], lr=0.1, alpha=0.9)
    yield IN_PLACE
    yield state("square_avg", [1.0, 3.0], lr=0.1, alpha=0.75)
    yield walked([100.0] + [1.0] * 9, lr=0.1, alpha=0.5)
    yield walked([1e-4], lr=0.1, eps=1e-4)
    yield walked([1e-8, 1.0])
    yield walked([1.0, 1.0], lr=0.1, rates=[0.1, 0.01])
    yield TWO_ALIKE
    yield from random_walks(20, lr=[0.1, 1.0], alpha=[0.0, 0.5, 0.99], eps=[1e-8, 1e-2])


def clip_cases() -> Iterator[Case]:
    yield clipped([[3.0]], 1.0)
    yield clipped([[3.0], [4.0]], 1.0)
    yield clipped([[0.3, 0.4]], 1.0)
    yield clipped([[3.0, 0.0], None, [0.0, 4.0]], 2.5)
    yield clipped([[0.0]], 1.0)
    yield clipped([None], 1.0)
    yield clipped([], 1.0)
    yield clipped([[3.0], [4.0]], 1.0, iter)
    yield clipped([[3.0, 4.0]], 1.0, alone)
    yield clipped([[1e-6]], 1e-6)
    yield clipped([[math.inf], [4.0]], 1.0)
    yield clipped([[math.nan, 4.0]], 1.0)
    for max_norm in (0.0, -1.0, math.nan):
        yield probe(f"gradients [[3.0]], max_norm={max_norm}", lambda fn, m=max_norm: clipped([[3.0]], m).run(fn))
    dice = random.Random(0)
    for _ in range(30):
        grads = [[round(dice.gauss(0, 3), 2) for _ in range(dice.randint(1, 3))] for _ in range(dice.randint(1, 4))]
        yield clipped(grads, dice.choice([0.5, 1.0, 5.0, 100.0]))
