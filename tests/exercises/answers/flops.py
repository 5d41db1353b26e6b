"""Other ways to answer the exercises of 05, and slips that nobody declared."""

from math import prod

from lmcourse.flops import require_positive, shape_of, training_flops


def sizes_in_a_list(m, k, n):
    if any(size < 1 for size in [m, k, n]):
        raise ValueError("sizes")
    return int(2.0 * prod([m, k, n]))


def loops(config, batch, seq, *, causal=False):
    s = shape_of(config)
    total = {"head": 2 * batch * seq * s.d_model * s.vocab_size, "projections": 0, "attention": 0, "ffn": 0}
    for _ in range(s.num_layers):
        for columns in (s.num_heads, s.num_kv_heads, s.num_kv_heads, s.num_heads):
            total["projections"] += 2 * batch * seq * s.d_model * columns * s.d_head
        for position in range(seq):
            seen = position + 1 if causal else seq
            total["attention"] += 2 * (2 * batch * s.num_heads * seen * s.d_head)
        total["ffn"] += (3 if s.gated else 2) * 2 * batch * seq * s.d_model * s.d_ff
    return total


RIGHT = [
    ("matmul_flops", sizes_in_a_list),
    ("transformer_flops", loops),
    ("mfu", lambda f, t, peak, devices=1: None if peak is None else f / peak * t / devices),
    ("max_parameters", lambda devices, m, b=16: m / (b / devices)),
]


def changed(change):
    def flops(config, batch, seq, *, causal=False):
        return change(loops(config, batch, seq, causal=causal), shape_of(config))

    return flops


def without_shape_of(config, batch, seq, *, causal=False):
    """Right for a TransformerShape; a ModelConfig has no `gated`."""
    return loops(config, batch, seq, causal=causal) if config.gated is not None else {}


def by_kv_heads(parts, shape):
    return parts | {"attention": parts["attention"] * shape.num_kv_heads // shape.num_heads}


def at_most_one(params, tokens, devices, peak_flop_per_s, mfu):
    require_positive(params=params, tokens=tokens, devices=devices, peak_flop_per_s=peak_flop_per_s, mfu=mfu)
    return training_flops(params, tokens) / (devices * peak_flop_per_s * min(mfu, 1)) / 86_400


WRONG = [
    ("matmul_flops", lambda m, k, n: 2 * abs(m * k * n), "negative sizes"),
    ("matmul_flops", lambda m, k, n: 2 * m * m * n, "a square"),
    ("matmul_flops", lambda m, k, n: 2 * m * k * n or 1 / 0, "another exception"),
    ("transformer_flops", without_shape_of, "a ModelConfig is not asked for its shape"),
    ("transformer_flops", changed(by_kv_heads), "scores by kv heads"),
    ("transformer_flops", changed(lambda parts, s: parts | {"total": sum(parts.values())}), "a fifth part"),
    ("transformer_flops", changed(lambda parts, s: sum(parts.values())), "only the total"),
    ("transformer_flops", lambda config, batch, seq, causal=False: loops(config, batch, seq), "no mask"),
    ("mfu", lambda f, t, peak, devices=1: peak and f * t / peak, "one device"),
    ("mfu", lambda f, t, peak, devices=1: 0.0 if peak is None else f * t / peak / devices, "unknown is 0"),
    ("mfu", lambda f, t, peak, devices=1: peak and 100 * f * t / peak / devices, "per cent"),
    ("training_days", at_most_one, "an mfu above 1 becomes 1"),
    ("max_parameters", lambda devices, m, b=12: devices * m / b, "another default"),
    ("max_parameters", lambda devices, m, b=16: devices * m // b, "whole parameters"),
]  # fmt: skip
