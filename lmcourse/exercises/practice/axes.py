"""Practice beside notebook 04: see the package."""

SLIPS = {
    "split_group": {
        "the group is the last axis": ("shape.append(lengths.pop(0))", "shape.append(lengths.pop())"),
        "the rightmost name is slow": ("shape.append(sizes.get(word, -1))", "shape.insert(0, sizes.get(word, -1))"),
    },
    "merge_group": {
        "flattens to the end": ('words.index("("), words.index(")") - 2', 'words.index("(")'),
        "flattens everything": ('return x.flatten(words.index("("), words.index(")") - 2)', "return x.flatten()"),
    },
}

WHY = {
    "split_heads": (
        "What would change if `(heads head_dim)` were written `(head_dim heads)`?",
        "The shape would be the same, and each head would get every heads-th number. In a group the rightmost name "
        "is the fast one: neighbours belong to one head.",
    ),
    "attention_scores": (
        "Why is the result divided by `q.shape[-1] ** 0.5`, and not by `q.shape[-1]`?",
        "A sum of d products of random numbers spreads as the root of d. Divided by the root, the scores keep a spread "
        "near 1 for every head size.",
    ),
    "mean_pool": (
        "Which row does `count.clamp(min=1)` protect?",
        "A row whose mask is all False: nothing is summed, and its count is 0. Divided by 1 it stays 0, and does not "
        "become NaN.",
    ),
    "patchify": (
        "Why do the patches come row by row with `(down across)` on the right?",
        "The rightmost name moves fastest. So across runs first: all patches of the first row, then those of the next.",
    ),
    "rearrange_group": (
        "Why is `split_group` the innermost call, and `merge_group` the outermost?",
        "Names can change places only when each is an axis of its own. So the left group is opened first, and the "
        "right one closed last.",
    ),
    "split_group": (
        "What does the `-1` of `sizes.get(word, -1)` leave to reshape?",
        "The one size that was not told. The group's length and the other sizes fix it, and reshape works it out.",
    ),
    "permute_names": (
        "Why does the list ask `names.index(word)` for each word of the right side, and not of the left?",
        "For each axis of the result, permute wants the axis that it comes from. The right side is the result, and "
        "names are the axes of x.",
    ),
    "merge_group": (
        'Why is 2 taken away in `words.index(")") - 2`?',
        "Both parentheses are words, and neither is an axis. Up to the closing one, the opening one is counted too "
        "much, and the last axis stands one before it.",
    ),
}
