// The film that MergeFilm shows, and the work on it. Training is done in slices between frames, so that no control
// waits: the shown rule first, then the others. Until a newer text can be shown the stage keeps the film before it, and
// the newest text replaces one that was still on its way.
import { layOut, wellFormed } from "../lib/tokens.js";
import { Film, TIES, Trainer, encodeTrace } from "../rules/bpe.js";
import { once } from "../rules/film.js";

export const MOST = 20000; // characters trained on
export const MOST_NEW = 300; // characters encoded, one merge a step
const SLICE = 6; // ms of work between two frames
const PAUSE = 150; // ms without a picture, or of typing, after which what there is is shown

function encoded(run, total, newText) {
  const text = wellFormed(newText).slice(0, MOST_NEW);
  return { trace: { ...encodeTrace(text, run.merges(total)), run }, fresh: layOut(text) };
}

export class Projector {
  /** `draw` is called when there is more to show, `ask` with what the reader's own trainer is to be run on. */
  constructor(model, { draw, ask }) {
    this.model = model;
    this.draw = draw;
    this.ask = ask;
    this.film = null; // on the stage
    this.coming = null; // of a newer text
    this.ranFor = null; // whose answer the run "yours" is
    this.encoded = once(encoded);
    this.timer = 0;
    this.drawnAt = 0;
    this.typedAt = 0;
  }

  get target() {
    return this.model.get("vocab_size") - 256;
  }

  /** The run on the stage: the reader's own, where it is there and wanted, else the reference's. */
  get run() {
    const wanted = this.model.get("has_train") && this.model.get("whose") === "yours";
    return (wanted && this.film.runs.yours) || this.film.runs[this.model.get("tie")];
  }

  reached(run) {
    return Math.min(this.target, run.steps.length);
  }

  finished(run) {
    return run.done || run.steps.length >= this.target;
  }

  get busy() {
    return Boolean(this.coming) || Object.keys(this.film.runs).some((name) => !this.film.done(name, this.target));
  }

  later() {
    this.timer ||= setTimeout(() => this.work(), 0);
  }

  stop() {
    clearTimeout(this.timer);
  }

  work() {
    this.timer = 0;
    const until = performance.now() + SLICE;
    let more = true;
    while (more && performance.now() < until) more = this.piece();
    if (more) this.later();
    if (!more || (!this.coming && performance.now() - this.drawnAt > PAUSE)) this.draw();
  }

  /** One piece of work; false when there is none left. */
  piece() {
    const at = this.coming ?? this.film,
      tie = this.model.get("tie"),
      first = at === this.film && this.run === this.film.runs.yours ? "yours" : tie;
    const more = at.advance(first, this.target);
    const waited = performance.now() - this.typedAt > PAUSE;
    if (at === this.coming && (at.ready(first, this.target) || (at.ready(first, 1) && waited))) {
      this.film = at;
      this.coming = null;
      this.drawnAt = 0;
    }
    return more;
  }

  /** Bring the films in line with the model; returns all that a picture is drawn from. */
  show() {
    this.drawnAt = performance.now();
    this.bringText();
    if (this.busy) this.later();
    this.bringYours();
    return this.view();
  }

  bringText() {
    const text = wellFormed(this.model.get("text")).slice(0, MOST),
      tie = this.model.get("tie");
    if (!this.film) {
      this.film = new Film(text);
      const until = performance.now() + SLICE;
      let more = true;
      while (more && (performance.now() < until || !this.film.ready(tie, 0)))
        more = this.film.advance(tie, this.target);
    }
    if (this.film.text === text) this.coming = null;
    else if (this.coming?.text !== text) {
      this.coming = new Film(text);
      this.typedAt = performance.now();
    }
  }

  bringYours() {
    const [text, size, tie, theirs] = ["text", "vocab_size", "tie", "theirs"].map((name) => this.model.get(name));
    const fits = JSON.stringify([text, size, tie]) === JSON.stringify(theirs.for),
      has = this.model.get("has_train"),
      { runs, words } = this.film;
    if (has && !fits) this.ask({ text, vocab_size: size, tie });
    if (!fits || theirs.error || this.coming) delete runs.yours;
    else if (has && (theirs !== this.ranFor || !runs.yours)) {
      this.ranFor = theirs;
      runs.yours = new Trainer(words, tie, theirs.merges);
      this.later();
    }
  }

  view() {
    const { run, film, target } = this,
      get = (name) => this.model.get(name),
      total = this.reached(run);
    const { trace, fresh } = this.encoded(run, total, get("new_text"));
    const length = total + trace.steps.length + 2,
      position = Math.min(get("step"), length - 1),
      training = position <= total;
    const k = Math.min(position, total);
    return {
      ...{ run, film, target, total, trace, fresh, length, position, training, k },
      done: position - total - 1, // merges fired, while encoding
      guessing: get("guess") && training && k < total,
      finished: this.finished(run),
      reached: Object.fromEntries(TIES.map((tie) => [tie, this.reached(film.runs[tie])])),
      waiting: Boolean(this.coming),
      busy: this.busy,
    };
  }
}
