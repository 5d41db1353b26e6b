"""Run me with: pytest tests/test_flops.py

Oracles: PyTorch's FlopCounterMode on real modules, forward and backward; `sum(p.numel())`; published parameter counts;
bytes that autograd keeps and that the profiler sees allocated; the closed forms of the papers.
"""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lmcourse import flops
from lmcourse.flops import BYTES_PER_NUMBER, CONVENTIONS, PUBLISHED, TransformerShape
from lmcourse.hardware import ACCELERATORS
from lmcourse.model import ModelConfig, TransformerLM, cross_entropy
from lmcourse.support.timing import live_bytes, saved_bytes

configs = st.builds(
    lambda vocab, group, kv, half, layers, ff, tied, normed: ModelConfig(
        vocab_size=vocab,
        context_length=32,
        d_model=group * kv * 2 * half,
        num_layers=layers,
        num_heads=group * kv,
        d_ff=ff,
        num_kv_heads=kv,
        tie_embeddings=tied,
        qk_norm=normed,
    ),
    st.integers(2, 40),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(1, 50),
    st.booleans(),
    st.booleans(),
)


def counted(fn) -> int:
    with FlopCounterMode(display=False) as counter:
        fn()
    return counter.get_total_flops()


def ids(config, batch, seq):
    return torch.randint(0, config.vocab_size, (batch, seq), generator=torch.Generator().manual_seed(0))


# --- FLOPs and parameters ---


@settings(max_examples=25)
@given(config=configs, batch=st.integers(1, 3), seq=st.integers(2, 32))  # of one position, einsum makes no matmul
def test_flops_and_parameters_equal_pytorchs_count_on_the_real_model(config, batch, seq):
    model, x = TransformerLM(config), ids(config, batch, seq)
    predicted = sum(flops.transformer_flops(config, batch, seq).values())
    assert counted(lambda: model(x)) == predicted
    assert counted(lambda: model(x).sum().backward()) == 3 * predicted
    assert sum(flops.transformer_params(config).values()) == sum(p.numel() for p in model.parameters())


@settings(max_examples=30)
@given(heads=st.integers(1, 4), half=st.integers(1, 8), ff=st.integers(1, 64), seq=st.integers(1, 24))
def test_two_matrix_blocks_equal_pytorchs_encoder_layer(heads, half, ff, seq):
    """A GPT-2 block is nn.TransformerEncoderLayer with GELU, pre-norm and biases; its head comes on top."""
    d = 2 * half * heads
    layer = nn.TransformerEncoderLayer(d, heads, ff, activation="gelu", norm_first=True, batch_first=True)
    shape = TransformerShape(
        7, 24, d, 1, heads, ff, gated=False, norm="layernorm", positions="learned", bias=True, tie_embeddings=True
    )
    with sdpa_kernel(SDPBackend.MATH):
        found = counted(lambda: layer(torch.randn(2, seq, d), is_causal=True, src_mask=torch.zeros(seq, seq)))
    parts = flops.transformer_flops(shape, 2, seq)
    assert found == sum(parts.values()) - parts["head"]
    params = flops.transformer_params(shape)
    final_norm, embeddings = 2 * d, 7 * d + 24 * d
    assert sum(p.numel() for p in layer.parameters()) == sum(params.values()) - final_norm - embeddings


def test_pytorchs_counter_may_say_zero_for_fused_attention_on_the_cpu():
    """The trap that the notebook shows: it does so up to torch 2.14, and with the plain backend it never did."""
    q = torch.randn(1, 2, 64, 16)
    attend = torch.nn.functional.scaled_dot_product_attention
    assert counted(lambda: attend(q, q, q)) in (0, 4 * 2 * 64 * 64 * 16)
    with sdpa_kernel(SDPBackend.MATH):
        assert counted(lambda: attend(q, q, q)) == 4 * 2 * 64 * 64 * 16
        assert counted(lambda: attend(q, q, q, is_causal=True)) == 4 * 2 * 64 * 64 * 16  # never halved


def test_causal_counts_the_pairs_that_the_mask_allows():
    shape = PUBLISHED["GPT-2"].shape
    for seq in (1, 2, 7, 100):
        pairs = int(torch.ones(seq, seq).tril().sum())
        full = flops.transformer_flops(shape, 3, seq)
        causal = flops.transformer_flops(shape, 3, seq, causal=True)
        assert causal["attention"] * seq * seq == full["attention"] * pairs
        assert {**causal, "attention": 0} == {**full, "attention": 0}


@pytest.mark.parametrize("name", PUBLISHED)
def test_presets_reproduce_their_published_parameter_counts(name):
    assert sum(flops.transformer_params(PUBLISHED[name].shape).values()) == PUBLISHED[name].params


def test_gpt2_xl_shape_with_swiglu():
    shape = TransformerShape(50257, 16384, 1600, 48, 25, 6400)
    assert sum(flops.transformer_params(shape).values()) == 2_127_057_600
    parts = flops.transformer_flops(shape, 1, 1024)
    total = sum(parts.values())
    assert f"{total:.4g}" == "4.513e+12"
    shares = {name: round(100 * part / total, 1) for name, part in parts.items()}
    assert shares == {"projections": 22.3, "attention": 7.1, "ffn": 66.9, "head": 3.6}
    long = flops.transformer_flops(shape, 1, 16384)
    assert f"{sum(long.values()):.4g}" == "1.495e+14"
    assert round(100 * long["attention"] / sum(long.values())) == 55


def test_five_conventions_on_gpt2():
    found = flops.flops_per_token(PUBLISHED["GPT-2"].shape, 1024)
    assert {name: f"{value:.3g}" for name, value in found.items()} == {
        "6N": "7.47e+08",
        "PaLM": "8.55e+08",
        "matmuls": "8.54e+08",
        "causal": "7.98e+08",
        "Kaplan": "5.1e+08",
    }
    assert f"{found['PaLM']:.4g}" == "8.552e+08"
    assert round(max(found.values()) / min(found.values()), 2) == 1.68
    assert list(found) == list(CONVENTIONS)


def test_the_first_layers_backward_is_cheaper():
    x = torch.randn(64, 32)
    layer = nn.Linear(32, 16, bias=False)
    forward = counted(lambda: layer(x))
    assert forward == flops.matmul_flops(64, 32, 16)
    assert counted(lambda: layer(x).sum().backward()) == 2 * forward
    assert counted(lambda: layer(x.requires_grad_()).sum().backward()) == 3 * forward


# --- days, utilisation, napkins ---


def test_napkin_answers():
    assert round(flops.training_days(70e9, 15e12, 1024, 989.5e12, 0.5), 1) == 143.9
    assert flops.max_parameters(8, 80e9) == 40e9
    assert f"{flops.max_parameters(8, 80e9, 12):.3g}" == "5.33e+10"
    assert flops.training_flops(70e9, 15e12) == 6.3e24
    two_weeks = 8 * 14 * flops.SECONDS_PER_DAY * 1979e12 / 2
    assert f"{two_weeks:.4g}" == "9.575e+21"


def test_llama_3_405b_is_predicted_to_within_a_few_per_cent():
    """arXiv 2407.21783 states 3.8e25 FLOPs for 15.6e12 tokens, and 38 to 43 % MFU on up to 16,384 H100."""
    params = sum(flops.transformer_params(PUBLISHED["Llama 3.1 405B"].shape).values())
    assert flops.training_flops(params, 15.6e12) == pytest.approx(3.8e25, rel=0.03)
    days = flops.training_days(params, 15.6e12, 16_384, ACCELERATORS["H100 SXM"].peak["bfloat16"], 0.40)
    assert 54 < days < 80


@given(
    tokens_per_s=st.floats(1, 1e9),
    per_token=st.floats(1, 1e15),
    peak=st.floats(1e6, 1e18),
    devices=st.integers(1, 9999),
)
def test_mfu_inverts_training_days(tokens_per_s, per_token, peak, devices):
    share = flops.mfu(per_token, tokens_per_s, peak, devices)
    if not 0 < share <= 1:
        return
    seconds = flops.training_days(per_token / 6, 1e9, devices, peak, share) * flops.SECONDS_PER_DAY
    assert 1e9 / seconds == pytest.approx(tokens_per_s, rel=1e-9)


def test_an_unknown_peak_gives_no_mfu():
    assert flops.mfu(6e9, 1e4, None) is None


@given(st.floats(1e15, 1e27), st.floats(1, 1000))
def test_compute_optimal_spends_the_budget(budget, ratio):
    params, tokens = flops.compute_optimal(budget, ratio)
    assert flops.training_flops(params, tokens) == pytest.approx(budget)
    assert tokens / params == pytest.approx(ratio)


# --- memory ---


def test_bytes_per_parameter():
    assert {name: sum(flops.memory_bytes_per_parameter(name).values()) for name in BYTES_PER_NUMBER} == {
        "fp32": 16,
        "mixed": 16,
        "mixed, fp32 gradients": 18,
        "no master copy": 12,
        "pure bf16": 8,
    }
    assert sum(flops.memory_bytes_per_parameter("fp32", "sgd").values()) == 8


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adamw"])
def test_state_bytes_equal_those_of_pytorchs_optimizers(optimizer):
    config = ModelConfig(vocab_size=50, context_length=8, d_model=16, num_layers=2, num_heads=2, d_ff=32)
    model = TransformerLM(config)
    make = {
        "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
        "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        "adamw": torch.optim.AdamW,
    }
    stepper = make[optimizer](model.parameters())
    model(ids(config, 1, 8)).sum().backward()
    stepper.step()
    state = sum(t.nbytes for s in stepper.state.values() for t in s.values() if torch.is_tensor(t) and t.dim() > 0)
    per_parameter = flops.memory_bytes_per_parameter("fp32", optimizer)
    params = sum(p.numel() for p in model.parameters())
    assert state == per_parameter["optimizer_state"] * params
    assert sum(p.grad.nbytes for p in model.parameters()) == per_parameter["gradients"] * params
    assert sum(p.nbytes for p in model.parameters()) == per_parameter["parameters"] * params


MEMORY_CASES = [
    ModelConfig(vocab_size=1000, context_length=256, d_model=128, num_layers=4, num_heads=4, d_ff=344),
    ModelConfig(vocab_size=64, context_length=256, d_model=128, num_layers=6, num_heads=8, d_ff=256, num_kv_heads=2),
    ModelConfig(vocab_size=5000, context_length=256, d_model=96, num_layers=3, num_heads=3, d_ff=256, num_kv_heads=1),
    ModelConfig(vocab_size=300, context_length=256, d_model=256, num_layers=2, num_heads=4, d_ff=1344),
    ModelConfig(
        300, context_length=256, d_model=128, num_layers=4, num_heads=4, d_ff=344, num_kv_heads=2, qk_norm=True
    ),
]
MEMORY_NAMES = ["mha", "gqa", "large vocabulary", "wide", "norms on q and k"]


@pytest.mark.parametrize("config", MEMORY_CASES, ids=MEMORY_NAMES)
@pytest.mark.parametrize("fused", [False, True], ids=["plain", "fused"])
@pytest.mark.parametrize("batch, seq", [(2, 256), (2, 64)])
def test_activations_are_what_autograd_keeps_within_a_tenth(config, fused, batch, seq):
    model, x = TransformerLM(config, fused_attention=fused), ids(config, batch, seq)
    found = saved_bytes(lambda: cross_entropy(model(x), x), model.parameters())
    predicted = sum(flops.activation_bytes(config, batch, seq, fused_attention=fused).values())
    assert predicted == pytest.approx(found, rel=0.02)


@pytest.mark.parametrize("config", MEMORY_CASES, ids=MEMORY_NAMES)
@pytest.mark.parametrize("fused, checkpoint", [(False, False), (True, True)], ids=["plain", "fused, checkpoint"])
def test_the_peak_of_a_step_is_predicted_within_a_tenth(config, fused, checkpoint):
    batch, seq = 2, 256
    options = {"fused_attention": fused, "checkpoint": checkpoint}
    model = TransformerLM(config, fused_attention=fused, checkpoint_blocks=checkpoint)
    optimizer, x = torch.optim.AdamW(model.parameters(), foreach=False), ids(config, batch, seq)

    def step():
        cross_entropy(model(x), x).backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    static = sum(p.nbytes for p in model.parameters()) * 3  # parameters and two moments
    found = static + max(live_bytes(step))
    timeline = flops.memory_timeline(config, batch, seq, recipe="fp32", **options)
    peak = max(sum(value for value in moment.values() if not isinstance(value, str)) for moment in timeline)
    assert peak == pytest.approx(found, rel=0.10)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_peak_of_a_step_on_cuda_is_predicted_within_a_tenth():
    config = ModelConfig(vocab_size=8192, context_length=1024, d_model=1024, num_layers=8, num_heads=8, d_ff=2816)
    model, x = TransformerLM(config, fused_attention=True).cuda(), ids(config, 8, 1024).cuda()
    optimizer = torch.optim.AdamW(model.parameters(), foreach=False)
    for _ in range(2):
        torch.cuda.reset_peak_memory_stats()
        cross_entropy(model(x), x).backward()
        optimizer.step()
        optimizer.zero_grad()
    timeline = flops.memory_timeline(config, 8, 1024, recipe="fp32")
    peak = max(sum(value for value in moment.values() if not isinstance(value, str)) for moment in timeline)
    assert peak == pytest.approx(torch.cuda.max_memory_allocated(), rel=0.10)


def test_korthikantis_formula_without_dropout():
    """sbh(34 + 5as/h) minus the dropout masks (2sbh and as²b) and its output (2as²b), plus our second table."""
    s, b, h, a = 1024, 3, 768, 12
    shape = PUBLISHED["GPT-2"].shape
    parts = flops.activation_bytes(shape, b, s, element_bytes=2)
    final_norm = 2 * 2 * s * b * h
    block = (sum(parts[name] for name in ("norms", "attention", "scores", "ffn")) - final_norm) / shape.num_layers
    assert block == s * b * h * (34 - 2) + (5 - 3 + 2) * a * s * s * b
    fused = flops.activation_bytes(shape, b, s, element_bytes=2, fused_attention=True)
    assert fused["scores"] < parts["scores"] / 2 and fused["ffn"] == parts["ffn"]


def test_timeline_begins_with_forward_and_ends_with_the_step():
    timeline = flops.memory_timeline(MEMORY_CASES[0], 4, 256, first_step=True)
    assert [moment["moment"] for moment in timeline][:5] == ["forward 1", "forward 2", "forward 3", "forward 4", "loss"]
    assert [moment["moment"] for moment in timeline][5:] == [
        *(f"backward {n}" for n in (4, 3, 2, 1)),
        "gradients",
        "step",
    ]
    assert all(moment["optimizer_state"] == 0 for moment in timeline[:-1]) and timeline[-1]["optimizer_state"] > 0
    assert timeline[0]["gradients"] == 0
    parts = flops.training_memory(MEMORY_CASES[0], 4, 256)
    for moment in flops.memory_timeline(MEMORY_CASES[0], 4, 256, accumulate=True):
        assert moment["gradients"] == parts["gradients"]
        assert moment["optimizer_state"] == parts["optimizer_state"]


def test_sharding_divides_what_it_names():
    shape = PUBLISHED["Llama 3 8B"].shape
    whole = flops.training_memory(shape, 1, 1024)
    for stage, divided in enumerate([(), ("optimizer_state", "master_copy"), ("gradients",), ("parameters",)]):
        parts = flops.training_memory(shape, 1, 1024, sharding=flops.SHARDING[stage], devices=8)
        assert all(parts[name] == whole[name] / 8 for name in divided)
        assert parts["activations"] == whole["activations"]
    assert sum(parts[name] for name in list(parts)[:4]) == 16 * PUBLISHED["Llama 3 8B"].params / 8


# --- the roofline ---


def test_intensities_of_the_textbook():
    assert flops.elementwise_cost(1000).intensity == 0.25
    assert flops.elementwise_cost(1000, flops_per_element=20).intensity == 5
    n = 1000
    assert flops.arithmetic_intensity(2 * n - 1, 2 * 2 * n) == pytest.approx(0.5, rel=1e-3)
    assert flops.matmul_cost(1, 4096, 4096).intensity == pytest.approx(1, rel=1e-3)
    assert flops.matmul_cost(3000, 3000, 3000).intensity == 1000


@given(st.floats(1e-3, 1e6))
def test_the_roof_bends_at_the_ridge(intensity):
    peak, bandwidth = 989.4e12, 3.35e12
    ridge = flops.ridge_point(peak, bandwidth)
    rate = flops.roofline_flop_per_s(intensity, peak, bandwidth)
    assert rate == pytest.approx(peak if intensity >= ridge else intensity * bandwidth)


def test_block_costs_hold_the_models_flops():
    config, batch, seq = MEMORY_CASES[0], 2, 64
    costs, parts = flops.model_costs(config, batch, seq), flops.transformer_flops(config, batch, seq)
    assert config.num_layers * costs["projections"].flops == parts["projections"]
    assert config.num_layers * 2 * costs["scores"].flops == parts["attention"]
    assert config.num_layers * costs["ffn"].flops == parts["ffn"]
    assert costs["head"].flops == parts["head"]


def test_traced_costs_hold_pytorchs_flops_and_all_bytes():
    config = MEMORY_CASES[0]
    model, x = TransformerLM(config), ids(config, 2, 64)
    traced = flops.trace_costs(lambda: model(x))
    matmuls = sum(traced[name].flops for name in ("mm", "bmm") if name in traced)
    assert matmuls == sum(flops.transformer_flops(config, 2, 64).values())
    a = torch.ones(8, 4, dtype=torch.bfloat16)
    assert flops.trace_costs(lambda: a.relu()) == {"relu": flops.Cost(32, 2 * 2 * 32)}
    assert flops.trace_costs(lambda: a.T.view(4, 8)) == {}


def leaf(*shape):
    return torch.ones(shape, requires_grad=True)


def test_a_product_with_a_vector_counts_a_multiply_and_an_add():
    m, v, u = torch.ones(8, 5), torch.ones(5), torch.ones(8)
    for fn, wanted in ((lambda: m @ v, 2 * 8 * 5), (lambda: u @ m, 2 * 8 * 5), (lambda: v @ v, 2 * 5)):
        assert [cost.flops for cost in flops.trace_costs(fn).values()] == [wanted]


@settings(max_examples=20)
@given(
    batch=st.integers(1, 3), heads=st.integers(1, 3), rows=st.integers(1, 9), columns=st.integers(1, 9),
    width=st.sampled_from([4, 8, 16]), causal=st.booleans(),
)  # fmt: skip
def test_fused_attention_counts_as_much_as_plain_attention_forward(batch, heads, rows, columns, width, causal):
    q, k = torch.ones(batch, heads, rows, width), torch.ones(batch, heads, columns, width)
    attend = nn.functional.scaled_dot_product_attention
    fused = flops.trace_costs(lambda: attend(q, k, k, is_causal=causal))
    assert fused["_scaled_dot_product_flash_attention_for_cpu"].flops == 4 * batch * heads * rows * columns * width


def test_fused_attention_computes_its_scores_again_on_the_way_back():
    """Five products, where plain attention has four."""
    q, k, v = leaf(2, 3, 32, 16), leaf(2, 3, 32, 16), leaf(2, 3, 32, 16)
    one = 2 * 2 * 3 * 32 * 32 * 16
    traced = flops.trace_costs(lambda: nn.functional.scaled_dot_product_attention(q, k, v).sum().backward())
    assert traced["_scaled_dot_product_flash_attention_for_cpu"].flops == 2 * one
    assert traced["_scaled_dot_product_flash_attention_for_cpu_backward"].flops == 5 * one
    with sdpa_kernel(SDPBackend.MATH):
        assert counted(lambda: nn.functional.scaled_dot_product_attention(q, k, v).sum().backward()) == 6 * one


def test_a_fused_model_counts_what_the_plain_one_counts():
    config, x = MEMORY_CASES[0], ids(MEMORY_CASES[0], 2, 64)
    matmuls = ("mm", "bmm", "_scaled_dot_product_flash_attention_for_cpu")
    found = [
        sum(cost.flops for name, cost in flops.trace_costs(lambda m=model: m(x)).items() if name in matmuls)
        for model in (TransformerLM(config), TransformerLM(config, fused_attention=True))
    ]
    assert found == [sum(flops.transformer_flops(config, 2, 64).values())] * 2


# --- bad input ---


def test_numpys_integers_are_sizes_and_wrap_nowhere():
    small = TransformerShape(*(np.int16(size) for size in (200, 64, 128, 4, 4, 344)))
    assert small == TransformerShape(200, 64, 128, 4, 4, 344)
    assert flops.transformer_flops(small, 8, 64) == flops.transformer_flops(
        TransformerShape(200, 64, 128, 4, 4, 344), 8, 64
    )


@pytest.mark.parametrize("bad", [0, -1, math.nan, math.inf, "7", None])
def test_bad_numbers_are_refused_by_name(bad):
    shape = PUBLISHED["GPT-2"].shape
    for call, name in [
        (lambda: flops.matmul_flops(1, bad, 1), "k"),
        (lambda: flops.training_flops(1e9, bad), "tokens"),
        (lambda: flops.training_days(1e9, 1e9, bad, 1e12, 0.5), "devices"),
        (lambda: flops.training_days(1e9, 1e9, 1, 1e12, bad), "mfu"),
        (lambda: flops.activation_bytes(shape, 1, bad), "seq"),
        (lambda: flops.ridge_point(1, bad), "bytes_per_s"),
    ]:
        with pytest.raises((ValueError, TypeError), match=f"{name}: a finite number"):
            call()


def test_bad_names_are_refused():
    shape = PUBLISHED["GPT-2"].shape
    with pytest.raises(ValueError, match=r"recipe: fp32, mixed, .* or pure bf16, got 'fp16'"):
        flops.memory_bytes_per_parameter("fp16")
    with pytest.raises(ValueError, match="optimizer"):
        flops.memory_bytes_per_parameter("fp32", "lion")
    with pytest.raises(ValueError, match="sharding"):
        flops.training_memory(shape, 1, 1, sharding="fsdp")
    with pytest.raises(ValueError, match="mfu"):
        flops.training_days(1, 1, 1, 1, 1.01)
    with pytest.raises(TypeError, match="config"):
        flops.transformer_flops({"d_model": 3}, 1, 1)
    for bad, name in [
        ({"norm": "batch"}, "norm"),
        ({"positions": "alibi"}, "positions"),
        ({"num_kv_heads": 5}, "kv"),
    ]:
        with pytest.raises(ValueError, match=name):
            TransformerShape(10, 10, 16, 1, 4, 16, **bad)
