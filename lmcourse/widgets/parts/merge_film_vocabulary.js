// MergeFilm's vocabulary: the tokens learned so far, and the life of the one that was clicked.
import { fill, h, keyed, write } from "../lib/elements.js";
import { roving } from "../lib/roving.js";
import { plural } from "../lib/numbers.js";
import { spell } from "../lib/tokens.js";
import { TIES } from "../rules/bpe.js";
import { heirsOf, once, treeOf } from "../rules/film.js";
import { dress, keepStop, marks, pick, sameName, token } from "./merge_film_tokens.js";
import { life } from "./merge_film_words.js";

const NEWEST = 40; // tokens shown
const KEY = "dotted: gone from the text · orange: not under every rule · click: its biography";

/** Look and name of a token in the vocabulary after k merges; `only`: not learned under every rule. */
function dressChip(chip, { id, bytes }, { run, k }, only, chosen) {
  const there = run.occurrences(id, k);
  const where = there ? `in the text ${plural(there, "time")}` : "no longer in the text";
  const look = marks([!there, "mf-dead"], [only, "mf-only"], [bytes === chosen, "mf-chosen"]);
  dress(chip, `lmc-tok${look}`, `${spell(bytes)}, id ${id}, ${where}${only ? ", not learned under every rule" : ""}`);
}

export function vocabularyOf(choose) {
  const head = h("p", { class: "mf-sub" }),
    chips = h("div", { class: "mf-chips" });
  const el = h("div", { class: "mf-vocab" }, head, chips, h("p", { class: "mf-key" }, KEY));
  const stops = roving(el, "button");
  const elsewhere = once(
    ({ run, film, target }) =>
      TIES.filter((tie) => film.runs[tie] !== run).map((tie) => new Set(film.runs[tie].tokens.slice(0, 256 + target))),
    ({ run, target, reached }) => [run, target].concat(Object.values(reached)),
  );
  return {
    el,
    draw(view, chosen) {
      const { run, k } = view,
        others = elsewhere(view);
      const newest = run.steps.slice(Math.max(0, k - NEWEST), k).reverse();
      const shown = newest.map(({ id }) => ({ id, bytes: run.tokens[id] }));
      const some = k > shown.length ? `, the newest ${shown.length} shown` : "";
      const nothing = "Nothing learned yet but the 256 bytes";
      write(head, k ? `Learned so far: ${plural(k, "token")}${some}` : nothing);
      const bring = () =>
        keyed(chips, shown, {
          key: ({ id, bytes }) => `${id} ${bytes}`,
          make: ({ bytes }) => pick(bytes, choose),
          update(chip, item) {
            const only = others.some((other) => !other.has(item.bytes));
            dressChip(chip, item, view, only, chosen);
          },
        });
      keepStop(el, stops, bring, sameName);
    },
  };
}

/** The merges that made a token, from its bytes upwards. */
function treeNodes(run, root, choose) {
  const all = treeOf(run, root),
    height = all[0].depth;
  const cells = all.map(({ id, bytes, from, depth }) => {
    const cell = pick(bytes, choose);
    dress(cell, "lmc-tok", `${spell(bytes)}, ${id < 256 ? "a byte" : `merge ${id - 255}`}`);
    cell.style.gridArea = `${height - depth + 1} / ${from + 1} / auto / ${from + 1 + bytes.length}`;
    return cell;
  });
  const columns = `grid-template-columns: repeat(${run.tokens[root].length}, minmax(28px, max-content))`;
  return h("div", { class: "mf-tree", style: columns }, cells);
}

export function biographyOf(choose) {
  const el = h("div", { class: "mf-bio" }),
    stops = roving(el, "button");
  const hint = h("p", { class: "lmc-muted" }, "Click a token: here is how it was made, and what became of it.");
  const pieces = once((run, id) => {
    const story = h("p", {});
    const head = h("p", { class: "mf-sub" }, "Biography of ", token(run.tokens[id]), ` · id ${id}`);
    const tree = h("div", { class: "lmc-scroll" }, treeNodes(run, id, choose));
    return { head, story, body: h("div", { class: "mf-life" }, tree, story) };
  });

  function nodesOf({ run, k, total }, chosen) {
    if (chosen === null) return [hint];
    const id = run.tokens.slice(0, 256 + total).indexOf(chosen);
    if (id < 0) {
      const words = `“${spell(chosen)}” is not learned under this rule within ${plural(total, "merge")}`;
      return [h("p", { class: "mf-sub" }, words)];
    }
    const { head, body, story } = pieces(run, id);
    write(story, life(run, id, k, total, heirsOf(run, id, total)));
    return [head, body];
  }
  return {
    el,
    draw(view, chosen) {
      keepStop(el, stops, () => fill(el, nodesOf(view, chosen)), sameName);
    },
  };
}
