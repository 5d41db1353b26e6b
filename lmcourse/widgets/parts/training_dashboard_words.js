// What TrainingDashboard says: numbers with their unit, a jump of the loss, and the reading line.
import { nearest } from "../lib/charts.js";
import { grouped, percent, short, si } from "../lib/numbers.js";

export const STATUS = {
  none: ["○", "no run yet"],
  training: ["▶", "training"],
  paused: ["❚❚", "paused"],
  done: ["✓", "done"],
  stopped: ["■", "stopped"],
  interrupted: ["■", "interrupted"],
  failed: ["✗", "failed"],
};

/** Numbers as a reader wants them: `kind` is loss, lr, norm, rate or mfu. */
export function words(kind, value) {
  if (value === null || value === undefined || Number.isNaN(value)) return kind === "loss" ? "not a number" : "unknown";
  if (!Number.isFinite(value)) return "infinite";
  if (kind === "loss") return Math.abs(value) < 1000 ? value.toFixed(3) : short(value);
  if (kind === "rate") return value ? si(value, "").trim() : "0";
  if (kind === "mfu") return percent(value, value < 0.0995 ? 1 : 0);
  return short(value);
}

/** One sentence on a jump of the loss. */
export function spikeWords(spike) {
  const norm = spike.grad_norm === null ? "" : `, gradient norm ${words("norm", spike.grad_norm)}`;
  const at = `Step ${grouped(spike.step)}`;
  if (spike.above === null) return `${at}: the loss is no finite number${norm}.`;
  const above = `${spike.above.toFixed(2)} above the average of the steps before it`;
  return `${at}: loss ${words("loss", spike.loss)}, ${above}${norm}.`;
}

const tenth = (step, steps) => (steps ? Math.floor((10 * step) / steps) : 0);

/**
 * The reading line: its words, their tone, and a landmark. While a run trains the words change ten times a second for
 * the eye; a new landmark is what is also said aloud.
 * @returns {[string, string, string]}
 */
export function reading(scene) {
  const { facts, shown, at, look } = scene;
  if (at < 0) return [beforeTheFirstStep(facts), facts.status === "failed" ? "bad" : "", facts.status];
  const step = shown.step[at];
  if (look.step !== null) return [atStep(scene), "", `at ${step}`];
  if (facts.status === "failed") return [facts.words, "bad", "failed"];
  if (!Number.isFinite(shown.loss[at])) return [notFinite(step, shown.loss[at]), "bad", `bad ${step}`];
  const parent = facts.origin ? scene.all.find((run) => run.facts.index === facts.origin.run) : null;
  if (parent) {
    const landmark = `fork ${facts.status} ${facts.index} ${tenth(step, Math.max(step, scene.steps))}`;
    return [againstParent(scene, parent), "", landmark];
  }
  const landmark = `${facts.status} ${tenth(step, scene.steps)}${facts.status === "paused" ? step : ""}`;
  return [progress(scene), "", landmark];
}

function beforeTheFirstStep(facts) {
  if (facts.status === "none") return "No run yet. The curves grow here while a cell trains.";
  return STATUS[facts.status][1] + (facts.words ? `: ${facts.words}` : ": the first step is on its way.");
}

function atStep({ facts, shown, at }) {
  const step = shown.step[at];
  const spike = facts.spikes.find((each) => each.step === step);
  if (spike) return spikeWords(spike);
  const [loss, lr, norm] = ["loss", "lr", "norm"].map((name) => words(name, shown[name][at]));
  return `Step ${grouped(step)}: loss ${loss} nats a token, lr ${lr}, gradient norm ${norm}.`;
}

const notFinite = (step, loss) =>
  `The loss of step ${grouped(step)} is ${words("loss", loss)}: nothing that follows can be trusted. ` +
  "Choose it to read its batch.";

function againstParent({ facts, shown, at }, parent) {
  const step = shown.step[at];
  const difference = shown.smooth[at] - parent.c.smooth[nearest(parent.c.step, step)];
  return (
    `“${facts.name}”, forked at step ${grouped(facts.origin.step)}: at step ${grouped(step)} its average is ` +
    `${Math.abs(difference).toFixed(3)} ${difference > 0 ? "above" : "below"} that of “${parent.facts.name}”.`
  );
}

function progress({ facts, shown, at, baselines }) {
  const average = shown.smooth[at];
  const [below] = baselines.filter(([, value]) => average < value).sort((a, b) => a[1] - b[1]);
  const none = baselines.length ? ", above every baseline" : "";
  const beats = below ? `, below “${below[0]}” (${below[1].toFixed(2)})` : none;
  const [, word] = STATUS[facts.status];
  const verb = word[0].toUpperCase() + word.slice(1);
  const when = facts.status === "training" ? "at" : "after";
  const next = facts.status === "paused" ? " Step takes one step, Resume goes on." : "";
  const loss = `average loss ${words("loss", average)} nats a token${beats}`;
  return `${verb} ${when} step ${grouped(shown.step[at])}: ${loss}.${next}`;
}
