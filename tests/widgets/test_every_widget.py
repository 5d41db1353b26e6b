"""What every widget must do in Python. Run: pytest tests/widgets/test_every_widget.py

A widget is found by its file; nothing is registered. Its specific tests are in test_<stem>.py and <stem>.test.mjs.
"""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import lmcourse.widgets
from lmcourse.widgets.base import CourseWidget, one_file

FOLDER = Path(lmcourse.widgets.__file__).parent
NAMES = lmcourse.widgets.widget_names()
every_widget = pytest.mark.parametrize("name", NAMES)


def example(name: str) -> CourseWidget:
    return getattr(lmcourse.widgets, name).example()


def test_a_widget_is_three_files():
    stems = {path.stem for path in FOLDER.glob("*.js")}
    assert len(NAMES) == len(stems) >= 12
    for suffix in ("py", "css"):
        assert stems <= {path.stem for path in FOLDER.glob(f"*.{suffix}")}


@every_widget
def test_repr_and_snapshot_are_deterministic(name):
    first, second = example(name), example(name)
    bundle, _ = first._repr_mimebundle_()
    assert bundle["text/html"] == second.static_html()
    assert bundle["text/plain"] == repr(second) == f"{name}: {second.summary()}"
    assert not re.search(r"0x[0-9a-f]{6,}|object at", bundle["text/plain"] + bundle["text/html"])
    assert "application/vnd.jupyter.widget-view+json" in bundle


@every_widget
def test_snapshot_is_enough_for_a_page_without_a_kernel(name):
    widget = example(name)
    markup = widget.static_html()
    state = re.search(r'data-lm-state="([^"]*)"', markup).group(1)
    assert json.loads(html.unescape(state)) == json.loads(json.dumps(widget.state()))
    assert f'data-lm-widget="{widget.stem}"' in markup
    assert len(markup) < 150_000, "a snapshot is committed with its notebook: keep the state small"
    visible = re.sub(r"<[^>]*>", "", markup.split(">", 1)[1])
    assert len(visible.split()) >= 10, "without a kernel a reader must see more than a title"


@every_widget
def test_snapshot_is_safe_to_sanitize(name):
    """What JupyterLab and GitHub strip (scripts, handlers, styles) must not be there to be missed."""
    markup = example(name).static_html()
    assert not re.search(r"<script|<style|\son\w+=", re.sub(r'data-lm-state="[^"]*"', "", markup))


@every_widget
def test_sources_obey_the_rules(name):
    stem = getattr(lmcourse.widgets, name).stem
    js = (FOLDER / f"{stem}.js").read_text(encoding="utf-8")
    assert "innerHTML" not in js and "insertAdjacentHTML" not in js and "eval(" not in js
    assert not re.search(r"https?://(?!www\.w3\.org)", js), "no CDN: a widget works offline"
    assert "export default {" in js
    css = (FOLDER / f"{stem}.css").read_text(encoding="utf-8")
    without_comments = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    for selector in re.findall(r"(?:^|\})\s*([^{}@]+)\{", without_comments):
        assert ".lmc" in selector, f"{stem}.css: {selector.strip()!r} would reach outside the widget"


@every_widget
def test_javascript_is_one_module_for_the_notebook(name, tmp_path):
    """What the widget imports, put in front of it, gives a module that parses."""
    module = one_file(FOLDER / f"{getattr(lmcourse.widgets, name).stem}.js")
    assert "\nimport " not in module
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    path = tmp_path / "widget.mjs"
    path.write_text(module, encoding="utf-8")
    done = subprocess.run(["node", "--check", path], capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr


@every_widget
def test_a_question_that_makes_no_sense_is_answered_in_words(name):
    widget, sent = example(name), []
    widget.send = sent.append
    for question in (None, [], {"nonsense": 1}, "x" * 10_000):
        widget._on_question(widget, {"id": "1", "question": question}, [])
    assert len(sent) == 4 and all(("error" in reply) or ("answer" in reply) for reply in sent)
    widget._on_question(widget, "not a question", [])
    assert len(sent) == 4


@every_widget
def test_at_puts_a_widget_where_another_is(name):
    """What the Share panel's line of Python ends with."""
    there = {key: value for key, value in example(name).state().items() if key not in ("title", "source")}
    assert example(name).at(**there).state() == example(name).state()
    with pytest.raises(ValueError, match="nonsense: no part of the state of " + name):
        example(name).at(nonsense=1)
    with pytest.raises(TypeError, match=next(iter(there))):
        example(name).at(**{next(iter(there)): object()})


@every_widget
def test_a_link_knows_what_it_is_for(name, monkeypatch):
    """The trait that the Share panel reads; it is no part of the state, so that it is not committed with a notebook."""
    monkeypatch.setenv("LMCOURSE_BOOK", "https://example.org/book/")
    widget = example(name)
    assert widget._share["page"] == "https://example.org/book/widgets.html"
    too_long = {"TokenizerLens": {"local"}, "NextToken": {"first", "local", "losses"}}  # vocabularies, for a link
    left_out = too_long.get(name, set())
    assert widget._share["name"] == name and set(widget._share["names"]) == set(widget.state()) - left_out
    assert "_share" not in widget.static_html()
    monkeypatch.delenv("LMCOURSE_BOOK")
    assert example(name)._share["page"] == ""


def test_each_module_of_a_widget_keeps_its_own_scope(tmp_path):
    """Two modules may use one name for two things; what both import is there once."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "base.js").write_text("const one = 1;\nexport const base = one;\n", encoding="utf-8")
    (tmp_path / "lib" / "more.js").write_text(
        'import { base as one } from "./base.js";\nexport function twice() {\n  return one * 2;\n}\n', encoding="utf-8"
    )
    widget = tmp_path / "widget.js"
    widget.write_text(
        'import { base } from "./lib/base.js";\nimport { twice } from "./lib/more.js";\n'
        "const one = base + twice();\nexport default { one };\n",
        encoding="utf-8",
    )
    module = one_file(widget)
    assert module.count("const lib_base = ") == 1
    path = tmp_path / "linked.mjs"
    path.write_text(module + "console.log(one);\n", encoding="utf-8")
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    assert subprocess.run(["node", path], capture_output=True, text=True, encoding="utf-8").stdout == "3\n"


def test_an_import_that_is_not_there_is_named(tmp_path):
    path = tmp_path / "broken.js"
    path.write_text('import { h } from "./lib/no_such.js";\nexport default {};\n', encoding="utf-8")
    with pytest.raises(FileNotFoundError, match="no_such"):
        one_file(path)


def test_unknown_widget_is_named():
    with pytest.raises(AttributeError, match="NoSuchWidget"):
        _ = lmcourse.widgets.NoSuchWidget
