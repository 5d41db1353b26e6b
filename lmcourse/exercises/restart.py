"""Say what to do where Python does not know a name of the notebook: after a restart, or where a cell was left out.

`ready()` switches it on. It is an IPython extension too, which the package's `ipython_kernel_config.json` names: so it
works in a kernel in which no cell has run yet, in the folder of the course and nowhere else.
"""

from pathlib import Path
from typing import Any

from lmcourse.exercises.cards import Card


def advice(name: str, known: dict[str, Any]) -> str:
    """What to run first, given the names that there are.

    >>> advice("merge_pair", {})
    'The kernel was restarted: run the first cell, then this one.'
    >>> advice("merge_pair", {"ready": print})
    'Where merge_pair is spelt as you mean it: run the first cell, then the cells of this section from its heading.'
    """
    if "ready" not in known:
        return "The kernel was restarted: run the first cell, then this one."
    return f"Where {name} is spelt as you mean it: run the first cell, then the cells of this section from its heading."


def _explain(shell, kind: type, error: NameError, trace, tb_offset: int | None = None) -> None:
    shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
    if (
        error.name
        and not isinstance(error, UnboundLocalError)
        and ("ready" in shell.user_ns or Path("00_start_here.ipynb").exists())
    ):
        Card("todo", f"Python knows no {error.name} here", (advice(error.name, shell.user_ns),)).show()


def load_ipython_extension(shell) -> None:
    """Explain a NameError below its traceback."""
    shell.set_custom_exc((NameError,), _explain)
