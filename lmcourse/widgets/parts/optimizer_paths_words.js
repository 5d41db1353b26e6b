// What OptimizerPaths says in its reading line: the reader's class first, then rotation, then the losses and what the
// learning rate does.
import { short } from "../lib/numbers.js";
import { both, LANDSCAPES, regime } from "../rules/optimizers.js";

const REGIMES = {
  crawls: "it nears the valley's floor from one side",
  bounces: "it bounces across the valley, and settles",
  edge: "right at the limit it bounces for ever",
  explodes: "each bounce is wider than the last",
};
const JUMPS = "the noise in its gradients keeps it jumping about";

/** The reader's class beside the reference, and the tone of it. @returns {[string, string]} */
function readersWords(reader, learner) {
  const name = `Your ${learner.name}`;
  if (reader.difference) {
    const { step, quantity, axis, got, want } = reader.difference;
    const of = axis ? `${quantity} along ${axis}` : quantity;
    const words =
      got === null
        ? `${name} leaves the map, the reference does not (step ${step}).`
        : `${name} leaves the reference at step ${step}: ${of} is ${short(got)}, the reference has ${short(want)}.`;
    return [words, "bad"];
  }
  if (reader.away) return [`${name} needs a kernel to run on these settings.`, ""];
  if (reader.waiting) return ["", ""];
  return [`${name} equals the reference in every step.`, "good"];
}

/** "SGD", "SGD and Adam", "SGD, Adam and Muon". */
const listed = (names) => (names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names.join(""));

/** How far each path is from where it would be if it had turned with the landscape. */
function turnedWords({ settings, records, ghosts, step }, names) {
  const away = (name) => Math.hypot(...both((i) => ghosts[name][step][i] - records[name][step].w[i]));
  const exact = names.filter((name) => away(name) < 1e-6);
  const others = names.filter((name) => !exact.includes(name));
  const words = [];
  if (exact.length) words.push(`${listed(exact)} ${exact.length > 1 ? "walk" : "walks"} the turned path exactly`);
  for (const [k, name] of others.entries())
    words.push(`${name} ${k ? "" : "is "}${short(away(name), 2)}${k ? "" : " away from it"}`);
  return `Turned by ${short(settings.rotation)}°, at step ${step}: ${words.join(", ")}.`;
}

/** The losses here, and for one optimizer alone what its rate does. */
function lossWords({ settings, records, options, step, shown }, names) {
  const lossOf = (name) => short(records[name][step].loss);
  if (shown.length > 1) return `Step ${step}, loss: ${names.map((name) => `${name} ${lossOf(name)}`).join(", ")}.`;
  const [name] = names;
  const [, steepest] = LANDSCAPES[settings.landscape].curvatures(settings.condition);
  const kind = settings.schedule === "constant" ? regime(name, options[name], steepest) : "";
  const does = settings.landscape === "noisy" && kind && kind !== "explodes" ? JUMPS : REGIMES[kind];
  return `Step ${step}: ${name} is at loss ${lossOf(name)}${does ? `; ${does}` : ""}.`;
}

/** One sentence or two, and their tone. @returns {[string, string]} */
export function reading(scene) {
  const { settings, shown, records, ghosts, step, reader, learner } = scene;
  if (reader?.error) return [`Your ${learner.name} raised ${reader.error}`, "bad"];
  const [first, tone] = reader ? readersWords(reader, learner) : ["", ""];
  const here = shown.filter((name) => records[name][step]);
  const gone = shown.filter((name) => !records[name][step]);
  const turned = settings.rotation && here.some((name) => ghosts[name]?.[step]);
  const words = [first];
  if (!shown.length) words.push("Choose an optimizer to see its path.");
  else if (turned)
    words.push(
      turnedWords(
        scene,
        here.filter((name) => ghosts[name]?.[step]),
      ),
    );
  else if (here.length) words.push(lossWords(scene, here));
  if (gone.length) words.push(`${gone.map((n) => `${n} left the map at step ${records[n].length}`).join(", ")}.`);
  return [words.filter(Boolean).join(" "), tone];
}
