"""Guides, workflows and metadata say what is true of the repository. Run: pytest tests/test_docs.py"""

import importlib
import importlib.metadata
import json
import re
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import lmcourse.widgets

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
GUIDES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "benchmarks" / "README.md"]
GUIDES += sorted((ROOT / "docs").glob("*.md"))
every_guide = pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.relative_to(ROOT).as_posix())
CLASSROOM = (ROOT / "docs" / "classroom.md").read_text(encoding="utf-8")


def headings(path: Path) -> set[str]:
    cells = nbformat.read(path, as_version=4).cells
    lines = [line for cell in cells if cell.cell_type == "markdown" for line in cell.source.split("\n")]
    return {line.lstrip("# ") for line in lines if line.startswith("#")}


def section(number: str) -> str:
    """The plan of one notebook in docs/classroom.md."""
    found = re.search(rf"^## {number} .*?(?=^## |\Z)", CLASSROOM, re.MULTILINE | re.DOTALL)
    assert found, f"docs/classroom.md has no plan for {number}"
    return found[0]


@every_guide
def test_links_lead_somewhere(path):
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    for target in targets:
        if not re.match(r"https?://|#|mailto:", target):
            assert (path.parent / target.partition("#")[0]).exists(), f"{target} leads nowhere"


@every_guide
def test_prose_keeps_the_house_rules(path):
    text = re.sub(r"```.*?```|`[^`]*`", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    if path.name != "CONTRIBUTING.md":  # which names the words that are not used
        assert not re.search(r"(?i)\b(simply|obviously|FLOPS)\b", text.replace("FLOPs", ""))
    assert not re.search(r"(?<![\w(])/(?:work|tmp|root|home)/", text), "a path of some machine"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_has_a_plan_of_its_own_headings(path):
    plan = section(path.stem[:2])
    assert all(f"**{part}**" in plan for part in ("10 minutes.", "50 minutes.", "Ask."))
    paths = plan.split("**Ask.**")[0]
    for named in re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", paths.replace("\n", " ")):
        assert named in headings(path), f"{path.stem} has no section {named!r}"
    exercises = [heading for heading in headings(path) if heading.startswith("Exercise")]
    for number in re.findall(rf"\b{int(path.stem[:2])}\.\d\b", paths):
        assert any(heading.startswith(f"Exercise {number} ") for heading in exercises), number


def test_errata_point_to_sections_that_are_there():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    pointed = re.findall(r"\(notebooks/(\S+\.ipynb)\) \*(.+?)\* \|", text)
    assert len(pointed) > 30
    for name, heading in pointed:
        assert heading in headings(ROOT / "notebooks" / name), f"{name} has no section {heading!r}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_widget_states_can_be_made(path):
    """Each line is a widget of the course, is made, and draws something to see without a kernel."""
    names = {name: getattr(lmcourse.widgets, name) for name in lmcourse.widgets.widget_names()}
    names |= {"torch": importlib.import_module("torch")}
    for block in re.findall(r"```python\n(.*?)```", section(path.stem[:2]), re.DOTALL):
        for line in block.strip().split("\n"):
            assert len(eval(line, names).snapshot()) > 100, line


def test_minutes_and_names_are_the_notebooks_own():
    """The table of README and that of 00 say what each notebook says of itself."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in NOTEBOOKS:
        first = nbformat.read(path, as_version=4).cells[0].source
        title = re.match(r"# (\d\d [^:\n]*)", first)[1]
        whole = re.search(r"(\d+) minutes", first)[1]
        core = (re.search(r"core path (\d+)", first) or [None, whole])[1]
        row = next(line for line in readme.split("\n") if line.startswith(f"| [{title}](notebooks/{path.name})"))
        assert f"| {core} | {whole} |" in row
        if path.stem[:2] != "00":
            start = next(cell.source for cell in nbformat.read(NOTEBOOKS[0], 4).cells if "| you build |" in cell.source)
            row = next(line for line in start.split("\n") if title in line)
            assert f"| {core} | {whole} |" in row and f"]({path.name})" in row


def test_where_to_look_is_true():
    """Each row of CONTRIBUTING's table names a file, or a folder, that holds the name."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text.split("## Where to look for what")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.+\?) \| (\S+) \| `(.+)` \|$", table, re.MULTILINE)
    assert len(rows) >= 30
    for question, file, name in rows:
        place = ROOT / file
        files = [path for path in place.rglob("*") if path.suffix in (".py", ".js")] if place.is_dir() else [place]
        assert any(name in path.read_text(encoding="utf-8") for path in files), f"{question} {file} has no {name}"


def test_a_picture_a_widget():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in lmcourse.widgets.widget_names():
        picture = ROOT / "docs" / "pictures" / f"{name}.png"
        assert picture.stat().st_size < 120_000, "python docs/pictures.py makes it small"
        assert f'src="docs/pictures/{name}.png"' in readme and f'alt="{name}' in readme


# What runs elsewhere


@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda path: path.name)
def test_workflows_are_yaml_and_run_what_exists(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] and workflow[True] is not None, "`on` is true in YAML 1.1"
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for job in workflow["jobs"].values():
        assert job["runs-on"]
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)
            command = step.get("run", "")
            for file in re.findall(r"(?:python|bash|-r) ([\w./-]+\.(?:py|sh|txt))", command):
                assert (ROOT / file).is_file(), f"{command}: {file} is not there"
            for target in re.findall(r"\bmake ([\w-]+)", command):
                assert target in targets, f"{command}: no such target"
            if "uses" in step:
                assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"])


def test_binder_takes_the_pins_and_the_cpu_build():
    lines = (ROOT / "binder" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = re.search(r"^torch==(.*)$", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)[1]
    assert f"torch=={pinned}+cpu" in lines and "-r ../requirements.txt" in lines
    runtime = (ROOT / "binder" / "runtime.txt").read_text(encoding="utf-8").strip()
    assert runtime == "python-3.11"


def test_constraints_pin_all_that_the_requirements_bring_and_hold_no_address():
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert "://" not in text and "+cpu" not in text and " @ " not in text
    pinned = {canonicalize_name(line.partition("==")[0]) for line in text.splitlines() if not line.startswith("#")}
    lines = [line for path in ROOT.glob("requirements*.txt") for line in path.read_text(encoding="utf-8").splitlines()]
    waiting = [Requirement(line) for line in lines if re.match(r"[\w.-]+==", line)]
    seen = set()
    while waiting:
        asked = waiting.pop()
        name = canonicalize_name(asked.name)
        if (name, *asked.extras) not in seen:
            seen.add((name, *asked.extras))
            assert name in pinned, f"{name}: python tests/pins.py writes constraints.txt anew"
            try:
                brought = importlib.metadata.requires(name) or []
            except importlib.metadata.PackageNotFoundError:  # of the book, where only the test extras are installed
                continue
            environments = [{"extra": extra} for extra in ("", *asked.extras)]
            for each in map(Requirement, brought):
                if each.marker is None or any(map(each.marker.evaluate, environments)):
                    waiting.append(each)
    assert "-c constraints.txt" in lines


@pytest.mark.parametrize("name", ["CLAUDE.md", "GEMINI.md", ".github/copilot-instructions.md"])
def test_what_assistants_read_points_to_one_place(name):
    assert (ROOT / name).read_text(encoding="utf-8").startswith("Read AGENTS.md")
    assert "Never the solution" in (ROOT / "AGENTS.md").read_text(encoding="utf-8")


def test_the_dev_container_installs_what_is_there():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    (file,) = re.findall(r"-r (\S+)", container["postCreateCommand"])
    assert (ROOT / file).is_file()


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (
        citation["version"] == lmcourse.__version__
        and citation["license"] == "MIT"
        and citation["cff-version"] == "1.2.0"
    )
    assert all(citation[key] for key in ("title", "message", "authors", "date-released"))


def test_every_benchmark_is_in_the_table():
    table = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    for script in (ROOT / "benchmarks").glob("*.py"):
        assert f"python benchmarks/{script.name}" in table, f"{script.name} is in no row"
