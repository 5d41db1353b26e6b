"""The one card that exercises, predictions and quizzes are shown on: HTML, and the same in plain text.

Folded parts are `<details>` in a code cell's output: in a markdown cell several front ends show them open or broken.
All text is escaped here; nothing that a learner's code returns is ever read as HTML.
"""

import html
from dataclasses import dataclass

MARKS = {"todo": "○", "wrong": "✗", "correct": "✓", "quiz": "?"}
# One tone for both themes (3:1 on either ground); the mark and the words carry the meaning.
_EDGE = {"todo": "#7a828e", "wrong": "#d93025", "correct": "#0e9f6e", "quiz": "#7a828e"}
_LINES = ' style="white-space:pre-wrap"'


@dataclass(frozen=True)
class Card:
    """`rows` are aligned (label, text) pairs; `folds` are (summary, text, is_code), closed until clicked."""

    state: str
    headline: str
    lines: tuple[str, ...] = ()
    rows: tuple[tuple[str, str], ...] = ()
    folds: tuple[tuple[str, str, bool], ...] = ()
    plain_tail: str = ""

    def plain(self) -> str:
        """The card without its folded parts."""
        wide = max((len(label) for label, _ in self.rows), default=0)
        rows = [f"  {label:<{wide}}  {text.replace(chr(10), chr(10) + ' ' * (wide + 4))}" for label, text in self.rows]
        parts = [f"{MARKS[self.state]} {self.headline}", *self.lines, *rows, self.plain_tail]
        return "\n".join(part for part in parts if part)

    def html(self) -> str:
        """The card with its folded parts."""
        esc = html.escape
        parts = [f"<p><b>{MARKS[self.state]} {esc(self.headline)}</b></p>"]
        parts += [f"<p>{esc(line)}</p>" for line in self.lines]
        if self.rows:
            cells = "".join(
                f'<tr><th style="text-align:left">{esc(label)}</th>'
                f'<td style="text-align:left"><code{_LINES if chr(10) in text else ""}>{esc(text)}</code></td></tr>'
                for label, text in self.rows
            )
            parts.append(f"<table><tbody>{cells}</tbody></table>")
        for summary, text, is_code in self.folds:
            body = f"<pre><code>{esc(text)}</code></pre>" if is_code else f"<p>{esc(text)}</p>"
            parts.append(f"<details><summary>{esc(summary)}</summary>{body}</details>")
        style = f"border-left:4px solid {_EDGE[self.state]};padding:4px 16px"
        return f'<div style="{style}">' + "\n".join(parts) + "</div>"

    def show(self) -> None:
        """Display it in the notebook, or print it where there is none."""
        try:
            from IPython.display import display
        except ImportError:  # in a page
            print(self.plain())
        else:
            display({"text/plain": self.plain(), "text/html": self.html()}, raw=True)
