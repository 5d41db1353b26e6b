// FloatBits' lines about the stored number: the sum that it is, every digit of it, and what was lost.
import { help } from "../lib/controls.js";
import { h } from "../lib/elements.js";
import { asker } from "../lib/kernel.js";
import { exactDecimal, signed, width } from "../rules/floats.js";
import { digitTable } from "./float_bits_formats.js";
import { equation, errorWords } from "./float_bits_words.js";

const MOST = 56; // digits on the line; the others open over the page
const THREE = ["float16", "bfloat16", "float32"];

/** Every digit of a number: on the line, or behind a button where they are too many. */
function digits(x) {
  const text = exactDecimal(x);
  if (text.length <= MOST) return [h("span", { class: "lmc-mono" }, text)];
  const start = h("span", { class: "lmc-mono" }, `${text.slice(0, MOST - 16)}… `);
  return [start, help(`all ${text.replace(/\D/g, "").length} digits`, text)];
}

const hex = (f, bits) => `0x${bits.toString(16).padStart(Math.ceil(width(f) / 4), "0")}`;

/** The facts as rows that are always there, so that nothing below them moves. */
export function factsOf(hasEncode) {
  const rows = { value: "as a sum", stored: "stored", error: "error", ...(hasEncode ? { yours: "yours" } : {}) };
  const cells = Object.fromEntries(Object.keys(rows).map((name) => [name, h("span", { class: "lmc-fb-fact" })]));
  cells.value.classList.add("lmc-mono", "lmc-fb-equation");
  cells.stored.classList.add("lmc-fb-one");
  cells.error.classList.add("lmc-mono");
  cells.yours?.classList.add("lmc-mono");
  const list = Object.entries(rows).map(([name, text]) => [h("span", { class: "lmc-fb-key" }, text), cells[name]]);
  return {
    el: h("div", { class: "lmc-fb-list" }, list),
    draw({ f, bits, value, entered }, yours) {
      cells.value.textContent = equation(f, bits);
      cells.stored.replaceChildren(...digits(value), h("span", { class: "lmc-muted" }, `  ${hex(f, bits)}`));
      cells.error.textContent = errorWords(f, value, entered);
      if (cells.yours) cells.yours.textContent = yours;
    },
  };
}

/** The digits of the number in three formats: fp16, bf16 and fp32, or the chosen one in place of the first. */
export function digitRows(formats) {
  const el = h("div", {
    class: "lmc-scroll lmc-fb-digits",
    tabindex: 0,
    role: "group",
    "aria-label": "the digits kept",
  });
  return {
    el,
    draw({ f, entered }, policy) {
      const names = THREE.includes(f.name) ? THREE : [f.name, ...THREE.slice(1)];
      const rows = names.map((name) => formats.find((each) => each.name === name)).filter(Boolean);
      if (entered.kind === "finite") el.replaceChildren(digitTable(entered, rows, f.name, policy));
      else el.replaceChildren(h("p", { class: "lmc-muted" }, "Infinity and NaN have no digits to line up."));
    },
    /** Light the column of one power of two; none for null. */
    light(weight) {
      for (const cell of el.querySelectorAll("[data-weight]"))
        cell.classList.toggle("lmc-lit", Number(cell.dataset.weight) === weight && weight !== null);
    },
  };
}

/** The reader's own encoder, asked of Python whenever the number is another; `changed` is called with each answer. */
export function yoursOf(model, changed) {
  let text = "",
    asked = "";
  const answered = (words) => {
    text = words;
    changed();
  };
  const question = asker(model, {
    answered: (answer) => answered(answer.text),
    failed: (error) => answered(`✗ ${error}`),
  });
  return {
    stop: question.stop,
    /** What is said of this number: the answer, or why there is none. */
    of({ f, entered }) {
      if (!question.hasKernel) return "your encoder runs in Python: run this cell";
      if (entered.kind !== "finite") return "an infinity or NaN is not rounded";
      const key = `${f.name} ${signed(entered)}/${entered.d} ${entered.negative}`;
      if (key === asked) return text;
      asked = key;
      text = "…";
      question.ask({ format: f.name, n: String(signed(entered)), d: String(entered.d), negative: entered.negative });
      return text;
    },
  };
}
