"""Pre-tokens are tiktoken's, whole or in pieces."""

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from texts import END, PATTERNS, WORDS, corners, texts

from lmcourse.tokenization import CL100K_PATTERN, O200K_PATTERN, count_pretokens, pretokenize, pretokens, real_encoding


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns_are_tiktokens(name):
    encoding = real_encoding(name)
    if encoding is None:
        pytest.skip(f"{name} is neither cached nor reachable")
    assert encoding._pat_str == PATTERNS[name]


@given(text=texts)
@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_pretokens_join_to_the_text(pattern, text):
    assert "".join(pretokenize(text, pattern)) == text


@given(text=st.one_of(st.text(alphabet=st.characters(max_codepoint=0xFFFF)), texts))
@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_re_and_regex_make_the_same_cuts(pattern, text):
    """With a character beyond U+FFFF the text goes through `regex`, without through `re`."""
    assert pretokenize(text + "\n😀", pattern) == [*pretokenize(text + "\n~", pattern)[:-1], "😀"]


def test_every_character_is_in_the_class_that_tiktoken_has_it_in():
    """All 1,112,064 characters, for each class that a pattern names: the constant of newer characters is right."""
    tiktoken = pytest.importorskip("tiktoken")
    regex = pytest.importorskip("regex")
    everything = [chr(i) for i in range(0x110000) if not 0xD800 <= i < 0xE000]
    as_known = pretokens._as_in_unicode_16("".join(everything))
    bytes_only = {bytes([i]): i for i in range(256)}
    for unicode_class in (r"\p{L}", r"\p{N}", r"\s", r"\p{Lu}", r"\p{Ll}", r"\p{Lt}", r"\p{Lm}", r"\p{Lo}", r"\p{M}"):
        probe = tiktoken.Encoding("probe", pat_str=unicode_class, mergeable_ranks=bytes_only, special_tokens={})
        blocks = ["".join(everything[i : i + 20_000]) for i in range(0, len(everything), 20_000)]
        theirs = "".join(probe.decode(probe.encode_ordinary(block)) for block in blocks)
        ours = "".join(everything[match.start()] for match in regex.finditer(unicode_class, as_known))
        assert ours == theirs, unicode_class
        up_to_ffff = re.findall(f"[{pretokens._members(unicode_class)}]", "".join(everything))
        assert "".join(up_to_ffff) == "".join(char for char in theirs if char <= "\uffff")


def test_what_the_patterns_do_to_words():
    assert pretokenize("HOW'S") == ["HOW", "'", "S"]
    assert pretokenize("HOW'S", CL100K_PATTERN) == ["HOW", "'S"]
    assert pretokenize("HOW'S", O200K_PATTERN) == ["HOW'S"]
    assert pretokenize("12345") == ["12345"]
    assert pretokenize("12345", CL100K_PATTERN) == ["123", "45"]
    assert len(pretokenize("नमस्ते", O200K_PATTERN)) == 1 < len(pretokenize("नमस्ते", CL100K_PATTERN))


def test_a_pattern_of_ones_own_may_drop_text_and_may_have_groups():
    assert pretokenize("a, b", r"\w+") == ["a", "b"]
    assert pretokenize("ab", r"(a)|(b)|x*") == ["a", "b"]


@given(text=corners, data=st.data())
@pytest.mark.parametrize("pattern", [*PATTERNS.values(), WORDS], ids=[*PATTERNS, "words"])
def test_text_file_and_pieces_are_one_source(tmp_path_factory, pattern, text, data):
    specials = [END, END + "|"]
    whole = list(count_pretokens(text, specials, pattern=pattern).items())
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_bytes(text.encode("utf-8"))
    at = data.draw(st.lists(st.integers(0, len(text)), max_size=4).map(sorted))
    pieces = [text[i:j] for i, j in zip([0, *at], [*at, len(text)])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretokens, "_BLOCK", data.draw(st.sampled_from([1, 2, 5])))
        assert list(count_pretokens(path, specials, pattern=pattern).items()) == whole
        assert list(count_pretokens(iter(pieces), specials, pattern=pattern).items()) == whole


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_only_the_last_two_pretokens_can_still_change(pattern):
    """The claim that streaming rests on, for every text of up to five characters, one of each kind, and one more."""
    alphabet = "aAéあ's1 \n.\u0301"
    for length in range(1, 5):
        for characters in product(alphabet, repeat=length):
            text = "".join(characters)
            settled = pretokenize(text, pattern)[:-2]
            for more in alphabet:
                assert pretokenize(text + more, pattern)[: len(settled)] == settled, (text, more)
