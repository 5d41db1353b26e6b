"""Run with: pytest tests/widgets/test_optimizer_paths.py

OptimizerPaths in Python: the golden paths that its JS walks too (`node --test tests/widgets/optimizer_paths.test.mjs`),
classes of the reader's own with a fault in each, and what is refused.
"""

import math
import time

import pytest
import torch

from lmcourse import optimizers
from lmcourse.optimizers import SGD, Adam, AdamW, PlainAdamW, cosine_lr, wsd_lr
from lmcourse.widgets import OptimizerPaths
from lmcourse.widgets.optimizer_paths import LANDSCAPES, OPTIONS, checked_options, checked_settings, noise, run


def settings(**changes) -> dict:
    plain = {"landscape": "quadratic", "condition": 20.0, "rotation": 0.0, "start": None, "steps": 40}
    return checked_settings(plain | {"schedule": "constant", "precision": "float64"} | changes)


# --- golden ----------------------------------------------------------------------------------------------------------

CASES = [
    {},
    {"rotation": 30.0},
    {"rotation": -75.0, "condition": 3.0, "schedule": "cosine"},
    {"condition": 5.0, "schedule": "wsd", "steps": 57, "start": [1.5, -1.0]},
    {"landscape": "ravine", "condition": 8.0, "rotation": 20.0},
    {"landscape": "saddle", "condition": 4.0, "rotation": 45.0},
    {"landscape": "noisy", "condition": 10.0, "rotation": 10.0},
    {"precision": "bfloat16 state", "rotation": 15.0},
    {"precision": "bfloat16 state and weights", "condition": 10.0},
]
GENTLER = {"Momentum": {"lr": 0.01}, "SGD": {"lr": 0.03}, "Adam": {"weight_decay": 0.05}, "Muon": {"weight_decay": 0.1}}


def rounded(value):
    """Nine digits: what another machine's last bit may not change."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


def test_golden_paths(golden):
    options = checked_options(GENTLER)
    paths = []
    for case in CASES:
        for name in OPTIONS:
            records = run(name, settings(**case), options[name])
            last = {key: value for key, value in records[-1].items() if key not in ("w", "g")}
            every_fifth = [record["w"] for record in records[::5]]
            paths.append({"name": name, "settings": settings(**case), "options": options[name],
                          "length": len(records), "w": rounded(every_fifth), "state": rounded(last)})  # fmt: skip
    around = {"max_lr": 0.5, "min_lr": 0.05, "warmup_steps": 4, "total_steps": 30}
    values = [0.0, -0.0, 1.0, 1 + 2**-8, 1 + 2**-8 + 2**-40, 3.3895e38, 1e-40, -2.7182818, 0.1, 65504.0, 257.0]
    golden(
        "optimizer_paths",
        {
            "paths": paths,
            "noise": [[noise(step, axis) for axis in (0, 1)] for step in range(50)],
            "cosine": [cosine_lr(t, **around) for t in range(35)],
            "wsd": [wsd_lr(t, decay_steps=7, **around) for t in range(35)],
            "bfloat16": [[v, torch.tensor(v, dtype=torch.float64).bfloat16().double().item()] for v in values],
        },
    )


def test_gradients_are_those_of_autograd():
    for name, scape in LANDSCAPES.items():
        for point in [(-1.5, 0.4), (0.3, 2.0), (0.0, 0.0)]:
            a, b = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in point)
            scape.loss(a, b, 7.0).backward()
            assert scape.gradient(*point, 7.0) == pytest.approx((a.grad.item(), b.grad.item())), name
        for minimum in scape.minima:
            assert scape.gradient(*minimum, 7.0) == pytest.approx((0, 0)) and scape.loss(*minimum, 7.0) == 0


def test_noise_has_mean_zero_and_variance_one():
    values = torch.tensor([noise(step, axis) for step in range(2000) for axis in (0, 1)])
    assert abs(values.mean()) < 0.05 and abs(values.var() - 1) < 0.05


def test_rotation_turns_the_path_of_gradient_descent_and_not_of_adam():
    options = checked_options({})

    def end(name, rotation):
        x, y = run(name, settings(rotation=rotation), options[name])[-1]["w"]
        cos, sin = math.cos(math.radians(rotation)), math.sin(math.radians(rotation))
        return cos * x + sin * y, cos * y - sin * x

    for name in ("SGD", "Momentum", "Muon"):
        assert end(name, 37.0) == pytest.approx(end(name, 0.0), abs=1e-9)
    for name in ("AdaGrad", "RMSProp", "Adam", "AdamW"):
        assert math.dist(end(name, 37.0), end(name, 0.0)) > 0.01


# --- classes of the reader's own -------------------------------------------------------------------------------------


class NoCorrection(PlainAdamW):
    def update(self, param, grad, state, group):
        super().update(param, grad, state, group)
        param.sub_(0.01)


class WrongBeta(PlainAdamW):
    """The second average decays with the first one's β."""

    def update(self, param, grad, state, group):
        beta1, _ = group["betas"]
        super().update(param, grad, state, {**group, "betas": (beta1, beta1)})


class LateStep(torch.optim.Optimizer):
    """Right, until a branch is taken."""

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})
        self.count = 0

    @torch.no_grad()
    def step(self):
        self.count += 1
        for p in self.param_groups[0]["params"]:
            p -= self.param_groups[0]["lr"] * p.grad * (1 if self.count < 7 else 2)


class Raises(SGD):
    def update(self, param, grad, state, group):
        raise KeyError("momentum_bufer")


def difference(kind, reference, **options):
    return OptimizerPaths(kind, reference=reference, **options).learner["run"]


def test_the_reference_equals_itself_in_every_landscape_and_precision():
    for name in OPTIONS:
        for landscape in LANDSCAPES:
            found = difference(getattr(optimizers, name), name, landscape=landscape, rotation=20, schedule="cosine")
            if name != "Muon":  # it is built here with the float32 of its default, the golden path in float64
                assert found["difference"] is None and not found["error"], name
    assert difference(AdamW, "AdamW", precision="bfloat16 state")["difference"] is None


def test_the_first_differing_step_and_quantity_are_found():
    assert difference(NoCorrection, "AdamW")["difference"]["quantity"] == "w"
    found = difference(WrongBeta, "AdamW")["difference"]
    assert (found["step"], found["quantity"], found["axis"]) == (1, "exp_avg_sq", "x")
    assert found["got"] == pytest.approx(100 * found["want"])
    assert difference(LateStep, "SGD")["difference"]["step"] == 7


def test_a_class_that_raises_is_quoted_and_the_widget_still_drawn():
    widget = OptimizerPaths(Raises, reference="SGD")
    assert widget.learner["run"]["error"] == "KeyError: 'momentum_bufer'"
    assert "raised KeyError" in widget.summary() and "<svg" in widget.snapshot()


def test_a_class_that_does_not_know_an_option_is_quoted():
    assert "unexpected keyword" in difference(LateStep, "Momentum")["error"]


def test_a_path_that_explodes_ends_and_stays_json():
    widget = OptimizerPaths(AdamW, options={"SGD": {"lr": 2.0}}, show=["SGD"])
    assert "SGD leaves the map" in widget.summary()
    widget.static_html()


def test_the_kernel_answers_within_a_tenth_of_a_second():
    """Of this process's own time: other work on the machine is not what is asked."""
    widget = OptimizerPaths(AdamW)
    question = {"settings": widget.settings, "options": widget.options["AdamW"]}
    widget.answer(question)
    seconds = []
    for _ in range(5):
        start = time.process_time()
        assert widget.answer(question)["difference"] is None
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.1


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: OptimizerPaths(landscape="moon"), ValueError, "landscape: one of quadratic"),
        (lambda: OptimizerPaths(condition=0), ValueError, "condition: a number from 1 to 100"),
        (lambda: OptimizerPaths(condition=math.nan), ValueError, "condition"),
        (lambda: OptimizerPaths(rotation="half"), ValueError, "rotation"),
        (lambda: OptimizerPaths(rotation=1e400), ValueError, "rotation"),
        (lambda: OptimizerPaths(start="ab"), ValueError, "start: two numbers"),
        (lambda: OptimizerPaths(start=(1, 99)), ValueError, "start"),
        (lambda: OptimizerPaths(steps=0), ValueError, "steps: a whole number from 1 to 200"),
        (lambda: OptimizerPaths(steps=2.5), ValueError, "steps"),
        (lambda: OptimizerPaths(show=["Adamax"]), ValueError, "show: names out of SGD"),
        (lambda: OptimizerPaths(show="SGD"), ValueError, "show"),
        (lambda: OptimizerPaths(schedule="step"), ValueError, "schedule"),
        (lambda: OptimizerPaths(precision="int8"), ValueError, "precision"),
        (lambda: OptimizerPaths(options={"SGD": {"speed": 1}}), ValueError, "options of SGD: any of lr, got speed"),
        (lambda: OptimizerPaths(options={"Lion": {}}), ValueError, "options: optimizers out of"),
        (lambda: OptimizerPaths(options={"SGD": {"lr": -1}}), ValueError, "lr: a finite number of 0 or more"),
        (lambda: OptimizerPaths(Adam([torch.zeros(1, requires_grad=True)])), TypeError, "the class itself"),
        (lambda: OptimizerPaths(LateStep), ValueError, "reference: one of SGD"),
        (lambda: OptimizerPaths().answer({"settings": {}, "options": {}}), ValueError, "runs a class of yours"),
        (lambda: OptimizerPaths(AdamW).answer({"settings": {}, "options": {}}), ValueError, "landscape"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(make, error, words):
    with pytest.raises(error, match=words):
        make()
