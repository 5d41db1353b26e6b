"""A page that is played with for an hour is as heavy as after a minute. Run: python tests/gates.py thorough

What is compared is counted after forced garbage collections, between rounds of every control: elements (those taken off
the page but kept by somebody included), listeners, and bytes of the JS heap.
"""

import pytest

import lmcourse.widgets

pytestmark = pytest.mark.thorough
every_widget = pytest.mark.parametrize("name", lmcourse.widgets.widget_names())
WARM_UP = 32  # rounds before the first weighing: they pay for compiled code and caches
ROUNDS, SPANS = 4, 4  # so many rounds between two weighings
BYTES = 10_000  # of the heap that one round may leave behind: a round draws some sixty times

# One round: each button, each slider from end to end, each choice and box, and back; frames come without a wait.
PLAY = """async (rounds) => {
  const frame = () => new Promise((done) => setTimeout(done));
  const skip = /copy|share/i;  // the clipboard is not the page's
  for (let round = 0; round < rounds; round += 1) {
    for (let k = 0; k < 40; k += 1) {
      const button = [...document.querySelectorAll('.lmc button')].filter((b) => !skip.test(b.textContent))[k];
      if (!button) break;
      button.click();
      await frame();
    }
    for (const range of [...document.querySelectorAll('.lmc input[type=range]')].slice(0, 12)) {
      const first = range.value;
      for (const value of [range.max, range.min, first]) {
        range.value = value;
        range.dispatchEvent(new Event('input', { bubbles: true }));
        await frame();
      }
    }
    for (const select of [...document.querySelectorAll('.lmc select')].slice(0, 6)) {
      const first = select.value;
      for (const value of [...[...select.options].slice(0, 4).map((o) => o.value), first]) {
        select.value = value;
        select.dispatchEvent(new Event('change', { bubbles: true }));
        await frame();
      }
    }
    for (const box of [...document.querySelectorAll('.lmc input[type=checkbox]')].slice(0, 8)) {
      box.click(); await frame(); box.click(); await frame();
    }
    [...document.querySelectorAll('.lmc button')].find((b) => b.textContent === 'Reset')?.click();
    for (const play of document.querySelectorAll('.lmc button')) if (play.textContent === 'Pause') play.click();
    await frame();
  }
}"""
FAST_FRAMES = """
  window.requestAnimationFrame = (act) => setTimeout(() => act(performance.now()));
  window.cancelAnimationFrame = clearTimeout;
"""


class Weight:
    """What a page holds after its garbage is collected."""

    def __init__(self, page):
        self.cdp = page.context.new_cdp_session(page)
        for domain in ("Performance", "HeapProfiler"):
            self.cdp.send(f"{domain}.enable")

    def now(self) -> dict[str, float]:
        for _ in range(3):  # one collection may only find what the next can free
            self.cdp.send("HeapProfiler.collectGarbage")
        metrics = self.cdp.send("Performance.getMetrics")["metrics"]
        wanted = {"Nodes": "elements", "JSEventListeners": "listeners", "JSHeapUsedSize": "bytes"}
        return {wanted[each["name"]]: each["value"] for each in metrics if each["name"] in wanted}


@every_widget
def test_a_page_does_not_grow(name, kernel_free):
    """Every control, round after round: the least of the later weighings against the most of the earlier ones, since
    what a page holds may swing with what it shows, but may not climb."""
    watched = kernel_free(getattr(lmcourse.widgets, name).example(), still=True)
    page = watched.page
    page.evaluate(FAST_FRAMES)
    weight = Weight(page)
    weighed = []
    for rounds in [WARM_UP, *[ROUNDS] * SPANS]:
        page.evaluate(PLAY, rounds)
        weighed.append(weight.now())
    early, late = weighed[: 1 + SPANS // 2], weighed[1 + SPANS // 2 :]
    grown = {what: min(w[what] for w in late) - max(w[what] for w in early) for what in weighed[0]}
    print(f"{name}: {weighed[0]} grew by {grown}")
    assert grown["listeners"] < ROUNDS, weighed
    assert grown["elements"] < ROUNDS, weighed
    assert grown["bytes"] < ROUNDS * BYTES, weighed
    assert watched.wrong == []


@every_widget
def test_a_view_that_is_closed_leaves_nothing(name, kernel_free):
    """JupyterLab draws a view anew whenever its cell is run: each one closed gives all of its listeners back."""
    watched = kernel_free(getattr(lmcourse.widgets, name).example(), still=True)
    page = watched.page
    stem = getattr(lmcourse.widgets, name).stem
    open_and_close = """async ([stem, times]) => {
      const { Model } = await import(new URL('widgets/lib/hydrate.js', location.href));
      const widget = await import(new URL(`widgets/${stem}.js`, location.href));
      let listening = 0;
      class Counted extends Model {
        on(...given) { listening += 1; super.on(...given); }
        off(...given) { listening -= 1; super.off(...given); }
        send() {}
      }
      for (let k = 0; k < times; k += 1) {
        const el = document.createElement('div');
        document.body.append(el);
        const model = new Counted(JSON.parse(window.state));
        const close = await widget.default.render({ model, el });
        await new Promise((done) => setTimeout(done, 5));
        close?.();
        el.remove();
      }
      return listening;
    }"""
    state = getattr(lmcourse.widgets, name).example().state()
    page.evaluate("state => { window.state = JSON.stringify(state) }", state)
    weight = Weight(page)
    assert page.evaluate(open_and_close, [stem, 3]) == 0, "the model is still listened to"
    page.wait_for_timeout(600)  # a live region that speaks after a pause keeps its view that long
    before = weight.now()
    page.evaluate(open_and_close, [stem, 12])
    page.wait_for_timeout(600)
    after = weight.now()
    grown = {what: after[what] - before[what] for what in before}
    print(f"{name}: {before} grew by {grown}")
    assert grown["listeners"] < 12 and grown["elements"] < 12, grown
    assert watched.wrong == []
