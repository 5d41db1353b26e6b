// What TrainingBudget says: times, money and counts in words, what a reader typed, and the reading line of each view.
import { bytes, inWords, percent, scientific } from "../lib/numbers.js";
import { SECONDS_PER_DAY, turnedRound, weight } from "../rules/flops.js";

/** The parts of a step's memory: their key in the arithmetic, their letter, their name. */
export const PARTS = [
  { key: "parameters", letter: "P", name: "parameters" },
  { key: "gradients", letter: "G", name: "gradients" },
  { key: "master_copy", letter: "M", name: "master copy" },
  { key: "optimizer_state", letter: "O", name: "optimizer state" },
  { key: "activations", letter: "A", name: "activations" },
  { key: "logits", letter: "L", name: "logits and their gradient" },
];

/** "15.0 trillion" → "15 trillion": no zeros behind a point. */
export const tidy = (/** @type {string} */ text) => text.replace(/(\.\d*?)0+(?= |$)/, "$1").replace(/\.(?= |$)/, "");

const UNITS = [
  { days: 365.25, name: "years", least: 2 },
  { days: 1, name: "days", least: 1 },
  { days: 1 / 24, name: "hours", least: 1 },
  { days: 1 / 1440, name: "minutes", least: 1 },
];

/** 143.93 → "143.9 days", in the largest unit that fits. */
export function timeText(/** @type {number} */ days) {
  const unit = UNITS.find(({ days: size, least }) => days >= size * least);
  return unit ? `${(days / unit.days).toFixed(1)} ${unit.name}` : `${(days * SECONDS_PER_DAY).toFixed(1)} seconds`;
}

/** 7134000 → "$7.13 million". */
export function moneyText(/** @type {number} */ dollars) {
  if (dollars >= 1e6) return `$${inWords(dollars)}`;
  return dollars >= 10 ? `$${Math.round(dollars).toLocaleString("en-US")}` : `$${dollars.toFixed(2)}`;
}

/** A number as a reader would type it: 15e12. */
export const plain = (/** @type {number} */ n) => (n >= 1e6 ? n.toExponential().replace("e+", "e") : String(n));

/**
 * A positive number that a reader typed, or an Error that says what is possible.
 * @param {string} text @param {string} what
 */
export function readPositive(text, what) {
  const clean = text
    .trim()
    .replace(/[\s_\u2009]|,(?=\d{3})/g, "")
    .replace("−", "-");
  if (clean === "") throw new Error(`${what}: type a number, such as 10e9`);
  if (!/^\d*\.?\d+(e\+?\d+)?$|^\d+\.(e\+?\d+)?$/i.test(clean))
    throw new Error(`${what}: “${[...text].slice(0, 20).join("")}” is no number above 0; 15e12 would be`);
  const value = Number(clean);
  if (!(value > 0) || value > 1e21) throw new Error(`${what}: a number above 0 and up to 1e21 is possible`);
  return value;
}

/** How the days come about, in one line. */
export function derivation(now, state) {
  const hours = inWords(now.days * 24 * state.devices);
  return (
    `${scientific(now.totalFlops)} FLOPs (${state.convention}) ÷ (${state.devices} × ${scientific(now.peak)} FLOP/s ` +
    `× ${percent(state.mfu, 0)}); ${hours} device hours × $${state.price}, your price`
  );
}

/** What a switch does, and what it saves. */
export function cureWords({ name, on, possible, saved, sequences }, state) {
  const saves = `${on ? "saves" : "would save"} ${bytes(saved, state.binary)}`;
  if (name === "split")
    return possible
      ? `each of the ${state.devices} holds its share of parameters, gradients and optimizer state: ${saves}`
      : "one device has nobody to share with";
  if (name === "checkpoint")
    return `keeps what enters each block, computes the rest again: ${saves}, costs a third more FLOPs`;
  return possible
    ? `1 sequence at a time, ${sequences} gradients added up: ${saves}, the step stays the same`
    : "it is one sequence already";
}

// The reading line: words and tone

/** What must be said before anything else: a figure that no training sees. @returns {[string, string] | null} */
export function warning(now, state, row) {
  if (state.sparse && row.sparse_factor > 1) {
    const longer = timeText(now.days * row.sparse_factor);
    return [
      `${scientific(now.peak)} FLOP/s is the figure “with sparsity”. Dense training never sees it: at the dense ` +
        `${scientific(now.dense)} the same MFU takes ${longer}.`,
      "bad",
    ];
  }
  if (state.picture !== "conventions" && row.achieved && state.mfu > row.achieved)
    return [
      `Nobody trains at ${percent(state.mfu, 0)} on this chip: tuned matmuls alone reached ` +
        `${percent(row.achieved, 0)} of its peak (Bekman, MAMF).`,
      "bad",
    ];
  return null;
}

/** @returns {[string, string]} */
export function memoryWords(now, state, row) {
  const [need, room] = [bytes(now.peakBytes, state.binary), bytes(row.memory, state.binary)];
  const moment = `the heaviest moment of a step (${now.peakMoment})`;
  if (now.peakBytes <= row.memory) return [`It fits: ${moment} needs ${need} of ${room}.`, "good"];
  const excess = bytes(now.peakBytes - row.memory, state.binary);
  return [
    `It does not fit: ${moment} needs ${need}, a device has ${room}. ${excess} too much: try the switches.`,
    "bad",
  ];
}

/** @returns {[string, string]} */
export function timelineWords(now, state) {
  const moment = now.timeline[Math.min(state.moment, now.timeline.length - 1)];
  const all = weight(moment);
  const largest = PARTS.reduce((a, part) => (moment[part.key] > moment[a.key] ? part : a));
  const share = moment[largest.key] / all;
  const most = share > 0.5 ? "most of it" : "the largest part";
  return [
    `At “${moment.moment}” ${bytes(all, state.binary)} live, ${most} ${largest.name} (${percent(share, 0)}); ` +
      `the peak is ${bytes(now.peakBytes, state.binary)}, at “${now.peakMoment}”.`,
    "",
  ];
}

/** @returns {[string, string]} */
export function conventionWords(now) {
  const shares = Object.values(now.mfus);
  const [least, most] = [Math.min(...shares), Math.max(...shares)];
  return [
    `One run, ${inWords(now.tokensPerSecond)} tokens a second: its MFU is ${percent(least)} or ${percent(most)}, ` +
      `${(most / least).toFixed(2)} times as much, by convention alone.`,
    "",
  ];
}

/** @returns {[string, string]} */
export function budgetWords(now, state) {
  const { flops, best, mine } = turnedRound(now, state);
  return [
    `${timeText(state.days)} buy ${scientific(flops)} FLOPs: ${inWords(best.params)} parameters on ` +
      `${inWords(best.tokens)} tokens, or ${state.preset} on ${inWords(mine.tokens)} tokens.`,
    "",
  ];
}
