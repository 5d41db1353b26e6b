"""MergeFilm: byte-pair encoding, merge by merge: learned from one text, then applied to another.

The algorithm that answers every control is in the JS and equals `lmcourse.tokenization` on golden vectors. Python makes
the first picture, and runs the reader's own trainer.
"""

import html
import inspect
from collections.abc import Callable
from functools import lru_cache

import traitlets

from lmcourse.tokenization import TIES, BPETokenizer, train_bpe, train_trace
from lmcourse.widgets.base import CourseWidget

MOST = 20_000  # characters of `text`
MOST_NEW = 300  # characters of `new_text`
MOST_MERGES = 2000


class MergeFilm(CourseWidget):
    """Training on `text` to `vocab_size` tokens, then encoding `new_text` with what was learned.

    tie: who wins among equally frequent pairs, see `best_pair`. step: where the film begins. guess: ask for each pair
    before the counts are shown.
    train: a trainer of yours, called as `train(text, vocab_size)` (and `tie=...` if it takes one); it returns merges as
    pairs of bytes, or `(vocab, merges)`. The first merge where it leaves the reference is marked.

    >>> MergeFilm("low low low lower lowest", vocab_size=259)
    MergeFilm: 3 merges turn 24 bytes into 10 tokens, 2.40 bytes a token; of equals the greatest pair wins
    """

    text = traitlets.Unicode("").tag(sync=True)
    new_text = traitlets.Unicode("").tag(sync=True)
    vocab_size = traitlets.Int(320).tag(sync=True)
    tie = traitlets.Unicode("greatest").tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    whose = traitlets.Unicode("reference").tag(sync=True)
    guess = traitlets.Bool(False).tag(sync=True)
    has_train = traitlets.Bool(False).tag(sync=True)
    theirs = traitlets.Dict().tag(sync=True)
    left_out = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        text: str,
        *,
        vocab_size: int = 320,
        tie: str = "greatest",
        new_text: str | None = None,
        step: int = 0,
        guess: bool = False,
        train: Callable | None = None,
    ):
        check_text("text", text)
        new_text = text[:60] if new_text is None else new_text
        check_text("new_text", new_text)
        if len(new_text) > MOST_NEW:
            raise ValueError(f"new_text: at most {MOST_NEW} characters, one merge a step, got {len(new_text)}")
        if not isinstance(vocab_size, int) or not 257 <= vocab_size <= 256 + MOST_MERGES:
            raise ValueError(f"vocab_size: expected an int from 257 to {256 + MOST_MERGES}, got {vocab_size!r}")
        if tie not in TIES:
            raise ValueError(f"tie: expected one of {', '.join(map(repr, TIES))}, got {tie!r}")
        if not isinstance(step, int) or step < 0:
            raise ValueError(f"step: expected an int of 0 or more, got {step!r}")
        if train is not None and not callable(train):
            raise TypeError(f"train: expected a function, got {type(train).__name__}")
        super().__init__(
            title="A tokenizer learns, one merge at a time",
            source="Computed here, equal to lmcourse.tokenization. Pre-tokens are cut by GPT-2's pattern.",
            text=text[:MOST],
            new_text=new_text,
            vocab_size=vocab_size,
            tie=tie,
            step=step,
            guess=bool(guess),
            has_train=train is not None,
            left_out=max(0, len(text) - MOST),
        )
        self._train = train
        if train is not None:
            self.theirs = self._theirs()

    def _theirs(self) -> dict:
        """What the reader's own trainer makes of the text on the stage, or why it makes nothing."""
        asked = {"for": [self.text, self.vocab_size, self.tie], "merges": [], "error": ""}
        try:
            takes_tie = "tie" in inspect.signature(self._train).parameters
            made = self._train(self.text, self.vocab_size, **({"tie": self.tie} if takes_tie else {}))
            asked["merges"] = [[part.decode("latin-1") for part in pair] for pair in _merges(made)[:MOST_MERGES]]
        except Exception as error:
            asked["error"] = f"{type(error).__name__}: {error}"
        return asked

    def summary(self) -> str:
        if not self.text:
            return "There is no text to train on"
        tokenizer = _trained(self.text, self.vocab_size, self.tie)
        count, tokens, size = len(tokenizer.merges), len(tokenizer.encode(self.text)), len(self.text.encode("utf-8"))
        return (
            f"{count} merge{'s turn' if count != 1 else ' turns'} {size} bytes into {tokens} tokens, "
            f"{size / tokens:.2f} bytes a token; of equals the {self.tie} pair wins"
        )

    def snapshot(self) -> str:
        rows = ""
        for k, step in enumerate(train_trace(self.text, min(self.vocab_size, 268), tie=self.tie, top=1), start=1):
            left, right = step["pair"]
            tied = f"{len(step['tied'])} tie" if len(step["tied"]) > 1 else ""
            counted = str(step["count"]) + (f", merged {step['replaced']}" if step["replaced"] < step["count"] else "")
            cells = (k, shown(left), shown(right), shown(left + right), counted, tied, step["tokens"])
            rows += "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells) + "</tr>"
        head = "".join(f"<th>{name}</th>" for name in ("merge", "left", "right", "token", "counted", "", "tokens then"))
        tokenizer = _trained(self.text, self.vocab_size, self.tie)
        tokens = (shown(tokenizer.vocab[i]) for i in tokenizer.encode(self.new_text))
        return (
            f"<p>{html.escape(self.summary())}. The first merges:</p>\n<table><thead><tr>{head}</tr></thead>"
            f"<tbody>{rows}</tbody></table>\n<p>The second text, encoded with all of them: "
            f"{' '.join(f'<code>{html.escape(token)}</code>' for token in tokens)}</p>"
        )

    @classmethod
    def example(cls) -> "MergeFilm":
        text = "the cat in the hat sat on the mat, then that rat sat there: ha haha hahaha aaaah! 🐱🐱🐱 你好 你好"
        return cls(text, vocab_size=296, new_text="other hats, aaaah 🐱😀", step=6)

    def answer(self, question: dict) -> dict:
        """Run the reader's own trainer on the text that the stage shows now."""
        if self._train is None:
            raise ValueError("there is no trainer of yours here: MergeFilm(text, train=your_function)")
        if not isinstance(question, dict) or not {"text", "vocab_size", "tie"} <= question.keys():
            raise ValueError("expected a text, a vocab_size and a tie")
        with self.hold_sync():
            self.text, self.vocab_size, self.tie = question["text"], question["vocab_size"], question["tie"]
            self.theirs = self._theirs()
        return {}


def check_text(name: str, text: str) -> None:
    """Refuse what is no text, or holds half of a surrogate pair, by the name of the argument."""
    if not isinstance(text, str):
        raise TypeError(f"{name}: expected a str, got {type(text).__name__}")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"{name}: it has the lone surrogate {text[error.start]!a}, which UTF-8 cannot hold") from None


def _merges(made) -> list[tuple[bytes, bytes]]:
    """The merges of what a trainer returned: `merges`, or `(vocab, merges)`."""
    if isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], dict):
        made = made[1]
    if not isinstance(made, list | tuple):
        raise TypeError(f"it returned {type(made).__name__}, where a list of merges or (vocab, merges) is wanted")
    for k, pair in enumerate(made, start=1):
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not all(isinstance(part, bytes) for part in pair):
            raise TypeError(f"merge {k} is {pair!r:.60}, where a pair of bytes is wanted")
    return list(made)


@lru_cache(maxsize=16)
def _trained(text: str, vocab_size: int, tie: str) -> BPETokenizer:
    return BPETokenizer(*train_bpe(text, vocab_size, tie=tie))


def shown(token: bytes) -> str:
    """A token as text: a space as ␣, and hex in angle brackets where it is a piece of a character.

    >>> shown(b" the"), shown("🐱".encode()[:2])
    ('␣the', '<F0 9F>')
    """
    try:
        text = token.decode("utf-8")
    except UnicodeDecodeError:
        return f"<{token.hex(' ').upper()}>"
    return "".join({" ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍"}.get(char, char) for char in text)
