"""Every window once an epoch, in any number of ranks, from any place."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmcourse.data_loading import BatchSampler, count_tokens_seen, next_windows, shard, shuffled, window_at


@pytest.mark.parametrize("size", [*range(1, 70), 127, 128, 129, 1000, 4095, 4096, 4097])
def test_shuffled_is_a_permutation(size):
    for seed in (0, 7, (3, 4)):
        assert sorted(shuffled(np.arange(size), size, seed).tolist()) == list(range(size))


@given(st.integers(1, 2**40), st.integers(0, 2**62), st.data())
def test_shuffled_of_a_part_is_that_part_of_the_whole(size, seed, data):
    indices = np.array(data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=8, unique=True)))
    together = shuffled(indices, size, seed)
    assert together.tolist() == [int(shuffled(indices[i : i + 1], size, seed)[0]) for i in range(len(indices))]
    assert len(set(together.tolist())) == len(indices) and 0 <= together.min() <= together.max() < size


@pytest.mark.parametrize("size", [3, 5, 17, 64])
def test_every_place_and_every_pair_of_neighbours_is_equally_likely(size):
    pairs = np.zeros((size, size))
    for seed in range(1000):
        a, b = shuffled(np.arange(2), size, (seed, 1))
        pairs[a, b] += 1
    for counts in (pairs.sum(1), pairs.sum(0), pairs[~np.eye(size, dtype=bool)]):
        expected = counts.sum() / len(counts)
        chi_squared = ((counts - expected) ** 2 / expected).sum()
        freedom = len(counts) - 1
        assert (
            chi_squared < freedom + 5 * (2 * freedom) ** 0.5 + 10
        )  # beyond it in less than 1 of 100,000 fair shuffles


def test_shuffled_refuses_what_is_out_of_range():
    for indices in ([-1], [10], [0, 11]):
        with pytest.raises(ValueError, match="indices: 0 to 9"):
            shuffled(np.array(indices), 10, 0)


@given(
    num_tokens=st.integers(2, 400),
    context_length=st.integers(1, 20),
    batch_size=st.integers(1, 5),
    world_size=st.integers(1, 4),
    order=st.sampled_from(["shuffled", "sequential"]),
    seed=st.integers(0, 1000),
)
def test_the_ranks_together_see_every_window_exactly_once_an_epoch(
    num_tokens, context_length, batch_size, world_size, order, seed
):
    if num_tokens <= context_length:
        return
    ranks = [
        BatchSampler(num_tokens, batch_size, context_length, order=order, seed=seed, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    one = BatchSampler(num_tokens, batch_size * world_size, context_length, order=order, seed=seed)
    stream = []
    for _ in range(2 * len(one)):
        parts = [next(rank) for rank in ranks]
        assert np.concatenate(parts).tolist() == next(one).tolist()
        stream += np.concatenate(parts).tolist()
    windows = one.num_windows
    for epoch in range(len(stream) // windows):
        starts = stream[epoch * windows : (epoch + 1) * windows]
        assert len(set(starts)) == windows
        assert count_tokens_seen(starts, context_length, num_tokens) == num_tokens - 1  # nothing is lost
        assert min(starts) == 0 and max(starts) == num_tokens - context_length - 1


@given(st.integers(0, 60), st.integers(0, 2**31), st.sampled_from(BatchSampler.ORDERS))
def test_a_sampler_goes_on_from_any_place_as_if_it_had_not_stopped(steps, seed, order):
    whole = BatchSampler(501, 3, 7, order=order, seed=seed)
    for _ in range(steps):
        next(whole)
    state = json.loads(json.dumps(whole.state_dict()))
    again = BatchSampler(501, 3, 7, order=order, seed=seed)
    again.load_state_dict(state)
    assert [next(again).tolist() for _ in range(30)] == [next(whole).tolist() for _ in range(30)]


@pytest.mark.parametrize("order", BatchSampler.ORDERS)
def test_a_run_of_two_ranks_goes_on_as_one_rank_or_four(order):
    two = [BatchSampler(1000, 4, 10, order=order, rank=rank, world_size=2) for rank in range(2)]
    for sampler in two:
        for _ in range(9):
            next(sampler)
    state = two[0].state_dict()
    assert state == two[1].state_dict()
    want = [np.concatenate([next(sampler) for sampler in two]).tolist() for _ in range(5)]
    one = BatchSampler(1000, 8, 10, order=order)
    one.load_state_dict(state)
    assert [next(one).tolist() for _ in range(5)] == want
    four = [BatchSampler(1000, 2, 10, order=order, rank=rank, world_size=4) for rank in range(4)]
    for sampler in four:
        sampler.load_state_dict(state)
    assert [np.concatenate([next(s) for s in four]).tolist() for _ in range(5)] == want


@pytest.mark.parametrize("num_windows", [1, 2, 5, 100, 1000])
def test_the_sampler_gives_in_one_step_what_next_windows_gives_one_by_one(num_windows):
    sampler = BatchSampler(10 * num_windows + 1, 7, 10, seed=2)
    for step in range(60):
        assert next(sampler).tolist() == (10 * next_windows(7 * step, 7, num_windows, seed=2)).tolist()


def test_a_place_far_away_is_found_at_once():
    assert 0 <= window_at(10**12 + 5, 10**9, seed=4) < 10**9


def test_epochs_differ_and_seeds_differ():
    epochs = [next_windows(100 * e, 100, 100, seed).tolist() for seed in (0, 1) for e in range(3)]
    assert len({tuple(e) for e in epochs}) == 6


def test_random_order_is_with_replacement_and_covers_63_per_cent():
    sampler = BatchSampler(100_001, 100, 10, order="random", seed=1)
    starts = np.concatenate([next(sampler) for _ in range(len(sampler))])
    assert starts.min() >= 0 and starts.max() <= 100_001 - 11
    assert len(set(starts.tolist())) < len(starts)
    seen = count_tokens_seen(starts, 10, 100_001) / 100_000
    assert abs(seen - (1 - np.exp(-1))) < 0.01
    thirds = np.bincount(starts // 33_334, minlength=3) / len(starts)
    assert (abs(thirds - 1 / 3) < 0.025).all()  # five standard deviations


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.int64, np.uint64])
def test_count_tokens_seen_equals_a_set_of_positions_in_every_dtype(kind):
    rng, top = np.random.default_rng(0), min(np.iinfo(kind).max, 40_000)
    for _ in range(20):
        starts = rng.integers(top - 80, top, rng.integers(0, 20)).astype(kind)
        want = {s + 1 + j for s in starts.tolist() for j in range(7)}
        assert count_tokens_seen(starts, kind(7), top + 100) == len(want)


def test_shard_gives_every_place_to_one_rank():
    for world_size in (1, 2, 3, 8):
        places = [p for rank in range(world_size) for p in shard(40, 5, rank, world_size)]
        assert places == list(range(40, 40 + 5 * world_size))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"order": "reversed"}, "order: shuffled, sequential or random, got 'reversed'"),
        ({"rank": 2, "world_size": 2}, "rank: a whole number from 0 to 1, got 2"),
        ({"rank": -1}, "rank: .*, got -1"),
        ({"batch_size": 0}, "batch_size: a whole number of 1 or more, got 0"),
        ({"seed": -1}, "seed: a whole number of 0 or more"),
        ({"num_tokens": 10}, "num_tokens: a whole number of 11 or more, got 10"),
    ],
)
def test_a_sampler_refuses_bad_arguments_by_name(change, words):
    arguments = {"num_tokens": 1000, "batch_size": 4, "context_length": 10} | change
    with pytest.raises(ValueError, match=words):
        BatchSampler(**arguments)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 9}, r"state\['seed'\]: 0, as this sampler has, got 9"),
        ({"num_tokens": 999}, r"state\['num_tokens'\]: 1000"),
        ({"order": "random"}, r"state\['order'\]: 'shuffled'"),
        ({"position": -4}, r"state\['position'\]: a whole number of 0 or more, got -4"),
        ({"position": 1.5}, r"state\['position'\]: a whole number"),
        ({"extra": 1}, "state: the keys"),
    ],
)
def test_a_sampler_refuses_a_foreign_state(change, words):
    sampler = BatchSampler(1000, 4, 10)
    with pytest.raises((ValueError, TypeError), match=words):
        sampler.load_state_dict(sampler.state_dict() | change)


@pytest.mark.parametrize("kind", [np.int16, np.uint8, np.int64])
def test_a_sampler_takes_numpys_integers_and_keeps_plain_ones(kind):
    plain = BatchSampler(num_tokens=100, batch_size=40, context_length=3, seed=5)
    sampler = BatchSampler(kind(100), kind(40), kind(3), seed=kind(5))
    assert [next(sampler).tolist() for _ in range(20)] == [next(plain).tolist() for _ in range(20)]
    assert json.loads(json.dumps(sampler.state_dict())) == plain.state_dict()
