"""A learner works in their own copy; the repository stays clean. Run: pytest tests/browser/test_an_evening.py"""

import shutil
import subprocess
from pathlib import Path

import pytest

from lmcourse.workspace import folder

ROOT = Path(__file__).parents[2]
NAME = "03_strides.ipynb"


@pytest.fixture
def course(lab_server, monkeypatch):
    """A repository of one notebook, with the learner's copy laid out in it, where JupyterLab can open it."""
    course = lab_server.root / "Kurs Übung"
    (course / "notebooks").mkdir(parents=True)
    shutil.copy(ROOT / "notebooks" / NAME, course / "notebooks")
    shutil.copy(ROOT / ".gitignore", course)
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "all"],
    ):
        subprocess.run(["git", *command], cwd=course, check=True)
    monkeypatch.setattr(folder, "ROOT", course)
    monkeypatch.delenv("LMCOURSE_WORKSPACE", raising=False)
    folder.lay()
    yield course
    shutil.rmtree(course)


def test_git_status_is_clean_after_an_evening(course, lab_server, watch):
    """A cell is answered and run, the notebook is saved: only `my/` has changed, which git does not see."""
    mine, page = course / "my" / NAME, watch().page
    before = mine.read_bytes()
    page.goto(lab_server.url(f"Kurs Übung/my/{NAME}"))
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=90_000)
    page.locator(".jp-CodeCell .cm-content").nth(1).click()
    page.keyboard.press("Control+a")
    page.keyboard.type("'an answer of mine'")
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Control+s")
    page.wait_for_function("() => document.querySelectorAll('.jp-mod-dirty').length === 0", timeout=30_000)
    page.wait_for_timeout(1000)
    assert mine.read_bytes() != before and b"an answer of mine" in mine.read_bytes()
    status = subprocess.run(["git", "status", "--porcelain"], cwd=course, capture_output=True, text=True, check=True)
    assert status.stdout == ""
