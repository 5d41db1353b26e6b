// A colour belongs to a name: which of a few hues each axis has follows from the names that are there, not from their
// order.

// Names that often meet stand apart in this line, so that they rarely want one hue.
const OFTEN = "bthdkqgrmncyxw";

function wanted(name, count) {
  const at = OFTEN.indexOf(name[0]);
  const number = at >= 0 ? at : [...name].reduce((sum, char) => sum + char.codePointAt(0), 0);
  return (name.startsWith("…") ? count - 2 : number) % count;
}

/**
 * The hue of every name, 0 … count − 1: the one that it wants, or the next that is free. @returns {Map<string,
 * number>}
 */
export function huesOf(names, count) {
  const hues = new Map(),
    taken = new Set();
  for (const name of [...new Set(names)].sort()) {
    let hue = wanted(name, count);
    if (taken.size === count) taken.clear(); // more names than hues: they are used again
    while (taken.has(hue)) hue = (hue + 1) % count;
    taken.add(hue);
    hues.set(name, hue);
  }
  return hues;
}
