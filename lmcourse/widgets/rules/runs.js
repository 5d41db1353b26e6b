// A training run as the page gets it: numbers by column, and what is read off them. Pure; the rows that Python sends
// are in tests/golden/training_dashboard.json. Not here: drawing, and the wording of numbers.

export const COLUMNS = ["step", "loss", "smooth", "lr", "norm", "rate", "mfu"];

/**
 * The numbers of a run, a column after the other: float32 bytes from a kernel, a list (null: not finite) on a page.
 * @param {DataView | (number | null)[] | undefined} points
 * @returns {Record<string, Float32Array>}
 */
export function columns(points) {
  const flat =
    points instanceof DataView
      ? new Float32Array(points.buffer.slice(points.byteOffset, points.byteOffset + points.byteLength))
      : Float32Array.from(points ?? [], (v) => v ?? Number.NaN);
  const n = flat.length / COLUMNS.length;
  return Object.fromEntries(COLUMNS.map((name, k) => [name, flat.subarray(k * n, (k + 1) * n)]));
}

/** The last of [step, …] rows at or before `step`; −1 when there is none. */
export const before = (rows, step) => rows.reduce((found, row, k) => (row[0] <= step ? k : found), -1);

/** The highest loss that the picture has room for: the start and the baselines, not a run that has gone astray. */
export function ceiling(starts, others) {
  const known = [...starts, ...others].filter(Number.isFinite);
  return known.length ? 1.04 * Math.max(...known) : 1;
}

/** A share from 0 to 1 of the tint for a loss: nothing lost is no tint, `most` nats and more are full. */
export const heat = (loss, most) => (loss === null ? 1 : Math.max(0, Math.min(1, loss / most)));

const least = (values, start) => values.reduce((a, b) => Math.min(a, b), start);
const largest = (values, start) => values.reduce((a, b) => Math.max(a, b), start);

/** The last step that the axis has room for: what is planned, else what the runs reached, else what was recorded. */
export function lastStep({ steps, all, ghosts }) {
  if (steps) return steps;
  const reached = largest(
    all.map((run) => run.c.step.at(-1) ?? 0),
    2,
  );
  if (all.length) return reached;
  return largest(
    ghosts.map((ghost) => ghost.points.at(-1)?.[0] ?? 0),
    reached,
  );
}

/** The losses that the picture has room for, [least, most]: what is above is drawn at its edge. */
export function lossRange({ all, ghosts, baselines }, last) {
  const lines = baselines.map(([, value]) => value);
  const starts = [
    ...all.filter((run) => run.facts.origin === null).map((run) => run.c.loss[0]),
    ...ghosts.map((ghost) => ghost.points[0]?.[1]),
  ];
  const most = ceiling(starts, lines);
  const values = [
    ...all.flatMap((run) => [...run.c.loss].filter(Number.isFinite)),
    ...all.flatMap((run) => run.facts.validation.map(([, value]) => value)),
    ...ghosts.flatMap((ghost) => ghost.points.filter(([step]) => step <= last).map(([, value]) => value)),
    ...lines,
  ].filter((value) => value !== null);
  const low = values.length ? Math.min(least(values, Infinity), most * 0.9) : 0;
  return [low - 0.05 * (most - low), most];
}

/** The range of a strip: from 0, or on a log axis from the least value; with room for a limit. */
export function stripRange(values, { log, limit }) {
  const known = values.filter(Number.isFinite);
  const high = largest(known, limit ?? 0);
  const low = log
    ? least(
        known.filter((v) => v > 0),
        limit ?? high,
      )
    : 0;
  if (high > low) return [low, high];
  const top = high > 0 ? high * 1.1 : 1;
  return [log ? top / 10 : 0, top];
}
