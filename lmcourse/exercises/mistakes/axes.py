"""Typical wrong answers of notebook 04; lmcourse.exercises.axes says which mistake each is."""

from einops import einsum, rearrange, reduce

from lmcourse import axes


def view_alone(x, heads):
    """The shape is right and every element is in the wrong place."""
    batch, seq, hidden = x.shape
    return x.reshape(batch, heads, seq, hidden // heads)


def heads_fast(x, heads):
    return rearrange(x, "batch seq (head_dim heads) -> batch heads seq head_dim", heads=heads)


def heads_last(x, heads):
    return rearrange(x, "batch seq (heads head_dim) -> batch seq heads head_dim", heads=heads)


def not_scaled(q, k):
    return einsum(q, k, "b h q d, b h k d -> b h q k")


def divided_by_the_size(q, k):
    return not_scaled(q, k) / q.shape[-1]


def keys_first(q, k):
    return einsum(q, k, "b h q d, b h k d -> b h k q") / q.shape[-1] ** 0.5


def across_heads(q, k):
    """Forgets to keep the heads of the keys apart: their name is not the queries'."""
    return einsum(q, k, "b h q d, b g k d -> b h q k") / q.shape[-1] ** 0.5


def padding_counts(x, mask):
    return reduce(x, "batch seq hidden -> batch hidden", "mean")


def divides_by_the_length(x, mask):
    return reduce(x * mask.to(x.dtype)[..., None], "batch seq hidden -> batch hidden", "mean")


def nothing_over_nothing(x, mask):
    weights = mask.to(x.dtype)
    return einsum(x, weights, "b t h, b t -> b h") / reduce(weights, "b t -> b 1", "sum")


def pixels_channels_last(images, size):
    pattern = "b c (down rows) (across columns) -> b (down across) (rows columns c)"
    return rearrange(images, pattern, rows=size, columns=size)


def column_by_column(images, size):
    pattern = "b c (down rows) (across columns) -> b (across down) (c rows columns)"
    return rearrange(images, pattern, rows=size, columns=size)


def patches_interleaved(images, size):
    """Takes every n-th pixel: the group's order is swapped."""
    pattern = "b c (rows down) (columns across) -> b (down across) (c rows columns)"
    return rearrange(images, pattern, rows=size, columns=size)


def never_permutes(x, pattern, **sizes):
    """Reshapes to the right shape and leaves the elements in their old order."""
    return x.reshape(axes.rearrange_group(x, pattern, **sizes).shape)


def group_backwards(x, pattern, **sizes):
    """Takes the leftmost name of a group for the fast one."""
    left, right = (side.split() for side in pattern.split("->"))
    if "(" in left:
        a, b = left.index("("), left.index(")")
        left = [*left[: a + 1], *left[b - 1 : a : -1], *left[b:]]
    return axes.rearrange_group(x, " ".join([*left, "->", *right]), **sizes)


def by_einops(x, pattern, **sizes):
    return rearrange(x, pattern, **sizes)


def never_merges(x, pattern, **sizes):
    left, arrow, right = pattern.partition("->")
    return axes.rearrange_group(x, left + arrow + right.replace("(", "").replace(")", ""), **sizes)


def first_name_by_division(x, left, **sizes):
    """Keeps the group whole where its first name has no size."""
    words = left.split()
    if "(" in words and words[words.index("(") + 1] not in sizes and words.index(")") - words.index("(") > 2:
        return x
    return axes.split_group(x, left, **sizes)


def group_at_the_end(x, left, **sizes):
    """Takes the last axis for the group, wherever the group stands."""
    words = left.split()
    if "(" not in words:
        return x
    inside = words[words.index("(") + 1 : words.index(")")]
    return x.reshape(*x.shape[:-1], *(sizes.get(name, -1) for name in inside))


def split_backwards(x, left, **sizes):
    """Takes the rightmost name of a group for the slow one."""
    words = left.split()
    if "(" not in words:
        return x
    a, b = words.index("("), words.index(")")
    turned = axes.split_group(x, " ".join([*words[: a + 1], *words[b - 1 : a : -1], *words[b:]]), **sizes)
    order = [*range(a), *range(b - 2, a - 1, -1), *range(b - 1, turned.ndim)]
    return turned.permute(order)


def order_the_other_way(x, left, right):
    """Asks where each name of the left stands on the right."""
    wanted = [word for word in right.split() if word not in "()"]
    return x.permute([wanted.index(word) for word in left.split() if word not in "()"])


def order_of_words(x, left, right):
    """Counts the parentheses as names."""
    names = left.split()
    return x.permute([min(names.index(word), x.ndim - 1) for word in right.split() if word not in "()"])


def order_by_reshape(x, left, right):
    return x.reshape(axes.permute_names(x, left, right).shape)


def flattens_the_end(x, right):
    """Flattens from the group to the last axis."""
    words = right.split()
    return x.flatten(words.index("(")) if "(" in words else x


def flattens_everything(x, right):
    return x.flatten() if "(" in right else x


def returns_it_unmerged(x, right):
    return x
