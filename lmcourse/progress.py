"""What a class has solved, from the files that `progress.export` wrote: `python -m lmcourse.progress *.json`.

A learner is a file's name, and nothing else is known of them. A learner's own progress is in exercises/progress.py.
"""

import argparse
import json
import sys
from pathlib import Path

MARKS = {"correct": "✓", "wrong": "✗"}


def gather(files: list[Path]) -> dict[str, dict[str, str]]:
    """Each learner's states by exercise; a folder stands for the exports in it.

    Raises ValueError for a file that is no export, OSError for one that is not there.
    """
    paths = [path for file in files for path in (sorted(file.glob("*.json")) if file.is_dir() else [file])]
    learners: dict[str, dict[str, str]] = {}
    for path in paths:
        try:
            read = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"file: {str(path)!r} is no export of progress: {error}") from None
        if not isinstance(read, dict) or any(state not in MARKS for state in read.values()):
            raise ValueError(f"file: {str(path)!r} is no export of progress: names and their states are wanted")
        name = path.stem if path.stem not in learners else str(path)
        learners[name] = {key: state for key, state in read.items() if ".predict." not in key}
    return learners


def who_is_where(learners: dict[str, dict[str, str]], asked: dict[str, list[str]]) -> str:
    """A row a learner, a column a notebook: how many of its exercises are solved.

    >>> print(who_is_where({"ada": {"strides.offset": "correct"}}, {"strides": ["offset", "can_view"]}))
    learner  strides  all
    ada          1/2  1/2
    """
    columns = {topic: [f"{topic}.{name}" for name in names] for topic, names in asked.items()}
    columns["all"] = [key for keys in columns.values() for key in keys]
    rows = [["learner", *columns]]
    for name, states in learners.items():
        solved = [sum(states.get(key) == "correct" for key in keys) for keys in columns.values()]
        rows.append([name, *(f"{count}/{len(keys)}" for count, keys in zip(solved, columns.values()))])
    return _table(rows)


def which_is_hard(learners: dict[str, dict[str, str]], most: int = 10) -> str:
    """The exercises that most learners have tried and not solved, the hardest first.

    >>> print(which_is_hard({"ada": {"strides.offset": "wrong"}, "bob": {"strides.offset": "correct"}}))
    exercise        tried  unsolved
    strides.offset      2         1
    """
    tried: dict[str, list[str]] = {}
    for states in learners.values():
        for key, state in states.items():
            tried.setdefault(key, []).append(state)
    unsolved = {key: states.count("wrong") for key, states in tried.items() if "wrong" in states}
    hardest = sorted(unsolved, key=lambda key: (-unsolved[key] / len(tried[key]), -unsolved[key], key))[:most]
    return _table(
        [["exercise", "tried", "unsolved"], *([key, str(len(tried[key])), str(unsolved[key])] for key in hardest)]
    )


def _table(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(word.rjust(width) for word, width in zip(row[1:], widths[1:]))]).rstrip()
        for row in rows
    )


def main(arguments: list[str] | None = None) -> int:
    """Print both tables; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m lmcourse.progress", description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="+", type=Path, help="what learners have exported, or folders of it")
    try:
        learners = gather(parser.parse_args(arguments).files)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    from lmcourse.exercises import topic, topic_names  # here, because some topics load PyTorch

    print(who_is_where(learners, {name: list(topic(name).exercises) for name in topic_names()}))
    print()
    print(which_is_hard(learners))
    return 0


if __name__ == "__main__":
    sys.exit(main())
