"""What the learner has solved, in one small JSON file in their own data folder. Nothing leaves the machine.

`LMCOURSE_DATA` moves the folder. A folder that cannot be written, or a file that is no progress file, costs the
memory and nothing else: no exercise fails over it.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from lmcourse.support.files import replacing


def path() -> Path:
    """Where the file is, whether or not it exists yet.

    >>> from unittest import mock
    >>> with mock.patch.dict(os.environ, LMCOURSE_DATA="mine"):
    ...     path().as_posix()
    'mine/progress.json'
    """
    return _folder() / "progress.json"


def _folder() -> Path:
    if named := os.environ.get("LMCOURSE_DATA"):
        return Path(named).expanduser()
    try:
        import platformdirs
    except ImportError:  # in a page
        return Path.home() / ".lmcourse"
    return Path(platformdirs.user_data_dir("lmcourse", appauthor=False))


def load() -> dict[str, str]:
    """`{"tokenization.merge_pair": "correct", ...}`; empty where there is none."""
    try:
        read = json.loads(path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


def record(key: str, state: str) -> None:
    """Remember the state of one exercise or prediction. What was once correct stays so."""
    with _alone():
        known = load()
        if known.get(key) not in (state, "correct"):
            _write(known | {key: state})


def forget(key: str) -> None:
    """Take one exercise or prediction for not attempted again."""
    with _alone():
        known = load()
        if known.pop(key, None) is not None:
            _write(known)


def _write(known: dict[str, str]) -> None:
    with contextlib.suppress(OSError), replacing(path()) as file:  # a read-only home must not cost an exercise
        file.write(json.dumps(known, indent=1, sort_keys=True).encode())


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other notebook is between reading and writing; the system forgets the lock of one that dies."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # no folder, or a file system without locks: then without
            path().parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(path().with_suffix(".lock").open("ab"))
            _lock(file.fileno())
        yield


def _lock(handle: int) -> None:
    try:
        import fcntl
    except ImportError:
        import msvcrt

        os.lseek(handle, 0, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)
    else:
        fcntl.flock(handle, fcntl.LOCK_EX)


def reset() -> None:
    """Forget everything."""
    path().unlink(missing_ok=True)


def show() -> None:
    """Show every notebook's exercises and predictions as a card: ○ not attempted, ✗ not yet, ✓ correct."""
    from lmcourse.exercises import topic, topic_names  # here, because topics import this module
    from lmcourse.exercises.cards import MARKS, Card
    from lmcourse.start import NOTEBOOKS

    known = {key: state for key, state in load().items() if state in ("wrong", "correct")}
    rows, folds, solved, asked = [], [], 0, 0
    for name in topic_names():
        mine = topic(name)
        exercises = {key: known.get(f"{name}.{key}", "todo") for key in mine.exercises}
        predictions = {key: known.get(f"{name}.predict.{key}", "todo") for key in mine.predictions}
        solved += sum(state == "correct" for state in exercises.values())
        asked += len(exercises)
        marks = [" ".join(MARKS[state] for state in states.values()) for states in (exercises, predictions)]
        title = NOTEBOOKS[mine.number].replace("_", " ")
        rows.append((title, f"{marks[0]}   predictions {marks[1]}"))
        lines = [f"{MARKS[state]} {key}" for key, state in exercises.items()]
        lines += [f"{MARKS[state]} prediction {key}" for key, state in predictions.items()]
        folds.append((f"{title}, by name", "\n".join(lines), True))
    state = "correct" if solved == asked else "todo"
    Card(state, f"{solved} of {asked} exercises are correct", rows=tuple(rows), folds=tuple(folds)).show()


def export(file: str | os.PathLike | None = None) -> str:
    """Your progress as JSON text, and written to `file` where one is given: names and states, no code and no name."""
    text = json.dumps(load(), indent=1, sort_keys=True) + "\n"
    if file is not None:
        Path(file).write_text(text, encoding="utf-8")
    return text


def restore(file: str | os.PathLike) -> None:
    """Take in what `export` wrote, from another machine perhaps. What was once correct stays so.

    Raises ValueError for a file that is no export, OSError for one that is not there.

    >>> import tempfile
    >>> from unittest import mock
    >>> with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, LMCOURSE_DATA=folder):
    ...     record("strides.offset", "correct")
    ...     there = Path(folder, "from_there.json")
    ...     _ = there.write_text('{"strides.offset": "wrong", "strides.can_view": "wrong"}', encoding="utf-8")
    ...     restore(there)
    ...     load()
    {'strides.can_view': 'wrong', 'strides.offset': 'correct'}
    """
    try:
        read = json.loads(Path(file).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"file: {os.fspath(file)!r} is no export of progress: {error}") from None
    if not isinstance(read, dict) or any(state not in ("correct", "wrong") for state in read.values()):
        raise ValueError(f"file: {os.fspath(file)!r} is no export of progress: names and their states are wanted")
    for key, state in read.items():
        record(key, state)
