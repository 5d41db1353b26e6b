"""Batches against plain Python lists and torch's DataLoader."""

import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lmcourse.data_loading import (
    BatchSampler,
    batch_at,
    document_mask,
    get_batch,
    open_tokens,
    prefetch,
    read_windows,
    write_tokens,
)


@given(st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), min_size=1, max_size=3))
def test_the_mask_lets_a_query_see_back_to_the_start_of_its_document(rows):
    mask = document_mask(torch.tensor(rows), end_of_text=0)
    for row, seen in zip(rows, mask):
        for query in range(6):
            for key in range(6):
                assert seen[query, key] == (key <= query and 0 not in row[key:query])


@given(st.integers(2, 40), st.integers(1, 12), st.integers(1, 6), st.integers(0, 100))
def test_a_batch_is_what_a_plain_loop_over_a_list_gives(length, context_length, batch_size, seed):
    ids = list(range(100, 100 + length))
    tokens = np.array(ids, dtype=np.uint16)
    generator = torch.Generator().manual_seed(seed)
    if length < context_length + 1:
        with pytest.raises(ValueError, match=f"tokens: {context_length + 1} or more"):
            get_batch(tokens, batch_size, context_length, generator=generator)
        return
    x, y = get_batch(tokens, batch_size, context_length, generator=generator)
    starts = torch.randint(length - context_length, (batch_size,), generator=torch.Generator().manual_seed(seed))
    assert x.tolist() == [ids[s : s + context_length] for s in starts]
    assert y.tolist() == [ids[s + 1 : s + context_length + 1] for s in starts]
    assert x.dtype == y.dtype == torch.int64
    y.view(-1), x.view(-1)  # contiguous, as a loss wants them
    x += 1  # and not one memory: masking inputs leaves targets alone
    assert y.tolist() == [ids[s + 1 : s + context_length + 1] for s in starts]


def test_every_start_occurs_and_equally_often():
    tokens = np.arange(11)
    x, y = get_batch(tokens, 70_000, 4, generator=torch.Generator().manual_seed(0))
    counts = torch.bincount(x[:, 0])
    assert len(counts) == 7 and y.max() == 10  # starts 0 ... 6 = n - T - 1, and the last target is the last token
    assert ((counts - 10_000).abs() < 500).all()  # five standard deviations of a binomial count: 463


def test_equal_batches_to_the_dataloader_of_an_in_memory_dataset(tmp_path):
    ids = np.random.default_rng(0).integers(0, 50_257, 4001)
    write_tokens(tmp_path / "tokens.npy", ids, 50_257)

    class Windows(torch.utils.data.Dataset):
        def __init__(self):
            self.ids = torch.from_numpy(ids)

        def __len__(self):
            return 4000 // 16

        def __getitem__(self, window):
            return self.ids[16 * window : 16 * window + 16], self.ids[16 * window + 1 : 16 * window + 17]

    tokens = open_tokens(tmp_path / "tokens.npy")
    sampler = BatchSampler(len(tokens), 10, 16, order="shuffled", seed=3)
    windows = [[int(s) // 16 for s in next(sampler)] for _ in range(len(sampler))]
    sampler = BatchSampler(len(tokens), 10, 16, order="shuffled", seed=3)
    loader = torch.utils.data.DataLoader(Windows(), batch_sampler=windows)
    for theirs in loader:
        ours = batch_at(tokens, next(sampler), 16)
        assert all((a == b).all() and a.dtype == b.dtype for a, b in zip(ours, theirs))


def test_windows_that_do_not_fit_and_tokens_that_are_none_are_refused():
    tokens = np.arange(10)
    assert read_windows(tokens, np.array([7]), 3).tolist() == [[7, 8, 9]]
    for starts in ([8], [-1], [0, 8]):
        with pytest.raises(ValueError, match="starts: 0 to 7 for windows of 3"):
            read_windows(tokens, np.array(starts), 3)
    for wrong in (np.zeros(10), np.zeros((2, 5), dtype=int), list(range(10)), torch.arange(10)):
        with pytest.raises(TypeError, match="tokens: a one-dimensional NumPy array of integers"):
            read_windows(wrong, np.array([0]), 3)


@given(st.integers(1, 30), st.integers(1, 4), st.booleans(), st.sampled_from([np.uint8, np.uint16, np.int64]))
def test_the_fast_view_is_the_plain_one(size, step, backwards, dtype):
    tokens = np.arange(200).astype(dtype)[:: -step if backwards else step]
    plain = np.lib.stride_tricks.sliding_window_view(tokens, size)
    every = read_windows(tokens, np.arange(len(plain)), size)
    assert every.dtype == dtype and np.array_equal(every, plain)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_batches_on_cuda_equal_those_on_the_cpu():
    tokens = np.random.default_rng(0).integers(0, 50_257, 100_000).astype(np.uint16)
    for seed in range(20):
        there = get_batch(tokens, 8, 64, "cuda", generator=torch.Generator().manual_seed(seed))
        here = get_batch(tokens, 8, 64, generator=torch.Generator().manual_seed(seed))
        assert all(t.is_cuda and (t.cpu() == h).all() for t, h in zip(there, here))


def test_prefetching_changes_neither_the_batches_nor_the_errors():
    assert list(prefetch(iter(range(1000)), depth=3)) == list(range(1000))
    assert list(prefetch([])) == []

    def failing():
        yield 1
        yield 2
        raise RuntimeError("no third batch")

    received = []
    with pytest.raises(RuntimeError, match="no third"):
        for batch in prefetch(failing(), depth=4):
            received.append(batch)
    assert received == [1, 2]
    with pytest.raises(ValueError, match="depth"):
        next(prefetch([1], depth=0))


def test_a_prefetcher_that_is_left_early_ends_its_thread():
    import threading

    drawn = []
    for batch in prefetch((drawn.append(i) or i for i in range(100)), depth=2):
        if batch == 5:
            break
    del batch
    time.sleep(0.1)
    assert len(drawn) <= 9
    assert not [t for t in threading.enumerate() if t.name.startswith("ThreadPoolExecutor")]
