// Tokens as spans of bytes, so that what lies above what, and which tokens share a byte, is a matter of numbers. Node
// tests hold it against Python's lanes on golden vectors.

import { byteString } from "../lib/tokens.js";
import { encodeTrace, piecesAt, ranked } from "./bpe.js";

/** Is `at` a place inside a character? */
const inside = (bytes, at) => at < bytes.length && (bytes.charCodeAt(at) & 0xc0) === 0x80;
const isPiece = (bytes, from, to) => inside(bytes, from) || inside(bytes, to);

/** The tokens of a lane as spans of bytes, with what is said of each. */
export function spansOf(lane, bytes) {
  const cuts = new Set(lane.cuts),
    special = new Set(lane.special);
  let from = 0;
  return lane.sizes.map((size, index) => {
    const to = from + size;
    const span = {
      from,
      to,
      id: lane.ids[index],
      index,
      bytes: bytes.slice(from, to),
      special: special.has(index),
      cut: cuts.has(from),
      piece: isPiece(bytes, from, to),
    };
    from = to;
    return span;
  });
}

/** The spans of another lane that share a byte with [from, to). */
export const overlapping = (spans, from, to) => spans.filter((span) => span.from < to && from < span.to);

/** Bytes at which every lane begins a token: the cuts that all agree on. */
export function sharedCuts(lanes) {
  const laid = lanes.filter((spans) => spans.length);
  if (!laid.length) return [];
  const starts = laid.map((spans) => new Set(spans.map(({ from }) => from)));
  return [...starts[0]].filter((at) => at > 0 && starts.every((set) => set.has(at)));
}

/** Does every lane cut the text at the same bytes? */
export function cutAlike(lanes) {
  const laid = lanes.filter((spans) => spans.length),
    shared = sharedCuts(laid).length;
  return laid.every((spans) => spans.length === shared + 1);
}

// Tokenizers that the page knows itself, as `in_page` in tokenizer_lens.py describes them: a text that is typed needs
// no kernel for these. The answer has the form of Python's `lane`.

const NOTHING = { ids: [], sizes: [], cuts: [], special: [], problem: "" };

const unpacked = new WeakMap();
/** Merges as pairs of byte strings, from base64 of pairs of 16-bit ids. */
function mergesOf(how) {
  if (!unpacked.has(how)) {
    const raw = Uint8Array.from(atob(how.merges), (char) => char.charCodeAt(0)),
      ids = new Uint16Array(raw.buffer),
      tokens = Array.from({ length: 256 }, (_, b) => String.fromCharCode(b)),
      merges = [];
    for (let k = 0; k + 1 < ids.length; k += 2) {
      merges.push([tokens[ids[k]], tokens[ids[k + 1]]]);
      tokens.push(merges.at(-1).join(""));
    }
    unpacked.set(how, { merges, known: ranked(merges) });
  }
  return unpacked.get(how);
}

/** The bytes of one token of a tokenizer that the page knows; null where it has none of that id. */
export function pieceHere(how, id) {
  if (how?.kind === "bytes") return id < 256 ? String.fromCharCode(id) : null;
  if (how?.kind === "characters") return id <= 0x10ffff ? byteString(String.fromCodePoint(id)) : null;
  if (how?.kind !== "bpe") return null;
  if (id < 256) return String.fromCharCode(id);
  const special = how.special.find((each) => each.id === id);
  return special ? byteString(special.token) : (mergesOf(how).merges[id - 256]?.join("") ?? null);
}

/** A text in pieces: special tokens, the longest that fits, and what lies between them. */
function specialPieces(text, tokens) {
  const known = tokens.map(({ token }) => token).sort((a, b) => b.length - a.length);
  if (!known.length) return [{ text, id: null }];
  const any = new RegExp(`(${known.map((token) => token.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join("|")})`, "u");
  return text
    .split(any)
    .map((piece, k) => ({ text: piece, id: k % 2 ? tokens.find(({ token }) => token === piece).id : null }))
    .filter((piece) => piece.text);
}

function bpeLane(how, text, special) {
  const { merges, known } = mergesOf(how),
    lane = { ids: [], sizes: [], special: [], problem: "" },
    cuts = new Set();
  let at = 0;
  const add = (id, size) => {
    lane.ids.push(id);
    lane.sizes.push(size);
    at += size;
  };
  for (const piece of specialPieces(text, special === "all" ? how.special : [])) {
    cuts.add(at);
    if (piece.id !== null) {
      lane.special.push(lane.ids.length);
      add(piece.id, byteString(piece.text).length);
      continue;
    }
    const trace = encodeTrace(piece.text, merges, known);
    trace.pretokens.forEach((_, n) => {
      cuts.add(at);
      for (const bytes of piecesAt(trace, n, trace.steps.length))
        add(bytes.length === 1 ? bytes.charCodeAt(0) : known.ids.get(bytes), bytes.length);
    });
  }
  return { ...lane, cuts: [...cuts].filter((cut) => cut > 0 && cut < at) };
}

/** The lane that a tokenizer known to the page makes of a text; null for one that it does not know. */
export function laneHere(how, text, special) {
  if (how?.kind === "bytes") {
    const ids = Array.from(byteString(text), (char) => char.charCodeAt(0));
    return { ...NOTHING, ids, sizes: ids.map(() => 1) };
  }
  if (how?.kind === "characters") {
    const chars = [...text];
    const sizes = chars.map((char) => byteString(char).length);
    return { ...NOTHING, ids: chars.map((char) => char.codePointAt(0)), sizes };
  }
  return how?.kind === "bpe" ? bpeLane(how, text, special) : null;
}
