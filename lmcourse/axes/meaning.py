"""What follows from the loops: where an element comes from, what it costs, what moves, and the type."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Shaped
from torch import Tensor

from lmcourse.axes.loops import Axes, letter, loop_nest, python_name
from lmcourse.strides import can_view

TERMS_LIMIT = 2_000_000


def trace(pattern: str, *shapes: Iterable[int], **sizes: int) -> np.ndarray:
    """Where every output element comes from: an object array in the output's shape.

    Each element is the tuple of flat (row-major) source indices that make it: one for `rearrange` and `repeat`, all
    contributors in loop order for `reduce`. For an einsum of several operands each contributor is itself a tuple, one
    index an operand, and stands for their product. `operation_of` reads off the pattern which function it is for;
    `sizes` are those of axes that the shapes do not tell.

    Raises ValueError for more than `TERMS_LIMIT` terms, and what `loop_nest` raises.

    >>> trace("(h d) -> d h", (6,), h=2).tolist()
    [[(0,), (3,)], [(1,), (4,)], [(2,), (5,)]]
    >>> trace("h w -> h", (2, 3)).tolist()
    [(0, 1, 2), (3, 4, 5)]
    >>> trace("i j, j -> i", (2, 2), (2,)).tolist()
    [((0, 0), (1, 1)), ((2, 0), (3, 1))]
    """
    nest = loop_nest(pattern, shapes, sizes)
    if nest.iterations > TERMS_LIMIT:
        raise ValueError(f"shapes: at most {TERMS_LIMIT:,} terms to trace, got {nest.iterations:,}")
    elements = np.empty(math.prod(nest.output_shape), dtype=object)
    for position, index in enumerate(nest.indices(nest.kept)):
        elements[position] = nest.sources(index)
    return elements.reshape(nest.output_shape)


def einsum_flops(pattern: str, *shapes: Iterable[int]) -> int:
    """Floating-point operations of an einsum, as its one loop nest counts them.

    Each pass of the innermost line multiplies its n operands (n - 1 operations) and, when some axis is summed, adds
    the product to the output (1 more). For two operands with a summed axis that is 2 · (product of all sizes), the
    2mnk of a matrix product. Libraries contract three or more operands in pairs and then need fewer. Raises what
    `loop_nest` raises.

    >>> einsum_flops("m k, k n -> m n", (3, 4), (4, 5))
    120
    >>> einsum_flops("i, j -> i j", (3,), (4,))
    12
    """
    nest = loop_nest(pattern, shapes, operation="einsum")
    return nest.iterations * (len(nest.inputs) - 1 + bool(nest.summed))


def is_view(pattern: str, tensor: Shaped[Tensor, "..."], **sizes: int) -> bool:
    """Whether the result shares the tensor's storage (True, free) or is a copy (False), told from strides alone.

    einops splits dimensions, permutes, inserts dimensions of stride 0 and merges. Only the merge can force a copy:
    the dimensions inside one `( )` of the output must already lie in memory like one. A reduction always copies.
    Einsums of several operands do too. The tensor's values are not read. Raises what `loop_nest` raises.

    >>> import torch
    >>> x = torch.zeros(2, 3, 8)
    >>> is_view("b t (h d) -> b h t d", x, h=4), is_view("b t c -> b (c t)", x)
    (True, False)
    """
    nest = loop_nest(pattern, [tuple(tensor.shape)], sizes)
    if nest.summed:
        return False
    strides: dict[str, int] = {}
    for dimension, stride in zip(nest.inputs[0], tensor.stride()):
        for name in reversed(dimension):
            strides[name] = strides.get(name, 0) + stride  # a name met twice is a diagonal: both strides at once
            stride *= nest.sizes[name]
    split_shape = tuple(nest.sizes[name] for name in nest.kept)
    split_strides = tuple(strides.get(name, 0) for name in nest.kept)  # a new axis repeats: stride 0
    return can_view(split_shape, split_strides, nest.output_shape) is not None


def signature(pattern: str, *shapes: Iterable[int], **sizes: int) -> str:
    """The pattern as the type of a function, in jaxtyping's notation.

    A composed dimension of an input gets one joined name, because jaxtyping cannot split a size; in the output
    it is a product of names that the inputs have bound. Raises what `loop_nest` raises.

    >>> signature("batch heads seq hidden -> batch seq (heads hidden)", (2, 4, 3, 8))
    'f(x: Float[Tensor, "batch heads seq hidden"]) -> Float[Tensor, "batch seq heads*hidden"]'
    """
    nest = loop_nest(pattern, shapes, sizes)
    bound: set[str] = set()
    arguments = []
    for k, dimensions in enumerate(nest.inputs):
        words = [_joined(dimension) if len(dimension) > 1 else _word(dimension) for dimension in dimensions]
        bound.update(words)
        arguments.append(f'{letter(k)}: Float[Tensor, "{_words(words)}"]')
    result = []
    for dimension in nest.output:
        if len(dimension) < 2:
            result.append(_word(dimension))
        elif any(name.startswith("…") for name in dimension):
            result.append("_")  # jaxtyping has no name for a product of an unknown number of axes
        elif _joined(dimension) not in bound and all(_word((name,)) in bound for name in dimension):
            result.append("*".join(dimension))
        else:
            result.append(_joined(dimension))
    return f'f({", ".join(arguments)}) -> Float[Tensor, "{_words(result)}"]'


def _word(dimension: Axes) -> str:
    """A dimension of at most one axis in jaxtyping's notation."""
    if not dimension:
        return "1"
    return "..." if dimension[0].startswith("…") else dimension[0].rstrip("'")


def _joined(dimension: Axes) -> str:
    """One name for a composed dimension: `heads_hidden`."""
    return "_".join(python_name(name) for name in dimension)


def _words(words: Sequence[str]) -> str:
    """Words with spaces between; neighbours that came from one `...` become one again."""
    return " ".join(word for i, word in enumerate(words) if word != "..." or words[i - 1 : i] != ["..."])
