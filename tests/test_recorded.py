"""What the course records of machines, and how it tells. Run me with: pytest tests/test_recorded.py"""

import importlib.util
import json
from pathlib import Path

import pytest
import torch

from lmcourse.recorded import RECORDED, recorded, tales_model
from lmcourse.support import corpus
from lmcourse.training import evaluate, load_stories, rules_kept, tell

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
    assert machine.describe_record(record) in printed and "step in float32" in printed


def test_no_records_is_an_empty_list(tmp_path):
    assert recorded(tmp_path) == [] and recorded(tmp_path / "missing") == []


def test_the_model_of_the_tales_keeps_the_rules_in_stories_of_its_own():
    model, tokenizer = tales_model()
    stories, told = tell(model, tokenizer, 128, seed=5), corpus.load("tales")
    shares = rules_kept(stories)
    least = {"place": 0.7, "name": 0.7}
    assert all(share >= least.get(rule, 0.9) for rule, share in shares.items()), shares
    own = {story for story in stories if len(story) > 100 and story not in told}
    assert len(own) > 120


def test_the_model_of_the_tales_speaks_the_tokens_of_notebook_09():
    data, (model, tokenizer) = load_stories(), tales_model()
    assert tokenizer.vocab == data.tokenizer.vocab and tokenizer.merges == data.tokenizer.merges
    assert evaluate(model, data.valid) < 0.7  # nats a token, on stories that neither of the two has seen


def test_the_model_of_the_tales_is_small():
    files = {path.name: path.stat().st_size for path in (RECORDED / "models").iterdir()}
    assert files.keys() == {"tales.safetensors", "tales_tokenizer.json"}
    assert sum(files.values()) < 1_200_000
    model, _ = tales_model()
    assert 400_000 < sum(weight.numel() for weight in model.parameters()) < 600_000
