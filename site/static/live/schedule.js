// When something is asked again: lmcourse/exercises/schedule.py once more, for pages. tests/exercises/test_review.py
// gives both the same files and days.

export const DAYS = [1, 3, 7, 21, 60];
export const MINUTES = 10;
const AHEAD = 60; // days; what lies further ahead is of a clock that was wrong
const STATES = ["seen", "correct", "wrong"]; // of two for one day the later in this list is kept

/** @typedef {Record<string, string>} Tries a state for each day, such as { "2026-11-28": "wrong" } */

/** The day by UTC, the same in every time zone. */
export const today = () => new Date().toISOString().slice(0, 10);

const after = (day, count) => new Date(Date.parse(`${day}T00:00Z`) + count * 86_400_000).toISOString().slice(0, 10);

/** The step in DAYS at which something stands, and the day from which it is due. @param {Tries} tries */
export function standing(tries, now) {
  const days = Object.keys(tries)
    .filter((day) => day <= after(now, AHEAD))
    .sort();
  if (days.length === 0) return { step: 0, due: now };
  let step = 0,
    due = after(days[0], DAYS[0]);
  for (const day of days.slice(1)) {
    if (day < due || tries[day] === "seen") continue;
    step = tries[day] === "correct" ? Math.min(step + 1, DAYS.length - 1) : Math.max(step - 1, 0);
    due = after(day, DAYS[step]);
  }
  return { step, due };
}

const judged = (tries, now) => (tries[now] ?? "seen") !== "seen";

const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

/**
 * What to ask today: as much as fits into MINUTES, less what was answered today. What has come furthest comes first,
 * of equals what was due last.
 * @param {Record<string, Tries>} known @param {Record<string, number>} minutes @returns {string[]}
 */
export function plan(known, minutes, now) {
  const asked = Object.entries(known).filter(([key]) => Object.hasOwn(minutes, key));
  const again = asked.filter(([, tries]) => judged(tries, now) && Object.keys(tries).length > 1);
  let spent = again.reduce((sum, [key]) => sum + minutes[key], 0);
  return asked
    .map(([key, tries]) => ({ key, tries, ...standing(tries, now) }))
    .filter(({ tries, due }) => due <= now && !judged(tries, now))
    .sort((a, b) => b.step - a.step || compare(b.due, a.due) || compare(a.key, b.key))
    .map(({ key }) => key)
    .filter((key) => {
      const fits = spent + minutes[key] <= MINUTES;
      spent += fits ? minutes[key] : 0;
      return fits;
    });
}

/** The tries of two files: every day of both, once. */
export function merged(one, other) {
  const found = new Map(Object.entries(one).map(([key, tries]) => [key, { ...tries }]));
  for (const [key, tries] of Object.entries(other)) {
    const mine = found.get(key) ?? {};
    for (const [day, state] of Object.entries(tries))
      if (STATES.indexOf(state) > STATES.indexOf(mine[day])) mine[day] = state;
    found.set(key, mine);
  }
  return Object.fromEntries(found);
}

function isTry([day, state]) {
  if (!/^(?!0000)[0-8]\d{3}-\d\d-\d\d$/.test(day) || !STATES.includes(state)) return false;
  const there = new Date(`${day}T00:00Z`);
  return !Number.isNaN(there.getTime()) && there.toISOString().startsWith(day);
}

const isTable = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** What of a value from a file has the form of tries; the rest is left out. @returns {Record<string, Tries>} */
export function readable(found) {
  const tables = Object.entries(isTable(found) ? found : {}).filter(([, tries]) => isTable(tries));
  const good = tables.map(
    ([key, tries]) => /** @type {[string, Tries]} */ ([key, Object.fromEntries(Object.entries(tries).filter(isTry))]),
  );
  return Object.fromEntries(good.filter(([, tries]) => Object.keys(tries).length > 0));
}
