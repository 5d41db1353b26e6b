// FloatBits: every bit of a number. The arithmetic is in rules/floats.js and runs here; what is drawn of it is in
// parts/float_bits_*.js. On top the number and its format, then the bits, the number line, the digits; more in tabs.
import { frame, put } from "./lib/base.js";
import { choice, field } from "./lib/controls.js";
import { h } from "./lib/elements.js";
import { roving } from "./lib/roving.js";
import { movedTo } from "./lib/share.js";
import { watchWidth } from "./lib/width.js";
import { digitRows, factsOf, yoursOf } from "./parts/float_bits_facts.js";
import { numberLine } from "./parts/float_bits_line.js";
import { judge, questionOf } from "./parts/float_bits_rounding.js";
import { bitsRow } from "./parts/float_bits_row.js";
import { tabPanel } from "./parts/float_bits_tabs.js";
import { sayNumber, spacingWords, weightOf } from "./parts/float_bits_words.js";
import { parse } from "./rules/expressions.js";
import {
  asText,
  decode,
  encode,
  namesFor,
  neighbour,
  nick,
  randomStream,
  short,
  steps,
  two,
  width,
} from "./rules/floats.js";

// What a reader may change.
const MOVED = ["entered", "pattern", "format", "rounding", "overflow", "picture", "predict"];
const FIRST = ["float16", "bfloat16", "float32"]; // the formats that are always in view
const EXAMPLES = "0.1, 1/3, 1 + 2**-8 + 2**-40, max, tiny/2, nan";

/**
 * The number entered, its pattern in the format, and what the pattern stands for; `error` in words where there is none.
 * `rounded`: what is stored is not what was entered. `masked`: that is to be predicted, and `guess` not yet made.
 */
function readNumber(model, formats, { seed, guess }) {
  const f = formats.find((each) => each.name === model.get("format")) ?? formats[0],
    pattern = model.get("pattern");
  if (pattern) {
    const bits = BigInt(pattern) & (two(width(f)) - 1n),
      value = decode(f, bits);
    return { f, bits, value, entered: value, rounded: false, masked: false, error: "" };
  }
  try {
    const entered = parse(model.get("entered"), namesFor(f, formats)),
      mode = model.get("rounding");
    const bits = encode(f, entered, mode, model.get("overflow"), randomStream(seed)());
    const value = decode(f, bits);
    const rounded = entered.kind === "finite" && (steps(f, entered).rest.n !== 0n || value.kind !== "finite");
    const asked = model.get("predict") && model.get("picture") === "rounding" && mode !== "stochastic";
    return { f, bits, value, entered, rounded, masked: asked && guess === null && rounded, error: "" };
  } catch (error) {
    return { f, bits: 0n, value: null, entered: null, rounded: false, masked: false, error: error.message };
  }
}

function pythonOf(model) {
  const usual = { rounding: "nearest_even", overflow: "inf", picture: "none", predict: false };
  const extra = Object.keys(usual).filter((name) => model.get(name) !== usual[name] && name !== "predict");
  const words = extra.map((name) => `, ${name}=${JSON.stringify(model.get(name))}`).join("");
  const value = model.get("pattern") ? `bits=${model.get("pattern")}` : JSON.stringify(model.get("entered"));
  const predict = model.get("predict") ? ", predict=True" : "";
  const line = `FloatBits(${value}, format=${JSON.stringify(model.get("format"))}${words}${predict})`;
  // predict=True opens the tab Rounding, whatever `picture` says
  return predict ? line + movedTo(model, { picture: "rounding" }) : line;
}

/** fp16, bf16 and fp32 as buttons with one tab stop, the others in a list. */
function formatPicker(formats, pick) {
  const first = FIRST.filter((name) => formats.some((f) => f.name === name));
  const buttons = first.map((name) =>
    h("button", { type: "button", class: "lmc-fb-format", "data-format": name, onclick: () => pick(name) }, nick(name)),
  );
  const others = formats.filter((f) => !first.includes(f.name)).map((f) => [f.name, f.name]);
  const list = choice({
    label: "or",
    options: [["", "another format"], ...others],
    value: "",
    onchange: (name) => name && pick(name),
  });
  const row = h("div", { class: "lmc-fb-formats", role: "group", "aria-label": "format" }, buttons);
  roving(row, "button").refresh();
  list.select.setAttribute("aria-label", "another format");
  return {
    els: [row, list.el],
    set(name) {
      for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.format === name));
      list.set(first.includes(name) ? "" : name);
    },
  };
}

/** The parts of the stage, and `draw`, which brings them up to a number; where there is none they keep their room. */
function stageOf(view, model, formats, on) {
  let shownNow = null;
  const light = (at) => {
    if (shownNow) three.light(at === null ? null : weightOf(shownNow.f, shownNow.bits, at));
  };
  const bits = bitsRow({ ...on, light }),
    line = numberLine(on.step),
    facts = factsOf(model.get("has_encode")),
    three = digitRows(formats),
    question = questionOf(on.guessed),
    panel = tabPanel(model, formats, on),
    yours = yoursOf(model, on.changed);
  const answer = h("div", { class: "lmc-fb-answer" }, question.el, line.el, facts.el, three.el);
  view.stage.append(view.controls, bits.el, answer);
  view.below.append(...panel.els);
  const revealing = [line.el, facts.el, three.el];
  return {
    stop: yours.stop,
    /** Where the focus goes when the question, which had it, is answered: to the tab that says why. */
    focus: () => panel.focus(),
    draw(now, about) {
      const shown = (nodes, yes) => {
        for (const node of nodes) node.classList.toggle("lmc-fb-blank", !yes);
      };
      shown([bits.el, panel.panel], !now.error);
      shown(revealing, !now.error && !now.masked);
      question.draw(now.masked ? now : null, about.policy.rounding);
      shownNow = null;
      if (now.error) return;
      bits.draw(now.f, now.bits, now.masked);
      panel.draw(now, { ...about, masked: now.masked });
      shownNow = now.masked ? null : now;
      if (now.masked) return;
      line.draw(now, model.get("pattern") ? null : model.get("entered").trim().slice(0, 24), about.inner);
      facts.draw(now, model.get("has_encode") ? yours.of(now) : "");
      three.draw(now, about.policy);
    },
  };
}

/** What a reader does to the number: each act clears what was said and guessed before, and says what came of it. */
function actsOf(model, session, read) {
  const clear = (message = null) => Object.assign(session, { message, guess: null });
  const setBits = (bits, message) => {
    clear(message);
    put(model, { pattern: `0x${bits.toString(16)}` });
  };
  return {
    type(text) {
      clear();
      put(model, { entered: text, pattern: "" });
    },
    format(name) {
      const now = read();
      clear();
      put(model, model.get("pattern") ? { format: name, entered: asText(now.value), pattern: "" } : { format: name });
    },
    choose: (code) => setBits(code, null),
    flip(at, on) {
      const { f, bits, error } = read(),
        next = on ? bits | two(at) : bits & ~two(at);
      if (error || next === bits) return;
      const became = `${short(decode(f, bits))} became ${short(decode(f, next))}`;
      setBits(next, { text: `Bit ${at} flipped: ${became}${spacingWords(f, next)}.`, tone: "" });
    },
    step(direction) {
      const { f, bits, error } = read(),
        next = error ? null : neighbour(f, bits, direction);
      if (next === null) {
        session.message = { text: `There is no number ${direction > 0 ? "above" : "below"} this one.`, tone: "" };
        return session.changed();
      }
      const way = `One step ${direction > 0 ? "up" : "down"}: ${short(decode(f, bits))} to ${short(decode(f, next))}`;
      setBits(next, { text: `${way}${spacingWords(f, next)}.`, tone: "" });
    },
    guessed(guess) {
      Object.assign(session, { guess, message: judge(read(), model.get("rounding"), guess) });
      session.changed();
      session.answered();
    },
    again() {
      session.seed += 1;
      session.changed();
    },
  };
}

/** The reading line: what was just done, what is to be predicted, or what the number is. */
function sentence(now, session) {
  if (now.error) return { text: `${now.error[0].toUpperCase()}${now.error.slice(1)}.`, tone: "bad" };
  if (now.masked) return { text: "The bits are hidden until you have said which neighbour is stored.", tone: "" };
  return session.message ?? { text: sayNumber(now), tone: "" };
}

function titleOf(model, { f, bits, error }) {
  if (error) return `Every bit of a number in ${f.name}`;
  const name = model.get("pattern") ? `0x${bits.toString(16)}` : model.get("entered").trim();
  return `Every bit of ${name.length > 40 ? `${name.slice(0, 40)}…` : name} in ${f.name}`;
}

function render({ model, el }) {
  const formats = model.get("formats"),
    first = Object.fromEntries(MOVED.map((name) => [name, model.get(name)])),
    session = { seed: 1, guess: null, message: null, changed: () => draw(), answered: () => stage.focus() };
  const read = () => readNumber(model, formats, session);
  const reset = () => {
    Object.assign(session, { guess: null, message: null });
    put(model, first);
  };
  const view = frame({ model, el, reset, python: () => pythonOf(model) });
  view.root.classList.add("fb");
  const acts = actsOf(model, session, read);
  const number = field({ label: "Number", value: "", placeholder: EXAMPLES, oninput: acts.type }),
    picker = formatPicker(formats, acts.format);
  number.input.classList.add("lmc-fb-enter");
  const hint = h("span", { class: "lmc-fb-hint lmc-muted" }, "Click a bit, or drag over several.");
  view.controls.append(number.el, ...picker.els, hint);
  const stage = stageOf(view, model, formats, { ...acts, say: (words) => view.say(words), changed: () => draw() });
  let inner = 640,
    asked = "";

  function draw() {
    const policy = { rounding: model.get("rounding"), overflow: model.get("overflow") },
      question = JSON.stringify([policy, model.get("predict")]);
    if (asked !== question) Object.assign(session, { guess: null, message: null }); // what was said was of another mode
    asked = question;
    const now = read();
    number.set(model.get("pattern") && !now.error ? asText(now.value) : model.get("entered"));
    picker.set(now.f.name);
    view.title(titleOf(model, now));
    const size = { inner: Math.max(280, inner - 72), width: Math.max(560, Math.min(900, inner)) };
    stage.draw(now, { ...size, policy, seed: session.seed });
    const { text, tone } = sentence(now, session);
    view.say(text, tone);
  }
  const stop = view.redraw(MOVED, draw);
  const unwatch = watchWidth(view.stage, (wide) => {
    inner = wide;
    draw();
  });
  return () => {
    stop();
    unwatch();
    stage.stop();
  };
}

export default { render };
