"""What counting achieves: the losses that a language model has to beat before it is worth training.

Not here: longer n-grams, better smoothing (Kneser-Ney).
"""

import math

import numpy as np
from jaxtyping import UInt


def count_baselines(
    learn: UInt[np.ndarray, "length"], valid: UInt[np.ndarray, "rest"], vocab_size: int, pull: float = 20.0
) -> dict[str, float]:
    """Nats a token on `valid` of three models that only count: all tokens alike, by frequency, by the token before.

    A pair that was never counted gets a share of its second token's frequency, as if that had been seen `pull` times;
    else its loss would be infinite. Raises `ValueError` when `valid` has no pair, or an id is beyond the vocabulary.

    >>> tokens = np.tile(np.array([0, 0, 1], dtype=np.uint8), 1000)
    >>> {name: round(nats, 2) for name, nats in count_baselines(tokens, tokens, vocab_size=4).items()}
    {'ln V': 1.39, 'unigram': 0.64, 'bigram': 0.46}
    """
    if len(valid) < 2 or len(learn) < 2:
        raise ValueError(f"learn and valid: at least 2 tokens each, got {len(learn)} and {len(valid)}")
    if max(learn.max(), valid.max()) >= vocab_size:
        raise ValueError(f"vocab_size: above every id, up to {max(learn.max(), valid.max())}, got {vocab_size}")
    single = np.bincount(learn, minlength=vocab_size) + 1
    share = single / single.sum()
    pairs = np.bincount(learn[:-1].astype(np.int64) * vocab_size + learn[1:], minlength=vocab_size**2)
    before, token = valid[:-1].astype(np.int64), valid[1:]
    counted, seen = pairs[before * vocab_size + token], np.bincount(learn[:-1], minlength=vocab_size)[before]
    return {
        "ln V": math.log(vocab_size),
        "unigram": float(-np.log(share[token]).mean()),
        "bigram": float(-np.log((counted + pull * share[token]) / (seen + pull)).mean()),
    }
