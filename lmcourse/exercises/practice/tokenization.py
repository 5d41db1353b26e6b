"""Practice beside notebook 01: see the package."""

SLIPS = {
    "count_pairs": {
        "every other pair is missing": ("pairwise(ids)", "zip(ids[::2], ids[1::2])"),
        "(1, 2) and (2, 1) are counted together": (
            "for pair in pairwise(ids)",
            "for pair in map(tuple, map(sorted, pairwise(ids)))",
        ),
        "the pairs are sorted": ("return counts", "return dict(sorted(counts.items()))"),
    },
    "merge_pair": {
        "`ids[i : i + 2]` is a list, `pair` is a tuple, and the two are never equal": (
            "if tuple(ids[i : i + 2]) == pair",
            "if ids[i : i + 2] == pair",
        ),
        "the last element is dropped": ("while i < len(ids):", "while i < len(ids) - 1:"),
        "where the pair is absent, the list that came in is returned, not a new one": (
            "return merged",
            "return merged if len(merged) < len(ids) else ids",
        ),
    },
    "merge_round": {
        "each word counts once, however often it occurs": ("+ n * times", "+ n"),
        "`tie` is not given to best_pair, which then takes the greatest": ("counts, vocab, tie)", "counts, vocab)"),
        "the words are returned unmerged": (
            "return pair, {tuple(merge_pair(ids, pair, new_id)): times for ids, times in words.items()}",
            "return pair, words",
        ),
    },
    "train_bpe": {
        "the special tokens come on top of vocab_size": ("vocab_size - len(special_tokens)", "vocab_size"),
        "`tie` is not passed on, and the greatest wins": (
            "merge_round(words, vocab, new_id, tie)",
            "merge_round(words, vocab, new_id)",
        ),
    },
    "encode": {
        "merged from left to right, whatever was learned first": (
            "min(can_merge)",
            "min(can_merge, key=lambda found: found[1])",
        ),
        "the text is not cut first": ("for pretoken in pretokenize(text, pattern)", "for pretoken in [text]"),
    },
}

WHY = {
    "compression_ratio": (
        'Why does `len(text.encode("utf-8"))` stand there, and not `len(text)`?',
        'len(text) counts characters, and a character takes one to four bytes. For "你好" that is 2 against 6. '
        "Bytes are what a tokenizer begins with, in every language alike.",
    ),
    "count_pairs": (
        "What does `counts.get(pair, 0)` save you from, the first time that a pair is met?",
        "From a KeyError: the pair has no count yet, and get gives 0 for it. `counts[pair] + 1` would fail there.",
    ),
    "merge_pair": (
        "Why does the index move by two in `i += 2`, and by one in the other branch?",
        "A match uses up two ids, and neither may be part of another match. Otherwise one id was copied, and the next "
        "may begin a pair.",
    ),
    "merge_round": (
        "Why is `n` multiplied by `times` before it is added to a pair's count?",
        "`words` holds each different word once, with how often it occurs. A pair that is in it n times is in the text "
        "n · times times.",
    ),
    "train_bpe": (
        "Why does the loop end at `vocab_size - len(special_tokens)`?",
        "vocab_size counts everything: 256 bytes, the merges, and the special tokens. The special ones get the last "
        "ids, so that many merges fewer are learned.",
    ),
    "encode": (
        "What would `min(can_merge)` choose if the pairs stood there as (position, rank)?",
        "The leftmost pair, whatever was learned first. Tuples are compared by their first part: so the rank stands in "
        "front, and the position decides only between equal ranks.",
    ),
    "decode": (
        'Why are the bytes joined before `.decode("utf-8", errors="replace")` is called, and not each token decoded?',
        "A token may end in the middle of a character. Alone, its bytes are no text; joined with those of the next "
        "token they are.",
    ),
}
