"""Build the book: `python site/build.py [OUT]`, by default into build/site.

It gathers what the book is made of into build/book (the notebooks as they were executed, README's promise, the guides,
the widgets' JS and CSS, MathJax, an editor and Python) and runs Sphinx over that. Nothing is fetched but what
package-lock.json pins, once, by npm; without npm the book is built without exercises and formulas that live. The lines
of docs/classroom.md that prepare a widget are run, for the teacher's page.

Not done here: publishing. The result is a folder of files that any static host can serve, under any path.
"""

import ast
import html
import json
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from sphinx.cmd.build import main as sphinx

SITE = Path(__file__).resolve().parent
ROOT = SITE.parent
sys.path += [str(ROOT / "docs"), str(SITE)]
import find  # noqa: E402
import glossary  # noqa: E402
import live  # noqa: E402
import seal  # noqa: E402

from lmcourse.recorded import RECORDED, tales_model  # noqa: E402
from lmcourse.widgets import NextToken, ParsonsRung  # noqa: E402

BOOK = Path(os.environ.setdefault("LMCOURSE_BOOK_SOURCE", str(ROOT / "build" / "book")))  # conf.py reads it too
TRY = "FloatBits"  # the widget on the first page
FENCE = "`" * 8  # longer than any that a snapshot holds
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
STAGES = re.compile(r"^(?:\*\*)?text(?:\*\*)? → .*$", re.MULTILINE)
# What only a notebook with its kernel can do, in the words that the notebooks use for it; marked so in the book.
KERNEL = re.compile(
    r"[Ww]ith a kernel|[Ii]n a running notebook|in a cell of your own|[Rr]un (?:it|the cell) again"
    r"|[Rr]un (?:one of them|both cells|the last two cells|the cells of)\b"
    r"|[Cc]hoose \*(?:Kernel|Edit)\*|the square ■|[Tt]rain on a text of your own|[Tt]ake a network of your own"
    r"|[Pp]ut a sentence of your own|Before its cell has run"
)
WITHOUT = "\n**This copy of the book was built without npm: its exercises do not run here.** Take the notebooks.\n"
NEEDS = '<span class="needs">In the notebook</span> '
WIDGET = re.compile(r'<div data-lm-widget="(\w+)" data-lm-state="([^"]*)">')


@dataclass
class Page:
    """A source of the repository and the page that it becomes."""

    path: Path
    name: str
    title: str = ""
    stages: tuple[str, ...] = ()


def pages() -> list[Page]:
    """What the book is made of, in reading order; a notebook or guide that is there is in it."""
    found = []
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        first = nbformat.read(path, as_version=4).cells[0].source
        strip = STAGES.search(first)
        lit = re.findall(r"\*\*(.+?)\*\*", strip[0]) if strip else []
        found.append(Page(path, path.stem, re.match(r"# ([^:\n]*)", first)[1].strip(), tuple(lit)))
    for path in [*sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md"]:
        if path.exists():
            title = re.search(r"^# (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)[1]
            found.append(Page(path, path.stem.lower(), title))
    return found


def relink(text: str, folder: Path, names: dict[Path, str]) -> str:
    """Links between files become links between pages; a link to a file that is no page, or a picture from
    elsewhere, becomes its words."""

    def place(match: re.Match) -> str:
        picture, words, target = match.groups()
        if re.match(r"[a-z]+:", target) and not picture:
            return match[0]
        target, _, anchor = target.partition("#")
        path = (folder / target).resolve() if target else None
        if path in names:
            return f"[{words}]({names[path]}{'#' * bool(anchor)}{anchor})"
        if picture and path and path.is_relative_to(ROOT) and path.is_file():
            (BOOK / "_pictures").mkdir(exist_ok=True)
            shutil.copy(path, BOOK / "_pictures")
            return f"![{words}](_pictures/{path.name})"
        return match[0] if not target else words

    return LINK.sub(place, text)


def journey(strip: str, here: Page | None, notebooks: list[Page]) -> str:
    """The strip of a notebook as a list: its own stages lit, all with links to the other notebooks about them."""
    items = []
    for stage in strip.replace("**", "").split(" → "):
        there = [page for page in notebooks if stage in page.stages]
        links = " ".join(
            f'<a href="{page.name}.html" aria-label="{html.escape(page.title)}">{page.name[:2]}</a>'
            for page in there
            if page is not here
        )
        lit = ' class="lit" aria-current="step"' if here and stage in here.stages else ""
        items.append(f"<li{lit}><span>{html.escape(stage)}</span>{links and f'<small>{links}</small>'}</li>")
    return f'<ol class="journey" aria-label="The way from a text to a training step">{"".join(items)}</ol>'


def with_meanings(cells: list) -> None:
    """The bold first use of each term becomes a link to the glossary that shows the term's sentence on hover."""
    for term in glossary.read():
        bold = re.compile(rf"\*\*({term.pattern.pattern})\*\*", term.pattern.flags)
        cell = next((cell for cell in cells if cell.cell_type == "markdown" and bold.search(cell.source)), None)
        if cell is not None:
            meaning = html.escape(term.meaning)
            link = f'<a class="term" href="glossary.html#{term.anchor}" title="{meaning}">\\1</a>'
            cell.source = bold.sub(link, cell.source, count=1)


def with_needs(text: str) -> str:
    """Paragraphs and items that need the notebook begin with a mark that says so.

    >>> with_needs("1. Look.\\n2. Run it again.").splitlines()[1]
    '2. <span class="needs">In the notebook</span> Run it again.'
    """
    mark = lambda line: re.sub(r"^(\s*(?:\d+\.|-) )?", rf"\1{NEEDS}", line, count=1)  # noqa: E731
    return "\n".join(mark(line) if KERNEL.search(line) else line for line in text.split("\n"))


def glossary_page(text: str) -> str:
    """The glossary with a place to link to at each term."""
    for term in glossary.read():
        start = f"- **{term.forms[0]}**"
        text = text.replace(f"{start}", f'- <span id="{term.anchor}"></span>**{term.forms[0]}**', 1)
    return text


def elsewhere(page: Page) -> str:
    """Where an exercise that no page can run is done."""
    file, repository = page.path.name, os.environ.get("GITHUB_REPOSITORY", "")
    binder = colab = "classroom.html#when-a-class-outgrows-one-laptop"
    if re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        binder = f"https://mybinder.org/v2/gh/{repository}/HEAD?labpath=notebooks/{file}"
        colab = f"https://colab.research.google.com/github/{repository}/blob/main/notebooks/{file}"
    return (
        '<p class="elsewhere">This exercise needs PyTorch or NumPy, which a page does not have. Do it in the notebook: '
        f'<a href="notebooks/{file}" download>Open in JupyterLab</a> · <a href="{binder}">Binder</a> · '
        f'<a href="{colab}">Colab</a></p>'
    )


def gather_notebook(page: Page, notebooks: list[Page], names: dict[Path, str], found: dict) -> None:
    """Copy a notebook as the book shows it: its set-up and the answers to its predictions are folded, and cells have
    the tags by which what runs of them is made live."""
    notebook = nbformat.read(page.path, as_version=4)
    topic_name, words = live.cells_of(page.path)["topic"], []
    for k, cell in enumerate(notebook.cells):
        tags = cell.metadata.setdefault("tags", [])
        if cell.cell_type == "code":
            tags += live.tags_of(cell, topic_name, found) if found else []
        if "exercise" in tags:
            name = live.described(cell)["name"]
            above = next(each for each in reversed(notebook.cells[:k]) if each.cell_type == "markdown")
            above.source += f'\n\n<span id="do-{name}"></span>'
            words += [] if "lm-check" in tags else [k + 1]
        if cell.cell_type == "markdown":
            cell.source = with_needs(relink(cell.source, page.path.parent, names))
        elif "setup" in tags:
            tags.append("hide-cell")
            cell.metadata["mystnb"] = {"code_prompt_show": "Show the set-up", "code_prompt_hide": "Hide the set-up"}
        elif "proof" in tags:
            tags.append("hide-input")
            cell.metadata["mystnb"] = {"code_prompt_show": "Show the proof", "code_prompt_hide": "Hide the proof"}
        elif cell.metadata.get("jupyter", {}).get("outputs_hidden"):
            tags.append("hide-output")
            cell.metadata["mystnb"] = {"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
    for k in reversed(words):
        notebook.cells.insert(k, nbformat.v4.new_markdown_cell(elsewhere(page), id=f"elsewhere-{k}"))
    first = notebook.cells[0]
    strip = lambda match: journey(match[0], page, notebooks)  # noqa: E731
    first.source = STAGES.sub(strip, first.source, count=1)
    with_meanings(notebook.cells)  # after the strip, whose bold words are no first uses
    download = f'<a href="notebooks/{page.path.name}" download>Take this notebook with you</a>'
    first.source += f'\n\n<p class="take" data-topic="{topic_name if found else ""}">{download}</p>\n'
    nbformat.write(notebook, BOOK / f"{page.name}.ipynb")
    (BOOK / "_extra" / "notebooks").mkdir(parents=True, exist_ok=True)
    shutil.copy(page.path, BOOK / "_extra" / "notebooks")


def index(found: list[Page], names: dict[Path, str]) -> str:
    """The first page: README's first paragraph beside a widget to try, the way, the table, and how to run it all."""
    readme = relink((ROOT / "README.md").read_text(encoding="utf-8"), ROOT, names)
    promise, *sections = re.split(r"^(?=## )", readme, flags=re.MULTILINE)
    title, first, *rest = promise.strip().split("\n\n")
    table = next((section for section in sections if "01_tokenization" in section), "")
    table = "\n\n".join(part for part in table.split("\n\n") if not part.startswith("**The book.**"))
    commands = next((section for section in sections if section.startswith("## Two commands")), "")
    commands = commands.replace("## Two commands", "## On your own machine", 1)
    strips = (STAGES.search(nbformat.read(p.path, as_version=4).cells[0].source) for p in found if p.stages)
    strip = next((journey(match[0], None, [p for p in found if p.stages]) for match in strips), "")
    parts = [title, beginning(first, found), *rest, strip, telling(), table, commands, contents(found)]
    return "---\nhide-toc: true\n---\n\n" + "\n\n".join(parts)


def beginning(first: str, found: list[Page]) -> str:
    """The first paragraph, and beside it the widget to try."""
    shown = [each for each in shown_widgets([p for p in found if p.path.suffix == ".ipynb"]) if each.place == TRY]
    trial = "".join(
        f"Every bit is a button. It is the widget of [{each.page.title}]({each.page.name}.ipynb), and it runs here, in "
        f"your browser.\n\n{{#}}\n\n{FENCE}{{raw}} html\n{each.snapshot}\n{FENCE}\n"
        for each in shown
    )
    words, _, widget = trial.partition("{#}")
    left = f'<div class="beginning">\n<div>\n\n{first}\n\n{words}\n</div>\n<div>\n\n'
    return f"{left}{widget}\n\n</div>\n</div>"


def telling() -> str:
    """A model that tells a story to whoever presses a button; the page gets it only then."""
    shown = NextToken(*tales_model(), "Once upon a time, a", temperature=0.8, top_p=0.95, seed=1)
    return (
        "## Let it tell you a story\n\nThis is a language model of half a million numbers. Press **Write**: your "
        "browser gets it, one megabyte, and computes every token here. Go back to any word, and take another road. In "
        "[09 Training](09_training.ipynb) you train one of your own.\n\n"
        f"{FENCE}{{raw}} html\n{shown.static_html()}\n{FENCE}\n"
    )


def contents(found: list[Page]) -> str:
    """What stands at the left of every page."""
    notebooks = [f"{page.title} <{page.name}>" for page in found if page.path.suffix == ".ipynb"]
    guides = [page.name for page in found if page.path.suffix == ".md"]
    parts = {"The notebooks": [*notebooks, "progress", "review"], "Teaching and building": ["widgets", *guides]}
    return "\n\n".join(
        f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{chr(10).join(lines)}\n```"
        for caption, lines in parts.items()
    )


def state_of(snapshot: str) -> tuple[str, dict] | None:
    """The class and the state of a widget, from the HTML that stands for it."""
    found = WIDGET.search(snapshot)
    name = found and "".join(word.title() for word in found[1].split("_"))
    return (name, json.loads(html.unescape(found[2]))) if found else None


def prepared() -> list[tuple[str, str, str, dict]]:
    """The states that docs/classroom.md prepares: the notebook's number, the line of Python, and what it makes.

    The guide's own lines are run, in a kernel of their own, as a notebook with a cell a line.
    """
    guide = ROOT / "docs" / "classroom.md"
    numbers, cells = [], []
    for section in re.split(r"^## ", guide.read_text(encoding="utf-8") if guide.exists() else "", flags=re.MULTILINE):
        for block in re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL):
            for node in ast.parse(block).body:
                numbers.append(section[:2])
                cells.append(nbformat.v4.new_code_cell(ast.get_source_segment(block, node)))
    notebook = nbformat.v4.new_notebook(cells=cells)
    quiet = ["--log-level=ERROR"]
    NotebookClient(notebook, kernel_name="python3", timeout=120, extra_arguments=quiet).execute()
    found = []
    for number, cell in zip(numbers, notebook.cells):
        for output in cell.outputs:
            if made := state_of(output.get("data", {}).get("text/html", "")):
                found.append((number, cell.source, *made))
    return found


@dataclass
class Shown:
    """A widget as a notebook shows it."""

    page: Page
    place: str  # its name in links: FloatBits, FloatBits.2, ...
    line: str
    snapshot: str

    def section(self, states: list[tuple[str, dict]]) -> str:
        """The widget with its line, and a link for each state that was prepared for it."""
        title = re.search(r"<p><b>(.*?)</b></p>", self.snapshot)[1]
        links = []
        _, here = state_of(self.snapshot)
        for line, state in states:
            changes = {name: value for name, value in state.items() if value != here.get(name)}
            links.append(
                f'<li><a class="prepared" href="?show={self.place}" data-state="{html.escape(json.dumps(changes))}">'
                f"<code>{html.escape(line)}</code></a></li>"
            )
        prepared = f'<ul class="states" aria-label="Prepared states">{"".join(links)}</ul>' if links else ""
        return (
            f'<section class="solo" id="{self.place}" aria-label="{self.place}: {title}" '
            f'data-from="{html.escape(self.page.title)}">\n'
            f'<p class="solo-line"><a class="present" href="?show={self.place}">Show alone</a> '
            f"<code>{html.escape(self.line)}</code></p>\n{prepared}\n"
            f'<div class="solo-stage">{self.snapshot}</div></section>'
        )


def shown_widgets(notebooks: list[Page]) -> list[Shown]:
    """Every widget that the notebooks show, in their order."""
    found, count = [], {}
    for page in notebooks:
        for cell in nbformat.read(page.path, as_version=4).cells:
            for output in cell.get("outputs", []):
                snapshot = output.get("data", {}).get("text/html", "")
                if made := state_of(snapshot):
                    name, _ = made
                    count[name] = count.get(name, 0) + 1
                    place = name if count[name] == 1 else f"{name}.{count[name]}"
                    found.append(Shown(page, place, cell.source.strip().splitlines()[-1], snapshot))
    return found


def lines_in_order(notebooks: list[Page]) -> list[Shown]:
    """The widget that no notebook shows, because cards of exercises offer it: so that a link to one leads somewhere."""
    page = next((page for page in notebooks if page.name.startswith("01")), None)
    return (
        [Shown(page, "ParsonsRung", 'ParsonsRung("merge_pair")', ParsonsRung.example().static_html())] if page else []
    )


def widgets_page(notebooks: list[Page]) -> str:
    """The teacher's page: every widget of every notebook, and the states that were prepared for a class."""
    shown, states = [*shown_widgets(notebooks), *lines_in_order(notebooks)], {}
    for number, line, name, state in prepared():
        same = [each for each in shown if each.place.partition(".")[0] == name]
        if same:
            place = next((each for each in same if each.page.name.startswith(number)), same[0]).place
            states.setdefault(place, []).append((line, state))
    text = (SITE / "widgets.md").read_text(encoding="utf-8")
    for page in notebooks:
        sections = [each.section(states.get(each.place, [])) for each in shown if each.page is page]
        if sections:
            body = "\n".join(sections)
            text += f"\n## {page.title}\n\n[The notebook]({page.name}.ipynb)\n\n{FENCE}{{raw}} html\n{body}\n{FENCE}\n"
    return text


def assets(paths: list[Path]) -> dict[str, dict]:
    """What lies beside the pages: the widgets' own JS and CSS, and what comes from npm. What runs in each page."""
    widgets = BOOK / "_assets" / "widgets"
    shutil.copytree(ROOT / "lmcourse" / "widgets", widgets, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    shutil.copytree(RECORDED / "models", widgets / "models", ignore=shutil.ignore_patterns("*.json"))
    if not live.npm():
        print("npm and node are not installed: the book is built without its editor, Python and formulas")
        return {}
    (BOOK / "_assets" / "mathjax").mkdir()
    shutil.copy(live.MODULES / "mathjax" / "es5" / "tex-svg.js", BOOK / "_assets" / "mathjax")
    return live.prepare(paths, BOOK / "_assets")


def progress_page(notebooks: list[Page], found: dict[str, dict]) -> str:
    """Every exercise and prediction, where it runs, and a mark that static/live/progress.js sets."""
    text = (SITE / "progress.md").read_text(encoding="utf-8") + WITHOUT * (not found)
    head = "<tr><th>state</th><th>exercise</th><th>runs</th></tr>"
    for page in notebooks:
        name = live.cells_of(page.path)["topic"]
        asked, plain = live.topic(name), found.get(page.name, {}).get("plain", [])
        rows = [
            row(f"{name}.{key}", f"{page.name}.html#do-{key}", f"{each.number} {key}", key in plain)
            for key, each in asked.exercises.items()
        ]
        rows += [row(f"{name}.predict.{k}", f"{page.name}.html", f"prediction {k}", True) for k in asked.predictions]
        table = f'<table class="docutils marks"><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table>'
        text += f"\n## {page.title}\n\n{table}\n"
    return text


def row(key: str, link: str, words: str, here: bool) -> str:
    """One line of the table of the progress page."""
    where = "here" if here else "in the notebook"
    cells = f'<td class="mark">○</td><td><a href="{link}">{words}</a></td><td>{where}</td>'
    return f'<tr data-lm-key="{key}">{cells}</tr>'


def build(out: Path) -> int:
    """Gather everything anew and run Sphinx, for which a warning is an error; returns its exit status."""
    shutil.rmtree(BOOK, ignore_errors=True)
    shutil.rmtree(out, ignore_errors=True)
    BOOK.mkdir(parents=True)
    pages_ = pages()
    names = {page.path: f"{page.name}{page.path.suffix}" for page in pages_}
    names |= {ROOT / "README.md": "index.md", SITE / "widgets.md": "widgets.md"}
    notebooks = [page for page in pages_ if page.path.suffix == ".ipynb"]
    found = assets([page.path for page in notebooks])
    for page in pages_:
        if page in notebooks:
            gather_notebook(page, notebooks, names, found.get(page.name, {}))
        else:
            text = relink(page.path.read_text(encoding="utf-8"), page.path.parent, names)
            text = glossary_page(text) if page.path == glossary.PATH else text
            (BOOK / f"{page.name}.md").write_text(text, encoding="utf-8")
    (BOOK / "index.md").write_text(index(pages_, names), encoding="utf-8")
    (BOOK / "widgets.md").write_text(widgets_page(notebooks), encoding="utf-8")
    (BOOK / "progress.md").write_text(progress_page(notebooks, found), encoding="utf-8")
    review = (SITE / "review.md").read_text(encoding="utf-8")
    (BOOK / "review.md").write_text(review + WITHOUT * (not found), encoding="utf-8")
    options = ["-W", "--keep-going", "-q", "-j", "2", "-b", "html", "-c", str(SITE), "-d", str(BOOK / "_doctrees")]
    status = sphinx([*options, str(BOOK), str(out)])
    if status == 0:
        find.write(out)
        seal.close(out)
        print(f"{len(notebooks)} notebooks, {len(pages_) - len(notebooks)} guides: python -m http.server -d {out}")
    return status


if __name__ == "__main__":
    sys.exit(build(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "build" / "site"))
