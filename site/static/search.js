// The page of results: sections whose title or text has every word that was asked, as the beginning of a word.

const LIMIT = 30;
const AROUND = 90; // characters of text on each side of what was found

/** The words of a question, in lower case. */
export const wordsOf = (question) => question.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? [];

/** Where a word begins in a text, or -1. */
function beginning(text, word) {
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1))
    if (!/[\p{L}\p{N}_]/u.test(text[at - 1] ?? " ")) return at;
  return -1;
}

/** How well a section answers; 0 where a word is missing. A word in the title counts ten. */
function score([, , , title, text], words) {
  const head = title.toLowerCase(),
    body = text.toLowerCase();
  let sum = 0;
  for (const word of words) {
    const here = (beginning(head, word) >= 0 ? 10 : 0) + (beginning(body, word) >= 0 ? 1 : 0);
    if (here === 0) return 0;
    sum += here;
  }
  return sum;
}

/** The sections that have all words, the best first. */
export function find(entries, words) {
  if (words.length === 0) return [];
  const scored = entries.map((entry) => ({ entry, score: score(entry, words) })).filter((each) => each.score > 0);
  return scored.sort((a, b) => b.score - a.score).map((each) => each.entry);
}

/** A piece of text around the first word, the word itself in <mark>. */
function excerpt(text, words) {
  const p = document.createElement("p"),
    lower = text.toLowerCase();
  const word = words.find((each) => beginning(lower, each) >= 0);
  const at = word ? beginning(lower, word) : 0,
    end = at + (word?.length ?? 0);
  const mark = document.createElement("mark");
  mark.textContent = text.slice(at, end);
  const before = text.slice(Math.max(0, at - AROUND), at),
    after = text.slice(end, end + AROUND);
  p.append(at > AROUND ? `…${before}` : before, mark, after.length < AROUND ? after : `${after}…`);
  return p;
}

function item([page, anchor, of, title, text], words) {
  const li = document.createElement("li"),
    link = document.createElement("a");
  link.href = `${page}#${anchor}`;
  link.textContent = title === of ? of : `${title} · ${of.split(":")[0]}`;
  li.append(link, excerpt(text, words));
  return li;
}

async function answer(question) {
  const said = document.getElementById("search-said"),
    list = document.getElementById("search-results");
  const words = wordsOf(question);
  list.replaceChildren();
  if (words.length === 0) {
    said.textContent = "Type a word.";
    return;
  }
  const entries = await (await fetch(new URL("search.json", import.meta.url))).json();
  const found = find(entries, words);
  const most = found.length > LIMIT ? ` The first ${LIMIT} are below.` : "";
  said.textContent = `${found.length === 1 ? "1 section has" : `${found.length} sections have`} “${question}”.${most}`;
  list.append(...found.slice(0, LIMIT).map((entry) => item(entry, words)));
}

if (typeof document !== "undefined") {
  const question = new URLSearchParams(location.search).get("q") ?? "";
  for (const field of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("input[name=q]")))
    field.value = question;
  answer(question);
}
