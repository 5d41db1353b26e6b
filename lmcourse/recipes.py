"""All settings of a training run in one place, and what is made from them; and the same from a shell.

A `Recipe` names tokenizer, sizes, rates and steps; `default_recipe` has one that trains a small model on the corpus in
about half a minute. `make_tokenizer`, `make_model`, `make_optimizer` and `make_schedule` turn it into objects for
`lmcourse.training.train`. `main` is what `python -m lmcourse.training` and `torchrun -m lmcourse.training` run.

Not here: downloads of models or of data sets; settings files.
"""

import argparse
import contextlib
import hashlib
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed
from jaxtyping import UInt
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from lmcourse import corpus, hardware
from lmcourse.checkpoints import checkpoint_state, load_checkpoint
from lmcourse.data_loading import BatchSampler, token_dtype
from lmcourse.device import describe, pick
from lmcourse.model import ModelConfig, TransformerLM
from lmcourse.optimizers import AdamW, Muon, cosine_lr
from lmcourse.sampling import generate
from lmcourse.tokenization import BPETokenizer, train_bpe
from lmcourse.training import PRECISIONS, Batches, Control, LossDiverged, bits_per_byte, evaluate, train


@dataclass(frozen=True)
class Recipe:
    """The settings of a run. Raises `ValueError` for one that no run can have.

    >>> Recipe(d_model=64, num_heads=4).lr
    0.01
    >>> Recipe(optimizer="adam")
    Traceback (most recent call last):
        ...
    ValueError: optimizer: 'adamw' or 'muon', got 'adam'
    """

    tokenizer: str = "bpe"  # "bpe", or "characters": those of the corpus
    vocab_size: int = 1024  # for "bpe"
    context_length: int = 128
    d_model: int = 96  # with so little text and time, few layers and more steps learn more than many layers
    num_layers: int = 2
    num_heads: int = 3
    d_ff: int = 256
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
        words = {"tokenizer": ("bpe", "characters"), "optimizer": ("adamw", "muon"), "precision": tuple(PRECISIONS)}
        for name, allowed in words.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name}: {' or '.join(map(repr, allowed))}, got {getattr(self, name)!r}")
        for name in ("batch_size", "accumulate", "steps"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"{name}: 1 or more, got {getattr(self, name)}")
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
        """The text of some ids."""
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


def make_model(recipe: Recipe, vocab_size: int) -> TransformerLM:
    """A new model of the recipe's sizes, its weights drawn from the recipe's seed.

    >>> sum(p.numel() for p in make_model(Recipe(), vocab_size=1024).parameters()) < 3e6
    True
    """
    sizes = {field.name: getattr(recipe, field.name) for field in fields(ModelConfig) if hasattr(recipe, field.name)}
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        return TransformerLM(ModelConfig(**(sizes | {"vocab_size": vocab_size})), fused_attention=True)


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

    >>> load_model("nowhere.safetensors")
    Traceback (most recent call last):
    FileNotFoundError: ...
    """
    extra = checkpoint_state(path).get("extra", {})
    if not {"recipe", "tokenizer"} <= extra.keys():
        raise ValueError(f"path: {path} does not keep its recipe; load_checkpoint reads it into a model that you make")
    recipe, tokenizer = Recipe(**extra["recipe"]), _stored_tokenizer(extra["tokenizer"])
    model = make_model(recipe, tokenizer.vocab_size)
    load_checkpoint(path, model)
    return model.eval(), tokenizer, recipe


def _tokenizer_to_store(tokenizer: Tokenizer) -> dict[str, Any]:
    if isinstance(tokenizer, AlphabetTokenizer):
        return {"alphabet": tokenizer.alphabet}
    return {"merges": [[part.decode("latin-1") for part in pair] for pair in tokenizer.merges]}


def _stored_tokenizer(stored: dict[str, Any]) -> Tokenizer:
    if "alphabet" in stored:
        return AlphabetTokenizer(stored["alphabet"])
    merges = [tuple(part.encode("latin-1") for part in pair) for pair in stored["merges"]]
    vocab = dict(enumerate([*(bytes([i]) for i in range(256)), *(left + right for left, right in merges)]))
    return BPETokenizer(vocab, merges)


# --- from a shell --------------------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """`python -m lmcourse.training`: see `--help`. Returns the exit status: 0, 1 for an error, 130 when interrupted."""
    options = _parse(arguments)
    try:
        device = torch.device(options.device) if options.device else pick()
        with _processes(device) as (rank, world):
            return _run(options, device, rank, world)
    except (ValueError, OSError, LossDiverged) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m lmcourse.training",
        description="Train a language model on a text and let it write.",
        epilog="Under `torchrun --nproc-per-node 2 -m lmcourse.training` the processes share every batch.",
    )
    parser.add_argument("--corpus", help="python-docs (the default), tinyshakespeare, or the path of a text file")
    parser.add_argument("--checkpoint", type=Path, help="file to write while training, at the end and when interrupted")
    parser.add_argument("--checkpoint-every", type=int, metavar="STEPS", help="default: a tenth of the steps")
    parser.add_argument("--resume", action="store_true", help="go on from --checkpoint, with the settings kept there")
    parser.add_argument("--evaluate-every", type=int, metavar="STEPS", help="default: a quarter of the steps")
    parser.add_argument("--sample-every", type=int, metavar="STEPS", help="default: a quarter of the steps")
    parser.add_argument("--prompt", help="what the samples begin with; default: 'The', or the corpus' first letter")
    parser.add_argument("--sample-tokens", type=int, default=120, metavar="N", help="length of a sample")
    parser.add_argument("--device", help="cpu, cuda or mps; default: cuda where there is one")
    recipe = parser.add_argument_group("the recipe", "defaults: those of the CPU; a GPU has larger ones")
    for field in fields(Recipe):
        name, default = "--" + field.name.replace("_", "-"), field.default
        if isinstance(default, bool):
            recipe.add_argument(name, action=argparse.BooleanOptionalAction, help=f"default: {default}")
        else:
            recipe.add_argument(name, type=type(default), metavar=name[2:].upper(), help=f"default: {default}")
    return parser.parse_args(arguments)


@contextlib.contextmanager
def _processes(device: torch.device) -> Iterator[tuple[int, int]]:
    """Rank and number of the processes; `torchrun` says so in the environment."""
    if "WORLD_SIZE" not in os.environ:
        yield 0, 1
        return
    torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield torch.distributed.get_rank(), torch.distributed.get_world_size()
    finally:
        torch.distributed.destroy_process_group()


def _run(options: argparse.Namespace, device: torch.device, rank: int, world: int) -> int:
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(device)
        torch.set_float32_matmul_precision("high")
    say = print if rank == 0 else lambda *_, **__: None
    say(f"{describe(device)}" + (f", {world} processes" if world > 1 else ""))

    kept = _kept(options)
    given = {f.name: value for f in fields(Recipe) if (value := getattr(options, f.name)) is not None}
    recipe = replace(Recipe(**kept["recipe"]) if kept else default_recipe(device), **given)
    name = options.corpus or (kept["corpus"] if kept else "python-docs")
    text = corpus.load(name)
    tokenizer = _stored_tokenizer(kept["tokenizer"]) if kept else make_tokenizer(recipe, text)
    tokens = np.array(tokenizer.encode(text), dtype=token_dtype(tokenizer.vocab_size))
    digest = hashlib.sha256(tokens.tobytes()).hexdigest()
    if kept and kept["tokens"] != digest:
        raise ValueError(f"corpus: {name} is not the text that {options.checkpoint} was trained on")
    learn, valid = split_tokens(tokens)
    if recipe.batch_size % (recipe.accumulate * world):
        raise ValueError(
            f"batch_size: a multiple of accumulate · processes = {recipe.accumulate * world}, got {recipe.batch_size}"
        )
    local = recipe.batch_size // (recipe.accumulate * world)
    sampler = BatchSampler(len(learn), local, recipe.context_length, seed=recipe.seed, rank=rank, world_size=world)
    model = make_model(recipe, tokenizer.vocab_size).to(device)
    optimizer = make_optimizer(recipe, model)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    say(f"{len(learn):,} tokens to learn from, {len(valid):,} to be examined on; {parameters / 1e6:.2f}M parameters")
    peak = hardware.peak_flop_per_s(device, recipe.precision)
    if peak is None and world == 1 and device.type == "cpu":
        peak = hardware.measure_peak(device, recipe.precision).flop_per_s

    prompt = options.prompt or ("The" if recipe.tokenizer == "bpe" else text[:1])
    start = tokenizer.encode(prompt)

    def write() -> str:
        ids = generate(model, start, options.sample_tokens, temperature=0.8, top_p=0.95, seed=recipe.seed)
        return tokenizer.decode(ids)

    kept = {"recipe": asdict(recipe), "corpus": name, "tokens": digest, "tokenizer": _tokenizer_to_store(tokenizer)}
    quarter = -(-recipe.steps // 4)
    control = Control()
    records = train(
        DistributedDataParallel(model) if world > 1 else model,
        optimizer,
        Batches(learn, sampler, device=device, prefetch=2),
        steps=recipe.steps,
        schedule=make_schedule(recipe),
        accumulate=recipe.accumulate,
        max_norm=recipe.max_norm,
        precision=recipe.precision,
        compile=recipe.compile,
        evaluation=lambda model: evaluate(model, valid, precision=recipe.precision),
        evaluate_every=options.evaluate_every or quarter,
        checkpoint=options.checkpoint,
        checkpoint_every=None if options.checkpoint is None else options.checkpoint_every or -(-recipe.steps // 10),
        resume_from=options.checkpoint if options.resume else None,
        extra=kept,
        control=control,
        peak_flop_per_s=peak,
    )
    with _stopping(control):
        last = None
        for last in records:
            if last.step % max(1, recipe.steps // 20) == 0 or last.val_loss is not None or last.step == 1:
                say(_line(last, recipe.steps, tokenizer, valid), flush=True)
            if rank == 0 and last.step % (options.sample_every or quarter) == 0 and last.step < recipe.steps:
                say(f"    {write()!r}", flush=True)
    if control.stopped and (last is None or last.step < recipe.steps):
        where = f"; --resume --checkpoint {options.checkpoint} goes on" if options.checkpoint else ""
        say(f"stopped before the end{where}")
        return 130
    if rank == 0:
        say(write())
    return 0


def _kept(options: argparse.Namespace) -> dict[str, Any] | None:
    """What the checkpoint keeps of its run's settings, when it is to be resumed."""
    if not options.resume:
        return None
    if options.checkpoint is None:
        raise ValueError("--resume: needs --checkpoint, the file to go on from")
    kept = checkpoint_state(options.checkpoint).get("extra", {})
    if not {"recipe", "corpus", "tokens", "tokenizer"} <= kept.keys():
        raise ValueError(f"--checkpoint: {options.checkpoint} was not written by this program")
    return kept


@contextlib.contextmanager
def _stopping(control: Control) -> Iterator[None]:
    """Ctrl-C and a polite kill stop the run at the next micro-batch, in all processes at the same one."""
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(each, lambda *_: control.stop()) for each in signals]
    try:
        yield
    finally:
        for each, handler in zip(signals, before):
            signal.signal(each, handler)


def _line(record: Any, steps: int, tokenizer: Tokenizer, valid: UInt[np.ndarray, "rest"]) -> str:
    line = f"step {record.step:>5}/{steps}  loss {record.loss:.4f}  lr {record.lr:.2e}  norm {record.grad_norm:.2f}"
    line += f"  {record.tokens_per_s:,.0f} tokens/s" + (f"  MFU {record.mfu:.0%}" if record.mfu else "")
    if record.val_loss is not None:
        size = len(tokenizer.decode(valid[1:].tolist()).encode())
        bits = bits_per_byte(record.val_loss, len(valid) - 1, size)
        line += f"  validation {record.val_loss:.4f} = {bits:.3f} bits a byte"
    return line
