// Run: node --test tests/widgets/merge_film.test.mjs
// Pre-tokens, training under each tie rule, and encoding, against lmcourse.tokenization on golden vectors.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

const { Film, TIES, Trainer, candidates, countPretokens, divergence, encodeTrace, longestMatch, piecesAt, train } =
  await import("../../lmcourse/widgets/rules/bpe.js");
const { byteString, bytesPerToken, glyph, graphemes, graphemesNear, lines, parts, pretokenize, spell, wellFormed } =
  await import("../../lmcourse/widgets/lib/tokens.js");

const golden = JSON.parse(readFileSync(new URL("../golden/merge_film.json", import.meta.url), "utf-8"));

test("pre-tokens are those of GPT2_PATTERN", () => {
  for (const [text, pieces] of golden.cut) {
    assert.deepEqual(pretokenize(text), pieces, JSON.stringify(text));
    assert.equal(pieces.join(""), text);
  }
  assert.ok(golden.cut.length > 140);
});

test("training: pairs, counts, merged counts, ties, tables and lengths under each rule", () => {
  for (const [text, tie, rows] of golden.trained) {
    const trainer = train(text, 40, tie);
    assert.equal(trainer.steps.length, rows.length, `${JSON.stringify(text)} ${tie}`);
    rows.forEach(([pair, count, replaced, tied, tokens, table], k) => {
      const step = trainer.steps[k],
        seen = trainer.tables[k];
      assert.deepEqual(trainer.bytesOf(step.pair), pair, `${JSON.stringify(text)} ${tie} merge ${k + 1}`);
      assert.deepEqual([step.count, step.replaced, seen.tied, step.tokensNow], [count, replaced, tied, tokens]);
      assert.deepEqual(
        seen.rows.map(({ pair: p, count: n }) => [...trainer.bytesOf(p), n]),
        table,
      );
      assert.equal(seen.wins[tie], step.pair);
      assert.equal(seen.rows[0].merged, replaced, "what the table says can be merged is what is merged");
    });
  }
});

test("a film is made in pieces of one merge at most, the shown rule first, and ends where training in one go ends", () => {
  const text = golden.trained.find(([, , rows]) => rows.length > 10)[0],
    film = new Film(text),
    merges = () => TIES.map((tie) => film.runs[tie]?.steps.length ?? 0);
  let shown = null,
    pieces = 0,
    before = merges();
  while (film.advance("smallest", 8)) {
    const now = merges();
    assert.ok(now.reduce((sum, n, i) => sum + n - before[i], 0) <= 1, "one merge of one rule");
    before = now;
    pieces += 1;
    if (film.ready("smallest", 8)) shown ??= now;
  }
  assert.deepEqual(shown, [0, 0, 8], "it can be shown before the other rules are done");
  assert.equal(pieces, 2 + 3 + 3 * 8); // cut, count, a trainer a rule, the merges
  for (const tie of TIES) assert.deepEqual(film.runs[tie].steps, train(text, 8, tie).steps);
  assert.equal(film.advance("smallest", 9), true, "a larger vocabulary goes on from there");
});

test("the state after k merges is a function of k", () => {
  for (const [text, tie] of golden.trained.slice(0, 60)) {
    const whole = train(text, 40, tie);
    for (const k of [0, 1, 5, 20, 40].filter((n) => n <= whole.steps.length)) {
      const upTo = train(text, k, tie),
        words = [...whole.index];
      for (const [, w] of words) assert.equal(whole.textAt(w, k), upTo.texts[w]);
      const count = (id) =>
        upTo.texts.reduce((n, t, w) => n + [...t].filter((c) => c.charCodeAt(0) === id).length * upTo.times[w], 0);
      for (let id = 0; id < 256 + k; id += 1)
        assert.equal(whole.occurrences(id, k), count(id), `${JSON.stringify(text)} id ${id} after ${k}`);
    }
  }
});

test("a pre-token of thousands of bytes keeps its history too", () => {
  const text = "abcab".repeat(700),
    whole = train(text, 30, "first");
  for (const k of [0, 3, 7, 15, 16, 17, whole.steps.length])
    assert.equal(whole.textAt(0, k), train(text, k, "first").texts[0]);
});

test("encoding: which merge fires where, among how many, and the ids", () => {
  for (const [text, tie, rows, newText, fired, ids] of golden.trained) {
    const trace = encodeTrace(
      newText,
      rows.map(([pair]) => pair),
    );
    assert.deepEqual(
      trace.steps.map(({ pretoken, at, rank }) => [pretoken, at, rank]),
      fired.map((f) => f.slice(0, 3)),
      `${JSON.stringify(text)} ${tie}`,
    );
    fired.forEach(([pretoken, at, rank, n], k) => {
      const all = candidates(trace, piecesAt(trace, pretoken, k));
      assert.deepEqual([all.length, all[0].at, all[0].rank], [n, at, rank]);
    });
    const got = trace.pretokens
      .flatMap((_, p) => piecesAt(trace, p, trace.steps.length))
      .map((b) => trace.ids.get(b) ?? b.charCodeAt(0));
    assert.deepEqual(got, ids);
  }
});

test("longest match is another algorithm", () => {
  const trace = encodeTrace("abc", [
    ["b", "c"],
    ["a", "b"],
  ]);
  assert.deepEqual(piecesAt(trace, 0, 9), ["a", "bc"]);
  assert.deepEqual(longestMatch("abc", trace.ids), ["ab", "c"]);
});

test("where another trainer leaves the reference, and why", () => {
  const text = "low low low low low lower lower widest widest widest newest newest newest newest newest newest";
  const reference = train(text, 10, "greatest"),
    words = countPretokens(text);
  const play = (merges) => {
    const t = new Trainer(words, "greatest", merges);
    while (t.steps.length < 10 && t.step());
    return t;
  };
  assert.equal(divergence(play(reference.merges()), reference, 10), null);
  assert.match(
    divergence(play(train(text, 10, "first").merges()), reference, 10).words,
    /Merge 1 differs.*a tie, broken by “first”/,
  );
  assert.match(
    divergence(play([...reference.merges(3), ["q", "z"]]), reference, 10).words,
    /Merge 4 differs.*does not occur/,
  );
  assert.match(
    divergence(play([...reference.merges(3), ["n", "e"]]), reference, 10).words,
    /Merge 4 differs.*yours is counted 6 times, the reference's 7/,
  );
  assert.match(divergence(play(reference.merges(4)), reference, 10).words, /stops after 4 merges/);
  assert.match(
    divergence(play([["xyz", "o"]]), reference, 10).words,
    /merge 1 uses “xyz”, which no earlier merge made/,
  );
  const short = train("ab", 10, "greatest");
  const longer = new Trainer(countPretokens("ab"), "greatest", [
    ["a", "b"],
    ["a", "b"],
  ]);
  while (longer.steps.length < 10 && longer.step());
  assert.match(divergence(longer, short, 10).words, /reference stops after 1/);
});

test("bytes as a reader sees them", () => {
  assert.equal(spell(byteString(" the\n")), "␣the⏎");
  assert.equal(spell("\xf0\x9f"), "<F0 9F>");
  assert.equal(spell("\x9f\x98\x80 "), "<9F 98 80>␣");
  assert.equal(spell("\xc0\x80\xed\xa0\x80"), "<C0 80 ED A0 80>", "overlong and surrogate bytes are no characters");
  assert.deepEqual(parts(byteString("é")), [{ text: "é" }]);
  assert.equal(spell("\x00\r\t"), "␀␍⇥");
  assert.equal(glyph("\u0301"), "◌\u0301");
  assert.equal(glyph("\u200d"), "ZWJ");
  assert.equal(glyph("\u202e"), "RLO");
  assert.equal(glyph("\ufeff"), "BOM");
  assert.equal(spell(byteString("\ufeffx")), "BOMx");
  assert.equal(wellFormed("a\ud83db🐱"), "a\ufffdb🐱");
  assert.equal(bytesPerToken(7, 2), "3.50");
});

test("graphemes keep their byte spans wherever the window begins", () => {
  const text = "e\u0301té 👨‍👩‍👧‍👦🇫🇷x नमस्ते ".repeat(6),
    starts = [];
  let unit = 0,
    from = 0;
  for (const piece of pretokenize(text)) {
    starts.push({ unit, from });
    unit += piece.length;
    from += byteString(piece).length;
  }
  const all = [];
  let at = 0;
  for (const g of graphemes(text)) {
    const n = byteString(g).length;
    all.push({ from: at, to: at + n, text: g });
    at += n;
  }
  for (let a = 0; a < at; a += 7)
    for (const b of [a + 1, a + 30, at].filter((x) => x <= at)) {
      assert.deepEqual(
        graphemesNear(text, starts, a, b),
        all.filter((g) => g.to > a && g.from < b),
        `${a} to ${b}`,
      );
    }
});

test("lines break at cuts, and inside a pre-token only if it is longer than a line", () => {
  assert.deepEqual(lines([0, 3, 7, 12], 0, 24 * 8, 9, 0), [
    { from: 0, to: 7 },
    { from: 7, to: 12 },
  ]);
  assert.deepEqual(lines([0, 30], 0, 24 * 10, 2, 0), [
    { from: 0, to: 10 },
    { from: 10, to: 20 },
  ]);
  assert.deepEqual(lines([0, 30, 32], 20, 24 * 12, 5, 0), [{ from: 20, to: 32 }]);
  assert.deepEqual(lines([0], 0, 500, 4, 0), []);
  for (let width = 100; width < 900; width += 50) {
    const found = lines([0, 1, 50, 52, 53, 90, 200], 0, width, 99);
    assert.equal(found[0].from, 0);
    assert.equal(found.at(-1).to, 200);
    for (const [k, line] of found.slice(1).entries()) assert.equal(line.from, found[k].to);
  }
});

test("2 000 characters train in a frame's work, 20 000 in slices: the work is bounded", () => {
  const words =
    "the of and to in is that it was for on are as with his they at be this from have or by one had not but what all there would their we him been has when who will no more if out so up said its about than into them can only other time new some could these two may first then do any like my now over such our man me even most made after also did many off before must well back through years much where your way down should because long each just state those people too mr how little good world make very year still see own work men day get here between both life being under three never same last another know while us might great old go come since against right used take states himself few house during without again place around however home".split(
      " ",
    );
  let text = "",
    seed = 7;
  while (text.length < 20000) {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    text += `${words[(seed >> 8) % words.length]}${seed % 7 ? " " : ". "}`;
  }
  const trainer = train(text.slice(0, 20000), 500, "greatest");
  assert.ok(trainer.steps.length > 300);
  assert.ok(trainer.history.every((states) => states.length < 40));
});
