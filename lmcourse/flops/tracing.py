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

    Products of matrices and vectors, convolutions and attention get their formulas, other operations one FLOP for every
    element that they write; so does what PyTorch fuses besides attention, an LSTM for one. Views move nothing and are
    left out.

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
            moved = sum(t.nbytes for t in (*written, *read))
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


FORMULAS: dict[str, Callable[..., int]] = {
    "mv": lambda matrix, _vector: 2 * matrix.numel(),
    "dot": lambda a, _b: 2 * a.numel(),
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_flash_attention_for_cpu_backward": _attention_backward,
}
