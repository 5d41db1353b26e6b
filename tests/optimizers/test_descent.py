"""Optimizers step as those of PyTorch do. Run: pytest tests/optimizers lmcourse/optimizers

Every optimizer is compared with `torch.optim`: on a transformer for a hundred steps, through a save and a load half
way, and on random tensors, groups and options. The figures that the notebook quotes are checked here too.
"""

import copy
import io
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lmcourse.model import ModelConfig, TransformerLM, cross_entropy
from lmcourse.optimizers import (
    SGD,
    AdaGrad,
    Adam,
    AdamW,
    Momentum,
    Muon,
    PlainAdamW,
    PlainMuon,
    RMSProp,
    clip_grad_norm_,
    orthogonalize,
    state_bytes,
)

HAS_MUON = hasattr(torch.optim, "Muon")
needs_muon = pytest.mark.skipif(
    not HAS_MUON, reason=f"torch.optim.Muon came with torch 2.9, this is {torch.__version__}"
)

# name -> (ours, theirs, options that both have)
OTHER_ADAM = {"lr": 3e-3, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1}
MOMENTUM = {"lr": 0.02, "momentum": 0.9}
PAIRS = {
    "SGD": (SGD, torch.optim.SGD, [{"lr": 0.03}]),
    "Momentum": (Momentum, torch.optim.SGD, [MOMENTUM | {"nesterov": False}, MOMENTUM | {"nesterov": True}]),
    "AdaGrad": (AdaGrad, torch.optim.Adagrad, [{"lr": 0.02}, {"lr": 0.01, "eps": 1e-3}]),
    "RMSProp": (RMSProp, torch.optim.RMSprop, [{"lr": 1e-3}, {"lr": 1e-3, "alpha": 0.9, "eps": 1e-4}]),
    "Adam": (Adam, torch.optim.Adam, [{"lr": 3e-3}, OTHER_ADAM]),
    "AdamW": (AdamW, torch.optim.AdamW, [{"lr": 3e-3}, OTHER_ADAM]),
}
CONFIGURATIONS = [
    pytest.param(ours, theirs, options, id=f"{name}-{k}")
    for name, (ours, theirs, all_options) in PAIRS.items()
    for k, options in enumerate(all_options)
]


# --- a real model ----------------------------------------------------------------------------------------------------


def small_transformer() -> TransformerLM:
    """In float64 throughout: what differs then is the optimizer, not float32 roundings that a hundred steps magnify."""
    torch.manual_seed(0)
    config = ModelConfig(vocab_size=32, context_length=8, d_model=16, num_layers=1, num_heads=2, d_ff=32)
    return TransformerLM(config).double()


def batch(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.randint(32, (2, 9), generator=torch.Generator().manual_seed(step))
    return ids[:, :-1], ids[:, 1:]


def saved_and_loaded(model, optimizer, make):
    """What a checkpoint does: through bytes, into a new model and a new optimizer."""
    file = io.BytesIO()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, file)
    file.seek(0)
    checkpoint = torch.load(file, weights_only=True)
    new_model = small_transformer()
    new_model.load_state_dict(checkpoint["model"])
    new_optimizer = make(new_model.parameters())
    new_optimizer.load_state_dict(checkpoint["optimizer"])
    return new_model, new_optimizer


def train(make, steps: int = 100, reload_at: int | None = None, reload_with=None) -> list[torch.Tensor]:
    model = small_transformer()
    optimizer = make(model.parameters())
    for step in range(steps):
        if step == reload_at:
            model, optimizer = saved_and_loaded(model, optimizer, reload_with or make)
        x, y = batch(step)
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optimizer.step()
    return [p.detach() for p in model.parameters()]


def assert_equal_weights(ours, theirs, rtol=1e-7, atol=1e-10):
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=rtol, atol=atol)


@pytest.mark.parametrize("ours, theirs, options", CONFIGURATIONS)
def test_a_hundred_steps_of_a_transformer_equal_torch_through_a_save_and_a_load(ours, theirs, options):
    a = train(lambda p: ours(p, **options), reload_at=50)
    b = train(lambda p: theirs(p, **options))
    assert_equal_weights(a, b)


@pytest.mark.parametrize("name", PAIRS)
def test_a_checkpoint_of_torch_loads_into_ours(name):
    ours, theirs, all_options = PAIRS[name]
    options = all_options[-1]
    through = train(lambda p: theirs(p, **options), 30, 15, reload_with=lambda p: ours(p, **options))
    assert_equal_weights(through, train(lambda p: theirs(p, **options), 30))


def matrices_only(kind, **options):
    def make(params):
        return kind([p for p in params if p.dim() == 2], **options)

    return make


@needs_muon
@pytest.mark.parametrize("nesterov, adjust", [(True, None), (False, "original"), (True, "match_rms_adamw")])
def test_a_hundred_steps_of_muon_equal_torch_through_a_save_and_a_load(nesterov, adjust):
    """On the transformer's matrices, in bfloat16, in which torch orthogonalizes."""
    options = {"lr": 3e-3, "nesterov": nesterov, "adjust_lr_fn": adjust, "weight_decay": 0.05, "ns_steps": 4}
    a = train(matrices_only(Muon, ns_dtype=torch.bfloat16, **options), reload_at=50)
    b = train(matrices_only(torch.optim.Muon, **options))
    assert_equal_weights(a, b)


# --- the contract ----------------------------------------------------------------------------------------------------

ALL = [SGD, Momentum, AdaGrad, RMSProp, Adam, AdamW, Muon]


def two_parameters():
    torch.manual_seed(3)
    return [torch.nn.Parameter(torch.randn(3, 2)) for _ in range(2)]


@pytest.mark.parametrize("kind", ALL)
def test_a_closure_is_called_with_gradients_on_and_its_loss_returned(kind):
    params = two_parameters()
    optimizer = kind(params, lr=0.01)

    def closure():
        optimizer.zero_grad()
        loss = sum((p**2).sum() for p in params)
        loss.backward()
        return loss

    before = sum((p**2).sum() for p in params).item()
    assert optimizer.step(closure).item() == pytest.approx(before)
    assert sum((p**2).sum() for p in params).item() < before


@pytest.mark.parametrize("kind", ALL)
def test_no_closure_returns_none(kind):
    assert kind(two_parameters()).step() is None


@pytest.mark.parametrize("kind", ALL)
def test_missing_gradients_and_frozen_parameters_are_left_alone(kind):
    moving, missing = two_parameters()
    frozen = torch.nn.Parameter(torch.ones(2, 2), requires_grad=False)
    optimizer = kind([moving, missing, frozen], lr=0.1)
    before = [p.detach().clone() for p in (moving, missing, frozen)]
    moving.grad = torch.ones_like(moving)
    optimizer.step()
    assert not torch.equal(moving, before[0])
    assert torch.equal(missing, before[1]) and torch.equal(frozen, before[2])
    assert missing not in optimizer.state and frozen not in optimizer.state


@pytest.mark.parametrize("kind", ALL)
def test_no_gradient_at_all_changes_nothing(kind):
    params = two_parameters()
    before = copy.deepcopy(params)
    kind(params, lr=0.1).step()
    assert all(torch.equal(p, q) for p, q in zip(params, before))


@pytest.mark.parametrize("set_to_none", [True, False])
@pytest.mark.parametrize("kind", [Momentum, AdamW])
def test_zero_grad_to_zero_still_moves_and_to_none_does_not(kind, set_to_none):
    (p, _) = two_parameters()
    optimizer = kind([p], lr=0.1)
    p.grad = torch.ones_like(p)
    optimizer.step()
    before = p.detach().clone()
    optimizer.zero_grad(set_to_none=set_to_none)
    optimizer.step()
    assert torch.equal(p, before) == set_to_none


@pytest.mark.parametrize("kind", [SGD, Momentum, AdaGrad, RMSProp, Adam, AdamW])
def test_a_parameter_that_gets_its_gradient_late_counts_its_own_steps(kind):
    theirs = PAIRS[kind.__name__][1]
    a, b = two_parameters(), two_parameters()
    options = {"momentum": 0.9} if kind is Momentum else {}
    mine, torchs = kind(a, lr=0.1, **options), theirs(b, lr=0.1, **options)
    for step in range(6):
        for params in (a, b):
            params[0].grad = torch.full_like(params[0], step + 1.0)
            params[1].grad = torch.full_like(params[1], -1.0) if step >= 3 else None
        mine.step()
        torchs.step()
    for p, q in zip(a, b):
        torch.testing.assert_close(p, q)


@pytest.mark.parametrize("kind", ALL)
def test_groups_keep_their_own_options_and_one_can_be_added(kind):
    first, second = two_parameters()
    optimizer = kind([{"params": [first], "lr": 0.0}], lr=0.5)
    optimizer.add_param_group({"params": [second]})
    before = [first.detach().clone(), second.detach().clone()]
    first.grad, second.grad = torch.ones_like(first), torch.ones_like(second)
    optimizer.step()
    assert torch.equal(first, before[0]) and not torch.equal(second, before[1])
    assert [group["lr"] for group in optimizer.param_groups] == [0.0, 0.5]


def test_schedulers_and_hooks_of_torch_work():
    (p, _) = two_parameters()
    optimizer = AdamW([p], lr=1.0)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 0.5**t)
    calls = []
    optimizer.register_step_post_hook(lambda *_: calls.append(optimizer.param_groups[0]["lr"]))
    for _ in range(3):
        p.grad = torch.ones_like(p)
        optimizer.step()
        scheduler.step()
    assert calls == [1.0, 0.5, 0.25]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", [SGD, Momentum, AdaGrad, RMSProp, Adam, AdamW])
def test_state_and_parameters_keep_their_dtype(kind, dtype):
    p = torch.nn.Parameter(torch.ones(4, dtype=dtype))
    optimizer = kind([p], lr=0.1)
    p.grad = torch.full_like(p, 0.5)
    optimizer.step()
    assert p.dtype == dtype and p.isfinite().all()
    assert all(v.dtype == dtype for v in optimizer.state[p].values() if isinstance(v, torch.Tensor))


@pytest.mark.parametrize(
    "quick, plain, options",
    [(AdamW, PlainAdamW, {}), (Muon, PlainMuon, {}), (Muon, PlainMuon, {"nesterov": False}),
     (Muon, PlainMuon, {"adjust_lr_fn": "match_rms_adamw"})],
)  # fmt: skip
def test_the_fast_ones_equal_the_plain_ones(quick, plain, options):
    a, b = two_parameters(), two_parameters()
    ours, theirs = quick(a, lr=0.1, weight_decay=0.3, **options), plain(b, lr=0.1, weight_decay=0.3, **options)
    for step in range(50):
        for k, (p, q) in enumerate(zip(a, b)):
            if (step + k) % 3:
                p.grad = torch.randn(p.shape, generator=torch.Generator().manual_seed(step))
                q.grad = p.grad.clone()
            else:
                p.grad = q.grad = None
        ours.step()
        theirs.step()
    for p, q in zip(a, b):
        torch.testing.assert_close(p, q)


@given(
    name=st.sampled_from(sorted(PAIRS)),
    shapes=st.lists(st.lists(st.integers(0, 4), max_size=3), min_size=1, max_size=3),
    steps=st.integers(1, 8),
    scale=st.sampled_from([1e-8, 1e-3, 1.0, 1e6]),
    seed=st.integers(0, 1000),
)
def test_random_shapes_steps_and_scales_equal_torch(name, shapes, steps, scale, seed):
    """Scalars, empty tensors and tiny gradients among them."""
    ours, theirs, all_options = PAIRS[name]
    options = all_options[seed % len(all_options)]
    generator = torch.Generator().manual_seed(seed)
    start = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    a, b = ([torch.nn.Parameter(p.clone()) for p in start] for _ in range(2))
    mine, torchs = ours(a, **options), theirs(b, **options)
    for _ in range(steps):
        for p, q in zip(a, b):
            p.grad = scale * torch.randn(p.shape, generator=generator, dtype=torch.float64)
            q.grad = p.grad.clone()
        mine.step()
        torchs.step()
    for p, q in zip(a, b):
        torch.testing.assert_close(p, q, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "make, error, words",
    [
        (lambda p: SGD(p, lr=-1.0), ValueError, "lr: a finite number of 0 or more, got -1.0"),
        (lambda p: SGD(p, lr=math.nan), ValueError, "lr: a finite number of 0 or more"),
        (lambda p: SGD(p, lr="fast"), TypeError, "lr: a finite number of 0 or more, got 'fast'"),
        (lambda p: Momentum(p, momentum=-0.1), ValueError, "momentum: a finite number of 0 or more"),
        (lambda p: AdaGrad(p, eps=-1e-9), ValueError, "eps: a finite number of 0 or more"),
        (lambda p: RMSProp(p, alpha=1.0), ValueError, "alpha: less than 1"),
        (lambda p: Adam(p, betas=(0.9, 1.0)), ValueError, r"betas\[1\]: less than 1"),
        (lambda p: AdamW(p, weight_decay=-1), ValueError, "weight_decay: a finite number of 0 or more"),
        (lambda p: Muon(p, ns_steps=0), ValueError, "ns_steps: a whole number from 1 to 99"),
        (lambda p: Muon(p, adjust_lr_fn="best"), ValueError, "adjust_lr_fn: original or match_rms_adamw"),
        (lambda p: Muon([torch.zeros(3, requires_grad=True)]), ValueError, "params: matrices"),
        (lambda p: AdamW([torch.zeros(3, dtype=torch.cfloat)]), ValueError, "params: real"),
        (lambda p: SGD([{"params": p, "lr": -2}]), ValueError, "lr: a finite number of 0 or more"),
        (lambda p: orthogonalize(torch.zeros(3)), ValueError, "matrix: two dimensions"),
        (lambda p: clip_grad_norm_(p, 0.0), ValueError, "max_norm: more than 0"),
        (lambda p: clip_grad_norm_(p, math.nan), ValueError, "max_norm: more than 0"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_by_name(make, error, words):
    with pytest.raises(error, match=words):
        make(two_parameters())


@pytest.mark.parametrize("rate", [math.nan, -0.1, math.inf])
@pytest.mark.parametrize("kind", ALL)
def test_a_rate_that_a_schedule_spoils_is_noticed_before_a_weight_moves(kind, rate):
    w, _ = two_parameters()
    optimizer, before = kind([w], lr=0.1), w.detach().clone()
    w.grad = torch.ones_like(w)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: rate)
    with pytest.raises(ValueError, match="lr: a finite number of 0 or more, got"):
        optimizer.step()
    assert torch.equal(w, before)


def test_no_class_skips_the_constructor_that_it_inherits(monkeypatch):
    made, usual = [], SGD.__init__
    monkeypatch.setattr(SGD, "__init__", lambda self, *args: (made.append(type(self)), usual(self, *args))[1])
    for kind in ALL:
        kind(two_parameters())
    assert made == ALL


def test_numbers_of_numpy_are_numbers():
    assert SGD(two_parameters(), lr=np.float32(0.5)).param_groups[0]["lr"] == 0.5


# --- the figures that the notebook quotes ----------------------------------------------------------------------------


def steps_under(optimizer_kind, grads, **options) -> list[float]:
    """The changes of one weight, starting at 0, under the given gradients."""
    w = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = optimizer_kind([w], **options)
    changes = []
    for g in grads:
        before = w.item()
        w.grad = torch.tensor([g], dtype=torch.float64)
        optimizer.step()
        changes.append(w.item() - before)
    return changes


def test_adagrad_under_a_constant_gradient_steps_as_one_over_root_t():
    steps = steps_under(AdaGrad, [3.0] * 100, lr=1.0)
    assert [-steps[t - 1] for t in (1, 4, 25, 100)] == pytest.approx([1, 1 / 2, 1 / 5, 1 / 10])


@pytest.mark.parametrize("g", [1e-6, -3.0, 1e12])
def test_the_first_step_of_adagrad_and_of_adam_is_lr_long(g):
    for kind in (AdaGrad, Adam, AdamW):
        assert steps_under(kind, [g], lr=0.01, eps=0.0) == pytest.approx([-math.copysign(0.01, g)])


def test_pytorchs_momentum_is_a_sum_ten_times_an_average():
    steps = steps_under(Momentum, [1.0] * 300, lr=1.0, momentum=0.9)
    assert steps[-1] == pytest.approx(-10.0)


def test_eps_placement_changes_the_first_step_of_a_tiny_gradient_by_the_known_amounts():
    """PyTorch adds eps to √v̂; CS336's handout (Algorithm 1) to √v, with both corrections in the rate."""
    lr, beta1, beta2, eps = 1e-3, 0.9, 0.95, 1e-8
    for g, pytorch, handout in [(1e-8, -5.0e-4, -1.8e-4), (1e-7, -9.1e-4, -6.9e-4)]:
        m, v = (1 - beta1) * g, (1 - beta2) * g * g
        rate = lr * math.sqrt(1 - beta2) / (1 - beta1)
        assert steps_under(Adam, [g], lr=lr, betas=(beta1, beta2))[0] == pytest.approx(pytorch, rel=0.02)
        assert -rate * m / (math.sqrt(v) + eps) == pytest.approx(handout, rel=0.02)


def test_l2_in_adam_shrinks_all_weights_alike_and_decoupled_decay_in_proportion():
    w = torch.tensor([1.0, 100.0], dtype=torch.float64)
    shrunk = {}
    for kind in (Adam, AdamW):
        p = torch.nn.Parameter(w.clone())
        optimizer = kind([p], lr=0.1, weight_decay=0.1)
        p.grad = torch.zeros_like(p)
        optimizer.step()
        shrunk[kind] = (w - p.detach()).tolist()
    assert shrunk[Adam] == pytest.approx([0.1, 0.1])
    assert shrunk[AdamW] == pytest.approx([0.01, 1.0])


def test_state_bytes_are_those_of_the_table():
    floats = {SGD: 0, Momentum: 1, AdaGrad: 1, RMSProp: 1, Adam: 2, AdamW: 2, Muon: 1}
    for kind, expected in floats.items():
        p = torch.nn.Parameter(torch.randn(30, 40))
        optimizer = kind([p])
        p.grad = torch.ones_like(p)
        optimizer.step()
        assert state_bytes(optimizer) == expected * p.numel() * 4, kind


@pytest.mark.parametrize("curvature", [0.5, 3.0, 40.0])
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_stability_limits_are_two_plus_two_beta_over_lambda(curvature, momentum):
    limit = (2 + 2 * momentum) / curvature
    for factor, converges in [(0.98, True), (1.02, False)]:
        w = torch.ones(1, dtype=torch.float64, requires_grad=True)
        optimizer = Momentum([w], lr=factor * limit, momentum=momentum)
        for _ in range(2000):
            w.grad = curvature * w.detach()
            optimizer.step()
        assert (abs(w.item()) < 1) == converges


@pytest.mark.parametrize("kind", [SGD, Momentum])
def test_rotating_the_loss_rotates_the_path_of_gradient_descent_but_not_of_adam(kind):
    def path(optimizer_kind, degrees):
        c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        turn = torch.tensor([[c, -s], [s, c]], dtype=torch.float64)
        hessian = turn @ torch.diag(torch.tensor([1.0, 30.0], dtype=torch.float64)) @ turn.T
        w = (turn @ torch.tensor([1.0, 1.0], dtype=torch.float64)).requires_grad_()
        optimizer = optimizer_kind([w], lr=0.02)
        for _ in range(40):
            w.grad = hessian @ w.detach()
            optimizer.step()
        return turn.T @ w.detach()

    assert torch.allclose(path(kind, 0), path(kind, 30), atol=1e-12)
    assert not torch.allclose(path(Adam, 0), path(Adam, 30), atol=0.01)


def test_bfloat16_second_moments_stall():
    """0.999 · v rounds back to v: in bfloat16 an average with β₂ = 0.999 cannot fall."""
    p = torch.nn.Parameter(torch.ones(1, dtype=torch.bfloat16))
    optimizer = Adam([p])
    p.grad = torch.ones_like(p)
    for _ in range(2000):
        optimizer.step()
    stuck = optimizer.state[p]["exp_avg_sq"].item()
    assert stuck <= 0.5  # it cannot climb to 1 either
    p.grad = torch.zeros_like(p)
    for _ in range(2000):
        optimizer.step()
    assert optimizer.state[p]["exp_avg_sq"].item() == stuck


def test_orthogonalize_brings_singular_values_near_one_and_keeps_the_singular_vectors():
    for shape in [(8, 8), (4, 12), (12, 4), (1, 6)]:
        matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        result = orthogonalize(matrix, dtype=torch.float64)
        values = torch.linalg.svdvals(result)
        assert values.min() > 0.3 and values.max() < 1.25
        u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
        core = u.T @ result @ vh.T
        assert torch.allclose(core, torch.diag(core.diag()), atol=1e-9)
    assert torch.equal(orthogonalize(torch.zeros(3, 3)), torch.zeros(3, 3))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", PAIRS)
def test_on_cuda_too(name):
    ours, theirs, all_options = PAIRS[name]
    a, b = ([torch.nn.Parameter(p.detach().cuda()) for p in two_parameters()] for _ in range(2))
    mine, torchs = ours(a, **all_options[-1]), theirs(b, **all_options[-1])
    for _ in range(20):
        for p, q in zip(a, b):
            p.grad, q.grad = p.detach().cos(), q.detach().cos()
        mine.step()
        torchs.step()
    for p, q in zip(a, b):
        torch.testing.assert_close(p, q)
