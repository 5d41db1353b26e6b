// What stands beside an exercise's card: the lines to put in order, in its fold between the last hint and the solution,
// and after a ✓ one question, whose answer opens when the reader has written something.
import { make } from "./cards.js";
import { ask } from "./python.js";
import * as store from "./store.js";

const FOLD = "Put the lines in order"; // RUNG of lmcourse.exercises.topic

/**
 * `under(state)` adds to the card that is shown what goes with its state.
 * @param {{ box: HTMLElement, key: string, about: () => Promise<any>, take: (code: string) => void }} cell `about`
 *   gives what the book's builder wrote down of the exercise, `take` puts code into its editor.
 */
export function practice({ box, key, about, take }) {
  const rung = make("div", { className: "lm-rung" });
  return {
    async under(state) {
      const fold = [...box.querySelectorAll(".cell_output details")].find(
        (each) => each.querySelector("summary").textContent === FOLD,
      );
      if (fold) unfold(fold, rung, async () => lines(rung, key, (await about()).rung, take));
      if (state === "correct") box.querySelector(".cell_output").append(explanation(key, (await about()).why));
    },
  };
}

/** Keep what is in a fold from card to card, open where it was open; it is made when it is first opened. */
function unfold(fold, rung, fill) {
  fold.querySelector("pre")?.remove();
  fold.append(rung);
  fold.ontoggle = () => {
    rung.dataset.open = String(fold.open);
    if (fold.open && !rung.hasChildNodes()) fill();
  };
  fold.open = rung.dataset.open === "true";
}

/** The widget, judged by the Python of this page. The module is the page's own, so that it is there once. */
async function lines(rung, key, first, take) {
  const place = make("div", {}, "Loading …");
  rung.replaceChildren(place);
  place.dataset.lmWidget = "parsons_rung";
  place.dataset.lmState = JSON.stringify(first);
  try {
    const script = /** @type {HTMLScriptElement} */ (document.querySelector('script[src*="widgets/lib/hydrate.js"]'));
    const { hydrate } = await import(script.src);
    await hydrate(place, "ParsonsRung", { answer: (question) => ask({ rung: key, ...question }), take });
  } catch (error) {
    place.textContent = `The lines could not be loaded: ${error.message}`;
  }
}

/** A question, a field, and the answer in a fold that opens when something stands in the field. */
function explanation(key, [question, answer]) {
  const [topic, name] = key.split("."),
    done = `${topic}.explained.${name}`,
    place = `why ${key}`;
  const field = make("textarea", { rows: 2, value: store.kept("quiz", place) }),
    said = make("span", { className: "lm-said" });
  said.setAttribute("role", "status");
  const summary = make("summary", {}, "Compare with an answer");
  const fold = make("details", {}, summary, make("p", {}, ...marked(answer)));
  field.oninput = () => {
    store.keep("quiz", place, field.value || undefined);
    said.textContent = "";
  };
  summary.onclick = (event) => {
    if (fold.open) return;
    if (field.value.trim()) return store.record(done, "correct");
    event.preventDefault();
    said.textContent = "Your answer first, in a few words.";
    field.focus();
  };
  const asked = make("span", { className: "lm-question" }, ...marked(question));
  return make("div", { className: "lm-why" }, make("label", { className: "lm-quiz" }, asked, field), said, fold);
}

/** A text whose `code` is code. */
const marked = (text) => text.split("`").map((part, k) => (k % 2 ? make("code", {}, part) : part));
