"""The course's widgets: `from lmcourse.widgets import StrideView`.

A widget is three files of one stem, found by name: `StrideView` lives in `stride_view.py`, `stride_view.js`
and `stride_view.css`. Putting them here is all the registering there is; every generic test then applies.
"""

import importlib
import re
from pathlib import Path


def widget_names() -> list[str]:
    """The class names of all widgets, in alphabetical order.

    >>> all(name[0].isupper() for name in widget_names())
    True
    """
    stems = (path.stem for path in Path(__file__).parent.glob("*.js"))
    return sorted("".join(word.title() for word in stem.split("_")) for stem in stems)


def __getattr__(name: str):
    if name in widget_names():
        stem = re.sub(r"(?<=.)([A-Z])", r"_\1", name).lower()
        return getattr(importlib.import_module(f"{__name__}.{stem}"), name)
    raise AttributeError(f"lmcourse.widgets has no {name!r}; it has {', '.join(widget_names())}")


def __dir__() -> list[str]:
    return [*widget_names(), "widget_names"]
