"""What of the notebooks works in a page: tried out in Pyodide itself, by node, while the book is built (probe.mjs).

A cell works where it runs without an error, from the cells that it needs alone, and prints what its notebook shows. An
exercise works where its reference passes and a declared wrong answer is refused, without PyTorch and NumPy. (That all
of them are, tests/browser/test_exercises_in_the_book.py says.)
"""

import ast
import json
import time

import driver  # by probe.mjs

from lmcourse.exercises import judging, topic
from lmcourse.support.optional import Missing

SECONDS = 4.0  # a cell that takes longer has no Run
_touched: list[str] = []


def _touch(self, name):
    _touched.append(name)
    self.name = name


Missing.__init__ = _touch


def same(printed: str, shown: str) -> bool:
    """Whether two outputs say the same, spaces aside: IPython breaks long lines."""
    return "".join(printed.split()) == "".join(shown.split())


def works(cell: dict, before: list[dict]) -> bool:
    """Whether a cell runs from those alone that it needs, and prints what its notebook shows."""
    begun = time.monotonic()
    told = driver.Page().ask([*before, cell])
    if told["trace"] or time.monotonic() - begun > 2 * SECONDS:
        return False
    return cell["kind"] in ("setup", "exercise") or cell["varies"] or same(told["out"], cell["shown"])


def parts_of(source: str) -> str:
    """The imports and definitions of a cell that does not run as a whole: a later one may need them."""
    kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    parts = [node for node in ast.parse(source).body if isinstance(node, kinds)]
    return "\n\n".join(ast.get_source_segment(source, node) for node in parts)


def is_plain(exercise) -> bool:
    """Whether an exercise can be judged without the libraries."""
    _touched.clear()
    try:
        right = judging.judge(exercise, exercise.reference).state == "correct"
        refused = right and judging.judge(exercise, next(iter(exercise.wrong.values()))).state == "wrong"
    except Exception:
        return False
    return refused and not _touched


def plain_exercises(name: str) -> list[str]:
    try:
        asked = topic(name)
    except ImportError:
        return []
    return [key for key, exercise in asked.exercises.items() if is_plain(exercise)]


def probe(notebooks: list[dict]) -> dict:
    """For each notebook the cells that work, or what does of them, and its plain exercises."""
    found = {}
    for notebook in notebooks:
        plain, before = plain_exercises(notebook["topic"]), []
        for cell in notebook["cells"]:
            cell |= {"seconds": SECONDS, "stub": cell["source"], "topic": notebook["topic"]}
            if (cell["kind"] != "exercise" or cell["name"] in plain) and works(cell, before):
                before.append(cell)
            elif cell["kind"] == "plain" and (parts := parts_of(cell["source"])):
                before.append(cell | {"kind": "parts", "source": parts})
        found[notebook["name"]] = {
            "plain": plain,
            "cells": {each["id"]: [each["kind"], each["source"]] for each in before},
        }
    return found


def main(asked: str) -> str:
    return json.dumps(probe(json.loads(asked)))
