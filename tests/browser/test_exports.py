"""A notebook as a page, as slides and on paper, without a network. Run: pytest tests/browser/test_exports.py"""

import functools
import http.server
import subprocess
import sys
import threading
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).parents[2]
MODULES = Path(__file__).parent / "node_modules"
LONG = "print('a line that is much longer than a page of paper is wide: " + "word " * 40 + "')"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Page and slides of one small notebook, executed while they are made, and the address that serves them."""
    if not (MODULES / "reveal.js").exists():
        pytest.skip("reveal.js is not installed (npm install --prefix tests/browser)")
    folder = tmp_path_factory.mktemp("exports")
    (folder / "node_modules").symlink_to(MODULES)
    answer = new_code_cell("print('the answer')", metadata={"jupyter": {"outputs_hidden": True}})
    proof = new_code_cell("# What this proves: nothing\nprint('holds')", metadata={"jupyter": {"source_hidden": True}})
    widget = new_code_cell("from lmcourse.widgets import FloatBits\nFloatBits.example()")
    cells = [
        new_markdown_cell("# Title\n\nwords and $x^2$"), new_code_cell(LONG), new_markdown_cell("## One"), widget,
        new_markdown_cell("## Two"), answer, proof,
    ]  # fmt: skip
    notebook = new_notebook(cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    nbformat.write(notebook, folder / "small.ipynb")
    for kind in ("html", "slides"):
        command = ["-m", "nbconvert", "--config", ROOT / "docs" / "export_config.py", "--to", kind, "--execute"]
        subprocess.run(
            [sys.executable, *command, "--output-dir", folder, folder / "small.ipynb"], check=True, capture_output=True
        )
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_page_holds_the_widgets_picture_and_asks_no_other_site(exported, watch):
    watched = watch(width=800)
    page = watched.page
    page.goto(f"{exported}/small.html")
    assert page.locator("[data-lm-widget]").is_visible()
    assert not page.get_by_text("the answer", exact=True).is_visible(), "an answer stays folded"
    page.get_by_text("Show the answer").click()
    assert page.get_by_text("the answer", exact=True).is_visible()
    assert page.get_by_text("What this proves").count() == page.get_by_text("holds", exact=True).count() == 0
    page.emulate_media(media="print")
    assert page.evaluate("() => [...document.querySelectorAll('pre')].every((p) => p.scrollWidth <= p.clientWidth + 1)")
    assert [wrong for wrong in watched.wrong if "favicon" not in wrong and "404" not in wrong] == []


def test_slides_begin_at_each_heading(exported, watch):
    watched = watch(width=1280)
    page = watched.page
    page.goto(f"{exported}/small.slides.html")
    page.wait_for_function("() => document.querySelector('.reveal.ready, .reveal .present')", timeout=15_000)
    titles = page.locator(".slides > section").count()
    assert titles == 3
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.querySelector('section.present h2')?.textContent.startsWith('One')")
    assert [wrong for wrong in watched.wrong if "off-site" in wrong] == []
