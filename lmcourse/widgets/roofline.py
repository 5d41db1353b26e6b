"""Roofline: which operations a chip's arithmetic limits, and which its memory.

The picture moves in the JS, whose costs equal `lmcourse.flops` on golden vectors. Python brings the accelerator table,
the ceilings measured on this machine, the reader's own operations, and times them when asked to.
"""

import html
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import traitlets

from lmcourse import flops
from lmcourse.flops import PUBLISHED, Cost, TransformerShape
from lmcourse.hardware import ACCELERATORS, MeasuredPeak
from lmcourse.widgets.base import CourseWidget

ELEMENT_BYTES = {"float32": 4, "tf32": 4, "float16": 2, "bfloat16": 2, "float8_e4m3fn": 1, "float8_e4m3fnuz": 1}
OPERATIONS = ("textbook", "block", "yours")
LARGEST_TIMED = 2e9  # FLOPs or bytes of an operation that is timed on demand


class Roofline(CourseWidget):
    """Operations under the roof of a chip.

    `chip` is a row of `lmcourse.hardware.ACCELERATORS`. `measured` is what `measure_peak` found on this machine; its
    roof is drawn under the datasheet's. `costs` are operations of yours (`trace_costs(lambda: model(ids))`, or a
    dictionary of `Cost`), `seconds` how long some of them took. `model` is a published model, a `ModelConfig` or a
    `TransformerShape`, whose block is drawn for `batch` sequences of `seq` tokens.

    >>> Roofline("H100 SXM")
    Roofline: H100 SXM in bfloat16: 989 TFLOP/s, 3.35 TB/s, the ridge at 295 FLOPs a byte
    """

    chips = traitlets.Dict().tag(sync=True)
    element_bytes = traitlets.Dict().tag(sync=True)
    chip = traitlets.Unicode().tag(sync=True)
    dtype = traitlets.Unicode().tag(sync=True)
    measured = traitlets.Dict().tag(sync=True)
    costs = traitlets.Dict().tag(sync=True)
    timed = traitlets.Dict().tag(sync=True)
    shape = traitlets.Dict().tag(sync=True)
    model_name = traitlets.Unicode().tag(sync=True)
    operations = traitlets.Unicode().tag(sync=True)
    batch = traitlets.Int().tag(sync=True)
    seq = traitlets.Int().tag(sync=True)
    width = traitlets.Int().tag(sync=True)
    bandwidth_times = traitlets.Float(1.0).tag(sync=True)
    sparse = traitlets.Bool(False).tag(sync=True)
    selected = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        chip: str = "H100 SXM",
        *,
        dtype: str = "bfloat16",
        measured: MeasuredPeak | None = None,
        costs: Mapping[str, Cost] | None = None,
        seconds: Mapping[str, float] | None = None,
        model: Any = "GPT-2",
        operations: str | None = None,
        batch: int = 8,
        seq: int = 1024,
        width: int = 4096,
    ):
        chips = {each.name: asdict(each) for each in ACCELERATORS.values()}
        if chip not in chips:
            raise ValueError(f"chip: {chip!r} is not one of {', '.join(chips)}")
        possible = [name for name in ELEMENT_BYTES if name in chips[chip]["peak"]]
        if dtype not in possible:
            raise ValueError(f"dtype: {chip} has a known peak in {', '.join(possible)}, not in {dtype!r}")
        flops.require_positive(batch=batch, seq=seq, width=width)
        if measured is not None and not isinstance(measured, MeasuredPeak):
            raise TypeError(f"measured: what measure_peak returns, got {type(measured).__name__}")
        costs, seconds = dict(costs or {}), dict(seconds or {})
        for name, cost in costs.items():
            if not isinstance(cost, Cost):
                raise TypeError(f"costs: a dictionary of Cost, got {type(cost).__name__} for {name!r}")
            flops.require_positive(bytes=cost.bytes)
        for name, each in seconds.items():
            if name not in costs:
                raise ValueError(f"seconds: {name!r} is not one of the costs: {', '.join(costs)}")
            flops.require_positive(seconds=each)
        operations = operations or ("yours" if costs else "textbook")
        if operations not in OPERATIONS:
            raise ValueError(f"operations: {operations!r} is not one of {', '.join(OPERATIONS)}")
        if isinstance(model, str) and model not in PUBLISHED:
            raise ValueError(f"model: {model!r} is not one of {', '.join(PUBLISHED)}")
        shape = PUBLISHED[model].shape if isinstance(model, str) else flops.shape_of(getattr(model, "config", model))
        super().__init__(
            title="What limits an operation: arithmetic or memory",
            chips=chips, element_bytes=ELEMENT_BYTES, chip=chip, dtype=dtype,
            measured={} if measured is None else asdict(measured),
            costs={name: asdict(cost) for name, cost in costs.items() if cost.flops > 0},
            timed=seconds, shape=asdict(shape), model_name=model if isinstance(model, str) else "your model",
            operations=operations, batch=batch, seq=seq, width=width,
        )  # fmt: skip
        row = chips[chip]
        self.source = f"{chip}: {row['source']}, read {row['date']}." + (
            f" Measured here on {measured.device} in {measured.dtype}." if measured else ""
        )

    def now(self) -> dict[str, Cost]:
        """The operations on the stage."""
        if self.operations == "yours":
            return {name: Cost(**cost) for name, cost in self.costs.items()}
        size = ELEMENT_BYTES[self.dtype]
        if self.operations == "textbook":
            return flops.textbook_costs(self.batch, self.width, element_bytes=size)
        return flops.model_costs(TransformerShape(**self.shape), self.batch, self.seq, element_bytes=size)

    def roof(self) -> tuple[float, float]:
        """The datasheet's two ceilings: FLOP/s and bytes/s, with the switches of the widget."""
        row = self.chips[self.chip]
        return (
            row["peak"][self.dtype] * (row["sparse_factor"] if self.sparse else 1),
            row["bandwidth"] * self.bandwidth_times,
        )

    def summary(self) -> str:
        peak, bandwidth = self.roof()
        return (
            f"{self.chip} in {self.dtype}: {peak / 1e12:.3g} TFLOP/s, {bandwidth / 1e12:.3g} TB/s, "
            f"the ridge at {flops.ridge_point(peak, bandwidth):.0f} FLOPs a byte"
        )

    def snapshot(self) -> str:
        peak, bandwidth = self.roof()
        ridge = flops.ridge_point(peak, bandwidth)
        rows = "".join(
            f"<tr><th>{html.escape(name)}</th><td>{cost.flops:.3g}</td><td>{cost.bytes:.3g}</td><td>{cost.intensity:.3g}</td>"
            f"<td>{'memory' if cost.intensity < ridge else 'arithmetic'}</td>"
            f"<td>{flops.roofline_flop_per_s(cost.intensity, peak, bandwidth) / peak:.1%}</td></tr>"
            for name, cost in self.now().items()
        )
        head = "".join(
            f"<th>{name}</th>"
            for name in ("operation", "FLOPs", "bytes", "FLOPs a byte", "limit", "of the peak, at best")
        )
        return (
            f"<p>{html.escape(self.summary())}</p>\n<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )

    @classmethod
    def example(cls) -> "Roofline":
        measured = MeasuredPeak("cpu", "float32", 90e9, 12e9, 1024, 2**26)
        costs = {"matmul 64": flops.matmul_cost(64, 64, 64, 4), "matmul 512": flops.matmul_cost(512, 512, 512, 4)}
        seconds = {"matmul 64": 2e-5, "matmul 512": 3.5e-3}
        return cls(measured=measured, costs=costs, seconds=seconds, operations="textbook")

    def answer(self, question: dict) -> dict:
        """Measure this machine's ceilings, or time the textbook's operations at the size on the stage."""
        if isinstance(question, dict) and question.get("measure") is True:
            from lmcourse.hardware import measure_peak
            from lmcourse.support.device import pick

            return {"measured": asdict(measure_peak(pick(), "float32"))}
        if isinstance(question, dict) and "time" in question:
            return {"timed": time_textbook(int(question["time"]["rows"]), int(question["time"]["width"]))}
        raise ValueError(f"Roofline measures or times, it cannot answer {str(question)[:60]!r}")


def time_textbook(rows: int, width: int) -> dict[str, dict[str, float]]:
    """Run the textbook's operations in float32 on the course's device: FLOPs, bytes and median seconds of each.

    Operations too large for a quick answer are left out.
    """
    import torch

    from lmcourse.support.device import pick
    from lmcourse.support.timing import time

    device, found = pick(), {}
    costs = flops.textbook_costs(rows, width, element_bytes=4)

    def tensor(*size: int) -> torch.Tensor:
        return torch.ones(size, device=device)

    for name, cost in costs.items():
        if max(cost.flops, cost.bytes) > LARGEST_TIMED:
            continue
        x = tensor(1 if name == "vector × matrix" else width if name == "square matmul" else rows, width)
        other = tensor(width, width) if name in ("vector × matrix", "linear layer", "square matmul") else x
        run = {
            "ReLU": lambda x=x: torch.relu(x),
            "GELU": lambda x=x: torch.nn.functional.gelu(x),
            "dot product": lambda x=x: torch.dot(x[0], x[0]),
        }.get(name, lambda x=x, other=other: x @ other)
        runs = time(run, warmup=1, repeats=5, device=device, max_seconds=0.1)
        found[name] = {"flops": cost.flops, "bytes": cost.bytes, "seconds": runs.median}
    return found
