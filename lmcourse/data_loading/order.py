"""The order in which windows are read: a shuffle that is computed and never stored, on any number of ranks.

One integer, how many windows have been handed out, is the whole state of a `BatchSampler`.
"""

import operator

import numpy as np
from jaxtyping import Int, UInt

from lmcourse.data_loading.ranks import shard
from lmcourse.support.checks import one_of, whole

ROUNDS = 8  # of the Feistel network below
ODD, ONE, HALF = np.uint64(0xBF58476D1CE4E5B9), np.uint64(1), np.uint64(32)  # a multiplier of SplitMix64's


def shuffled(indices: Int[np.ndarray, "count"], size: int, seed: int | tuple[int, ...]) -> Int[np.ndarray, "count"]:
    """What stands at the places `indices` of a shuffled range(size). Nothing is stored but the result itself.

    A Feistel network permutes the numbers of as many bits as `size` needs: it cuts a number in two parts and, by turns,
    changes the one by a hash of the other, which can always be undone. A result beyond `size` goes through again until
    it is below, twice on average at the most, so range(size) is permuted too. Good enough to mix training data; not for
    secrets. Source: Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002.

    Raises ValueError for an index outside range(size).

    >>> shuffled(np.arange(10), 10, seed=0).tolist()
    [1, 6, 8, 7, 3, 5, 0, 2, 9, 4]
    """
    size = operator.index(size)
    values = np.array(indices, dtype=np.int64)
    if values.size and not 0 <= values.min() <= values.max() < size:
        raise ValueError(f"indices: 0 to {size - 1}, got {values.min()} to {values.max()}")
    bits = max(6, (size - 1).bit_length())  # fewer mix badly
    right_bits = np.uint64(bits // 2)
    left_bits = np.uint64(bits) - right_bits
    keys = np.random.SeedSequence(seed).generate_state(ROUNDS, np.uint64)
    values = values.astype(np.uint64)
    again = np.arange(values.size)
    while again.size:
        left, right = values[again] >> right_bits, values[again] & ((ONE << right_bits) - ONE)
        for one, other in keys.reshape(-1, 2):
            left = left ^ _hash(right, one, left_bits)
            right = right ^ _hash(left, other, right_bits)
        values[again] = left << right_bits | right
        again = again[values[again] >= size]
    return values.astype(np.int64)


def _hash(values: UInt[np.ndarray, "count"], key: np.uint64, bits: np.uint64) -> UInt[np.ndarray, "count"]:
    """`bits` bits that depend on every bit of `values` and `key`: the high bits of products modulo 2**64."""
    product = (values ^ key) * ODD
    return (product ^ product >> HALF) * ODD >> (np.uint64(64) - bits)


def window_at(position: int, num_windows: int, seed: int = 0) -> int:
    """Which window stands at one place of an endless shuffle.

    Place `position` lies in epoch position // num_windows, at the place
    position % num_windows. An epoch is shuffled(..., num_windows, (seed, epoch)).
    No list of the epoch is made: it may hold a billion windows.

    Two epochs of five windows, with seed 7. Place 6 is the second of the second epoch.

    >>> [shuffled(np.arange(5), 5, (7, epoch)).tolist() for epoch in (0, 1)]
    [[3, 4, 2, 1, 0], [0, 3, 1, 2, 4]]
    >>> window_at(0, 5, seed=7), window_at(6, 5, seed=7)
    (3, 3)
    """
    epoch, place = divmod(position, num_windows)
    return int(shuffled(np.array([place]), num_windows, (seed, epoch))[0])


def next_windows(
    position: int,
    count: int,
    num_windows: int,
    seed: int = 0,
) -> Int[np.ndarray, "count"]:
    """The next `count` windows of an endless shuffle, after `position` windows have
    been handed out: those at the places position, position + 1, ... as an int64 array,
    which is empty where `count` is 0.

    One integer is the whole state. Nothing is skipped, repeated or replayed to find the
    place again, and the memory taken is that of `count` windows, not of an epoch.

    Five windows and seed 7: the stream begins 3 4 2 1 0, then 0 3 1 2 4.

    >>> next_windows(3, 4, num_windows=5, seed=7)
    array([1, 0, 0, 3])
    """
    places = range(position, position + count)
    windows = [window_at(place, num_windows, seed) for place in places]
    return np.array(windows, dtype=np.int64)


def _windows_at_once(places: range, num_windows: int, seed: int) -> Int[np.ndarray, "places"]:
    """What next_windows gives, for thousands of places: one call of `shuffled` per epoch."""
    epochs, inside = np.divmod(np.arange(places.start, places.stop), num_windows)
    windows = np.empty(len(places), dtype=np.int64)
    for epoch in np.unique(epochs):
        now = epochs == epoch
        windows[now] = shuffled(inside[now], num_windows, (seed, epoch))
    return windows


def count_tokens_seen(
    starts: Int[np.ndarray, "windows"],
    context_length: int,
    num_tokens: int,
) -> int:
    """How many different tokens were a target in the windows at `starts`.

    The window at s has the targets s + 1 ... s + context_length; a token counts once,
    however often it was seen. `starts` stays as it is.

    >>> count_tokens_seen(np.array([0, 4, 6]), context_length=4, num_tokens=100)
    10
    """
    seen = np.zeros(num_tokens, dtype=bool)
    for start in map(int, starts):  # a NumPy integer might wrap
        seen[start + 1 :][:context_length] = True
    return int(seen.sum())


class BatchSampler:
    """An endless iterator of batches of starts: the same on every machine, in any number of ranks, from any place.

    The file is cut into num_windows windows of context_length targets. The last one overlaps its neighbour where the
    division leaves a rest, so every token but the first, which nothing precedes, is a target at least once an epoch.

    order="shuffled"    every window once an epoch (without replacement), each epoch in a new order
    order="sequential"  every window once an epoch, in the order of the file
    order="random"      starts drawn anywhere, independently (with replacement): no epochs, some tokens never seen

    All ranks count the windows that they handed out together, and that count is the state: a run of two ranks goes on
    as one rank of twice the batch. Epochs follow each other without a gap: the batch at the border takes from both.

    Raises ValueError for arguments out of range.

    >>> sampler = BatchSampler(1001, batch_size=4, context_length=10, seed=3)
    >>> len(sampler), next(sampler)
    (25, array([480,  80, 180, 540]))
    >>> saved = sampler.state_dict()
    >>> following = next(sampler)
    >>> sampler.load_state_dict(saved)
    >>> bool((next(sampler) == following).all())
    True
    """

    ORDERS = ("shuffled", "sequential", "random")

    def __init__(
        self,
        num_tokens: int,
        batch_size: int,
        context_length: int,
        *,
        order: str = "shuffled",
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ):
        self.order = one_of("order", order, self.ORDERS)
        self.batch_size = whole("batch_size", batch_size, least=1)
        self.context_length = whole("context_length", context_length, least=1)
        self.num_tokens = whole("num_tokens", num_tokens, least=self.context_length + 1)
        self.seed = whole("seed", seed, least=0)
        self.world_size = whole("world_size", world_size, least=1)
        self.rank = whole("rank", rank, least=0, most=self.world_size - 1)
        self.num_windows = -(-(self.num_tokens - 1) // self.context_length)
        self.position = 0  # windows handed out so far, by all ranks together
        self._ahead = 0, np.zeros(0, dtype=np.int64)  # the first place and the starts of some steps to come

    def __len__(self) -> int:
        """Batches, on each rank, until every window has been handed out."""
        return -(-self.num_windows // (self.batch_size * self.world_size))

    def __iter__(self) -> "BatchSampler":
        return self

    def __next__(self) -> Int[np.ndarray, "batch"]:
        places = shard(self.position, self.batch_size, self.rank, self.world_size)
        first, starts = self._ahead
        if not first <= places.start < places.stop <= first + len(starts):
            first, steps = self.position, 64  # many at once take hardly longer than one
            starts = self._starts(range(first, first + steps * self.batch_size * self.world_size))
            self._ahead = first, starts
        self.position += self.batch_size * self.world_size
        return starts[places.start - first : places.stop - first].copy()

    def _starts(self, places: range) -> Int[np.ndarray, "places"]:
        last_start = self.num_tokens - self.context_length - 1
        if self.order == "random":
            (key,) = np.random.SeedSequence(self.seed).generate_state(1, np.uint64)
            drawn = _hash(np.arange(places.start, places.stop, dtype=np.uint64), key, np.uint64(56))
            return (drawn % np.uint64(last_start + 1)).astype(np.int64)
        if self.order == "sequential":
            windows = np.arange(places.start, places.stop) % self.num_windows
        else:
            windows = _windows_at_once(places, self.num_windows, self.seed)
        return np.minimum(windows * self.context_length, last_start)

    def state_dict(self) -> dict[str, int | str]:
        """All that is needed to go on from here: plain integers and one word, fit for JSON."""
        return {name: getattr(self, name) for name in ("position", *self._KEPT)}

    _KEPT = ("num_tokens", "context_length", "order", "seed")

    def load_state_dict(self, state: dict[str, int | str]) -> None:
        """Go on where `state` was taken. batch_size, rank and world_size may differ; ValueError when the rest does."""
        if set(state) != {"position", *self._KEPT}:
            raise ValueError(f"state: the keys {sorted(('position', *self._KEPT))}, got {sorted(state)}")
        for name in self._KEPT:
            if state[name] != getattr(self, name):
                raise ValueError(f"state[{name!r}]: {getattr(self, name)!r}, as this sampler has, got {state[name]!r}")
        self.position = whole("state['position']", state["position"], least=0)
