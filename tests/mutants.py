"""How sharp are the checks? `python tests/mutants.py [TOPIC ...]` changes every reference in one place at a time, as
somebody might get it wrong, and judges each such mutant. One that is taken for right must be listed as equivalent,
with the reason, in tests/exercises/equivalents/TOPIC.toml:

    [merge_pair]
    "i < len(ids) → i <= len(ids)" = "the last step finds no pair"
"""

import __future__

import ast
import contextlib
import copy
import faulthandler
import functools
import inspect
import io
import os
import random
import subprocess
import sys
import textwrap
import time
import tomllib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from lmcourse.exercises import judging, topic, topic_names

EQUIVALENTS = Path(__file__).parent / "exercises" / "equivalents"
SHARE = 0.97

_SWAPS: dict[type, list[type]] = {
    ast.Lt: [ast.LtE, ast.GtE], ast.LtE: [ast.Lt, ast.Gt], ast.Gt: [ast.GtE, ast.LtE], ast.GtE: [ast.Gt, ast.Lt],
    ast.Eq: [ast.NotEq], ast.NotEq: [ast.Eq], ast.In: [ast.NotIn], ast.NotIn: [ast.In],
    ast.Is: [ast.IsNot], ast.IsNot: [ast.Is], ast.And: [ast.Or], ast.Or: [ast.And],
    ast.Add: [ast.Sub], ast.Sub: [ast.Add], ast.Mult: [ast.Div], ast.Div: [ast.Mult], ast.FloorDiv: [ast.Div],
    ast.Mod: [ast.FloorDiv], ast.Pow: [ast.Mult], ast.LShift: [ast.RShift], ast.RShift: [ast.LShift],
    ast.BitAnd: [ast.BitOr], ast.BitOr: [ast.BitAnd],
}  # fmt: skip
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "floor": "ceil", "ceil": "floor"}
_COPIES = {"clone", "detach", "copy", "contiguous", "double", "float"}
_CONTAINERS = {"list", "tuple", "dict", "deepcopy", "copy", "sorted", "set", "float", "int"}


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """Each change that is tried, in words, and the source with it."""
    tree = ast.parse(source)
    for field, index, holder in list(_places(tree)):
        node = getattr(holder, field) if index is None else getattr(holder, field)[index]
        for changed in _changes(node, holder, field):
            fresh = _replaced(tree, holder, field, index, changed)
            line = fresh.splitlines()
            before, after = _first_difference(ast.unparse(tree).splitlines(), line)
            if before != after:
                yield f"{before} → {after}", fresh


def _places(tree: ast.AST) -> Iterator[tuple[str, int | None, ast.AST]]:
    """Every node of the code with where it hangs; docstrings, annotations and messages of errors are no code."""
    for field, value in ast.iter_fields(tree):
        if field in ("annotation", "returns", "keywords") and not isinstance(tree, ast.Call):
            continue
        for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(node, ast.AST) or isinstance(node, ast.JoinedStr):
                continue
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                continue  # a docstring
            yield field, index, tree
            if not isinstance(node, ast.Raise):
                yield from _places(node)


def _changes(node: ast.AST, holder: ast.AST, field: str) -> Iterator[ast.AST | list]:
    if isinstance(node, ast.stmt) and not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Pass):
        yield ast.Pass()
    if field == "decorator_list":
        yield []
    for other in _SWAPS.get(type(node), []):
        yield other()
    match node:
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() | float() as value):
            yield from (ast.Constant(value + 1), ast.Constant(value - 1))
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.If() | ast.IfExp():
            for value in (True, False):
                changed = copy.copy(node)
                changed.test = ast.Constant(value)
                yield changed
        case ast.With(body=body):
            yield body
        case ast.Name(id=name) if name in _NAMES:
            yield ast.Name(_NAMES[name], ast.Load())
        case ast.Attribute(value=value, attr=name) if name in _NAMES:
            yield ast.Attribute(value, _NAMES[name], ast.Load())
        case ast.Call(func=ast.Attribute(value=value, attr=name), args=[]) if name in _COPIES:
            yield value
        case ast.Call(func=ast.Name(id=name), args=[argument]) if name in _CONTAINERS:
            yield argument
    if isinstance(node, ast.Call) and len(node.args) >= 2 and not any(isinstance(a, ast.Starred) for a in node.args):
        swapped = copy.copy(node)
        swapped.args = [node.args[1], node.args[0], *node.args[2:]]
        yield swapped


def _replaced(tree: ast.AST, holder: ast.AST, field: str, index: int | None, changed: ast.AST | list) -> str:
    """The source with one node changed; a list takes the node's place with all of its items."""
    old = getattr(holder, field)
    if index is None:
        setattr(holder, field, changed)
    else:
        put = changed if isinstance(changed, list) else [changed]
        setattr(holder, field, [*old[:index], *put, *old[index + 1 :]])
    text = ast.unparse(ast.fix_missing_locations(copy.deepcopy(tree)))
    setattr(holder, field, old)
    return text


def _first_difference(before: list[str], after: list[str]) -> tuple[str, str]:
    for old, new in zip(before, after):
        if old != new:
            dropped = len(before) > len(after) or (new.strip() == "pass" and old.strip() != "pass")
            return old.strip(), "(dropped)" if dropped else new.strip()
    return before[-1].strip(), "(dropped)"


def make(exercise: judging.Exercise, source: str) -> Callable:
    """The function or class that a source defines, in the namespace of the reference."""
    namespace = dict(vars(inspect.getmodule(exercise.reference)))
    lazily = __future__.annotations.compiler_flag  # a module may import what it annotates with for type checkers only
    exec(compile(source, f"<mutant of {exercise.name}>", "exec", lazily), namespace)  # our own source, changed
    return namespace[exercise.reference.__name__]


def survivors(exercise: judging.Exercise, chosen: list[tuple[str, str]]) -> list[str]:
    """Those of the mutants that the judge takes for right."""
    found = []
    for words, source in chosen:
        faulthandler.dump_traceback_later(100, exit=True)  # an endless call of C code would stop everything
        try:
            with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
                warnings.simplefilter("ignore")
                if judging.judge(exercise, make(exercise, source)).state == "correct":
                    found.append(words)
        except (SyntaxError, TypeError, ValueError):
            pass  # it cannot even be defined
        finally:
            faulthandler.cancel_dump_traceback_later()
    return found


@functools.cache
def every_mutant(name: str, exercise: str) -> list[tuple[str, str]]:
    """All mutants of one exercise's reference, each once."""
    source = textwrap.dedent(inspect.getsource(topic(name).exercises[exercise].reference))
    return list({text: (words, text) for words, text in mutants(source)}.values())


def sample(name: str, exercise: str, count: int) -> list[tuple[str, str]]:
    """Some of them, always the same."""
    every = every_mutant(name, exercise)
    return random.Random(exercise).sample(every, min(count, len(every)))


def equivalents(name: str) -> dict[str, dict[str, str]]:
    """By exercise: the mutants that do the same as the reference, and why."""
    file = EQUIVALENTS / f"{name}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def report(name: str) -> tuple[int, int, int]:
    """Print a topic's table; how many mutants there are, how many are refused, and how many entries are not true."""
    every, refused, untrue = 0, 0, 0
    listed = equivalents(name)
    for exercise, declared in topic(name).exercises.items():
        begun = time.monotonic()
        all_of_them = every_mutant(name, exercise)
        alive = survivors(declared, all_of_them)
        known = listed.get(exercise, {})
        unlisted, stale = [m for m in alive if m not in known], [m for m in known if m not in alive]
        every, refused = every + len(all_of_them), refused + len(all_of_them) - len(alive)
        untrue += len(unlisted) + len(stale)
        counts = f"{len(all_of_them):4} mutants, {len(all_of_them) - len(alive):4} refused, {len(alive):2} alike"
        print(f"{declared.number:5} {exercise:22} {counts}   ({time.monotonic() - begun:.0f} s)", flush=True)
        for words, which in [("survives", unlisted), ("not true", stale)]:
            print("".join(f"      {words}: {m}\n" for m in which), end="", flush=True)
    return every, refused, untrue


def main(names: list[str]) -> int:
    """One topic in this process; several, each in its own."""
    if len(names) == 1:
        every, refused, untrue = report(names[0])
        share = refused / max(1, every - sum(map(len, equivalents(names[0]).values())))
        print(f"{names[0]}: {refused} of {every} refused, {share:.1%} of those that are not equivalent", flush=True)
        return int(untrue > 0 or share < SHARE)
    failed = []
    for name in names or topic_names():
        command = [sys.executable, __file__, name]
        if subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False).returncode:
            failed.append(name)
    print("mutants:", f"not sharp enough in {', '.join(failed)}" if failed else "every one refused, or equivalent")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
