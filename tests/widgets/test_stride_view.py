"""python -m pytest tests/widgets/test_stride_view.py

StrideView in Python: records and values read from real tensors, typed operations on them, and the golden answers that
its JS must give too (`node --test tests/widgets/stride_view.test.mjs`).
"""

import random
import sys
from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch

from lmcourse.strides import addresses, contiguous_strides, line_loads, view_conflict
from lmcourse.widgets import StrideView
from lmcourse.widgets.stride_view import PUZZLES, SHOWN, Record
from lmcourse.widgets.typed_operations import ARRAY_OPERATIONS, OPERATIONS, Step, apply, parse

sys.path.insert(0, str(Path(__file__).parent))
from test_typed_operations import REFUSED, random_operation, random_shape, regroup

# --- what JS must answer as PyTorch and NumPy do ---------------------------------------------------------

ALWAYS_COPIES = ("flip", "clone")  # and a list of rows: where such a copy lies, the page leaves to PyTorch
WORDED_BY_PYTORCH_ALONE = ("expand(torch", "numel: integer multiplication overflow")  # a dtype's name; an accident


def record(x) -> Record:
    return Record.of_tensor(x) if isinstance(x, torch.Tensor) else Record.of_array("a", x)


def storage_of(x):
    """All elements that `x` keeps alive, in memory order."""
    if isinstance(x, torch.Tensor):
        return x.as_strided((record(x).storage_size,), (1,), 0)
    while isinstance(x.base, np.ndarray):
        x = x.base
    return x.reshape(-1)


def same_storage(a, b) -> bool:
    """Also where no element is in it."""
    if isinstance(a, torch.Tensor):
        return a.untyped_storage()._cdata == b.untyped_storage()._cdata
    return np.shares_memory(a, b)


def left_to_pytorch(step: Step, x) -> bool:
    copies = step.name in ALWAYS_COPIES or (step.name == "[]" and isinstance(step.args[0], list))
    return copies and x.stride() != contiguous_strides(x.shape)


def told(x, text: str, operations=OPERATIONS) -> dict:
    """What the library itself makes of a text: the record of the result, or its error."""
    try:
        _, steps = parse(text, operations)
    except ValueError as error:
        return {"refused": str(error)}
    try:
        for step in steps or [Step("[]", (...,))]:
            before, positions = x, storage_of(x)
            for position in range(len(positions)):
                positions[position] = position
            x = apply(x, [step])
            if left_to_pytorch(step, before):
                return {"error": "NotImplementedError"}
    except (RuntimeError, IndexError, ValueError, TypeError) as error:
        words = str(error).splitlines()[0]
        plain = (
            isinstance(error, TypeError) or operations is not OPERATIONS or words.startswith(WORDED_BY_PYTORCH_ALONE)
        )
        return {"error": type(error).__name__} | ({} if plain else {"words": words})
    found = record(x)
    return {
        "shape": list(found.shape),
        "strides": list(found.strides),
        "offset": found.offset,
        "size": found.storage_size,
        "contiguous": x.is_contiguous() if isinstance(x, torch.Tensor) else bool(x.flags.c_contiguous),
        "copied": None if same_storage(before, x) else storage_of(x).tolist(),
    }


def golden_chains() -> list[dict]:
    rng, rows = random.Random(7), []
    while len(rows) < 900:
        shape, text = tuple(random_shape(rng, 3)), "t"
        now = shape
        for _ in range(rng.randint(1, 4)):
            text += random_operation(rng, now)
            answer = told(torch.zeros(shape), text)
            if "shape" not in answer:
                break
            now = tuple(answer["shape"])
        if prod(now) <= 64:
            rows.append({"of": list(shape), "text": text, "answer": answer})
    return rows


def golden_arrays() -> list[dict]:
    texts = [
        "a.T",
        "a[::-1]",
        "a[::-1, ::-2].T",
        "a[:, ::-1].reshape(3, 2, 2)",
        "a[::-1].reshape(12)",
        "a.reshape(5, 2)",
        "a.swapaxes(0, 1)",
        "a.transpose(1, 0)",
        "a.transpose()",
        "a.view(12)",
        "a[5:0:-1]",
        "a[1, ::-1]",
        "a[::0]",
    ]
    return [{"text": text, "answer": told(np.zeros((3, 4)), text, ARRAY_OPERATIONS)} for text in texts]


def golden_views() -> list[dict]:
    rng, rows = random.Random(8), []
    while len(rows) < 300:
        shape = [rng.choice([1, 2, 3, 4, 6]) for _ in range(rng.randint(1, 4))]
        x = torch.empty(shape).permute(rng.sample(range(len(shape)), len(shape)))
        new_shape = [n for n in regroup(rng, prod(shape)) if n != -1]
        if prod(new_shape) == prod(shape):
            conflict = view_conflict(x.shape, x.stride(), new_shape)
            words = None if conflict is None else [list(conflict.dims), *conflict[1:]]
            rows.append({"shape": list(x.shape), "strides": list(x.stride()), "new": new_shape, "conflict": words})
    return rows


def golden_walks() -> list[dict]:
    rng, rows = random.Random(9), []
    for _ in range(60):
        shape, strides = [rng.randint(1, 5), rng.randint(1, 5)], [rng.randint(0, 9), rng.randint(0, 9)]
        positions, line, kept = addresses(shape, strides, 3), rng.choice([16, 32, 64]), rng.choice([1, 2, 4])
        rows.append({"shape": shape, "strides": strides, "positions": positions, "line": line, "kept": kept,
                     "loads": line_loads(positions, 4, line, kept)})  # fmt: skip
    return rows


@pytest.mark.filterwarnings("ignore:.*x.T")
@pytest.mark.filterwarnings("ignore:Tensor.m?T")
def test_golden_answers(golden):
    refused = [{"text": text, "answer": told(torch.zeros(3, 4), text)} for text in REFUSED]
    wrong = [
        "t.view()",
        "t.transpose(0)",
        "t.view(1, (2,))",
        "t.as_strided(1, 2)",
        "t.flip()",
        "t.clone(1)",
        "t.squeeze((0, 5))",
    ]
    wrong += [
        "t.unfold(0)",
        "t.permute()",
        "t.narrow(0, 1)",
        "t.diagonal(0, 0, 1, 1)",
        "t.select(0)",
        "t.mT.mT",
        "t[5]",
        "t[0][0]",
    ]
    plain = [{"text": text, "answer": told(torch.zeros(3, 4), text)} for text in wrong]
    golden(
        "stride_view",
        {
            "chains": golden_chains(),
            "arrays": golden_arrays(),
            "texts": refused + plain,
            "views": golden_views(),
            "walks": golden_walks(),
        },
    )


# --- live tensors -------------------------------------------------------------------------------------------


def test_lanes_are_named_by_the_expressions_of_the_call():
    t = torch.arange(12).view(3, 4)
    view = StrideView(t, t.T, t[1:, ::2])
    assert [lane["name"] for lane in view.lanes] == ["t", "t.T", "t[1:, ::2]"]
    assert [lane["storage"] for lane in view.lanes] == [0, 0, 0]
    assert view.title == "Where t, t.T and t[1:, ::2] lie in memory"
    assert StrideView(torch.arange(12).view(3, 4), operations=["t.T"]).lanes[1]["name"] == "t.T"


def test_a_lane_holds_pytorchs_own_record():
    t = torch.arange(12, dtype=torch.bfloat16).view(3, 4)
    for x in (t, t.T, t[1:, ::2], t[0].expand(2, 3, 4), t.unfold(1, 2, 1), t.diagonal(1), t[:0], t[1, 1]):
        lane = StrideView(x=x).lanes[0]
        assert (lane["shape"], lane["strides"], lane["offset"]) == (list(x.shape), list(x.stride()), x.storage_offset())


def test_values_are_read_from_the_storage():
    t = torch.arange(12).view(3, 4)
    assert StrideView(t[1:].T).storages[0]["values"] == [str(n) for n in range(12)]
    assert StrideView(x=torch.tensor([1.5, float("nan"), float("inf"), 1e30])).storages[0]["values"] == [
        "1.5",
        "nan",
        "inf",
        "1e+30",
    ]
    assert StrideView(x=np.arange(6).reshape(2, 3)[::-1].T).storages[0]["values"] == ["0", "1", "2", "3", "4", "5"]
    assert StrideView(x=torch.zeros(2, 2, dtype=torch.bool)).storages[0]["values"] == ["False"] * 4


def test_copies_and_other_storages_get_a_strip_of_their_own():
    t = torch.arange(12).view(3, 4)
    view = StrideView(t, t.T.contiguous(), t.clone(), t.view(12))
    assert [lane["storage"] for lane in view.lanes] == [0, 1, 2, 0]
    assert view.storages[1]["values"][:4] == ["0", "4", "8", "1"]


def test_numpy_and_pytorch_share_a_strip_and_numpy_may_run_backwards():
    a = np.arange(12.0).reshape(3, 4)
    view = StrideView(a, a[::-1], torch.from_numpy(a).T)
    assert [lane["storage"] for lane in view.lanes] == [0, 0, 0]
    assert (view.lanes[1]["strides"], view.lanes[1]["offset"]) == ([-4, 1], 8)
    assert "(-32, 8) bytes" in view.summary() and "(1, 4)" in view.summary()


def test_large_tensors_send_little():
    view = StrideView(x=torch.zeros(4096, 4096))
    assert len(view.storages[0]["values"]) == SHOWN and view.storages[0]["size"] == 4096**2
    assert len(view.static_html()) < 100_000


def test_unusual_tensors():
    p = torch.nn.Parameter(torch.ones(2, 2))
    assert StrideView(p=p, operations=["p.T"]).lanes[1]["strides"] == [1, 2]
    meta = StrideView(m=torch.empty(3, 4, device="meta"), operations=["m.T"])
    assert meta.storages[0]["values"] == [] and meta.lanes[1]["storage"] == 0
    assert StrideView(e=torch.empty(0, 3)).storages[0]["size"] == 0


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: StrideView(), ValueError, "at least one tensor"),
        (lambda: StrideView([1, 2]), TypeError, "got list"),
        (lambda: StrideView(x=np.array(["a", {}], dtype=object)), TypeError, "got dtype object"),
        (lambda: StrideView(x=torch.zeros(2, 2).to_sparse()), TypeError, "layout torch.sparse_coo"),
        (lambda: StrideView(x=torch.zeros(2), mode="dance"), ValueError, "mode must be one of look"),
        (lambda: StrideView(x=torch.zeros(2), operations=["x.tolist()"]), ValueError, "tolist is not one of"),
        (lambda: StrideView(x=torch.zeros(2), operations=["y.T"]), ValueError, "y is not one of the tensors here: x"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_name(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_the_kernel_answers_with_pytorchs_own_words():
    t = torch.arange(12).view(3, 4)
    view = StrideView(t)
    assert view.answer({"operation": "t[1:].T"})["lane"]["strides"] == [1, 4]
    failed = view.answer({"view": {"of": "t.T", "sizes": [12]}})
    assert failed["error"] == "RuntimeError" and failed["words"].startswith("view size is not compatible")
    assert view.answer({"operation": "t.T.flip(0)"})["lane"]["storage"] == 1  # where the copy lies is PyTorch's choice
    assert len(view.lanes) == 1 and len(view.storages) == 1  # an answer changes nothing
    with pytest.raises(ValueError, match="answers no questions"):
        view.answer({"nonsense": 1})


def test_hostile_text_is_parsed_and_never_run(tmp_path):
    view = StrideView(t=torch.zeros(2, 2))
    target = tmp_path / "written"
    for text in (
        f"open('{target}', 'w')",
        "t.__class__",
        f"t.numpy().tofile('{target}')",
        "__import__('os')",
        *REFUSED,
    ):
        assert view.answer({"operation": text})["error"] == "ValueError"
    assert not target.exists()


def test_measuring_two_orders_is_quick_enough_to_wait_for():
    measured = StrideView(t=torch.zeros(2)).answer({"measure": True})
    assert measured["rows"] > 0 and measured["columns"] > 0


def test_the_readers_own_offset_is_drawn_and_its_failures_are_none():
    t = torch.arange(12).view(3, 4).T
    right = StrideView(t, check=lambda index, strides, start: start + sum(i * s for i, s in zip(index, strides)))
    assert right.theirs == addresses(t.shape, t.stride())
    swapped = StrideView(t, check=lambda index, strides, start: index[0] * strides[1] + index[1] * strides[0])
    assert swapped.theirs != right.theirs and len(swapped.theirs) == 12
    assert StrideView(t, check=lambda *_: 1 / 0).theirs == [None] * 12


def test_every_puzzle_can_be_solved_and_no_two_are_the_same():
    patterns = set()
    for _, size, shape, strides, start, hint in PUZZLES:
        t = torch.arange(size).as_strided(shape, strides, start)  # in bounds, as PyTorch sees it
        assert t.flatten().tolist() == addresses(shape, strides, start) and hint.endswith(".")
        patterns.add((size, shape, tuple(addresses(shape, strides, start))))
    assert len(patterns) == len(PUZZLES) >= 12
