"""What every widget of the course shares on the Python side.

A subclass in `stride_view.py` is paired with `stride_view.js` and `stride_view.css` beside it. Its source imports from
`lib/` (what widgets share) and `rules/` (arithmetic) as any module does, so node and a static page run it as it stands;
a notebook wants one file, so here the modules are put in front of it. There is no bundler.

Not done here: drawing. A widget's picture is made by its JS from its traits; `snapshot` is what a reader without
a kernel sees (GitHub, a printed page, a notebook that was opened but not run).
"""

import html
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import anywidget
import traitlets

HERE = Path(__file__).parent
IMPORT = re.compile(r'^import \{([^}]*)\} from "([./\w]+)\.js";$', re.MULTILINE)
EXPORT = re.compile(r"^export ((?:async )?(?:const|function\*?|class) )(\w+)", re.MULTILINE)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def one_file(js_path: Path) -> str:
    """The ESM of a widget: the modules that it imports, each once and in a scope of its own, then the widget itself.

    An import becomes `const { h, s } = lib_base;`, a module `const lib_base = (() => { … return { h, s }; })();`: so
    two modules may use one name for two things. Raises FileNotFoundError for an import that is not there.
    """
    modules: dict[Path, str] = {}

    def without_imports(path: Path) -> str:
        def link(match: re.Match) -> str:
            imported = (path.parent / f"{match[2]}.js").resolve()
            if imported not in modules:
                inner = without_imports(imported)
                names = ", ".join(name for _, name in EXPORT.findall(inner))
                inner = EXPORT.sub(r"\1\2", inner)
                modules[imported] = f"const {_scope(imported)} = (() => {{\n{inner}\nreturn {{ {names} }};\n}})();\n"
            return f"const {{{match[1].replace(' as ', ': ')}}} = {_scope(imported)};"

        return IMPORT.sub(link, _read(path))

    widget = without_imports(js_path.resolve())
    return "".join(modules.values()) + widget


def _scope(path: Path) -> str:
    return f"{path.parent.name}_{path.stem}"


class CourseWidget(anywidget.AnyWidget):
    """Base of all widgets: paired files, a deterministic repr, a static snapshot, questions to the kernel.

    A subclass gives its state as synced traits (small and JSON), `summary()`, `snapshot()` and `example()`; where the
    JS asks something that only Python can know, also `answer()`.
    """

    title = traitlets.Unicode("").tag(sync=True)
    source = traitlets.Unicode("").tag(sync=True)
    more = traitlets.Bool(False).tag(sync=True)  # whether the controls behind More are shown
    _share = traitlets.Dict().tag(sync=True)  # what the Share panel must know to make a link

    @traitlets.default("_share")
    def _what_a_link_needs(self) -> dict:
        book = os.environ.get("LMCOURSE_BOOK", "")  # where this course's book is published
        page = f"{book.rstrip('/')}/widgets.html" if book else ""
        return {"name": type(self).__name__, "names": list(self.state()), "page": page}

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        # anywidget makes a subclass per instance, whose __dict__ already has _esm as a trait: leave that alone.
        if "_esm" not in cls.__dict__ and cls.__module__.startswith(f"{__package__}."):
            cls.stem = cls.__module__.rpartition(".")[2]
            cls._esm = one_file(HERE / f"{cls.stem}.js")
            cls._css = _read(HERE / "lib" / "theme.css") + _read(HERE / f"{cls.stem}.css")

    def __init__(self, **traits):
        super().__init__(**traits)
        self.on_msg(self._on_question)

    # What a subclass says of itself

    def summary(self) -> str:
        """One sentence that says what the widget shows; plain text, no addresses, no times."""
        return self.title

    def snapshot(self) -> str:
        """Static HTML of the state now. Escape what a user typed: `html.escape`."""
        return f"<p>{html.escape(self.summary())}</p>"

    @classmethod
    def example(cls) -> "CourseWidget":
        """A representative instance; the generic tests draw it, drive it and take its picture."""
        return cls()

    def at(self, **state) -> "CourseWidget":
        """Move the controls that no argument of the class sets; the Share panel's line of Python ends with it.

        Raises ValueError for a name that is no part of the state, TypeError for a value of the wrong kind.

        >>> from lmcourse.widgets import TrainingBudget
        >>> TrainingBudget("GPT-2").at(binary=True, days=7.0).days
        7.0
        """
        known = self.state().keys() - {"title", "source"}
        for name in state.keys() - known:
            raise ValueError(
                f"{name}: no part of the state of {type(self).__name__}, which is {', '.join(sorted(known))}"
            )
        with self.hold_sync():
            for name, value in state.items():
                try:
                    setattr(self, name, value)
                except traitlets.TraitError as refused:
                    raise TypeError(f"{name}: {refused}") from None
        return self

    def answer(self, question: dict) -> dict:
        """Answer what `ask` or `tell` in kernel.js sent. What is raised reaches the reader as words."""
        raise ValueError(f"{type(self).__name__} answers no questions, got {question!r}")

    # What follows from it

    def state(self) -> dict:
        """The synced traits of the course's own classes: enough to show the widget on a page without a kernel."""
        inherited = set(anywidget.AnyWidget.class_trait_names(sync=True))
        names = [n for n in self.trait_names(sync=True) if n not in inherited and not n.startswith("_")]
        return {name: getattr(self, name) for name in sorted(names)}

    def set_state(self, sync_data: dict) -> None:
        """Take what the page sends. What a trait refuses is not taken, and the page is told what stands instead."""
        try:
            super().set_state(sync_data)
        except traitlets.TraitError as refused:
            self.log.warning("%s keeps its state: %s", type(self).__name__, refused)
            self.send_state([name for name in sync_data if name in self.keys])

    def __repr__(self) -> str:
        return f"{type(self).__name__}: {_in_words(self.summary)}"

    def static_html(self) -> str:
        """The snapshot with the state beside it, so that hydrate.js can make it live on a page without a kernel."""
        state = json.dumps(self.state(), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return (
            f'<div data-lm-widget="{self.stem}" data-lm-state="{html.escape(state)}">\n'
            f"<p><b>{html.escape(self.title)}</b></p>\n{self.snapshot()}\n"
            f"<p><small>{html.escape(self.source)} · Run this cell to make it live.</small></p></div>"
        )

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs)
        return data | {"text/plain": repr(self), "text/html": _in_words(self.static_html)}, metadata

    def _on_question(self, _widget, content, _buffers):
        if not isinstance(content, dict) or "question" not in content:
            return
        try:
            reply = {"answer": self.answer(content["question"])}
        except KeyError as missing:
            reply = {"error": f"ValueError: the question has no {missing}"}
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        self.send({"id": content.get("id"), **reply})


def _in_words(tell: Callable[[], str]) -> str:
    """What `tell` says; where a state was set by hand to what makes no sense, that it makes none. Safe as HTML."""
    try:
        said = tell()
        said.encode()  # half of a surrogate pair cannot be sent to a page
        return said
    except Exception as error:
        reason = html.escape(f"{type(error).__name__}: {error}"[:200].encode(errors="replace").decode())
        return f"nothing to show, since its state makes no sense ({reason})"
