"""What every widget must do in a browser, by mouse and by keyboard. Run: pytest tests/browser/test_every_widget.py

The same checks for all, on a page without a kernel and in JupyterLab; pictures go to build/pictures, to be looked at.
"""

import shutil
from pathlib import Path

import pytest

import lmcourse.widgets

ROOT = Path(__file__).parents[2]
NAMES = lmcourse.widgets.widget_names()
every_widget = pytest.mark.parametrize("name", NAMES)


def example(name):
    return getattr(lmcourse.widgets, name).example()


def click(page, control, **options) -> None:
    """Click, unless the last click's redraw took the control away or disabled it, as ⏭ does to itself.

    A word of help that is open lies over what is below it: it is closed first, as a reader does.
    """
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.evaluate("document.querySelectorAll(':popover-open').forEach((note) => note.hidePopover())")
    if control.count() and control.is_visible() and control.is_enabled():
        control.click(timeout=3000, **options)


def click_all(page, selector: str, most: int, **options) -> None:
    for k in range(min(page.locator(selector).count(), most)):
        click(page, page.locator(selector).nth(k), **options)


@every_widget
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_looks_and_is_accessible(name, dark, kernel_free):
    watched = kernel_free(example(name), dark=dark)
    watched.page.wait_for_timeout(300)
    watched.picture(watched.page.locator(".lmc"), f"{name}-{'dark' if dark else 'light'}")
    assert watched.axe(".lmc") == []
    assert watched.wrong == []


@every_widget
def test_fits_a_phone(name, kernel_free):
    watched = kernel_free(example(name), width=400)
    watched.picture(watched.page.locator(".lmc"), f"{name}-narrow")
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= 400
    assert watched.wrong == []


@every_widget
def test_nothing_is_cut_in_a_book_page(name, kernel_free):
    """In the column that the book has on a laptop, only what is a strip by nature is to be scrolled sideways."""
    watched = kernel_free(example(name), width=880)
    watched.page.wait_for_timeout(300)
    cut = watched.page.evaluate(
        """() => [...document.querySelectorAll('.lmc *')].filter((e) => e.clientWidth > 60
            && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== 'visible')
            .map((e) => `${e.className}: ${e.scrollWidth} in ${e.clientWidth} pixels`)"""
    )
    assert [what for what in cut if not what.startswith("td-film")] == []  # one picture a step, as many as there were


OVERPRINTED = """() => {
  const seen = [...document.querySelectorAll('.lmc svg text')]
      .filter((e) => e.textContent.trim() && e.checkVisibility({ visibilityProperty: true }))
      .map((e) => ({ words: e.textContent, svg: e.closest('svg'), box: e.getBoundingClientRect() }))
      .filter(({ box }) => box.width && box.height);
  const common = (a, b, from, to) => Math.min(a[to], b[to]) - Math.max(a[from], b[from]);
  return seen.flatMap((one, i) => seen.slice(i + 1).filter((other) => one.svg === other.svg
      && common(one.box, other.box, 'left', 'right') > 2 && common(one.box, other.box, 'top', 'bottom') > 5)
      .map((other) => `${one.words} | ${other.words}`));
}"""


@every_widget
@pytest.mark.parametrize("width", [1100, 390])
def test_no_words_of_a_picture_lie_on_others(name, width, kernel_free):
    page = kernel_free(example(name), width=width, still=True).page
    assert page.evaluate(OVERPRINTED) == []
    for tab in page.locator(".lmc [role=tab]:visible").all():
        tab.click()
        page.wait_for_timeout(100)
        assert page.evaluate(OVERPRINTED) == [], tab.inner_text()


# One question, one screen.


@every_widget
def test_at_most_six_controls_are_in_view(name, kernel_free):
    controls = kernel_free(example(name), still=True).controls()
    assert 1 <= len(controls) <= 6, controls


@every_widget
def test_the_first_screen_has_picture_main_control_and_reading_line(name, kernel_free):
    """At 1280 × 720 with text of 16 px, as *Show alone* and the presentation mode have it."""
    page = kernel_free(example(name), width=1280, still=True).page
    page.set_viewport_size({"width": 1280, "height": 720})
    page.evaluate("document.querySelector('.lmc').style.zoom = 16 / 14")
    page.wait_for_timeout(200)
    bottom = page.evaluate("document.querySelector('.lmc-reading').getBoundingClientRect().bottom")
    bar = 48  # of the teacher's page
    assert bottom <= 720 - bar
    order = page.evaluate("""() => ['.lmc-title', '.lmc-stage', '.lmc-controls', '.lmc-reading']
        .map((each) => document.querySelector(each).getBoundingClientRect().top)""")
    assert order == sorted(order)


def test_show_alone_holds_the_first_screen(static_site, watch):
    """On the teacher's page, at 1280 × 720, every widget is seen down to its reading line, in text of 16 px or more."""
    folder, address = static_site
    for name in ("present.js", "book.css"):
        shutil.copy(ROOT / "site" / "static" / name, folder / name)
    solos = "".join(
        f'<section class="solo" id="{name}" data-from="here"><a class="present" href="#">{name}</a>'
        f'<div class="solo-stage">{example(name).static_html()}</div></section>'
        for name in NAMES
    )
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>alone</title><link rel="icon" href="data:,">'
        '<link rel="stylesheet" href="book.css"><script type="module" src="widgets/lib/hydrate.js"></script>'
        f'<script type="module" src="present.js"></script></head><body><main>{solos}</main></body></html>'
    )
    (folder / "alone.html").write_text(page, encoding="utf-8")
    watched = watch(width=1280, still=True)
    page = watched.page
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(f"{address}/alone.html")
    page.wait_for_function(f"document.querySelectorAll('[data-lm-live] .lmc').length === {len(NAMES)}")
    seen = {}
    for name in NAMES:
        page.locator(f"#{name} a.present").click()
        page.wait_for_timeout(150)
        bottom = page.locator(".stage-body .lmc-reading").evaluate("e => e.getBoundingClientRect().bottom")
        zoom = page.locator(".stage-body").evaluate("e => Number(getComputedStyle(e).getPropertyValue('--stage-zoom'))")
        seen[name] = [bottom, 14 * zoom]
        page.get_by_role("button", name="Close").click()
    assert [name for name, (bottom, _) in seen.items() if bottom > 720] == [], seen
    assert min(size for _, size in seen.values()) >= 16 - 0.01, seen
    assert watched.wrong == []


@every_widget
@pytest.mark.parametrize("width", [1100, 390])
def test_its_height_does_not_change_while_it_is_used(name, width, kernel_free):
    """Pointing, stepping, choosing and garbage in a field move nothing. More and Share unfold, and are left alone."""
    watched = kernel_free(example(name), width=width, still=True)
    page = watched.page
    tall = "Math.round(document.querySelector('.lmc').getBoundingClientRect().height)"
    before = page.evaluate(tall)

    def same(what: str) -> None:
        page.wait_for_timeout(40)
        assert page.evaluate(tall) == before, f"{what} changes the height"

    for cell in page.locator(".lmc-stage button:visible, .lmc-stage [tabindex]:visible").all()[:12]:
        cell.hover(timeout=2000, force=True)
        same("pointing")
    for k in range(min(12, page.locator(".lmc .lmc-stepper button:visible").count())):
        click(page, page.locator(".lmc .lmc-stepper button:visible").nth(k))
        same("a step")
    for k in range(min(12, page.locator(".lmc-controls input[type=range]:visible").count())):
        for key in ("End", "Home", "ArrowRight"):
            page.locator(".lmc-controls input[type=range]:visible").nth(k).press(key)
            same("a slider")
    for k in range(page.locator(".lmc-controls select:visible").count()):
        select = page.locator(".lmc-controls select:visible").nth(k)
        for option in select.locator("option").all()[:6]:
            select.select_option(option.get_attribute("value"), timeout=2000)
            same("a choice")
    for k in range(page.locator(".lmc-controls input[type=text]:visible").count()):
        field = page.locator(".lmc-controls input[type=text]:visible").nth(k)
        for text in ("", "nan", "({[", "x"):
            field.fill(text, timeout=2000)
            page.keyboard.press("Enter")
            same(f"typing {text!r}")
    assert watched.wrong == []


@every_widget
def test_a_phone_swipes_over_it_and_nothing_is_wider_than_390(name, kernel_free):
    watched = kernel_free(example(name), width=390, still=True)
    page = watched.page
    for k in range(page.locator(".lmc [role=tab]:visible").count()):
        page.locator(".lmc [role=tab]:visible").nth(k).click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    if page.locator(".lmc-more-button:visible").count():
        page.locator(".lmc-more-button").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    stuck = page.evaluate(
        """() => [...document.querySelectorAll('.lmc *')].filter((e) => getComputedStyle(e).touchAction === 'none'
            && !e.closest('.lmc-handle')).map((e) => e.outerHTML.slice(0, 80))"""
    )
    assert stuck == [], "only a handle may keep a finger from scrolling the page"
    assert watched.wrong == []


@every_widget
def test_keys_are_marked_for_notebook_7(name, kernel_free):
    """Its shortcuts see a key before the widget does, and leave alone an element that carries this mark."""
    page = kernel_free(example(name), still=True).page
    for _ in range(4):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.getAttribute('data-lm-suppress-shortcuts')") == "true"


@every_widget
def test_every_control_by_mouse(name, kernel_free):
    """Click and drag whatever can be: nothing throws, and the frame stays."""
    watched = kernel_free(example(name), still=True)
    page = watched.page
    click_all(page, ".lmc button:visible", 60)
    click_all(page, ".lmc input[type=range]:visible", 30, position={"x": 20, "y": 8})
    click_all(page, ".lmc input[type=checkbox]:visible", 30)
    for k in range(page.locator(".lmc select:visible").count()):
        select = page.locator(".lmc select:visible").nth(k)
        for option in select.locator("option").all():
            select.select_option(option.get_attribute("value"), timeout=2000)
    page.wait_for_timeout(200)
    assert page.locator(".lmc .lmc-reading").first.inner_text().strip()
    assert watched.wrong == []


@every_widget
def test_every_control_by_keyboard(name, kernel_free):
    """Tab reaches every control, the focus is visible, and arrows, Space, Home and End work on each."""
    watched = kernel_free(example(name), still=True)
    page = watched.page
    before = page.locator(".lmc .lmc-stage").inner_html()
    changed = False
    stops = []
    for _ in range(60):
        page.keyboard.press("Tab")
        where = page.evaluate(
            """() => { const e = document.activeElement; if (!e?.closest('.lmc')) return null;
            const all = [...e.closest('.lmc').querySelectorAll('button, input, select, textarea, [tabindex]')];
            return { html: e.outerHTML.slice(0, 160), tag: e.tagName, type: e.type ?? '', at: all.indexOf(e),
                     outline: getComputedStyle(e).outlineStyle }; }"""
        )
        if where is None or (stops and where["at"] == stops[0]):
            break
        stops.append(where["at"])
        assert where["outline"] != "none", f"{where} has the focus and does not show it"
        if where["tag"] == "TEXTAREA" or where["type"] == "text":
            continue
        for key in ("ArrowRight", "ArrowDown", "End", "ArrowLeft", "Home", "Space"):
            if where["tag"] != "SELECT" or key != "Space":  # a select's open list would keep the next Tab
                page.keyboard.press(key)
        page.wait_for_timeout(60)
        assert page.evaluate("!!document.activeElement.closest('.lmc')"), f"{where} lost the focus when it was used"
        changed = changed or page.locator(".lmc .lmc-stage").inner_html() != before
    else:
        pytest.fail(f"Tab does not leave the widget within 60 stops (use roving for many cells); it went {stops}")
    assert changed, "no key changed what the stage shows"
    assert watched.wrong == []


@every_widget
def test_garbage_is_explained(name, kernel_free):
    """What a reader may type anywhere is shown as text, and never leaves a blank stage."""
    watched = kernel_free(example(name), still=True)
    page = watched.page
    page.evaluate("window.hacked = false")
    hostile = ["", "   ", "nan", "1e400", "-1e400", "999999999999999999999", '<img src=x onerror="window.hacked=true">',
               "\u202eabc\u200d\u0301", "({[", "-- ; drop", "a" * 3000]  # fmt: skip
    fields = page.locator(".lmc input[type=text]:visible, .lmc textarea:visible, .lmc input[type=number]:visible")
    for k in range(fields.count()):
        for text in hostile:
            field = fields.nth(k)
            if field.get_attribute("type") == "number":
                field.evaluate("(e, t) => { e.value = t; e.dispatchEvent(new Event('input', {bubbles: true})); }", text)
            else:
                field.fill(text, timeout=3000)
            page.keyboard.press("Enter")
            page.wait_for_timeout(40)
            assert page.locator(".lmc .lmc-reading").first.inner_text().strip(), f"{text[:20]!r} is not explained"
    assert page.evaluate("window.hacked") is False
    assert page.locator(".lmc img").count() == 0
    assert watched.wrong == []


@every_widget
def test_two_copies_do_not_disturb_each_other(name, kernel_free):
    watched = kernel_free(example(name), copies=2, still=True)
    page = watched.page
    first, second = page.locator(".lmc").nth(0), page.locator(".lmc").nth(1)
    page.wait_for_timeout(600)  # the live region speaks after a pause
    before = second.inner_text()
    for k in range(min(first.locator("button:visible").count(), 12)):
        click(page, first.locator("button:visible").nth(k))
    page.wait_for_timeout(600)
    assert second.inner_text() == before
    ids = page.evaluate("[...document.querySelectorAll('.lmc [id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    assert watched.wrong == []


def test_every_widget_in_jupyterlab(in_lab):
    """Drawn by a kernel; `x` inside does not delete the cell; all controls reach Python without an error."""
    watched = in_lab(*(f"from lmcourse.widgets import {name}\n{name}.example()" for name in NAMES))
    page = watched.page
    page.wait_for_function(f"document.querySelectorAll('.jp-OutputArea .lmc').length === {len(NAMES)}", timeout=60_000)
    for k, name in enumerate(NAMES):
        cell = page.locator(".jp-CodeCell").nth(k)
        cell.locator(".lmc button:visible:enabled").first.focus()
        for key in ("x", "x", "d", "d", "a"):
            page.keyboard.press(key)
        assert page.locator(".jp-CodeCell .lmc").count() == len(NAMES), name
        click_all(page, f":nth-match(.jp-CodeCell, {k + 1}) .lmc button:visible", 20)
        page.wait_for_timeout(500)
        assert cell.locator(".lmc .lmc-reading").first.inner_text().strip(), name
        assert page.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0, name
        assert watched.wrong == [], name


def present(page) -> None:
    """JupyterLab's presentation mode, which makes text larger for a room."""
    page.click("#jp-MainMenu .lm-MenuBar-itemLabel:text-is('View')")
    page.locator(".lm-Menu-item", has_text="Appearance").hover()
    page.locator(".lm-Menu-item", has_text="Presentation Mode").click()
    page.wait_for_selector(".jp-mod-presentationMode")


def test_the_first_screen_in_presentation_mode(in_lab):
    """At 1280 × 720, scrolled to a widget: title, picture, main control and reading line are on the screen."""
    shown = ", ".join(f"{name}.example()" for name in NAMES)
    code = f"from lmcourse.widgets import *\nfrom IPython.display import display\ndisplay({shown})"
    watched = in_lab(code.replace("*", ", ".join(NAMES)), width=1280)
    page = watched.page
    page.wait_for_function(f"document.querySelectorAll('.jp-OutputArea .lmc').length === {len(NAMES)}")
    page.set_viewport_size({"width": 1280, "height": 720})
    present(page)
    page.wait_for_timeout(500)
    room = page.evaluate("document.querySelector('.jp-WindowedPanel-outer').clientHeight")
    tall = page.evaluate("""() => [...document.querySelectorAll('.jp-OutputArea .lmc')].map((e) =>
        e.querySelector('.lmc-reading').getBoundingClientRect().bottom
        - e.querySelector('.lmc-title').getBoundingClientRect().top)""")
    assert room > 500
    assert [(name, high) for name, high in zip(NAMES, tall, strict=True) if high > room] == [], room
    assert watched.wrong == []


def test_grows_with_the_text_in_presentation_mode(in_lab):
    """Larger, as JupyterLab makes the text; the mouse still meets what it points at."""
    watched = in_lab("from lmcourse.widgets import FloatBits\nFloatBits.example()", width=1280)
    page = watched.page
    bit = page.locator(".jp-OutputArea .lmc .lmc-fb-bit").first
    before = bit.bounding_box()["width"]
    present(page)
    page.wait_for_function(
        "before => document.querySelector('.lmc .lmc-fb-bit').getBoundingClientRect().width > 1.1 * before", arg=before
    )
    box, was = bit.bounding_box(), bit.inner_text()
    page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + 0.5 * box["height"])
    page.wait_for_timeout(300)
    assert bit.inner_text() != was
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    watched.picture(page.locator(".jp-OutputArea .lmc"), "FloatBits-presentation")
    assert watched.wrong == []
