"""What the learner has solved, in one small JSON file in their own data folder. Nothing leaves the machine.

`{"strides.offset": "correct", ..., "dates": {"strides.offset": {"2026-11-28": "wrong"}, ...}}`: a state by key, and for
the review the days on which something was first met and was asked again (schedule.py). `"review": false` is the
reader's wish not to be asked. `LMCOURSE_DATA` moves the folder. A folder that cannot be written, or a file that is no
progress file, costs the memory and nothing else: no exercise fails over it.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from lmcourse.exercises import schedule
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


def today() -> date:
    """The day by UTC, the same in every time zone."""
    return datetime.now(UTC).date()


def load() -> dict[str, str]:
    """`{"tokenization.merge_pair": "correct", ...}`; empty where there is none."""
    return {key: state for key, state in _read().items() if isinstance(state, str)}


def dates() -> dict[str, schedule.Tries]:
    """When what was met and asked again, `{"strides.offset": {"2026-11-28": "wrong"}}`.

    What an older course kept without a day counts as seen today; that is written down.
    """
    with _alone():
        known = _read()
        if any(key not in schedule.readable(known.get("dates")) for key in known if isinstance(known[key], str)):
            _write(known)
            return _dated(known)["dates"]
    return schedule.readable(known.get("dates"))


def record(key: str, state: str) -> None:
    """Remember the state of one exercise or prediction. What was once correct stays so.

    The first time is also kept as a day; later ones are not, since a whole notebook may have been run again.
    """
    with _alone():
        known = _read()
        if known.get(key) not in (state, "correct"):
            _write(_met(known, key, state) | {key: state})


def met(*keys: str) -> None:
    """Remember the day of what has no state, such as questions that were seen."""
    with _alone():
        known = _read()
        if set(keys) - set(schedule.readable(known.get("dates"))):
            for key in keys:
                known = _met(known, key, "seen")
            _write(known)


def answered(key: str, state: str) -> None:
    """Remember how something was answered that was asked again: the first answer of a day."""
    with _alone():
        known = _read()
        kept = schedule.readable(known.get("dates"))
        if kept.get(key, {}).get(today().isoformat(), "seen") == "seen":
            _write(known | {"dates": schedule.merged(kept, {key: {today().isoformat(): state}})})


def wanted(wish: bool | None = None) -> bool:
    """Whether the learner wants to be asked again; with a wish, from now on."""
    with _alone():
        known = _read()
        if wish is not None:
            known.pop("review", None)
            _write(known | ({} if wish else {"review": False}))
            return wish
    return known.get("review") is not False


def forget(key: str) -> None:
    """Take one exercise or prediction for not attempted again."""
    with _alone():
        known = _read()
        if known.pop(key, None) is not None:
            _write(known)


def _read() -> dict[str, Any]:
    try:
        read = json.loads(path().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _met(known: dict[str, Any], key: str, state: str) -> dict[str, Any]:
    kept = schedule.readable(known.get("dates"))
    return known | {"dates": kept | ({} if key in kept else {key: {today().isoformat(): state}})}


def _dated(known: dict[str, Any]) -> dict[str, Any]:
    """What an older course kept without a day was seen today, as far as we know."""
    kept = schedule.readable(known.get("dates"))
    new = {key: {today().isoformat(): "seen"} for key, state in known.items() if isinstance(state, str)}
    dates = new | kept
    return {key: value for key, value in known.items() if key != "dates"} | ({"dates": dates} if dates else {})


def _write(known: dict[str, Any]) -> None:
    with contextlib.suppress(OSError), replacing(path()) as file:  # a read-only home must not cost an exercise
        file.write(_text(_dated(known)).encode())


def _text(known: dict[str, Any]) -> str:
    return json.dumps(known, indent=1, sort_keys=True) + "\n"


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
    from lmcourse.exercises.reviewing import summary
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
    Card(state, f"{solved} of {asked} exercises are correct", summary(), tuple(rows), tuple(folds)).show()


def export(file: str | os.PathLike | None = None) -> str:
    """Your progress as JSON text, and written to `file` where one is given: names, states and days, no code and no
    name of yours."""
    text = _text({key: value for key, value in _dated(_read()).items() if key != "review"})
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
    states, days = read_export(file)
    with _alone():
        known = _read()
        solved = {key for key, state in known.items() if state == "correct"}
        new = {key: state for key, state in states.items() if key not in solved}
        _write(known | new | {"dates": schedule.merged(schedule.readable(known.get("dates")), days)})


def read_export(file: str | os.PathLike) -> tuple[dict[str, str], dict[str, schedule.Tries]]:
    """The states and the days in a file that `export` wrote, now or in an older course.

    Raises ValueError for a file that is no export, OSError for one that is not there.
    """
    try:
        read = json.loads(Path(file).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"file: {os.fspath(file)!r} is no export of progress: {error}") from None
    days = read.pop("dates", {}) if isinstance(read, dict) else {}
    if not isinstance(read, dict) or any(state not in ("correct", "wrong") for state in read.values()):
        raise ValueError(f"file: {os.fspath(file)!r} is no export of progress: names and their states are wanted")
    if schedule.readable(days) != days:
        raise ValueError(f"file: {os.fspath(file)!r} is no export of progress: its dates cannot be read")
    return read, days
