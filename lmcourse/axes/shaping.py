"""What the reader of notebook 04 writes: heads, masks, patches, and `rearrange` in plain PyTorch."""

import torch  # noqa: F401  the examples below, and the notebook, have it
from einops import einsum, rearrange, reduce
from jaxtyping import Bool, Float, Shaped
from torch import Tensor


def split_heads(x: Float[Tensor, "batch seq hidden"], heads: int) -> Float[Tensor, "batch heads seq head_dim"]:
    """Cut the hidden axis into `heads` equal pieces, one for each head.

    Head 0 gets the first numbers of every word, head 1 the next ones. The result
    is a view: no element moves in memory.

    Raises:
        einops.EinopsError: when `heads` does not divide the hidden size.

    >>> split_heads(torch.arange(6).view(1, 1, 6), heads=2).tolist()
    [[[[0, 1, 2]], [[3, 4, 5]]]]
    """
    return rearrange(x, "batch seq (heads head_dim) -> batch heads seq head_dim", heads=heads)


def attention_scores(
    q: Float[Tensor, "batch heads query head_dim"],
    k: Float[Tensor, "batch heads key head_dim"],
) -> Float[Tensor, "batch heads query key"]:
    """The score of every query with every key of the same head.

    A score is the dot product of the two, divided by the root of `head_dim`.

    >>> q, k = torch.ones(1, 1, 2, 4), torch.ones(1, 1, 3, 4)
    >>> attention_scores(q, k).tolist()
    [[[[2.0, 2.0, 2.0], [2.0, 2.0, 2.0]]]]
    """
    products = einsum(q, k, "batch heads query head_dim, batch heads key head_dim -> batch heads query key")
    return products / q.shape[-1] ** 0.5


def mean_pool(x: Float[Tensor, "batch seq hidden"], mask: Bool[Tensor, "batch seq"]) -> Float[Tensor, "batch hidden"]:
    """The mean over the positions where `mask` is True; padding takes no part.

    Where no position of a sentence is True, its mean is 0. The result has the dtype
    of `x`.

    >>> x = torch.tensor([[[1.0], [3.0], [99.0]]])
    >>> mean_pool(x, torch.tensor([[True, True, False]])).tolist()
    [[2.0]]
    """
    total = einsum(x, mask.to(x.dtype), "batch seq hidden, batch seq -> batch hidden")
    count = reduce(mask.to(x.dtype), "batch seq -> batch 1", "sum")
    return total / count.clamp(min=1)


def patchify(
    images: Shaped[Tensor, "batch channels height width"], size: int
) -> Shaped[Tensor, "batch patches pixels"]:
    """Cut each image into square patches of `size` by `size` pixels, row by row.

    Inside a patch the order is channel, row, column: the column is the fastest. Any
    dtype is kept as it is.

    Raises:
        einops.EinopsError: when `size` does not divide both the height and the width.

    >>> patchify(torch.arange(8).reshape(1, 1, 2, 4), size=2).tolist()
    [[[0, 1, 4, 5], [2, 3, 6, 7]]]
    """
    pattern = "batch channels (down rows) (across columns) -> batch (down across) (channels rows columns)"
    return rearrange(images, pattern, rows=size, columns=size)


def split_group(x: Shaped[Tensor, "..."], left: str, **sizes: int) -> Shaped[Tensor, "..."]:
    """Reshape `x` so that every name of `left` has an axis of its own, without einops.

    `left` is a left side with at most one group, as in `"b t ( h d )"`: spaces
    separate names and parentheses. Of the names in the group at most one has no size
    in `sizes`.

    >>> split_group(torch.arange(6), "( h d )", h=2).tolist()
    [[0, 1, 2], [3, 4, 5]]
    """
    lengths, shape, inside = list(x.shape), [], False
    for word in left.split():
        if word == "(":
            inside = True
            lengths.pop(0)  # the group's own length: reshape works out the one size that is not told
        elif word == ")":
            inside = False
        elif inside:
            shape.append(sizes.get(word, -1))
        else:
            shape.append(lengths.pop(0))
    return x.reshape(shape)


def permute_names(x: Shaped[Tensor, "..."], left: str, right: str) -> Shaped[Tensor, "..."]:
    """Put the axes of `x`, named as in `left`, in the order of `right`; no einops.

    Parentheses on either side change nothing here: every name has its own axis.

    >>> permute_names(torch.zeros(2, 3, 4), "a ( b c )", "( c a ) b").shape
    torch.Size([4, 2, 3])
    """
    names = [word for word in left.split() if word not in "()"]
    return x.permute([names.index(word) for word in right.split() if word not in "()"])


def merge_group(x: Shaped[Tensor, "..."], right: str) -> Shaped[Tensor, "..."]:
    """Flatten the axes that stand in the group of `right` into one, without einops.

    `x` has an axis for every name of `right`, in that order. Without a group it comes
    back as it is.

    >>> merge_group(torch.zeros(2, 3, 4), "a ( b c )").shape
    torch.Size([2, 12])
    """
    words = right.split()
    if "(" not in words:
        return x
    return x.flatten(words.index("("), words.index(")") - 2)


def rearrange_group(x: Shaped[Tensor, "..."], pattern: str, **sizes: int) -> Shaped[Tensor, "..."]:
    """`rearrange` without einops, for patterns with at most one group on a side.

    Spaces separate names and parentheses, as in `"b t ( h d ) -> b h t d"`. Of the
    names in the left group at most one has no size in `sizes`. The pattern is not
    checked.

    >>> rearrange_group(torch.arange(6), "( h d ) -> d h", h=2).tolist()
    [[0, 3], [1, 4], [2, 5]]
    """
    left, right = pattern.split("->")
    return merge_group(permute_names(split_group(x, left, **sizes), left, right), right)
