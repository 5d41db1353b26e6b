"""Views, FLOPs and types as notebook 04 tells them, and what is refused. Run: pytest tests/axes"""

import math

import einops
import numpy as np
import pytest
import torch
from beartype import beartype
from hypothesis import assume, given
from hypothesis import strategies as st
from jaxtyping import Float, jaxtyped
from patterns import patterns

from lmcourse import axes
from lmcourse.axes import einsum_flops, is_view, loop_nest, operation_of, run, signature, trace


def test_the_leftmost_name_in_parentheses_varies_slowest():
    assert [[term[0] for term in row] for row in trace("(h d) -> h d", (8,), h=2)] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert [[term[0] for term in row] for row in trace("(d h) -> h d", (8,), h=2)] == [[0, 2, 4, 6], [1, 3, 5, 7]]


def test_splitting_heads_is_a_view_and_merging_them_a_copy():
    assert is_view("b t (h d) -> b h t d", torch.zeros(2, 8, 64), h=4)
    assert is_view("b c h w -> b (h w) c", torch.zeros(2, 3, 4, 5))
    assert not is_view("b h t d -> b t (h d)", torch.zeros(2, 4, 8, 16))
    assert is_view("h -> h w", torch.zeros(3), w=5)


def test_flops_of_a_matrix_product_are_2mnk_as_pytorch_counts_them():
    from torch.utils.flop_counter import FlopCounterMode

    for pattern, shapes in [
        ("m k, k n -> m n", ((3, 5), (5, 7))),
        ("b h q d, b h k d -> b h q k", ((2, 3, 4, 5), (2, 3, 6, 5))),
        ("b t i, o i -> b t o", ((2, 3, 8), (4, 8))),
    ]:
        with FlopCounterMode(display=False) as counter:
            einops.einsum(*(torch.zeros(shape) for shape in shapes), pattern)
        assert einsum_flops(pattern, *shapes) == counter.get_total_flops()


def test_a_reduction_of_a_strided_tensor_copies_and_a_diagonal_does_not():
    assert not is_view("h w -> h", torch.zeros(2, 1))
    assert is_view("i i -> i", torch.zeros(3, 3))


@given(st.one_of(patterns("rearrange"), patterns("repeat"), patterns("reduce")))
def test_the_signature_holds_at_run_time(case):
    pattern, shape, sizes = case
    assume(operation_of(pattern) != "einsum")
    header = signature(pattern, shape, **sizes)
    result = run(operation_of(pattern), pattern, [torch.zeros(shape)], sizes)
    scope = {"Float": Float, "Tensor": torch.Tensor, "result": result}
    exec(f"def {header}:\n    return result", scope)
    checked = jaxtyped(typechecker=beartype)(scope["f"])
    assert checked(torch.zeros(shape)) is result


@pytest.mark.filterwarnings("ignore:It is discouraged to use axes names that are keywords")
def test_the_printed_loop_nest_is_python_whatever_the_axes_are_called():
    nest = loop_nest("out x in, in n2 -> x out n2", [(2, 3, 4), (4, 2)])
    compile(nest.code(), "loop nest", "exec")
    assert nest.code().splitlines()[-1].strip() == "out_[x, out, n2] += x_[out, x, in_] * y[in_, n2]"


def test_signatures_read_like_the_pattern():
    assert signature("b ... -> b (...)", (2, 3, 4)) == 'f(x: Float[Tensor, "b ..."]) -> Float[Tensor, "b _"]'
    assert signature("m k, k n -> m n", (2, 3), (3, 4)) == (
        'f(x: Float[Tensor, "m k"], y: Float[Tensor, "k n"]) -> Float[Tensor, "m n"]'
    )
    assert signature("b t (h d) -> b h t d", (2, 3, 8), h=4).startswith('f(x: Float[Tensor, "b t h_d"])')
    assert signature("... d -> d ...", (2, 3, 4)) == 'f(x: Float[Tensor, "... d"]) -> Float[Tensor, "d ..."]'


def test_the_functions_of_the_notebook_equal_plain_pytorch():
    x = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(axes.split_heads(x, 4), x.view(2, 6, 4, 2).transpose(1, 2))
    q, k = axes.split_heads(x, 2), axes.split_heads(x + 1, 2)
    assert torch.allclose(axes.attention_scores(q, k), q @ k.transpose(-2, -1) / 2, atol=1e-6)
    images = torch.randn(2, 3, 4, 6, generator=torch.Generator().manual_seed(1))
    unfolded = torch.nn.functional.unfold(images, kernel_size=2, stride=2).transpose(1, 2)
    assert torch.equal(axes.patchify(images, 2), unfolded)
    mask = torch.tensor([[True] * 4 + [False] * 2, [False] * 6])
    assert torch.allclose(axes.mean_pool(x, mask)[0], x[0, :4].mean(0), atol=1e-6)
    assert torch.equal(axes.mean_pool(x, mask)[1], torch.zeros(8))


@given(patterns("rearrange"))
def test_the_mini_rearrange_equals_einops_with_one_group_a_side(case):
    pattern, shape, sizes = case
    assume(all(side.count("(") <= 1 for side in pattern.split("->")) and pattern.strip() != "->")
    assume("1 " not in pattern and " 1" not in pattern and "..." not in pattern and all(shape))
    spaced = pattern.replace("(", "( ").replace(")", " )")
    x = torch.arange(math.prod(shape)).reshape(shape)
    assert torch.equal(axes.rearrange_group(x, spaced, **sizes), einops.rearrange(x, pattern, **sizes))


def test_numpys_integers_are_sizes_too_and_do_not_wrap():
    rows, heads = np.array([200, 200], np.uint8)
    assert einsum_flops("a b, b c -> a c", (rows, heads), (heads, rows)) == 2 * 200**3
    assert loop_nest("(h d) -> h d", [(np.int16(30000),)], {"h": np.uint8(200)}).output_shape == (200, 150)


# Bad arguments are refused by name


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: trace("h -> h", 2), TypeError, "shape: a sequence of whole numbers, got 2"),
        (lambda: trace("h -> h", (-1,)), ValueError, r"shape\[0\]: a whole number of 0 or more, got -1"),
        (lambda: trace("h -> h", (2.0,)), TypeError, r"shape\[0\]: a whole number of 0 or more, got 2.0"),
        (lambda: trace("(h d) -> h d", (4,), h=2.0), TypeError, "size of axis 'h': a whole number"),
        (lambda: trace("h -> h w", (4,), w=-1), ValueError, "size of axis 'w': a whole number of 0 or more, got -1"),
        (lambda: trace("a b, b c -> a c", (10**3, 10**3), (10**3, 10**3)), ValueError, "terms to trace"),
        (lambda: loop_nest("h -> h", [(2,)], operation="mix"), ValueError, "operation: rearrange, reduce"),
        (lambda: loop_nest("h -> ", [(2,)], reduction="median"), ValueError, "reduction: sum, mean"),
        (lambda: run("rearrange", "h -> h", [], {}), ValueError, "tensors: one for rearrange .*, got 0"),
    ],
)
def test_bad_arguments_are_refused_by_name(call, error, words):
    with pytest.raises(error, match=words):
        call()
