"""OMP_NUM_THREADS=1 pytest tests/training/test_recipe.py

The shell's program, run in this process on a small text; the last test starts a real one.
"""

import dataclasses
import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import lmcourse.training.__main__ as shell
from lmcourse import hardware, training
from lmcourse.training.__main__ import main
from lmcourse.training.checkpoints import checkpoint_state, save_checkpoint
from lmcourse.training.recipe import (
    AlphabetTokenizer,
    Recipe,
    default_recipe,
    load_model,
    make_model,
    make_optimizer,
    make_schedule,
    make_tokenizer,
    split_tokens,
    stored_tokenizer,
    tokenizer_to_store,
)
from lmcourse.training.sampling import generate

TEXT = "The quick brown fox jumps over the lazy dog.\nPack my box with five dozen liquor jugs.\n" * 60
SIZES = {"context-length": 16, "d-model": 16, "num-layers": 1, "num-heads": 2, "d-ff": 32, "warmup-steps": 2}
SMALL = [f"--{name}={size}" for name, size in SIZES.items()] + ["--vocab-size=280", "--batch-size=4", "--device=cpu"]


@pytest.fixture(autouse=True)
def peak(monkeypatch):
    """Measuring it takes longer than these runs."""
    measured = hardware.MeasuredPeak("cpu", "float32", 1e11, 1e10, 1024, 1 << 20)
    monkeypatch.setattr(hardware, "measure_peak", lambda device, dtype: measured)


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return f"--corpus={path}"


def test_a_run_from_a_shell_learns_and_writes(text, tmp_path, capsys):
    path = tmp_path / "run.pt"
    assert main([text, *SMALL, "--steps=40", f"--checkpoint={path}", "--prompt=The quick", "--sample-tokens=10"]) == 0
    out = capsys.readouterr().out
    lines = out.split("\n")
    steps = [re.match(r"step +(\d+)/40 +loss (\d\.\d+)", line) for line in lines]
    steps = [(int(found[1]), float(found[2])) for found in steps if found]
    assert [step for step, _ in steps] == [1, *range(2, 41, 2)] and steps[-1][1] < steps[0][1] - 0.5
    assert sum("validation" in line and "bits a byte" in line for line in lines) == 4
    assert sum(line.startswith("    'The quick") for line in lines) == 3
    assert "MFU" in out

    model, tokenizer, recipe = load_model(path)
    assert recipe == Recipe(
        **{name.replace("-", "_"): size for name, size in SIZES.items()}, vocab_size=280, batch_size=4, steps=40
    )
    start = tokenizer.encode("The quick")
    again = generate(model, start, 10, temperature=0.8, top_p=0.95, seed=0)
    assert out.endswith(tokenizer.decode(again) + "\n")


@pytest.mark.parametrize("more", [["--tokenizer=characters", "--accumulate=2"], ["--optimizer=adamw"]])
def test_a_run_that_was_interrupted_goes_on_bit_for_bit(text, tmp_path, monkeypatch, more):
    whole, path = tmp_path / "whole.pt", tmp_path / "run.pt"
    options = [text, *SMALL, "--steps=9", *more]
    assert main([*options, f"--checkpoint={whole}"]) == 0

    real, calls = shell.train, []

    def interrupted(*arguments, **keywords):
        for record in real(*arguments, **keywords):
            calls.append(record)
            if len(calls) == 4:
                signal.raise_signal(signal.SIGINT)
            yield record

    before = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patched:
        patched.setattr(shell, "train", interrupted)
        assert main([*options, f"--checkpoint={path}"]) == 130
    assert signal.getsignal(signal.SIGINT) is before
    assert checkpoint_state(path)["step"] == 4
    assert main([f"--checkpoint={path}", "--resume", "--device=cpu"]) == 0  # the settings are in the file
    assert checkpoint_state(path)["step"] == 9
    one, two = load_model(whole)[0], load_model(path)[0]
    assert all(map(torch.equal, one.parameters(), two.parameters()))


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--corpus=nowhere.txt"], "or a file that exists, got 'nowhere.txt'"),
        (["--optimizer=adam"], "optimizer: adamw or muon, got 'adam'"),
        (["--batch-size=6", "--accumulate=4"], "accumulate: a divisor of batch_size = 6, got 4"),
        (["--d-model=10"], "d_model: a multiple of 2"),
        (["--steps=0"], "steps: a whole number of 1 or more, got 0"),
        (["--steps=5", "--warmup-steps=6"], "warmup_steps: from 0 to steps = 5, got 6"),
        (["--context-length=1000000"], "is too short, "),
        (["--resume"], "--resume: needs --checkpoint"),
        (["--resume", "--checkpoint=nothing.pt"], "there is no checkpoint nothing.pt"),
        (["--checkpoint=no/such/folder/run.pt"], "checkpoint: there is no folder"),
        (["--precision=fp8"], "precision: float32, bfloat16 or float16, got 'fp8'"),
        (["--tokenizer=characters", "--prompt=é"], "text: has 'é', which is not in the alphabet"),
    ],
)
def test_wrong_options_end_with_a_line_that_says_so(text, capsys, arguments, message):
    assert main([text, *SMALL, *arguments]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--device=banana"], "--device: cpu, cuda, cuda:N or mps, got 'banana'"),
        (["--device=cuda:99"], "--device: what this PyTorch"),
        (["--device=meta"], "--device: what this PyTorch"),
        (["--checkpoint-every=3"], "--checkpoint-every: needs --checkpoint"),
        (["--overwrite"], "--overwrite: needs --checkpoint"),
        (["--sample-every=0"], "--sample-every: a whole number of 1 or more, got 0"),
        (["--evaluate-every=0"], "--evaluate-every: a whole number of 1 or more, got 0"),
        (["--checkpoint-every=0", "--checkpoint=run.pt"], "--checkpoint-every: a whole number of 1 or more, got 0"),
        (["--sample-tokens=-1"], "--sample-tokens: a whole number of 0 or more, got -1"),
        (["--prompt="], "--prompt: at least one character"),
        (["--weight-decay=-1"], "weight_decay: a finite number of 0 or more, got -1.0"),
        (["--lr=nan"], "lr: a finite number of 0 or more, got nan"),
        (["--checkpoint=."], "--checkpoint: a file, got the folder ."),
    ],
)
def test_no_option_is_swallowed(text, capsys, arguments, message):
    small = [option for option in SMALL if not any(option.startswith(a.split("=")[0] + "=") for a in arguments)]
    assert main([text, *small, *arguments]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without CUDA")
def test_cuda_that_is_not_there_is_refused_in_a_line(text, capsys, monkeypatch):
    monkeypatch.delenv("LMCOURSE_DEVICE", raising=False)
    assert main([text, *SMALL[:-1], "--device=cuda"]) == 1
    monkeypatch.setenv("LMCOURSE_DEVICE", "cuda")
    assert main([text, *SMALL[:-1]]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert all("can use here" in line and "got 'cuda'" in line for line in (first, second))


def test_the_device_is_the_one_that_was_asked_for(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert shell._device("cuda:1") == torch.device("cuda:1") and shell._device("cuda") == torch.device("cuda:0")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert shell._device("cuda") == torch.device("cuda:1")
    with pytest.raises(ValueError, match="--device: cuda under torchrun"):
        shell._device("cuda:1")


def test_a_checkpoint_is_not_overwritten_without_a_word(text, tmp_path, capsys):
    path = tmp_path / "run.pt"
    run = [text, *SMALL, "--steps=2", f"--checkpoint={path}"]
    assert main(run) == 0
    before = path.read_bytes()
    assert main(run) == 1 and path.read_bytes() == before
    assert "run.pt is there already; --resume goes on from it, --overwrite replaces it" in capsys.readouterr().err
    assert main([*run, "--resume", "--overwrite"]) == 1
    assert main([*run, "--overwrite", "--seed=5"]) == 0 and path.read_bytes() != before


def test_what_is_changed_on_resume_is_applied_or_refused(text, tmp_path, capsys):
    path = tmp_path / "run.pt"
    assert main([text, *SMALL, "--steps=2", f"--checkpoint={path}"]) == 0
    before, again = path.read_bytes(), [f"--checkpoint={path}", "--resume", "--device=cpu"]
    changed = {
        "--weight-decay=0": "0.1", "--vocab-size=300": "280", "--tokenizer=characters": "'bpe'", "--seed=3": "0",
        "--batch-size=8": "4", "--d-model=32": "16", "--optimizer=adamw": "'muon'",
    }  # fmt: skip
    for option, was in changed.items():
        assert main([*again, option]) == 1
        assert f"{option.split('=')[0]}: {was}, with which" in capsys.readouterr().err
    assert main([*again, "--steps=1"]) == 1 and path.read_bytes() == before
    assert "--steps: 2 or more, which" in capsys.readouterr().err
    assert main([*again]) == 0
    assert "all 2 steps were done before" in capsys.readouterr().out
    assert main([*again, "--steps=6", "--lr=0.5", "--warmup-steps=0", "--vocab-size=280", "--max-norm=0.3"]) == 0
    out = capsys.readouterr().out
    assert "lr 2.75e-01" in out and checkpoint_state(path)["extra"]["recipe"]["lr"] == 0.5


def test_a_short_run_warms_up_for_a_tenth_of_it(text, capsys):
    small = [option for option in SMALL if "warmup" not in option]
    assert main([text, *small, "--steps=40", "--lr=0.01"]) == 0
    rates = [float(rate) for rate in re.findall(r"lr (\S+)", capsys.readouterr().out)]
    assert max(rates) == 0.01 == rates[2] and rates[2:] == sorted(rates[2:], reverse=True)  # of steps 1, 2, 4, 6, ...
    assert rates[-2] < 2 * rates[-1]  # no jump at the end


@pytest.mark.parametrize("words", ["", "The", "The quick brown fox jumps over the lazy dog."])
@pytest.mark.parametrize("tokenizer", ["bpe", "characters"])
def test_a_text_that_is_too_short_is_called_so(tmp_path, capsys, words, tokenizer):
    path = tmp_path / "short.txt"
    path.write_text(words, encoding="utf-8")
    small = [option for option in SMALL if "context" not in option]
    assert main([f"--corpus={path}", *small, f"--tokenizer={tokenizer}", "--context-length=64"]) == 1
    assert "too short" in capsys.readouterr().err


def test_output_that_is_not_utf8_gets_what_it_can_say(tmp_path, monkeypatch):
    path, letters = tmp_path / "text.txt", "Ωλ→你👋 é\n"
    path.write_text(letters * 400, encoding="utf-8")
    output = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", output)
    assert main([f"--corpus={path}", *SMALL, "--steps=4", "--tokenizer=characters", "--sample-every=1"]) == 0
    output.seek(0)
    assert "?" in output.read()


def test_the_time_that_is_left_is_told(text, capsys):
    assert main([text, *SMALL, "--steps=20"]) == 0
    left = re.findall(r"  (\d+ s|\d+ min \d+ s) left", capsys.readouterr().out)
    assert len(left) == 20 and left[-1] == "0 s"
    assert [shell._duration(seconds) for seconds in (42.4, 200, 18_720)] == ["42 s", "3 min 20 s", "5 h 12 min"]


def test_another_text_or_another_file_is_not_resumed(text, tmp_path, capsys):
    path, other = tmp_path / "run.pt", tmp_path / "other.txt"
    assert main([text, *SMALL, "--steps=2", f"--checkpoint={path}"]) == 0
    other.write_text(TEXT.replace("fox", "cat"), encoding="utf-8")
    assert main([f"--corpus={other}", "--resume", f"--checkpoint={path}", "--steps=4"]) == 1
    assert "is not the text that" in capsys.readouterr().err
    model = make_model(Recipe(), 280)
    save_checkpoint(path, model, make_optimizer(Recipe(), model), 0)
    assert main(["--resume", f"--checkpoint={path}"]) == 1
    assert "does not keep its recipe" in capsys.readouterr().err
    with pytest.raises(ValueError, match="does not keep its recipe"):
        load_model(path)


def test_every_parameter_has_one_optimizer_and_only_matrices_decay():
    for kind in ("adamw", "muon"):
        recipe = Recipe(optimizer=kind)
        model = make_model(recipe, 280)
        groups = [group for each in make_optimizer(recipe, model) for group in each.param_groups]
        held = [parameter for group in groups for parameter in group["params"]]
        assert len(held) == len(set(held)) and set(held) == set(model.parameters())
        for group in groups:
            assert {parameter.dim() == 2 for parameter in group["params"]} == {group["weight_decay"] > 0}


def test_a_model_is_drawn_from_its_seed_alone():
    torch.manual_seed(1)
    one = make_model(Recipe(seed=7), 280)
    following = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), following)  # the global generator was left alone
    two, other = make_model(Recipe(seed=7), 280), make_model(Recipe(seed=8), 280)
    assert torch.equal(one.lm_head.weight, two.lm_head.weight)
    assert not torch.equal(one.lm_head.weight, other.lm_head.weight)


def test_schedule_split_and_tokenizers():
    recipe = Recipe(steps=100, warmup_steps=10, lr=1.0)
    rates = list(map(make_schedule(recipe), range(1, 101)))
    assert rates[9] == max(rates) == 1.0 and rates[-1] == pytest.approx(0.1) and rates[0] > 0
    learn, valid = split_tokens(torch.arange(1000).numpy())
    assert len(learn) == 950 and [*learn, *valid] == list(range(1000))
    for kind in ("bpe", "characters"):
        tokenizer = make_tokenizer(Recipe(tokenizer=kind, vocab_size=270), TEXT)
        ids = tokenizer.encode(TEXT)
        assert tokenizer.decode(ids) == TEXT and max(ids) < tokenizer.vocab_size
        stored = stored_tokenizer(tokenizer_to_store(tokenizer))
        assert stored.encode(TEXT) == ids and stored.vocab_size == tokenizer.vocab_size
    with pytest.raises(ValueError, match="text: has 'x'"):
        AlphabetTokenizer("abc").encode("axe")
    for wrong in ([-1], [0, 3], [-3, 1]):
        with pytest.raises(ValueError, match="ids: 0 to 2, the alphabet's, got"):
            AlphabetTokenizer("abc").decode(wrong)
    assert AlphabetTokenizer("abc").decode(torch.tensor([2, 0])) == "ca" and AlphabetTokenizer("").decode([]) == ""


def test_the_default_recipe_is_what_the_shell_takes():
    parser = {field.name for field in dataclasses.fields(Recipe)}
    assert parser <= set(vars(shell._parse([])))
    assert default_recipe("cpu") == Recipe()
    assert default_recipe("cuda").precision == "bfloat16"
    sizes = default_recipe("cuda")
    assert sum(p.numel() for p in make_model(sizes, sizes.vocab_size).parameters()) > 3e6


def test_help_names_every_option():
    root = Path(training.__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root), "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "lmcourse.training", "--help"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, check=True)
    for field in dataclasses.fields(Recipe):
        assert "--" + field.name.replace("_", "-") in done.stdout
    assert "torchrun" in done.stdout
