"""Make the environment of the course, or repair it: `python3 lmcourse/support/environment.py lab` (or test, or site).

`make lab` runs it before it opens JupyterLab. It uses the standard library alone and imports nothing of the course: it
runs before anything is installed, on any Python that a machine has. A `.venv` that cannot be used (no pip, moved,
of a Python that is gone) is made anew; one that holds what is asked for is left alone, also without a network.

With uv on the machine it installs in a third of the time; what is installed is the same. On Linux without an NVIDIA
driver it takes PyTorch's CPU build, 0.2 GB in place of several; LMCOURSE_TORCH=cuda or =cpu says otherwise.
"""

from __future__ import annotations  # an older Python gets as far as the sentence that refuses it

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
OLDEST, NEWEST = (3, 11), (3, 14)
UNFINISHED = "unfinished"  # stands in an environment while something is installed: a kill leaves it there
CPU_BUILDS = "https://download.pytorch.org/whl/cpu"
KINDS = {"lab": "requirements.txt", "test": "requirements-test.txt", "site": "requirements-site.txt"}


def python_of(venv: Path) -> Path:
    """The interpreter of an environment."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def supported(version: tuple[int, ...]) -> bool:
    """Whether the course runs on this Python; its libraries have no builds for others."""
    return OLDEST <= tuple(version[:2]) <= NEWEST


def why_unusable(venv: Path) -> str:
    """What keeps an environment from being used, in words; empty where nothing does."""
    python, config = python_of(venv), venv / "pyvenv.cfg"
    if not python.exists() or not config.exists():
        return "is not complete"
    if (venv / UNFINISHED).exists():
        return "was left half installed"
    asked = "import sys; print(*sys.version_info[:3], sep='.')"
    try:
        version = subprocess.run([str(python), "-c", asked], capture_output=True, text=True, timeout=60)
        pip = subprocess.run([str(python), "-m", "pip", "--version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return "has a Python that does not start"
    if version.returncode != 0:
        return "has a Python that does not start"
    if not supported(tuple(map(int, version.stdout.strip().split(".")))):
        return "is of Python " + version.stdout.strip()
    settings = dict(line.split(" = ", 1) for line in config.read_text(encoding="utf-8").splitlines() if " = " in line)
    if not version.stdout.startswith(".".join(settings.get("version", "").split(".")[:2])):
        return "belongs to another Python"
    if pip.returncode != 0:
        return "lacks pip"
    script = python.parent / "pip"  # which names its interpreter: in a second line where the path has a space
    if script.exists() and str(python.parent) not in script.read_text(encoding="utf-8", errors="replace")[:600]:
        return "was moved"
    return ""


def make(venv: Path) -> int:
    """An empty environment of the Python that runs this."""
    shutil.rmtree(venv, ignore_errors=True)
    uv = shutil.which("uv")
    if uv and run(uv, "venv", "--quiet", "--seed", "--python", sys.executable, venv) == 0:
        return 0
    status = run(sys.executable, "-m", "venv", "--clear", venv)
    if status:
        print("The line above failed. On Debian and Ubuntu, install python3-venv; then run this again.")
    return status


def run(*command: str | Path) -> int:
    """Show a command, run it, return its exit status."""
    print("$", *command, flush=True)
    return subprocess.run([str(part) for part in command], cwd=str(ROOT)).returncode


def digest() -> str:
    """What is asked for, as one word: a file that changed makes another."""
    files = [*sorted(ROOT.glob("requirements*.txt")), ROOT / "constraints.txt", ROOT / "pyproject.toml"]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def holds(venv: Path) -> bool:
    """Whether the environment runs the course as it is, however old what is asked for may be."""
    asked = "import anywidget, einops, jupyterlab, matplotlib, torch, lmcourse"
    return subprocess.run([str(python_of(venv)), "-c", asked], capture_output=True, cwd=str(ROOT)).returncode == 0


def cpu_torch(venv: Path) -> str:
    """PyTorch's CPU build, where it is to be installed first: on Linux, without an NVIDIA driver or a PyTorch yet."""
    driver = shutil.which("nvidia-smi") or Path("/proc/driver/nvidia").exists()
    wanted = os.environ.get("LMCOURSE_TORCH") or ("cuda" if driver else "cpu")
    if wanted != "cpu" or (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return ""
    pinned = re.search(r"^torch==(\S+)", (ROOT / KINDS["lab"]).read_text(encoding="utf-8"), re.MULTILINE)[1]
    asked = "from importlib.metadata import version; print(version('torch'))"
    there = subprocess.run([str(python_of(venv)), "-c", asked], capture_output=True, text=True).stdout
    return "" if there.strip().partition("+")[0] == pinned else f"torch=={pinned}+cpu"


def add(venv: Path, *what: str) -> int:
    """Install with uv; where there is none, or it fails, with pip."""
    uv = shutil.which("uv")
    if uv and run(uv, "pip", "install", "--python", python_of(venv), *what) == 0:
        return 0
    return run(python_of(venv), "-m", "pip", "install", *what)


def install(venv: Path, kind: str) -> int:
    """Install what is asked for; without a network, go on with what is there."""
    torch = cpu_torch(venv)
    status = add(venv, "--no-deps", "--index-url", CPU_BUILDS, torch) if torch else 0
    if status:
        print(f"{torch} could not be installed. LMCOURSE_TORCH=cuda takes the common build: several GB.")
    else:
        status = add(venv, "-r", KINDS[kind])
    if status and kind == "lab" and holds(venv):
        print("Not installed, perhaps for want of a network. The course goes on with what it has.")
        return 0
    return status


def main(arguments: list[str]) -> int:
    """Make, repair or leave alone; returns the exit status."""
    kind = arguments[0] if arguments else "lab"
    if kind not in KINDS:
        print(f"kind: {', '.join(KINDS)}, got {kind}")
        return 2
    if os.environ.get("LMCOURSE_TORCH", "") not in ("", "cpu", "cuda"):
        print(f"LMCOURSE_TORCH: cpu or cuda, got {os.environ['LMCOURSE_TORCH']}")
        return 2
    broken = why_unusable(VENV)
    if broken:
        if not supported(sys.version_info):
            here = ".".join(map(str, sys.version_info[:2]))
            print(
                f"This is Python {here}; the course needs 3.11 to 3.14. Install one, then: make lab PYTHON=python3.13"
            )
            return 1
        if VENV.exists():
            print(f"{VENV.name} {broken}: it is made anew.")
        if make(VENV):
            return 1
    mark, wanted = VENV / f"{kind}-ready", digest()
    if mark.exists() and mark.read_text(encoding="utf-8") == wanted:
        return 0
    (VENV / UNFINISHED).touch()
    status = install(VENV, kind)
    (VENV / UNFINISHED).unlink()
    if status == 0:
        mark.write_text(wanted, encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
