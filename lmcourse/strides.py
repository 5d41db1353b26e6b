"""Where the elements of a tensor lie in memory, and which operations have to move them.

A tensor is a flat *storage* and a small record over it: shape, strides and offset. Element
`x[i, j, ...]` lies at `offset + i * stride[0] + j * stride[1] + ...`, counted in elements from the
start of the storage (NumPy counts the same thing in bytes). Most operations that look as if they
rearrange a tensor write a new record and leave the storage alone: they return a *view*.

The file holds the rules that a reader of notebook 03 writes (`offset`, `contiguous_strides`, `fill_block`,
`can_view`, `is_contiguous`, `sliding_windows`), what follows from them, and what an order of reading
costs in cache lines. Nothing here knows about autograd, sparse tensors or complex conjugate views.
The rules themselves need neither torch nor NumPy.
"""

from __future__ import annotations

import functools
import inspect
import random
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import product
from math import prod
from operator import mul
from typing import TYPE_CHECKING, Any, NamedTuple

from lmcourse.support import checks

if TYPE_CHECKING:
    import numpy as np
    import torch

# --- the four rules -------------------------------------------------------------------------------


def offset(
    index: Sequence[int],
    strides: Sequence[int],
    storage_offset: int = 0,
) -> int:
    """Return where the element at `index` lies in its storage: a position.

    `index` counts from 0 in every dimension, and has one number for each stride. The
    strides may be in elements (PyTorch) or in bytes (NumPy): the answer is in the same
    unit. Negative strides are allowed, because NumPy has them.

    Raises ValueError when the lengths differ or an index is negative.
    Source: `torch.Tensor.stride` in the PyTorch documentation.

    >>> offset((2, 3), (4, 1))  # row 2, column 3 of a 4 by 4 matrix
    11
    """
    if min(index, default=0) < 0:
        raise ValueError(f"index: numbers of 0 or more, got {index}")
    return storage_offset + sum(int(i) * stride for i, stride in zip(index, strides, strict=True))


def contiguous_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the strides of a fresh tensor: its last dimension varies fastest.

    One step along a dimension skips everything to its right. A size of 0 counts as 1
    here, as in PyTorch, so that strides stay positive.

    Raises ValueError for a negative size.

    >>> contiguous_strides((2, 3, 4))
    (12, 4, 1)
    """
    if min(shape, default=0) < 0:
        raise ValueError(f"shape: sizes of 0 or more, got {shape}")
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(int(size), 1)
    return tuple(reversed(strides))


def is_contiguous(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Say whether reading the elements in order walks the storage one at a time.

    A dimension of size 1 is never stepped along, so its stride does not matter.
    A tensor without elements is contiguous, whatever its strides.

    Raises ValueError when the lengths differ or a size is negative.

    >>> is_contiguous((4, 3), (1, 4))  # the transpose of a 3 by 4 matrix
    False
    >>> is_contiguous((1, 4), (999, 1))
    True
    """
    dimensions = list(zip(shape, strides, contiguous_strides(shape), strict=True))
    return 0 in shape or all(size == 1 or stride == fresh for size, stride, fresh in dimensions)


class Block(NamedTuple):
    """Neighbouring dimensions that together walk the storage with one stride."""

    first: int  # the leftmost of them
    size: int  # elements in the block
    stride: int  # elements skipped by one step of the rightmost of them


def blocks(shape: Sequence[int], strides: Sequence[int]) -> list[Block]:
    """Split the dimensions into blocks that behave as one, from the right.

    Dimension i joins the block on its right when one step along i skips the whole block,
    `strides[i] == size * stride`, or when there is never a step along it because its size is 1.

    >>> blocks((2, 3, 4), (12, 4, 1))  # contiguous: one block
    [Block(first=0, size=24, stride=1)]
    >>> blocks((4, 3), (1, 4))  # a transpose: two
    [Block(first=1, size=3, stride=4), Block(first=0, size=4, stride=1)]
    """
    found: list[Block] = []
    for i in reversed(range(len(shape))):
        if found and (shape[i] == 1 or strides[i] == found[-1].size * found[-1].stride):
            found[-1] = Block(i, found[-1].size * shape[i], found[-1].stride)
        else:
            found.append(Block(i, shape[i], strides[i]))
    return found or [Block(0, 1, 1)]  # a 0-d tensor is one element


def fill_block(
    size: int,
    stride: int,
    new_shape: Sequence[int],
) -> tuple[int, ...] | None:
    """Return the strides of the last sizes of `new_shape`, those that fill one block.

    The block holds `size` elements, `stride` apart. Take sizes from the right until
    they hold `size` elements, and then every size of 1 that comes next. Return one
    stride for each size taken, in the order of `new_shape`. Return None when they hold
    more than `size` elements, or fewer when no sizes are left. All sizes are 1 or more.

    >>> fill_block(4, 1, (3, 2, 2))  # takes 2 and 2
    (2, 1)
    >>> fill_block(6, 4, (2, 2, 6))  # takes 6
    (4,)
    >>> fill_block(6, 4, (6, 2, 2)) is None  # takes 2, 2 and 6, which hold 24
    True
    """
    strides, filled, left = (), 1, list(new_shape)
    while left and (filled < size or left[-1] == 1):
        strides = (filled * stride, *strides)
        filled *= left.pop()
    return strides if filled == size else None


def can_view(
    shape: Sequence[int],
    strides: Sequence[int],
    new_shape: Sequence[int],
) -> tuple[int, ...] | None:
    """Return the strides that `.view(new_shape)` has, or None when no view exists.

    The new sizes must fill the blocks of the old dimensions, one block after the other,
    from the right. Without elements, the same shape keeps its strides, and another one
    gets those of a fresh tensor.

    Raises ValueError when a size is negative (write out what -1 stands for).
    Source: `torch.Tensor.view`; `computeStride` in ATen/TensorUtils.cpp.

    >>> can_view((6, 4), (4, 1), (3, 8))
    (8, 1)
    >>> can_view((4, 6), (1, 4), (2, 2, 6))  # a transpose: splits 4
    (2, 1, 4)
    >>> can_view((4, 6), (1, 4), (6, 2, 2)) is None  # merges 4 and 6
    True
    """
    if any(size < 0 for size in (*shape, *new_shape)):
        raise ValueError(f"shape and new_shape: sizes of 0 or more, got {shape} and {new_shape}")
    if prod(shape) != prod(new_shape):
        return None
    if 0 in shape:  # nothing to address: keep the strides, or make fresh ones
        return tuple(strides) if tuple(shape) == tuple(new_shape) else contiguous_strides(new_shape)
    left, found = tuple(new_shape), ()
    for _, size, stride in blocks(shape, strides):
        taken = fill_block(size, stride, left)
        if taken is None:
            return None
        left, found = left[: len(left) - len(taken)], taken + found
    return found


class Conflict(NamedTuple):
    """Why a view is impossible: a new dimension spans old dimensions i and i + 1, which do not merge."""

    dims: tuple[int, int]  # the old pair (i, i + 1)
    new_dim: int  # the new dimension that would have to step over both
    stride: int  # strides[i] as it is
    needed: int  # strides[i] as it would have to be


def view_conflict(shape: Sequence[int], strides: Sequence[int], new_shape: Sequence[int]) -> Conflict | None:
    """Return the first pair of dimensions, from the right, that stops `.view(new_shape)`; None when nothing does.

    Raises ValueError when the two shapes do not hold the same number of elements.

    >>> view_conflict((4, 6), (1, 4), (24,))
    Conflict(dims=(0, 1), new_dim=0, stride=1, needed=24)
    """
    if prod(shape) != prod(new_shape):
        raise ValueError(f"new_shape: sizes that hold {prod(shape)} elements, got {new_shape}")
    if 0 in shape:
        return None
    inside = 1  # elements in the blocks so far: a new dimension must start here too
    for first, size, stride in blocks(shape, strides)[:-1]:
        inside *= size
        to_the_right = [prod(new_shape[k + 1 :]) for k in range(len(new_shape))]
        spanning = [k for k, n in enumerate(to_the_right) if n < inside < n * new_shape[k]]
        if spanning:
            return Conflict((first - 1, first), spanning[0], strides[first - 1], size * stride)
    return None


def sliding_windows(x: torch.Tensor, size: int, step: int = 1) -> torch.Tensor:
    """Return every window of `size` elements of `x`, `step` apart, as one view.

    Nothing is copied: the windows overlap in memory, so treat them as read-only.

    Raises ValueError when `x` has not one dimension, `step` is below 1, or `size` is
    not in 1 .. len(x).
    Source: the same as `x.unfold(0, size, step)`.

    >>> import torch
    >>> sliding_windows(torch.arange(6), size=4)
    tensor([[0, 1, 2, 3],
            [1, 2, 3, 4],
            [2, 3, 4, 5]])
    """
    if x.dim() != 1 or step < 1 or not 1 <= size <= len(x):
        raise ValueError(f"one dimension, step from 1, size from 1 to len(x); got {tuple(x.shape)}, {step}, {size}")
    stride = x.stride(0)
    windows = (len(x) - size) // step + 1
    return x.as_strided((windows, size), (step * stride, stride))  # from where x begins in its storage


def memory_range(x: torch.Tensor | np.ndarray) -> tuple[int, int]:
    """Return where the memory that `x` keeps alive starts and stops: addresses in bytes, the stop excluded.

    >>> import torch
    >>> start, stop = memory_range(torch.zeros(3, 4)[1:, 1:])  # the slice keeps all 12 elements
    >>> stop - start
    48
    """
    import numpy as np

    if _is_tensor(x):
        storage = x.untyped_storage()
        return storage.data_ptr(), storage.data_ptr() + storage.nbytes()
    if not isinstance(x, np.ndarray):
        raise TypeError(f"x: a torch.Tensor or a numpy.ndarray, got {type(x).__name__}")
    owner = x
    while (owner := getattr(owner, "base", None)) is not None:  # as_strided puts an object between two arrays
        if _is_tensor(owner):
            return memory_range(owner)
        x = owner if isinstance(owner, np.ndarray) else x
    return np.lib.array_utils.byte_bounds(x) if x.size else (0, 0)


def _is_tensor(x: object) -> bool:
    """A tensor cannot come from anywhere but torch: where that is not imported, nothing is one."""
    return "torch" in sys.modules and isinstance(x, sys.modules["torch"].Tensor)


def record(x: torch.Tensor) -> dict[str, tuple[int, ...] | int]:
    """Return what a tensor knows about its elements besides the storage: shape, strides and offset, in elements.

    >>> import torch
    >>> record(torch.zeros(3, 4)[1:, ::2])
    {'shape': (2, 2), 'strides': (4, 2), 'offset': 4}
    """
    return {"shape": tuple(x.shape), "strides": x.stride(), "offset": x.storage_offset()}


def shares_storage(a: torch.Tensor | np.ndarray, b: torch.Tensor | np.ndarray) -> bool:
    """Say whether `a` and `b` lie in one storage, so that a write through one can show in the other.

    Works for tensors, arrays and a mixture (`torch.from_numpy` shares). A storage of 0 bytes shares with none.

    Raises TypeError for anything else.

    >>> import torch
    >>> t = torch.zeros(3, 4)
    >>> shares_storage(t, t.T), shares_storage(t, t.clone())
    (True, False)
    """
    (a_start, a_stop), (b_start, b_stop) = memory_range(a), memory_range(b)
    devices = {x.device.type if _is_tensor(x) else "cpu" for x in (a, b)}
    if devices == {"meta"}:  # no addresses there: ask whether it is one object
        return a_stop > a_start and a.untyped_storage()._cdata == b.untyped_storage()._cdata
    return len(devices) == 1 and max(a_start, b_start) < min(a_stop, b_stop)


# --- what an order of reading costs ---------------------------------------------------------------


def addresses(shape: Sequence[int], strides: Sequence[int], storage_offset: int = 0) -> list[int]:
    """Return the offset of every element, in the order in which the indices count up (last one fastest).

    >>> addresses((2, 3), (1, 2))
    [0, 2, 4, 1, 3, 5]
    """
    return [storage_offset + sum(map(mul, index, strides)) for index in product(*map(range, shape))]


def line_loads(positions: Sequence[int], itemsize: int, line_bytes: int = 64, lines_kept: int = 1) -> int:
    """Count how often a cache line is fetched when elements at `positions` are read one after the other.

    Memory arrives in lines of `line_bytes` (64 on most CPUs). The model keeps the `lines_kept` lines that were
    used last, and starts with none; a real cache keeps thousands, has several levels, and fetches ahead.

    >>> rows, columns = addresses((32, 32), (32, 1)), addresses((32, 32), (1, 32))
    >>> line_loads(rows, itemsize=4), line_loads(columns, itemsize=4)
    (64, 1024)
    """
    cache: OrderedDict[int, None] = OrderedDict()
    loads = 0
    for position in positions:
        line = position * itemsize // line_bytes
        loads += line not in cache
        cache[line] = None
        cache.move_to_end(line)
        if len(cache) > lines_kept:
            cache.popitem(last=False)
    return loads


# --- for trying the rules -------------------------------------------------------------------------


def random_view(rng: random.Random) -> torch.Tensor:
    """Return a tensor that came from a fresh one by up to four moves: each a view, and possible.

    >>> record(random_view(random.Random(1)))
    {'shape': (4, 2, 2), 'strides': (1, 8, 8), 'offset': 0}
    """
    import torch

    t = torch.empty(rng.choice([(12,), (6, 4), (2, 3, 4), (1, 8), (2, 1, 6), (4, 0)]))
    for _ in range(rng.randint(0, 4)):
        t = _random_move(rng, t) if t.ndim < 5 else t
    return t


def _random_move(rng: random.Random, t: torch.Tensor) -> torch.Tensor:
    dim, new = rng.randrange(t.ndim), rng.randrange(t.ndim + 1)
    moves = [
        lambda: t.transpose(dim, -1),
        lambda: t.permute(rng.sample(range(t.ndim), t.ndim)),
        lambda: t.narrow(dim, 0, (t.shape[dim] + 1) // 2),
        lambda: t[(slice(None),) * dim + (slice(None, None, 2),)],
        lambda: t.unsqueeze(new),
        lambda: t.unsqueeze(new).expand(*t.shape[:new], 2, *t.shape[new:]),
        lambda: t.unfold(dim, min(2, t.shape[dim]), 1),
    ]
    return rng.choice(moves)()


def random_shape(rng: random.Random, elements: int) -> tuple[int, ...]:
    """Return a shape that holds so many elements.

    >>> random_shape(random.Random(1), 24)
    (3, 1, 4, 2)
    """
    sizes = []
    while elements > 1 and len(sizes) < 3:
        sizes.append(rng.choice([size for size in range(1, elements + 1) if elements % size == 0]))
        elements //= sizes[-1]
    return (*sizes, elements)


def pytorch_view(t: torch.Tensor, new_shape: Sequence[int]) -> tuple[int, ...] | None:
    """Return the strides that `t.view(new_shape)` has, or None where PyTorch refuses.

    >>> import torch
    >>> pytorch_view(torch.zeros(6, 4), (3, 8)), pytorch_view(torch.zeros(6, 4).T, (24,))
    ((8, 1), None)
    """
    try:
        return t.view(new_shape).stride()
    except RuntimeError:
        return None


class Comparison(NamedTuple):
    """How two rules compare with PyTorch: numbers of random tensors."""

    chains: int
    equal_view: int  # the rule and PyTorch's view give the same strides, or both refuse
    equal_contiguous: int  # the rule and PyTorch agree on whether it is contiguous
    contiguous: int  # by PyTorch
    viewed: int  # not contiguous, and PyTorch's view works all the same


def compare_with_pytorch(can_view: Callable, is_contiguous: Callable, chains: int = 10_000) -> Comparison:
    """Make random tensors and new shapes, ask the two rules and PyTorch, and count where they agree.

    >>> compare_with_pytorch(can_view, is_contiguous, chains=100)
    Comparison(chains=100, equal_view=100, equal_contiguous=100, contiguous=53, viewed=13)
    """
    rng, equal_view, equal_contiguous, contiguous, viewed = random.Random(0), 0, 0, 0, 0
    for _ in range(chains):
        t = random_view(rng)
        new_shape = random_shape(rng, t.numel())
        ours, theirs = can_view(t.shape, t.stride(), new_shape), pytorch_view(t, new_shape)
        equal_view += (None if ours is None else tuple(ours)) == theirs
        equal_contiguous += bool(is_contiguous(t.shape, t.stride())) == t.is_contiguous()
        contiguous += t.is_contiguous()
        viewed += theirs is not None and not t.is_contiguous()
    return Comparison(chains, equal_view, equal_contiguous, contiguous, viewed)


class Positions(NamedTuple):
    """How two rules of position compare with PyTorch on random tensors."""

    tensors: int
    positions: int
    equal_positions: int  # the rule and the element's address agree
    equal_strides: int  # the rule gives the strides of a fresh tensor of that shape


def compare_positions(offset: Callable, contiguous_strides: Callable, tensors: int = 1000) -> Positions:
    """Make random tensors, and count how often the two rules say what PyTorch does.

    >>> compare_positions(offset, contiguous_strides, tensors=100).equal_strides
    100
    """
    import torch

    rng, positions, equal_positions, equal_strides = random.Random(0), 0, 0, 0
    for _ in range(tensors):
        t = random_view(rng)
        t = t[1:] if len(t) > 1 else t  # random views begin at 0; with this they have a storage offset
        start = t.untyped_storage().data_ptr()
        for index in product(*map(range, t.shape)):
            position = (t[index].data_ptr() - start) // t.element_size()
            equal_positions += offset(index, t.stride(), t.storage_offset()) == position
            positions += 1
        equal_strides += tuple(contiguous_strides(t.shape)) == torch.empty(t.shape).stride()
    return Positions(tensors, positions, equal_positions, equal_strides)


# --- for notebooks that were solved before --------------------------------------------------------


def integers(**least: int | None) -> Callable[[Callable], Callable]:
    """Decorate a rule so that each named argument is a tuple of whole numbers, and refused by name where it is not.

    The value is the smallest number allowed, or None. `index` or `shape` must be as long as `strides`. The exercises
    had this line once; solutions that still begin with it keep working.

    >>> @integers(shape=0)
    ... def elements(shape):
    ...     return prod(shape)
    >>> elements((2, -3))
    Traceback (most recent call last):
    ValueError: shape[1]: a whole number of 0 or more, got -3
    """

    def decorate(rule: Callable) -> Callable:
        @functools.wraps(rule)
        def checked(*args: Any, **kwargs: Any) -> Any:
            given = inspect.signature(rule).bind(*args, **kwargs)
            for name, smallest in least.items():
                given.arguments[name] = checks.integers(name, given.arguments[name], smallest)
            lengths = {len(given.arguments[name]) for name in ("index", "shape", "strides") if name in least}
            if len(lengths) > 1:
                raise ValueError(f"strides: one for each dimension, got {given.arguments['strides']}")
            return rule(*given.args, **given.kwargs)

        return checked

    return decorate
