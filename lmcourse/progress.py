"""What a class has solved, from the files that `progress.export` wrote: `python -m lmcourse.progress *.json`.

A learner is a file's name, and nothing else is known of them. A learner's own progress is in exercises/progress.py.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from lmcourse.exercises import schedule
from lmcourse.exercises.progress import read_export


@dataclass(frozen=True)
class Learner:
    """The states of a learner's exercises, and the days on which anything was answered."""

    states: Mapping[str, str]
    days: Mapping[str, schedule.Tries]


def gather(files: list[Path]) -> dict[str, Learner]:
    """Each learner by name; a folder stands for the exports in it.

    Raises ValueError for a file that is no export, OSError for one that is not there.
    """
    paths = [path for file in files for path in (sorted(file.glob("*.json")) if file.is_dir() else [file])]
    learners: dict[str, Learner] = {}
    for path in paths:
        states, days = read_export(path)
        name = path.stem if path.stem not in learners else str(path)
        learners[name] = Learner({key: state for key, state in states.items() if ".predict." not in key}, days)
    return learners


def who_is_where(learners: dict[str, Learner], asked: dict[str, list[str]]) -> str:
    """A row a learner, a column a notebook: how many of its exercises are solved.

    >>> ada = Learner({"strides.offset": "correct"}, {})
    >>> print(who_is_where({"ada": ada}, {"strides": ["offset", "can_view"]}))
    learner  strides  all
    ada          1/2  1/2
    """
    columns = {topic: [f"{topic}.{name}" for name in names] for topic, names in asked.items()}
    columns["all"] = [key for keys in columns.values() for key in keys]
    rows = [["learner", *columns]]
    for name, learner in learners.items():
        solved = [sum(learner.states.get(key) == "correct" for key in keys) for keys in columns.values()]
        rows.append([name, *(f"{count}/{len(keys)}" for count, keys in zip(solved, columns.values()))])
    return _table(rows)


def which_is_hard(learners: dict[str, Learner], most: int = 10) -> str:
    """The exercises that most learners have tried and not solved, the hardest first.

    >>> ada, bob = Learner({"strides.offset": "wrong"}, {}), Learner({"strides.offset": "correct"}, {})
    >>> print(which_is_hard({"ada": ada, "bob": bob}))
    exercise        tried  unsolved
    strides.offset      2         1
    """
    tried: dict[str, list[str]] = {}
    for learner in learners.values():
        for key, state in learner.states.items():
            tried.setdefault(key, []).append(state)
    unsolved = {key: states.count("wrong") for key, states in tried.items() if "wrong" in states}
    hardest = sorted(unsolved, key=lambda key: (-unsolved[key] / len(tried[key]), -unsolved[key], key))[:most]
    return _table(
        [["exercise", "tried", "unsolved"], *([key, str(len(tried[key])), str(unsolved[key])] for key in hardest)]
    )


def what_stays(learners: dict[str, Learner], names: dict[str, str], most: int = 20) -> str:
    """What learners answered twice, three days or more apart: how many were right then and later. What was lost most
    comes first; `names` has what a key is called.

    >>> ada = Learner({}, {"strides.offset": {"2026-11-25": "wrong", "2026-11-28": "correct"}})
    >>> print(what_stays({"ada": ada}, {"strides.offset": "strides: offset"}))
    asked again      learners  right then  right later
    strides: offset         1           0            1
    """
    counts = {}
    for key in names:
        tries = [learner.days[key] for learner in learners.values() if key in learner.days]
        pairs = [schedule.then_and_now({key: each}, date.fromisoformat(max(each))) for each in tries]
        asked, then, later = (sum(column) for column in zip((0, 0, 0), *pairs, strict=True))
        if asked:
            counts[key] = (asked, then, later)
    lost = sorted(counts, key=lambda key: ((counts[key][2] - counts[key][1]) / counts[key][0], key))[:most]
    return _table(
        [
            ["asked again", "learners", "right then", "right later"],
            *([names[key], *map(str, counts[key])] for key in lost),
        ]
    )


def _table(rows: list[list[str]]) -> str:
    rows = [["".join(c if c.isprintable() else "�" for c in word) for word in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(word.rjust(width) for word, width in zip(row[1:], widths[1:]))]).rstrip()
        for row in rows
    )


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m lmcourse.progress", description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="+", type=Path, help="what learners have exported, or folders of it")
    try:
        learners = gather(parser.parse_args(arguments).files)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    from lmcourse.exercises import topic, topic_names  # here, because some topics load PyTorch
    from lmcourse.exercises.reviewing import items

    print(who_is_where(learners, {name: list(topic(name).exercises) for name in topic_names()}))
    print()
    print(which_is_hard(learners))
    print()
    print(what_stays(learners, {key: f"{item.topic.name}: {item.name}" for key, item in items().items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
