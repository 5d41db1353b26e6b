"""The rules of teaching, each able to fail. Run: pytest tests/test_teaching.py (the counts: python tests/teaching.py).

A notebook that is still to be rewritten is listed with what it breaks; a rule that it keeps today it keeps.
"""

import importlib
import re

import nbformat
import pytest

solve = importlib.import_module("solve")
teaching = importlib.import_module("teaching")

# Notebook to the rules that it does not keep yet, and how often it breaks each. It may only get better.
NOT_YET: dict[str, dict[str, int]] = {}

every_notebook = pytest.mark.parametrize("path", teaching.NOTEBOOKS, ids=lambda path: path.stem)
every_gate = pytest.mark.parametrize("gate", teaching.GATES, ids=lambda gate: gate.__name__)


@every_notebook
@every_gate
def test_each_notebook_keeps_each_rule(path, gate):
    notebook = teaching.read(path)
    wrong = gate(notebook, solve.topic_of(notebook))
    allowed = NOT_YET.get(path.stem, {}).get(gate.__name__, 0)
    assert len(wrong) <= allowed, f"{gate.__doc__}\n" + "\n".join(wrong)


def test_what_is_not_yet_done_is_named_rightly():
    assert NOT_YET.keys() <= {path.stem for path in teaching.NOTEBOOKS}
    assert {rule for rules in NOT_YET.values() for rule in rules} <= {gate.__name__ for gate in teaching.GATES}


class Asked:
    """A topic as the gates see it."""

    def __init__(self, solution: str = "", answer=None):
        self._solution = solution
        self.predictions = {"key": type("Prediction", (), {"answer": answer})}

    def solution(self, name: str) -> str:
        return self._solution


def notebook_of(*cells):
    """A notebook of markdown (a text) and code (a text and its tags, or a cell)."""
    made = []
    for cell in cells:
        if isinstance(cell, str):
            made.append(nbformat.v4.new_markdown_cell(cell))
        else:
            source, *tags = cell
            made.append(nbformat.v4.new_code_cell(source, metadata={"tags": tags}))
    return nbformat.v4.new_notebook(cells=made)


EXERCISE = ("def f(x):\n    raise YourTurn\n\n\nf = check(f)", "exercise")
SOLUTION = "def f(x):\n    return pairwise(x).frob(deep=1)\n"


def test_an_exercise_before_its_parts_is_found():
    asked = Asked(SOLUTION)
    assert len(teaching.parts_first(notebook_of("Write `f`.", EXERCISE), asked)) == 3
    shown = notebook_of(("pairwise([]).frob(deep=2)",), "Write `f`.", EXERCISE)
    assert teaching.parts_first(shown, asked) == []
    offered = notebook_of("Write `f`.\n\n**You may use** `pairwise(x)` and `.frob(deep=1)`.", EXERCISE)
    assert teaching.parts_first(offered, asked) == []
    imported = notebook_of(("from itertools import pairwise", "setup"), "Write `f`.", EXERCISE)
    assert len(teaching.parts_first(imported, asked)) == 3, "an import alone explains nothing"


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ("A logit is a score.", False),
        ("A **logit** is a score.", True),
        ("[Logits](../docs/glossary.md) are scores.", True),
        ("# Logits\n\nA **logit** is a score.", True),
        ("`logit` is a name.", True),
        ("The logits. A **logit** is a score.", False),
    ],
)
def test_a_term_that_is_not_explained_is_found(text, fine):
    assert (not any("logit" in wrong for wrong in teaching.terms_explained(notebook_of(text), None))) == fine


def test_a_large_cell_a_wide_line_and_a_lambda_are_found():
    assert teaching.small_cells(notebook_of(("x = 1\n" * 13,)), None) == ["13 lines: " + "x = 1 " * 8 + "x "]
    assert teaching.small_cells(notebook_of(("x = 1\n" * 13, "exercise")), None) == []
    assert len(teaching.small_cells(notebook_of(("x" * 89,)), None)) == 1
    assert len(teaching.small_cells(notebook_of(("f = lambda: 1", "setup")), None)) == 1


def test_a_proof_in_the_way_is_found():
    cell = nbformat.v4.new_code_cell("# What this proves: x is 1\nassert x == 1", metadata={"tags": ["proof"]})
    assert teaching.proofs_folded(nbformat.v4.new_notebook(cells=[cell]), None) != []
    cell.metadata["jupyter"] = {"source_hidden": True}
    assert teaching.proofs_folded(nbformat.v4.new_notebook(cells=[cell]), None) == []
    assert len(teaching.proofs_folded(notebook_of(("assert x == 1", "proof")), None)) == 2


@pytest.mark.parametrize("answer", [20, 1_048_576, 0.0625, "CEBDA", (1, 4)])
def test_an_answer_in_plain_sight_is_found(answer):
    ask = ('guess = None  # what?\npredict("key", guess)', "predict")
    told = notebook_of(ask, (f"assert found == {answer!r}",), "So it is.")
    assert len(teaching.secrets_kept(told, Asked(answer=answer))) == 1
    assert teaching.secrets_kept(notebook_of(ask, ("print(found)",)), Asked(answer=answer)) == []
    titled = notebook_of(ask, f"So it is {answer!r}." if isinstance(answer, str | tuple) else f"So it is {answer:,}.")
    assert len(teaching.secrets_kept(titled, Asked(answer=answer))) == 1


def test_time_is_computed_and_stated():
    text = "word " * 1500
    exercise = "### Exercise 1.1 f ●○○ 5 min"
    notebook = notebook_of("# 01 Title", text, ("1",), ("2",), ("3",), exercise, EXERCISE, "## More: depth\n\n" + text)
    assert teaching.minutes(notebook) == (27, 45)  # 19 minutes of words, 4 cells, 5 minutes, Run All; 19 more
    assert len(teaching.honest_time(notebook, None)) == 1
    notebook.cells[0].source += "\n\n45 minutes (core path 27)"
    assert teaching.honest_time(notebook, None) == []
    long = notebook_of("# 01\n\n50 minutes (core path 50)", "word " * 3980)
    assert teaching.honest_time(long, None) == ["the core path takes 50 minutes, 45 at most"]


def test_a_long_sentence_is_found():
    assert teaching.short_sentences(notebook_of("One two three. " * 20), None) == []
    wrong = teaching.short_sentences(notebook_of("word " * 31 + "end. Short one."), None)
    assert len(wrong) == 2 and wrong[0].startswith("32 words")


@pytest.mark.parametrize(
    "text",
    ["You simply add.", "It is just a sum.", "Obviously.", "It is nothing but a sum.", "Three bytes a token.", "Look!"],
)
def test_words_that_must_not_occur_are_found(text):
    assert teaching.plain_words(notebook_of(text), None) != []


def test_quarrels_belong_to_the_end():
    assert teaching.plain_words(notebook_of("## A\n\nThe study notes say otherwise."), None) != []
    assert teaching.plain_words(notebook_of(f"{teaching.LAST}\n\nThe study notes say otherwise."), None) == []


def test_the_glossary_is_in_order_and_short():
    """Each term once, with one or two sentences and the number of a notebook."""
    terms = teaching.glossary.read()
    text = teaching.glossary.PATH.read_text(encoding="utf-8")
    assert len(terms) == text.count("\n- ") >= 140, "a line that is no entry"
    first = [term.forms[0].lower() for term in terms]
    assert first == sorted(first) and len(set(first)) == len(first)
    numbers = {path.stem[:2] for path in teaching.NOTEBOOKS}
    for term in terms:
        assert term.notebook in numbers
        assert 1 <= len(re.findall(r"[.;](?:\s|$)", term.meaning)) <= 3 and len(term.meaning.split()) <= 34, term
