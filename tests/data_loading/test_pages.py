"""Pages and memory, against the operating system's own counts."""

import mmap
import shutil
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from lmcourse.data_loading import (
    BatchSampler,
    batch_at,
    cached_pages,
    drop_from_cache,
    get_batch,
    mapping_of,
    offset_in_file,
    open_tokens,
    pages_of,
    process_memory,
    read_windows,
    release_pages,
    write_header,
    write_tokens,
)

MB = 1 << 20
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux about its pages")


def _sparse(path, num_tokens):
    if shutil.disk_usage(path.parent).free < 3 * num_tokens:
        pytest.skip(f"no room for {2 * num_tokens} bytes, where files are not sparse")
    with path.open("wb") as file:
        write_header(file, np.dtype(np.uint16), num_tokens)
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


@given(st.integers(0, 60_000), st.integers(1, 5000), st.sampled_from([np.uint16, np.int32, np.int64, np.uint64]))
def test_pages_are_those_of_every_single_byte_in_every_dtype_of_starts(start, size, kind):
    tokens = np.zeros(70_000, dtype=np.uint16)
    want = {(2 * (start + i) + byte) // mmap.PAGESIZE for i in range(size) for byte in (0, 1)}
    assert pages_of(tokens, np.array([start], dtype=kind), size) == want


def test_pages_of_a_file_count_its_header_and_a_slice_knows_its_place(tmp_path):
    write_tokens(tmp_path / "tokens.npy", range(20_000), 50_257)
    tokens, page = open_tokens(tmp_path / "tokens.npy"), mmap.PAGESIZE
    header = (tmp_path / "tokens.npy").stat().st_size - 2 * len(tokens)
    last_of_first_page = (page - header) // 2 - 1
    assert pages_of(tokens, np.array([last_of_first_page]), 1) == {0}
    assert pages_of(tokens, np.array([last_of_first_page]), 2) == {0, 1}
    assert pages_of(tokens[last_of_first_page:], np.array([0]), 2) == {0, 1}
    for view in (sliding_window_view(tokens[5:], 3)[:, 0], tokens[5:][::1], np.asarray(tokens)[5:]):
        assert offset_in_file(view) == header + 10 and mapping_of(view) is mapping_of(tokens)
