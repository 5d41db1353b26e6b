"""AxesExplorer's Python side. Run: pytest tests/widgets/test_axes_explorer.py

What a pattern means is tested in tests/axes; test_loops.py there writes the golden vectors for axes_explorer.test.mjs.
"""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from lmcourse.widgets import AxesExplorer
from lmcourse.widgets.axes_explorer import CHAINS, PRESETS

JS = Path(__file__).parents[2] / "lmcourse" / "widgets" / "rules" / "axes_sizes.js"


def message(widget):
    return widget.verdict.get("message")


def test_the_summary_says_what_einops_says():
    assert repr(AxesExplorer("b t (h d) -> b h t d", h=2)).endswith("makes (2, 2, 3, 2) from (2, 3, 4)")
    refused = AxesExplorer("b h w -> b h", operation="rearrange")
    assert refused.summary().endswith("Identifiers only on one side of expression (should be on both): {'w'}")
    unreadable = AxesExplorer("...hidden -> ...", operation="rearrange")
    assert "cannot read" in unreadable.summary()


def test_a_tensor_of_the_readers_is_described_with_its_own_strides():
    x = torch.arange(6.0).reshape(2, 3).T
    (described,) = AxesExplorer("h w -> w h", x).tensors
    assert described["shape"] == [3, 2] and described["strides"] == [1, 3] and described["values"] == [0, 3, 1, 4, 2, 5]
    assert AxesExplorer("h w -> w h", np.zeros((3, 2))).tensors[0]["itemsize"] == 8
    assert AxesExplorer("h w -> w h", torch.zeros(100, 100)).tensors[0]["values"] is None
    strange = torch.tensor([float("nan"), float("inf"), 1.0])
    assert AxesExplorer("h -> h", strange).tensors[0]["values"] == ["nan", "inf", 1.0]
    json.dumps(AxesExplorer("h -> h", strange).state(), allow_nan=False)


def test_a_function_of_the_readers_is_compared_element_by_element():
    x = torch.arange(8).reshape(1, 2, 4)
    right = AxesExplorer("b t (h d) -> b h t d", x, h=2, check=lambda x, h: x.view(1, 2, h, 2).transpose(1, 2))
    assert right.verdict["check"]["wrong"] == 0
    wrong = AxesExplorer("b t (h d) -> b h t d", x, h=2, check=lambda x, h: x.reshape(1, h, 2, 2))
    assert wrong.verdict["check"]["places"] == [2, 3, 4, 5]
    assert "first out[0, 0, 1, 0]: yours 2, einops 4" in wrong.verdict["check"]["words"]
    raises = AxesExplorer("b t c -> b (t c)", x, check=lambda x: x.nonsense)
    assert "raises AttributeError" in raises.verdict["check"]["words"]
    other = AxesExplorer("b t c -> b (t c)", x, check=lambda x: x)
    assert "gives (1, 2, 4), einops (1, 8)" in other.verdict["check"]["words"]
    assert torch.equal(x, torch.arange(8).reshape(1, 2, 4))
    # what it made goes to the page, which compares it with any other pattern
    assert right.made["values"] == [0, 1, 4, 5, 2, 3, 6, 7] and right.made["sizes"] == {"h": 2}
    assert right.made["shapes"] == [[1, 2, 4]] and right.made["shape"] == [1, 2, 2, 2] and raises.made == {}


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset["name"])
def test_every_example_is_what_it_says(preset):
    steps = preset.get("chain", [preset])
    for step in steps:
        operation = "rearrange" if step["operation"] == "softmax" else step["operation"]
        widget = AxesExplorer(step["pattern"], operation=operation, **preset["sizes"])
        refused = message(widget) is not None or "cannot read" in widget.summary()
        assert refused == preset["name"].startswith("Error")


@pytest.mark.parametrize("kind", CHAINS)
def test_a_chain_only_uses_what_it_has_made(kind):
    made = {"Q", "K", "V"}
    for step in AxesExplorer.attention(kind).chain:
        assert set(step["inputs"]) <= made
        made.add(step["name"])


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_python_and_the_page_ask_the_same_question():
    """The verdict that is made at once belongs to the state that the page draws: the texts are equal."""
    for widget in (
        AxesExplorer("b t (h d) -> b h t d"),
        AxesExplorer("... h -> h ..."),
        AxesExplorer("i j, j k -> i k", j=5),
        AxesExplorer("b h w -> b h", operation="rearrange"),
        AxesExplorer("h -> h 3 new", operation="repeat"),
    ):
        asked = json.loads(widget.verdict["question"])
        state = {name: getattr(widget, name) for name in ("operation", "pattern", "sizes", "dots")}
        program = f"import {{ freeShapes }} from {JS.as_uri()!r};"
        program += f"console.log(JSON.stringify(freeShapes({json.dumps(state)})))"
        done = subprocess.run(
            ["node", "--input-type=module", "-e", program], capture_output=True, text=True, check=True
        )
        assert json.loads(done.stdout) == {"shapes": asked["shapes"], "sizes": asked["sizes"]}
        assert list(json.loads(done.stdout)["sizes"]) == list(asked["sizes"])


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: AxesExplorer(3), TypeError, "pattern must be a str"),
        (lambda: AxesExplorer("h -> h", "x"), TypeError, "tensors must be tensors"),
        (lambda: AxesExplorer("h -> h", operation="mix"), ValueError, "operation must be one of"),
        (lambda: AxesExplorer("h -> ", reduction="median"), ValueError, "reduction must be one of"),
        (lambda: AxesExplorer("h -> h", h=0), ValueError, "size of axis 'h'"),
        (lambda: AxesExplorer("h -> h", check=3), TypeError, "check must be a function"),
        (lambda: AxesExplorer.attention("linear"), ValueError, "kind must be one of"),
    ],
)
def test_bad_arguments_are_refused_by_name(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_questions_about_huge_shapes_are_refused():
    question = {"operation": "rearrange", "reduction": "sum", "pattern": "h -> h", "shapes": [[10**9]], "sizes": {}}
    with pytest.raises(ValueError, match="at most 1,000,000 elements"):
        AxesExplorer("h -> h").answer({"text": json.dumps(question)})
