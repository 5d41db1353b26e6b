// AxesExplorer's chain: each step's output as a small map, in one row, and what one element touches in all of them.
import { put } from "../lib/base.js";
import { h, write } from "../lib/elements.js";
import { grouped } from "../lib/numbers.js";
import { roving } from "../lib/roving.js";
import { letter } from "../rules/axes.js";
import { chainField } from "../rules/axes_chain.js";
import { product } from "../rules/pattern.js";
import { miniMap } from "./axes_explorer_grid.js";
import { nameOf } from "./axes_explorer_work.js";

/** The row of steps: `draw(now)` brings it up to date, `mark(now, focus)` lights what an element feeds or is fed by. */
export function chainRow(model) {
  const el = h("div", { class: "lmc-ax-chain", role: "group", "aria-label": "the steps" });
  const steps = roving(el, "button.lmc-ax-card");
  let maps = [],
    drawn = "";
  return {
    el,
    draw(now) {
      el.hidden = !now.chain.length;
      const key = JSON.stringify([now.chain, now.sizes]);
      if (el.hidden || !now.nest) return;
      if (key !== drawn) {
        maps = [];
        el.replaceChildren(...cardsOf(model, now, maps));
      }
      drawn = key;
      const cards = [...el.querySelectorAll("button")];
      for (const card of cards) card.setAttribute("aria-pressed", String(Number(card.dataset.step) === now.current));
      const at = cards.findIndex((card) => Number(card.dataset.step) === now.current);
      steps.refresh(Math.max(0, at));
    },
    mark(now, focus) {
      if (!now.chain.length) return;
      const name = focus && now.chain[now.current] ? nameOf(now, focus.tensor, letter) : null,
        field = name ? chainField(now.steps, name, focus.flat) : new Map();
      for (const { name: of, size, light, count } of maps) {
        const on = [...(field.get(of) ?? [])];
        light(on);
        write(count, field.has(of) ? `${on.length} of ${grouped(size)}` : "\u00a0");
      }
    },
  };
}

/** A card for every tensor: those that are given, those that softmax makes, and the steps, which can be chosen. */
function cardsOf(model, now, maps) {
  const made = new Set();
  const map = (name, shape) => {
    const { el, light } = miniMap(shape),
      count = h("span", { class: "lmc-ax-count lmc-muted" });
    maps.push({ name, size: product(shape), light, count });
    return [el, count];
  };
  const card = (name, what, shape) => [
    h("b", { class: "lmc-mono" }, name),
    h("span", { class: "lmc-muted" }, what),
    map(name, shape),
  ];
  return now.steps.flatMap((step, i) => {
    const given = step.inputs.flatMap((name, k) => {
      if (made.has(name)) return [];
      made.add(name);
      return [h("div", { class: "lmc-ax-card" }, card(name, "given", step.nest.shapes[k]))];
    });
    made.add(step.name);
    if (step.operation === "softmax") {
      const inside = card(step.name, `softmax ${step.over}`, step.nest.outputShape);
      return [...given, h("div", { class: "lmc-ax-card" }, inside)];
    }
    const { operation, pattern } = step,
      onclick = () => put(model, { current: i, operation, pattern, iteration: -1 });
    const inside = card(step.name, operation, step.nest.outputShape),
      props = { type: "button", class: "lmc-ax-card", "data-step": i, title: pattern, tabindex: -1, onclick };
    return [...given, h("button", props, inside)];
  });
}
