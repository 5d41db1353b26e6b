"""Time a function so that the number means something.

`time` warms up, waits for the device, repeats, and returns the whole distribution. The rest counts: FLOPs, bytes kept
for the backward pass, bytes alive.

Not here: profiling inside a function, several devices at once.
"""

import itertools
import math
import os
import statistics
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from lmcourse.support.checks import got, whole


@dataclass(frozen=True)
class Timing:
    """The seconds of every run, in the order in which they ran.

    >>> runs = Timing((0.011, 0.010, 0.010, 0.500, 0.012))  # something else ran during the fourth
    >>> runs.median, runs.best, round(sum(runs.seconds) / 5, 3)
    (0.011, 0.01, 0.109)
    >>> print(runs)
    11 ms (middle half 10 ms to 12 ms, 5 runs)
    """

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The seconds that half of the runs took at most."""
        return statistics.median(self.seconds)

    @property
    def best(self) -> float:
        """The seconds of the fastest run."""
        return min(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The seconds below which a quarter and three quarters of the runs lie."""
        if len(self.seconds) == 1:
            return self.seconds[0], self.seconds[0]
        first, _, third = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return first, third

    @property
    def spread(self) -> float:
        """Distance of the quartiles as a share of the median: 0.1 means that runs differ by about ten per cent."""
        first, third = self.quartiles
        return (third - first) / self.median if self.median else 0.0

    def __str__(self) -> str:
        first, third = self.quartiles
        runs = f"{len(self.seconds)} run" + "s" * (len(self.seconds) != 1)
        return f"{si(self.median, 's')} (middle half {si(first, 's')} to {si(third, 's')}, {runs})"


def time(
    fn: Callable[[], Any],
    *,
    warmup: int = 2,
    repeats: int = 20,
    device: torch.device | str | None = None,
    max_seconds: float | None = None,
) -> Timing:
    """Run `fn` `warmup` times unseen, then `repeats` times with the clock on, waiting for the device each time.

    On CUDA the clock is a pair of events on the device. `device=None` means CUDA when this process has used it, else
    the CPU. `max_seconds` stops the repeats early, after one at the least. Raises `TypeError` when `fn` cannot be
    called, `ValueError` for counts out of range.

    >>> runs = time(lambda: sum(range(1000)), repeats=5)
    >>> len(runs.seconds), runs.best <= runs.median
    (5, True)
    """
    if not callable(fn):
        raise TypeError(f"fn: a function without arguments, got {got(fn)}")
    warmup, repeats = whole("warmup", warmup, least=0), whole("repeats", repeats, least=1)
    if device is None:
        device = "cuda" if torch.cuda.is_initialized() else "cpu"
    device = torch.device(device)
    one_run = _seconds_by_events if device.type == "cuda" else _seconds_by_clock

    for _ in range(warmup):
        fn()
    synchronize(device)
    seconds: list[float] = []
    stop = math.inf if max_seconds is None else perf_counter() + max_seconds
    while len(seconds) < repeats and (not seconds or perf_counter() < stop):
        seconds.append(one_run(fn, device))
    return Timing(tuple(seconds))


def synchronize(device: torch.device | str) -> None:
    """Wait until the device has done all the work it was given; nothing to wait for on the CPU.

    >>> synchronize("cpu")
    """
    device = torch.device(device)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def count_flops(run: Callable[[], Any]) -> int:
    """FLOPs of everything that `run()` computes, as PyTorch's `FlopCounterMode` counts them.

    It counts products (matmuls, convolutions, attention kernels that it knows) and nothing else. Up to torch 2.14 it
    does not know the fused attention kernel of the CPU, and counts 0 for it.

    >>> count_flops(lambda: torch.ones(2, 3) @ torch.ones(3, 4))
    48
    """
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def saved_bytes(forward: Callable[[], Any], parameters: Iterable[torch.Tensor] = ()) -> int:
    """Bytes that autograd keeps for the backward pass after `forward()`, each storage once, without `parameters`.

    This is the activation memory of a step, counted, on any device.

    >>> x = torch.ones(1000, requires_grad=True)
    >>> saved_bytes(lambda: x.exp().sum())  # exp keeps its output
    4000
    """
    kept: weakref.WeakSet[_Saved] = weakref.WeakSet()

    def pack(tensor: torch.Tensor) -> _Saved:
        saved = _Saved(tensor)
        kept.add(saved)
        return saved

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved.tensor):
        output = forward()  # holds the graph, and with it the saved tensors, until they are counted
    without = {parameter.untyped_storage().data_ptr() for parameter in parameters}
    storages = {saved.tensor.untyped_storage().data_ptr(): saved.tensor.untyped_storage() for saved in kept}
    del output
    return sum(storage.nbytes() for pointer, storage in storages.items() if pointer not in without)


class _Saved:
    """A box around a saved tensor: it lives exactly as long as the graph needs the tensor."""

    def __init__(self, tensor: torch.Tensor):
        self.tensor = tensor


def live_bytes(step: Callable[[], Any]) -> list[int]:
    """Bytes allocated on the CPU since the start of `step()`, after every allocation and every release.

    PyTorch's profiler reports them; `max(live_bytes(step))` is the peak above what was there before. On CUDA ask
    `torch.cuda.max_memory_allocated` instead.

    >>> max(live_bytes(lambda: torch.ones(1000).sum()))
    4004
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # else the profiler prints its start and its stop
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    changes = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    changes.sort(key=lambda event: event.start_ns())
    return list(itertools.accumulate((change.nbytes() for change in changes), initial=0))


def _seconds_by_clock(fn: Callable[[], Any], device: torch.device) -> float:
    start = perf_counter()
    fn()
    synchronize(device)
    return perf_counter() - start


def _seconds_by_events(fn: Callable[[], Any], device: torch.device) -> float:
    with torch.cuda.device(device):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        fn()
        end.record()
        end.synchronize()
    return start.elapsed_time(end) / 1e3  # milliseconds


_PREFIXES = {1e15: "P", 1e12: "T", 1e9: "G", 1e6: "M", 1e3: "k", 1: "", 1e-3: "m", 1e-6: "µ", 1e-9: "n"}


def si(value: float, unit: str) -> str:
    """A number with an SI prefix and three digits.

    >>> si(0.00123, "s"), si(989.4e12, "FLOP/s")
    ('1.23 ms', '989 TFLOP/s')
    """
    factor = next((factor for factor in _PREFIXES if abs(value) >= factor), 1)
    return f"{value / factor:.3g} {_PREFIXES[factor]}{unit}"
