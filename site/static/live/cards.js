// What Python answered, as nodes. The HTML of a card is read by a parser that runs nothing, and only what a card is
// made of is taken over: so nothing that a reader wrote, or that came in a file, becomes more than text.

const PARTS = new Set("DIV P B TABLE TBODY TR TH TD CODE PRE DETAILS SUMMARY".split(" "));
const STYLES = ["border-left", "padding", "text-align", "white-space"];

/** @param {string} name @param {object} props @param {...(string | Node)} children @returns {any} */
export function make(name, props = {}, ...children) {
  const node = Object.assign(document.createElement(name), props);
  node.append(...children);
  return node;
}

function copied(from) {
  if (from.nodeType === Node.TEXT_NODE) return document.createTextNode(from.data);
  if (from.nodeType !== Node.ELEMENT_NODE || !PARTS.has(from.tagName)) return document.createTextNode("");
  const to = document.createElement(from.tagName);
  for (const style of STYLES) to.style.setProperty(style, from.style.getPropertyValue(style));
  if (to.style.length === 0) to.removeAttribute("style");
  to.append(...[...from.childNodes].map(copied));
  return to;
}

/** A card of lmcourse.exercises.cards as nodes. */
export function card(html) {
  const read = new DOMParser().parseFromString(html, "text/html");
  return make("div", { className: "output text_html" }, ...[...read.body.childNodes].map(copied));
}

const printed = (text, kind) =>
  make("div", { className: `output stream ${kind}` }, make("div", { className: "highlight" }, make("pre", {}, text)));

/** All that a cell gave: what it printed, its cards, its traceback. */
export function results({ out = "", trace = "", cards = [] }) {
  const parts = cards.map((each) => card(each.html));
  if (out) parts.unshift(printed(out, ""));
  if (trace) parts.push(printed(trace, "trace"));
  if (parts.length === 0) parts.push(make("p", { className: "lm-nothing" }, "It ran, and printed nothing."));
  return parts;
}
