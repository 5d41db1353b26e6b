"""Run: pytest tests/test_float_formats.py

Oracles: PyTorch, NumPy and ml_dtypes decode and encode the formats themselves; gfloat rounds in every mode.
Formats of up to 16 bits are tested on every pattern and every midpoint; wider ones by hypothesis.
"""

import itertools
import math
import random
import struct
from decimal import Context, Decimal
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lmcourse.float_formats import (
    FORMATS,
    OVERFLOWS,
    ROUNDINGS,
    FloatFormat,
    decode_bits,
    diagnose,
    encode_nearest_even,
    exact_decimal,
    format_limits,
    memory_bytes,
)

IEEE = ["float64", "float32", "tf32", "float16", "bfloat16", "float8_e5m2", "float8_e4m3"]
SMALL = [name for name, fmt in FORMATS.items() if fmt.bits <= 8]
TORCH_FP8 = ["float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"]
ML_DTYPES = ["bfloat16", *SMALL]
ODD_ONES = [  # formats of ml_dtypes that are not in the table: the parameters are enough
    FloatFormat("float8_e4m3b11fnuz", 4, 3, bias=11, specials="fnuz"),
    FloatFormat("float8_e3m4", 3, 4, bias=3),
]


def same(a: float, b: float) -> bool:
    """Equal as numbers, with the sign of a zero; any NaN equals any NaN."""
    return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))


def by_ml_dtypes(values, name) -> list[int]:
    unsigned = np.uint16 if name == "bfloat16" else np.uint8
    return np.array(values, dtype=np.float32).astype(getattr(ml_dtypes, name)).view(unsigned).tolist()


def positive_grid(fmt: FloatFormat) -> list[Fraction]:
    """Every finite number of a format that is not negative, and the number after the largest, were there one."""
    grid = [fmt.decode_exact(code) for code in range(fmt.max_code + 1)]
    return [*grid, 2 * grid[-1] - grid[-2] if fmt.mantissa_bits else 2 * grid[-1]]


def midpoints_and_neighbours(fmt: FloatFormat) -> list[Fraction]:
    """Every number halfway between two neighbours of a format, and what lies next to it on either side."""
    tiny = Fraction(1, 2**40)
    halfway = [(a + b) / 2 for a, b in itertools.pairwise(positive_grid(fmt))]
    return [x for middle in halfway for x in (middle * (1 - tiny), middle, middle * (1 + tiny))]


# -- Decoding: every pattern


def test_every_half_precision_pattern_decodes_as_numpy_and_torch_do():
    patterns = np.arange(2**16, dtype=np.uint16)
    oracles = {"float16": (np.float16, torch.float16), "bfloat16": (ml_dtypes.bfloat16, torch.bfloat16)}
    for name, (numpy_dtype, torch_dtype) in oracles.items():
        with np.errstate(invalid="ignore"):  # signalling NaNs are among the patterns
            by_numpy = patterns.view(numpy_dtype).astype(np.float64)
        by_torch = torch.from_numpy(patterns.view(np.int16)).view(torch_dtype).double().tolist()
        ours = [FORMATS[name].decode(code) for code in range(2**16)]
        assert all(map(same, ours, by_numpy.tolist())), name
        assert all(map(same, ours, by_torch)), name


@pytest.mark.parametrize("name", SMALL)
def test_every_pattern_of_eight_bits_and_fewer_decodes_as_ml_dtypes_does(name):
    fmt = FORMATS[name]
    patterns = np.arange(2**fmt.bits, dtype=np.uint8)
    expected = patterns.view(getattr(ml_dtypes, name)).astype(np.float64).tolist()
    assert all(same(fmt.decode(code), value) for code, value in enumerate(expected))


@pytest.mark.parametrize("name", TORCH_FP8)
def test_every_fp8_pattern_decodes_as_torch_does(name):
    expected = torch.arange(256, dtype=torch.uint8).view(getattr(torch, name)).double().tolist()
    assert all(same(FORMATS[name].decode(code), value) for code, value in enumerate(expected))


@pytest.mark.parametrize("fmt", ODD_ONES, ids=lambda fmt: fmt.name)
def test_a_format_outside_the_table_needs_only_its_parameters(fmt):
    expected = np.arange(256, dtype=np.uint8).view(getattr(ml_dtypes, fmt.name)).astype(np.float64).tolist()
    assert all(same(fmt.decode(code), value) for code, value in enumerate(expected))


@given(st.integers(0, 2**64 - 1))
def test_float64_and_float32_decode_as_the_machine_does(bits):
    assert same(FORMATS["float64"].decode(bits), struct.unpack("<d", struct.pack("<Q", bits))[0])
    bits >>= 32
    assert same(FORMATS["float32"].decode(bits), struct.unpack("<f", struct.pack("<I", bits))[0])


@given(st.integers(0, 2**19 - 1))
def test_tf32_is_float32_with_thirteen_bits_cut_off(bits):
    assert same(FORMATS["tf32"].decode(bits), FORMATS["float32"].decode(bits << 13))


@pytest.mark.parametrize("name", [name for name in FORMATS if FORMATS[name].bits <= 16])
def test_every_pattern_comes_back_from_its_exact_value(name):
    fmt = FORMATS[name]
    for code in range(2**fmt.bits):
        exact = fmt.decode_exact(code)
        if exact is None:
            assert fmt.kind(code) in ("inf", "nan") and not math.isfinite(fmt.decode(code))
        elif fmt.kind(code) == "zero":
            assert fmt.encode(fmt.decode(code)) == code  # -0.0 too
        else:
            mode = ROUNDINGS[code % len(ROUNDINGS)]  # what needs no rounding is left alone by each
            assert fmt.encode(exact, rounding=mode, generator=random) == code


def test_kinds_and_fields_are_those_of_the_standard():
    fp16, e4m3fn, e5m2 = FORMATS["float16"], FORMATS["float8_e4m3fn"], FORMATS["float8_e5m2"]
    assert [fp16.kind(c) for c in (0, 0x8000, 1, 0x3FF, 0x400, 0x7BFF, 0x7C00, 0xFC00, 0x7C01, 0xFE00)] == (
        ["zero"] * 2 + ["subnormal"] * 2 + ["normal"] * 2 + ["inf"] * 2 + ["nan"] * 2
    )
    assert [code for code in range(256) if e4m3fn.kind(code) == "nan"] == [0x7F, 0xFF]
    assert [code for code in range(256) if e5m2.kind(code) == "nan"] == [0x7D, 0x7E, 0x7F, 0xFD, 0xFE, 0xFF]
    assert [code for code in range(256) if FORMATS["float8_e4m3fnuz"].kind(code) == "nan"] == [0x80]
    assert [code for code in range(256) if FORMATS["float8_e8m0fnu"].kind(code) == "nan"] == [0xFF]
    assert fp16.split(0b1_00101_0000000011) == (1, 5, 3)
    assert FORMATS["float4_e2m1fn"].finite_values() == [-6, -4, -3, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 4, 6]


# -- Encoding: every midpoint


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_every_half_precision_midpoint_and_its_neighbours_round_as_the_libraries_do(name):
    fmt = FORMATS[name]
    halfway = [(a + b) / 2 for a, b in itertools.pairwise(positive_grid(fmt))]
    # float32 holds every midpoint of a 16-bit format exactly, so the libraries too round only once.
    middle = np.array([float(x) for x in halfway]).astype(np.float32)
    values = np.concatenate([np.nextafter(middle, np.float32(0)), middle, np.nextafter(middle, np.float32(np.inf))])
    ours = [fmt.encode(x) for x in values.tolist()]
    dtype = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16}[name]
    with np.errstate(over="ignore"):
        assert ours == values.astype(dtype).view(np.uint16).tolist()
    by_torch = torch.from_numpy(values).to(getattr(torch, name)).view(torch.int16).numpy().view(np.uint16)
    assert ours == by_torch.tolist()
    assert [fmt.encode(-x) for x in values.tolist()] == [code | 0x8000 for code in ours]


@pytest.mark.parametrize("name", [name for name in SMALL if name != "float8_e8m0fnu"])
def test_every_small_midpoint_and_its_neighbours_round_as_ml_dtypes_does(name):
    fmt = FORMATS[name]
    middle = np.array([float((a + b) / 2) for a, b in itertools.pairwise(positive_grid(fmt))], dtype=np.float32)
    values = np.concatenate([np.nextafter(middle, np.float32(0)), middle, np.nextafter(middle, np.float32(np.inf))])
    values = np.concatenate(
        [values, -values, np.float32([0.0, -0.0, np.inf, -np.inf, 1e9, -1e9, 2.0**-149, -(2.0**-149)])]
    )
    assert [fmt.encode(x) for x in values.tolist()] == by_ml_dtypes(values, name)


@pytest.mark.parametrize("name", TORCH_FP8[:-1])
def test_torch_rounds_alike_and_has_its_own_overflow_policy(name):
    """Policy: torch 2.12 and later saturates e4m3fn, infinity too; its other fp8 types overflow to Inf or NaN."""
    fmt = FORMATS[name]
    policy = "inf"
    if name == "float8_e4m3fn" and torch.tensor(1e9).to(torch.float8_e4m3fn).float().item() == 448:
        policy = "saturate"
    values = [float(x) for x in midpoints_and_neighbours(fmt)] + [1e9, math.inf, -math.inf, -0.0, 2.0**-149]
    values = np.array([*values, *(-x for x in values)], dtype=np.float32)
    theirs = torch.from_numpy(values).to(getattr(torch, name)).view(torch.uint8).tolist()
    assert [fmt.encode(x, overflow=policy) for x in values.tolist()] == theirs


def test_e8m0_rounds_ties_up_and_libraries_differ_on_zero_and_sign():
    """Policy: torch takes the magnitude of a negative number; ml_dtypes makes NaN of it, and of zero.
    Both round up whatever lies between 2**-127 and 1.5 * 2**-127, where float32 is subnormal."""
    fmt = FORMATS["float8_e8m0fnu"]
    values = np.float32(2.0) ** np.arange(-149, 128)
    values = np.concatenate([values, values * np.float32(1.5), values * np.float32(1.4999), [np.inf, np.nan]])
    values = values.astype(np.float32)
    near_the_bottom = (values > 2.0**-127) & (values < 1.5 * 2.0**-127)
    assert set(by_ml_dtypes(values[near_the_bottom], fmt.name)) == {1} and fmt.encode(1.4999 * 2.0**-127) == 0
    values = values[~near_the_bottom]
    ours = [fmt.encode(x) for x in values.tolist()]
    assert ours == by_ml_dtypes(values, fmt.name)
    assert ours == torch.from_numpy(values).to(torch.float8_e8m0fnu).view(torch.uint8).tolist()
    assert fmt.encode(1.5) == 128 and fmt.encode(3.0) == 129  # both ties up: no significand of one bit is even

    def torch_code(x):
        return torch.tensor([x]).to(torch.float8_e8m0fnu).view(torch.uint8).item()

    assert (fmt.encode(0.0), torch_code(0.0), *by_ml_dtypes([0.0], fmt.name)) == (0, 0, 255)
    assert (fmt.encode(-1.0), torch_code(-1.0), *by_ml_dtypes([-1.0], fmt.name)) == (255, 127, 255)


def test_not_a_number_differs_in_bits_and_is_refused_where_there_is_none():
    """Policy: each library has its favourite NaN; ml_dtypes turns NaN into -0 in formats that have none."""
    for name in ("float16", "bfloat16", *TORCH_FP8):
        code = torch.tensor([math.nan]).to(getattr(torch, name)).view(torch.uint8)
        assert FORMATS[name].kind(FORMATS[name].encode(math.nan)) == "nan"
        assert FORMATS[name].kind(int.from_bytes(bytes(code.tolist()), "little")) == "nan"
    for name in ("float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn"):
        assert math.copysign(1, np.float32("nan").astype(getattr(ml_dtypes, name)).astype(float)) == -1
        with pytest.raises(ValueError, match="has no NaN"):
            FORMATS[name].encode(math.nan)
    fp32 = FORMATS["float32"]
    assert fp32.encode(math.nan) == 0x7FC00000 and fp32.encode("-nan") == 0xFFC00000
    assert fp32.kind(0x7F800001) == "nan"  # a signalling one: its payload lives in the pattern only
    assert math.copysign(1, fp32.decode(0xFFC00000)) == -1


@pytest.mark.parametrize("mode", [mode for mode in ROUNDINGS if mode != "stochastic"])
@pytest.mark.parametrize("name", [name for name in SMALL if name != "float8_e8m0fnu"])
def test_every_mode_and_policy_rounds_as_gfloat_does(name, mode):
    """Without e8m0, whose ties gfloat breaks by the exponent's parity; IEEE 754 and both libraries go up."""
    gfloat = pytest.importorskip("gfloat", reason="the oracle for rounding modes: pip install gfloat")
    from gfloat import Domain, RoundMode, round_float

    fmt = FORMATS[name]
    theirs = gfloat.FormatInfo(
        name,
        fmt.bits,
        fmt.mantissa_bits + 1,
        bias=fmt.bias,
        has_nz=fmt.specials != "fnuz",
        domain=Domain.Extended if fmt.has_inf else Domain.Finite,
        num_high_nans={"ieee": 2**fmt.mantissa_bits - 1, "fn": 1, "fnuz": 0, "finite": 0}[fmt.specials],
        has_subnormals=True,
        is_signed=True,
        is_twos_complement=False,
    )
    gfloat_mode = {
        "nearest_even": RoundMode.TiesToEven,
        "toward_zero": RoundMode.TowardZero,
        "up": RoundMode.TowardPositive,
        "down": RoundMode.TowardNegative,
        "ties_away": RoundMode.TiesToAway,
    }[mode]
    values = [float(x) for x in midpoints_and_neighbours(fmt)] + [fmt.max, 10 * fmt.max, math.inf, 0.0]
    for x, saturate in itertools.product([*values, *(-v for v in values)], (True, False)):
        ours = fmt.decode(fmt.encode(x, rounding=mode, overflow="saturate" if saturate else "inf"))
        try:
            expected = round_float(theirs, x, gfloat_mode, sat=saturate)
        except ValueError:  # no Inf, no NaN: we saturate
            expected = math.copysign(fmt.max, x)
        assert same(ours, expected), (x, ours, expected)


@given(st.floats(width=64), st.sampled_from(IEEE[1:]))
def test_directed_rounding_brackets_the_number(x, name):
    fmt = FORMATS[name]
    if not math.isfinite(x):
        return
    down, up = (fmt.decode(fmt.encode(x, rounding=mode)) for mode in ("down", "up"))
    assert down <= x <= up
    assert fmt.decode(fmt.encode(x)) in (down, up)
    assert fmt.decode(fmt.encode(x, rounding="toward_zero")) == (down if x > 0 else up)
    assert fmt.encode(-x, rounding="up") == fmt.encode(x, rounding="down") ^ (1 << (fmt.bits - 1))


@given(st.floats(width=64))
def test_float32_and_float64_encode_as_the_machine_does(x):
    if math.isnan(x):
        return
    assert FORMATS["float64"].encode(x) == struct.unpack("<Q", struct.pack("<d", x))[0]
    with np.errstate(over="ignore"):
        assert FORMATS["float32"].encode(x) == int(np.float64(x).astype(np.float32).view(np.uint32))
        assert FORMATS["float16"].encode(x) == int(np.float64(x).astype(np.float16).view(np.uint16))


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9))
def test_a_decimal_string_becomes_the_float64_that_python_reads(number):
    assert FORMATS["float64"].encode(str(number)) == FORMATS["float64"].encode(float(str(number)))


def test_the_edges_of_float16_are_where_the_standard_puts_them():
    fp16 = FORMATS["float16"]
    assert fp16.decode(fp16.encode("65519.999999")) == 65504 and fp16.decode(fp16.encode("65520")) == math.inf
    assert fp16.decode(fp16.encode(Fraction(1, 2**25))) == 0  # a tie: to even
    assert fp16.decode(fp16.encode(Fraction(1, 2**25) + Fraction(1, 2**80))) == 2**-24
    assert fp16.encode(-1e-9) == 0x8000  # a negative zero remembers the side
    assert fp16.encode(65520, rounding="toward_zero") == fp16.max_code
    assert [fp16.kind(fp16.encode(1e9, overflow=policy)) for policy in OVERFLOWS] == ["inf", "normal", "nan"]


def test_one_rounding_where_the_libraries_make_two():
    bf16, fp16 = FORMATS["bfloat16"], FORMATS["float16"]
    witness = 1 + 2**-8 + 2**-40  # just above a tie of bfloat16, and on it once float32 has rounded
    assert bf16.decode(bf16.encode(witness)) == 1.0078125
    assert torch.tensor(witness, dtype=torch.float64).to(torch.bfloat16).item() == 1.0
    assert float(np.float64(witness).astype(ml_dtypes.bfloat16)) == 1.0
    witness = 1 + 2**-11 + 2**-40
    assert fp16.decode(fp16.encode(witness)) == 1.0009765625 == float(np.float64(witness).astype(np.float16))
    assert torch.tensor(witness, dtype=torch.float64).to(torch.float16).item() == 1.0
    # A decimal that float64 itself rounds onto a tie of float32: only the string is rounded once.
    text = "1.00000005960464477539062500000000001"
    assert FORMATS["float32"].encode(text) == 0x3F800001
    assert FORMATS["float32"].encode(float(text)) == 0x3F800000


def test_stochastic_rounding_goes_up_as_often_as_it_should():
    bf16 = FORMATS["bfloat16"]
    x = Fraction(1) + Fraction(3, 4) * Fraction(1, 128)
    ups = 0
    generator = random.Random(0)
    for _ in range(10_000):
        code = bf16.encode(x, rounding="stochastic", generator=generator)
        assert code in (0x3F80, 0x3F81)
        ups += code == 0x3F81
    assert abs(ups / 10_000 - 0.75) < 5 * math.sqrt(0.75 * 0.25 / 10_000)
    assert bf16.encode(-x, rounding="stochastic", generator=random.Random(1)) in (0xBF80, 0xBF81)
    first = [bf16.encode(x, rounding="stochastic", generator=random.Random(7)) for _ in range(5)]
    assert len(set(first)) == 1  # the generator alone decides
    state = random.getstate()
    bf16.encode(x, rounding="stochastic", generator=random.Random(7))
    assert random.getstate() == state


# -- The numbers that describe a format


@pytest.mark.parametrize("name", ["float64", "float32", "float16", "bfloat16", *TORCH_FP8])
def test_limits_are_those_of_finfo_except_one_eps(name):
    fmt, info = FORMATS[name], torch.finfo(getattr(torch, name))
    assert (fmt.max, fmt.lowest, fmt.smallest_normal, fmt.bits) == (info.max, info.min, info.tiny, info.bits)
    if name == "float8_e5m2fnuz":
        assert fmt.eps == 0.25 and info.eps in (0.125, 0.25)  # it was the former up to torch 2.14
        one, after = torch.tensor([0x40, 0x41], dtype=torch.uint8).view(torch.float8_e5m2fnuz).float().tolist()
        assert (one, after) == (1.0, 1.25)  # the codes agree with us
    else:
        assert fmt.eps == info.eps


@pytest.mark.parametrize("name", ML_DTYPES)
def test_limits_are_those_of_ml_dtypes(name):
    fmt, info = FORMATS[name], ml_dtypes.finfo(getattr(ml_dtypes, name))
    assert (fmt.max, fmt.smallest_normal, fmt.eps) == tuple(map(float, (info.max, info.smallest_normal, info.eps)))
    if fmt.subnormals:
        assert (fmt.lowest, fmt.smallest_subnormal) == tuple(map(float, (info.min, info.smallest_subnormal)))
    else:
        assert fmt.smallest_subnormal is None


def test_the_limits_that_the_course_quotes():
    fp32 = FORMATS["float32"]
    assert fp32.max == 3.4028234663852886e38 == (2 - 2**-23) * 2.0**127 and fp32.lowest == -fp32.max
    assert (fp32.smallest_normal, fp32.smallest_subnormal) == (2.0**-126, 2.0**-149)
    assert FORMATS["float16"].smallest_subnormal == 2**-24 and FORMATS["bfloat16"].smallest_subnormal == 2.0**-133
    assert FORMATS["bfloat16"].encode(fp32.max) == FORMATS["bfloat16"].encode(math.inf)
    assert (FORMATS["float8_e4m3fn"].max, FORMATS["float8_e4m3"].max) == (448, 240)
    assert FORMATS["tf32"].eps == 2**-10 and FORMATS["tf32"].bits == 19


# -- What notebook 02 has you write


@pytest.mark.parametrize("name", IEEE)
def test_the_four_plain_functions_agree_with_the_general_codec(name):
    fmt = FORMATS[name]
    shape = (fmt.exponent_bits, fmt.mantissa_bits)
    limits = format_limits(*shape)
    assert list(limits) == ["max", "lowest", "smallest_normal", "smallest_subnormal", "eps"]
    assert list(limits.values()) == [getattr(fmt, key) for key in limits]
    generator = random.Random(name)
    codes = range(2**fmt.bits) if fmt.bits <= 16 else [generator.getrandbits(fmt.bits) for _ in range(2000)]
    for code in codes:
        value = fmt.decode(code)
        assert same(decode_bits(code, *shape), value)
        assert encode_nearest_even(value, *shape) == fmt.encode(abs(value) if math.isnan(value) else value)
    for _ in range(2000):
        x = generator.choice((-1, 1)) * math.ldexp(generator.random(), generator.randint(-160, 140))
        assert encode_nearest_even(x, *shape) == fmt.encode(x)


def test_memory_bytes_counts_the_storage():
    x = torch.zeros(1000, 1000)
    assert memory_bytes(x) == 4_000_000 == x.numel() * x.element_size()
    assert memory_bytes(x[:1]) == memory_bytes(x.T) == memory_bytes(x[::2]) == 4_000_000
    assert memory_bytes(x[:1].clone()) == 4_000
    assert memory_bytes(torch.zeros(1, 1000).expand(1000, 1000)) == 4_000
    assert memory_bytes(torch.zeros(3, dtype=torch.bool)) == 3 and memory_bytes(torch.zeros(0)) == 0
    assert memory_bytes(torch.empty(12288, 49152, device="meta")) == 12288 * 49152 * 4 == int(2.25 * 2**30)
    with pytest.raises(TypeError, match=r"tensor: a torch\.Tensor, got a list"):
        memory_bytes([1.0])
    with pytest.raises(ValueError, match="sparse"):
        memory_bytes(torch.eye(2).to_sparse())


def test_diagnose_names_the_trouble_of_each_format():
    fp32, fp16, bf16 = FORMATS["float32"], FORMATS["float16"], FORMATS["bfloat16"]
    assert diagnose(1.0, -1e-3, bf16) == "stalled" and diagnose(1.0, -1e-3, fp16) == "moves"
    assert diagnose(1.0, 1e-8, fp16) == "underflow" and diagnose(1.0, 1e-8, bf16) == "stalled"
    assert diagnose(1e-8, 1e-8, bf16) == "moves" and diagnose(65504.0, 64.0, fp16) == "overflow"
    assert diagnose(1.0, 1e5, fp16) == "overflow" and diagnose(65504.0, 64.0, fp32) == "moves"
    assert diagnose(256.0, 1.0, bf16) == "stalled" and diagnose(258.0, 1.0, bf16) == "moves"  # the tie goes to even
    assert diagnose(1.0, 2**-8, bf16) == "stalled" and diagnose(1.0, -(2**-8), bf16) == "moves"  # finer below 1


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_exact_decimal_is_the_whole_expansion(x):
    assert Fraction(exact_decimal(x)) == Fraction(x)
    assert exact_decimal(x) == format(Context(prec=2000).create_decimal(Decimal(abs(x))), "f").join(["-" * (x < 0), ""])


# -- Numbers of NumPy's and PyTorch's, which wrap where Python's do not

CODES = [np.uint8, np.uint16, np.uint32, np.int16, np.int32, np.int64]


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu", "float4_e2m1fn"])
def test_every_code_as_torch_gives_it_is_the_number_of_that_code(name):
    fmt = FORMATS[name]
    codes = torch.arange(2**fmt.bits).to(torch.uint8)
    for given_as in (codes.numpy(), codes, *(codes.numpy().astype(dtype) for dtype in CODES)):
        assert all(same(fmt.decode(code), fmt.decode(k)) for k, code in enumerate(given_as))
        assert all(fmt.kind(code) == fmt.kind(k) and fmt.split(code) == fmt.split(k) for k, code in enumerate(given_as))


@pytest.mark.parametrize("dtype", CODES[1:])
def test_wider_codes_do_not_wrap(dtype):
    for name in ("float16", "bfloat16", *(["float32"] if dtype in (np.uint32, np.int64) else [])):
        fmt = FORMATS[name]
        for code in random.Random(0).sample(range(2 ** min(fmt.bits, 8 * np.dtype(dtype).itemsize) // 2), 200):
            assert same(fmt.decode(dtype(code)), fmt.decode(code)), (name, code)
            assert fmt.decode_exact(dtype(code)) == fmt.decode_exact(code)
            if code < 2**16:
                assert same(decode_bits(dtype(code), 5, 10), decode_bits(code, 5, 10))
    assert decode_bits(np.uint16(0x4200), 5, 10) == 3.0 and decode_bits(np.uint16(0xC200), 5, 10) == -3.0


@pytest.mark.parametrize(
    "number", [np.int8(100), np.int64(3), np.uint16(60000), np.int64(2**62 + 1), np.int32(-(2**30))]
)
def test_numpys_integers_are_encoded_as_pythons(number):
    for fmt in FORMATS.values():
        assert fmt.encode(number) == fmt.encode(int(number)), fmt.name
    assert exact_decimal(number) == str(int(number))


@pytest.mark.parametrize(
    "number", [np.float32(0.1), np.float16(0.1), np.float64(-0.1), torch.tensor(0.1), np.float32(3e-45)]
)
def test_numpys_and_pytorchs_floats_are_what_they_hold(number):
    x = float(number)
    assert exact_decimal(number) == exact_decimal(x)
    assert encode_nearest_even(number, 5, 10) == encode_nearest_even(x, 5, 10)
    assert FORMATS["bfloat16"].encode(number) == FORMATS["bfloat16"].encode(x)
    assert diagnose(np.float32(1), number, FORMATS["bfloat16"]) == diagnose(1.0, x, FORMATS["bfloat16"])


def test_a_format_of_numpy_integers_is_one_of_pythons():
    fmt = FloatFormat("f", np.uint8(8), np.int8(23), bias=np.uint8(127))
    assert fmt == FloatFormat("f", 8, 23, bias=127) and fmt.max == FORMATS["float32"].max and type(fmt.bits) is int


# -- What is refused, and in which words


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda f: f.encode("one"), ValueError, "x: a decimal number"),
        (lambda f: f.encode(""), ValueError, "x: a decimal number"),
        (lambda f: f.encode("1e999999999"), ValueError, "5000"),
        (lambda f: f.encode("1" * 3000), ValueError, "x: a decimal number"),
        (lambda f: f.encode("1/0"), ValueError, "division by zero"),
        (lambda f: f.encode(None), TypeError, "x: a float, a Fraction or a decimal string, got None"),
        (lambda f: f.encode(1.0, rounding="nearest"), ValueError, "rounding: nearest_even, toward_zero"),
        (lambda f: f.encode(1.0, overflow="wrap"), ValueError, "overflow: inf, saturate or nan, got 'wrap'"),
        (
            lambda f: f.encode(1.0, rounding="stochastic"),
            TypeError,
            "generator: a random.Random for stochastic rounding",
        ),
        (lambda f: f.decode(1 << 16), ValueError, "bits: float16 has 16 bits, so 0 to 65535, got 65536"),
        (lambda f: f.decode(-1), ValueError, "got -1"),
        (lambda f: f.decode(1.0), TypeError, "bits: a whole number, got 1.0"),
        (
            lambda f: FORMATS["float32"].finite_values(),
            ValueError,
            "finite_values: a format of at most 16 bits, got float32",
        ),
        (lambda f: FloatFormat("f", 12, 3, bias=7), ValueError, "exponent_bits: a whole number from 1 to 11, got 12"),
        (lambda f: FloatFormat("f", 4, 53, bias=7), ValueError, "mantissa_bits: a whole number from 0 to 52, got 53"),
        (lambda f: FloatFormat("f", 4, 3, bias=7, specials="none"), ValueError, "specials: ieee, fn, fnuz or finite"),
        (lambda f: FloatFormat("f", 4, 0, bias=7), ValueError, "mantissa_bits: IEEE's infinity and NaN"),
        (lambda f: FloatFormat("f", 4, 3, 7, "fnuz", signed=False), ValueError, "signed: in fnuz"),
        (lambda f: FloatFormat("f", 4, 3, bias=2000), ValueError, "bias: one with which every number fits"),
        (
            lambda f: FloatFormat("f", 11, 3, bias=1023, specials="fn"),
            ValueError,
            "bias: one with which every number fits",
        ),
        (
            lambda f: exact_decimal(Fraction(1, 3)),
            ValueError,
            "x: a number whose denominator is a power of two, got 1/3",
        ),
    ],
)
def test_bad_input_is_refused_by_name(call, error, words):
    with pytest.raises(error, match=words):
        call(FORMATS["float16"])
