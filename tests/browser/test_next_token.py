"""NextToken as a reader uses it, the page or a kernel computing. Run: pytest tests/browser/test_next_token.py"""

import re

import pytest

from lmcourse.recorded import tales_model
from lmcourse.tokenization import ByteTokenizer
from lmcourse.widgets import NextToken
from lmcourse.widgets.merge_film import shown

STATE = "() => document.querySelector('[data-lm-widget]').state()"
CELLS = ".lmc .nt-text button"


def tales(text: str = "One morning, a", **how) -> NextToken:
    return NextToken(*tales_model(), text, **how)


def opened(kernel_free, widget, **options):
    """The page, and the files of models that it asked for."""
    watched = kernel_free(widget, still=True, **options)
    asked = []
    watched.page.on("request", lambda request: asked.append(request.url) if "models/" in request.url else None)
    return watched, watched.page, asked


def press(page, name: str) -> None:
    page.locator(".lmc-controls").get_by_role("button", name=name, exact=True).click()


def tab(page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def words(page) -> str:
    return page.locator(".lmc-reading").inner_text()


def grown(page, cells: int) -> None:
    page.wait_for_function(f"document.querySelectorAll('{CELLS}').length >= {cells}")


def computed(page) -> None:
    page.wait_for_function("!document.querySelector('.nt-late') && /may be drawn/.test(document.body.innerText)")


def test_the_model_comes_when_it_is_needed(kernel_free):
    watched, page, asked = opened(kernel_free, tales(seed=1))
    page.locator(".lmc-controls input[type=range]").first.press("ArrowRight")
    tab(page, "Attention")
    assert "Load the model" in page.locator(".lmc-stage").inner_text() and asked == []
    tab(page, "Next token")
    press(page, "Draw")
    grown(page, 5)
    computed(page)
    assert len(asked) == 1 and asked[0].endswith("/models/tales.safetensors")
    assert watched.wrong == []


def test_the_cut_is_pythons_and_a_draw_is_seeded(kernel_free):
    """What is struck out is what `sample_top_p` never draws; the same seed draws the same story twice."""
    watched, page, _ = opened(kernel_free, tales(temperature=0.8, top_p=0.9, seed=3))
    cut = page.locator(".nt-row.nt-cut").count()
    kept = page.locator(".nt-row:not(.nt-cut)").count()
    assert kept > 1 and cut > 1
    assert re.search(rf"{kept} of 1\W218 tokens may be drawn", words(page))
    assert "line-through" in page.locator(".nt-cut .lmc-tok").first.evaluate("e => getComputedStyle(e).textDecoration")
    stories = []
    for _ in range(2):
        for k in range(6):
            press(page, "Draw")
            grown(page, 5 + k)
            computed(page)
        state = page.evaluate(STATE)
        stories.append([node[1:] for node in state["tree"]])
        assert state["draws"] == 6 and all(0 <= node[3] < 1 for node in state["tree"][4:])
        page.get_by_role("button", name="Reset").click()
        computed(page)
    assert stories[0] == stories[1]
    assert watched.wrong == []


def test_roads_are_taken_and_gone_back(kernel_free):
    watched, page, _ = opened(kernel_free, tales())
    page.locator(".nt-row").nth(0).click()
    grown(page, 5)
    computed(page)
    page.locator(CELLS).nth(3).click()  # back to the beginning's end: what comes after it is pale
    computed(page)
    assert page.locator(f"{CELLS}.nt-later").count() == 1
    assert page.locator(".nt-row[aria-pressed=true]").count() == 1
    page.locator(".nt-row").nth(1).click()
    computed(page)
    tab(page, "Roads")
    assert page.locator(".nt-run").count() == 3 and "2 roads" in words(page)
    first = page.locator(".nt-run").nth(1)
    first.press("Enter")
    assert first.get_attribute("aria-pressed") == "true"
    state = page.evaluate(STATE)
    assert state["cursor"] == state["leaf"] == 4
    assert watched.wrong == []


def test_it_writes_until_the_story_ends_or_somebody_pauses(kernel_free):
    watched, page, _ = opened(kernel_free, tales(temperature=0.8, top_p=0.9, seed=1))
    press(page, "Write")
    grown(page, 12)
    press(page, "Pause")
    page.wait_for_timeout(200)
    count = page.locator(CELLS).count()
    page.wait_for_timeout(300)
    assert page.locator(CELLS).count() == count
    press(page, "Write")
    page.wait_for_function(
        "[...document.querySelectorAll('.lmc-controls button')].some((b) => b.textContent === 'Write')", timeout=30_000
    )
    text = "".join(node[2] for node in page.evaluate(STATE)["tree"])
    assert text.startswith("One morning, a") and (text.endswith("\n\n") or page.locator(CELLS).count() > 200)
    assert watched.wrong == []


def test_attention_marks_the_heads_that_find_the_same_again(kernel_free):
    watched, page, _ = opened(kernel_free, tales("One day, a kind cat named Tom met a shy fox named Mia. Tom"))
    tab(page, "Attention")
    press(page, "Load the model")
    page.wait_for_selector(".nt-tile .nt-weight[d]")
    model, _ = tales_model()
    tiles = page.locator(".nt-tile")
    assert tiles.count() == model.config.num_layers * model.config.num_heads
    heads = tales().answer({"attention": [node[1] for node in page.evaluate(STATE)["tree"]]})["heads"]
    tiles.nth(1).click()
    pieces = [node[2] for node in page.evaluate(STATE)["tree"]]
    most = max(range(len(pieces)), key=lambda k: heads[0][1][k])
    assert f"“{shown(pieces[most].encode('latin-1'))}”" in page.locator(".nt-caption:visible").inner_text()
    share = page.locator(CELLS).nth(most).evaluate("e => Number(e.style.getPropertyValue('--nt-share'))")
    assert share == pytest.approx(heads[0][1][most], abs=2e-3)
    assert re.search(r"heads? of 9 find the last “␣Tom” before", words(page))
    assert watched.wrong == []


def test_the_surprises_of_ones_own_text_are_the_models(kernel_free):
    watched, page, _ = opened(kernel_free, tales())
    tab(page, "Surprise")
    text = "One day, a kind cat named Tom ate the moon."
    page.get_by_label("Your text").fill(text)
    page.wait_for_function(f"document.querySelectorAll('{CELLS}').length > 8")
    want = tales().answer({"losses": text})
    order = sorted(range(1, len(want["losses"])), key=lambda k: -want["losses"][k])
    rows = page.locator(".nt-surprises tbody tr:visible")
    for row, k in zip(rows.all()[:3], order, strict=False):
        cells = row.locator("td").all_inner_texts()
        assert cells[0] == shown(want["pieces"][k].encode("latin-1"))
        assert float(cells[1]) == pytest.approx(want["losses"][k], abs=0.011)
    assert shown(want["pieces"][order[0]].encode("latin-1")) in words(page)
    assert watched.wrong == []


def test_a_beginning_of_ones_own(kernel_free):
    watched, page, _ = opened(kernel_free, tales())
    press(page, "More")
    field = page.get_by_label("Begin with")
    field.fill("")
    assert "a model goes on with a text" in words(page)
    field.fill("Once upon a time, 🐱")
    computed(page)
    tree = page.evaluate(STATE)["tree"]
    assert "".join(node[2] for node in tree).encode("latin-1").decode() == "Once upon a time, 🐱"
    assert [node[1] for node in tree] == tales_model()[1].encode("Once upon a time, 🐱")
    assert watched.wrong == []


def test_another_model_without_a_kernel_says_what_it_needs(kernel_free):
    """The first distribution is there; what comes after it is Python's to say."""

    def model(ids):
        import torch

        return torch.nn.functional.one_hot((ids + 1) % 256, 256) * 5.0

    watched, page, asked = opened(kernel_free, NextToken(model, ByteTokenizer(), "abc"))
    assert page.locator(".nt-row .lmc-tok").first.inner_text() == "d"
    page.locator(".nt-row").first.click()
    page.wait_for_function("/needs Python/.test(document.querySelector('.lmc-reading').innerText)")
    tab(page, "Attention")
    assert "this model is another one" in words(page)
    assert asked == [] and watched.wrong == []


def test_a_file_that_cannot_be_had_is_said(kernel_free):
    watched, page, _ = opened(kernel_free, tales())
    page.route("**/models/*", lambda route: route.fulfill(status=404))
    press(page, "Draw")
    page.wait_for_function("/404/.test(document.querySelector('.lmc-reading').innerText)")
    assert [line for line in watched.wrong if "404" not in line] == []


MINE = """import torch
from lmcourse.model import ModelConfig, TransformerLM
from lmcourse.tokenization import ByteTokenizer
from lmcourse.widgets import NextToken
torch.manual_seed(0)
model = TransformerLM(ModelConfig(256, 32, d_model=16, num_layers=2, num_heads=2, d_ff=32))
NextToken(model, ByteTokenizer(), "abc")"""


def test_with_a_kernel_any_model_goes_on(in_lab):
    watched = in_lab(MINE, still=True)
    page = watched.page
    page.wait_for_selector(".jp-OutputArea .lmc")
    for k in range(40):  # past the context of 32
        press(page, "Draw")
        grown(page, 4 + k)
        computed(page)
    tab(page, "Attention")
    page.wait_for_selector(".nt-tile .nt-weight[d]")
    assert page.locator(".nt-tile").count() == 4
    tab(page, "Surprise")
    page.get_by_label("Your text").fill("hello")
    page.wait_for_function(f"document.querySelectorAll('{CELLS}').length === 5")
    assert watched.wrong == []


@pytest.mark.parametrize("width", [1000, 600, 390])
def test_every_tab_has_the_same_height(width, kernel_free):
    watched, page, _ = opened(kernel_free, NextToken.example(), width=width)
    tall = "Math.round(document.querySelector('.lmc').getBoundingClientRect().height)"
    before = page.evaluate(tall)
    press(page, "Draw")
    grown(page, 7)
    computed(page)
    for name in ("Roads", "Attention", "Surprise", "Next token"):
        tab(page, name)
        page.wait_for_timeout(100)
        assert page.evaluate(tall) == before, name
    assert watched.wrong == []
