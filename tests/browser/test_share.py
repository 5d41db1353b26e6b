"""A state is shared and restored, by a line of Python and by a link, for every widget.

Run: pytest tests/browser/test_share.py
"""

import ast
import json
import linecache

import pytest

import lmcourse.widgets
from lmcourse.flops import TransformerShape

NAMES = lmcourse.widgets.widget_names()
every_widget = pytest.mark.parametrize("name", NAMES)

# What a line may say of a reader's own, as it was in the example: the line names it, and a notebook has it.
OWN = {
    "FormatHistogram": lambda widget: {"tensor": widget._elements},
    "NextToken": lambda widget: {"model": widget._model, "tokenizer": widget._tokenizer},
    "OptimizerPaths": lambda widget: {widget._kind.__name__.removeprefix("Plain"): widget._kind},
    "PageMap": lambda widget: {"tokens": widget._tokens},
    "SignalScope": lambda widget: {"model": widget._model, "x": widget._x},
    "StrideView": lambda widget: widget._bases,
    "TokenizerLens": lambda widget: {"tokenizers": widget._tokenizers},
}  # fmt: skip
PACKED = """() => {
  const panel = document.querySelector('.lmc-share');
  return panel.textContent.includes('No link') || [...panel.querySelectorAll('input')].at(-1).value.includes('#');
}"""
STATE = "() => document.querySelector('[data-lm-widget]').state()"


def example(name):
    return getattr(lmcourse.widgets, name).example()


def play(page) -> None:
    """Move what can be moved: the last option of the first select, each kind of control once, by keyboard."""
    for select in page.locator(".lmc .lmc-controls select:visible").all()[:2]:
        select.select_option(index=min(1, select.locator("option").count() - 1))
    for kind in ("input[type=range]", "input[type=checkbox]"):
        for control in page.locator(f".lmc .lmc-controls {kind}:visible").all()[:2]:
            control.focus()
            page.keyboard.press("ArrowRight" if "range" in kind else "Space")


def shared(page) -> tuple[str, str]:
    """The line and the link of the Share panel, once the link is packed."""
    share = page.get_by_role("button", name="Share", exact=True)
    share.focus()
    page.keyboard.press("Enter")
    page.wait_for_function(PACKED)
    fields = [field.input_value() for field in page.locator(".lmc-share-row input").all()]
    return fields[0], fields[-1]


@every_widget
def test_a_line_of_python_restores_the_state(name, kernel_free):
    watched = kernel_free(example(name), still=True)
    before = json.loads(json.dumps(example(name).state()))
    play(watched.page)
    line, _ = shared(watched.page)
    if line.startswith("http"):
        assert "no line of Python says it" in watched.page.locator(".lmc-share").inner_text()
        return
    state = watched.page.evaluate(STATE)

    first = example(name)
    own = OWN.get(name, lambda widget: {})(first)
    named = set(line.partition("  # ")[2].partition(":")[0].split(", ")) - {""}
    for node in ast.walk(ast.parse(line)):
        assert not isinstance(node, ast.Call) or isinstance(node.func, ast.Attribute | ast.Name)
        if isinstance(node, ast.Name) and node.id not in (name, "TransformerShape"):
            assert node.id in named, f"{node.id} is the reader's own, and the line does not say so: {line}"
    scope = {name: getattr(lmcourse.widgets, name), "TransformerShape": TransformerShape} | own
    linecache.cache["<line>"] = (len(line), None, [line], "<line>")  # StrideView reads its caller's own words
    again = json.loads(json.dumps(eval(compile(line, "<line>", "eval"), scope).state()))
    for trait, value in state.items():
        if trait == "lanes":  # a page without a kernel cannot confirm what was typed; Python has
            value = [lane | {"confirmed": True} for lane in value]
        changed = value != before[trait]
        if changed or not isinstance(value, list | dict | str):
            assert again[trait] == value, f"{trait} is not restored by {line}"
    assert watched.wrong == []


@every_widget
def test_a_link_restores_the_state(name, kernel_free):
    watched = kernel_free(example(name), still=True)
    page = watched.page
    play(page)
    _, link = shared(page)
    state, stage = page.evaluate(STATE), page.locator(".lmc-stage").inner_text()
    assert f"#{name}=" in link
    page.goto("about:blank")
    page.goto(link)
    page.wait_for_selector(".lmc-note")
    assert page.locator(".lmc-note").inner_text() == "This is the state that the link holds."
    assert page.evaluate(STATE) == state
    page.wait_for_function("stage => document.querySelector('.lmc-stage').innerText === stage", arg=stage)
    assert watched.wrong == []


@every_widget
@pytest.mark.parametrize("hash", ["AAAA", "%3Cimg%20src=x%20onerror=alert(1)%3E", "", "A" * 9000])
def test_a_link_that_makes_no_sense_is_explained(name, hash, kernel_free):
    watched = kernel_free(example(name), still=True)
    page = watched.page
    stage = page.locator(".lmc-stage").inner_text()
    page.evaluate("hash => { location.hash = hash; }", f"#{name}={hash}")
    page.wait_for_selector(".lmc-note")
    assert "This is the page's own." in page.locator(".lmc-note").inner_text()
    assert page.locator(".lmc-stage").inner_text() == stage
    assert page.locator(".lmc-note img").count() == 0
    assert watched.wrong == []


def test_a_link_of_another_widget_is_explained(kernel_free):
    watched = kernel_free(example("FloatBits"))
    watched.page.evaluate("() => { location.hash = '#StrideView=AAAA'; }")
    watched.page.wait_for_selector("main > .lmc-note")
    assert "does not have: StrideView" in watched.page.locator("main > .lmc-note").inner_text()
    assert watched.page.locator(".lmc").count() == 1


def test_a_value_of_the_wrong_kind_is_explained(kernel_free):
    watched = kernel_free(example("FloatBits"))
    page = watched.page
    for state, words in [
        ({"format": 3}, "format is number"),
        ({"evil": "x"}, "there is no evil"),
        ({"formats": ["x"]}, "formats.0"),
    ]:
        page.evaluate(
            """async state => {
              const { packState } = await import(new URL('widgets/lib/share.js', location));
              location.hash = '#FloatBits=' + await packState(state);
            }""",
            state,
        )
        page.wait_for_function("words => document.querySelector('.lmc-note')?.textContent.includes(words)", arg=words)
    assert page.locator(".lmc").count() == 1
    assert watched.wrong == []


def test_escape_closes_the_panel_and_copying_is_never_silent(kernel_free):
    watched = kernel_free(example("FloatBits"))
    page = watched.page
    line, _ = shared(page)
    copy = page.get_by_role("button", name="Copy the line of Python")
    copy.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('.lmc-share [role=status]').textContent")
    said = page.locator(".lmc-share [role=status]").inner_text()
    assert said.startswith("Copied the line of Python") or "is selected" in said
    if "is selected" in said:
        assert page.evaluate("() => document.activeElement.value") == line
    assert watched.axe(".lmc") == []
    page.keyboard.press("Escape")
    assert page.locator(".lmc-share").is_hidden()
    assert page.evaluate("() => document.activeElement.textContent") == "Share"
    assert watched.wrong == []


def test_in_jupyterlab_the_link_asks_for_the_books_address(in_lab):
    """A notebook does not know where the book is published; with that address the link opens the teacher's page."""
    watched = in_lab("from lmcourse.widgets import FloatBits\nFloatBits('1/3', format='float16')")
    page = watched.page
    page.wait_for_selector(".jp-OutputArea .lmc")
    line, link = shared(page)
    assert line == 'FloatBits("1/3", format="float16")'
    assert link.startswith("#FloatBits=") and "LMCOURSE_BOOK" in page.locator(".lmc-share").inner_text()
    assert watched.wrong == []


def test_a_link_from_a_notebook_opens_on_a_page_of_the_book(in_lab, kernel_free):
    """It holds the whole state, so that it does not matter what the page itself shows."""
    code = "from lmcourse.widgets import StrideView\nimport torch\nt = torch.arange(6).view(2, 3)\nStrideView(t, t.T)"
    notebook = in_lab(code).page
    notebook.wait_for_selector(".jp-OutputArea .lmc")
    line, link = shared(notebook)
    assert line.startswith("StrideView(t, t.T)") and "t: your own" in line
    watched = kernel_free(example("StrideView"))
    watched.page.evaluate("hash => { location.hash = hash; }", link)
    watched.page.wait_for_selector(".lmc-note")
    assert watched.page.locator(".lmc-note").inner_text() == "This is the state that the link holds."
    assert [lane["name"] for lane in watched.page.evaluate(STATE)["lanes"]] == ["t", "t.T"]
    assert watched.wrong == []


@pytest.mark.parametrize("name", ["PageMap", "AxesExplorer", "Roofline"])
def test_more_and_tabs_are_remembered(name, kernel_free):
    watched = kernel_free(example(name), still=True)
    page = watched.page
    assert page.locator(".lmc-more").is_hidden()
    page.get_by_role("button", name="More", exact=True).click()
    tabs = page.locator(".lmc [role=tab]:visible")
    if tabs.count():
        tabs.last.click()
    line, link = shared(page)
    assert ".at(more=True)" in line
    page.goto(page.url.partition("#")[0] + link[link.index("#") :])
    page.reload()
    page.wait_for_selector(".lmc-note:has-text('This is the state that the link holds')")
    assert page.locator(".lmc-more").is_visible()
    if tabs.count():
        assert tabs.last.get_attribute("aria-selected") == "true"
    page.get_by_role("button", name="Reset").click()
    page.wait_for_timeout(100)
    assert page.locator(".lmc-more").is_hidden() and watched.wrong == []
