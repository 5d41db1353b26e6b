"""Each notebook in a real JupyterLab, Run All. Run: pytest tests/browser/test_every_notebook.py"""

from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_in_jupyterlab(path, in_lab):
    """No failed cell, no console error, no request off this machine, every widget drawn, every picture with words."""
    watched = in_lab(path, timeout=400)
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
