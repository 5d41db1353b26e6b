"""Lines to put in order: every order that means the same passes, every wrong line fails, and each exercise is named.

Run: pytest tests/exercises/test_parsons.py. Other orders come from tests/orders.py; `thorough` tries twenty of each.
"""

import ast
import importlib
import importlib.util
from pathlib import Path

import pytest

from lmcourse.exercises import parsons, topic, topic_names
from lmcourse.exercises.topic import without_docstrings

orders = importlib.import_module("orders")
RUNGS = [(name, exercise) for name in topic_names() for exercise in topic(name).slips]
every_rung = pytest.mark.parametrize(("name", "exercise"), RUNGS)
PAGE = Path(__file__).parents[2] / "docs" / "lines_in_order.py"


def rung_of(name: str, exercise: str) -> parsons.Rung:
    return topic(name).rung(exercise)


def test_each_exercise_has_lines_or_a_reason():
    named = [key for names in parsons.WITHOUT.values() for key in names]
    asked = [f"{name}.{exercise}" for name in topic_names() for exercise in topic(name).exercises]
    assert sorted(named + [f"{name}.{exercise}" for name, exercise in RUNGS]) == sorted(asked)
    assert len(RUNGS) >= 35


@pytest.mark.parametrize("key", [key for names in parsons.WITHOUT.values() for key in names])
def test_a_reason_is_true(key):
    """Without lines: fewer than four statements, but for those whose reason says another thing."""
    name, exercise = key.split(".")
    reason = next(why for why, names in parsons.WITHOUT.items() if key in names)
    if reason.startswith(("formulas", "three methods")):
        return
    count = len(parsons.blocks_of(topic(name).solution(exercise)))
    wanted = {"one": [1], "two": [2], "a guard": [2, 3], "three": [3], "errors": [3]}
    assert count in next(allowed for start, allowed in wanted.items() if reason.startswith(start))


@every_rung
def test_the_lines_make_the_solution_again(name, exercise):
    rung = rung_of(name, exercise)
    assert parsons.LEAST <= len(rung.order) <= parsons.MOST and 2 <= len(rung.mistakes) <= 3
    assert max(steps for _, steps in rung.order) < parsons.DEEPEST
    made, solution = rung.assemble(rung.order), topic(name).solution(exercise)
    assert ast.dump(ast.parse(made)) == ast.dump(ast.parse(solution))
    shown = [block.shown for block in rung.blocks]
    assert '"""' not in "".join(shown) and "#" not in "".join(shown)
    assert "\n".join(shown) not in without_docstrings(solution)
    assert sum(17 * (text.count("\n") + 1) + 7 for text in shown) < 390, "they fit one screen"


@every_rung
def test_the_solution_passes_in_orders_that_mean_the_same(name, exercise):
    passes_in(name, exercise, 3, 60)


@pytest.mark.thorough
@every_rung
def test_the_solution_passes_in_twenty_orders_that_mean_the_same(name, exercise):
    passes_in(name, exercise, 21, 400)


def passes_in(name: str, exercise: str, most: int, tries: int) -> None:
    """The solution's own order is judged elsewhere, with the exercise."""
    rung = rung_of(name, exercise)
    for order in orders.other_orders(rung, most, tries=tries)[1:]:
        assert rung.judge(order).state == "correct", rung.assemble(order)


def test_other_orders_are_found_where_there_are_some():
    counts = {exercise: len(orders.other_orders(rung_of(name, exercise), 21)) for name, exercise in RUNGS}
    assert counts["AdamW"] == counts["decode_bits"] == 21
    assert counts["merge_pair"] == 2 and counts["train_step"] == counts["count_pairs"] == 1
    assert sum(count > 1 for count in counts.values()) >= 10


@every_rung
def test_a_wrong_line_in_place_of_its_original_fails(name, exercise, nameless):
    rung, declared = rung_of(name, exercise), topic(name).exercises[exercise]
    assert set(rung.mistakes) <= set(declared.wrong)
    wrong = [k for k, block in enumerate(rung.blocks) if block.instead_of]
    assert len(wrong) == len(rung.mistakes)
    for k in wrong:
        lines = [
            (k if rung.blocks[block].text == rung.blocks[k].instead_of else block, steps) for block, steps in rung.order
        ]
        assert rung.judge(lines).state == "wrong", rung.blocks[k].text
        assert rung.first_wrong(lines) == next(at for at, (block, _) in enumerate(lines) if block == k)


def test_what_is_right_so_far_may_stay():
    """The beginning of another order that is right can be completed; a line too early or too deep cannot stay."""
    for name, exercise in (("optimizers", "AdamW"), ("tokenization", "merge_pair")):
        rung = rung_of(name, exercise)
        order = orders.other_orders(rung, 2)[1]
        at = next(k for k, pair in enumerate(zip(order, rung.order)) if pair[0] != pair[1]) + 1
        assert rung.first_wrong(order[:at]) == at
    rung = rung_of("tokenization", "count_pairs")
    start, loop, count, end = rung.order
    assert rung.first_wrong([start, loop, count, (end[0], 1)]) == 3, "the return inside of the loop"
    assert rung.first_wrong([loop, start, count]) == 0, "counts has no value before the loop"
    assert rung.first_wrong([start, loop, (count[0], 0), end]) == 2


def test_an_answer_says_what_to_do_next():
    rung = rung_of("tokenization", "count_pairs")
    right, early = [list(line) for line in rung.order], [list(line) for line in reversed(rung.order)]
    told = rung.answer(right, 0)
    assert told["state"] == "correct" and told["code"].endswith("\n\n\ncount_pairs = check(count_pairs)")
    assert '"""' in told["code"] and "YourTurn" not in told["code"]
    first = rung.answer(early, 0)
    assert (first["state"], first["at"], first["code"]) == ("wrong", -1, "") and "After the next try" in first["words"]
    assert rung.answer(early, 1)["at"] == 0
    unread = rung.answer([[block, 3] for block, _ in right[:2]], 0)["words"]
    assert unread.startswith("Python cannot read it: ")
    assert rung.answer(right[:3], 1)["words"].endswith("All of these can stay; something is missing.")
    rung = rung_of("tokenization", "merge_pair")
    endless = [list(line) for line in rung.order if not rung.blocks[line[0]].text.startswith("i +=")]
    assert "stopped: this call" in rung.answer(endless, 0)["words"]
    for name, exercise in RUNGS[:8]:
        assert len(rung_of(name, exercise).answer([[0, 0]], 1)["words"]) < 240


@pytest.mark.parametrize("lines", [None, [], [[0]], [[0, 0], [0, 1]], [[99, 0]], [[-1, 0]], [[0, 9]], [[True, 0]], "x"])
def test_what_is_no_order_is_refused_in_words(lines):
    with pytest.raises(ValueError, match="lines: one or more"):
        rung_of("tokenization", "count_pairs").answer(lines, 0)


def test_a_class_has_the_lines_of_its_one_method():
    rung = rung_of("optimizers", "AdaGrad")
    assert parsons.header(rung.stub) == ["class AdaGrad(SGD):", "    def update(self, param, grad, state, group):"]
    assert "        if not state:\n            state" in rung.assemble(rung.order)
    with pytest.raises(ValueError, match="a class with one method to write, got 3"):
        parsons.blocks_of(topic("optimizers").solution("SGD"))


def test_a_slip_has_to_be_in_one_line():
    right = parsons.blocks_of("def f(x):\n    x += 1\n    y = x\n    x += 1\n    return x")
    for old, new, words in (("x +=", "x -=", "which is in 2"), ("z", "x", "in 0"), ("y = x", "x += 1", "another line")):
        with pytest.raises(ValueError, match=words):
            parsons.slip(right, old, new)


def test_too_many_lines_are_joined_and_still_make_the_function():
    body = [f"    x{k} = {k}" for k in range(20)] + ["    if x0:", "        return 1", "    return 0"]
    source = "\n".join(["def f():", *body])
    blocks = parsons.blocks_of(source)
    assert len(blocks) == parsons.MOST
    made = "\n".join("    " * (block.indent + 1) + row for block in blocks for row in block.text.split("\n"))
    assert f"def f():\n{made}" == source


def test_the_page_of_the_guide_is_what_its_script_writes():
    spec = importlib.util.spec_from_file_location("lines_in_order", PAGE)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.PATH.read_text(encoding="utf-8") == script.page(), "python docs/lines_in_order.py"
