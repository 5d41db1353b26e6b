"""Generators of cases: small domains in full, then random inputs with a fixed seed, smallest first.

An exercise's `cases` is a function that yields them, so that each is made when its turn comes, and a wrong answer
costs only the cases up to its counterexample:

    def _cases():
        yield from calls(small_lists(3), (2, 3), 9)          # merge_pair(ids, (2, 3), 9) for every small list of ids
        yield from calls(random_lists(50), (1, 2), 99)

Nothing here imports NumPy or PyTorch before a tensor is asked for.
"""

import itertools
import math
import random
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from lmcourse.exercises.comparing import Within
from lmcourse.exercises.judging import Call, Case, call, probe
from lmcourse.ieee import bit_fields

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = [
    "Bits", "Case", "Within", "call", "calls", "fields", "floats_near", "mlp", "noise", "patterns", "pick", "probe",
    "random_floats", "random_lists", "random_patterns", "random_texts", "shapes", "small_lists", "small_texts",
    "tricky_floats",
]  # fmt: skip


def calls(firsts: Iterable[Any], *rest: Any, **kwargs: Any) -> Iterator[Call]:
    """A case for each first argument; the others stay the same.

    >>> [case.label for case in calls([[], [7]], 2, step=1)]
    ['([], 2, step=1)', '([7], 2, step=1)']
    """
    return (call(first, *rest, **kwargs) for first in firsts)


def pick(cases: Iterable[Any], count: int, seed: int = 0) -> list[Any]:
    """At most `count` of many, chosen by chance and left in their order: so they stay smallest first.

    >>> len(pick(small_lists(5), 10)), pick([1, 2], 10)
    (10, [1, 2])
    """
    every = list(cases)
    if len(every) <= count:
        return every
    return [every[i] for i in sorted(random.Random(seed).sample(range(len(every)), count))]


# Integers and lists of them


def small_lists(longest: int = 4, values: Iterable[Any] = (1, 2, 3)) -> Iterator[list[Any]]:
    """Every list of up to `longest` values: 121 of up to four out of three, beginning with the empty one.

    >>> list(small_lists(2, "ab"))
    [[], ['a'], ['b'], ['a', 'a'], ['a', 'b'], ['b', 'a'], ['b', 'b']]
    """
    values = list(values)
    for length in range(longest + 1):
        yield from map(list, itertools.product(values, repeat=length))


def random_lists(count: int, longest: int = 40, low: int = 0, high: int = 9, seed: int = 0) -> Iterator[list[int]]:
    """Lists of integers from `low` to `high`, both included, growing up to `longest`.

    >>> [len(ids) for ids in random_lists(4, longest=8)]
    [2, 4, 6, 8]
    """
    dice = random.Random(seed)
    for i in range(1, count + 1):
        yield [dice.randint(low, high) for _ in range(math.ceil(longest * i / count))]


def shapes(dimensions: int = 3, largest: int = 2, smallest: int = 0) -> Iterator[tuple[int, ...]]:
    """Every shape of up to `dimensions` sizes from `smallest` to `largest`, beginning with ().

    >>> list(shapes(1)), len(list(shapes()))
    ([(), (0,), (1,), (2,)], 40)
    """
    for count in range(dimensions + 1):
        yield from itertools.product(range(smallest, largest + 1), repeat=count)


# Floats and their bits


class Bits(int):
    """An integer that is shown as the fields of a float: `Bits(49664, 5, 10)` reads 0b1_10000_1000000000 on a card.

    >>> Bits(49664, 5, 10), Bits(49664, 5, 10) + 0
    (0b1_10000_1000000000, 49664)
    """

    def __new__(cls, code: int, exponent_bits: int, mantissa_bits: int) -> "Bits":
        """The integer `code`, with the widths kept beside it."""
        made = super().__new__(cls, code)
        made.widths = exponent_bits, mantissa_bits
        return made

    def __getnewargs__(self) -> tuple[int, int, int]:
        """What copies are made of."""
        return int(self), *self.widths

    def __repr__(self) -> str:
        return "0b" + fields(int(self), *self.widths).replace(" ", "_")


def fields(code: int, exponent_bits: int, mantissa_bits: int) -> str:
    """A code as sign, exponent and mantissa; `show=lambda code, x, *widths: fields(code, *widths)` for a card.

    >>> fields(49664, 5, 10)
    '1 10000 1000000000'
    """
    if not 0 <= code < 2 ** (1 + exponent_bits + mantissa_bits):
        return f"{code}, which is not {1 + exponent_bits + mantissa_bits} bits"
    return bit_fields(code, exponent_bits, mantissa_bits)


def patterns(exponent_bits: int, mantissa_bits: int) -> Iterator[Bits]:
    """Every bit pattern of a format, from 0 on: 256 of an 8-bit one.

    >>> [int(bits) for bits in patterns(1, 1)]
    [0, 1, 2, 3, 4, 5, 6, 7]
    """
    return (Bits(code, exponent_bits, mantissa_bits) for code in range(2 ** (1 + exponent_bits + mantissa_bits)))


def random_patterns(count: int, exponent_bits: int, mantissa_bits: int, seed: int = 0) -> Iterator[Bits]:
    """Random patterns of a wider format.

    >>> len(list(random_patterns(5, 8, 23)))
    5
    """
    dice = random.Random(seed)
    width = 1 + exponent_bits + mantissa_bits
    return (Bits(dice.getrandbits(width), exponent_bits, mantissa_bits) for _ in range(count))


def tricky_floats() -> list[float]:
    """Floats at which code goes wrong: zeros, ones, halves, very small and very large, infinities, NaN."""
    sizes = [0.0, 1.0, 0.5, 2.0, 1.5, 0.1, 3.0, 1e-3, 1e3, 2.0**-24, 65504.0, 5e-324, 1e-300, 1e300, math.inf]
    return [sign * size for size in sizes for sign in (1, -1)] + [math.nan]


def random_floats(count: int, smallest: float = 1e-6, largest: float = 1e6, seed: int = 0) -> Iterator[float]:
    """Floats of both signs, spread evenly over the orders of magnitude.

    >>> all(1e-6 <= abs(x) <= 1e6 for x in random_floats(100))
    True
    """
    dice = random.Random(seed)
    low, high = math.log(smallest), math.log(largest)
    return (dice.choice((1, -1)) * math.exp(dice.uniform(low, high)) for _ in range(count))


def floats_near(*edges: float) -> Iterator[float]:
    """Each edge, and its two neighbours among the floats, with both signs: where rounding and comparing go wrong.

    >>> list(floats_near(1.0))[:3]
    [0.9999999999999999, 1.0, 1.0000000000000002]
    """
    for edge in edges:
        for x in (math.nextafter(edge, 0.0), edge, math.nextafter(edge, math.inf)):
            yield x
        for x in (math.nextafter(edge, 0.0), edge, math.nextafter(edge, math.inf)):
            yield -x


# Texts


def small_texts(longest: int = 3, letters: str = "ab ") -> Iterator[str]:
    """Every text of up to `longest` of the letters, beginning with the empty one.

    >>> list(small_texts(1))
    ['', 'a', 'b', ' ']
    """
    return ("".join(text) for text in small_lists(longest, letters))


def random_texts(count: int, longest: int = 40, letters: str = "abc  é你👋1.'\n", seed: int = 0) -> Iterator[str]:
    """Texts of one to four bytes a letter, with spaces, growing up to `longest` letters.

    >>> [len(text) for text in random_texts(4, longest=8)]
    [2, 4, 6, 8]
    """
    dice = random.Random(seed)
    for i in range(1, count + 1):
        yield "".join(dice.choices(letters, k=math.ceil(longest * i / count)))


# Tensors and models


def noise(*shape: int, seed: int = 0, dtype: "torch.dtype | None" = None) -> "torch.Tensor":
    """Normally distributed numbers, the same for the same seed.

    >>> noise(2, 3).shape
    torch.Size([2, 3])
    """
    import torch

    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype or torch.float32)


def mlp(*widths: int, seed: int = 0, activation: "Callable[[], nn.Module] | None" = None) -> "nn.Sequential":
    """Linear layers of these widths, with activations (ReLU) between them; the weights are the same for the same seed.

    >>> mlp(4, 8, 2)
    Sequential(
      (0): Linear(in_features=4, out_features=8, bias=True)
      (1): ReLU()
      (2): Linear(in_features=8, out_features=2, bias=True)
    )
    """
    import torch
    from torch import nn

    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out), (activation or nn.ReLU)()]
    model = nn.Sequential(*layers[:-1])
    dice = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape, generator=dice) / max(weight.shape) ** 0.5)
    return model
