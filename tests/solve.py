"""Solve notebooks: `python tests/solve.py OUT [FILE ...]` writes copies whose exercises hold the reference's source.

Run strictly (LMCOURSE_STRICT=1), a solved copy proves that each solution passes its own check in the notebook's own
namespace, and that every later cell works with it.
"""

import ast
import re
import sys
from pathlib import Path

import nbformat

from lmcourse import exercises

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def topic_of(notebook: nbformat.NotebookNode) -> exercises.Topic | None:
    """The topic whose `check` a notebook imports."""
    for cell in notebook.cells:
        if found := re.search(r"from lmcourse\.exercises\.(\w+) import", cell.source):
            return exercises.topic(found.group(1))
    return None


def definition(source: str) -> ast.FunctionDef | ast.ClassDef:
    """The one function or class that an exercise cell defines."""
    found = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    if len(found) != 1:
        raise ValueError(f"an exercise cell defines one function or class, this one {len(found)}:\n{source}")
    return found[0]


def solve(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Replace each stub by its solution, in place; all other lines of the cell stay."""
    topic = topic_of(notebook)
    for cell in notebook.cells:
        if "exercise" in cell.metadata.get("tags", []):
            stub = definition(cell.source)
            lines = cell.source.split("\n")
            start = min([stub.lineno, *(d.lineno for d in stub.decorator_list)]) - 1
            lines[start : stub.end_lineno] = topic.solution(stub.name).rstrip().split("\n")
            cell.source = "\n".join(lines)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def main(out: str, *paths: str) -> None:
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    for path in [Path(p) for p in paths] or sorted(NOTEBOOKS.glob("*.ipynb")):
        nbformat.write(solve(nbformat.read(path, as_version=4)), folder / path.name)


if __name__ == "__main__":
    main(*sys.argv[1:])
