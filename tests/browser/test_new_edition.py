"""The book changes while somebody reads it: no page mixes two editions, none stays old, and the answers stay.

Run: pytest tests/browser/test_new_edition.py. An edition is a copy of the built book with other words in a page and in
a script, closed again as site/seal.py does; one host serves one edition after the other, at one address.
"""

import contextlib
import functools
import http.server
import importlib.util
import re
import shutil
import threading
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("book")
ROOT = Path(__file__).parents[2]
RIGHT = "def offset(index, strides, storage_offset=0):\n    return 0  # mine\n\noffset = check(offset)"


def edition(book: Path, folder: Path, words: str) -> tuple[Path, str]:
    """A copy of the book whose page and whose Check say other words; the name of what its pages load."""
    spec = importlib.util.spec_from_file_location("site_seal", ROOT / "site" / "seal.py")
    seal = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(seal)
    shutil.copytree(book, folder)
    page = folder / "03_strides.html"
    page.write_text(page.read_text(encoding="utf-8").replace("</h1>", f" {words}</h1>", 1), encoding="utf-8")
    (script,) = folder.glob("_static-*/live/cells.js")
    text = script.read_text(encoding="utf-8")
    assert "✗ not yet," in text
    script.write_text(text.replace("✗ not yet,", f"✗ {words},"), encoding="utf-8")
    seal.release(folder)
    (static,) = folder.glob("_static-*")
    return folder, static.name


class Host:
    """Serves one folder at a time; `slow` names files that take longer than the service worker has patience."""

    folder: Path
    slow = "nothing"

    @contextlib.contextmanager
    def serving(self):
        host = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def translate_path(self, path):
                self.directory = str(host.folder)
                return super().translate_path(path)

            def do_GET(self):
                del self.headers["If-Modified-Since"]  # editions are made within a second of each other
                if host.slow in self.path:
                    time.sleep(6)
                with contextlib.suppress(BrokenPipeError):
                    super().do_GET()

            def log_message(self, *_):
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_address[1]}/03_strides.html"
            server.shutdown()


class Reader:
    """A tab with the page in it, and the names of the folders from which it was given files."""

    def __init__(self, context, address: str):
        self.page, self.given = context.new_page(), set()
        self.page.on("response", self._given)
        self.page.goto(address)

    def _given(self, response):
        if response.ok:
            self.given |= set(re.findall(r"_static-\w+", response.url))

    def reload(self) -> None:
        self.given.clear()
        self.page.reload()

    def title(self) -> str:
        return self.page.locator("article h1").first.inner_text()

    def cell(self):
        found = self.page.locator("[data-lm-key='strides.offset']")
        found.scroll_into_view_if_needed()
        found.locator(".cm-content").wait_for(timeout=60_000)
        return found

    def answer(self) -> None:
        self.cell().locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(RIGHT)

    def check(self, words: str) -> None:
        cell = self.cell()
        assert "# mine" in cell.locator(".cm-content").inner_text(), "the answer stays"
        cell.get_by_role("button", name="Check", exact=True).first.click()
        cell.locator(".lm-said", has_text=words).wait_for(timeout=90_000)

    def waits_until_kept(self, static: str) -> None:
        """The service worker has the whole edition, Python too, and answers for it."""
        self.page.evaluate(KEPT, static.removeprefix("_static-"))


KEPT = """async (version) => {
  const whole = async () => {
    const { active, waiting, installing } = await navigator.serviceWorker.ready;
    if (waiting || installing || active.state !== "activated") return false;
    for (const name of await caches.keys()) {
      const cache = await caches.open(name), list = await cache.match(`files-of/${version}`);
      if (!list || !navigator.serviceWorker.controller) continue;
      const files = Object.entries(await list.json());
      const there = await Promise.all(files.map(([file, hash]) => cache.match(`${file}?kept=${hash}`)));
      if (there.every(Boolean)) return true;
    }
    return false;
  };
  for (const end = Date.now() + 90000; Date.now() < end; await new Promise((done) => setTimeout(done, 500))) {
    if (await whole()) return;
    navigator.serviceWorker.controller?.postMessage("python"); // as each page does that is opened
  }
  throw new Error("the edition is not kept");
}"""


@pytest.fixture
def editions(book, tmp_path):
    """`editions(words)`: an edition of the book; `(folder, name of what its pages load)`."""
    return functools.cache(lambda words: edition(book[0], tmp_path / words, words))


def test_a_new_edition_is_shown_whole_and_the_answers_stay(editions, watch):
    (first, one), (second, two) = editions("first"), editions("second")
    assert one != two
    context, host = watch().context, Host()
    host.folder = first
    with host.serving() as address:
        reader = Reader(context, address)
        reader.answer()
        reader.waits_until_kept(one)
        host.folder, host.slow = second, "/live/cells.js"  # slower than the patience of who keeps the first edition
        reader.reload()
        assert "second" in reader.title()
        reader.check("✗ second")
        assert reader.given == {two}
        host.slow = "nothing"
        reader.waits_until_kept(two)
    reader.reload()  # without a network
    assert "second" in reader.title()
    reader.check("✗ second")
    assert reader.given == {two}


@pytest.mark.thorough  # on a busy machine Chromium lets the worker before it go only after minutes
def test_a_page_of_the_edition_before_works_on_with_its_own_files(editions, watch):
    (first, one), (second, two), (third, three) = editions("first"), editions("second"), editions("third")
    context, host = watch().context, Host()
    host.folder = first
    with host.serving() as address:
        old, older = Reader(context, address), Reader(context, address)
        old.answer()
        old.waits_until_kept(one)
        older.reload()
        older.cell()
        host.folder = second
        new = Reader(context, address)
        new.waits_until_kept(two)
        old.check("✗ first")  # its Python is on no host any more
        assert old.given == {one} and new.given == {two}
        host.folder = third
        new.reload()
        new.waits_until_kept(three)
        assert new.page.evaluate("async version => !(await caches.match(`files-of/${version}`))", one[8:])
        older.cell().get_by_role("button", name="Check", exact=True).first.click()
        older.cell().locator(".lm-ended", has_text="reload").wait_for(timeout=60_000)
        assert older.given == {one}
        older.reload()
        older.check("✗ third")
        assert older.given == {three}
