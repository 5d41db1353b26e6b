"""Run me with: pytest tests/test_hardware.py

The table is held against facts that need no table: sparse figures are twice the dense ones, tensor-core rates
follow from clock and unit counts, halving the bits doubles the rate.
"""

from time import perf_counter

import pytest
import torch

from lmcourse.float_formats import FORMATS
from lmcourse.hardware import ACCELERATORS, find_accelerator, measure_peak, peak_flop_per_s


def test_every_row_says_where_and_when_it_was_read():
    for chip in ACCELERATORS.values():
        assert len(chip.source) > 10 and chip.date[:3] == "202" and len(chip.date) == 7, chip.name
        assert 1e11 < chip.bandwidth < 1e13 and 1e10 < chip.memory < 1e12, chip.name
        assert chip.peak and all(1e13 < rate < 1e16 for rate in chip.peak.values()), chip.name
        assert set(chip.peak) <= set(FORMATS), chip.name


def test_rates_follow_from_clock_and_number_of_units():
    """Multiply-adds a clock and tensor core, times cores, times the boost clock, times two."""
    assert ACCELERATORS["H100 SXM"].peak["bfloat16"] == pytest.approx(2 * 512 * 528 * 1.830e9, rel=1e-3)
    assert ACCELERATORS["A100 SXM 80GB"].peak["bfloat16"] == pytest.approx(2 * 256 * 432 * 1.410e9, rel=1e-3)
    assert ACCELERATORS["B200"].peak["float32"] == pytest.approx(2 * 128 * 148 * 1.980e9, rel=1e-3)
    assert ACCELERATORS["RTX 4090"].peak["tf32"] == pytest.approx(2 * 32 * 512 * 2.520e9, rel=1e-3)
    assert ACCELERATORS["MI300X"].peak["bfloat16"] == pytest.approx(2 * 256 * 1216 * 2.100e9, rel=1e-3)


def test_a_format_of_half_the_bits_is_twice_as_fast():
    for name in ("H100 SXM", "H100 PCIe", "H200 SXM", "B200", "A100 SXM 80GB", "RTX 4090"):
        peak = ACCELERATORS[name].peak
        assert peak["bfloat16"] == pytest.approx(2 * peak["tf32"], rel=1e-3), name
        assert peak["bfloat16"] == peak["float16"], name
        if "float8_e4m3fn" in peak:
            assert peak["float8_e4m3fn"] == pytest.approx(2 * peak["bfloat16"], rel=2e-3), name


def test_no_rate_is_a_sparse_one():
    sparse = {1979e12, 3958e12, 624e12, 4500e12, 9000e12, 330.3e12 * 2, 838e12}
    for chip in ACCELERATORS.values():
        assert chip.peak.get("bfloat16") not in sparse, chip.name
    assert peak_flop_per_s("H100 SXM", "bfloat16") == pytest.approx(1979e12 / 2, rel=1e-3)


def test_chips_have_no_rate_for_formats_they_lack():
    assert peak_flop_per_s("A100 SXM 80GB", "float8_e4m3fn") is None
    assert peak_flop_per_s("V100 SXM2 16GB", "bfloat16") is None
    assert peak_flop_per_s("H100 SXM", "float8_e4m3fnuz") is None
    assert peak_flop_per_s("MI300X", "float8_e4m3fn") is None


def test_products_of_one_family_differ():
    assert peak_flop_per_s("NVIDIA H100 80GB HBM3", torch.bfloat16) == 989.4e12
    assert peak_flop_per_s("NVIDIA H100 PCIe", torch.bfloat16) == 756e12
    assert find_accelerator("NVIDIA A100-SXM4-40GB").bandwidth < find_accelerator("NVIDIA A100-SXM4-80GB").bandwidth
    assert peak_flop_per_s("NVIDIA H100 80GB HBM3", "float32") == 67e12  # without tensor cores
    assert peak_flop_per_s("NVIDIA H100 80GB HBM3", "tf32") == 494.7e12


@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA H100 NVL",
        "NVIDIA H200 NVL",
        "NVIDIA H100 80GB HBM3 MIG 1g.10gb",
        "NVIDIA GeForce RTX 4090 D",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "nvidia h100 80gb hbm3",
        "H100",
        "cpu",
        "",
    ],
)
def test_what_is_not_in_the_table_is_unknown(name):
    assert peak_flop_per_s(name, "bfloat16") is None


def test_devices_without_a_datasheet_are_unknown():
    assert peak_flop_per_s(torch.device("cpu"), torch.float32) is None
    assert peak_flop_per_s(torch.device("meta"), torch.float32) is None
    if not torch.cuda.is_available():
        assert peak_flop_per_s("cuda", "bfloat16") is None
        assert peak_flop_per_s(torch.device("cuda:3"), "bfloat16") is None


def test_bad_input_is_refused_by_name():
    with pytest.raises(ValueError, match=r"dtype: float64, .* got 'bf16'"):
        peak_flop_per_s("H100 SXM", "bf16")
    with pytest.raises(ValueError, match="tf32"):
        measure_peak("cpu", "tf32")
    with pytest.raises(ValueError, match="dtype"):
        measure_peak("cpu", torch.int8)
    assert peak_flop_per_s("H100 SXM", torch.int8) is None


def test_measured_ceilings_are_plausible_and_quick():
    started = perf_counter()
    measured = measure_peak("cpu", torch.float32)
    assert perf_counter() - started < 6  # under two seconds on an idle machine; tests run on busy ones
    assert 1e8 < measured.flop_per_s < 1e14 and 1e8 < measured.bytes_per_s < 1e12
    assert measured.ridge == measured.flop_per_s / measured.bytes_per_s
    assert (measured.device, measured.dtype) == ("cpu", "float32")


def test_measuring_leaves_the_matmul_precision_as_it_was():
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        measure_peak("cpu", "float32")
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
