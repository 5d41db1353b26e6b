"""OMP_NUM_THREADS=1 pytest tests/training/test_loop.py

Oracles: a loop written out with PyTorch alone, a run that nobody stopped, and arithmetic.
"""

import contextlib
import functools
import itertools
import math

import numpy as np
import pytest
import torch
from runs import CONFIG, TOKENS, adamw, batches, muon, same, schedule, small_model
from torch import nn

from lmcourse.data_loading import BatchSampler
from lmcourse.flops import flops_per_token
from lmcourse.model import TransformerLM, cross_entropy
from lmcourse.optimizers import AdamW
from lmcourse.training import (
    Batches,
    Control,
    LossDiverged,
    bits_per_byte,
    evaluate,
    stream,
    train,
    train_step,
)
from lmcourse.training.checkpoints import checkpoint_state, load_checkpoint

# The step, against PyTorch


def plain_loop(model, optimizer, data, steps, accumulate, max_norm=1.0, schedule=schedule):
    """What a textbook writes."""
    losses, norms = [], []
    for step in range(1, steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = schedule(step)
        optimizer.zero_grad()
        mean = 0.0
        for _ in range(accumulate):
            x, y = next(data)
            loss = nn.functional.cross_entropy(model(x).flatten(0, 1), y.flatten())
            (loss / accumulate).backward()
            mean += loss.item() / accumulate
        norms.append(nn.utils.clip_grad_norm_(model.parameters(), max_norm).item())
        losses.append(mean)
        optimizer.step()
    return losses, norms


@pytest.mark.parametrize("accumulate", [1, 3])
def test_train_does_what_a_plain_loop_does(accumulate):
    theirs, ours = small_model(), small_model()
    optimizer = torch.optim.AdamW(theirs.parameters(), lr=1.0)
    losses, norms = plain_loop(theirs, optimizer, batches(), 5, accumulate, max_norm=0.5)
    optimizer = torch.optim.AdamW(ours.parameters(), lr=1.0)
    options = {"steps": 5, "accumulate": accumulate, "max_norm": 0.5, "schedule": schedule}
    records = list(train(ours, optimizer, batches(), **options))
    assert [record.loss for record in records] == pytest.approx(losses, rel=1e-5)
    assert [record.grad_norm for record in records] == pytest.approx(norms, rel=1e-4)
    assert [record.lr for record in records] == [schedule(step) for step in range(1, 6)]
    assert [record.step for record in records] == [1, 2, 3, 4, 5]
    assert [record.tokens for record in records] == [16 * accumulate * step for step in range(1, 6)]
    assert all(len(record.starts) == 2 * accumulate for record in records)
    for one, two in zip(theirs.parameters(), ours.parameters()):
        torch.testing.assert_close(two, one, rtol=1e-4, atol=1e-5)


def test_train_step_is_a_step_of_train():
    plain, ours = small_model(), small_model()
    optimizer, data = adamw(plain), batches()
    losses = [train_step(plain, optimizer, *next(data), max_norm=0.5) for _ in range(4)]
    records = list(train(ours, adamw(ours), batches(), steps=4, max_norm=0.5))
    assert [record.loss for record in records] == losses and same(plain, ours)


def test_a_step_of_the_readers_own_takes_every_step():
    plain, ours, taken = small_model(), small_model(), []

    def own(model, optimizer, x, y, max_norm):
        taken.append(max_norm)
        return train_step(model, optimizer, x, y, max_norm)

    options = {"steps": 5, "max_norm": 0.5, "schedule": schedule}
    theirs = list(train(plain, muon(plain), batches(), **options))
    records = list(train(ours, muon(ours), batches(), step_fn=own, **options))
    assert taken == [0.5] * 5 and same(plain, ours)
    assert [(r.loss, r.lr, r.tokens, r.starts) for r in records] == [(r.loss, r.lr, r.tokens, r.starts) for r in theirs]
    assert [record.grad_norm for record in records] == pytest.approx([record.grad_norm for record in theirs], rel=1e-5)


def test_a_step_of_the_readers_own_has_its_logits_in_32_bits():
    plain, ours = small_model(), small_model()
    options = {"steps": 3, "precision": "bfloat16"}
    losses = [[r.loss for r in train(plain, adamw(plain), batches(), **options)]]
    losses += [[r.loss for r in train(ours, adamw(ours), batches(), step_fn=train_step, **options)]]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize("options", [{"accumulate": 2}, {"precision": "float16"}])
def test_a_step_of_the_readers_own_is_a_whole_update(options):
    model = small_model()
    with pytest.raises(ValueError, match="step_fn: needs accumulate=1"):
        train(model, adamw(model), batches(), steps=1, step_fn=train_step, **options)


def test_a_step_of_the_readers_own_that_diverges_is_told():
    model = small_model()
    with pytest.raises(LossDiverged):
        list(train(model, adamw(model), batches(), steps=1, step_fn=lambda *_: math.nan))


def test_accumulated_micro_batches_make_the_gradient_of_the_whole():
    def gradient(batch_size, accumulate):
        model = small_model()
        before = [p.detach().clone() for p in model.parameters()]
        sgd = torch.optim.SGD(model.parameters(), lr=1.0)
        list(train(model, sgd, batches(batch_size), steps=1, accumulate=accumulate, max_norm=None))
        return [b - p.detach() for b, p in zip(before, model.parameters())]

    whole = gradient(8, 1)
    for parts in (gradient(4, 2), gradient(2, 4)):
        for one, two in zip(whole, parts):
            torch.testing.assert_close(two, one, rtol=1e-4, atol=1e-6)


def test_parameter_groups_keep_the_ratio_of_their_rates():
    model = small_model()
    optimizers = muon(model)  # 0.02 and 0.01
    for record in train(model, optimizers, batches(), steps=2, schedule=lambda step: 0.1 * step):
        assert [each.param_groups[0]["lr"] for each in optimizers] == pytest.approx([record.lr, record.lr / 2])
    assert record.lr == 0.2


def test_without_a_schedule_the_rates_stay():
    model = small_model()
    assert {record.lr for record in train(model, adamw(model), batches(), steps=3)} == {0.01}


def test_without_a_schedule_a_scheduler_in_the_loop_sets_them():
    model = small_model()
    optimizer = adamw(model)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    seen = []
    for record in train(model, optimizer, batches(), steps=4):
        seen.append(record.lr)
        scheduler.step()
    assert seen == [0.01, 0.005, 0.0025, 0.00125]


def test_after_a_rate_by_hand_the_old_rates_are_back():
    model, control = small_model(), Control()
    optimizers, seen = muon(model), []
    for record in train(model, optimizers, batches(), steps=4, control=control):
        seen.append([record.lr, optimizers[1].param_groups[0]["lr"]])
        control.set_lr({1: 0.5, 2: 0.5, 3: None}.get(record.step))
    assert seen == [[0.02, 0.01], [0.5, 0.25], [0.5, 0.25], [0.02, 0.01]]


@pytest.mark.parametrize("rate", [math.nan, -1e-3, math.inf, None, "fast"])
def test_a_rate_that_is_none_is_refused_before_its_step_and_never_saved(tmp_path, rate):
    path, model, seen = tmp_path / "run.pt", small_model(), []
    options = {"schedule": lambda step: rate if step == 3 else 0.01, "checkpoint": path, "checkpoint_every": 1}
    with pytest.raises((TypeError, ValueError), match=r"schedule\(3\): a finite number of 0 or more, got"):
        for _ in train(model, adamw(model), batches(), steps=5, **options):
            seen.append([p.clone() for p in model.parameters()])
    assert len(seen) == 2 and all(map(torch.equal, seen[-1], model.parameters()))
    other = small_model(seed=3)
    optimizer = adamw(other)
    assert load_checkpoint(path, other, optimizer) == 2 and optimizer.param_groups[0]["lr"] == 0.01


def test_gradients_beyond_the_squares_of_float32_are_finite_and_clipped():
    model = small_model()
    sgd, start = torch.optim.SGD(model.parameters(), lr=1.0), [p.detach().clone() for p in model.parameters()]
    (record,) = train(
        model, sgd, batches(), steps=1, loss_fn=lambda logits, y: 1e24 * cross_entropy(logits, y), max_norm=1.0
    )
    assert 1e23 < record.grad_norm < math.inf
    moved = math.sqrt(sum((a - b).square().sum().item() for a, b in zip(start, model.parameters())))
    assert moved == pytest.approx(1.0, rel=1e-3)


class PartlyFrozen(TransformerLM):
    """Its first block is not to be in training mode; a buffer counts what wakes it."""

    def __init__(self):
        super().__init__(CONFIG)
        self.layers[0].eval()
        self.noise = nn.Sequential(nn.BatchNorm1d(20), nn.Dropout(0.5).eval())

    def forward(self, ids, cache=None):
        return self.noise(super().forward(ids, cache).transpose(1, 2)).transpose(1, 2)


def modes(model):
    return [module.training for module in model.modules()]


def test_frozen_parts_stay_frozen_and_training_parts_wake_up_again():
    model = PartlyFrozen()
    before, counted = modes(model), model.noise[0].num_batches_tracked.clone()
    evaluate(model, TOKENS[:100])
    list(stream(model, [1, 2], 3, seed=0))
    assert modes(model) == before and torch.equal(model.noise[0].num_batches_tracked, counted)
    for _ in train(model, adamw(model), batches(), steps=2, evaluation=lambda m: evaluate(m, TOKENS[:50])):
        assert modes(model) == before
    assert model.noise[0].num_batches_tracked == counted + 2
    for broken in (lambda: evaluate(model, np.array([1, 99] * 20)), lambda: list(stream(model, [1], 20, stop="x"))):
        with contextlib.suppress(IndexError):
            broken()
        assert modes(model) == before
    whole = small_model().eval()
    next(train(whole, adamw(whole), batches(), steps=1))
    assert all(modes(whole))


def test_mfu_is_the_models_flops_over_time_and_peak():
    model = small_model()
    for record in train(model, adamw(model), batches(), steps=2, peak_flop_per_s=1e9):
        assert record.tokens_per_s == pytest.approx(16 / record.seconds)
        assert record.mfu == pytest.approx(flops_per_token(CONFIG, 8)["matmuls"] * record.tokens_per_s / 1e9)
    record = next(train(model, adamw(model), batches(), steps=1))
    assert record.mfu is None  # nobody knows this machine's peak


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_low_precision_learns_and_parameters_stay_in_32_bits(precision):
    seen = set()

    def loss(logits, targets):
        assert logits.dtype == torch.float32
        return cross_entropy(logits, targets)

    model = small_model()
    model.lm_head.register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
    batch = next(batches(batch_size=4))
    records = list(train(model, adamw(model), [batch], steps=40, precision=precision, loss_fn=loss))
    assert seen == {getattr(torch, precision)}
    assert records[-1].loss < records[0].loss - 0.5
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    wide = small_model()
    first = next(train(wide, adamw(wide), [batch], steps=1))
    assert records[0].loss == pytest.approx(first.loss, rel=1e-2)


def test_an_update_that_overflows_in_float16_is_skipped_and_the_scale_falls(tmp_path):
    def steep(logits, targets):
        return cross_entropy(logits, targets) * 1e4  # times the first loss scale, 65536, beyond 65504

    model, path = small_model(), tmp_path / "run.pt"
    before = [parameter.clone() for parameter in model.parameters()]
    data = [next(batches(batch_size=4))]
    options = {"precision": "float16", "loss_fn": steep, "checkpoint": path}
    (record,) = train(model, adamw(model), data, steps=1, **options)
    assert math.isinf(record.grad_norm) or math.isnan(record.grad_norm)
    assert all(map(torch.equal, before, model.parameters()))
    assert checkpoint_state(path)["scaler"]["scale"] == 65536 / 2
    records = list(train(model, adamw(model), data, steps=30, resume_from=path, **options))
    assert any(math.isfinite(record.grad_norm) for record in records)
    assert records[-1].loss < record.loss / 2  # it learns, once the scale is low enough


def test_a_compiled_model_takes_the_same_path_and_its_checkpoint_is_the_same(tmp_path, monkeypatch):
    """Compiled by the backend that needs no C++ compiler: what is tested is that nothing depends on the wrapper."""
    compiled = functools.partial(torch.compile, backend="eager")
    monkeypatch.setattr(torch, "compile", compiled)
    plain = small_model()
    expected = [record.loss for record in train(plain, adamw(plain), batches(), steps=2)]
    for wrap, compile in ((lambda model: model, True), (compiled, False)):
        model, path = small_model(), tmp_path / "run.pt"
        records = train(wrap(model), adamw(model), batches(), steps=2, compile=compile, checkpoint=path)
        assert [record.loss for record in records] == pytest.approx(expected, rel=1e-5)
        other = small_model(seed=9)
        assert load_checkpoint(path, other) == 2 and same(model, other)


def test_loaders_of_any_kind():
    pairs = [next(batches()) for _ in range(3)]
    model = small_model()
    assert len(list(train(model, adamw(model), pairs, steps=7))) == 7  # a list begins again
    with pytest.raises(ValueError, match=r"batches: has no .more. batches"):
        list(train(model, adamw(model), iter(pairs), steps=4))
    with pytest.raises(ValueError, match=r"batches: pairs .x, y. of ids and targets, got a Tensor"):
        list(train(model, adamw(model), [pairs[0][0]], steps=1))
    uneven = [pairs[0], tuple(t[:1] for t in pairs[0])]
    with pytest.raises(ValueError, match="batches: the micro-batches of an update have one shape"):
        list(train(model, adamw(model), uneven, steps=1, accumulate=2))


def test_batches_made_ahead_are_the_same_and_the_place_is_that_of_the_last_one():
    plain, ahead = batches(), batches(prefetch=3)
    for _ in range(5):
        assert torch.equal(next(plain)[0], next(ahead)[0]) and plain.starts == ahead.starts
        assert plain.state_dict() == ahead.state_dict()
    place, following = ahead.state_dict(), next(ahead)[0]
    ahead.load_state_dict(place)
    assert torch.equal(next(ahead)[0], following)
    assert [int(t) for t in following[0]] == TOKENS[ahead.starts[0] : ahead.starts[0] + 8].tolist()


# How good the model is


class Bigram(nn.Module):
    """Log-probabilities of the next token, from a table; some positions are told apart by their place."""

    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.randn(20, 20, generator=torch.Generator().manual_seed(0)))
        self.seen = []

    def forward(self, ids):
        self.seen.append((tuple(ids.shape), self.training))
        return self.table[ids]


@pytest.mark.parametrize("length, context", [(2, 8), (9, 8), (10, 8), (100, 7), (3000, 64)])
def test_every_token_but_the_first_counts_once(length, context):
    model = Bigram().train()
    tokens = torch.from_numpy(TOKENS[:length].astype(np.int64))
    expected = nn.functional.cross_entropy(model.table[tokens[:-1]], tokens[1:]).item()
    assert evaluate(model, TOKENS[:length], context_length=context, batch_size=3) == pytest.approx(expected, rel=1e-5)
    assert sum(rows * columns for (rows, columns), _ in model.seen) == length - 1
    assert model.training and not any(training for _, training in model.seen)


def test_evaluation_is_recorded():
    model = small_model()
    options = {"evaluation": lambda model: evaluate(model, TOKENS[:100]), "evaluate_every": 2}
    records = list(train(model, adamw(model), batches(), steps=5, **options))
    assert [record.val_loss is not None for record in records] == [False, True, False, True, True]
    assert records[-1].val_loss == evaluate(model, TOKENS[:100])
    assert model.training


def test_bits_per_byte():
    assert bits_per_byte(math.log(2), 8, 1) == pytest.approx(8)
    assert bits_per_byte(2.0, 300, 1000) == pytest.approx(2.0 / math.log(2) * 0.3)
    with pytest.raises(ValueError, match="num_tokens and num_bytes: above 0"):
        bits_per_byte(1.0, 0, 5)


def test_a_loss_that_is_no_number_stops_before_the_step(tmp_path):
    calls, path = itertools.count(1), tmp_path / "run.pt"

    def loss(logits, targets):
        return cross_entropy(logits, targets) * (math.nan if next(calls) == 6 else 1.0)

    model, seen = small_model(), []
    with pytest.raises(LossDiverged) as caught:
        for record in train(
            model, adamw(model), batches(), steps=9, accumulate=2, loss_fn=loss, checkpoint=path, checkpoint_every=1
        ):
            seen.append(([p.clone() for p in model.parameters()], record))
    error, data = caught.value, batches()
    starts = [start for _ in range(6) for start in (next(data), data.starts)[1]]
    assert error.step == 3 and math.isnan(error.loss)
    assert list(error.starts) == starts[-4:]
    assert "step 3" in str(error) and str(starts[-4]) in str(error) and "Likely cause: " in str(error)
    assert all(map(torch.equal, seen[-1][0], model.parameters()))
    assert all(parameter.grad is None for parameter in model.parameters())
    assert load_checkpoint(path, small_model()) == 2


def test_the_cause_is_told():
    def cause(change=lambda model: None, steps=60, **options):
        model = small_model()
        change(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=options.pop("lr", 0.01))
        with pytest.raises(LossDiverged) as caught:
            list(train(model, optimizer, batches(), steps=steps, **options))
        return caught.value.cause

    def poison(model):
        with torch.no_grad():
            model.layers[1].ffn.w2.weight[0, 0] = math.nan

    def grown(model):
        with torch.no_grad():
            for parameter in (model.layers[0].ffn.w1.weight, model.layers[0].ffn.w3.weight):
                parameter.mul_(1e25)

    assert "layers.1.ffn.w2.weight holds inf or NaN already" in cause(poison)
    assert "layers.0.ffn" in cause(grown) and "overflows" in cause(grown)
    assert "loss function" in cause(loss_fn=lambda logits, y: cross_entropy(logits, y) + math.inf)
    assert "learning rate" in cause(lr=1e12, max_norm=None)


# Arguments


@pytest.mark.parametrize(
    "options, message",
    [
        ({"steps": 0}, "steps: a whole number of 1 or more, got 0"),
        ({"steps": 2.0}, "steps: a whole number of 1 or more, got 2.0"),
        ({"accumulate": 0}, "accumulate: a whole number of 1 or more, got 0"),
        ({"max_norm": 0}, "max_norm: more than 0, or None, got 0"),
        ({"max_norm": math.nan}, "max_norm"),
        ({"precision": "fp8"}, "precision: float32, bfloat16 or float16, got 'fp8'"),
        ({"evaluate_every": 5}, "evaluate_every: needs an evaluation, got 5 without one"),
        ({"checkpoint_every": 5}, "checkpoint_every: needs a checkpoint, got 5 without one"),
        ({"setting": 5}, "unexpected keyword argument 'setting'"),
        ({"evaluate_every": 0, "evaluation": len}, "evaluate_every: a whole number of 1 or more, got 0"),
        ({"checkpoint": "no/such/folder/run.pt"}, "checkpoint: there is no folder"),
        ({"optimizer": adamw(small_model())}, "optimizer: holds a parameter that is not the model's"),
    ],
)
def test_bad_arguments_are_refused_by_name_and_at_once(options, message):
    model = small_model()
    options = {"optimizer": adamw(model), "batches": batches(), "steps": 3} | options
    with pytest.raises((TypeError, ValueError), match=message):
        train(model, **options)


def test_bad_arguments_elsewhere():
    with pytest.raises(ValueError, match="tokens: at least 2"):
        evaluate(small_model(), TOKENS[:1])
    with pytest.raises(ValueError, match="sampler: made for 3000 tokens, got 100 tokens"):
        Batches(TOKENS[:100], BatchSampler(3000, 2, 8))
    with pytest.raises(ValueError, match="prefetch: a whole number of 0 or more, got -1"):
        batches(prefetch=-1)


def test_my_own_optimizer_and_tokens_train_too():
    class MySGD(torch.optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {"lr": 0.5})

        @torch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter -= group["lr"] * parameter.grad

    mine, theirs = small_model(), small_model()
    list(train(mine, MySGD(mine.parameters()), batches(), steps=3))
    list(train(theirs, torch.optim.SGD(theirs.parameters(), lr=0.5), batches(), steps=3))
    for one, two in zip(mine.parameters(), theirs.parameters()):
        torch.testing.assert_close(one, two)
    assert isinstance(AdamW(mine.parameters()), torch.optim.Optimizer)
