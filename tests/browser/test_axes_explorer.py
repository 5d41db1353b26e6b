"""What only AxesExplorer can do. Run: pytest tests/browser/test_axes_explorer.py"""

import torch

from lmcourse.widgets import AxesExplorer


def reading(page) -> str:
    return page.locator(".lmc-reading").first.inner_text()


def cell(page, tensor, flat):
    return page.locator(f'[data-tensor="{tensor}"] [data-flat="{flat}"]')


def marked(page, kind) -> set[tuple[str, int]]:
    return {
        tuple(pair)
        for pair in page.evaluate(
            """kind => [...document.querySelectorAll('.lmc-ax-cell.' + kind)]
            .map(cell => [cell.parentElement.dataset.tensor, Number(cell.dataset.flat)])""",
            kind,
        )
    }


def test_hovering_goes_either_way(kernel_free):
    watched = kernel_free(AxesExplorer("m k, k n -> m n", m=2, k=3, n=2))
    page = watched.page
    cell(page, "out", 1).hover()
    assert marked(page, "is-source") == {("0", 0), ("0", 1), ("0", 2), ("1", 1), ("1", 3), ("1", 5)}
    assert "out[0, 1] is x[0, 0] · y[0, 1] + x[0, 1] · y[1, 1] + x[0, 2] · y[2, 1] = 13" in reading(page)
    cell(page, "0", 4).hover()  # x[1, 1]: both outputs of row 1, and the row of y that it multiplies
    assert marked(page, "is-source") == {("out", 2), ("out", 3), ("1", 2), ("1", 3)}
    assert "2 output elements" in reading(page)
    assert watched.wrong == []


def test_the_loop_nest_follows_the_stepper(kernel_free):
    watched = kernel_free(AxesExplorer("m k, k n -> m n", m=2, k=3, n=2))
    page = watched.page
    for _ in range(5):
        page.get_by_label("step forward").click()
    assert marked(page, "is-now") == {("0", 1), ("1", 3)}
    assert "term 2 of 3" in reading(page) and "the sum so far is 3" in reading(page)
    lit = page.locator(".lmc-ax-code.is-current").all_inner_texts()
    assert len(lit) == 2 and "for k in range(3)" in lit[0] and "out[m, n] += x[m, k] * y[k, n]" in lit[1]
    assert watched.wrong == []


def test_an_error_stands_under_its_axis_and_its_fix_works(kernel_free):
    watched = kernel_free(AxesExplorer("b h w -> b h", operation="rearrange", b=2, h=3, w=2))
    page = watched.page
    assert page.locator(".lmc-ax-blame").all_inner_texts() == ["w"]
    assert (
        "Identifiers only on one side of expression (should be on both): {'w'}"
        in page.locator(".lmc-ax-trouble").inner_text()
    )
    page.get_by_role("button", name="Apply").click()
    assert page.get_by_label("Operation").input_value() == "reduce, sum"
    assert page.locator(".lmc-ax-blame").count() == 0 and page.locator(".lmc-ax-cell").count() == 12 + 6
    page.locator(".lmc-ax-field input").fill("b h w -> b (h w) z")
    assert page.locator(".lmc-ax-blame").all_inner_texts() == ["z"]
    assert watched.wrong == []


def test_a_tensor_keeps_its_shape_and_a_wrong_size_is_explained(kernel_free):
    watched = kernel_free(AxesExplorer("b t (h d) -> b h t d", torch.arange(48).reshape(2, 3, 8), h=4))
    page = watched.page
    page.get_by_role("tab", name="Sizes").click()
    heads = page.locator(".lmc-ax-chip input").first
    heads.fill("3")
    trouble = page.locator(".lmc-ax-trouble").inner_text()
    assert "can't divide axis of length 8 in chunks of 3" in trouble and "8 divides by 1, 2, 4, 8" in trouble
    heads.fill("2")
    assert page.locator(".lmc-ax-trouble").is_hidden()
    assert page.locator('[data-tensor="out"] .lmc-ax-cell').count() == 48


def test_a_strided_tensor_is_judged_by_its_own_strides(kernel_free):
    x = torch.arange(24).reshape(4, 6)
    for tensor, word in ((x, "view"), (x.T.contiguous().T, "copy")):
        watched = kernel_free(AxesExplorer("h w -> (h w)", tensor))
        watched.page.get_by_role("tab", name="Call, type and cost").click()
        assert watched.page.locator(".lmc-ax-facts b").inner_text() == word


def test_an_element_is_followed_through_the_whole_chain(kernel_free):
    watched = kernel_free(AxesExplorer.attention("multi_head", q=2, k=3))
    page = watched.page
    page.get_by_role("button", name="joined").click()
    cell(page, "out", 0).hover()
    counts = dict(
        page.evaluate(
            """() => [...document.querySelectorAll('.lmc-ax-card')].map(card => [card.querySelector('b').textContent,
            card.querySelector('.lmc-ax-mini .on').getAttribute('d').split('M').length - 1])"""
        )
    )
    # One element of the joined heads: its query's row of one head, every key and every value of that head.
    assert counts == {
        "Q": 2, "q_heads": 2, "K": 6, "k_heads": 6, "V": 3, "v_heads": 3, "scores": 3, "weights": 3,
        "mixed": 1, "joined": 1,
    }  # fmt: skip
    hues = set()
    for step in page.locator("button.lmc-ax-card").all():
        step.click()
        hues |= set(page.evaluate(
            "() => [...document.querySelectorAll('.lmc-ax-tag')].map(tag => tag.textContent + tag.className.slice(-1))"
        ))  # fmt: skip
    assert len(hues) == 5, "one axis name has one colour in every step"
    assert watched.wrong == []


def test_a_colour_belongs_to_a_name_and_the_readers_row_stays(kernel_free):
    """Try 3 of the notebook, in the book, where no kernel runs: `(h d)` becomes `(d h)`."""
    x = torch.arange(48.0).view(2, 3, 8)

    def mine(x, h):
        return x.view(2, 3, h, 8 // h).transpose(1, 2)

    watched = kernel_free(AxesExplorer("b t (h d) -> b h t d", x, h=2, check=mine))
    page = watched.page
    colours = """() => Object.fromEntries([...document.querySelectorAll('.lmc-ax-name')]
        .map(e => [e.textContent, getComputedStyle(e).color]))"""
    before, tint = page.evaluate(colours), page.locator(".lmc-ax-cell").nth(1).inner_text()
    assert len(set(before.values())) == 4 and tint.endswith("h0")
    assert "every element equals einops'" in page.locator(".lmc-ax-trouble").inner_text()
    page.locator(".lmc-ax-field input").fill("b t (d h) -> b h t d")
    assert page.evaluate(colours) == before
    assert page.locator(".lmc-ax-cell").nth(1).inner_text().endswith("h1"), "still coloured by h"
    words = page.locator(".lmc-ax-trouble").inner_text()
    assert "mine: 36 of 48 elements differ, first out[0, 0, 0, 1]: yours 1, einops 2" in words
    assert page.locator(".lmc-ax-cell.is-wrong").count() == 36
    page.get_by_role("tab", name="Sizes").click()
    page.locator(".lmc-ax-chip input").first.fill("4")
    assert "was not run for these sizes" in page.locator(".lmc-ax-trouble").inner_text()
    assert page.locator(".lmc-ax-cell.is-wrong").count() == 0
    assert watched.wrong == []


def test_a_slider_costs_little_work(kernel_free):
    watched = kernel_free(AxesExplorer("b q d, b k d -> b q k", b=2, q=4, k=4, d=4))
    changes = watched.changes(
        """const slider = [...document.querySelectorAll('.lmc-ax-chip input')].at(-1);
        slider.value = 1 + (k % 8);
        slider.dispatchEvent(new Event('input', { bubbles: true }))""",
        times=40,
    )
    assert 1 < changes < 350, f"{changes:.0f} nodes an update"


def test_the_kernel_confirms_and_runs_the_readers_function(in_lab):
    code = """
import torch
from lmcourse.widgets import AxesExplorer

def my_split(x):
    return x.reshape(2, 2, 3, 4)

AxesExplorer("b t (h d) -> b h t d", torch.arange(48).reshape(2, 3, 8), h=2, check=my_split)
"""
    watched = in_lab(code)
    page = watched.page
    page.wait_for_selector(".jp-OutputArea .lmc-ax-cell", timeout=15_000)
    assert "my_split: " in page.locator(".lmc-ax-trouble").inner_text()
    assert "first out[0, 0, 1, 0]: yours 4, einops 8" in page.locator(".lmc-ax-trouble").inner_text()
    assert marked(page, "is-wrong") >= {("out", 4)}
    page.locator(".lmc-ax-field input").fill("b t c -> b (t c) z")
    page.wait_for_function("document.querySelector('.lmc-source').innerText.includes('itself was asked')", timeout=5000)
    assert "Identifiers only on one side" in page.locator(".lmc-ax-trouble").inner_text()
    assert watched.wrong == []
