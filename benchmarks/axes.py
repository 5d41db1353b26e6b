"""Claim: a pattern costs some fixed microseconds a call over plain PyTorch, and nothing where there is work to do.

Run with: python benchmarks/axes.py [--device cuda] [--repeats 200]

Each operation is run by einops and by the PyTorch calls that it stands for, in alternation, so that a busy machine
slows both alike. Prints medians, the ratio, and the difference in microseconds.
"""

import argparse
import platform
import statistics
from collections.abc import Callable

import einops
import torch

from lmcourse.support import timing
from lmcourse.support.device import describe

# name: (shape of each tensor, the einops call, the same in plain PyTorch); sizes scale with n
OPERATIONS: dict[str, tuple[Callable, Callable, Callable]] = {
    "split heads (view)": (
        lambda n: [(4, n, 64)],
        lambda x: einops.rearrange(x, "b t (h d) -> b h t d", h=4),
        lambda x: x.view(*x.shape[:2], 4, 16).transpose(1, 2),
    ),
    "join heads (copy)": (
        lambda n: [(4, 4, n, 16)],
        lambda x: einops.rearrange(x, "b h t d -> b t (h d)"),
        lambda x: x.transpose(1, 2).flatten(2),
    ),
    "mean over the sequence": (
        lambda n: [(4, n, 64)],
        lambda x: einops.reduce(x, "b t d -> b d", "mean"),
        lambda x: x.mean(1),
    ),
    "attention scores": (
        lambda n: [(4, 4, n, 16), (4, 4, n, 16)],
        lambda q, k: einops.einsum(q, k, "b h q d, b h k d -> b h q k"),
        lambda q, k: q @ k.mT,
    ),
}


def medians(runs: dict[str, Callable], repeats: int, device: torch.device) -> dict[str, float]:
    """Median seconds of each, measured in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            seconds[name].append(timing.time(run, warmup=1, repeats=1, device=device).median)
    return {name: statistics.median(times) for name, times in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=200)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    versions = f"einops {einops.__version__}, torch {torch.__version__}"
    print(f"{versions}, {describe(device)}, {platform.machine()}, {torch.get_num_threads()} threads")
    for n in (8, 512):
        print(f"\nsequence of {n}")
        for name, (shapes, named, plain) in OPERATIONS.items():
            tensors = [torch.randn(shape, device=device) for shape in shapes(n)]
            assert torch.allclose(named(*tensors), plain(*tensors), atol=1e-4)
            runs = {"einops": lambda: named(*tensors), "torch": lambda: plain(*tensors)}  # noqa: B023
            seconds = medians(runs, arguments.repeats if n == 8 else arguments.repeats // 10, device)
            ours, theirs = (1e6 * seconds[who] for who in ("einops", "torch"))
            ratio = f"ratio {ours / theirs:5.2f} ({ours - theirs:+.1f} µs)"
            print(f"  {name:24} einops {ours:9.1f} µs  torch {theirs:9.1f} µs  {ratio}")


if __name__ == "__main__":
    main()
