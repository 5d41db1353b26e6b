"""Pictures of notebook 09. Only drawing: what is drawn is handed in."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from lmcourse.model import ModelConfig
from lmcourse.support.plotting import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, SKY, box, canvas, headline

RULE_COLOURS = {
    "spelled": BLUE, "formed": ORANGE, "pronoun": GREEN, "thing": PURPLE, "place": GREY, "name": INK, "cause": SKY,
    "ends": "#a08a2d",
}  # fmt: skip


def model_picture(config: ModelConfig) -> Figure:
    """The whole model from the ids to the logits, with the shape of what passes; one block is drawn open.

    >>> len(model_picture(ModelConfig(10, 8, d_model=16, num_layers=2, num_heads=2, d_ff=32)).axes)
    1
    """
    fig, ax = canvas(7.4, 4.6, xlim=(0, 10), ylim=(0, 10.2))
    d, v = config.d_model, config.vocab_size
    rows = (
        (0.3, "ids", "batch × context"),
        (1.7, "embedding: a row of numbers per id", f"batch × context × {d}"),
        (7.6, "RMSNorm", f"batch × context × {d}"),
        (9.0, "head: a logit per token", f"batch × context × {v:,}"),
    )
    for at, words, shape in rows:
        box(ax, 0.3, at, 4.2, 0.9, words)
        ax.text(6.9, at + 0.45, shape, va="center", family="monospace", fontsize=9)
    ax.add_patch(plt.Rectangle((0.1, 3.0), 6.4, 4.2, fill=False, edgecolor=GREY, linestyle="--"))
    ax.text(6.9, 5.1, f"{config.num_layers} such blocks,\neach batch × context × {d}", va="center", fontsize=9)
    for at, part in ((3.3, "attention"), (5.4, "SwiGLU")):
        box(ax, 2.0, at, 1.5, 0.9, "RMSNorm", edge=ORANGE)
        box(ax, 3.9, at, 1.7, 0.9, part, edge=BLUE)
        ax.text(1.0, at + 1.2, "+", ha="center", va="center", fontsize=14, fontweight="bold")
        ax.plot([1.0, 2.0], [at + 0.45, at + 0.45], color=INK, linewidth=1)
        ax.plot([3.5, 3.9], [at + 0.45, at + 0.45], color=INK, linewidth=1)
        ax.plot([4.75, 4.75, 1.25], [at + 0.9, at + 1.2, at + 1.2], color=INK, linewidth=1)
    for low, high in ((1.2, 1.7), (2.6, 4.3), (4.7, 6.4), (6.8, 7.6), (8.5, 9.0)):
        ax.annotate("", (1.0, high), (1.0, low), arrowprops={"arrowstyle": "->", "color": INK})
    ax.set_title("Every part of a block adds to the vectors; none replaces them")
    return fig


def rules_picture(kept: Mapping[int, Mapping[str, float]], title: str) -> Figure:
    """For each rule the share of stories that keep it, over the steps; each line is named at its end.

    >>> len(rules_picture({1: {"spelled": 0.0}, 9: {"spelled": 1.0}}, "Spelling is learned").axes)
    1
    """
    fig, ax = plt.subplots(figsize=(7.0, 3.8))
    steps, rules = list(kept), list(next(iter(kept.values())))
    ends = {rule: kept[steps[-1]][rule] for rule in rules}
    places = _apart(ends, 0.075)
    for rule in rules:
        colour = RULE_COLOURS.get(rule, GREY)
        ax.plot(steps, [row[rule] for row in kept.values()], "o-", color=colour, markersize=3, linewidth=1.5)
        ax.annotate(
            f"{rule} {ends[rule]:.0%}", (steps[-1], places[rule]), (8, 0), textcoords="offset points", va="center",
            color=colour, annotation_clip=False,
        )  # fmt: skip
    ax.set(xlabel="step", ylabel="share of the stories that keep the rule", ylim=(-0.03, 1.05))
    ax.set_title(title)
    return fig


def _apart(ends: Mapping[str, float], gap: float) -> dict[str, float]:
    """Places for names that would lie on each other: in the same order, `gap` apart, the highest one where it is."""
    places, last = {}, 2.0
    for rule in sorted(ends, key=lambda rule: -ends[rule]):
        places[rule] = last = min(ends[rule], last - gap)
    return places


def gallery_picture(curves: Mapping[str, np.ndarray], healthy: np.ndarray) -> Figure:
    """Loss and gradient norm of sick runs, by their letters, each beside a healthy one.

    >>> len(gallery_picture({"A": np.ones((2, 5)), "B": np.ones((2, 5))}, np.ones((2, 5))).axes)
    4
    """
    fig, axes = plt.subplots(2, len(curves), figsize=(9.6, 4.2), sharex=True, sharey="row", squeeze=False)
    for column, letter in enumerate(sorted(curves)):
        for ax, ill, well in zip(axes[:, column], curves[letter], healthy):
            ax.plot(range(1, len(well) + 1), well, color=GREY, linewidth=1)
            ax.plot(range(1, len(ill) + 1), ill, color=BLUE, linewidth=1.5)
        axes[0, column].set_title(letter)
    axes[0, 0].set(ylabel="loss, nats per byte", ylim=(0, 7), xscale="log")
    axes[1, 0].set(ylabel="gradient norm (log)", yscale="log")
    fig.supxlabel("step (log)", fontsize=10)
    headline(fig, "Five sick runs (blue), each beside a healthy one (grey)")
    return fig
