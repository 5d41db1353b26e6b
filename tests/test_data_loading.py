"""OMP_NUM_THREADS=1 pytest tests/test_data_loading.py

Oracles: np.load, torch's DataLoader, plain Python lists, and the operating system's own counts.
"""

import json
import multiprocessing
import os
import random
import shutil
import sys
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lmcourse import data_loading as dl
from lmcourse.data_loading import (
    BatchSampler,
    batch_at,
    cached_pages,
    count_tokens_seen,
    document_mask,
    drop_from_cache,
    encode_documents,
    get_batch,
    open_tokens,
    pages_of,
    prefetch,
    process_memory,
    read_windows,
    release_pages,
    resume,
    shard,
    shuffled,
    token_dtype,
    write_tokens,
)
from lmcourse.support.files import _sync_folder, replacing

MB = 1 << 20
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux about its pages")


# Token files


@given(st.integers(1, 2**32), st.data())
@settings(max_examples=60, deadline=None)
def test_numpy_reads_what_was_written(tmp_path_factory, vocab_size, data):
    ids = data.draw(st.lists(st.integers(0, vocab_size - 1), min_size=1, max_size=50))
    path = tmp_path_factory.mktemp("tokens") / "tokens.npy"
    assert write_tokens(path, iter(ids), vocab_size) == len(ids)
    assert np.load(path).tolist() == ids == open_tokens(path, vocab_size=vocab_size).tolist()
    assert np.load(path).dtype == np.min_scalar_type(vocab_size - 1) == token_dtype(vocab_size)


@pytest.mark.parametrize("count", [1, dl.CHUNK - 1, dl.CHUNK, dl.CHUNK + 1, 3 * dl.CHUNK])
def test_chunks_leave_no_seam_and_the_file_is_what_np_save_makes(tmp_path, count):
    ids = np.random.default_rng(0).integers(0, 50_257, count)
    write_tokens(tmp_path / "list.npy", ids.tolist(), 50_257)
    write_tokens(tmp_path / "array.npy", ids, 50_257)
    np.save(tmp_path / "numpy.npy", ids.astype(np.uint16))
    assert (tmp_path / "list.npy").read_bytes() == (tmp_path / "array.npy").read_bytes()
    assert (np.load(tmp_path / "list.npy") == np.load(tmp_path / "numpy.npy")).all()


def test_writing_takes_constant_memory(tmp_path):
    ids = (i & 0xFFFF for i in range(2_000_000))
    before, peak = process_memory().resident, 0

    def watched():
        nonlocal peak
        for i, token in enumerate(ids):
            if i % 100_000 == 0:
                peak = max(peak, process_memory().resident)
            yield token

    write_tokens(tmp_path / "big.npy", watched(), 65_536)
    assert peak - before < 8 * MB  # the ids as Python ints would take 16 MB for the list alone


@pytest.mark.parametrize(
    ("ids", "error", "words"),
    [
        ([1, 70_000], ValueError, "ids[1] is 70000"),
        ([-1], ValueError, "ids[0] is -1"),
        (np.array([1, 50_257]), ValueError, "ids[1] is 50257"),
        ([2**70], ValueError, "64 bits"),
        ([], ValueError, "empty"),
        ([1.0], TypeError, "float"),
        (["a"], TypeError, "str"),
        ("text", TypeError, "ids is a str"),
        (7, TypeError, "ids is a int"),
        (np.zeros((2, 2), dtype=int), TypeError, "2 dimensions"),
        (np.zeros(3), TypeError, "float64"),
        ([*range(50_257), 50_257], ValueError, "ids[50257] is 50257"),
    ],
)
def test_ids_that_do_not_fit_are_refused_and_the_old_file_stays(tmp_path, ids, error, words):
    path = tmp_path / "tokens.npy"
    write_tokens(path, [1, 2, 3], 50_257)
    before = path.read_bytes()
    with pytest.raises(error) as caught:
        write_tokens(path, ids, 50_257)
    assert words in str(caught.value)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["tokens.npy"]


@pytest.mark.parametrize("vocab_size", [0, -5, 2**32 + 1])
def test_a_vocab_size_without_a_dtype_is_refused(tmp_path, vocab_size):
    with pytest.raises(ValueError, match="vocab_size"):
        write_tokens(tmp_path / "tokens.npy", [0], vocab_size)
    with pytest.raises(TypeError):
        token_dtype(1.5)


def test_an_iterator_that_fails_in_the_middle_leaves_the_old_file(tmp_path):
    path = tmp_path / "tokens.npy"
    write_tokens(path, [1, 2, 3], 10)

    def failing():
        yield from [4] * 200_000
        assert open_tokens(path).tolist() == [1, 2, 3]  # the old file is there while the new one is written
        raise OSError("the disk with the text is gone")

    with pytest.raises(OSError, match="is gone"):
        write_tokens(path, failing(), 10)
    assert open_tokens(path).tolist() == [1, 2, 3]
    assert [p.name for p in tmp_path.iterdir()] == ["tokens.npy"]


# A writer that dies


def _content(version, count=60_000):
    return np.full(count + version, version % 251, dtype=np.int64)


def _is_whole(path):
    tokens = open_tokens(path)  # raises where the length is wrong
    version = int(tokens[0])
    return (len(tokens) - 60_000) % 251 == version and bool((tokens == version).all())


def _write_for_ever(path, first):
    for version in range(first, first + 100_000):
        write_tokens(path, _content(version), 251)


def _die_at_line(path, line, version):
    """End this process, as a power cut would, when write_tokens is about to run its line-th line."""
    count = 0
    wanted = {
        f.__code__ for f in (write_tokens, dl.write_header, dl.checked_chunks, replacing.__wrapped__, _sync_folder)
    }

    def trace(frame, event, _):
        nonlocal count
        if frame.f_code in wanted:
            count += event == "line"
            if count == line:
                os._exit(7)
        return trace

    sys.settrace(trace)
    write_tokens(path, _content(version), 251)
    sys.settrace(None)
    os._exit(0)


CONTEXT = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")


def test_a_writer_killed_before_any_line_leaves_the_old_file_or_the_new(tmp_path):
    path = tmp_path / "tokens.npy"
    write_tokens(path, _content(1), 251)
    old, seen = path.read_bytes(), []
    for line in range(1, 200 if sys.platform == "linux" else 10):
        write_tokens(path, _content(1), 251)
        writer = CONTEXT.Process(target=_die_at_line, args=(path, line, 2))
        writer.start()
        writer.join()
        assert _is_whole(path)
        seen.append(path.read_bytes() == old)
        if writer.exitcode == 0:
            break
    if sys.platform == "linux":
        assert writer.exitcode == 0, "write_tokens has more lines than were tried"
        assert seen == sorted(seen, reverse=True) and True in seen and False in seen  # old up to a line, then new


def test_a_writer_killed_at_a_random_moment_leaves_the_old_file_or_the_new(tmp_path):
    path, kills = tmp_path / "tokens.npy", 100 if sys.platform == "linux" else 5
    write_tokens(path, _content(0), 251)
    rng, half_written, versions = random.Random(0), 0, set()
    for kill in range(kills):
        writer = CONTEXT.Process(target=_write_for_ever, args=(path, 1 + kill))
        writer.start()
        time.sleep(rng.uniform(0.001, 0.05))
        writer.kill()
        writer.join()
        assert _is_whole(path), f"kill {kill} left half a file"
        versions.add(int(open_tokens(path)[0]))
        for rest in tmp_path.glob("*.part"):
            half_written += 1
            rest.unlink()
    if sys.platform == "linux":
        assert len(versions) > 10 and half_written > 10  # the kills did hit writers at work


# Files that are refused


def _raw(path):
    np.arange(100, dtype=np.uint16).tofile(path)


def _truncated(path):
    write_tokens(path, range(1000), 50_257)
    path.write_bytes(path.read_bytes()[:-1])


def _too_long(path):
    write_tokens(path, range(1000), 50_257)
    path.write_bytes(path.read_bytes() + b"\0")


def _cut_header(path):
    write_tokens(path, range(1000), 50_257)
    path.write_bytes(path.read_bytes()[:100])


def _hostile_header(path):
    write_tokens(path, range(1000), 50_257)
    path.write_bytes(path.read_bytes().replace(b"'<u2'", b"exec "))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_raw, "no token file"),
        (lambda path: path.write_bytes(b""), "no token file"),
        (lambda path: path.write_bytes(b"PK\x03\x04 a zip file, or a .npz"), "no token file"),
        (_truncated, "truncated: its header says 1000 ids of uint16"),
        (_too_long, "longer than it should be"),
        (_cut_header, "no token file"),
        (_hostile_header, "no token file"),
        (lambda path: np.save(path, np.zeros(10)), "float64"),
        (lambda path: np.save(path, np.zeros(10, dtype=np.int32)), "int32"),
        (lambda path: np.save(path, np.zeros(10, dtype=">u2")), ">u2"),
        (lambda path: np.save(path, np.zeros((2, 5), dtype=np.uint16)), "(2, 5)"),
        (lambda path: np.save(path, np.zeros(0, dtype=np.uint16)), "(0,)"),
        (lambda path: np.save(path, np.array([{}], dtype=object), allow_pickle=True), "object"),
    ],
)
def test_a_file_that_holds_no_tokens_is_refused_in_words(tmp_path, make, words):
    path = tmp_path / "file.npy"
    make(path)
    with pytest.raises(ValueError) as caught:
        open_tokens(path)
    assert words in str(caught.value) and "file.npy" in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.npy", tmp_path):
        with pytest.raises(FileNotFoundError, match="there is no token file"):
            open_tokens(path)


def test_ids_beyond_the_vocabulary_are_found_before_any_training(tmp_path):
    ids = np.zeros(5_000_000, dtype=np.uint16)
    ids[4_500_000] = 300
    np.save(tmp_path / "tokens.npy", ids)
    open_tokens(tmp_path / "tokens.npy", vocab_size=301)
    with pytest.raises(ValueError, match=r"id 300 at 4500000.*knows 0 ... 299"):
        open_tokens(tmp_path / "tokens.npy", vocab_size=300)


def test_what_is_opened_cannot_be_written(tmp_path):
    write_tokens(tmp_path / "tokens.npy", range(10), 256)
    with pytest.raises(ValueError, match="read-only"):
        open_tokens(tmp_path / "tokens.npy")[0] = 1


# Documents


def _gpt2():
    import tiktoken

    try:
        return tiktoken.get_encoding("gpt2")
    except Exception as error:
        pytest.skip(f"tiktoken's gpt2 is neither cached nor reachable: {error}")


def test_documents_are_encoded_as_tiktoken_does_and_each_is_ended():
    encoding = _gpt2()
    documents = ["Hello, 🌍!", "", "<|endoftext|> is text here", "x" * 5000] + [f"document {i}" for i in range(200)]
    want = [i for d in documents for i in [*encoding.encode_ordinary(d), encoding.eot_token]]
    assert list(encode_documents(iter(documents), encoding)) == want
    assert want.count(encoding.eot_token) == len(documents)


def test_documents_from_our_own_tokenizer():
    from lmcourse.tokenization import BPETokenizer, train_bpe

    text = "the cat in the hat " * 20
    tokenizer = BPETokenizer(*train_bpe(text, 270, ["<|endoftext|>"]), ["<|endoftext|>"])
    (end,) = tokenizer.encode("<|endoftext|>")
    want = [i for d in ("the cat", "in the hat") for i in [*tokenizer.encode(d, allowed_special="none"), end]]
    assert list(encode_documents(["the cat", "in the hat"], tokenizer)) == want
    with pytest.raises(ValueError, match="endoftext"):
        next(encode_documents(["a"], BPETokenizer(*train_bpe(text, 270))))
    with pytest.raises(TypeError, match="one str"):
        next(encode_documents("a document", tokenizer))


@given(st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), min_size=1, max_size=3))
@settings(max_examples=100, deadline=None)
def test_the_mask_lets_a_query_see_back_to_the_start_of_its_document(rows):
    mask = document_mask(torch.tensor(rows), end_of_text=0)
    for row, seen in zip(rows, mask):
        for query in range(6):
            for key in range(6):
                assert seen[query, key] == (key <= query and 0 not in row[key:query])


# Batches


@given(st.integers(2, 40), st.integers(1, 12), st.integers(1, 6), st.integers(0, 100))
@settings(max_examples=200, deadline=None)
def test_a_batch_is_what_a_plain_loop_over_a_list_gives(length, context_length, batch_size, seed):
    ids = list(range(100, 100 + length))
    tokens = np.array(ids, dtype=np.uint16)
    generator = torch.Generator().manual_seed(seed)
    if length < context_length + 1:
        with pytest.raises(ValueError, match=f"needs {context_length + 1}"):
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
        with pytest.raises(ValueError, match=r"start at 0 ... 7"):
            read_windows(tokens, np.array(starts), 3)
    for wrong in (np.zeros(10), np.zeros((2, 5), dtype=int), list(range(10)), torch.arange(10)):
        with pytest.raises(TypeError, match="tokens must be a one-dimensional NumPy array of integers"):
            read_windows(wrong, np.array([0]), 3)
    with pytest.raises(TypeError, match="starts"):
        read_windows(tokens, np.array([0.5]), 3)
    for batch_size, context_length in ((0, 4), (2, 0), (-1, -1)):
        with pytest.raises(ValueError, match="at least 1"):
            get_batch(tokens, batch_size, context_length)


@given(st.integers(1, 30), st.integers(1, 4), st.booleans(), st.sampled_from([np.uint8, np.uint16, np.int64]))
@settings(max_examples=60, deadline=None)
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


# The order of the windows


@pytest.mark.parametrize("size", [*range(1, 70), 127, 128, 129, 1000, 4095, 4096, 4097])
def test_shuffled_is_a_permutation(size):
    for seed in (0, 7, (3, 4)):
        assert sorted(shuffled(np.arange(size), size, seed).tolist()) == list(range(size))


@given(st.integers(1, 2**40), st.integers(0, 2**62), st.data())
@settings(max_examples=100, deadline=None)
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
        with pytest.raises(ValueError, match=r"0 \.\.\. 9"):
            shuffled(np.array(indices), 10, 0)


@given(
    num_tokens=st.integers(2, 400),
    context_length=st.integers(1, 20),
    batch_size=st.integers(1, 5),
    world_size=st.integers(1, 4),
    order=st.sampled_from(["shuffled", "sequential"]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=80, deadline=None)
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
@settings(max_examples=60, deadline=None)
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


def test_epochs_differ_and_seeds_differ():
    epochs = [resume(100 * e, 100, 100, seed).tolist() for seed in (0, 1) for e in range(3)]
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


def test_count_tokens_seen_equals_a_set_of_positions():
    rng = np.random.default_rng(0)
    for _ in range(50):
        starts = rng.integers(0, 80, rng.integers(0, 20))
        want = {s + 1 + j for s in starts.tolist() for j in range(7)}
        assert count_tokens_seen(starts, 7, 100) == len(want)


def test_shard_gives_every_place_to_one_rank():
    for world_size in (1, 2, 3, 8):
        places = [p for rank in range(world_size) for p in shard(40, 5, rank, world_size)]
        assert places == list(range(40, 40 + 5 * world_size))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"order": "reversed"}, "order is 'reversed'"),
        ({"rank": 2, "world_size": 2}, "rank is 2, it must be in 0 ... 1"),
        ({"rank": -1}, "rank is -1"),
        ({"batch_size": 0}, "at least 1"),
        ({"seed": -1}, "at least 0"),
        ({"num_tokens": 10}, "needs 11"),
    ],
)
def test_a_sampler_refuses_bad_arguments_by_name(change, words):
    arguments = {"num_tokens": 1000, "batch_size": 4, "context_length": 10} | change
    with pytest.raises(ValueError, match=words):
        BatchSampler(**arguments)


def test_a_sampler_refuses_a_foreign_state():
    sampler = BatchSampler(1000, 4, 10)
    for change, words in [
        ({"seed": 9}, "seed 9"),
        ({"num_tokens": 999}, "num_tokens 999"),
        ({"order": "random"}, "order"),
        ({"position": -4}, "position -4"),
        ({"position": 1.5}, "position 1.5"),
        ({"extra": 1}, "keys"),
    ]:
        with pytest.raises(ValueError, match=words):
            sampler.load_state_dict(sampler.state_dict() | change)
    with pytest.raises(ValueError, match="keys"):
        sampler.load_state_dict({})


# What the operating system does meanwhile


def _sparse(path, num_tokens):
    if shutil.disk_usage(path.parent).free < 3 * num_tokens:
        pytest.skip(f"no room for {2 * num_tokens} bytes, where files are not sparse")
    with path.open("wb") as file:
        dl.write_header(file, np.dtype(np.uint16), num_tokens)
        file.truncate(file.tell() + 2 * num_tokens)
    return open_tokens(path)


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS takes mapped pages out of a process when it needs them")
@pytest.mark.parametrize("order", BatchSampler.ORDERS)
def test_four_gigabytes_are_read_in_less_than_a_hundred_megabytes(tmp_path, order):
    tokens = _sparse(tmp_path / "big.npy", 2_000_000_000)
    assert tokens.nbytes == 4_000_000_000
    sampler = BatchSampler(len(tokens), 32, 1024, order=order)
    generator = torch.Generator().manual_seed(0)
    batch_at(tokens, next(sampler), 1024)
    before, peak = process_memory().resident, 0
    for step in range(1000):
        if order == "random":
            x, y = get_batch(tokens, 32, 1024, generator=generator)
        else:
            x, y = batch_at(tokens, next(sampler), 1024)
        if step % 10 == 0:
            peak = max(peak, process_memory().resident)
    assert x.shape == y.shape == (32, 1024) and not x.any()
    assert peak - before < 100 * MB


@linux_only
def test_a_file_that_lies_wholly_in_the_page_cache_does_not_grow_the_process_either(tmp_path):
    tokens = _sparse(tmp_path / "hot.npy", 200_000_000)
    with (tmp_path / "hot.npy").open("rb") as file:
        while file.read(16 * MB):
            pass
    assert cached_pages(tokens).mean() > 0.9
    generator = torch.Generator().manual_seed(0)
    before, peak = process_memory().resident, 0
    for _ in range(1000):
        get_batch(tokens, 32, 256, generator=generator)
        peak = max(peak, process_memory().resident)
    assert peak - before < 100 * MB
    open_tokens(tmp_path / "hot.npy", vocab_size=1000)  # reads all 400 MB
    assert process_memory().resident - before < 100 * MB


@linux_only
def test_a_window_reads_its_pages_and_no_others(tmp_path):
    tokens = _sparse(tmp_path / "cold.npy", 50_000_000)
    assert drop_from_cache(tokens)
    tokens[:1]
    already = cached_pages(tokens).sum()
    starts = np.array([5_000_000, 20_000_000, 40_000_000])
    faults = process_memory().major_faults
    read_windows(tokens, starts, 1025)
    touched = pages_of(tokens, starts, 1025)
    cached = set(np.flatnonzero(cached_pages(tokens)).tolist())
    assert touched <= cached
    assert len(cached) <= len(touched) + already + 2
    assert process_memory().major_faults - faults >= 3


@linux_only
def test_releasing_pages_never_loses_what_a_private_mapping_was_given(tmp_path):
    write_tokens(tmp_path / "tokens.npy", range(100), 256)
    private = np.load(tmp_path / "tokens.npy", mmap_mode="c")
    private[0] = 99
    release_pages(private)
    release_pages(private[:10])
    assert private[0] == 99
    tokens = open_tokens(tmp_path / "tokens.npy")
    release_pages(tokens[5:])
    assert tokens[5:8].tolist() == [5, 6, 7]


@given(st.integers(0, 9000), st.integers(1, 5000))
@settings(max_examples=100, deadline=None)
def test_pages_are_those_of_every_single_byte(start, size):
    tokens = np.zeros(20_000, dtype=np.uint16)
    want = {(2 * (start + i) + byte) // dl.mmap.PAGESIZE for i in range(size) for byte in (0, 1)}
    assert pages_of(tokens, np.array([start]), size) == want


def test_pages_of_a_file_count_its_header_and_a_slice_knows_its_place(tmp_path):
    write_tokens(tmp_path / "tokens.npy", range(20_000), 50_257)
    tokens, page = open_tokens(tmp_path / "tokens.npy"), dl.mmap.PAGESIZE
    header = (tmp_path / "tokens.npy").stat().st_size - 2 * len(tokens)
    last_of_first_page = (page - header) // 2 - 1
    assert pages_of(tokens, np.array([last_of_first_page]), 1) == {0}
    assert pages_of(tokens, np.array([last_of_first_page]), 2) == {0, 1}
    assert pages_of(tokens[last_of_first_page:], np.array([0]), 2) == {0, 1}
