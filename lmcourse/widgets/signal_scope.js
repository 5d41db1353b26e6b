import { bounded, frame, put, redraw } from "./lib/base.js";
import { check, choice, field, slider } from "./lib/controls.js";
import { h, s } from "./lib/elements.js";
import { asker } from "./lib/kernel.js";
import { raised } from "./lib/numbers.js";
import { movedTo } from "./lib/share.js";

// --- pure: the formulas of lmcourse.initialization, equal to it on tests/golden/signal_scope.json ---

/** The error function to about 1e-15: a series near zero, a continued fraction beyond. */
export function erf(x) {
  const a = Math.abs(x);
  if (a < 2.5) {
    let term = a,
      sum = a;
    for (let k = 1; k < 80 && Math.abs(term) > 1e-17; k += 1) {
      term *= (-a * a) / k;
      sum += term / (2 * k + 1);
    }
    return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let k = 60; k > 0; k -= 1) fraction = k / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + fraction));
}

const density = (z) => Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
const cdf = (z) => (1 + erf(z / Math.SQRT2)) / 2;

/** The std of a standard normal cut at ±bound. */
export const truncatedStd = (bound) => Math.sqrt(1 - (2 * bound * density(bound)) / erf(bound / Math.SQRT2));

const ACTIVATIONS = {
  linear: [(z) => z, () => 1],
  relu: [(z) => Math.max(z, 0), (z) => (z > 0 ? 1 : 0)],
  tanh: [Math.tanh, (z) => 1 - Math.tanh(z) ** 2],
  gelu: [(z) => z * cdf(z), (z) => cdf(z) + z * density(z)],
};

/** The average of f(√q z)² over a standard normal z, as a sum over a grid. */
function average(f, root, points = 800) {
  let sum = 0,
    weight = 0;
  for (let k = 0; k < points; k += 1) {
    // midpoints: none at 0, where ReLU has its kink
    const z = -8 + (16 * (k + 0.5)) / points,
      w = density(z);
    sum += w * f(root * z) ** 2;
    weight += w;
  }
  return sum / weight;
}

/** Mean field: the std entering each activation and the std of the gradient there, for weights of std gain/√fan_in. */
export function expectedStds(depth, gain, activation) {
  const [f, slope] = ACTIVATIONS[activation];
  const forward = [],
    slopes = [];
  let variance = gain * gain;
  for (let k = 0; k < depth; k += 1) {
    const root = Math.sqrt(variance);
    forward.push(root);
    slopes.push(average(slope, root));
    variance = gain * gain * average(f, root);
  }
  const backward = [slopes[depth - 1]];
  for (let k = depth - 2; k >= 0; k -= 1) backward.unshift(backward[0] * gain * gain * slopes[k]);
  return { forward, backward: backward.map(Math.sqrt) };
}

/** gain of a square layer: the scheme's std times √width. */
export const schemeGain = (scheme) =>
  ({ lecun: 1, xavier: 1, kaiming: Math.SQRT2, torch_default: 1 / Math.sqrt(3) })[scheme];

/** What happens with depth, in a word and a factor a layer. */
export function verdict(row) {
  const first = row[0],
    last = row[row.length - 1];
  if (last === null || last === undefined || !(first > 0)) return { word: "not finite", factor: NaN };
  if (last === 0) return { word: "dies", factor: 0 };
  const factor = (last / first) ** (1 / Math.max(1, row.length - 1));
  const word = last / first < 0.05 ? "dies" : last / first > 20 ? "explodes" : "lives";
  return { word, factor };
}

/** log10 of a std to a place from −1 (small) over 0 (std 1) to 1 (large), saturating at ±4 decades. */
export const place = (std) => Math.max(-1, Math.min(1, Math.log10(Math.max(std, 1e-30)) / 4));

// --- drawing ---

const VIEWS = [
  ["map", "Depth × width"],
  ["magnitudes", "Magnitudes"],
  ["truncation", "Truncation"],
  ["stream", "Residual stream"],
  ["loss", "First loss"],
  ["mine", "Your module"],
];
const SCHEMES = [
  ["kaiming", "Kaiming √(2/fan_in)"],
  ["lecun", "LeCun √(1/fan_in)"],
  ["xavier", "Xavier √(2/(in+out))"],
  ["torch_default", "nn.Linear √(1/3 fan_in)"],
];

// blue (small) – white (std 1) – orange (large), the same in both themes: the number is in the reading line
function tone(std) {
  if (std === null) return null;
  const p = place(std),
    mix = (a, b) => Math.round(a + (b - a) * Math.abs(p));
  const [r, g, b] = p < 0 ? [0, 92, 160] : [180, 84, 0];
  return `rgb(${mix(250, r)},${mix(250, g)},${mix(250, b)})`;
}

const short = (v) =>
  v === null || v === undefined
    ? "not finite"
    : v === 0
      ? "0"
      : Math.abs(v) >= 0.01 && Math.abs(v) < 1000
        ? String(Number(v.toPrecision(3)))
        : v.toExponential(1);
const percent = (share) => `${Number((100 * share).toPrecision(2))} %`;

function render({ model, el }) {
  const get = (name) => model.get(name);
  bounded(model, { depth: [2, 64], vocab_size: [1, 2 ** 50], layer: [0, 63] });
  const first = Object.fromEntries(
    ["scheme", "activation", "gain", "depth", "residual", "view", "layer", "number_format", "measured"].map((n) => [
      n,
      get(n),
    ]),
  );
  const local = { bound: 3, d: 16384, absolute: true, logits: 0.02 };
  const view = frame({
    model,
    el,
    python: () =>
      `SignalScope(${get("mine").length ? "model, x, " : ""}scheme="${get("scheme")}", activation="${get("activation")}", gain=${get("gain")}, depth=${get("depth")}, residual=${get("residual") ? "True" : "False"}, vocab_size=${get("vocab_size")}, view="${get("view")}")` +
      movedTo(model, { layer: 0, number_format: "float16" }),
    reset: () => put(model, first),
  });
  view.root.classList.add("lmc-signal");
  // drawn at the size it is shown at, so that 12 px stay 12 px on a phone
  const width = () => Math.max(280, picture.clientWidth || 640);
  const settings = () => ({
    scheme: get("scheme"),
    activation: get("activation"),
    gain: get("gain"),
    depth: get("depth"),
    residual: get("residual"),
  });
  const fresh = () =>
    JSON.stringify(settings()) ===
    JSON.stringify(Object.fromEntries(Object.keys(settings()).map((k) => [k, get("measured").settings[k]])));
  let trouble = "";
  const kernel = asker(model, {
    answered: (a) => {
      trouble = "";
      put(model, a);
    },
    failed: (words) => {
      trouble = words;
      draw();
    },
  });
  const change = (changes) => {
    put(model, changes);
    if (get("layer") >= get("depth")) put(model, { layer: get("depth") - 1 });
    if (!fresh()) kernel.ask(settings());
  };

  const tabs = h(
    "div",
    { class: "sig-tabs", role: "group", "aria-label": "what to look at" },
    VIEWS.map(([key, text]) =>
      h("button", { type: "button", "data-view": key, onclick: () => put(model, { view: key }) }, text),
    ),
  );
  const picture = h("div", { class: "sig-grid" });
  view.stage.append(tabs, picture);

  const c = {
    scheme: choice({ label: "Scheme", options: SCHEMES, value: get("scheme"), onchange: (v) => change({ scheme: v }) }),
    activation: choice({
      label: "Activation",
      options: Object.keys(ACTIVATIONS),
      value: get("activation"),
      onchange: (v) => change({ activation: v }),
    }),
    // the slider is the gain's logarithm: ×0.5 and ×2 are equally far from the middle
    gain: slider({
      label: "Gain",
      min: -1,
      max: 1,
      step: 0.01,
      value: Math.log2(get("gain")),
      format: (v) => `× ${(2 ** v).toFixed(2)}`,
      oninput: (v) => change({ gain: Number((2 ** v).toFixed(3)) }),
    }),
    depth: slider({
      label: "Depth",
      min: 2,
      max: 64,
      value: get("depth"),
      format: (v) => `${v} layers`,
      oninput: (v) => change({ depth: v }),
    }),
    residual: check({
      label: "residual stream, pre-norm",
      value: get("residual"),
      onchange: (v) => change({ residual: v }),
    }),
    layer: slider({
      label: "Look at layer",
      min: 1,
      max: get("depth"),
      value: get("layer") + 1,
      oninput: (v) => put(model, { layer: v - 1 }),
    }),
    format: choice({
      label: "Format",
      options: Object.keys(get("formats")),
      value: get("number_format"),
      onchange: (v) => put(model, { number_format: v }),
    }),
    bound: slider({
      label: "Bound",
      min: 0.5,
      max: 6,
      step: 0.1,
      value: local.bound,
      format: (v) => `± ${v.toFixed(1)}`,
      oninput: (v) => {
        local.bound = v;
        draw();
      },
    }),
    d: slider({
      label: "fan_in",
      min: 4,
      max: 14,
      value: 14,
      format: (v) => String(2 ** v),
      oninput: (v) => {
        local.d = 2 ** v;
        draw();
      },
    }),
    absolute: check({
      label: "bound is absolute (torch), not in σ",
      value: true,
      onchange: (v) => {
        local.absolute = v;
        draw();
      },
    }),
    logits: slider({
      label: "std of the first logits",
      min: 0,
      max: 8,
      step: 0.02,
      value: local.logits,
      format: (v) => v.toFixed(2),
      oninput: (v) => {
        local.logits = v;
        draw();
      },
    }),
    vocab: field({
      label: "Vocabulary",
      value: String(get("vocab_size")),
      oninput: (t) => {
        const v = Number(t);
        local.badVocab = !(Number.isInteger(v) && v >= 1 && v <= 1e9);
        if (!local.badVocab) put(model, { vocab_size: v });
        draw();
      },
    }),
    again: h(
      "button",
      {
        type: "button",
        onclick: () =>
          kernel.hasKernel
            ? kernel.ask({ again: true })
            : view.say("Measuring your module again needs the kernel: run the cell in a notebook."),
      },
      "Measure again",
    ),
  };
  const CONTROLS = {
    map: [c.scheme.el, c.activation.el, c.gain.el, c.depth.el, c.residual.el, c.layer.el],
    magnitudes: [c.scheme.el, c.activation.el, c.gain.el, c.depth.el, c.residual.el, c.layer.el, c.format.el],
    truncation: [c.absolute.el, c.bound.el, c.d.el],
    stream: [c.depth.el],
    loss: [c.vocab.el, c.logits.el],
    mine: [c.again],
  };

  function theory() {
    return expectedStds(get("depth"), get("gain") * schemeGain(get("scheme")), get("activation"));
  }

  function drawMap() {
    const m = get("measured"),
      depth = get("depth"),
      isFresh = fresh(),
      expected = get("residual") ? null : theory();
    const wide = width(),
      left = 72,
      cell = (wide - left) / depth,
      tall = 20;
    const strip = (title, rows, labels, stale) => {
      const svg = s("svg", { viewBox: `0 0 ${wide} ${rows.length * tall + 18}`, role: "img", "aria-label": title });
      rows.forEach((row, r) => {
        svg.append(s("text", { x: left - 6, y: r * tall + 14, "text-anchor": "end" }, labels[r]));
        for (let k = 0; k < depth; k += 1) {
          const std = row[k] === undefined ? null : row[k];
          svg.append(
            s("rect", {
              x: left + k * cell,
              y: r * tall,
              width: Math.max(1, cell - 0.5),
              height: tall - 1,
              fill: tone(std) ?? "none",
              class: `${std === null ? "sig-none" : ""} ${stale && r < rows.length - 1 ? "sig-stale" : ""}`,
              onpointermove: () => {
                if (get("layer") !== k) put(model, { layer: k });
              },
            }),
          );
        }
      });
      // black and white, so that it shows on any cell in either theme
      const here = {
        x: left + get("layer") * cell,
        y: 0,
        width: Math.max(2, cell),
        height: rows.length * tall,
        fill: "none",
      };
      svg.append(
        s("rect", { ...here, stroke: "#000", "stroke-width": 4 }),
        s("rect", { ...here, stroke: "#fff", "stroke-width": 1.5 }),
      );
      for (const k of [0, Math.floor(depth / 2), depth - 1])
        svg.append(
          s(
            "text",
            {
              x: left + (k + 0.5) * cell,
              y: rows.length * tall + 13,
              "text-anchor": k === depth - 1 ? "end" : "middle",
            },
            k === 0 ? "1" : k === depth - 1 ? `layer ${depth}` : String(k + 1),
          ),
        );
      return [h("p", { class: "sig-caption" }, title), svg];
    };
    const names = m.widths.map((w) => `width ${w}`);
    const withTheory = (rows, row) => (row ? [...rows, row] : rows);
    picture.replaceChildren(
      ...strip(
        get("residual") ? "Forward: std of the stream after each layer" : "Forward: std entering each activation",
        withTheory(m.forward, expected?.forward),
        [...names, "theory"],
        !isFresh,
      ).flat(),
      ...strip(
        "Backward: std of the gradient there",
        withTheory(m.backward, expected?.backward),
        [...names, "theory"],
        !isFresh,
      ).flat(),
      h(
        "div",
        { class: "sig-legend" },
        h("span", {}, "std 10⁻⁴ or less"),
        h(
          "span",
          { class: "sig-ramp" },
          [-4, -3, -2, -1, 0, 1, 2, 3, 4].map((d) => h("span", { style: `background:${tone(10 ** d)}` })),
        ),
        h("span", {}, "10⁴ or more; white is 1"),
        isFresh
          ? null
          : h(
              "span",
              {},
              kernel.hasKernel
                ? "pale rows: being measured"
                : "pale rows belong to the stored settings; measuring anew needs the kernel, theory is live",
            ),
      ),
    );
    const row = isFresh ? m.forward[m.widths.length - 1] : (expected?.forward ?? m.forward[m.widths.length - 1]);
    const v = verdict(row),
      k = get("layer");
    const at = `layer ${k + 1}: std ${short(row[k])}${expected && isFresh ? ` (theory ${short(expected.forward[k])})` : ""}, gradient ${short((isFresh ? m.backward[m.widths.length - 1] : (expected?.backward ?? []))[k])}`;
    view.say(
      `The signal ${v.word === "not finite" ? "is not finite any more" : v.word}${Number.isFinite(v.factor) ? `, × ${short(v.factor)} a layer` : ""}; ${at}.`,
      v.word === "lives" ? "good" : "bad",
    );
  }

  function drawMagnitudes() {
    const m = get("measured"),
      depth = m.histogram.length,
      name = get("number_format"),
      fmt = get("formats")[name];
    const low = -40,
      bins = m.histogram[0].length,
      wide = width(),
      left = 72,
      tall = Math.max(4, Math.min(12, 260 / depth)),
      cell = (wide - left) / bins;
    const at = (log2) => left + (log2 - low) * cell,
      k = Math.min(get("layer"), depth - 1);
    const svg = s("svg", {
      viewBox: `0 0 ${wide} ${depth * tall + 34}`,
      role: "img",
      "aria-label": "How large the values are, layer by layer, over what the format can hold",
    });
    m.histogram.forEach((row, r) => {
      const total = Math.max(
        1,
        row.reduce((a, b) => a + b, 0),
      );
      row.forEach((n, b) => {
        if (n)
          svg.append(
            s("rect", {
              x: left + b * cell,
              y: r * tall,
              width: cell,
              height: tall - 0.5,
              fill: "var(--lmc-a)",
              "fill-opacity": Math.min(1, 0.12 + (4 * n) / total),
            }),
          );
      });
    });
    const tiny = Math.log2(fmt.tiny),
      top = Math.min(bins + low, Math.log2(fmt.max)),
      bottom = depth * tall;
    const lowest = Math.max(low, tiny - 1);
    svg.append(
      s("rect", {
        class: "sig-fill-b",
        "fill-opacity": 0.35,
        x: left,
        y: 0,
        width: Math.max(0, at(lowest) - left),
        height: bottom,
      }),
    );
    svg.append(
      s("rect", {
        class: "sig-fill-b",
        "fill-opacity": 0.35,
        x: at(top),
        y: 0,
        width: Math.max(0, wide - at(top)),
        height: bottom,
      }),
    );
    svg.append(s("rect", { class: "sig-here", x: left, y: k * tall, width: wide - left, height: tall }));
    for (const e of wide < 500 ? [-40, -20, 0, 20] : [-40, -30, -20, -10, 0, 10, 20])
      svg.append(s("text", { x: at(e), y: bottom + 14, "text-anchor": "middle" }, `2${raised(e)}`));
    svg.append(
      s("text", { x: left - 6, y: 12, "text-anchor": "end" }, "layer 1"),
      s("text", { x: left - 6, y: bottom, "text-anchor": "end" }, `layer ${depth}`),
      s("text", { x: wide, y: bottom + 30, "text-anchor": "end" }, "size of the value"),
    );
    const [under, over] = m.lost[name][k],
      [gu, go] = m.grad_lost[name][k];
    const all = m.lost[name],
      worst = all.map(([u, o]) => u + o),
      w = worst.indexOf(Math.max(...worst));
    picture.replaceChildren(
      h(
        "p",
        { class: "sig-caption" },
        `Width ${m.widths[m.widths.length - 1]}: where the values lie, against what ${name} can hold`,
      ),
      svg,
      h("p", { class: "lmc-muted" }, `Orange grounds: on the left ${name} gives 0, on the right it overflows.`),
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("th", { style: "text-align:left" }, `layer ${k + 1}`),
            h("th", {}, "becomes 0"),
            h("th", {}, "overflows"),
          ),
        ),
        h(
          "tbody",
          {},
          h(
            "tr",
            {},
            h("th", { style: "text-align:left" }, "activations"),
            h("td", {}, percent(under)),
            h("td", {}, percent(over)),
          ),
          h(
            "tr",
            {},
            h("th", { style: "text-align:left" }, "gradients"),
            h("td", {}, percent(gu)),
            h("td", {}, percent(go)),
          ),
        ),
      ),
    );
    picture.classList.toggle("sig-stale", !fresh());
    view.say(
      worst[w] === 0
        ? `${name} holds every activation of this network.`
        : `${name} loses most in layer ${w + 1}: ${percent(all[w][0])} become 0, ${percent(all[w][1])} overflow.`,
      worst[w] === 0 ? "good" : "bad",
    );
  }

  function drawTruncation() {
    const sigma = 1 / Math.sqrt(local.d),
      inSigma = local.absolute ? local.bound / sigma : local.bound;
    const wide = width(),
      tall = 180,
      x = (z) => wide / 2 + z * (wide / 13),
      y = (v) => tall - 24 - v * 330;
    const curve = (from, to) => {
      let d = "";
      for (let z = from; z <= to + 1e-9; z += 0.05)
        d += `${d ? "L" : "M"}${x(z).toFixed(1)} ${y(density(z)).toFixed(1)}`;
      return d;
    };
    const cut = Math.min(6, inSigma);
    const svg = s(
      "svg",
      { viewBox: `0 0 ${wide} ${tall}`, role: "img", "aria-label": "The normal density and where it is cut" },
      s("path", { class: "sig-fill-a", d: `${curve(-cut, cut)} L${x(cut)} ${y(0)} L${x(-cut)} ${y(0)} Z` }),
      s("path", { class: "sig-a", d: curve(-6, 6) }),
      s("path", { class: "sig-axis", d: `M0 ${y(0)} H${wide}` }),
    );
    for (const side of [-1, 1])
      if (inSigma <= 6) svg.append(s("path", { class: "sig-b", d: `M${x(side * inSigma)} 10 V${y(0)}` }));
    for (let z = -6; z <= 6; z += 2)
      svg.append(s("text", { x: x(z), y: tall - 6, "text-anchor": "middle" }, z === 0 ? "0" : `${z}σ`));
    const kept = erf(inSigma / Math.SQRT2),
      std = inSigma > 30 ? 1 : truncatedStd(inSigma);
    picture.replaceChildren(
      h(
        "p",
        { class: "sig-caption" },
        `Weights of std σ = 1/√${local.d} = ${short(sigma)}, cut at ± ${local.bound.toFixed(1)}${local.absolute ? "" : "σ"}`,
      ),
      svg,
    );
    view.say(
      local.absolute
        ? `An absolute bound of ${local.bound.toFixed(1)} is ${short(inSigma)}σ here: ${1 - kept < 1e-12 ? "nothing is cut" : `${percent(1 - kept)} is cut`}; the std stays ${std.toFixed(4)}σ.`
        : `A bound of ${local.bound.toFixed(1)}σ cuts ${percent(1 - kept)} and leaves a std of ${std.toFixed(4)}σ, whatever the width.`,
      local.absolute && inSigma > 6 ? "bad" : "good",
    );
  }

  function drawStream() {
    const layers = get("depth"),
      branches = 2 * layers,
      wide = width(),
      tall = 220,
      left = 40,
      top = Math.sqrt(1 + branches);
    const x = (k) => left + (k / branches) * (wide - left - 90),
      y = (v) => tall - 24 - (v / top) * (tall - 44);
    const line = (f) =>
      Array.from({ length: branches + 1 }, (_, k) => `${k ? "L" : "M"}${x(k).toFixed(1)} ${y(f(k)).toFixed(1)}`).join(
        "",
      );
    const plain = (k) => Math.sqrt(1 + k),
      scaled = (k) => Math.sqrt(1 + k / branches);
    picture.replaceChildren(
      h(
        "p",
        { class: "sig-caption" },
        "Std of the residual stream after each branch, where a branch adds a variance of 1, or of 1/(2L)",
      ),
      s(
        "svg",
        { viewBox: `0 0 ${wide} ${tall}`, role: "img", "aria-label": "Residual stream with and without scaling" },
        s("path", { class: "sig-axis", d: `M${left} 8 V${y(0)} H${wide - 90}` }),
        s("path", { class: "sig-b", d: line(plain) }),
        s("path", { class: "sig-a", d: line(scaled) }),
        s("text", { x: x(branches) + 6, y: y(top) + 4 }, `plain ${short(top)}`),
        s("text", { x: x(branches) + 6, y: y(Math.SQRT2) + 4 }, `1/√(2L) ${short(Math.SQRT2)}`),
        s("text", { x: left - 6, y: y(1) + 4, "text-anchor": "end" }, "1"),
        s("text", { x: x(branches), y: tall - 6, "text-anchor": "end" }, `${branches} branches of ${layers} layers`),
      ),
    );
    view.say(
      `After ${layers} layers the plain stream has std √(1 + 2·${layers}) = ${short(top)}; with output matrices scaled by 1/√(2L) it has √2, at every depth.`,
    );
  }

  function drawLoss() {
    const v = get("vocab_size"),
      zero = Math.log(v),
      now = zero + local.logits ** 2 / 2;
    picture.replaceChildren(
      h("p", {}, h("span", { class: "sig-badge" }, `ln ${v} = ${zero.toFixed(2)}`)),
      h(
        "table",
        {},
        h(
          "tbody",
          {},
          h(
            "tr",
            {},
            h("th", { style: "text-align:left" }, "loss of a model that knows nothing"),
            h("td", {}, zero.toFixed(3)),
          ),
          h(
            "tr",
            {},
            h("th", { style: "text-align:left" }, "expected, with logits of that std"),
            h("td", {}, now.toFixed(3)),
          ),
          h("tr", {}, h("th", { style: "text-align:left" }, "too much by s²/2"), h("td", {}, (now - zero).toFixed(3))),
        ),
      ),
    );
    if (local.badVocab) view.say("A vocabulary is a whole number from 1 to 10⁹.", "bad");
    else
      view.say(
        local.logits < 0.5
          ? `A healthy first loss is ${zero.toFixed(2)}.`
          : `The first loss is ${short(now - zero)} too high: the head's weights are too wide, and the first steps only undo that.`,
        local.logits < 0.5 ? "good" : "bad",
      );
  }

  function drawMine() {
    const rows = get("mine");
    if (!rows.length) {
      picture.replaceChildren(
        h("p", {}, "Give your own network: SignalScope(model, x). It is watched through hooks, and left as it was."),
      );
      view.say("No module was given.");
      return;
    }
    const bar = (std) =>
      std === null
        ? ""
        : s(
            "svg",
            { viewBox: "0 0 120 14", style: "width:120px", "aria-hidden": "true" },
            s("path", { class: "sig-axis", d: "M60 0 V14" }),
            s("rect", {
              class: place(std) < 0 ? "sig-fill-a" : "sig-fill-b",
              x: 60 + Math.min(0, place(std) * 58),
              y: 2,
              width: Math.max(1, Math.abs(place(std) * 58)),
              height: 10,
            }),
          );
    picture.replaceChildren(
      h(
        "div",
        { class: "lmc-scroll", tabindex: "0", role: "group", "aria-label": "your module" },
        h(
          "table",
          {},
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              ["module", "std", "log10 std", "exact zeros", "gradient std", "grad / weight"].map((t) => h("th", {}, t)),
            ),
          ),
          h(
            "tbody",
            {},
            rows.map((r) =>
              h(
                "tr",
                {},
                h("th", { style: "text-align:left" }, `${r.name || "(itself)"} ${r.kind}`),
                h("td", {}, short(r.std)),
                h("td", {}, bar(r.std)),
                h("td", {}, percent(r.zero ?? 0)),
                h("td", {}, r.grad === null ? "none" : short(r.grad)),
                h("td", {}, r.ratio === null ? "" : short(r.ratio)),
              ),
            ),
          ),
        ),
      ),
    );
    const jumps = rows.map((r, i) =>
        i && r.std > 0 && rows[i - 1].std > 0 ? Math.abs(Math.log(r.std / rows[i - 1].std)) : 0,
      ),
      worst = jumps.indexOf(Math.max(...jumps));
    view.say(
      rows.some((r) => r.std === null)
        ? "A layer's output is not finite."
        : `The largest change is at ${rows[worst].name || "the first module"}: × ${short(worst ? rows[worst].std / rows[worst - 1].std : 1)}. Bars: log10 of the std, the middle is 1.`,
    );
  }

  const DRAW = {
    map: drawMap,
    magnitudes: drawMagnitudes,
    truncation: drawTruncation,
    stream: drawStream,
    loss: drawLoss,
    mine: drawMine,
  };
  let shown = "";
  function draw() {
    const now = DRAW[get("view")] ? get("view") : "map";
    for (const tab of tabs.children) tab.setAttribute("aria-pressed", String(tab.dataset.view === now));
    if (shown !== now) {
      shown = now;
      view.controls.replaceChildren(...CONTROLS[now]);
    }
    c.scheme.set(get("scheme"));
    c.activation.set(get("activation"));
    c.gain.set(Math.log2(get("gain")));
    c.depth.set(get("depth"));
    c.residual.set(get("residual"));
    c.layer.set(get("layer") + 1, get("depth"));
    c.format.set(get("number_format"));
    picture.classList.remove("sig-stale");
    DRAW[now]();
    if (trouble) view.say(trouble, "bad");
  }
  let drawnAt = 0;
  const resized = new ResizeObserver(() => {
    if (width() !== drawnAt) {
      drawnAt = width();
      draw();
    }
  });
  resized.observe(view.root);
  const stop = redraw(
    model,
    [
      "scheme",
      "activation",
      "gain",
      "depth",
      "residual",
      "vocab_size",
      "view",
      "layer",
      "number_format",
      "measured",
      "mine",
    ],
    draw,
  );
  return () => {
    stop();
    resized.disconnect();
    kernel.stop();
  };
}

export default { render };
