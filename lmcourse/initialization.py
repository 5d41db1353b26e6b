"""How wide the first random numbers of a network must be, and how to find the layer that got it wrong.

Stds of the usual schemes, a truncated normal whose bound is counted in standard deviations, the scaling of residual
branches, and `signal_statistics`, which watches a copy of any module through hooks.

Not here: training, and orthogonal or data-dependent initialization.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lmcourse.float_formats import FORMATS, FloatFormat
from lmcourse.support.checks import got
from lmcourse.support.optional import Tensor, nn, torch

if TYPE_CHECKING:
    from jaxtyping import Float

SCHEMES = ("lecun", "xavier", "kaiming", "torch_default")


def linear_std(fan_in: int, fan_out: int, scheme: str) -> float:
    """The standard deviation that a scheme gives the weights of a linear layer.

    "lecun" keeps the variance of a forward pass, "xavier" is the compromise with the
    backward pass, "kaiming" pays for a ReLU that zeroes half, and "torch_default" is
    what `nn.Linear` really does: uniform within ±1/√fan_in.
    Raises `ValueError` for a fan below 1 or an unknown scheme.

    >>> [round(linear_std(100, 400, scheme), 4) for scheme in SCHEMES]
    [0.1, 0.0632, 0.1414, 0.0577]
    """
    if fan_in < 1 or fan_out < 1:
        raise ValueError(f"fan_in and fan_out: 1 or more, got {fan_in} and {fan_out}")
    variance = {
        "lecun": 1 / fan_in,
        "xavier": 2 / (fan_in + fan_out),
        "kaiming": 2 / fan_in,
        "torch_default": 1 / (3 * fan_in),
    }
    if scheme not in variance:
        raise ValueError(f"scheme: one of {', '.join(SCHEMES)}, got {scheme!r}")
    return math.sqrt(variance[scheme])


def trunc_normal_(
    tensor: Float[Tensor, "..."],
    std: float,
    bound: float = 3.0,
    *,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "..."]:
    """Fill `tensor` (a parameter too) from a normal cut at ±`bound` stds; return it.

    It is filled in place. The cut narrows: the result's own std is
    `std * truncated_std(bound)`. What is drawn comes from `generator`, where one is
    given: the same seed, the same values. (`torch.nn.init.trunc_normal_` takes its
    bounds as absolute values instead.)
    Raises `ValueError` unless std and bound are positive.

    >>> w = trunc_normal_(torch.empty(1000, 1000), std=0.02, bound=2.0)
    >>> w.abs().max().item() <= 0.04, round(w.std().item() / 0.02, 2)
    (True, 0.88)
    """
    if not (std > 0 and bound > 0):
        raise ValueError(f"std and bound: more than 0, got {std!r} and {bound!r}")
    with torch.no_grad():
        tensor.normal_(0, std, generator=generator)
        while (outside := tensor.abs().double() > bound * std).any():
            tensor[outside] = torch.empty_like(tensor[outside]).normal_(0, std, generator=generator)
    return tensor


def truncated_std(bound: float) -> float:
    """The std of a standard normal cut at ±bound: √(1 − 2·bound·φ(bound) / (2Φ(bound) − 1)).

    >>> round(truncated_std(3.0), 4), round(truncated_std(2.0), 3)
    (0.9866, 0.88)
    """
    density = math.exp(-bound * bound / 2) / math.sqrt(2 * math.pi)
    return math.sqrt(1 - 2 * bound * density / math.erf(bound / math.sqrt(2)))


def init_residual(
    weight: Float[Tensor, "fan_out fan_in"],
    num_layers: int,
) -> Float[Tensor, "fan_out fan_in"]:
    """Fill the last matrix of a residual branch, so that all add a variance of one.

    A Transformer has two branches per layer (attention, feed-forward). The weight gets
    a std of 1/√(fan_in · 2 · num_layers), so what the branch writes has a std of
    1/√(2 · num_layers) where its inputs have std 1. GPT-2 does not look at fan_in: it
    gives the weight 0.02/√(2 · num_layers).

    Works in place, on a parameter too, and returns `weight`.
    Raises `ValueError` for num_layers below 1.

    >>> w = init_residual(torch.empty(400, 400), num_layers=8)
    >>> round(w.std().item() * math.sqrt(400 * 16), 2)
    1.0
    """
    if num_layers < 1:
        raise ValueError(f"num_layers: 1 or more, got {num_layers}")
    fan_in = weight.shape[1]
    return nn.init.normal_(weight, std=1 / math.sqrt(fan_in * 2 * num_layers))


def initial_loss(vocab_size: int) -> float:
    """The cross-entropy, in nats, of a model that finds all tokens equally likely.

    Raises `ValueError` for a vocabulary below 1.

    >>> round(initial_loss(50257), 2)
    10.82
    """
    if vocab_size < 1:
        raise ValueError(f"vocab_size: 1 or more, got {vocab_size}")
    return math.log(vocab_size)


# --- what theory says of depth ---------------------------------------------------------------------------------------

ACTIVATIONS = {
    "linear": (lambda z: z, torch.ones_like),
    "relu": (torch.relu, lambda z: (z > 0).to(z)),
    "tanh": (torch.tanh, lambda z: 1 - torch.tanh(z).square()),
    "gelu": (
        lambda z: z * _normal_cdf(z),
        lambda z: _normal_cdf(z) + z * torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi),
    ),
}


def _normal_cdf(z: Tensor) -> Tensor:
    return (1 + torch.erf(z / math.sqrt(2))) / 2


def expected_stds(depth: int, gain: float, activation: str) -> tuple[list[float], list[float]]:
    """What theory expects of `depth` wide layers whose weights have std gain/√fan_in: `(forward, backward)`.

    `forward[k]` is the std of the values that enter activation k, for an input of std 1; `backward[k]` the std of the
    gradient that arrives there, for one of std 1 at the output. Both are mean-field recursions, exact for infinite
    width (Poole et al. 2016, Schoenholz et al. 2017): q ← gain² E[f(√q z)²], δ ← gain² E[f′(√q z)²] δ.
    `activation` is one of `ACTIVATIONS`.

    >>> [round(std, 3) for std in expected_stds(3, 1.0, "relu")[0]]
    [1.0, 0.707, 0.5]
    """
    function, slope = ACTIVATIONS[activation]
    z = torch.linspace(-8, 8, 4000, dtype=torch.float64)  # a normal average, as a sum over a fine grid without 0
    weight = torch.exp(-z.square() / 2) / torch.exp(-z.square() / 2).sum()
    variances, slopes, variance = [], [], gain**2
    for _ in range(depth):
        variances.append(variance)
        slopes.append((weight * slope(math.sqrt(variance) * z).square()).sum().item())
        variance = gain**2 * (weight * function(math.sqrt(variance) * z).square()).sum().item()
    back = [slopes[-1]]  # the gradient passes the activation of its own layer, then the weights below
    for share in reversed(slopes[:-1]):
        back.append(back[-1] * gain**2 * share)
    return [math.sqrt(v) for v in variances], [math.sqrt(v) for v in reversed(back)]


def measured_stds(
    depth: int, width: int, gain: float, activation: str, *, residual: bool = False, batch: int = 64, seed: int = 0
) -> tuple[list[float], list[float]]:
    """The same two lists for one real network of square layers, forward and backward written out.

    With `residual`, each layer reads the stream through a norm and adds to it, x ← x + f(W x/rms(x)) as a pre-norm
    Transformer does, and what is reported is the stream.

    >>> forward, backward = measured_stds(8, 64, math.sqrt(2), "relu")
    >>> len(forward), len(backward), 0.5 < forward[-1] < 2
    (8, 8, True)
    """
    layers, backward = propagate(depth, width, gain, activation, residual=residual, batch=batch, seed=seed)
    return [_std(values) for values in layers], [_std(values) for values in backward]


def propagate(
    depth: int, width: int, gain: float, activation: str, *, residual: bool = False, batch: int = 64, seed: int = 0
) -> tuple[list[Float[Tensor, "batch width"]], list[Float[Tensor, "batch width"]]]:
    """The values themselves of `measured_stds`: what enters each activation (or the stream), and its gradient.

    >>> forward, backward = propagate(3, 16, 1.0, "relu", batch=2)
    >>> len(forward), forward[0].shape, backward[0].shape
    (3, torch.Size([2, 16]), torch.Size([2, 16]))
    """
    function, slope = ACTIVATIONS[activation]
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(depth, width, width, generator=generator) * (gain / math.sqrt(width))
    x = torch.randn(batch, width, generator=generator)
    delta = torch.randn(batch, width, generator=generator)  # the gradient at the output
    forward, saved = [], []
    for weight in weights:
        rms = x.square().mean(dim=-1, keepdim=True).sqrt() if residual else torch.ones(())
        y = x / rms
        z = y @ weight.T
        x = x + function(z) if residual else function(z)
        forward.append(x if residual else z)
        saved.append((y, rms, z))
    backward = []
    for (y, rms, z), weight in zip(reversed(saved), reversed(weights)):
        through = delta * slope(z)
        backward.append(delta if residual else through)
        below = through @ weight
        delta = delta + (below - y * (below * y).mean(dim=-1, keepdim=True)) / rms if residual else below
    return forward, backward[::-1]


# --- watching a module ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LayerSignal:
    """What passed one module: of its output, and of the gradient that came back to it (None where none did)."""

    name: str
    kind: str
    mean: float
    std: float
    zero: float  # the share of exact zeros: dead units, behind a ReLU
    grad_std: float | None
    weight_grad_ratio: float | None  # std of the weight's gradient over the std of the weight
    sample: tuple[float, ...]  # a few hundred output values, for a histogram


def signal_statistics(
    model: nn.Module, x: Tensor, *, loss: Callable[[Any], Tensor] | None = None, samples: int = 256
) -> list[LayerSignal]:
    """Run `model(x)` forward and backward once and report every module that has no children, in order of first use.

    What is reported is the module's own output, also where a later one writes over it in place; of a module that
    returns several tensors (an LSTM) the first. The backward pass starts from `loss(output)`, or from a standard
    normal gradient on the output where none is given; where nothing can be trained there is none. A copy of the model
    runs: the model itself, `x` and PyTorch's random state stay as they are.

    Raises `TypeError` where `model` is no module, or returns no tensor and no loss is given that makes one of it.

    >>> model = nn.Sequential(nn.Linear(64, 64), nn.ReLU())
    >>> [(layer.name, layer.kind) for layer in signal_statistics(model, torch.randn(8, 64))]
    [('0', 'Linear'), ('1', 'ReLU')]
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model: a torch.nn.Module, got {got(model)}")
    own = x.detach().requires_grad_(x.requires_grad).clone()  # an in-place first layer writes into it
    model = deepcopy(model)
    model.zero_grad()
    outputs, gradients = _watch(model)
    devices = {tensor.device for tensor in (own, *model.parameters()) if tensor.is_cuda}
    with torch.random.fork_rng(devices=devices), torch.enable_grad():
        output = model(own)
        if loss is None and not isinstance(output, Tensor):
            raise TypeError(f"model: one that returns a tensor, or a loss that makes one of it, got {got(output)}")
        dice = torch.Generator().manual_seed(0)
        start = torch.randn(output.shape, generator=dice).to(output) if loss is None else None
        end = output if loss is None else loss(output)
        if end.requires_grad:
            end.backward(start)
        weights = {name: getattr(module, "weight", None) for name, module in model.named_modules()}
        weights = {name: weight for name, weight in weights.items() if isinstance(weight, nn.Parameter)}
        ratios = {n: _std(w.grad) / _std(w) for n, w in weights.items() if w.grad is not None and _std(w) > 0}
    return [
        LayerSignal(
            name, kind, values.mean().item(), _std(values), (values == 0).double().mean().item(),
            _std(gradients[name]) if name in gradients else None, ratios.get(name), _spread(values, samples),
        )
        for name, (kind, values) in outputs.items()
    ]  # fmt: skip


def _std(values: Tensor) -> float:
    return values.double().std(correction=0).item()


def _spread(values: Tensor, samples: int) -> tuple[float, ...]:
    """Every k-th value: enough for a histogram, and the same on every run."""
    flat = values.flatten()
    return tuple(flat[:: max(1, flat.numel() // samples)][:samples].tolist())


def _watch(model: nn.Module) -> tuple[dict[str, tuple[str, Tensor]], dict[str, Tensor]]:
    """What will be filled as the model runs, by module name: copies of the outputs, and of their gradients."""
    outputs: dict[str, tuple[str, Tensor]] = {}
    gradients: dict[str, Tensor] = {}

    def copied(values: Tensor) -> Tensor:
        return values.detach().to("cpu", torch.float32, copy=True)

    def keep(name: str, module: nn.Module, output: Any) -> None:
        values = output[0] if isinstance(output, tuple | list) and output else output
        if name in outputs or not isinstance(values, Tensor) or not values.is_floating_point():
            return  # a module that is used twice is reported at its first use
        outputs[name] = type(module).__name__, copied(values)
        if values.requires_grad:
            values.register_hook(lambda grad: gradients.__setitem__(name, copied(grad)))

    for name, module in model.named_modules():
        if not list(module.children()):
            module.register_forward_hook(lambda module, _, output, name=name: keep(name, module, output))
    return outputs, gradients


def lost_in(values: Tensor | tuple[float, ...], fmt: FloatFormat | str) -> tuple[float, float]:
    """The shares of `values` that a format would flush to zero, and push past its largest: (underflow, overflow).

    `fmt` is one of notebook 02's formats that has a zero, or its name. Zeros do not count as flushed.

    >>> lost_in((1.0, 1e-9, 1e6, 0.0), "float16")
    (0.25, 0.25)
    """
    if isinstance(fmt, str):
        fmt = FORMATS[fmt]
    size = torch.as_tensor(values, dtype=torch.float64).abs().flatten()
    under = (size > 0) & (size <= fmt.smallest_subnormal / 2)
    return under.double().mean().item(), (size > fmt.max).double().mean().item()


# --- a network with a fault ----------------------------------------------------------------------------------------

FAULTS = ("too wide", "too narrow", "dead")


def faulty_network(seed: int, depth: int = 12, width: int = 128) -> nn.Sequential:
    """A deep ReLU network, Kaiming everywhere but in one linear layer that `seed` chooses and spoils.

    The fault is a weight 10 times too wide or too narrow, or a bias that keeps all but a few units off. The layers are
    named "layer0", "act0", "layer1" and so on.

    >>> len(faulty_network(0))
    24
    """
    generator = torch.Generator().manual_seed(seed)
    model = nn.Sequential()
    bad = torch.randint(1, depth, (), generator=generator).item()
    fault = FAULTS[torch.randint(len(FAULTS), (), generator=generator).item()]
    for k in range(depth):
        layer = nn.Linear(width, width)
        scale = {"too wide": 10.0, "too narrow": 0.1}.get(fault, 1.0) if k == bad else 1.0
        nn.init.normal_(layer.weight, std=scale * linear_std(width, width, "kaiming"), generator=generator)
        nn.init.constant_(layer.bias, -4.0 if k == bad and fault == "dead" else 0.0)
        model.add_module(f"layer{k}", layer)
        model.add_module(f"act{k}", nn.ReLU())
    return model


def change_factor(before: float, after: float) -> float:
    """How many times larger or smaller `after` is than `before`, both 0 or more.

    1 where they are equal. Infinite where exactly one of them is 0.

    >>> change_factor(0.5, 2.0), change_factor(2.0, 0.5), change_factor(0.0, 1.0)
    (4.0, 4.0, inf)
    """
    if before == after:
        return 1.0
    if before == 0 or after == 0:
        return math.inf
    return max(before / after, after / before)


def find_the_bad_layer(model: nn.Sequential, x: Float[Tensor, "batch width"]) -> str:
    """The name of the linear layer that changes the signal most, up or down.

    `model` alternates "layerK" and "actK", as `faulty_network` makes it. What counts is
    the std behind "actK" against the std behind the activation before it; for "layer0"
    against the std of `x`.

    >>> dice = torch.Generator().manual_seed(0)
    >>> find_the_bad_layer(faulty_network(3), torch.randn(64, 128, generator=dice))
    'layer10'
    """
    before, worst, name = x.std().item(), 0.0, ""
    for signal in signal_statistics(model, x):
        if signal.kind == "ReLU":
            factor = change_factor(before, signal.std)
            if factor > worst:
                worst, name = factor, signal.name.replace("act", "layer")
            before = signal.std
    return name
