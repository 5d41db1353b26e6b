"""Muon: momentum for matrices, orthogonalized."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lmcourse.optimizers.descent import SGD
from lmcourse.support.checks import one_of
from lmcourse.support.optional import Tensor, torch

if TYPE_CHECKING:
    from jaxtyping import Float


def orthogonalize(
    matrix: Float[Tensor, "rows columns"], steps: int = 5, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "rows columns"]:
    """Bring all singular values of a matrix near 1 (0.7 to 1.2) and keep its singular vectors.

    `steps` rounds of the quintic Newton–Schulz iteration, whose coefficients lift small singular values fast rather
    than settle at 1 (Jordan 2024, kellerjordan.github.io/posts/muon). Raises `ValueError` unless `matrix` is 2-D.

    >>> stretched = torch.diag(torch.tensor([100.0, 30.0, 10.0]))
    >>> bool((orthogonalize(stretched).diag() - 1).abs().max() < 0.35)
    True
    """
    if matrix.dim() != 2:
        raise ValueError(f"matrix: two dimensions, got shape {tuple(matrix.shape)}")
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix.to(dtype)
    if matrix.shape[0] > matrix.shape[1]:
        x = x.T
    x = x / x.norm().clamp(min=1e-7)  # singular values of at most 1
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)  # a x + (b gram + c gram²) x
    return (x.T if matrix.shape[0] > matrix.shape[1] else x).to(matrix.dtype)


class PlainMuon(SGD):
    """Momentum whose update of each weight matrix is orthogonalized, so that it moves all directions alike.

    For the hidden matrices of a model; give embeddings, head, norms and biases to `AdamW`. `adjust_lr_fn` scales the
    step by √max(1, rows / columns) ("original", Jordan 2024) or by 0.2 √max(rows, columns) ("match_rms_adamw", so that
    AdamW's rates can be kept; Liu et al. 2025, arXiv 2502.16982). Equals `torch.optim.Muon` (2.9 and later), which
    orthogonalizes in bfloat16: fast on a GPU, slow on most CPUs, hence `ns_dtype`.

    Raises `ValueError` for a parameter that is no matrix.

    >>> w = torch.nn.Parameter(torch.zeros(2, 2))
    >>> optimizer = PlainMuon([w], lr=1.0, weight_decay=0.0)
    >>> w.grad = torch.tensor([[100.0, 0.0], [0.0, 1.0]])
    >>> optimizer.step()
    >>> -w.detach().diag()  # the gradients differ by a factor of 100, the steps do not
    tensor([0.69..., 0.69...])
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
        ns_dtype: torch.dtype = torch.float32,
    ):
        options = {"weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov}
        options |= {"ns_steps": ns_steps, "adjust_lr_fn": adjust_lr_fn, "ns_dtype": ns_dtype}
        super().__init__(params, lr, options)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        if group["adjust_lr_fn"] is not None:
            one_of("adjust_lr_fn", group["adjust_lr_fn"], ("original", "match_rms_adamw"))
        for param in group["params"]:
            if param.dim() != 2:
                raise ValueError(f"params: matrices (two dimensions), got a tensor of shape {tuple(param.shape)}")

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As every optimizer's here; where PyTorch saved it, orthogonalize in bfloat16 from now on, as PyTorch does."""
        groups = [{"ns_dtype": torch.bfloat16, **group} for group in state_dict["param_groups"]]
        super().load_state_dict({**state_dict, "param_groups": groups})

    def update(self, param: Tensor, grad: Tensor, state: dict, group: dict) -> None:
        if not state:
            state["momentum_buffer"] = torch.zeros_like(param)
        buffer = state["momentum_buffer"].lerp_(grad, 1 - group["momentum"])  # an average here, not a sum
        direction = grad.lerp(buffer, group["momentum"]) if group["nesterov"] else buffer
        step = orthogonalize(direction, group["ns_steps"], group["ns_dtype"])
        param.mul_(1 - group["lr"] * group["weight_decay"])
        param.sub_(group["lr"] * self.scale(param, group) * step)

    @staticmethod
    def scale(param: Tensor, group: dict) -> float:
        """What the rate is multiplied by, so that it suits matrices of every shape."""
        rows, columns = param.shape
        if group["adjust_lr_fn"] == "match_rms_adamw":
            return 0.2 * math.sqrt(max(rows, columns))
        return math.sqrt(max(1, rows / columns))


class Muon(PlainMuon):
    """`PlainMuon` with one call for all matrices in place of a loop, except for the products.

    These stay one matrix at a time: stacked by shape they took longer.

    >>> w = torch.nn.Parameter(torch.zeros(2, 2))
    >>> optimizer = Muon([w], lr=1.0, weight_decay=0.0)
    >>> w.grad = torch.tensor([[100.0, 0.0], [0.0, 1.0]])
    >>> optimizer.step()
    >>> -w.detach().diag()  # as `PlainMuon`
    tensor([0.69..., 0.69...])
    """

    def update_group(self, group: dict) -> None:
        """Update every matrix of a group that has a gradient."""
        params = [param for param in group["params"] if param.grad is not None]
        if not params:
            return
        for param in params:
            if not self.state[param]:
                self.state[param]["momentum_buffer"] = torch.zeros_like(param)
        grads, buffers = [param.grad for param in params], [self.state[param]["momentum_buffer"] for param in params]
        torch._foreach_lerp_(buffers, grads, 1 - group["momentum"])
        directions = torch._foreach_lerp(grads, buffers, group["momentum"]) if group["nesterov"] else buffers
        steps = [orthogonalize(direction, group["ns_steps"], group["ns_dtype"]) for direction in directions]
        torch._foreach_mul_(steps, [-group["lr"] * self.scale(param, group) for param in params])
        torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(params, steps)
