"""Right and wrong ways to write the exercises of 01, as readers write them."""

from collections import Counter, defaultdict
from itertools import pairwise

from lmcourse import tokenization as tk

GPT2 = tk.GPT2_PATTERN


def wanting_ids(ids):
    if not len(ids):
        raise ValueError("no ids")


# 1.1


def ratio_sum(text, ids):
    wanting_ids(ids)
    return sum(len(char.encode()) for char in text) / sum(1 for _ in ids)


def ratio_utf16(text, ids):
    wanting_ids(ids)
    return len(text.encode("utf-16-le")) / len(ids)


def ratio_of_stripped(text, ids):
    wanting_ids(ids)
    return len(text.strip().encode()) / len(ids)


def ratio_infinite(text, ids):
    return len(text.encode()) / len(ids) if len(ids) else float("inf")


def ratio_asks_for_a_list(text, ids):
    if ids == []:
        raise ValueError("no ids")
    return len(text.encode()) / len(ids)


# 1.2


def pairs_default(ids):
    counts = defaultdict(int)
    for i in range(1, len(ids)):
        counts[ids[i - 1], ids[i]] += 1
    return counts


_KEPT: dict = {}


def pairs_kept_between_calls(ids):
    for pair in pairwise(ids):
        _KEPT[pair] = _KEPT.get(pair, 0) + 1
    return dict(_KEPT)


def pairs_by_count(ids):
    return dict(Counter(pairwise(ids)).most_common())


def pairs_as_lists(ids):
    return [(list(pair), n) for pair, n in Counter(pairwise(ids)).items()]


def pairs_of_lists_only(ids):
    return dict(Counter(pairwise(ids + [])))


# 1.3


def merge_generator(ids, pair, new_id):
    def walk():
        left = iter(ids)
        for a in left:
            while True:
                b = next(left, None)
                if (a, b) == pair:
                    yield new_id
                    break
                yield a
                if b is None:
                    return
                a = b

    return list(walk())


def merge_where_listed(ids, pair, new_id):
    hits, i = [], 0
    while i + 1 < len(ids):
        hit = (ids[i], ids[i + 1]) == tuple(pair)
        hits += [i] if hit else []
        i += 1 + hit
    skipped = {i + 1 for i in hits}
    return [new_id if i in hits else x for i, x in enumerate(ids) if i not in skipped]


def merge_lost_tail(ids, pair, new_id):
    merged, i = [], 0
    while i < len(ids):
        if tuple(ids[i : i + 2]) == pair:
            merged.append(new_id)
            i += 3
        else:
            merged.append(ids[i])
            i += 1
    return merged


def merge_list_against_tuple(ids, pair, new_id):
    out, i = [], 0
    while i < len(ids):
        if ids[i : i + 2] == pair:
            out.append(new_id)
            i += 2
        else:
            out.append(ids[i])
            i += 1
    return out


def merge_stays_at_the_new_id(ids, pair, new_id):
    out, i = list(ids), 0
    while i < len(out) - 1:
        if (out[i], out[i + 1]) == tuple(pair):
            out[i : i + 2] = [new_id]
        else:
            i += 1
    return out


def merge_yields(ids, pair, new_id):
    yield from tk.merge_pair(ids, pair, new_id)


def merge_by_first_only(ids, pair, new_id):
    merged, i = [], 0
    while i < len(ids):
        hit = ids[i] == pair[0] and i + 1 < len(ids)
        merged.append(new_id if hit else ids[i])
        i += 1 + hit
    return merged


def merge_endless(ids, pair, new_id):
    i = 0
    while i < len(ids):
        if tuple(ids[i : i + 2]) != pair:
            i += 1
    return ids


def merge_only_where_needed(ids, pair, new_id):
    hit = any((ids[i], ids[i + 1]) == pair for i in range(len(ids) - 1))
    return tk.merge_pair(ids, pair, new_id) if hit else ids


# 1.4


def trained(source, vocab_size, special_tokens=(), *, pattern=GPT2, tie="greatest", **change):
    """A right answer, and what may be changed in it."""
    if change.get("checks", True):
        tk.check_training(vocab_size, special_tokens, tie)
    words = change.get("words", tk.count_pretokens(source, special_tokens, pattern=pattern))
    parts = {word: [bytes([b]) for b in word.encode()] for word in words}
    ids = {bytes([i]): i for i in range(256)}
    merges = []
    for _ in range(vocab_size - 256 - len(special_tokens)):
        counts = Counter()
        for word, tokens in parts.items():
            for pair in pairwise(tokens):
                counts[ids[pair[0]], ids[pair[1]]] += words[word]
        if not counts:
            break
        vocab = {i: token for token, i in ids.items()}
        left, right = change.get("best", tk.best_pair)(counts, vocab, tie)
        pair = vocab[left], vocab[right]
        merges.append(pair)
        ids[pair[0] + pair[1]] = len(ids)
        parts = {word: tk.merge_pair(tokens, pair, pair[0] + pair[1]) for word, tokens in parts.items()}
    vocab = {i: token for token, i in ids.items()}
    for token in change.get("ends", special_tokens):
        vocab[len(vocab)] = token.encode()
    return vocab, merges


def train_on_bytes(source, vocab_size, special_tokens=(), *, pattern=GPT2, tie="greatest"):
    return trained(source, vocab_size, special_tokens, pattern=pattern, tie=tie)


def train_unchecked(source, vocab_size, special_tokens=(), *, pattern=GPT2, tie="greatest"):
    return trained(source, vocab_size, special_tokens, pattern=pattern, tie=tie, checks=False)


def train_smallest_of_bytes(source, vocab_size, special_tokens=(), *, pattern=GPT2, tie="greatest"):
    def least(counts, vocab, tie):
        most = max(counts.values())
        return min((p for p in counts if counts[p] == most), key=lambda p: (vocab[p[0]], vocab[p[1]]))

    best = least if tie == "smallest" else tk.best_pair
    return trained(source, vocab_size, special_tokens, pattern=pattern, tie=tie, best=best)


def train_specials_reversed(source, vocab_size, special_tokens=(), *, pattern=GPT2, tie="greatest"):
    ends = list(special_tokens)[::-1]
    return trained(source, vocab_size, special_tokens, pattern=pattern, tie=tie, ends=ends)


def train_on_a_text_only(source, vocab_size, special_tokens=(), *, pattern=GPT2, tie="greatest"):
    pieces = tk.pretokenize(source if isinstance(source, str) else "", pattern)
    return trained(source, vocab_size, special_tokens, pattern=pattern, tie=tie, words=Counter(pieces))


def train_specials_sorted(source, vocab_size, special_tokens=(), *, pattern=GPT2, tie="greatest"):
    return trained(source, vocab_size, special_tokens, pattern=pattern, tie=tie, ends=sorted(special_tokens))


def round_of_sorted_words(words, vocab, new_id, tie="greatest"):
    pair, merged = tk.merge_round(words, vocab, new_id, tie)
    return pair, dict(sorted(merged.items()))


def round_of_ordered_words(words, vocab, new_id, tie="greatest"):
    pair, merged = tk.merge_round(words, vocab, new_id, tie)
    return [pair, Counter(merged)]


def round_that_stores_the_token(words, vocab, new_id, tie="greatest"):
    pair, merged = tk.merge_round(words, vocab, new_id, tie)
    if pair is not None:
        vocab[new_id] = vocab[pair[0]] + vocab[pair[1]]
    return pair, merged


def round_in_place(words, vocab, new_id, tie="greatest"):
    pair, merged = tk.merge_round(words, vocab, new_id, tie)
    if pair is not None:
        words.clear()
        words.update(merged)
    return pair, words


def round_that_forgets_tie(words, vocab, new_id, tie="greatest"):
    counts = Counter()
    for ids, times in words.items():
        for pair in pairwise(ids):
            counts[pair] += times
    if not counts:
        return None, words
    pair = tk.best_pair(counts, vocab)
    return pair, {tuple(tk.merge_pair(ids, pair, new_id)): times for ids, times in words.items()}


def train_without_room(source, vocab_size, special_tokens=(), *, pattern=GPT2, tie="greatest"):
    """range(256, vocab_size), and then the special tokens."""
    tk.check_training(vocab_size, special_tokens, tie)
    return tk.train_bpe_naive(source, vocab_size + len(special_tokens), special_tokens, pattern=pattern, tie=tie)


# 1.5


def ids_of(merges):
    return {bytes([i]): i for i in range(256)} | {a + b: 256 + rank for rank, (a, b) in enumerate(merges)}


def encode_recursive(text, merges, *, pattern=GPT2):
    ids, ranks = ids_of(merges), {pair: rank for rank, pair in enumerate(merges)}

    def merged(parts):
        best = min(pairwise(parts), key=lambda pair: ranks.get(pair, len(ranks)), default=None)
        if best not in ranks:
            return parts
        return merged(tk.merge_pair(parts, best, b"".join(best)))

    pieces = tk.pretokenize(text, pattern)
    return [ids[part] for piece in pieces for part in merged([bytes([b]) for b in piece.encode()])]


def encode_joined(text, merges, *, pattern=GPT2):
    """The rank of a pair is that of the bytes it makes."""
    ids, ranks = ids_of(merges), {a + b: rank for rank, (a, b) in enumerate(merges)}
    out = []
    for piece in tk.pretokenize(text, pattern):
        parts = [bytes([b]) for b in piece.encode()]
        while True:
            best = min(pairwise(parts), key=lambda pair: ranks.get(b"".join(pair), len(ranks)), default=(b"", b""))
            if b"".join(best) not in ranks:
                break
            parts = tk.merge_pair(parts, best, b"".join(best))
        out += [ids[part] for part in parts]
    return out


def encode_last_learned(text, merges, *, pattern=GPT2):
    ids, out = ids_of(merges), []
    for piece in tk.pretokenize(text, pattern):
        parts = [bytes([b]) for b in piece.encode()]
        for pair in reversed(merges):
            parts = tk.merge_pair(parts, pair, b"".join(pair))
        out += [ids[part] for part in parts]
    return out


def encode_one_pass_of_ranks(text, merges, *, pattern=GPT2):
    """Merges once, all occurrences of the best pair, and stops."""
    ids, out = ids_of(merges), []
    for piece in tk.pretokenize(text, pattern):
        parts = [bytes([b]) for b in piece.encode()]
        best = next((pair for pair in merges if pair in set(pairwise(parts))), None)
        out += [ids[part] for part in (tk.merge_pair(parts, best, b"".join(best)) if best else parts)]
    return out


def encode_own_pattern(text, merges, *, pattern=GPT2):
    return tk.encode(text, merges)


def encode_bytes(text, merges, *, pattern=GPT2):
    ids = ids_of(merges)
    return [piece.encode() for piece in map(tk.ByteTokenizer().decode, [[i] for i in tk.encode(text, merges)])] or [
        *ids
    ][:0]


RIGHT = [
    ("compression_ratio", ratio_sum),
    ("count_pairs", pairs_default),
    ("merge_pair", merge_generator),
    ("merge_pair", merge_where_listed),
    ("merge_round", round_of_ordered_words),
    ("merge_round", round_that_stores_the_token),
    ("merge_round", round_in_place),
    ("train_bpe", train_on_bytes),
    ("train_bpe", tk.train_bpe),
    ("encode", encode_recursive),
]
WRONG = [
    ("compression_ratio", ratio_utf16),
    ("compression_ratio", ratio_of_stripped),
    ("compression_ratio", ratio_infinite),
    ("compression_ratio", ratio_asks_for_a_list),
    ("count_pairs", pairs_kept_between_calls),
    ("count_pairs", pairs_by_count),
    ("count_pairs", pairs_as_lists),
    ("count_pairs", pairs_of_lists_only),
    ("merge_pair", merge_lost_tail),
    ("merge_pair", merge_yields),
    ("merge_pair", merge_by_first_only),
    ("merge_pair", merge_endless),
    ("merge_pair", merge_list_against_tuple),
    ("merge_pair", merge_stays_at_the_new_id),
    ("merge_pair", merge_only_where_needed),
    ("merge_round", round_of_sorted_words),
    ("merge_round", round_that_forgets_tie),
    ("train_bpe", train_specials_sorted),
    ("train_bpe", train_unchecked),
    ("train_bpe", train_without_room),
    ("train_bpe", train_smallest_of_bytes),
    ("train_bpe", train_specials_reversed),
    ("train_bpe", train_on_a_text_only),
    ("encode", encode_joined),
    ("encode", encode_last_learned),
    ("encode", encode_one_pass_of_ranks),
    ("encode", encode_own_pattern),
    ("encode", encode_bytes),
]
