"""The plain functions, and what both trainers refuse."""

from pathlib import Path

import pytest
from texts import END

from lmcourse.tokenization import BPETokenizer, count_pairs, merge_pair, train_bpe, train_bpe_naive


def test_overlapping_pairs_are_counted_twice_and_merged_once():
    assert count_pairs([1, 1, 1]) == {(1, 1): 2}
    assert merge_pair([1, 1, 1], (1, 1), 2) == [2, 1]
    assert count_pairs(b"aaabdaaabac")[97, 97] == 4
    assert merge_pair(list(b"aaabdaaabac"), (97, 97), 256).count(256) == 2


def test_merges_go_by_rank_not_left_to_right_and_not_longest_match():
    vocab = {i: bytes([i]) for i in range(256)} | {256: b"bc", 257: b"ab", 258: b"abc"}
    tokenizer = BPETokenizer(vocab, [(b"b", b"c"), (b"a", b"b"), (b"ab", b"c")])
    assert [tokenizer.vocab[i] for i in tokenizer.encode("abc")] == [b"a", b"bc"]


TRAINERS = [train_bpe, train_bpe_naive]


@pytest.mark.parametrize("train", TRAINERS)
@pytest.mark.parametrize(
    ("error", "words", "arguments"),
    [
        (ValueError, "vocab_size: a whole number from 257 to .*got 256", {"vocab_size": 256, "special_tokens": [END]}),
        (ValueError, "vocab_size: a whole number from 256 to .*got -1", {"vocab_size": -1}),
        (ValueError, "vocab_size: .*to 1114112, got 2000000", {"vocab_size": 2_000_000}),
        (TypeError, "vocab_size: a whole number .*, got 300.0", {"vocab_size": 300.0}),
        (ValueError, "special_tokens: each once, got '<x>' 2 times", {"special_tokens": ["<x>", "<x>"]}),
        (ValueError, "special_tokens: strings that are not empty", {"special_tokens": [""]}),
        (TypeError, "special_tokens: a list of str, got one that holds 3", {"special_tokens": [3]}),
        (TypeError, "special_tokens: a list of str, got '<x>'", {"special_tokens": "<x>"}),
        (ValueError, r"special_tokens: .*got the lone surrogate '\\ud800'", {"special_tokens": ["\ud800"]}),
        (ValueError, "tie: greatest, first or smallest, got 'random'", {"tie": "random"}),
        (ValueError, r"pattern: a regular expression, got '\('", {"pattern": "("}),
        (TypeError, "source: a str, .* got 3", {"source": 3}),
        (TypeError, "source: a str, .* got b'abc'", {"source": b"abc"}),
        (TypeError, "source: pieces of text, each a str, got b'abc'", {"source": [b"abc"]}),
        (FileNotFoundError, "nowhere", {"source": Path("nowhere.txt")}),
    ],
)  # fmt: skip
def test_training_refuses_by_name(train, error, words, arguments):
    arguments = {"source": "abc", "vocab_size": 300} | arguments
    with pytest.raises(error, match=words):
        train(arguments.pop("source"), **arguments)


@pytest.mark.parametrize("train", TRAINERS)
def test_training_names_a_lone_surrogate(train):
    with pytest.raises(ValueError, match=r"source: .*the lone surrogate '\\udc80'"):
        train("abc \udc80", 300)


def test_a_file_that_is_not_utf8_is_named(tmp_path):
    (tmp_path / "latin.txt").write_bytes("é".encode("latin-1"))
    with pytest.raises(ValueError, match=r"source: UTF-8, got '.*latin.txt'"):
        train_bpe(tmp_path / "latin.txt", 300)
