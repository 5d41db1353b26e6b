"""A notebook that was run and saved is opened on another day, without its kernel.

Run: pytest tests/browser -k second
"""

import json
import urllib.request

import nbformat
import pytest

CODE = "from lmcourse.widgets import FloatBits\nFloatBits.example()"


def has_widgets(path) -> bool:
    """Whether the file on disk holds the widgets; while the server is writing it, it is no notebook yet."""
    try:
        return "widgets" in nbformat.read(path, as_version=4).metadata
    except ValueError:
        return False


@pytest.fixture
def saved(in_lab, lab_server):
    """The page of a notebook that was run, saved and left; its kernel has ended. `saved()` opens it again."""
    watched = in_lab(CODE)
    page = watched.page
    page.wait_for_selector(".jp-OutputArea .lmc", timeout=15_000)
    name = page.url.split("/doc/tree/")[1].split("?")[0]
    path = lab_server.root / name
    page.keyboard.press("Control+s")
    page.wait_for_function("() => !document.title.startsWith('*')")
    for _ in range(50):
        if has_widgets(path):
            break
        page.wait_for_timeout(100)
    page.goto("about:blank")
    address, headers = (
        f"http://127.0.0.1:{lab_server.port}/api/sessions",
        {"Authorization": f"token {lab_server.token}"},
    )
    ask = lambda url, **how: urllib.request.urlopen(urllib.request.Request(url, headers=headers, **how), timeout=10)  # noqa: E731
    for session in json.load(ask(address)):
        ask(f"{address}/{session['id']}", method="DELETE").read()

    def again():
        page.goto(lab_server.url(name))
        page.wait_for_selector(".jp-OutputArea-output", timeout=60_000)
        return watched

    return again


def test_its_widgets_are_there_and_live(saved):
    """Not "Error displaying widget: model not found": the state was saved, and what the page computes still moves."""
    watched = saved()
    page = watched.page
    page.wait_for_selector(".jp-OutputArea .lmc", timeout=30_000)
    assert page.get_by_text("Error displaying widget").count() == 0
    watched.picture(page.locator(".jp-OutputArea"), "second-day")
    before = page.locator(".lmc .lmc-stage").inner_text()
    page.locator(".lmc .lmc-stage [tabindex='0']").first.press("Space")
    page.wait_for_timeout(300)
    assert page.locator(".lmc .lmc-stage").inner_text() != before
