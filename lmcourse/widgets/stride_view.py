"""`StrideView(t, t.T, t[1:, ::2])`: the reader's own tensors over the memory that they share.

Python reads the records (shape, strides, offset) and the values of the storage, carries out typed operations on the
real tensors, and repeats PyTorch's own words. The JS answers at once by rules of its own, which
`tests/golden/stride_view.json` holds to what PyTorch and NumPy themselves do.
"""

import ast
import html
import inspect
import linecache
import sys
import types
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
import traitlets

from lmcourse.strides import addresses, is_contiguous, memory_range
from lmcourse.support import timing
from lmcourse.widgets.base import CourseWidget
from lmcourse.widgets.typed_operations import ARRAY_OPERATIONS, apply, parse

SHOWN = 256  # elements of a storage that are drawn; a longer one is cut, and says so
MODES = ("look", "walk", "view", "puzzle")

# Each puzzle: what to read from a storage that holds 0, 1, 2, ..., and one record that reads it.
PUZZLES = (
    # name, elements in the storage, shape, strides, offset, hint
    ("A plain matrix", 12, (3, 4), (4, 1), 0, "A step down skips one whole row."),
    ("Its transpose", 12, (4, 3), (1, 4), 0, "The same two strides, changed over."),
    ("One column", 12, (3,), (4,), 1, "The offset picks the column."),
    ("Every other column", 12, (3, 2), (4, 2), 0, "A step right skips two elements."),
    ("The lower right corner", 12, (2, 2), (4, 1), 6, "Only the offset and the sizes change."),
    ("One row, three times", 12, (3, 4), (0, 1), 4, "To stay in place is a stride too."),
    ("One column, four times", 12, (3, 4), (4, 0), 2, "Broadcasting along the other dimension."),
    ("The diagonal", 16, (4,), (5,), 0, "One down and one right, in one step."),
    ("The other diagonal", 16, (4,), (3,), 3, "One down and one left, from the end of the first row."),
    ("Sliding windows", 8, (5, 4), (1, 1), 0, "Both steps move by one element."),
    ("Windows that jump", 12, (3, 4), (3, 1), 0, "The next window starts three elements on."),
    (
        "Two batches of columns",
        12,
        (2, 3, 2),
        (2, 4, 1),
        0,
        "Split each row of four into two halves; the halves come first.",
    ),
    ("A constant matrix", 6, (2, 3), (0, 0), 5, "No step goes anywhere."),
    ("A Hankel matrix", 9, (3, 3), (2, 2), 0, "Going down or going right is the same step."),
)


class Record(NamedTuple):
    """How a tensor or an array reads its storage; everything is counted in elements, also where NumPy counts bytes."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    storage_size: int
    itemsize: int

    @classmethod
    def of_tensor(cls, x: torch.Tensor) -> "Record":
        """Read it from a tensor.

        >>> Record.of_tensor(torch.zeros(3, 4)[1:])
        Record(shape=(2, 4), strides=(4, 1), offset=4, storage_size=12, itemsize=4)
        """
        size = x.untyped_storage().nbytes() // x.element_size()
        return cls(tuple(x.shape), x.stride(), x.storage_offset(), size, x.element_size())

    @classmethod
    def of_array(cls, name: str, x: np.ndarray) -> "Record":
        """Read it from an array; ValueError where its strides are no whole number of elements.

        >>> Record.of_array("a", np.zeros((3, 4))[::-1])
        Record(shape=(3, 4), strides=(-4, 1), offset=8, storage_size=12, itemsize=8)
        """
        start, stop = memory_range(x)
        begin = x.__array_interface__["data"][0] - start if x.size else 0
        if any(s % x.itemsize for s in x.strides) or begin % x.itemsize:
            raise ValueError(f"{name}: an array with strides of whole elements, got {x.strides} bytes")
        strides = tuple(s // x.itemsize for s in x.strides)
        return cls(x.shape, strides, begin // x.itemsize, (stop - start) // x.itemsize, x.itemsize)


def caller_expressions(frame: types.FrameType, count: int) -> list[str] | None:
    """The source text of the `count` positional arguments in the call that `frame` is in, where it can be had.

    >>> def show(*values):
    ...     return caller_expressions(sys._getframe(1), len(values))
    >>> show(1 + 1) is None or show(1 + 1) == ["1 + 1"]
    True
    """
    where = inspect.getframeinfo(frame).positions
    lines = linecache.getlines(frame.f_code.co_filename)[where.lineno - 1 : where.end_lineno] if where.lineno else []
    if not lines or where.col_offset is None:
        return None
    lines[-1] = lines[-1].encode()[: where.end_col_offset].decode()
    lines[0] = lines[0].encode()[where.col_offset :].decode()
    try:
        call = ast.parse("".join(lines).strip(), mode="eval").body
    except SyntaxError:
        return None
    if not isinstance(call, ast.Call) or len(call.args) != count or any(isinstance(a, ast.Starred) for a in call.args):
        return None
    return [ast.unparse(argument) for argument in call.args]


class StrideView(CourseWidget):
    """Draw tensors and arrays as lanes over the storages that they lie in.

    `tensors` are PyTorch tensors or NumPy arrays, named by the expressions in your call or by keyword. `operations`
    are typed lanes to begin with, such as "t.T". `mode` is "look", "walk" (an odometer with cache lines), "view" (will
    `.view(new_shape)` work?) or "puzzle". `check` is a function `offset(index, strides, storage_offset)` of yours: its
    answers are drawn over the first tensor, and the first wrong one is marked.

    Raises TypeError for what is neither tensor nor array, ValueError for a name, mode or operation that is not known.

    >>> StrideView(t=torch.arange(12).view(3, 4), operations=["t.T"])
    StrideView: t (3, 4) strides (4, 1); t.T (4, 3) strides (1, 4) is a view of the same 12 elements
    """

    storages = traitlets.List().tag(sync=True)
    lanes = traitlets.List().tag(sync=True)
    selected = traitlets.Int(0).tag(sync=True)
    mode = traitlets.Unicode("look").tag(sync=True)
    new_shape = traitlets.Unicode("").tag(sync=True)
    order = traitlets.Unicode("rows").tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    line_bytes = traitlets.Int(64).tag(sync=True)
    lines_kept = traitlets.Int(1).tag(sync=True)
    puzzles = traitlets.List().tag(sync=True)
    puzzle = traitlets.Int(0).tag(sync=True)
    answers = traitlets.List(["", "", "0"]).tag(sync=True)
    theirs = traitlets.List().tag(sync=True)

    def __init__(
        self,
        *tensors: torch.Tensor | np.ndarray,
        operations: Sequence[str] = (),
        mode: str = "look",
        new_shape: Sequence[int] = (),
        check: Callable | None = None,
        **named: torch.Tensor | np.ndarray,
    ):
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
        # On the page a name is what the reader wrote; operations start from a name that is an identifier.
        texts = caller_expressions(sys._getframe(1), len(tensors)) or [f"t{k}" for k in range(1, len(tensors) + 1)]
        if tensors and not any(text.isidentifier() for text in [*texts, *named]):
            texts[0] = "t"
        given = list(zip(texts, tensors)) + list(named.items())
        if mode != "puzzle" and not given:
            raise ValueError("tensors must hold at least one tensor or array; for puzzles alone write mode='puzzle'")
        self._bases = {name: x for name, x in given if name.isidentifier()}
        self._spans: list[tuple] = []  # one for each storage that is drawn
        lanes, storages = [], []
        for name, x, is_given in self._all(given, [operations] if isinstance(operations, str) else operations):
            lane, storage = self._lane(name, x, is_given)
            lanes.append(lane)
            if storage is not None:
                storages.append(storage)
                self._spans.append(_span(x))
        toy = storages and storages[0]["size"] * storages[0]["itemsize"] < 256
        super().__init__(  # all at once: a page that is slow to draw must not see half of it
            title=self._heading(given),
            source=self._versions(given),
            lanes=lanes,
            storages=storages,
            mode=mode,
            new_shape=", ".join(map(str, new_shape)),
            line_bytes=16 if toy else 64,  # a toy line, so that a toy tensor has several
            theirs=self._positions_by(check, lanes[0]) if check and lanes else [],
            puzzles=[
                {
                    "name": n,
                    "size": size,
                    "shape": list(shape),
                    "target": addresses(shape, strides, start),
                    "hint": hint,
                }
                for n, size, shape, strides, start, hint in PUZZLES
            ],
        )

    def _all(self, given, operations):
        """Yield name, tensor and whether it was given, of every lane to begin with."""
        for name, x in given:
            yield name, x, True
        for text in operations:
            yield text, self._carry_out(text), False

    @staticmethod
    def _heading(given) -> str:
        if not given:
            return "Stride puzzles: read the pattern from the strip"
        first, *others = [name for name, _ in given]
        if not others:
            return f"Where {first} lies in memory"
        return f"Where {', '.join([first, *others[:-1]])} and {others[-1]} lie in memory"

    @staticmethod
    def _versions(given) -> str:
        if not given:
            return "Targets by lmcourse.strides.addresses"
        libraries = (
            {"torch": torch.__version__.partition("+")[0]} if any(isinstance(x, torch.Tensor) for _, x in given) else {}
        )
        if any(isinstance(x, np.ndarray) for _, x in given):
            libraries["numpy"] = np.__version__
        read = " and ".join(f"{name} {version}" for name, version in libraries.items())
        return f"Records read from {read}"

    # lanes and storages

    def _lane(self, name: str, x, given: bool) -> tuple[dict, dict | None]:
        """Read the record of `x` as a lane; with it comes its storage when that is a new one."""
        if isinstance(x, torch.Tensor):
            if x.layout != torch.strided:
                raise TypeError(f"{name} must be a strided tensor, got layout {x.layout}")
            record, library = Record.of_tensor(x), "torch"
        elif isinstance(x, np.ndarray):
            if x.dtype.hasobject or not x.dtype.itemsize:
                raise TypeError(f"{name} must hold numbers, got dtype {x.dtype}")
            record, library = Record.of_array(name, x), "numpy"
        else:
            raise TypeError(f"{name} must be a torch.Tensor or a numpy.ndarray, got {type(x).__name__}")
        span = _span(x)
        new = span not in self._spans
        lane = {
            "name": name if len(name) <= 300 else name[:299] + "…",
            "library": library,
            "storage": len(self._spans) if new else self._spans.index(span),
            "shape": list(record.shape),
            "strides": list(record.strides),
            "offset": record.offset,
            "given": given,
            "copy": new and len(self._spans) > 0,
            "confirmed": True,
        }
        if not new:
            return lane, None
        device = str(x.device)
        dtype = str(x.dtype).removeprefix("torch.") + ("" if device == "cpu" else f" on {device}")
        values = _values(x, record) if device != "meta" else []
        return lane, {"size": record.storage_size, "itemsize": record.itemsize, "dtype": dtype, "values": values}

    # typed operations, on the real thing

    def _carry_out(self, text: str):
        """Parse `text` and do what it says to the reader's own tensor; raises what PyTorch or NumPy raises."""
        name, steps = parse(text)
        if name not in self._bases:
            raise ValueError(f"{name} is not one of the tensors here: {', '.join(self._bases)}")
        base = self._bases[name]
        if isinstance(base, np.ndarray):
            parse(text, ARRAY_OPERATIONS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # .T of other than two dimensions is deprecated; it is said in the notebook
            return apply(base.detach() if isinstance(base, torch.Tensor) else base, steps)

    def answer(self, question: dict) -> dict:
        """Carry out an operation, try a view, or measure two orders of reading: what only the kernel can say."""
        match question:
            case {"operation": str(text)}:
                return {"asked": "operation"} | self._try(text)
            case {"view": {"of": str(text), "sizes": list(sizes)}}:
                return {"asked": "view"} | self._try(f"{text}.view({', '.join(str(int(size)) for size in sizes)})")
            case {"measure": True}:
                return {"asked": "measure"} | _measure_orders()
        return super().answer(question)

    def _try(self, text: str) -> dict:
        """What the library makes of `text`; an answer, not a change: the JS decides what is drawn."""
        try:
            lane, storage = self._lane(text, self._carry_out(text), given=False)
        except (RuntimeError, IndexError, ValueError, TypeError) as error:
            return {"text": text, "error": type(error).__name__, "words": str(error).splitlines()[0]}
        return {"text": text, "lane": lane, "storage": storage}

    @staticmethod
    def _positions_by(check: Callable, lane: dict) -> list[int | None]:
        """Where the reader's own `offset` says the elements of the first tensor are; None where it fails."""
        found = []
        for index in islice(np.ndindex(*lane["shape"]), SHOWN):
            try:
                position = check(tuple(index), tuple(lane["strides"]), lane["offset"])
                found.append(int(position) if abs(int(position)) < 10**9 else None)
            except Exception:
                found.append(None)
        return found

    # what a reader without a kernel sees

    def summary(self) -> str:
        parts = []
        for lane in self.lanes[:6]:
            words = f"{lane['name']} {tuple(lane['shape'])} strides {_strides_in_words(self, lane)}"
            if lane is not self.lanes[0]:
                size = self.storages[lane["storage"]]["size"]
                shared = lane["storage"] == self.lanes[0]["storage"]
                words += (
                    f" is a view of the same {size} elements"
                    if shared
                    else f" lies in another storage of {size} elements"
                )
            parts.append(words)
        return (
            "; ".join(parts)
            if parts
            else f"{len(self.puzzles)} patterns to read from a strip by size, stride and offset"
        )

    def snapshot(self) -> str:
        rows = []
        for lane in self.lanes[:12]:
            letter, first = (
                "ABCDEFGHIJKLMNOP"[lane["storage"]],
                next(x for x in self.lanes if x["storage"] == lane["storage"]),
            )
            kind = f"storage {letter}" if lane is first else f"view of {letter}"
            contiguous = "yes" if is_contiguous(lane["shape"], lane["strides"]) else "no"
            cells = (
                lane["name"],
                tuple(lane["shape"]),
                _strides_in_words(self, lane),
                lane["offset"],
                contiguous,
                kind,
            )
            rows.append("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells) + "</tr>")
        head = "<tr><th>tensor</th><th>shape</th><th>strides</th><th>offset</th><th>contiguous</th><th>memory</th></tr>"
        strips = "".join(_strip(k, storage) for k, storage in enumerate(self.storages[:3]))
        if not self.lanes:
            names = ", ".join(puzzle["name"].lower() for puzzle in self.puzzles)
            return f"<p>Read each pattern from the strip with a shape, strides and an offset: {names}.</p>"
        return f"{strips}<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"

    @classmethod
    def example(cls) -> "StrideView":
        t = torch.arange(12.0).view(3, 4)
        return cls(t=t, operations=["t.T", "t[1:, ::2]", "t[0].expand(3, 4)", "t.T.reshape(2, 6)"])


def _strides_in_words(view: StrideView, lane: dict) -> str:
    """PyTorch's strides count elements, NumPy's bytes: each as its library prints it."""
    if lane["library"] == "torch":
        return str(tuple(lane["strides"]))
    size = view.storages[lane["storage"]]["itemsize"]
    return f"{tuple(stride * size for stride in lane['strides'])} bytes"


def _span(x: torch.Tensor | np.ndarray) -> tuple:
    """What two tensors have in common exactly when they lie in one storage and read it as the same kind of number."""
    start, stop = memory_range(x)
    if isinstance(x, torch.Tensor):
        nowhere = start == stop or x.device.type == "meta"  # no address: tell storages apart by the object
        return start, stop, x.element_size(), str(x.device), x.untyped_storage()._cdata if nowhere else 0
    return start, stop, x.itemsize, "cpu", 0


def _strip(k: int, storage: dict) -> str:
    shown = storage["values"][:24]
    more = f" … {storage['size']} elements" if storage["size"] > len(shown) else ""
    cells = " ".join(html.escape(value) for value in shown)
    return f"<p>Storage {'ABCDEFGHIJKLMNOP'[k]}, {html.escape(storage['dtype'])}: <code>{cells}</code>{more}</p>"


def _values(x: torch.Tensor | np.ndarray, record: Record) -> list[str]:
    """The first elements of the storage under `x`, in memory order, as short texts."""
    if isinstance(x, torch.Tensor):
        flat = torch.as_strided(x.detach(), (min(record.storage_size, SHOWN),), (1,), 0).cpu()
        items = (flat.float() if flat.dtype.is_floating_point else flat).tolist()
    else:
        root = x
        while isinstance(root.base, np.ndarray):
            root = root.base
        if root.size * root.itemsize != record.storage_size * record.itemsize or root.dtype != x.dtype:
            return []
        items = root.ravel(order="K")[:SHOWN].tolist()
    return [f"{v:.4g}" if isinstance(v, float) else str(v)[:8] for v in items]


def _measure_orders(n: int = 1024) -> dict:
    """Read the same elements of one n × n matrix in two orders, here and now: seconds."""
    flat, out, positions = torch.zeros(n * n), torch.empty(n * n), torch.arange(n * n)
    by_columns = positions.view(n, n).T.reshape(-1)
    timed = partial(timing.time, warmup=1, repeats=5, max_seconds=0.03, device="cpu")
    return {
        "n": n,
        "rows": timed(lambda: torch.take(flat, positions, out=out)).median,
        "columns": timed(lambda: torch.take(flat, by_columns, out=out)).median,
    }
