"""Figures of notebook 01: what is counted or timed there, drawn. Every number comes from the caller."""

from collections.abc import Callable, Mapping, Sequence

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from lmcourse.support import corpus
from lmcourse.support.plotting import BLUE, GREY, ORANGE, headline


def bars(values: Mapping[str, float], title: str, unit: str) -> Figure:
    """A horizontal bar for each name, on a logarithmic axis, with its value in words beside it.

    >>> type(bars({"yours": 2.0, "theirs": 0.01}, "Theirs is faster", "seconds")).__name__
    'Figure'
    """
    fig, ax = plt.subplots(figsize=(6.4, 0.8 + 0.45 * len(values)))
    drawn = ax.barh(list(values), list(values.values()), color=BLUE, height=0.6)
    ax.bar_label(drawn, [f"{value:.3g} {unit}" for value in values.values()], padding=4)
    ax.invert_yaxis()
    ax.set(xscale="log", xlabel=f"{unit} (log)", title=title)
    ax.set_xlim(min(values.values()) / 3, max(values.values()) * 6)
    ax.grid(axis="y", visible=False)
    return fig


def work(recount: Sequence[int], incremental: Sequence[int]) -> Figure:
    """Pairs looked at in each merge, by counting everything anew and by visiting what changed.

    >>> type(work([21, 18, 15], [11, 8, 10])).__name__
    'Figure'
    """
    fig, ax = plt.subplots()
    ax.semilogy(recount)
    ax.semilogy(incremental, ".", markersize=3)
    middle = len(recount) // 2
    ax.text(middle, max(recount) * 1.4, "counting everything anew", color=BLUE)
    ax.text(middle, max(incremental[middle:]) * 1.5, "only the words that changed", color=ORANGE)
    ax.set(xlabel="merge", ylabel="pairs looked at (log)", ylim=(0.4, max(recount) * 3))
    ax.set_title(f"Counting anew looks at {sum(recount) / sum(incremental):.0f} times as many pairs")
    return fig


def who_pays(encoders: Mapping[str, Callable[[str], list[int]]]) -> Figure:
    """One sentence in 17 languages: its tokens with each encoder, and how many times as many as in English.

    >>> type(who_pays({"bytes": lambda text: list(text.encode())})).__name__
    'Figure'
    """
    sentences = {name: corpus.samples()[name] for name in corpus.LANGUAGES}
    fig, (left, right) = plt.subplots(1, 2, figsize=(8.4, 5.2), sharey=True)
    for (name, encoder), marker in zip(encoders.items(), "xso^d"):
        tokens = [len(encoder(text)) for text in sentences.values()]
        left.plot(tokens, list(sentences), marker, label=name, markersize=6)
        right.plot([count / tokens[0] for count in tokens], list(sentences), marker, markersize=6)
    right.axvline(1, color=GREY, linewidth=1)
    left.invert_yaxis()
    for ax in (left, right):
        ax.grid(axis="y", alpha=0.5)
    left.set(xlabel="tokens per sentence", xlim=(0, None))
    right.set(xlabel="times as many as in English", xlim=(0, None))
    fig.legend(loc="outside lower center", ncols=len(encoders))
    headline(fig, "The same sentence costs most languages more")
    return fig
