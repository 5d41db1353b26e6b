"""Pictures of notebook 08. Only drawing: what is drawn is handed in, or is a parabola."""

import math
from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from lmcourse.optimizers.trials import valley_loss
from lmcourse.support.optional import Tensor, torch
from lmcourse.support.plotting import BLUE, GREY, INK, ORANGE, headline, label_lines

_LOOKS = ((BLUE, "-", "o"), (ORANGE, "--", "s"), (GREY, ":", "^"))


def slope_picture(loss: Callable, at: float, slope: float) -> Figure:
    """A loss of one weight, and at one place the straight line that has its slope.

    >>> len(slope_picture(lambda w: (w - 1) ** 2, at=5, slope=8).axes)
    1
    """
    w = np.linspace(-1, 7, 200)
    fig, ax = plt.subplots(figsize=(6.4, 3.0))
    ax.plot(w, loss(w), color=BLUE)
    near = np.array([at - 1.8, at + 1.2])
    ax.plot(near, loss(at) + slope * (near - at), "--", color=ORANGE)
    ax.plot([at], [loss(at)], "o", color=INK)
    ax.annotate("the loss", (0.4, loss(0.4)), (0, 14), textcoords="offset points", color=BLUE)
    ax.annotate(
        f"slope {slope:g}", (near[1], loss(at) + slope * 1.2), (6, -8), textcoords="offset points", color=ORANGE
    )
    ax.set(xlabel="weight w", ylabel="loss", ylim=(-3, 38))
    ax.set_title(f"At w = {at:g} the loss grows {slope:g} times as fast as w")
    return fig


def descent_picture(loss: Callable, weights: Sequence[float]) -> Figure:
    """A walk of one weight down its loss.

    >>> len(descent_picture(lambda w: (w - 1) ** 2, [5.0, 3.0, 2.0]).axes)
    1
    """
    w = np.linspace(-1, 6, 200)
    places = np.array(weights)
    fig, ax = plt.subplots(figsize=(6.4, 3.0))
    ax.plot(w, loss(w), color=GREY, linewidth=1)
    ax.plot(places, loss(places), "o-", color=BLUE)
    for k in range(3):
        ax.annotate(f"step {k}", (places[k], loss(places[k])), (8, -4), textcoords="offset points")
    ax.set(xlabel="weight w", ylabel="loss")
    ax.set_title("Where the slope is small, so is the step")
    return fig


def paths_picture(
    paths: Mapping[str, Sequence[tuple[float, float]]], condition: float, title: str, steps: int | None = None
) -> Figure:
    """Walks through a valley seen from above, left, and their losses over the steps, right.

    >>> fig = paths_picture({"SGD": [(-2.0, 0.8), (-1.0, 0.0)]}, condition=2, title="One step")
    >>> len(fig.axes)
    2
    """
    fig, (map_, losses) = plt.subplots(1, 2, figsize=(8.4, 3.0), width_ratios=(3, 2))
    x, y = np.meshgrid(np.linspace(-2.4, 1.6, 160), np.linspace(-1.2, 1.2, 120))
    levels = np.geomspace(0.02, valley_loss(-2.0, 0.8, condition), 7)
    map_.contour(x, y, valley_loss(x, y, condition), levels=levels, colors="#c3c8cf", linewidths=0.8)
    for (name, path), (color, dashes, marker) in zip(paths.items(), _LOOKS):
        places = np.array(path[: None if steps is None else steps + 1])
        map_.plot(*places.T, dashes, marker=marker, markersize=2.5, linewidth=1, color=color)
        heights = [valley_loss(*place, condition) for place in path]
        losses.plot(np.maximum(heights, 1e-12), dashes, color=color, label=name)
    map_.plot(0, 0, "x", color=INK)
    map_.set(xlabel="weight 1", ylabel="weight 2", xlim=(-2.4, 1.6), ylim=(-1.2, 1.2))
    map_.grid(False)
    losses.set(yscale="log", xlabel="step", ylabel="loss (log axis)", xlim=(0, len(heights) * 1.45))
    label_lines(losses)
    headline(fig, title)
    return fig


def lines_picture(lines: Mapping[str, Sequence[float]], title: str, *, log: bool = False, **labels: str) -> Figure:
    """Lines over the steps from 1, each with its name at its end, or in a legend where the ends meet.

    `labels` go to the axes, as in `ylabel=`.

    >>> lines_picture({"SGD": [1.0, 0.5]}, "It falls", ylabel="loss").axes[0].get_ylabel()
    'loss'
    """
    fig, ax = plt.subplots(figsize=(6.4, 3.0))
    for (name, values), (color, dashes, _) in zip(lines.items(), _LOOKS):
        ax.plot(range(1, len(values) + 1), values, dashes, color=color, label=name)
    meet = len({round(line[-1], 6) for line in lines.values()}) < len(lines)
    room = 1.02 if meet else 1.3
    ax.set(xlabel="step", xlim=(0, room * len(values)), yscale="log" if log else "linear", **labels)
    if meet:
        ax.legend()
    else:
        label_lines(ax)
    ax.set_title(title)
    return fig


def stretches_picture(matrices: Mapping[str, Tensor], title: str) -> Figure:
    """What each 2 × 2 matrix makes of a circle, with the longest and the shortest stretch drawn in.

    >>> import torch
    >>> len(stretches_picture({"as it is": torch.eye(2)}, "A circle stays one").axes)
    1
    """
    angles = torch.linspace(0, 2 * math.pi, 200)
    circle = torch.stack([angles.cos(), angles.sin()])
    fig, axes = plt.subplots(1, len(matrices), figsize=(7.6, 2.9), sharex=True, sharey=True, squeeze=False)
    for ax, (name, matrix) in zip(axes[0], matrices.items()):
        out, stretches, _ = torch.linalg.svd(matrix)
        ax.plot(*circle, ":", color=GREY, linewidth=1)
        ax.plot(*(matrix @ circle), color=BLUE)
        for k, color in enumerate((ORANGE, INK)):
            end = out[:, k] * stretches[k]
            ax.plot([0, end[0]], [0, end[1]], color=color)
        ax.set_title(f"{name}: {stretches[0]:.2f} and {stretches[1]:.2f}", fontsize=10)
        ax.set(aspect="equal", xlabel="output 1", ylabel="output 2")
    headline(fig, title)
    return fig
