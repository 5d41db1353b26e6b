// TokenizerLens: several tokenizers on one text. Python tokenizes; here tokens become spans of bytes, so that what lies
// above what, and which tokens share a byte, is a matter of numbers. The pure part is tested by node on golden vectors.
import { frame, put, redraw } from "./lib/base.js";
import { choice, field } from "./lib/controls.js";
import { roving } from "./lib/roving.js";
import { h } from "./lib/elements.js";
import { asker } from "./lib/kernel.js";
import { grouped } from "./lib/numbers.js";
import {
  byteLine,
  byteRows,
  bytesPerToken,
  drawn,
  layOut,
  lines,
  linkSpans,
  pager,
  spell,
  wellFormed,
} from "./lib/tokens.js";

const MOST = 20000; // characters
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** The tokens of a lane as spans of bytes, with what is said of each. */
export function spansOf(lane, bytes) {
  const cuts = new Set(lane.cuts),
    special = new Set(lane.special);
  let from = 0;
  return lane.sizes.map((size, i) => {
    const to = from + size;
    const span = {
      from,
      to,
      id: lane.ids[i],
      index: i,
      bytes: bytes.slice(from, to),
      special: special.has(i),
      cut: cuts.has(from),
      piece: isPiece(bytes, from, to),
    };
    from = to;
    return span;
  });
}

const inside = (bytes, at) => at < bytes.length && (bytes.charCodeAt(at) & 0xc0) === 0x80;
/** Does a token begin or end inside a character? */
const isPiece = (bytes, from, to) => inside(bytes, from) || inside(bytes, to);

/** The spans of another lane that share a byte with [from, to). */
export const overlapping = (spans, from, to) => spans.filter((span) => span.from < to && from < span.to);

/** Bytes at which every lane begins a token: the cuts that all agree on. */
export function sharedCuts(lanes) {
  const laid = lanes.filter((spans) => spans.length);
  if (!laid.length) return [];
  const starts = laid.map((spans) => new Set(spans.map(({ from }) => from)));
  return [...starts[0]].filter((at) => at > 0 && starts.every((set) => set.has(at)));
}

// From here on: drawing.

const count = (n, word) => `${grouped(n)} ${word}${n === 1 ? "" : "s"}`;

function render({ model, el }) {
  const get = (name) => model.get(name);
  const FIRST = Object.fromEntries(["text", "special", "view", "shown"].map((name) => [name, get(name)]));
  const f = frame({
    model,
    el,
    reset: () => {
      page = 0;
      note = "";
      put(model, FIRST);
    },
    python: () =>
      `TokenizerLens(${JSON.stringify(get("text"))}, tokenizers, special=${JSON.stringify(get("special"))}, view=${JSON.stringify(get("view"))})`,
  });
  f.root.classList.add("tl");
  let page = 0,
    width = 920,
    note = "",
    layout = null,
    laid = null,
    spans = [];
  const names = get("names");

  const summary = h("div", { class: "lmc-scroll" });
  const tracks = h("div", { class: "tl-tracks" });
  const pages = pager((from) => {
    page = from;
    draw();
  });
  const detail = h("div", { class: "tl-detail", style: `min-height: ${28 * (names.length + 1)}px` });
  const key = h(
    "p",
    { class: "tl-key" },
    "A thick edge: a new pre-token. Dashed hex: a token that ends inside a character. ⏎ ⇥ ␣ stand for what is invisible.",
  );
  const hint = () =>
    h(
      "p",
      { class: "lmc-muted" },
      "Point at a token, or move to it with the arrow keys: every lane shows what it makes of the same bytes.",
    );
  f.stage.append(summary, h("div", {}, tracks, key), pages.el, detail);
  const stops = roving(tracks, "button");

  const sample = (text, special) => {
    const here = get("samples").filter((one) => one.text === text);
    return here.find((one) => one.special === special) ?? (here.length === 1 ? here[0] : null); // one, where the switch changes nothing
  };

  /** What is drawn belongs to the text and the switch: from the samples, or from Python. */
  function bring() {
    const shown = get("shown"),
      [text, special] = [get("text"), get("special")];
    if (shown.text === text && (shown.special === special || sample(text, special) === shown)) return "";
    const known = sample(text, special);
    if (known) {
      model.set("shown", known);
      model.save_changes();
      return "";
    }
    if (!kernel.hasKernel)
      return "A new text needs Python: open the notebook and run its cell. The stage still shows the text before.";
    kernel.ask({ text, special });
    return "";
  }

  function drawSummary(shown) {
    const counts = shown.lanes.map(({ ids }) => ids.length),
      most = Math.max(1, ...counts),
      total = layout.bytes.length;
    summary.replaceChildren(
      h(
        "table",
        { class: "tl-summary" },
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ["tokenizer", "vocabulary", "tokens", "", "bytes a token", "pieces of characters"].map((name) =>
              h("th", { scope: "col" }, name || h("span", { class: "lmc-sr" }, "bar")),
            ),
          ),
        ),
        h(
          "tbody",
          {},
          shown.lanes.map((lane, i) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, h("span", { class: "tl-letter" }, LETTERS[i % 26]), " ", names[i].name),
              h("td", {}, names[i].size ? grouped(names[i].size) : "–"),
              lane.problem && !lane.ids.length
                ? h("td", { colspan: 4, class: "tl-words" }, lane.problem)
                : [
                    h("td", {}, grouped(lane.ids.length)),
                    h(
                      "td",
                      { class: "tl-bars" },
                      h("span", { class: "tl-bar lmc-moves", style: `width:${(100 * lane.ids.length) / most}%` }),
                    ),
                    h("td", {}, bytesPerToken(total, lane.ids.length)),
                    h(
                      "td",
                      {},
                      lane.problem
                        ? h("span", { class: "tl-words" }, lane.problem)
                        : grouped(spans[i].filter((span) => span.piece).length),
                    ),
                  ],
            ),
          ),
        ),
      ),
    );
  }

  const cell = (lane, withId) => (span) =>
    h(
      "button",
      {
        type: "button",
        tabindex: -1,
        class: `lmc-tok lmc-tok-${span.index % 2}${span.special ? " tl-special" : ""}${span.cut ? " tl-cut" : ""}`,
        "aria-label": `${spell(span.bytes)}, ${withId ? `${span.id}, ` : ""}${names[lane].name} token ${withId ? "" : span.id}${span.special ? ", special" : ""}${span.piece ? ", a piece of a character" : ""}`,
        "data-lane": lane,
        "data-index": span.index,
      },
      withId
        ? [h("span", { class: "tl-text" }, drawn(span.bytes)), h("span", { class: "tl-id" }, String(span.id))]
        : drawn(span.bytes),
    );

  function drawTracks() {
    const focused = tracks.contains(document.activeElement)
      ? [document.activeElement.dataset.lane, document.activeElement.dataset.index]
      : null;
    const label = width > 560 ? 96 : 24,
      aligned = get("view") === "bytes";
    f.root.style.setProperty("--lmc-label", `${label}px`);
    const all = lines(layout.cuts, page, width - label - 4, aligned ? (width > 560 ? 3 : 5) : 5, 0);
    const from = all[0]?.from ?? 0,
      to = all.at(-1)?.to ?? 0;
    pages.set(from, to, layout.cuts);
    if (!all.length) {
      tracks.replaceChildren(h("p", { class: "lmc-muted" }, "There is no text."));
      return;
    }
    const named = (i) => (width > 560 ? `${LETTERS[i % 26]} ${names[i].name}` : LETTERS[i % 26]);
    if (aligned) {
      const above = byteRows(layout, from, to);
      tracks.replaceChildren(
        ...all.map((line) =>
          byteLine(line, [
            ...(width > 560 ? above : above.map((row) => ({ ...row, label: "" }))),
            ...spans
              .map((lane, i) => ({ label: named(i), spans: lane, cell: cell(i, false) }))
              .filter((row) => row.spans.length),
          ]),
        ),
      );
    } else {
      tracks.replaceChildren(
        ...spans
          .map((lane, i) =>
            lane.length
              ? h(
                  "div",
                  { class: "tl-flow" },
                  h("span", { class: "lmc-line-label" }, named(i)),
                  h(
                    "div",
                    { class: "tl-chips" },
                    overlapping(lane, from, to).map((span) => {
                      const node = cell(i, true)(span);
                      node.dataset.from = span.from;
                      node.dataset.to = span.to;
                      return node;
                    }),
                  ),
                )
              : null,
          )
          .filter(Boolean),
      );
    }
    const buttons = [...tracks.querySelectorAll("button")];
    const at = focused ? buttons.findIndex((b) => b.dataset.lane === focused[0] && b.dataset.index === focused[1]) : 0;
    stops.refresh(Math.max(0, at), focused !== null);
  }

  /** What every lane makes of the bytes under the pointer. */
  function point(from, to) {
    const hexes = Array.from(layout.bytes.slice(from, Math.min(to, from + 12)), (b) =>
      b.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0"),
    ).join(" ");
    detail.replaceChildren(
      h(
        "p",
        { class: "tl-sub" },
        `bytes ${from} to ${to - 1}: `,
        h("span", { class: "lmc-mono" }, hexes + (to - from > 12 ? " …" : "")),
      ),
      ...spans
        .map((lane, i) => {
          const here = overlapping(lane, from, to);
          if (!here.length) return null;
          return h(
            "p",
            {},
            h("span", { class: "tl-letter" }, LETTERS[i % 26]),
            ` ${names[i].name}: `,
            here
              .slice(0, 8)
              .flatMap((span) => [
                h("span", { class: `lmc-tok lmc-tok-${span.index % 2}` }, drawn(span.bytes)),
                ` ${span.id}${span.special ? " (special)" : ""} `,
              ]),
            here.length > 8 ? "…" : "",
          );
        })
        .filter(Boolean),
    );
  }
  linkSpans(tracks, point);

  function sentence(shown) {
    if (!layout.bytes.length)
      return "Type a text: each tokenizer cuts it in its own way, and decodes to the same bytes.";
    const agreed = sharedCuts(spans).length,
      laidOut = spans.filter((lane) => lane.length).length;
    const readers = shown.lanes.flatMap((lane, i) => (lane.special.length ? [`“${names[i].name}”`] : []));
    const inText = names.flatMap(({ special }) => special).filter((token) => layout.text.includes(token));
    const said = readers.length
      ? ` ${readers.join(", ")} ${readers.length > 1 ? "read" : "reads"} a special token: if a user typed it, that is an injection.`
      : inText.length && get("special") === "none"
        ? ` “${inText[0]}” is ordinary text now, a few harmless tokens.`
        : "";
    const fewest = shown.lanes
      .map((lane, i) => [lane.ids.length, names[i].name])
      .filter(([n]) => n)
      .sort((a, b) => a[0] - b[0])[0];
    return `${count(layout.bytes.length, "byte")}; ${fewest ? `“${fewest[1]}” needs the fewest tokens, ${grouped(fewest[0])}` : "no tokens"}${laidOut > 1 ? `; all cut at the same ${count(agreed, "place")}` : ""}.${said}`;
  }

  const pick = get("samples")
    .map(({ text }) => text)
    .filter((text, i, all) => all.indexOf(text) === i);
  const sampler = choice({
    label: "text",
    options: [
      ...pick.map((text, i) => [String(i), text.length > 36 ? `${text.slice(0, 36)}…` : text]),
      ["new", "your own"],
    ],
    value: "0",
    onchange: (i) => {
      if (i !== "new") {
        page = 0;
        note = "";
        put(model, { text: pick[Number(i)] });
      } else typed.input.focus();
    },
  });
  const special = choice({
    label: "special tokens in the text",
    options: [
      ["all", "become their ids"],
      ["none", "are ordinary text"],
    ],
    value: get("special"),
    onchange: (value) => put(model, { special: value }),
  });
  const view = choice({
    label: "show",
    options: [
      ["bytes", "byte by byte"],
      ["ids", "tokens with ids"],
    ],
    value: get("view"),
    onchange: (value) => put(model, { view: value }),
  });
  const typed = field({
    label: "Tokenize",
    lines: 2,
    value: get("text"),
    oninput: (text) => {
      note =
        wellFormed(text) === text
          ? ""
          : "Half of a surrogate pair was typed, which UTF-8 cannot hold: it became U+FFFD. ";
      if (text.length > MOST)
        note = `Only the first ${grouped(MOST)} of ${grouped(text.length)} characters are tokenized. `;
      page = 0;
      put(model, { text: wellFormed(wellFormed(text).slice(0, MOST)) });
    },
  });
  typed.el.classList.add("tl-wide");
  f.controls.append(...(pick.length > 1 ? [sampler.el] : []), view.el, special.el, typed.el);

  let failure = "";
  const kernel = asker(model, {
    answered: () => {
      failure = "";
    },
    failed: (words) => {
      failure = `Python could not: ${words} `;
      draw();
    },
  });

  function draw() {
    const missing = bring(),
      shown = get("shown");
    if (layout?.text !== shown.text) {
      layout = layOut(shown.text);
      detail.replaceChildren(hint());
      page = Math.min(page, layout.bytes.length);
    }
    if (laid !== shown) {
      laid = shown;
      spans = shown.lanes.map((lane) => spansOf(lane, layout.bytes));
    }
    drawSummary(shown);
    drawTracks();
    special.set(get("special"));
    view.set(get("view"));
    const at = pick.indexOf(get("text"));
    sampler.set(at < 0 ? "new" : String(at));
    if (document.activeElement !== typed.input) typed.set(get("text"));
    const left =
      get("left_out") && get("text") === FIRST.text
        ? `These are the first ${grouped(MOST)} characters; ${grouped(get("left_out"))} more are left out. `
        : "";
    f.say(failure + note + left + (missing || sentence(shown)), failure ? "bad" : "");
  }

  const watcher =
    typeof ResizeObserver === "undefined"
      ? null
      : new ResizeObserver(([entry]) => {
          const now = Math.floor(entry.contentRect.width);
          if (now > 0 && now !== width) {
            width = now;
            draw();
          }
        });
  const stop = redraw(model, ["text", "special", "view", "shown"], draw);
  watcher?.observe(f.stage);
  return () => {
    stop();
    kernel.stop();
    watcher?.disconnect();
  };
}

export default { render };
