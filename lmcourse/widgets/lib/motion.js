// What changes is seen to change: 200 to 300 ms, none where the reader asked for no motion. In CSS it is
// `var(--lmc-move)`.

/** How long a change takes, in milliseconds; the same as --lmc-move in theme.css. */
export const MOVE = 240;

/** true where the reader asked for no motion. */
export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Slow at both ends. */
const eased = (share) => share * share * (3 - 2 * share);

/** A value, or lists and records of values, between two of the same form: between([0, 10], [4, 20], 0.5) is [2, 15]. */
export function between(a, b, share) {
  if (typeof b === "number") return Number.isFinite(a) && Number.isFinite(b) ? a + (b - a) * share : b;
  if (Array.isArray(b)) return b.map((each, k) => between(a?.[k], each, share));
  if (b !== null && typeof b === "object")
    return Object.fromEntries(Object.entries(b).map(([key, each]) => [key, between(a?.[key], each, share)]));
  return b;
}

/**
 * A picture that moves to its next state. `to(state)` draws what lies between the last state and this one, frame by
 * frame; a new call goes on from where it is. The picture stays a function of the state: after the move it is
 * `draw(state)`.
 * @param {(state: any) => void} draw
 * @returns {{ to(state: any): void, jump(state: any): void, stop(): void }} `jump` moves nothing.
 */
export function moving(draw) {
  let now = null,
    frame = 0;
  const show = (state) => {
    now = state;
    draw(state);
  };
  const stop = () => cancelAnimationFrame(frame);
  const jump = (state) => {
    stop();
    show(state);
  };
  return {
    jump,
    stop,
    to(state) {
      stop();
      if (now === null || still()) return show(state);
      const from = now,
        start = performance.now();
      const step = (time) => {
        const share = Math.min(1, Math.max(0, (time - start) / MOVE));
        show(share < 1 ? between(from, state, eased(share)) : state);
        if (share < 1) frame = requestAnimationFrame(step);
      };
      frame = requestAnimationFrame(step);
    },
  };
}

/** Let a node light up once, because something that is linked to it changed. */
export function flash(node) {
  if (still()) return;
  node.animate([{ outline: "3px solid var(--lmc-b)", outlineOffset: "0px" }, { outline: "3px solid transparent" }], {
    duration: 300,
    easing: "ease-out",
  });
}

/** Let a node come from where it was, `dx` and `dy` pixels away, to where it is. */
export function slide(node, dx, dy) {
  if (still() || (dx === 0 && dy === 0)) return;
  node.animate([{ transform: `translate(${dx}px, ${dy}px)` }, { transform: "none" }], {
    duration: MOVE,
    easing: "ease",
  });
}
