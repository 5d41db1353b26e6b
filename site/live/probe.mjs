// node probe.mjs PYODIDE_FOLDER OUT COURSE_ZIP NOTEBOOKS_JSON: what of them works in a page, as JSON (probe.py).
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, out, course, notebooks] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${folder}/pyodide.mjs`).href);
const pyodide = await loadPyodide({ indexURL: `${folder}/`, stdout: (line) => console.error(line) });
pyodide.FS.writeFile("/course.zip", readFileSync(course));
pyodide.FS.mkdir("/course");
for (const name of ["driver", "probe"])
  pyodide.FS.writeFile(`/course/${name}.py`, readFileSync(new URL(`${name}.py`, import.meta.url)));
pyodide.runPython("import sys; sys.path[:0] = ['/course', '/course.zip']");
writeFileSync(out, pyodide.pyimport("probe").main(readFileSync(notebooks, "utf8")));
