"""Feed a model from a file larger than memory: token files, batches, and a sampler that can stop and go on.

A token file is an ordinary `.npy` file of unsigned integers: its header says the dtype and the length, so nobody has to
remember them. `write_tokens` writes one atomically, `open_tokens` maps one without reading it, `get_batch` cuts
random windows out of it, and `BatchSampler` hands out every window once an epoch, over any number of ranks, and goes on
where it stopped. The last section asks the operating system which pages of the file it holds.

Not here: tokenization (lmcourse.tokenization), data from a network, several files as one, packing without crossing
documents.
"""

import ctypes
import mmap
import operator
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
import psutil
import torch
from jaxtyping import Bool, Int, Shaped, UInt
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor
from tqdm import tqdm

from lmcourse.support.files import replacing

try:
    import resource
except ImportError:  # Windows
    resource = None

T = TypeVar("T")
TOKEN_DTYPES = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.uint32))
CHUNK = 1 << 16  # tokens that are in memory at a time while a file is written or checked

# Token files


def token_dtype(vocab_size: int) -> np.dtype:
    """The smallest unsigned dtype that holds every id below `vocab_size`: 1, 2 or 4 bytes a token.

    Raises ValueError when no dtype of 4 bytes or fewer does.

    >>> [str(token_dtype(size)) for size in (256, 257, 50_257, 65_536, 65_537)]
    ['uint8', 'uint16', 'uint16', 'uint16', 'uint32']
    """
    vocab_size = operator.index(vocab_size)
    for dtype in TOKEN_DTYPES:
        if 1 <= vocab_size <= np.iinfo(dtype).max + 1:
            return dtype
    raise ValueError(f"vocab_size is {vocab_size}, it must be in 1 ... 2**32: ids are stored in at most 4 bytes")


def write_header(file: BinaryIO, dtype: np.dtype, length: int) -> None:
    """Write the `.npy` header of `length` ids of `dtype` at the file's position.

    NumPy pads a header so that it can be written again, at the same size, when the length is known at last.

    >>> import io
    >>> file = io.BytesIO()
    >>> write_header(file, np.dtype(np.uint16), 1000)
    >>> file.tell(), file.getvalue()[:6]
    (128, b'\\x93NUMPY')
    """
    description = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (length,)}
    np.lib.format.write_array_header_1_0(file, description)


def checked_chunks(ids: Iterable[int], vocab_size: int) -> Iterator[UInt[np.ndarray, "chunk"]]:
    """The ids as arrays of at most 65,536, in the dtype of the vocabulary, each id compared with `vocab_size` first.

    NumPy would store 70,000 as 4,464 in a uint16, and say nothing. Raises TypeError at an id that is no integer and
    ValueError at one outside 0 ... vocab_size − 1.

    >>> [chunk.tolist() for chunk in checked_chunks(iter([5, 6, 7]), vocab_size=10)]
    [[5, 6, 7]]
    """
    dtype, done = token_dtype(vocab_size), 0
    for chunk in _chunks(ids):
        wrong = (chunk < 0) | (chunk >= vocab_size)
        if wrong.any():
            at = int(wrong.argmax())
            raise ValueError(
                f"ids[{done + at}] is {chunk[at]}, with vocab_size {vocab_size} every id is in 0 ... {vocab_size - 1}"
            )
        yield chunk.astype(dtype)
        done += len(chunk)


def _chunks(ids: Iterable[int]) -> Iterator[Int[np.ndarray, "chunk"]]:
    if isinstance(ids, str) or not isinstance(ids, Iterable):
        raise TypeError(f"ids is a {type(ids).__name__}, it must be an iterable of integers")
    if isinstance(ids, np.ndarray):
        if ids.ndim != 1 or ids.dtype.kind not in "iu":
            raise TypeError(f"ids is an array of {ids.ndim} dimensions of {ids.dtype}, it must be one of integers")
        for start in range(0, len(ids), CHUNK):
            yield ids[start : start + CHUNK]
        return
    integers = map(operator.index, ids)
    try:
        while len(chunk := np.fromiter(islice(integers, CHUNK), np.int64)):
            yield chunk
    except OverflowError:
        raise ValueError("ids holds an integer beyond 64 bits, every id must be below vocab_size") from None


def write_tokens(path: str | os.PathLike, ids: Iterable[int], vocab_size: int) -> int:
    """Write ids to a `.npy` token file in constant memory; return how many there were.

    The file appears under its name whole or not at all (`replacing`): a writer that is killed leaves the
    old file as it was.

    Args:
        path: the file to make or to replace.
        ids: the token ids, from an iterator of any length.
        vocab_size: the tokenizer's; it decides the dtype (1, 2 or 4 bytes a token).

    Raises ValueError for no ids at all and for one outside 0 ... vocab_size − 1, TypeError for one that is no integer;
    then `path` is as it was before.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     count = write_tokens(f"{folder}/tokens.npy", iter([15496, 11, 995]), vocab_size=50_257)
    ...     stored = np.load(f"{folder}/tokens.npy")
    >>> count, stored
    (3, array([15496, 11, 995], dtype=uint16))
    """
    dtype, length = token_dtype(vocab_size), 0
    with replacing(path) as file:
        write_header(file, dtype, 0)  # a place for the length, which an iterator tells only at its end
        for chunk in checked_chunks(ids, vocab_size):
            file.write(chunk.tobytes())
            length += len(chunk)
        if length == 0:
            raise ValueError("ids is empty, a token file holds at least one id")
        file.seek(0)
        write_header(file, dtype, length)
    return length


def open_tokens(path: str | os.PathLike, *, vocab_size: int | None = None) -> UInt[np.ndarray, "length"]:
    """Map a token file into memory, read-only: nothing of it is read until it is used.

    What comes back is an `np.memmap`, an array whose memory is the file. With `vocab_size` every id is read once, in
    constant memory, and compared with it.

    Raises FileNotFoundError for a missing file; ValueError for one that is no `.npy` file, holds another dtype than
    uint8, uint16 or uint32 or more than one dimension, is shorter or longer than its header says, or holds an id that
    is not below `vocab_size`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = write_tokens(f"{folder}/tokens.npy", range(1000), vocab_size=50_257)
    ...     tokens = open_tokens(f"{folder}/tokens.npy", vocab_size=50_257)
    ...     print(tokens.dtype, len(tokens), tokens[10:13].tolist(), tokens.flags.writeable)
    ...     del tokens  # Windows deletes no file that is still mapped
    uint16 1000 [10, 11, 12] False
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"path: there is no token file {path}; write_tokens makes one")
    with path.open("rb") as file:
        dtype, length = _read_header(file, path)
        wanted, found = file.tell() + length * dtype.itemsize, path.stat().st_size
        if found != wanted:
            raise ValueError(
                f"path: {path} is {'truncated' if found < wanted else 'longer than it should be'}: its header says "
                f"{length} ids of {dtype}, which makes {wanted} bytes, and it has {found}"
            )
        tokens = np.memmap(file, dtype, mode="r", offset=file.tell(), shape=(length,))
    if hasattr(mmap, "MADV_RANDOM"):
        mapping_of(tokens).madvise(mmap.MADV_RANDOM)  # windows lie anywhere: reading ahead would read what nobody wants
    if vocab_size is not None and vocab_size <= np.iinfo(dtype).max:
        _check_ids(tokens, vocab_size, path)
    return tokens


def _read_header(file: BinaryIO, path: Path) -> tuple[np.dtype, int]:
    try:
        major, _ = np.lib.format.read_magic(file)
        read = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}[major]
        shape, _, dtype = read(file)
    except (ValueError, KeyError, SyntaxError) as error:
        raise ValueError(
            f"path: {path} is no token file, which begins with a .npy header ({error}). Is it a raw file? "
            "np.memmap(path, dtype) reads one if you know its dtype, and write_tokens stores that"
        ) from None
    if dtype not in TOKEN_DTYPES or len(shape) != 1 or shape[0] < 1:
        raise ValueError(
            f"path: {path} holds shape {shape} of {dtype}; a token file holds one dimension, of at least one id, "
            "of uint8, uint16 or uint32"
        )
    return dtype, shape[0]


def _check_ids(tokens: UInt[np.ndarray, "length"], vocab_size: int, path: Path) -> None:
    step = 64 * CHUNK
    for start in range(0, len(tokens), step):
        chunk = tokens[start : start + step]
        if chunk.max() >= vocab_size:
            at = int((chunk >= vocab_size).argmax())
            raise ValueError(
                f"vocab_size: {path} holds id {chunk[at]} at {start + at}, and a model of vocab_size {vocab_size} "
                f"knows 0 ... {vocab_size - 1}"
            )
        release_pages(tokens)


# Documents


def encode_documents(documents: Iterable[str], tokenizer: Any, *, progress: bool = False) -> Iterator[int]:
    """The ids of all documents, each followed by `<|endoftext|>`, in constant memory: what write_tokens takes.

    A document that contains the text "<|endoftext|>" is encoded as text: only we end documents.

    Args:
        documents: one string a document, from an iterator of any length.
        tokenizer: a `BPETokenizer` (its tiktoken form does the work) or a `tiktoken.Encoding`, with `<|endoftext|>`
            among its special tokens; ValueError without.
        progress: show a bar that counts documents.

    >>> from lmcourse.tokenization import train_bpe, BPETokenizer
    >>> tokenizer = BPETokenizer(*train_bpe("", 257, ["<|endoftext|>"]), ["<|endoftext|>"])
    >>> list(encode_documents(["Hi", "you"], tokenizer))
    [72, 105, 256, 121, 111, 117, 256]
    """
    encoding = tokenizer.to_tiktoken() if hasattr(tokenizer, "to_tiktoken") else tokenizer
    if "<|endoftext|>" not in encoding.special_tokens_set:
        raise ValueError("tokenizer has no special token <|endoftext|>, it is needed to end documents")
    if isinstance(documents, str):
        raise TypeError("documents is one str, it must be an iterable of them")
    end_of_text = encoding.encode_single_token("<|endoftext|>")
    documents = iter(tqdm(documents, unit=" documents", disable=not progress, file=sys.stdout))
    while some := list(islice(documents, 64)):
        for ids in encoding.encode_ordinary_batch(some):
            yield from ids
            yield end_of_text


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


# Batches


def read_windows(
    tokens: Shaped[np.ndarray, "length"], starts: Int[np.ndarray, "batch"], size: int
) -> Shaped[np.ndarray, "batch size"]:
    """Copy `size` tokens from each start, all windows in one vectorised step.

    Row i of the strided view is tokens[i : i + size]: every window of the file at once, and not a byte read. Indexing
    it with the starts copies those rows and no others. (`np.take` would first make the whole view contiguous.)

    Raises TypeError unless `tokens` is a one-dimensional integer array, ValueError for a start whose window does not
    fit.

    >>> read_windows(np.arange(100, 110), np.array([0, 7]), 3)
    array([[100, 101, 102],
           [107, 108, 109]])
    """
    if not isinstance(tokens, np.ndarray) or tokens.ndim != 1 or tokens.dtype.kind not in "iu":
        raise TypeError(f"tokens must be a one-dimensional NumPy array of integers, got {_describe(tokens)}")
    starts = np.asarray(starts)
    if starts.ndim != 1 or starts.dtype.kind not in "iu":
        raise TypeError(f"starts must be a one-dimensional array of integers, got {_describe(starts)}")
    if starts.size and not 0 <= starts.min() <= starts.max() <= len(tokens) - size:
        raise ValueError(
            f"starts has {starts.min()} ... {starts.max()}, windows of {size} in {len(tokens)} tokens start at "
            f"0 ... {len(tokens) - size}"
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
    """Random windows and the same windows one token later: what the model sees, and what it is to predict.

    Args:
        tokens: the ids, in memory or mapped.
        batch_size, context_length: the shape of both results.
        device: where both results are put.
        generator: a CPU generator that draws the starts, 0 ... len(tokens) − context_length − 1, all equally likely.

    Raises ValueError when `tokens` has no window of context_length + 1.

    >>> x, y = get_batch(np.arange(50), 2, 4, generator=torch.Generator().manual_seed(0))
    >>> x.dtype, x.shape, bool((y == x + 1).all())
    (torch.int64, torch.Size([2, 4]), True)
    """
    if batch_size < 1 or context_length < 1:
        raise ValueError(f"batch_size and context_length must be at least 1, got {batch_size} and {context_length}")
    possible = len(tokens) - context_length  # starts; the last one leaves room for the last target
    if possible < 1:
        raise ValueError(
            f"tokens has {len(tokens)} ids, a context_length of {context_length} needs {context_length + 1}"
        )
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

    >>> sampler = BatchSampler(101, batch_size=2, context_length=10, order="sequential")
    >>> x, y = batch_at(np.arange(101), next(sampler), 10)
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
    if not 1 <= depth <= 1000:
        raise ValueError(f"depth is {depth}, it must be in 1 ... 1000: each batch ahead is held in memory")
    iterator, end = iter(batches), object()
    with ThreadPoolExecutor(max_workers=1) as thread:
        ahead = deque(thread.submit(next, iterator, end) for _ in range(depth))
        while (batch := ahead.popleft().result()) is not end:
            ahead.append(thread.submit(next, iterator, end))
            yield batch


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.ndim} dimensions of {value.dtype}"
    return f"a {type(value).__name__}"


# The order of the windows

ROUNDS = 8  # of the Feistel network below
ODD, ONE, HALF = np.uint64(0xBF58476D1CE4E5B9), np.uint64(1), np.uint64(32)  # a multiplier of SplitMix64's


def shuffled(indices: Int[np.ndarray, "count"], size: int, seed: int | tuple[int, ...]) -> Int[np.ndarray, "count"]:
    """Where `indices` of range(size) go in a shuffle that is never stored: the memory is that of `indices`.

    A Feistel network permutes the numbers of as many bits as `size` needs: it cuts a number in two parts and, by turns,
    changes the one by a hash of the other, which can always be undone. A result beyond `size` goes through again until
    it is below, twice on average at the most, so range(size) is permuted too. Good enough to mix training data; not for
    secrets. Source: Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002.

    Raises ValueError for an index outside range(size).

    >>> shuffled(np.arange(10), 10, seed=0).tolist()
    [1, 6, 8, 7, 3, 5, 0, 2, 9, 4]
    """
    if isinstance(size, bool) or not isinstance(size, int | np.integer):
        raise TypeError(f"size is {_describe(size)}, it must be an integer")
    values = np.array(indices, dtype=np.int64)
    if values.size and not 0 <= values.min() <= values.max() < size:
        raise ValueError(f"indices has {values.min()} ... {values.max()}, they must be in 0 ... {size - 1}")
    bits = max(6, (size - 1).bit_length())  # fewer mix badly
    right_bits = np.uint64(bits // 2)
    left_bits = np.uint64(bits) - right_bits
    keys = np.random.SeedSequence(seed).generate_state(ROUNDS, np.uint64)
    values = values.astype(np.uint64)
    again = np.arange(values.size)
    while again.size:
        left, right = values[again] >> right_bits, values[again] & ((ONE << right_bits) - ONE)
        for one, other in keys.reshape(-1, 2):
            left = left ^ _hash(right, one, left_bits)
            right = right ^ _hash(left, other, right_bits)
        values[again] = left << right_bits | right
        again = again[values[again] >= size]
    return values.astype(np.int64)


def _hash(values: UInt[np.ndarray, "count"], key: np.uint64, bits: np.uint64) -> UInt[np.ndarray, "count"]:
    """`bits` bits that depend on every bit of `values` and `key`: the high bits of products modulo 2**64."""
    product = (values ^ key) * ODD
    return (product ^ product >> HALF) * ODD >> (np.uint64(64) - bits)


def resume(position: int, count: int, num_windows: int, seed: int = 0) -> Int[np.ndarray, "count"]:
    """The next `count` windows of an endless shuffle of which `position` windows have been handed out.

    Place p of the stream lies in epoch p // num_windows, and every epoch is shuffled(..., (seed, epoch)). So one
    integer is the whole state, and nothing is skipped, repeated or replayed to find the place again.

    >>> first = resume(0, 12, num_windows=5, seed=5)
    >>> first[:5].tolist(), first[5:10].tolist()
    ([4, 1, 0, 2, 3], [3, 1, 0, 4, 2])
    >>> bool((resume(7, 5, num_windows=5, seed=5) == first[7:]).all())
    True
    """
    epochs, places = np.divmod(np.arange(position, position + count), num_windows)
    windows = np.empty(count, dtype=np.int64)
    for epoch in np.unique(epochs):
        now = epochs == epoch
        windows[now] = shuffled(places[now], num_windows, (seed, int(epoch)))
    return windows


def shard(position: int, batch_size: int, rank: int, world_size: int) -> range:
    """The places of the stream that are `rank`'s part of the next step, when `position` windows have been handed out.

    A step takes batch_size · world_size places, rank 0 the first batch_size of them, and so on: together the ranks
    read what one process with the whole batch would read.

    >>> [shard(100, batch_size=4, rank=rank, world_size=2) for rank in (0, 1)]
    [range(100, 104), range(104, 108)]
    """
    first = position + rank * batch_size
    return range(first, first + batch_size)


def count_tokens_seen(starts: Int[np.ndarray, "windows"], context_length: int, num_tokens: int) -> int:
    """How many different tokens were a target in the windows at `starts`.

    The window at s has the targets s + 1 ... s + context_length; a token counts once, however often it was seen.

    >>> count_tokens_seen(np.array([0, 4, 6]), context_length=4, num_tokens=100)
    10
    """
    if isinstance(num_tokens, bool) or not isinstance(num_tokens, int | np.integer):
        raise TypeError(f"num_tokens is {_describe(num_tokens)}, it must be an integer")
    seen = np.zeros(num_tokens, dtype=bool)
    for start in starts:
        seen[start + 1 : start + 1 + context_length] = True
    return int(seen.sum())


class BatchSampler:
    """An endless iterator of batches of starts: the same on every machine, in any number of ranks, from any place.

    The file is cut into num_windows windows of context_length targets. The last one overlaps its neighbour where the
    division leaves a rest, so every token but the first, which nothing precedes, is a target at least once an epoch.

    order="shuffled"    every window once an epoch (without replacement), each epoch in a new order
    order="sequential"  every window once an epoch, in the order of the file
    order="random"      starts drawn anywhere, independently (with replacement): no epochs, some tokens never seen

    All ranks count the windows that they handed out together, and that count is the state: a run of two ranks goes on
    as one rank of twice the batch. Epochs follow each other without a gap: the batch at the border takes from both.

    Raises ValueError for arguments out of range.

    >>> sampler = BatchSampler(1001, batch_size=4, context_length=10, seed=3)
    >>> len(sampler), next(sampler)
    (25, array([480,  80, 180, 540]))
    >>> saved = sampler.state_dict()
    >>> following = next(sampler)
    >>> sampler.load_state_dict(saved)
    >>> bool((next(sampler) == following).all())
    True
    """

    ORDERS = ("shuffled", "sequential", "random")

    def __init__(
        self,
        num_tokens: int,
        batch_size: int,
        context_length: int,
        *,
        order: str = "shuffled",
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ):
        if order not in self.ORDERS:
            raise ValueError(f"order is {order!r}, it must be one of {', '.join(self.ORDERS)}")
        if batch_size < 1 or context_length < 1 or seed < 0:
            raise ValueError(
                f"batch_size and context_length must be at least 1 and seed at least 0, got {batch_size}, "
                f"{context_length} and {seed}"
            )
        if not 0 <= rank < world_size:
            raise ValueError(f"rank is {rank}, it must be in 0 ... {world_size - 1} (world_size is {world_size})")
        if num_tokens < context_length + 1:
            raise ValueError(
                f"num_tokens is {num_tokens}, a context_length of {context_length} needs {context_length + 1}"
            )
        self.num_tokens, self.batch_size, self.context_length = num_tokens, batch_size, context_length
        self.order, self.seed, self.rank, self.world_size = order, seed, rank, world_size
        self.num_windows = -(-(num_tokens - 1) // context_length)
        self.position = 0  # windows handed out so far, by all ranks together
        self._ahead = 0, np.zeros(0, dtype=np.int64)  # the first place and the starts of some steps to come

    def __len__(self) -> int:
        """Batches, on each rank, until every window has been handed out."""
        return -(-self.num_windows // (self.batch_size * self.world_size))

    def __iter__(self) -> "BatchSampler":
        return self

    def __next__(self) -> Int[np.ndarray, "batch"]:
        places = shard(self.position, self.batch_size, self.rank, self.world_size)
        first, starts = self._ahead
        if not first <= places.start < places.stop <= first + len(starts):
            first, steps = self.position, 64  # many at once take hardly longer than one
            starts = self._starts(range(first, first + steps * self.batch_size * self.world_size))
            self._ahead = first, starts
        self.position += self.batch_size * self.world_size
        return starts[places.start - first : places.stop - first].copy()

    def _starts(self, places: range) -> Int[np.ndarray, "places"]:
        last_start = self.num_tokens - self.context_length - 1
        if self.order == "random":
            (key,) = np.random.SeedSequence(self.seed).generate_state(1, np.uint64)
            drawn = _hash(np.arange(places.start, places.stop, dtype=np.uint64), key, np.uint64(56))
            return (drawn % np.uint64(last_start + 1)).astype(np.int64)
        if self.order == "sequential":
            windows = np.arange(places.start, places.stop) % self.num_windows
        else:
            windows = resume(places.start, len(places), self.num_windows, self.seed)
        return np.minimum(windows * self.context_length, last_start)

    def state_dict(self) -> dict[str, int | str]:
        """All that is needed to go on from here: plain integers and one word, fit for JSON."""
        return {name: getattr(self, name) for name in ("position", *self._KEPT)}

    _KEPT = ("num_tokens", "context_length", "order", "seed")

    def load_state_dict(self, state: dict[str, int | str]) -> None:
        """Go on where `state` was taken. batch_size, rank and world_size may differ; ValueError when the rest does."""
        if set(state) != {"position", *self._KEPT}:
            raise ValueError(f"state has the keys {sorted(state)}, it must have {sorted(('position', *self._KEPT))}")
        for name in self._KEPT:
            if state[name] != getattr(self, name):
                raise ValueError(f"state was taken at {name} {state[name]!r}, this sampler has {getattr(self, name)!r}")
        if not isinstance(state["position"], int) or state["position"] < 0:
            raise ValueError(f"state has the position {state['position']!r}, it must be an integer, 0 or more")
        self.position = state["position"]


# What the operating system does meanwhile

MAPPED_AT_MOST = 64 << 20  # bytes: of a larger file no page stays mapped after a batch, so resident memory is bounded


@dataclass(frozen=True)
class ProcessMemory:
    """What this process holds now, and has had to wait for so far."""

    resident: int  # bytes of physical memory, shared pages of mapped files included
    minor_faults: int  # a page was in memory, and had to be entered in this process's table
    major_faults: int | None  # a page had to be read from the disk; None on Windows, which counts both as minor


def process_memory() -> ProcessMemory:
    """Resident memory and page faults of this process, as the operating system counts them.

    >>> process_memory().resident > 1_000_000
    True
    """
    info = psutil.Process().memory_info()
    if resource is None:
        return ProcessMemory(info.rss, info.num_page_faults, None)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return ProcessMemory(info.rss, usage.ru_minflt, usage.ru_majflt)


def pages_of(
    tokens: Shaped[np.ndarray, "length"], starts: Int[np.ndarray, "batch"], size: int, *, page_size: int = mmap.PAGESIZE
) -> set[int]:
    """The pages of the file that hold the windows of `size` tokens at `starts`; for an array in memory, the pages as if
    it were a file without a header.

    >>> sorted(pages_of(np.zeros(10_000, dtype=np.uint16), np.array([2047, 5000]), 2, page_size=4096))
    [0, 1, 2]
    """
    if not isinstance(size, int | np.integer) or size > len(tokens):
        raise ValueError(f"size is {size}, it must be an integer of at most {len(tokens)}, the number of tokens")
    first = offset_in_file(tokens) + np.asarray(starts) * tokens.itemsize
    last = first + size * tokens.itemsize - 1
    return {page for a, b in zip(first // page_size, last // page_size) for page in range(int(a), int(b) + 1)}


def offset_in_file(tokens: Shaped[np.ndarray, "length"]) -> int:
    """The byte of the file at which `tokens` begins: the size of the header, and more for a slice; 0 in memory.

    >>> offset_in_file(np.zeros(10))
    0
    """
    root = _root(tokens)
    return tokens.ctypes.data - root.ctypes.data + root.offset if isinstance(root, np.memmap) else 0


def mapping_of(tokens: Shaped[np.ndarray, "length"]) -> mmap.mmap | None:
    """The mapping under `tokens` when it is of a file, read-only; None for an array in memory.

    None for a writable mapping too: to release its pages would lose what was written to them.

    >>> mapping_of(np.zeros(10)) is None
    True
    """
    root = _root(tokens)
    return root.base if isinstance(root.base, mmap.mmap) and getattr(root, "mode", "") == "r" else None


def _root(tokens: np.ndarray) -> np.ndarray:
    """The array that `tokens` is a slice or a view of."""
    while isinstance(tokens.base, np.ndarray):
        tokens = tokens.base
    return tokens


def cached_pages(tokens: Shaped[np.ndarray, "length"]) -> Bool[np.ndarray, "pages"] | None:
    """Which pages of the mapped file are in memory (in the page cache, whoever read them); None where nobody can say.

    Linux answers (`mincore`); Windows and macOS are not asked.

    >>> cached_pages(np.zeros(10)) is None
    True
    """
    mapping = mapping_of(tokens)
    if mapping is None or sys.platform != "linux":
        return None
    address = np.frombuffer(mapping, dtype=np.uint8).ctypes.data
    found = np.zeros(-(-len(mapping) // mmap.PAGESIZE), dtype=np.uint8)
    failed = ctypes.CDLL(None).mincore(
        ctypes.c_void_p(address), ctypes.c_size_t(len(mapping)), found.ctypes.data_as(ctypes.c_void_p)
    )
    return None if failed else (found & 1).astype(bool)


def release_pages(tokens: Shaped[np.ndarray, "length"]) -> None:
    """Take the pages of a read-only mapped file out of this process.

    The page cache keeps them, so coming back is cheap. Nothing happens to an array in memory or to a mapping that can
    be written. On macOS the system decides when.

    >>> release_pages(np.zeros(10))
    """
    mapping = mapping_of(tokens)
    if mapping is None:
        return
    if hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)
    elif sys.platform == "win32":
        address = np.frombuffer(mapping, dtype=np.uint8).ctypes.data
        # Unlocking pages that are not locked removes them from the working set, says its documentation.
        ctypes.windll.kernel32.VirtualUnlock(ctypes.c_void_p(address), ctypes.c_size_t(len(mapping)))


def drop_from_cache(tokens: Shaped[np.ndarray, "length"]) -> bool:
    """Ask the system to forget the file's pages, so that the next read comes from the disk; False where it cannot.

    >>> drop_from_cache(np.zeros(10))
    False
    """
    mapping = mapping_of(tokens)
    if mapping is None or not hasattr(os, "posix_fadvise"):
        return False
    release_pages(tokens)  # a page that a process has mapped is not dropped
    with Path(_root(tokens).filename).open("rb") as file:
        os.fsync(file.fileno())  # nor is one that has not been written yet
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return True
