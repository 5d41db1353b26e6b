"""What the course records of machines, and how it tells. Run me with: pytest tests/test_recorded.py"""

import importlib.util
import json
from pathlib import Path

import pytest
import torch

from lmcourse.recorded import describe_record, recorded

MACHINE = Path(__file__).parents[1] / "benchmarks" / "machine.py"


def test_the_recording_command_runs_on_the_cpu_and_says_all_of_its_provenance(tmp_path, capsys):
    out = tmp_path / "here" / "cpu.json"
    spec = importlib.util.spec_from_file_location("machine", MACHINE)
    machine = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(machine)
    machine.main(["--device", "cpu", "--out", str(out)])
    printed = capsys.readouterr().out
    (record,) = recorded(out.parent)
    assert record == json.loads(out.read_text(encoding="utf-8"))
    assert record["command"] == f"python benchmarks/machine.py --device cpu --out {out}"
    assert len(record["date"]) == 10 and record["versions"]["torch"] == torch.__version__ and record["card"]
    (step,) = record["steps"]
    assert step["mfu_datasheet"] is None and 0 < step["mfu_measured"] < 1.5  # of an unknown chip: no datasheet
    assert step["predicted_bytes"] == pytest.approx(step["peak_bytes"], rel=0.10)
    assert describe_record(record) in printed and "step in float32" in printed


def test_no_records_is_an_empty_list(tmp_path):
    assert recorded(tmp_path) == [] and recorded(tmp_path / "missing") == []
