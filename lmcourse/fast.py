"""The functions of `lmcourse.model` once more, faster on a CPU: equal to those up to rounding, gradients included.

The plain functions are the lesson, and leave the way back to autograd, which keeps every intermediate result and goes
through memory once for each operation. Here the way back is written out by hand, so that there are fewer of both:
`FAST` are the parts that a `TransformerLM` of a recipe computes with, and `cross_entropy` is its loss. Where they have
no gain, under autocast and on other devices, they are the plain functions.

Not here: kernels of our own, and torch.compile, which needs a compiler on your machine.
"""

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from lmcourse import model
from lmcourse.model import Parts


class RMSNorm(torch.autograd.Function):
    """y = gain · x̂ with x̂ = x / rms, and back: x' = (gain · y' − x̂ · mean(gain · y' · x̂)) / rms."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, gain: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        per_rms = length.square_().div_(x.shape[-1]).add_(1e-5).rsqrt_()
        x_hat = x * per_rms
        ctx.save_for_backward(x_hat, per_rms, gain)
        return x_hat * gain

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, Tensor]:
        x_hat, per_rms, gain = ctx.saved_tensors
        along = grad * x_hat
        minus_mean = (along @ gain).div_(-gain.numel()).unsqueeze(-1)
        return (grad * gain).addcmul_(x_hat, minus_mean).mul_(per_rms), along.flatten(0, -2).sum(0)


def rms_norm(x: Float[Tensor, "... d_model"], gain: Float[Tensor, "d_model"]) -> Float[Tensor, "... d_model"]:
    """`lmcourse.model.rms_norm`.

    >>> rms_norm(torch.tensor([[1.0, 7.0]]), torch.tensor([1.0, 1.0]))
    tensor([[0.2000, 1.4000]])
    """
    return RMSNorm.apply(x, gain)


def rotation_table(
    positions: Int[Tensor, "seq"], d_head: int, theta: float = 10_000.0
) -> Complex[Tensor, "seq pairs"] | Float[Tensor, "cos_sin seq d_head"]:
    """cos + i · sin of each angle on a CPU: a number of a pair and its partner are then one complex number.

    >>> rotation_table(torch.tensor([0]), d_head=4)
    tensor([[1.+0.j, 1.+0.j]])
    """
    table = model.rotation_table(positions, d_head, theta)
    return torch.complex(*table[..., ::2]) if positions.device.type == "cpu" else table


class Rotation(torch.autograd.Function):
    """Multiply by complex numbers of length 1; the way back turns the gradient back."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, table: Tensor) -> Tensor:
        ctx.save_for_backward(table)
        return _turned(x, table)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, None]:
        (table,) = ctx.saved_tensors
        return _turned(grad, table.conj_physical()), None


def _turned(x: Tensor, table: Tensor) -> Tensor:
    wide = x.to(torch.promote_types(x.dtype, torch.float32))  # 16 bits have no complex numbers
    wide = wide if wide.stride(-1) == 1 else wide.contiguous()  # the two numbers of a pair lie side by side
    return (wide.view(wide.dtype.to_complex()) * table).view(wide.dtype).to(x.dtype)


def rotate(x: Float[Tensor, "... seq d_head"], table: Tensor) -> Float[Tensor, "... seq d_head"]:
    """`lmcourse.model.rotate`, by a table of this module's `rotation_table`.

    >>> right_angle = torch.tensor([[1j]])
    >>> rotate(torch.tensor([[1.0, 2.0]]), right_angle)
    tensor([[-2.,  1.]])
    """
    return Rotation.apply(x, table) if table.is_complex() else model.rotate(x, table)


class SwiGLU(torch.autograd.Function):
    """The three products and what is between them as one; what they give for x is added up by a product."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, w1: Tensor, w2: Tensor, w3: Tensor) -> Tensor:
        a, b = x @ w1.T, x @ w3.T
        hidden = nn.functional.silu(a).mul_(b)
        ctx.save_for_backward(x, a, b, hidden, w1, w2, w3)
        return hidden @ w2.T

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, ...]:
        *acts, w1, w2, w3 = ctx.saved_tensors
        shape, grad, x, a, b, hidden = grad.shape, *(each.flatten(0, -2) for each in (grad, *acts))
        grad_hidden = grad @ w2
        grad_b = nn.functional.silu(a).mul_(grad_hidden)
        grad_a = torch.ops.aten.silu_backward(grad_hidden.mul_(b), a)
        return (grad_a @ w1).addmm_(grad_b, w3).view(shape), grad_a.T @ x, grad.T @ hidden, grad_b.T @ x


def swiglu(
    x: Float[Tensor, "... d_model"], w1: nn.Linear, w2: nn.Linear, w3: nn.Linear
) -> Float[Tensor, "... d_model"]:
    """`lmcourse.model.swiglu`, with linear layers for w1, w2 and w3.

    >>> x, layers = torch.randn(5, 4), [nn.Linear(4, 4, bias=False) for _ in range(3)]
    >>> torch.allclose(swiglu(x, *layers), model.swiglu(x, *layers), atol=1e-6)
    True
    """
    if torch.is_autocast_enabled(x.device.type):  # which chooses a format for each product
        return model.swiglu(x, w1, w2, w3)
    return SwiGLU.apply(x, w1.weight, w2.weight, w3.weight)


def cross_entropy(logits: Float[Tensor, "... vocab"], targets: Int[Tensor, "..."]) -> Float[Tensor, ""]:
    """`lmcourse.model.cross_entropy`, by PyTorch's.

    >>> loss = cross_entropy(torch.zeros(3, 256), torch.tensor([0, 1, 2]))
    >>> round(loss.item(), 4)  # ln 256
    5.5452
    """
    if logits.shape[:-1] != targets.shape:
        raise ValueError(f"targets: shape {tuple(logits.shape[:-1])} to match the logits, got {tuple(targets.shape)}")
    return nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1))


FAST = Parts(rms_norm=rms_norm, swiglu=swiglu, rotate=rotate, rotation_table=rotation_table)
