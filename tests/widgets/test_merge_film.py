"""MergeFilm: golden vectors, the reader's own trainer, garbage. Run: pytest tests/widgets/test_merge_film.py"""

import random
import shutil
import subprocess
import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest

from lmcourse.tokenization import TIES, encode, pretokenize, train_bpe, train_trace
from lmcourse.widgets import MergeFilm

HERE = Path(__file__).parent

TEXTS = [
    "",
    " ",
    "a",
    "aaabdaaabac",
    "aaaaaaaaaa aaaaa aaa aa a",
    "low low low low low lower lower widest widest widest newest newest newest newest newest newest",
    "the cat in the hat sat on that mat: aaaah, haha, hahaha! 🐱🐱🐱 你好, 你好!",
    "st es st es",
    "HOW'S it, I'll we've DON'T don't 12345 1234567 x2y   z\n\n  indented\tTab \r\n\r\n end  ",
    "नमस्ते दुनिया नमस्ते, שלום עולם שלום, مرحبا بالعالم مرحبا",
    "e\u0301te\u0301 été naïve nai\u0308ve 👨‍👩‍👧‍👦👨‍👩‍👧‍👦 🇫🇷🇫🇷🇩🇪 \u202eabc\u200d\x00\x00",
    "def f(x):\n    return x if x else f(x - 1)\n\ndef g(x):\n    return f(f(x))\n",
    "日本語日本語のテキスト、日本語のテキスト。" * 4,
    "abcabcabc abc ab bc bcabc " * 5,
]


def fired(text, merges):
    """Which merge fires when, as `encode` does it: pre-token, place, rank, and how many could have."""
    ranks, steps = {pair: rank for rank, pair in enumerate(merges)}, []
    for number, pretoken in enumerate(pretokenize(text)):
        parts = [bytes([byte]) for byte in pretoken.encode("utf-8")]
        while candidates := [(ranks[pair], at) for at, pair in enumerate(pairwise(parts)) if pair in ranks]:
            rank, at = min(candidates)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
            steps.append([number, at, rank, len(candidates)])
    return steps


def random_texts():
    rng = random.Random(3)
    for alphabet in ("ab", "abc ", "aé🐱 ", "\n \tx", "你好a ' 1"):
        for length in (7, 40, 200):
            yield "".join(rng.choice(alphabet) for _ in range(length))


def unicode_samples():
    """Every kind of character that Unicode 3.2 knows, next to letters, spaces, digits and marks."""
    rng = random.Random(14)
    category = unicodedata.ucd_3_2_0.category  # the one that is the same in every Python
    assigned = [c for c in range(0x110000) if category(chr(c)) not in ("Cn", "Cs", "Co")]
    spaces = [c for c in assigned if chr(c).isspace() or category(chr(c)) in ("Cc", "Cf", "Zs", "Zl", "Zp")]
    for k in range(120):
        pool = assigned if k % 3 else spaces
        yield "".join(rng.choice([chr(rng.choice(pool)), " ", "a", "7", "'s", "\n", "\u0301", "!"]) for _ in range(40))


def latin(data: bytes) -> str:
    return data.decode("latin-1")


def test_golden(golden):
    trained = []
    for text in [*TEXTS, *random_texts()]:
        for tie in TIES:
            steps = list(train_trace(text, 256 + 40, tie=tie, top=8))
            merges = [step["pair"] for step in steps]
            assert merges == train_bpe(text, 256 + 40, tie=tie)[1]
            rows = [
                [
                    [latin(part) for part in step["pair"]],
                    step["count"], step["replaced"], len(step["tied"]), step["tokens"],
                    [[latin(left), latin(right), n] for (left, right), n in step["table"]],
                ]
                for step in steps
            ]  # fmt: skip
            new_text = text[5:] + " " + text[:9]
            trained.append([text, tie, rows, new_text, fired(new_text, merges), encode(new_text, merges)])
    cut = [[text, pretokenize(text)] for text in [*TEXTS, *random_texts(), *unicode_samples()]]
    golden("merge_film", {"trained": trained, "cut": cut})


def test_javascript():
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    done = subprocess.run(
        ["node", "--test", HERE / "merge_film.test.mjs"], capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout[-4000:]


def test_your_own_trainer_is_run():
    def mine(source, vocab_size, special_tokens=(), *, tie="greatest"):
        return train_bpe(source, vocab_size, tie="first")

    widget = MergeFilm("st es st es", vocab_size=258, train=mine)
    assert widget.has_train
    assert widget.theirs["merges"] == [["s", "t"], [" ", "e"]]
    assert widget.theirs["for"] == ["st es st es", 258, "greatest"]


@pytest.mark.parametrize(
    "made, words",
    [
        (None, "NoneType"), (7, "int"), ([(1, 2)], "merge 1 is (1, 2)"), ([b"ab"], "merge 1"),
        ([(b"a", b"b", b"c")], "merge 1"), ({}, "dict"), ("ab", "str"),
    ],
)  # fmt: skip
def test_a_trainer_that_returns_nonsense_is_explained(made, words):
    widget = MergeFilm("low low", train=lambda text, vocab_size: made)
    assert words in widget.theirs["error"]


def test_a_trainer_that_raises_is_explained():
    def broken(text, vocab_size):
        raise IndexError("list index out of range")

    assert MergeFilm("low low", train=broken).theirs["error"] == "IndexError: list index out of range"


def test_merges_may_come_with_or_without_a_vocabulary():
    vocab, merges = train_bpe("low low lower", 260)
    expected = [[latin(part) for part in pair] for pair in merges]
    assert MergeFilm("low low lower", vocab_size=260, train=lambda *_: merges).theirs["merges"] == expected
    assert MergeFilm("low low lower", vocab_size=260, train=lambda *_: (vocab, merges)).theirs["merges"] == expected


def test_the_kernel_runs_it_on_a_new_text():
    widget, sent = MergeFilm("low low", train=lambda text, size: train_bpe(text, size)[1]), []
    widget.send = sent.append
    question = {"text": "est est", "vocab_size": 257, "tie": "first"}
    widget._on_question(widget, {"id": "1", "question": question}, [])
    assert sent == [{"id": "1", "answer": {}}]
    assert widget.theirs["for"] == ["est est", 257, "first"] and len(widget.theirs["merges"]) == 1


def test_a_long_text_is_cut_in_words():
    widget = MergeFilm("ab " * 10_000)
    assert len(widget.text) == 20_000 and widget.left_out == 10_000


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"text": 7}, "text: expected a str"), ({"text": "\ud83d"}, "lone surrogate"),
        ({"vocab_size": 256}, "vocab_size: expected an int from 257"), ({"vocab_size": 3000}, "vocab_size"),
        ({"vocab_size": 1e400}, "vocab_size"), ({"tie": "largest"}, "'greatest', 'first', 'smallest'"),
        ({"step": -1}, "step"), ({"train": 3}, "train: expected a function"), ({"new_text": "x" * 400}, "new_text"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(arguments, words):
    with pytest.raises((ValueError, TypeError), match=words.replace("(", r"\(")):
        MergeFilm(**{"text": "low low"} | arguments)


def test_hostile_text_is_text():
    markup = MergeFilm('<img src=x onerror="hacked()">' * 2).static_html()
    assert "<img" not in markup
