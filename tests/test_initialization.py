"""Stds against theory, bounds against closed forms, hooks that leave no trace.

Run: pytest tests/test_initialization.py
"""

import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lmcourse import initialization as init
from lmcourse.model import ModelConfig, TransformerLM

DTYPES = [torch.float32, torch.bfloat16, torch.float64]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("fan_in", "fan_out"), [(64, 256), (1000, 10), (10, 1000), (1024, 1024)])
def test_the_schemes_are_those_of_torch(fan_in, fan_out):
    """`torch.nn.init` draws; a sample of n values has a relative error of its std of about 1/√(2n): 5 of them."""
    for scheme, fill in {
        "lecun": lambda w: nn.init.kaiming_normal_(w, nonlinearity="linear"),
        "xavier": nn.init.xavier_normal_,
        "kaiming": lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"),
        "torch_default": lambda w: w.copy_(nn.Linear(fan_in, fan_out).weight),
    }.items():
        torch.manual_seed(0)
        with torch.no_grad():
            values = fill(torch.empty(fan_out, fan_in))
        measured = values.double().square().mean().sqrt().item()
        tolerance = 5 / math.sqrt(2 * values.numel())
        assert measured == pytest.approx(init.linear_std(fan_in, fan_out, scheme), rel=tolerance), scheme


def test_linear_std_refuses():
    with pytest.raises(ValueError, match="fan_in and fan_out: 1 or more, got 0 and 3"):
        init.linear_std(0, 3, "lecun")
    with pytest.raises(ValueError, match=r"scheme: one of lecun.*got 'glorot'"):
        init.linear_std(3, 3, "glorot")


@given(std=st.floats(1e-6, 1e6), bound=st.floats(0.05, 30), dtype=st.sampled_from(DTYPES))
def test_no_value_passes_the_bound(std, bound, dtype):
    w = init.trunc_normal_(torch.empty(500, dtype=dtype), std, bound, generator=seeded())
    assert torch.isfinite(w).all() and w.abs().double().max().item() <= bound * std


@pytest.mark.parametrize("bound", [0.5, 1.0, 2.0, 3.0, 6.0])
def test_the_cut_has_the_closed_forms_std_and_torchs_distribution(bound):
    n = 400_000
    ours = init.trunc_normal_(torch.empty(n, dtype=torch.float64), 0.02, bound, generator=seeded(1))
    assert ours.std().item() == pytest.approx(0.02 * init.truncated_std(bound), rel=5 / math.sqrt(2 * n))
    theirs = nn.init.trunc_normal_(torch.empty(n, dtype=torch.float64), std=0.02, a=-0.02 * bound, b=0.02 * bound)
    # Kolmogorov-Smirnov by hand: the largest gap of the two empirical distributions, 1.95 is the 0.1 % level
    both = torch.cat([ours, theirs]).sort().values
    gap = (torch.searchsorted(ours.sort().values, both) - torch.searchsorted(theirs.sort().values, both)).abs().max()
    assert gap.item() / n < 1.95 * math.sqrt(2 / n)


def test_torchs_bounds_are_absolute():
    """The slip that the notebook corrects: at std 1/√d a bound of ±3 is ±384σ for d = 16384, and cuts nothing."""
    d = 16_384
    assert 3 * math.sqrt(d) == 384
    torch.manual_seed(0)
    w = nn.init.trunc_normal_(torch.empty(256, d), std=1 / math.sqrt(d), a=-3, b=3)
    assert w.abs().max().item() * math.sqrt(d) > 4.5
    assert init.trunc_normal_(torch.empty(256, d), 1 / math.sqrt(d), 3.0).abs().max().item() * math.sqrt(d) <= 3


def test_trunc_normal_refuses_and_is_reproducible():
    for std, bound in ((0, 3), (-1, 3), (1, 0), (math.nan, 3)):
        with pytest.raises(ValueError, match="std and bound: more than 0"):
            init.trunc_normal_(torch.empty(3), std, bound)
    a, b = (init.trunc_normal_(torch.empty(99), 1.0, generator=seeded(7)) for _ in range(2))
    assert torch.equal(a, b)
    assert init.truncated_std(40) == 1


@pytest.mark.parametrize("activation", list(init.ACTIVATIONS))
@pytest.mark.parametrize("gain", [0.8, 1.0, math.sqrt(2)])
@pytest.mark.parametrize("depth", [1, 10, 50])
def test_measured_stds_follow_theory_within_their_sampling_error(activation, gain, depth):
    """The tolerance is derived, not tuned. One layer of width n multiplies the mean square by a factor whose relative
    variance is at most 5/n (ReLU: E[f⁴]/E[f²]² − 1 = 5; linear: 2; the others lie between), the same for all inputs,
    since the weights are shared. Over L layers these add in the logarithm; a std is half of it; four of them are
    allowed. The batch of 64 adds one such term, and the finite width a bias of at most half the variance."""
    width = 512
    slack = (depth + 1) * 5 / width
    tolerance = 4 * math.sqrt(slack) / 2 + slack / 2
    both_measured = init.measured_stds(depth, width, gain, activation)
    for measured, expected in zip(both_measured, init.expected_stds(depth, gain, activation)):
        for got, want in zip(measured, expected):
            assert abs(math.log(got / want)) < tolerance


def test_schemes_live_or_die_as_theory_says():
    for scheme, activation, alive in [("lecun", "linear", 1.0), ("kaiming", "relu", 1.0), ("lecun", "relu", 2**-25)]:
        gain = init.linear_std(512, 512, scheme) * math.sqrt(512)
        # entering layer 51 of a ReLU network with LeCun's std the variance has been halved fifty times
        assert init.expected_stds(51, gain, activation)[0][-1] / gain == pytest.approx(alive, rel=1e-6)


def test_gradients_written_out_equal_autograds():
    """measured_stds' backward pass against autograd, residual and not."""
    for residual in (False, True):
        generator = seeded(3)
        weights = (torch.randn(5, 16, 16, generator=generator) * (1.3 / 4)).requires_grad_()
        x = torch.randn(8, 16, generator=generator)
        streams = []
        for weight in weights:
            y = x / x.square().mean(dim=-1, keepdim=True).sqrt() if residual else x
            z = y @ weight.T
            x = x + torch.tanh(z) if residual else torch.tanh(z)
            stream = x if residual else z
            stream.retain_grad()
            streams.append(stream)
        x.backward(torch.randn(8, 16, generator=generator))
        _, backward = init.measured_stds(5, 16, 1.3, "tanh", residual=residual, batch=8, seed=3)
        for got, stream in zip(backward, streams):
            assert got == pytest.approx(stream.grad.double().std(correction=0).item(), rel=1e-4)


def test_the_residual_stream_grows_as_the_root_and_init_residual_stops_it():
    layers = 64
    grown, _ = init.measured_stds(2 * layers, 256, 1.0, "linear", residual=True)
    tamed, _ = init.measured_stds(2 * layers, 256, 1 / math.sqrt(2 * layers), "linear", residual=True)
    for k in (0, 9, 2 * layers - 1):
        # Branch k is independent of the stream; its mean square has the relative std √(2/(64·256)), and it meets the
        # stream at a chance angle of size 1/√256. Five of the larger.
        assert grown[k] == pytest.approx(math.sqrt(1 + (k + 1)), rel=5 / 16)
        assert tamed[k] == pytest.approx(math.sqrt(1 + (k + 1) / (2 * layers)), rel=5 / 16)
    w = init.init_residual(torch.empty(300, 500), layers)
    assert w.std().item() == pytest.approx(1 / math.sqrt(500 * 2 * layers), rel=5 / math.sqrt(2 * w.numel()))
    with pytest.raises(ValueError, match="num_layers"):
        init.init_residual(w, 0)


def small_model() -> TransformerLM:
    torch.manual_seed(0)
    return TransformerLM(ModelConfig(vocab_size=97, context_length=16, d_model=32, num_layers=2, num_heads=2, d_ff=64))


def test_initial_loss_is_what_a_fresh_model_has():
    model, ids = small_model(), torch.randint(97, (8, 16), generator=seeded())
    with torch.no_grad():
        loss = nn.functional.cross_entropy(model(ids).flatten(0, 1), ids.flatten()).item()
    assert loss == pytest.approx(init.initial_loss(97), rel=0.1)
    assert init.initial_loss(50257) == pytest.approx(10.82, abs=0.005)
    with pytest.raises(ValueError, match="vocab_size"):
        init.initial_loss(0)


def test_every_layer_of_a_transformer_is_reported_by_name():
    model, ids = small_model(), torch.randint(97, (2, 16))
    layers = init.signal_statistics(model, ids)
    assert {"token_embeddings", "layers.0.attn.q_proj", "lm_head"} <= {layer.name for layer in layers}
    assert all(layer.grad_std is not None and layer.grad_std > 0 for layer in layers)
    assert not any(module._forward_hooks for module in model.modules())
    with pytest.raises(TypeError, match=r"model: a torch.nn.Module, got <function"):
        init.signal_statistics(lambda x: x, torch.randn(2))


class Scales(nn.Module):
    """Writes over what it is given, counts its calls, and remembers them in a list and in a new tensor."""

    def __init__(self):
        super().__init__()
        self.calls, self.seen, self.last = 0, [], torch.zeros(())

    def forward(self, x):
        self.calls += 1
        self.seen.append(x.shape)
        self.last = x.detach().mean()
        return x.mul_(3)


class Raises(nn.Module):
    def forward(self, x):
        raise RuntimeError("half way")


class First(nn.Module):
    """The first of what a recurrent layer returns."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 8)

    def forward(self, x):
        return self.lstm(x)[0]


def frozen(module: nn.Module) -> nn.Module:
    return module.eval().requires_grad_(False)


PARTS = {
    "an in-place ReLU": lambda: nn.ReLU(inplace=True),
    "an in-place SiLU": lambda: nn.SiLU(inplace=True),
    "an in-place dropout": lambda: nn.Dropout(0.5, inplace=True),
    "a product in place": Scales,
    "batch norm": lambda: nn.BatchNorm1d(8),
    "a frozen batch norm": lambda: frozen(nn.BatchNorm1d(8)),
    "instance norm": lambda: nn.Sequential(
        nn.Unflatten(1, (2, 4)), nn.InstanceNorm1d(2, track_running_stats=True), nn.Flatten()
    ),
    "spectral norm": lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(8, 8)),
    "a recurrent layer": First,
}


def with_part(part: nn.Module, *more: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 8), part, nn.Linear(8, 8), *more)


def everything(model: nn.Module, x: torch.Tensor) -> dict:
    """All that a run could change, as values."""
    kept = {}
    for name, module in model.named_modules():
        for attribute, value in vars(module).items():
            kept[name, attribute] = sorted(value) if isinstance(value, dict) else copy.copy(value)
        kept |= {(name, key): value.detach().clone() for key, value in module.state_dict().items()}
        kept |= {(name, key, "grad"): value.grad for key, value in module.named_parameters()}
    return kept | {"x": x.detach().clone(), "x.grad": x.grad, "random": torch.get_rng_state()}


def assert_equal(before: dict, after: dict) -> None:
    assert before.keys() == after.keys()
    for key, value in before.items():
        same = torch.equal(value, after[key]) if isinstance(value, torch.Tensor) else value == after[key]
        assert same, key


@pytest.mark.parametrize("raises", [False, True], ids=["it returns", "it raises"])
@pytest.mark.parametrize("trains", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("part", PARTS)
def test_a_model_and_its_input_are_left_exactly_as_they_were(part, trains, raises):
    middle = PARTS[part]()
    model = with_part(middle, *([Raises()] if raises else [])).train(trains)
    if part.startswith("a frozen"):
        middle.eval()  # in a model that trains
    model[0].weight.grad = torch.ones(8, 8)
    x = torch.randn(6, 8, generator=seeded(), requires_grad=True)
    before = everything(model, x)
    if raises:
        with pytest.raises(RuntimeError, match="half way"):
            init.signal_statistics(model, x)
    else:
        init.signal_statistics(model, x)
    assert_equal(before, everything(model, x))
    assert model[0].weight.grad is before["0", "weight", "grad"]


@pytest.mark.parametrize("part", PARTS)
def test_each_layer_is_reported_with_its_own_output_whatever_writes_over_it(part):
    model, x = with_part(PARTS[part]()).train(), torch.randn(6, 8, generator=seeded())
    want = model[0](x)
    assert init.signal_statistics(model, x)[0].std == pytest.approx(want.std(correction=0).item(), rel=1e-5)


def test_gradients_belong_to_the_output_as_it_left_the_layer():
    """Of relu(z)², and of the same with z written over."""
    x, found = torch.randn(6, 8, generator=seeded()), []
    for inplace in (False, True):
        found.append(init.signal_statistics(with_part(nn.ReLU(inplace=inplace)), x, loss=lambda y: y.square().sum()))
    assert found[0] == found[1] and found[0][0].grad_std > 0


def test_modules_that_return_several_tensors_are_reported_by_the_first_or_refused_in_words():
    x = torch.randn(6, 8, generator=seeded())
    names = [layer.name for layer in init.signal_statistics(with_part(First()), x)]
    assert names == ["0", "1.lstm", "2"]
    with pytest.raises(TypeError, match="model: one that returns a tensor, or a loss that makes one of it, got "):
        init.signal_statistics(nn.LSTM(8, 8), x)
    (layer,) = init.signal_statistics(nn.LSTM(8, 8), x, loss=lambda returned: returned[0].sum())
    assert layer.kind == "LSTM" and layer.grad_std is not None
    untrained = init.signal_statistics(frozen(with_part(nn.ReLU())), x)
    assert [layer.grad_std for layer in untrained] == [None, None, None]


def test_statistics_are_those_of_the_tensors():
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    x = torch.randn(16, 8)
    layers = init.signal_statistics(model, x, loss=lambda y: y.square().mean())
    z = model[0](x)
    z.retain_grad()
    model[2](torch.relu(z)).square().mean().backward()
    assert layers[0].std == pytest.approx(z.std(correction=0).item(), rel=1e-5)
    assert layers[0].grad_std == pytest.approx(z.grad.std(correction=0).item(), rel=1e-4)
    assert layers[1].zero == pytest.approx((z <= 0).double().mean().item())
    ratio = model[0].weight.grad.std(correction=0) / model[0].weight.std(correction=0)
    assert layers[0].weight_grad_ratio == pytest.approx(ratio.item(), rel=1e-4)


@pytest.mark.parametrize("seed", range(30))
def test_the_fault_is_hidden_by_its_seed_and_found(seed):
    model = init.faulty_network(seed)
    spreads = {n: m.weight.std().item() for n, m in model.named_children() if n.startswith("layer")}
    usual = init.linear_std(128, 128, "kaiming")
    odd = [n for n, std in spreads.items() if not 0.5 < std / usual < 2 or model.get_submodule(n).bias[0] != 0]
    assert [init.find_the_bad_layer(model, torch.randn(64, 128, generator=seeded(9)))] == odd
    again = init.faulty_network(seed)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters()))


def test_all_faults_and_many_places_occur():
    x = torch.randn(64, 128, generator=seeded())
    assert len({init.find_the_bad_layer(init.faulty_network(seed), x) for seed in range(40)}) >= 8


@pytest.mark.parametrize(
    ("fmt", "smallest_kept", "largest_kept"),
    [("float16", 2.0**-24, 65504.0), ("bfloat16", 2.0**-133, 3.3895e38), ("float8_e4m3fn", 2.0**-9, 448.0)],
)
def test_what_a_format_loses(fmt, smallest_kept, largest_kept):
    assert init.lost_in((smallest_kept, -largest_kept), fmt) == (0, 0)
    assert init.lost_in((smallest_kept / 2, -smallest_kept / 4, largest_kept * 1.01, 0.0), fmt) == (0.5, 0.25)
