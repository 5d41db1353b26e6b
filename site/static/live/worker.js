// Python in a worker: it is loaded once, answers one question at a time, and is ended from outside where it does not.
// Its files lie beside this one: driver.py, course.zip (the package) and ../pyodide/.

const here = new URL(".", import.meta.url);

async function file(name) {
  const got = await fetch(new URL(name, here));
  if (!got.ok) throw new Error(`${name} is not there (${got.status}): reload the page`);
  return got;
}

/** Python's memory as the book's builder left it, with the judge in it. */
async function memory() {
  const { body } = await file("../pyodide/python.bin");
  return new Response(body.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

/** Python where it was left; started from the beginning where the book, or the browser, cannot do that. */
async function boot() {
  const left = memory(),
    options = { indexURL: String(new URL("../pyodide/", here)), stdout: () => {}, stderr: () => {} };
  left.catch(() => {}); // it is asked for below
  const { loadPyodide } = await import(String(new URL("../pyodide/pyodide.mjs", here)));
  try {
    return await loadPyodide({ ...options, _loadSnapshot: left });
  } catch {
    return loadPyodide(options);
  }
}

async function start() {
  const [pyodide, course, driver] = await Promise.all([
    boot(),
    file("course.zip").then((got) => got.arrayBuffer()),
    file("driver.py").then((got) => got.text()),
  ]);
  pyodide.FS.writeFile("/course.zip", new Uint8Array(course));
  if (!pyodide.globals.has("answer")) {
    pyodide.runPython("import sys; sys.path.insert(0, '/course.zip')");
    pyodide.runPython(driver);
  }
  pyodide.globals.get("awake")();
  return pyodide.globals.get("answer");
}

const ready = start();
ready.then(
  () => postMessage({ ready: true }),
  (error) => postMessage({ failed: String(error) }),
);

addEventListener("message", async ({ data: { id, question } }) => {
  try {
    const answer = await ready;
    postMessage({ id, answer: JSON.parse(answer(JSON.stringify(question))) });
  } catch (error) {
    postMessage({ id, failed: String(error).slice(-2000) });
  }
});
