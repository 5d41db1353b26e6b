"""What the rules of teaching count in a notebook: `python tests/teaching.py` prints a table of all ten.

A reader has a core path, and sections titled `## More: …` that can be left out. Each gate is a function from a notebook
to a list of what breaks its rule, in words; test_teaching.py wants every list to be empty.
"""

import ast
import builtins
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "docs"))
import glossary  # noqa: E402

NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
LAST = "## For readers of the CS336 notes"
MORE = "## More: "
CORE_MINUTES = 45
CELL_LINES, CELL_WIDTH = 12, 88
# A reader for whom English is a second language, and who tries things: measured, docs/reading_test.md.
WORDS_PER_MINUTE, SECONDS_PER_CELL, RUN_ALL_SECONDS = 80, 40, 15


@dataclass
class Section:
    """The cells from one `## ` heading to the next; `more` where its title says that it can be left out."""

    title: str
    cells: list = field(default_factory=list)

    @property
    def more(self) -> bool:
        """Whether a reader in a hurry leaves it out."""
        return self.title.startswith((MORE, LAST))


def read(path: Path) -> nbformat.NotebookNode:
    """A notebook as it was written, without the link and the cell that docs/badges.py adds."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if "colab" not in cell.metadata.get("tags", [])]
    notebook.cells[0].source = re.sub(r"\n\n\[Open in Colab\]\([^)]*\)", "", notebook.cells[0].source)
    return notebook


def tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


def folded(cell) -> bool:
    """Whether the source of a code cell is not seen until a reader unfolds it."""
    return bool(cell.metadata.get("jupyter", {}).get("source_hidden"))


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def sections(notebook) -> list[Section]:
    """All cells, in order, by section; a markdown cell with several headings is cut at each."""
    found = [Section("")]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            found[-1].cells.append(cell)
            continue
        for part in re.split(r"^(?=## )", cell.source, flags=re.MULTILINE):
            if part.startswith("## "):
                found.append(Section(part.split("\n", 1)[0]))
            if part.strip():
                found[-1].cells.append(nbformat.v4.new_markdown_cell(part))
    return found


# Words


def prose(source: str) -> str:
    """What is read as sentences: no code blocks, tables, headings or formulas; a code span is one word."""
    text = re.sub(r"```.*?```|\$\$.*?\$\$|<!--.*?-->", "", source, flags=re.DOTALL)
    lines = [line for line in text.split("\n") if not re.match(r"\s*(#|\||<)", line)]
    text = re.sub(r"`[^`]*`|\$[^$]*\$", "code", "\n".join(lines))
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)


def sentences(source: str) -> list[str]:
    """The sentences of a markdown cell; a list item and a line by itself end one too."""
    blocks = re.split(r"\n\s*\n|\n\s*(?:[-*]|\d+\.)\s+", prose(source))
    found = []
    for block in blocks:
        found += re.split(r"(?<=[.!?])[\"”)*]*\s+(?=[\"“(*`A-Z0-9])", " ".join(block.split()))
    return [sentence for sentence in found if re.search(r"\w\w", sentence)]


def words(text: str) -> int:
    return len(re.findall(r"[^\s·—–|]*\w[^\s·—–|]*", text))


def minutes(notebook) -> tuple[int, int]:
    """(core, whole): words at 80 a minute, 40 s for each code cell, the exercises' own minutes, and Run All."""
    core = whole = RUN_ALL_SECONDS / 60
    for section in sections(notebook):
        spent = 0.0
        for cell in section.cells:
            if cell.cell_type == "markdown":
                spent += words(prose(cell.source)) / WORDS_PER_MINUTE
                spent += sum(map(int, re.findall(r"^### Exercise .*?(\d+) min\b", cell.source, re.MULTILINE)))
            elif cell.source.strip() and not {"proof", "setup"} & set(tags(cell)):
                spent += SECONDS_PER_CELL / 60
        whole += spent
        core += 0 if section.more else spent
    return round(core), round(whole)


def honest_time(notebook, topic) -> list[str]:
    """The first cell states the computed minutes, as `68 minutes (core path 42)`; the core path takes 45 at most."""
    core, whole = minutes(notebook)
    wanted = f"{whole} minutes (core path {core})"
    wrong = [] if wanted in notebook.cells[0].source else [f"the first cell must say: {wanted}"]
    return wrong + ([f"the core path takes {core} minutes, {CORE_MINUTES} at most"] if core > CORE_MINUTES else [])


BANNED = {
    r"\b(simply|just|obviously|of course|clearly|trivial(?:ly)?)\b": "a word that makes a reader feel slow",
    r"\bto-?do\b": "finish it, or leave it out",
    r"\bnothing but\b|\bis nothing else than\b": "say what it is",
    r"\b(bytes|ids|tokens|FLOPs|steps|lines|parameters|bits|dollars|words|times|elements|rows|pages|numbers|nats) an? "
    r"(token|character|second|parameter|step|byte|element|day|word|line|row|page|batch|code|layer)\b": "per, not a",
    r"!(?=\s|$)": "no exclamation marks",
}


def plain_words(notebook, topic) -> list[str]:
    """No word that makes a reader feel slow, and no quarrel with a text that the reader has not seen but at the end."""
    wrong = []
    for section in sections(notebook):
        for cell in section.cells:
            if cell.cell_type != "markdown":
                continue
            text = prose(cell.source)
            for pattern, why in BANNED.items():
                wrong += [f"{match[0]!r}: {why}" for match in re.finditer(pattern, text, re.IGNORECASE)]
            if section.title != LAST:
                quarrel = re.findall(r"the (?:study )?notes\b|the lecture(?:'s|r)?\b", text, re.IGNORECASE)
                wrong += [f"{found!r} belongs in the section {LAST!r}" for found in quarrel]
    return wrong


def short_sentences(notebook, topic) -> list[str]:
    """15 words on average, none over 30."""
    counted = [
        (words(sentence), sentence)
        for cell in notebook.cells
        if cell.cell_type == "markdown"
        for sentence in sentences(cell.source)
    ]
    wrong = [f"{count} words: {sentence[:90]}" for count, sentence in counted if count > 30]
    mean = sum(count for count, _ in counted) / max(1, len(counted))
    return wrong + ([f"{mean:.1f} words in a sentence on average, 15 at most"] if mean > 15 else [])


# Terms


NO_TEXT = re.compile(r"```.*?```|`[^`]*`|^#.*?$|^text → .*?$|\$[^$]*\$", re.DOTALL | re.MULTILINE)


def first_use(notebook, term: glossary.Term) -> tuple[str, bool] | None:
    """Where a term stands first in the text (headings and code aside), and whether it is bold or a link there."""
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        text = NO_TEXT.sub("", cell.source)
        visible = re.sub(r"\]\([^)]*\)", lambda link: "]" + " " * (len(link[0]) - 1), text)
        if match := term.pattern.search(visible):
            marked = re.finditer(r"\*\*.+?\*\*|\[[^\]]*\]\([^)]*\)", text, re.DOTALL)
            inside = any(mark.start() <= match.start() and match.end() <= mark.end() for mark in marked)
            return text[max(0, match.start() - 30) : match.end() + 20].replace("\n", " "), inside
    return None


def terms_explained(notebook, topic) -> list[str]:
    """The first occurrence of each term of the glossary is bold or a link."""
    uses = ((term, first_use(notebook, term)) for term in glossary.read())
    return [f"{term.forms[0]}: … {use[0]} …" for term, use in uses if use and not use[1]]


# Cells


def small_cells(notebook, topic) -> list[str]:
    """12 lines at most, exercises and proof aside; 88 columns; a setup cell of imports, `style()` and `ready()`."""
    wrong = []
    for cell in code_cells(notebook):
        lines, start = [line for line in cell.source.split("\n") if line.strip()], cell.source[:50].replace("\n", " ")
        if not {"exercise", "proof"} & set(tags(cell)) and len(lines) > CELL_LINES:
            wrong.append(f"{len(lines)} lines: {start}")
        wrong += [f"{len(line)} columns: {line[:50]}" for line in lines if len(line) > CELL_WIDTH]
        if "setup" in tags(cell) and "lambda" in cell.source:
            wrong.append("a lambda in the setup cell")
    return wrong


def proofs_folded(notebook, topic) -> list[str]:
    """A proof cell is folded, and its first line says `# What this proves: …`."""
    proofs = [cell for cell in code_cells(notebook) if "proof" in tags(cell)]
    wrong = [f"not folded: {cell.source[:50]}" for cell in proofs if not folded(cell)]
    return wrong + [
        f"does not say what it proves: {cell.source[:50]}"
        for cell in proofs
        if not cell.source.startswith("# What this proves: ")
    ]


# No exercise before its parts

PLAIN = (
    set(dir(builtins))
    | {name for kind in (str, bytes, list, dict, set, tuple, int, float) for name in dir(kind)}
    | {
        "self",
        "cls",
        "super",
        "__init__",
        "Sequence",
        "Iterable",
        "Iterator",
        "Callable",
        "Any",
        "Mapping",
        "annotations",
    }
)


def identifiers(node: ast.AST) -> set[str]:
    """Names, attributes and keywords of calls."""
    found = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    found |= {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
    return found | {n.arg for n in ast.walk(node) if isinstance(n, ast.keyword) and n.arg}


def own_names(function: ast.AST) -> set[str]:
    """What a definition binds itself: arguments, targets, imports, inner definitions; and what its signature shows."""
    found = {n.arg for n in ast.walk(function) if isinstance(n, ast.arg)}
    found |= {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    found |= {n.attr for n in ast.walk(function) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}
    for n in ast.walk(function):
        if isinstance(n, ast.FunctionDef | ast.ClassDef):
            found.add(n.name)
            found |= set().union(*map(identifiers, getattr(n, "bases", [])), set())
        if isinstance(n, ast.FunctionDef):
            hints = [a.annotation for a in ast.walk(n.args) if isinstance(a, ast.arg) and a.annotation]
            shown = [*hints, *([n.returns] if n.returns else []), *n.args.defaults, *filter(None, n.args.kw_defaults)]
            found |= set().union(*map(identifiers, shown), set())
    return found


def exercise_names(cell) -> list[str]:
    """What a cell hands to `check`."""
    return re.findall(r"check\((\w+)\)", cell.source)


def parts_first(notebook, topic) -> list[str]:
    """What a solution uses was used in an earlier cell of the notebook, or stands under **You may use**."""
    seen, statement, wrong = set(), "", []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            statement = cell.source
        elif "exercise" in tags(cell):
            allowed = re.search(r"\*\*You may use\*\*(.*?)(?:\n\n(?![-*])|\Z)", statement, re.DOTALL)
            offered = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]*)`", allowed[1])))) if allowed else set()
            for name in exercise_names(cell):
                solution = ast.parse(topic.solution(name))
                missing = identifiers(solution) - own_names(solution) - PLAIN - seen - offered
                wrong += [f"{name} uses {part}, which no earlier cell does" for part in sorted(missing)]
        if cell.cell_type == "code" and "setup" not in tags(cell):
            seen |= identifiers(ast.parse(cell.source)) | set(exercise_names(cell))
            seen |= {alias.name for n in ast.walk(ast.parse(cell.source)) if isinstance(n, ast.Import | ast.ImportFrom)
                     for alias in n.names}  # fmt: skip
    return wrong


# Predictions stay secret


def forms(answer) -> list[str]:
    """How an answer could be written in plain sight; nothing for one that stands in every text, such as 2 or yes."""
    if isinstance(answer, bool) or answer is None:
        return []
    if isinstance(answer, int):
        return [rf"(?<![\d.,]){re.escape(text)}(?![\d])" for text in {str(answer), f"{answer:,}"} if len(text) > 1]
    if isinstance(answer, float):
        return [rf"(?<![\d.]){re.escape(f'{answer:g}')}(?!\d)"] if len(f"{answer:g}") > 2 else []
    if isinstance(answer, str):
        return [rf"(?<!\w){re.escape(answer)}(?!\w)"] if len(answer) > 3 else []
    if isinstance(answer, tuple | list):
        return [re.escape(repr(kind(answer))) for kind in (tuple, list)]
    return []


def near(notebook, start: int) -> Iterator[str]:
    """What a reader sees below a prediction without unfolding: to the end of the markdown that follows the reveal."""
    revealed = False
    for cell in notebook.cells[start + 1 : start + 5]:
        if cell.cell_type == "markdown":
            yield re.split(r"^##", cell.source, flags=re.MULTILINE)[0]
            if revealed or re.search(r"^##", cell.source, re.MULTILINE):
                return
        elif not folded(cell):
            yield cell.source
        revealed = revealed or bool(cell.metadata.get("jupyter", {}).get("outputs_hidden"))


def secrets_kept(notebook, topic) -> list[str]:
    """No plain source or text below a prediction holds its answer."""
    wrong = []
    for place, cell in enumerate(notebook.cells):
        if cell.cell_type != "code" or "predict" not in tags(cell):
            continue
        for key in re.findall(r'predict\("(\w+)"', cell.source):
            answer = topic.predictions[key].answer
            answer = answer() if callable(answer) else answer
            below = "\n".join(near(notebook, place))
            wrong += [
                f"the answer of {key} stands below it: {m[0]}"
                for form in forms(answer)
                if (m := re.search(form, below))
            ]
    return wrong


GATES = (
    parts_first, terms_explained, small_cells, proofs_folded, secrets_kept, honest_time, short_sentences, plain_words,
)  # fmt: skip


def main() -> None:
    """Print how often each notebook breaks each rule, and in what way where one is named on the command line."""
    import solve

    names = [gate.__name__ for gate in GATES]
    print(f"{'notebook':22}", *(f"{name:>15}" for name in names), f"{'minutes':>9}")
    for path in NOTEBOOKS:
        notebook = read(path)
        found = {gate.__name__: gate(notebook, solve.topic_of(notebook)) for gate in GATES}
        core, whole = minutes(notebook)
        print(f"{path.stem:22}", *(f"{len(found[name]):15}" for name in names), f"{core:4}/{whole:<4}")
        if any(word in path.stem for word in sys.argv[1:]):
            for name in names:
                print(*(f"    {name}: {what}" for what in found[name]), sep="\n")


if __name__ == "__main__":
    main()
