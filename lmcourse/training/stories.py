"""What notebook 09 trains on and asks of its model: stories, told by a grammar, and the rules that they keep.

`load_stories` has text, tokenizer, tokens and recipe; `tell` lets a model write many stories side by side, and
`rules_kept` says which share of them keeps each rule of `lmcourse.support.tales`. `loss_by_kind` says what the model
pays for names, things, pronouns and the rest.
"""

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, UInt
from torch import nn

from lmcourse.data_loading import BatchSampler, batch_at, next_windows
from lmcourse.model import ModelConfig, TransformerLM, softmax
from lmcourse.support import corpus, device, tales
from lmcourse.training.batches import Batches
from lmcourse.training.evaluation import eval_mode
from lmcourse.training.recipe import Recipe, Tokenizer, default_recipe, make_tokenizer, split_tokens

KINDS = {"name": [*tales.SHE, *tales.HE], "thing": list(tales.THINGS), "place": tales.PLACES,
         "pronoun": ["he", "she", "him", "her", "his", "He", "She", "His", "Her"]}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Stories:
    """The text, its tokenizer, the ids to learn from and those to be examined on, and the recipe for this machine."""

    text: str
    tokenizer: Tokenizer
    learn: UInt[np.ndarray, "most"]
    valid: UInt[np.ndarray, "rest"]
    recipe: Recipe
    machine: torch.device

    def batches(self, batch_size: int, context_length: int, **options: Any) -> Batches:
        """Batches of windows that lie side by side."""
        return Batches(self.learn, BatchSampler(len(self.learn), batch_size, context_length), **options)

    def story_batches(self) -> Batches:
        """The recipe's batches: each window begins where a story begins."""
        return Batches(self.learn, StorySampler(self.learn, self.tokenizer, self.recipe), device=self.machine)

    def batch(self, *starts: int, context_length: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
        """x and y of the windows that begin at `starts`."""
        return batch_at(self.learn, np.array(starts), context_length)

    def small_model(self, seed: int = 0) -> TransformerLM:
        """A model that takes a second where the recipe's takes a minute: two layers of 32 numbers, 32 tokens."""
        torch.manual_seed(seed)
        return TransformerLM(ModelConfig(self.tokenizer.vocab_size, 32, d_model=32, num_layers=2, num_heads=2, d_ff=88))


def story_starts(tokens: UInt[np.ndarray, "length"], tokenizer: Tokenizer) -> Int[np.ndarray, "stories"]:
    """Where the stories begin: the last token before each empty line, so that a model sees where it is.

    >>> data = load_stories()
    >>> start = story_starts(data.learn, data.tokenizer)[0]
    >>> data.tokenizer.decode(data.learn[start : start + 4].tolist())
    '.\\n\\nFar'
    """
    (new_line,) = tokenizer.encode("\n")
    empty = (tokens[1:-1] == new_line) & (tokens[2:] == new_line)
    return np.flatnonzero(empty)


class StorySampler(BatchSampler):
    """A `BatchSampler` whose windows begin at stories: every story once an epoch, each epoch in a new order."""

    def __init__(self, tokens: UInt[np.ndarray, "length"], tokenizer: Tokenizer, recipe: Recipe):
        super().__init__(len(tokens), recipe.batch_size, recipe.context_length, seed=recipe.seed)
        starts = story_starts(tokens, tokenizer)
        self.stories = starts[starts < len(tokens) - recipe.context_length]
        self.num_windows = len(self.stories)

    def _starts(self, places: range) -> Int[np.ndarray, "places"]:
        return self.stories[next_windows(places.start, len(places), self.num_windows, self.seed)]


def story_recipe(machine: str | torch.device = "cpu") -> Recipe:
    """The run of notebook 09. Each word of the stories is a token, and every story fits the context.

    Norms on queries and keys, and blocks that begin as the identity, are what makes so short a run learn names.

    >>> story_recipe("cpu").context_length
    96
    """
    own = {"vocab_size": 1400, "tie_embeddings": True, "qk_norm": True, "zero_init": True}
    if torch.device(machine).type != "cuda":
        own |= {"context_length": 96, "batch_size": 10, "lr": 0.02, "steps": 900}
    return replace(default_recipe(machine), **own)


@functools.cache
def load_stories() -> Stories:
    """Stories, tokenizer and recipe for this machine, made once: it takes some seconds.

    >>> data = load_stories()
    >>> data.tokenizer.decode(data.tokenizer.encode("Once there was a shy fox."))
    'Once there was a shy fox.'
    """
    machine, text = device.pick(), corpus.load("tales")
    recipe = story_recipe(machine)
    tokenizer = make_tokenizer(recipe, text)
    learn, valid = split_tokens(np.array(tokenizer.encode(text), dtype=np.uint16))
    return Stories(text, tokenizer, learn, valid, recipe, machine)


@torch.no_grad()
def tell(
    model: TransformerLM, tokenizer: Tokenizer, count: int = 32, *, temperature: float = 0.7, seed: int = 0
) -> list[str]:
    """`count` stories, written side by side, each from an empty line to the next or to the end of the context.

    PyTorch's global generator stays as it is.

    >>> data = load_stories()
    >>> len(tell(data.small_model(), data.tokenizer, count=2))
    2
    """
    dice = torch.Generator().manual_seed(seed)
    home, begin = next(model.parameters()).device, tokenizer.encode(".\n\n")
    cache, new, written = model.new_cache(), torch.tensor([begin] * count, device=home), []
    done = torch.zeros(count, dtype=torch.bool)
    with eval_mode(model):
        while cache.length + new.shape[1] <= model.config.context_length and not done.all():
            shares = softmax(model(new, cache)[:, -1].float().cpu() / temperature)
            written.append(torch.multinomial(shares, 1, generator=dice))
            done |= written[-1][:, 0] == begin[-1]
            new = written[-1].to(home)
    rows = torch.cat(written, dim=1).tolist()
    return [tokenizer.decode(row).split("\n")[0].strip() for row in rows]


def choose_threads(products: int = 30) -> int:
    """Time some products on one thread and on all, let PyTorch go on with the faster number, and return it.

    On a machine that is busy with something else, threads that wait for each other can be many times slower than one.

    >>> choose_threads() == torch.get_num_threads()
    True
    """
    a, b, seconds = torch.randn(960, 96), torch.randn(96, 1218), {}
    for threads in sorted({1, torch.get_num_threads()}):
        torch.set_num_threads(threads)
        began = time.perf_counter()
        for _ in range(products):
            a @ b
        seconds[threads] = time.perf_counter() - began
    torch.set_num_threads(min(seconds, key=seconds.__getitem__))
    return torch.get_num_threads()


class Teller:
    """Lets a model tell stories while it trains: all of them are in `told`, a list for each time it was asked.

    >>> data = load_stories()
    >>> teller = Teller(data.small_model(), data.tokenizer, count=2)
    >>> isinstance(teller.story(), str), len(teller.told[0])
    (True, 2)
    """

    def __init__(self, model: TransformerLM, tokenizer: Tokenizer, count: int = 32):
        self.model, self.tokenizer, self.count = model, tokenizer, count
        self.told: list[list[str]] = []

    def story(self) -> str:
        """Let the model tell; the first of its stories."""
        self.told.append(tell(self.model, self.tokenizer, self.count))
        return self.told[-1][0]

    def rules(self) -> dict[str, float]:
        """The share of the stories told last that keeps each rule."""
        return rules_kept(self.told[-1])


def rules_kept(stories: Sequence[str]) -> dict[str, float]:
    """For each rule of the grammar the share of the stories that keep it, each story judged as a whole.

    A sentence without form says nothing of pronoun, thing, place and name. So these count only in well-formed stories.

    >>> kept = rules_kept(["Once there was a shy girl named Mia.", "Once the there"])
    >>> kept["spelled"], kept["formed"], kept["name"]
    (1.0, 0.5, 0.5)
    """
    judged = [tales.rules(story) for story in stories]
    for kept in judged:
        kept |= {rule: kept[rule] and kept["formed"] for rule in ("pronoun", "thing", "place", "name")}
    return {rule: sum(kept[rule] for kept in judged) / len(judged) for rule in tales.RULES}


@torch.no_grad()
def loss_by_kind(
    model: nn.Module, tokenizer: Tokenizer, tokens: UInt[np.ndarray, "length"], windows: int = 64
) -> dict[str, tuple[float, float]]:
    """For each kind of word the model's mean loss, in nats a token, and its share of all the nats.

    The kinds are name, thing, place, pronoun, other, and all.
    """
    context, home = model.config.context_length, next(model.parameters()).device
    starts = story_starts(tokens[: -context - 1], tokenizer)[:windows]
    x, y = batch_at(tokens, starts, context, home)
    with eval_mode(model):
        losses = nn.functional.cross_entropy(model(x).float().flatten(0, 1), y.flatten(), reduction="none").cpu()
    kind_of = {word: kind for kind, words in KINDS.items() for word in words}
    words = {token: tokenizer.decode([token]).strip() for token in set(y.flatten().tolist())}
    kinds = [kind_of.get(words[token], "other") for token in y.flatten().tolist()]
    found = {"all": (losses.mean().item(), 1.0)}
    for kind in (*KINDS, "other"):
        own = losses[[k == kind for k in kinds]]
        found[kind] = own.mean().item(), (own.sum() / losses.sum()).item()
    return found
