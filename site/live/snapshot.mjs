// node snapshot.mjs PYODIDE_FOLDER OUT COURSE_ZIP TOPIC...: Python's memory once the judge and the topics are imported.
//
// A page that starts from it (static/live/worker.js) need not start Python. Nothing of a reader is in it, and no file:
// the page has those of its own site. It is written gzipped.
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";

const [folder, out, course, ...topics] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${folder}/pyodide.mjs`).href);
const pyodide = await loadPyodide({ indexURL: `${folder}/`, _makeSnapshot: true });
const memory = pyodide._module,
  size = memory.HEAPU8.length;

pyodide.FS.writeFile("/course.zip", readFileSync(course));
pyodide.runPython("import sys; sys.path.insert(0, '/course.zip')");
pyodide.runPython(readFileSync(new URL("driver.py", import.meta.url), "utf8"));
for (const name of topics) pyodide.runPython(`topic("${name}")`);
pyodide.runPython("import gc; gc.collect()");
blank();
if (memory.HEAPU8.length !== size) throw new Error("Python's memory grew, and a page could not restore it");
writeFileSync(out, gzipSync(pyodide.makeMemorySnapshot(), { level: 9 }));

/** Fill what is free below the end of what is used with zeros: what lay there takes space, and means nothing. */
function blank() {
  const end = memory._sbrk(0) >>> 0,
    taken = [];
  for (let bytes = 2 ** 20; bytes >= 16; bytes = Math.floor(bytes * 0.75)) {
    for (let start = memory._malloc(bytes); start; start = memory._malloc(bytes)) {
      if (start + bytes > end) {
        memory._free(start);
        break;
      }
      memory.HEAPU8.fill(0, start, start + bytes);
      taken.push(start);
    }
  }
  for (const start of taken) memory._free(start);
}
