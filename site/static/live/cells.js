// A cell that runs in the page: its editor, Check or Run, Stop, Start over, and what came out below it.
import { make, results } from "./cards.js";
import { practice } from "./practice.js";
import { ask, Ended, prepare, stop } from "./python.js";
import * as store from "./store.js";

/** Notebooks with all their cells that run: each fetched at its first question. @type {Map<string, Promise<any>>} */
const notebooks = new Map();
/** @type {Map<string, { text: string }>} the editors, by cell */
const editors = new Map();

export function notebookOf(name) {
  if (!notebooks.has(name)) {
    const got = fetch(new URL(`${name}.json`, import.meta.url)).then((answer) => {
      if (!answer.ok) throw new Ended(`the cells of this page are not there (${answer.status}): reload it`);
      return answer.json();
    });
    notebooks.set(name, got);
    got.catch(() => notebooks.delete(name));
  }
  return notebooks.get(name);
}

/** What a cell holds now: in its editor, in the storage, or from the book. */
const sourceOf = (name, id, first) => editors.get(id)?.text ?? store.kept("answers", `${name} ${id}`, first);

/** The question for one cell: the cells before it, of which Python takes what is needed, and the cell itself. */
export async function questionFor(name, id) {
  const { cells, topic } = await notebookOf(name);
  const ids = Object.keys(cells).filter((each) => "source" in cells[each]);
  const question = ids.slice(0, ids.indexOf(id) + 1).map((each) => ({
    ...cells[each],
    id: each,
    topic,
    source: sourceOf(name, each, cells[each].source),
    stub: cells[each].source,
  }));
  return { cells: question };
}

/** The buttons under a cell, and the words beside them. */
function barOf(verb) {
  const button = (text, hidden = false) =>
    make("button", { type: "button", textContent: text, hidden, className: "lm-button" });
  const bar = {
    go: button(verb),
    stop: button("Stop", true),
    over: button("Start over"),
    said: make("span", { className: "lm-said" }),
  };
  bar.said.setAttribute("role", "status");
  bar.go.classList.add("lm-first");
  bar.el = make("div", { className: "lm-bar" }, bar.go, bar.stop, bar.over, bar.said);
  return bar;
}

/** Show an editor in place of the text of a cell, as soon as it comes near. */
function edited({ box, name, id, label, go, leave, over }) {
  const pre = box.querySelector("pre"),
    first = pre.textContent.replace(/\n$/, "");
  const held = { text: store.kept("answers", `${name} ${id}`, first), first, focus: () => {} };
  const changed = (text) => {
    held.text = text;
    over.hidden = text === first;
    if (!store.keep("answers", `${name} ${id}`, text === first ? undefined : text))
      over.parentElement.querySelector(".lm-said").textContent = "This browser keeps nothing: take your answer along.";
  };
  over.hidden = held.text === first;
  editors.set(id, held);
  const near = new IntersectionObserver(
    async (seen) => {
      if (!seen.some((each) => each.isIntersecting)) return;
      near.disconnect();
      const { makeEditor } = await import(new URL("editor.js", import.meta.url).href);
      const parent = pre.parentElement,
        editor = makeEditor({ parent, text: held.text, label, changed, run: go, leave });
      parent.addEventListener("focusin", prepare, { once: true });
      pre.remove();
      parent.classList.remove("wide-code");
      held.focus = editor.focus;
      held.set = (text) => {
        editor.text = text;
      };
      box.dataset.lmEditor = "";
    },
    { rootMargin: "800px" },
  );
  near.observe(box);
  return held;
}

/** Put Python's answer, or why there is none, below a cell. */
function outputOf(box) {
  let place = box.querySelector(":scope > .cell_output");
  if (!place) {
    place = make("div", { className: "cell_output docutils container" });
    box.append(place);
  }
  const before = [...place.childNodes];
  return { show: (...nodes) => place.replaceChildren(...nodes), restore: () => place.replaceChildren(...before) };
}

/** @param {{ box: HTMLElement, name: string, id: string, asks: boolean }} cell `asks`: an exercise, else plain code */
export function live({ box, name, id, asks }) {
  const verb = asks ? "Check" : "Run",
    bar = barOf(verb),
    output = outputOf(box);
  const key = box.dataset.lmKey ?? "";
  const words = (text) => {
    bar.said.textContent = text;
  };
  const busy = (on) => {
    bar.stop.hidden = !on;
    bar.go.setAttribute("aria-disabled", String(on));
    box.classList.toggle("lm-busy", on);
  };
  async function go() {
    if (bar.go.getAttribute("aria-disabled") === "true") return;
    busy(true);
    words("Loading Python, 13 MB, once …");
    const begun = performance.now();
    try {
      const question = await questionFor(name, id);
      const answer = await ask(question, () => words(asks ? "Checking …" : "Running …"));
      output.show(...results(answer));
      const state = answer.cards.at(-1)?.state;
      if (asks && state) store.record(key, state);
      more?.under(state);
      words(`${mark(asks, state, answer)} ${((performance.now() - begun) / 1000).toFixed(1)} s`);
    } catch (error) {
      output.show(make("p", { className: "lm-ended" }, error.message));
      words("");
    }
    busy(false);
  }
  const label = `${verb}: ${key.split(".")[1] ?? "code"}`;
  const take = (code) => {
    held.set(code);
    held.focus();
  };
  const more = asks ? practice({ box, key, take, about: async () => (await notebookOf(name)).cells[id] }) : null;
  more?.under("");
  const held = edited({ box, name, id, label, go, leave: () => bar.go.focus(), over: bar.over });
  bar.go.onclick = go;
  bar.stop.onclick = () => {
    stop();
    bar.go.focus();
  };
  bar.over.onclick = () => {
    held.set?.(held.first);
    output.restore();
    more?.under("");
    words("");
    held.focus();
  };
  box.querySelector(":scope > .cell_input, :scope > details").after(bar.el);
  if (asks && store.kept("progress", key) === "correct") words("✓ solved");
}

function mark(asks, state, answer) {
  if (!asks) return answer.trace ? "✗" : "done,";
  return { correct: "✓ correct,", wrong: "✗ not yet,", todo: "○ not attempted," }[state] ?? "✗";
}
