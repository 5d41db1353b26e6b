"""SignalScope: how wide the signal is at every depth and width, and what a number format would lose of it.

The map is measured in the browser (a network of that depth for each width, forward and backward), and so are theory,
the cut of a truncated normal, the residual stream and ln V, all by the formulas of `lmcourse.initialization`. Python
measures once for the table that a reader without a kernel sees, and watches the reader's own module.
"""

import html
import math

import torch
import traitlets
from torch import Tensor, nn

from lmcourse import initialization as init
from lmcourse.float_formats import FORMATS
from lmcourse.widgets.base import CourseWidget

WIDTHS = (32, 64, 128, 192)
FORMAT_NAMES = ("float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")
BATCH = 32


class SignalScope(CourseWidget):
    """Depth × width map of activation and gradient std, live in scheme, gain and activation.

    Args:
        model, x: a module of yours and an input for it; measured through hooks that leave nothing behind.
        scheme: one of `initialization.SCHEMES`.
        activation: one of `initialization.ACTIVATIONS`.
        gain: multiplies the scheme's std.
        depth: number of layers, 2 to 64.
        residual: each layer adds to a stream that it reads through a norm.
        vocab_size: for the first-loss badge.

    Raises `ValueError` or `TypeError` naming the argument.
    """

    scheme = traitlets.Unicode().tag(sync=True)
    activation = traitlets.Unicode().tag(sync=True)
    gain = traitlets.Float().tag(sync=True)
    depth = traitlets.Int().tag(sync=True)
    residual = traitlets.Bool().tag(sync=True)
    vocab_size = traitlets.Int().tag(sync=True)
    view = traitlets.Unicode("map").tag(sync=True)
    layer = traitlets.Int(0).tag(sync=True)
    number_format = traitlets.Unicode("float16").tag(sync=True)
    measured = traitlets.Dict().tag(sync=True)
    mine = traitlets.List().tag(sync=True)
    formats = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        model: nn.Module | None = None,
        x: Tensor | None = None,
        *,
        scheme: str = "kaiming",
        activation: str = "relu",
        gain: float = 1.0,
        depth: int = 32,
        residual: bool = False,
        vocab_size: int = 50257,
        view: str | None = None,
        seed: int = 0,
    ):
        if (model is None) != (x is None):
            raise ValueError("model and x: give both or neither")
        init.linear_std(1, 1, scheme)  # refuses an unknown scheme by name
        init.initial_loss(vocab_size)
        settings = _settings({"scheme": scheme, "activation": activation, "gain": gain, "depth": depth,
                              "residual": residual})  # fmt: skip
        self._model, self._x = model, x
        super().__init__(
            title="How wide is the signal at every layer",
            source="Networks: run in this page, batch 8, seeded; a table of numbers and your own module: "
            f"torch {torch.__version__.split('+')[0]}, batch {BATCH}, seed {seed}; "
            "theory: mean field, exact for infinite width",
            vocab_size=vocab_size,
            view=view or ("mine" if model is not None else "map"),
            measured=_measure(settings, seed),
            mine=self._watch(),
            formats={
                name: {"tiny": float(FORMATS[name].smallest_subnormal), "max": float(FORMATS[name].max)}
                for name in FORMAT_NAMES
            },
            **settings,
        )

    @classmethod
    def example(cls) -> "SignalScope":
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 10))
        return cls(model, torch.randn(32, 64), scheme="lecun", view="map")

    def answer(self, question: dict) -> dict:
        if not isinstance(question, dict):
            raise TypeError(f"question: a dict, got {type(question).__name__}")
        if not question.get("again"):
            raise ValueError(f"question: again, to watch your module once more, got {str(question)[:60]}")
        return {"mine": self._watch()}

    def _watch(self) -> list[dict]:
        if self._model is None:
            return []
        return [
            {
                "name": signal.name, "kind": signal.kind, "std": _finite(signal.std), "zero": _finite(signal.zero),
                "grad": _finite(signal.grad_std), "ratio": _finite(signal.weight_grad_ratio),
            }
            for signal in init.signal_statistics(self._model, self._x)
        ]  # fmt: skip

    def summary(self) -> str:
        if self.view == "mine" and self.mine:
            first, last = self.mine[0], self.mine[-1]
            return (
                f"{len(self.mine)} parts of your model: std {_short(first['std'])} leaves {first['name']}, "
                f"{_short(last['std'])} leaves {last['name']}"
            )
        if self.view == "truncation":
            cuts = ", ".join(f"{init.truncated_std(bound):.3f} at ±{bound}" for bound in (1, 2, 3))
            return f"what is left of a normal distribution's std when it is cut: {cuts} std"
        last = self.measured["forward"][-1][-1]
        return (
            f"{self.depth} {self.activation} layers, {self.scheme} with gain {self.gain:g}: at width {WIDTHS[-1]} the "
            f"std entering the last activation is {_short(last)}"
        )

    def snapshot(self) -> str:
        summary = f"<p>{html.escape(self.summary())}.</p>"
        if self.view == "truncation":
            return summary
        if self.view == "mine" and self.mine:
            head, rows = ["std", "gradient std"], [(part["name"], (part["std"], part["grad"])) for part in self.mine]
        else:
            layers = [k for k in (0, 1, 3, 7, 15, 31, 63) if k < self.depth]
            head = [f"layer {k + 1}" for k in layers]
            rows = [
                (f"{what}, width {width}", [row[k] for k in layers])
                for what, key in (("activation std", "forward"), ("gradient std", "backward"))
                for width, row in zip(WIDTHS, self.measured[key])
            ]
        columns = "".join(f"<th>{name}</th>" for name in ["", *head])
        body = "".join(
            f"<tr><th>{html.escape(name)}</th>" + "".join(f"<td>{_short(value)}</td>" for value in values) + "</tr>"
            for name, values in rows
        )
        return f"{summary}<table><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table>"


def _settings(question: dict) -> dict:
    """The settings of the networks, checked."""
    scheme, activation = question.get("scheme"), question.get("activation")
    gain, depth, residual = question.get("gain"), question.get("depth"), question.get("residual", False)
    init.linear_std(1, 1, scheme)
    if activation not in init.ACTIVATIONS:
        raise ValueError(f"activation: one of {', '.join(init.ACTIVATIONS)}, got {activation!r}")
    if not isinstance(gain, int | float) or isinstance(gain, bool) or not 0.01 <= gain <= 100:
        raise ValueError(f"gain: a number from 0.01 to 100, got {gain!r}")
    if not isinstance(depth, int) or isinstance(depth, bool) or not 2 <= depth <= 64:
        raise ValueError(f"depth: a whole number from 2 to 64, got {depth!r}")
    return {"scheme": scheme, "activation": activation, "gain": float(gain), "depth": depth, "residual": bool(residual)}


def _measure(settings: dict, seed: int) -> dict:
    """One network for each width: stds forward and backward, for the summary and the snapshot.

    The four empty fields are in links that were made when the kernel measured for the page: they still open.
    """
    result = {"settings": settings, "widths": list(WIDTHS), "forward": [], "backward": []}
    result |= {"histogram": [], "grad_histogram": [], "lost": {}, "grad_lost": {}}
    for width in WIDTHS:
        gain = settings["gain"] * init.linear_std(width, width, settings["scheme"]) * math.sqrt(width)
        shape = {"residual": settings["residual"], "batch": BATCH, "seed": seed}
        forward, backward = init.measured_stds(settings["depth"], width, gain, settings["activation"], **shape)
        result["forward"].append([_finite(std) for std in forward])
        result["backward"].append([_finite(std) for std in backward])
    return result


def _finite(value: float | None) -> float | None:
    """Five digits, and None for what JSON cannot say."""
    return float(f"{value:.5g}") if value is not None and math.isfinite(value) else None


def _short(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.2g}"
