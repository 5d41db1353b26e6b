"""Whatever a reader's code does, it ends and the kernel survives. Run: pytest tests/exercises/test_limits.py"""

import contextlib
import itertools
import random
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch

from lmcourse.exercises.judging import Exercise, Interrupted, call, judge
from lmcourse.exercises.limits import Limits, Stopped, undisturbed


def endless():
    while True:
        pass


def swallowing():
    while True:
        try:
            endless()
        except BaseException:
            time.perf_counter()


def swallowing_twice():
    while True:
        try:
            swallowing()
        except BaseException:
            continue


def suppressing():
    while True:
        with contextlib.suppress(BaseException):
            endless()


def turning_it_into_another_error():
    try:
        endless()
    except BaseException:
        raise ValueError("mine") from None


def returning_all_the_same():
    try:
        endless()
    except BaseException:
        return 3


def counting():
    return sum(1 for _ in itertools.count())


def sleeping():
    time.sleep(60)


@pytest.mark.parametrize(
    "work",
    [
        endless, swallowing, swallowing_twice, suppressing, turning_it_into_another_error, returning_all_the_same,
        counting, sleeping,
    ],
)  # fmt: skip
def test_what_does_not_return_is_stopped(work):
    begun = time.monotonic()
    with Limits(seconds=0.2) as limits, pytest.raises(Stopped, match=r"had not returned after 0\.2 s"):
        limits.run(work)
    assert time.monotonic() - begun < 5


def growing():
    grown = []
    while True:
        grown.append([0] * 1000)


def doubling():
    grown = [0]
    while True:
        grown = grown + grown


@pytest.mark.parametrize("work", [growing, doubling])
def test_what_takes_more_and_more_memory_is_stopped(work):
    with Limits(seconds=60, megabytes=60) as limits, pytest.raises(Stopped, match="memory"):
        limits.run(work)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux refuses a huge allocation before it happens")
@pytest.mark.parametrize(
    "work",
    [
        lambda: [0] * 10**11,
        lambda: list(range(10**11)),
        lambda: bytearray(10**12),
        lambda: np.zeros(10**11) + 1,
        lambda: torch.zeros(10**11),
    ],
)
def test_a_huge_allocation_fails_at_once(work):
    begun = time.monotonic()
    with Limits() as limits, pytest.raises(Stopped, match="asked for more memory than there is"):
        limits.run(work)
    assert time.monotonic() - begun < 2


def test_what_an_honest_solution_needs_ten_times_is_allowed():
    with Limits(seconds=60, megabytes=1) as limits:
        limits.measure(lambda: (bytearray(40_000_000), time.sleep(0.5)))  # long enough to be seen
        assert limits.run(lambda: len(bytearray(b"x" * 80_000_000))) == 80_000_000


def test_nothing_is_left_behind():
    before, threads = signal.getsignal(signal.SIGINT), threading.active_count()
    for work in (endless, lambda: 3):
        with Limits(seconds=0.1) as limits, contextlib.suppress(Stopped):
            limits.run(work)
    assert signal.getsignal(signal.SIGINT) is before and threading.active_count() == threads


def test_one_stopped_case_does_not_touch_the_next():
    with Limits(seconds=0.1) as limits:
        for _ in range(3):
            with pytest.raises(Stopped):
                limits.run(swallowing)
            assert limits.run(lambda: sum(range(10**5))) == 4999950000


def test_an_error_passes_as_it_is():
    with Limits() as limits, pytest.raises(ZeroDivisionError):
        limits.run(lambda: 1 / 0)


def test_outside_the_main_thread_there_are_no_limits_and_no_trouble():
    found = []

    def elsewhere():
        with Limits(seconds=0.1) as limits:
            found.append(limits.run(lambda: 3))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [3]


def test_dice_and_gradient_mode_stay_as_they_were():
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    wanted = random.random(), np.random.rand(), torch.rand(()).item()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    with undisturbed():
        random.random(), np.random.rand(), torch.rand(5), torch.set_grad_enabled(False)
    assert (random.random(), np.random.rand(), torch.rand(()).item()) == wanted and torch.is_grad_enabled()


def test_a_key_pressed_says_at_which_input_it_was():
    def slow(n):
        if n == 7:
            signal.raise_signal(signal.SIGINT)
        return n

    exercise = Exercise("slow", "1.1", lambda n: n, [call(n) for n in range(9)], (), {}, 1, 1)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(Interrupted, match=r"stopped at slow\(7\)"):
            judge(exercise, slow)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(sys.platform == "win32", reason="a Windows process cannot be started with SIGINT ignored")
def test_it_works_in_a_process_that_ignores_the_signal():
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from lmcourse.exercises.limits import Limits, Stopped\n"
        "def endless():\n    while True: pass\n"
        "try:\n    with Limits(seconds=0.2) as limits: limits.run(endless)\n"
        "except Stopped: print('stopped', signal.getsignal(signal.SIGINT).name)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert ran.stdout == "stopped SIG_IGN\n", ran.stderr
