"""The fast trainer learns what recounting learns, and what Hugging Face's does, in little work."""

import json
import random
import re
import runpy
import tracemalloc
from itertools import islice, pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from texts import END, HANDOUT, WORDS, small_texts

from lmcourse.tokenization import (
    GPT2_BYTE_ORDER,
    GPT2_PATTERN,
    TIES,
    count_pretokens,
    encode,
    pretokenize,
    train_bpe,
    train_bpe_naive,
    train_huggingface,
    train_trace,
    trainer,
    training_work,
)
from lmcourse.tokenization.trainer import Trainer


def test_handout_corpus_under_each_tie_rule():
    def learned(tie):
        _, merges = train_bpe(HANDOUT, 268, pattern=WORDS, tie=tie)
        return " ".join((left + right).decode() for left, right in merges)

    assert learned("greatest") == "st est ow low west ne newest wi wid widest lowe lower"
    assert learned("first").startswith("es est lo low ne new")
    assert learned("smallest") == "es est lo low ew new newest dest idest widest er lower"  # as Hugging Face learns
    assert train_bpe(HANDOUT, 262, pattern=WORDS)[1] == [
        (b"s", b"t"), (b"e", b"st"), (b"o", b"w"), (b"l", b"ow"), (b"w", b"est"), (b"n", b"e"),
    ]  # fmt: skip


def test_first_seen_rule_on_one_sentence():
    """The lecture's example, which has no pre-tokenization."""
    _, merges = train_bpe("the cat in the hat", 259, pattern=r"(?s).+", tie="first")
    assert merges == [(b"t", b"h"), (b"th", b"e"), (b"the", b" ")]


@pytest.mark.parametrize("tie", TIES)
@given(text=small_texts, pattern=st.sampled_from([GPT2_PATTERN, WORDS, r"(?s).+"]), merges=st.integers(0, 40))
@example(text="aaaa aaa aa aaaaa", pattern=GPT2_PATTERN, merges=10)
@example(text="abababab babab", pattern=GPT2_PATTERN, merges=10)
def test_the_fast_trainer_equals_recounting(tie, text, pattern, merges):
    assert train_bpe(text, 257 + merges, [END], pattern=pattern, tie=tie) == train_bpe_naive(
        text, 257 + merges, [END], pattern=pattern, tie=tie
    )


@pytest.mark.parametrize("tie", TIES)
def test_the_fast_trainer_equals_recounting_on_prose(tie):
    text = Path(re.__file__).read_text(encoding="utf-8")
    fast = train_bpe(text, 600, tie=tie)
    assert fast == train_bpe_naive(text, 600, tie=tie)
    assert len(set(fast[0].values())) == 600  # no token is learned twice


def recount_everything(pretokens, num_merges, tie):
    """A third trainer that shares nothing with the other two: byte strings, plain lists, the text as it comes."""
    words = [[bytes([b]) for b in word.encode()] for word in pretokens]
    position = {bytes([b]): i for i, b in enumerate(GPT2_BYTE_ORDER)}
    merges = []
    for _ in range(num_merges):
        counts, seen = {}, []
        for word in words:
            for pair in pairwise(word):
                counts[pair] = counts.get(pair, 0) + 1
                seen.append(pair)
        if not counts:
            break
        tied = [pair for pair in counts if counts[pair] == max(counts.values())]
        if tie == "greatest":
            pair = sorted(tied)[-1]
        elif tie == "first":
            pair = min(tied, key=seen.index)
        else:
            pair = min(tied, key=lambda pair: (position[pair[0]], position[pair[1]]))
        merges.append(pair)
        position.setdefault(pair[0] + pair[1], len(position))
        for word in words:
            i = 0
            while i < len(word) - 1:
                if (word[i], word[i + 1]) == pair:
                    word[i : i + 2] = [word[i] + word[i + 1]]
                i += 1
    return merges


@pytest.mark.parametrize("tie", TIES)
@given(text=small_texts)
def test_both_trainers_equal_an_independent_one(tie, text):
    expected = recount_everything(pretokenize(text), 20, tie)
    assert train_bpe(text, 276, tie=tie)[1] == train_bpe_naive(text, 276, tie=tie)[1] == expected


@given(documents=st.lists(st.text(alphabet="aab c\té!€0", max_size=40), max_size=5))
def test_merges_equal_hugging_faces_on_random_text(documents):
    ours = train_bpe(END.join(documents), 300, [END], tie="smallest")[1]
    assert ours == train_huggingface(documents, 299)


def test_merges_equal_hugging_faces_on_prose():
    documents = [Path(module.__file__).read_text(encoding="utf-8") for module in (re, json, random, tracemalloc)]
    ours = train_bpe(END.join(documents), 2001, [END], tie="smallest")[1]
    assert ours == train_huggingface(documents, 2000)


def test_special_tokens_are_never_split_and_never_merged_across():
    text = "ab<|x|>ab<|x|>y|>ab"
    vocab, merges = train_bpe(text, 256 + 2 + 1, ["<|x|>", "<|x|>y|>"])
    assert merges == [(b"a", b"b")] and vocab[257] == b"<|x|>" and vocab[258] == b"<|x|>y|>"
    assert set(count_pretokens(text, ["<|x|>", "<|x|>y|>"])) == {"ab"}


def test_training_stops_when_no_pair_is_left():
    vocab, merges = train_bpe("aa", 1000, [END])
    assert merges == [(b"a", b"a")] and len(vocab) == 258 and vocab[257] == END.encode()
    assert train_bpe("", 256) == ({i: bytes([i]) for i in range(256)}, [])


def test_memory_follows_distinct_pretokens_not_the_text():
    def peak(repeats):
        tracemalloc.start()
        train_bpe(("low lower widest newest " * 1000 for _ in range(repeats)), 270)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    assert peak(60) < 1.2 * peak(6) < 4_000_000


def test_the_fast_trainer_looks_at_a_small_part_of_what_recounting_looks_at():
    recount, examined = training_work(Path(re.__file__).read_text(encoding="utf-8"), 700)
    assert len(recount) == len(examined) == 700 - 256
    assert all(few <= many for few, many in zip(examined, recount))
    assert sum(examined) < sum(recount) / 30


@pytest.mark.parametrize("tie", TIES)
def test_the_training_trace_tells_what_the_trainer_did(tie):
    steps = list(train_trace(HANDOUT + "aaa aaaa", 280, tie=tie, top=3))
    vocab, merges = train_bpe(HANDOUT + "aaa aaaa", 280, tie=tie)
    assert [step["pair"] for step in steps] == merges
    ids = [encode(HANDOUT + "aaa aaaa", merges[: i + 1]) for i in range(len(merges))]
    assert [step["tokens"] for step in steps] == list(map(len, ids))
    for step in steps:
        assert step["table"][0] == (step["pair"], step["count"])
        assert step["tied"][0] == step["pair"] and step["replaced"] <= step["count"]
        assert vocab[step["id"]] == b"".join(step["pair"])


# One long pre-token: DNA, Chinese without punctuation, a row of one letter, two that take turns.
LONG = {
    "dna": "".join(random.Random(0).choices("acgt", k=4000)),
    "chinese": "".join(map(chr, random.Random(1).choices(range(0x4E00, 0x4E40), k=1500))),
    "one letter": "a" * 3000,
    "two letters": "ab" * 2000,
}


@pytest.mark.parametrize("tie", TIES)
@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_a_long_pretoken_is_visited_once_a_merge_and_learned_alike(text, tie):
    """`where` used to list a word once for each place of a pair in it, and each of these looked through the word."""
    learner, steps = Trainer(count_pretokens(text), tie), []
    for step in islice(learner, 60):
        steps.append(step)
        assert step.examined <= step.recount
        assert all(len(words) == len(set(words)) for words in learner.where.values())
    assert [step.pair for step in steps] == train_bpe_naive(text, 256 + len(steps), tie=tie)[1]


@pytest.mark.parametrize("tie", TIES)
@given(texts=st.lists(st.text(alphabet="ab", max_size=30), max_size=4))
def test_pairs_are_indexed_in_long_pretokens_as_they_are_found_in_short_ones(tie, texts):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "LONG", 0)
        assert train_bpe(" ".join(texts), 290, tie=tie) == train_bpe_naive(" ".join(texts), 290, tie=tie)


def test_the_benchmark_compares_results_too(monkeypatch, capsys):
    """`benchmarks/bpe.py` on little text: its times say nothing here, that merges and ids are equal does."""
    script = Path(__file__).parents[2] / "benchmarks" / "bpe.py"
    monkeypatch.setattr("sys.argv", [str(script), "--megabytes", "0.1", "--vocab-size", "500", "--rounds", "1"])
    runpy.run_path(str(script), run_name="__main__")
    printed = capsys.readouterr().out
    assert "merges equal: True (244)" in printed and "merges equal: True (44)" in printed
    assert printed.count("ids equal: True") == 2
