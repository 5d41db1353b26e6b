"""What Python does in a page: run a cell, judge an exercise, answer a prediction. It is run in a worker, by worker.js,
or when the book is built, by snapshot.mjs, and a worker goes on from there.

The judge is the course's own. What a page lacks is put in its place here: `regex`, a thread that watches the limits,
a kernel that shows cards, a keyboard for `input`.
"""

import ast
import builtins
import contextlib
import io
import json
import linecache
import math
import random
import re
import sys
import time
import traceback
import types
import unicodedata

MOST = 20_000  # characters of output that are shown
LENIENT = ("setup", "parts")  # kinds of cells of which that runs what can: the set-up, and what is left of a cell
MONITOR = 3  # the number of our tool, of those that sys.monitoring leaves to anybody
EVENTS = sys.monitoring.events.JUMP | sys.monitoring.events.PY_START


# regex, as far as the course needs it: Python's own re with \p{...}


def _members(name: str) -> str:
    """The inside of a character class with all letters of a Unicode category, such as L or Lu."""
    if name not in _KNOWN:
        runs, start = [], None
        for code in range(sys.maxunicode + 2):
            inside = code <= sys.maxunicode and unicodedata.category(chr(code)).startswith(name)
            if inside and start is None:
                start = code
            elif not inside and start is not None:
                runs.append(f"\\U{start:08x}" + (f"-\\U{code - 1:08x}" if code - 1 > start else ""))
                start = None
        _KNOWN[name] = "".join(runs)
    return _KNOWN[name]


_KNOWN: dict[str, str] = {}


def _translated(pattern: str) -> str:
    parts, inside = [], False
    for part in re.findall(r"\\[pP]\{\w+\}|\\.|[\[\]]|[^\\\[\]]+", pattern, re.DOTALL):
        if part[:3] in (r"\p{", r"\P{"):
            members = _members(part[3:-1])
            part = members if inside else f"[{'^' * (part[1] == 'P')}{members}]"
        inside = part == "[" or (inside and part != "]")
        parts.append(part)
    return "".join(parts)


def _regex() -> types.ModuleType:
    module = types.ModuleType("regex")
    module.error, module.escape = re.error, re.escape
    module.compile = lambda pattern, flags=0: re.compile(_translated(pattern), flags)
    for name in ("findall", "finditer", "fullmatch", "match", "search", "split", "sub"):
        call = lambda pattern, *rest, _name=name, **named: getattr(module.compile(pattern), _name)(*rest, **named)  # noqa: E731
        setattr(module, name, call)
    return module


sys.modules.setdefault("regex", _regex())

from lmcourse.exercises import cards, judging, limits, parsons, progress, topic  # noqa: E402
from lmcourse.exercises.topic import Topic  # noqa: E402

# Limits


class PageLimits:
    """What limits.Limits does with a thread: here the reader's own code reports each loop and each call."""

    def __enter__(self) -> "PageLimits":
        return self

    def __exit__(self, *error: object) -> None:
        _watch.end()

    def measure(self, work):
        return work()

    def run(self, work):
        _watch.begin(limits.SECONDS_IDLE)
        try:
            result = work()
        except MemoryError:
            raise limits.Stopped("this call asked for more memory than there is") from None
        except BaseException:
            if _watch.stopped is None:
                raise
        finally:
            stopped = _watch.end()
        if stopped is not None:
            raise limits.Stopped(*stopped.args)
        return result


class _Watch:
    """Raises Stopped in watched code that is past its time, or takes too much memory."""

    def __init__(self):
        self.stopped, self.until, self.count, self.heap = None, math.inf, 0, 0

    def begin(self, seconds: float) -> None:
        self.seconds, self.until, self.stopped, self.heap = seconds, time.monotonic() + seconds, None, heap()

    def end(self):
        stopped, self.stopped, self.until = self.stopped, None, math.inf
        return stopped

    def look(self, *_: object) -> None:
        self.count += 1
        if self.stopped is None and self.count & 63:
            return
        if self.stopped is None and time.monotonic() > self.until:
            self.stopped = limits.Stopped(f"this call had not returned after {self.seconds:g} s")
        if self.stopped is None and self.until < math.inf and heap() - self.heap > limits.MEGABYTES:
            self.stopped = limits.Stopped(f"this call took more than {limits.MEGABYTES:,.0f} MB of memory")
        if self.stopped is not None and self.until < math.inf:
            raise self.stopped


def heap() -> float:
    """The memory that Python has taken in this page, in MB; it never shrinks."""
    try:
        from pyodide_js import _module
    except ImportError:  # outside of a page, in a test
        return 0.0
    return _module.HEAPU8.length / 2**20


_watch = _Watch()
if sys.monitoring.get_tool(MONITOR) is None:
    sys.monitoring.use_tool_id(MONITOR, "lmcourse")
for _event in (sys.monitoring.events.JUMP, sys.monitoring.events.PY_START):
    sys.monitoring.register_callback(MONITOR, _event, _watch.look)


def watch(code: types.CodeType) -> None:
    """Have a piece of code and all in it report."""
    sys.monitoring.set_local_events(MONITOR, code, EVENTS)
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            watch(inner)


def _no_keyboard(*_: object) -> str:
    raise RuntimeError("input() has no keyboard here: write the value into the code")


shown: list[cards.Card] = []
judging.Limits = PageLimits
parsons.before_it_runs = watch
cards.Card.show = lambda card: shown.append(card)
progress.record = lambda key, state: None  # the page remembers
progress.met = lambda *keys: None
builtins.input = _no_keyboard


# Cells


class _Output(io.StringIO):
    """What a cell prints: the beginning of it, however much there is."""

    def write(self, text: str) -> int:
        if self.tell() < MOST:
            super().write(text[:MOST])
        return len(text)

    def text(self) -> str:
        whole = self.getvalue()
        return whole if len(whole) < MOST else whole[:MOST] + "\n… and more, which is not shown"


def parsed(source: str) -> ast.Module:
    """The syntax tree of a cell; of one that has none, an empty one."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def makes(source: str) -> set[str]:
    """The names that a cell binds or changes."""
    found = set()
    for node in ast.walk(parsed(source)):
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


def uses(source: str) -> set[str]:
    """The names that a cell reads."""
    return {node.id for node in ast.walk(parsed(source)) if isinstance(node, ast.Name)}


def needed(last: dict, before: list[dict]) -> list[dict]:
    """The cells that must run before one, in their order: what binds or changes a name that it or one of them reads."""
    wanted, found = uses(last["source"]), []
    for other in reversed(before):
        if other["kind"] == "setup" or makes(other["source"]) & wanted:
            wanted |= uses(other["source"])
            found.append(other)
    return found[::-1]


class Page:
    """The cells of one notebook that have run, and the names that they made."""

    def __init__(self):
        self.names: dict = {"__name__": "__main__"}
        self.done: dict[str, str] = {}

    def ask(self, cells: list[dict]) -> dict:
        """Run the last of the cells, and of those before it what it needs and what has not run as it now is."""
        *before, last = cells
        again = False
        for cell in needed(last, before):
            if again or self.done.get(cell["id"]) != cell["source"]:
                again = True
                if self.run(cell)["trace"]:
                    self.run(cell | {"source": cell["stub"]})
        return self.run(last) | {"heap": heap()}

    def run(self, cell: dict) -> dict:
        """`out`, `trace` and `cards` of one cell."""
        shown.clear()
        printed, trace = _Output(), ""
        self.done[cell["id"]] = cell["source"]
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            try:
                self.execute(cell)
            except BaseException as error:  # exit() too, and what is past a limit
                trace = told(error, f"<cell {cell['id']}>")
        made = [{"state": card.state, "html": card.html(), "text": card.plain()} for card in shown]
        return {"out": printed.text(), "trace": trace, "cards": made}

    def execute(self, cell: dict) -> None:
        """The statements of a cell; of a set-up those that work here. The value of a last expression is printed."""
        if cell["kind"] == "exercise":  # where exercises before it need PyTorch, a page would count from another one
            topic(cell["topic"]).exercises[cell["name"]].number = cell["number"]
        file = f"<cell {cell['id']}>"
        linecache.cache[file] = (len(cell["source"]), None, cell["source"].splitlines(keepends=True), file)
        body = ast.parse(cell["source"], file).body
        if cell["kind"] in LENIENT:
            body = [part for statement in body for part in name_by_name(statement)]
        for k, statement in enumerate(body):
            alone = k == len(body) - 1 and isinstance(statement, ast.Expr)
            tree = ast.Expression(statement.value) if alone else ast.Module([statement], [])
            code = compile(tree, file, "eval" if alone else "exec")
            watch(code)
            try:
                if cell["kind"] != "exercise":
                    _watch.begin(cell.get("seconds", 10.0))
                value = eval(code, self.names)  # noqa: S307 - the reader's own code
            except (ImportError, NameError, AttributeError):
                if cell["kind"] not in LENIENT:
                    raise
                continue
            finally:
                _watch.end()
            if alone and value is not None:
                print(repr(value))


def name_by_name(statement: ast.stmt) -> list[ast.stmt]:
    """`from a import b, c` as two statements, so that what works here is there though another needs PyTorch."""
    if not isinstance(statement, ast.ImportFrom):
        return [statement]
    each = [ast.ImportFrom(statement.module, [alias], statement.level) for alias in statement.names]
    return [ast.copy_location(one, statement) for one in each]


def told(error: BaseException, file: str) -> str:
    """A traceback, from the reader's own first line on; of what was stopped the last line only."""
    if isinstance(error, limits.Stopped):
        return f"Stopped: {error}".replace("this call", "this cell")
    frames = traceback.extract_tb(error.__traceback__)
    own = next((k for k, frame in enumerate(frames) if frame.filename == file), len(frames))
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames[own:])] if own < len(frames) else []
    return "".join([*lines, *traceback.format_exception_only(error)]).rstrip()[-MOST:]


# Predictions


class Predictions:
    """The predictions of one notebook, made from what the book's builder wrote down of them."""

    def __init__(self):
        self.topics: dict[str, Topic] = {}

    def ask(self, name: str, number: int, key: str, declared: str, guess: str) -> dict:
        """The card for a guess."""
        mine = self.topics.setdefault(name, Topic(name, number))
        if key not in mine.predictions:
            mine.prediction(key, **eval(declared, {"inf": math.inf, "nan": math.nan}))  # noqa: S307 - our own
        shown.clear()
        mine.predict(key, guess)
        readable = False
        with contextlib.suppress(Exception):  # a guess may be anything at all
            readable = mine.predictions[key].is_readable(guess)
        made = [{"state": card.state, "html": card.html(), "text": card.plain()} for card in shown]
        return {"cards": made, "readable": readable}


page, predictions = Page(), Predictions()


def awake() -> None:
    """Begin anew what must not be as the book's builder left it: random numbers, or they are the same for everybody."""
    random.seed()


def answer(asked: str) -> str:
    """A question of the page as JSON, and its answer as JSON."""
    question = json.loads(asked)
    if "rung" in question:
        name, _, exercise = question["rung"].partition(".")
        return json.dumps(topic(name).rung(exercise).answer(question["lines"], question["misses"]) | {"heap": heap()})
    if "cells" in question:
        return json.dumps(page.ask(question["cells"]))
    return json.dumps(predictions.ask(**question))


__all__ = ["answer", "awake", "topic"]
