"""Every number format a GPU speaks, from float64 down to four bits, as one codec with a handful of parameters.

A bit pattern is three fields: sign, exponent, mantissa. `lmcourse.ieee` has the small functions that notebook 02 has
you write, for formats that follow IEEE 754. `FloatFormat` is the same arithmetic for every format: which patterns are
spent on Inf and NaN is a parameter, and so are the rounding mode and what becomes of a number that is too large.
Everything here is exact: a number is a `Fraction` until the one rounding that encodes it.

Whole tensors are rounded, fast and equal to this codec, in `lmcourse.quantization`.

It does not add or multiply in a format, keep the payload of a NaN (only a view of the bits does), or raise IEEE flags.
"""

from __future__ import annotations

import math
import numbers
import random
import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from lmcourse.ieee import bit_fields
from lmcourse.ieee import decode_bits as decode_bits  # offered here too
from lmcourse.ieee import encode_nearest_even as encode_nearest_even
from lmcourse.ieee import format_limits as format_limits
from lmcourse.support import checks

if TYPE_CHECKING:
    from torch import Tensor

ROUNDINGS = ("nearest_even", "toward_zero", "up", "down", "ties_away", "stochastic")
OVERFLOWS = ("inf", "saturate", "nan")
SPECIALS = ("ieee", "fn", "fnuz", "finite")


def memory_bytes(tensor: Tensor) -> int:
    """The bytes of the storage that `tensor` looks into: all of it.

    For a tensor that was made fresh this is `numel() * element_size()`. On the meta
    device nothing is allocated, and this is what would be.

    Raises: TypeError for what is no tensor; ValueError for a sparse tensor, which has
        no single storage.

    >>> import torch
    >>> memory_bytes(torch.zeros(1000)), memory_bytes(torch.zeros(1000)[:10])
    (4000, 4000)
    """
    if not hasattr(tensor, "untyped_storage"):
        raise TypeError(f"tensor: a torch.Tensor, got a {type(tensor).__name__}")
    try:
        return tensor.untyped_storage().nbytes()
    except NotImplementedError:
        raise ValueError(f"tensor: one with a single storage, got layout {tensor.layout}") from None


# --- every format --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FloatFormat:
    """A binary number format, described by its parameters.

    A normal number is ±(1 + mantissa / 2**mantissa_bits) · 2**(exponent - bias).
    `specials` says which patterns are no finite numbers (the suffixes are those of PyTorch's names):
        "ieee"    the top exponent: mantissa 0 is infinity, the rest NaN
        "fn"      finite: only the pattern of all ones is NaN, in each sign
        "fnuz"    finite, unsigned zero: the pattern of negative zero is the one NaN
        "finite"  none
    `signed`: is there a sign bit? `subnormals`: does exponent 0 mean zero and subnormal numbers, or one more binade?

    The codes of one sign count upward in the order of the numbers: the next number is the next code.
    Sources: IEEE 754-2019; OCP 8-bit floating point 1.0 (e4m3fn, e5m2); OCP microscaling formats 1.0 (fp4, fp6, e8m0);
    Noune et al. 2022 (fnuz).

    >>> e4m3 = FloatFormat("float8_e4m3fn", 4, 3, bias=7, specials="fn")
    >>> e4m3.max, e4m3.smallest_subnormal, e4m3.encode(0.1), e4m3.decode(29)
    (448.0, 0.001953125, 29, 0.1015625)
    """

    name: str
    exponent_bits: int
    mantissa_bits: int
    bias: int
    specials: str = "ieee"
    signed: bool = True
    subnormals: bool = True

    def __post_init__(self) -> None:
        for name, most in {"exponent_bits": 11, "mantissa_bits": 52}.items():  # as many as float64 has
            least = 1 if name == "exponent_bits" else 0
            object.__setattr__(self, name, checks.whole(name, getattr(self, name), least, most))
        object.__setattr__(self, "bias", checks.whole("bias", self.bias))
        checks.one_of("specials", self.specials, SPECIALS)
        if self.specials == "ieee" and self.mantissa_bits == 0:
            raise ValueError("mantissa_bits: IEEE's infinity and NaN differ in the mantissa, so it needs a bit, got 0")
        if self.specials == "fnuz" and not self.signed:
            raise ValueError("signed: in fnuz the pattern of negative zero is NaN, so a sign bit is needed, got False")
        max_exponent = 2**self.exponent_bits - 1 - self.has_inf - self.bias
        if self.min_exponent - self.mantissa_bits < -1074 or max_exponent > 1023:
            raise ValueError(f"bias: one with which every number fits in a float64, got {self.bias}")

    # -- The layout

    @property
    def bits(self) -> int:
        """How many bits a pattern has (tf32: the 19 that count, of the 32 it is kept in)."""
        return self.signed + self.exponent_bits + self.mantissa_bits

    @property
    def min_exponent(self) -> int:
        """The power of two of the smallest normal number, and of every subnormal one."""
        return 1 - self.bias if self.subnormals else -self.bias

    @property
    def max_code(self) -> int:
        """The code of the largest finite number."""
        if self.specials == "ieee":
            return self._infinity - 1
        return self._magnitude_mask - (self.specials == "fn")

    @property
    def has_inf(self) -> bool:
        return self.specials == "ieee"

    @property
    def has_nan(self) -> bool:
        return self.specials != "finite"

    @property
    def _sign_bit(self) -> int:
        return 1 << (self.exponent_bits + self.mantissa_bits) if self.signed else 0

    @property
    def _magnitude_mask(self) -> int:
        return (1 << (self.exponent_bits + self.mantissa_bits)) - 1

    @property
    def _infinity(self) -> int:  # in an IEEE format
        return (2**self.exponent_bits - 1) << self.mantissa_bits

    def split(self, bits: int) -> tuple[int, int, int]:
        """The three fields (sign, exponent, mantissa) of a pattern.

        >>> FORMATS["bfloat16"].split(0b1_10000000_1000000)
        (1, 128, 64)
        """
        bits = self._pattern(bits)
        exponent = (bits & self._magnitude_mask) >> self.mantissa_bits
        return int(bool(bits & self._sign_bit)), exponent, bits & (2**self.mantissa_bits - 1)

    def fields(self, bits: int) -> str:
        """A pattern as text, with a space between its fields.

        >>> FORMATS["float16"].fields(0x3C00), FORMATS["float8_e8m0fnu"].fields(127)
        ('0 01111 0000000000', '01111111')
        """
        return bit_fields(self._pattern(bits), self.exponent_bits, self.mantissa_bits, signed=self.signed)

    def kind(self, bits: int) -> str:
        """What a pattern stands for: "zero", "subnormal", "normal", "inf" or "nan".

        >>> FORMATS["float8_e4m3fnuz"].kind(0x80)
        'nan'
        """
        bits = self._pattern(bits)
        magnitude = bits & self._magnitude_mask
        if self.specials == "fnuz" and bits == self._sign_bit:
            return "nan"
        if magnitude > self.max_code:
            return "inf" if self.has_inf and magnitude == self._infinity else "nan"
        if self.subnormals and magnitude >> self.mantissa_bits == 0:
            return "subnormal" if magnitude else "zero"
        return "normal"

    # -- From bits to numbers

    def decode(self, bits: int) -> float:
        """The number that a pattern stands for. A float64 holds every one of them exactly.

        >>> FORMATS["float16"].decode(0x7BFF), FORMATS["float16"].decode(0x7C00), FORMATS["float16"].decode(0x8000)
        (65504.0, inf, -0.0)
        """
        bits = self._pattern(bits)
        exact = self.decode_exact(bits)
        magnitude = float(abs(exact)) if exact is not None else float(self.kind(bits))
        return math.copysign(magnitude, -1 if bits & self._sign_bit else 1)

    def decode_exact(self, bits: int) -> Fraction | None:
        """The number as an exact fraction; `None` for infinity and NaN, which are none.

        >>> FORMATS["float32"].decode_exact(0x3DCCCCCD)
        Fraction(13421773, 134217728)
        """
        kind = self.kind(bits)
        if kind in ("inf", "nan"):
            return None
        sign, exponent, mantissa = self.split(bits)
        if kind == "normal":
            exponent, mantissa = exponent - self.bias, mantissa + 2**self.mantissa_bits
        else:
            exponent = self.min_exponent
        return (-1) ** sign * mantissa * Fraction(2) ** (exponent - self.mantissa_bits)

    def finite_values(self) -> list[float]:
        """Every finite number of the format in increasing order; zero once. For formats of 16 bits at most.

        >>> FORMATS["float4_e2m1fn"].finite_values()[8:]
        [0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
        """
        if self.bits > 16:
            raise ValueError(f"finite_values: a format of at most 16 bits, got {self.name}")
        return sorted({self.decode(code) for code in range(2**self.bits) if self.kind(code) not in ("inf", "nan")})

    # -- From numbers to bits

    def encode(
        self,
        x: float | Fraction | str,
        *,
        rounding: str = "nearest_even",
        overflow: str = "inf",
        generator: random.Random | None = None,
    ) -> int:
        """The pattern that `x` becomes, in one rounding from its exact value.

        `x`: a float, a fraction, or a decimal string ("0.1" is a tenth; 0.1 is the float64 nearest to it).
        `rounding`: "nearest_even", "toward_zero", "up", "down", "ties_away", or "stochastic", which goes up as often as
            `x` is far along its way to the next number, and draws from `generator.random()` (`random.Random(seed)`).
        `overflow`: what becomes of a number that rounds past the largest: "inf", "saturate" (the largest) or "nan".
            An infinite `x` counts as too large. What the format lacks falls through: infinity to NaN, NaN to the
            largest. A rounding mode that points toward zero never passes the largest (IEEE 754-2019, section 7.4).
        A NaN becomes the quiet NaN of the same sign; its payload is lost. In a format without a zero, what would
        round to zero becomes the smallest number; in one without a sign, a negative number becomes NaN.

        Raises: ValueError for a string that is no number, an unknown mode, or a NaN where the format has none.

        >>> fp16 = FORMATS["float16"]
        >>> [fp16.decode(fp16.encode(x)) for x in (65519.99, 65520, 2**-25, "1e-7")]
        [65504.0, inf, 0.0, 1.1920928955078125e-07]
        >>> fp16.decode(fp16.encode(1e9, overflow="saturate"))
        65504.0
        """
        checks.one_of("rounding", rounding, ROUNDINGS)
        checks.one_of("overflow", overflow, OVERFLOWS)
        if rounding == "stochastic" and not hasattr(generator, "random"):
            raise TypeError(f"generator: a random.Random for stochastic rounding, got {checks.got(generator)}")

        negative, magnitude = _sign_and_magnitude(x)
        if magnitude != magnitude or (negative and magnitude and not self.signed):
            return self._nan(negative)
        if magnitude == math.inf:
            return self._overflowed(negative, overflow)

        power, below, rest = self._steps(magnitude)
        toward_zero = rounding == "toward_zero" or rounding == ("up" if negative else "down")
        if toward_zero:
            code = min(self._code(power, below), self.max_code)
        else:
            code = self._code(power, below + _goes_up(rest, below, rounding, generator))
        if code > self.max_code:
            return self._overflowed(negative, overflow)
        return self._with_sign(code, negative)

    def _steps(self, magnitude: Fraction) -> tuple[int, int, Fraction]:
        """The power of two of the spacing around `magnitude`, how many whole spacings it is, and the rest of one."""
        exponent = self.min_exponent
        if magnitude:
            exponent = max(exponent, _floor_log2(magnitude))
        power = exponent - self.mantissa_bits
        steps = magnitude / Fraction(2) ** power
        below = math.floor(steps)
        return power, below, steps - below

    def _code(self, power: int, steps: int) -> int:
        """The code of `steps * 2**power`. The hidden one carries into the exponent field; so does a full mantissa."""
        code = ((power + self.mantissa_bits - self.min_exponent) << self.mantissa_bits) + steps
        return code if self.subnormals else max(code - 2**self.mantissa_bits, 0)

    def _overflowed(self, negative: bool, overflow: str) -> int:
        if overflow == "inf" and self.has_inf:
            return self._with_sign(self._infinity, negative)
        if overflow == "saturate" or not self.has_nan:
            return self._with_sign(self.max_code, negative)
        return self._nan(negative)

    def _nan(self, negative: bool) -> int:
        match self.specials:
            case "ieee":
                return self._with_sign(self._infinity | 2 ** (self.mantissa_bits - 1), negative)
            case "fn":
                return self._with_sign(self._magnitude_mask, negative)
            case "fnuz":
                return self._sign_bit
        raise ValueError(f"x: {self.name} has no NaN")

    def _with_sign(self, magnitude: int, negative: bool) -> int:
        if self.specials == "fnuz" and magnitude == 0:
            return 0
        return magnitude | (self._sign_bit if negative else 0)

    # -- The numbers that describe a format

    @property
    def max(self) -> float:
        """The largest finite number."""
        return self.decode(self.max_code)

    @property
    def lowest(self) -> float:
        """The most negative finite number, which `torch.finfo` calls `min`; without a sign, the smallest."""
        return self.decode(self.max_code | self._sign_bit) if self.signed else self.decode(0)

    @property
    def smallest_normal(self) -> float:
        """The smallest positive number with all its mantissa bits, which `torch.finfo` also calls `tiny`."""
        return 2.0**self.min_exponent

    @property
    def smallest_subnormal(self) -> float | None:
        """The smallest positive number; `None` where there are no subnormal numbers."""
        return self.decode(1) if self.subnormals and self.mantissa_bits else None

    @property
    def eps(self) -> float:
        """The distance from 1 to the next number."""
        one = self.encode(1)
        return self.decode(one + 1) - self.decode(one)

    def _pattern(self, bits: int) -> int:
        """A pattern of the format as a Python int: a NumPy integer would wrap in the shifts."""
        if not 0 <= (pattern := checks.whole("bits", bits)) < 2**self.bits:
            raise ValueError(f"bits: {self.name} has {self.bits} bits, so 0 to {2**self.bits - 1}, got {bits}")
        return pattern


FORMATS = {
    fmt.name: fmt
    for fmt in (
        FloatFormat("float64", 11, 52, bias=1023),
        FloatFormat("float32", 8, 23, bias=127),
        FloatFormat("tf32", 8, 10, bias=127),
        FloatFormat("float16", 5, 10, bias=15),
        FloatFormat("bfloat16", 8, 7, bias=127),
        FloatFormat("float8_e5m2", 5, 2, bias=15),
        FloatFormat("float8_e4m3fn", 4, 3, bias=7, specials="fn"),
        FloatFormat("float8_e4m3", 4, 3, bias=7),  # IEEE's rules: another type than e4m3fn, largest number 240
        FloatFormat("float8_e5m2fnuz", 5, 2, bias=16, specials="fnuz"),
        FloatFormat("float8_e4m3fnuz", 4, 3, bias=8, specials="fnuz"),
        FloatFormat("float8_e8m0fnu", 8, 0, bias=127, specials="fn", signed=False, subnormals=False),
        FloatFormat("float6_e3m2fn", 3, 2, bias=3, specials="finite"),
        FloatFormat("float6_e2m3fn", 2, 3, bias=1, specials="finite"),
        FloatFormat("float4_e2m1fn", 2, 1, bias=1, specials="finite"),
    )
}


def diagnose(weight: float, update: float, fmt: FloatFormat) -> str:
    """What becomes of a weight when it, its update and their sum are all kept in `fmt`.

    "underflow": the update is rounded to zero. "overflow": the update or the sum
    becomes Inf, or NaN where the format has no Inf. "stalled": the sum is rounded back
    to the weight. "moves": it is not.
    `weight` is not too large for `fmt`, and `update` is not zero.

    >>> diagnose(1.0, -1e-3, FORMATS["bfloat16"])
    'stalled'
    >>> diagnose(1.0, 1e-8, FORMATS["float16"])
    'underflow'
    """
    weight, update = fmt.decode(fmt.encode(weight)), fmt.decode(fmt.encode(update))
    if update == 0:
        return "underflow"
    if not math.isfinite(update):
        return "overflow"
    moved = fmt.decode(fmt.encode(Fraction(weight) + Fraction(update)))
    if not math.isfinite(moved):
        return "overflow"
    return "stalled" if moved == weight else "moves"


def exact_decimal(x: float | Fraction) -> str:
    """Every decimal digit of a number whose denominator is a power of two, as every finite float's is.

    >>> exact_decimal(0.1)
    '0.1000000000000000055511151231257827021181583404541015625'
    """
    x = _exact(x)
    places = x.denominator.bit_length() - 1
    if x.denominator != 2**places:
        raise ValueError(f"x: a number whose denominator is a power of two, got {x}")
    return f"{Decimal(f'{x.numerator * 5**places}E-{places}'):f}"  # n / 2**k is n * 5**k / 10**k


# --- reading a number exactly, and the choice between two neighbours -----------------------------------------------


_DECIMAL = re.compile(r"[+-]?(?=\.?\d)\d*\.?\d*(?:e([+-]?\d+))?|[+-]?\d+/\d+|[+-]?(?:inf(?:inity)?|nan)", re.IGNORECASE)


def _sign_and_magnitude(x: float | Fraction | str) -> tuple[bool, Fraction | float]:
    """Whether `x` is negative (zeros and NaNs have signs too), and its magnitude: a fraction, infinity or NaN."""
    if isinstance(x, str):
        x = x.strip()
        number = _DECIMAL.fullmatch(x)
        if not number or len(x) > 2000 or abs(int(number[1] or 0)) > 5000:
            raise ValueError(f'x: a decimal number such as "0.1" or "-1e-8", to 10**±5000, got {x[:40]!r}')
        if "n" not in x.lower():
            if x.partition("/")[2].strip("0") == "" and "/" in x:
                raise ValueError(f"x: division by zero in {x!r}")
            return x.startswith("-"), abs(Fraction(x))
        x = float(x)
    if isinstance(x, numbers.Rational):
        return x < 0, abs(_exact(x))
    if not hasattr(x, "__float__"):
        raise TypeError(f"x: a float, a Fraction or a decimal string, got {checks.got(x)}")
    x = float(x)
    return math.copysign(1, x) < 0, Fraction(abs(x)) if math.isfinite(x) else abs(x)


def _exact(x: float | Fraction) -> Fraction:
    """A number as a Fraction of Python's own ints: NumPy's would wrap."""
    return Fraction(int(x.numerator), int(x.denominator)) if isinstance(x, numbers.Rational) else Fraction(float(x))


def _floor_log2(x: Fraction) -> int:
    """The exponent of the leading bit of a positive fraction."""
    exponent = x.numerator.bit_length() - x.denominator.bit_length()
    return exponent if x >= Fraction(2) ** exponent else exponent - 1


def _goes_up(rest: Fraction, below: int, rounding: str, generator: random.Random | None) -> bool:
    """Is the neighbour farther from zero taken, when the magnitude is `rest` of the way from `below` to it?"""
    match rounding:
        case "nearest_even":
            return 2 * rest > 1 or (2 * rest == 1 and below % 2 == 1)
        case "ties_away":
            return 2 * rest >= 1
        case "stochastic":
            return Fraction(generator.random()) < rest
        case _:  # up or down, whichever of them leads away from zero
            return rest > 0
