"""Exercises of notebook 09, a module each: cases, hints, typical wrong answers; predictions and quiz are here.

The references are in lmcourse.training and lmcourse.model. One exercise is plain Python: it is there, and judged, where
PyTorch is not (in a page of the book).
"""

from lmcourse.exercises.topic import Topic
from lmcourse.exercises.training import bits_per_byte

try:
    from lmcourse.exercises.training import (
        attention,
        block,
        cross_entropy,
        resume,
        rms_norm,
        rotate,
        sample_top_p,
        swiglu,
        train_step,
        transformer,
    )

    IN_ORDER = (
        rms_norm, block, transformer, train_step, swiglu, rotate, attention,
        cross_entropy, bits_per_byte, resume, sample_top_p,
    )  # fmt: skip
except ModuleNotFoundError:
    IN_ORDER = (bits_per_byte,)

topic = Topic("training", 9)
check, predict, quiz, ready = topic.check, topic.predict, topic.quiz, topic.ready
for _exercise in IN_ORDER:
    _exercise.declare(topic)


# Predictions


topic.prediction(
    "perplexity",
    answer=1024.0,
    tolerance=0.02,
    why="Nothing known means all tokens alike: −ln(1/1024) = ln 1024 nats, and e to that is 1024.",
    remarks={6.93: "That is the loss, ln 1024. Perplexity is e to that.", 10: "That is the loss in bits, log₂ 1024."},
)
topic.prediction(
    "left_out",
    answer="rng",
    why="This model has no dropout, and BatchSampler makes its order from seed and position: nothing here draws from "
    "the global generators. With dropout the same checkpoint would not be enough.",
    remarks={
        "step": "The schedule reads the step: without it the run warms up again.",
        "data": "Without its place the loader begins again with the first batch.",
        "optimizer": "Without its averages AdamW starts cold, in the middle of the run.",
        "model": "Then everything that was learnt is gone.",
    },
)
topic.prediction(
    "gallery",
    answer="CEBDA",
    why="Look at what each mistake lets the model do, not at how bad the curve looks: the table below says it.",
)
topic.prediction(
    "cache",
    answer=119,
    why="The prompt once, 20 positions, and then one position for each token that is fed back: 20 + 99.",
    remarks={
        120: "The last token is written, but never read.",
        6950: "That is without the cache: 20 + 21 + … + 119.",
        100: "The prompt has to be read, too.",
    },
)


# Quiz


topic.question(
    "Why does cross-entropy subtract the largest logit, and why does that change neither value nor gradient?",
    "exp(89) overflows in float32. Subtracting one number from all logits multiplies every exp by the same factor, "
    "which cancels in the share.",
)
topic.question(
    "Two models with different tokenizers have losses of 3.1 and 3.4 nats a token. Which one is better?",
    "Nobody can say. Compare bits per byte: loss · tokens / bytes / ln 2.",
)
topic.question(
    "Your model's first loss is 9.2 with a vocabulary of 1,024. What do you look at?",
    "ln 1024 is 6.9, and a model that knows nothing should be there. 9.2 is confident and wrong: the initialization of "
    "the head or of the embedding, or logits of a wrong scale.",
)
topic.question(
    "Why is the micro-batch's loss divided by the number of micro-batches?",
    "backward adds up gradients. The sum of the parts' means is too long by that number; divided, it is the gradient "
    "of the large batch's mean.",
)
topic.question(
    "The training loss falls below the bigram baseline in fifty steps and then to 0.01. Is that good news?",
    "No: the answer is in the input. Look at the shift of the targets and at the causal mask.",
)
topic.question(
    "Name everything that a checkpoint must hold so that resume equals no-stop.",
    "Parameters, the optimizer's state, the step (and with it the schedule), the position in the data, the random "
    "generators; in the middle of an accumulation the partial gradients, and with fp16 the loss scale.",
)
topic.question(
    "Why does fp16 need a GradScaler and bf16 none?",
    "fp16 has no number below 6e-8: small gradients become 0. bf16 has float32's exponents, and fewer digits.",
)
topic.question(
    "What does top-p do where the model is certain, and where it is not? And top-k?",
    "Top-p keeps few tokens where few have the mass, and many where many share it. Top-k keeps k in both places.",
)
topic.question(
    "What does a KV cache save, and what does it cost?",
    "The past's keys and values are not computed again: each new token costs one position. It costs memory, "
    "2 · layers · kv heads · d_head numbers for each position.",
)
topic.question(
    "Data parallelism or FSDP: what does each keep on every GPU?",
    "Data parallelism keeps the whole model, its gradients and the optimizer's state on each, and averages gradients. "
    "FSDP keeps a share of each and gathers a layer's weights when it is their turn.",
)
