// node --test tests/widgets/optimizer_paths.test.mjs
// The paths of optimizers.js are those of lmcourse.optimizers, and its theory is what its own runs show.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { choosing, panelOf } from "../../lmcourse/widgets/optimizer_paths.js";
import { placedNames, windowOf } from "../../lmcourse/widgets/parts/optimizer_paths_map.js";
import { decadesOf, insideOf, stepSizes } from "../../lmcourse/widgets/parts/optimizer_paths_panels.js";
import { caught, scaleOf } from "../../lmcourse/widgets/parts/optimizer_paths_scale.js";
import { reading } from "../../lmcourse/widgets/parts/optimizer_paths_words.js";
import {
  best,
  contours,
  cosineRate,
  LANDSCAPES,
  noise,
  phase,
  rateLimits,
  regime,
  run,
  stableRate,
  toBfloat16,
  turn,
  wsdRate,
} from "../../lmcourse/widgets/rules/optimizers.js";

const golden = JSON.parse(readFileSync(new URL("../golden/optimizer_paths.json", import.meta.url), "utf-8"));
const near = (got, want, tolerance, what) =>
  assert.ok(Math.abs(got - want) <= tolerance * (1 + Math.abs(want)), `${what}: ${got} is not ${want}`);
const plain = {
  landscape: "quadratic",
  condition: 20,
  rotation: 0,
  start: [-2, 0.8],
  steps: 60,
  schedule: "constant",
  precision: "float64",
};

test("every optimizer walks the path of its Python class", () => {
  for (const { name, settings, options, length, w, state } of golden.paths) {
    const what = `${name} on ${JSON.stringify(settings)}`,
      records = run(name, settings, options);
    assert.equal(records.length, length, what);
    const everyFifth = records.filter((_, k) => k % 5 === 0);
    for (const [k, record] of everyFifth.entries())
      for (const [axis, x] of record.w.entries()) near(x, w[k][axis], 1e-6, `${what}, step ${5 * k}`);
    for (const [key, value] of Object.entries(state))
      for (const [axis, x] of [value].flat().entries())
        near([records.at(-1)[key]].flat()[axis], x, 1e-6, `${what}, ${key}`);
  }
  assert.ok(golden.paths.length >= 60);
});

test("noise, schedules and bfloat16 as in Python", () => {
  for (const [step, both] of golden.noise.entries())
    for (const [axis, x] of both.entries()) near(noise(step, axis), x, 1e-12, "noise");
  for (const [t, x] of golden.cosine.entries()) near(cosineRate(t, 0.5, 0.05, 4, 30), x, 1e-12, `cosine at ${t}`);
  for (const [t, x] of golden.wsd.entries()) near(wsdRate(t, 0.5, 0.05, 4, 7, 30), x, 1e-12, `wsd at ${t}`);
  for (const [x, want] of golden.bfloat16)
    assert.ok(Object.is(toBfloat16(x), want), `${x}: ${toBfloat16(x)} is not ${want}`);
});

test("gradient descent turns with the landscape, Adam does not", () => {
  const ends = (name, options, rotation) => turn(rotation).back(run(name, { ...plain, rotation }, options).at(-1).w);
  const apart = (p, q) => Math.hypot(p[0] - q[0], p[1] - q[1]);
  for (const [name, options] of [
    ["SGD", { lr: 0.05 }],
    ["Momentum", { lr: 0.02, momentum: 0.9 }],
  ])
    assert.ok(apart(ends(name, options, 0), ends(name, options, 40)) < 1e-9, name);
  assert.ok(
    apart(
      ends("Adam", { lr: 0.1, betas: [0.9, 0.999], weight_decay: 0 }, 0),
      ends("Adam", { lr: 0.1, betas: [0.9, 0.999], weight_decay: 0 }, 40),
    ) > 0.01,
  );
});

test("the measured phase diagram has the theory's edge", () => {
  const betas = [0.05, 0.35, 0.65, 0.85],
    edges = betas.map((beta) => stableRate(beta, 20));
  betas.forEach((beta, row) => {
    const measured = phase(
      plain,
      [0.5, 0.9, 1.06, 1.5].map((share) => share * edges[row]),
      [beta],
    )[0];
    assert.deepEqual(
      measured.map((v) => v === null),
      [false, false, true, true],
      `β = ${beta}`,
    );
  });
  const { lr, momentum } = best([1, 20]);
  const [[there]] = phase(plain, [lr], [momentum]),
    around = [0.7, 1.3].map((share) => phase(plain, [lr * share], [momentum])[0][0]);
  assert.ok(
    around.every((v) => v === null || v > there),
    "the best point beats its neighbours",
  );
});

test("curvatures are those of the losses at their minima", () => {
  for (const [name, { gradient, minima, curvatures }] of Object.entries(LANDSCAPES)) {
    const e = 1e-5,
      [a, b] = minima[0],
      c = 7;
    const [xx, xy] = gradient(a + e, b, c).map((g, k) => (g - gradient(a - e, b, c)[k]) / (2 * e));
    const yy = (gradient(a, b + e, c)[1] - gradient(a, b - e, c)[1]) / (2 * e);
    const middle = (xx + yy) / 2,
      spread = Math.hypot((xx - yy) / 2, xy);
    for (const [k, value] of [middle - spread, middle + spread].entries())
      near(curvatures(c)[k], value, 1e-5, `${name} ${k}`);
  }
});

test("contours lie where the loss has their level", () => {
  for (const name of ["ravine", "saddle"]) {
    const [path] = contours(name, 6, [1]);
    const points = [...path.matchAll(/[ML](-?[\d.]+),(-?[\d.]+)/g)].map((m) => [Number(m[1]), Number(m[2])]);
    assert.ok(points.length > 50);
    for (const [a, b] of points)
      assert.ok(Math.abs(Math.log(LANDSCAPES[name].loss(a, b, 6))) < 0.35, `${name} at ${a}, ${b}`);
  }
});

test("seven optimizers of 200 steps fit in a frame", () => {
  const times = [];
  for (let k = 0; k < 40; k += 1) {
    const began = performance.now();
    for (const { name, settings, options } of golden.paths.slice(0, 7))
      run(name, { ...settings, steps: 200, rotation: k }, options);
    times.push(performance.now() - began);
  }
  times.sort((a, b) => a - b);
  assert.ok(times[10] < 16, `${times[10]} ms`); // a quarter of the runs: this machine does other work
});

test("the regions of the scale are what the runs do", () => {
  const { calm, limit } = rateLimits("SGD", { lr: 0 }, 20);
  assert.deepEqual([calm, limit], [0.05, 0.1]);
  const across = (lr) => run("SGD", plain, { lr }).map(({ w }) => w[1]);
  assert.ok(
    across(0.04).every((y) => y >= 0),
    "it crawls: never on the other side",
  );
  const bounced = across(0.08);
  assert.ok(bounced[1] < 0 && Math.abs(bounced[30]) < Math.abs(bounced[1]), "it bounces, and settles");
  const edge = across(0.1).map(Math.abs);
  assert.ok(
    edge.every((y) => Math.abs(y - 0.8) < 1e-9),
    "right at the limit it bounces for ever",
  );
  assert.ok(Math.abs(across(0.11)[30]) > 10, "it explodes");
  const regimes = [0.04, 0.08, 0.1, 0.11].map((lr) => regime("SGD", { lr }, 20));
  assert.deepEqual(regimes, ["crawls", "bounces", "edge", "explodes"]);
  assert.equal(regime("Adam", { lr: 1 }, 20), "");
  const momentum = { lr: 0.15, momentum: 0.5 };
  assert.equal(regime("Momentum", { ...momentum, lr: 0.16 }, 20), "explodes");
  assert.equal(regime("Momentum", momentum, 20), "edge");
});

test("the limit has a place of its own on the scale, which catches a dragged slider", () => {
  for (const condition of [1, 7.3, 20, 33, 100]) {
    const scale = scaleOf("SGD", { lr: 0.01 }, condition);
    assert.equal(scale.rate(200), 2 / condition);
    assert.equal(Math.round(scale.place(2 / condition)), 200);
  }
  assert.equal(scaleOf("SGD", { lr: 0.01 }, 20).rate(200), 0.1);
  assert.deepEqual([193, 195, 200, 206, 207].map(caught), [193, 200, 200, 200, 207]);
  const far = scaleOf("SGD", { lr: 2 }, 20);
  assert.ok(far.place(2) <= far.last, "a rate from a link lies on the scale");
  const adam = scaleOf("Adam", { lr: 0.15 }, 20);
  assert.ok(adam.regions === null && Math.abs(adam.rate(adam.place(0.15)) - 0.15) < 1e-9);
});

test("the map holds the start and all of its landscape, however it is turned", () => {
  for (const landscape of Object.keys(LANDSCAPES))
    for (const rotation of [-90, -40, 0, 15, 90])
      for (const W of [340, 926]) {
        const start = [-2, 0.8];
        const { onMap, world, H } = windowOf(W, { landscape, rotation, start });
        const [x, y] = onMap(turn(rotation).out(start));
        assert.ok(x > 0 && x < W && y > 0 && y < H, `${landscape} turned by ${rotation}`);
        const back = turn(rotation).back(world(x, y));
        for (const k of [0, 1]) near(back[k], start[k], 1e-9, "there and back");
      }
});

test("the loss plot ends below the least loss", () => {
  assert.deepEqual(decadesOf([6.4, 1.62e-21]), [1e-21, 10]);
  assert.deepEqual(decadesOf([0, Number.NaN]), [0.1, 1]);
  assert.deepEqual(decadesOf([2, 3]), [1, 10]);
  const settled = run("Momentum", { ...plain, steps: 200 }, { lr: 0.08, momentum: 0.4 }).at(-1).loss;
  assert.ok(settled < 1e-12 && decadesOf([settled])[0] <= settled);
});

test("the map of momentum belongs to momentum", () => {
  assert.equal(panelOf("momentum", "Momentum"), "momentum");
  assert.equal(panelOf("momentum", "Adam"), "walk");
  assert.equal(panelOf("of another version", "Adam"), "walk");
  assert.deepEqual(choosing("Momentum", { shown: ["SGD"], panel: "walk" }), {
    selected: "Momentum",
    shown: ["Momentum"],
    panel: "momentum",
  });
  assert.deepEqual(choosing("Adam", { shown: ["SGD", "Momentum"], panel: "momentum" }), {
    selected: "Adam",
    shown: ["SGD", "Momentum", "Adam"],
    panel: "walk",
  });
});

test("what an optimizer keeps inside, and where bfloat16 stalls", () => {
  const options = { lr: 0.15, betas: [0.9, 0.999], weight_decay: 0 };
  const names = (settings, step) =>
    insideOf("Adam", run("Adam", settings, options), step, options, settings).map(({ name }) => name);
  assert.deepEqual(names(plain, 0), ["weight w"]);
  assert.deepEqual(names(plain, 9).slice(1, 4), ["gradient g", "m, exp_avg", "v, exp_avg_sq"]);
  const small = { ...plain, steps: 200, precision: "bfloat16 state" };
  assert.ok(names(small, 120).some((name) => name.includes("⚠ stalled")));
  assert.deepEqual(insideOf("SGD", run("SGD", plain, { lr: 3 }), 60, { lr: 3 }, plain), []);
});

test("the reading line says what the stage shows", () => {
  const options = { SGD: { lr: 0.05 } };
  const records = { SGD: run("SGD", plain, options.SGD) };
  const scene = { settings: plain, options, shown: ["SGD"], records, ghosts: {}, step: 3, reader: null, learner: {} };
  const told = (more) => reading({ ...scene, ...more });
  assert.match(told({})[0], /^Step 3: SGD is at loss .*; it nears the valley's floor from one side\.$/);
  assert.match(told({ options: { SGD: { lr: 0.1 } } })[0], /right at the limit it bounces for ever/);
  assert.match(told({ shown: [] })[0], /Choose an optimizer/);
  const noisy = { settings: { ...plain, landscape: "noisy" } };
  assert.match(told(noisy)[0], /; the noise in its gradients keeps it jumping about\.$/);
  assert.match(told({ ...noisy, options: { SGD: { lr: 0.3 } } })[0], /each bounce is wider than the last/);
  const turned = { ...plain, rotation: 30 };
  const given = { SGD: { lr: 0.05 }, Adam: { lr: 0.15, betas: [0.9, 0.999], weight_decay: 0 } };
  const shown = Object.keys(given);
  const walks = Object.fromEntries(shown.map((name) => [name, run(name, turned, given[name])]));
  const ghosts = Object.fromEntries(
    shown.map((name) => [name, run(name, plain, given[name]).map(({ w }) => turn(30).out(w))]),
  );
  const words = told({ settings: turned, shown, records: walks, ghosts, options: given, step: 12 })[0];
  assert.match(words, /^Turned by 30°, at step 12: SGD walks the turned path exactly, Adam is [\d.]+ away from it\.$/);
  const both = told({ shown, records: walks, options: given, step: 12 })[0];
  assert.match(both, /^Step 12, loss: SGD [\d.]+, Adam [\d.]+\.$/);
  const difference = { step: 1, quantity: "exp_avg", axis: "x", got: 0.2, want: 0.02 };
  const reader = { path: [], difference, error: "" };
  assert.deepEqual(told({ learner: { name: "Adam" }, reader })[1], "bad");
  const raised = { path: [], difference: null, error: "KeyError: 'm'" };
  assert.match(told({ learner: { name: "Adam" }, reader: raised })[0], /raised KeyError/);
  const waiting = { path: [], difference: null, error: "", waiting: true };
  assert.equal(told({ learner: { name: "Adam" }, reader: waiting })[1], "", "no verdict while it is being run");
  const far = run("SGD", plain, { lr: 3 });
  assert.match(told({ records: { SGD: far }, step: 60 })[0], /left the map at step/);
  assert.deepEqual(stepSizes("SGD", { lr: 0.1 }, {}), [0.1, 0.1]);
});

test("names of paths that end close together stand below one another", () => {
  const ends = [
    { name: "SGD", at: [100, 50] },
    { name: "Momentum", at: [104, 52] },
    { name: "yours", at: [104, 52] },
    { name: "far", at: [300, 51] },
  ];
  const placed = placedNames(ends);
  const near = placed.filter(({ name }) => name !== "far").map(({ y }) => y);
  assert.ok(
    near.slice(1).every((y, k) => y - near[k] >= 14),
    near.join(" "),
  );
  assert.equal(placed.find(({ name }) => name === "far").y, 44);
});
