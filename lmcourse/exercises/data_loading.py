"""Exercises of notebook 07: cases, hints, typical wrong answers. The references are in lmcourse.data_loading."""

import mmap
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import torch

from lmcourse import data_loading as dl
from lmcourse.exercises.judging import call, probe
from lmcourse.exercises.topic import Topic
from lmcourse.support.files import replacing

topic = Topic("data_loading", 7)
check, predict, quiz, ready = topic.check, topic.predict, topic.quiz, topic.ready


# 7.1


def _stored(path):
    """What NumPy finds in the file, in words where it finds nothing."""
    try:
        array = np.load(path)
    except (OSError, ValueError, EOFError) as error:
        return f"np.load cannot read the file: {error}"
    return f"{array.dtype} {array.tolist() if len(array) <= 10 else f'{len(array)} ids that sum to {array.sum()}'}"


def _writing(label, ids, vocab_size):
    """Write `ids()` over a file that holds 7 8 9, and say what was returned or raised and what the file holds then."""

    def run(function):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "tokens.npy"
            np.save(path, np.array([7, 8, 9], dtype=np.uint8))
            try:
                outcome = function(path, ids(), vocab_size)
            except ValueError:
                outcome = "ValueError"
            return {"outcome": outcome, "the file holds": _stored(path)}

    return probe(label, run)


def _seen_while_writing(function):
    with tempfile.TemporaryDirectory() as folder:
        path, seen = Path(folder) / "tokens.npy", []
        np.save(path, np.array([7, 8, 9], dtype=np.uint8))

        def ids():
            for i in range(200_000):
                if i in (0, 199_999):
                    seen.append(_stored(path))
                yield i % 100

        function(path, ids(), 100)
        return seen


def _stays_small(function):
    with tempfile.TemporaryDirectory() as folder:
        tracemalloc.start()
        try:
            function(Path(folder) / "tokens.npy", (i % 1000 for i in range(300_000)), 1000)
            return "below 2 MB" if tracemalloc.get_traced_memory()[1] < 2e6 else "2 MB or more"
        finally:
            tracemalloc.stop()


def _raw(path, ids, vocab_size):
    """tofile: the bytes without a header, under a name that promises one."""
    array = np.array(list(ids), dtype=dl.token_dtype(vocab_size))
    array.tofile(path)
    return len(array)


def _wraps(path, ids, vocab_size):
    """astype without a look at the ids."""
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
    length = 0
    with replacing(path) as file:
        dl.write_header(file, dl.token_dtype(vocab_size), 0)
        for chunk in dl.checked_chunks(ids, vocab_size):
            file.write(chunk.tobytes())
            length += len(chunk)
    return length


def _all_at_once(path, ids, vocab_size):
    """Right, with everything in memory."""
    return dl.write_tokens(path, list(ids), vocab_size)


topic.exercise(
    dl.write_tokens,
    cases=[
        _writing("write_tokens(path, iter([1, 2]), 10)", lambda: iter([1, 2]), 10),
        _writing("write_tokens(path, iter([0, 300]), 50257)", lambda: iter([0, 300]), 50_257),
        _writing("write_tokens(path, iter([70000]), 100000)", lambda: iter([70_000]), 100_000),
        _writing("write_tokens(path, iter([1, 70000]), 50257)", lambda: iter([1, 70_000]), 50_257),
        _writing("write_tokens(path, iter([]), 10)", lambda: iter([]), 10),
        _writing("write_tokens(path, 200000 ids, 50257)", lambda: (i % 50_257 for i in range(200_000)), 50_257),
        probe("what the old file holds while the first and the last id are written", _seen_while_writing),
        probe("the memory that 300000 ids take on their way", _stays_small),
    ],
    hints=(
        "Everything happens inside `with replacing(path) as file:`. First write_header(file, dtype, 0), since the "
        "length is not known yet; then file.write(chunk.tobytes()) for each chunk of checked_chunks(ids, vocab_size).",
        "At the end file.seek(0) and write_header once more, with the length. No ids at all is a ValueError: raise it "
        "inside the with block, and the old file stays.",
    ),
    wrong={
        "raw bytes": _raw,
        "wraps around": _wraps,
        "writes in place": _in_place,
        "header never completed": _one_header,
        "everything in memory": _all_at_once,
    },
    minutes=12,
    level=2,
)


# 7.2


def _only_window(function):
    x, y = function(np.arange(5), 1, 4, generator=torch.Generator().manual_seed(0))
    return {"x": x.tolist(), "y": y.tolist()}


def _form(function):
    x, y = function(np.arange(100, dtype=np.uint16), 3, 2, generator=torch.Generator().manual_seed(0))
    return {name: f"{tuple(t.shape)} {t.dtype}" for name, t in {"x": x, "y": y}.items()}


def _shifted(function):
    x, y = function(np.arange(1000) ** 2, 20, 7, generator=torch.Generator().manual_seed(0))
    return {"y[:, :-1] equals x[:, 1:]": bool((y[:, :-1] == x[:, 1:]).all()), "y equals x": bool((y == x).all())}


def _starts(function):
    x, _ = function(np.arange(10), 500, 4, generator=torch.Generator().manual_seed(0))
    return sorted({int(row[0]) for row in x})


def _by_generator(function):
    draw = [
        function(np.arange(10_000), 8, 4, generator=torch.Generator().manual_seed(s))[0].tolist() for s in (1, 1, 2)
    ]
    return {"same seed, same batch": draw[0] == draw[1], "other seed, same batch": draw[0] == draw[2]}


def _independent(function):
    x, y = function(np.arange(100), 4, 8, generator=torch.Generator().manual_seed(0))
    before = y.reshape(-1).tolist()
    x[:] = -1
    return {"y.view(-1) works": y.view(-1).tolist() == before}


def _reads_little(function):
    tokens = np.zeros(4_000_000, dtype=np.uint8)
    tracemalloc.start()
    try:
        function(tokens, 8, 64, generator=torch.Generator().manual_seed(0))
        return "below 1 MB" if tracemalloc.get_traced_memory()[1] < 1e6 else "1 MB or more"
    finally:
        tracemalloc.stop()


def _cut(tokens, batch_size, context_length, generator, *, shift=1, spare=0, dtype=np.int64):
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
    return dl.get_batch(tokens.astype(np.int64), batch_size, context_length, device, generator=generator)


def _own_dice(tokens, batch_size, context_length, device="cpu", *, generator=None):
    """Draws from the global generator."""
    return dl.get_batch(tokens, batch_size, context_length, device)


topic.exercise(
    dl.get_batch,
    cases=[
        probe("get_batch(np.arange(5), 1, 4): one window is possible", _only_window),
        probe("get_batch(np.arange(4), 1, 4): none is", lambda fn: fn(np.arange(4), 1, 4)),
        probe("get_batch of uint16 tokens, batch_size 3, context_length 2", _form),
        probe("how y follows x", _shifted),
        probe("the starts that occur among 10 tokens with context_length 4", _starts),
        probe("generator", _by_generator),
        probe("y after x was overwritten", _independent),
        probe("the memory that a batch of a 4 MB array takes", _reads_little),
        probe("get_batch(tokens, 0, 4)", lambda fn: fn(np.arange(100), 0, 4)),
    ],
    hints=(
        "A window holds context_length + 1 tokens: its first context_length are x, its last context_length are y. So "
        "len(tokens) − context_length starts are possible; fewer than one is a ValueError.",
        "starts = torch.randint(possible, (batch_size,), generator=generator).numpy(), then read_windows(tokens, "
        "starts, context_length + 1) cuts all windows at once, and to_device makes int64 tensors of its two parts.",
    ),
    wrong={
        "no shift": _no_shift,
        "one start too many": _one_start_too_many,
        "one start too few": _one_start_too_few,
        "the dtype of the file": _narrow,
        "the whole file as int64": _widens_the_file,
        "ignores the generator": _own_dice,
    },
    minutes=12,
    level=2,
)


# 7.3


def _every_window_counts(starts, context_length, num_tokens):
    """Counts a token as often as it was seen."""
    return len(starts) * context_length


def _different_starts(starts, context_length, num_tokens):
    """Removes equal windows, and forgets that different ones overlap."""
    return len(set(starts.tolist())) * context_length


def _inputs_too(starts, context_length, num_tokens):
    """Counts the first input, which is no target."""
    return len({s + j for s in starts.tolist() for j in range(context_length + 1)})


topic.exercise(
    dl.count_tokens_seen,
    cases=[
        call(np.array([], dtype=np.int64), 4, 100),
        call(np.array([0]), 4, 100),
        call(np.array([0, 50]), 4, 100),
        call(np.array([0, 4]), 4, 100),
        call(np.array([3, 3]), 4, 100),
        call(np.array([0, 2]), 4, 100),
        call(np.random.default_rng(0).integers(0, 9000, 900), 10, 9010),
    ],
    hints=(
        "Keep one mark for each token: np.zeros(num_tokens, dtype=bool).",
        "The window at s has the targets s + 1 ... s + context_length: mark seen[s + 1 : s + 1 + context_length], and "
        "count the marks at the end, as an int.",
    ),
    wrong={
        "counts repeats": _every_window_counts,
        "overlaps count twice": _different_starts,
        "counts the first input": _inputs_too,
    },
    minutes=6,
    level=1,
)


# 7.4


def _starts_over(position, count, num_windows, seed=0):
    """Forgets the place: begins a fresh epoch after every stop."""
    return dl.next_windows(0, count, num_windows, seed)


def _one_order(position, count, num_windows, seed=0):
    """Every epoch in the order of the first."""
    return dl.shuffled(np.arange(position, position + count) % num_windows, num_windows, (seed, 0))


def _epoch_of_the_first(position, count, num_windows, seed=0):
    """Goes on in the old epoch's order when a batch crosses the border."""
    places = np.arange(position, position + count) % num_windows
    return dl.shuffled(places, num_windows, (seed, position // num_windows))


def _next_epoch(position, count, num_windows, seed=0):
    """Leaves out what was left of the epoch."""
    return dl.next_windows(-(-position // num_windows) * num_windows, count, num_windows, seed)


topic.exercise(
    dl.next_windows,
    name="resume",
    cases=[
        call(0, 5, 5),
        call(2, 3, 5),
        call(5, 5, 5),
        call(0, 3, 1),
        call(3, 4, 5, 1),
        call(7, 12, 5, 2),
        call(1_000_003, 8, 1000, 3),
        call(10**12 + 5, 4, 10**9, 4),
    ],
    hints=(
        "np.divmod(np.arange(position, position + count), num_windows) gives the epoch and the place in it, for all "
        "at once.",
        "Most batches lie in one epoch; some cross a border. For each epoch in np.unique(epochs): windows[now] = "
        "shuffled(places[now], num_windows, (seed, int(epoch))), where now = epochs == epoch.",
    ),
    wrong={
        "starts over": _starts_over,
        "one order for all epochs": _one_order,
        "misses the border": _epoch_of_the_first,
        "skips the rest of the epoch": _next_epoch,
    },
    minutes=12,
    level=3,
)


# 7.5


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


topic.exercise(
    dl.shard,
    cases=[
        call(0, 4, 0, 1),
        call(0, 4, 0, 2),
        call(0, 4, 1, 2),
        call(8, 4, 1, 2),
        probe(
            "all places of the second step of 3 ranks, batch_size 2",
            lambda fn: sorted(p for rank in range(3) for p in fn(6, 2, rank, 3)),
        ),
        call(1000, 7, 5, 8),
    ],
    hints=(
        "Rank 0 takes the first batch_size places from position on; where does rank 1 begin?",
        "position already counts the windows of all ranks, so world_size is not needed: return a range of batch_size "
        "places that begins at position + rank · batch_size.",
    ),
    wrong={
        "every rank the same": _all_the_same,
        "ranks overlap": _overlapping,
        "counts its own windows": _own_part_of_the_file,
    },
    minutes=5,
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
    "What has np.memmap read when it returns?",
    "Nothing of the data. A page is read when something in it is first touched.",
)
topic.question(
    "You ask for one token of two bytes. How much is read?",
    "At least one page, and as much more as the system reads ahead, unless it is told that the access is random.",
)
topic.question(
    "Resident memory grew by gigabytes while you read a mapped file. Is that a leak?",
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
    "What must a checkpoint keep of the data loader?",
    "How many windows were handed out. Seed and position give the epoch, the order and the place in it.",
)
topic.question(
    "Two ranks stop at step 100. Can one rank go on?",
    "Yes, with twice the batch: the position counts all ranks' windows, so the stream is the same.",
)
