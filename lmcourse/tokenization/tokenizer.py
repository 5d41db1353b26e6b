"""BPETokenizer: encodes and decodes with a trained vocabulary, yours or a published one.

It does what `bpe.encode` does, and more: special tokens, text that streams, a cache of the pre-tokens met
before, long ones merged with a heap; decoding, saving and loading, and tiktoken's vocabularies.
It does not normalise text (what you encode is what you get back, to the byte), it adds no special tokens of its
own, and it knows nothing of chat templates. Its oracle is tiktoken, whose ids it reproduces.
"""

import heapq
import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from operator import add, index
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmcourse.support.checks import got, whole
from lmcourse.support.files import replacing
from lmcourse.tokenization.bpe import Pair, Vocabulary
from lmcourse.tokenization.pretokens import GPT2_PATTERN, batches, check_special_tokens, splitter, utf8
from lmcourse.tokenization.trainer import collector_paused

if TYPE_CHECKING:
    import tiktoken


class BPETokenizer:
    """Encodes and decodes with a trained vocabulary, yours or a published one.

    vocab: id to bytes; it holds the 256 single bytes, what each merge makes, and may hold the special tokens.
    merges: pairs of byte strings in the order learned. `None` for a published vocabulary in which a token's id is
        its rank (tiktoken's): any neighbours whose joined bytes are a token can merge, the lowest id first, and a
        pre-token that is a token as a whole is taken as it is.
    special_tokens: given the id they have in `vocab`, otherwise new ids after the largest.
    pattern: what cuts the text; `None` for the one that `vocab` was trained with, where it comes from `train_bpe` or
        another tokenizer, and GPT-2's for a plain dict.
    Raises: TypeError or ValueError naming the argument.

    >>> from lmcourse.tokenization import train_bpe
    >>> tokenizer = BPETokenizer(*train_bpe("low low low lower lowest", 260, ["<|end|>"]), ["<|end|>"])
    >>> tokenizer.encode("lowest low<|end|>")
    [257, 101, 115, 116, 258, 259]
    >>> tokenizer.decode([257, 101, 115, 116, 258, 259])
    'lowest low<|end|>'
    >>> tokenizer.decode_bytes([257])
    b'low'
    >>> list(tokenizer.encode_iterable(["lo", "west<|e", "nd|>"]))
    [257, 101, 115, 116, 259]
    >>> BPETokenizer.from_tiktoken(tokenizer.to_tiktoken()).merges == tokenizer.merges
    True
    """

    def __init__(
        self,
        vocab: Mapping[int, bytes],
        merges: Sequence[Pair] | None,
        special_tokens: Sequence[str] = (),
        *,
        pattern: str | None = None,
    ):
        check_special_tokens(special_tokens)
        self.pattern = pattern if pattern is not None else getattr(vocab, "pattern", GPT2_PATTERN)
        splitter(self.pattern)
        self.vocab = Vocabulary(_checked_vocab(vocab), self.pattern)
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
            raise TypeError(f"text: a str, got {got(text)}")
        ids = []
        with collector_paused():
            for batch in self._encode_batches([text], self._allowed(allowed_special)):
                ids += batch
        return ids

    def encode_iterable(
        self, iterable: Iterable[str], *, allowed_special: str | Collection[str] = "all"
    ) -> Iterator[int]:
        """The ids of `encode("".join(iterable))`, wherever the text was cut into pieces, one after another.

        Memory: a block of text and the longest pre-token, for the three patterns of this module. With another
        pattern, the text between two special tokens.
        Raises: as `encode`; what is wrong with a piece shows when it is its turn.
        """
        return chain.from_iterable(self._encode_batches(iter(iterable), self._allowed(allowed_special)))

    def _encode_batches(self, pieces: Iterable[str], allowed: Collection[str]) -> Iterator[list[int]]:
        for pretokens, special in batches(pieces, self.pattern, allowed):
            yield list(chain.from_iterable(map(self._cache.__getitem__, pretokens)))
            if special is not None:
                yield [self.special_tokens[special]]

    def _allowed(self, allowed_special: str | Collection[str]) -> Collection[str]:
        if allowed_special == "all":
            return self.special_tokens
        if allowed_special == "none":
            return ()
        if isinstance(allowed_special, str) or not isinstance(allowed_special, Collection):
            raise ValueError(f"allowed_special: 'all', 'none' or a set, got {got(allowed_special)}")
        for token in allowed_special:
            if token not in self.special_tokens:
                known = ", ".join(map(repr, self.special_tokens)) or "none"
                raise ValueError(f"allowed_special: of this tokenizer's special tokens {known}, got {token!r}")
        return allowed_special

    def _encode_pretoken(self, pretoken: str) -> list[int]:
        data = utf8(pretoken, "text")
        if self._ranks is not None:
            parts = _merge(data, self._ranks.get, lambda left, right: (left, right))
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
        return self.decode_bytes(ids).decode("utf-8", errors=errors)

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of `ids`, joined. Raises: ValueError naming an id that is not in the vocabulary."""
        ids = list(ids)
        try:
            return b"".join(map(self.vocab.__getitem__, map(index, ids)))
        except KeyError:
            position, wrong = next((p, i) for p, i in enumerate(ids) if index(i) not in self.vocab)
            raise ValueError(f"ids[{position}]: an id of the vocabulary, 0 to {max(self.vocab)}, got {wrong}") from None

    def save(self, path: str | os.PathLike) -> None:
        """Write the tokenizer as JSON (byte strings as Latin-1), whole or not at all: a crash leaves the old file.

        Raises: OSError where the file cannot be written.

        >>> import tempfile
        >>> from lmcourse.tokenization import train_bpe
        >>> path = Path(tempfile.mkdtemp(), "tokenizer.json")
        >>> BPETokenizer(*train_bpe("low low low lower lowest", 259)).save(path)
        >>> BPETokenizer.load(path).encode("slow")
        [115, 257]
        """
        ranks = self._ranks
        content = {
            "format": _FORMAT,
            "pattern": self.pattern,
            "special_tokens": list(self.special_tokens),
            "vocab": {str(i): token.decode("latin-1") for i, token in self.vocab.items()},
            "merges": None if ranks is None else [[part.decode("latin-1") for part in pair] for pair in ranks],
        }
        with replacing(path) as file:
            file.write(json.dumps(content).encode("utf-8"))

    @classmethod
    def load(cls, path: str | os.PathLike) -> "BPETokenizer":
        """Read what `save` wrote.

        Raises: OSError where there is no file, ValueError for any other file.
        """
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
            raise ValueError(
                f"path: a file that BPETokenizer.save wrote, got {os.fspath(path)!r} ({error!r})"
            ) from None

    def to_tiktoken(self) -> "tiktoken.Encoding":
        """The same tokenizer as a `tiktoken.Encoding`. There a token's id is its rank, so it must be so here.

        Raises: ValueError where it is not.
        """
        import tiktoken

        special = set(self.special_tokens.values())
        ranks = {token: i for i, token in self.vocab.items() if i not in special}
        if self._ranks is not None:
            learned = [self._ids[left + right] for left, right in self._ranks]
            if learned != sorted(learned) or len(ranks) != 256 + len(learned):
                raise ValueError("vocab: ids in the order of the merges for a tiktoken.Encoding, got another order")
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
    for i, token in vocab.items():
        whole("vocab", i, least=0)
        if not isinstance(token, bytes) or not token:
            raise TypeError(f"vocab[{i}]: bytes, one or more, got {got(token)}")
    missing = {bytes([i]) for i in range(256)} - set(vocab.values())
    if missing:
        raise ValueError(f"vocab: all 256 single bytes, got {256 - len(missing)}; {min(missing)!r} is missing")
    return {index(i): token for i, token in vocab.items()}


def _checked_merges(merges: Sequence[Pair], tokens: set[bytes]) -> dict[Pair, int]:
    ranks = {}
    for rank, (left, right) in enumerate(merges):
        for token in (left, right, left + right):
            if token not in tokens:
                raise ValueError(f"merges[{rank}]: tokens of the vocabulary, got {(left, right)!r}; {token!r} is none")
        ranks.setdefault((left, right), rank)
    return ranks


def _recover_merges(ranks: Mapping[bytes, int]) -> list[Pair]:
    """The pair that made each token: what merging its bytes with the earlier tokens only leaves."""
    merges, earlier = [], {}
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        if len(token) > 1:
            parts = _merge(token, earlier.get, add)
            if len(parts) != 2:
                raise ValueError(f"vocab: tokens that two earlier ones make, got {token!r}, which is made of {parts}")
            merges.append((parts[0], parts[1]))
        earlier[token] = rank
    return merges
