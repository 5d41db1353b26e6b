"""Each notebook in a real JupyterLab: looked at, then Run All. Run: pytest tests/browser/test_every_notebook.py"""

import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_looking_changes_nothing_and_all_of_it_runs(path, in_lab):
    """No failed cell, no console error, no request off this machine, every widget drawn, every picture with words."""
    watched = in_lab(path=path, before=is_not_changed_by_looking, timeout=400)
    page = watched.page
    page.wait_for_timeout(1000)
    errors = page.locator("[data-mime-type='application/vnd.jupyter.error']").all_inner_texts()
    assert errors == []
    source = path.read_text(encoding="utf-8")
    if "lmcourse.widgets" in source:
        assert page.locator(".jp-OutputArea .lmc").count() >= 1
    without_alt = page.locator(".jp-OutputArea img:not([alt])").count()
    assert without_alt == 0, f"{without_alt} pictures have no alternative text: use plotting.show(fig, alt=...)"
    assert watched.wrong == []


def is_not_changed_by_looking(page, shown: Path) -> None:
    """JupyterLab would ask nothing if it were closed now; and what it saves is what was opened, the Python aside."""
    bytes_before, before = shown.read_bytes(), as_read(shown)
    assert page.locator(".jp-mod-dirty").count() == 0 and not page.title().startswith("*")
    saved = shown.stat().st_mtime_ns
    page.locator(".jp-Cell").first.click(position={"x": 4, "y": 4})  # where no link is
    assert shown.read_bytes() == bytes_before
    with page.expect_response(lambda response: response.request.method == "PUT" and shown.name in response.url):
        page.keyboard.press("Control+s")
    assert shown.stat().st_mtime_ns > saved
    assert as_read(shown) == before


def as_read(path: Path) -> dict:
    """A notebook without what depends on the Python at hand, and without the place that is kept for widgets."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["metadata"].pop("widgets", None)
    notebook["metadata"]["language_info"].pop("version")
    return notebook
