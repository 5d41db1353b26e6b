"""A real JupyterLab, a kernel-free page, and a page object that watches for what must not happen.

Everything runs on 127.0.0.1. Without playwright, Chromium or node's axe-core the tests are skipped, by that name.
`LMCOURSE_BROWSER_SLOWDOWN=10` makes the pages' processor ten times slower: a test that races shows itself.
`LMCOURSE_JUPYTER` is the Python whose JupyterLab is driven, this one without it; tests/environments.py sets it.
"""

import contextlib
import functools
import http.server
import importlib
import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest

gates = importlib.import_module("gates")
kernels = importlib.import_module("kernels")

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "build" / "pictures"
AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
SERVER_PYTHON = os.environ.get("LMCOURSE_JUPYTER", sys.executable)
CHROMIUM_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)


ACTIONS = (
    "blur", "check", "clear", "click", "dblclick", "dispatch_event", "down", "drag_to", "fill", "focus", "hover",
    "move", "press", "press_sequentially", "select_option", "set_checked", "tap", "type", "uncheck", "up", "wheel",
)  # fmt: skip
SETTLED = """async () => {
  const until = performance.now() + 20000;
  do await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  while (document.querySelector('.lmc[aria-busy="true"]') && performance.now() < until);
}"""


def _then_a_frame(action, page_of):
    """Widgets draw in the frame after an event, and a reader sees nothing before: so an action ends with that frame.

    A widget that works on in slices says `aria-busy`: what it shows until then is not its last word, and is waited for.
    """

    @functools.wraps(action)
    def acted(self, *arguments, **options):
        result = action(self, *arguments, **options)
        page_of(self).evaluate(SETTLED)
        return result

    return acted


# What a reader can operate, as the keyboard meets it: a tab stop each. A player is one, tabs are one, a sentence whose
# values move is one, and a row of choices with one tab stop is. Cells of the picture, words of help, Share and Reset
# are not counted.
CONTROLS = """() => {
  const apart = '.lmc-actions, .lmc-share, .lmc-words, .lmc-help-box';
  const stops = [...document.querySelectorAll(
      '.lmc button, .lmc input, .lmc select, .lmc textarea, .lmc [role=slider]')].filter((e) => e.tabIndex >= 0
      && e.checkVisibility({ visibilityProperty: true }) && !e.closest(apart));
  const roves = (e) => e.matches('button[tabindex]');
  const ofThePicture = (e) => e.closest('.lmc-stage') && !e.closest('[role=tablist], .lmc-controls, .lmc-pager');
  const controls = stops.filter((e) => !(roves(e) && ofThePicture(e)))
      .map((e) => e.closest('.lmc-stepper, .td-buttons, .tb-sentence, [role=tablist]')
          ?? (roves(e) ? e.closest('[role=group]') : e));
  return [...new Set(controls)]
      .map((each) => (each.getAttribute('aria-label') ?? each.textContent ?? each.tagName).trim().slice(0, 30));
}"""


@pytest.fixture(scope="session")
def chromium():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    for name in ACTIONS:
        if hasattr(sync_api.Locator, name):
            acted = _then_a_frame(getattr(sync_api.Locator, name), lambda locator: locator.page)
            setattr(sync_api.Locator, name, acted)
    path = next((found for name in gates.CHROMIUMS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("Chromium is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


class Watched:
    """A browser page, and what went wrong on it: console errors, page errors, requests that left this machine."""

    def __init__(self, browser, *, dark=False, width=1100, still=False):
        self.context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce" if still else "no-preference",
            # asked for by Share; the headless shell would refuse
            permissions=["clipboard-read", "clipboard-write"],
        )
        self.page = self.context.new_page()
        for device in (self.page.keyboard, self.page.mouse):
            for name in ACTIONS:
                if hasattr(device, name):
                    acted = _then_a_frame(getattr(type(device), name), lambda _: self.page)
                    setattr(device, name, acted.__get__(device))
        slowdown = float(os.environ.get("LMCOURSE_BROWSER_SLOWDOWN", "1"))
        if slowdown > 1:
            self.context.new_cdp_session(self.page).send("Emulation.setCPUThrottlingRate", {"rate": slowdown})
        self.wrong: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", self._page_error)
        self.page.on("request", self._request)

    def _console(self, message):
        # On a busy machine JupyterLab cancels its own debugger's first request and says so; no notebook caused it.
        if message.type == "error" and "debugger state" not in message.text:
            self.wrong.append(f"console: {message.text[:300]}")

    def _page_error(self, error):
        # anywidget says this when a widget takes more than two seconds to be ready, though it is drawn all the same;
        # a widget that is not drawn fails the test that counts them.
        if "[anywidget] Failed to initialize model" not in str(error):
            self.wrong.append(f"page: {str(error)[:300]}")

    def _request(self, request):
        if not request.url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")):
            self.wrong.append(f"off-site: {request.url[:200]}")

    def picture(self, locator, name: str) -> None:
        """Save what a reader sees to build/pictures, to be looked at."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        locator.first.screenshot(path=str(PICTURES / f"{name}.png"))

    def controls(self) -> list[str]:
        """The controls that a reader can operate now, by their names."""
        return self.page.evaluate(CONTROLS)

    def changes(self, act: str, times: int) -> float:
        """How many nodes the page adds, or gives another text or attribute, each time that `act` (JS of `k`) is done.

        Work is counted, not timed: `benchmarks/course.py` has the milliseconds.
        """
        return self.page.evaluate(
            f"""async () => {{
              let count = 0;
              const nodes = (node) => 1 + (node.querySelectorAll?.('*').length ?? 0);
              const tally = (records) => {{
                for (const r of records) {{
                  if (r.type === 'childList') for (const node of r.addedNodes) count += nodes(node);
                  else count += 1;
                }}
              }};
              const seen = new MutationObserver(tally);
              seen.observe(document.querySelector('.lmc'),
                {{ subtree: true, childList: true, attributes: true, characterData: true }});
              for (let k = 0; k < {times}; k += 1) {{
                {act};
                await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
              }}
              tally(seen.takeRecords());
              seen.disconnect();
              return count / {times};
            }}"""
        )

    def axe(self, selector: str) -> list[str]:
        """The accessibility violations below `selector`, one line each."""
        if not AXE.exists():
            pytest.skip("axe-core is not installed (npm install --prefix tests/browser)")
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("s => axe.run(s, { resultTypes: ['violations'] })", selector)
        return [
            f"{violation['id']}: {node['target']} {node['html'][:160]} {node['failureSummary'][:300]}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]


@pytest.fixture
def watch(chromium):
    """`watch(dark=..., width=..., still=...)` opens a `Watched` page; all are closed at the end."""
    opened = []

    def open_page(**options) -> Watched:
        opened.append(Watched(chromium, **options))
        return opened[-1]

    yield open_page
    for watched in opened:
        watched.context.close()


# A page without a kernel


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def served(folder: Path):
    """The address below which a folder's files are served on localhost."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="session")
def static_site(tmp_path_factory):
    """A folder served on localhost with the widgets' files in /widgets; `(folder, address)`."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(
        ROOT / "lmcourse" / "widgets", folder / "widgets", ignore=shutil.ignore_patterns("*.py", "__pycache__")
    )
    shutil.copytree(ROOT / "lmcourse" / "recorded" / "models", folder / "widgets" / "models")
    with served(folder) as address:
        yield folder, address


@pytest.fixture
def kernel_free(static_site, watch):
    """`kernel_free(widget, copies=1, dark=False, ...)`: the widget's snapshot, made live by hydrate.js."""
    folder, address = static_site

    def open_page(widget, *, copies: int = 1, dark: bool = False, **options) -> Watched:
        snapshot = widget.static_html()
        theme = "dark" if dark else "light"
        ground = "#111" if dark else "#fff"
        page = (
            f'<!doctype html><html lang="en" data-theme="{theme}"><head><meta charset="utf-8"><title>widget</title>'
            f'<meta name="viewport" content="width=device-width">'
            f'<link rel="icon" href="data:,"><style>body {{ background: {ground}; margin: 8px }}</style>'
            f'<script type="module" src="widgets/lib/hydrate.js"></script></head>'
            f"<body><main>{snapshot * copies}</main></body></html>"
        )
        name = f"{secrets.token_hex(4)}.html"
        (folder / name).write_text(page, encoding="utf-8")
        watched = watch(dark=dark, **options)
        watched.page.goto(f"{address}/{name}")
        watched.page.wait_for_function(
            f"document.querySelectorAll('[data-lm-live] .lmc').length === {copies}", timeout=15_000
        )
        watched.page.evaluate(SETTLED)
        return watched

    return open_page


# The book

LIVE = """() => {
  const places = document.querySelectorAll('[data-lm-widget]');
  return document.readyState === 'complete' && [...places].every(place => 'lmLive' in place.dataset);
}"""


@pytest.fixture(scope="session")
def book(tmp_path_factory):
    """`(folder, address)` of the built book, served from a folder below the root, as GitHub Pages does.

    `LMCOURSE_BUILT=host/any/where` takes one that is built already, at any/where below the folder that is served.
    """
    for name in ("sphinx", "myst_nb", "furo"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed (requirements-site.txt)")
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("npm and node are not installed, and what makes a page live comes from there")
    built = os.environ.get("LMCOURSE_BUILT")
    folder = Path(built) if built else tmp_path_factory.mktemp("host") / "any" / "where"
    if not built:
        done = subprocess.run(
            [sys.executable, str(ROOT / "site" / "build.py"), str(folder)],
            env=os.environ | {"LMCOURSE_BOOK_SOURCE": str(folder.parents[1] / "source")},  # two builds do not meet
            capture_output=True, text=True, encoding="utf-8", timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr + done.stdout
    with served(folder.parents[1]) as address:
        yield folder, f"{address}/any/where"


@pytest.fixture
def open_page(book, watch):
    """`open_page("03_strides.html")`: the page with all its widgets live."""

    def opened(where: str, **options):
        watched = watch(**options)
        watched.page.goto(f"{book[1]}/{where}")
        watched.page.wait_for_function(LIVE, timeout=60_000)
        return watched

    return opened


# JupyterLab


class Lab:
    """`jupyter lab` on a temporary folder, with a token and settings of its own."""

    def __init__(self, root: Path, scratch: Path):
        self.root, self.token = root, secrets.token_hex(16)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        settings = {
            "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
            "notebook-extension/tracker": {"windowingMode": "none"},
        }
        for name, values in settings.items():
            path = scratch / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values), encoding="utf-8")
        folders = {
            "JUPYTER_CONFIG_DIR": "config", "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        }  # fmt: skip
        env = os.environ | {key: str(scratch / value) for key, value in folders.items()}
        self.log_path = scratch / "lab.log"
        self.process = subprocess.Popen(
            [
                SERVER_PYTHON, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1",
                f"--ServerApp.port={self.port}", "--ServerApp.port_retries=0",
                f"--IdentityProvider.token={self.token}", f"--ServerApp.root_dir={root}",
            ],
            env=env, stdout=self.log_path.open("w", encoding="utf-8"), stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/status?token={self.token}", timeout=2).read()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(self.log_path.read_text(encoding="utf-8")) from None
                time.sleep(0.2)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/doc/tree/{name}?token={self.token}&reset"

    def has(self, page: str) -> bool:
        """Whether this server has such a page."""
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{page}?token={self.token}", timeout=10).read()
        except urllib.error.HTTPError:
            return False
        return True

    def end_kernels(self) -> None:
        """The kernels of a test's notebooks: left running they would eat the machine."""
        address = f"http://127.0.0.1:{self.port}/api/sessions"
        headers = {"Authorization": f"token {self.token}"}
        sessions = json.load(urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=10))
        for session in sessions:
            request = urllib.request.Request(f"{address}/{session['id']}", method="DELETE", headers=headers)
            urllib.request.urlopen(request, timeout=10).read()

    def stop(self) -> None:
        if hasattr(os, "killpg"):
            os.killpg(self.process.pid, signal.SIGTERM)
        else:
            self.process.terminate()
        self.process.wait(30)


IDLE = """() => document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status === 'idle'
  && !/No Kernel/.test(document.querySelector('.jp-Toolbar-kernelName')?.textContent ?? 'No Kernel')"""
STARTED = "() => /[*0-9]/.test(document.querySelector('.jp-CodeCell .jp-InputPrompt')?.textContent)"
ALL_RUN = """() => {
  if (document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status !== 'idle') return false;
  if (document.querySelector('[data-mime-type="application/vnd.jupyter.error"]')) return true;
  const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(e => e.textContent);
  return prompts.every(text => text === '' || /\\[\\d+\\]/.test(text));  // '': a cell whose source is folded
}"""


def playwright_timeout() -> type[Exception]:
    from playwright.sync_api import TimeoutError

    return TimeoutError


@pytest.fixture(scope="session")
def lab_server(chromium, tmp_path_factory):
    lab = Lab(tmp_path_factory.mktemp("lab"), tmp_path_factory.mktemp("lab-settings"))
    yield lab
    lab.stop()


@pytest.fixture
def in_lab(lab_server, watch):
    """`in_lab(*cells)` runs a notebook of these cells in a real JupyterLab; `in_lab(path=...)` one of the course's.

    It comes back when all has run, or when the page makes `until`, a function in JS, true. `before(page, path)` is
    called with the page and the file that it shows before anything runs.
    """

    def open_notebook(*cells, path=None, before=None, timeout: int = 180, until: str = ALL_RUN, **options) -> Watched:
        notebook = kernels.shortened(path) if path else nbformat.v4.new_notebook()
        if cells:
            notebook.cells = [nbformat.v4.new_code_cell(source) for source in cells]
            notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        shown = lab_server.root / (path.name if path else f"{secrets.token_hex(4)}.ipynb")
        nbformat.write(notebook, shown)
        watched = watch(**options)
        page = watched.page
        page.goto(lab_server.url(shown.name))
        page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=90_000)
        page.wait_for_function(IDLE, timeout=90_000)
        if before:
            before(page, shown)
        if path:  # stored counts would look as if the cells had run
            page.click("#jp-MainMenu .lm-MenuBar-itemLabel:text-is('Edit')")
            page.click(".lm-Menu-item[data-command='editmenu:clear-all']")
        for _ in range(6):  # JupyterLab drops the command while it is still settling, or asks which kernel to use
            if page.locator(".jp-Dialog .jp-mod-accept").count():
                page.locator(".jp-Dialog .jp-mod-accept").first.click()
            page.click("#jp-MainMenu .lm-MenuBar-itemLabel:text-is('Run')")
            page.click(".lm-Menu-item[data-command='runmenu:run-all']")
            try:
                page.wait_for_function(STARTED, timeout=5000)
                break
            except playwright_timeout():
                continue
        page.wait_for_function(until, timeout=timeout * 1000)
        page.wait_for_timeout(500)
        return watched

    yield open_notebook
    lab_server.end_kernels()
