// Three ways in which a step of training needs less memory on a device, and what each saves. Pure; the bytes are those
// of rules/flops.js. A state is that of TrainingBudget.
import { memoryTimeline, runOf, weight } from "./flops.js";

/** Bytes of the heaviest moment of a step. */
export const peakBytes = (state) => Math.max(...memoryTimeline(state.shape, runOf(state)).map(weight));

/** Split parameters, gradients and optimizer state over the devices, all of it or none. */
const split = {
  name: "split",
  isOn: (state) => state.sharding !== "none",
  isPossible: (state) => state.devices > 1,
  on: () => ({ sharding: "parameters" }),
  off: () => ({ sharding: "none" }),
};

/** Keep what enters each block, and compute the rest again in the backward pass. */
const checkpoint = {
  name: "checkpoint",
  isOn: (state) => state.checkpoint,
  isPossible: () => true,
  on: () => ({ checkpoint: true }),
  off: () => ({ checkpoint: false }),
};

/** One sequence at a time, and the gradients of as many as before added up: a step sees as many tokens. */
const smaller = {
  name: "batch",
  isOn: (state) => state.batch === 1 && state.accumulation > 1,
  isPossible: (state) => state.batch * state.accumulation > 1,
  on: (state) => ({ batch: 1, accumulation: state.batch * state.accumulation }),
  off: (state) => ({ batch: state.batch * state.accumulation, accumulation: 1 }),
};

/**
 * What each of the three does now: whether it is on or possible, the traits that its switch sets, and the bytes by
 * which the peak falls with it, all else being as it is.
 * @returns {{ name: string, on: boolean, possible: boolean, saved: number, sequences: number, changes: any }[]}
 */
export function curesOf(state) {
  return [split, checkpoint, smaller].map((cure) => {
    const on = cure.isOn(state);
    const possible = cure.isPossible(state);
    const [without, withIt] = [cure.off(state), cure.on(state)];
    return {
      name: cure.name,
      on,
      possible,
      saved: possible ? peakBytes({ ...state, ...without }) - peakBytes({ ...state, ...withIt }) : 0,
      sequences: state.batch * state.accumulation,
      changes: on ? without : withIt,
    };
  });
}
