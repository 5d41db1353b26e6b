"""What only FloatBits and FormatHistogram do, in a browser. Run: pytest tests/browser/test_float_bits.py"""

import re

import pytest
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


@pytest.mark.parametrize("width", [1024, 390])
def test_the_question_stands_where_the_answer_will_be(width, kernel_free):
    """On the first screen, and the answer moves nothing; the focus goes to the tab that says why."""
    page = kernel_free(FloatBits("257", format="bfloat16", predict=True), width=width, still=True).page
    reading_at = page.locator(".lmc-reading").bounding_box()["y"]
    top = page.locator(".lmc").bounding_box()["y"]
    buttons = page.locator("[data-guess]")
    assert buttons.last.bounding_box()["y"] - top < 540
    buttons.first.focus()
    page.keyboard.press("Enter")
    assert reading(page).startswith("Right")
    assert page.locator("[data-guess]:visible").count() == 0
    assert page.locator(".lmc-reading").bounding_box()["y"] == reading_at
    assert page.evaluate("document.activeElement.textContent") == "Rounding"


def test_float64_takes_the_room_of_the_others(kernel_free):
    """Its 64 bits are two rows of 32, each bit 24 pixels or more, and nothing below moves."""
    page = kernel_free(FloatBits("0.1", format="float64"), width=1024, still=True).page
    boxes = [bit.bounding_box() for bit in page.locator(".lmc-fb-bit").all()]
    assert len(boxes) == 64 and len({box["y"] for box in boxes}) == 2
    assert min(min(box["width"], box["height"]) for box in boxes) >= 24
    before = height(page)
    page.get_by_role("button", name="fp16", exact=True).click()
    assert height(page) == before


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


def reading(page) -> str:
    return page.locator(".lmc-reading").inner_text()


def height(page) -> float:
    return page.locator(".lmc").bounding_box()["height"]


@pytest.mark.parametrize("width", [1280, 390])
def test_the_height_stays_whatever_is_entered(width, kernel_free):
    """Infinity, NaN, nonsense and long numbers move nothing, and neither do bits, neighbours and the pointer."""
    page = kernel_free(FloatBits("0.1", format="float16"), width=width, still=True).page
    before = height(page)
    for text in ("nan", "1e999", "-1e999", "1 +", "", "1e-400", "1/3", "0", "max - 1", "1e300 / 7"):
        page.locator(".lmc-fb-enter").fill(text)
        assert height(page) == before, text
    for format in ("bf16", "fp32", "fp16"):
        page.get_by_role("button", name=format, exact=True).click()
        assert height(page) == before, format
    for at in (0, 1, 5, 15):
        page.locator(".lmc-fb-bit").nth(at).click()
        assert height(page) == before
    page.get_by_role("button", name="next number up").click()
    page.locator(".lmc-fb-bit").nth(3).hover()
    assert height(page) == before


def test_the_first_screen_holds_all_and_few_controls(kernel_free):
    """In Show alone a screen of 1280 × 720 has 540 of the widget's pixels, below the bar and at 1.25."""
    page = kernel_free(FloatBits("0.1", format="float16"), width=1024).page
    box = page.locator(".lmc-reading").bounding_box()
    assert box["y"] + box["height"] - page.locator(".lmc").bounding_box()["y"] < 540
    assert height(page) < 580
    assert page.locator(".lmc-controls :is(button, input, select):visible").count() <= 6
    assert page.locator(".lmc-fb-table tbody tr").count() == 4  # exact, fp16, bf16, fp32
    assert page.locator(".lmc-fb-picture").is_hidden()


def test_bits_stay_in_their_columns_when_the_format_changes(kernel_free):
    page = kernel_free(FloatBits("0.1", format="float16"), width=1024, still=True).page

    def left(field, place):
        cells = page.locator(f".lmc-fb-{field}")
        return cells.nth(place if place >= 0 else cells.count() + place).bounding_box()["x"]

    columns = [left("S", 0), left("E", -1), left("M", 0)]
    for format in ("bf16", "fp32"):
        page.get_by_role("button", name=format, exact=True).click()
        assert [left("S", 0), left("E", -1), left("M", 0)] == columns
    page.locator("select").first.select_option("float8_e5m2")
    assert [left("S", 0), left("E", -1), left("M", 0)] == columns


MARK = "Number(/translate\\(([-\\d.]+)/.exec(document.querySelector('.lmc-fb-mark').getAttribute('transform'))[1])"


def test_the_marker_slides_when_a_bit_flips(kernel_free):
    """The exponent's lowest bit doubles a number: in motion the marker is between the two places for a while."""
    flip = f"""async () => {{
      const mark = () => {MARK}, seen = [mark()], start = performance.now();
      document.querySelectorAll('.lmc-fb-E')[4].click();
      while (performance.now() - start < 400) {{
        await new Promise(requestAnimationFrame);
        seen.push(mark());
      }}
      return [...new Set(seen)];
    }}"""
    seen = kernel_free(FloatBits("2", format="float16"), width=1024).page.evaluate(flip)
    assert len(seen) > 4 and seen == sorted(seen), "it goes to the right, step by step"
    assert len(kernel_free(FloatBits("2", format="float16"), width=1024, still=True).page.evaluate(flip)) == 2


def test_a_bit_lights_its_column_of_digits(kernel_free):
    page = kernel_free(FloatBits("1.5", format="float16"), width=1024, still=True).page

    def lit():
        return page.locator(".lmc-fb-digits .lmc-lit").evaluate_all("all => all.map((e) => e.dataset.weight)")

    page.locator(".lmc-fb-M").nth(0).hover()
    assert lit() == ["-1"] * 4  # exact, fp16, bf16, fp32
    page.locator(".lmc-fb-E").nth(0).hover()
    assert lit() == []
    page.locator(".lmc-fb-M").nth(1).focus()
    assert lit() == ["-2"] * 4


def test_a_finger_taps_a_bit_and_does_not_paint(kernel_free):
    page = kernel_free(FloatBits("1", format="float16"), width=390, still=True).page
    assert page.locator(".lmc-fb-bit").first.evaluate("e => getComputedStyle(e).touchAction") == "manipulation"
    bit = page.locator(".lmc-fb-M").first
    bit.dispatch_event("pointerdown", {"pointerType": "touch", "button": 0, "bubbles": True})
    assert pattern(page) == "0011110000000000"
    bit.dispatch_event("click", {"detail": 1})
    assert pattern(page) == "0011111000000000"


def test_what_is_too_large_is_not_said_to_lack_a_sign(kernel_free):
    page = kernel_free(FloatBits("1e999", format="float16"), still=True).page
    assert reading(page) == "1 × 10⁹⁹⁹ is too large for float16: it becomes Inf."


def test_nobody_is_asked_to_predict_a_coin(kernel_free):
    page = kernel_free(FloatBits("0.1", format="bfloat16", predict=True), still=True).page
    assert page.locator("[data-guess]").count() == 2 and set(pattern(page)) == {"?"}
    page.locator(".lmc-fb-how select").first.select_option("stochastic")
    assert page.locator("[data-guess]").count() == 0 and "?" not in pattern(page)
    page.get_by_role("button", name="Toss again").click()
    assert page.locator(".lmc-reading[data-tone='']").count() == 1


def test_a_verdict_goes_when_what_it_judged_is_gone(kernel_free):
    page = kernel_free(FloatBits("257", format="bfloat16", predict=True), still=True).page
    page.locator("[data-guess='0']").click()
    assert reading(page).startswith("Right")
    page.locator(".lmc-fb-how select").first.select_option("up")
    assert "hidden until you have said" in reading(page) and set(pattern(page)) == {"?"}
    page.locator("[data-guess='0']").click()
    assert reading(page).startswith("Not quite")


def test_the_tabs_that_links_named_before_still_open(kernel_free):
    for picture, holds in (
        ("formats", ".lmc-fb-table tr"),
        ("plane", ".lmc-fb-planeplot"),
        ("rounding", ".lmc-fb-modes"),
    ):
        page = kernel_free(FloatBits("0.1", picture=picture), still=True).page
        assert page.locator(f".lmc-fb-picture {holds}").first.is_visible()
        page.locator("[role=tab][aria-selected=true]").click()
        assert page.locator(".lmc-fb-picture").is_hidden()
    assert page.locator(".lmc-fb-picture").is_hidden()


def test_the_table_of_e4m3fn_is_one_click_away(kernel_free):
    page = kernel_free(FloatBits("0.1", format="float16", picture="plane"), still=True).page
    page.get_by_role("button", name="Show e4m3fn’s table").click()
    assert page.locator(".lmc-fb-code").count() == 128


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
    watched = in_lab(code)
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


def shown_rows(page) -> list[str]:
    return page.locator(".lmc-fh-name:visible").all_inner_texts()


def test_four_formats_come_first_and_all_are_one_click_away(kernel_free):
    watched = kernel_free(FormatHistogram.example(), width=1024, still=True)
    page = watched.page
    assert shown_rows(page) == ["fp16", "bf16", "e5m2", "e4m3fn"]
    top = page.locator(".lmc").bounding_box()["y"]
    reading = page.locator(".lmc-reading").bounding_box()
    assert reading["y"] + reading["height"] - top < 540
    assert page.locator(".lmc-controls :is(button, input):visible").count() <= 6
    page.get_by_role("button", name="All 14 formats").click()
    assert len(shown_rows(page)) == 14
    page.locator(".lmc-fh-name", has_text="nvfp4").click()
    page.get_by_role("button", name="All 14 formats").click()
    assert shown_rows(page) == ["fp16", "bf16", "e5m2", "e4m3fn", "nvfp4"], "the chosen one stays"
    assert watched.wrong == []


def test_a_format_of_the_callers_is_in_view(kernel_free):
    page = kernel_free(FormatHistogram(torch.ones(4), "float32"), still=True).page
    assert shown_rows(page) == ["fp32", "fp16", "bf16", "e5m2", "e4m3fn"]


def test_the_words_of_a_block_format_are_not_overprinted(kernel_free):
    """At every scale the bars end above the words, wherever they lie."""
    page = kernel_free(FormatHistogram(torch.logspace(-30, 12, 2000), "mxfp4").at(more=True), still=True).page
    for scale in (-40, -20, 0, 20, 40):
        page.locator(".lmc input[type=range]").fill(str(scale))
        crossing = page.evaluate(
            """() => [...document.querySelectorAll('.lmc-fh-quiet')].filter((words) => {
              const a = words.getBoundingClientRect();
              return [...words.closest('svg').querySelectorAll('.lmc-fh-bar')].some((bar) => {
                const b = bar.getBoundingClientRect();
                return b.width && b.left < a.right && a.left < b.right && b.top < a.bottom - 2 && a.top + 2 < b.bottom;
              });
            }).length"""
        )
        assert crossing == 0, scale


@pytest.mark.parametrize("width", [1024, 390])
def test_scaling_and_choosing_move_nothing(width, kernel_free):
    page = kernel_free(FormatHistogram.example(), width=width, still=True).page
    before = height(page)
    for scale in (-40, 16, 40, 0):
        page.locator(".lmc input[type=range]").fill(str(scale))
        assert height(page) == before, scale
    for row in page.locator(".lmc-fh-name:visible").all():
        row.click()
        assert height(page) == before


def test_bars_are_seen_to_move_to_another_scale(kernel_free):
    act = """async () => {
      [...document.querySelectorAll('.lmc button')].find((b) => b.textContent.includes('65 536')).click();
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      return document.getAnimations().length;
    }"""
    assert kernel_free(FormatHistogram.example()).page.evaluate(act) == 4
    assert kernel_free(FormatHistogram.example(), still=True).page.evaluate(act) == 0
