"""Sphinx configuration of the book. The pages it is given were gathered by build.py; run that, or `make site`."""

import os
import re
from pathlib import Path

SITE = Path(__file__).parent
WIDGETS = SITE.parent / "lmcourse" / "widgets"

project = "Language Modeling from Scratch"
author = "the authors of the course"
copyright = "the authors, MIT licence"
language = "en"
extensions = ["myst_nb", "sphinx.ext.mathjax"]

# The notebooks are shown as they were executed and committed; nothing runs here.
nb_execution_mode = "off"
nb_ipywidgets_js = {}  # the widgets' own JS makes them live, from beside the page
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_dmath_double_inline = True
myst_heading_anchors = 3
suppress_warnings = ["misc.highlighting_failure"]  # an "…" in an example of code
nitpicky = True
mathjax_path = "mathjax/tex-svg.js"
mathjax3_config = {"options": {"enableMenu": False}}  # its menu would load more files, from elsewhere

# The colours are those of lmcourse/widgets/lib/theme.css, so that a page and its widgets are of one hand.
_theme = (WIDGETS / "lib" / "theme.css").read_text(encoding="utf-8")
_light, _dark = (
    dict(re.findall(r"--lmc-(\w+): (#\w+)", block))
    for block in re.findall(r"\.lmc \{([^}]*--lmc-ink[^}]*)\}", _theme)[:2]
)


def _variables(tokens: dict[str, str], ground: str, line: str) -> dict[str, str]:
    """Furo's names for the course's colours; `ground` lies behind code, `line` between parts."""
    return {
        "color-foreground-primary": tokens["ink"],
        "color-foreground-secondary": tokens["c"],
        "color-foreground-muted": tokens["c"],
        "color-background-primary": tokens["paper"],
        "color-background-secondary": tokens["paper"],
        "color-background-border": line,
        "color-code-background": ground,
        "color-inline-code-background": ground,
        "color-brand-primary": tokens["a"],
        "color-brand-content": tokens["a"],
        "color-brand-visited": tokens["a"],
        "lmc-learner": tokens["b"],
        "lmc-good": tokens["good"],
        "lmc-focus": tokens["focus"],
    }


html_theme = "furo"
html_title = project
html_theme_options = {
    "light_css_variables": _variables(_light, "#f5f6f8", "#d9dde3"),
    "dark_css_variables": _variables(_dark, "#1f2329", "#3a414a"),
    "top_of_page_buttons": [],
}
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
templates_path = [str(SITE / "templates")]
BOOK = Path(os.environ["LMCOURSE_BOOK_SOURCE"])
html_static_path = [str(SITE / "static"), str(BOOK / "_assets")]
html_extra_path = [str(BOOK / "_extra")]
exclude_patterns = ["_*"]
html_css_files = ["book.css"]
html_js_files = ["book.js", ("widgets/lib/hydrate.js", {"type": "module"})]
html_favicon = str(SITE / "static" / "icon.svg")
html_copy_source = False
html_use_index = False
html_additional_pages = {"search": "search.html"}  # our own; Sphinx's finds pages, not sections
html_show_sphinx = False


def _name_what_is_unnamed(app, pagename, templatename, context, doctree):
    """Names for Furo's captions without a level, MyST-NB's folds with one name for all, and empty heads of columns."""
    tree = context.get("furo_navigation_tree", "")
    context["furo_navigation_tree"] = tree.replace('role="heading"', 'role="heading" aria-level="2"')
    body = context.get("body", "").replace('<summary aria-label="Toggle hidden content">', "<summary>")
    context["body"] = body.replace('<th class="head"><p></p></th>', "<td></td>")


def _own_scripts(app, pagename, templatename, context, doctree):
    script = {"widgets": "present.js", "search": "search.js", "progress": "live/progress.js"}.get(pagename)
    if (pagename == "review" or pagename[:2].isdigit()) and (BOOK / "_assets" / "live").is_dir():
        script = "live/review.js" if pagename == "review" else "live/live.js"
    if script:
        app.add_js_file(script, type="module")


def _without_its_search(app):
    app.builder.search = False


def setup(app):
    app.connect("builder-inited", _without_its_search)
    app.connect("html-page-context", _own_scripts)
    app.connect("html-page-context", _name_what_is_unnamed, priority=900)  # after Furo's own
