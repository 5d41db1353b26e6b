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


def makes(cell: dict) -> set[str]:
    """The names that a cell binds or changes."""
    found = set()
    for node in ast.walk(ast.parse(cell["source"])):
        match node:
            case ast.Name(ctx=ast.Store()) | ast.FunctionDef() | ast.ClassDef():
                found.add(getattr(node, "id", None) or node.name)
            case ast.alias():
                found.add((node.asname or node.name).partition(".")[0])
            case (
                ast.Subscript(ctx=ast.Store())
                | ast.Attribute(ctx=ast.Store())
                | ast.Expr(value=ast.Call(func=ast.Attribute()))
            ):
                names = [inner for inner in ast.walk(node) if isinstance(inner, ast.Name)]
                found |= {names[0].id} if names else set()
    return found


def uses(cell: dict) -> set[str]:
    """The names that a cell reads."""
    return {node.id for node in ast.walk(ast.parse(cell["source"])) if isinstance(node, ast.Name)}


def needs(cell: dict, before: list[dict]) -> list[str]:
    """The ids of the cells that must run before one, in their order."""
    wanted, found = uses(cell), []
    for other in reversed(before):
        if other["kind"] == "setup" or other["makes"] & wanted:
            wanted |= uses(other)
            found.append(other["id"])
    return found[::-1]


def same(printed: str, shown: str) -> bool:
    """Whether two outputs say the same, spaces aside: IPython breaks long lines."""
    return "".join(printed.split()) == "".join(shown.split())


def works(cell: dict, by_id: dict[str, dict]) -> bool:
    """Whether a cell runs from its needs alone, and prints what its notebook shows."""
    page = driver.Page()
    given = [by_id[each] | {"seconds": SECONDS} for each in cell["needs"]]
    begun = time.monotonic()
    told = page.ask([*given, cell | {"seconds": SECONDS}])
    if told["trace"] or time.monotonic() - begun > 2 * SECONDS:
        return False
    return cell["kind"] in ("setup", "exercise") or cell["varies"] or same(told["out"], cell["shown"])


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
    """For each notebook the cells that work, with their needs, and its plain exercises."""
    found = {}
    for notebook in notebooks:
        plain, before = plain_exercises(notebook["topic"]), []
        for cell in notebook["cells"]:
            cell |= {"makes": makes(cell), "needs": needs(cell, before)}
            if cell["kind"] == "exercise" and cell["name"] not in plain:
                continue
            if works(cell, {each["id"]: each for each in before}):
                before.append(cell)
        found[notebook["name"]] = {"plain": plain, "cells": {each["id"]: each["needs"] for each in before}}
    return found


def main(asked: str) -> str:
    return json.dumps(probe(json.loads(asked)))
