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
        page.get_by_role("tab", name=name).click()
        page.wait_for_timeout(100)
        seen.add(reading.inner_text())
        watched.picture(page.locator(".lmc"), f"SignalScope-{name.split()[0].lower()}-{'dark' if dark else 'light'}")
        assert watched.axe(".lmc") == []
    assert len(seen) == 6 and watched.wrong == []


def test_its_height_stays(kernel_free):
    watched = kernel_free(SignalScope.example(), still=True, width=1280)
    page = watched.page
    heights = set()
    for tab in page.get_by_role("tab").all():
        tab.click()
        page.wait_for_function("!document.querySelector('.lmc[aria-busy]')")
        heights.add(round(page.locator(".lmc").bounding_box()["height"]))
    assert len(heights) == 1 and page.locator(".lmc-reading").bounding_box()["y"] < 560, heights


def cells(page, strip: int, row: int) -> list[str]:
    """The colours of a row of the forward (0) or backward (1) table."""
    return (
        page.locator(".sig-grid > svg")
        .nth(strip)
        .evaluate(
            "(svg, row) => [...svg.querySelectorAll('rect')].filter(e => Number(e.getAttribute('y')) === 20 * row"
            " && e.getAttribute('height') === '19').map(e => e.getAttribute('fill'))",
            row,
        )
    )


def test_every_row_follows_the_gain_without_a_kernel(kernel_free):
    """LeCun's weights die behind ReLUs; at × √2 they are Kaiming's, and the map turns white, not theory alone."""
    watched = kernel_free(SignalScope(scheme="lecun", activation="relu", depth=32), still=True)
    page, reading = watched.page, watched.page.locator(".lmc-reading")
    assert "dies" in reading.inner_text()
    before = [cells(page, 0, row) for row in range(5)]
    page.get_by_label("Gain", exact=True).evaluate(
        "e => { e.value = 0.5; e.dispatchEvent(new Event('input', { bubbles: true })); }"  # × √2: Kaiming's std
    )
    page.wait_for_function("!document.querySelector('.lmc[aria-busy]')")
    assert "lives" in reading.inner_text()

    def light(colour: str) -> int:
        return min(int(part) for part in colour[4:-1].split(","))

    for row in range(5):
        after = cells(page, 0, row)
        assert len(after) == 32 and after != before[row]
        assert light(after[-1]) > light(before[row][-1]) + 60, f"row {row} stays dark"
    drag(page, "Gain", 1)
    assert "explodes" in reading.inner_text()
    assert watched.wrong == []


def test_all_layers_are_measured_and_drawn(kernel_free):
    watched = kernel_free(SignalScope(activation="tanh", depth=32).at(more=True), still=True)
    page = watched.page
    drag(page, "Depth", 64)
    page.wait_for_function("!document.querySelector('.lmc[aria-busy]')")
    for row in range(5):
        assert len(cells(page, 0, row)) == 64 and "none" not in cells(page, 0, row)
    assert page.locator(".sig-wait").count() == 0 and "layer 64" in page.locator(".sig-grid svg").first.text_content()


def test_what_belongs_to_other_settings_disappears_at_once(kernel_free):
    watched = kernel_free(SignalScope(activation="gelu", depth=64), still=True)
    verdict, waiting = watched.page.get_by_label("Gain", exact=True).evaluate(
        """async (e) => {
          e.value = 0.4;
          e.dispatchEvent(new Event('input', { bubbles: true }));
          await new Promise(requestAnimationFrame);
          const root = document.querySelector('.lmc');
          return [root.querySelector('.lmc-reading').textContent, root.querySelectorAll('.sig-wait').length];
        }"""
    )
    assert verdict == "Measuring…" and waiting > 0


def test_the_residual_stream_is_a_curve_without_a_filled_ground(kernel_free):
    watched = kernel_free(SignalScope(view="stream"), still=True)
    fills = watched.page.locator(".sig-grid svg path").evaluate_all("all => all.map(e => getComputedStyle(e).fill)")
    assert fills == ["none"] * 3


def test_the_bound_of_a_truncation_walks_into_the_picture(kernel_free):
    watched = kernel_free(SignalScope(view="truncation"), still=True)
    page = watched.page
    assert "the bound lies at 384σ" in page.locator(".sig-grid svg").text_content()
    places = []
    for power in (6, 4, 3, 2):
        drag(page, "fan_in", power)
        lines = page.locator("path.sig-b")
        places.append(None if lines.count() == 0 else lines.nth(1).bounding_box()["x"])
    assert places[0] is None and None not in places[1:]
    assert watched.wrong == []


def test_the_lectures_slip(kernel_free):
    watched = kernel_free(SignalScope(view="truncation"), still=True)
    page, reading = watched.page, watched.page.locator(".lmc-reading")
    assert "384σ" in reading.inner_text() and "nothing is cut" in reading.inner_text()
    page.get_by_label("bound is absolute (torch), not in σ").click()
    page.wait_for_timeout(100)
    assert "0.9866σ" in reading.inner_text()


def test_it_drags_smoothly_and_its_own_module_is_measured_by_the_kernel(in_lab):
    """Two hundred movements end in the right picture; nothing piles up."""
    watched = in_lab(
        "import torch\nfrom torch import nn\nfrom lmcourse.widgets import SignalScope\n"
        "SignalScope(nn.Linear(8, 8), torch.randn(4, 8), scheme='lecun', activation='tanh', view='map')"
    )
    page = watched.page
    page.wait_for_selector(".lmc-signal", timeout=20_000)
    for end, word in ((-1, "dies"), (0.5, "lives")):
        page.get_by_label("Gain", exact=True).evaluate(
            """async (e, end) => { for (let k = 0; k <= 200; k += 1) { e.value = end * k / 200;
               e.dispatchEvent(new Event('input', { bubbles: true })); await new Promise(r => setTimeout(r, 4)); } }""",
            end,
        )
        page.wait_for_function(f"document.querySelector('.lmc-reading').textContent.includes('{word}')", timeout=15_000)
    page.get_by_role("tab", name="Your module").click()
    page.get_by_role("button", name="Measure again").click()
    page.wait_for_timeout(500)
    assert "The largest change" in page.locator(".lmc-reading").inner_text()
    assert watched.wrong == []
