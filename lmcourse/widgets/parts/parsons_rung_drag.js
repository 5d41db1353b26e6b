// ParsonsRung: a line is dragged by its handle, with a mouse anywhere. Nothing in the list moves until it is let go:
// a mark shows where the line would stand and how deep.

/**
 * Where the pointer would put a line: { at, steps }, or null where it stays unused.
 * @param {any} list
 * @param {{ block: number, y: number, deeper: number, steps: (at: number) => number }} pointer
 */
function target(list, { block, y, deeper, steps }) {
  const middle = (node) => node.getBoundingClientRect().top + node.offsetHeight / 2;
  if (y > middle(list.querySelector(".pr-border"))) return null;
  const others = [...list.querySelectorAll("[data-used=true]")].filter(
    (row) => Number(row.querySelector("[data-block]").dataset.block) !== block,
  );
  const at = others.filter((row) => middle(row) < y).length;
  return {
    at,
    steps: Math.max(0, steps(at) + deeper),
    below: others[at - 1] ?? list.querySelector(".pr-given:nth-last-child(1 of .pr-given)"),
  };
}

/**
 * Follow the pointer from a press on a row until it is let go.
 * @param {{ list: any, mark: any, block: number, event: PointerEvent, steps: (at: number) => number, depth: number,
 *   drop: (to: { at: number, steps: number } | null) => void }} options
 *   `steps(at)` is the indentation that a line begins with at a place; `depth` what the header adds.
 * @returns {void}
 */
export function dragged({ list, mark, block, event, steps, depth, drop }) {
  const row = /** @type {any} */ (event.currentTarget),
    start = { x: event.clientX, y: event.clientY };
  const step = Number.parseFloat(getComputedStyle(list).getPropertyValue("--pr-step"));
  let moves = false,
    to = null;
  const move = (now) => {
    if (now.pointerId !== event.pointerId) return;
    const [dx, dy] = [now.clientX - start.x, now.clientY - start.y];
    moves ||= Math.hypot(dx, dy) > 5;
    if (!moves) return;
    row.dataset.dragged = "";
    row.style.transform = `translate(${dx}px, ${dy}px)`;
    to = target(list, { block, y: now.clientY, deeper: Math.round(dx / step), steps });
    mark.hidden = to === null;
    if (to === null) return;
    const frame = mark.offsetParent.getBoundingClientRect();
    mark.style.top = `${to.below.getBoundingClientRect().bottom - frame.top}px`;
    mark.style.left = `${48 + (to.steps + depth) * step}px`;
  };
  const end = (now) => {
    if (now.pointerId !== event.pointerId) return;
    for (const [name, heard] of heards) removeEventListener(name, heard);
    delete row.dataset.dragged;
    row.style.transform = "";
    mark.hidden = true;
    if (!moves || now.type !== "pointerup") return;
    addEventListener("click", swallow, { capture: true, once: true }); // the click that a drag ends with
    setTimeout(() => removeEventListener("click", swallow, { capture: true }));
    drop(to);
  };
  const heards = /** @type {[string, (now: any) => void][]} */ ([
    ["pointermove", move],
    ["pointerup", end],
    ["pointercancel", end],
  ]);
  for (const [name, heard] of heards) addEventListener(name, heard);
}

function swallow(event) {
  event.stopPropagation();
  event.preventDefault();
}
