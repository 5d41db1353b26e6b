"""Roofline in a browser, beyond what every widget must do. Run: pytest tests/browser/test_roofline.py"""

from lmcourse.widgets import Roofline

TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def row(page, name: str) -> str:
    return page.locator("tr", has_text=name).inner_text()


def move(page, label: str, value: int) -> None:
    slider = page.locator("label", has_text=label).locator("input")
    slider.evaluate("(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }", value)
    page.evaluate(TWO_FRAMES)


def test_a_dot_crosses_the_ridge_as_the_batch_grows(kernel_free):
    watched = kernel_free(Roofline("H100 SXM", batch=8))
    page = watched.page
    assert "memory" in row(page, "linear layer")
    move(page, "batch", 12)
    assert "arithmetic" in row(page, "linear layer") and "memory" in row(page, "ReLU")
    assert watched.wrong == []


def test_dots_are_one_tab_stop_and_arrows_choose(kernel_free):
    watched = kernel_free(Roofline("H100 SXM"))
    page = watched.page
    page.locator(".rl-dot[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    page.evaluate(TWO_FRAMES)
    assert page.locator(".lmc-reading").inner_text().startswith("square matmul:")
    assert page.evaluate("document.activeElement.dataset.name") == "square matmul"
    assert watched.wrong == []


def test_a_chip_without_the_format_gets_one_that_it_has(kernel_free):
    watched = kernel_free(Roofline("H100 SXM"))
    page = watched.page
    page.get_by_label("chip").select_option("V100 SXM2 16GB")
    page.evaluate(TWO_FRAMES)
    assert page.get_by_label("format").input_value() == "float16"
    assert "125 TFLOP/s" in page.locator("svg").text_content()
    assert watched.wrong == []


def test_it_opens_on_the_linear_layer_with_its_trail(kernel_free):
    watched = kernel_free(Roofline("H100 SXM", batch=8), width=1280)
    page = watched.page
    assert page.locator(".lmc-reading").inner_text().startswith("linear layer:")
    assert page.locator(".rl-walked").count() == 4 and page.locator(".rl-ahead").count() == 9
    dot = page.locator('.rl-dot[data-name="linear layer"] .rl-hit')
    before = float(dot.get_attribute("x"))
    move(page, "batch", 12)
    between = float(dot.get_attribute("x"))
    page.wait_for_timeout(400)
    after = float(dot.get_attribute("x"))
    assert before <= between < after, "the dot is seen to move"
    assert page.locator(".lmc-reading").bounding_box()["y"] < 500
    assert watched.wrong == []


def test_a_row_is_chosen_by_mouse_and_by_keys(kernel_free):
    watched = kernel_free(Roofline("H100 SXM"), still=True)
    page = watched.page
    page.locator("tr", has_text="GELU").locator("td").nth(2).click()
    assert page.locator(".lmc-reading").inner_text().startswith("GELU:")
    page.locator(".rl-choose[tabindex='0']").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    assert page.locator(".lmc-reading").inner_text().startswith("ReLU:")
    assert page.locator("tr.rl-row").count() == 1
    assert watched.wrong == []


def test_without_a_kernel_nothing_offers_to_measure(kernel_free):
    watched = kernel_free(Roofline("H100 SXM").at(more=True))
    assert watched.page.get_by_role("button", name="Measure").count() == 0
    assert watched.page.get_by_role("button", name="Time these").count() == 0


def test_it_times_the_operations_of_the_stage_and_measures_the_machine(in_lab):
    watched = in_lab("from lmcourse.widgets import Roofline\nRoofline('H100 SXM', batch=16, width=256)")
    page = watched.page
    page.get_by_role("button", name="More").click()
    page.get_by_role("button", name="Time these here").click()
    page.wait_for_function("() => document.querySelectorAll('.rl-reached').length === 6", timeout=30_000)
    page.get_by_role("button", name="Measure this machine").click()
    page.wait_for_selector(".rl-here", timeout=60_000)
    assert watched.wrong == []
