"""The predictions of the notebooks asked once more: in full sentences, and with other numbers where a rule gives them.

A prediction that no rule computes is asked as it was. Which numbers a day has depends on the day alone, so that every
machine asks the same. Python's own numbers are enough here: a page has no PyTorch.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

VARIANTS = 8  # so many sets of numbers each prediction has, one a day, in turn
LEFT_OUT = {"training.gallery": "it is asked of a figure"}


@dataclass(frozen=True)
class Asked:
    """A question in words; `answer` None means that of the notebook's own prediction, with its reason."""

    text: str
    answer: Any = None
    why: str = ""
    tolerance: float = 0.0
    unit: str = ""
    also: tuple = ()


ASKED: dict[str, Callable[[random.Random], Asked]] = {}


def asked(key: str, day: date | int) -> Asked:
    """A prediction as it is asked on a day, or with the numbers of a variant from 0 to VARIANTS − 1.

    >>> asked("start.first_loss", 0).text
    'A model that knows nothing has a vocabulary of 100 tokens. What is its loss?'
    """
    number = day if isinstance(day, int) else day.toordinal() % VARIANTS
    return ASKED[key](random.Random(f"{key} {number}"))


def _ask(key: str) -> Callable:
    def keep(make: Callable) -> Callable:
        ASKED[key] = make
        return make

    return keep


def _as_it_was(key: str, text: str) -> None:
    ASKED[key] = lambda dice: Asked(text)


# 00 and 01


@_ask("start.first_loss")
def _first_loss(dice):
    size = dice.choice((100, 500, 1000, 8000, 32_000, 50_257, 100_277, 128_000))
    text = f"A model that knows nothing has a vocabulary of {size:,} tokens. What is its loss?"
    return Asked(text, math.log(size), f"Each token has the share 1/{size:,}, and −ln of that is ln {size:,}.", 0.03)


@_ask("tokenization.bytes")
def _bytes(dice):
    text = "".join(dice.sample(("Hello", "ok", "né", "你好", "naïve", "🌍", "日本", "über", "!?"), 3))
    each = ", ".join(f"{letter} {len(letter.encode())}" for letter in dict.fromkeys(text) if len(letter.encode()) > 1)
    return Asked(
        f"How many UTF-8 bytes has {text}?", len(text.encode()), f"ASCII takes one each; {each or 'no other'}."
    )


@_ask("tokenization.overlaps")
def _overlaps(dice):
    runs = [dice.randint(2, 6) for _ in range(3)]
    text = "b".join("a" * run for run in runs)
    why = f"Each run of a gives half of its length, rounded down: {' + '.join(str(run // 2) for run in runs)}."
    return Asked(f"In {text}: how often can aa be merged, from left to right?", sum(run // 2 for run in runs), why)


@_ask("tokenization.rank")
def _rank(dice):
    x, y, z = dice.sample("abcdefgh", 3)
    right = dice.random() < 0.5
    first, second = ((y, z), (x, y)) if right else ((x, y), (y, z))
    parts = [x, y + z] if right else [x + y, z]
    text = (
        f"Two merges were learned: first ({first[0]}, {first[1]}), then ({second[0]}, {second[1]}). Into which parts "
        f"is {x}{y}{z} encoded? Separate them by commas."
    )
    return Asked(text, parts, f"({first[0]}, {first[1]}) was learned first, so it merges first; then the other cannot.")


# 02

_as_it_was("float_formats.finfo_min", "What is torch.finfo(torch.float16).min?")
_as_it_was(
    "float_formats.a_thousand_cents", "You add 0.01 a thousand times in bfloat16. At which number do you arrive?"
)


@_ask("float_formats.counting")
def _counting(dice):
    digits = dice.choice((3, 4, 8, 10, 11, 12, 24))
    text = f"You count by ones in a format with {digits} binary digits, the leading one among them. Where does it stop?"
    return Asked(
        text, 2**digits, f"Beyond 2^{digits} the numbers lie 2 apart, and a tie goes to the even one: back to it."
    )


@_ask("float_formats.past_the_largest")
def _past_the_largest(dice):
    number = dice.choice((65_505, 65_510, 65_515, 65_518, 65_520, 65_525, 65_530, 66_000))
    text = f"The largest number of float16 is 65504, and 65472 the one before it. What does it make of {number}?"
    why = f"65536 would be next. {number} is {'nearer to 65504' if number < 65_520 else 'not nearer to 65504'}; "
    return Asked(text, 65504.0 if number < 65_520 else math.inf, why + "halfway, at 65520, the tie goes to Inf.")


# 03


@_ask("strides.double_add")
def _double_add(dice):
    rows = dice.randint(2, 9)
    text = (
        f"zeros has {rows + 1} zeros in a row. zeros.as_strided(({rows}, 2), (1, 1)).add_(1) is called. What is in "
        "the storage afterwards?"
    )
    why = "A step down and a step right both skip one: the inner elements are each reached by two indices."
    return Asked(text, [1.0] + [2.0] * (rows - 1) + [1.0], why)


_as_it_was(
    "strides.copies",
    "m is a table of 3 rows of 4. Which of these copy? A: m.T[1:]   B: m[[0, 1]]   C: m[:2] + 0   D: m.view(12)[::5]",
)


@_ask("strides.kept_alive")
def _kept_alive(dice):
    rows, columns, kept = dice.choice((100, 500, 1000, 2000)), dice.choice((200, 1000, 4000)), dice.choice((5, 10, 50))
    text = f"few = torch.zeros({rows}, {columns})[0, :{kept}], in float32. How many bytes does few keep in memory?"
    why = f"The slice is a view: it keeps all {rows} × {columns} numbers of 4 bytes."
    return Asked(text, 4 * rows * columns, why, unit="bytes")


# 04


@_ask("axes.d_h")
def _d_h(dice):
    heads, width = dice.choice((2, 3, 4)), dice.choice((2, 3, 4))
    text = f'Which numbers are in the first row of rearrange(torch.arange({heads * width}), "(d h) -> h d", h={heads})?'
    why = "In (d h) the rightmost name, h, is the fast one: neighbours belong to different heads."
    return Asked(text, tuple(range(0, heads * width, heads)), why)


@_ask("axes.sum_of_ones")
def _sum_of_ones(dice):
    seq, hidden = dice.randint(2, 9), dice.randint(3, 20)
    text = f'What is each element of reduce(torch.ones({seq}, {hidden}), "seq hidden -> seq", "sum")?'
    return Asked(text, float(hidden), f"{hidden} ones along hidden are added.")


@_ask("axes.scores_flops")
def _scores_flops(dice):
    b, h, q, d = dice.choice((1, 2, 4)), dice.choice((2, 4, 8)), dice.choice((8, 10, 16)), dice.choice((8, 16, 64))
    text = f'How many FLOPs does einsum "b h q d, b h k d -> b h q k" take, with b={b}, h={h}, q=k={q} and d={d}?'
    return Asked(
        text, 2 * b * h * q * q * d, f"Every name is a loop, of two FLOPs a pass: 2 · {b} · {h} · {q} · {q} · {d}."
    )


_as_it_was("axes.pixels_last", 'Is rearrange(image, "c h w -> (h w) c") a view or a copy? Answer view or copy.')


# 05

_as_it_was(
    "flops.attention_at_16k",
    "A model of the size of GPT-2 XL: at 1,024 tokens, attention has 7 % of the FLOPs if all pairs count. Which share, "
    "in per cent, has it at 16,384?",
)


@_ask("flops.backward_ratio")
def _backward_ratio(dice):
    a, b, c = dice.choice(((64, 64, 16), (64, 64, 64), (32, 32, 96), (16, 16, 64), (128, 128, 128), (32, 32, 32)))
    text = (
        f"x is data and needs no gradient. w1 has {a} × {b} weights, w2 {b} × {c}. What are the FLOPs of backward "
        "divided by those of forward, for (x @ w1 @ w2).sum()?"
    )
    why = "Each layer needs the gradient of its weights, and w2 that of its input too: one matmul of w1, two of w2."
    return Asked(text, (a * b + 2 * b * c) / (a * b + b * c), why, 0.02)


@_ask("flops.largest_on_8_h100")
def _largest(dice):
    chips, memory = dice.choice((1, 2, 4, 8, 16, 64)), dice.choice((24, 40, 80, 141))
    text = (
        f"{chips} × a GPU of {memory}e9 bytes, everything split evenly, 16 bytes a parameter. How many parameters has "
        "the largest model that fits?"
    )
    return Asked(text, chips * memory * 1e9 / 16, f"{chips} · {memory}e9 / 16. Activations come on top.", 0.05)


# 06


@_ask("initialization.relu_halves")
def _relu_halves(dice):
    layers = dice.choice((10, 20, 30, 40, 60, 80, 100))
    text = (
        f"LeCun's weights, and a ReLU behind each layer. The root of the mean square starts at 1. After {layers} "
        "layers it is near 2 to the power e. What is e?"
    )
    return Asked(text, -layers // 2, f"A ReLU passes half of the mean square: 2^-{layers}, and the root of that.")


@_ask("initialization.linear_default")
def _linear_default(dice):
    width = dice.choice((64, 128, 256, 768, 1024, 2048, 4096))
    text = f"What is the std of the weights of nn.Linear({width}, {width}) as PyTorch draws them?"
    return Asked(text, 1 / math.sqrt(3 * width), f"It is uniform within ±1/√{width}: the std is that over √3.", 0.05)


@_ask("initialization.absolute_bound")
def _absolute_bound(dice):
    width, bound = dice.choice((256, 1024, 4096, 16_384)), dice.choice((2, 3, 4))
    text = (
        f"nn.init.trunc_normal_(w, std=1/√d, a=-{bound}, b={bound}) with d = {width:,}. How many stds away from 0 is "
        "the bound?"
    )
    root = math.isqrt(width)
    return Asked(text, float(bound * root), f"The std is 1/{root}, and {bound} divided by it is {bound * root}.", 0.01)


# 07


@_ask("data_loading.wrap")
def _wrap(dice):
    number = dice.choice((65_536, 65_600, 66_000, 70_001, 80_000, 100_000, 131_072, 131_080))
    text = f"What does np.array([{number}]).astype(np.uint16) hold?"
    return Asked(text, number % 65_536, f"A uint16 counts modulo 65 536, without a warning: {number} mod 65 536.")


_as_it_was(
    "data_loading.page",
    "You read one token, two bytes, of a memory-mapped file. How many bytes does the system read at the least?",
)


@_ask("data_loading.starts")
def _starts(dice):
    tokens, context = dice.randint(12, 40), dice.randint(3, 9)
    text = f"A row of {tokens} tokens, and windows of context length {context}. How many starts are possible?"
    return Asked(text, tokens - context, f"A window needs {context} inputs and one more target: {tokens} − {context}.")


_as_it_was(
    "data_loading.coverage",
    "Windows are drawn at random until they have as many tokens as a long file. Which share of the tokens has been a "
    "target at least once?",
)


# 08


@_ask("optimizers.momentum_length")
def _momentum_length(dice):
    momentum = dice.choice((0.5, 0.75, 0.8, 0.9, 0.95, 0.98, 0.99))
    text = f"The gradient is always 1, and so is the rate; momentum is {momentum}. How long are the steps in the end?"
    why = f"1 + {momentum} + {momentum}² + … is 1 / (1 − {momentum})."
    return Asked(text, round(1 / (1 - momentum), 6), why, 0.01)


@_ask("optimizers.adagrad_step")
def _adagrad_step(dice):
    step, gradient = dice.choice((4, 9, 16, 25, 100, 400, 10_000)), dice.choice((0.1, 2, 3, 7))
    text = f"AdaGrad at rate 1; the gradient is {gradient} at every step. How long is step {step:,}?"
    return Asked(text, 1 / math.sqrt(step), f"g / √({step} g²), whatever g is.", 0.01)


@_ask("optimizers.adam_first_step")
def _adam_first_step(dice):
    rate, gradient = dice.choice((1e-4, 3e-4, 1e-3, 0.01)), dice.choice((1e-5, 0.02, 5.0, 1000.0))
    text = f"How long is Adam's first step, with a rate of {rate:g} and a gradient of {gradient:g}?"
    return Asked(text, rate, "At the first step m̂ = g and v̂ = g²: the step is as long as the rate.", 0.02)


@_ask("optimizers.adamw_state")
def _adamw_state(dice):
    millions = dice.choice((1, 2, 5, 10, 70, 125, 350))
    text = f"How many bytes of state does AdamW keep for {millions} million parameters, if a number takes four?"
    return Asked(text, millions * 8e6, "Two float32 numbers for each parameter: eight bytes.", 0.01, "bytes")


# 09


@_ask("training.perplexity")
def _perplexity(dice):
    size = dice.choice((100, 256, 512, 2048, 8192, 32_000, 50_257))
    text = f"A model that knows nothing has {size:,} tokens. What is its perplexity?"
    return Asked(text, float(size), f"Its loss is ln {size:,}, and e to that is {size:,}.", 0.02)


_as_it_was(
    "training.left_out",
    'A run is resumed without one part of its checkpoint: "model", "optimizer", "step", "data" or "rng". Which one '
    "does the course's run not miss?",
)


@_ask("training.cache")
def _cache(dice):
    prompt, new = dice.randint(5, 60), dice.choice((10, 50, 100, 200))
    text = (
        f"A prompt of {prompt} tokens, and {new} are written with a KV cache. How many positions go through the model?"
    )
    return Asked(
        text, prompt + new - 1, f"The prompt once, then one for each token that is fed back: {prompt} + {new - 1}."
    )
