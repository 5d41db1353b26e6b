"""The record of a tensor (shape, strides, offset), PyTorch's operations on it, and a reader for their text.

`Layout` follows PyTorch to the stride, to the view or the copy, and to the class of error, for the operations
in `OPERATIONS` and no others: `tests/test_layout.py` runs ten thousand random chains of them beside PyTorch.
`ArrayLayout` does the same for the few operations of NumPy in `ARRAY_OPERATIONS`. `parse` turns text such as
`t[1:].transpose(0, 1)` into calls without evaluating it. The rules themselves are in `lmcourse.strides`.

What it does not do: hold a value, allocate memory, or know about autograd.
"""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import NamedTuple

import numpy as np
import torch

from lmcourse.strides import addresses, can_view, contiguous_strides, integers, is_contiguous, memory_range

# --- the record, and PyTorch's operations on it ---------------------------------------------------


def _whole(**named: int) -> None:
    """Refuse by name what is no integer."""
    for name, value in named.items():
        if not isinstance(value, int | np.integer):
            raise TypeError(f"{name} must be an integer, got {value!r}")


def _wrap(dim: int, ndim: int) -> int:
    """Turn a dimension that counts from the end into one that counts from the start, as PyTorch does."""
    ndim = max(ndim, 1)  # a 0-d tensor answers to 0 and -1
    if not -ndim <= dim < ndim:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got {dim})")
    return dim % ndim


def _distinct(dims: Sequence[int], ndim: int) -> list[int]:
    """Wrap each of `dims` and refuse repeats."""
    wrapped: list[int] = []
    for dim in dims:
        if _wrap(dim, ndim) in wrapped:
            raise RuntimeError(f"dim {_wrap(dim, ndim)} appears multiple times in the list of dims")
        wrapped.append(_wrap(dim, ndim))
    return wrapped


def _sizes(args: tuple) -> tuple[int, ...]:
    """Accept sizes as PyTorch does: `view(2, 6)` or `view((2, 6))`."""
    sizes = tuple(args[0]) if len(args) == 1 and isinstance(args[0], tuple | list) else args
    if not args or not all(isinstance(size, int) for size in sizes):
        raise TypeError(f"expected integers or one tuple of integers, got {args}")
    return sizes


def _infer(sizes: tuple[int, ...], numel: int) -> tuple[int, ...]:
    """Replace the one -1 in `sizes` by what makes the sizes hold `numel` elements."""
    if sizes.count(-1) > 1:
        raise RuntimeError("only one dimension can be inferred")
    for i, size in enumerate(sizes):
        if size < -1:
            raise RuntimeError(f"invalid shape dimension {size} at index {i} of shape {list(sizes)}")
    known = prod(size for size in sizes if size != -1)
    if -1 in sizes and known == 0 == numel:
        raise RuntimeError(
            f"cannot reshape tensor of 0 elements into shape {list(sizes)} because the unspecified dimension "
            "size -1 can be any value and is ambiguous"
        )
    if known != numel and (-1 not in sizes or known == 0 or numel % known):
        raise RuntimeError(f"shape '{list(sizes)}' is invalid for input of size {numel}")
    return tuple(numel // known if size == -1 else size for size in sizes)


@dataclass(frozen=True)
class Layout:
    """Shape, strides and offset over a storage of `storage_size` elements, and PyTorch's operations on them.

    Every operation returns a new `Layout` or raises the error that PyTorch raises; for an argument that is no
    integer that is a TypeError, here one that names it. After an operation that had to copy, the new `Layout` lies
    over a storage of its own, and `copied_from` lists the positions in the old storage that were copied into it, in
    order; after a view it is None.

    >>> x = Layout((3, 4), (4, 1), storage_size=12)
    >>> x.transpose(0, 1)
    Layout(shape=(4, 3), strides=(1, 4), offset=0, storage_size=12, itemsize=4, copied_from=None)
    >>> x.T.reshape(6, 2).copied_from
    (0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11)
    """

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0
    storage_size: int = 0
    itemsize: int = 4
    copied_from: tuple[int, ...] | None = None

    @classmethod
    def of(cls, x: torch.Tensor) -> "Layout":
        """Read the record of a real tensor.

        >>> Layout.of(torch.zeros(3, 4)[1:]).offset
        4
        """
        size = x.untyped_storage().nbytes() // x.element_size()
        return cls(tuple(x.shape), x.stride(), x.storage_offset(), size, x.element_size())

    @property
    def ndim(self) -> int:
        """How many dimensions there are."""
        return len(self.shape)

    @property
    def numel(self) -> int:
        """How many elements the shape holds, whatever the storage holds."""
        return prod(self.shape)

    def positions(self) -> list[int]:
        """Return where every element lies in the storage, in index order."""
        return addresses(self.shape, self.strides, self.offset)

    def is_contiguous(self) -> bool:
        """Say whether the elements lie in the storage in index order, without gaps, wherever they begin.

        >>> x = Layout((3, 4), (4, 1), storage_size=12)
        >>> x[1:].is_contiguous(), x[:, 1:].is_contiguous(), x.T.is_contiguous()
        (True, False, False)
        """
        return is_contiguous(self.shape, self.strides)

    def _view(self, shape: Sequence[int], strides: Sequence[int], offset: int | None = None) -> "Layout":
        """Return another record over the same storage."""
        offset = self.offset if offset is None else offset
        return replace(self, shape=tuple(shape), strides=tuple(strides), offset=offset, copied_from=None)

    def _copy(self, shape: Sequence[int], positions: Sequence[int]) -> "Layout":
        """Return a contiguous record over a new storage, filled from `positions` of this one."""
        return replace(
            self,
            shape=tuple(shape),
            strides=contiguous_strides(shape),
            offset=0,
            storage_size=len(positions),
            copied_from=tuple(positions),
        )

    # views that pick or reorder dimensions

    def permute(self, *dims: int) -> "Layout":
        """Reorder the dimensions: shape and strides are dealt out anew, and no element moves.

        dims: every dimension once, `permute(2, 0, 1)` or `permute((2, 0, 1))`; below 0 they count from the end.
        Raises RuntimeError for dimensions that are missing or repeated, IndexError for one out of range.

        >>> x = Layout((2, 3, 4), (12, 4, 1), storage_size=24).permute(2, 0, 1)
        >>> x.shape, x.strides
        ((4, 2, 3), (1, 12, 4))
        """
        dims = _sizes(dims)
        if len(dims) != self.ndim:
            raise RuntimeError(
                "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the "
                f"desired ordering of dimensions i.e. input.dim() = {self.ndim} is not equal to len(dims) = {len(dims)}"
            )
        order = [_wrap(dim, self.ndim) for dim in dims]
        if len(set(order)) < len(order):
            raise RuntimeError("permute(): duplicate dims are not allowed.")
        return self._view([self.shape[d] for d in order], [self.strides[d] for d in order])

    def transpose(self, dim0: int, dim1: int) -> "Layout":
        """Swap two dimensions, sizes and strides alike; `swapaxes` is another name for it.

        Raises IndexError for a dimension out of range.

        >>> x = Layout((2, 3, 4), (12, 4, 1), storage_size=24)
        >>> x.transpose(0, -1).strides
        (1, 4, 12)
        >>> x.transpose(0, -1).transpose(0, -1) == x  # nothing moved, so nothing is lost
        True
        """
        _whole(dim0=dim0, dim1=dim1)
        order = list(range(self.ndim))
        dim0, dim1 = _wrap(dim0, self.ndim), _wrap(dim1, self.ndim)
        if self.ndim:
            order[dim0], order[dim1] = order[dim1], order[dim0]
        return self.permute(order)

    swapaxes = transpose

    @property
    def T(self) -> "Layout":
        """All dimensions in reverse order."""
        return self.permute(list(reversed(range(self.ndim))))

    @property
    def mT(self) -> "Layout":
        """The last two dimensions swapped: every matrix of a batch is transposed, and the batch stays.

        Raises RuntimeError for one dimension.

        >>> x = Layout((8, 3, 4), (12, 4, 1), storage_size=96)
        >>> x.mT.shape, x.T.shape
        ((8, 4, 3), (4, 3, 8))
        """
        if self.ndim == 1:
            raise RuntimeError("tensor.mT is only supported on matrices or batches of matrices. Got 1-D tensor.")
        return self.transpose(-2, -1) if self.ndim else self._view((), ())

    def squeeze(self, *dims: int) -> "Layout":
        """Drop dimensions of size 1: those in `dims`, or all of them where none are given.

        A dimension of another size stays, and nothing is said. Raises IndexError for a dimension out of range,
        RuntimeError for a repeated one.

        >>> x = Layout((1, 3, 1), (3, 1, 1), storage_size=3)
        >>> x.squeeze().shape, x.squeeze(0).shape, x.squeeze(1).shape
        ((3,), (3, 1), (1, 3, 1))
        """
        chosen = _distinct(_sizes(dims), self.ndim) if dims else range(self.ndim)
        keep = [d for d in range(self.ndim) if not (d in chosen and self.shape[d] == 1)]
        return self._view([self.shape[d] for d in keep], [self.strides[d] for d in keep])

    def unsqueeze(self, dim: int) -> "Layout":
        """Put a dimension of size 1 in front of dimension `dim`; `ndim`, or -1, puts it at the end.

        No step is ever taken along it, so any stride would do; PyTorch writes the one that skips its right neighbour.
        Raises IndexError unless `dim` is in -ndim - 1 .. ndim.

        >>> x = Layout((3, 4), (4, 1), storage_size=12)
        >>> x.unsqueeze(0).strides, x.unsqueeze(-1).strides
        ((12, 4, 1), (4, 1, 1))
        """
        _whole(dim=dim)
        dim = _wrap(dim, self.ndim + 1)
        stride = self.shape[dim] * self.strides[dim] if dim < self.ndim else 1
        return self._view(
            self.shape[:dim] + (1,) + self.shape[dim:], self.strides[:dim] + (stride,) + self.strides[dim:]
        )

    def diagonal(self, offset: int = 0, dim1: int = 0, dim2: int = 1) -> "Layout":
        """Return the elements (i, i + offset) of two dimensions as one, the last: its stride is the sum of theirs.

        Raises IndexError for a dimension out of range, RuntimeError for the same one twice.

        >>> x = Layout((3, 4), (4, 1), storage_size=12)
        >>> x.diagonal().strides, x.diagonal(1).positions()
        ((5,), [1, 6, 11])
        """
        _whole(offset=offset, dim1=dim1, dim2=dim2)
        first, second = _wrap(dim1, self.ndim), _wrap(dim2, self.ndim)
        if first == second:
            raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
        down, right = max(-offset, 0), max(offset, 0)
        length = max(min(self.shape[first] - down, self.shape[second] - right), 0)
        start = self.offset + (down * self.strides[first] + right * self.strides[second] if length else 0)
        keep = [d for d in range(self.ndim) if d not in (first, second)]
        shape = [self.shape[d] for d in keep] + [length]
        return self._view(shape, [self.strides[d] for d in keep] + [self.strides[first] + self.strides[second]], start)

    # views that pick a part

    def select(self, dim: int, index: int) -> "Layout":
        """Return what lies at `index` of dimension `dim`, without that dimension; below 0, `index` counts from the end.

        Raises IndexError for a dimension or an index out of range.

        >>> x = Layout((3, 4), (4, 1), storage_size=12)
        >>> x.select(0, -1).positions(), x.select(1, 0).positions()  # a row, and a column
        ([8, 9, 10, 11], [0, 4, 8])
        """
        _whole(dim=dim, index=index)
        if self.ndim == 0:
            raise IndexError("select() cannot be applied to a 0-dim tensor.")
        dim = _wrap(dim, self.ndim)
        size = self.shape[dim]
        if not -size <= index < size:
            raise IndexError(
                f"select(): index {index} out of range for tensor of size {list(self.shape)} at dimension {dim}"
            )
        start = self.offset + (index % size) * self.strides[dim]
        return self._view(self.shape[:dim] + self.shape[dim + 1 :], self.strides[:dim] + self.strides[dim + 1 :], start)

    def narrow(self, dim: int, start: int, length: int) -> "Layout":
        """Return the `length` elements of dimension `dim` from `start` on; a `start` below 0 counts from the end.

        What a slice would cut short is an error here. Raises RuntimeError for a `length` below 0 or past the end,
        IndexError for a dimension or a `start` out of range.

        >>> x = Layout((3, 4), (4, 1), storage_size=12)
        >>> x.narrow(1, 1, 2) == x[:, 1:3], x[:, 3:9].shape
        (True, (3, 1))
        >>> x.narrow(1, 3, 6)
        Traceback (most recent call last):
        RuntimeError: start (3) + length (6) exceeds dimension size (4).
        """
        _whole(dim=dim, start=start, length=length)
        if self.ndim == 0:
            raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
        if length < 0:
            raise RuntimeError("narrow(): length must be non-negative.")
        size = self.shape[_wrap(dim, self.ndim)]
        if not -size <= start <= size:
            raise IndexError(f"start out of range (expected to be in range of [{-size}, {size}], but got {start})")
        start = start + size if start < 0 else start
        if start + length > size:
            raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({size}).")
        return self._slice(_wrap(dim, self.ndim), slice(start, start + length))

    def _check_step(self, part: slice) -> None:
        if part.step == 0:
            raise ValueError("slice step cannot be zero")
        if part.step is not None and part.step < 0:
            raise ValueError("step must be greater than zero")

    def _slice(self, dim: int, part: slice) -> "Layout":
        self._check_step(part)
        start, stop, step = part.indices(self.shape[dim])
        shape, strides = list(self.shape), list(self.strides)
        shape[dim], strides[dim] = len(range(start, stop, step)), self.strides[dim] * step
        return self._view(shape, strides, self.offset + start * self.strides[dim])

    def __getitem__(self, index) -> "Layout":
        if isinstance(index, list):
            return self._take(index)
        items = index if isinstance(index, tuple) else (index,)
        if self.ndim == 0 and not isinstance(index, tuple):
            if isinstance(index, slice):
                self._check_step(index)
                raise IndexError("slice() cannot be applied to a 0-dim tensor.")
            if isinstance(index, int):
                if index != 0:
                    raise IndexError(f"index {index} is out of bounds for dimension 0 with size 0")
                raise IndexError(
                    "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to "
                    "convert a 0-dim tensor to a number"
                )
        named = sum(isinstance(item, int | slice) for item in items)
        if named > self.ndim:
            raise IndexError(f"too many indices for tensor of dimension {self.ndim}")
        out, dim = self, 0
        for position, item in enumerate(items):
            if item is Ellipsis:
                dim += self.ndim - named
            elif item is None:
                out, dim = out.unsqueeze(dim), dim + 1
            elif isinstance(item, slice):
                out, dim = out._slice(dim, item), dim + 1
            else:
                size = out.shape[dim]
                if not -size <= item < size:
                    raise IndexError(f"index {item} is out of bounds for dimension {position} with size {size}")
                out = out.select(dim, item)
        return out._view(out.shape, out.strides)

    # views that read an element more than once

    def expand(self, *sizes: int) -> "Layout":
        """Repeat dimensions of size 1 with a stride of 0, so that many elements are one in memory.

        sizes: those of the result, new dimensions first; -1 keeps a size.
        Raises RuntimeError for another size than the one that is there, where that is not 1, and for too few sizes.

        >>> row = Layout((4,), (1,), storage_size=4).expand(1000, 4)
        >>> row.strides, row.numel, row.storage_size
        ((0, 1), 4000, 4)
        """
        sizes = _sizes(sizes)
        new = len(sizes) - self.ndim
        if new < 0:
            raise RuntimeError(
                f"expand(shape={list(self.shape)}, size={list(sizes)}): the number of sizes provided ({len(sizes)}) "
                f"must be greater or equal to the number of dimensions in the tensor ({self.ndim})"
            )
        shape, strides = list(sizes), [0] * len(sizes)
        for i in reversed(range(len(sizes))):
            if i >= new:
                size, stride = self.shape[i - new], self.strides[i - new]
            else:
                size, stride = 1, shape[i + 1] * strides[i + 1] if i + 1 < len(sizes) and self.ndim else 0
            if sizes[i] == -1 and i < new:
                raise RuntimeError(
                    f"The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension {i}"
                )
            if sizes[i] in (-1, size):
                shape[i], strides[i] = size, stride
            elif size != 1 or sizes[i] < 0:
                raise RuntimeError(
                    f"The expanded size of the tensor ({sizes[i]}) must match the existing size ({size}) at "
                    f"non-singleton dimension {i}.  Target sizes: {list(sizes)}.  Tensor sizes: {list(self.shape)}"
                )
        return self._view(shape, strides)

    def unfold(self, dimension: int, size: int, step: int) -> "Layout":
        """Return every window of `size` elements along a dimension, `step` apart, as a new last dimension.

        Windows that overlap share their elements: nothing is copied. Raises IndexError for a dimension out of range,
        RuntimeError for a `size` that is not in 0 .. the dimension's, or a `step` below 1.

        >>> x = Layout((6,), (1,), storage_size=6).unfold(0, size=4, step=1)
        >>> x.shape, x.strides
        ((3, 4), (1, 1))
        """
        _whole(dimension=dimension, size=size, step=step)
        dim = _wrap(dimension, self.ndim)
        have, stride = (self.shape[dim], self.strides[dim]) if self.ndim else (1, 1)
        if size < 0:
            raise RuntimeError(f"size is {size} but must be >= 0")
        if size > have:
            raise RuntimeError(f"maximum size for tensor at dimension {dim} is {have} but size is {size}")
        if step <= 0:
            raise RuntimeError(f"step is {step} but must be > 0")
        shape, strides = list(self.shape), list(self.strides)
        if self.ndim:
            shape[dim], strides[dim] = (have - size) // step + 1, stride * step
        return self._view(shape + [size], strides + [stride])

    @integers(size=None, stride=None)
    def as_strided(self, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> "Layout":
        """Return any `size` and `stride` over the same storage, whatever the shape and the strides are now.

        stride, storage_offset: in elements; None keeps the offset.
        Raises RuntimeError for two lengths that differ, a negative number, or an element outside of the storage.

        >>> x = Layout((3, 4), (4, 1), storage_size=12)
        >>> x.as_strided((2, 2), (1, 1)).positions()  # the element at 1 is read twice
        [0, 1, 1, 2]
        >>> x[2].as_strided((3,), (4,), 0).positions()  # a slice still holds all of its storage
        [0, 4, 8]
        """
        start = self.offset if storage_offset is None else storage_offset
        _whole(storage_offset=start)
        if len(size) != len(stride):
            raise RuntimeError("mismatch in length of strides and shape")
        if any(s < 0 for s in stride):
            raise RuntimeError(
                f"as_strided: Negative strides are not supported at the moment, got strides: {list(stride)}"
            )
        if any(s < 0 for s in size):
            raise RuntimeError(
                f"Storage size calculation overflowed with sizes={list(size)} and strides={list(stride)}"
            )
        if start < 0:
            raise RuntimeError(f"Tensor: invalid storage offset {start}")
        last = start + sum((n - 1) * s for n, s in zip(size, stride))
        if 0 not in size and last >= self.storage_size:
            raise RuntimeError(
                f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {start}, and itemsize "
                f"{self.itemsize} requiring a storage size of {(last + 1) * self.itemsize} are out of bounds for "
                f"storage of size {self.storage_size * self.itemsize}"
            )
        return self._view(size, stride, start)

    # a view when strides exist for it, else an error or a copy

    def view(self, *sizes: int) -> "Layout":
        """Return the same elements in another shape, over the same storage.

        sizes: of the result, `view(2, 6)` or `view((2, 6))`; one of them may be -1, and is worked out.
        Raises RuntimeError for sizes that hold another number of elements, and where no strides read the storage so.

        >>> x = Layout((3, 4), (4, 1), storage_size=12)
        >>> x.view(2, -1).strides
        (6, 1)
        >>> x.T.view(12)
        Traceback (most recent call last):
        RuntimeError: view size is not compatible with input tensor's size and stride ... Use .reshape(...) instead.
        """
        shape = _infer(_sizes(sizes), self.numel)
        strides = can_view(self.shape, self.strides, shape)
        if strides is None:
            raise RuntimeError(
                "view size is not compatible with input tensor's size and stride (at least one dimension spans across "
                "two contiguous subspaces). Use .reshape(...) instead."
            )
        return self._view(shape, strides)

    def reshape(self, *sizes: int) -> "Layout":
        """Return a view where `view` can, else a copy; `copied_from` says which. Sizes are given as to `view`.

        Raises RuntimeError for sizes that hold another number of elements.

        >>> x = Layout((2, 2), (2, 1), storage_size=4)
        >>> x.reshape(4).copied_from, x.T.reshape(4).copied_from
        (None, (0, 2, 1, 3))
        """
        shape = _infer(_sizes(sizes), self.numel)
        strides = can_view(self.shape, self.strides, shape)
        return self._copy(shape, self.positions()) if strides is None else self._view(shape, strides)

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> "Layout":
        """Merge the dimensions from `start_dim` to `end_dim`, both included: a view where that can be, else a copy.

        Raises IndexError for a dimension out of range, RuntimeError where the end comes before the start.

        >>> x = Layout((2, 3, 4), (12, 4, 1), storage_size=24)
        >>> x.flatten(1).shape, x.mT.flatten(0, 1).shape
        ((2, 12), (8, 3))
        >>> x.flatten(1).copied_from is None, x.mT.flatten(0, 1).copied_from is None
        (True, False)
        """
        _whole(start_dim=start_dim, end_dim=end_dim)
        start, end = _wrap(start_dim, self.ndim), _wrap(end_dim, self.ndim)
        if start > end:
            raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
        if start == end and self.ndim:
            return self._view(self.shape, self.strides)
        return self.reshape(self.shape[:start] + (prod(self.shape[start : end + 1]),) + self.shape[end + 1 :])

    def contiguous(self) -> "Layout":
        """Return the same record where it is contiguous, else that of a copy which is.

        >>> x = Layout((2, 3), (3, 1), storage_size=6)
        >>> x.contiguous() == x, x.T.contiguous().copied_from
        (True, (0, 3, 1, 4, 2, 5))
        """
        return (
            self._view(self.shape, self.strides) if self.is_contiguous() else self._copy(self.shape, self.positions())
        )

    # always a copy. PyTorch decides where the copy of a rearranged tensor lies: here only the plain case is known

    def _require_fresh(self, operation: str) -> None:
        if self.strides != contiguous_strides(self.shape):
            raise NotImplementedError(
                f"{operation} always copies, but only the copy of a contiguous tensor is modelled: "
                "write .contiguous() before it"
            )

    def flip(self, *dims: int) -> "Layout":
        """Reverse the order along `dims`. Always a copy: no stride of PyTorch's is negative (one of NumPy's may be).

        Raises NotImplementedError for a tensor that is not contiguous, IndexError for a dimension out of range,
        RuntimeError for a repeated one.

        >>> Layout((2, 3), (3, 1), storage_size=6).flip(1).copied_from
        (2, 1, 0, 5, 4, 3)
        """
        flipped = _distinct(_sizes(dims), self.ndim)
        self._require_fresh("flip")
        strides = [-s if d in flipped else s for d, s in enumerate(self.strides)]
        start = self.offset + sum((self.shape[d] - 1) * self.strides[d] for d in flipped if self.ndim)
        return self._copy(self.shape, addresses(self.shape, strides, start))

    def clone(self) -> "Layout":
        """Return the record of a copy, which holds no more than its own elements.

        Raises NotImplementedError for a tensor that is not contiguous.

        >>> row = Layout((3, 4), (4, 1), storage_size=12)[2]
        >>> row.storage_size, row.clone().storage_size
        (12, 4)
        """
        self._require_fresh("clone")
        return self._copy(self.shape, self.positions())

    def _take(self, index: list[int]) -> "Layout":
        if self.ndim == 0:
            raise IndexError("too many indices for tensor of dimension 0")
        for i in index:
            if not -self.shape[0] <= i < self.shape[0]:
                raise IndexError(f"index {i} is out of bounds for dimension 0 with size {self.shape[0]}")
        self._require_fresh("indexing with a list")
        rows = [p for i in index for p in self.select(0, i).positions()]
        return self._copy((len(index),) + self.shape[1:], rows)


class ArrayLayout(Layout):
    """The record of a NumPy array, strides in elements: slices may step backwards, and there is no `.view(shape)`.

    >>> ArrayLayout.of(np.zeros((3, 4)))[::-1]
    ArrayLayout(shape=(3, 4), strides=(-4, 1), offset=8, storage_size=12, itemsize=8, copied_from=None)
    """

    @classmethod
    def of(cls, x: np.ndarray) -> "ArrayLayout":
        """Read the record of a real array; raises ValueError when its strides are no whole number of elements.

        >>> ArrayLayout.of(np.zeros((3, 4))[::-1]).strides
        (-4, 1)
        """
        start, stop = memory_range(x)
        begin = x.__array_interface__["data"][0] - start if x.size else 0
        if any(s % x.itemsize for s in x.strides) or begin % x.itemsize:
            raise ValueError(
                f"x must have strides of whole elements, got {x.strides} bytes for {x.itemsize}-byte elements"
            )
        strides = tuple(s // x.itemsize for s in x.strides)
        return cls(x.shape, strides, begin // x.itemsize, (stop - start) // x.itemsize, x.itemsize)

    def _check_step(self, part: slice) -> None:
        if part.step == 0:
            raise ValueError("slice step cannot be zero")

    def transpose(self, *axes: int) -> "ArrayLayout":
        """Reorder the axes, or reverse them all where none are given. `Layout.transpose` takes two and swaps them.

        Raises RuntimeError for axes that are missing or repeated (NumPy a ValueError), IndexError for one out of range.

        >>> x = ArrayLayout.of(np.zeros((2, 3, 4)))
        >>> x.transpose().shape, x.transpose(0, 2, 1).shape
        ((4, 3, 2), (2, 4, 3))
        """
        return self.permute(*axes) if axes else self.T

    def reshape(self, *sizes: int) -> "ArrayLayout":
        """Return a view where strides exist for it, else a copy.

        Raises ValueError for sizes that hold another number of elements.

        >>> x = ArrayLayout.of(np.zeros((2, 2)))
        >>> x.reshape(4).copied_from, x[:, ::-1].reshape(4).copied_from
        (None, (1, 0, 3, 2))
        """
        try:
            return super().reshape(*sizes)
        except RuntimeError as error:
            raise ValueError(f"cannot reshape array of size {self.numel} into shape {_sizes(sizes)}") from error


# --- text to operations, without evaluating it ----------------------------------------------------

# fmt: off
OPERATIONS = (
    "T", "as_strided", "clone", "contiguous", "diagonal", "expand", "flatten", "flip", "mT", "narrow", "permute",
    "reshape", "select", "squeeze", "swapaxes", "transpose", "unfold", "unsqueeze", "view",
)
# fmt: on
ARRAY_OPERATIONS = ("T", "reshape", "swapaxes", "transpose")
PROPERTIES = ("T", "mT")


class Step(NamedTuple):
    """One operation of a parsed text: a method, a property (no arguments) or an index ("[]")."""

    name: str
    args: tuple = ()


def _literal(node: ast.expr):
    """Read an integer, or a tuple or list of integers; nothing else is a value here."""
    match node:
        case ast.Tuple(elts=items):
            return tuple(_integer(item) for item in items)
        case ast.List(elts=items):
            return [_integer(item) for item in items]
    return _integer(node)


def _integer(node: ast.expr) -> int:
    match node:
        case ast.Constant(value=int(value)) if not isinstance(value, bool):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_integer(operand)
    raise ValueError("arguments must be integers, or tuples or lists of them")


def _index(node: ast.expr):
    """Read what may stand between square brackets."""
    match node:
        case ast.Tuple(elts=items):
            parts = tuple(_index_part(item) for item in items)
            if parts.count(...) > 1:
                raise ValueError("one ... stands for all the dimensions that are left: write it once")
            return parts
        case ast.List(elts=items):
            return [_integer(item) for item in items]
    return _index_part(node)


def _index_part(node: ast.expr) -> int | slice | None:
    match node:
        case ast.Slice(lower=lower, upper=upper, step=step):
            return slice(*(None if part is None else _integer(part) for part in (lower, upper, step)))
        case ast.Constant(value=value) if value is None or value is ...:
            return value
        case ast.List() | ast.Tuple():
            raise ValueError("a list of integers must be the only index: t[[0, 2]]")
    return _integer(node)


def parse(text: str, operations: Sequence[str] = OPERATIONS) -> tuple[str, list[Step]]:
    """Read text such as `t[1:].transpose(0, 1)` into the name `t` and its steps; nothing in it is evaluated.

    Allowed are a name, then any number of `.operation(integers)`, `.T`, `.mT` and `[index]`, with the
    operations in `operations`. Everything else is refused.

    Raises ValueError that says what is not allowed.

    >>> parse("t[1:].transpose(0, 1).T")
    ('t', [Step(name='[]', args=(slice(1, None, None),)), Step(name='transpose', args=(0, 1)), Step(name='T', args=())])
    >>> parse("t.numpy().tofile()")
    Traceback (most recent call last):
    ValueError: tofile is not one of the operations known here: T, as_strided, clone, ...
    """
    if len(text) > 300 or not re.fullmatch(r"[\w.,:\[\]()\- ]*", text, re.ASCII):
        raise ValueError("write a name and operations, such as t[1:, ::2].T or t.view(2, 6)")
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError("this is not a complete expression: check the brackets and commas") from error
    steps: list[Step] = []
    while not isinstance(node, ast.Name):
        match node:
            case ast.Subscript(value=inner, slice=index):
                steps.append(Step("[]", (_index(index),)))
            case ast.Call(func=ast.Attribute(value=inner, attr=name), args=args, keywords=keywords):
                if name not in operations:
                    raise ValueError(f"{name} is not one of the operations known here: {', '.join(operations)}")
                if name in PROPERTIES or keywords:
                    raise ValueError(
                        f"write .{name} without brackets" if name in PROPERTIES else "write arguments by position"
                    )
                steps.append(Step(name, tuple(_literal(arg) for arg in args)))
            case ast.Attribute(value=inner, attr=name):
                if name not in operations:
                    raise ValueError(f"{name} is not one of the operations known here: {', '.join(operations)}")
                if name not in PROPERTIES:
                    raise ValueError(f"write the arguments of .{name} in brackets")
                steps.append(Step(name))
            case _:
                raise ValueError("start with the name of a tensor")
        node = inner
    return node.id, steps[::-1]


def apply(
    x: "Layout | ArrayLayout | torch.Tensor | np.ndarray", steps: Sequence[Step]
) -> "Layout | ArrayLayout | torch.Tensor | np.ndarray":
    """Carry out parsed steps on a `Layout`, a tensor or an array.

    Raises whatever the operation raises.

    >>> _, steps = parse("t[1:].T")
    >>> apply(torch.zeros(3, 4), steps).stride()
    (1, 4)
    """
    for name, args in steps:
        if name == "[]":
            x = x[args[0]]
        elif name in PROPERTIES:
            x = getattr(x, name)
        else:
            x = getattr(x, name)(*args)
    return x
