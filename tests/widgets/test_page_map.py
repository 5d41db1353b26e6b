"""pytest tests/widgets/test_page_map.py

PageMap in Python: what it says of a file and of a reader's get_batch, and the golden answers that its JS must give too
(`node --test tests/widgets/page_map.test.mjs`).
"""

import mmap
import sys
import time

import numpy as np
import pytest
import torch

from lmcourse import data_loading as dl
from lmcourse.widgets import PageMap
from lmcourse.widgets.page_map import shown_offsets


def tokens_of(path, count=300_000):
    dl.write_tokens(path, (i % 50_000 for i in range(count)), 50_257)
    return dl.open_tokens(path)


def keys(*seed):
    return [str(key) for key in np.random.SeedSequence(seed).generate_state(dl.ROUNDS, np.uint64)]


def test_golden(golden):
    rng = np.random.default_rng(0)
    shuffles = []
    for size in (1, 2, 3, 5, 64, 65, 1000, 4097, 10**6, 2**31 + 7, 2**40):
        indices = rng.integers(0, size, 6)
        shuffles.append(
            {
                "size": size,
                "keys": keys(3, 1),
                "in": indices.tolist(),
                "out": dl.shuffled(indices, size, (3, 1)).tolist(),
            }
        )
    streams = []
    for num_tokens, context_length, seed in (
        (2, 1, 0),
        (50, 7, 1),
        (1000, 16, 2),
        (200_000, 64, 0),
        (2 * 10**9, 256, 5),
    ):
        for order in dl.BatchSampler.ORDERS:
            sampler = dl.BatchSampler(num_tokens, 10, context_length, order=order, seed=seed)
            starts = np.concatenate([next(sampler) for _ in range(4)]).tolist()
            streams.append(
                {
                    "numTokens": num_tokens,
                    "contextLength": context_length,
                    "order": order,
                    "keysByEpoch": [keys(seed, epoch) for epoch in range(41)][: 2 if num_tokens > 2 else 41],
                    "randomKey": str(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]),
                    "starts": starts if num_tokens != 50 else starts[:14],
                }
            )
    pages = []
    for itemsize, dtype in ((1, np.uint8), (2, np.uint16), (4, np.uint32)):
        starts = rng.integers(0, 90_000, 5)
        array = np.zeros(100_000, dtype=dtype)
        found = dl.pages_of(array, starts, 1000, page_size=4096)
        pages.append({"itemsize": itemsize, "starts": starts.tolist(), "size": 1000, "pages": sorted(found)})
    seen = []
    for count in (0, 1, 5, 40):
        starts = rng.integers(0, 480, count)
        times = np.zeros(500, dtype=int)
        for start in starts:
            times[start + 1 : start + 20] += 1
        assert dl.count_tokens_seen(starts, 19, 500) == (times > 0).sum()
        histogram = [int((times[1:] == k).sum()) for k in range(3)] + [int((times >= 3).sum())]
        seen.append({"starts": starts.tolist(), "count": int((times > 0).sum()), "times": histogram})
    masks = []
    for _ in range(5):
        ids = (rng.random(40) < 0.15).astype(int)
        mask = dl.document_mask(torch.tensor(1 - ids[None, 10:22]), end_of_text=0)[0]
        masks.append({"ends": np.flatnonzero(ids).tolist(), "from": 10, "size": 12, "mask": mask.int().tolist()})
    shown = {str(n): shown_offsets(n) for n in (1, 8, 24, 25, 64, 1024)}
    golden(
        "page_map",
        {"shuffles": shuffles, "streams": streams, "pages": pages, "seen": seen, "masks": masks, "shown": shown},
    )


@pytest.mark.parametrize("order", dl.BatchSampler.ORDERS)
def test_the_summary_counts_what_the_sampler_draws(tmp_path, order):
    tokens = tokens_of(tmp_path / "tokens.npy")
    widget = PageMap(tokens, batch_size=3, context_length=100, order=order, seed=4, step=2)
    sampler = dl.BatchSampler(len(tokens), 3, 100, order=order, seed=4)
    next(sampler)
    pages = len(dl.pages_of(tokens, next(sampler), 101))
    assert f"3 windows ask for 606 bytes and touch {pages} of" in repr(widget)
    assert widget.page_size == mmap.PAGESIZE and widget.mapped and widget.offset == 128


def test_nothing_is_read_at_step_zero(tmp_path):
    assert "nothing read of 300" in repr(PageMap(tokens_of(tmp_path / "tokens.npy"), step=0))


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"tokens": [1, 2, 3]}, TypeError, "tokens is a list"),
        ({"tokens": np.zeros(10)}, TypeError, "array of integers"),
        ({"tokens": np.zeros((2, 5), dtype=int)}, TypeError, "one-dimensional"),
        ({"batch_size": 0}, ValueError, "batch_size is 0"),
        ({"batch_size": 10**9}, ValueError, "batch_size is 1000000000"),
        ({"context_length": 100}, ValueError, "it must be in 1 ... 99"),
        ({"order": "sideways"}, ValueError, "order: shuffled, sequential or random, got 'sideways'"),
        ({"view": "<b>"}, ValueError, "view is '<b>'"),
        ({"get_batch": 3}, TypeError, "get_batch is a int"),
        ({"seed": -1}, ValueError, "seed"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments, error, words):
    with pytest.raises(error) as caught:
        PageMap(**({"tokens": np.arange(100), "context_length": 8} | arguments))
    assert words in str(caught.value)


def _unshifted(tokens, batch_size, context_length, device="cpu", *, generator=None):
    x, _ = dl.get_batch(tokens, batch_size, context_length, device, generator=generator)
    return x, x.clone()


def _narrow(tokens, batch_size, context_length, device="cpu", *, generator=None):
    return tuple(t.int() for t in dl.get_batch(tokens, batch_size, context_length, device, generator=generator))


def _one_too_few(tokens, batch_size, context_length, device="cpu", *, generator=None):
    return dl.get_batch(tokens[:-1], batch_size, context_length, device, generator=generator)


def _raises(tokens, batch_size, context_length, device="cpu", *, generator=None):
    raise IndexError("<script>alert(1)</script>")


@pytest.mark.parametrize(
    ("get_batch", "bad"), [(dl.get_batch, []), (_unshifted, [2]), (_narrow, [1]), (_one_too_few, [3])]
)
def test_a_readers_get_batch_is_judged(get_batch, bad):
    widget = PageMap(np.arange(5000), batch_size=3, context_length=12, get_batch=get_batch)
    assert [k for k, fact in enumerate(widget.own["facts"]) if not fact["ok"]] == bad
    x, y = dl.get_batch(np.arange(5000), 3, 12, generator=torch.Generator().manual_seed(0))
    if get_batch is dl.get_batch:
        assert widget.own["batches"][0] == {"x": x.tolist(), "y": y.tolist()}


def test_a_get_batch_that_raises_is_told_in_words():
    widget = PageMap(np.arange(5000), get_batch=_raises)
    assert widget.own["error"] == "IndexError: <script>alert(1)</script>"
    assert "<script>" not in widget.static_html()


def test_the_kernel_reads_for_real_and_says_what_it_cost(tmp_path):
    widget = PageMap(tokens_of(tmp_path / "tokens.npy"), record=2, order="shuffled")
    assert [one["step"] for one in widget.recorded] == [1, 2]
    answer = widget.answer({"read": [0, 1000], "size": 65, "key": "k"})
    assert answer["key"] == "k" and answer["resident"] > 1e6 and answer["ms"] >= 0
    if sys.platform == "linux":
        assert 1 <= sum(answer["cached"]) <= -(-600_128 // mmap.PAGESIZE)
        widget.answer({"drop": True})
        assert len(widget.answer({"read_ahead": True})["cached"]) == len(answer["cached"])
        widget.answer({"read_ahead": False})


@pytest.mark.parametrize(
    "question",
    [
        {"read": [10**9], "size": 65},
        {"read": [-1], "size": 65},
        {"read": "all", "size": 1},
        {"read": [0], "size": 10**9},
        {"read": [0.5], "size": 2},
        {"read": [0] * 1000, "size": 2},
        {},
        None,
    ],
)
def test_a_question_that_makes_no_sense_is_refused(tmp_path, question):
    with pytest.raises(ValueError):
        PageMap(tokens_of(tmp_path / "tokens.npy")).answer(question)
    with pytest.raises(ValueError, match="array in memory"):
        PageMap.example().answer({"read": [0], "size": 2})


def test_the_kernel_answers_within_a_tenth_of_a_second_on_four_gigabytes(tmp_path):
    with (tmp_path / "big.npy").open("wb") as file:
        dl.write_header(file, np.dtype(np.uint16), 2_000_000_000)
        file.truncate(file.tell() + 4_000_000_000)
    widget = PageMap(dl.open_tokens(tmp_path / "big.npy"), batch_size=32, context_length=256)
    best = 1.0
    for k in range(5):
        start = time.process_time()  # a busy machine is not ours to answer for
        widget.answer({"read": [10_000_000 * k + 1000 * j for j in range(32)], "size": 257})
        best = min(best, time.process_time() - start)
    assert best < 0.1
    assert len(str(widget.state())) < 50_000
