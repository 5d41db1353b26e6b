// MergeFilm's tracks: characters, bytes and tokens in columns of bytes, a page at a time; and while a text is encoded,
// the pre-token at hand from its bytes to now.
import { change, h, keyed } from "../lib/elements.js";
import { roving } from "../lib/roving.js";
import { byteLine, byteRows, lines, linkSpans, pager } from "../lib/tokens.js";
import { encodingSpans, ladderOf, once, trainingSpans } from "../rules/film.js";
import { dressSpan, keepStop, pick, token } from "./merge_film_tokens.js";

const LINE = 82; // height of a line of tracks
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

/** @param {{ turned: () => void, choose: (bytes: string) => void }} on  what a page turned, or a token clicked, does */
export function tracksOf({ turned, choose }) {
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
  const find = h(
    "button",
    { type: "button", onclick: () => turn(nextPlace(now, page) ?? page) },
    "Go to the next place it merged",
  );
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
    find.toggleAttribute("hidden", !view.training);
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
        pageOf = (one, from) => lines(one.cuts, from, width - label - 4, width > 560 ? 4 : 6);
      const all = pageOf(shown, page);
      drawLines(view, chosen, shown, all);
      const both = [view.film.layout, view.fresh].map((one) => pageOf(one, one === shown ? page : 0).length);
      const tallest = Math.max(...both);
      drawLadder(view, tallest - all.length);
      // the taller of the two texts sets the height, so that the buttons below stay under the pointer
      change(tracks, { style: `--lmc-label: ${label}px; min-height: ${tallest * LINE + 4}px` });
    },
  };
}
