"""What a reader is told where a name is missing. Run: pytest tests/exercises/test_restart.py"""

import importlib
import types

import nbformat

from lmcourse.exercises import restart

kernels = importlib.import_module("kernels")


def test_after_a_restart_an_exercise_says_which_cell_to_run_first():
    """In the folder of the course, in a kernel in which no cell has run."""
    notebook = nbformat.read(kernels.NOTEBOOKS[1], as_version=4)
    cell = next(cell for cell in notebook.cells if "exercise" in kernels.tags(cell))
    with kernels.Kernel() as kernel:
        ran = kernel.run(cell.source)
        assert ran.error.startswith("NameError")
        assert "The kernel was restarted: run the first cell, then this one" in ran.text
        assert "NameError" not in kernel.run("1 + 1").text


def test_elsewhere_nothing_is_added(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = []
    monkeypatch.setattr(restart.Card, "show", lambda card: shown.append(card))

    shell = types.SimpleNamespace(user_ns={}, showtraceback=lambda *_, **__: None)
    restart._explain(shell, NameError, NameError("name 'x' is not defined", name="x"), None)
    assert shown == []
    shell.user_ns["ready"] = print
    restart._explain(shell, NameError, NameError("name 'x' is not defined", name="x"), None)
    assert len(shown) == 1
