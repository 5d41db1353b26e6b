"""What the chips promise, and what this machine delivers.

The table holds *dense* peak rates, one row a product (an H100 PCIe is not an H100 SXM), one number a
format, each row with the document it was read from and the month in which it was read. What is not in
the table is unknown: `peak_flop_per_s` answers `None`, it never guesses from a part of a name.
`measure_peak` finds in under two seconds what the machine at hand can do.

Not here: half-rate and sparse rates (makers print 2:4 sparse figures, twice the dense ones), interconnects,
prices.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from lmcourse.float_formats import FORMATS
from lmcourse.support.checks import one_of
from lmcourse.support.timing import time

FP8 = ("float8_e4m3fn", "float8_e5m2")
FP8_FNUZ = ("float8_e4m3fnuz", "float8_e5m2fnuz")
MULTIPLIED = ("float64", "float32", "tf32", "float16", "bfloat16")  # the formats whose rate can be measured here


@dataclass(frozen=True)
class Accelerator:
    """One product: its dense peak rates, its memory, and where the numbers come from.

    `peak` maps a format's name (PyTorch's, or `"tf32"`) to dense FLOP/s; `float32` is the rate without tensor
    cores. `bandwidth` is in bytes/s, `memory` in bytes (10⁹ a GB, as makers count). `sparse_factor` is how many
    times larger the maker's "with sparsity" figures are. `achieved` is the share of the bfloat16 peak that a tuned
    search over matmul shapes reached, where one was published (Bekman, *Machine Learning Engineering*, MAMF).

    >>> chip = ACCELERATORS["H100 SXM"]
    >>> round(chip.peak["bfloat16"] / chip.bandwidth)  # the FLOPs that it can do while one byte arrives
    295
    """

    name: str
    peak: Mapping[str, float]
    bandwidth: float
    memory: float
    source: str
    date: str
    cuda_names: tuple[str, ...] = ()
    sparse_factor: int = 1
    achieved: float | None = None
    note: str = ""


def _peaks(
    float32: float | None = None,
    tf32: float | None = None,
    float16: float | None = None,
    bfloat16: float | None = None,
    fp8: float | None = None,
    fp8_names: tuple[str, ...] = FP8,
) -> dict[str, float]:
    """TFLOP/s, as datasheets print them, to a dictionary of FLOP/s without the unknown ones."""
    tflops = {"float32": float32, "tf32": tf32, "float16": float16, "bfloat16": bfloat16}
    tflops.update(dict.fromkeys(fp8_names, fp8))
    return {name: rate * 1e12 for name, rate in tflops.items() if rate is not None}


READ = "2026-11"  # the month in which the figures below were read
_V100 = _peaks(float32=15.7, float16=125)
_A100 = _peaks(float32=19.5, tf32=156, float16=312, bfloat16=312)
_HOPPER_SXM = _peaks(float32=67, tf32=494.7, float16=989.4, bfloat16=989.4, fp8=1978.9)
_V100_SOURCE = "NVIDIA A100 whitepaper, comparison with V100"
_A100_SOURCE = "NVIDIA A100 datasheet"
_H100_SOURCE = "NVIDIA H100 datasheet, sparse figures / 2"
_TPU_SOURCE = "Google Cloud TPU documentation"

_ROWS = [
    Accelerator("V100 SXM2 16GB", _V100, 0.90e12, 16e9, _V100_SOURCE, READ, ("Tesla V100-SXM2-16GB",)),
    Accelerator("V100 SXM2 32GB", _V100, 0.90e12, 32e9, _V100_SOURCE, READ, ("Tesla V100-SXM2-32GB",)),
    Accelerator("A100 SXM 40GB", _A100, 1.555e12, 40e9, _A100_SOURCE, READ, ("NVIDIA A100-SXM4-40GB",), 2, 0.87),
    Accelerator("A100 SXM 80GB", _A100, 2.039e12, 80e9, _A100_SOURCE, READ, ("NVIDIA A100-SXM4-80GB",), 2, 0.87),
    Accelerator("A100 PCIe 80GB", _A100, 1.935e12, 80e9, _A100_SOURCE, READ, ("NVIDIA A100 80GB PCIe",), 2),
    Accelerator(
        "H100 PCIe",
        _peaks(float32=51, tf32=378, float16=756, bfloat16=756, fp8=1513),
        2.0e12, 80e9, _H100_SOURCE, READ, ("NVIDIA H100 PCIe",), 2,
    ),
    Accelerator("H100 SXM", _HOPPER_SXM, 3.35e12, 80e9, _H100_SOURCE, READ, ("NVIDIA H100 80GB HBM3",), 2, 0.80),
    Accelerator(
        "H200 SXM", _HOPPER_SXM, 4.8e12, 141e9, "NVIDIA H200 datasheet, sparse figures / 2", READ, ("NVIDIA H200",), 2
    ),
    Accelerator(
        "B200",
        _peaks(float32=75, tf32=1125, float16=2250, bfloat16=2250, fp8=4500),
        8.0e12, 180e9, "NVIDIA HGX B200 datasheet, sparse figures / 2", READ, ("NVIDIA B200",), 2, 0.78,
        "192 GB are on the package, 180 GB can be used",
    ),
    Accelerator(
        "RTX 3090",
        _peaks(float32=35.6, tf32=35.6, float16=71, bfloat16=71),
        0.936e12, 24e9, "NVIDIA GA102 whitepaper", READ, ("NVIDIA GeForce RTX 3090",), 2, None, "fp32 accumulation",
    ),
    Accelerator(
        "RTX 4090",
        _peaks(float32=82.6, tf32=82.6, float16=165.2, bfloat16=165.2, fp8=330.3),
        1.008e12, 24e9, "NVIDIA Ada whitepaper v2.1", READ, ("NVIDIA GeForce RTX 4090",), 2, None, "fp32 accumulation",
    ),
    Accelerator(
        "RTX 5090",
        _peaks(float32=104.8, float16=209.5, bfloat16=209.5),
        1.792e12, 32e9, "NVIDIA RTX 5090 figures / 4", READ, ("NVIDIA GeForce RTX 5090",), 2, None,
        "fp32 accumulation; the 838 that NVIDIA prints is sparse and accumulates in fp16",
    ),
    Accelerator(
        "MI300X",
        _peaks(float32=163.4, tf32=653.7, float16=1307.4, bfloat16=1307.4, fp8=2614.9, fp8_names=FP8_FNUZ),
        5.3e12, 192e9, "AMD Instinct MI300X datasheet", READ, ("AMD Instinct MI300X",), 2, 0.51,
    ),
    Accelerator("TPU v4", _peaks(bfloat16=275), 1.2e12, 32e9, _TPU_SOURCE, READ),
    Accelerator("TPU v5e", _peaks(bfloat16=197), 0.82e12, 16e9, _TPU_SOURCE, READ),
    Accelerator("TPU v5p", _peaks(bfloat16=459), 2.77e12, 95e9, _TPU_SOURCE, READ),
    Accelerator("TPU v6e", _peaks(bfloat16=918), 1.64e12, 32e9, _TPU_SOURCE, READ),
]  # fmt: skip

ACCELERATORS: dict[str, Accelerator] = {chip.name: chip for chip in _ROWS}
_BY_NAME = {name: chip for chip in ACCELERATORS.values() for name in (chip.name, *chip.cuda_names)}


def find_accelerator(device: torch.device | str) -> Accelerator | None:
    """The table's row for a device, or `None` when the table does not hold exactly this product.

    `device` is a `torch.device`, or a string: `"cuda"`, `"cuda:1"`, a name as CUDA reports it, or a row's own name.

    >>> find_accelerator("NVIDIA H100 80GB HBM3").name
    'H100 SXM'
    >>> find_accelerator("NVIDIA H100 80GB HBM3 MIG 1g.10gb") is None  # a slice of a chip is another device
    True
    """
    if isinstance(device, str) and not re.fullmatch(r"cuda(:\d+)?", device):
        return _BY_NAME.get(device)
    device = torch.device(device)
    if device.type != "cuda" or not torch.cuda.is_available():
        return None
    return _BY_NAME.get(torch.cuda.get_device_name(device))


def peak_flop_per_s(device: torch.device | str, dtype: torch.dtype | str) -> float | None:
    """The dense peak rate in FLOP/s that the maker promises, or `None` when the table does not know it.

    `float32` is the rate without tensor cores; ask for `"tf32"` by name. Raises `ValueError` for a string that is no
    format's name.

    >>> peak_flop_per_s("NVIDIA H100 80GB HBM3", "bfloat16")
    989400000000000.0
    >>> peak_flop_per_s("NVIDIA H100 PCIe", "bfloat16")  # same letters, other product
    756000000000000.0
    >>> peak_flop_per_s("cpu", "float32") is None  # unknown, not 1
    True
    """
    name = format_name(dtype)
    chip = find_accelerator(device)
    return None if chip is None else chip.peak.get(name)


def format_name(dtype: torch.dtype | str) -> str:
    """The name of a number format: a `torch.dtype`'s own, or one of `float_formats.FORMATS`, `"tf32"` among them.

    Raises `ValueError` for another name.

    >>> format_name("bfloat16")
    'bfloat16'
    """
    if isinstance(dtype, torch.dtype):
        return str(dtype).removeprefix("torch.")
    return one_of("dtype", dtype, FORMATS)


@dataclass(frozen=True)
class MeasuredPeak:
    """The two ceilings of one machine: matmul in FLOP/s and copy in bytes/s, with the sizes that reached them.

    >>> MeasuredPeak("cpu", "float32", flop_per_s=2e11, bytes_per_s=1e10, matmul_size=1024, copy_bytes=2**26).ridge
    20.0
    """

    device: str
    dtype: str
    flop_per_s: float
    bytes_per_s: float
    matmul_size: int
    copy_bytes: int

    @property
    def ridge(self) -> float:
        """FLOPs a byte at which the two ceilings meet."""
        return self.flop_per_s / self.bytes_per_s


def measure_peak(device: torch.device | str = "cpu", dtype: torch.dtype | str = "float32") -> MeasuredPeak:
    """Measure this machine's matmul and copy ceilings in under two seconds.

    The matmul ceiling is the best of square products of growing size, the copy ceiling the best copy of a buffer
    that no cache holds, counted as one read and one write. A ceiling is a best case, so the fastest run counts here;
    anywhere else, look at the median. Raises `ValueError` for a format or device that cannot be measured here.

    >>> measured = measure_peak("cpu", "float32")
    >>> measured.flop_per_s > 1e8 and measured.bytes_per_s > 1e8
    True
    """
    device, name = torch.device(device), one_of("dtype", format_name(dtype), MULTIPLIED)
    if name == "tf32" and device.type != "cuda":
        raise ValueError(f"dtype: tf32 is a mode of CUDA tensor cores, {device} has none")
    torch_dtype = torch.float32 if name == "tf32" else getattr(torch, name)

    precision_before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
    try:
        flop_per_s, size, spent, largest = 0.0, 0, 0.0, 8192 if device.type == "cuda" else 4096
        n = 1024 if device.type == "cuda" else 128
        while n <= largest and spent * 8 < 0.8:  # the next size costs eight times as much
            a, b = (torch.randn(n, n).to(device, torch_dtype) for _ in range(2))
            runs = time(lambda a=a, b=b: a @ b, warmup=1, repeats=5, device=device)
            spent = sum(runs.seconds) + runs.seconds[0]
            if 2 * n**3 / runs.best > flop_per_s:
                flop_per_s, size = 2 * n**3 / runs.best, n
            n *= 2
    finally:
        torch.set_float32_matmul_precision(precision_before)

    source = torch.ones((256 if device.type == "cuda" else 64) * 2**20, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    copy = time(lambda: target.copy_(source), warmup=2, repeats=20, device=device, max_seconds=0.5)
    return MeasuredPeak(str(device), name, flop_per_s, 2 * source.nbytes / copy.best, size, source.nbytes)
