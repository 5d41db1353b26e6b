// MergeFilm: byte-pair encoding, merge by merge: learned from a text, then applied to another. The algorithm is in
// rules/bpe.js and runs here, so that the film needs no kernel; what is drawn of it is in parts/merge_film_*.js.
import { frame, put, redraw } from "./lib/base.js";
import { check, choice, field, slider } from "./lib/controls.js";
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

/** The player, the settings and the two texts; `noted` gets what is to be said of a typed text. */
function controlsOf(model, noted) {
  const player = stepper({ label: "merge", go: (step) => put(model, { step }) }),
    settings = settingsOf(model);
  const typed = (name, most, done) => (given) => {
    const { text, note } = cleaned(given, most, done);
    noted(note);
    put(model, { [name]: text });
  };
  const text = (label, name, oninput) => field({ label, lines: 3, value: model.get(name), oninput });
  const texts = {
    text: text("Train on", "text", typed("text", MOST, "trained on")),
    new_text: text("Then encode", "new_text", typed("new_text", MOST_NEW, "encoded")),
  };
  const { tie, vocab_size, guess, whose } = settings;
  const shown = [tie, vocab_size, guess, ...(model.get("has_train") ? [whose] : [])].map((control) => control.el);
  const fields = h("div", { class: "mf-texts" }, texts.text.el, texts.new_text.el);
  return {
    els: [player.el, ...shown, fields],
    stop: player.stop,
    set(position, length) {
      player.set(position, length);
      /** @type {[string, { set(value: any): void }][]} */
      const each = Object.entries(settings);
      for (const [name, control] of each) control.set(model.get(name));
      for (const [name, part] of Object.entries(texts))
        if (document.activeElement !== part.input) part.set(model.get(name));
    },
  };
}

/** The stage's parts, and `draw`, which brings all of them up to the view. */
function stageOf(f, model, { redrawn, judged, hasKernel }) {
  let chosen = null;
  const choose = (bytes) => {
    chosen = bytes;
    redrawn();
  };
  const go = (step) => put(model, { step });
  const headline = h("div", { class: "mf-headline" }),
    time = timeline(go),
    tracks = tracksOf({ turned: redrawn, choose }),
    race = raceOf(judged),
    rules = rulesOf((tie) => put(model, { tie, whose: "reference" })),
    vocabulary = vocabularyOf(choose),
    biography = biographyOf(choose),
    verdict = verdictOf(model, { hasKernel, go });
  const left = h("div", {}, race.els),
    right = h("div", { class: "mf-column" }, rules.el, vocabulary.el);
  const columns = h("div", { class: "mf-columns" }, left, right);
  f.stage.append(headline, time.el, ...tracks.els, columns, biography.el, verdict.el);
  const [trainingHead, encodingHead] = [once(headTraining), once(headEncoding)];
  return {
    reset() {
      chosen = null;
      tracks.reset();
    },
    draw(view, width) {
      const differsAt = verdict.draw(view);
      fill(headline, view.training ? trainingHead(view.run, view.k) : encodingHead(view.trace, view.done));
      time.draw(view, width, differsAt);
      tracks.draw(view, width, chosen);
      race.draw(view);
      vocabulary.draw(view, chosen);
      biography.draw(view, chosen);
      rules.draw(view);
    },
  };
}

function render({ model, el }) {
  const first = Object.fromEntries(MOVED.map((name) => [name, model.get(name)]));
  let note = "",
    answered = null, // a right guess: the step after it, and what is said there
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
    if (!right) return f.say(words, "bad");
    answered = { step: k + 1, words };
    put(model, { step: k + 1 });
  };
  const stage = stageOf(f, model, { redrawn: () => draw(), judged, hasKernel: kernel.hasKernel });
  const controls = controlsOf(model, (words) => {
    note = words;
  });
  f.controls.append(...controls.els);

  function draw() {
    const view = projector.show();
    stage.draw(view, width);
    controls.set(view.position, view.length);
    change(f.root, { "aria-busy": view.busy });
    const cut = model.get("left_out") && model.get("text") === first.text ? leftOut(model.get("left_out")) : "";
    const well = answered?.step === view.position ? answered.words : "",
      wait = view.waiting ? "Training on what you typed … " : "";
    const said = view.training ? sayTraining(view) : sayEncoding(view);
    f.say(wait + well + note + cut + said, well ? "good" : "");
  }
  const stop = redraw(model, [...MOVED, "theirs"], draw);
  const unwatch = watchWidth(f.stage, (wide) => {
    width = wide;
    draw();
  });
  return () => {
    stop();
    controls.stop();
    kernel.stop();
    unwatch();
    projector.stop();
  };
}

const leftOut = (n) => `These are the first ${grouped(MOST)} characters; ${grouped(n)} more are left out. `;

export default { render };
