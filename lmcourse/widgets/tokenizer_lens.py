"""TokenizerLens: several tokenizers on one text, their tokens above one another, column by column of bytes.

Python tokenizes (a published vocabulary is too large for a page), the JS draws and links. Without a kernel the texts
given at the start are there, and STORED; for a new one the page itself has bytes, characters, and a vocabulary that
was trained here (`in_page`).
"""

import base64
import html
from collections.abc import Mapping, Sequence
from typing import Any

import traitlets

from lmcourse.tokenization import GPT2_PATTERN, BPETokenizer, ByteTokenizer, CharacterTokenizer, pretokenize, train_bpe
from lmcourse.widgets.any_tokenizer import encode, special_ids, token_bytes
from lmcourse.widgets.base import CourseWidget
from lmcourse.widgets.merge_film import check_text, shown

MOST = 20_000  # characters
STORED = ("12345", "strawberry")  # texts that a page without a kernel has the published vocabularies' answers to
MOST_MERGES = 8192  # of a vocabulary that a page takes along, four bytes a merge


class TokenizerLens(CourseWidget):
    """What each of `tokenizers` makes of `text`, linked through the bytes.

    text: a text, or several to choose from; the texts given here also work on a page without a kernel.
    tokenizers: names and what encodes: a `BPETokenizer`, a `tiktoken.Encoding`, or anything with `encode` and `decode`.
    `None` (what `real_encoding` gives where a vocabulary cannot be had) leaves a line that says so.
    special: `"all"` lets special tokens in the text become their ids, `"none"` makes them ordinary text.

    >>> TokenizerLens("hé", {"bytes": ByteTokenizer(), "characters": CharacterTokenizer()})
    TokenizerLens: 3 bytes are 3 tokens in bytes, 2 in characters
    """

    text = traitlets.Unicode("").tag(sync=True)
    special = traitlets.Unicode("all").tag(sync=True)
    view = traitlets.Unicode("bytes").tag(sync=True)
    names = traitlets.List().tag(sync=True)
    samples = traitlets.List().tag(sync=True)
    shown = traitlets.Dict().tag(sync=True)
    local = traitlets.List().tag(sync=True)
    left_out = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        text: str | Sequence[str],
        tokenizers: Mapping[str, Any],
        *,
        special: str = "all",
        view: str = "bytes",
    ):
        texts = [text] if isinstance(text, str) else list(text)
        if not texts:
            raise ValueError("text: expected a str or several, got none")
        for each in texts:
            check_text("text", each)
        if not isinstance(tokenizers, Mapping) or not tokenizers:
            raise TypeError(f"tokenizers: expected a dict of name: tokenizer, got {tokenizers!r:.60}")
        for name, tokenizer in tokenizers.items():
            if tokenizer is not None and not callable(getattr(tokenizer, "encode", None)):
                raise TypeError(f"tokenizers[{name!r}]: expected something with encode, got {type(tokenizer).__name__}")
        if special not in ("all", "none"):
            raise ValueError(f"special: expected 'all' or 'none', got {special!r}")
        if view not in ("bytes", "ids"):
            raise ValueError(f"view: expected 'bytes' or 'ids', got {view!r}")
        self._tokenizers = {str(name): tokenizer for name, tokenizer in tokenizers.items()}
        about = [_about(name, tokenizer) for name, tokenizer in self._tokenizers.items()]
        local = [in_page(each, tokenizer) for each, tokenizer in zip(about, self._tokenizers.values())]
        samples = []
        known = texts if all(local) else [*texts, *(each for each in STORED if each not in texts)]
        for each in (each[:MOST] for each in known):
            both = {choice: self._tokenize(each, choice) for choice in ("all", "none")}
            samples += [both["all"]] if both["all"]["lanes"] == both["none"]["lanes"] else list(both.values())
        super().__init__(
            title="One text through several tokenizers",
            source=f"Tokenized in Python by {', '.join(dict.fromkeys(map(_origin, self._tokenizers.values())))}.",
            text=texts[0][:MOST],
            special=special,
            view=view,
            names=about,
            local=local,
            samples=samples,
            shown=next((s for s in samples if s["text"] == texts[0][:MOST] and s["special"] == special), samples[0]),
            left_out=max(0, len(texts[0]) - MOST),
        )
        # A vocabulary would be more than a link carries, and the page that it opens on has its own.
        self._share = self._share | {"names": [name for name in self._share["names"] if name != "local"]}

    def _tokenize(self, text: str, special: str) -> dict:
        return {
            "text": text,
            "special": special,
            "lanes": [lane(tokenizer, text, special) for tokenizer in self._tokenizers.values()],
        }

    def summary(self) -> str:
        size = len(self.shown["text"].encode("utf-8"))
        counts = [
            f"{len(each['ids'])}{(' token' if len(each['ids']) == 1 else ' tokens') * (i == 0)} in {about['name']}"
            if not each["problem"]
            else f"none in {about['name']}"
            for i, (about, each) in enumerate(zip(self.names, self.shown["lanes"]))
        ]
        return f"{size} byte{'s are' if size != 1 else ' is'} {', '.join(counts)}"

    def snapshot(self) -> str:
        data, rows = self.shown["text"].encode("utf-8"), ""
        for about, each in zip(self.names, self.shown["lanes"]):
            tokens, at = [], 0
            for size in each["sizes"][:60]:
                tokens.append(f"<code>{html.escape(shown(data[at : at + size]))}</code>")
                at += size
            more = " …" * (len(each["sizes"]) > 60)
            ids = " ".join(map(str, each["ids"][:60])) + more
            ratio = f"{len(data) / len(each['ids']):.2f}" if each["ids"] else ""
            rows += (
                f"<tr><th>{html.escape(about['name'])}</th><td>{len(each['ids'])}</td><td>{ratio}</td>"
                f"<td>{html.escape(each['problem'])} {' '.join(tokens)}{more}<br>{ids}</td></tr>"
            )
        return (
            f"<p>{html.escape(self.summary())}.</p>\n<table><thead><tr><th>tokenizer</th><th>tokens</th>"
            f"<th>bytes a token</th><th>tokens and ids</th></tr></thead><tbody>{rows}</tbody></table>"
        )

    @classmethod
    def example(cls) -> "TokenizerLens":
        corpus = (
            "the cat in the hat sat on the mat. that rat sat there, and the cat ran after the rat. 你好 你好 🐱 🐱 "
        )
        learned = BPETokenizer(*train_bpe(corpus, 320, ["<|end|>"]), ["<|end|>"])
        texts = [
            "Then the cat sat there: 你好 🐱 naïve!",
            "the cat<|end|>the rat",
            "HOW'S it, 12345?\n  return x\t# नमस्ते שלום",
            "e\u0301 👨‍👩‍👧 \u202eabc\x00\r\n",
        ]
        return cls(texts, {"characters": CharacterTokenizer(), "bytes": ByteTokenizer(), "mine": learned})

    def answer(self, question: dict) -> dict:
        """Tokenize a new text; it reaches every view as the trait `shown`."""
        if not isinstance(question, dict) or not isinstance(question.get("text"), str):
            raise ValueError("expected a text")
        check_text("text", question["text"])
        special = question.get("special", "all")
        if special not in ("all", "none") or len(question["text"]) > MOST:
            raise ValueError(f"expected at most {MOST} characters, and special to be 'all' or 'none'")
        with self.hold_sync():
            self.text, self.special = question["text"], special
            self.shown = self._tokenize(self.text, special)
        return {}


def lane(tokenizer: object, text: str, special: str) -> dict:
    """Ids of `text`, how many bytes each stands for, the bytes before which the text was cut, the special ids.

    `problem` says in words why there are none, or why they cannot be laid over the bytes of the text.
    """
    empty = {"ids": [], "sizes": [], "cuts": [], "special": [], "problem": ""}
    if tokenizer is None:
        return empty | {"problem": "not here: neither cached nor reachable"}
    try:
        ids = encode(tokenizer, text, special)
        tokens = token_bytes(tokenizer, ids)
    except Exception as error:
        return empty | {"problem": f"{type(error).__name__}: {error}"}
    found = empty | {"ids": ids}
    if b"".join(tokens) != text.encode("utf-8"):
        return found | {"problem": "these tokens do not join to the text again"}
    known = set(special_ids(tokenizer).values())
    return found | {
        "sizes": [len(token) for token in tokens],
        "cuts": _cuts(tokenizer, ids, tokens, known),
        "special": [i for i, token_id in enumerate(ids) if token_id in known],
    }


def _cuts(tokenizer, ids: list[int], tokens: list[bytes], special: set[int]) -> list[int]:
    """The bytes at which pre-tokens begin: the pattern's cuts in what lies between special tokens."""
    pattern = getattr(tokenizer, "pattern", None) or getattr(tokenizer, "_pat_str", None)
    if pattern is None:
        return []
    cuts, at, run = set(), 0, b""

    def settle() -> None:
        start = at - len(run)
        for piece in pretokenize(run.decode("utf-8"), pattern):
            cuts.add(start)
            start += len(piece.encode("utf-8"))

    for token_id, token in zip(ids, tokens):
        if token_id in special:
            settle()
            run = b""
            cuts |= {at, at + len(token)}
        else:
            run += token
        at += len(token)
    settle()
    return sorted(cuts - {0, at})


def in_page(about: dict, tokenizer: object) -> dict | None:
    """What a page needs in order to tokenize without Python; `None` where it cannot.

    Bytes, characters, and a `BPETokenizer` with GPT-2's pattern whose ids are the bytes and then its merges in order,
    as `train_bpe` numbers them. `laneHere` in rules/lanes.js reads it.
    """
    known = {"name": about["name"], "size": about["size"], "merges": "", "special": []}
    if isinstance(tokenizer, ByteTokenizer):
        return known | {"kind": "bytes"}
    if isinstance(tokenizer, CharacterTokenizer):
        return known | {"kind": "characters"}
    if not isinstance(tokenizer, BPETokenizer) or tokenizer._ranks is None or tokenizer.pattern != GPT2_PATTERN:
        return None
    merges = tokenizer.merges
    learned = [bytes([i]) for i in range(256)] + [left + right for left, right in merges]
    ids = {token: i for i, token in enumerate(learned)}
    if len(merges) > MOST_MERGES or len(ids) < len(learned):
        return None
    if any(tokenizer.vocab.get(i) != token for i, token in enumerate(learned)):
        return None
    packed = b"".join(ids[part].to_bytes(2, "little") for pair in merges for part in pair)
    special = [{"token": token, "id": i} for token, i in special_ids(tokenizer).items()]
    return known | {"kind": "bpe", "merges": base64.b64encode(packed).decode("ascii"), "special": special}


def _origin(tokenizer) -> str:
    if tokenizer is None:
        return "what could not be loaded"
    module = type(tokenizer).__module__.partition(".")[0]
    return module if module not in ("__main__", "builtins") else f"your {type(tokenizer).__name__}"


def _about(name: str, tokenizer) -> dict:
    size = getattr(tokenizer, "n_vocab", None) or getattr(tokenizer, "vocab_size", None)
    pattern = getattr(tokenizer, "pattern", None) or getattr(tokenizer, "_pat_str", None)
    return {
        "name": name,
        "size": int(size) if isinstance(size, int) else 0,
        "special": list(special_ids(tokenizer))[:8],
        "cuts": "" if pattern is None else "GPT-2's" if pattern == GPT2_PATTERN else "its own",
    }
