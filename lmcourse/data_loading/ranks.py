"""Which part of a step is whose, when several processes read together. Plain Python: it runs in a page too."""


def shard(position: int, batch_size: int, rank: int, world_size: int) -> range:
    """The places of the stream that are `rank`'s part of the next step, when `position`
    windows have been handed out.

    A step takes batch_size · world_size places, rank 0 the first batch_size of them,
    and so on: together the ranks read what one process with the whole batch would read.

    >>> [shard(100, batch_size=4, rank=rank, world_size=2) for rank in (0, 1)]
    [range(100, 104), range(104, 108)]
    """
    first = position + rank * batch_size
    return range(first, first + batch_size)
