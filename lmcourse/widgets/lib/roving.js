// Many cells, one tab stop.

const MOVES = { ArrowLeft: -1, ArrowRight: 1 };

/**
 * One tab stop for many cells; arrows move between them. Cells are the elements that match `selector`, in document
 * order; `columns()` gives the row length (1 for a strip that ↑ ↓ should not cross).
 * @param {any} container
 * @param {string} selector
 * @param {{ columns?: () => number, onfocus?: (cell: any, at: number) => void }} [options]
 * @returns {{ refresh(index?: number, keepFocus?: boolean): void }}
 */
export function roving(container, selector, { columns = () => 1, onfocus = () => {} } = {}) {
  const cells = () => [...container.querySelectorAll(selector)];
  const tabStop = (cell) => {
    for (const other of cells()) other.tabIndex = other === cell ? 0 : -1;
  };
  container.addEventListener("keydown", (event) => {
    const all = cells(),
      at = all.indexOf(event.target.closest(selector)),
      wide = columns();
    const move = { ...MOVES, ArrowUp: -wide, ArrowDown: wide }[event.key];
    let to = move === undefined ? at : at + move;
    if (event.key === "Home") to = 0;
    if (event.key === "End") to = all.length - 1;
    if (at < 0 || to === at || !all[to]) return;
    event.preventDefault();
    all[to].focus();
  });
  container.addEventListener("focusin", (event) => {
    const cell = event.target.closest?.(selector);
    if (!cell) return;
    tabStop(cell);
    onfocus(cell, cells().indexOf(cell));
  });
  return {
    /** Call after the cells were drawn anew: keeps the tab stop at the same place, and the focus if it was here. */
    refresh(index = 0, keepFocus = false) {
      const all = cells(),
        cell = all[Math.min(index, all.length - 1)];
      if (!cell) return;
      tabStop(cell);
      if (keepFocus) cell.focus({ preventScroll: true });
    },
  };
}
