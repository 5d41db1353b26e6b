"""Exercises of notebook 09, a module each: cases, hints, typical wrong answers; predictions and quiz are here.

The references are in lmcourse.training and lmcourse.model. One exercise is plain Python: it is there, and judged, where
PyTorch is not (in a page of the book).
"""

from lmcourse.exercises.practice import training as practice
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
        block, transformer, train_step, rms_norm, swiglu, rotate, attention,
        cross_entropy, bits_per_byte, resume, sample_top_p,
    )  # fmt: skip
except ModuleNotFoundError:
    IN_ORDER = (bits_per_byte,)

topic = Topic("training", 9, practice)
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


# Quiz: what the core path answers, then *More*


topic.question(
    "A block adds what its parts give to x. What would be lost if it put their results in the place of x?",
    "What x held: each block would have to pass on all that the later ones need. Added, it stays, and the block "
    "only changes it.",
)
topic.question(
    "Your model's first loss is 9.2 with a vocabulary of 1,024. What should it be?",
    "A model that knows nothing gives each token 1/1024, and −ln(1/1024) = ln 1024 = 6.9. 9.2 is confident and "
    "wrong: weights that begin too large, or logits of a wrong scale.",
)
topic.question(
    "Why does train_step forget the gradient before backward?",
    "backward adds to the gradient that is there. Without zero_grad each step would go along the sum of all "
    "batches so far.",
)
topic.question(
    "The loss falls smoothly. What do the rules that the stories keep show beside it?",
    "What is learned, and in which order: spelling needs one word, a form a sentence, and the name must be "
    "carried through the whole story. A mean hides that.",
)
topic.question(
    "More: the loss falls below the bigram baseline in fifty steps and then to 0.01, on new text too. Good news?",
    "No: the answer is in the input. Look at the targets, which must be one token later, and at what attention may "
    "look at.",
)
topic.question(
    "More: what does rms_norm make of [2, 14], with gain [1, 1]? And what of [20, 140]?",
    "[0.2, 1.4], twice. The mean of the squares is 100, its root 10; in the second case it is 100. The length "
    "goes, the direction stays.",
)
topic.question(
    "More: why does cross-entropy subtract the largest logit, and why does that change neither value nor gradient?",
    "exp(89) overflows in float32. Subtracting one number from all logits multiplies every exp by the same "
    "factor, which cancels in the share.",
)
topic.question(
    "More: two models with different tokenizers have losses of 3.1 and 3.4 nats per token. Which one is better?",
    "Nobody can say. Compare bits per byte: loss · tokens / bytes / ln 2.",
)
topic.question(
    "More: name everything that a checkpoint must hold so that resume equals no-stop.",
    "Parameters, the optimizer's state, the step (and with it the schedule), the position in the data, the random "
    "generators; in the middle of an accumulation the partial gradients, and with fp16 the loss scale.",
)
topic.question(
    "More: what does a KV cache save, and what does it cost?",
    "The past's keys and values are not computed again: each new token costs one position. It costs memory, 2 · "
    "layers · kv heads · d_head numbers for each position.",
)
