"""What notebook 04 shows: annotations that are checked, a product written out, a pattern that is refused."""

import functools
from collections.abc import Callable

import einops
import torch
from jaxtyping import jaxtyped
from torch import Tensor

from lmcourse.axes.loops import reason, run


def checked(function: Callable) -> Callable:
    """Check a function's tensors against their jaxtyping annotations, each time it is called.

    One name means one size within a call; TypeError where an argument or the result does not fit. In a project take
    `@jaxtyped(typechecker=beartype)`.

    >>> from jaxtyping import Float
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
    """What einops complains about when it is given this pattern and tensor; "accepted" where it takes them.

    >>> refused("rearrange", "a b c -> a b c", torch.zeros(2, 3))
    'refused: Wrong shape: expected 3 dims. Received 2-dim tensor.'
    >>> refused("rearrange", "a b -> b a", torch.zeros(2, 3))
    'accepted'
    """
    try:
        run(operation, pattern, [tensor], sizes)
    except einops.EinopsError as error:
        return f"refused: {reason(error)}"
    return "accepted"
