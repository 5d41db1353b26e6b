// ParsonsRung: put the lines of a solution in order. What lines do is rules/blocks.js; whether they are right, Python
// says, by running them: a kernel, or the page's own Python in the book.
import { frame, put } from "./lib/base.js";
import { h, write } from "./lib/elements.js";
import { asker } from "./lib/kernel.js";
import { roving } from "./lib/roving.js";
import { movedTo } from "./lib/share.js";
import { dragged } from "./parts/parsons_rung_drag.js";
import { rows } from "./parts/parsons_rung_rows.js";
import { cleaned, indented, moved, placed, placeOf, putAside, used, usualSteps } from "./rules/blocks.js";

const NO_PYTHON =
  "This page has no Python. Show this widget in the notebook, and there an order is judged by running it.";
const NOTHING_YET = { for: "", state: "", words: "", at: -1, code: "" };
/** @type {[string, string, (lines: any, block: number) => any][]} */
const MOVES = [
  ["↑", "up", (lines, block) => moved(lines, block, -1)],
  ["↓", "down", (lines, block) => moved(lines, block, 1)],
  ["⇤", "less deep", (lines, block) => indented(lines, block, -1)],
  ["⇥", "deeper", (lines, block) => indented(lines, block, 1)],
];
const KEYS = {
  ArrowLeft: MOVES[2][2],
  ArrowRight: MOVES[3][2],
  "Shift+ArrowUp": MOVES[0][2],
  "Shift+ArrowDown": MOVES[1][2],
};

/** What the state says when nothing was judged. */
function saying({ lines, blocks, picked }) {
  const at = placeOf(lines, picked);
  if (at >= 0 && lines.length > 1)
    return `Line ${at + 1} of ${lines.length} is chosen. ⇥ puts it one step deeper. Check, when you think it is right.`;
  const left = blocks.length - lines.length;
  if (lines.length === 0) return `${left} lines, and a few of them are wrong. Click one to use it, or drag it up.`;
  return `In the function: ${lines.length} of ${blocks.length} lines. A few of the others are wrong, and stay out.`;
}

/** Ask Python about an order, and keep what it said of it. */
function judging(model, root, draw) {
  const latest = { ...NOTHING_YET };
  let misses = 0;
  const said = (answer) => {
    root.removeAttribute("aria-busy");
    if (answer.state === "wrong") misses += 1;
    Object.assign(latest, answer);
    draw();
  };
  const failed = (words) => said({ ...NOTHING_YET, for: latest.for, words });
  const kernel = asker(model, {
    obeyed: said,
    failed,
    unanswered: () => failed(NO_PYTHON),
    patience: 60_000,
    unheard: () => failed("Python does not answer: is its kernel running?"),
  }); // prettier-ignore
  return {
    /** What is known of these lines: of others it says nothing. */
    of: (lines) => (latest.for === JSON.stringify(lines) ? latest : NOTHING_YET),
    ask(lines) {
      if (root.getAttribute("aria-busy") === "true") return;
      Object.assign(latest, NOTHING_YET, { for: JSON.stringify(lines), words: "Python runs this order …" });
      if (kernel.hasKernel) root.setAttribute("aria-busy", "true");
      draw();
      kernel.tell({ lines, misses });
    },
    stop: kernel.stop,
  };
}

/** The code of a right order goes to the clipboard, or where the page wants it. */
function handOver(model, view, code) {
  if (model.take) {
    model.take(code);
    return view.say("It stands in the editor. Press Check there: that counts.", "good");
  }
  const copied = () => view.say("Copied. Paste it over the exercise's cell, and run that: it counts.", "good");
  const closed = () => {
    const text = h("textarea", { rows: 8, readonly: true, "aria-label": "the code", value: code });
    view.below.replaceChildren(text);
    text.select();
    view.say("The code is selected below: copy it with Ctrl+C or ⌘C.", "good");
  };
  if (!navigator.clipboard) return closed();
  navigator.clipboard.writeText(code).then(copied, closed);
}

/** The controls: the buttons whose work is `act(name)`, and how they come to fit a state. */
function controlsOf(act, takes) {
  const button = (text, name, label = text) =>
    h("button", { type: "button", "aria-label": label, title: label, onclick: () => act(name) }, text);
  const check = button("Check", "check"),
    copy = button(takes ? "Put it into the editor" : "Copy the code", "copy"),
    use = h("button", { type: "button", class: "pr-use", onclick: () => act("use") });
  const moves = MOVES.map(([sign, name]) =>
    h("button", { type: "button", tabindex: -1, "aria-label": name, title: name, onclick: () => act(name) }, sign),
  ); // prettier-ignore
  const group = h("div", { role: "group", class: "pr-moves", "aria-label": "move the chosen line" }, moves);
  roving(group, "button").refresh(0);
  const off = (each, is) => each.setAttribute("aria-disabled", String(is));
  return {
    nodes: [check, use, group, copy],
    set({ lines, picked }, verdict) {
      const at = placeOf(lines, picked);
      write(use, at < 0 ? "Use this line" : "Put it aside");
      off(moves[0], at <= 0);
      off(moves[1], at < 0 || at === lines.length - 1);
      off(moves[2], at < 0 || lines[at][1] === 0);
      off(moves[3], at < 0 || lines[at][1] === 4);
      off(check, lines.length === 0);
      off(copy, verdict.state !== "correct");
    },
  };
}

/** Arrow keys on a line: ← → its depth, Shift and ↑ ↓ its place, Delete puts it aside. */
function listenToKeys(list, change) {
  list.addEventListener("keydown", (event) => {
    const block = event.target.dataset?.block,
      name = event.shiftKey && event.key.startsWith("Arrow") ? `Shift+${event.key}` : event.key;
    const work = { ...KEYS, Delete: putAside, Backspace: putAside }[name];
    if (block === undefined || !work) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    change((lines) => work(lines, Number(block)));
  });
}

function render({ model, el }) {
  const blocks = model.get("blocks"),
    header = model.get("header"),
    first = { lines: model.get("lines"), picked: model.get("picked") };
  const python = () => `ParsonsRung("${model.get("exercise")}")${movedTo(model, { lines: [], picked: 0 })}`;
  const view = frame({ model, el, python, reset: () => put(model, first) });
  view.root.classList.add("pr");
  const state = () => ({
    blocks,
    header,
    lines: cleaned(model.get("lines"), blocks.length),
    picked: Math.min(Math.max(0, model.get("picked")), blocks.length - 1),
  });
  const change = (work, more = {}) => put(model, { lines: work(state().lines), ...more });
  const list = rows({
    click: (block) =>
      change((lines) => (placeOf(lines, block) < 0 ? used(lines, block, blocks) : lines), { picked: block }),
    drag(block, event) {
      if (event.button !== 0 || (event.pointerType !== "mouse" && !event.target.closest(".pr-handle"))) return;
      const { lines } = state(),
        at = placeOf(lines, block),
        others = putAside(lines, block);
      const steps = (to) => (at < 0 ? usualSteps(others, to, blocks) : lines[at][1]);
      const drop = (to) =>
        change((now) => (to ? placed(now, block, to.at, to.steps) : putAside(now, block)), { picked: block });
      dragged({ list: list.el, mark: list.mark, block, event, steps, depth: header.length, drop });
    },
  });
  const judge = judging(model, view.root, () => draw());
  function act(name) {
    const { lines, picked } = state(),
      verdict = judge.of(lines);
    if (name === "check" && lines.length) judge.ask(lines);
    else if (name === "copy" && verdict.code) handOver(model, view, verdict.code);
    else if (name === "use")
      change(placeOf(lines, picked) < 0 ? (l) => used(l, picked, blocks) : (l) => putAside(l, picked));
    const work = MOVES.find(([, each]) => each === name)?.[2];
    if (work) change((now) => work(now, picked));
  }
  const controls = controlsOf(act, typeof model.take === "function");
  view.controls.append(...controls.nodes);
  view.stage.append(list.el, list.mark);
  listenToKeys(list.el, change);
  const cells = roving(list.el, ".pr-block", {
    onfocus: (button) => {
      const picked = Number(button.dataset.block);
      if (picked !== model.get("picked")) put(model, { picked });
    },
  });

  function draw() {
    const now = state(),
      verdict = judge.of(now.lines),
      hadFocus = list.el.contains(document.activeElement);
    list.draw({ ...now, verdict });
    const blockButtons = [...list.el.querySelectorAll(".pr-block")];
    cells.refresh(Math.max(0, blockButtons.indexOf(list.button(now.picked))), hadFocus);
    controls.set(now, verdict);
    view.say(verdict.words || saying(now), { correct: "good", wrong: "bad" }[verdict.state] ?? "");
  }
  const stop = view.redraw(["lines", "picked"], draw);
  return () => {
    stop();
    judge.stop();
  };
}

export default { render };
