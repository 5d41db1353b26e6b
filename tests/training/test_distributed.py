"""OMP_NUM_THREADS=1 pytest tests/training/test_distributed.py

Two real processes under torchrun, over gloo on this machine, against one process.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from runs import batches, muon, schedule, small_model, stop_after

from lmcourse.training import Control, train
from lmcourse.training.__main__ import main
from lmcourse.training.checkpoints import checkpoint_state, load_checkpoint
from lmcourse.training.recipe import load_model

TESTS = Path(__file__).parents[1]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not torch.distributed.is_available() or sys.platform == "win32", reason="needs gloo and torchrun as on Linux"
    ),
]


def torchrun(*arguments, **options):
    """Two processes; everything stays on this machine."""
    loopback = {"linux": "lo", "darwin": "lo0"}[sys.platform]
    local = {"MASTER_ADDR": "127.0.0.1", "GLOO_SOCKET_IFNAME": loopback, "OMP_NUM_THREADS": "1"}
    path = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *arguments]
    return subprocess.Popen(command, env=os.environ | local | {"PYTHONPATH": path}, **options)


def alone(optimizer, **options):
    model = small_model(seed=5)
    records = list(train(model, optimizer(model), batches(batch_size=4), accumulate=3, **options))
    return model, records


def parameters(path):
    model = small_model(seed=6)
    load_checkpoint(path, model)
    return model


def assert_close(model, other, **tolerance):
    for (name, one), two in zip(model.named_parameters(), other.parameters()):
        torch.testing.assert_close(two, one, msg=lambda text, name=name: f"{name}: {text}", **tolerance)


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """What two processes wrote; before, one process stopped in the middle of its third step for them to go on."""
    folder = tmp_path_factory.mktemp("together")
    control = Control()
    options = {"steps": 6, "schedule": schedule, "checkpoint": folder / "alone.pt"}
    alone(muon, control=control, loss_fn=stop_after(8, control), **options)
    process = torchrun(str(TESTS / "runs.py"), str(folder), stderr=subprocess.PIPE, text=True)
    _, errors = process.communicate()
    assert process.returncode == 0, errors[-3000:]
    return folder


def test_two_halves_make_the_gradient_of_the_whole(together):
    model, _ = alone(lambda model: torch.optim.SGD(model.parameters(), lr=1.0), steps=1, max_norm=None)
    start = small_model(seed=5)
    two = parameters(together / "gradient.pt")
    for (name, before), one, other in zip(start.named_parameters(), model.parameters(), two.parameters()):
        gradient = before - one  # at a learning rate of 1
        assert gradient.abs().max() > 1e-4, name
        torch.testing.assert_close(before - other, gradient, rtol=1e-4, atol=1e-6)


def test_two_processes_take_the_path_of_one(together):
    model, records = alone(muon, steps=6, schedule=schedule)
    assert_close(model, parameters(together / "whole.pt"), rtol=1e-3, atol=1e-5)
    lines = (together / "records.txt").read_text(encoding="utf-8").splitlines()
    for line, record in zip(lines, records, strict=True):
        loss, norm, tokens = map(float, line.split())
        assert (loss, norm, tokens) == pytest.approx((record.loss, record.grad_norm, record.tokens), rel=1e-4)


def test_two_that_stopped_go_on_as_one(together):
    state = checkpoint_state(together / "stopped.pt")
    assert (state["step"], state["micro_step"]) == (2, 2)  # both stopped there, though one alone was told to
    model, _ = alone(muon, steps=6, schedule=schedule)
    resumed, records = alone(muon, steps=6, schedule=schedule, resume_from=together / "stopped.pt")
    assert [record.step for record in records] == [3, 4, 5, 6]
    assert_close(model, resumed, rtol=1e-3, atol=1e-5)


def test_one_that_stopped_goes_on_as_two(together):
    state = checkpoint_state(together / "alone.pt")
    assert (state["step"], state["micro_step"]) == (2, 2)
    model, _ = alone(muon, steps=6, schedule=schedule)
    assert_close(model, parameters(together / "resumed.pt"), rtol=1e-3, atol=1e-5)


@pytest.mark.thorough
def test_a_shell_under_torchrun_is_interrupted_and_goes_on_as_one(tmp_path):
    text, path = tmp_path / "text.txt", tmp_path / "run.pt"
    text.write_text("All work and no play makes Jack a dull boy. " * 200, encoding="utf-8")
    sizes = {"context-length": 16, "d-model": 16, "num-layers": 1, "num-heads": 2, "d-ff": 32}
    sizes = [f"--{name}={size}" for name, size in sizes.items()] + ["--tokenizer=characters"]
    program = ["-m", "lmcourse.training", "--corpus", str(text), "--checkpoint", str(path), "--device", "cpu", *sizes]
    process = torchrun(*program, "--steps", "1000000", "--checkpoint-every", "5", "--evaluate-every", "1000000")
    while not path.exists():
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    process.wait()
    step = checkpoint_state(path)["step"]
    assert step >= 5
    assert main([*program[2:], "--resume", "--steps", str(step + 3), "--warmup-steps", "1"]) == 0
    assert checkpoint_state(path)["step"] == step + 3
    assert load_model(path)[0].config.d_model == 16
