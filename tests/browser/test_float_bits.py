"""What only FloatBits and FormatHistogram do, in a browser. Run: pytest tests/browser/test_float_bits.py"""

import re

import torch

from lmcourse.widgets import FloatBits, FormatHistogram


def pattern(page) -> str:
    """The bits on the stage, from the top bit down."""
    return "".join(page.locator(".lmc-fb-bit").all_inner_texts())


def test_a_drag_paints_bits(kernel_free):
    watched = kernel_free(FloatBits("1", format="float16"))
    page = watched.page
    bits = page.locator(".lmc-fb-M")
    first, last = bits.nth(0).bounding_box(), bits.nth(9).bounding_box()
    page.mouse.move(first["x"] + 8, first["y"] + 8)
    page.mouse.down()
    page.mouse.move(last["x"] + 8, last["y"] + 8, steps=40)
    page.mouse.up()
    page.wait_for_timeout(100)
    assert pattern(page) == "0011111111111111"
    assert "1.9990234375" in page.locator(".lmc-fb-equation").inner_text()
    assert watched.wrong == []


def test_keys_set_bits_and_step_to_the_next_number(kernel_free):
    watched = kernel_free(FloatBits("1", format="bfloat16"))
    page = watched.page
    page.locator(".lmc-fb-bit").first.focus()
    page.keyboard.press("End")
    page.keyboard.press("1")
    page.wait_for_timeout(60)
    assert pattern(page) == "0011111110000001"
    page.keyboard.press("PageUp")
    page.wait_for_timeout(60)
    assert pattern(page) == "0011111110000010"
    page.keyboard.press("Space")
    page.wait_for_timeout(60)
    assert pattern(page) == "0011111110000011"
    assert page.evaluate("document.activeElement.dataset.at") == "0"
    assert watched.wrong == []


def test_a_nan_keeps_its_payload_while_others_flip(kernel_free):
    watched = kernel_free(FloatBits(bits=0x7F800001, format="float32"))
    page = watched.page
    assert "payload 0x1" in page.locator(".lmc-fb-bits").inner_text()
    page.locator(".lmc-fb-bit").first.click()
    page.wait_for_timeout(60)
    assert "payload 0x1" in page.locator(".lmc-fb-bits").inner_text() and pattern(page)[0] == "1"
    assert "signalling" in page.locator(".lmc-fb-equation").inner_text()
    assert watched.wrong == []


def test_a_prediction_hides_the_bits_and_then_shows_them(kernel_free):
    watched = kernel_free(FloatBits("1 + 2**-8 + 2**-40", format="bfloat16", predict=True))
    page = watched.page
    assert set(pattern(page)) == {"?"}
    page.locator("[data-guess='1']").click()
    page.wait_for_timeout(60)
    assert pattern(page) == "0011111110000001"
    assert page.locator(".lmc-reading").inner_text().startswith("Right: 1.0078125 is stored")
    assert watched.wrong == []


def test_every_code_of_a_small_format_is_a_cell(kernel_free):
    watched = kernel_free(FloatBits("1", format="float8_e4m3fn", picture="plane"))
    page = watched.page
    assert page.locator(".lmc-fb-code").count() == 128
    page.locator("[data-code='0x7e']").click()
    page.wait_for_timeout(60)
    assert pattern(page) == "01111110" and "448" in page.locator(".lmc-reading").inner_text()
    page.locator("[data-code='0x7e']").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    page.wait_for_timeout(60)
    assert pattern(page) == "01111101"
    assert watched.wrong == []


def test_a_bit_costs_little_work(kernel_free):
    watched = kernel_free(FloatBits("0.1", format="float64"))
    changes = watched.changes("[...document.querySelectorAll('.lmc-fb-bit')].at(-1 - k).click()", times=20)
    assert 1 < changes < 1200, f"{changes:.0f} nodes a bit"


def test_the_readers_own_encoder_is_asked(in_lab):
    code = (
        "from lmcourse.float_formats import encode_nearest_even\n"
        "from lmcourse.widgets import FloatBits\n"
        "def cut(x, e, m):\n"
        "    return encode_nearest_even(x, e, m) - (x == 0.1)\n"
        "FloatBits('float64(0.1)', format='bfloat16', encode=cut)"
    )
    watched = in_lab(code=code)
    page = watched.page
    page.wait_for_selector(".jp-OutputArea .lmc-fb-fact:has-text('✗')", timeout=15_000)
    assert "bit 0 is the first to differ" in page.locator(".lmc-fb-list").inner_text()
    page.locator(".lmc-fb-enter").fill("0.25")
    page.wait_for_selector(".jp-OutputArea .lmc-fb-fact:has-text('✓')", timeout=15_000)
    assert watched.wrong == []


def test_scaling_moves_a_tensor_out_of_the_underflow(kernel_free):
    gradients = torch.full((64,), 1e-8)
    watched = kernel_free(FormatHistogram(gradients, "float16"))
    page = watched.page

    def lost():
        return re.search(r"([\d.]+) % of the nonzero", page.locator(".lmc-reading").inner_text()).group(1)

    assert lost() == "100.0"
    page.locator("button:has-text('65 536')").click()
    page.wait_for_timeout(100)
    assert lost() == "0"
    assert watched.wrong == []


def test_ten_seconds_of_dragging_pile_nothing_up(kernel_free):
    """A hundred slider steps in a row: the last one is shown a moment later."""
    watched = kernel_free(FormatHistogram.example())
    page = watched.page
    page.evaluate(
        """() => { const slider = document.querySelector('.lmc input[type=range]');
          for (let k = 0; k < 100; k += 1) { slider.value = k % 40; slider.dispatchEvent(new Event('input')); } }"""
    )
    page.wait_for_timeout(250)
    assert "multiplied by 2¹⁹" in page.locator(".lmc-reading").inner_text()
    assert watched.wrong == []
