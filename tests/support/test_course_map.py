"""The drawing of the course, against the notebooks that there are. Run: pytest tests/test_course_map.py"""

from pathlib import Path
from xml.etree import ElementTree

from lmcourse.support.course_map import MAP, course_map, describe, show_course_map

SVG = "{http://www.w3.org/2000/svg}"
NOTEBOOKS = sorted(path.stem[:2] for path in (Path(__file__).parents[2] / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def test_every_notebook_has_its_place():
    placed = {number for _, items in MAP.values() for item in items for number in item.notebooks}
    assert set(NOTEBOOKS) - {"00"} <= placed and placed <= {f"{k:02}" for k in range(1, 10)}


def test_five_columns_and_each_says_what_comes_after():
    assert list(MAP) == ["Basics", "Systems", "Scaling", "Data", "Alignment"]
    for _, items in MAP.values():
        taught = [bool(item.notebooks) for item in items]
        assert any(taught) and not all(taught) and taught == sorted(taught, reverse=True)


def test_the_drawing_is_well_formed_and_says_all_that_it_shows():
    root = ElementTree.fromstring(course_map())
    assert root.get("role") == "img"
    ids = {element.get("id"): element.text for element in root if element.get("id")}
    title, text = (ids[name] for name in root.get("aria-labelledby").split())
    assert title and text == describe()
    drawn = [element.text for element in root.iter(f"{SVG}text")]
    for column, (question, items) in MAP.items():
        assert column in drawn and question in drawn and all(item.name in drawn and item.name in text for item in items)


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
