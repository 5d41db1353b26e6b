"""Patterns that einops accepts, generated for the tests of axes."""

import math

from hypothesis import assume
from hypothesis import strategies as st

NAMES = ("b", "t", "h", "d", "w1", "hidden")


# Patterns that einops accepts, generated


@st.composite
def groups(draw, names):
    """Put names into dimensions, in order: some alone, some in parentheses, with a 1 here and there."""
    dimensions, names = [], list(names)
    while names:
        if draw(st.integers(0, 5)) == 0:
            dimensions.append([])
        take = draw(st.sampled_from([1, 1, 2, 3]))
        dimensions.append(names[:take])
        names = names[take:]
    return dimensions


def text(dimensions):
    def word(names):
        if len(names) == 1:
            return names[0]
        return "(" + " ".join(names) + ")" if names else "1"

    return " ".join(word(dimension) for dimension in dimensions)


@st.composite
def patterns(draw, operation):
    """(pattern, shape, sizes) that einops accepts for this operation."""
    names = draw(st.permutations(NAMES))[: draw(st.integers(0, 4))]
    smallest = 0 if operation != "reduce" and draw(st.integers(0, 9)) == 0 else 1
    size = {name: draw(st.integers(smallest, 3)) for name in names}
    left = draw(groups(names))
    shape = [math.prod(size[name] for name in dimension) for dimension in left]
    right_names = draw(st.permutations(names))
    given_sizes = {}
    for dimension in left:  # einops can infer one size a dimension, where nothing is 0
        inferable = bool(dimension) and all(size[name] for name in dimension)
        if len(dimension) > 1:
            told = dimension[1:] if inferable and draw(st.booleans()) else dimension
            given_sizes |= {name: size[name] for name in told if name in told}
    if operation == "reduce":
        gone = set(draw(st.lists(st.sampled_from(names), max_size=3)) if names else [])
        right_names = [name for name in right_names if name not in gone]
        # an axis that goes may stay anonymous
        for dimension in left:
            for i, name in enumerate(dimension):
                if name in gone and size[name] > 1 and draw(st.booleans()):
                    dimension[i] = str(size[name])
                    given_sizes.pop(name, None)
    if operation == "repeat":
        for name in ("new", "copies"):
            if draw(st.booleans()):
                number = draw(st.integers(0, 3))
                anonymous = number > 1 and draw(st.booleans())
                right_names.insert(draw(st.integers(0, len(right_names))), str(number) if anonymous else name)
                if not anonymous:
                    given_sizes[name] = number
    left_text, right_text = text(left), text(draw(groups(right_names)))
    if draw(st.integers(0, 3)) == 0:  # an ellipsis of 0 to 2 dimensions in front
        shape = [draw(st.integers(1, 2)) for _ in range(draw(st.integers(0, 2)))] + shape
        left_text = "... " + left_text
        if operation != "reduce" or draw(st.booleans()):
            right_text = draw(st.sampled_from(["... " + right_text, right_text + " ...", "(...) " + right_text]))
    assume(operation != "reduce" or math.prod(shape) <= 300)
    return f"{left_text} -> {right_text}", tuple(shape), given_sizes


@st.composite
def einsums(draw):
    """(pattern, shapes): one to three operands, repeated indices, ellipses, stretched dimensions of length 1."""
    size = {name: draw(st.integers(1, 3)) for name in ("a", "b", "c", "long_name")}
    operands = [
        draw(st.lists(st.sampled_from(sorted(size)), max_size=3)) for _ in range(draw(st.sampled_from([1, 2, 2, 3])))
    ]
    shapes = [[size[name] for name in names] for names in operands]
    used = sorted({name for names in operands for name in names})
    result = draw(st.permutations(used))[: draw(st.integers(0, 3))]
    words = [" ".join(names) for names in operands]
    right = " ".join(result)
    if draw(st.integers(0, 3)) == 0:
        batch = [draw(st.integers(1, 2)) for _ in range(draw(st.integers(0, 2)))]
        words = ["... " + word for word in words]
        shapes = [batch[draw(st.integers(0, len(batch))) :] + shape for shape in shapes]
        right = "... " + right if draw(st.booleans()) else right
    for names, shape in zip(operands, shapes):
        if shape and len(operands) > 1 and len(set(names)) == len(names) and draw(st.integers(0, 5)) == 0:
            shape[-1] = 1
    return ", ".join(words) + " -> " + right, [tuple(shape) for shape in shapes]
