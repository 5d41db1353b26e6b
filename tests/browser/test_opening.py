"""A notebook that was only looked at is not changed. Run: pytest tests/browser/test_opening.py"""

import json
import shutil
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_opening_a_notebook_changes_nothing(path, lab_server, watch):
    """JupyterLab asks nothing when it is closed; and what it saves is what was committed, the Python at hand aside."""
    copy = lab_server.root / f"opened_{path.name}"
    shutil.copy(path, copy)
    page = watch().page
    page.goto(lab_server.url(copy.name))
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=90_000)
    page.wait_for_selector(".jp-NotebookPanel-toolbar", timeout=30_000)
    page.wait_for_timeout(2000)
    assert page.locator(".jp-mod-dirty").count() == 0 and not page.title().startswith("*")
    assert copy.read_bytes() == path.read_bytes()
    page.locator(".jp-Cell").first.click()
    page.keyboard.press("Control+s")
    page.wait_for_timeout(1500)
    assert as_read(copy) == as_read(path)


def as_read(path: Path) -> dict:
    """A notebook without what depends on the Python at hand, and without the place that is kept for widgets."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["metadata"].pop("widgets", None)
    notebook["metadata"]["language_info"].pop("version")
    return notebook
