"""Where to begin: ten questions, and which core sections a reader who answers one may leave out, with the reason.

Answers are read as those of predictions are, and kept nowhere.
"""

from dataclasses import dataclass
from typing import Any

from lmcourse.exercises.cards import MARKS, Card
from lmcourse.exercises.comparing import shorten
from lmcourse.exercises.predictions import Prediction
from lmcourse.start import NOTEBOOKS


@dataclass(frozen=True)
class Question:
    """`skip` are titles of core sections of the topic's notebook; `why` goes on after "You know"."""

    text: str
    answer: Prediction
    why: str
    skip: tuple[str, ...]
    number: int | None = None

    @property
    def place(self) -> str:
        """The notebook, as one reads it."""
        return "Python" if self.number is None else NOTEBOOKS[self.number].replace("_", " ")


def _ask(text: str, answer: Any, why: str, *skip: str, number: int, also: tuple = (), near: float = 0.0) -> Question:
    return Question(text, Prediction(answer, "", near, {}, "", also), why, skip, number)


QUESTIONS = {
    "python": Question(
        "What is [n * n for n in range(5) if n % 2]? A list.",
        Prediction([1, 9], ""),
        "the Python that this course is written in",
        (),
    ),
    "tokenization": _ask(
        "Two merges were learned: first (b, c), then (a, b). Which parts does abc become? Such as 'x, yz'.",
        ["a", "bc"],
        "that what was learned first is merged first",
        "The whole idea on a toy",
        "Encode by rank",
        number=1,
    ),
    "float_formats": _ask(
        "What is 256 + 1 in bfloat16?",
        256,
        "that bfloat16 has eight digits in base two, and that a tie goes to the even one",
        "Rounding goes to the nearest, and ties go to even",
        "bfloat16 loses small steps",
        number=2,
    ),
    "strides": _ask(
        "x = torch.arange(12).view(3, 4). At which position of its storage is x.T[1, 2]?",
        9,
        "how an index becomes a position, and that .T changes only the record",
        "A tensor is a storage and a record of how to read it",
        "Row by row: the last index is the fast one",
        number=3,
    ),
    "axes": _ask(
        "q has shape (2, 4, 5, 8), k has (2, 4, 6, 8). Which shape gives 'b h q d, b h k d -> b h q k'? A tuple.",
        (2, 4, 5, 6),
        "that einsum sums over the names that the result lacks",
        "A position changes its meaning, a name does not",
        "Two tensors meet where their names agree",
        number=4,
    ),
    "flops": _ask(
        "A model of 1e9 parameters is trained on 20e9 tokens. How many FLOPs is that, by the usual rule?",
        1.2e20,
        "that a weight costs two FLOPs forward and four backward",
        "A matrix product is 2 · m · k · n FLOPs",
        "Backward costs twice forward",
        number=5,
        near=0.01,
    ),
    "initialization": _ask(
        "A hundred independent numbers with mean 0 and std 1 are added. What is the std of the sum?",
        10,
        "that variances add up, and not stds",
        "How wide is a sum of dice?",
        "A layer is such a sum",
        number=6,
    ),
    "data_loading": _ask(
        "A file has 100 tokens, and a window 8 inputs with a target for each. At how many places can it begin?",
        92,
        "that the targets are the inputs, one further on",
        "A batch is a strided view",
        number=7,
    ),
    "optimizers": _ask(
        "The loss is w², and w is 3. Where is w after one step of gradient descent with lr = 0.1?",
        2.4,
        "what a gradient is, and how a step follows it",
        "Ten minutes on gradients",
        number=8,
        near=0.001,
    ),
    "training": _ask(
        "In which order? A: optimizer.step()  B: loss.backward()  C: optimizer.zero_grad()  D: compute the loss",
        "CDBA",
        "what a step of training consists of",
        "One step",
        number=9,
        also=("DCBA", "DBAC"),
    ),
}


def placement(**answers: Any) -> None:
    """Ask, or say which sections can be left out; a question that has None for an answer counts as not known.

    Raises TypeError for a name that is no question's.
    """
    if unknown := answers.keys() - QUESTIONS.keys():
        raise TypeError(f"placement: answers named {', '.join(QUESTIONS)}, got {', '.join(sorted(unknown))}")
    if all(answer is None for answer in answers.values()):
        rows = tuple((name, question.text) for name, question in QUESTIONS.items())
        Card("quiz", "Ten questions; leave None where you do not know", rows=rows).show()
        return
    rows = tuple(_row(question, answers.get(name)) for name, question in QUESTIONS.items())
    right = sum(_is_right(question, answers.get(name)) for name, question in QUESTIONS.items())
    line = "Leave a section out where you like; what it builds is there all the same. All others are worth their time."
    Card("quiz", f"{right} of {len(QUESTIONS)} are right", (line,), rows).show()


def _is_right(question: Question, answer: Any) -> bool:
    try:
        return answer is not None and question.answer.is_right(answer)
    except Exception:  # an answer may be anything at all
        return False


def _row(question: Question, answer: Any) -> tuple[str, str]:
    """What a question's answer says about its notebook."""
    if _is_right(question, answer):
        skip = "".join(f"\nleave out: {title}" for title in question.skip)
        return f"{MARKS['correct']} {question.place}", f"You know {question.why}.{skip}"
    said = "No answer." if answer is None else f"You said {shorten(answer)}."
    if question.number is None:
        return (
            f"{MARKS['todo']} {question.place}",
            f"{said} Do an introduction to Python first, up to functions and lists.",
        )
    return f"{MARKS['todo']} {question.place}", f"{said} Begin at its first section, and walk the whole core path."
