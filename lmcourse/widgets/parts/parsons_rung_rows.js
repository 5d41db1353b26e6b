// ParsonsRung: the rows of its picture. The header, the lines of the function, a border, the blocks that are not used.
import { change, h, keyed, write } from "../lib/elements.js";
import { slide } from "../lib/motion.js";
import { DEEPEST, unused } from "../rules/blocks.js";

/** What a row is of: a line of the header, a block in the function or outside of it, or the border between. */
function rowsOf({ header, blocks, lines, verdict }) {
  const given = header.map((text, k) => ({ key: `header ${k}`, text }));
  const inside = lines.map(([block, steps], at) => ({
    key: `block ${block}`,
    block,
    number: at + 1,
    steps: steps + header.length,
    wrong: verdict.at === at,
    text: blocks[block],
  }));
  const outside = unused(lines, blocks.length).map((block) => ({
    key: `block ${block}`,
    block,
    number: 0,
    steps: 0,
    wrong: false,
    text: blocks[block],
  }));
  return [...given, ...inside, { key: "border", text: "" }, ...outside];
}

/** The list, and how it comes to show a state. `click` and `drag` get the block and the event. */
export function rows({ click, drag }) {
  const el = h("ol", { class: "pr-rows", "aria-label": "lines" });
  const mark = h("div", { class: "pr-mark", hidden: true });
  const make = (row) => {
    if (row.block === undefined) return h("li", { class: row.key === "border" ? "pr-border" : "pr-given" });
    const handle = h("span", { class: "lmc-handle pr-handle", "aria-hidden": "true" }, "⠿");
    const button = h(
      "button",
      { type: "button", class: "pr-block", tabindex: -1, "data-block": row.block, onclick: () => click(row.block) },
      row.text,
    );
    return h(
      "li",
      { class: "pr-row", onpointerdown: (event) => drag(row.block, event) },
      h("span", { class: "pr-number" }),
      handle,
      button,
    );
  };
  const update = (node, row, picked, isEmpty) => {
    if (row.key === "border") return write(node, isEmpty ? "Your function is empty: use a line" : "Not used");
    if (row.block === undefined) return write(node, row.text);
    const [number, , button] = node.children;
    write(number, row.wrong ? "✗" : row.number ? String(row.number) : "");
    change(node, { style: `--pr-steps: ${row.steps}`, "data-used": row.number > 0, "data-wrong": row.wrong });
    const place = row.number ? `line ${row.number}, indented by ${row.steps}` : "not used";
    change(button, { "aria-label": `${row.text} (${place}${row.wrong ? ", cannot stay" : ""})` });
    change(button, { "aria-current": row.block === picked });
  };
  return {
    el,
    mark,
    button: (block) => el.querySelector(`[data-block="${block}"]`),
    draw(state) {
      const items = rowsOf(state),
        before = new Map([...el.children].map((node) => [node, node.offsetTop]));
      keyed(el, items, { key: (row) => row.key, make });
      change(el, { style: `--pr-deepest: ${DEEPEST + state.header.length}` });
      for (const row of items) update(el.keyed.get(row.key), row, state.picked, state.lines.length === 0);
      for (const [node, top] of before) slide(node, 0, top - node.offsetTop);
    },
  };
}
