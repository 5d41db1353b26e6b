"""What the book's search looks through: one entry for each section of each page, in search.json beside the scripts.

Left out is what a reader does not look for, or must not find: the set-up, outputs, widgets, and all that is folded.
static/search.js reads it.
"""

import json
from pathlib import Path

from bs4 import BeautifulSoup, Tag

# Folded: answers, hints and solutions. `headerlink` is the sign behind a title.
LEFT_OUT = ".tag_setup, .cell_output, details, script, style, .solo, .math, .headerlink, .journey, .take, .needs"


def entries(page: str, text: str) -> list[list[str]]:
    """`[page, anchor, page's title, section's title, text]` for each section of a page, in its order.

    >>> page = "<article><section id='a'><h1>One</h1><p>x <b>y</b></p><section id='b'><h2>Two</h2>z</section></section>"
    >>> entries("one.html", page + "</article>")
    [['one.html', 'a', 'One', 'One', 'x y'], ['one.html', 'b', 'One', 'Two', 'z']]
    """
    article = BeautifulSoup(text, "html.parser").find("article")
    for part in article.select(LEFT_OUT):
        part.decompose()
    found, title = [], ""
    for section in article.find_all("section", id=True):
        heading = section.find(["h1", "h2", "h3", "h4"], recursive=False)
        words = heading.get_text(strip=False).strip() if heading else ""
        title = title or words
        found.append([page, section["id"], title, words, _own_text(section, heading)])
    return found


def _own_text(section: Tag, heading: Tag | None) -> str:
    """The text of a section without its title and without the sections in it, with single spaces."""
    apart = {id(heading)} | {id(inner) for inner in section.find_all("section", recursive=False)}
    parts = [child.get_text() for child in section.children if id(child) not in apart]
    return " ".join(" ".join(parts).split())


def write(folder: Path) -> None:
    """Write search.json for the pages of a built book."""
    pages = [path for path in sorted(folder.glob("*.html")) if path.stem != "search"]
    found = [entry for path in pages for entry in entries(path.name, path.read_text(encoding="utf-8"))]
    (folder / "_static" / "search.json").write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")
