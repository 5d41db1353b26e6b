// The page that shows what is solved: marks in its table, and the file that goes to JupyterLab and back.
import { make } from "./cards.js";
import * as store from "./store.js";
import { save } from "./take.js";

const MARKS = { correct: "✓", wrong: "✗" };
const said = make("p", { className: "lm-said" });
said.setAttribute("role", "status");

function draw() {
  const known = store.read("progress"),
    rows = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-lm-key]"));
  let solved = 0,
    asked = 0;
  for (const row of rows) {
    const state = known[row.dataset.lmKey];
    row.querySelector(".mark").textContent = MARKS[state] ?? "○";
    if (row.dataset.lmKey.includes(".predict.")) continue;
    asked += 1;
    solved += state === "correct" ? 1 : 0;
  }
  document.getElementById("lm-count").textContent = `${solved} of ${asked} exercises are correct`;
}

function button(text, onclick) {
  return make("button", { type: "button", className: "lm-button", textContent: text, onclick });
}

function forget() {
  if (!confirm("Forget all answers, guesses and marks of this browser? What was not exported is lost.")) return;
  store.forget();
  draw();
  said.textContent = "Forgotten.";
}

const file = make("input", { type: "file", accept: ".json,application/json", hidden: true });
file.onchange = async () => {
  try {
    store.imported(await file.files[0].text());
    said.textContent = "Taken in. What was correct stays so.";
  } catch (error) {
    said.textContent = error.message;
  }
  file.value = "";
  draw();
};

document.getElementById("lm-actions").append(
  button("Export", () => save("progress.json", store.exported())),
  button("Import", () => file.click()),
  button("Forget everything", forget),
  file,
  said,
);
draw();
