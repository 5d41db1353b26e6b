"""FormatHistogram: a tensor of the reader's over the numbers that each format has.

The picture is drawn from a sample, at once, by the JS; what it says of the whole tensor is computed here, by
`lmcourse.quantization`. Block formats (MXFP4, NVFP4) choose a scale a block, as their hardware does.
"""

import base64
import html
import math
from dataclasses import asdict, replace

import torch
import traitlets

from lmcourse.float_formats import FORMATS, FloatFormat
from lmcourse.quantization import quantize, quantize_mxfp4, quantize_nvfp4
from lmcourse.widgets.base import CourseWidget

# float64 holds whatever a tensor holds, and e8m0 is for scales, not for signed elements.
NAMES = [name for name in FORMATS if name not in ("float64", "float8_e8m0fnu")]
BLOCKS = {"mxfp4": quantize_mxfp4, "nvfp4": quantize_nvfp4}
SAMPLE = 64 * 32  # elements: whole blocks, so that block scales are what they are in the tensor
LIMIT = 2**17  # elements that Python looks at: so many are answered within a tenth of a second
MOST_SCALE = 40


class FormatHistogram(CourseWidget):
    """What every format would do to the elements of `tensor`, after a multiplication by `2**scale`.

    `format` is the row that the reading line speaks of; `fit=True` gives each format the power of two that brings the
    largest element just inside it. Infinities and NaNs are counted and left out.

    >>> FormatHistogram(torch.tensor([1e-8, 0.1, 1.0, 1e5]), format="float16", name="gradients")
    FormatHistogram: in float16, 25.0 % of the nonzero elements of gradients become 0 and 25.0 % are too large
    """

    sample = traitlets.Unicode("").tag(sync=True)
    count = traitlets.Int(0).tag(sync=True)
    sampled = traitlets.Int(0).tag(sync=True)
    not_finite = traitlets.Int(0).tag(sync=True)
    largest = traitlets.Float(0.0).tag(sync=True)
    name = traitlets.Unicode("").tag(sync=True)
    scale = traitlets.Int(0).tag(sync=True)
    fit = traitlets.Bool(False).tag(sync=True)
    format = traitlets.Unicode("float16").tag(sync=True)
    formats = traitlets.List().tag(sync=True)

    def __init__(
        self,
        tensor: torch.Tensor,
        format: str = "float16",
        *,
        scale: int = 0,
        fit: bool = False,
        name: str = "the tensor",
    ):
        if not isinstance(tensor, torch.Tensor):
            raise TypeError(f"tensor: expected a torch.Tensor, got {type(tensor).__name__}")
        if tensor.is_complex() or tensor.layout != torch.strided:
            raise ValueError(f"tensor: expected a dense tensor of real numbers, got {tensor.dtype}, {tensor.layout}")
        if tensor.numel() == 0:
            raise ValueError(f"tensor: expected at least one element, got shape {tuple(tensor.shape)}")
        if format not in NAMES and format not in BLOCKS:
            raise ValueError(f"format: expected one of {', '.join([*NAMES, *BLOCKS])}, got {format!r}")
        if not isinstance(scale, int) or abs(scale) > MOST_SCALE:
            raise ValueError(
                f"scale: expected an int, the power of two, from -{MOST_SCALE} to {MOST_SCALE}, got {scale!r}"
            )
        flat = tensor.detach().flatten().double().cpu()
        finite = flat[flat.isfinite()]
        self._elements = finite if finite.numel() <= LIMIT else finite[_spread(finite.numel(), LIMIT)]
        sample = _sample(finite)
        super().__init__(
            sample=base64.b64encode(sample.numpy().tobytes()).decode("ascii"),
            count=tensor.numel(),
            sampled=sample.numel(),
            not_finite=flat.numel() - finite.numel(),
            largest=finite.abs().max().item() if finite.numel() else 0.0,
            name=name,
            scale=scale,
            fit=fit,
            format=format,
            formats=[asdict(FORMATS[each]) for each in NAMES],
            title=f"What each format makes of {name}",
        )
        shown = "all" if sample.numel() == tensor.numel() else f"{sample.numel():,} of its".replace(",", "\u2009")
        total = f"{tensor.numel():,}".replace(",", "\u2009")
        self.source = (
            f"Drawn from {shown} {total} elements, rounded to nearest even. The error is relative, a mean over what is "
            "neither lost nor too large; signal to noise is taken with what is too large saturated."
        )

    def report(self, format: str | None = None) -> dict:
        """What becomes of the whole tensor in one format: shares of the nonzero elements, mean relative error, dB."""
        name = format or self.format
        scale = math.ldexp(1.0, self.scale)
        if self.fit and name in FORMATS:
            scale = math.ldexp(1.0, fitting_scale(FORMATS[name], self.largest))
        return report(self._elements, name, scale)

    def summary(self) -> str:
        if not self.sampled:
            return f"{self.name} has no finite element, so there is nothing to round"
        said = self.report()
        times = "" if self.fit or self.scale == 0 else f" times 2**{self.scale}"
        return (
            f"in {self.format}, {100 * said['underflow']:.1f} % of the nonzero elements of {self.name}{times} become 0 "
            f"and {100 * said['overflow']:.1f} % are too large"
        )

    def snapshot(self) -> str:
        if not self.sampled:
            return f"<p>{html.escape(self.summary())}.</p>"
        rows = ""
        for name in [*NAMES, *BLOCKS]:
            said = self.report(name)
            error = "none" if said["error"] is None else f"{100 * said['error']:.3g} %"
            noise = "no noise" if said["decibel"] is None else f"{said['decibel']:.1f} dB"
            rows += (
                f"<tr><th>{name}</th><td>{100 * said['underflow']:.1f} %</td><td>{100 * said['overflow']:.1f} %</td>"
                f"<td>{error}</td><td>{noise}</td></tr>"
            )
        head = "".join(f"<th>{text}</th>" for text in ("format", "become 0", "too large", "error", "signal to noise"))
        return (
            f"<p>{html.escape(self.summary())}.</p>\n<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )

    @classmethod
    def example(cls) -> "FormatHistogram":
        generator = torch.Generator().manual_seed(0)
        gradients = torch.randn(64, 96, generator=generator) * torch.logspace(-9, -1, 96)
        return cls(gradients, "float16", name="a layer's gradients")

    def answer(self, question: dict) -> dict:
        """The report of one format at one scale over every element that Python holds."""
        if not isinstance(question, dict) or question.get("format") not in [*NAMES, *BLOCKS]:
            raise ValueError("expected the name of a format")
        scale = question.get("scale", 0)
        if not isinstance(scale, int) or abs(scale) > 400:
            raise ValueError("expected a whole power of two for a scale")
        said = report(self._elements, question["format"], math.ldexp(1.0, scale))
        return said | {"elements": self._elements.numel(), "format": question["format"], "scale": scale}


def report(x: torch.Tensor, name: str, scale: float = 1.0) -> dict:
    """Round `x * scale` to a format, or block format, and say what was lost.

    Returns `underflow` and `overflow`, shares of the nonzero elements; `error`, the mean relative error of the others;
    `decibel`, the ratio of signal to noise. `None` where there is nothing to average, or no noise.

    >>> report(torch.tensor([1.0, 1e-8, 0.0]), "float16")["underflow"]
    0.5
    """
    x = x.flatten().double() * scale
    if name in BLOCKS:
        padded = torch.nn.functional.pad(x, (0, -x.numel() % 32))
        rounded = BLOCKS[name](padded)[0][: x.numel()] if x.numel() else x
        too_large = torch.zeros_like(x, dtype=torch.bool)
    else:
        fmt = FORMATS[name]
        # One more exponent bit leaves the spacing as it is and makes room: what rounds past the largest can be seen to.
        roomy = fmt if fmt.has_nan else replace(fmt, exponent_bits=fmt.exponent_bits + 1)
        rounded = quantize(x, roomy, overflow="nan")
        too_large = rounded.isnan() | (rounded.abs() > fmt.max)
        rounded = torch.where(too_large, torch.full_like(x, fmt.max).copysign(x), rounded)
    nonzero = x != 0
    lost = nonzero & (rounded == 0)
    kept = nonzero & ~lost & ~too_large
    n = max(nonzero.sum().item(), 1)
    noise = (rounded - x).square().sum().item()
    return {
        "underflow": lost.sum().item() / n,
        "overflow": (too_large & nonzero).sum().item() / n,
        "error": ((rounded - x)[kept] / x[kept]).abs().mean().item() if kept.any() else None,
        "decibel": 10 * math.log10(x.square().sum().item() / noise) if noise and x.any() else None,
    }


def fitting_scale(fmt: FloatFormat, largest: float) -> int:
    """The largest power of two that keeps `largest` within a format; none where the range is float32's already.

    >>> fitting_scale(FORMATS["float8_e4m3fn"], 1.0)
    8
    """
    if largest == 0 or fmt.exponent_bits >= 8:
        return 0
    exponent = math.frexp(fmt.max / largest)[1] - 1
    return max(-400, min(400, exponent))


def _sample(x: torch.Tensor) -> torch.Tensor:
    """At most SAMPLE elements: blocks of 32 neighbours, at random (an even stride meets the same columns)."""
    if x.numel() <= SAMPLE:
        return x
    chosen = torch.randperm(x.numel() // 32, generator=torch.Generator().manual_seed(0))[: SAMPLE // 32].sort().values
    return x[(chosen[:, None] * 32 + torch.arange(32)).flatten()]


def _spread(n: int, count: int) -> torch.Tensor:
    """`count` of n positions, evenly spread but in step with no row length."""
    return (torch.arange(count, dtype=torch.float64) * (n / count)).long()
