"""Run me with: pytest tests/support/test_timing.py"""

from time import sleep

import pytest
import torch

from lmcourse.support.timing import (
    Timing,
    live_bytes,
    saved_bytes,
    si,
    synchronize,
    time,
)


def test_warm_up_runs_are_not_in_the_distribution():
    calls = []
    runs = time(lambda: calls.append(1), warmup=3, repeats=7, device="cpu")
    assert len(calls) == 10 and len(runs.seconds) == 7


def test_a_slow_first_call_does_not_show():
    first = [0.05]
    runs = time(lambda: sleep(first.pop() if first else 0.001), warmup=1, repeats=5, device="cpu")
    assert max(runs.seconds) < 0.05


def test_the_clock_measures_what_runs():
    assert 0.01 <= time(lambda: sleep(0.01), repeats=3, device="cpu").best < 0.1


def test_max_seconds_stops_early_but_never_before_one_run():
    assert 1 <= len(time(lambda: sleep(0.02), warmup=0, repeats=100, max_seconds=0.05).seconds) < 10
    assert len(time(lambda: sleep(0.02), warmup=0, repeats=100, max_seconds=1e-9).seconds) == 1


def test_timing_summarises_its_distribution():
    runs = Timing((4.0, 1.0, 2.0, 3.0, 100.0))
    assert (runs.median, runs.best, runs.quartiles) == (3.0, 1.0, (2.0, 4.0))
    assert runs.spread == pytest.approx(2 / 3)
    assert str(runs) == "3 s (middle half 2 s to 4 s, 5 runs)"
    assert Timing((2.0,)).quartiles == (2.0, 2.0) and Timing((2.0,)).spread == 0


def test_bad_input_is_refused_by_name():
    with pytest.raises(TypeError, match="fn"):
        time(3)
    with pytest.raises(ValueError, match="repeats"):
        time(lambda: None, repeats=0)
    with pytest.raises(ValueError, match="warmup"):
        time(lambda: None, warmup=-1)


def test_prefixes():
    assert [si(v, "B") for v in (0, 1, 999, 1000, 2.5e10, 1e-6)] == ["0 B", "1 B", "999 B", "1 kB", "25 GB", "1 µB"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_the_time_is_the_kernels_not_the_launch():
    a = torch.randn(4096, 4096, device="cuda")
    runs = time(lambda: a @ a, device="cuda")
    assert 2 * 4096**3 / runs.median < 2e15  # unsynchronized launches look faster than any chip
    synchronize("cuda")


def test_saved_bytes_counts_each_storage_once_and_leaves_parameters_out():
    w = torch.ones(10, 20, requires_grad=True)
    x = torch.ones(5, 10)
    assert saved_bytes(lambda: x @ w) == x.nbytes  # the gradient of w needs x
    assert saved_bytes(lambda: (x @ w).exp(), [w]) == x.nbytes + 5 * 20 * 4
    assert saved_bytes(lambda: (w * 2).sum()) == 0
    assert saved_bytes(lambda: w * w, [w]) == 0


def test_saved_bytes_does_not_count_what_dies_before_the_forward_pass_ends():
    w = torch.ones(100, requires_grad=True)
    assert saved_bytes(lambda: (w.exp().detach() * w).sum(), [w]) == w.nbytes


def test_live_bytes_follows_allocations_and_releases():
    trace = live_bytes(lambda: torch.ones(1000).exp_().neg().abs())
    assert trace[0] == 0 and max(trace) == 8000  # ones, then its negative, then ones is gone when abs comes
