"""Exercises of notebook 01: cases and hints. References: lmcourse.tokenization; wrong answers: mistakes."""

import copy

from lmcourse import tokenization
from lmcourse.exercises.cases import call, calls, pick, probe, random_lists, random_texts, small_lists, small_texts
from lmcourse.exercises.comparing import difference, shorten
from lmcourse.exercises.judging import Call
from lmcourse.exercises.mistakes import tokenization as mistakes
from lmcourse.exercises.practice import tokenization as practice
from lmcourse.exercises.topic import Topic

topic = Topic("tokenization", 1, practice)
check, predict, quiz, ready = topic.check, topic.predict, topic.quiz, topic.ready

HANDOUT = "low " * 5 + "lower " * 2 + "widest " * 3 + "newest " * 6


# 1.1


def _ratio_cases():
    yield call("ab", [1])
    for text in ("", "a", "é", "ab", "你好", "🌍!"):
        yield from (call(text, ids) for ids in small_lists(3, (0, 7)))
    yield call("ab", ())  # a Sequence: `ids == []` is False here
    yield call("e\u0301", [1, 2])  # a letter and its accent: three bytes, two where they are made one
    for text, ids in zip(random_texts(40), random_lists(40, high=50_256)):
        yield call(text, ids)


topic.exercise(
    tokenization.compression_ratio,
    cases=_ratio_cases,
    hints=(
        "len(text) counts characters. How many bytes has the text in UTF-8?",
        "len(text.encode('utf-8')) / len(ids), and a ValueError where there is nothing to divide by.",
    ),
    wrong={
        "characters are counted, not bytes": mistakes.characters,
        "this is tokens per byte, upside down": mistakes.upside_down,
        "no tokens are not refused": mistakes.never_refuses,
        "whole bytes only": mistakes.whole,
        "`ids == []` is False for an empty tuple: `len(ids) == 0` asks of any sequence": mistakes.asks_for_a_list,
    },
    minutes=6,
    level=1,
)


# 1.2


def _pair_cases():
    yield from calls(small_lists(4))
    yield call(b"aaabdaaabac")  # a Sequence: the notebook counts bytes too
    yield from calls(random_lists(40, longest=60, high=5))
    yield from calls(random_lists(10, high=50_256))


def _in_order(got, want):
    """The counts, and then their order."""
    note = difference(got, want)
    if note is None and list(got) != list(want):
        return f"the counts are right, their order is not: {list(want)} is the order in which the pairs first appear"
    return note


topic.exercise(
    tokenization.count_pairs,
    cases=_pair_cases,
    same=_in_order,
    show=lambda counts, ids: str(dict(counts)),
    hints=(
        "zip(ids, ids[1:]) or itertools.pairwise(ids) walks over the neighbours.",
        "counts[pair] = counts.get(pair, 0) + 1. Pairs overlap: [1, 1, 1] holds (1, 1) twice.",
    ),
    wrong={
        "pairs that overlap are counted once": mistakes.not_overlapping,
        "the last pair is missing": mistakes.misses_the_last,
        "(1, 2) and (2, 1) are counted together": mistakes.either_order,
        "every other pair is missing": mistakes.steps_of_two,
        "the pairs are sorted": mistakes.sorted_pairs,
    },
    minutes=6,
    level=1,
)


# 1.3


def _is_new(merge):
    """A check with `is`, since the same list and a copy of it compare equal."""
    ids = [1, 3, 2]
    return "a new list" if merge(ids, (1, 2), 9) is not ids else "the list that came in"


def _merge_cases():
    for ids in small_lists(4):
        yield call(ids, (1, 2), 9)
        yield call(ids, (1, 1), 9)
    yield from calls([(1, 2), (3, 1, 2, 1, 2)], (1, 2), 9)  # a Sequence: merge_round has words that are tuples
    for i, ids in enumerate(random_lists(60, longest=60, high=12)):
        yield call(ids, tuple((ids + ids)[i % len(ids) :][:2]), 256)
    yield call([11, 2, 1, 21, 2], (1, 2), 9)
    yield from calls(([1, 2, 2], [1, 2, 2, 2], [3, 1, 2, 2]), (1, 2), 1)  # the new id may be the first of a pair
    yield from calls(small_lists(4), (1, 1), 1)
    yield probe("which list merge_pair([1, 3, 2], (1, 2), 9) returns, where the pair is absent", _is_new)


topic.exercise(
    tokenization.merge_pair,
    cases=_merge_cases,
    hints=(
        "Walk with an index of your own: a for loop cannot skip the second half of a pair.",
        "On a match append new_id and move on by 2, otherwise append ids[i] and move on by 1. The last one has no "
        "right neighbour.",
    ),
    wrong={
        "an element is used twice": mistakes.overlapping,
        "`ids[i : i + 2]` is a list, `pair` is a tuple, and the two are never equal": mistakes.list_against_tuple,
        "it does not step past the new id, and merges it again": mistakes.merges_again,
        "the last element is dropped": mistakes.drops_last,
        "only the first occurrence is merged": mistakes.only_the_first,
        "merged from right to left": mistakes.from_the_right,
        "the caller's own list is changed": mistakes.in_place,
        "where the pair is absent, the list that came in is returned, not a new one": mistakes.same_list,
    },
    minutes=8,
    level=1,
)


# 1.4


_BYTES = {i: bytes([i]) for i in range(256)}


class _Result(Call):
    """A call of which only the result counts: to change `words` or `vocab` on the way does no harm."""

    def run(self, function):
        return function(*copy.deepcopy(self.args))


def _round(words, new_id, *tie, **more):
    """A case whose vocabulary, the 256 bytes and what `more` holds, is not written out on the card."""
    vocab = _BYTES | {int(i.removeprefix("id")): token for i, token in more.items()}
    shown = ", ".join([shorten(words), "vocab", str(new_id), *map(repr, tie)])
    return _Result((words, vocab, new_id, *tie), {}).said(f"({shown})")


def _round_cases():
    yield _round({(97, 98): 1}, 256)
    yield _round({}, 256)
    yield _round({(97,): 3}, 256)
    yield _round({(97, 98): 5, (98, 99): 1}, 256)
    yield _round({(98, 99): 1, (97, 98): 5, (97,): 2}, 256)
    yield _round({(97, 98): 2, (98, 99): 1, (120, 98, 99): 1, (99, 98, 99, 97): 1}, 256)
    yield _round({(97, 97, 97): 2, (97, 98): 3}, 256)
    for tie in tokenization.TIES:
        yield _round({(256, 97): 2, (98, 257): 2, (257, 98): 2}, 258, tie, id256=b"zz", id257=b"ab")
    for i, text in enumerate(random_texts(40, longest=60, letters="aab cé")):
        words = {tuple(word.encode()): n for word, n in tokenization.count_pretokens(text).items()}
        yield _round(words, 256 + i % 3, tokenization.TIES[i % 3])


def _words_in_order(got, want):
    """The pair and the words, and then the order of the words."""
    note = difference(got, want)
    if note is None and list(got[1]) != list(want[1]):
        return f"the words are right, their order is not: {shorten(list(want[1]))} is the order in which they came"
    return note


topic.exercise(
    tokenization.merge_round,
    cases=_round_cases,
    same=_words_in_order,
    show=lambda result, words, vocab, new_id, tie="greatest": str(result),
    hints=(
        "Three steps: add up the counts of all words, choose the pair, merge it in every word. count_pairs(ids) counts "
        "in one word; multiply by how often the word occurs.",
        "counts[pair] = counts.get(pair, 0) + n * times for each pair and n of count_pairs(ids). Then "
        "best_pair(counts, vocab, tie), and tuple(merge_pair(ids, pair, new_id)) for every word. Without any count, "
        "return None, words.",
    ),
    wrong={
        "each word counts once, however often it occurs": mistakes.round_each_word_once,
        "ties are decided as they come, whatever `tie` says": mistakes.round_any_tie,
        "`tie` is not given to best_pair, which then takes the greatest": mistakes.round_without_tie,
        "the words are returned unmerged": mistakes.round_words_unchanged,
        "it fails where no pair is left": mistakes.round_fails_at_the_end,
        "the words are sorted": mistakes.round_sorts,
    },
    minutes=12,
    level=2,
)


# 1.5


def _learned(result, source, vocab_size, special_tokens=(), **options):
    """The merges and the size of the vocabulary: its first 256 tokens are no news."""
    vocab, merges = result
    text = ", ".join(f"{left!r} {right!r}" for left, right in merges[:12]) or "none"
    rest = {i: token for i, token in vocab.items() if i >= 256 + len(merges)}
    return f"merges {text}{' ...' if len(merges) > 12 else ''}; {len(vocab)} tokens, after the merges {rest}"


def _training_cases():
    yield call("", 256)
    yield call("ab", 257)
    yield call("ab", 256)
    yield call("ab", 256, ["<|end|>"])
    yield call("ab", 255)
    yield call("ab", 257, tie="random")
    for text in pick(small_texts(6, "ab "), 60):
        yield call(text, 260)
    yield call("ab ab cb", 258)
    yield call("low low low lower lowest", 259)
    yield call(["low lo", "w low lower", " lowest"], 259)  # pieces of one text
    yield call("a b a b", 257, pattern=r"(?s).+")
    yield call("ab<|end|>ab<|end|>", 259, ["<|end|>"])
    yield call("ab ab cd cd ef", 260, ["<|x|>", "<|y|>"])
    yield call("ab", 259, ["<|y|>", "<|x|>"])  # the order in which they are given
    yield call("ab", 260, ["<|pad|>", "<|x|>", "<|end|>"])
    yield call("aab" * 3 + "<|x|>y|>" + "aab", 262, ["<|x|>", "<|x|>y|>"])
    for tie in tokenization.TIES:
        yield call("ba ab ba ab", 258, tie=tie)
        yield call(HANDOUT, 268, tie=tie)
        for text in random_texts(6, longest=80, letters="aab c"):
            yield call(text, 270, ["<|end|>"], tie=tie)
    yield call("नमस्ते 你好 👋 नमस्ते", 266)
    yield call("aa", 300)


topic.exercise(
    tokenization.train_bpe_naive,
    name="train_bpe",
    cases=_training_cases,
    show=_learned,
    hints=(
        "Begin with check_training(vocab_size, special_tokens, tie). Make `words` as the loop above does: tuples of "
        "ids, not text. How many new ids are there, if the special tokens need some, too?",
        "for new_id in range(256, vocab_size - len(special_tokens)): one merge_round; stop where the pair is None. Add "
        "to merges and vocab as above. After the loop each special token gets the id len(vocab).",
    ),
    wrong={
        "ties are decided as they come, whatever `tie` says": mistakes.any_tie,
        "`tie` is not passed on, and the greatest wins": mistakes.without_tie,
        "merges run across spaces": mistakes.across,
        "each word counts once, however often it occurs": mistakes.each_word_once,
        "the special tokens come on top of vocab_size": mistakes.specials_on_top,
        "the letters of the special tokens are learned from": mistakes.specials_in_the_text,
        "the special tokens are sorted": mistakes.specials_sorted,
    },
    minutes=12,
    level=2,
)


# 1.6

_THE = [(b"t", b"h"), (b"th", b"e"), (b" ", b"the"), (b"e", b"r")]


def _encoding_cases():
    yield call("", [])
    yield from calls(small_texts(2, "ab "), [(b"a", b"b")])
    for text in pick(small_texts(5, "abc"), 80):
        yield call(text, [(b"b", b"c"), (b"a", b"b"), (b"a", b"bc"), (b"a", b"a"), (b"aa", b"a")])
    yield call("abc", [(b"a", b"b"), (b"b", b"c"), (b"a", b"bc")])  # (ab, c) is not in the list, though abc is made
    yield call("abcd", [(b"a", b"b"), (b"c", b"d"), (b"b", b"cd"), (b"ab", b"c")])
    yield call("the other", _THE)
    yield call("a b", [(b"a", b" ")])
    yield call("a b", [(b"a", b" ")], pattern=r"(?s).+")
    yield call("éé", [])
    yield call("éé", [(b"\xc3", b"\xa9")])
    learned = tokenization.train_bpe(" ".join(random_texts(40, longest=60)), 330)[1]
    yield from calls(random_texts(40, longest=60, seed=1), learned)


topic.exercise(
    tokenization.encode,
    cases=_encoding_cases,
    hints=(
        "Cut with pretokenize, then work on each pre-token alone, on a list of single bytes. Among all neighbours that "
        "can merge, which pair was learned first?",
        "ranks = {pair: rank for rank, pair in enumerate(merges)}; as long as a pair of neighbours is in ranks, merge "
        "the one of lowest rank, the leftmost of equals. The token of merge number rank has the id 256 + rank.",
    ),
    wrong={
        "merged from left to right, whatever was learned first": mistakes.left_to_right,
        "the longest token that fits is taken": mistakes.longest_match,
        "the text is not cut first": mistakes.no_cuts,
        "these are ranks, and an id is 256 + rank": mistakes.ranks_as_ids,
        "only pairs of single bytes are merged": mistakes.one_pass,
        "a pair's rank is looked up by its joined bytes, and two pairs can join to the same": mistakes.joined_ranks,
    },
    minutes=12,
    level=2,
)


# 1.7


def _decoding_cases():
    vocab = {i: bytes([i]) for i in range(256)}
    yield call([], vocab).said("([], vocab)")
    for text in ("a", "ab", "é", "a€b", "🦜"):
        ids = list(text.encode())
        yield call(ids, vocab).said(f"({ids}, vocab)")
    yield call([226, 256], {226: b"\xe2", 256: b"\x82\xac"})
    yield call([0, 1], {0: b"\xf0\x9f", 1: b"\xa6"})
    yield call([1, 0, 1], {0: b"the ", 1: b"cat"})
    yield call([5], {5: b"\r\n "})
    yield call([5], {5: b"\xef\xbb\xbfa"})  # a mark of the byte order is a character too
    learned = tokenization.train_bpe(" ".join(random_texts(40, longest=60)), 330)
    for ids in random_lists(40, longest=30, high=len(learned[0]) - 1):
        yield call(ids, dict(learned[0])).said(f"({ids}, vocab)")


topic.exercise(
    tokenization.decode,
    cases=_decoding_cases,
    hints=(
        "Two steps: first the bytes of all tokens in one row, and only then text.",
        'b"".join(vocab[i] for i in ids) joins; .decode("utf-8", errors="replace") reads.',
    ),
    wrong={
        "each token is decoded by itself, and a character cut in two is lost": mistakes.one_by_one,
        "bytes that are not text raise an error": mistakes.strict,
        "bytes that are not text are left out": mistakes.ignores,
        "each byte becomes a character": mistakes.latin,
    },
    minutes=6,
    level=1,
)


# Predictions

topic.prediction(
    "bytes",
    answer=20,
    why="Ten of the characters are ASCII and take one byte each, 你 and 好 take three each, and 🌍 takes four.",
    remarks={13: "That is the number of characters.", 12: "That is how many tokens GPT-2 makes of it.", 52: "UTF-32."},
)
topic.prediction(
    "overlaps",
    answer=2,
    why="In 'aaa' the pair is counted twice and merged once: after the first merge its second half is gone.",
    remarks={4: "That is the count. Walk through 'aaa' and merge.", 3: "Close: look at each run of a on its own."},
)
topic.prediction(
    "rank",
    answer=[b"a", b"bc"],
    also=([97, 256],),
    why="(b, c) was learned first, so it merges first; then no b is left for (a, b).",
    remarks={
        (b"ab", b"c"): "That is from left to right.",
        (b"abc",): "Only neighbours that are in the list can merge.",
    },
)


# The closing quiz

topic.question(
    "Why does BPE start from bytes and not from characters?",
    "256 tokens are enough to write every text there is: nothing is ever unknown.",
)
topic.question(
    "Two people train BPE on the same file and get different merges. Is one of them wrong?",
    "Not necessarily: equal counts, ties, are decided by a rule, and theirs may differ. So may the pattern that cuts.",
)
topic.question(
    "More: Why is a pair counted more often than it is merged?",
    "Counting sees overlapping pairs ('aaa' holds 'aa' twice), merging from left to right uses every element once.",
)
topic.question(
    "Why cut into pre-tokens at all?",
    "So that no token spans words ('of the') or a word and the mark after it ('dog.', 'dog!').",
)
topic.question(
    "Why not encode with the longest token that fits?",
    "Training merged by rank, and the model has seen those splits. The longest match gives others for the same word.",
)
topic.question(
    "More: A token decodes to \ufffd. Is the tokenizer broken?",
    "No: it holds a part of a character's bytes. Join the bytes of all tokens first, then decode.",
)
topic.question(
    "Why can a model hardly say how many r's are in strawberry?",
    "It sees ids and no letters. The word is one integer or a few, and none of them tells its spelling.",
)
topic.question(
    "Why does the same sentence cost more in one language than in another?",
    "A language that was rare in the tokenizer's text has few merges. Its words fall apart into single bytes.",
)
