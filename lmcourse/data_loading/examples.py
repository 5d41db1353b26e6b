"""The files that notebook 07 plays with, each made once per kernel, and two ways to see what goes wrong."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt

from lmcourse.data_loading.tokens import encode_documents, open_tokens, write_header, write_tokens
from lmcourse.tokenization import BPETokenizer, train_bpe

END = "<|endoftext|>"


@cache
def _temporary() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="lmcourse-", ignore_cleanup_errors=True)


def scratch_folder() -> Path:
    """A folder for files that nobody will miss: the same at each call, gone when Python ends.

    >>> scratch_folder() == scratch_folder(), scratch_folder().is_dir()
    (True, True)
    """
    return Path(_temporary().name)


@cache
def large_file() -> Path:
    """A token file of two billion ids, 4 GB; of 200 million where the disk has less than 8 GB free.

    It is sparse: the system remembers that it is all zeros, and it takes no room on the disk. Reading it is like
    reading any file.

    >>> large_file().stat().st_size > 400_000_000
    True
    """
    length = 2_000_000_000 if shutil.disk_usage(scratch_folder()).free > 2**33 else 200_000_000
    path = scratch_folder() / "large.npy"
    with path.open("wb") as file:
        write_header(file, np.dtype(np.uint16), length)
        file.truncate(file.tell() + 2 * length)
    return path


@cache
def help_corpus() -> tuple[UInt[np.ndarray, "length"], BPETokenizer]:
    """The pages of Python's own `help()`, written to a token file and opened; and the tokenizer that made the ids.

    >>> tokens, tokenizer = help_corpus()
    >>> tokens.dtype, len(tokens) > 100_000
    (dtype('uint16'), True)
    """
    from pydoc_data.topics import topics

    pages = [topics[name] for name in sorted(topics)]
    vocab, merges = train_bpe("\n".join(pages[:20]), 1024, [END])
    tokenizer = BPETokenizer(vocab, merges, [END])
    path = scratch_folder() / "help.npy"
    write_tokens(path, encode_documents(pages, tokenizer), len(vocab))
    return open_tokens(path, vocab_size=len(vocab)), tokenizer


_WRITER = """
import sys, time
from lmcourse.support.files import replacing
with replacing(sys.argv[1]) as file:
    file.write(b"half of the new file")
    file.flush()
    print("half", flush=True)
    time.sleep(60)
"""


def kill_a_writer(path: Path) -> int:
    """Let another Python begin to replace the file at `path`, and kill it in the middle; returns how many unfinished
    files it leaves in the folder.

    >>> path = scratch_folder() / "kept.txt"
    >>> _ = path.write_text("old")
    >>> kill_a_writer(path), path.read_text()
    (1, 'old')
    """
    writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE)
    writer.stdout.readline()
    writer.kill()
    writer.communicate()
    unfinished = list(path.parent.glob(f".{path.name}*.part"))
    for part in unfinished:
        part.unlink()
    return len(unfinished)


def refusal(function: Callable, *args: Any, **kwargs: Any) -> str:
    """The error that a call ends in, on one line, without the name of the scratch folder.

    >>> refusal(int, "four")
    "ValueError: invalid literal for int() with base 10: 'four'"
    """
    try:
        function(*args, **kwargs)
    except Exception as error:
        first = str(error).partition("\n")[0].replace(f"{scratch_folder()}/", "").replace(f"{scratch_folder()}\\", "")
        return f"{type(error).__name__}: {first}"
    return "no error"
