"""Exercises of notebook 05: cases and hints. References: lmcourse.flops; wrong answers: mistakes."""

import itertools
import math
import random
from collections.abc import Iterator

from lmcourse import flops
from lmcourse.exercises.cases import call
from lmcourse.exercises.judging import Call
from lmcourse.exercises.mistakes import flops as mistakes
from lmcourse.exercises.practice import flops as practice
from lmcourse.exercises.topic import Topic

topic = Topic("flops", 5, practice)
check, predict, quiz, ready = topic.check, topic.predict, topic.quiz, topic.ready


# 5.1


def _matmul_cases() -> Iterator[Call]:
    for sizes in itertools.product((1, 2, 3), repeat=3):
        yield call(*sizes)
    for sizes in ((0, 2, 2), (2, 0, 2), (2, 2, 0), (-1, 2, 2), (2, -1, 2), (2, 2, -1), (-1, -2, 2)):
        yield call(*sizes)  # refused
    dice = random.Random(0)
    for largest in (10, 100, 10_000, 100_000):
        for _ in range(10):
            yield call(*(dice.randint(1, largest) for _ in range(3)))


topic.exercise(
    flops.matmul_flops,
    cases=_matmul_cases,
    hints=(
        "Each of the m · n outputs is a dot product of k pairs.",
        "A pair costs one multiply and one add. Call require_positive(m=m, k=k, n=n) first: a size of 0 is refused.",
    ),
    wrong={
        "the factor 2 is missing: a pair costs a multiplication and an addition": mistakes.one_per_product,
        "the length k of the dot products is missing": mistakes.output_only,
        "k − 1 adds for k products: true, and not what the field counts": mistakes.exact_adds,
        "takes sizes of 0 and less": lambda m, k, n: 2 * m * k * n,
    },
    minutes=6,
    level=1,
)


# 5.2

_S = flops.TransformerShape
_TINY = _S(7, 8, d_model=4, num_layers=1, num_heads=2, d_ff=3)
_GROUPED = _S(7, 8, d_model=8, num_layers=2, num_heads=4, d_ff=5, num_kv_heads=2)
_WIDE_HEADS = _S(7, 8, d_model=8, num_layers=3, num_heads=4, d_ff=5, num_kv_heads=1, d_head=16)


def _random_shape(dice: random.Random) -> flops.TransformerShape:
    kv, group, d_head = dice.randint(1, 3), dice.randint(1, 3), dice.randint(1, 9)
    d_model, sizes = kv * group * dice.randint(1, 6), [dice.randint(1, 40) for _ in range(4)]
    return _S(sizes[0], 64, d_model, sizes[1], kv * group, sizes[2], kv, d_head, gated=dice.random() < 0.5)


def _transformer_cases() -> Iterator[Call]:
    for seq, causal in itertools.product((1, 2, 3), (False, True)):
        yield call(_TINY, 1, seq, causal=causal)
    plain = _S(7, 8, d_model=4, num_layers=1, num_heads=2, d_ff=3, gated=False)
    for shape in (plain, _GROUPED, _WIDE_HEADS):
        for batch, causal in itertools.product((1, 3), (False, True)):
            yield call(shape, batch, 5, causal=causal)
    dice = random.Random(0)
    for _ in range(40):
        yield call(_random_shape(dice), dice.randint(1, 9), dice.randint(1, 64), causal=dice.random() < 0.5)
    yield call(_S(50257, 1024, 1600, 48, 25, 6400), 1, 1024)
    yield from _model_config_cases()


def _model_config_cases() -> Iterator[Call]:
    """A ModelConfig has no `gated`: `shape_of` knows. None where PyTorch is absent."""
    try:
        from lmcourse.model import ModelConfig
    except ModuleNotFoundError:
        return
    for num_kv_heads, causal in itertools.product((None, 2), (False, True)):
        yield call(ModelConfig(7, 8, 8, 2, 4, 5, num_kv_heads), 2, 5, causal=causal)


topic.exercise(
    flops.transformer_flops,
    cases=_transformer_cases,
    hints=(
        "Begin with shape = shape_of(config) and the tokens, batch · seq. Then one layer: projection_flops, "
        "attention_flops, and the matrices of the ffn, three where shape.gated, else two.",
        "Multiply each of the three by shape.num_layers. Add the key head: one product of tokens × d_model with "
        "d_model × vocab_size.",
    ),
    wrong={
        "two FFN matrices, also where the shape is gated": mistakes.always_two_matrices,
        "one product of attention, without the one with V": mistakes.scores_only,
        "K and V as wide as Q": mistakes.ignores_kv_heads,
        "every token looks at the whole batch": mistakes.one_sequence,
        "half of seq², where the mask allows seq · (seq + 1) / 2": mistakes.halves,
        "one layer of many": mistakes.one_layer,
        "heads of d_model / num_heads, whatever d_head is": mistakes.usual_heads,
    },
    minutes=12,
    level=2,
)


# 5.2a


def _projection_cases() -> Iterator[Call]:
    yield call(1, 1, 1, 1, 1)
    yield call(1, 4, 2, 1, 2)
    yield call(3, 4, 2, 2, 2)
    yield call(2, 8, 4, 2, 16)
    dice = random.Random(0)
    for _ in range(40):
        kv = dice.randint(1, 4)
        heads = kv * dice.randint(1, 4)
        yield call(dice.randint(1, 999), dice.randint(1, 99), heads, kv, dice.randint(1, 99))


topic.exercise(
    flops.projection_flops,
    of="transformer_flops",
    cases=_projection_cases,
    hints=(
        "Four products, each matmul_flops(m, k, n). For Q: m is tokens, k is d_model, n is num_heads · d_head.",
        "K and V are alike: n is num_kv_heads · d_head. The output goes the other way: k is num_heads · d_head, n is "
        "d_model. Return the sum of the four.",
    ),
    wrong={
        "K and V as wide as Q": mistakes.all_as_wide,
        "Q and the output only: K and V are missing": mistakes.query_only,
        "Q, K and V only: the output projection is missing": mistakes.three,
        "Q is taken to be d_model wide, whatever num_heads · d_head is": mistakes.square,
    },
    minutes=8,
    level=1,
)


# 5.2b


def _attention_cases() -> Iterator[Call]:
    for seq, causal in itertools.product((1, 2, 3), (False, True)):
        yield call(1, seq, 1, 2, causal=causal)
    yield call(2, 3, 2, 4)  # not causal, unless it is said
    dice = random.Random(0)
    for _ in range(40):
        sizes = [dice.randint(1, 64) for _ in range(4)]
        yield call(*sizes, causal=dice.random() < 0.5)


topic.exercise(
    flops.attention_flops,
    of="transformer_flops",
    cases=_attention_cases,
    hints=(
        "First the number of pairs of one head: seq * seq, or with causal seq * (seq + 1) // 2.",
        "A pair costs a dot product of d_head numbers, 2 · d_head FLOPs, in the scores, and the same again with V. "
        "Multiply by batch and by num_heads.",
    ),
    wrong={
        "one product of attention, without the one with V": mistakes.one_product,
        "every token looks at the whole batch": mistakes.whole_batch,
        "causal is ignored": mistakes.never_causal,
        "half of seq², where the mask allows seq · (seq + 1) / 2": mistakes.half_of_all,
        "one attention head of many": mistakes.one_head,
    },
    minutes=10,
    level=2,
)


# 5.3


def _mfu_cases() -> Iterator[Call]:
    for devices in (1, 2, 3):
        yield call(1.0, 1.0, 4.0, devices)
        yield call(1.0, 1.0, None, devices)
    yield call(2.0, 3.0, 12.0)
    yield call(6e9, 400_000.0, 600e12)  # above 1: a wrong clock or a wrong peak, to be seen
    dice = random.Random(0)
    for _ in range(40):
        yield call(dice.uniform(1e6, 1e12), dice.uniform(1, 1e7), dice.uniform(1e12, 1e15), dice.randint(1, 4096))


topic.exercise(
    flops.mfu,
    cases=_mfu_cases,
    hints=(
        "FLOPs per token times tokens per second is a rate in FLOP/s. All devices together have devices · peak.",
        "When the peak is None there is nothing to divide by, and the honest answer is None.",
    ),
    wrong={
        "all devices held against the peak of one": mistakes.peak_of_one,
        "an unknown peak counts as 1 FLOP/s": mistakes.promises_one,
        "the peak divided by the rate: upside down": mistakes.inverted,
        "divides by tokens per second, where they multiply": mistakes.seconds,
        "never above 1, so that a wrong peak is hidden": mistakes.at_most_one,
        "rounded to whole per cents": mistakes.rounded,
    },
    minutes=6,
    level=1,
)


# 5.4


def _days_cases() -> Iterator[Call]:
    yield call(1.0, 86_400.0, 1, 6.0, 1.0)
    yield call(1.0, 86_400.0, 2, 6.0, 0.5)
    yield call(0.5, 86_400.0, 1, 0.75, 0.5)  # above zero is enough
    good = [7e9, 1e12, 8, 1e15, 0.5]
    for place, bad in itertools.product(range(5), (0, -1)):
        yield call(*good[:place], bad, *good[place + 1 :])  # refused
    for mfu in (math.nextafter(1.0, 2.0), 1.5, 50.0):
        yield call(*good[:4], mfu)  # refused
    dice = random.Random(0)
    for _ in range(40):
        run = dice.uniform(1e6, 1e12), dice.uniform(1e6, 1e14), dice.randint(1, 20_000)
        yield call(*run, dice.uniform(1e12, 3e15), dice.uniform(0.01, 1))


topic.exercise(
    flops.training_days,
    cases=_days_cases,
    hints=(
        "Days are FLOPs divided by FLOP/s, divided by the seconds of a day.",
        "training_flops(params, tokens) is the amount; devices · peak_flop_per_s · mfu is the rate. Keep the lines "
        "that were given: they refuse what cannot be.",
    ),
    wrong={
        "2ND: the backward pass is missing": mistakes.forward_only,
        "this is hours; days were asked": mistakes.in_hours,
        "every chip at its peak: the utilisation is missing": mistakes.no_utilisation,
        "takes an mfu above 1, and numbers of 0 and less": mistakes.believes_anything,
        "the days of one device": mistakes.of_one_device,
    },
    minutes=8,
    level=1,
)


# 5.5


def _largest_cases() -> Iterator[Call]:
    for devices, bytes_per_parameter in itertools.product((1, 2, 3), (16, 4.0, 12)):
        yield call(devices, 16.0, bytes_per_parameter)
    yield call(1, 32.0)
    dice = random.Random(0)
    for _ in range(30):
        yield call(dice.randint(1, 4096), dice.uniform(1e9, 2e11), dice.uniform(1, 20))


topic.exercise(
    flops.max_parameters,
    cases=_largest_cases,
    hints=(
        "All devices together hold devices · memory_bytes.",
        "Every parameter costs bytes_per_parameter, gradients and optimizer included.",
    ),
    wrong={
        "rounded down: the quotient is asked as it is": lambda devices, m, b=16: devices * m // b,
        "what fits on one device": mistakes.one_device,
        "80 GB read as 80 GiB": mistakes.binary,
        "4 bytes a parameter: gradients and optimizer are missing": mistakes.parameters_alone,
    },
    minutes=6,
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
    why="8 · 80e9 bytes / 16 bytes per parameter. Activations, and anything that is not split, come on top.",
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
    "At long context: the two products of attention are not in it. And with a mixture of experts, where a token sees "
    "only some of the parameters.",
)
topic.question(
    "Where do 16 bytes per parameter go in mixed precision?",
    "2 for the weight, 2 for its gradient, 4 for the master copy, 8 for two moments of 4 bytes each.",
)
topic.question(
    "More: What does activation checkpointing buy, and what does it cost?",
    "Only what goes into each block is kept, so memory falls. The inside is computed again on the way back, "
    "which is one more forward pass.",
)
topic.question(
    "More: Which 4 of the 16 bytes per parameter can be saved, and at what price?",
    "Those of the master copy. Without it 12 bytes are left, and small updates are lost to rounding.",
)
topic.question(
    "More: Why is the backward pass of the first layer cheaper?",
    "Its input is data: nobody asks for that gradient, so one of the two matmuls falls away.",
)
topic.question(
    "More: Two teams log MFU 40 % and 55 % for the same run. How?",
    "By two conventions: what counts as the model's FLOPs (embeddings, attention, causal or not), and which peak "
    "(dense or sparse, promised or measured).",
)
topic.question(
    "More: An MFU of 130 %: what do you check first?",
    "That the clock waited for the device (synchronize), then the peak: the wrong dtype's or the wrong card's.",
)
topic.question(
    "More: A ReLU over a large tensor reaches a thousandth of the peak. What is wrong?",
    "Nothing: it does a quarter of a FLOP per byte, so memory decides. Only fewer bytes make it faster (fusing it).",
)
