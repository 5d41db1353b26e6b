"""When something is asked again: pure functions of what was answered on which day.

All that is kept of a question, prediction or exercise is one state for a day: `{"2026-11-28": "wrong"}`. Days are those
of UTC, so that no time zone and no summer time moves them. What is asked comes in reviewing.py, where it is kept in
progress.py, and the same rules for the book are in site/static/live/schedule.js.
"""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

DAYS = (1, 3, 7, 21, 60)  # after so many days it comes again; a right answer goes one on, a wrong one goes one back
AHEAD = 60
MINUTES = 10  # a day, at the most
STATES = ("seen", "correct", "wrong")  # of two for one day the later in this list is kept

Tries = dict[str, str]


def standing(tries: Mapping[str, str], today: date) -> tuple[int, date]:
    """The step in DAYS at which something stands, and the day from which it is due.

    The first day only makes it known. An answer before it is due changes nothing. So a clock that went back asks for
    nothing twice: days that seem to be ahead count too. But what lies AHEAD days off is of a clock that was wrong.

    >>> standing({"2026-11-01": "wrong"}, date(2026, 11, 28))
    (0, datetime.date(2026, 11, 2))
    >>> standing({"2026-11-01": "wrong", "2026-11-02": "correct"}, date(2026, 11, 28))
    (1, datetime.date(2026, 11, 5))
    """
    days = sorted(day for day in map(date.fromisoformat, tries) if day <= today + timedelta(AHEAD))
    if not days:
        return 0, today
    step, due = 0, days[0] + timedelta(DAYS[0])
    for day in days[1:]:
        state = tries[day.isoformat()]
        if day >= due and state != "seen":
            step = min(step + 1, len(DAYS) - 1) if state == "correct" else max(step - 1, 0)
            due = day + timedelta(DAYS[step])
    return step, due


def plan(known: Mapping[str, Mapping[str, str]], minutes: Mapping[str, float], today: date) -> list[str]:
    """What to ask today: as much as fits into MINUTES, less what was answered today.

    Where more is due than fits, what has come furthest is asked first, and of equals what was due last: so what is
    known is kept, and the rest waits. benchmarks/review.py tries this order and the opposite one.
    `known` has the tries by key, `minutes` what can be asked, and how long each takes.
    """
    spent = sum(minutes[key] for key, tries in known.items() if key in minutes and _came_again(tries, today))
    waiting = []
    for key, tries in known.items():
        step, due = standing(tries, today)
        if key in minutes and due <= today and tries.get(today.isoformat(), "seen") == "seen":
            waiting.append((-step, today - due, key))
    chosen = []
    for *_, key in sorted(waiting):
        if spent + minutes[key] <= MINUTES:
            spent += minutes[key]
            chosen.append(key)
    return chosen


def _came_again(tries: Mapping[str, str], today: date) -> bool:
    """Whether it was answered today, and not for the first time."""
    return tries.get(today.isoformat(), "seen") != "seen" and len(tries) > 1


def merged(one: Mapping[str, Mapping[str, str]], other: Mapping[str, Mapping[str, str]]) -> dict[str, Tries]:
    """The tries of two files: every day of both, once. The order does not matter, nor how often it is done.

    >>> merged({"a.b": {"2026-11-28": "correct"}}, {"a.b": {"2026-11-28": "wrong", "2026-12-01": "correct"}})
    {'a.b': {'2026-11-28': 'wrong', '2026-12-01': 'correct'}}
    """
    found = {key: dict(tries) for key, tries in one.items()}
    for key, tries in other.items():
        mine = found.setdefault(key, {})
        for day, state in tries.items():
            mine[day] = max(mine.get(day, "seen"), state, key=STATES.index)
    return found


def then_and_now(known: Mapping[str, Mapping[str, str]], today: date, apart: int = 3) -> tuple[int, int, int]:
    """Of what was answered today and at least `apart` days ago: how many, how many were right then, and are now.

    >>> then_and_now({"a.b": {"2026-11-25": "wrong", "2026-11-28": "correct"}}, date(2026, 11, 28))
    (1, 0, 1)
    """
    asked = then = now = 0
    for tries in known.values():
        judged = {day: state for day, state in tries.items() if state != "seen"}
        before = [day for day in judged if date.fromisoformat(day) <= today - timedelta(apart)]
        if today.isoformat() in judged and before:
            asked += 1
            then += judged[max(before)] == "correct"
            now += judged[today.isoformat()] == "correct"
    return asked, then, now


def readable(found: Any) -> dict[str, Tries]:
    """What of a value from a file has the form of tries; the rest is left out.

    >>> readable({"a.b": {"2026-11-28": "wrong", "soon": "correct"}, "c.d": 3})
    {'a.b': {'2026-11-28': 'wrong'}}
    """
    known = {}
    for key, tries in found.items() if isinstance(found, dict) else ():
        good = {day: state for day, state in tries.items() if _is_try(day, state)} if isinstance(tries, dict) else {}
        if good:
            known[key] = good
    return known


def _is_try(day: Any, state: Any) -> bool:
    if not (isinstance(day, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", day) and state in STATES):
        return False
    try:
        return date.fromisoformat(day).year < 9000  # room for adding days
    except ValueError:
        return False
