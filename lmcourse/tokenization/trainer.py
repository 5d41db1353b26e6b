"""The fast trainer of byte-pair encoding: after a merge, count again only where something changed.

It learns the merges of `bpe.train_bpe_naive` under each of the three tie rules, in less time than Hugging
Face's trainer in Rust takes (benchmarks/bpe.py). It runs in one thread, and holds each distinct pre-token in memory.
"""

import gc
import heapq
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate, islice
from operator import add
from typing import Any, NamedTuple

from lmcourse.tokenization.bpe import GPT2_BYTE_ID, Pair, Vocabulary, check_training
from lmcourse.tokenization.pretokens import GPT2_PATTERN, Source, count_pretokens

LONG = 256  # tokens: longer pre-tokens are indexed where the first of equals is wanted


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keep Python's cycle collector from walking millions of live lists that hold no cycle: a third of the time.

    >>> with collector_paused():
    ...     print(gc.isenabled())
    False
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@collector_paused()
def train_bpe(
    source: Source,
    vocab_size: int,
    special_tokens: Sequence[str] = (),
    *,
    pattern: str = GPT2_PATTERN,
    tie: str = "greatest",
) -> tuple[Vocabulary, list[Pair]]:
    """Learn a byte-pair encoding of `vocab_size` tokens: the 256 bytes, the merges, then the special tokens.

    source: the text as a `str`, an `os.PathLike` to a UTF-8 file, or an iterable of `str` pieces of one text; the
        latter two are streamed, and memory grows with the number of distinct pre-tokens, not with the text.
    special_tokens: cut out of the text first, the longest first; never merged, neither inside nor across.
    tie: which of several equally frequent pairs wins, see `best_pair`.
    Returns `vocab` (a dict, id to bytes, that knows the pattern) and `merges` in the order learned; fewer than asked
        if the text has no more pairs.
    Raises: TypeError or ValueError naming the argument; ValueError for a file that is not UTF-8.

    >>> vocab, merges = train_bpe("low low low lower lowest", 260, ["<|endoftext|>"])
    >>> merges
    [(b'o', b'w'), (b'l', b'ow'), (b' ', b'low')]
    >>> vocab[258], vocab[259]
    (b' low', b'<|endoftext|>')
    """
    check_training(vocab_size, special_tokens, tie)
    trainer = Trainer(count_pretokens(source, special_tokens, pattern=pattern), tie)
    merges = [step.pair for step in islice(trainer, vocab_size - 256 - len(special_tokens))]
    tokens = trainer.tokens + [token.encode("utf-8") for token in special_tokens]
    return Vocabulary(dict(enumerate(tokens)), pattern), merges


class MergeStep(NamedTuple):
    """One merge of the fast trainer, and the work it took.

    >>> next(iter(Trainer({"aaa": 2}, "greatest")))  # the two pairs of "aaa" overlap: one is replaced, twice
    MergeStep(pair=(b'a', b'a'), count=4, replaced=2, examined=2, recount=2)
    """

    pair: Pair  # what was merged
    count: int  # how often it was counted
    replaced: int  # how often it was replaced: less, where it overlaps itself
    examined: int  # adjacent pairs in the pre-tokens that were visited
    recount: int  # adjacent pairs in all of them: what counting anew looks at


class Trainer:
    """Iterating does merge after merge, until no pair is left.

    A word (a distinct pre-token) is kept as a str with one character a token, chr(id), and a pair as the str of its
    two characters: so finding and replacing a pair is `split` and `join`, which run in C.

    Three things make it fast. `where` lists the words that a pair is in, so a merge visits only those. The words in
    which a token stands beside the new one are gathered first, and their counts added up once. And a pair's count only
    ever falls after the merge that made its newer half: so pairs wait, filed by the count they had then, and are looked
    at again (and told from their equals by the tie rule) only when the merges have come down to that count.
    """

    def __init__(self, words: Mapping[str, int], tie: str):
        self.tokens = [bytes([i]) for i in range(256)]
        self.times = list(words.values())
        self.texts = [word.encode("utf-8").decode("latin-1") for word in words]  # byte b becomes chr(b)
        self.order = {"greatest": self._greatest, "first": self._first, "smallest": self._smallest}[tie]

        found = defaultdict(list)
        for w, text in enumerate(self.texts):
            for pair in map(add, text, text[1:]):
                found[pair].append(w)
        self.counts = {pair: self._times(words) for pair, words in found.items()}
        self.where = {pair: list(dict.fromkeys(words)) for pair, words in found.items()}  # each word once
        self.recount = sum(len(text) - 1 for text in self.texts)

        self.begins: dict[int, dict[str, int]] = {}  # of long words: the byte at which each pair begins first
        self.most = 0  # the count that the merges have come down to
        self.equals: list[tuple] = []  # a heap of the pairs that have it, the one that wins on top
        self.waiting: dict[int, list[str]] = {}  # other pairs, by a count that may have fallen since
        self.levels: list[int] = []  # a heap of these counts, negative, so that the highest is on top
        for pair in self.counts:
            self.file(pair)

    def __iter__(self) -> Iterator[MergeStep]:
        while pair := self.pop():
            yield self.merge(pair)

    def file(self, pair: str) -> None:
        """Put a pair where its count belongs."""
        count = self.counts[pair]
        if count == self.most:
            heapq.heappush(self.equals, (self.order(pair), pair))
        elif count in self.waiting:
            self.waiting[count].append(pair)
        elif count:
            self.waiting[count] = [pair]
            heapq.heappush(self.levels, -count)

    def pop(self) -> str | None:
        """Take out the best pair."""
        while self.equals or self.levels:
            if self.equals:
                _, pair = heapq.heappop(self.equals)
                if self.counts[pair] == self.most:
                    return pair
                self.file(pair)
            else:
                self.most = -heapq.heappop(self.levels)
                for pair in self.waiting.pop(self.most):
                    self.file(pair)
        return None

    def merge(self, pair: str) -> MergeStep:
        """Replace `pair` by a new token in the words that hold it, and bring the counts up to date."""
        texts, times = self.texts, self.times
        self.begins.clear()
        left, right = pair
        new = chr(len(self.tokens))
        self.tokens.append(self.tokens[ord(left)] + self.tokens[ord(right)])
        before, after = defaultdict(list), defaultdict(list)  # by token: the words in which it is a neighbour of new
        count, replaced, examined, merged = self.counts[pair], 0, 0, 0

        for w in self.where.pop(pair):
            examined += len(texts[w]) - 1
            if pair not in texts[w]:  # an earlier merge took it
                continue
            parts = texts[w].split(pair)
            merged += len(parts) - 1
            replaced += (len(parts) - 1) * times[w]
            texts[w] = new.join(parts)
            first, *between, last = parts
            if first:
                before[first[-1]].append(w)
            for part in between:
                before[part[-1] if part else new].append(w)
                if part:
                    after[part[0]].append(w)
            if last:
                after[last[0]].append(w)

        for token, words in before.items():
            self._count(token + new, words, instead_of=(right if token == new else token) + left)
        for token, words in after.items():
            self._count(new + token, words, instead_of=right + token)
        step = MergeStep((self.tokens[ord(left)], self.tokens[ord(right)]), count, replaced, examined, self.recount)
        self.recount -= merged
        del self.counts[pair]
        return step

    def _times(self, words: list[int]) -> int:
        """How often they occur in the text, together."""
        return sum(map(self.times.__getitem__, words))

    def _count(self, pair: str, words: list[int], instead_of: str) -> None:
        """Count a new pair, and take its count off the pair that was in its place."""
        count = self._times(words)
        self.counts[instead_of] -= count
        self.counts[pair] = count
        self.where[pair] = list(dict.fromkeys(words))
        self.file(pair)

    # For each tie rule a key that is smallest for the pair that wins.

    def _greatest(self, pair: str) -> str:
        return "".join(self._upside_down(self.tokens[ord(token)]) for token in pair)

    def _first(self, pair: str) -> tuple[int, int]:
        # The word it is in, then the byte it begins at: merges move tokens, but neither of these.
        found = ((w, self._begin(w, pair)) for w in self.where[pair])
        return next((w, begin) for w, begin in found if begin is not None)

    def _begin(self, w: int, pair: str) -> int | None:
        """The byte of a word at which a pair begins first; None where it is not in it any more."""
        text = self.texts[w]
        if len(text) < LONG:
            at = text.find(pair)
            return None if at < 0 else sum(len(self.tokens[ord(token)]) for token in text[:at])
        if w not in self.begins:  # for all its pairs at once: they are asked for by the thousand
            bytes_before = accumulate((len(self.tokens[ord(token)]) for token in text), initial=0)
            self.begins[w] = dict(reversed(list(zip(map(add, text, text[1:]), bytes_before))))
        return self.begins[w].get(pair)

    def _smallest(self, pair: str) -> str:
        return pair.translate(GPT2_BYTE_ID)

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
    steps = list(islice(Trainer(count_pretokens(source, pattern=pattern), "greatest"), vocab_size - 256))
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
    trainer = Trainer(words, tie)
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
