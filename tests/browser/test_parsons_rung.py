"""What only a browser can show of ParsonsRung: keys, drags, taps, and an order that Python judges.

Run: pytest tests/browser/test_parsons_rung.py. In the book: tests/browser/test_practice_in_the_book.py.
"""

import pytest

from lmcourse.exercises import topic, topic_names
from lmcourse.widgets import ParsonsRung

RUNGS = [f"{name}.{exercise}" for name in topic_names() for exercise in topic(name).slips]
ORDER = [list(line) for line in ParsonsRung("count_pairs").rung.order]
LINES = """() => [...document.querySelectorAll('.lmc [data-used=true]')].map((row) =>
    [Number(row.querySelector('.pr-block').dataset.block),
     Number(getComputedStyle(row).getPropertyValue('--pr-steps')) - 1])"""


def block(page, k: int):
    return page.locator(f".lmc .pr-block[data-block='{k}']")


def reading(page) -> str:
    return page.locator(".lmc .lmc-reading").inner_text()


def test_the_function_is_built_by_keys(kernel_free):
    watched = kernel_free(ParsonsRung("count_pairs"), still=True)
    page = watched.page
    for k, _ in ORDER:
        block(page, k).focus()
        page.keyboard.press("Enter")
    assert page.evaluate(LINES) == [[k, steps] for (k, _), steps in zip(ORDER, (0, 0, 1, 1))]
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(LINES) == ORDER
    page.keyboard.press("Shift+ArrowUp")
    assert page.evaluate(LINES)[2] == ORDER[3], "the line moved up, and has the focus still"
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.dataset.block") == str(ORDER[2][0])
    page.keyboard.press("Delete")
    assert page.evaluate(LINES) == [*ORDER[:2], ORDER[3]]
    assert page.evaluate("!!document.activeElement.closest('.pr-row')")
    assert watched.wrong == []


def test_the_function_is_built_by_taps_and_the_buttons_below(kernel_free):
    watched = kernel_free(ParsonsRung("count_pairs"), still=True, width=390)
    page = watched.page
    button = lambda name: page.locator(".lmc").get_by_role("button", name=name, exact=True)  # noqa: E731
    for k, _ in (ORDER[1], ORDER[0], ORDER[2], ORDER[3]):
        block(page, k).click()
    button("less deep").click()
    block(page, ORDER[0][0]).click()
    button("up").click()
    for _ in range(3):
        button("less deep").click(force=True)
    assert page.evaluate(LINES) == ORDER
    button("Put it aside").click()
    assert page.evaluate(LINES) == ORDER[1:]
    button("Use this line").click()
    assert page.evaluate(LINES)[-1][0] == ORDER[0][0]
    assert watched.wrong == []


def drag(page, k: int, to_row, dx: int) -> None:
    box = page.locator(f".pr-row:has([data-block='{k}']) .pr-handle").bounding_box()
    goal = to_row.bounding_box()
    page.mouse.move(box["x"] + 12, box["y"] + 12)
    page.mouse.down()
    page.mouse.move(box["x"] + 12 + dx, goal["y"] + goal["height"] + 4, steps=6)
    assert page.locator(".pr-mark").is_visible()
    page.mouse.up()


def test_a_line_is_dragged_to_its_place_and_depth(kernel_free):
    watched = kernel_free(ParsonsRung("count_pairs").at(lines=ORDER[:2]), still=True)
    page = watched.page
    given = page.locator(".pr-given").last
    rows = page.locator(".lmc [data-used=true]")
    drag(page, ORDER[2][0], rows.last, 0)
    assert page.evaluate(LINES) == ORDER[:3], "below what opens a part it is one step deeper"
    drag(page, ORDER[3][0], rows.last, -20)
    assert page.evaluate(LINES) == ORDER
    drag(page, ORDER[3][0], given, 40)
    assert page.evaluate(LINES) == [[ORDER[3][0], 2], *ORDER[:3]]
    box = block(page, ORDER[3][0]).bounding_box()
    page.mouse.move(box["x"] + 30, box["y"] + 8)  # with a mouse the line itself, out of the function
    page.mouse.down()
    page.mouse.move(box["x"] + 30, page.locator(".lmc .lmc-controls").bounding_box()["y"], steps=5)
    page.mouse.up()
    assert page.evaluate(LINES) == ORDER[:3]
    assert watched.wrong == []


def test_a_finger_drags_the_handle_and_scrolls_everywhere_else(kernel_free):
    watched = kernel_free(ParsonsRung("count_pairs").at(lines=ORDER), still=True, width=390)
    touch = """([k, selector]) => {
      const row = document.querySelector(`.pr-row:has([data-block='${k}'])`), on = row.querySelector(selector);
      const at = on.getBoundingClientRect(), top = document.querySelector('.pr-given').getBoundingClientRect();
      const send = (kind, y) => on.dispatchEvent(new PointerEvent(kind, { bubbles: true, button: 0, pointerId: 7,
        pointerType: 'touch', clientX: at.x + 8, clientY: y }));
      send('pointerdown', at.y + 8);
      send('pointermove', top.bottom + 2);
      send('pointerup', top.bottom + 2);
    }"""
    page, last = watched.page, ORDER[3][0]
    page.evaluate(touch, [last, ".pr-block"])
    page.wait_for_timeout(100)
    assert page.evaluate(LINES) == ORDER
    page.evaluate(touch, [last, ".pr-handle"])
    page.wait_for_timeout(100)
    assert page.evaluate(LINES) == [ORDER[3], *ORDER[:3]]


def test_without_python_it_says_where_there_is_some(kernel_free):
    page = kernel_free(ParsonsRung("count_pairs").at(lines=ORDER), still=True).page
    page.locator(".lmc").get_by_role("button", name="Check").click()
    assert reading(page).startswith("This page has no Python.")
    block(page, ORDER[0][0]).press("ArrowRight")
    assert "no Python" not in reading(page), "what is no longer true disappears"


def test_the_lines_of_every_exercise_fit_the_first_screen_and_keep_their_height(kernel_free):
    page = kernel_free(ParsonsRung.example(), width=1280, still=True).page
    page.set_viewport_size({"width": 1280, "height": 720})
    show = """async ([state, lines]) => {
      const place = document.querySelector('[data-lm-widget]');
      place.dataset.lmState = JSON.stringify({ ...state, lines });
      const { hydrate } = await import(new URL('widgets/lib/hydrate.js', location.href));
      await hydrate(place);
      await new Promise((done) => setTimeout(done, 60));
      document.querySelector('.lmc').style.zoom = 16 / 14;
      return [document.querySelector('.lmc-reading').getBoundingClientRect().bottom,
        document.querySelector('.lmc').getBoundingClientRect().height];
    }"""
    for key in RUNGS:
        widget = ParsonsRung(key)
        empty, whole = (page.evaluate(show, [widget.state(), lines]) for lines in ([], widget.rung.order))
        assert empty[0] <= 720 - 48 and empty == whole, (key, empty, whole)


def test_a_kernel_judges_an_order_and_points_after_two_misses(in_lab):
    code = "from lmcourse.widgets import ParsonsRung\nParsonsRung('count_pairs')"
    watched = in_lab(code)
    page = watched.page
    page.wait_for_selector(".jp-OutputArea .lmc .pr-block")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    check = page.locator(".lmc").get_by_role("button", name="Check", exact=True)
    for k, _ in (ORDER[1], ORDER[2], ORDER[3]):
        block(page, k).click()
    for words in ("After the next try", "Line 1 is the first that cannot stay."):
        check.click()
        page.locator(".lmc-reading", has_text=words).wait_for(timeout=20_000)
    assert page.locator(".lmc [data-wrong=true]").count() == 1
    watched.picture(page.locator(".jp-OutputArea .lmc"), "ParsonsRung-wrong")
    assert watched.axe(".lmc.pr") == []
    page.locator(".lmc").get_by_role("button", name="Reset").click()
    for k, _ in ORDER:
        block(page, k).click()
    block(page, ORDER[3][0]).press("ArrowLeft")
    assert page.locator(".lmc [data-wrong=true]").count() == 0
    copy = page.locator(".lmc").get_by_role("button", name="Copy the code")
    assert copy.get_attribute("aria-disabled") == "true"
    check.click()
    page.locator(".lmc-reading", has_text="Every case passes").wait_for(timeout=20_000)
    copy.click()
    page.locator(".lmc-reading", has_text="Copied.").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").endswith("count_pairs = check(count_pairs)")
    assert watched.wrong == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_question_after_a_solved_exercise(in_lab, dark, monkeypatch, tmp_path):
    """Below the ✓: a field, and an answer that opens when something is written."""
    code = (
        f"import os\nos.environ['LMCOURSE_DATA'] = {str(tmp_path)!r}\n"
        "from lmcourse.exercises.strides import check, topic\n_ = check(topic.exercises['offset'].reference)"
    )
    watched = in_lab(code, dark=dark)
    page = watched.page
    button = page.locator(".jp-OutputArea button", has_text="Compare with an answer")
    button.wait_for(timeout=20_000)
    question, answer = topic("strides").why["offset"]
    words = page.locator(".jp-OutputArea").first.inner_text()
    assert question.replace("`", "") in words and answer.replace("`", "")[:40] not in words and button.is_disabled()
    page.locator(".jp-OutputArea textarea").fill("because it starts there")
    page.wait_for_function("!document.querySelector('.jp-OutputArea button').disabled")
    button.click()
    page.locator(".jp-OutputArea", has_text=answer.replace("`", "")[:40]).first.wait_for()
    watched.picture(page.locator(".jp-CodeCell .jp-OutputArea"), f"explaining-{'dark' if dark else 'light'}")
    assert "strides.explained.offset" in (tmp_path / "progress.json").read_text(encoding="utf-8")
    assert watched.wrong == []
