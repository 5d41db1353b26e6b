// SignalScope's measurements: one network for each width, run in the page in slices that leave it time to answer. What
// belongs to other settings is dropped at once; where a gain only scales a network, it is not run again.
import { histogramOf, isHomogeneous, lostIn, network, schemeGain, stdOf, widened } from "../rules/signals.js";

export const WIDTHS = [32, 64, 128, 192];
const SLICE = 8; // milliseconds of work before the page gets its turn

/** What a run depends on: not on the gain where that is only a factor. */
const keyOf = (settings) =>
  JSON.stringify([
    settings.depth,
    settings.activation,
    settings.residual,
    isHomogeneous(settings) ? 1 : settings.gain * schemeGain(settings.scheme),
  ]);

/** The stds that are known so far, [forward, backward] of every layer; undefined where none is yet. */
function stdsOf(run, settings) {
  const gain = settings.gain * schemeGain(settings.scheme);
  const factors = (k) => (isHomogeneous(settings) ? widened(gain, k, settings.depth) : [1, 1]);
  const scaled = (std, factor) => (std === null ? null : Number.isFinite(std * factor) ? std * factor : null);
  const forward = run.forward.map((std, k) => scaled(std, factors(k)[0]));
  const backward = Array.from({ length: settings.depth }, (_, k) =>
    run.backward[k] === undefined ? undefined : scaled(run.backward[k], factors(k)[1]),
  );
  return [forward, backward];
}

/** One width: its network, and the std of each layer that it has passed. */
function runOf(settings, width) {
  const gain = isHomogeneous(settings) ? 1 : settings.gain * schemeGain(settings.scheme);
  const { result, steps } = network({ ...settings, gain }, width);
  const run = { width, result, forward: [], backward: [], done: false };
  return {
    run,
    /** Do one layer more; true when all are done. */
    next() {
      run.done = steps.next().done === true;
      const last = result.values.length - 1;
      if (run.forward.length <= last) run.forward[last] = stdOf(result.values[last]);
      const first = result.gradients.findIndex((each) => each !== undefined);
      if (first >= 0 && run.backward[first] === undefined) run.backward[first] = stdOf(result.gradients[first]);
      return run.done;
    },
  };
}

/**
 * @param {{ more: () => void, busy: (yes: boolean) => void }} listeners
 *   `more` hears that something was measured, `busy` whether anything still is.
 */
export function measuring({ more, busy }) {
  let key = "";
  let runs = [];
  let timer = 0;
  const slice = () => {
    const end = performance.now() + SLICE;
    while (performance.now() < end) {
      const open = runs.find(({ run }) => !run.done);
      if (!open) break;
      open.next();
    }
    const unfinished = runs.some(({ run }) => !run.done);
    timer = unfinished ? window.setTimeout(later, 0) : 0;
    busy(unfinished);
  };
  const later = () => {
    slice();
    more();
  };
  return {
    /** Measure for these settings; what is known of them so far. Infinite or missing stds are null, or undefined. */
    of(settings) {
      if (keyOf(settings) !== key) {
        clearTimeout(timer);
        key = keyOf(settings);
        runs = WIDTHS.map((width) => runOf(settings, width));
        slice();
      }
      const stds = runs.map(({ run }) => stdsOf(run, settings));
      return {
        widths: WIDTHS,
        forward: stds.map(([forward]) => forward),
        backward: stds.map(([, backward]) => backward),
        done: runs.every(({ run }) => run.done),
      };
    },
    /** The values of the widest network against what a format holds: histograms, and the shares that are lost. */
    widest(settings, format) {
      const { run } = runs.at(-1);
      const gain = settings.gain * schemeGain(settings.scheme);
      const factors = (k) => (isHomogeneous(settings) ? widened(gain, k, settings.depth) : [1, 1]);
      return {
        histogram: run.result.values.map((values, k) => histogramOf(values, factors(k)[0])),
        lost: run.result.values.map((values, k) => lostIn(values, factors(k)[0], format)),
        gradientLost: run.result.gradients.map((values, k) => lostIn(values, factors(k)[1], format)),
      };
    },
    stop: () => clearTimeout(timer),
  };
}
