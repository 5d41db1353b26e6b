"""Claims: `measure_peak` takes under two seconds; `timing.time` agrees with PyTorch's own timer within a tenth on an
idle machine; with a `KVCache` the 256th token costs less than a quarter of what it costs without.

Run with: python benchmarks/flops.py [--device cuda]

Each pair is measured in alternation in one process, so that a busy machine slows both alike. Prints medians and ratios.
"""

import argparse
import platform
import statistics
from collections.abc import Callable
from time import perf_counter

import torch
from torch.utils.benchmark import Timer

from lmcourse.hardware import measure_peak
from lmcourse.model import ModelConfig, TransformerLM
from lmcourse.support import timing
from lmcourse.support.device import describe


def medians(ours: Callable[[], float], theirs: Callable[[], float], rounds: int = 7) -> tuple[float, float]:
    """Median of both, measured in turn."""
    pairs = [(ours(), theirs()) for _ in range(rounds)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def report(claim: str, ours: float, theirs: float, peer: str) -> None:
    print(f"{claim}: {timing.si(ours, 's')}, {peer} {timing.si(theirs, 's')}, ratio {ours / theirs:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    device = torch.device(parser.parse_args().device)
    print(f"torch {torch.__version__}, {describe(device)}, {platform.machine()}")

    start = perf_counter()
    measured = measure_peak(device, "float32")
    print(f"measure_peak: {perf_counter() - start:.2f} s (found {timing.si(measured.flop_per_s, 'FLOP/s')})")

    a = torch.randn(512, 512, device=device)
    timer = Timer("a @ a", globals={"a": a}, num_threads=torch.get_num_threads())
    ours = lambda: timing.time(lambda: a @ a, device=device).median  # noqa: E731
    report("512² product", *medians(ours, lambda: timer.timeit(20).median), "torch.utils.benchmark")

    torch.manual_seed(0)
    config = ModelConfig(vocab_size=256, context_length=256, d_model=128, num_layers=4, num_heads=4, d_ff=344)
    model, ids = TransformerLM(config).to(device).eval(), torch.zeros(1, 256, dtype=torch.long, device=device)

    def with_cache() -> float:
        cache = model.new_cache()
        model(ids[:, :-1], cache)
        start = perf_counter()
        model(ids[:, -1:], cache)
        timing.synchronize(device)
        return perf_counter() - start

    with torch.no_grad():
        without = lambda: timing.time(lambda: model(ids), warmup=0, repeats=1, device=device).median  # noqa: E731
        report("256th token with a cache", *medians(with_cache, without, rounds=15), "without")


if __name__ == "__main__":
    main()
