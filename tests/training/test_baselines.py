"""Counting models, held against the sums written out. Run: pytest tests/training/test_baselines.py"""

import math
from itertools import pairwise

import numpy as np
import pytest

from lmcourse.training.baselines import count_baselines


def test_they_are_the_sums_written_out():
    generator = np.random.default_rng(0)
    learn, valid = (generator.integers(0, 5, size=n).astype(np.uint16) for n in (300, 40))
    single = [(np.sum(learn == v) + 1) / (len(learn) + 5) for v in range(5)]
    unigram = bigram = 0.0
    for a, b in pairwise(valid):
        unigram -= math.log(single[b])
        pair = sum(1 for c, d in pairwise(learn) if (c, d) == (a, b))
        bigram -= math.log((pair + 20 * single[b]) / (np.sum(learn[:-1] == a) + 20))
    found = count_baselines(learn, valid, 5)
    assert found["ln V"] == math.log(5)
    assert found["unigram"] == pytest.approx(unigram / 39) and found["bigram"] == pytest.approx(bigram / 39)


def test_what_follows_always_costs_next_to_nothing():
    tokens = np.tile(np.arange(7, dtype=np.uint8), 2000)
    found = count_baselines(tokens, tokens, 7)
    assert found["bigram"] < 0.05 < 1.9 < found["unigram"] == pytest.approx(math.log(7), rel=1e-3)


def test_unseen_pairs_and_tokens_are_finite():
    found = count_baselines(np.zeros(100, dtype=np.uint8), np.array([0, 1, 2], dtype=np.uint8), 3)
    assert all(math.isfinite(nats) for nats in found.values())


def test_bad_input_is_named():
    tokens = np.zeros(10, dtype=np.uint8)
    with pytest.raises(ValueError, match="valid"):
        count_baselines(tokens, tokens[:1], 3)
    with pytest.raises(ValueError, match="vocab_size"):
        count_baselines(tokens, tokens + 3, 3)
