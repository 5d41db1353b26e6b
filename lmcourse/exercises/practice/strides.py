"""Practice beside notebook 03: see the package."""

SLIPS = {
    "contiguous_strides": {
        "only the neighbour's size": ("step *= max(int(size), 1)", "step = max(int(size), 1)"),
        "column-major": ("return tuple(reversed(strides))", "return tuple(strides)"),
    },
    "can_view": {
        "the strides in the wrong order": ("taken + found", "found + taken"),
        "forgets the stride of a block": ("fill_block(size, stride, left)", "fill_block(size, 1, left)"),
    },
    "fill_block": {
        "ignores the stride of the block": ("(filled * stride, *strides)", "(filled, *strides)"),
        "leaves sizes of 1": ("while left and (filled < size or left[-1] == 1)", "while left and filled < size"),
        "takes too much": ("return strides if filled == size else None", "return strides"),
    },
    "sliding_windows": {
        "one window short": ("(len(x) - size) // step + 1", "(len(x) - size) // step"),
        "assumes that x has stride 1": ("(step * stride, stride)", "(step, 1)"),
    },
}

WHY = {
    "offset": (
        "Why does the sum begin with `storage_offset`?",
        "A slice begins somewhere inside the storage. Index 0 of the view is there, so every position counts from "
        "that place.",
    ),
    "contiguous_strides": (
        "Why does `strides.append(step)` come before the step is multiplied by the size?",
        "A step along a dimension skips what lies to the right of it, and not its own size. The size counts for the "
        "next dimension on the left.",
    ),
    "can_view": (
        "Why does `taken + found` put the new strides in front?",
        "The blocks come from the right, and each takes its sizes from the right end of `left`. So what is found later "
        "belongs further left.",
    ),
    "fill_block": (
        "Which sizes does `left[-1] == 1` take that `filled < size` would leave?",
        "Sizes of 1 to the left of a full block, such as the 1 of (1, 4) in a block of 4. After the last block nobody "
        "else would give them a stride.",
    ),
    "is_contiguous": (
        "Why may a dimension with `size == 1` have any stride?",
        "There is one index in it, 0, and 0 times any stride is 0. Its stride is never walked.",
    ),
    "sliding_windows": (
        "Two windows overlap. Why does `x.as_strided` need no copy for that?",
        "Both rows point into the same storage. The row stride `step * stride` is shorter than a row is long, so some "
        "elements are reached by two indices.",
    ),
}
