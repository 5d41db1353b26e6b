"""Build what mybinder.org would build, without Docker: `python binder/replay.py [--torch SPEC] [--keep FOLDER]`.

repo2docker finds the folder binder/ and reads only that: it takes the Python of runtime.txt, copies the repository,
runs `pip install --no-cache-dir -r binder/requirements.txt` at its root, runs binder/postBuild, and starts JupyterLab.
Here the same is done with a virtual environment and the last commit; then notebook 00 is run in it.

Not here: repo2docker's base image, whose own JupyterLab our pins replace. `--torch torch==2.13.0` stands in for the
CPU build where PyTorch's index cannot be reached.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run(*command, cwd: Path, **env: str) -> None:
    """Show a command, run it, raise where it fails."""
    print("$", *command, flush=True)
    subprocess.run([str(part) for part in command], cwd=cwd, env=os.environ | env, check=True)


def clone(target: Path) -> None:
    """What Binder would check out: the last commit, not what lies beside it."""
    packed = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(target, filter="data")


def replay(folder: Path, torch: str | None) -> None:
    """All steps, in an empty folder."""
    wanted = (ROOT / "binder" / "runtime.txt").read_text(encoding="utf-8").strip().removeprefix("python-")
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if here != wanted:
        raise SystemExit(f"binder/runtime.txt asks for Python {wanted}, this is {here}")
    repository, environment = folder / "repository", folder / "environment"
    clone(repository)
    if torch:
        path = repository / "binder" / "requirements.txt"
        lines = path.read_text(encoding="utf-8").splitlines()
        lines = [torch if line.startswith("torch==") else line for line in lines if not line.startswith("--extra")]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"stand-in: {torch} for the CPU build, from this machine's own index", flush=True)
    venv.create(environment, with_pip=True)
    bin_folder = environment / ("Scripts" if os.name == "nt" else "bin")
    path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    python = bin_folder / "python"
    run(python, "-m", "pip", "install", "--quiet", "--no-cache-dir", "-r", "binder/requirements.txt", cwd=repository)
    run("bash", "binder/postBuild", cwd=repository, PATH=path)
    run(python, "-m", "jupyter", "lab", "--version", cwd=repository, PATH=path)
    notebook = repository / "notebooks" / "00_start_here.ipynb"
    run(
        *(python, "-m", "jupyter", "nbconvert", "--to", "notebook", "--execute", "--inplace", notebook),
        cwd=repository, PATH=path, LMCOURSE_DATA=str(folder / "data"),
    )  # fmt: skip
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    print(f"00_start_here ran: {sum(cell['cell_type'] == 'code' for cell in cells)} code cells, none failed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch", metavar="SPEC", help="what to install in place of the CPU build")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="an empty folder to build in, and to keep")
    options = parser.parse_args()
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        replay(options.keep.resolve(), options.torch)
        return
    with tempfile.TemporaryDirectory() as folder:
        replay(Path(folder), options.torch)


if __name__ == "__main__":
    main()
