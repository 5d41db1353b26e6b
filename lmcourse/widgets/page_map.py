"""PageMap: what a batch touches in a token file, page by page, while the system counts faults and memory."""

import html
import mmap
import time

import numpy as np
import torch
import traitlets

from lmcourse import data_loading as dl
from lmcourse.widgets.base import CourseWidget

ORDERS = dl.BatchSampler.ORDERS
VIEWS = ("pages", "shift", "mask", "coverage")
BLOCKS = 480  # cells of the strip at the most: in a larger file each stands for several pages
WINDOWS = 1500  # windows that the stepper walks through at the most


class PageMap(CourseWidget):
    """Batches of windows as they fall on the pages of a token file.

    PageMap(tokens) follows a BatchSampler over the tokens that `open_tokens` gave (or over any integer array, as if it
    were a file). PageMap(tokens, get_batch=my_get_batch) calls yours on tokens whose values are their positions,
    and so sees where each of its rows begins and whether y follows x. On a mapped file the reader can let the kernel
    read each batch for real: page faults, resident memory and the pages in the page cache are the system's own counts.

    Args:
        tokens: one-dimensional integer array, mapped or in memory.
        batch_size: windows in a batch, 1 ... 64.
        context_length: inputs in a window, 1 ... 4096 and below len(tokens).
        order: "shuffled", "sequential" or "random".
        seed: of the order.
        step: how many batches have been drawn, 0 ... last.
        view: "pages", "shift", "mask" or "coverage".
        end_of_text: the id that ends a document, or None.
        get_batch: a function with the signature of lmcourse.data_loading.get_batch.
        record: how many batches to read for real now, for a page that has no kernel later.

    Raises TypeError or ValueError for anything else, by name.
    """

    num_tokens = traitlets.Int(1, min=1).tag(sync=True)
    itemsize = traitlets.Int(2, min=1, max=8).tag(sync=True)
    offset = traitlets.Int(0, min=0).tag(sync=True)
    page_size = traitlets.Int(4096, min=1).tag(sync=True)
    mapped = traitlets.Bool(False).tag(sync=True)
    batch_size = traitlets.Int(4, min=1, max=64).tag(sync=True)
    context_length = traitlets.Int(64, min=1, max=4096).tag(sync=True)
    order = traitlets.Unicode("random").tag(sync=True)
    seed = traitlets.Int(0).tag(sync=True)
    step = traitlets.Int(1, min=0).tag(sync=True)
    view = traitlets.Unicode("pages").tag(sync=True)
    window = traitlets.Int(0, min=0).tag(sync=True)
    keys_by_epoch = traitlets.List().tag(sync=True)
    random_key = traitlets.Unicode("0").tag(sync=True)
    ends = traitlets.List().tag(sync=True)
    ids = traitlets.List().tag(sync=True)
    own = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
    recorded = traitlets.List().tag(sync=True)

    def __init__(
        self,
        tokens,
        *,
        batch_size: int = 4,
        context_length: int = 64,
        order: str = "random",
        seed: int = 0,
        step: int = 1,
        view: str = "pages",
        end_of_text: int | None = None,
        get_batch=None,
        record: int = 0,
    ):
        if not isinstance(tokens, np.ndarray) or tokens.ndim != 1 or tokens.dtype.kind not in "iu":
            raise TypeError(
                f"tokens is a {type(tokens).__name__}, it must be a one-dimensional NumPy array of integers"
            )
        if not 1 <= batch_size <= 64:
            raise ValueError(f"batch_size is {batch_size}, it must be in 1 ... 64")
        if not 1 <= context_length <= min(4096, len(tokens) - 1):
            raise ValueError(
                f"context_length is {context_length}, with {len(tokens)} tokens it must be in 1 ... "
                f"{min(4096, len(tokens) - 1)}"
            )
        if view not in VIEWS:
            raise ValueError(f"view is {view!r}, it must be one of {', '.join(VIEWS)}")
        if get_batch is not None and not callable(get_batch):
            raise TypeError(f"get_batch is a {type(get_batch).__name__}, it must be a function like get_batch")
        sampler = dl.BatchSampler(len(tokens), batch_size, context_length, order=order, seed=seed)
        mapped = dl.mapping_of(tokens) is not None
        self._tokens = tokens
        super().__init__(
            source=f"Windows: {'your get_batch' if get_batch else 'lmcourse.data_loading.BatchSampler'}, "
            f"seed {seed}. Pages of {mmap.PAGESIZE if mapped else 4096} bytes"
            + ("." if mapped else ", as if the array in memory were a file."),
            num_tokens=len(tokens),
            itemsize=tokens.itemsize,
            offset=dl.offset_in_file(tokens),
            page_size=mmap.PAGESIZE if mapped else 4096,
            mapped=mapped,
            batch_size=batch_size,
            context_length=context_length,
            order="own" if get_batch else order,
            seed=seed,
            view=view,
            keys_by_epoch=_keys_by_epoch(sampler),
            random_key=str(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]),
            ends=_ends(tokens, end_of_text),
            ids=tokens.tolist() if len(tokens) <= 4096 else [],
            own=_try_out(get_batch, len(tokens), batch_size, context_length) if get_batch else None,
        )
        self.step = max(0, min(int(step), len(self.own["batches"]) if self.own else WINDOWS // batch_size))
        if view == "mask":
            self.window = self._crossing()
        self.title = f"What each batch touches in a file of {_grouped(len(tokens))} tokens"
        if record and mapped:
            self.recorded = [
                {"step": k, **self._read(next(sampler).tolist(), context_length + 1)} for k in range(1, record + 1)
            ]

    def _starts(self) -> list[int]:
        """Where the windows of this step begin."""
        if self.step == 0:
            return []
        if self.own:
            return [row[0] for row in self.own["batches"][self.step - 1]["x"]] if self.own["batches"] else []
        sampler = dl.BatchSampler(
            self.num_tokens, self.batch_size, self.context_length, order=self.order, seed=self.seed
        )
        sampler.position = (self.step - 1) * self.batch_size
        return next(sampler).tolist()

    def _crossing(self) -> int:
        """The first window of this step with more than one document: there the mask has something to show."""
        inside = self.context_length - 1
        crosses = [any(start <= end < start + inside for end in self.ends) for start in self._starts()]
        return crosses.index(True) if True in crosses else 0

    def _pages(self) -> set[int]:
        size = self.context_length + 1
        return dl.pages_of(self._tokens, np.array(self._starts(), dtype=np.int64), size, page_size=self.page_size)

    def summary(self) -> str:
        asked = len(self._starts()) * (self.context_length + 1) * self.itemsize
        if not asked:
            return f"nothing read of {_grouped(self.num_tokens)} tokens, {_grouped(self._num_pages())} pages"
        pages = len(self._pages())
        read = pages * self.page_size
        return (
            f"batch {self.step}, {self.order} order: {len(self._starts())} windows ask for {_grouped(asked)} bytes and "
            f"touch {pages} of {_grouped(self._num_pages())} pages, {_grouped(read)} bytes, {read / asked:.1f} × that"
        )

    def _num_pages(self) -> int:
        return -(-(self.offset + self.num_tokens * self.itemsize) // self.page_size)

    def snapshot(self) -> str:
        blocks = min(64, self._num_pages())
        lit = {page * blocks // self._num_pages() for page in self._pages()}
        strip = "".join("■" if block in lit else "·" for block in range(blocks))
        rows = "".join(
            f"<tr><td>{k}</td><td>{_grouped(start)}</td><td>{_grouped(start + self.context_length)}</td></tr>"
            for k, start in enumerate(self._starts()[:8], 1)
        )
        return (
            f"<p>The file from its first page to its last (■ touched now): <code>{strip}</code></p>"
            f"<p>{html.escape(self.summary())}.</p>"
            f"<table><tr><th>window</th><th>first token</th><th>last target</th></tr>{rows}</table>"
        )

    @classmethod
    def example(cls) -> "PageMap":
        rng = np.random.default_rng(0)
        tokens = rng.integers(1, 50_256, 200_000).astype(np.uint16)
        tokens[np.cumsum(rng.integers(20, 400, 900))] = 50_256
        return cls(tokens, end_of_text=50_256)

    def answer(self, question: dict) -> dict:
        """{"read": starts, "size": n} reads; {"drop": true} empties the page cache; {"read_ahead": bool} advises."""
        if not self.mapped:
            raise ValueError("tokens is an array in memory, there is no file to read: give PageMap open_tokens(path)")
        if not isinstance(question, dict) or not question.keys() & {"read", "drop", "read_ahead"}:
            raise ValueError(f"question is {str(question)[:80]}, it must have read, drop or read_ahead")
        if "read_ahead" in question:
            if not hasattr(mmap, "MADV_NORMAL"):
                raise ValueError("this system takes no advice about reading ahead")
            dl.mapping_of(self._tokens).madvise(mmap.MADV_NORMAL if question["read_ahead"] else mmap.MADV_RANDOM)
            return {"cached": self._cached_blocks()}
        if "drop" in question:
            if not dl.drop_from_cache(self._tokens):
                raise ValueError("this system cannot be asked to forget a file")
            return {"cached": self._cached_blocks()}
        starts = question["read"]
        if not isinstance(starts, list) or len(starts) > 64 or not all(isinstance(start, int) for start in starts):
            raise ValueError("read must be a list of at most 64 integers")
        if not isinstance(question.get("size"), int) or not 1 <= question["size"] <= 4097:
            raise ValueError("size must be an integer in 1 ... 4097")
        return {"key": question.get("key"), **self._read(starts, question["size"])}

    def _read(self, starts: list[int], size: int) -> dict:
        before, clock = dl.process_memory(), time.perf_counter()
        dl.read_windows(self._tokens, np.array(starts, dtype=np.int64), size)
        milliseconds, after = 1e3 * (time.perf_counter() - clock), dl.process_memory()
        major = None if after.major_faults is None else after.major_faults - before.major_faults
        return {
            "minor": after.minor_faults - before.minor_faults,
            "major": major,
            "resident": after.resident,
            "grown": after.resident - before.resident,
            "ms": round(milliseconds, 3),
            "cached": self._cached_blocks(),
        }

    def _cached_blocks(self) -> list[int] | None:
        """Pages in the page cache, for each block of the strip."""
        cached = dl.cached_pages(self._tokens)
        if cached is None:
            return None
        per_block = -(-self._num_pages() // BLOCKS)
        return np.add.reduceat(cached, np.arange(0, len(cached), per_block), dtype=np.int64).tolist()


def _keys_by_epoch(sampler: dl.BatchSampler) -> list[list[str]]:
    """The keys of the shuffles that the stepper can reach, as text: JSON has no integers of 64 bits."""
    epochs = max(12, 3 + 64 // sampler.num_windows)
    return [
        [str(key) for key in np.random.SeedSequence((sampler.seed, epoch)).generate_state(dl.ROUNDS, np.uint64)]
        for epoch in range(epochs)
    ]


def _ends(tokens: np.ndarray, end_of_text: int | None) -> list[int]:
    """Positions of the first 4,000 ends of documents, looked for in the first ten million tokens."""
    if end_of_text is None:
        return []
    return np.flatnonzero(tokens[:10_000_000] == end_of_text)[:4000].tolist()


def shown_offsets(context_length: int) -> list[int]:
    """The offsets of a window that the picture of x and y has room for: all, or the first 20 and the last 5."""
    if context_length <= 24:
        return list(range(context_length + 1))
    return [*range(20), *range(context_length - 4, context_length + 1)]


def _try_out(get_batch, num_tokens: int, batch_size: int, context_length: int) -> dict:
    """Call a reader's get_batch on tokens that are their own positions, and say what is right and wrong with it."""
    tokens, batches, facts = np.arange(min(num_tokens, 1_000_000)), [], []
    shown = shown_offsets(context_length)
    inputs, targets = [o for o in shown if o < context_length], [o - 1 for o in shown if o > 0]
    shifted = dtypes = shapes = True
    try:
        for seed in range(8):
            generator = torch.Generator().manual_seed(seed)
            x, y = get_batch(tokens, batch_size, context_length, generator=generator)
            shapes &= tuple(x.shape) == tuple(y.shape) == (batch_size, context_length)
            dtypes &= x.dtype == y.dtype == torch.int64
            if shapes:
                x, y = x.cpu().long(), y.cpu().long()
                row = torch.arange(context_length)
                shifted &= bool((x == x[:, :1] + row).all() and (y == x[:, :1] + row + 1).all())
                batches.append({"x": x[:, inputs].tolist(), "y": y[:, targets].tolist()})
        facts = [
            {"ok": shapes, "text": f"x and y are batch × context, {batch_size} × {context_length}"},
            {"ok": dtypes, "text": "x and y are int64"},
            {"ok": shifted, "text": "rows are consecutive tokens, and y is x one token later"},
            {"ok": _reaches_both_ends(get_batch), "text": "all starts 0 … n − T − 1 occur, and no others"},
        ]
        return {"batches": batches, "facts": facts, "error": ""}
    except Exception as error:
        return {"batches": batches, "facts": facts, "error": f"{type(error).__name__}: {error}"[:300]}


def _reaches_both_ends(get_batch) -> bool:
    """Six tokens, windows of four: the starts 0 and 1 must occur, and a try at 2 must not fail."""
    try:
        x, _ = get_batch(np.arange(6), 200, 4, generator=torch.Generator().manual_seed(0))
    except Exception:
        return False
    return sorted({int(start) for start in x[:, 0]}) == [0, 1]


def _grouped(number: int) -> str:
    return f"{number:,}".replace(",", "\u2009")
