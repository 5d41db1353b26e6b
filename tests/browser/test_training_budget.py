"""TrainingBudget in a browser, beyond what every widget must do. Run: pytest tests/browser/test_training_budget.py"""

from lmcourse.widgets import TrainingBudget

TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
CODE = """
from lmcourse.model import ModelConfig, TransformerLM
from lmcourse.widgets import TrainingBudget
config = ModelConfig(vocab_size=500, context_length=128, d_model=64, num_layers=4, num_heads=4, d_ff=172)
TrainingBudget(TransformerLM(config), batch=4)
"""


def reading(page) -> str:
    return page.locator(".lmc-reading").first.inner_text()


def cards(page) -> str:
    return page.locator(".tb-cards").first.inner_text()


def test_the_napkin_question_and_the_asterisk(kernel_free):
    watched = kernel_free(TrainingBudget("Llama 3 70B", devices=1024, tokens=15e12, mfu=0.5))
    page = watched.page
    assert "145.1 days" in cards(page) and "$7.13 million" in cards(page)
    page.get_by_label("believe the sparse figure").check()
    page.evaluate(TWO_FRAMES)
    assert "72.5 days" in cards(page) and "145.1 days" in reading(page)
    page.get_by_role("button", name="Reset").click()
    page.evaluate(TWO_FRAMES)
    assert "145.1 days" in cards(page)
    assert watched.wrong == []


def test_a_dragged_slider_is_answered_within_two_frames(kernel_free):
    watched = kernel_free(TrainingBudget("Llama 3 70B", picture="timeline"))
    page = watched.page
    slider = page.locator("label", has_text="micro-batch").locator("input")
    seen = set()
    for value in range(0, 80, 8):
        slider.evaluate("(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }", value)
        page.evaluate(TWO_FRAMES)
        seen.add(cards(page))
    assert len(seen) == 10
    assert watched.wrong == []


def test_text_that_is_no_number_is_explained_and_changes_nothing(kernel_free):
    watched = kernel_free(TrainingBudget("GPT-2"))
    page = watched.page
    before, tokens = cards(page), page.get_by_label("tokens", exact=True)
    for text in ("", "many", "-1", "1e400", "<b>1</b>"):
        tokens.fill(text)
        page.evaluate(TWO_FRAMES)
        assert "tokens:" in reading(page) and cards(page) == before
    tokens.fill("1e12")
    page.evaluate(TWO_FRAMES)
    assert "tokens:" not in reading(page) and cards(page) != before
    assert watched.wrong == []


def test_each_picture_says_what_it_shows(kernel_free):
    watched = kernel_free(TrainingBudget("GPT-2"))
    page = watched.page
    for name, words in {
        "Memory": "It fits",
        "One step": "the peak is",
        "Five MFUs": "1.68 times as much, by convention alone",
        "Budget turned round": "parameters on",
    }.items():
        page.get_by_role("button", name=name).click()
        page.evaluate(TWO_FRAMES)
        assert words in reading(page)
    assert watched.wrong == []


def test_it_weighs_a_step_of_the_readers_model(in_lab):
    watched = in_lab(code=CODE)
    page = watched.page
    page.get_by_role("button", name="Weigh a step of my model").click()
    page.wait_for_function("() => document.querySelector('.lmc-reading').textContent.includes('ratio')", timeout=30_000)
    assert 0.9 < float(reading(page).rsplit("ratio ", 1)[1].rstrip(".")) < 1.1
    assert watched.wrong == []


def test_without_a_kernel_there_is_no_button_that_does_nothing(kernel_free):
    assert kernel_free(TrainingBudget("GPT-2")).page.get_by_role("button", name="Weigh").count() == 0
