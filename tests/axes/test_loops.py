"""What the loops of a pattern compute. Run: pytest tests/axes

The oracle is einops itself, run on index tensors: objects whose addition joins tuples, so that a reduction
shows all its contributors. FLOPs are counted by running the printed loop nest on numbers that count.
"""

import math
import random
import re

import einops
import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from patterns import NAMES, einsums, patterns, text

from lmcourse import axes
from lmcourse.axes import einsum_flops, is_view, loop_nest, operation_of, run, signature, trace


def index_tensor(shape):
    """Elements (0,), (1,), (2,), ...: adding them joins the tuples."""
    elements = np.empty(math.prod(shape), dtype=object)
    elements[:] = [(i,) for i in range(elements.size)]
    return elements.reshape(shape)


def join_tuples(array, axes):
    """A reduction for einops: all contributors, as an array even when no dimension is left."""
    joined = np.empty([n for i, n in enumerate(array.shape) if i not in axes], dtype=object)
    joined[...] = np.add.reduce(array, axis=axes, keepdims=True).reshape(joined.shape)
    return joined


def same_elements(ours, einops_result):
    return ours.shape == einops_result.shape and [sorted(e) for e in ours.flat] == [
        sorted(e) for e in einops_result.flat
    ]


# What must hold


@pytest.mark.parametrize("operation", ["rearrange", "repeat", "reduce"])
def test_every_valid_pattern_traces_to_what_einops_moves(operation):
    @given(patterns(operation))
    def check(case):
        pattern, shape, sizes = case
        if operation == "reduce":
            expected = einops.reduce(index_tensor(shape), pattern, join_tuples, **sizes)
        else:
            expected = getattr(einops, operation)(index_tensor(shape), pattern, **sizes)
        traced = trace(pattern, shape, **sizes)
        assert same_elements(traced, expected)
        assert traced.shape == tuple(run(operation, pattern, [torch.zeros(shape)], sizes).shape)

    check()


@given(einsums(), st.integers(0, 2**32 - 1))
def test_the_terms_of_an_einsum_add_up_to_what_einops_computes(case, seed):
    pattern, shapes = case
    generator = torch.Generator().manual_seed(seed)
    tensors = [torch.randint(1, 10_000, shape, generator=generator) for shape in shapes]
    expected = einops.einsum(*tensors, pattern)
    traced = trace(pattern, *shapes)
    flat = [tensor.flatten().tolist() for tensor in tensors]

    def value(terms):
        terms = [term if isinstance(term, tuple) else (term,) for term in terms]
        return sum(math.prod(operand[i] for operand, i in zip(flat, term)) for term in terms)

    assert traced.shape == tuple(expected.shape)
    assert [value(terms) for terms in traced.flat] == expected.flatten().tolist()


class Counted:
    """A number that counts the operations done with it."""

    operations = 0

    def __init__(self, value):
        self.value = value

    def __add__(self, other):
        Counted.operations += 1
        return Counted(self.value + other.value)

    def __mul__(self, other):
        Counted.operations += 1
        return Counted(self.value * other.value)


def counted(tensor):
    array = np.empty(tensor.numel(), dtype=object)
    array[:] = [Counted(value) for value in tensor.flatten().tolist()]
    return array.reshape(tuple(tensor.shape))


@given(einsums())
def test_flops_of_an_einsum_equal_the_printed_loop_nest_counted(case):
    pattern, shapes = case
    tensors = [torch.arange(1, math.prod(shape) + 1).reshape(shape) for shape in shapes]
    nest = loop_nest(pattern, shapes, operation="einsum")
    names = nest._variables()
    out = counted(torch.zeros(nest.output_shape, dtype=torch.int64))
    scope = {names[f"operand {k}"]: counted(tensor) for k, tensor in enumerate(tensors)} | {names["the output"]: out}
    Counted.operations = 0
    exec(nest.code(), scope)
    assert Counted.operations == einsum_flops(pattern, *shapes)
    assert [number.value for number in out.flat] == einops.einsum(*tensors, pattern).flatten().tolist()


@pytest.mark.parametrize("reduction", axes.REDUCTIONS)
def test_the_printed_loop_nest_computes_what_einops_reduces(reduction):
    @given(patterns("reduce"))
    def check(case):
        pattern, shape, sizes = case
        x = (torch.arange(math.prod(shape)) * 7 % 5 - 2.0).reshape(shape)
        nest = loop_nest(pattern, [shape], sizes, operation="reduce", reduction=reduction)
        out = np.full(nest.output_shape, axes.REDUCTIONS[reduction][0], dtype=object)
        exec(nest.code(), {"x": x.numpy(), "out": out})
        expected = einops.reduce(x, pattern, reduction, **sizes)
        assert np.allclose(out.astype(float), expected.numpy().astype(float), atol=1e-5)

    check()


@pytest.mark.parametrize("operation", ["rearrange", "repeat", "reduce"])
def test_view_or_copy_equals_the_storage_pointers(operation):
    @given(patterns(operation), st.data())
    def check(case, data):
        pattern, shape, sizes = case
        x = strided(data.draw, shape)
        result = run(operation, pattern, [x], sizes)
        assert is_view(pattern, x, **sizes) == (storage(result) == storage(x))

    check()


@given(einsums())
def test_view_or_copy_of_a_one_operand_einsum(case):
    pattern, shapes = case
    assume(len(shapes) == 1)
    x = torch.arange(math.prod(shapes[0])).reshape(shapes[0])
    assert is_view(pattern, x) == (storage(einops.einsum(x, pattern)) == storage(x))


def storage(tensor):
    return tensor.untyped_storage()._cdata


def strided(draw, shape):
    """A tensor of this shape whose memory may be permuted, sliced with a step or repeated by stride 0."""
    order = draw(st.permutations(range(len(shape))))
    steps = [draw(st.sampled_from([1, 1, 1, 2, 0])) for _ in shape]
    base = torch.zeros([shape[i] * max(steps[i], 1) for i in order])
    x = base.permute([order.index(i) for i in range(len(shape))])
    for i, step in enumerate(steps):
        if step == 2:
            x = x.narrow(i, 0, x.shape[i])[(slice(None),) * i + (slice(None, None, 2),)]
        elif step == 0 and shape[i]:
            x = x.narrow(i, 0, 1).expand(*(n if j == i else -1 for j, n in enumerate(shape)))
    return x


# Patterns that einops refuses

# operation, pattern, shapes, sizes, a part of einops' message, and the part of the pattern that the widget blames
BAD = [
    ("rearrange", "h w", [(2, 3)], {}, "not enough values to unpack (expected 2, got 1)", ""),
    ("rearrange", "h w -> w -> h", [(2, 3)], {}, "too many values to unpack (expected 2", "->"),
    ("rearrange", "h w -> h", [(2, 3)], {}, "only on one side of expression (should be on both): {'w'}", "w"),
    ("rearrange", "h -> h w", [(2,)], {}, "Identifiers only on one side", "w"),
    ("rearrange", "heads d -> head d", [(2, 3)], {}, "Identifiers only on one side", "head"),
    ("rearrange", "... h -> h", [(2, 3)], {}, "Identifiers only on one side", "..."),
    ("rearrange", "h h -> h", [(2, 2)], {}, 'Indexing expression contains duplicate dimension "h"', "h"),
    ("rearrange", "b h w -> b (h w)", [(2, 3, 4, 5)], {}, "expected 3 dims. Received 4-dim tensor.", "b h w "),
    ("rearrange", "... b h w -> ... b (h w)", [(2, 3)], {}, "expected >=3 dims. Received 2-dim", "... b h w "),
    ("rearrange", "(h d) -> h d", [(4,)], {"h": 3}, "can't divide axis of length 4 in chunks of 3", "h"),
    ("rearrange", "(h d) -> h d", [(4,)], {"h": 2, "d": 3}, "Shape mismatch, 4 != 6", "h"),
    ("rearrange", "(h d) -> h d", [(4,)], {}, "Could not infer sizes for", "h"),
    ("rearrange", "(h (d) e) -> h d e", [(4,)], {}, "Axis composition is one-level", "("),
    ("rearrange", "h) -> h", [(4,)], {}, "Brackets are not balanced", ")"),
    ("rearrange", "(h -> h", [(4,)], {}, "Imbalanced parentheses in expression", "("),
    ("rearrange", "h-w -> h", [(4,)], {}, "Unknown character '-'", "-"),
    ("rearrange", "h, w -> h w", [(4,)], {}, "Unknown character ','", ","),
    ("rearrange", "2h -> 2h", [(4,)], {}, "Invalid axis identifier: 2h", "2h"),
    ("rearrange", "_h -> _h", [(4,)], {}, "axis name should should not start or end with underscore", "_h"),
    ("rearrange", "h 0 -> h", [(4, 0)], {}, "Anonymous axis should have positive length", "0"),
    ("rearrange", "...hidden -> ...", [(2, 3)], {}, "Invalid axis identifier: …hidden", "...hidden"),
    ("rearrange", ".. h -> h", [(2, 3)], {}, "Expression may contain dots only inside ellipsis", ".."),
    ("rearrange", "... h ... -> h", [(2, 3)], {}, "only one ellipsis for tensor", "... h ..."),
    ("rearrange", "h -> ... h", [(3,)], {}, "Ellipsis found in right side, but not left side", "..."),
    ("rearrange", "(... h) -> h ...", [(3,)], {}, "Ellipsis inside parenthesis in the left side", "..."),
    ("rearrange", "h 2 -> 2 h", [(3, 2)], {}, "Non-unitary anonymous axes are not supported in rearrange", "2"),
    ("rearrange", "h -> h", [(3,)], {"w": 2}, "Axis w is not used in transform", ""),
    ("repeat", "h -> h w", [(3,)], {}, "Specify sizes for new axes in repeat: {'w'}", "w"),
    ("repeat", "h w -> h", [(3, 2)], {}, "Unexpected identifiers on the left side of repeat: {'w'}", "w"),
    ("reduce", "h -> h w", [(3,)], {}, "Unexpected identifiers on the right side of reduce sum: {'w'}", "w"),
    ("einsum", "i j, j k", [(2, 3), (3, 4)], {}, "Einsum pattern must contain '->'.", ""),
    ("einsum", "i j, j k -> i i", [(2, 3), (3, 4)], {}, 'contains duplicate dimension "i"', "i"),
    ("einsum", "i j, j k -> i z", [(2, 3), (3, 4)], {}, "Unknown axis z on right side of einsum", "z"),
    ("einsum", "i j, j k -> i k", [(2, 3), (4, 5)], {}, "subscript b has size 4 for operand 1 which does not", "j"),
    ("einsum", "i j, j k -> i k", [(2, 3), (3,)], {}, "does not match the number of dimensions (1)", " j k "),
    ("einsum", "... i j, j k -> i k", [(2,), (3, 2)], {}, "is more than the number of dimensions (1)", "... i j"),
    ("einsum", "i j, j k -> i k", [(2, 3)], {}, "fewer operands were provided", " j k "),
    ("einsum", "i j -> i", [(2, 3), (3,)], {}, "more operands were provided", "i j "),
    ("einsum", "i (j k), j -> i", [(2, 6), (3,)], {}, "Shape rearrangement is not yet supported", "j k"),
    ("einsum", "i 2, j -> i", [(2, 2), (3,)], {}, "Anonymous axes are not yet supported", "2"),
    ("einsum", "i 1, j -> i", [(2, 1), (3,)], {}, "Singleton () axes are not yet supported", "i 1"),
]


@pytest.mark.parametrize(("operation", "pattern", "shapes", "sizes", "words", "blame"), BAD)
def test_an_invalid_pattern_raises_what_einops_raises(operation, pattern, shapes, sizes, words, blame):
    with pytest.raises(Exception) as theirs:
        run(operation, pattern, [torch.zeros(shape) for shape in shapes], sizes)
    with pytest.raises(type(theirs.value)) as ours:
        loop_nest(pattern, shapes, sizes, operation=operation)
    assert str(ours.value) == str(theirs.value)
    assert words in str(ours.value)
    assert blame in pattern


@given(
    st.text(alphabet="abh1 2()._,->…", max_size=14) | patterns("rearrange").map(lambda case: case[0]),
    st.sampled_from([(), (2,), (4,), (2, 3), (2, 2, 4)]),
    st.dictionaries(st.sampled_from(["a", "b"]), st.integers(1, 3), max_size=1),
)
def test_trace_accepts_exactly_what_some_einops_function_accepts(pattern, shape, sizes):
    refusals = {}
    for operation in axes.OPERATIONS:
        try:
            run(operation, pattern, [torch.zeros(shape)], sizes)
        except Exception as error:
            refusals[operation] = error
    try:
        trace(pattern, shape, **sizes)
    except Exception as error:
        assert len(refusals) == 4, f"refused {pattern!r}, which einops accepts"
        theirs = refusals[operation_of(pattern)]
        assert (type(error), str(error)) == (type(theirs), str(theirs))
    else:
        assert len(refusals) < 4, f"accepted {pattern!r}, which einops refuses"


# What the widget's JavaScript is held to


def random_case(rng):
    """A question to einops that is valid, most of the time."""
    operation = rng.choice(axes.OPERATIONS)
    names = rng.sample(NAMES, rng.randint(1, 4))
    size = {name: rng.randint(1, 3) for name in names}
    dots = ["..."] * (rng.random() < 0.25)
    if operation == "einsum":
        operands = [[name for name in names if rng.random() < 0.6] for _ in range(rng.choice([1, 2, 2, 3]))]
        if rng.random() < 0.2:
            operands[0].append(rng.choice(names))  # often a diagonal
        used = sorted({name for operand in operands for name in operand})
        batch = [2, 1][: rng.randint(0, 2)] if dots else []
        shapes = [[*batch[rng.randint(0, len(batch)) :], *(size[name] for name in operand)] for operand in operands]
        left = ", ".join(" ".join(dots + operand) for operand in operands)
        return operation, f"{left} -> {' '.join(dots + rng.sample(used, rng.randint(0, len(used))))}", shapes, {}

    def grouped(names):
        dimensions, names = [], list(names)
        while names:
            take = rng.choice([1, 1, 2, 3])
            dimensions += [[]] * (rng.random() < 0.1) + [names[:take]]
            names = names[take:]
        return dimensions

    left = grouped(names)
    shape = [2] * (len(dots) * rng.randint(0, 2)) + [math.prod(size[name] for name in dim) for dim in left]
    sizes = {name: size[name] for dim in left for name in dim[1:]}
    right = rng.sample(names, len(names))
    if operation == "reduce":
        right = right[: rng.randint(0, len(right))]
    if operation == "repeat":
        right.insert(rng.randint(0, len(right)), rng.choice(["new", "2"]))
        sizes |= {"new": rng.randint(1, 3)} if "new" in right else {}
    return (
        operation,
        f"{text([dots, *left][not dots :])} -> {text([dots, *grouped(right)][not dots :])}",
        [shape],
        sizes,
    )


def set_in_order(message):
    """Python prints sets of strings in an order that changes from run to run."""
    return re.sub(r"\{(.*?)\}", lambda found: "{" + ", ".join(sorted(found[1].split(", "))) + "}", message)


def test_golden_vectors_for_the_widget(golden):
    rng = random.Random(4)
    valid = []
    while len(valid) < 240:
        operation, pattern, shapes, sizes = random_case(rng)
        reduction = rng.choice(list(axes.REDUCTIONS)) if operation == "reduce" else "sum"
        nest = loop_nest(pattern, shapes, sizes, operation=operation, reduction=reduction)
        if nest.iterations > 60:
            continue
        tensors = [torch.zeros(shape[::-1]).permute(list(range(len(shape)))[::-1]) for shape in shapes]
        tensors = [rng.choice([tensor, tensor.contiguous()]) for tensor in tensors]
        result = run(operation, pattern, tensors, sizes, reduction=reduction)
        question = {
            "operation": operation,
            "reduction": reduction,
            "pattern": pattern,
            "shapes": shapes,
            "sizes": sizes,
        }
        valid.append(
            question
            | {
                "out_shape": list(nest.output_shape),
                "solved": nest.sizes,
                "terms": [nest.sources(index) for index in nest.indices(nest.kept)],
                "code": nest.code().split("\n"),
                "signature": signature(pattern, *shapes, **sizes) if operation == operation_of(pattern) else None,
                "flops": einsum_flops(pattern, *shapes) if operation == "einsum" else None,
                "strides": list(tensors[0].stride()),
                "view": any(storage(result) == storage(tensor) for tensor in tensors),
                "result_strides": list(result.stride()),
            }
        )
    invalid = []
    for operation, pattern, shapes, sizes, _, blame in BAD:
        with pytest.raises(Exception) as refused:
            run(operation, pattern, [torch.zeros(shape) for shape in shapes], sizes)
        question = {"operation": operation, "pattern": pattern, "shapes": shapes, "sizes": sizes, "blame": blame}
        message = set_in_order(axes.reason(refused.value)).replace("(expected 2, got 3)", "(expected 2)")  # Python 3.14
        invalid.append(question | {"message": message})
    assert {case["view"] for case in valid} == {True, False}
    golden("axes_explorer", {"einops": einops.__version__, "valid": valid, "invalid": invalid})
