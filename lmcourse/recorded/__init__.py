"""What the course recorded on machines that a reader may not have: rates and steps of GPUs, loss curves of long runs.

`benchmarks/machine.py` and `benchmarks/training.py --curves` write the files beside this one, each with the card or
machine, the versions, the date and the command. `benchmarks/tales.py` trains the model in `models`.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # PyTorch is imported when the model is asked for
    from lmcourse.model import TransformerLM
    from lmcourse.tokenization import BPETokenizer

RECORDED = Path(__file__).parent


def recorded(folder: Path = RECORDED) -> list[dict[str, Any]]:
    """The records that ship with the course, by card; an empty list as long as nobody has made one.

    >>> all({"card", "date", "command", "versions"} <= record.keys() for record in recorded())
    True
    """
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(Path(folder).glob("*.json"))]
    return sorted(found, key=lambda record: record["card"])


def recorded_curves(folder: Path = RECORDED / "curves") -> list[dict[str, Any]]:
    """The loss curves that ship with the course, by name; `benchmarks/training.py --curves` writes them.

    Each has "name", "training" and "validation" (lists of [step, nats a token]), the final "val_loss", and what was
    run: "data", "command", "machine", "date".

    >>> all({"name", "training", "val_loss", "command", "date"} <= curve.keys() for curve in recorded_curves())
    True
    """
    found = [json.loads(path.read_text(encoding="utf-8")) for path in Path(folder).glob("*.json")]
    return sorted(found, key=lambda curve: curve["name"])


def recorded_stories(path: Path = RECORDED / "stories" / "longer.json") -> dict[str, Any]:
    """What a longer run of notebook 09's model told at eight moments, and which rules it kept; from
    `benchmarks/stories.py`.

    >>> {"command", "machine", "date", "told"} <= recorded_stories().keys()
    True
    """
    return json.loads(Path(path).read_text(encoding="utf-8"))


def tales_model() -> tuple["TransformerLM", "BPETokenizer"]:
    """A small model that tells the stories of notebook 09, and its tokenizer, which is that of the notebook.

    Half a million weights, trained by `benchmarks/tales.py` on stories of the same grammar: a thing to play with where
    nobody has trained. It continues any text, and begins a story after an empty line.

    >>> from lmcourse.training import generate
    >>> model, tokenizer = tales_model()
    >>> story = tokenizer.decode(generate(model, tokenizer.encode(".\\n\\nOnce"), 60, temperature=0))
    >>> story.count(".") > 3
    True
    """
    from lmcourse.training.weights import open_model

    return open_model(RECORDED / "models" / "tales.safetensors")
