"""The parts that the book is made of. Run: pytest tests/test_site.py (the built book: tests/browser/test_book.py)"""

import doctest
import importlib.util
import sys
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


@pytest.mark.parametrize("name", ["build", "find"])
def test_the_examples_hold(name):
    failed, tried = doctest.testmod(part(name))
    assert tried and not failed
