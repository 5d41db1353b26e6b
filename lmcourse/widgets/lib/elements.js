// Elements: making them, and bringing them up to date. Nothing here knows what a widget is.

let lastId = 0;
/** An id that no other element of the page has: two copies of a widget must not disturb each other. */
export function uid() {
  lastId += 1;
  return `lmc-${lastId}-${Math.random().toString(36).slice(2, 8)}`;
}

function build(node, props, children) {
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "style") node.style.cssText = value;
    else if (key === "value") node.value = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  // Strings become text nodes: whatever a reader typed is shown, never parsed.
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/**
 * An HTML element: h("button", { class: "x", onclick: f }, "text", child).
 * @param {string} tag
 * @param {Record<string, any> | null} [props]
 * @param {...any} children
 * @returns {any}
 */
export const h = (tag, props, ...children) => build(document.createElement(tag), props, children);

/**
 * An SVG element, the same way.
 * @param {string} tag
 * @param {Record<string, any> | null} [props]
 * @param {...any} children
 * @returns {any}
 */
export const s = (tag, props, ...children) =>
  build(document.createElementNS("http://www.w3.org/2000/svg", tag), props, children);

// Bringing nodes up to date. What stays the same is left alone: the browser lays out, and a screen reader hears, only
// what did change.

/** Set the attributes that differ. */
export function change(node, attributes) {
  for (const [name, value] of Object.entries(attributes))
    if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/** Set the text if it differs. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Put these nodes in, if others are there. */
export function fill(parent, nodes) {
  const same = nodes.length === parent.childNodes.length && nodes.every((node, i) => node === parent.childNodes[i]);
  if (!same) parent.replaceChildren(...nodes);
}

/**
 * Bring the children of `parent` in line with `items`: the node made for a key stays as long as an item has that key.
 * @template Item
 * @param {any} parent
 * @param {Item[]} items
 * @param {{ key: (item: Item) => string, make: (item: Item) => Element, update?: (node: any, item: Item) => void }} how
 */
export function keyed(parent, items, { key: keyOf, make, update }) {
  const before = parent.keyed ?? new Map();
  parent.keyed = new Map(items.map((item) => [keyOf(item), before.get(keyOf(item)) ?? make(item)]));
  for (const [name, node] of before) if (!parent.keyed.has(name)) node.remove();
  const kept = new Set(before.values());
  let at = parent.firstChild;
  while (at && !kept.has(at)) at = at.nextSibling; // a label that stands before them stays there
  for (const item of items) {
    const node = parent.keyed.get(keyOf(item));
    update?.(node, item);
    if (node === at) at = at.nextSibling;
    else parent.insertBefore(node, at);
  }
}
