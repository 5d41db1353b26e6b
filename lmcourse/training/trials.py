"""The small experiments of notebook 09, each a second or two: the plumbing, so that a cell shows its idea.

What a reader writes is handed in: a loss, a step, a resume.
"""

import contextlib
import functools
import json
import math
import string
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from lmcourse import model as course_model
from lmcourse.data_loading import BatchSampler, batch_at
from lmcourse.model import ModelConfig, TransformerLM, cross_entropy
from lmcourse.optimizers import AdamW, clip_grad_norm_, cosine_lr
from lmcourse.support import corpus
from lmcourse.support.files import replacing
from lmcourse.training.batches import Batches
from lmcourse.training.checkpoints import load_checkpoint, rng_state, save_checkpoint, set_rng_state
from lmcourse.training.control import Control, Metrics
from lmcourse.training.loop import train
from lmcourse.training.pretrained import llama_config, llama_name
from lmcourse.training.recipe import Recipe, make_model, make_optimizer, make_schedule
from lmcourse.training.stories import Stories


def all_weights(model: nn.Module) -> Tensor:
    """All weights of a model in one vector.

    >>> all_weights(nn.Linear(2, 3)).shape
    torch.Size([9])
    """
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def weights_after(data: Stories, batch_size: int, accumulate: int) -> Tensor:
    """All weights of a small model after three updates of `batch_size * accumulate` windows each, in float64."""
    student = data.small_model().double()
    batches = data.batches(batch_size, 32)
    for _ in train(student, AdamW(student.parameters(), lr=1e-2), batches, steps=3, accumulate=accumulate):
        pass
    return all_weights(student)


def trained_with(data: Stories, loss_fn: Callable, kind: type, steps: int = 20) -> tuple[list[float], Tensor]:
    """Losses of a small model's first steps with this loss and this optimizer, in float64, and its weights then."""
    student = data.small_model().double()
    optimizer = kind(student.parameters(), lr=3e-3)
    losses = [each.loss for each in train(student, optimizer, data.batches(4, 32), steps=steps, loss_fn=loss_fn)]
    return losses, all_weights(student)


def run_in(data: Stories, precision: str) -> Metrics:
    """The last record of twelve steps of a small model in this precision."""
    student = data.small_model()
    optimizer = AdamW(student.parameters(), lr=1e-2)
    return list(train(student, optimizer, data.batches(4, 32), steps=12, precision=precision))[-1]


def gradient_of(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The gradient of the loss on these windows, in one vector."""
    model.zero_grad()
    cross_entropy(model(x), y).backward()
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


# Stopping


class StopsAtTheSeventh(Batches):
    """A loader during whose seventh batch somebody presses stop, on `control`."""

    def __init__(self, *args: Any, control: Control, **options: Any):
        super().__init__(*args, **options)
        self.control, self.count = control, 0

    def __next__(self):
        """The next batch."""
        self.count += 1
        if self.count == 7:
            self.control.stop()
        return super().__next__()


def eight_updates(data: Stories, seed: int, *, stop: bool = False, **options: Any) -> tuple[nn.Module, list[float]]:
    """A small model after eight updates of three micro-batches, and the losses; `stop` in the middle of the third."""
    student, control = data.small_model(seed), Control()
    sampler = BatchSampler(len(data.learn), 4, 32)
    batches = StopsAtTheSeventh(data.learn, sampler, control=control) if stop else Batches(data.learn, sampler)
    options |= {"schedule": make_schedule(Recipe(steps=8, warmup_steps=2)), "control": control}
    records = train(student, AdamW(student.parameters()), batches, steps=8, accumulate=3, **options)
    return student, [record.loss for record in records]


def new_process(data: Stories, seed: int) -> tuple[nn.Module, AdamW, BatchSampler]:
    """Model, optimizer and sampler, as a process makes them that knows nothing yet."""
    student = data.small_model(seed)
    return student, AdamW(student.parameters(), lr=1e-2), BatchSampler(len(data.learn), 4, 32)


def ten_steps(data: Stories, step: Callable, process: tuple, done: int) -> list[float]:
    """The losses of ten steps by the function `step`, after step number `done` of a schedule."""
    student, optimizer, sampler = process
    losses = []
    for number in range(done + 1, done + 11):
        optimizer.param_groups[0]["lr"] = cosine_lr(number, max_lr=1e-2, min_lr=1e-3, warmup_steps=5, total_steps=20)
        losses.append(step(student, optimizer, *batch_at(data.learn, next(sampler), 32)))
    return losses


def without(data: Stories, missing: str, path: Path, step: Callable, resume: Callable) -> list[float]:
    """Ten steps of a new process that read `path` by `resume`, with one part of what it read taken away again."""
    student, optimizer, sampler = new_process(data, seed=1)
    other_dice = rng_state()
    done = resume(path, student, optimizer, sampler)
    if missing == "model":
        student.reset_parameters()
    elif missing == "optimizer":
        optimizer.state.clear()
    elif missing == "step":
        done = 0
    elif missing == "data":
        sampler.position = 0
    elif missing == "rng":
        set_rng_state(other_dice)
    return ten_steps(data, step, (student, optimizer, sampler), done)


PICKLE = b"\x80\x04\x95\r\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x04step\x94K\x03s."  # of {"step": 3}


def spoiled_files(path: Path) -> Iterator[tuple[str, str]]:
    """A checkpoint that is killed while it is written, cut in half, and replaced by a pickle: what loading says."""
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters())
    save_checkpoint(path, model, optimizer, step=1)
    with contextlib.suppress(KeyboardInterrupt), replacing(path) as half:
        half.write(b"the first bytes of a new checkpoint")
        raise KeyboardInterrupt
    yield "killed while writing", f"the file still holds step {load_checkpoint(path, model, optimizer)}"
    whole = path.read_bytes()
    for name, content in {"cut in half": whole[: len(whole) // 2], "a pickle": PICKLE}.items():
        path.write_bytes(content)
        try:
            load_checkpoint(path, model, optimizer)
        except ValueError as error:
            yield name, f"refused: {str(error).replace(str(path), 'the file')[:60]} …"


def speed_of(data: Stories, precision: str, compiled: bool) -> float:
    """Tokens a second of the recipe's model in this precision: the median of twenty steps after ten."""
    student = make_model(data.recipe, data.tokenizer.vocab_size).to(data.machine)
    options = {"steps": 30, "precision": precision, "compile": compiled}
    records = list(train(student, make_optimizer(data.recipe, student), data.story_batches(), **options))
    return float(np.median([record.tokens_per_s for record in records[10:]]))


@functools.cache
def quick_writer(data: Stories) -> TransformerLM:
    """A model of one block after 300 short steps: it writes words, on any machine, after some seconds."""
    torch.manual_seed(0)
    model = TransformerLM(ModelConfig(data.tokenizer.vocab_size, 128, 64, num_layers=1, num_heads=2, d_ff=176))
    recipe = Recipe(steps=300, lr=0.02)
    settings = {"steps": recipe.steps, "schedule": make_schedule(recipe)}
    for _ in train(model, make_optimizer(recipe, model), data.batches(8, 32), **settings):
        pass
    return model


# The failure gallery


def random_llama(folder: Path) -> Path:
    """A folder such as a Llama has, with a small model of random weights and a token a letter; returns the folder.

    >>> import tempfile
    >>> from lmcourse.training import load_llama
    >>> model, tokenizer = load_llama(random_llama(Path(tempfile.mkdtemp())))
    >>> tokenizer.decode(tokenizer.encode("One day, a fox")), model.config.num_kv_heads
    ('One day, a fox', 2)
    """
    letters = {letter: i for i, letter in enumerate(string.ascii_letters + " .,?")}
    words = tokenizers.Tokenizer(tokenizers.models.BPE(letters, [], unk_token="?"))  # noqa: S106
    words.decoder = tokenizers.decoders.Fuse()
    words.save(str(folder / "tokenizer.json"))
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 2}
    sizes = {"model_type": "llama", "vocab_size": len(letters), "hidden_size": 64, "intermediate_size": 128, **heads}
    (folder / "config.json").write_text(json.dumps(sizes), encoding="utf-8")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights = TransformerLM(llama_config(sizes)).state_dict()
    save_file({llama_name(name): weight for name, weight in weights.items()}, folder / "model.safetensors")
    return folder


MISTAKES = ("no shift", "no mask", "lr × 10", "no warm-up", "not zeroed")


def curve_with(mistake: str | None = None, steps: int = 120) -> np.ndarray:
    """Losses and gradient norms of some steps on the bytes of Python's documentation, with one of `MISTAKES` or none.

    Returns an array of two rows.
    """
    data = np.frombuffer(corpus.load("python-docs").encode("utf-8"), dtype=np.uint8)
    torch.manual_seed(0)
    config = ModelConfig(256, 32, d_model=128, num_layers=1, num_heads=2, d_ff=256)
    student = TransformerLM(config, parts=_parts(mistake))
    sampler, optimizer, rows = BatchSampler(len(data), 8, 32), AdamW(student.parameters()), []
    warmup, times = (0 if mistake == "no warm-up" else 30), (10 if mistake == "lr × 10" else 1)
    for step in range(1, steps + 1):
        x, y = batch_at(data, next(sampler), 32)
        rate = cosine_lr(step, max_lr=0.02, min_lr=0.002, warmup_steps=warmup, total_steps=steps)
        optimizer.param_groups[0]["lr"] = times * rate
        if mistake != "not zeroed":
            optimizer.zero_grad()
        loss = cross_entropy(student(x), x if mistake == "no shift" else y)
        loss.backward()
        rows.append((loss.item(), clip_grad_norm_(student.parameters(), math.inf)))
        optimizer.step()
    return np.array(rows).T


def _parts(mistake: str | None) -> course_model.Parts:
    attention = course_model.scaled_dot_product_attention
    if mistake == "no mask":
        return course_model.Parts(attention=lambda query, key, value, mask: attention(query, key, value))
    return course_model.Parts()
