"""How nbconvert makes a page, slides or a PDF of a notebook that can be read offline.

    jupyter nbconvert --config docs/export_config.py --to html --execute --output-dir build notebooks/03_strides.ipynb

Widgets are shown by their pictures, answers of predictions stay folded, proof is left out, long lines wrap. Slides
begin at each heading; reveal.js comes from npm, into the folder of the result:

    npm install --prefix build reveal.js@4.6.1 requirejs@2.3.7 mathjax@3.2.2
"""

import html
from pathlib import Path

from nbconvert.preprocessors import Preprocessor
from nbformat.v4 import new_output

STYLE = """<style>
pre, code { white-space: pre-wrap !important; overflow-wrap: anywhere; }
.reveal .slides { text-align: left; }
</style>"""
NO_DIAGRAMS = "data:text/javascript,export default {initialize() {}, registerLayoutLoaders() {}}"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


class ReadOffline(Preprocessor):
    """What is folded in JupyterLab is folded here; a widget is its picture; a heading begins a slide."""

    def preprocess(self, notebook, resources):
        """All cells; the page loads no library of diagrams, which no option of nbconvert can tell it."""
        resources["mermaid_js_url"] = resources["mermaid_layout_elk_js_url"] = NO_DIAGRAMS
        return super().preprocess(notebook, resources)

    def preprocess_cell(self, cell, resources, index):
        """Change one cell."""
        if cell.cell_type == "markdown":
            if index == 0:
                cell.source = f"{STYLE}\n\n{cell.source}"
            kinds = {"#": "slide", "##": "slide", "###": "subslide"}
            kind = kinds.get(cell.source.removeprefix(STYLE).strip().split(" ")[0], "subslide")
            cell.metadata["slideshow"] = {"slide_type": kind}
            return cell, resources
        folded = cell.metadata.get("jupyter", {})
        if folded.get("source_hidden"):
            cell.metadata["transient"] = {"remove_source": True}
            cell.outputs = [each for each in cell.outputs if each.output_type != "stream"]  # what the proof prints
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET_VIEW, None)
        if folded.get("outputs_hidden") and cell.get("outputs"):
            cell.outputs = [new_output("display_data", {"text/html": folded_answer(cell.outputs)})]
        return cell, resources


def folded_answer(outputs: list) -> str:
    """The outputs of a cell in an element that a reader opens."""
    parts = []
    for output in outputs:
        data = output.get("data", {})
        if "image/png" in data:
            parts.append(f'<img alt="" src="data:image/png;base64,{data["image/png"]}">')
        elif "text/html" in data:
            parts.append(data["text/html"])
        else:
            parts.append(f"<pre>{html.escape(output.get('text', data.get('text/plain', '')))}</pre>")
    return f"<details><summary>Show the answer</summary>{''.join(parts)}</details>"


c = get_config()  # nbconvert gives it
c.ExecutePreprocessor.store_widget_state = False
for exporter in (c.HTMLExporter, c.SlidesExporter, c.WebPDFExporter):
    exporter.preprocessors = [ReadOffline]
    exporter.require_js_url = ""
    exporter.mathjax_url = "node_modules/mathjax/es5/tex-svg.js"
# A PDF is printed from a temporary folder: there the path is a whole one.
c.WebPDFExporter.mathjax_url = (Path(__file__).parents[1] / "build" / c.HTMLExporter.mathjax_url).absolute().as_uri()
c.SlidesExporter.require_js_url = "node_modules/requirejs/require.js"
c.SlidesExporter.reveal_url_prefix = "node_modules/reveal.js"
c.SlidesExporter.font_awesome_url = c.SlidesExporter.jquery_url = ""
c.SlidesExporter.reveal_theme, c.SlidesExporter.reveal_scroll = "white", True  # whose fonts lie beside it
