"""No key pressed in a widget reaches JupyterLab or Notebook 7. Run: pytest tests/browser/test_keys.py"""

import secrets

import nbformat
import pytest

import lmcourse.widgets

NAMES = lmcourse.widgets.widget_names()
KEYS = ("x", "b", "m", "ArrowRight", "ArrowDown", "Enter")
FRONT_ENDS = {"JupyterLab": "doc/tree", "Notebook 7": "notebooks"}
ALL_DRAWN = f"() => document.querySelectorAll('.jp-OutputArea .lmc').length === {len(NAMES)}"


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_keys_stay_in_a_widget(front_end, lab_server, watch):
    """`x` would cut the cell, `b` insert one, `m` make it a text; arrows would go to another cell."""
    if front_end == "Notebook 7" and not lab_server.has("tree"):
        pytest.skip("Notebook 7 is not installed")
    cells = [nbformat.v4.new_code_cell(f"from lmcourse.widgets import {name}\n{name}.example()") for name in NAMES]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    name = f"{secrets.token_hex(4)}.ipynb"
    nbformat.write(notebook, lab_server.root / name)
    watched = watch()
    page = watched.page
    page.goto(f"http://127.0.0.1:{lab_server.port}/{FRONT_ENDS[front_end]}/{name}?token={lab_server.token}")
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell, .jp-Notebook .jp-Cell", timeout=90_000)
    page.wait_for_timeout(2000)
    for _ in range(6):
        page.click(
            "#jp-MainMenu .lm-MenuBar-itemLabel:text-is('Run'), #menu-panel .lm-MenuBar-itemLabel:text-is('Run')"
        )
        page.click(".lm-Menu-item[data-command='runmenu:run-all']")
        try:
            page.wait_for_function(ALL_DRAWN, timeout=30_000)
            break
        except Exception:
            continue
    before = page.evaluate(
        "() => [...document.querySelectorAll('.jp-Cell')].map((cell) => cell.className.includes('CodeCell'))"
    )
    for number in range(len(NAMES)):
        widget = page.locator(".jp-OutputArea .lmc").nth(number)
        widget.locator("button:visible:enabled").first.click()
        widget.locator("button:visible:enabled, [tabindex='0']:visible").first.focus()
        for key in KEYS:
            page.keyboard.press(key)
        after = page.evaluate(
            "() => [...document.querySelectorAll('.jp-Cell')].map((cell) => cell.className.includes('CodeCell'))"
        )
        assert after == before, f"a key pressed in {NAMES[number]} reached {front_end}"
        assert page.locator(".jp-OutputArea .lmc").count() == len(NAMES)
