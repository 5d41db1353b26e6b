"""Run a reader's code so that the kernel survives it: two seconds a case, and a bound on memory.

How: as long as cases run, a thread looks at clock and memory fifty times a second. Past a limit it sends the main
thread the signal of Ctrl-C, and the handler, which is ours for that long, raises `Stopped` in the reader's code. It
raises again at each later point at which Python looks for signals, so that `except BaseException: pass` in a loop
ends too. On Linux an allocation of gigabytes fails at once (RLIMIT_AS); elsewhere it is noticed a moment later.

Off where there are no threads (a page in the browser, whose worker is ended instead) or outside the main thread.
What cannot be stopped: one call of C code that holds the interpreter, such as `sum(range(10**12))`.
"""

import _thread
import contextlib
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SECONDS = 2.0
# Twice as long where the call gets less than half a core: it waits, or the machine is busy with something else.
SECONDS_IDLE = 4.0
MEGABYTES = 512
_LOOK = 0.02
_ADDRESS_SPACE = 4 * 2**30 + (os.cpu_count() or 1) * 2**26  # threads reserve much more than they use


class Stopped(BaseException):
    """Raised in code that is past a limit; its text says which. A BaseException: `except Exception` is for errors."""


class Limits:
    """`with Limits() as limits: limits.run(work)`. One thread, which is gone when the block is left."""

    def __init__(self, seconds: float = SECONDS, megabytes: float = MEGABYTES):
        self.seconds, self.megabytes = seconds, megabytes
        self.watched = sys.platform != "emscripten" and threading.current_thread() is threading.main_thread()
        self.running = False  # whether the reader's code is
        self.stopped: Stopped | None = None
        self.need = 0.0  # the most megabytes that `measure` saw the reference take
        self._over = threading.Event()
        self._lock = threading.Lock()  # the watcher never decides about one case while the next begins

    def __enter__(self) -> "Limits":
        if self.watched:
            self._begun, self._used, self._before = time.monotonic(), time.process_time(), resident()
            self._peak = self._before
            self._previous = signal.signal(signal.SIGINT, self._on_signal)
            self._watcher = threading.Thread(target=self._watch, name="lmcourse-limits", daemon=True)
            self._watcher.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.watched:
            self._over.set()
            self._watcher.join()
            previous = signal.SIG_DFL if self._previous is None else self._previous
            signal.signal(signal.SIGINT, previous)

    def measure(self, work: Callable[[], Any]) -> Any:
        """`work()`, which is trusted: what it takes of memory, ten times, is what `run` allows."""
        self._before = self._peak = resident() if self.watched else 0.0
        try:
            return work()
        finally:
            if self.watched:
                self.need = max(self.need, self._peak - self._before, resident() - self._before)

    def run(self, work: Callable[[], Any]) -> Any:
        """`work()`. Raises Stopped where it is past a limit, whatever it did with the exception itself."""
        if not self.watched:
            return work()
        with self._lock:
            _look_for_signals()  # a late one is about the case before
            self.stopped = None
            self._before = resident()
            self._begun, self._used = time.monotonic(), time.process_time()
        with _address_space():
            try:
                self.running = True
                result = work()
            except MemoryError:
                self.stopped = self.stopped or Stopped("this call asked for more memory than there is")
            except RuntimeError as error:  # PyTorch's MemoryError
                if "allocate memory" not in str(error):
                    raise
                self.stopped = self.stopped or Stopped("this call asked for more memory than there is")
            except BaseException:
                if self.stopped is None:
                    raise
            finally:
                self.running = False  # no call here: none can be interrupted between the reader's code and this line
        if self.stopped is not None:
            raise Stopped(*self.stopped.args) from None
        return result

    def _watch(self) -> None:
        while not self._over.wait(_LOOK):
            memory = resident()
            self._peak = max(self._peak, memory)
            with self._lock:
                if self.running:
                    self.stopped = self.stopped or self._verdict(memory - self._before)
                    if self.stopped is not None:
                        _interrupt_main_thread()

    def _verdict(self, taken: float) -> Stopped | None:
        seconds, used = time.monotonic() - self._begun, time.process_time() - self._used
        allowed = self.megabytes + 10 * self.need
        if taken > allowed:
            return Stopped(f"this call took more than {allowed:,.0f} MB of memory")
        if seconds > SECONDS_IDLE / SECONDS * self.seconds or (seconds > self.seconds and used > self.seconds / 2):
            return Stopped(f"this call had not returned after {self.seconds:g} s")
        return None

    def _on_signal(self, signum: int, frame: object) -> None:
        if self.stopped is None:  # the reader's own Ctrl-C
            if callable(self._previous):
                self._previous(signum, frame)
        elif self.running:
            # `map` sets off the same signal again, for the case that this exception is swallowed. It is the loop that
            # calls it, because after an ordinary call Python would look for signals here, in the handler.
            for _ in map(_thread.interrupt_main, (signum,)):
                raise self.stopped


def _look_for_signals() -> None:
    """Python does so at the beginning of each function."""


def _interrupt_main_thread() -> None:
    if hasattr(signal, "pthread_kill"):  # ends a sleep as well
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)


def resident() -> float:
    """The memory that this process holds, in MB; 0 where nobody can say."""
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    with contextlib.suppress(ImportError):
        import psutil

        return psutil.Process().memory_info().rss / 2**20
    return 0.0


@contextlib.contextmanager
def _address_space() -> Iterator[None]:
    """On Linux let a huge allocation fail, with a MemoryError; not beside a GPU, whose driver maps all its memory."""
    if sys.platform != "linux" or any(map(os.path.exists, ("/dev/nvidiactl", "/dev/kfd"))):
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_bytes().split()[0]) * resource.getpagesize()
    wanted = taken + _ADDRESS_SPACE
    bounds = [bound for bound in (soft, hard) if bound != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([wanted, *bounds]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Leave the dice of `random`, NumPy and PyTorch, and PyTorch's gradient mode, as they were."""
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    dice = random.getstate()
    dice_numpy = numpy and numpy.random.get_state()
    dice_torch = torch and (torch.get_rng_state(), torch.is_grad_enabled())
    try:
        yield
    finally:
        random.setstate(dice)
        if numpy:
            numpy.random.set_state(dice_numpy)
        if torch:
            torch.set_rng_state(dice_torch[0])
            torch.set_grad_enabled(dice_torch[1])


def same_dice() -> None:
    """Seed `random`, and NumPy and PyTorch where they are loaded, so that two runs of one case draw alike."""
    random.seed(0)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(0)
    if torch := sys.modules.get("torch"):
        torch.default_generator.manual_seed(0)
