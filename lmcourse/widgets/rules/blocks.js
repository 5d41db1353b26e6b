// Lines of a function that a reader puts in order: `lines` are pairs [block, steps of indentation] from top to bottom.
// Blocks that are in no line are not used. Every function gives new lines and changes none.

/** Steps of indentation at the most; the same as DEEPEST in parsons.py. */
export const DEEPEST = 4;

const bounded = (steps) => Math.max(0, Math.min(DEEPEST, steps));

/** The lines that make sense: each of the `count` blocks once at most. They may come from a link. */
export function cleaned(lines, count) {
  const seen = new Set(),
    whole = (value, below) => Number.isInteger(value) && value >= 0 && value < below;
  return (Array.isArray(lines) ? lines : []).filter((line) => {
    const fits = Array.isArray(line) && whole(line[0], count) && whole(line[1], DEEPEST + 1) && !seen.has(line[0]);
    if (fits) seen.add(line[0]);
    return fits;
  });
}

/** The place of a block among the lines, −1 where it is not used. */
export const placeOf = (lines, block) => lines.findIndex(([each]) => each === block);

/** The blocks that are not used, as they were dealt. */
export const unused = (lines, count) => [...Array(count).keys()].filter((block) => placeOf(lines, block) < 0);

/** The steps that a line at this place would have: one more than the line before it, where that opens a part. */
export function usualSteps(lines, at, texts) {
  if (at === 0) return 0;
  const [before, steps] = lines[at - 1];
  return bounded(steps + (texts[before].trimEnd().endsWith(":") ? 1 : 0));
}

/** A block at a place, with its steps; from another place or from the unused ones. */
export function placed(lines, block, at, steps) {
  const others = lines.filter(([each]) => each !== block);
  return [...others.slice(0, at), [block, bounded(steps)], ...others.slice(at)];
}

/** A block at the end, as deep as is usual there. */
export const used = (lines, block, texts) => placed(lines, block, lines.length, usualSteps(lines, lines.length, texts));

export const putAside = (lines, block) => lines.filter(([each]) => each !== block);

/** A line some places further down (or up); at either end it stays. */
export function moved(lines, block, by) {
  const at = placeOf(lines, block);
  return at < 0 ? lines : placed(lines, block, Math.max(0, Math.min(lines.length - 1, at + by)), lines[at][1]);
}

/** A line some steps deeper (or less deep). */
export const indented = (lines, block, by) =>
  lines.map(([each, steps]) => [each, each === block ? bounded(steps + by) : steps]);
