"""Run: pytest tests/test_quantization.py

Tensors rounded at once, against the exact codec, PyTorch's casts and gfloat's blocks.
"""

import itertools
import math

import pytest
import torch

from lmcourse.float_formats import FORMATS, OVERFLOWS, ROUNDINGS
from lmcourse.quantization import (
    attention_costs,
    equal_numbers,
    quantize,
    quantize_mxfp4,
    quantize_nvfp4,
    weight_path,
)


def same(a: float, b: float) -> bool:
    """Equal as numbers, with the sign of a zero; any NaN equals any NaN."""
    return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "float64"])
def test_quantize_is_decode_of_encode(name):
    fmt = FORMATS[name]
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, generator=generator, dtype=torch.float64) * 2.0 ** torch.randint(
        -150, 130, (300,), generator=generator
    )
    near = torch.randn(300, generator=generator, dtype=torch.float64) * fmt.max**0.5
    edges = [fmt.max, fmt.smallest_normal, fmt.smallest_normal / 2, 1.5 * fmt.max, math.inf, 0.0, 1.75, 1 / 3, 1e-320]
    if fmt.bits <= 8:
        grid = [fmt.decode(code) for code in range(fmt.max_code + 1)]
        middle = [(a + b) / 2 for a, b in itertools.pairwise(grid)]
        edges += [x for m in middle for x in (math.nextafter(m, 0), m, math.nextafter(m, math.inf))]
    edges = torch.tensor(edges, dtype=torch.float64)
    x = torch.cat([x, near, edges, -edges])
    for mode, policy in itertools.product(ROUNDINGS[:-1], OVERFLOWS):
        fast = quantize(x, fmt, rounding=mode, overflow=policy).tolist()
        slow = [fmt.decode(fmt.encode(v, rounding=mode, overflow=policy)) for v in x.tolist()]
        wrong = [(v, a, b) for v, a, b in zip(x.tolist(), fast, slow, strict=True) if not same(a, b)]
        assert not wrong, (mode, policy, wrong[:3])


def test_quantize_rounds_tensors_as_torch_casts_them():
    x = torch.randn(100_000, generator=torch.Generator().manual_seed(1)) * 3
    for name in ("float16", "bfloat16", "float8_e5m2", "float8_e4m3fnuz"):
        assert torch.equal(quantize(x, FORMATS[name]), x.to(getattr(torch, name)).double())
    assert quantize(torch.tensor(math.nan), FORMATS["bfloat16"]).isnan()


def test_stochastic_quantize_is_unbiased_and_draws_from_its_own_generator():
    x = torch.full((100_000,), 1 + 2**-9)
    before = torch.random.get_rng_state()
    rounded = quantize(x, FORMATS["bfloat16"], rounding="stochastic", generator=torch.Generator().manual_seed(0))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert rounded.unique().tolist() == [1.0, 1.0078125]
    assert abs(rounded.mean().item() - (1 + 2**-9)) < 5 * 2**-7 * math.sqrt(0.25 * 0.75 / 100_000)


def test_mxfp4_blocks_are_those_of_gfloat():
    pytest.importorskip("gfloat", reason="the oracle for blocks: pip install gfloat")
    from gfloat import BlockFormatInfo, quantize_block
    from gfloat.block import compute_scale_amax
    from gfloat.formats import format_info_mxfp4_e2m1

    assert isinstance(format_info_mxfp4_e2m1, BlockFormatInfo)
    x = torch.randn(64, 32, generator=torch.Generator().manual_seed(2)).double() * 7
    rounded, scales = quantize_mxfp4(x)
    assert scales.shape == (64, 1) and set(torch.frexp(scales).mantissa.flatten().tolist()) == {0.5}
    for row, scale, result in zip(x, scales[:, 0], rounded, strict=True):
        assert scale == 2.0 ** (math.floor(math.log2(row.abs().max())) - 2)
        assert result.tolist() == quantize_block(format_info_mxfp4_e2m1, row.numpy(), compute_scale_amax).tolist()


def test_nvfp4_reaches_the_largest_element_and_beats_mxfp4():
    x = torch.randn(256, 64, generator=torch.Generator().manual_seed(3)).double()
    rounded, scales = quantize_nvfp4(x)
    assert scales.shape == (256, 4)
    mx, _ = quantize_mxfp4(x)
    error, mx_error = (rounded - x).pow(2).mean().item(), (mx - x).pow(2).mean().item()
    assert error < 0.8 * mx_error
    assert torch.equal(quantize_nvfp4(torch.zeros(2, 16))[0], torch.zeros(2, 16, dtype=torch.float64))
    assert torch.equal(quantize_mxfp4(torch.zeros(2, 32))[0], torch.zeros(2, 32, dtype=torch.float64))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda f: quantize(torch.ones(1), FORMATS["float64"]), ValueError, "fmt: a format of at most 32 bits"),
        (lambda f: quantize(torch.ones(1), f, rounding="odd"), ValueError, "rounding: nearest_even, toward_zero"),
        (lambda f: quantize(torch.ones(1), f, overflow="odd"), ValueError, "overflow: inf, saturate or nan, got 'odd'"),
        (lambda f: quantize(torch.ones(1), f, rounding="stochastic"), TypeError, "generator: a torch.Generator"),
        (lambda f: quantize(torch.tensor(math.nan), FORMATS["float4_e2m1fn"]), ValueError, "has no NaN"),
        (lambda f: quantize_mxfp4(torch.ones(33)), ValueError, "x: blocks of 32 along its last dimension, got shape"),
        (lambda f: quantize_nvfp4(torch.full((16,), math.inf)), ValueError, "x: finite numbers, to share a scale"),
    ],
)
def test_bad_input_is_refused_in_words(call, error, words):
    with pytest.raises(error, match=words):
        call(FORMATS["float16"])


def test_a_path_is_what_the_codec_makes_step_by_step():
    fmt, weight, path = FORMATS["float8_e5m2"], 1.0, []
    for _ in range(21):
        path.append(weight)
        weight = fmt.decode(fmt.encode(weight - 0.2))
    assert weight_path(fmt, -0.2, 20).flatten().tolist() == path
    coins = weight_path(FORMATS["bfloat16"], -1e-3, 500, rounding="stochastic", runs=40)
    assert coins.shape == (501, 40) and abs(coins[-1].mean() - 0.5) < 0.02 and coins[-1].unique().numel() > 5


def test_equal_numbers_looks_at_signs_and_at_nan():
    a = torch.tensor([0.0, -0.0, math.nan, 1.0, math.inf])
    assert equal_numbers(a, a) == 5
    assert equal_numbers(a, torch.tensor([-0.0, -0.0, -math.nan, 2.0, -math.inf])) == 2


def test_a_wider_format_costs_attention_less():
    low, wide = attention_costs(FORMATS["bfloat16"]), attention_costs(FORMATS["float16"])
    assert all(cheap < dear for cheap, dear in zip(wide.values(), low.values(), strict=True))
    assert max(low, key=low.get) == "its sum kept in bfloat16"
