"""Progress across notebooks: shown, exported, restored, forgotten. Run: pytest tests/exercises/test_progress.py"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lmcourse.exercises import progress, topic, topic_names


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LMCOURSE_DATA", str(tmp_path / "data"))


@pytest.fixture
def cards(monkeypatch):
    shown = []
    monkeypatch.setattr("lmcourse.exercises.cards.Card.show", lambda card: shown.append(card))
    return shown


def test_every_notebook_is_shown_with_every_exercise(cards):
    progress.show()
    rows = {title[:2]: marks for title, marks in cards[0].rows}
    assert "04 einops" in dict(cards[0].rows), "a row is named as its notebook"
    for name in topic_names():
        exercises, predictions = rows[f"{topic(name).number:02}"].split("   predictions ")
        assert exercises.split() == ["○"] * len(topic(name).exercises)
        assert predictions.split() == ["○"] * len(topic(name).predictions)
    asked = sum(len(topic(name).exercises) for name in topic_names())
    assert cards[0].headline == f"0 of {asked} exercises are correct"


def test_marks_stand_where_they_belong(cards):
    progress.record("tokenization.count_pairs", "correct")
    progress.record("tokenization.encode", "wrong")
    progress.record("tokenization.predict.rank", "correct")
    progress.record("a topic that went.exercise", "correct")
    progress.show()
    assert dict(cards[0].rows)["01 tokenization"] == "○ ✓ ○ ○ ○ ✗ ○   predictions ○ ○ ✓"
    named = next(text for summary, text, _ in cards[0].folds if summary.startswith("01"))
    assert "✓ count_pairs\n" in named and "✗ encode\n" in named and named.endswith("✓ prediction rank")
    assert cards[0].headline.startswith("1 of ")


def test_what_is_exported_can_be_restored_elsewhere(tmp_path, monkeypatch):
    progress.record("strides.offset", "correct")
    progress.record("strides.can_view", "wrong")
    file = tmp_path / "export.json"
    text = progress.export(file)
    read = json.loads(text)
    assert file.read_text(encoding="utf-8") == text and set(read.pop("dates")) == set(read) and read == progress.load()
    monkeypatch.setenv("LMCOURSE_DATA", str(tmp_path / "another machine"))
    assert progress.load() == {} and json.loads(progress.export()) == {}
    progress.record("strides.can_view", "correct")
    progress.restore(file)
    assert progress.load() == {"strides.offset": "correct", "strides.can_view": "correct"}


@pytest.mark.parametrize("text", ["", "[]", '{"a": "perfect"}', '{"a": ["correct"]}', "not json"])
def test_what_is_no_export_is_refused_and_changes_nothing(tmp_path, text):
    progress.record("strides.offset", "correct")
    file = tmp_path / "other.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="is no export of progress"):
        progress.restore(file)
    assert progress.load() == {"strides.offset": "correct"}


def test_reset_forgets_everything(cards):
    progress.record("strides.offset", "correct")
    progress.reset()
    progress.reset()  # a second time is no error
    assert progress.load() == {}


def test_a_file_of_states_that_do_not_exist_is_shown_all_the_same(cards):
    progress.path().parent.mkdir(parents=True)
    progress.path().write_text('{"strides.offset": 3, "strides.can_view": "perfect"}', encoding="utf-8")
    progress.show()
    assert dict(cards[0].rows)["03 strides"].startswith("○ ○ ○ ○ ○")


def test_two_notebooks_at_once_lose_nothing():
    program = (
        "import sys; from lmcourse.exercises import progress\n"
        "for i in range(40): progress.record(f'{sys.argv[1]}.{i}', 'correct')"
    )
    both = [subprocess.Popen([sys.executable, "-c", program, name]) for name in ("one", "other")]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert len(progress.load()) == 80


def test_a_folder_of_the_home_is_found(monkeypatch):
    monkeypatch.setenv("LMCOURSE_DATA", "~/x")
    assert progress.path() == Path.home() / "x" / "progress.json"


def test_one_exercise_can_be_forgotten():
    progress.record("strides.offset", "correct")
    progress.record("strides.can_view", "wrong")
    for _ in range(2):
        progress.forget("strides.offset")
        assert progress.load() == {"strides.can_view": "wrong"}


def test_without_locks_it_is_remembered_all_the_same(monkeypatch):
    def refuse(handle):
        raise OSError("no locks here")

    monkeypatch.setattr(progress, "_lock", refuse)
    progress.record("strides.offset", "correct")
    assert progress.load() == {"strides.offset": "correct"}
