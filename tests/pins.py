"""Write constraints.txt anew: `python tests/pins.py [--upgrade]`. It needs uv, and a network.

The requirements files pin what the course names; constraints.txt pins all that they bring, for every platform and for
Python 3.11 to 3.14. What it holds already is kept, unless `--upgrade` is said or a requirement has moved.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILE = ROOT / "constraints.txt"
HEADER = (
    "# Everything that the requirements bring, for all platforms and Python 3.11 to 3.14: `python tests/pins.py`.\n"
)


def required() -> list[str]:
    """What the requirements files and pyproject.toml ask for, without what they include."""
    lines = [
        line.partition("#")[0].strip()
        for path in sorted(ROOT.glob("requirements*.txt"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    return [line for line in lines if line and not line.startswith("-")]


def compiled(upgrade: bool) -> str:
    """The file's new text."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "required.in"), Path(folder, "constraints.txt")
        source.write_text("\n".join(required()) + "\n", encoding="utf-8")
        target.write_text(FILE.read_text(encoding="utf-8") if FILE.exists() else "", encoding="utf-8")
        command = ["uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--no-header"]
        command += ["--no-annotate", "--no-emit-index-url", "--no-emit-find-links", "-o", target, source]
        command += [ROOT / "pyproject.toml", "--all-extras"] + ["--upgrade"] * upgrade
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        lines = target.read_text(encoding="utf-8").splitlines()
    return HEADER + "".join(f"{line}\n" for line in lines if re.match(r"[\w.-]+==", line))


if __name__ == "__main__":
    FILE.write_text(compiled("--upgrade" in sys.argv[1:]), encoding="utf-8")
    print(f"{FILE.name}: {len(FILE.read_text(encoding='utf-8').splitlines()) - 1} packages")
