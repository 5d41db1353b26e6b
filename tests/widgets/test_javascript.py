"""What no linter says of the JavaScript: a module is read in one sitting, and a line fits on the screen."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted([*(ROOT / "lmcourse" / "widgets").rglob("*.js"), *(ROOT / "site" / "static").glob("*.js")])
every_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))


@every_module
def test_a_module_has_at_most_400_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@every_module
def test_a_line_has_at_most_120_columns(path):
    long = [k for k, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if len(line) > 120]
    assert long == [], f"too long: lines {long}"
