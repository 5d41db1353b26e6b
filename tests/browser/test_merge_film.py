"""MergeFilm in a browser: what only it can do. Run: pytest tests/browser/test_merge_film.py"""

import pytest

from lmcourse.widgets import MergeFilm

HANDOUT = "low low low low low lower lower widest widest widest newest newest newest newest newest newest"


def words(count: int) -> str:
    """Text with the statistics of words, and nothing random about it."""
    stems = [
        "the", "sing", "walk", "quick", "end", "light", "form",
        "ness", "under", "over", "act", "ion", "ful", "est",
    ]  # fmt: skip
    made = [stems[i * i % 13] + stems[(i * 5 + i // 7) % 14] for i in range(count)]
    return " ".join(made)


def set_step(page, step: int) -> None:
    page.locator(".lmc-stepper input[type=range]").evaluate(
        """(e, v) => { e.value = v; e.dispatchEvent(new Event('input', { bubbles: true }));
          return new Promise((done) => requestAnimationFrame(() => setTimeout(done))); }""",
        step,
    )


def tokens(page) -> list[str]:
    return page.locator(".mf-tracks button").all_inner_texts()


def reading(page) -> str:
    return page.locator(".lmc-reading").inner_text()


def follows(page) -> None:
    """Wait until the film shows what was typed, under every rule: it is trained on between frames."""
    page.wait_for_selector(".lmc.mf[aria-busy=false]")


def type_text(page, text: str) -> None:
    """Train on another text: the fields are behind More."""
    if page.get_by_label("Train on").is_hidden():
        page.get_by_role("button", name="More: your text").click()
    page.get_by_label("Train on").fill(text)
    follows(page)


def shown(kernel_free, widget):
    """The page of a widget that is trained to the end."""
    page = kernel_free(widget, still=True).page
    follows(page)
    return page


def test_steps_by_button_and_by_key(kernel_free):
    page = shown(kernel_free, MergeFilm(HANDOUT, vocab_size=270))
    assert "Every token is one byte" in page.locator(".mf-headline").inner_text()
    page.get_by_label("step forward").click()
    headline = "Merge 1 s + t → st counted 9 id 256 tie of 2"
    assert page.locator(".mf-headline").inner_text().split() == headline.split()
    assert tokens(page).count("st") == 4  # of nine: two lines are in sight
    page.keyboard.press("ArrowRight")
    assert tokens(page).count("est") == 4
    page.keyboard.press("End")
    assert "became" in reading(page)
    page.keyboard.press("Home")
    assert len(tokens(page)) == page.locator(".mf-tracks .lmc-byte").count() == 59


def test_a_state_is_a_function_of_its_step(kernel_free):
    """Scrubbing to a step, from either side, gives the same stage."""
    page = shown(kernel_free, MergeFilm(HANDOUT, vocab_size=270))
    seen = {}
    for step in (5, 13, 0, 20, 5, 40, 13, 20, 0):
        set_step(page, step)
        text = page.locator(".lmc-stage").inner_text()
        assert seen.setdefault(step, text) == text


def test_the_tie_rule_changes_the_vocabulary_at_once(kernel_free):
    page = shown(kernel_free, MergeFilm(HANDOUT, vocab_size=262, step=6))

    def learned():
        return page.locator(".mf-vocab button").all_inner_texts()[::-1]

    assert learned()[:3] == ["st", "est", "ow"]
    page.get_by_role("button", name="More").click()
    page.get_by_role("button", name="first", exact=True).click()
    assert learned()[:3] == ["es", "est", "lo"]
    page.locator("select").first.select_option("smallest")
    assert learned()[0] == "es"
    rules = page.locator(".mf-rules").inner_text()
    assert "shown" in rules and "merge 1" in rules


def test_tracks_are_aligned_by_byte(kernel_free):
    """The emoji stands exactly above its four bytes, and a token that owns two of them exactly below these two."""
    page = shown(kernel_free, MergeFilm("🐱 🐱 🐱", vocab_size=258, tie="first", step=1))
    spans = page.evaluate(
        """() => [...document.querySelectorAll('.mf-tracks [data-from]')].map((e) => {
            const b = e.getBoundingClientRect();
            const kind = e.tagName === 'BUTTON' ? 'token' : e.className.includes('lmc-char') ? 'character' : 'byte';
            return { kind, from: +e.dataset.from, to: +e.dataset.to, left: b.left, right: b.right, top: b.top };
        })"""
    )
    byte = {s["from"]: s for s in spans if s["kind"] == "byte"}
    assert len(byte) == 14 and any(s["kind"] == "token" and s["to"] - s["from"] == 2 for s in spans)
    for span in spans:
        assert abs(span["left"] - byte[span["from"]]["left"]) <= 1.5
        assert abs(span["right"] - byte[span["to"] - 1]["right"]) <= 1.5
    cat = next(s for s in spans if s["kind"] == "character")
    assert (cat["from"], cat["to"]) == (0, 4) and cat["top"] < byte[0]["top"]


def test_a_token_tells_its_life(kernel_free):
    page = shown(kernel_free, MergeFilm(HANDOUT, vocab_size=270, step=2))
    page.locator(".mf-tracks button", has_text="est").first.click()
    life = page.locator(".mf-bio").inner_text()
    assert "merge 2, made in 9 places; now in 9 places" in life and "Later part of" in life
    assert page.locator(".mf-tree button").all_inner_texts() == ["est", "e", "st", "s", "t"]
    page.locator(".mf-vocab button").last.click()
    assert "scaffolding" in page.locator(".mf-bio").inner_text()


def test_any_text_can_be_typed(kernel_free):
    watched = kernel_free(MergeFilm(HANDOUT), still=True)
    page = watched.page
    page.evaluate("window.hacked = false")
    type_text(page, '<img src=x onerror="window.hacked=true"> שלום e\u0301 👨‍👩‍👧\x00\u202e\r\n')
    shown = page.locator(".mf-tracks").inner_text()
    assert "שׁ" in shown or "ש" in shown
    assert page.evaluate("window.hacked") is False and page.locator(".lmc img").count() == 0
    page.get_by_label("Train on").evaluate(
        "e => { e.value = 'low \\ud83d low'; e.dispatchEvent(new Event('input', { bubbles: true })); }"
    )
    page.wait_for_function("document.querySelector('.lmc-reading').textContent.includes('surrogate')")
    follows(page)
    assert "surrogate" in reading(page)
    type_text(page, "")
    assert "Type a text to train on" in reading(page)
    assert watched.wrong == []


def test_encoding_goes_by_rank(kernel_free):
    page = shown(kernel_free, MergeFilm("bc bc bc abc ab", vocab_size=258, tie="first", new_text="abc"))
    set_step(page, 3)
    assert "Now encode a text" in page.locator(".mf-headline").inner_text()
    assert "rank 0 fires" in reading(page)
    set_step(page, 4)
    assert tokens(page) == ["a", "bc"]


def test_guess_before_the_counts_are_shown(kernel_free):
    page = shown(kernel_free, MergeFilm("low low low lower est est", vocab_size=262, tie="first", guess=True))
    assert "?" in page.locator(".mf-race").inner_text() and page.locator(".mf-next").count() == 0
    page.get_by_label("this one: “s” + “t”").click()
    assert "counted 2 times; another pair is counted 4 times" in reading(page)
    beside = page.locator(".mf-row", has=page.locator(".mf-wrong"))
    words = " ".join(beside.inner_text().split())
    assert words == "s + t 2 ✗ not the most", "the verdict stands where the click was"
    page.get_by_label("this one: “l” + “o”").click()
    assert "Yes" in reading(page) and "Merge 1" in page.locator(".mf-headline").inner_text()
    assert page.locator(".mf-wrong").count() == 0, "it was of the step before"
    page.get_by_label("step back").click()
    page.get_by_label("step forward").click()
    assert "Yes" not in reading(page)


def test_the_first_screen_holds_the_player_and_what_it_moves(kernel_free):
    """In Show alone a screen of 1280 × 720 has 540 of the widget's pixels, below the bar and at 1.25."""
    own = MergeFilm(HANDOUT, vocab_size=268, train=lambda text, n: (_ for _ in ()).throw(ValueError("no")))
    for widget in (MergeFilm.example(), own):
        page = kernel_free(widget, width=1024, still=True).page
        follows(page)
        top = page.locator(".lmc").bounding_box()["y"]
        for part in (".mf-headline", ".lmc-stepper", ".mf-race", ".mf-tracks", ".lmc-reading"):
            box = page.locator(part).bounding_box()
            assert box["y"] + box["height"] - top <= 540, part
        order = [page.locator(part).bounding_box()["y"] for part in (".mf-headline", ".lmc-stepper", ".mf-time")]
        assert order == sorted(order), "the player stands under the headline"
        assert page.locator(".lmc-controls :is(button, input, select):visible").count() <= 5  # and the player
        assert page.locator(".mf-rules").is_hidden()


@pytest.mark.parametrize("width", [1024, 390])
def test_the_height_stays_while_it_plays(width, kernel_free):
    page = kernel_free(MergeFilm.example(), width=width, still=True).page
    follows(page)

    def height():
        return page.locator(".lmc").bounding_box()["height"]

    before = height()
    for step in (0, 1, 7, 20, 40, 41, 44, 60):
        set_step(page, step)
        assert height() == before, step
    for token in page.locator(".mf-vocab button").all()[:4]:
        token.click()
        assert height() == before


def test_a_finger_swipes_over_the_timeline_and_drags_its_hand(kernel_free):
    page = shown(kernel_free, MergeFilm(HANDOUT, vocab_size=270, step=7))
    touch = """([x, move]) => {
      const svg = document.querySelector('.mf-time'), box = svg.getBoundingClientRect();
      svg.setPointerCapture = () => { svg.held = true; };
      svg.hasPointerCapture = () => Boolean(svg.held);
      const hand = Number(document.querySelector('.mf-dot').getAttribute('cx'));
      const at = (px) => ({ pointerType: 'touch', pointerId: 1, bubbles: true, clientX: box.left + px });
      svg.dispatchEvent(new PointerEvent('pointerdown', at(hand + x)));
      svg.dispatchEvent(new PointerEvent('pointermove', at(hand + x + move)));
      svg.held = false;
    }"""
    page.evaluate(touch, [120, 40])
    page.wait_for_timeout(60)
    assert "Merge 7" in page.locator(".mf-headline").inner_text()
    page.evaluate(touch, [4, 60])
    page.wait_for_timeout(60)
    assert "Merge 7" not in page.locator(".mf-headline").inner_text()


def test_an_empty_text_has_no_dot(kernel_free):
    page = shown(kernel_free, MergeFilm("", vocab_size=260))
    assert page.locator(".mf-dot").is_hidden() and page.locator(".mf-value").is_hidden()
    type_text(page, "low low")
    assert page.locator(".mf-dot").is_visible()


def test_one_byte_is_one_token(kernel_free):
    page = shown(kernel_free, MergeFilm("a", vocab_size=260))
    assert reading(page).startswith("1 byte is 1 token")


def test_your_trainer_is_compared(kernel_free):
    from lmcourse.tokenization import train_bpe

    same = shown(kernel_free, MergeFilm(HANDOUT, vocab_size=266, train=lambda text, n: train_bpe(text, n)))
    same.wait_for_function("document.querySelector('.mf-verdict').textContent.includes('make the same')")
    other = MergeFilm(HANDOUT, vocab_size=266, train=lambda text, n: train_bpe(text, n, tie="first"))
    page = shown(kernel_free, other)
    page.wait_for_function("document.querySelector('.mf-verdict').textContent.includes('a tie, broken by “first”')")
    type_text(page, "another text, another text")
    assert "runs in Python" in page.locator(".mf-verdict").inner_text()

    def broken(text, n):
        raise ValueError("<b>no</b>")

    page = shown(kernel_free, MergeFilm(HANDOUT, train=broken))
    assert "ValueError: <b>no</b>" in page.locator(".mf-verdict").inner_text()


SET = "const set = (where, v) => { where.value = v; where.dispatchEvent(new Event('input', { bubbles: true })); };"
FORTH = """document.querySelector('[aria-label="step forward"]').click()"""
SCRUB = SET + "set(document.querySelector('.lmc-stepper input'), (k * 37) % 250)"
TYPE = SET + "const text = document.querySelector('textarea'); set(text, text.value + 'x y'[k % 3])"


@pytest.mark.parametrize("size", [2000, 19_900])
def test_a_control_touches_few_nodes_whatever_the_length(size, kernel_free):
    """Redrawing it would be more than 350 nodes: a step brings up to date what differs from the step before."""
    watched = kernel_free(MergeFilm(words(size // 8 + 9)[:size], vocab_size=512), still=True)
    page = watched.page
    follows(page)
    drawn = page.locator(".lmc *").count()
    assert drawn > 350
    assert 100 < watched.changes("document.querySelectorAll('.lmc-pager button')[(k + 1) % 2].click()", 10) < drawn
    step, jump = watched.changes(FORTH, 40), watched.changes(SCRUB, 40)
    assert 5 < step < drawn / 6
    assert jump < drawn / 1.5
    assert watched.changes("document.querySelector('.mf-tracks [data-from]').dispatchEvent(new PointerEvent("
                           "'pointerover', { bubbles: true }))", 5) < 8  # fmt: skip
    assert watched.changes("document.querySelectorAll('.mf-tracks button')[k].click()", 10) < drawn / 3
    assert watched.wrong == []


def test_a_frame_never_asks_for_the_layout_of_a_half_drawn_page(kernel_free):
    """Reading a size or a style between two changes makes the browser lay out twice; and a step is laid out once."""
    watched = kernel_free(MergeFilm(words(250), vocab_size=512), still=True)
    page = watched.page
    follows(page)
    page.evaluate(
        """() => {
          window.asked = [];
          const watch = (type, names) => {
            for (const name of names.split(' ')) {
              const own = Object.getOwnPropertyDescriptor(type, name), kind = own.get ? 'get' : 'value';
              const real = own[kind];
              own[kind] = function (...given) { window.asked.push(name); return real.apply(this, given); };
              Object.defineProperty(type, name, own);
            }
          };
          watch(HTMLElement.prototype, 'offsetWidth offsetHeight offsetTop offsetLeft innerText');
          watch(Element.prototype, 'clientWidth clientHeight scrollWidth scrollHeight scrollTop scrollLeft');
          watch(Element.prototype, 'getBoundingClientRect getClientRects scrollIntoView');
          watch(window, 'getComputedStyle');
        }"""
    )
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def layouts() -> int:
        return next(m["value"] for m in session.send("Performance.getMetrics")["metrics"] if m["name"] == "LayoutCount")

    before = layouts()
    for act in (FORTH, SCRUB, TYPE):
        watched.changes(act, 20)
    follows(page)
    assert page.evaluate("window.asked") == []
    assert layouts() - before < 2 * 60  # one in a step's frame, and one more where its work goes on in the next


def test_what_is_typed_answers_at_once_and_the_film_follows(kernel_free):
    """The frame of a key says that it trains and leaves the stage alone; the newest text replaces the one before."""
    watched = kernel_free(MergeFilm(words(2490)[:19_900], vocab_size=512, step=60), still=True)
    page = watched.page
    follows(page)
    said, touched = page.evaluate(
        """async () => {
          const text = document.querySelector('textarea'), stage = document.querySelector('.lmc-stage'), said = [];
          let count = 0, touched = null;
          const seen = new MutationObserver((records) => { count += records.length; });
          seen.observe(stage, { subtree: true, childList: true, attributes: true, characterData: true });
          for (let k = 0; k < 12; k += 1) {
            text.value = 'abc'[k % 3].repeat(2) + text.value;
            text.dispatchEvent(new Event('input', { bubbles: true }));
            await new Promise((done) => requestAnimationFrame(() => queueMicrotask(done)));
            said.push(document.querySelector('.lmc-reading').textContent.slice(0, 26));
            touched ??= count + seen.takeRecords().length;
          }
          seen.disconnect();
          return [said, touched];
        }"""
    )
    trains = "Training on what you typed"
    assert said[0] == trains and touched == 0
    assert said.count(trains) >= 10  # a quiet machine may be done before a frame that comes late
    follows(page)
    start = page.get_by_label("Train on").input_value()[:24]
    assert page.locator(".mf-tracks .lmc-char").all_inner_texts()[:24] == [c.replace(" ", "␣") for c in start]
    assert "Training" not in reading(page) and watched.wrong == []


def test_more_than_it_takes_is_said(kernel_free):
    watched = kernel_free(MergeFilm("low"), still=True)
    page = watched.page
    type_text(page, "日本語 " * 8000)
    assert "first 20 000 of 32 000 characters" in reading(page).replace("\u2009", " ")
    page.get_by_label("Then encode").fill("low " * 200)
    assert "first 300 of 800 characters are encoded" in reading(page)
    page.get_by_label("Train on").fill("ab" * 10_000)  # one pre-token
    follows(page)
    assert page.locator(".mf-tracks button").count() > 0
    assert watched.wrong == []


def test_the_kernel_runs_your_trainer_on_what_you_type(in_lab):
    code = (
        "from lmcourse.widgets import MergeFilm\nfrom lmcourse.tokenization import train_bpe\n"
        f"MergeFilm({HANDOUT!r}, vocab_size=266, train=lambda text, n: train_bpe(text, n, tie='first'))"
    )
    watched = in_lab(code)
    page = watched.page
    page.wait_for_selector(".jp-OutputArea .lmc .mf-verdict", timeout=15_000)
    type_text(page, "aaab ab aaab")
    page.wait_for_function("document.querySelector('.jp-OutputArea .mf-verdict').textContent.includes('make the same')")
    type_text(page, "st es st es")
    page.wait_for_function("document.querySelector('.jp-OutputArea .mf-verdict').textContent.includes('differs')")
    assert watched.wrong == []
