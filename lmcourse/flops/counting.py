"""FLOPs, parameters and days: exact part by part, and as 6ND."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lmcourse.flops.shapes import TransformerShape, require_positive, shape_of

if TYPE_CHECKING:
    from lmcourse.model import ModelConfig

SECONDS_PER_DAY = 86_400


def matmul_flops(m: int, k: int, n: int) -> int:
    """FLOPs of an (m × k) matrix times a (k × n) matrix.

    Each of the m · n outputs takes k multiplications and k additions.

    Raises `ValueError` for a size that is not above zero.

    >>> matmul_flops(2, 3, 4)
    48
    """
    require_positive(m=m, k=k, n=n)
    return 2 * m * k * n


def projection_flops(tokens: int, d_model: int, num_heads: int, num_kv_heads: int, d_head: int) -> int:
    """FLOPs of one block's four projections on `tokens` tokens: Q, K, V, output.

    Q makes `num_heads` · `d_head` numbers for each token. K and V make
    `num_kv_heads` · `d_head` each. The output goes back from Q's width to `d_model`.

    >>> projection_flops(tokens=1, d_model=4, num_heads=2, num_kv_heads=1, d_head=2)
    96
    """
    query, key_value = num_heads * d_head, num_kv_heads * d_head
    q, k = matmul_flops(tokens, d_model, query), matmul_flops(tokens, d_model, key_value)
    v, output = k, matmul_flops(tokens, query, d_model)
    return q + k + v + output


def attention_flops(batch: int, seq: int, num_heads: int, d_head: int, *, causal: bool = False) -> int:
    """FLOPs of the two products of attention in one block: scores and mix.

    Both are made for each of `batch` sequences and each of `num_heads` heads, for
    every pair of a query and a key. There are seq · seq pairs; `causal` counts the
    seq · (seq + 1) / 2 that the mask allows.

    >>> attention_flops(1, 3, 1, 2), attention_flops(1, 3, 1, 2, causal=True)
    (72, 48)
    """
    pairs = seq * (seq + 1) // 2 if causal else seq * seq
    scores = batch * num_heads * matmul_flops(pairs, d_head, 1)
    mixing = scores
    return scores + mixing


def transformer_flops(
    config: ModelConfig | TransformerShape,
    batch: int,
    seq: int,
    *,
    causal: bool = False,
) -> dict[str, int]:
    """FLOPs of one forward pass over `batch` sequences of `seq` tokens, part by part.

    `projections`, `attention` and `ffn` are those of all layers together. An ffn has
    three matrices of d_model × d_ff where the shape is gated, else two. `head` is the
    output layer, a matrix of d_model × vocab_size; it runs once.

    >>> tiny = TransformerShape(7, 8, d_model=4, num_layers=1, num_heads=2, d_ff=3)
    >>> transformer_flops(tiny, batch=1, seq=2)
    {'projections': 256, 'attention': 64, 'ffn': 144, 'head': 112}
    """
    shape, tokens = shape_of(config), batch * seq
    matrices = 3 if shape.gated else 2
    layer = {
        "projections": projection_flops(tokens, shape.d_model, shape.num_heads, shape.num_kv_heads, shape.d_head),
        "attention": attention_flops(batch, seq, shape.num_heads, shape.d_head, causal=causal),
        "ffn": matrices * matmul_flops(tokens, shape.d_model, shape.d_ff),
    }
    parts = {name: shape.num_layers * flops for name, flops in layer.items()}
    return parts | {"head": matmul_flops(tokens, shape.d_model, shape.vocab_size)}


def transformer_params(config: ModelConfig | TransformerShape) -> dict[str, int]:
    """Parameters part by part; the parts sum to `sum(p.numel() for p in model.parameters())`.

    A tied head counts 0: it is the embedding again.

    >>> from lmcourse.flops import PUBLISHED
    >>> sum(transformer_params(PUBLISHED["GPT-2"].shape).values())
    124439808
    """
    shape = shape_of(config)
    d, layers = shape.d_model, shape.num_layers
    query, key_value = shape.num_heads * shape.d_head, shape.num_kv_heads * shape.d_head
    qkv_bias = query + 2 * key_value if shape.bias or shape.qkv_bias else 0
    ffn_bias = (2 * shape.d_ff if shape.gated else shape.d_ff) + d if shape.bias else 0
    norm = d if shape.norm == "rmsnorm" else 2 * d
    attention = d * (2 * query + 2 * key_value) + qkv_bias + (d if shape.bias else 0)
    return {
        "embedding": shape.vocab_size * d,
        "positions": shape.context_length * d if shape.positions == "learned" else 0,
        "attention": layers * (attention + (2 * shape.d_head if shape.qk_norm else 0)),
        "ffn": layers * ((3 if shape.gated else 2) * d * shape.d_ff + ffn_bias),
        "norms": (2 * layers + 1) * norm,
        "head": 0 if shape.tie_embeddings else shape.vocab_size * d,
    }


def training_flops(params: float, tokens: float) -> float:
    """6 · N · D: 2 FLOPs a parameter and token forward, 4 backward. To first order: no attention scores.

    >>> f"{training_flops(70e9, 15e12):.1e}"
    '6.3e+24'
    """
    require_positive(params=params, tokens=tokens)
    return 6 * params * tokens


def training_days(params: float, tokens: float, devices: int, peak_flop_per_s: float, mfu: float) -> float:
    """Days that a run of 6 · `params` · `tokens` FLOPs takes on `devices` devices.

    Each reaches a share `mfu` of its peak. Raises `ValueError` for a number that is
    not above zero, and for `mfu` above 1.

    >>> training_days(1e9, 86_400, devices=1, peak_flop_per_s=12e9, mfu=0.5)
    1.0
    """
    require_positive(params=params, tokens=tokens)
    require_positive(devices=devices, peak_flop_per_s=peak_flop_per_s, mfu=mfu)
    if mfu > 1:
        raise ValueError(f"mfu: a share between 0 and 1, got {mfu}")
    return training_flops(params, tokens) / (devices * peak_flop_per_s * mfu) / SECONDS_PER_DAY


def mfu(
    flops_per_token: float,
    tokens_per_s: float,
    peak_flop_per_s: float | None,
    devices: int = 1,
) -> float | None:
    """The model's FLOPs per second, as a share of the peak of all `devices` together.

    `peak_flop_per_s` is the peak of one device. Returns `None` where it is `None`:
    unknown. A share above 1 is returned as it is: then the time was measured wrongly.
    Definition: PaLM (arXiv 2204.02311), appendix B.

    >>> mfu(flops_per_token=6e9, tokens_per_s=50_000, peak_flop_per_s=989.4e12)
    0.30321406913280774
    >>> mfu(6e9, 50_000, None) is None
    True
    """
    if peak_flop_per_s is None:
        return None
    return flops_per_token * tokens_per_s / (devices * peak_flop_per_s)


CONVENTIONS: dict[str, str] = {
    "6N": "six FLOPs for every parameter, embeddings and norms included",
    "PaLM": "6N + 12·layers·heads·d_head·seq, N without position embeddings (nanoGPT)",
    "matmuls": "three times the forward matmuls, every pair of positions",
    "causal": "three times the forward matmuls, only pairs that the mask allows",
    "Kaplan": "six FLOPs for every parameter outside the embeddings and the head",
}


def flops_per_token(config: ModelConfig | TransformerShape, seq: int) -> dict[str, float]:
    """Training FLOPs a token (forward and backward) under the five conventions of `CONVENTIONS`.

    They are five answers to "what counts": a logged MFU means nothing until its convention is named.

    >>> from lmcourse.flops import PUBLISHED
    >>> {name: f"{flops:.3g}" for name, flops in flops_per_token(PUBLISHED["GPT-2"].shape, 1024).items()}
    {'6N': '7.47e+08', 'PaLM': '8.55e+08', 'matmuls': '8.54e+08', 'causal': '7.98e+08', 'Kaplan': '5.1e+08'}
    """
    shape, params = shape_of(config), transformer_params(config)
    total = sum(params.values())
    scores = 12 * shape.num_layers * shape.num_heads * shape.d_head * seq
    return {
        "6N": 6 * total,
        "PaLM": 6 * (total - params["positions"]) + scores,
        "matmuls": 3 * sum(transformer_flops(shape, 1, seq).values()) / seq,
        "causal": 3 * sum(transformer_flops(shape, 1, seq, causal=True).values()) / seq,
        "Kaplan": 6 * (params["attention"] + params["ffn"] + params["norms"]),
    }


def compute_optimal(flops: float, tokens_per_parameter: float = 20.0) -> tuple[float, float]:
    """Parameters N and tokens D with 6 · N · D = `flops` and D = `tokens_per_parameter` · N.

    Twenty tokens a parameter is what Hoffmann et al. found best for the loss at a fixed budget (arXiv 2203.15556).

    >>> params, tokens = compute_optimal(5.76e23)  # Chinchilla's own budget
    >>> f"{params:.2g} parameters, {tokens:.2g} tokens"
    '6.9e+10 parameters, 1.4e+12 tokens'
    """
    params = math.sqrt(flops / (6 * tokens_per_parameter))
    return params, tokens_per_parameter * params
