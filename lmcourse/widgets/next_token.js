// NextToken: what a model would say next. The rules are in rules/model.js, sampling.js and roads.js, the pictures in
// parts/next_token_*.js; here are the state, what each tab says of it, and the controls.
import { bounded, frame, put } from "./lib/base.js";
import { field, slider, tabs } from "./lib/controls.js";
import { fill, h, write } from "./lib/elements.js";
import { still } from "./lib/motion.js";
import { percent } from "./lib/numbers.js";
import { movedTo } from "./lib/share.js";
import { cleaned, spell } from "./lib/tokens.js";
import { answersOf } from "./parts/next_token_answers.js";
import { attentionPanel } from "./parts/next_token_attention.js";
import { roadsPanel } from "./parts/next_token_roads.js";
import { sharesPanel } from "./parts/next_token_shares.js";
import { given, shareOf, surprisePanel } from "./parts/next_token_surprise.js";
import { strip } from "./parts/next_token_text.js";
import { MISSING, WORDS } from "./parts/next_token_words.js";
import { TAKEN, beginningOf, bytesOf, checkedTree, endOf, idsOf, pathTo, roadOf, take } from "./rules/roads.js";
import { die, distribution, fallsOn } from "./rules/sampling.js";

const HOW = ["temperature", "top_k", "top_p"];
const ROAD = ["text", "tree", "cursor", "leaf", "draws"];
const STATE = [...ROAD, ...HOW, "seed", "view", "head", "surprise"];
const MEANINGS = {
  temperature: "What logits are divided by before the shares: below 1 the likely tokens win more often, above 1 less.",
  "top-p": "Draw from the fewest most probable tokens that have this share together; the others are cut off.",
  "top-k": "Draw from this many of the most probable tokens; the others are cut off.",
  "a head": "A part of attention that looks over the text by weights of its own. Each layer has several.",
  "a nat": "The unit of the loss: 1 nat more means that the model gave the token e ≈ 2.72 times less.",
};
const VIEWS = { next: "Next token", roads: "Roads", attention: "Attention", surprise: "Surprise" };
const MOST = 4000; // characters of a text
const LONGEST = 1000; // tokens of a road
const AT_ONCE = 200; // tokens that Write writes
const PACE = 4; // milliseconds between two of them
const FALL = 500; // milliseconds in which a die is seen

// What is seen, from the state and the answers

/** All that the panels and the words need. */
export function sceneOf(state, answers, throwing) {
  const { tree, cursor, leaf } = state,
    path = pathTo(tree, leaf),
    here = path.indexOf(cursor),
    before = path.slice(0, here + 1),
    next = path[here + 1];
  const ids = idsOf(tree, before),
    scene = { ...state, path, before, ids, missing: MISSING[answers.status()], pieceOf: answers.pieceOf };
  if (state.view === "surprise") return { ...scene, judged: answers.losses(state.surprise) };
  if (state.view === "attention")
    return { ...scene, pieces: before.map((k) => tree[k][2]), heads: answers.attention(ids) };
  const found = answers.logits(ids);
  if (!found) return scene;
  const dist = distribution(found.logits, found.order, state),
    falls = throwing?.cursor === cursor;
  const taken = falls ? throwing.rank : next === undefined ? -1 : found.order.indexOf(tree[next][1]),
    thrown = falls ? throwing.thrown : next === undefined ? -1 : tree[next][3];
  return { ...scene, ...found, dist, taken, thrown };
}

/** The cells of the text on top. */
function cellsOf(scene) {
  const { view, tree, cursor, path, before, heads, head, judged } = scene;
  if (view === "surprise")
    return (judged?.pieces ?? []).map((piece, k) => {
      const loss = judged.losses[k],
        words = loss === null ? "the first token has no loss" : `${loss.toFixed(2)} nats, ${given(loss)}`;
      return { key: `${k}:${piece}`, piece, share: shareOf(loss), words: `“${spell(piece)}”: ${words}` };
    });
  const weights = view === "attention" && heads ? heads[head[0]][head[1]] : null,
    skipped = weights ? before.length - weights.length : 0;
  return path.map((k, i) => {
    const [, id, piece] = tree[k],
      share = weights?.[i - skipped] ?? 0;
    const words = weights && k <= cursor ? `“${spell(piece)}”: ${percent(share)}` : spell(piece);
    return { key: `${k}:${id}`, piece, later: i >= before.length, share, words };
  });
}

function pythonOf(model) {
  const get = (name) => model.get(name),
    none = (value, usual) => (value === usual ? "None" : String(value));
  const given = beginningOf(get("tree")),
    last = given.length - 1;
  const own = get("surprise") === get("text") ? "" : `, surprise=${JSON.stringify(get("surprise"))}`;
  return (
    `NextToken(model, tokenizer, ${JSON.stringify(get("text"))}, temperature=${get("temperature")}, ` +
    `top_k=${none(get("top_k"), 0)}, top_p=${none(get("top_p"), 1)}, seed=${get("seed")}${own})` +
    movedTo(model, { tree: given, cursor: last, leaf: last, draws: 0, view: "next", head: [0, 0] })
  );
}

// Controls

function controlsOf(get, set, does) {
  const two = (v) => v.toFixed(2);
  return {
    draw: h("button", { type: "button", class: "nt-main", onclick: does.draw }, "Draw"),
    write: h("button", { type: "button", onclick: does.write }, "Write"),
    load: h("button", { type: "button", onclick: does.load }, "Load the model"),
    temperature: slider({
      label: "Temperature",
      min: 0,
      max: 2,
      step: 0.05,
      value: get("temperature"),
      format: two,
      oninput: (v) => set({ temperature: v }),
    }),
    top_p: slider({
      label: "Top-p",
      min: 0.05,
      max: 1,
      step: 0.05,
      value: get("top_p"),
      format: (v) => (v === 1 ? "all" : two(v)),
      oninput: (v) => set({ top_p: v }),
    }),
    top_k: slider({
      label: "Top-k",
      min: 0,
      max: 100,
      value: get("top_k"),
      format: (v) => (v === 0 ? "all" : String(v)),
      oninput: (v) => set({ top_k: v }),
    }),
    seed: slider({ label: "Seed", min: 0, max: 99, value: get("seed"), oninput: (v) => set({ seed: v, draws: 0 }) }),
    text: field({ label: "Begin with", value: get("text"), oninput: does.begin }),
    surprise: field({ label: "Your text", value: get("surprise"), oninput: does.judge }),
  };
}

const SHOWN = {
  next: ["draw", "write", "temperature", "top_p"],
  roads: ["draw", "write"],
  attention: ["load"],
  surprise: ["surprise", "load"],
};

/** The buttons' rules: what the reader does, and what goes on by itself until it is stopped. */
function player(get, set, { answers, scene, redrawn }) {
  let left = 0, // tokens that are still to be written
    waiting = false,
    throwing = null,
    timer = 0;
  const go = (changes) => {
    answers.wake();
    set(changes);
  };
  const stop = () => {
    clearTimeout(timer);
    left = 0;
    waiting = false;
    throwing = null;
  };
  const ended = ({ id, tree, cursor }) =>
    get("stops").includes(id) || bytesOf(tree, pathTo(tree, cursor)).endsWith("\n\n");
  /** Take the token of a rank; `thrown` is the die's number, or TAKEN. */
  const choose = (rank, thrown) => {
    const now = scene();
    throwing = null;
    if (!now.dist || now.path.length >= LONGEST) return stop();
    const id = now.order[rank],
      next = take(get("tree"), get("cursor"), id, answers.pieceOf(id), thrown);
    if (left > 0) left = ended({ id, ...next }) ? 0 : left - 1;
    go({ ...next, draws: get("draws") + Number(thrown >= 0) });
  };
  const settle = () => {
    clearTimeout(timer);
    if (throwing) choose(throwing.rank, throwing.thrown);
  };
  const draw = () => {
    settle();
    answers.wake();
    const { dist } = scene();
    waiting = !dist && answers.status() !== "none";
    if (!dist) return redrawn();
    const thrown = die(get("seed"), get("draws")),
      rank = fallsOn(dist.chance, dist.kept, thrown);
    if (left > 0 || still() || get("view") !== "next") return choose(rank, thrown);
    throwing = { cursor: get("cursor"), rank, thrown };
    timer = window.setTimeout(settle, FALL);
    redrawn();
  };
  return {
    go,
    stop,
    draw,
    take: (rank) => {
      stop();
      choose(rank, TAKEN);
    },
    write() {
      const start = left === 0;
      stop();
      left = start ? AT_ONCE : 0;
      if (start) draw();
      else redrawn();
    },
    throwing: () => throwing,
    writing: () => left > 0,
    /** After what is drawn: go on, where there is something to go on with. */
    goOn({ dist }) {
      if (!dist || throwing || !(waiting || left > 0)) return;
      clearTimeout(timer);
      timer = window.setTimeout(draw, waiting ? 0 : PACE);
      waiting = false;
    },
  };
}

// The stage: tabs, the text, and the panel of the tab

function stageOf(model, view, { rank, node, head, cell, tab }) {
  const about = model.get("about"),
    nothing = { el: h("div", { class: "nt-panel" }), draw() {} };
  const panels = {
    next: sharesPanel(rank),
    roads: roadsPanel(node),
    attention: about.num_heads ? attentionPanel(about, head) : nothing,
    surprise: surprisePanel(),
  };
  const text = strip({ label: "the text, token by token", choose: cell }),
    place = h("div", { class: "nt-place" });
  const tabList = tabs({
    label: "what to look at",
    options: Object.entries(VIEWS),
    value: model.get("view"),
    onchange: tab,
  });
  view.stage.append(tabList.el, text.el, place);
  return {
    /** `late`: what is shown is of the text before, and the answer is on its way. */
    draw(name, scene, late) {
      tabList.set(name);
      text.el.classList.toggle("nt-by-loss", name === "surprise");
      fill(place, [panels[name].el]);
      place.classList.toggle("nt-late", late);
      if (!late) panels[name].draw(scene);
      text.draw(cellsOf(scene), currentOf(scene)); // last, since it measures
    },
  };
}

/** The key of the cell where the cursor is. */
const currentOf = ({ view, tree, cursor, looked, judged }) => {
  if (view !== "surprise") return `${cursor}:${tree[cursor][1]}`;
  return judged?.pieces[looked] === undefined ? null : `${looked}:${judged.pieces[looked]}`;
};

function checked(model) {
  checkedTree(model.get("tree"), model.get("cursor"), model.get("leaf"));
  bounded(model, { draws: [0, 2 ** 31], seed: [0, 2 ** 31], top_k: [0, 2 ** 31] });
  for (const [name, least, most] of [
    ["temperature", 0, 2],
    ["top_p", 0.001, 1],
  ])
    if (!(model.get(name) >= least && model.get(name) <= most))
      throw new RangeError(`${name}: ${least} to ${most}, got ${model.get(name)}`);
  const { num_layers = 1, num_heads = 1 } = model.get("about"),
    [layer, head] = model.get("head");
  if (!(layer in Array(num_layers).fill(0)) || !(head in Array(num_heads).fill(0)))
    throw new RangeError(`head: a layer and a head, got ${model.get("head")}`);
}

/** What the reader does, by the controls and in the pictures. */
function doings(get, { plays, answers, set, local, told, redrawn }) {
  const node = (k) => {
    const on = pathTo(get("tree"), get("leaf")).includes(k);
    plays.stop();
    plays.go({ cursor: k, leaf: on ? get("leaf") : endOf(get("tree"), k) });
  };
  const tidy = (typed, then) => {
    const { text, note } = cleaned(typed, MOST, "taken");
    plays.stop();
    then(text);
    if (note) told(note);
  };
  return {
    node,
    rank: plays.take,
    draw: plays.draw,
    write: plays.write,
    head: (head) => plays.go({ head }),
    load() {
      answers.wake();
      redrawn();
    },
    cell(key) {
      const at = Number.parseInt(key, 10);
      if (get("view") !== "surprise") return node(at);
      local.looked = at;
      redrawn();
    },
    tab(name) {
      plays.stop();
      local.looked = -1;
      set({ view: name });
    },
    begin: (typed) => tidy(typed, answers.begin),
    judge: (typed) =>
      tidy(typed, (text) => {
        local.looked = -1;
        plays.go({ surprise: text });
      }),
  };
}

/** The controls in view are those of the tab. */
function controlsBelow(view, control) {
  const shown = h("div", { class: "lmc-controls nt-controls" });
  view.controls.append(shown);
  view.more(control.text.el, control.top_k.el, control.seed.el);
  return {
    draw(name, state, { asleep, writing }) {
      const wanted = SHOWN[name].filter((each) => each !== "load" || asleep);
      fill(
        shown,
        wanted.map((each) => control[each].el ?? control[each]),
      );
      for (const each of [...HOW, "seed"]) control[each].set(state[each]);
      for (const each of ["text", "surprise"])
        if (document.activeElement !== control[each].input) control[each].set(state[each]);
      write(control.write, writing ? "Pause" : "Write");
    },
  };
}

function render({ model, el }) {
  const get = (name) => model.get(name),
    stateNow = () => Object.fromEntries([...STATE, "about"].map((name) => [name, get(name)]));
  checked(model);
  const first = Object.fromEntries(STATE.map((name) => [name, get(name)])),
    local = { trouble: "", looked: -1, drawn: "" };
  const set = (changes) => {
    local.trouble = "";
    put(model, changes);
  };
  const told = (words) => {
    local.trouble = words;
    draw();
  };
  const reset = () => {
    plays.stop();
    set(first);
  };
  const view = frame({ model, el, python: () => pythonOf(model), reset });
  view.root.classList.add("lmc-next");
  view.words(MEANINGS);
  const begun = ({ text, ids, pieces }) => {
    if (!ids.length) return told("Type a beginning: a model goes on with a text, it begins none.");
    plays.go({ text, tree: roadOf(ids, pieces), cursor: ids.length - 1, leaf: ids.length - 1, draws: 0 });
  };
  const failed = (words) => told(`${answers.hasKernel ? "Python could not" : "Not here"}: ${words}`);
  const answers = answersOf(model, { changed: () => draw(), failed, begun });
  const scene = () => sceneOf({ ...stateNow(), looked: local.looked }, answers, plays.throwing());
  const plays = player(get, set, { answers, scene, redrawn: () => draw() });
  const does = doings(get, { plays, answers, set, local, told, redrawn: () => draw() });
  const stage = stageOf(model, view, does),
    controls = controlsBelow(view, controlsOf(get, set, does));
  function draw() {
    const name = VIEWS[get("view")] ? get("view") : "next",
      now = scene(),
      known = { next: now.dist, attention: now.heads, surprise: now.judged }[name] ?? name === "roads";
    const late = !known && answers.status() === "ready" && local.drawn === name;
    if (!late) local.drawn = name;
    view.root.classList.toggle("nt-writing", plays.writing());
    stage.draw(name, now, late);
    controls.draw(name, now, { asleep: answers.status() === "asleep", writing: plays.writing() });
    if (local.trouble) view.say(local.trouble, "bad");
    else if (!late) view.say(WORDS[name](now), "", plays.writing());
    plays.goOn(now);
  }
  const stop = view.redraw(STATE, draw);
  return () => {
    stop();
    plays.stop();
    answers.stop();
  };
}

export default { render };
