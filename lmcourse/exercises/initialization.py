"""Exercises of notebook 06: cases and hints. References: lmcourse.initialization; wrong answers: mistakes.

Random fills are judged by what they are like (largest value, std, shares), so that any way of drawing passes.
"""

import itertools
import math
import random
from collections.abc import Iterator

from lmcourse import initialization as init
from lmcourse.exercises.cases import Case, Within, call, noise, probe
from lmcourse.exercises.judging import Call
from lmcourse.exercises.mistakes import initialization as mistakes
from lmcourse.exercises.practice import initialization as practice
from lmcourse.exercises.topic import Topic
from lmcourse.support.optional import nn, torch

topic = Topic("initialization", 6, practice)
check, predict, quiz, ready = topic.check, topic.predict, topic.quiz, topic.ready


# --- linear_std


def _std_cases() -> Iterator[Call]:
    for fan_in, fan_out in itertools.product((1, 2, 3, 4), repeat=2):
        yield from (call(fan_in, fan_out, scheme) for scheme in init.SCHEMES)
    for fans in ((0, 4), (4, 0), (-1, 4), (4, -1)):
        yield from (call(*fans, scheme) for scheme in init.SCHEMES)  # refused
    yield from (call(4, 4, scheme) for scheme in ("glorot", "LeCun", ""))  # refused
    dice = random.Random(0)
    for _ in range(40):
        yield call(dice.randint(1, 20_000), dice.randint(1, 20_000), dice.choice(init.SCHEMES))


topic.exercise(
    init.linear_std,
    cases=_std_cases,
    hints=(
        "Each scheme fixes a variance: 1/fan_in, 2/(fan_in + fan_out), 2/fan_in. A std is its root.",
        "A uniform on ±a has variance a²/3, and nn.Linear takes a = 1/√fan_in.",
    ),
    wrong={
        "inputs and outputs have changed places": mistakes.fans_swapped,
        "this is the variance; the std is its root": mistakes.variance,
        "1/√fan_in is the half-width of nn.Linear's uniform, not its std": mistakes.torch_default_without_three,
        "half of Xavier's variance": mistakes.half_xavier,
        "takes a fan_out of 0": mistakes.any_fan_out,
        "a KeyError for an unknown scheme": mistakes.key_error,
    },
    minutes=7,
    level=1,
)

# --- find_the_bad_layer


def _finds(seed: int, depth: int, width: int) -> Case:
    x = noise(64, width, seed=seed)
    label = f"find_the_bad_layer(faulty_network({seed}, depth={depth}, width={width}), x), x standard normal"
    return probe(label, lambda find: find(init.faulty_network(seed, depth, width), x))


def _mild(seed: int, scale: float) -> Case:
    """A network in which one layer is off by a factor of two, up or down."""

    def run(find):
        model = init.faulty_network(seed, depth=6, width=64)
        for k, layer in enumerate(model[::2]):
            wide = (scale if k == seed else 1.0) * init.linear_std(64, 64, "kaiming")
            layer.weight.data, layer.bias.data = wide * noise(64, 64, seed=10 + k), torch.zeros(64)
        return find(model, noise(64, 64, seed=seed))

    label = f"a healthy network of six layers of width 64, layer{seed} {scale:g} times as wide; find_the_bad_layer"
    return probe(label, run)


def _networks() -> Iterator[Case]:
    yield from (_mild(seed, scale) for scale in (2.0, 0.5) for seed in range(6))
    yield from (_finds(seed, depth=4, width=32) for seed in range(1, 7))
    yield from (_finds(seed, depth=20, width=16) for seed in (1, 3, 4, 18))
    yield from (_finds(seed, depth=12, width=64) for seed in (0, 5, 7))
    yield _finds(16, depth=30, width=32)
    yield probe(
        "find_the_bad_layer(faulty_network(2, depth=6, width=64), 30 * x), x standard normal",
        lambda find: find(init.faulty_network(2, 6, 64), 30 * noise(64, 64, seed=2)),
    )


topic.exercise(
    init.find_the_bad_layer,
    cases=_networks,
    hints=(
        "signal_statistics gives the std after every module. A healthy layer leaves the std as it found it.",
        "Keep the std before (first that of x). At each ReLU call change_factor(before, signal.std), remember the "
        "largest with its name, and let before be signal.std.",
    ),
    wrong={
        "the widest output: behind a layer that is too wide, all are wide": mistakes.widest_output,
        "the smallest output: behind a layer that is too narrow, all are narrow": mistakes.smallest_output,
        "the largest difference, where the ratio tells": mistakes.by_difference,
        "looks for growth alone": mistakes.growth_alone,
        "looks for shrinking alone": mistakes.shrinking_alone,
        "names the activation": mistakes.names_the_activation,
        "one layer too late": mistakes.one_too_late,
    },
    minutes=10,
    level=2,
)


# --- change_factor, its step


def _pairs() -> Iterator[Call]:
    sizes = (1.0, 2.0, 0.5, 10.0, 0.1, 1e-6, 3e8, 0.0)
    yield from itertools.starmap(call, itertools.product(sizes, repeat=2))
    yield from (call(1.0, 1.005), call(1.0, 1 - 1e-7))  # nearly equal is not equal
    yield from (call(1e-8, 1.0), call(1e-7, 1e-8))  # nearly 0 is not 0
    dice = random.Random(1)
    for _ in range(20):
        yield call(math.exp(dice.uniform(-9, 9)), math.exp(dice.uniform(-9, 9)))


topic.exercise(
    init.change_factor,
    of="find_the_bad_layer",
    cases=_pairs,
    hints=(
        "Two quotients: after/before and before/after. One of them is 1 or more.",
        "First the equal ones, then those with a 0, so that nothing is divided by 0; then max of the two quotients.",
    ),
    wrong={
        "growth alone": mistakes.quotient,
        "shrinking alone": mistakes.other_quotient,
        "the difference, where the ratio tells": mistakes.difference,
        "the smaller of the two quotients": mistakes.smaller_quotient,
        "divides by 0": mistakes.divides_by_zero,
        "infinite for two zeros": mistakes.two_zeros,
        "what is nearly 0 taken for 0": mistakes.nearly_zero,
    },
    minutes=6,
    level=1,
)

# --- trunc_normal_


def _below(x: float) -> float:
    """The share of a standard normal that is nearer to 0 than x."""
    return math.erf(x / math.sqrt(2))


def _filled(std: float, **cut: float) -> Case:
    """What 100,000 values are like, each thing a number beside the one that is wanted."""
    count, bound = 100_000, cut.get("bound", 3.0)

    def share(low: float, high: float) -> Within:
        wanted = (_below(high) - _below(low)) / _below(bound)
        return Within(wanted, 5 * math.sqrt(wanted * (1 - wanted) / count))

    def measured(fill):
        w = torch.full((200, 500), math.nan)
        fill(w, std, **cut, generator=torch.Generator().manual_seed(0))
        w = w.double() / std
        size = w.abs()
        return {
            "largest size, in std": size.max().item(),
            "std, in std": w.std().item(),
            "mean, in std": w.mean().item(),
            "share in the outermost hundredth": (size >= 0.99 * bound).double().mean().item(),
            "share below std/10": (size < 0.1).double().mean().item(),
        }

    want = {
        "largest size, in std": Within(bound - 0.02, 0.0201),
        "std, in std": Within(init.truncated_std(bound), 0.01),
        "mean, in std": Within(0.0, 0.016),
        "share in the outermost hundredth": share(0.99 * bound, bound),
        "share below std/10": share(0.0, 0.1),
    }
    options = "".join(f", {name}={value:g}" for name, value in cut.items())
    return probe(f"w = torch.full((200, 500), nan); trunc_normal_(w, std={std:g}{options})", measured, want)


def _trunc_cases() -> Iterator[Case | Call]:
    def returned(fill):
        w = torch.empty(3, 4)
        return fill(w, 1.0) is w

    def parameter(fill):
        w = nn.Parameter(torch.full((20, 30), math.nan))
        return fill(w, 0.1, 2.0) is w and w.requires_grad and w.is_leaf and w.isfinite().all().item()

    def same_memory(fill):
        w = nn.Parameter(torch.full((20, 30), math.nan))
        seen = w.detach()
        fill(w, 0.1, 2.0)
        return "filled" if seen.isfinite().all() else "as it was"

    def one_generator(fill):
        dice = torch.Generator().manual_seed(7)
        first, second = (fill(torch.empty(20), 1.0, generator=dice).tolist() for _ in range(2))
        return "the same values" if first == second else "other values"

    def drawn_twice(fill):
        # A bound of 1 std refuses a third of 300 draws: some are surely drawn again.
        first, second = (fill(torch.empty(300), 1.0, 1.0, generator=torch.Generator().manual_seed(7)) for _ in range(2))
        return first.tolist() == second.tolist()

    yield probe("w = torch.empty(3, 4); trunc_normal_(w, 1.0) is w", returned)
    yield probe("w = nn.Parameter(…); whether trunc_normal_(w, 0.1, 2.0) fills and returns it", parameter)
    yield probe("the memory of w = nn.Parameter(…), after trunc_normal_(w, 0.1, 2.0)", same_memory)
    yield probe("what a second call draws from the same generator", one_generator)
    yield probe("whether two generators with seed 7 give the same 300 values, std 1 and bound 1", drawn_twice)
    for std, bound in ((0.0, 3.0), (-1.0, 3.0), (1.0, 0.0), (1.0, -1.0), (0.0, 0.0)):
        yield call(torch.zeros(3), std, bound)  # refused
    yield _filled(1.0, bound=1.0)
    yield _filled(0.02, bound=2.0)
    yield _filled(1 / 128)


topic.exercise(
    init.trunc_normal_,
    cases=_trunc_cases,
    hints=(
        "torch.nn.init.trunc_normal_ does the drawing, but its a and b are absolute: give it −bound·std and bound·std.",
        "By hand, under `torch.no_grad()`: draw normals, and draw again wherever the size exceeds bound·std. Clamping "
        "instead piles values up at the edge.",
    ),
    wrong={
        "clamps: what lies outside piles up at the edge": mistakes.clamps,
        "the bound taken as an absolute value": mistakes.absolute,
        "fills another tensor": mistakes.new_tensor,
        "what lies outside becomes 0": mistakes.zeroes,
        "returns nothing": mistakes.returns_nothing,
        "leaves the generator aside": mistakes.own_dice,
        "the second draws leave the generator aside": mistakes.redraws_with_own_dice,
        "stretched back to std, over the bound": mistakes.widened,
    },
    minutes=12,
    level=2,
)

# --- init_residual


def _spread(shape: tuple[int, int], num_layers: int) -> Iterator[Case]:
    fan_out, fan_in = shape
    margin = 5 / math.sqrt(2 * fan_out * fan_in)
    setup = f"w = torch.zeros{shape}; init_residual(w, {num_layers})"

    def std(fill):
        w = torch.zeros(shape)
        fill(w, num_layers)
        return w.std().item() * math.sqrt(fan_in * 2 * num_layers)

    def mean(fill):
        w = torch.zeros(shape)
        fill(w, num_layers)
        return w.mean().item() / (w.std().item() or 1.0)

    yield probe(f"{setup}, then the std of w, times √(fan_in · 2 · num_layers)", std, Within(1.0, margin, "std"))
    yield probe(f"{setup}, then the mean of w over its std", mean, Within(0.0, 1.5 * margin, "mean"))


def _residual_cases() -> Iterator[Case | Call]:
    def returned(fill):
        w = torch.zeros(3, 4)
        return fill(w, 1) is w

    def parameter(fill):
        w = nn.Parameter(torch.zeros(20, 30))
        return fill(w, 2) is w and w.requires_grad and w.is_leaf and w.std().item() > 0

    def same_memory(fill):
        w = nn.Parameter(torch.zeros(20, 30))
        seen = w.detach()
        fill(w, 2)
        return "filled" if seen.any() else "as it was"

    yield probe("w = torch.zeros(3, 4); init_residual(w, 1) is w", returned)
    yield probe("the memory of w = nn.Parameter(…), after init_residual(w, 2)", same_memory)
    yield probe("w = nn.Parameter(…); whether init_residual(w, 2) fills and returns it", parameter)
    yield call(torch.zeros(2, 2), 0)  # refused
    yield call(torch.zeros(2, 2), -1)
    for shape, num_layers in itertools.product(((300, 300), (200, 800), (800, 200)), (1, 2, 12)):
        yield from _spread(shape, num_layers)


topic.exercise(
    init.init_residual,
    cases=_residual_cases,
    hints=(
        "Two branches a layer, L layers: 2L independent additions. Each may add a variance of 1/(2L).",
        "nn.Linear keeps its weight as (fan_out, fan_in): the inputs are weight.shape[1]. `nn.init.normal_(weight, "
        "std=...)` fills a weight in place and returns it.",
    ),
    wrong={
        "one branch a layer, where there are two": mistakes.without_two,
        "takes fan_out for fan_in": mistakes.fan_out,
        "leaves the fan aside": mistakes.no_fan,
        "this is the variance; the std is its root": mistakes.the_variance,
        "fills another matrix": mistakes.another_matrix,
        "takes a depth of 0": mistakes.any_depth,
    },
    minutes=10,
    level=2,
)

# --- initial_loss


def _loss_cases() -> Iterator[Call]:
    yield from map(call, range(1, 65))
    yield from map(call, (0, -1, -5))  # refused
    yield from map(call, (256, 1000, 50257, 151_936))


topic.exercise(
    init.initial_loss,
    cases=_loss_cases,
    hints=(
        "Every token has probability 1/V. What is −log of that?",
        "Natural logarithm: PyTorch's cross-entropy is in nats.",
    ),
    wrong={
        "this is in bits; nats were asked": lambda vocab_size: init.initial_loss(vocab_size) / math.log(2),
        "this is the probability, not minus its logarithm": lambda vocab_size: math.exp(-init.initial_loss(vocab_size)),
        "the logarithm of the probability, without the minus": mistakes.negative,
        "takes a vocabulary of no tokens": lambda vocab_size: math.log(max(vocab_size, 1)),
    },
    minutes=6,
    level=1,
)

# --- predictions and quiz

topic.prediction(
    "relu_halves",
    answer=-25,
    why="A ReLU passes half of the mean square: 2^-50 after fifty layers. The root of that is 2^-25, about 3e-8.",
    remarks={-50: "That is the mean square. Asked is its root.", 0: "That would be so without the ReLU."},
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
    remarks={3.0: "a and b are not counted in standard deviations."},
)

topic.question(
    "One throw has std 2. What std has the sum of 100 independent throws?",
    "20: the variance is 100 times 4, which is 400, and its root is 20.",
)
topic.question(
    "Why is a weight's std 1/√fan_in and not 1/fan_in?",
    "An output sums fan_in independent products; variances add, so the std grows by the root of fan_in.",
)
topic.question(
    "Why does Kaiming's scheme have a 2?",
    "A ReLU sets half of its inputs to zero and so halves the mean square; twice the variance pays for it.",
)
topic.question(
    "Forward, an output sums over fan_in. Over what does a gradient sum backward?",
    "Over fan_out: it comes back through the same weights, the other way. One std serves both only if they are equal.",
)
topic.question(
    "The stds behind four ReLUs are 0.9, 0.8, 0.08 and 0.07. Which layer is spoiled?",
    "The third: there the std changes ten times. The fourth only passes on what it got.",
)
topic.question(
    "More: what does nn.init.trunc_normal_(w, std=0.01, a=-3, b=3) cut?",
    "Nothing: a and b are absolute, and 3 is 300 standard deviations away.",
)
topic.question(
    "More: why are residual outputs scaled by 1/√(2L)?",
    "2L branches add to one stream; each then adds a variance of 1/(2L), so it ends with a variance of 2.",
)
topic.question(
    "More: a model with V = 50257 starts at a loss of 60. What do you look at?",
    "The output layer: logits that wide are confident and wrong. It should start at ln V = 10.82.",
)
topic.question(
    "More: a norm follows every layer. Does the init still matter?",
    "Yes. Forward all looks healthy, but a weight ten times too wide moves a hundred times less in a plain step, and "
    "ten times less with Adam, compared with its size.",
)
topic.question(
    "More: same seed, two machines, different bits. Why?",
    "Seeds fix the numbers drawn, not the order of a sum: another CPU, GPU or thread count adds in another order.",
)
