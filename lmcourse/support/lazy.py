"""Packages whose names are looked up when they are first used, so that a part of one runs where a library is absent."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy(package: str, modules: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` of a package, from the names that each of its modules offers.

    >>> getattribute, _, offered = lazy("lmcourse.training", {"units": "bits_per_byte"})
    >>> offered, round(getattribute("bits_per_byte")(1.0, 10, 10), 2)
    (['bits_per_byte'], 1.44)
    """
    module_of = {name: module for module, names in modules.items() for name in names.split()}
    offered = sorted(module_of)

    def find(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{module_of[name]}"), name)

    return find, lambda: offered, offered
