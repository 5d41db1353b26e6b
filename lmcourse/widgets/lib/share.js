// A widget's state as text that is short enough to end a link, and back; what comes in from a link is not trusted.
// base.js makes links with it, hydrate.js follows them.

/** The longest state that goes into a link, in characters: beyond it mail programs and chats cut. */
export const LONGEST_LINK = 8000;
const LARGEST_STATE = 500_000; // bytes that a link may unfold to

async function piped(bytes, transform, most) {
  const parts = [],
    reader = new Blob([bytes]).stream().pipeThrough(transform).getReader();
  for (let size = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return new Uint8Array(await new Blob(parts).arrayBuffer());
    size += value.length;
    if (size > most) {
      await reader.cancel();
      throw new Error("it unfolds to more than a widget holds");
    }
    parts.push(value);
  }
}

/** A state as base64url of deflated JSON. Throws in words where that is too long for a link. */
export async function packState(state) {
  const bytes = await piped(
    new TextEncoder().encode(JSON.stringify(state)),
    new CompressionStream("deflate-raw"),
    Infinity,
  );
  const text = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
  if (text.length > LONGEST_LINK)
    throw new Error(`this state takes ${text.length} characters, and a link holds ${LONGEST_LINK}`);
  return text;
}

/** The state that a link holds. Throws in words where it holds none. */
export async function unpackState(text) {
  if (text.length > LONGEST_LINK) throw new Error(`it is longer than ${LONGEST_LINK} characters`);
  let state;
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
    const json = await piped(bytes, new DecompressionStream("deflate-raw"), LARGEST_STATE);
    state = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json));
  } catch (error) {
    throw new Error(/unfolds/.test(error.message) ? error.message : "it was cut or changed on its way");
  }
  if (jsonKind(state) !== "object") throw new Error("it holds no state");
  return state;
}

const jsonKind = (value) => (value === null ? "nothing" : Array.isArray(value) ? "list" : typeof value);

/**
 * What keeps `value` from standing where `known` stands, in words; "" where nothing does. Both are JSON. Objects whose
 * values are all of one kind are maps, with any keys; the others are records, with the known keys.
 */
export function misfit(value, known, name) {
  if (known === null) return "";
  const kind = jsonKind(known);
  if (jsonKind(value) !== kind) return `${name} is ${jsonKind(value)}, where ${kind} is wanted`;
  if (kind === "number" && !Number.isFinite(value)) return `${name} is not a finite number`;
  // null: unknown, not finite
  const inner = (each, like, key) => (each === null ? "" : misfit(each, like, `${name}.${key}`));
  if (kind === "list" && known.length)
    return value.reduce((found, each, k) => found || inner(each, known[Math.min(k, known.length - 1)], k), "");
  if (kind === "object" && Object.keys(known).length) {
    const isMap = new Set(Object.values(known).map(jsonKind)).size === 1;
    const missing = isMap ? undefined : Object.keys(known).find((key) => !Object.hasOwn(value, key));
    if (missing !== undefined) return `${name} has no ${missing}`;
    const unknown = isMap ? undefined : Object.keys(value).find((key) => !Object.hasOwn(known, key));
    if (unknown !== undefined) return `${name} has ${unknown.slice(0, 40)}, which is not known`;
    const like = (key) => (Object.hasOwn(known, key) ? known[key] : Object.values(known)[0]);
    return Object.entries(value).reduce((found, [key, each]) => found || inner(each, like(key), key), "");
  }
  return "";
}

/** A JSON value as Python writes it: `asPython([true, null, "é"])` is `[True, None, "é"]`. */
export function asPython(value) {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(asPython).join(", ")}]`;
  if (typeof value === "object")
    return `{${Object.entries(value)
      .map(([key, each]) => `${JSON.stringify(key)}: ${asPython(each)}`)
      .join(", ")}}`;
  return JSON.stringify(value); // what JSON escapes in a text, Python reads the same
}

/** `.at(step=3)`: what a reader moved that the constructor takes no argument for; "" where all is as usual. */
export function movedTo(model, usual) {
  const moved = Object.entries(usual).filter(
    ([name, value]) => JSON.stringify(model.get(name)) !== JSON.stringify(value),
  );
  return moved.length ? `.at(${moved.map(([name]) => `${name}=${asPython(model.get(name))}`).join(", ")})` : "";
}

/**
 * The names in a line of Python that only the reader's own notebook knows: not texts, keywords, calls or attributes.
 */
export function ownNames(line) {
  const bare = line.replace(/"(?:[^"\\]|\\.)*"/g, '""');
  const names = [...bare.matchAll(/(?<![\w.])[A-Za-z_]\w*(?!\w)(?!\s*[(])(?!=(?!=))/g)].map(([name]) => name);
  return [...new Set(names)].filter((name) => !["True", "False", "None"].includes(name));
}
