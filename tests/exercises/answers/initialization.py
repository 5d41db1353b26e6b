"""Other ways to answer the exercises of 06, and slips that nobody declared."""

import math
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from lmcourse import initialization as init


def matched(fan_in, fan_out, scheme):
    if min(fan_in, fan_out) < 1:
        raise ValueError("fans")
    match scheme:
        case "lecun":
            return fan_in**-0.5
        case "xavier":
            return np.sqrt(2 / (fan_in + fan_out))
        case "kaiming":
            return math.sqrt(2) / math.sqrt(fan_in)
        case "torch_default":
            return 1 / math.sqrt(3 * fan_in)
    raise ValueError(scheme)


def with_torch(tensor, std, bound=3.0, *, generator=None):
    if std <= 0 or bound <= 0:
        raise ValueError("above 0")
    return nn.init.trunc_normal_(tensor, 0.0, std, -bound * std, bound * std, generator=generator)


@torch.no_grad()
def by_inverse(tensor, std, bound=3.0, *, generator=None):
    if not (std > 0 and bound > 0):
        raise ValueError("above 0")
    edge = math.erf(bound / math.sqrt(2))
    uniform = torch.empty(tensor.shape, dtype=torch.float64).uniform_(-edge, edge, generator=generator)
    return tensor.copy_((uniform.erfinv() * math.sqrt(2) * std).clamp(-bound * std, bound * std))


def uniform_branch(weight, num_layers):
    """Any distribution of that std will do."""
    if num_layers <= 0:
        raise ValueError("layers")
    edge = math.sqrt(3 / (weight.shape[1] * 2 * num_layers))
    return nn.init.uniform_(weight, -edge, edge)


def in_a_list(model, x):
    stds = [x.std().item()] + [s.std for s in init.signal_statistics(model, x) if s.name.startswith("act")]
    logs = [math.log(std + 1e-12) for std in stds]
    changes = [abs(b - a) for a, b in pairwise(logs)]
    return "layer" + str(changes.index(max(changes)))


RIGHT = [
    ("linear_std", matched),
    ("trunc_normal_", with_torch),
    ("trunc_normal_", by_inverse),
    ("init_residual", uniform_branch),
    ("initial_loss", lambda vocab_size: np.log(vocab_size) if vocab_size > 0 else math.log(vocab_size)),
    ("find_the_bad_layer", in_a_list),
]


def a_uniform(tensor, std, bound=3.0, *, generator=None):
    if not (std > 0 and bound > 0):
        raise ValueError("above 0")
    return nn.init.uniform_(tensor, -bound * std, bound * std, generator=generator)


def without_no_grad(tensor, std, bound=3.0, *, generator=None):
    if not (std > 0 and bound > 0):
        raise ValueError("above 0")
    return tensor.normal_(0, std, generator=generator).clamp_(-bound * std, bound * std)


def shifted(tensor, std, bound=3.0, *, generator=None):
    with torch.no_grad():
        return with_torch(tensor, std, bound, generator=generator).abs_()


def rescaled(weight, num_layers):
    with torch.no_grad():
        return weight.mul_(1 / math.sqrt(2 * num_layers)) if num_layers > 0 else math.log(num_layers)


WRONG = [
    ("linear_std", lambda i, o, scheme: matched(i, o, "kaiming" if scheme == "lecun" else scheme), "two alike"),
    ("linear_std", lambda i, o, scheme: matched(i, o, scheme.lower()), "other spellings"),
    ("trunc_normal_", a_uniform, "a uniform"),
    ("trunc_normal_", without_no_grad, "fails on a parameter"),
    ("trunc_normal_", shifted, "of one sign"),
    ("trunc_normal_", lambda t, std, bound=3.0, *, generator=None: with_torch(t, std, 3.0, generator=generator),
     "always three"),
    ("trunc_normal_", lambda t, std, bound=3.0, *, generator=None: with_torch(t, abs(std) or 1.0, bound,
     generator=generator), "a std of 0"),
    ("init_residual", rescaled, "scales what is there"),
    ("init_residual", lambda w, n: uniform_branch(w, n + 1), "one layer more"),
    ("initial_loss", lambda vocab_size: float(vocab_size).as_integer_ratio()[0], "no logarithm"),
    ("initial_loss", lambda vocab_size: math.log(abs(vocab_size)), "a negative vocabulary"),
    ("find_the_bad_layer", lambda model, x: "layer10", "learned by heart"),
    ("find_the_bad_layer", lambda model, x: int(in_a_list(model, x)[5:]), "its number"),
]  # fmt: skip
