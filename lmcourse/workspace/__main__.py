"""`python -m lmcourse.workspace [update | status | reset 03 --exercise can_view]`: the learner's own copy.

Without a word it lays out what is not there yet, and prints where.
"""

import argparse
import sys

from lmcourse.exercises import progress
from lmcourse.workspace import folder


def lay() -> int:
    """Lay out what is missing; the last line is the folder."""
    for name in folder.lay():
        print(f"laid out: {name}", file=sys.stderr)
    if folder.outdated():
        print("The course has changed since. `make update` takes it into your notebooks.", file=sys.stderr)
    print(folder.folder())
    return 0


def update() -> int:
    """Bring the folder up to date, and say what changed."""
    same = True
    for name, changes in folder.update():
        same = False
        print(name.removesuffix(".ipynb"))
        for what, cells in changes.items():
            print(f"  {what}: {_told(what, cells)}" if cells else f"  {what}")
        if not changes:
            print("  nothing that you would notice")
    print("Nothing has changed." if same else f"Each as it was before is in {folder.folder() / 'old'}.")
    return 0


def _told(what: str, cells: list[tuple[str, str]]) -> str:
    """The exercises by name; of other cells, only those that the learner has a part in."""
    exercises = [name for name, _ in cells if name]
    others = [line for name, line in cells if not name]
    if what in ("new", "removed", "follows the course") and others:
        others = [
            f"{len(others)} cell{'s' if len(others) > 1 else ''} besides" if exercises else f"{len(others)} cells"
        ]
    return ", ".join(exercises + others)


def status() -> int:
    """What is solved, changed and out of date."""
    known = progress.load()
    for name in folder.names():
        if not (folder.folder() / name).exists():
            print(f"{name.removesuffix('.ipynb'):20} not laid out yet")
            continue
        seen = folder.look(name)
        solved = sum(known.get(f"{seen['topic']}.{each}") == "correct" for each in seen["exercises"])
        words = f"{solved:2} of {len(seen['exercises']):2} solved   {seen['changed']:3} cells yours"
        words += "   the course has a newer one" if seen["outdated"] else ""
        print(
            f"{name.removesuffix('.ipynb'):20} {words if seen['readable'] else 'cannot be read; `reset` lays it anew'}"
        )
    return 0


def reset(number: str, exercise: str | None, yes: bool) -> int:
    """Give a notebook, or one exercise of it, back as the course has it."""
    name = next((name for name in folder.names() if name.startswith(f"{number[:2]:0>2}_")), None)
    if name is None or not (folder.folder() / name).exists():
        raise ValueError(f"notebook: a number from 00 to {folder.names()[-1][:2]} that is laid out, got {number}")
    if exercise is None and not yes and input(f"Put all of {name} back? Type yes: ").strip().lower() != "yes":
        print("Nothing was changed.")
        return 1
    kept = folder.reset(name, exercise)
    if exercise:
        progress.forget(f"{folder.look(name)['topic']}.{exercise}")
    print(f"{exercise or name} is as the course has it. As it was: {kept}")
    return 0


def main(arguments: list[str] | None = None) -> int:
    """What the command line asks for; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m lmcourse.workspace", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("update", help=update.__doc__)
    commands.add_parser("status", help=status.__doc__)
    back = commands.add_parser("reset", help=reset.__doc__)
    back.add_argument("notebook", help="its number: 03")
    back.add_argument("--exercise", help="its name: can_view")
    back.add_argument("--yes", action="store_true", help="do not ask")
    asked = parser.parse_args(arguments)
    try:
        if asked.command == "reset":
            return reset(asked.notebook, asked.exercise, asked.yes)
        return {"update": update, "status": status, None: lay}[asked.command]()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
