"""What a training run is made of, in one place, and what is made from it.

A `Recipe` names tokenizer, sizes, rates and steps; `default_recipe` has one that trains a small model on the corpus in
about half a minute. `make_tokenizer`, `make_model`, `make_optimizer` and `train_settings` turn it into what
`lmcourse.training.train` takes. `python -m lmcourse.training` does the same from a shell.

Not here: downloads of models or of data sets; settings files.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt
from torch import nn

from lmcourse import fast
from lmcourse.model import ModelConfig, Parts, TransformerLM, cross_entropy
from lmcourse.optimizers import AdamW, Muon, cosine_lr
from lmcourse.support import checks
from lmcourse.tokenization import BPETokenizer, train_bpe
from lmcourse.training.checkpoints import checkpoint_state, load_checkpoint
from lmcourse.training.evaluation import PRECISIONS
from lmcourse.training.trainer import Settings


@dataclass(frozen=True)
class Recipe:
    """The settings of a run. Raises `ValueError` for one that no run can have.

    >>> Recipe(d_model=64, num_heads=4).lr
    0.01
    >>> Recipe(optimizer="adam")
    Traceback (most recent call last):
        ...
    ValueError: optimizer: adamw or muon, got 'adam'
    """

    tokenizer: str = "bpe"  # "bpe", or "characters": those of the corpus
    vocab_size: int = 1024  # for "bpe"
    context_length: int = 128
    d_model: int = 96  # with so little text and time, few layers and more steps learn more than many layers
    num_layers: int = 2
    num_heads: int = 3
    d_ff: int = 256
    tie_embeddings: bool = False  # the head is the table of the embedding
    qk_norm: bool = False  # every query and key through RMSNorm
    zero_init: bool = False  # every block begins as the identity
    batch_size: int = 8  # windows an update, over all micro-batches and processes
    accumulate: int = 1
    steps: int = 440
    optimizer: str = "muon"  # for the matrices inside the blocks, and AdamW for the rest; or "adamw" for all
    lr: float = 1e-2  # the highest; after a warm-up it falls along a cosine to a tenth
    warmup_steps: int = 40
    weight_decay: float = 0.1  # of matrices
    max_norm: float = 1.0
    precision: str = "float32"
    compile: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        words = {"tokenizer": ("bpe", "characters"), "optimizer": ("adamw", "muon"), "precision": PRECISIONS}
        for name, allowed in words.items():
            checks.one_of(name, getattr(self, name), allowed)
        for name in ("batch_size", "accumulate", "steps"):
            checks.whole(name, getattr(self, name), 1)
        for name in ("lr", "weight_decay"):
            checks.number(name, getattr(self, name), 0)
        if self.batch_size % self.accumulate:
            raise ValueError(f"accumulate: a divisor of batch_size = {self.batch_size}, got {self.accumulate}")
        if not 0 <= self.warmup_steps <= self.steps:
            raise ValueError(f"warmup_steps: from 0 to steps = {self.steps}, got {self.warmup_steps}")


def default_recipe(device: str | torch.device = "cpu") -> Recipe:
    """A run that ends in less than a minute: on two CPU cores, or, of a larger model, on a GPU.

    >>> default_recipe("cpu").vocab_size
    1024
    """
    if torch.device(device).type != "cuda":
        return Recipe()
    # One and a half times through the corpus: a larger model, for longer, learns it by heart.
    large = {"context_length": 256, "d_model": 256, "num_layers": 4, "num_heads": 4, "d_ff": 704}
    return Recipe(**large, batch_size=16, steps=300, precision="bfloat16")


# --- what a recipe makes -------------------------------------------------------------------------------------------


class AlphabetTokenizer:
    """One id for each different character of a text, in the order of their code points.

    >>> tokenizer = AlphabetTokenizer("hello")
    >>> tokenizer.encode("hole"), tokenizer.decode([1, 0])
    ([1, 3, 2, 0], 'he')
    """

    def __init__(self, text: Iterable[str]):
        self.alphabet = "".join(sorted(set(text)))
        self.vocab_size = len(self.alphabet)
        self._ids = {character: i for i, character in enumerate(self.alphabet)}

    def encode(self, text: str) -> list[int]:
        """The ids of a text; ValueError for a character that is not in the alphabet."""
        try:
            return [self._ids[character] for character in text]
        except KeyError as error:
            raise ValueError(f"text: has {error.args[0]!r}, which is not in the alphabet") from None

    def decode(self, ids: Iterable[int]) -> str:
        """The text of some ids; ValueError for one that is none of the alphabet's."""
        ids = checks.integers("ids", ids)
        if ids and not 0 <= min(ids) <= max(ids) < self.vocab_size:
            raise ValueError(f"ids: 0 to {self.vocab_size - 1}, the alphabet's, got {min(ids)} to {max(ids)}")
        return "".join(self.alphabet[i] for i in ids)


Tokenizer = BPETokenizer | AlphabetTokenizer


def make_tokenizer(recipe: Recipe, text: str) -> Tokenizer:
    """A tokenizer learnt from `text`: byte-pair encoding, or its alphabet.

    >>> make_tokenizer(Recipe(tokenizer="characters"), "hello").vocab_size
    4
    """
    if recipe.tokenizer == "characters":
        return AlphabetTokenizer(text)
    return BPETokenizer(*train_bpe(text, recipe.vocab_size))


def make_model(recipe: Recipe, vocab_size: int, parts: Parts | None = None) -> TransformerLM:
    """A new model of the recipe's sizes, its weights drawn from the recipe's seed; `parts` are what it computes with.

    Without them it is the faster ones of `lmcourse.fast`, or, where it is to be compiled, the plain ones.

    >>> sum(p.numel() for p in make_model(Recipe(), vocab_size=1024).parameters()) < 3e6
    True
    """
    sizes = {field.name: getattr(recipe, field.name) for field in fields(ModelConfig) if hasattr(recipe, field.name)}
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        return TransformerLM(
            ModelConfig(**(sizes | {"vocab_size": vocab_size})),
            fused_attention=True,
            parts=parts or (Parts() if recipe.compile else fast.FAST),
        )


def make_optimizer(recipe: Recipe, model: nn.Module) -> list[torch.optim.Optimizer]:
    """AdamW for all parameters, or Muon for the matrices inside the blocks and AdamW for the rest.

    >>> [type(each).__name__ for each in make_optimizer(Recipe(optimizer="muon"), make_model(Recipe(), 300))]
    ['Muon', 'AdamW']
    """
    named = list(model.named_parameters())
    hidden = [p for name, p in named if p.dim() == 2 and name.startswith("layers.")]
    outer = [p for name, p in named if p.dim() == 2 and not name.startswith("layers.")]
    vectors = {"params": [p for _, p in named if p.dim() != 2], "weight_decay": 0.0}
    options = {"lr": recipe.lr, "weight_decay": recipe.weight_decay}
    if recipe.optimizer == "adamw":
        return [AdamW([{"params": hidden + outer}, vectors], betas=(0.9, 0.95), **options)]
    muon = Muon(hidden, adjust_lr_fn="match_rms_adamw", **options)
    return [muon, AdamW([{"params": outer}, vectors], betas=(0.9, 0.95), **options)]


def make_schedule(recipe: Recipe) -> Callable[[int], float]:
    """The learning rate of update 1, 2, ...: a warm-up, then a cosine down to a tenth.

    >>> schedule = make_schedule(Recipe(steps=100, warmup_steps=10, lr=1.0))
    >>> schedule(1), schedule(10), round(schedule(100), 6)
    (0.1, 1.0, 0.1)
    """
    rates = {"max_lr": recipe.lr, "min_lr": recipe.lr / 10}
    return partial(cosine_lr, **rates, warmup_steps=recipe.warmup_steps, total_steps=recipe.steps)


def train_settings(recipe: Recipe) -> dict[str, Any]:
    """What of a recipe is said to `train`: the number of steps, the schedule, and all that the two know by one name.

    >>> train_settings(Recipe(steps=100, precision="bfloat16"))["precision"]
    'bfloat16'
    """
    names = {field.name for field in fields(Recipe)} & {field.name for field in fields(Settings)}
    loss_fn = cross_entropy if recipe.compile else fast.cross_entropy
    return {name: getattr(recipe, name) for name in sorted(names)} | {
        "schedule": make_schedule(recipe), "loss_fn": loss_fn,
    }  # fmt: skip


def split_tokens(tokens: UInt[np.ndarray, "length"]) -> tuple[UInt[np.ndarray, "most"], UInt[np.ndarray, "rest"]]:
    """The first 95 % to learn from, the rest to be examined on.

    >>> [len(part) for part in split_tokens(np.arange(100))]
    [95, 5]
    """
    at = len(tokens) * 95 // 100
    return tokens[:at], tokens[at:]


def load_model(path: str | os.PathLike) -> tuple[TransformerLM, Tokenizer, Recipe]:
    """The model of a checkpoint that `python -m lmcourse.training` wrote, ready to write, its tokenizer and recipe.

    Raises ValueError for another file, FileNotFoundError where there is none.

    >>> load_model("nowhere.pt")
    Traceback (most recent call last):
    FileNotFoundError: ...
    """
    recipe, tokenizer = stored_recipe(path)[:2]
    model = make_model(recipe, tokenizer.vocab_size)
    load_checkpoint(path, model)
    return model.eval(), tokenizer, recipe


# --- what a checkpoint keeps of it ---------------------------------------------------------------------------------


def recipe_to_store(recipe: Recipe, tokenizer: Tokenizer, **more: Any) -> dict[str, Any]:
    """What a checkpoint keeps, under "extra", so that `stored_recipe` can make recipe and tokenizer again."""
    return {"recipe": asdict(recipe), "tokenizer": tokenizer_to_store(tokenizer), **more}


def stored_recipe(path: str | os.PathLike) -> tuple[Recipe, Tokenizer, dict[str, Any]]:
    """Recipe and tokenizer of a checkpoint that `python -m lmcourse.training` wrote, and all that it keeps of its run.

    Raises ValueError for another file, FileNotFoundError where there is none.
    """
    extra = checkpoint_state(path).get("extra", {})
    if not {"recipe", "tokenizer", "corpus", "tokens"} <= extra.keys():
        raise ValueError(f"path: {path} does not keep its recipe; load_checkpoint reads it into a model that you make")
    try:
        return Recipe(**extra["recipe"]), stored_tokenizer(extra["tokenizer"]), extra
    except (TypeError, ValueError, KeyError) as error:
        raise ValueError(f"path: {path} keeps a recipe that this version cannot follow ({error})") from None


def tokenizer_to_store(tokenizer: Tokenizer) -> dict[str, Any]:
    """What a checkpoint keeps of a tokenizer: `stored_tokenizer` makes it again."""
    if isinstance(tokenizer, AlphabetTokenizer):
        return {"alphabet": tokenizer.alphabet}
    return {"merges": [[part.decode("latin-1") for part in pair] for pair in tokenizer.merges]}


def stored_tokenizer(stored: dict[str, Any]) -> Tokenizer:
    """The tokenizer that `tokenizer_to_store` described."""
    if "alphabet" in stored:
        return AlphabetTokenizer(stored["alphabet"])
    merges = [tuple(part.encode("latin-1") for part in pair) for pair in stored["merges"]]
    vocab = dict(enumerate([*(bytes([i]) for i in range(256)), *(left + right for left, right in merges)]))
    return BPETokenizer(vocab, merges)
