"""Byte-pair encoding in plain: two small functions, the trainer that a learner writes, and the encoder.

Ids are the 256 byte values, then the merges in the order they were learned, then the special tokens. The trainer counts
everything anew for every merge; `trainer` learns the same in a small part of the time. The encoder takes
merges alone; `tokenizer` has special tokens, published vocabularies, decoding and files.
Sources: Gage 1994 (the compression algorithm), Sennrich et al. 2016 (subwords), Radford et al. 2019 (on bytes).

>>> vocab, merges = train_bpe_naive("low low low lower lowest", 259)
>>> merges
[(b'o', b'w'), (b'l', b'ow'), (b' ', b'low')]
>>> [vocab[i] for i in encode("slow low", merges)]
[b's', b'low', b' low']
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from lmcourse.tokenization.pretokens import (
    GPT2_PATTERN,
    Source,
    check_special_tokens,
    count_pretokens,
    pretokenize,
    utf8,
)

Pair = tuple[bytes, bytes]


def count_pairs(ids: Sequence[int]) -> dict[tuple[int, int], int]:
    """How often each pair of neighbours occurs, in the order in which the pairs first appear.

    >>> count_pairs([1, 2, 3, 1, 2])
    {(1, 2): 2, (2, 3): 1, (3, 1): 1}
    """
    counts = {}
    for pair in pairwise(ids):
        counts[pair] = counts.get(pair, 0) + 1
    return counts


def merge_pair(ids: Sequence[int], pair: tuple[int, int], new_id: int) -> list[int]:
    """Replace every occurrence of `pair` by `new_id`, from left to right, none overlapping another.

    >>> merge_pair([1, 2, 3, 1, 2], (1, 2), 4)
    [4, 3, 4]
    """
    merged, i = [], 0
    while i < len(ids):
        if tuple(ids[i : i + 2]) == tuple(pair):
            merged.append(new_id)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


TIES = ("greatest", "first", "smallest")

# Hugging Face numbers the bytes as GPT-2 does: first those with a visible character, `!` to `~` and `¡` to `ÿ`.
_VISIBLE = [*range(33, 127), *range(161, 173), *range(174, 256)]
GPT2_BYTE_ORDER = bytes(_VISIBLE + sorted(set(range(256)) - set(_VISIBLE)))
GPT2_BYTE_ID = {byte: i for i, byte in enumerate(GPT2_BYTE_ORDER)}


def best_pair(
    counts: Mapping[tuple[int, int], int], vocab: Mapping[int, bytes], tie: str = "greatest"
) -> tuple[int, int]:
    """The most frequent pair; among equals the one that `tie` prefers.

    `"greatest"`: the lexicographically greatest pair of byte strings (CS336 assignment 1). `"first"`: the one seen
    first, which is what `max(counts, key=counts.get)` does (minbpe, tiktoken's educational code). `"smallest"`: the
    smallest pair of ids as Hugging Face tokenizers numbers them (bytes in the order `GPT2_BYTE_ORDER`, then merges).

    >>> vocab = {i: bytes([i]) for i in range(256)}
    >>> [best_pair(count_pairs(b"st es st es"), vocab, tie) for tie in ("greatest", "first", "smallest")]
    [(116, 32), (115, 116), (101, 115)]
    """
    if tie == "first":
        return max(counts, key=counts.get)
    if tie == "greatest":
        return max(counts, key=lambda pair: (counts[pair], vocab[pair[0]], vocab[pair[1]]))
    if tie == "smallest":
        return min(counts, key=lambda pair: (-counts[pair], [GPT2_BYTE_ID.get(i, i) for i in pair]))
    raise ValueError(f"tie must be one of {', '.join(map(repr, TIES))}, got {tie!r}")


def train_bpe_naive(
    source: Source,
    vocab_size: int,
    special_tokens: Sequence[str] = (),
    *,
    pattern: str = GPT2_PATTERN,
    tie: str = "greatest",
) -> tuple[dict[int, bytes], list[Pair]]:
    """Learn a byte-pair encoding by counting every pair anew for every merge: `train_bpe` in plain.

    Start from the 256 bytes. Merge the most frequent pair of neighbours inside the pre-tokens, again and again, until
    `vocab_size` tokens are there, the special tokens included, or no pair is left. Returns (vocab, merges): the bytes
    of each id, and the pairs merged, as bytes. Ids are the bytes, then the merges, then the special tokens.
    """
    check_training(vocab_size, special_tokens, tie)
    words = count_pretokens(source, special_tokens, pattern=pattern)  # each distinct pre-token once, with its count
    word_ids = [list(word.encode("utf-8")) for word in words]
    vocab = {i: bytes([i]) for i in range(256)}
    merges = []

    while len(vocab) < vocab_size - len(special_tokens):
        counts = {}
        for ids, times in zip(word_ids, words.values()):
            for pair, n in count_pairs(ids).items():
                counts[pair] = counts.get(pair, 0) + n * times
        if not counts:  # every pre-token is one token: nothing is left to merge
            break
        left, right = best_pair(counts, vocab, tie)
        new_id = len(vocab)
        vocab[new_id] = vocab[left] + vocab[right]
        merges.append((vocab[left], vocab[right]))
        word_ids = [merge_pair(ids, (left, right), new_id) for ids in word_ids]

    for token in special_tokens:
        vocab[len(vocab)] = token.encode("utf-8")
    return vocab, merges


def check_training(vocab_size: int, special_tokens: Sequence[str], tie: str) -> None:
    """Raise a ValueError or TypeError that names the argument a trainer cannot work with.

    >>> check_training(256, ["<|endoftext|>"], "greatest")
    Traceback (most recent call last):
    ValueError: vocab_size must be at least 257 (256 bytes and 1 special tokens), got 256
    """
    check_special_tokens(special_tokens)
    if not isinstance(vocab_size, int) or isinstance(vocab_size, bool):
        raise TypeError(f"vocab_size must be an int, got {vocab_size!r}")
    if vocab_size < 256 + len(special_tokens):
        raise ValueError(
            f"vocab_size must be at least {256 + len(special_tokens)} (256 bytes and {len(special_tokens)} special "
            f"tokens), got {vocab_size}"
        )
    if vocab_size > 0x110000:
        raise ValueError(f"vocab_size must be at most {0x110000}, got {vocab_size}")
    if tie not in TIES:
        raise ValueError(f"tie must be one of {', '.join(map(repr, TIES))}, got {tie!r}")


def encode(text: str, merges: Sequence[Pair], *, pattern: str = GPT2_PATTERN) -> list[int]:
    """Encode `text` with the merges of a trained vocabulary (no special tokens): ids are bytes, then 256 + rank.

    In each pre-token, of all neighbours that can merge, the ones merged first are those learned first.

    >>> merges = [(b"h", b"e"), (b"t", b"he")]
    >>> encode("the he", merges)
    [257, 32, 256]
    """
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    ids = {bytes([i]): i for i in range(256)}
    ids |= {left + right: 256 + rank for rank, (left, right) in enumerate(merges)}
    encoded = []
    for pretoken in pretokenize(text, pattern):
        parts = [bytes([byte]) for byte in pretoken.encode("utf-8")]
        while True:
            can_merge = [(ranks[pair], i) for i, pair in enumerate(pairwise(parts)) if pair in ranks]
            if not can_merge:
                break
            _, i = min(can_merge)  # the lowest rank, and of those the leftmost
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
        encoded += [ids[part] for part in parts]
    return encoded


def encode_trace(text: str, merges: Sequence[Pair], *, pattern: str = GPT2_PATTERN) -> Iterator[dict[str, Any]]:
    """What `encode` does, one plain dict a merge, for drawing it.

    pretoken: which pre-token, by its number · at: the position of the left part in it · rank, pair: the merge that
    fires · candidates: all (position, rank) that could · parts: the byte strings of the pre-token afterwards.

    >>> for step in encode_trace("the", [(b"h", b"e"), (b"t", b"h"), (b"t", b"he")]):
    ...     print(step["at"], step["rank"], step["candidates"], step["parts"])
    1 0 [(0, 1), (1, 0)] [b't', b'he']
    0 2 [(0, 2)] [b'the']
    """
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    for number, pretoken in enumerate(pretokenize(text, pattern)):
        parts = [bytes([byte]) for byte in utf8(pretoken, "text")]
        while candidates := [(i, ranks[pair]) for i, pair in enumerate(pairwise(parts)) if pair in ranks]:
            at, rank = min(candidates, key=lambda candidate: candidate[::-1])
            pair = (parts[at], parts[at + 1])
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
            yield {
                "pretoken": number,
                "at": at,
                "rank": rank,
                "pair": pair,
                "candidates": candidates,
                "parts": list(parts),
            }
