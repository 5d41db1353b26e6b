// The page that asks again what is due today, one thing after the other. When something is due: schedule.js.
import { card, make, results } from "./cards.js";
import { questionFor } from "./cells.js";
import { ask, stop } from "./python.js";
import { MINUTES, plan, standing, today } from "./schedule.js";
import * as store from "./store.js";

const items = await (await fetch(new URL("review.json", import.meta.url))).json();
const place = document.getElementById("lm-review"),
  count = document.getElementById("lm-due");
const later = new Set(); // put off, until this page is opened again
let python = ""; // the notebook whose cells Python has run: those of another one need a new Python

/** The keys of what is due; an exercise only where it was solved once. */
function due() {
  const states = store.read("progress");
  const able = Object.entries(items).filter(([key, item]) => item.kind !== "exercise" || states[key] === "correct");
  const minutes = Object.fromEntries(able.map(([key, item]) => [key, item.minutes]));
  return plan(store.dates(), minutes, today()).filter((key) => !later.has(key));
}

function button(text, onclick, first = false) {
  const node = make("button", { type: "button", className: "lm-button", textContent: text, onclick });
  node.classList.toggle("lm-first", first);
  return node;
}

/** Keep an answer where it was due, and say when it comes again. */
function remember(key, state) {
  const mine = () => store.dates()[key] ?? {};
  if (standing(mine(), today()).due <= today()) store.answered(key, state);
  return `It comes again on ${standing(mine(), today()).due}.`;
}

/** Show the next thing; `focus` puts the keyboard on it. */
function next(focus = true) {
  const keys = store.wanted() ? due() : [];
  const minutes = keys.reduce((sum, key) => sum + items[key].minutes, 0);
  if (!store.wanted()) count.textContent = "The review is switched off.";
  else if (keys.length > 0) count.textContent = `${keys.length} due today, about ${minutes} min of ${MINUTES} at most`;
  else count.textContent = later.size > 0 ? "Nothing else is due today." : "Nothing is due today.";
  place.replaceChildren();
  if (keys.length === 0) return;
  const item = items[keys[0]],
    title = item.page.replace(/_/g, " "),
    kind = item.kind[0].toUpperCase() + item.kind.slice(1);
  const head = make("h2", { tabIndex: -1, textContent: `${kind} from ${title}` });
  place.append(head, ...KINDS[item.kind](keys[0], item));
  place.append(make("p", { className: "lm-said" }, make("a", { href: `${item.page}.html` }, `Read ${title} again`)));
  if (focus) head.focus();
}

/** What can be done with every item, and the place for words. */
function bar(key, ...nodes) {
  const said = make("span", { className: "lm-said" });
  said.setAttribute("role", "status");
  const skip = button("Not now", () => {
    later.add(key);
    next();
  });
  return { el: make("div", { className: "lm-bar" }, ...nodes, skip, said), said, skip };
}

function question(key, item) {
  const field = make("textarea", { rows: 3 });
  const compare = button("Compare with the answer", show, true),
    { el, said, skip } = bar(key, compare);
  function show() {
    if (!field.value.trim()) {
      said.textContent = "Your answer first, in a few words.";
      field.focus();
      return;
    }
    const judge = (state) => () => {
      remember(key, state);
      next();
    };
    const yes = button("Mine says the same", judge("correct"), true);
    el.before(make("p", { className: "lm-answer" }, make("strong", {}, "The course: "), item.answer));
    compare.remove();
    el.prepend(yes, button("Mine does not", judge("wrong")));
    skip.remove();
    said.textContent = "";
    yes.focus();
  }
  const words = make("p", { className: "lm-question" }, item.text);
  return [make("label", { className: "lm-quiz" }, words, make("span", {}, "Your answer"), field), el];
}

/** Ask Python, and say meanwhile what it is doing. */
async function judged(el, said, asking, answered) {
  if (el.classList.contains("lm-busy")) return;
  el.classList.add("lm-busy");
  said.textContent = "Loading Python, 13 MB, once …";
  try {
    const loaded = () => {
      said.textContent = "Checking …";
    };
    answered(await ask(await asking(), loaded));
  } catch (error) {
    said.textContent = error.message;
  }
  el.classList.remove("lm-busy");
}

function prediction(key, item) {
  const day = Math.round(Date.parse(`${today()}T00:00Z`) / 86_400_000) + 719_163; // as Python counts days
  const which = day % item.variants.length,
    [text, declared] = item.variants[which];
  const field = make("input", { type: "text", autocomplete: "off", spellcheck: false });
  const go = make("button", { type: "submit", className: "lm-button lm-first" }, "Answer");
  const output = make("div"),
    { el, said, skip } = bar(key, make("label", {}, "Your answer ", field), go);
  const form = make("form", {}, el);
  form.onsubmit = (event) => {
    event.preventDefault();
    const guess = field.value.trim();
    if (!guess) {
      said.textContent = "An answer first: a number, a word or a formula.";
      return;
    }
    const asking = async () => ({
      name: item.topic,
      number: item.number,
      key: `${item.name} ${which}`,
      declared,
      guess,
    });
    judged(el, said, asking, ({ cards, readable }) => {
      output.replaceChildren(...cards.map((each) => card(each.html)));
      said.textContent = "";
      if (!readable) return;
      said.textContent = remember(key, cards[0].state);
      skip.textContent = "Next";
      skip.onclick = () => next();
    });
  };
  return [make("p", { className: "lm-question" }, text), form, output];
}

function exercise(key, item) {
  const parent = make("div", { className: "highlight" }),
    box = make("div", { className: "cell" }, make("div", { className: "cell_input" }, parent)),
    output = make("div");
  box.dataset.lmEditor = "";
  let text = "";
  const go = button("Check", check, true),
    { el, said, skip } = bar(key, go);
  function check() {
    const asking = async () => {
      if (python && python !== item.page) stop();
      python = item.page;
      const asked = await questionFor(item.page, item.cell);
      Object.assign(asked.cells.at(-1), { source: text });
      return asked;
    };
    judged(el, said, asking, (answer) => {
      const state = answer.cards.at(-1)?.state;
      output.replaceChildren(...results(answer));
      said.textContent = "Not attempted yet.";
      if (answer.cards.length > 0 && state === "todo") return;
      said.textContent = remember(key, state ?? "wrong"); // an error while it is defined is no answer that works
      skip.textContent = "Next";
      skip.onclick = () => next();
    });
  }
  questionFor(item.page, item.cell).then(async ({ cells }) => {
    text = cells.at(-1).stub;
    const { makeEditor } = await import(new URL("editor.js", import.meta.url).href);
    const changed = (now) => {
      text = now;
    };
    makeEditor({ parent, text, label: `Check: ${key.split(".")[1]}`, changed, run: check, leave: () => go.focus() });
  });
  return [make("p", { className: "lm-question" }, item.text), box, el, output];
}

const KINDS = { question, prediction, exercise };
const wish = button("", () => {
  store.wanted(!store.wanted());
  draw();
});

function draw() {
  wish.textContent = store.wanted() ? "Switch the review off" : "Switch the review on";
  next(false);
}

document.getElementById("lm-actions").append(wish);
draw();
