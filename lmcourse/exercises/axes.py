"""Exercises of notebook 04: cases and hints. References: lmcourse.axes; wrong answers: mistakes."""

import inspect
import itertools
import random
from collections.abc import Iterator
from math import prod

import torch

from lmcourse import axes
from lmcourse.exercises.cases import Case, call, noise, probe
from lmcourse.exercises.judging import Call
from lmcourse.exercises.mistakes import axes as mistakes
from lmcourse.exercises.practice import axes as practice
from lmcourse.exercises.topic import Topic
from lmcourse.strides import shares_storage

topic = Topic("axes", 4, practice)
check, predict, quiz, ready = topic.check, topic.predict, topic.quiz, topic.ready


def _numbers(*shape):
    return torch.arange(float(torch.Size(shape).numel())).reshape(shape)


# 4.1


def _heads_cases() -> Iterator[Case | Call]:
    for batch, seq, heads, width in itertools.product((1, 2), (1, 2, 3), (1, 2, 3), (1, 2)):
        yield call(_numbers(batch, seq, heads * width), heads)
    yield from (call(_numbers(1, 1, 7), 2), call(_numbers(1, 2, 3), 4), call(noise(2, 5, 24, dtype=torch.float64), 6))
    yield probe(
        "x = torch.zeros(2, 3, 8): shares_storage(split_heads(x, heads=4), x)",
        lambda split: (lambda x: shares_storage(split(x, heads=4), x))(torch.zeros(2, 3, 8)),
    )
    yield probe(
        "x = torch.zeros(3, 2, 8).transpose(0, 1): shares_storage(split_heads(x, heads=4), x)",
        lambda split: (lambda x: shares_storage(split(x, heads=4), x))(torch.zeros(3, 2, 8).transpose(0, 1)),
    )


topic.exercise(
    axes.split_heads,
    cases=_heads_cases,
    hints=(
        "The hidden axis is a group of two axes. On the right they stand apart, with the heads before the sequence.",
        "On the left write (heads head_dim): the leftmost name in a group is the slow one. Give the size heads=heads.",
    ),
    wrong={
        "view without moving": mistakes.view_alone,
        "heads as the fast axis": mistakes.heads_fast,
        "heads not moved": mistakes.heads_last,
    },
    minutes=6,
    level=1,
)


# 4.2


def _score_cases() -> Iterator[Call]:
    yield call(torch.ones(1, 1, 1, 4), torch.ones(1, 1, 1, 4))
    yield call(_numbers(1, 1, 2, 1), _numbers(1, 1, 2, 1))
    for batch, heads, queries, keys, width in itertools.product((1, 2), (1, 2), (1, 3), (1, 2), (1, 4, 9)):
        yield call(noise(batch, heads, queries, width), noise(batch, heads, keys, width, seed=1))
    double = torch.float64
    yield call(noise(2, 3, 4, 8, dtype=double), noise(2, 3, 5, 8, seed=1, dtype=double))
    moved = [noise(2, length, 3, 8, seed=length).transpose(1, 2) for length in (4, 5)]  # as split_heads gives them
    yield call(*moved)


topic.exercise(
    axes.attention_scores,
    cases=_score_cases,
    hints=(
        "Which names do q and k share, and which of those does the result keep?",
        "head_dim is the one shared name that the result lacks. Then divide by head_dim ** 0.5.",
    ),
    wrong={
        "not scaled": mistakes.not_scaled,
        "divided by d, not by its root": mistakes.divided_by_the_size,
        "keys before queries": mistakes.keys_first,
        "sums over the heads of the keys": mistakes.across_heads,
    },
    minutes=10,
    level=2,
)


# 4.3


def _pool_cases() -> Iterator[Call]:
    yield call(torch.tensor([[[1.0], [3.0]]]), torch.tensor([[True, True]]))
    yield call(torch.tensor([[[1.0], [3.0], [99.0]]]), torch.tensor([[True, True, False]]))
    yield call(torch.tensor([[[1.0], [3.0]]]), torch.tensor([[False, False]]))
    for mask in itertools.product((True, False), repeat=4):
        yield call(noise(2, 4, 3), torch.tensor([mask, mask[::-1]]))
    for dtype in (torch.float64, torch.bfloat16):
        yield call(noise(2, 4, 3, dtype=dtype), torch.tensor([[True, False, True, True], [False] * 4]))
    yield call(noise(4, 2, 3).transpose(0, 1), torch.tensor([[True, False, True, True], [False] * 4]))
    for seed in range(10):
        yield call(noise(3, 7, 5, seed=seed), noise(3, 7, seed=seed) > 0)


topic.exercise(
    axes.mean_pool,
    cases=_pool_cases,
    hints=(
        "Two numbers a sequence: the sum over the positions that count, and how many they are.",
        "einsum with the mask as floats gives the sum. Where the count is 0, divide by 1: clamp(min=1).",
    ),
    wrong={
        "padding takes part": mistakes.padding_counts,
        "divided by the padded length": mistakes.divides_by_the_length,
        "0 / 0 for an empty row": mistakes.nothing_over_nothing,
    },
    minutes=12,
    level=2,
)


# 4.4


def _patch_cases() -> Iterator[Call]:
    for batch, channels, down, across, size in itertools.product((1, 2), (1, 3), (1, 2), (1, 2, 3), (1, 2, 3)):
        yield call(_numbers(batch, channels, down * size, across * size), size)
    for height, width, size in ((3, 4, 2), (4, 3, 2), (4, 5, 2), (5, 5, 2), (2, 2, 3)):
        yield call(_numbers(1, 1, height, width), size)
    yield call(2**24 + torch.arange(16).reshape(1, 1, 4, 4), 2)  # no float32 holds these
    yield call(torch.arange(8, dtype=torch.uint8).reshape(1, 2, 2, 2), 2)
    yield call(_numbers(1, 2, 4, 3).permute(0, 3, 1, 2), 2)  # as image files have them: the channel last in memory


topic.exercise(
    axes.patchify,
    cases=_patch_cases,
    hints=(
        "Height is a group of two axes: which patch, and which row inside it. Width likewise.",
        "Six names on each side: batch, channels, the patch's place down and across, the pixel's row and column.",
    ),
    wrong={
        "channels last": mistakes.pixels_channels_last,
        "patches column by column": mistakes.column_by_column,
        "every n-th pixel": mistakes.patches_interleaved,
    },
    minutes=15,
    level=2,
)


# 4.5


def _calls_einops(function) -> bool:
    """Whether the code of a function, or of one inside it, names something of einops."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return False
    inside = [part for part in code.co_consts if inspect.iscode(part)]
    names = {name for part in (code, *inside) for name in part.co_names}
    return bool(names & {"einops", "rearrange", "reduce", "repeat", "einsum"})


def _without_einops(name: str) -> Case:
    return probe(f"whether {name} calls einops", _calls_einops, want=False)


def _group_cases() -> Iterator[Case | Call]:
    yield _without_einops("rearrange_group")
    yield from _groups()


def _groups() -> Iterator[Call]:
    yield from (call(_numbers(2, 3), "h w -> w h"), call(_numbers(6), "( h d ) -> h d", h=2))
    yield from (call(_numbers(2, 3), "h w -> ( h w )"), call(_numbers(2, 3), "h w -> ( w h )"))
    yield from (call(_numbers(6), "( h d ) -> d h", d=3), call(_numbers(4, 2), "( h d ) t -> h d t", h=2))
    yield from (call(_numbers(1, 2, 3), "a b c -> ( a b ) c"), call(_numbers(1, 2, 4), "b t ( h d ) -> b h t d", h=2))
    yield call(_numbers(2, 2, 3, 2), "b h t d -> b t ( h d )")
    yield call(_numbers(12), "( a b c ) -> c ( a b )", a=2, b=2)
    yield call(_numbers(2, 3).T, "( h d ) t -> h ( d t )", h=3)  # not in the order of its memory
    dice = random.Random(0)
    for k in range(120):
        yield _random_group(dice, 1 + k // 30)


def _random_group(dice: random.Random, count: int) -> Call:
    """A pattern of so many names, with at most one group a side, on numbers that tell where they were."""
    names = dice.sample(["b", "t", "head", "d", "x1"], count)
    size = {name: dice.randint(1, 3) for name in names}

    def side(names: list[str]) -> tuple[list[str], list[str]]:
        first = dice.randrange(len(names))
        last = dice.randint(first, len(names))
        if last == first:
            return names, []
        return [*names[:first], "(", *names[first:last], ")", *names[last:]], names[first:last]

    left, group = side(names)
    right, _ = side(dice.sample(names, count))
    lengths = [prod(size[name] for name in group) if word == "(" else size.get(word) for word in left if word != ")"]
    inside = left.index("(") + 1 if group else 0
    shape = [n for i, n in enumerate(lengths) if not inside <= i < inside + len(group) or not group]
    unknown = dice.choice(group) if group and dice.random() < 0.7 else None
    told = {name: size[name] for name in group if name != unknown}
    return call(_numbers(*shape), " ".join([*left, "->", *right]), **told)


topic.exercise(
    axes.rearrange_group,
    cases=_group_cases,
    hints=(
        "Cut the pattern at the arrow: `pattern.split('->')` gives the two sides. Then call your three functions.",
        "Split with the left side and the sizes, permute with both sides, merge with the right side.",
    ),
    wrong={
        "never permutes": mistakes.never_permutes,
        "the leftmost name is fast": mistakes.group_backwards,
        "never merges": mistakes.never_merges,
        "einops does it": mistakes.by_einops,
    },
    minutes=6,
    level=1,
)


# 4.5a: every name gets an axis


def _split_cases() -> Iterator[Case | Call]:
    yield _without_einops("split_group")
    yield from (call(_numbers(6), "( h d )", h=2), call(_numbers(6), "( h d )", d=3), call(_numbers(2, 3), "a b"))
    yield from (call(_numbers(1, 4), "b ( h d )", h=2), call(_numbers(4, 2), "( h d ) t", h=2))
    yield from (call(_numbers(2, 4, 2), "a ( h d ) t", d=2), call(_numbers(12), "( a b c )", a=2, b=2))
    yield call(_numbers(6), "( h d )", h=2, d=3)
    for whole in _groups():
        yield call(whole.args[0], whole.args[1].split("->")[0].strip(), **whole.kwargs)


topic.exercise(
    axes.split_group,
    cases=_split_cases,
    hints=(
        "Walk through the words with a list of the lengths of x.shape that are left. A name outside the group takes "
        "the next length. A `(` takes one too, and throws it away.",
        "Remember whether you are inside. A name inside takes `sizes.get(word, -1)`. At the end reshape to what you "
        "have collected.",
    ),
    wrong={
        "gives up where the first name has no size": mistakes.first_name_by_division,
        "the group is the last axis": mistakes.group_at_the_end,
        "the rightmost name is slow": mistakes.split_backwards,
    },
    minutes=12,
    level=2,
    of="rearrange_group",
)


# 4.5b: the order of the names


def _order_cases() -> Iterator[Case | Call]:
    yield _without_einops("permute_names")
    yield from (call(_numbers(2, 3), "a b", "b a"), call(_numbers(2, 3), "a b", "a b"))
    yield from (call(_numbers(1, 2, 3), "a b c", "c a b"), call(_numbers(1, 2, 3), "a ( b c )", "( c a ) b"))
    yield from (call(_numbers(2, 3), "( h d )", "d h"), call(_numbers(2, 3, 4), "( a b ) c", "b c a"))
    for names in itertools.permutations(("b", "head", "t", "d")):
        yield call(_numbers(2, 1, 3, 2), "b t ( head d )", " ".join(names[:2]) + " ( " + " ".join(names[2:]) + " )")


topic.exercise(
    axes.permute_names,
    cases=_order_cases,
    hints=(
        "Make the list of names on the left, without parentheses. `names.index(word)` says which axis has that name.",
        "permute wants, for each new axis, the number of the old one: ask for each name on the right.",
    ),
    wrong={
        "asks the other way round": mistakes.order_the_other_way,
        "counts the parentheses": mistakes.order_of_words,
        "reshapes and moves nothing": mistakes.order_by_reshape,
    },
    minutes=8,
    level=1,
    of="rearrange_group",
)


# 4.5c: the group on the right


def _merge_cases() -> Iterator[Case | Call]:
    yield _without_einops("merge_group")
    yield from (call(_numbers(2, 3), "( a b )"), call(_numbers(2, 3), "a b"), call(_numbers(2, 1, 3), "a ( b c )"))
    yield from (call(_numbers(2, 1, 3), "( a b ) c"), call(_numbers(2, 3), "a ( b )"), call(_numbers(4), "( a )"))
    yield call(_numbers(2, 3).T, "( a b )")  # as permute_names gives it: not in the order of its memory
    for first, last in itertools.combinations(range(5), 2):
        words = ["b", "head", "t", "d"]
        yield call(_numbers(2, 1, 3, 2), " ".join([*words[:first], "(", *words[first:last], ")", *words[last:]]))


topic.exercise(
    axes.merge_group,
    cases=_merge_cases,
    hints=(
        "`x.flatten(first, last)` joins the axes first to last. The place of `(` in the words is the first.",
        "Before `)` stand two words too many to be the last axis: the `(`, and one because counting starts at 0.",
    ),
    wrong={
        "flattens to the end": mistakes.flattens_the_end,
        "flattens everything": mistakes.flattens_everything,
        "never merges": mistakes.returns_it_unmerged,
    },
    minutes=8,
    level=1,
    of="rearrange_group",
)


topic.prediction(
    "d_h",
    answer=(0, 2, 4, 6),
    why="In (d h) the rightmost name, h, is the fast one: neighbours belong to different heads.",
    remarks={(0, 1, 2, 3): "That is (h d), where each head takes one piece of neighbours."},
)
topic.prediction(
    "sum_of_ones",
    answer=4.0,
    why="Four ones along hidden are added. The mean of four ones would be 1.0.",
    remarks={1.0: "That is the mean."},
)
topic.prediction(
    "scores_flops",
    answer=lambda: axes.einsum_flops("b h q d, b h k d -> b h q k", (2, 4, 8, 16), (2, 4, 8, 16)),
    why="Every name is a loop: 2 · 4 · 8 · 8 · 16 passes, and each multiplies once and adds once.",
    remarks={8192: "That counts the passes. Each of them multiplies and adds: two FLOPs."},
)
topic.prediction(
    "pixels_last",
    answer="view",
    why="h and w are neighbours in memory and stay neighbours, so (h w) has one stride; only the order changes.",
    remarks={"copy": "A copy is needed only where a group on the right does not already lie in memory like one axis."},
)

topic.question(
    "In rearrange(x, '(a b) -> a b', a=2), which of a and b is the slow axis?",
    "a. The leftmost name in a group varies slowest, as the tens of a number do.",
)
topic.question(
    "What happens to a name that stands on the left of an einsum pattern and not on the right?",
    "The products are added along it. A name that the right side keeps is never added over.",
)
topic.question(
    "Why does softmax come between the two einsums of attention?",
    "It makes shares of the scores: positive, with the sum 1. The second einsum mixes the values by these shares.",
)
topic.question(
    "You split with '(h d)' and join with '(d h)'. What tells you?",
    "Nothing. The shape is right and the numbers are shuffled. A split and its join carry the same group.",
)
topic.question(
    "More: why does reduce want the word 'mean' or 'sum', when the pattern already says which axis goes?",
    "The pattern says where, not how. Sum and mean along the same axis differ by its length.",
)
topic.question(
    "More: splitting heads is free and joining them copies. Why?",
    "Splitting gives one axis two strides. Joining wants one stride for two axes that do not lie side by side.",
)
topic.question(
    "More: how many FLOPs has the einsum 'b t i, o i -> b t o'?",
    "2 · b · t · o · i: every name is a loop, and each pass multiplies once and adds once.",
)
topic.question(
    "More: why is '...hidden -> ...' refused?",
    "Without a space the dots and the name are one word, and that is no name. It is '... hidden -> ...'.",
)
