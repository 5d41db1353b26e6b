"""Write a file whole or not at all: the one place where the course replaces a file on disk."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path` for writing bytes; on leaving, sync it and rename it over `path`.

    Whoever reads `path` sees the old file or the new one, never half of one, even where the writer is killed.
    An exception inside the block removes the temporary file and leaves `path` as it was. Only a kill leaves the
    temporary file behind; its name begins with a dot and ends in ".part". Where `path` is a symbolic link, the file
    that it points to is replaced, and the link stays.

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> with replacing(Path(folder, "a.txt")) as file:
    ...     _ = file.write(b"whole")
    >>> Path(folder, "a.txt").read_text(encoding="utf-8"), len(os.listdir(folder))
    ('whole', 1)
    """
    target = Path(os.path.realpath(path)) if Path(path).is_symlink() else Path(path)
    # Not tempfile: what it makes, only its owner may read. A part of the name, for a name has at most 255 bytes.
    temporary = target.with_name(f".{target.name[:40]}-{secrets.token_hex(8)}.part")
    try:
        with temporary.open("x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Make the new name itself last through a power cut, where that can be: Windows and some network drives do not."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
