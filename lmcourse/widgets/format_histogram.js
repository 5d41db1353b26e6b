// FormatHistogram: a tensor over the numbers that each format has, one row a format, all on one axis of powers of two.
// What rounding does to the numbers is in rules/histogram.js; here it is drawn.
import { frame, put } from "./lib/base.js";
import { check, help, slider } from "./lib/controls.js";
import { h, s } from "./lib/elements.js";
import { asker } from "./lib/kernel.js";
import { MOVE, still } from "./lib/motion.js";
import { grouped, percent, raised, short } from "./lib/numbers.js";
import { roving } from "./lib/roving.js";
import { nick } from "./rules/floats.js";
import {
  BINS,
  FATES,
  axisOf,
  binned,
  fittingScale,
  labelledPowers,
  largestOf,
  marksOf,
  minExponent,
  report,
  two,
} from "./rules/histogram.js";

const FATE_WORDS = { zero: "become 0", subnormal: "subnormal", normal: "normal", large: "too large" };
const HEADINGS = {
  format: "format",
  picture: "the elements, over the format's numbers",
  lost: "become 0",
  large: "too large",
  error: "error",
  noise: "signal to noise",
};
const HELP = {
  error:
    "How far a stored number is from the true one, as a share of it: a mean over what is neither lost nor too large.",
  "signal to noise":
    "The energy of the tensor over the energy of what rounding changed. 10 dB more is a tenth of the noise.",
};
const SAID = ["lost", "large", "error", "noise"];
const FIRST = ["float16", "bfloat16", "float8_e5m2", "float8_e4m3fn"]; // in view at first
const W = 416,
  H = 30;

const errorText = (error) => (error === null ? "–" : `${short(100 * error, 2)} %`);
const noiseText = (decibel) => (decibel === null ? "no noise" : `${decibel.toFixed(1)} dB`);

/** The numbers of the sample, what follows from them, and where a power of two lies in the picture. */
function readSample(model) {
  const bytes = Uint8Array.from(atob(model.get("sample")), (c) => c.charCodeAt(0));
  const values = new Float64Array(bytes.buffer),
    largest = model.get("largest");
  const nonzero = [...values].map(Math.abs).filter((x) => x > 0);
  const axis = axisOf(nonzero, largest);
  const at = (e) => ((Math.max(axis.low, Math.min(axis.high, e)) - axis.low) / (axis.high - axis.low)) * W;
  return { values, largest, nonzero, axis, at, logs: [...values].map((x) => Math.log2(Math.abs(x))) };
}

/** What does not move behind a row: the format's window, and a tick for each number of a small format. */
function ground(f, { at }) {
  if (!f)
    return [s("text", { x: 4, y: H + 12, class: "lmc-fh-quiet" }, "a scale for every block, and no range of its own")];
  const normal = minExponent(f),
    bottom = f.subnormals ? normal - f.mantissa_bits : normal,
    top = Math.log2(largestOf(f));
  const ticks = marksOf(f).map((e) => `M${at(e).toFixed(1)} ${H}v5`);
  return [
    s("rect", { x: at(normal), y: 0, width: Math.max(1, at(top) - at(normal)), height: H, class: "lmc-fh-window" }),
    s("rect", { x: at(bottom), y: 0, width: Math.max(0, at(normal) - at(bottom)), height: H, class: "lmc-fh-sub" }),
    s("path", { d: ticks.join(""), class: "lmc-fh-ticks" }),
  ];
}

/** Let bars be seen to come from where they were; a slider's own small steps need no help. */
function slide(bars, from) {
  if (Math.abs(from) < W / 20 || Math.abs(from) > W || still()) return;
  const start = { transform: `translateX(${from.toFixed(1)}px)` };
  bars.animate([start, { transform: "none" }], { duration: MOVE, easing: "ease-in-out" });
}

/** One row of the table: its button, its picture and its cells by name; `draw` fills them. */
function formatRow(name, f, sample, choose) {
  const bars = FATES.map((fate) => s("path", { class: `lmc-fh-bar lmc-fh-${fate}` }));
  const height = f ? H + 6 : H + 16; // below the bars: ticks, or words
  const size = { viewBox: `0 0 ${W} ${height}`, width: W, height, role: "img" };
  const moved = s("g", {}, bars),
    picture = s("svg", size, ground(f, sample), moved);
  let before = null; // the scale that was drawn last
  const button = h("button", { type: "button", class: "lmc-fh-name", tabindex: -1, onclick: choose }, nick(name));
  const cells = Object.fromEntries(SAID.map((each) => [each, h("td")]));
  const head = h("th", { scope: "row" }, button);
  const row = h("tr", {}, head, h("td", { class: "lmc-fh-plot" }, picture), Object.values(cells));
  return {
    name,
    row,
    draw(result, bins, chosen, scale) {
      drawBars(bars, bins, sample.axis);
      if (before !== null) slide(moved, (before - scale) * (W / (sample.axis.high - sample.axis.low)));
      before = scale;
      const words = saidOf(result);
      for (const each of SAID) cells[each].textContent = words[each];
      cells.lost.dataset.bad = String(result.underflow >= 0.005);
      cells.large.dataset.bad = String(result.overflow > 0);
      button.setAttribute("aria-pressed", String(chosen));
      row.dataset.chosen = String(chosen);
      picture.setAttribute("aria-label", `${name}: ${words.lost} become 0, ${words.large} are too large`);
    },
  };
}

const saidOf = ({ underflow, overflow, error, decibel }) => ({
  lost: percent(underflow),
  large: percent(overflow),
  error: errorText(error),
  noise: noiseText(decibel),
});

/** One path a fate; what shares a bin stands on top of each other. */
function drawBars(bars, bins, { low, high }) {
  const most = Math.max(1, ...bins[0].map((_, bin) => bins.reduce((sum, fate) => sum + fate[bin], 0)));
  const stacked = new Float64Array(bins[0].length),
    wide = W / (high - low) / BINS;
  bins.forEach((counts, fate) => {
    let d = "";
    counts.forEach((count, bin) => {
      if (!count) return;
      const tall = (count / most) * (H - 4),
        step = wide.toFixed(1);
      d += `M${(bin * wide).toFixed(1)} ${(H - stacked[bin]).toFixed(1)}h${step}v${(-tall).toFixed(1)}h-${step}z`;
      stacked[bin] += tall;
    });
    bars[fate].setAttribute("d", d);
  });
}

/** The axis below the rows. */
function drawAxis({ axis, at }) {
  const words = `axis: powers of two from 2${raised(axis.low)} to 2${raised(axis.high)}`;
  const size = { viewBox: `0 0 ${W} 18`, width: W, height: 18, role: "img", "aria-label": words };
  const ticks = labelledPowers(axis).map((e) => [
    s("line", { x1: at(e), x2: at(e), y1: 0, y2: 4, class: "lmc-fh-ticks" }),
    s("text", { x: at(e), y: 16, "text-anchor": "middle" }, `2${raised(e)}`),
  ]);
  return s("svg", size, ticks);
}

function tableOf(rows, sample) {
  const head = Object.values(HEADINGS).map((text) =>
    h("th", { scope: "col" }, HELP[text] ? help(text, HELP[text]) : text),
  );
  const foot = [
    h("td"),
    h("td", { class: "lmc-fh-plot" }, drawAxis(sample)),
    h("td", { colspan: SAID.length, class: "lmc-muted lmc-fh-axis" }, "← magnitude after scaling"),
  ];
  const body = rows.map(({ row }) => row);
  return h(
    "table",
    { class: "lmc-fh-table" },
    h("thead", {}, h("tr", {}, head)),
    h("tbody", {}, body),
    h("tfoot", {}, h("tr", {}, foot)),
  );
}

const key = (name, words) => h("span", {}, h("i", { class: `lmc-fh-key lmc-fh-key-${name}` }), words);
const legendOf = () =>
  h(
    "p",
    { class: "lmc-fh-legend" },
    FATES.map((fate) => key(fate, FATE_WORDS[fate])),
    key("window", "the format's range"),
  );

/** What Python says of the whole tensor, where the picture is drawn from a sample. */
function wholeTensor(model, sampled) {
  const el = h("p", { class: "lmc-fh-whole lmc-muted" });
  const question = asker(model, {
    answered: (a) => {
      const all = a.elements === model.get("count") - model.get("not_finite") ? "All" : "An even choice of",
        said = saidOf({ ...a, error: null });
      el.textContent =
        `${all} ${grouped(a.elements)} finite elements, computed by PyTorch, in ${nick(a.format)} times ` +
        `2${raised(a.scale)}: ${said.lost} become 0, ${said.large} are too large, ${said.noise}.`;
    },
    failed: (error) => {
      el.textContent = error;
    },
  });
  return {
    el,
    stop: question.stop,
    ask(format, scale) {
      if (question.hasKernel && model.get("count") > sampled) question.ask({ format, scale });
    },
  };
}

function controlsOf(model, count) {
  const scale = slider({
    label: "Multiply by",
    min: -40,
    max: 40,
    value: model.get("scale"),
    format: (k) => `2${raised(k)}`,
    oninput: (k) => put(model, { scale: k, fit: false }),
  });
  const fit = check({
    label: "Fit the scale to each format",
    value: model.get("fit"),
    onchange: (on) => put(model, { fit: on }),
  });
  const loss = { type: "button", onclick: () => put(model, { scale: 16, fit: false }) };
  const all = h(
    "button",
    { type: "button", onclick: () => put(model, { more: !model.get("more") }) },
    `All ${count} formats`,
  );
  return {
    els: [scale.el, h("button", loss, "× 65 536 (GradScaler’s first)"), fit.el, all],
    set() {
      scale.set(model.get("scale"));
      fit.set(model.get("fit"));
      all.setAttribute("aria-pressed", String(Boolean(model.get("more"))));
    },
  };
}

function sentence(model, name, k, result) {
  const { lost, large, error } = saidOf(result);
  const times = name.endsWith("fp4") ? "with a scale for every block" : `multiplied by 2${raised(k)}`;
  const out = model.get("not_finite");
  return (
    `In ${name}, ${times}: ${lost} of the nonzero elements become 0, ${large} are too large, and the others err by ` +
    `${error} on average.${out ? ` ${grouped(out)} elements are Inf or NaN and left out.` : ""}`
  );
}

const pythonOf = (model) =>
  `FormatHistogram(tensor, ${JSON.stringify(model.get("format"))}${model.get("fit") ? ", fit=True" : ""}` +
  `${model.get("scale") ? `, scale=${model.get("scale")}` : ""}, name=${JSON.stringify(model.get("name"))})`;

function render({ model, el }) {
  const formats = model.get("formats"),
    names = [...formats.map((f) => f.name), "mxfp4", "nvfp4"],
    named = (name) => formats.find((f) => f.name === name);
  const first = Object.fromEntries(["scale", "fit", "format"].map((n) => [n, model.get(n)]));
  const view = frame({ model, el, reset: () => put(model, first), python: () => pythonOf(model) });
  const sample = readSample(model);
  const rows = names.map((name) => formatRow(name, named(name), sample, () => put(model, { format: name })));
  const table = tableOf(rows, sample),
    legend = legendOf(),
    whole = wholeTensor(model, sample.values.length),
    controls = controlsOf(model, names.length);
  const nothing =
    "Every element is zero, or none is finite: there is nothing to round. Give a tensor with a finite number in it.";
  if (sample.nonzero.length) view.stage.append(legend, h("div", { class: "lmc-scroll lmc-fh-scroll" }, table));
  else view.stage.append(h("p", {}, nothing));
  view.stage.append(whole.el);
  view.controls.append(...controls.els);
  const rover = roving(table, "tr:not([hidden]) .lmc-fh-name", { columns: () => 1 });

  /** The power of two that a row is multiplied by. */
  function scaleOf(name) {
    if (!model.get("fit")) return model.get("scale");
    return named(name) ? fittingScale(named(name), sample.largest) : 0;
  }

  function draw() {
    controls.set();
    view.title(`What each format makes of ${model.get("name")}`);
    if (!sample.nonzero.length) return view.say(`${model.get("name")} has no nonzero finite element.`, "bad");
    for (const row of rows) {
      row.row.hidden = !model.get("more") && !FIRST.includes(row.name) && row.name !== model.get("format");
      if (row.row.hidden) continue;
      const k = scaleOf(row.name),
        factor = two(k),
        chosen = row.name === model.get("format");
      const scaled = sample.values.map((x) => x * factor);
      const result = report(scaled, row.name, formats, sample.largest * factor);
      row.draw(result, binned(result.fates, sample.logs, k, sample.axis), chosen, k);
      if (!chosen) continue;
      view.say(sentence(model, row.name, k, result));
      whole.ask(row.name, k);
    }
    const seen = rows.filter(({ row }) => !row.hidden).map(({ name }) => name);
    rover.refresh(seen.indexOf(model.get("format")));
  }
  const stop = view.redraw(["scale", "fit", "format", "more"], draw);
  return () => {
    stop();
    whole.stop();
  };
}

export default { render };
