"""What is kept of a training run, so that it can be drawn while it trains and trained again from its middle.

`Run` takes the records of `lmcourse.training.train`: each becomes a row of numbers; the few largest jumps of the loss,
validation losses and samples are kept beside them. `worth_drawing` picks the rows that a picture needs. `Fork` has
what it takes to train the run again, from a copy of an earlier state.

Not here: the picture (`lmcourse.widgets.TrainingDashboard`), and files (`lmcourse.training.checkpoints`).
"""

import copy
import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lmcourse.support import checks
from lmcourse.training.batches import Batches
from lmcourse.training.control import Control
from lmcourse.training.loop import train

COLUMNS = ("step", "loss", "smooth", "lr", "grad_norm", "tokens_per_s", "mfu")
EXTREMES = (("loss", np.fmin), ("loss", np.fmax), ("grad_norm", np.fmax), ("tokens_per_s", np.fmin))
MAX_POINTS = 2000  # steps of one run that are drawn
MAX_SPIKES, MAX_SAMPLES, MAX_VALIDATIONS, MAX_TEXT = 6, 24, 200, 600


class Smoothed:
    """An exponential moving average without the pull towards its start at zero (as Adam debiases its averages).

    >>> average = Smoothed(0.9)
    >>> [round(average.add(x), 3) for x in (4.0, 2.0)]  # the second is (0.9 · 4 + 2) / 1.9
    [4.0, 2.947]
    """

    def __init__(self, beta: float):
        self.beta, self.count, self._sum = beta, 0, 0.0

    def add(self, x: float) -> float:
        """Take one more value and return the average; what is not finite is left out."""
        if math.isfinite(x):
            self.count += 1
            self._sum = self.beta * self._sum + (1 - self.beta) * x
        return self.value

    @property
    def value(self) -> float:
        """The average now; NaN before the first finite value."""
        return self._sum / (1 - self.beta**self.count) if self.count else math.nan


def worth_drawing(table: np.ndarray, most: int) -> np.ndarray:
    """The rows, at most `most` of them, that a picture needs: first, last, and the extremes of each stretch of steps.

    Half of the stretches are equally long, half grow with the step, so that a logarithmic axis has its points too.
    `most` is 12 or more: two ends, and the extremes of one stretch of either kind.

    >>> table = np.zeros((1000, 7), np.float32)
    >>> table[500, 1] = 9  # one high loss
    >>> rows = worth_drawing(table, 100)
    >>> len(rows) <= 100, 500 in rows, int(rows[0]), int(rows[-1])
    (True, True, 0, 999)
    """
    n = len(table)
    if n <= most:
        return np.arange(n)
    stretches = (most - 2) // 10  # two ways to cut, up to five rows from each stretch
    chosen = [np.array([0, n - 1])]
    for edges in (np.linspace(0, n, stretches + 1), np.geomspace(1, n, stretches + 1) - 1):
        starts = np.unique(edges[:-1].astype(int))
        lengths = np.diff(np.append(starts, n))
        chosen.append(starts)
        for column, extreme in EXTREMES:
            values = table[:, COLUMNS.index(column)]
            rows = np.flatnonzero(values == np.repeat(extreme.reduceat(values, starts), lengths))
            first = np.unique(np.searchsorted(starts, rows, side="right"), return_index=True)[1]
            chosen.append(rows[first])
    return np.unique(np.concatenate(chosen))


class Run:
    """What is kept of one run: each record as a row of numbers, and the few things that are no numbers.

    `index` is its number among the runs, `smoothing` the β of the average of its loss, from 0 to below 1.

    >>> run = Run("first", index=0, control=Control(), smoothing=0.9)
    >>> run.add({"step": 1, "loss": 4.0, "lr": 0.1})
    >>> run.add({"step": 2, "loss": 2.0, "lr": 0.1})
    >>> dict(zip(COLUMNS, run.table[-1].round(3).tolist()))  # what a record does not say is NaN
    {'step': 2.0, 'loss': 2.0, 'smooth': 2.94..., 'lr': 0.1..., 'grad_norm': nan, 'tokens_per_s': nan, 'mfu': nan}
    """

    def __init__(self, name: str, index: int, control: Control, smoothing: float):
        self.name, self.index, self.control = name, index, control
        self.status, self.words = "training", ""  # or paused, done, stopped, interrupted, failed; what ended it
        self.fork: Fork | None = None  # None: the run was only watched
        self.origin: dict | None = None  # of a fork: {"run": index, "step": step}
        self.size, self._table = 0, np.empty((1024, len(COLUMNS)), np.float32)
        self.starts: list[tuple[int, ...]] = []  # where each step's windows begin in the corpus
        self.average, self._distance = Smoothed(smoothing), Smoothed(0.95)  # the loss, and how far it is from that
        self.spikes: list[dict] = []
        self.validation: list[list[float]] = []
        self.samples: list[list] = []
        self.heat: list[list] = []
        self.rules: list[list] = []  # [step, {rule: share that keeps it}]
        self.by_hand: list[list] = []  # [step, lr or None], where the lr was changed by hand
        self.copies: dict[int, Any] = {}
        self.texts: dict[str, list[str]] = {}

    @property
    def table(self) -> np.ndarray:
        """The rows so far, float32 `steps columns`, the columns as in `COLUMNS`."""
        return self._table[: self.size]

    @property
    def step(self) -> int:
        """The last step that was recorded; 0 before the first."""
        return int(self._table[self.size - 1, 0]) if self.size else 0

    def add(self, record: Any) -> None:
        """Take one record: an object with the fields of `Metrics`, or a mapping; only step and loss must be there.

        Raises TypeError for a record without these two numbers, ValueError for a step that is not after the last.

        >>> run = Run("first", 0, Control(), smoothing=0.9)
        >>> for step in range(1, 31):
        ...     run.add({"step": step, "loss": 9.0 if step == 20 else 3 - step / 20})
        >>> run.spikes
        [{'step': 20, 'loss': 9.0, 'above': 6.6484, 'grad_norm': None}]
        >>> run.add({"step": 30, "loss": 1.5})
        Traceback (most recent call last):
        ValueError: records: step must grow, 30 follows 30
        """
        step, loss = _number(record, "step"), _number(record, "loss")
        if not step > self.step:
            raise ValueError(f"records: step must grow, {step:g} follows {self.step}")
        usual, seen = self.average.value, self.average.count
        above = loss - usual
        rest = [_number(record, name) for name in ("lr", "grad_norm", "tokens_per_s", "mfu")]
        if self.size == len(self._table):
            self._table = np.concatenate([self._table, np.empty_like(self._table)])
        self._table[self.size] = [step, loss, self.average.add(loss), *rest]
        self.size += 1
        self.starts.append(tuple(_field(record, "starts") or ()))
        validation = _number(record, "val_loss")
        if not math.isnan(validation):
            self.validation.append([int(step), finite(validation)])
        if seen >= 10 and not above <= 3 * self._distance.value:  # so that NaN counts
            self._note_spike(int(step), loss, above if math.isfinite(loss) else math.inf, rest[1])
        self._distance.add(abs(above))

    def _note_spike(self, step: int, loss: float, above: float, grad_norm: float) -> None:
        """Keep the largest jumps above the average of the steps before; neighbours are one jump."""
        near = [spike for spike in self.spikes if step - spike["step"] <= 5]
        if any(spike["above"] is None or spike["above"] >= above for spike in near):
            return
        new = {"step": step, "loss": finite(loss), "above": finite(above), "grad_norm": finite(grad_norm)}
        others = [spike for spike in self.spikes if spike not in near]
        ranked = sorted([*others, new], key=lambda spike: -(math.inf if spike["above"] is None else spike["above"]))
        self.spikes = ranked[:MAX_SPIKES]

    def starts_of(self, step: int) -> tuple[int, ...]:
        """Where the windows of a recorded step begin; ValueError for another step."""
        row = int(np.searchsorted(self.table[:, 0], step))
        if row == self.size or int(self.table[row, 0]) != step:
            raise ValueError(f"step: {step} is no recorded step of {self.name!r}")
        return self.starts[row]

    def numbers(self, most: int) -> np.ndarray:
        """The rows worth drawing, at most `most` (12 or more), one column after the other: float32 `columns rows`."""
        return self.table[worth_drawing(self.table, most)].T

    def packed(self) -> bytes:
        """`numbers` as float32 bytes, little-endian."""
        return self.numbers(MAX_POINTS).astype("<f4").tobytes()

    def facts(self) -> dict:
        """All that the page must know of the run besides its numbers; JSON, which has neither NaN nor infinity."""
        return {
            "name": self.name, "index": self.index, "status": self.status, "words": self.words, "origin": self.origin,
            "validation": thinned(self.validation, MAX_VALIDATIONS), "spikes": self.spikes,
            "samples": thinned(self.samples, MAX_SAMPLES), "heat": thinned(self.heat, MAX_SAMPLES),
            "rules": thinned(self.rules, MAX_SAMPLES), "by_hand": self.by_hand[-40:], "lr": self.control.lr,
            "copies": sorted(self.copies), "texts": dict(self.texts),
        }  # fmt: skip


def ghost(name: str, points: Iterable[tuple[int, float]]) -> dict:
    """A recorded curve of (step, loss), at most 200 points of it. Raises `ValueError` for what are no pairs.

    >>> ghost("before", [(1, 6.5), (2, 6.0)])
    {'name': 'before', 'points': [[1, 6.5], [2, 6.0]]}
    """
    try:
        pairs = np.array([(float(step), float(loss)) for step, loss in points]).reshape(-1, 2)
    except (TypeError, ValueError):
        raise ValueError(f"ghosts: {name!r} is a list of (step, loss) pairs") from None
    table = np.full((len(pairs), len(COLUMNS)), np.nan, np.float32)
    table[:, :2] = pairs
    rows = worth_drawing(table, 200)
    return {"name": str(name), "points": [[int(table[k, 0]), finite(float(table[k, 1]))] for k in rows]}


@dataclass(frozen=True)
class Fork:
    """How `lmcourse.training.train` was called, so that a fork can be trained alike from a copy of the state.

    `copies` of the state are kept, spread over the `steps`; `options` is what else `train` was given.

    >>> fork = Fork(None, None, [], steps=100, schedule=None, copies=4, options={})
    >>> [step for step in range(101) if fork.due(step)]
    [0, 25, 50, 75]
    """

    model: Any
    optimizer: Any
    batches: Iterable
    steps: int
    schedule: Callable[[int], float] | None
    copies: int
    options: dict

    def due(self, step: int) -> bool:
        """True at the steps of which a copy is kept: the first is the beginning, unless the run was resumed."""
        if not self.copies or step >= self.steps or (step == 0 and self.options.get("resume_from") is not None):
            return False
        return step % max(1, self.steps // self.copies) == 0

    def copy(self) -> tuple:
        """Model, optimizer and the loader's place, as they are now: `((model, optimizer), place)`.

        The place is None for a loader that is no `Batches`.
        """
        place = self.batches.state_dict() if isinstance(self.batches, Batches) else None
        return copy.deepcopy((self.model, self.optimizer)), place  # together: the copies belong to each other

    def again(self, kept: tuple, start: int, times: float, steps: int, control: Control) -> Iterator:
        """The records of a run from a copy: step numbers go on from `start`, the lr is `times` the run's own.

        `kept` is what `copy` returned after step `start`; it can be used again. `steps` is the number of the last step.
        Raises ValueError for a last step that is not after `start`, and for batches that cannot be read twice.
        """
        checks.whole("steps", steps, start + 1)
        (model, optimizer), place = copy.deepcopy(kept)
        first = optimizer[0] if isinstance(optimizer, list | tuple) else optimizer
        lr = first.param_groups[0]["lr"]
        rate = self.schedule or (lambda step: lr)
        own = ("checkpoint", "checkpoint_every", "resume_from", "control")  # of the run alone
        options = {name: value for name, value in self.options.items() if name not in own}
        records = train(
            model, optimizer, self._batches_from(place, start), steps=steps - start,
            schedule=lambda step: times * rate(start + step), control=control, **options,
        )  # fmt: skip
        return (dataclasses.replace(record, step=start + record.step) for record in records)

    def _batches_from(self, place: dict | None, start: int) -> Iterable:
        """The data that follows a kept step, from a loader of the fork's own."""
        batches = self.batches
        if place is not None:
            batches = Batches(batches.tokens, copy.deepcopy(batches.sampler), device=batches.device)
            batches.load_state_dict(place)
            return batches
        if iter(batches) is batches:
            raise ValueError("batches: an iterator cannot be read twice; fork a run on Batches, a DataLoader or a list")
        return itertools.islice(itertools.chain.from_iterable(itertools.repeat(batches)),
                                start * self.options.get("accumulate", 1), None)  # fmt: skip


def thinned(rows: list, most: int) -> list:
    """At most `most` of the rows, evenly, with the first and the last.

    >>> thinned(list(range(10)), 4)
    [0, 3, 6, 9]
    """
    if len(rows) <= most:
        return list(rows)
    return [rows[round(k * (len(rows) - 1) / (most - 1))] for k in range(most)]


def cut(text: str, most: int = MAX_TEXT) -> str:
    """The text, or its beginning where it is longer than `most` characters.

    >>> cut("once upon a time", 10)
    'once upon…'
    """
    return text if len(text) <= most else text[: most - 1] + "…"


def finite(value: float, digits: int = 5) -> float | None:
    """Some digits, and None for what JSON cannot say.

    >>> finite(2 / 3, 3), finite(math.nan)
    (0.667, None)
    """
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def _field(record: Any, name: str) -> Any:
    return record.get(name) if isinstance(record, Mapping) else getattr(record, name, None)


def _number(record: Any, name: str) -> float:
    """A field of a record as a number; NaN where it is not there, which only step and loss must be."""
    value = _field(record, name)
    if value is None and name not in ("step", "loss"):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"records: {name} is a number, got {value!r} in {type(record).__name__}") from None
