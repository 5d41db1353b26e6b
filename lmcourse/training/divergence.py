"""A loss that is no finite number any more: what is raised then, and what probably happened."""

import math
import statistics
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from lmcourse.training.evaluation import eval_mode

HISTORY = 20  # gradient norms that are kept to tell a cause


class LossDiverged(ArithmeticError):
    """The loss or its gradient is no longer a finite number. The step was not taken: the model is as before.

    `step` is the one that failed, `starts` says where its batch lies in the corpus, `cause` what probably happened.

    >>> print(LossDiverged(7, math.nan, 2.5, (0, 64), "the learning rate is too high"))
    step 7: the loss is nan and the gradient norm 2.5, on the windows that begin at [0, 64]. Likely cause: the learning
    rate is too high. The model is as it was before this step
    """

    def __init__(self, step: int, loss: float, grad_norm: float, starts: tuple[int, ...], cause: str):
        self.step, self.loss, self.grad_norm, self.starts, self.cause = step, loss, grad_norm, starts, cause
        where = f", on the windows that begin at {list(starts[:8])}{' ...' * (len(starts) > 8)}" if starts else ""
        super().__init__(
            f"step {step}: the loss is {loss} and the gradient norm {grad_norm}{where}. Likely cause: {cause}. "
            "The model is as it was before this step"
        )


def likely_cause(model: nn.Module, x: Int[Tensor, "batch context"], grad_norms: list[float], lr: float) -> str:
    """Why a loss is not finite, as far as the model itself can tell: it runs the batch again and looks inside.

    >>> layer = nn.Linear(1, 1)
    >>> with torch.no_grad():
    ...     _ = layer.weight.fill_(math.inf)
    >>> likely_cause(layer, torch.ones(1, 1), [], 0.1)
    'weight holds inf or NaN already: an earlier step, or a file that was loaded, broke it'
    """
    for name, parameter in model.named_parameters():
        if not parameter.isfinite().all():
            return f"{name} holds inf or NaN already: an earlier step, or a file that was loaded, broke it"
    recent = [norm for norm in grad_norms[-HISTORY:] if math.isfinite(norm)]
    if len(recent) >= 4 and recent[-1] > 10 * statistics.median(recent):
        return (
            f"the learning rate {lr:.3g} is too high: the gradient norm rose from {statistics.median(recent):.3g} to "
            f"{recent[-1]:.3g} before it broke"
        )
    found: list[str] = []

    def look(name: str) -> Callable:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and not output.isfinite().all() and not found:
                found.append(name)

        return hook

    handles = [module.register_forward_hook(look(name)) for name, module in model.named_modules() if name]
    try:
        with eval_mode(model), torch.no_grad():
            logits = model(x)
    finally:
        for handle in handles:
            handle.remove()
    if found:
        return f"the weights have grown until {found[0]} overflows: a lower learning rate, a warm-up, or clipping helps"
    if not logits.isfinite().all():
        return "the model computes a logit that is not finite, outside its layers"
    largest = max(parameter.abs().max().item() for parameter in model.parameters())
    if largest > 1e3:
        return f"the learning rate {lr:.3g} is too high: a weight has grown to {largest:.3g}"
    return "weights and logits are finite in 32 bits: look at the loss function, the precision, the backward pass"
