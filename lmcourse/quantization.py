"""Whole tensors in the formats of `lmcourse.float_formats`: rounded at once, alone or in blocks under a scale.

The rounding is done in float64 and equals the exact codec's, element by element. Block formats keep four bits a number
and a scale for every 16 or 32 of them.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lmcourse.float_formats import FORMATS, ROUNDINGS, FloatFormat
from lmcourse.support import checks


def quantize(
    x: Float[Tensor, "..."],
    fmt: FloatFormat,
    *,
    rounding: str = "nearest_even",
    overflow: str = "inf",
    generator: torch.Generator | None = None,
) -> Float[Tensor, "..."]:
    """`x` with every element rounded to a number of `fmt`, in float64: `fmt.decode(fmt.encode(x))`, all at once.

    The modes and policies are those of `FloatFormat.encode`; stochastic rounding draws from a `torch.Generator` of
    its own. Dividing by a power of two is exact in float64, so the only rounding is the one asked for.

    Raises: ValueError for an unknown mode, or a format with more bits than float32.

    >>> quantize(torch.tensor([0.1, 3.2, 500.0]), FORMATS["float8_e4m3fn"], overflow="saturate").tolist()
    [0.1015625, 3.25, 448.0]
    """
    checks.one_of("rounding", rounding, ROUNDINGS)
    if rounding == "stochastic" and not isinstance(generator, torch.Generator):
        raise TypeError(f"generator: a torch.Generator for stochastic rounding, got {checks.got(generator)}")
    if fmt.bits > 32:
        raise ValueError(f"fmt: a format of at most 32 bits, which float64 can round, got {fmt.name}")
    x = x.double()
    negative = x.signbit()
    toward_zero = torch.full_like(negative, rounding == "toward_zero")
    if rounding in ("up", "down"):
        toward_zero = negative == (rounding == "up")

    # The spacing around each element is 2**power; `steps` is the element counted in it, exactly.
    exponent = torch.frexp(x).exponent - 1
    power = exponent.clamp(min=fmt.min_exponent, max=1023) - fmt.mantissa_bits
    spacing = _powers_of_two(power)
    steps = x.abs() / spacing
    below = steps.floor()
    up = _goes_up(steps - below, below, rounding, toward_zero, generator)
    magnitude = (below + up) * spacing
    if not fmt.subnormals:
        magnitude = magnitude.clamp(min=fmt.smallest_normal)  # there is no zero

    replacement = fmt.decode(fmt.encode(math.inf, overflow=overflow))
    magnitude = torch.where(toward_zero & x.isfinite(), magnitude.clamp(max=fmt.max), magnitude)
    magnitude = torch.where(magnitude > fmt.max, replacement, magnitude)

    result = torch.where(negative, -magnitude, magnitude)
    if not fmt.signed:
        result = torch.where(x < 0, math.nan, magnitude)
    if fmt.specials == "fnuz":
        result = result + 0.0  # -0 + 0 is 0
    if not fmt.has_nan and x.isnan().any():
        raise ValueError(f"x: {fmt.name} has no NaN")
    return torch.where(x.isnan(), math.nan, result)


def weight_path(
    fmt: FloatFormat, update: float, steps: int, *, rounding: str = "nearest_even", runs: int = 1, seed: int = 0
) -> Float[Tensor, "steps_and_start runs"]:
    """Where a weight is that starts at 1, gets the same update again and again, and is kept in `fmt`: a row each step.

    Stochastic rounding draws other coins in each of the `runs`; the other modes make all runs equal.

    >>> weight_path(FORMATS["bfloat16"], -1e-3, 1000)[-1].item()
    1.0
    """
    coins, path = torch.Generator().manual_seed(seed), [torch.ones(runs, dtype=torch.float64)]
    for _ in range(steps):
        path.append(quantize(path[-1] + update, fmt, rounding=rounding, generator=coins))
    return torch.stack(path)


def attention_costs(fmt: FloatFormat) -> dict[str, float]:
    """What it costs to keep one part of an attention in `fmt`: the relative error of the result, by the part's name.

    Queries, keys and values are 256 random rows of 64 numbers; what is not named is computed in float64.

    >>> costs = attention_costs(FORMATS["bfloat16"])
    >>> max(costs, key=costs.get)
    'its sum kept in bfloat16'
    """

    def low(x: Tensor) -> Tensor:
        return quantize(x, fmt)

    dice = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(256, 64, generator=dice).double() for _ in range(3))
    exact = (q @ k.T / 8).softmax(-1) @ v
    scores = low(q) @ low(k).T / 8
    grown = low(low(scores).exp())
    sums = torch.zeros(256, dtype=torch.float64)
    for column in grown.T:  # one by one, as a sum in the format is
        sums = low(sums + column)
    attempts = {
        "inputs rounded, all else exact": scores.softmax(-1) @ low(v),
        "softmax's result rounded too": low(scores.softmax(-1)) @ low(v),
        "scores rounded before softmax": low(low(scores).softmax(-1)) @ low(v),
        f"its sum kept in {fmt.name}": low(grown / sums[:, None]) @ low(v),
    }
    return {name: ((attempt - exact).norm() / exact.norm()).item() for name, attempt in attempts.items()}


def equal_numbers(ours: Float[Tensor, "n"], theirs: Float[Tensor, "n"]) -> int:
    """How many elements are the same number: signs of zeros count, and a NaN equals a NaN.

    >>> equal_numbers(torch.tensor([0.0, math.nan, 1.0]), torch.tensor([-0.0, math.nan, 1.0]))
    2
    """
    ours, theirs = ours.double(), theirs.double()
    same = (ours == theirs) & (ours.signbit() == theirs.signbit())
    return int((same | (ours.isnan() & theirs.isnan())).sum())


def _goes_up(
    rest: Tensor, below: Tensor, rounding: str, toward_zero: Tensor, generator: torch.Generator | None
) -> Tensor:
    """Where the neighbour farther from zero is taken, `rest` of the way from `below` to it."""
    match rounding:
        case "nearest_even":
            return (rest > 0.5) | ((rest == 0.5) & (below % 2 == 1))
        case "ties_away":
            return rest >= 0.5
        case "stochastic":
            return torch.rand(rest.shape, dtype=torch.float64, generator=generator, device=rest.device) < rest
    return (rest > 0) & ~toward_zero


def quantize_mxfp4(
    x: Float[Tensor, "... n"], block_size: int = 32
) -> tuple[Float[Tensor, "... n"], Float[Tensor, "... blocks"]]:
    """`x` in MXFP4: blocks of e2m1 elements, each block under one power-of-two scale in e8m0. 4.25 bits a number.

    Returns the rounded tensor and the scales `... n/block_size`. The scale brings the block's largest magnitude to the
    top binade of e2m1, which ends at 6; what then lies above 6 saturates (OCP microscaling formats 1.0, section 6.3).

    >>> rounded, scales = quantize_mxfp4(torch.tensor([0.01, -0.02, 0.03, 0.05]), block_size=4)
    >>> rounded.tolist(), scales.tolist()
    ([0.01171875, -0.0234375, 0.03125, 0.046875], [0.0078125])
    """
    element, scale_format = FORMATS["float4_e2m1fn"], FORMATS["float8_e8m0fnu"]
    blocks = _blocks(x, block_size)
    largest = blocks.abs().amax(-1, keepdim=True)
    exponent = torch.frexp(largest).exponent - 1 - 2  # 2: the exponent of e2m1's largest number, 6 = 1.5 * 2**2
    scales = quantize(_powers_of_two(exponent.clamp(min=-127)), scale_format, overflow="saturate")
    rounded = quantize(blocks / scales, element, overflow="saturate") * scales
    return rounded.reshape(x.shape), scales.squeeze(-1)


def quantize_nvfp4(
    x: Float[Tensor, "... n"], block_size: int = 16
) -> tuple[Float[Tensor, "... n"], Float[Tensor, "... blocks"]]:
    """`x` in NVFP4: blocks of 16 e2m1 elements, a scale in e4m3 each, and one float32 scale for the tensor. 4.5 bits.

    Returns the rounded tensor and the scales `... n/block_size`, both factors multiplied. A scale with a mantissa can
    bring the block's largest magnitude to 6 itself, not only to within a factor of two of it.
    Source: NVIDIA, "Pretraining Large Language Models with NVFP4" (2025), appendix on quantization.

    >>> rounded, scales = quantize_nvfp4(torch.tensor([0.01, -0.02, 0.03, 0.06]), block_size=4)
    >>> [round(v, 4) for v in rounded.tolist()], round(scales.item(), 4)
    ([0.01, -0.02, 0.03, 0.06], 0.01)
    """
    element, scale_format = FORMATS["float4_e2m1fn"], FORMATS["float8_e4m3fn"]
    blocks = _blocks(x, block_size)
    largest = blocks.abs().amax(-1, keepdim=True)
    tensor_scale = quantize(largest.amax() / (element.max * scale_format.max), FORMATS["float32"])
    tensor_scale = torch.where(tensor_scale > 0, tensor_scale, torch.ones_like(tensor_scale))
    scales = quantize(largest / element.max / tensor_scale, scale_format, overflow="saturate") * tensor_scale
    safe = torch.where(scales > 0, scales, torch.ones_like(scales))
    rounded = quantize(blocks / safe, element, overflow="saturate") * scales
    return rounded.reshape(x.shape), scales.squeeze(-1)


def _powers_of_two(exponent: Int[Tensor, "..."]) -> Float[Tensor, "..."]:
    """`2.0**exponent` in float64, exactly: a power of two is its exponent field and nothing else."""
    return ((exponent.long() + 1023) << 52).view(torch.float64)


def _blocks(x: Float[Tensor, "... n"], block_size: int) -> Float[Tensor, "... blocks block"]:
    if x.ndim == 0 or x.shape[-1] % block_size:
        raise ValueError(f"x: blocks of {block_size} along its last dimension, got shape {tuple(x.shape)}")
    if not x.isfinite().all():
        raise ValueError("x: finite numbers, to share a scale; got an infinity or a NaN")
    return x.double().reshape(*x.shape[:-1], -1, block_size)
