"""OMP_NUM_THREADS=1 pytest tests/training/test_checkpoints.py

Oracles: a run that nobody stopped, PyTorch's own reading, and a pickle that would leave a trace.
"""

import math
import pickle
import random
import signal
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from runs import adamw, batches, muon, same, small_model, stop_after
from torch import nn

import lmcourse
from lmcourse.optimizers import AdamW
from lmcourse.training import Control, train
from lmcourse.training.checkpoints import (
    checkpoint_state,
    load_checkpoint,
    resume,
    rng_state,
    save_checkpoint,
    set_rng_state,
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


def kept(folder, **state):
    """What comes back of some state."""
    model, path = nn.Linear(1, 1), folder / "run.pt"
    save_checkpoint(path, model, torch.optim.SGD(model.parameters()), 0, **state)
    return checkpoint_state(path)


def test_the_name_of_the_file_does_not_matter(tmp_path):
    model = nn.Linear(1, 1)
    for name in ("run", "run.safetensors", "run.pt2", "a b.é"):
        save_checkpoint(tmp_path / name, model, torch.optim.SGD(model.parameters()), 3)
        assert load_checkpoint(tmp_path / name, model) == 3


@given(values)
def test_any_value_comes_back_as_it_was(tmp_path_factory, value):
    assert equal(kept(tmp_path_factory.mktemp("kept"), value=value)["value"], value)


one, other = torch.ones(1), torch.zeros(1)


@pytest.mark.parametrize(
    "value", [{1: one, "1": other}, {"a": [one], "a.0": other}, {"a": {"b": one}, "a.b": other}, {"step": one}]
)
def test_tensors_whose_names_look_alike_are_kept_apart(tmp_path, value):
    assert equal(kept(tmp_path, value=value)["value"], value)


@pytest.mark.parametrize(
    "value",
    [{1, 2}, object(), len, np.ones(3), complex(1, 2), Path("x"), signal.SIGINT, range(3)],
    ids=lambda value: type(value).__name__,
)
def test_what_could_not_be_read_again_is_refused_at_saving_by_name(tmp_path, value):
    with pytest.raises(TypeError, match=r"note\['deep'\]\[1\]: a checkpoint keeps numbers"):
        kept(tmp_path, note={"deep": [1, value]})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", [5.0, -1, None, True, "5"])
def test_a_step_that_could_not_be_read_again_is_refused_at_saving(tmp_path, step):
    model = nn.Linear(1, 1)
    with pytest.raises((TypeError, ValueError), match="step: a whole number of 0 or more, got"):
        save_checkpoint(tmp_path / "run.pt", model, torch.optim.SGD(model.parameters()), step)


def test_numbers_of_numpy_are_kept_as_numbers(tmp_path):
    found = kept(tmp_path, note={np.int64(3): np.float32(0.5)}, at=np.uint8(7))
    assert equal(found, {"step": 0, "note": {3: 0.5}, "at": 7})


def test_a_view_is_kept_without_all_that_it_looks_at(tmp_path):
    kept(tmp_path, few=torch.zeros(1_000_000)[::1000])
    assert (tmp_path / "run.pt").stat().st_size < 20_000


@pytest.mark.parametrize("make", [adamw, muon, lambda model: torch.optim.AdamW(model.parameters(), weight_decay=0.1)])
def test_model_and_optimizer_come_back_bit_for_bit(tmp_path, make):
    model, path = small_model(), tmp_path / "run.pt"
    optimizer = make(model)
    for _ in train(model, optimizer, batches(), steps=3):
        pass
    save_checkpoint(path, model, optimizer, 3, note=("kept", math.pi))
    other = small_model(seed=9)
    restored = make(other)
    assert load_checkpoint(path, other, restored) == 3
    assert checkpoint_state(path) == {"step": 3, "note": ("kept", math.pi)}
    assert same(model, other)
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

    model, other, path = Tied(), Tied(), tmp_path / "run.pt"
    save_checkpoint(path, model, AdamW(model.parameters()), 0)
    assert len([name for name in zipfile.ZipFile(path).namelist() if "/data/" in name]) == 2
    load_checkpoint(path, other)
    assert torch.equal(other.head.weight, model.head.weight) and other.head.weight is other.embedding.weight
    with torch.no_grad():
        model.head.weight = nn.Parameter(model.head.weight + 1)  # no longer tied
    save_checkpoint(path, model, AdamW(model.parameters()), 0)
    refused(path, "embedding.weight and head.weight are one tensor here, and two different ones in", other)


def test_moments_of_32_bits_stay_so_beside_parameters_of_16(tmp_path):
    def make():
        weight = nn.Linear(3, 3).to(torch.bfloat16)
        return weight, torch.optim.SGD(weight.parameters(), momentum=0.9)

    (model, optimizer), path = make(), tmp_path / "run.pt"
    for parameter in model.parameters():
        optimizer.state[parameter]["momentum_buffer"] = torch.full(parameter.shape, 1 / 3)
    save_checkpoint(path, model, optimizer, 1)
    other, restored = make()
    load_checkpoint(path, other, restored)
    assert all(state["momentum_buffer"].dtype == torch.float32 for state in restored.state.values())
    assert all((state["momentum_buffer"] == 1 / torch.tensor(3.0)).all() for state in restored.state.values())


def test_the_random_generators_of_all_three_go_on(tmp_path):
    before = rng_state()
    drawn = torch.rand(3).tolist(), random.random(), np.random.rand()
    set_rng_state(kept(tmp_path, rng=before)["rng"])
    assert (torch.rand(3).tolist(), random.random(), np.random.rand()) == drawn


def test_resume_asks_for_place_and_randomness(tmp_path):
    model, path = small_model(), tmp_path / "run.pt"
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
    for _ in train(model, optimizer, batches(), steps=1, checkpoint=tmp_path / "run.pt"):
        pass
    return tmp_path / "run.pt"


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
    data, cut = saved.read_bytes(), tmp_path / "cut.pt"
    places = {0, 1, 7, 8, 9, len(data) - 1, *random.Random(0).sample(range(len(data)), 40)}
    for place in places:
        cut.write_bytes(data[:place])
        refused(cut, "no checkpoint, or a damaged one")


def test_a_changed_bit_is_refused_or_changes_nothing(tmp_path):
    """Sums are kept beside tensors and values. What no sum covers is padding, or a second copy of a name."""
    model, path = nn.Linear(2, 2), tmp_path / "run.pt"
    save_checkpoint(path, model, torch.optim.SGD(model.parameters()), 7, note="kept")
    data, tensors = path.read_bytes(), model.weight.detach().numpy().tobytes()
    found = data.index(tensors)
    for place in [*range(found, found + len(tensors)), *random.Random(0).sample(range(len(data)), 300)]:
        path.write_bytes(data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :])
        other = nn.Linear(2, 2)
        try:
            state, step = checkpoint_state(path), load_checkpoint(path, other)
        except ValueError as error:
            assert str(path) in str(error)
            continue
        assert not found <= place < found + len(tensors)
        assert (state, step) == ({"step": 7, "note": "kept"}, 7) and torch.equal(other.weight, model.weight)


def test_a_missing_file_and_a_folder(tmp_path):
    for path in (tmp_path / "nothing.pt", tmp_path):
        with pytest.raises(FileNotFoundError, match="there is no checkpoint"):
            load_checkpoint(path, small_model())


class Bomb:
    """Unpickling one makes a file; so would any other code."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


def test_a_pickle_is_refused_and_not_loaded(tmp_path):
    trace, path = tmp_path / "exploded", tmp_path / "run.pt"
    with path.open("wb") as file:
        pickle.dump(Bomb(trace), file)
    refused(path, "no checkpoint, or a damaged one")
    torch.save({"model": Bomb(trace)}, path, _use_new_zipfile_serialization=False)
    refused(path, "no checkpoint, or a damaged one")
    torch.save({"format": "lmcourse checkpoint 2", "model": Bomb(trace)}, path)
    refused(path, "something else than tensors and plain values, which may be code")
    with pytest.raises(ValueError, match="is refused"):
        checkpoint_state(path)
    assert not trace.exists()
    torch.load(path, weights_only=False)  # the bomb does work
    assert trace.exists()


def test_no_module_of_the_course_unpickles():
    for path in Path(lmcourse.__file__).parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for word in ("import pickle", "allow_pickle=True", "weights_only=False", "import dill"):
            assert word not in text, f"{path.name}: {word}"


def test_files_of_others_are_refused(tmp_path):
    path = tmp_path / "run.pt"
    path.write_text("some notes of mine", encoding="utf-8")
    refused(path, "no checkpoint, or a damaged one")
    torch.save({"weight": torch.ones(3)}, path)
    refused(path, "no checkpoint that save_checkpoint wrote")
    safetensors.torch.save_file({"model.weight": torch.ones(3)}, path, {"lmcourse": "{}"})
    refused(path, "an older kind of checkpoint, which is no longer read")


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content.pop("state"),
        lambda content: content.update(state=[]),
        lambda content: content.update(state={"step": "7"}),
        lambda content: content.update(state={"step": -1}),
        lambda content: content.update(model=3),
        lambda content: content.update(optimizers=7),
        lambda content: content.update(optimizers=[None]),
        lambda content: content.update(optimizers=[{"class": "AdamW", "names": [], "state_dict": 3}]),
        lambda content: content["optimizers"][0].pop("names"),
    ],
)
def test_damaged_content_is_refused(saved, tmp_path, damage):
    path = tmp_path / "damaged.pt"
    changed(saved, path, damage)
    refused(path, "damaged")


def changed(saved, path, change):
    content = torch.load(saved, weights_only=True)
    change(content)
    torch.save(content, path)


def test_other_shapes_dtypes_and_names_are_refused(saved, tmp_path):
    path, head = tmp_path / "changed.pt", "lm_head.weight"

    def with_model(**tensors):
        changed(saved, path, lambda content: content["model"].update(tensors))

    with_model(**{head: torch.zeros(20, 8)})
    refused(path, r"lm_head.weight has shape \(20, 16\), .* holds one of \(20, 8\)")
    with_model(**{head: torch.zeros(20, 16, dtype=torch.float64)})
    refused(path, r"lm_head.weight has dtype torch.float32, .* holds one of torch.float64")
    with_model(**{head: "text"})
    refused(path, "lm_head.weight has shape")
    changed(saved, path, lambda content: content["model"].pop(head))
    refused(path, "another model: it lacks .*lm_head.weight")
    with_model(extra=torch.zeros(1))
    refused(path, "another model: .*extra")
    changed(saved, path, lambda c: c["optimizers"][0]["state_dict"]["state"][0].update(exp_avg=torch.zeros(5, 5)))
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


# Wrappers, around a model or around its parts


def wrapped(model, how):
    if how == "compiled parts":
        model.layers[0] = torch.compile(model.layers[0], backend="eager")
        model.ln_final = torch.compile(model.ln_final, backend="eager")
    if how == "a parallel part":
        model.layers[1].ffn = nn.DataParallel(model.layers[1].ffn)
    return {"compiled": torch.compile, "parallel": nn.DataParallel}.get(how, lambda model: model)(model)


@pytest.mark.parametrize(
    "how",
    [
        pytest.param("compiled", marks=pytest.mark.thorough),  # by a C++ compiler: half a minute
        "compiled parts", "parallel", "a parallel part",
    ],
)  # fmt: skip
def test_wrappers_leave_no_trace_in_a_checkpoint(tmp_path, how):
    model, path = small_model(), tmp_path / "run.pt"
    around = wrapped(model, how)
    optimizer = adamw(around)
    for _ in train(around, optimizer, batches(), steps=2, checkpoint=path):
        pass
    plain, again = small_model(seed=4), wrapped(small_model(seed=5), how)
    assert load_checkpoint(path, plain, adamw(plain)) == 2 == load_checkpoint(path, again, adamw(again))
    for parameters in zip(model.parameters(), plain.parameters(), again.parameters()):
        assert torch.equal(*parameters[:2]) and torch.equal(*parameters[1:])


def test_half_summed_gradients_find_their_parameters_without_the_wrapper(tmp_path):
    def run(model, **options):
        return list(train(model, adamw(model), batches(), steps=2, accumulate=3, **options))

    path, control, whole = tmp_path / "run.pt", Control(), small_model()
    expected = run(whole)
    first = run(
        wrapped(small_model(), "compiled parts"), checkpoint=path, control=control, loss_fn=stop_after(5, control)
    )
    model = small_model(seed=6)
    assert [r.loss for r in first + run(model, resume_from=path)] == pytest.approx([r.loss for r in expected], rel=1e-5)


class WithMemory(nn.Linear):
    """Keeps what is no tensor."""

    words = "none"

    def get_extra_state(self):
        return {"words": self.words, "counts": torch.arange(3)}

    def set_extra_state(self, state):
        self.words = state["words"]


def test_what_a_module_keeps_besides_tensors_comes_back(tmp_path):
    model, other, path = nn.Sequential(WithMemory(2, 2)), nn.Sequential(WithMemory(2, 2)), tmp_path / "run.pt"
    model[0].words = "kept"
    save_checkpoint(path, model, torch.optim.SGD(model.parameters()), 1)
    assert load_checkpoint(path, other) == 1 and other[0].words == "kept"
    model[0].words = {"a set"}
    with pytest.raises(TypeError, match=r"model\['0._extra_state'\]\['words'\]: a checkpoint keeps"):
        save_checkpoint(path, model, torch.optim.SGD(model.parameters()), 1)


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


def test_a_checkpoint_is_read_twice_into_one_optimizer(tmp_path):
    model = torch.nn.Linear(2, 2)
    optimizer = AdamW(model.parameters())
    save_checkpoint(tmp_path / "run.pt", model, optimizer, 7)
    assert [load_checkpoint(tmp_path / "run.pt", model, optimizer) for _ in range(2)] == [7, 7]
