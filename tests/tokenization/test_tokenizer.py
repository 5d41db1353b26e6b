"""BPETokenizer: ids equal to tiktoken's, and every text comes back."""

import copy
import operator
import pickle
import random
import re
import tracemalloc
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from texts import END, PATTERNS, TRICKY, WORDS, texts, trained

from lmcourse.tokenization import GPT2_PATTERN, BPETokenizer, encode, pretokens, real_encoding, train_bpe
from lmcourse.tokenization import tokenizer as bpe_tokenizer


def test_gpt2_ids_of_the_lectures_sentence():
    gpt2 = real_encoding("gpt2")
    if gpt2 is None:
        pytest.skip("gpt2 is neither cached nor reachable")
    ids = [15496, 11, 12520, 234, 235, 0, 220, 19526, 254, 25001, 121, 0]
    assert BPETokenizer.from_tiktoken(gpt2).encode("Hello, 🌍! 你好!") == ids
    assert BPETokenizer.from_tiktoken(gpt2).vocab_size == 50257 == 256 + 50000 + 1


@given(text=texts)
@example(text="\n".join(TRICKY))
def test_ids_equal_tiktokens(published, text):
    ours, theirs = published
    assert ours.encode(text) == theirs.encode(text, allowed_special="all")
    assert ours.encode(text, allowed_special="none") == theirs.encode_ordinary(text)
    assert ours.decode(ours.encode(text)) == text


def test_ids_equal_tiktokens_on_source_code_and_long_runs(published):
    ours, theirs = published
    text = Path(re.__file__).read_text(encoding="utf-8") + "é" + "a" * 3000 + " " * 2000 + "\n" * 1000 + "字" * 400
    assert ours.encode(text) == theirs.encode_ordinary(text)


@pytest.mark.parametrize("published", ["gpt2"], indirect=True)  # the others take seconds
def test_published_merges_are_recovered(published):
    ours, theirs = published
    assert len(ours.merges) == 50_000 and ours.merges[:3] == [(b" ", b"t"), (b" ", b"a"), (b"h", b"e")]
    by_merges = BPETokenizer(ours.vocab, ours.merges, [END])
    text = Path(re.__file__).read_text(encoding="utf-8")
    assert by_merges.encode(text) == theirs.encode_ordinary(text)


@given(text=texts)
@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_every_text_comes_back(pattern, text):
    tokenizer = trained(pattern)
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids, errors="strict") == text
    assert tokenizer.decode_bytes(ids) == text.encode("utf-8")
    assert all(0 <= i < tokenizer.vocab_size for i in ids)
    plain = tokenizer.encode(text, allowed_special="none")
    assert tokenizer.special_tokens[END] not in plain and tokenizer.decode(plain) == text
    assert encode(text, tokenizer.merges, pattern=pattern) == plain
    assert tokenizer.to_tiktoken().encode(text, allowed_special="all") == ids


@given(text=texts, data=st.data())
@pytest.mark.parametrize("pattern", [*PATTERNS.values(), WORDS, r"abc|.|\n"], ids=[*PATTERNS, "words", "other"])
def test_every_cut_into_pieces_gives_the_ids_of_the_whole(pattern, text, data):
    tokenizer = trained(pattern, (END, END + END, "|"))
    whole = tokenizer.encode(text)
    at = data.draw(st.lists(st.integers(0, len(text)), max_size=4).map(sorted))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretokens, "_BLOCK", 1)  # cut anew after every character
        assert list(tokenizer.encode_iterable(iter(text))) == whole
        assert list(tokenizer.encode_iterable(text[i:j] for i, j in zip([0, *at], [*at, len(text)]))) == whole


def test_streaming_takes_constant_memory():
    tokenizer = trained()
    line = "the newest low, 12345 don't नमस्ते\n"

    def peak(repeats):
        tracemalloc.start()
        for _ in tokenizer.encode_iterable(line for _ in range(repeats)):
            pass
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    peak(100)
    assert peak(15_000) < 1.3 * peak(1_500)


def test_an_endless_text_yields_at_once():
    forever = (word for _ in iter(int, 1) for word in ("low", " newest"))
    assert len(list(islice(trained().encode_iterable(forever), 1000))) == 1000


def test_a_long_text_without_a_space_ends():
    """Cut and merged in little more than linear time: a quadratic one would take hours."""
    tokenizer = trained()
    text = "lowest" * 50_000
    assert tokenizer.decode(list(tokenizer.encode_iterable(iter(text)))) == text


@given(data=st.binary(max_size=80), seed=st.integers(0, 5))
def test_the_heap_and_the_scan_merge_alike(data, seed):
    pairs = sorted({bytes([left, right]) for left in data for right in data})
    ranks = {pair: i for i, pair in enumerate(random.Random(seed).sample(pairs, len(pairs) // 2))}

    def rank(joined, never):
        return ranks.get(joined, sum(joined) % 7 + 10_000 if 2 < len(joined) < 6 else never)

    scan, heap = (merge(data, rank, operator.add) for merge in (bpe_tokenizer._merge, bpe_tokenizer._merge_long))
    assert scan == heap and b"".join(scan) == data


def test_special_tokens_longest_first_and_only_where_allowed():
    tokenizer = trained(specials=(END, END + END))
    one, two = tokenizer.special_tokens.values()
    assert tokenizer.encode(END * 3) == [two, one]
    assert one not in tokenizer.encode(END, allowed_special="none")
    assert tokenizer.encode(END * 2, allowed_special={END}) == [one, one]
    assert tokenizer.decode([one, two]) == END * 3


def test_special_tokens_get_new_ids_if_the_vocabulary_lacks_them():
    vocab, merges = train_bpe("aaa", 257)
    tokenizer = BPETokenizer(vocab, merges, ["<a>", "b", "aa"])
    assert tokenizer.special_tokens == {"<a>": 257, "b": 258, "aa": 259}
    assert tokenizer.encode("aab<a>") == [259, 258, 257]
    assert tokenizer.encode("aab", allowed_special="none") == [256, 98]
    again = BPETokenizer(*train_bpe("ccc", 259, ["b", "a"]), ["b", "a"])
    assert again.special_tokens == {"b": 257, "a": 258}
    assert again.encode("ab", allowed_special="none") == [97, 98]


def test_half_a_character_decodes_as_asked():
    tokenizer = trained()
    half = list("é".encode())[:1]
    assert tokenizer.decode(half) == "\ufffd" and tokenizer.decode(half, errors="ignore") == ""
    assert tokenizer.decode_bytes(half) == b"\xc3"
    with pytest.raises(UnicodeDecodeError):
        tokenizer.decode(half, errors="strict")


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_saved_and_loaded_is_the_same(tmp_path, pattern):
    tokenizer = trained(pattern, (END, "<\N{SNOWMAN}>"))
    tokenizer.save(tmp_path / "tokenizer.json")
    again = BPETokenizer.load(tmp_path / "tokenizer.json")
    assert (again.vocab, again.merges, again.special_tokens, again.pattern) == (
        tokenizer.vocab, tokenizer.merges, tokenizer.special_tokens, tokenizer.pattern,
    )  # fmt: skip
    assert again.encode("\n".join(TRICKY)) == tokenizer.encode("\n".join(TRICKY))
    assert [file.name for file in tmp_path.iterdir()] == ["tokenizer.json"]


def test_a_published_vocabulary_can_be_saved(published, tmp_path):
    ours, theirs = published
    ours.save(tmp_path / "t.json")
    again = BPETokenizer.load(tmp_path / "t.json")
    assert again.encode("Hello, 🌍!" + END) == theirs.encode("Hello, 🌍!" + END, allowed_special="all")


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    tokenizer = trained()
    tokenizer.save(tmp_path / "t.json")
    before = (tmp_path / "t.json").read_bytes()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        tokenizer.save(tmp_path / "t.json")
    assert (tmp_path / "t.json").read_bytes() == before and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"\xff\xfe", b'{"format": "other"}', b'{"format": "lmcourse.tokenization.BPETokenizer 1"}'],
)
def test_a_foreign_file_is_refused(tmp_path, content):
    (tmp_path / "t.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"path: a file that BPETokenizer.save wrote, got '.*t.json'"):
        BPETokenizer.load(tmp_path / "t.json")


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (TypeError, "text: a str, got b'abc'", lambda t: t.encode(b"abc")),
        (ValueError, r"text: .*the lone surrogate '\\ud83d'", lambda t: t.encode("ab \ud83d")),
        (ValueError, r"text: .*the lone surrogate '\\ud83d'", lambda t: list(t.encode_iterable(["ab \ud83d"]))),
        (TypeError, "pieces of text, each a str, got 1", lambda t: list(t.encode_iterable([1]))),
        (ValueError, "special: of .*'<.endoftext.>', got '<y>'", lambda t: t.encode("a", allowed_special={"<y>"})),
        (ValueError, "special: 'all', 'none' or a set", lambda t: t.encode("a", allowed_special="some")),
        (ValueError, r"ids\[1\]: an id of the vocabulary, 0 to \d+, got 9999", lambda t: t.decode([1, 9999])),
        (ValueError, r"ids\[0\]: .*got -1", lambda t: t.decode_bytes([-1])),
        (TypeError, r"vocab\[0\]: bytes, one or more, got 'a'", lambda t: BPETokenizer({0: "a"}, [])),
        (ValueError, "vocab: all 256 single bytes, got 0", lambda t: BPETokenizer({}, [])),
        (ValueError, r"merges\[0\]: .*b'zq' is none", lambda t: BPETokenizer(t.vocab, [(b"z", b"q")])),
        (ValueError, "pattern: a regular expression", lambda t: BPETokenizer(t.vocab, [], pattern="[")),
        (ValueError, "special_tokens: each once, got '<x>'", lambda t: BPETokenizer(t.vocab, [], ["<x>", "<x>"])),
    ],
)
def test_the_tokenizer_refuses_by_name(error, words, call):
    with pytest.raises(error, match=words):
        call(trained())


@pytest.mark.parametrize("pattern", [*PATTERNS.values(), WORDS], ids=[*PATTERNS, "words"])
def test_a_vocabulary_brings_the_pattern_that_it_was_trained_with(pattern):
    text = "don't STOP'S 12345!\n\n  x" * 3
    vocab, merges = train_bpe(text, 280, pattern=pattern)
    named = BPETokenizer(dict(vocab), merges, pattern=pattern)
    for tokenizer in (
        BPETokenizer(vocab, merges),
        BPETokenizer(copy.deepcopy(vocab), merges),
        BPETokenizer(pickle.loads(pickle.dumps(vocab)), merges),
        BPETokenizer(named.vocab, named.merges),
    ):
        assert tokenizer.pattern == pattern and tokenizer.encode(text) == named.encode(text)
    assert BPETokenizer(dict(vocab), merges).pattern == GPT2_PATTERN
    assert BPETokenizer(vocab, merges, pattern=r"\w+").pattern == r"\w+"


def test_ids_may_be_numpy_integers():
    np = pytest.importorskip("numpy")
    tokenizer = trained()
    assert tokenizer.decode(np.array(tokenizer.encode("newest"), dtype=np.uint16)) == "newest"
