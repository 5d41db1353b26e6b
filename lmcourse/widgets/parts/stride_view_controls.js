// StrideView's controls: made once, of which each mode shows its own.
import { put } from "../lib/base.js";
import { choice, field, tabs } from "../lib/controls.js";
import { h } from "../lib/elements.js";
import { stepper } from "../lib/player.js";
import { exampleTexts } from "./stride_view_typing.js";

/** The three fields of a puzzle before anything is typed. */
export const BLANK = ["", "", "0"];
const MODES = [
  ["look", "Look"],
  ["walk", "Walk"],
  ["view", "Will .view() work?"],
  ["puzzle", "Puzzles"],
];

/** What a reader types or picks to add a lane. */
function operationControls(view) {
  const { lanes } = view.state,
    name = lanes.find((lane) => lane.given)?.name ?? "t";
  const operation = field({ label: "Type an operation", value: "", placeholder: `${name}[1:].T`, oninput: () => {} });
  const add = () => {
    if (view.type(operation.input.value)) operation.set("");
  };
  operation.input.size = 22;
  operation.input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    add();
    event.preventDefault();
  });
  const texts = exampleTexts(name, lanes[0]?.shape.length ?? 0, lanes[0]?.library === "numpy");
  const onchange = (text) => {
    if (text) view.type(text);
    example.set("");
  };
  const example = choice({ label: "or take", options: [["", "an example…"], ...texts], value: "", onchange });
  return [operation.el, h("button", { type: "button", onclick: add }, "Add lane"), example.el];
}

/** The player and the order; what is rarely changed is behind More. */
function walkControls(view) {
  const { model } = view;
  view.walker = stepper({ label: "read", go: (step) => put(model, { step }), every: 400 });
  const order = choice({
    label: "order",
    options: [
      ["rows", "last index fastest"],
      ["columns", "first index fastest"],
    ],
    value: view.get("order"),
    onchange: (value) => put(model, { order: value, step: 0 }),
  });
  const line = choice({
    label: "cache line",
    options: [
      ["64", "64 bytes"],
      ["32", "32 bytes"],
      ["16", "16 bytes (a toy)"],
    ],
    value: String(view.get("line_bytes")),
    onchange: (value) => put(model, { line_bytes: Number(value) }),
  });
  const kept = choice({
    label: "kept",
    options: ["1", "2", "4", "8"],
    value: String(view.get("lines_kept")),
    onchange: (value) => put(model, { lines_kept: Number(value) }),
  });
  const measure = h("button", { type: "button", onclick: () => view.kernel.ask({ measure: true }) }, "Measure here");
  return {
    shown: [view.walker.el, order.el],
    folded: [line.el, kept.el, view.kernel.hasKernel ? measure : null],
    set() {
      order.set(view.get("order"));
      line.set(String(view.get("line_bytes")));
      kept.set(String(view.get("lines_kept")));
    },
  };
}

function oracleControls(view) {
  const shape = field({
    label: "new shape",
    value: view.get("new_shape"),
    placeholder: "6, -1",
    oninput(text) {
      view.revealed = "";
      put(view.model, { new_shape: text });
      view.sayNow(); // what was told of another shape is true no more
    },
  });
  shape.input.size = 12;
  const says = (works, text) => h("button", { type: "button", onclick: () => view.predict(works) }, text);
  return {
    shown: [shape.el, says(true, "I say: a view"), says(false, "I say: an error")],
    set: () => shape.set(view.get("new_shape")),
  };
}

function puzzleControls(view) {
  const { model } = view,
    all = view.get("puzzles");
  const to = (k) => put(model, { puzzle: k % all.length, answers: BLANK });
  const which = choice({
    label: "puzzle",
    options: all.map((puzzle, k) => [String(k), `${k + 1}. ${puzzle.name}`]),
    value: String(view.get("puzzle")),
    onchange: (value) => to(Number(value)),
  });
  const fields = ["sizes", "strides", "offset"].map((label, k) =>
    field({
      label,
      value: view.get("answers")[k],
      placeholder: k < 2 ? "3, 4" : "0",
      oninput: (text) => put(model, { answers: view.get("answers").with(k, text) }),
    }),
  );
  for (const { input } of fields) input.size = 8;
  const hint = h("button", { type: "button", onclick: () => view.say(view.puzzle.hint) }, "Hint");
  const next = h("button", { type: "button", onclick: () => to(view.get("puzzle") + 1) }, "Next puzzle");
  return {
    shown: [...fields.map((part) => part.el), hint, next],
    folded: [which.el],
    set() {
      which.set(String(view.get("puzzle")));
      for (const [k, part] of fields.entries()) part.set(view.get("answers")[k]);
    },
  };
}

/** All controls, of which a mode shows its own; returns what brings them in line with the state. */
export function controlsOf(view) {
  const typing = operationControls(view),
    walk = walkControls(view),
    oracle = oracleControls(view),
    puzzle = puzzleControls(view);
  const group = (modes, nodes) => h("div", { class: "sv-tools", "data-for": modes }, nodes);
  const lane = group("look walk view", typing); // under the picture in Look, elsewhere behind More
  const shown = [group("walk", walk.shown), group("view", oracle.shown), group("puzzle", puzzle.shown)];
  const folded = [group("walk", walk.folded), group("puzzle", puzzle.folded), lane];
  const chosen = tabs({
    label: "what to do",
    options: MODES,
    value: view.state.mode,
    onchange(mode) {
      put(view.model, { mode });
      view.sayNow();
    },
  });
  view.frame.stage.append(chosen.el, view.stageBody);
  view.frame.controls.append(...shown);
  const more = view.frame.more(...folded),
    moreBox = lane.parentElement;
  return () => {
    const { mode } = view.state,
      home = mode === "look" ? view.frame.controls : moreBox;
    if (lane.parentElement !== home) home.prepend(lane);
    chosen.set(mode);
    chosen.el.hidden = !view.get("lanes").length;
    for (const node of [...shown, ...folded]) node.hidden = !node.dataset.for.split(" ").includes(mode);
    more.hidden = [...moreBox.children].every((node) => node.hidden);
    view.frame.root.dataset.mode = mode;
    for (const part of [walk, oracle, puzzle]) part.set();
  };
}
