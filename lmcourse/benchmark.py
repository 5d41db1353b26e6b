"""Time a function so that the number means something.

`time` warms up, waits for the device, repeats, and returns the whole distribution. `python -m lmcourse.benchmark`
records what one machine does (matmul rates by format, copy rate, a training step with its MFU and its memory) as JSON
with the card, the versions, the date and the command, so that readers without such a machine can see the figures.

Not here: profiling inside a function, several devices at once.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import platform
import re
import shlex
import statistics
import sys
import weakref
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

RECORDED = Path(__file__).parent / "recorded"


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
        raise TypeError(f"fn: a function without arguments, got {type(fn).__name__}")
    if warmup < 0 or repeats < 1:
        raise ValueError(f"warmup: 0 or more, and repeats: 1 or more; got {warmup} and {repeats}")
    if max_seconds is not None and not max_seconds > 0:
        raise ValueError(f"max_seconds: more than 0, or None; got {max_seconds}")
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


# --- recording a machine -------------------------------------------------------------------------------------------


def record(device: torch.device | str = "cpu", *, command: str = "") -> dict[str, Any]:
    """Everything that the course wants to know of one machine, with its provenance, as JSON-ready values.

    Ceilings by format (on CUDA bfloat16, tf32 and float32), and a training step of the course's model in each: tokens
    a second, model FLOPs utilisation against the datasheet and against the measured ceiling, peak memory measured and
    predicted.
    """
    from lmcourse.hardware import find_accelerator, measure_peak

    device = torch.device(device)
    cuda = device.type == "cuda"
    chip = find_accelerator(device)
    ceilings = {
        name: measure_peak(device, name) for name in (("bfloat16", "tf32", "float32") if cuda else ("float32",))
    }
    return {
        "card": torch.cuda.get_device_name(device) if cuda else platform.processor() or platform.machine(),
        "device": device.type,
        "date": datetime.now(UTC).date().isoformat(),
        "command": command,
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "cuda": torch.version.cuda},
        "datasheet": None if chip is None else {"name": chip.name, "source": chip.source, "read": chip.date},
        "ceilings": [asdict(ceiling) | {"datasheet": chip and chip.peak.get(n)} for n, ceiling in ceilings.items()],
        "steps": [_record_step(device, name, ceiling.flop_per_s) for name, ceiling in ceilings.items()],
    }


def _record_step(device: torch.device, dtype: str, measured_peak: float) -> dict[str, Any]:
    """One training step of the course's model, timed and weighed."""
    from lmcourse.flops import flops_per_token, memory_timeline, mfu
    from lmcourse.hardware import peak_flop_per_s
    from lmcourse.model import ModelConfig, TransformerLM, cross_entropy

    if device.type == "cuda":
        config = ModelConfig(vocab_size=8192, context_length=1024, d_model=2048, num_layers=8, num_heads=16, d_ff=5632)
        batch, seq = 8, 1024
    else:
        config = ModelConfig(vocab_size=256, context_length=128, d_model=128, num_layers=2, num_heads=4, d_ff=344)
        batch, seq = 4, 128
    torch.manual_seed(0)
    model = TransformerLM(config, fused_attention=True).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), foreach=False)
    ids = torch.randint(config.vocab_size, (batch, seq)).to(device)
    precision_before = torch.get_float32_matmul_precision()

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=dtype == "bfloat16"):
            loss = cross_entropy(model(ids).float(), ids)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    try:
        torch.set_float32_matmul_precision("high" if dtype == "tf32" else "highest")
        runs = time(step, warmup=3, repeats=10, device=device, max_seconds=20)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            step()
            synchronize(device)
            measured_bytes = torch.cuda.max_memory_allocated(device)
        else:
            measured_bytes = 3 * sum(p.nbytes for p in model.parameters()) + max(live_bytes(step))
    finally:
        torch.set_float32_matmul_precision(precision_before)
    timeline = memory_timeline(config, batch, seq, recipe="fp32", fused_attention=True)
    predicted = max(sum(value for value in moment.values() if not isinstance(value, str)) for moment in timeline)
    per_token, tokens_per_s = flops_per_token(config, seq)["matmuls"], batch * seq / runs.median
    return {
        "dtype": dtype,
        "config": asdict(config),
        "batch": batch,
        "seq": seq,
        "seconds": runs.median,
        "quartiles": runs.quartiles,
        "tokens_per_s": tokens_per_s,
        "flops_per_token": per_token,
        "convention": "matmuls",
        "mfu_datasheet": mfu(per_token, tokens_per_s, peak_flop_per_s(device, dtype)),
        "mfu_measured": mfu(per_token, tokens_per_s, measured_peak),
        "peak_bytes": measured_bytes,
        "predicted_bytes": None if dtype == "bfloat16" else predicted,  # autocast keeps copies that we do not predict
    }


def recorded(folder: Path = RECORDED) -> list[dict[str, Any]]:
    """The records that ship with the course, by card; an empty list as long as nobody has made one.

    >>> all({"card", "date", "command", "versions"} <= record.keys() for record in recorded())
    True
    """
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(Path(folder).glob("*.json"))]
    return sorted(found, key=lambda record: record["card"])


def recorded_curves(folder: Path = RECORDED / "curves") -> list[dict[str, Any]]:
    """The loss curves that ship with the course, by name; `benchmarks/training.py --curves` writes them.

    Each has "name", "training" and "validation" (lists of [step, nats a token]), the final "val_loss", and what was
    run: "data", "command", "machine", "date".

    >>> all({"name", "training", "val_loss", "command", "date"} <= curve.keys() for curve in recorded_curves())
    True
    """
    found = [json.loads(path.read_text(encoding="utf-8")) for path in Path(folder).glob("*.json")]
    return sorted(found, key=lambda curve: curve["name"])


def describe_record(record: dict[str, Any]) -> str:
    """A record in a few lines of text: provenance, ceilings, steps.

    Raises `TypeError` for what is no dict, `ValueError` for one that lacks a part that `record` makes.

    >>> ceiling = {"dtype": "bfloat16", "flop_per_s": 700e12, "bytes_per_s": 2.9e12, "datasheet": 1000e12}
    >>> about = {"card": "A card", "date": "2026-11-01", "versions": {"torch": "2.13"}, "command": "a command"}
    >>> print(describe_record(about | {"ceilings": [ceiling], "steps": []}))
    A card, 2026-11-01, torch 2.13, `a command`
      bfloat16: matmul 700 TFLOP/s, 70% of the datasheet, copy 2.9 TB/s
    """
    parts = ("card", "date", "command", "versions", "ceilings", "steps")
    if not isinstance(record, dict):
        raise TypeError(f"record: a dict as record() makes it, got {type(record).__name__}")
    if missing := [part for part in parts if part not in record]:
        raise ValueError(f"record: a dict as record() makes it, this one lacks {', '.join(missing)}")
    versions = record["versions"]
    lines = [f"{record['card']}, {record['date']}, torch {versions['torch']}, `{record['command']}`"]
    for ceiling in record["ceilings"]:
        share = (
            "" if not ceiling["datasheet"] else f", {ceiling['flop_per_s'] / ceiling['datasheet']:.0%} of the datasheet"
        )
        copy = si(ceiling["bytes_per_s"], "B/s")
        lines.append(f"  {ceiling['dtype']}: matmul {si(ceiling['flop_per_s'], 'FLOP/s')}{share}, copy {copy}")
    for step in record["steps"]:
        mfu = "unknown" if step["mfu_datasheet"] is None else f"{step['mfu_datasheet']:.1%}"
        memory = si(step["peak_bytes"], "B")
        if step["predicted_bytes"]:
            memory += f", predicted {si(step['predicted_bytes'], 'B')}"
        lines.append(
            f"  step in {step['dtype']}: {step['tokens_per_s']:,.0f} tokens/s, MFU {mfu} "
            f"(of the measured peak {step['mfu_measured']:.1%}); {memory}"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """`python -m lmcourse.benchmark`: record this machine; see `--help`."""
    parser = argparse.ArgumentParser(prog="python -m lmcourse.benchmark", description=record.__doc__.splitlines()[0])
    default = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", default=default, help="cuda, cuda:1 or cpu; here the default is %(default)s")
    parser.add_argument("--out", type=Path, help="the JSON file to write; a GPU's goes beside the course's own records")
    options = parser.parse_args(arguments)
    command = shlex.join(["python", "-m", "lmcourse.benchmark", *(sys.argv[1:] if arguments is None else arguments)])
    result = record(options.device, command=command)
    print(describe_record(result))
    out = options.out
    if out is None and result["device"] == "cuda":
        out = RECORDED / (re.sub(r"\W+", "_", result["card"].lower()) + ".json")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"written to {out}")


if __name__ == "__main__":
    main()
