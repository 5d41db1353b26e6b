// node probe.mjs PYODIDE_FOLDER COURSE_ZIP NOTEBOOKS_JSON: what of them works in a page, as JSON (probe.py).
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, course, notebooks] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${folder}/pyodide.mjs`).href);
const pyodide = await loadPyodide({ indexURL: `${folder}/`, stdout: (line) => console.error(line) });
pyodide.unpackArchive(new Uint8Array(readFileSync(course)), "zip", { extractDir: "/course" });
for (const name of ["driver", "probe"])
  pyodide.FS.writeFile(`/course/${name}.py`, readFileSync(new URL(`${name}.py`, import.meta.url)));
pyodide.runPython("import sys; sys.path.insert(0, '/course')");
console.log(pyodide.pyimport("probe").main(readFileSync(notebooks, "utf8")));
