"""What a reader does on the book's page of the review. Run: pytest tests/browser/test_review_in_the_book.py"""

import json
from datetime import timedelta

import pytest

from lmcourse.exercises import again, progress, reviewing, topic

pytestmark = pytest.mark.xdist_group("book")

STRIDES = topic("strides")
QUESTION = STRIDES.question_key(STRIDES.questions[0][0])
HOSTILE = '<img src=x onerror="document.title=1">'


def day(count: int) -> str:
    return (progress.today() + timedelta(count)).isoformat()


@pytest.fixture
def reviewed(open_page, tmp_path):
    """`reviewed(known, width=..., dark=...)`: the page of the review, after a file of progress was taken in."""

    def opened(known: dict, **options):
        watched = open_page("progress.html", **options)
        file = tmp_path / "progress.json"
        file.write_text(json.dumps(known), encoding="utf-8")
        watched.page.locator("input[type=file]").set_input_files(file)
        watched.page.locator(".lm-said", has_text="Taken in").wait_for()
        watched.page.goto(watched.page.url.replace("progress.html", "review.html"))
        watched.page.locator("#lm-actions button").wait_for()
        return watched

    return opened


def kept(page) -> dict:
    """What the page would export."""
    script = """async () => {
      const { src } = document.querySelector('script[src*="/live/"]');
      return (await import(new URL('store.js', src).href)).exported();
    }"""
    return json.loads(page.evaluate(script))


def test_a_question_is_compared_by_the_reader_with_keys_alone(reviewed):
    watched = reviewed({"dates": {QUESTION: {day(-5): "seen"}, HOSTILE: {day(-5): "wrong"}}})
    page = watched.page
    assert page.locator("#lm-due").inner_text() == "1 due today, about 1 min of 10 at most"
    assert STRIDES.questions[0][0] in page.locator("#lm-review").inner_text()
    field = page.get_by_label("Your answer")
    field.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator("#lm-review .lm-said[role]").inner_text() == "Your answer first, in a few words."
    page.keyboard.type(HOSTILE)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert STRIDES.questions[0][1] in page.locator(".lm-answer").inner_text()
    assert page.locator("#lm-review img").count() == 0 and watched.axe("article") == []
    watched.picture(page.locator("article"), "book_review_question")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Mine does not"
    page.keyboard.press("Enter")
    assert page.locator("#lm-due").inner_text() == "Nothing is due today."
    assert (
        kept(page)["dates"][QUESTION] == {day(-5): "seen", day(0): "wrong"}
        and HOSTILE not in kept(page)["dates"][QUESTION]
    )
    assert watched.wrong == []


def test_a_prediction_has_the_numbers_that_jupyterlab_asks_that_day(reviewed):
    key = "strides.predict.kept_alive"
    watched = reviewed({key: "wrong", "dates": {key: {day(-5): "wrong"}}})
    page = watched.page
    asked = again.asked("strides.kept_alive", progress.today())
    assert asked.text in page.locator("#lm-review").inner_text()
    field, said = page.get_by_label("Your answer"), page.locator("#lm-review .lm-said[role]")
    field.fill("a word")
    page.get_by_role("button", name="Answer").click()
    page.locator("#lm-review", has_text="A number is asked").wait_for(timeout=60_000)
    assert kept(page)["dates"][key] == {day(-5): "wrong"}
    field.fill(str(asked.answer))
    page.get_by_role("button", name="Answer").click()
    page.locator("#lm-review", has_text=asked.why).wait_for(timeout=60_000)
    assert said.inner_text() == f"It comes again on {day(3)}."
    assert kept(page)["dates"][key] == {day(-5): "wrong", day(0): "correct"}
    page.get_by_role("button", name="Next").click()
    assert page.locator("#lm-due").inner_text() == "Nothing is due today." and watched.wrong == []


def test_an_exercise_is_written_again_and_judged(reviewed):
    known = {"strides.offset": "correct", "float_formats.spacing_at": "correct", "axes.split_heads": "correct"}
    watched = reviewed(known | {"dates": {key: {day(-5): "wrong"} for key in known}})
    page = watched.page
    assert page.locator("#lm-due").inner_text().startswith("2 due today"), "PyTorch is not in a page"
    for name, key in (("float_formats", "spacing_at"), ("strides", "offset")):
        editor = page.locator("#lm-review .cm-content")
        editor.wait_for()
        assert "raise YourTurn" in editor.inner_text() and f"def {key}" in editor.inner_text()
        editor.click()
        page.keyboard.press("Control+A")
        page.keyboard.insert_text(f"{topic(name).solution(key)}\n{key} = check({key})")
        page.get_by_role("button", name="Check").click()
        page.locator("#lm-review", has_text="correct; the cells below use yours").wait_for(timeout=60_000)
        assert kept(page)["dates"][f"{name}.{key}"][day(0)] == "correct"
        assert watched.axe("article") == []
        page.get_by_role("button", name="Next").click()
    assert page.locator("#lm-due").inner_text() == "Nothing is due today." and watched.wrong == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_fits_a_phone_and_can_be_put_off_and_switched_off(reviewed, dark):
    keys = ["strides.offset", "strides.predict.kept_alive", "strides.predict.copies"]
    dates = {key: {day(-5 - k): "wrong"} for k, key in enumerate(keys)}
    watched = reviewed({"strides.offset": "correct", "dates": dates}, width=390, dark=dark)
    page = watched.page
    page.locator("#lm-review .cm-content").wait_for()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    watched.picture(page.locator("article"), f"book_review_phone_{'dark' if dark else 'light'}")
    assert watched.axe("article") == []
    page.get_by_role("button", name="Not now").click()
    assert page.evaluate("document.activeElement.textContent") == "Prediction from 03 strides"
    for button in page.locator("article .lm-button:visible").all():
        box = button.bounding_box()
        assert box["height"] >= 32 and box["x"] + box["width"] <= 390
    size = page.get_by_label("Your answer").evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
    assert size >= 16, "a phone zooms into smaller text when one types"
    page.get_by_role("button", name="Switch the review off").click()
    assert page.locator("#lm-due").inner_text() == "The review is switched off."
    page.reload()
    page.get_by_role("button", name="Switch the review on").click()
    assert page.locator("#lm-due").inner_text().startswith("3 due today")
    assert kept(page)["dates"] == dates and watched.wrong == []


def test_a_file_goes_to_jupyterlab_and_back_and_nothing_counts_twice(reviewed, tmp_path, monkeypatch):
    monkeypatch.setenv("LMCOURSE_DATA", str(tmp_path / "data"))
    key = "strides.predict.kept_alive"
    watched = reviewed({key: "wrong", "dates": {key: {day(-20): "wrong", day(-10): "correct"}}})
    page = watched.page
    page.goto(page.url.replace("review.html", "progress.html"))
    for _ in range(2):
        with page.expect_download() as download:
            page.get_by_role("button", name="Export").click()
        download.value.save_as(tmp_path / "there.json")
        progress.restore(tmp_path / "there.json")
    assert [item.key for item in reviewing.due()] == [key]
    assert progress.export() == (tmp_path / "there.json").read_text(encoding="utf-8")
    monkeypatch.setattr("lmcourse.exercises.cards.Card.show", lambda card: None)
    reviewing.review(key, again.asked("strides.kept_alive", progress.today()).answer)
    progress.export(tmp_path / "here.json")
    for _ in range(2):
        page.locator("input[type=file]").set_input_files(tmp_path / "here.json")
        page.locator(".lm-said", has_text="Taken in").wait_for()
    page.goto(page.url.replace("progress.html", "review.html"))
    page.locator("#lm-due", has_text="Nothing is due today.").wait_for()
    assert kept(page) == json.loads(progress.export())
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps({"dates": {"a.b": {HOSTILE: "correct"}}}), encoding="utf-8")
    page.goto(page.url.replace("review.html", "progress.html"))
    page.locator("input[type=file]").set_input_files(bad)
    page.locator(".lm-said", has_text="its dates cannot be read").wait_for()
    assert kept(page) == json.loads(progress.export()) and watched.wrong == []


def test_a_question_is_known_once_its_answer_was_compared(open_page):
    watched = open_page("03_strides.html")
    page = watched.page
    box = page.locator(".tag_lm-quiz")
    box.locator("textarea").first.fill("a record and a storage")
    box.locator("summary").first.click()
    page.wait_for_function(
        "key => localStorage.length && Object.values(localStorage).some(text => text.includes(key))", arg=QUESTION
    )
    assert kept(page)["dates"] == {QUESTION: {day(0): "seen"}} and watched.wrong == []


def test_in_jupyterlab_one_cell_asks_all_that_is_due(in_lab, tmp_path):
    prediction = "strides.predict.kept_alive"
    known = {prediction: "wrong", "dates": {prediction: {day(-5): "wrong"}, QUESTION: {day(-9): "seen"}}}
    (tmp_path / "progress.json").write_text(json.dumps(known), encoding="utf-8")
    code = (
        f"import os\nos.environ['LMCOURSE_DATA'] = {str(tmp_path)!r}\nfrom lmcourse.exercises import review\nreview()"
    )
    watched = in_lab(code, until="() => document.querySelectorAll('.jp-CodeCell').length === 2", timeout=90)
    page = watched.page
    cell, editor = page.locator(".jp-CodeCell").nth(1), page.locator(".jp-CodeCell").nth(1).locator(".cm-content")

    def run(wanted: str, source: str) -> None:
        """Run the cell with `source` in it, and wait until it holds what is wanted."""
        editor.click()
        page.keyboard.press("Control+A")
        page.keyboard.insert_text(source)
        page.keyboard.press("Control+Enter")
        editor.filter(has_text=wanted).wait_for(timeout=60_000)

    assert editor.inner_text() == f'review("{prediction}", None)  # your answer in place of None'
    asked = again.asked("strides.kept_alive", progress.today())
    run(QUESTION, f'review("{prediction}", {asked.answer})')
    assert "Right: " in cell.inner_text() and f"It comes again on {day(3)}." in cell.inner_text()
    run("right=None", f'review("{QUESTION}", "a storage, and a record")')
    assert STRIDES.questions[0][1] in cell.inner_text()
    watched.picture(page.locator(".jp-Notebook"), "review_in_jupyterlab")
    run("right=False", f'review("{QUESTION}", right=False)')
    cell.filter(has_text="Nothing is due today").wait_for(timeout=60_000)
    kept = json.loads((tmp_path / "progress.json").read_text(encoding="utf-8"))["dates"]
    assert kept[prediction][day(0)] == "correct" and kept[QUESTION][day(0)] == "wrong"
    assert page.locator(".jp-CodeCell").count() == 2 and watched.wrong == []
