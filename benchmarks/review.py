"""A month of review, simulated: how many minutes it takes each day, and what a reader who forgets would still know.

Claim: ten minutes a day keep half of what is lost without them; in three months, to ask first what has come furthest
keeps twice as much as to ask first what has waited longest.

Run with: python benchmarks/review.py [--draw month.png] [--days 30] [--seed 0]

What is asked, and when, is the course's own: all questions, predictions and short exercises, the schedule of
lmcourse/exercises/schedule.py. Beside it stand no review, and the same with what has waited longest first. The reader
is made up: a notebook every week, and a memory that fades by exp(-days / strength), where strength is 4 days at
first, 2.5 times as much after each right answer, and half after a wrong one. Such a curve says what the schedule does
with that reader. Whether it helps you, only `progress.show()` can say.
"""

import argparse
import math
import random
from collections.abc import Callable
from datetime import date, timedelta

from lmcourse.exercises import reviewing, schedule
from lmcourse.support import plotting

FIRST = date(2026, 11, 1)
STRENGTH, GROWTH, LOSS, EVERY = 4.0, 2.5, 0.5, 7  # days; times; times; days from one notebook to the next


class Reader:
    """Who met what on which day, and remembers less of it each day."""

    def __init__(self, seed: int):
        self.dice = random.Random(seed)
        self.strength: dict[str, float] = {}
        self.last: dict[str, date] = {}

    def meet(self, key: str, today: date) -> None:
        self.strength[key], self.last[key] = STRENGTH, today

    def knows(self, key: str, today: date) -> float:
        """The probability of a right answer."""
        return math.exp(-(today - self.last[key]).days / self.strength[key])

    def answer(self, key: str, today: date) -> str:
        right = self.dice.random() < self.knows(key, today)
        self.strength[key] = max(STRENGTH / 2, self.strength[key] * (GROWTH if right else LOSS))
        self.last[key] = today  # a wrong answer is told, and met again
        return "correct" if right else "wrong"


def longest_first(known: dict, minutes: dict, today: date) -> list[str]:
    """Ten minutes of what is due, what has waited longest first: the other order."""
    waiting = sorted((schedule.standing(tries, today)[1], key) for key, tries in known.items())
    chosen: list[str] = []
    for due, key in waiting:
        if due <= today and sum(minutes[each] for each in [*chosen, key]) <= schedule.MINUTES:
            chosen.append(key)
    return chosen


def month(days: int, seed: int, plan: Callable) -> list[dict]:
    """Each day: what was met, was due and was asked, in how many minutes, how many were right, and what is known."""
    items = reviewing.items()
    minutes = {key: item.minutes for key, item in items.items()}
    reader, known, found = Reader(seed), {}, []
    for today in (FIRST + timedelta(k) for k in range(days)):
        met = [key for key, item in items.items() if FIRST + timedelta(EVERY * item.topic.number) == today]
        for key in met:
            known[key] = {today.isoformat(): "seen"}
            reader.meet(key, today)
        due = sum(schedule.standing(tries, today)[1] <= today for tries in known.values())
        asked = plan(known, minutes, today)
        states = [reader.answer(key, today) for key in asked]
        known = schedule.merged(known, {key: {today.isoformat(): state} for key, state in zip(asked, states)})
        row = {"day": (today - FIRST).days + 1, "met": len(met), "due": due, "asked": len(asked)}
        row |= {"minutes": sum(minutes[key] for key in asked), "right": states.count("correct")}
        found.append(row | {"known": sum(reader.knows(key, today) for key in known) / len(known)})
    return found


def draw(found: dict[str, list[dict]], path: str) -> None:
    """The minutes of each day, and below what is known in each way."""
    import matplotlib.pyplot as plt

    plotting.style()
    fig, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(7, 5.4))
    review = found["review"]
    days = [each["day"] for each in review]
    above.bar(days, [each["minutes"] for each in review], color="C0")
    above.axhline(schedule.MINUTES, color=plotting.GREY, linestyle="--", linewidth=1)
    above.set(title="Ten minutes a day are the most", ylabel="minutes asked")
    height = 110.0
    colours = dict(zip(found, ("C0", "C1", plotting.GREY)))
    for name, each in sorted(found.items(), key=lambda pair: -pair[1][-1]["known"]):
        height = min(height - 9, 100 * each[-1]["known"])  # names do not lie on one another
        below.plot(days, [100 * row["known"] for row in each], color=colours[name])
        below.text(days[-1] * 1.01, height, name, color=colours[name], va="center")
    below.set(title="What a made-up reader would still answer", ylabel="per cent", xlabel="day", ylim=(0, 105))
    below.set_xlim(0, days[-1] * 1.22)
    fig.savefig(path)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--days", type=int, default=30)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--draw", metavar="FILE", help="draw it, too")
    options = arguments.parse_args()
    plans = {"review": schedule.plan, "longest first": longest_first, "no review": lambda *_: []}
    found = {name: month(options.days, options.seed, plan) for name, plan in plans.items()}
    columns = ("day", "met", "due", "asked", "minutes", "right")
    print(*(f"{name:>7}" for name in columns), *(f"{name:>14}" for name in found))
    for rows in zip(*found.values()):
        print(*(f"{rows[0][name]:7.0f}" for name in columns), *(f"{row['known']:14.0%}" for row in rows))
    if options.draw:
        draw(found, options.draw)


if __name__ == "__main__":
    main()
