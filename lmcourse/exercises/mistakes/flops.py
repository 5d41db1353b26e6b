"""Typical wrong answers of notebook 05; lmcourse.exercises.flops says which mistake each is."""

from lmcourse import flops


def one_per_product(m, k, n):
    """Counts multiply-adds (MACs), not FLOPs."""
    return flops.matmul_flops(m, k, n) // 2


def output_only(m, k, n):
    return flops.matmul_flops(m, k, n) // k


def exact_adds(m, k, n):
    """k products need k − 1 adds: true, and not what the field counts."""
    return flops.matmul_flops(m, k, n) - m * n


def _changed(config, batch, seq, causal, part, change):
    """The right answer with one part changed."""
    right = flops.transformer_flops(config, batch, seq, causal=causal)
    return right | {part: change(right[part])}


def always_two_matrices(config, batch, seq, *, causal=False):
    return _changed(
        config, batch, seq, causal, "ffn", lambda part: part * 2 // 3 if flops.shape_of(config).gated else part
    )


def scores_only(config, batch, seq, *, causal=False):
    """Counts Q Kᵀ and forgets the product with V."""
    return _changed(config, batch, seq, causal, "attention", lambda part: part // 2)


def ignores_kv_heads(config, batch, seq, *, causal=False):
    """Makes K and V as wide as Q."""
    wide = 2 * config.num_heads / (config.num_heads + config.num_kv_heads)
    return _changed(config, batch, seq, causal, "projections", lambda part: int(part * wide))


def one_sequence(config, batch, seq, *, causal=False):
    """Lets every token of the batch look at every other."""
    return _changed(config, batch, seq, causal, "attention", lambda part: part * batch)


def halves(config, batch, seq, *, causal=False):
    """Half of seq², where the mask allows seq · (seq + 1) / 2."""
    return _changed(config, batch, seq, False, "attention", lambda part: part // 2 if causal else part)


def usual_heads(config, batch, seq, *, causal=False):
    right = flops.transformer_flops(config, batch, seq, causal=causal)
    scale = config.d_model // config.num_heads / config.d_head
    return right | {name: int(right[name] * scale) for name in ("projections", "attention")}


def one_layer(config, batch, seq, *, causal=False):
    right = flops.transformer_flops(config, batch, seq, causal=causal)
    return {name: part if name == "head" else part // config.num_layers for name, part in right.items()}


def query_only(tokens, d_model, num_heads, num_kv_heads, d_head):
    return 2 * 2 * tokens * d_model * num_heads * d_head


def all_as_wide(tokens, d_model, num_heads, num_kv_heads, d_head):
    return 8 * tokens * d_model * num_heads * d_head


def three(tokens, d_model, num_heads, num_kv_heads, d_head):
    return 2 * tokens * d_model * (num_heads + 2 * num_kv_heads) * d_head


def square(tokens, d_model, num_heads, num_kv_heads, d_head):
    """Takes Q as d_model wide."""
    return 2 * tokens * d_model * (2 * d_model + 2 * num_kv_heads * d_head)


def one_product(batch, seq, num_heads, d_head, *, causal=False):
    return flops.attention_flops(batch, seq, num_heads, d_head, causal=causal) // 2


def whole_batch(batch, seq, num_heads, d_head, *, causal=False):
    return batch * flops.attention_flops(batch, seq, num_heads, d_head, causal=causal)


def never_causal(batch, seq, num_heads, d_head, *, causal=False):
    return flops.attention_flops(batch, seq, num_heads, d_head)


def half_of_all(batch, seq, num_heads, d_head, *, causal=False):
    """Half of seq², where the mask allows seq · (seq + 1) / 2."""
    return flops.attention_flops(batch, seq, num_heads, d_head) // (2 if causal else 1)


def one_head(batch, seq, num_heads, d_head, *, causal=False):
    return flops.attention_flops(batch, seq, 1, d_head, causal=causal)


def peak_of_one(flops_per_token, tokens_per_s, peak_flop_per_s, devices=1):
    return flops_per_token * tokens_per_s / peak_flop_per_s if peak_flop_per_s else None


def promises_one(flops_per_token, tokens_per_s, peak_flop_per_s, devices=1):
    """What is unknown becomes 1: an 'MFU' of ten billion."""
    return flops_per_token * tokens_per_s / (devices * (peak_flop_per_s or 1.0))


def inverted(flops_per_token, tokens_per_s, peak_flop_per_s, devices=1):
    return peak_flop_per_s and devices * peak_flop_per_s / (flops_per_token * tokens_per_s)


def at_most_one(flops_per_token, tokens_per_s, peak_flop_per_s, devices=1):
    return peak_flop_per_s and min(1.0, flops.mfu(flops_per_token, tokens_per_s, peak_flop_per_s, devices))


def rounded(flops_per_token, tokens_per_s, peak_flop_per_s, devices=1):
    return peak_flop_per_s and round(flops.mfu(flops_per_token, tokens_per_s, peak_flop_per_s, devices), 2)


def seconds(flops_per_token, tokens_per_s, peak_flop_per_s, devices=1):
    """Divides by the rate of tokens where it must multiply."""
    return peak_flop_per_s and flops_per_token / tokens_per_s / (devices * peak_flop_per_s)


def forward_only(params, tokens, devices, peak_flop_per_s, mfu):
    return flops.training_days(params, tokens, devices, peak_flop_per_s, mfu) / 3


def in_hours(params, tokens, devices, peak_flop_per_s, mfu):
    return flops.training_days(params, tokens, devices, peak_flop_per_s, mfu) * 24


def no_utilisation(params, tokens, devices, peak_flop_per_s, mfu):
    return flops.training_days(params, tokens, devices, peak_flop_per_s, mfu) * mfu


def believes_anything(params, tokens, devices, peak_flop_per_s, mfu):
    return 6 * params * tokens / (devices * peak_flop_per_s * mfu or 1.0) / 86_400


def of_one_device(params, tokens, devices, peak_flop_per_s, mfu):
    return flops.training_days(params, tokens, devices, peak_flop_per_s, mfu) * devices


def one_device(devices, memory_bytes, bytes_per_parameter=16):
    return memory_bytes / bytes_per_parameter


def binary(devices, memory_bytes, bytes_per_parameter=16):
    """Reads 80 GB as 80 GiB."""
    return devices * memory_bytes * 1.024**3 / bytes_per_parameter


def parameters_alone(devices, memory_bytes, bytes_per_parameter=16):
    """Four bytes a parameter: forgets gradients and the optimizer."""
    return devices * memory_bytes / 4
