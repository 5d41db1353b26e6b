"""Right and wrong ways to write the exercises of 07, as readers write them."""

import tempfile
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from lmcourse import data_loading as dl
from lmcourse.support.files import replacing

# 7.1


def bytes_of_a_dtype(vocab_size):
    return np.min_scalar_type(vocab_size - 1).itemsize


def bytes_by_bits(vocab_size):
    bits = (vocab_size - 1).bit_length()
    return 1 if bits <= 8 else 2 if bits <= 16 else 4


def bytes_two_or_four(vocab_size):
    return 2 if vocab_size <= 65_536 else 4


# 7.6


def written(path, arrays, vocab_size, place=replacing):
    """A right answer, but for where the arrays come from and how the file is opened."""
    dtype, length = dl.token_dtype(vocab_size), 0
    with place(path) as file:
        dl.write_header(file, dtype, 0)
        for array in arrays:
            file.write(array.astype(dtype).tobytes())
            length += len(array)
        if not length:
            raise ValueError("no ids")
        file.seek(0)
        dl.write_header(file, dtype, length)
    return length


def tokens_in_two_files(path, ids, vocab_size):
    """The ids go to a temporary file first, and are copied behind their header when it is known."""
    dtype, length = dl.token_dtype(vocab_size), 0
    with tempfile.TemporaryFile() as rest:
        for chunk in dl.checked_chunks(ids, vocab_size):
            rest.write(chunk.tobytes())
            length += len(chunk)
        if length == 0:
            raise ValueError("no ids")
        rest.seek(0)
        with replacing(path) as file:
            dl.write_header(file, dtype, length)
            while block := rest.read(1 << 16):
                file.write(block)
    return length


def tokens_off_by_one(path, ids, vocab_size):
    def checked():
        stream = iter(ids)
        while some := list(islice(stream, 1000)):
            chunk = np.array(some)
            if chunk.dtype.kind != "i":
                raise TypeError("an id that is no integer")
            if chunk.min() < 0 or chunk.max() > vocab_size:
                raise ValueError("an id too large")
            yield chunk

    return written(path, checked(), vocab_size)


def tokens_rounded(path, ids, vocab_size):
    return written(path, dl.checked_chunks(map(int, ids), vocab_size), vocab_size)


def tokens_unlinked(path, ids, vocab_size):
    """The old file goes first."""
    Path(path).unlink(missing_ok=True)
    return written(path, dl.checked_chunks(ids, vocab_size), vocab_size)


def tokens_uint32(path, ids, vocab_size):
    arrays = [chunk.astype(np.uint32) for chunk in dl.checked_chunks(ids, vocab_size)]
    if not arrays:
        raise ValueError("no ids")
    with replacing(path) as file:
        np.save(file, np.concatenate(arrays))
    return sum(map(len, arrays))


def tokens_uncounted(path, ids, vocab_size):
    written(path, dl.checked_chunks(ids, vocab_size), vocab_size)


def tokens_first_chunk(path, ids, vocab_size):
    return written(path, islice(dl.checked_chunks(ids, vocab_size), 1), vocab_size)


# 7.2


def batch_by_permutation(tokens, batch_size, context_length, device="cpu", *, generator=None):
    """Without replacement: starts are not drawn each on its own, and a batch larger than the file has fewer rows."""
    possible = len(tokens) - context_length
    if possible < 1:
        raise ValueError("too short")
    starts = torch.randperm(possible, generator=generator)[:batch_size].numpy()
    windows = dl.read_windows(tokens, starts, context_length + 1)
    return dl.to_device(windows[:, :-1], device), dl.to_device(windows[:, 1:], device)


def batch_indexed(tokens, batch_size, context_length, device="cpu", *, generator=None):
    if len(tokens) < context_length + 1:
        raise ValueError("too short")
    starts = torch.randint(0, len(tokens) - context_length, (batch_size, 1), generator=generator).numpy()
    windows = torch.from_numpy(tokens[starts + np.arange(context_length + 1)].astype(np.int64)).to(device)
    return windows[:, :-1], windows[:, 1:]  # two views of one memory


def batch_aligned(tokens, batch_size, context_length, device="cpu", *, generator=None):
    """Starts at multiples of the context only."""
    count = (len(tokens) - 1) // context_length
    if count < 1:
        raise ValueError("too short")
    starts = context_length * torch.randint(count, (batch_size,), generator=generator).numpy()
    return dl.batch_at(tokens, starts, context_length, device)


def batch_uneven(tokens, batch_size, context_length, device="cpu", *, generator=None):
    """The middle of the file comes more often."""
    possible = len(tokens) - context_length
    if possible < 1:
        raise ValueError("too short")
    drawn = torch.rand(2, batch_size, generator=generator).mean(0) * possible
    return dl.batch_at(tokens, drawn.long().numpy(), context_length, device)


def batch_index_error(tokens, batch_size, context_length, device="cpu", *, generator=None):
    starts = torch.randint(max(1, len(tokens) - context_length), (batch_size,), generator=generator).numpy()
    windows = tokens[starts[:, None] + np.arange(context_length + 1)].astype(np.int64)
    return torch.from_numpy(windows[:, :-1]).to(device), torch.from_numpy(windows[:, 1:]).to(device)


def batch_of_slices(tokens, batch_size, context_length, device="cpu", *, generator=None):
    """A loop over the starts, two slices each."""
    last = len(tokens) - context_length
    if last <= 0:
        raise ValueError("too short")
    xs, ys = [], []
    for s in torch.randint(0, last, (batch_size,), generator=generator):
        xs.append(torch.tensor(tokens[s : s + context_length].tolist()))
        ys.append(torch.tensor(tokens[s + 1 : s + 1 + context_length].tolist()))
    return torch.stack(xs).to(device), torch.stack(ys).to(device)


def batch_of_a_view(tokens, batch_size, context_length, device="cpu", *, generator=None):
    """PyTorch's own strided view."""
    if len(tokens) <= context_length:
        raise ValueError("too short")
    windows = torch.from_numpy(tokens).unfold(0, context_length + 1, 1)
    chosen = windows[torch.randint(len(windows), (batch_size,), generator=generator)].long().to(device)
    return chosen[:, :-1], chosen[:, 1:]


# 7.3


def seen_as_intervals(starts, context_length, num_tokens):
    total, reached = 0, 0
    for start in np.sort(starts):
        end = min(num_tokens, start + 1 + context_length)
        total += max(0, end - max(start + 1, reached))
        reached = max(reached, end)
    return total


def seen_by_differences(starts, context_length, num_tokens):
    """Right where windows overlap at most once."""
    return int(np.minimum(np.diff(np.sort(starts), append=num_tokens), context_length).sum()) - 1


def seen_marks_without_end(starts, context_length, num_tokens):
    seen = np.zeros(num_tokens, dtype=bool)
    for start in starts:
        seen[start + 1 : start + context_length] = True
    return int(seen.sum())


# 7.4


def stream_one_by_one(position, count, num_windows, seed=0):
    places = (divmod(place, num_windows) for place in range(position, position + count))
    return np.array([dl.shuffled(np.array([k]), num_windows, (seed, epoch))[0] for epoch, k in places], np.int64)


def stream_of_whole_epochs(position, count, num_windows, seed=0):
    """Lists every epoch that is touched in full: gigabytes for a large file."""
    first, last = position // num_windows, (position + count - 1) // num_windows
    epochs = [dl.shuffled(np.arange(num_windows), num_windows, (seed, epoch)) for epoch in range(first, last + 1)]
    return np.concatenate(epochs)[position - first * num_windows :][:count]


def stream_replayed(position, count, num_windows, seed=0):
    """From the beginning, each time."""
    windows = []
    for epoch in range((position + count - 1) // num_windows + 1):
        windows += dl.shuffled(np.arange(num_windows), num_windows, (seed, epoch)).tolist()
    return np.array(windows[position : position + count])


def stream_of_nothing_is_float(position, count, num_windows, seed=0):
    return np.array([dl.window_at(place, num_windows, seed) for place in range(position, position + count)])


def stream_epoch_from_one(position, count, num_windows, seed=0):
    return dl.next_windows(position + num_windows, count, num_windows, seed)


def stream_seed_lost(position, count, num_windows, seed=0):
    return dl.next_windows(position, count, num_windows)


def place_by_stream(position, num_windows, seed=0):
    return dl.next_windows(position, 1, num_windows, seed)[0]  # a NumPy integer


def place_by_list(position, num_windows, seed=0):
    return dl.shuffled([position % num_windows], num_windows, (seed, position // num_windows)).tolist()[0]


def place_swapped(position, num_windows, seed=0):
    epoch, place = divmod(position, num_windows)
    return int(dl.shuffled(np.array([place]), num_windows, (epoch, seed))[0])


# 7.5


def shard_listed(position, batch_size, rank, world_size):
    return [position + rank * batch_size + i for i in range(batch_size)]


def shard_tuple(position, batch_size, rank, world_size):
    return tuple(range(position, position + batch_size * world_size))[rank * batch_size :][:batch_size]


def shard_from_zero(position, batch_size, rank, world_size):
    return range(rank * batch_size, (rank + 1) * batch_size)


def shard_one_more(position, batch_size, rank, world_size):
    return range(position + rank * batch_size, position + (rank + 1) * batch_size + 1)


# 7.6a


def chunks_by_position(file, ids, vocab_size):
    before = file.tell()
    file.writelines(chunk.tobytes() for chunk in dl.checked_chunks(ids, vocab_size))
    return (file.tell() - before) // dl.token_dtype(vocab_size).itemsize


def chunks_as_buffers(file, ids, vocab_size):
    count = 0
    for chunk in dl.checked_chunks(ids, vocab_size):
        file.write(chunk)
        count += chunk.size
    return count


def chunks_uncounted(file, ids, vocab_size):
    for chunk in dl.checked_chunks(ids, vocab_size):
        file.write(chunk.tobytes())


def chunks_with_header(file, ids, vocab_size):
    dl.write_header(file, dl.token_dtype(vocab_size), 0)
    return dl.write_chunks(file, ids, vocab_size)


RIGHT = [
    ("bytes_per_token", bytes_of_a_dtype),
    ("bytes_per_token", bytes_by_bits),
    ("get_batch", batch_of_slices),
    ("get_batch", batch_of_a_view),
    ("window_at", place_by_stream),
    ("window_at", place_by_list),
    ("write_chunks", chunks_by_position),
    ("write_chunks", chunks_as_buffers),
    ("write_tokens", tokens_in_two_files),
    ("get_batch", batch_indexed),
    ("count_tokens_seen", seen_as_intervals),
    ("resume", stream_one_by_one),
    ("shard", shard_listed),
    ("shard", shard_tuple),
]
WRONG = [
    ("bytes_per_token", bytes_two_or_four),
    ("window_at", place_swapped),
    ("write_chunks", chunks_uncounted),
    ("write_chunks", chunks_with_header),
    ("write_tokens", tokens_off_by_one),
    ("write_tokens", tokens_rounded),
    ("write_tokens", tokens_unlinked),
    ("write_tokens", tokens_uint32),
    ("write_tokens", tokens_uncounted),
    ("write_tokens", tokens_first_chunk),
    ("get_batch", batch_by_permutation),
    ("get_batch", batch_aligned),
    ("get_batch", batch_uneven),
    ("get_batch", batch_index_error),
    ("count_tokens_seen", seen_by_differences),
    ("count_tokens_seen", seen_marks_without_end),
    ("resume", stream_of_whole_epochs),
    ("resume", stream_replayed),
    ("resume", stream_epoch_from_one),
    ("resume", stream_of_nothing_is_float),
    ("resume", stream_seed_lost),
    ("shard", shard_from_zero),
    ("shard", shard_one_more),
]
