"""`benchmarks/course.py` on a notebook of two cells: its seconds say nothing here, that it measures does.

Run: pytest tests/test_course_benchmark.py. Its browser part is tried by running it: python benchmarks/course.py 03.
"""

import doctest
import importlib.util
import re
from pathlib import Path

import nbformat
import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "course.py"


@pytest.fixture(scope="module")
def course():
    spec = importlib.util.spec_from_file_location("course_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_its_examples(course):
    assert doctest.testmod(course).failed == 0 < doctest.testmod(course).attempted


@pytest.fixture
def small(tmp_path):
    cells = [nbformat.v4.new_code_cell(source) for source in ("import math", "held = bytearray(80_000_000)")]
    path = tmp_path / "small.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_a_notebook_is_measured(course, small, monkeypatch):
    monkeypatch.setattr(course.kernels, "NOTEBOOKS", [small])
    lines = "\n".join(course.table([], browser=False)).split("\n")
    assert len(lines) == 4 and lines[2].startswith("| small |") and lines[3].startswith("| together |")
    assert float(re.findall(r"[\d.]+", lines[2])[-1]) > 100  # MB: Python and the eighty


def test_a_notebook_that_fails_is_named(course, tmp_path):
    path = tmp_path / "broken.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")]), path)
    with pytest.raises(RuntimeError, match=r"broken\.ipynb: ZeroDivisionError"):
        course.run_all(path)
