// FloatBits: every bit of a number, in every format. The arithmetic is in floats.js and runs here; this file draws.
import { frame, put, redraw } from "./lib/base.js";
import { check, choice, field } from "./lib/controls.js";
import { roving } from "./lib/roving.js";
import { h, s } from "./lib/elements.js";
import { asker } from "./lib/kernel.js";
import { raised } from "./lib/numbers.js";
import {
  againstHalf,
  asText,
  binary,
  codeOf,
  decode,
  encode,
  exactDecimal,
  finite,
  floorLog2,
  isZero,
  kindOf,
  log2,
  magnitudeBits,
  maxCode,
  minExponent,
  minus,
  namesFor,
  neighbour,
  parse,
  randomStream,
  ratio,
  ROUNDINGS,
  short,
  signBit,
  signed,
  split,
  steps,
  towardZero,
  two,
  width,
  withSign,
} from "./rules/floats.js";

const SHORT_NAMES = { float64: "fp64", float32: "fp32", float16: "fp16", bfloat16: "bf16" };
const nick = (f) => SHORT_NAMES[f.name] ?? f.name.replace(/^float\d_/, "");
const MODES = {
  nearest_even: "to nearest, ties to even",
  toward_zero: "toward zero",
  up: "up (toward +∞)",
  down: "down (toward −∞)",
  ties_away: "to nearest, ties away",
  stochastic: "stochastic",
};
const POLICIES = {
  inf: "Inf, else NaN: IEEE, ml_dtypes",
  saturate: "the largest: torch ≥ 2.12, e4m3fn",
  nan: "NaN: torch < 2.12, e4m3fn",
};
const PICTURES = { formats: "every format", rounding: "the rounding", plane: "where it lies" };

function render({ model, el }) {
  const formats = model.get("formats");
  const first = Object.fromEntries(
    ["entered", "pattern", "format", "rounding", "overflow", "picture", "predict"].map((n) => [n, model.get(n)]),
  );
  const format = () => formats.find((f) => f.name === model.get("format")) ?? formats[0];
  let message = null,
    seed = 1,
    guess = null;

  const python = () => {
    const extra = [
      ["rounding", "nearest_even"],
      ["overflow", "inf"],
      ["picture", "formats"],
    ]
      .filter(([n, usual]) => model.get(n) !== usual)
      .map(([n]) => `, ${n}=${JSON.stringify(model.get(n))}`)
      .join("");
    const value = model.get("pattern") ? `bits=${model.get("pattern")}` : JSON.stringify(model.get("entered"));
    return `FloatBits(${value}, format=${JSON.stringify(format().name)}${extra}${model.get("predict") ? ", predict=True" : ""})`;
  };
  const view = frame({
    model,
    el,
    python,
    reset: () => {
      message = null;
      guess = null;
      put(model, first);
    },
  });

  /** The number entered, its pattern here, and what that pattern stands for; `error` in words where there is none. */
  function read() {
    const f = format(),
      pattern = model.get("pattern");
    if (pattern) {
      const bits = BigInt(pattern) & (two(width(f)) - 1n),
        value = decode(f, bits);
      return { f, bits, value, entered: value };
    }
    try {
      const entered = parse(model.get("entered"), namesFor(f, formats));
      const bits = encode(f, entered, model.get("rounding"), model.get("overflow"), randomStream(seed)());
      return { f, bits, value: decode(f, bits), entered };
    } catch (error) {
      return { f, error: error.message };
    }
  }

  // The bits: rebuilt only when the format changes, so that a drag goes on over them
  const bitsRow = h("div", { class: "lmc-fb-bits", role: "group", "aria-label": "bits" });
  const problem = h("p", { class: "lmc-fb-problem" });
  const hint = h(
    "p",
    { class: "lmc-fb-hint lmc-muted" },
    "Click a bit, or drag over several. On a bit, PageUp and PageDown go to the next number.",
  );
  const facts = h("div", { class: "lmc-fb-facts" });
  const stagePicture = h("div", { class: "lmc-fb-picture" });
  view.stage.append(problem, bitsRow, hint, facts, stagePicture);
  let bitCells = [],
    drawnFormat = "",
    painting = null;

  const setBits = (f, bits) => {
    guess = null;
    put(model, { pattern: `0x${bits.toString(16)}` });
  };
  function toggle(cell, to) {
    const { f, bits } = read();
    if (bits === undefined) return;
    const mask = two(Number(cell.dataset.at));
    const next = to ? bits | mask : bits & ~mask;
    if (next === bits) return;
    const a = decode(f, bits),
      b = decode(f, next);
    message = `Bit ${cell.dataset.at} flipped: ${short(a)} became ${short(b)}${spacingWords(f, next)}.`;
    setBits(f, next);
  }
  function spacingWords(f, bits) {
    const x = decode(f, bits);
    return x.kind === "finite" ? `; the spacing here is 2${raised(steps(f, x).power)}` : "";
  }
  bitsRow.addEventListener("pointerdown", (event) => {
    const cell = event.target.closest(".lmc-fb-bit");
    if (!cell || event.button !== 0) return;
    painting = cell.getAttribute("aria-pressed") !== "true";
    toggle(cell, painting);
    if (event.target.hasPointerCapture?.(event.pointerId)) event.target.releasePointerCapture(event.pointerId);
  });
  bitsRow.addEventListener("pointermove", (event) => {
    if (painting === null) return;
    if (event.buttons === 0) {
      painting = null;
      return;
    }
    const under = document.elementFromPoint(event.clientX, event.clientY)?.closest(".lmc-fb-bit");
    if (under && bitsRow.contains(under)) toggle(under, painting);
  });
  const endPaint = () => {
    painting = null;
  };
  for (const name of ["pointerup", "pointercancel", "pointerleave"]) bitsRow.addEventListener(name, endPaint);
  bitsRow.addEventListener("click", (event) => {
    // keyboard and screen readers: a click without a pointer
    const cell = event.target.closest(".lmc-fb-bit");
    if (cell && event.detail === 0) toggle(cell, cell.getAttribute("aria-pressed") !== "true");
  });
  bitsRow.addEventListener("keydown", (event) => {
    const cell = event.target.closest(".lmc-fb-bit");
    if (!cell) return;
    if (event.key === "0" || event.key === "1") toggle(cell, event.key === "1");
    if (event.key === "PageUp") {
      move(1);
      event.preventDefault();
    }
    if (event.key === "PageDown") {
      move(-1);
      event.preventDefault();
    }
  });
  const rover = roving(bitsRow, ".lmc-fb-bit", {
    onfocus: (cell) => {
      view.say(cell.getAttribute("aria-label"));
    },
  });

  function move(direction) {
    const { f, bits } = read();
    const next = bits === undefined ? null : neighbour(f, bits, direction);
    message =
      next === null
        ? `There is no number ${direction > 0 ? "above" : "below"} this one.`
        : `One step ${direction > 0 ? "up" : "down"}: ${short(decode(f, bits))} to ${short(decode(f, next))}${spacingWords(f, next)}.`;
    if (next !== null) setBits(f, next);
    else draw();
  }

  function layBits(f) {
    drawnFormat = f.name;
    const group = (letter, name, from, count) => {
      if (count === 0) return [];
      const cells = Array.from({ length: count }, (_, i) =>
        h("button", {
          type: "button",
          class: `lmc-fb-bit lmc-fb-${letter}`,
          "data-at": from - i,
          tabindex: -1,
        }),
      );
      return h(
        "div",
        { class: `lmc-fb-group lmc-fb-group-${letter}` },
        h("div", { class: "lmc-fb-cells" }, cells),
        h(
          "div",
          { class: "lmc-fb-caption" },
          h("b", {}, letter),
          " ",
          name,
          " ",
          h("span", { class: "lmc-fb-meaning", "data-part": letter }),
        ),
      );
    };
    bitsRow.replaceChildren(
      ...[
        group("S", "sign", width(f) - 1, Number(f.signed)),
        group("E", "exponent", magnitudeBits(f) - 1, f.exponent_bits),
        group("M", "mantissa", f.mantissa_bits - 1, f.mantissa_bits),
      ].flat(),
    );
    bitCells = [...bitsRow.querySelectorAll(".lmc-fb-bit")];
    rover.refresh(0);
  }

  function drawBits(f, bits, hidden) {
    if (drawnFormat !== f.name) layBits(f);
    const { negative, exponent, mantissa } = split(f, bits),
      kind = kindOf(f, bits);
    const scale = kind === "normal" ? exponent - f.bias : minExponent(f);
    for (const cell of bitCells) {
      const at = Number(cell.dataset.at),
        on = (bits >> BigInt(at)) & 1n;
      cell.textContent = hidden ? "?" : String(on);
      cell.setAttribute("aria-pressed", String(on === 1n && !hidden));
      const part = at >= magnitudeBits(f) ? "sign" : at >= f.mantissa_bits ? "exponent" : "mantissa";
      const weight =
        part === "sign"
          ? ""
          : part === "exponent"
            ? `, worth ${2 ** (at - f.mantissa_bits)} of the exponent field`
            : kind === "inf" || kind === "nan"
              ? ""
              : `, worth 2${raised(scale + at - f.mantissa_bits)}`;
      cell.setAttribute("aria-label", `bit ${at}, ${part}, ${hidden ? "hidden" : `value ${on}`}${weight}`);
      cell.title = `bit ${at}, ${part}${weight}`;
    }
    const say = (part, text) => {
      const span = bitsRow.querySelector(`[data-part=${part}]`);
      if (span) span.textContent = hidden ? "" : text;
    };
    say("S", negative ? "−" : "+");
    const field_ = `${exponent}`;
    say(
      "E",
      kind === "zero" || kind === "subnormal"
        ? `all 0: 2${raised(scale)}, no hidden 1`
        : kind === "normal"
          ? `${field_} − ${f.bias} = ${exponent - f.bias}`
          : `${field_}: reserved for ${kind === "inf" ? "Inf" : "NaN"}`,
    );
    say(
      "M",
      kind === "nan"
        ? `payload 0x${mantissa.toString(16)}`
        : f.mantissa_bits
          ? `${mantissa}/${two(f.mantissa_bits)}`
          : "",
    );
  }

  function equation(f, bits) {
    const { negative, exponent, mantissa } = split(f, bits),
      kind = kindOf(f, bits),
      x = decode(f, bits);
    if (kind === "inf") return "exponent all ones, mantissa zero: infinity";
    if (kind === "nan") {
      const quiet = f.specials === "ieee" ? (mantissa >> BigInt(f.mantissa_bits - 1) ? ", quiet" : ", signalling") : "";
      return f.specials === "fnuz" ? "the pattern of −0 is this format's NaN" : `reserved: not a number${quiet}`;
    }
    const scale = kind === "normal" ? exponent - f.bias : minExponent(f);
    const hidden = kind === "normal" ? "1" : "0",
      digits = mantissa.toString(2).padStart(f.mantissa_bits, "0");
    const significand = finite((kind === "normal" ? two(f.mantissa_bits) : 0n) + mantissa, two(f.mantissa_bits), false);
    const sign = negative ? "−" : "";
    const binaryText = f.mantissa_bits ? `${hidden}.${digits.replace(/(?<=.{24}).+/, "…")}₂` : "1";
    return `${sign}${binaryText} × 2${raised(scale)} = ${sign}${short(significand, 10)} × ${short(finite(two(Math.max(scale, 0)), two(Math.max(-scale, 0))), 8)} = ${short(x, 12)}`;
  }

  function digitsOf(x) {
    const text = exactDecimal(x);
    if (text.length <= 90) return h("span", { class: "lmc-mono" }, text);
    return h(
      "details",
      {},
      h("summary", { class: "lmc-mono" }, `${text.slice(0, 60)}… (${text.replace(/\D/g, "").length} digits)`),
      h("span", { class: "lmc-mono" }, text),
    );
  }

  function drawFacts({ f, bits, value, entered }) {
    const row = (name, ...content) => [
      h("span", { class: "lmc-fb-key" }, name),
      h("span", { class: "lmc-fb-fact" }, content),
    ];
    const step = (direction) => {
      const next = neighbour(f, bits, direction);
      return h(
        "button",
        {
          type: "button",
          class: `lmc-fb-step`,
          "data-step": direction,
          "aria-disabled": String(next === null),
          title: `the ${direction > 0 ? "next" : "previous"} number (${direction > 0 ? "PageUp" : "PageDown"} on a bit)`,
          onclick: () => move(direction),
        },
        direction < 0
          ? `◀ ${next === null ? "none" : short(decode(f, next), 6)}`
          : `${next === null ? "none" : short(decode(f, next), 6)} ▶`,
      );
    };
    let error = "0: the number is one of the format's own";
    if (entered.kind === "finite" && value.kind === "finite") {
      const difference = minus(value, entered);
      if (difference.n !== 0n) {
        const spacing = steps(f, entered).power,
          d = { ...difference, negative: false };
        const ulps = spacing < 0 ? finite(d.n << BigInt(-spacing), d.d) : finite(d.n, d.d << BigInt(spacing));
        const relative = isZero(entered)
          ? ""
          : `, ${short(finite(100n * d.n * entered.d, d.d * entered.n, false), 3)} % of the number`;
        error = `${difference.negative ? "" : "+"}${short(difference, 4)}: ${short(ulps, 3)} of the spacing${relative}`;
      }
    } else if (entered.kind !== value.kind) {
      error =
        value.kind === "inf"
          ? "infinite: the number is too large for this format"
          : value.kind === "nan"
            ? "lost: not a number any more"
            : "saturated: infinity became the largest number";
    } else error = "none to speak of";
    const focused = facts.contains(document.activeElement) ? document.activeElement.dataset.step : null;
    facts.replaceChildren(
      h("p", { class: "lmc-mono lmc-fb-equation" }, equation(f, bits)),
      h(
        "div",
        { class: "lmc-fb-list" },
        row(
          "entered",
          h("span", { class: "lmc-mono" }, model.get("pattern") ? "these bits" : model.get("entered").slice(0, 80)),
        ),
        row(
          "stored",
          digitsOf(value),
          h("span", { class: "lmc-muted" }, `  0x${bits.toString(16).padStart(Math.ceil(width(f) / 4), "0")}`),
        ),
        row("error", h("span", { class: "lmc-mono" }, error)),
        row("neighbours", h("span", { class: "lmc-fb-steps" }, step(-1), step(1))),
        yours ? row("yours", h("span", { class: "lmc-mono" }, yours)) : [],
      ),
    );
    if (focused) facts.querySelector(`[data-step="${focused}"]`)?.focus({ preventScroll: true });
  }

  /** Pictures fill the stage, and scroll where it is narrow. */
  const wide = () => Math.max(560, Math.min(900, view.stage.clientWidth || 620));

  // Picture one: the same number in every format, bits in columns of equal weight, and the windows on one axis
  function everyFormat(entered) {
    if (entered.kind !== "finite")
      return [h("p", {}, "Infinity and NaN have no digits to line up. Enter a finite number to compare the formats.")];
    const x = entered,
      count = 30;
    const high = x.n === 0n ? 0 : floorLog2(x) + 1,
      low = high - count + 1;
    const columns = Array.from({ length: count }, (_, i) => high - i);
    const exact = binary(x, high, low);
    const cells = (digits, first, last, hiddenAt) =>
      columns.map((weight, i) =>
        h(
          "td",
          {
            class: weight > first || weight < last ? "lmc-fb-off" : weight === hiddenAt ? "lmc-fb-hidden" : "lmc-fb-on",
          },
          weight > first || weight < last ? "" : digits[i],
        ),
      );
    const rows = formats.map((f) => {
      const chosen = f.name === format().name ? "true" : null;
      const head = h("th", { scope: "row" }, chosen ? `▸ ${nick(f)}` : nick(f));
      let bits;
      try {
        bits = encode(
          f,
          x,
          model.get("rounding") === "stochastic" ? "nearest_even" : model.get("rounding"),
          model.get("overflow"),
        );
      } catch (error) {
        return h("tr", { "aria-current": chosen }, head, h("td", { colspan: count }, error.message), h("td"));
      }
      const y = decode(f, bits);
      if (y.kind !== "finite")
        return h(
          "tr",
          { "aria-current": chosen },
          head,
          h(
            "td",
            { colspan: count, class: "lmc-fb-note" },
            y.kind === "inf"
              ? "too large here: Inf"
              : x.negative && !f.signed
                ? "no sign here: NaN"
                : "too large here: NaN",
          ),
          h("td", {}, short(y)),
        );
      const normal = kindOf(f, bits) === "normal",
        top = y.n === 0n ? minExponent(f) : normal ? floorLog2(y) : minExponent(f) - 1;
      const drawn = binary(y, high, low);
      const last = (normal ? top : minExponent(f)) - f.mantissa_bits;
      const saturated = y.n !== 0n && floorLog2(y) < floorLog2(x) - 1;
      if (y.n === 0n || saturated || top > high)
        return h(
          "tr",
          { "aria-current": chosen },
          head,
          h(
            "td",
            { colspan: count, class: "lmc-fb-note" },
            isZero(x)
              ? "0"
              : y.n === 0n
                ? "too small here: 0"
                : saturated
                  ? "too large here: saturated"
                  : "too small here: the smallest there is",
          ),
          h("td", {}, short(y, 6)),
        );
      return h(
        "tr",
        { "aria-current": chosen },
        head,
        cells(drawn.digits, top, last, normal ? top : NaN),
        h("td", {}, short(y, 6)),
      );
    });
    return [
      h("p", { class: "lmc-muted" }, "Each column is one power of two; a row shows the digits that the format keeps."),
      h(
        "div",
        { class: "lmc-scroll", tabindex: 0, role: "group", "aria-label": "the digits of the number in every format" },
        h(
          "table",
          { class: "lmc-fb-table" },
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              h("th", { scope: "col" }, "weight"),
              columns.map((w, i) =>
                h(
                  "th",
                  { scope: "col", class: "lmc-fb-weight" },
                  i % 5 === 0 ? `2${raised(w)}` : h("span", { class: "lmc-sr" }, `2${raised(w)}`),
                ),
              ),
              h("th", { scope: "col" }, "stored"),
            ),
          ),
          h(
            "tbody",
            {},
            h(
              "tr",
              { class: "lmc-fb-exact" },
              h("th", { scope: "row" }, "exact"),
              [...exact.digits].map((d) => h("td", {}, d)),
              h("td", {}, exact.more ? "goes on" : "ends"),
            ),
            rows,
          ),
        ),
      ),
      windows(x),
    ];
  }

  function windows(x) {
    const W = wide(),
      left = 76,
      H = formats.length * 20 + 46;
    const at = (e) => left + ((Math.max(-160, Math.min(136, e)) + 160) / 296) * (W - left - 8);
    const where = x.n === 0n ? null : Math.max(-160, Math.min(136, log2(x)));
    const bars = formats.map((f, i) => {
      const y = 20 + i * 20,
        top = log2(decode(f, maxCode(f))),
        normal = minExponent(f),
        bottom = f.subnormals ? normal - f.mantissa_bits : normal;
      return [
        s("text", { x: 0, y: y + 10 }, nick(f)),
        s("rect", { class: "lmc-fb-normal", x: at(normal), y, width: Math.max(2, at(top) - at(normal)), height: 12 }),
        top > 200
          ? s(
              "text",
              { x: at(-60), y: y + 10 },
              `from 2${raised(bottom)} to 2${raised(Math.round(top))}: past both ends of this axis`,
            )
          : null,
        bottom < normal
          ? s("rect", {
              class: "lmc-fb-sub",
              x: at(bottom),
              y: y + 3,
              width: Math.max(1, at(normal) - at(bottom)),
              height: 6,
            })
          : null,
      ];
    });
    const ticks = [-149, -126, -64, -24, -14, 0, 16, 64, 128].map((e) =>
      s("text", { x: at(e), y: H - 4, "text-anchor": "middle" }, e === -14 ? "" : `2${raised(e)}`),
    );
    const label = `Ranges on an axis of powers of two. ${where === null ? "Zero lies at no power of two." : `The number lies at 2 to the ${where.toFixed(1)}.`}`;
    return h(
      "div",
      { class: "lmc-scroll", tabindex: 0, role: "group", "aria-label": "ranges of the formats" },
      s(
        "svg",
        { viewBox: `0 0 ${W} ${H}`, width: W, height: H, role: "img", "aria-label": label, class: "lmc-fb-windows" },
        bars,
        ticks,
        where === null
          ? null
          : [
              s("line", { class: "lmc-fb-here", x1: at(where), x2: at(where), y1: 14, y2: H - 18 }),
              s("text", { x: at(where), y: 10, "text-anchor": "middle" }, "here"),
            ],
      ),
    );
  }

  // Picture two: one rounding, step by step
  function theRounding({ f, entered, bits }) {
    if (entered.kind !== "finite")
      return [h("p", {}, "Infinity and NaN are not rounded. Enter a finite number to see it rounded.")];
    const { power: shift, below, rest } = steps(f, entered),
      mode = model.get("rounding");
    const lowCode = codeOf(f, shift, below),
      highCode = codeOf(f, shift, below + 1n);
    const value = (code, count) =>
      code > maxCode(f)
        ? finite(count << BigInt(Math.max(shift, 0)), two(Math.max(-shift, 0)), entered.negative)
        : { ...decode(f, code), negative: entered.negative };
    const low = value(lowCode, below),
      high = value(highCode, below + 1n);
    const beyond = lowCode > maxCode(f) || highCode > maxCode(f);
    if (rest.n === 0n && lowCode <= maxCode(f))
      return [
        h(
          "p",
          {},
          `${short(entered, 12)} is a number of ${nick(f)}: nothing is rounded, in any mode. `,
          "Try 0.1, or 1 + 2**-8 + 2**-40.",
        ),
      ];
    const guard = (2n * rest.n) / rest.d,
      round = ((4n * rest.n) / rest.d) % 2n,
      sticky = (4n * rest.n) % rest.d === 0n ? 0n : 1n;
    const tail = binary({ n: rest.n, d: rest.d }, -1, -18);
    const masked = model.get("predict") && guess === null;
    const keep = h(
      "div",
      { class: "lmc-fb-trace lmc-mono" },
      h(
        "span",
        {},
        h("span", { class: "lmc-fb-kept" }, below.toString(2).replace(/^.+(?=.{26})/, "…")),
        h("small", {}, "kept"),
      ),
      h("span", {}, h("span", { class: "lmc-fb-guard" }, String(guard)), h("small", {}, "guard")),
      h("span", {}, h("span", { class: "lmc-fb-round" }, String(round)), h("small", {}, "round")),
      h(
        "span",
        {},
        h("span", { class: "lmc-fb-tail" }, tail.digits.slice(2) + (tail.more ? "…" : "")),
        h("small", {}, `sticky ${sticky}: ${sticky ? "something is left" : "nothing is left"}`),
      ),
    );
    const t = ratio(rest),
      W = wide(),
      x0 = 70,
      x1 = W - 70,
      at = (u) => x0 + u * (x1 - x0);
    const rightIsHigh = !entered.negative,
      u = rightIsHigh ? t : 1 - t;
    const [leftNumber, rightNumber] = rightIsHigh ? [low, high] : [high, low];
    const result = decode(f, bits);
    const chosenHigh = !masked && result.kind === "finite" && minus(result, high).n === 0n;
    const chosenLow = !masked && result.kind === "finite" && minus(result, low).n === 0n;
    const ring = (where, on) =>
      s("circle", { cx: at(where), cy: 40, r: on ? 8 : 5, class: on ? "lmc-fb-chosen" : "lmc-fb-end" });
    const [leftOn, rightOn] = rightIsHigh ? [chosenLow, chosenHigh] : [chosenHigh, chosenLow];
    const over = (code) => (code > maxCode(f) ? " (too large)" : "");
    const line = s(
      "svg",
      {
        viewBox: `0 0 ${W} 84`,
        width: W,
        height: 84,
        role: "img",
        class: "lmc-fb-line",
        "aria-label": `${short(entered)} lies ${(100 * t).toFixed(1)} percent of the way from ${short(low)} to ${short(high)}`,
      },
      s("line", { x1: x0, x2: x1, y1: 40, y2: 40, class: "lmc-fb-axis" }),
      s("line", { x1: at(0.5), x2: at(0.5), y1: 30, y2: 50, class: "lmc-fb-axis" }),
      s("text", { x: at(0.5), y: 64, "text-anchor": "middle" }, "halfway"),
      ring(0, leftOn),
      ring(1, rightOn),
      s("text", { x: at(0), y: 72, "text-anchor": "middle" }, short(leftNumber, 9)),
      s("text", { x: at(1), y: 72, "text-anchor": "middle" }, short(rightNumber, 9)),
      s("path", { d: `M ${at(u)} 33 l -6 -12 h 12 z`, class: "lmc-fb-x" }),
      s("text", { x: Math.min(Math.max(at(u), 40), W - 40), y: 14, "text-anchor": "middle" }, short(entered, 10)),
    );
    const pieces = [
      h("p", { class: "lmc-muted" }, "In units of the spacing: the kept digits, then what is cut off."),
      keep,
      h("div", { class: "lmc-scroll", tabindex: 0, role: "group", "aria-label": "the two neighbours" }, line),
    ];
    if (masked) {
      pieces.push(
        h("p", {}, `Predict: rounded ${MODES[mode]}, which is stored?`),
        h(
          "p",
          { class: "lmc-fb-steps" },
          [
            [low, lowCode],
            [high, highCode],
          ].map(([number, code], i) =>
            h(
              "button",
              {
                type: "button",
                "data-guess": i,
                onclick: () => {
                  guess = i;
                  const right =
                    code <= maxCode(f)
                      ? minus(result, number).n === 0n && result.kind === "finite"
                      : result.kind !== "finite" || bits !== withSign(f, lowCode, entered.negative);
                  message = {
                    text: `${right ? "Right" : "Not quite"}: ${short(result, 10)} is stored, ${why(rest, below, mode, entered.negative, beyond)}.`,
                    tone: right ? "good" : "bad",
                  };
                  draw();
                  stagePicture.querySelector(".lmc-fb-scrolltable")?.focus({ preventScroll: true });
                },
              },
              short(number, 10) + over(code),
            ),
          ),
        ),
      );
      return pieces;
    }
    if (beyond)
      pieces.push(
        h(
          "p",
          {},
          `The largest number of ${nick(f)} is ${short(decode(f, maxCode(f)), 10)}. What rounds past it is a matter of policy: here ${short(result, 8)}.`,
        ),
      );
    pieces.push(
      h(
        "div",
        { class: "lmc-scroll lmc-fb-scrolltable", tabindex: 0, role: "group", "aria-label": "results of all modes" },
        h(
          "table",
          { class: "lmc-fb-modes" },
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              h("th", { scope: "col" }, "mode"),
              h("th", { scope: "col" }, "stored"),
              h("th", { scope: "col" }, "because"),
            ),
          ),
          h(
            "tbody",
            {},
            ROUNDINGS.slice(0, 5).map((name) =>
              h(
                "tr",
                { "aria-current": name === mode ? "true" : null },
                h("th", { scope: "row" }, (name === mode ? "▸ " : "") + MODES[name]),
                h("td", {}, short(decode(f, encode(f, entered, name, model.get("overflow"))), 10)),
                h("td", {}, why(rest, below, name, entered.negative, beyond)),
              ),
            ),
          ),
        ),
      ),
    );
    pieces.push(dots(f, entered, low, high, t));
    return pieces;
  }

  function why(rest, below, mode, negative, beyond) {
    if (beyond && !towardZero(mode, negative)) return "and past the largest the policy decides";
    const half = againstHalf(rest);
    if (mode === "nearest_even" || mode === "ties_away") {
      if (half < 0) return "guard 0: less than halfway";
      if (half > 0) return "guard 1 and more: past halfway";
      return mode === "ties_away"
        ? "a tie: away from zero"
        : below % 2n === 1n
          ? "a tie: the kept digits end in 1, so up to even"
          : "a tie: the kept digits end in 0, so they stay";
    }
    if (mode === "stochastic") return `a coin that shows “up” ${(100 * ratio(rest)).toFixed(1)} % of the time`;
    return towardZero(mode, negative) ? "what is cut off is dropped" : "something is left, so one step away from zero";
  }

  function dots(f, entered, low, high, t) {
    const draw_ = randomStream(seed),
      ups = [],
      downs = [];
    for (let k = 0; k < 1000; k += 1) (draw_() < t ? ups : downs).push(k);
    const mean = ups.length / 1000,
      W = wide(),
      x0 = 70,
      x1 = W - 70;
    const pile = (count, right) =>
      Array.from(
        { length: count },
        (_, i) => `M${right ? x1 + 44 - (i % 25) * 4 : x0 - 44 + (i % 25) * 4} ${168 - Math.floor(i / 25) * 4}h0`,
      ).join("");
    const [leftCount, rightCount, u, m] = entered.negative
      ? [ups.length, downs.length, 1 - t, 1 - mean]
      : [downs.length, ups.length, t, mean];
    const at = (v) => x0 + v * (x1 - x0);
    const off = Math.abs(mean - t),
      text = `A thousand stochastic roundings: ${ups.length} go away from zero, ${downs.length} toward it; their mean is ${off.toFixed(3)} of a spacing from the number, and chance alone gives about ${Math.sqrt((t * (1 - t)) / 1000).toFixed(3)}.`;
    return h(
      "div",
      {},
      h(
        "p",
        {},
        text,
        " ",
        h(
          "button",
          {
            type: "button",
            onclick: (event) => {
              seed += 1;
              draw();
              stagePicture.querySelector("[data-again]")?.focus({ preventScroll: true });
              event.preventDefault();
            },
            "data-again": true,
          },
          "Toss again",
        ),
      ),
      h(
        "div",
        { class: "lmc-scroll", tabindex: 0, role: "group", "aria-label": "a thousand stochastic roundings" },
        s(
          "svg",
          { viewBox: `0 0 ${W} 196`, width: W, height: 196, role: "img", "aria-label": text, class: "lmc-fb-dots" },
          s("path", { d: pile(leftCount, false), class: "lmc-fb-dot-low" }),
          s("path", { d: pile(rightCount, true), class: "lmc-fb-dot-high" }),
          s("line", { x1: x0, x2: x1, y1: 174, y2: 174, class: "lmc-fb-axis" }),
          s("path", { d: `M ${at(u)} 174 l -6 -12 h 12 z`, class: "lmc-fb-x" }),
          s("text", { x: Math.min(Math.max(at(u), 150), W - 150), y: 156, "text-anchor": "middle" }, "the number"),
          s("circle", { cx: at(m), cy: 174, r: 4, class: "lmc-fb-mean" }),
          s(
            "text",
            { x: Math.min(Math.max(at(m), 150), W - 150), y: 192, "text-anchor": "middle" },
            "mean of the thousand",
          ),
        ),
      ),
    );
  }

  // Picture three: the significand-exponent plane; every code of a small format is a cell of it
  function thePlane({ f, bits, value }) {
    const { negative, exponent, mantissa } = split(f, bits);
    const rows = 2 ** f.exponent_bits,
      columns = 2 ** f.mantissa_bits;
    if (rows * columns <= 128) {
      const base = negative ? signBit(f) : 0n;
      const rowsShown = Array.from({ length: rows }, (_, i) => rows - 1 - i);
      const here = stagePicture.contains(document.activeElement);
      const table = h(
        "table",
        {
          class: "lmc-fb-plane",
          role: "grid",
          "aria-label": `all ${negative ? "negative" : "positive"} codes of ${f.name}`,
        },
        h(
          "thead",
          {},
          h(
            "tr",
            { role: "row" },
            h("th", { scope: "col", role: "columnheader" }, "exponent"),
            Array.from({ length: columns }, (_, m) =>
              h(
                "th",
                { scope: "col", role: "columnheader" },
                f.mantissa_bits ? `.${m.toString(2).padStart(f.mantissa_bits, "0")}` : "1",
              ),
            ),
          ),
        ),
        h(
          "tbody",
          {},
          rowsShown.map((e) =>
            h(
              "tr",
              { role: "row" },
              h("th", { scope: "row", role: "rowheader" }, e.toString(2).padStart(f.exponent_bits, "0")),
              Array.from({ length: columns }, (_, m) => {
                const code = base | (BigInt(e) << BigInt(f.mantissa_bits)) | BigInt(m),
                  x = decode(f, code);
                return h(
                  "td",
                  {
                    role: "gridcell",
                    "aria-selected": String(code === bits),
                    class: `lmc-fb-code lmc-fb-is-${kindOf(f, code)}`,
                    tabindex: -1,
                    "data-code": `0x${code.toString(16)}`,
                  },
                  short(x, 5),
                );
              }),
            ),
          ),
        ),
      );
      queueMicrotask(() => planeRover.refresh(Number(BigInt(rows - 1 - exponent) * BigInt(columns) + mantissa), here));
      return [
        h(
          "p",
          { class: "lmc-muted" },
          `Every ${negative ? "negative" : "positive"} code of ${nick(f)}: a row is a binade, in which the numbers are evenly spaced. Click one.`,
        ),
        h("div", { class: "lmc-scroll" }, table),
      ];
    }
    if (value.kind !== "finite")
      return [h("p", {}, `${short(value)} lies outside the plane, in the row of the reserved exponent ${exponent}.`)];
    const W = wide(),
      H = 236,
      left = 64,
      bottom = 200;
    const top = Number(split(f, maxCode(f)).exponent),
      px = left + (Number((mantissa * two(20)) / two(f.mantissa_bits)) / 2 ** 20) * (W - left - 16),
      py = bottom - (exponent / top) * (bottom - 16);
    const tick = (e, text) => [
      s("line", {
        x1: left - 5,
        x2: W - 16,
        y1: bottom - (e / top) * (bottom - 16),
        y2: bottom - (e / top) * (bottom - 16),
        class: "lmc-fb-binade",
      }),
      s("text", { x: left - 8, y: bottom - (e / top) * (bottom - 16) + 4, "text-anchor": "end" }, text),
    ];
    const label = `${short(value)} lies in the binade of 2${raised(kindOf(f, bits) === "normal" ? exponent - f.bias : minExponent(f))}, ${(100 * ratio({ n: mantissa, d: two(f.mantissa_bits) })).toFixed(2)} percent of the way through it.`;
    return [
      h(
        "p",
        { class: "lmc-muted" },
        "Up: the binade. Right: how far through it. Each binade holds as many numbers as any other.",
      ),
      h(
        "div",
        { class: "lmc-scroll", tabindex: 0, role: "group", "aria-label": "the significand-exponent plane" },
        s(
          "svg",
          {
            viewBox: `0 0 ${W} ${H}`,
            width: W,
            height: H,
            role: "img",
            "aria-label": label,
            class: "lmc-fb-planeplot",
          },
          Array.from({ length: Math.min(top, 31) }, (_, i) => tick(top <= 31 ? i : (i * top) / 31, "")),
          tick(top, `2${raised(top - f.bias)}`),
          f.bias > 0 && f.bias < top ? tick(f.bias, "2⁰ = 1") : null,
          tick(0, "0, sub"),
          s("text", { x: left, y: 220, "text-anchor": "middle" }, "1.0"),
          s("text", { x: (left + W - 16) / 2, y: 220, "text-anchor": "middle" }, "1.5"),
          s("text", { x: W - 16, y: 220, "text-anchor": "middle" }, "2.0"),
          s("text", { x: (left + W) / 2 + 90, y: 234, "text-anchor": "middle" }, "significand"),
          s("line", { x1: px, x2: px, y1: py, y2: bottom, class: "lmc-fb-drop" }),
          s("circle", { cx: px, cy: py, r: 6, class: "lmc-fb-mean" }),
          s("text", { x: Math.min(px + 10, W - 110), y: Math.max(py - 10, 12) }, short(value, 8)),
        ),
      ),
      h("p", {}, label),
    ];
  }
  const planeRover = roving(stagePicture, ".lmc-fb-code", { columns: () => 2 ** format().mantissa_bits });
  const pick = (event) => {
    const cell = event.target.closest?.(".lmc-fb-code");
    if (!cell || (event.type === "keydown" && event.key !== "Enter" && event.key !== " ")) return;
    event.preventDefault();
    message = null;
    setBits(format(), BigInt(cell.dataset.code));
  };
  stagePicture.addEventListener("click", pick);
  stagePicture.addEventListener("keydown", pick);

  // The learner's own encoder
  let yours = null,
    asked = null;
  const question = asker(model, {
    answered: (answer) => {
      yours = answer.text;
      draw();
    },
    failed: (error) => {
      yours = `✗ ${error}`;
      draw();
    },
  });
  function askYours({ f, entered }) {
    if (
      !model.get("has_encode") ||
      !question.hasKernel ||
      entered.kind !== "finite" ||
      model.get("rounding") === "stochastic"
    ) {
      yours = null;
      return;
    }
    const key = `${f.name} ${entered.negative} ${entered.n}/${entered.d} ${model.get("rounding")} ${model.get("overflow")}`;
    if (key === asked) return;
    asked = key;
    yours = "…";
    question.ask({ format: f.name, n: String(signed(entered)), d: String(entered.d), negative: entered.negative });
  }

  // Controls
  const enter = field({
    label: "Number",
    value: model.get("entered"),
    placeholder: "0.1, 1/3, 1 + 2**-8 + 2**-40, max, tiny/2, nan",
    oninput: (text) => {
      message = null;
      guess = null;
      put(model, { entered: text, pattern: "" });
    },
  });
  const pickFormat = choice({
    label: "Format",
    options: formats.map((f) => [f.name, f.name]),
    value: format().name,
    onchange: (name) => {
      const now = read();
      message = null;
      guess = null;
      put(model, model.get("pattern") ? { format: name, entered: asText(now.value), pattern: "" } : { format: name });
    },
  });
  const pickRounding = choice({
    label: "Round",
    options: Object.entries(MODES),
    value: model.get("rounding"),
    onchange: (mode) => {
      message = null;
      guess = null;
      put(model, { rounding: mode });
    },
  });
  const pickOverflow = choice({
    label: "Too large becomes",
    options: Object.entries(POLICIES),
    value: model.get("overflow"),
    onchange: (policy) => {
      message = null;
      guess = null;
      put(model, { overflow: policy });
    },
  });
  const pickPicture = choice({
    label: "Show",
    options: Object.entries(PICTURES),
    value: model.get("picture"),
    onchange: (name) => put(model, { picture: name }),
  });
  const predictBox = check({
    label: "Predict first",
    value: model.get("predict"),
    onchange: (on) => {
      guess = null;
      message = null;
      put(model, on ? { predict: true, picture: "rounding" } : { predict: false });
    },
  });
  view.controls.append(enter.el, pickFormat.el, pickRounding.el, pickOverflow.el, pickPicture.el, predictBox.el);
  enter.input.classList.add("lmc-fb-enter");

  function draw() {
    const now = read(),
      { f } = now;
    enter.set(model.get("pattern") ? asText(now.value) : model.get("entered"));
    for (const [control, name] of [
      [pickFormat, "format"],
      [pickRounding, "rounding"],
      [pickOverflow, "overflow"],
      [pickPicture, "picture"],
      [predictBox, "predict"],
    ])
      control.set(model.get(name));
    problem.hidden = now.error === undefined;
    for (const part of [bitsRow, hint, facts, stagePicture]) part.hidden = now.error !== undefined;
    if (now.error !== undefined) {
      view.title(`Every bit of a number in ${f.name}`);
      problem.textContent = "No bits to show.";
      view.say(`${now.error[0].toUpperCase()}${now.error.slice(1)}.`, "bad");
      return;
    }
    const { bits, value, entered } = now;
    const name = model.get("pattern") ? `0x${bits.toString(16)}` : model.get("entered").trim();
    view.title(`Every bit of ${name.length > 40 ? `${name.slice(0, 40)}…` : name} in ${f.name}`);
    const rounded = entered.kind === "finite" && (steps(f, entered).rest.n !== 0n || value.kind !== "finite");
    const masked = model.get("predict") && guess === null && rounded && model.get("picture") === "rounding";
    askYours(now);
    drawBits(f, bits, masked);
    facts.hidden = masked;
    if (!masked) drawFacts(now);
    const where = stagePicture.contains(document.activeElement) ? document.activeElement : null;
    const again = where?.hasAttribute("data-again"),
      scroller = where?.classList.contains("lmc-scroll")
        ? [...stagePicture.querySelectorAll(".lmc-scroll")].indexOf(where)
        : -1;
    const pictures = {
      formats: () => everyFormat(entered),
      rounding: () => theRounding(now),
      plane: () => thePlane(now),
    };
    stagePicture.replaceChildren(...(pictures[model.get("picture")] ?? pictures.formats)().flat());
    if (again) stagePicture.querySelector("[data-again]")?.focus({ preventScroll: true });
    if (scroller >= 0) [...stagePicture.querySelectorAll(".lmc-scroll")][scroller]?.focus({ preventScroll: true });
    if (message) {
      view.say(message.text ?? message, message.tone ?? "");
      return;
    }
    if (masked) {
      view.say("The bits are hidden until you have said which neighbour is stored.");
      return;
    }
    if (value.kind !== "finite")
      view.say(
        entered.kind === "finite"
          ? `${short(entered)} is too large for ${f.name}, or has no sign there: it becomes ${short(value)}.`
          : `${short(value)} in ${f.name}: ${equation(f, bits)}.`,
      );
    else
      view.say(
        `${short(entered, 10)} is ${rounded ? "stored as" : "exactly"} ${short(value, 10)} in ${f.name}${spacingWords(f, bits)}.`,
      );
  }
  const stop = redraw(model, ["entered", "pattern", "format", "rounding", "overflow", "picture", "predict"], draw);
  let drawnWidth = wide();
  const resized = new ResizeObserver(() => {
    if (wide() !== drawnWidth) {
      drawnWidth = wide();
      draw();
    }
  });
  resized.observe(view.stage);
  return () => {
    stop();
    resized.disconnect();
    question.stop();
  };
}

export default { render };
