"""A published copy's links, and its first cell on Colab. Run: pytest tests/test_badges.py"""

import importlib.util
import subprocess
import sys
import types
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def badges():
    spec = importlib.util.spec_from_file_location("badges", ROOT / "docs" / "badges.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_notebook_has_a_link_and_a_first_cell_once(badges, path):
    once = badges.with_link(nbformat.read(path, as_version=4), path.name, "me/course", "main")
    twice = badges.with_link(nbformat.from_dict(once), path.name, "you/other", "main")
    nbformat.validate(twice)
    assert twice.cells[0].source.count("Open in Colab") == 1
    assert f"github/you/other/blob/main/notebooks/{path.name}" in twice.cells[0].source
    assert [cell.id for cell in twice.cells].count("colab") == 1 and twice.cells[1].id == "colab"
    assert [cell.id for cell in twice.cells if cell.id != "colab"] == [
        cell.id for cell in nbformat.read(path, 4).cells if cell.id != "colab"
    ]


@pytest.mark.parametrize("colab", [True, False])
def test_the_first_cell_installs_on_colab_and_does_nothing_elsewhere(badges, monkeypatch, colab):
    asked = []
    monkeypatch.setattr(subprocess, "run", lambda command, check: asked.append(command))
    if colab:
        monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    notebook = badges.with_link(nbformat.read(NOTEBOOKS[3], as_version=4), NOTEBOOKS[3].name, "me/course", "main")
    exec(notebook.cells[1].source, {})
    wanted = [sys.executable, "-m", "pip", "install", "-q", "git+https://github.com/me/course@main"]
    assert asked == ([wanted] if colab else [])


def test_readme_has_its_badges_once(badges):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    once = badges.with_badges(readme, "me/course", "main")
    twice = badges.with_badges(once, "you/other", "main")
    assert twice.count("mybinder.org/badge_logo.svg") == 1 and "v2/gh/you/other/main" in twice
    assert once.replace("me/course", "you/other") == twice and twice.startswith(readme.partition("\n")[0])
