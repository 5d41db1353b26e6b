"""Practice beside notebook 06: see the package."""

SLIPS = {
    "find_the_bad_layer": {
        "the largest difference, where the ratio tells": (
            "factor = change_factor(before, signal.std)",
            "factor = abs(before - signal.std)",
        ),
        "names the activation": ('signal.name.replace("act", "layer")', "signal.name"),
    },
    "change_factor": {
        "the difference, where the ratio tells": (
            "return max(before / after, after / before)",
            "return abs(after - before)",
        ),
        "the smaller of the two quotients": ("return max(before", "return min(before"),
    },
    "trunc_normal_": {
        "leaves the generator aside": ("tensor.normal_(0, std, generator=generator)", "tensor.normal_(0, std)"),
        "what lies outside becomes 0": (
            "torch.empty_like(tensor[outside]).normal_(0, std, generator=generator)",
            "0.0",
        ),
    },
}

WHY = {
    "linear_std": (
        'Why does `"kaiming": 2 / fan_in` have twice the variance of `"lecun": 1 / fan_in`?',
        "It is meant for a layer behind a ReLU, which sets half of the numbers to 0. Twice the variance makes up for "
        "that half.",
    ),
    "find_the_bad_layer": (
        "Why is `before = signal.std` set after every ReLU, and not only once before the loop?",
        "Each layer is compared with what it received. One bad layer makes all later signals large; only its own "
        "factor stands out.",
    ),
    "change_factor": (
        "What does `max(before / after, after / before)` treat alike?",
        "Growth and shrinking: a layer that makes the signal ten times smaller is as bad as one that makes it ten "
        "times larger.",
    ),
    "trunc_normal_": (
        "Why is `while (outside := ...)` a loop, and not an if?",
        "New draws may lie outside as well. Each round draws anew what is still outside, until nothing is.",
    ),
    "init_residual": (
        "Where does the 2 of `fan_in * 2 * num_layers` come from?",
        "Each layer adds two branches, attention and the feed-forward part, and their variances add up.",
    ),
    "initial_loss": (
        "Why is `math.log(vocab_size)` the loss of a model that knows nothing?",
        "Each token gets the probability 1 / vocab_size. Minus the logarithm of that is the logarithm of vocab_size.",
    ),
}
