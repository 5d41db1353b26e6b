// Sizes that nobody gave: in a free pattern every axis has a slider, and the shapes follow.
import { loopNest } from "./loop_nest.js";
import { isName, parse, product } from "./pattern.js";

export const FIRST_SIZES = [2, 3, 4, 2, 3, 2];

/** The axes that a pattern names, in order of appearance, numbers left out. */
export function axisNames({ operation, pattern }, dots = 0) {
  const { operands, output } = parse(operation, pattern);
  const names = [...operands, output].flatMap((side) => [
    ...(side.ellipsis ? Array.from({ length: dots }, (_, i) => `…${i}`) : []),
    ...side.axes.filter(isName).map((axis) => axis.name),
  ]);
  return [...new Set(names)];
}

/** Shapes and sizes for a pattern without tensors: sizes come from `sizes`, or from a short list of small numbers. */
export function freeShapes({ operation, pattern, sizes = {}, dots = 1 }) {
  const names = axisNames({ operation, pattern }, dots),
    { operands, output } = parse(operation, pattern);
  const size = (name) => sizes[name] ?? FIRST_SIZES[names.indexOf(name) % FIRST_SIZES.length];
  const length = (dim) => product(dim.map((axis) => axis.value ?? size(axis.name)));
  const shapes = operands.map((side) =>
    side.composition.flatMap((dim) =>
      dim === "…" ? Array.from({ length: dots }, (_, i) => size(`…${i}`)) : length(dim),
    ),
  );
  const named = [...operands, output].flatMap((side) => side.axes.filter(isName).map((axis) => axis.name));
  return { shapes, sizes: operation === "einsum" ? {} : Object.fromEntries(named.map((name) => [name, size(name)])) };
}

/** The loop nest of a pattern without tensors. */
export const freeNest = (question) => loopNest({ ...question, ...freeShapes(question) });

/**
 * The axes whose size einops has to be told: of a group on the left all but one (the last, or the one that `sizes`
 * leaves out), and new axes on the right.
 */
export function toldNames({ operation, pattern }, sizes = {}) {
  if (operation === "einsum") return [];
  const {
    operands: [left],
    output,
  } = parse(operation, pattern);
  const groups = left.composition
    .filter((dim) => dim !== "…" && dim.length > 1)
    .map((dim) => dim.filter((axis) => isName(axis) && axis.name !== "…").map((axis) => axis.name));
  const split = groups.flatMap((names) => {
    const given = names.filter((name) => name in sizes);
    return given.length >= names.length - 1 && given.length ? given : names.slice(0, -1);
  });
  return [
    ...split,
    ...output.axes.filter((axis) => isName(axis) && !left.names.has(axis.name)).map((axis) => axis.name),
  ];
}
