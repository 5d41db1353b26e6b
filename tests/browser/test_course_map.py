"""The drawing of notebook 00 on a page: light, dark, narrow. Run: pytest tests/browser/test_course_map.py"""

import pytest

from lmcourse.support.course_map import describe, show_course_map


@pytest.fixture
def drawn(watch, monkeypatch):
    """`drawn(dark=..., width=...)`: the map as a notebook's output shows it."""
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data["text/html"]))
    show_course_map()

    def on_page(*, dark: bool = False, width: int = 1100):
        watched = watch(dark=dark, width=width)
        ink, paper = ("#e0e0e0", "#111") if dark else ("#212121", "#fff")
        watched.page.set_content(
            f'<!doctype html><html lang="en"><head><title>map</title>'
            f"</head><body style='color: {ink}; background: {paper}; font-family: sans-serif'>"
            f"<main>{shown[0]}</main></body></html>"
        )
        watched.page.wait_for_selector("main svg text")
        return watched

    return on_page


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_is_accessible_and_named(drawn, dark):
    watched = drawn(dark=dark)
    watched.picture(watched.page.locator("main"), f"course-map-{'dark' if dark else 'light'}")
    image = watched.page.get_by_role("img", name="What you decide when you train a language model")
    assert image.count() == 1 and image.locator("desc").text_content() == describe()
    assert watched.axe("main") == [] and watched.wrong == []


def test_text_stays_inside_its_box(drawn):
    """As the browser sets it: each text of a box ends before the box, and before the number that stands in it."""
    outside = drawn().page.evaluate(
        """() => [...document.querySelectorAll('main rect')].filter((rect) => {
          const box = rect.getBBox();
          if (box.width < 100) return false;  // the legend's samples
          const texts = [...document.querySelectorAll('main text')].map((text) => text.getBBox())
            .filter((b) => b.x >= box.x && b.x < box.x + box.width && b.y >= box.y && b.y < box.y + box.height)
            .sort((a, b) => a.x - b.x);
          return texts.some((b, k) => b.x + b.width > (texts[k + 1]?.x ?? box.x + box.width));
        }).length"""
    )
    assert outside == 0


def test_a_phone_scrolls_the_drawing_and_not_the_page(drawn):
    page = drawn(width=400).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    frame = page.get_by_role("group", name="Map of the course")
    assert frame.evaluate("(e) => e.scrollWidth > e.clientWidth")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('[aria-label=\"Map of the course\"]').scrollLeft > 0")
