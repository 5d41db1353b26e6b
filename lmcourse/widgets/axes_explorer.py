"""AxesExplorer: a pattern of named axes as chips, grids of elements and a loop nest."""

import html
import inspect
import json
import math
from collections.abc import Callable

import einops
import numpy as np
import torch
import traitlets
from einops.parsing import ParsedExpression

from lmcourse import axes
from lmcourse.widgets.base import CourseWidget

FIRST_SIZES = (2, 3, 4, 2, 3, 2)  # of axes that nobody gave a size, in order of appearance
VALUES_LIMIT = 2048  # elements of one tensor that are sent to the page
CHECK_LIMIT = 1_000_000  # elements that a reader's function is run on


def _step(name: str, operation: str, pattern: str, *inputs: str, over: str | None = None) -> dict:
    return {"name": name, "operation": operation, "pattern": pattern, "inputs": list(inputs)} | (
        {"over": over} if over else {}
    )


# Chains of steps: an output's name is a later step's input, and a name of an axis keeps its size and its colour.
CHAINS = {
    "one_head": {
        "name": "Attention, one head",
        "sizes": {"b": 1, "q": 3, "k": 4, "d": 2},
        "chain": [
            _step("scores", "einsum", "b q d, b k d -> b q k", "Q", "K"),
            _step("weights", "softmax", "b q k -> b q k", "scores", over="k"),
            _step("mixed", "einsum", "b q k, b k d -> b q d", "weights", "V"),
        ],
    },
    "multi_head": {
        "name": "Multi-head attention, with its join",
        "sizes": {"b": 1, "h": 2, "q": 3, "k": 3, "d": 2},
        "chain": [
            _step("q_heads", "rearrange", "b q (h d) -> b h q d", "Q"),
            _step("k_heads", "rearrange", "b k (h d) -> b h k d", "K"),
            _step("v_heads", "rearrange", "b k (h d) -> b h k d", "V"),
            _step("scores", "einsum", "b h q d, b h k d -> b h q k", "q_heads", "k_heads"),
            _step("weights", "softmax", "b h q k -> b h q k", "scores", over="k"),
            _step("mixed", "einsum", "b h q k, b h k d -> b h q d", "weights", "v_heads"),
            _step("joined", "rearrange", "b h q d -> b q (h d)", "mixed"),
        ],
    },
    "grouped_query": {
        "name": "Grouped-query attention",
        "sizes": {"b": 1, "g": 2, "r": 2, "q": 2, "k": 3, "d": 2},
        "chain": [
            _step("q_heads", "rearrange", "b q (g r d) -> b g r q d", "Q"),
            _step("k_heads", "rearrange", "b k (g d) -> b g k d", "K"),
            _step("v_heads", "rearrange", "b k (g d) -> b g k d", "V"),
            _step("scores", "einsum", "b g r q d, b g k d -> b g r q k", "q_heads", "k_heads"),
            _step("weights", "softmax", "b g r q k -> b g r q k", "scores", over="k"),
            _step("mixed", "einsum", "b g r q k, b g k d -> b g r q d", "weights", "v_heads"),
            _step("joined", "rearrange", "b g r q d -> b q (g r d)", "mixed"),
        ],
    },
}


def _preset(name: str, operation: str, pattern: str, *, reduction: str = "sum", **sizes: int) -> dict:
    return {"name": name, "operation": operation, "pattern": pattern, "reduction": reduction, "sizes": sizes}


PRESETS = [
    _preset("Split heads", "rearrange", "b t (h d) -> b h t d", b=2, t=3, h=2, d=2),
    _preset("Join heads", "rearrange", "b h t d -> b t (h d)", b=2, h=2, t=3, d=2),
    _preset("(h d): h slow", "rearrange", "(h d) -> h d", h=2, d=4),
    _preset("(d h): d slow", "rearrange", "(d h) -> h d", h=2, d=4),
    _preset("Patches of an image", "rearrange", "c (y h) (x w) -> (y x) (c h w)", c=1, y=2, h=2, x=3, w=2),
    _preset("Mean over a sequence", "reduce", "b t d -> b d", reduction="mean", b=2, t=4, d=3),
    _preset("Max pool 2 by 2", "reduce", "(y h) (x w) -> y x", reduction="max", y=2, h=2, x=3, w=2),
    _preset("Repeat along a new axis", "repeat", "t -> t copies", t=4, copies=3),
    _preset("Matrix product", "einsum", "m k, k n -> m n", m=3, k=4, n=2),
    _preset("Diagonal", "einsum", "i i -> i", i=4),
    _preset("Ellipsis", "rearrange", "... heads hidden2 -> ... (heads hidden2)", heads=2, hidden2=3),
    _preset("Error: an axis that vanishes", "rearrange", "b h w -> b h", b=2, h=3, w=2),
    _preset("Error: the ellipsis lacks its space", "rearrange", "...hidden -> ...", hidden=3),
    *({"key": key} | chain for key, chain in CHAINS.items()),
]


class AxesExplorer(CourseWidget):
    """Where every element of an einops result comes from.

    `AxesExplorer("b t (h d) -> b h t d")` has a slider for every axis. Given tensors (or shapes), it shows those:
    `AxesExplorer("b t (h d) -> b h t d", x, h=4)`. `operation` is one of rearrange, reduce, repeat and einsum, and
    is read off the pattern where it is not given. `check` is a function of the reader's own that takes the same
    tensors, and by name the sizes that it has parameters for; elements where it differs from einops are marked.

    Raises:
        TypeError, ValueError: for arguments of the wrong kind. A pattern that einops refuses is no such error: the
            widget is there to explain it.
    """

    operation = traitlets.Unicode("rearrange").tag(sync=True)
    reduction = traitlets.Unicode("sum").tag(sync=True)
    pattern = traitlets.Unicode("").tag(sync=True)
    sizes = traitlets.Dict().tag(sync=True)  # the size of an axis, where it was set
    dots = traitlets.Int(2, min=0, max=8).tag(sync=True)  # dimensions that "..." stands for where no tensor says it
    tensors = traitlets.List().tag(sync=True)  # the reader's own, described; empty: shapes follow the sliders
    chain = traitlets.List().tag(sync=True)
    current = traitlets.Int(-1).tag(sync=True)  # the step of the chain that the stage shows
    axis = traitlets.Unicode("").tag(sync=True)  # elements are tinted by their place along it
    iteration = traitlets.Int(-1).tag(sync=True)  # where the loop nest stands
    verdict = traitlets.Dict().tag(sync=True)  # the kernel's last answer
    made = traitlets.Dict().tag(sync=True)  # what the reader's function made of these tensors and sizes
    presets = traitlets.List().tag(sync=True)
    panel = traitlets.Unicode("nest").tag(sync=True)  # the tab below: nest, sizes or facts

    def __init__(
        self,
        pattern: str = "b t (h d) -> b h t d",
        *tensors: torch.Tensor | np.ndarray | tuple[int, ...],
        operation: str | None = None,
        reduction: str = "sum",
        check: Callable | None = None,
        **sizes: int,
    ):
        if not isinstance(pattern, str):
            raise TypeError(f"pattern must be a str, got {type(pattern).__name__}")
        if operation is not None and operation not in axes.OPERATIONS:
            raise ValueError(f"operation must be one of {', '.join(axes.OPERATIONS)}, got {operation!r}")
        if reduction not in axes.REDUCTIONS:
            raise ValueError(f"reduction must be one of {', '.join(axes.REDUCTIONS)}, got {reduction!r}")
        if check is not None and not callable(check):
            raise TypeError(f"check must be a function, got {check!r}")
        for name, size in sizes.items():
            if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= 4096:
                raise ValueError(f"size of axis {name!r} must be an int in 1 .. 4096, got {size!r}")
        self._check = check
        self._tensors = [_as_tensor(tensor) for tensor in tensors]
        super().__init__(
            title="Where every element comes from",
            source="Rules of einops, as tested against it in this package",
            pattern=pattern,
            operation=operation or (axes.operation_of(pattern) if len(tensors) < 2 else "einsum"),
            reduction=reduction,
            sizes=sizes,
            tensors=[_described(tensor, given) for tensor, given in zip(self._tensors, tensors)],
            presets=PRESETS,
        )
        shapes, told = self._given()
        if shapes is not None:
            question = {"operation": self.operation, "reduction": reduction, "pattern": pattern}
            question |= {"shapes": shapes, "sizes": told}
            reply = self.answer({"text": json.dumps(question, ensure_ascii=False, separators=(",", ":"))})
            self.made = reply.pop("made")
            self.verdict = reply

    @classmethod
    def attention(cls, kind: str = "multi_head", **sizes: int) -> "AxesExplorer":
        """Attention as a chain of steps: "one_head", "multi_head" or "grouped_query"."""
        if kind not in CHAINS:
            raise ValueError(f"kind must be one of {', '.join(CHAINS)}, got {kind!r}")
        chain = CHAINS[kind]["chain"]
        widget = cls(chain[0]["pattern"], operation=chain[0]["operation"], **(CHAINS[kind]["sizes"] | sizes))
        widget.set_trait("chain", chain)
        widget.set_trait("current", 0)
        return widget

    @classmethod
    def example(cls) -> "AxesExplorer":
        return cls.attention("multi_head")

    def answer(self, question: dict) -> dict:
        """What einops itself says of a pattern, and where the reader's function leaves it."""
        asked = json.loads(question["text"])
        shapes = asked["shapes"]
        if shapes is None:  # a pattern that cannot be read: no shape matters
            shapes = [[] for _ in asked["pattern"].partition("->")[0].split(",")]
            shapes = shapes if asked["operation"] == "einsum" else shapes[:1]
        if [list(tensor.shape) for tensor in self._tensors] == shapes:
            tensors = self._tensors
        elif sum(math.prod(shape) for shape in shapes) <= CHECK_LIMIT:
            tensors = [torch.arange(float(math.prod(shape))).reshape(shape) for shape in shapes]
        else:
            raise ValueError(f"shapes must hold at most {CHECK_LIMIT:,} elements, got {shapes}")
        reply = {"question": question["text"], "message": None, "check": None, "made": {}}
        try:
            theirs = axes.run(
                asked["operation"], asked["pattern"], tensors, asked["sizes"], reduction=asked["reduction"]
            )
        except Exception as error:
            return reply | {"message": axes.reason(error)}
        if self._check is not None:
            reply["check"], reply["made"] = _tried(self._check, tensors, asked["sizes"], theirs)
        return reply

    def _given(self) -> tuple[list[list[int]] | None, dict[str, int]]:
        """Shapes and sizes of this state, as the page works them out too; no shapes where the pattern is unreadable."""
        try:
            names, free_shapes = _free_shapes(self.pattern, self.operation, self.sizes, self.dots)
        except einops.EinopsError:
            return None, {}
        if self._tensors:
            used = {name: size for name, size in self.sizes.items() if name in names}
            return [list(tensor.shape) for tensor in self._tensors], used
        told = {name: size for name, size in names.items() if not name.startswith("…")}
        return free_shapes, {} if self.operation == "einsum" else told

    def _nest(self) -> axes.LoopNest | None:
        """The loop nest of this state, where einops accepts its pattern."""
        shapes, told = self._given()
        try:
            return axes.loop_nest(self.pattern, shapes, told, operation=self.operation, reduction=self.reduction)
        except Exception:  # whatever einops and torch raise; `verdict` has the words
            return None

    def summary(self) -> str:
        steps = f", step 1 of {len(self.chain)}: {', '.join(step['name'] for step in self.chain)}" if self.chain else ""
        nest = self._nest()
        if nest is None:
            message = self.verdict.get("message") or "einops cannot read this pattern"
            return f'{self.operation} "{self.pattern}": {message}'
        shapes = " and ".join(str(shape) for shape in nest.shapes)
        return f'{self.operation} "{self.pattern}" makes {nest.output_shape} from {shapes}{steps}'

    def snapshot(self) -> str:
        nest = self._nest()
        text = f"<p>{html.escape(self.summary())}</p>"
        if nest is None:
            return text
        text += f"<pre>{html.escape(nest.code())}</pre>"
        shown = [
            f"{list(index.values())} ← {_terms(nest, index)}" for index, _ in zip(nest.indices(nest.kept), range(6))
        ]
        more = "" if math.prod(nest.output_shape) <= 6 else "<li>…</li>"
        return (
            text
            + "<p>Output elements and the flat input positions that make them:</p><ul>"
            + "".join(f"<li>{html.escape(line)}</li>" for line in shown)
            + more
            + "</ul>"
        )


def _terms(nest: axes.LoopNest, index: dict[str, int]) -> str:
    terms = nest.sources(index)
    words = [" · ".join(map(str, term)) if isinstance(term, tuple) else str(term) for term in terms[:8]]
    return " + ".join(words) + (" + …" if len(terms) > 8 else "")


def _free_shapes(pattern: str, operation: str, sizes: dict, dots: int) -> tuple[dict[str, int], list[list[int]]]:
    """The size of every name, and the shapes that follow, for a pattern without tensors (`freeShapes` in the JS)."""
    left, _, right = pattern.partition("->")
    loose = {"allow_duplicates": operation == "einsum", "allow_underscore": operation == "einsum"}
    operands = [ParsedExpression(text, **loose) for text in (left.split(",") if operation == "einsum" else [left])]
    names: dict[str, int] = {}
    for side in [*operands, ParsedExpression(right, allow_underscore=operation == "einsum")]:
        dimensions = [list(dimension) for dimension in side.composition]
        found = [f"…{i}" for i in range(dots) if side.has_ellipsis]
        found += [name for dimension in dimensions for name in dimension if isinstance(name, str) and name != "…"]
        for name in found:
            names.setdefault(name, sizes.get(name, FIRST_SIZES[len(names) % len(FIRST_SIZES)]))
    shapes = []
    for operand in operands:
        shape: list[int] = []
        for dimension in operand.composition:
            if isinstance(dimension, str):
                shape += [names[f"…{i}"] for i in range(dots)]
            else:
                shape.append(
                    math.prod(names.get(name, 1) if isinstance(name, str) else name.value for name in dimension)
                )
        shapes.append(shape)
    return names, shapes


def _as_tensor(given) -> torch.Tensor:
    if isinstance(given, torch.Tensor):
        return given.detach()
    if isinstance(given, np.ndarray):
        return torch.from_numpy(given)
    if isinstance(given, tuple | list) and all(isinstance(n, int) and 0 <= n <= 10**6 for n in given):
        return torch.empty(tuple(given), device="meta")
    raise TypeError(f"tensors must be tensors, arrays or shapes such as (2, 3), got {given!r}")


def _described(tensor: torch.Tensor, given) -> dict:
    """What the page needs to know of a tensor: never more than a few thousand numbers."""
    values = None
    if tensor.device.type != "meta" and tensor.numel() <= VALUES_LIMIT and not tensor.is_complex():
        values = [_jsonable(value) for value in tensor.flatten().tolist()]
    return {
        "shape": list(tensor.shape),
        "strides": list(tensor.stride()),
        "itemsize": tensor.element_size(),
        "dtype": str(tensor.dtype).removeprefix("torch."),
        "values": values,
    }


def _jsonable(value):
    if isinstance(value, bool):
        return int(value)
    return value if math.isfinite(value) else str(value)


def _tried(check: Callable, tensors: list[torch.Tensor], sizes: dict, theirs: torch.Tensor) -> tuple[dict, dict]:
    """Run the reader's function on the same tensors: where it leaves einops' result, in words, and what it made.

    What it made does not depend on the pattern: the page compares it with any other pattern by itself.
    """
    wanted = inspect.signature(check).parameters
    sizes = {axis: size for axis, size in sizes.items() if axis in wanted}
    name = getattr(check, "__name__", "your function")
    if any(tensor.device.type == "meta" for tensor in tensors):
        return {"name": name, "wrong": 0, "places": [], "words": "give it tensors with values to compare"}, {}
    try:
        ours = check(*(tensor.clone() for tensor in tensors), **sizes)
    except Exception as error:
        return {"name": name, "wrong": -1, "places": [], "words": f"raises {type(error).__name__}: {error}"}, {}
    if not isinstance(ours, torch.Tensor):
        words = f"gives {type(ours).__name__}, einops {tuple(theirs.shape)}"
        return {"name": name, "wrong": -1, "places": [], "words": words}, {}
    made = {"name": name, "sizes": sizes, "shapes": [list(tensor.shape) for tensor in tensors]}
    made |= {"shape": list(ours.shape), "values": [_jsonable(value) for value in ours.flatten().tolist()]}
    return {"name": name} | _compared(ours, theirs), made if ours.numel() <= VALUES_LIMIT else {}


def _compared(ours: torch.Tensor, theirs: torch.Tensor) -> dict:
    """Where two tensors differ: how often, at which flat places, and in words."""
    if ours.shape != theirs.shape:
        return {"wrong": -1, "places": [], "words": f"gives {tuple(ours.shape)}, einops {tuple(theirs.shape)}"}
    differs = ~torch.isclose(ours.double(), theirs.double(), rtol=1e-5, atol=1e-7, equal_nan=True).flatten()
    places = differs.nonzero().flatten().tolist()
    if not places:
        return {"wrong": 0, "places": [], "words": "every element equals einops'"}
    first = [int(i) for i in np.unravel_index(places[0], tuple(theirs.shape))]
    mine, right = ours.flatten()[places[0]].item(), theirs.flatten()[places[0]].item()
    words = f"{len(places)} of {theirs.numel()} elements differ, first out{first}: yours {mine:g}, einops {right:g}"
    return {"wrong": len(places), "places": places[:2000], "words": words}
