"""Training: the loop, checkpoints, recipes and sampling. All names of the topic are here; they are told in ten modules:

- `loop`: `train_step`, and `train`, a generator of one record a step. `trainer`: what it drives from step to step.
- `control`: the record, the switch that a loop obeys, and interrupts held back; `divergence`: a loss that is no number.
- `batches`: pairs (x, y) without end. `evaluation`: how good a model is.
- `checkpoints`: a run in one file, from which it goes on bit for bit.
- `sampling`: let a model write.
- `recipe`: what a run is made of, and what is made from it.
- `baselines`: what counting alone reaches.
- `history`: what is kept of a run, so that it can be drawn and forked.

`python -m lmcourse.training --help` trains from a shell; under `torchrun` it is data-parallel.
"""

from lmcourse.training.baselines import count_baselines
from lmcourse.training.batches import Batches
from lmcourse.training.checkpoints import (
    checkpoint_state,
    load_checkpoint,
    resume,
    rng_state,
    save_checkpoint,
    set_rng_state,
)
from lmcourse.training.control import Control, Metrics, uninterrupted
from lmcourse.training.divergence import LossDiverged
from lmcourse.training.evaluation import PRECISIONS, bits_per_byte, evaluate
from lmcourse.training.loop import train, train_step
from lmcourse.training.recipe import (
    Recipe,
    default_recipe,
    load_model,
    make_model,
    make_optimizer,
    make_schedule,
    make_tokenizer,
    split_tokens,
    train_settings,
)
from lmcourse.training.sampling import generate, next_token, sample_top_p, stream, top_k_only
from lmcourse.training.trainer import Settings

__all__ = [
    "PRECISIONS", "Batches", "Control", "LossDiverged", "Metrics", "Recipe", "Settings", "bits_per_byte",
    "checkpoint_state", "count_baselines", "default_recipe", "evaluate", "generate", "load_checkpoint",
    "load_model", "make_model", "make_optimizer", "make_schedule", "make_tokenizer", "next_token", "resume",
    "rng_state", "sample_top_p", "save_checkpoint", "set_rng_state", "split_tokens", "stream", "top_k_only",
    "train", "train_settings", "train_step", "uninterrupted",
]  # fmt: skip
