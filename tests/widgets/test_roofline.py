"""python -m pytest tests/widgets/test_roofline.py

Roofline in Python: the golden costs that its JS must reproduce too, what it accepts, what it measures.
"""

from dataclasses import asdict

import pytest
import torch

from lmcourse import flops
from lmcourse.flops import PUBLISHED, Cost
from lmcourse.hardware import ACCELERATORS, MeasuredPeak
from lmcourse.model import ModelConfig, TransformerLM
from lmcourse.widgets import Roofline
from lmcourse.widgets.roofline import time_textbook


def test_golden_costs(golden):
    textbook = [
        {"rows": rows, "width": width, "e": e, "costs": _plain(flops.textbook_costs(rows, width, element_bytes=e))}
        for rows, width, e in [(1, 64, 1), (8, 4096, 2), (4096, 16384, 4), (7, 100, 2)]
    ]
    blocks = [
        {
            "shape": asdict(published.shape), "params": published.params,
            "batch": k + 1, "seq": 100 * k + 1, "e": (1, 2, 4)[k % 3],
            "costs": _plain(flops.model_costs(published.shape, k + 1, 100 * k + 1, element_bytes=(1, 2, 4)[k % 3])),
        }
        for k, published in enumerate(PUBLISHED.values())
    ]  # fmt: skip
    roofs = [
        {"peak": peak, "bandwidth": chip.bandwidth, "x": x, "ridge": flops.ridge_point(peak, chip.bandwidth),
         "rate": flops.roofline_flop_per_s(x, peak, chip.bandwidth)}
        for chip in ACCELERATORS.values() for peak in chip.peak.values() for x in (0.25, 120.0, 1e5)
    ]  # fmt: skip
    golden("roofline", {"textbook": textbook, "blocks": blocks, "roofs": roofs})


def _plain(costs: dict[str, Cost]) -> dict[str, dict]:
    return {name: asdict(cost) for name, cost in costs.items()}


def test_it_draws_the_readers_own_model():
    config = ModelConfig(vocab_size=64, context_length=32, d_model=32, num_layers=2, num_heads=2, d_ff=64)
    model = TransformerLM(config)
    costs = flops.trace_costs(lambda: model(torch.zeros(1, 32, dtype=torch.long)))
    roof = Roofline(costs=costs, model=model, seconds={"mm": 1e-3})
    assert roof.operations == "yours" and roof.model_name == "your model"
    assert roof.costs["mm"]["flops"] == costs["mm"].flops and roof.timed == {"mm": 1e-3}
    assert set(roof.now()) == {name for name, cost in costs.items() if cost.flops}


def test_the_roof_follows_its_switches():
    roof = Roofline("H100 SXM")
    assert roof.roof() == (989.4e12, 3.35e12)
    roof.sparse, roof.bandwidth_times = True, 2.0
    assert roof.roof() == (2 * 989.4e12, 6.7e12)


def test_snapshot_says_what_limits_each_operation():
    text = Roofline("H100 SXM", batch=8, width=4096).snapshot()
    assert "<th>ReLU</th>" in text and "memory" in text and "arithmetic" in text


def test_what_is_timed_here_is_below_what_no_machine_could_do():
    timed = time_textbook(16, 256)
    assert set(timed) == set(flops.textbook_costs(16, 256))
    for each in timed.values():
        assert 0 < each["flops"] / each["seconds"] < 1e16
    assert "square matmul" not in time_textbook(1, 4096)  # 137 GFLOPs: too long to wait for


def test_the_kernel_answers():
    roof = Roofline()
    assert set(roof.answer({"time": {"rows": 4, "width": 64}})["timed"]) == set(flops.textbook_costs(4, 64))
    measured = roof.answer({"measure": True})["measured"]
    assert measured["flop_per_s"] > 0 and measured["bytes_per_s"] > 0
    with pytest.raises(ValueError, match="cannot answer"):
        roof.answer({"nonsense": 1})
    with pytest.raises(ValueError, match="rows"):
        roof.answer({"time": {"rows": 0, "width": 64}})


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Roofline("H100"), ValueError, "chip: 'H100' is not one of"),
        (lambda: Roofline("V100 SXM2 16GB"), ValueError, "dtype: V100 SXM2 16GB has a known peak in float32, float16"),
        (lambda: Roofline(measured=90e9), TypeError, "measured"),
        (lambda: Roofline(costs={"a": 3}), TypeError, "costs"),
        (lambda: Roofline(costs={"a": Cost(1, 0)}), ValueError, "bytes"),
        (lambda: Roofline(seconds={"a": 1.0}), ValueError, "seconds: 'a' is not one of the costs"),
        (lambda: Roofline(costs={"a": Cost(1, 1)}, seconds={"a": float("nan")}), ValueError, "seconds"),
        (lambda: Roofline(width=0), ValueError, "width"),
        (lambda: Roofline(model="GPT-9"), ValueError, "model"),
        (lambda: Roofline(operations="all"), ValueError, "operations"),
    ],
)
def test_what_is_impossible_is_refused_by_name(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_measured_roof_is_kept():
    measured = MeasuredPeak("cpu", "float32", 1e11, 1e10, 1024, 2**26)
    assert Roofline(measured=measured).measured["flop_per_s"] == 1e11
