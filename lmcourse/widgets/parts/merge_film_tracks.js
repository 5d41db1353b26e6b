// MergeFilm's tracks: characters, bytes and tokens in columns of bytes, a page at a time; and while a text is encoded,
// the pre-token at hand from its bytes to now.
import { change, h, keyed } from "../lib/elements.js";
import { roving } from "../lib/roving.js";
import { byteLine, byteRows, lines, linkSpans, pager } from "../lib/tokens.js";
import { encodingSpans, ladderOf, once, trainingSpans } from "../rules/film.js";
import { dressSpan, keepStop, pick, token } from "./merge_film_tokens.js";

const LINE = 74; // height of a line of tracks
const RUNG = 28; // height of a line of the ladder

const covers = ({ dataset: old }, { dataset: cell }) =>
  Number(cell.from) <= Number(old.from) && Number(old.from) < Number(cell.to);

const rung = ({ rank, made, pieces }) =>
  h(
    "div",
    {},
    h("span", { class: "lmc-line-label" }, rank === null ? "bytes" : `rank ${rank}`),
    pieces.map((piece, i) => token(piece, i === made ? "mf-made" : "")),
  );

/** Lines as items for `keyed`: what they show but for the tokens is their key, so that only tokens are drawn anew. */
function lineItems(all, shown, above) {
  const rows = [...above, { label: "tokens", spans: [], cell: null }];
  return all.map((line) => {
    const characters = above[0].spans.filter((span) => span.to > line.from && span.from < line.to);
    const cuts = [...shown.gaps].filter((cut) => line.from < cut && cut < line.to);
    return {
      sign: JSON.stringify([line, cuts, characters, shown.bytes.slice(line.from, line.to)]),
      make: () => byteLine(line, rows, shown.gaps),
    };
  });
}

const noText = (training) => ({
  sign: `nothing ${training}`,
  make: () => h("p", { class: "lmc-muted" }, `There is no text to ${training ? "train on" : "encode"}.`),
});

/** The byte, after `page`, at which the next pre-token begins that holds what the last merge made; null for none. */
function nextPlace({ run, k, film }, page) {
  const made = k ? String.fromCharCode(255 + k) : run.steps[0]?.pair;
  if (!made) return null;
  const holds = (pretoken) => run.textAt(run.index.get(pretoken.text), k).includes(made);
  const { pretokens } = film.layout;
  return (pretokens.find((p) => p.from > page && holds(p)) ?? pretokens.find(holds))?.from ?? null;
}

/** What the taller of the two texts takes, so that what is below stays under the pointer: its lines, and a pager. */
function roomFor(texts, pageOf) {
  const each = texts.map((text) => ({ text, page: pageOf(text) }));
  return {
    lines: Math.max(...each.map(({ page }) => page.length)),
    pages: each.some(({ text, page }) => (page[0]?.from ?? 0) > 0 || (page.at(-1)?.to ?? 0) < text.cuts.at(-1)),
  };
}

/**
 * @param {{ turned: () => void, choose: (bytes: string) => void, most: number }} on
 *   what a page turned, or a token clicked, does; how many lines a page has
 */
export function tracksOf({ turned, choose, most }) {
  const tracks = h("div", { class: "mf-tracks" }),
    ladder = h("div", { class: "mf-ladder" });
  const stops = roving(tracks, "button");
  linkSpans(tracks);
  let page = 0,
    layout = null,
    now = null;
  const turn = (to) => {
    page = to;
    turned();
  };
  const go = { type: "button", onclick: () => now.training && turn(nextPlace(now, page) ?? page) },
    find = h("button", go, "Go to the next place it merged");
  const pages = pager(turn, find);
  const aboveTokens = once(byteRows);

  function drawLines(view, chosen, shown, all) {
    const from = all[0]?.from ?? 0,
      to = all.at(-1)?.to ?? 0;
    const spans = view.training
      ? trainingSpans(view.run, shown, view.k, from, to, !view.guessing)
      : encodingSpans(view.trace, shown, view.done, from, to);
    const items = all.length ? lineItems(all, shown, aboveTokens(shown, from, to)) : [noText(view.training)];
    const cell = (span) => pick(span.bytes, choose),
      dressed = (button, span) => dressSpan(button, span, chosen);
    const bring = () =>
      keyed(tracks, items, {
        key: ({ sign }) => sign,
        make: ({ make }) => make(),
        update: (line) => line.fill?.(2, spans, cell, dressed),
      });
    keepStop(tracks, stops, bring, covers);
    pages.set(from, to, all.length ? shown.cuts : [0]);
    change(find, { "aria-disabled": !view.training });
  }

  function drawLadder({ training, trace, done }, room) {
    const rungs = training ? [] : ladderOf(trace, done, Math.floor((room * LINE) / RUNG) - 1).map(rung);
    ladder.replaceChildren(...rungs);
    if (rungs.length) tracks.append(ladder);
    else ladder.remove();
  }

  return {
    els: [tracks, pages.el],
    reset() {
      page = 0;
    },
    draw(view, width, chosen) {
      const shown = view.training ? view.film.layout : view.fresh;
      if (view.film.layout !== layout || !shown.cuts.includes(page)) page = 0;
      layout = view.film.layout;
      now = view;
      const label = width > 560 ? 84 : 0,
        pageOf = (one, from) => lines(one.cuts, from, width - label - 4, width > 560 ? most : 2 * most);
      const all = pageOf(shown, page),
        room = roomFor([view.film.layout, view.fresh], (one) => pageOf(one, one === shown ? page : 0));
      drawLines(view, chosen, shown, all);
      drawLadder(view, room.lines - all.length);
      change(tracks, { style: `--lmc-label: ${label}px; min-height: ${room.lines * LINE + 4}px` });
      pages.el.classList.toggle("mf-paged", room.pages);
    },
  };
}
