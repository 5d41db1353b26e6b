"""Claim: quantize rounds a tensor over a hundred times as fast as the exact codec, and about as fast as gfloat does.

Run with: python benchmarks/float_formats.py [--elements 100000] [--repeats 20]

One process rounds the same numbers in turn: ours by tensor, ours one number at a time (exact, what a learner writes),
gfloat's round_ndarray (pip install gfloat), and PyTorch's cast, which rounds to nearest even only and is compiled.
"""

import argparse
import platform
import statistics

import torch

from lmcourse.float_formats import FORMATS
from lmcourse.quantization import quantize
from lmcourse.support import timing

NAMES = ("bfloat16", "float8_e5m2")


def rivals(name: str, x: torch.Tensor) -> dict:
    """Every way to round `x`, and how many elements each of them takes; gfloat's is first held equal to ours."""
    fmt, few, array = FORMATS[name], x[:1000], x.numpy()
    ways = {
        "ours, whole tensor": (lambda: quantize(x, fmt), x.numel()),
        "ours, exact, one by one": (lambda: [fmt.decode(fmt.encode(v)) for v in few.tolist()], few.numel()),
        "torch, cast and back": (lambda: x.to(getattr(torch, name)).double(), x.numel()),
    }
    try:
        import gfloat
        from gfloat.formats import format_info_bfloat16, format_info_ocp_e5m2
    except ImportError:
        print("gfloat is not installed: pip install gfloat")
        return ways
    theirs = {"bfloat16": format_info_bfloat16, "float8_e5m2": format_info_ocp_e5m2}[name]
    if not torch.equal(torch.from_numpy(gfloat.round_ndarray(theirs, array)), quantize(x, fmt)):
        raise SystemExit(f"{name}: gfloat and we round differently")
    return ways | {"gfloat, round_ndarray": (lambda: gfloat.round_ndarray(theirs, array), x.numel())}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--elements", type=int, default=100_000)
    options.add_argument("--repeats", type=int, default=20)
    given = options.parse_args()
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, {given.elements:,} numbers")
    x = torch.randn(given.elements, generator=torch.Generator().manual_seed(0)).double()
    for name in NAMES:
        ways, runs = rivals(name, x.float().double()), {}
        for _ in range(given.repeats):
            for way, (round_all, count) in ways.items():
                seconds = timing.time(round_all, warmup=1, repeats=1, device=torch.device("cpu")).median
                runs.setdefault(way, []).append(1e9 * seconds / count)
        ours = statistics.median(runs["ours, whole tensor"])
        for way, times in runs.items():
            took = statistics.median(times)
            print(f"{name:<16} {way:<26} {took:>10.1f} ns a number, ratio to ours {took / ours:.2f}")


if __name__ == "__main__":
    main()
