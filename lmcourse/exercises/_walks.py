"""What the exercises of notebook 08 try: walks of one weight or two, and what else an optimizer must keep to."""

import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from lmcourse.exercises.cases import Case, probe
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

    a, b = weight(1.0), weight(2.0)
    a.grad, b.grad = torch.full_like(a, 3.0), torch.full_like(b, 4.0)
    optimizer = Looks([{"params": [a]}, {"params": [b], "lr": 0.5}], lr=0.1)
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
