// Python in a worker: it is loaded once, answers one question at a time, and is ended from outside where it does not.
// Its files lie beside this one: driver.py, course.zip (the package) and ../pyodide/.

const here = new URL(".", import.meta.url);

async function start() {
  const { loadPyodide } = await import(String(new URL("../pyodide/pyodide.mjs", here)));
  const [pyodide, course, driver] = await Promise.all([
    loadPyodide({ indexURL: String(new URL("../pyodide/", here)), stdout: () => {}, stderr: () => {} }),
    fetch(new URL("course.zip", here)).then((got) => got.arrayBuffer()),
    fetch(new URL("driver.py", here)).then((got) => got.text()),
  ]);
  pyodide.unpackArchive(course, "zip", { extractDir: "/course" });
  pyodide.runPython("import sys; sys.path.insert(0, '/course')");
  pyodide.runPython(driver);
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
