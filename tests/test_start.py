"""What notebook 00 says of the machine, against the machine."""

import json
from pathlib import Path

import psutil
import pytest
import torch

from lmcourse import start

FOLDER = Path(__file__).parents[1] / "notebooks"


def test_shift_by_one_is_what_a_batch_is_cut_into():
    """The loader of notebook 07 cuts whole windows; on one window the two must agree."""
    import numpy as np

    from lmcourse.data_loading import get_batch

    ids = [5, 3, 9, 9, 2]
    x, y = get_batch(np.array(ids, dtype=np.uint16), 1, len(ids) - 1)
    assert start.shift_by_one(ids) == (x[0].tolist(), y[0].tolist())


@pytest.mark.parametrize("ids", [[], [1]])
def test_nothing_to_predict_is_refused(ids):
    with pytest.raises(ValueError, match=f"ids: two or more, got {len(ids)}"):
        start.shift_by_one(ids)


def test_the_device_that_was_forbidden_is_not_used(monkeypatch):
    monkeypatch.setenv("LMCOURSE_DEVICE", "cpu")
    assert start.cuda_status() == "no: LMCOURSE_DEVICE is cpu"


@pytest.mark.parametrize(
    ("built_for", "available", "said"),
    [
        (None, False, "is a build without CUDA"),
        ("13.0", False, "built for CUDA 13.0, but finds no NVIDIA GPU"),
        ("13.0", True, "yes: CUDA 13.0, NVIDIA Test, 80 GiB"),
    ],
)
def test_why_there_is_no_cuda(monkeypatch, built_for, available, said):
    class Properties:
        total_memory = 80 * 2**30

    monkeypatch.delenv("LMCOURSE_DEVICE", raising=False)
    monkeypatch.setattr(torch.version, "cuda", built_for)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: Properties)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA Test")
    assert said in start.cuda_status()


def test_what_is_skipped_is_counted_and_has_a_reason(monkeypatch, tmp_path):
    monkeypatch.setenv("LMCOURSE_DEVICE", "cpu")
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "empty"))
    gpu, vocabularies = start.skipped()
    assert "only a GPU" in gpu and "real vocabularies (01)" in vocabularies
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a-vocabulary").touch()
    assert start.skipped() == [gpu]


def test_the_package_knows_its_notebooks_and_their_cells_for_a_gpu():
    counts = {}
    for path in sorted(FOLDER.glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        counts[path.stem] = sum("needs-cuda" in cell["metadata"].get("tags", []) for cell in cells)
    assert tuple(counts) == start.NOTEBOOKS
    assert {name[:2]: number for name, number in counts.items() if number} == start.GPU_CELLS


@pytest.mark.parametrize("content", ["", '{"cells": [', "<<<<<<< HEAD", "[]", '{"cells": [{}]}', "\ud800"])
def test_a_damaged_notebook_beside_it_changes_nothing(monkeypatch, tmp_path, content):
    """00 may be copied anywhere, beside a file that is cut off, in conflict or of somebody else's."""
    monkeypatch.setenv("LMCOURSE_DEVICE", "cpu")
    before = start.skipped()
    (tmp_path / "03_strides.ipynb").write_bytes(content.encode("utf-8", "surrogatepass"))
    monkeypatch.chdir(tmp_path)
    assert start.skipped() == before
    assert start.missing() == [f"{name}.ipynb" for name in start.NOTEBOOKS if name != "03_strides"]


def test_a_limit_that_a_hub_sets_is_believed(monkeypatch):
    monkeypatch.setenv("MEM_LIMIT", str(2**30))
    assert "1.0 GiB free" in start._memory() or psutil.virtual_memory().available < 2**30
    assert any("memory" in reason for reason in start.skipped())
    monkeypatch.setenv("MEM_LIMIT", "plenty")
    assert start._memory_bytes() > 0


def test_the_report_names_every_fact_in_words(monkeypatch, tmp_path):
    """It is measured here: what must hold on any machine is that each fact is there, and that no path is told."""
    shown = []
    monkeypatch.setattr("lmcourse.exercises.cards.Card.show", lambda card: shown.append(card))
    monkeypatch.chdir(tmp_path)
    start.show_environment()
    facts = dict(shown[0].rows)
    assert all(facts.values()) and f"torch {torch.__version__.partition('+')[0]}" in facts["libraries"]
    assert "FLOP/s" in facts["measured peak"] and str(tmp_path) not in shown[0].plain()
    assert "01_tokenization.ipynb" in facts["not beside this"]


def test_a_library_that_is_absent_is_said_to_be():
    assert start._version("no-such-library-anywhere") == "absent"
