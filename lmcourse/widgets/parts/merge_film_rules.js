// What MergeFilm compares: the three rules for a tie on one text, and the reader's own trainer with the reference.
import { change, h, write } from "../lib/elements.js";
import { plural } from "../lib/numbers.js";
import { bytesPerToken } from "../lib/tokens.js";
import { TIES, divergence } from "../rules/bpe.js";
import { leavesAt, once } from "../rules/film.js";
import { token } from "./merge_film_tokens.js";

export const RULES = {
  greatest: "greatest bytes (CS336)",
  first: "first seen (minbpe)",
  smallest: "smallest ids (Hugging Face)",
};
const COLUMNS = { name: "a tie goes to", ratio: "bytes a token", leaves: "leaves", only: "tokens only there" };

function ruleRow(tie, take) {
  const button = h("button", { type: "button", title: RULES[tie], onclick: () => take(tie) }, tie);
  const cells = { ratio: h("td", {}), leaves: h("td", {}), only: h("td", { class: "mf-onlys" }) };
  return { button, ...cells, row: h("tr", {}, h("th", { scope: "row" }, button), Object.values(cells)) };
}

/** One rule beside the one that is shown: where it leaves it, and the tokens that only it learns. */
function drawRow(cells, other, { run, total }, reached) {
  cells.button.setAttribute("aria-pressed", String(other === run));
  cells.ratio.textContent = bytesPerToken(other.bytes, other.tokensAt(reached(other)));
  cells.only.replaceChildren();
  if (other === run) {
    cells.leaves.textContent = "shown";
    return;
  }
  const learned = (each) => each.tokens.slice(256, 256 + reached(each));
  const at = leavesAt(run, other, total),
    shown = new Set(learned(run));
  cells.leaves.textContent = at < 0 ? "never" : `merge ${at + 1}`;
  const only = [...new Set(learned(other).filter((bytes) => !shown.has(bytes)))];
  const few = only.slice(0, 3).flatMap((bytes) => [token(bytes), " "]);
  cells.only.append(only.length ? `${only.length}: ` : "none", ...few, only.length > 3 ? "…" : "");
}

export function rulesOf(take) {
  const rows = Object.fromEntries(TIES.map((tie) => [tie, ruleRow(tie, take)]));
  const head = Object.values(COLUMNS).map((name) => h("th", { scope: "col" }, name));
  const body = Object.values(rows).map(({ row }) => row);
  const table = h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, body));
  const el = h(
    "div",
    { class: "mf-rules" },
    h("p", { class: "mf-sub" }, "One text, three rules for a tie"),
    h("div", { class: "lmc-scroll" }, table),
  );
  const draw = once(
    (view) => {
      const reached = (run) => Math.min(view.target, run.steps.length);
      for (const tie of TIES) drawRow(rows[tie], view.film.runs[tie], view, reached);
    },
    ({ run, total, reached }) => [run, total].concat(Object.values(reached)),
  );
  return { el, draw };
}

/** @param {{ hasKernel: boolean, go: (step: number) => void }} on */
export function verdictOf(model, on) {
  const { hasKernel, go } = on;
  let at = 0;
  const el = h("p", { class: "mf-verdict", role: "status" }),
    show = h("button", { type: "button", onclick: () => go(at) }, "Show it");
  const compare = once((yours, reference, size, _reached, _length) => divergence(yours, reference, size));
  const words = (text, look = "") => {
    write(el, text);
    change(el, { class: `mf-verdict${look}` });
  };

  /** What is said while there is nothing to compare; "" when there is. */
  function waiting({ film, target }) {
    const { yours } = film.runs,
      finished = (run) => run.done || run.steps.length >= target;
    if (!yours && hasKernel) return "… your trainer is running on this text";
    if (!yours) return "Your trainer runs in Python: run this cell to try another text.";
    return finished(yours) && finished(film.runs[model.get("tie")]) ? "" : "… comparing";
  }

  return {
    el,
    /** Draw it; returns the index of the first merge that differs, or undefined. */
    draw(view) {
      el.toggleAttribute("hidden", !model.get("has_train"));
      if (!model.get("has_train")) return undefined;
      const { error } = model.get("theirs"),
        wait = error ? `✗ Your trainer: ${error}` : waiting(view);
      if (wait) {
        words(wait, error ? " mf-bad" : "");
        return undefined;
      }
      const { yours } = view.film.runs,
        tie = model.get("tie");
      const found = compare(yours, view.film.runs[tie], view.target, view.reached[tie], yours.steps.length);
      const same = `✓ Your trainer and the reference make the same ${plural(view.total, "merge")}.`,
        says = found ? `✗ ${found.words} ` : same;
      if (found) at = found.at;
      if (el.firstChild?.textContent !== says) el.replaceChildren(says, ...(found ? [show] : []));
      change(el, { class: `mf-verdict ${found ? "mf-bad" : "mf-good"}` });
      return found?.at;
    },
  };
}
