"""Typical wrong answers of notebook 01; lmcourse.exercises.tokenization says which mistake each is."""

from collections import Counter
from itertools import islice, pairwise

from lmcourse import tokenization
from lmcourse.tokenization import GPT2_PATTERN
from lmcourse.tokenization.trainer import Trainer


def characters(text, ids):
    """Characters a token: the same for English, half as much or less for everything else."""
    return len(text) / len(ids) if ids else tokenization.compression_ratio(text, ids)


def upside_down(text, ids):
    """Tokens a byte."""
    return len(ids) / len(text.encode("utf-8"))


def never_refuses(text, ids):
    return len(text.encode("utf-8")) / max(1, len(ids))


def whole(text, ids):
    return tokenization.compression_ratio(text, ids) // 1


def asks_for_a_list(text, ids):
    if ids == []:
        raise ValueError("no ids")
    return len(text.encode("utf-8")) / len(ids)


def not_overlapping(ids):
    """Counts what will be merged: in [1, 1, 1] one pair, where two are there."""
    counts, i = {}, 0
    while i < len(ids) - 1:
        pair = (ids[i], ids[i + 1])
        counts[pair] = counts.get(pair, 0) + 1
        i += 2 if ids[i] == ids[i + 1] else 1
    return counts


def misses_the_last(ids):
    return dict(Counter(pairwise(ids[:-1])))


def either_order(ids):
    return dict(Counter(tuple(sorted(pair)) for pair in pairwise(ids)))


def sorted_pairs(ids):
    return dict(sorted(Counter(pairwise(ids)).items()))


def steps_of_two(ids):
    return dict(Counter(zip(ids[::2], ids[1::2])))


def overlapping(ids, pair, new_id):
    """A for loop that uses an element twice: 'aaa' becomes two new tokens."""
    merged = [new_id if tuple(ids[i : i + 2]) == pair else ids[i] for i in range(len(ids))]
    return [token for i, token in enumerate(merged) if i == 0 or merged[i - 1] != new_id or token == new_id]


def list_against_tuple(ids, pair, new_id):
    """`ids[i : i + 2] == pair` where ids is a list: never true."""
    merged, i = [], 0
    while i < len(ids):
        hit = ids[i : i + 2] == pair
        merged.append(new_id if hit else ids[i])
        i += 2 if hit else 1
    return merged


def merges_again(ids, pair, new_id):
    """Stays where it merged: the new id may begin the next pair."""
    ids, i = list(ids), 0
    while i < len(ids) - 1:
        if (ids[i], ids[i + 1]) == pair:
            ids[i : i + 2] = [new_id]
        else:
            i += 1
    return ids


def drops_last(ids, pair, new_id):
    merged, i = [], 0
    while i < len(ids) - 1:
        hit = (ids[i], ids[i + 1]) == pair
        merged.append(new_id if hit else ids[i])
        i += 2 if hit else 1
    return merged


def only_the_first(ids, pair, new_id):
    for i in range(len(ids) - 1):
        if (ids[i], ids[i + 1]) == pair:
            return [*ids[:i], new_id, *ids[i + 2 :]]
    return list(ids)


def from_the_right(ids, pair, new_id):
    return tokenization.merge_pair(ids[::-1], pair[::-1], new_id)[::-1]


def in_place(ids, pair, new_id):
    """Right, but the caller's own list has changed."""
    ids[:] = tokenization.merge_pair(ids, pair, new_id)
    return ids


def same_list(ids, pair, new_id):
    """A shortcut: nothing to merge, nothing to copy."""
    return tokenization.merge_pair(ids, pair, new_id) if pair in pairwise(ids) else ids


def round_each_word_once(words, vocab, new_id, tie="greatest"):
    """Forgets how often a word occurs."""
    pair, merged = tokenization.merge_round(dict.fromkeys(words, 1), vocab, new_id, tie)
    return pair, dict(zip(merged, words.values()))


def round_any_tie(words, vocab, new_id, tie="greatest"):
    return tokenization.merge_round(words, vocab, new_id, "first")


def round_without_tie(words, vocab, new_id, tie="greatest"):
    return tokenization.merge_round(words, vocab, new_id)


def round_words_unchanged(words, vocab, new_id, tie="greatest"):
    return tokenization.merge_round(words, vocab, new_id, tie)[0], words


def round_fails_at_the_end(words, vocab, new_id, tie="greatest"):
    if not any(len(ids) > 1 for ids in words):
        return max({}, key=None), words
    return tokenization.merge_round(words, vocab, new_id, tie)


def round_sorts(words, vocab, new_id, tie="greatest"):
    pair, merged = tokenization.merge_round(words, vocab, new_id, tie)
    return pair, dict(sorted(merged.items()))


def any_tie(source, vocab_size, special_tokens=(), *, pattern=GPT2_PATTERN, tie="greatest"):
    """max(counts, key=counts.get): a tie rule that nobody stated."""
    return tokenization.train_bpe_naive(source, vocab_size, special_tokens, pattern=pattern, tie="first")


def without_tie(source, vocab_size, special_tokens=(), *, pattern=GPT2_PATTERN, tie="greatest"):
    tokenization.check_training(vocab_size, special_tokens, tie)
    return tokenization.train_bpe_naive(source, vocab_size, special_tokens, pattern=pattern)


def across(source, vocab_size, special_tokens=(), *, pattern=GPT2_PATTERN, tie="greatest"):
    """No pre-tokenization: merges run across spaces."""
    return tokenization.train_bpe_naive(source, vocab_size, special_tokens, pattern=r"(?s).+", tie=tie)


def each_word_once(source, vocab_size, special_tokens=(), *, pattern=GPT2_PATTERN, tie="greatest"):
    """Forgets how often a pre-token occurs."""
    words = dict.fromkeys(tokenization.count_pretokens(source, special_tokens, pattern=pattern), 1)
    trainer = Trainer(words, tie)
    merges = [step.pair for step in islice(trainer, vocab_size - 256 - len(special_tokens))]
    tokens = [*trainer.tokens, *(token.encode("utf-8") for token in special_tokens)]
    return dict(enumerate(tokens)), merges


def specials_on_top(source, vocab_size, special_tokens=(), *, pattern=GPT2_PATTERN, tie="greatest"):
    """vocab_size merges and bytes, and then the special tokens."""
    tokenization.check_training(vocab_size, special_tokens, tie)
    size = vocab_size + len(special_tokens)
    return tokenization.train_bpe_naive(source, size, special_tokens, pattern=pattern, tie=tie)


def specials_in_the_text(source, vocab_size, special_tokens=(), *, pattern=GPT2_PATTERN, tie="greatest"):
    """Learns from the letters of the special tokens."""
    vocab, merges = tokenization.train_bpe_naive(source, vocab_size - len(special_tokens), pattern=pattern, tie=tie)
    return vocab | {len(vocab) + i: token.encode("utf-8") for i, token in enumerate(special_tokens)}, merges


def specials_sorted(source, vocab_size, special_tokens=(), *, pattern=GPT2_PATTERN, tie="greatest"):
    return tokenization.train_bpe_naive(source, vocab_size, sorted(special_tokens), pattern=pattern, tie=tie)


def _ids(merges):
    ids = {bytes([i]): i for i in range(256)}
    return ids | {left + right: 256 + rank for rank, (left, right) in enumerate(merges)}


def left_to_right(text, merges, *, pattern=GPT2_PATTERN):
    """Merges the first pair that can merge."""
    ids, known, encoded = _ids(merges), set(merges), []
    for pretoken in tokenization.pretokenize(text, pattern):
        parts = [bytes([byte]) for byte in pretoken.encode("utf-8")]
        while hits := [i for i, pair in enumerate(pairwise(parts)) if pair in known]:
            parts[hits[0] : hits[0] + 2] = [parts[hits[0]] + parts[hits[0] + 1]]
        encoded += [ids[part] for part in parts]
    return encoded


def longest_match(text, merges, *, pattern=GPT2_PATTERN):
    """The longest token that fits, then the next: what a dictionary does."""
    ids, encoded = _ids(merges), []
    for pretoken in tokenization.pretokenize(text, pattern):
        data = pretoken.encode("utf-8")
        while data:
            size = max(n for n in range(1, len(data) + 1) if data[:n] in ids)
            encoded.append(ids[data[:size]])
            data = data[size:]
    return encoded


def no_cuts(text, merges, *, pattern=GPT2_PATTERN):
    """Encodes the text as one piece."""
    return tokenization.encode(text, merges, pattern=r"(?s).+")


def ranks_as_ids(text, merges, *, pattern=GPT2_PATTERN):
    return [i - 256 if i >= 256 else i for i in tokenization.encode(text, merges, pattern=pattern)]


def one_pass(text, merges, *, pattern=GPT2_PATTERN):
    """Merges pairs of bytes, and then stops."""
    return tokenization.encode(text, [pair for pair in merges if len(b"".join(pair)) == 2], pattern=pattern)


def joined_ranks(text, merges, *, pattern=GPT2_PATTERN):
    """Ranks by the bytes that a pair makes: (ab, c) then has the rank of (a, bc)."""
    ids, encoded = _ids(merges), []
    for pretoken in tokenization.pretokenize(text, pattern):
        parts = [bytes([byte]) for byte in pretoken.encode("utf-8")]
        while hits := [(ids[a + b], i) for i, (a, b) in enumerate(pairwise(parts)) if a + b in ids]:
            i = min(hits)[1]
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
        encoded += [ids[part] for part in parts]
    return encoded


def one_by_one(ids, vocab):
    """Decodes each token alone: halves of characters are lost."""
    return "".join(vocab[i].decode("utf-8", errors="replace") for i in ids)


def strict(ids, vocab):
    return b"".join(vocab[i] for i in ids).decode("utf-8")


def ignores(ids, vocab):
    return b"".join(vocab[i] for i in ids).decode("utf-8", errors="ignore")


def latin(ids, vocab):
    return b"".join(vocab[i] for i in ids).decode("latin-1")
