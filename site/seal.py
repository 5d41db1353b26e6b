"""The last step of a book: rules for what its pages may load, and a service worker that keeps them for later.

Each page says in a Content-Security-Policy that it loads from its own site only and runs no script that is not a file,
but for the two inline ones, which it names by hash. The service worker knows every file by its content. All that pages
load lies in one folder that is named by its content: a page never gets a script, a picture or a Python of another book,
however old the page is that a reader has open, and whatever a cache or a slow network gives.
"""

import base64
import hashlib
import json
import re
from pathlib import Path

SITE = Path(__file__).resolve().parent
INLINE = re.compile(r"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)
PICTURE = re.compile(r'src="data:image/(png|jpeg);base64,([^"]*)"')
STATIC = re.compile(r'(?<==")(_static(?:-\w+)?/)')  # in the tags of a page
LATER = (
    "_static/pyodide/",
    "_static/live/course.zip",
    "_static/live/driver.py",
    "_static/widgets/models/",
)  # only a page with a Check, or a reader who lets a model write, asks for it
LEFT_OUT = ("_static", "_sources/", ".", "objects.inv", "sw.js")  # no page asks for it, or it is found apart
RULES = {
    "default-src": "'self'",
    "script-src": "'self' 'wasm-unsafe-eval'",
    "style-src": "'self' 'unsafe-inline'",  # MathJax, the editor and the cards set styles
    "img-src": "'self' data:",
    "worker-src": "'self' blob:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
}


def policy(text: str) -> str:
    """The rules for one page.

    >>> policy("<script>1</script>").split("; ")[1]
    "script-src 'self' 'wasm-unsafe-eval' 'sha256-a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s='"
    """
    digests = {hashlib.sha256(code.encode()).digest() for code in INLINE.findall(text)}
    allowed = "".join(f" 'sha256-{each}'" for each in sorted(base64.b64encode(d).decode() for d in digests))
    return "; ".join(f"{kind} {what}{allowed * (kind == 'script-src')}" for kind, what in RULES.items())


def lighter(text: str, folder: Path) -> str:
    """A page whose pictures lie beside it, in _images, and are fetched when they come near."""
    (folder / "_images").mkdir(exist_ok=True)

    def beside(match: re.Match) -> str:
        kind, content = match[1], base64.b64decode(match[2])
        name = f"{hashlib.sha256(content).hexdigest()[:16]}.{kind}"
        (folder / "_images" / name).write_bytes(content)
        wide, high = (int.from_bytes(content[k : k + 4], "big") for k in (16, 20))  # where a PNG says so
        size = f'width="{wide}" height="{high}" ' if kind == "png" else ""
        return f'{size}loading="lazy" src="_images/{name}"'

    return PICTURE.sub(beside, text)


def close(folder: Path) -> None:
    """Put the rules into every page of a built book, the pictures and the service worker beside them."""
    for path in folder.glob("*.html"):
        text = lighter(path.read_text(encoding="utf-8"), folder).replace('="_images/', '="_static/images/')
        rules = f'<meta http-equiv="Content-Security-Policy" content="{policy(text)}">'
        path.write_text(re.sub(r"(<meta charset=[^>]*>)", rf"\1\n    {rules}", text, count=1), encoding="utf-8")
    (folder / "_images").rename(folder / "_static" / "images")
    release(folder)


def release(folder: Path) -> None:
    """Name the folder of what pages load by its content, in the pages too, and write the service worker."""
    (static,) = folder.glob("_static*")
    version = hashlib.sha256(json.dumps(contents(static, "")).encode()).hexdigest()[:12]
    static = static.rename(folder / f"_static-{version}")
    for path in folder.glob("*.html"):
        path.write_text(STATIC.sub(f"{static.name}/", path.read_text(encoding="utf-8")), encoding="utf-8")
    outside = {name: each for name, each in contents(folder, "").items() if not name.startswith(LEFT_OUT)}
    files = outside | contents(static, "_static/")
    first = {name: each for name, each in files.items() if not name.startswith(LATER)}
    later = {name: each for name, each in files.items() if name.startswith(LATER)}
    book = json.dumps({"version": version, "first": first, "later": later}, indent=1)
    script = (SITE / "live" / "sw.js").read_text(encoding="utf-8")
    (folder / "sw.js").write_text(script.replace('{ version: "", first: {}, later: {} }', book), encoding="utf-8")


def contents(folder: Path, prefix: str) -> dict[str, str]:
    """The names of the files of a folder, with hashes of what is in them."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        prefix + path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in files
    }
