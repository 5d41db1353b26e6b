"""The book, built once and opened as a reader would. Run: pytest tests/browser/test_book.py

It is served from a folder below the root, as GitHub Pages does. Every page in light, dark and on a phone: no request
leaves, nothing is logged, axe-core finds nothing, every widget is live and answers a key.
"""

import json
import re
import statistics
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
GUIDES = sorted(path.stem.lower() for path in [*(ROOT / "docs").glob("*.md"), ROOT / "CONTRIBUTING.md"])
PAGES = ["index", *NOTEBOOKS, "progress", "review", "widgets", *GUIDES, "search"]
# What a reader sees of a widget, in the order of the page.
SEEN = """k => {
  const root = document.querySelectorAll('.lmc')[k], controls = [...root.querySelectorAll('input, select, button')];
  const pressed = controls.map(c => [c.value, c.checked, c.ariaPressed, c.ariaExpanded].join());
  return root.innerText + pressed.join('|');
}"""
PREPARED = """([id, k]) => {
  const wanted = JSON.parse(document.getElementById(id).querySelectorAll('a.prepared')[k].dataset.state);
  const state = document.querySelector('dialog.stage [data-lm-widget]').state();
  return Object.entries(wanted).every(([name, value]) => JSON.stringify(state[name]) === JSON.stringify(value));
}"""


@pytest.mark.parametrize("name", PAGES)
def test_a_page_in_light_in_dark_and_on_a_phone(name, open_page):
    watched = open_page(f"{name}.html", width=1280)
    page = watched.page
    assert watched.axe("html") == []
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("() => document.documentElement.dataset.theme === 'dark'")
    ground = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert max(map(int, re.findall(r"\d+", ground)[:3])) < 80, f"the ground is {ground} in the dark"
    contrast = page.evaluate("() => axe.run(document, { runOnly: ['color-contrast', 'link-in-text-block'] })")
    assert [node["html"] for violation in contrast["violations"] for node in violation["nodes"]] == []
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function("() => innerWidth === 390")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    assert watched.wrong == []


@pytest.mark.parametrize("name", [*NOTEBOOKS, "widgets"])
def test_every_widget_answers_a_key(name, open_page):
    watched = open_page(f"{name}.html", still=True)
    page = watched.page
    places = page.locator("[data-lm-widget]").count()
    assert page.locator("[data-lm-live] .lmc").count() == places
    keys = {"BUTTON": "Enter", "SELECT": "ArrowDown", "range": "ArrowRight", "checkbox": "Space", "text": "1"}
    for k in range(places):
        before = page.evaluate(SEEN, k)
        controls = page.locator(".lmc").nth(k).locator("button:visible, input:visible, select:visible")
        for control in controls.all()[2:]:  # the first two are Share and Reset
            kind = control.evaluate("c => c.tagName === 'INPUT' ? c.type : c.tagName")
            control.focus()
            page.keyboard.press(keys.get(kind, "1"))
            if page.evaluate(SEEN, k) != before:
                break
        else:
            page.wait_for_function(f"([k, before]) => ({SEEN})(k) !== before", arg=[k, before], timeout=10_000)
    assert watched.wrong == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_exercises_are_folded_and_answers_too(name, book):
    text = (book[0] / f"{name}.html").read_text(encoding="utf-8")
    assert "<details open" not in text
    cells = re.split(r'(?=<div class="cell )', text)
    stubs = [cell for cell in cells if "tag_exercise" in cell[:200]]
    assert all(
        "<summary>Solution</summary>" in cell and "raise YourTurn" in re.sub(r"<[^>]*>", "", cell) for cell in stubs
    )
    if name[:2] != "00":
        assert len(stubs) >= 3
        assert "Show the answer" in text and "Show the set-up" in text
        assert 'aria-current="step"' in text
    assert 'class="journey"' in text


def test_links_and_files_are_there(book):
    """Every link leads to a file and an anchor of the book, and no page asks another site for anything."""
    folder = book[0]
    texts = {path: path.read_text(encoding="utf-8") for path in folder.glob("*.html")}
    anchors = {path: set(re.findall(r'\sid="([^"]+)"', text)) for path, text in texts.items()}
    for path, text in texts.items():
        for tag, attributes in re.findall(r"<(link|script|img|source|iframe)\b([^>]*)>", text):
            for target in re.findall(r'(?:src|href)="([^"]*)"', attributes):
                assert not re.match(r"(https?:)?//", target), f"{path.name}: <{tag}> asks {target}"
        for target in re.findall(r'<(?:a|link|script|img)\b[^>]*?\s(?:href|src)="([^"]*)"', text):
            if re.match(r"[a-z]+:", target) or target.startswith("?"):
                continue
            where, _, anchor = target.partition("#")
            there = (folder / unquote(where.partition("?")[0])).resolve() if where else path
            assert there.is_file(), f"{path.name} links to {target}"
            if anchor and there in anchors and there.name != "search.html":
                assert unquote(anchor) in anchors[there], f"{path.name} links to {target}"
    alone = [name for name in NOTEBOOKS if f"{name}.html" not in texts[folder / "index.html"]]
    assert not alone, f"the first page does not link {alone}"


def test_the_first_page_tells_a_story(open_page):
    """The model is asked for when a visitor presses the button, and not before."""
    watched = open_page("index.html", still=True)
    page, asked = watched.page, []
    page.on("request", lambda request: asked.append(request.url) if "/models/" in request.url else None)
    page.reload()
    page.wait_for_function("() => document.querySelector('[data-lm-widget=next_token]')?.dataset.lmLive === ''")
    page.wait_for_load_state("networkidle")
    assert asked == []
    page.get_by_role("button", name="Write", exact=True).click()
    page.wait_for_function("() => document.querySelectorAll('.nt-text button').length > 30", timeout=60_000)
    assert len(asked) == 1 and watched.wrong == []


def test_pictures_have_words(book):
    for path in book[0].glob("*.html"):
        for picture in re.findall(r"<img\b[^>]*>", path.read_text(encoding="utf-8")):
            assert re.search(r'alt="[^"]+"', picture), f"{path.name}: {picture[:80]}"


def test_search_leads_to_sections_and_leaves_the_set_up_out(book, open_page):
    watched = open_page("search.html?q=subnormal")
    page = watched.page
    found = page.locator("#search-results li a", has_text="A number is three fields")
    found.wait_for(timeout=30_000)
    assert "subnormal" in page.locator("#search-results li", has_text="A number is three fields").inner_text()
    found.click()
    assert re.search(r"02_float_formats\.html#[\w-]+$", page.url)
    assert page.locator(f"section#{page.url.split('#')[1]} > h2").inner_text().startswith("A number is three fields")
    entries = json.loads(next(book[0].glob("_static-*/search.json")).read_text(encoding="utf-8"))
    assert set(NOTEBOOKS) <= {entry[0].removesuffix(".html") for entry in entries}
    assert not [entry[:2] for entry in entries if entry[0][0] == "0" and "import check, predict" in entry[4]]
    assert watched.wrong == []


def test_a_page_from_a_file_says_what_is_missing(book, chromium):
    page = chromium.new_page()
    page.goto((book[0] / "03_strides.html").as_uri())
    page.wait_for_selector(".from-file")
    assert "http.server" in page.locator(".from-file").inner_text()
    assert page.locator("[data-lm-widget] table").first.is_visible()  # the snapshot stays
    page.close()


def test_a_link_into_a_page_restores_its_widget(open_page):
    watched = open_page("02_float_formats.html", still=True)
    page = watched.page
    second = page.locator(".lmc").nth(1)
    second.get_by_role("button", name="Share", exact=True).press("Enter")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.lmc-share:not([hidden]) input')].at(-1).value.includes('#')"
    )
    link = second.locator(".lmc-share input").last.input_value()
    assert re.search(r"/any/where/02_float_formats\.html#[A-Za-z]+(\.2)?=[\w-]+$", link)
    page.goto("about:blank")
    page.goto(link)
    page.wait_for_selector(".lmc-note")
    assert page.locator(".lmc-note").inner_text() == "This is the state that the link holds."
    assert watched.wrong == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_teachers_page_shows_one_widget_at_a_time(dark, open_page):
    watched = open_page("widgets.html", dark=dark, width=1280, still=True)
    page = watched.page
    page.set_viewport_size({"width": 1280, "height": 720})
    count = page.locator(".solo").count()
    page.locator("a.present").first.press("Enter")
    where = page.locator("dialog.stage .where")
    assert where.inner_text().startswith(f"1 of {count}")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("PageDown")
    assert where.inner_text().startswith(f"3 of {count}")
    page.keyboard.press("ArrowLeft")
    assert where.inner_text().startswith(f"2 of {count}")
    assert page.locator("dialog.stage .lmc").count() == 1 and page.locator(".lmc").count() == count
    box = page.locator("dialog.stage .lmc").bounding_box()
    assert 1100 < box["width"] <= 1280, "the widget fills the width of a projector"
    assert watched.axe("html") == []
    page.keyboard.press("Escape")
    assert page.locator("dialog.stage").is_hidden() and page.locator(".solo .lmc").count() == count
    assert page.evaluate("() => location.search") == ""
    assert watched.wrong == []


def test_prepared_states_are_shown_and_can_be_linked(open_page):
    watched = open_page("widgets.html", still=True)
    page = watched.page
    prepared = page.locator("a.prepared")
    if not prepared.count():
        pytest.skip("docs/classroom.md prepares no states")
    for solo in page.locator(".solo:has(a.prepared)").all():
        lines = [line.strip() for line in solo.locator("a.prepared").all_text_contents()]
        solo.locator("a.prepared").first.press("Enter")
        assert page.locator(".stage-bar select option").all_inner_texts()[1:] == lines
        for k in range(len(lines)):
            page.locator(".stage-bar select").select_option(index=k + 1)
            page.wait_for_function(PREPARED, arg=[solo.get_attribute("id"), k])
            assert page.locator("dialog.stage .lmc .lmc-reading").inner_text().strip()
        page.keyboard.press("Escape")
    page.wait_for_function("() => document.querySelector('a.prepared').getAttribute('href').includes('#')")
    page.goto(prepared.first.evaluate("a => a.href"))
    page.wait_for_selector("dialog.stage .lmc-note")
    assert page.locator("dialog.stage .lmc-note").inner_text() == "This is the state that the link holds."
    assert watched.wrong == []


def test_a_word_of_the_glossary_says_what_it_means(open_page):
    """Where a notebook uses a term first, its sentence shows on hover, and the link leads to its place."""
    watched = open_page("00_start_here.html")
    terms = watched.page.locator("article a.term")
    assert terms.count() >= 5
    for term in terms.all():
        assert len(term.get_attribute("title")) > 20, term.inner_text()
    terms.first.click()
    place = watched.page.url.split("#")[1]
    assert watched.page.locator(f"#{place}").count() == 1
    assert watched.wrong == []


LINES = """() => [...document.querySelectorAll('article section > p')].filter(p => !p.querySelector('mjx-container'))
  .map(p => [p.innerText.length, Math.round(p.clientHeight / parseFloat(getComputedStyle(p).lineHeight))])
  .filter(([, lines]) => lines > 2).map(([letters, lines]) => letters / lines)"""


def test_a_line_of_text_has_about_75_characters_and_the_contents_stand_beside_it(open_page):
    for name in ("02_float_formats", "03_strides", "09_training"):
        watched = open_page(f"{name}.html", width=1280)
        page = watched.page
        lines = page.evaluate(LINES)
        assert lines and 55 <= statistics.mean(lines) <= 80, f"{name}: {statistics.mean(lines)}"
        contents, text = page.locator(".toc-drawer").bounding_box(), page.locator("article").bounding_box()
        assert contents["x"] >= text["x"] + text["width"] and contents["x"] + contents["width"] <= 1280
        assert page.locator(".toc-tree a:visible").count() > 3 and page.locator(".toc-content-icon").is_hidden()


def test_code_that_is_wider_than_a_phone_says_that_it_scrolls(open_page):
    watched = open_page("03_strides.html", width=390)
    page = watched.page
    wide = page.evaluate(
        "() => [...document.querySelectorAll('article .cell pre')]"
        ".filter(p => p.scrollWidth > p.clientWidth && !p.closest('details:not([open])'))"
        ".map(p => getComputedStyle(p.closest('.wide-code') ?? p, '::after').content)"
    )
    assert len(wide) > 5 and set(wide) == {'"scrolls to the right →"'}


def test_a_formula_stands_on_the_baseline_of_its_line(open_page):
    watched = open_page("06_initialization.html", width=1280)
    page = watched.page
    page.wait_for_selector("article p mjx-container svg", state="attached", timeout=30_000)
    page.evaluate("() => MathJax.startup.promise")
    far = page.evaluate("""() => [...document.querySelectorAll('article p > .math mjx-container:not([display="true"])')]
      .map(formula => {
        const mark = document.createElement('span');
        mark.style.cssText = 'display: inline-block; width: 1px; height: 1px';
        formula.before(mark);
        const baseline = mark.getBoundingClientRect().bottom, svg = formula.querySelector('svg');
        const below = -parseFloat(svg.style.verticalAlign) * parseFloat(getComputedStyle(svg).fontSize) / 2.1;
        const off = svg.getBoundingClientRect().bottom - below - baseline;
        mark.remove();  // the line may have broken between the two
        return Math.min(Math.abs(off), Math.abs(off - parseFloat(getComputedStyle(formula.closest('p')).lineHeight)));
      })""")
    assert len(far) > 5 and max(far) < 4, max(far)


def test_nothing_lies_over_a_title_when_one_scrolls_back(open_page):
    watched = open_page("03_strides.html", width=1280)
    page = watched.page
    page.mouse.move(600, 400)
    page.mouse.wheel(0, 3000)
    page.wait_for_timeout(200)
    page.mouse.wheel(0, -600)
    page.wait_for_timeout(400)
    assert page.locator(".back-to-top").is_hidden()


def test_the_first_page_begins_with_a_toy(open_page):
    watched = open_page("index.html", width=1280)
    page = watched.page
    page.set_viewport_size({"width": 1280, "height": 720})
    paragraph, toy = page.locator("article p").first.bounding_box(), page.locator(".beginning .lmc").bounding_box()
    assert toy["x"] >= paragraph["x"] + paragraph["width"] and abs(toy["y"] - paragraph["y"]) < 40
    assert toy["x"] + toy["width"] <= 1280
    text = page.locator("article").inner_text()
    assert "make site" not in text and text.index("You know Python") < text.index("make lab")


def test_what_needs_the_notebook_says_so(open_page):
    marked = {
        "00_start_here": "choose Kernel", "03_strides": "press Measure here",
        "05_flops_and_mfu": "in a cell of your own", "06_initialization": "run the cell again",
        "09_training": "run the cells of",
    }  # fmt: skip
    for name, words in marked.items():
        item = open_page(f"{name}.html").page.locator("article :is(li, p):has(.needs)", has_text=words)
        assert item.count() >= 1 and item.first.inner_text().startswith("In the notebook"), name
    asked = open_page("03_strides.html").page.locator("article li", has_text="Choose the lane")
    assert asked.locator(".needs").count() == 0, "what the book can do is not marked"
