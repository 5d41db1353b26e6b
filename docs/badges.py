"""Give a published copy its links: `python docs/badges.py OWNER/REPOSITORY [--branch main]`.

Each notebook gets a link that opens it on Colab, and a first code cell that installs the course there and does nothing
elsewhere; README gets badges for Binder and Colab. A second call changes nothing but the address.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]
NAME = "colab"  # of the cell, and its tag
CELL = """import sys

if "google.colab" in sys.modules:  # there the course is not installed yet
    import subprocess

    address = "git+https://github.com/{repository}@{branch}"
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", address], check=True)"""
LINK = "[Open in Colab](https://colab.research.google.com/github/{repository}/blob/{branch}/notebooks/{name})"
BADGES = (
    "[![Binder](https://mybinder.org/badge_logo.svg)]"
    "(https://mybinder.org/v2/gh/{repository}/{branch}?urlpath=lab/tree/notebooks/00_start_here.ipynb)\n"
    "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/{repository}/blob/{branch}/notebooks/00_start_here.ipynb)"
)


def with_link(notebook: nbformat.NotebookNode, name: str, repository: str, branch: str) -> nbformat.NotebookNode:
    """A notebook with its link below the title and its guarded first cell."""
    link = LINK.format(repository=repository, branch=branch, name=name)
    first = notebook.cells[0]
    text = re.sub(r"\n\n\[Open in Colab\]\([^)]*\)", "", first.source)
    title, _, rest = text.partition("\n\n")
    first.source = f"{title}\n\n{link}\n\n{rest}"
    cell = nbformat.v4.new_code_cell(CELL.format(repository=repository, branch=branch), id=NAME)
    cell.metadata.tags = [NAME]
    cell.metadata.jupyter = {"source_hidden": True}
    notebook.cells[1:] = [cell, *(each for each in notebook.cells[1:] if each.id != NAME)]
    return notebook


def with_badges(readme: str, repository: str, branch: str) -> str:
    """README with its badges below the title."""
    readme = re.sub(r"\n\n\[!\[Binder\].*?\n\[!\[Open in Colab\][^\n]*", "", readme, flags=re.DOTALL)
    title, _, rest = readme.partition("\n\n")
    return f"{title}\n\n{BADGES.format(repository=repository, branch=branch)}\n\n{rest}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", help="OWNER/REPOSITORY on GitHub")
    parser.add_argument("--branch", default="main")
    asked = parser.parse_args()
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", asked.repository):
        parser.error(f"repository: OWNER/REPOSITORY, got {asked.repository}")
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = with_link(nbformat.read(path, as_version=4), path.name, asked.repository, asked.branch)
        nbformat.write(notebook, path)
    subprocess.run([sys.executable, ROOT / "tests" / "clean_notebooks.py"], check=True)
    readme = ROOT / "README.md"
    text = with_badges(readme.read_text(encoding="utf-8"), asked.repository, asked.branch)
    readme.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
