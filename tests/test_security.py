"""What a learner's machine must never be asked to do. Run: pytest tests/test_security.py

The server listens on this machine alone and asks for its token; what somebody wrote is shown and never parsed as HTML.
That nothing is unpickled, evaluated or handed to a shell is ruff's to say (rules S). Hostile text in a browser:
tests/browser/test_hostile_state.py.
"""

import contextlib
import html.parser
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest
import traitlets

import lmcourse.widgets
from lmcourse.exercises.cards import Card

ROOT = Path(__file__).parents[1]
JAVASCRIPT = [
    path
    for folder in ("lmcourse", "site")
    for path in sorted((ROOT / folder).rglob("*.js"))
    if not {"_build", "node_modules"} & set(path.parts)
]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# --- what somebody wrote is shown, never parsed -----------------------------------------------------------------

PARSED = re.compile(
    r"\.(?:inner|outer)HTML|insertAdjacentHTML|document\.write|\beval\s*\(|new\s+Function\b|DOMParser|srcdoc|"
    r"createContextualFragment|javascript:|setHTMLUnsafe|set(?:Timeout|Interval)\(\s*[\"'`]"
)


@pytest.mark.parametrize("path", JAVASCRIPT, ids=name_of)
def test_no_javascript_parses_text(path):
    # The book's cards are read by a parser that runs nothing, and only plain elements are copied from what it read.
    allowed = ["DOMParser"] if path.name == "cards.js" else []
    assert PARSED.findall(path.read_text(encoding="utf-8")) == allowed


HOSTILE = '"><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>&lt;b&gt;\u202e'
PLAIN = {
    "div", "p", "b", "i", "small", "span", "pre", "code", "ul", "ol", "li", "br", "em", "strong", "sub", "sup",
    "table", "caption", "thead", "tbody", "tr", "th", "td", "details", "summary", "hr", "kbd",
    "svg", "g", "rect", "path", "line", "text", "circle", "title", "desc", "polyline", "tspan", "ellipse", "polygon",
}  # fmt: skip


class Elements(html.parser.HTMLParser):
    """The elements of a piece of HTML that are not plain, and the attributes that run something."""

    def __init__(self, markup: str):
        super().__init__()
        self.wrong: list[str] = []
        self.feed(markup)

    def handle_starttag(self, tag, attributes):
        if tag not in PLAIN:
            self.wrong.append(f"<{tag}>")
        for name, value in attributes:
            if name.startswith("on") or name in ("href", "src") or "javascript:" in (value or ""):
                self.wrong.append(f"<{tag} {name}={value!r}>")


def with_hostile_text(value):
    """The same value with every text in it replaced by the hostile one."""
    match value:
        case str():
            return HOSTILE
        case dict():
            return {key: with_hostile_text(item) for key, item in value.items()}
        case list() | tuple():
            return type(value)(with_hostile_text(item) for item in value)
    return value


@pytest.mark.parametrize("name", lmcourse.widgets.widget_names())
def test_no_widget_lets_text_become_markup(name):
    """Each trait in turn holds hostile text wherever it held a text."""
    for trait in getattr(lmcourse.widgets, name).example().state():
        widget = getattr(lmcourse.widgets, name).example()
        with contextlib.suppress(traitlets.TraitError):  # refused: the state stays
            setattr(widget, trait, with_hostile_text(getattr(widget, trait)))
        bundle, _ = widget._repr_mimebundle_()
        assert Elements(bundle["text/html"]).wrong == [], f"{name}.{trait}"


def test_no_card_lets_text_become_markup():
    card = Card(
        "wrong", HOSTILE, (HOSTILE,), ((HOSTILE, HOSTILE),), ((HOSTILE, HOSTILE, False), (HOSTILE, HOSTILE, True))
    )
    allowed = [wrong for wrong in Elements(card.html()).wrong if "style" not in wrong]
    assert allowed == []


# --- the server ------------------------------------------------------------------------------------------------


def lab_command() -> list[str]:
    """What `make lab` runs."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    printed = subprocess.run(
        ["make", "-n", "lab"], cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=True
    ).stdout
    (line,) = [line for line in printed.splitlines() if "jupyter lab" in line]
    command = line.partition("&& ")[2]  # what stands before finds the reader's own folder
    return shlex.split(command.replace("${folder:?}", "notebooks"))


def status(address: str, **headers: str) -> int:
    try:
        return urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=10).status
    except urllib.error.HTTPError as error:
        return error.code


def _listening(pid: int) -> set[str]:
    """The addresses at which a process listens."""
    return {c.laddr.ip for c in psutil.Process(pid).net_connections("tcp") if c.status == "LISTEN"}


@pytest.mark.skipif(os.name == "nt", reason="make lab is not used on Windows")
def test_the_lab_listens_here_alone_asks_for_its_token_and_leaves_a_taken_port(tmp_path):
    pytest.importorskip("jupyterlab")
    program, *arguments = lab_command()
    assert program.endswith("bin/jupyter") and arguments[0] == "lab"
    for setting in ("token=", "password=", "allow_origin", "disable_check_xsrf", "allow_remote"):
        assert not any(setting in argument for argument in arguments), f"{setting} weakens the server"
    folders = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_RUNTIME_DIR": "runtime", "JUPYTERLAB_WORKSPACES_DIR": "work"}
    environment = {key: value for key, value in os.environ.items() if key != "JUPYTER_TOKEN"}
    environment |= {key: str(tmp_path / value) for key, value in folders.items()}
    command = [sys.executable, "-m", "jupyter", *arguments, "--no-browser"]
    taken = socket.socket()
    with contextlib.suppress(OSError):  # somebody has it already
        taken.bind(("127.0.0.1", 8888))
    log = (tmp_path / "log").open("w", encoding="utf-8")
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while not (found := list((tmp_path / "runtime").glob("jpserver-*.json"))):
            assert process.poll() is None, (tmp_path / "log").read_text(encoding="utf-8")
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.2)
        server = json.loads(found[0].read_text(encoding="utf-8"))
        assert server["hostname"] == "127.0.0.1" and len(server["token"]) >= 32 and server["port"] != 8888
        while not (listening := _listening(process.pid)):  # it writes the file first, and listens a moment later
            assert time.monotonic() < deadline, "the server does not listen"
            time.sleep(0.2)
        assert listening <= {"127.0.0.1", "::1"}
        address = f"http://127.0.0.1:{server['port']}/api/contents"
        while time.monotonic() < deadline:
            try:
                status(address)
                break
            except OSError:
                time.sleep(0.2)
        assert status(address) == 403
        assert status(address, Authorization="token guessed") == 403
        assert status(address, Authorization=f"token {server['token']}") == 200
        assert f"http://127.0.0.1:{server['port']}/lab?token=" in (tmp_path / "log").read_text(encoding="utf-8")
    finally:
        taken.close()
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
        log.close()
