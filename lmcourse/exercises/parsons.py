"""Put the lines in order: an exercise's solution as blocks to be sorted, with lines of known mistakes among them.

A rung of the ladder between the last hint and the solution. Blocks are statements of the reference. An order is judged
by running the function that it makes, so every order that works is right. Plain Python, so that it runs in a page.
The widget is lmcourse.widgets.ParsonsRung, the lines of known mistakes are lmcourse.exercises.practice's.
"""

import __future__

import ast
import io
import linecache
import random
import re
import sys
import textwrap
import tokenize
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lmcourse.exercises.comparing import shorten
from lmcourse.exercises.judging import Exercise, Outcome, judge

MOST = 12  # blocks of a solution
LEAST = 4  # with fewer there is nothing to order
DEEPEST = 4  # steps of indentation
FILE = "<your order>"
_MARK = "raise YourTurn"

# Exercises without a rung, by the reason.
WITHOUT = {
    "one statement: to write it is the exercise": (
        "axes.split_heads", "flops.max_parameters", "float_formats.spacing_at", "optimizers.average_in_place",
        "optimizers.corrected", "optimizers.step_downhill", "training.swiglu",
    ),
    "two statements, of which the second needs the first": (
        "axes.attention_scores", "axes.patchify", "axes.permute_names", "axes.rearrange_group",
        "data_loading.shard", "data_loading.window_at", "float_formats.exponent_of", "strides.is_contiguous",
        "tokenization.decode", "training.block", "training.rms_norm",
    ),
    "a guard and one formula": (
        "flops.matmul_flops", "flops.mfu", "initialization.initial_loss", "start.shift_by_one", "strides.offset",
        "tokenization.compression_ratio", "training.bits_per_byte",
    ),
    "three steps, each of which needs the one before": (
        "axes.mean_pool", "data_loading.resume", "initialization.init_residual", "training.rotate",
    ),
    "formulas: their order is free, and what is in them is the exercise": (
        "float_formats.format_limits", "flops.training_days", "initialization.linear_std",
    ),
    "errors in their branches, and one line that works": ("float_formats.memory_bytes",),
    "three methods of two to four lines, each an exercise in itself": ("optimizers.SGD",),
}  # fmt: skip

Line = tuple[int, int]  # a block, by its number in Rung.blocks, and its steps of indentation


@dataclass(frozen=True)
class Block:
    """Lines that stay together. `indent` is where the solution has them; a wrong one is `instead_of` a right one."""

    text: str
    indent: int
    instead_of: str = ""

    @property
    def shown(self) -> str:
        """The text as it is dealt: of a guard's message nothing is seen."""
        return re.sub(r"\A(if [^\n]*:)\n    raise (\w+)\(.*\Z", r"\1 raise \2(…)", self.text, flags=re.DOTALL)


class Rung:
    """One exercise's lines to be put in order: `blocks` as they are dealt, `order` as the solution has them.

    `stub` and `solution` are the exercise's, `slips` its lines of known mistakes: a part of the solution, and what
    stands in its place.
    """

    def __init__(self, exercise: Exercise, key: str, stub: str, solution: str, slips: dict[str, tuple[str, str]]):
        self.exercise, self.key = exercise, key
        self.call = f"{exercise.name} = check({exercise.name})"
        self.stub = stub.partition(f"\n\n\n{self.call}")[0]
        self.mistakes = list(slips)
        right = blocks_of(solution)
        every = [*right, *(slip(right, old, new) for old, new in slips.values())]
        dealt = list(range(len(every)))
        random.Random(key).shuffle(dealt)
        self.blocks = [every[k] for k in dealt]
        self.order = [(dealt.index(k), block.indent) for k, block in enumerate(right)]

    def assemble(self, lines: Sequence[Line]) -> str:
        """The function that an order makes: the stub, with these lines for its body."""
        head, _, tail = self.stub.partition(_MARK)
        margin = " " * (len(head) - len(head.rstrip(" ")))
        made = [textwrap.indent(self.blocks[k].text, margin + "    " * steps) for k, steps in lines]
        return head.removesuffix(margin) + "\n".join(made) + tail

    def judge(self, lines: Sequence[Line]) -> Outcome:
        """Run what an order makes through the exercise's own cases."""
        source = self.assemble(lines)
        linecache.cache[FILE] = (len(source), None, source.splitlines(keepends=True), FILE)
        try:
            made = self._made(source)
        except SyntaxError as error:
            return Outcome("wrong", note=f"Python cannot read it: {error.msg}")
        return judge(self.exercise, made)

    def _made(self, source: str) -> Callable:
        code = compile(source, FILE, "exec", __future__.annotations.compiler_flag)  # their names may be for tools alone
        before_it_runs(code)
        names = dict(vars(sys.modules[self.exercise.reference.__module__]))
        exec(code, names)  # noqa: S102 - our own lines, in the reader's order
        return names[self.exercise.name]

    def first_wrong(self, lines: Sequence[Line]) -> int:
        """The number of the first line, from 0, that cannot stay; `len(lines)` where all can and something is missing.

        What comes before it can be completed: with the blocks that are left, in the solution's order, it passes.
        """
        for k, (block, _) in enumerate(lines):
            if self.blocks[block].instead_of:
                return k
            begun = list(lines[: k + 1])
            used = {block for block, _ in begun}
            rest = [line for line in self.order if line[0] not in used]
            if begun != self.order[: k + 1] and self.judge([*begun, *rest]).state != "correct":
                return k
        return len(lines)

    def answer(self, lines: list, misses: int) -> dict:
        """What the widget shows of an order: its state, in words why, after two misses the number of the first wrong
        line (else −1), and the exercise's cell where it is right. Raises ValueError for what is no order."""
        lines = self.read(lines)
        outcome = self.judge(lines)
        if outcome.state == "correct":
            words = "Every case passes. Put the code into the exercise's cell and run it: then it counts."
            return {"state": "correct", "words": words, "at": -1, "code": f"{self.assemble(lines)}\n\n\n{self.call}"}
        at = self.first_wrong(lines) if misses + 1 >= 2 else -1
        return {"state": "wrong", "words": f"{_why(outcome)} {_where(at, len(lines))}", "at": at, "code": ""}

    def read(self, lines: list) -> list[Line]:
        """Pairs of a block and its indentation, as a page sends them. Raises ValueError for anything else."""
        found = [
            (line[0], line[1])
            for line in (lines if isinstance(lines, list) else [])
            if isinstance(line, list | tuple) and len(line) == 2 and all(type(each) is int for each in line)
        ]
        allowed = all(0 <= block < len(self.blocks) and 0 <= steps <= DEEPEST for block, steps in found)
        once = len({block for block, _ in found}) == len(found) == len(lines if isinstance(lines, list) else [0])
        if not (found and allowed and once):
            wanted = f"lines: one or more [block, steps], each block of {len(self.blocks)} once, steps 0 to {DEEPEST}"
            raise ValueError(f"{wanted}, got {shorten(lines)}")
        return found


def before_it_runs(code: types.CodeType) -> None:
    """A page puts its watch over loops in here (site/live/driver.py)."""


def _why(outcome: Outcome) -> str:
    """What a case showed, in a line."""
    if not outcome.call:
        return f"{outcome.note}."
    call, expected, got = (_short(text) for text in (outcome.call, outcome.expected, outcome.got))
    return f"{call}: {outcome.note}." if got == "no result" else f"{call}: expected {expected}, got {got}."


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 44 else f"{text[:42]} …"


def _where(at: int, count: int) -> str:
    if at < 0:
        return "After the next try the first wrong line is pointed at."
    return (
        f"Line {at + 1} is the first that cannot stay."
        if at < count
        else "All of these can stay; something is missing."
    )


# Blocks


def blocks_of(solution: str) -> list[Block]:
    """The statements of a solution in its order, docstring and comments left out, joined until there are `MOST`.

    Raises ValueError where a class has several methods to write.

    >>> for block in blocks_of("def f(x):\\n    if x < 0:\\n        x = -x\\n    else:\\n        x = 0\\n    return x"):
    ...     print(block.indent, repr(block.text))
    0 'if x < 0:'
    1 'x = -x'
    0 'else:\\n    x = 0'
    0 'return x'
    """
    solution = _without_comments(solution)
    found = _statements(body_of(ast.parse(solution)), solution.split("\n"), 0)
    while len(found) > MOST:
        found = _joined(found)
    return found


def body_of(tree: ast.Module) -> list[ast.stmt]:
    """The statements that a reader orders: those of the one function, or of a class's one method besides `__init__`."""
    (whole,) = tree.body
    if isinstance(whole, ast.ClassDef):
        methods = [node for node in whole.body if isinstance(node, ast.FunctionDef) and node.name != "__init__"]
        if len(methods) != 1:
            raise ValueError(f"solution: a class with one method to write, got {len(methods)}")
        whole = methods[0]
    return whole.body[ast.get_docstring(whole) is not None :]


def _without_comments(source: str) -> str:
    lines = source.split("\n")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    return "\n".join(lines)


def _statements(body: list[ast.stmt], lines: list[str], indent: int) -> list[Block]:
    found = []
    for node in body:
        inside = getattr(node, "body", None)
        is_guard = isinstance(node, ast.If) and len(inside) == 1 and isinstance(inside[0], ast.Raise)
        if inside is None or is_guard:
            found.append(Block(_text(lines, node.lineno, node.end_lineno), indent))
            continue
        found += _clause(node.lineno, inside, lines, indent, together=isinstance(node, ast.Try))
        for handler in getattr(node, "handlers", []):
            found += _clause(handler.lineno, handler.body, lines, indent, together=True)
        other = getattr(node, "orelse", [])
        if other and lines[other[0].lineno - 1].lstrip().startswith("elif"):
            found += _statements(other, lines, indent)
        elif other:
            opened = next(k for k in range(other[0].lineno, 0, -1) if lines[k - 1].strip() == "else:")
            found += _clause(opened, other, lines, indent, together=True)
    return found


def _clause(line: int, body: list[ast.stmt], lines: list[str], indent: int, together: bool) -> list[Block]:
    """The line that opens a part, and what is in it; `together` with the first statement inside."""
    head = Block(_text(lines, line, body[0].lineno - 1), indent)
    inside = _statements(body, lines, indent + 1)
    return [_one(head, inside[0]), *inside[1:]] if together else [head, *inside]


def _text(lines: list[str], first: int, last: int) -> str:
    return textwrap.dedent("\n".join(line for line in lines[first - 1 : last] if line.strip()))


def _one(first: Block, second: Block) -> Block:
    return Block(
        first.text + "\n" + textwrap.indent(second.text, "    " * (second.indent - first.indent)), first.indent
    )


def _joined(found: list[Block]) -> list[Block]:
    """The shortest two neighbours as one: a line and the one that alone stands below it, or two of one depth."""

    def fits(k: int) -> bool:
        one, two = found[k], found[k + 1]
        if two.text.endswith(":") or "\n" in one.text + two.text:
            return False
        alone = k + 2 == len(found) or found[k + 2].indent < two.indent
        return alone if one.text.endswith(":") else one.indent == two.indent

    k = min(filter(fits, range(len(found) - 1)), key=lambda k: len(found[k].text) + len(found[k + 1].text))
    return [*found[:k], _one(found[k], found[k + 1]), *found[k + 2 :]]


def slip(right: list[Block], old: str, new: str) -> Block:
    """The block that holds `old`, with `new` in its place. Raises ValueError unless exactly one does."""
    holders = [block for block in right if old in block.text]
    if len(holders) != 1:
        raise ValueError(f"old: a part of one block, got {old!r}, which is in {len(holders)}")
    text = holders[0].text.replace(old, new)
    if text in {block.text for block in right}:
        raise ValueError(f"new: what makes another line, got {new!r}, which makes one of the solution's")
    return Block(text, holders[0].indent, holders[0].text)


def header(stub: str) -> list[str]:
    """The lines that stand above the blocks, without annotations.

    >>> header("def half(x: float, by: int = 2) -> float:\\n    raise YourTurn")
    ['def half(x, by=2):']
    """
    (whole,) = ast.parse(stub).body
    lines = []
    if isinstance(whole, ast.ClassDef):
        lines.append(f"class {whole.name}({', '.join(map(ast.unparse, whole.bases))}):")
        whole = next(node for node in whole.body if isinstance(node, ast.FunctionDef) and node.name != "__init__")
    for each in ast.walk(whole.args):
        if isinstance(each, ast.arg):
            each.annotation = None
    return [*lines, "    " * len(lines) + f"def {whole.name}({ast.unparse(whole.args)}):"]
