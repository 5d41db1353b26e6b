"""`python -m lmcourse.training`: train a language model on a text and let it write.

Under `torchrun` it is data-parallel. Every option is applied, or refused in one line.
"""

import argparse
import contextlib
import hashlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
import torch.distributed
from jaxtyping import UInt
from torch.nn.parallel import DistributedDataParallel

from lmcourse import hardware
from lmcourse.data_loading import BatchSampler, token_dtype
from lmcourse.support import checks, corpus
from lmcourse.support.device import describe, pick
from lmcourse.training.batches import Batches
from lmcourse.training.checkpoints import checkpoint_state
from lmcourse.training.control import Control, Metrics
from lmcourse.training.divergence import LossDiverged
from lmcourse.training.evaluation import evaluate
from lmcourse.training.loop import train
from lmcourse.training.recipe import (
    Recipe,
    Tokenizer,
    default_recipe,
    make_model,
    make_optimizer,
    make_tokenizer,
    recipe_to_store,
    split_tokens,
    stored_recipe,
    train_settings,
)
from lmcourse.training.sampling import generate
from lmcourse.training.units import bits_per_byte

CHANGEABLE = {"steps", "warmup_steps", "lr", "max_norm", "accumulate", "precision", "compile"}  # by --resume


def main(arguments: list[str] | None = None) -> int:
    """`python -m lmcourse.training`: see `--help`. Returns the exit status: 0, 1 for an error, 130 when interrupted."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a redirected output on Windows has 256 characters
    options = _parse(arguments)
    try:
        _check_options(options)
        device = _device(options.device)
        with _processes(device) as (rank, world):
            return _run(options, device, rank, world)
    except (ValueError, TypeError, OSError, LossDiverged) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


# --- what was asked for --------------------------------------------------------------------------------------------


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
    parser.add_argument("--overwrite", action="store_true", help="replace the file of --checkpoint, if there is one")
    parser.add_argument("--evaluate-every", type=int, metavar="STEPS", help="default: a quarter of the steps")
    parser.add_argument("--sample-every", type=int, metavar="STEPS", help="default: a quarter of the steps")
    parser.add_argument("--prompt", help="what the samples begin with; default: 'The', or the corpus' first letter")
    parser.add_argument("--sample-tokens", type=int, default=120, metavar="N", help="length of a sample")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 or mps; default: cuda where there is one")
    recipe = parser.add_argument_group("the recipe", "defaults: those of the CPU; a GPU has larger ones")
    for field in fields(Recipe):
        name, default = "--" + field.name.replace("_", "-"), field.default
        if isinstance(default, bool):
            recipe.add_argument(name, action=argparse.BooleanOptionalAction, help=f"default: {default}")
        else:
            recipe.add_argument(name, type=type(default), metavar=name[2:].upper(), help=f"default: {default}")
    return parser.parse_args(arguments)


def _check_options(options: argparse.Namespace) -> None:
    """Refuse what would otherwise be noticed late, or ignored."""
    for name, least in {"checkpoint_every": 1, "evaluate_every": 1, "sample_every": 1, "sample_tokens": 0}.items():
        if (value := getattr(options, name)) is not None:
            checks.whole("--" + name.replace("_", "-"), value, least)
    if options.prompt == "":
        raise ValueError("--prompt: at least one character, got none; a model continues a text, it does not begin one")
    path = options.checkpoint
    for name in ("resume", "overwrite", "checkpoint_every"):
        if path is None and getattr(options, name):
            raise ValueError(f"--{name.replace('_', '-')}: needs --checkpoint, the file that it is about")
    if options.resume and options.overwrite:
        raise ValueError("--overwrite: not with --resume, which goes on with the file")
    if path is None or options.resume:
        return
    if path.is_dir():
        raise ValueError(f"--checkpoint: a file, got the folder {path}")
    if path.exists() and not options.overwrite:
        raise ValueError(f"--checkpoint: {path} is there already; --resume goes on from it, --overwrite replaces it")


def _device(name: str | None) -> torch.device:
    """The device by its name; ValueError where this PyTorch cannot use it."""
    try:
        device = pick() if name is None else torch.device(name)
    except RuntimeError as error:  # from torch.device: no such name; from pick: LMCOURSE_DEVICE cannot be had
        raise ValueError(f"--device: cpu, cuda, cuda:N or mps, got {name!r}" if name else str(error)) from None
    here = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if (device.index or 0) >= here.get(device.type, 0):
        has = ", ".join(f"{count} {kind}" for kind, count in here.items() if count)
        raise ValueError(f"--device: what this PyTorch ({torch.__version__}) can use here ({has}), got {name!r}")
    if device.type == "cuda":
        if "LOCAL_RANK" in os.environ and device.index is not None:
            raise ValueError(f"--device: cuda under torchrun, which numbers the devices itself, got {name!r}")
        index = device.index or 0
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", index)))
    return device


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


@dataclass
class _Plan:
    """What a run is made of, all of it checked."""

    recipe: Recipe
    corpus: str
    text: str
    tokenizer: Tokenizer
    done: int = 0  # steps that were done before

    def __post_init__(self) -> None:
        dtype = token_dtype(max(1, self.tokenizer.vocab_size))
        self.tokens = np.array(self.tokenizer.encode(self.text), dtype=dtype)
        self.digest = hashlib.sha256(self.tokens.tobytes()).hexdigest()  # another text is not resumed


def _plan(options: argparse.Namespace, device: torch.device) -> _Plan:
    given = {f.name: value for f in fields(Recipe) if (value := getattr(options, f.name)) is not None}
    if "steps" in given and "warmup_steps" not in given:  # as in a run of the default length: a tenth of it
        given["warmup_steps"] = min(Recipe.warmup_steps, given["steps"] // 10)
    if not options.resume:
        recipe = replace(default_recipe(device), **given)
        name = "python-docs" if options.corpus is None else options.corpus
        text = corpus.load(name)
        return _Plan(recipe, name, text, make_tokenizer(recipe, text))
    kept, tokenizer, extra = stored_recipe(options.checkpoint)
    for name, value in given.items():
        if name not in CHANGEABLE and value != getattr(kept, name):
            option, was = "--" + name.replace("_", "-"), getattr(kept, name)
            raise ValueError(f"{option}: {was!r}, with which {options.checkpoint} was begun, got {value!r}")
    recipe, done = replace(kept, **given), checkpoint_state(options.checkpoint)["step"]
    if recipe.steps < done:
        raise ValueError(f"--steps: {done} or more, which {options.checkpoint} has done, got {recipe.steps}")
    name = extra["corpus"] if options.corpus is None else options.corpus
    plan = _Plan(recipe, name, corpus.load(name), tokenizer, done)
    if plan.digest != extra["tokens"]:
        raise ValueError(f"corpus: {name} is not the text that {options.checkpoint} was trained on")
    return plan


# --- the run -------------------------------------------------------------------------------------------------------


def _run(options: argparse.Namespace, device: torch.device, rank: int, world: int) -> int:
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.set_float32_matmul_precision("high")
    say = print if rank == 0 else lambda *_, **__: None
    say(f"{describe(device)}" + (f", {world} processes" if world > 1 else ""))

    plan = _plan(options, device)
    recipe, tokenizer = plan.recipe, plan.tokenizer
    learn, valid = split_tokens(plan.tokens)
    batches = Batches(learn, _sampler(plan, learn, valid, rank, world), device=device, prefetch=2)
    prompt = options.prompt or ("The" if recipe.tokenizer == "bpe" else plan.text[:1])
    start = tokenizer.encode(prompt)
    model = make_model(recipe, tokenizer.vocab_size).to(device)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    say(f"{len(learn):,} tokens to learn from, {len(valid):,} to be examined on; {parameters / 1e6:.2f}M parameters")
    if plan.done == recipe.steps:
        say(f"all {plan.done} steps were done before; --steps with a larger number goes on")

    quarter, control = -(-recipe.steps // 4), Control()
    every = None if options.checkpoint is None else options.checkpoint_every or -(-recipe.steps // 10)
    records = train(
        DistributedDataParallel(model) if world > 1 else model,
        make_optimizer(recipe, model),
        batches,
        **train_settings(recipe),
        evaluation=lambda model: evaluate(model, valid, precision=recipe.precision),
        evaluate_every=options.evaluate_every or quarter,
        checkpoint=options.checkpoint,
        checkpoint_every=every,
        resume_from=options.checkpoint if options.resume else None,
        extra=recipe_to_store(recipe, tokenizer, corpus=plan.corpus, tokens=plan.digest),
        control=control,
        peak_flop_per_s=_measured_peak(device, recipe.precision) if world == 1 else None,
    )

    def write() -> str:
        how = {"temperature": 0.8, "top_p": 0.95, "seed": recipe.seed}
        return tokenizer.decode(generate(model, start, options.sample_tokens, **how))

    last, began = plan.done, time.perf_counter()
    with _stopping(control):
        for record in records:
            last = record.step
            if last % max(1, recipe.steps // 20) == 0 or record.val_loss is not None or last == plan.done + 1:
                left = (recipe.steps - last) * (time.perf_counter() - began) / (last - plan.done)
                say(_line(record, recipe.steps, tokenizer, valid) + f"  {_duration(left)} left", flush=True)
            if rank == 0 and last % (options.sample_every or quarter) == 0 and last < recipe.steps:
                say(f"    {write()!r}", flush=True)
    if control.stopped and last < recipe.steps:
        where = f"; --resume --checkpoint {options.checkpoint} goes on" if options.checkpoint else ""
        say(f"stopped before the end{where}")
        return 130
    if rank == 0:
        say(write())
    return 0


def _sampler(plan: _Plan, learn: np.ndarray, valid: np.ndarray, rank: int, world: int) -> BatchSampler:
    """The windows of this process, where text and batch are large enough for them."""
    recipe, context = plan.recipe, plan.recipe.context_length
    if len(learn) <= context or len(valid) < 2:
        raise ValueError(
            f"corpus: {plan.corpus} is too short, {len(learn):,} tokens to learn from and {len(valid):,} to be "
            f"examined on; a context_length of {context} needs {context + 1:,} and 2"
        )
    if recipe.batch_size % (recipe.accumulate * world):
        raise ValueError(
            f"batch_size: a multiple of accumulate · processes = {recipe.accumulate * world}, got {recipe.batch_size}"
        )
    local = recipe.batch_size // (recipe.accumulate * world)
    return BatchSampler(len(learn), local, context, seed=recipe.seed, rank=rank, world_size=world)


def _measured_peak(device: torch.device, precision: str) -> float | None:
    """Of a CPU, which is in no datasheet; None where the datasheet knows."""
    known = device.type != "cpu" or hardware.peak_flop_per_s(device, precision) is not None
    return None if known else hardware.measure_peak(device, precision).flop_per_s


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


def _line(record: Metrics, steps: int, tokenizer: Tokenizer, valid: UInt[np.ndarray, "rest"]) -> str:
    line = f"step {record.step:>5}/{steps}  loss {record.loss:.4f}  lr {record.lr:.2e}  norm {record.grad_norm:.2f}"
    line += f"  {record.tokens_per_s:,.0f} tokens/s" + (f"  MFU {record.mfu:.0%}" if record.mfu else "")
    if record.val_loss is not None:
        size = len(tokenizer.decode(valid[1:].tolist()).encode())
        bits = bits_per_byte(record.val_loss, len(valid) - 1, size)
        line += f"  validation {record.val_loss:.4f} = {bits:.3f} bits a byte"
    return line


def _duration(seconds: float) -> str:
    """In two units at most: 42 s, 3 min 20 s, 5 h 12 min."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60:,} h {minutes % 60} min"


if __name__ == "__main__":
    raise SystemExit(main())
