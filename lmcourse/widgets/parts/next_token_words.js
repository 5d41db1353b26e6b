// What NextToken says of each tab in a sentence or two.
import { grouped, percent, plural } from "../lib/numbers.js";
import { spell } from "../lib/tokens.js";
import { LOOKS, lookOf, runsOf } from "../rules/roads.js";
import { given, surprises } from "./next_token_surprise.js";

/** What is not known, by the state of the model. @type {Record<string, string>} */
export const MISSING = {
  asleep: "Press Draw or Load the model: this page then gets the model, one megabyte, and computes here.",
  loading: "The model is on its way.",
  ready: "Computing.",
  none: "What this model says to another text needs Python: open the notebook and run its cell.",
  failed: "The model could not be loaded.",
};

function nextWords({ dist, order, pieceOf, temperature, thrown, taken, missing }) {
  if (!dist) return missing;
  const first = `“${spell(pieceOf(order[0]))}”`,
    has = `has ${percent(dist.own[0])} in the model and ${percent(dist.chance[0])} in a draw`;
  const now =
    temperature === 0
      ? `Temperature 0 always takes the first: ${first}.`
      : `${grouped(dist.kept)} of ${plural(order.length, "token")} may be drawn. The first, ${first}, ${has}.`;
  const fell = thrown >= 0 && taken >= 0;
  return fell ? `${now} The die, ${thrown.toFixed(3)}, fell on “${spell(pieceOf(order[taken]))}”.` : now;
}

function roadsWords({ tree, path, before }) {
  const ends = runsOf(tree).filter(({ to }) => !tree.some(([up]) => up === to)).length;
  return `${plural(ends, "road")} so far; you are at token ${before.length} of ${path.length}. A line goes to its end.`;
}

const SAID = Object.fromEntries(
  Object.entries(LOOKS).map(([look, words]) => [look, look === "itself" ? "" : `: ${words}`]),
);

function attentionWords({ heads, head: [layer, head], ids, pieces, about, missing }) {
  if (!about.num_heads) return "Attention is shown of a TransformerLM, and this model is another one.";
  if (!heads) return missing;
  const seen = ids.slice(-heads[0][0].length),
    last = `“${spell(pieces.at(-1))}”`,
    look = lookOf(heads[layer][head], seen);
  const weights = [...heads[layer][head]],
    most = weights.indexOf(Math.max(...weights)),
    to = look === "itself" ? "itself" : `“${spell(pieces.slice(-seen.length)[most])}”`;
  const what = `looks most at ${to}, ${percent(weights[most])}${SAID[look] ?? ""}`;
  const finds = heads.flat().filter((weights) => ["same", "after"].includes(lookOf(weights, seen))).length;
  const repeated = seen.indexOf(seen.at(-1)) < seen.length - 1;
  const others = repeated ? ` ${plural(finds, "head")} of ${heads.flat().length} find the last ${last} before.` : "";
  return `From ${last}, head ${head + 1} of layer ${layer + 1} ${what}.${others}`;
}

function surpriseWords({ judged, looked, missing }) {
  if (!judged) return missing;
  const order = surprises(judged);
  if (!order.length) return "Type a text of two tokens or more: the first has nothing before it.";
  const at = judged.losses[looked] > 0 ? looked : order[0],
    mean = order.reduce((sum, k) => sum + judged.losses[k], 0) / order.length;
  const which = at === order[0] ? "The largest surprise is" : "This is";
  const token = `“${spell(judged.pieces[at])}”, ${judged.losses[at].toFixed(2)} nats: the model gave it`;
  const expected = `“${spell(judged.expected[at])}”`;
  return `${which} ${token} ${given(judged.losses[at])} and expected ${expected}. On average ${mean.toFixed(2)} nats.`;
}

/** @type {Record<string, (scene: any) => string>} */
export const WORDS = { next: nextWords, roads: roadsWords, attention: attentionWords, surprise: surpriseWords };
