"""What a token takes, and which part of a step is whose: the plain Python of the topic. It runs in a page too."""


def bytes_per_token(vocab_size: int) -> int:
    """How many bytes one token takes in a file: 1, 2 or 4, the fewest that can hold
    every id from 0 to vocab_size − 1.

    `vocab_size` is at least 1 and at most 2**32.

    >>> bytes_per_token(200), bytes_per_token(50_257), bytes_per_token(100_277)
    (1, 2, 4)
    """
    if vocab_size <= 2**8:
        return 1
    if vocab_size <= 2**16:
        return 2
    return 4


def shard(position: int, batch_size: int, rank: int, world_size: int) -> range:
    """The places of the stream that are `rank`'s part of the next step, when `position`
    windows have been handed out.

    A step takes batch_size · world_size places, rank 0 the first batch_size of them,
    and so on: together the ranks read what one process with the whole batch would read.
    Returns a range; a list of the same places is as good.

    >>> [shard(100, batch_size=4, rank=rank, world_size=2) for rank in (0, 1)]
    [range(100, 104), range(104, 108)]
    """
    first = position + rank * batch_size
    return range(first, first + batch_size)
