"""FloatBits: every bit of a number, in every format: toggled, rounded, compared.

The arithmetic that answers a click is in the JS, in exact integers, and equal to `lmcourse.float_formats` on golden
vectors. Python makes the first picture, and runs the reader's own encoder.
"""

import ast
import html
import math
import numbers
import re
from collections.abc import Callable
from dataclasses import asdict
from fractions import Fraction

import torch
import traitlets

from lmcourse.float_formats import FORMATS, OVERFLOWS, ROUNDINGS, FloatFormat, exact_decimal
from lmcourse.widgets.base import CourseWidget

PICTURES = ("none", "formats", "ranges", "plane", "rounding")  # tabs: all formats, ranges, every code, rounding
DTYPES = {getattr(torch, name): fmt for name, fmt in FORMATS.items() if hasattr(torch, name)}


class FloatBits(CourseWidget):
    """The bits of `value` in `format`.

    `value`: text is read exactly ("0.1", "1/3", "1 + 2**-8 + 2**-40", "max", "nan"); a float is the float64 that it is;
    a tensor of one element brings its own format and its own bits, a NaN's payload too. `bits` gives a pattern instead.
    `picture`: the tab that is open, "none", "formats", "ranges", "plane" (every code) or "rounding".
    `encode(x, exponent_bits, mantissa_bits)`: a function of yours, whose bits are compared with the reference's.

    >>> FloatBits("0.1", format="bfloat16")
    FloatBits: 0.1 in bfloat16 is 0 01111011 1001101, which stands for 0.10009765625
    """

    entered = traitlets.Unicode("0.1").tag(sync=True)
    pattern = traitlets.Unicode("").tag(sync=True)
    format = traitlets.Unicode("bfloat16").tag(sync=True)
    rounding = traitlets.Unicode("nearest_even").tag(sync=True)
    overflow = traitlets.Unicode("inf").tag(sync=True)
    picture = traitlets.Unicode("none").tag(sync=True)
    predict = traitlets.Bool(False).tag(sync=True)
    has_encode = traitlets.Bool(False).tag(sync=True)
    formats = traitlets.List().tag(sync=True)

    def __init__(
        self,
        value: float | Fraction | str | torch.Tensor = "0.1",
        format: str | FloatFormat | None = None,
        *,
        bits: int | None = None,
        rounding: str = "nearest_even",
        overflow: str = "inf",
        picture: str = "none",
        predict: bool = False,
        encode: Callable[[float, int, int], int] | None = None,
    ):
        allowed = {"rounding": ROUNDINGS, "overflow": OVERFLOWS, "picture": PICTURES}
        for name, given in {"rounding": rounding, "overflow": overflow, "picture": picture}.items():
            if given not in allowed[name]:
                raise ValueError(f"{name}: expected one of {', '.join(allowed[name])}, got {given!r}")
        if encode is not None and not callable(encode):
            raise TypeError(f"encode: expected a function, got {type(encode).__name__}")
        if isinstance(value, torch.Tensor):
            value, format, bits = _of_tensor(value, format)
        fmt = _format(format or "bfloat16")
        pattern = ""
        if bits is not None:
            fmt.kind(bits)  # refuses what is no pattern
            pattern = hex(bits)
        super().__init__(
            entered=as_text(value),
            pattern=pattern,
            format=fmt.name,
            rounding=rounding,
            overflow=overflow,
            picture="rounding" if predict else picture,
            predict=predict,
            has_encode=encode is not None,
            formats=[asdict(each) for each in FORMATS.values()] + [asdict(fmt)] * (fmt.name not in FORMATS),
            source="Computed here, in exact integers. Formats: IEEE 754-2019, OCP 8-bit and microscaling formats 1.0.",
        )
        self._encode = encode
        self.title = f"Every bit of {pattern or self.entered[:40]} in {fmt.name}"
        self._read()  # refuses what is no number

    def _fmt(self) -> FloatFormat:
        return FloatFormat(**next(each for each in self.formats if each["name"] == self.format))

    def _read(self) -> tuple[FloatFormat, int]:
        fmt = self._fmt()
        if self.pattern:
            return fmt, int(self.pattern, 16)
        mode = "nearest_even" if self.rounding == "stochastic" else self.rounding
        return fmt, fmt.encode(exact_value(self.entered, fmt), rounding=mode, overflow=self.overflow)

    def summary(self) -> str:
        try:
            fmt, bits = self._read()
        except ValueError as error:
            return f"{self.entered[:40]!r} shows no bits in {self.format}: {error}"
        name = self.pattern or self.entered[:40]
        return f"{name} in {fmt.name} is {fields(fmt, bits)}, which stands for {_in_words(fmt, bits)}"

    def snapshot(self) -> str:
        try:
            fmt, bits = self._read()
        except ValueError:
            return f"<p>{html.escape(self.summary())}</p>"
        rows = [("sign, exponent, mantissa", fields(fmt, bits)), ("stands for", _in_words(fmt, bits))]
        exact = fmt.decode_exact(bits)
        if not self.pattern and exact is not None:
            entered = exact_value(self.entered, fmt)
            if isinstance(entered, Fraction):
                rows.append(("error", f"{_as_float(exact - entered):.4g}"))
        cells = "".join(
            f"<tr><th>{html.escape(name)}</th><td><code>{html.escape(text)}</code></td></tr>" for name, text in rows
        )
        everywhere = ""
        for other in FORMATS.values():
            try:
                code = other.encode(exact if exact is not None else fmt.decode(bits), overflow=self.overflow)
            except ValueError as error:
                everywhere += f"<tr><th>{other.name}</th><td colspan=2>{html.escape(str(error))}</td></tr>"
                continue
            everywhere += (
                f"<tr><th>{other.name}</th><td><code>{fields(other, code)}</code></td>"
                f"<td>{html.escape(_in_words(other, code, 24))}</td></tr>"
            )
        return (
            f"<table><tbody>{cells}</tbody></table>\n<p>That number in every format:</p>\n"
            f"<table><thead><tr><th>format</th><th>bits</th><th>number</th></tr></thead><tbody>{everywhere}</tbody></table>"
        )

    @classmethod
    def example(cls) -> "FloatBits":
        return cls("0.1", format="bfloat16")

    def answer(self, question: dict) -> dict:
        """What the reader's own encoder makes of the number on the stage, beside the reference's bits."""
        if self._encode is None:
            raise ValueError("there is no encoder of yours here: FloatBits(..., encode=your_function)")
        if not isinstance(question, dict) or not {"format", "n", "d"} <= question.keys():
            raise ValueError("expected a format and a fraction n/d")
        fmt = next((FloatFormat(**each) for each in self.formats if each["name"] == question["format"]), None)
        if fmt is None or fmt.specials != "ieee":
            return {"text": "your encoder is for IEEE formats; this is none"}
        x = _as_float(Fraction(int(question["n"]), int(question["d"])))
        if x == 0 and question.get("negative"):
            x = -0.0
        want = fmt.encode(x)
        got = self._encode(x, fmt.exponent_bits, fmt.mantissa_bits)
        if not isinstance(got, int) or not 0 <= got < 2**fmt.bits:
            return {"text": f"✗ your encoder returned {got!r:.60}, where an int of {fmt.bits} bits is wanted"}
        if got == want:
            return {"text": f"✓ {fields(fmt, got)}, as the reference rounds to nearest even"}
        bit = (got ^ want).bit_length() - 1
        return {
            "text": f"✗ {fields(fmt, got)}; to nearest even it is {fields(fmt, want)}; bit {bit} is the first to differ"
        }


def fields(fmt: FloatFormat, bits: int) -> str:
    """The pattern with spaces between its fields.

    >>> fields(FORMATS["float16"], 0x3C00)
    '0 01111 0000000000'
    """
    return fmt.fields(bits)


def _in_words(fmt: FloatFormat, bits: int, most: int = 60) -> str:
    exact = fmt.decode_exact(bits)
    if exact is None:
        return f"{fmt.decode(bits)}"
    text = exact_decimal(exact)
    if exact == 0:
        return "-0" if fmt.split(bits)[0] else "0"
    return text if len(text) <= most else f"{float(exact):.10g}"


def _as_float(exact: Fraction) -> float:
    """The nearest float; infinity for what is past the largest."""
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def _format(given: str | FloatFormat) -> FloatFormat:
    if isinstance(given, FloatFormat):
        return given
    if given not in FORMATS:
        raise ValueError(f"format: expected a FloatFormat or one of {', '.join(FORMATS)}, got {given!r}")
    return FORMATS[given]


def _of_tensor(tensor: torch.Tensor, format: str | FloatFormat | None) -> tuple[float, str | FloatFormat, int | None]:
    """A tensor's one element: its bits where its own format is wanted, else its value."""
    if tensor.numel() != 1:
        raise ValueError(f"value: expected a tensor of one element, got shape {tuple(tensor.shape)}; index it first")
    fmt = DTYPES.get(tensor.dtype)
    if fmt is None:
        return float(tensor.item()), format or "float32", None
    if format is not None and _format(format) != fmt:
        return float(tensor.double().item()), format, None
    one = tensor.detach().cpu().reshape(1).clone()
    return 0.0, fmt, int.from_bytes(bytes(one.view(torch.uint8).tolist()), "little")


def as_text(value: float | Fraction | str) -> str:
    """The text that `exact_value` reads back as this very number.

    >>> as_text(0.1), as_text(0.5), as_text(Fraction(1, 3))
    ('float64(0.1)', '0.5', '1/3')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, numbers.Rational):  # a whole number may be larger than any float
        return str(Fraction(int(value.numerator), int(value.denominator)))
    if not isinstance(value, numbers.Real):
        raise TypeError(f"value: expected a number, text or a tensor of one element, got {type(value).__name__}")
    text = repr(float(value)).removesuffix(".0")
    exact = not math.isfinite(float(value)) or Fraction(text) == Fraction(float(value))
    return text if exact else f"float64({text})"


_WORDS = {"inf": math.inf, "infinity": math.inf, "nan": math.nan}


def exact_value(text: str, fmt: FloatFormat | None = None) -> Fraction | float:
    """The value of an expression with + - * / ** ^, exactly: a fraction, or an infinity, NaN or -0.0 as a float.

    A format's name is a function that rounds to it: float32(0.1). With `fmt`, the words max, tiny and eps are its own.
    Raises ValueError in words for anything else.

    >>> exact_value("0.1 + 0.2") == Fraction(3, 10)
    True
    """
    words = dict(_WORDS)
    if fmt is not None:
        words |= {"max": Fraction(fmt.max), "tiny": Fraction(fmt.smallest_normal), "eps": Fraction(fmt.eps)}
    source = re.sub("[−–]", "-", text.strip()).replace("×", "*").replace("^", "**")
    # As in the JS, a number of decimal digits may begin with zeros, which Python's own grammar refuses.
    source = re.sub(r"(?<![\w.])0+(?=\d)", "", source)
    if len(source) > 2000:
        raise ValueError("value: 2000 characters are the most")
    try:
        tree = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ValueError(f"value: expected a number such as 0.1 or 2**-24 or 1/3, got {text[:40]!r}") from None

    def value(node) -> Fraction | float:
        match node:
            case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
                literal = ast.get_source_segment(source, node)
                if abs(int((re.findall(r"(?<!0x)e([+-]?\d+)$", literal.lower()) or [0])[0])) > 5000:
                    raise ValueError("value: a number between 10**-5000 and 10**5000 is possible")
                return Fraction(int(literal, 16)) if literal.lower().startswith("0x") else Fraction(literal)
            case ast.Name(id=word) if word.lower() in words:
                return words[word.lower()]
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
                inner = value(operand)
                if isinstance(node.op, ast.UAdd):
                    return inner
                return -0.0 if inner == 0 and math.copysign(1, inner) > 0 else -inner
            case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in FORMATS:
                rounded = FORMATS[name].encode(value(argument))
                exact = FORMATS[name].decode_exact(rounded)
                return exact if exact else FORMATS[name].decode(rounded)
            case ast.BinOp(left=left, op=op, right=right):
                return _apply(op, value(left), value(right))
        raise ValueError(f"value: expected numbers, + - * / ** and float32(...), got {ast.unparse(node)[:40]!r}")

    try:
        return value(tree)
    except RecursionError:
        raise ValueError("value: that is too deep an expression") from None


def _apply(op: ast.operator, a: Fraction | float, b: Fraction | float) -> Fraction | float:
    if isinstance(op, ast.Div) and b == 0:
        raise ValueError("value: division by zero")
    a, b = (Fraction(0) if x == 0 else x for x in (a, b))
    if not (isinstance(a, Fraction) and isinstance(b, Fraction)):  # infinity or NaN: of the other only the sign matters
        a, b = (float((x > 0) - (x < 0)) if isinstance(x, Fraction) else x for x in (a, b))
    match op:
        case ast.Add():
            return a + b
        case ast.Sub():
            return a - b
        case ast.Mult():
            return a * b
        case ast.Div():
            return a / b
        case ast.Pow() if isinstance(a, Fraction) and isinstance(b, Fraction) and b.denominator == 1:
            size = a.numerator.bit_length() + a.denominator.bit_length()
            if abs(b) * size > 40_000:
                raise ValueError("value: that power is larger than any format reaches")
            if a == 0 and b < 0:
                raise ValueError("value: division by zero")
            return a ** int(b)
    raise ValueError("value: expected + - * / or ** with a whole exponent")
