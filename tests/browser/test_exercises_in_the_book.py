"""What a reader does in the book without a notebook: exercises, code, predictions, the quiz, progress.

Run: pytest tests/browser/test_exercises_in_the_book.py. One page and one Python in it judge every exercise; only tests
of what a page does with its Python start another.
"""

import functools
import http.server
import importlib
import itertools
import json
import re
import threading
import time
from pathlib import Path

import nbformat
import pytest

from lmcourse.exercises import cards, topic

ROOT = Path(__file__).parents[2]
solve = importlib.import_module("solve")
PURE = importlib.import_module("exercises.test_every_exercise").PURE
EXERCISES = [(name, exercise) for name, exercises in PURE.items() for exercise in exercises]
OFFSET = "strides.offset"
ASK = """async question => {
  const { src } = document.querySelector('script[src*="/live/live.js"]');
  return (await import(new URL('python.js', src).href)).ask(question);
}"""

_COUNT = itertools.count()


@pytest.fixture(scope="module")
def python_page(book, chromium):
    """A page of the book, and what its Python answers: `ask(question)`."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{book[1]}/03_strides.html")
    yield lambda question: page.evaluate(ASK, question)
    context.close()


@pytest.fixture
def shown(monkeypatch, tmp_path):
    """The cards that are shown here, natively."""
    found = []
    monkeypatch.setenv("LMCOURSE_DATA", str(tmp_path))
    monkeypatch.setattr(cards.Card, "show", lambda card: found.append(card))
    return found


def notebook_of(name: str) -> Path:
    return next((ROOT / "notebooks").glob(f"{topic(name).number:02}_*.ipynb"))


def cells_told(book, name: str) -> dict:
    """What the page of a notebook is told of its cells."""
    (path,) = book[0].glob(f"_static-*/live/{name}.json")
    return json.loads(path.read_text(encoding="utf-8"))


def cells_for(book, name: str, exercise: str, source: str | None = None) -> dict:
    """The question that the page asks for an exercise, with `source` in its cell."""
    path = notebook_of(name)
    told = cells_told(book, path.stem)["cells"]
    (own,) = [c.id for c in nbformat.read(path, as_version=4).cells if f"\n{exercise} = check({exercise})" in c.source]
    ids = [each for each in told if "source" in told[each]]
    question = [
        {"id": each, "topic": name, **told[each], "stub": told[each]["source"]} for each in ids[: ids.index(own) + 1]
    ]
    question[0]["source"] += f"\n# {next(_COUNT)}"  # set up anew: a real page has one notebook, this one all
    if source is not None:
        question[-1]["source"] = source
    return {"cells": question}


def solved(name: str, exercise: str) -> str:
    """The cell of an exercise with its solution in it."""
    notebook = solve.solve(nbformat.read(notebook_of(name), as_version=4))
    return next(cell.source for cell in notebook.cells if f"\n{exercise} = check({exercise})" in cell.source)


@pytest.mark.parametrize(("name", "exercise"), EXERCISES)
def test_an_exercise_is_judged_in_the_page_as_in_the_notebook(name, exercise, book, python_page, shown):
    judge_alike(name, exercise, book, python_page, shown)


def test_steps_of_exercises_that_the_page_offers_are_judged_alike(book, python_page, shown):
    keys = {key for path in book[0].glob("0*.html") for key in _keys(path.read_text(encoding="utf-8"))}
    offered = {tuple(key.split(".")) for key in keys if ".predict." not in key}
    for name, exercise in sorted(offered - set(EXERCISES)):
        judge_alike(name, exercise, book, python_page, shown)


def judge_alike(name, exercise, book, python_page, shown) -> None:
    """The stub is ○, the reference ✓, and each declared wrong answer ✗ with the card of the notebook."""
    asked = topic(name)
    stub = python_page(cells_for(book, name, exercise))
    assert [card["state"] for card in stub["cards"]] == ["todo"] and not stub["trace"], f"{exercise}: {stub}"
    right = python_page(cells_for(book, name, exercise, solved(name, exercise)))
    assert [card["state"] for card in right["cards"]] == ["correct"], right
    for words, wrong in asked.exercises[exercise].wrong.items():
        known = f"topic({name!r}).exercises[{exercise!r}].wrong[{words!r}]"
        lines = ["from lmcourse.exercises import topic", f"attempt = {known}", f"attempt.__name__ = {exercise!r}"]
        attempt = "\n".join([*lines, "_ = check(attempt)"])
        there = python_page(cells_for(book, name, exercise, attempt))
        wrong.__name__ = exercise
        asked.check(wrong)
        (card,) = there["cards"]
        assert card["state"] == "wrong", words
        assert (said(card["html"]), said(card["text"])) == (said(shown[-1].html()), said(shown[-1].plain())), words


def said(card: str) -> str:
    """A card without the words that Python itself has for an error: they change from version to version."""
    return re.sub(r"\b(\w+Error): [^<\n]*", r"\1", card)


def test_the_page_offers_a_check_for_what_is_plain_and_says_what_the_rest_needs(book):
    offered, elsewhere = set(), 0
    for path in sorted(book[0].glob("0*.html")):
        text = path.read_text(encoding="utf-8")
        offered |= {key.split(".")[1] for key in _keys(text) if ".predict." not in key}
        elsewhere += text.count('class="elsewhere"')
    plain = {exercise for _, exercise in EXERCISES}
    assert plain <= offered, plain - offered
    stubs = sum(len(topic(name).exercises) for name in ("axes", *PURE))
    assert len(offered) + elsewhere == stubs


def _keys(text: str) -> list[str]:
    return re.findall(r"tag_lm-key-([\w.]+)", text)


# In the page


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Answer:
    """The cell of one exercise on an open page, used as a reader uses it."""

    def __init__(self, watched, key: str = OFFSET):
        self.watched, self.page = watched, watched.page
        self.cell = self.page.locator(f"[data-lm-key='{key}']")
        self.cell.scroll_into_view_if_needed()
        self.editor = self.cell.locator(".cm-content")
        self.editor.wait_for(timeout=30_000)

    def write(self, source: str) -> None:
        self.editor.click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(source)

    def body(self, lines: str) -> None:
        """Write `offset` with these lines in it."""
        inside = "".join(f"    {line}\n" for line in lines.split("\n"))
        self.write(f"def offset(index, strides, storage_offset=0):\n{inside}\n\noffset = check(offset)")

    def check(self, wanted: str, key: str = "Shift+Enter", timeout: int = 60_000) -> str:
        """Press Shift-Enter, wait for what is said beside the button; the card's text."""
        self.editor.press(key)
        self.cell.locator(".lm-said", has_text=wanted).wait_for(timeout=timeout)
        return self.cell.locator(".cell_output").inner_text()


RIGHT = "return storage_offset + sum(i * s for i, s in zip(index, strides))"


@pytest.fixture
def answer(open_page):
    """`answer(...)`: the exercise offset on its page."""
    return lambda **options: Answer(open_page("03_strides.html", **options))


def test_what_does_not_end_ends_in_words_and_the_next_check_works(answer):
    mine = answer()
    for lines, words in [
        ("while True: pass", "Stopped: this call had not returned after 4 s."),
        ("while True:\n    try:\n        while True: pass\n    except BaseException: pass", "Stopped: this call"),
        ("for k in range(10**7): print(k)", "Stopped: this call had not returned after 4 s."),
        ("a = []\nwhile True: a.append(a)", "Stopped: this call"),
        ("a = []\nwhile True: a.append(bytes(10**7))", "Stopped: this call took more than 512 MB of memory."),
        ("exit()", "SystemExit"),
        ("input()", "input() has no keyboard here"),
        ("return offset(index, strides)", "RecursionError"),
    ]:
        mine.body(lines)
        card = mine.check("not yet")
        assert words in card and "offset((0,), (1,))" in card and len(card) < 6000, card
    mine.body("return sum(range(10**13))")  # one call, in which Python looks at nothing: only Stop ends it
    mine.editor.press("Shift+Enter")
    mine.cell.locator(".lm-said", has_text="Checking").wait_for()
    mine.cell.get_by_role("button", name="Stop").click()
    ended = mine.cell.locator(".lm-ended")
    assert ended.inner_text() == "Stopped. The next Check starts Python anew."
    mine.body("import os; os._exit(0)")
    mine.editor.press("Shift+Enter")
    ended.filter(has_text="Python has ended").wait_for(timeout=60_000)
    mine.body(RIGHT)
    mine.check("not yet")  # no ValueError where the lengths differ: but judged it is


def test_what_a_reader_writes_is_never_read_as_html_or_script(answer, book):
    mine = answer()
    hostile = "<img src=x onerror=window.hacked=1><script>window.hacked=1</script>"
    mine.write(f"print({hostile!r})\ndef offset(index, strides, storage_offset=0):\n    return {hostile!r}\n"
               "offset = check(offset)")  # fmt: skip
    card = mine.check("not yet")
    assert card.count("onerror") >= 2 and mine.page.locator(".cell_output img[src=x], .cell_output script").count() == 0
    posted = {"id": 2, "answer": {"out": "", "trace": "", "cards": [{"state": "wrong", "html": hostile}], "heap": 1}}
    mine.write(f"import js\njs.postMessage(js.JSON.parse({json.dumps(posted)!r}))\n{solved('strides', 'offset')}")
    mine.editor.press("Shift+Enter")
    mine.page.wait_for_timeout(1500)
    assert mine.page.evaluate("() => window.hacked") is None
    assert mine.page.locator("[data-lm-key='strides.offset'] .cell_output img").count() == 0


class _Counting(http.server.BaseHTTPRequestHandler):
    """Another site, on this machine: it says yes to everybody, and counts."""

    asked = 0

    def do_GET(self):
        type(self).asked += 1
        self.send_response(200)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()

    def log_message(self, *_):
        pass


def test_python_in_the_page_reaches_no_other_site(answer):
    """The worker keeps the rules of its page."""
    mine = answer()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Counting) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{other.server_address[1]}/x"
        lines = ["import js", "request = js.XMLHttpRequest.new()", f"request.open('GET', {address!r}, False)"]
        mine.write("\n".join([*lines, "request.send()"]))
        assert "NetworkError" in mine.check("✗")
        other.shutdown()
    assert _Counting.asked == 0


def test_an_answer_stays_and_starts_over(answer):
    mine = answer()
    mine.write(solved("strides", "offset"))
    card = mine.check("✓ correct")
    assert card.startswith("✓ Exercise 3.1 offset: correct")
    mine.page.reload()
    again = Answer(mine.watched)
    assert "zip(index, strides" in again.editor.inner_text()
    assert again.cell.locator(".lm-said").inner_text() == "✓ solved"
    again.cell.get_by_role("button", name="Start over").click()
    assert "raise YourTurn" in again.editor.inner_text()
    assert again.cell.locator(".cell_output").inner_text().startswith("○ Exercise 3.1")
    assert again.cell.get_by_role("button", name="Start over").is_hidden()
    assert mine.watched.wrong == []


def test_a_keyboard_is_enough(answer):
    mine = answer()
    page = mine.page
    check = mine.cell.get_by_role("button", name="Check")
    check.focus()
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("() => document.activeElement.className").startswith("cm-content")
    page.keyboard.press("Control+a")
    page.keyboard.press("Tab")
    assert "    def offset" in mine.editor.inner_text(), "Tab indents"
    page.keyboard.press("Control+z")
    page.keyboard.press("Escape")
    assert check.evaluate("c => c === document.activeElement"), "Esc leaves"
    page.keyboard.press("Enter")
    mine.cell.locator(".lm-said", has_text="not attempted").wait_for(timeout=60_000)
    assert check.evaluate("c => c === document.activeElement"), "the button keeps the focus"
    assert mine.watched.wrong == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_is_usable_on_a_phone_and_axe_finds_nothing(dark, answer):
    mine = answer(width=390, dark=dark)
    page = mine.page
    mine.body("return 0")
    mine.cell.get_by_role("button", name="Check").click()
    mine.cell.locator(".lm-said", has_text="not yet").wait_for(timeout=60_000)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    size = mine.editor.evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
    assert size >= 16, "a phone zooms into smaller text when one types"
    for button in mine.cell.locator(".lm-button:visible").all():
        box = button.bounding_box()
        assert box["height"] >= 32 and box["x"] + box["width"] <= 390
    assert mine.watched.axe("article") == []
    mine.watched.picture(mine.cell, f"book_exercise_phone_{'dark' if dark else 'light'}")
    assert mine.watched.wrong == []


# Predictions, quiz, code


@pytest.mark.parametrize("name", [*PURE, "axes"])
def test_every_prediction_is_judged_in_the_page(name, book, python_page, shown):
    asked = topic(name)
    told = cells_told(book, notebook_of(name).stem)
    assert set(told["predictions"]) == set(asked.predictions)
    for key, prediction in asked.predictions.items():
        for guess in ("no idea at all", str(prediction.the_answer())):
            question = {"name": name, "number": asked.number, "key": key, "declared": told["predictions"][key]}
            there = python_page(question | {"guess": guess})
            asked.predict(key, guess)
            assert there["cards"] == [
                {"state": shown[-1].state, "html": shown[-1].html(), "text": shown[-1].plain()}
            ], f"{key}: {guess}"
        assert shown[-1].state == "correct", key


def test_a_guess_gets_a_nudge_then_the_answer_and_stays(open_page):
    watched = open_page("03_strides.html")
    page = watched.page
    cell = page.locator("[data-lm-key='strides.predict.kept_alive']")
    field, button = cell.get_by_label("Your guess"), cell.get_by_role("button", name="Guess")
    button.click()
    assert "A guess first" in cell.locator(".lm-said").inner_text()
    for guess, words in [("3", "not yet"), ("5", "it is 4,000,000"), ("4e6", "Right: 4,000,000")]:
        field.fill(guess)
        field.press("Enter")
        cell.locator(".cell_output p", has_text=words).first.wait_for(timeout=60_000)
    page.reload()
    assert cell.get_by_label("Your guess").input_value() == "4e6"
    assert cell.locator(".lm-said").inner_text() == "✓ right before"
    assert watched.wrong == []


def test_an_answer_of_the_quiz_opens_after_ones_own(open_page):
    watched = open_page("03_strides.html")
    page = watched.page
    cell = page.locator(".tag_lm-quiz")
    first, field = cell.locator("details").first, cell.locator("textarea").first
    first.locator("summary").click()
    assert first.get_attribute("open") is None and "Your answer first" in cell.inner_text()
    field.fill("Only the record changes.")
    first.locator("summary").press("Enter")
    assert first.get_attribute("open") is not None
    page.reload()
    assert page.locator(".tag_lm-quiz textarea").first.input_value() == "Only the record changes."
    assert watched.wrong == []


def test_plain_code_runs_and_can_be_changed(open_page):
    watched = open_page("01_tokenization.html")
    page = watched.page
    cell = page.locator(".tag_lm-run", has_text="code point").first
    cell.scroll_into_view_if_needed()
    before = cell.locator(".cell_output").inner_text()
    cell.get_by_role("button", name="Run").click()
    cell.locator(".lm-said", has_text="done").wait_for(timeout=60_000)
    assert cell.locator(".cell_output").inner_text().split() == before.split()
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+End")
    page.keyboard.insert_text("\n1 / 0")
    page.keyboard.press("Shift+Enter")
    cell.locator(".lm-said", has_text="✗").wait_for(timeout=60_000)
    assert "ZeroDivisionError: division by zero" in cell.locator(".trace").inner_text()
    assert watched.wrong == []


# What stays


def test_progress_goes_to_jupyterlab_and_back(answer, tmp_path, monkeypatch):
    mine = answer()
    mine.write(solved("strides", "offset"))
    mine.check("✓ correct")
    page = mine.page
    page.goto(page.url.replace("03_strides", "progress"))
    row = page.locator("[data-lm-key='strides.offset'] .mark")
    assert row.inner_text() == "✓" and page.locator("#lm-count").inner_text().startswith("1 of ")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    file = tmp_path / "progress.json"
    download.value.save_as(file)
    monkeypatch.setenv("LMCOURSE_DATA", str(tmp_path / "data"))
    progress = importlib.import_module("lmcourse.exercises.progress")
    progress.restore(file)
    assert progress.load() == {"strides.offset": "correct"}
    assert progress.export() == file.read_text(encoding="utf-8")
    progress.record("flops.mfu", "wrong")
    progress.export(file)
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Forget everything").click()
    assert row.inner_text() == "○"
    page.locator("input[type=file]").set_input_files(file)
    page.locator("[data-lm-key='flops.mfu'] .mark", has_text="✗").wait_for()
    assert row.inner_text() == "✓"
    file.write_text('{"strides.offset": "<b>"}', encoding="utf-8")
    page.locator("input[type=file]").set_input_files(file)
    page.locator(".lm-said", has_text="This is no export of progress").wait_for()
    assert row.inner_text() == "✓"
    assert mine.watched.axe("article") == [] and mine.watched.wrong == []


def test_the_answers_go_along_in_the_notebook(answer, tmp_path):
    mine = answer()
    mine.body("return 5")
    page = mine.page
    page.locator("[data-lm-key='strides.predict.kept_alive']").get_by_label("Your guess").fill('eleven "11"')
    page.locator("[data-lm-key='strides.predict.kept_alive']").get_by_role("button", name="Guess").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Take my answers along").click()
    assert download.value.suggested_filename == "03_strides.ipynb"
    download.value.save_as(tmp_path / "mine.ipynb")
    taken = nbformat.read(tmp_path / "mine.ipynb", as_version=4)
    nbformat.validate(taken)
    ours = {cell.id: cell for cell in nbformat.read(notebook_of("strides"), as_version=4).cells}
    changed = [cell for cell in taken.cells if cell.source != ours[cell.id].source]
    guess, answered = sorted(changed, key=lambda cell: "check" in cell.source)
    assert guess.source.startswith(r'guess = "eleven \"11\""  # bytes kept')
    assert "    return 5" in answered.source and answered.outputs == [] and answered.execution_count is None
    assert [cell.id for cell in taken.cells] == list(ours)


def test_a_page_without_a_check_loads_nothing_of_it_and_one_with_it_only_when_asked(book, watch):
    for name, allowed in [("index", ()), ("glossary", ()), ("03_strides", ("/live/",))]:
        watched = watch()
        asked = []
        watched.page.on("request", lambda request, asked=asked: asked.append(request.url))
        watched.page.goto(f"{book[1]}/{name}.html")
        watched.page.wait_for_load_state("load")
        watched.page.wait_for_timeout(1000)
        extra = [url for url in asked if "/live/" in url or "/pyodide/" in url]
        assert [url for url in extra if not any(part in url for part in allowed)] == []
        assert not [url for url in extra if "course.zip" in url or "worker" in url or url.endswith(".json")]


KEPT = """async () => {
  const found = [];
  for (const name of await caches.keys())
    for (const request of await (await caches.open(name)).keys()) found.push(request.url);
  const all = ['pyodide.asm.wasm', 'python_stdlib.zip', 'course.zip', 'driver.py', '02_float_formats.html'];
  return !!navigator.serviceWorker.controller && all.every(name => found.some(url => url.includes(name)));
}"""


def test_it_works_without_a_network_after_the_first_load(book, watch):
    handler = functools.partial(_Quiet, directory=str(book[0].parents[1]))
    watched = watch()
    page = watched.page
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as host:
        threading.Thread(target=host.serve_forever, daemon=True).start()
        page.goto(f"http://127.0.0.1:{host.server_address[1]}/any/where/03_strides.html")
        deadline = time.monotonic() + 120
        while not page.evaluate(KEPT):
            assert time.monotonic() < deadline, "the service worker does not keep Python"
            page.wait_for_timeout(500)
        host.shutdown()
    page.reload()
    again = Answer(watched)
    again.write(solved("strides", "offset"))
    again.check("✓ correct")
    page.goto(page.url.replace("03_strides", "02_float_formats"))
    page.wait_for_function("() => document.querySelector('[data-lm-live] .lmc')", timeout=30_000)


def test_every_page_says_that_it_loads_from_its_own_site_only(book):
    for path in book[0].glob("*.html"):
        text = path.read_text(encoding="utf-8")
        rules = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', text)[1]
        assert text.index("Content-Security-Policy") < text.index("<script"), path.name
        assert (
            "default-src 'self'" in rules
            and "//" not in rules
            and "unsafe-eval'" not in rules.replace("'wasm-unsafe-eval'", "")
        )
        assert "'unsafe-inline'" not in rules.partition("style-src")[0]
