"""What no linter says of the JavaScript: a module is read in one sitting, and a line fits on the screen."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = sorted([*(ROOT / "lmcourse" / "widgets").rglob("*.js"), *(ROOT / "site" / "static").rglob("*.js")])


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_a_module_has_at_most_400_lines():
    assert [path.name for path in MODULES if len(lines(path)) > 400] == []


def test_a_line_has_at_most_120_columns():
    assert [(path.name, k) for path in MODULES for k, line in enumerate(lines(path), 1) if len(line) > 120] == []
