"""OMP_NUM_THREADS=1 pytest tests/training/test_sampling.py

Oracles: the model asked again for every token, without a cache; a nucleus counted with fractions; frequencies.
"""

import math
from collections import Counter
from fractions import Fraction
from unittest import mock

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lmcourse.model import ModelConfig, TransformerLM
from lmcourse.training.sampling import generate, next_token, sample_top_p, stream, top_k_only

CONTEXT = 8


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = ModelConfig(30, CONTEXT, d_model=32, num_layers=2, num_heads=4, d_ff=64, num_kv_heads=2)
    model = TransformerLM(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)  # sure of what it says, so that a wrong position would show
    return model


def without_cache(model, ids, count):
    """The most probable tokens, the whole window computed anew for each; the window halves when it is full."""
    ids, begin = list(ids), max(0, len(ids) - CONTEXT)
    for _ in range(count):
        if len(ids) - begin > CONTEXT:
            begin = len(ids) - CONTEXT // 2
        with torch.no_grad():
            ids.append(int(model(torch.tensor([ids[begin:]]))[0, -1].argmax()))
    return ids


@pytest.mark.parametrize("length", [1, 3, CONTEXT - 1, CONTEXT, CONTEXT + 5])
def test_the_cache_changes_nothing_within_the_context_and_past_it(model, length):
    prompt = [(7 * i) % 30 for i in range(length)]
    assert generate(model, prompt, 30, temperature=0) == without_cache(model, prompt, 30)


def test_greedy_is_top_k_of_1_and_a_tiny_top_p_and_a_tiny_temperature(model):
    greedy = generate(model, [1, 2], 20, temperature=0)
    assert generate(model, [1, 2], 20, top_k=1) == greedy
    assert generate(model, [1, 2], 20, top_p=1e-9) == greedy
    for temperature in (1e-30, 1e-46, 5e-324):  # the last ones are 0 in float32
        assert generate(model, [1, 2], 20, temperature=temperature, seed=1) == greedy


def test_a_seed_draws_the_same_and_leaves_the_global_generator_alone(model):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = generate(model, [1], 20, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert generate(model, [1], 20, seed=3) == first != generate(model, [1], 20, seed=4)
    drawn = generate(model, [1], 20)
    torch.manual_seed(5)
    assert generate(model, [1], 20) == drawn


def test_it_stops_after_the_stop_token_and_keeps_the_mode(model):
    free = generate(model, [1], 20, seed=0)
    stop = free[4]
    assert generate(model, [1], 20, seed=0, stop=stop) == free[: free.index(stop, 1) + 1]
    for training in (True, False):
        model.train(training)
        generate(model, [1], 2)
        next(stream(model, [1], 2))  # and is then left alone
        assert model.training == training
    assert generate(model, iter([1, 2]), 0) == [1, 2]


def nucleus(weights, top_p):
    """The same set, from exact fractions."""
    total, kept, mass = sum(weights), [], Fraction(0)
    for i in sorted(range(len(weights)), key=lambda i: (-weights[i], i)):
        if kept and mass >= top_p:
            break
        kept.append(i)
        mass += Fraction(weights[i], total)
    return set(kept)


def can_be_drawn(logits, top_p):
    """All tokens that sample_top_p returns, whatever the chance: `multinomial` gets each place that is not zero."""
    places, tokens = [0], set()

    def multinomial(probabilities, count, generator=None):
        places[:] = probabilities.nonzero().flatten().tolist()
        return torch.tensor([place])

    with mock.patch("torch.multinomial", multinomial):
        for place in range(len(logits)):
            token = sample_top_p(logits, top_p)
            if place in places:
                tokens.add(token)
    return tokens


@given(st.lists(st.integers(1, 50), min_size=1, max_size=12), st.integers(1, 1000))
def test_the_nucleus_is_the_smallest_set_that_reaches_p(weights, thousandths):
    total, mass = sum(weights), Fraction(0)
    for weight in sorted(weights, reverse=True):
        mass += Fraction(weight, total)
        if abs(mass - Fraction(thousandths, 1000)) < Fraction(1, 10**9):
            return  # a tie that rounding decides
    assert can_be_drawn(torch.tensor(weights, dtype=torch.float64).log(), thousandths / 1000) == nucleus(
        weights, Fraction(thousandths, 1000)
    )


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=10), st.integers(1, 12))
def test_top_k_keeps_k_and_the_largest(values, k):
    kept = top_k_only(torch.tensor(values, dtype=torch.float32), k)
    finite = kept[kept.isfinite()].tolist()
    assert sorted(finite, reverse=True) == sorted(values, reverse=True)[:k]


def test_tokens_come_as_often_as_they_should():
    logits, generator = torch.tensor([0.5, 0.3, 0.15, 0.05]).log(), torch.Generator().manual_seed(0)
    draws, count = Counter(sample_top_p(logits, 0.8, generator=generator) for _ in range(4000)), 4000
    assert set(draws) == {0, 1}
    assert abs(draws[0] / count - 0.5 / 0.8) < 4 * math.sqrt(0.25 / count)
    hot = Counter(next_token(logits, temperature=2.0, top_k=3, generator=generator) for _ in range(4000))
    roots = [math.sqrt(p) for p in (0.5, 0.3, 0.15)]  # temperature 2 takes the square root of every probability
    assert set(hot) == {0, 1, 2}
    for token, root in enumerate(roots):
        assert abs(hot[token] / count - root / sum(roots)) < 4 * math.sqrt(0.25 / count)


def test_logits_that_would_overflow():
    assert next_token(torch.tensor([3e38, -3e38, 0.0]), temperature=1e-3) == 0
    assert next_token(torch.tensor([60000.0, 1.0], dtype=torch.float16), temperature=0.5) == 0
    assert next_token(torch.tensor([-math.inf, 0.0])) == 1


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"ids": []}, "ids: at least one token"),
        ({"ids": [30]}, "ids: 0 to 29"),
        ({"ids": [-1]}, "ids: 0 to 29"),
        ({"max_new_tokens": -1}, "max_new_tokens: a whole number of 0 or more, got -1"),
        ({"max_new_tokens": 2.5}, "max_new_tokens"),
        ({"temperature": -1}, "temperature: a finite number of 0 or more, got -1"),
        ({"temperature": math.nan}, "temperature"),
        ({"top_k": 0}, "top_k: a whole number of 1 or more, got 0"),
        ({"top_p": 0}, "top_p: more than 0 and at most 1, or None, got 0"),
        ({"top_p": 1.5}, "top_p"),
    ],
)
def test_bad_arguments_are_refused_by_name_and_at_once(model, arguments, message):
    arguments = {"ids": [1], "max_new_tokens": 3} | arguments
    for function in (generate, stream):
        with pytest.raises((TypeError, ValueError), match=message):
            function(model, **arguments)
    with pytest.raises(ValueError, match="top_p: more than 0"):
        sample_top_p(torch.zeros(3), 0.0)
