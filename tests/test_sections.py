"""A learner does not read from top to bottom, and is wrong, and presses ■. Run: python tests/gates.py sections thorough

After the setup cell the sections of a notebook run in any order, with every exercise answered wrongly, within 2 GB.
What costs more than a run a notebook (more orders, every declared wrong answer, an interrupt in each long cell) is
marked `thorough`, and has a gate of its own.
"""

import importlib
import random
from collections import Counter
from pathlib import Path

import nbformat
import pytest

answers = importlib.import_module("exercises.answers")
kernels = importlib.import_module("kernels")
solve = importlib.import_module("solve")

every_notebook = pytest.mark.parametrize("path", kernels.NOTEBOOKS, ids=lambda path: path.stem)
MEMORY = 2 * 10**9  # bytes: what Binder gives
LONG = 1.0  # seconds: a cell that a reader may want to stop


def read(path):
    return nbformat.read(path, as_version=4)


def wrong_answers(topic) -> int:
    """How many rounds it takes to give every declared wrong answer once."""
    return max((len(exercise.wrong) for exercise in topic.exercises.values()), default=0)


def answer(notebook, lines_for) -> int:
    """Put `lines_for(topic, exercise)` in place of each stub; returns how many exercises there are."""
    topic, exercises = solve.topic_of(notebook), 0
    for cell in notebook.cells:
        if "exercise" not in kernels.tags(cell):
            continue
        stub = solve.definition(cell.source)
        lines = cell.source.split("\n")
        start = min([stub.lineno, *(d.lineno for d in stub.decorator_list)]) - 1
        lines[start : stub.end_lineno] = lines_for(topic, stub.name)
        cell.source = "\n".join(lines)
        exercises += 1
    return exercises


def answer_wrongly(notebook, number: int) -> int:
    """Every exercise gets its declared wrong answer `number`, counted round."""

    def lines_for(topic, exercise):
        labels = list(topic.exercises[exercise].wrong)
        return [
            "from lmcourse.exercises import topic as _topic",
            f"{exercise} = _topic({topic.name!r}).exercises[{exercise!r}].wrong[{labels[number % len(labels)]!r}]",
            f"{exercise}.__name__ = {exercise!r}",
        ]

    return answer(notebook, lines_for)


def answer_rightly(notebook, number: int) -> int:
    """Every exercise gets right answer `number` in another style, counted round; the reference where there is none."""

    def lines_for(topic, exercise):
        right = [at for at, (name, _) in enumerate(answers.of(topic.name, "RIGHT")) if name == exercise]
        if not right:
            return topic.solution(exercise).rstrip().split("\n")
        return [
            f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})",
            "import exercises.answers",
            f"{exercise} = exercises.answers.of({topic.name!r}, 'RIGHT')[{right[number % len(right)]}][1]",
            f"{exercise}.__name__ = {exercise!r}",
        ]

    return answer(notebook, lines_for)


def run_sections(kernel, notebook, order: random.Random | None) -> tuple[list[str], str]:
    """Run the setup, then all sections; what failed, each with its place, and all that was shown."""
    setup, sections = kernels.sections(notebook)
    if order is not None:
        order.shuffle(sections)
    failed, shown, before = [], "", "the setup"
    for title, cells in [("setup", setup), *((section.title, section.cells) for section in sections)]:
        for cell, ran in kernel.run_cells(cells):
            shown += ran.text
            if ran.error and "raises-exception" not in kernels.tags(cell):
                failed.append(f"{title} (after {before}): {ran.error}\n{cell.source[:400]}\n{ran.traceback[-1500:]}")
        before = title
    return failed, shown


@every_notebook
def test_any_order_with_every_answer_wrong(path):
    """The first wrong answer to each exercise, the sections shuffled: the rest still runs, and within 2 GB."""
    notebook = kernels.shortened(path)
    exercises = answer_wrongly(notebook, 0)
    with kernels.Kernel() as kernel:
        failed, shown = run_sections(kernel, notebook, random.Random(path.stem))
        assert failed == [], "\n\n".join(failed)
        assert shown.count("✗") >= exercises, "an answer that is wrong must be told so"
        assert kernel.peak < MEMORY, f"{kernel.peak / 1e9:.2f} GB at the peak"
        print(f"{path.stem}: at most {kernel.peak / 1e6:.0f} MB")


def test_what_trains_the_recipe_of_the_stories_is_cut_to_64_steps():
    cut = [path.stem for path in kernels.NOTEBOOKS if kernels.shortened(path) != read(path)]
    assert cut == ["09_training"]
    with kernels.Kernel() as kernel:
        assert kernel.run(kernels.CUT + "print(_stories.story_recipe('cpu').steps)").text == "64\n"


@pytest.mark.slow
@pytest.mark.thorough
@every_notebook
def test_every_wrong_answer(path):
    """One round for each declared wrong answer, in the order of the notebook, in one kernel with its names cleared."""
    topic = solve.topic_of(read(path))
    with kernels.Kernel() as kernel:
        for number in range(wrong_answers(topic) if topic else 0):
            notebook = kernels.shortened(path)
            answer_wrongly(notebook, number)
            failed, _ = run_sections(kernel, notebook, None)
            assert failed == [], f"wrong answers number {number}:\n" + "\n\n".join(failed)
            assert kernel.run("%reset -f").error == ""


@pytest.mark.slow
@pytest.mark.thorough
@every_notebook
def test_every_right_answer(path):
    """What a check accepts, the rest of the notebook can live with: one round for each style, strictly."""
    styles = Counter(exercise for exercise, _ in answers.of(solve.topic_of(read(path)).name, "RIGHT"))
    for number in range(max(styles.values(), default=0)):
        notebook = read(path)
        answer_rightly(notebook, number)
        with kernels.Kernel(LMCOURSE_STRICT="1") as kernel:
            failed, _ = run_sections(kernel, notebook, None)
        assert failed == [], f"right answers number {number}:\n" + "\n\n".join(failed)


@pytest.mark.slow
@pytest.mark.thorough
@every_notebook
def test_more_orders(path):
    """Unsolved, three more orders: the reverse (each section before what it follows) and two at random."""
    with kernels.Kernel() as kernel:
        for seed in ("reverse", "1", "2"):
            order = random.Random(f"{path.stem} {seed}")
            if seed == "reverse":
                order.shuffle = list.reverse
            failed, _ = run_sections(kernel, kernels.shortened(path), order)
            assert failed == [], f"order {seed}:\n" + "\n\n".join(failed)
            assert kernel.run("%reset -f").error == ""


@pytest.mark.slow
@pytest.mark.thorough
@every_notebook
def test_an_interrupt_in_each_long_cell(path):
    """■ in the middle of each cell that takes longer than a second; then the cell again, then all the others."""
    stopped = []
    with kernels.Kernel() as kernel:
        for cell in (cell for cell in read(path).cells if cell.cell_type == "code" and cell.source.strip()):
            first = kernel.run(cell.source)
            allowed = "raises-exception" in kernels.tags(cell)
            assert allowed or first.error == "", f"{first.error}\n{cell.source[:300]}\n{first.traceback[-1500:]}"
            if first.seconds < LONG or allowed:
                continue
            halfway = kernel.run(cell.source, interrupt_after=first.seconds / 2, timeout=first.seconds * 5 + 60)
            stopped.append((round(first.seconds, 1), round(halfway.seconds, 1), halfway.error[:60], cell.source[:60]))
            # A second run may be faster than half of the first; what is not allowed is any other end than these two.
            assert halfway.error == "" or halfway.error.startswith("KeyboardInterrupt"), (
                f"{halfway.error}\n{cell.source[:300]}\n{halfway.traceback[-1500:]}"
            )
            again = kernel.run(cell.source)
            assert again.error == "", (
                f"after an interrupt: {again.error}\n{cell.source[:300]}\n{again.traceback[-1500:]}"
            )
    print(path.stem, *stopped, sep="\n  ")
