"""The rules for notebooks of CONTRIBUTING.md. Run: pytest tests/test_notebooks.py

nbval passes a notebook that was never executed; these rules do not.
"""

import ast
import importlib
import inspect
import re
import textwrap
from pathlib import Path

import nbformat
import pytest

from lmcourse.exercises import YourTurn

clean_notebooks = importlib.import_module("clean_notebooks")
solve = importlib.import_module("solve")
teaching = importlib.import_module("teaching")

ROOT = Path(__file__).parents[1]
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
read = teaching.read
every_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
JOURNEY = "text → tokens → bits → strided batch → logits → loss → gradient → step"
KNOWN_TAGS = {"setup", "exercise", "predict", "proof", "widget"}
KNOWN_TAGS |= {"nbval-ignore-output", "needs-cuda", "raises-exception"}


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


def lines_without_docstring(source: str) -> int:
    lines = set(range(1, len(source.split("\n")) + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return sum(1 for number in lines if source.split("\n")[number - 1].strip())


def executed(notebook) -> list[str]:
    """What keeps a notebook from counting as executed."""
    cells = [cell for cell in code_cells(notebook) if cell.source.strip()]
    counts = [cell.execution_count for cell in cells]
    if counts != list(range(1, len(cells) + 1)):
        return [f"execution counts are {counts}, they must be 1, 2, 3 …: execute all cells in order, then clean"]
    return [
        f"cell {cell.execution_count} is stored with an error: {output.ename}"
        for cell in cells
        for output in cell.outputs
        if output.output_type == "error" and "raises-exception" not in tags(cell)
    ]


@every_notebook
def test_every_cell_was_executed(path):
    assert executed(read(path)) == []


def test_a_notebook_that_was_never_executed_fails():
    never = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")])
    assert executed(never) != []


@every_notebook
def test_metadata_is_clean(path):
    text = path.read_text(encoding="utf-8")
    cleaned = nbformat.writes(clean_notebooks.clean(nbformat.reads(text, as_version=4))) + "\n"
    assert text == cleaned, f"run: python tests/clean_notebooks.py notebooks/{path.name}"
    assert len(text) < 3_000_000


@every_notebook
def test_no_shell_no_install_no_folding_in_markdown(path):
    for cell in read(path).cells:
        if cell.cell_type == "code":
            assert not re.search(r"^\s*(!|%pip|%conda|%%bash|get_ipython)", cell.source, re.MULTILINE), cell.source
            assert not (set(tags(cell)) - KNOWN_TAGS - {t for t in tags(cell) if t.startswith("mirror:")}), tags(cell)
        else:
            assert "<details" not in cell.source and "<script" not in cell.source


@every_notebook
def test_links_resolve(path):
    for cell in read(path).cells:
        if cell.cell_type != "markdown":
            continue
        for target in re.findall(r"\]\(([^)\s]+)\)", cell.source):
            if not re.match(r"https?://|#|mailto:", target):
                file = (path.parent / target.partition("#")[0]).resolve()
                assert file.exists(), f"{target} leads nowhere"


@every_notebook
def test_template(path):
    notebook = read(path)
    number, _, _ = path.stem.partition("_")
    first, setup, goals = notebook.cells[:3]
    assert first.source.startswith(f"# {number} "), "the first cell is the title and the promise"
    assert JOURNEY in first.source.replace("*", ""), "the strip of the journey, its own stage in bold"
    assert "**You will build**" in first.source and "minutes" in first.source
    assert "setup" in tags(setup) and "ready()" in setup.source
    assert goals.source.startswith("## After this notebook you can")
    topic = solve.topic_of(notebook)
    for name in topic.exercises:
        assert name in goals.source, f"the goals do not name the exercise {name}"
    headings = [line for cell in notebook.cells if cell.cell_type == "markdown" for line in cell.source.split("\n")]
    for heading in ("## Against the real thing", "## Where it breaks", "## Recap", "## Make"):
        assert any(line.startswith(heading) for line in headings), f"{heading} is missing"
    assert any("quiz()" in cell.source for cell in code_cells(notebook))
    assert "## Further reading" in notebook.cells[-1].source
    assert sum(cell.source.count("**Takeaway.**") for cell in notebook.cells) >= 3


@every_notebook
def test_budgets(path):
    notebook = read(path)
    assert 40 <= len(notebook.cells) <= 160  # a cell is one idea, at most twelve lines of it
    run = 0
    for cell in notebook.cells:
        run = run + 1 if cell.cell_type == "code" else 0
        assert run <= 3, f"four code cells in a row, the last: {cell.source[:80]}"
        if cell.cell_type == "code":
            assert len(cell.source.split("\n")) <= 30 and lines_without_docstring(cell.source) <= 25, cell.source
            assert cell.source.strip(), "an empty code cell"
    asked = solve.topic_of(notebook)
    used = "\n".join(cell.source for cell in code_cells(notebook))
    for key in asked.predictions:
        assert f'predict("{key}"' in used, f"the prediction {key} is never asked"
    prose = sum(len(cell.source.split()) for cell in notebook.cells if cell.cell_type == "markdown")
    lines = sum(lines_without_docstring(cell.source) for cell in code_cells(notebook))
    most = 18 if path.stem.startswith("00") else 15  # 00 tells what the others are and how all of them work
    assert 3 <= prose / lines <= most, f"{prose / lines:.1f} words of prose a line of code"


@every_notebook
def test_stubs_are_the_references(path):
    """One signature and one docstring; the body raises YourTurn; the last line checks; all exercises are there."""
    notebook = read(path)
    topic, seen = solve.topic_of(notebook), []
    for cell in code_cells(notebook):
        if "exercise" not in tags(cell):
            continue
        stub = solve.definition(cell.source)
        seen.append(stub.name)
        reference = ast.parse(topic.solution(stub.name)).body[0]
        assert _signature(stub) == _signature(reference)
        assert ast.get_docstring(stub) == ast.get_docstring(reference)
        assert "raise YourTurn" in cell.source
        assert cell.source.rstrip().endswith(f"{stub.name} = check({stub.name})")
        assert any("not attempted yet" in str(output) for output in cell.outputs), "committed unsolved"
    wholes = [each for each in topic.exercises.values() if each.of is None]
    asked = [name for whole in wholes for name in (*whole.steps, whole.name)]  # the steps are on the way to the whole
    assert seen == asked, "the notebook asks its exercises in the order they are declared"


def _signature(node) -> str | list[str]:
    """The signature of a function; of a class, its bases and the signatures of its methods."""
    if isinstance(node, ast.FunctionDef):
        return f"{node.name}({ast.unparse(node.args)}) -> {ast.unparse(node.returns) if node.returns else ''}"
    methods = [_signature(part) for part in node.body if isinstance(part, ast.FunctionDef)]
    return [f"{node.name}({', '.join(map(ast.unparse, node.bases))})", *methods]


@every_notebook
def test_mirrored_cells_equal_the_package(path):
    for cell in code_cells(read(path)):
        for tag in tags(cell):
            if tag.startswith("mirror:"):
                module, _, name = tag.removeprefix("mirror:").rpartition(".")
                original = getattr(importlib.import_module(module), name)
                theirs = ast.parse(textwrap.dedent(inspect.getsource(original))).body[0]
                assert ast.dump(solve.definition(cell.source)) == ast.dump(theirs), f"{name} differs from {module}"


@every_notebook
def test_predictions_are_committed_unanswered(path):
    for cell in code_cells(read(path)):
        if "predict" in tags(cell):
            assert re.match(r"guess = None  # \S", cell.source), cell.source


def test_your_turn_is_not_pytorchs():
    assert not issubclass(YourTurn, NotImplementedError)
