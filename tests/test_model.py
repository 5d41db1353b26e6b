"""Run me with: pytest tests/test_model.py

Oracles: torch.nn.functional for the plain functions, complex multiplication for rotary positions, PyTorch's attention
for GQA and masks, and the model itself (a cache, a checkpoint or a fused kernel may not change what it computes).
"""

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from lmcourse.model import (
    ModelConfig,
    RMSNorm,
    TransformerLM,
    cross_entropy,
    rope,
    rotation_table,
    scaled_dot_product_attention,
    silu,
    softmax,
)

TINY = ModelConfig(vocab_size=31, context_length=16, d_model=32, num_layers=2, num_heads=4, d_ff=48)
GQA = ModelConfig(vocab_size=31, context_length=16, d_model=32, num_layers=2, num_heads=4, d_ff=48, num_kv_heads=2)
TIED = ModelConfig(
    vocab_size=31,
    context_length=16,
    d_model=32,
    num_layers=1,
    num_heads=4,
    d_ff=48,
    num_kv_heads=1,
    tie_embeddings=True,
)
NORMED = dataclasses.replace(GQA, qk_norm=True)
CONFIGS = pytest.mark.parametrize(
    "config", [TINY, GQA, TIED, NORMED], ids=["mha", "gqa", "mqa tied", "norms on q and k"]
)


def ids(*shape, seed=0):
    return torch.randint(0, 31, shape, generator=torch.Generator().manual_seed(seed))


@given(seed=st.integers(0, 2**31), scale=st.sampled_from([1e-3, 1.0, 30.0, 1e4]))
def test_plain_functions_equal_pytorchs(seed, scale):
    generator = torch.Generator().manual_seed(seed)
    x = (torch.randn(3, 5, generator=generator, dtype=torch.float64) * scale).requires_grad_()
    targets = torch.randint(0, 5, (3,), generator=generator)
    for ours, theirs in [
        (softmax(x), F.softmax(x, dim=-1)),
        (softmax(x, dim=0), F.softmax(x, dim=0)),
        (silu(x), F.silu(x)),
        (cross_entropy(x, targets), F.cross_entropy(x, targets)),
    ]:
        torch.testing.assert_close(ours, theirs)
        weights = torch.randn(ours.shape, generator=generator, dtype=torch.float64)
        torch.testing.assert_close(*(torch.autograd.grad((out * weights).sum(), x)[0] for out in (ours, theirs)))


def test_cross_entropy_does_not_overflow_and_checks_shapes():
    logits = torch.tensor([[1e4, 0.0], [0.0, 1e4]])
    assert cross_entropy(logits, torch.tensor([0, 1])).item() == 0
    assert cross_entropy(logits, torch.tensor([1, 0])).item() == 1e4
    with pytest.raises(ValueError, match="targets"):
        cross_entropy(logits, torch.tensor([1]))


def test_rope_is_multiplication_by_a_unit_complex_number():
    x = torch.randn(2, 3, 7, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    positions = torch.tensor([0, 1, 2, 5, 11, 100, 1000])
    angles = positions[:, None].double() * 10_000.0 ** (-torch.arange(0, 8, 2).double() / 8)
    pairs = torch.view_as_complex(x.unflatten(-1, (4, 2))) * torch.polar(torch.ones_like(angles), angles)
    torch.testing.assert_close(rope(x, positions), torch.view_as_real(pairs).flatten(-2), rtol=1e-4, atol=1e-4)


def test_rope_sees_only_the_distance():
    q, k = torch.randn(2, 1, 64, generator=torch.Generator().manual_seed(2))
    near = rope(q, torch.tensor([3])) @ rope(k, torch.tensor([1])).T
    far = rope(q, torch.tensor([203])) @ rope(k, torch.tensor([201])).T
    torch.testing.assert_close(near, far, rtol=1e-3, atol=1e-3)
    with pytest.raises(ValueError, match="even"):
        rope(torch.ones(1, 3), torch.tensor([0]))


def test_attention_equals_pytorchs_with_and_without_mask():
    generator = torch.Generator().manual_seed(3)
    q, k, v = (torch.randn(2, 4, 6, 8, generator=generator) for _ in range(3))
    torch.testing.assert_close(scaled_dot_product_attention(q, k, v), F.scaled_dot_product_attention(q, k, v))
    mask = torch.ones(6, 6).tril().bool()
    ours = scaled_dot_product_attention(q, k, v, mask)
    torch.testing.assert_close(ours, F.scaled_dot_product_attention(q, k, v, is_causal=True))


def test_rms_norm_equals_pytorchs_and_survives_half_precision():
    x = torch.randn(4, 32, generator=torch.Generator().manual_seed(4))
    norm = RMSNorm(32)
    torch.testing.assert_close(norm(x), F.rms_norm(x, (32,), norm.weight, 1e-5))
    assert norm.half()(torch.full((1, 32), 3e4, dtype=torch.float16)).isfinite().all()


@pytest.mark.parametrize("eps", [1e-3, 1e-5, 1e-8])
def test_every_norm_adds_the_eps_of_the_sizes(eps):
    x = 0.01 * torch.randn(4, 32, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(RMSNorm(32, eps=eps)(x), F.rms_norm(x, (32,), None, eps))
    model = TransformerLM(dataclasses.replace(NORMED, norm_eps=eps))
    scales = [module.scale for module in model.modules() if isinstance(module, RMSNorm)]
    assert scales == [(1e-5 / eps) ** 0.5] * (4 * NORMED.num_layers + 1)
    with pytest.raises(ValueError, match="norm_eps: more than 0"):
        dataclasses.replace(NORMED, norm_eps=0)


def test_state_dict_names_and_shapes():
    state = TransformerLM(GQA).state_dict()
    layer = {
        "attn.q_proj.weight": (32, 32),
        "attn.k_proj.weight": (16, 32),
        "attn.v_proj.weight": (16, 32),
        "attn.output_proj.weight": (32, 32),
        "ln1.weight": (32,),
        "ln2.weight": (32,),
        "ffn.w1.weight": (48, 32),
        "ffn.w2.weight": (32, 48),
        "ffn.w3.weight": (48, 32),
    }
    expected = {f"layers.{n}.{name}": shape for n in range(2) for name, shape in layer.items()}
    expected |= {"token_embeddings.weight": (31, 32), "ln_final.weight": (32,), "lm_head.weight": (31, 32)}
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == expected
    added = TransformerLM(NORMED).state_dict().keys() - state.keys()
    assert added == {f"layers.{n}.attn.{name}_norm.weight" for n in range(2) for name in "qk"}


def test_norms_on_queries_and_keys_make_their_scale_irrelevant():
    """Attention scores cannot explode: a thousand times larger projections change nothing; without norms they do."""
    for config, same in [(NORMED, True), (GQA, False)]:
        model = TransformerLM(config)
        before = model(ids(2, 9))
        with torch.no_grad():
            for layer in model.layers:
                layer.attn.q_proj.weight.mul_(1000)
                layer.attn.k_proj.weight.mul_(1000)
        assert torch.allclose(model(ids(2, 9)), before, rtol=1e-3, atol=1e-4) == same


def test_norms_on_queries_and_keys_equal_pytorchs_rms_norm_by_head():
    model = TransformerLM(NORMED)
    attention, x = model.layers[0].attn, torch.randn(2, 9, 32, generator=torch.Generator().manual_seed(5))
    seen = []
    attention.q_norm.register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.no_grad():
        attention.q_norm.weight.uniform_(0.5, 2)
        attention(x, rotation_table(torch.arange(9), 8))
        heads = attention.q_proj(x).view(2, 9, 4, 8).transpose(1, 2)
        torch.testing.assert_close(seen[0], F.rms_norm(heads, (8,), attention.q_norm.weight, 1e-5))


def test_zero_initialized_blocks_are_the_identity():
    model, x = TransformerLM(dataclasses.replace(GQA, zero_init=True)), ids(2, 9)
    torch.testing.assert_close(model(x), model.lm_head(model.ln_final(model.token_embeddings(x))), rtol=0, atol=0)
    zero = {name for name, parameter in model.named_parameters() if not parameter.any()}
    assert zero == {f"layers.{n}.{name}.weight" for n in range(2) for name in ("attn.output_proj", "ffn.w2")}
    assert set(model.state_dict()) == set(TransformerLM(GQA).state_dict())


def test_tied_embeddings_are_one_parameter():
    model = TransformerLM(TIED)
    assert model.lm_head.weight is model.token_embeddings.weight
    assert sum(p.numel() for p in model.parameters()) == 31 * 32 + 32 * (32 + 8 + 8 + 32) + 3 * 32 * 48 + 3 * 32


def test_gqa_is_attention_with_repeated_heads():
    """A grouped model equals a full one whose key and value weights repeat the shared heads."""
    grouped, full = TransformerLM(GQA), TransformerLM(TINY)
    state = grouped.state_dict()
    for name, weight in state.items():
        if "k_proj" in name or "v_proj" in name:
            state[name] = weight.unflatten(0, (2, 8)).repeat_interleave(2, dim=0).flatten(0, 1)
    full.load_state_dict(state)
    torch.testing.assert_close(full(ids(2, 9)), grouped(ids(2, 9)))


@CONFIGS
def test_no_position_sees_the_future(config):
    model, x = TransformerLM(config), ids(1, 12)
    changed = x.clone()
    changed[0, 8:] = (changed[0, 8:] + 1) % 31
    before, after = model(x), model(changed)
    torch.testing.assert_close(before[:, :8], after[:, :8])
    assert (before[:, 8:] != after[:, 8:]).any()


@pytest.mark.parametrize("fused", [False, True])
@CONFIGS
def test_a_cache_does_not_change_the_logits(config, fused):
    model, x = TransformerLM(config, fused_attention=fused).eval(), ids(2, 16)
    whole, cache, parts = model(x), model.new_cache(), []
    for start, end in [(0, 5), (5, 6), (6, 7), (7, 12), (12, 16)]:
        assert cache.length == start
        parts.append(model(x[:, start:end], cache))
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="context length 16"):
        model(x[:, :1], cache)


@CONFIGS
def test_fused_attention_and_checkpoints_do_not_change_loss_or_gradients(config):
    plain = TransformerLM(config)
    grads = []
    for options in ({}, {"fused_attention": True}, {"checkpoint_blocks": True}):
        model = TransformerLM(config, **options)
        model.load_state_dict(plain.state_dict())
        loss = cross_entropy(model(ids(2, 15)), ids(2, 15, seed=1))
        grads.append([loss.detach(), *torch.autograd.grad(loss, list(model.parameters()))])
    for other in grads[1:]:
        for a, b in zip(grads[0], other, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_initial_loss_is_that_of_a_uniform_guess():
    torch.manual_seed(0)
    config = ModelConfig(vocab_size=997, context_length=64, d_model=128, num_layers=4, num_heads=4, d_ff=344)
    model = TransformerLM(config)
    x = torch.randint(0, 997, (8, 64), generator=torch.Generator().manual_seed(0))
    assert cross_entropy(model(x), x.flip(1)).item() == pytest.approx(math.log(997), abs=0.15)


def test_a_model_trains_on_one_batch():
    torch.manual_seed(0)
    model, x, y = TransformerLM(TINY), ids(4, 16), ids(4, 16, seed=1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(60):
        loss = cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


def test_bad_sizes_are_refused_by_name():
    good = {"vocab_size": 31, "context_length": 16, "d_model": 32, "num_layers": 2, "num_heads": 4, "d_ff": 48}
    for bad, name in [
        ({"vocab_size": 0}, "vocab_size"),
        ({"num_layers": 1.5}, "num_layers"),
        ({"d_model": 36}, "d_model"),
        ({"num_kv_heads": 3}, "num_kv_heads"),
        ({"rope_theta": 0.0}, "rope_theta"),
    ]:
        with pytest.raises((TypeError, ValueError), match=name):
            ModelConfig(**{**good, **bad})
    with pytest.raises(ValueError, match="ids"):
        TransformerLM(TINY)(torch.zeros(3, dtype=torch.long))
