"""OMP_NUM_THREADS=1 pytest tests/training/test_sample.py"""

import io
import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lmcourse.model import ModelConfig, TransformerLM
from lmcourse.recorded import tales_model
from lmcourse.tokenization import BPETokenizer, train_bpe
from lmcourse.training import generate, sample, save_model, stream_text
from lmcourse.training.__main__ import main as train_main
from lmcourse.training.sample import main

BYTES = BPETokenizer({i: bytes([i]) for i in range(256)}, [])
ASKED = ["--prompt=One day", "--tokens=30", "--seed=1"]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A model that writes any byte, and so also what is no UTF-8."""
    torch.manual_seed(0)
    tokenizer = BPETokenizer(*train_bpe("é 🙂 " * 9 + "low lower lowest " * 9, 262))
    model = TransformerLM(ModelConfig(262, context_length=16, d_model=16, num_layers=1, num_heads=2, d_ff=24))
    path = tmp_path_factory.mktemp("models") / "bytes.safetensors"
    save_model(path, model, tokenizer)
    return path


def test_the_recorded_model_writes_what_generate_does(capsys):
    assert main([*ASKED, "--temperature=0.8", "--top-p=0.9"]) == 0
    model, tokenizer = tales_model()
    ids = generate(model, tokenizer.encode("One day"), 30, temperature=0.8, top_p=0.9, seed=1)
    assert capsys.readouterr().out == tokenizer.decode(ids) + "\n"


def test_files_are_known_by_what_is_in_them(file, tmp_path, capsys):
    assert main([str(file), *ASKED]) == 0
    there = capsys.readouterr().out
    assert there.startswith("One day")
    moved = file.with_name("words.json")
    moved.write_bytes(file.with_name("bytes_tokenizer.json").read_bytes())
    assert main([str(file), *ASKED, f"--tokenizer={moved}"]) == 0
    assert capsys.readouterr().out == there

    text, checkpoint = tmp_path / "text.txt", tmp_path / "run.safetensors"  # its name does not say what it is
    text.write_text("One day the fox was glad. " * 200)
    small = ["--vocab-size=270", "--context-length=16", "--d-model=16", "--num-layers=1", "--num-heads=2", "--d-ff=24"]
    assert train_main([f"--corpus={text}", f"--checkpoint={checkpoint}", "--steps=2", "--device=cpu", *small]) == 0
    capsys.readouterr()
    assert main([str(checkpoint), *ASKED]) == 0
    assert capsys.readouterr().out.startswith("One day")


def test_the_prompt_may_come_from_standard_input(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("Once there was\n"))
    assert main(["--prompt=-", "--tokens=0"]) == 0
    assert capsys.readouterr().out == "Once there was\n"


def test_each_piece_is_written_before_the_next_token_is_drawn(monkeypatch):
    done, seen = [], []

    class Out(io.StringIO):
        def flush(self):
            done.append(self.getvalue())

    def slow(*_, **__):
        for token in "né!".encode():
            seen.append(done[-1])
            yield token

    out = Out()
    monkeypatch.setattr(sample, "_model", lambda *_: (None, BYTES))
    monkeypatch.setattr(sample, "stream", slow)
    monkeypatch.setattr(sys, "stdout", out)
    assert main(["--prompt=o"]) == 0
    assert seen == ["o", "on", "on", "oné"] and out.getvalue() == "oné!\n"


@given(st.binary(max_size=30), st.text(max_size=5))
def test_the_pieces_are_the_text(data, prompt):
    known = list(prompt.encode())
    pieces = list(stream_text(BYTES, known, data))
    assert prompt + "".join(pieces) == BYTES.decode([*known, *data]) and all(pieces)
    assert len(pieces) <= len(data)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.pt"], "nowhere.pt"),
        ([__file__], "a whole safetensors file"),
        (["--tokenizer=x.json"], "--tokenizer: only for a file of save_model"),
        (["--prompt="], "--prompt: at least one character"),
        (["--temperature=-1"], "temperature: a finite number of 0 or more, got -1.0"),
        (["--temperature=nan"], "temperature: a finite number"),
        (["--top-p=0"], "top_p: more than 0"),
        (["--top-k=0"], "top_k: a whole number of 1 or more"),
        (["--tokens=-1"], "max_new_tokens: a whole number of 0 or more"),
        (["--seed=-1"], "--seed: a whole number of 0 or more"),
    ],
)
def test_errors_are_one_line(arguments, words, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and words in err and err.count("\n") == 1


def test_a_folder_that_is_no_llama_is_refused(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2 and "config.json" in capsys.readouterr().err


def test_ctrl_c_and_a_reader_that_leaves(monkeypatch, capsys):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sample, "stream_text", stopped)
    assert main(["--tokens=1"]) == 130
    monkeypatch.undo()
    command = [sys.executable, "-m", "lmcourse.training.sample", "--tokens=2000", "--temperature=0"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ})
    assert running.stdout.read(7) == b"One day"
    running.stdout.close()
    assert running.wait(60) == 0 and running.stderr.read() == b""
