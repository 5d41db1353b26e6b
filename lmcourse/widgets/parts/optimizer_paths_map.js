// OptimizerPaths' map: the landscape, the paths over it, and the handles that move the start, turn and squeeze it.
import { handle, line, placeIn } from "../lib/charts.js";
import { change, s, uid } from "../lib/elements.js";
import { clamp, short } from "../lib/numbers.js";
import { contours, LANDSCAPES, turn } from "../rules/optimizers.js";

/** Line, dashes and marker of each optimizer: colour is never alone. */
export const LOOKS = {
  SGD: { look: "lmc-op-sgd", dashes: "", marker: "circle" },
  Momentum: { look: "lmc-op-momentum", dashes: "7 3", marker: "square" },
  AdaGrad: { look: "lmc-op-adagrad", dashes: "2 3", marker: "triangle" },
  RMSProp: { look: "lmc-op-rmsprop", dashes: "9 3 2 3", marker: "diamond" },
  Adam: { look: "lmc-op-adam", dashes: "", marker: "square" },
  AdamW: { look: "lmc-op-adamw", dashes: "5 2", marker: "triangle" },
  Muon: { look: "lmc-op-muon", dashes: "1 3", marker: "diamond" },
};
export const MINE = { look: "lmc-op-mine", dashes: "", marker: "circle" };
const MARKERS = {
  circle: "M5 0A5 5 0 1 1 -5 0A5 5 0 1 1 5 0Z",
  square: "M-5 -5H5V5H-5Z",
  triangle: "M0 -6L6 5H-6Z",
  diamond: "M0 -6L6 0L0 6L-6 0Z",
};

/** A piece of an optimizer's line with its marker, for a legend. */
export const sample = ({ look, dashes, marker }) =>
  s(
    "svg",
    { viewBox: "0 0 44 16", width: 44, height: 16, "aria-hidden": "true" },
    s("path", { class: `lmc-op-line ${look}`, "stroke-dasharray": dashes, d: "M2 8H42" }),
    s("path", { class: `lmc-op-marker ${look}`, d: MARKERS[marker], transform: "translate(22 8)" }),
  );

// How far each landscape reaches along and across, in its own frame; where its handles are
const REACH = { quadratic: [2.7, 1.05], noisy: [2.7, 1.05], ravine: [2.6, 1.7], saddle: [2.6, 1.5] };
const TURNER = 2.45;
const SQUEEZER = 1.6;

export const mapHeight = 182;

/**
 * From weights to places on a map that is `W` wide, and back. The map holds the landscape's own window, turned with it.
 * @param {number} W @param {any} settings
 */
export function windowOf(W, { landscape, start, rotation }) {
  const H = mapHeight;
  const [along, across] = REACH[landscape].map((reach, k) => Math.max(reach, Math.abs(start[k]) + 0.2));
  const angle = (rotation * Math.PI) / 180;
  const [cos, sin] = [Math.abs(Math.cos(angle)), Math.abs(Math.sin(angle))];
  const scale = Math.min(W / 2 / (along * cos + across * sin), H / 2 / (along * sin + across * cos));
  return {
    W,
    H,
    scale,
    onMap: (/** @type {number[]} */ [x, y]) => [W / 2 + scale * x, H / 2 - scale * y],
    world: (x, y) => [(x - W / 2) / scale, (H / 2 - y) / scale],
  };
}

/** Lines of equal loss, in the landscape's own frame. */
function ringsOf(name, condition) {
  const levels = [];
  for (let level = 0.03; level < Math.max(3.5 * condition, 8); level *= 2.6) levels.push(level);
  if (name === "ravine" || name === "saddle")
    return contours(name, condition, levels, 5, 110).map((d) => s("path", { d }));
  const ellipse = (level) => ({ rx: Math.sqrt(2 * level), ry: Math.sqrt((2 * level) / condition) });
  return levels.reverse().map((level) => s("ellipse", ellipse(level)));
}

/** A path up to a step, with a dot at each; pale are what is still to come and the path of the landscape at 0°. */
function pathNodes({ look, dashes, marker }, points, step, onMap, ghost) {
  const places = points.map(onMap);
  const here = Math.min(step, places.length - 1);
  const now = places.slice(0, here + 1);
  const [x, y] = now.at(-1);
  return [
    ghost ? s("path", { class: `lmc-op-ghost ${look}`, d: line(ghost.map(onMap)) }) : null,
    s("path", { class: `lmc-op-line lmc-op-later ${look}`, d: line(places.slice(here)) }),
    s("path", { class: `lmc-op-line ${look}`, "stroke-dasharray": dashes, d: line(now) }),
    s("path", { class: `lmc-op-dots ${look}`, d: now.map((p) => `${line([p])}h0`).join("") }),
    s("path", { class: `lmc-op-marker ${look}`, d: MARKERS[marker], transform: `translate(${x} ${y})` }),
  ].filter(Boolean);
}

const LINE = 14; // height of a name, in pixels
const NAME = 70; // and its width, at most

/**
 * Where the names of the paths stand: beside their ends, one below the other where ends are close together.
 * @param {{ at: number[], name: string, look: string }[]} ends
 */
export function placedNames(ends) {
  const placed = [];
  for (const { at, ...rest } of [...ends].sort((a, b) => a.at[1] - b.at[1])) {
    const x = at[0] + 9;
    const near = placed.filter((other) => Math.abs(other.x - x) < NAME);
    placed.push({ ...rest, x, y: Math.max(at[1] - 7, ...near.map((other) => other.y + LINE)) });
  }
  return placed;
}

/** Where the reader's class leaves the reference. */
function differenceNodes({ path, difference }, { onMap, W, H }) {
  const [x, y] = onMap(path[difference.step]);
  const at = { x: clamp(x, 4, W - 60), y: clamp(y - 16, 12, H), class: "lmc-op-difference-text" };
  return [s("circle", { cx: x, cy: y, r: 12, class: "lmc-op-difference" }), s("text", at, `✗ step ${difference.step}`)];
}

/**
 * The map. `change` gets new settings; `settings` gives those of now.
 * @param {{ settings: () => any, change: (settings: any) => void }} options
 */
export function mapOf({ settings, change: set }) {
  const clip = uid();
  const frame = s("rect", { x: 0, y: 0 });
  const ground = s("rect", { x: 0, y: 0, fill: "transparent" });
  const [rings, paths, marks] = ["lmc-op-rings", "", ""].map((name) => s("g", { class: name }));
  const hint = s("text", { x: 8, class: "lmc-op-hint" }, "● start   ■ turn   ◆ squeeze: drag, or use the arrow keys");
  const inside = s("g", { "clip-path": `url(#${clip})` }, rings, paths, marks);
  const defs = s("defs", {}, s("clipPath", { id: clip }, frame));
  const svg = s("svg", { class: "lmc-op-map", role: "group" }, defs, ground, inside, hint);
  let view = windowOf(600, settings());
  const turned = () => turn(settings().rotation);
  const moveStart = (x, y) => {
    const [a, b] = turned().back(view.world(x, y));
    set({ start: [clamp(a, -3.6, 3.6), clamp(b, -3.6, 3.6)] });
  };
  ground.addEventListener("click", (event) => {
    const [x, y] = placeIn(svg, event);
    moveStart(x, y);
  });
  const handles = handlesOf(svg, { settings, set, turned, moveStart, view: () => view });
  svg.append(...handles.els);
  let ringed = "";
  return {
    el: svg,
    draw(W, scene) {
      const { landscape, condition, rotation } = scene.settings;
      view = windowOf(W, scene.settings);
      change(svg, { viewBox: `0 0 ${W} ${view.H}`, "aria-label": `The ${landscape} landscape and the paths over it` });
      for (const rect of [frame, ground]) change(rect, { width: W, height: view.H });
      change(hint, { y: view.H - 8 });
      if (ringed !== `${landscape} ${condition}`) rings.replaceChildren(...ringsOf(landscape, condition));
      ringed = `${landscape} ${condition}`;
      const place = `translate(${W / 2} ${view.H / 2}) scale(${view.scale} ${-view.scale}) rotate(${rotation})`;
      rings.setAttribute("transform", place);
      paths.replaceChildren(...allPaths(scene, view));
      marks.replaceChildren(...marksOf(scene, view));
      handles.draw(scene.settings);
    },
  };
}

/** The paths of all that are shown, and of the reader's class; names where there are several. */
function allPaths({ shown, records, ghosts, step, reader }, { onMap }) {
  const all = shown.map((name) => {
    const points = records[name].map((record) => record.w);
    return { name, points, look: LOOKS[name], ghost: ghosts[name] };
  });
  if (reader) all.push({ name: "yours", points: reader.path, look: MINE, ghost: null });
  const walked = all.filter(({ points }) => points.length);
  const built = walked.flatMap(({ look, points, ghost }) => pathNodes(look, points, step, onMap, ghost));
  if (walked.length < 2) return built;
  const ends = walked.map(({ name, points, look }) => ({
    name,
    look: look.look,
    at: onMap(points[Math.min(step, points.length - 1)]),
  }));
  const names = placedNames(ends).map(({ name, look, x, y }) =>
    s("text", { class: `lmc-op-name ${look}`, x, y }, name),
  );
  return [...built, ...names];
}

/** The minima, and where the reader's class differs. */
function marksOf({ settings, reader }, view) {
  const { out } = turn(settings.rotation);
  const crosses = LANDSCAPES[settings.landscape].minima.map(([a, b]) => {
    const at = view.onMap(out([a, b]));
    return s("path", { class: "lmc-op-minimum", d: "M-5 0H5M0 -5V5", transform: `translate(${at})` });
  });
  const found = reader?.difference && reader.path[reader.difference.step];
  return [...crosses, ...(found ? differenceNodes(reader, view) : [])];
}

/** The three handles: start, turn, squeeze. */
function handlesOf(svg, { settings, set, turned, moveStart, view }) {
  const start = handle(svg, {
    label: "start",
    title: "Drag the start, or move it with the arrow keys",
    mark: s("circle", { r: 6, class: "lmc-op-start" }),
    moved: moveStart,
    nudged: (dx, dy) => {
      const [x, y] = turned().out(settings().start);
      const [a, b] = turned().back([x + 0.05 * dx, y + 0.05 * dy]);
      set({ start: [clamp(a, -3.6, 3.6), clamp(b, -3.6, 3.6)] });
    },
  });
  const turner = handle(svg, {
    label: "rotation",
    title: "Drag to turn the landscape",
    mark: s("path", { d: MARKERS.square, class: "lmc-op-knob" }),
    moved: (x, y) => {
      const [a, b] = view().world(x, y);
      set({ rotation: clamp(Math.round((Math.atan2(b, a) * 180) / Math.PI), -90, 90) });
    },
    nudged: (dx, dy) => set({ rotation: clamp(settings().rotation + dx + dy, -90, 90) }),
  });
  const squeezer = handle(svg, {
    label: "condition number",
    title: "Drag to squeeze the landscape",
    mark: s("path", { d: MARKERS.diamond, class: "lmc-op-knob" }),
    moved: (x, y) => {
      const [, b] = turned().back(view().world(x, y));
      set({ condition: clamp(Number(Math.max(Math.abs(b), 0.01).toPrecision(3)) ** -2, 1, 100) });
    },
    nudged: (dx, dy) => set({ condition: clamp(settings().condition * 1.1 ** (dx - dy), 1, 100) }),
  });
  // More has the same two as sliders, so they are no tab stops of their own
  for (const { el } of [turner, squeezer]) el.setAttribute("tabindex", "-1");
  return {
    els: [turner.el, squeezer.el, start.el],
    draw({ landscape, start: at, rotation, condition }) {
      const { out } = turn(rotation);
      const place = (point) => view().onMap(out(point));
      const words = out(at).map((v) => short(v));
      start.at(place(at), Number(at[0].toPrecision(3)), `start at (${words.join(", ")})`);
      turner.at(place([TURNER, 0]), rotation, `${rotation}°`);
      squeezer.el.toggleAttribute("hidden", landscape === "ravine" || landscape === "saddle");
      squeezer.at(place([SQUEEZER, 1 / Math.sqrt(condition)]), condition, `condition number ${short(condition)}`);
    },
  };
}
