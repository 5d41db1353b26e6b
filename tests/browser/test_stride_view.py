"""python -m pytest tests/browser/test_stride_view.py

StrideView by hand: aliases light up both ways, a typed operation adds a lane, the oracle names the pair, puzzles check
themselves; without a kernel, and with one that confirms what the page says.
"""

import pytest
import torch

from lmcourse.widgets import StrideView


def lit(page) -> list[str]:
    return page.locator(".lmc .sv-lit").all_inner_texts()


def reading(page) -> str:
    return page.locator(".lmc .lmc-reading").inner_text()


def type_operation(page, text: str) -> None:
    field = page.get_by_label("Type an operation")
    field.fill(text)
    field.press("Enter")


def test_aliases_light_up_both_ways(kernel_free):
    t = torch.arange(12).view(3, 4)
    watched = kernel_free(StrideView(t=t, operations=["t.T", "t[0].expand(3, 4)", "t[1:]"]), still=True)
    page = watched.page
    page.locator(".sv-pos").nth(1).hover()
    assert [text.split()[-1:] for text in lit(page)] == [
        ["1"],
        ["0,1"],
        ["1,0"],
        ["×3"],
        [],
        ["1"],
    ]  # strip, lanes, matrix
    assert "t[0, 1]" in reading(page) and "t.T[1, 0]" in reading(page) and "and 2 more" in reading(page)
    assert "no element of t[1:]" in reading(page)
    page.locator(".sv-el").nth(6).hover()  # t[1, 2], which lies at position 6
    assert "t[1, 2] is at 0 + 1·4 + 2·1 = 6" in reading(page)
    assert page.locator(".sv-pos.sv-lit").inner_text().split()[-1] == "6"
    assert watched.wrong == []


def test_the_keyboard_does_what_the_mouse_does(kernel_free):
    watched = kernel_free(StrideView(t=torch.arange(12).view(3, 4), operations=["t.T"]), still=True)
    page = watched.page
    page.locator(".sv-pos").first.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert "position 5" in reading(page) and "t.T[1, 1]" in reading(page)
    page.locator(".sv-el").first.focus()
    page.keyboard.press("ArrowDown")
    assert "t[1, 0] is at 0 + 1·4 + 0·1 = 4" in reading(page)
    assert watched.wrong == []


def test_typed_operations_add_lanes_or_say_why_not(kernel_free):
    watched = kernel_free(StrideView(t=torch.arange(12).view(3, 4)), still=True)
    page = watched.page
    type_operation(page, "t[1:, ::2].T")
    assert page.locator(".sv-name").all_inner_texts() == ["t", "t[1:, ::2].T"] and "a view" in reading(page)
    type_operation(page, "t.T.reshape(12)")
    assert page.locator(".sv-strip").count() == 2 and "a copy" in reading(page)
    for text, words in {
        "t.T.view(12)": "RuntimeError: view size is not compatible",
        "t[9]": "IndexError: index 9 is out of bounds for dimension 0 with size 3",
        "t.tolist()": "tolist is not one of the operations known here",
        "u.T": "u is not one of the tensors here: t",
        "t.T.flip(0)": "flip always copies",
        "": "Type what you would write",
        "<b>t</b>": "rite a name and operations",
    }.items():
        type_operation(page, text)
        assert words in reading(page), text
    assert page.locator(".sv-name").count() == 3
    page.get_by_role("button", name="t[1:, ::2].T", exact=True).click()
    page.get_by_label("remove t[1:, ::2].T").click()
    assert page.locator(".sv-name").all_inner_texts() == ["t", "t.T.reshape(12)"]
    page.get_by_role("button", name="Reset").click()
    page.wait_for_timeout(60)
    assert page.locator(".sv-name").all_inner_texts() == ["t"]
    assert watched.wrong == []


def test_the_oracle_waits_for_a_prediction_and_names_the_pair(kernel_free):
    t = torch.arange(24).view(6, 4)
    for dark in (False, True):
        watched = kernel_free(StrideView(t=t, operations=["t.T"], mode="view", new_shape=(3, 8)), dark=dark, still=True)
        page = watched.page
        page.locator(".sv-name").nth(1).click()
        page.wait_for_timeout(60)
        # nothing is told before the reader says something, by no mark either
        assert page.locator(".sv-verdict").count() == 0
        assert "≠" not in page.locator(".sv-oracle").inner_text()
        assert "merges" not in page.locator(".sv-oracle").inner_text()
        page.get_by_role("button", name="I say: a view").click()
        assert "Not what you predicted" in reading(page)
        assert "Dimensions 0 and 1 do not merge" in page.locator(".sv-oracle").inner_text()
        watched.picture(page.locator(".lmc"), f"StrideView-oracle-{'dark' if dark else 'light'}")
        assert watched.axe(".lmc") == []
        page.get_by_label("new shape").fill("2, 2, 6")
        page.wait_for_timeout(60)
        page.get_by_role("button", name="I say: a view").click()
        assert "Your prediction is right" in reading(page) and "(2, 1, 4)" in reading(page)
        page.get_by_label("new shape").fill("5, 5")
        page.wait_for_timeout(60)
        # what was told of another shape is gone: verdict, marks and the green reading line
        assert page.locator(".sv-verdict, .sv-good, .sv-bad").count() == 0 and reading(page).startswith("Predict first")
        assert page.locator('.lmc-reading[data-tone="good"]').count() == 0
        page.get_by_role("button", name="I say: an error").click()
        assert "shape '[5, 5]' is invalid for input of size 24" in reading(page)
        assert watched.wrong == []


def test_a_lane_can_be_added_wherever_one_is_looked_at(kernel_free):
    watched = kernel_free(StrideView(t=torch.arange(24).view(6, 4), mode="view", new_shape=(3, 8)), still=True)
    page = watched.page
    page.locator(".lmc-more-button").click()
    type_operation(page, "t[:, 1]")
    assert page.locator(".sv-name").all_inner_texts() == ["t", "t[:, 1]"]
    assert page.locator(".sv-oracle").inner_text().startswith("t[:, 1].view(3, 8)")
    page.get_by_role("tab", name="Look").click()
    assert page.locator(".lmc-more-button").is_hidden() and page.locator(".lmc-more").is_hidden()
    type_operation(page, "t.T")
    assert page.locator(".sv-name").count() == 3 and watched.wrong == []


def test_a_walk_counts_cache_lines(kernel_free):
    watched = kernel_free(StrideView(t=torch.arange(32.0).view(4, 8), mode="walk"), still=True)
    page = watched.page
    assert [n for n in page.locator(".sv-bar").all_inner_texts() if n.split("\n")[-1] in ("8", "32")]
    page.get_by_label("step forward").click()
    page.wait_for_timeout(60)
    assert "t[0, 1] at position 1, in cache line 0, which is there already" in reading(page)
    page.get_by_label("order").select_option("columns")
    page.get_by_label("step forward").click()
    page.wait_for_timeout(60)
    assert "t[1, 0] at position 8, in cache line 2, which is fetched" in reading(page)
    watched.picture(page.locator(".lmc"), "StrideView-walk")
    assert watched.axe(".lmc") == [] and watched.wrong == []


def test_a_long_walk_keeps_its_heading_in_view(kernel_free):
    watched = kernel_free(StrideView(t=torch.arange(128.0).view(8, 16), mode="walk"), still=True)
    page = watched.page
    page.get_by_label("last step").click()
    page.wait_for_timeout(60)
    assert page.evaluate("document.querySelector('.sv-scroll').scrollLeft") > 1000
    outer, head = (page.locator(f".sv-{name}").first.bounding_box() for name in ("scroll", "head"))
    assert outer["x"] <= head["x"] < outer["x"] + 20
    assert page.locator(".sv-here").first.is_visible() and watched.wrong == []


@pytest.mark.parametrize("width", [1100, 390])
def test_no_mode_changes_its_height_while_it_is_used(width, kernel_free):
    t = torch.arange(24.0).view(4, 6)
    widget = StrideView(t=t, operations=["t.T"], mode="walk", new_shape=(3, 8))
    page = kernel_free(widget, width=width, still=True).page
    tall = "Math.round(document.querySelector('.lmc').getBoundingClientRect().height)"

    def use(act) -> int:
        act()
        page.wait_for_timeout(40)
        return page.evaluate(tall)

    heights = [page.evaluate(tall)] + [use(page.get_by_label(k).click) for k in ("step forward", "last step")]
    assert len(set(heights)) == 1, heights
    heights = [use(page.get_by_role("tab", name="Will .view() work?").click)]
    for name in (1, 0):
        heights += [use(page.locator(".sv-name").nth(name).click)]
        heights += [use(page.get_by_role("button", name=f"I say: {what}").click) for what in ("a view", "an error")]
    heights += [use(lambda text=text: page.get_by_label("new shape").fill(text)) for text in ("5, 5", "x", "", "24")]
    assert len(set(heights)) == 1, heights
    heights = [use(page.get_by_role("tab", name="Puzzles").click)]
    for text in ("3, 4", "3, 4, 5", "x", "12"):
        heights += [use(lambda text=text: page.get_by_label("sizes", exact=True).fill(text))]
    assert len(set(heights)) == 1, heights


def test_strides_are_arcs_over_the_strip(kernel_free):
    watched = kernel_free(StrideView(t=torch.arange(12).view(3, 4), operations=["t[0].expand(3, 4)"]), still=True)
    page = watched.page
    assert page.locator(".sv-arc-name").all_text_contents() == ["+1", "+4"]
    page.locator(".sv-name").nth(1).click()
    page.wait_for_timeout(60)
    assert page.locator(".sv-arc-name").all_text_contents() == ["+1", "+0"]
    assert watched.wrong == []


def test_puzzles_check_themselves(kernel_free):
    watched = kernel_free(StrideView(mode="puzzle"), still=True)
    page = watched.page
    sizes, strides, offset = (page.get_by_label(name, exact=True) for name in ("sizes", "strides", "offset"))
    sizes.fill("3, 4")
    strides.fill("1, 3")
    page.wait_for_timeout(60)
    assert "Not yet: at [0, 1] you read position 3, the target reads 1" in reading(page)
    strides.fill("4, -1")
    page.wait_for_timeout(60)
    assert "Negative strides are not supported" in reading(page)
    strides.fill("4, 1")
    page.wait_for_timeout(60)
    assert reading(page).startswith("Solved: as_strided((3, 4), (4, 1), 0)")
    page.get_by_role("button", name="Next puzzle").click()
    page.wait_for_timeout(60)
    assert sizes.input_value() == "" and offset.input_value() == "0"
    assert watched.axe(".lmc") == [] and watched.wrong == []


def test_a_step_of_the_walk_costs_little_work(kernel_free):
    watched = kernel_free(
        StrideView(t=torch.arange(256.0).view(16, 16), operations=["t.T", "t[::2]"], mode="walk"), still=True
    )
    changes = watched.changes("""document.querySelector('[aria-label="step forward"]').click()""", times=15)
    assert 1 < changes < 60, f"{changes:.0f} nodes a step"


def test_the_kernel_confirms_and_knows_more(in_lab):
    code = "import torch\nfrom lmcourse.widgets import StrideView\nt = torch.arange(12).view(3, 4)\nStrideView(t, t.T)"
    watched = in_lab(code)
    page = watched.page
    page.wait_for_selector(".lmc .sv-name", timeout=15_000)
    assert page.locator(".sv-name").all_inner_texts() == ["t", "t.T"]
    type_operation(page, "t[1:, ::2]")
    page.wait_for_function(
        "() => document.querySelector('.lmc-reading').textContent.includes('PyTorch says the same')", timeout=15_000
    )
    type_operation(page, "t.T.flip(0)")  # the page leaves this layout to PyTorch
    page.wait_for_function("() => document.querySelectorAll('.sv-name').length === 4", timeout=15_000)
    assert "a copy" in reading(page)
    assert watched.wrong == []
