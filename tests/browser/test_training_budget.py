"""TrainingBudget in a browser, beyond what every widget must do. Run: pytest tests/browser/test_training_budget.py"""

from lmcourse.model import ModelConfig, TransformerLM
from lmcourse.widgets import TrainingBudget

TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
CODE = """
from lmcourse.model import ModelConfig, TransformerLM
from lmcourse.widgets import TrainingBudget
config = ModelConfig(vocab_size=500, context_length=128, d_model=64, num_layers=4, num_heads=4, d_ff=172)
TrainingBudget("Llama 3 8B", batch=4, mine=TransformerLM(config))
"""


def reading(page) -> str:
    return page.locator(".lmc-reading").first.inner_text()


def answer(page) -> str:
    return page.locator(".tb-sentence").first.inner_text()


def places(page) -> list[float]:
    """Where the needed memory and the card end on the bar, in its own units."""
    page.wait_for_timeout(350)
    need = page.locator(".tb-svg .tb-L rect").evaluate(
        "e => Number(e.getAttribute('x')) + Number(e.getAttribute('width'))"
    )
    return [need, page.locator(".tb-card-edge").evaluate("e => Number(e.getAttribute('width'))")]


def test_the_napkin_question_and_the_asterisk(kernel_free):
    watched = kernel_free(TrainingBudget("Llama 3 70B", devices=1024, tokens=15e12, mfu=0.5))
    page = watched.page
    assert "145.1 days" in answer(page) and "$7.13 million" in answer(page)
    page.get_by_role("button", name="All assumptions").click()
    page.get_by_label("believe the sparse figure").check()
    assert "72.5 days" in answer(page) and "145.1 days" in reading(page)
    page.get_by_role("button", name="Reset").click()
    page.evaluate(TWO_FRAMES)
    assert "145.1 days" in answer(page) and not page.get_by_label("believe the sparse figure").is_visible()
    assert watched.wrong == []


def test_three_switches_make_it_fit_and_the_bar_shrinks(kernel_free):
    watched = kernel_free(TrainingBudget.example())
    page = watched.page
    assert page.locator(".tb-switches button").count() == 3 and "does not fit" in reading(page)
    shares = []
    for name in ("Split", "Checkpoint", "Smaller"):
        need, card = places(page)
        shares.append(need / card)
        page.get_by_role("button", name=name).click()
    need, card = places(page)
    shares.append(need / card)
    assert shares == sorted(shares, reverse=True) and shares[0] > 40 and shares[-1] < 1
    assert "It fits" in reading(page) and page.locator(".tb-yield", has_text="would save").count() == 0
    assert watched.wrong == []


def test_what_a_switch_shrinks_lights_up_with_it(kernel_free):
    watched = kernel_free(TrainingBudget.example(), still=True)
    watched.page.get_by_role("button", name="Checkpoint").hover()
    assert watched.page.locator(".tb-lit text, li.tb-lit").count() == 2  # the bar's stretch and its name
    assert "activations" in watched.page.locator("li.tb-lit").inner_text()


def test_underlined_values_are_dragged_and_moved_by_keys(kernel_free):
    watched = kernel_free(TrainingBudget.example(), still=True)
    page = watched.page
    devices = page.get_by_role("slider", name="devices")
    box = devices.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 10, steps=4)
    page.mouse.up()
    assert "4\u2009096" in answer(page) and "36.3 days" in answer(page)
    devices.press("ArrowLeft")
    assert "2\u2009048" in answer(page) and "72.5 days" in answer(page)
    mfu = page.get_by_role("slider", name="MFU")
    mfu.press("End")
    assert "100 %" in answer(page) and "Nobody trains at" in reading(page)
    mfu.press("Home")
    page.get_by_label("model", exact=True).first.select_option("GPT-2")
    assert page.get_by_label("model", exact=True).first.input_value() == "GPT-2" and "It fits" in reading(page)
    assert watched.wrong == []


def test_the_height_stays_whatever_is_shown(kernel_free):
    watched = kernel_free(TrainingBudget.example(), still=True, width=1280)
    page = watched.page
    heights = set()
    for view in ("One step", "Five MFUs", "Budget turned round", "Does it fit?"):
        page.get_by_role("tab", name=view).click()
        heights.add(round(page.locator(".lmc").bounding_box()["height"]))
    for name in ("Split", "Checkpoint", "Smaller"):
        page.get_by_role("button", name=name).click()
        heights.add(round(page.locator(".lmc").bounding_box()["height"]))
    assert len(heights) == 1 and page.locator(".lmc-reading").bounding_box()["y"] < 640


def test_a_dragged_slider_is_answered_within_two_frames(kernel_free):
    watched = kernel_free(TrainingBudget("Llama 3 70B", picture="timeline").at(more=True), still=True)
    page = watched.page
    slider = page.locator("label", has_text="micro-batch").locator("input")
    seen = set()
    for value in range(0, 80, 8):
        slider.evaluate("(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }", value)
        page.evaluate(TWO_FRAMES)
        seen.add(page.locator(".tb-legend").inner_text())
    assert len(seen) == 10
    assert watched.wrong == []


def test_text_that_is_no_number_is_explained_and_changes_nothing(kernel_free):
    watched = kernel_free(TrainingBudget("GPT-2").at(more=True), still=True)
    page = watched.page
    before, tokens = answer(page), page.get_by_label("tokens, exactly")
    for text in ("", "many", "-1", "1e400", "<b>1</b>"):
        tokens.fill(text)
        page.evaluate(TWO_FRAMES)
        assert "tokens, exactly:" in reading(page) and answer(page) == before
    tokens.fill("1e12")
    page.evaluate(TWO_FRAMES)
    assert "exactly:" not in reading(page) and answer(page) != before
    assert watched.wrong == []


def test_a_link_of_the_first_version_still_opens(kernel_free):
    """Its state has all traits but those that came later."""
    watched = kernel_free(TrainingBudget("GPT-2"), still=True)
    old = TrainingBudget("Llama 3 8B", devices=64, picture="conventions").state()
    for later in ("more",):
        del old[later]
    words = watched.page.evaluate(
        """async (state) => {
          const { packState } = await import(new URL('widgets/lib/share.js', location.href));
          location.hash = `TrainingBudget=${await packState(state)}`;
          await new Promise((done) => setTimeout(done, 500));
          return document.querySelector('.lmc-note').textContent;
        }""",
        old,
    )
    assert "the state that the link holds" in words
    assert "Llama 3 8B" in watched.page.locator(".lmc-title").inner_text() and "by convention" in reading(watched.page)


def test_each_picture_says_what_it_shows(kernel_free):
    watched = kernel_free(TrainingBudget("GPT-2"))
    page = watched.page
    for name, words in {
        "Does it fit?": "It fits",
        "One step": "the peak is",
        "Five MFUs": "1.68 times as much, by convention alone",
        "Budget turned round": "parameters on",
    }.items():
        page.get_by_role("tab", name=name).click()
        page.evaluate(TWO_FRAMES)
        assert words in reading(page)
    assert watched.wrong == []


def test_it_weighs_a_step_of_the_readers_model(in_lab):
    watched = in_lab(CODE)
    page = watched.page
    page.get_by_role("button", name="All assumptions").click()
    page.get_by_role("button", name="Weigh a step of my model").click()
    page.wait_for_function("() => document.querySelector('.lmc-reading').textContent.includes('ratio')", timeout=30_000)
    assert 0.9 < float(reading(page).rsplit("ratio ", 1)[1].rstrip(".")) < 1.1
    assert watched.wrong == []


def test_without_a_kernel_there_is_no_button_that_does_nothing(kernel_free):
    config = ModelConfig(vocab_size=64, context_length=32, d_model=32, num_layers=2, num_heads=2, d_ff=64)
    watched = kernel_free(TrainingBudget("GPT-2", mine=TransformerLM(config)).at(more=True))
    assert watched.page.get_by_role("button", name="Weigh").count() == 0
    watched.page.get_by_label("model", exact=True).first.select_option("your model")
    assert "your model" in watched.page.locator(".lmc-title").inner_text()
