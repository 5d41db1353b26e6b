"""Claim: a matrix larger than the caches takes several times as long to read against its strides.

Run with: python benchmarks/strides.py [--sizes 256 1024 2048] [--repeats 9]

One function (`torch.take`) reads every element of an n × n float32 matrix, once in the order in which it lies and once
column by column: the peer of the second is the first. Both run in turn, so that a busy machine slows both alike. Beside
the ratio of the times stands that of the cache lines fetched when one line is kept: no cache does worse.
"""

import argparse
import platform
import statistics
from functools import partial

import torch

from lmcourse.strides import addresses, line_loads
from lmcourse.support import timing


def ratio_of_lines(n: int, rows: int = 64) -> float:
    """Lines fetched by columns over lines fetched by rows, counted on a slab of `rows` rows: the ratio is the same."""
    by_rows = line_loads(addresses((rows, n), (n, 1)), itemsize=4)
    return line_loads(addresses((n, rows), (1, n)), itemsize=4) / by_rows


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--sizes", type=int, nargs="+", default=[256, 1024, 2048])
    arguments.add_argument("--repeats", type=int, default=9)
    options = arguments.parse_args()
    print(f"{platform.machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"{'n':>6} {'matrix':>10} {'rows, ms':>10} {'columns, ms':>12} {'time ratio':>11} {'line ratio':>11}")
    for n in options.sizes:
        flat, out, as_it_lies = torch.zeros(n * n), torch.empty(n * n), torch.arange(n * n)
        orders = {"rows": as_it_lies, "columns": as_it_lies.view(n, n).T.reshape(-1)}
        seconds: dict[str, list[float]] = {name: [] for name in orders}
        for _ in range(options.repeats):
            for name, order in orders.items():
                read = partial(torch.take, flat, order, out=out)
                seconds[name].append(timing.time(read, warmup=1, repeats=1, device="cpu").median)
        rows, columns = (statistics.median(times) * 1e3 for times in seconds.values())
        size = f"{n * n * 4 / 2**20:.1f} MiB"
        print(f"{n:>6} {size:>10} {rows:>10.2f} {columns:>12.2f} {columns / rows:>11.2f} {ratio_of_lines(n):>11.1f}")


if __name__ == "__main__":
    main()
