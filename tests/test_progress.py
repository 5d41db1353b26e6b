"""A class's progress, from what learners exported. Run: pytest tests/test_progress.py"""

import json

import pytest

from lmcourse import progress


@pytest.fixture
def exports(tmp_path):
    """A folder of three learners' exports."""
    states = {
        "ada": {"strides.offset": "correct", "strides.can_view": "correct", "strides.predict.kept_alive": "wrong"},
        "bob": {"strides.offset": "correct", "strides.can_view": "wrong"},
        "Übung 3": {"strides.can_view": "wrong"},
    }
    for name, known in states.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(known), encoding="utf-8")
    return tmp_path


def test_who_is_where_and_which_exercise_is_hard(exports, capsys):
    assert progress.main([str(exports)]) == 0
    who, hard, stays = capsys.readouterr().out.strip().split("\n\n")
    assert stays == "asked again  learners  right then  right later"
    assert [line.split()[0] for line in who.splitlines()] == ["learner", "ada", "bob", "Übung"]
    strides = who.splitlines()[0].split().index("strides")
    assert who.splitlines()[1].split()[strides].startswith("2/")
    assert hard.splitlines()[1].split() == ["strides.can_view", "3", "2"] and len(hard.splitlines()) == 2
    assert "predict" not in who + hard


def test_each_file_alone_is_the_same(exports):
    assert progress.gather(sorted(exports.iterdir())) == progress.gather([exports])


@pytest.mark.parametrize("text", ["", "[]", '{"strides.offset": "perhaps"}'])
def test_another_file_is_refused_by_name(exports, text, capsys):
    (exports / "other.json").write_text(text, encoding="utf-8")
    assert progress.main([str(exports)]) == 2
    assert "other.json" in capsys.readouterr().err


def test_what_stays_compares_answers_three_days_apart_and_hostile_names_are_text(tmp_path, capsys):
    days = {
        "ada": {"2026-11-20": "wrong", "2026-11-28": "correct"},
        "bob": {"2026-11-20": "correct", "2026-11-28": "wrong"},
        "eve": {"2026-11-27": "wrong", "2026-11-28": "correct"},
    }
    for name, tries in days.items():
        kept_alive = {"2026-11-20": "correct", "2026-11-29": "wrong"}
        dates = {"strides.offset": tries, "strides.predict.kept_alive": kept_alive}
        known = {"strides.offset": "correct", "\x1b[31mred": "wrong", "dates": dates | {"\x1b[2J": tries}}
        (tmp_path / f"{name}.json").write_text(json.dumps(known), encoding="utf-8")
    assert progress.main([str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out and "�[31mred" in out
    assert [line.split() for line in out.strip().split("\n\n")[2].splitlines()[1:]] == [
        ["strides:", "kept_alive", "3", "3", "0"],
        ["strides:", "offset", "2", "1", "1"],
    ]
