"""Answers from all notebooks that no other table has: right ones in an unusual form, and wrong ones that passed once,
each with what is wrong.
"""

import functools
import math
import unicodedata
from collections import Counter, deque
from fractions import Fraction
from itertools import pairwise

import einops
import numpy as np
import torch

from lmcourse import data_loading, exercises, initialization, strides
from lmcourse import tokenization as tk
from lmcourse.optimizers import SGD

RIGHT, WRONG = [], []


def right(topic: str, exercise: str):
    return lambda code: RIGHT.append((topic, exercise, code)) or code


def wrong(topic: str, exercise: str):
    return lambda code: WRONG.append((topic, exercise, code)) or code


def reference(topic: str, exercise: str):
    return exercises.topic(topic).exercises[exercise].reference


def kept(x, fmt):
    return fmt.decode(fmt.encode(x))


# Wrong


@wrong("tokenization", "compression_ratio")
def joins_letter_and_accent(text, ids):
    if len(ids) == 0:
        raise ValueError("no ids")
    return len(unicodedata.normalize("NFC", text).encode()) / len(ids)


@wrong("tokenization", "compression_ratio")
def a_fraction_where_a_float_is_promised(text, ids):
    if len(ids) == 0:
        raise ValueError("no ids")
    return Fraction(len(text.encode()), len(ids))


@wrong("tokenization", "count_pairs")
def takes_ids_to_be_below_a_thousand(ids):
    counts = Counter(1000 * a + b for a, b in pairwise(ids))
    return {divmod(code, 1000): n for code, n in counts.items()}


@wrong("tokenization", "merge_pair")
def merges_in_lists_and_not_in_tuples(ids, pair, new_id):
    merged, i = [], 0
    while i < len(ids):
        hit = ids[i : i + 2] == list(pair)
        merged.append(new_id if hit else ids[i])
        i += 2 if hit else 1
    return merged


@wrong("tokenization", "decode")
def drops_the_mark_of_the_byte_order(ids, vocab):
    return b"".join(vocab[i] for i in ids).decode("utf-8-sig", errors="replace")


@wrong("float_formats", "memory_bytes")
def takes_arrays(tensor):
    if isinstance(tensor, np.ndarray):
        return tensor.nbytes
    return reference("float_formats", "memory_bytes")(tensor)


@wrong("float_formats", "memory_bytes")
def nothing_seen_is_nothing_kept(tensor):
    whole = reference("float_formats", "memory_bytes")(tensor)
    return whole if tensor.numel() else 0


def diagnosed(
    weight, update, fmt, stalled=lambda total, weight: total == weight, lost=lambda total, update: not update
):
    weight, update = kept(weight, fmt), kept(update, fmt)
    if not math.isfinite(update):
        return "overflow"
    total = kept(Fraction(weight) + Fraction(update), fmt)
    if lost(total, update):
        return "underflow"
    if not math.isfinite(total):
        return "overflow"
    return "stalled" if stalled(total, weight) else "moves"


@wrong("float_formats", "diagnose")
def a_sum_of_zero_is_an_underflow(weight, update, fmt):
    return diagnosed(weight, update, fmt, lost=lambda total, update: total == 0 or update == 0)


@wrong("float_formats", "diagnose")
def nearly_the_same_is_the_same(weight, update, fmt):
    return diagnosed(weight, update, fmt, stalled=math.isclose)


@wrong("float_formats", "diagnose")
def looks_at_sizes(weight, update, fmt):
    return diagnosed(weight, update, fmt, stalled=lambda total, weight: abs(total) == abs(weight))


@wrong("strides", "offset")
def counts_in_32_bits(index, strides, storage_offset=0):
    if len(index) != len(strides) or min(index, default=0) < 0:
        raise ValueError("index")
    products = np.array(index, dtype=np.int32) * np.array(strides, dtype=np.int32)
    return int(products.sum()) + storage_offset


@wrong("axes", "split_heads")
def copies_what_was_transposed(x, heads):
    if x.shape[-1] % heads:
        raise einops.EinopsError("heads")
    return x.contiguous().view(*x.shape[:2], heads, -1).transpose(1, 2)


@wrong("axes", "attention_scores")
def views_what_split_heads_gave(q, k):
    (batch, heads, queries, width), keys = q.shape, k.shape[2]
    flat = torch.bmm(q.view(-1, queries, width), k.view(-1, keys, width).mT)
    return flat.view(batch, heads, queries, keys) / width**0.5


@wrong("axes", "merge_group")
def views_what_was_permuted(x, right):
    words = right.split()
    if "(" not in words:
        return x
    first, end = words.index("("), words.index(")") - 1
    return x.view(*x.shape[:first], -1, *x.shape[end:])


@wrong("flops", "matmul_flops")
def refuses_a_product_below_one(m, k, n):
    if m * k * n < 1:
        raise ValueError("sizes above 0")
    return 2 * m * k * n


@wrong("initialization", "change_factor")
def a_small_change_is_none(before, after):
    if math.isclose(before, after, rel_tol=0.01):
        return 1.0
    return initialization.change_factor(before, after)


@wrong("initialization", "find_the_bad_layer")
def takes_the_input_to_have_std_1(model, x):
    before, factors = 1.0, {}
    for signal in initialization.signal_statistics(model, x):
        if signal.kind == "ReLU":
            factors[signal.name.replace("act", "layer")] = initialization.change_factor(before, signal.std)
            before = signal.std
    return max(factors, key=factors.get)


@wrong("initialization", "trunc_normal_")
def begins_at_the_seed_in_each_call(tensor, std, bound=3.0, *, generator=None):
    again = torch.Generator().manual_seed(generator.initial_seed() if generator else 0)
    return initialization.trunc_normal_(tensor, std, bound, generator=again)


@wrong("initialization", "init_residual")
def puts_new_memory_under_the_weight(weight, num_layers):
    if num_layers < 1:
        raise ValueError("num_layers")
    weight.data = torch.randn(weight.shape) / math.sqrt(weight.shape[1] * 2 * num_layers)
    return weight


def batch(tokens, size, length, device, generator, dtype=np.int64, order=lambda starts: starts):
    if len(tokens) <= length:
        raise ValueError("too short")
    starts = order(torch.randint(len(tokens) - length, (size,), generator=generator))
    windows = np.stack([tokens[start : start + length + 1] for start in starts.tolist()])
    windows = torch.from_numpy(windows.astype(dtype).astype(np.int64)).to(device)
    return windows[:, :-1], windows[:, 1:]


@wrong("data_loading", "get_batch")
def sorts_the_starts(tokens, batch_size, context_length, device="cpu", *, generator=None):
    return batch(tokens, batch_size, context_length, device, generator, order=lambda starts: starts.sort().values)


@wrong("data_loading", "get_batch")
def by_way_of_int16(tokens, batch_size, context_length, device="cpu", *, generator=None):
    return batch(tokens, batch_size, context_length, device, generator, dtype=np.int16)


@wrong("data_loading", "get_batch")
def by_way_of_float32(tokens, batch_size, context_length, device="cpu", *, generator=None):
    return batch(tokens, batch_size, context_length, device, generator, dtype=np.float32)


@wrong("data_loading", "window_at")
def finds_the_epoch_in_floats(position, num_windows, seed=0):
    epoch, place = int(position / num_windows), position % num_windows
    return int(data_loading.shuffled(np.array([place]), num_windows, (seed, epoch))[0])


@wrong("optimizers", "SGD")
class OneStateForAGroup(SGD):
    def update_group(self, group):
        for param in group["params"]:
            if param.grad is not None:
                self.update(param, param.grad, self.state[group["params"][0]], group)


@wrong("optimizers", "average_in_place")
def begins_with_the_first_value(average, new, beta):
    return average.lerp_(new, 1 - beta) if average.any() else average.copy_(new)


@wrong("optimizers", "average_in_place")
def puts_new_memory_under_the_average(average, new, beta):
    average.data = beta * average + (1 - beta) * new
    return average


# Right


@right("start", "shift_by_one")
def shifted_by_a_star(ids):
    if len(ids) < 2:
        raise ValueError("two ids or more")
    *inputs, _ = ids
    _, *targets = ids
    return [inputs, targets]


@right("tokenization", "compression_ratio")
def ratio_by_size_of_character(text, ids):
    if not ids:
        raise ValueError("no ids")
    sizes = (1 + (ord(c) > 0x7F) + (ord(c) > 0x7FF) + (ord(c) > 0xFFFF) for c in text)
    return float(Fraction(sum(sizes), len(ids)))


@right("tokenization", "merge_pair")
def merged_from_a_queue(ids, pair, new_id):
    left, merged = deque(ids), deque()
    while left:
        first = left.popleft()
        if left and (first, left[0]) == pair:
            left.popleft()
            first = new_id
        merged.append(first)
    return merged


@right("tokenization", "encode")
def encoded_by_rank(text, merges, *, pattern=tk.GPT2_PATTERN):
    rank, encoded = {pair: k for k, pair in enumerate(merges)}, []
    ids = {bytes([i]): i for i in range(256)} | {a + b: 256 + k for (a, b), k in rank.items()}
    for piece in tk.pretokenize(text, pattern):
        parts = [bytes([byte]) for byte in piece.encode()]
        while known := [rank[pair] for pair in pairwise(parts) if pair in rank]:
            pair = merges[min(known)]
            parts = tk.merge_pair(parts, pair, b"".join(pair))
        encoded += [ids[part] for part in parts]
    return encoded


@right("float_formats", "decode_bits")
def decoded_from_text(bits, exponent_bits, mantissa_bits):
    digits = format(bits, f"0{1 + exponent_bits + mantissa_bits}b")
    sign, exponent = (-1.0) ** int(digits[0]), int(digits[1 : 1 + exponent_bits], 2)
    share, bias = int(digits[1 + exponent_bits :], 2) / 2**mantissa_bits, 2 ** (exponent_bits - 1) - 1
    if exponent == 2**exponent_bits - 1:
        return math.nan if share else sign * math.inf
    return sign * (share * 2.0 ** (1 - bias) if exponent == 0 else (1 + share) * 2.0 ** (exponent - bias))


@right("strides", "contiguous_strides")
def strides_of_a_meta_tensor(shape):
    if any(size < 0 for size in shape):
        raise ValueError("shape")
    return torch.empty(tuple(shape), device="meta").stride()


@right("strides", "is_contiguous")
def contiguous_as_a_numpy_bool(shape, strides_):
    return np.bool_(strides.is_contiguous(shape, strides_))


@right("axes", "mean_pool")
def pooled_with_shares(x, mask):
    shares = mask.to(x.dtype) / mask.sum(1, keepdim=True).clamp(min=1)
    return torch.bmm(shares[:, None].to(x.dtype), x)[:, 0]


@right("initialization", "trunc_normal_")
def cut_by_pytorch(tensor, std, bound=3.0, *, generator=None):
    if not (std > 0 and bound > 0):
        raise ValueError("std and bound")
    return torch.nn.init.trunc_normal_(tensor, 0.0, std, -bound * std, bound * std, generator=generator)


@right("data_loading", "count_tokens_seen")
def seen_by_intervals(starts, context_length, num_tokens):
    count, end = 0, 0
    for start in sorted(starts.tolist()):
        count += max(0, start + context_length + 1 - max(start + 1, end))
        end = start + context_length + 1
    return count


@right("data_loading", "shard")
def shard_as_an_array(position, batch_size, rank, world_size):
    return np.arange(batch_size) + position + rank * batch_size


@right("optimizers", "average_in_place")
def averaged_by_lerp(average, new, beta):
    return average.lerp_(new, 1 - beta)


@right("training", "transformer")
def transformer_by_reduce(ids, embedding, blocks, norm, head):
    return head(norm(functools.reduce(lambda x, layer: layer(x), blocks, embedding(ids))))


@right("training", "sample_top_p")
def nucleus_by_gumbel(logits, top_p, *, generator=None):
    if not 0 < top_p <= 1:
        raise ValueError("top_p")
    shares, order = logits.double().softmax(-1).sort(descending=True, stable=True)
    noise = -torch.log(-torch.log(torch.rand(shares.shape, generator=generator, dtype=torch.float64)))
    outside = shares.cumsum(0) - shares >= top_p
    return int(order[(shares.log() + noise).masked_fill(outside, -math.inf).argmax()])
