"""What only a browser can show of OptimizerPaths. Run: pytest tests/browser/test_optimizer_paths.py

The handles by mouse and by keyboard, a frame's time while a slider is dragged, and a faulty class run by a kernel.
"""

from lmcourse.widgets import OptimizerPaths

FAULTY = """
from lmcourse.optimizers import PlainAdamW
from lmcourse.widgets import OptimizerPaths

class AdamW(PlainAdamW):
    def update(self, param, grad, state, group):
        beta1, _ = group["betas"]
        super().update(param, grad, state, {**group, "betas": (beta1, beta1)})

OptimizerPaths(AdamW, rotation=20)
"""


def reading(page) -> str:
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return page.locator(".lmc .lmc-reading").inner_text()


def value_of(page, label: str) -> float:
    return float(page.locator(f'[aria-label="{label}"]').get_attribute("aria-valuenow"))


def drag(page, label: str, dx: float, dy: float) -> None:
    box = page.locator(f'.lmc-handle[aria-label="{label}"]').bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + dx, y + dy, steps=8)
    page.mouse.up()


def test_handles_are_dragged(kernel_free):
    watched = kernel_free(OptimizerPaths(ghost=True), still=True)
    page = watched.page
    before = reading(page)
    drag(page, "start", 60, 40)
    assert value_of(page, "start") > -1.5 and reading(page) != before
    drag(page, "rotation", -40, -110)
    assert 20 < value_of(page, "rotation") < 60
    assert "SGD and Momentum walk the turned path exactly, Adam is" in reading(page)
    drag(page, "condition number", -30, -40)
    assert value_of(page, "condition number") < 10
    assert watched.wrong == []


def test_the_map_of_momentum_its_dot_its_sliders_and_the_path_are_one(kernel_free):
    watched = kernel_free(OptimizerPaths(show=["SGD"]), still=True)
    page = watched.page
    assert page.get_by_role("tab", name="Momentum map").count() == 0
    page.locator(".lmc-op-tabs select").select_option("Momentum")
    assert page.get_by_role("tab", name="Momentum map").get_attribute("aria-selected") == "true"
    path = page.locator("path.lmc-op-dots.lmc-op-momentum")
    before = path.get_attribute("d")
    drag(page, "learning rate and momentum", 190, 80)
    assert "each bounce is wider than the last" in reading(page) and path.get_attribute("d") != before
    assert float(page.get_by_label("momentum β").input_value()) < 0.5
    page.get_by_label("momentum β").press("End")
    assert "0.99" in page.locator('.lmc-handle[aria-label="learning rate and momentum"]').get_attribute(
        "aria-valuetext"
    )
    page.locator(".lmc-op-tabs select").select_option("Adam")
    assert page.locator(".lmc-op-phase").count() == 0
    assert watched.wrong == []


def test_the_limit_snaps_and_can_be_left_by_keys(kernel_free):
    watched = kernel_free(OptimizerPaths(show=["SGD"], condition=20), still=True)
    page = watched.page
    lr = page.get_by_label("lr", exact=True)
    box = lr.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.5 * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.655 * box["width"], middle, steps=6)
    page.mouse.up()
    assert page.locator(".lmc-op-rate output").inner_text() == "0.1"
    assert "right at the limit it bounces for ever" in reading(page)
    for key, words in (("ArrowLeft", "and settles"), ("ArrowRight", "for ever"), ("ArrowRight", "wider than the last")):
        lr.press(key)
        assert words in reading(page)
    assert "2/λ = 0.1" in page.locator(".lmc-op-detent").inner_text()
    assert watched.wrong == []


def test_twelve_steps_play_on_arrival_and_none_where_no_motion_is_wanted(kernel_free):
    moving = kernel_free(OptimizerPaths(show=["SGD"]))
    path = moving.page.locator("path.lmc-op-dots.lmc-op-sgd")
    steps = "e => e.getAttribute('d').split('h0').length - 2"
    assert path.evaluate(steps) == 12  # the page has settled: the walk is over
    moving.page.locator(".lmc-op-tabs select").select_option("AdaGrad", timeout=5000)
    assert "Step 12: AdaGrad" in reading(moving.page)
    still = kernel_free(OptimizerPaths(show=["SGD"]), still=True)
    assert still.page.locator("path.lmc-op-dots.lmc-op-sgd").evaluate(steps) == 12
    assert moving.wrong == [] and still.wrong == []


def test_its_height_stays(kernel_free):
    watched = kernel_free(OptimizerPaths(show=["SGD"]), still=True, width=1280)
    page = watched.page
    heights = set()
    for name in ("Adam", "Momentum"):
        page.locator(".lmc-op-tabs select").select_option(name)
        for tab in page.get_by_role("tab").all():
            tab.click()
            heights.add(round(page.locator(".lmc").bounding_box()["height"]))
    page.get_by_label("lr", exact=True).press("End")
    heights.add(round(page.locator(".lmc").bounding_box()["height"]))
    assert len(heights) == 1 and page.locator(".lmc-reading").bounding_box()["y"] < 640


def test_handles_are_moved_by_arrows_and_sliders_are_never_stuck(kernel_free):
    watched = kernel_free(OptimizerPaths(show=["SGD"]).at(more=True), still=True)
    page = watched.page
    page.locator('.lmc-handle[aria-label="rotation"]').focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowUp")
    reading(page)
    assert value_of(page, "rotation") == 10
    for label in ("Condition number", "lr"):
        control = page.get_by_label(label, exact=True)
        before = float(control.input_value())
        control.focus()
        for _ in range(10):
            page.keyboard.press("ArrowRight")
            reading(page)
        step = float(control.get_attribute("step"))
        assert float(control.input_value()) > before + 6 * step, f"{label} is stuck at {before}"
    assert watched.wrong == []


def test_a_dragged_slider_costs_little_work(kernel_free):
    """Seven optimizers of the default length."""
    from lmcourse.widgets.optimizer_paths import OPTIONS

    watched = kernel_free(OptimizerPaths(show=list(OPTIONS), ghost=True).at(more=True), still=True)
    changes = watched.changes(
        """const slider = [...document.querySelectorAll('.lmc input[type=range]')].find((e) => e.max === '90');
        slider.value = k;
        slider.dispatchEvent(new Event('input', { bubbles: true }))""",
        times=60,
    )
    assert 1 < changes < 230, f"{changes:.0f} nodes an update"
    assert watched.wrong == []


def test_the_readers_class_is_run_by_the_kernel_and_the_first_difference_is_marked(in_lab):
    watched = in_lab(FAULTY)
    page = watched.page
    page.wait_for_selector(".jp-OutputArea .lmc", timeout=15_000)
    assert "leaves the reference at step 1: exp_avg_sq along x" in reading(page)
    assert page.locator(".lmc-op-difference").count() == 1
    page.get_by_role("button", name="Go to the first difference").click()
    page.wait_for_function("document.querySelector('.lmc-stepper output').textContent.startsWith('1 of')")
    page.get_by_role("tab", name="Inside").click()
    slider = page.get_by_label("β₁", exact=True)
    slider.focus()
    slider.press("Home")
    page.wait_for_function("document.querySelector('.lmc-reading').textContent.includes('exp_avg_sq')", timeout=15_000)
    assert page.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0
