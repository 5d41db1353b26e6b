"""What only SignalScope can do. Run: pytest tests/browser/test_signal_scope.py"""

import pytest

from lmcourse.widgets import SignalScope


def drag(page, label, value):
    page.get_by_label(label, exact=True).evaluate(
        "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', { bubbles: true })); }", value
    )
    page.wait_for_timeout(100)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_view(kernel_free, dark):
    watched = kernel_free(SignalScope.example(), dark=dark)
    page, reading = watched.page, watched.page.locator(".lmc-reading")
    seen = set()
    for name in ("Magnitudes", "Truncation", "Residual stream", "First loss", "Your module", "Depth × width"):
        page.get_by_role("button", name=name).click()
        page.wait_for_timeout(100)
        seen.add(reading.inner_text())
        watched.picture(page.locator(".lmc"), f"SignalScope-{name.split()[0].lower()}-{'dark' if dark else 'light'}")
        assert watched.axe(".lmc") == []
    assert len(seen) == 6 and watched.wrong == []


def test_theory_follows_at_once_without_a_kernel(kernel_free):
    watched = kernel_free(SignalScope(scheme="lecun", activation="relu", depth=32), still=True)
    page, reading = watched.page, watched.page.locator(".lmc-reading")
    assert "dies" in reading.inner_text()
    drag(page, "Gain", 0.5)  # × √2: Kaiming's std
    assert "lives" in reading.inner_text() and "needs the kernel" in page.locator(".lmc-stage").inner_text()
    drag(page, "Gain", 1)
    assert "explodes" in reading.inner_text()


def test_the_lectures_slip(kernel_free):
    watched = kernel_free(SignalScope(view="truncation"), still=True)
    page, reading = watched.page, watched.page.locator(".lmc-reading")
    assert "384σ" in reading.inner_text() and "nothing is cut" in reading.inner_text()
    page.get_by_label("bound is absolute (torch), not in σ").click()
    page.wait_for_timeout(100)
    assert "0.9866σ" in reading.inner_text()


def test_the_kernel_measures_while_a_slider_is_dragged(in_lab):
    """Two hundred movements end in the right picture; nothing piles up."""
    watched = in_lab(code="from lmcourse.widgets import SignalScope\nSignalScope(scheme='lecun', activation='relu')")
    page = watched.page
    page.wait_for_selector(".lmc-signal", timeout=20_000)
    for label, state in {"Gain": (-1, "dies"), "Gain ": (0.5, "lives")}.items():
        value, word = state
        page.get_by_label(label.strip(), exact=True).evaluate(
            """async (e, end) => { for (let k = 0; k <= 200; k += 1) { e.value = end * k / 200;
               e.dispatchEvent(new Event('input', { bubbles: true })); await new Promise(r => setTimeout(r, 4)); } }""",
            value,
        )
        page.wait_for_function(
            f"""document.querySelector('.lmc-reading').textContent.includes('{word}')
                && !document.querySelector('.sig-legend').textContent.includes('pale')""",
            timeout=15_000,
        )
    assert watched.wrong == []
