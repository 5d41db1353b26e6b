"""Answers that people give to the exercises of 04."""

import einops
import torch

from lmcourse import axes


def heads_unflattened(x, heads):
    if x.shape[-1] % heads:
        raise einops.EinopsError("does not divide")
    return x.unflatten(-1, (heads, -1)).movedim(-2, 1)


def heads_by_parts(x, heads):
    return einops.rearrange(x, "... s (h d) -> ... h s d", h=heads)


def patches_by_unfold(images, size):
    if images.shape[-1] % size or images.shape[-2] % size:
        raise einops.EinopsError("does not divide")
    cut = images.unfold(2, size, size).unfold(3, size, size)  # batch channels down across rows columns
    return cut.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)


def pool_by_where(x, mask):
    total = torch.where(mask[..., None], x, torch.zeros_like(x)).sum(1)
    return total / mask.sum(1, keepdim=True).clamp(min=1).to(x.dtype)


def scores_scaled_before(q, k):
    return (q / q.shape[-1] ** 0.25) @ (k / k.shape[-1] ** 0.25).transpose(-1, -2)


def group_split_by_einops(x, left, **sizes):
    return einops.rearrange(x, f"{left} -> {left.replace('(', '').replace(')', '')}", **sizes)


def names_by_einops(x, left, right):
    return einops.rearrange(x, " -> ".join(side.replace("(", "").replace(")", "") for side in (left, right)))


def group_merged_by_einops(x, right):
    return einops.rearrange(x, f"{right.replace('(', '').replace(')', '')} -> {right}")


def group_by_einops(x, pattern, **sizes):
    return einops.rearrange(x, pattern, **sizes)


def group_by_einops_inside(x, pattern, **sizes):
    def moved():
        return einops.rearrange(x, pattern, **sizes)

    return moved()


def split_by_a_loop(x, left, **sizes):
    shape, lengths, inside = [], list(x.shape), False
    for word in left.split():
        if word in "()":
            inside = word == "("
            lengths = lengths[1:] if inside else lengths
        else:
            shape.append(sizes.get(word, -1) if inside else lengths[0])
            lengths = lengths if inside else lengths[1:]
    return x.reshape(*shape)


def names_by_movement(x, left, right):
    old, new = ([word for word in side.split() if word.isidentifier()] for side in (left, right))
    return torch.permute(x, tuple(map(old.index, new)))


def merged_by_reshape(x, right):
    words, shape = right.split(), list(x.shape)
    if "(" not in words:
        return x
    first, last = words.index("("), words.index(")") - 1
    return x.reshape(*shape[:first], -1, *shape[last:])


def group_of_three(x, pattern, **sizes):
    left, right = pattern.split("->")
    return merged_by_reshape(names_by_movement(split_by_a_loop(x, left, **sizes), left, right), right)


RIGHT = {
    "split_heads": [heads_unflattened, heads_by_parts],
    "patchify": [patches_by_unfold],
    "mean_pool": [pool_by_where],
    "attention_scores": [scores_scaled_before],
    "split_group": [split_by_a_loop],
    "permute_names": [names_by_movement],
    "merge_group": [merged_by_reshape],
    "rearrange_group": [group_of_three],
}


def heads_of_one_sentence(x, heads):
    return axes.split_heads(x[:1], heads)


def heads_cloned(x, heads):
    return axes.split_heads(x, heads).contiguous()


def heads_cut_off(x, heads):
    return axes.split_heads(x[..., : x.shape[-1] // heads * heads], heads)


def patches_cut_off(images, size):
    height, width = (n // size * size for n in images.shape[2:])
    return axes.patchify(images[..., :height, :width], size)


def patches_of_one_channel(images, size):
    return axes.patchify(images[:, :1], size)


def patches_as_floats(images, size):
    return axes.patchify(images.float(), size)


def pool_largest_count(x, mask):
    return (x * mask[..., None]).sum(1) / mask.sum(1).max().clamp(min=1)


def pool_nan(x, mask):
    return (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


def pool_in_double(x, mask):
    return axes.mean_pool(x.double(), mask)


def pool_writes(x, mask):
    x[~mask] = 0
    return axes.mean_pool(x, mask)


def scores_divided_by_all_heads(q, k):
    return q @ k.mT / (q.shape[1] * q.shape[-1]) ** 0.5


def scores_multiplied(q, k):
    return q @ k.mT * q.shape[-1] ** 0.5


def scores_of_float32(q, k):
    return axes.attention_scores(q.float(), k.float())


def group_sizes_all_given(x, pattern, **sizes):
    left = pattern.split("->")[0].split()
    if "(" in left and left.index(")") - left.index("(") - 1 > len(sizes):
        raise KeyError("a size is missing")
    return axes.rearrange_group(x, pattern, **sizes)


def group_never_first(x, pattern, **sizes):
    right = pattern.split("->")[1].split()
    out = axes.rearrange_group(x, pattern, **sizes)
    return out.reshape(-1) if right[0] == "(" else out


def split_with_sizes_only(x, left, **sizes):
    return axes.split_group(x, left, **sizes) if sizes else x.flatten()


def names_swapped_ends(x, left, right):
    return x.transpose(0, -1)


def merged_one_too_far(x, right):
    words = right.split()
    return x.flatten(words.index("("), min(words.index(")") - 1, x.ndim - 1)) if "(" in words else x


WRONG = {
    "split_heads": [heads_of_one_sentence, heads_cloned, heads_cut_off],
    "patchify": [patches_cut_off, patches_of_one_channel, patches_as_floats],
    "mean_pool": [pool_largest_count, pool_nan, pool_in_double, pool_writes],
    "attention_scores": [scores_divided_by_all_heads, scores_multiplied, scores_of_float32],
    "split_group": [split_with_sizes_only, group_split_by_einops],
    "permute_names": [names_swapped_ends, names_by_einops],
    "merge_group": [merged_one_too_far, group_merged_by_einops],
    "rearrange_group": [group_sizes_all_given, group_never_first, group_by_einops, group_by_einops_inside],
}
