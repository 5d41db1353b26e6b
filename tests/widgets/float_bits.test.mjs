// Run: node --test tests/widgets/float_bits.test.mjs
// The JS codec against lmcourse.float_formats, on every format, rounding mode and overflow policy.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf-8");
const {
  OVERFLOWS,
  ROUNDINGS,
  asText,
  binary,
  decode,
  encode,
  exactDecimal,
  floorLog2,
  kindOf,
  maxCode,
  namesFor,
  neighbour,
  randomStream,
  short,
  split,
  steps,
  width,
} = await import("../../lmcourse/widgets/rules/floats.js");
const { parse } = await import("../../lmcourse/widgets/rules/expressions.js");
const { bracket, codeAt, lineAt, neighbourhood, ordinalOf, reachOf } = await import(
  "../../lmcourse/widgets/rules/number_line.js"
);
const { equation, errorWords, fieldWords, sayNumber, why, worth } = await import(
  "../../lmcourse/widgets/parts/float_bits_words.js"
);
const { fieldsOf, fitsGrid } = await import("../../lmcourse/widgets/parts/float_bits_row.js");
const { judge } = await import("../../lmcourse/widgets/parts/float_bits_rounding.js");

const golden = JSON.parse(read("../golden/float_bits.json"));
const formats = golden.map((g) => g.format);
const named = (name) => formats.find((f) => f.name === name);
const fraction = (n, d = 1n) => ({ kind: "finite", negative: n < 0n, n: n < 0n ? -n : n, d });
const equal = (a, b) =>
  a.kind === b.kind && a.negative === b.negative && (a.kind !== "finite" || a.n * b.d === b.n * a.d);

test("every format decodes as Python does", () => {
  let count = 0;
  for (const { format, decoded } of golden) {
    for (const [hex, kind, digits] of decoded) {
      const bits = BigInt(hex),
        x = decode(format, bits);
      assert.equal(kindOf(format, bits), kind, `${format.name} ${hex}`);
      if (digits !== null) assert.equal(exactDecimal({ ...x, negative: false }), digits, `${format.name} ${hex}`);
      count += 1;
    }
  }
  assert.ok(count > 700);
});

test("every format, rounding mode and overflow policy encodes as Python does", () => {
  let count = 0;
  for (const { format, encoded } of golden) {
    const names = namesFor(format, formats);
    for (const [text, [kind, negative, n, d], runs] of encoded) {
      const x = parse(text, names);
      assert.ok(
        equal(x, { kind, negative, n: BigInt(n), d: BigInt(d) }),
        `${format.name}: ${text} is read as ${JSON.stringify({ ...x, n: `${x.n}`, d: `${x.d}` })}`,
      );
      if (runs === null) {
        assert.throws(() => encode(format, x), /has no NaN/);
        continue;
      }
      const results = ROUNDINGS.flatMap((mode) =>
        OVERFLOWS.flatMap((policy) =>
          (mode === "stochastic" ? [0, 0.25, 0.499999, 0.75] : [0]).map(
            (u) => `0x${encode(format, x, mode, policy, u).toString(16)}`,
          ),
        ),
      );
      assert.deepEqual(
        results,
        runs.flatMap(([code, times]) => Array(times).fill(code)),
        `${format.name}: ${text}`,
      );
      count += results.length;
    }
  }
  assert.ok(count > 20000, `${count} results`);
});

test("bits go through no JavaScript number: a NaN keeps its payload", () => {
  const f = named("float32"),
    payload = 0x7f800001n;
  assert.equal(kindOf(f, payload), "nan");
  assert.equal(split(f, payload).mantissa, 1n);
  const f64 = named("float64");
  assert.equal(split(f64, 0x7ff0000000000001n).mantissa, 1n);
  const source = read("../../lmcourse/widgets/rules/floats.js");
  assert.ok(!/DataView|Float64Array|Float32Array|parseFloat/.test(source));
});

test("every finite pattern of the small formats comes back from its value", () => {
  for (const f of formats.filter((g) => width(g) <= 16)) {
    for (let bits = 0n; bits < 1n << BigInt(width(f)); bits += width(f) === 16 ? 7n : 1n) {
      const x = decode(f, bits);
      if (x.kind !== "finite") continue;
      assert.equal(encode(f, x), bits, `${f.name} ${bits}`);
      assert.ok(equal(parse(asText(x)), x), asText(x));
    }
  }
});

test("neighbours count through every number of a format in order", () => {
  for (const f of formats.filter((g) => width(g) <= 8)) {
    let bits = f.signed ? maxCode(f) | (1n << BigInt(width(f) - 1)) : 0n,
      count = 1;
    for (;;) {
      const next = neighbour(f, bits, 1);
      if (next === null || decode(f, next).kind !== "finite") break;
      const [a, b] = [decode(f, bits), decode(f, next)];
      const signedN = (x) => (x.negative ? -x.n : x.n);
      assert.ok(signedN(a) * b.d < signedN(b) * a.d, `${f.name}: ${bits} to ${next}`);
      if (!(b.n === 0n)) assert.equal(neighbour(f, next, -1) === bits || decode(f, bits).n === 0n, true);
      bits = next;
      count += 1;
    }
    assert.equal(bits, maxCode(f), f.name);
    assert.ok(count > Number(maxCode(f)), f.name);
  }
  assert.equal(neighbour(named("float16"), 0x7c00n, 1), null);
  assert.equal(neighbour(named("float16"), 0x7e00n, 1), null);
});

test("expressions: the same words as nonsense deserves", () => {
  const names = namesFor(named("float16"), formats);
  for (const [text, words] of [
    ["", /type a number/],
    ["   ", /type a number/],
    ["one", /is no number/],
    ["1 +", /missing at the end/],
    ["* 2", /missing before/],
    ["1 2", /sign such as \+ is missing/],
    ["(1", /parenthesis is missing/],
    ["1)", /not expected there/],
    ["1/0", /division by zero/],
    ["2**0.5", /whole exponent/],
    ["2**99999999", /larger than any format/],
    ["1e99999", /is possible/],
    ["1".repeat(3000), /too long/],
    ["1+".repeat(150) + "1", /too long/],
    ["<img>", /is no number/],
    ["float32", /write float32\(0.1\)/],
    [`${"(".repeat(90)}1`, /too deep/],
    ["\u202eabc", /is no number/],
  ])
    assert.throws(() => parse(text, names), words, text);
  assert.ok(equal(parse("bfloat16(float32(1 + 2**-8 + 2**-40))", names), fraction(1n)));
  assert.ok(equal(parse("max + 1", names), fraction(65505n)));
  assert.ok(equal(parse("-2**2"), fraction(-4n)));
  assert.ok(equal(parse("2**-2**2"), fraction(1n, 16n)));
});

test("numbers as text", () => {
  assert.equal(short(parse("0.1")), "0.1");
  assert.equal(short(parse("1/3")), "0.33333333…");
  assert.equal(short(parse("2/3"), 3), "0.667…");
  assert.equal(short(parse("0.99999999999"), 3), "1.00…");
  assert.equal(short(parse("-65504")), "−65504");
  assert.equal(short(parse("2**-149"), 4), "1.401… × 10⁻⁴⁵");
  assert.equal(short(parse("1e400")), "1 × 10⁴⁰⁰");
  assert.equal(short(parse("-0")), "−0");
  assert.equal(exactDecimal(parse("-(2**-3 + 2**-5)")), "-0.15625");
  assert.deepEqual(binary(parse("0.1"), 0, -8), { digits: "000011001", more: true });
  assert.deepEqual(binary(parse("2.5"), 1, -1), { digits: "101", more: false });
  assert.equal(floorLog2(parse("0.1")), -4);
});

test("a thousand stochastic draws average to the number", () => {
  const f = named("bfloat16"),
    x = parse("1 + 3 * 2**-9"),
    { rest } = steps(f, x);
  assert.deepEqual([rest.n * 4n, 3n * rest.d], [3n * rest.d, rest.n * 4n]);
  const stream = randomStream(1);
  let ups = 0;
  for (let k = 0; k < 1000; k += 1) ups += encode(f, x, "stochastic", "inf", stream()) === 0x3f81n ? 1 : 0;
  assert.ok(Math.abs(ups / 1000 - 0.75) < 0.05, `${ups}`);
});

test("every number of a format has a place on the line, in order, and its code comes back from its ordinal", () => {
  for (const f of formats.filter((g) => width(g) <= 8)) {
    const codes = Array.from({ length: 2 ** width(f) }, (_, k) => BigInt(k)).filter((c) => ordinalOf(f, c) !== null);
    const sorted = [...codes].sort((a, b) => Number(ordinalOf(f, a) - ordinalOf(f, b)));
    const places = sorted.map((code) => lineAt(f, decode(f, code)));
    places.forEach((place, k) => {
      assert.ok(place >= 0 && place <= 1 && (k === 0 || place >= places[k - 1]), `${f.name} ${k}`);
    });
    for (const code of codes) {
      const again = codeAt(f, ordinalOf(f, code));
      assert.ok(again === code || decode(f, code).n === 0n, `${f.name} ${code}`);
    }
    assert.equal(codeAt(f, ordinalOf(f, maxCode(f)) + 2n), null);
  }
  const fp16 = named("float16");
  assert.deepEqual([lineAt(fp16, parse("0")), lineAt(fp16, parse("inf")), lineAt(fp16, parse("-inf"))], [0.5, 1, 0]);
  assert.equal(lineAt(fp16, parse("nan")), null);
  assert.deepEqual(reachOf(fp16).least, -24);
});

test("a neighbourhood is to scale: below a power of two the gap is half as wide", () => {
  const f = named("float16");
  const at = (text, entered = text) => neighbourhood(f, encode(f, parse(text)), parse(entered));
  const near = ({ numbers }) => Object.fromEntries(numbers.map(({ n, at: place }) => [n, place]));
  assert.deepEqual(near(at("1")), { "-3": -1.5, "-2": -1, "-1": -0.5, 0: 0, 1: 1, 2: 2, 3: 3 });
  assert.equal(at("1", "1 + 2**-11").entered, 0.5);
  assert.equal(at("-0").entered, 0);
  const top = at("inf", "1e999");
  assert.deepEqual(
    top.numbers.map(({ n }) => n),
    [-3, -2, -1, 0],
  );
  assert.equal(top.entered, 1e6, "far to the right, and held there");
  assert.equal(neighbourhood(f, 0x7e00n, parse("nan")), null);
  const scale = named("float8_e8m0fnu");
  assert.deepEqual(
    neighbourhood(scale, 0n, parse("2**-127")).numbers.map(({ n }) => n),
    [0, 1, 2, 3],
  );
});

test("bits lie in columns that fp16, bf16 and fp32 share", () => {
  const column = (f, letter) => fieldsOf(f).find((field) => field.letter === letter);
  for (const name of ["float16", "bfloat16", "float32", "float8_e4m3fn"]) {
    const e = column(named(name), "E");
    assert.equal(e.free + e.bits.length, 8, name);
    assert.equal(column(named(name), "M").bits[0], named(name).mantissa_bits - 1);
  }
  assert.equal(column(named("float8_e8m0fnu"), "S").bits.length, 0, "no sign, but its column stays");
  assert.deepEqual([fitsGrid(named("float32")), fitsGrid(named("float64"))], [true, false]);
});

test("fields and errors in words", () => {
  const f = named("float16");
  assert.deepEqual(fieldWords(f, 0x2e66n), { S: "+", E: "11 − 15 = -4", M: "614/1024" });
  assert.equal(fieldWords(f, 1n).E, "all 0: 2⁻¹⁴, no hidden 1");
  assert.equal(fieldWords(f, 0x7e01n).M, "payload 0x201");
  assert.equal(worth(f, 0x3c00n, 9), ", worth 2⁻¹");
  assert.equal(worth(f, 0x3c00n, 15), "");
  assert.equal(equation(f, 0x3e00n), "1.1000000000₂ × 2⁰ = 1.5 × 1 = 1.5");
  assert.match(equation(named("float32"), 0x7f800001n), /signalling/);
  assert.equal(errorWords(f, parse("1"), parse("1")), "0: the number is one of the format's own");
  assert.match(errorWords(f, parse("1"), parse("1 + 2**-12")), /: 0.25 of the spacing/);
  assert.match(errorWords(f, parse("inf"), parse("1e9")), /too large for this format/);
});

test("what is too large is not said to lack a sign, and what lacks one is not too large", () => {
  const say = (name, text) => {
    const f = named(name),
      entered = parse(text),
      bits = encode(f, entered);
    return sayNumber({ f, bits, value: decode(f, bits), entered, rounded: true });
  };
  assert.equal(say("float16", "1e999"), "1 × 10⁹⁹⁹ is too large for float16: it becomes Inf.");
  assert.equal(say("float16", "-1e999"), "−1 × 10⁹⁹⁹ is too large for float16: it becomes −Inf.");
  assert.equal(say("float8_e8m0fnu", "-2"), "−2 is negative, and float8_e8m0fnu has no sign: it becomes NaN.");
});

test("a guess is right only for the neighbour that is stored, and a coin is no guess", () => {
  const f = named("bfloat16"),
    judged = (text, guess, mode = "nearest_even") => {
      const entered = parse(text);
      return judge({ f, entered, bits: encode(f, entered, mode) }, mode, guess).tone;
    };
  assert.deepEqual([judged("1 + 2**-8 + 2**-40", 1), judged("1 + 2**-8 + 2**-40", 0)], ["good", "bad"]);
  assert.deepEqual([judged("257", 0), judged("257", 1)], ["good", "bad"]);
  assert.deepEqual([judged("-257", 1, "down"), judged("-257", 0, "down")], ["good", "bad"]);
  assert.equal(judged("1e39", 1), "good");
  const { rest, below } = bracket(f, parse("257"));
  assert.match(why(rest, below, "nearest_even", false, false), /kept digits end in 0/);
  assert.match(why(rest, below, "stochastic", false, true), /coin.*50.0 %/);
});
