"""What the course costs a reader: per notebook, Run All over the floor, time to the first widget, memory; per widget,
from a click or a key to the frame that shows it. Run: `python benchmarks/course.py [NAME ...] [--no-browser]`

The floor is a kernel that starts and runs a notebook's import lines: what no cell can be quicker than. The browser is
real (JupyterLab, and the widgets' page without a kernel), so this file is also a plugin of pytest, which lends it the
fixtures of tests/browser. Latency is counted from the event that the browser was sent to the first moment after the
frame that follows its handler; a frame is 16.7 ms, so nothing is below that by much.
"""

import argparse
import ast
import gzip
import importlib
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests"))
kernels = importlib.import_module("kernels")

EVENTS = 120  # real clicks and keys on each widget


def import_lines(notebook: nbformat.NotebookNode) -> str:
    """The import statements of all code cells, in order, each once.

    >>> cells = [nbformat.v4.new_code_cell("import math\\nprint(math.pi)"), nbformat.v4.new_code_cell("import math")]
    >>> import_lines(nbformat.v4.new_notebook(cells=cells))
    'import math'
    """
    lines = {}
    for cell in notebook.cells:
        for node in ast.parse(cell.source).body if cell.cell_type == "code" else ():
            if isinstance(node, ast.Import | ast.ImportFrom):
                lines[ast.unparse(node)] = None
    return "\n".join(lines)


def widgets_of(notebook: nbformat.NotebookNode) -> list[str]:
    """The widgets that a notebook imports.

    >>> cell = nbformat.v4.new_code_cell("from lmcourse.widgets import FloatBits, PageMap")
    >>> widgets_of(nbformat.v4.new_notebook(cells=[cell]))
    ['FloatBits', 'PageMap']
    """
    tree = ast.parse(import_lines(notebook))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "lmcourse.widgets"]
    return [alias.name for node in found for alias in node.names]


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of the values do not exceed.

    >>> percentile([1.0, 2.0, 3.0, 4.0], 0.5)
    2.0
    """
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * share // 1).__int__() - 1)]


def run_all(path: Path) -> dict[str, float]:
    """Seconds of an empty notebook with the same imports, of Run All, and the most memory, in bytes."""
    notebook = nbformat.read(path, as_version=4)
    with kernels.Kernel() as kernel:
        floor = kernel.run(import_lines(notebook)).seconds
    with kernels.Kernel() as kernel:
        ran = [kernel.run(cell.source) for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
        failed = next((each.error for each in ran if each.error), "")
        if failed:
            raise RuntimeError(f"{path.name}: {failed}")
        return {"floor": floor, "all": sum(each.seconds for each in ran), "slowest": max(each.seconds for each in ran),
                "memory": kernel.peak}  # fmt: skip


# --- in the browser, with the fixtures of tests/browser ---------------------------------------------------------

FIRST_WIDGET = """
  window.clock = {};
  for (const kind of ['pointerdown', 'mousedown', 'mouseup']) addEventListener(kind, (event) => {
    if (event.target.closest?.('[data-command="runmenu:run-all"]')) window.clock.run = performance.now();
  }, true);
  new MutationObserver(() => {
    if (window.clock.run && !window.clock.widget && document.querySelector('.jp-OutputArea .lmc'))
      window.clock.widget = performance.now();
  }).observe(document, { subtree: true, childList: true });
"""
LATENCY = """
  window.waits = [];
  for (const kind of ['click', 'keydown', 'input', 'change']) addEventListener(kind, (event) => {
    if (!event.isTrusted || !event.target.closest?.('.lmc')) return;
    requestAnimationFrame(() => setTimeout(() => window.waits.push(performance.now() - event.timeStamp)));
  }, true);
"""


@pytest.fixture
def watch(watch):
    """Pages with both clocks in them."""

    def open_page(**options):
        watched = watch(**options)
        watched.context.add_init_script(FIRST_WIDGET + LATENCY)
        return watched

    return open_page


def seconds_to_first_widget(path, in_lab) -> float | None:
    """From the click on Run All to the first widget in the page."""
    watched = in_lab(path)
    clock = watched.page.evaluate("window.clock")
    return (clock["widget"] - clock["run"]) / 1000 if "widget" in clock else None


def latencies(name: str, kernel_free) -> list[float]:
    """Milliseconds from an event to the frame after its handler: real clicks on buttons, real keys on the rest."""
    widgets = importlib.import_module("lmcourse.widgets")
    page = kernel_free(getattr(widgets, name).example(), still=True).page
    for k in range(EVENTS):
        controls = page.locator(".lmc button:visible, .lmc input:visible, .lmc [tabindex='0']:visible")
        control = controls.nth(k % controls.count())
        if re.search("copy|share", control.text_content() or "", re.IGNORECASE):
            continue
        if control.evaluate("e => e.tagName === 'BUTTON'"):
            control.dispatch_event("focus")
            control.click(force=True)
        else:
            control.focus()
            page.keyboard.press("ArrowRight")
    return page.evaluate("window.waits")


def wanted(config_or_names) -> list[Path]:
    """The notebooks whose names hold one of the words; all where there is none."""
    return [path for path in kernels.NOTEBOOKS if not config_or_names or any(n in path.stem for n in config_or_names)]


NAMES = os.environ.get("LMCOURSE_COURSE_NAMES", "").split()


@pytest.mark.parametrize("path", wanted(NAMES), ids=lambda path: path.stem)
def test_first_widget(path, in_lab, record_property):
    record_property("first widget", seconds_to_first_widget(path, in_lab))


@pytest.mark.parametrize(
    "name", sorted({name for path in wanted(NAMES) for name in widgets_of(nbformat.read(path, 4))})
)
def test_latency(name, kernel_free, record_property):
    record_property("latency", latencies(name, kernel_free))


JUDGED = (
    """() => document.querySelector("[data-lm-key='strides.offset'] .lm-said")?.textContent.includes('not attempted')"""
)


def seconds_to_judged(page, address: str) -> dict[str, float]:
    """Seconds from asking for a chapter of the book to its text, to a judged answer, and of one more check."""
    begun = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_selector("article h1")
    text = time.perf_counter() - begun
    cell = page.locator(".cell.tag_lm-check").first
    check = cell.get_by_role("button", name="Check")
    check.evaluate("button => button.click()")
    page.wait_for_function(JUDGED, timeout=120_000)
    first = time.perf_counter() - begun
    again = page.evaluate(
        f"""async () => {{
          const cell = document.querySelector("[data-lm-key='strides.offset']"), begun = performance.now();
          cell.querySelector('.lm-first').click();
          do await new Promise(requestAnimationFrame); while (!({JUDGED})());
          return (performance.now() - begun) / 1000;
        }}"""
    )
    return {"text": text, "first": first, "next": again}


@pytest.mark.skipif(bool(NAMES), reason="of the whole course only")
def test_book(book, watch, record_property):
    chapters = sorted(book[0].glob("0*.html"))
    record_property("html", max(len(gzip.compress(path.read_bytes())) / 1000 for path in chapters))
    watched = watch()
    record_property("cold", seconds_to_judged(watched.page, f"{book[1]}/03_strides.html"))
    page = watched.context.new_page()
    record_property("warm", seconds_to_judged(page, f"{book[1]}/03_strides.html"))
    record_property("off-site", len([line for line in watched.wrong if "off-site" in line]))


class Heard:
    """What the browser's measurements report to this process: `{(what, of what): value}`."""

    def __init__(self):
        self.values: dict[tuple[str, str], object] = {}

    def pytest_runtest_logreport(self, report):
        of = report.nodeid.partition("[")[2].rstrip("]")
        for what, value in report.user_properties if report.when == "call" and report.passed else ():
            self.values[what, of] = value


def in_browser(names: list[str]) -> dict[tuple[str, str], object]:
    """Run this file's measurements under pytest, with the fixtures of tests/browser."""
    os.environ["LMCOURSE_COURSE_NAMES"] = " ".join(names)
    heard = Heard()
    options = [
        "-q",
        "-p",
        "browser.conftest",
        "-o",
        "python_files=course.py",
        "-o",
        "addopts=",
        "--import-mode=importlib",
    ]
    pytest.main([*options, f"--rootdir={ROOT}", "-p", "no:cacheprovider", __file__], plugins=[heard])
    return heard.values


def table(names: list[str], browser: bool) -> Iterator[str]:
    """The lines of the report."""
    yield (
        "| notebook | floor s | Run All s | over the floor s | slowest cell s | first widget s | memory MB |\n"
        "|---|---|---|---|---|---|---|"
    )
    heard = in_browser(names) if browser else {}
    rows = []
    for path in wanted(names):
        row = run_all(path)
        first = heard.get(("first widget", path.stem))
        rows.append(row)
        yield (
            f"| {path.stem} | {row['floor']:.1f} | {row['all']:.1f} | {row['all'] - row['floor']:.1f} | "
            f"{row['slowest']:.1f} | {'–' if first is None else f'{first:.1f}'} | {row['memory'] / 1e6:.0f} |"
        )
    yield f"| together | {sum(r['floor'] for r in rows):.1f} | {sum(r['all'] for r in rows):.1f} | | | | |"
    if browser:
        yield from of_the_book(heard)
        yield "\n| widget | events | p50 ms | p95 ms |\n|---|---|---|---|"
        for (what, name), waits in heard.items():
            if what == "latency":
                yield f"| {name} | {len(waits)} | {statistics.median(waits):.1f} | {percentile(waits, 0.95):.1f} |"


def of_the_book(heard: dict[tuple[str, str], object]) -> Iterator[str]:
    """What a reader of the book waits for, from 127.0.0.1."""
    if ("cold", "") not in heard:
        return
    yield "\n| book | text s | first judged answer s | next check ms |\n|---|---|---|---|"
    for cache in ("cold", "warm"):
        each = heard[cache, ""]
        yield f"| {cache} cache | {each['text']:.2f} | {each['first']:.1f} | {1000 * each['next']:.0f} |"
    yield f"Largest chapter: {heard['html', '']:.0f} kB of HTML, compressed; off-site requests: {heard['off-site', '']}"


def main(arguments: list[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("names", nargs="*", help="words of notebooks' names, such as 03; all without any")
    parser.add_argument("--no-browser", action="store_true", help="only what needs no browser")
    options = parser.parse_args(arguments)
    os.environ.setdefault("LMCOURSE_DATA", tempfile.mkdtemp(prefix="lmcourse-benchmark-"))
    for line in table(options.names, not options.no_browser):
        print(line, flush=True)


if __name__ == "__main__":
    main()
