"""Exercises of notebook 05: cases, hints, typical wrong answers. The references are in lmcourse.flops."""

from lmcourse import flops
from lmcourse.exercises.judging import call
from lmcourse.exercises.topic import Topic

topic = Topic("flops", 5)
check, predict, quiz, ready = topic.check, topic.predict, topic.quiz, topic.ready


# 5.1


def _one_per_product(m, k, n):
    """Counts multiply-adds (MACs), not FLOPs."""
    return m * k * n


def _output_only(m, k, n):
    return 2 * m * n


def _exact_adds(m, k, n):
    """k products need k − 1 adds: true, and not what the field counts."""
    return m * n * (2 * k - 1)


topic.exercise(
    flops.matmul_flops,
    cases=[call(1, 1, 1), call(1, 1, 2), call(2, 3, 4), call(1, 4096, 4096), call(1024, 50257, 1600), call(0, 2, 2)],
    hints=(
        "Each of the m · n outputs is a dot product of k pairs.",
        "A pair costs one multiply and one add. Call require_positive(m=m, k=k, n=n) first: a size of 0 is refused.",
    ),
    wrong={
        "counts multiply-adds": _one_per_product,
        "forgets k": _output_only,
        "one add fewer": _exact_adds,
    },
    minutes=3,
    level=1,
)


# 5.2

_TINY = flops.TransformerShape(7, 8, d_model=4, num_layers=1, num_heads=2, d_ff=3)
_GROUPED = flops.TransformerShape(7, 8, d_model=8, num_layers=2, num_heads=4, d_ff=5, num_kv_heads=2)


def _changed(config, batch, seq, causal, part, change):
    """The right answer with one part changed."""
    right = flops.transformer_flops(config, batch, seq, causal=causal)
    return right | {part: change(right[part])}


def _always_two_matrices(config, batch, seq, *, causal=False):
    return _changed(config, batch, seq, causal, "ffn", lambda part: part * 2 // 3 if config.gated else part)


def _scores_only(config, batch, seq, *, causal=False):
    """Counts Q Kᵀ and forgets the product with V."""
    return _changed(config, batch, seq, causal, "attention", lambda part: part // 2)


def _ignores_kv_heads(config, batch, seq, *, causal=False):
    """Makes K and V as wide as Q."""
    wide = 2 * config.num_heads / (config.num_heads + config.num_kv_heads)
    return _changed(config, batch, seq, causal, "projections", lambda part: int(part * wide))


def _one_sequence(config, batch, seq, *, causal=False):
    """Lets every token of the batch look at every other."""
    return _changed(config, batch, seq, causal, "attention", lambda part: part * batch)


def _halves(config, batch, seq, *, causal=False):
    """Half of seq², where the mask allows seq · (seq + 1) / 2."""
    return _changed(config, batch, seq, False, "attention", lambda part: part // 2 if causal else part)


def _one_layer(config, batch, seq, *, causal=False):
    right = flops.transformer_flops(config, batch, seq, causal=causal)
    return {name: part if name == "head" else part // config.num_layers for name, part in right.items()}


topic.exercise(
    flops.transformer_flops,
    cases=[
        call(_TINY, 1, 2),
        call(_TINY, 1, 3, causal=True),
        call(flops.TransformerShape(7, 8, d_model=4, num_layers=1, num_heads=2, d_ff=3, gated=False), 1, 2),
        call(_GROUPED, 1, 5),
        call(_GROUPED, 3, 5, causal=True),
        call(flops.TransformerShape(50257, 1024, 1600, 48, 25, 6400), 1, 1024),
        call(_TINY, 0, 2),
    ],
    hints=(
        "Write down the (m, k, n) of every matmul in one block. The projections make 2 · num_heads · d_head (Q and the "
        "output) plus 2 · num_kv_heads · d_head (K and V) columns from d_model.",
        "Attention is two products for each sequence and head, Q Kᵀ and shares · V, each of 2 · pairs · d_head FLOPs; "
        "pairs is seq² or seq · (seq + 1) / 2. The FFN has three matrices when shape.gated, else two. The head runs "
        "once.",
    ),
    wrong={
        "two FFN matrices, always": _always_two_matrices,
        "forgets the product with V": _scores_only,
        "K and V as wide as Q": _ignores_kv_heads,
        "attention across the batch": _one_sequence,
        "half of all pairs": _halves,
        "one layer": _one_layer,
    },
    minutes=15,
    level=3,
)


# 5.3


def _peak_of_one(flops_per_token, tokens_per_s, peak_flop_per_s, devices=1):
    return flops_per_token * tokens_per_s / peak_flop_per_s if peak_flop_per_s else None


def _promises_one(flops_per_token, tokens_per_s, peak_flop_per_s, devices=1):
    """What is unknown becomes 1: an 'MFU' of ten billion."""
    return flops_per_token * tokens_per_s / (devices * (peak_flop_per_s or 1.0))


def _inverted(flops_per_token, tokens_per_s, peak_flop_per_s, devices=1):
    return peak_flop_per_s and devices * peak_flop_per_s / (flops_per_token * tokens_per_s)


def _seconds(flops_per_token, tokens_per_s, peak_flop_per_s, devices=1):
    """Divides by the rate of tokens where it must multiply."""
    return peak_flop_per_s and flops_per_token / tokens_per_s / (devices * peak_flop_per_s)


topic.exercise(
    flops.mfu,
    cases=[
        call(1.0, 1.0, 4.0),
        call(2.0, 3.0, 12.0),
        call(1.0, 1.0, 4.0, devices=2),
        call(6e9, 50_000.0, 989.4e12),
        call(6e9, 400_000.0, 989.4e12, 8),
        call(6e9, 50_000.0, None),
        call(6e9, 0.0, 989.4e12),
        call(6e9, 50_000.0, 0.0),
    ],
    hints=(
        "FLOPs a token times tokens a second is a rate in FLOP/s. All devices together have devices · peak.",
        "When the peak is None there is nothing to divide by, and the honest answer is None.",
    ),
    wrong={
        "the peak of one device": _peak_of_one,
        "an unknown peak is 1": _promises_one,
        "upside down": _inverted,
        "divides by tokens a second": _seconds,
    },
    minutes=5,
    level=1,
)


# 5.4


def _forward_only(params, tokens, devices, peak_flop_per_s, mfu):
    return flops.training_days(params, tokens, devices, peak_flop_per_s, mfu) / 3


def _in_hours(params, tokens, devices, peak_flop_per_s, mfu):
    return flops.training_days(params, tokens, devices, peak_flop_per_s, mfu) * 24


def _no_utilisation(params, tokens, devices, peak_flop_per_s, mfu):
    return flops.training_days(params, tokens, devices, peak_flop_per_s, mfu) * mfu


def _believes_anything(params, tokens, devices, peak_flop_per_s, mfu):
    """Accepts 200 % of the peak."""
    return 6 * params * tokens / (devices * peak_flop_per_s * mfu) / 86_400


topic.exercise(
    flops.training_days,
    cases=[
        call(1.0, 86_400.0, 1, 6.0, 1.0),
        call(1.0, 86_400.0, 2, 6.0, 0.5),
        call(124e6, 10e9, 8, 312e12, 0.35),
        call(70e9, 15e12, 1024, 989.5e12, 0.5),
        call(70e9, 15e12, 1024, 989.5e12, 2.0),
        call(70e9, 0.0, 1024, 989.5e12, 0.5),
    ],
    hints=(
        "Days are FLOPs divided by FLOP/s, divided by the seconds of a day.",
        "training_flops(params, tokens) is the amount; devices · peak_flop_per_s · mfu is the rate. No chip runs above "
        "its peak: refuse an mfu above 1 with a ValueError.",
    ),
    wrong={
        "2ND: no backward pass": _forward_only,
        "hours": _in_hours,
        "forgets the utilisation": _no_utilisation,
        "accepts 200 %": _believes_anything,
    },
    minutes=5,
    level=2,
)


# 5.5


def _one_device(devices, memory_bytes, bytes_per_parameter=16):
    return memory_bytes / bytes_per_parameter


def _binary(devices, memory_bytes, bytes_per_parameter=16):
    """Reads 80 GB as 80 GiB."""
    return devices * memory_bytes * 1.024**3 / bytes_per_parameter


def _parameters_alone(devices, memory_bytes, bytes_per_parameter=16):
    """Four bytes a parameter: forgets gradients and the optimizer."""
    return devices * memory_bytes / 4


topic.exercise(
    flops.max_parameters,
    cases=[
        call(1, 16.0),
        call(2, 16.0, 4.0),
        call(8, 80e9),
        call(8, 80e9, 12),
        call(8, 0.0),
    ],
    hints=(
        "All devices together hold devices · memory_bytes.",
        "Every parameter costs bytes_per_parameter, gradients and optimizer included. Call require_positive on all "
        "three.",
    ),
    wrong={
        "one device": _one_device,
        "GB read as GiB": _binary,
        "parameters alone": _parameters_alone,
    },
    minutes=3,
    level=1,
)


# Predictions

topic.prediction(
    "attention_at_16k",
    answer=55,
    unit="%",
    tolerance=0.1,
    why="Attention grows with seq², everything else with seq: sixteen times the context is sixteen times its weight.",
    remarks={7: "That is its share at 1,024 tokens.", 112: "A share: the other parts grow too, sixteenfold."},
)
topic.prediction(
    "backward_ratio",
    answer=1.2,
    tolerance=0.02,
    why="The first layer's input is data and needs no gradient: of its two backward matmuls one falls away.",
    remarks={2: "That is the rule for a layer in the middle; here most of the weights sit in the first one."},
)
topic.prediction(
    "largest_on_8_h100",
    answer=40e9,
    tolerance=0.05,
    why="8 · 80e9 bytes / 16 bytes a parameter. Activations, and anything that is not split, come on top.",
    remarks={
        160e9: "That is with 4 bytes a parameter: gradients and two moments are missing.",
        5e9: "That is one H100.",
    },
)

# The closing quiz

topic.question(
    "FLOPs or FLOP/s: which of the two does a chip have, which a training run?",
    "A chip has a rate (FLOP/s), a run needs an amount (FLOPs). Amount divided by rate is time.",
)
topic.question(
    "Where do the three twos of 6ND come from?",
    "A multiply and an add for each weight: 2 forward. Backward does it twice, once for the gradient of the weight and "
    "once for the gradient of the input: 4.",
)
topic.question(
    "When does 6ND mislead you?",
    "At long context (the scores are not in it), when embeddings are a large part of N (a lookup is no matmul), when "
    "parts are frozen, and with mixture of experts, where only some parameters see a token.",
)
topic.question(
    "Why is the backward pass of the first layer cheaper?",
    "Its input is data: nobody asks for that gradient, so one of the two matmuls falls away.",
)
topic.question(
    "Two teams log MFU 40 % and 55 % for the same run. How?",
    "By two conventions: what counts as the model's FLOPs (embeddings, attention, causal or not), and which peak "
    "(dense or sparse, datasheet or measured).",
)
topic.question(
    "An MFU of 130 %: what do you check first?",
    "That the clock waited for the device (synchronize), then the peak: the wrong dtype's or the wrong card's.",
)
topic.question(
    "A ReLU over a large tensor reaches a thousandth of the peak. What is wrong?",
    "Nothing: it does a quarter of a FLOP a byte, so memory decides. Only fewer bytes make it faster (fusing it).",
)
topic.question(
    "Where do 16 bytes a parameter go in mixed precision, and which 4 can be saved?",
    "2 for the weight, 2 for its gradient, 4 for the fp32 master copy, 8 for two moments. Without the master copy it "
    "is 12, and small updates are lost to rounding.",
)
topic.question(
    "What does activation checkpointing buy, and what does it cost?",
    "Memory for activations falls to one block's input a layer; one more forward pass is computed: 8ND instead of 6ND. "
    "MFU does not count it, HFU does.",
)
