"""Typical wrong answers of notebook 07; lmcourse.exercises.data_loading says which mistake each is."""

from pathlib import Path

from lmcourse import data_loading as dl
from lmcourse.support.files import replacing
from lmcourse.support.optional import torch


def largest_is_an_id(vocab_size):
    """Takes vocab_size for the largest id."""
    return 1 if vocab_size < 2**8 else 2 if vocab_size < 2**16 else 4


def in_bits(vocab_size):
    return 8 * dl.bytes_per_token(vocab_size)


def three(vocab_size):
    """Three bytes would hold it; no integer of NumPy has three."""
    return max(1, -(-(vocab_size - 1).bit_length() // 8))


def _cut(tokens, batch_size, context_length, device, generator, *, shift=1, spare=0, dtype="int64"):
    import numpy as np
    import torch

    possible = len(tokens) - context_length - spare
    if possible < 1:
        raise ValueError("too short")
    starts = torch.randint(possible, (batch_size,), generator=generator).tolist()
    x = np.stack([tokens[s : s + context_length] for s in starts]).astype(dtype)
    y = np.stack([tokens[s + shift : s + shift + context_length] for s in starts]).astype(dtype)
    return torch.from_numpy(x).to(device), torch.from_numpy(y).to(device)


def no_shift(tokens, batch_size, context_length, device="cpu", *, generator=None):
    """Targets equal to inputs: the loss falls to zero and nothing is learnt."""
    return _cut(tokens, batch_size, context_length, device, generator, shift=0)


def one_start_too_many(tokens, batch_size, context_length, device="cpu", *, generator=None):
    """Starts up to the last window of inputs, which leaves its last target outside."""
    return _cut(tokens, batch_size, context_length, device, generator, spare=-1)


def bound_is_the_last_start(tokens, batch_size, context_length, device="cpu", *, generator=None):
    """Refuses what is too short, and then takes the last start for randint's bound, which it leaves out."""
    import torch

    if len(tokens) < context_length + 1:
        raise ValueError("too short")
    starts = torch.randint(len(tokens) - context_length - 1, (batch_size,), generator=generator).numpy()
    return dl.batch_at(tokens, starts, context_length, device)


def one_start_too_few(tokens, batch_size, context_length, device="cpu", *, generator=None):
    """The last token is never a target, and context_length + 1 tokens are called too few."""
    return _cut(tokens, batch_size, context_length, device, generator, spare=1)


def narrow(tokens, batch_size, context_length, device="cpu", *, generator=None):
    """Hands on the dtype of the file, which an embedding does not take."""
    return _cut(tokens, batch_size, context_length, device, generator, dtype=tokens.dtype)


def widens_the_file(tokens, batch_size, context_length, device="cpu", *, generator=None):
    """Makes int64 of the whole file first."""
    return dl.get_batch(tokens.astype("int64"), batch_size, context_length, device, generator=generator)


def copies_the_file(tokens, batch_size, context_length, device="cpu", *, generator=None):
    """Copies all of it, in the file's own dtype."""
    import numpy as np

    return dl.get_batch(np.array(tokens), batch_size, context_length, device, generator=generator)


def own_dice(tokens, batch_size, context_length, device="cpu", *, generator=None):
    """Draws from the global generator."""
    return dl.get_batch(tokens, batch_size, context_length, device)


def seeds_anew(tokens, batch_size, context_length, device="cpu", *, generator=None):
    if generator is None:
        generator = torch.Generator().manual_seed(0)
    return dl.get_batch(tokens, batch_size, context_length, device, generator=generator)


def on_the_cpu(tokens, batch_size, context_length, device="cpu", *, generator=None):
    return dl.get_batch(tokens, batch_size, context_length, generator=generator)


def every_window_counts(starts, context_length, num_tokens):
    """Counts a token as often as it was seen."""
    return len(starts) * context_length


def different_starts(starts, context_length, num_tokens):
    """Removes equal windows, and forgets that different ones overlap."""
    return len(set(starts.tolist())) * context_length


def inputs_too(starts, context_length, num_tokens):
    """Counts the first input, which is no target."""
    return len({s + j for s in starts.tolist() for j in range(context_length + 1)})


def one_target_short(starts, context_length, num_tokens):
    return len({s + j for s in starts.tolist() for j in range(1, context_length)})


def starts_over(position, count, num_windows, seed=0):
    """Forgets the place: begins a fresh epoch after every stop."""
    return dl.next_windows(0, count, num_windows, seed)


def one_order(position, count, num_windows, seed=0):
    """Every epoch in the order of the first."""
    import numpy as np

    return dl.shuffled(np.arange(position, position + count) % num_windows, num_windows, (seed, 0))


def epoch_of_the_first(position, count, num_windows, seed=0):
    """Goes on in the old epoch's order when a batch crosses the border."""
    import numpy as np

    places = np.arange(position, position + count) % num_windows
    return dl.shuffled(places, num_windows, (seed, position // num_windows))


def next_epoch(position, count, num_windows, seed=0):
    """Leaves out what was left of the epoch."""
    return dl.next_windows(-(-position // num_windows) * num_windows, count, num_windows, seed)


def places_alone(position, count, num_windows, seed=0):
    """Where in the epoch, and not which window stands there."""
    import numpy as np

    return np.arange(position, position + count) % num_windows


def whole_epochs(position, count, num_windows, seed=0):
    """Right, with every epoch that is touched in memory."""
    import numpy as np

    first, last = position // num_windows, (position + count) // num_windows
    epochs = [dl.shuffled(np.arange(num_windows), num_windows, (seed, epoch)) for epoch in range(first, last + 1)]
    return np.concatenate(epochs)[position - first * num_windows :][:count]


def window_of_a_list(position, num_windows, seed=0):
    """Right, with the whole epoch in memory."""
    import numpy as np

    epoch, place = divmod(position, num_windows)
    return int(dl.shuffled(np.arange(num_windows), num_windows, (seed, epoch))[place])


def window_of_epoch_0(position, num_windows, seed=0):
    """Every epoch in the order of the first."""
    return dl.window_at(position % num_windows, num_windows, seed)


def only_the_place(position, num_windows, seed=0):
    """Where in the epoch, and not which window stands there."""
    return position % num_windows


def seed_plus_epoch(position, num_windows, seed=0):
    """One seed for two numbers: seed 1 repeats what seed 0 had, an epoch later."""
    import numpy as np

    epoch, place = divmod(position, num_windows)
    return int(dl.shuffled(np.array([place]), num_windows, seed + epoch)[0])


def all_the_same(position, batch_size, rank, world_size):
    """Every rank reads the same."""
    return range(position, position + batch_size)


def overlapping(position, batch_size, rank, world_size):
    """Ranks begin one place apart."""
    return range(position + rank, position + rank + batch_size)


def own_part_of_the_file(position, batch_size, rank, world_size):
    """Counts only its own windows, and skips the others' twice."""
    first = position * world_size + rank * batch_size
    return range(first, first + batch_size)


def dealt(position, batch_size, rank, world_size):
    return range(position + rank, position + batch_size * world_size, world_size)


def _packed(path, ids, vocab_size, *, header_again=True, refuses_none=True):
    """A right answer, but for what is left out."""
    length = 0
    with replacing(path) as file:
        dl.write_header(file, dl.token_dtype(vocab_size), 0)
        for chunk in dl.checked_chunks(ids, vocab_size):
            file.write(chunk.tobytes())
            length += len(chunk)
        if length == 0 and refuses_none:
            raise ValueError("no ids")
        if header_again:
            file.seek(0)
            dl.write_header(file, dl.token_dtype(vocab_size), length)
    return length


def raw(path, ids, vocab_size):
    """tofile: the bytes without a header, under a name that promises one."""
    import numpy as np

    array = np.array(list(ids), dtype=dl.token_dtype(vocab_size))
    array.tofile(path)
    return len(array)


def wraps(path, ids, vocab_size):
    """astype without a look at the ids."""
    import numpy as np

    array = np.array(list(ids)).astype(dl.token_dtype(vocab_size))
    np.save(path, array)
    return len(array)


def in_place(path, ids, vocab_size):
    """Opens the file itself, so the old one is gone from the first byte on."""
    length = 0
    with Path(path).open("wb") as file:
        dl.write_header(file, dl.token_dtype(vocab_size), 0)
        for chunk in dl.checked_chunks(ids, vocab_size):
            file.write(chunk.tobytes())
            length += len(chunk)
        file.seek(0)
        dl.write_header(file, dl.token_dtype(vocab_size), length)
    return length


def one_header(path, ids, vocab_size):
    """Never comes back to the header, which goes on promising no ids."""
    return _packed(path, ids, vocab_size, header_again=False)


def takes_none(path, ids, vocab_size):
    return _packed(path, ids, vocab_size, refuses_none=False)


def all_at_once(path, ids, vocab_size):
    """Right, with everything in memory."""
    return _packed(path, list(ids), vocab_size)


def counts_chunks(file, ids, vocab_size):
    return sum(1 for chunk in dl.checked_chunks(ids, vocab_size) if file.write(chunk.tobytes()))


def counts_bytes(file, ids, vocab_size):
    return sum(file.write(chunk.tobytes()) for chunk in dl.checked_chunks(ids, vocab_size))


def the_first_chunk(file, ids, vocab_size):
    """Returns inside the loop."""
    for chunk in dl.checked_chunks(ids, vocab_size):
        file.write(chunk.tobytes())
        return len(chunk)
    return 0


def listed_first(file, ids, vocab_size):
    return dl.write_chunks(file, list(ids), vocab_size)
