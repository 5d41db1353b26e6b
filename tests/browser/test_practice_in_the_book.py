"""Beside an exercise of the book: its lines to put in order, judged by the page's Python, and the question after it.

Run: pytest tests/browser/test_practice_in_the_book.py. The widget itself: tests/browser/test_parsons_rung.py.
"""

import json

import pytest

from lmcourse.exercises import topic

pytestmark = pytest.mark.xdist_group("book")
KEY = "strides.contiguous_strides"
RUNG = topic("strides").rung("contiguous_strides")
FOLD = "details:has(> summary:text-is('Put the lines in order'))"


@pytest.fixture
def cell(open_page):
    """`cell(...)`: the exercise on its page, scrolled to, and the page as it is watched."""

    def opened(**options):
        watched = open_page("03_strides.html", **options)
        found = watched.page.locator(f"[data-lm-key='{KEY}']")
        found.scroll_into_view_if_needed()
        found.locator(".cm-content").wait_for(timeout=30_000)
        return watched, found

    return opened


def use(cell, lines) -> None:
    for block, _ in lines:
        cell.locator(f".pr-block[data-block='{block}']").click()


def judged(cell, words: str) -> None:
    cell.locator(".lmc.pr").get_by_role("button", name="Check", exact=True).click()
    cell.locator(".pr .lmc-reading", has_text=words).wait_for(timeout=90_000)


@pytest.mark.parametrize("width", [1280, 390])
def test_lines_are_put_in_order_into_the_editor_and_the_answer_is_compared(width, cell):
    watched, cell_ = cell(width=width, still=True)
    page = watched.page
    cell_.locator(FOLD).locator("summary").click()  # before anything was checked
    cell_.locator(".lmc.pr").wait_for(timeout=30_000)
    summaries = [each.inner_text() for each in cell_.locator(".cell_output details > summary").all()]
    assert summaries.index("Put the lines in order") == summaries.index("Solution") - 1 > 0
    use(cell_, RUNG.order[:2] + RUNG.order[3:])
    judged(cell_, "After the next try the first wrong line is pointed at.")
    judged(cell_, "Line 3 is the first that cannot stay.")
    assert cell_.locator("[data-wrong=true] .pr-block").get_attribute("data-block") == str(RUNG.order[3][0])
    watched.picture(cell_.locator(".lmc.pr"), f"book-rung-{width}")
    assert watched.axe(".lmc.pr") == []
    cell_.get_by_role("button", name="Reset").click()
    use(cell_, RUNG.order)
    cell_.locator(f".pr-block[data-block='{RUNG.order[-1][0]}']").press("ArrowLeft")
    judged(cell_, "Every case passes.")
    cell_.get_by_role("button", name="Put it into the editor").click()
    assert "strides.append(step)" in cell_.locator(".cm-content").inner_text()
    assert KEY not in progress(page), "it counts when it was run"
    cell_.locator(".cm-content").press("Shift+Enter")
    cell_.locator(".lm-said", has_text="✓ correct").wait_for(timeout=60_000)
    explain(watched, cell_)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert watched.wrong == []


def explain(watched, cell) -> None:
    """The question below the ✓: its answer waits until something is written."""
    why, (_, answer) = cell.locator(".lm-why"), topic("strides").why["contiguous_strides"]
    why.locator("summary").click()
    assert "Your answer first" in why.inner_text() and answer not in why.inner_text()
    assert "strides.explained.contiguous_strides" not in progress(watched.page)
    why.locator("textarea").fill("<b>because</b> it skips what is to the right")
    why.locator("summary").click()
    assert answer in why.inner_text()
    kept = progress(watched.page)
    assert kept["strides.explained.contiguous_strides"] == kept[KEY] == "correct" and "because" not in str(kept)
    watched.picture(why, "book-why")
    assert watched.axe(".lm-why") == []


def progress(page) -> dict:
    found = page.evaluate("Object.entries(localStorage).find(([key]) => key.endsWith(' progress'))?.[1] ?? '{}'")
    return json.loads(found)


def test_the_lines_stay_from_card_to_card_and_when_it_starts_over(cell):
    watched, cell_ = cell(still=True)
    cell_.locator(FOLD).locator("summary").click()
    use(cell_, RUNG.order[:2])
    cell_.locator(".cm-content").press("Shift+Enter")
    cell_.locator(".lm-said", has_text="not attempted").wait_for(timeout=60_000)
    assert cell_.locator(f"{FOLD}[open] [data-used=true]").count() == 2
    cell_.locator(".cm-content").click()
    watched.page.keyboard.insert_text("# ")
    cell_.get_by_role("button", name="Start over").click()
    assert cell_.locator(f"{FOLD}[open] [data-used=true]").count() == 2
    assert watched.wrong == []


def test_an_order_that_never_ends_ends_in_words(open_page):
    watched = open_page("01_tokenization.html", still=True)
    cell = watched.page.locator("[data-lm-key='tokenization.merge_pair']")
    cell.scroll_into_view_if_needed()
    cell.locator(FOLD).locator("summary").click()
    rung = topic("tokenization").rung("merge_pair")
    for line in [line for line in rung.order if not rung.blocks[line[0]].text.startswith("i +=")]:
        use(cell, [line])
        if rung.blocks[line[0]].text.startswith(("else", "return")):  # one step less deep than the line before it
            cell.locator(f".pr-block[data-block='{line[0]}']").press("ArrowLeft")
    judged(cell, "stopped: this call")
    assert watched.wrong == []


def test_an_exercise_that_needs_the_notebook_says_the_line_to_run(open_page):
    page = open_page("09_training.html").page
    fold = page.locator("details:has(> summary:text-is('Put the lines in order'))").first
    fold.locator("summary").click()
    assert "ParsonsRung(" in fold.locator("pre").inner_text()


def test_a_link_to_lines_leads_to_the_page_of_widgets(open_page):
    page = open_page("widgets.html").page
    assert page.locator("#ParsonsRung .lmc.pr").count() == 1
