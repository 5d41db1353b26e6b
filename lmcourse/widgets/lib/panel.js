// The Share panel of a widget: its state as a line of Python and as a link.
import { h, uid } from "./elements.js";
import { ownNames, packState } from "./share.js";

/** The Share button, and the panel that it unfolds: the state as a line of Python, and as a link into the book. */
export function share(model, python) {
  const panel = h("div", {
    id: uid(),
    class: "lmc-share",
    role: "group",
    "aria-label": "Share this state",
    hidden: true,
  });
  const button = h(
    "button",
    { type: "button", "aria-expanded": "false", "aria-controls": panel.id, onclick: () => open(panel.hidden) },
    "Share",
  );
  const words = h("p", { class: "lmc-muted", role: "status" });
  const row = (label) => {
    const input = h("input", { type: "text", readonly: true, spellcheck: "false", onfocus: () => input.select() });
    const copy = h(
      "button",
      {
        type: "button",
        "aria-label": `Copy the ${label}`,
        onclick: async () => {
          try {
            await navigator.clipboard.writeText(input.value);
            words.textContent = `Copied the ${label}.`;
          } catch {
            input.focus();
            words.textContent = `The ${label} is selected: copy it with Ctrl+C or ⌘C.`;
          }
        },
      },
      "Copy",
    );
    return { el: h("div", { class: "lmc-share-row" }, h("label", {}, h("span", {}, label), input), copy), input };
  };
  const line = python && row("line of Python"),
    link = row("link"),
    note = h("p", { class: "lmc-muted" });
  panel.append(...(line ? [line.el] : []), link.el, note, words);
  panel.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      open(false);
      button.focus();
    }
  });
  let latest = 0;
  const open = (yes) => {
    panel.hidden = !yes;
    button.setAttribute("aria-expanded", String(yes));
    words.textContent = "";
    refresh();
  };
  async function refresh() {
    if (panel.hidden) return;
    const mine = (latest += 1),
      text = python?.() ?? "",
      own = ownNames(text);
    if (line) line.input.value = own.length ? `${text}  # ${own.join(", ")}: your own, as in your notebook` : text;
    let address = "",
      trouble = "";
    try {
      address = await linkTo(model);
    } catch (error) {
      trouble = `No link: ${error.message}.`;
    }
    if (mine !== latest) return; // the state moved on while this one was packed
    link.input.value = address;
    note.textContent =
      (line ? "" : "What is shown comes from a run: no line of Python says it. ") +
      (trouble ||
        (address.startsWith("#")
          ? "Put the address of the book's page of widgets before the link, or set LMCOURSE_BOOK to the book's address."
          : ""));
  }
  return { button, panel, refresh };
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
