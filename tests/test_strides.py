"""python -m pytest tests/test_strides.py

The rules of `lmcourse.strides` beside PyTorch and NumPy: small domains whole, large ones by property.
"""

import random
from itertools import permutations, product
from math import prod

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lmcourse.strides import (
    addresses,
    blocks,
    can_view,
    compare_positions,
    contiguous_strides,
    is_contiguous,
    line_loads,
    offset,
    random_shape,
    random_view,
    shares_storage,
    sliding_windows,
    view_conflict,
)

SMALL_SHAPES = [shape for ndim in range(5) for shape in product(range(4), repeat=ndim)]
STORAGE = torch.arange(10_000)


def laid_out(shape, strides, start=0) -> torch.Tensor:
    return STORAGE.as_strided(shape, strides, start)


# --- offset -------------------------------------------------------------------------------------------


def test_the_4_by_4_example_of_the_lecture():
    x = torch.arange(16).view(4, 4)
    assert offset((2, 3), x.stride()) == x[2, 3].item() == 11
    assert offset((2, 2), x.stride()) == x[2, 2].item() == 10


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 9)), max_size=4),
    st.integers(0, 50),
    st.randoms(use_true_random=False),
)
def test_offset_finds_the_element_that_pytorch_reads(dims, start, random):
    shape, strides = [n for n, _ in dims], [s for _, s in dims]
    index = tuple(random.randrange(n) for n in shape)
    assert laid_out(shape, strides, start)[index].item() == offset(index, strides, start)


def test_offset_of_a_numpy_array_is_in_bytes_and_may_run_backwards():
    a = np.arange(12, dtype=np.int32).reshape(3, 4)[::-1]
    first_byte = a.__array_interface__["data"][0]
    assert offset((1, 2), a.strides) == a[1:, 2:].__array_interface__["data"][0] - first_byte == -8


# --- contiguous_strides, is_contiguous ----------------------------------------------------------------------


def test_contiguous_strides_of_every_small_shape():
    for shape in SMALL_SHAPES:
        assert contiguous_strides(shape) == torch.empty(shape).stride(), shape


def test_is_contiguous_for_every_small_shape_and_stride():
    checked = 0
    for ndim in range(4):
        for shape in product(range(4), repeat=ndim):
            for strides in product((0, 1, 2, 3, 6), repeat=ndim):
                assert is_contiguous(shape, strides) == laid_out(shape, strides).is_contiguous(), (shape, strides)
                checked += 1
    assert checked == 1 + 20 + 400 + 8000


def test_size_1_dimensions_do_not_count():
    assert is_contiguous((1, 4), (999, 1)) and torch.empty_strided((1, 4), (999, 1)).is_contiguous()
    moved = torch.zeros(3, 1, 4).transpose(0, 1)
    assert moved.is_contiguous() and moved.stride() == (4, 4, 1) and is_contiguous(moved.shape, moved.stride())


def test_channels_last_is_contiguous_in_another_order_only():
    x = torch.zeros(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    assert x.stride() == (60, 1, 15, 3)
    assert not is_contiguous(x.shape, x.stride()) and x.is_contiguous(memory_format=torch.channels_last)


# --- can_view -----------------------------------------------------------------------------------------------


def viewed(x: torch.Tensor, shape) -> tuple[int, ...] | None:
    try:
        return x.view(shape).stride()
    except RuntimeError:
        return None


def factorizations(n: int, most: int) -> list[tuple[int, ...]]:
    """Every shape of up to `most` dimensions that holds `n` elements, sizes of 1 included."""
    if most == 0:
        return [()] if n == 1 else []
    return [()] * (n == 1) + [
        (d, *rest) for d in range(1, n + 1) if n % d == 0 for rest in factorizations(n // d, most - 1)
    ]


def test_can_view_for_every_way_to_reshape_small_permuted_tensors():
    checked = legal = 0
    for n in (1, 4, 6, 8, 12):
        for shape in factorizations(n, 3):
            for order in permutations(range(len(shape))):
                x = torch.empty(shape).permute(order)
                for new_shape in factorizations(n, 4):
                    expected = viewed(x, new_shape)
                    assert can_view(x.shape, x.stride(), new_shape) == expected, (shape, order, new_shape)
                    conflict = view_conflict(x.shape, x.stride(), new_shape)
                    assert (conflict is None) == (expected is not None), (shape, order, new_shape)
                    checked, legal = checked + 1, legal + (expected is not None)
    assert checked > 10_000 and 0.2 < legal / checked < 0.9


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 12)), max_size=4), st.data())
def test_can_view_for_any_strides(dims, data):
    shape, strides = [n for n, _ in dims], [s for _, s in dims]
    x = laid_out(shape, strides)
    n = prod(shape)
    choices = factorizations(n, 4) if n else [(0,), (2, 0), (0, 0, 3), tuple(shape)]
    new_shape = data.draw(st.sampled_from(choices))
    assert can_view(shape, strides, new_shape) == viewed(x, new_shape)


def test_a_tensor_that_is_not_contiguous_can_still_be_viewed():
    x = torch.zeros(6, 4).T
    assert can_view(x.shape, x.stride(), (2, 2, 6)) == x.view(2, 2, 6).stride()
    y = torch.zeros(6, 4).T.contiguous().T  # 6 by 4, strides (1, 6)
    assert not y.is_contiguous() and y.view(6, 2, 2).stride() == (1, 12, 6) == can_view(y.shape, y.stride(), (6, 2, 2))


def test_splitting_heads_is_a_view_and_merging_them_is_not():
    x = torch.zeros(2, 8, 64)
    heads = x.view(2, 8, 4, 16).transpose(1, 2)
    assert x.view(2, 8, 4, 16).stride() == (512, 64, 16, 1) and heads.stride() == (512, 16, 64, 1)
    assert can_view(heads.shape, heads.stride(), (2, 8, 64)) is None
    merged = heads.transpose(1, 2)
    assert can_view(merged.shape, merged.stride(), (2, 8, 64)) == (512, 64, 1)


@pytest.mark.parametrize(
    ("shape", "strides", "new_shape", "pair", "new_dim"),
    [
        ((4, 6), (1, 4), (24,), (0, 1), 0),
        ((4, 6), (1, 4), (3, 8), (0, 1), 1),
        ((2, 3, 4), (12, 1, 3), (2, 12), (1, 2), 1),
        ((2, 3, 4), (1, 8, 2), (6, 4), (0, 1), 0),
        ((3, 1, 4), (1, 99, 3), (12,), (0, 1), 0),
    ],
)
def test_the_conflict_names_the_pair_and_what_it_would_need(shape, strides, new_shape, pair, new_dim):
    conflict = view_conflict(shape, strides, new_shape)
    assert conflict.dims == pair and conflict.new_dim == new_dim
    i, _ = pair
    assert conflict.stride == strides[i] != conflict.needed
    mended = (*strides[:i], conflict.needed, *strides[i + 1 :])
    assert len(blocks(shape, mended)) == len(blocks(shape, strides)) - 1  # with that stride, the two would be one


# --- views, storage, cache lines ------------------------------------------------------------------------------


@given(st.integers(1, 40), st.data(), st.integers(1, 5))
def test_sliding_windows_is_unfold(length, data, step):
    size = data.draw(st.integers(1, length))
    x = torch.arange(2 * length + 3)[3::2]  # begins late in its storage, and skips
    windows = sliding_windows(x, size, step)
    expected = x.unfold(0, size, step)
    assert torch.equal(windows, expected) and windows.stride() == expected.stride() and shares_storage(windows, x)


def test_what_shares_storage_and_what_copies():
    x = torch.arange(12.0).view(3, 4)
    views = [x[1:], x[:, 1], x.T, x.view(2, 6), x.expand(2, 3, 4), x.unfold(1, 2, 1), x.diagonal(), x.chunk(2)[1]]
    copies = [x[[0, 1]], x[x > 3], x.flip(0), x.roll(1), x.T.reshape(12), x.T.contiguous(), x.clone(), x + 0]
    assert all(shares_storage(x, view) for view in views)
    assert not any(shares_storage(x, copy) for copy in copies)
    assert x.contiguous() is x


def test_storage_is_shared_between_numpy_and_pytorch():
    a = np.zeros((3, 4))
    t = torch.from_numpy(a)
    assert shares_storage(a, t) and shares_storage(a[1:], t.T) and shares_storage(a[::-1], a)
    assert not shares_storage(a, a.copy()) and shares_storage(t, t.numpy())
    assert not shares_storage(torch.zeros(0), torch.zeros(0))
    assert not shares_storage(torch.zeros(3, device="meta"), torch.zeros(3))


def test_a_storage_without_addresses_is_known_by_what_it_is():
    m = torch.empty(3, 4, device="meta")
    assert shares_storage(m, m.T) and shares_storage(m[1:], m[:1])
    assert not shares_storage(m, torch.empty(3, 4, device="meta"))
    assert not shares_storage(m, m.clone()) and not shares_storage(m[:0].clone(), m[:0].clone())


def test_windows_made_by_numpy_lie_in_the_array_that_they_look_at():
    a = np.arange(12.0)
    windows = np.lib.stride_tricks.sliding_window_view
    assert shares_storage(windows(a[:4], 2), windows(a[6:], 2)[1:]) and shares_storage(windows(a[3:], 5), a[:1])
    t = torch.arange(12)
    assert shares_storage(t[:4].numpy(), t[6:]) and not shares_storage(windows(a, 2), windows(a.copy(), 2))


@given(st.lists(st.integers(0, 200), max_size=60), st.sampled_from([1, 2, 4, 8]))
def test_line_loads_between_its_bounds(positions, itemsize):
    lines = [p * itemsize // 64 for p in positions]
    switches = sum(a != b for a, b in zip([None, *lines], lines))
    assert line_loads(positions, itemsize) == switches  # one line kept: a load at every change
    assert line_loads(positions, itemsize, lines_kept=1000) == len(set(lines))  # all kept: each line once
    counts = [line_loads(positions, itemsize, lines_kept=k) for k in (1, 2, 4, 8)]
    assert counts == sorted(counts, reverse=True)  # a larger LRU cache never loads more


def test_row_order_and_column_order():
    n = 64
    rows, columns = addresses((n, n), (n, 1)), addresses((n, n), (1, n))
    assert sorted(rows) == sorted(columns) and line_loads(rows, 4) == n * n // 16
    assert line_loads(columns, 4) == n * n
    assert line_loads(columns, 4, lines_kept=n) == line_loads(rows, 4)  # a cache that holds a column hides the order


# --- what a reader's wrong argument is told -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: offset((1,), (4, 1)), ValueError, "shorter|longer"),
        (lambda: offset((-1, 0), (4, 1)), ValueError, "index: numbers of 0 or more"),
        (lambda: contiguous_strides((2, -1)), ValueError, "shape: sizes of 0 or more"),
        (lambda: is_contiguous((2, 3), (1,)), ValueError, "longer|shorter"),
        (lambda: is_contiguous((0, -3), (1, 1)), ValueError, "sizes of 0 or more"),
        (lambda: can_view((2, 3), (3, 1), (-1,)), ValueError, "sizes of 0 or more"),
        (lambda: view_conflict((2, 3), (3, 1), (7,)), ValueError, "new_shape: sizes that hold 6 elements"),
        (lambda: sliding_windows(torch.zeros(2, 2), 1), ValueError, r"one dimension.*got \(2, 2\)"),
        (lambda: sliding_windows(torch.zeros(3), 4), ValueError, r"size from 1 to len\(x\)"),
        (lambda: sliding_windows(torch.zeros(3), 2, 0), ValueError, "step from 1"),
        (lambda: shares_storage([1], torch.zeros(1)), TypeError, "got list"),
    ],
)
def test_bad_input_is_refused_in_words(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int64])
def test_numpys_integers_do_not_wrap(dtype):
    numbers = np.array([100, 100], dtype)
    assert offset(numbers, (40000, 1)) == 100 * 40001
    assert contiguous_strides(np.array([2, *numbers, 100], dtype)) == (1_000_000, 10_000, 100, 1)


# --- random tensors, for the notebook's last comparison ----------------------------------------------------------


def test_random_views_and_shapes_try_every_answer():
    rng, answers, layouts = random.Random(0), set(), set()
    for _ in range(2000):
        t = random_view(rng)
        shape = random_shape(rng, t.numel())
        assert prod(shape) == t.numel() and can_view(t.shape, t.stride(), shape) == viewed(t, shape)
        answers.add((t.is_contiguous(), viewed(t, shape) is not None))
        layouts.add((t.shape, t.stride()))
    assert answers == {(True, True), (False, True), (False, False)} and len(layouts) > 500


def test_the_rules_of_position_are_compared_element_by_element():
    found = compare_positions(offset, contiguous_strides, tensors=200)
    assert found.equal_positions == found.positions > 2000 and found.equal_strides == found.tensors == 200

    def without_offset(index, strides, storage_offset=0):
        return offset(index, strides)

    wrong = compare_positions(without_offset, lambda shape: (1,) * len(shape), tensors=200)
    assert 0 < wrong.equal_positions < wrong.positions and 0 < wrong.equal_strides < wrong.tensors
