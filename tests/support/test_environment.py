"""`make lab` repairs what it finds. Run: pytest tests/support/test_environment.py"""

import shutil
import subprocess
import sys
import venv

import pytest

from lmcourse.support import environment


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An environment that `make lab` makes in place of one without pip, before anything is installed."""
    folder = tmp_path_factory.mktemp("Kurs Übung") / "venv"
    venv.create(folder, with_pip=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "VENV", folder)
        patch.setattr(environment, "install", lambda venv, kind: 0)
        assert environment.main(["lab"]) == 0
    return folder


@pytest.fixture
def course(monkeypatch, tmp_path):
    """The script with an environment of its own and an installer that only notes what it was asked."""
    monkeypatch.setattr(environment, "VENV", tmp_path / ".venv")
    asked = []
    monkeypatch.setattr(environment, "install", lambda venv, kind: asked.append(kind) or 0)
    return asked


@pytest.fixture
def made(monkeypatch):
    """What is made anew: in a moment, without pip."""
    found = []
    monkeypatch.setattr(environment, "make", lambda folder: found.append(venv.create(folder, clear=True)) or 0)
    return found


def test_an_environment_that_works_is_left_alone(whole, course, made, monkeypatch):
    monkeypatch.setattr(environment, "VENV", whole)
    assert environment.why_unusable(whole) == "" and environment.main(["lab"]) == 0
    assert course == [] and made == [], "all is there"


def test_what_cannot_be_used_is_said(whole, tmp_path):
    assert environment.why_unusable(tmp_path / "absent") == "is not complete"
    bare = tmp_path / "bare"
    venv.create(bare)
    assert environment.why_unusable(bare) == "lacks pip"
    moved = tmp_path / "moved"
    shutil.copytree(whole, moved, symlinks=True)
    assert environment.why_unusable(moved) == "was moved"
    other = tmp_path / "other"
    shutil.copytree(bare, other, symlinks=True)
    config = other / "pyvenv.cfg"
    config.write_text(config.read_text(encoding="utf-8").replace("version = 3.", "version = 2."), encoding="utf-8")
    assert environment.why_unusable(other) == "belongs to another Python"
    dead = tmp_path / "dead"
    shutil.copytree(bare, dead, symlinks=True)
    python = environment.python_of(dead)
    python.unlink()
    python.write_text("not a program", encoding="utf-8")
    python.chmod(0o755)
    assert environment.why_unusable(dead) == "has a Python that does not start"


@pytest.mark.parametrize("left", ["nothing", "a folder without pip"])
def test_what_cannot_be_used_is_made_anew(course, made, left, capsys):
    if left == "a folder without pip":
        venv.create(environment.VENV)
    assert environment.main(["lab"]) == 0
    assert len(made) == 1 and course == ["lab"]
    assert ("made anew" in capsys.readouterr().out) == (left != "nothing")


def test_an_interrupted_install_is_done_again(whole, course, monkeypatch):
    (whole / "lab-ready").unlink(missing_ok=True)
    monkeypatch.setattr(environment, "VENV", whole)
    monkeypatch.setattr(environment, "install", lambda venv, kind: 1)
    assert environment.main(["lab"]) == 1
    monkeypatch.setattr(environment, "install", lambda venv, kind: course.append(kind) or 0)
    for _ in range(2):
        assert environment.main(["lab"]) == 0 and course == ["lab"], "a second call does nothing"


def test_what_a_kill_left_half_installed_is_made_anew(course, made, monkeypatch, capsys):
    """An installer takes for whole what a kill has cut off: a folder of PyTorch without its second half."""

    def killed(venv, kind):
        raise KeyboardInterrupt

    with monkeypatch.context() as once:
        once.setattr(environment, "install", killed)
        with pytest.raises(KeyboardInterrupt):
            environment.main(["lab"])
    (environment.VENV / "half").touch()
    assert environment.main(["lab"]) == 0 and course == ["lab"]
    assert "was left half installed: it is made anew" in capsys.readouterr().out
    assert not (environment.VENV / "half").exists() and len(made) == 2
    assert environment.why_unusable(environment.VENV) == "lacks pip", "no mark of a kill is left"


@pytest.mark.parametrize("version", [(3, 10, 4), (3, 15, 0)])
def test_another_python_is_named_before_anything_is_downloaded(course, monkeypatch, capsys, version):
    monkeypatch.setattr(environment.sys, "version_info", version)
    assert environment.main(["lab"]) == 1
    said = capsys.readouterr().out
    assert f"This is Python 3.{version[1]}; the course needs 3.11 to 3.14" in said and said.count("\n") == 1
    assert course == [] and not environment.VENV.exists()


class Machine:
    """Stands in for `subprocess.run`: notes each command, and fails those that contain a word of `broken`."""

    def __init__(self, *broken: str, torch: str = "2.13.0"):
        self.calls, self.broken, self.torch = [], broken, torch

    def __call__(self, command, **how):
        self.calls.append(" ".join(map(str, command)))
        out = self.torch if "importlib.metadata" in self.calls[-1] else ""
        return subprocess.CompletedProcess(command, any(word in self.calls[-1] for word in self.broken), out)

    def installs(self) -> list[str]:
        return [call.partition(" install ")[2] for call in self.calls if " install " in call]


@pytest.fixture
def machine(monkeypatch):
    """`machine(*broken, uv=..., driver=...)`: this Linux, with uv or an NVIDIA driver or without."""

    def made(*broken, uv=False, driver=False, **known) -> Machine:
        there = {"uv": uv, "nvidia-smi": driver}
        monkeypatch.setattr(environment.shutil, "which", lambda name: f"/bin/{name}" if there.get(name) else None)
        monkeypatch.setattr(environment.platform, "system", lambda: "Linux")
        monkeypatch.setattr(environment.platform, "machine", lambda: "x86_64")
        monkeypatch.setattr(environment.Path, "exists", lambda path: driver)
        monkeypatch.delenv("LMCOURSE_TORCH", raising=False)
        monkeypatch.setattr(environment.subprocess, "run", now := Machine(*broken, **known))
        return now

    return made


def test_without_a_network_an_installed_course_goes_on(machine, capsys):
    machine("pip")
    assert environment.install(environment.VENV, "lab") == 0
    assert "goes on with what it has" in capsys.readouterr().out
    assert environment.install(environment.VENV, "test") == 1


def test_uv_installs_where_there_is_one_and_pip_where_uv_fails(machine):
    now = machine(uv=True)
    assert environment.install(environment.VENV, "lab") == 0
    assert now.installs() == [f"--python {environment.python_of(environment.VENV)} -r requirements.txt"]
    now = machine("/bin/uv", uv=True)
    assert environment.install(environment.VENV, "lab") == 0
    assert now.installs()[-1] == "-r requirements.txt" and "-m pip" in now.calls[-1]


def test_without_a_driver_the_cpu_build_comes_first(machine, monkeypatch):
    first = f"--no-deps --index-url {environment.CPU_BUILDS} torch=="
    now = machine(torch="")
    assert environment.install(environment.VENV, "lab") == 0
    assert now.installs()[0].startswith(first) and now.installs()[0].endswith("+cpu")
    assert now.installs()[1:] == ["-r requirements.txt"]
    now = machine(torch="", driver=True)
    environment.install(environment.VENV, "lab")
    assert now.installs() == ["-r requirements.txt"]
    monkeypatch.setenv("LMCOURSE_TORCH", "cpu")
    environment.install(environment.VENV, "lab")
    assert now.installs()[1].startswith(first)


def test_what_cannot_be_had_is_not_replaced_by_gigabytes(machine, capsys):
    now = machine("+cpu", "-c import anywidget", torch="")
    assert environment.install(environment.VENV, "lab") == 1
    assert "LMCOURSE_TORCH=cuda takes the common build: several GB" in capsys.readouterr().out
    assert not any("requirements" in call for call in now.calls)


def test_another_word_for_torch_is_refused(course, monkeypatch, capsys):
    monkeypatch.setenv("LMCOURSE_TORCH", "gpu")
    assert environment.main(["lab"]) == 2 and course == []
    assert capsys.readouterr().out == "LMCOURSE_TORCH: cpu or cuda, got gpu\n"


def test_it_runs_before_anything_is_installed():
    """On a Python without any library, from another folder."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", environment.__file__, "nonsense"], capture_output=True, text=True, cwd="/"
    )
    assert done.returncode == 2 and done.stdout == "kind: lab, test, site, got nonsense\n"
