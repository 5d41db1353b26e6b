// FormatHistogram: a tensor over the numbers that each format has. First what rounding does to a list of numbers, which
// node tests hold against lmcourse.float_formats; then the drawing: one row a format, all on one axis of powers of two.
import { frame, put, redraw } from "./lib/base.js";
import { check, slider } from "./lib/controls.js";
import { roving } from "./lib/roving.js";
import { h, s } from "./lib/elements.js";
import { asker } from "./lib/kernel.js";
import { grouped, raised } from "./lib/numbers.js";

const BINS = 2; // a binade
const FATES = ["zero", "subnormal", "normal", "large"];
const FATE_WORDS = { zero: "become 0", subnormal: "subnormal", normal: "normal", large: "too large" };

const word = new DataView(new ArrayBuffer(8));
/** 2**k, exactly. */
const two = (k) => {
  if (k < -1022) return 2 ** k;
  word.setUint32(0, (k + 1023) << 20);
  word.setUint32(4, 0);
  return word.getFloat64(0);
};
/** The exponent of the leading bit of a positive finite number (subnormal float64s count as the smallest normal). */
export function exponentOf(x) {
  word.setFloat64(0, x);
  return Math.max(((word.getUint32(0) >>> 20) & 0x7ff) - 1023, -1022);
}

const minExponent = (f) => (f.subnormals ? 1 - f.bias : -f.bias);
const topCode = (f) =>
  2 ** (f.exponent_bits + f.mantissa_bits) -
  (f.specials === "ieee" ? 2 ** f.mantissa_bits : 0) -
  (f.specials === "fn" ? 1 : 0) -
  1;
/** The largest finite number. */
export function largestOf(f) {
  const code = topCode(f),
    exponent = Math.floor(code / 2 ** f.mantissa_bits),
    mantissa = code % 2 ** f.mantissa_bits;
  return (1 + mantissa / 2 ** f.mantissa_bits) * two(exponent - f.bias);
}

/** A magnitude rounded to nearest even in the spacing of a format, as if it had no largest number. */
export function roundMagnitude(f, x) {
  if (x === 0) return 0;
  const spacing = two(Math.max(minExponent(f), exponentOf(x)) - f.mantissa_bits),
    steps = x / spacing;
  let whole = Math.floor(steps);
  const rest = steps - whole;
  if (rest > 0.5 || (rest === 0.5 && whole % 2 === 1)) whole += 1;
  return whole * spacing;
}

/** The largest power of two that keeps `largest` within a format, as its exponent; 0 where the range is float32's. */
export function fittingScale(f, largest) {
  if (largest === 0 || f.exponent_bits >= 8) return 0;
  return Math.max(-400, Math.min(400, exponentOf(largestOf(f) / largest)));
}

function blocksRounded(values, name, formats, largest) {
  const element = formats.find((f) => f.name === "float4_e2m1fn"),
    e4m3 = formats.find((f) => f.name === "float8_e4m3fn"),
    fp32 = formats.find((f) => f.name === "float32");
  const size = name === "mxfp4" ? 32 : 16,
    rounded = new Float64Array(values.length);
  const tensorScale = roundMagnitude(fp32, largest / (6 * 448)) || 1;
  for (let start = 0; start < values.length; start += size) {
    const stop = Math.min(start + size, values.length);
    let top = 0;
    for (let k = start; k < stop; k += 1) top = Math.max(top, Math.abs(values[k]));
    const scale =
      name === "mxfp4"
        ? two(top === 0 ? 0 : Math.max(-127, Math.min(127, exponentOf(top) - 2)))
        : Math.min(roundMagnitude(e4m3, top / 6 / tensorScale), 448) * tensorScale;
    for (let k = start; k < stop; k += 1) {
      const magnitude = scale === 0 ? 0 : Math.min(roundMagnitude(element, Math.abs(values[k]) / scale), 6) * scale;
      rounded[k] = values[k] < 0 ? -magnitude : magnitude;
    }
  }
  return rounded;
}

/**
 * What becomes of numbers in a format: shares of the nonzero ones that become 0 or are too large, the mean relative
 * error of the others, decibels of signal to noise (too large saturates), and the fate of each as an index of FATES.
 * `name` is a format of `formats`, "mxfp4" or "nvfp4"; `largest` is the whole tensor's, already scaled.
 */
export function report(values, name, formats, largest) {
  const f = formats.find((each) => each.name === name);
  const blocks = f ? null : blocksRounded(values, name, formats, largest);
  const most = f ? largestOf(f) : Infinity,
    normal = f ? two(minExponent(f)) : 0;
  let nonzero = 0,
    lost = 0,
    large = 0,
    errors = 0,
    kept = 0,
    signal = 0,
    noise = 0;
  const fates = new Int8Array(values.length).fill(-1);
  for (let k = 0; k < values.length; k += 1) {
    const x = Math.abs(values[k]);
    if (x === 0) continue;
    nonzero += 1;
    const rounded = f ? roundMagnitude(f, x) : Math.abs(blocks[k]);
    const result = Math.min(rounded, most);
    signal += x * x;
    noise += (result - x) ** 2;
    if (rounded === 0) {
      lost += 1;
      fates[k] = 0;
      continue;
    }
    if (rounded > most) {
      large += 1;
      fates[k] = 3;
      continue;
    }
    fates[k] = rounded < normal ? 1 : 2;
    errors += Math.abs(result - x) / x;
    kept += 1;
  }
  const n = Math.max(nonzero, 1);
  return {
    underflow: lost / n,
    overflow: large / n,
    error: kept ? errors / kept : null,
    decibel: noise && signal ? 10 * Math.log10(signal / noise) : null,
    fates,
  };
}

const percent = (share) => (share === 0 ? "0 %" : share < 0.0005 ? "< 0.1 %" : `${(100 * share).toFixed(1)} %`);
const errorText = (error) =>
  error === null
    ? "–"
    : error === 0
      ? "0 %"
      : `${(100 * error).toPrecision(2)} %`.replace(/(\d)e-(\d+)/, (_, d, e) => `${d} × 10${raised(-Number(e))}`);
const noiseText = (decibel) => (decibel === null ? "no noise" : `${decibel.toFixed(1)} dB`);
const nick = (name) => ({ float32: "fp32", float16: "fp16", bfloat16: "bf16" })[name] ?? name.replace(/^float\d_/, "");

function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Float64Array(bytes.buffer);
}

function render({ model, el }) {
  const formats = model.get("formats"),
    rows = [...formats.map((f) => f.name), "mxfp4", "nvfp4"];
  const first = Object.fromEntries(["scale", "fit", "format"].map((n) => [n, model.get(n)]));
  const values = unpack(model.get("sample")),
    largest = model.get("largest");
  const view = frame({
    model,
    el,
    reset: () => put(model, first),
    python: () =>
      `FormatHistogram(tensor, ${JSON.stringify(model.get("format"))}${model.get("fit") ? ", fit=True" : ""}${model.get("scale") ? `, scale=${model.get("scale")}` : ""}, name=${JSON.stringify(model.get("name"))})`,
  });

  // One axis for all rows: wide enough for the tensor and for the 16-bit formats, and still while a slider moves
  const W = 416,
    H = 30;
  const nonzero = [...values].map(Math.abs).filter((x) => x > 0);
  const least = nonzero.length ? exponentOf(nonzero.reduce((a, b) => Math.min(a, b))) : 0;
  const low = Math.max(-150, Math.min(-30, least - 3)),
    high = Math.min(130, Math.max(20, nonzero.length ? exponentOf(largest) + 4 : 0));
  const at = (e) => ((Math.max(low, Math.min(high, e)) - low) / (high - low)) * W;
  const logs = [...values].map((x) => Math.log2(Math.abs(x)));

  const scaleOf = (name) => {
    if (!model.get("fit")) return model.get("scale");
    const f = formats.find((each) => each.name === name);
    return f ? fittingScale(f, largest) : 0;
  };

  // What does not move is drawn once: the windows, and a tick for each number of a small format
  function ground(f) {
    if (!f) {
      const roomRight = nonzero.length && W - at(exponentOf(largest)) > at(least);
      return [
        s(
          "text",
          { x: roomRight ? W - 4 : 4, y: 16, "text-anchor": roomRight ? "end" : "start", class: "lmc-fh-quiet" },
          "a scale for every block",
        ),
      ];
    }
    const normal = minExponent(f),
      bottom = f.subnormals ? normal - f.mantissa_bits : normal,
      top = Math.log2(largestOf(f));
    let ticks = "";
    if (f.exponent_bits + f.mantissa_bits <= 7) {
      for (let code = 1; code <= topCode(f); code += 1) {
        const e = Math.floor(code / 2 ** f.mantissa_bits),
          m = code % 2 ** f.mantissa_bits;
        const x = e === 0 ? (m / 2 ** f.mantissa_bits) * two(normal) : (1 + m / 2 ** f.mantissa_bits) * two(e - f.bias);
        ticks += `M${at(Math.log2(x)).toFixed(1)} ${H}v5`;
      }
    }
    return [
      s("rect", { x: at(normal), y: 0, width: Math.max(1, at(top) - at(normal)), height: H, class: "lmc-fh-window" }),
      s("rect", { x: at(bottom), y: 0, width: Math.max(0, at(normal) - at(bottom)), height: H, class: "lmc-fh-sub" }),
      s("path", { d: ticks, class: "lmc-fh-ticks" }),
    ];
  }
  const parts = rows.map((name) => {
    const f = formats.find((each) => each.name === name);
    const bars = FATES.map((fate) => s("path", { class: `lmc-fh-bar lmc-fh-${fate}` }));
    const picture = s("svg", { viewBox: `0 0 ${W} ${H + 6}`, width: W, height: H + 6, role: "img" }, ground(f), bars);
    const button = h(
      "button",
      { type: "button", class: "lmc-fh-name", tabindex: -1, onclick: () => put(model, { format: name }) },
      nick(name),
    );
    const cells = [0, 1, 2, 3].map(() => h("td"));
    return {
      name,
      f,
      bars,
      picture,
      button,
      cells,
      row: h("tr", {}, h("th", { scope: "row" }, button), h("td", { class: "lmc-fh-plot" }, picture), cells),
    };
  });
  const step = high - low < 72 ? 8 : high - low < 144 ? 16 : 32;
  const ticks = Array.from({ length: 40 }, (_, i) => (i - 20) * step).filter((e) => e > low + 2 && e < high - 1);
  const table = h(
    "table",
    { class: "lmc-fh-table" },
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        ["format", "the elements, over the format's numbers", "become 0", "too large", "error", "signal to noise"].map(
          (text) => h("th", { scope: "col" }, text),
        ),
      ),
    ),
    h(
      "tbody",
      {},
      parts.map((part) => part.row),
    ),
    h(
      "tfoot",
      {},
      h(
        "tr",
        {},
        h("td"),
        h(
          "td",
          { class: "lmc-fh-plot" },
          s(
            "svg",
            {
              viewBox: `0 0 ${W} 18`,
              width: W,
              height: 18,
              role: "img",
              "aria-label": `axis: powers of two from 2${raised(low)} to 2${raised(high)}`,
            },
            ticks.map((e) => [
              s("line", { x1: at(e), x2: at(e), y1: 0, y2: 4, class: "lmc-fh-ticks" }),
              s("text", { x: at(e), y: 16, "text-anchor": "middle" }, `2${raised(e)}`),
            ]),
          ),
        ),
        h("td", { colspan: 4, class: "lmc-muted" }, "magnitude after scaling"),
      ),
    ),
  );
  const legend = h(
    "p",
    { class: "lmc-fh-legend" },
    FATES.map((fate) => h("span", {}, h("i", { class: `lmc-fh-key lmc-fh-key-${fate}` }), FATE_WORDS[fate])),
    h("span", {}, h("i", { class: "lmc-fh-key lmc-fh-key-window" }), "the format's range"),
  );
  const empty = h(
    "p",
    {},
    "Every element is zero, or none is finite: there is nothing to round. Give a tensor with a finite number in it.",
  );
  view.stage.append(legend, h("div", { class: "lmc-scroll lmc-fh-scroll" }, table), empty);
  const rover = roving(table, ".lmc-fh-name", { columns: () => 1 });

  const whole = h("p", { class: "lmc-fh-whole lmc-muted" });
  view.stage.append(whole);
  const question = asker(model, {
    answered: (a) => {
      const all = a.elements === model.get("count") - model.get("not_finite") ? "All" : "An even choice of";
      whole.textContent = `${all} ${grouped(a.elements)} finite elements, computed by PyTorch, in ${nick(a.format)} times 2${raised(a.scale)}: ${percent(a.underflow)} become 0, ${percent(a.overflow)} are too large, ${noiseText(a.decibel)}.`;
    },
    failed: (error) => {
      whole.textContent = error;
    },
  });

  const scaler = slider({
    label: "Multiply by",
    min: -40,
    max: 40,
    value: model.get("scale"),
    format: (k) => `2${raised(k)}`,
    oninput: (k) => put(model, { scale: k, fit: false }),
  });
  const fitter = check({
    label: "Fit the scale to each format",
    value: model.get("fit"),
    onchange: (on) => put(model, { fit: on }),
  });
  const lossScale = h(
    "button",
    { type: "button", onclick: () => put(model, { scale: 16, fit: false }) },
    "× 65 536 (GradScaler’s first)",
  );
  view.controls.append(scaler.el, lossScale, fitter.el);

  function draw() {
    scaler.set(model.get("scale"));
    fitter.set(model.get("fit"));
    const nothing = nonzero.length === 0;
    empty.hidden = !nothing;
    table.hidden = legend.hidden = nothing;
    if (nothing) {
      view.say(`${model.get("name")} has no nonzero finite element.`, "bad");
      return;
    }
    let said = null;
    for (const part of parts) {
      const k = scaleOf(part.name),
        factor = two(k),
        scaled = values.map((x) => x * factor);
      const result = report(scaled, part.name, formats, largest * factor);
      const bins = FATES.map(() => new Float64Array(Math.ceil((high - low) * BINS) + 1));
      let most = 1;
      for (let i = 0; i < values.length; i += 1) {
        if (result.fates[i] < 0) continue;
        const bin = Math.max(0, Math.min(bins[0].length - 1, Math.floor((logs[i] + k - low) * BINS)));
        bins[result.fates[i]][bin] += 1;
        most = Math.max(most, bins[0][bin] + bins[1][bin] + bins[2][bin] + bins[3][bin]);
      }
      const stacked = new Float64Array(bins[0].length),
        wide = W / (high - low) / BINS;
      FATES.forEach((fate, index) => {
        let d = "";
        bins[index].forEach((count, bin) => {
          if (!count) return;
          const tall = (count / most) * (H - 4);
          d += `M${(bin * wide).toFixed(1)} ${(H - stacked[bin]).toFixed(1)}h${wide.toFixed(1)}v${(-tall).toFixed(1)}h${(-wide).toFixed(1)}z`;
          stacked[bin] += tall;
        });
        part.bars[index].setAttribute("d", d);
      });
      [percent(result.underflow), percent(result.overflow), errorText(result.error), noiseText(result.decibel)].forEach(
        (text, i) => {
          part.cells[i].textContent = text;
        },
      );
      part.cells[0].dataset.bad = String(result.underflow >= 0.005);
      part.cells[1].dataset.bad = String(result.overflow > 0);
      const chosen = part.name === model.get("format");
      part.button.setAttribute("aria-pressed", String(chosen));
      part.row.dataset.chosen = String(chosen);
      part.picture.setAttribute(
        "aria-label",
        `${part.name}: ${percent(result.underflow)} become 0, ${percent(result.overflow)} are too large`,
      );
      if (chosen) said = { ...result, k, name: part.name };
    }
    rover.refresh(rows.indexOf(model.get("format")));
    view.title(`What each format makes of ${model.get("name")}`);
    if (!said) return;
    const times = said.name.endsWith("fp4") ? "with a scale for every block" : `multiplied by 2${raised(said.k)}`;
    const lost = model.get("not_finite")
      ? ` ${grouped(model.get("not_finite"))} elements are Inf or NaN and left out.`
      : "";
    view.say(
      `In ${said.name}, ${times}: ${percent(said.underflow)} of the nonzero elements become 0, ${percent(said.overflow)} are too large, and the others err by ${errorText(said.error)} on average.${lost}`,
    );
    if (question.hasKernel && model.get("count") > values.length) question.ask({ format: said.name, scale: said.k });
  }
  const stop = redraw(model, ["scale", "fit", "format"], draw);
  return () => {
    stop();
    question.stop();
  };
}

export default { render };
