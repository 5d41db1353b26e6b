// FloatBits' tabs, below the reading line: All formats, Ranges, Every code, Rounding. None is open at first; a click on
// the open one closes it.
import { put } from "../lib/base.js";
import { check, choice, tabs } from "../lib/controls.js";
import { h } from "../lib/elements.js";
import { codesTab } from "./float_bits_codes.js";
import { allFormats, ranges } from "./float_bits_formats.js";
import { rounding } from "./float_bits_rounding.js";
import { MODES, POLICIES } from "./float_bits_words.js";

const TABS = { formats: "All formats", ranges: "Ranges", plane: "Every code", rounding: "Rounding" };

/** How a number is rounded, and whether it is to be predicted first. */
function roundingControls(model) {
  const set = (name) => (value) => put(model, { [name]: value });
  const select = (label, name, words) =>
    choice({ label, options: Object.entries(words), value: model.get(name), onchange: set(name) });
  const parts = {
    rounding: select("Round", "rounding", MODES),
    overflow: select("Too large becomes", "overflow", POLICIES),
    predict: check({ label: "Predict first", value: model.get("predict"), onchange: set("predict") }),
  };
  const nodes = Object.values(parts).map((part) => part.el);
  return {
    el: h("div", { class: "lmc-controls lmc-fb-how" }, nodes),
    set() {
      parts.rounding.set(model.get("rounding"));
      parts.overflow.set(model.get("overflow"));
      parts.predict.set(model.get("predict"));
    },
  };
}

/** Draw, and give the focus back to what had it: a button, or a part that is scrolled. */
function keepFocus(el, draw) {
  const held = el.contains(document.activeElement) ? document.activeElement : null,
    scrollers = () => [...el.querySelectorAll(".lmc-scroll")],
    at = held?.classList.contains("lmc-scroll") ? scrollers().indexOf(held) : -1,
    again = held?.hasAttribute("data-again");
  draw();
  if (el.contains(document.activeElement)) return;
  const node = again ? el.querySelector("[data-again]") : scrollers()[at];
  if (node instanceof HTMLElement) node.focus({ preventScroll: true });
}

/**
 * @param {{ choose: (code: bigint) => void, format: (name: string) => void, again: () => void }} on
 *   a code or a format chosen; coins tossed again
 */
export function tabPanel(model, formats, on) {
  const open = (name) => put(model, { picture: model.get("picture") === name ? "none" : name });
  const bar = tabs({
    label: "more about this number",
    options: Object.entries(TABS),
    value: model.get("picture"),
    onchange: open,
  });
  const codes = codesTab(on),
    how = roundingControls(model),
    picture = h("div", {}),
    el = h("div", { class: "lmc-fb-picture", role: "tabpanel" }, how.el, codes.el, picture);
  const draws = {
    formats: (now, about) => allFormats(now, formats, about.policy),
    ranges: (now, about) => ranges(now, formats, about.width),
    rounding: (now, about) => rounding(now, { ...about, again: on.again }),
  };
  return {
    els: [bar.el, el],
    panel: el,
    focus() {
      const open = bar.el.querySelector("[aria-selected=true]");
      if (open instanceof HTMLElement) open.focus({ preventScroll: true });
    },
    /** @param {{ policy: any, masked: boolean, seed: number, width: number }} about */
    draw(now, about) {
      const name = model.get("picture"),
        shown = Object.hasOwn(TABS, name);
      bar.set(name);
      how.set();
      el.hidden = !shown;
      el.setAttribute("aria-label", shown ? TABS[name] : "nothing");
      how.el.hidden = name !== "rounding";
      codes.el.hidden = name !== "plane";
      picture.hidden = name === "plane";
      if (name === "plane") codes.draw(now, about.width);
      else keepFocus(picture, () => picture.replaceChildren(...(draws[name]?.(now, about) ?? [])));
    },
  };
}
