// node --test tests/widgets/optimizer_paths.test.mjs
// The paths of optimizers.js are those of lmcourse.optimizers, and its theory is what its own runs show.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { reading, stepSizes } from "../../lmcourse/widgets/optimizer_paths.js";
import {
  best,
  contours,
  cosineRate,
  LANDSCAPES,
  noise,
  phase,
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
    records
      .filter((_, k) => k % 5 === 0)
      .forEach((record, k) => record.w.forEach((x, axis) => near(x, w[k][axis], 1e-6, `${what}, step ${5 * k}`)));
    for (const [key, value] of Object.entries(state))
      [value].flat().forEach((x, axis) => near([records.at(-1)[key]].flat()[axis], x, 1e-6, `${what}, ${key}`));
  }
  assert.ok(golden.paths.length >= 60);
});

test("noise, schedules and bfloat16 as in Python", () => {
  golden.noise.forEach((both, step) => both.forEach((x, axis) => near(noise(step, axis), x, 1e-12, "noise")));
  golden.cosine.forEach((x, t) => near(cosineRate(t, 0.5, 0.05, 4, 30), x, 1e-12, `cosine at ${t}`));
  golden.wsd.forEach((x, t) => near(wsdRate(t, 0.5, 0.05, 4, 7, 30), x, 1e-12, `wsd at ${t}`));
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
    [middle - spread, middle + spread].forEach((value, k) => near(curvatures(c)[k], value, 1e-5, `${name} ${k}`));
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
  assert.ok(times[10] < 16, `${times[10]} ms`); // a quarter of the runs: other work on this machine is not what is asked
});

test("the reading line says what the stage shows", () => {
  const records = { SGD: run("SGD", plain, { lr: 0.05 }) };
  const told = (more) =>
    reading({ settings: plain, shown: ["SGD"], records, ghosts: {}, step: 3, reader: null, learner: {}, ...more });
  assert.match(told({})[0], /^Step 3: SGD is at loss/);
  assert.match(told({ shown: [] })[0], /Tick an optimizer/);
  const difference = { step: 1, quantity: "exp_avg", axis: "x", got: 0.2, want: 0.02 };
  assert.deepEqual(
    told({ learner: { name: "Adam" }, reader: { path: [], difference, error: "" } }).slice(0, 2)[1],
    "bad",
  );
  assert.match(
    told({ learner: { name: "Adam" }, reader: { path: [], difference: null, error: "KeyError: 'm'" } })[0],
    /raised KeyError/,
  );
  const far = run("SGD", plain, { lr: 3 });
  assert.match(told({ records: { SGD: far }, step: 60 })[0], /left the map at step/);
  assert.deepEqual(stepSizes("SGD", { lr: 0.1 }, {}), [0.1, 0.1]);
});
