"""Answers as readers write them, by topic: what `RIGHT` lists is to be taken, what `WRONG` lists to be refused."""

import importlib
from collections.abc import Callable


def of(topic: str, which: str) -> list[tuple[str, Callable]]:
    """Pairs of an exercise and an answer to it; `which` is RIGHT or WRONG."""
    table = getattr(importlib.import_module(f"{__name__}.{topic}"), which)
    more = getattr(importlib.import_module(f"{__name__}.more"), which)
    rows = [(name, code) for name in table for code in table[name]] if isinstance(table, dict) else table
    return [(name, code) for name, code, *_ in rows] + [(name, code) for of, name, code in more if of == topic]
