"""Exercise 9.9, bits_per_byte: cases, hints, typical wrong answers. Plain Python."""

import itertools
import math
import random
from collections.abc import Iterator

from lmcourse.exercises.cases import call
from lmcourse.exercises.topic import Topic
from lmcourse.training.units import bits_per_byte


def _bits_cases() -> Iterator:
    for counts in itertools.product((1, 2, 3, 0, -1), repeat=2):
        for nats in (math.log(2), 0.0, 1.5):
            yield call(nats, *counts)
    dice = random.Random(0)
    for _ in range(30):
        yield call(dice.uniform(0, 9), dice.randint(1, 10**6), dice.randint(1, 4 * 10**6))


def _nats(nats_per_token, num_tokens, num_bytes):
    """Forgets that a bit is ln 2 nats."""
    return bits_per_byte(nats_per_token, num_tokens, num_bytes) * math.log(2)


def _per_token(nats_per_token, num_tokens, num_bytes):
    """Bits a token, which a tokenizer with longer tokens makes larger."""
    return bits_per_byte(nats_per_token, num_tokens, num_bytes) * num_bytes / num_tokens


def _upside_down(nats_per_token, num_tokens, num_bytes):
    """Multiplies by the bytes of a token."""
    return bits_per_byte(nats_per_token, num_bytes, num_tokens)


def _times_ln_2(nats_per_token, num_tokens, num_bytes):
    return bits_per_byte(nats_per_token, num_tokens, num_bytes) * math.log(2) ** 2


def _any_counts(nats_per_token, num_tokens, num_bytes):
    """Refuses 0, of which Python itself says that it cannot be divided by, and nothing else."""
    if num_tokens == 0 or num_bytes == 0:
        raise ValueError("counts above 0")
    return nats_per_token * num_tokens / num_bytes / math.log(2)


def declare(topic: Topic) -> None:
    """Declare the exercise bits_per_byte."""
    topic.exercise(
        bits_per_byte,
        cases=_bits_cases,
        hints=(
            "The whole text costs nats_per_token · num_tokens nats. Spread that over its bytes.",
            "One bit is ln 2 nats: divide by `math.log(2)`. Counts that are not above 0 are a ValueError.",
        ),
        wrong={
            "nats instead of bits": _nats,
            "bits a token": _per_token,
            "tokens and bytes swapped": _upside_down,
            "multiplies by ln 2": _times_ln_2,
            "takes negative counts": _any_counts,
        },
        minutes=6,
        level=1,
    )
