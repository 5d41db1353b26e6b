"""A notebook's kernel, driven cell by cell: in any order, interrupted, with other answers than the author's.

nbclient and nbval run a notebook from top to bottom; a learner does not.
"""

import os
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import psutil
from jupyter_client.manager import KernelManager

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Ran:
    """What a cell printed and displayed as text, the error it ended in ("" for none), and how long it took."""

    text: str = ""
    error: str = ""
    traceback: str = ""
    seconds: float = 0.0


@dataclass
class Section:
    """The cells from one `## ` heading to the next."""

    title: str
    cells: list = field(default_factory=list)


def tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


# nbval and solved train the whole recipe of 09; every other gate cuts it, before the first cell can ask for it.
CUT = """\
from dataclasses import replace as _replace
from lmcourse.training import stories as _stories
_stories.story_recipe = lambda machine, _whole=_stories.story_recipe: _replace(_whole(machine), steps=64)
"""


def shortened(path: Path) -> nbformat.NotebookNode:
    """The notebook of a file; where it trains the stories' recipe, its setup cell begins with `CUT`."""
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if any("load_stories(" in cell.source for cell in code):
        code[0].source = CUT + code[0].source
    return notebook


FIRST = "## The journey of one sentence"  # of 00: all that follows plays with the sentence that has arrived


def sections(notebook: nbformat.NotebookNode) -> tuple[list, list[Section]]:
    """The code cells before the first `## ` heading (the setup; in 00 the journey too), and the sections, in order."""
    setup, found = [], []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            headings = [line for line in cell.source.split("\n") if line.startswith("## ")]
            found += [Section(headings[-1])] if headings else []
        elif cell.cell_type == "code" and cell.source.strip():
            (found[-1].cells if found else setup).append(cell)
    setup += [cell for section in found if section.title == FIRST for cell in section.cells]
    return setup, [section for section in found if section.cells and section.title != FIRST]


class Kernel:
    """A kernel in the folder of the notebooks; `with Kernel() as kernel: kernel.run("1 + 1").text`."""

    def __init__(self, **environment: str):
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(cwd=str(ROOT / "notebooks"), env=os.environ | environment)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=120)
        self.peak = 0
        self._over = threading.Event()
        threading.Thread(target=self._watch_memory, daemon=True).start()

    def __enter__(self) -> "Kernel":
        return self

    def __exit__(self, *_):
        self._over.set()
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def _watch_memory(self) -> None:
        while not self._over.wait(0.05):
            self._look_at_memory()

    def _look_at_memory(self) -> None:
        """Keep the most that the kernel and its children held at once, in bytes of resident memory."""
        try:
            own = psutil.Process(self.manager.provisioner.pid)
            total = sum(process.memory_info().rss for process in (own, *own.children(recursive=True)))
        except psutil.Error:  # a child that ended in between
            return
        self.peak = max(self.peak, total)

    def run(self, source: str, *, interrupt_after: float | None = None, timeout: float = 300) -> Ran:
        """Run one cell to its end; `interrupt_after` seconds the kernel is interrupted, as its ■ does."""
        ran = Ran()

        def hear(message):
            content = message["content"]
            if message["msg_type"] == "stream":
                ran.text += content["text"]
            elif message["msg_type"] in ("display_data", "execute_result"):
                ran.text += content["data"].get("text/plain", "") + "\n"
            elif message["msg_type"] == "error":
                ran.error = f"{content['ename']}: {content['evalue'][:300]}"
                ran.traceback = ANSI.sub("", "\n".join(content["traceback"]))

        timer = threading.Timer(interrupt_after or 0, self.manager.interrupt_kernel)
        start = time.monotonic()
        if interrupt_after is not None:
            timer.start()
        try:
            self.client.execute_interactive(source, output_hook=hear, timeout=timeout, allow_stdin=False)
        except TimeoutError:
            ran.error = f"TimeoutError: no end within {timeout} s"
        finally:
            timer.cancel()
        ran.seconds = time.monotonic() - start
        self._look_at_memory()  # what a short cell leaves behind is seen before the next look
        return ran

    def run_cells(self, cells: list) -> Iterator[tuple[nbformat.NotebookNode, Ran]]:
        """Run cells in order; those that need CUDA too, since they must pass without it."""
        for cell in cells:
            yield cell, self.run(cell.source)
