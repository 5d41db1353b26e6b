"""The drawing of the course, against the notebooks that there are. Run: pytest tests/test_course_map.py"""

from pathlib import Path
from xml.etree import ElementTree

from lmcourse.support.course_map import MAP, course_map, describe, show_course_map

SVG = "{http://www.w3.org/2000/svg}"
NOTEBOOKS = sorted(path.stem[:2] for path in (Path(__file__).parents[2] / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def test_every_notebook_has_its_place():
    placed = {number for column in MAP.values() for numbers in column.here.values() for number in numbers.split()}
    assert set(NOTEBOOKS) - {"00"} <= placed and placed <= {f"{k:02}" for k in range(1, 10)}


def test_five_columns_and_each_says_what_comes_after():
    assert list(MAP) == ["Basics", "Systems", "Scaling", "Data", "Alignment"]
    assert all(column.here and column.after for column in MAP.values())


def test_the_drawing_is_well_formed_and_says_all_that_it_shows():
    root = ElementTree.fromstring(course_map())
    assert root.get("role") == "img"
    ids = {element.get("id"): element.text for element in root if element.get("id")}
    title, text = (ids[name] for name in root.get("aria-labelledby").split())
    assert title and text == describe()
    drawn = [element.text for element in root.iter(f"{SVG}text")]
    for name, column in MAP.items():
        assert name in drawn and column.question in drawn
        assert all(item in drawn and item in text for item in [*column.here, *column.after])


def test_nothing_is_drawn_outside_or_over_another():
    root = ElementTree.fromstring(course_map())
    _, _, width, height = map(float, root.get("viewBox").split())
    boxes = [tuple(float(r.get(name)) for name in ("x", "y", "width", "height")) for r in root.iter(f"{SVG}rect")]
    for k, (x, y, w, h) in enumerate(boxes):
        assert x >= 0 and x + w <= width and y >= 0 and y + h <= height
        for x2, y2, w2, h2 in boxes[:k]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y
    for text in root.iter(f"{SVG}text"):
        assert float(text.get("font-size")) >= 14, "readable from the last row"


def test_text_takes_the_colour_of_the_page():
    root = ElementTree.fromstring(course_map())
    assert root.get("fill") == "currentColor"
    assert not any(text.get("fill") for text in root.iter(f"{SVG}text"))


def test_shown_as_drawing_and_as_words(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    show_course_map()
    assert shown[0]["text/plain"] == describe() and course_map() in shown[0]["text/html"]
