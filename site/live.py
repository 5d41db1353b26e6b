"""What makes the book's cells live: the package as an archive, the editor's bundle, Python, and what runs of each page.

All of it comes from npm (package-lock.json pins it by hash) and from this repository. `probe` tries every cell out in
the Python that the page will have, and `snapshot` starts that Python for the page; what they find and make is kept in
build/ until something that it depends on changes.
"""

import ast
import hashlib
import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nbformat

from lmcourse.exercises import again, reviewing, topic
from lmcourse.widgets import ParsonsRung

SITE = Path(__file__).resolve().parent
ROOT = SITE.parent
MODULES = SITE / "node_modules"
PYTHON = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")
LEFT_OUT = ("widgets", "recorded")  # parts of the package that need a kernel


def npm() -> bool:
    """Whether what comes from npm is there; it is installed once, as the lock file says."""
    if not all((MODULES / name).is_dir() for name in ("mathjax", "pyodide", "esbuild", "@codemirror/view")):
        command = shutil.which("npm")
        if command is None:
            return False
        subprocess.run([command, "ci", "--prefix", str(SITE), "--silent", "--no-fund", "--no-audit"], check=True)
    return shutil.which("node") is not None


def archive(path: Path) -> None:
    """The package as a zip file, the same bytes for the same sources."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for source in sorted((ROOT / "lmcourse").rglob("*.py")):
            if source.relative_to(ROOT / "lmcourse").parts[0] not in LEFT_OUT:
                entry = zipfile.ZipInfo(source.relative_to(ROOT).as_posix())
                entry.compress_type = zipfile.ZIP_DEFLATED
                file.writestr(entry, source.read_bytes())


def cells_of(path: Path) -> dict:
    """The code cells of a notebook as the probe and the page want them."""
    notebook = nbformat.read(path, as_version=4)
    name = next(found[1] for cell in notebook.cells if (found := TOPIC.search(cell.source)))
    cells = [described(cell) for cell in notebook.cells if cell.cell_type == "code"]
    for cell in cells:
        if cell["kind"] == "exercise":
            cell["number"] = topic(name).exercises[cell["name"]].number
    return {"name": path.stem, "topic": name, "cells": cells}


TOPIC = re.compile(r"from lmcourse\.exercises\.(\w+) import .*\bcheck\b")
PREDICT = re.compile(r'predict\("(\w+)", guess\)')


def described(cell: nbformat.NotebookNode) -> dict:
    """A code cell: what it is, its source, what its notebook shows below it."""
    tags = cell.metadata.get("tags", [])
    kind = next((tag for tag in ("setup", "exercise", "predict") if tag in tags), "plain")
    found = {"id": cell.id, "kind": kind, "source": cell.source, "varies": "nbval-ignore-output" in tags}
    if kind == "exercise":
        defined = next(n for n in ast.parse(cell.source).body if isinstance(n, ast.FunctionDef | ast.ClassDef))
        found |= {"name": defined.name}
    if kind == "predict":
        found["key"] = PREDICT.search(cell.source)[1]
    outputs = [o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in cell.outputs]
    return found | {"shown": "\n".join(outputs)}


def node(script: str, parts: list[bytes], *arguments: str | Path) -> Path:
    """The file that a script of site/live writes from those parts; kept in build/ until they change."""
    parts = [*parts, (SITE / "package-lock.json").read_bytes(), (SITE / "live" / "driver.py").read_bytes()]
    parts += [path.read_bytes() for path in sorted((SITE / "live").glob(f"{Path(script).stem}.*"))]
    kept = ROOT / "build" / Path(script).stem / hashlib.sha256(b"\0".join(parts)).hexdigest()
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        made = kept.with_suffix(".new")
        command = [shutil.which("node"), SITE / "live" / script, MODULES / "pyodide", made, *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
        if ran.returncode:
            lines = [line for line in ran.stderr.splitlines() if len(line) < 300]  # not Pyodide's own, of a megabyte
            raise RuntimeError("\n".join([f"site/live/{script} has failed:", *lines[-20:]]))
        made.replace(kept)
    return kept


def probe(notebooks: list[dict], course: Path) -> dict:
    """What of the notebooks works in a page, found out by running it there."""
    asked = json.dumps(notebooks)
    place = ROOT / "build" / "probe" / f"{hashlib.sha256(asked.encode()).hexdigest()}.asked"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(asked, encoding="utf-8")
    found = node("probe.mjs", [course.read_bytes(), asked.encode()], course, place)
    return json.loads(found.read_text(encoding="utf-8"))


def snapshot(topics: list[str], course: Path) -> bytes:
    """Python's memory with the judge and the topics in it, from which a page starts; where none is to be had, nothing,
    and a page starts Python from the beginning."""
    try:
        return node("snapshot.mjs", [course.read_bytes(), json.dumps(topics).encode()], course, *topics).read_bytes()
    except RuntimeError as error:
        print(f"The book is built without a snapshot: the first Check takes longer.\n{error}")
        return b""


def predictions(name: str) -> dict[str, str]:
    """The predictions of a topic as Python would write them, with their answers computed."""
    found = {}
    for key, each in topic(name).predictions.items():
        declared = {"answer": each.the_answer(), "why": each.why, "tolerance": each.tolerance}
        found[key] = repr(declared | {"remarks": each.remarks, "unit": each.unit, "also": each.also})
    return found


def prepare(paths: list[Path], assets: Path) -> dict[str, dict]:
    """Write into assets/live and assets/pyodide what live pages load; what runs, by the notebook's name."""
    place = assets / "live"
    place.mkdir(parents=True)
    (assets / "pyodide").mkdir()
    for name in PYTHON:
        shutil.copy(MODULES / "pyodide" / name, assets / "pyodide")
    shutil.copy(SITE / "live" / "driver.py", place)
    options = ("--bundle", "--format=esm", "--minify", "--log-level=warning", f"--outfile={place / 'editor.js'}")
    subprocess.run([MODULES / ".bin" / "esbuild", SITE / "live" / "editor.js", *options], check=True)
    archive(place / "course.zip")
    notebooks = [cells_of(path) for path in paths]
    found = probe(notebooks, place / "course.zip")
    plain = [notebook["topic"] for notebook in notebooks if found[notebook["name"]]["plain"]]
    (assets / "pyodide" / "python.bin").write_bytes(snapshot(plain, place / "course.zip"))
    for notebook in notebooks:
        page = for_the_page(notebook, found[notebook["name"]])
        (place / f"{notebook['name']}.json").write_text(json.dumps(page, ensure_ascii=False), encoding="utf-8")
    again = {key: told for notebook in notebooks for key, told in asked_again(notebook, found[notebook["name"]])}
    (place / "review.json").write_text(json.dumps(again, ensure_ascii=False), encoding="utf-8")
    return found


def asked_again(notebook: dict, found: dict) -> Iterator[tuple[str, dict]]:
    """What static/live/review.js can ask of a notebook: its questions and predictions, and short exercises that run."""
    mine = topic(notebook["topic"])
    declared, answers = predictions(mine.name), dict(mine.questions)
    run = [cell for cell in notebook["cells"] if cell["kind"] == "exercise" and cell["id"] in found["cells"]]
    cells = {cell["name"]: cell for cell in run}
    for key, item in reviewing.items().items():
        if item.topic is not mine:
            continue
        told = {"kind": item.kind, "minutes": item.minutes, "page": notebook["name"]}
        if item.kind == "question":
            yield key, told | {"text": item.name, "answer": answers[item.name]}
        elif item.kind == "prediction":
            asked = [again.asked(key.replace(".predict.", "."), number) for number in range(again.VARIANTS)]
            told |= {"topic": mine.name, "number": mine.number, "name": item.name}
            yield key, told | {"variants": [[each.text, variant(each) or declared[item.name]] for each in asked]}
        elif item.name in cells:
            cell = cells[item.name]
            yield key, told | {"text": f"Write {item.name} ({cell['number']}) once more.", "cell": cell["id"]}


def variant(asked: again.Asked) -> str | None:
    """A prediction with other numbers as Python would write it; None where it is asked as it was."""
    if asked.answer is None:
        return None
    declared = {"answer": asked.answer, "why": asked.why, "tolerance": asked.tolerance}
    return repr(declared | {"unit": asked.unit, "also": asked.also})


def for_the_page(notebook: dict, found: dict) -> dict:
    """What static/live/cells.js is told of a notebook: its cells that run, in their order."""
    cells = {}
    for cell in notebook["cells"]:
        if cell["id"] in found["cells"]:
            kind, source = found["cells"][cell["id"]]
            told = {key: cell[key] for key in ("name", "number") if key in cell}
            told |= practice(notebook["topic"], cell["name"]) if kind == "exercise" else {}
            cells[cell["id"]] = {"kind": kind, "source": source} | told
        elif cell["kind"] == "predict":
            cells[cell["id"]] = {"key": cell["key"]}
    name, mine = notebook["topic"], topic(notebook["topic"])
    told = {"topic": name, "number": mine.number, "cells": cells, "predictions": predictions(name)}
    return told | {"questions": [mine.question_key(text) for text, _ in mine.questions]}


def practice(name: str, exercise: str) -> dict:
    """What static/live/practice.js is told of an exercise: the lines to put in order, and the question after it."""
    asked = topic(name)
    rung = {"rung": ParsonsRung(f"{name}.{exercise}").state()} if exercise in asked.slips else {}
    return rung | {"why": asked.why[exercise]}


def tags_of(cell: nbformat.NotebookNode, name: str, found: dict) -> list[str]:
    """The tags by which static/live/live.js knows a cell of a page: its id, what it does, the key of its progress."""
    told = described(cell)
    tags = []
    kind, _ = found["cells"].get(cell.id, (None, ""))
    if kind == "exercise":
        tags = ["lm-check", f"lm-key-{name}.{told['name']}"]
    elif told["kind"] == "predict":
        tags = [f"lm-key-{name}.predict.{told['key']}"]
    elif kind == "plain" and told["shown"].strip():
        tags = ["lm-run"]
    elif cell.source.strip() == "quiz()":
        tags = ["lm-quiz"]
    return [*tags, f"lm-id-{cell.id}"] if tags else []
