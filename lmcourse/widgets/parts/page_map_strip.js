// PageMap's picture: the file as a strip of pages, the legend of its shades, and what a batch costs in numbers.
import { change, h, write } from "../lib/elements.js";
import { bytes, grouped, percent, plural } from "../lib/numbers.js";
import { pagesOf, sharesSeen } from "../rules/pages.js";

/** The strip's cells, made once; `draw` changes their marks. */
export function pageStrip(file) {
  const style = `--pm-cell: ${file.numBlocks <= 64 ? 36 : file.numBlocks <= 160 ? 20 : 11}px`;
  const cells = Array.from({ length: file.numBlocks }, () => h("i", {}));
  const el = h("div", { class: "pm-strip", role: "img", style }, cells);
  const legend = h("div", { class: "pm-key" });
  const pages = file.perBlock > 1 ? `${grouped(file.perBlock)} pages` : "one page";
  const perCell = `${pages} of ${grouped(file.pageSize)} bytes`;
  return {
    el,
    legend,
    /** @param {any} now  what page_map.js works out for a step */
    draw(now) {
      const shares = now.view === "coverage" ? sharesSeen(now.starts, now.contextLength, file) : null;
      const states = shares ? [] : statesOf(now, file);
      const [from, to] = now.batch.length ? now.pages.spans[now.picked].map(file.blockOf) : [-1, -1];
      cells.forEach((cell, block) => {
        cell.toggleAttribute("data-picked", block >= from && block <= to);
        change(cell, { "data-s": shares ? (shares[block] ? "share" : "") : (states[block] ?? "") });
        cell.style.setProperty("--share", shares ? `${Math.round(100 * shares[block])}%` : null);
      });
      const ofCells = file.perBlock > 1 ? `, ${file.perBlock} to a cell` : "";
      const seen = shares
        ? `${shares.filter(Boolean).length} of ${file.numBlocks} cells have tokens that were seen.`
        : `${now.pages.all.size} touched now, ${now.before.size} so far.`;
      change(el, {
        "aria-label": `The file from first page to last, ${plural(file.numPages, "page")}${ofCells}; ${seen}`,
      });
      legend.replaceChildren(
        ...(shares ? shareKeys() : stateKeys(now.cached)),
        h("span", {}, h("i", { class: "pm-picked" }), "the window chosen below"),
        h("span", { class: "lmc-muted" }, `a cell is ${perCell}`),
      );
    },
  };
}

/** What each block is: in this batch, in one before, or known to the page cache alone. */
function statesOf(now, file) {
  const state = new Array(file.numBlocks).fill("");
  now.cached?.forEach((count, block) => {
    if (count) state[block] = "cached";
  });
  for (const page of now.before) state[file.blockOf(page)] = "before";
  for (const page of now.pages.all) state[file.blockOf(page)] = "now";
  return state;
}

const key = (kind, text, share) =>
  h("span", {}, h("i", { "data-s": kind, style: share === undefined ? null : `--share: ${share}%` }), text);

const stateKeys = (cached) =>
  [
    key("now", "in this batch"),
    key("before", "in a batch before"),
    cached ? key("cached", "in the page cache, not asked for") : null,
    key("", "not touched"),
  ].filter(Boolean);

const shareKeys = () => [
  key("", "no token seen yet"),
  ...[25, 50, 75, 100].map((share) => key("share", share === 100 ? "all of its tokens seen" : `${share} %`, share)),
];

/** The pages of a batch, and those of all batches so far. */
export const touchedBy = (now, file) => ({
  pages: pagesOf(now.batch, now.contextLength + 1, file),
  before: pagesOf(now.starts, now.contextLength + 1, file).all,
});

/** What a batch asks for and what is read for it, in bytes. */
export const costOf = (now, file) => ({
  asked: now.batch.length * (now.contextLength + 1) * file.itemsize,
  read: now.pages.all.size * file.pageSize,
});

/** The numbers under the strip: tiles that stay, whose texts change; what nobody measured is a dash. */
export function numberTiles(file, measures) {
  const tile = (text, measured) => {
    const value = h("b", {}, "–"),
      words = h("span", {}, text);
    return { el: h("div", { class: `pm-number${measured ? " pm-measured" : ""}` }, value, words), value, words };
  };
  const tiles = {
    asked: tile("asked for by this batch"),
    read: tile("in whole pages, the least that is read"),
    times: tile("read for each byte asked for"),
    touched: tile("touched so far"),
    ...(measures && {
      faults: tile("page faults, measured", true),
      resident: tile("resident, measured", true),
      time: tile("to read it, measured", true),
      cached: tile("in the page cache, measured", true),
    }),
  };
  const el = h(
    "div",
    { class: "pm-numbers" },
    Object.values(tiles).map((each) => each.el),
  );
  const show = (name, value, words) => {
    write(tiles[name].value, value);
    if (words) write(tiles[name].words, words);
  };
  return {
    el,
    draw(now) {
      const { asked, read } = costOf(now, file);
      show("asked", `${grouped(asked)} B`);
      show("read", `${grouped(read)} B`, `in ${plural(now.pages.all.size, "page")}, the least that is read`);
      show("times", asked ? `${(read / asked).toFixed(1)} ×` : "–");
      show(
        "touched",
        bytes(now.before.size * file.pageSize),
        `touched so far, of ${bytes(file.numPages * file.pageSize)}`,
      );
      if (measures) showMeasured(show, now.found, now.cached);
    },
  };
}

/** The kernel's own counts for what is shown now, or dashes: a count never stays for another batch. */
function showMeasured(show, found, cached) {
  const sum = cached?.reduce((all, count) => all + count, 0);
  show("cached", cached ? plural(sum, "page") : "–");
  if (!found) {
    for (const name of ["faults", "resident", "time"]) show(name, "–");
    return;
  }
  const both = found.major !== null;
  show(
    "faults",
    both ? `${found.major} + ${found.minor}` : String(found.minor),
    both ? "major + minor faults" : "page faults",
  );
  const grown = `${found.grown >= 0 ? "+" : "−"}${bytes(Math.abs(found.grown))}`;
  show("resident", bytes(found.resident), `resident, ${grown} in this read`);
  show("time", `${found.ms.toFixed(2)} ms`, "to read it");
}

/** The reading line of the view "pages". */
export function sayPages(now, file) {
  const whole = bytes(file.numPages * file.pageSize);
  if (now.step === 0) return `Nothing is read yet: opening maps ${whole} of addresses, and not a byte of the data.`;
  const { asked, read } = costOf(now, file),
    windows = plural(now.batch.length, "window");
  const faults = (found) =>
    found.major === null
      ? plural(found.minor, "fault")
      : `${plural(found.major, "major fault")} and ${plural(found.minor, "minor one")}`;
  const told = now.found ? ` The system counted ${faults(now.found)}.` : "";
  return (
    `Batch ${now.step}: ${windows} ask for ${grouped(asked)} bytes; ` +
    `they lie in ${plural(now.pages.all.size, "page")}, ` +
    `so ${grouped(read)} bytes are read, ${(read / asked).toFixed(1)} × as much.${told}`
  );
}

/** Two decimals for a small share, one for a large one. */
export const shareText = (share) => percent(share, share < 0.1 ? 2 : 1);
