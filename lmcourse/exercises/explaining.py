"""After a solved exercise: a question about one of its lines, whose answer opens once the reader has written something.

What was written is kept nowhere; that something was, is in progress. In a page of the book,
site/static/live/practice.js does the same.
"""

import html
import re

from lmcourse.exercises import progress


def ask(key: str, question: str, answer: str) -> None:
    """Show the question, a field and the answer's button below a card, where there is a page to show them in.

    `key` is the exercise's in progress: once it is there, the card itself holds question and answer (`is_done`).
    """
    from IPython.display import display

    box = form(key, question, answer)
    display(box._repr_mimebundle_() | {"text/plain": f"? {question}"}, raw=True)


def is_done(key: str) -> bool:
    """Whether the reader has compared an answer of their own before."""
    return progress.load().get(key) is not None


def form(key: str, question: str, answer: str):
    """The widgets: the answer is not in the page until it is asked for with something in the field."""
    from ipywidgets import HTML, Button, Layout, Textarea, VBox

    field = Textarea(placeholder="In a few words of your own", rows=2, layout=Layout(width="100%", max_width="60em"))
    button = Button(
        description="Compare with an answer", disabled=True, layout=Layout(width="auto", align_self="flex-start")
    )
    below = HTML()

    def typed(change: dict) -> None:
        button.disabled = not change["new"].strip()

    def compare(_: Button) -> None:
        below.value = f"<p>{as_html(answer)}</p>"
        progress.record(key, "correct")

    field.observe(typed, "value")
    button.on_click(compare)
    parts = [HTML(f"<p><b>?</b> {as_html(question)}</p>"), field, button, below]
    return VBox(parts, layout=Layout(border_left="4px solid #7a828e", padding="4px 16px", margin="4px 0"))


def as_html(words: str) -> str:
    """Words with `code` in them.

    >>> as_html("Why `a < b`?")
    'Why <code>a &lt; b</code>?'
    """
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(words, quote=False))
