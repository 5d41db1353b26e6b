"""Read operations that somebody types, such as `t[1:].transpose(0, 1)`, and carry them out on a real tensor.

The text comes from a page: it is parsed, and never evaluated. A name, indices and the operations listed here are
allowed, with whole numbers of at most nine digits; everything else is refused in words.
"""

import ast
import re
from collections.abc import Sequence
from math import prod
from typing import NamedTuple

import numpy as np
import torch

# fmt: off
OPERATIONS = (
    "T", "as_strided", "clone", "contiguous", "diagonal", "expand", "flatten", "flip", "mT", "narrow", "permute",
    "reshape", "select", "squeeze", "swapaxes", "transpose", "unfold", "unsqueeze", "view",
)
# fmt: on
ARRAY_OPERATIONS = ("T", "reshape", "swapaxes", "transpose")
PROPERTIES = ("T", "mT")
LARGEST = 10**9 - 1  # of a number in a text
MOST_ELEMENTS = 10_000_000  # of a result, unless the tensor itself has more: `expand` makes much of little


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
            if value > LARGEST:
                raise ValueError(f"numbers go up to {LARGEST:,}, got one of {len(str(value))} digits")
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


def apply(x: torch.Tensor | np.ndarray, steps: Sequence[Step]) -> torch.Tensor | np.ndarray:
    """Carry out parsed steps on a tensor or an array.

    Raises ValueError for a result of too many elements; everything else is PyTorch's or NumPy's own.

    >>> _, steps = parse("t[1:].T")
    >>> apply(torch.zeros(3, 4), steps).stride()
    (1, 4)
    """
    most = max(MOST_ELEMENTS, prod(x.shape))
    for name, args in steps:
        if name == "[]":
            (index,) = args
            rows = len(index) if isinstance(index, list) and x.ndim else 0
            _bounded(rows * prod(x.shape[1:]), most)
            x = x[index]
        elif name in PROPERTIES:
            x = getattr(x, name)
        else:
            x = getattr(x, name)(*args)
        _bounded(prod(x.shape), most)
    return x


def _bounded(elements: int, most: int) -> None:
    if elements > most:
        raise ValueError(f"a result may have at most {most:,} elements here, got {elements:,}")
