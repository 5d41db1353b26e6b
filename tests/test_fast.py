"""Run me with: pytest tests/test_fast.py

Oracle: the plain functions of `lmcourse.model`, whose gradients autograd finds. The fast ones may differ by rounding.
"""

import pytest
import torch
from test_model import CONFIGS, ids
from torch import nn

from lmcourse import fast, model
from lmcourse.model import TransformerLM
from lmcourse.training import Recipe, make_model, train_settings
from lmcourse.training.evaluation import autocast

LAYERS = [nn.Linear(8, 12, bias=False), nn.Linear(12, 8, bias=False), nn.Linear(8, 12, bias=False)]
TABLES = [each.rotation_table(torch.arange(5), 8) for each in (model, fast)]
CASES = {
    "rms_norm": [lambda x, each=each: each.rms_norm(x, torch.linspace(0.5, 2, 8)) for each in (model, fast)],
    "rotate": [lambda x, each=each, at=at: each.rotate(x, at) for each, at in zip((model, fast), TABLES)],
    "swiglu": [lambda x, each=each: each.swiglu(x, *LAYERS) for each in (model, fast)],
    "cross_entropy": [
        lambda x, each=each: each.cross_entropy(x, torch.arange(15).view(3, 5) % 8) for each in (model, fast)
    ],
}


def loss_and_gradients(net, loss_fn, x, y):
    loss = loss_fn(net(x), y)
    return [loss.detach(), *torch.autograd.grad(loss, list(net.parameters()))]


@CONFIGS
@pytest.mark.parametrize("options", [{}, {"fused_attention": True}, {"checkpoint_blocks": True}])
def test_losses_and_gradients_are_those_of_the_plain_model(config, options):
    plain = TransformerLM(config, **options)
    quick = TransformerLM(config, parts=fast.FAST, **options)
    quick.load_state_dict(plain.state_dict())
    x, y = ids(2, 15), ids(2, 15, seed=1)
    theirs, ours = (loss_and_gradients(net, each.cross_entropy, x, y) for net, each in ((plain, model), (quick, fast)))
    for a, b in zip(theirs, ours, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("scale", [1e-4, 1.0, 100.0])
def test_each_function_equals_the_plain_one_on_the_way_there_and_back(name, scale):
    x = (scale * torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(5))).requires_grad_()
    theirs, ours = (each(x) for each in CASES[name])
    torch.testing.assert_close(theirs, ours, rtol=1e-4, atol=1e-6)
    back = torch.randn(theirs.shape, generator=torch.Generator().manual_seed(6))
    a, b = (torch.autograd.grad(out, x, back)[0] for out in (theirs, ours))
    torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["swiglu", "rms_norm"])
def test_the_weights_get_the_same_gradients(name):
    x, gain = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(7)), torch.linspace(0.5, 2, 8)
    for a, b in zip(*(weight_gradients(each, name, x, gain.clone().requires_grad_()) for each in (model, fast))):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def weight_gradients(module, name, x, gain):
    out = module.swiglu(x, *LAYERS) if name == "swiglu" else module.rms_norm(x, gain)
    return torch.autograd.grad(out.square().sum(), [layer.weight for layer in LAYERS] if name == "swiglu" else [gain])


def test_gradients_may_lie_in_memory_in_any_order():
    x = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(8)).requires_grad_()
    out = fast.rotate(x, fast.rotation_table(torch.arange(4), 6))
    back = torch.randn(2, 6, 4).transpose(1, 2)
    (there,) = torch.autograd.grad(out, x, back)
    (plain,) = torch.autograd.grad(model.rotate(x, model.rotation_table(torch.arange(4), 6)), x, back)
    torch.testing.assert_close(there, plain)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_under_autocast_the_products_are_as_narrow_as_the_plain_models(precision):
    recipe = Recipe(d_model=32, num_heads=2, d_ff=48, context_length=16)
    plain, quick = make_model(recipe, 31, model.Parts()), make_model(recipe, 31)
    with autocast(torch.device("cpu"), precision):
        a, b = plain(ids(2, 15)), quick(ids(2, 15))
    assert a.dtype == b.dtype == getattr(torch, precision)
    torch.testing.assert_close(a.float(), b.float(), rtol=0.05, atol=0.02)
    b.float().square().mean().backward()
    assert all(parameter.grad.isfinite().all() for parameter in quick.parameters())


def test_a_recipe_is_trained_with_the_fast_parts_unless_it_is_compiled():
    assert make_model(Recipe(), 31).parts is fast.FAST
    assert train_settings(Recipe())["loss_fn"] is fast.cross_entropy
    assert make_model(Recipe(compile=True), 31).parts == model.Parts()
    assert train_settings(Recipe(compile=True))["loss_fn"] is model.cross_entropy


def test_targets_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="targets: shape"):
        fast.cross_entropy(torch.zeros(3, 4), torch.zeros(2, dtype=torch.long))
