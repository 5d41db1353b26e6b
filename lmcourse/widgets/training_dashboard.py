"""TrainingDashboard: a run while it trains. Watch it, pause it, change its lr, ask what made it jump, fork it.

`dashboard.watch(records)` passes on what `lmcourse.training.train` yields and draws it. The page gets at most ten
messages a second and at most 2,000 steps of a run, whatever the speed and the length of the training
(`lmcourse.training.history` picks them).
Its buttons set a `Control`, which the loop obeys between steps. JupyterLab 4.4 and ipykernel 7 or newer deliver them
while a cell runs; where they are older, the page says that the kernel does not hear it, and interrupting still works.

Not here: the training itself, and any state that only the browser has. The picture is a function of the records.
"""

import contextlib
import html
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import traitlets

from lmcourse.training import Control, by_formula, train
from lmcourse.training.history import MAX_TEXT, Fork, Run, cut, finite, ghost, thinned
from lmcourse.widgets.base import CourseWidget

SECONDS_BETWEEN = 0.1  # messages to the page
MAX_SHARE = 0.02  # of the time that telling the page may take
MAX_WINDOWS = 8  # of a batch that are shown as text


class TrainingDashboard(CourseWidget):
    """Loss, lr, gradient norm, tokens/s and MFU of a run on one axis of steps, with buttons that reach the loop.

    Args:
        steps: how many steps are planned; the axis ends there. None: it grows.
        text_at: from a start in the corpus to the text of that window, for the spike inspector.
        baselines: name to loss in nats per token, drawn as labelled lines, such as {"ln V": 6.24}.
        ghosts: name to [(step, loss), ...] of recorded runs, drawn in grey.
        sample: a function without arguments that returns text from a fixed prompt and seed; called every
            `sample_every` steps between two steps, and once before the first. It must leave PyTorch's global
            generator alone, or the run is another one.
        per_token: a function that returns [(token's text, its loss in nats), ...] of a fixed paragraph, called with
            `sample`; drawn as a heat map.
        rules: a function that returns {name: share from 0 to 1} of what the samples keep to, called after `sample`;
            drawn as a line each over the steps, in a panel that is then shown first.
        sample_every: steps; None takes an eighth of `steps`, or 50.
        smoothing: of the debiased average of the loss, from 0 (none) to below 1.
        max_norm: where gradients are clipped, drawn as a line.
        control: the switch of the training loop; None makes one, `dashboard.control`.

    Raises `ValueError` or `TypeError` naming the argument.
    """

    steps = traitlets.Int(0).tag(sync=True)  # 0: not known
    run = traitlets.Dict().tag(sync=True)  # facts of the run that trains, or trained last
    live = traitlets.Any(b"").tag(sync=True)  # its numbers: float32, a column after the other, as COLUMNS
    others = traitlets.List().tag(sync=True)  # facts and numbers of the other runs
    baselines = traitlets.Dict().tag(sync=True)
    ghosts = traitlets.List().tag(sync=True)
    paragraph = traitlets.List().tag(sync=True)  # the tokens of the heat map
    max_norm = traitlets.Float(None, allow_none=True).tag(sync=True)
    panel = traitlets.Unicode("samples").tag(sync=True)  # what is shown below the reading line

    def __init__(
        self,
        steps: int | None = None,
        *,
        text_at: Callable[[int], str] | None = None,
        baselines: Mapping[str, float] | None = None,
        ghosts: Mapping[str, Iterable[tuple[int, float]]] | None = None,
        sample: Callable[[], str] | None = None,
        per_token: Callable[[], Iterable[tuple[str, float]]] | None = None,
        rules: Callable[[], Mapping[str, float]] | None = None,
        sample_every: int | None = None,
        smoothing: float = 0.9,
        max_norm: float | None = None,
        control: Control | None = None,
    ):
        for name, value in {"steps": steps, "sample_every": sample_every}.items():
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise ValueError(f"{name}: a whole number from 1, or None, got {value!r}")
        for name, value in {"text_at": text_at, "sample": sample, "per_token": per_token, "rules": rules}.items():
            if value is not None and not callable(value):
                raise TypeError(f"{name}: a function, or None, got {type(value).__name__}")
        if not isinstance(smoothing, int | float) or not 0 <= smoothing < 1:
            raise ValueError(f"smoothing: from 0 to below 1, got {smoothing!r}")
        if control is not None and not isinstance(control, Control):
            raise TypeError(f"control: a lmcourse.training.Control, got {type(control).__name__}")
        self.control = control or Control()
        self._text_at, self._sample, self._per_token, self._rules = text_at, sample, per_token, rules
        self._every = sample_every or max(1, (steps or 400) // 8)
        self._smoothing = float(smoothing)
        self._runs: list[Run] = []
        self._active: Run | None = None
        self._lock = threading.RLock()
        self._shown = False
        self._clock, self._next = time.monotonic, 0.0
        super().__init__(
            title="A language model while it trains",
            source=f"Every number is a record of the training loop. Loss in nats a token; the average is debiased, "
            f"β = {smoothing:g}; the gradient norm is the one before clipping",
            steps=steps or 0,
            baselines={name: _checked(f"baselines: {name}", value) for name, value in (baselines or {}).items()},
            ghosts=[ghost(name, points) for name, points in (ghosts or {}).items()],
            max_norm=None if max_norm is None else _checked("max_norm", max_norm),
            panel="samples" if rules is None else "rules",
        )
        # ipykernel 7.4 sends what a page says to the thread that last told it something: here the one that trains, and
        # is busy. Without this hook it goes where the page addressed it, to a subshell, which is free.
        self.comm._reply_subshell_for = None

    # Watching

    def watch(self, records: Iterable, *, name: str | None = None) -> Iterator:
        """Pass `records` on, one by one, and draw them; a second run is drawn over the first.

        For `train(..., control=dashboard.control)`, or any iterable of objects (or mappings) with the fields of
        `lmcourse.training.Metrics`, of which only `step` and `loss` must be there. A record costs some microseconds.
        The dashboard appears where this runs, unless a cell has shown it before.
        """
        return self._watched(records, name=name)

    def train(
        self,
        model: Any,
        optimizer: Any,
        batches: Iterable,
        *,
        steps: int,
        schedule: Callable[[int], float] | None = None,
        copies: int = 8,
        name: str | None = None,
        **options: Any,
    ) -> Iterator:
        """`watch` what `lmcourse.training.train` yields, and keep copies of the state, from which `fork` can start.

        Args:
            copies: of model and optimizer, kept in memory and spread over the steps; 0 keeps none.
            options: what else `lmcourse.training.train` takes.
        """
        if not isinstance(copies, int) or copies < 0:
            raise ValueError(f"copies: a whole number from 0, got {copies!r}")
        records = train(model, optimizer, batches, steps=steps, schedule=schedule, control=self.control, **options)
        fork = Fork(model, optimizer, batches, steps, schedule, copies, options)
        return self._watched(records, name=name, fork=fork)

    def fork(
        self, step: int, *, times: float = 1.0, steps: int | None = None, run: int = 0, name: str | None = None
    ) -> Iterator:
        """Train a copy of a run again from one of its kept steps on, with `times` the lr, on the same data.

        The run itself, its model and its loader stay as they are; with `times=1` the fork retraces it bit for bit.

        Args:
            step: one of `dashboard.kept(run)`.
            steps: number of the last step; None is that of the run.
            run: which run, 0 is the first.

        Raises ValueError for a step that was not kept.
        """
        parent = self._run_of({"run": run})
        if parent.fork is None:
            raise ValueError(f"run: {parent.name!r} was watched; only what dashboard.train has trained can be forked")
        if step not in parent.copies:
            kept = ", ".join(map(str, sorted(parent.copies)))
            raise ValueError(f"step: {f'one of {kept}' if kept else 'no step of this run was kept'}, got {step!r}")
        if not _checked("times", times) > 0:
            raise ValueError(f"times: more than 0, got {times!r}")
        control = Control()
        records = parent.fork.again(parent.copies[step], step, times, steps or parent.fork.steps, control)
        return self._watched(
            records, name=name or f"lr × {times:g}", control=control, origin={"run": parent.index, "step": step}
        )

    def kept(self, run: int = 0) -> list[int]:
        """The steps of a run from which `fork` can start."""
        return sorted(self._run_of({"run": run}).copies)

    def sampled(self, run: int = 0) -> list[int]:
        """The steps at which a sample of a run was taken; 0 is before the first."""
        return [step for step, _ in self._run_of({"run": run}).samples]

    def _watched(
        self, records: Iterable, *, name: str | None, control: Control | None = None, fork: Fork | None = None,
        origin: dict | None = None,
    ) -> Iterator:  # fmt: skip
        """Pass on the records of a run; whatever ends it is shown in words, and raised as it came."""
        run = self._begin(name, control or self.control, fork, origin)
        shown = self._show() if origin is None else None
        try:
            if origin is None:
                self._take_samples(run)  # before the first step: what an untrained model writes
                self._keep_copy(run)
            self._publish(others=True)
            for record in records:
                with self._lock:
                    run.add(record)
                    self._note_lr(run)
                if origin is None and run.step % self._every == 0:
                    self._take_samples(run)
                self._keep_copy(run)
                self._publish_when_due(run)
                yield record
        except BaseException as error:
            self._end(run, *_ending(error))
            raise
        else:
            self._end(run, "stopped" if run.control.stopped else "done", "")
        finally:
            getattr(records, "close", lambda: None)()
            if shown is not None:
                shown.update(self)  # what is stored with the notebook is the run as it ended

    def _begin(self, name: str | None, control: Control, fork: Fork | None, origin: dict | None) -> Run:
        with self._lock:
            if control.stopped:  # by the run before
                control.stopped = False
                control.resume()
                control.set_lr(None)
            for run in self._runs if origin is None else ():
                if run.status in ("training", "paused"):
                    run.status = "interrupted"  # its loop was left, and had no chance to say so
            index = len(self._runs)
            run = Run(name or (f"run {index + 1}" if index else "this run"), index, control, self._smoothing)
            run.fork, run.origin = fork, origin
            self._runs.append(run)
            self._active = run
            return run

    def _show(self) -> Any:
        """Display the dashboard where the loop runs, unless a cell has shown it already; the handle, or None."""
        from IPython import display, get_ipython

        return None if self._shown or get_ipython() is None else display.display(self, display_id=True)

    def _repr_mimebundle_(self, **kwargs):
        self._shown = True
        return super()._repr_mimebundle_(**kwargs)

    def _end(self, run: Run, status: str, words: str) -> None:
        with self._lock:
            run.status, run.words = status, words
            for spike in run.spikes:  # for a page without a kernel
                run.texts[str(spike["step"])] = self._texts(run, spike["step"])
            waiting = [each for each in self._runs if each.status in ("training", "paused")]
            self._active = waiting[-1] if waiting else run  # back to the run that paused for this fork
        self._publish(others=True)

    def _keep_copy(self, run: Run) -> None:
        if run.fork is not None and run.fork.due(run.step):
            run.copies[run.step] = run.fork.copy()

    def _take_samples(self, run: Run) -> None:
        """Ask for a sample, its rules and the losses of the paragraph. What they raise is shown; training goes on."""
        if self._sample is not None:
            try:
                text = str(self._sample())
            except Exception as error:
                text = f"No sample: {type(error).__name__}: {error}"
            run.samples.append([run.step, cut(text)])
        if self._rules is not None:
            try:
                kept = {str(name): _checked(f"rules: {name}", share) for name, share in self._rules().items()}
                run.rules.append([run.step, kept])
            except Exception as error:
                run.samples.append([run.step, cut(f"No rules: {type(error).__name__}: {error}")])
        if self._per_token is not None:
            try:
                pairs = [(str(token), float(loss)) for token, loss in self._per_token()]
            except Exception as error:
                pairs = [(f"No losses: {type(error).__name__}: {error}", math.nan)]
            self.paragraph = [token for token, _ in pairs]
            run.heat.append([run.step, [finite(loss, 3) for _, loss in pairs]])

    def _note_lr(self, run: Run) -> None:
        """Mark where the lr was changed by hand, from the page or from Python."""
        if (run.by_hand[-1][1] if run.by_hand else None) != run.control.lr:
            run.by_hand.append([run.step, run.control.lr])

    # Telling the page

    def _publish_when_due(self, run: Run) -> None:
        if run.control.paused:  # a single step: it is shown even if it came early
            time.sleep(max(0.0, self._next - self._clock()))
        if run.control.paused or self._clock() >= self._next:
            self._publish()

    def _publish(self, others: bool = False) -> None:
        """Send what has changed as one message. The next is due when this one's cost is `MAX_SHARE` of the time."""
        began = self._clock()
        with self._lock, self.hold_sync():
            run = self._active
            if run.status in ("training", "paused"):
                run.status = "paused" if run.control.paused else "training"
            self.live, self.run = run.packed(), run.facts()
            if others:
                self.others = [each.facts() | {"live": each.packed()} for each in self._runs if each is not run]
        ended = self._clock()
        self._next = ended + max(SECONDS_BETWEEN, (ended - began) / MAX_SHARE)

    # What the page asks

    def answer(self, question: dict) -> dict:
        """Buttons and questions of the page; while a cell trains they arrive on the kernel's other thread."""
        if not isinstance(question, dict) or len(question) == 0:
            raise TypeError(f"question: a dict, got {type(question).__name__}")
        if "batch" in question:
            run, step = self._run_of(question), question["batch"]
            with self._lock:
                return {"batch": step, "run": run.index, "texts": self._texts(run, step)}
        if "fork" in question:
            return self._fork_in_thread(self._run_of(question), question["fork"], question.get("times"))
        if question.get("do") not in ("pause", "resume", "step", "stop", "lr"):
            raise ValueError(f"question: pause, resume, step, stop, lr, batch or fork, got {str(question)[:80]}")
        run = self._active
        if run is None or run.status not in ("training", "paused"):
            raise ValueError("no run trains now: run the cell that trains, then press again")
        self._obey(run.control, question)
        self._publish()
        return {"status": run.status}

    def _obey(self, control: Control, question: dict) -> None:
        do = question["do"]
        if do == "lr":
            control.set_lr(None if question.get("lr") is None else _checked("lr", question["lr"]))
        else:
            getattr(control, do)()

    def _fork_in_thread(self, parent: Run, step: int, times: float) -> dict:
        """Train a fork beside the kernel's main thread, where the cell of a paused run may be waiting."""
        if self._active.status == "training":
            raise ValueError("one run trains at a time: pause or stop this one, then fork")
        records = self.fork(step, times=times, run=parent.index)

        def consume() -> None:
            with contextlib.suppress(Exception):  # the page shows what ended it
                for _ in records:
                    pass

        threading.Thread(target=consume, daemon=True, name="fork").start()
        return {"fork": step}

    def _run_of(self, question: dict) -> Run:
        index = question.get("run", self._active.index if self._active else None)
        if not isinstance(index, int) or not 0 <= index < len(self._runs):
            raise ValueError(f"run: one of the {len(self._runs)} runs of this dashboard, got {index!r}")
        return self._runs[index]

    def _texts(self, run: Run, step: int) -> list[str]:
        """The windows of a step's batch as text; words where they are not known."""
        starts = run.starts_of(_checked("step", step))
        if self._text_at is None or not starts:
            return []
        texts = [cut(str(self._text_at(start)), MAX_TEXT // 2) for start in starts[:MAX_WINDOWS]]
        return texts + ([f"… and {len(starts) - MAX_WINDOWS} more windows"] if len(starts) > MAX_WINDOWS else [])

    # What follows from the records

    def summary(self) -> str:
        if self._active is None:
            return f"no run yet{f', {self.steps} steps are planned' if self.steps else ''}"
        return "; ".join(
            f"{run.name}: {run.step} steps, {run.status}{f' ({run.words})' if run.words else ''}" for run in self._runs
        )

    def state(self) -> dict:
        """As JSON, and small: up to 400 steps, five digits each, a few samples."""
        state = super().state()
        most = 400 // max(1, len(self._runs))
        state["live"] = _digits(self._active.numbers(most)) if self._active else []
        state["others"] = [
            run.facts() | {"live": _digits(run.numbers(most))} for run in self._runs if run is not self._active
        ]
        return state

    def snapshot(self) -> str:
        words = html.escape(self.summary())
        if self._active is None or not self._active.size:
            return f"<p>{words[0].upper()}{words[1:]}. Loss, lr and gradient norm appear here while a cell trains.</p>"
        run = self._active
        rows = run.table[np.unique(np.linspace(0, run.size - 1, 8).astype(int))]
        names = ("step", "loss, nats a token", "average loss", "lr", "gradient norm")
        head = "".join(f"<th>{name}</th>" for name in names)
        body = ""
        for step, loss, smooth, *rest in rows[:, :5]:
            cells = [_short(loss), _short(smooth), *(_short(value, "unknown") for value in rest)]
            body += f"<tr><th>{int(step)}</th>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
        lines = "".join(f"<li>{html.escape(name)}: {value:.3f}</li>" for name, value in self.baselines.items())
        samples = "".join(
            f"<tr><th>{step}</th><td><pre>{html.escape(text)}</pre></td></tr>" for step, text in thinned(run.samples, 3)
        )
        texts = f"<table><thead><tr><th>step</th><th>sample</th></tr></thead><tbody>{samples}</tbody></table>"
        return (
            f"<p>{words[0].upper()}{words[1:]}.</p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            + (f"<p>Loss of models that only count, nats a token:</p><ul>{lines}</ul>" if lines else "")
            + _kept_table(run.rules)
            + (texts if samples else "")
        )

    @classmethod
    def example(cls) -> "TrainingDashboard":
        """A run of 240 steps by formula and a fork of it: a jump at step 137, samples, losses of a sentence."""
        text = "The loop asks the iterator for the next item until StopIteration is raised. "
        learnt = iter(range(1000))  # each call of sample finds the model a little better
        dashboard = cls(
            240,
            text_at=lambda start: (text * 8)[start % len(text) :][:120],
            baselines={"ln V": math.log(512), "unigram": 5.08, "bigram": 3.42},
            ghosts={"recorded: AdamW, seed 1": [(k, by_formula.loss_at(k, 0.6, 0.0)) for k in range(1, 241, 3)]},
            sample=lambda: by_formula.half_learnt(text, next(learnt)),
            per_token=lambda: [
                (token, 6.24 * 0.72 ** (0.4 * len(dashboard._runs[0].heat) * (1 + (7 * k) % 5)) + (3 * k) % 4 / 4)
                for k, token in enumerate(text.split(" ")[:12])
            ],
            rules=lambda: {
                name: 1 / (1 + math.exp(late - len(dashboard._runs[0].rules)))
                for name, late in {"words": 2.0, "sentences": 3.5, "subject kept": 6.0}.items()
            },
            sample_every=30,
            max_norm=1.0,
        )
        dashboard._shown = True  # by the cell that asked for it
        for _ in dashboard.watch(by_formula.records(1, 1.0), name="this run"):
            pass
        run = dashboard._runs[0]
        run.copies = dict.fromkeys(range(0, 240, 60))  # nothing to fork from: no model was trained
        dashboard._begin("lr × 3", Control(), None, {"run": 0, "step": 120})
        for record in by_formula.records(121, 3.0):
            dashboard._runs[1].add(record)
        dashboard._end(dashboard._runs[1], "done", "")
        dashboard._active = run
        dashboard._publish(others=True)
        return dashboard


def _checked(name: str, value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"{name}: a finite number, got {value!r}")
    return value


def _kept_table(rules: list[list]) -> str:
    """The shares that keep each rule, at five steps of the run; nothing where no rules were given."""
    if not rules:
        return ""
    rows = thinned(rules, 5)
    head = "".join(f"<th>{step}</th>" for step, _ in rows)
    body = "".join(
        f"<tr><th>{html.escape(name)}</th>"
        + "".join(f"<td>{kept.get(name, math.nan):.0%}</td>" for _, kept in rows)
        + "</tr>"
        for name in rows[-1][1]
    )
    return f"<table><thead><tr><th>rule kept, at step</th>{head}</tr></thead><tbody>{body}</tbody></table>"


def _ending(error: BaseException) -> tuple[str, str]:
    """What ended a run: the status and the words that the page shows."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", ""
    if isinstance(error, GeneratorExit):  # the loop that took the records was left
        return "stopped", ""
    return "failed", f"{type(error).__name__}: {error}"


def _digits(numbers: np.ndarray) -> list[float | None]:
    return [_json(value) for value in numbers.ravel().tolist()]


def _json(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    return int(value) if value == int(value) else float(f"{value:.5g}")


def _short(value: float, otherwise: str = "not finite") -> str:
    return f"{value:.4g}" if math.isfinite(value) else otherwise
