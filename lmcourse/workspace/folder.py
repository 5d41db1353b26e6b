"""The learner's own folder: laid out from the course, brought up to date, looked over, put back.

It is `my/` beside the course, or what LMCOURSE_WORKSPACE names. In it lie the notebooks, in `.course/` what each began
with, and in `old/` a copy of each as it was before an update. A file is written whole or not at all, in an order in
which a kill at any point loses nothing: the copy first, then the notebook, then what it began with.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lmcourse.support.files import replacing
from lmcourse.workspace.merging import Cell, content, exercise, keyed, merge, source

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ("AGENTS.md", "CLAUDE.md", "GEMINI.md")  # what assistants read


def folder() -> Path:
    """Where the learner's notebooks are. Raises ValueError where that is the course's own folder."""
    named = os.environ.get("LMCOURSE_WORKSPACE")
    path = Path(named).expanduser() if named else ROOT / "my"
    if path.resolve() == originals().resolve():
        raise ValueError(f"LMCOURSE_WORKSPACE: a folder of your own, got the course's: {path}")
    return path


def originals() -> Path:
    """The course's notebooks. Raises ValueError where the package was installed without them."""
    path = ROOT / "notebooks"
    if not path.is_dir():
        raise ValueError(f"notebooks: the folder of the course, got {ROOT}, which has none")
    return path


def names() -> list[str]:
    """The course's notebooks, by name, in order."""
    return sorted(path.name for path in originals().glob("[0-9][0-9]_*.ipynb"))


def lay() -> list[str]:
    """Copy what is not there yet; what is there is left alone. Returns what was copied, by name."""
    target, copied = folder(), []
    target.mkdir(parents=True, exist_ok=True)
    for name in names():
        if not (target / name).exists():
            _write(_base(name), (originals() / name).read_bytes())
            _write(target / name, (originals() / name).read_bytes())
            copied.append(name)
    for name in TEXTS:
        if not (target / name).exists():
            _follow(name)
    return copied


def outdated() -> list[str]:
    """The notebooks that began with another version than the course has now, by name."""
    return [name for name in names() if (folder() / name).exists() and _bytes(_base(name)) != _course(name)]


def update() -> Iterator[tuple[str, dict[str, list[tuple[str, str]]]]]:
    """Take the course as it is now into the folder. Yields each notebook that is not as it was, and what changed."""
    _sweep()
    for name in lay():
        yield name, {"a new notebook": []}
    for name in outdated():
        before, course = (folder() / name).read_bytes(), _course(name)
        mine, base = read(before), read(_bytes(_base(name)))
        if mine is None:
            changes = {f"could not be read, is laid anew; as it was: {_keep(name)}": []}
            after = course
        else:
            merged, changes = merge(base or {"cells": []}, mine, read(course))
            after = course if before == _bytes(_base(name)) else written(merged)
        if after != before:
            _keep(name)
            _write(folder() / name, after)
        _write(_base(name), course)
        yield name, changes
    for name in TEXTS:
        if _bytes(folder() / name) == _bytes(_base(name)):
            _follow(name)
    for path in sorted(folder().glob("[0-9][0-9]_*.ipynb")):
        if _base(path.name).exists() and path.name not in names():
            yield path.name, {"no longer part of the course; yours stays": []}


def reset(name: str, wanted: str | None = None) -> Path:
    """Give the original of a notebook back, or of one exercise in it. Returns where the one before is kept.

    Raises ValueError for an exercise that the notebook does not have.
    """
    course, path = read(_course(name)), folder() / name
    mine = read(_bytes(path))
    if wanted is None or mine is None:
        kept = _keep(name)
        _write(_base(name), _course(name))
        _write(path, _course(name))
        return kept
    theirs = keyed(course["cells"])
    key = next((key for key, cell in theirs.items() if exercise(cell) == wanted), None)
    if key is None:
        there = ", ".join(filter(None, map(exercise, course["cells"])))
        raise ValueError(f"exercise: one of {there}, got {wanted}")
    ours = keyed(mine["cells"], theirs)
    if key in ours:
        cells = [theirs[key] if each == key else cell for each, cell in ours.items()]
    else:
        cells = [*ours.values(), theirs[key]]
    kept = _keep(name)
    _write(path, written(mine | {"cells": cells}))
    return kept


def look(name: str) -> dict[str, Any]:
    """A notebook of the folder at a glance: its topic, its exercises, the cells that differ, whether it is outdated."""
    course, mine, base = read(_course(name)), read(_bytes(folder() / name)), read(_bytes(_base(name)))
    sources = "\n".join(map(source, course["cells"]))
    topic = sources.partition("from lmcourse.exercises.")[2].split(" ")[0]
    began = keyed(base["cells"]) if base else {}
    ours = keyed(mine["cells"], began) if mine and base else {}
    return {
        "topic": topic,
        "exercises": list(filter(None, map(exercise, course["cells"]))),
        "readable": mine is not None,
        "changed": sum(content(cell) != content(began.get(key)) for key, cell in ours.items()),
        "outdated": name in outdated(),
    }


def read(data: bytes) -> Cell | None:
    """A notebook of the format that the course has (4.x); None for anything else."""
    try:
        notebook = json.loads(data.decode("utf-8"))
        sound = notebook["nbformat"] == 4 and isinstance(notebook["metadata"], dict)
        for cell in notebook["cells"]:
            sound = sound and isinstance(cell["cell_type"], str) and isinstance(cell["metadata"], dict)
            "".join(cell["source"])
    except (ValueError, KeyError, TypeError):
        return None
    return notebook if sound else None


def written(notebook: Cell) -> bytes:
    """A notebook as Jupyter writes it."""
    text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True)
    return (text + "\n").encode("utf-8", "surrogatepass")


def _course(name: str) -> bytes:
    return (originals() / name).read_bytes()


def _base(name: str) -> Path:
    return folder() / ".course" / name


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(data)


def _follow(name: str) -> None:
    """Give the folder the course's version of a text."""
    if data := _bytes(ROOT / name):
        _write(folder() / name, data)
        _write(_base(name), data)


def _keep(name: str) -> Path:
    """Copy a notebook of the folder to `old/`, under a name that says when, and that two versions never share."""
    data = (folder() / name).read_bytes()
    mark = hashlib.sha256(data).hexdigest()[:6]
    kept = folder() / "old" / f"{Path(name).stem} {time.strftime('%Y-%m-%d')} {mark}.ipynb"
    if not kept.exists():
        _write(kept, data)
    return kept


def _sweep() -> None:
    """Remove the half files that a kill has left."""
    for place in (folder(), folder() / ".course", folder() / "old"):
        for path in place.glob(".*.part"):
            path.unlink(missing_ok=True)
