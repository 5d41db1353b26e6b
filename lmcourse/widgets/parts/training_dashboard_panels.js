// TrainingDashboard's panels below the curves: what the model writes through time, what the batch of a step held, and
// what each token of a fixed text costs. Each is { el, draw(scene) }.

import { h } from "../lib/elements.js";
import { grouped } from "../lib/numbers.js";
import { roving } from "../lib/roving.js";
import { before, heat } from "../rules/runs.js";
import { spikeWords, words } from "./training_dashboard_words.js";

const heading = (text = "") => h("p", { class: "td-heading" }, text);
const panel = (more, ...children) => h("section", { class: `td-panel ${more}` }, children);

/**
 * A group of cells with one tab stop. Cells that stay the same are kept, so that the focus stays where it is.
 * @param {string} kind @param {string} label @param {string} selector @param {any} options of `roving`
 */
function groupOf(kind, label, selector, options = {}) {
  const el = h("div", { class: kind, role: "group", "aria-label": label });
  const cells = roving(el, selector, options);
  let drawn = "";
  return {
    el,
    fill(key, build) {
      if (drawn === key) return;
      const focused = [...el.children].indexOf(document.activeElement);
      drawn = key;
      el.replaceChildren(...build());
      cells.refresh(Math.max(0, focused), focused >= 0);
    },
  };
}

/** The same prompt through time: a film of samples, and the one of the step that is looked at in full. */
export function samplesPanel(choose) {
  const film = groupOf("td-film", "samples through time", "button");
  const text = h("pre", { class: "td-text", tabindex: "0", role: "region", "aria-label": "the sample" });
  const el = panel("", film.el, text);
  let inSight = null;
  const card = ([step, sample]) =>
    h(
      "button",
      { type: "button", "data-step": step, onclick: () => choose(step) },
      h("b", {}, step === 0 ? "untrained" : `step ${grouped(step)}`),
      h("span", {}, sample.slice(0, 60)),
    );
  const reveal = (found) => {
    if (!found || found === inSight || !film.el.clientWidth) return;
    film.el.scrollLeft = found.offsetLeft + found.offsetWidth + 8 - film.el.clientWidth; // the strip, never the page
    inSight = found;
  };
  return {
    el,
    draw({ facts, step }) {
      const rows = facts.samples;
      const k = before(rows, step);
      film.fill(JSON.stringify([facts.index, rows.map(([at]) => at)]), () => rows.map(card));
      for (const [i, each] of [...film.el.children].entries()) each.setAttribute("aria-pressed", String(i === k));
      reveal(film.el.children[k]);
      text.textContent = k < 0 ? "No sample was taken by this step." : rows[k][1];
    },
  };
}

/** The largest jumps of the loss, and the text of the batch of the step that is looked at. */
export function batchPanel(choose, askForBatch) {
  const spikes = groupOf("td-spikes", "largest jumps of the loss", "button");
  const batch = h("div", { class: "td-batch", tabindex: "0", role: "region", "aria-label": "text of the batch" });
  const title = heading();
  const el = panel("", heading("Largest jumps above the average"), spikes.el, title, batch);
  let drawn = "";
  const jump = (spike) =>
    h(
      "button",
      { type: "button", onclick: () => choose(spike.step), title: spikeWords(spike) },
      h("b", {}, `step ${grouped(spike.step)}`),
      ` ${spike.above === null ? "not finite" : `+${spike.above.toFixed(2)}`}`,
    );
  const drawSpikes = ({ facts, look, step }) => {
    const rows = facts.spikes;
    const none = () => [h("span", { class: "lmc-muted" }, "no step was far above it")];
    spikes.fill(JSON.stringify([facts.index, rows]), () => (rows.length ? rows.map(jump) : none()));
    for (const [i, each] of [...spikes.el.querySelectorAll("button")].entries())
      each.setAttribute("aria-pressed", String(look.step !== null && rows[i].step === step));
  };
  return {
    el,
    draw(scene) {
      if (scene.at < 0) return;
      drawSpikes(scene);
      const found = textsOf(scene);
      if (found.wanted) askForBatch(scene.shown.step[scene.at], scene.facts.index);
      title.textContent = found.title;
      const key = JSON.stringify(found);
      if (drawn === key) return;
      drawn = key;
      const windows = () => found.texts.map((each) => h("p", { class: "td-window" }, each));
      batch.replaceChildren(...(found.words ? [h("p", { class: "lmc-muted" }, found.words)] : windows()));
    },
  };
}

/** What is known of a step's batch: its texts, or words why there are none; `wanted` where the kernel may tell. */
export function textsOf({ facts, at, shown, look, heard, hasKernel }) {
  const step = shown.step[at];
  const title = `Text of the batch of step ${grouped(step)}`;
  const told = heard?.batch === step && heard?.run === facts.index ? heard.texts : null;
  const texts = facts.texts[String(step)] ?? told;
  if (texts?.length) return { title, texts, words: "" };
  if (texts)
    return { title, words: "Where this step's windows lie was not recorded, or the dashboard has no text_at." };
  if (look.step === null && facts.status === "training")
    return { title: "Text of a batch", words: "Choose a step, on the curves or above, to read its batch." };
  if (!hasKernel)
    return {
      title,
      words: "Only the batches of the jumps listed above are stored; any other needs a running kernel.",
    };
  return { title, words: "Asking the kernel…", wanted: true };
}

/** What each token of a fixed text costs: a tint, a bar, and on demand the number. */
export function heatPanel() {
  const title = heading();
  const note = h("p", { class: "lmc-muted td-heat-words" });
  let chosen = -1;
  let seen = { names: [], rows: [], k: -1 };
  const say = () => {
    note.textContent = heatWords(seen, chosen);
  };
  const paragraph = groupOf("td-heat", "loss of each token", ".td-token", {
    onfocus: (_, k) => {
      chosen = k;
      say();
    },
  });
  const el = panel("", title, paragraph.el, note);
  const focus = (event) => event.currentTarget.focus();
  const token = (name) => h("span", { class: "td-token", tabindex: "-1", role: "img", onclick: focus }, name);
  return {
    el,
    draw({ facts, paragraph: names, step }) {
      const rows = facts.heat;
      const k = before(rows, step);
      if (k < 0) {
        title.textContent = "No text was given whose tokens could be weighed (per_token).";
        return;
      }
      paragraph.fill(JSON.stringify(names), () => names.map(token));
      tint([...paragraph.el.children], names, rows, k);
      title.textContent = heatTitle(rows[k]);
      seen = { names, rows, k };
      say();
    },
  };
}

function tint(cells, names, rows, k) {
  const most = Math.max(1, ...rows.flatMap(([, losses]) => losses.map((v) => v ?? 0)));
  const losses = rows[k][1];
  for (const [i, cell] of cells.entries()) {
    const share = heat(losses[i] ?? null, most);
    cell.style.setProperty("--heat", `${Math.round(40 * share)}%`);
    cell.style.setProperty("--bar", `${Math.round(6 * share)}px`);
    cell.setAttribute("aria-label", `${names[i]}: ${words("loss", losses[i])} nats`);
  }
}

function heatTitle([step, losses]) {
  const known = losses.filter((v) => v !== null);
  const mean = known.reduce((a, b) => a + b, 0) / Math.max(1, known.length);
  const when = step ? `after step ${grouped(step)}` : "before training";
  return `What each token of a fixed text costs, ${when}: ${mean.toFixed(2)} nats on average`;
}

function heatWords({ names, rows, k }, chosen) {
  if (k < 0 || names[chosen] === undefined)
    return "A deeper tint and a thicker bar: more nats. Choose a token to read its number.";
  const [first, losses] = rows[0];
  const [now, then] = [rows[k][1][chosen], losses[chosen]].map((loss) => words("loss", loss));
  return `“${names[chosen]}” costs ${now} nats here, ${then} ${first ? `at step ${first}` : "before training"}.`;
}
