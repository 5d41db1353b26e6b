"""Compare what a reader's code gave with what is wanted, by meaning: `difference` says in words what differs.

A list, an array or a deque is as good where a list is wanted, any NaN where NaN is meant, a scalar of NumPy or PyTorch
for a number, and rounding does not count. Neither library is imported: an object that is of theirs brings it.
"""

import math
import numbers
import re
import reprlib
import sys
import types
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

NO_RETURN = "None: is there a return missing?"


class Note(str):
    """What differs, in words; `where` is the path to it (`['max'][2]`), `got` and `want` are the two there, as text."""

    where, got, want = "", "", ""

    @classmethod
    def of(cls, words: str, got: Any, want: Any, where: str = "") -> "Note":
        note = cls(words)
        note.where, note.got, note.want = where, shorten(got), shorten(want)
        return note

    def at(self, key: Any, mark: str = "[{}]") -> "Note":
        """The same, one level further out."""
        where = mark.format(shorten(key)) + self.where
        words = self.partition(": ")[2] if self.where else str(self)
        note = Note(f"at {where}: {words}")
        note.where, note.got, note.want = where, self.got, self.want
        return note

    def where_none_is_legal(self) -> "Note":
        """The same, of a function that may return None: then nothing says that a return is missing."""
        note = Note(self.replace(NO_RETURN, f"None, where {self.want} is wanted"))
        note.where, note.got, note.want = self.where, self.got, self.want
        return note


@dataclass(frozen=True)
class Within:
    """What a measured property should be: `value`, give or take `margin`.

    >>> str(Within(0.025, 0.0012))
    '0.0250 ± 0.0012'
    """

    value: float
    margin: float
    what: str = ""

    def __str__(self) -> str:
        digits = max(0, 1 - math.floor(math.log10(self.margin))) if self.margin else 4
        return f"{self.value:.{digits}f} ± {self.margin:.{digits}f}"

    __repr__ = __str__


def difference(got: Any, want: Any, rel: float = 1e-6, abs: float = 1e-12, scale: float = 0.0) -> Note | None:
    """What keeps `got` from being `want`, in words; None where nothing does.

    A tuple inside of something stays a tuple, because only tuples can be keys; elsewhere any sequence will do. Numbers
    are compared within `rel` and `abs`, tensors within what their dtype rounds in numbers of the size of `scale` (the
    largest argument); their shapes and dtypes exactly.

    >>> difference((1, 2), [1, 2]) is None
    True
    >>> difference([1.0, float("nan")], [1.0 + 1e-9, float("nan")]) is None
    True
    >>> str(difference([1, 2.5], [1, 2.25]))
    'at [1]: 2.5, where 2.25 is wanted'
    >>> str(difference(0.0354, Within(0.025, 0.0012, "std")))
    'std 0.0354, wanted 0.0250 ± 0.0012'
    """
    close = _Close(rel, abs, scale)
    return _difference(got, want, close, outside=True)


def exactly(got: Any, want: Any) -> Note | None:
    """The same with floats equal to the last bit, the sign of a zero too: 2**-149 is not nearly zero here.

    >>> str(exactly(0.0, -0.0))
    '0.0, where -0.0 is wanted: zero has a sign'
    """
    return _difference(got, want, _Close(0.0, 0.0, 0.0), outside=True)


@dataclass(frozen=True)
class _Close:
    """How near two floats must be; with rel=0 they must be the same."""

    rel: float
    abs: float
    scale: float

    def __call__(self, got: float, want: float) -> bool:
        if self.rel == 0:
            return got == want and math.copysign(1, got) == math.copysign(1, want)
        return math.isclose(got, want, rel_tol=self.rel, abs_tol=self.abs)


def _difference(got, want, close, outside=False) -> Note | None:
    if isinstance(got, types.GeneratorType) and not isinstance(want, types.GeneratorType):
        return Note.of(f"a generator, where {a(want)} is wanted: return the whole, do not yield", got, want)
    if got is None and want is not None:
        return Note.of(NO_RETURN, got, want)
    if is_array(want) and (want.shape != () or hasattr(want, "detach")):
        return _array_difference(got, want, close)
    want, got = scalar(want), scalar(got)
    if isinstance(want, Within | numbers.Number):
        return _number_difference(got, want, close)
    if isinstance(want, Mapping):
        return _mapping_difference(got, want, close)
    if isinstance(want, Set):
        return None if isinstance(got, Set) and got == want else _unlike(got, want)
    if isinstance(want, list | tuple):
        return _sequence_difference(got, want, close, outside)
    if not isinstance(got, type(want)):
        return _unlike(got, want)
    return None if got == want else Note.of(f"{shorten(got)}, where {shorten(want)} is wanted", got, want)


def _number_difference(got, want, close) -> Note | None:
    if isinstance(want, Within):
        if isinstance(got, bool) or not isinstance(got, numbers.Real):
            return _unlike(got, want.value)
        if math.fabs(got - want.value) <= want.margin:
            return None
        digits = str(want).split(" ")[0].partition(".")[2]
        words = f"{want.what} {got:.{len(digits)}f}, wanted {want}".strip()
        return Note.of(words, round(float(got), len(digits)), want)
    if isinstance(want, bool) or isinstance(got, bool):
        return None if got is want else _unlike(got, want)
    if isinstance(want, int):
        if not isinstance(got, numbers.Integral):
            return Note.of(f"{a(got)}, where an int is wanted", got, want)
        return None if got == want else Note.of(f"{got}, where {want} is wanted", got, want)
    if not isinstance(
        got, int | float | complex
    ):  # a Fraction cannot be written with two digits, as a cell may want it
        return Note.of(f"{a(got)}, where a float is wanted", got, want)
    if isinstance(want, complex) or isinstance(got, complex):
        return None if got == want else Note.of(f"{got}, where {want} is wanted", got, want)
    got, want = float(got), float(want)
    if close(got, want) or (math.isnan(got) and math.isnan(want)):
        return None
    zero = ": zero has a sign" if got == want == 0 else ""
    return Note.of(f"{got!r}, where {want!r} is wanted{zero}", got, want)


def _sequence_difference(got, want, close, outside) -> Note | None:
    if is_array(got):
        got = got.detach().tolist() if hasattr(got, "detach") else got.tolist()
    kind = tuple if isinstance(want, tuple) and not outside else Sequence
    likely = isinstance(got, kind) or (kind is Sequence and type(got).__name__ == "deque")
    if not likely or isinstance(got, str | bytes | bytearray):
        return Note.of(f"{a(got)}, where {a(want)} is wanted", got, want)
    # Two tuples of lists are what a function "returns two lists" gives; only below that do tuples become keys.
    pairs = enumerate(zip(got, want))
    inside = next((note.at(i) for i, (g, w) in pairs if (note := _difference(g, w, close))), None)
    if inside is None and len(got) != len(want):
        words = f"{len(got)} {'item' if len(got) == 1 else 'items'}, "
        words += f"where {len(want)} {'is' if len(want) == 1 else 'are'} wanted"
        return Note.of(words, got, want)
    return inside


def _array_difference(got, want, close) -> Note | None:
    if not is_array(got) or hasattr(got, "detach") != hasattr(want, "detach"):
        return Note.of(f"{a(got)}, where {a(want)} is wanted", got, want)
    shapes, dtypes = (tuple(got.shape), tuple(want.shape)), (str(got.dtype), str(want.dtype))
    if shapes[0] != shapes[1]:
        return _of_kind("shape", *shapes)
    if dtypes[0] != dtypes[1]:
        return _of_kind("dtype", *(name.removeprefix("torch.") for name in dtypes))
    if hasattr(want, "detach"):
        return _tensor_difference(got.detach(), want.detach(), close)
    numpy = sys.modules["numpy"]
    if want.dtype.kind not in "fc":
        wrong = numpy.asarray(got != want)
    else:
        margin = close.rel * 1e-3 * numpy.max(numpy.abs(want[numpy.isfinite(want)]), initial=0.0)
        wrong = ~numpy.isclose(got, want, rtol=close.rel, atol=margin, equal_nan=True)
    return _first_wrong(got, want, wrong) if wrong.any() else None


def _tensor_difference(got, want, close) -> Note | None:
    torch = sys.modules["torch"]
    if got.device != want.device:
        return _of_kind("device", got.device, want.device)
    if got.layout != want.layout or got.is_meta:
        return None if got.layout == want.layout else _of_kind("layout", got.layout, want.layout)
    if not want.is_floating_point() and not want.is_complex():
        wrong = got != want
    else:
        # What the same sum in another order gives: some roundings of the dtype, and of the largest value near a zero.
        eps = torch.finfo(want.dtype).eps if close.rel else 0.0
        rel = max(close.rel, 64 * eps)
        got, want = (got, want) if want.is_complex() else (got.double(), want.double())
        margin = max(0.1 * rel * size_of([want]), 2 * eps * close.scale)
        wrong = ~torch.isclose(got, want, rtol=rel, atol=margin, equal_nan=True)
    return _first_wrong(got, want, wrong) if wrong.any().item() else None


def _first_wrong(got, want, wrong) -> Note:
    index = next(zip(*wrong.nonzero())) if not hasattr(wrong, "detach") else wrong.nonzero()[0].tolist()
    index = tuple(int(i) for i in index)
    got, want = got[index].item(), want[index].item()
    note = Note.of(f"{_round(got)}, where {_round(want)} is wanted", _round(got), _round(want))
    for i in reversed(index):
        note = note.at(i)
    return note


def _round(value):
    return float(f"{value:.7g}") if isinstance(value, float) else value


def _of_kind(kind: str, got, want) -> Note:
    note = Note(f"{kind} {got}, where {want} is wanted")
    note.got, note.want = f"{kind} {got}", f"{kind} {want}"
    return note


def _mapping_difference(got, want, close) -> Note | None:
    if not isinstance(got, Mapping):
        return _unlike(got, want)
    for key in want:
        if key not in got:
            return Note.of(f"the key {shorten(key)} is missing", got, want)
    for key in got:
        if key not in want:
            return Note.of(f"the key {shorten(key)} is one too many", got, want)
    return next((note.at(key) for key in want if (note := _difference(got[key], want[key], close))), None)


def _unlike(got, want) -> Note:
    if type(got) is type(want) or isinstance(got, numbers.Number | str | bytes):
        return Note.of(f"{shorten(got)}, where {shorten(want)} is wanted", got, want)
    return Note.of(f"{a(got)}, where {a(want)} is wanted", got, want)


def size_of(values: Iterable[Any]) -> float:
    """The largest absolute value in the float tensors among these; 0 where there is none."""
    size = 0.0
    for value in values:
        if getattr(value, "is_floating_point", bool)() and str(value.layout) == "torch.strided" and not value.is_meta:
            value = value.detach().double()
            finite = value[value.isfinite()]
            size = max(size, finite.abs().max().item() if finite.numel() else 0.0)
    return size


def is_array(value: Any) -> bool:
    """Whether this is an array of NumPy or a tensor, scalars of NumPy included."""
    return hasattr(value, "shape") and hasattr(value, "dtype") and hasattr(value, "tolist")


def scalar(value: Any) -> Any:
    """Python's own number for a scalar of NumPy, or an array or tensor without dimensions; else the value itself."""
    return value.item() if is_array(value) and value.shape == () and value.dtype != object else value


_repr = reprlib.Repr()
_repr.maxlist = _repr.maxtuple = _repr.maxset = _repr.maxdeque = 12
_repr.maxdict, _repr.maxstring, _repr.maxlong, _repr.maxother = 8, 120, 60, 240


def shorten(value: Any) -> str:
    """A repr that fits a card, of anything at all."""
    try:
        text = repr(value) if type(value).__name__ == "Raised" else _repr.repr(value)
        return re.sub(r"\s+", " ", text) if is_array(value) or "\n" in text else text
    except Exception as error:
        return f"<a {type(value).__name__} whose repr raises {type(error).__name__}>"


def a(value: Any) -> str:
    """The name of its type, with an article: 'a list', 'an int'; None is itself."""
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
