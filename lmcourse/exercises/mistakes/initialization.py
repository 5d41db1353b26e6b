"""Typical wrong answers of notebook 06; lmcourse.exercises.initialization says which mistake each is."""

import math

from lmcourse import initialization as init
from lmcourse.support.optional import nn, torch


def fans_swapped(fan_in, fan_out, scheme):
    return init.linear_std(fan_out, fan_in, scheme)


def variance(fan_in, fan_out, scheme):
    return init.linear_std(fan_in, fan_out, scheme) ** 2


def torch_default_without_three(fan_in, fan_out, scheme):
    return 1 / math.sqrt(fan_in) if scheme == "torch_default" else init.linear_std(fan_in, fan_out, scheme)


def half_xavier(fan_in, fan_out, scheme):
    std = init.linear_std(fan_in, fan_out, scheme)
    return std / math.sqrt(2) if scheme == "xavier" else std


def any_fan_out(fan_in, fan_out, scheme):
    return init.linear_std(fan_in, max(fan_out, 1), scheme)


def key_error(fan_in, fan_out, scheme):
    return init.linear_std(fan_in, fan_out, {name: name for name in init.SCHEMES}[scheme])


def clamps(tensor, std, bound=3.0, *, generator=None):
    positive(std, bound)
    with torch.no_grad():
        return tensor.normal_(0, std, generator=generator).clamp_(-bound * std, bound * std)


def absolute(tensor, std, bound=3.0, *, generator=None):
    positive(std, bound)
    return nn.init.trunc_normal_(tensor, std=std, a=-bound, b=bound, generator=generator)


def new_tensor(tensor, std, bound=3.0, *, generator=None):
    return init.trunc_normal_(torch.empty_like(tensor), std, bound, generator=generator)


def zeroes(tensor, std, bound=3.0, *, generator=None):
    positive(std, bound)
    with torch.no_grad():
        tensor.normal_(0, std, generator=generator)
        return tensor.masked_fill_(tensor.abs() > bound * std, 0.0)


def returns_nothing(tensor, std, bound=3.0, *, generator=None):
    init.trunc_normal_(tensor, std, bound, generator=generator)


def own_dice(tensor, std, bound=3.0, *, generator=None):
    return init.trunc_normal_(tensor, std, bound)


def redraws_with_own_dice(tensor, std, bound=3.0, *, generator=None):
    positive(std, bound)
    with torch.no_grad():
        tensor.normal_(0, std, generator=generator)
        while (outside := tensor.abs().double() > bound * std).any():
            tensor[outside] = torch.empty_like(tensor[outside]).normal_(0, std)
    return tensor


def widened(tensor, std, bound=3.0, *, generator=None):
    init.trunc_normal_(tensor, std, bound, generator=generator)
    with torch.no_grad():
        return tensor.div_(init.truncated_std(bound))


def positive(std, bound):
    if not (std > 0 and bound > 0):
        raise ValueError("std and bound: more than 0")


def scaled(weight, num_layers, factor):
    init.init_residual(weight, num_layers)
    with torch.no_grad():
        return weight.mul_(factor)


def without_two(weight, num_layers):
    return scaled(weight, num_layers, math.sqrt(2))


def fan_out(weight, num_layers):
    return scaled(weight, num_layers, math.sqrt(weight.shape[1] / weight.shape[0]))


def no_fan(weight, num_layers):
    return scaled(weight, num_layers, math.sqrt(weight.shape[1]))


def the_variance(weight, num_layers):
    return scaled(weight, num_layers, 1 / math.sqrt(weight.shape[1] * max(1, 2 * num_layers)))


def another_matrix(weight, num_layers):
    return init.init_residual(torch.empty_like(weight), num_layers)


def any_depth(weight, num_layers):
    return init.init_residual(weight, max(num_layers, 1))


def negative(vocab_size):
    return -init.initial_loss(vocab_size)


def changes(model, x):
    """Each linear layer, with the std before it and after its activation."""
    before = x.std().item()
    for layer in init.signal_statistics(model, x):
        if layer.kind == "ReLU":
            yield layer.name.replace("act", "layer"), before, layer.std
            before = layer.std


def widest_output(model, x):
    return max(changes(model, x), key=lambda layer: layer[2])[0]


def smallest_output(model, x):
    return min(changes(model, x), key=lambda layer: layer[2])[0]


def by_difference(model, x):
    return max(changes(model, x), key=lambda layer: abs(layer[2] - layer[1]))[0]


def growth_alone(model, x):
    return max(changes(model, x), key=lambda layer: layer[2] / (layer[1] + 1e-12))[0]


def shrinking_alone(model, x):
    return min(changes(model, x), key=lambda layer: layer[2] / (layer[1] + 1e-12))[0]


def names_the_activation(model, x):
    return init.find_the_bad_layer(model, x).replace("layer", "act")


def one_too_late(model, x):
    return f"layer{int(init.find_the_bad_layer(model, x).removeprefix('layer')) + 1}"


def quotient(before, after):
    return after / before if before else init.change_factor(before, after)


def other_quotient(before, after):
    return before / after if after else init.change_factor(before, after)


def difference(before, after):
    return abs(after - before)


def smaller_quotient(before, after):
    return 1 / init.change_factor(before, after)


def divides_by_zero(before, after):
    return max(after / before, before / after)


def nearly_zero(before, after):
    if min(before, after) < 1e-6:
        return 1.0 if max(before, after) < 1e-6 else math.inf
    return max(before / after, after / before)


def two_zeros(before, after):
    return math.inf if before == 0 or after == 0 else init.change_factor(before, after)
