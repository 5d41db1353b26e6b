"""The words of the course, read from glossary.md: for the rules of teaching (tests/teaching.py) and for the book."""

import re
from dataclasses import dataclass
from pathlib import Path

PATH = Path(__file__).resolve().with_suffix(".md")
ENTRY = re.compile(r"- \*\*(.+?)\*\*(?:, (.+?))? \((\d\d)\): (\S.*)")


@dataclass(frozen=True)
class Term:
    """A line of the glossary: `- **logit**, logits (09): A score …`."""

    forms: tuple[str, ...]
    notebook: str
    meaning: str

    @property
    def anchor(self) -> str:
        """Its place on the glossary's page."""
        return "term-" + re.sub(r"\W+", "-", self.forms[0].lower())

    @property
    def pattern(self) -> re.Pattern:
        """What finds any of its forms as a word; capitals count where the term has some."""
        words = "|".join(re.escape(form) for form in sorted(self.forms, key=len, reverse=True))
        flags = 0 if re.search("[A-Z]", self.forms[0]) else re.IGNORECASE
        return re.compile(rf"(?<![\w-])(?:{words})(?![\w-])", flags)


def read() -> list[Term]:
    """All terms, in the order of the glossary."""
    entries = filter(None, map(ENTRY.fullmatch, PATH.read_text(encoding="utf-8").split("\n")))
    return [Term((m[1], *filter(None, (m[2] or "").split(", "))), m[3], m[4]) for m in entries]
