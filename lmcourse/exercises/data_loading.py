"""Exercises of notebook 07: cases, hints, typical wrong answers. The references are in lmcourse.data_loading.

Exercises 7.1 and 7.5 need neither NumPy nor PyTorch: both are imported where they are used.
"""

import io
import itertools
import mmap
import os
import tempfile
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

from lmcourse import data_loading as dl
from lmcourse.exercises.cases import call, probe
from lmcourse.exercises.comparing import difference
from lmcourse.exercises.topic import Topic
from lmcourse.support.files import replacing

topic = Topic("data_loading", 7)
check, predict, quiz, ready = topic.check, topic.predict, topic.quiz, topic.ready


def _reference(name: str) -> Callable:
    """A name of lmcourse.data_loading; where its library is absent, a function that says so when it is called."""
    try:
        return getattr(dl, name)
    except ModuleNotFoundError as error:
        missing = error

    def absent(*args, **kwargs):
        raise missing

    absent.__name__ = name
    return absent


# 7.1


def _size_cases():
    for vocab_size in (1, 2, 200, 255, 256, 257, 50_257, 65_535, 65_536, 65_537, 100_277, 2**24, 2**24 + 1, 2**32):
        yield call(vocab_size)


def _largest_is_an_id(vocab_size):
    """Takes vocab_size for the largest id."""
    return 1 if vocab_size < 2**8 else 2 if vocab_size < 2**16 else 4


def _in_bits(vocab_size):
    return 8 * dl.bytes_per_token(vocab_size)


def _three(vocab_size):
    """Three bytes would hold it; no integer of NumPy has three."""
    return max(1, -(-(vocab_size - 1).bit_length() // 8))


topic.exercise(
    dl.bytes_per_token,
    cases=_size_cases,
    hints=(
        "One byte holds the ids 0 to 255. How large may the vocabulary be, then? And with two bytes?",
        "Three cases: up to 2**8 tokens, up to 2**16 tokens, and more.",
    ),
    wrong={
        "the largest id is vocab_size − 1, not vocab_size": _largest_is_an_id,
        "these are bits; bytes are asked": _in_bits,
        "no integer of NumPy has three bytes": _three,
    },
    minutes=4,
    level=1,
)


# 7.2


def _generator(seed=0):
    import torch

    return torch.Generator().manual_seed(seed)


def _tokens(count, dtype="uint16"):
    import numpy as np

    return np.arange(count).astype(dtype)


def _only_window(context_length):
    def run(function):
        return function(_tokens(context_length + 1), 2, context_length, generator=_generator())

    return probe(f"get_batch(np.arange({context_length + 1}), 2, {context_length}): one window is possible", run)


def _too_short(length, context_length):
    def run(function):
        return function(_tokens(length), 1, context_length)

    return probe(f"get_batch(np.arange({length}), 1, {context_length}): no window is possible", run)


def _forms(function):
    return {
        f"{batch_size} × {context_length} of {dtype}": [
            f"{tuple(t.shape)} {t.dtype}" for t in function(_tokens(200, dtype), batch_size, context_length)
        ]
        for dtype, batch_size, context_length in (("uint8", 1, 1), ("uint16", 3, 2), ("uint32", 2, 7))
    }


def _shifted(function):
    tokens = _tokens(60_000)
    x, y = function(tokens, 20, 7, generator=_generator())
    windows = {"x": all(row == list(range(row[0], row[0] + 7)) for row in x.tolist())}
    return windows | {"y is x one token later": bool((y == x + 1).all()), "tokens are as they were": tokens[0] == 0}


def _starts(length, context_length):
    def run(function):
        x, _ = function(_tokens(length), 300, context_length, generator=_generator())
        return sorted({int(row[0]) for row in x})

    return probe(f"the starts that occur in 300 windows of {length} tokens with context_length {context_length}", run)


def _equally_often(function):
    x, _ = function(_tokens(14), 8_000, 6, generator=_generator())
    counts = [int((x[:, 0] == start).sum()) for start in range(8)]
    rare = [start for start, count in enumerate(counts) if not 850 <= count <= 1150]
    return f"start {rare[0]}: {counts[rare[0]]} times" if rare else "each about 1,000 times"


def _by_generator(function):
    a, b, c = (function(_tokens(10_000), 8, 4, generator=_generator(s))[0].tolist() for s in (1, 1, 2))
    return {"same seed, same batch": a == b, "other seed, same batch": a == c}


def _goes_on(function):
    generator = _generator(3)
    one, two = (function(_tokens(10_000), 8, 4, generator=generator)[0].tolist() for _ in range(2))
    return {"two calls with one generator give the same batch": one == two}


def _independent_starts(function):
    generator = _generator()
    batches = [function(_tokens(1000), 2, 4, generator=generator)[0] for _ in range(30)]
    distances = {int(x[1, 0] - x[0, 0]) for x in batches}
    return "many" if len(distances) > 10 else f"{len(distances)}"


def _device(function):
    return [t.device.type for t in function(_tokens(9), 2, 4, "meta")]


def _reads_little(function):
    import numpy as np

    tokens = np.zeros(4_000_000, dtype=np.uint8)
    tracemalloc.start()
    try:
        function(tokens, 8, 64, generator=_generator())
        return "below 1 MB" if tracemalloc.get_traced_memory()[1] < 1e6 else "1 MB or more"
    finally:
        tracemalloc.stop()


def _batch_cases():
    yield _only_window(1)
    yield _only_window(4)
    yield from (_too_short(*sizes) for sizes in ((0, 4), (3, 4), (4, 4), (1, 1)))
    yield probe("shapes and dtypes", _forms)
    yield probe("x and y, when each token is its own position", _shifted)
    yield from (_starts(*sizes) for sizes in ((3, 1), (6, 4), (10, 4)))
    yield probe("how often each of 8 starts occurs in 8,000 windows", _equally_often)
    yield probe("two generators", _by_generator)
    yield probe("one generator, twice", _goes_on)
    yield probe("how many different distances two starts have in 30 batches", _independent_starts)
    yield probe("where both results are for device='meta'", _device)
    yield probe("the memory that a batch of 4 MB of tokens takes", _reads_little)


def _cut(tokens, batch_size, context_length, generator, *, shift=1, spare=0, dtype="int64"):
    import numpy as np
    import torch

    possible = len(tokens) - context_length - spare
    if possible < 1:
        raise ValueError("too short")
    starts = torch.randint(possible, (batch_size,), generator=generator).tolist()
    x = np.stack([tokens[s : s + context_length] for s in starts]).astype(dtype)
    y = np.stack([tokens[s + shift : s + shift + context_length] for s in starts]).astype(dtype)
    return torch.from_numpy(x), torch.from_numpy(y)


def _no_shift(tokens, batch_size, context_length, device="cpu", *, generator=None):
    """Targets equal to inputs: the loss falls to zero and nothing is learnt."""
    return _cut(tokens, batch_size, context_length, generator, shift=0)


def _one_start_too_many(tokens, batch_size, context_length, device="cpu", *, generator=None):
    """Starts up to the last window of inputs, which leaves its last target outside."""
    return _cut(tokens, batch_size, context_length, generator, spare=-1)


def _one_start_too_few(tokens, batch_size, context_length, device="cpu", *, generator=None):
    """The last token is never a target, and context_length + 1 tokens are called too few."""
    return _cut(tokens, batch_size, context_length, generator, spare=1)


def _narrow(tokens, batch_size, context_length, device="cpu", *, generator=None):
    """Hands on the dtype of the file, which an embedding does not take."""
    return _cut(tokens, batch_size, context_length, generator, dtype=tokens.dtype)


def _widens_the_file(tokens, batch_size, context_length, device="cpu", *, generator=None):
    """Makes int64 of the whole file first."""
    return dl.get_batch(tokens.astype("int64"), batch_size, context_length, device, generator=generator)


def _own_dice(tokens, batch_size, context_length, device="cpu", *, generator=None):
    """Draws from the global generator."""
    return dl.get_batch(tokens, batch_size, context_length, device)


def _on_the_cpu(tokens, batch_size, context_length, device="cpu", *, generator=None):
    return dl.get_batch(tokens, batch_size, context_length, generator=generator)


topic.exercise(
    _reference("get_batch"),
    cases=_batch_cases,
    hints=(
        "A window holds context_length + 1 tokens: its first context_length are x, its last context_length are y. So "
        "len(tokens) − context_length starts are possible; fewer than one is a ValueError.",
        "starts = torch.randint(possible, (batch_size,), generator=generator).numpy(), then windows = "
        "read_windows(tokens, starts, context_length + 1). x is windows[:, :-1], y is windows[:, 1:]; to_device makes "
        "an int64 tensor of each.",
    ),
    wrong={
        "the targets are the inputs": _no_shift,
        "one start too many: its last target lies past the end": _one_start_too_many,
        "one start too few: the last token is never a target": _one_start_too_few,
        "the dtype is still that of the file": _narrow,
        "the whole file is widened to int64": _widens_the_file,
        "the generator is not used": _own_dice,
        "the device is not used": _on_the_cpu,
    },
    minutes=14,
    level=2,
)


# 7.3


def _seen_cases():
    import numpy as np

    for context_length in (1, 2, 3):
        for count in (0, 1, 2, 3):
            for starts in itertools.product(range(4), repeat=count):
                yield call(np.array(starts, dtype=np.int64), context_length, context_length + 4)
    for starts in ([7], [5, 7], [7, 8], [0, 9]):  # windows that reach past the last token
        yield call(np.array(starts, dtype=np.int64), 4, 10)
    dice = np.random.default_rng(0)
    for count in (10, 100, 900):
        yield call(dice.integers(0, 9000, count), 10, 9010)


def _every_window_counts(starts, context_length, num_tokens):
    """Counts a token as often as it was seen."""
    return len(starts) * context_length


def _different_starts(starts, context_length, num_tokens):
    """Removes equal windows, and forgets that different ones overlap."""
    return len(set(starts.tolist())) * context_length


def _inputs_too(starts, context_length, num_tokens):
    """Counts the first input, which is no target."""
    return len({s + j for s in starts.tolist() for j in range(context_length + 1)})


def _inputs_instead(starts, context_length, num_tokens):
    """Marks the inputs: as many, but where a window reaches past the end."""
    return len({s + j for s in starts.tolist() for j in range(context_length) if s + j < num_tokens})


def _past_the_end(starts, context_length, num_tokens):
    """Counts targets that the file does not have."""
    return len({s + j for s in starts.tolist() for j in range(1, context_length + 1)})


def _one_target_short(starts, context_length, num_tokens):
    return len({s + j for s in starts.tolist() for j in range(1, context_length)})


topic.exercise(
    _reference("count_tokens_seen"),
    cases=_seen_cases,
    hints=(
        "Keep one mark for each token: np.zeros(num_tokens, dtype=bool).",
        "The window at s has the targets s + 1 ... s + context_length: mark seen[s + 1 : s + 1 + context_length], and "
        "count the marks at the end, as an int.",
    ),
    wrong={
        "a token counts as often as it was seen": _every_window_counts,
        "windows that overlap count twice": _different_starts,
        "the first input counts, which is no target": _inputs_too,
        "the last target of a window is missing": _one_target_short,
        "the inputs are marked; the targets stand one token further right": _inputs_instead,
        "targets past the last token count too": _past_the_end,
    },
    minutes=7,
    level=1,
)


# 7.4


def _order_cases():
    yield call(0, 5, 5)
    for num_windows in (1, 2, 3, 5):
        for position in range(2 * num_windows + 1):
            for count in (0, 1, 2, 4, 7):
                yield call(position, count, num_windows, 1)
    yield call(3, 4, 5, seed=7)
    yield call(7, 12, 5)
    yield call(1_000_003, 8, 1000, 3)
    yield call(3_999, 70, 1000, 4)
    yield probe("the memory that resume(299_998, 4, 300_000) takes", _little_memory(lambda f: f(299_998, 4, 300_000)))
    yield call(10**9 + 5, 4, 10**6, 4)


def _little_memory(use):
    def run(function):
        tracemalloc.start()
        try:
            use(function)
            return "below 1 MB" if tracemalloc.get_traced_memory()[1] < 1e6 else "1 MB or more"
        finally:
            tracemalloc.stop()

    return run


def _starts_over(position, count, num_windows, seed=0):
    """Forgets the place: begins a fresh epoch after every stop."""
    return dl.next_windows(0, count, num_windows, seed)


def _one_order(position, count, num_windows, seed=0):
    """Every epoch in the order of the first."""
    import numpy as np

    return dl.shuffled(np.arange(position, position + count) % num_windows, num_windows, (seed, 0))


def _epoch_of_the_first(position, count, num_windows, seed=0):
    """Goes on in the old epoch's order when a batch crosses the border."""
    import numpy as np

    places = np.arange(position, position + count) % num_windows
    return dl.shuffled(places, num_windows, (seed, position // num_windows))


def _next_epoch(position, count, num_windows, seed=0):
    """Leaves out what was left of the epoch."""
    return dl.next_windows(-(-position // num_windows) * num_windows, count, num_windows, seed)


def _places(position, count, num_windows, seed=0):
    """Where in the epoch, and not which window stands there."""
    import numpy as np

    return np.arange(position, position + count) % num_windows


def _whole_epochs(position, count, num_windows, seed=0):
    """Right, with every epoch that is touched in memory."""
    import numpy as np

    first, last = position // num_windows, (position + count) // num_windows
    epochs = [dl.shuffled(np.arange(num_windows), num_windows, (seed, epoch)) for epoch in range(first, last + 1)]
    return np.concatenate(epochs)[position - first * num_windows :][:count]


topic.exercise(
    _reference("next_windows"),
    name="resume",
    cases=_order_cases,
    hints=(
        "The places are range(position, position + count). You know how to find the window at one place.",
        "A list of window_at(place, num_windows, seed) for each place; np.array(windows, dtype=np.int64) makes an "
        "array of it. A border between two epochs needs no extra care: window_at finds the epoch of each place.",
    ),
    wrong={
        "it starts over after every stop": _starts_over,
        "every epoch has the order of the first": _one_order,
        "past the border the old epoch's order goes on": _epoch_of_the_first,
        "the rest of the epoch is skipped": _next_epoch,
        "these are places, and which window is there is not asked": _places,
        "a whole epoch is listed to find a few windows of it": _whole_epochs,
    },
    minutes=7,
    level=1,
)


# 7.4a


def _place_cases():
    for num_windows in (1, 2, 3, 5):
        for position in range(3 * num_windows):
            yield call(position, num_windows)
            yield call(position, num_windows, 1)
    yield call(6, 5, seed=7)
    yield call(3_999, 1000, 4)
    yield probe("the memory that window_at(5, 300_000) takes", _little_memory(lambda f: f(5, 300_000)))
    yield call(10**9 + 5, 10**6, 4)


def _window_of_a_list(position, num_windows, seed=0):
    """Right, with the whole epoch in memory."""
    import numpy as np

    epoch, place = divmod(position, num_windows)
    return int(dl.shuffled(np.arange(num_windows), num_windows, (seed, epoch))[place])


def _window_of_epoch_0(position, num_windows, seed=0):
    """Every epoch in the order of the first."""
    return dl.window_at(position % num_windows, num_windows, seed)


def _only_the_place(position, num_windows, seed=0):
    """Where in the epoch, and not which window stands there."""
    return position % num_windows


def _seed_plus_epoch(position, num_windows, seed=0):
    """One seed for two numbers: seed 1 repeats what seed 0 had, an epoch later."""
    import numpy as np

    epoch, place = divmod(position, num_windows)
    return int(dl.shuffled(np.array([place]), num_windows, seed + epoch)[0])


topic.exercise(
    _reference("window_at"),
    cases=_place_cases,
    hints=(
        "divmod(position, num_windows) gives the epoch and the place in it.",
        "Ask shuffled about one place only: shuffled(np.array([place]), num_windows, (seed, epoch)). It gives an array "
        "of one number; [0] takes it out, and int makes an int of it.",
    ),
    wrong={
        "every epoch has the order of the first": _window_of_epoch_0,
        "this is a place, and which window is there is not asked": _only_the_place,
        "the seed is seed + epoch, where the two are wanted side by side": _seed_plus_epoch,
        "a whole epoch is listed to find one window of it": _window_of_a_list,
    },
    of="resume",
    minutes=8,
    level=1,
)


# 7.5


def _shard_cases():
    yield call(0, 4, 0, 1)
    yield call(0, 4, 1, 2)
    for world_size in (1, 2, 3):
        for batch_size in (1, 2, 3):
            for rank in range(world_size):
                for step in (0, 1, 3):
                    yield call(step * batch_size * world_size, batch_size, rank, world_size)
    yield call(1000, 7, 5, 8)
    yield call(10**12, 32, 999, 1000)


def _same_places(got, want):
    """A list or a tuple of the places is as good as a range."""
    return difference(list(got) if isinstance(got, range) else got, list(want))


def _all_the_same(position, batch_size, rank, world_size):
    """Every rank reads the same."""
    return range(position, position + batch_size)


def _overlapping(position, batch_size, rank, world_size):
    """Ranks begin one place apart."""
    return range(position + rank, position + rank + batch_size)


def _own_part_of_the_file(position, batch_size, rank, world_size):
    """Counts only its own windows, and skips the others' twice."""
    first = position * world_size + rank * batch_size
    return range(first, first + batch_size)


def _dealt(position, batch_size, rank, world_size):
    return range(position + rank, position + batch_size * world_size, world_size)


topic.exercise(
    dl.shard,
    cases=_shard_cases,
    same=_same_places,
    hints=(
        "Rank 0 takes the first batch_size places from position on; where does rank 1 begin?",
        "position already counts the windows of all ranks, so world_size is not needed: return a range of batch_size "
        "places that begins at position + rank · batch_size.",
    ),
    wrong={
        "every rank reads the same places": _all_the_same,
        "the ranks overlap": _overlapping,
        "position is taken to count one rank's windows": _own_part_of_the_file,
        "the places are dealt out one by one": _dealt,
    },
    minutes=5,
    level=1,
)


# 7.6


def _stored(path):
    """What NumPy finds in the file, in words where it finds nothing."""
    import numpy as np

    try:
        array = np.load(path)
    except (OSError, ValueError, EOFError) as error:
        return f"np.load cannot read the file: {error}"
    if array.shape != (len(array),) or len(array) > 10:
        return f"{array.dtype} {array.shape}, sum {array.sum()}"
    return f"{array.dtype} {array.tolist()}"


def _over_an_old_file(folder):
    import numpy as np

    path = Path(folder, "tokens.npy")
    np.save(path, np.array([7, 8, 9], dtype=np.uint8))
    return path


def _writing(ids, vocab_size, label=None):
    """Write an iterator of ids over a file that holds 7 8 9: what is returned or raised, and what the file holds."""

    def run(function):
        with tempfile.TemporaryDirectory() as folder:
            path = _over_an_old_file(folder)
            try:
                outcome = function(path, iter(ids), vocab_size)
            except (ValueError, TypeError) as error:
                outcome = f"{type(error).__name__}"
            return {"outcome": outcome, "the file holds": _stored(path)}

    return probe(f"write_tokens(path, iter({label or ids}), {vocab_size}), where path holds 7 8 9 before", run)


def _seen_while_writing(function):
    with tempfile.TemporaryDirectory() as folder:
        path, seen = _over_an_old_file(folder), []

        def ids():
            for i in range(200_000):
                if i in (0, 199_999):
                    seen.append(_stored(path))
                yield i % 100

        function(path, ids(), 100)
        return seen


class _TextIsGone(Exception):
    pass


def _fails_in_the_middle(function):
    with tempfile.TemporaryDirectory() as folder:
        path = _over_an_old_file(folder)

        def ids():
            yield from [1] * 100_000
            raise _TextIsGone("the text cannot be read any further")

        try:
            function(path, ids(), 10)
        except _TextIsGone:
            return _stored(path)
        return "the error of the iterator is swallowed"


def _by_a_name(function):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "new.npy")
        return function(str(path), [3, 1, 2], 10), _stored(path)


def _growth(function):
    """Bytes that 400,000 ids take on their way more than 100,000 do."""
    peaks = []
    for count in (100_000, 400_000):
        with tempfile.TemporaryDirectory() as folder:
            tracemalloc.start()
            try:
                function(Path(folder, "tokens.npy"), itertools.repeat(300, count), 1000)
                peaks.append(tracemalloc.get_traced_memory()[1])
            finally:
                tracemalloc.stop()
    return "no more" if peaks[1] - peaks[0] < 250_000 else f"{(peaks[1] - peaks[0]) / 1e6:.1f} MB more"


def _file_cases():
    yield _writing([1, 2], 10)
    yield _writing([0, 300], 50_257)
    for size in (256, 257, 65_536, 65_537):
        yield _writing([0, size - 1], size)
        yield _writing([5, size], size)
    yield _writing([70_000], 100_000)
    yield _writing([5, -1], 300)
    yield _writing([2**70], 300)
    yield _writing([5, 1.0], 300)
    yield _writing(["a"], 300)
    yield _writing([], 10)
    yield probe("write_tokens('a/file/that/is/new.npy', [3, 1, 2], 10)", _by_a_name)
    for count in (65_535, 65_536, 65_537, 200_000):
        yield _writing(range(count), 200_000, f"range({count})")
    yield _writing([*range(100), *[0] * 100_000, 70_000], 50_257, "100,100 small ids and 70000")
    yield probe("what the old file holds while the first and the last id are written", _seen_while_writing)
    yield probe("what the old file holds after the iterator has raised an error of its own", _fails_in_the_middle)
    yield probe("the memory for 400,000 ids, over that for 100,000", _growth)


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


def _raw(path, ids, vocab_size):
    """tofile: the bytes without a header, under a name that promises one."""
    import numpy as np

    array = np.array(list(ids), dtype=dl.token_dtype(vocab_size))
    array.tofile(path)
    return len(array)


def _wraps(path, ids, vocab_size):
    """astype without a look at the ids."""
    import numpy as np

    array = np.array(list(ids)).astype(dl.token_dtype(vocab_size))
    np.save(path, array)
    return len(array)


def _in_place(path, ids, vocab_size):
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


def _one_header(path, ids, vocab_size):
    """Never comes back to the header, which goes on promising no ids."""
    return _packed(path, ids, vocab_size, header_again=False)


def _takes_none(path, ids, vocab_size):
    return _packed(path, ids, vocab_size, refuses_none=False)


def _all_at_once(path, ids, vocab_size):
    """Right, with everything in memory."""
    return _packed(path, list(ids), vocab_size)


topic.exercise(
    _reference("write_tokens"),
    cases=_file_cases,
    hints=(
        "Everything happens inside `with replacing(path) as file:`. First write_header(file, token_dtype(vocab_size), "
        "0), since the length is not known yet; then write_chunks.",
        "At the end file.seek(0) goes back to the beginning; write_header once more, with the length. No ids at all is "
        "a ValueError: raise it inside the with block, and the old file stays.",
    ),
    wrong={
        "the bytes are written without a header": _raw,
        "ids are never compared with vocab_size, and wrap around": _wraps,
        "the old file is written over in place": _in_place,
        "the header still says that there are 0 ids": _one_header,
        "no ids at all are not refused": _takes_none,
        "all ids are in memory at once": _all_at_once,
    },
    minutes=12,
    level=2,
)


# 7.6a


def _chunk_cases():
    yield probe(
        "write_chunks(file, iter([1, 2]), 10): what is returned, and what the file holds", _chunks_of([1, 2], 10)
    )
    for ids, vocab_size in (([], 10), ([7], 256), ([1, 2, 258], 1000), ([0, 65_536], 65_537)):
        label = f"write_chunks(file, iter({ids}), {vocab_size})"
        yield probe(label, _chunks_of(ids, vocab_size))
    for count in (65_535, 65_536, 65_537, 140_000):
        label = f"write_chunks(file, iter(range({count})), 200_000)"
        yield probe(label, _chunks_of(range(count), 200_000))
    yield probe("write_chunks(file, iter([1, 2]), 10), where the file holds b'head' and is at its end", _after_a_head)
    yield probe("the memory for 400,000 ids, over that for 100,000", _chunk_growth)


def _chunks_of(ids, vocab_size):
    def run(function):
        file = io.BytesIO()
        count = function(file, iter(ids), vocab_size)
        held = file.getvalue()
        return {
            "returned": count,
            "the file holds": held if len(held) < 40 else f"{len(held)} bytes, {zlib.crc32(held)}",
        }

    return run


def _after_a_head(function):
    file = io.BytesIO()
    file.write(b"head")
    return function(file, iter([1, 2]), 10), file.getvalue(), file.tell()


def _chunk_growth(function):
    """Whether 400,000 ids take more memory on their way than 100,000 do; what is written goes nowhere."""
    peaks = []
    for count in (100_000, 400_000):
        with Path(os.devnull).open("wb") as file:
            tracemalloc.start()
            try:
                function(file, itertools.repeat(300, count), 1000)
                peaks.append(tracemalloc.get_traced_memory()[1])
            finally:
                tracemalloc.stop()
    return "no more" if peaks[1] - peaks[0] < 250_000 else f"{(peaks[1] - peaks[0]) / 1e6:.1f} MB more"


def _counts_chunks(file, ids, vocab_size):
    return sum(1 for chunk in dl.checked_chunks(ids, vocab_size) if file.write(chunk.tobytes()))


def _counts_bytes(file, ids, vocab_size):
    return sum(file.write(chunk.tobytes()) for chunk in dl.checked_chunks(ids, vocab_size))


def _the_first_chunk(file, ids, vocab_size):
    """Returns inside the loop."""
    for chunk in dl.checked_chunks(ids, vocab_size):
        file.write(chunk.tobytes())
        return len(chunk)
    return 0


def _listed_first(file, ids, vocab_size):
    return dl.write_chunks(file, list(ids), vocab_size)


topic.exercise(
    _reference("write_chunks"),
    cases=_chunk_cases,
    hints=(
        "Loop over checked_chunks(ids, vocab_size). Each chunk is an array.",
        "file.write(chunk.tobytes()) writes one chunk; len(chunk) is how many ids it holds. Add the lengths up.",
    ),
    wrong={
        "these are chunks; ids are asked": _counts_chunks,
        "these are bytes; ids are asked": _counts_bytes,
        "only the first chunk is written": _the_first_chunk,
        "all ids are in memory at once": _listed_first,
    },
    of="write_tokens",
    minutes=6,
    level=1,
)


topic.prediction(
    "wrap",
    answer=4464,
    why="A uint16 counts modulo 65 536: 70 000 − 65 536 = 4 464, without a warning.",
    remarks={
        65_535: "That would be saturation; integers wrap.",
        70_000: "70 000 needs 17 bits.",
    },
)
topic.prediction(
    "page",
    answer=lambda: mmap.PAGESIZE,
    why="The system reads whole pages, never less: this machine's are that long.",
    remarks={2: "That is what you use. It is not what is read."},
)
topic.prediction(
    "starts",
    answer=6,
    why="A window needs 4 inputs and one more target: starts 0 to 10 − 4 − 1 = 5.",
    remarks={7: "The seventh window has 4 inputs, and its last target lies past the end.", 5: "Count start 0 too."},
)
topic.prediction(
    "coverage",
    answer=0.632,
    unit="share",
    tolerance=0.03,
    why="A token is missed by all n / T draws with probability (1 − T / n)^(n / T), about 1/e; 1 − 1/e is 63 %.",
    remarks={1.0: "Only without replacement.", 0.5: "Nearer than most guesses; compute (1 − 1/k)^k for a large k."},
)

topic.question(
    "Why is a token file .npy and not .bin?",
    "Its header says dtype and length. A raw file read with the wrong dtype gives wrong ids and no error.",
)
topic.question(
    "What has open_tokens read when it returns?",
    "The header, and nothing of the data. A page is read when something in it is first touched.",
)
topic.question(
    "You ask for one token of two bytes. How much is read?",
    "At least one page: the system reads whole pages, never less.",
)
topic.question(
    "More: resident memory grew by gigabytes while you read a mapped file. Is that a leak?",
    "No: the pages are the page cache's, and the system takes them back. Releasing them keeps the number small.",
)
topic.question(
    "How many windows with targets does a file of n tokens have?",
    "n − T, at the starts 0 ... n − T − 1: a window holds T + 1 tokens.",
)
topic.question(
    "Why is a batch made by windows[starts] and not by a loop?",
    "The strided view holds every window without a copy; one indexing step copies the rows that are wanted.",
)
topic.question(
    "What share of the text does one 'epoch' of random windows show?",
    "1 − 1/e, 63 %. Shuffled windows show all of it.",
)
topic.question(
    "More: what must a checkpoint keep of the data loader?",
    "How many windows were handed out. Seed and position give the epoch, the order and the place in it.",
)
topic.question(
    "More: two ranks stop at step 100. Can one rank go on?",
    "Yes, with twice the batch: the position counts all ranks' windows, so the stream is the same.",
)
