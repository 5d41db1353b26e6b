"""SignalScope: what it measures, what it refuses, and golden vectors for its JS.

Run: pytest tests/widgets/test_signal_scope.py
"""

import json
import math

import pytest
import torch
from torch import nn

from lmcourse import initialization as init
from lmcourse.widgets import SignalScope


def test_golden(golden):
    """The formulas that the browser computes: tests/widgets/signal_scope.test.mjs reads these."""
    stds = [
        {"depth": 12, "gain": gain, "activation": activation, "forward": forward, "backward": backward}
        for activation in init.ACTIVATIONS
        for gain in (0.6, 1.0, math.sqrt(2), 2.5)
        for forward, backward in [init.expected_stds(12, gain, activation)]
    ]
    bounds = [{"bound": b, "std": init.truncated_std(b), "erf": math.erf(b)} for b in (0.1, 0.5, 1.0, 2.0, 3.0, 6.0)]
    gains = {scheme: init.linear_std(64, 64, scheme) * 8 for scheme in init.SCHEMES}
    golden("signal_scope", {"stds": stds, "bounds": bounds, "gains": gains, "networks": small_networks()})


def small_networks() -> list[dict]:
    """What `propagate` makes of three layers of width 3, with the random numbers that it draws; so does the page."""
    depth, width, batch, gain, seed = 3, 3, 8, 1.3, 5
    generator = torch.Generator().manual_seed(seed)
    draws = [
        torch.randn(*shape, generator=generator) for shape in ((depth, width, width), (batch, width), (batch, width))
    ]
    rows = []
    for activation in init.ACTIVATIONS:
        for residual in (False, True):
            options = {"residual": residual, "batch": batch, "seed": seed}
            forward, backward = init.propagate(depth, width, gain, activation, **options)
            numbers = {"forward": forward, "backward": backward, "draws": draws}
            rows.append(
                {"activation": activation, "residual": residual, "depth": depth, "width": width, "gain": gain}
                | {key: [_five_digits(value) for value in values] for key, values in numbers.items()}
            )
    return rows


def _five_digits(values: torch.Tensor) -> list[float]:
    """What another machine's last bit may not change."""
    return [float(f"{value:.5g}") for value in values.flatten().tolist()]


def test_it_shows_what_the_reference_measures():
    scope = SignalScope(scheme="kaiming", activation="relu", gain=0.9, depth=8, seed=3)
    forward, backward = init.measured_stds(8, 64, 0.9 * math.sqrt(2), "relu", batch=32, seed=3)
    assert scope.measured["forward"][1] == pytest.approx(forward, rel=1e-4)
    assert scope.measured["backward"][1] == pytest.approx(backward, rel=1e-4)
    json.dumps(scope.state(), allow_nan=False)


def test_an_explosion_is_said_and_not_sent_as_infinity():
    scope = SignalScope(gain=100, depth=64, activation="linear")
    assert scope.measured["forward"][-1][-1] is None and "not finite" in scope.summary()
    json.dumps(scope.state(), allow_nan=False)


def test_the_snapshot_is_of_the_view_that_is_shown():
    model = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 10))
    mine = SignalScope(model, torch.randn(32, 64))
    assert "parts of your model" in mine.summary() and "kaiming" not in mine.snapshot()
    assert mine.snapshot().count("<tr>") == 1 + len(mine.mine)
    cut = SignalScope(view="truncation")
    assert "0.987 at ±3" in cut.summary() and "kaiming" not in cut.snapshot()
    assert "32 relu layers, kaiming" in SignalScope().summary()


def test_a_link_from_when_the_kernel_measured_has_no_field_that_is_unknown_today():
    old = {"settings", "widths", "forward", "backward", "histogram", "grad_histogram", "lost", "grad_lost"}
    assert set(SignalScope().measured) == old


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scheme": "glorot"}, "scheme"),
        ({"activation": "swish"}, "activation"),
        ({"gain": float("nan")}, "gain"),
        ({"gain": "2"}, "gain"),
        ({"gain": 1e9}, "gain"),
        ({"depth": 1}, "depth"),
        ({"depth": 6.5}, "depth"),
        ({"depth": 10**9}, "depth"),
    ],
)
def test_bad_settings_are_named(change, words):
    good = {"scheme": "lecun", "activation": "tanh", "gain": 1.0, "depth": 6}
    with pytest.raises(ValueError, match=words):
        SignalScope(**(good | change))


def test_your_module_is_watched_and_left_alone():
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    scope = SignalScope(model, torch.randn(4, 8))
    assert [row["kind"] for row in scope.mine] == ["Linear", "ReLU", "Linear"] and scope.view == "mine"
    with torch.no_grad():
        model[0].weight.mul_(100)
    with pytest.raises(ValueError, match="again"):
        scope.answer({"gain": 2})
    assert scope.answer({"again": True})["mine"][0]["std"] > 20 * scope.mine[0]["std"]
    assert not any(module._forward_hooks for module in model)
    with pytest.raises(ValueError, match="model and x: give both"):
        SignalScope(model)
    with pytest.raises(TypeError, match="model"):
        SignalScope(lambda x: x, torch.randn(2))
