// A tensor's storage as one strip with its strides as arcs, a lane a tensor over it, and what operations do to the
// record. The rules are in rules/ and run here, so that nothing waits for a kernel; PyTorch is asked by Python. This
// file wires.
import { frame, put } from "./lib/base.js";
import { h } from "./lib/elements.js";
import { asker } from "./lib/kernel.js";
import { roving } from "./lib/roving.js";
import { movedTo } from "./lib/share.js";
import { BLANK, controlsOf } from "./parts/stride_view_controls.js";
import { cellWidth, laneGrid, laneRow, Spots, strideArcs, strip } from "./parts/stride_view_lanes.js";
import { oraclePanel, verdict } from "./parts/stride_view_oracle.js";
import { attempt, puzzleStage, sayPuzzle } from "./parts/stride_view_puzzle.js";
import { confirmed, typedLane, unready } from "./parts/stride_view_typing.js";
import { odometer, paintWalk, routeOf, sayMeasured, sayWalk, walkBars, walking } from "./parts/stride_view_walk.js";
import { readIntegers, sayLane, stateOf, tuple } from "./parts/stride_view_words.js";
import { TensorError } from "./rules/tensor_operations.js";

const STATE = [
  "storages",
  "lanes",
  "selected",
  "mode",
  "new_shape",
  "order",
  "step",
  "line_bytes",
  "lines_kept",
  "puzzle",
  "answers",
];
const WORDS = {
  storage: "The memory of a tensor: one row of numbers, whatever its shape.",
  stride: "How many elements of the storage one step along a dimension skips.",
  contiguous: "The elements lie in the order in which they are read, one after the other.",
  "cache line": "The piece in which a processor fetches memory, 64 bytes on most.",
};
const PREDICT = "Predict first: will it be a view, or an error?";

/** The line of Python that makes this widget again. */
function pythonOf(model, first) {
  const lanes = model.get("lanes");
  const named = lanes.filter((lane) => lane.given).map((lane) => lane.name);
  const typed = lanes.filter((lane) => !lane.given).map((lane) => JSON.stringify(lane.name));
  const mode = model.get("mode"),
    shape = model.get("new_shape");
  const settings = [
    ...(typed.length ? [`operations=[${typed.join(", ")}]`] : []),
    ...(mode === "look" ? [] : [`mode="${mode}"`]),
    ...(mode === "view" && /^[-\d, ]+$/.test(shape) ? [`new_shape=(${shape},)`] : []),
  ];
  const usual = { selected: 0, order: "rows", step: 0, line_bytes: first.line_bytes, lines_kept: 1, puzzle: 0 };
  return `StrideView(${[...named, ...settings].join(", ")})${movedTo(model, { ...usual, answers: BLANK })}`;
}

/** One widget: its state, its picture, and what was asked and told. */
class View {
  spots = new Spots();
  arcs = strideArcs();
  /** The question that was predicted, and no other: its verdict goes when lane or shape change. */
  revealed = "";
  measured = null;
  asked = "";
  /** The player, and what to do when cells were drawn anew: set by the parts. */
  walker = null;
  cellsDrawn = () => {};
  walkBox = h("div", { class: "sv-walk" });
  stageBody = h("div", {});
  #bars = "";
  #route = { key: "", route: null };

  constructor(model, frame_) {
    this.model = model;
    this.frame = frame_;
    this.kernel = asker(model, {
      answered: (answer) => this.heard(answer),
      failed: (words) => this.say(words, "bad"),
      unanswered: (question) => {
        if (question.measure) this.say("Measuring needs the kernel: run this cell in JupyterLab.");
      },
    });
  }

  get(name) {
    return this.model.get(name);
  }

  get state() {
    return stateOf(this.model);
  }

  say(words, tone = "") {
    this.frame.say(words, tone);
  }

  /** Light a position of a storage, and every element that is it. */
  light(storage, position, words) {
    this.spots.light(storage, position);
    if (words) this.say(words);
  }

  get puzzle() {
    const all = this.get("puzzles");
    return all[Math.min(this.get("puzzle"), all.length - 1)];
  }

  get question() {
    return `${this.state.lane?.name}|${this.get("new_shape")}`;
  }

  /** The walk at the step of now, or null. */
  get walk() {
    const { lane, storageOf } = this.state;
    const settings = {
      columns: this.get("order") === "columns",
      lineBytes: this.get("line_bytes"),
      kept: this.get("lines_kept"),
    };
    const key = JSON.stringify([lane, settings]);
    if (this.#route.key !== key) this.#route = { key, route: routeOf(lane, storageOf(lane).itemsize, settings) };
    return this.#route.route && walking(this.#route.route, lane.shape, this.get("step"));
  }

  // What a reader does

  choose(at) {
    this.revealed = "";
    put(this.model, { selected: at, step: 0 });
    this.sayNow();
  }

  remove(at) {
    put(this.model, { lanes: this.get("lanes").toSpliced(at, 1), selected: 0, step: 0 });
    this.sayNow();
  }

  append(lane, storage) {
    const storages = storage ? [...this.get("storages"), storage] : this.get("storages");
    const added = storage ? { ...lane, storage: storages.length - 1 } : lane;
    put(this.model, { storages, lanes: [...this.get("lanes"), added], selected: this.get("lanes").length, step: 0 });
    this.say(sayLane(this.state, added), "good");
  }

  /** Carry out a typed operation; true where a lane was added. */
  type(typed) {
    const text = typed.trim(),
      wait = unready(this.state, text);
    this.asked = text;
    if (wait) {
      this.say(wait, text ? "bad" : "");
      return false;
    }
    try {
      const { lane, storage } = typedLane(this.state, text);
      this.append(lane, storage);
      this.kernel.ask({ operation: text });
      return true;
    } catch (error) {
      if (!(error instanceof TensorError)) this.say(`Not done: ${error.message}.`, "bad");
      else {
        const unknown = error.kind === "NotImplementedError";
        this.say(unknown ? `${error.message}.` : `${error.kind}: ${error.message}`, "bad");
        this.kernel.ask({ operation: text });
      }
      return false;
    }
  }

  predict(works) {
    const { lane } = this.state,
      told = verdict(lane, this.get("new_shape"));
    if (!told.ready) return this.say(`${told.words}.`, "bad");
    this.revealed = this.question;
    this.draw();
    const right = works === told.works,
      words = told.works ? `It is a view, strides ${tuple(told.strides)}.` : told.words;
    this.say(`${right ? "Your prediction is right." : "Not what you predicted."} ${words}`, right ? "good" : "bad");
    if (lane.library === "torch")
      this.kernel.ask({ view: { of: lane.name, sizes: readIntegers(this.get("new_shape"), "new shape") } });
  }

  // What the kernel answers

  heard(answer) {
    if (answer.asked === "measure") {
      this.measured = answer;
      this.draw();
      this.say(sayMeasured(answer));
    }
    if (answer.asked === "view" && this.revealed === this.question) this.heardView(answer);
    if (answer.asked === "operation") this.heardLane(answer);
  }

  heardView({ text, lane, error, words }) {
    if (lane) this.say(`PyTorch agrees: ${text} is a view with strides ${tuple(lane.strides)}.`, "good");
    else if (error === "RuntimeError") this.say(`PyTorch agrees, in these words: ${error}: ${words}`, "bad");
  }

  heardLane({ text, lane: theirs, storage, error, words }) {
    if (error) return this.say(`${error}: ${words}`, "bad");
    const lanes = this.get("lanes"),
      at = lanes.findIndex((lane) => lane.name === text && !lane.confirmed);
    if (at < 0) {
      if (text === this.asked) this.append({ ...theirs, given: false }, storage); // only the library knew
      return;
    }
    const told = confirmed(this.state, lanes[at], theirs);
    put(this.model, { lanes: lanes.with(at, told.lane) });
    this.draw();
    this.say(told.words, told.tone);
  }

  // The picture

  draw() {
    const { stage } = this.frame,
      focused = stage.contains(document.activeElement) ? document.activeElement : null;
    const key = focused?.getAttribute("data-key"),
      scroller = stage.querySelector(".sv-scroll"),
      scrolled = [scroller?.scrollLeft ?? 0, scroller?.scrollTop ?? 0];
    this.spots.clear();
    if (this.state.mode === "puzzle") this.drawPuzzle();
    else this.drawLanes(scrolled);
    this.cellsDrawn();
    // What had the focus has it again; where that is gone (a removed lane), its neighbour.
    if (key)
      (stage.querySelector(`[data-key="${key}"]`) ?? stage.querySelector("[data-key]"))?.focus({ preventScroll: true });
    if (this.state.mode === "walk") this.paintWalk();
  }

  drawPuzzle() {
    const { puzzle } = this,
      tried = attempt(puzzle, this.get("answers"));
    this.frame.root.style.setProperty("--sv-w", "30px");
    const light = (storage, position) => this.light(storage, position);
    const nodes = puzzleStage(puzzle, this.get("puzzle") + 1, tried, this.spots, light);
    this.stageBody.replaceChildren(h("div", { class: "sv-body" }, nodes));
    this.frame.below.replaceChildren();
    const [words, tone] = sayPuzzle(puzzle, tried);
    this.say(words, tone);
  }

  drawLanes(scrolled) {
    const { state } = this,
      { lane, mode } = state;
    this.frame.root.style.setProperty("--sv-w", `${cellWidth(state)}px`);
    const light = (storage, position, words) => this.light(storage, position, words);
    const strips = state.storages.map((_, k) => this.storageBox(k, light));
    const told = this.revealed === this.question ? verdict(lane, this.get("new_shape")) : null;
    const top =
      mode === "walk" ? this.walkBox : mode === "view" ? oraclePanel(lane, this.get("new_shape"), told) : null;
    this.stageBody.replaceChildren(
      ...(top ? [top] : []),
      h(
        "div",
        { class: "sv-body" },
        h("div", { class: "lmc-scroll sv-scroll" }, strips),
        h("div", { class: "lmc-scroll sv-read" }, laneGrid(state, lane, this.spots, light)),
      ),
    );
    showChosen(this.stageBody.querySelector(".sv-scroll"), scrolled);
    if (mode !== "walk") this.frame.below.replaceChildren();
  }

  /** A storage with the lanes that read it; nothing where none does. */
  storageBox(k, light) {
    const { state } = this,
      { mode } = state,
      mine = state.lanes.map((lane, i) => ({ lane, i })).filter(({ lane }) => lane.storage === k);
    if (!mine.length) return null;
    const { head, cells } = strip(state, k, this.spots, light),
      own = state.lane.storage === k;
    if (own) this.showArcs((mode === "walk" && this.walk?.index) || state.lane.shape.map(() => 0));
    const how = {
      spots: this.spots,
      choose: (i) => this.choose(i),
      remove: (i) => this.remove(i),
      theirs: this.get("theirs"),
    };
    const rows = mine.map(({ lane, i }) => laneRow(state, lane, i, how));
    return h("div", { class: "sv-storage" }, head, own ? this.arcs.el : null, cells, rows);
  }

  /** The strides of the chosen lane as arcs, from the element at `index`. */
  showArcs(index) {
    const { state } = this;
    this.arcs.show(state.lane, index, cellWidth(state), state.storageOf(state.lane).size);
  }

  paintWalk() {
    const { state, walk } = this;
    paintWalk(this.frame.stage, this.spots, state.lane, walk);
    this.walkBox.replaceChildren(odometer(state.lane, walk));
    this.drawBars(walk);
    if (!walk) return;
    this.showArcs(walk.index);
    this.walker.set(walk.step, walk.numel);
    this.say(sayWalk(state.lane, walk));
  }

  /** What no step changes is drawn once. */
  drawBars(walk) {
    const key = JSON.stringify([this.#route.key, this.measured]),
      { below } = this.frame;
    if (this.#bars === key && below.firstChild) return;
    this.#bars = key;
    below.replaceChildren(...walkBars(walk, this.measured));
  }

  /** The first sentence of a state: what the lane is, or what is to be predicted. */
  sayNow() {
    const { mode, lane } = this.state;
    if (mode === "view") this.say(PREDICT);
    if (mode === "look") this.say(sayLane(this.state, lane));
  }
}

/** Where the strips were scrolled to, or further down, where the chosen lane is. */
function showChosen(scroller, [left, top]) {
  const lane = scroller.querySelector(".sv-chosen");
  const from = lane.offsetTop,
    to = from + lane.offsetHeight;
  scroller.scrollLeft = left;
  scroller.scrollTop = Math.max(Math.min(top, from), to - scroller.clientHeight);
}

/** Pointing and arrows: cells light up, and are one tab stop. */
function linkCells(view) {
  const { stage } = view.frame;
  const point = (event) => {
    const spot = view.spots.of(event.target.closest?.(".sv-cell"));
    if (!spot) return;
    view.light(spot.storage, spot.position, spot.says?.());
    if (spot.index && view.state.mode === "look") view.showArcs(spot.index);
  };
  stage.addEventListener("pointerover", point);
  stage.addEventListener("focusin", point);
  stage.addEventListener("pointerleave", () => view.light(-1, -1));
  const shape = () => (view.state.mode === "puzzle" ? view.puzzle.shape : (view.state.lane?.shape ?? [1]));
  const groups = [
    roving(stage, ".sv-name"),
    roving(stage, ".sv-pos"),
    roving(stage, ".sv-el", { columns: () => shape().at(-1) ?? 1 }),
  ];
  view.cellsDrawn = () => {
    groups[0].refresh(Math.max(0, view.get("selected")));
    groups[1].refresh(0);
    groups[2].refresh(0);
  };
}

function render({ model, el }) {
  const first = Object.fromEntries(STATE.map((name) => [name, model.get(name)]));
  const reset = () => {
    view.revealed = "";
    view.measured = null;
    put(model, first);
    view.sayNow();
  };
  const view = new View(model, frame({ model, el, reset, python: () => pythonOf(model, first) }));
  view.frame.root.classList.add("sv");
  view.frame.words(WORDS);
  linkCells(view);
  const settle = controlsOf(view);
  const drawn = ["storages", "lanes", "selected", "mode", "new_shape", "puzzle", "answers", "theirs"];
  const stop = view.frame.redraw(drawn, () => {
    settle();
    view.draw();
  });
  const stopWalk = view.frame.redraw(["order", "step", "line_bytes", "lines_kept"], () => {
    settle();
    if (view.state.mode === "walk") view.paintWalk();
  });
  view.sayNow();
  return () => {
    stop();
    stopWalk();
    view.walker.stop();
    view.arcs.stop();
    view.kernel.stop();
  };
}

export default { render };
