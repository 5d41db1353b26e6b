"""python -m pytest tests/test_layout.py

`lmcourse.layout` beside PyTorch: ten thousand random chains of operations, their errors included.
"""

import random
import warnings
from math import prod

import numpy as np
import pytest
import torch

from lmcourse.layout import ARRAY_OPERATIONS, OPERATIONS, ArrayLayout, Layout, Step, apply, parse

CHAINS = 10_000


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


def agree(model: Layout, real: torch.Tensor) -> bool:
    return (
        model.shape == tuple(real.shape)
        and model.strides == real.stride()
        and model.offset == real.storage_offset()
        and model.is_contiguous() == real.is_contiguous()
        and [real.untyped_storage().nbytes() // 4, 4] == [model.storage_size, model.itemsize]
    )


def outcome(x, steps: list[Step]):
    """What an operation gives, or the class and the first line of its error."""
    try:
        return apply(x, steps)
    except (RuntimeError, IndexError, ValueError, TypeError) as error:
        return error


WORDED_BY_PYTORCH_ALONE = ("expand(torch", "numel: integer multiplication overflow")  # a dtype's name; an accident


def test_ten_thousand_random_chains_equal_pytorch():
    rng = random.Random(3)
    operations = views = copies = errors = 0
    for _ in range(CHAINS):
        real = torch.arange(float(prod(shape := random_shape(rng)))).view(shape)
        model = Layout.of(real)
        for _ in range(rng.randint(1, 6)):
            text = "t" + random_operation(rng, model.shape)
            _, steps = parse(text)
            told = outcome(model, steps)
            if isinstance(told, NotImplementedError):  # a copy whose strides the model leaves to PyTorch: see below
                continue
            operations += 1
            got = outcome(real, steps)
            where = f"{text} on {model}"
            if isinstance(got, Exception):
                errors += 1
                assert type(told) is type(got), f"{where}: {got!r} but {told!r}"
                words = str(got).splitlines()[0]
                if not words.startswith(WORDED_BY_PYTORCH_ALONE):
                    assert str(told) == words, where
                continue
            assert not isinstance(told, Exception), f"{where}: {told!r}"
            assert agree(told, got), f"{where}: {got.shape} {got.stride()} {got.storage_offset()} but {told}"
            new_storage = got.untyped_storage()._cdata != real.untyped_storage()._cdata
            assert (told.copied_from is not None) == new_storage, where
            views, copies = views + (not new_storage), copies + new_storage
            if prod(told.shape) <= 256:
                flat = torch.as_strided(real, (model.storage_size,), (1,), 0)
                if new_storage:
                    flat = flat[list(told.copied_from)]
                assert torch.equal(flat[told.positions()], got.flatten()), where
                model, real = told, got
    assert operations > 2 * CHAINS and min(views, copies, errors) > 1000, (operations, views, copies, errors)


def test_the_text_of_a_chain_means_what_python_says():
    rng = random.Random(4)
    for _ in range(2000):
        t = torch.arange(float(prod(shape := random_shape(rng, 3)))).view(shape)
        text = "t" + random_operation(rng, tuple(shape)) + random_operation(rng, tuple(shape))
        _, steps = parse(text)
        got = outcome(t, steps)
        try:
            expected = eval(text, {"t": t})
        except Exception as error:
            assert type(got) is type(error), text
        else:
            assert (got.shape, got.stride(), got.storage_offset()) == (
                expected.shape,
                expected.stride(),
                expected.storage_offset(),
            ), text


def test_a_copy_that_is_not_modelled_is_refused_and_names_the_way_out():
    t = Layout((3, 4), (4, 1), storage_size=12).T
    for copies in (lambda: t.flip(0), lambda: t.clone(), lambda: t[[0, 1]]):
        with pytest.raises(NotImplementedError, match="contiguous"):
            copies()
    assert t.contiguous().flip(0).shape == (4, 3)


@pytest.mark.parametrize("name", OPERATIONS)
def test_wrong_arguments_are_type_errors_as_in_pytorch(name):
    t = torch.zeros(3, 4)
    for args in [((1, (2,)),), (None,), ("a",), (1, 2, 3, 4, 5, 6), ()]:
        got = outcome(t, [Step(name, args)]) if name not in ("T", "mT") else None
        told = outcome(Layout.of(t), [Step(name, args)]) if name not in ("T", "mT") else None
        if isinstance(got, TypeError):
            assert isinstance(told, TypeError), (name, args, told)


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


# --- NumPy ----------------------------------------------------------------------------------------------


def test_a_numpy_record_is_the_arrays_own():
    a = np.zeros((3, 4), dtype=np.int64)
    for x in (a, a.T, a[::-1], a[:, ::-2], a[1:, 1:], np.broadcast_to(a[0], (2, 4))):
        layout = ArrayLayout.of(x)
        assert tuple(s * x.itemsize for s in layout.strides) == x.strides and layout.shape == x.shape
        assert layout.storage_size == 12
    flipped = ArrayLayout.of(a[::-1])
    assert (flipped.strides, flipped.offset) == ((-4, 1), 8)


def test_numpy_strides_that_are_no_whole_elements_are_refused():
    pairs = np.zeros(4, dtype=[("a", np.int8), ("b", np.int32)])
    with pytest.raises(ValueError, match="whole elements"):
        ArrayLayout.of(pairs["b"])


def test_numpy_chains_equal_numpy():
    rng = random.Random(5)
    for _ in range(2000):
        a = np.arange(24).reshape(rng.choice([(24,), (4, 6), (2, 3, 4)]))
        model = ArrayLayout.of(a)
        for _ in range(rng.randint(1, 4)):
            order = tuple(rng.sample(range(a.ndim), a.ndim))
            slices = ", ".join(rng.choice([":", "::-1", "1:", "::-2", "None, :"]) for _ in range(a.ndim))
            text = rng.choice(
                ["a.T", f"a.transpose({order})", f"a[{slices or '...'}]", f"a.reshape({regroup(rng, a.size)})"]
            )
            _, steps = parse(text, ARRAY_OPERATIONS)
            told, got = outcome(model, steps), outcome(a, steps)
            assert isinstance(told, Exception) == isinstance(got, Exception), text
            if isinstance(got, Exception):
                assert type(told) is type(got), (text, got, told)
                continue
            assert told.shape == got.shape, text
            if got.size:
                real = [s // 8 for s, n in zip(got.strides, got.shape) if n > 1]
                assert [s for s, n in zip(told.strides, told.shape) if n > 1] == real, (text, model, got.strides)
                assert (told.copied_from is None) == np.shares_memory(a, got), text
            model, a = told, got
            if a.size == 0 or model.storage_size != ArrayLayout.of(a).storage_size:
                break
