"""Learning rates and clipping, against PyTorch and CS336. Run: pytest tests/optimizers"""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lmcourse.optimizers import (
    clip_grad_norm_,
    cosine_lr,
    wsd_lr,
)


def test_cosine_equals_the_values_of_cs336_assignment_1():
    """The 25 values of the assignment's own test, max 1, min 0.1, 7 warm-up steps, 21 steps in all."""
    expected = [k / 7 for k in range(8)] + [
        0.9887175604818206, 0.9554359905560885, 0.9018241671106134, 0.8305704108364301, 0.7452476826029011,
        0.6501344202803414, 0.55, 0.44986557971965857, 0.3547523173970989, 0.26942958916356996, 0.19817583288938662,
        0.14456400944391146, 0.11128243951817937, 0.1, 0.1, 0.1, 0.1,
    ]  # fmt: skip
    got = [cosine_lr(t, max_lr=1.0, min_lr=0.1, warmup_steps=7, total_steps=21) for t in range(25)]
    assert got == pytest.approx(expected, rel=1e-12)


def test_cosine_equals_torchs_scheduler():
    w = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=40, eta_min=0.03)
    for t in range(41):
        assert cosine_lr(t, max_lr=0.3, min_lr=0.03, warmup_steps=0, total_steps=40) == pytest.approx(
            optimizer.param_groups[0]["lr"]
        )
        optimizer.step()
        scheduler.step()


@given(
    warmup=st.integers(0, 50),
    decay=st.integers(0, 50),
    stable=st.integers(0, 50),
    low=st.floats(0, 1),
    step=st.integers(0, 200),
)
def test_schedules_stay_in_range_and_meet_their_corners(warmup, decay, stable, low, step):
    total = warmup + stable + decay
    options = {"max_lr": 1.0, "min_lr": low, "warmup_steps": warmup, "total_steps": total}
    for schedule in (
        lambda t: cosine_lr(t, **options),
        lambda t: wsd_lr(t, decay_steps=decay, **options),
    ):
        assert 0 <= schedule(step) <= 1 + 1e-12
        assert schedule(total) == schedule(total + 5) == low
        if warmup < total:
            assert schedule(warmup) == pytest.approx(1.0)
    if warmup < total - decay:
        assert wsd_lr(total - decay, decay_steps=decay, **options) == (1.0 if decay else low)


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"step": -1}, "got step -1,"),
        ({"step": math.nan}, "got step nan,"),
        ({"max_lr": -1.0}, "max_lr -1.0,"),
        ({"min_lr": 2.0}, "min_lr 2.0,"),
        ({"min_lr": math.nan}, "min_lr nan,"),
        ({"warmup_steps": 11}, "warmup_steps 11,"),
        ({"warmup_steps": -1}, "warmup_steps -1,"),
    ],
)
def test_schedules_refuse_bad_arguments_by_name(changed, words):
    good = {"step": 1, "max_lr": 1.0, "min_lr": 0.1, "warmup_steps": 2, "total_steps": 10}
    with pytest.raises(ValueError, match=words):
        cosine_lr(**(good | changed))
    with pytest.raises(ValueError, match=words):
        wsd_lr(decay_steps=3, **(good | changed))


@given(
    shapes=st.lists(st.lists(st.integers(0, 4), max_size=3), min_size=0, max_size=4),
    max_norm=st.sampled_from([1e-7, 0.5, 1.0, 1e6]),
    scale=st.sampled_from([0.0, 1e-6, 1.0, 1e4]),
    seed=st.integers(0, 100),
)
def test_clipping_equals_torch(shapes, max_norm, scale, seed):
    generator = torch.Generator().manual_seed(seed)
    grads = [scale * torch.randn(shape, generator=generator) for shape in shapes]
    a, b = ([torch.nn.Parameter(torch.zeros_like(g)) for g in grads] for _ in range(2))
    for p, q, g in zip(a, b, grads):
        p.grad, q.grad = g.clone(), g.clone()
    a.append(torch.nn.Parameter(torch.zeros(2)))  # one without a gradient
    mine = clip_grad_norm_(iter(a), max_norm)
    torchs = torch.nn.utils.clip_grad_norm_(b, max_norm)
    assert isinstance(mine, float) and mine == pytest.approx(float(torchs), rel=1e-5)
    for p, q in zip(a, b):
        torch.testing.assert_close(p.grad, q.grad)


def test_clipping_leaves_infinite_gradients_and_says_so():
    p = torch.nn.Parameter(torch.zeros(2))
    p.grad = torch.tensor([1.0, math.inf])
    assert clip_grad_norm_(p, 1.0) == math.inf
    assert p.grad.tolist() == [1.0, math.inf]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [1e20, 1e24, 1e38])
def test_clipping_brings_back_gradients_whose_squares_are_infinite(size, dtype):
    a, b = torch.nn.Parameter(torch.zeros(1, dtype=dtype)), torch.nn.Parameter(torch.zeros(1, dtype=dtype))
    a.grad, b.grad = torch.full_like(a, 0.6 * size), torch.full_like(b, 0.8 * size)
    assert clip_grad_norm_([a, b], 1.0) == pytest.approx(size, rel=0.01)
    assert [a.grad.item(), b.grad.item()] == pytest.approx([0.6, 0.8], rel=0.01)


def test_clipping_does_not_overflow_in_float16():
    p = torch.nn.Parameter(torch.zeros(2, dtype=torch.float16))
    p.grad = torch.tensor([300.0, 400.0], dtype=torch.float16)
    assert clip_grad_norm_(p, 1.0) == pytest.approx(500.0)
    assert p.grad.tolist() == pytest.approx([0.6, 0.8], rel=1e-3)
