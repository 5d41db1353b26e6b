// Optimizers on a landscape of two weights: equal to lmcourse.optimizers and to optimizer_paths.py on
// tests/golden/optimizer_paths.json. Not here: more than two weights, gradients by automatic differentiation.

// Landscapes: functions of two weights in their own frame

const bowl = {
  loss: (a, b, c) => 0.5 * (a * a + c * b * b),
  gradient: (a, b, c) => [a, c * b],
  start: [-2, 0.8],
  minima: [[0, 0]],
  curvatures: (c) => [1, c],
  noise: 0,
};
export const LANDSCAPES = {
  quadratic: bowl,
  ravine: {
    loss: (a, b, c) => 0.5 * (a - 1) ** 2 + 0.5 * c * (b - 0.5 * a * a) ** 2,
    gradient: (a, b, c) => {
      const wall = c * (b - 0.5 * a * a);
      return [a - 1 - wall * a, wall];
    },
    start: [-1.7, 0.3],
    minima: [[1, 0.5]],
    noise: 0,
    curvatures: (c) => {
      const d = Math.sqrt((1 + 2 * c) ** 2 - 4 * c);
      return [(1 + 2 * c - d) / 2, (1 + 2 * c + d) / 2];
    },
  },
  saddle: {
    loss: (a, b, c) => 0.5 * c * a * a - 0.5 * b * b + 0.25 * b ** 4 + 0.25,
    gradient: (a, b, c) => [c * a, b ** 3 - b],
    start: [-1.2, 0.02],
    minima: [
      [0, 1],
      [0, -1],
    ],
    curvatures: (c) => [Math.min(2, c), Math.max(2, c)],
    noise: 0,
  },
  noisy: { ...bowl, noise: 1.5 },
};

/** A number of mean 0 and variance 1 for each step and axis, the same in Python. */
export function noise(step, axis) {
  let total = 0;
  for (let k = 0; k < 4; k += 1) {
    let x = Math.imul(step * 8 + axis * 4 + k + 1, 0x9e3779b9) >>> 0;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b) >>> 0;
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35) >>> 0;
    total += ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
  }
  return (total - 2) * Math.sqrt(3);
}

const bits = new DataView(new ArrayBuffer(4));
/** The nearest bfloat16, by way of float32, ties to even: as a float64 tensor of PyTorch is cast. */
export function toBfloat16(x) {
  if (!Number.isFinite(x)) return x;
  bits.setFloat32(0, x);
  const u = bits.getUint32(0);
  bits.setUint32(0, (u + 0x7fff + ((u >>> 16) & 1)) & 0xffff0000);
  return bits.getFloat32(0);
}

export function cosineRate(step, high, low, warmup, total) {
  if (step < warmup) return (high * step) / warmup;
  if (step >= total) return low;
  return low + 0.5 * (1 + Math.cos((Math.PI * (step - warmup)) / (total - warmup))) * (high - low);
}

export function wsdRate(step, high, low, warmup, decay, total) {
  if (step < warmup) return (high * step) / warmup;
  if (step >= total) return low;
  return low + (decay ? Math.min(1, (total - step) / decay) : 1) * (high - low);
}

/** The learning rate of update `step`, counted from 1. */
export function rate({ schedule, steps }, lr, step) {
  const warmup = Math.floor(steps / 10);
  if (schedule === "cosine") return cosineRate(step, lr, lr / 10, warmup, steps);
  if (schedule === "wsd") return wsdRate(step, lr, lr / 10, warmup, Math.floor(steps / 5), steps);
  return lr;
}

// One update of two weights: each changes `state` and returns what is added to w

export const both = (f) => [f(0), f(1)];
const zeros = () => [0, 0];

export const UPDATES = {
  SGD: (_w, g, _state, { lr }) => both((i) => -lr * g[i]),
  Momentum(_w, g, state, { lr, momentum }) {
    const old = state.momentum_buffer ?? zeros();
    state.momentum_buffer = both((i) => momentum * old[i] + g[i]);
    return both((i) => -lr * state.momentum_buffer[i]);
  },
  AdaGrad(_w, g, state, { lr, eps = 1e-10 }) {
    const old = state.sum ?? zeros();
    state.sum = both((i) => old[i] + g[i] * g[i]);
    return both((i) => (-lr * g[i]) / (Math.sqrt(state.sum[i]) + eps));
  },
  RMSProp(_w, g, state, { lr, alpha, eps = 1e-8 }) {
    const old = state.square_avg ?? zeros();
    state.square_avg = both((i) => alpha * old[i] + (1 - alpha) * g[i] * g[i]);
    return both((i) => (-lr * g[i]) / (Math.sqrt(state.square_avg[i]) + eps));
  },
  AdamW(w, g, state, { lr, betas: [beta1, beta2], weight_decay, eps = 1e-8 }) {
    const m = state.exp_avg ?? zeros(),
      v = state.exp_avg_sq ?? zeros();
    state.step = (state.step ?? 0) + 1;
    state.exp_avg = both((i) => beta1 * m[i] + (1 - beta1) * g[i]);
    state.exp_avg_sq = both((i) => beta2 * v[i] + (1 - beta2) * g[i] * g[i]);
    const [mHat, vHat] = corrected(state, [beta1, beta2]);
    return both((i) => -lr * weight_decay * w[i] - (lr * mHat[i]) / (Math.sqrt(vHat[i]) + eps));
  },
  Adam(w, g, state, options) {
    const withDecay = both((i) => g[i] + options.weight_decay * w[i]);
    return UPDATES.AdamW(w, withDecay, state, { ...options, weight_decay: 0 });
  },
  Muon(w, g, state, { lr, momentum, weight_decay }) {
    const old = state.momentum_buffer ?? zeros();
    state.momentum_buffer = both((i) => old[i] + (1 - momentum) * (g[i] - old[i]));
    const direction = both((i) => g[i] + momentum * (state.momentum_buffer[i] - g[i]));
    let x = Math.hypot(...direction) / Math.max(Math.hypot(...direction), 1e-7); // its one singular value
    for (let k = 0; k < 5; k += 1) x = 3.4445 * x + (-4.775 * x * x + 2.0315 * x ** 4) * x;
    const length = Math.hypot(...direction) || 1;
    return both((i) => -lr * weight_decay * w[i] - (lr * x * direction[i]) / length);
  },
};

/** m̂ and v̂: the two averages of Adam, divided by what their zero start makes them too small by. */
export const corrected = ({ step, exp_avg: m, exp_avg_sq: v }, [beta1, beta2]) => [
  both((i) => m[i] / (1 - beta1 ** step)),
  both((i) => v[i] / (1 - beta2 ** step)),
];

/**
 * The turn by `rotation` degrees and its inverse, as functions of a pair.
 * @param {number} rotation
 * @returns {{ out(pair: number[]): number[], back(pair: number[]): number[] }}
 */
export function turn(rotation) {
  const angle = (rotation * Math.PI) / 180,
    cos = Math.cos(angle),
    sin = Math.sin(angle);
  return {
    out: ([a, b]) => [cos * a - sin * b, sin * a + cos * b],
    back: ([x, y]) => [cos * x + sin * y, cos * y - sin * x],
  };
}

const FAR = 1e3;
/**
 * The path of one optimizer: for each step its weights, gradient, state by name, and (not in Python's records) the
 * loss and the rate. It ends early where it is no longer finite or far away.
 */
export function run(name, settings, options) {
  const scape = LANDSCAPES[settings.landscape],
    { out, back } = turn(settings.rotation),
    c = settings.condition;
  const store = settings.precision === "float64" ? (x) => x : (x) => (Array.isArray(x) ? x.map(toBfloat16) : x);
  const storeWeights = settings.precision === "bfloat16 state and weights" ? store : (x) => x;
  let w = storeWeights(out(settings.start)),
    u = back(w),
    state = {};
  const records = [{ w, loss: scape.loss(u[0], u[1], c) }],
    now = { ...options };
  for (let step = 1; step <= settings.steps; step += 1) {
    const slope = scape.gradient(u[0], u[1], c);
    if (scape.noise) for (const axis of [0, 1]) slope[axis] += scape.noise * noise(step, axis);
    const g = out(slope);
    now.lr = rate(settings, options.lr, step);
    state = { ...state };
    const change = UPDATES[name](w, g, state, now);
    for (const key in state) state[key] = store(state[key]);
    w = storeWeights([w[0] + change[0], w[1] + change[1]]);
    if (!(Math.abs(w[0]) < FAR && Math.abs(w[1]) < FAR)) break;
    u = back(w);
    records.push({ w, g, lr: now.lr, loss: scape.loss(u[0], u[1], c), ...state });
  }
  return records;
}

// Momentum's two knobs: measured, and what theory says

/** The largest stable rate of a quadratic whose largest curvature is λ: (2 + 2β) / λ. */
export const stableRate = (beta, curvature) => (2 + 2 * beta) / curvature;

/**
 * Where gradient descent, or momentum, begins to bounce across a valley of this curvature, and where it explodes; null
 * for an optimizer that a curvature says nothing of. Below `calm` the weight nears its goal from one side.
 * @param {string} name @param {any} options @param {number} curvature
 */
export function rateLimits(name, options, curvature) {
  if (name !== "SGD" && name !== "Momentum") return null;
  const beta = name === "SGD" ? 0 : options.momentum;
  return { calm: (1 - Math.sqrt(beta)) ** 2 / curvature, limit: stableRate(beta, curvature) };
}

/** What becomes of it: "crawls", "bounces", "explodes", "edge" right at the limit, or "" where nobody can say. */
export function regime(name, options, curvature) {
  const limits = rateLimits(name, options, curvature);
  if (!limits) return "";
  const { lr } = options;
  if (Math.abs(lr / limits.limit - 1) < 1e-9) return "edge";
  if (lr > limits.limit) return "explodes";
  return lr > limits.calm * (1 + 1e-9) ? "bounces" : "crawls";
}

/** The rate and momentum that shrink a quadratic fastest (Polyak): known when both curvatures are. */
export function best([low, high]) {
  const root = Math.sqrt(high / low);
  return { lr: (2 / (Math.sqrt(low) + Math.sqrt(high))) ** 2, momentum: ((root - 1) / (root + 1)) ** 2 };
}

/** log10 of how much the loss falls in 80 steps, for each rate (columns) and momentum (rows); null where it grows. */
export function phase(settings, rates, betas) {
  const plain = {
    ...settings,
    rotation: 0,
    steps: 80,
    schedule: "constant",
    precision: "float64",
    landscape: settings.landscape === "noisy" ? "quadratic" : settings.landscape,
  };
  const scape = LANDSCAPES[plain.landscape],
    first = scape.loss(...plain.start, plain.condition) || 1e-12;
  return betas.map((momentum) =>
    rates.map((lr) => {
      let [a, b] = plain.start,
        va = 0,
        vb = 0,
        last = first;
      for (let step = 0; step < plain.steps; step += 1) {
        const [ga, gb] = scape.gradient(a, b, plain.condition);
        va = momentum * va + ga;
        vb = momentum * vb + gb;
        a -= lr * va;
        b -= lr * vb;
        if (!(Math.abs(a) + Math.abs(b) < FAR)) return null;
      }
      last = scape.loss(a, b, plain.condition);
      return last > first ? null : Math.log10(Math.max(last / first, 1e-30));
    }),
  );
}

/** Lines of equal loss in the landscape's own frame, by marching squares over [−reach, reach]²: one path a level. */
export function contours(name, condition, levels, reach = 3.7, cells = 96) {
  const { loss } = LANDSCAPES[name],
    size = (2 * reach) / cells;
  const at = (k) => -reach + k * size;
  const z = Array.from({ length: cells + 1 }, (_, j) =>
    Array.from({ length: cells + 1 }, (_, i) => loss(at(i), at(j), condition)),
  );
  return levels.map((level) => {
    let path = "";
    for (let j = 0; j < cells; j += 1)
      for (let i = 0; i < cells; i += 1) {
        const inside = z[j][i] < level;
        if (inside === z[j][i + 1] < level && inside === z[j + 1][i] < level && inside === z[j + 1][i + 1] < level)
          continue;
        const corners = [
            [i, j],
            [i + 1, j],
            [i + 1, j + 1],
            [i, j + 1],
          ],
          cuts = [];
        for (let k = 0; k < 4; k += 1) {
          const [p, q] = corners[k],
            [r, t] = corners[(k + 1) % 4],
            low = z[q][p],
            high = z[t][r];
          if (low < level === high < level) continue;
          const part = (level - low) / (high - low);
          cuts.push([at(p) + part * (r - p) * size, at(q) + part * (t - q) * size]);
        }
        for (let k = 0; k + 1 < cuts.length; k += 2)
          path += `M${cuts[k].map((x) => x.toFixed(3))}L${cuts[k + 1].map((x) => x.toFixed(3))}`;
      }
    return path;
  });
}
