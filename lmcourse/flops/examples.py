"""What notebook 05 measures: a small Transformer that is made once, and a deep model that is all activations.

Needs PyTorch, so `lmcourse.flops` does not import it: `from lmcourse.flops import examples`.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint_sequential

from lmcourse.flops.memory import memory_timeline
from lmcourse.model import ModelConfig, TransformerLM, cross_entropy
from lmcourse.recorded import recorded
from lmcourse.support.timing import live_bytes, saved_bytes

SMALL = ModelConfig(1000, 256, d_model=128, num_layers=4, num_heads=4, d_ff=384, num_kv_heads=2)


@cache
def small_model() -> TransformerLM:
    """A `TransformerLM` of the sizes `SMALL`, made at the first call.

    >>> small_model() is small_model(), sum(p.numel() for p in small_model().parameters())
    (True, 1043584)
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return TransformerLM(SMALL)


def token_ids(batch: int = 2, seq: int = 256) -> Tensor:
    """Random ids for `small_model`, the same at every call: `batch seq`.

    >>> token_ids(batch=8, seq=64).shape
    torch.Size([8, 64])
    """
    return torch.randint(SMALL.vocab_size, (batch, seq), generator=torch.Generator().manual_seed(0))


def deep_model(layers: int = 64, width: int = 32) -> nn.Sequential:
    """`layers` times a matrix and a tanh, one behind the other: small weights, and as many activations as you feed it.

    >>> len(deep_model(layers=3))
    3
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(*(nn.Sequential(nn.Linear(width, width, bias=False), nn.Tanh()) for _ in range(layers)))


def deep_step(net: nn.Sequential, x: Tensor, segments: int = 1) -> Tensor:
    """Forward and backward through `net`; between the ends of `segments` equal pieces activations are computed twice.

    The last piece is not checkpointed, since backward begins there: one segment is a plain step. Returns the loss.

    >>> net = deep_model(layers=4)
    >>> bool(deep_step(net, torch.ones(2, 32)) == deep_step(net, torch.ones(2, 32), segments=2))
    True
    """
    loss = checkpoint_sequential(net, segments, x, use_reentrant=False).square().mean()
    loss.backward()
    return loss.detach()


def peak_by_segments(net: nn.Sequential, x: Tensor, segments: int) -> int:
    """Bytes allocated at the peak of `deep_step`, above what was there before.

    >>> net, x = deep_model(layers=16), torch.ones(1000, 32)
    >>> peak_by_segments(net, x, 4) < peak_by_segments(net, x, 1)
    True
    """
    net.zero_grad(set_to_none=True)
    return max(live_bytes(lambda: deep_step(net, x, segments)))


def accumulate(net: TransformerLM, ids: Tensor, micro_batch: int) -> Tensor:
    """Gradients of the mean loss over the sequences of `ids`, added up `micro_batch` sequences at a time, in one row.

    >>> ids = token_ids(batch=4, seq=8)
    >>> torch.allclose(accumulate(small_model(), ids, 4), accumulate(small_model(), ids, 1), atol=1e-6)
    True
    """
    net.zero_grad(set_to_none=True)
    for part in ids.split(micro_batch):
        loss = cross_entropy(net(part), part) * len(part) / len(ids)
        loss.backward()
    return torch.cat([p.grad.flatten() for p in net.parameters()])


def peak_by_micro_batch(net: TransformerLM, ids: Tensor, micro_batch: int) -> int:
    """Bytes allocated at the peak of `accumulate`, gradients included.

    >>> ids = token_ids(batch=4, seq=32)
    >>> peak_by_micro_batch(small_model(), ids, 1) < peak_by_micro_batch(small_model(), ids, 4)
    True
    """
    net.zero_grad(set_to_none=True)
    return max(live_bytes(lambda: accumulate(net, ids, micro_batch)))


def step_trace(*, fused: bool = False, checkpoint: bool = False) -> tuple[list[int], float]:
    """Bytes alive during one step of a small Transformer, after every allocation, and the peak that formulas predict.

    The step sees 4 sequences of 256 tokens. `fused` attention keeps no tables; `checkpoint` computes blocks again.

    >>> trace, predicted = step_trace(fused=True, checkpoint=True)
    >>> 0.9 < predicted / max(trace) < 1.1
    True
    """
    config, ids = replace(SMALL, num_kv_heads=SMALL.num_heads), token_ids(batch=4)
    net = TransformerLM(config, fused_attention=fused, checkpoint_blocks=checkpoint)
    trace = live_bytes(lambda: cross_entropy(net(ids), ids).backward())
    moments = memory_timeline(config, *ids.shape, recipe="fp32", fused_attention=fused, checkpoint=checkpoint)
    return trace, max(moment["gradients"] + moment["activations"] + moment["logits"] for moment in moments)


def profiled_flops(run: Callable[[], object]) -> int:
    """FLOPs of the matrix products in `run()`, as PyTorch's profiler counts them: a second opinion on `count_flops`.

    >>> profiled_flops(lambda: torch.ones(2, 3) @ torch.ones(3, 4))
    48
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # else the profiler prints its start and its stop
    with torch.profiler.profile(with_flops=True, activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        run()
    return sum(event.flops for event in profiler.key_averages() if event.key in ("aten::mm", "aten::bmm"))


def kept_bytes(net: TransformerLM, ids: Tensor) -> int:
    """Bytes that the forward pass and the loss keep for the backward pass, without the weights.

    >>> kept_bytes(small_model(), token_ids(1, 8)) < kept_bytes(small_model(), token_ids(2, 8))
    True
    """
    return saved_bytes(lambda: cross_entropy(net(ids), ids), net.parameters())


def recorded_steps() -> Iterator[tuple[str, float, float, float]]:
    """Training steps that were measured on GPUs: name, FLOPs per token, tokens per second, the datasheet's peak.

    >>> [name for name, *_ in recorded_steps()][:2]
    ['H100 bfloat16', 'H100 tf32']
    """
    for record in recorded():
        peaks = {ceiling["dtype"]: ceiling["datasheet"] for ceiling in record["ceilings"]}
        for step in record["steps"]:
            name = f"{record['card'].split()[1]} {step['dtype']}"
            yield name, step["flops_per_token"], step["tokens_per_s"], peaks[step["dtype"]]
