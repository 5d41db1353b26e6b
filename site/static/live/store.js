// What a reader has written, guessed and solved, in this browser's storage and nowhere else.
// Progress has the form of lmcourse.exercises.progress, so that its file goes from here to JupyterLab and back.
import { merged, readable, today } from "./schedule.js";

/** One book has one place in the storage, whatever else its host serves. */
const PLACE = `lmcourse ${new URL("../..", import.meta.url).pathname}`;

/** @param {"answers" | "guesses" | "quiz" | "progress"} part @returns {Record<string, any>} */
export function read(part) {
  try {
    const found = JSON.parse(localStorage.getItem(`${PLACE} ${part}`));
    return found && typeof found === "object" && !Array.isArray(found) ? found : {};
  } catch {
    return {}; // no storage, or not ours
  }
}

function write(part, value) {
  try {
    localStorage.setItem(`${PLACE} ${part}`, JSON.stringify(value));
    return true;
  } catch {
    return false; // no storage, or no room: the page works, and forgets
  }
}

/** Keep one thing under a key; `undefined` forgets it. Says whether it could be kept. */
export function keep(part, key, value) {
  const all = read(part);
  if (value === undefined) delete all[key];
  else all[key] = value;
  return write(part, all);
}

/** The text that is kept under a key, or `otherwise`. */
export function kept(part, key, otherwise = "") {
  const all = read(part);
  return Object.hasOwn(all, key) && typeof all[key] === "string" ? all[key] : otherwise;
}

/** Remember the state of an exercise or prediction, and the day of the first time. What was once correct stays so. */
export function record(key, state) {
  if (state !== "wrong" && state !== "correct") return;
  met(key, state);
  if (kept("progress", key) !== "correct") keep("progress", key, state);
}

const states = (known) => Object.entries(known).filter(([, state]) => typeof state === "string");

/** Progress, in which what an older course kept without a day was seen today. @returns {Record<string, any>} */
function dated() {
  const { dates, ...known } = read("progress");
  const new_ = Object.fromEntries(states(known).map(([key]) => [key, { [today()]: "seen" }]));
  const days = { ...new_, ...readable(dates) };
  return Object.keys(days).length > 0 ? { ...known, dates: days } : known;
}

/** When what was met and asked again. @returns {Record<string, Record<string, string>>} */
export function dates() {
  const known = dated();
  if (JSON.stringify(known) !== JSON.stringify(read("progress"))) write("progress", known);
  return known.dates ?? {};
}

/** Remember the day of what has no state, such as a question that was seen. */
export function met(key, state = "seen") {
  const days = readable(read("progress").dates);
  if (!Object.hasOwn(days, key)) keep("progress", "dates", { ...days, [key]: { [today()]: state } });
}

/** Remember how something was answered that was asked again: the first answer of a day. */
export function answered(key, state) {
  const days = readable(read("progress").dates),
    mine = Object.hasOwn(days, key) ? days[key] : {};
  if ((mine[today()] ?? "seen") === "seen") keep("progress", "dates", merged(days, { [key]: { [today()]: state } }));
}

/** Whether the reader wants to be asked again; with a wish, from now on. */
export function wanted(wish = undefined) {
  if (wish !== undefined) keep("progress", "review", wish ? undefined : false);
  return read("progress").review !== false;
}

const sorted = (value) =>
  typeof value === "object" && value !== null
    ? Object.fromEntries(
        Object.entries(value)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([key, inner]) => [key, sorted(inner)]),
      )
    : value;

/** The file that `progress.export` of the package writes. */
export function exported() {
  const { review, ...known } = dated();
  return `${JSON.stringify(sorted(known), null, 1)}\n`;
}

/** Take in such a file; throws an Error, in words, for another one. */
export function imported(text) {
  let found;
  try {
    found = JSON.parse(text);
  } catch (error) {
    throw new Error(`This is no export of progress: ${error.message}`);
  }
  const isTable = found && typeof found === "object" && !Array.isArray(found);
  const { dates: days = {}, ...known } = isTable ? found : { no: null };
  if (Object.values(known).some((state) => state !== "correct" && state !== "wrong"))
    throw new Error("This is no export of progress: names and their states are wanted");
  if (JSON.stringify(readable(days)) !== JSON.stringify(days))
    throw new Error("This is no export of progress: its dates cannot be read");
  keep("progress", "dates", merged(readable(read("progress").dates), days));
  for (const [key, state] of Object.entries(known))
    if (kept("progress", key) !== "correct") keep("progress", key, state);
  dates();
}

/** Forget everything. */
export function forget() {
  for (const part of ["answers", "guesses", "quiz", "progress"]) write(part, {});
}
