"""Batches: windows of a token file, cut in one step, on their way to a device.

`get_batch` draws windows at random; `batch_at` takes those that a `BatchSampler` (order.py) hands out.
Not here: packing without crossing documents.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Int, Shaped
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from lmcourse.data_loading.pages import MAPPED_AT_MOST, release_pages
from lmcourse.support.checks import got, whole

T = TypeVar("T")


def read_windows(
    tokens: Shaped[np.ndarray, "length"], starts: Int[np.ndarray, "batch"], size: int
) -> Shaped[np.ndarray, "batch size"]:
    """Copy `size` tokens from each start, all windows in one vectorised step.

    Row i of the strided view is tokens[i : i + size]: every window of the file at once, and not a byte read. Indexing
    it with the starts copies those rows and no others. (`np.take` would first make the whole view contiguous.)

    Raises TypeError unless `tokens` is a one-dimensional integer array, and ValueError for a start whose window does
    not fit.

    >>> read_windows(np.arange(100, 110), np.array([0, 7]), 3)
    array([[100, 101, 102],
           [107, 108, 109]])
    """
    if not isinstance(tokens, np.ndarray) or tokens.ndim != 1 or tokens.dtype.kind not in "iu":
        raise TypeError(f"tokens: a one-dimensional NumPy array of integers, got {got(tokens)}")
    starts = np.asarray(starts)
    if starts.size and not 0 <= starts.min() <= starts.max() <= len(tokens) - size:
        raise ValueError(
            f"starts: 0 to {len(tokens) - size} for windows of {size} in {len(tokens)} tokens, got {starts.min()} to "
            f"{starts.max()}"
        )
    array = np.asarray(tokens)  # slicing an np.memmap is slow, and this is the same memory
    if array.flags.c_contiguous:  # the view below, made in a tenth of the time; NumPy checks that it stays inside
        every = np.ndarray((len(array) - size + 1, size), array.dtype, array, strides=array.strides * 2)
    else:
        every = sliding_window_view(array, size)
    windows = every[starts]
    if tokens.nbytes > MAPPED_AT_MOST:
        release_pages(tokens)
    return windows


def to_device(ids: Shaped[np.ndarray, "*shape"], device: str | torch.device) -> Int[Tensor, "*shape"]:
    """The ids as an int64 tensor on `device`; to CUDA through pinned memory, without waiting for the copy to end.

    >>> to_device(np.array([1, 2], dtype=np.uint16), "cpu")
    tensor([1, 2])
    """
    tensor = torch.from_numpy(ids.astype(np.int64))
    if torch.device(device).type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def get_batch(
    tokens: Shaped[np.ndarray, "length"],
    batch_size: int,
    context_length: int,
    device: str | torch.device = "cpu",
    *,
    generator: torch.Generator | None = None,
) -> tuple[Int[Tensor, "batch context"], Int[Tensor, "batch context"]]:
    """Random windows and the same windows one token later: what the model sees, and
    what it is to predict.

    Args:
        tokens: the ids, in memory or mapped; they stay as they are, and only the
            windows are copied.
        batch_size, context_length: the shape of both results, which are int64.
        device: where both results are put.
        generator: a CPU generator that draws the starts, 0 ... len(tokens) −
            context_length − 1, all equally likely and each on its own; the same seed
            gives the same batch.

    Raises ValueError when `tokens` has no window of context_length + 1.

    >>> x, y = get_batch(np.arange(50), 2, 4)
    >>> x.dtype, x.shape, bool((y == x + 1).all())
    (torch.int64, torch.Size([2, 4]), True)
    """
    possible = len(tokens) - context_length  # starts; the last one leaves room for the last target
    if possible < 1:
        raise ValueError(f"tokens: {context_length + 1} or more for a context of {context_length}, got {len(tokens)}")
    starts = torch.randint(possible, (batch_size,), generator=generator).numpy()
    windows = read_windows(tokens, starts, context_length + 1)
    return to_device(windows[:, :-1], device), to_device(windows[:, 1:], device)


def batch_at(
    tokens: Shaped[np.ndarray, "length"],
    starts: Int[np.ndarray, "batch"],
    context_length: int,
    device: str | torch.device = "cpu",
) -> tuple[Int[Tensor, "batch context"], Int[Tensor, "batch context"]]:
    """The batch whose windows begin at `starts`, for a BatchSampler's starts; else as get_batch.

    >>> x, y = batch_at(np.arange(101), np.array([0, 10]), 10)
    >>> x[:, 0], y[:, -1]
    (tensor([ 0, 10]), tensor([10, 20]))
    """
    windows = read_windows(tokens, starts, context_length + 1)
    return to_device(windows[:, :-1], device), to_device(windows[:, 1:], device)


def prefetch(batches: Iterable[T], depth: int = 2) -> Iterator[T]:
    """The same batches in the same order, made by one thread up to `depth` ahead while the caller works on one.

    A sampler behind it is up to `depth` batches ahead of the caller: what is saved to resume must be the state that
    travels *with* a batch. An error of `batches` is raised where its batch would have come.

    >>> list(prefetch(range(5)))
    [0, 1, 2, 3, 4]
    """
    depth = whole("depth", depth, least=1, most=1000)  # each batch ahead is held in memory
    iterator, end = iter(batches), object()
    with ThreadPoolExecutor(max_workers=1) as thread:
        ahead = deque(thread.submit(next, iterator, end) for _ in range(depth))
        while (batch := ahead.popleft().result()) is not end:
            ahead.append(thread.submit(next, iterator, end))
            yield batch


def document_mask(ids: Int[Tensor, "batch context"], end_of_text: int) -> Bool[Tensor, "batch context context"]:
    """Which position may look at which: back, at itself, and not into another document.

    `mask[b, query, key]` is True where attention is allowed. `<|endoftext|>` belongs to the document that it ends.

    >>> document_mask(torch.tensor([[7, 0, 8]]), end_of_text=0).int()
    tensor([[[1, 0, 0],
             [1, 1, 0],
             [0, 0, 1]]], dtype=torch.int32)
    """
    ends = (ids == end_of_text).long()
    document = ends.cumsum(-1) - ends  # ends before this position: a number for each document of the window
    return (document[:, :, None] == document[:, None, :]).tril()
