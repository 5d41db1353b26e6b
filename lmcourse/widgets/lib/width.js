// Pictures that fill the stage are drawn for its width, and anew when it changes.

/** Tell the width of a node, in whole pixels, whenever it changes; returns what stops it. */
export function watchWidth(node, changed) {
  if (typeof ResizeObserver === "undefined") return () => {};
  let width = 0;
  const watcher = new ResizeObserver(([entry]) => {
    const now = Math.floor(entry.contentRect.width);
    if (now <= 0 || now === width) return;
    width = now;
    changed(now);
  });
  watcher.observe(node);
  return () => watcher.disconnect();
}
