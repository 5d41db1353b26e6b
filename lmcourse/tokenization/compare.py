"""Three tokenizers with a fatal flaw each, and the real ones to compare yours with."""

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cache
from operator import index
from time import perf_counter
from typing import TYPE_CHECKING, Any

from lmcourse.support import corpus
from lmcourse.support.checks import one_of
from lmcourse.tokenization.bpe import GPT2_BYTE_ORDER, Pair
from lmcourse.tokenization.pretokens import utf8
from lmcourse.tokenization.tokenizer import BPETokenizer
from lmcourse.tokenization.trainer import train_bpe

if TYPE_CHECKING:
    import tiktoken


class CharacterTokenizer:
    """One id a character: its Unicode code point. Flaw: a huge vocabulary, most of it never seen in training.

    >>> CharacterTokenizer().encode("hi 你"), CharacterTokenizer().decode([104, 105])
    ([104, 105, 32, 20320], 'hi')
    """

    vocab_size = 0x110000  # code points 0 to 10FFFF

    def encode(self, text: str) -> list[int]:
        return list(map(ord, text))

    def decode(self, ids: Iterable[int]) -> str:
        return "".join(map(chr, _in_range(ids, self.vocab_size)))


class ByteTokenizer:
    """One id a UTF-8 byte. Flaw: a compression ratio of exactly 1, so sequences are as long as they can be.

    >>> ByteTokenizer().encode("é"), ByteTokenizer().decode([195, 169])
    ([195, 169], 'é')
    """

    vocab_size = 256

    def encode(self, text: str) -> list[int]:
        return list(utf8(text, "text"))

    def decode(self, ids: Iterable[int]) -> str:
        return bytes(_in_range(ids, self.vocab_size)).decode("utf-8", errors="replace")


class WordTokenizer:
    """One id a word, a space or a symbol seen in `text`. Flaw: everything else becomes id 0, `<unk>`, and is gone.

    >>> words = WordTokenizer("the cat in the hat")
    >>> words.encode("the dog"), words.decode(words.encode("the dog"))
    ([2, 1, 0], 'the <unk>')
    """

    unknown = "<unk>"

    def __init__(self, text: str):
        self.words = [self.unknown, *(word for word, _ in Counter(self._split(text)).most_common())]
        self._ids = {word: i for i, word in enumerate(self.words)}
        self.vocab_size = len(self.words)

    @staticmethod
    def _split(text: str) -> list[str]:
        return re.findall(r"\w+|\s+|[^\w\s]", text)

    def encode(self, text: str) -> list[int]:
        return [self._ids.get(word, 0) for word in self._split(text)]

    def decode(self, ids: Iterable[int]) -> str:
        return "".join(self.words[i] for i in _in_range(ids, self.vocab_size))


def _in_range(ids: Iterable[int], vocab_size: int) -> list[int]:
    ids = list(map(index, ids))
    for position, i in enumerate(ids):
        if not 0 <= i < vocab_size:
            raise ValueError(f"ids[{position}]: 0 to {vocab_size - 1}, got {i}")
    return ids


def compression_ratio(text: str, ids: Sequence[int]) -> float:
    """UTF-8 bytes of `text` for each token of `ids`: higher means shorter sequences.

    Raises: ValueError if there are no ids.

    >>> compression_ratio("你好", [1, 2, 3])
    2.0
    """
    if len(ids) == 0:
        raise ValueError("ids: one or more, got none")
    return len(text.encode("utf-8")) / len(ids)


# --- the real ones, to compare with --------------------------------------------------------------------------------


def real_encoding(name: str, timeout: float = 20.0) -> "tiktoken.Encoding | None":
    """tiktoken's `"gpt2"`, `"cl100k_base"` or `"o200k_base"`; `None` where it is neither cached nor reachable.

    tiktoken downloads a vocabulary once and keeps it in the folder `TIKTOKEN_CACHE_DIR`, or in a temporary one. What
    could not be had is asked for again at the next call.
    timeout: seconds to wait for it.
    Raises: ValueError for a name that tiktoken does not know.

    >>> real_encoding("gpt5")
    Traceback (most recent call last):
    ValueError: name: gpt2, r50k_base, ..., got 'gpt5'
    """
    import tiktoken

    one_of("name", name, tiktoken.list_encoding_names())
    loaded = []

    def load() -> None:
        with suppress(OSError):  # no network
            loaded.append(tiktoken.get_encoding(name))

    thread = threading.Thread(target=load, daemon=True)  # tiktoken itself would wait without an end
    thread.start()
    thread.join(timeout)
    return loaded[0] if loaded else None


REAL = {"GPT-2": "gpt2", "GPT-4": "cl100k_base", "GPT-4o": "o200k_base"}


@cache
def real_encodings() -> "dict[str, tiktoken.Encoding]":
    """The tokenizers of GPT-2, GPT-4 and GPT-4o that can be had here, by these names; a line is printed for the others.

    >>> list(real_encodings())  # doctest: +SKIP
    ['GPT-2', 'GPT-4', 'GPT-4o']
    """
    found = {name: real_encoding(code) for name, code in REAL.items()}
    for name in [name for name, encoding in found.items() if encoding is None]:
        print(f"{name}'s vocabulary is neither cached nor reachable: what follows goes on without it")
    return {name: encoding for name, encoding in found.items() if encoding is not None}


@cache
def gpt2_merges() -> list[Pair]:
    """GPT-2's 50,000 merges in the order learned, as pairs of byte strings; empty where its vocabulary cannot be had.

    >>> gpt2_merges()[:2]  # doctest: +SKIP
    [(b' ', b't'), (b' ', b'a')]
    """
    encoding = real_encodings().get("GPT-2")
    return BPETokenizer.from_tiktoken(encoding).merges if encoding else []


def as_gpt2_ids(ids: Iterable[int]) -> list[int]:
    """Ids as `encode` gives them, in GPT-2's numbers: the same from 256 on, and another order of the 256 bytes.

    >>> as_gpt2_ids([33, 300])
    [0, 300]
    """
    return [GPT2_BYTE_ORDER.index(i) if i < 256 else i for i in ids]


@cache
def docs_tokenizer() -> BPETokenizer:
    """A tokenizer with 4,096 tokens, learned by `train_bpe` from Python's documentation; the last is `<|endoftext|>`.

    >>> docs_tokenizer().vocab_size
    4096
    """
    end = ["<|endoftext|>"]
    return BPETokenizer(*train_bpe(corpus.load("python-docs"), 4096, end, tie="smallest"), end)


def seconds(run: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[Any, float]:
    """What `run(*arguments, **options)` returns, and how many seconds it took.

    >>> seconds(max, 3, 4)[0]
    4
    """
    start = perf_counter()
    return run(*arguments, **options), perf_counter() - start


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
