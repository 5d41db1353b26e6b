"""A pattern as the loops that it stands for: one for every axis name, and what the innermost line does.

`einops.parsing.ParsedExpression` reads the pattern, and einops itself, run on tensors without data, refuses what it
does not allow, in its own words.
"""

import itertools
import keyword
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import einops
import numpy as np
import torch
from einops.parsing import AnonymousAxis, ParsedExpression
from torch import Tensor

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
        names: dict[str, str] = {}
        wanted = {name: python_name(name) for name in self.kept + self.summed}
        wanted |= {f"operand {k}": letter(k) for k in range(len(self.inputs))}
        for key, name in (wanted | {"the output": "out"}).items():
            while name in names.values():
                name += "_"
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
    """Read an einops pattern for operands of these shapes and find the size of every axis.

    `sizes` are those that the shapes do not tell. `operation` is one of `OPERATIONS`, None asks `operation_of`;
    `reduction` is one of `REDUCTIONS`, used by `reduce` alone.

    Raises TypeError or ValueError for an argument of the wrong kind, named, and whatever einops raises for this pattern
    on such tensors, mostly `einops.EinopsError`, unchanged.

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


def letter(operand: int) -> str:
    """Operands are called x, y, z, u, v, w and then x6, x7, ..."""
    return "xyzuvw"[operand] if operand < 6 else f"x{operand}"


def python_name(name: str) -> str:
    """`…0`, `2'` and `in` are no Python names: `dots0`, `n2_` and `in_`."""
    if name.startswith("…"):
        return "dots" + name[1:]
    if name[0].isdecimal():
        return "n" + name.replace("'", "_")
    return name + "_" if keyword.iskeyword(name) else name
