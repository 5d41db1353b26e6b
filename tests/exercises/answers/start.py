"""Right and wrong ways to write the exercise of 00, as readers write them."""

import itertools


def refusing(ids):
    if len(ids) < 2:
        raise ValueError("two ids or more")


def by_index(ids):
    refusing(ids)
    return [ids[i] for i in range(len(ids) - 1)], [ids[i + 1] for i in range(len(ids) - 1)]


def unzipped(ids):
    refusing(ids)
    inputs, targets = zip(*itertools.pairwise(ids))
    return inputs, targets  # two tuples


def popped(ids):
    """Right, and the reader's own list is one shorter afterwards."""
    refusing(ids)
    targets = list(ids[1:])
    ids.pop()
    return ids, targets


def without_repeats(ids):
    refusing(ids)
    pairs = list(dict.fromkeys(itertools.pairwise(ids)))
    return [a for a, _ in pairs], [b for _, b in pairs]


def key_error(ids):
    if len(ids) < 2:
        raise KeyError("two ids or more")
    return ids[:-1], ids[1:]


RIGHT = {"shift_by_one": [by_index, unzipped]}
WRONG = {"shift_by_one": [popped, without_repeats, key_error, lambda ids: (ids[:-1], ids[1:])]}
