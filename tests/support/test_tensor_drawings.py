"""Drawings of tensors. Run: pytest tests/support/test_tensor_drawings.py"""

import pytest
import torch
from matplotlib import pyplot as plt

from lmcourse.support.drawings import named_axes


def test_every_axis_and_every_value_of_a_named_tensor_is_written():
    x = torch.arange(12).view(1, 3, 4)
    drawn = named_axes({"b seq (h d)": x, "b h seq d": x.view(1, 3, 2, 2).transpose(1, 2)}, run=2)
    said = [text.get_text() for text in drawn.axes[0].texts]
    assert {"b seq (h d)", "(1, 3, 4)", "(h d) →", "← seq", "b = 0", "b = 0, h = 1", "→"} <= set(said)
    assert [text for text in said if text.isdigit()] == [*map(str, range(12)), *"014589", *"2367", "10", "11"]
    plt.close(drawn)


def test_names_must_be_as_many_as_axes():
    with pytest.raises(ValueError, match=r"names: one for each of at most 4 axes, got 'a b c' for a shape of \(2, 3\)"):
        named_axes({"a b c": torch.zeros(2, 3)})
