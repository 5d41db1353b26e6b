"""Typical wrong answers of notebook 03; lmcourse.exercises.strides says which mistake each is."""

from math import prod

from lmcourse import strides


def roles_swapped(index, strides, storage_offset=0):
    """The study notes' slip: the row times the column's stride."""
    return storage_offset + sum(i * stride for i, stride in zip(index, reversed(strides)))


def forgets_the_offset(index, strides, storage_offset=0):
    return sum(i * stride for i, stride in zip(index, strides))


def counts_from_one(index, strides, storage_offset=0):
    return storage_offset + sum((i + 1) * stride for i, stride in zip(index, strides))


def contiguous_only(shape, steps, new_shape):
    """Refuses every tensor that is not contiguous: the common belief."""
    fits = prod(shape) == prod(new_shape) and strides.is_contiguous(shape, steps)
    return strides.contiguous_strides(new_shape) if fits else None


def count_is_enough(shape, steps, new_shape):
    """Checks the number of elements and reads whatever lies there."""
    return strides.contiguous_strides(new_shape) if prod(shape) == prod(new_shape) else None


def never_counts(shape, steps, new_shape):
    """Fills the blocks, and does not look whether sizes are left over."""
    left, found = tuple(new_shape), ()
    if min((*shape, *new_shape), default=0) < 1:
        return strides.can_view(shape, steps, new_shape)
    for _, size, stride in strides.blocks(shape, steps):
        if (taken := strides.fill_block(size, stride, left)) is None:
            return None
        left, found = left[: len(left) - len(taken)], taken + found
    return found


def strides_from_the_right(shape, steps, new_shape):
    """Puts what each block gives behind what is there, where it belongs in front."""
    found = strides.can_view(shape, steps, new_shape)
    return found and found[::-1]


def forgets_the_stride_of_a_block(shape, steps, new_shape):
    found = strides.can_view(shape, steps, new_shape)
    return found and tuple(step // (steps or [1])[-1] for step in found)


def fresh_in_the_block(size, stride, new_shape):
    """Takes all sizes, where those that fill the block are wanted."""
    fits = prod(new_shape) == size
    return tuple(step * stride for step in strides.contiguous_strides(new_shape)) if fits else None


def ignores_the_stride(size, stride, new_shape):
    return strides.fill_block(size, 1, new_shape)


def takes_too_much(size, stride, new_shape):
    """Stops when the block is full or overfull, and does not look which."""
    found, filled, left = (), 1, list(new_shape)
    while left and filled < size:
        found = (filled * stride, *found)
        filled *= left.pop()
    return found


def leaves_sizes_of_one(size, stride, new_shape):
    found, filled, left = (), 1, list(new_shape)
    while left and filled < size:
        found = (filled * stride, *found)
        filled *= left.pop()
    return found if filled == size else None


def column_major(shape):
    """The first dimension is the fast one: Fortran's order, and MATLAB's."""
    return tuple(prod(shape[:d]) for d in range(len(shape)))


def only_the_neighbour(shape):
    """Takes the size to the right where the product of all sizes to the right is wanted."""
    return (*shape[1:], 1)[: len(shape)]


def includes_itself(shape):
    return tuple(prod(shape[d:]) for d in range(len(shape)))


def compares_strides_only(shape, steps):
    return tuple(steps) == strides.contiguous_strides(shape)


def sorted_is_enough(shape, steps):
    """Large strides first: true of every slice with gaps as well."""
    return list(steps) == sorted(steps, reverse=True)


def last_stride_is_one(shape, steps):
    return not steps or steps[-1] == 1


def one_window_short(x, size, step=1):
    windows = max((len(x) - size) // step, 0)
    return x.as_strided((windows, size), (step * x.stride(0), x.stride(0)))


def assumes_stride_one(x, size, step=1):
    """Right for a fresh tensor; wrong for `x[::2]`."""
    return x.as_strided(((len(x) - size) // step + 1, size), (step, 1))


def copies(x, size, step=1):
    import torch

    return torch.stack([x[i : i + size] for i in range(0, len(x) - size + 1, step)])
