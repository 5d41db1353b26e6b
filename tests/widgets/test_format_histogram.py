"""Run: pytest tests/widgets/test_format_histogram.py

FormatHistogram in Python: reports against PyTorch's own casts, what is refused, and the golden answers that
format_histogram.test.mjs holds the JS against.
"""

import math
from dataclasses import asdict

import pytest
import torch

from lmcourse.float_formats import FORMATS
from lmcourse.widgets import FormatHistogram
from lmcourse.widgets.format_histogram import BLOCKS, LIMIT, NAMES, SAMPLE, fitting_scale, report


def values(count: int, seed: int, spread: float) -> torch.Tensor:
    """Numbers of many sizes, each exact in a float32 so that JSON carries them."""
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.randn(count, generator=generator) * spread
    x = torch.randn(count, generator=generator) * 2.0**sizes
    x[::17] = 0.0
    return x


def test_golden_answers(golden):
    cases = []
    for seed, spread in ((0, 0.5), (1, 6.0), (2, 20.0)):
        x = values(96, seed, spread)
        for scale in (0, -9, 16):
            scaled = x.double() * 2.0**scale
            reports = {name: report(x, name, 2.0**scale) for name in [*NAMES, *BLOCKS]}
            cases.append({"values": scaled.tolist(), "largest": scaled.abs().max().item(), "reports": reports})
    fits = [
        [name, largest, fitting_scale(FORMATS[name], largest)] for name in NAMES for largest in (0.0, 1.0, 3e-9, 1e30)
    ]
    golden("format_histogram", {"formats": [asdict(FORMATS[name]) for name in NAMES], "cases": cases, "fits": fits})


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float8_e5m2", "float8_e5m2fnuz", "float8_e4m3fnuz"])
def test_a_report_is_what_torchs_own_cast_does(name):
    x = values(50_000, 3, 8.0)
    cast = x.to(getattr(torch, name)).double()
    said, nonzero = report(x, name), x != 0
    lost, large = nonzero & (cast == 0), ~cast.isfinite()
    assert said["underflow"] == lost.sum().item() / nonzero.sum().item()
    assert said["overflow"] == large.sum().item() / nonzero.sum().item()
    kept = nonzero & ~lost & ~large
    error = ((cast - x.double())[kept] / x.double()[kept]).abs().mean().item()
    assert said["error"] == pytest.approx(error, rel=1e-12)


def test_signal_to_noise_counts_what_saturates():
    x = torch.tensor([1.0, 900.0])
    said = report(x, "float8_e4m3fn")
    assert said["overflow"] == 0.5
    assert said["decibel"] == pytest.approx(10 * math.log10((1 + 900**2) / (900 - 448) ** 2))
    assert report(torch.tensor([1.0, 6.9]), "float4_e2m1fn")["overflow"] == 0
    assert report(torch.tensor([1.0, 7.0]), "float4_e2m1fn")["overflow"] == 0.5  # a tie past the largest, to even
    assert report(torch.ones(4), "float16")["decibel"] is None
    assert report(torch.zeros(4), "nvfp4") == {"underflow": 0.0, "overflow": 0.0, "error": None, "decibel": None}


def test_the_sample_is_fair_and_keeps_its_blocks():
    columns = torch.logspace(-9, -1, 96).repeat(640, 1)  # blocks in step with the rows
    widget = FormatHistogram(columns)
    whole = (columns < 2**-25).double().mean().item()
    assert widget.sampled == SAMPLE and widget.count == columns.numel()
    import base64

    import numpy as np

    sample = np.frombuffer(base64.b64decode(widget.sample), dtype=np.float64)
    assert abs((sample < 2**-25).mean() - whole) < 0.1
    assert np.allclose(sample.reshape(-1, 32)[0], sorted(sample.reshape(-1, 32)[0]))  # 32 neighbours of a row


def test_the_whole_tensor_is_asked_of_python():
    x = values(LIMIT + 5, 4, 8.0)
    widget = FormatHistogram(x, "float16")
    said = widget.answer({"format": "float16", "scale": 3})
    assert said["elements"] == LIMIT and said["scale"] == 3
    assert said["underflow"] == pytest.approx(report(x, "float16", 8.0)["underflow"], abs=0.01)
    for question in ({"format": "float7"}, {"format": "float16", "scale": 1.5}, {"format": "float16", "scale": 10**9}):
        with pytest.raises(ValueError, match="expected"):
            widget.answer(question)


def test_fitting_brings_the_largest_element_inside():
    for name in NAMES:
        fmt = FORMATS[name]
        for largest in (1.0, 3.3, 1e-7, 5e4):
            scale = fitting_scale(fmt, largest)
            if fmt.exponent_bits < 8:
                assert largest * 2.0**scale <= fmt.max < largest * 2.0 ** (scale + 1)
            else:
                assert scale == 0
    x = torch.tensor([1e-6, 3e-6])
    assert FormatHistogram(x, "float8_e4m3fn").report()["underflow"] == 1
    assert FormatHistogram(x, "float8_e4m3fn", fit=True).report()["underflow"] == 0


def test_what_is_not_finite_is_counted_and_left_out():
    widget = FormatHistogram(torch.tensor([math.nan, math.inf, 1.0]))
    assert (widget.not_finite, widget.sampled) == (2, 1)
    for nothing in (torch.tensor(math.nan), torch.zeros(3)):
        assert FormatHistogram(nothing).static_html()
    assert "no finite element" in repr(FormatHistogram(torch.tensor([math.nan])))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.int64, torch.bool, torch.float8_e4m3fn])
def test_every_real_dtype_is_taken(dtype):
    assert FormatHistogram(torch.ones(3).to(dtype)).largest == 1.0


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        (([1.0],), TypeError, "tensor: expected a torch.Tensor, got list"),
        ((torch.zeros(0, 3),), ValueError, "tensor: expected at least one element, got shape"),
        ((torch.zeros(2, dtype=torch.complex64),), ValueError, "real numbers"),
        ((torch.eye(2).to_sparse(),), ValueError, "dense"),
        ((torch.ones(2), "float64"), ValueError, "format: expected one of float32"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments, error, words):
    with pytest.raises(error, match=words):
        FormatHistogram(*arguments)
    with pytest.raises(ValueError, match="scale: expected an int"):
        FormatHistogram(torch.ones(2), scale=41)
