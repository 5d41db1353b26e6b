"""Let a model write: from logits to a token, and from a prompt to a text.

`generate` asks the model for the next token, again and again, and keeps the keys and values of the past in a cache, so
that each new token costs one position and not the whole text. How a token is drawn is up to temperature, top-k and
top-p; temperature 0 takes the most probable one.

Not here: beam search, penalties for repetition, several prompts at once, speculative decoding.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lmcourse.model import softmax
from lmcourse.support import checks
from lmcourse.training.evaluation import eval_mode


def top_k_only(logits: Float[Tensor, "vocab"], top_k: int) -> Float[Tensor, "vocab"]:
    """The `top_k` largest logits; the others become −∞, which softmax turns into 0. Of equal ones the first stay.

    >>> top_k_only(torch.tensor([1.0, 3.0, 2.0]), 2)
    tensor([-inf, 3., 2.])
    """
    order = logits.argsort(descending=True, stable=True)
    return logits.index_fill(0, order[top_k:], -math.inf)


def sample_top_p(
    logits: Float[Tensor, "vocab"],
    top_p: float,
    *,
    generator: torch.Generator | None = None,
) -> int:
    """Draw a token from the smallest set of most probable tokens whose probabilities
    reach `top_p` (the nucleus of arXiv 1904.09751).

    Args:
        logits: of one position, on the CPU.
        top_p: more than 0 and at most 1; 1 draws from all.
        generator: where the chance comes from; None is PyTorch's global generator.

    Raises ValueError for `top_p` out of range.

    >>> sample_top_p(torch.tensor([0.0, 5.0, 1.0]), 0.5)  # the second has over half
    1
    """
    if not 0 < top_p <= 1:
        raise ValueError(f"top_p: more than 0 and at most 1, got {top_p!r}")
    probabilities, order = softmax(logits.double()).sort(descending=True, stable=True)
    before = probabilities.cumsum(0) - probabilities  # what the more probable ones have together: 0 for the first
    probabilities[before >= top_p] = 0
    return int(order[torch.multinomial(probabilities, 1, generator=generator)])


def next_token(
    logits: Float[Tensor, "vocab"],
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
) -> int:
    """Choose a token: divide by the temperature, keep the top k, of them the top p, and draw. Temperature 0: the top 1.

    >>> next_token(torch.tensor([0.0, 5.0, 1.0]), temperature=0)
    1
    """
    if temperature == 0:
        return int(logits.argmax())
    # The largest is 0, so a small temperature cannot overflow; in 64 bits none that is above 0 becomes 0.
    logits = (logits.double() - logits.double().max()) / temperature
    if top_k is not None:
        logits = top_k_only(logits, top_k)
    return sample_top_p(logits, 1.0 if top_p is None else top_p, generator=generator)


def generate(model: nn.Module, ids: Iterable[int], max_new_tokens: int, **how: Any) -> list[int]:
    """The prompt `ids`, one token or more, and up to `max_new_tokens` more that a `TransformerLM` writes.

    Of a long prompt the model sees the last context_length tokens. Past the context length it goes on with the last
    half of its window, and so on. It is in eval mode meanwhile. `how`: temperature, top_k, top_p, seed, stop, as for
    `stream`.

    Raises ValueError or TypeError for an argument out of range.

    >>> from lmcourse.model import ModelConfig, TransformerLM
    >>> model = TransformerLM(ModelConfig(10, context_length=8, d_model=16, num_layers=1, num_heads=2, d_ff=32))
    >>> len(generate(model, [1, 2, 3], 20, seed=0))
    23
    """
    ids = list(ids)
    return [*map(int, ids), *stream(model, ids, max_new_tokens, **how)]


def stream(
    model: nn.Module,
    ids: Iterable[int],
    max_new_tokens: int,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
    stop: int | None = None,
) -> Iterator[int]:
    """The new tokens of `generate`, each as soon as it is there; `stop` is the token after which to stop.

    temperature, top_k and top_p are `next_token`'s. The same seed draws the same text, and leaves the global generator
    alone; None draws from that.

    >>> from lmcourse.model import ModelConfig, TransformerLM
    >>> model = TransformerLM(ModelConfig(10, context_length=8, d_model=16, num_layers=1, num_heads=2, d_ff=32))
    >>> list(stream(model, [1, 2, 3], 20, seed=0)) == generate(model, [1, 2, 3], 20, seed=0)[3:]
    True
    """
    ids, vocab_size = list(checks.integers("ids", ids)), model.config.vocab_size
    if not ids:
        raise ValueError("ids: at least one token, got none; a model continues a text, it does not begin one")
    if not 0 <= min(ids) <= max(ids) < vocab_size:
        raise ValueError(f"ids: 0 to {vocab_size - 1}, the model's vocabulary, got {min(ids)} to {max(ids)}")
    checks.whole("max_new_tokens", max_new_tokens, 0)
    checks.number("temperature", temperature, 0)
    if top_k is not None:
        checks.whole("top_k", top_k, 1)
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p: more than 0 and at most 1, or None, got {top_p!r}")
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    how = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "generator": generator}
    return _stream(model, ids, max_new_tokens, stop, **how)


def _stream(model: nn.Module, ids: list[int], count: int, stop: int | None, **how: Any) -> Iterator[int]:
    context, device = model.config.context_length, next(model.parameters()).device
    cache, new = model.new_cache(), ids[-context:]
    for _ in range(count):
        if cache.length + len(new) > context:
            cache, new = model.new_cache(), ids[-max(1, context // 2) :]
        with eval_mode(model), torch.no_grad():
            logits = model(torch.tensor([new], device=device), cache)[0, -1].float().cpu()
        ids.append(next_token(logits, **how))
        new = ids[-1:]
        yield ids[-1]
        if ids[-1] == stop:
            return


def stream_text(tokenizer: Any, ids: Iterable[int], new: Iterable[int]) -> Iterator[str]:
    """The text of the tokens `new`, which follow `ids`, piece by piece, each as soon as its characters are whole.

    A token may end inside a character: then its bytes wait for the next one, or for the end.
    Any tokenizer with `decode` will do, also one that writes a space only between two tokens.

    >>> from lmcourse.tokenization import BPETokenizer
    >>> tokenizer = BPETokenizer({i: bytes([i]) for i in range(256)}, [])
    >>> list(stream_text(tokenizer, [65], "né".encode()))
    ['n', 'é']
    """
    known, waiting = list(ids), []
    before = tokenizer.decode(known)
    for token in new:
        waiting.append(token)
        text = tokenizer.decode(known + waiting)
        if text.endswith("\N{REPLACEMENT CHARACTER}"):
            continue
        if piece := text[len(before) :]:
            yield piece
        known, waiting = waiting, []  # enough to know how the next piece begins
        before = tokenizer.decode(known)
    if piece := tokenizer.decode(known + waiting)[len(before) :]:
        yield piece
