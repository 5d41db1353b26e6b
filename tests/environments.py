"""The course in other front ends: `python tests/environments.py [NAME ...]` makes each environment and drives it.

Each holds the front end that its name says; what the course needs besides comes from this environment. They are kept
in build/environments, so that a second call begins at once. docs/environments.md has what was found.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "environments"
FRONT_ENDS = {
    "lab-4.0": ["jupyterlab==4.0.*", "ipykernel<7"],
    "lab-4.4": ["jupyterlab==4.4.*", "ipykernel<7"],
    "notebook-7.2": ["notebook==7.2.*"],
    "newest": ["jupyterlab", "notebook"],
}
TESTS = ["test_keys.py", "test_second_day.py", "test_every_notebook.py"]
WHICH = "keys or second_day or 03_strides"


def made(name: str) -> Path:
    """The environment's Python; what `pip install` of the course would put beside it is there too."""
    folder = FOLDER / name
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if (folder / "ready").exists():
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    wanted = [*FRONT_ENDS[name], "ipywidgets", "anywidget"]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
    where = [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]
    own = Path(subprocess.run(where, capture_output=True, text=True, check=True).stdout.strip())
    (own / "course.pth").write_text(f"{ROOT}\n{sysconfig.get_paths()['purelib']}\n", encoding="utf-8")
    for source, target in (
        ("jupyterlab_settings.json", "share/jupyter/lab/settings/overrides.d/lmcourse.json"),
        ("ipython_kernel_config.json", "etc/ipython/ipython_kernel_config.json"),
    ):
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "lmcourse" / "support" / source, folder / target)
    (folder / "ready").touch()
    return python


def main(names: list[str]) -> int:
    """Drive each; the exit status is 1 where one failed."""
    failed = []
    for name in names or list(FRONT_ENDS):
        python = made(name)
        print(f"== {name}", flush=True)
        tests = [str(ROOT / "tests" / "browser" / test) for test in TESTS]
        command = [sys.executable, "-m", "pytest", "-q", "-rs", "-k", WHICH, *tests]
        if subprocess.run(command, cwd=ROOT, env=os.environ | {"LMCOURSE_JUPYTER": str(python)}).returncode:
            failed.append(name)
    print("failed:", ", ".join(failed) or "none")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
