"""Figures have the course's look and words for who cannot see them. Run: pytest tests/support/test_plotting.py"""

import matplotlib
import pytest

matplotlib.use("agg")
import matplotlib.pyplot as plt

from lmcourse.support import plotting


def test_show_puts_the_alternative_text_on_the_image_and_closes(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: shown.append(bundle))
    fig, ax = plt.subplots()
    ax.plot([1, 2])
    plotting.show(fig, alt='a line <up> "fast"')
    assert 'alt="a line &lt;up&gt; &quot;fast&quot;"' in shown[0]["text/html"]
    assert shown[0]["text/plain"] == '[figure: a line <up> "fast"]'
    assert not plt.fignum_exists(fig.number)
    with pytest.raises(ValueError, match="alt: a sentence"):
        plotting.show(fig, alt=" ")


def test_lines_are_labelled_at_their_ends():
    fig, ax = plt.subplots()
    ax.plot([0, 1], [0, 5], label="ours")
    ax.plot([0, 1], [0, 5], label="_hidden")
    plotting.label_lines(ax)
    assert [text.get_text() for text in ax.texts] == ["ours"]
    plt.close(fig)
