r"""Tokenization: from text to integers and back, with byte-pair encoding as the heart of it.

Reads top to bottom: pre-tokenization patterns, three tokenizers with a fatal flaw each, the two small functions
that are all of BPE, a trainer that recounts everything, a trainer that only recounts what changed, and the
tokenizer that applies what was learned. Ids are the 256 byte values, then the merges in the order they were
learned, then the special tokens.

It does not normalise text (what you encode is what you get back, to the byte), it adds no special tokens of its
own, and it knows nothing of chat templates. Sources: Gage 1994 (the compression algorithm), Sennrich et al. 2016
(subwords), Radford et al. 2019 (GPT-2: bytes, and the pattern), and tiktoken, whose ids it reproduces.
"""

import gc
import heapq
import json
import os
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache, cached_property, lru_cache
from itertools import chain, islice, pairwise
from operator import add, index
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import regex

from lmcourse.files import replacing

if TYPE_CHECKING:
    import tiktoken

Pair = tuple[bytes, bytes]
Source = str | os.PathLike | Iterable[str]


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep Python's cycle collector from walking millions of live lists that hold no cycle: a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


# --------------------------------------------------------------------------------------------------------------
# Pre-tokenization: cut the text first, and never merge across a cut.
# --------------------------------------------------------------------------------------------------------------

# As tiktoken writes them (tiktoken_ext/openai_public.py). `++` and `?+` are possessive: they never give back.
GPT2_PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
CL100K_PATTERN = (
    r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|"""
    r"""\s++$|\s*[\r\n]|\s+(?!\S)|\s"""
)
O200K_PATTERN = (
    r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"""
    r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"""
    r"""\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
)

# The published vocabularies are used through an engine that knows Unicode 16. A newer `regex` calls these (assigned
# since) letters, marks or numbers; here they stay plain symbols. U+0295 was a lower-case letter until Unicode 16.
_SINCE_UNICODE_16 = (
    "558 58b-58c 5c8-5c9 88f b53-b54 c5c cdc 1acf-1af0 208f 209d-209f a7ce-a7cf a7d2 a7d4 a7dd a7e2 a7f1 ab6c-ab6d "
    "107bb-107bf 10940-10959 10ec5-10ec7 10ecb-10ecf 10ed9-10eee 10ef0-10efb 11b0a 11b60-11b67 11db0-11ddb 11de0-11de9 "
    "11df0-11df1 1246f 12475-1247f 12550-12686 16ea0-16eb8 16ebb-16ed3 16ff2-16ff6 187f8-187ff 18cd6-18cda 18d09-18d20 "
    "18d80-18df2 18e00-19191 191a0-191d2 1b123-1b128 1b168 1d127-1d128 1d250-1d252 1d25b-1d25c 1d25f 1d280-1d281 1d6a6 "
    "1df1f-1df24 1df2b-1df81 1df90-1df96 1dfcd-1dfff 1e6c0-1e6de 1e6e0-1e6f5 1e6fe-1e6ff 2b73a-2b73f 2b81e 2cea2-2cead "
    "323b0-33479 3d000-3fc3f"
)
_NEWER = re.compile(
    "[ʕ" + "".join("-".join(chr(int(code, 16)) for code in span.split("-")) for span in _SINCE_UNICODE_16.split()) + "]"
)


def pretokenize(text: str, pattern: str = GPT2_PATTERN) -> list[str]:
    """Cut `text` into pre-tokens, the pieces that BPE never merges across.

    For the three patterns above nothing is lost: the pieces join to `text` again. With a pattern of your own,
    whatever it does not match is dropped.
    Raises: TypeError (not str), ValueError (a pattern that does not compile).
    Source: Radford et al. 2019, section 2.2, and tiktoken.

    >>> pretokenize("HOW'S it, 12345?")
    ['HOW', "'", 'S', ' it', ',', ' 12345', '?']
    >>> pretokenize("HOW'S it, 12345?", CL100K_PATTERN)
    ['HOW', "'S", ' it', ',', ' ', '123', '45', '?']
    """
    if not isinstance(text, str):
        raise TypeError(f"text must be a str, got {type(text).__name__}")
    return _splitter(pattern)(text)


@lru_cache(maxsize=64)
def _splitter(pattern: str) -> Callable[[str], list[str]]:
    """The function that cuts a text by `pattern`."""
    if not isinstance(pattern, str):
        raise TypeError(f"pattern must be a str, got {type(pattern).__name__}")
    try:
        compiled = regex.compile(pattern)
    except regex.error as error:
        raise ValueError(f"pattern {pattern!r} is not a valid regular expression: {error}") from None
    if pattern not in (GPT2_PATTERN, CL100K_PATTERN, O200K_PATTERN):
        return lambda text: [match.group() for match in compiled.finditer(text) if match.group()]
    spelled_out = re.compile(_spelled_out(pattern))

    def split(text: str) -> list[str]:
        if not _BEYOND_FFFF.search(text):
            return spelled_out.findall(text)
        return [text[match.start() : match.end()] for match in compiled.finditer(_as_in_unicode_16(text))]

    return split


# Python's own `re` has no \p{L}. With the characters up to U+FFFF spelled out it makes the same cuts as `regex`, three
# times as fast (a set of those is a bit map); with all of them it would be slow, so text beyond goes to `regex`.
_BEYOND_FFFF = re.compile("[\U00010000-\U0010ffff]")
_WHITE_SPACE = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"  # re's \s has \x1c to \x1f, too


def _spelled_out(pattern: str) -> str:
    r"""`pattern` with its character classes written out, up to U+FFFF.

    >>> re.findall(_spelled_out(r" ?\p{L}++|[^\s\p{L}]"), "the é, 你好")
    ['the', ' é', ',', ' 你好']
    """

    def spell(match: re.Match) -> str:
        spelled = re.sub(r"\\p\{\w+\}|\\s", lambda found: _members(found.group()), match.group())
        return spelled if match.group().startswith("[") else f"[{spelled}]"

    return re.sub(r"\[[^\]]*\]|\\p\{\w+\}|\\s", spell, pattern.replace(r"\S", r"[^\s]"))


@cache
def _members(unicode_class: str) -> str:
    """The inside of a `re` set: the characters of a class, up to U+FFFF."""
    if unicode_class == r"\s":
        return _WHITE_SPACE
    everything = _as_in_unicode_16("".join(map(chr, range(0x10000))))
    runs = regex.finditer(f"{unicode_class}+", everything)
    return "".join(f"{chr(run.start())}-{chr(run.end() - 1)}" for run in runs)


def _as_in_unicode_16(text: str) -> str:
    """`text` with its newer characters replaced, one for one, by others that `regex` puts in the class they were in."""
    return _NEWER.sub(lambda match: "ß" if match.group() == "ʕ" else "\u0378", text)  # U+0378 is in no class


# More text can still change the last two pre-tokens of what is there, and no earlier one: "don" + "'" become "don't".
_UNSETTLED = 2
_BLOCK = 1 << 14  # characters cut at a time: what they become still fits the processor's cache


def _batches(
    pieces: Iterable[str], pattern: str, special_tokens: Collection[str]
) -> Iterator[tuple[list[str], str | None]]:
    """Pre-tokens of the joined pieces, a batch at a time; each batch comes with the special token that ends it, if any.

    Holds one block and the longest pre-token, not the text. For a pattern other than the three, where nobody knows
    what later text may change, it holds everything up to the next special token.
    """
    special = _special_regex(special_tokens)
    reach = max(map(len, special_tokens), default=1) - 1  # a special token may begin this far before the end
    streams = pattern in (GPT2_PATTERN, CL100K_PATTERN, O200K_PATTERN)
    split = _splitter(pattern)

    def settle(text: str, final: bool) -> Iterator[tuple[list[str], str | None]]:
        """Yield what no further text can change; what remains is left in `held`."""
        nonlocal held
        start, limit = 0, len(text) if final else len(text) - reach
        for match in special.finditer(text) if special else ():
            if match.start() >= limit:
                break
            yield split(text[start : match.start()]), match.group()
            start = match.end()
        if final:
            yield split(text[start:]), None
        elif streams and limit > start:
            settled = split(text[start:limit])[:-_UNSETTLED]
            yield settled, None
            start += sum(map(len, settled))
        held = text[start:]

    held, fresh, size = "", [], 0
    for piece in pieces:
        if not isinstance(piece, str):
            raise TypeError(f"an iterable of text must hold str, got {type(piece).__name__}")
        for start in range(0, len(piece), _BLOCK):
            fresh.append(piece[start : start + _BLOCK])
            size += len(fresh[-1])
            if size >= max(_BLOCK, len(held)):  # so that a long pre-token is not cut again for every block
                yield from settle(held + "".join(fresh), final=False)
                fresh, size = [], 0
    yield from settle(held + "".join(fresh), final=True)


def _special_regex(special_tokens: Collection[str]) -> re.Pattern | None:
    """Matches any special token, the longest first where one begins another."""
    longest_first = sorted(special_tokens, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first))) if longest_first else None


def _utf8(text: str, name: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        bad = text[error.start]
        raise ValueError(f"{name} has the lone surrogate {bad!a}, which UTF-8 cannot hold: {text[:40]!a}") from None


# --------------------------------------------------------------------------------------------------------------
# Three tokenizers, each with a fatal flaw.
# --------------------------------------------------------------------------------------------------------------


class CharacterTokenizer:
    """One id a character: its Unicode code point. Flaw: a huge vocabulary, most of it never seen in training.

    >>> CharacterTokenizer().encode("hi 你"), CharacterTokenizer().decode([104, 105])
    ([104, 105, 32, 20320], 'hi')
    """

    vocab_size = 0x110000  # code points 0 to 10FFFF

    def encode(self, text: str) -> list[int]:
        return list(map(ord, text))

    def decode(self, ids: Iterable[int]) -> str:
        ids = list(ids)
        for position, i in enumerate(ids):
            if not 0 <= index(i) < self.vocab_size:
                raise ValueError(f"ids[{position}] is {i}; code points go from 0 to {self.vocab_size - 1}")
        return "".join(map(chr, ids))


class ByteTokenizer:
    """One id a UTF-8 byte. Flaw: a compression ratio of exactly 1, so sequences are as long as they can be.

    >>> ByteTokenizer().encode("é"), ByteTokenizer().decode([195, 169])
    ([195, 169], 'é')
    """

    vocab_size = 256

    def encode(self, text: str) -> list[int]:
        return list(_utf8(text, "text"))

    def decode(self, ids: Iterable[int]) -> str:
        ids = list(ids)
        for position, i in enumerate(ids):
            if not 0 <= index(i) < 256:
                raise ValueError(f"ids[{position}] is {i}; a byte takes one of the 256 values 0 to 255")
        return bytes(ids).decode("utf-8", errors="replace")


class WordTokenizer:
    """One id a word, a space or a symbol seen in `text`. Flaw: everything else becomes id 0, `<unk>`, and is gone.

    `max_words` keeps only the most frequent ones.

    >>> words = WordTokenizer("the cat in the hat")
    >>> words.encode("the dog"), words.decode(words.encode("the dog"))
    ([2, 1, 0], 'the <unk>')
    """

    unknown = "<unk>"

    def __init__(self, text: str, max_words: int | None = None):
        if not isinstance(text, str):
            raise TypeError(f"text must be a str, got {type(text).__name__}")
        words = Counter(self._split(text)).most_common(max_words)
        self.words = [self.unknown, *(word for word, _ in words)]
        self._ids = {word: i for i, word in enumerate(self.words)}
        self.vocab_size = len(self.words)

    @staticmethod
    def _split(text: str) -> list[str]:
        return re.findall(r"\w+|\s+|[^\w\s]", text)

    def encode(self, text: str) -> list[int]:
        return [self._ids.get(word, 0) for word in self._split(text)]

    def decode(self, ids: Iterable[int]) -> str:
        ids = list(ids)
        for position, i in enumerate(ids):
            if not 0 <= index(i) < self.vocab_size:
                raise ValueError(f"ids[{position}] is {i}; this tokenizer has ids 0 to {self.vocab_size - 1}")
        return "".join(self.words[i] for i in ids)


def compression_ratio(text: str, ids: Sequence[int]) -> float:
    """UTF-8 bytes of `text` for each token of `ids`: higher means shorter sequences.

    Raises: ValueError if there are no ids.

    >>> compression_ratio("你好", [1, 2, 3])
    2.0
    """
    if len(ids) == 0:
        raise ValueError("ids is empty: bytes per token needs at least one token")
    return len(text.encode("utf-8")) / len(ids)


# --------------------------------------------------------------------------------------------------------------
# Byte-pair encoding in two functions, and the trainer that a learner writes.
# --------------------------------------------------------------------------------------------------------------


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


def count_pretokens(source: Source, special_tokens: Sequence[str] = (), *, pattern: str = GPT2_PATTERN) -> Counter[str]:
    r"""How often each distinct pre-token occurs in `source`, in the order in which they first appear.

    A `str` is the text itself, an `os.PathLike` names a UTF-8 file (read in blocks, line ends kept), anything else
    is an iterable of `str` pieces of one text. Special tokens are cut out and not counted. Memory grows with the
    number of distinct pre-tokens, not with the text. Raises: TypeError, ValueError (not UTF-8), OSError.

    >>> count_pretokens("to be or not to be")
    Counter({' be': 2, 'to': 1, ' or': 1, ' not': 1, ' to': 1})
    """
    _check_special_tokens(special_tokens)
    counts = Counter()
    for pretokens, _ in _batches(_pieces(source), pattern, special_tokens):
        counts.update(pretokens)
    for pretoken in counts:
        _utf8(pretoken, "source")
    return counts


def _pieces(source: Source) -> Iterator[str]:
    if isinstance(source, str):
        yield source
    elif isinstance(source, os.PathLike):
        with Path(source).open(encoding="utf-8", newline="") as file:  # newline="": keep \r\n as it is
            try:
                while block := file.read(_BLOCK):
                    yield block
            except UnicodeDecodeError as error:
                raise ValueError(f"source {os.fspath(source)!r} is not UTF-8: {error}") from None
    elif isinstance(source, Iterable) and not isinstance(source, bytes | bytearray):
        yield from source
    else:
        raise TypeError(f"source must be a str, an os.PathLike or an iterable of str, got {type(source).__name__}")


TIES = ("greatest", "first", "smallest")

# Hugging Face numbers the bytes as GPT-2 does: first those with a visible character, `!` to `~` and `¡` to `ÿ`.
_VISIBLE = [*range(33, 127), *range(161, 173), *range(174, 256)]
GPT2_BYTE_ORDER = bytes(_VISIBLE + sorted(set(range(256)) - set(_VISIBLE)))
_GPT2_BYTE_ID = {byte: i for i, byte in enumerate(GPT2_BYTE_ORDER)}


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
        return min(counts, key=lambda pair: (-counts[pair], [_GPT2_BYTE_ID.get(i, i) for i in pair]))
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
    """Raise a ValueError or TypeError that names the argument a trainer cannot work with."""
    _check_special_tokens(special_tokens)
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


def _check_special_tokens(special_tokens: Sequence[str]) -> None:
    if isinstance(special_tokens, str) or not isinstance(special_tokens, Collection):
        raise TypeError(f"special_tokens must be a list of str, got {special_tokens!r}")
    for token in special_tokens:
        if not isinstance(token, str):
            raise TypeError(f"special_tokens must hold str, got {token!r}")
        if not token:
            raise ValueError("special_tokens holds an empty string, which would match everywhere")
        _utf8(token, "special_tokens")
    repeated = [token for token, times in Counter(special_tokens).items() if times > 1]
    if repeated:
        raise ValueError(f"special_tokens holds {repeated[0]!r} more than once")


# --------------------------------------------------------------------------------------------------------------
# The fast trainer: after a merge, recount only where something changed.
# --------------------------------------------------------------------------------------------------------------


@_collector_paused()
def train_bpe(
    source: Source,
    vocab_size: int,
    special_tokens: Sequence[str] = (),
    *,
    pattern: str = GPT2_PATTERN,
    tie: str = "greatest",
) -> tuple[dict[int, bytes], list[Pair]]:
    """Learn a byte-pair encoding of `vocab_size` tokens: the 256 bytes, the merges, then the special tokens.

    source: the text as a `str`, an `os.PathLike` to a UTF-8 file, or an iterable of `str` pieces of one text; the
        latter two are streamed, and memory grows with the number of distinct pre-tokens, not with the text.
    special_tokens: cut out of the text first, the longest first; never merged, neither inside nor across.
    tie: which of several equally frequent pairs wins, see `best_pair`.
    Returns `vocab` (id to bytes) and `merges` in the order learned; fewer than asked if the text has no more pairs.
    Raises: TypeError or ValueError naming the argument; ValueError for a file that is not UTF-8.

    >>> vocab, merges = train_bpe("low low low lower lowest", 260, ["<|endoftext|>"])
    >>> merges
    [(b'o', b'w'), (b'l', b'ow'), (b' ', b'low')]
    >>> vocab[258], vocab[259]
    (b' low', b'<|endoftext|>')
    """
    check_training(vocab_size, special_tokens, tie)
    trainer = _Trainer(count_pretokens(source, special_tokens, pattern=pattern), tie)
    merges = [step.pair for step in islice(trainer, vocab_size - 256 - len(special_tokens))]
    tokens = trainer.tokens + [token.encode("utf-8") for token in special_tokens]
    return dict(enumerate(tokens)), merges


class MergeStep(NamedTuple):
    """One merge of the fast trainer, and the work it took."""

    pair: Pair  # what was merged
    count: int  # how often it was counted
    replaced: int  # how often it was replaced: less, where it overlaps itself
    examined: int  # adjacent pairs in the pre-tokens that were visited
    recount: int  # adjacent pairs in all of them: what counting anew looks at


class _Trainer:
    """Iterating does merge after merge, until no pair is left.

    A word (a distinct pre-token) is kept as a str with one character a token, chr(id), and a pair as the str of its
    two characters: so finding and replacing a pair is `in` and `replace`, which run in C.

    Two things make it fast. `where` lists the words that a pair is in, so a merge visits only those. And a pair's
    count only ever falls after the merge that made its newer half, so the heap may hold counts that are too high: a
    pair that surfaces with an old count goes back with its new one.
    """

    def __init__(self, words: Mapping[str, int], tie: str):
        self.tokens = [bytes([i]) for i in range(256)]
        self.times = list(words.values())
        self.texts = [word.encode("utf-8").decode("latin-1") for word in words]  # byte b becomes chr(b)

        self.counts, self.where = defaultdict(int), defaultdict(list)
        for w, text in enumerate(self.texts):
            for left, right in pairwise(text):
                self.counts[left + right] += self.times[w]
                self.where[left + right].append(w)

        self.order = {"greatest": self._greatest, "first": self._first, "smallest": self._smallest}[tie]
        self._descending = [self._upside_down(token) for token in self.tokens]
        self.heap = [(-n, self.order(pair), pair) for pair, n in self.counts.items()]
        heapq.heapify(self.heap)
        self.recount = sum(len(text) - 1 for text in self.texts)

    def __iter__(self) -> Iterator[MergeStep]:
        while pair := self.pop():
            yield self.merge(pair)

    def pop(self) -> str | None:
        """Take the best pair off the heap."""
        while self.heap:
            count_then, _, pair = heapq.heappop(self.heap)
            count_now = self.counts[pair]
            if count_now == -count_then:
                return pair
            if count_now:
                heapq.heappush(self.heap, (-count_now, self.order(pair), pair))
        return None

    def merge(self, pair: str) -> MergeStep:
        """Replace `pair` by a new token in the words that hold it, and bring the counts up to date."""
        texts, times, counts, where = self.texts, self.times, self.counts, self.where
        left, right = pair
        new = chr(len(self.tokens))
        left_bytes, right_bytes = self.tokens[ord(left)], self.tokens[ord(right)]
        self.tokens.append(left_bytes + right_bytes)
        self._descending.append(self._upside_down(self.tokens[-1]))
        count, born, replaced, examined, merged = counts[pair], defaultdict(int), 0, 0, 0

        for w in where.pop(pair):
            text = texts[w]
            if pair not in text:  # an earlier merge took it
                continue
            examined += len(text) - 1
            texts[w] = text = text.replace(pair, new)
            at = text.find(new)
            while at >= 0:
                merged += 1
                replaced += times[w]
                if at:
                    before = text[at - 1]
                    counts[(right if before == new else before) + left] -= times[w]
                    born[before + new] += times[w]
                    where[before + new].append(w)
                at += 1
                after = text[at : at + 1]
                if after and after != new:  # if it is new, the next round counts the two as `before` and new
                    counts[right + after] -= times[w]
                    born[new + after] += times[w]
                    where[new + after].append(w)
                at = text.find(new, at)

        step = MergeStep((left_bytes, right_bytes), count, replaced, examined, self.recount)
        self.recount -= merged
        del counts[pair]
        counts.update(born)
        for newborn, n in born.items():
            heapq.heappush(self.heap, (-n, self.order(newborn), newborn))
        return step

    # For each tie rule a key that is smallest for the pair that wins.

    def _greatest(self, pair: str) -> str:
        return self._descending[ord(pair[0])] + self._descending[ord(pair[1])]

    def _first(self, pair: str) -> tuple[int, int]:
        # The word it is in, then the byte it begins at: merges move tokens, but neither of these.
        w = next(w for w in self.where[pair] if pair in self.texts[w])
        return w, sum(len(self.tokens[ord(token)]) for token in self.texts[w][: self.texts[w].find(pair)])

    def _smallest(self, pair: str) -> str:
        return pair.translate(_GPT2_BYTE_ID)

    @staticmethod
    def _upside_down(token: bytes) -> str:
        """Sorts in the opposite order. The end mark puts a token after the longer ones that begin with it."""
        return token.translate(bytes(range(255, -1, -1))).decode("latin-1") + "\u0100"


def training_work(source: Source, vocab_size: int, *, pattern: str = GPT2_PATTERN) -> tuple[list[int], list[int]]:
    """Adjacent pairs looked at for each merge: by counting everything anew, and by the fast trainer.

    >>> training_work("low lower slow fast faster", 260)
    ([21, 18, 15, 13], [11, 8, 10, 8])
    """
    check_training(vocab_size, (), "greatest")
    steps = list(islice(_Trainer(count_pretokens(source, pattern=pattern), "greatest"), vocab_size - 256))
    return [step.recount for step in steps], [step.examined for step in steps]


def train_trace(
    source: Source,
    vocab_size: int,
    special_tokens: Sequence[str] = (),
    *,
    pattern: str = GPT2_PATTERN,
    tie: str = "greatest",
    top: int = 10,
) -> Iterator[dict[str, Any]]:
    """What `train_bpe` does, one plain dict a merge, for drawing it.

    pair: the two byte strings merged · id: the new token's · count: how often the pair was counted · replaced: how
    often it was replaced (less, where it overlaps itself) · tied: all pairs with that count, the winner first ·
    table: the `top` pairs with their counts, ties ordered by the rule · tokens: the length of the whole text in
    tokens after the merge.

    >>> for step in train_trace("low low low lower lowest", 258, top=2):
    ...     print(step["pair"], step["count"], step["tied"], step["table"], step["tokens"])
    (b'o', b'w') 5 [(b'o', b'w'), (b'l', b'o')] [((b'o', b'w'), 5), ((b'l', b'o'), 5)] 19
    (b'l', b'ow') 5 [(b'l', b'ow')] [((b'l', b'ow'), 5), ((b' ', b'l'), 4)] 14
    """
    check_training(vocab_size, special_tokens, tie)
    words = count_pretokens(source, special_tokens, pattern=pattern)
    trainer = _Trainer(words, tie)
    tokens = sum(len(word.encode("utf-8")) * times for word, times in words.items())

    def spelled(pair: str) -> Pair:
        return trainer.tokens[ord(pair[0])], trainer.tokens[ord(pair[1])]

    while len(trainer.tokens) < vocab_size - len(special_tokens):
        present = {pair: n for pair, n in trainer.counts.items() if n}
        if not present:
            return
        most = max(present.values())
        tied = sorted((pair for pair, n in present.items() if n == most), key=trainer.order)
        ranked = heapq.nsmallest(top, present, key=lambda pair: (-present[pair], trainer.order(pair)))
        tied, table = map(spelled, tied), [(spelled(pair), present[pair]) for pair in ranked]
        step = trainer.merge(trainer.pop())
        tokens -= step.replaced
        yield {
            "pair": step.pair,
            "id": len(trainer.tokens) - 1,
            "count": step.count,
            "replaced": step.replaced,
            "tied": list(tied),
            "table": table,
            "tokens": tokens,
        }


# --------------------------------------------------------------------------------------------------------------
# Encoding: the merges again, in the order they were learned.
# --------------------------------------------------------------------------------------------------------------


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
        parts = [bytes([byte]) for byte in _utf8(pretoken, "text")]
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


class BPETokenizer:
    """Encodes and decodes with a trained vocabulary, yours or a published one.

    vocab: id to bytes; it holds the 256 single bytes, what each merge makes, and may hold the special tokens.
    merges: pairs of byte strings in the order learned. `None` for a published vocabulary in which a token's id is
        its rank (tiktoken's): any neighbours whose joined bytes are a token can merge, the lowest id first, and a
        pre-token that is a token as a whole is taken as it is.
    special_tokens: given the id they have in `vocab`, otherwise new ids after the largest.
    Raises: TypeError or ValueError naming the argument.

    >>> tokenizer = BPETokenizer(*train_bpe("low low low lower lowest", 260, ["<|end|>"]), ["<|end|>"])
    >>> tokenizer.encode("lowest low<|end|>")
    [257, 101, 115, 116, 258, 259]
    >>> tokenizer.decode([257, 101, 115, 116, 258, 259])
    'lowest low<|end|>'
    """

    def __init__(
        self,
        vocab: Mapping[int, bytes],
        merges: Sequence[Pair] | None,
        special_tokens: Sequence[str] = (),
        *,
        pattern: str = GPT2_PATTERN,
    ):
        _check_special_tokens(special_tokens)
        _splitter(pattern)
        self.pattern = pattern
        self.vocab = _checked_vocab(vocab)
        self._ranks = None if merges is None else _checked_merges(merges, set(self.vocab.values()))
        self.special_tokens = self._special_ids(special_tokens)
        special = set(self.special_tokens.values())
        self._ids = {token: i for i, token in sorted(self.vocab.items(), reverse=True) if i not in special}
        self._cache = _Cache(self._encode_pretoken)

    def _special_ids(self, special_tokens: Sequence[str]) -> dict[str, int]:
        learned = {bytes([i]) for i in range(256)} | {left + right for left, right in self._ranks or ()}
        ids = {}
        for token in special_tokens:
            data = token.encode("utf-8")
            same = [i for i, other in self.vocab.items() if other == data]
            if len(same) == (data in learned):  # the vocabulary has it not at all, or as an ordinary token
                same = [max(self.vocab) + 1]
            ids[token] = max(same)
            self.vocab[ids[token]] = data
        return ids

    @cached_property
    def merges(self) -> list[Pair]:
        """The merges in order. For a published vocabulary they are worked out from the ranks, which takes a while."""
        return list(self._ranks) if self._ranks is not None else _recover_merges(self._ids)

    @property
    def vocab_size(self) -> int:
        """Rows that an embedding table needs: the largest id + 1 (some published vocabularies leave gaps)."""
        return max(self.vocab) + 1

    def encode(self, text: str, *, allowed_special: str | Collection[str] = "all") -> list[int]:
        """Ids of `text`. Special tokens in it become their ids if allowed, and are ordinary text if not.

        allowed_special: `"all"`, `"none"`, or a set of special tokens.
        Raises: TypeError (not str), ValueError (a lone surrogate, an unknown special token).
        """
        if not isinstance(text, str):
            raise TypeError(f"text must be a str, got {type(text).__name__}")
        ids = []
        with _collector_paused():
            for batch in self._encode_batches([text], self._allowed(allowed_special)):
                ids += batch
        return ids

    def encode_iterable(
        self, iterable: Iterable[str], *, allowed_special: str | Collection[str] = "all"
    ) -> Iterator[int]:
        """The ids of `encode("".join(iterable))`, wherever the text was cut into pieces, one after another.

        Memory: a block of text and the longest pre-token, for the three patterns of this module. With another
        pattern, the text between two special tokens.
        """
        return chain.from_iterable(self._encode_batches(iterable, self._allowed(allowed_special)))

    def _encode_batches(self, pieces: Iterable[str], allowed: Collection[str]) -> Iterator[list[int]]:
        for pretokens, special in _batches(pieces, self.pattern, allowed):
            yield list(chain.from_iterable(map(self._cache.__getitem__, pretokens)))
            if special is not None:
                yield [self.special_tokens[special]]

    def _allowed(self, allowed_special: str | Collection[str]) -> Collection[str]:
        if allowed_special == "all":
            return self.special_tokens
        if allowed_special == "none":
            return ()
        if isinstance(allowed_special, str) or not isinstance(allowed_special, Collection):
            raise ValueError(f"allowed_special must be 'all', 'none' or a set, got {allowed_special!r}")
        for token in allowed_special:
            if token not in self.special_tokens:
                known = ", ".join(map(repr, self.special_tokens)) or "none"
                raise ValueError(f"allowed_special names {token!r}; this tokenizer's special tokens: {known}")
        return allowed_special

    def _encode_pretoken(self, pretoken: str) -> list[int]:
        data = _utf8(pretoken, "text")
        if self._ranks is not None:
            parts = _merge(data, self._ranks.get, _pair)
        elif data in self._ids:
            parts = [data]
        else:
            parts = _merge(data, self._ids.get, add)
        return [self._ids[part] for part in parts]

    def decode(self, ids: Iterable[int], errors: str = "replace") -> str:
        """Text of `ids`: bytes first, then UTF-8 for all of them together, for a token may end inside a character.

        errors: what to do with bytes that are not UTF-8: "strict" (raise UnicodeDecodeError), "replace" (with
        U+FFFD), "ignore" or "backslashreplace".
        """
        if errors not in ("strict", "replace", "ignore", "backslashreplace"):
            raise ValueError(f"errors must be 'strict', 'replace', 'ignore' or 'backslashreplace', got {errors!r}")
        return self.decode_bytes(ids).decode("utf-8", errors=errors)

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of `ids`, joined. Raises: ValueError naming an id that is not in the vocabulary.

        >>> BPETokenizer(*train_bpe("é", 257)).decode_bytes([195, 256])
        b'\\xc3\\xc3\\xa9'
        """
        ids = list(ids)
        try:
            return b"".join(map(self.vocab.__getitem__, map(index, ids)))
        except TypeError:
            position, wrong = next((p, i) for p, i in enumerate(ids) if not hasattr(i, "__index__"))
            raise TypeError(f"ids must hold integers, got {wrong!r} at position {position}") from None
        except KeyError:
            position, wrong = next((p, i) for p, i in enumerate(ids) if index(i) not in self.vocab)
            raise ValueError(
                f"ids[{position}] is {wrong}, which is not in the vocabulary (ids up to {self.vocab_size - 1})"
            ) from None

    def save(self, path: str | os.PathLike) -> None:
        """Write the tokenizer as JSON (byte strings as Latin-1), whole or not at all: a crash leaves the old file."""
        merges = None
        if self._ranks is not None:
            merges = [[part.decode("latin-1") for part in pair] for pair in self._ranks]
        content = {
            "format": _FORMAT,
            "pattern": self.pattern,
            "special_tokens": list(self.special_tokens),
            "vocab": {str(i): token.decode("latin-1") for i, token in self.vocab.items()},
            "merges": merges,
        }
        with replacing(path) as file:
            file.write(json.dumps(content).encode("utf-8"))

    @classmethod
    def load(cls, path: str | os.PathLike) -> "BPETokenizer":
        """Read what `save` wrote. Raises: ValueError for any other file."""
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            if content["format"] != _FORMAT:
                raise ValueError(f"its format is {content['format']!r}, not {_FORMAT!r}")
            vocab = {int(i): token.encode("latin-1") for i, token in content["vocab"].items()}
            merges = content["merges"]
            if merges is not None:
                merges = [(left.encode("latin-1"), right.encode("latin-1")) for left, right in merges]
            return cls(vocab, merges, content["special_tokens"], pattern=content["pattern"])
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{os.fspath(path)!r} was not written by BPETokenizer.save: {error!r}") from None

    def to_tiktoken(self) -> "tiktoken.Encoding":
        """The same tokenizer as a `tiktoken.Encoding`. There a token's id is its rank, so it must be so here."""
        import tiktoken

        special = set(self.special_tokens.values())
        ranks = {token: i for i, token in self.vocab.items() if i not in special}
        if self._ranks is not None:
            learned = [self._ids[left + right] for left, right in self._ranks]
            if learned != sorted(learned) or len(ranks) != 256 + len(learned):
                raise ValueError("vocab cannot be a tiktoken.Encoding: its ids are not in the order of the merges")
        return tiktoken.Encoding(
            "lmcourse", pat_str=self.pattern, mergeable_ranks=ranks, special_tokens=self.special_tokens
        )

    @classmethod
    def from_tiktoken(cls, encoding: "tiktoken.Encoding") -> "BPETokenizer":
        """A published vocabulary (GPT-2, GPT-4, GPT-4o) in this class, with equal ids for every text."""
        special = encoding._special_tokens
        vocab = {i: token for token, i in encoding._mergeable_ranks.items()}
        vocab |= {i: token.encode("utf-8") for token, i in special.items()}
        return cls(vocab, None, list(special), pattern=encoding._pat_str)


_FORMAT = "lmcourse.tokenization.BPETokenizer 1"
_NEVER = float("inf")


class _Cache(dict):
    """Ids of the pre-tokens met so far. Most text consists of few; those that are not there yet are worked out."""

    def __init__(self, encode_pretoken: Callable[[str], list[int]], entries: int = 1 << 18, length: int = 64):
        self.encode_pretoken, self.entries, self.length = encode_pretoken, entries, length

    def __missing__(self, pretoken: str) -> list[int]:
        ids = self.encode_pretoken(pretoken)
        if len(pretoken) <= self.length:
            if len(self) >= self.entries:  # memory stays bounded
                self.clear()
            self[pretoken] = ids
        return ids


def _pair(left: bytes, right: bytes) -> Pair:
    return left, right


def _merge(data: bytes, rank: Callable[[Any, float], float], join: Callable[[bytes, bytes], Any]) -> list[bytes]:
    """Cut `data` into tokens: merge the neighbours of lowest rank, the leftmost first, until none can merge.

    The rank of two neighbours is `rank(join(left, right), _NEVER)`: for a published vocabulary the rank of their joined
    bytes (`ids.get` and `operator.add`), for a list of merges that of the pair.
    """
    if len(data) > 256:
        return _merge_long(data, rank, join)
    parts = [data[i : i + 1] for i in range(len(data))]
    ranks = [rank(joined, _NEVER) for joined in map(join, parts, parts[1:])]
    while ranks and (lowest := min(ranks)) < _NEVER:
        i = ranks.index(lowest)
        parts[i : i + 2] = [parts[i] + parts[i + 1]]
        del ranks[i]
        if i < len(ranks):
            ranks[i] = rank(join(parts[i], parts[i + 1]), _NEVER)
        if i > 0:
            ranks[i - 1] = rank(join(parts[i - 1], parts[i]), _NEVER)
    return parts


def _merge_long(data: bytes, rank: Callable[[Any, float], float], join: Callable[[bytes, bytes], Any]) -> list[bytes]:
    """`_merge` with a heap in place of the scan for the lowest rank, so that a megabyte without a space ends too."""
    n = len(data)
    part = [data[i : i + 1] for i in range(n)]  # by the position at which it begins; b"" once it was merged away
    after, before = list(range(1, n + 1)), list(range(-1, n - 1))
    heap = []

    def push(left: int, right: int) -> None:
        if left >= 0 and right < n and (r := rank(join(part[left], part[right]), _NEVER)) < _NEVER:
            heapq.heappush(heap, (r, left, len(part[left]) + len(part[right])))

    for i in range(n - 1):
        push(i, i + 1)
    while heap:
        _, left, length = heapq.heappop(heap)
        right = after[left]
        if not part[left] or right == n or len(part[left]) + len(part[right]) != length:
            continue  # one of the two has changed since
        part[left] += part[right]
        part[right] = b""
        after[left] = after[right]
        if after[left] < n:
            before[after[left]] = left
        push(before[left], left)
        push(left, after[left])
    return [token for token in part if token]


def _checked_vocab(vocab: Mapping[int, bytes]) -> dict[int, bytes]:
    if not isinstance(vocab, Mapping):
        raise TypeError(f"vocab must map ids to bytes, got {type(vocab).__name__}")
    for i, token in vocab.items():
        if not isinstance(i, int) or isinstance(i, bool) or not isinstance(token, bytes):
            raise TypeError(f"vocab must map int to bytes, got {i!r}: {token!r}")
        if i < 0 or not token:
            raise ValueError(f"vocab holds {i}: {token!r}; ids start at 0 and no token is empty")
    missing = {bytes([i]) for i in range(256)} - set(vocab.values())
    if missing:
        raise ValueError(f"vocab lacks {len(missing)} of the 256 single bytes, {min(missing)!r} for one")
    return dict(vocab)


def _checked_merges(merges: Sequence[Pair], tokens: set[bytes]) -> dict[Pair, int]:
    ranks = {}
    for rank, pair in enumerate(merges):
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not all(isinstance(part, bytes) for part in pair):
            raise TypeError(f"merges must hold pairs of bytes, got {pair!r} at position {rank}")
        left, right = pair
        for token in (left, right, left + right):
            if token not in tokens:
                raise ValueError(f"merges[{rank}] is {pair!r}, but vocab has no {token!r}")
        ranks.setdefault((left, right), rank)
    return ranks


def _recover_merges(ranks: Mapping[bytes, int]) -> list[Pair]:
    """The pair that made each token: what merging its bytes with the earlier tokens only leaves."""
    merges = []
    for token, this in sorted(ranks.items(), key=lambda item: item[1]):
        if len(token) > 1:

            def earlier(joined: bytes, never: float, this: int = this) -> float:
                rank = ranks.get(joined, never)
                return rank if rank < this else never

            parts = _merge(token, earlier, add)
            if len(parts) != 2:
                raise ValueError(f"the token {token!r} is not a merge of two earlier ones, but of {parts}")
            merges.append((parts[0], parts[1]))
    return merges


# --------------------------------------------------------------------------------------------------------------
# The real ones, to compare with.
# --------------------------------------------------------------------------------------------------------------


@cache
def real_encoding(name: str, timeout: float = 20.0) -> "tiktoken.Encoding | None":
    """tiktoken's `"gpt2"`, `"cl100k_base"` or `"o200k_base"`; `None` where it is neither cached nor reachable.

    tiktoken downloads a vocabulary once and keeps it in the folder `TIKTOKEN_CACHE_DIR`, or in a temporary one.
    Raises: ValueError for a name that tiktoken does not know.
    """
    import tiktoken

    if name not in tiktoken.list_encoding_names():
        raise ValueError(f"name must be one of {', '.join(tiktoken.list_encoding_names())}, got {name!r}")
    loaded = []

    def load() -> None:
        with suppress(OSError):  # no network
            loaded.append(tiktoken.get_encoding(name))

    thread = threading.Thread(target=load, daemon=True)  # tiktoken itself would wait without an end
    thread.start()
    thread.join(timeout)
    return loaded[0] if loaded else None


def train_huggingface(texts: Iterable[str], vocab_size: int) -> list[Pair]:
    """The merges that Hugging Face tokenizers (Rust) learns, as pairs of byte strings; each text is cut on its own.

    The same as `train_bpe(..., tie="smallest")` if the texts are separated by a special token there.

    >>> train_huggingface(["low low low lower lowest"], 258)
    [(b'l', b'o'), (b'lo', b'w')]
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, show_progress=False, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(texts, trainer)
    byte_of = dict(zip(sorted(alphabet), GPT2_BYTE_ORDER))  # it writes each byte as a visible character
    learned = json.loads(tokenizer.to_str())["model"]["merges"]
    return [tuple(bytes(byte_of[char] for char in part) for part in pair) for pair in learned]
