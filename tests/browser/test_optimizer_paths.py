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
    box = page.locator(f'.lmc-op-handle[aria-label="{label}"]').bounding_box()
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
    assert "SGD walks the turned path exactly" in reading(page) and "away from its turned path" in reading(page)
    drag(page, "condition number", -6, -12)
    assert value_of(page, "condition number") < 20
    drag(page, "learning rate and momentum", 190, 80)
    assert "Momentum left the map" in reading(page)
    assert watched.wrong == []


def test_handles_are_moved_by_arrows_and_sliders_are_never_stuck(kernel_free):
    watched = kernel_free(OptimizerPaths(show=["SGD"]), still=True)
    page = watched.page
    page.locator('.lmc-op-handle[aria-label="rotation"]').focus()
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
        assert float(control.input_value()) > before + 0.03, f"{label} is stuck at {before}"
    assert watched.wrong == []


def test_a_dragged_slider_costs_little_work(kernel_free):
    """Seven optimizers of the default length."""
    from lmcourse.widgets.optimizer_paths import OPTIONS

    watched = kernel_free(OptimizerPaths(show=list(OPTIONS), ghost=True), still=True)
    changes = watched.changes(
        """const slider = [...document.querySelectorAll('.lmc input[type=range]')].find((e) => e.max === '90');
        slider.value = k;
        slider.dispatchEvent(new Event('input', { bubbles: true }))""",
        times=60,
    )
    assert 1 < changes < 230, f"{changes:.0f} nodes an update"
    assert watched.wrong == []


def test_the_readers_class_is_run_by_the_kernel_and_the_first_difference_is_marked(in_lab):
    watched = in_lab(code=FAULTY)
    page = watched.page
    page.wait_for_selector(".jp-OutputArea .lmc", timeout=15_000)
    assert "leaves the reference at step 1: exp_avg_sq along x" in reading(page)
    assert page.locator(".lmc-op-difference").count() == 1
    page.get_by_role("button", name="Go to the first difference").click()
    page.wait_for_function("document.querySelector('.lmc-stepper output').textContent.startsWith('1 of')")
    slider = page.get_by_label("β₁", exact=True)
    slider.focus()
    slider.press("Home")
    page.wait_for_function("document.querySelector('.lmc-reading').textContent.includes('exp_avg_sq')", timeout=15_000)
    assert page.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0
