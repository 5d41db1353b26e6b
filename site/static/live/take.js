// The notebook with what the reader has written: its exercises filled in, its guesses in place of None.
import { make } from "./cards.js";
import * as store from "./store.js";

const text = (source) => (Array.isArray(source) ? source.join("") : source);

/** Hand a file to the reader. */
export function save(name, content, type = "application/json") {
  const link = make("a", { href: URL.createObjectURL(new Blob([content], { type })), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** A notebook with the answers and guesses of the storage in its cells. */
export function filled(notebook, name, topic) {
  for (const cell of notebook.cells) {
    const source = text(cell.source),
      key = /predict\("(\w+)", guess\)/.exec(source)?.[1];
    let mine = store.kept("answers", `${name} ${cell.id}`, source);
    const guess = key ? store.kept("guesses", `${topic}.predict.${key}`) : "";
    if (guess) mine = source.replace("guess = None", () => `guess = ${JSON.stringify(guess)}`);
    if (mine === source) continue;
    cell.source = mine;
    cell.outputs = [];
    cell.execution_count = null;
  }
  return notebook;
}

/** A button beside the link to the notebook. */
export function takeAlong(name, topic) {
  const link = /** @type {HTMLAnchorElement} */ (document.querySelector(".take a"));
  const said = make("span", { className: "lm-said" });
  said.setAttribute("role", "status");
  const button = make("button", { type: "button", className: "lm-button" }, "Take my answers along");
  button.onclick = async () => {
    try {
      const notebook = await (await fetch(link.href)).json();
      save(`${name}.ipynb`, JSON.stringify(filled(notebook, name, topic), null, 1));
      said.textContent = "Saved: your answers and guesses are in it. Put it into the folder notebooks of the course.";
    } catch (error) {
      said.textContent = `The notebook could not be fetched: ${error.message}`;
    }
  };
  link.parentElement.append(" ", button, " ", said);
}
