"""Exercises of notebook 06: cases, hints, typical wrong answers. The references are in lmcourse.initialization.

Random fills are judged by what they are like (bounds, std, shape of the edge), so that any way of drawing passes.
"""

import math

import torch
from torch import nn

from lmcourse import initialization as init
from lmcourse.exercises.judging import call, probe
from lmcourse.exercises.topic import Topic

topic = Topic("initialization", 6)
check, predict, quiz, ready = topic.check, topic.predict, topic.quiz, topic.ready


# --- linear_std


def _fans_swapped(fan_in, fan_out, scheme):
    return init.linear_std(fan_out, fan_in, scheme)


def _variance(fan_in, fan_out, scheme):
    return init.linear_std(fan_in, fan_out, scheme) ** 2


def _torch_default_without_three(fan_in, fan_out, scheme):
    return 1 / math.sqrt(fan_in) if scheme == "torch_default" else init.linear_std(fan_in, fan_out, scheme)


topic.exercise(
    init.linear_std,
    cases=[
        call(1, 1, "lecun"),
        call(4, 1, "lecun"),
        call(4, 1, "kaiming"),
        call(2, 6, "xavier"),
        call(100, 1, "torch_default"),
        *[call(512, 2048, scheme) for scheme in init.SCHEMES],
        call(0, 4, "lecun"),
        call(4, 4, "glorot"),
    ],
    hints=(
        "Each scheme fixes a variance: 1/fan_in, 2/(fan_in + fan_out), 2/fan_in. A std is its root.",
        "A uniform on ±a has variance a²/3, and nn.Linear takes a = 1/√fan_in.",
    ),
    wrong={
        "fans swapped": _fans_swapped,
        "a variance, no root": _variance,
        "nn.Linear as 1/√fan_in": _torch_default_without_three,
    },
    minutes=8,
    level=1,
)

# --- trunc_normal_


def _clamps(tensor, std, bound=3.0, *, generator=None):
    with torch.no_grad():
        return tensor.normal_(0, std, generator=generator).clamp_(-bound * std, bound * std)


def _absolute(tensor, std, bound=3.0, *, generator=None):
    return nn.init.trunc_normal_(tensor, std=std, a=-bound, b=bound, generator=generator)


def _new_tensor(tensor, std, bound=3.0, *, generator=None):
    return init.trunc_normal_(torch.empty_like(tensor), std, bound, generator=generator)


def _looks(std, bound):
    def run(fill):
        w = torch.full((400, 500), math.nan)
        result = fill(w, std, bound, generator=torch.Generator().manual_seed(0))
        edge = (w.abs() > 0.99 * bound * std).double().mean().item()
        return {
            "it fills the tensor it is given": bool(torch.isfinite(w).all()),
            "it returns that tensor": result is w,
            "nothing lies outside the bound": bool((w.abs().double() <= bound * std * (1 + 1e-6)).all()),
            "its std is that of a cut normal": abs(w.std().item() / (std * init.truncated_std(bound)) - 1) < 0.01,
            "nothing piles up at the edge": edge < 0.02,
        }

    return run


topic.exercise(
    init.trunc_normal_,
    cases=[
        probe("w = torch.full((400, 500), nan); trunc_normal_(w, std=1.0, bound=1.0)", _looks(1.0, 1.0)),
        probe("the same with std=0.02, bound=2.0", _looks(0.02, 2.0)),
        probe("the same with std=1/√16384, bound=3.0", _looks(1 / 128, 3.0)),
        call(torch.zeros(3), 0.0),
    ],
    hints=(
        "torch.nn.init.trunc_normal_ does the drawing, but its a and b are absolute: give it −bound·std and bound·std.",
        "By hand: draw normals, and draw again wherever the size exceeds bound·std. Clamping instead piles values up.",
    ),
    wrong={"clamps": _clamps, "absolute bounds": _absolute, "fills another tensor": _new_tensor},
    minutes=12,
    level=2,
)

# --- init_residual


def _without_two(weight, num_layers):
    return nn.init.normal_(weight, std=1 / math.sqrt(weight.shape[1] * num_layers))


def _fan_out(weight, num_layers):
    return nn.init.normal_(weight, std=1 / math.sqrt(weight.shape[0] * 2 * num_layers))


def _no_fan(weight, num_layers):
    return nn.init.normal_(weight, std=1 / math.sqrt(2 * num_layers))


def _spread(shape, num_layers):
    def run(fill):
        torch.manual_seed(0)
        w = torch.zeros(shape)
        result = fill(w, num_layers)
        ratio = w.std().item() * math.sqrt(shape[1] * 2 * num_layers)
        return {"it returns the weight": result is w, "its std is 1/√(fan_in·2L)": abs(ratio - 1) < 0.02}

    return run


topic.exercise(
    init.init_residual,
    cases=[
        probe("a 400 × 400 matrix, 1 layer", _spread((400, 400), 1)),
        probe("a 200 × 800 matrix (800 inputs), 12 layers", _spread((200, 800), 12)),
        call(torch.zeros(2, 2), 0),
    ],
    hints=(
        "Two branches a layer, L layers: 2L independent additions. Each may add a variance of 1/(2L).",
        "nn.Linear keeps its weight as (fan_out, fan_in): the inputs are weight.shape[1].",
    ),
    wrong={"one branch a layer": _without_two, "takes fan_out": _fan_out, "forgets the fan": _no_fan},
    minutes=8,
    level=2,
)

# --- initial_loss

topic.exercise(
    init.initial_loss,
    cases=[call(1), call(2), call(256), call(50257), call(0)],
    hints=(
        "Every token has probability 1/V. What is −log of that?",
        "Natural logarithm: PyTorch's cross-entropy is in nats.",
    ),
    wrong={
        "in bits": lambda vocab_size: math.log2(vocab_size),
        "the probability itself": lambda vocab_size: 1 / vocab_size,
        "no check": lambda vocab_size: math.log(max(vocab_size, 1)),
    },
    minutes=4,
    level=1,
)

# --- find_the_bad_layer


def _widest_output(model, x):
    layers = [s for s in init.signal_statistics(model, x) if s.kind == "Linear"]
    return max(layers, key=lambda s: s.std).name


def _smallest_output(model, x):
    layers = [s for s in init.signal_statistics(model, x) if s.kind == "Linear"]
    return min(layers, key=lambda s: s.std).name


def _names_the_activation(model, x):
    return init.find_the_bad_layer(model, x).replace("layer", "act")


def _finds(seed):
    x = torch.randn(64, 128, generator=torch.Generator().manual_seed(seed))
    return probe(f"faulty_network({seed})", lambda find: find(init.faulty_network(seed), x))


topic.exercise(
    init.find_the_bad_layer,
    cases=lambda: [_finds(seed) for seed in (3, 1, 2, 4, 5, 6, 7, 8)],
    hints=(
        "signal_statistics gives the std after every module. A healthy layer leaves the std as it found it.",
        "Look at the ratio of neighbours, not at the sizes: behind one layer that is too wide, all are wide.",
    ),
    wrong={
        "the widest output": _widest_output,
        "the smallest output": _smallest_output,
        "names the activation": _names_the_activation,
    },
    minutes=15,
    level=3,
)

# --- predictions and quiz

topic.prediction(
    "relu_halves",
    answer=-25,
    why="A ReLU passes half of the mean square, so the std shrinks by √½ a layer: (2^-½)^50 = 2^-25, about 3e-8.",
    remarks={-50: "That is the variance: its root shrinks half as fast.", 0: "That would be so without the ReLU."},
)
topic.prediction(
    "linear_default",
    answer=lambda: round(init.linear_std(512, 512, "torch_default"), 4),
    tolerance=0.05,
    why="nn.Linear draws uniformly within ±1/√512, and a uniform's std is its half-width over √3.",
    remarks={0.0442: "That is 1/√512, the half-width of the uniform; its std is √3 smaller."},
)
topic.prediction(
    "absolute_bound",
    answer=384.0,
    tolerance=0.01,
    why="σ = 1/√16384 = 1/128, and 3 divided by 1/128 is 384. Nothing that a normal draws in this universe lies there.",
    remarks={3.0: "That is what the lecture meant. The bound is absolute."},
)

topic.question(
    "Why is a weight's std 1/√fan_in and not 1/fan_in?",
    "An output sums fan_in independent products; variances add, so the std grows by the root of fan_in.",
)
topic.question(
    "What explodes forward, and what backward?",
    "Activations forward, gradients backward: the same weights multiply both, once as W and once transposed.",
)
topic.question(
    "Why does Kaiming's scheme have a 2?",
    "A ReLU sets half of its inputs to zero and so halves the mean square; twice the variance pays for it.",
)
topic.question(
    "What does nn.init.trunc_normal_(w, std=0.01, a=-3, b=3) cut?",
    "Nothing: a and b are absolute, and 3 is 300 standard deviations away.",
)
topic.question(
    "Why are residual outputs scaled by 1/√(2L)?",
    "2L branches add to one stream; each then adds a variance of 1/(2L), so it ends with a variance of 2.",
)
topic.question(
    "A model with V = 50257 starts at a loss of 60. What do you look at?",
    "The head: logits that wide are confident and wrong. It should start at ln V = 10.82.",
)
topic.question(
    "A norm follows every layer. Does the init still matter?",
    "Yes. Forward all looks healthy, but a weight ten times too wide gets a gradient ten times too small.",
)
topic.question(
    "Same seed, two machines, different bits. Why?",
    "Seeds fix the numbers drawn, not the order of a sum: another CPU, GPU or thread count adds in another order.",
)
