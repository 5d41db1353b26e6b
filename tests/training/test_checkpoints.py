"""OMP_NUM_THREADS=1 pytest tests/test_checkpoints.py

Oracles: a run that nobody stopped, the safetensors library, and a pickle that would leave a trace.
"""

import json
import math
import multiprocessing
import os
import pickle
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import adamw, batches, muon, small_model, train_until_killed
from torch import nn

import lmcourse
from lmcourse.optimizers import AdamW
from lmcourse.training import train
from lmcourse.training.checkpoints import (
    checkpoint_state,
    load_checkpoint,
    pack,
    resume,
    rng_state,
    save_checkpoint,
    set_rng_state,
    unpack,
)


def equal(a, b):
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return type(b) is dict and a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(equal, a, b))
    return type(a) is type(b) and a == b


# What is kept is kept exactly

leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    | st.sampled_from([torch.float16, torch.int64])
    | st.lists(st.floats(width=32, allow_nan=False), max_size=3).map(torch.tensor)
)  # fmt: skip
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)  # fmt: skip


@given(values)
@settings(max_examples=200, deadline=None)
def test_any_value_comes_back_from_json_as_it_was(value):
    tensors = {}
    assert equal(unpack(json.loads(json.dumps(pack(value, "value", tensors))), tensors), value)


def test_what_cannot_be_kept_is_refused_by_name():
    with pytest.raises(TypeError, match=r"state\.note: .* got set"):
        pack({"note": {1, 2}}, "state", {})


def test_numbers_of_numpy_are_kept_as_numbers():
    assert pack({"at": np.int64(3), "loss": np.float32(0.5)}, "state", {}) == {"dict": [["at", 3], ["loss", 0.5]]}


@pytest.mark.parametrize("make", [adamw, muon, lambda model: torch.optim.AdamW(model.parameters(), weight_decay=0.1)])
def test_model_and_optimizer_come_back_bit_for_bit(tmp_path, make):
    model, path = small_model(), tmp_path / "run.safetensors"
    optimizer = make(model)
    for _ in train(model, optimizer, batches(), steps=3):
        pass
    save_checkpoint(path, model, optimizer, 3, note=("kept", math.pi))
    other = small_model(seed=9)
    restored = make(other)
    assert load_checkpoint(path, other, restored) == 3
    assert checkpoint_state(path) == {"step": 3, "note": ("kept", math.pi)}
    assert all(map(torch.equal, model.parameters(), other.parameters()))
    many = [optimizer] if not isinstance(optimizer, list) else optimizer
    for one, two in zip(many, [restored] if not isinstance(restored, list) else restored, strict=True):
        assert equal(one.state_dict(), two.state_dict())


def test_tied_weights_are_written_once_and_stay_tied(tmp_path):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.head = nn.Embedding(7, 3), nn.Linear(3, 7, bias=False)
            self.head.weight = self.embedding.weight
            self.register_buffer("counts", torch.arange(3))

    model, other, path = Tied(), Tied(), tmp_path / "run.safetensors"
    save_checkpoint(path, model, AdamW(model.parameters()), 0)
    assert sorted(safetensors.torch.load_file(path)) == ["model.counts", "model.embedding.weight"]
    load_checkpoint(path, other)
    assert torch.equal(other.head.weight, model.head.weight) and other.head.weight is other.embedding.weight


def test_moments_of_32_bits_stay_so_beside_parameters_of_16(tmp_path):
    def make():
        weight = nn.Linear(3, 3).to(torch.bfloat16)
        return weight, torch.optim.SGD(weight.parameters(), momentum=0.9)

    (model, optimizer), path = make(), tmp_path / "run.safetensors"
    for parameter in model.parameters():
        optimizer.state[parameter]["momentum_buffer"] = torch.full(parameter.shape, 1 / 3)
    save_checkpoint(path, model, optimizer, 1)
    other, restored = make()
    load_checkpoint(path, other, restored)
    assert all(state["momentum_buffer"].dtype == torch.float32 for state in restored.state.values())
    assert all((state["momentum_buffer"] == 1 / torch.tensor(3.0)).all() for state in restored.state.values())


def test_the_random_generators_of_all_three_go_on():
    before = rng_state()
    drawn = torch.rand(3).tolist(), random.random(), np.random.rand()
    set_rng_state(unpack(json.loads(json.dumps(pack(before, "rng", tensors := {}))), tensors))
    assert (torch.rand(3).tolist(), random.random(), np.random.rand()) == drawn


def test_resume_asks_for_place_and_randomness(tmp_path):
    model, path = small_model(), tmp_path / "run.safetensors"
    optimizer, data = adamw(model), batches()
    save_checkpoint(path, model, optimizer, 4, rng=rng_state())
    with pytest.raises(ValueError, match="keeps no data"):
        resume(path, model, optimizer, data)
    save_checkpoint(path, model, optimizer, 4, rng=rng_state(), data=data.state_dict())
    following = next(data)[0]
    assert resume(path, model, optimizer, data) == 4
    assert torch.equal(next(data)[0], following)


# What is refused


@pytest.fixture
def saved(tmp_path):
    model = small_model()
    optimizer = adamw(model)
    for _ in train(model, optimizer, batches(), steps=1, checkpoint=tmp_path / "run.safetensors"):
        pass
    return tmp_path / "run.safetensors"


def refused(path, match, model=None, optimizer=None):
    """load_checkpoint raises, and nothing has changed."""
    model = small_model(seed=4) if model is None else model
    optimizer = adamw(model) if optimizer is None else optimizer(model)
    before = [parameter.clone() for parameter in model.parameters()]
    with pytest.raises(ValueError, match=match) as caught:
        load_checkpoint(path, model, optimizer)
    assert all(map(torch.equal, before, model.parameters()))
    many = optimizer if isinstance(optimizer, list) else [optimizer]
    assert not any(each.state for each in many)
    return str(caught.value)


def test_a_file_cut_anywhere_is_refused(saved, tmp_path):
    data, cut = saved.read_bytes(), tmp_path / "cut.safetensors"
    places = {0, 1, 7, 8, 9, len(data) - 1, *random.Random(0).sample(range(len(data)), 40)}
    for place in places:
        cut.write_bytes(data[:place])
        refused(cut, "no safetensors file, or a truncated one|looks like a file of torch.save")
    cut.write_bytes(data + b"\0")
    refused(cut, "no safetensors file|looks like a file")


def test_a_missing_file_and_a_folder(tmp_path):
    for path in (tmp_path / "nothing.safetensors", tmp_path):
        with pytest.raises(FileNotFoundError, match="there is no checkpoint"):
            load_checkpoint(path, small_model())


class Bomb:
    """Unpickling one makes a file; so would any other code."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


def test_a_pickle_is_refused_and_not_loaded(tmp_path):
    trace, path = tmp_path / "exploded", tmp_path / "run.safetensors"
    with path.open("wb") as file:
        pickle.dump(Bomb(trace), file)
    refused(path, "looks like a file of torch.save or pickle. It is not opened")
    for new in (True, False):
        torch.save({"model": Bomb(trace)}, path, _use_new_zipfile_serialization=new)
        refused(path, "looks like a file of torch.save or pickle. It is not opened")
        with pytest.raises(ValueError, match="not opened"):
            checkpoint_state(path)
    assert not trace.exists()
    with path.open("rb") as file:  # the bomb does work
        torch.load(file, weights_only=False)
    assert trace.exists()


def test_a_header_whose_length_looks_like_a_pickle_is_read(tmp_path):
    """A safetensors file begins with the length of its header: one in 256 begins with the byte of a pickle."""
    model, path, seen = small_model(), tmp_path / "run.safetensors", set()
    for length in range(0, 2048, 8):  # headers are padded to eight bytes
        save_checkpoint(path, model, adamw(model), 5, note="x" * length)
        seen.add(path.read_bytes()[0])
        if seen >= {0x80}:
            break
    assert 0x80 in seen
    assert load_checkpoint(path, model) == 5


def test_no_module_of_the_course_unpickles():
    for path in Path(lmcourse.__file__).parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for word in ("import pickle", "torch.load(", "allow_pickle=True", "weights_only=False", "import dill"):
            assert word not in text, f"{path.name}: {word}"


def test_files_of_others_are_refused(tmp_path):
    path = tmp_path / "run.safetensors"
    path.write_text("some notes of mine", encoding="utf-8")
    refused(path, "no safetensors file")
    safetensors.torch.save_file({"weight": torch.ones(3)}, path)
    refused(path, "no checkpoint that save_checkpoint wrote")


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content.update(version=99),
        lambda content: content.pop("state"),
        lambda content: content.update(state={"list": []}),
        lambda content: content.update(state={"tensor": "absent"}),
        lambda content: content.update(state={"dict": [["step", "7"]]}),
        lambda content: content.update(state={"dict": [["step", -1]]}),
        lambda content: content.update(optimizers=7),
        lambda content: content.update(optimizers=[None]),
        lambda content: content.update(optimizers=[{"dict": [["class", "AdamW"], ["names", []], ["state_dict", 3]]}]),
        lambda content: content.update(state=json.loads("[" * 900 + "]" * 900)),
    ],
)
def test_a_damaged_header_is_refused(saved, tmp_path, damage):
    path = tmp_path / "damaged.safetensors"
    with safetensors.safe_open(saved, "pt") as file:
        content, tensors = json.loads(file.metadata()["lmcourse"]), {n: file.get_tensor(n) for n in file.keys()}  # noqa: SIM118
    damage(content)
    safetensors.torch.save_file(tensors, path, {"lmcourse": json.dumps(content)})
    refused(path, "damaged")
    safetensors.torch.save_file(tensors, path, {"lmcourse": "{" + "[" * 100_000})
    refused(path, "damaged")


def changed(saved, path, change):
    with safetensors.safe_open(saved, "pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(tensors)
    safetensors.torch.save_file(tensors, path, metadata)


def test_other_shapes_dtypes_and_names_are_refused(saved, tmp_path):
    path = tmp_path / "changed.safetensors"
    head = "model.lm_head.weight"
    changed(saved, path, lambda tensors: tensors.update({head: torch.zeros(20, 8)}))
    refused(path, r"lm_head.weight has shape \(20, 16\), .* holds one of \(20, 8\)")
    changed(saved, path, lambda tensors: tensors.update({head: torch.zeros(20, 16, dtype=torch.float64)}))
    refused(path, r"lm_head.weight has dtype torch.float32, .* holds one of torch.float64")
    changed(saved, path, lambda tensors: tensors.pop(head))
    refused(path, "another model: it lacks .*lm_head.weight")
    changed(saved, path, lambda tensors: tensors.update({"model.extra": torch.zeros(1)}))
    refused(path, "another model: .*extra")
    moment = next(name for name in safetensors.torch.load_file(saved) if name.endswith("exp_avg"))
    changed(saved, path, lambda tensors: tensors.update({moment: torch.zeros(5, 5)}))
    refused(path, r"holds exp_avg of shape \(5, 5\) for a parameter of shape")


def test_the_state_of_another_optimizer_is_refused(saved):
    refused(saved, "holds the state of AdamW, got SGD", optimizer=lambda model: torch.optim.SGD(model.parameters()))
    refused(saved, "holds the state of 1 optimizers, got 2", optimizer=muon)
    refused(saved, "other parameters, or in another order", optimizer=lambda m: AdamW(reversed(list(m.parameters()))))
    refused(
        saved,
        "other parameters, or in another order",
        optimizer=lambda m: AdamW([{"params": [p]} for p in m.parameters()]),
    )


# Killed at random moments, fifty times


def test_fifty_kills_leave_a_checkpoint_that_was_completed_and_the_run_goes_on_bit_for_bit(tmp_path, monkeypatch):
    """Each process goes on where the one before was killed; the end is that of a run which nobody stopped."""
    path, announced = tmp_path / "run.safetensors", tmp_path / "announced"
    announced.touch()
    server = "forkserver" in multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if server else "spawn")
    if server:
        monkeypatch.setenv(
            "PYTHONPATH", os.pathsep.join(map(str, (Path(__file__).parents[1], Path(__file__).parents[2])))
        )
        context.set_forkserver_preload(["pytest", "runs"])  # PyTorch is imported once, not fifty times
    rng, half_written, completed = random.Random(0), 0, 0
    for kill in range(50 if server else 5):  # Windows starts each process from nothing
        process = context.Process(target=train_until_killed, args=(path, announced), daemon=True)
        process.start()
        size = announced.stat().st_size
        while announced.stat().st_size == size:  # until it has come further than the one before
            assert process.is_alive(), f"process {kill} ended by itself"
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.03))
        process.kill()
        process.join()
        assert process.exitcode == (-signal.SIGKILL if os.name == "posix" else process.exitcode) != 0
        last = int(announced.read_text(encoding="utf-8").split("\n")[-2])
        model = small_model()
        step = load_checkpoint(path, model, adamw(model))
        assert step >= last > completed
        completed = last
        for rest in tmp_path.glob(".*.part"):
            half_written += 1
            rest.unlink()
    if sys.platform == "linux":
        assert half_written > 0  # some kills did hit a writer at work

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    model = small_model(seed=3)
    for _ in train(model, adamw(model), batches(), steps=step):
        pass
    torch.set_num_threads(threads)
    survivor = small_model()
    load_checkpoint(path, survivor)
    assert all(map(torch.equal, model.parameters(), survivor.parameters()))


def test_a_failed_write_leaves_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()
    model = small_model()

    class Full:
        def write(self, data):
            raise OSError(28, "No space left on device")

    real = Path.open
    monkeypatch.setattr(
        Path, "open", lambda self, mode="r", *a, **k: Opened(Full()) if "x" in mode else real(self, mode, *a, **k)
    )
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(saved, model, adamw(model), 5)
    assert saved.read_bytes() == before and [each.name for each in saved.parent.iterdir()] == [saved.name]


class Opened:
    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self.file

    def __exit__(self, *_):
        return False
