// node schedule.mjs < CASES: what site/static/live/schedule.js makes of each case, as JSON; test_review.py compares.
import { readFileSync } from "node:fs";
import { merged, plan, readable, standing } from "../../site/static/live/schedule.js";

const told = ({ one, other, minutes, today, hostile }) => {
  const both = merged(one, other);
  return {
    merged: both,
    standing: Object.fromEntries(Object.entries(both).map(([key, tries]) => [key, standing(tries, today)])),
    plan: plan(both, minutes, today),
    readable: readable(hostile),
  };
};
console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(told)));
