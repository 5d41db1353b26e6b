"""pytest tests/browser/test_page_map.py

What only PageMap does: its four views, the order of the file, a reader's wrong get_batch, and reading for real in a
kernel.
"""

import numpy as np
import pytest

from lmcourse import data_loading as dl
from lmcourse.widgets import PageMap


def reading(page):
    return page.locator(".lmc .lmc-reading").first.inner_text()


def test_the_views_and_orders_say_what_they_show(kernel_free):
    page = kernel_free(PageMap.example(), still=True).page
    assert "4 windows ask for" in reading(page)
    for name, words in [
        ("x and y", "x is tokens"),
        ("Documents and mask", "Window 1"),
        ("What has been seen", "epochs"),
    ]:
        page.get_by_role("tab", name=name, exact=True).click()
        page.wait_for_timeout(100)
        assert words in reading(page)
    page.get_by_role("tab", name="Pages", exact=True).click()
    page.get_by_role("button", name="first step").click()
    page.wait_for_timeout(100)
    assert "Nothing is read yet" in reading(page)
    page.get_by_label("order").select_option("sequential")
    page.get_by_role("button", name="step forward").click()
    page.wait_for_timeout(100)
    assert "they lie in 1 page" in reading(page)
    assert page.locator('.pm-strip i[data-s="now"]').count() == 1


def test_a_wrong_get_batch_is_marked(kernel_free):
    def unshifted(tokens, batch_size, context_length, device="cpu", *, generator=None):
        x, _ = dl.get_batch(tokens, batch_size, context_length, device, generator=generator)
        return x, x.clone()

    page = kernel_free(PageMap(np.arange(5000), get_batch=unshifted, context_length=12, view="shift"), still=True).page
    assert page.locator(".pm-wrong").count() == 12
    assert "where" in reading(page) and "belongs" in reading(page)


CODE = """
import tempfile
from pathlib import Path
from lmcourse.data_loading import drop_from_cache, open_tokens, write_tokens
from lmcourse.widgets import PageMap
path = Path(tempfile.mkdtemp()) / "tokens.npy"
write_tokens(path, (i % 50_000 for i in range(500_000)), 50_257)
PageMap(open_tokens(path), batch_size=8)
"""


def test_a_shade_is_the_share_of_a_cell_that_was_seen(kernel_free):
    """After one token a cell is nearly white; after an epoch a shuffled walk has filled all, a random one has not."""
    page = kernel_free(PageMap(np.zeros(60_000, dtype=np.uint16), batch_size=8, view="coverage"), still=True).page
    shares = """() => [...document.querySelectorAll('.pm-strip i')]
        .map((e) => parseFloat(e.style.getPropertyValue('--share')))"""
    early = page.evaluate(shares)
    assert 0 < max(early) < 30 and early.count(0) > 20
    page.locator(".lmc-stepper input").evaluate(
        "(e) => { e.value = 117; e.dispatchEvent(new Event('input', { bubbles: true })); }"
    )
    page.wait_for_timeout(100)
    random = page.evaluate(shares)
    assert min(random) > 40 and max(random) < 90
    page.get_by_label("order").select_option("shuffled")
    page.wait_for_timeout(100)
    assert min(page.evaluate(shares)) >= 95


@pytest.mark.parametrize("width", [1100, 390])
def test_no_view_changes_its_height_from_step_to_step(width, kernel_free):
    page = kernel_free(PageMap.example(), width=width, still=True).page
    for tab in page.get_by_role("tab").all():
        tab.click()
        heights = []
        for name in ("first step", "step forward", "step forward", "last step"):
            page.get_by_label(name).click()
            page.wait_for_timeout(40)
            heights.append(page.evaluate("Math.round(document.querySelector('.lmc').getBoundingClientRect().height)"))
        assert len(set(heights)) == 1, (tab.inner_text(), heights)


def test_the_mask_shows_a_window_that_crosses_the_end_of_a_document(kernel_free):
    tokens = np.ones(20_000, dtype=np.uint16)
    tokens[[300, 9_000]] = 0
    widget = PageMap(tokens, batch_size=12, context_length=256, order="sequential", end_of_text=0)
    page = kernel_free(widget, still=True).page
    page.get_by_role("tab", name="Documents and mask").click()
    page.wait_for_timeout(100)
    assert "Window 2 crosses the end of a document at token 300" in reading(page)
    assert page.locator('.pm-mask i[data-m="other"]').count() > 0


@pytest.mark.slow
def test_a_kernel_reads_the_file_and_its_counts_are_shown(in_lab):
    watched = in_lab(CODE)
    page = watched.page
    page.wait_for_selector(".jp-OutputArea .lmc", timeout=30_000)
    page.get_by_role("button", name="More").click()
    page.get_by_role("button", name="Read this batch again").click()
    counted = "() => !document.querySelector('.pm-measured:last-child b').textContent.includes('–')"
    page.wait_for_function(counted, timeout=30_000)
    assert "resident" in page.locator(".pm-numbers").inner_text()
    page.get_by_role("button", name="step forward").click()
    page.wait_for_timeout(200)
    measured = page.locator(".pm-measured b").all_inner_texts()
    assert set(measured) == {"–"}, "what was counted for another batch does not stay"
    page.get_by_role("button", name="step back").click()
    page.get_by_label("read the file for real at each step").check()
    page.get_by_role("button", name="step forward").click()
    page.wait_for_function(
        "document.querySelector('.lmc .lmc-reading').textContent.includes('Batch 2')", timeout=30_000
    )
    page.wait_for_function(counted, timeout=30_000)
    page.get_by_role("button", name="Empty the page cache").click()
    page.wait_for_timeout(500)
    assert watched.wrong == []
