"""Run: pytest tests/support/test_measured.py"""

import torch

from lmcourse.support.measured import gradients


def test_gradients_are_a_real_models_and_the_same_each_time():
    before = torch.random.get_rng_state()
    found = gradients(steps=1)
    assert found.shape == (133_440,) and found.isfinite().all() and 0 < found.abs().max() < 1
    assert torch.equal(torch.random.get_rng_state(), before), "the reader's own dice are left alone"
    gradients.cache_clear()
    assert torch.equal(gradients(steps=1), found)
