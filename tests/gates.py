"""All gates in rising cost, and one summary: `python tests/gates.py [NAME ...]` (what `make test` and CI run).

`quick` stands for the first five, which tell in five minutes what an upgrade broke. A gate that fails does not stop the
others; the exit status is 1 if any failed. What the machine lacks (node, Chromium, CUDA) is skipped by name and with
the reason.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build"
PYTEST = [sys.executable, "-m", "pytest", "-q", "-rs", "--durations=5"]
PLAIN = [*PYTEST, "-p", "no:nbval"]  # no notebook is run as a test: the plug-in takes seconds to load
NBVAL = [
    "--nbval-sanitize-with", "tests/nbval_sanitize.cfg", "--nbval-cell-timeout=300", "--nbval-current-env",
    "-n", "2", "--dist", "loadscope",
]  # fmt: skip

# The first that is there drives the pages. The headless shell draws the same and does without Chromium's own windows,
# whose processes cost every page a third of its time.
CHROMIUMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome", "msedge")


class Skipped(Exception):
    """Raised by a gate for which the machine lacks something."""


def run(*command, **env: str) -> None:
    """Run a command at the root, show what it prints, raise where it fails."""
    print("$", " ".join([*(f"{key}={value}" for key, value in env.items()), *map(str, command)]), flush=True)
    compiled_once = {"PYTHONDONTWRITEBYTECODE": ""}  # hundreds of processes and kernels read the same modules
    subprocess.run(command, cwd=ROOT, env=os.environ | compiled_once | env, check=True)


def lint() -> None:
    """ruff over package, tests and notebooks; Biome and TypeScript over the JavaScript of widgets and book."""
    run(sys.executable, "-m", "ruff", "check", ".")
    run(sys.executable, "-m", "ruff", "format", "--check", "lmcourse", "tests", "benchmarks", "conftest.py")
    if shutil.which("npm") is None:
        raise Skipped("npm is not installed, and Biome and TypeScript come from there; ruff has passed")
    npm_install("tests/javascript")
    tools = ROOT / "tests" / "javascript" / "node_modules" / ".bin"
    run(tools / "biome", "ci", "--error-on-warnings")  # lint and format
    run(tools / "tsc", "--project", "tests/javascript")


def npm_install(folder: str) -> None:
    """What the folder's package.json pins, into its node_modules."""
    quiet = ("--no-package-lock", "--silent", "--no-fund", "--no-audit")
    run(shutil.which("npm"), "install", "--prefix", folder, *quiet)


def unit() -> None:
    """pytest with the doctests of the package; everything but notebooks and browser."""
    names = ("browser", "test_notebooks.py", "test_sections.py", "test_teaching.py")
    apart = [f"--ignore=tests/{name}" for name in names]
    run(*PLAIN, "tests", "lmcourse", *apart, "-n", "2")


def node() -> None:
    """The pure functions of the widgets' JS, against golden vectors that pytest wrote."""
    tests = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests" / "widgets").glob("*.test.mjs"))
    if shutil.which("node") is None:
        raise Skipped("node is not installed")
    run("node", "--test", *tests)


def rules() -> None:
    """Template, executed, clean metadata, links, stubs, mirrors."""
    run(*PLAIN, "tests/test_notebooks.py", "tests/test_teaching.py")


def nbval() -> None:
    """The notebooks as committed, on the CPU: unsolved, every output compared."""
    run(*PYTEST, "--nbval", *NBVAL, "notebooks", LMCOURSE_DEVICE="cpu")


def cuda() -> None:
    """The same on a CUDA kernel, with the cells that need a GPU."""
    import torch

    if not torch.cuda.is_available():
        raise Skipped("no CUDA device here")
    run(*PYTEST, "--nbval", *NBVAL, "notebooks", LMCOURSE_DEVICE="cuda")


def solved() -> None:
    """Copies with every exercise solved, run strictly: a check that does not pass raises."""
    folder = BUILD / "solved"
    shutil.rmtree(folder, ignore_errors=True)
    run(sys.executable, "tests/solve.py", folder)
    run(*PYTEST, "--nbval-lax", *NBVAL, folder, LMCOURSE_STRICT="1")


def sections() -> None:
    """Each notebook with its sections shuffled and every exercise answered wrongly, within 2 GB of memory."""
    run(*PLAIN, "tests/test_sections.py", "-n", "2")


def thorough() -> None:
    """What is marked `thorough`: more orders, wrong answers, kills, play with each widget; a thousand examples each."""
    run(*PLAIN, "-m", "thorough or hypothesis", "tests", "-n", "2", LMCOURSE_THOROUGH="1")
    mutants()


def mutants() -> None:
    """Every reference, changed in one place at a time: the checks refuse each change that makes a difference."""
    run(sys.executable, "tests/mutants.py")


def lowest(which: str = "notebooks") -> None:
    """The notebooks with the oldest versions that pyproject.toml allows, in an environment of their own."""
    uv = shutil.which("uv")
    if uv is None:
        raise Skipped("uv is not installed, and only uv resolves to the oldest versions")
    fresh, pins = BUILD / "lowest", BUILD / "lowest.txt"
    run(uv, "pip", "compile", "--quiet", "--resolution", "lowest-direct", "--python", sys.executable,
        "--no-annotate", "--extra", "test", "-o", pins, "pyproject.toml")  # fmt: skip
    lines = pins.read_text(encoding="utf-8").splitlines()
    (oldest,) = (line for line in lines if line.startswith("torch=="))
    apart = re.compile("torch==|nvidia-|triton==|cuda-")
    pins.write_text("\n".join(line for line in lines if not apart.match(line)) + "\n", encoding="utf-8")
    run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, fresh)
    python = next(path for path in (fresh / "bin" / "python", fresh / "Scripts" / "python.exe") if path.exists())
    into = (uv, "pip", "install", "--quiet", "--python", python)
    run(*into, "-r", pins)
    try:
        run(*into, "--no-deps", "--index-url", "https://download.pytorch.org/whl/cpu", f"{oldest}+cpu")
    except subprocess.CalledProcessError:
        print(f"{oldest}+cpu cannot be had here: PyTorch is this environment's, all else the oldest", flush=True)
        beside(python, own_torch())
    beside(python, ROOT)
    run(python, "-m", "pytest", "-q", "-rs", "--nbval", *NBVAL, which, LMCOURSE_DEVICE="cpu", PYTHONPATH="")


def own_torch() -> Path:
    """A folder with nothing in it but this environment's PyTorch."""
    folder = BUILD / "torch_here"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    libraries = Path(sysconfig.get_paths()["purelib"])
    for path in (*libraries.glob("torch"), *libraries.glob("torch-*.dist-info"), *libraries.glob("torchgen")):
        (folder / path.name).symlink_to(path)
    return folder


def beside(python: Path, folder: Path) -> None:
    """Let an environment's Python see one folder more, after its own."""
    asked = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    own = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True).stdout.strip()
    Path(own, f"beside_{folder.name}.pth").write_text(f"{folder}\n", encoding="utf-8")


def environments() -> None:
    """JupyterLab 4.0 and 4.4, Notebook 7.2, the newest of both: keys, a notebook with its widgets, the second day."""
    run(sys.executable, "tests/environments.py")


def wheel() -> None:
    """A wheel, installed in a fresh environment beside this one's libraries; every widget is made from it."""
    with tempfile.TemporaryDirectory() as folder:
        run(sys.executable, "-m", "build", "--wheel", "--outdir", folder)
        (built,) = Path(folder).glob("*.whl")
        fresh = Path(folder, "fresh")
        venv.create(fresh, with_pip=True)
        python = next(path for path in (fresh / "bin" / "python", fresh / "Scripts" / "python.exe") if path.exists())
        run(str(python), "-m", "pip", "install", "--quiet", "--no-deps", str(built))
        # The libraries come from this environment, lmcourse from the wheel: its own folder is first on the path.
        program = (
            "import sys, sysconfig; own = sysconfig.get_paths()['purelib']; sys.path += [sys.argv[1]]\n"
            "import lmcourse, lmcourse.widgets as w, lmcourse.exercises as e\n"
            "assert lmcourse.__file__.startswith(own), lmcourse.__file__\n"
            "print(*[repr(getattr(w, name).example()) for name in w.widget_names()], e.topic_names(), sep='\\n')"
        )
        libraries = next(path for path in map(Path, sys.path) if (path / "anywidget").is_dir())
        with tempfile.TemporaryDirectory() as elsewhere:
            print("$ python -c", repr(program), flush=True)
            subprocess.run([python, "-c", program, libraries], cwd=elsewhere, check=True)


def browser() -> None:
    """Each notebook in a real JupyterLab; each widget by mouse and by keyboard; axe-core; pictures in build/."""
    if not any(map(shutil.which, CHROMIUMS)):
        raise Skipped("Chromium is not installed")
    if shutil.which("npm") is None:
        raise Skipped("npm is not installed, and axe-core comes from there")
    npm_install("tests/browser")
    built = {}
    if importlib.util.find_spec("sphinx"):
        built["LMCOURSE_BUILT"] = str(ROOT / "build" / "host" / "any" / "where")  # once, for both processes
        run(sys.executable, "site/build.py", built["LMCOURSE_BUILT"])
    run(*PLAIN, "tests/browser", "-n", "2", **built)


GATES = {
    "lint": lint, "pytest": unit, "node": node, "notebooks": rules, "nbval": nbval, "cuda": cuda,
    "solved": solved, "sections": sections, "wheel": wheel, "browser": browser,
}  # fmt: skip
BY_NAME = {"thorough": thorough, "mutants": mutants, "lowest": lowest, "environments": environments}  # not part of CI
QUICK = ["lint", "pytest", "node", "notebooks", "nbval"]


def outcomes(names: list[str]) -> Iterator[tuple[str, str, float]]:
    for name in names:
        print(f"\n=== {name}: {' '.join((GATES | BY_NAME)[name].__doc__.split())}", flush=True)
        start = time.monotonic()
        try:
            (GATES | BY_NAME)[name]()
            outcome = "passed"
        except Skipped as reason:
            outcome = f"skipped: {reason}"
        except subprocess.CalledProcessError as error:
            outcome = f"FAILED: exit status {error.returncode}"
        except Exception as error:
            outcome = f"FAILED: {type(error).__name__}: {error}"
        print(f"=== {name} {outcome}", flush=True)
        yield name, outcome, time.monotonic() - start


def main(names: list[str]) -> int:
    names = QUICK if names == ["quick"] else names
    unknown = [name for name in names if name not in GATES | BY_NAME]
    if unknown:
        print(f"unknown gate {unknown[0]!r}; there are: quick, {', '.join(GATES | BY_NAME)}", file=sys.stderr)
        return 2
    rows = list(outcomes(names or list(GATES)))
    print("\n" + "=" * 72)
    for name, outcome, seconds in rows:
        print(f"{name:<10} {seconds:7.0f} s  {outcome}")
    counts = [sum(bool(re.match(word, outcome)) for _, outcome, _ in rows) for word in ("passed", "FAILED", "skipped")]
    print(f"gates: {counts[0]} passed, {counts[1]} failed, {counts[2]} skipped")
    return 1 if counts[1] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
