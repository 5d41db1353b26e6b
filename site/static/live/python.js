// The one worker of a page, in which Python runs: started when the reader puts the cursor into an editor or asks the
// first question, and anew after it had to be ended.

const here = new URL(".", import.meta.url);
const SECONDS = 20; // so long an answer may take, once Python is there
const HEAP = 1200; // MB; a worker that holds more is not asked again, because its memory never shrinks

/** Why a question has no answer, in words for the reader. */
export class Ended extends Error {}

let worker = null,
  pending = null,
  count = 0,
  timer = 0;

/** A worker of a blob keeps the rules of the page (its Content-Security-Policy); one of a file would have none. */
function begin() {
  const code = `import ${JSON.stringify(String(new URL("worker.js", here)))};`;
  const address = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  worker = new Worker(address, { type: "module" });
  worker.isReady = false;
  worker.onmessage = ({ data }) => hear(data);
  worker.onerror = (event) => finish({ failed: event.message || "its files could not be loaded: reload the page" });
}

function end() {
  worker?.terminate();
  worker = null;
}

function hear(data) {
  if (data.ready) {
    worker.isReady = true;
    pending?.loaded();
    watch();
  } else if (data.failed && data.id === undefined) finish(data);
  else if (data.id === pending?.id) finish(data);
}

function watch() {
  clearTimeout(timer);
  if (pending)
    timer = setTimeout(
      () => stop(`Stopped: it had not come back after ${SECONDS} s. The next Check starts Python anew.`),
      SECONDS * 1000,
    );
}

function finish(data) {
  const asked = pending;
  clearTimeout(timer);
  pending = null;
  if (data.failed || data.answer?.heap > HEAP) end();
  if (data.failed) asked?.fail(new Ended(`Python has ended: ${data.failed}`));
  else asked?.done(data.answer);
}

/** Start Python before the first question: whoever writes an answer will ask. Not where the reader saves data. */
export function prepare() {
  // @ts-expect-error not all browsers have it
  if (!worker && !navigator.connection?.saveData) begin();
}

/** End what runs, for a reason. The next question starts Python anew. */
export function stop(why = "Stopped. The next Check starts Python anew.") {
  const asked = pending;
  clearTimeout(timer);
  pending = null;
  end();
  asked?.fail(new Ended(why));
}

/**
 * Ask Python one thing; one question at a time. `loaded` is called when Python is there.
 * @param {object} question
 * @param {() => void} loaded
 * @returns {Promise<any>}
 */
export function ask(question, loaded = () => {}) {
  if (pending) return Promise.reject(new Ended("Another check is running: stop it, or wait for it."));
  return new Promise((done, fail) => {
    if (!worker) begin();
    count += 1;
    pending = { id: count, done, fail, loaded };
    worker.postMessage({ id: count, question });
    if (worker.isReady) {
      loaded();
      watch();
    }
  });
}
