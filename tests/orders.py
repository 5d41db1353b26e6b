"""Other orders of a function's lines that mean the same, found by what each line reads and writes.

Two neighbours of one part may change places where neither writes what the other reads or writes, and neither leaves the
part. So every order that is found here is right, whatever a judge says of it.
"""

import ast
import functools
import random

from lmcourse.exercises.parsons import Line, Rung

# What a call changes: the object of a method, and the arguments of these functions (all others change nothing).
METHODS = {
    "append", "insert", "pop", "seek", "write", "step", "zero_grad", "backward", "load_state_dict", "normal_",
    "mul_", "add_", "sub_", "copy_",
}  # fmt: skip
FUNCTIONS = {
    "clip_grad_norm_", "average_in_place", "write_header", "write_chunks", "load_checkpoint", "set_rng_state",
    "torch.randint", "torch.multinomial",
}  # fmt: skip
LEAVES = ast.Return | ast.Raise | ast.Break | ast.Continue


def other_orders(rung: Rung, most: int, seed: int = 0, tries: int = 60) -> list[list[Line]]:
    """Up to `most` different orders of the solution's blocks, the solution's own first."""
    chance, found = random.Random(seed), [list(rung.order)]
    for _ in range(tries):
        if len(found) >= most:
            break
        order = _shuffled(rung, list(rung.order), chance)
        found += [order] if order not in found else []
    return found


def _shuffled(rung: Rung, lines: list[Line], chance: random.Random) -> list[Line]:
    """The lines of one part in another order, and each part inside of them."""
    items = _items(rung, lines)
    effects = [effects_of(_source(rung, item)) for item in items]
    waiting, found = list(range(len(items))), []
    while waiting:
        ready = [k for k in waiting if not any(effects[j].clash(effects[k]) for j in waiting if j < k)]
        k = chance.choice(ready)
        waiting.remove(k)
        found += _inside(rung, items[k], chance)
    return found


def _items(rung: Rung, lines: list[Line]) -> list[list[Line]]:
    """Each statement of a part with all that belongs to it: deeper lines, `else` and `except`."""
    items, depth = [], lines[0][1]
    for block, steps in lines:
        goes_on = rung.blocks[block].text.startswith(("else", "elif", "except", "finally"))
        if steps > depth or goes_on:
            items[-1].append((block, steps))
        else:
            items.append([(block, steps)])
    return items


def _inside(rung: Rung, item: list[Line], chance: random.Random) -> list[Line]:
    """A statement with the parts inside of it in another order; lines that open a part stay where they are."""
    found, part, depth = [], [], item[0][1]
    for line in [*item, (-1, depth)]:
        if line[1] > depth:
            part.append(line)
            continue
        # What is joined to the line above it has to stay there, so its part is left as it is.
        joined = found and not rung.blocks[found[-1][0]].text.rstrip().endswith(":")
        found += part if joined or not part else _shuffled(rung, part, chance)
        part = []
        found += [line] if line[0] >= 0 else []
    return found


def _source(rung: Rung, item: list[Line]) -> str:
    depth = item[0][1]
    rows = ["    " * (steps - depth) + row for block, steps in item for row in rung.blocks[block].text.split("\n")]
    return "\n".join(rows)


class Effects:
    """What a statement reads and writes: names, and parts of them such as `state["step"]`; whether it may leave."""

    def __init__(self, source: str):
        self.reads, self.writes, self.leaves = set(), set(), False
        for node in ast.walk(ast.parse(source)):
            self.leaves |= isinstance(node, LEAVES)
            if isinstance(node, ast.Name | ast.Subscript | ast.Attribute):
                (self.reads if isinstance(node.ctx, ast.Load) else self.writes).add(_place(node))
            if isinstance(node, ast.AugAssign):
                self.reads.add(_place(node.target))
            if isinstance(node, ast.Call):
                self._call(node)

    def _call(self, node: ast.Call) -> None:
        name = ast.unparse(node.func)
        if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            self.writes.add(_place(node.func.value))
            if node.func.attr == "backward":
                self.writes.add("model")  # its gradients
            if name == "optimizer.step" or name == "optimizer.zero_grad":
                self.writes.add("model")
        if name in FUNCTIONS:
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            self.writes |= {_place(inner) for each in given for inner in ast.walk(each) if isinstance(inner, ast.Name)}

    def clash(self, other: "Effects") -> bool:
        """Whether the two have to stay in their order."""
        if self.leaves or other.leaves:
            return True
        mine, theirs = self.reads | self.writes, other.reads | other.writes
        touch = lambda one, two: any(_overlap(a, b) for a in one for b in two)  # noqa: E731
        return touch(self.writes, theirs) or touch(mine, other.writes)


@functools.cache
def effects_of(source: str) -> Effects:
    """What a statement does, found once."""
    return Effects(source)


def _place(node: ast.expr) -> str:
    """What a name, an element with a fixed key, or an attribute is called; of any other expression its first name."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.value, ast.Name):
        return f"{node.value.id}[{node.slice.value!r}]"
    while not isinstance(node, ast.Name):
        inner = getattr(node, "value", None) or getattr(node, "func", None)
        if inner is None:
            return ""
        node = inner
    return node.id


def _overlap(one: str, two: str) -> bool:
    if "[" in one and "[" in two:
        return one == two
    return one.partition("[")[0] == two.partition("[")[0] != ""
