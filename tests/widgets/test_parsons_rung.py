"""ParsonsRung in Python. Its JS: parsons_rung.test.mjs; its lines: tests/exercises/test_parsons.py."""

import re

import pytest

from lmcourse.exercises import parsons, topic, topic_names
from lmcourse.widgets import ParsonsRung

RUNGS = [f"{name}.{exercise}" for name in topic_names() for exercise in topic(name).slips]


@pytest.mark.parametrize("key", RUNGS)
def test_it_deals_the_lines_and_not_their_order(key):
    widget = ParsonsRung(key)
    assert widget.exercise == key and widget.lines == []
    assert widget.blocks == [block.shown for block in widget.rung.blocks]
    assert ParsonsRung(key).blocks == widget.blocks, "the same for everybody"
    assert [block for block, _ in widget.rung.order] != sorted(block for block, _ in widget.rung.order)
    assert "..." not in widget.header[-1] and widget.header[-1].endswith("):")


def test_a_question_is_judged_and_says_what_the_rung_says():
    widget = ParsonsRung("merge_pair")
    right = [list(line) for line in widget.rung.order]
    assert widget.answer({"lines": right, "misses": 0})["state"] == "correct"
    assert widget.answer({"lines": right[:-1], "misses": 3}) == widget.rung.answer(right[:-1], 3)
    assert widget.answer({"lines": right[:-1], "misses": "x"})["at"] == -1
    with pytest.raises(ValueError, match="lines: one or more"):
        widget.answer({"lines": [], "misses": 0})


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("offset", "which has none: a guard and one formula"),
        ("training.block", "which has none: two statements"),
        ("merge_pairs", "the name of one, such as merge_pair, got 'merge_pairs'"),
        (7, "the name of one, such as merge_pair, got 7"),
        ("strides.merge_pair", "the name of one"),
    ],
)
def test_a_name_without_lines_is_refused_with_the_reason(name, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        ParsonsRung(name)


def test_a_name_that_two_notebooks_have():
    assert ParsonsRung("resume").exercise == ParsonsRung("training.resume").exercise == "training.resume"


def test_the_snapshot_shows_what_stands_and_what_is_left():
    widget = ParsonsRung.example()
    snapshot = widget.snapshot()
    assert "while i &lt; len(ids):\n        if tuple(" in snapshot
    assert snapshot.count("<li>") == len(widget.blocks) - len(widget.lines)
    widget.lines = [[99, 0], [0, 99]]
    assert widget.snapshot().count("<li>") == len(widget.blocks)


def test_every_depth_of_a_solution_can_be_reached():
    depths = [steps for key in RUNGS for _, steps in ParsonsRung(key).rung.order]
    assert max(depths) <= parsons.DEEPEST
