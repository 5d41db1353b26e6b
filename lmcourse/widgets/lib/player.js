// The player: a picture is a function of its step, and these controls set the step.
import { slider } from "./controls.js";
import { h } from "./elements.js";

/** A button with a sign for a face. */
const signed = (sign, name, onclick) => h("button", { type: "button", "aria-label": name, title: name, onclick }, sign);

/**
 * A clock that calls `tick` every `every` milliseconds until it says true or is stopped; `shown` hears whether it
 * runs.
 */
function clock(tick, every, shown) {
  let timer = null;
  const stop = () => {
    clearInterval(timer);
    timer = null;
    shown(false);
  };
  return {
    stop,
    isOn: () => timer !== null,
    start() {
      shown(true);
      timer = setInterval(() => tick() && stop(), every);
    },
  };
}

/**
 * ⏮ ◀ play ▶ ⏭ and a scrubber, with ← → Home End and Space. A picture is a function of its step, so `go` may jump.
 * @param {{ label: string, go: (step: number) => void, every?: number, format?: (step: number, last: number) =>
 *   string }} options
 * @returns {{ el: any, set(step: number, length: number): void, play(): void, stop(): void }}
 *   `length` is the number of steps; steps run from 0 to length − 1.
 */
export function stepper({ label, go, every = 700, format = (k, last) => `${k} of ${last}` }) {
  let step = 0,
    last = 0;
  const to = (next) => {
    const k = Math.max(0, Math.min(last, next));
    if (k !== step) go(k);
  };
  const running = clock(
    () => {
      const over = step >= last || !el.isConnected;
      if (!over) to(step + 1);
      return over;
    },
    every,
    (on) => {
      play.textContent = on ? "Pause" : "Play";
    },
  );
  const start = () => {
    if (running.isOn()) return;
    if (step === last) go(0);
    running.start();
  };
  const toggle = () => (running.isOn() ? running.stop() : start());
  const play = h("button", { type: "button", class: "lmc-play", onclick: toggle }, "Play");
  const first = signed("⏮", "first step", () => to(0));
  const back = signed("◀", "step back", () => to(step - 1));
  const forth = signed("▶", "step forward", () => to(step + 1));
  const end = signed("⏭", "last step", () => to(last));
  const oninput = (k) => {
    running.stop();
    to(k);
  };
  const range = slider({ label, min: 0, max: 0, value: 0, format: (k) => format(k, last), oninput });
  const onkeydown = (event) => {
    if (event.target.tagName !== "BUTTON") {
      if (event.key !== " ") return;
      toggle();
      event.preventDefault();
      return;
    }
    const next = { ArrowLeft: step - 1, ArrowRight: step + 1, Home: 0, End: last }[event.key];
    if (next !== undefined) to(next);
  };
  const nodes = [first, back, play, forth, end, range.el];
  const el = h("div", { class: "lmc-stepper", role: "group", "aria-label": label, onkeydown }, nodes);
  return {
    el,
    play: start,
    stop: running.stop,
    set(next, length) {
      step = next;
      last = Math.max(0, length - 1);
      range.set(step, last);
      // aria-disabled, not disabled: a button that has the focus keeps it when the end is reached
      for (const control of [first, back]) control.setAttribute("aria-disabled", String(step <= 0));
      for (const control of [forth, end]) control.setAttribute("aria-disabled", String(step >= last));
    },
  };
}
