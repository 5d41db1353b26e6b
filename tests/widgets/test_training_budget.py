"""python -m pytest tests/widgets/test_training_budget.py

TrainingBudget in Python: the golden numbers that its JS must reproduce too, what it accepts, and the cross-check
against a step that really runs.
"""

import itertools
from dataclasses import asdict

import pytest
import torch

from lmcourse import flops
from lmcourse.flops import BYTES_PER_NUMBER, PUBLISHED, SHARDING, TransformerShape
from lmcourse.model import ModelConfig, TransformerLM
from lmcourse.widgets import TrainingBudget

SHAPES = [published.shape for published in PUBLISHED.values()] + [
    TransformerShape(7, 8, d_model=4, num_layers=1, num_heads=2, d_ff=3),
    TransformerShape(100, 64, 24, 3, 6, 50, 2, d_head=10, norm="layernorm", bias=True, qk_norm=True),
    TransformerShape(100, 64, 24, 3, 6, 50, gated=False, positions="learned", qkv_bias=True, tie_embeddings=True),
]
FIELDS = ("chip", "devices", "tokens", "mfu", "price", "convention", "sparse", "batch", "seq", "accumulation", "recipe",
          "optimizer", "fused_attention", "checkpoint", "sharding", "first_step", "shape")  # fmt: skip


def test_golden_numbers(golden):
    rows = []
    for shape in SHAPES:
        for seq in (1, 4096):
            rows.append(
                {
                    "shape": asdict(shape),
                    "seq": seq,
                    "params": flops.transformer_params(shape),
                    "flops": flops.transformer_flops(shape, 3, seq),
                    "causal": flops.transformer_flops(shape, 3, seq, causal=True),
                    "per_token": flops.flops_per_token(shape, seq),
                }
            )
    memory = []
    switches = itertools.product(BYTES_PER_NUMBER, SHARDING, (False, True), (False, True))
    for k, (recipe, sharding, fused, checkpoint) in enumerate(switches):
        shape, first_step, accumulate = SHAPES[k % len(SHAPES)], k % 3 == 0, k % 2 == 0
        options = {"recipe": recipe, "optimizer": ("adamw", "sgd", "momentum")[k % 3], "sharding": sharding}
        options |= {"devices": k + 1, "fused_attention": fused, "checkpoint": checkpoint}
        timeline = flops.memory_timeline(shape, 2, 256, first_step=first_step, accumulate=accumulate, **options)
        memory.append(
            {
                "shape": asdict(shape),
                "options": options | {"first_step": first_step, "accumulate": accumulate},
                "parts": flops.training_memory(shape, 2, 256, **options),
                "timeline": timeline if len(timeline) < 9 else [*timeline[:3], *timeline[-3:]],
                "moments": len(timeline),
            }
        )
    widgets = []
    for k, name in enumerate(PUBLISHED):
        chip = list(TrainingBudget().chips)[k % len(TrainingBudget().chips)]
        widget = TrainingBudget(
            name, chip=chip, devices=2**k, tokens=10.0 ** (8 + k / 2), mfu=0.1 + 0.05 * k, price=1 + k / 3,
            convention=list(flops.CONVENTIONS)[k % 5], batch=k + 1, accumulation=1 + k % 2, checkpoint=k % 3 == 1,
        )  # fmt: skip
        widget.sparse = k % 4 == 3
        state = {field: getattr(widget, field) for field in FIELDS} | {"row": widget.chips[chip]}
        widgets.append({"state": state, "numbers": widget.numbers()})
    optimal = [
        {"flops": c, "ratio": r, "is": flops.compute_optimal(c, r)} for c in (1e18, 5.76e23) for r in (1.0, 20.0)
    ]
    tables = TrainingBudget().tables
    golden(
        "training_budget", {"shapes": rows, "memory": memory, "widgets": widgets, "optimal": optimal, "tables": tables}
    )


def test_days_are_those_of_the_napkin_under_6n():
    budget = TrainingBudget("Llama 3 70B", devices=1024, tokens=15e12, mfu=0.5)
    peak = budget.numbers()["peak"]
    assert budget.numbers()["days"] == pytest.approx(
        flops.training_days(PUBLISHED["Llama 3 70B"].params, 15e12, 1024, peak, 0.5)
    )


def test_every_preset_is_there_with_its_published_count_and_source():
    budget = TrainingBudget()
    assert list(budget.presets) == list(PUBLISHED)
    for name, published in PUBLISHED.items():
        assert TrainingBudget(name).numbers()["params"] == published.params
        assert budget.presets[name]["source"] == published.source


def test_it_takes_a_config_a_shape_or_a_model():
    config = ModelConfig(vocab_size=64, context_length=32, d_model=32, num_layers=2, num_heads=2, d_ff=64)
    model = TransformerLM(config)
    for given in (config, flops.shape_of(config), model):
        budget = TrainingBudget(given)
        assert budget.preset == "your model"
        assert budget.numbers()["params"] == sum(p.numel() for p in model.parameters())
    assert TrainingBudget(PUBLISHED["GPT-2"].shape).preset == "GPT-2"
    assert TrainingBudget(model).has_model and not TrainingBudget(config).has_model


def test_a_model_of_yours_can_be_weighed_while_another_is_shown():
    config = ModelConfig(vocab_size=64, context_length=32, d_model=32, num_layers=2, num_heads=2, d_ff=64)
    budget = TrainingBudget("Llama 3 70B", mine=TransformerLM(config))
    assert budget.preset == "Llama 3 70B" and budget.has_model
    assert next(iter(budget.presets)) == "your model" and budget.presets["your model"]["shape"]["d_model"] == 32
    assert budget.answer({"weigh": {"batch": 2, "seq": 32}})["measured"] > 0
    with pytest.raises(TypeError, match="mine: a TransformerLM"):
        TrainingBudget("GPT-2", mine="a model")


@pytest.mark.parametrize("options", [{}, {"fused_attention": True}, {"checkpoint_blocks": True}])
def test_the_cross_check_weighs_a_real_step(options):
    config = ModelConfig(vocab_size=500, context_length=128, d_model=64, num_layers=4, num_heads=4, d_ff=172)
    model = TransformerLM(config, **options)
    answer = TrainingBudget(model).answer({"weigh": {"batch": 8, "seq": 4096}})
    assert answer["seq"] == 128
    assert answer["measured"] == pytest.approx(answer["predicted"], rel=0.10)
    assert all(p.grad is None for p in model.parameters()), "the reader's model is left as it was"


def test_a_step_that_is_too_large_to_try_is_refused_in_words():
    model = TransformerLM(
        ModelConfig(vocab_size=500, context_length=128, d_model=64, num_layers=4, num_heads=4, d_ff=172)
    )
    with pytest.raises(ValueError, match="too large to try here"):
        TrainingBudget(model).answer({"weigh": {"batch": 100_000, "seq": 128}})
    with pytest.raises(ValueError, match="no model of yours"):
        TrainingBudget().answer({"weigh": {"batch": 1, "seq": 1}})


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: TrainingBudget("GPT-9"), ValueError, "model: 'GPT-9' is not one of GPT-2, "),
        (lambda: TrainingBudget(3), TypeError, "config"),
        (lambda: TrainingBudget(torch.nn.Linear(2, 2)), TypeError, "config"),
        (lambda: TrainingBudget(chip="H100"), ValueError, "chip: 'H100' is not one of"),
        (lambda: TrainingBudget(tokens=float("nan")), ValueError, "tokens"),
        (lambda: TrainingBudget(tokens=1e400), ValueError, "tokens"),
        (lambda: TrainingBudget(mfu=1.5), ValueError, "mfu"),
        (lambda: TrainingBudget(devices=0), ValueError, "devices"),
        (lambda: TrainingBudget(seq=-1), ValueError, "seq"),
        (lambda: TrainingBudget(convention="<b>"), ValueError, "convention"),
        (lambda: TrainingBudget(picture="pie"), ValueError, "picture"),
    ],
)
def test_what_is_impossible_is_refused_by_name(call, error, words):
    with pytest.raises(error, match=words):
        call()
