"""Take a newer notebook of the course into a learner's own: cell by cell, from three versions of it.

The three are what the learner began with (`base`), what has become of it (`mine`), and what the course has now
(`course`), each as the JSON of its file. What only one side changed is that side's. What both changed stays the
learner's, and the course's stands below it in a marked cell. An answer whose exercise is gone is kept as text.

Not here: files (folder.py).
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Any

Cell = dict[str, Any]
BESIDE = "**The course has changed the cell above, and so have you.** Yours is untouched. This is the course's:"
KEPT = "**The course no longer has this cell.** You had changed it, so it is kept here, and is not run:"
DONE = "Take from it what you need, then delete this cell."


def source(cell: Cell) -> str:
    """A cell's text, which a file holds as one string or as a list of lines."""
    text = cell.get("source", "")
    return text if isinstance(text, str) else "".join(text)


def exercise(cell: Cell) -> str:
    """The exercise that a cell answers; empty where it answers none.

    >>> exercise({"cell_type": "code", "source": "def half(x):\\n    return x / 2\\n\\nhalf = check(half)"})
    'half'
    """
    found = re.search(r"^(\w+) = check\(\1\)", source(cell), re.MULTILINE)
    return found[1] if found and cell["cell_type"] == "code" else ""


def label(cell: Cell) -> tuple[str, str]:
    """What a list of changes calls a cell: its exercise, and its first line."""
    return exercise(cell), source(cell).strip().partition("\n")[0].lstrip("# ")[:60] or "an empty cell"


def content(cell: Cell | None) -> tuple[str, str] | None:
    """What makes two cells the same: outputs, counts and folding do not count."""
    return cell and (cell["cell_type"], source(cell))


def merge(base: Cell, mine: Cell, course: Cell) -> tuple[Cell, dict[str, list[tuple[str, str]]]]:
    """The merged notebook, and what became of which cells, in words.

    Merging its result once more, with the old base or the new one, changes nothing.
    """
    known = keyed(base["cells"])
    theirs = keyed(course["cells"], known)
    ours = keyed(mine["cells"], known, theirs)
    ours = {key: cell if key in known or key in theirs else cell | {"id": key} for key, cell in ours.items()}
    settled = {key: _settle(known.get(key), ours.get(key), theirs.get(key)) for key in {**known, **ours, **theirs}}
    notes = {_of(note): note["id"] for _, cells in settled.values() for note in cells[1:]}
    there = {cell.get("id") for cell in ours.values()}
    cells: list[Cell] = []
    changes: dict[str, list[tuple[str, str]]] = {}
    for key in _order(list(known), list(ours), list(theirs)):
        what, here = settled[key]
        if what:
            changes.setdefault(what, []).append(label(ours.get(key) or theirs[key]))
        cells += [cell for cell in here[:1] if not _outdated(cell, notes)]
        cells += [note for note in here[1:] if note["id"] not in there]
    merged = mine | course | {"cells": [_tidy(cell) for cell in _with_ids(cells)]}
    merged["metadata"] = mine.get("metadata", {}) | course["metadata"]
    return merged, changes


def keyed(cells: list[Cell], *earlier: dict[str, Cell]) -> dict[str, Cell]:
    """Cells by a key that is the same for the same cell in each version: its id.

    An exercise is known by its name before that, for an id may have gone to another cell; a cell whose id some program
    has dropped is known by its text.
    """
    found: dict[int, str] = {}
    for mark in (_both, exercise, _identity, _text):
        there: dict[Any, str] = {}
        for versions in earlier:
            for key, cell in versions.items():
                there.setdefault(mark(cell), key)
        for number, cell in enumerate(cells):
            lost = mark is not _text or not _identity(cell)
            key = there.get(mark(cell)) if mark(cell) and lost else None
            if number not in found and key and key not in found.values():
                found[number] = key
    taken = set().union(*earlier, found.values())
    for number, cell in enumerate(cells):
        if number not in found:
            found[number] = _free(_identity(cell), cell, taken)
            taken.add(found[number])
    return {found[number]: cell for number, cell in enumerate(cells)}


def _identity(cell: Cell) -> str:
    return cell.get("id") or cell.get("metadata", {}).get("id") or ""  # the latter is Colab's


def _both(cell: Cell) -> tuple[str, str] | None:
    return (exercise(cell), _identity(cell)) if exercise(cell) and _identity(cell) else None


def _text(cell: Cell) -> tuple[str, str] | None:
    return content(cell) if source(cell).strip() else None


def _free(wanted: str, cell: Cell, taken: set[str]) -> str:
    """An id that nobody has, made from the cell itself: the same each time."""
    name, number = wanted, 0
    while not re.fullmatch(r"[\w-]{1,64}", name, re.ASCII) or name in taken:
        name, number = f"{_digest(cell)}-{number}", number + 1
    return name


def _digest(cell: Cell) -> str:
    return hashlib.sha256(repr(content(cell)).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _order(known: list[str], ours: list[str], theirs: list[str]) -> list[str]:
    """The learner's order, with what is new put where the course has it; the course's, where that has moved cells."""
    moved = [key for key in known if key in theirs] != [key for key in theirs if key in known]
    order, others = (theirs, ours) if moved else (ours, theirs)
    order, previous = list(order), None
    present = set(order)
    for key in others:
        if key not in present:
            order.insert(0 if previous is None else order.index(previous) + 1, key)
        previous = key
    return order


def _settle(base: Cell | None, mine: Cell | None, course: Cell | None) -> tuple[str, list[Cell]]:
    """What stands in the place of one cell, and why."""
    if mine is None:
        if base is None:
            return "new", [course]
        return ("deleted by you, changed in the course" if content(base) != content(course) else ""), []
    if course is None:
        if base is None:
            return "", [mine]
        if content(mine) == content(base):
            return "removed", []
        kept = mine if _of(mine) else _note(KEPT, mine) | {"id": mine["id"]}
        return "kept, gone from the course", [kept]
    if content(mine) == content(course):
        return "", [_newest(base, mine, course)]
    if base is not None and content(mine) == content(base):
        return "follows the course", [course]
    yours = mine | {"id": course["id"], "metadata": _newest(base, mine, course)["metadata"]}
    if base is not None and content(course) == content(base):
        return "yours", [yours]
    if exercise(course) and exercise(course) != exercise(mine):
        return "kept below another exercise that stands in its place", [course, _note(KEPT, mine)]
    return "changed by both: the course's stands below yours", [yours, _note(BESIDE, course)]


def _newest(base: Cell | None, mine: Cell, course: Cell) -> Cell:
    """A cell of which both have the text: what the learner ran or folded stays, unless only the course changed it."""
    newer = {name for name in ("metadata", "outputs") if base and mine.get(name) == base.get(name) != course.get(name)}
    if "outputs" in newer:
        newer.add("execution_count")
    return mine | {name: course[name] for name in newer if name in course} | {"id": course["id"]}


def _note(words: str, cell: Cell) -> Cell:
    """A cell that shows another one's text; it runs nothing."""
    text, language = source(cell), "python" if cell["cell_type"] == "code" else "markdown"
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    note = {
        "cell_type": "markdown",
        "metadata": {"lmcourse": cell.get("id", "")},
        "source": f"{words}\n\n{fence}{language}\n{text}\n{fence}\n\n{DONE}",
    }
    return note | {"id": f"note-{_digest(note)}"}


def _of(cell: Cell) -> str:
    """The id of the cell that a note is about; empty for other cells."""
    return cell.get("metadata", {}).get("lmcourse", "")


def _outdated(cell: Cell, notes: dict[str, str]) -> bool:
    """Whether it is a note that nobody has edited, about a cell of which there is a newer one."""
    return cell.get("id") == f"note-{_digest(cell)}" and notes.get(_of(cell), cell["id"]) != cell["id"]


def _with_ids(cells: Iterable[Cell]) -> Iterable[Cell]:
    """Every id once."""
    taken: set[str] = set()
    for cell in cells:
        name = _free(_identity(cell), cell, taken)
        taken.add(name)
        yield cell | {"id": name}


def _tidy(cell: Cell) -> Cell:
    """A cell as the format wants it."""
    kind = cell["cell_type"] if cell["cell_type"] in ("code", "markdown") else "raw"
    tidy = cell | {"cell_type": kind, "metadata": cell.get("metadata", {}), "source": source(cell).splitlines(True)}
    if kind == "code":
        return {"outputs": [], "execution_count": None} | tidy
    return {name: part for name, part in tidy.items() if name not in ("outputs", "execution_count")}
