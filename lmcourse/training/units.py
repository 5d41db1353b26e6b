"""Losses in units that can be compared. Plain Python, so that it runs in a page, too."""

import math


def bits_per_byte(nats_per_token: float, num_tokens: int, num_bytes: int) -> float:
    """Bits that the model needs per byte of the text: comparable between tokenizers.

    Args:
        nats_per_token: the mean loss on the text.
        num_tokens, num_bytes: how many tokens, and how many UTF-8 bytes, the text has.

    Raises ValueError for counts that are not above 0.

    >>> round(bits_per_byte(math.log(256), 100, 100), 6)  # each byte is a token
    8.0
    """
    if not (num_tokens > 0 and num_bytes > 0):
        raise ValueError(f"num_tokens and num_bytes: above 0, got {num_tokens} and {num_bytes}")
    return nats_per_token * num_tokens / num_bytes / math.log(2)
