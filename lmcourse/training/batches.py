"""Batches without end, in an order that can be left and found again."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from lmcourse import data_loading
from lmcourse.data_loading import BatchSampler, batch_at
from lmcourse.support import checks


class Batches:
    """Pairs (x, y) from tokens, without end, in the order of a sampler; remembers its place, ahead of time too.

    The tokens are mapped (`open_tokens`) or in memory; x and y are put on `device`. One thread makes `prefetch` batches
    ahead; 0 makes each when it is asked for.

    >>> batches = Batches(np.arange(101), BatchSampler(101, 2, context_length=10, order="sequential"))
    >>> x, y = next(batches)
    >>> x[:, 0], batches.starts
    (tensor([ 0, 10]), (0, 10))
    >>> place = batches.state_dict()
    >>> following = next(batches)[0]
    >>> batches.load_state_dict(place)
    >>> bool((next(batches)[0] == following).all())
    True
    """

    def __init__(
        self,
        tokens: Shaped[np.ndarray, "length"],
        sampler: BatchSampler,
        *,
        device: str | torch.device = "cpu",
        prefetch: int = 0,
    ):
        if sampler.num_tokens != len(tokens):
            raise ValueError(f"sampler: made for {sampler.num_tokens} tokens, got {len(tokens)} tokens")
        prefetch = checks.whole("prefetch", prefetch, least=0)
        self.tokens, self.sampler, self.device, self.prefetch = tokens, sampler, device, prefetch
        self.starts: tuple[int, ...] = ()  # of the last batch
        self._state, self._made = sampler.state_dict(), None

    def __iter__(self) -> "Batches":
        return self

    def __next__(self) -> tuple[Int[Tensor, "batch context"], Int[Tensor, "batch context"]]:
        if self._made is None:
            made = self._make()
            self._made = data_loading.prefetch(made, self.prefetch) if self.prefetch else made
        batch, self.starts, self._state = next(self._made)
        return batch

    def _make(self) -> Iterator[tuple]:
        for starts in self.sampler:
            batch = batch_at(self.tokens, starts, self.sampler.context_length, self.device)
            yield batch, tuple(starts.tolist()), self.sampler.state_dict()  # the place travels with the batch

    def state_dict(self) -> dict[str, Any]:
        """The place after the last batch that was handed out, whatever was made ahead."""
        return self._state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a place; ValueError when it is one of other tokens."""
        if self._made is not None:
            self._made.close()  # waits for the thread, which uses the sampler
        self._made = None
        self.sampler.load_state_dict(state)
        self._state = self.sampler.state_dict()
