// Text, bytes and tokens, for the widgets that draw them: what a byte string looks like, GPT-2's pre-tokens, and lines
// of byte columns that carry graphemes, bytes and tokens one above the other.
import { change, h, keyed, write } from "./elements.js";
import { grouped } from "./numbers.js";
import { roving } from "./roving.js";

// Bytes are kept as strings with one character a byte, so that they compare, join and serve as keys as bytes do.

const encoder = new TextEncoder();
export const byteString = (text) => {
  let out = "";
  for (const byte of encoder.encode(text)) out += String.fromCharCode(byte);
  return out;
};

/** UTF-8 cannot hold half of a surrogate pair: it becomes U+FFFD, as in a browser's own encoder. */
export const wellFormed = (text) => text.replace(/\p{Surrogate}/gu, "\ufffd");

/**
 * What was typed, as it can be used: well formed, and at most `most` characters; `done` says what happens to them.
 * @returns {{ text: string, note: string }} `note` tells the reader what is not as typed
 */
export function cleaned(typed, most, done) {
  let note = "";
  if (wellFormed(typed) !== typed)
    note = "Half of a surrogate pair was typed, which UTF-8 cannot hold: it became U+FFFD. ";
  if (typed.length > most)
    note = `Only the first ${grouped(most)} of ${grouped(typed.length)} characters are ${done}. `;
  return { text: wellFormed(wellFormed(typed).slice(0, most)), note };
}

export const hex = (byte) => byte.toString(16).toUpperCase().padStart(2, "0");
/** "E4 BD A0" */
export const hexes = (bytes) => Array.from(bytes, (char) => hex(char.charCodeAt(0))).join(" ");

// JavaScript has no possessive quantifiers, and its \s is not Unicode's White_Space: this cuts as GPT2_PATTERN does.
const GPT2 = new RegExp(
  [
    /'(?:[sdmt]|ll|ve|re)/,
    / ?\p{L}+/u,
    / ?\p{N}+/u,
    / ?[^\p{White_Space}\p{L}\p{N}]+/u,
    /\p{White_Space}+$/u,
    /\p{White_Space}+(?!\P{White_Space})/u,
    /\p{White_Space}/u,
  ]
    .map((part) => part.source)
    .join("|"),
  "gu",
);

/** The pieces that BPE never merges across, as `lmcourse.tokenization.pretokenize` cuts them. */
export const pretokenize = (text) => text.match(GPT2) ?? [];

const segmenter =
  typeof Intl !== "undefined" && Intl.Segmenter ? new Intl.Segmenter("en", { granularity: "grapheme" }) : null;
/**
 * What a reader calls a character: "e" and a combining accent are one, and so is a family emoji of seven code points.
 */
export const graphemes = (text) =>
  segmenter ? Array.from(segmenter.segment(text), (piece) => piece.segment) : [...text];

// What is invisible gets a name or a sign, so that nothing in a text is hidden.
const NAMES = new Map(
  Object.entries({
    " ": "␣",
    "\t": "⇥",
    "\n": "⏎",
    "\r": "␍",
    "\u007f": "␡",
    "\u00a0": "NBSP",
    "\u00ad": "SHY",
    "\u200b": "ZWSP",
    "\u200c": "ZWNJ",
    "\u200d": "ZWJ",
    "\u200e": "LRM",
    "\u200f": "RLM",
    "\u202a": "LRE",
    "\u202b": "RLE",
    "\u202c": "PDF",
    "\u202d": "LRO",
    "\u202e": "RLO",
    "\u2066": "LRI",
    "\u2067": "RLI",
    "\u2068": "FSI",
    "\u2069": "PDI",
    "\ufe0f": "VS16",
    "\ufeff": "BOM",
  }).map(([char, name]) => [char.codePointAt(0), name]),
);
const codePoint = (char) => `U+${char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;

/** A grapheme as it is drawn: itself, or the sign of what cannot be seen. */
export function glyph(grapheme) {
  if (/^[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]+$/u.test(grapheme)) {
    return [...grapheme]
      .map((char) => {
        const code = char.codePointAt(0);
        return NAMES.get(code) ?? (code < 0x20 ? String.fromCodePoint(0x2400 + code) : codePoint(char));
      })
      .join("");
  }
  return /^\p{M}/u.test(grapheme) ? `◌${grapheme}` : grapheme;
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const decoded = (bytes) => {
  try {
    return strict.decode(Uint8Array.from(bytes, (char) => char.charCodeAt(0)));
  } catch {
    return null;
  }
};

/** What to draw of a byte string: { text } where the bytes are characters, { bytes } where they are pieces of one. */
export function parts(bytes) {
  let known = seen.get(bytes);
  if (!known) {
    if (seen.size > 5000) seen.clear();
    known = split(bytes).map((part) => ("text" in part ? { text: graphemes(part.text).map(glyph).join("") } : part));
    seen.set(bytes, known);
  }
  return known;
}
const seen = new Map(); // the same few tokens are drawn again and again

function split(bytes) {
  const found = [];
  const add = (kind, piece) => {
    const last = found.at(-1);
    if (last && kind in last) last[kind] += piece;
    else found.push({ [kind]: piece });
  };
  for (let i = 0; i < bytes.length; ) {
    const lead = bytes.charCodeAt(i);
    const size = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    const text = i + size <= bytes.length ? decoded(bytes.slice(i, i + size)) : null;
    add(text === null ? "bytes" : "text", text ?? bytes[i]);
    i += text === null ? 1 : size;
  }
  return found;
}

/** A byte string in one line of plain text: `␣the`, or `<F0 9F>` where it is a piece of a character. */
export const spell = (bytes) =>
  parts(bytes)
    .map((part) => ("text" in part ? part.text : `<${hexes(part.bytes)}>`))
    .join("");

/**
 * The same as nodes: text set apart from the direction of what stands beside it, and a hex chip for a piece of a
 * character. Text alone stays bare: what holds it, `.lmc-tok` or `.tl-text`, isolates it, and most of several hundred
 * tokens are that.
 */
export function drawn(bytes) {
  const all = parts(bytes);
  if (all.length === 1 && "text" in all[0]) return [all[0].text];
  return all.map((part) =>
    "text" in part ? h("bdi", {}, part.text) : h("span", { class: "lmc-hex" }, hexes(part.bytes)),
  );
}

export const bytesPerToken = (bytes, tokens) => (tokens ? (bytes / tokens).toFixed(2) : "0");

// Lines of byte columns. Everything on them is a span { from, to } of bytes, so what lies above what is never guessed.

export const COLUMN = 24;
const GAP = 8;

/**
 * Break bytes `from` … into at most `most` lines of `width` pixels, at `cuts` (sorted, with 0 and the end) where
 * possible.
 * @returns {{ from, to }[]}
 */
export function lines(cuts, from, width, most, gap = GAP) {
  const end = cuts.at(-1),
    room = Math.max(4, Math.floor(width / COLUMN)),
    found = [];
  let k = cuts.findIndex((cut) => cut > from);
  for (let start = from; start < end && found.length < most; ) {
    let to = start,
      used = 0;
    while (k < cuts.length) {
      const next = used + (cuts[k] - to) * COLUMN + (to > start ? gap : 0);
      if (next > width) break;
      used = next;
      to = cuts[k];
      k += 1;
    }
    if (to === start) to = Math.min(start + room, cuts[k]); // a pre-token that is longer than a line
    if (to === cuts[k]) k += 1;
    found.push({ from: start, to });
    start = to;
  }
  return found;
}

/**
 * One line: rows of spans above each other, each placed at its bytes' columns. (Their widths are known here, so the
 * browser need not work out a grid of them.)
 * @param {{ from, to }} line
 * @param {{ label: string, low?: boolean, spans: { from, to }[], cell: (span) => HTMLElement }[]} rows  spans in order
 * @param {Set<number>} gaps  bytes before which a gap shows a pre-token boundary
 * @returns the line; its `fill(row, spans, cell, update)` brings one row up to date
 */
export function byteLine(line, rows, gaps = new Set()) {
  const left = []; // of each byte's column, in pixels after the label
  for (let b = line.from, x = 0; b < line.to; b += 1, x += COLUMN) {
    if (b > line.from && gaps.has(b)) x += GAP;
    left.push(x);
  }
  const width = `width: calc(var(--lmc-label) + ${(left.at(-1) ?? 0) + COLUMN}px)`;
  const tracks = rows.map(({ label, low }) =>
    h(
      "div",
      { class: low ? "lmc-row lmc-low" : "lmc-row", style: width },
      h("span", { class: "lmc-line-label" }, label),
    ),
  );
  const whole = h("div", { class: "lmc-line" }, tracks);
  /** @type {(row: number, spans: any[], cell: (span: any) => any, update?: (node: any, span: any) => void) => void} */
  whole.fill = (row, spans, cell, update) => {
    keyed(
      tracks[row],
      spans.filter((span) => span.to > line.from && span.from < line.to),
      {
        key: ({ from, to }) => `${from} ${to}`,
        make: (span) => {
          const first = left[Math.max(span.from, line.from) - line.from],
            last = left[Math.min(span.to, line.to) - 1 - line.from];
          const node = cell(span);
          node.dataset.from = span.from;
          node.dataset.to = span.to;
          node.style.cssText = `left: calc(var(--lmc-label) + ${first}px); width: ${last + COLUMN - first}px`;
          return node;
        },
        update: (node, span) => {
          update?.(node, span);
          node.classList.toggle("lmc-cut-left", span.from < line.from);
          node.classList.toggle("lmc-cut-right", span.to > line.to);
        },
      },
    );
  };
  for (const [row, { spans, cell }] of rows.entries()) whole.fill(row, spans, cell);
  return whole;
}

/** The graphemes of `text` that touch bytes [from, to), with their byte spans; it looks only near there. */
export function graphemesNear(text, starts, from, to) {
  // starts: for each pre-token { unit, from } in order; a few graphemes of context are enough to cut rightly
  let k = starts.findLastIndex((start) => start.from <= from);
  k = Math.max(0, k);
  let unit = starts[k]?.unit ?? 0,
    byte = starts[k]?.from ?? 0;
  const size = (char) => {
    const c = char.codePointAt(0);
    return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  };
  while (unit < text.length) {
    // walk to the first code point of the window
    const char = String.fromCodePoint(text.codePointAt(unit));
    if (byte + size(char) > from) break;
    unit += char.length;
    byte += size(char);
  }
  for (let back = 0; back < 32 && unit > 0; back += 1) {
    unit -= 1;
    if (unit > 0 && /[\udc00-\udfff]/.test(text[unit])) unit -= 1;
    byte -= size(String.fromCodePoint(text.codePointAt(unit)));
  }
  const found = [];
  for (const grapheme of graphemes(text.slice(unit, unit + (to - byte) + 64))) {
    let length = 0;
    for (const char of grapheme) length += size(char);
    if (byte + length > from && byte < to) found.push({ from: byte, to: byte + length, text: grapheme });
    byte += length;
    if (byte >= to) break;
  }
  return found;
}

/** A text as bytes, its pre-tokens with their byte spans, and the cuts between them. */
export function layOut(text) {
  const cuts = [0],
    starts = [];
  let unit = 0,
    from = 0;
  const pretokens = pretokenize(text).map((piece) => {
    const start = from;
    starts.push({ unit, from });
    unit += piece.length;
    from += byteString(piece).length;
    cuts.push(from);
    return { text: piece, from: start, to: from };
  });
  return { text, pretokens, starts, cuts, gaps: new Set(cuts), bytes: byteString(text) };
}

// Only a sign of several letters can be wider than its column; a clip for each of hundreds of cells is slow to draw.
const charCell = (sign) => h("span", { class: sign.length > 2 ? "lmc-char lmc-clip" : "lmc-char" }, sign);

/** The two rows that stand above tokens: what a reader calls characters, and the bytes they are. */
export function byteRows({ text, bytes, starts }, from, to) {
  const each = Array.from({ length: to - from }, (_, i) => ({ from: from + i, to: from + i + 1 }));
  return [
    { label: "characters", spans: graphemesNear(text, starts, from, to), cell: (span) => charCell(glyph(span.text)) },
    {
      label: "bytes",
      low: true,
      spans: each,
      cell: (span) => h("span", { class: "lmc-byte" }, hex(bytes.charCodeAt(span.from))),
    },
  ];
}

/**
 * Pages through a text that is longer than the stage: ◀ bytes 1 to 128 of 3 412 ▶, one tab stop. `turn(from)` draws
 * from there.
 */
export function pager(turn, ...more) {
  let back = 0,
    on = null;
  const where = h("span", {});
  const earlier = h("button", { type: "button", "aria-label": "earlier text", onclick: () => turn(back) }, "◀");
  const later = h(
    "button",
    {
      type: "button",
      "aria-label": "later text",
      onclick: () => {
        if (on !== null) turn(on);
      },
    },
    "▶",
  );
  const look = { class: "lmc-pager", role: "group", "aria-label": "pages of the text" };
  const el = h("div", look, earlier, where, later, more);
  roving(el, "button").refresh();
  return {
    el,
    set(from, to, cuts) {
      const total = cuts.at(-1);
      if (!el.contains(document.activeElement)) el.toggleAttribute("hidden", total <= to - from); // the focus stays
      back = cuts.findLast((cut) => cut <= from - (to - from)) ?? 0;
      on = to < total ? to : null;
      write(where, `bytes ${grouped(from + 1)} to ${grouped(to)} of ${grouped(total)}`);
      change(earlier, { "aria-disabled": from === 0 });
      change(later, { "aria-disabled": on === null });
    },
  };
}

/**
 * Light every cell that shares a byte with the one under the pointer or the focus; `point(from, to, node)` may speak.
 */
export function linkSpans(container, point = (_from, _to, _at) => {}) {
  const light = (event) => {
    const at = event.target.closest?.("[data-from]");
    if (!at || !container.contains(at)) return;
    const from = Number(at.dataset.from),
      to = Number(at.dataset.to);
    for (const node of container.querySelectorAll("[data-from]")) {
      node.classList.toggle("lmc-lit", Number(node.dataset.from) < to && from < Number(node.dataset.to));
    }
    point(from, to, at);
  };
  const dark = () => {
    for (const node of container.querySelectorAll(".lmc-lit")) node.classList.remove("lmc-lit");
  };
  container.addEventListener("pointerover", light);
  container.addEventListener("focusin", light);
  container.addEventListener("pointerleave", dark);
}
