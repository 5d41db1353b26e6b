"""TokenizerLens in a browser: what only it can do. Run: pytest tests/browser/test_tokenizer_lens.py"""

import pytest

from lmcourse.tokenization import (
    BPETokenizer,
    ByteTokenizer,
    CharacterTokenizer,
    WordTokenizer,
    real_encoding,
    train_bpe,
)
from lmcourse.widgets import TokenizerLens

MINE = BPETokenizer(*train_bpe("the cat the hat 你好 你好", 280, ["<|end|>"]), ["<|end|>"])
LANES = {"characters": CharacterTokenizer(), "bytes": ByteTokenizer(), "mine": MINE}


def reading(page) -> str:
    return page.locator(".lmc-reading").inner_text()


def lit(page) -> list[str]:
    return page.locator(".tl-tracks .lmc-lit").all_inner_texts()


def test_a_token_lights_its_bytes_in_every_lane(kernel_free):
    page = kernel_free(TokenizerLens("the 你", LANES), still=True).page
    page.locator(".tl-tracks button[aria-label*='characters token']", has_text="你").hover()
    page.wait_for_timeout(100)
    assert lit(page)[:4] == ["你", "E4", "BD", "A0"]
    detail = page.locator(".tl-detail").inner_text()
    assert "E4 BD A0" in detail and "20320" in detail and "228" in detail


def test_arrow_keys_do_the_same(kernel_free):
    page = kernel_free(TokenizerLens("hé", LANES), still=True).page
    page.locator(".tl-tracks button").first.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(100)
    assert lit(page)[:3] == ["é", "C3", "A9"]
    assert page.locator(".tl-tracks button[tabindex='0']").count() == 1


def test_injection_is_a_switch(kernel_free):
    page = kernel_free(TokenizerLens("the<|end|>cat", {"mine": MINE}), still=True).page
    assert "“mine” reads a special token" in reading(page)
    assert page.locator(".tl-special").count() == 1
    page.locator("select").last.select_option("none")
    page.wait_for_timeout(150)
    assert "ordinary text" in reading(page) and page.locator(".tl-special").count() == 0


def test_without_a_kernel_the_given_texts_work_and_a_new_one_is_explained(kernel_free):
    watched = kernel_free(TokenizerLens(["the cat", "你好"], {"words": WordTokenizer("the cat 你好")}), still=True)
    page = watched.page
    page.locator("select").first.select_option("1")
    page.wait_for_timeout(150)
    assert "6 bytes" in reading(page)
    page.locator(".lmc textarea").fill("something else")
    page.wait_for_timeout(150)
    assert "A new text needs Python" in reading(page)
    page.locator(".lmc textarea").fill("the cat")
    page.wait_for_timeout(150)
    assert "7 bytes" in reading(page)
    assert watched.wrong == []


def test_what_is_typed_is_tokenized_in_the_page(kernel_free):
    """By the tokenizers that it knows; a published one has its answers to the texts that the course asks for."""
    published = BPETokenizer({i: bytes([i]) for i in range(256)} | {256: b"st", 257: b"rr"}, None)
    watched = kernel_free(TokenizerLens("the cat", LANES | {"published": published}), still=True)
    page = watched.page

    def lane(name):
        return page.locator(f".tl-tracks button[aria-label*='{name} token']").all_inner_texts()

    page.locator(".lmc textarea").fill("the 你好<|end|>")
    mine = [MINE.decode_bytes([i]).decode().replace(" ", "␣") for i in MINE.encode("the 你好<|end|>")]
    assert lane("mine") == mine and len(lane("bytes")) == 17 and lane("published") == []
    assert "this text needs Python" in page.locator(".tl-summary").inner_text()
    assert "“mine” reads a special token" in reading(page)
    page.locator(".lmc textarea").fill("strawberry")
    assert lane("published") == ["st", "r", "a", "w", "b", "e", "rr", "y"] and len(lane("characters")) == 10
    assert "this text needs Python" not in page.locator(".tl-summary").inner_text()
    assert watched.wrong == []


@pytest.mark.parametrize("width", [1024, 390])
def test_nothing_moves_while_it_is_used(width, kernel_free):
    page = kernel_free(TokenizerLens.example(), width=width, still=True).page

    def height():
        return page.locator(".lmc").bounding_box()["height"]

    before = height()
    for token in page.locator(".tl-tracks button").all()[::9]:
        token.hover()
        assert height() == before, token.inner_text()
    for text in ("", "a", "the cat sat there " * 30, "你" * 90):
        page.locator(".lmc textarea").fill(text)
        assert height() == before, text[:20]
    page.locator("select").nth(1).select_option("ids")
    assert height() == before


def test_the_first_screen_holds_the_lanes_and_the_field(kernel_free):
    """In Show alone a screen of 1280 × 720 has 540 of the widget's pixels, below the bar and at 1.25."""
    page = kernel_free(TokenizerLens(["the 你好 " * 9, "b"], LANES | {"gone": None}), width=1024, still=True).page
    top = page.locator(".lmc").bounding_box()["y"]
    for part in (".tl-tracks", ".lmc textarea", ".lmc-reading"):
        box = page.locator(part).bounding_box()
        assert box["y"] + box["height"] - top <= 540, part
    assert page.locator(".lmc-controls :is(button, input, select, textarea):visible").count() <= 6


def test_a_bar_is_seen_to_move(kernel_free):
    page = kernel_free(TokenizerLens(["the cat the cat", "你"], LANES)).page
    moving = """async () => {
      const select = document.querySelector('.lmc select');
      select.value = '1';
      select.dispatchEvent(new Event('change'));
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      return document.getAnimations().filter((each) => each.effect.target.className.includes('tl-bar')).length;
    }"""
    assert page.evaluate(moving) >= 1


def test_cuts_of_some_lanes_are_not_said_to_be_of_all(kernel_free):
    page = kernel_free(TokenizerLens("the cat", LANES), still=True).page
    assert "one cut is common to all" in reading(page)
    page = kernel_free(TokenizerLens("xyz", LANES), still=True).page
    assert "all cut at the same 2 places" in reading(page)


def test_lanes_that_cannot_be_laid_out_are_words(kernel_free):
    lanes = {"words": WordTokenizer("the cat"), "gone": None, "bytes": ByteTokenizer()}
    page = kernel_free(TokenizerLens("the dog", lanes), still=True).page
    summary = page.locator(".tl-summary").inner_text()
    assert "do not join to the text again" in summary and "neither cached nor reachable" in summary
    assert page.locator(".tl-tracks button").count() == 7


def test_ids_are_shown_and_hostile_names_are_text(kernel_free):
    watched = kernel_free(TokenizerLens("<img src=x onerror=alert(1)>", {"<b>x</b>": MINE}, view="ids"), still=True)
    page = watched.page
    assert "<b>x</b>" in page.locator(".tl-summary").inner_text()
    assert page.locator(".tl-id").first.inner_text() == "60"
    assert page.locator(".lmc img").count() == 0 and watched.wrong == []


def test_twenty_thousand_characters(kernel_free):
    watched = kernel_free(TokenizerLens("the cat sat. " * 1600, {"mine": MINE}), still=True)
    page = watched.page
    assert "first 20 000 characters" in reading(page).replace("\u2009", " ")
    page.get_by_label("later text").click()
    page.wait_for_timeout(100)
    assert not page.locator(".lmc-pager span").inner_text().startswith("bytes 1 to")
    assert watched.wrong == []


def test_real_vocabularies(kernel_free):
    encoding = real_encoding("gpt2")
    if encoding is None:
        pytest.skip("tiktoken's gpt2 is neither cached nor reachable")
    watched = kernel_free(TokenizerLens("Hello, 🌍! 你好!", {"gpt2": encoding, "mine": MINE}), still=True)
    page = watched.page
    page.locator(".tl-tracks button[aria-label*='F0 9F']").first.hover()
    page.wait_for_timeout(100)
    assert "12520" in page.locator(".tl-detail").inner_text()
    watched.picture(page.locator(".lmc"), "TokenizerLens-real")
    assert watched.wrong == []


def test_the_kernel_tokenizes_what_you_type(in_lab):
    code = (
        "from lmcourse.widgets import TokenizerLens\nfrom lmcourse.tokenization import *\n"
        "TokenizerLens('the cat', {'bytes': ByteTokenizer(), 'mine': BPETokenizer(*train_bpe('the the', 257))})"
    )
    watched = in_lab(code)
    page = watched.page
    page.wait_for_selector(".jp-OutputArea .lmc .tl-summary", timeout=15_000)
    page.locator(".lmc textarea").fill("thé <img src=x>")
    page.wait_for_function("document.querySelector('.jp-OutputArea .lmc-reading').textContent.startsWith('16 bytes')")
    page.locator(".lmc textarea").evaluate(
        "e => { e.value = 'a\\ud83d'; e.dispatchEvent(new Event('input', { bubbles: true })); }"
    )
    page.wait_for_function("document.querySelector('.jp-OutputArea .lmc-reading').textContent.includes('surrogate')")
    assert watched.wrong == []
