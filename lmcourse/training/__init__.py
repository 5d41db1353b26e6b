"""Training: the loop, checkpoints, recipes and sampling. All names of the topic are here; they are told in six modules:

- `loop`: `train`, a generator of one record a step, and `evaluate`.
- `checkpoints`: a run in one file, from which it goes on bit for bit.
- `sampling`: let a model write.
- `recipe`: the settings of a run, and what they make.
- `baselines`: what counting alone reaches.
- `history`: what is kept of a run, so that it can be drawn and forked.

`python -m lmcourse.training --help` trains from a shell; under `torchrun` it is data-parallel.
"""

from lmcourse.training.baselines import count_baselines
from lmcourse.training.checkpoints import (
    checkpoint_state,
    load_checkpoint,
    resume,
    rng_state,
    save_checkpoint,
    set_rng_state,
)
from lmcourse.training.loop import (
    PRECISIONS,
    Batches,
    Control,
    LossDiverged,
    Metrics,
    bits_per_byte,
    evaluate,
    train,
    train_step,
    uninterrupted,
)
from lmcourse.training.recipe import (
    Recipe,
    default_recipe,
    load_model,
    make_model,
    make_optimizer,
    make_schedule,
    make_tokenizer,
    split_tokens,
)
from lmcourse.training.sampling import generate, next_token, sample_top_p, stream, top_k_only

__all__ = [
    "PRECISIONS", "Batches", "Control", "LossDiverged", "Metrics", "Recipe", "bits_per_byte", "checkpoint_state",
    "count_baselines", "default_recipe", "evaluate", "generate", "load_checkpoint", "load_model", "make_model",
    "make_optimizer", "make_schedule", "make_tokenizer", "next_token", "resume", "rng_state", "sample_top_p",
    "save_checkpoint", "set_rng_state", "split_tokens", "stream", "top_k_only", "train", "train_step", "uninterrupted",
]  # fmt: skip
