"""The costs of operations as PyTorch runs them: FLOPs by formula, bytes from the tensors that go in and come out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import TYPE_CHECKING, Any

from lmcourse.flops.roofline import Cost

if TYPE_CHECKING:
    from torch import Tensor


def trace_costs(fn: Callable[[], Any]) -> dict[str, Cost]:
    """Run `fn` and add up, for each kind of PyTorch operation, its FLOPs and the bytes of its inputs and outputs.

    Products of every kind (matrices, vectors, convolutions, attention, recurrent layers) get their formulas, other
    operations one FLOP for every element that they write. Views move nothing and are left out. An operation that fuses
    others shows as one, as it should.

    >>> import torch
    >>> a, b = torch.ones(64, 32), torch.ones(32, 16)
    >>> trace_costs(lambda: (a @ b).relu())
    {'mm': Cost(flops=65536, bytes=14336), 'relu': Cost(flops=1024, bytes=8192)}
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves
    from torch.utils.flop_counter import flop_registry

    aten, totals = torch.ops.aten, {}
    makes_room = {getattr(aten, name) for name in _MAKES_ROOM}
    ours = {getattr(aten, name): formula for name, formula in FORMULAS.items() if hasattr(aten, name)}

    def tensors(tree: Any) -> list[Tensor]:
        return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]

    class Tracer(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping | None = None) -> Any:
            out, kind = func(*args, **(kwargs or {})), func._overloadpacket
            written, read = tensors(out), tensors((args, kwargs))
            if func.is_view or torch.Tag.inplace_view in func.tags or not written or kind in makes_room:
                return out
            if kind in ours:
                flops = ours[kind](*args)
            elif kind in flop_registry:
                flops = flop_registry[kind](*args, **(kwargs or {}), out_val=out)
            else:
                flops = sum(t.numel() for t in written)
            moved = sum(t.numel() * t.element_size() for t in (*written, *read))
            before = totals.get(kind.__name__, Cost(0, 0))
            totals[kind.__name__] = Cost(before.flops + flops, before.bytes + moved)
            return out

    with Tracer():
        fn()
    return totals


_MAKES_ROOM = ("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "detach", "_unsafe_view",
               "lift_fresh", "alias")  # fmt: skip


# --- products that PyTorch's own counter does not know, by their ATen names -----------------------------------------


def _attention(query: Tensor, key: Tensor, value: Tensor, *_: Any) -> int:
    """Scores Q Kᵀ and their product with V."""
    return 2 * prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def _attention_backward(_gradient: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: Any) -> int:
    """The scores again, and the gradients of Q and K (three as wide as a key); of the shares and V (two as a value)."""
    return 2 * prod(query.shape[:-1]) * key.shape[-2] * (3 * query.shape[-1] + 2 * value.shape[-1])


def _trilinear(a: Tensor, b: Tensor, c: Tensor, expand_a: list, expand_b: list, expand_c: list, summed: list, *_: Any):
    """a · b, summed over what c lacks, then that · c: two products over the sizes of all three."""

    def sizes(tensor: Tensor, expanded: list) -> list[int]:
        left = iter(tensor.shape)
        return [1 if axis in expanded else next(left) for axis in range(tensor.dim() + len(expanded))]

    first, third = [max(pair) for pair in zip(sizes(a, expand_a), sizes(b, expand_b))], sizes(c, expand_c)
    early = [axis for axis in summed if axis in expand_c]
    second = [max(1 if axis in early else size, third[axis]) for axis, size in enumerate(first)]
    return (2 if early else 1) * prod(first) + (2 if len(summed) > len(early) else 1) * prod(second)


def _encoder_layer(x: Tensor, width: int, _heads: int, *rest: Any) -> int:
    """Every matrix once for each token, and attention; the layer that nn.TransformerEncoderLayer runs in eval mode."""
    matrices = [each for each in rest[:15] if hasattr(each, "dim") and each.dim() == 2]  # behind them stands a mask
    return 2 * (x.numel() // width) * sum(each.numel() for each in matrices) + _attention(x, x, x)


def _multi_head(query: Tensor, key: Tensor, value: Tensor, width: int, _heads: int, in_proj: Tensor, _bias: Any,
                out_proj: Tensor, *_: Any) -> int:  # fmt: skip
    tokens = query.numel() // width
    return 2 * tokens * (in_proj.numel() + out_proj.numel()) + _attention(query, key, value)


def _recurrent(x: Tensor, w_input: Tensor, w_hidden: Tensor, *_: Any) -> int:
    """Both matrices of a layer, once for each token."""
    return 2 * prod(x.shape[:-1]) * (w_input.numel() + w_hidden.numel())


FORMULAS: dict[str, Callable[..., int]] = {
    "mv": lambda matrix, _vector: 2 * matrix.numel(),
    "addmv": lambda _base, matrix, _vector: 2 * matrix.numel(),
    "dot": lambda a, _b: 2 * a.numel(),
    "vdot": lambda a, _b: 2 * a.numel(),
    "addbmm": lambda _base, a, b: 2 * a.numel() * b.shape[-1],
    "_trilinear": _trilinear,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_flash_attention_for_cpu_backward": _attention_backward,
    "_native_multi_head_attention": _multi_head,
    "_transformer_encoder_layer_fwd": _encoder_layer,
    "mkldnn_rnn_layer": _recurrent,
    "mkldnn_rnn_layer_backward": lambda *args: 2 * _recurrent(*args),
}
