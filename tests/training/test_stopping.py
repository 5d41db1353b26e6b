"""A run that is stopped, interrupted or resumed ends like one that nobody stopped."""

import _thread
import itertools
import math
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import CONFIG, TOKENS, adamw, batches, muon, same, schedule, small_model, stop_after, train_until_killed
from torch import nn

from lmcourse.data_loading import BatchSampler, get_batch
from lmcourse.model import TransformerLM, cross_entropy
from lmcourse.training import (
    Batches,
    Control,
    train,
    uninterrupted,
)
from lmcourse.training.checkpoints import checkpoint_state, load_checkpoint, save_checkpoint

# Resume equals no-stop, bit for bit

STEPS, ACCUMULATE = 5, 3


class Dropped(TransformerLM):
    """With dropout, so that the global generator matters."""

    def forward(self, ids, cache=None):
        return nn.functional.dropout(super().forward(ids, cache), 0.2, self.training)


def torch_adamw(model):
    return torch.optim.AdamW(model.parameters(), lr=0.01)


class MyLoader:
    """A learner's: random windows, from the global generators."""

    def __iter__(self):
        while True:
            starts = [random.randrange(2000), np.random.randint(2000)]
            rows = torch.stack([torch.from_numpy(TOKENS[s : s + 9].astype(np.int64)) for s in starts])
            yield rows[:, :-1], rows[:, 1:]


class MyLoaderWithAPlace:
    """A learner's: its own generator, and its state."""

    def __init__(self):
        self.generator = torch.Generator().manual_seed(3)

    def __iter__(self):
        while True:
            yield get_batch(TOKENS, 2, 8, generator=self.generator)

    def state_dict(self):
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state):
        self.generator.set_state(state["generator"])


def data_loader():
    """PyTorch's own, four epochs of it in a run."""
    rows = torch.from_numpy(TOKENS[: 9 * 8].astype(np.int64)).view(8, 9)
    pairs = torch.utils.data.TensorDataset(rows[:, :-1], rows[:, 1:])
    return torch.utils.data.DataLoader(pairs, batch_size=2, shuffle=True)


LOADERS = {
    "ours": batches,
    "ours, ahead": lambda: batches(prefetch=2),
    "random windows": MyLoader,
    "with a place": MyLoaderWithAPlace,
    "DataLoader": data_loader,
}
OPTIMIZERS = {"AdamW": adamw, "Muon and AdamW": muon, "torch.optim.AdamW": torch_adamw}
NO_STOP = {}


def whole_run(optimizer, loader, stops=(), path=None):
    """Train to the end, stopped after the given numbers of micro-batches, each time in new objects."""
    records, resume_from, seed = [], None, 0
    for stop in (*stops, None):
        seed_everything(seed)
        torch.manual_seed(0 if seed == 0 else seed)
        model = (TransformerLM if loader == "DataLoader" else Dropped)(CONFIG)
        optimizer_now = OPTIMIZERS[optimizer](model)
        control = Control()
        options = {"steps": STEPS, "accumulate": ACCUMULATE, "schedule": schedule, "control": control}
        if stop is not None:
            options["loss_fn"] = stop_after(stop, control)
        run = train(model, optimizer_now, LOADERS[loader](), checkpoint=path, resume_from=resume_from, **options)
        records += [(r.step, r.loss, r.lr, r.grad_norm, r.tokens, r.starts) for r in run]
        resume_from, seed = path, seed + 1  # the next objects begin with other weights and other random numbers
    many = optimizer_now if isinstance(optimizer_now, list) else [optimizer_now]
    return model, [each.state_dict() for each in many], records


def seed_everything(seed):
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)


def flat(tree):
    if isinstance(tree, dict):
        return [leaf for key in sorted(tree, key=str) for leaf in (key, *flat(tree[key]))]
    if isinstance(tree, list | tuple):
        return [leaf for each in tree for leaf in flat(each)]
    return [tree]


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@given(data=st.data())
@settings(max_examples=2, derandomize=True)
def test_a_run_that_was_stopped_anywhere_ends_bit_for_bit_like_one_that_was_not(
    optimizer, loader, data, tmp_path_factory
):
    if (optimizer, loader) not in NO_STOP:
        NO_STOP[optimizer, loader] = whole_run(optimizer, loader)
    model, states, records = NO_STOP[optimizer, loader]
    places = data.draw(st.sets(st.integers(1, STEPS * ACCUMULATE - 1), min_size=1, max_size=3).map(sorted))
    stops = [b - a for a, b in zip([0, *places], places)]
    path = tmp_path_factory.mktemp("resume") / "run.pt"
    again, states_again, records_again = whole_run(optimizer, loader, stops, path)
    assert records_again == records
    assert same(model, again)
    for one, two in zip(flat(states), flat(states_again), strict=True):
        assert torch.equal(one, two) if isinstance(one, torch.Tensor) else one == two


def test_a_run_resumes_from_the_checkpoint_of_any_step(tmp_path):
    def run(**options):
        model = small_model(seed=8)
        return model, list(train(model, adamw(model), batches(), steps=6, schedule=schedule, **options))

    whole, records = run()
    for step in range(1, 6):
        path = tmp_path / f"{step}.pt"
        for record in run_until(step, path):
            assert record.step <= step
        again, rest = run(resume_from=path)
        assert [r.loss for r in rest] == [r.loss for r in records[step:]] and same(whole, again)
    assert run(resume_from=path)[1][0].step == 6
    finished = tmp_path / "finished.pt"
    run(checkpoint=finished)
    assert run(resume_from=finished)[1] == []


def run_until(step, path):
    model = small_model(seed=8)
    records = train(model, adamw(model), batches(), steps=6, schedule=schedule, checkpoint=path, checkpoint_every=step)
    return itertools.islice(records, step)  # a loop that leaves by `break`


def test_what_a_run_cannot_be_resumed_from(tmp_path):
    model, path = small_model(), tmp_path / "run.pt"
    save_checkpoint(path, model, adamw(model), 3)
    with pytest.raises(ValueError, match=r"resume_from: .* was not written by train"):
        train(model, adamw(model), batches(), steps=5, resume_from=path)
    control = Control()
    options = {"checkpoint": path, "control": control, "loss_fn": stop_after(2, control)}
    list(train(model, adamw(model), batches(), steps=5, accumulate=3, **options))
    with pytest.raises(ValueError, match=r"accumulate: .* after 2 of 3 micro-batches, so it must be 3 here too, got 2"):
        train(model, adamw(model), batches(), steps=5, accumulate=2, resume_from=path)
    other = Batches(TOKENS[:2000], BatchSampler(2000, 2, 8, seed=1))
    with pytest.raises(ValueError, match="num_tokens"):
        train(model, adamw(model), other, steps=5, accumulate=3, resume_from=path)


# Pause, step, change, stop, while it runs


def test_the_switch_is_obeyed_between_steps():
    model, control, seen = small_model(), Control(), []
    control.pause()

    def run():
        for record in train(model, adamw(model), batches(), steps=10**9, schedule=schedule, control=control):
            seen.append(record)
            reached.set()

    reached = threading.Event()
    thread = threading.Thread(target=run)
    thread.start()
    for count in (1, 2, 3):  # one step for each press
        reached.clear()
        control.step()
        assert reached.wait(60) and len(seen) == count
    control.set_lr(0.5)
    reached.clear()
    control.step()
    assert reached.wait(60) and seen[-1].lr == 0.5 and seen[-2].lr == schedule(3)
    control.set_lr(None)
    reached.clear()
    control.resume()
    assert reached.wait(60) and seen[4].lr == schedule(5)
    control.stop()
    thread.join(60)
    assert not thread.is_alive()
    count = len(seen)
    assert list(train(model, adamw(model), batches(), steps=3, control=control)) == [] and len(seen) == count


def test_a_pause_forgets_steps_that_were_granted_and_a_stop_ends_a_pause():
    control = Control()
    control.step()
    control.pause()
    naps = []
    control.nap = lambda: (naps.append(1), len(naps) == 3 and control.stop())
    control.wait()
    assert len(naps) == 3
    for wrong in (-1.0, math.nan, math.inf, "fast"):
        with pytest.raises((TypeError, ValueError), match="lr: a finite number of 0 or more, got"):
            control.set_lr(wrong)


# Interrupts


def test_an_interrupt_inside_the_optimizer_leaves_a_whole_step(tmp_path):
    class Interrupted(torch.optim.SGD):
        def step(self, closure=None):
            parameters = self.param_groups[0]["params"]
            for group in parameters[:3], parameters[3:]:
                with torch.no_grad():
                    for parameter in group:
                        parameter -= self.param_groups[0]["lr"] * parameter.grad
                if group is not parameters[3:] and interrupt[0]:
                    signal.raise_signal(signal.SIGINT)  # half of them are done

    def run(**options):
        model = small_model()
        return model, train(model, Interrupted(model.parameters(), lr=0.1), batches(), steps=3, **options)

    interrupt, path = [False], tmp_path / "run.pt"
    whole, records = run()
    after = [[p.clone() for p in whole.parameters()] for _ in records]
    interrupt[0] = True
    model, records = run(checkpoint=path)
    with pytest.raises(KeyboardInterrupt):
        next(records)
    assert all(map(torch.equal, model.parameters(), after[0]))  # the first step, whole
    assert checkpoint_state(path)["step"] == 1
    interrupt[0] = False
    again, records = run(resume_from=path)
    assert [record.step for record in records] == [2, 3] and same(again, whole)


def test_an_interrupt_in_the_middle_of_an_accumulation_keeps_what_was_summed(tmp_path):
    def run(**options):
        model = small_model()
        return model, train(model, adamw(model), batches(), steps=3, accumulate=4, **options)

    whole, records = run()
    list(records)
    calls, path = itertools.count(), tmp_path / "run.pt"

    def loss(logits, targets):
        if next(calls) == 5:
            signal.raise_signal(signal.SIGINT)
        return cross_entropy(logits, targets)

    _, records = run(checkpoint=path, loss_fn=loss)
    with pytest.raises(KeyboardInterrupt):
        list(records)
    state = checkpoint_state(path)
    assert (state["step"], state["micro_step"], len(state["gradients"])) == (1, 2, len(list(whole.parameters())))
    again, records = run(resume_from=path)
    assert len(list(records)) == 2 and same(again, whole)


def interrupt_main_after(seconds):
    """What Ctrl-C does, from another thread."""
    time.sleep(seconds)
    if sys.platform == "win32":
        _thread.interrupt_main()
    else:
        os.kill(os.getpid(), signal.SIGINT)


def test_real_interrupts_at_random_moments_never_leave_half_a_step(tmp_path):
    steps, path, rng = 60, tmp_path / "run.pt", random.Random(1)

    def run(**options):
        model = small_model()
        return model, train(model, muon(model), batches(), steps=steps, accumulate=2, schedule=schedule, **options)

    whole, records = run()
    states = {0: [p.clone() for p in whole.parameters()]}
    for record in records:
        states[record.step] = [p.clone() for p in whole.parameters()]
    interrupts = 0
    while True:
        model, records = run(checkpoint=path, checkpoint_every=10, resume_from=path if path.exists() else None)
        thread = threading.Thread(target=interrupt_main_after, args=(rng.uniform(0, 0.05),))
        seen = 0
        try:
            if interrupts < 6:
                thread.start()
            for record in records:
                seen = record.step
            while interrupts < 6 and thread.is_alive():  # the run was faster than the interrupt
                thread.join(0.01)
            time.sleep(0.05 if interrupts < 6 else 0)
            break
        except KeyboardInterrupt:
            interrupts += 1
            thread.join()
            near = [step for step in states if all(map(torch.equal, states[step], model.parameters()))]
            assert near and (seen == 0 or near[0] in (seen, seen + 1))
    assert interrupts >= 3 and same(model, whole)


def test_interrupts_are_held_back_in_the_main_thread_only():
    def elsewhere():
        before = signal.getsignal(signal.SIGINT)
        with uninterrupted():
            found.append(signal.getsignal(signal.SIGINT) is before)

    found = []
    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [True]
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), uninterrupted():
        1 / 0  # noqa: B018
    assert signal.getsignal(signal.SIGINT) is before


# Divergence


# Killed at random moments


@pytest.mark.parametrize("kills", [6, pytest.param(50, marks=pytest.mark.thorough)])
def test_kills_leave_a_checkpoint_that_was_completed_and_the_run_goes_on_bit_for_bit(kills, tmp_path, monkeypatch):
    """Each process goes on where the one before was killed; the end is that of a run which nobody stopped."""
    path, announced = tmp_path / "run.pt", tmp_path / "announced"
    announced.touch()
    server = "forkserver" in multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if server else "spawn")
    if server:
        monkeypatch.setenv(
            "PYTHONPATH", os.pathsep.join(map(str, (Path(__file__).parents[1], Path(__file__).parents[2])))
        )
        context.set_forkserver_preload(["pytest", "runs"])  # PyTorch is imported once, not for each kill
    rng, half_written, completed = random.Random(0), 0, 0
    for kill in range(kills if server else 5):  # Windows starts each process from nothing
        process = context.Process(target=train_until_killed, args=(path, announced), daemon=True)
        process.start()
        size = announced.stat().st_size
        while announced.stat().st_size == size:  # until it has come further than the one before
            assert process.is_alive(), f"process {kill} ended by itself"
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.03))
        process.kill()
        process.join()
        assert process.exitcode == (-signal.SIGKILL if os.name == "posix" else process.exitcode) != 0
        last = int(announced.read_text(encoding="utf-8").split("\n")[-2])
        model = small_model()
        step = load_checkpoint(path, model, adamw(model))
        assert step >= last > completed
        completed = last
        for rest in tmp_path.glob(".*.part"):
            half_written += 1
            rest.unlink()
    if sys.platform == "linux" and kills == 50:
        assert half_written > 0  # some kills did hit a writer at work

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    model = small_model(seed=3)
    for _ in train(model, adamw(model), batches(), steps=step):
        pass
    torch.set_num_threads(threads)
    survivor = small_model()
    load_checkpoint(path, survivor)
    assert same(model, survivor)
