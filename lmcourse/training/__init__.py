"""Training: the loop, checkpoints, recipes and sampling. All names of the topic are here, told in these modules:

- `loop`: `train_step`, and `train`, a generator of one record a step. `trainer`: what it drives from step to step.
- `control`: the record, the switch that a loop obeys, and interrupts held back; `divergence`: a loss that is no number.
- `batches`: pairs (x, y) without end. `evaluation`: how good a model is; `units`: its loss in bits a byte.
- `checkpoints`: a run in one file, from which it goes on bit for bit.
- `sampling`: let a model write. `sample`: the same from a shell.
- `weights`: a model to hand on, in a file. `pretrained`: a model that others trained, in this class.
- `recipe`: what a run is made of, and what is made from it.
- `baselines`: what counting alone reaches.
- `stories`: what notebook 09 trains on, stories told by a grammar, and the rules that they keep.
- `trials`, `pictures`: the small experiments and the drawings of notebook 09.
- `history`: what is kept of a run, so that it can be drawn and forked.

Each module is imported when one of its names is asked for: bits a byte need no PyTorch.

`python -m lmcourse.training --help` trains from a shell; under `torchrun` it is data-parallel.
`python -m lmcourse.training.sample --help` lets a model write.
"""

from lmcourse.support.lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "baselines": "count_baselines",
        "batches": "Batches",
        "checkpoints": "checkpoint_state load_checkpoint resume rng_state save_checkpoint set_rng_state",
        "control": "Control Metrics uninterrupted",
        "divergence": "LossDiverged",
        "evaluation": "PRECISIONS evaluate",
        "loop": "train train_step",
        "pretrained": "fetch_llama load_llama",
        "recipe": "Recipe default_recipe load_model make_model make_optimizer make_schedule make_tokenizer "
        "split_tokens train_settings",
        "sampling": "generate next_token sample_top_p stream stream_text top_k_only",
        "stories": "Stories Teller choose_threads load_stories loss_by_kind rules_kept story_recipe tell",
        "trainer": "Settings",
        "units": "bits_per_byte",
        "weights": "open_model save_model",
    },
)
