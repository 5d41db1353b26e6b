// Predictions and quizzes: a guess is judged in the page; an answer of the quiz unfolds once the reader has given one.
import { card, make } from "./cards.js";
import { notebookOf } from "./cells.js";
import { ask } from "./python.js";
import * as store from "./store.js";

/** A field and a button under a prediction's cell. */
export function prediction({ box, name, id }) {
  const place = box.querySelector(":scope > .cell_output"),
    key = box.dataset.lmKey;
  const field = make("input", { type: "text", autocomplete: "off", spellcheck: false });
  field.value = store.kept("guesses", key);
  const said = make("span", { className: "lm-said" });
  said.setAttribute("role", "status");
  const button = make("button", { type: "submit", className: "lm-button lm-first" }, "Guess");
  const form = make("form", { className: "lm-bar" }, make("label", {}, "Your guess ", field), button, said);
  form.onsubmit = async (event) => {
    event.preventDefault();
    if (form.classList.contains("lm-busy")) return;
    const guess = field.value.trim();
    store.keep("guesses", key, guess || undefined);
    if (!guess) {
      said.textContent = "A guess first: a number, a word or a formula.";
      return;
    }
    form.classList.add("lm-busy");
    said.textContent = "Loading Python, 13 MB, once …";
    try {
      const notebook = await notebookOf(name),
        short = notebook.cells[id].key;
      const question = {
        name: notebook.topic,
        number: notebook.number,
        key: short,
        declared: notebook.predictions[short],
        guess,
      };
      const { cards } = await ask(question, () => {
        said.textContent = "";
      });
      place.replaceChildren(...cards.map((each) => card(each.html)));
      store.record(key, cards[0].state);
      said.textContent = cards[0].state === "correct" ? "✓" : "✗";
    } catch (error) {
      said.textContent = error.message;
    }
    form.classList.remove("lm-busy");
  };
  box.querySelector(":scope > .cell_input").after(form);
  if (store.kept("progress", key) === "correct") said.textContent = "✓ right before";
}

/** A field before each answer of the quiz; the answer opens when something stands in it. */
export function quiz({ box, name }) {
  box.querySelectorAll(".cell_output details").forEach((answer, k) => {
    const summary = answer.querySelector("summary"),
      key = `${name} ${k + 1}`;
    const field = make("textarea", { rows: 2, value: store.kept("quiz", key) });
    const hint = make("span", { className: "lm-said" });
    hint.setAttribute("role", "status");
    field.oninput = () => {
      store.keep("quiz", key, field.value || undefined);
      hint.textContent = "";
    };
    summary.addEventListener("click", (event) => {
      if (field.value.trim() || answer.open) {
        notebookOf(name).then(
          (notebook) => store.met(notebook.questions[k]),
          () => {}, // then it is not asked again
        );
        return;
      }
      event.preventDefault();
      hint.textContent = "Your answer first, in a few words.";
      field.focus();
    });
    const question = make("p", { className: "lm-question" }, summary.textContent);
    summary.textContent = "Compare with the answer";
    answer.before(make("label", { className: "lm-quiz" }, question, field), hint);
  });
}
