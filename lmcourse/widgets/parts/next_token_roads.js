// NextToken's roads: the tree of what was taken, a run of tokens a line, indented at each fork. A line is a button that
// goes to its end.
import { change, h, keyed, write } from "../lib/elements.js";
import { plural } from "../lib/numbers.js";
import { roving } from "../lib/roving.js";
import { spell } from "../lib/tokens.js";
import { bytesOf, runsOf } from "../rules/roads.js";

const MOST_DEEP = 8; // forks that are indented

/** @param {(node: number) => void} go  hears to which node */
export function roadsPanel(go) {
  const list = h("div", { class: "nt-runs", role: "group", "aria-label": "roads taken" }),
    stops = roving(list, "button");
  let to = new Map();
  const make = ({ from }) =>
    h(
      "button",
      { type: "button", class: "nt-run", onclick: () => go(to.get(from)) },
      h("span", { class: "nt-fork" }, "└"),
      h("span", { class: "nt-words" }),
      h("span", { class: "nt-number" }),
    );
  return {
    el: h("div", { class: "nt-panel" }, list),
    draw({ tree, path }) {
      const runs = runsOf(tree),
        road = new Set(path);
      to = new Map(runs.map(({ from, to: end }) => [from, end]));
      const update = (line, { deep, nodes, to: end }) => {
        const [fork, words, count] = line.children,
          on = road.has(end);
        line.style.paddingLeft = `${8 + 16 * Math.min(deep, MOST_DEEP)}px`;
        fork.hidden = deep === 0;
        write(words, spell(bytesOf(tree, nodes)).replaceAll("␣", " "));
        write(count, plural(nodes.length, "token"));
        change(line, { "aria-pressed": String(on) });
      };
      keyed(list, runs, { key: ({ from }) => String(from), make, update });
      stops.refresh(runs.findIndex(({ to: end }) => end === path.at(-1)));
    },
  };
}
