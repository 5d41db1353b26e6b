"""Run me with: pytest tests/test_training_benchmark.py

`benchmarks/training.py` with a few steps: its losses and times say nothing here. That the peer is a GPT-2, that the
held-out text is held out, and that what is printed and written belongs together, does.
"""

import importlib.util
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from lmcourse.flops import transformer_params
from lmcourse.recorded import RECORDED, recorded_curves
from lmcourse.support import corpus
from lmcourse.training.recipe import Recipe, default_recipe


@pytest.fixture(scope="module")
def script():
    path = Path(__file__).parents[1] / "benchmarks" / "training.py"
    spec = importlib.util.spec_from_file_location("training_benchmark", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def shakespeare():
    try:
        return corpus.load("tinyshakespeare")
    except ConnectionError as error:
        pytest.skip(str(error))


def test_contenders_have_the_size_that_is_claimed(script):
    sizes = {}
    for name, make in script.CONTENDERS.items():
        contender = make()
        sizes[name] = sum(parameter.numel() for parameter in contender.model.parameters())
        assert sizes[name] == sum(transformer_params(contender.shape).values()) <= 850_000
        held = [id(parameter) for each in contender.optimizers for g in each.param_groups for parameter in g["params"]]
        assert sorted(held) == sorted(id(parameter) for parameter in contender.model.parameters())  # each once
    assert max(sizes.values()) < 1.01 * min(sizes.values())


def test_the_plain_model_is_causal_and_starts_as_a_uniform_guess(script):
    torch.manual_seed(0)
    contender = script.plain_gpt2()
    x = torch.randint(65, (4, 64))
    changed = x.clone()
    changed[:, 40:] = (changed[:, 40:] + 1) % 65
    with torch.no_grad():
        before, after = contender.model(x), contender.model(changed)
    torch.testing.assert_close(before[:, :40], after[:, :40])
    assert (before[:, 40:] != after[:, 40:]).any()
    assert contender.loss_fn(before, x.flip(1)).item() == pytest.approx(math.log(65), abs=0.1)


def test_the_last_tenth_is_held_out(script, shakespeare):
    training, held_out = script.text_as_ids()
    letters = sorted(set(shakespeare))
    assert len(letters) == script.VOCAB_SIZE and len(training) == int(0.9 * len(shakespeare))
    assert "".join(letters[i] for i in np.concatenate([training, held_out])) == shakespeare


def test_what_is_printed_and_what_is_written_belong_together(script, monkeypatch, capsys, tmp_path):
    ids = np.random.default_rng(0).integers(0, 65, 5000).astype(np.uint8)
    monkeypatch.setattr(script, "text_as_ids", lambda: (ids[:4000], ids[4000:]))
    arguments = [
        "--steps",
        "4",
        "--seeds",
        "0",
        "1",
        "--rounds",
        "2",
        "--only",
        "ours + Muon",
        "--curves",
        str(tmp_path),
    ]
    monkeypatch.setattr("sys.argv", ["benchmarks/training.py", *arguments])
    script.main()
    printed = capsys.readouterr().out
    assert "× plain" in printed and "of the measured peak" in printed and "; at most 1.60: NO" in printed
    (curve,) = recorded_curves(tmp_path)
    assert curve["name"] == "ours + Muon" and curve["seed"] == 0
    assert f"seed 0: validation loss {curve['val_loss']:.3f} " in printed and printed.count("; 1.88 never") == 2
    assert curve["training"][0][0] == 1 and curve["training"][-1][0] == 4 and curve["validation"][-1][0] == 4
    assert curve["command"].startswith("python benchmarks/training.py --steps 4") and len(curve["date"]) == 10


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without CUDA")
def test_without_cuda_the_large_run_is_refused_in_words(script, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["benchmarks/training.py", "--device", "cuda"])
    with pytest.raises(SystemExit):
        script.main()
    assert "--device: cpu, or cuda where this PyTorch has one; got cuda" in capsys.readouterr().err


def test_recorded_curves_are_small_and_whole():
    """The files that ship: under 40 kB together, 2,000 steps each, ending below the text's plain guess."""
    files = list((RECORDED / "curves").glob("*.json"))
    assert sum(path.stat().st_size for path in files) < 40_000
    for curve in recorded_curves():
        assert {"data", "command", "machine", "date", "seed"} <= curve.keys()
        steps, losses = zip(*curve["training"], strict=True)
        assert list(steps) == sorted(set(steps)) and steps[0] == 1 and steps[-1] == 2000
        assert losses[0] == pytest.approx(math.log(65), abs=0.15) and losses[-1] < 2
        assert curve["val_loss"] < 2 and curve["validation"][-1][0] == 2000


def test_the_ghost_is_the_notebooks_recipe_with_adamw(script, tmp_path, monkeypatch, capsys):
    sizes = {"vocab_size": 260, "context_length": 16, "d_model": 16, "num_layers": 1, "num_heads": 2, "d_ff": 16}
    tiny = Recipe(**sizes, batch_size=2, steps=4, warmup_steps=1)
    monkeypatch.setattr(script, "default_recipe", lambda device: tiny)
    monkeypatch.setattr(script.corpus, "load", lambda name: "the cat sat on the mat; " * 400)
    monkeypatch.setattr("sys.argv", ["benchmarks/training.py", "--recipe", "--curves", str(tmp_path)])
    script.main()
    (curve,) = recorded_curves(tmp_path)
    assert curve["name"] == "AdamW" and curve["training"][0][0] == 1 and curve["training"][-1][0] == 4
    assert curve["validation"] == [[4, curve["val_loss"]]] and "260 tokens" in curve["data"]
    printed = capsys.readouterr().out
    assert f"AdamW, lr 0.005: validation loss {curve['val_loss']:.3f}" in printed and "Muon, lr 0.01: " in printed


def test_the_ghost_that_ships_is_of_the_recipe_of_today():
    (curve,) = recorded_curves(RECORDED / "recipe")
    recipe = default_recipe("cpu")
    assert curve["name"] == "AdamW" and curve["training"][-1][0] == recipe.steps
    assert curve["training"][0][1] == pytest.approx(math.log(recipe.vocab_size), abs=0.2)
    assert 3 < curve["val_loss"] < 5 and f"{recipe.batch_size} × {recipe.context_length}" in curve["data"]


def test_no_curves_is_an_empty_list(tmp_path):
    assert recorded_curves(tmp_path) == [] and recorded_curves(tmp_path / "missing") == []
