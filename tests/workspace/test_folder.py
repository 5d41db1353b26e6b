"""A learner's folder through a course's life. Run: pytest tests/workspace/test_folder.py"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from lmcourse.exercises import progress
from lmcourse.workspace import folder
from lmcourse.workspace.__main__ import main

ROOT = Path(__file__).parents[2]
NAMES = ("00_start_here", "03_strides", "04_einops")
ANSWER = "    return 'an answer of mine'"


@pytest.fixture
def course(tmp_path, monkeypatch):
    """Three real notebooks in a course of their own, with a folder that is not laid out yet."""
    (tmp_path / "notebooks").mkdir()
    for name in NAMES:
        shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", tmp_path / "notebooks")
    monkeypatch.setattr(folder, "ROOT", tmp_path)
    monkeypatch.setenv("LMCOURSE_WORKSPACE", str(tmp_path / "Kurs Übung"))
    monkeypatch.setenv("LMCOURSE_DATA", str(tmp_path / "data"))
    return tmp_path


def mine(name: str) -> Path:
    return folder.folder() / f"{name}.ipynb"


def solve(name: str) -> None:
    """Answer every exercise of a notebook."""
    text = mine(name).read_text(encoding="utf-8")
    mine(name).write_text(text.replace('    raise YourTurn\\n"', f'{ANSWER}\\n"'), encoding="utf-8")


def renew(course: Path) -> None:
    """A newer course: a line more in each cell of each notebook."""
    for path in (course / "notebooks").glob("*.ipynb"):
        book = json.loads(path.read_text(encoding="utf-8"))
        for cell in book["cells"]:
            cell["source"] = f"{''.join(cell['source'])}\n# newer".splitlines(True)
        path.write_bytes(folder.written(book))


def test_what_is_not_there_is_laid_out_and_what_is_there_is_left_alone(course, capsys):
    assert main([]) == 0
    assert capsys.readouterr().out.strip() == str(course / "Kurs Übung")
    assert mine("03_strides").read_bytes() == (course / "notebooks" / "03_strides.ipynb").read_bytes()
    solve("03_strides")
    mine("04_einops").unlink()
    before = mine("03_strides").read_bytes()
    assert folder.lay() == ["04_einops.ipynb"]
    assert mine("03_strides").read_bytes() == before
    renew(course)
    main([])
    assert "The course has changed since" in capsys.readouterr().err


def test_an_update_says_what_changed_and_keeps_a_copy(course, capsys):
    main([])
    solve("03_strides")
    before = mine("03_strides").read_bytes()
    renew(course)
    assert main(["update"]) == 0
    said = capsys.readouterr().out
    assert "03_strides" in said and "changed by both: the course's stands below yours: offset" in said
    assert before in [path.read_bytes() for path in (folder.folder() / "old").iterdir()]
    assert ANSWER in mine("03_strides").read_text(encoding="utf-8")
    for name in NAMES:
        nbformat.validate(nbformat.read(mine(name), as_version=4))
    main(["update"])
    assert capsys.readouterr().out == "Nothing has changed.\n"


def test_a_notebook_that_cannot_be_read_is_kept_and_laid_anew(course, capsys):
    main([])
    mine("03_strides").write_bytes(b"<<<<<<< HEAD")
    main(["status"])
    assert "03_strides           cannot be read" in capsys.readouterr().out
    renew(course)
    main(["update"])
    assert "could not be read, is laid anew; as it was: " in capsys.readouterr().out
    assert b"<<<<<<< HEAD" in [path.read_bytes() for path in (folder.folder() / "old").iterdir()]


def test_what_the_course_no_longer_has_stays(course, capsys):
    main([])
    (course / "notebooks" / "04_einops.ipynb").unlink()
    main(["update"])
    assert "no longer part of the course; yours stays" in capsys.readouterr().out
    assert mine("04_einops").exists()


def test_status_says_what_is_solved_and_yours(course, capsys):
    main([])
    solve("03_strides")
    progress.record("strides.offset", "correct")
    renew(course)
    assert main(["status"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("03_strides")]
    asked = mine("03_strides").read_text(encoding="utf-8").count(" = check(")
    assert line.split()[1:5] == ["1", "of", str(asked), "solved"] and "the course has a newer one" in line
    assert int(line.split()[5]) >= 3, "cells that are the learner's"


def test_reset_gives_one_exercise_back(course, capsys):
    main([])
    solve("03_strides")
    progress.record("strides.can_view", "correct")
    before = mine("03_strides").read_text(encoding="utf-8")
    assert main(["reset", "3", "--exercise", "can_view"]) == 0
    after = mine("03_strides").read_text(encoding="utf-8")
    assert after.count(ANSWER) == before.count(ANSWER) - 1 and progress.load() == {}
    assert before.encode() in [path.read_bytes() for path in (folder.folder() / "old").iterdir()]
    assert main(["reset", "03", "--exercise", "nonsense"]) == 2
    assert "exercise: one of offset, " in capsys.readouterr().err


def test_reset_of_a_whole_notebook_asks(course, monkeypatch):
    main([])
    solve("03_strides")
    before = mine("03_strides").read_bytes()
    monkeypatch.setattr("builtins.input", lambda question: "no")
    assert main(["reset", "03"]) == 1 and mine("03_strides").read_bytes() == before
    monkeypatch.setattr("builtins.input", lambda question: "yes")
    assert main(["reset", "03"]) == 0
    assert mine("03_strides").read_bytes() == (course / "notebooks" / "03_strides.ipynb").read_bytes()


def test_the_courses_own_folder_is_refused(course, monkeypatch, capsys):
    monkeypatch.setenv("LMCOURSE_WORKSPACE", str(course / "notebooks"))
    assert main([]) == 2
    assert "LMCOURSE_WORKSPACE: a folder of your own, got the course's" in capsys.readouterr().err


def test_texts_for_assistants_are_laid_out_and_follow_unless_edited(course):
    (course / "AGENTS.md").write_text("one", encoding="utf-8")
    main([])
    (course / "AGENTS.md").write_text("two", encoding="utf-8")
    main(["update"])
    assert (folder.folder() / "AGENTS.md").read_text(encoding="utf-8") == "two"
    (folder.folder() / "AGENTS.md").write_text("mine", encoding="utf-8")
    (course / "AGENTS.md").write_text("three", encoding="utf-8")
    main(["update"])
    assert (folder.folder() / "AGENTS.md").read_text(encoding="utf-8") == "mine"


# Killed

UPDATE = """
import os, signal, sys
from pathlib import Path
from lmcourse.workspace import folder
folder.ROOT = Path(sys.argv[1])
steps, last = 0, int(sys.argv[2])
def counted(call):
    def step(*arguments, **options):
        global steps
        steps += 1
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **options)
    return step
os.fsync = counted(os.fsync)
Path.replace = counted(Path.replace)
print(len(list(folder.update())), steps)
"""
unix = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")


def nothing_is_lost() -> None:
    """Each answer is in the notebook, which is whole."""
    for name in ("03_strides", "04_einops"):
        text = mine(name).read_text(encoding="utf-8")
        assert text.count(ANSWER) >= 3
        nbformat.validate(nbformat.reads(text, as_version=4))


def update_in(course: Path, last: int = 0) -> subprocess.Popen:
    """An update in a process of its own, which kills itself before its `last` step on the disk."""
    return subprocess.Popen(
        [sys.executable, "-c", UPDATE, str(course), str(last)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def begun(course: Path) -> None:
    main([])
    solve("03_strides")
    solve("04_einops")
    renew(course)


IN_THE_SUITE = (2, 6, 10, 14, 18)


@unix
@pytest.mark.parametrize(
    "last", [pytest.param(n, marks=[pytest.mark.thorough] * (n not in IN_THE_SUITE)) for n in range(1, 28)]
)
def test_killed_before_a_step_nothing_is_lost_and_the_next_update_ends_it(course, monkeypatch, last):
    """Three notebooks in nine steps each: copy, notebook, what it began with, each synced and renamed."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    begun(course)
    killed = update_in(course, last)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    nothing_is_lost()
    list(folder.update())
    at_once = course / "at once"
    monkeypatch.setenv("LMCOURSE_WORKSPACE", str(at_once))
    shutil.rmtree(course / "notebooks")
    (course / "notebooks").mkdir()
    for name in NAMES:
        shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", course / "notebooks")
    begun(course)
    list(folder.update())
    for name in NAMES:
        assert mine(name).read_bytes() == (course / "Kurs Übung" / f"{name}.ipynb").read_bytes()
    assert list((course / "Kurs Übung").rglob("*.part")) == []


@unix
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.thorough) for seed in range(1, 50))])
def test_killed_at_any_moment_nothing_is_lost(course, monkeypatch, seed):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    begun(course)
    killed = update_in(course)
    time.sleep(random.Random(seed).uniform(0.02, 0.4))
    killed.kill()
    killed.communicate()
    nothing_is_lost()
    list(folder.update())
    nothing_is_lost()
    assert list(folder.update()) == []
