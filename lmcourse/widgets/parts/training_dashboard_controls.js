// TrainingDashboard's controls, which reach a cell that trains: pause, step, stop, the learning rate, a fork. A page
// without a kernel has none of them. Disabled ones are aria-disabled, not disabled: a button that has the focus keeps
// it, and says why it does nothing.
import { choice, slider } from "../lib/controls.js";
import { h } from "../lib/elements.js";
import { grouped } from "../lib/numbers.js";
import { words } from "./training_dashboard_words.js";

const NO_RUN = "No run trains now. Run the cell that trains; these buttons reach it while it runs.";
const ONE_AT_A_TIME = "One run trains at a time: pause or stop this one, then fork.";
export const DEAF =
  "The kernel has not heard this yet. While a cell runs, a page is heard from JupyterLab 4.4 with ipykernel 7 on; " +
  "elsewhere use Interrupt, which leaves a usable model.";

const PLAYER = { class: "td-buttons", role: "group", "aria-label": "the run" };

/** The kept step that a fork starts from: the last at or before the one that is looked at. */
export function forkStep({ facts, look }) {
  const at = look.step ?? Infinity;
  return facts.copies.findLast((kept) => kept <= at) ?? facts.copies[0];
}

/** Why the buttons can do nothing now; "" where they can. */
const whyNot = ({ status }) => (["training", "paused"].includes(status) ? "" : NO_RUN);
const whyNoFork = ({ status }) => (status === "training" ? ONE_AT_A_TIME : "");

/**
 * @param {{ scene: () => any, kernel: any, complain: (words: string) => void }} dash
 *   `scene` gives what is shown now, `complain` says why something cannot be.
 */
export function controlsOf({ scene, kernel, complain }) {
  const button = (text, act, why = whyNot) => {
    const onclick = () => {
      const no = why(scene());
      complain(no);
      if (!no) act(scene());
    };
    return h("button", { type: "button", onclick }, text);
  };
  const rate = rateControl(scene, kernel, complain, button);
  const pause = button("❚❚ Pause", ({ status }) => kernel.tell({ do: status === "paused" ? "resume" : "pause" }));
  const step = button("Step", () => kernel.tell({ do: "step" }));
  const stop = button("■ Stop", () => kernel.tell({ do: "stop" }));
  const fork = forkControl(kernel, button);
  const disable = (node, yes) => node.setAttribute("aria-disabled", String(yes));
  return {
    /** In view, and behind More. */
    main: kernel.hasKernel ? [h("span", PLAYER, pause, step, stop), rate.el] : [],
    rest: kernel.hasKernel ? [rate.follow, fork.el] : [],
    pause,
    settle: rate.settle,
    draw(now) {
      const no = whyNot(now);
      pause.textContent = now.status === "paused" ? "▶ Resume" : "❚❚ Pause";
      for (const each of [pause, step, stop, rate.input]) disable(each, no !== "");
      disable(rate.follow, no !== "" || !rate.byHand(now));
      disable(fork.button, whyNoFork(now) !== "");
      rate.draw(now);
      fork.draw(now);
    },
  };
}

/** The learning rate by hand, and back to the schedule. What a reader wants stands until the kernel has said it. */
function rateControl(scene, kernel, complain, button) {
  let shown = 1e-3; // the slider's places are coarser than rates are: the words are exact
  let wanted = null;
  const lr = slider({
    label: "learning rate",
    min: -6,
    max: 0,
    step: 0.005,
    value: -3,
    format: (v) => words("lr", Math.abs(v - Math.log10(shown)) < 0.003 ? shown : 10 ** v),
    oninput: (v) => {
      const no = whyNot(scene());
      complain(no);
      if (no) return;
      wanted = Number((10 ** v).toPrecision(3));
      kernel.ask({ do: "lr", lr: wanted });
    },
  });
  const follow = button("Follow the schedule", () => {
    wanted = null;
    kernel.tell({ do: "lr", lr: null });
  });
  return {
    el: lr.el,
    input: lr.input,
    follow,
    byHand: (now) => wanted !== null || now.fixedRate !== null,
    settle() {
      wanted = null;
    },
    draw(now) {
      const rate = wanted ?? now.fixedRate ?? now.newestRate;
      if (!(rate > 0)) return;
      shown = rate;
      lr.set(Math.log10(rate));
    },
  };
}

const FACTORS = [0.1, 0.3, 1, 3, 10];

function forkControl(kernel, button) {
  let times = 3;
  const factor = choice({
    label: "with the lr",
    options: FACTORS.map((each) => [String(each), `× ${each}`]),
    value: String(times),
    onchange: (v) => {
      times = Number(v);
    },
  });
  const fork = button("Fork", (now) => kernel.tell({ fork: forkStep(now), times, run: now.facts.index }), whyNoFork);
  const el = h("span", { class: "td-fork" }, fork, factor.el);
  return {
    el,
    button: fork,
    draw(now) {
      el.style.display = now.facts.copies.length ? "" : "none";
      if (now.facts.copies.length) fork.textContent = `Fork at step ${grouped(forkStep(now))}`;
    },
  };
}
