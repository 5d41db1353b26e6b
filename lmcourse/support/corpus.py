"""Text to learn from: Python's documentation, small stories, tinyshakespeare, a file of yours, samples in many scripts.

Nothing here needs a network but the first `load("tinyshakespeare")`.
"""

import functools
import inspect
import os
import re
import sysconfig
from pathlib import Path

from lmcourse.support import tales

SHAKESPEARE_URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
SHAKESPEARE_SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"


def load(name_or_path: str | os.PathLike = "python-docs") -> str:
    """The text of a corpus.

    `"python-docs"`: the English prose that every Python carries, about 2 MB: the language reference behind `help()`
    and the docstrings of the standard library. It differs a little between Python versions.
    `"tales"`: 2 MB of small stories from the grammar in `lmcourse.support.tales`, the same on every machine.
    `"tinyshakespeare"`: 1.1 MB, fetched once (SHA-256 checked) into the folder `cache_folder()`.
    Anything else is the path of a UTF-8 text file.
    Raises: FileNotFoundError; ValueError (not UTF-8); ConnectionError (offline and not cached).

    >>> text = load("python-docs")
    >>> 1_000_000 < len(text) < 10_000_000, "docstring" in text
    (True, True)
    """
    if name_or_path == "python-docs":
        return _python_docs()
    if name_or_path == "tales":
        return tales.text()
    if name_or_path == "tinyshakespeare":
        return _read(_fetch_shakespeare())
    path = Path(name_or_path)
    if not path.is_file():
        raise FileNotFoundError(
            f"name_or_path: 'python-docs', 'tales', 'tinyshakespeare' or a file that exists, got {os.fspath(path)!r}"
        )
    return _read(path)


def cache_folder() -> Path:
    """Where fetched corpora are kept: `LMCOURSE_CACHE` if set (`~` is your home), else the user's cache folder.

    >>> cache_folder().is_absolute() or "LMCOURSE_CACHE" in os.environ
    True
    """
    import platformdirs

    return Path(os.environ.get("LMCOURSE_CACHE") or platformdirs.user_cache_dir("lmcourse")).expanduser()


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", newline="") as file:  # newline="": keep \r\n as it is
            return file.read()
    except UnicodeDecodeError as error:
        raise ValueError(f"name_or_path: UTF-8, got {os.fspath(path)!r} ({error})") from None


def _fetch_shakespeare() -> Path:
    import pooch

    pooch.get_logger().setLevel("WARNING")
    try:
        path = pooch.retrieve(
            SHAKESPEARE_URL,
            known_hash=f"sha256:{SHAKESPEARE_SHA256}",
            fname="tinyshakespeare.txt",
            path=cache_folder(),
            downloader=pooch.HTTPDownloader(timeout=10),
        )
    except OSError as error:  # what requests raises without a network is one, too
        raise ConnectionError(
            f"'tinyshakespeare' is not in {cache_folder()} and cannot be fetched ({type(error).__name__}). "
            "What works without a network: load('python-docs'), or load('a/file/of/yours.txt')."
        ) from None
    return Path(path)


# A triple-quoted string that is a statement of its own.
_DOCSTRING = re.compile(r'^[ \t]*[rR]?"""(.*?)"""', re.MULTILINE | re.DOTALL)
_NOT_THE_LIBRARY = {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "turtledemo", "pydoc_data"}


@functools.cache
def _python_docs() -> str:
    from pydoc_data.topics import topics

    library = Path(sysconfig.get_paths()["stdlib"])
    paths = sorted(path.relative_to(library) for path in library.rglob("*.py"))
    docs = [topics[name].strip() for name in sorted(topics)]
    for path in paths:
        if not _NOT_THE_LIBRARY & set(path.parts):
            source = (library / path).read_text(encoding="utf-8", errors="replace")
            docs += [inspect.cleandoc(found) for found in _DOCSTRING.findall(source) if len(found) > 40]
    return "\n\n".join(docs) + "\n"


def samples() -> dict[str, str]:
    """Short texts of the course's own that a tokenizer should survive: the same thought in many scripts, and more.

    The keys that are a language's name say the same sentence, so that lengths may be compared.

    >>> samples()["English"]
    'Every language says this sentence, but not every language pays the same price for it.'
    """
    return dict(_SAMPLES)


_SAMPLES = {
    "English": "Every language says this sentence, but not every language pays the same price for it.",
    "German": "Jede Sprache sagt diesen Satz, aber nicht jede Sprache zahlt denselben Preis dafür.",
    "Spanish": "Todas las lenguas dicen esta frase, pero no todas las lenguas pagan el mismo precio por ella.",
    "Vietnamese": "Ngôn ngữ nào cũng nói câu này, nhưng không phải ngôn ngữ nào cũng trả cùng một giá cho nó.",
    "Greek": "Κάθε γλώσσα λέει αυτή την πρόταση, αλλά δεν πληρώνει κάθε γλώσσα το ίδιο τίμημα γι' αυτήν.",
    "Russian": "Каждый язык произносит это предложение, но не каждый язык платит за него одинаковую цену.",
    "Hebrew": "כל שפה אומרת את המשפט הזה, אבל לא כל שפה משלמת עליו את אותו המחיר.",
    "Arabic": "كل لغة تقول هذه الجملة، لكن ليست كل لغة تدفع الثمن نفسه من أجلها.",
    "Hindi": "हर भाषा यह वाक्य कहती है, लेकिन हर भाषा इसके लिए एक ही कीमत नहीं चुकाती।",
    "Bengali": "প্রতিটি ভাষা এই বাক্যটি বলে, কিন্তু প্রতিটি ভাষা এর জন্য একই দাম দেয় না।",
    "Tamil": "ஒவ்வொரு மொழியும் இந்த வாக்கியத்தைச் சொல்கிறது, ஆனால் ஒவ்வொரு மொழியும் அதற்கு ஒரே விலையைக் கொடுப்பதில்லை.",
    "Thai": "ทุกภาษาพูดประโยคนี้ แต่ไม่ใช่ทุกภาษาที่จ่ายราคาเท่ากันสำหรับมัน",
    "Georgian": "ყველა ენა ამბობს ამ წინადადებას, მაგრამ ყველა ენა ერთსა და იმავე ფასს არ იხდის მასში.",
    "Amharic": "ሁሉም ቋንቋ ይህን ዓረፍተ ነገር ይላል፣ ግን ሁሉም ቋንቋ ለእሱ እኩል ዋጋ አይከፍልም።",
    "Chinese": "每种语言都会说这句话，但并非每种语言都为它付出同样的代价。",
    "Japanese": "どの言語もこの文を言うが、どの言語もそのために同じ代償を払うわけではない。",
    "Korean": "모든 언어가 이 문장을 말하지만, 모든 언어가 같은 값을 치르는 것은 아니다.",
    "emoji": "👋🏽 a wave with a skin tone, 👩‍👩‍👧‍👦 a family of seven code points, 🏳️‍🌈 a flag, 🇬🇪 another, ❤️ a heart.",
    "code": (
        "def mean(values):\n    total = 0.0\n    for x in values:\n        total += x\n"
        "    return total / len(values)  # fails on []\n"
    ),
    "mathematics": "∀ε > 0 ∃δ > 0: |x − a| < δ ⇒ |ƒ(x) − ƒ(a)| < ε, and √2 ≈ 1.41421356",
    "combining marks": "Ame\u0301lie and Amélie look alike; Z\u0351\u036ba\u0323\u0307l\u0334g\u0330o\u0309 does not.",
    "mixed directions": "The word שלום means peace, السلام too, and 12345 runs left to right inside both.",
    "whitespace": "tabs\tand  two spaces,\r\n a Windows line end,\n\n\n three newlines,\u00a0a no-break space.   ",
    "invisible": "zero\u200bwidth, soft\u00adhyphen, a NUL \x00 and a byte order mark \ufeff here",
    "hostile": "<img src=x onerror=\"alert('hello')\"> & <|endoftext|> </script>",
}
LANGUAGES = tuple(name for name in _SAMPLES if name.istitle())
