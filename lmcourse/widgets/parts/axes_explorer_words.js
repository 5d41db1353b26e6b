// AxesExplorer in words: what an element meets, the call, and the line of Python that makes the widget again.
import { grouped } from "../lib/numbers.js";
import { movedTo } from "../lib/share.js";
import { fold, letter, sources } from "../rules/axes.js";
import { toldNames } from "../rules/axes_sizes.js";
import { product } from "../rules/pattern.js";
import { indexOf, nameOf, outValue, shown, termValues } from "./axes_explorer_work.js";

const quote = (value) => JSON.stringify(value);
const named = (sizes) =>
  sizes
    .filter(([, size]) => size !== undefined)
    .map(([name, size]) => `, ${name}=${size}`)
    .join("");

/** What einops would be called with. */
export function callOf(now) {
  const { nest } = now,
    tensors = nest.inputs.map((_, k) => nameOf(now, k, letter)).join(", "),
    told = toldNames(nest, now.bound ? now.sizes : {}).map((name) => [name, nest.sizes[name]]);
  const by = nest.operation === "reduce" ? `, ${quote(nest.reduction)}` : "";
  return `${nest.operation}(${tensors}, ${quote(nest.pattern)}${by}${named(told)})`;
}

/** The line of Python that makes this widget again. */
export function pythonOf(model, now) {
  const get = (name) => model.get(name),
    places = { axis: "", iteration: -1, panel: "nest" }; // what no argument sets
  if (get("chain").length) {
    const { pattern, operation } = get("chain")[0],
      key = get("presets").find(({ chain }) => quote(chain) === quote(get("chain")))?.key ?? "multi_head";
    const moved = movedTo(model, { ...places, current: 0, pattern, operation, reduction: "sum", dots: 2 });
    return `AxesExplorer.attention(${quote(key)}${named(Object.entries(get("sizes")))})${moved}`;
  }
  const { nest } = now;
  const sizes =
    nest && now.bound
      ? toldNames(nest, now.sizes).map((name) => [name, nest.sizes[name]])
      : now.names
          .filter((name) => !name.startsWith("…"))
          .map((name) => [name, nest?.sizes[name] ?? get("sizes")[name]]);
  const tuple = ({ shape }) => `, (${shape.join(", ")}${shape.length === 1 ? "," : ""})`,
    tensors = now.bound ? now.tensors.map(tuple).join("") : "",
    reduces = get("operation") === "reduce";
  const by = reduces ? `, reduction=${quote(get("reduction"))}` : "";
  return (
    `AxesExplorer(${quote(get("pattern"))}${tensors}, operation=${quote(get("operation"))}${by}${named(sizes)})` +
    movedTo(model, { ...places, dots: 2, reduction: reduces ? get("reduction") : "sum" })
  );
}

/** What the whole pattern does. */
export function sentence(now) {
  const { nest } = now,
    shapes = nest.shapes.map((shape) => `(${shape.join(", ")})`).join(" and "),
    what = nest.inputs.length > 1 ? "products" : "elements";
  const does = nest.reduction === "sum" ? "adds" : `takes the ${nest.reduction} of`;
  const one = `each output element is one ${nest.inputs.length > 1 ? "product" : "input element"}`;
  const how = nest.summed.length ? `each output element ${does} ${grouped(now.terms)} ${what}` : one;
  const made = `${nest.operation} makes (${nest.outputShape.join(", ")}) from ${shapes}`;
  return `${made}: ${how}. Point at an element to see what it meets.`;
}

/** What the element that is looked at meets; at the step `inner` of its sum, or (null) all of it. */
export function sayFocus(now, focus, at, inner) {
  const { nest } = now;
  const element = (tensor, flat) => {
    const shape = tensor === "out" ? nest.outputShape : nest.shapes[tensor];
    return `${nameOf(now, tensor, letter)}[${indexOf(shape, flat).join(", ")}]`;
  };
  const where = now.axes
    .filter((axis) => at && axis in at)
    .map((axis) => `${axis} = ${at[axis]}`)
    .join(", ");
  const place = where ? ` at ${where}` : "";
  return focus.tensor === "out"
    ? sayOutput(now, focus.flat, place, inner, element)
    : sayInput(now, focus, at, place, element);
}

function sayInput({ nest }, { tensor, flat }, at, place, element) {
  if (at === null) return `${element(tensor, flat)} lies off the diagonal: no output element reads it.`;
  const count = product(nest.kept.filter((axis) => !(axis in at)).map((axis) => nest.sizes[axis]));
  const only = nest.kept.reduce((sum, axis) => sum * nest.sizes[axis] + at[axis], 0);
  const goes = count === 1 ? element("out", only) : `${grouped(count)} output elements`;
  return `${element(tensor, flat)}${place} goes into ${goes}.`;
}

const SIGNS = { sum: " + ", mean: " + ", prod: " · " };

function sayOutput(now, flat, place, inner, element) {
  const { nest } = now,
    terms = sources(nest, flat, inner === null ? 6 : inner + 1, now.by),
    words = (term) => term.map((from, k) => element(k, from)).join(" · "),
    out = element("out", flat);
  if (!nest.summed.length) return `${out}${place} is ${words(terms[0])} = ${shown(termValues(now, terms)[0])}.`;
  if (inner === null) {
    const sign = SIGNS[nest.reduction] ?? ", ",
      rest = now.terms > terms.length ? `${sign}… ${grouped(now.terms - terms.length)} more` : "",
      how = nest.reduction === "sum" ? "" : `the ${nest.reduction} of `;
    return `${out} is ${how}${terms.map(words).join(sign)}${rest} = ${shown(outValue(now, flat))}.`;
  }
  const values = termValues(now, terms),
    soFar = shown(fold(nest.reduction, values));
  return (
    `${out}, term ${inner + 1} of ${grouped(now.terms)}: ${words(terms.at(-1))} = ${shown(values.at(-1))}; ` +
    `the ${nest.reduction} so far is ${soFar}.`
  );
}
