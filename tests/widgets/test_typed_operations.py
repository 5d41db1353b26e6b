"""python -m pytest tests/widgets/test_typed_operations.py

Text that somebody types about a tensor: read as Python reads it, and never evaluated.
"""

import random
import time
import warnings
from math import prod

import numpy as np
import pytest
import torch

from lmcourse.widgets.typed_operations import ARRAY_OPERATIONS, OPERATIONS, Step, apply, parse


@pytest.fixture(autouse=True)
def quiet_deprecations():
    """PyTorch warns about .T on other than two dimensions, which the chains ask for on purpose."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(x.T|Tensor.m?T).*")
        yield


# --- random chains, written as the text that a reader would type ------------------------------------


def random_shape(rng: random.Random, most_dims: int = 4) -> list[int]:
    return [rng.choice([0, 1, 1, 2, 2, 3, 3, 4, 6]) for _ in range(rng.randint(0, most_dims))]


def regroup(rng: random.Random, numel: int) -> list[int]:
    """A random shape with `numel` elements."""
    if numel == 0:
        return [0] + random_shape(rng, 2)
    sizes, left = [], numel
    while left > 1 and rng.random() < 0.8:
        size = rng.choice([d for d in range(1, left + 1) if left % d == 0])
        sizes.append(size)
        left //= size
    sizes.append(left)
    if rng.random() < 0.2:
        sizes[rng.randrange(len(sizes))] = -1
    return sizes


def random_operation(rng: random.Random, shape: tuple[int, ...]) -> str:
    """One operation for a tensor of `shape`: mostly possible, sometimes not."""
    ndim = len(shape)
    dim = lambda: rng.randint(-ndim - (rng.random() < 0.05), max(ndim - 1, 0) + (rng.random() < 0.05))  # noqa: E731
    size = lambda d: shape[d] if -ndim <= d < ndim else 1  # noqa: E731
    number = lambda n: rng.randint(-n - (rng.random() < 0.1), n + (rng.random() < 0.1))  # noqa: E731

    def index() -> str:
        items = []
        for n in shape[: rng.randint(0, ndim)] + (1,) * (rng.random() < 0.05):
            part = lambda n=n: "" if rng.random() < 0.4 else str(number(n))  # noqa: E731
            step = rng.choice(["", "", ":", ":1", ":2", ":3"]) if rng.random() < 0.97 else ":-1"
            items.append(str(number(n - 1 if n else 0)) if rng.random() < 0.3 else f"{part()}:{part()}{step}")
        for extra in ("None", "..."):
            if rng.random() < 0.2:
                items.insert(rng.randint(0, len(items)), extra)
        return f"[{', '.join(items)}]" if items else "[...]"

    match rng.choice((*OPERATIONS, "[]", "[]", "[]", "[list]", "view", "reshape", "expand", "transpose")):
        case "[]":
            return index()
        case "[list]":
            n = shape[0] if shape else 1
            return str([number(max(n - 1, 0)) for _ in range(rng.randint(1, 3))])
        case "T" | "mT" as name:
            return f".{name}"
        case "clone" | "contiguous" as name:
            return f".{name}()"
        case "transpose" | "swapaxes" as name:
            return f".{name}({dim()}, {dim()})"
        case "permute":
            order = rng.sample(range(ndim), ndim)
            order = [d - ndim if rng.random() < 0.3 else d for d in order] + [0] * (rng.random() < 0.05)
            return f".permute({tuple(order)})"
        case "squeeze":
            return rng.choice([".squeeze()", f".squeeze({dim()})", f".squeeze(({dim()}, {dim()}))"])
        case "unsqueeze":
            return f".unsqueeze({rng.randint(-ndim - 1, ndim + (rng.random() < 0.05))})"
        case "select":
            d = dim()
            return f".select({d}, {number(max(size(d) - 1, 0))})"
        case "narrow":
            d = dim()
            return f".narrow({d}, {number(size(d))}, {number(size(d))})"
        case "unfold":
            d = dim()
            return (
                f".unfold({d}, {rng.randint(0, size(d) + (rng.random() < 0.1))}, {rng.randint(rng.random() > 0.1, 3)})"
            )
        case "diagonal":
            return rng.choice([".diagonal()", f".diagonal({rng.randint(-3, 3)}, {dim()}, {dim()})"])
        case "expand":
            sizes = [rng.choice([-1, 1, 2, 3]) for _ in range(rng.choice([0, 0, 0, 1, 2]))]
            sizes += [rng.choice([n, n, -1, 3]) if n != 1 else rng.choice([1, 2, 3, -1]) for n in shape]
            return f".expand({tuple(sizes) if rng.random() < 0.95 else (2,)})"
        case "as_strided":
            n = rng.randint(0, 3)
            sizes, strides = [rng.randint(0, 4) for _ in range(n)], [rng.choice([0, 1, 1, 2, 3, 4]) for _ in range(n)]
            if rng.random() < 0.05:
                strides.append(rng.choice([1, -1]))
            if strides and rng.random() < 0.05:
                strides[0] = -1
            return f".as_strided({tuple(sizes)}, {tuple(strides)}{rng.choice(['', ', 0', ', 1', ', 2', ', -1'])})"
        case "flip":
            return f".flip({dim()})"
        case "flatten":
            return rng.choice([".flatten()", f".flatten({dim()}, {dim()})"])
        case "view" | "reshape" as name:
            sizes = regroup(rng, prod(shape))
            if rng.random() < 0.05:
                sizes.append(rng.choice([2, 0, -1, -2]))
            return f".{name}({tuple(sizes)})"


# --- what a text does --------------------------------------------------------------------------------


def outcome(do, *args):
    """What it gives, or its error."""
    try:
        return do(*args)
    except (RuntimeError, IndexError, ValueError, TypeError) as error:
        return error


def test_the_text_of_a_chain_means_what_python_says():
    rng = random.Random(4)
    for _ in range(2000):
        t = torch.arange(float(prod(shape := random_shape(rng, 3)))).view(shape)
        text = "t" + random_operation(rng, tuple(shape)) + random_operation(rng, tuple(shape))
        name, steps = parse(text)
        got, expected = outcome(apply, t, steps), outcome(eval, text, {"t": t})
        assert name == "t"
        if isinstance(expected, Exception):
            assert type(got) is type(expected), text
        else:
            assert got.stride() == expected.stride() and got.storage_offset() == expected.storage_offset(), text
            assert torch.equal(got, expected), text


def test_arrays_know_fewer_operations():
    a = np.arange(12).reshape(3, 4)
    for text in ("a.T", "a[::-1, ::-2].T", "a.transpose(1, 0)", "a.swapaxes(0, 1)", "a.reshape(2, -1)", "a[None, 1]"):
        _, steps = parse(text, ARRAY_OPERATIONS)
        assert np.array_equal(apply(a, steps), eval(text, {"a": a})), text
    with pytest.raises(ValueError, match="view is not one of the operations known here: T, reshape"):
        parse("a.view(12)", ARRAY_OPERATIONS)


@pytest.mark.parametrize(
    "text",
    [
        "t.expand(100000, 1000).contiguous()",
        "t.expand(999999999, 1000).reshape(-1)",
        "t.expand(10000, 1000).unfold(1, 500, 1).clone()",
        "t.as_strided((99999999, 99999999), (0, 0)).clone()",
        "t.unsqueeze(0).expand(9000, 1, 1000)[[0, 0]].expand(9000, 2, 1, 1000)",
    ],
)
def test_little_text_cannot_fill_the_memory(text):
    started = time.perf_counter()
    with pytest.raises((ValueError, RuntimeError)):
        apply(torch.zeros(1, 1000), parse(text)[1])
    assert time.perf_counter() - started < 1


def test_a_list_of_rows_is_bounded_before_it_copies():
    wide = torch.empty(1, 10_000_000, device="meta")
    with pytest.raises(ValueError, match="at most 10,000,000 elements here, got 30,000,000"):
        apply(wide, parse("t[[0, 0, 0]]")[1])
    assert apply(torch.empty(5000, 5000, device="meta"), parse("t.T.contiguous()")[1]).is_contiguous()


# --- text ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("t", []),
        ("t.T", [Step("T")]),
        (" t [1:] . mT ", [Step("[]", (slice(1, None, None),)), Step("mT")]),
        ("t[1:, ::2]", [Step("[]", ((slice(1, None, None), slice(None, None, 2)),))]),
        ("t[..., None, -1]", [Step("[]", ((..., None, -1),))]),
        ("t[[0, 2]]", [Step("[]", ([0, 2],))]),
        ("t.view(-1, 6)", [Step("view", (-1, 6))]),
        ("t.as_strided((2, 2), [1, 1], 3)", [Step("as_strided", ((2, 2), [1, 1], 3))]),
    ],
)
def test_parse_reads(text, steps):
    assert parse(text) == ("t", steps)


REFUSED = [
    "",
    "1",
    "t.",
    "t[",
    "t()",
    "t.T()",
    "t.view",
    "t.tolist()",
    "t.__class__",
    "t._base",
    "t.storage()",
    "torch.zeros(3)",
    "t.view(x)",
    "t.view(t.numel())",
    "t.view(1.5)",
    "t.view(True)",
    "t.view(dim=1)",
    "t.view(*[1])",
    "t[True]",
    "t['a']",
    "t[x]",
    "t[t]",
    "t[1.0]",
    "t[[0, [1]]]",
    "t[[0, 1], 2]",
    "t[..., ...]",
    "t[:, [0]]",
    "t + t",
    "t; t",
    "t\nt",
    "(lambda: 1)()",
    "__import__('os').system('true')",
    "t if 1 else t",
    "[t for t in t]",
    "t.T = 1",
    "t := 1",
    "<img src=x onerror=alert(1)>",
    "t.flip(0).numpy().tofile()",
    "т.T",
    "t" + "[0]" * 200,
    "(" * 150 + "t" + ")" * 150,
]


@pytest.mark.parametrize("text", REFUSED)
def test_parse_refuses_with_words(text):
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        parse(text)


@pytest.mark.parametrize(
    "text", ["t[1000000000]", "t[-1000000000]", "t.view(" + "9" * 250 + ")", "t.expand(10000000000)"]
)
def test_numbers_that_no_tensor_has_are_refused(text):
    with pytest.raises(ValueError, match="numbers go up to 999,999,999, got one of"):
        parse(text)
