"""What every exercise of the course must do. Run: pytest tests/exercises/test_every_exercise.py

Each declared wrong answer is refused and called by its name, what cases ask for is documented and what is documented is
asked for, and the solution needs no name that its notebook lacks. (That references pass: test_answers.py.)
"""

import ast
import builtins
import collections.abc
import dis
import importlib
import inspect
import os
import re
import subprocess
import sys
import types
import typing
from pathlib import Path

import nbformat
import pytest

from lmcourse.exercises import judging, topic, topic_names
from lmcourse.exercises.topic import without_docstrings

mutants = importlib.import_module("mutants")
solve = importlib.import_module("solve")

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
EXERCISES = [(name, exercise) for name in topic_names() for exercise in topic(name).exercises]
WRONG = [(name, exercise, wrong) for name, exercise in EXERCISES for wrong in topic(name).exercises[exercise].wrong]
every_exercise = pytest.mark.parametrize(("name", "exercise"), EXERCISES)


@pytest.mark.parametrize(("name", "exercise", "wrong"), WRONG)
def test_a_wrong_answer_is_refused_with_a_counterexample(name, exercise, wrong, monkeypatch):
    """A name that the first cases tell apart from the others is told apart by all of them."""
    monkeypatch.setattr(judging, "_ALIKE", 20)
    declared = topic(name).exercises[exercise]
    outcome = judging.judge(declared, declared.wrong[wrong])
    assert outcome.state == "wrong" and outcome.call and outcome.note and outcome.expected != outcome.got
    raised = outcome.line or "Error" in outcome.expected + outcome.got
    assert raised or outcome.note.startswith("stopped") or wrong in outcome.known


@every_exercise
def test_it_is_declared_in_full(name, exercise):
    declared = topic(name).exercises[exercise]
    assert len(declared.wrong) >= 2 and len(declared.hints) >= 2
    assert declared.level in (1, 2, 3) and 1 <= declared.minutes <= 45
    solution = without_docstrings(topic(name).solution(exercise))
    assert f"def {exercise}(" in solution or f"class {exercise}" in solution
    assert sum(map(bool, solution.split("\n"))) <= 25 and '"""' not in solution


@pytest.mark.parametrize("name", topic_names())
def test_a_topic_asks_enough(name):
    asked = topic(name)
    wholes = [each for each in asked.exercises.values() if each.of is None]
    if asked.number == 0:  # 00 shows how exercises and predictions work: one of each, tried once
        assert len(wholes) == len(asked.predictions) == 1 and len(asked.questions) == 5
        return
    most = 12 if asked.number == 9 else 8  # 09 writes each part of the model
    assert 3 <= len(wholes) <= most and 2 <= len(asked.predictions) <= 4 and 5 <= len(asked.questions) <= 10


# The contract


@every_exercise
def test_every_error_that_a_case_expects_is_documented_and_the_other_way_round(name, exercise):
    declared = topic(name).exercises[exercise]
    documented, described = errors_in(documentation(declared.reference)), errors_in(statement(name, exercise))
    expected = set()
    for case in declared.all_cases():
        result = judging._wanted(case, declared.reference)
        # A probe that looks at a file after a failure names the error in its label, or in its result.
        expected |= {type(result.error).__name__} if isinstance(result, judging.Raised) else errors_in(str(result))
        expected |= errors_in(case.label)
    assert expected <= documented | described, f"undocumented: {sorted(expected - documented - described)}"
    assert documented <= expected, f"without a case: {sorted(documented - expected)}"


def documentation(reference) -> str:
    """The docstring, and those of a class's methods, up to the examples."""
    parts = [reference, *(vars(reference).values() if isinstance(reference, type) else [])]
    return "\n".join((inspect.getdoc(part) or "").partition(">>>")[0] for part in parts if callable(part))


def errors_in(text: str) -> set[str]:
    return set(re.findall(r"\b[A-Z]\w*Error\b", text))


def statement(name: str, exercise: str) -> str:
    """The text above an exercise's cell."""
    cells, words = notebook_of(name).cells, ""
    for cell in cells:
        if cell.cell_type == "markdown":
            words = cell.source
        elif "exercise" in cell.metadata.get("tags", []) and f"check({exercise})" in cell.source:
            return words
    return ""


def notebook_of(name: str) -> nbformat.NotebookNode:
    number = f"{topic(name).number:02}_"
    return nbformat.read(next(path for path in NOTEBOOKS if path.name.startswith(number)), as_version=4)


@every_exercise
def test_arguments_come_as_they_are_annotated(name, exercise):
    declared = topic(name).exercises[exercise]
    if isinstance(declared.reference, type):
        pytest.skip("a class: its cases are probes")
    parameters = inspect.signature(declared.reference).parameters
    kinds = {
        key: plain_kind(parameter.annotation, declared.reference)
        for key, parameter in parameters.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }
    for case in declared.all_cases():
        if not isinstance(case, judging.Call) or isinstance(judging._wanted(case, declared.reference), judging.Raised):
            continue  # what is refused may be of any kind
        given = inspect.signature(declared.reference).bind(*case.args, **case.kwargs).arguments
        for key, value in given.items():
            assert kinds.get(key) is None or isinstance(value, kinds[key]), f"{key} in {case.label}"


def plain_kind(annotation, reference) -> tuple[type, ...] | type | None:
    """The Python type that an annotation stands for; None where it is something else (a tensor, a union)."""
    if isinstance(annotation, str):
        try:
            annotation = eval(annotation, vars(inspect.getmodule(reference)))  # an annotation of our own
        except Exception:
            return None
    kind = typing.get_origin(annotation) or annotation
    if kind is float:
        return (int, float)
    allowed = (int, str, bool, bytes, list, tuple, dict, collections.abc.Sequence, collections.abc.Iterable)
    return kind if kind in allowed else None


# Solutions in their notebooks


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_solution_needs_no_name_that_its_notebook_lacks(path):
    notebook = nbformat.read(path, as_version=4)
    asked, known = solve.topic_of(notebook), set(dir(builtins)) | {"__name__"}
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        known |= names_defined_in(cell.source)
        if "exercise" in cell.metadata.get("tags", []):
            name = solve.definition(cell.source).name
            missing = global_names(asked.solution(name)) - known
            assert not missing, f"{name} uses {sorted(missing)}"


def global_names(source: str) -> set[str]:
    """What a definition looks up outside of itself."""
    found, todo = set(), [compile(source, "solution", "exec")]
    while todo:
        code = todo.pop()
        found |= {i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
        todo += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    own = {node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return found - own - {"__module__", "__qualname__"}


def names_defined_in(source: str) -> set[str]:
    tree = ast.parse(source)
    stored = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    return stored | defined | {(a.asname or a.name).split(".")[0] for node in imports for a in node.names}


def test_a_name_that_is_missing_is_found():
    assert global_names("def f(x):\n    return helper(x) + sum(g(y) for y in x)") == {"helper", "sum", "g"}


@every_exercise
def test_some_mutants_of_the_reference_are_refused(name, exercise, nameless):
    declared, listed = topic(name).exercises[exercise], mutants.equivalents(name).get(exercise, {})
    assert set(mutants.survivors(declared, mutants.sample(name, exercise, 2))) <= listed.keys()


def test_each_equivalent_mutant_has_a_reason():
    for file in mutants.EQUIVALENTS.glob("*.toml"):
        for exercise, listed in mutants.equivalents(file.stem).items():
            assert exercise in topic(file.stem).exercises
            assert all(len(reason) >= len("as above") for reason in listed.values())


# Without PyTorch and NumPy

PURE = {
    "start": ["shift_by_one"],
    "tokenization": ["compression_ratio", "count_pairs", "merge_pair", "merge_round", "train_bpe", "encode", "decode"],
    "float_formats": ["decode_bits", "format_limits", "encode_nearest_even", "diagnose"],
    "strides": ["offset", "contiguous_strides", "is_contiguous", "can_view"],
    "flops": ["matmul_flops", "transformer_flops", "mfu", "training_days", "max_parameters"],
    "initialization": ["linear_std"],
    "data_loading": ["bytes_per_token", "shard"],
    "optimizers": ["cosine_lr"],
    "training": ["bits_per_byte"],
}
WITHOUT = """
import sys
absent = {"torch", "numpy", "IPython", "platformdirs", "psutil", "einops", "safetensors", "matplotlib"}
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Refuse())
from lmcourse.exercises import judging, topic
for line in sys.argv[1:]:
    asked = topic(line.split()[0])
    for name in line.split()[1:]:
        exercise = asked.exercises[name]
        assert judging.judge(exercise, exercise.reference).state == "correct", name
        assert judging.judge(exercise, next(iter(exercise.wrong.values()))).state == "wrong", name
    asked.check(exercise.reference)
    asked.predict(next(iter(asked.predictions)), None)
    asked.quiz()
print(sorted(absent & {name.split(".")[0] for name in sys.modules}))
"""


def test_what_is_plain_python_is_judged_without_pytorch_and_numpy(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT, *(" ".join([name, *exercises]) for name, exercises in PURE.items())],
        env=os.environ | {"LMCOURSE_DATA": str(tmp_path)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 0 and ran.stdout.splitlines()[-1] == "[]", ran.stderr[-800:]


# Predictions


@pytest.mark.parametrize(("name", "key"), [(name, key) for name in topic_names() for key in topic(name).predictions])
def test_a_prediction_accepts_its_own_answer(name, key, monkeypatch, tmp_path):
    cards = []
    monkeypatch.setenv("LMCOURSE_DATA", str(tmp_path))
    monkeypatch.setattr("lmcourse.exercises.cards.Card.show", lambda card: cards.append(card))
    prediction = topic(name).predictions[key]
    answer = prediction.the_answer()
    for guess in (answer, f" {answer} ", None):
        topic(name).predict(key, guess)
    assert [card.state for card in cards] == ["correct", "correct", "todo"]
    assert judging.shorten(answer) not in cards[2].plain()
    for wrong, remark in prediction.remarks.items():
        monkeypatch.setattr(topic(name), "misses", {})
        topic(name).predict(key, wrong)
        assert cards[-1].state == "wrong" and remark in cards[-1].lines
        assert judging.shorten(answer) not in cards[-1].headline


def test_an_unknown_topic_is_named():
    with pytest.raises(ValueError, match="nonsense"):
        topic("nonsense")
