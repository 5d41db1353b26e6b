r"""From text to pre-tokens: cut the text first, and never merge across a cut.

Patterns, the cutting itself, the same for text that arrives in pieces, and counting. Special tokens are cut out here.
What becomes of a pre-token is not here: see lmcourse.tokenization.bpe (learning and applying merges, in plain).
Sources: Radford et al. 2019 (GPT-2's pattern), and tiktoken, whose cuts these are.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from pathlib import Path

import regex

from lmcourse.support.checks import got

Source = str | os.PathLike | Iterable[str]

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
    Raises: ValueError (a pattern that does not compile).
    Source: Radford et al. 2019, section 2.2, and tiktoken.

    >>> pretokenize("HOW'S it, 12345?")
    ['HOW', "'", 'S', ' it', ',', ' 12345', '?']
    >>> pretokenize("HOW'S it, 12345?", CL100K_PATTERN)
    ['HOW', "'S", ' it', ',', ' ', '123', '45', '?']
    """
    return splitter(pattern)(text)


@lru_cache(maxsize=64)
def splitter(pattern: str) -> Callable[[str], list[str]]:
    """The function that cuts a text by `pattern`. Raises: ValueError (no regular expression).

    >>> splitter(GPT2_PATTERN)("don't  stop")
    ['don', "'t", ' ', ' stop']
    """
    try:
        compiled = regex.compile(pattern)
    except regex.error as error:
        raise ValueError(f"pattern: a regular expression, got {got(pattern)} ({error})") from None
    if pattern not in (GPT2_PATTERN, CL100K_PATTERN, O200K_PATTERN):
        return lambda text: [match.group() for match in compiled.finditer(text) if match.group()]
    spelled_out = re.compile(_spelled_out(pattern))

    def split(text: str) -> list[str]:
        if text.isascii() or not _BEYOND_FFFF.search(text):
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


def batches(
    pieces: Iterable[str], pattern: str, special_tokens: Collection[str]
) -> Iterator[tuple[list[str], str | None]]:
    """Pre-tokens of the joined pieces, a batch at a time; each batch comes with the special token that ends it, if any.

    Holds one block and the longest pre-token, not the text. For a pattern other than the three, where nobody knows
    what later text may change, it holds everything up to the next special token.

    >>> list(batches(["to b", "e<|e", "nd|>or"], GPT2_PATTERN, ["<|end|>"]))
    [(['to', ' be'], '<|end|>'), (['or'], None)]
    """
    longest_first = sorted(special_tokens, key=len, reverse=True)
    special = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
    reach = max(map(len, special_tokens), default=1) - 1  # a special token may begin this far before the end
    streams = pattern in (GPT2_PATTERN, CL100K_PATTERN, O200K_PATTERN)
    split = splitter(pattern)

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
            pretokens = split(text[start:limit])
            start = limit - sum(map(len, pretokens[-_UNSETTLED:]))
            del pretokens[-_UNSETTLED:]
            yield pretokens, None
        held = text[start:]

    held, fresh, size = "", [], 0
    for piece in pieces:
        if not isinstance(piece, str):
            raise TypeError(f"source: pieces of text, each a str, got {got(piece)}")
        for start in range(0, len(piece), _BLOCK):
            fresh.append(piece[start : start + _BLOCK])
            size += len(fresh[-1])
            if size >= max(_BLOCK, len(held)):  # so that a long pre-token is not cut again for every block
                yield from settle(held + "".join(fresh), final=False)
                fresh, size = [], 0
    yield from settle(held + "".join(fresh), final=True)


def utf8(text: str, name: str) -> bytes:
    r"""`text` in UTF-8. Raises: ValueError that names it and the lone surrogate in it.

    >>> utf8("é", "text")
    b'\xc3\xa9'
    >>> utf8("a\ud800", "text")
    Traceback (most recent call last):
    ValueError: text: what UTF-8 can hold, got the lone surrogate '\ud800' in 'a\ud800'
    """
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        bad, near = text[error.start], text[max(0, error.start - 20) : error.start + 20]
        raise ValueError(f"{name}: what UTF-8 can hold, got the lone surrogate {bad!a} in {near!a}") from None


def count_pretokens(source: Source, special_tokens: Sequence[str] = (), *, pattern: str = GPT2_PATTERN) -> Counter[str]:
    r"""How often each distinct pre-token occurs in `source`, in the order in which they first appear.

    A `str` is the text itself, an `os.PathLike` names a UTF-8 file (read in blocks, line ends kept), anything else
    is an iterable of `str` pieces of one text. Special tokens are cut out and not counted. Memory grows with the
    number of distinct pre-tokens, not with the text. Raises: TypeError, ValueError (not UTF-8), OSError.

    >>> count_pretokens("to be or not to be")
    Counter({' be': 2, 'to': 1, ' or': 1, ' not': 1, ' to': 1})
    """
    check_special_tokens(special_tokens)
    counts = Counter()
    for pretokens, _ in batches(_pieces(source), pattern, special_tokens):
        counts.update(pretokens)
    for pretoken in counts:
        utf8(pretoken, "source")
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
                raise ValueError(f"source: UTF-8, got {os.fspath(source)!r} ({error})") from None
    elif isinstance(source, Iterable) and not isinstance(source, bytes | bytearray):
        yield from source
    else:
        raise TypeError(f"source: a str, an os.PathLike or an iterable of str, got {got(source)}")


def check_special_tokens(special_tokens: Sequence[str]) -> None:
    """Raise a TypeError or ValueError that says what is wrong with them.

    >>> check_special_tokens(["<|end|>", "<|end|>"])
    Traceback (most recent call last):
    ValueError: special_tokens: each once, got '<|end|>' 2 times
    """
    if isinstance(special_tokens, str) or not isinstance(special_tokens, Collection):
        raise TypeError(f"special_tokens: a list of str, got {got(special_tokens)}")
    for token, times in Counter(special_tokens).items():
        if not isinstance(token, str):
            raise TypeError(f"special_tokens: a list of str, got one that holds {got(token)}")
        if not token:
            raise ValueError("special_tokens: strings that are not empty, got '', which would match everywhere")
        if times > 1:
            raise ValueError(f"special_tokens: each once, got {token!r} {times} times")
        utf8(token, "special_tokens")
