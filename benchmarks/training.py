"""Claims: in 2,000 steps of 12 × 64 characters, with at most 0.85M parameters, the course's model reaches a validation
loss of at most 1.66 on tinyshakespeare with AdamW and 1.60 with Muon, as means over three seeds. Its AdamW step takes
at most 1.15 times as long as that of a plain GPT-2 of the same size, written with torch.nn, with PyTorch's fused AdamW.

Run with: python benchmarks/training.py [--seeds 0 1 2] [--only "ours + Muon"] [--curves lmcourse/recorded/curves]
          python benchmarks/training.py --recipe --curves lmcourse/recorded/recipe
          python benchmarks/training.py --device cuda

The last tenth of the text is held out (nanoGPT's split); the final loss is that of all of it. Steps of all models are
timed in turn, so that a busy machine slows all alike, and with `OMP_NUM_THREADS=1` by processor time; the seconds of a
training are its steps times that median. A whole run is nine trainings; `--seeds` with no number behind it only
measures times. `--recipe` trains what notebook 09 trains, with AdamW in place of Muon: the ghost in its dashboard.
`--device cuda` asks another question: which share of the datasheet's dense peak a model of GPT-2's size reaches on that
card, in bfloat16, compiled.
"""

import argparse
import json
import math
import platform
import re
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lmcourse import fast
from lmcourse.data_loading import BatchSampler
from lmcourse.flops import TransformerShape, flops_per_token, mfu
from lmcourse.hardware import measure_peak, peak_flop_per_s
from lmcourse.model import ModelConfig, TransformerLM
from lmcourse.optimizers import AdamW, Muon, cosine_lr
from lmcourse.support import corpus
from lmcourse.support.device import describe
from lmcourse.support.files import replacing
from lmcourse.support.timing import si
from lmcourse.training import (
    Batches,
    Metrics,
    default_recipe,
    evaluate,
    make_model,
    make_optimizer,
    make_tokenizer,
    split_tokens,
    train,
    train_settings,
)

VOCAB_SIZE, CONTEXT, BATCH, STEPS = 65, 64, 12, 2000
WARMUP, REACHED = 100, 1.88  # REACHED: what a plain GPT-2 ends at, roughly


# --- the peer: GPT-2's block as PyTorch's own parts make it ----------------------------------------------------------


class PlainBlock(nn.Module):
    """LayerNorm with bias, one linear for Q, K and V, PyTorch's attention, GELU."""

    def __init__(self, shape: TransformerShape):
        super().__init__()
        d = shape.d_model
        self.num_heads = shape.num_heads
        self.ln1, self.qkv, self.proj = nn.LayerNorm(d), nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.ln2, self.up, self.down = nn.LayerNorm(d), nn.Linear(d, shape.d_ff), nn.Linear(shape.d_ff, d)

    def forward(self, x: Tensor) -> Tensor:
        heads = self.qkv(self.ln1(x)).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*heads, is_causal=True)
        x = x + self.proj(mixed.transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.ln2(x))))


class PlainGPT2(nn.Module):
    """GPT-2: learned positions, head tied to the embedding, its own initialization."""

    def __init__(self, shape: TransformerShape):
        super().__init__()
        self.shape = shape
        self.tokens = nn.Embedding(shape.vocab_size, shape.d_model)
        self.positions = nn.Embedding(shape.context_length, shape.d_model)
        self.blocks = nn.Sequential(*(PlainBlock(shape) for _ in range(shape.num_layers)))
        self.ln = nn.LayerNorm(shape.d_model)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                writes_to_the_stream = name.endswith(("proj.weight", "down.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * shape.num_layers if writes_to_the_stream else 1))
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.tokens(ids) + self.positions.weight[: ids.shape[1]]
        return F.linear(self.ln(self.blocks(x)), self.tokens.weight)


# --- the contenders --------------------------------------------------------------------------------------------------


@dataclass
class Contender:
    """A model, its optimizers (the schedule is the first one's, the others keep their ratio to it), and its loss."""

    model: nn.Module
    optimizers: list[torch.optim.Optimizer]
    shape: TransformerShape | ModelConfig
    loss_fn: Callable[[Tensor, Tensor], Tensor] = fast.cross_entropy


def plain_gpt2() -> Contender:
    shape = TransformerShape(
        VOCAB_SIZE, CONTEXT, d_model=128, num_layers=4, num_heads=4, d_ff=512,
        gated=False, norm="layernorm", positions="learned", bias=True, tie_embeddings=True,
    )  # fmt: skip
    model = PlainGPT2(shape)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1, fused=True)
    return Contender(model, [optimizer], shape, lambda logits, y: F.cross_entropy(logits.flatten(0, 1), y.flatten()))


def ours_adamw() -> Contender:
    config = ModelConfig(VOCAB_SIZE, CONTEXT, d_model=128, num_layers=4, num_heads=4, d_ff=344)
    model = TransformerLM(config, fused_attention=True, parts=fast.FAST)
    optimizer = AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.99), weight_decay=0.1)
    return Contender(model, [optimizer], config)


def ours_muon() -> Contender:
    """Muon for the matrices of the blocks; AdamW for embedding, head and norms."""
    config = ModelConfig(
        VOCAB_SIZE, CONTEXT, d_model=128, num_layers=4, num_heads=4, d_ff=344, qk_norm=True, zero_init=True
    )
    model = TransformerLM(config, fused_attention=True, parts=fast.FAST)
    matrices = [parameter for parameter in model.layers.parameters() if parameter.dim() == 2]
    rest = [parameter for parameter in model.parameters() if not any(parameter is matrix for matrix in matrices)]
    muon, adamw = Muon(matrices, lr=0.02), AdamW(rest, lr=3e-3, betas=(0.9, 0.99), weight_decay=0.1)
    return Contender(model, [muon, adamw], config)


CONTENDERS = {"plain GPT-2 + AdamW": plain_gpt2, "ours + AdamW": ours_adamw, "ours + Muon": ours_muon}
PLAIN = "plain GPT-2 + AdamW"
BOUNDS = {"ours + AdamW": 1.66, "ours + Muon": 1.60}


def text_as_ids() -> tuple[np.ndarray, np.ndarray]:
    """tinyshakespeare as characters, the first nine tenths and the last one."""
    text = corpus.load("tinyshakespeare")
    ids = np.unique(list(text), return_inverse=True)[1].astype(np.uint8)
    split = int(0.9 * len(ids))
    return ids[:split], ids[split:]


def run_of(contender: Contender, tokens: np.ndarray, seed: int, steps: int, **options: Any) -> Iterator[Metrics]:
    """One training of a contender, as `train` yields it."""
    batches = Batches(tokens, BatchSampler(len(tokens), BATCH, CONTEXT, order="random", seed=seed))
    lr = contender.optimizers[0].param_groups[0]["lr"]
    schedule = partial(cosine_lr, max_lr=lr, min_lr=0.1 * lr, warmup_steps=min(WARMUP, steps), total_steps=steps)
    return train(
        contender.model,
        contender.optimizers,
        batches,
        steps=steps,
        schedule=schedule,
        loss_fn=contender.loss_fn,
        **options,
    )


# --- what is measured ------------------------------------------------------------------------------------------------


def step_seconds(names: list[str], tokens: np.ndarray, rounds: int) -> dict[str, float]:
    """Median seconds of a step of each contender, measured in alternation."""
    torch.manual_seed(0)
    runs = {name: run_of(CONTENDERS[name](), tokens, seed=0, steps=rounds + 3) for name in names}
    seconds = [{name: seconds_of_next(run) for name, run in runs.items()} for _ in range(rounds + 3)]
    return {name: statistics.median(each[name] for each in seconds[3:]) for name in names}


def seconds_of_next(run: Iterator[Metrics]) -> float:
    """How long a step takes: with one thread the processor's time, which other programs hardly lengthen."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    began = clock()
    next(run)
    return clock() - began


def utilisation_at_width_256(tokens: np.ndarray, peak: float, rounds: int) -> float:
    """MFU of a step of AdamW on 4 layers of width 256, 16 × 128 characters, the peak measured here and now."""
    config = ModelConfig(VOCAB_SIZE, 128, d_model=256, num_layers=4, num_heads=4, d_ff=688)
    model = TransformerLM(config, fused_attention=True, parts=fast.FAST)
    batches = Batches(tokens, BatchSampler(len(tokens), 16, 128))
    run = train(model, AdamW(model.parameters()), batches, steps=rounds + 3, loss_fn=fast.cross_entropy)
    rate = 16 * 128 / statistics.median([seconds_of_next(run) for _ in range(rounds + 3)][3:])
    return mfu(flops_per_token(config, 128)["matmuls"], rate, peak)


def learn(name: str, seed: int, steps: int, training: np.ndarray, held_out: np.ndarray) -> dict[str, Any]:
    """Train one contender: its final loss on all that is held out, the step that reached `REACHED`, and its curves.

    On the way it is examined on twenty pieces from all over the held-out text.
    """
    torch.manual_seed(seed)
    contender = CONTENDERS[name]()
    pieces = [piece[: 15 * CONTEXT + 1] for piece in np.array_split(held_out, 20)]

    def a_look(model: nn.Module) -> float:
        return statistics.fmean(evaluate(model, piece, context_length=CONTEXT) for piece in pieces)

    every = max(1, steps // 40)
    records = list(run_of(contender, training, seed, steps, evaluation=a_look, evaluate_every=every))
    looks = [record for record in records if record.val_loss is not None]
    return {
        "name": name,
        "seed": seed,
        "val_loss": round(evaluate(contender.model, held_out, context_length=CONTEXT, batch_size=64), 4),
        "reached": next((record.step for record in looks if record.val_loss <= REACHED), None),
        "training": [[1, round(records[0].loss, 3)], *means_of(records, 20)],
        "validation": [[record.step, round(record.val_loss, 3)] for record in looks],
    }


def means_of(records: list[Metrics], count: int) -> list[list[float]]:
    """The training loss, averaged over every `count` steps: one batch is too few to see a curve."""
    groups = (records[i : i + count] for i in range(0, len(records), count))
    return [[group[-1].step, round(statistics.fmean(record.loss for record in group), 3)] for group in groups]


def describe_machine(device: torch.device) -> str:
    return f"{describe(device)}, {platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}"


def write_curves(folder: Path, results: list[dict[str, Any]], machine: str, data: str) -> None:
    """The first seed's curves, a file a contender, with what was run, where and when."""
    command = shlex.join(["python", "benchmarks/training.py", *sys.argv[1:]])
    provenance = {"data": data, "command": command, "machine": machine, "date": datetime.now(UTC).date().isoformat()}
    folder.mkdir(parents=True, exist_ok=True)
    for result in {result["name"]: result for result in reversed(results)}.values():
        path = folder / (re.sub(r"\W+", "_", result["name"].lower()) + ".json")
        with replacing(path) as file:
            file.write((json.dumps({**provenance, **result}, ensure_ascii=False) + "\n").encode())
        print(f"written: {path}")


def quality(arguments: argparse.Namespace) -> None:
    """Train the contenders and print the table."""
    machine, device = describe_machine(torch.device("cpu")), torch.device("cpu")
    training, held_out = text_as_ids()
    names, seeds, steps = arguments.only or list(CONTENDERS), arguments.seeds, arguments.steps
    peak = measure_peak(device, "float32").flop_per_s
    print(f"{machine}; measured peak {si(peak, 'FLOP/s')}")
    print(f"{steps} steps of {BATCH} × {CONTEXT} characters; {len(held_out):,} are held out")

    seconds = step_seconds(list(dict.fromkeys([PLAIN, *names])), training, arguments.rounds)
    results = []
    for name in names:
        contender = CONTENDERS[name]()
        rate = BATCH * CONTEXT / seconds[name]
        utilisation = mfu(flops_per_token(contender.shape, CONTEXT)["matmuls"], rate, peak)
        print(f"\n{name}: {sum(parameter.numel() for parameter in contender.model.parameters()):,} parameters")
        print(
            f"  {1e3 * seconds[name]:.1f} ms a step, {seconds[name] / seconds[PLAIN]:.2f} × plain; "
            f"{rate:,.0f} tokens/s, MFU {utilisation:.0%} of the measured peak"
        )
        for seed in seeds:
            result = learn(name, seed, steps, training, held_out)
            results.append(result)
            step, loss = result["reached"], result["val_loss"]
            when = f"at step {step}, after {step * seconds[name]:.0f} s" if step else "never"
            print(f"  seed {seed}: validation loss {loss:.3f} after {steps * seconds[name]:.0f} s; {REACHED} {when}")
        if seeds:
            mean = statistics.fmean(result["val_loss"] for result in results if result["name"] == name)
            bound = f"; at most {BOUNDS[name]:.2f}: {'yes' if mean <= BOUNDS[name] else 'NO'}" if name in BOUNDS else ""
            print(f"  mean {mean:.3f}{bound}")
    if "ours + AdamW" in seconds:
        ratio = seconds["ours + AdamW"] / seconds[PLAIN]
        print(f"\nstep of ours + AdamW, at most 1.15 × plain: {ratio:.2f}, {'yes' if ratio <= 1.15 else 'NO'}")
    if arguments.wide:
        print(f"width 256, 16 × 128: MFU {utilisation_at_width_256(training, peak, arguments.rounds // 3):.0%}")
    if arguments.curves:
        data = f"tinyshakespeare, characters, {BATCH} × {CONTEXT} a step; the last tenth is held out"
        write_curves(arguments.curves, results, machine, data)


def recipe_with_adamw(lr: float, curves: Path | None) -> None:
    """Notebook 09's recipe on its corpus, with AdamW for all weights, beside Muon."""
    text, recipe = corpus.load("python-docs"), default_recipe("cpu")
    tokenizer = make_tokenizer(recipe, text)
    learn_from, held_out = split_tokens(np.array(tokenizer.encode(text), dtype=np.uint16))
    results = []
    for name, own in {"AdamW": replace(recipe, optimizer="adamw", lr=lr), "Muon": recipe}.items():
        model = make_model(own, tokenizer.vocab_size)
        sampler = BatchSampler(len(learn_from), own.batch_size, own.context_length, seed=own.seed)
        records = list(train(model, make_optimizer(own, model), Batches(learn_from, sampler), **train_settings(own)))
        loss = evaluate(model, held_out[:32_769], context_length=own.context_length)
        print(f"{name}, lr {own.lr}: validation loss {loss:.3f} after {own.steps} steps")
        curve = [[1, round(records[0].loss, 3)], *means_of(records, 10)]
        loss = round(loss, 4)
        results.append(
            {"name": name, "seed": own.seed, "val_loss": loss, "training": curve, "validation": [[own.steps, loss]]}
        )
    if curves:
        size = f"{recipe.batch_size} × {recipe.context_length} a step"
        data = f"python-docs, {tokenizer.vocab_size} tokens, {size}; the last twentieth is held out"
        write_curves(curves, results[:1], describe_machine(torch.device("cpu")), data)


def utilisation_on(device: torch.device, batch: int, steps: int) -> None:
    """MFU of a model of GPT-2's size on a CUDA card, in bfloat16 and compiled, against the datasheet's dense peak."""
    config = ModelConfig(50304, 1024, d_model=768, num_layers=12, num_heads=12, d_ff=2048, tie_embeddings=True)
    model = TransformerLM(config, fused_attention=True).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=6e-4, weight_decay=0.1, fused=True)
    tokens = np.random.default_rng(0).integers(0, config.vocab_size, 2_000_000).astype(np.uint16)
    sampler = BatchSampler(len(tokens), batch, config.context_length)
    records = list(
        train(
            model, optimizer, Batches(tokens, sampler, device=device, prefetch=2), steps=steps + 10,
            precision="bfloat16", compile=True,
        )
    )  # fmt: skip
    rate = statistics.median(record.tokens_per_s for record in records[10:])  # the first ones compile
    peak, flops = peak_flop_per_s(device, "bfloat16"), flops_per_token(config, config.context_length)
    print(f"{describe_machine(device)}, CUDA {torch.version.cuda}")
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {batch} × {config.context_length} tokens a step")
    print(f"{rate:,.0f} tokens/s, peak memory {si(torch.cuda.max_memory_allocated(device), 'B')}")
    for convention in ("matmuls", "causal"):
        share = mfu(flops[convention], rate, peak)
        of = (
            "unknown: the card is not in lmcourse.hardware" if share is None else f"{share:.1%} of {si(peak, 'FLOP/s')}"
        )
        print(f"MFU ({convention}): {of}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2], help="of the trainings; none: only times")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--rounds", type=int, default=60, help="steps of each that are timed")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, help="of the contenders")
    parser.add_argument("--wide", action="store_true", help="also the MFU at width 256, with 16 × 128 characters")
    parser.add_argument("--curves", type=Path, help="folder to write the first seed's loss curves to")
    parser.add_argument("--recipe", action="store_true", help="notebook 09's training, with AdamW and with Muon")
    parser.add_argument("--lr", type=float, default=5e-3, help="of AdamW, for --recipe")
    parser.add_argument("--device", default="cpu", help="cpu: the quality; cuda: the MFU of a large model")
    parser.add_argument("--batch", type=int, default=64, help="windows a step, on CUDA; 64 take 45 GB")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    if arguments.recipe:
        recipe_with_adamw(arguments.lr, arguments.curves)
    elif device.type == "cpu":
        quality(arguments)
    elif device.type == "cuda" and torch.cuda.is_available():
        utilisation_on(device, arguments.batch, arguments.rounds)
    else:
        parser.error(f"--device: cpu, or cuda where this PyTorch has one; got {arguments.device}")


if __name__ == "__main__":
    main()
