import { frame, redraw } from "./lib/base.js";
import { check, choice, slider } from "./lib/controls.js";
import { roving } from "./lib/roving.js";
import { h, s, uid } from "./lib/elements.js";
import { asker } from "./lib/kernel.js";
import { grouped, raised } from "./lib/numbers.js";

// --- pure: numbers into places and words; tested by node on tests/golden/training_dashboard.json ---

export const COLUMNS = ["step", "loss", "smooth", "lr", "norm", "rate", "mfu"];

/** The numbers of a run, a column after the other: float32 bytes from a kernel, a list (null: not finite) on a page. */
export function columns(points) {
  const flat =
    points instanceof DataView
      ? new Float32Array(points.buffer.slice(points.byteOffset, points.byteOffset + points.byteLength))
      : Float32Array.from(points ?? [], (v) => v ?? NaN);
  const n = flat.length / COLUMNS.length;
  return Object.fromEntries(COLUMNS.map((name, k) => [name, flat.subarray(k * n, (k + 1) * n)]));
}

/** From values lo … hi to places from … to, linear or logarithmic. */
export function scale(lo, hi, from, to, log = false) {
  const f = log ? (v) => Math.log(Math.max(v, 1e-30)) : (v) => v;
  const first = f(lo),
    slope = f(hi) > first ? (to - from) / (f(hi) - first) : 0;
  return (v) => from + (f(v) - first) * slope;
}

/** Round values from lo to hi: 1, 2, 5 times a power of ten; powers of ten, or their 1, 2, 5 where there are few, on a log axis. */
export function ticks(lo, hi, most, log = false) {
  if (log) {
    const decades = [];
    for (let e = Math.floor(Math.log10(lo)); 10 ** e <= hi * 1.0001; e += 1)
      for (const m of [1, 2, 5]) decades.push(m * 10 ** e);
    const inside = decades.filter((v) => v >= lo * 0.9999 && v <= hi * 1.0001),
      tens = inside.filter((v) => Number.isInteger(Math.round(1e9 * Math.log10(v)) / 1e9));
    return inside.length <= most ? inside : tens;
  }
  const rough = (hi - lo) / most,
    power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((each) => each >= rough * 0.9999) ?? 1;
  const out = [];
  for (let k = Math.ceil(lo / step - 1e-9); k * step <= hi + 1e-9 * step; k += 1)
    out.push(Number((k * step).toPrecision(12)));
  return out;
}

/** An SVG path through (xs, ys); a gap where y is not finite. */
export function path(xs, ys, x, y) {
  let d = "",
    open = false;
  for (let i = 0; i < xs.length; i += 1) {
    if (!Number.isFinite(ys[i])) {
      open = false;
      continue;
    }
    d += `${open ? "L" : "M"}${Math.round(x(xs[i]) * 10) / 10} ${Math.round(y(ys[i]) * 10) / 10}`;
    open = true;
  }
  return d;
}

/** The index of the recorded step that is nearest to `step`; steps ascend. */
export function nearest(steps, step) {
  let lo = 0,
    hi = steps.length - 1;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if (steps[mid] < step) lo = mid + 1;
    else hi = mid;
  }
  return lo > 0 && step - steps[lo - 1] <= steps[lo] - step ? lo - 1 : lo;
}

/** The last of [step, …] rows at or before `step`; −1 when there is none. */
export const before = (rows, step) => rows.reduce((found, row, k) => (row[0] <= step ? k : found), -1);

/** Places near the wanted ones, in their order, at least `gap` apart, within lo … hi as far as they fit. */
export function spread(wanted, gap, lo, hi) {
  const order = wanted.map((_, k) => k).sort((a, b) => wanted[a] - wanted[b]),
    out = [...wanted];
  order.forEach((k, i) => {
    out[k] = Math.max(lo, wanted[k], i ? out[order[i - 1]] + gap : lo);
  });
  for (let i = order.length - 1, most = hi; i >= 0; i -= 1) {
    const k = order[i];
    out[k] = Math.min(out[k], most);
    most = out[k] - gap;
  }
  return out;
}

/** The highest loss that the picture has room for: the start and the baselines, not a run that has gone astray. */
export function ceiling(starts, others) {
  const known = [...starts, ...others].filter(Number.isFinite);
  return known.length ? 1.04 * Math.max(...known) : 1;
}

/** Numbers as a reader wants them, with their unit. */
export function words(kind, value) {
  if (value === null || value === undefined || Number.isNaN(value)) return kind === "loss" ? "not a number" : "unknown";
  if (!Number.isFinite(value)) return "infinite";
  if (kind === "loss") return Math.abs(value) < 1000 ? value.toFixed(3) : value.toExponential(2);
  if (kind === "lr") {
    if (value === 0) return "0";
    const e = Math.floor(Math.log10(value) + 1e-6);
    return e >= -2
      ? String(Number(value.toPrecision(3)))
      : `${Number((value / 10 ** e).toPrecision(3))} × 10${raised(e)}`;
  }
  if (kind === "norm") return Math.abs(value) < 1000 ? String(Number(value.toPrecision(3))) : value.toExponential(1);
  if (kind === "rate")
    return value >= 999_500
      ? `${(value / 1e6).toFixed(2)} M`
      : value >= 9_995
        ? `${(value / 1e3).toFixed(1)} k`
        : grouped(Math.round(value));
  return `${(100 * value).toFixed(value < 0.0995 ? 1 : 0)} %`;
}

/** A share from 0 to 1 of the tint for a loss: nothing lost is no tint, `most` nats and more are full. */
export const heat = (loss, most) => (loss === null ? 1 : Math.max(0, Math.min(1, loss / most)));

/** One sentence on a jump of the loss. */
export function spikeWords(spike) {
  const norm = spike.grad_norm === null ? "" : `, gradient norm ${words("norm", spike.grad_norm)}`;
  return spike.above === null
    ? `Step ${grouped(spike.step)}: the loss is no finite number${norm}.`
    : `Step ${grouped(spike.step)}: loss ${words("loss", spike.loss)}, ${spike.above.toFixed(2)} above the average of the steps before it${norm}.`;
}

// --- drawing ---

const STRIPS = [
  ["lr", "learning rate"],
  ["norm", "gradient norm, before clipping (log)"],
  ["rate", "tokens/s"],
  ["mfu", "MFU"],
];
const STATUS = {
  none: ["○", "no run yet"],
  training: ["▶", "training"],
  paused: ["❚❚", "paused"],
  done: ["✓", "done"],
  stopped: ["■", "stopped"],
  interrupted: ["■", "interrupted"],
  failed: ["✗", "failed"],
};
const DEAF =
  "The kernel has not heard this yet. While a cell runs, a page is heard from JupyterLab 4.4 with ipykernel 7 on; elsewhere use Interrupt, which leaves a usable model.";

function render({ model, el }) {
  const get = (name) => model.get(name);
  // What this view alone looks at: a step (null: the newest), a run (null: the newest), the axis.
  const look = { step: null, run: null, log: false, fork: 3 };
  let trouble = "",
    data = {},
    wanted = null,
    lastBatch = null,
    announced = "";
  const view = frame({ model, el });
  view.root.classList.add("td");

  // Talking to the kernel. Commands are not merged: three presses of Step are three steps.
  const sent = new Map();
  const ask = asker(model, {
    answered: (a) => {
      if ("texts" in a) {
        lastBatch = a;
        drawBatch();
      }
      wanted = null;
      draw();
    },
    failed: (error) => {
      wanted = null;
      complain(error);
    },
  });
  const complain = (error) => {
    trouble = error.replace(/^\w*Error: /, "");
    draw();
  };
  const command = (question) => {
    const id = uid();
    trouble = "";
    sent.set(
      id,
      setTimeout(() => complain(DEAF), 4000),
    );
    model.send({ id, question });
  };
  const heard = (message) => {
    if (!sent.has(message?.id)) return;
    clearTimeout(sent.get(message.id));
    sent.delete(message.id);
    if (trouble === DEAF) trouble = "";
    if ("error" in message) complain(message.error);
  };
  if (ask.hasKernel) model.on("msg:custom", heard);

  // The stage: what is now, the curves, and the step that is looked at
  const status = h("p", { class: "td-status" });
  const tile = (name, unit) => {
    const value = h("b", {});
    return {
      value,
      el: h(
        "div",
        { class: "td-tile" },
        value,
        h("span", {}, name),
        unit ? h("span", { class: "lmc-muted" }, ` ${unit}`) : null,
      ),
    };
  };
  const tiles = {
    step: tile("step"),
    loss: tile("loss", "nats a token"),
    smooth: tile("average loss", ""),
    lr: tile("learning rate"),
    norm: tile("gradient norm"),
    rate: tile("tokens/s"),
    mfu: tile("MFU"),
  };
  const curves = s("g"),
    cursor = s("g"),
    svg = s("svg", { class: "td-svg", role: "img" }, curves, cursor);
  const scrub = slider({
    label: "step",
    min: 0,
    max: 0,
    value: 0,
    format: () => "",
    oninput: (k) => choose(data.shown.step[k]),
  });
  const latest = h("button", { type: "button", onclick: () => choose(null) }, "Newest step");
  const which = h("span", {});
  const logSteps = check({
    label: "log steps",
    value: look.log,
    onchange: (v) => {
      look.log = v;
      draw();
    },
  });
  const legend = h("p", { class: "td-legend" });
  view.stage.append(
    h(
      "div",
      { class: "td-now" },
      status,
      Object.values(tiles).map((t) => t.el),
    ),
    svg,
    legend,
    h("div", { class: "td-scrub" }, scrub.el, latest, logSteps.el, which),
  );

  // Controls. aria-disabled, not disabled: a button that has the focus keeps it, and says why it does nothing.
  const busy = () => ["training", "paused"].includes(get("run").status);
  const why = () =>
    !ask.hasKernel
      ? "This page shows a stored run: pause, step, stop, lr and fork need a running kernel."
      : busy()
        ? ""
        : "No run trains now. Run the cell that trains; these buttons reach it while it runs.";
  const guard =
    (act, reason = why) =>
    () => {
      const no = reason();
      if (no) {
        trouble = no;
        draw();
      } else act();
    };
  const button = (text, act, reason) => h("button", { type: "button", onclick: guard(act, reason) }, text);
  const pause = button("Pause", () => command({ do: get("run").status === "paused" ? "resume" : "pause" }));
  const step = button("Step", () => command({ do: "step" }));
  const stop = button("Stop", () => command({ do: "stop" }));
  let rateNow = 1e-3; // the slider's places are coarser than rates are: the words are exact
  const lr = slider({
    label: "learning rate",
    min: -6,
    max: 0,
    step: 0.005,
    value: -3,
    format: (v) => words("lr", Math.abs(v - Math.log10(rateNow)) < 0.003 ? rateNow : 10 ** v),
    oninput: (v) => {
      if (why()) {
        trouble = why();
        draw();
        return;
      }
      trouble = "";
      wanted = Number((10 ** v).toPrecision(3));
      ask.ask({ do: "lr", lr: wanted });
    },
  });
  const follow = button("Follow the schedule", () => {
    wanted = null;
    command({ do: "lr", lr: null });
  });
  const factor = choice({
    label: "with the lr",
    options: [
      [0.1, "× 0.1"],
      [0.3, "× 0.3"],
      [1, "× 1"],
      [3, "× 3"],
      [10, "× 10"],
    ],
    value: 3,
    onchange: (v) => {
      look.fork = Number(v);
    },
  });
  const whyNoFork = () =>
    !ask.hasKernel
      ? why()
      : get("run").status === "training"
        ? "One run trains at a time: pause or stop this one, then fork."
        : "";
  const fork = button("Fork", () => command({ fork: forkStep(), times: look.fork, run: data.facts.index }), whyNoFork);
  const forking = h("span", { class: "td-fork" }, fork, factor.el);
  const note = h("span", { class: "lmc-muted td-note" });
  view.controls.append(
    h("span", { class: "td-buttons" }, pause, step, stop),
    h("span", { class: "td-fork" }, lr.el, follow),
    forking,
    note,
  );

  // Below: what the model writes, what a batch held, where a paragraph costs
  const film = h("div", { class: "td-film", role: "group", "aria-label": "samples through time" });
  const text = h("pre", { class: "td-text", tabindex: "0", role: "region", "aria-label": "the sample" });
  const samples = h(
    "section",
    { class: "td-panel" },
    h("p", { class: "td-heading" }, "The same prompt through time"),
    film,
    text,
  );
  const spikes = h("div", { class: "td-spikes", role: "group", "aria-label": "largest jumps of the loss" });
  const batch = h("div", { class: "td-batch", tabindex: "0", role: "region", "aria-label": "text of the batch" });
  const batchHead = h("p", { class: "td-heading" });
  const inspector = h(
    "section",
    { class: "td-panel" },
    h("p", { class: "td-heading" }, "Largest jumps above the average"),
    spikes,
    batchHead,
    batch,
  );
  const heatHead = h("p", { class: "td-heading" });
  const paragraph = h("div", { class: "td-heat", role: "group", "aria-label": "loss of each token" });
  const heatWords = h("p", { class: "lmc-muted td-heat-words" });
  const heatmap = h("section", { class: "td-panel td-wide" }, heatHead, paragraph, heatWords);
  const panels = h("div", { class: "td-panels" }, samples, inspector, heatmap);
  view.root.querySelector(".lmc-source").before(panels);
  const cards = roving(film, "button"),
    jumps = roving(spikes, "button");
  let tokenAt = -1;
  const tokens = roving(paragraph, ".td-token", {
    onfocus: (_, k) => {
      tokenAt = k;
      drawHeatWords();
    },
  });

  const choose = (next) => {
    trouble = "";
    look.step = next;
    draw();
  };
  const chooseRun = choice({
    label: "run",
    options: [],
    value: "",
    onchange: (v) => {
      look.run = Number(v);
      look.step = null;
      lastBatch = null;
      draw();
    },
  });
  which.append(chooseRun.el);
  const forkStep = () => {
    const kept = data.facts.copies,
      at = look.step ?? Infinity;
    return [...kept].reverse().find((k) => k <= at) ?? kept[0];
  };

  // The mouse on the curves, and keys anywhere in the widget that no control needs
  const pointed = (event) => {
    const box = svg.getBoundingClientRect(),
      x = (event.clientX - box.left) * (data.wide / box.width);
    if (data.shown.step.length) choose(data.shown.step[nearest(data.shown.step, data.unx(x))]);
  };
  svg.addEventListener("pointerdown", (event) => {
    svg.setPointerCapture(event.pointerId);
    pointed(event);
  });
  svg.addEventListener("pointermove", (event) => {
    if (event.buttons) pointed(event);
  });
  const onkey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { target, key } = event,
      kind = target.tagName,
      inGroup = target.closest(".td-film, .td-spikes, .td-heat");
    if (key === " " && kind !== "BUTTON" && kind !== "SELECT" && target.type !== "checkbox") {
      event.preventDefault();
      pause.click();
    } else if (
      kind === "BUTTON" &&
      !inGroup &&
      ["ArrowLeft", "ArrowRight", "Home", "End"].includes(key) &&
      data.shown.step.length
    ) {
      const all = data.shown.step,
        k = data.at + { ArrowLeft: -1, ArrowRight: 1, Home: -all.length, End: all.length }[key];
      event.preventDefault();
      choose(all[Math.max(0, Math.min(all.length - 1, k))]);
    }
  };
  view.root.addEventListener("keydown", onkey);

  /** All runs in the order in which they began, with their numbers; the last message decides, nothing is added up. */
  function runs() {
    const all = [...get("others")];
    if (get("run").name !== undefined) all.push({ ...get("run"), live: get("live") });
    return all.sort((a, b) => a.index - b.index).map((facts) => ({ facts, ...cached(facts) }));
  }
  const numbers = new Map(); // decoded once per message
  function cached(facts) {
    const old = numbers.get(facts.index);
    if (old?.source !== facts.live) numbers.set(facts.index, { source: facts.live, c: columns(facts.live) });
    return { c: numbers.get(facts.index).c };
  }

  const measure = () => Math.max(280, Math.round(svg.parentElement.clientWidth) || 640);
  const style = (index) => `td-run td-run-${Math.min(index, 3)}`;

  function draw() {
    const all = runs(),
      wide = measure(),
      roomy = wide >= 620;
    const shownRun =
      all.find((r) => r.facts.index === look.run) ?? all.find((r) => r.facts.index === get("run").index) ?? null;
    const shown = shownRun ? shownRun.c : columns([]);
    const n = shown.step.length,
      facts = shownRun?.facts ?? {
        name: "",
        status: "none",
        validation: [],
        spikes: [],
        samples: [],
        heat: [],
        copies: [],
        texts: {},
        by_hand: [],
        words: "",
      };
    const at = look.step === null ? n - 1 : nearest(shown.step, look.step);
    data = { ...data, all, shown, facts, at, wide };

    // The curves are drawn anew when a message brought something or the axis changed; a move along the steps is one line.
    const drawn = [
      wide,
      look.log,
      get("steps"),
      get("ghosts"),
      get("baselines"),
      get("max_norm"),
      facts.index,
      String(facts.copies),
      ...all.flatMap((r) => [r.c, JSON.stringify([r.facts.validation, r.facts.by_hand])]),
    ];
    if (!data.drawn || drawn.length !== data.drawn.length || drawn.some((each, k) => each !== data.drawn[k]))
      drawCurves(all, wide, roomy);
    data.drawn = drawn;
    drawCursor(roomy);
    drawNow();
    drawSamples();
    drawSpikes();
    drawBatch();
    drawHeat();
    drawControls();
    speak();
  }

  function drawCurves(all, wide, roomy) {
    const big = wide >= 820; // on a wide page the words are large enough for the last row of a room
    view.root.classList.toggle("td-big", big);
    const left = big ? 64 : 54,
      right = wide - (big ? 176 : roomy ? 150 : 12),
      top = 8,
      high = roomy ? 220 : 190,
      gap = 8,
      strip = big ? 42 : 40;
    const ghosts = get("ghosts"),
      baselines = Object.entries(get("baselines"));
    const longest = Math.max(2, get("steps"), ...all.map((r) => r.c.step[r.c.step.length - 1] ?? 0));
    const lastStep =
      get("steps") ||
      (all.length ? longest : Math.max(longest, ...ghosts.map((g) => g.points[g.points.length - 1]?.[0] ?? 0)));
    const x = scale(look.log ? 1 : 0, lastStep, left, right, look.log);
    data.unx = (place) => {
      const share = (place - left) / (right - left);
      return look.log ? lastStep ** share : share * lastStep;
    };

    // Losses: room for where the runs begin and for the baselines; what is above is drawn at the edge, with a mark
    const lows = [],
      starts = [];
    for (const { c, facts } of all) {
      for (const v of c.loss) if (Number.isFinite(v)) lows.push(v);
      for (const [, v] of facts.validation) if (v !== null) lows.push(v);
      if (facts.origin === null) starts.push(c.loss[0]);
    }
    for (const g of ghosts) {
      for (const [k, v] of g.points) if (k <= lastStep && v !== null) lows.push(v);
      starts.push(g.points[0]?.[1]);
    }
    for (const [, v] of baselines) lows.push(v);
    const max = ceiling(
        starts,
        baselines.map(([, v]) => v),
      ),
      least = lows.length ? lows.reduce((a, b) => Math.min(a, b)) : 0;
    const min = Math.min(least, max * 0.9),
      pad = 0.05 * (max - min);
    const raw = scale(min - pad, max, top + high, top),
      y = (v) => Math.max(top, raw(v));
    const parts = [];
    for (const v of ticks(min - pad, max, 5))
      parts.push(
        s("line", { class: "td-grid", x1: left, x2: right, y1: y(v), y2: y(v) }),
        s("text", { x: left - 6, y: y(v) + 4, "text-anchor": "end" }, String(v)),
      );
    const labels = []; // [y, text, class]
    for (const [name, v] of baselines) {
      parts.push(s("line", { class: "td-base", x1: left, x2: right, y1: y(v), y2: y(v) }));
      labels.push([y(v), `${name} ${v.toFixed(2)}`, ""]);
    }
    for (const g of ghosts) {
      const points = g.points.filter(([k, v]) => k <= lastStep && v !== null);
      parts.push(
        s("path", {
          class: "td-ghost",
          d: path(
            points.map(([k]) => k),
            points.map(([, v]) => v),
            x,
            y,
          ),
        }),
      );
      if (points.length) labels.push([y(points[points.length - 1][1]), g.name, "td-ghost-name"]);
    }
    for (const { c, facts } of all)
      parts.push(s("path", { class: `${style(facts.index)} td-raw`, d: path(c.step, c.loss, x, y) }));
    for (const { c, facts } of all) {
      parts.push(s("path", { class: `${style(facts.index)} td-smooth`, d: path(c.step, c.smooth, x, y) }));
      for (const [k, v] of facts.validation)
        if (v !== null)
          parts.push(
            s(
              "circle",
              { class: style(facts.index), cx: x(k), cy: y(v), r: 4 },
              s("title", {}, `${facts.name}, step ${k}: validation ${words("loss", v)}`),
            ),
          );
      for (let k = 0; k < c.loss.length; k += 1)
        if (!(c.loss[k] <= max))
          parts.push(
            s("path", { class: `${style(facts.index)} td-over`, d: `M${x(c.step[k]) - 4} ${top + 7}l4 -7l4 7Z` }),
          );
      if (facts.origin)
        parts.push(
          s("line", {
            class: `${style(facts.index)} td-origin`,
            x1: x(facts.origin.step),
            x2: x(facts.origin.step),
            y1: top,
            y2: top + high,
          }),
        );
      const last = c.smooth[c.smooth.length - 1];
      if (Number.isFinite(last))
        labels.push([y(last), `${facts.name} ${last.toFixed(2)}`, `${style(facts.index)} td-name`]);
    }
    if (!roomy)
      for (const [name, v] of baselines)
        parts.push(
          s(
            "text",
            { class: "td-axis-name", x: right - 4, y: y(v) - 4, "text-anchor": "end" },
            `${name} ${v.toFixed(2)}`,
          ),
        );
    else {
      const places = spread(
        labels.map(([place]) => place),
        big ? 17 : 15,
        top + 4,
        top + high,
      );
      labels.forEach(([, name, kind], k) =>
        parts.push(
          s(
            "text",
            { class: kind, x: right + 8, y: places[k] + 4 },
            name.length > 21 ? `${name.slice(0, 20)}…` : name,
            s("title", {}, name),
          ),
        ),
      );
    }
    parts.push(
      s(
        "text",
        { class: "td-axis-name", x: left + 4, y: top + 8 },
        roomy ? "loss, nats a token: thin each step, thick the average, ○ validation" : "loss, nats a token",
      ),
    );

    // The strips below share the axis
    const bottom = top + high + STRIPS.length * (strip + gap);
    data.strips = [];
    STRIPS.forEach(([key, name], row) => {
      const from = top + high + gap + row * (strip + gap),
        above = from + (big ? 16 : 14);
      const values = all.flatMap((r) => [...r.c[key]]).filter(Number.isFinite),
        log = key === "norm";
      const limit = key === "norm" ? get("max_norm") : null;
      let hi = values.reduce((a, b) => Math.max(a, b), limit ?? 0),
        lo = log ? values.reduce((a, b) => (b > 0 ? Math.min(a, b) : a), limit ?? hi) : 0;
      if (!(hi > lo)) {
        hi = hi > 0 ? hi * 1.1 : 1;
        lo = log ? hi / 10 : 0;
      }
      const yy = scale(lo, hi, from + strip, above, log),
        clamp = (v) => Math.max(above, Math.min(from + strip, yy(v)));
      parts.push(s("line", { class: "td-grid", x1: left, x2: right, y1: from + strip, y2: from + strip }));
      if (limit !== null)
        parts.push(s("line", { class: "td-base", x1: left, x2: right, y1: clamp(limit), y2: clamp(limit) }));
      for (const { c, facts } of all)
        parts.push(s("path", { class: `${style(facts.index)} td-thin`, d: path(c.step, c[key], x, clamp) }));
      if (key === "lr")
        for (const { facts } of all)
          for (const [k, v] of facts.by_hand)
            parts.push(
              s(
                "path",
                { class: style(facts.index), d: `M${x(k)} ${from + 8}l4 4l-4 4l-4 -4Z` },
                s(
                  "title",
                  {},
                  v === null ? `step ${k}: back to the schedule` : `step ${k}: lr set to ${words("lr", v)} by hand`,
                ),
              ),
            );
      parts.push(
        s(
          "text",
          { class: "td-axis-name", x: left + 4, y: from + (big ? 12 : 10) },
          key === "mfu" && !values.length ? "MFU: the peak of this machine is not known" : name,
        ),
      );
      if (values.length)
        parts.push(
          s("text", { x: left - 6, y: above + 4, "text-anchor": "end" }, words(key, hi).replace(" × ", "·")),
          s("text", { x: left - 6, y: from + strip + 2, "text-anchor": "end" }, words(key, lo).replace(" × ", "·")),
        );
      data.strips.push([key, clamp]);
    });
    for (const v of ticks(look.log ? 1 : 0, lastStep, roomy ? 8 : 4, look.log))
      parts.push(
        s("line", { class: "td-grid", x1: x(v), x2: x(v), y1: top, y2: bottom }),
        s("text", { x: x(v), y: bottom + 20, "text-anchor": "middle" }, grouped(v)),
      );
    parts.push(
      s(
        "text",
        { x: right, y: bottom + 37, "text-anchor": "end" },
        look.log ? "optimizer steps (log) →" : "optimizer steps →",
      ),
    );
    if (data.facts.copies.length)
      parts.push(
        s("text", { x: left - 4, y: bottom + 37 }, roomy ? "▲ kept: a fork can start here" : "▲ kept for forks"),
      );
    for (const k of data.facts.copies)
      if (!look.log || k > 0)
        parts.push(
          s(
            "path",
            { class: "td-kept", d: `M${x(k)} ${bottom + 1}l4 6h-8Z` },
            s("title", {}, `step ${k} is kept: a fork can start here`),
          ),
        );

    svg.setAttribute("viewBox", `0 0 ${wide} ${bottom + 42}`);
    svg.setAttribute(
      "aria-label",
      `Curves over ${grouped(lastStep)} steps: loss, learning rate, gradient norm, tokens/s and MFU. ${all.map((r) => r.facts.name).join(", ") || "No run yet"}.`,
    );
    curves.replaceChildren(...parts);
    Object.assign(data, { x, y, top, right, bottom });
    const line = (kind, name) =>
      h(
        "span",
        {},
        s(
          "svg",
          { viewBox: "0 0 24 8", width: 24, height: 8, "aria-hidden": "true" },
          s("path", { class: kind, d: "M0 4H24" }),
        ),
        name,
      );
    legend.replaceChildren(
      ...(roomy
        ? []
        : [
            ...all.map((r) => line(`${style(r.facts.index)} td-smooth`, r.facts.name)),
            ...ghosts.map((g) => line("td-ghost", g.name)),
          ]),
    );
  }

  /** The step that is looked at: a line over the curves, and the numbers of the strips beside it. */
  function drawCursor(roomy) {
    const { at, shown, x, y, top, right, bottom } = data,
      parts = [];
    if (at >= 0) {
      const px = x(shown.step[at]),
        own = style(data.facts.index);
      parts.push(s("line", { class: "td-cursor", x1: px, x2: px, y1: top, y2: bottom }));
      const dot = (place) => parts.push(s("circle", { class: `${own} td-dot`, cx: px, cy: place, r: 4 }));
      if (Number.isFinite(shown.loss[at])) dot(y(shown.loss[at]));
      for (const [key, clamp] of data.strips) {
        const v = shown[key][at];
        if (!Number.isFinite(v)) continue;
        dot(clamp(v));
        if (roomy) parts.push(s("text", { class: `${own} td-name`, x: right + 8, y: clamp(v) + 4 }, words(key, v)));
      }
    }
    cursor.replaceChildren(...parts);
  }

  function drawNow() {
    const { shown, at, facts } = data;
    const [mark, word] = STATUS[facts.status];
    const gone = look.step !== null && at >= 0;
    status.replaceChildren(
      h("span", { "aria-hidden": "true" }, mark),
      ` ${ask.hasKernel || facts.status === "none" ? word : `stored run, ${word}`}`,
    );
    status.dataset.status = facts.status;
    tiles.step.value.textContent =
      at < 0 ? "–" : `${grouped(shown.step[at])}${get("steps") ? ` of ${grouped(get("steps"))}` : ""}`;
    for (const name of ["loss", "smooth", "lr", "norm", "rate", "mfu"])
      tiles[name].value.textContent = at < 0 ? "–" : words(name === "smooth" ? "loss" : name, shown[name][at]);
    scrub.set(Math.max(0, at), Math.max(0, shown.step.length - 1));
    scrub.input.setAttribute(
      "aria-valuetext",
      at < 0 ? "no step yet" : `step ${shown.step[at]}, loss ${words("loss", shown.loss[at])}`,
    );
    latest.setAttribute("aria-disabled", String(!gone));
    const names = data.all.map((r) => [r.facts.index, r.facts.name]);
    chooseRun.el.style.display = names.length > 1 ? "" : "none";
    if ([...chooseRun.select.options].map((o) => o.textContent).join() !== names.map(([, name]) => name).join())
      chooseRun.select.replaceChildren(...names.map(([k, name]) => h("option", { value: k }, name)));
    chooseRun.set(facts.index ?? "");
  }

  /** Keep the buttons of a group that stay the same, so that the focus stays where it is. */
  function group(box, key, build) {
    if (box.dataset.key === key) return;
    const focused = [...box.children].indexOf(document.activeElement);
    box.dataset.key = key;
    box.replaceChildren(...build());
    (box === film ? cards : box === spikes ? jumps : tokens).refresh(Math.max(0, focused), focused >= 0);
  }

  const now = () => (data.at < 0 ? 0 : look.step === null ? data.shown.step[data.at] : Math.round(look.step));

  function drawSamples() {
    const rows = data.facts.samples,
      k = before(rows, now());
    samples.style.display = rows.length ? "" : "none";
    group(film, JSON.stringify([data.facts.index, rows.map(([at]) => at)]), () =>
      rows.map(([at, words]) =>
        h(
          "button",
          { type: "button", "data-step": at, onclick: () => choose(at) },
          h("b", {}, at === 0 ? "untrained" : `step ${grouped(at)}`),
          h("span", {}, words.slice(0, 60)),
        ),
      ),
    );
    [...film.children].forEach((card, i) => card.setAttribute("aria-pressed", String(i === k)));
    const card = film.children[k];
    if (card && card !== inSight && film.clientWidth) {
      // scrolls the strip, never the page
      film.scrollLeft = card.offsetLeft + card.offsetWidth + 8 - film.clientWidth;
      inSight = card;
    }
    text.textContent = k < 0 ? "" : rows[k][1];
  }

  function drawSpikes() {
    const rows = data.facts.spikes;
    group(spikes, JSON.stringify([data.facts.index, rows]), () =>
      rows.map((spike) =>
        h(
          "button",
          { type: "button", onclick: () => choose(spike.step), title: spikeWords(spike) },
          h("b", {}, `step ${grouped(spike.step)}`),
          ` ${spike.above === null ? "not finite" : `+${spike.above.toFixed(2)}`}`,
        ),
      ),
    );
    [...spikes.children].forEach((each, i) =>
      each.setAttribute("aria-pressed", String(look.step !== null && rows[i]?.step === now())),
    );
    if (!rows.length && spikes.textContent === "")
      spikes.append(h("span", { class: "lmc-muted" }, "no step was far above it"));
  }

  let asked = "",
    inSight = null;
  function drawBatch() {
    const { facts, at, shown } = data;
    inspector.style.display = at < 0 ? "none" : "";
    if (at < 0) return;
    const step = shown.step[at],
      still = look.step !== null || !["training"].includes(facts.status);
    const stored = facts.texts[String(step)],
      heard = lastBatch?.batch === step && lastBatch?.run === facts.index ? lastBatch.texts : null;
    const texts = stored ?? heard;
    batchHead.textContent = `Text of the batch of step ${grouped(step)}`;
    let say = "";
    if (!texts && !still) {
      batchHead.textContent = "Text of a batch";
      say = "Choose a step, on the curves or above, to read its batch.";
    } else if (!texts && !ask.hasKernel)
      say = "Only the batches of the jumps listed above are stored; any other needs a running kernel.";
    else if (!texts) {
      say = "Asking the kernel…";
      if (asked !== `${facts.index}:${step}`) {
        asked = `${facts.index}:${step}`;
        ask.ask({ batch: step, run: facts.index });
      }
    } else if (!texts.length) say = "Where this step's windows lie was not recorded, or the dashboard has no text_at.";
    const key = JSON.stringify(texts ?? say);
    if (batch.dataset.key === key) return;
    batch.dataset.key = key;
    batch.replaceChildren(
      ...(say ? [h("p", { class: "lmc-muted" }, say)] : texts.map((each) => h("p", { class: "td-window" }, each))),
    );
  }

  function drawHeat() {
    const rows = data.facts.heat,
      k = before(rows, now()),
      names = get("paragraph");
    heatmap.style.display = rows.length ? "" : "none";
    if (k < 0) return;
    const losses = rows[k][1],
      most = Math.max(1, ...rows.flatMap(([, each]) => each.map((v) => v ?? 0)));
    group(paragraph, JSON.stringify(names), () =>
      names.map((name) =>
        h(
          "span",
          { class: "td-token", tabindex: "-1", role: "img", onclick: (event) => event.currentTarget.focus() },
          name,
        ),
      ),
    );
    [...paragraph.children].forEach((cell, i) => {
      const share = heat(losses[i] ?? null, most);
      cell.style.setProperty("--heat", `${Math.round(40 * share)}%`);
      cell.style.setProperty("--bar", `${Math.round(6 * share)}px`);
      cell.setAttribute("aria-label", `${names[i]}: ${words("loss", losses[i])} nats`);
    });
    const mean =
      losses.filter((v) => v !== null).reduce((a, b) => a + b, 0) /
      Math.max(1, losses.filter((v) => v !== null).length);
    heatHead.textContent = `What each token of a fixed text costs, ${rows[k][0] ? `after step ${grouped(rows[k][0])}` : "before training"}: ${mean.toFixed(2)} nats on average`;
    data.heat = [names, rows, k];
    drawHeatWords();
  }
  function drawHeatWords() {
    const [names, rows, k] = data.heat ?? [[], [], -1];
    heatWords.textContent =
      k >= 0 && names[tokenAt] !== undefined
        ? `“${names[tokenAt]}” costs ${words("loss", rows[k][1][tokenAt])} nats here, ${words("loss", rows[0][1][tokenAt])} ${rows[0][0] ? `at step ${rows[0][0]}` : "before training"}.`
        : "A deeper tint and a thicker bar: more nats. Choose a token to read its number.";
  }

  function drawControls() {
    const { facts } = data,
      no = why(),
      paused = get("run").status === "paused";
    pause.textContent = paused ? "▶ Resume" : "❚❚ Pause";
    step.textContent = "Step";
    stop.textContent = "■ Stop";
    const fixed = get("run").lr ?? null; // by hand
    for (const each of [pause, step, stop, lr.input]) each.setAttribute("aria-disabled", String(Boolean(no)));
    follow.setAttribute("aria-disabled", String(Boolean(no) || (fixed === null && wanted === null)));
    const newest = data.all.find((r) => r.facts.index === get("run").index)?.c.lr ?? [];
    const rate = wanted ?? fixed ?? newest[newest.length - 1];
    if (rate > 0) {
      rateNow = rate;
      lr.set(Math.log10(rate));
    }
    forking.style.display = facts.copies.length ? "" : "none";
    if (facts.copies.length) fork.textContent = `Fork at step ${grouped(forkStep())}`;
    fork.setAttribute("aria-disabled", String(Boolean(whyNoFork())));
    note.textContent = no && !ask.hasKernel ? no : "";
  }

  /** One sentence. While it trains it changes ten times a second for the eye, and once a tenth of the run for the ear. */
  function speak() {
    const { facts, shown, at, all } = data;
    if (trouble) {
      view.say(trouble, "bad");
      announced = trouble;
      return;
    }
    const [sentence, tone, landmark] = reading(facts, shown, at, all);
    const quiet = landmark === announced;
    announced = landmark;
    view.say(sentence, tone, quiet);
  }

  function reading(facts, shown, at, all) {
    const baselines = Object.entries(get("baselines"));
    if (at < 0)
      return [
        facts.status === "none"
          ? "No run yet. The curves grow here while a cell trains."
          : STATUS[facts.status][1] + (facts.words ? `: ${facts.words}` : ": the first step is on its way."),
        facts.status === "failed" ? "bad" : "",
        facts.status,
      ];
    const step = shown.step[at],
      loss = shown.loss[at],
      spike = facts.spikes.find((each) => each.step === step);
    if (look.step !== null && spike) return [spikeWords(spike), "", `at ${step}`];
    if (look.step !== null)
      return [
        `Step ${grouped(step)}: loss ${words("loss", loss)} nats a token, lr ${words("lr", shown.lr[at])}, gradient norm ${words("norm", shown.norm[at])}.`,
        "",
        `at ${step}`,
      ];
    if (facts.status === "failed") return [facts.words, "bad", "failed"];
    if (!Number.isFinite(loss))
      return [
        `The loss of step ${grouped(step)} is ${words("loss", loss)}: nothing that follows can be trusted. Choose it to read its batch.`,
        "bad",
        `bad ${step}`,
      ];
    const average = shown.smooth[at],
      below = baselines.filter(([, v]) => average < v).sort((a, b) => a[1] - b[1])[0];
    const beats = below
      ? `, below “${below[0]}” (${below[1].toFixed(2)})`
      : baselines.length
        ? ", above every baseline"
        : "";
    const fork = facts.origin ? all.find((r) => r.facts.index === facts.origin.run) : null;
    if (fork) {
      const k = nearest(fork.c.step, step),
        difference = average - fork.c.smooth[k];
      return [
        `“${facts.name}”, forked at step ${grouped(facts.origin.step)}: at step ${grouped(step)} its average is ${Math.abs(difference).toFixed(3)} ${difference > 0 ? "above" : "below"} that of “${fork.facts.name}”.`,
        "",
        `fork ${facts.status} ${facts.index} ${Math.floor((10 * step) / Math.max(step, get("steps")))}`,
      ];
    }
    const verb = {
      training: "Training",
      paused: "Paused",
      done: "Done",
      stopped: "Stopped",
      interrupted: "Interrupted",
    }[facts.status];
    return [
      `${verb} ${facts.status === "training" ? "at" : "after"} step ${grouped(step)}: average loss ${words("loss", average)} nats a token${beats}.${facts.status === "paused" ? " Step takes one step, Resume goes on." : ""}`,
      "",
      `${facts.status} ${get("steps") ? Math.floor((10 * step) / get("steps")) : 0}${facts.status === "paused" ? step : ""}`,
    ];
  }

  const stopDrawing = redraw(
    model,
    ["steps", "run", "live", "others", "baselines", "ghosts", "paragraph", "max_norm"],
    draw,
  );
  const resized = new ResizeObserver(() => {
    if (measure() !== data.wide) draw();
  });
  resized.observe(view.root);
  return () => {
    stopDrawing();
    resized.disconnect();
    ask.stop();
    for (const timer of sent.values()) clearTimeout(timer);
    if (ask.hasKernel) model.off("msg:custom", heard);
  };
}

export default { render };
