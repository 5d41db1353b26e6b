// Text to operations, without evaluating it: `t[1:].transpose(0, 1)` is a name and steps, or an error that says what is
// allowed. Tests hold it against the same reader in Python.
import { operations } from "./tensor_operations.js";

const ARRAY_OPERATIONS = ["T", "reshape", "swapaxes", "transpose"];
const PROPERTIES = ["T", "mT"];

const isName = (token) => /^[A-Za-z_]/.test(token ?? "");
const incomplete = () => new Error("this is not a complete expression: check the brackets and commas");
const LIST_ALONE = "a list of integers must be the only index: t[[0, 2]]";

/** Tokens one after the other, and the parts of an expression that they make. */
class Reader {
  #tokens;
  #at = 0;

  constructor(text) {
    if (text.length > 300 || !/^[\w.,:[\]()\- ]*$/.test(text))
      throw new Error("write a name and operations, such as t[1:, ::2].T or t.view(2, 6)");
    this.#tokens = text.match(/\.\.\.|[A-Za-z_]\w*|\d+|[.,:[\]()-]/g) ?? [];
    if (this.#tokens.join("") !== text.replaceAll(" ", "")) throw new Error("a number stands where a name must be");
  }

  get next() {
    return this.#tokens[this.#at];
  }

  get done() {
    return this.#at >= this.#tokens.length;
  }

  take() {
    this.#at += 1;
    return this.#tokens[this.#at - 1];
  }

  /** Take this token if it is the next one. */
  skip(token) {
    if (this.next !== token) return false;
    this.#at += 1;
    return true;
  }

  eat(token) {
    if (!this.skip(token)) throw incomplete();
  }

  integer() {
    const minus = this.skip("-");
    if (this.next === undefined) throw incomplete();
    if (!/^(0+|[1-9]\d{0,14})$/.test(this.next))
      throw new Error("arguments must be integers, or tuples or lists of them");
    const value = Number(this.take());
    return minus ? -value : value;
  }

  /** Items up to `close`, with an optional comma at the end. */
  sequence(close, item) {
    const items = [];
    let comma = false;
    while (this.next !== close) {
      items.push(item());
      comma = this.skip(",");
      if (!comma) break;
    }
    this.eat(close);
    return { items, comma };
  }

  integers(close) {
    return this.sequence(close, () => this.integer());
  }

  argument() {
    if (this.skip("[")) return this.integers("]").items;
    if (!this.skip("(")) return this.integer();
    const { items, comma } = this.integers(")");
    return items.length === 1 && !comma ? items[0] : items;
  }

  indexItem() {
    if (this.skip("None")) return null;
    if (this.skip("...")) return "...";
    if (this.next === "[" || this.next === "(") throw new Error(LIST_ALONE);
    const parts = [null, null, null];
    if (this.next !== ":") parts[0] = this.integer();
    if (this.next !== ":") return parts[0];
    for (let part = 1; this.skip(":"); part += 1) {
      if (part > 2) throw incomplete();
      if (![":", ",", "]"].includes(this.next)) parts[part] = this.integer();
    }
    return { slice: parts };
  }

  /** What stands in square brackets, the opening one taken. */
  index() {
    if (this.skip("[")) {
      const list = this.integers("]").items;
      if (!this.skip("]")) throw new Error(LIST_ALONE);
      return { list };
    }
    const { items, comma } = this.sequence("]", () => this.indexItem());
    if (!items.length) throw incomplete();
    if (items.filter((item) => item === "...").length > 1)
      throw new Error("one ... stands for all the dimensions that are left: write it once");
    return { items, tuple: items.length > 1 || comma };
  }

  /** `.name` or `.name(arguments)`. */
  operation(allowed) {
    this.eat(".");
    const name = this.next;
    if (!isName(name)) throw incomplete();
    if (!allowed.includes(name))
      throw new Error(`${name} is not one of the operations known here: ${allowed.join(", ")}`);
    this.take();
    if (PROPERTIES.includes(name)) {
      if (this.next === "(") throw new Error(`write .${name} without brackets`);
      return { name, args: [] };
    }
    if (!this.skip("(")) throw new Error(`write the arguments of .${name} in brackets`);
    return { name, args: this.sequence(")", () => this.argument()).items };
  }
}

/** `t[1:].transpose(0, 1)` → { name: "t", steps: [{ name, args }] }; throws an Error that says what is not allowed. */
export function parse(text, library = "torch") {
  const allowed = library === "numpy" ? ARRAY_OPERATIONS : Object.keys(operations);
  const reader = new Reader(text);
  if (!isName(reader.next) || reader.next === "None") throw new Error("start with the name of a tensor");
  const name = reader.take(),
    steps = [];
  while (!reader.done) {
    if (reader.skip("[")) steps.push({ name: "[]", args: [reader.index()] });
    else steps.push(reader.operation(allowed));
  }
  return { name, steps };
}
