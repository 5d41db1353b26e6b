// Python in a page: node page.mjs PYODIDE_FOLDER REPOSITORY PROGRAM ARGUMENT...; prints what the program prints.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, repository, program, ...rest] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${folder}/pyodide.mjs`).href);
const pyodide = await loadPyodide({ indexURL: `${folder}/`, stdout: (line) => console.log(line) });
pyodide.FS.mkdirTree("/course");
pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root: repository }, "/course");
pyodide.globals.set("arguments", pyodide.toPy(rest));
pyodide.runPython("import sys; sys.path.insert(0, '/course'); sys.argv = ['page', *arguments]");
pyodide.runPython(readFileSync(program, "utf8"));
