"""A page's state may come from anywhere (a link, an edited file): it is drawn, explained or refused, and runs nothing.

Run: pytest tests/browser/test_hostile_state.py
"""

import importlib

import pytest

import lmcourse.widgets

hostile_traits = importlib.import_module("widgets.test_hostile_traits")
security = importlib.import_module("test_security")

SLOW = {"OptimizerPaths", "TrainingDashboard"}  # a state takes them long to draw
every_widget = pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.thorough if n in SLOW else ()) for n in lmcourse.widgets.widget_names()],
)

# Draw each state on a page of its own place; a widget that throws while it is drawn keeps its snapshot (hydrate.js).
DRAW = """async ([stem, states]) => {
  const { hydrate } = await import(new URL('widgets/lib/hydrate.js', location.href));
  const wrong = [];
  for (const [what, state] of states) {
    const place = document.createElement('div');
    place.dataset.lmWidget = stem;
    place.dataset.lmState = JSON.stringify(state);
    place.textContent = 'the snapshot';
    document.body.append(place);
    try { await hydrate(place); } catch (error) { if (!error.message) wrong.push(`${what}: an error without a word`); }
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    if (!place.textContent.trim()) wrong.push(`${what}: a blank`);
    if (place.querySelector('img, script, iframe, object, [onerror], [onload]')) wrong.push(`${what}: markup`);
    place.remove();
  }
  if (window.hacked) wrong.push('something ran');
  return wrong;
}"""


@every_widget
def test_hostile_text_everywhere_is_text(name, kernel_free):
    """Every text of the state is a piece of HTML that would run: none does, and no element of it is there."""
    widget = getattr(lmcourse.widgets, name).example()
    watched = kernel_free(widget, still=True)
    good = widget.state()
    states = [(trait, good | {trait: security.with_hostile_text(value)}) for trait, value in good.items()]
    states.append(("all", security.with_hostile_text(good)))
    assert watched.page.evaluate(DRAW, [widget.stem, states]) == []
    assert [line for line in watched.wrong if line.startswith("off-site:")] == []
    assert watched.page.evaluate("Boolean(window.hacked)") is False


@pytest.mark.thorough
@every_widget
def test_a_broken_state_leaves_no_blank(name, kernel_free):
    """One trait in turn is of the wrong kind, or broken inside."""
    widget = getattr(lmcourse.widgets, name).example()
    watched = kernel_free(widget, still=True)
    good = widget.state()
    states = []
    for trait, value in good.items():
        broken = hostile_traits.broken_states(value, f"browser {name}.{trait}")[:24]
        states += [(f"{trait}={str(bad)[:40]}", good | {trait: bad}) for bad in broken if "\ud800" not in str(bad)]
    assert watched.page.evaluate(DRAW, [widget.stem, states]) == []


def test_a_number_that_counts_loops_is_bounded(kernel_free):
    """A billion dimensions in "..." would be counted one by one: refused in words, and the snapshot stays."""
    widget = lmcourse.widgets.AxesExplorer("... d -> ...", operation="reduce")
    watched = kernel_free(widget, still=True)
    refused = """async ([stem, state]) => {
      const { hydrate } = await import(new URL('widgets/lib/hydrate.js', location.href));
      const place = document.createElement('div');
      Object.assign(place.dataset, { lmWidget: stem, lmState: JSON.stringify(state) });
      return hydrate(place).then(() => "drawn", (error) => error.message);
    }"""
    assert watched.page.evaluate(refused, [widget.stem, widget.state() | {"dots": 8}]) == "drawn"
    words = watched.page.evaluate(refused, [widget.stem, widget.state() | {"dots": 10**9}])
    assert words == "dots: a whole number from 0 to 8, got 1000000000"
