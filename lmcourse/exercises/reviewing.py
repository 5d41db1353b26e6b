"""`review()`: what is due today is asked again, one thing after the other, in a cell of its own.

Questions of the quizzes are judged by the reader, predictions and short exercises by the course. What is due is
decided in schedule.py, the numbers of a prediction in again.py. The book's page for the same is static/live/review.js.
"""

import ast
import builtins
import functools
import sys
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from lmcourse.exercises import again, progress, schedule
from lmcourse.exercises.cards import Card
from lmcourse.exercises.judging import Exercise, judge
from lmcourse.exercises.predictions import Prediction
from lmcourse.exercises.topic import Topic
from lmcourse.start import NOTEBOOKS

MINUTES = {"question": 1.0, "prediction": 1.0, "exercise": 3.0}
SHORT = 2  # statements, but for refusals: so short is an exercise that is asked again


@dataclass(frozen=True)
class Item:
    """Something that can be asked again; `name` is the exercise's or prediction's, or the question's own words."""

    key: str
    kind: str
    topic: Topic
    name: str

    @property
    def minutes(self) -> float:
        """How long it takes."""
        return MINUTES[self.kind]


@functools.cache
def items() -> dict[str, Item]:
    """All that can be asked again, by key: questions, predictions but those of again.LEFT_OUT, short exercises."""
    from lmcourse.exercises import topic, topic_names  # here, because topics import progress

    found = []
    for mine in map(topic, topic_names()):
        found += [Item(mine.question_key(text), "question", mine, text) for text, _ in mine.questions]
        predictions = [(f"{mine.name}.predict.{name}", name) for name in mine.predictions]
        found += [Item(key, "prediction", mine, name) for key, name in predictions if _spoken(key) in again.ASKED]
        short = [name for name, exercise in mine.exercises.items() if is_short(mine, exercise)]
        found += [Item(f"{mine.name}.{name}", "exercise", mine, name) for name in short]
    return {item.key: item for item in found}


def is_short(mine: Topic, exercise: Exercise) -> bool:
    """Whether a solution has two statements or fewer, not counted what refuses an argument; and whether its types can
    be imported, which those that only a type checker sees cannot."""
    (tree,) = ast.parse(mine.solution(exercise.name)).body
    if not isinstance(tree, ast.FunctionDef):
        return False
    types = [arg.annotation for arg in tree.args.args if arg.annotation]
    names = {node.id for part in types for node in ast.walk(part) if isinstance(node, ast.Name)}
    if names - exercise.reference.__globals__.keys() - vars(builtins).keys():
        return False
    body = tree.body[1:] if ast.get_docstring(tree) else tree.body
    refusals = [part for part in body if isinstance(part, ast.If) and isinstance(part.body[0], ast.Raise)]
    rest = [inner for part in body if part not in refusals for inner in ast.walk(part)]
    return sum(isinstance(inner, ast.stmt) for inner in rest) <= SHORT


def _askable() -> dict[str, Item]:
    """What may be asked; an exercise only where it was solved once."""
    states = progress.load()
    return {key: item for key, item in items().items() if item.kind != "exercise" or states.get(key) == "correct"}


def due() -> list[Item]:
    """What to ask today, in its order."""
    able = _askable()
    minutes = {key: item.minutes for key, item in able.items()}
    return [able[key] for key in schedule.plan(progress.dates(), minutes, progress.today())]


def summary() -> tuple[str, ...]:
    """What is due and what has stayed, a line each; nothing where there is nothing to say."""
    lines = []
    if progress.wanted() and (waiting := due()):
        minutes = sum(item.minutes for item in waiting)
        lines.append(f"Due today: {len(waiting)}, about {minutes:.0f} min. review() asks them.")
    asked, then, now = schedule.then_and_now(progress.dates(), progress.today())
    if asked:
        lines.append(f"Answered today and three or more days ago: {asked}. Right then {then}, right today {now}.")
    return tuple(lines)


def review(key: str | None = None, answer: Any = None, *, right: bool | None = None) -> None:
    """Ask again what is due today, one thing after the other; at most ten minutes a day.

    `review()` asks the next and puts a cell below, in which it is answered. `review("off")` ends that, `review("on")`
    begins it again: nothing is lost in between.
    """
    if key in ("on", "off"):
        progress.wanted(key == "on")
        words = "You are asked again" if key == "on" else 'You are not asked any more: review("on") undoes it'
        Card("quiz", words).show()
    elif key is None and not progress.wanted():
        Card("quiz", 'The review is switched off: review("on") undoes it').show()
    elif key is None:
        _show_next(in_place=False)
    elif (item := items().get(key)) is None:
        Card("wrong", f"There is nothing to ask by the name {key!r}", ("review() shows what is due.",)).show()
    elif item.kind == "question":
        _question(item, answer, right)
    elif answer is None:
        _ask(item, in_place=True)
    elif item.kind == "prediction":
        _prediction(item, answer)
    else:
        _exercise(item, answer)


# Asking


def _show_next(in_place: bool) -> None:
    waiting = due()
    if waiting:
        minutes = sum(item.minutes for item in waiting)
        _ask(waiting[0], in_place, f"{len(waiting)} due today, about {minutes:.0f} min")
        return
    today, able = progress.today(), _askable()
    days = [schedule.standing(tries, today)[1] for key, tries in progress.dates().items() if key in able]
    later = sorted(day for day in days if day > today)
    lines = (f"The next comes on {later[0]} or later.",) if later else ()
    Card("quiz", "Nothing is due today", (*lines, *summary())).show()


def _ask(item: Item, in_place: bool, tail: str = "") -> None:
    """Show an item, and put what answers it into a cell: a new one below, or in place of the one that ran."""
    title = f"{item.kind.capitalize()} from {NOTEBOOKS[item.topic.number].replace('_', ' ')}"
    if item.kind == "exercise":
        exercise = item.topic.exercises[item.name]
        text, cell = f"Write {exercise.name} ({exercise.number}) once more.", cell_of(item)
    elif item.kind == "prediction":
        text, _ = variant(item)
        cell = f'review("{item.key}", None)  # your answer in place of None'
    else:
        text, cell = item.name, f'review("{item.key}", "")  # your answer between the quotes'
    folds = (("The line to run, where no cell appears", cell, True),)
    Card("quiz", title, (text, *filter(None, [tail])), folds=folds, plain_tail=cell).show()
    _prepare(cell, in_place)


def cell_of(item: Item) -> str:
    """The cell in which an exercise is written again: what its solution needs, its stub, and the call that judges."""
    exercise = item.topic.exercises[item.name]
    there = exercise.reference.__globals__
    tree = ast.parse(item.topic.solution(item.name))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & there.keys() - {item.name}
    lines = ["from lmcourse.exercises import YourTurn, review"]
    for name in sorted(used):
        value = there[name]
        if isinstance(value, ModuleType):
            lines.append(f"import {name}" if value.__name__ == name else f"import {value.__name__} as {name}")
        else:
            lines.append(f"from {exercise.reference.__module__} import {name}")
    stub = item.topic.stub(item.name).rpartition("\n")[0]
    return "\n".join([*lines, "", "", stub, f'review("{item.key}", {item.name})'])


def _prepare(cell: str, in_place: bool) -> None:
    ipython = sys.modules.get("IPython")
    if ipython and (shell := ipython.get_ipython()):
        shell.set_next_input(cell, replace=in_place)


# Answering


def _question(item: Item, answer: Any, right: bool | None) -> None:
    if right is not None:
        when = _remember(item, "correct" if right else "wrong")
        Card("correct" if right else "wrong", "Noted", (when,)).show()
        _show_next(in_place=True)
    elif isinstance(answer, str) and answer.strip():
        theirs = next(text for question, text in item.topic.questions if question == item.name)
        cell = f'review("{item.key}", right=None)  # True or False?'
        rows = (("you", answer.strip()), ("the course", theirs))
        Card("quiz", item.name, ("Do they say the same?",), rows, plain_tail=cell).show()
        _prepare(cell, in_place=True)
    else:
        Card("todo", "Your answer first, in a few words").show()
        _ask(item, in_place=True)


def variant(item: Item) -> tuple[str, Prediction]:
    """Today's words of a prediction, and what judges the answer."""
    asked = again.asked(_spoken(item.key), progress.today())
    if asked.answer is None:
        return asked.text, item.topic.predictions[item.name]
    return asked.text, Prediction(asked.answer, asked.why, asked.tolerance, {}, asked.unit, asked.also)


def _prediction(item: Item, answer: Any) -> None:
    text, prediction = variant(item)
    judged = Topic(item.topic.name, item.topic.number)
    judged.predictions[item.name] = prediction
    judged.misses[item.name] = 1  # the answer is told at once: it comes again
    try:
        card = judged._prediction_card(item.name, answer)
        readable = prediction.is_readable(answer)
    except Exception as error:  # an answer may be anything at all
        card, readable = Card("wrong", f"It cannot be compared: {type(error).__name__}"), False
    if not readable:
        card.show()
        return
    replace(card, lines=(text, *card.lines, _remember(item, card.state))).show()
    _show_next(in_place=True)


def _exercise(item: Item, answer: Any) -> None:
    exercise = item.topic.exercises[item.name]
    outcome = judge(exercise, answer)
    card = item.topic._exercise_card(exercise, outcome)
    words = {"todo": "not attempted yet", "wrong": "not yet", "correct": "correct"}[outcome.state]
    lines = card.lines if outcome.state == "todo" else (*card.lines, _remember(item, outcome.state))
    lines += () if outcome.state == "correct" else ("Go on here as long as you like. review() asks the next.",)
    replace(card, headline=f"Exercise {exercise.number} {exercise.name}: {words}", lines=lines).show()
    if outcome.state == "correct":
        _show_next(in_place=True)


def _remember(item: Item, state: str) -> str:
    """Keep the answer where it was due, and say when it comes again."""
    today = progress.today()
    if schedule.standing(progress.dates().get(item.key, {}), today)[1] <= today:
        progress.answered(item.key, state)
    tries = progress.dates().get(item.key)
    return f"It comes again on {schedule.standing(tries, today)[1]}." if tries else "Your folder keeps nothing of it."


def _spoken(key: str) -> str:
    """The name of a prediction in again.py."""
    return key.replace(".predict.", ".")
