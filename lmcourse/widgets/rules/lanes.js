// Tokens as spans of bytes, so that what lies above what, and which tokens share a byte, is a matter of numbers. Node
// tests hold it against Python's lanes on golden vectors.

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
