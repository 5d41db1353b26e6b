// The Share panel of a widget: its state as a line of Python and as a link.
import { h, uid } from "./elements.js";
import { ownNames, packState } from "./share.js";

/** A line of the panel: a field that only shows, and a button that copies it; `words` says what became of that. */
function row(label, words) {
  const input = h("input", { type: "text", readonly: true, spellcheck: "false", onfocus: () => input.select() });
  const onclick = async () => {
    try {
      await navigator.clipboard.writeText(input.value);
      words.textContent = `Copied the ${label}.`;
    } catch {
      input.focus();
      words.textContent = `The ${label} is selected: copy it with Ctrl+C or ⌘C.`;
    }
  };
  const copy = h("button", { type: "button", "aria-label": `Copy the ${label}`, onclick }, "Copy");
  return { el: h("div", { class: "lmc-share-row" }, h("label", {}, h("span", {}, label), input), copy), input };
}

/** What a panel says below its lines. */
function noteOf(trouble, address, hasLine) {
  const start = hasLine ? "" : "What is shown comes from a run: no line of Python says it. ";
  if (trouble) return start + trouble;
  const lacksPage = address.startsWith("#");
  return (
    start +
    (lacksPage
      ? "Put the address of the book's page of widgets before the link, or set LMCOURSE_BOOK to the book's address."
      : "")
  );
}

/** The Share button, and the panel that it unfolds: the state as a line of Python, and as a link into the book. */
export function share(model, python) {
  const id = uid();
  const words = h("p", { class: "lmc-muted", role: "status" });
  const line = python ? row("line of Python", words) : null,
    link = row("link", words),
    note = h("p", { class: "lmc-muted" });
  const panel = h("div", { id, class: "lmc-share", role: "group", "aria-label": "Share this state", hidden: true }, [
    line?.el,
    link.el,
    note,
    words,
  ]);
  const open = (yes) => {
    panel.hidden = !yes;
    button.setAttribute("aria-expanded", String(yes));
    words.textContent = "";
    refresh();
  };
  const button = h(
    "button",
    { type: "button", "aria-expanded": "false", "aria-controls": id, onclick: () => open(panel.hidden) },
    "Share",
  );
  panel.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    open(false);
    button.focus();
  });
  let latest = 0;
  async function refresh() {
    if (panel.hidden) return;
    latest += 1;
    const mine = latest;
    if (line) line.input.value = lineOf(model, python);
    const [address, trouble] = await linkTo(model).then(
      (found) => [found, ""],
      (error) => ["", `No link: ${error.message}.`],
    );
    if (mine !== latest) return; // the state moved on while this one was packed
    link.input.value = address;
    note.textContent = noteOf(trouble, address, line !== null);
  }
  return { button, panel, refresh };
}

/** The line of Python, and which names in it are the reader's own. */
function lineOf(model, python) {
  const text = python() + (model.get("more") ? ".at(more=True)" : ""),
    own = ownNames(text);
  return own.length ? `${text}  # ${own.join(", ")}: your own, as in your notebook` : text;
}

/** The link that restores this state: all that differs from what the page itself shows. */
async function linkTo(model) {
  const about = model.get("_share");
  if (!about) throw new Error("this page does not say what it is");
  const first = about.first ?? {};
  const differs = about.names.filter((name) => JSON.stringify(model.get(name)) !== JSON.stringify(first[name]));
  const state = Object.fromEntries(differs.map((name) => [name, model.get(name)]));
  if (Object.values(state).some(ArrayBuffer.isView))
    throw new Error("the numbers of a run are more than a link carries");
  return `${about.page}#${about.name}=${await packState(state)}`;
}
