"""Arithmetic or memory: FLOPs for every byte, and which of a chip's two limits an operation meets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmcourse.flops.counting import matmul_flops, transformer_params
from lmcourse.flops.shapes import TransformerShape, require_positive, shape_of

if TYPE_CHECKING:
    from lmcourse.model import ModelConfig


@dataclass(frozen=True)
class Cost:
    """What an operation computes, in FLOPs, and what it moves between memory and chip, in bytes.

    >>> matmul_cost(1024, 1024, 1024).intensity, elementwise_cost(1024).intensity  # FLOPs a byte
    (341.3333333333333, 0.25)
    """

    flops: float
    bytes: float

    @property
    def intensity(self) -> float:
        """FLOPs a byte."""
        return arithmetic_intensity(self.flops, self.bytes)


def arithmetic_intensity(flops: float, bytes_moved: float) -> float:
    """FLOPs for every byte that is read or written.

    >>> arithmetic_intensity(matmul_flops(1024, 1024, 1024), 3 * 1024**2 * 2)  # n / 3 in 16 bits
    341.3333333333333
    """
    return flops / bytes_moved


def ridge_point(peak_flop_per_s: float, bytes_per_s: float) -> float:
    """The intensity at which a chip's arithmetic and its memory take equally long; below it, memory decides.

    >>> round(ridge_point(989.4e12, 3.35e12))
    295
    """
    require_positive(peak_flop_per_s=peak_flop_per_s, bytes_per_s=bytes_per_s)
    return peak_flop_per_s / bytes_per_s


def roofline_flop_per_s(intensity: float, peak_flop_per_s: float, bytes_per_s: float) -> float:
    """The rate that an operation of this intensity can reach at best: the lower of the two ceilings.

    >>> f"{roofline_flop_per_s(1.0, 989.4e12, 3.35e12):.3g}"  # a matrix-vector product on an H100
    '3.35e+12'
    """
    return min(peak_flop_per_s, intensity * bytes_per_s)


def matmul_cost(m: int, k: int, n: int, element_bytes: int = 2) -> Cost:
    """Cost of a product whose three matrices cross the memory bus once each.

    >>> round(matmul_cost(1, 4096, 4096).intensity, 2)  # a vector times a matrix
    1.0
    """
    return Cost(matmul_flops(m, k, n), element_bytes * (m * k + k * n + m * n))


def elementwise_cost(numel: int, flops_per_element: float = 1, inputs: int = 1, element_bytes: int = 2) -> Cost:
    """Cost of an operation that reads `inputs` tensors and writes one, all of `numel` elements.

    >>> elementwise_cost(10**6).intensity, elementwise_cost(10**6, flops_per_element=20).intensity  # ReLU, GELU
    (0.25, 5.0)
    """
    return Cost(flops_per_element * numel, element_bytes * (inputs + 1) * numel)


def textbook_costs(rows: int, width: int, *, element_bytes: int = 2) -> dict[str, Cost]:
    """Costs of the operations that every roofline is explained with, on `rows` vectors of `width` numbers.

    >>> [round(cost.intensity, 2) for cost in textbook_costs(64, 4096).values()]
    [0.25, 5.0, 0.5, 1.0, 62.06, 1365.33]
    """
    require_positive(rows=rows, width=width, element_bytes=element_bytes)
    return {
        "ReLU": elementwise_cost(rows * width, element_bytes=element_bytes),
        "GELU": elementwise_cost(rows * width, flops_per_element=20, element_bytes=element_bytes),
        "dot product": Cost(2 * width, element_bytes * (2 * width + 1)),
        "vector × matrix": matmul_cost(1, width, width, element_bytes),
        "linear layer": matmul_cost(rows, width, width, element_bytes),
        "square matmul": matmul_cost(width, width, width, element_bytes),
    }


def model_costs(
    config: ModelConfig | TransformerShape, batch: int, seq: int, *, element_bytes: int = 2
) -> dict[str, Cost]:
    """Costs of the operations of one block's forward pass, and of the head and one AdamW step of the whole model.

    Softmax counts 5 FLOPs an element, a norm 4, the activation 20 for GELU and 6 for SiLU and its product, AdamW 12 a
    parameter with 28 bytes moved (reads parameter, gradient and two moments, writes three of them, in fp32).

    >>> from lmcourse.flops import PUBLISHED
    >>> costs = model_costs(PUBLISHED["GPT-2"].shape, batch=8, seq=1024)
    >>> costs["ffn"].intensity > 100 > costs["softmax"].intensity
    True
    """
    require_positive(batch=batch, seq=seq, element_bytes=element_bytes)
    shape, tokens, e = shape_of(config), batch * seq, element_bytes
    query, key_value = shape.num_heads * shape.d_head, shape.num_kv_heads * shape.d_head
    heads = batch * shape.num_heads
    matrices = 3 if shape.gated else 2
    params = sum(transformer_params(shape).values())
    scores = matmul_cost(seq, shape.d_head, seq, e)
    ffn = matmul_cost(tokens, shape.d_model, shape.d_ff, e)
    activation = elementwise_cost(tokens * shape.d_ff, 6 if shape.gated else 20, 2 if shape.gated else 1, e)
    return {
        "norm": elementwise_cost(tokens * shape.d_model, 4, 1, e),
        "projections": matmul_cost(tokens, shape.d_model, 2 * query + 2 * key_value, e),
        "scores": Cost(heads * scores.flops, heads * scores.bytes),
        "softmax": elementwise_cost(heads * seq * seq, 5, 1, e),
        "ffn": Cost(matrices * ffn.flops, matrices * ffn.bytes),
        "activation": activation,
        "head": matmul_cost(tokens, shape.d_model, shape.vocab_size, e),
        "optimizer": Cost(12 * params, 28 * params),
    }
