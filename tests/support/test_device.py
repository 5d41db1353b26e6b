"""Which device is picked. Run: pytest tests/support/test_device.py"""

import pytest
import torch

from lmcourse.support import device


def test_the_cpu_unless_there_is_cuda(monkeypatch):
    monkeypatch.delenv("LMCOURSE_DEVICE", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device.pick() == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device.pick() == torch.device("cuda")
    monkeypatch.setenv("LMCOURSE_DEVICE", " CPU ")
    assert device.pick() == torch.device("cpu")


def test_what_cannot_be_had_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("LMCOURSE_DEVICE", "gpu")
    with pytest.raises(ValueError, match="LMCOURSE_DEVICE: cpu, cuda or mps, got 'gpu'"):
        device.pick()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("LMCOURSE_DEVICE", "cuda")
    with pytest.raises(RuntimeError, match="can use here, got 'cuda'"):
        device.pick()


def test_mps_comes_with_a_warning(monkeypatch):
    monkeypatch.setenv("LMCOURSE_DEVICE", "mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    with pytest.warns(UserWarning, match="losses differ"):
        assert device.pick() == torch.device("mps")
