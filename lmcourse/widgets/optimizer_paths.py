"""OptimizerPaths: the paths of several optimizers over a landscape of two weights, and of a class of the reader's own.

The built-in paths are computed in JS, so that they follow the pointer, and equal `lmcourse.optimizers` on golden
vectors. A class that is given runs here, beside the reference of the same name, with the same gradients' rule, start
and options; the first step and quantity in which the two part is found and marked.

Not here: a time limit for the reader's class. An endless loop in it is stopped by interrupting the kernel.
"""

import html
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import traitlets

from lmcourse import optimizers
from lmcourse.optimizers import cosine_lr, wsd_lr
from lmcourse.widgets.base import CourseWidget

# The options that the controls change, as the classes of lmcourse.optimizers take them
OPTIONS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 0.08},
    "Momentum": {"lr": 0.03, "momentum": 0.9},
    "AdaGrad": {"lr": 0.5},
    "RMSProp": {"lr": 0.05, "alpha": 0.9},
    "Adam": {"lr": 0.15, "betas": [0.9, 0.999], "weight_decay": 0.0},
    "AdamW": {"lr": 0.15, "betas": [0.9, 0.999], "weight_decay": 0.1},
    "Muon": {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.0},
}
PRECISIONS = ("float64", "bfloat16 state", "bfloat16 state and weights")
SCHEDULES = ("constant", "cosine", "wsd")
MAX_STEPS = 200
FIRST_STEPS = 12  # that are walked when the widget comes into view
TORCH = f"torch {torch.__version__.split('+')[0]}"
FAR = 1e3  # a path that gets here has left for good


# --- landscapes: functions of two weights, in their own frame --------------------------------------------------------


@dataclass(frozen=True)
class Landscape:
    """A loss of (a, b, condition) and its gradient; `condition` says how much steeper it is across than along."""

    loss: Callable[[float, float, float], float]
    gradient: Callable[[float, float, float], tuple[float, float]]
    start: tuple[float, float]
    minima: tuple[tuple[float, float], ...]
    noise: float = 0.0


def _bowl(a: float, b: float, condition: float) -> float:
    return 0.5 * (a * a + condition * b * b)


def _bowl_gradient(a: float, b: float, condition: float) -> tuple[float, float]:
    return a, condition * b


def _ravine(a: float, b: float, condition: float) -> float:
    return 0.5 * (a - 1) ** 2 + 0.5 * condition * (b - 0.5 * a * a) ** 2


def _ravine_gradient(a: float, b: float, condition: float) -> tuple[float, float]:
    wall = condition * (b - 0.5 * a * a)
    return (a - 1) - wall * a, wall


def _saddle(a: float, b: float, condition: float) -> float:
    return 0.5 * condition * a * a - 0.5 * b * b + 0.25 * b**4 + 0.25


def _saddle_gradient(a: float, b: float, condition: float) -> tuple[float, float]:
    return condition * a, b**3 - b


LANDSCAPES = {
    "quadratic": Landscape(_bowl, _bowl_gradient, (-2.0, 0.8), ((0.0, 0.0),)),
    "ravine": Landscape(_ravine, _ravine_gradient, (-1.7, 0.3), ((1.0, 0.5),)),
    "saddle": Landscape(_saddle, _saddle_gradient, (-1.2, 0.02), ((0.0, 1.0), (0.0, -1.0))),
    "noisy": Landscape(_bowl, _bowl_gradient, (-2.0, 0.8), ((0.0, 0.0),), noise=1.5),
}


def noise(step: int, axis: int) -> float:
    """A number of mean 0 and variance 1 for each step and axis: the sum of four hashed uniforms, alike in JS."""
    total = 0.0
    for k in range(4):
        x = (step * 8 + axis * 4 + k + 1) * 0x9E3779B9 & 0xFFFFFFFF
        x = (x ^ (x >> 16)) * 0x85EBCA6B & 0xFFFFFFFF
        x = (x ^ (x >> 13)) * 0xC2B2AE35 & 0xFFFFFFFF
        total += (x ^ (x >> 16)) / 2**32
    return (total - 2) * math.sqrt(3)


# --- running a class -------------------------------------------------------------------------------------------------


def rate(settings: Mapping, lr: float, step: int) -> float:
    """The learning rate of update `step` (from 1): warm-up is a tenth of the steps, decay goes down to lr / 10."""
    steps = settings["steps"]
    around = {"max_lr": lr, "min_lr": lr / 10, "warmup_steps": steps // 10, "total_steps": steps}
    if settings["schedule"] == "cosine":
        return cosine_lr(step, **around)
    if settings["schedule"] == "wsd":
        return wsd_lr(step, decay_steps=steps // 5, **around)
    return lr


def run(name: str, settings: Mapping, options: Mapping, kind: type | None = None) -> list[dict[str, Any]]:
    """Step the reference `name`, or `kind` in its place; for each step the weights, the gradient and the state by name.

    The first record holds the start alone. A path ends early where it is no longer finite or far away.
    """
    scape, condition = LANDSCAPES[settings["landscape"]], settings["condition"]
    cos, sin = math.cos(math.radians(settings["rotation"])), math.sin(math.radians(settings["rotation"]))
    a, b = settings["start"]
    weights = torch.tensor([cos * a - sin * b, sin * a + cos * b], dtype=torch.float64)
    if settings["precision"] == "bfloat16 state and weights":
        weights = weights.bfloat16().double()
    if name == "Muon":
        weights = weights[None]  # a matrix of one row
    weights.requires_grad_()
    if "betas" in options:
        options = {**options, "betas": tuple(options["betas"])}
    if name == "Muon" and kind is None:
        options = {**options, "ns_dtype": torch.float64}
    optimizer = (kind or getattr(optimizers, name))([weights], **options)
    lr = options["lr"]

    records = [{"w": weights.detach().flatten().tolist()}]
    for step in range(1, settings["steps"] + 1):
        x, y = records[-1]["w"]
        da, db = scape.gradient(cos * x + sin * y, cos * y - sin * x, condition)
        da, db = da + scape.noise * noise(step, 0), db + scape.noise * noise(step, 1)
        grad = [cos * da - sin * db, sin * da + cos * db]
        weights.grad = torch.tensor(grad, dtype=torch.float64).reshape(weights.shape)
        for group in optimizer.param_groups:
            group["lr"] = rate(settings, lr, step)
        optimizer.step()
        _store(optimizer, weights, settings["precision"])
        record = {"w": weights.detach().flatten().tolist(), "g": grad}
        for name, value in optimizer.state[weights].items():
            record[name] = value.detach().double().flatten().tolist() if torch.is_tensor(value) else value
        if not all(math.isfinite(value) and abs(value) < FAR for value in record["w"]):
            break
        records.append(record)
    return records


def _store(optimizer: torch.optim.Optimizer, weights: torch.Tensor, precision: str) -> None:
    """Round what is kept between steps as if it were stored in bfloat16; the arithmetic stays in float64."""
    kept = [] if precision == "float64" else [v for v in optimizer.state[weights].values() if torch.is_tensor(v)]
    if precision == "bfloat16 state and weights":
        kept.append(weights.data)
    for tensor in kept:
        tensor.copy_(tensor.bfloat16())


def first_difference(ours: Sequence[Mapping], reference: Sequence[Mapping]) -> dict | None:
    """Step, quantity, axis and both values where two runs first part; quantities in the order they are computed in."""
    for step, (mine, right) in enumerate(zip(ours, reference)):
        for name in [key for key in right if key not in ("w", "g") and key in mine] + ["w"]:
            pairs = zip(_numbers(mine[name]), _numbers(right[name]))
            for axis, (got, want) in enumerate(pairs):
                if not math.isclose(got, want, rel_tol=1e-6, abs_tol=1e-9):
                    where = "xy"[axis] if isinstance(right[name], list) else ""
                    return {"step": step, "quantity": name, "axis": where, "got": got, "want": want}
    if len(ours) != len(reference):
        return {"step": min(len(ours), len(reference)), "quantity": "w", "axis": "", "got": None, "want": None}
    return None


def _numbers(value: Any) -> list[float]:
    return value if isinstance(value, list) else [value]


# --- the widget ------------------------------------------------------------------------------------------------------


class OptimizerPaths(CourseWidget):
    """The paths of optimizers over a landscape that the reader bends and turns.

    Args:
        optimizer: an optimizer class of the reader's own, run in the kernel beside the reference of the same name.
        landscape: "quadratic", "ravine", "saddle" or "noisy".
        condition: how much steeper it is across than along, 1 to 100.
        rotation: degrees by which it is turned, −90 to 90. The start turns with it.
        start: where the paths begin, in the landscape's own frame.
        show: the names of the optimizers to draw; SGD, Momentum and Adam, or the reference of your class alone.
        steps: how many, 1 to 200.
        schedule: "constant", "cosine" or "wsd".
        precision: "float64", "bfloat16 state" or "bfloat16 state and weights".
        options: changes to the options of single optimizers, as in `{"SGD": {"lr": 0.1}}`.
        reference: the name of the reference, where the reader's class has another name.

    Raises `ValueError` or `TypeError` for anything else, naming the argument.

    >>> OptimizerPaths(rotation=30, show=["SGD"])
    OptimizerPaths: 60 steps over a quadratic with condition number 20, turned by 30°: SGD ends at loss ...
    """

    settings = traitlets.Dict().tag(sync=True)
    options = traitlets.Dict().tag(sync=True)
    shown = traitlets.List(traitlets.Unicode()).tag(sync=True)
    selected = traitlets.Unicode().tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    ghost = traitlets.Bool(False).tag(sync=True)
    panel = traitlets.Unicode("walk").tag(sync=True)  # what is shown below the scale of rates
    learner = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        optimizer: type | None = None,
        *,
        landscape: str = "quadratic",
        condition: float = 20.0,
        rotation: float = 0.0,
        start: tuple[float, float] | None = None,
        show: Sequence[str] | None = None,
        steps: int = 60,
        schedule: str = "constant",
        precision: str = "float64",
        options: Mapping[str, Mapping] | None = None,
        reference: str | None = None,
        ghost: bool = False,
    ):
        settings = {"landscape": landscape, "condition": condition, "rotation": rotation, "start": start,
                    "steps": steps, "schedule": schedule, "precision": precision}  # fmt: skip
        settings, options = checked_settings(settings), checked_options(options or {})
        self._kind, learner = None, {}
        if optimizer is not None:
            if not isinstance(optimizer, type) or not issubclass(optimizer, torch.optim.Optimizer):
                raise TypeError(f"optimizer: a subclass of torch.optim.Optimizer (the class itself), got {optimizer!r}")
            name = optimizer.__name__.removeprefix("Plain")  # PlainAdamW is AdamW, one parameter at a time
            reference = reference or name
            if reference not in OPTIONS:
                raise ValueError(f"reference: one of {', '.join(OPTIONS)} to compare it with, got {reference!r}")
            self._kind = optimizer
            learner = {"name": name, "reference": reference}
            learner |= {"run": self._run_learner(settings, options[reference], reference)}
        if show is None:
            show = [reference] if learner else ["SGD", "Momentum", "Adam"]
        if isinstance(show, str) or not all(name in OPTIONS for name in show):
            raise ValueError(f"show: names out of {', '.join(OPTIONS)}, got {show!r}")
        selected = learner.get("reference") or (list(show) or ["SGD"])[0]
        super().__init__(
            settings=settings,
            options=options,
            shown=list(show),
            selected=selected,
            panel="momentum" if selected == "Momentum" else "walk",
            step=min(FIRST_STEPS, steps),
            ghost=bool(ghost),
            learner=learner,
            title=f"Your {learner['name']} beside the reference" if learner else "How optimizers walk downhill",
            source=f"paths: float64, here, as lmcourse.optimizers computes them, which equals torch.optim ({TORCH})",
        )

    def _run_learner(self, settings: dict, options: dict, reference: str) -> dict:
        """The path of the reader's class and where it leaves the reference, or what it raised."""
        theirs = run(reference, settings, options)
        try:
            ours = run(reference, settings, options, self._kind)
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"[:300], "path": [], "difference": None}
        return {"path": [record["w"] for record in ours], "difference": first_difference(ours, theirs), "error": ""}

    def answer(self, question: dict) -> dict:
        """`{"settings": ..., "options": ...}` of the reference: the reader's class is run on them."""
        if self._kind is None or not isinstance(question, Mapping) or set(question) != {"settings", "options"}:
            raise ValueError(
                f"OptimizerPaths runs a class of yours on settings and options, got {str(question)[:80]!r}"
            )
        reference = self.learner["reference"]
        options = checked_options({reference: question["options"]})[reference]
        return self._run_learner(checked_settings(question["settings"]), options, reference)

    def _losses(self) -> dict[str, float | None]:
        """The loss at the end of each path that is shown, None where it left."""
        scape = LANDSCAPES[self.settings["landscape"]]
        turn = math.radians(self.settings["rotation"])
        losses = {}
        for name in self.shown:
            records = run(name, self.settings, self.options[name])
            x, y = records[-1]["w"]
            a, b = math.cos(turn) * x + math.sin(turn) * y, math.cos(turn) * y - math.sin(turn) * x
            left = len(records) <= self.settings["steps"]
            losses[name] = None if left else scape.loss(a, b, self.settings["condition"])
        return losses

    def summary(self) -> str:
        s = self.settings
        landscape = "noisy quadratic" if s["landscape"] == "noisy" else s["landscape"]
        over = f"a {landscape} with condition number {s['condition']:g}, turned by {s['rotation']:g}°"
        ends = [f"{n} leaves the map" if v is None else f"{n} ends at loss {v:.3g}" for n, v in self._losses().items()]
        return f"{s['steps']} steps over {over}: {', '.join(ends) or 'none is shown'}{self._learner_words()}"

    def _learner_words(self) -> str:
        if not self.learner:
            return ""
        name, result = self.learner["name"], self.learner["run"]
        if result["error"]:
            return f". Your {name} raised {result['error']}"
        found = result["difference"]
        if found is None:
            return f". Your {name} equals the reference in every step"
        return f". Your {name} leaves the reference at step {found['step']}, in {found['quantity']}"

    def snapshot(self) -> str:
        colours = dict(zip(OPTIONS, ("#6b7280", "#0072b2", "#007a5a", "#8e4585", "#b3261e", "#3a9bdc", "#7a5230")))
        lines = []
        for name in self.shown:
            points = run(name, self.settings, self.options[name])
            path = " ".join(
                f"{x:.2f},{-y:.2f}" for x, y in (record["w"] for record in points) if max(abs(x), abs(y)) < 9
            )
            lines.append(f'<polyline points="{path}" fill="none" stroke="{colours[name]}" stroke-width="0.03"/>')
        rings = ""
        if self.settings["landscape"] in ("quadratic", "noisy"):
            narrow = math.sqrt(self.settings["condition"])
            for k in range(1, 6):
                ellipse = f'rx="{k * 0.5:.1f}" ry="{k * 0.5 / narrow:.3f}"'
                rings += f'<ellipse {ellipse} fill="none" stroke="#9aa3af" stroke-width="0.015"/>'
        turned = f'<g transform="rotate({-self.settings["rotation"]:g})">{rings}</g>'
        frame = 'role="img" aria-label="the paths" viewBox="-2.6 -2.6 5.2 5.2" width="320" height="320"'
        picture = f"<svg {frame}>{turned}{''.join(lines)}</svg>"
        return f"{picture}\n<p>{html.escape(self.summary())}</p>"

    @classmethod
    def example(cls) -> "OptimizerPaths":
        return cls(optimizers.AdamW, rotation=30, show=["SGD", "Momentum", "Adam"], ghost=True)


def checked_settings(settings: Mapping) -> dict:
    """The settings with their defaults, or a ValueError that names the one at fault."""
    settings = dict(settings)
    for name, allowed in (("landscape", tuple(LANDSCAPES)), ("schedule", SCHEDULES), ("precision", PRECISIONS)):
        if settings.get(name) not in allowed:
            raise ValueError(f"{name}: one of {', '.join(allowed)}, got {settings.get(name)!r}")
    condition = _number("condition", settings.get("condition"), 1, 100)
    rotation = _number("rotation", settings.get("rotation"), -90, 90)
    steps = settings.get("steps")
    if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= MAX_STEPS:
        raise ValueError(f"steps: a whole number from 1 to {MAX_STEPS}, got {steps!r}")
    start = settings.get("start")
    start = LANDSCAPES[settings["landscape"]].start if start is None else start
    if not isinstance(start, Sequence) or isinstance(start, str) or len(start) != 2:
        raise ValueError(f"start: two numbers, got {start!r}")
    start = [_number("start", value, -3.6, 3.6) for value in start]
    return {"landscape": settings["landscape"], "condition": condition, "rotation": rotation, "start": start,
            "steps": steps, "schedule": settings["schedule"], "precision": settings["precision"]}  # fmt: skip


def checked_options(changes: Mapping[str, Mapping]) -> dict[str, dict]:
    """The options of all optimizers with `changes` put in, or an error that names the one at fault."""
    options = {name: dict(defaults) for name, defaults in OPTIONS.items()}
    for name, changed in changes.items():
        if name not in OPTIONS:
            raise ValueError(f"options: optimizers out of {', '.join(OPTIONS)}, got {name!r}")
        unknown = set(changed) - set(OPTIONS[name])
        if unknown:
            raise ValueError(f"options of {name}: any of {', '.join(OPTIONS[name])}, got {', '.join(sorted(unknown))}")
        options[name] |= {key: list(value) if isinstance(value, Sequence) else value for key, value in changed.items()}
        shape = (1, 2) if name == "Muon" else (2,)
        kind = getattr(optimizers, name)
        kind([torch.zeros(shape, requires_grad=True)], **options[name])  # its own checks name what is out of range
    return options


def _number(name: str, value: Any, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{name}: a number from {least} to {most}, got {value!r}")
    return float(value)
