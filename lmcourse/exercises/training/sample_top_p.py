"""Exercise 9.11, sample_top_p: cases, hints, typical wrong answers."""

from collections.abc import Iterator

import torch

from lmcourse import training
from lmcourse.exercises.cases import Within, call, noise, probe
from lmcourse.exercises.topic import Topic
from lmcourse.exercises.training.resume import own_dice


def _drawn(function, logits, top_p: float, draws: int, seed: int = 0) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return [int(function(logits, top_p, generator=generator)) for _ in range(draws)]


def _which(shares: tuple[float, ...], top_p: float):
    """The case of the tokens that occur at all; the rarest of them has more than a tenth of what is left."""
    label = f"200 draws from probabilities {list(shares)} with top_p {top_p}: the tokens that occur"
    return probe(label, lambda function: sorted(set(_drawn(function, torch.tensor(shares).log(), top_p, 200))))


def _how_many(size: int, kept: int):
    """The case of equal logits and a top_p that is reached exactly: which tokens stay is not said, how many is."""
    label = f"200 draws from {size} equal logits with top_p {kept / size}: how many tokens occur"
    return probe(label, lambda function: len(set(_drawn(function, torch.zeros(size), kept / size, 200))))


def _share(token: int, wanted: float):
    """The case of how often a token comes, within what chance allows: draws may differ, shares may not."""
    label = f"2000 draws from probabilities [0.5, 0.2, 0.3] with top_p 0.7: the share of token {token}"
    logits = (0.5, 0.2, 0.3)
    share = lambda function: _drawn(function, torch.tensor(logits).log(), 0.7, 2000).count(token) / 2000  # noqa: E731
    return probe(label, share, want=Within(wanted, 0.06, "share"))


def _outside(function) -> list[int]:
    """Of a vocabulary of 60, what was drawn though the more probable ones have 0.8 together."""
    logits = 2 * noise(60, seed=2)
    probabilities = logits.double().softmax(-1)
    drawn = _drawn(function, logits, 0.8, 200)
    return sorted({token for token in drawn if probabilities[probabilities > probabilities[token]].sum() >= 0.8})


def _seeded(function) -> dict[str, bool]:
    """What depends on which generator, and what is left alone."""
    flat = torch.zeros(1000)
    with own_dice():
        torch.manual_seed(1)
        before = torch.get_rng_state()
        one, same, other = (_drawn(function, flat, 1.0, 8, seed) for seed in (1, 1, 2))
        alone = torch.equal(torch.get_rng_state(), before)
        first = [int(function(flat, 1.0)) for _ in range(8)]
        torch.set_rng_state(before)
        again = [int(function(flat, 1.0)) for _ in range(8)]
    return {
        "the same seed, the same tokens": one == same, "another seed, the same tokens": one == other,
        "PyTorch's generator left alone": alone, "without one: PyTorch's generator": first == again,
    }  # fmt: skip


def _top_p_cases() -> Iterator:
    yield call(torch.tensor([0.0, 5.0, 1.0]), 0.5)
    for top_p in (0.0, -0.1, 1.001, 1.5):
        yield call(torch.tensor([0.0, 1.0]), top_p)
    yield from (_how_many(size, kept) for size, kept in ((1, 1), (2, 1), (2, 2), (4, 1), (4, 2), (4, 3), (4, 4)))
    for shares in ((0.5, 0.2, 0.3), (0.2, 0.8), (0.15, 0.25, 0.6), (0.1, 0.2, 0.3, 0.4)):
        yield from (_which(shares, top_p) for top_p in (0.05, 0.35, 0.55, 0.75, 0.95, 1.0))
    yield probe("the generator that is given, or PyTorch's own", _seeded)
    yield probe("200 draws from 60 tokens with top_p 0.8: those outside the nucleus", _outside)
    yield from (_share(token, wanted) for token, wanted in enumerate((0.625, 0.0, 0.375)))


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


def _one_more(logits, top_p, *, generator=None):
    """Keeps the next token where the sum has reached top_p exactly."""
    return _nucleus(logits, top_p, generator, drop_where=lambda p, total: total - p > top_p)


def _rank_for_token(logits, top_p, *, generator=None):
    """Returns the place in the sorted list."""
    return _nucleus(logits, top_p, generator, undo=False)


def _in_order_of_ids(logits, top_p, *, generator=None):
    """Sums up in the order of the vocabulary."""
    _nucleus(logits, top_p, torch.Generator())  # refuses what is out of range
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


def declare(topic: Topic) -> None:
    """Declare the exercise sample_top_p."""
    topic.exercise(
        training.sample_top_p,
        cases=_top_p_cases,
        hints=(
            "Softmax, sort descending, cumulative sum. A token stays if the tokens *before* it have less than top_p "
            "together: so the one that crosses top_p stays, and the first always does.",
            "`probabilities, order = softmax(logits.double()).sort(descending=True)`; set the others to 0; "
            "`torch.multinomial(probabilities, 1, generator=generator)` draws a place in the sorted list, and "
            "`order[place]` is the token. It does not mind that the rest no longer sums to 1.",
        ),
        wrong={
            "drops the token that crosses top_p": _drops_the_crossing_one,
            "keeps one more where top_p is reached exactly": _one_more,
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
