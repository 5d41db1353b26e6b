"""Practice beside notebook 05: see the package."""

SLIPS = {
    "transformer_flops": {
        "two FFN matrices, also where the shape is gated": ("matrices = 3 if shape.gated else 2", "matrices = 2"),
        "one layer of many": ("shape.num_layers * flops for", "flops for"),
    },
    "projection_flops": {
        "K and V as wide as Q": ("num_kv_heads * d_head", "num_heads * d_head"),
        "Q is taken to be d_model wide, whatever num_heads · d_head is": (
            "query, key_value = num_heads * d_head,",
            "query, key_value = d_model,",
        ),
        "Q, K and V only: the output projection is missing": ("return q + k + v + output", "return q + k + v"),
    },
    "attention_flops": {
        "half of seq², where the mask allows seq · (seq + 1) / 2": ("seq * (seq + 1) // 2", "seq * seq // 2"),
        "one product of attention, without the one with V": ("return scores + mixing", "return scores"),
        "one attention head of many": ("batch * num_heads * matmul_flops", "batch * matmul_flops"),
    },
}

WHY = {
    "matmul_flops": (
        "What are the two operations that the 2 in `2 * m * k * n` counts?",
        "One multiplication and one addition, for each pair of numbers that meet. There are m · n results, each a sum "
        "of k products.",
    ),
    "transformer_flops": (
        'Why is `"head"` added after the layers were multiplied by `shape.num_layers`?',
        "The output head is there once, whatever the depth. Inside of the layers it would be counted once for each.",
    ),
    "projection_flops": (
        "Why may `v, output = k, ...` take V's cost from K?",
        "Both matrices have one size, d_model times num_kv_heads · d_head. They cost the same, and both are counted.",
    ),
    "attention_flops": (
        "Why is it `seq * (seq + 1) // 2` with a causal mask, and not half of seq · seq?",
        "Position t sees itself and the t before it. With 3 positions that is 1 + 2 + 3 = 6 pairs, and half of nine is "
        "4.5.",
    ),
    "mfu": (
        "Why does `return None` stand there for a peak that is unknown, and not a guess?",
        "A guess would give a number that looks measured. None says that nobody knows, and a table can show that.",
    ),
    "training_days": (
        "In `devices * peak_flop_per_s * mfu`, what does `mfu` make of the datasheet's number?",
        "The rate that the run reaches. At an MFU of 0.4 a chip does 40 % of its peak, and the days become 2.5 times "
        "as many.",
    ),
    "max_parameters": (
        "Where do the 16 bytes of `bytes_per_parameter` come from?",
        "Four each for the weight, its gradient and AdamW's two averages, all in float32. Activations come on top.",
    ),
}
