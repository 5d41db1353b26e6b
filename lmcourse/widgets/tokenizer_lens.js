// TokenizerLens: several tokenizers on one text. Python tokenizes, the page draws and links: the spans of bytes that
// tokens are come from rules/lanes.js.
import { frame, put } from "./lib/base.js";
import { choice, field, help } from "./lib/controls.js";
import { h, write } from "./lib/elements.js";
import { asker } from "./lib/kernel.js";
import { grouped, plural } from "./lib/numbers.js";
import { roving } from "./lib/roving.js";
import { watchWidth } from "./lib/width.js";
import { byteString, bytesPerToken, cleaned, drawn, hexes, layOut, linkSpans, pager } from "./lib/tokens.js";
import { byteLines, chipLanes, letter, pageOf } from "./parts/tokenizer_lens_lanes.js";
import { cutAlike, laneHere, overlapping, sharedCuts, spansOf } from "./rules/lanes.js";

const MOST = 20000; // characters
const COLUMNS = {
  name: "tokenizer",
  size: "vocabulary",
  count: "tokens",
  bar: "bar",
  ratio: "bytes a token",
  pieces: "pieces of characters",
};

const letterOf = (i) => h("span", { class: "tl-letter" }, letter(i));

/** One row of the table of counts, its cells by the names of COLUMNS; it stays, so that its bar is seen to move. */
function countRow(about, i) {
  const bar = h("span", { class: "tl-bar lmc-moves" }),
    cells = { count: h("td"), bar: h("td", { class: "tl-bars" }, bar), ratio: h("td"), pieces: h("td") },
    words = h("span", { class: "tl-words" });
  const head = [
    h("th", { scope: "row" }, letterOf(i), " ", about.name),
    h("td", {}, about.size ? grouped(about.size) : "–"),
  ];
  return {
    row: h("tr", {}, head, Object.values(cells)),
    draw(lane, spans, total, most) {
      const some = lane.ids.length > 0;
      bar.style.width = `${(100 * lane.ids.length) / most}%`;
      write(cells.count, some ? grouped(lane.ids.length) : "–");
      write(cells.ratio, some ? bytesPerToken(total, lane.ids.length) : "–");
      write(words, lane.problem);
      cells.pieces.replaceChildren(lane.problem ? words : grouped(spans.filter((span) => span.piece).length));
    },
  };
}

function countTable(names) {
  const rows = names.map(countRow),
    body = rows.map(({ row }) => row);
  const special = {
    bar: (text) => h("span", { class: "lmc-sr" }, text),
    pieces: (text) => help(text, "Tokens that begin or end inside a character: its bytes are in more than one token."),
  };
  const head = Object.entries(COLUMNS).map(([key, text]) => h("th", { scope: "col" }, special[key]?.(text) ?? text));
  return {
    el: h("table", { class: "tl-summary" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, body)),
    draw({ lanes, spans, layout }) {
      const most = Math.max(1, ...lanes.map(({ ids }) => ids.length));
      rows.forEach((row, i) => {
        if (lanes[i]) row.draw(lanes[i], spans[i], layout.bytes.length, most);
      });
    },
  };
}

/** What every lane makes of the bytes from `from` to `to`. */
function detailOf(layout, spans, names, from, to) {
  const bytes = hexes(layout.bytes.slice(from, Math.min(to, from + 12))) + (to - from > 12 ? " …" : "");
  const head = h("p", { class: "tl-sub" }, `bytes ${from} to ${to - 1}: `, h("span", { class: "lmc-mono" }, bytes));
  const rows = spans.flatMap((lane, i) => {
    const here = overlapping(lane, from, to);
    if (!here.length) return [];
    const tokens = here.slice(0, 8).flatMap((span) => {
      const token = h("span", { class: `lmc-tok lmc-tok-${span.index % 2}` }, drawn(span.bytes));
      return [token, ` ${span.id}${span.special ? " (special)" : ""} `];
    });
    return [h("p", {}, letterOf(i), ` ${names[i].name}: `, tokens, here.length > 8 ? "…" : "")];
  });
  return [head, ...rows];
}

/** The reading line: bytes, the fewest tokens, the cuts that all share, and what special tokens do. */
export function sentence({ lanes, names, spans, layout, special }) {
  if (!layout.bytes.length) return "Type a text: each tokenizer cuts it in its own way, and decodes to the same bytes.";
  const counts = lanes.map((lane, i) => ({ name: names[i].name, n: lane.ids.length })).filter(({ n }) => n);
  const fewest = counts.sort((a, b) => a.n - b.n)[0];
  const least = fewest ? `“${fewest.name}” needs the fewest tokens, ${grouped(fewest.n)}` : "no tokens";
  const agreed = spans.filter((lane) => lane.length).length > 1 ? `; ${agreement(spans)}` : "";
  return `${plural(layout.bytes.length, "byte")}; ${least}${agreed}.${ofSpecial({ lanes, names, layout, special })}`;
}

/** What all lanes agree on: every cut, or some of them. */
function agreement(spans) {
  const shared = sharedCuts(spans).length;
  if (cutAlike(spans)) return `all cut at the same ${plural(shared, "place")}`;
  return shared === 1 ? "one cut is common to all" : `${grouped(shared)} cuts are common to all`;
}

function ofSpecial({ lanes, names, layout, special }) {
  const readers = lanes.flatMap((lane, i) => (lane.special.length ? [`“${names[i].name}”`] : []));
  const reads = readers.length > 1 ? "read" : "reads";
  if (readers.length)
    return ` ${readers.join(", ")} ${reads} a special token: if a user typed it, that is an injection.`;
  const there = names.flatMap((each) => each.special).filter((token) => layout.text.includes(token));
  return there.length && special === "none" ? ` “${there[0]}” is ordinary text now, a few harmless tokens.` : "";
}

/** The answer that the page has for a text and the switch; one that the switch does not change answers both. */
export function sampleFor(samples, text, special) {
  const here = samples.filter((one) => one.text === text);
  return here.find((one) => one.special === special) ?? (here.length === 1 ? here[0] : null);
}

/** The answer of the page itself, where it knows one of the tokenizers; null where it knows none. */
export function answerHere(names, local, text, special) {
  // A link may bring other tokenizers than the page knows: only what is of the same name and size is the same.
  const how = names.map(({ name, size }, i) => {
    const here = local[i];
    return here && here.name === name && here.size === size ? here : null;
  });
  if (!how.some(Boolean)) return null;
  const unknown = { ids: [], sizes: [], cuts: [], special: [], problem: "this text needs Python" };
  return { text, special, lanes: how.map((each) => laneHere(each, text, special) ?? unknown) };
}

/** The text, the view and the switch; `typed` gets a new text with what is to be said of it. */
function controlsOf(model, { picked, typed }) {
  const texts = [...new Set(model.get("samples").map(({ text }) => text))];
  const options = texts.map((text, i) => [String(i), text.length > 36 ? `${text.slice(0, 36)}…` : text]);
  const text = field({
    label: "Tokenize",
    lines: 2,
    value: model.get("text"),
    oninput: (given) => {
      const { text: kept, note } = cleaned(given, MOST, "tokenized");
      typed(kept, note);
    },
  });
  text.el.classList.add("tl-wide");
  const pick = choice({
    label: "text",
    options: [...options, ["new", "your own"]],
    value: "0",
    onchange: (i) => (i === "new" ? text.input.focus() : picked(texts[Number(i)])),
  });
  const set = (name) => (value) => put(model, { [name]: value });
  const views = { bytes: "byte by byte", ids: "tokens with ids" },
    switched = { all: "become their ids", none: "are ordinary text" };
  const view = choice({
    label: "show",
    options: Object.entries(views),
    value: model.get("view"),
    onchange: set("view"),
  });
  const special = choice({
    label: "special tokens",
    options: Object.entries(switched),
    value: model.get("special"),
    onchange: set("special"),
  });
  return {
    els: [text.el, ...(texts.length > 1 ? [pick.el] : []), view.el, special.el],
    set() {
      const at = texts.indexOf(model.get("text"));
      pick.set(at < 0 ? "new" : String(at));
      view.set(model.get("view"));
      special.set(model.get("special"));
      if (document.activeElement !== text.input) text.set(model.get("text"));
    },
  };
}

const PRETOKEN = "A pre-token is a piece that the text is cut into before any merge: no token reaches beyond it.";
const KEY = ". Dashed hex: a token that ends inside a character. ⏎ ⇥ ␣ stand for what is invisible.";
const HINT = "Point at a token, or move to it with the arrow keys: every lane shows what it makes of the same bytes.";

/** The parts of the stage; `show` draws what there is. */
function stageOf(f, model, turn) {
  const names = model.get("names");
  const table = countTable(names),
    summary = h("div", { class: "lmc-scroll" }, table.el),
    tracks = h("div", { class: "tl-tracks" }),
    pages = pager(turn),
    detail = h("div", { class: "tl-detail", style: `height: ${28 * (names.length + 1)}px` });
  f.stage.append(tracks, pages.el);
  f.below.append(
    detail,
    summary,
    h("p", { class: "tl-key" }, "A thick edge: a new ", help("pre-token", PRETOKEN), KEY),
  );
  const stops = roving(tracks, "button"),
    longest = Math.max(...model.get("samples").map(({ text }) => byteString(text).length));
  let now = { layout: null, spans: [] };
  linkSpans(tracks, (from, to) => detail.replaceChildren(...detailOf(now.layout, now.spans, names, from, to)));

  function drawTracks(page, width) {
    /** @type {any} */
    const active = document.activeElement;
    const held = tracks.contains(active) ? active.dataset : null;
    const wide = width > 560,
      label = wide ? 132 : 24,
      aligned = model.get("view") === "bytes",
      { all, height } = pageOf(now.layout, page, width, label, names.length, longest);
    tracks.style.height = `${height}px`; // whatever the text, so that nothing below moves
    f.root.style.setProperty("--lmc-label", `${label}px`);
    pages.set(all[0]?.from ?? 0, all.at(-1)?.to ?? 0, now.layout.cuts);
    if (!all.length) tracks.replaceChildren(h("p", { class: "lmc-muted" }, "There is no text."));
    else if (aligned) tracks.replaceChildren(...byteLines(all, now.layout, now.spans, names, wide));
    else tracks.replaceChildren(...chipLanes(all, now.spans, names, wide));
    /** @type {(cell: any) => boolean} */
    const same = ({ dataset }) => dataset.lane === held?.lane && dataset.index === held?.index;
    stops.refresh(Math.max(0, [...tracks.querySelectorAll("button")].findIndex(same)), held !== null);
  }
  return {
    show(next, page, width) {
      if (now.layout !== next.layout) detail.replaceChildren(h("p", { class: "lmc-muted" }, HINT));
      now = next;
      table.draw(next);
      drawTracks(page, width);
    },
  };
}

const pythonOf = (model) => {
  const [text, special, view] = ["text", "special", "view"].map((name) => JSON.stringify(model.get(name)));
  return `TokenizerLens(${text}, tokenizers, special=${special}, view=${view})`;
};

const ASK_PYTHON =
  "A new text needs Python: open the notebook and run its cell. The stage still shows the text before.";

function render({ model, el }) {
  const get = (name) => model.get(name);
  const first = Object.fromEntries(["text", "special", "view", "shown"].map((name) => [name, get(name)]));
  let page = 0,
    width = 920,
    note = "",
    failure = "",
    now = { layout: null, spans: [], lanes: null };
  const show = (text, words = "") => {
    page = 0;
    note = words;
    put(model, text === null ? first : { text });
  };
  const f = frame({ model, el, reset: () => show(null), python: () => pythonOf(model) });
  f.root.classList.add("tl");
  const stage = stageOf(f, model, (from) => {
    page = from;
    draw();
  });
  const controls = controlsOf(model, { picked: show, typed: show });
  f.controls.append(...controls.els);
  const kernel = asker(model, {
    answered: () => {
      failure = "";
    },
    failed: (words) => {
      failure = `Python could not: ${words} `;
      draw();
    },
  });

  /** What is drawn belongs to the text and the switch: from the samples, or from Python. Says what is missing. */
  function bring() {
    const [text, special, shown] = [get("text"), get("special"), get("shown")];
    const known = sampleFor(get("samples"), text, special);
    if (shown.text === text && (shown.special === special || known === shown)) return "";
    if (!known && kernel.hasKernel) {
      kernel.ask({ text, special });
      return "";
    }
    const answer = known ?? answerHere(get("names"), get("local") ?? [], text, special);
    if (answer) put(model, { shown: answer });
    return answer ? "" : ASK_PYTHON;
  }

  function draw() {
    const missing = bring(),
      shown = get("shown");
    if (now.lanes !== shown.lanes) {
      const layout = now.layout?.text === shown.text ? now.layout : layOut(shown.text);
      now = { layout, lanes: shown.lanes, spans: shown.lanes.map((lane) => spansOf(lane, layout.bytes)) };
      page = Math.min(page, layout.bytes.length);
    }
    stage.show(now, page, width);
    controls.set();
    const cut = get("left_out") && get("text") === first.text ? leftOut(get("left_out")) : "";
    const said = missing || sentence({ ...now, names: get("names"), special: get("special") });
    f.say(failure + note + cut + said, failure ? "bad" : "");
  }
  const stop = f.redraw(["text", "special", "view", "shown"], draw);
  const unwatch = watchWidth(f.stage, (wide) => {
    width = wide;
    draw();
  });
  return () => {
    stop();
    kernel.stop();
    unwatch();
  };
}

const leftOut = (n) => `These are the first ${grouped(MOST)} characters; ${grouped(n)} more are left out. `;

export default { render };
