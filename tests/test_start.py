"""What notebook 00 says of the machine, against the machine. Run: pytest tests/test_start.py"""

import json

import psutil
import pytest
import torch

from lmcourse import start


def test_shift_by_one_is_what_a_batch_is_cut_into():
    """The loader of notebook 07 cuts whole windows; on one window the two must agree."""
    import numpy as np

    from lmcourse.data_loading import get_batch

    ids = [5, 3, 9, 9, 2]
    x, y = get_batch(np.array(ids, dtype=np.uint16), 1, len(ids) - 1)
    assert start.shift_by_one(ids) == (x[0].tolist(), y[0].tolist())


@pytest.mark.parametrize("ids", [[], [1]])
def test_nothing_to_predict_is_refused(ids):
    with pytest.raises(ValueError, match=f"ids: two or more are needed, got {len(ids)}"):
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


@pytest.fixture
def notebooks(tmp_path):
    """Two notebooks, one with two cells for a GPU; and one file that is none of the course's."""
    gpu, plain = {"metadata": {"tags": ["needs-cuda"]}}, {"metadata": {}}
    for name, cells in {"02_bits": [gpu, plain, gpu], "03_views": [plain], "notes": [gpu]}.items():
        (tmp_path / f"{name}.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    return tmp_path


def test_what_is_skipped_is_counted_and_has_a_reason(notebooks, monkeypatch, tmp_path):
    monkeypatch.setenv("LMCOURSE_DEVICE", "cpu")
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "empty"))
    gpu, vocabularies = start.skipped(notebooks)
    assert "(2 cells, in 02)" in gpu and "real vocabularies (01)" in vocabularies
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a-vocabulary").touch()
    assert start.skipped(notebooks) == [gpu]


def test_a_limit_that_a_hub_sets_is_believed(notebooks, monkeypatch):
    monkeypatch.setenv("MEM_LIMIT", str(2**30))
    assert "1.0 GiB free" in start._memory() or psutil.virtual_memory().available < 2**30
    assert any("memory" in reason for reason in start.skipped(notebooks))
    monkeypatch.setenv("MEM_LIMIT", "plenty")
    assert start._memory_bytes() > 0


def test_the_report_names_every_fact_in_words(notebooks, capsys, monkeypatch):
    """It is measured here: what must hold on any machine is that each fact is there, and that no path is told."""
    shown = []
    monkeypatch.setattr("lmcourse.exercises.cards.Card.show", lambda card: shown.append(card))
    start.show_environment(notebooks)
    facts = dict(shown[0].rows)
    assert list(facts) == ["python", "libraries", "device", "CUDA", "memory", "measured peak", "will be skipped"]
    assert all(facts.values()) and f"torch {torch.__version__.partition('+')[0]}" in facts["libraries"]
    assert "FLOP/s" in facts["measured peak"] and str(notebooks) not in shown[0].plain()


def test_a_library_that_is_absent_is_said_to_be():
    assert start._version("no-such-library-anywhere") == "absent"
