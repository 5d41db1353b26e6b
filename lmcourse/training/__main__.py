"""`python -m lmcourse.training`: train a language model on a text and let it write.

Under `torchrun` it is data-parallel.
"""

import argparse
import contextlib
import hashlib
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed
from jaxtyping import UInt
from torch.nn.parallel import DistributedDataParallel

from lmcourse import hardware
from lmcourse.data_loading import BatchSampler, token_dtype
from lmcourse.support import corpus
from lmcourse.support.device import describe, pick
from lmcourse.training.checkpoints import checkpoint_state
from lmcourse.training.loop import Batches, Control, LossDiverged, bits_per_byte, evaluate, train
from lmcourse.training.recipe import (
    Recipe,
    Tokenizer,
    default_recipe,
    make_model,
    make_optimizer,
    make_schedule,
    make_tokenizer,
    split_tokens,
    stored_tokenizer,
    tokenizer_to_store,
)
from lmcourse.training.sampling import generate


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
    tokenizer = stored_tokenizer(kept["tokenizer"]) if kept else make_tokenizer(recipe, text)
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

    kept = {"recipe": asdict(recipe), "corpus": name, "tokens": digest, "tokenizer": tokenizer_to_store(tokenizer)}
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


if __name__ == "__main__":
    raise SystemExit(main())
