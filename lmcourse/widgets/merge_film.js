// MergeFilm: byte-pair encoding, merge by merge: learned from a text, then applied to another. The algorithm is in
// rules/bpe.js and runs here, so that the film needs no kernel; what is drawn of it is in parts/merge_film_*.js.
import { frame, put } from "./lib/base.js";
import { check, choice, field, help, slider } from "./lib/controls.js";
import { change, fill, h } from "./lib/elements.js";
import { asker } from "./lib/kernel.js";
import { grouped } from "./lib/numbers.js";
import { stepper } from "./lib/player.js";
import { watchWidth } from "./lib/width.js";
import { movedTo } from "./lib/share.js";
import { cleaned } from "./lib/tokens.js";
import { MOST, MOST_NEW, Projector } from "./parts/merge_film_projector.js";
import { raceOf } from "./parts/merge_film_race.js";
import { RULES, rulesOf, verdictOf } from "./parts/merge_film_rules.js";
import { timeline } from "./parts/merge_film_timeline.js";
import { tracksOf } from "./parts/merge_film_tracks.js";
import { biographyOf, vocabularyOf } from "./parts/merge_film_vocabulary.js";
import { headEncoding, headTraining, sayEncoding, sayTraining } from "./parts/merge_film_words.js";
import { once } from "./rules/film.js";

const TIE = "Two pairs that are counted equally often: a rule, not the text, says which of them is merged first.";
const WORDS = {
  "a pre-token": "A piece that the text is cut into before any merge, about a word: no token reaches beyond it.",
  "a rank": "Which merge it was: rank 0 was learned first. Encoding always fires the lowest rank that fits.",
  "an id": "The number of a token: 0 to 255 are the bytes, and each merge gets the next one.",
};
const MOVED = ["text", "new_text", "vocab_size", "tie", "step", "whose", "guess"]; // what a reader may change

function pythonOf(model) {
  const [text, tie, newText] = ["text", "tie", "new_text"].map((name) => JSON.stringify(model.get(name)));
  const [guess, train] = [
    model.get("guess") ? ", guess=True" : "",
    model.get("has_train") ? ", train=your_trainer" : "",
  ];
  return (
    `MergeFilm(${text}, vocab_size=${model.get("vocab_size")}, tie=${tie}, new_text=${newText}, ` +
    `step=${model.get("step")}${guess}${train})${movedTo(model, { whose: "reference" })}`
  );
}

/** The select, slider and box that each set one trait. */
function settingsOf(model) {
  const set = (name) => (value) => put(model, { [name]: value });
  const whose = { reference: "the reference", yours: "your trainer" };
  return {
    tie: choice({
      label: "a tie goes to",
      options: Object.entries(RULES),
      value: model.get("tie"),
      onchange: set("tie"),
    }),
    vocab_size: slider({
      label: "vocabulary",
      min: 257,
      max: Math.max(768, model.get("vocab_size")),
      value: model.get("vocab_size"),
      format: (n) => `${grouped(n)} tokens`,
      oninput: set("vocab_size"),
    }),
    guess: check({ label: "let me guess", value: model.get("guess"), onchange: set("guess") }),
    whose: choice({
      label: "play",
      options: Object.entries(whose),
      value: model.get("whose"),
      onchange: set("whose"),
    }),
  };
}

/** The two texts; `noted` gets what is to be said of a typed one. */
function textsOf(model, noted) {
  const typed = (name, most, done) => (given) => {
    const { text, note } = cleaned(given, most, done);
    noted(note);
    put(model, { [name]: text });
  };
  const text = (label, name, oninput) => field({ label, lines: 2, value: model.get(name), oninput });
  const texts = {
    text: text("Train on", "text", typed("text", MOST, "trained on")),
    new_text: text("Then encode", "new_text", typed("new_text", MOST_NEW, "encoded")),
  };
  return {
    el: h("div", { class: "mf-texts" }, texts.text.el, texts.new_text.el),
    set() {
      for (const [name, part] of Object.entries(texts))
        if (document.activeElement !== part.input) part.set(model.get(name));
    },
  };
}

/** The player, the settings and the texts, each in its place; `set` brings them up to the model. */
function controlsOf(f, model, noted, rules) {
  const player = stepper({ label: "merge", go: (step) => put(model, { step }) }),
    settings = settingsOf(model),
    texts = textsOf(model, noted);
  const { tie, vocab_size, guess, whose } = settings;
  const own = model.get("has_train");
  f.controls.append(tie.el, help("tie?", TIE), own ? whose.el : vocab_size.el);
  f.more(texts.el, ...(own ? [vocab_size.el] : []), guess.el, rules.el).textContent = "More: your text";
  const move = once((position, length) => player.set(position, length)),
    each = Object.entries(settings).map(([name, control]) => ({ name, set: once(control.set) }));
  return {
    player,
    set(position, length) {
      move(position, length);
      for (const { name, set } of each) set(model.get(name));
      texts.set();
    },
  };
}

/**
 * The stage's parts in their order, and `draw`, which brings all of them up to the view. On the first screen: what a
 * step did, the player, how far it has come and what is next, the text.
 */
function stageOf(f, model, on) {
  let chosen = null;
  const choose = (bytes) => {
    chosen = bytes;
    on.redrawn();
  };
  const go = (step) => put(model, { step }),
    lines = model.get("has_train") ? 1 : 2; // the verdict needs the room of one
  const headline = h("div", { class: "mf-headline" }),
    time = timeline(go),
    tracks = tracksOf({ turned: on.redrawn, choose, most: lines }),
    race = raceOf(on.judged),
    rules = rulesOf((tie) => put(model, { tie, whose: "reference" })),
    vocabulary = vocabularyOf(choose),
    biography = biographyOf(choose),
    verdict = verdictOf(model, { hasKernel: on.hasKernel, go }),
    controls = controlsOf(f, model, on.noted, rules);
  const columns = h("div", { class: "mf-columns" }, h("div", {}, time.el, f.controls), h("div", {}, race.els));
  f.stage.append(headline, controls.player.el, verdict.el, columns, ...tracks.els);
  f.below.append(h("div", { class: "mf-columns" }, vocabulary.el, biography.el));
  f.words(WORDS);
  const [trainingHead, encodingHead] = [once(headTraining), once(headEncoding)];
  return {
    controls,
    reset() {
      chosen = null;
      tracks.reset();
    },
    draw(view, width) {
      const differsAt = verdict.draw(view);
      fill(headline, view.training ? trainingHead(view.run, view.k) : encodingHead(view.trace, view.done));
      time.draw(view, width > 720 ? Math.floor((width - 32) / 2) : width, differsAt);
      tracks.draw(view, width, chosen);
      race.draw(view);
      vocabulary.draw(view, chosen);
      biography.draw(view, chosen);
      rules.draw(view);
      controls.set(view.position, view.length);
    },
  };
}

function render({ model, el }) {
  const first = Object.fromEntries(MOVED.map((name) => [name, model.get(name)]));
  let note = "",
    answered = null, // a guess: the step it led to, what is said there, and how
    width = 920;
  const reset = () => {
    stage.reset();
    put(model, first);
  };
  const f = frame({ model, el, reset, python: () => pythonOf(model) });
  f.root.classList.add("mf");
  const asked = () => [model.get("text"), model.get("vocab_size"), model.get("tie")];
  const kernel = asker(model, {
    answered: () => {},
    failed: (error) => put(model, { theirs: { for: asked(), merges: [], error } }),
  });
  const projector = new Projector(model, { draw: () => draw(), ask: (question) => kernel.ask(question) });
  const judged = ({ right, words }, k) => {
    answered = { step: right ? k + 1 : k, words: `${words} `, tone: right ? "good" : "bad" };
    if (right) put(model, { step: k + 1 });
    else draw();
  };
  const noted = (words) => {
    note = words;
  };
  const stage = stageOf(f, model, { redrawn: () => draw(), judged, noted, hasKernel: kernel.hasKernel });

  function draw() {
    const view = projector.show();
    if (answered?.step !== view.position) answered = null; // it is said of that step alone
    stage.draw(view, width);
    change(f.root, { "aria-busy": view.busy });
    const cut = model.get("left_out") && model.get("text") === first.text ? leftOut(model.get("left_out")) : "",
      wait = view.waiting ? "Training on what you typed … " : "";
    const said = view.training ? sayTraining(view) : sayEncoding(view);
    f.say(wait + (answered?.words ?? "") + note + cut + said, answered?.tone ?? "");
  }
  const stop = f.redraw([...MOVED, "theirs"], draw);
  const unwatch = watchWidth(f.stage, (wide) => {
    width = wide;
    draw();
  });
  return () => {
    stop();
    stage.controls.player.stop();
    kernel.stop();
    unwatch();
    projector.stop();
  };
}

const leftOut = (n) => `These are the first ${grouped(MOST)} characters; ${grouped(n)} more are left out. `;

export default { render };
