"""Optimizers, from stochastic gradient descent to AdamW and Muon, as `torch.optim.Optimizer` subclasses.

The names of options and of state are PyTorch's, so a `state_dict` of `torch.optim` loads here; the learning-rate
schedulers and the hooks of PyTorch work too. They are told in four modules, in this order:

- `base`: what they inherit, options and state dicts checked by name.
- `descent`: SGD, Momentum, AdaGrad, RMSProp, AdamW, Adam; and tools to compare them on one weight.
- `muon`: momentum for matrices.
- `schedules`: learning rates as plain functions of the step, and clipping by global norm.

Beside them: `trials` (the same walk with two optimizers) and `pictures`, which notebook 08 draws.

Not here: `maximize`, `amsgrad`, `dampening`, `centered` and the other rare options; sparse and complex gradients.
"""

from lmcourse.optimizers.base import Optimizer
from lmcourse.optimizers.descent import (
    SGD,
    AdaGrad,
    Adam,
    AdamW,
    Momentum,
    PlainAdamW,
    RMSProp,
    average_in_place,
    corrected,
    distance_after,
    state_bytes,
    step_downhill,
    steps_under,
)
from lmcourse.optimizers.muon import Muon, PlainMuon, orthogonalize
from lmcourse.optimizers.schedules import clip_grad_norm_, cosine_lr, plain_clip_grad_norm_, wsd_lr
