"""TrainingBudget: a model, a number of chips and a budget become days, dollars and bytes, live in one sentence.

The arithmetic runs in the JS so that every slider answers at once; it equals `lmcourse.flops` on golden vectors.
Python gives presets, the accelerator table and the first picture, and weighs the reader's own model when asked to.
"""

import copy
import html
from dataclasses import asdict
from typing import Any

import traitlets

from lmcourse import flops
from lmcourse.flops import BYTES_PER_NUMBER, CONVENTIONS, MOMENTS, PUBLISHED, SHARDING, TransformerShape
from lmcourse.hardware import ACCELERATORS
from lmcourse.widgets.base import CourseWidget

PICTURES = ("memory", "timeline", "conventions", "budget")
YOURS = "your model"
LARGEST_WEIGHED = 300e6  # bytes of a step that the cross-check is willing to run
TRAINABLE = [chip for chip in ACCELERATORS.values() if chip.peak.get("bfloat16") or chip.peak.get("float16")]


class TrainingBudget(CourseWidget):
    """Days, dollars and bytes of training `model`.

    `model` is the name of a published model, a `ModelConfig`, a `TransformerShape`, or a `TransformerLM` of yours,
    which the cross-check then runs. `mine` is a `TransformerLM` of yours that can be chosen and weighed while another
    model is shown first. The other arguments set the controls; the reader moves them.

    >>> TrainingBudget("Llama 3 70B", devices=1024, tokens=15e12, mfu=0.5, chip="H100 SXM")
    TrainingBudget: Llama 3 70B on 1.5e+13 tokens with 1024 × H100 SXM at MFU 0.5 (6N): 145.1 days, $7.13 million
    """

    preset = traitlets.Unicode().tag(sync=True)
    shape = traitlets.Dict().tag(sync=True)
    presets = traitlets.Dict().tag(sync=True)
    chips = traitlets.Dict().tag(sync=True)
    tables = traitlets.Dict().tag(sync=True)  # recipes, moments, sharding, conventions: as lmcourse.flops has them
    chip = traitlets.Unicode().tag(sync=True)
    devices = traitlets.Int().tag(sync=True)
    tokens = traitlets.Float().tag(sync=True)
    mfu = traitlets.Float().tag(sync=True)
    price = traitlets.Float().tag(sync=True)
    convention = traitlets.Unicode().tag(sync=True)
    sparse = traitlets.Bool(False).tag(sync=True)
    batch = traitlets.Int().tag(sync=True)
    seq = traitlets.Int().tag(sync=True)
    accumulation = traitlets.Int().tag(sync=True)
    recipe = traitlets.Unicode().tag(sync=True)
    optimizer = traitlets.Unicode().tag(sync=True)
    fused_attention = traitlets.Bool(True).tag(sync=True)
    checkpoint = traitlets.Bool(False).tag(sync=True)
    sharding = traitlets.Unicode().tag(sync=True)
    first_step = traitlets.Bool(False).tag(sync=True)
    binary = traitlets.Bool(False).tag(sync=True)
    picture = traitlets.Unicode().tag(sync=True)
    moment = traitlets.Int(0).tag(sync=True)
    days = traitlets.Float(30.0).tag(sync=True)
    tokens_per_parameter = traitlets.Float(20.0).tag(sync=True)
    has_model = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        model: Any = "GPT-2",
        *,
        chip: str = "H100 SXM",
        devices: int = 8,
        tokens: float = 10e9,
        mfu: float = 0.4,
        price: float = 2.0,
        convention: str = "6N",
        batch: int = 8,
        seq: int | None = None,
        accumulation: int = 1,
        recipe: str = "mixed",
        optimizer: str = "adamw",
        fused_attention: bool = True,
        checkpoint: bool = False,
        sharding: str = "none",
        picture: str = "memory",
        mine: Any = None,
    ):
        shape, preset, own = _shape(model)
        flops.require_positive(
            devices=devices, tokens=tokens, price=price, mfu=mfu, batch=batch, accumulation=accumulation
        )
        if mfu > 1:
            raise ValueError(f"mfu: a share between 0 and 1, got {mfu}")
        chips = {each.name: asdict(each) for each in TRAINABLE}
        for name, given, allowed in [
            ("chip", chip, chips),
            ("convention", convention, CONVENTIONS),
            ("recipe", recipe, BYTES_PER_NUMBER),
            ("optimizer", optimizer, MOMENTS),
            ("sharding", sharding, SHARDING),
            ("picture", picture, PICTURES),
        ]:
            if given not in allowed:
                raise ValueError(f"{name}: {given!r} is not one of {', '.join(allowed)}")
        seq = min(shape.context_length, 8192) if seq is None else seq
        flops.require_positive(seq=seq)
        presets = {name: {"shape": asdict(each.shape), "source": each.source} for name, each in PUBLISHED.items()}
        own_shape = shape if preset == YOURS else None
        if mine is not None:
            if not (hasattr(mine, "config") and hasattr(mine, "parameters")):
                raise TypeError(f"mine: a TransformerLM of yours, got {type(mine).__name__}")
            own_shape, own = flops.shape_of(mine.config), mine
        if own_shape is not None:
            presets = {YOURS: {"shape": asdict(own_shape), "source": "the sizes you gave"}} | presets
        tables = {"recipes": BYTES_PER_NUMBER, "moments": MOMENTS, "sharding": list(SHARDING)}
        tables |= {"conventions": CONVENTIONS}
        super().__init__(
            preset=preset, shape=asdict(shape), presets=presets, chips=chips, tables=tables, chip=chip, devices=devices,
            tokens=float(tokens), mfu=float(mfu), price=float(price), convention=convention, batch=batch, seq=seq,
            accumulation=accumulation, recipe=recipe, optimizer=optimizer, fused_attention=fused_attention,
            checkpoint=checkpoint, sharding=sharding, picture=picture, has_model=own is not None,
            title="What it takes to train a language model",
        )  # fmt: skip
        self._model = own
        row, published = chips[chip], presets[preset]["source"]
        self.source = f"Shape: {published}. {chip}: {row['source']}, read {row['date']}. Price: yours, no source."

    # The same arithmetic in Python: for the summary, the snapshot, and the golden vectors of the JS

    def _memory_options(self) -> dict[str, Any]:
        names = ("recipe", "optimizer", "fused_attention", "checkpoint", "sharding", "devices")
        return {name: getattr(self, name) for name in names}

    def numbers(self) -> dict[str, Any]:
        """What the widget shows now: FLOPs, days, dollars, memory by part, the five utilisations.

        >>> numbers = TrainingBudget("GPT-2").numbers()
        >>> round(numbers["days"] * 24, 2), round(numbers["dollars"])
        (0.66, 10)
        """
        shape = TransformerShape(**self.shape)
        row = self.chips[self.chip]
        peak = _peak(row) * (row["sparse_factor"] if self.sparse else 1)
        per_token = flops.flops_per_token(shape, self.seq)
        rate = self.mfu * self.devices * peak / per_token[self.convention]
        options = self._memory_options()
        timeline = flops.memory_timeline(
            shape, self.batch, self.seq, first_step=self.first_step, accumulate=self.accumulation > 1, **options
        )
        totals = [sum(value for value in moment.values() if not isinstance(value, str)) for moment in timeline]
        days = self.tokens / rate / flops.SECONDS_PER_DAY
        return {
            "params": sum(flops.transformer_params(shape).values()),
            "peak": peak,
            "per_token": per_token,
            "total_flops": per_token[self.convention] * self.tokens,
            "tokens_per_s": rate,
            "days": days,
            "dollars": days * 24 * self.devices * self.price,
            "memory": flops.training_memory(shape, self.batch, self.seq, **options),
            "peak_bytes": max(totals),
            "peak_moment": timeline[totals.index(max(totals))]["moment"],
            "mfus": {name: flops.mfu(value, rate, peak, self.devices) for name, value in per_token.items()},
        }

    def summary(self) -> str:
        now = self.numbers()
        return (
            f"{self.preset} on {self.tokens:.3g} tokens with {self.devices} × {self.chip} at MFU {self.mfu:.3g} "
            f"({self.convention}): {_time(now['days'])}, {_money(now['dollars'])}"
        )

    def snapshot(self) -> str:
        now, room = self.numbers(), self.chips[self.chip]["memory"]
        verdict = "fits in" if now["peak_bytes"] <= room else "does not fit in"
        rows = [
            ("parameters", f"{now['params']:,}"),
            (f"FLOPs ({self.convention})", f"{now['total_flops']:.3g}"),
            ("time", _time(now["days"])),
            (f"cost at ${self.price:g} an hour and device", _money(now["dollars"])),
            *((name.replace("_", " "), _bytes(size)) for name, size in now["memory"].items()),
            ("peak of a step", f"{_bytes(now['peak_bytes'])}, {verdict} {_bytes(room)}"),
            *((f"MFU, {name}", f"{share:.1%}") for name, share in now["mfus"].items()),
        ]
        cells = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(text)}</td></tr>" for name, text in rows)
        return f"<p>{html.escape(self.summary())}</p>\n<table><tbody>{cells}</tbody></table>"

    @classmethod
    def example(cls) -> "TrainingBudget":
        return cls("Llama 3 70B", devices=1024, tokens=15e12, mfu=0.5)

    def answer(self, question: dict) -> dict:
        """Run one step of the reader's own model and compare the bytes with the prediction."""
        if not isinstance(question, dict) or "weigh" not in question:
            raise ValueError(f"TrainingBudget weighs a step, it cannot answer {str(question)[:60]!r}")
        if self._model is None:
            raise ValueError("there is no model of yours here: TrainingBudget(your_model)")
        batch, seq = question["weigh"]["batch"], question["weigh"]["seq"]
        return weigh_step(self._model, int(batch), int(seq))


def weigh_step(model: Any, batch: int, seq: int) -> dict[str, float]:
    """Bytes that one forward and backward pass of a `TransformerLM` allocates at its peak: predicted and measured.

    A copy of the model runs on the CPU, in fp32. Raises `ValueError` for a step that is too large to try.
    """
    import torch

    from lmcourse.model import cross_entropy
    from lmcourse.support.timing import live_bytes

    config = model.config
    seq = min(seq, config.context_length)
    fused, checkpoint = model.layers[0].attn.fused, model.checkpoint_blocks
    options = {"recipe": "fp32", "optimizer": "sgd", "fused_attention": fused, "checkpoint": checkpoint}
    timeline = flops.memory_timeline(config, batch, seq, **options)
    predicted = max(moment["gradients"] + moment["activations"] + moment["logits"] for moment in timeline)
    if predicted > LARGEST_WEIGHED:
        raise ValueError(f"batch: a step of {predicted / 1e6:.0f} MB is too large to try here, reduce batch or seq")
    own = copy.deepcopy(model).to("cpu", torch.float32)
    own.zero_grad(set_to_none=True)
    ids = torch.zeros(batch, seq, dtype=torch.long)
    measured = max(live_bytes(lambda: cross_entropy(own(ids), ids).backward()))
    return {"predicted": predicted, "measured": float(measured), "batch": batch, "seq": seq}


def _peak(row: dict[str, Any]) -> float:
    """Dense rate in 16 bits: bfloat16 where the chip has it, else float16."""
    return row["peak"].get("bfloat16") or row["peak"]["float16"]


def _shape(model: Any) -> tuple[TransformerShape, str, Any]:
    """The shape of what was given, its name, and the model itself where there is one to run."""
    if isinstance(model, str):
        if model not in PUBLISHED:
            raise ValueError(f"model: {model!r} is not one of {', '.join(PUBLISHED)}")
        return PUBLISHED[model].shape, model, None
    if hasattr(model, "config") and hasattr(model, "parameters"):
        return flops.shape_of(model.config), YOURS, model
    for name, published in PUBLISHED.items():
        if published.shape == model:
            return published.shape, name, None
    return flops.shape_of(model), YOURS, None


def _time(days: float) -> str:
    for size, unit in ((365.25, "years"), (1, "days"), (1 / 24, "hours"), (1 / 1440, "minutes")):
        if days >= size * (2 if unit == "years" else 1):
            return f"{days / size:.1f} {unit}"
    return f"{days * 86_400:.1f} seconds"


def _bytes(size: float) -> str:
    for factor, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size / 1e3:.3g} kB"


def _money(dollars: float) -> str:
    if dollars >= 1e6:
        return f"${dollars / 1e6:.2f} million"
    return f"${dollars:,.0f}" if dollars >= 10 else f"${dollars:.2f}"
