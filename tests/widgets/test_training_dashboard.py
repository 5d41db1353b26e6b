"""python -m pytest tests/widgets/test_training_dashboard.py

TrainingDashboard in Python: what it keeps of a run, how often it tells the page, how its buttons reach a loop that
trains, what a fork is. The picture is tested by node and in tests/browser/test_training_dashboard.py.
"""

import copy
import html
import itertools
import json
import math
import threading

import numpy as np
import pytest
import torch

from lmcourse.data_loading import BatchSampler
from lmcourse.model import ModelConfig, TransformerLM
from lmcourse.training import Batches, Control, LossDiverged, Metrics, train
from lmcourse.training.history import COLUMNS, MAX_POINTS, Run, worth_drawing
from lmcourse.widgets import TrainingDashboard

TOKENS = np.arange(4000) * 7 % 31


def small(seed: int = 0):
    """A model, an optimizer and data small enough for a test; the same every time."""
    torch.manual_seed(seed)
    model = TransformerLM(ModelConfig(31, context_length=8, d_model=16, num_layers=1, num_heads=2, d_ff=32))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    return model, optimizer, Batches(TOKENS, BatchSampler(len(TOKENS), 4, context_length=8))


def metrics(step: int, loss: float, **more) -> Metrics:
    values = {"lr": 1e-3, "grad_norm": 1.0, "tokens": 32 * step, "seconds": 0.1, "tokens_per_s": 320.0, "mfu": None}
    return Metrics(step, loss, **(values | more))


def finish(records) -> list:
    return list(records)


def sent_by(dashboard) -> list:
    """The messages that the page gets from now on, each as (state, buffers)."""
    messages = []
    dashboard._send = lambda message, buffers=None: messages.append((message["state"], buffers))
    return messages


def last_step(live: bytes) -> int:
    return int(np.frombuffer(live, "<f4").reshape(len(COLUMNS), -1)[0, -1])


# What is kept of a run


def test_jumps_are_found_and_neighbours_are_one():
    dashboard = TrainingDashboard()
    noise = np.random.default_rng(0).normal(0, 0.05, 300)
    loss = 3 + noise
    loss[100], loss[101], loss[200] = 5.0, 4.5, 4.0
    finish(dashboard.watch(metrics(k + 1, x) for k, x in enumerate(loss)))
    spikes = dashboard.run["spikes"]
    assert [spike["step"] for spike in spikes[:2]] == [101, 201]
    assert spikes[0]["above"] == pytest.approx(2.0, abs=0.2)
    assert 102 not in [spike["step"] for spike in spikes] and len(spikes) <= 6


def test_a_loss_that_only_falls_has_no_jumps():
    dashboard = TrainingDashboard()
    finish(dashboard.watch(metrics(k, 6 / k) for k in range(1, 200)))
    assert dashboard.run["spikes"] == []


def test_nan_is_the_largest_jump_and_json_can_say_it():
    dashboard = TrainingDashboard()
    finish(dashboard.watch(metrics(k, math.nan if k == 39 else 3.0, grad_norm=math.inf) for k in range(1, 40)))
    assert dashboard.run["spikes"][0] == {"step": 39, "loss": None, "above": None, "grad_norm": None}
    state = json.loads(json.dumps(dashboard.state(), allow_nan=False))
    assert state["live"][39 + 38] is None and "not finite" in dashboard.snapshot()


def test_golden(golden):
    run = Run("this run", 0, Control(), 0.9)
    for k in range(1, 41):
        run.add(metrics(k, math.nan if k == 17 else 6 / k**0.5, mfu=None if k < 20 else 0.1 * k, lr=2.0**-k))
    few = worth_drawing(run.table, 30)
    live = run.table[few].T.astype("<f4").tobytes()
    rows = [[None if not math.isfinite(v) else v for v in row] for row in run.table[few].astype(float).tolist()]
    golden("training_dashboard", {"bytes": list(live), "rows": rows, "spikes": run.spikes})


# Watching


def test_records_pass_through_as_they_are():
    records = [metrics(k, 3.0 / k) for k in range(1, 6)]
    dashboard = TrainingDashboard(5)
    assert finish(dashboard.watch(iter(records))) == records
    assert dashboard.run["status"] == "done" and dashboard.summary() == "this run: 5 steps, done"


def test_the_records_of_a_loop_of_your_own():
    dashboard = TrainingDashboard()
    finish(dashboard.watch([{"step": 3, "loss": torch.tensor(2.5)}, {"step": 4, "loss": 2, "lr": 0.1}]))
    table = dashboard._runs[0].table
    assert table[:, 0].tolist() == [3, 4] and table[0, 1] == 2.5 and math.isnan(table[0, 3])


@pytest.mark.parametrize(
    ("records", "error", "words"),
    [
        ([{"loss": 1.0}], TypeError, "records: step is a number"),
        ([{"step": 1}], TypeError, "records: loss is a number"),
        ([{"step": 1, "loss": "low"}], TypeError, "records: loss is a number, got 'low'"),
        ([{"step": 2, "loss": 1}, {"step": 2, "loss": 1}], ValueError, "records: step must grow, 2 follows 2"),
    ],
)
def test_records_that_make_no_sense_are_named(records, error, words):
    dashboard = TrainingDashboard()
    with pytest.raises(error, match=words):
        finish(dashboard.watch(records))
    assert dashboard.run["status"] == "failed" and words.split(",")[0] in dashboard.run["words"]


@pytest.mark.parametrize("seconds_a_step", [0.0001, 0.02, 1.0])
def test_the_page_gets_ten_messages_a_second_at_most_and_the_last_state(seconds_a_step):
    """Counted on a clock of the test's own: nothing piles up, and nothing is left out at the end."""
    dashboard = TrainingDashboard(1000)
    now = [0.0]
    dashboard._clock = lambda: now[0]
    messages = sent_by(dashboard)
    for _ in dashboard.watch(metrics(k, 3.0) for k in range(1, 1001)):
        now[0] += seconds_a_step
    assert len(messages) <= 10 * now[0] + 3
    assert len(messages) >= min(1000, 8 * now[0])
    assert messages[-1][0]["run"]["status"] == "done"
    assert max(last_step(buffer) for _, buffers in messages for buffer in buffers or [] if buffer) == 1000
    assert last_step(dashboard.live) == 1000


def test_a_slow_page_is_told_less_often():
    """A message that costs 50 ms is followed by 2.5 s without one: telling the page takes 2 % of the time."""
    dashboard = TrainingDashboard(1000)
    now = [0.0]
    dashboard._clock = lambda: now[0]
    messages = sent_by(dashboard)
    told = dashboard._send

    def slow(message, buffers=None):
        now[0] += 0.05
        told(message, buffers)

    dashboard._send = slow
    for _ in dashboard.watch(metrics(k, 3.0) for k in range(1, 1001)):
        now[0] += 0.02
    assert 5 <= len(messages) <= 1000 * 0.02 / 2.5 + 4


def test_the_state_of_a_long_run_is_small():
    dashboard = TrainingDashboard(6_000, sample=lambda: "x" * 10_000, sample_every=10)
    finish(dashboard.watch(metrics(k, 3.0 + math.sin(k), starts=tuple(range(500))) for k in range(1, 6_001)))
    assert len(dashboard.live) <= 4 * MAX_POINTS * len(COLUMNS)
    assert len(json.dumps(dashboard.run)) < 40_000
    assert len(dashboard.static_html()) < 100_000


def test_samples_are_taken_before_the_first_step_and_between_steps():
    calls = []
    dashboard = TrainingDashboard(
        10,
        sample=lambda: calls.append("sample") or f"text {len(calls)}",
        per_token=lambda: [("a", 1.0), ("b", math.inf)],
        sample_every=4,
    )
    finish(dashboard.watch(metrics(k, 3.0) for k in range(1, 11)))
    assert [step for step, _ in dashboard.run["samples"]] == [0, 4, 8]
    assert dashboard.paragraph == ["a", "b"] and dashboard.run["heat"][1] == [4, [1.0, None]]


def test_a_sample_that_fails_is_shown_and_training_goes_on():
    dashboard = TrainingDashboard(8, sample=lambda: 1 / 0, per_token=lambda: 1 / 0)
    assert len(finish(dashboard.watch(metrics(k, 3.0) for k in range(1, 9)))) == 8
    assert "ZeroDivisionError" in dashboard.run["samples"][0][1] and "ZeroDivisionError" in dashboard.paragraph[0]


def test_rules_are_asked_for_with_each_sample_and_shown_first():
    calls = []
    dashboard = TrainingDashboard(
        8, sample=lambda: calls.append("sample") or "a text", rules=lambda: {"spelled": len(calls) / 4}, sample_every=4
    )
    finish(dashboard.watch(metrics(k, 3.0) for k in range(1, 9)))
    assert dashboard.run["rules"] == [[0, {"spelled": 0.25}], [4, {"spelled": 0.5}], [8, {"spelled": 0.75}]]
    assert dashboard.panel == "rules" and dashboard.sampled() == [0, 4, 8]
    assert "<td>25%</td><td>50%</td><td>75%</td>" in dashboard.snapshot()
    assert TrainingDashboard(8).panel == "samples"


def test_rules_that_fail_or_are_no_numbers_are_said_and_training_goes_on():
    for rules in (lambda: 1 / 0, lambda: {"spelled": "all"}):
        dashboard = TrainingDashboard(8, rules=rules)
        assert len(finish(dashboard.watch(metrics(k, 3.0) for k in range(1, 9)))) == 8
        assert dashboard.run["rules"] == [] and "No rules: " in dashboard.run["samples"][0][1]


def test_what_ends_a_run_is_said_and_raised():
    def fails(error):
        yield metrics(1, 3.0)
        raise error

    diverged = LossDiverged(2, math.nan, math.inf, (5,), "the learning rate is too high")
    for error, status, words in [
        (KeyboardInterrupt(), "interrupted", ""),
        (diverged, "failed", "step 2: the loss is nan"),
        (RuntimeError("out of memory"), "failed", "RuntimeError: out of memory"),
    ]:
        dashboard = TrainingDashboard()
        with pytest.raises(type(error)):
            finish(dashboard.watch(fails(error)))
        assert dashboard.run["status"] == status and words in dashboard.run["words"]


def test_a_loop_that_is_left_closes_what_it_watches():
    closed = []

    def records():
        try:
            yield from (metrics(k, 3.0) for k in itertools.count(1))
        finally:
            closed.append(True)

    dashboard = TrainingDashboard()
    watched = dashboard.watch(records())
    for record in watched:
        if record.step == 3:
            break
    watched.close()
    assert closed == [True] and dashboard.run["status"] == "stopped"


# Buttons


class Resting(Control):
    """A control that knows how often its loop has napped: between two naps no step is in flight."""

    def __init__(self):
        super().__init__()
        self.naps, self.napped = 0, threading.Condition()

    def nap(self):
        with self.napped:
            self.naps += 1
            self.napped.notify_all()
        super().nap()

    def until_it_rests(self):
        with self.napped:
            before = self.naps
            assert self.napped.wait_for(lambda: self.naps >= before + 2, timeout=60), "the loop does not pause"


class Loop:
    """`train` in a thread, as a cell that runs: it counts the steps."""

    def __init__(self, dashboard, records):
        self.control, self.records = dashboard.control, []
        self.thread = threading.Thread(target=self._run, args=(dashboard.watch(records),), daemon=True)
        self.advanced = threading.Condition()
        self.thread.start()

    def _run(self, watched):
        for record in watched:
            with self.advanced:
                self.records.append(record)
                self.advanced.notify_all()

    def reach(self, step: int) -> None:
        with self.advanced:
            assert self.advanced.wait_for(lambda: len(self.records) >= step, timeout=60), f"stuck before {step}"

    def rest(self) -> int:
        """The step at which it rests."""
        self.control.until_it_rests()
        return len(self.records)


def test_pause_step_lr_resume_and_stop_while_it_trains():
    model, optimizer, batches = small()
    dashboard = TrainingDashboard(100_000, control=Resting())
    loop = Loop(dashboard, train(model, optimizer, batches, steps=100_000, control=dashboard.control))
    loop.reach(3)
    assert dashboard.answer({"do": "pause"}) == {"status": "paused"}
    rest = loop.rest()
    dashboard.answer({"do": "step"})
    dashboard.answer({"do": "step"})
    assert loop.rest() == rest + 2 and dashboard.run["status"] == "paused"
    assert last_step(dashboard.live) == rest + 2  # shown, not only done
    dashboard.answer({"do": "lr", "lr": 0.125})
    assert dashboard.run["lr"] == 0.125
    dashboard.answer({"do": "step"})
    assert loop.rest() == rest + 3 and loop.records[-1].lr == 0.125
    assert dashboard.run["by_hand"] == [[rest + 3, 0.125]]
    dashboard.answer({"do": "resume"})
    loop.reach(rest + 10)
    dashboard.answer({"do": "stop"})
    loop.thread.join(60)
    assert not loop.thread.is_alive() and dashboard.run["status"] == "stopped"
    with pytest.raises(ValueError, match="no run trains now"):
        dashboard.answer({"do": "pause"})
    assert math.isfinite(next(train(model, optimizer, batches, steps=1)).loss)  # the model is usable
    again = dashboard.watch(train(model, optimizer, batches, steps=3, control=dashboard.control))
    assert len(finish(again)) == 3  # a stop ends one run, not the next


@pytest.mark.parametrize(
    ("question", "error", "words"),
    [
        ({"do": "explode"}, ValueError, "question"),
        ({"do": "__class__"}, ValueError, "question"),
        ({"batch": 999}, ValueError, "step: 999 is no recorded step"),
        ({"batch": "1"}, ValueError, "step: a finite number"),
        ({"batch": 1, "run": 7}, ValueError, "run: one of the 2 runs"),
        ({"fork": 60, "times": 3}, ValueError, "only what dashboard.train has trained"),
        ({}, TypeError, "question"),
        ([1], TypeError, "question"),
    ],
)
def test_questions_that_make_no_sense(question, error, words):
    dashboard = TrainingDashboard.example()
    with pytest.raises(error, match=words):
        dashboard.answer(question)


def test_an_lr_that_makes_no_sense_is_refused_by_name():
    dashboard = TrainingDashboard()
    for _ in dashboard.watch(metrics(k, 3.0) for k in range(1, 3)):
        for wrong in ("fast", math.nan, True):
            with pytest.raises(ValueError, match="lr"):
                dashboard.answer({"do": "lr", "lr": wrong})


def test_the_text_of_a_batch():
    dashboard = TrainingDashboard(text_at=lambda start: f"window at {start}")
    finish(dashboard.watch(metrics(k, 3.0, starts=tuple(range(k, k + 10))) for k in range(1, 4)))
    texts = dashboard.answer({"batch": 2})["texts"]
    assert texts[0] == "window at 2" and len(texts) == 9 and texts[-1] == "… and 2 more windows"
    assert TrainingDashboard.example().answer({"batch": 10, "run": 0})["texts"][0]


# Forks


@pytest.mark.parametrize("loader", ["Batches", "list"])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_fork_that_changes_nothing_retraces_the_run_bit_for_bit(loader, accumulate):
    model, optimizer, batches = small()
    if loader == "list":
        batches = [next(batches) for _ in range(5)]
    dashboard = TrainingDashboard(12)
    schedule = lambda step: 0.02 / step  # noqa: E731
    options = {"steps": 12, "schedule": schedule, "copies": 3, "accumulate": accumulate}
    run = finish(dashboard.train(model, optimizer, batches, **options))
    after = copy.deepcopy(model.state_dict())
    assert dashboard.kept() == [0, 4, 8]
    for start in dashboard.kept():
        fork = finish(dashboard.fork(start))
        assert [r.step for r in fork] == list(range(start + 1, 13))
        assert [(r.loss, r.lr, r.grad_norm) for r in fork] == [(r.loss, r.lr, r.grad_norm) for r in run[start:]]
    assert all(torch.equal(after[name], value) for name, value in model.state_dict().items())


def test_a_fork_with_another_lr_leaves_the_run_and_is_drawn_over_it():
    model, optimizer, batches = small()
    dashboard = TrainingDashboard(10)
    run = finish(dashboard.train(model, optimizer, batches, steps=10, copies=2))
    fork = finish(dashboard.fork(5, times=10.0))
    assert fork[0].lr == pytest.approx(10 * run[5].lr)
    assert fork[0].loss == run[5].loss and fork[-1].loss != run[-1].loss
    assert dashboard.run["name"] == "lr × 10" and dashboard.run["origin"] == {"run": 0, "step": 5}
    assert [other["name"] for other in dashboard.others] == ["this run"]
    longer = finish(dashboard.fork(5, steps=14))
    assert longer[-1].step == 14


def test_a_fork_while_the_run_pauses_and_the_run_goes_on_as_if_nothing_had_been():
    undisturbed = [r.loss for r in train(*small(), steps=12)]
    dashboard = TrainingDashboard(12)
    losses = []
    for record in dashboard.train(*small(), steps=12, copies=3):
        losses.append(record.loss)
        if record.step == 6:
            finish(dashboard.fork(4, times=5.0))
            assert dashboard.run["name"] == "this run"  # the buttons reach the run again
    assert losses == undisturbed


def test_the_fork_button_trains_beside_the_paused_cell():
    model, optimizer, batches = small()
    dashboard = TrainingDashboard(8)
    records = dashboard.train(model, optimizer, batches, steps=8, copies=2)
    next(records)
    with pytest.raises(ValueError, match="one run trains at a time"):
        dashboard.answer({"fork": 0, "times": 3.0})
    dashboard.answer({"do": "pause"})
    assert dashboard.answer({"fork": 0, "times": 3.0, "run": 0}) == {"fork": 0}
    (thread,) = [each for each in threading.enumerate() if each.name == "fork"]
    thread.join(60)
    assert [run.status for run in dashboard._runs] == ["paused", "done"] and dashboard._runs[1].step == 8
    dashboard.answer({"do": "resume"})
    assert len(finish(records)) == 7


def test_what_cannot_be_forked_says_why():
    model, optimizer, batches = small()
    dashboard = TrainingDashboard(4)
    pairs = iter([next(batches) for _ in range(9)])
    finish(dashboard.train(model, optimizer, pairs, steps=4, copies=2))
    with pytest.raises(ValueError, match="batches: an iterator cannot be read twice"):
        finish(dashboard.fork(2))
    with pytest.raises(ValueError, match="step: one of 0, 2, got 3"):
        finish(dashboard.fork(3))
    with pytest.raises(ValueError, match="times: more than 0"):
        finish(dashboard.fork(2, times=0))
    with pytest.raises(ValueError, match="copies"):
        dashboard.train(model, optimizer, batches, steps=2, copies=-1)
    with pytest.raises(ValueError, match="steps"):
        dashboard.train(model, optimizer, batches, steps=0)


# What it shows without a kernel


def test_hostile_text_is_text():
    hostile = '</pre><script>alert(1)</script><img src=x onerror="alert(2)">'
    dashboard = TrainingDashboard(
        2, sample=lambda: hostile, text_at=lambda start: hostile, baselines={hostile: 1.0}, ghosts={hostile: [(1, 2.0)]}
    )
    finish(dashboard.watch((metrics(k, 3.0, starts=(1,)) for k in (1, 2)), name=hostile))
    assert "<script" not in dashboard.static_html() and "<img" not in dashboard.static_html()
    assert html.escape(hostile) in dashboard.snapshot()


def test_before_and_after_a_run_without_a_kernel():
    dashboard = TrainingDashboard(40)
    assert repr(dashboard) == "TrainingDashboard: no run yet, 40 steps are planned"
    assert "No run yet" in dashboard.snapshot()
    example = TrainingDashboard.example().snapshot()
    assert "<td>" in example and "bigram" in example and "untrained" not in example


def test_the_repr_has_no_times_and_no_losses():
    dashboard = TrainingDashboard()
    finish(dashboard.train(*small(), steps=3))
    assert repr(dashboard) == "TrainingDashboard: this run: 3 steps, done"


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"steps": 0}, ValueError, "steps: a whole number"),
        ({"steps": True}, ValueError, "steps"),
        ({"sample_every": 2.5}, ValueError, "sample_every"),
        ({"sample": "text"}, TypeError, "sample: a function"),
        ({"text_at": 3}, TypeError, "text_at: a function"),
        ({"per_token": []}, TypeError, "per_token: a function"),
        ({"rules": {}}, TypeError, "rules: a function"),
        ({"smoothing": 1.0}, ValueError, "smoothing"),
        ({"baselines": {"ln V": math.nan}}, ValueError, "baselines: ln V"),
        ({"ghosts": {"old": [1, 2]}}, ValueError, "ghosts: 'old'"),
        ({"max_norm": "1"}, ValueError, "max_norm"),
        ({"control": object()}, TypeError, "control"),
    ],
)
def test_bad_arguments_are_named(options, error, words):
    with pytest.raises(error, match=words):
        TrainingDashboard(**options)
