"""What a loop reports of each step, and how it is steered from outside: `Metrics`, `Control`, `uninterrupted`."""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from lmcourse.support import checks


@dataclass(frozen=True)
class Metrics:
    """What one optimizer step did."""

    step: int  # optimizer steps done, this one included
    loss: float  # mean over the step's tokens, in nats, before the update
    lr: float  # of the first parameter group
    grad_norm: float  # over all parameters, before clipping
    tokens: int  # targets seen so far
    seconds: float  # that this step took; waiting, evaluation and checkpoints are not in it
    tokens_per_s: float
    mfu: float | None  # model FLOPs utilisation, by the "matmuls" convention of lmcourse.flops; None: peak unknown
    val_loss: float | None = None  # after the update, where it was evaluated
    starts: tuple[int, ...] = ()  # where in the corpus the step's windows begin; empty when the loader does not say


class Control:
    """A switch that a loop obeys between its steps: pause, go on, take single steps, change the learning rate, stop.

    Any thread may turn it: a widget's, a test's, a signal handler's.

    >>> control = Control()
    >>> control.pause()
    >>> control.step()
    >>> control.wait()  # returns: one step was granted
    >>> control.resume()
    >>> control.set_lr(3e-4)
    >>> control.wait(), control.paused, control.lr
    (None, False, 0.0003)
    """

    def __init__(self) -> None:
        self.paused = False
        self.stopped = False
        self.lr: float | None = None  # instead of the schedule's
        self._granted = threading.Semaphore(0)

    def pause(self) -> None:
        """Wait before the next step."""
        self._granted = threading.Semaphore(0)
        self.paused = True

    def resume(self) -> None:
        """Go on."""
        self.paused = False

    def step(self) -> None:
        """Take one step, then pause (again)."""
        self._granted.release()
        self.paused = True

    def stop(self) -> None:
        """End the run, also one that is paused; it writes its checkpoint and can be resumed."""
        self.stopped = True

    def set_lr(self, lr: float | None) -> None:
        """Use this learning rate instead of the schedule's; None goes back to the schedule.

        Raises ValueError for a rate below 0 or not finite.
        """
        self.lr = None if lr is None else checks.number("lr", lr, least=0)

    def wait(self) -> None:
        """Return when the next step may begin. Sleeps in short naps, so that an interrupt comes through."""
        while self.paused and not self.stopped:
            if self._granted.acquire(blocking=False):
                return
            self.nap()

    def nap(self) -> None:
        """A twentieth of a second; a subclass may do something useful instead."""
        time.sleep(0.05)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold an interrupt (Ctrl-C, the stop button of a notebook) back until the block is done.

    So an optimizer step happens whole or not at all. Threads other than the main one are never interrupted.

    >>> try:
    ...     with uninterrupted():
    ...         signal.raise_signal(signal.SIGINT)
    ...         print("this still happens")
    ... except KeyboardInterrupt:
    ...     print("interrupted")
    this still happens
    interrupted
    """
    in_main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    if not in_main or handler is None:  # None: not set by Python, so Python cannot put it back
        yield
        return
    held: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if held:
        signal.raise_signal(signal.SIGINT)
