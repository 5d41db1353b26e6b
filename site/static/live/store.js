// What a reader has written, guessed and solved, in this browser's storage and nowhere else.
// Progress has the form of lmcourse.exercises.progress, so that its file goes from here to JupyterLab and back.

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

/** Remember the state of an exercise or prediction. What was once correct stays so. */
export function record(key, state) {
  if (state !== "wrong" && state !== "correct") return;
  if (kept("progress", key) !== "correct") keep("progress", key, state);
}

/** The file that `progress.export` of the package writes. */
export function exported() {
  const known = read("progress"),
    sorted = Object.fromEntries(Object.entries(known).sort(([a], [b]) => (a < b ? -1 : 1)));
  return `${JSON.stringify(sorted, null, 1)}\n`;
}

/** Take in such a file; throws an Error, in words, for another one. */
export function imported(text) {
  let found;
  try {
    found = JSON.parse(text);
  } catch (error) {
    throw new Error(`This is no export of progress: ${error.message}`);
  }
  const states = found && typeof found === "object" && !Array.isArray(found) ? Object.values(found) : [null];
  if (states.some((state) => state !== "correct" && state !== "wrong"))
    throw new Error("This is no export of progress: names and their states are wanted");
  for (const [key, state] of Object.entries(found)) record(key, state);
}

/** Forget everything. */
export function forget() {
  for (const part of ["answers", "guesses", "quiz", "progress"]) write(part, {});
}
