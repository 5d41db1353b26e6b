"""TokenizerLens: lanes that cover the bytes, whoever tokenizes. Run: pytest tests/widgets/test_tokenizer_lens.py"""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmcourse.tokenization import (
    CL100K_PATTERN,
    O200K_PATTERN,
    BPETokenizer,
    ByteTokenizer,
    CharacterTokenizer,
    WordTokenizer,
    pretokenize,
    real_encoding,
    train_bpe,
)
from lmcourse.widgets import TokenizerLens
from lmcourse.widgets.tokenizer_lens import STORED, in_page, lane

HERE = Path(__file__).parent
CORPUS = "the cat in the hat sat on the mat. 你好 你好 🐱 🐱 naïve naïve e\u0301 12345 HOW'S it\n\n"
MINE = BPETokenizer(*train_bpe(CORPUS, 330, ["<|end|>", "<|end|><|end|>"]), ["<|end|>", "<|end|><|end|>"])
OTHER = BPETokenizer(*train_bpe(CORPUS, 300, pattern=O200K_PATTERN), pattern=O200K_PATTERN)
TEXTS = [
    "", "a", CORPUS, "the cat<|end|>the<|end|><|end|> hat",
    "e\u0301 👨‍👩‍👧 \u202eabc\u200d\x00\r\n", "HOW'S 12345 नमस्ते שלום 你们好 🐱",
]  # fmt: skip


def inside(data: bytes, at: int) -> bool:
    """Is `at` a place inside a character? Asked of the decoder: neither side of such a cut is whole."""
    try:
        data[:at].decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def test_golden(golden):
    cases = []
    for text in TEXTS:
        data = text.encode("utf-8")
        for special in ("all", "none"):
            lanes = [lane(t, text, special) for t in (MINE, OTHER, ByteTokenizer(), CharacterTokenizer())]
            spans, starts = [], []
            for each in lanes:
                at, rows = 0, []
                for token_id, size in zip(each["ids"], each["sizes"]):
                    rows.append([at, at + size, token_id, inside(data, at) or inside(data, at + size)])
                    at += size
                assert at == len(data)
                spans.append(rows)
                starts.append({row[0] for row in rows} - {0})
            shared = sorted(set.intersection(*starts))
            cases.append([text, special, lanes, spans, shared])
    golden("tokenizer_lens", cases)


def about(name: str, tokenizer) -> dict:
    return TokenizerLens("a", {name: tokenizer}).names[0]


def test_golden_answers_of_the_page(golden):
    """What the page is given of a tokenizer, and the lanes that it is to make of every text: those of Python."""
    known = {"mine": MINE, "bytes": ByteTokenizer(), "characters": CharacterTokenizer()}
    given = [in_page(about(name, tokenizer), tokenizer) for name, tokenizer in known.items()]
    texts = [*TEXTS, "<|end|><|end|><|end|>", "aaaa the<|end", "\ufffd\u0301 \t\n x"]
    cases = [
        [text, special, [lane(tokenizer, text, special) for tokenizer in known.values()]]
        for text in texts
        for special in ("all", "none")
    ]
    golden("tokenizer_lens_here", {"local": given, "cases": cases})


def test_what_a_page_cannot_do_itself_has_stored_answers():
    """A pattern other than GPT-2's needs Python: the two texts that the course asks to type are there all the same."""
    assert in_page(about("other", OTHER), OTHER) is None
    assert in_page(about("words", WordTokenizer("a")), WordTokenizer("a")) is None
    texts = {sample["text"] for sample in TokenizerLens("hi", {"other": OTHER, "bytes": ByteTokenizer()}).samples}
    assert texts == {"hi", *STORED}
    assert {s["text"] for s in TokenizerLens("hi", {"bytes": ByteTokenizer()}).samples} == {"hi"}


def test_a_published_vocabulary_is_not_taken_for_one_trained_here():
    vocab = {i: bytes([i]) for i in range(256)} | {256: b"th", 257: b"the"}
    assert in_page(about("ranks", BPETokenizer(vocab, None)), BPETokenizer(vocab, None)) is None
    shuffled = BPETokenizer({i: bytes([255 - i]) for i in range(256)} | {256: b"th"}, [(b"t", b"h")])
    assert in_page(about("shuffled", shuffled), shuffled) is None


def test_a_link_leaves_the_vocabulary_to_the_page():
    widget = TokenizerLens("hi", {"mine": MINE})
    assert "local" in widget.state() and "local" not in widget._share["names"]


def test_one_byte_is_one_token():
    assert TokenizerLens("a", {"bytes": ByteTokenizer()}).summary() == "1 byte is 1 token in bytes"


def test_javascript():
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    done = subprocess.run(
        ["node", "--test", HERE / "tokenizer_lens.test.mjs"], capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout[-4000:]


@given(st.text(max_size=60))
def test_a_lane_covers_every_byte(text):
    if any(0xD800 <= ord(char) < 0xE000 for char in text):
        return
    for tokenizer in (MINE, OTHER, ByteTokenizer(), CharacterTokenizer()):
        for special in ("all", "none"):
            found = lane(tokenizer, text, special)
            assert not found["problem"]
            assert sum(found["sizes"]) == len(text.encode("utf-8")) and len(found["sizes"]) == len(found["ids"])


def test_cuts_are_the_pretokens_between_special_tokens():
    text = "the cat<|end|>the hat"
    found = lane(MINE, text, "all")
    assert found["special"] == [
        i for i, token_id in enumerate(found["ids"]) if token_id == MINE.special_tokens["<|end|>"]
    ]
    assert found["cuts"] == [3, 7, 14, 17]
    plain = lane(MINE, text, "none")
    at, expected = 0, []
    for piece in pretokenize(text):
        expected.append(at)
        at += len(piece.encode("utf-8"))
    assert plain["cuts"] == expected[1:] and plain["special"] == [] and len(plain["ids"]) > len(found["ids"])


@pytest.mark.parametrize(
    "name, pattern", [("gpt2", None), ("cl100k_base", CL100K_PATTERN), ("o200k_base", O200K_PATTERN)]
)
def test_a_published_vocabulary(name, pattern):
    encoding = real_encoding(name)
    if encoding is None:
        pytest.skip(f"tiktoken's {name} is neither cached nor reachable")
    text = "Hello, 🌍! 你好! <|endoftext|>12345 HOW'S"
    found = lane(encoding, text, "all")
    assert found["ids"] == encoding.encode(text, allowed_special="all")
    assert sum(found["sizes"]) == len(text.encode("utf-8")) and len(found["special"]) == 1
    assert lane(encoding, text, "none")["ids"] == encoding.encode_ordinary(text)
    if pattern:
        before = pretokenize("Hello, 🌍! 你好! ", pattern)
        assert found["cuts"][0] == len(before[0])


def test_what_is_not_here_is_a_lane_in_words():
    widget = TokenizerLens("hi", {"gpt2": None, "bytes": ByteTokenizer()})
    assert "neither cached nor reachable" in widget.shown["lanes"][0]["problem"]
    assert repr(widget) == "TokenizerLens: 2 bytes are none in gpt2, 2 in bytes"


def test_a_tokenizer_that_loses_text_says_so():
    found = lane(WordTokenizer("the cat"), "the dog", "all")
    assert found["problem"] == "these tokens do not join to the text again" and found["ids"]


def test_a_tokenizer_of_the_readers_own():
    class Mine:
        def encode(self, text):
            return [ord(char) for char in text]

        def decode(self, ids):
            return "".join(map(chr, ids))

    assert lane(Mine(), "hé", "all")["sizes"] == [1, 2]

    class Broken:
        def encode(self, text):
            raise RuntimeError("not yet")

    assert lane(Broken(), "hi", "all")["problem"] == "RuntimeError: not yet"


def test_the_kernel_tokenizes_a_new_text():
    widget, sent = TokenizerLens("hi", {"mine": MINE}), []
    widget.send = sent.append
    widget._on_question(widget, {"id": "1", "question": {"text": "the<|end|>", "special": "none"}}, [])
    assert sent == [{"id": "1", "answer": {}}]
    assert widget.shown["text"] == "the<|end|>" and widget.shown["special"] == "none"
    assert widget.shown["lanes"] == [lane(MINE, "the<|end|>", "none")]
    widget._on_question(widget, {"id": "2", "question": {"text": "\ud83d", "special": "all"}}, [])
    assert "lone surrogate" in sent[1]["error"]


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"text": 7}, "int"), ({"text": []}, "text: expected a str or several"),
        ({"text": ["a", "\udc00"]}, "lone surrogate"),
        ({"tokenizers": {}}, "tokenizers: expected a dict"), ({"tokenizers": MINE}, "tokenizers: expected a dict"),
        ({"tokenizers": {"a": 7}}, "expected something with encode"),
        ({"special": "some"}, "special"), ({"view": "x"}, "view"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(arguments, words):
    with pytest.raises((ValueError, TypeError), match=words):
        TokenizerLens(**{"text": "low", "tokenizers": {"mine": MINE}} | arguments)


def test_hostile_text_is_text():
    assert "<img" not in TokenizerLens('<img src=x onerror="hacked()">', {"<img src=x>": ByteTokenizer()}).static_html()


def test_a_long_text_is_cut_in_words():
    widget = TokenizerLens("ab " * 10_000, {"mine": MINE})
    assert len(widget.text) == 20_000 and widget.left_out == 10_000
