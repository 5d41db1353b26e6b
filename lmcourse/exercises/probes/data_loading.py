"""What the exercises of notebook 07 try; lmcourse.exercises.data_loading says of which exercise."""

import io
import itertools
import os
import tempfile
import tracemalloc
import zlib
from pathlib import Path

from lmcourse.exercises.cases import call, probe
from lmcourse.exercises.comparing import difference


def size_cases():
    for vocab_size in (1, 2, 200, 255, 256, 257, 50_257, 65_535, 65_536, 65_537, 100_277, 2**24, 2**24 + 1, 2**32):
        yield call(vocab_size)


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
    return {
        "x": all(row[0] >= 0 and row == list(range(row[0], row[0] + 7)) for row in x.tolist()),
        "y is x one token later": bool((y == x + 1).all()),
        "tokens are as they were": bool((tokens == _tokens(60_000)).all()),
    }


def _large_ids(function):
    import numpy as np

    tokens = np.array([2**32 - 1, 2**24 + 1, 40_000] * 4, dtype=np.uint32)
    x, y = function(tokens, 50, 4, generator=_generator())
    return sorted({*x.flatten().tolist(), *y.flatten().tolist()})


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


def _goes_on_without(function):
    one, two = (function(_tokens(10_000), 8, 4)[0].tolist() for _ in range(2))
    return {"two calls without a generator give the same batch": one == two}


def _independent_starts(function):
    generator = _generator()
    batches = [function(_tokens(1000), 2, 4, generator=generator)[0] for _ in range(30)]
    distances = {int(x[1, 0] - x[0, 0]) for x in batches}
    if min(distances) > 0 or max(distances) < 0:
        return "in every batch the starts are sorted"
    return "many" if len(distances) > 10 else f"{len(distances)}"


def _device(function):
    return [t.device.type for t in function(_tokens(9), 2, 4, "meta")]


def _reads_little(function):
    import numpy as np

    tokens = np.zeros(4_000_000, dtype=np.uint8)
    tracemalloc.start()
    try:
        function(tokens, 8, 64, generator=_generator())
        megabytes = tracemalloc.get_traced_memory()[1] / 1e6
        return "below 1 MB" if megabytes < 1 else "1 to 8 MB" if megabytes < 8 else "more than 8 MB"
    finally:
        tracemalloc.stop()


def batch_cases():
    yield _only_window(1)
    yield _only_window(4)
    yield from (_too_short(*sizes) for sizes in ((0, 4), (3, 4), (4, 4), (1, 1)))
    yield probe("shapes and dtypes", _forms)
    yield probe("x and y, when each token is its own position", _shifted)
    yield probe("the ids in 50 windows of 12 tokens, which are 4294967295, 16777217 and 40000, in uint32", _large_ids)
    yield from (_starts(*sizes) for sizes in ((3, 1), (6, 4), (10, 4)))
    yield probe("how often each of 8 starts occurs in 8,000 windows", _equally_often)
    yield probe("two generators", _by_generator)
    yield probe("one generator, twice", _goes_on)
    yield probe("no generator, twice", _goes_on_without)
    yield probe("how many different distances two starts have in 30 batches", _independent_starts)
    yield probe("where both results are for device='meta'", _device)
    yield probe("the memory that a batch of 4 MB of tokens takes", _reads_little)


def seen_cases():
    import numpy as np

    yield call(np.array([0, 2]), 4, 10)  # the example by hand: windows that overlap
    for context_length in (1, 2, 3):
        for count in (0, 1, 2, 3):
            for starts in itertools.product(range(4), repeat=count):
                yield call(np.array(starts, dtype=np.int64), context_length, context_length + 4)
    dice = np.random.default_rng(0)
    for count in (10, 100, 900):
        yield call(dice.integers(0, 9000, count), 10, 9010)


def order_cases():
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


def place_cases():
    for num_windows in (1, 2, 3, 5):
        for position in range(3 * num_windows):
            yield call(position, num_windows)
            yield call(position, num_windows, 1)
    yield call(6, 5, seed=7)
    yield call(3_999, 1000, 4)
    yield probe("the memory that window_at(5, 300_000) takes", _little_memory(lambda f: f(5, 300_000)))
    yield call(10**9 + 5, 10**6, 4)
    yield call(10**17 - 1, 10**9, 4)  # no float holds this place


def shard_cases():
    yield call(0, 4, 0, 1)
    yield call(0, 4, 1, 2)
    for world_size in (1, 2, 3):
        for batch_size in (1, 2, 3):
            for rank in range(world_size):
                for step in (0, 1, 3):
                    yield call(step * batch_size * world_size, batch_size, rank, world_size)
    yield call(1000, 7, 5, 8)
    yield call(10**12, 32, 999, 1000)


def same_places(got, want):
    """A list or a tuple of the places is as good as a range."""
    return difference(list(got) if isinstance(got, range) else got, list(want))


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


def file_cases():
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


def chunk_cases():
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
