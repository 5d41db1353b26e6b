"""What an einops pattern means, element by element.

A pattern is a loop nest: one loop for every axis name. `"b t (h d) -> b h t d"` says: for each b, h, t and d,
the output element at (b, h, t, d) is the input element at (b, t, h·D + d). From that one picture follow the
source of every element (`trace`), the cost (`einsum_flops`), whether anything has to move in memory (`is_view`)
and the types of the function that the pattern describes (`signature`).

There is no grammar here: `einops.parsing.ParsedExpression` reads the pattern, and einops itself, run on tensors
without data, refuses what it does not allow, in its own words. This module does not compute anything quickly;
for that, call einops. Written for einops 0.8 (https://einops.rocks) with PyTorch as its backend.
"""

import functools
import itertools
import keyword
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import einops
import numpy as np
import torch
from einops import einsum, rearrange, reduce
from einops.parsing import AnonymousAxis, ParsedExpression
from jaxtyping import Bool, Float, Shaped, jaxtyped
from torch import Tensor

from lmcourse.strides import can_view
from lmcourse.support import checks

OPERATIONS = ("rearrange", "reduce", "repeat", "einsum")

# A reduction as a loop: what the output holds before, and what the innermost line does.
REDUCTIONS = {
    "sum": (0, "{out} += {term}"),
    "mean": (0, "{out} += {term} / {count}"),
    "prod": (1, "{out} *= {term}"),
    "max": (-math.inf, "{out} = max({out}, {term})"),
    "min": (math.inf, "{out} = min({out}, {term})"),
    "any": (False, "{out} |= {term} != 0"),
    "all": (True, "{out} &= {term} != 0"),
}

TERMS_LIMIT = 2_000_000

Axes = tuple[str, ...]  # one dimension of a tensor: ("heads", "hidden") is "(heads hidden)", () is "1"


@dataclass(frozen=True)
class LoopNest:
    """A pattern in which every axis has a size: the loops that it stands for.

    `inputs[k][i]` names the axes inside dimension i of operand k, slowest first, and `output[i]` those of the
    result. Made by `loop_nest`.
    """

    operation: str
    reduction: str
    inputs: tuple[tuple[Axes, ...], ...]
    output: tuple[Axes, ...]
    shapes: tuple[tuple[int, ...], ...]
    sizes: dict[str, int]

    @property
    def kept(self) -> list[str]:
        """The axes of the output, in order: the outer loops."""
        return list(itertools.chain(*self.output))

    @property
    def summed(self) -> list[str]:
        """The axes that only the inputs have, in order of appearance: the inner loops, summed (or reduced) away."""
        names = itertools.chain(*(dimension for operand in self.inputs for dimension in operand))
        return [name for name in dict.fromkeys(names) if name not in self.kept]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of the result."""
        return tuple(math.prod(self.sizes[name] for name in dimension) for dimension in self.output)

    @property
    def iterations(self) -> int:
        """How often the innermost line runs: the product of all sizes."""
        return math.prod(self.sizes[name] for name in self.kept + self.summed)

    def indices(self, axes: Sequence[str]) -> Iterator[dict[str, int]]:
        """Every setting of the loop variables of `axes`, the last one fastest."""
        for values in itertools.product(*(range(self.sizes[name]) for name in axes)):
            yield dict(zip(axes, values))

    def flat_index(self, operand: int, index: Mapping[str, int]) -> int:
        """Where operand number `operand` is read when the loop variables stand at `index`, counted row by row."""
        flat = 0
        for dimension, length in zip(self.inputs[operand], self.shapes[operand]):
            position = 0
            for name in dimension:
                position = position * self.sizes[name] + index[name]
            flat = flat * length + (position if length > 1 else 0)  # einsum stretches a dimension of length 1
        return flat

    def sources(self, index: Mapping[str, int]) -> tuple:
        """The terms of one output element: flat indices, or tuples of them where there are several operands."""
        terms = []
        for inner in self.indices(self.summed):
            term = tuple(self.flat_index(k, {**index, **inner}) for k in range(len(self.inputs)))
            terms.append(term if len(term) > 1 else term[0])
        return tuple(terms)

    def code(self) -> str:
        """The loop nest as Python: it reads arrays x, y, z, ... and fills an array `out`.

        `out` must hold the first value of the reduction (`REDUCTIONS`) before; for a sum that is 0.
        """
        names = self._variables()
        lines = [f"for {names[name]} in range({self.sizes[name]}):" for name in self.kept + self.summed]
        out = self._element(names["the output"], self.output, self.output_shape, names)
        operands = [
            self._element(names[f"operand {k}"], dimensions, shape, names)
            for k, (dimensions, shape) in enumerate(zip(self.inputs, self.shapes))
        ]
        body = "{out} = {term}" if not self.summed else REDUCTIONS[self.reduction][1]
        count = math.prod(self.sizes[name] for name in self.summed)
        lines.append(body.format(out=out, term=" * ".join(operands), count=count))
        return "\n".join("    " * depth + line for depth, line in enumerate(lines))

    def _variables(self) -> dict[str, str]:
        """A Python name for every axis, for every operand and for the output; all different."""
        taken: set[str] = set()
        names = {}
        wanted = {name: _python_name(name) for name in self.kept + self.summed}
        wanted |= {f"operand {k}": _letter(k) for k in range(len(self.inputs))}
        for key, name in (wanted | {"the output": "out"}).items():
            while name in taken:
                name += "_"
            taken.add(name)
            names[key] = name
        return names

    def _element(self, tensor: str, dimensions: Sequence[Axes], shape: Sequence[int], names: Mapping[str, str]) -> str:
        """`x[b, h * 2 + d]`: one element of a tensor, addressed by the loop variables."""
        positions = []
        for dimension, length in zip(dimensions, shape):
            position = names[dimension[0]] if dimension and length != 1 else "0"
            for name in dimension[1:] if length != 1 else ():
                left = f"({position})" if "+" in position else position
                position = f"{left} * {self.sizes[name]} + {names[name]}"
            positions.append(position)
        return f"{tensor}[{', '.join(positions) or '()'}]"


def operation_of(pattern: str) -> str:
    """Which einops function a pattern is written for, judged by where its names stand.

    A comma, a repeated name or `_` on the left is `einsum`; names only on the left `reduce`; names only on the right
    `repeat`; and `rearrange` otherwise, a pattern that no function accepts included.

    >>> [operation_of(p) for p in ("h w -> w h", "h w -> h", "h -> h w", "i j, j k -> i k", "i i -> i")]
    ['rearrange', 'reduce', 'repeat', 'einsum', 'einsum']
    """
    left, arrow, right = pattern.partition("->")
    if "," in left:
        return "einsum"
    try:
        before = ParsedExpression(left, allow_duplicates=True, allow_underscore=True)
        after = ParsedExpression(right, allow_underscore=True)
    except einops.EinopsError:
        return "rearrange"
    names = [name for dimension in before.composition for name in dimension]
    if len(names) != len(set(names)) or "_" in names:
        return "einsum"
    gone, new = before.identifiers - after.identifiers, after.identifiers - before.identifiers
    if not arrow or bool(gone) == bool(new):
        return "rearrange"
    return "reduce" if gone else "repeat"


def loop_nest(
    pattern: str,
    shapes: Sequence[Iterable[int]],
    sizes: Mapping[str, int] | None = None,
    *,
    operation: str | None = None,
    reduction: str = "sum",
) -> LoopNest:
    """Read a pattern for tensors of these shapes and find the size of every axis.

    Args:
        pattern: an einops pattern, `"b t (h d) -> b h t d"`.
        shapes: one shape an operand.
        sizes: the sizes that the shapes do not tell, as einops takes them: `{"h": 2}`.
        operation: one of `OPERATIONS`; None asks `operation_of`.
        reduction: one of `REDUCTIONS`; used by `reduce` alone.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind, named.
        Whatever einops raises for this pattern on such tensors, mostly `einops.EinopsError`, unchanged.

    >>> nest = loop_nest("t (h d) -> h t d", [(2, 6)], {"h": 3})
    >>> nest.sizes, nest.output_shape
    ({'h': 3, 't': 2, 'd': 2}, (3, 2, 2))
    >>> print(nest.code())
    for h in range(3):
        for t in range(2):
            for d in range(2):
                out[h, t, d] = x[t, h * 2 + d]
    """
    shapes = tuple(checks.integers("shape", shape, 0) for shape in shapes)
    sizes = {name: checks.whole(f"size of axis {name!r}", size, 0) for name, size in (sizes or {}).items()}
    if operation is None:
        operation = operation_of(pattern) if len(shapes) == 1 else "einsum"
    checks.one_of("operation", operation, OPERATIONS)
    checks.one_of("reduction", reduction, REDUCTIONS)
    if operation != "reduce":
        reduction = "sum"
    run(operation, pattern, [torch.empty(shape, device="meta") for shape in shapes], sizes, reduction=reduction)

    left, right = pattern.split("->")
    texts = left.split(",") if operation == "einsum" else [left]
    operands = [ParsedExpression(text, allow_duplicates=True, allow_underscore=True) for text in texts]
    result = ParsedExpression(right, allow_underscore=True)
    ellipses = [len(shape) - len(operand.composition) + 1 for operand, shape in zip(operands, shapes)]
    hidden = max((n for n, operand in zip(ellipses, operands) if "…" in operand.composition), default=0)
    labels: dict[AnonymousAxis, str] = {}
    inputs = [
        _dimensions(operand, range(hidden - n, hidden), labels, operation) for operand, n in zip(operands, ellipses)
    ]
    output = _dimensions(result, range(hidden), labels, operation)

    sizes |= {label: axis.value for axis, label in labels.items()}
    for dimensions, shape in zip(inputs, shapes):
        for dimension, length in zip(dimensions, shape):
            unknown = [name for name in dimension if name not in sizes]
            if unknown:
                sizes[unknown[0]] = length // math.prod(sizes[name] for name in dimension if name in sizes)
            elif operation == "einsum" and length != 1:
                sizes[dimension[0]] = length  # before, the name was met on a dimension of length 1
    return LoopNest(operation, reduction, tuple(inputs), output, shapes, sizes)


def run(
    operation: str, pattern: str, tensors: Sequence, sizes: Mapping[str, int], *, reduction: str = "sum"
) -> Tensor | np.ndarray:
    """Call the einops function named `operation`; what it returns and what it raises are einops' own.

    >>> run("repeat", "h -> h w", [torch.tensor([1, 2])], {"w": 3}).tolist()
    [[1, 1, 1], [2, 2, 2]]
    """
    if operation == "einsum":
        return einops.einsum(*tensors, pattern, **sizes)
    if len(tensors) != 1:
        raise ValueError(f"tensors: one for {operation} (only einsum takes several), got {len(tensors)}")
    if operation == "reduce":
        return einops.reduce(tensors[0], pattern, reduction, **sizes)
    return getattr(einops, operation)(tensors[0], pattern, **sizes)


def reason(error: Exception) -> str:
    """The last part of what einops says: the reason, without the pattern and the shape that it repeats first.

    >>> try:
    ...     run("rearrange", "h w -> h", [torch.zeros(2, 3)], {})
    ... except einops.EinopsError as error:
    ...     print(reason(error))
    Identifiers only on one side of expression (should be on both): {'w'}
    """
    return str(error).rpartition("}.\n ")[2]


def trace(pattern: str, *shapes: Iterable[int], **sizes: int) -> np.ndarray:
    """Where every output element comes from.

    Args:
        pattern: an einops pattern; which function it is for is read off it by `operation_of`.
        shapes: one shape an operand.
        sizes: sizes of axes that the shapes do not tell.

    Returns:
        An object array in the output's shape. Each element is the tuple of flat (row-major) source indices that
        make it: one for `rearrange` and `repeat`, all contributors in loop order for `reduce`. For an einsum of
        several operands each contributor is itself a tuple, one index an operand, and stands for their product.

    Raises:
        ValueError: for more than `TERMS_LIMIT` terms; otherwise what `loop_nest` raises.

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
    2mnk of a matrix product. Libraries contract three or more operands in pairs and then need fewer.

    Raises:
        What `loop_nest` raises.

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
    Einsums of several operands do too. The tensor's values are not read.

    Raises:
        TypeError: when `tensor` is no `torch.Tensor`; otherwise what `loop_nest` raises.

    >>> x = torch.zeros(2, 3, 8)
    >>> is_view("b t (h d) -> b h t d", x, h=4), is_view("b t c -> b (c t)", x)
    (True, False)
    """
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"tensor: a torch.Tensor, got a {type(tensor).__name__}")
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
    it is a product of names that the inputs have bound.

    Raises:
        What `loop_nest` raises.

    >>> signature("batch heads seq hidden -> batch seq (heads hidden)", (2, 4, 3, 8))
    'f(x: Float[Tensor, "batch heads seq hidden"]) -> Float[Tensor, "batch seq heads*hidden"]'
    """
    nest = loop_nest(pattern, shapes, sizes)
    bound: set[str] = set()
    arguments = []
    for k, dimensions in enumerate(nest.inputs):
        words = [_joined(dimension) if len(dimension) > 1 else _word(dimension) for dimension in dimensions]
        bound.update(words)
        arguments.append(f'{_letter(k)}: Float[Tensor, "{_words(words)}"]')
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


# What the notebook's reader writes


def split_heads(x: Float[Tensor, "batch seq hidden"], heads: int) -> Float[Tensor, "batch heads seq head_dim"]:
    """Cut the hidden axis into `heads` equal pieces, one for each head.

    Head 0 gets the first numbers of every position, head 1 the next ones. The result
    is a view: no element moves in memory.

    Raises:
        einops.EinopsError: when `heads` does not divide the hidden size.

    >>> split_heads(torch.arange(6).reshape(1, 1, 6), heads=2).tolist()
    [[[[0, 1, 2]], [[3, 4, 5]]]]
    """
    return rearrange(x, "batch seq (heads head_dim) -> batch heads seq head_dim", heads=heads)


def attention_scores(
    q: Float[Tensor, "batch heads query head_dim"],
    k: Float[Tensor, "batch heads key head_dim"],
) -> Float[Tensor, "batch heads query key"]:
    """The score of every query with every key of the same head.

    A score is the dot product of the two, divided by the root of `head_dim`.

    >>> q, k = torch.ones(1, 1, 2, 4), torch.ones(1, 1, 3, 4)
    >>> attention_scores(q, k).tolist()
    [[[[2.0, 2.0, 2.0], [2.0, 2.0, 2.0]]]]
    """
    products = einsum(q, k, "batch heads query head_dim, batch heads key head_dim -> batch heads query key")
    return products / q.shape[-1] ** 0.5


def mean_pool(x: Float[Tensor, "batch seq hidden"], mask: Bool[Tensor, "batch seq"]) -> Float[Tensor, "batch hidden"]:
    """The mean over the positions where `mask` is True; padding takes no part.

    Where no position of a sentence is True, its mean is 0. The result has the dtype
    of `x`.

    >>> x = torch.tensor([[[1.0], [3.0], [99.0]]])
    >>> mean_pool(x, torch.tensor([[True, True, False]])).tolist()
    [[2.0]]
    """
    total = einsum(x, mask.to(x.dtype), "batch seq hidden, batch seq -> batch hidden")
    count = reduce(mask.to(x.dtype), "batch seq -> batch 1", "sum")
    return total / count.clamp(min=1)


def patchify(
    images: Shaped[Tensor, "batch channels height width"], size: int
) -> Shaped[Tensor, "batch patches pixels"]:
    """Cut each image into square patches of `size` by `size` pixels, row by row.

    Inside a patch the order is channel, row, column: the column is the fastest. Any
    dtype is kept as it is.

    Raises:
        einops.EinopsError: when `size` does not divide both the height and the width.

    >>> patchify(torch.arange(8).reshape(1, 1, 2, 4), size=2).tolist()
    [[[0, 1, 4, 5], [2, 3, 6, 7]]]
    """
    pattern = "batch channels (down rows) (across columns) -> batch (down across) (channels rows columns)"
    return rearrange(images, pattern, rows=size, columns=size)


def split_group(x: Shaped[Tensor, "..."], left: str, **sizes: int) -> Shaped[Tensor, "..."]:
    """Reshape `x` so that every name of `left` has an axis of its own.

    `left` is a left side with at most one group, as in `"b t ( h d )"`: spaces
    separate names and parentheses. Of the names in the group at most one has no size
    in `sizes`.

    >>> split_group(torch.arange(6), "( h d )", h=2).tolist()
    [[0, 1, 2], [3, 4, 5]]
    """
    lengths, shape, inside = list(x.shape), [], False
    for word in left.split():
        if word == "(":
            inside = True
            lengths.pop(0)  # the group's own length: reshape works out the one size that is not told
        elif word == ")":
            inside = False
        elif inside:
            shape.append(sizes.get(word, -1))
        else:
            shape.append(lengths.pop(0))
    return x.reshape(shape)


def permute_names(x: Shaped[Tensor, "..."], left: str, right: str) -> Shaped[Tensor, "..."]:
    """Put the axes of `x`, named as in `left`, into the order of `right`.

    Parentheses on either side change nothing here: every name has its own axis.

    >>> permute_names(torch.zeros(2, 3, 4), "a ( b c )", "( c a ) b").shape
    torch.Size([4, 2, 3])
    """
    names = [word for word in left.split() if word not in "()"]
    return x.permute([names.index(word) for word in right.split() if word not in "()"])


def merge_group(x: Shaped[Tensor, "..."], right: str) -> Shaped[Tensor, "..."]:
    """Flatten the axes that stand in the group of `right` into one.

    `x` has an axis for every name of `right`, in that order. Without a group it comes
    back as it is.

    >>> merge_group(torch.zeros(2, 3, 4), "a ( b c )").shape
    torch.Size([2, 12])
    """
    words = right.split()
    if "(" not in words:
        return x
    return x.flatten(words.index("("), words.index(")") - 2)


def rearrange_group(x: Shaped[Tensor, "..."], pattern: str, **sizes: int) -> Shaped[Tensor, "..."]:
    """`rearrange` in plain PyTorch, for patterns with at most one group on a side.

    Spaces separate names and parentheses, as in `"b t ( h d ) -> b h t d"`. Of the
    names in the left group at most one has no size in `sizes`. The pattern is not
    checked.

    >>> rearrange_group(torch.arange(6), "( h d ) -> d h", h=2).tolist()
    [[0, 3], [1, 4], [2, 5]]
    """
    left, right = pattern.split("->")
    return merge_group(permute_names(split_group(x, left, **sizes), left, right), right)


# What the notebook shows


def checked(function: Callable) -> Callable:
    """Check a function's tensors against their jaxtyping annotations, each time it is called.

    One name means one size within a call. In a project take `@jaxtyped(typechecker=beartype)`.

    Raises:
        TypeError: from the function returned, where an argument or the result does not fit.

    >>> @checked
    ... def first(x: Float[Tensor, "batch seq"]) -> Float[Tensor, "batch"]:
    ...     return x[:, 0]
    >>> first(torch.zeros(2)).shape
    Traceback (most recent call last):
    TypeError: x has shape (2,), annotated 'batch seq'
    """
    kinds = function.__annotations__

    @functools.wraps(function)
    def call(*args: Tensor) -> Tensor:
        with jaxtyped("context"):
            for (name, kind), value in zip(kinds.items(), args):
                _fits(name, kind, value)
            result = function(*args)
            _fits("the result", kinds["return"], result)
        return result

    return call


def _fits(name: str, kind: type, value: Tensor) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{name} has shape {tuple(value.shape)}, annotated {kind.dim_str!r}")


def alike(ours: Tensor, theirs: Tensor) -> bool:
    """Whether two tensors have the same shape and the same elements, up to 1e-6.

    >>> alike(torch.ones(2, 3), torch.ones(3, 2)), alike(torch.ones(2), torch.ones(2))
    (False, True)
    """
    return ours.shape == theirs.shape and torch.allclose(ours, theirs, atol=1e-6)


def written_out(a: Tensor, b: Tensor) -> str:
    """A dot product with every product shown.

    >>> written_out(torch.tensor([2.0, 1.0]), torch.tensor([1.0, 3.0]))
    '2·1 + 1·3 = 5'
    """
    products = " + ".join(f"{x:.3g}·{y:.3g}" for x, y in zip(a.tolist(), b.tolist()))
    return f"{products} = {(a * b).sum().item():.3g}"


def refused(operation: str, pattern: str, tensor: Tensor, **sizes: int) -> str:
    """Whether einops takes a pattern for this tensor: "refused" or "accepted"; why is in the error that it raises.

    >>> refused("rearrange", "a b -> a", torch.zeros(2, 3)), refused("rearrange", "a b -> b a", torch.zeros(2, 3))
    ('refused', 'accepted')
    """
    try:
        run(operation, pattern, [tensor], sizes)
    except einops.EinopsError:
        return "refused"
    return "accepted"


# The steps below serve the functions above


def _dimensions(expression: ParsedExpression, hidden: range, labels: dict, operation: str) -> tuple[Axes, ...]:
    """One side of a pattern as tuples of names: "…0", "…1" for an ellipsis, "2", "2'" for numbers."""
    ellipsis = tuple(f"…{i}" for i in hidden)
    dimensions: list[Axes] = []
    for dimension in expression.composition:
        if isinstance(dimension, str):
            dimensions += [(name,) for name in ellipsis]
            continue
        names: list[str] = []
        for name in dimension:
            if isinstance(name, AnonymousAxis):
                labels[name] = str(name.value) + "'" * sum(axis.value == name.value for axis in labels)
                names.append(labels[name])
            elif name == "…" and operation != "einsum":  # einsum takes "(...)" for one axis
                names += ellipsis
            else:
                names.append(name)
        dimensions.append(tuple(names))
    return tuple(dimensions)


def _letter(operand: int) -> str:
    """Operands are called x, y, z, u, v, w and then x6, x7, ..."""
    return "xyzuvw"[operand] if operand < 6 else f"x{operand}"


def _python_name(name: str) -> str:
    """`…0`, `2'` and `in` are no Python names: `dots0`, `n2_` and `in_`."""
    if name.startswith("…"):
        return "dots" + name[1:]
    if name[0].isdecimal():
        return "n" + name.replace("'", "_")
    return name + "_" if keyword.iskeyword(name) else name


def _word(dimension: Axes) -> str:
    """A dimension of at most one axis in jaxtyping's notation."""
    if not dimension:
        return "1"
    return "..." if dimension[0].startswith("…") else dimension[0].rstrip("'")


def _joined(dimension: Axes) -> str:
    """One name for a composed dimension: `heads_hidden`."""
    return "_".join(_python_name(name) for name in dimension)


def _words(words: Sequence[str]) -> str:
    """Words with spaces between; neighbours that came from one `...` become one again."""
    return " ".join(word for i, word in enumerate(words) if word != "..." or words[i - 1 : i] != ["..."])
