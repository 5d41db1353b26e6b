"""How good a model is: its loss on text that it has not seen.

Not here: what counting alone reaches (`lmcourse.training.baselines`), tasks and benchmarks.
"""

import contextlib
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from lmcourse.data_loading import read_windows, to_device
from lmcourse.model import cross_entropy
from lmcourse.support import checks

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@contextlib.contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """The model in eval mode inside the block, and each of its parts in the mode that it had afterwards.

    >>> model = nn.Sequential(nn.Dropout(), nn.Dropout().eval())  # the second is frozen
    >>> with eval_mode(model):
    ...     print([part.training for part in model])
    [False, False]
    >>> [part.training for part in model]
    [True, False]
    """
    in_training = [part for part in model.modules() if part.training]
    model.eval()
    try:
        yield
    finally:
        for part in in_training:
            part.training = True


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context in which a forward pass is computed in one of `PRECISIONS`; ValueError for another word.

    >>> with autocast(torch.device("cpu"), "bfloat16"):
    ...     (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
    torch.bfloat16
    """
    checks.one_of("precision", precision, PRECISIONS)
    return torch.autocast(device.type, PRECISIONS[precision], enabled=precision != "float32")


def wide(logits: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """In 32 bits where they were 16: a loss is a sum over the vocabulary. Float64 stays float64.

    >>> wide(torch.zeros(2, dtype=torch.bfloat16)).dtype
    torch.float32
    """
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


@torch.no_grad()
def evaluate(
    model: nn.Module,
    tokens: Shaped[np.ndarray, "length"],
    *,
    context_length: int | None = None,
    batch_size: int = 32,
    precision: str = "float32",
) -> float:
    """Mean loss in nats a token, each token but the first predicted once, from what precedes it in its window.

    The windows lie side by side, from the beginning, so the number is the same every time. The model is in eval mode
    meanwhile, and afterwards each of its parts is in the mode it had before. `context_length` is that of the windows,
    None the model's own; `precision`, a key of `PRECISIONS`, is what autocast computes the forward pass in.

    Raises ValueError for less than two tokens.

    >>> import math
    >>> from lmcourse.model import ModelConfig, TransformerLM
    >>> model = TransformerLM(ModelConfig(10, context_length=4, d_model=16, num_layers=1, num_heads=2, d_ff=32))
    >>> round(evaluate(model, np.arange(1000) % 10), 1), round(math.log(10), 1)  # it has learnt nothing yet
    (2.3, 2.3)
    """
    context = model.config.context_length if context_length is None else context_length
    if len(tokens) < 2:
        raise ValueError(f"tokens: at least 2, a token and the next one, got {len(tokens)}")
    device = next(model.parameters()).device
    total, count = torch.zeros((), dtype=torch.float64 if device.type != "mps" else torch.float32, device=device), 0
    with eval_mode(model):
        for starts, size in _windows(len(tokens), context, batch_size):
            windows = read_windows(tokens, starts, size + 1)
            with autocast(device, precision):
                logits = model(to_device(windows[:, :-1], device))
            loss = cross_entropy(wide(logits), to_device(windows[:, 1:], device))
            total += loss.to(total.dtype) * len(starts) * size
            count += len(starts) * size
    return total.item() / count


def _windows(length: int, context: int, batch_size: int) -> Iterator[tuple[np.ndarray, int]]:
    """Where the windows of each batch start, and their size: whole ones, then the rest."""
    whole, rest = divmod(length - 1, context)
    for i in range(0, whole, batch_size):
        yield np.arange(i, min(i + batch_size, whole)) * context, context
    if rest:
        yield np.array([whole * context]), rest
