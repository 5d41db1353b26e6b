"""Exercises of notebook 09: cases, hints, typical wrong answers. The references are in lmcourse.training and model."""

import math
import tempfile
from contextlib import contextmanager
from pathlib import Path

import torch

from lmcourse import training
from lmcourse.data_loading import BatchSampler
from lmcourse.exercises.judging import call, probe
from lmcourse.exercises.topic import Topic
from lmcourse.model import cross_entropy
from lmcourse.optimizers import clip_grad_norm_

topic = Topic("training", 9)
check, predict, quiz, ready = topic.check, topic.predict, topic.quiz, topic.ready


# 9.1


def _gradient(function) -> list:
    logits = torch.tensor([[1000.0, 999.0, 0.0]], requires_grad=True)
    function(logits, torch.tensor([1])).backward()
    return logits.grad


def _no_maximum(logits, targets):
    """exp of the logits as they are."""
    at_target = logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    return (logits.exp().sum(dim=-1).log() - at_target).mean()


def _wrong_axis(logits, targets):
    """Shares that sum to one over axis 1, which is the vocabulary only where there is no batch."""
    return -logits.log_softmax(dim=1).gather(-1, targets.unsqueeze(-1)).mean()


def _log_of_softmax(logits, targets):
    """A probability first, which underflows to 0, and then its log."""
    return -torch.softmax(logits, dim=-1).gather(-1, targets.unsqueeze(-1)).log().mean()


def _sums(logits, targets):
    return cross_entropy(logits, targets) * targets.numel()


def _all_of_the_vocabulary(logits, targets):
    """Divides by every logit, not by every position."""
    return cross_entropy(logits, targets) / logits.shape[-1]


def _logits(*shape: int, seed: int = 0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


topic.exercise(
    cross_entropy,
    cases=[
        call(torch.tensor([[0.0, 0.0]]), torch.tensor([0])),
        call(torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([0])),
        call(torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([1])),
        call(torch.tensor([[2.0, 0.0], [0.0, 5.0]]), torch.tensor([0, 0])),
        call(torch.tensor([[1000.0, 1000.0]]), torch.tensor([0])),
        call(torch.tensor([[0.0, 200.0]]), torch.tensor([0])),
        call(torch.tensor([[-1000.0, -1001.0]]), torch.tensor([1])),
        call(_logits(2, 3, 4), torch.tensor([[0, 1, 2], [3, 0, 1]])),
        probe("the gradient of logits [[1000, 999, 0]] with target 1", _gradient),
        call(_logits(4, 16, 50, seed=1), torch.arange(64).reshape(4, 16) % 50),
    ],
    hints=(
        "−log softmax(z)[target] = log Σ exp(z) − z[target]: no division is left, and no probability that could "
        "underflow. Subtract the largest logit from all of them first; both terms change by the same.",
        "`logits.amax(dim=-1, keepdim=True)` is that maximum. The logit of each target is "
        "`shifted.gather(-1, targets.unsqueeze(-1)).squeeze(-1)`. The mean comes last, over all positions.",
    ),
    wrong={
        "exp overflows": _no_maximum,
        "the log of a probability": _log_of_softmax,
        "softmax over the wrong axis": _wrong_axis,
        "a sum": _sums,
        "a mean over the vocabulary too": _all_of_the_vocabulary,
    },
    minutes=10,
    level=2,
)


# 9.2


def _nats(nats_per_token, num_tokens, num_bytes):
    """Forgets that a bit is ln 2 nats."""
    return nats_per_token * num_tokens / num_bytes


def _per_token(nats_per_token, num_tokens, num_bytes):
    """Bits a token, which a tokenizer with longer tokens makes larger."""
    return nats_per_token / math.log(2)


def _upside_down(nats_per_token, num_tokens, num_bytes):
    """Multiplies by the bytes of a token."""
    return nats_per_token * num_bytes / num_tokens / math.log(2)


def _times_ln_2(nats_per_token, num_tokens, num_bytes):
    return nats_per_token * num_tokens / num_bytes * math.log(2)


topic.exercise(
    training.bits_per_byte,
    cases=[
        call(math.log(2), 1, 1),
        call(math.log(256), 100, 100),
        call(math.log(2), 1, 4),
        call(3.2, 250, 1000),
        call(0.0, 5, 9),
        call(1.0, 0, 4),
        call(1.0, 4, 0),
        call(5.545177444479562, 855_894, 2_190_000),
    ],
    hints=(
        "The whole text costs nats_per_token · num_tokens nats. Spread that over its bytes.",
        "One bit is ln 2 nats: divide by `math.log(2)`. Counts that are not above 0 are a ValueError.",
    ),
    wrong={
        "nats instead of bits": _nats,
        "bits a token": _per_token,
        "tokens and bytes swapped": _upside_down,
        "multiplies by ln 2": _times_ln_2,
    },
    minutes=5,
    level=1,
)


# 9.3


class _Bigram(torch.nn.Module):
    """The smallest language model: a row of logits for each token, all zero at first, times `scale`."""

    def __init__(self, scale: float = 1.0):
        super().__init__()
        self.scale = scale
        self.rows = torch.nn.Parameter(torch.zeros(3, 3, dtype=torch.float64))

    def forward(self, ids):
        return self.scale * self.rows[ids]


def _stepping(label: str, *, steps: int = 1, scale: float = 1.0, max_norm: float = 100.0, stale: bool = False):
    """The case of some steps with SGD of rate 1; `stale` leaves another batch's gradient in the model before."""

    def run(function):
        model = _Bigram(scale)
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        if stale:
            cross_entropy(model(torch.tensor([[2]])), torch.tensor([[2]])).backward()
        x, y = torch.tensor([[0, 1]]), torch.tensor([[1, 2]])
        losses = [function(model, optimizer, x, y, max_norm) for _ in range(steps)]
        return {"losses": losses, "row 0": model.rows[0].tolist(), "row 2": model.rows[2].tolist()}

    return probe(f"{label}, of a model of three tokens with SGD, lr 1", run)


def _kind_of_loss(function) -> str:
    model = _Bigram()
    loss = function(model, torch.optim.SGD(model.parameters(), lr=1.0), torch.tensor([[0]]), torch.tensor([[1]]))
    return type(loss).__name__


def _never_zeroes(model, optimizer, x, y, max_norm=1.0):
    loss = cross_entropy(model(x), y)
    loss.backward()
    clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    return loss.item()


def _zeroes_before_the_step(model, optimizer, x, y, max_norm=1.0):
    loss = cross_entropy(model(x), y)
    loss.backward()
    clip_grad_norm_(model.parameters(), max_norm)
    optimizer.zero_grad()
    optimizer.step()
    return loss.item()


def _zeroes_after_the_step(model, optimizer, x, y, max_norm=1.0):
    """Right from the second call on: what another loss left behind goes into the first."""
    loss = _never_zeroes(model, optimizer, x, y, max_norm)
    optimizer.zero_grad()
    return loss


def _clips_after_the_step(model, optimizer, x, y, max_norm=1.0):
    optimizer.zero_grad()
    loss = cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    clip_grad_norm_(model.parameters(), max_norm)
    return loss.item()


def _steps_first(model, optimizer, x, y, max_norm=1.0):
    """Uses the gradient of the batch before."""
    optimizer.step()
    optimizer.zero_grad()
    loss = cross_entropy(model(x), y)
    loss.backward()
    clip_grad_norm_(model.parameters(), max_norm)
    return loss.item()


def _loss_after(model, optimizer, x, y, max_norm=1.0):
    training.train_step(model, optimizer, x, y, max_norm)
    return cross_entropy(model(x), y).item()


def _keeps_the_graph(model, optimizer, x, y, max_norm=1.0):
    """Returns the tensor: a list of losses then keeps every activation of the run alive."""
    optimizer.zero_grad()
    loss = cross_entropy(model(x), y)
    loss.backward()
    clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    return loss


topic.exercise(
    training.train_step,
    cases=[
        _stepping("one step"),
        _stepping("two steps on one batch", steps=2),
        _stepping("one step with max_norm 0.1, where the gradient is longer", scale=10.0, max_norm=0.1),
        _stepping("one step after another loss left its gradient in the model", stale=True),
        probe("the type of what is returned", _kind_of_loss),
        _stepping("ten steps with max_norm 0.5", steps=10, scale=3.0, max_norm=0.5),
    ],
    hints=(
        "Five lines: forget old gradients, compute the loss, backward, clip, step. Which of them must come before "
        "which?",
        "`optimizer.zero_grad()`, `loss = cross_entropy(model(x), y)`, `loss.backward()`, "
        "`clip_grad_norm_(model.parameters(), max_norm)`, `optimizer.step()`. Return `loss.item()`: a number, not a "
        "tensor that keeps the whole graph alive.",
    ),
    wrong={
        "gradients pile up": _never_zeroes,
        "zeroes before the step": _zeroes_before_the_step,
        "zeroes only after the step": _zeroes_after_the_step,
        "clips after the step": _clips_after_the_step,
        "steps before backward": _steps_first,
        "the loss after the update": _loss_after,
        "returns the graph": _keeps_the_graph,
    },
    minutes=8,
    level=1,
)


# 9.4


@contextmanager
def _own_dice():
    """What is drawn inside leaves PyTorch's, NumPy's and Python's generators as they were."""
    before = training.rng_state()
    try:
        yield
    finally:
        training.set_rng_state(before)


class _Run:
    """A small run whose every step draws a batch, and chance for dropout; Adam, so that the optimizer remembers."""

    def __init__(self, seed: int):
        torch.manual_seed(seed)
        self.model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Dropout(0.5), torch.nn.Linear(4, 1)).double()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.1)
        self.sampler = BatchSampler(1001, batch_size=4, context_length=10, seed=5)

    def go(self, steps: int) -> list[float]:
        losses = []
        for _ in range(steps):
            x = torch.tensor(next(self.sampler), dtype=torch.float64) / 1000
            loss = (self.model(x) - 1).square().mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(round(loss.item(), 9))
        return losses


def _resuming(label: str, look, *, keep=("data", "rng")):
    """The case of three steps, a checkpoint, and a new process that goes on; `look(run, returned)` is compared."""

    def run(function):
        with _own_dice(), tempfile.TemporaryDirectory() as folder:
            path, first = Path(folder, "run.pt"), _Run(seed=0)
            first.go(3)
            state = {"data": first.sampler.state_dict(), "rng": training.rng_state()}
            kept = {name: state[name] for name in keep}
            training.save_checkpoint(path, first.model, first.optimizer, 3, **kept)
            second = _Run(seed=1)
            return look(second, function(path, second.model, second.optimizer, second.sampler))

    return probe(label, run)


def _load_model_only(path, model, optimizer, sampler):
    step = training.load_checkpoint(path, model)
    state = training.checkpoint_state(path)
    sampler.load_state_dict(state["data"])
    training.set_rng_state(state["rng"])
    return step


def _no_place(path, model, optimizer, sampler):
    """Begins the data again."""
    step = training.load_checkpoint(path, model, optimizer)
    training.set_rng_state(training.checkpoint_state(path)["rng"])
    return step


def _no_dice(path, model, optimizer, sampler):
    step = training.load_checkpoint(path, model, optimizer)
    sampler.load_state_dict(training.checkpoint_state(path)["data"])
    return step


def _nothing_but_the_step(path, model, optimizer, sampler):
    return training.checkpoint_state(path)["step"]


def _takes_what_there_is(path, model, optimizer, sampler):
    """Restores what is in the file, and keeps silent about the rest."""
    state = training.checkpoint_state(path)
    step = training.load_checkpoint(path, model, optimizer)
    if "data" in state:
        sampler.load_state_dict(state["data"])
    if "rng" in state:
        training.set_rng_state(state["rng"])
    return step


def _dice_too_early(path, model, optimizer, sampler):
    """Draws once more after the generators were put back."""
    step = training.resume(path, model, optimizer, sampler)
    torch.rand(1)
    return step


topic.exercise(
    training.resume,
    cases=[
        _resuming("a new process: what is returned", lambda run, returned: returned),
        _resuming("a new process: the model's first bias", lambda run, _: run.model[0].bias.tolist()),
        _resuming("a new process: the next batch", lambda run, _: next(run.sampler).tolist()),
        _resuming("a new process: torch.rand(2)", lambda run, _: torch.rand(2).tolist()),
        _resuming("a new process: the losses of four more steps", lambda run, _: run.go(4)),
        _resuming("a file that keeps no data position", lambda run, returned: returned, keep=("rng",)),
        _resuming("a file that keeps no generators", lambda run, returned: returned, keep=("data",)),
    ],
    hints=(
        "`checkpoint_state(path)` gives everything beside model and optimizer as a dict; `load_checkpoint` puts the "
        "two back and returns the step. If `data` or `rng` is missing, raise a ValueError that says so.",
        "`step = load_checkpoint(path, model, optimizer)`, `sampler.load_state_dict(state['data'])`, "
        "`set_rng_state(state['rng'])`. The generators come last, so that nothing draws from them afterwards.",
    ),
    wrong={
        "a cold optimizer": _load_model_only,
        "the data from the beginning": _no_place,
        "other dice": _no_dice,
        "one draw too many": _dice_too_early,
        "the step and nothing else": _nothing_but_the_step,
        "silent about what is missing": _takes_what_there_is,
    },
    minutes=10,
    level=2,
)


# 9.5

_THREE = torch.tensor([0.5, 0.2, 0.3]).log()


def _drawn(function, logits, top_p: float, draws: int, seed: int = 0) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return [int(function(logits, top_p, generator=generator)) for _ in range(draws)]


def _which(top_p: float, draws: int = 200):
    """The case of the tokens that occur at all."""
    label = f"{draws} draws from probabilities [0.5, 0.2, 0.3] with top_p {top_p}: the tokens that occur"
    return probe(label, lambda function: sorted(set(_drawn(function, _THREE, top_p, draws))))


def _shares(function) -> dict[int, str]:
    """How often each token comes, in words where chance explains the difference: draws may differ, shares may not."""
    drawn = _drawn(function, _THREE, 0.7, 2000)
    expected = {0: 0.625, 1: 0.0, 2: 0.375}
    found = {token: drawn.count(token) / len(drawn) for token in expected}
    return {t: f"about {e}" if abs(found[t] - e) < 0.05 else f"{found[t]:.2f}" for t, e in expected.items()}


def _outside(function) -> list[int]:
    """Of a vocabulary of 60, what was drawn though the more probable ones have 0.8 together."""
    logits = 2 * _logits(60, seed=2)
    probabilities = logits.double().softmax(-1)
    drawn = _drawn(function, logits, 0.8, 300)
    return sorted({token for token in drawn if probabilities[probabilities > probabilities[token]].sum() >= 0.8})


def _seeded(function) -> dict[str, bool]:
    flat = torch.zeros(1000)
    with _own_dice():
        one, same, other = (_drawn(function, flat, 1.0, 8, seed) for seed in (1, 1, 2))
    return {"the same seed, the same tokens": one == same, "another seed, the same tokens": one == other}


def _nucleus(logits, top_p, generator, *, drop_where=None, undo=True, flat=False):
    """The reference, with a mistake to choose."""
    if not 0 < top_p <= 1:
        raise ValueError("top_p")
    probabilities, order = logits.double().softmax(-1).sort(descending=True, stable=True)
    total = probabilities.cumsum(0)
    drop = total - probabilities >= top_p if drop_where is None else drop_where(probabilities, total)
    drop[0] = False
    shares = torch.ones_like(probabilities) if flat else probabilities
    choice = torch.multinomial(shares.masked_fill(drop, 0), 1, generator=generator)
    return int(order[choice] if undo else choice)


def _drops_the_crossing_one(logits, top_p, *, generator=None):
    """Stays below top_p: keeps tokens while the sum, this one included, is at most top_p."""
    return _nucleus(logits, top_p, generator, drop_where=lambda p, total: total > top_p)


def _rank_for_token(logits, top_p, *, generator=None):
    """Returns the place in the sorted list."""
    return _nucleus(logits, top_p, generator, undo=False)


def _in_order_of_ids(logits, top_p, *, generator=None):
    """Sums up in the order of the vocabulary."""
    probabilities = logits.double().softmax(-1)
    probabilities[probabilities.cumsum(0) - probabilities >= top_p] = 0
    return int(torch.multinomial(probabilities, 1, generator=generator))


def _a_threshold(logits, top_p, *, generator=None):
    """Keeps what has more than 1 − top_p by itself."""
    return _nucleus(logits, top_p, generator, drop_where=lambda p, total: p <= 1 - top_p)


def _uniform_in_nucleus(logits, top_p, *, generator=None):
    """Forgets the probabilities once it has the set."""
    return _nucleus(logits, top_p, generator, flat=True)


def _global_dice(logits, top_p, *, generator=None):
    return _nucleus(logits, top_p, None)


def _takes_any_top_p(logits, top_p, *, generator=None):
    return _nucleus(logits, min(max(top_p, 1e-9), 1.0), generator)


topic.exercise(
    training.sample_top_p,
    cases=[
        call(torch.tensor([0.0, 5.0, 1.0]), 0.5),
        _which(0.4),
        _which(0.7),
        _which(0.9),
        _which(1.0),
        probe("2000 draws from probabilities [0.5, 0.2, 0.3] with top_p 0.7: the shares", _shares),
        probe("300 draws from 60 tokens with top_p 0.8: drawn although outside the nucleus", _outside),
        probe("generator", _seeded),
        call(torch.tensor([0.0, 1.0]), 0.0),
        call(torch.tensor([0.0, 1.0]), 1.5),
    ],
    hints=(
        "Softmax, sort descending, cumulative sum. A token stays if the tokens *before* it have less than top_p "
        "together: so the one that crosses top_p stays, and the first always does.",
        "`probabilities, order = softmax(logits.double()).sort(descending=True)`; set the others to 0; "
        "`torch.multinomial(probabilities, 1, generator=generator)` draws a place in the sorted list, and "
        "`order[place]` is the token. It does not mind that the rest no longer sums to 1.",
    ),
    wrong={
        "drops the token that crosses top_p": _drops_the_crossing_one,
        "a rank instead of a token": _rank_for_token,
        "forgets to sort": _in_order_of_ids,
        "a threshold on each probability": _a_threshold,
        "all of the nucleus alike": _uniform_in_nucleus,
        "ignores the generator": _global_dice,
        "takes any top_p": _takes_any_top_p,
    },
    minutes=12,
    level=2,
)


# Predictions


topic.prediction(
    "perplexity",
    answer=1024.0,
    tolerance=0.02,
    why="Nothing known means all tokens alike: −ln(1/1024) = ln 1024 nats, and e to that is 1024.",
    remarks={6.93: "That is the loss, ln 1024. Perplexity is e to that.", 10: "That is the loss in bits, log₂ 1024."},
)
topic.prediction(
    "left_out",
    answer="rng",
    why="This model has no dropout, and BatchSampler makes its order from seed and position: nothing here draws from "
    "the global generators. With dropout the same checkpoint would not be enough.",
    remarks={
        "step": "The schedule reads the step: without it the run warms up again.",
        "data": "Without its place the loader begins again with the first batch.",
        "optimizer": "Without its averages AdamW starts cold, in the middle of the run.",
        "model": "Then everything that was learnt is gone.",
    },
)
topic.prediction(
    "gallery",
    answer="CEBDA",
    why="Look at what each mistake lets the model do, not at how bad the curve looks: the table below says it.",
)
topic.prediction(
    "cache",
    answer=119,
    why="The prompt once, 20 positions, and then one position for each token that is fed back: 20 + 99.",
    remarks={
        120: "The last token is written, but never read.",
        6950: "That is without the cache: 20 + 21 + … + 119.",
        100: "The prompt has to be read, too.",
    },
)


# Quiz


topic.question(
    "Why does cross-entropy subtract the largest logit, and why does that change neither value nor gradient?",
    "exp(89) overflows in float32. Subtracting one number from all logits multiplies every exp by the same factor, "
    "which cancels in the share.",
)
topic.question(
    "Two models with different tokenizers have losses of 3.1 and 3.4 nats a token. Which one is better?",
    "Nobody can say. Compare bits per byte: loss · tokens / bytes / ln 2.",
)
topic.question(
    "Your model's first loss is 9.2 with a vocabulary of 1,024. What do you look at?",
    "ln 1024 is 6.9, and a model that knows nothing should be there. 9.2 is confident and wrong: the initialization of "
    "the head or of the embedding, or logits of a wrong scale.",
)
topic.question(
    "Why is the micro-batch's loss divided by the number of micro-batches?",
    "backward adds up gradients. The sum of the parts' means is too long by that number; divided, it is the gradient "
    "of the large batch's mean.",
)
topic.question(
    "The training loss falls below the bigram baseline in fifty steps and then to 0.01. Is that good news?",
    "No: the answer is in the input. Look at the shift of the targets and at the causal mask.",
)
topic.question(
    "Name everything that a checkpoint must hold so that resume equals no-stop.",
    "Parameters, the optimizer's state, the step (and with it the schedule), the position in the data, the random "
    "generators; in the middle of an accumulation the partial gradients, and with fp16 the loss scale.",
)
topic.question(
    "Why does fp16 need a GradScaler and bf16 none?",
    "fp16 has no number below 6e-8: small gradients become 0. bf16 has float32's exponents, and fewer digits.",
)
topic.question(
    "What does top-p do where the model is certain, and where it is not? And top-k?",
    "Top-p keeps few tokens where few have the mass, and many where many share it. Top-k keeps k in both places.",
)
topic.question(
    "What does a KV cache save, and what does it cost?",
    "The past's keys and values are not computed again: each new token costs one position. It costs memory, "
    "2 · layers · kv heads · d_head numbers for each position.",
)
topic.question(
    "Data parallelism or FSDP: what does each keep on every GPU?",
    "Data parallelism keeps the whole model, its gradients and the optimizer's state on each, and averages gradients. "
    "FSDP keeps a share of each and gathers a layer's weights when it is their turn.",
)
