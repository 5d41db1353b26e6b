"""The parts that the book is made of. Run: pytest tests/test_site.py (the built book: tests/browser/test_book.py)"""

import doctest
import importlib.util
import json
import sys
import zipfile
from pathlib import Path

import pytest

SITE = Path(__file__).parents[1] / "site"
pytest.importorskip("sphinx", reason="sphinx is not installed (requirements-site.txt)")


def part(name: str):
    """A module of site/, under a name of its own: there is a package that is called build as well."""
    spec = importlib.util.spec_from_file_location(f"site_{name}", SITE / f"{name}.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["build", "find", "seal"])
def test_the_examples_hold(name):
    failed, tried = doctest.testmod(part(name))
    assert tried and not failed


def test_without_npm_the_book_is_built_without_what_comes_from_there_and_says_so(monkeypatch, tmp_path, capsys):
    build = part("build")
    monkeypatch.setattr(build.live, "MODULES", tmp_path)
    monkeypatch.setattr(build.live.shutil, "which", lambda name: None)
    monkeypatch.setattr(build, "BOOK", tmp_path)
    assert build.assets([]) == {}
    assert "npm and node are not installed: the book is built without its editor" in capsys.readouterr().out
    notebook = build.Page(sorted((build.ROOT / "notebooks").glob("03_*.ipynb"))[0], "03_strides", "03 Strides")
    build.gather_notebook(notebook, [notebook], {}, {})
    text = (tmp_path / "03_strides.ipynb").read_text(encoding="utf-8")
    assert "lm-check" not in text and text.count('class=\\"elsewhere\\"') == 6
    assert "built without" in build.progress_page([notebook], {})


def test_an_archive_of_the_same_sources_has_the_same_bytes(tmp_path):
    live = part("live")
    for name in "ab":
        live.archive(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with zipfile.ZipFile(tmp_path / "a") as file:
        names = file.namelist()
    assert "lmcourse/exercises/judging.py" in names and not [name for name in names if "/widgets/" in name]


def test_what_npm_brings_is_pinned_by_hash_and_no_address():
    lock = json.loads((SITE / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: each for name, each in lock["packages"].items() if name}
    assert packages and all("integrity" in each and "resolved" not in each for each in packages.values())
    wanted = json.loads((SITE / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert {name: packages[f"node_modules/{name}"]["version"] for name in wanted} == wanted
