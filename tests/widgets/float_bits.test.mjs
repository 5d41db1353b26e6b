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
