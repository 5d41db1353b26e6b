"""PyTorch where it is installed, and otherwise a stand-in that can be named and not used.

The exercises whose subject is plain Python are also judged in a page, where there is no PyTorch. Modules that define
both kinds import `torch` from here: there a class may inherit from the stand-in and a function may be decorated with
it, and only what computes with it fails.
"""

from typing import Any


class Missing:
    """Stands for a library that is not installed, and for everything in it.

    >>> torch = Missing("torch")
    >>> class Optimizer(torch.optim.Optimizer): ...
    >>> torch.zeros(3) + 1
    Traceback (most recent call last):
    TypeError: unsupported operand type(s) for +: 'Missing' and 'int'
    """

    def __init__(self, name: str):
        self.name = name

    def __getattr__(self, name: str) -> "Missing":
        if name.startswith("__"):
            raise AttributeError(name)  # Python's own, which it asks every object for
        return Missing(f"{self.name}.{name}")

    def __call__(self, *_: Any, **__: Any) -> "Missing":
        return self

    def __repr__(self) -> str:
        return f"<{self.name}, which is not installed>"

    def __mro_entries__(self, bases: tuple) -> tuple:
        return ()


try:
    import torch
except ImportError:
    torch = Missing("torch")

Tensor, nn = torch.Tensor, torch.nn
