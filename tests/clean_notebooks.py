"""Clean executed notebooks for committing: `python tests/clean_notebooks.py [FILE ...]` (default: all of notebooks/).

Outputs and cell ids are kept, and what JupyterLab writes when it saves a notebook: one that was only looked at is not
changed. Widget state, widget views, times of execution and what an editor leaves behind go;
execution counts are numbered 1, 2, 3 …; so a notebook that is executed again and cleaned again is the same file.
"""

import sys
from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KEPT_CELL_METADATA = {"tags", "jupyter", "slideshow"}
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
        "version": "3.11.7",
    },
}


def clean(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Clean a notebook in place and return it."""
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    count = 0
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k in KEPT_CELL_METADATA})
        if cell.cell_type != "code":
            cell.pop("attachments", None)
            continue
        if cell.metadata.get("jupyter", {}).get("outputs_hidden"):
            cell.metadata["collapsed"] = True
        if cell.execution_count is not None:
            count += 1
            cell.execution_count = count
        cell.outputs = _merge_streams(cell.outputs)
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = cell.execution_count
            if "metadata" in output:
                output.metadata = nbformat.from_dict({})
            if "data" in output:
                output.data.pop(WIDGET_VIEW, None)
    return notebook


def _merge_streams(outputs: list) -> list:
    """A print arrives in pieces that depend on timing: join those of one stream."""
    merged = []
    for output in outputs:
        last = merged[-1] if merged else None
        if last is not None and output.output_type == "stream" and last.get("name") == output.name:
            last.text += output.text
        else:
            merged.append(output)
    return merged


def main(paths: list[str]) -> None:
    for path in [Path(p) for p in paths] or sorted(NOTEBOOKS.glob("*.ipynb")):
        before = path.read_text(encoding="utf-8")
        text = nbformat.writes(clean(nbformat.reads(before, as_version=4))) + "\n"
        if text != before:
            path.write_text(text, encoding="utf-8", newline="\n")
            print(f"cleaned {path.name}: {len(before):,} to {len(text):,} characters")


if __name__ == "__main__":
    main(sys.argv[1:])
