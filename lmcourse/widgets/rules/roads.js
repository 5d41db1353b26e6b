// The roads that a reader took through what a model might say: a tree of tokens. A node is [up, id, piece, thrown]: the
// node before it (−1 for none), its token, the token's bytes, and the throw of the die that chose it. A throw of −1:
// the reader took it; of −2: it was given, as part of the beginning.

const UP = 0,
  ID = 1,
  PIECE = 2,
  THROWN = 3;
export const TAKEN = -1;
const GIVEN = -2;

/** Refuse what is no tree: a link may hold anything, and a circle would never end. */
export function checkedTree(tree, cursor, leaf) {
  tree.forEach(([up, id], k) => {
    if (!Number.isInteger(up) || up < -1 || up >= k) throw new RangeError(`tree[${k}]: a node before it, got ${up}`);
    if (!Number.isInteger(id) || id < 0) throw new RangeError(`tree[${k}]: a token's id, got ${id}`);
  });
  for (const [name, node] of Object.entries({ cursor, leaf }))
    if (!tree[node]) throw new RangeError(`${name}: a node of the tree, 0 to ${tree.length - 1}, got ${node}`);
  if (!pathTo(tree, leaf).includes(cursor)) throw new RangeError(`leaf: a node behind ${cursor}, got ${leaf}`);
}

/** The nodes from the beginning to `node`. */
export function pathTo(tree, node) {
  const path = [];
  for (let k = node; k >= 0; k = tree[k][UP]) path.push(k);
  return path.reverse();
}

export const idsOf = (tree, path) => path.map((k) => tree[k][ID]);
export const bytesOf = (tree, path) => path.map((k) => tree[k][PIECE]).join("");

/** The end of the road on which `node` lies: the newest one, where several go on from it. */
export function endOf(tree, node) {
  for (let end = node; ; ) {
    const next = tree.findLastIndex(([up]) => up === end);
    if (next < 0) return end;
    end = next;
  }
}

/** Take the road of a token from `cursor`: one that is there is gone again, another is added. */
export function take(tree, cursor, id, piece, thrown) {
  const there = tree.findIndex(([up, other]) => up === cursor && other === id);
  if (there >= 0) {
    const same = tree.map((node, k) => (k === there ? [cursor, id, piece, thrown] : node));
    return { tree: same, cursor: there, leaf: endOf(same, there) };
  }
  return { tree: [...tree, [cursor, id, piece, thrown]], cursor: tree.length, leaf: tree.length };
}

/** A beginning as a tree: one road. */
export const roadOf = (ids, pieces) => ids.map((id, k) => [k - 1, id, pieces[k], GIVEN]);
/** The beginning of a tree. */
export const beginningOf = (tree) => tree.filter((node) => node[THROWN] === GIVEN);

/**
 * The tree in runs, each from a fork to the next or to the end of a road; the oldest road comes first.
 * @returns {{ from: number, to: number, deep: number, nodes: number[] }[]}
 */
export function runsOf(tree) {
  const after = tree.map(() => []),
    runs = [];
  tree.forEach(([up], k) => {
    if (up >= 0) after[up].push(k);
  });
  const waiting = tree.flatMap(([up], k) => (up < 0 ? [{ node: k, deep: 0 }] : [])).reverse();
  while (waiting.length) {
    const { node, deep } = waiting.pop(),
      nodes = [node];
    while (after[nodes.at(-1)].length === 1) nodes.push(after[nodes.at(-1)][0]);
    runs.push({ from: node, to: nodes.at(-1), deep, nodes });
    for (const next of [...after[nodes.at(-1)]].reverse()) waiting.push({ node: next, deep: deep + 1 });
  }
  return runs;
}

export const LOOKS = {
  same: "the same token before",
  after: "what followed the same token",
  previous: "the token before",
  first: "the first token",
  itself: "itself",
};

/**
 * What a head looks at most, where it is one of LOOKS and holds a third of the weight; "" otherwise.
 * @param {ArrayLike<number>} weights  of the positions up to the chosen token
 * @param {number[]} ids
 */
export function lookOf(weights, ids) {
  const last = ids.length - 1,
    before = ids.lastIndexOf(ids[last], last - 1);
  let most = 0;
  for (let k = 1; k <= last; k += 1) if (weights[k] > weights[most]) most = k;
  if (weights[most] < 1 / 3) return "";
  if (last > 0 && before >= 0 && most === before) return "same";
  if (last > 0 && before >= 0 && most === before + 1 && most < last) return "after";
  if (most === last) return "itself";
  if (most === last - 1) return "previous";
  return most === 0 ? "first" : "";
}
