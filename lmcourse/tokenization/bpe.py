"""Byte-pair encoding in plain: two small functions, the trainer that a learner writes, the encoder and the decoder.

Ids are the 256 byte values, then the merges in the order they were learned, then the special tokens. The trainer counts
everything anew for every merge; `trainer` learns the same in a small part of the time. The encoder takes
merges alone; `tokenizer` has special tokens, published vocabularies and files.
Sources: Gage 1994 (the compression algorithm), Sennrich et al. 2016 (subwords), Radford et al. 2019 (on bytes).

>>> vocab, merges = train_bpe_naive("low low low lower lowest", 259)
>>> merges
[(b'o', b'w'), (b'l', b'ow'), (b' ', b'low')]
>>> [vocab[i] for i in encode("slow low", merges)]
[b's', b'low', b' low']
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from lmcourse.support.checks import one_of, whole
from lmcourse.tokenization.pretokens import GPT2_PATTERN, Source, check_special_tokens, count_pretokens, pretokenize

Pair = tuple[bytes, bytes]


def count_pairs(ids: Sequence[int]) -> dict[tuple[int, int], int]:
    """How often each pair of neighbours occurs, in the order in which the pairs first
    appear.

    >>> count_pairs([1, 2, 3, 1, 2])
    {(1, 2): 2, (2, 3): 1, (3, 1): 1}
    """
    counts = {}
    for pair in pairwise(ids):
        counts[pair] = counts.get(pair, 0) + 1
    return counts


def merge_pair(ids: Sequence[int], pair: tuple[int, int], new_id: int) -> list[int]:
    """A new list, with `new_id` in place of every `pair`, from left to right, none
    overlapping another.

    >>> merge_pair([1, 2, 3, 1, 2], (1, 2), 4)
    [4, 3, 4]
    """
    merged, i = [], 0
    while i < len(ids):
        if tuple(ids[i : i + 2]) == pair:
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
    one_of("tie", tie, TIES)
    return min(counts, key=lambda pair: (-counts[pair], [GPT2_BYTE_ID.get(i, i) for i in pair]))


def merge_round(
    words: dict[tuple[int, ...], int],
    vocab: dict[int, bytes],
    new_id: int,
    tie: str = "greatest",
) -> tuple[tuple[int, int] | None, dict[tuple[int, ...], int]]:
    """One round of training: returns the pair that is merged, and the words after it.

    `words` says how often each word occurs; a word is a tuple of ids. A pair in a word
    that occurs five times counts five. best_pair(counts, vocab, tie) chooses the pair.
    In the words that are returned, `new_id` stands in its place; their order and counts
    stay. Where no word has two ids, the pair is None and the words stay as they are.

    >>> vocab = {i: bytes([i]) for i in range(256)}
    >>> merge_round({(97, 98): 5, (98, 99): 1}, vocab, 256)
    ((97, 98), {(256,): 5, (98, 99): 1})
    """
    counts = {}
    for ids, times in words.items():
        for pair, n in count_pairs(ids).items():
            counts[pair] = counts.get(pair, 0) + n * times
    if not counts:
        return None, words
    pair = best_pair(counts, vocab, tie)
    return pair, {tuple(merge_pair(ids, pair, new_id)): times for ids, times in words.items()}


def train_bpe_naive(
    source: Source,
    vocab_size: int,
    special_tokens: Sequence[str] = (),
    *,
    pattern: str = GPT2_PATTERN,
    tie: str = "greatest",
) -> tuple[dict[int, bytes], list[Pair]]:
    """Learn a byte-pair encoding, counting anew in each round: (vocab, merges).

    `vocab` maps ids to bytes: the 256 single bytes, what the rounds make, and last the
    special tokens. `merges` lists the pairs that were merged, as bytes. Rounds go on
    until `vocab_size` tokens are there, special tokens included, or no pair is left.
    The text is cut by `pattern`; `tie` is for merge_round.

    Raises ValueError, as check_training does: a vocab_size that has no room for the 256
    bytes and the special tokens, special tokens that are not usable, an unknown tie.

    >>> vocab, merges = train_bpe_naive("low low low lower lowest", 258)
    >>> merges, vocab[257]
    ([(b'o', b'w'), (b'l', b'ow')], b'low')
    """
    check_training(vocab_size, special_tokens, tie)
    pretokens = count_pretokens(source, special_tokens, pattern=pattern)
    words = {tuple(text.encode("utf-8")): times for text, times in pretokens.items()}
    vocab, merges = {i: bytes([i]) for i in range(256)}, []
    for new_id in range(256, vocab_size - len(special_tokens)):
        pair, words = merge_round(words, vocab, new_id, tie)
        if pair is None:  # every word is one token: nothing is left to merge
            break
        left, right = pair
        merges.append((vocab[left], vocab[right]))
        vocab[new_id] = vocab[left] + vocab[right]
    for token in special_tokens:
        vocab[len(vocab)] = token.encode("utf-8")
    return vocab, merges


class Vocabulary(dict[int, bytes]):
    """Ids to bytes, an ordinary dict, that knows the `pattern` by which the text was cut when it was learned.

    `BPETokenizer` cuts by it again: with another pattern the same merges would give other ids.

    >>> Vocabulary({0: b"a"}, r"\\w+").pattern, Vocabulary({0: b"a"}, r"\\w+") == {0: b"a"}
    ('\\\\w+', True)
    """

    def __init__(self, tokens: Mapping[int, bytes], pattern: str):
        super().__init__(tokens)
        self.pattern = pattern


def check_training(vocab_size: int, special_tokens: Sequence[str], tie: str) -> None:
    """Raise a ValueError or TypeError that names the argument a trainer cannot work with.

    >>> check_training(256, ["<|endoftext|>"], "greatest")
    Traceback (most recent call last):
    ValueError: vocab_size: a whole number from 257 to 1114112, got 256
    """
    check_special_tokens(special_tokens)
    # 256 bytes and the special tokens at the least; the fast trainer writes a token as one character.
    whole("vocab_size", vocab_size, least=256 + len(special_tokens), most=0x110000)
    one_of("tie", tie, TIES)


def encode(
    text: str,
    merges: Sequence[Pair],
    *,
    pattern: str = GPT2_PATTERN,
) -> list[int]:
    """The ids of `text`: a single byte is its own id, what merge `rank` makes is
    256 + rank. No two merges make the same bytes.

    `pattern` cuts the text. In each pre-token the pair of lowest rank is merged, the
    leftmost of equals, until no pair of neighbours is in `merges`.

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


def decode(ids: Sequence[int], vocab: Mapping[int, bytes]) -> str:
    """The text of `ids`: the bytes of all tokens are joined, and then read as UTF-8.

    Bytes that are not UTF-8 become the replacement character, as errors="replace" does.

    >>> decode([256, 257, 256], {256: b"ha", 257: b", "})
    'ha, ha'
    """
    joined = b"".join(vocab[i] for i in ids)
    return joined.decode("utf-8", errors="replace")
