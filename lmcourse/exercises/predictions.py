"""Read a guess in whatever form it comes, and say how near it is.

"20", 20.0, np.int64(20) and a tensor of one element are 20; a tuple is as good as a list, "View" as "view", "C E B D A"
as "CEBDA"; "55%" is 0.55 where a share is asked.
"""

import ast
import math
import numbers
import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from lmcourse.exercises.comparing import difference, is_array, scalar


@dataclass(frozen=True)
class Prediction:
    """A question asked before a cell is run; the answer may be a function, computed when it is needed.

    `unit` is "%" where the answer is in per cent, "share" where it is from 0 to 1 (the other form is then right too),
    "bytes" where somebody may count bits. `also` holds other forms of the answer that are right too.
    """

    answer: Any
    why: str
    tolerance: float = 0.0
    remarks: dict[Any, str] = field(default_factory=dict)
    unit: str = ""
    also: tuple = ()

    def the_answer(self) -> Any:
        """The answer itself, computed where it has to be."""
        return self.answer() if callable(self.answer) else self.answer

    def is_right(self, guess: Any) -> bool:
        """Whether a guess means the answer.

        >>> Prediction(20, "").is_right(" 20 "), Prediction("CEBDA", "").is_right("C E B D A")
        (True, True)
        """
        answers = (self.the_answer(), *self.also)
        return any(_means(guess, answer, self.tolerance, self.unit, digits=3) for answer in answers)

    def is_readable(self, guess: Any) -> bool:
        """Whether a guess is of the answer's kind at all."""
        answer = scalar(self.the_answer())
        if isinstance(answer, numbers.Number) and not isinstance(answer, bool):
            return bool(_numbers(guess, self.unit))
        if isinstance(answer, str):
            return bool(_word(guess))
        return not isinstance(answer, list | tuple) or _items(guess) is not None

    def nudge(self, guess: Any) -> str:
        """A sentence that helps and does not tell: a remark of the author's, a unit mixed up, or the direction."""
        for wrong, remark in self.remarks.items():
            if _means(guess, wrong, 0.0, self.unit, digits=2):
                return remark
        answer = scalar(self.the_answer())
        if isinstance(answer, numbers.Number) and not isinstance(answer, bool):
            return _about_a_number(_numbers(guess, self.unit)[0], answer, self)
        if isinstance(answer, list | tuple):
            return _about_items(_items(guess), answer, self.tolerance)
        return "It is another one."

    def kind(self) -> str:
        """What is asked for, in words, for a guess that nobody can read."""
        answer = scalar(self.the_answer())
        if isinstance(answer, bool):
            return "True or False is asked"
        if isinstance(answer, numbers.Number):
            return "A number is asked, such as 12 or 3.5e9"
        if isinstance(answer, str):
            return "A word is asked"
        return f"{len(answer)} values are asked, in a list"


def _means(guess: Any, answer: Any, tolerance: float, unit: str, digits: int) -> bool:
    answer = scalar(answer)
    if isinstance(answer, bool):
        return _truth(guess) is answer
    if isinstance(answer, numbers.Number):
        return any(_near(number, answer, tolerance, digits) for number in _numbers(guess, unit))
    if isinstance(answer, str):
        said = _word(guess)  # "a" may be the answer itself
        return _letters(answer) in (_letters(said), _letters(_without_fillers(said, answer)))
    if isinstance(answer, bytes):
        return guess == answer or (isinstance(guess, str) and guess.strip().encode() == answer)
    if isinstance(answer, list | tuple):
        items = _items(guess)
        return (
            items is not None
            and len(items) == len(answer)
            and all(_means(item, part, tolerance, unit, digits) for item, part in zip(items, answer))
        )
    return difference(guess, answer) is None


# Numbers


def _near(number: float, answer: float, tolerance: float, digits: int) -> bool:
    """Within the tolerance, or as the answer is printed when it is rounded to so many digits or more."""
    if math.isclose(number, answer, rel_tol=max(tolerance, 1e-9)) or (math.isnan(number) and math.isnan(answer)):
        return True
    if not (math.isfinite(number) and math.isfinite(answer)) or answer == int(answer):
        return False
    given = len(f"{number:.15e}".partition("e")[0].replace(".", "").lstrip("-").rstrip("0"))
    return given >= digits and math.isclose(float(f"{answer:.{given - 1}e}"), number, rel_tol=1e-12)


def _numbers(guess: Any, unit: str) -> list[float]:
    """The numbers that a guess may mean, the likeliest first; none where it is no number."""
    if isinstance(guess, list | tuple) and len(guess) == 1:
        guess = guess[0]
    guess = guess.reshape(()) if is_array(guess) and math.prod(guess.shape) == 1 and guess.shape != () else guess
    guess = scalar(guess)
    if isinstance(guess, str):
        found, percent = _read_number(guess)
    elif isinstance(guess, bool) or (not isinstance(guess, numbers.Real) and type(guess).__name__ != "Decimal"):
        return []
    else:
        found, percent = [float(guess)], False
    if unit == "%":
        return [x for each in found for x in ([each] if percent or not 0 < each <= 1 else [each, 100 * each])]
    if percent:
        return [each / 100 for each in found]
    return [x for each in found for x in ([each, each / 100] if unit == "share" and each > 1 else [each])]


_SIZES = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "g": 1e9, "b": 1e9, "bn": 1e9, "billion": 1e9}
_SIZES |= {"t": 1e12, "trillion": 1e12, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12}
_SIZES |= {"kib": 2.0**10, "mib": 2.0**20, "gib": 2.0**30, "tib": 2.0**40}


def _ascii(text: str) -> str:
    """A text as Python would have it, without words in front: "≈ ln 7" is "ln(7)"."""
    text = re.sub(r"^(about|around|roughly|approximately)\s", "", text.strip("~≈= "), flags=re.IGNORECASE)
    text = text.removeprefix("±").removeprefix("+-").rstrip("×x ")
    for sign, plain in {"−": "-", "^": "**", "·": "*", "×": "*", "∞": "inf", "math.": "", "np.": ""}.items():
        text = text.replace(sign, plain)
    text = re.sub(r"(?<=\d)\s*[xX]\s*(?=\d)", "*", text.strip())
    text = text.replace(".", "") if re.fullmatch(r"-?\d{1,3}(\.\d{3}){2,}", text) else text
    return re.sub(r"^(ln|log2|log|sqrt|exp)\s+([\d.,]+)$", r"\1(\2)", text)


def _read_number(text: str) -> tuple[list[float], bool]:
    """The numbers that a text may mean, and whether it is in per cent."""
    text = _ascii(text)
    text = re.sub(r"(?<=\d)[\s_' ](?=\d{3}(\D|$))", "", text)
    text = re.sub(r"^([-+]?0),(\d+)", r"\1.\2", text)  # a decimal comma
    text = re.sub(r"(?<=\d),(?=\d{3}(\D|$))", "", text)
    text = re.sub(r"^([-+]?\d+),(\d+)", r"\1.\2", text)
    percent = bool(re.search(r"(%|per ?cent)\s*$", text))
    text = re.sub(r"(%|per ?cent)\s*$", "", text)
    found = re.fullmatch(r"([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*([A-Za-z]*)(?:/s)?(\s+[a-z]+)*", text)
    try:
        if found is None:
            return [_arithmetic(ast.parse(text.strip(), mode="eval").body)], percent
        number, size = float(found[1]), _SIZES.get(found[2].lower(), 1.0)
        # "4 B" may be four billion, or four bytes.
        return [number * size, number] if found[2] in ("B", "b", "T", "m") else [number * size], percent
    except (SyntaxError, ValueError, TypeError, OverflowError, ZeroDivisionError, RecursionError, MemoryError):
        return [], percent


_OPERATORS: dict[type, Callable] = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}
_OPERATORS |= {ast.Mod: operator.mod, ast.FloorDiv: operator.floordiv}
_OPERATORS |= {ast.Div: operator.truediv, ast.Pow: operator.pow, ast.USub: operator.neg, ast.UAdd: operator.pos}
_FUNCTIONS = {"ln": math.log, "log": math.log, "log2": math.log2, "sqrt": math.sqrt, "exp": math.exp}
_NAMES = {"inf": math.inf, "infinity": math.inf, "nan": math.nan, "e": math.e, "pi": math.pi}


def _arithmetic(node: ast.expr) -> float:
    """The value of a formula such as 2**-14 or log(280); in floats, so that no power takes for ever."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return float(value)
        case ast.Name(id=name) if name.lower() in _NAMES:
            return _NAMES[name.lower()]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_arithmetic(operand))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return float(_OPERATORS[type(op)](_arithmetic(left), _arithmetic(right)))
        case ast.Call(func=ast.Name(id=name), args=[argument]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](_arithmetic(argument))
    raise ValueError("not arithmetic")


def _about_a_number(guess: float, answer: float, prediction: Prediction) -> str:
    tolerance = max(prediction.tolerance, 0.01)
    ratio = guess / answer if answer and math.isfinite(guess) and math.isfinite(answer) else math.nan

    def times(*factors: float) -> bool:
        return any(math.isclose(ratio, factor, rel_tol=tolerance) for factor in factors)

    if times(-1):
        return "The size is right. Look at the sign."
    if prediction.unit in ("%", "share") and times(100, 0.01):
        return "The digits are right. Is it in per cent, or a share from 0 to 1?"
    if times(*(10.0**k for k in (-12, -9, -6, -3, 3, 6, 9, 12))):
        return "The digits are right, the unit is another: write the number out, as in 12e9 for 12 billion."
    if answer >= 1e6 and times(*(1.024**k for k in (-4, -3, -2, 2, 3, 4))):
        return "A GB has 1000³ bytes, a GiB 1024³. Which of the two did you count?"
    if prediction.unit == "bytes" and times(8, 1 / 8):
        return "A byte has 8 bits. Which of the two did you count?"
    if math.isnan(guess) or math.isnan(answer):
        return "It is another one."
    far = ", by more than a factor of ten" if 0 < ratio < 0.1 or ratio > 10 else ""
    return f"Too {'low' if guess < answer else 'high'}{far}."


# Words and several values


def _truth(guess: Any) -> bool | None:
    guess = scalar(guess)
    if isinstance(guess, str):
        return {"true": True, "yes": True, "y": True, "false": False, "no": False, "n": False}.get(_letters(guess))
    return guess if isinstance(guess, bool) else None


def _word(guess: Any) -> str:
    if isinstance(guess, bytes):
        guess = guess.decode(errors="replace")
    guess = guess.tolist() if is_array(guess) else guess
    guess = sorted(map(str, guess)) if isinstance(guess, set | frozenset) else guess
    if isinstance(guess, list | tuple) and all(isinstance(part, str) for part in guess):
        return "".join(guess)
    return guess if isinstance(guess, str) else ""


def _without_fillers(guess: str, answer: str) -> str:
    """A guess without "and"; where a word is asked, and not letters such as BC, without "it is a" too."""
    fillers = "and" if answer.isupper() else "and|it|is|its|it's|a|an|the"
    return re.sub(rf"\b({fillers})\b", "", guess, flags=re.IGNORECASE)


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()


def _items(guess: Any) -> list[Any] | None:
    if isinstance(guess, str):
        try:
            guess = ast.literal_eval(guess.strip())
        except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
            inside = guess.strip().removeprefix("tensor").removeprefix("array").strip(" \t\n[](){}")
            guess = [part.strip("'\"") for part in re.split(r"[,;|+/\s]+", inside)] if inside else None
    if is_array(guess):
        guess = guess.tolist()
    return list(guess) if isinstance(guess, Iterable) and not isinstance(guess, str | bytes | dict | set) else None


def _about_items(items: list[Any] | None, answer: list[Any] | tuple[Any, ...], tolerance: float) -> str:
    if items is None or len(items) != len(answer):
        return f"There are {len(answer)} values in it."
    first = next((i for i, (got, want) in enumerate(zip(items, answer)) if not _means(got, want, tolerance, "", 3)), 0)
    if first < 2:
        return "The first value is right. Look at the second." if first else "Look at the first value."
    return f"The first {first} values are right. Look at the next one."
