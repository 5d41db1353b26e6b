"""`python -m lmcourse.training.sample`: let a model write, each piece of text as soon as it is there.

The model is a checkpoint of `python -m lmcourse.training`, which holds its tokenizer, a file of `save_model`, a folder
with a Llama, or the small model that ships with the course.
"""

import argparse
import os
import sys
import zipfile
from pathlib import Path
from typing import Any

from lmcourse.model import TransformerLM
from lmcourse.recorded import tales_model
from lmcourse.support import checks
from lmcourse.training.pretrained import load_llama
from lmcourse.training.recipe import load_model
from lmcourse.training.sampling import stream, stream_text
from lmcourse.training.weights import open_model


def main(arguments: list[str] | None = None) -> int:
    """`python -m lmcourse.training.sample`: see `--help`. Returns 0, 2 for an error, 130 when interrupted."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a redirected output on Windows has 256 characters
    options = _parse(arguments)
    try:
        model, tokenizer = _model(options.model, options.tokenizer)
        _write(model, tokenizer, options)
    except (ValueError, TypeError, OSError, EOFError) as error:
        if isinstance(error, BrokenPipeError):  # `| head` has read enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print()
        return 130
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m lmcourse.training.sample", description="Let a model continue a text."
    )
    parser.add_argument(
        "model",
        type=Path,
        nargs="?",
        help="a checkpoint, a file of save_model, or a Llama's folder; default: the tales'",
    )
    parser.add_argument(
        "--prompt", default="One day", help="what it continues; - reads standard input; default: One day"
    )
    parser.add_argument("--tokens", type=int, default=200, metavar="N", help="length of the answer; default: 200")
    parser.add_argument("--temperature", type=float, default=0.8, metavar="T", help="0 takes the first; default: 0.8")
    parser.add_argument("--top-k", type=int, metavar="K", help="draw from the K most probable tokens")
    parser.add_argument("--top-p", type=float, metavar="P", help="draw from those that reach this probability")
    parser.add_argument("--seed", type=int, help="the same seed draws the same text")
    parser.add_argument("--tokenizer", type=Path, metavar="FILE", help="default: NAME_tokenizer.json beside the model")
    return parser.parse_args(arguments)


def _model(path: Path | None, tokenizer: Path | None) -> tuple[TransformerLM, Any]:
    """The model and its tokenizer, by what the file is and not by its name."""
    own = path is None or path.is_dir() or zipfile.is_zipfile(path)
    if own and tokenizer is not None:
        raise ValueError(f"--tokenizer: only for a file of save_model, got {tokenizer}; this model has its own")
    if path is None:
        return tales_model()
    if path.is_dir():
        return load_llama(path)
    return load_model(path)[:2] if own else open_model(path, tokenizer)


def _write(model: TransformerLM, tokenizer: Any, options: argparse.Namespace) -> None:
    prompt = sys.stdin.read().removesuffix("\n") if options.prompt == "-" else options.prompt
    if options.seed is not None:
        checks.whole("--seed", options.seed, 0)
    ids = tokenizer.encode(prompt)
    if not ids:
        raise ValueError("--prompt: at least one character, got none; a model continues a text, it does not begin one")
    how = {"temperature": options.temperature, "top_k": options.top_k, "top_p": options.top_p, "seed": options.seed}
    new = stream(model, ids, options.tokens, **how)  # refuses an option before the prompt is printed
    print(prompt, end="", flush=True)
    for piece in stream_text(tokenizer, ids, new):
        print(piece, end="", flush=True)
    print()


if __name__ == "__main__":
    raise SystemExit(main())
