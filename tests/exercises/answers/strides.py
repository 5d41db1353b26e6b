"""Answers that people give to the exercises of 03."""

from itertools import accumulate
from math import prod
from operator import mul

import numpy as np
import torch

from lmcourse import strides


def offset_by_dot_product(index, steps, storage_offset=0):
    if len(index) != len(steps) or any(i < 0 for i in index):
        raise ValueError
    return storage_offset + int(np.dot(np.array(index, np.int64), np.array(steps, np.int64)))


def fresh_as_a_list(shape):
    if any(size < 0 for size in shape):
        raise ValueError("negative")
    sizes = [max(size, 1) for size in shape]
    return list(accumulate(sizes[:0:-1], mul, initial=1))[::-1] if sizes else []


def fresh_by_torch(shape):
    if any(size < 0 for size in shape):
        raise ValueError("negative")
    return torch.empty(shape, device="meta").stride()


def contiguous_by_torch(shape, steps):
    if len(shape) != len(steps) or any(size < 0 for size in shape):
        raise ValueError
    return torch.empty_strided(shape, steps, device="meta").is_contiguous()


def contiguous_as_numpys_bool(shape, steps):
    fresh = strides.contiguous_strides(shape)
    if len(shape) != len(steps):
        raise ValueError
    return np.bool_(0 in shape) or np.all([n == 1 or a == b for n, a, b in zip(shape, steps, fresh)])


def view_by_torch(shape, steps, new_shape):
    if min((*shape, *new_shape), default=0) < 0:
        raise ValueError("negative")
    try:
        found = torch.empty_strided(shape, steps, device="meta").view(new_shape).stride()
    except RuntimeError:
        return None
    return list(found)


def fill_gives_a_list(size, stride, new_shape):
    found = strides.fill_block(size, stride, new_shape)
    return found if found is None else list(found)


def windows_by_as_strided(x, size, step=1):
    if x.ndim != 1 or step <= 0 or size not in range(1, x.numel() + 1):
        raise ValueError
    count = 1 + (x.numel() - size) // step
    return torch.as_strided(x, [count, size], [step * x.stride()[0], x.stride()[0]], x.storage_offset())


RIGHT = {
    "offset": [offset_by_dot_product],
    "contiguous_strides": [fresh_as_a_list, fresh_by_torch],
    "is_contiguous": [contiguous_by_torch, contiguous_as_numpys_bool],
    "can_view": [view_by_torch],
    "fill_block": [fill_gives_a_list],
    "sliding_windows": [windows_by_as_strided],
}


def offset_absolute(index, steps, storage_offset=0):
    return strides.offset(index, [abs(step) for step in steps], storage_offset)


def offset_python_index(index, steps, storage_offset=0):
    return storage_offset + sum(i * step for i, step in zip(index, steps, strict=True))  # takes -1 as well


def offset_times_the_start(index, steps, storage_offset=0):
    return strides.offset(index, steps) + storage_offset * (len(index) > 0)


def fresh_of_sorted_sizes(shape):
    return strides.contiguous_strides(sorted(shape, reverse=True))


def fresh_without_scalars(shape):
    return strides.contiguous_strides(shape) or (1,)


def fresh_mutates(shape):
    if any(size < 0 for size in shape):
        return None
    return strides.contiguous_strides(shape)


def contiguous_by_span(shape, steps):
    """Reaches as far as it has elements: true of every transpose."""
    if len(shape) != len(steps) or any(size < 0 for size in shape):
        raise ValueError
    return 0 in shape or sum((n - 1) * step for n, step in zip(shape, steps)) == prod(shape) - 1


def contiguous_when_empty_only_at_the_end(shape, steps):
    whole = strides.is_contiguous(shape, steps)
    return whole if not shape or shape[-1] == 0 or 0 not in shape else steps == strides.contiguous_strides(shape)


def contiguous_in_any_lengths(shape, steps):
    return strides.is_contiguous(shape[: len(steps)], steps[: len(shape)])


def view_never_raises(shape, steps, new_shape):
    if min((*shape, *new_shape), default=0) < 0:
        return None
    return strides.can_view(shape, steps, new_shape)


def view_never_counts(shape, steps, new_shape):
    left, found = list(new_shape), ()
    if min((*shape, *new_shape), default=0) < 1:
        return strides.can_view(shape, steps, new_shape)
    for _, size, stride in strides.blocks(shape, steps):
        taken = strides.fill_block(size, stride, left)
        if taken is None:
            return None
        left, found = left[: len(left) - len(taken)], taken + found
    return found


def view_refuses_new_sizes_only(shape, steps, new_shape):
    if min(new_shape, default=0) < 0:
        raise ValueError
    return None if min(shape, default=0) < 0 else strides.can_view(shape, steps, new_shape)


def view_splits_only(shape, steps, new_shape):
    found = strides.can_view(shape, steps, new_shape)
    return found if len(new_shape) >= len(shape) else None


def view_as_a_bool(shape, steps, new_shape):
    return strides.can_view(shape, steps, new_shape) is not None


def windows_of_clones(x, size, step=1):
    return strides.sliding_windows(x.clone(), size, step)


def windows_one_step(x, size, step=1):
    return (
        strides.sliding_windows(x, size, step)[:, :]
        if step == 1
        else strides.sliding_windows(x, size)[: len(x) // step]
    )


def windows_may_be_empty(x, size, step=1):
    if size == 0:
        return x.as_strided((len(x) + 1, 0), (1, 1))
    return strides.sliding_windows(x, size, step)


def windows_transposed(x, size, step=1):
    return strides.sliding_windows(x, size, step).T


WRONG = {
    "offset": [offset_absolute, offset_python_index, offset_times_the_start],
    "contiguous_strides": [fresh_of_sorted_sizes, fresh_without_scalars, fresh_mutates],
    "is_contiguous": [contiguous_by_span, contiguous_when_empty_only_at_the_end, contiguous_in_any_lengths],
    "can_view": [view_never_raises, view_splits_only, view_as_a_bool, view_never_counts, view_refuses_new_sizes_only],
    "sliding_windows": [windows_of_clones, windows_one_step, windows_may_be_empty, windows_transposed],
}
