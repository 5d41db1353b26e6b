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
        page.get_by_role("button", name=name, exact=True).click()
        page.wait_for_timeout(100)
        assert words in reading(page)
    page.get_by_role("button", name="Pages", exact=True).click()
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


@pytest.mark.slow
def test_a_kernel_reads_the_file_and_its_counts_are_shown(in_lab):
    watched = in_lab(code=CODE)
    page = watched.page
    page.wait_for_selector(".jp-OutputArea .lmc", timeout=30_000)
    page.get_by_label("read the file for real at each step").check()
    page.wait_for_selector(".pm-measured", timeout=30_000)
    assert "resident" in page.locator(".pm-numbers").inner_text()
    page.get_by_role("button", name="step forward").click()
    page.wait_for_function(
        "document.querySelector('.lmc .lmc-reading').textContent.includes('Batch 2')", timeout=30_000
    )
    page.wait_for_selector(".pm-measured", timeout=30_000)
    page.get_by_role("button", name="Empty the page cache").click()
    page.wait_for_timeout(500)
    assert watched.wrong == []
