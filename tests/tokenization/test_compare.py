"""The three with a flaw, and the real ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmcourse.tokenization import (
    ByteTokenizer,
    CharacterTokenizer,
    WordTokenizer,
    compare,
    compression_ratio,
    real_encoding,
)


@given(text=st.text())
def test_characters_and_bytes_come_back(text):
    assert CharacterTokenizer().decode(CharacterTokenizer().encode(text)) == text
    assert ByteTokenizer().decode(ByteTokenizer().encode(text)) == text
    if text:
        assert compression_ratio(text, ByteTokenizer().encode(text)) == 1


@given(text=st.text())
def test_words_come_back_if_they_were_seen(text):
    words = WordTokenizer(text)
    assert words.decode(words.encode(text)) == text
    assert words.encode("\N{SNOWMAN}unseen")[-1] == 0 or "unseen" in text


@pytest.mark.parametrize("tokenizer", [CharacterTokenizer(), ByteTokenizer(), WordTokenizer("a b")])
def test_an_id_out_of_range_is_named(tokenizer):
    with pytest.raises(ValueError, match=r"ids\[1\]: 0 to \d+, got 99999999"):
        tokenizer.decode([1, 99999999])


def test_what_could_not_be_had_once_is_asked_for_again(monkeypatch):
    import tiktoken

    def offline(name):
        raise OSError("no network")

    with monkeypatch.context() as patch:
        patch.setattr(tiktoken, "get_encoding", offline)
        assert real_encoding("gpt2") is None
    monkeypatch.setattr(tiktoken, "get_encoding", lambda name: f"the vocabulary of {name}")
    assert real_encoding("gpt2") == "the vocabulary of gpt2"


def test_a_name_that_tiktoken_does_not_know_is_refused():
    with pytest.raises(ValueError, match=r"name: gpt2, .*got 'gpt-17'"):
        real_encoding("gpt-17")


def test_no_tokens_have_no_compression_ratio():
    with pytest.raises(ValueError, match="ids: one or more, got none"):
        compression_ratio("a", [])


def test_a_vocabulary_that_cannot_be_had_is_named_and_left_out(monkeypatch, capsys):
    monkeypatch.setattr(compare, "real_encoding", lambda code: None if code == "gpt2" else code)
    assert compare.real_encodings.__wrapped__() == {"GPT-4": "cl100k_base", "GPT-4o": "o200k_base"}
    printed = capsys.readouterr().out
    assert printed.startswith("GPT-2's vocabulary is neither cached nor reachable") and printed.count("\n") == 1
