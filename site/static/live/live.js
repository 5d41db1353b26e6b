// Make the cells of a notebook's page live: exercises, plain code, predictions, the quiz. What this loads at first is
// small; the editor comes when a cell is near, Python when the reader puts the cursor into one, or at the first Check.
import { live } from "./cells.js";
import { prediction, quiz } from "./guesses.js";
import { takeAlong } from "./take.js";

const name = location.pathname
  .split("/")
  .at(-1)
  .replace(/\.html$/, "");

/** The class of a cell, and what makes it live. @type {[string, (cell: any) => void][]} */
const KINDS = [
  ["tag_lm-check", (cell) => live({ ...cell, asks: true })],
  ["tag_lm-run", (cell) => live({ ...cell, asks: false })],
  ["tag_predict", prediction],
  ["tag_lm-quiz", quiz],
];

for (const box of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("div.cell"))) {
  const [, id] = /(?:^| )tag_lm-id-(\S+)/.exec(box.className) ?? [],
    [, key] = /(?:^| )tag_lm-key-(\S+)/.exec(box.className) ?? [];
  if (key) box.dataset.lmKey = key;
  const kind = KINDS.find(([tag]) => box.classList.contains(tag));
  if (kind && id) kind[1]({ box, name, id });
}
const topic = document.querySelector(".take")?.getAttribute("data-topic");
if (topic) takeAlong(name, topic);
